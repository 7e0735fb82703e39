#include "cugad/fleet.hpp"

#include <algorithm>
#include <utility>

#include "cugad/error.hpp"
#include "host/methods/fitting.hpp"
#include "host/methods/fleet_impl.hpp"

namespace cugad {
namespace {

constexpr std::size_t ready_bytes = std::size_t{256} << 20;  ///< of models that are kept ready to score
constexpr std::int64_t rows_at_a_time = 8192;
constexpr std::size_t most_examples = 5;

}  // namespace

Fleet::Fleet(const Device& device, DetectorOptions options, FleetOptions fleet_options)
    : impl_(std::make_unique<Impl>(device, std::move(options), fleet_options)) {}
Fleet::~Fleet() = default;
Fleet::Fleet(Fleet&&) noexcept = default;
Fleet& Fleet::operator=(Fleet&&) noexcept = default;

void Fleet::Impl::require_fitted() const {
  if (!stack) throw Error(ErrorCode::invalid_argument, "the fleet is not fitted: call fit or load first");
}

std::int64_t Fleet::Impl::model_of(const std::string& group) const {
  const auto found = group_number.find(group);
  return found == group_number.end() ? pooled_model : model_number[static_cast<std::size_t>(found->second)];
}

Detector Fleet::Impl::make(std::int64_t model, std::int64_t chunk_limit) const {
  require_fitted();
  Detector detector(device);
  detector.impl_->chunk_limit = chunk_limit;
  detector.impl_->from_file(model == pooled_model ? pooled : stack->get(model, path), path);
  detector.impl_->attachments = attachments;
  return detector;
}

Detector& Fleet::Impl::ready(std::int64_t model) {
  if (const auto found = ready_index.find(model); found != ready_index.end()) {
    ready_models.splice(ready_models.begin(), ready_models, found->second);
    return ready_models.front().detector;
  }
  const auto total = [&] {
    std::size_t sum = 0;
    for (const Ready& one : ready_models) sum += one.bytes;
    return sum;
  };
  // The next is about as large as the last.
  while (!ready_models.empty() && total() + ready_models.front().bytes > ready_bytes) {
    ready_index.erase(ready_models.back().model);
    ready_models.pop_back();
  }
  const std::size_t before = device.memory().bytes;
  Detector detector = make(model, model == pooled_model ? 0 : chunk_rows);
  const std::vector<float> any(static_cast<std::size_t>(detector.columns()), 0.0f);
  detector.score({any.data(), 1, detector.columns()});  // takes the rest of its memory
  ready_models.push_front({model, std::move(detector), device.memory().bytes - before});
  ready_index[model] = ready_models.begin();
  return ready_models.front().detector;
}

void Fleet::Impl::for_each_model(
    std::span<const std::string> of_rows,
    const std::function<void(std::int64_t model, std::span<const std::int64_t> rows)>& visit) const {
  std::map<std::int64_t, std::vector<std::int64_t>> rows;
  for (std::size_t r = 0; r < of_rows.size(); ++r) {
    rows[model_of(of_rows[r])].push_back(static_cast<std::int64_t>(r));
  }
  // Those that are ready go first: the others may push them out.
  for (const bool ready_ones : {true, false}) {
    for (auto& [model, numbers] : rows) {
      if (numbers.empty() || (ready_ones && !ready_index.contains(model))) continue;
      visit(model, numbers);
      numbers.clear();
    }
  }
}

void Fleet::Impl::count(std::span<const std::string> of_rows) {
  scored.rows += static_cast<std::int64_t>(of_rows.size());
  for (const std::string& group : of_rows) {
    const auto found = group_number.find(group);
    if (found != group_number.end()) {
      scored.small += model_number[static_cast<std::size_t>(found->second)] == pooled_model;
      continue;
    }
    ++scored.unseen;
    if (scored.examples.size() < most_examples &&
        std::find(scored.examples.begin(), scored.examples.end(), group) == scored.examples.end()) {
      scored.examples.push_back(group);
    }
  }
}

void Fleet::Impl::check_scored(const char* what, std::int64_t rows, std::span<const std::string> of_rows) const {
  require_fitted();
  if (rows == static_cast<std::int64_t>(of_rows.size())) return;
  throw Error(ErrorCode::invalid_argument, std::string(what) + " was given " + std::to_string(rows) + " rows and " +
                                               std::to_string(of_rows.size()) + " groups, expected one of each row");
}

std::vector<float> Fleet::score(MatrixView<const float> rows, std::span<const std::string> groups) {
  std::vector<Explanation> none;
  return explain(rows, groups, 0, none);
}

std::vector<float> Fleet::explain(MatrixView<const float> rows, std::span<const std::string> groups, int count,
                                  std::vector<Explanation>& explanations) {
  Impl& d = *impl_;
  d.check_scored("score", rows.rows, groups);
  check_rows("score", rows, columns());
  std::vector<float> scores(groups.size());
  if (count > 0) explanations.assign(groups.size(), {});
  d.for_each_model(groups, [&](std::int64_t model, std::span<const std::int64_t> numbers) {
    Detector& detector = d.ready(model);
    for (std::size_t first = 0; first < numbers.size(); first += rows_at_a_time) {
      const auto part = numbers.subspan(first, std::min<std::size_t>(rows_at_a_time, numbers.size() - first));
      Matrix own(static_cast<std::int64_t>(part.size()), rows.columns);
      for (std::size_t i = 0; i < part.size(); ++i) {
        std::copy_n(rows.row(part[i]), rows.columns, own.row(static_cast<std::int64_t>(i)));
      }
      std::vector<Explanation> explained;
      const std::vector<float> found = count > 0 ? detector.explain(std::as_const(own).view(), count, explained)
                                                 : detector.score(std::as_const(own).view());
      for (std::size_t i = 0; i < part.size(); ++i) {
        scores[static_cast<std::size_t>(part[i])] = found[i];
        if (count > 0) explanations[static_cast<std::size_t>(part[i])] = std::move(explained[i]);
      }
    }
  });
  d.count(groups);
  return scores;
}

std::vector<float> Fleet::thresholds(std::span<const std::string> groups) const {
  impl_->require_fitted();
  const float pooled = impl_->pooled_threshold;
  std::vector<float> thresholds;
  thresholds.reserve(groups.size());
  for (const std::string& group : groups) {
    const auto found = impl_->group_number.find(group);
    thresholds.push_back(
        found == impl_->group_number.end() ? pooled : impl_->groups[static_cast<std::size_t>(found->second)].threshold);
  }
  return thresholds;
}

std::vector<float> Fleet::Impl::by_calibration(std::span<const float> scores, std::span<const std::string> of_rows,
                                               const Convert& convert) const {
  check_scored("a calibration", static_cast<std::int64_t>(scores.size()), of_rows);
  std::vector<float> all(scores.size());
  for_each_model(of_rows, [&](std::int64_t model, std::span<const std::int64_t> numbers) {
    Detector::Impl settings(device, {});
    settings.read_settings(model == pooled_model ? pooled : stack->get(model, path, false), path);
    std::vector<float> own;
    for (const std::int64_t r : numbers) own.push_back(scores[static_cast<std::size_t>(r)]);
    const std::vector<float> found = convert(settings, own);
    for (std::size_t i = 0; i < numbers.size(); ++i) all[static_cast<std::size_t>(numbers[i])] = found[i];
  });
  return all;
}

std::vector<float> Fleet::probability(std::span<const float> scores, std::span<const std::string> groups,
                                      Probability kind) {
  return impl_->by_calibration(scores, groups, [&](const Detector::Impl& settings, std::span<const float> own) {
    return settings.probability(own, kind);
  });
}

std::vector<float> Fleet::confidence(std::span<const float> scores, std::span<const std::string> groups) {
  return impl_->by_calibration(scores, groups, [](const Detector::Impl& settings, std::span<const float> own) {
    return settings.confidence(own);
  });
}

const FleetScored& Fleet::scored() const { return impl_->scored; }
bool Fleet::fitted() const { return impl_->stack != nullptr; }
std::int64_t Fleet::columns() const { return static_cast<std::int64_t>(impl_->names.size()); }
const std::vector<std::string>& Fleet::column_names() const { return impl_->names; }
const DetectorOptions& Fleet::options() const { return fitted() ? impl_->resolved : impl_->options; }
const std::vector<FleetGroup>& Fleet::groups() const { return impl_->groups; }
Detector Fleet::pooled() const { return impl_->make(Impl::pooled_model); }

Detector Fleet::take_out(const std::string& group) const {
  impl_->require_fitted();
  const std::int64_t model = impl_->model_of(group);
  if (model != Impl::pooled_model) return impl_->make(model);
  const bool known = impl_->group_number.contains(group);
  throw Error(ErrorCode::invalid_argument,
              "group '" + group + "' has no model of its own: " +
                  (known ? "it had too few rows to train on" : "the training rows had no such group"));
}

void Fleet::attach(const std::string& name, const std::string& text) {
  check_attachment(name, text);
  impl_->attachments[name] = text;
}
const std::string* Fleet::attachment(const std::string& name) const {
  const auto found = impl_->attachments.find(name);
  return found == impl_->attachments.end() ? nullptr : &found->second;
}

}  // namespace cugad
