#include "host/onnx/graph.hpp"

#include <algorithm>

#include "cugad/error.hpp"

namespace cugad::onnx {
namespace {

/// Fields of the messages of onnx.proto that are written here.
namespace model {
enum { ir_version = 1, producer_name = 2, producer_version = 3, graph = 7, opset_import = 8, metadata_props = 14 };
}
namespace graph {
enum { node = 1, name = 2, initializer = 5, input = 11, output = 12 };
}
namespace node {
enum { input = 1, output = 2, name = 3, op_type = 4, attribute = 5, domain = 7 };
}
namespace attribute {
enum { name = 1, f = 2, i = 3, ints = 8, strings = 9, type = 20 };
enum { type_float = 1, type_int = 2, type_ints = 7, type_strings = 8 };
}  // namespace attribute
namespace tensor {
enum { dims = 1, data_type = 2, name = 8, raw_data = 9 };
}

Message attribute_message(const Attribute& one) {
  Message message;
  message.text(attribute::name, one.name);
  if (const auto* integer = std::get_if<std::int64_t>(&one.value)) {
    message.integer(attribute::i, *integer);
    message.integer(attribute::type, attribute::type_int);
  } else if (const auto* number = std::get_if<float>(&one.value)) {
    message.number(attribute::f, *number);
    message.integer(attribute::type, attribute::type_float);
  } else if (const auto* integers = std::get_if<std::vector<std::int64_t>>(&one.value)) {
    message.integers(attribute::ints, *integers);
    message.integer(attribute::type, attribute::type_ints);
  } else {
    for (const std::string& text : std::get<std::vector<std::string>>(one.value)) {
      message.text(attribute::strings, text);
    }
    message.integer(attribute::type, attribute::type_strings);
  }
  return message;
}

/// A ValueInfoProto of so many columns for each row of the batch; 0: one value per row.
Message value_info(const std::string& name, Type type, std::int64_t columns) {
  Message rows, shape, tensor_type, type_message, info;
  rows.text(2, "batch");  // dim_param
  shape.message(1, rows);
  if (columns > 0) {
    Message size;
    size.integer(1, columns);  // dim_value
    shape.message(1, size);
  }
  tensor_type.integer(1, static_cast<std::int64_t>(type));  // elem_type
  tensor_type.message(2, shape);
  type_message.message(1, tensor_type);
  info.text(1, name);
  info.message(2, type_message);
  return info;
}

Message pair_of(const std::string& first, const std::string& second) {
  Message pair;
  pair.text(1, first);
  pair.text(2, second);
  return pair;
}

Message opset_of(const char* domain, std::int64_t version) {
  Message opset;
  opset.text(1, domain);
  opset.integer(2, version);
  return opset;
}

}  // namespace

Value Graph::input(const std::string& name, Type type, std::int64_t columns) {
  inputs_.message(graph::input, value_info(name, type, columns));
  return name;
}

void Graph::output(const Value& value, const std::string& name, Type type) {
  Message identity;
  identity.text(node::input, value);
  identity.text(node::output, name);
  identity.text(node::name, "/" + name);
  identity.text(node::op_type, "Identity");
  nodes_.message(graph::node, identity);
  outputs_.message(graph::output, value_info(name, type, 0));
}

std::vector<Value> Graph::add_nodes(const char* op, std::span<const Value> inputs,
                                    const std::vector<Attribute>& attributes, const char* domain, int outputs) {
  Message message;
  for (const Value& input : inputs) message.text(node::input, input);
  std::vector<Value> names;
  for (int i = 0; i < outputs; ++i) {
    names.push_back(new_name());
    message.text(node::output, names.back());
  }
  message.text(node::name, names.front() + "/" + op);
  message.text(node::op_type, op);
  for (const Attribute& one : attributes) message.message(node::attribute, attribute_message(one));
  if (*domain != '\0') message.text(node::domain, domain);
  nodes_.message(graph::node, message);
  return names;
}

Value Graph::initialise(Type type, std::string_view bytes, const Shape& shape) {
  constexpr std::size_t small = 256;
  std::string key;
  if (bytes.size() <= small) {
    key = std::to_string(static_cast<int>(type)) + ' ';
    for (const std::int64_t size : shape) key += std::to_string(size) + ' ';
    key += bytes;
    if (const auto found = small_constants_.find(key); found != small_constants_.end()) return found->second;
  }
  const Value name = new_name();
  if (!key.empty()) small_constants_[key] = name;
  Message message;
  if (!shape.empty()) message.integers(tensor::dims, shape);
  message.integer(tensor::data_type, static_cast<std::int64_t>(type));
  message.text(tensor::name, name);
  message.text(tensor::raw_data, bytes);
  initialisers_.message(graph::initializer, message);
  return name;
}

Value Graph::constant(const std::vector<bool>& values, const Shape& shape) {
  const std::string bytes(values.begin(), values.end());
  return initialise(Type::boolean, bytes, shape);
}

Value Graph::slice(const Value& value, std::int64_t axis, std::int64_t begin, std::int64_t end) {
  return add("Slice", {value, integers({begin}), integers({end}), integers({axis})});
}

Value Graph::gather(const Value& value, std::int64_t axis, const Shape& indices) {
  return add("Gather", {value, integers(indices)}, {{"axis", axis}});
}

Value Graph::concat(std::span<const Value> values, std::int64_t axis) {
  return values.size() == 1 ? values.front() : add("Concat", values, {{"axis", axis}});
}

Value Graph::log1p(const Value& value) {
  // With u = 1 + x rounded, log(u) x / (u - 1) has the rounding of u cancelled (Goldberg 1991, theorem 4).
  const Value one = scalar(1.0), u = add("Add", {value, one}), log = add("Log", {u});
  const Value corrected = add("Mul", {log, add("Div", {value, add("Sub", {u, one})})});
  const Value of_small = where(add("Equal", {u, one}), value, corrected);
  return where(add("Greater", {value, one}), log, of_small);
}

Value Graph::signed_log1p(const Value& value) { return add("Mul", {add("Sign", {value}), log1p(add("Abs", {value}))}); }

Value Graph::loss_of_logit(const Value& logit) {
  const Value x = cast(logit, Type::float64);
  const Value beyond = add("Max", {add("Neg", {x}), scalar(0.0)});
  const Value rest = log1p(add("Exp", {add("Neg", {add("Abs", {x})})}));
  return cast(where(is_missing(x), x, add("Add", {beyond, rest})), Type::float32);
}

std::string Graph::bytes() const {
  Message all;
  all.integer(model::ir_version, ir_version);
  all.text(model::producer_name, "cugad");
  all.text(model::producer_version, CUGAD_VERSION);
  // The parts of the graph are joined as they are: a message is the sequence of its fields.
  Message name;
  name.text(graph::name, "cugad");
  const std::string parts = nodes_.bytes() + name.bytes() + initialisers_.bytes() + inputs_.bytes() + outputs_.bytes();
  constexpr std::size_t most_bytes = std::numeric_limits<std::int32_t>::max() - (std::size_t{1} << 24);
  if (parts.size() > most_bytes) {
    throw Error(ErrorCode::unsupported, "the ONNX graph has " + std::to_string(parts.size()) +
                                            " bytes, expected at most " + std::to_string(most_bytes) +
                                            ", what the format allows: keep fewer rows (reference_rows, bank_rows)");
  }
  all.text(model::graph, parts);
  all.message(model::opset_import, opset_of("", opset));
  all.message(model::opset_import, opset_of(learning_domain, learning_opset));
  for (const auto& [key, text] : metadata_) all.message(model::metadata_props, pair_of(key, text));
  return all.bytes();
}

}  // namespace cugad::onnx
