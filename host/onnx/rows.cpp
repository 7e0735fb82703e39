#include "host/onnx/rows.hpp"

#include <algorithm>
#include <limits>
#include <nlohmann/json.hpp>

#include "cugad/error.hpp"
#include "cugad/table.hpp"
#include "host/text/cell.hpp"
#include "host/text/json.hpp"

namespace cugad::onnx {
namespace {

void check_name(const std::string& name, const std::vector<std::string>& outputs) {
  if (std::find(outputs.begin(), outputs.end(), name) == outputs.end()) return;
  throw Error(ErrorCode::unsupported, "the column '" + one_line(name) +
                                          "' has the name of an output of the graph: give the outputs a prefix "
                                          "(--output-prefix)");
}

/// The 0/1 columns of a category: its value's is 1, none for an unknown value, all are missing for an empty text.
Value one_hot(Graph& graph, const Value& texts, const std::vector<std::string>& values) {
  const auto count = static_cast<std::int64_t>(values.size());
  Shape numbers(values.size() + 1);
  for (std::size_t i = 0; i < numbers.size(); ++i) numbers[i] = static_cast<std::int64_t>(i);
  std::vector<std::string> keys = values;
  keys.push_back("");
  const Value number =
      graph.add("LabelEncoder", {texts},
                {{"keys_strings", keys}, {"values_int64s", numbers}, {"default_int64", std::int64_t{-1}}},
                Graph::learning_domain);
  numbers.pop_back();
  const Value ones = graph.cast(graph.add("Equal", {number, graph.constant(numbers, {1, count})}), Type::float32);
  const Value is_missing = graph.add("Equal", {number, graph.scalar(count)});
  return graph.where(is_missing, graph.scalar(std::numeric_limits<float>::quiet_NaN()), ones);
}

}  // namespace

Value add_inputs(Graph& graph, std::int64_t columns, const std::string* encoder_json,
                 const std::vector<std::string>& outputs) {
  const auto plain_rows = [&] { return graph.input("rows", Type::float32, columns); };
  if (encoder_json == nullptr) return plain_rows();
  const TableEncoder encoder = TableEncoder::from_json(*encoder_json);  // which checks the text
  const ReadOptions known = encoder.read_options();
  const bool has_offsets =
      std::any_of(encoder.offsets().begin(), encoder.offsets().end(), [](double o) { return o != 0; });
  if (known.by_position && known.text_columns.empty() && !has_offsets) return plain_rows();
  OrderedJson json;
  const TakenApart parts(json);
  parse_json(*encoder_json, json);
  std::vector<Value> features;
  const std::vector<std::string>& numbers = *known.numeric_columns;
  for (std::size_t c = 0; c < numbers.size(); ++c) {
    check_name(numbers[c], outputs);
    // Only differences count in a column with an offset, which single precision would lose.
    const double offset = encoder.offsets()[c];
    const Value cell = graph.input(numbers[c], offset == 0 ? Type::float32 : Type::float64, 1);
    features.push_back(offset == 0 ? cell : graph.cast(graph.add("Sub", {cell, graph.scalar(offset)}), Type::float32));
  }
  for (const OrderedJson& category : json.at("categorical")) {
    const auto name = category.at("name").get<std::string>();
    const auto values = category.at("values").get<std::vector<std::string>>();
    check_name(name, outputs);
    if (!values.empty()) features.push_back(one_hot(graph, graph.input(name, Type::text, 1), values));
  }
  if (static_cast<std::int64_t>(encoder.feature_names().size()) != columns) {
    throw Error(ErrorCode::format, "the table encoder of the model makes " +
                                       std::to_string(encoder.feature_names().size()) + " columns, its networks take " +
                                       std::to_string(columns));
  }
  return graph.concat(features, 1);
}

Value transform_rows(Graph& graph, const FeatureTransform& transform, const std::vector<std::int64_t>& order,
                     const Value& rows) {
  const Shape row = {1, transform.columns()};
  Value value = graph.cast(rows, Type::float64);
  const std::vector<bool> logged(transform.log1p.begin(), transform.log1p.end());
  if (std::find(logged.begin(), logged.end(), true) != logged.end()) {
    value = graph.where(graph.constant(logged, row), graph.signed_log1p(value), value);
  }
  value = graph.add("Sub", {value, graph.constant(transform.shift, row)});
  value = graph.add("Mul", {value, graph.constant(transform.scale, row)});
  constexpr double largest = std::numeric_limits<float>::max();
  value = graph.cast(graph.add("Clip", {value, graph.scalar(-largest), graph.scalar(largest)}), Type::float32);
  if (!std::is_sorted(order.begin(), order.end())) value = graph.gather(value, 1, order);
  return graph.add("Unsqueeze", {value, graph.integers({0})});
}

namespace {

/// Adds up events of sources: events [batch, sources] of 0 and 1, with the weights that `weights_of(source)` gives, one
/// for each of `sums`.
class EventSums {
 public:
  EventSums(Graph& graph, std::int64_t sums) : graph_(graph), sums_(sums) {}

