#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <memory>

#include "cugad/error.hpp"
#include "host/cli/adbench.hpp"
#include "host/cli/command.hpp"
#include "host/cli/flags.hpp"
#include "host/cli/kdd99.hpp"
#include "host/cli/output.hpp"
#include "host/cli/progress.hpp"
#include "host/cli/reproduction.hpp"
#include "host/cli/text.hpp"

namespace cugad::cli {
namespace {

constexpr double flagged_percent = 20;  // the protocol's threshold: the 80th percentile of the test scores
constexpr std::int64_t default_test_rows = 50000;
constexpr std::int64_t seed_spacing = 1000;  // a population uses the seeds from its base on
constexpr std::int64_t rows_per_call = 2048;

std::vector<float> score_with_status(Detector& detector, const Matrix& rows, bool quiet, const std::string& title) {
  std::vector<float> scores(static_cast<std::size_t>(rows.rows));
  RowStatus status(quiet, title + "scored");
  for (std::int64_t first = 0; first < rows.rows; first += rows_per_call) {
    const std::int64_t count = std::min(rows_per_call, rows.rows - first);
    detector.score(MatrixView<const float>(rows.row(first), count, rows.columns), scores.data() + first);
    status.update(first + count, rows.rows);
  }
  return scores;
}

SeedResult run_seed(const Device& device, const DetectorOptions& options, const Kdd99& data, bool quiet,
                    const std::string& title) {
  SeedResult result;
  result.seed = options.seed;
  Detector detector = make_detector(device, options);
  FitStatus status(quiet, title);
  FitControl control;
  control.on_progress = [&](const FitProgress& progress) { status.update(progress); };
  control.on_message = [&](const std::string& text) { status.message(text); };
  const Stopwatch training;
  detector.fit(data.train.view(), control, data.feature_names, data.numeric_features);
  result.train_seconds = training.seconds();
  status.clear();
  const Stopwatch scoring;
  const std::vector<float> scores = score_with_status(detector, data.test, quiet, title);
  result.score_seconds = scoring.seconds();
  result.quality = measure(data.label, scores, flagged_percent);
  return result;
}

std::vector<std::string> chosen_settings(const FlagSet& flags) {
  const std::string setting = flags.given("setting") ? flags.text("setting") : "both";
  if (setting == "both") return {"faithful", "recommended"};
  if (setting == "faithful" || setting == "recommended") return {setting};
  throw UsageError(fmt::format("--setting must be faithful, recommended or both, not '{}'", setting));
}

std::int64_t chosen_rows(const FlagSet& flags) {
  if (flags.text("rows") == "all") return 0;
  return flags.integer("rows", default_test_rows, 100, 1'000'000'000);
}

void reproduce_adbench(const FlagSet& flags) {
  if (flags.given("setting")) throw UsageError("--setting belongs to the kdd99 protocols; adbench runs the default");
  const DetectorOptions options = flags.detector_options("");
  AdbenchRun run;
  run.seeds = flags.integer("seeds", 3, 1, 1000);
  run.first_seed = flags.given("seed") ? options.seed : 0;
  run.most_rows = flags.text("rows") == "all" ? 0 : flags.integer("rows", run.most_rows, 100, 1'000'000'000);
  run.quiet = flags.boolean("quiet");
  const std::vector<TableResult> results = run_adbench(flags.open_device(), options, flags.required_text("data"), run);
  print(flags.boolean("json") ? adbench_json(results, run) : adbench_table(results, run));
}

void reproduce(const std::string& protocol, const FlagSet& flags) {
  if (protocol == "adbench") return reproduce_adbench(flags);
  const std::int64_t rows = chosen_rows(flags);
  const std::int64_t seeds = flags.integer("seeds", 1, 1, 1000);
  const bool quiet = flags.boolean("quiet");
  std::vector<SettingResult> settings;
  for (const std::string& name : chosen_settings(flags)) {
    settings.push_back({name, flags.detector_options(protocol + "-" + name), {}});
  }
  const Device device = flags.open_device();
  const Kdd99 data = load_kdd99(flags.required_text("data"), rows);

  Reproduction report;
  report.protocol = protocol;
  report.train_rows = data.train.rows;
  report.test_rows = data.test.rows;
  report.all_test_rows = data.all_test_rows;
  report.anomalies = std::count(data.label.begin(), data.label.end(), 1);
  report.features = data.test.columns;
  report.device = device.name();
  report.published = kdd99_published();
  for (const Baseline& baseline : kdd99_baselines(data, device.threads())) {
    report.baselines.push_back({baseline.name, measure(data.label, baseline.score, flagged_percent)});
  }
  for (SettingResult& setting : settings) {
    const std::uint64_t base = flags.given("seed") ? setting.options.seed : 0;
    for (std::int64_t seed = 0; seed < seeds; ++seed) {
      setting.options.seed = base + static_cast<std::uint64_t>(seed * seed_spacing);
      const std::string title = fmt::format("{} {}/{} ", setting.name, seed + 1, seeds);
      setting.seeds.push_back(run_seed(device, setting.options, data, quiet, title));
    }
    setting.options.seed = base;
    report.settings.push_back(std::move(setting));
  }
  print(flags.boolean("json") ? as_json(report) : as_table(report));
}

}  // namespace

Run add_reproduce(CLI::App& app) {
  CLI::App* command = app.add_subcommand("reproduce", "Run a published protocol and print its figures beside ours");
  const auto protocol = std::make_shared<std::string>();
  command->add_option("protocol", *protocol, "Protocol: kdd99-anogan, adbench")
      ->type_name("PROTOCOL")
      ->required()
      ->check(CLI::IsMember({"kdd99-anogan", "adbench"}));
  const auto flags = std::make_shared<FlagSet>(*command);
  flags->add_text("data", "DIR", "Folder of the data sets: kdd99/kddcup.data_10_percent.gz, adbench/*.npz");
  flags->add_text("seeds", "N", "Number of seeds [kdd99: 1, adbench: 3]");
  flags->add_text("rows", "N|all",
                  fmt::format("A fixed random sample of so many rows [kdd99: {} for testing, adbench: 20000 per set]",
                              default_test_rows));
  flags->add_text("setting", "faithful|recommended|both", "Reference's settings, ours, or both [both]");
  flags->add_boolean("json", "Print one JSON object");
  flags->add_device();
  flags->add_boolean("quiet", "No progress");
  flags->add_detector_options();
  return [protocol, flags] { reproduce(*protocol, *flags); };
}

}  // namespace cugad::cli
