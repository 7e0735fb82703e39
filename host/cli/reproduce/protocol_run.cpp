#include "host/cli/reproduce/protocol_run.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <functional>

#include "cugad/error.hpp"
#include "host/cli/flags.hpp"
#include "host/cli/progress.hpp"
#include "host/cli/reproduce/baseline_inputs.hpp"
#include "host/cli/reproduce/neighbour_baselines.hpp"
#include "host/cli/signals.hpp"

namespace cugad::cli {
namespace {

constexpr std::int64_t seed_spacing = 1000;
constexpr std::int64_t rows_per_call = 2048;

struct Scored {
  std::vector<float> scores, residuals;  ///< of the test rows, and of their cells if pixels are measured
};

Scored score_with_status(Detector& detector, const Trial& trial, bool quiet, const std::string& title) {
  const Matrix& rows = trial.test;
  Scored scored;
  RowStatus status(quiet, title + "scored");
  for (std::int64_t first = 0; first < rows.rows; first += rows_per_call) {
    stop_if_cancelled();
    const std::int64_t count = std::min(rows_per_call, rows.rows - first);
    const MatrixView<const float> part = {rows.row(first), count, rows.columns};
    std::vector<float> residuals;
    const std::vector<float> scores =
        trial.region.empty() ? detector.score(part) : detector.score_cells(part, residuals);
    scored.scores.insert(scored.scores.end(), scores.begin(), scores.end());
    scored.residuals.insert(scored.residuals.end(), residuals.begin(), residuals.end());
    status.update(first + count, rows.rows);
  }
  return scored;
}

/// Fills in what `result` measures but its quality.
Scored run_setting(Measurement& result, const Device& device, DetectorOptions options, const Trial& trial, bool quiet,
                   const std::string& title) {
  options.seed = result.seed;
  Detector detector = make_detector(device, options);
  FitStatus status(quiet, title);
  FitControl control;
  control.on_progress = [&](const FitProgress& progress) { status.update(progress); };
  control.on_message = [&](const std::string& text) { status.message(text); };
  control.cancel = &cancel_flag();
  const Stopwatch training;
  detector.fit(trial.train.view(), {.names = trial.feature_names, .binary = trial.binary_features}, control);
  result.train_seconds = training.seconds();
  status.clear();
  const Stopwatch scoring;
  Scored scored = score_with_status(detector, trial, quiet, title);
  result.score_seconds = scoring.seconds();
  return scored;
}

/// Whether scores are in the units of d1 + dm, so that they may be added to it.
bool can_be_added(const Contestant& setting) { return setting.options.standardise && setting.options.compress; }

CaseSize size_of(const Trial& trial) {
  return {trial.train.rows, trial.test.rows, trial.all_test_rows,
          std::count(trial.label.begin(), trial.label.end(), std::uint8_t{1}), trial.test.columns};
}

/// One run of a protocol: iterates over the cases and keeps the rows of the current split.
class ProtocolRun {
 public:
  ProtocolRun(const Device& device, const RunChoices& choices, ProtocolState& state, Reproduction& report)
      : device_(device), choices_(choices), state_(state), report_(report) {}

  void run(std::vector<Case> cases) {
    const auto settings = static_cast<std::int64_t>(report_.settings.size());
    total_ = static_cast<std::int64_t>(cases.size()) * choices_.seeds * settings;
    for (Case& one : cases) {
      try {
        for (std::int64_t seed = 0; seed < choices_.seeds; ++seed) run_seed(one, seed);
      } catch (const Error& error) {
        if (error.code() == ErrorCode::cancelled) throw;
        throw Error(error.code(), fmt::format("{}: {}", one.name, error.what()));
      }
      const std::optional<CaseSize> kept = state_.size(one.name);
      report_.cases.push_back({one.name, one.published_split, loaded_ ? size_of(*loaded_) : kept.value_or(CaseSize{})});
      unload();
      one.load = nullptr;  // and with it the data that it kept
    }
  }

 private:
  void run_seed(const Case& one, std::int64_t seed) {
    const auto split = static_cast<std::uint32_t>(one.splits_by_seed ? choices_.first_seed + seed : 0);
    if (one.splits_by_seed) unload();
    if (seed == 0 || one.splits_by_seed) {
      for (Contestant& baseline : report_.baselines) run_baseline(baseline, one, split);
    }
    for (std::size_t index = 0; index < report_.settings.size(); ++index) {
      Contestant* sum = report_.sums.empty() ? nullptr : &report_.sums[index];
      run_setting_once(report_.settings[index], sum, one, seed, split);
    }
  }