  void add(const Value& events, const std::vector<double>& weights) {
    if (std::all_of(weights.begin(), weights.end(), [](double weight) { return weight == 0; })) return;
    const auto sources = static_cast<std::int64_t>(weights.size()) / sums_;
    const Value sum =
        graph_.add("MatMul", {graph_.cast(events, Type::float64), graph_.constant(weights, {sources, sums_})});
    total_ = total_.empty() ? sum : graph_.add("Add", {total_, sum});
  }
  /// [1, batch, 1] of one sum; none without any event.
  Value sum(std::int64_t s) {
    if (total_.empty()) return {};
    return graph_.add("Unsqueeze", {graph_.slice(total_, 1, s, s + 1), graph_.integers({0})});
  }

 private:
  Graph& graph_;
  std::int64_t sums_;
  Value total_;
};

}  // namespace

Surprise find_surprise(Graph& graph, const Novelty& novelty, const Value& rows) {
  Surprise found;
  const Value missing = graph.is_missing(rows), present = graph.add("Not", {missing});
  const Value any = graph.reduce("ReduceMax", graph.cast(present, Type::float32), 1);
  found.has_value = graph.add("Greater", {graph.add("Unsqueeze", {any, graph.integers({0})}), graph.scalar(0.5f)});
  if (!novelty) return found;
  const auto methods = static_cast<std::int64_t>(novelty.expected().size());
  EventSums sums(graph, 1 + methods);
  // The columns come first, then the categories.
  std::vector<double> missing_column, unseen_column, missing_category, unseen_category;
  std::vector<float> constants;
  std::vector<Novelty::Source> categories;
  const auto put = [&](std::size_t s, std::vector<double>& of_missing, std::vector<double>& of_unseen, bool is_seen) {
    of_missing.push_back(double{novelty.sources()[s].missing});
    of_unseen.push_back(is_seen ? 0.0 : double{novelty.sources()[s].unseen});
    for (const Novelty::Expected& method : novelty.expected()) {
      of_missing.push_back(double{method.missing[s]});
      of_unseen.push_back(is_seen ? 0.0 : double{method.unseen[s]});
    }
  };
  for (std::size_t s = 0; s < novelty.sources().size(); ++s) {
    const Novelty::Source& source = novelty.sources()[s];
    if (source.kind == SourceKind::category) {
      put(s, missing_category, unseen_category, false);
      categories.push_back(source);
    } else {
      put(s, missing_column, unseen_column, source.kind == SourceKind::number);
      constants.push_back(source.constant);
    }
  }
  const auto columns = static_cast<std::int64_t>(constants.size()),
             count = static_cast<std::int64_t>(categories.size());
  const Value differs = graph.add("Not", {graph.add("Equal", {rows, graph.constant(constants, {1, columns})})});
  sums.add(missing, missing_column);
  sums.add(graph.add("And", {present, differs}), unseen_column);
  if (count > 0) {
    std::vector<float> member(static_cast<std::size_t>(columns * count));
    for (std::int64_t k = 0; k < count; ++k) {
      const Novelty::Source& category = categories[static_cast<std::size_t>(k)];
      for (std::int64_t c = category.first; c < category.first + category.columns; ++c) member[c * count + k] = 1.0f;
    }
    const Value members = graph.constant(member, {columns, count});
    const auto any_of = [&](const Value& cells) {
      return graph.add("Greater",
                       {graph.add("MatMul", {graph.cast(cells, Type::float32), members}), graph.scalar(0.5f)});
    };
    const Value is_missing = any_of(missing);
    const Value has_one = any_of(graph.add("Not", {graph.add("Equal", {rows, graph.scalar(0.0f)})}));
    sums.add(is_missing, missing_category);
    sums.add(graph.add("Not", {graph.add("Or", {is_missing, has_one})}), unseen_category);
  }
  found.surprise = sums.sum(0);
  for (std::int64_t m = 0; m < methods; ++m) found.absent.push_back(sums.sum(1 + m));
  return found;
}

}  // namespace cugad::onnx
