#pragma once

#include <string>

#include "cugad/ops.hpp"

/// Helpers to state contracts: collects the first thing that is wrong.
namespace cugad {

class ContractCheck {
 public:
  explicit ContractCheck(const char* op) : op_(op) {}

  void require(bool ok, const std::string& what) {
    if (!ok && reason_.empty()) reason_ = std::string(op_) + ": " + what;
  }
  /// A view that must be there (unless it is empty), with this shape.
  template <class T>
  void view(const char* name, const StackView<T>& v, std::int64_t models, std::int64_t rows, std::int64_t columns) {
    const std::string field = name;
    require(v.models == models && v.rows == rows && v.columns == columns,
            field + " is " + shape(v.models, v.rows, v.columns) + ", expected " + shape(models, rows, columns));
    layout(name, v);
    require(v.data != nullptr || models * rows * columns == 0, field + " is null");
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
    require(models <= 1 || v.model_stride >= extent, std::string(name) + ": models of an output overlap");
  }
  template <class T>
  void optional_output(const char* name, const StackView<T>& v, std::int64_t models, std::int64_t rows,
                       std::int64_t columns) {
    if (v.data != nullptr) output(name, v, models, rows, columns);
  }
  std::string result() const { return reason_; }

 private:
  static std::string shape(std::int64_t models, std::int64_t rows, std::int64_t columns) {
    return std::to_string(models) + " x " + std::to_string(rows) + " x " + std::to_string(columns);
  }
  template <class T>
  void layout(const char* name, const StackView<T>& v) {
    require(v.models >= 0 && v.rows >= 0 && v.columns >= 0, std::string(name) + " has a negative size");
    require(v.rows <= 1 || v.row_stride >= v.columns, std::string(name) + ": row_stride " +
                                                          std::to_string(v.row_stride) + " is less than " +
                                                          std::to_string(v.columns) + " columns");
    require(v.model_stride >= 0, std::string(name) + ": negative model_stride");
  }
  const char* op_;
  std::string reason_;
};

}  // namespace cugad
