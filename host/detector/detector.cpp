#include "cugad/detector.hpp"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>
#include <utility>

#include "cugad/error.hpp"
#include "cugad/table.hpp"
#include "host/backend/transfer.hpp"
#include "host/detector/fitting.hpp"
#include "host/detector/held.hpp"
#include "host/detector/impl.hpp"
#include "host/floating_point.hpp"
#include "host/methods/methods.hpp"
#include "host/text/cell.hpp"

namespace cugad {
namespace {

/// Per row the sum of its missing cells' columns; empty if it is 0 for all rows.
std::vector<float> absent_cells(const Matrix& rows, const std::vector<double>& of_column) {
  std::vector<float> absent(static_cast<std::size_t>(rows.rows));
  bool is_any = false;
  for (std::int64_t r = 0; r < rows.rows; ++r) {
    double sum = 0;
    for (std::int64_t c = 0; c < rows.columns; ++c) sum += std::isnan(rows.row(r)[c]) ? of_column[c] : 0.0;
    absent[r] = static_cast<float>(sum);
    is_any = is_any || sum > 0;
  }
  if (!is_any) absent.clear();
  return absent;
}

void require_fitted(const Detector& detector) {
  if (detector.fitted()) return;
  throw Error(ErrorCode::invalid_argument, "the detector is not fitted: call fit or load first");
}

}  // namespace

Detector::Detector(const Device& device, DetectorOptions options)
    : impl_(std::make_unique<Impl>(device, std::move(options))) {}
Detector::~Detector() = default;
Detector::Detector(Detector&&) noexcept = default;
Detector& Detector::operator=(Detector&&) noexcept = default;

void Detector::Impl::finish(const DetectorOptions& resolved_options, std::vector<std::unique_ptr<AnomalyModel>> members,
                            PreparedRows prepared) {
  for (const auto& member : members) {
    if (chunk_limit > 0) member->limit_chunk(chunk_limit);
    member->prepare();
  }
  auto trained = std::make_unique<Ensemble>(device, std::move(members));
  resolved = resolved_options;
  std::vector<float> scores = calibrate(*trained, prepared);
  cells = {};
  for (std::size_t i = 0; i < trained->methods(); ++i) {
    if (!definition_of(trained->member(i).options().method).judges_cells) continue;
    cells = CellCalibration(hidden_cell_residuals(trained->member(i), prepared.calibration, prepared.calibration_begin),
                            prepared.roles.order, std::move(prepared.range));
  }
  transform = std::move(prepared.transform);
  novelty = std::move(prepared.novelty);
  roles = std::move(prepared.roles);
  stream.reset();
  model = std::move(trained);
  std::vector<float> of_trimmed(static_cast<std::size_t>(prepared.trimmed.rows));
  if (!of_trimmed.empty()) score(prepared.trimmed, of_trimmed.data(), nullptr);
  stream.reset();
  for (const float one : of_trimmed) scores.push_back(std::isnan(one) ? std::numeric_limits<float>::max() : one);
  // Without networks each row is left out alone.
  const std::size_t folds = trains_networks(resolved) ? prepared.calibration_begin.size() - 1 : scores.size();
  calibration = ScoreCalibration(scores, static_cast<std::int64_t>(folds));
  threshold = calibration->threshold(resolved);
}

std::vector<float> Detector::Impl::calibrate(Ensemble& trained, PreparedRows& prepared) {
  Context context = device.make_context();
  const Matrix& rows = prepared.calibration;
  const ResidentRows resident(context, rows.view());
  std::vector<std::vector<float>> absent(trained.methods());
  for (std::size_t i = 0; i < trained.methods() && prepared.novelty; ++i) {
    AnomalyModel& member = trained.member(i);
    std::vector<double> of_networks = member.column_residuals(resident.view(), prepared.calibration_begin);
    of_networks.resize(static_cast<std::size_t>(rows.columns));
    std::vector<double> of_caller(of_networks.size());
    for (std::size_t c = 0; c < of_caller.size(); ++c) of_caller[prepared.roles.order[c]] = of_networks[c];
    prepared.novelty.add_method(of_caller, member.absent_form().weight > 0.0f ? 1.0 : 0.0);
    absent[i] = absent_cells(rows, of_networks);
  }
  std::vector<float> scores = trained.calibrate(resident.view(), prepared.calibration_begin, absent);
  if (prepared.novelty) {
    // A nat counts half of what lies between the 5th and the 95th percentile: an event that one of 200 rows shows lifts
    // a row of the former over the latter.
    // Scores of rows that are all alike have no spread; standardised ones have a usual one.
    const bool is_standardised = resolved.standardise || trained.parts() > static_cast<std::int64_t>(trained.methods());
    const float spread = std::max(statistics_of(context, scores).spread, is_standardised ? 0.5f : 0.0f);
    const double unit = double{resolved.novelty} * 1.645 * double{spread};
    prepared.novelty.scale_by(unit);
    for (std::size_t r = 0; r < scores.size(); ++r) {
      scores[r] = static_cast<float>(double{scores[r]} + unit * double{prepared.surprise[r]});
    }
  }
  return scores;
}

void Detector::Impl::score(MatrixView<const float> rows, float* scores, std::vector<float>* residuals,
                           float* part_scores, bool waits) {
  if (!model) throw Error(ErrorCode::invalid_argument, "the detector is not fitted: call fit or load first");
  check_rows("score", rows, transform.columns());
  if (!stream && device.backend().is_recording(model->context().stream())) {
    throw Error(ErrorCode::unsupported,
                "score: the first call makes the buffers, which cannot be while the stream is captured: score as many "
                "rows once before");
  }
  if (!stream) stream = std::make_unique<ScoreStream>(device, transform, novelty, *model);
  if (residuals != nullptr) residuals->resize(rows.rows * rows.columns);
  stream->score(rows, scores, residuals == nullptr ? nullptr : residuals->data(), part_scores,
                {.cancel = cancel, .waits = waits});
  if (residuals == nullptr) return;
  // From the networks' order back to the caller's.
  const std::int64_t columns = rows.columns;
  std::vector<float> row(columns);
  for (std::int64_t r = 0; r < rows.rows && roles.condition > 0; ++r) {
    float* residual = residuals->data() + r * columns;
    for (std::int64_t c = 0; c < columns; ++c) row[roles.order[c]] = c < columns - roles.condition ? residual[c] : 0.0f;
    std::copy(row.begin(), row.end(), residual);
  }
}

void Detector::Impl::submit(MatrixView<const float> rows, float* scores, void* event) {
  Backend& backend = device.backend();
  const auto refuse = [](const std::string& what) { throw Error(ErrorCode::invalid_argument, "submit: " + what); };
  if (backend.is_host_memory()) {
    if (event != nullptr) refuse("event is not null, expected null: on the CPU the scores are there on return");
  } else if (rows.rows > 0) {
    const MemoryKind kind = backend.memory_kind(scores);
    if (kind == MemoryKind::host || kind == MemoryKind::foreign) {
      refuse(std::string("scores is ") +
             (kind == MemoryKind::host ? "host memory that is not pinned" : "memory of another device") +
             ", expected pinned host memory (cudaHostAlloc) or memory of " + device.name());
    }
  }
  score(rows, scores, nullptr, nullptr, false);
  if (event != nullptr) backend.mark(event, model->context().stream());
}

std::unique_ptr<Detector::Impl> Detector::Impl::share() {
  auto other = std::make_unique<Impl>(device, options);
  other->resolved = resolved;
  other->names = names;
  other->transform = transform;
  other->novelty = novelty;
  other->roles = roles;
  other->cells = cells;
  other->model = model->share(device);
  other->telemetry = telemetry;
  other->notes = notes;
  other->chunk_limit = chunk_limit;
  other->threshold = threshold;
  other->calibration = calibration;
  other->attachments = attachments;
  return other;
}

Detector Detector::share() {
  const FloatingPointEnvironment environment;
  require_fitted(*this);
  Detector other(held(impl_).device, DetectorOptions{});
  other.impl_ = held(impl_).share();
  return other;
}

void Detector::synchronize() {
  if (fitted()) held(impl_).model->context().synchronize();
}

std::vector<float> Detector::score(MatrixView<const float> rows) {
  const FloatingPointEnvironment environment;
  std::vector<float> scores(std::max<std::int64_t>(0, rows.rows));
  held(impl_).score(rows, scores.data(), nullptr);
  return scores;
}

namespace {

void check_room(const char* what, MatrixView<const float> rows, std::span<float> scores) {
  if (static_cast<std::int64_t>(scores.size()) == rows.rows) return;
  throw Error(ErrorCode::invalid_argument, std::string(what) + " was given room for " + std::to_string(scores.size()) +
                                               " scores, expected one for each of " + std::to_string(rows.rows) +
                                               " rows");
}

}  // namespace

void Detector::score(MatrixView<const float> rows, std::span<float> scores) {
  const FloatingPointEnvironment environment;
  check_room("score", rows, scores);
  held(impl_).score(rows, scores.data(), nullptr);
}

void Detector::submit(MatrixView<const float> rows, std::span<float> scores, void* event) {
  const FloatingPointEnvironment environment;
  check_room("submit", rows, scores);
  held(impl_).submit(rows, scores.data(), event);
}

std::vector<float> Detector::score_methods(MatrixView<const float> rows, std::vector<float>& part_scores) {
  const FloatingPointEnvironment environment;
  const std::size_t count = static_cast<std::size_t>(std::max<std::int64_t>(0, rows.rows));
  std::vector<float> scores(count);
  part_scores.assign(count * parts().size(), 0.0f);
  held(impl_).score(rows, scores.data(), nullptr, part_scores.data());
  return scores;
}

std::vector<float> Detector::score_cells(MatrixView<const float> rows, std::vector<float>& residuals) {
  const FloatingPointEnvironment environment;
  std::vector<float> scores(static_cast<std::size_t>(std::max<std::int64_t>(0, rows.rows)));
  held(impl_).score(rows, scores.data(), &residuals);
  return scores;
}

std::vector<std::string> Detector::parts() const { return parts_of(options()); }

void Detector::cancel_by(const std::atomic<bool>* cancel) { held(impl_).cancel = cancel; }

void Detector::use_stream(void* stream) {
  require_fitted(*this);
  held(impl_).model->use_stream(stream);
}

const ScoreCalibration& Detector::Impl::calibrated() const {
  if (!calibration) {
    throw Error(ErrorCode::unsupported,
                "the model file has no score_calibration (an older version wrote it): fit the model again for "
                "probabilities and confidences");
  }
  return *calibration;
}

std::vector<float> Detector::Impl::probability(std::span<const float> scores, Probability kind) const {
  const ScoreCalibration& kept = calibrated();
  std::vector<float> probabilities;
  probabilities.reserve(scores.size());
  for (const float score : scores) probabilities.push_back(static_cast<float>(kept.probability(score, kind)));
  return probabilities;
}

std::vector<float> Detector::Impl::confidence(std::span<const float> scores) const {
  const ScoreCalibration& kept = calibrated();
  std::vector<float> confidences;
  confidences.reserve(scores.size());
  for (const float score : scores) {
    confidences.push_back(static_cast<float>(kept.confidence(score, threshold, resolved)));
  }
  return confidences;
}

void Detector::Impl::rethreshold(float contamination, float false_alarm_rate) {
  DetectorOptions asked = resolved;
  if (false_alarm_rate == 0.0f) asked.contamination = contamination;
  asked.false_alarm_rate = false_alarm_rate;
  check_consistency(asked);
  threshold = calibrated().threshold(asked);
  resolved = asked;
}

void Detector::set_contamination(float contamination) {
  const FloatingPointEnvironment environment;
  require_fitted(*this);
  held(impl_).rethreshold(contamination, 0.0f);
}

void Detector::set_false_alarm_rate(float rate) {
  const FloatingPointEnvironment environment;
  require_fitted(*this);
  if (rate == 0.0f) throw Error(ErrorCode::invalid_argument, "false_alarm_rate is 0, expected more than that");
  held(impl_).rethreshold(0.0f, rate);
}

Detector::Calibration Detector::Impl::rests_on() const {
  return calibration ? Calibration{calibration->count(), calibration->folds()} : Calibration{};
}

Detector::Calibration Detector::calibration() const { return held(impl_).rests_on(); }

std::vector<float> Detector::probability(std::span<const float> scores, Probability kind) const {
  const FloatingPointEnvironment environment;
  require_fitted(*this);
  return held(impl_).probability(scores, kind);
}

std::vector<float> Detector::confidence(std::span<const float> scores) const {
  const FloatingPointEnvironment environment;
  require_fitted(*this);
  return held(impl_).confidence(scores);
}

float Detector::threshold() const { return held(impl_).threshold; }
bool Detector::fitted() const { return held(impl_).model != nullptr; }
std::int64_t Detector::columns() const { return held(impl_).transform.columns(); }
const std::vector<std::string>& Detector::column_names() const { return held(impl_).names; }
const DetectorOptions& Detector::options() const { return fitted() ? held(impl_).resolved : held(impl_).options; }
std::int64_t Detector::reference_rows() const { return held(impl_).reference_rows(); }
std::string Detector::search_path() const {
  return fitted() ? held(impl_).model->member(0).search_path() : std::string();
}
const std::vector<ModelTelemetry>& Detector::telemetry() const { return held(impl_).telemetry; }

void check_attachment(const std::string& name, const std::string& text) {
  if (!is_utf8(name)) throw Error(ErrorCode::invalid_argument, "the name of an attachment is not valid UTF-8");
  if (!is_utf8(text))
    throw Error(ErrorCode::invalid_argument, "the attachment '" + one_line(name) + "' is not valid UTF-8");
}
void Detector::attach(const std::string& name, const std::string& text) {
  check_attachment(name, text);
  held(impl_).attachments[name] = text;
}
const std::string* Detector::attachment(const std::string& name) const {
  const auto found = held(impl_).attachments.find(name);
  return found == held(impl_).attachments.end() ? nullptr : &found->second;
}

safetensors::File Detector::Impl::to_save() const {
  if (model == nullptr) {
    throw Error(ErrorCode::invalid_argument, "the detector is not fitted: there is nothing to save");
  }
  return to_file();
}

void Detector::save(const std::string& path) const {
  const FloatingPointEnvironment environment;
  safetensors::write(path, held(impl_).to_save());
}

std::vector<std::byte> Detector::save() const {
  const FloatingPointEnvironment environment;
  return safetensors::to_bytes(held(impl_).to_save());
}

Detector Detector::load(const Device& device, const std::string& path) {
  const FloatingPointEnvironment environment;
  Detector detector(device, DetectorOptions{});
  detector.impl_->from_file(safetensors::read(path), path);
  return detector;
}

Detector Detector::load(const Device& device, std::span<const std::byte> bytes) {
  const FloatingPointEnvironment environment;
  Detector detector(device, DetectorOptions{});
  detector.impl_->from_file(safetensors::read(bytes), safetensors::in_memory);
  return detector;
}

}  // namespace cugad
