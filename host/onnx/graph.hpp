#pragma once

#include <algorithm>
#include <cstdint>
#include <initializer_list>
#include <limits>
#include <map>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "host/onnx/wire.hpp"

namespace cugad::onnx {

/// Types of elements, by their numbers in TensorProto.DataType.
enum class Type : std::int32_t { float32 = 1, int64 = 7, text = 8, boolean = 9, float64 = 11 };

template <class T>
constexpr Type type_of = Type::float32;
template <>
inline constexpr Type type_of<double> = Type::float64;
template <>
inline constexpr Type type_of<std::int64_t> = Type::int64;
template <>
inline constexpr Type type_of<bool> = Type::boolean;

/// A tensor of the graph, by its name.
using Value = std::string;
using Shape = std::vector<std::int64_t>;

/// An attribute of a node.
struct Attribute {
  const char* name;
  std::variant<std::int64_t, float, std::vector<std::int64_t>, std::vector<std::string>> value;
};

/// An ONNX graph under construction. Nodes are added in the order in which they run. Numbers are float32 unless said.
class Graph {
 public:
  /// Opset 18 is the first whose reductions all take their axes as an input; ONNX Runtime has it since 1.14.
  static constexpr std::int64_t opset = 18, learning_opset = 3, ir_version = 8;
  static constexpr const char* learning_domain = "ai.onnx.ml";

  /// An input of the caller's rows: [batch, columns].
  Value input(const std::string& name, Type type, std::int64_t columns);
  /// An output [batch].
  void output(const Value& value, const std::string& name, Type type);
  void describe(const std::string& key, const std::string& text) { metadata_.emplace_back(key, text); }

  Value add(const char* op, std::initializer_list<Value> inputs, const std::vector<Attribute>& attributes = {},
            const char* domain = "") {
    return add_nodes(op, inputs, attributes, domain, 1).front();
  }
  /// A node with several outputs.
  std::vector<Value> add_nodes(const char* op, std::span<const Value> inputs, const std::vector<Attribute>& attributes,
                               const char* domain, int outputs);
  Value add(const char* op, std::span<const Value> inputs, const std::vector<Attribute>& attributes = {}) {
    return add_nodes(op, inputs, attributes, "", 1).front();
  }

  template <class T>
  Value constant(std::span<const T> values, const Shape& shape) {
    return initialise(type_of<T>, Message::bytes_of(values), shape);
  }
  template <class T>
  Value constant(const std::vector<T>& values, const Shape& shape) {
    return constant(std::span<const T>(values), shape);
  }
  Value constant(const std::vector<bool>& values, const Shape& shape);
  template <class T>
  Value scalar(T value) {
    return constant(std::span<const T>(&value, 1), {});
  }
  Value integers(const Shape& values) { return constant(values, {static_cast<std::int64_t>(values.size())}); }

  // What many rules need.
  Value cast(const Value& value, Type type) { return add("Cast", {value}, {{"to", static_cast<std::int64_t>(type)}}); }
  Value where(const Value& condition, const Value& yes, const Value& no) { return add("Where", {condition, yes, no}); }
  Value is_missing(const Value& value) { return add("IsNaN", {value}); }
  Value zero_if(const Value& condition, const Value& value) { return where(condition, scalar(0.0f), value); }
  Value slice(const Value& value, std::int64_t axis, std::int64_t begin, std::int64_t end);
  Value gather(const Value& value, std::int64_t axis, const Shape& indices);
  Value concat(std::span<const Value> values, std::int64_t axis);
  Value reshape(const Value& value, const Shape& shape) { return add("Reshape", {value, integers(shape)}); }
  /// Over one axis, which stays with size 1.
  Value reduce(const char* op, const Value& value, std::int64_t axis) {
    return add(op, {value, integers({axis})}, {{"keepdims", std::int64_t{1}}});
  }
  /// log(1 + x) of float64 that are at least 0, with the accuracy of log1p for small ones.
  Value log1p(const Value& value);
  /// sign(x) log(1 + |x|) of float64.
  Value signed_log1p(const Value& value);
  /// softplus(-x) of float32, accurate where it is small.
  Value loss_of_logit(const Value& logit);
  /// Where each value [rows, tables] belongs in an ascending table of its own: how many entries are below it, or at
  /// most it. NaN belongs before all. Returns int64 [rows, tables].
  template <class T>
  Value place_in(const std::vector<std::vector<T>>& tables, const Value& values, bool counts_equal);

  /// The model file. Throws Error{unsupported} if it is larger than the format allows.
  std::string bytes() const;

 private:
  Value initialise(Type type, std::string_view bytes, const Shape& shape);
  Value new_name() { return "/" + std::to_string(++names_); }

  Message nodes_, initialisers_, inputs_, outputs_;
  std::vector<std::pair<std::string, std::string>> metadata_;
  std::map<std::string, Value> small_constants_;
  std::int64_t names_ = 0;
};

template <class T>
Value Graph::place_in(const std::vector<std::vector<T>>& tables, const Value& values, bool counts_equal) {
  // A search by halves: the tables are as long as a number of its steps reaches, filled with NaN, which no value
  // reaches.
  std::size_t longest = 1, steps = 1;
  for (const std::vector<T>& table : tables) longest = std::max(longest, table.size());
  while ((std::size_t{1} << steps) - 1 < longest) ++steps;
  const std::size_t width = (std::size_t{1} << steps) - 1;
  std::vector<T> entries(tables.size() * width, std::numeric_limits<T>::quiet_NaN());
  Shape before_table;  // of the first entry: places count from 1
  for (std::size_t t = 0; t < tables.size(); ++t) {
    std::copy(tables[t].begin(), tables[t].end(), entries.begin() + static_cast<std::ptrdiff_t>(t * width));
    before_table.push_back(static_cast<std::int64_t>(t * width) - 1);
  }
  const Value all = constant(entries, {static_cast<std::int64_t>(entries.size())});
  const Value before = constant(before_table, {1, static_cast<std::int64_t>(tables.size())});
  const char* const comparison = counts_equal ? "LessOrEqual" : "Less";
  Value place;
  for (std::size_t step = steps; step-- > 0;) {
    const Value size = scalar(std::int64_t{1} << step);
    const Value tried = place.empty() ? size : add("Add", {place, size});
    const Value entry = add("Gather", {all, add("Add", {before, tried})}, {{"axis", std::int64_t{0}}});
    const Value taken = add("Mul", {cast(add(comparison, {entry, values}), Type::int64), size});
    place = place.empty() ? taken : add("Add", {place, taken});
  }
  return place;
}

}  // namespace cugad::onnx
