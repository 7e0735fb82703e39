#include "cugad/detector.hpp"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <utility>

#include "cugad/error.hpp"
#include "cugad/table.hpp"
#include "host/backend/transfer.hpp"
#include "host/methods/detector_impl.hpp"
#include "host/table/cell.hpp"

namespace cugad {
namespace {

/// Training rows whose scores stand for all: enough for a 0.1 % quantile, few enough for a latent search.
constexpr std::int64_t calibration_rows_bank = 20000, calibration_rows_search = 2000;

void check_rows(const char* what, MatrixView<const float> rows, std::int64_t columns) {
  if (rows.rows < 0 || rows.columns != columns || (rows.rows > 1 && rows.row_stride < rows.columns) ||
      (rows.data == nullptr && rows.rows > 0)) {
    throw Error(ErrorCode::invalid_argument, std::string(what) + ": rows have " + std::to_string(rows.columns) +
                                                 " columns (stride " + std::to_string(rows.row_stride) +
                                                 "), expected " + std::to_string(columns));
  }
}

ScoreRule usual_score(Method method) {
  switch (method) {
    case Method::anogan:
      return ScoreRule::bank;
    case Method::gan:
      return ScoreRule::discriminator;
    case Method::ganomaly:
      return ScoreRule::latent;
    case Method::alad:
      return ScoreRule::cycle_features;
    default:
      return ScoreRule::reconstruction;
  }
}

/// Options with everything decided that depends on the rows. `columns`: those that are judged.
DetectorOptions resolve(DetectorOptions options, std::int64_t rows, std::int64_t columns) {
  if (options.latent == 0) options.latent = std::max(2, static_cast<int>((columns + 1) / 2));
  if (options.ensemble.empty()) options = options_of_methods(options).front();
  if (options.epochs > 0) {
    options.steps = options.epochs * std::max<std::int64_t>(1, rows / options.batch);
  }
  // A decay that does not depend on shorter runs lets a stopped run be continued to the same bits.
  if (options.decay_steps == 0) options.decay_steps = std::max<std::int64_t>(options.steps, 4000);
  return options;
}

void fill_missing_with_means(MatrixView<float> rows) {
  std::vector<double> sum(rows.columns, 0.0);
  std::vector<std::int64_t> present(rows.columns, 0);
  for (std::int64_t r = 0; r < rows.rows; ++r) {
    for (std::int64_t c = 0; c < rows.columns; ++c) {
      if (std::isnan(rows.row(r)[c])) continue;
      sum[c] += rows.row(r)[c];
      ++present[c];
    }
  }
  for (std::int64_t r = 0; r < rows.rows; ++r) {
    for (std::int64_t c = 0; c < rows.columns; ++c) {
      float& cell = rows.row(r)[c];
      if (std::isnan(cell))
        cell = static_cast<float>(sum[c] / static_cast<double>(std::max<std::int64_t>(1, present[c])));
    }
  }
}

/// How the training of one method of an ensemble is watched: its progress is a part of all methods' steps, its
/// checkpoint has a directory of its own.
FitControl part_of(const FitControl& control, const DetectorOptions& options, std::int64_t steps_before,
                   const std::vector<DetectorOptions>& all) {
  FitControl part = control;
  std::int64_t steps = 0;
  for (const DetectorOptions& one : all) steps += definition_of(one.method).steps(one);
  if (control.on_progress) {
    part.on_progress = [&control, steps_before, steps](const FitProgress& progress) {
      control.on_progress({.step = steps_before + progress.step, .steps = steps, .models = progress.models});
    };
  }
  const std::string name = definition_of(options.method).name;
  if (control.on_message) {
    part.on_message = [&control, name](const std::string& text) { control.on_message(name + ": " + text); };
  }
  if (!control.checkpoint_directory.empty()) part.checkpoint_directory += "/" + name;
  return part;
}

/// A fixed, seeded sample of the rows, at most `most`.
Matrix sample_of(Context& context, MatrixView<const float> rows, std::int64_t most, std::uint64_t seed) {
  Matrix sample(std::min(most, rows.rows), rows.columns);
  std::vector<std::int32_t> index(sample.rows);
  const StackView<std::int32_t> at(index.data(), 1, sample.rows, 1);
  run(context, SampleRows{.index = at,
                          .source_rows = static_cast<std::int32_t>(rows.rows),
                          .first_row = {},
                          .row_count = {},
                          .key = {.seed = seed, .purpose = RandomPurpose::calibration}});
  run(context,
      GatherRows{
          .source = shared_by(1, rows), .index = at, .out = {sample.data.data(), 1, sample.rows, sample.columns}});
  return sample;
}

bool has_encoder(Method method) {
  return method == Method::bigan || method == Method::ali || method == Method::egbad || method == Method::ganomaly ||
         method == Method::fanogan || method == Method::alad;
}

bool can_score(Method method, ScoreRule rule) {
  switch (rule) {
    case ScoreRule::discriminator:
      return method == Method::gan || has_encoder(method);
    case ScoreRule::reconstruction:
      return has_encoder(method) || method == Method::translation;
    case ScoreRule::latent:
      return has_encoder(method);
    case ScoreRule::cycle_features:
    case ScoreRule::cycle_logits:
      return method == Method::alad;
    default:
      return method != Method::translation || rule == ScoreRule::automatic;
  }
}

/// Generated rows of other conditions say nothing about a row: it is searched for under its own condition.
void settle_conditional(DetectorOptions& options) {
  if (options.score == ScoreRule::bank) options.score = ScoreRule::search;
  if (options.score != ScoreRule::search || options.search_from != SearchStart::bank) return;
  options.search_from = has_encoder(options.method) ? SearchStart::encoder : SearchStart::normal;
  if (options.search_steps > 0) return;
  // From random starts, steps and rates that bring them home.
  options.search_steps = 50;
  options.restarts = std::max(options.restarts, 4);
  if (options.search_rate == DetectorOptions{}.search_rate && options.search_until.empty()) {
    options.search_rate = {0.1f, 0.02f};
    options.search_until = {35};
  }
}

/// Isola 2016: no latent; the noise is dropout. Targets differ from their prediction: that is the score.
void settle_translation(DetectorOptions& options) {
  options.latent = 0;
  options.lambda = 0.0f;
  options.coverage = 0.0f;
  if (options.generator_dropout == 0.0f) options.generator_dropout = 0.1f;
}

/// What a method does not have cannot be asked of it.
void check_method(const DetectorOptions& options) {
  const auto refuse = [&](const std::string& what) {
    throw Error(ErrorCode::invalid_argument, "method '" + get_option(options, "method") + "' " + what);
  };
  if (options.method == Method::translation && options.target.empty()) {
    refuse("needs the columns to predict: set target");
  }
  if (is_conditional(options) && has_encoder(options.method) && options.encoder_tanh) {
    refuse("takes conditions with a linear encoder only: set encoder_tanh = false");
  }
  if (!can_score(options.method, options.score)) refuse("has no score '" + get_option(options, "score") + "'");
  if (options.search_from == SearchStart::encoder && !has_encoder(options.method)) {
    refuse("has no encoder: its searches cannot start from one");
  }
  // Banks and random search starts are drawn from a prior.
  const bool searches = options.score == ScoreRule::search && options.search_from != SearchStart::encoder;
  if ((options.score == ScoreRule::bank || searches) && !definition_of(options.method).has_prior) {
    refuse("has no prior to draw from: " + std::string(searches ? "search_from must be encoder" : "it has no bank"));
  }
  const bool judges_pairs = options.method == Method::bigan || options.method == Method::ali ||
                            options.method == Method::egbad || options.method == Method::alad;
  if (!judges_pairs) return;
  if (options.data_branch.empty() || options.latent_branch.empty()) {
    refuse("has a discriminator of pairs: data_branch and latent_branch need a layer each");
  }
  if (options.generator_loss == GeneratorLoss::wasserstein) refuse("has no Wasserstein loss");
}

/// A gradient penalty is a term per row: it needs discriminators in which rows do not see each other.
void check_techniques(const DetectorOptions& options) {
  const bool penalised =
      options.r1 > 0.0f || (options.generator_loss == GeneratorLoss::wasserstein && options.gradient_penalty > 0.0f);
  if (penalised && (options.batch_norm || options.minibatch_kernels > 0)) {
    throw Error(ErrorCode::invalid_argument,
                std::string(options.batch_norm ? "batch_norm" : "minibatch_kernels") +
                    " lets the rows of a batch see each other, which a gradient penalty excludes: set r1 = 0 and " +
                    "another generator_loss than wasserstein");
  }
  if (options.virtual_batch > 0 && !options.condition.empty()) {
    throw Error(ErrorCode::invalid_argument, "virtual_batch takes no conditions: its reference rows have none");
  }
}

}  // namespace

std::vector<DetectorOptions> options_of_methods(const DetectorOptions& resolved) {
  std::vector<Method> methods = {resolved.method};
  methods.insert(methods.end(), resolved.ensemble.begin(), resolved.ensemble.end());
  std::vector<DetectorOptions> all;
  for (const Method method : methods) {
    DetectorOptions options = resolved;
    options.method = method;
    options.ensemble.clear();
    if (options.score == ScoreRule::automatic) options.score = usual_score(method);
    if (is_conditional(options)) settle_conditional(options);
    if (method == Method::translation) settle_translation(options);
    all.push_back(std::move(options));
  }
  return all;
}

void check_options(const DetectorOptions& options) {
  DetectorOptions copy;
  for (const OptionInfo& option : option_list()) set_option(copy, option.name, get_option(options, option.name));
  bool translates = options.method == Method::translation;
  for (const Method method : options.ensemble) translates = translates || method == Method::translation;
  if (!options.target.empty() && (!translates || !options.condition.empty())) {
    throw Error(ErrorCode::invalid_argument,
                translates ? "give either target or condition: with target, all other columns are the source"
                           : "target is of method translation: set method = translation, or use condition");
  }
  for (std::size_t i = 0; i < options.ensemble.size(); ++i) {
    const auto end = options.ensemble.begin() + static_cast<std::ptrdiff_t>(i);
    if (options.ensemble[i] == options.method || std::find(options.ensemble.begin(), end, options.ensemble[i]) != end) {
      throw Error(ErrorCode::invalid_argument,
                  "option 'method' is '" + get_option(options, "method") + "', expected each method once");
    }
  }
  if (options.search_rate.empty() || options.search_rate.size() != options.search_until.size() + 1) {
    throw Error(ErrorCode::invalid_argument,
                "search_rate has " + std::to_string(options.search_rate.size()) + " values and search_until " +
                    std::to_string(options.search_until.size()) + ", expected one more rate than ends");
  }
  if (is_conditional(options) && options.score == ScoreRule::bank) {
    throw Error(ErrorCode::invalid_argument,
                "score = bank takes no condition: generated rows have other conditions than the row; use search");
  }
  for (const DetectorOptions& one : options_of_methods(options)) check_method(one);
  check_techniques(options);
  if (options.discriminator_hidden.empty() && options.discrimination >= Discrimination::feature_l1) {
    throw Error(
        ErrorCode::invalid_argument,
        "feature matching needs a hidden layer in the discriminator: set discriminator_hidden, or discrimination = "
        "cross_entropy");
  }
}

Detector::Detector(const Device& device, DetectorOptions options)
    : impl_(std::make_unique<Impl>(device, std::move(options))) {}
Detector::~Detector() = default;
Detector::Detector(Detector&&) noexcept = default;
Detector& Detector::operator=(Detector&&) noexcept = default;

void Detector::fit(MatrixView<const float> rows, const FitControl& control, std::vector<std::string> column_names,
                   std::int64_t numeric_columns) {
  if (rows.rows < 1 || rows.columns < 1) {
    throw Error(ErrorCode::invalid_argument, "fit was given " + std::to_string(rows.rows) + " rows and " +
                                                 std::to_string(rows.columns) +
                                                 " columns, expected at least 1 of each");
  }
  if (rows.rows > INT32_MAX) {
    throw Error(ErrorCode::invalid_argument,
                "fit was given " + std::to_string(rows.rows) + " rows, at most 2^31 - 1 are supported");
  }
  check_rows("fit", rows, rows.columns);
  if (column_names.empty()) {
    for (std::int64_t c = 0; c < rows.columns; ++c) column_names.push_back(std::to_string(c));
  }
  if (static_cast<std::int64_t>(column_names.size()) != rows.columns) {
    throw Error(ErrorCode::invalid_argument, "fit was given " + std::to_string(column_names.size()) +
                                                 " column names for " + std::to_string(rows.columns) + " columns");
  }
  for (std::size_t c = 0; c < column_names.size(); ++c) {
    if (is_utf8(column_names[c])) continue;  // as the model file needs it
    throw Error(ErrorCode::invalid_argument, "the name of column " + std::to_string(c) + " is not valid UTF-8");
  }
  if (numeric_columns < 0) numeric_columns = rows.columns;
  if (numeric_columns > rows.columns) {
    throw Error(ErrorCode::invalid_argument, "numeric_columns is " + std::to_string(numeric_columns) +
                                                 ", but there are " + std::to_string(rows.columns) + " columns");
  }
  Impl& d = *impl_;
  check_options(d.options);
  // The rows are prepared on the host, once, by the same code on every device.
  Context context = Device::open("cpu", d.device.threads()).make_context();
  Context on_device = d.device.make_context();
  std::vector<float> brought;
  if (!d.device.backend().is_host_memory() && d.device.backend().is_device_pointer(rows.data)) {
    brought = download_rows(on_device, rows);
    rows = {brought.data(), rows.rows, rows.columns};
  }
  const ColumnRoles roles = column_roles(d.options, column_names);
  FeatureTransform transform;
  transform.fit(context, rows, d.options, column_names, numeric_columns, control.on_message);
  transform.reorder(roles.order);
  Matrix all(rows.rows, rows.columns);
  transform.apply(context, rows, all.view());
  // Calibration sees the rows as scoring will: with their missing cells.
  const std::vector<DetectorOptions> asked = options_of_methods(d.options);
  const bool by_search =
      std::any_of(asked.begin(), asked.end(), [](const auto& one) { return one.score == ScoreRule::search; });
  const Matrix calibration = sample_of(context, std::as_const(all).view(),
                                       by_search ? calibration_rows_search : calibration_rows_bank, d.options.seed);
  if (d.options.false_alarm_rate > 0) conformal_rank(calibration.rows, d.options.false_alarm_rate);  // or throws
  fill_missing_with_means(all.view());
  if (d.options.deduplicate) {
    const std::vector<std::int64_t> distinct = distinct_rows(all);
    if (control.on_message) {
      control.on_message(std::to_string(distinct.size()) + " distinct rows of " + std::to_string(all.rows));
    }
    all = take_rows(all, distinct);
  }
  const DetectorOptions resolved = resolve(d.options, all.rows, all.columns - roles.condition);
  const ResidentRows resident(on_device, std::as_const(all).view());
  if (resident.is_pinned() && control.on_message) {
    control.on_message("the rows exceed the memory of " + d.device.name() + ": they are read over the bus");
  }
  std::vector<std::unique_ptr<AnomalyModel>> members;
  std::vector<ModelTelemetry> telemetry;
  std::int64_t steps_before = 0;
  const std::vector<DetectorOptions> of_methods = options_of_methods(resolved);
  for (const DetectorOptions& options : of_methods) {
    GanTraining training(d.device, options, {resident.view()}, roles.condition);
    training.run(of_methods.size() == 1 ? control : part_of(control, options, steps_before, of_methods));
    steps_before += training.steps();
    telemetry.insert(telemetry.end(), training.telemetry().begin(), training.telemetry().end());
    members.push_back(make_model(d.device, options, all.columns, roles.condition));
    members.back()->take_weights(training);
    members.back()->prepare();
  }
  auto model = std::make_unique<Ensemble>(d.device, std::move(members));
  const ResidentRows calibration_rows(on_device, calibration.view());
  const std::vector<float> scores = model->calibrate(calibration_rows.view());
  d.threshold = score_threshold(scores, resolved);
  d.calibration = ScoreCalibration(scores);
  d.resolved = resolved;
  d.names = std::move(column_names);
  d.transform = std::move(transform);
  d.roles = roles;
  d.telemetry = std::move(telemetry);
  d.stream.reset();
  d.model = std::move(model);
}

void Detector::Impl::score(MatrixView<const float> rows, float* scores, std::vector<float>* residuals,
                           float* method_scores) {
  if (!model) throw Error(ErrorCode::invalid_argument, "the detector is not fitted: call fit or load first");
  check_rows("score", rows, transform.columns());
  if (!stream) stream = std::make_unique<ScoreStream>(device, transform, *model);
  if (residuals != nullptr) residuals->resize(rows.rows * rows.columns);
  stream->score(rows, scores, residuals == nullptr ? nullptr : residuals->data(), method_scores);
  if (residuals == nullptr || roles.condition == 0) return;
  // From the networks' order back to the caller's.
  const std::int64_t columns = rows.columns;
  std::vector<float> row(columns);
  for (std::int64_t r = 0; r < rows.rows; ++r) {
    float* residual = residuals->data() + r * columns;
    for (std::int64_t c = 0; c < columns; ++c) row[roles.order[c]] = c < columns - roles.condition ? residual[c] : 0.0f;
    std::copy(row.begin(), row.end(), residual);
  }
}

std::vector<float> Detector::score(MatrixView<const float> rows) {
  std::vector<float> scores(std::max<std::int64_t>(0, rows.rows));
  impl_->score(rows, scores.data(), nullptr);
  return scores;
}

void Detector::score(MatrixView<const float> rows, float* scores) { impl_->score(rows, scores, nullptr); }

std::vector<float> Detector::score_methods(MatrixView<const float> rows, std::vector<float>& method_scores) {
  const std::size_t count = static_cast<std::size_t>(std::max<std::int64_t>(0, rows.rows));
  std::vector<float> scores(count);
  method_scores.assign(count * (1 + options().ensemble.size()), 0.0f);
  impl_->score(rows, scores.data(), nullptr, method_scores.data());
  return scores;
}

std::vector<float> Detector::explain(MatrixView<const float> rows, int count, std::vector<Explanation>& explanations) {
  if (count < 1)
    throw Error(ErrorCode::invalid_argument,
                "explain was asked for " + std::to_string(count) + " columns, expected at least 1");
  std::vector<float> scores(std::max<std::int64_t>(0, rows.rows)), residuals;
  impl_->score(rows, scores.data(), &residuals);
  const auto kept = static_cast<std::size_t>(std::min<std::int64_t>(count, rows.columns));
  explanations.assign(scores.size(), {});
  std::vector<int> order(rows.columns);
  for (std::size_t r = 0; r < scores.size(); ++r) {
    const float* residual = residuals.data() + static_cast<std::int64_t>(r) * rows.columns;
    for (int c = 0; c < rows.columns; ++c) order[c] = c;
    std::stable_sort(order.begin(), order.end(), [&](int a, int b) { return residual[a] > residual[b]; });
    for (std::size_t k = 0; k < kept; ++k) {
      explanations[r].column.push_back(order[k]);
      explanations[r].residual.push_back(residual[order[k]]);
    }
  }
  return scores;
}

void Detector::sample(std::int64_t count, std::uint64_t seed, float* rows) {
  if (!fitted()) throw Error(ErrorCode::invalid_argument, "the detector is not fitted: call fit or load first");
  if (count < 0) throw Error(ErrorCode::invalid_argument, "sample was asked for " + std::to_string(count) + " rows");
  impl_->model->member(0).sample(count, seed, rows);
  impl_->transform.invert({rows, count, columns()});
}

void Detector::use_stream(void* stream) {
  if (!fitted()) throw Error(ErrorCode::invalid_argument, "the detector is not fitted: call fit or load first");
  impl_->model->use_stream(stream);
}

const ScoreCalibration& Detector::Impl::calibrated() const {
  if (!model) throw Error(ErrorCode::invalid_argument, "the detector is not fitted: call fit or load first");
  if (!calibration) {
    throw Error(ErrorCode::unsupported,
                "the model file has no score_calibration (an older version wrote it): fit the model again for "
                "probabilities and confidences");
  }
  return *calibration;
}

std::vector<float> Detector::probability(std::span<const float> scores, Probability kind) const {
  const ScoreCalibration& calibration = impl_->calibrated();
  std::vector<float> probabilities;
  probabilities.reserve(scores.size());
  for (const float score : scores) probabilities.push_back(static_cast<float>(calibration.probability(score, kind)));
  return probabilities;
}

std::vector<float> Detector::confidence(std::span<const float> scores) const {
  const ScoreCalibration& calibration = impl_->calibrated();
  const std::int64_t normal = expected_normal(calibration.count(), impl_->resolved);
  std::vector<float> confidences;
  confidences.reserve(scores.size());
  for (const float score : scores) {
    confidences.push_back(static_cast<float>(calibration.confidence(score, impl_->threshold, normal)));
  }
  return confidences;
}

float Detector::threshold() const { return impl_->threshold; }
bool Detector::fitted() const { return impl_->model != nullptr; }
std::int64_t Detector::columns() const { return impl_->transform.columns(); }
const std::vector<std::string>& Detector::column_names() const { return impl_->names; }
const DetectorOptions& Detector::options() const { return fitted() ? impl_->resolved : impl_->options; }
std::string Detector::search_path() const { return fitted() ? impl_->model->member(0).search_path() : std::string(); }
const std::vector<ModelTelemetry>& Detector::telemetry() const { return impl_->telemetry; }

void Detector::attach(const std::string& name, const std::string& text) { impl_->attachments[name] = text; }
const std::string* Detector::attachment(const std::string& name) const {
  const auto found = impl_->attachments.find(name);
  return found == impl_->attachments.end() ? nullptr : &found->second;
}

void Detector::save(const std::string& path) const {
  if (!fitted()) throw Error(ErrorCode::invalid_argument, "the detector is not fitted: there is nothing to save");
  safetensors::write(path, impl_->to_file());
}

Detector Detector::load(const Device& device, const std::string& path) {
  Detector detector(device);
  detector.impl_->from_file(safetensors::read(path), path);
  return detector;
}

}  // namespace cugad
