#include "cugad/fleet.hpp"

#include <algorithm>
#include <cmath>
#include <unordered_map>
#include <utility>

#include "cugad/error.hpp"
#include "host/detector/fitting.hpp"
#include "host/detector/held.hpp"
#include "host/detector/model_reader.hpp"
#include "host/detector/stop_scoring.hpp"
#include "host/fleet/impl.hpp"
#include "host/floating_point.hpp"
#include "kernels/cpu/parallel.hpp"

namespace cugad {
namespace {

constexpr std::size_t ready_bytes = std::size_t{256} << 20;  ///< of models that are kept ready to score
constexpr std::int64_t rows_at_a_time = 8192;
constexpr std::size_t few_rows = 256;  ///< sooner scored than threads are started
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

std::vector<std::int64_t> Fleet::Impl::groups_of(std::span<const std::string> of_rows) const {
  std::vector<std::int64_t> numbers;
  numbers.reserve(of_rows.size());
  std::unordered_map<std::string_view, std::int64_t> known;  // each name is searched once
  for (const std::string& name : of_rows) {
    const auto [found, is_new] = known.try_emplace(name, GroupTable::none);
    if (is_new) found->second = groups.find(name);
    numbers.push_back(found->second);
  }
  return numbers;
}

std::string Fleet::Impl::path_of(std::int64_t model) const {
  return path + ", group '" + one_line(groups.name(groups.group_of(model))) + "'";
}

void Fleet::Impl::read_model(std::int64_t model, Detector::Impl& to, bool with_networks) const {
  const std::string whose = path_of(model);
  const ModelStack::Model one = stack->model(model, whose, with_networks);
  const Reader reader(one.file, whose, &one.numbers);
  to.take_structure(*structure, seed_of(model));
  if (one.numbers.of(categories_key) != categories) reader.refuse("it has other 'categories' than the first group");
  to.read_numbers(reader);
  if (threshold_options) to.rethreshold(threshold_options->contamination, threshold_options->false_alarm_rate);
  if (with_networks) to.read_networks(reader);
}

Detector Fleet::Impl::make(std::int64_t model) const {
  require_fitted();
  Detector detector(device, DetectorOptions{});
  if (model == pooled_model) {
    detector.impl_->from_file(pooled, path);
  } else {
    read_model(model, *detector.impl_, true);
  }
  detector.impl_->attachments = attachments;
  return detector;
}

Fleet::Impl::RowsOfModels Fleet::Impl::rows_of_models(std::span<const std::string> of_rows) const {
  RowsOfModels rows;
  const std::vector<std::int64_t> numbers = groups_of(of_rows);
  for (std::size_t r = 0; r < numbers.size(); ++r) rows[model_of(numbers[r])].push_back(static_cast<std::int64_t>(r));
  return rows;
}

Detector Fleet::Impl::make_ready(std::int64_t model) const {
  Detector detector(device.with_threads(1), DetectorOptions{});  // the default is looked up among the presets
  detector.impl_->chunk_limit = chunk_rows;
  read_model(model, *detector.impl_, true);
  return detector;
}

void Fleet::Impl::make_scorers() {
  if (!scorers.empty() || stack->count() == 0) return;
  const auto threads = static_cast<std::size_t>(models_at_a_time(device));
  const std::size_t before = device.memory().bytes;
  Detector first = make_ready(0);
  const std::vector<float> any(static_cast<std::size_t>(first.columns()), 0.0f);
  first.score({any.data(), 1, first.columns()});  // packs its weights
  first.impl_->stream->reserve(chunk_rows);       // all that a model ever holds
  const std::size_t each = std::max<std::size_t>(1, device.memory().bytes - before);
  const std::size_t most = std::max<std::size_t>(1, ready_bytes / each / threads);
  for (std::size_t t = 0; t < threads; ++t) scorers.emplace_back(most);
}

void Fleet::Impl::score_with_each(
    const RowsOfModels& rows,
    const std::function<void(Detector& detector, std::span<const std::int64_t> rows)>& visit) {
  stop_scoring_if(cancel);
  const auto of_pooled = rows.find(pooled_model);
  if (of_pooled != rows.end()) {
    if (!ready_pooled) ready_pooled = make(pooled_model);
    visit(*ready_pooled, of_pooled->second);
  }
  if (rows.size() == (of_pooled != rows.end() ? 1 : 0)) return;
  make_scorers();
  // What each scorer has to do. Models that are ready go first: the others may push them out.
  struct Work {
    ReadyModels* models;
    std::vector<std::pair<std::int64_t, std::span<const std::int64_t>>> ready, missing;
  };
  std::vector<Work> all(scorers.size());
  std::size_t count = 0;
  bool all_ready = true;
  for (const auto& [model, numbers] : rows) {
    if (model == pooled_model) continue;
    const std::size_t scorer = static_cast<std::size_t>(model) % scorers.size();
    all[scorer].models = &scorers[scorer];
    const bool is_ready = scorers[scorer].contains(model);
    (is_ready ? all[scorer].ready : all[scorer].missing).emplace_back(model, numbers);
    all_ready = all_ready && is_ready;
    count += numbers.size();
  }
  std::erase_if(all, [](const Work& work) { return work.ready.empty() && work.missing.empty(); });
  const auto works = static_cast<std::int64_t>(all.size());
  const int threads = all_ready && count < few_rows ? 1 : static_cast<int>(works);
  cpu::parallel_ranges(threads, works, [&](int, std::int64_t begin, std::int64_t end) {
    for (std::int64_t w = begin; w < end; ++w) {
      const Work& work = all[static_cast<std::size_t>(w)];
      for (const auto* part : {&work.ready, &work.missing}) {
        for (const auto& [model, numbers] : *part) {
          stop_scoring_if(cancel);
          visit(work.models->get(model, [&](std::int64_t missing) { return make_ready(missing); }), numbers);
        }
      }
    }
  });
}

void Fleet::Impl::count(std::span<const std::string> of_rows) {
  scored.rows += static_cast<std::int64_t>(of_rows.size());
  const std::vector<std::int64_t> numbers = groups_of(of_rows);
  for (std::size_t r = 0; r < numbers.size(); ++r) {
    if (numbers[r] != GroupTable::none) {
      scored.small += groups.model_of(numbers[r]) == pooled_model;
      continue;
    }
    ++scored.unseen;
    if (scored.examples.size() < most_examples &&
        std::find(scored.examples.begin(), scored.examples.end(), of_rows[r]) == scored.examples.end()) {
      scored.examples.push_back(of_rows[r]);
    }
  }
}

void Fleet::Impl::check_scored(const char* what, std::int64_t rows, std::span<const std::string> of_rows) const {
  require_fitted();
  if (rows == static_cast<std::int64_t>(of_rows.size())) return;
  throw Error(ErrorCode::invalid_argument, std::string(what) + " was given " + std::to_string(rows) + " rows and " +
                                               std::to_string(of_rows.size()) + " groups, expected one of each row");
}

std::vector<float> Fleet::Impl::score(MatrixView<const float> rows, std::span<const std::string> of_rows,
                                      const ScorePart& score_part) {
  check_scored("score", rows.rows, of_rows);
  check_rows("score", rows, static_cast<std::int64_t>(names.size()));
  std::vector<float> scores(of_rows.size());
  score_with_each(rows_of_models(of_rows), [&](Detector& detector, std::span<const std::int64_t> numbers) {
    detector.cancel_by(cancel);
    for (std::size_t first = 0; first < numbers.size(); first += rows_at_a_time) {
      const auto part = numbers.subspan(first, std::min<std::size_t>(rows_at_a_time, numbers.size() - first));
      Matrix own(static_cast<std::int64_t>(part.size()), rows.columns);
      for (std::size_t i = 0; i < part.size(); ++i) {
        std::copy_n(rows.row(part[i]), rows.columns, own.row(static_cast<std::int64_t>(i)));
      }
      const std::vector<float> found = score_part(detector, std::as_const(own).view(), part);
      for (std::size_t i = 0; i < part.size(); ++i) scores[static_cast<std::size_t>(part[i])] = found[i];
    }
  });
  return scores;
}

std::vector<float> Fleet::score(MatrixView<const float> rows, std::span<const std::string> groups) {
  const FloatingPointEnvironment environment;
  std::vector<float> scores = held(impl_).score(
      rows, groups, [](Detector& detector, MatrixView<const float> own, auto) { return detector.score(own); });
  held(impl_).count(groups);
  return scores;
}

std::vector<std::string> Fleet::parts() const { return parts_of(options()); }

std::vector<float> Fleet::score_methods(MatrixView<const float> rows, std::span<const std::string> groups,
                                        std::vector<float>& part_scores) {
  const FloatingPointEnvironment environment;
  const std::size_t each = parts().size();
  part_scores.assign(groups.size() * each, 0.0f);
  return held(impl_).score(rows, groups, [&](Detector& detector, MatrixView<const float> own, const auto& numbers) {
    std::vector<float> of_parts;
    std::vector<float> scores = detector.score_methods(own, of_parts);
    for (std::size_t i = 0; i < numbers.size(); ++i) {
      std::copy_n(of_parts.data() + i * each, each, part_scores.data() + static_cast<std::size_t>(numbers[i]) * each);
    }
    return scores;
  });
}

std::vector<float> Fleet::explain(MatrixView<const float> rows, std::span<const std::string> groups, int count,
                                  std::vector<Explanation>& explanations) {
  if (count <= 0) return score(rows, groups);
  const FloatingPointEnvironment environment;
  explanations.assign(groups.size(), {});
  const auto explain_part = [&](Detector& detector, MatrixView<const float> own, const auto& numbers) {
    std::vector<Explanation> explained;
    std::vector<float> scores = detector.explain(own, count, explained);
    for (std::size_t i = 0; i < numbers.size(); ++i) {
      explanations[static_cast<std::size_t>(numbers[i])] = std::move(explained[i]);
    }
    return scores;
  };
  std::vector<float> scores = held(impl_).score(rows, groups, explain_part);
  held(impl_).count(groups);
  return scores;
}

void Fleet::cancel_by(const std::atomic<bool>* cancel) { held(impl_).cancel = cancel; }

std::vector<float> Fleet::thresholds(std::span<const std::string> groups) const {
  const FloatingPointEnvironment environment;
  held(impl_).require_fitted();
  std::vector<float> thresholds(groups.size());
  for (const auto& [model, rows] : held(impl_).rows_of_models(groups)) {
    const float threshold = held(impl_).threshold_of(model);
    for (const std::int64_t row : rows) thresholds[static_cast<std::size_t>(row)] = threshold;
  }
  return thresholds;
}

float Fleet::Impl::threshold_of(std::int64_t model) const {
  if (model == pooled_model) return pooled_threshold;
  if (threshold_options) return settings_of(model).threshold;
  return checked_threshold(model, stack->numbers_of("threshold", model, 1, path).front());
}

float Fleet::Impl::checked_threshold(std::int64_t model, double stored) const {
  const auto threshold = static_cast<float>(stored);
  if (std::isfinite(threshold)) return threshold;
  throw Error(ErrorCode::format, path_of(model) + ": 'threshold' is no finite number");
}

const std::vector<FleetGroup>& Fleet::Impl::list_groups() const {
  const std::lock_guard lock(listing);
  if (std::ssize(listed) == groups.count()) return listed;
  std::vector<double> stored;
  if (!threshold_options && stack->count() > 0) stored = stack->numbers_of("threshold", 0, stack->count(), path);
  std::vector<FleetGroup> list;
  list.reserve(static_cast<std::size_t>(groups.count()));
  for (std::int64_t g = 0; g < groups.count(); ++g) {
    const std::int64_t model = groups.model_of(g);
    const bool is_stored = model != pooled_model && !threshold_options;
    list.push_back(
        {std::string(groups.name(g)), groups.rows(g), model != pooled_model,
         is_stored ? checked_threshold(model, stored[static_cast<std::size_t>(model)]) : threshold_of(model)});
  }
  listed = std::move(list);
  return listed;
}

Detector::Impl Fleet::Impl::settings_of(std::int64_t model) const {
  Detector::Impl settings(device, {});
  if (model == pooled_model) {
    settings.read_settings(pooled, path);
  } else {
    read_model(model, settings, false);
  }
  return settings;
}

std::vector<float> Fleet::Impl::by_calibration(std::span<const float> scores, std::span<const std::string> of_rows,
                                               const Convert& convert) const {
  check_scored("a calibration", static_cast<std::int64_t>(scores.size()), of_rows);
  std::vector<float> all(scores.size());
  for (const auto& [model, numbers] : rows_of_models(of_rows)) {
    const Detector::Impl settings = settings_of(model);
    std::vector<float> own;
    for (const std::int64_t r : numbers) own.push_back(scores[static_cast<std::size_t>(r)]);
    const std::vector<float> found = convert(settings, own);
    for (std::size_t i = 0; i < numbers.size(); ++i) all[static_cast<std::size_t>(numbers[i])] = found[i];
  }
  return all;
}

std::vector<float> Fleet::probability(std::span<const float> scores, std::span<const std::string> groups,
                                      Probability kind) {
  const FloatingPointEnvironment environment;
  return held(impl_).by_calibration(scores, groups, [&](const Detector::Impl& settings, std::span<const float> own) {
    return settings.probability(own, kind);
  });
}

std::vector<float> Fleet::confidence(std::span<const float> scores, std::span<const std::string> groups) {
  const FloatingPointEnvironment environment;
  return held(impl_).by_calibration(scores, groups, [](const Detector::Impl& settings, std::span<const float> own) {
    return settings.confidence(own);
  });
}

Detector::Calibration Fleet::calibration(const std::string& group) const {
  const Impl& d = held(impl_);
  return d.stack ? d.settings_of(d.model_of(group)).rests_on() : Detector::Calibration{};
}

const FleetScored& Fleet::scored() const { return held(impl_).scored; }
bool Fleet::fitted() const { return held(impl_).stack != nullptr; }
std::int64_t Fleet::columns() const { return static_cast<std::int64_t>(held(impl_).names.size()); }
const std::vector<std::string>& Fleet::column_names() const { return held(impl_).names; }
const DetectorOptions& Fleet::options() const { return fitted() ? held(impl_).resolved : held(impl_).options; }
const FleetOptions& Fleet::fleet_options() const { return held(impl_).fleet_options; }
const std::vector<FleetGroup>& Fleet::groups() const {
  const FloatingPointEnvironment environment;
  return held(impl_).list_groups();
}
Detector Fleet::pooled() const {
  const FloatingPointEnvironment environment;
  return held(impl_).make(Impl::pooled_model);
}

Detector Fleet::take_out(const std::string& group) const {
  const FloatingPointEnvironment environment;
  held(impl_).require_fitted();
  const std::int64_t model = held(impl_).model_of(group);
  if (model != Impl::pooled_model) return held(impl_).make(model);
  const bool known = held(impl_).groups.find(group) != GroupTable::none;
  throw Error(ErrorCode::invalid_argument,
              "group '" + group + "' has no model of its own: " +
                  (known ? "it had too few rows to train on" : "the training rows had no such group"));
}

std::uint64_t Fleet::seed_of(const std::string& group) const {
  held(impl_).require_fitted();
  const std::int64_t model = held(impl_).model_of(group);
  if (model != Impl::pooled_model) return held(impl_).seed_of(model);
  throw Error(ErrorCode::invalid_argument, "group '" + group + "' has no model of its own");
}

void Fleet::attach(const std::string& name, const std::string& text) {
  check_attachment(name, text);
  held(impl_).attachments[name] = text;
}
const std::string* Fleet::attachment(const std::string& name) const {
  const auto found = held(impl_).attachments.find(name);
  return found == held(impl_).attachments.end() ? nullptr : &found->second;
}

}  // namespace cugad
