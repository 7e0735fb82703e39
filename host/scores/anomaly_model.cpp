#include "host/scores/anomaly_model.hpp"

#include <algorithm>
#include <cmath>
#include <utility>

#include "cugad/error.hpp"
#include "host/backend/transfer.hpp"
#include "host/methods/methods.hpp"
#include "kernels/combine_scores/combine.hpp"

namespace cugad {
namespace {

/// Rows x models scored at a time: what fits the caches of a processor, or fills a GPU.
constexpr std::int64_t chunk_model_rows = 16384, device_chunk_model_rows = 131072;
/// Rows scored at a time by a single thread: its second-level cache holds their activations.
constexpr std::int64_t single_thread_rows = 256;
/// With networks so wide, or so many restarts, that a row needs more values than this, chunks are smaller: 512 MiB on a
/// CPU are enough for all.
constexpr std::int64_t usual_values_per_row = 8192;
/// Residuals in units of their spread: what counts as no spread.
constexpr double smallest_spread = 1e-3;
/// Rows that the mean residual of each column is taken of.
constexpr std::int64_t rows_of_column_residuals = 1000;

/// Kept for a row and model while it is scored, about.
std::int64_t values_per_row(const MethodNetworks& networks, const DetectorOptions& options) {
  const int search_inputs = networks.has(Role::generator) ? networks.generator().inputs() : 0;
  return 4 * std::int64_t{networks.row_columns()} + std::int64_t{options.restarts} * (search_inputs + 1) +
         activations_per_row(networks);
}

/// What each column has in the residuals of rows, on average over the rows in which it has a value.
class ColumnShares {
 public:
  explicit ColumnShares(std::int64_t columns) : sum_(columns), count_(columns) {}
  /// Adds the shares of one row; returns their sum, NaN if a cell is missing.
  template <class Share>
  double add(const float* x, const Share& share) {
    double row = 0;
    for (std::size_t c = 0; c < sum_.size(); ++c) {
      const double own = std::isnan(x[c]) ? std::nan("") : share(static_cast<std::int64_t>(c));
      row += own;
      if (std::isnan(x[c])) continue;
      sum_[c] += own;
      count_[c] += 1;
    }
    return row;
  }
  std::vector<double> means(double factor) const {
    std::vector<double> mean = sum_;
    for (std::size_t c = 0; c < mean.size(); ++c) mean[c] = factor * sum_[c] / std::max(1.0, count_[c]);
    return mean;
  }

 private:
  std::vector<double> sum_, count_;
};

/// While it lives, a rule that can leaves each calibration row itself out, so that it needs no folds.
class LeftOut {
 public:
  LeftOut(ScoringRule& rule, const std::vector<std::int64_t>& folds, std::int64_t rows)
      : fold_begin(rule.leave_rows_out(true) ? std::vector<std::int64_t>{0, rows} : folds), rule_(rule) {}
  ~LeftOut() { rule_.leave_rows_out(false); }
  LeftOut(const LeftOut&) = delete;
  LeftOut& operator=(const LeftOut&) = delete;

  const std::vector<std::int64_t> fold_begin;

