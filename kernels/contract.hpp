#pragma once

#include <concepts>
#include <string>

#include "cugad/ops.hpp"

/// Helpers to state contracts: collects the first thing that is wrong.
namespace cugad {

class ContractCheck {
 public:
  explicit ContractCheck(const char* op) : op_(op) {}

  void require(bool ok, const std::string& what) {
    if (!ok) fail(what);
  }
  void require(bool ok, const char* what) {
    if (!ok) fail(what);
  }
  /// The same with the text returned by `what`.
  template <std::invocable What>
  void require(bool ok, const What& what) {
    if (!ok) fail(what());
  }
  /// A view that must be there (unless it is empty), with this shape. Texts are made only when something is wrong:
  /// contracts are checked on every call.
  template <class T>
  void view(const char* name, const StackView<T>& v, std::int64_t models, std::int64_t rows, std::int64_t columns) {
    if (v.models != models || v.rows != rows || v.columns != columns) {
      fail(std::string(name) + " is " + shape(v.models, v.rows, v.columns) + ", expected " +
           shape(models, rows, columns));
    }
    if (v.models < 0 || v.rows < 0 || v.columns < 0) fail(std::string(name) + " has a negative size");
    if (v.rows > 1 && v.row_stride < v.columns) {
      fail(std::string(name) + ": row_stride " + std::to_string(v.row_stride) + " is less than " +
           std::to_string(v.columns) + " columns");
    }
    if (v.model_stride < 0) fail(std::string(name) + ": negative model_stride");
    if (v.data == nullptr && models * rows * columns != 0) fail(std::string(name) + " is null");
  }
  /// The same where null means "not wanted".
  template <class T>
  void optional(const char* name, const StackView<T>& v, std::int64_t models, std::int64_t rows, std::int64_t columns) {
    if (v.data != nullptr) view(name, v, models, rows, columns);
  }
  /// An output: models must not share memory.
  template <class T>
  void output(const char* name, const StackView<T>& v, std::int64_t models, std::int64_t rows, std::int64_t columns) {
    view(name, v, models, rows, columns);
    const std::int64_t extent = rows == 0 || columns == 0 ? 0 : (rows - 1) * v.row_stride + columns;
    if (models > 1 && v.model_stride < extent) fail(std::string(name) + ": models of an output overlap");
  }
  template <class T>
  void optional_output(const char* name, const StackView<T>& v, std::int64_t models, std::int64_t rows,
                       std::int64_t columns) {
    if (v.data != nullptr) output(name, v, models, rows, columns);
  }
  std::string result() const { return reason_; }

 private:
  void fail(const std::string& what) {
    if (reason_.empty()) reason_ = std::string(op_) + ": " + what;
  }
  static std::string shape(std::int64_t models, std::int64_t rows, std::int64_t columns) {
    return std::to_string(models) + " x " + std::to_string(rows) + " x " + std::to_string(columns);
  }
  const char* op_;
  std::string reason_;
};

}  // namespace cugad
