#include <fmt/format.h>

#include <algorithm>
#include <limits>

#include "cugad/error.hpp"
#include "cugad/onnx.hpp"
#include "host/detector/contents.hpp"
#include "host/floating_point.hpp"
#include "host/model_file/atomic_file.hpp"
#include "host/onnx/rows.hpp"
#include "host/onnx/scores.hpp"
#include "host/text/json.hpp"

namespace cugad {
namespace {

using namespace onnx;
using Impl = DetectorContents::Impl;

/// As Ensemble::score, float32 [1, batch, 1]; NaN for rows without any value.
Value score_rows(Graph& graph, const Impl& detector, const Value& rows) {
  Ensemble& ensemble = *detector.model;
  const Stack transformed = {transform_rows(graph, detector.transform, detector.roles.order, rows), 1,
                             detector.transform.columns()};
  const Surprise beside = find_surprise(graph, detector.novelty, rows);
  std::vector<Value> parts;
  bool compresses = false;  // distances to training rows grow without bound
  for (std::size_t i = 0; i < ensemble.methods(); ++i) {
    const AnomalyModel& member = ensemble.member(i);
    compresses = compresses || (member.measures_training_rows() && member.options().compress);
    const Value absent = i < beside.absent.size() ? beside.absent[i] : Value();
    parts.push_back(ScoreNodes(graph, ensemble.member(i), transformed).parts(absent));
  }
  Value score = graph.concat(parts, 0);
  if (ensemble.parts() > 1) {
    score = mean_over_models(graph, standardise(graph, score, ensemble.statistics(), compresses));
  }
  score = graph.cast(score, Type::float64);
  // Only an infinite cell, or one too large for sums, gives NaN here.
  score = graph.where(graph.is_missing(score), graph.scalar(std::numeric_limits<double>::infinity()), score);
  if (!beside.surprise.empty()) score = graph.add("Add", {score, beside.surprise});
  score = graph.where(beside.has_value, score, graph.scalar(std::numeric_limits<double>::quiet_NaN()));
  return graph.cast(score, Type::float32);
}

/// As ScoreCalibration::probability of the kind rank, of float32 [batch]: float32 [batch].
Value rank_scores(Graph& graph, const ScoreCalibration& calibration, const Value& scores) {
  OrderedJson json;
  const TakenApart parts(json);
  parse_json(calibration.to_json(), json);
  const auto quantiles = json.at("quantiles").get<std::vector<double>>();
  auto largest = json.at("largest").get<std::vector<double>>();
  // Model files of older versions have no largest scores.
  if (largest.back() != quantiles.back()) largest.clear();
  // Fewer scores than the list has room for fill its end.
  largest.erase(largest.begin(), largest.end() - std::min<std::ptrdiff_t>(std::ssize(largest), calibration.count()));
  const auto count = static_cast<double>(calibration.count()), steps = static_cast<double>(quantiles.size()) - 1;
  const double below_largest = count - static_cast<double>(largest.size());
  const Value score = graph.cast(graph.add("Unsqueeze", {scores, graph.integers({1})}), Type::float64);
  // Between two quantiles linearly; place counts those that are no larger than the score.
  const Value place = graph.place_in<double>({quantiles}, score, true);
  const auto last = static_cast<std::int64_t>(quantiles.size()) - 1;
  const Value all = graph.constant(quantiles, {last + 1});
  const auto quantile = [&](const Value& at) {
    const Value within = graph.add("Min", {graph.add("Max", {at, graph.scalar(std::int64_t{0})}), graph.scalar(last)});
    return graph.add("Gather", {all, within}, {{"axis", std::int64_t{0}}});
  };
  const Value before = graph.add("Sub", {place, graph.scalar(std::int64_t{1})});
  const Value low = quantile(before), high = quantile(place);
  const Value part = graph.add("Div", {graph.add("Sub", {score, low}), graph.add("Sub", {high, low})});
  const Value share = graph.add(
      "Mul", {graph.add("Add", {graph.cast(before, Type::float64), part}), graph.scalar((count - 1) / steps)});
  const Value inside = graph.add("Min", {graph.add("Add", {share, graph.scalar(1.0)}), graph.scalar(below_largest)});
  const Value is_above = graph.add("Greater", {place, graph.scalar(last)});
  const Value is_below = graph.add("Less", {place, graph.scalar(std::int64_t{1})});
  Value at_most = graph.where(is_below, graph.scalar(0.0), graph.where(is_above, graph.scalar(below_largest), inside));
  if (!largest.empty()) {
    const Value in_largest = graph.cast(graph.place_in<double>({largest}, score, true), Type::float64);
    const Value is_large = graph.add("GreaterOrEqual", {score, graph.scalar(largest.front())});
    at_most = graph.where(is_large, graph.add("Add", {in_largest, graph.scalar(below_largest)}), at_most);
  }
  const Value probability = graph.add("Div", {graph.add("Add", {at_most, graph.scalar(1.0)}), graph.scalar(count + 2)});
  const Value kept = graph.where(graph.is_missing(score), score, probability);
  return graph.cast(graph.add("Squeeze", {kept, graph.integers({1})}), Type::float32);
}

/// FNV-1a of the model file: tells which model a graph was made of, without a cryptographic promise.
std::string hash_of(std::span<const std::byte> bytes) {
  std::uint64_t hash = 14695981039346656037ull;
  for (const std::byte byte : bytes) hash = (hash ^ std::to_integer<std::uint64_t>(byte)) * 1099511628211ull;
  return fmt::format("{:016x}", hash);
}

}  // namespace

void export_onnx(const Detector& detector, const std::string& path, const OnnxOptions& options) {
  const FloatingPointEnvironment environment;
  const Impl& model = DetectorContents::of(detector);
  if (model.model == nullptr) {
    throw Error(ErrorCode::invalid_argument, "the detector is not fitted: there is nothing to export");
  }
  check_can_be_written(path);
  const float threshold = options.threshold.value_or(model.threshold);
  const std::string score_name = options.output_prefix + "score";
  const std::string probability_name = options.output_prefix + "probability";
  const std::string label_name = options.output_prefix + "is_anomaly";
  Graph graph;
  const Value rows = add_inputs(graph, model.transform.columns(), detector.attachment("encoder"),
                                {score_name, probability_name, label_name});
  const Value score = graph.add("Squeeze", {score_rows(graph, model, rows), graph.integers({0, 2})});
  graph.output(score, score_name, Type::float32);
  if (model.calibration) {
    graph.output(rank_scores(graph, *model.calibration, score), probability_name, Type::float32);
  }
  // A row without any value, whose score is NaN, is an anomaly.
  graph.output(graph.add("Not", {graph.add("Less", {score, graph.scalar(threshold)})}), label_name, Type::boolean);
  graph.describe("cugad_version", CUGAD_VERSION);
  graph.describe("method", get_option(model.resolved, "method"));
  graph.describe("threshold", fmt::format("{}", threshold));
  graph.describe("opset", std::to_string(Graph::opset));
  graph.describe("options", options_to_json(model.resolved));
  graph.describe("model_hash", hash_of(detector.save()));
  const std::string bytes = graph.bytes();
  write_file_atomically(path, [&](const auto& append) { append(bytes); });
}

}  // namespace cugad