 private:
  ScoringRule& rule_;
};

}  // namespace

ScoreStatistics statistics_of(Context& context, const std::vector<float>& values) {
  Arena arena(context);
  const auto input = arena.stack("scores", 1, 1, static_cast<std::int64_t>(values.size()));
  const auto out = arena.stack("quantiles", 1, 1, 3);
  context.backend().copy(input.data, values.data(), sizeof(float) * values.size(), context.stream());
  run(context, Quantile{.values = input, .count = 3, .probability = {0.05, 0.5, 0.95}, .out = out});
  float quantile[3];
  context.backend().copy(quantile, out.data, sizeof quantile, context.stream());
  context.synchronize();
  // 3.29: from the 5th to the 95th percentile of a unit normal.
  float spread = (quantile[2] - quantile[0]) / 3.29f;
  if (!(spread > 0.0f)) spread = std::max(1e-6f, std::abs(quantile[1]));  // rows that are all alike
  return {quantile[1], spread};
}

AnomalyModel::AnomalyModel(const Device& device, const DetectorOptions& resolved_options,
                           const MethodNetworks& networks)
    : ScoringNetworks(device, resolved_options, networks), rule_(make_rule(*this)) {
  statistics_ = kept_->stack("score statistics", population(), 1, 4);
  residual_statistics_.resize(population());
  discriminator_statistics_.resize(population());
}

AnomalyModel::AnomalyModel(const AnomalyModel& other)
    : ScoringNetworks(other),
      rule_(other.rule_->copy(*this)),
      residual_statistics_(other.residual_statistics_),
      discriminator_statistics_(other.discriminator_statistics_),
      chunk_limit_(other.chunk_limit_),
      statistics_(other.statistics_) {}

std::unique_ptr<AnomalyModel> make_model(const Device& device, const DetectorOptions& resolved_options,
                                         std::int64_t columns, std::int64_t condition,
                                         std::vector<std::int32_t> group) {
  MethodNetworks networks = definition_of(resolved_options.method).networks(resolved_options, columns, condition);
  networks.group = std::move(group);
  for (Network& network : networks.networks) network = network.plain();
  return std::make_unique<AnomalyModel>(device, resolved_options, networks);
}

std::unique_ptr<AnomalyModel> AnomalyModel::share() {
  reserve(1);              // so that what waits for the first score is made once, and shared
  context_.synchronize();  // the copy's stream does not wait for this one
  std::unique_ptr<AnomalyModel> other(new AnomalyModel(*this));
  other->context_.share_kept(context_);
  if (device_.backend().runs_models_together()) other->reserve(chunk_rows());
  return other;
}

void AnomalyModel::prepare() {
  carry_conditions(chunk_rows());
  rule_->draw();
  if (device_.backend().runs_models_together()) reserve(chunk_rows());
}

void AnomalyModel::reserve(std::int64_t rows) {
  if (rows <= working_rows_) return;
  const std::int64_t wanted = rows_to_reserve(rows, working_rows_, chunk_rows());
  working_rows_ = 0;  // if memory ends
  working_ = Arena(device_.backend());
  ScoringNetworks::take_memory(wanted);
  rule_->take_memory(wanted);
  working_rows_ = wanted;
}

std::int64_t AnomalyModel::chunk_rows() const {
  const bool together = device_.backend().runs_models_together();
  const std::int64_t model_rows = together ? device_chunk_model_rows : chunk_model_rows;
  const std::int64_t usual = !together && context_.threads() == 1 ? single_thread_rows : model_rows / population();
  const std::int64_t wanted = std::max<std::int64_t>(64, std::min(chunk_limit_, usual));
  const std::int64_t most = model_rows * usual_values_per_row / (values_per_row(networks_, options_) * population());
  return std::max<std::int64_t>(1, std::min(wanted, most));
}

void AnomalyModel::set_statistics(std::vector<ScoreStatistics> residual, std::vector<ScoreStatistics> discriminator) {
  residual_statistics_ = std::move(residual);
  discriminator_statistics_ = std::move(discriminator);
  std::vector<float> values;
  for (std::int64_t m = 0; m < population(); ++m) {
    values.insert(values.end(), {residual_statistics_[m].median, residual_statistics_[m].spread,
                                 discriminator_statistics_[m].median, discriminator_statistics_[m].spread});
  }
  context_.backend().copy(statistics_.data, values.data(), sizeof(float) * values.size(), context_.stream());
  context_.synchronize();
}

void AnomalyModel::take_weights(const GanTraining& training, std::int64_t first) {
  for (const Role role : all_roles) {
    if (!networks_.has(role)) continue;
    const StackView<const float> from = training.states()[role].scoring().slice_models(first, population());
    if (training.networks()[role].has_techniques()) {
      fold_weights(training.networks()[role], from, weights(role));
      continue;
    }
    context_.backend().copy(weights(role).data, from.data,
                            sizeof(float) * static_cast<std::size_t>(from.models * from.columns), context_.stream());
  }
}

std::map<Role, std::vector<float>> AnomalyModel::take_out_weights() {
  std::map<Role, std::vector<float>> all;
  for (const Role role : all_roles) {
    if (networks_.has(role)) all[role] = download(context_, weights(role).data, population() * weights(role).columns);
  }
  return all;
}

void AnomalyModel::set_weights(const std::map<Role, std::vector<float>>& given) {
  for (const Role role : all_roles) {
    if (!networks_.has(role)) continue;
    const auto found = given.find(role);
    const auto size = static_cast<std::size_t>(population() * weights(role).columns);
    if (found == given.end() || found->second.size() != size) {
      throw Error(ErrorCode::format, "the weights of the " + std::string(name_of(role)) + " are not those of " +
                                         std::to_string(population()) + " models of these options");
    }
    const std::vector<float>& values = found->second;
    context_.backend().copy(weights(role).data, values.data(), sizeof(float) * values.size(), context_.stream());
  }
  context_.synchronize();
}

/// Scoring has plain dense layers, whatever the network was trained with.
void AnomalyModel::fold_weights(const Network& network, StackView<const float> from, StackView<float> to) {
  for (std::int64_t m = 0; m < from.models; ++m) {
    const std::vector<float> plain = network.fold(download(context_, from.model(m).data, from.columns));
    context_.backend().copy(to.model(m).data, plain.data(), sizeof(float) * plain.size(), context_.stream());
    context_.synchronize();
  }
}

/// The mean over the models of |x - G(z)|. Waits.
void AnomalyModel::add_feature_residual(MatrixView<const float> rows, float* feature_residual) {
  const std::int64_t models = population(), cells = rows.rows * rows.columns;
  std::fill_n(feature_residual, cells, 0.0f);
  for (std::int64_t m = 0; m < models; ++m) {
    const std::vector<float> found = download_rows(context_, this->feature_residual(rows.rows).model(m));
    for (std::int64_t i = 0; i < cells; ++i) feature_residual[i] += found[i] / static_cast<float>(models);
  }
}

void AnomalyModel::combine(const RawScores& raw, StackView<const float> statistics, const Beside& beside,
                           StackView<float> scores) {
  const AbsentForm form = absent_form();
  const std::int64_t models = raw.residual.models / parts();  // of one part
  for (std::int64_t p = 0; p < parts(); ++p) {
    run(context_, CombineScores{.residual = raw.residual.slice_models(p * models, models),
                                .logit = raw.logit.slice_models(p * models, models),
                                .statistics = statistics.slice_models(p * models, models),
                                .compress = options_.compress && is_standardised(),
                                .discriminator_weight = options_.discriminator_weight,
                                .score = scores.slice_models(p, 1),
                                .absent = form.weight > 0.0f ? beside.absent : StackView<const float>(),
                                .surprise = beside.surprise,
                                .absent_weight = form.weight,
                                .absent_squared = form.root});
  }
}

AnomalyModel::RowRange AnomalyModel::new_rows(std::int64_t model, const std::vector<std::int64_t>& fold_begin) const {
  const auto folds = static_cast<std::int64_t>(fold_begin.size()) - 1;
  const std::int64_t fold = (options_.fold + model) % folds;
  return {fold_begin[fold], fold_begin[fold + 1]};
}

std::vector<ScoringRule::HeldOutRows> AnomalyModel::held_out_rows(const std::vector<std::int64_t>& fold_begin) const {
  const auto folds = static_cast<std::int64_t>(fold_begin.size()) - 1;
  std::vector<ScoringRule::HeldOutRows> parts;
  // Models whose numbers differ by the number of folds left the same fold out.
  for (std::int64_t first = 0; first < std::min(folds, population()); ++first) {
    const RowRange fold = new_rows(first, fold_begin);
    parts.push_back({fold.begin, fold.end, {first, folds}});
  }
  return parts;
}

/// Location and spread of the values of rows that are new to the models. The models of one population are alike, but
/// their folds need not be (copies of a row are in one): they share the statistics of all. With one fold, each has its
/// own of all rows.
std::vector<ScoreStatistics> AnomalyModel::statistics_of_new_rows(StackView<const float> values, float sign,
                                                                  const std::vector<float>& absent,
                                                                  const std::vector<std::int64_t>& fold_begin) {
  std::vector<ScoreStatistics> statistics;
  std::vector<float> of_all;
  for (std::int64_t m = 0; m < population(); ++m) {
    const auto [begin, end] = new_rows(m, fold_begin);
    std::vector<float> own = download(context_, values.model(m).row(begin), end - begin);
    for (float& value : own) value = sign * value + 0.0f;
    for (std::int64_t r = begin; r < end && !absent.empty(); ++r) {
      own[r - begin] = with_absent(own[r - begin], absent[r], absent_form().weight, absent_form().root);
    }
    if (fold_begin.size() == 2) statistics.push_back(statistics_of(context_, own));
    of_all.insert(of_all.end(), own.begin(), own.end());
  }
  if (fold_begin.size() > 2) statistics.assign(population(), statistics_of(context_, of_all));
  return statistics;
}

std::vector<double> AnomalyModel::column_residuals(MatrixView<const float> rows,
                                                   const std::vector<std::int64_t>& folds_of_rows) {
  const AbsentForm form = absent_form();
  if (form.weight == 0.0f) return {};
  reserve(std::min(chunk_rows(), rows.rows));
  const LeftOut left_out(*rule_, folds_of_rows, rows.rows);
  const std::vector<std::int64_t>& fold_begin = left_out.fold_begin;
  const std::int64_t columns = rows.columns, folds = static_cast<std::int64_t>(fold_begin.size()) - 1;
  ColumnShares shares(columns);
  double total = 0, whole = 0;  // of rows without missing cells
  std::vector<float> scale(columns, 1.0f);
  const bool in_scales = rule_->scores_in_column_scales();
  const float largest = in_scales ? most_spreads : std::numeric_limits<float>::infinity();
  for (std::int64_t fold = 0; fold < folds; ++fold) {
    const std::int64_t end = std::min(fold_begin[fold + 1], fold_begin[fold] + rows_of_column_residuals / folds);
    for (std::int64_t first = fold_begin[fold]; first < end; first += chunk_rows()) {
      const MatrixView<const float> part(rows.row(first), std::min(chunk_rows(), end - first), columns,
                                         rows.row_stride);
      const RawScores raw = rule_->raw_scores(part, true);
      std::vector<std::vector<float>> residual;
      for (std::int64_t m = 0; m < population(); ++m)
        residual.push_back(download_rows(context_, raw.residual.model(m)));
      rule_->find_column_residuals(part);
      const std::vector<float> x = download_rows(context_, part);
      for (std::int64_t m = 0; m < population(); ++m) {
        if (!new_rows(m, fold_begin).contains(first)) continue;
        if (in_scales) scale = download(context_, column_scale().model(m).data, columns);
        const std::vector<float> off = download_rows(context_, feature_residual(part.rows).model(m));
        for (std::int64_t r = 0; r < part.rows; ++r) {
          const auto cell_share = [&](std::int64_t c) {
            const double cell = std::min(off[r * columns + c] * scale[c], largest);
            return form.squared ? cell * cell : cell;
          };
          const double own = shares.add(&x[r * columns], cell_share);
          if (std::isnan(own)) continue;
          total += own;
          whole += std::pow(double{residual[m][r]}, 2);
        }
      }
    }
  }
  // The residual under a root may be that of another generated row than the nearest, which explains.
  const double factor = form.root && total > 0 && std::isfinite(whole) ? whole / total : 1.0;
  return shares.means(factor);
}

/// The standard deviation of x - G(E(x)) per column on rows that are new to the model.
void AnomalyModel::learn_scales(MatrixView<const float> rows, const std::vector<std::int64_t>& fold_begin) {
  if (!column_scale()) return;
  const std::int64_t models = population(), columns = rows.columns;
  std::vector<float> ones(static_cast<std::size_t>(models * columns), 1.0f);
  context_.backend().copy(column_scale().data, ones.data(), sizeof(float) * ones.size(), context_.stream());
  std::vector<double> sum(ones.size()), squares(ones.size()), count(ones.size());
  for (std::int64_t first = 0; first < rows.rows; first += chunk_rows()) {
    const std::int64_t some = std::min(chunk_rows(), rows.rows - first);
    const MatrixView<const float> part(rows.row(first), some, columns, rows.row_stride);
    reconstruct(part, false);
    const std::vector<float> x = download_rows(context_, part);
    for (std::int64_t m = 0; m < models; ++m) {
      const RowRange unseen = new_rows(m, fold_begin);
      const std::vector<float> rebuilt = download_rows(context_, reconstruction(some).model(m));
      for (std::int64_t i = 0; i < some * columns; ++i) {
        if (!unseen.contains(first + i / columns)) continue;
        const auto at = static_cast<std::size_t>(m * columns + i % columns);
        const double residual = double{x[i]} - rebuilt[i];
        if (std::isnan(residual)) continue;
        sum[at] += residual;
        squares[at] += residual * residual;
        count[at] += 1.0;
      }
    }
  }
  for (std::size_t i = 0; i < ones.size(); ++i) {
    const double n = std::max(1.0, count[i]), mean = sum[i] / n;
    ones[i] =
        static_cast<float>(1.0 / std::max(smallest_spread, std::sqrt(std::max(0.0, squares[i] / n - mean * mean))));
  }
  // What is given is not judged.
  for (std::size_t i = 0; i < ones.size(); ++i) {
    if (static_cast<std::int64_t>(i) % columns >= networks_.columns) ones[i] = 0.0f;
  }
  context_.backend().copy(column_scale().data, ones.data(), sizeof(float) * ones.size(), context_.stream());
  context_.synchronize();
}

std::vector<std::vector<float>> AnomalyModel::calibrate(MatrixView<const float> rows,
                                                        const std::vector<std::int64_t>& folds_of_rows,
                                                        const std::vector<float>& absent) {
  const std::int64_t models = population();
  reserve(std::min(chunk_rows(), rows.rows));
  const LeftOut left_out(*rule_, folds_of_rows, rows.rows);
  const std::vector<std::int64_t>& fold_begin = left_out.fold_begin;
  learn_scales(rows, fold_begin);
  Arena arena(context_);
  const auto residual = arena.stack("residuals of the training rows", models, rows.rows, 1);
  const auto logit = arena.stack("logits of the training rows", models, needs_discriminator() ? rows.rows : 0, 1);
  const auto scores = arena.stack("scores of the training rows", parts(), rows.rows, 1);
  const auto given = arena.stack("absent cells of the training rows", 1, static_cast<std::int64_t>(absent.size()), 1);
  context_.backend().copy(given.data, absent.data(), sizeof(float) * absent.size(), context_.stream());
  const std::vector<ScoringRule::HeldOutRows> held_out = held_out_rows(fold_begin);
  const bool is_learnt = rule_->learn(rows, held_out, chunk_rows(), residual.slice_models(0, 1));
  const bool has_logit = needs_discriminator() && !is_learnt;
  for (std::int64_t m = 1; m < models && is_learnt; ++m) {
    copy_rows<float>(context_, residual.model(0), residual.model(m));
  }
  for (std::int64_t first = 0; first < rows.rows && !is_learnt; first += chunk_rows()) {
    const std::int64_t count = std::min(chunk_rows(), rows.rows - first);
    const RawScores raw = rule_->raw_scores({rows.row(first), count, rows.columns, rows.row_stride}, false);
    for (std::int64_t m = 0; m < models; ++m) {
      copy_rows(context_, raw.residual.model(m), residual.slice_rows(first, count).model(m));
      if (raw.logit) copy_rows(context_, raw.logit.model(m), logit.slice_rows(first, count).model(m));
    }
  }
  std::vector<ScoreStatistics> of_residual(models), of_discriminator(models);
  if (is_standardised()) {
    of_residual = statistics_of_new_rows(residual, 1.0f, absent, fold_begin);
    if (has_logit) of_discriminator = statistics_of_new_rows(logit, -1.0f, {}, fold_begin);
  }
  set_statistics(std::move(of_residual), std::move(of_discriminator));
  for (const ScoringRule::HeldOutRows& part : held_out) {
    const std::int64_t begin = part.begin, count = part.end - part.begin;
    RawScores raw;
    raw.residual = part.models.of(residual).slice_rows(begin, count);
    if (has_logit) raw.logit = part.models.of(logit).slice_rows(begin, count);
    Beside beside;
    if (!absent.empty()) beside.absent = given.slice_rows(begin, count);
    combine(raw, part.models.of(statistics_), beside, scores.slice_rows(begin, count));
  }
  std::vector<std::vector<float>> of_parts;
  for (std::int64_t p = 0; p < parts(); ++p) {
    of_parts.push_back(download(context_, scores.model(p).data, rows.rows));
  }
  return of_parts;
}

void AnomalyModel::score(MatrixView<const float> rows, StackView<float> scores, const Beside& beside,
                         float* feature_residual) {
  if (rows.rows == 0) return;
  reserve(rows.rows);
  context_.freeze_weights();
  combine(rule_->raw_scores(rows, feature_residual != nullptr), statistics_, beside, scores);
  if (feature_residual == nullptr) return;
  // Last, for it may leave other reconstructions: an explanation changes no score.
  rule_->explain(rows);
  add_feature_residual(rows, feature_residual);
}

}  // namespace cugad
