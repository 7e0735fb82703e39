#include "host/onnx/scores.hpp"

#include <algorithm>
#include <numeric>

#include "cugad/error.hpp"
#include "host/backend/transfer.hpp"
#include "host/scores/latent_searcher.hpp"

namespace cugad::onnx {
namespace {

/// Another score of the method, which needs no search, as advice.
std::string other_scores(const DetectorOptions& options) {
  std::string names;
  for (const ScoreRule rule : definition_of(options.method).scores) {
    if (rule == ScoreRule::search || (rule == ScoreRule::bank && !options.condition.empty())) continue;
    DetectorOptions other;
    other.score = rule;
    names += (names.empty() ? "" : " or ") + get_option(other, "score");
  }
  return names.empty() ? "another method" : "the option score = " + names;
}

bool is_usual(const ScoreStatistics& one) { return one.median == 0.0f && one.spread == 1.0f; }

}  // namespace

Value standardise(Graph& graph, const Value& values, const std::vector<ScoreStatistics>& statistics, bool compress) {
  Value result = graph.cast(values, Type::float64);
  if (!std::all_of(statistics.begin(), statistics.end(), is_usual)) {
    std::vector<double> median, spread;
    for (const ScoreStatistics& one : statistics) {
      median.push_back(double{one.median});
      spread.push_back(double{one.spread});
    }
    const Shape shape = {static_cast<std::int64_t>(statistics.size()), 1, 1};
    result = graph.add("Sub", {result, graph.constant(median, shape)});
    result = graph.add("Div", {result, graph.constant(spread, shape)});
  }
  return compress ? graph.signed_log1p(result) : result;
}

ScoreNodes::ScoreNodes(Graph& graph, AnomalyModel& model, const Stack& rows)
    : graph_(graph), model_(model), rows_(rows), known_(rows), missing_(graph.is_missing(rows.value)) {
  known_.value = graph_.zero_if(missing_, rows.value);
}

NetworkNodes& ScoreNodes::of(Role role) {
  std::unique_ptr<NetworkNodes>& nodes = made_[static_cast<std::size_t>(role)];
  if (!nodes) nodes = std::make_unique<NetworkNodes>(graph_, model_.context(), networks()[role], model_.weights(role));
  return *nodes;
}

Value ScoreNodes::parts(const Value& absent) {
  RawScores raw = raw_scores();
  const ScoringRule::AbsentForm form = model_.absent_form();
  if (!absent.empty() && form.weight > 0.0f) {
    const Value own = graph_.cast(raw.residual, Type::float64);
    const Value more = graph_.add("Mul", {absent, graph_.scalar(double{form.weight})});
    const Value sum = graph_.add("Add", {form.root ? graph_.add("Mul", {own, own}) : own, more});
    raw.residual = graph_.cast(form.root ? graph_.add("Sqrt", {sum}) : sum, Type::float32);
  }
  // Several parts are standardised by what combines them.
  const bool compress = options().compress && options().standardise && model_.parts() == 1;
  Value score = standardise(graph_, raw.residual, model_.residual_statistics(), compress);
  if (model_.parts() == 1) score = mean_over_models(graph_, score);
  if (!raw.logit.empty()) {
    const Value surprise =
        standardise(graph_, graph_.add("Neg", {raw.logit}), model_.discriminator_statistics(), compress);
    const Value mean = mean_over_models(graph_, surprise);
    const Value positive = graph_.where(graph_.add("Less", {mean, graph_.scalar(0.0)}), graph_.scalar(0.0), mean);
    const Value weight = graph_.scalar(double{options().discriminator_weight});
    score = graph_.add("Add", {score, graph_.add("Mul", {weight, positive})});
  }
  const Value infinity = graph_.scalar(std::numeric_limits<double>::infinity());
  return graph_.cast(graph_.where(graph_.is_missing(score), infinity, score), Type::float32);
}

ScoreNodes::RawScores ScoreNodes::raw_scores() {
  switch (options().score) {
    case ScoreRule::bank:
      return bank_scores();
    case ScoreRule::nearest_and_mean:
    case ScoreRule::kth_nearest:
    case ScoreRule::mean_nearest:
      return nearest_row_scores();
    case ScoreRule::discriminator:
      return discriminator_scores();
    case ScoreRule::reconstruction:
      return reconstruction_scores();
    case ScoreRule::latent:
      return latent_scores();
    case ScoreRule::cycle_features:
    case ScoreRule::cycle_logits:
      return cycle_scores();
    case ScoreRule::likelihood:
      return likelihood_scores();
    case ScoreRule::search:
    case ScoreRule::automatic:  // resolved options name a rule
      break;
  }
  throw Error(ErrorCode::unsupported, "the score 'search' of method '" +
                                          std::string(definition_of(options().method).name) +
                                          "' searches the latent space for each row, which an ONNX graph cannot "
                                          "hold: train with " +
                                          other_scores(options()));
}

void ScoreNodes::encode() {
  latent_ = {.value = {}, .models = 1, .columns = 0};
  if (networks().has(Role::encoder)) {
    latent_ = columns_of(graph_, of(Role::encoder).pass(known_).result, 0, networks().latent);
  }
  const std::int64_t columns = networks().columns;
  input_ = joined(graph_, latent_, columns_of(graph_, known_, columns, columns + networks().condition));
}

void ScoreNodes::reconstruct() {
  encode();
  const std::int64_t columns = networks().columns;
  const Stack rebuilt = columns_of(graph_, of(Role::generator).pass(input_).result, 0, columns);
  reconstruction_ = joined(graph_, rebuilt, columns_of(graph_, known_, columns, columns + networks().condition));
}

Stack ScoreNodes::filled(const Stack& replacement) {
  return {graph_.where(missing_, replacement.value, rows_.value), replacement.models, replacement.columns};
}

NetworkNodes::Pass ScoreNodes::judge(const Stack& filled) { return of(Role::discriminator).pass(filled, latent_); }

/// As the op row_distance: missing cells of a count nothing, and with a scale none counts for more than most_spreads.
Value ScoreNodes::distance(const Stack& a, const Stack& b, Distance metric, const Value& scale) {
  Value difference = graph_.zero_if(graph_.is_missing(a.value), graph_.add("Sub", {a.value, b.value}));
  if (!scale.empty()) {
    difference = graph_.add("Mul", {graph_.add("Abs", {difference}), scale});
    const Value limit = graph_.scalar(ScoringNetworks::most_spreads);
    difference = graph_.where(graph_.add("Less", {limit, difference}), limit, difference);
  }
  const Value terms =
      metric == Distance::l1 ? graph_.add("Abs", {difference}) : graph_.add("Mul", {difference, difference});
  const Value sum = graph_.reduce("ReduceSum", terms, 2);
  return metric == Distance::l2 ? graph_.add("Sqrt", {sum}) : sum;
}

/// Products choose the neighbours: |x - b|^2 but for |x|^2 is w b^2 - 2 x b, w being 0 in missing cells. It is taken in
/// double, as the form cancels; the distances themselves are those of differences.
ScoreNodes::Nearest ScoreNodes::find_nearest(const std::vector<float>& bank, std::int64_t models,
                                             std::int64_t neighbours) {
  const std::int64_t columns = rows_.columns, all = static_cast<std::int64_t>(bank.size()) / columns;
  const Value rows = graph_.constant(bank, {all, columns});
  const Value weight = graph_.cast(graph_.add("Not", {missing_}), Type::float32);
  const Value by_column =
      graph_.add("Transpose", {graph_.reshape(graph_.cast(rows, Type::float64), {models, all / models, columns})},
                 {{"perm", Shape{0, 2, 1}}});
  const Value squares =
      graph_.add("MatMul", {graph_.cast(weight, Type::float64), graph_.add("Mul", {by_column, by_column})});
  const Value products = graph_.add("MatMul", {graph_.cast(known_.value, Type::float64), by_column});
  const Value order = graph_.add("Sub", {squares, graph_.add("Add", {products, products})});
  const std::vector<Value> arguments = {order, graph_.integers({neighbours})};
  Value index =
      graph_.add_nodes("TopK", arguments, {{"axis", std::int64_t{-1}}, {"largest", std::int64_t{0}}}, "", 2)[1];
  if (models > 1) {
    Shape first;
    for (std::int64_t m = 0; m < models; ++m) first.push_back(m * (all / models));
    index = graph_.add("Add", {index, graph_.constant(first, {models, 1, 1})});
  }
  const Value nearest = graph_.add("Gather", {rows, index}, {{"axis", std::int64_t{0}}});
  const auto of_neighbours = [&](const Value& of_rows) {
    return graph_.add("Unsqueeze", {of_rows, graph_.integers({2})});
  };
  Value difference = graph_.add("Sub", {of_neighbours(known_.value), nearest});
  difference = graph_.zero_if(of_neighbours(missing_), difference);
  const Value sum = graph_.reduce("ReduceSum", graph_.add("Mul", {difference, difference}), 3);
  return {graph_.add("Squeeze", {graph_.add("Sqrt", {sum}), graph_.integers({3})}), nearest};
}

ScoreNodes::RawScores ScoreNodes::bank_scores() {
  LatentSearcher searcher;
  const StackView<float> bank = searcher.bank(model_);  // that the model scores with, as every draw of its seed
  const std::int64_t k = std::min<std::int64_t>(options().neighbours, bank.rows), models = bank.models;
  std::vector<float> rows;
  for (std::int64_t m = 0; m < models; ++m) {
    const std::vector<float> own = download_rows(model_.context(), bank.model(m));
    rows.insert(rows.end(), own.begin(), own.end());
  }
  const Nearest nearest = find_nearest(rows, models, k);
  RawScores raw = {graph_.slice(nearest.distance, 2, k - 1, k), {}};
  if (!model_.needs_discriminator()) return raw;
  if (model_.has_joint_discriminator()) encode();
  const Value first = graph_.add("Squeeze", {graph_.slice(nearest.rows, 2, 0, 1), graph_.integers({2})});
  raw.logit = logit_of(filled({first, models, rows_.columns}));
  return raw;
}

ScoreNodes::RawScores ScoreNodes::nearest_row_scores() {
  const Matrix rows = model_.reference_rows().with_copies();
  const std::int64_t k = std::min<std::int64_t>(options().neighbours, rows.rows);
  const Value distance = find_nearest(rows.data, 1, k).distance;
  if (options().score == ScoreRule::kth_nearest) return {graph_.slice(distance, 2, k - 1, k), {}};
  const Value mean = graph_.reduce("ReduceMean", distance, 2);
  if (model_.parts() == 1) return {mean, {}};
  const std::vector<Value> both = {graph_.slice(distance, 2, 0, 1), mean};
  return {graph_.concat(both, 0), {}};
}

ScoreNodes::RawScores ScoreNodes::discriminator_scores() {
  Stack full = known_;
  if (model_.rebuilds()) {
    reconstruct();
    full = filled(reconstruction_);
  }
  const Value logit = logit_of(full);
  return {graph_.loss_of_logit(logit), model_.needs_discriminator() ? logit : Value()};
}

ScoreNodes::RawScores ScoreNodes::reconstruction_scores() {
  const DetectorOptions& o = options();
  float share_of_residual = 1.0f - o.lambda, share_of_discrimination = o.lambda;
  if (definition_of(o.method).scores_means) {
    const Mlp& judge = networks().discriminator().trunk();
    share_of_residual = 1.0f / static_cast<float>(networks().columns);
    share_of_discrimination = o.kappa / static_cast<float>(judge.layer_inputs(judge.layers() - 1));
  }
  reconstruct();
  Value scale;
  if (const StackView<float> spread = model_.column_scale()) {
    std::vector<float> all;
    for (std::int64_t m = 0; m < spread.models; ++m) {
      const std::vector<float> own = download(model_.context(), spread.model(m).data, spread.columns);
      all.insert(all.end(), own.begin(), own.end());
    }
    scale = graph_.constant(all, {spread.models, 1, spread.columns});
  }
  RawScores raw = {distance(rows_, reconstruction_, o.residual, scale), {}};
  const bool discriminates = share_of_discrimination > 0.0f && o.discrimination != Discrimination::none;
  if (!discriminates && !model_.needs_discriminator()) return raw;
  const Stack full = filled(reconstruction_);
  const NetworkNodes::Pass query = judge(full);
  if (model_.needs_discriminator()) raw.logit = query.result.value;
  if (!discriminates) return raw;
  Value discrimination;
  if (o.discrimination == Discrimination::cross_entropy) {
    const bool judges_query = o.judged_pair == JudgedPair::query;
    discrimination = graph_.loss_of_logit(judges_query ? query.result.value : logit_of(reconstruction_));
  } else {
    const Distance metric = o.discrimination == Discrimination::feature_l1   ? Distance::l1
                            : o.discrimination == Discrimination::feature_l2 ? Distance::l2
                                                                             : Distance::squared;
    discrimination = distance(query.features, judge(reconstruction_).features, metric);
  }
  raw.residual = graph_.add("Add", {graph_.add("Mul", {raw.residual, graph_.scalar(share_of_residual)}),
                                    graph_.add("Mul", {discrimination, graph_.scalar(share_of_discrimination)})});
  return raw;
}

ScoreNodes::RawScores ScoreNodes::latent_scores() {
  reconstruct();
  const Role second = networks().has(Role::second_encoder) ? Role::second_encoder : Role::encoder;
  const Stack again = columns_of(graph_, of(second).pass(reconstruction_).result, 0, networks().latent);
  RawScores raw = {distance(latent_, again, options().residual), {}};
  if (model_.needs_discriminator()) raw.logit = logit_of(filled(reconstruction_));
  return raw;
}

ScoreNodes::RawScores ScoreNodes::cycle_scores() {
  reconstruct();
  const Stack full = filled(reconstruction_);
  NetworkNodes& judge_of_pairs = of(Role::cycle_discriminator);
  const NetworkNodes::Pass pair = judge_of_pairs.pass(joined(graph_, full, reconstruction_));
  RawScores raw;
  if (options().score == ScoreRule::cycle_logits) {
    raw.residual = graph_.loss_of_logit(pair.result.value);
  } else {
    const Stack same = judge_of_pairs.pass(joined(graph_, full, full)).features;
    raw.residual = distance(same, pair.features, Distance::l1);
  }
  if (model_.needs_discriminator()) raw.logit = logit_of(full);
  return raw;
}

ScoreNodes::RawScores ScoreNodes::likelihood_scores() {
  NetworkNodes* const discriminator = model_.needs_discriminator() ? &of(Role::discriminator) : nullptr;
  const LikelihoodNodes nodes = {graph_,       model_,  of(Role::generator), discriminator, rows_.value,
                                 known_.value, missing_};
  return {nodes.score(), {}};
}

}  // namespace cugad::onnx