  void run_setting_once(Contestant& setting, Contestant* sum, const Case& one, std::int64_t seed, std::uint32_t split) {
    Measurement result = {.case_name = one.name,
                          .seed = choices_.first_seed + static_cast<std::uint64_t>(seed * seed_spacing),
                          .split = split};
    Measurement with_distances = result;
    ++count_;
    const bool is_known = state_.find(setting, result);
    const bool is_sum_known = sum == nullptr || state_.find(*sum, with_distances);
    if (!is_known || !is_sum_known) {
      const std::string title =
          fmt::format("{}/{} {}, {}, seed {}: ", count_, total_, one.name, setting.name, result.seed);
      Measurement measured = result;
      const Trial& rows = trial(one, split);
      Scored scored = run_setting(measured, device_, setting.options, rows, choices_.quiet, title);
      if (!is_known) keep(setting, result, measured, scored);
      if (!is_sum_known) {
        const BaselineInputs::Scored distances = inputs_->score(summed_distances_baseline());
        measured.score_seconds += distances.seconds;
        std::transform(scored.scores.begin(), scored.scores.end(), distances.scores.begin(), scored.scores.begin(),
                       std::plus<>());
        keep(*sum, with_distances, measured, scored);
      }
    }
    setting.results.push_back(result);
    if (sum != nullptr) sum->results.push_back(with_distances);
  }

  void keep(const Contestant& contestant, Measurement& result, const Measurement& measured, const Scored& scored) {
    result = measured;
    result.quality = measure(loaded_->label, scored.scores, report_.protocol->flagged_percent);
    if (!scored.residuals.empty()) measure_pixels(result.quality, *loaded_, scored.residuals);
    state_.add(contestant, result, size_of(*loaded_));
  }

  void run_baseline(Contestant& baseline, const Case& one, std::uint32_t split) {
    Measurement result = {.case_name = one.name, .seed = 0, .split = split};
    if (!state_.find(baseline, result)) {
      stop_if_cancelled();
      const auto& all = report_.protocol->baselines;
      const auto found = std::find_if(all.begin(), all.end(), [&](const auto& b) { return b.key == baseline.key; });
      trial(one, split);
      BaselineInputs::Scored scored = inputs_->score(*found);
      Measurement measured = result;
      measured.score_seconds = scored.seconds;
      const bool maps = !loaded_->region.empty() && found->residuals;
      keep(baseline, result, measured,
           {std::move(scored.scores), maps ? found->residuals(*inputs_) : std::vector<float>()});
    }
    baseline.results.push_back(result);
  }

  const Trial& trial(const Case& one, std::uint32_t split) {
    if (!loaded_) {
      loaded_ = one.load(split);
      inputs_.emplace(*loaded_, device_.threads());
    }
    return *loaded_;
  }

  void unload() {
    inputs_.reset();
    loaded_.reset();
  }

  const Device& device_;
  const RunChoices& choices_;
  ProtocolState& state_;
  Reproduction& report_;
  std::optional<Trial> loaded_;
  std::optional<BaselineInputs> inputs_;  ///< of the loaded trial
  std::int64_t count_ = 0, total_ = 0;
};

/// All but the options that a result depends on.
nlohmann::ordered_json conditions_of(const Device& device, const Protocol& protocol, const RunChoices& choices) {
  nlohmann::ordered_json conditions = {{"version", CUGAD_VERSION},
                                       {"device", device.name().substr(0, device.name().find(':'))},
                                       {"precision", name_of(device.precision())}};
  if (protocol.has_rows) conditions["rows"] = choices.data.rows;
  if (protocol.has_splits) conditions["normals_only"] = choices.data.normals_only;
  return conditions;
}

}  // namespace

Reproduction run_protocol(const Device& device, const Protocol& protocol, const std::vector<Contestant>& settings,
                          const RunChoices& choices, ProtocolState& state) {
  Reproduction report;
  report.protocol = &protocol;
  report.device = device.name();
  report.settings = settings;
  for (const Baseline& baseline : protocol.baselines) {
    report.baselines.push_back(
        {.key = baseline.key, .name = baseline.name, .options = {}, .changes = {}, .results = {}});
  }
  if (protocol.adds_distances && std::all_of(settings.begin(), settings.end(), can_be_added)) {
    for (const Contestant& setting : settings) {
      report.sums.push_back({.key = fmt::format("{}_{}", setting.key, summed_distances_key),
                             .name = setting.name + " + d1 + dm",
                             .options = {},
                             .changes = {},
                             .results = {}});
    }
  }
  state.enter(protocol.name, conditions_of(device, protocol, choices));
  for (const Contestant& setting : settings) {
    make_detector(device, setting.options);  // contradictions show now, rather than after hours
    state.check_options(setting);
  }
  ProtocolRun(device, choices, state, report).run(protocol.cases(choices.data));
  return report;
}

}  // namespace cugad::cli
