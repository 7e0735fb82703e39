#include <fmt/format.h>
#include <sys/resource.h>

#include <algorithm>
#include <array>
#include <filesystem>
#include <functional>
#include <limits>
#include <memory>

#include "cugad/error.hpp"
#include "host/cli/column_notes.hpp"
#include "host/cli/command.hpp"
#include "host/cli/fitted_model.hpp"
#include "host/cli/flags.hpp"
#include "host/cli/output.hpp"
#include "host/cli/progress.hpp"
#include "host/cli/signals.hpp"
#include "host/cli/table_flags.hpp"
#include "host/cli/text.hpp"
#include "host/cli/training_log.hpp"
#include "host/cli/training_table.hpp"
#include "host/table/group_column.hpp"

namespace cugad::cli {
namespace {

void declare_flags(FlagSet& flags) {
  flags.add_text("output", "FILE", "Model file to write (safetensors)");
  flags.add_text("config", "FILE", "TOML file of flat keys named like these flags; flags given here win");
  flags.add_text("preset", "NAME", fmt::format("Start from named settings: {}", fmt::join(presets(), ", ")));
  flags.add_text("label_column", "C", "Column that tells normal rows, by name or position; never a feature");
  flags.add_text("normal", "VALUE,...", "Labels of the rows to train on");
  flags.add_text("categorical", "C,...", "Numeric columns to take as categories, besides the text columns");
  flags.add_text("exclude", "C,...", "Columns that are no features");
  flags.add_text("include", "C,...", "Columns that are features, though they look like ids, row numbers or dates");
  flags.add_text("max_categories", "N", "Most distinct values of a column of categories [1000]");
  add_table_flags(flags);
  flags.add_text("group_by", "C", "One model per value of this column, which is no feature: a fleet");
  flags.add_text("fleet_minimum_rows", "N", "With --group-by: groups with fewer rows share the pooled model [50]");
  flags.add_device();
  flags.add_text("checkpoint", "DIR", "Keep checkpoints there");
  flags.add_boolean("resume", "Continue from the last checkpoint");
  flags.add_text("log", "FILE", "Write telemetry there as JSON lines");
  flags.add_boolean("quiet", "No progress");
  flags.add_detector_options();
}

/// Where checkpoints go. Without --checkpoint there is one only when the training is stopped.
struct CheckpointFolder {
  std::string path;
  bool only_when_stopped = false;
};

CheckpointFolder checkpoint_folder(const FlagSet& flags, const std::string& output) {
  if (flags.given("checkpoint")) return {flags.required_text("checkpoint"), false};
  return {output + ".checkpoint", true};
}

void make_folder(const std::string& path) {
  std::error_code error;
  std::filesystem::create_directories(path, error);
  if (error) throw Error(ErrorCode::input_output, fmt::format("{}: {}", path, error.message()));
}

/// Fits until it is done or cancelled; returns the number of steps taken.
std::int64_t fit(const FlagSet& flags, const std::string& output, const std::function<void(const FitControl&)>& run) {
  const CheckpointFolder folder = checkpoint_folder(flags, output);
  if (folder.only_when_stopped && flags.boolean("resume") && !std::filesystem::exists(folder.path)) {
    throw UsageError(
        fmt::format("--resume: there is no checkpoint in {}; name its folder with --checkpoint", folder.path));
  }
  if (!folder.only_when_stopped) make_folder(folder.path);  // now rather than after the first 100 steps
  if (flags.boolean("resume") && std::filesystem::is_empty(folder.path)) {
    print_note(fmt::format("cugad: note: there is no checkpoint in {}: the training begins anew", folder.path));
  }
  std::unique_ptr<TrainingLog> log;
  if (flags.given("log")) log = std::make_unique<TrainingLog>(flags.required_text("log"), flags.boolean("resume"));
  FitStatus status(flags.boolean("quiet"));
  FitProgress last;
  FitControl control;
  control.on_progress = [&](const FitProgress& progress) {
    last = progress;
    status.update(progress);
    if (log) log->write(progress);
  };
  control.on_message = [&](const std::string& text) { status.message(text); };
  control.cancel = &cancel_flag();
  control.checkpoint_directory = folder.path;
  if (folder.only_when_stopped) control.checkpoint_every = std::numeric_limits<std::int64_t>::max() / 2;
  control.resume = flags.boolean("resume");
  try {
    run(control);
  } catch (const Error& error) {
    status.clear();
    if (error.code() != ErrorCode::cancelled) throw;
    throw Error(ErrorCode::cancelled, fmt::format("{}; the same command with --resume continues it", error.what()));
  }
  status.clear();
  return last.step;
}

/// Options that were given in vain.
void warn_of_idle_options(const FlagSet& flags, const DetectorOptions& options) {
  for (std::string name : options_without_effect(options)) {
    if (!flags.given(name)) continue;
    std::replace(name.begin(), name.end(), '_', '-');
    print_note(fmt::format("cugad: warning: --{} has no effect with method {} and the other settings", name,
                           get_option(options, "method")));
  }
}

/// The most memory that the process had, and of a GPU also what lies there.
std::string memory_text(const Device& device) {
  const auto mebibytes = [](std::size_t bytes) { return (bytes + (1u << 20) - 1) >> 20; };
  rusage usage = {};
  getrusage(RUSAGE_SELF, &usage);
  const std::string text =
      fmt::format("{} MiB of memory at most", mebibytes(static_cast<std::size_t>(usage.ru_maxrss) << 10));
  if (device.name() == "cpu") return text;
  return fmt::format("{}, {} MiB of the device's", text, mebibytes(device.memory().peak_bytes));
}

using Summary = std::vector<std::vector<std::string>>;

void train(const std::string& input, FlagSet& flags) {
  if (flags.given("config")) flags.apply_config(flags.required_text("config"));
  const Stopwatch watch;
  const std::string& output = flags.required_text("output");
  const DetectorOptions options = flags.detector_options(flags.text("preset"));
  const Device device = flags.open_device();
  Detector detector = make_detector(device, options);
  const FleetOptions fleet_options{.minimum_rows = flags.integer("fleet_minimum_rows", 50, 1, INT32_MAX)};
  if (flags.given("fleet_minimum_rows") && !flags.given("group_by")) {
    throw UsageError("--fleet-minimum-rows needs --group-by");
  }
  if (flags.given("group_by") && options.epochs > 0) {
    throw UsageError("--group-by: groups of different sizes are trained together, give --steps, not --epochs");
  }
  warn_of_idle_options(flags, options);
  check_writable(output);
  check_no_other_file("output", output, std::array{input, flags.text("config")});
  check_no_other_file("log", flags.text("log"), std::array{input, flags.text("config"), output});

  TrainingTable training = read_training_table(input, flags, options);
  if (!training.group_column.empty()) training.groups = row_groups(training.rows, training.group_column);
  TableEncoder encoder;
  encoder.fit(training.rows, training.encoding);
  const Matrix rows = encoder.encode(training.rows);
  training.rows = {};
  // The library names them, too, where it trains one model and somebody listens.
  if (flags.boolean("quiet") || flags.given("group_by")) note_constant_features(rows, encoder.feature_names());
  const CancelScope scope;
  Summary summary = {{"rows", fmt::format("{} of {}", grouped(rows.rows), grouped(training.rows_in_file))},
                     {"features", fmt::format("{} ({} numeric)", rows.columns, encoder.numeric_features())}};
  if (training.group_column.empty()) {
    const std::int64_t steps = fit(flags, output, [&](const FitControl& control) {
      detector.fit(rows.view(), control, encoder.feature_names(), encoder.numeric_features());
    });
    attach_table(detector, encoder, training.labels, training.format);
    detector.save(output);
    summary.insert(summary.end(), {{"models", fmt::format("{}", detector.options().population)},
                                   {"steps", grouped(steps)},
                                   {"threshold", fmt::format("{}", detector.threshold())}});
  } else {
    Fleet fleet(device, options, fleet_options);
    const std::int64_t steps = fit(flags, output, [&](const FitControl& control) {
      fleet.fit(rows.view(), training.groups, control, encoder.feature_names(), encoder.numeric_features());
    });
    attach_table(fleet, encoder, training.labels, training.format, training.group_column);
    fleet.save(output);
    summary.insert(summary.end(),
                   {{"groups", describe_groups(fleet)},
                    {"models", fmt::format("{} per group, and as many pooled ones", fleet.options().population)},
                    {"steps", fmt::format("{} of all models", grouped(steps))}});
  }
  const CheckpointFolder folder = checkpoint_folder(flags, output);
  std::error_code ignored;
  if (folder.only_when_stopped) std::filesystem::remove_all(folder.path, ignored);  // ours alone, and done with
  summary.insert(summary.end(), {{"seconds", fmt::format("{:.1f}", watch.seconds())},
                                 {"device", fmt::format("{}, {}", device.name(), memory_text(device))},
                                 {"model", output}});
  print(named_values(summary));
}

}  // namespace

Run add_train(CLI::App& app) {
  CLI::App* command = app.add_subcommand("train", "Train a detector on the normal rows of a table");
  const auto input = std::make_shared<std::string>();
  command->add_option("input", *input, "Table: .csv(.gz), .npy, .npz, .idx or -ubyte; - is csv on standard input")
      ->type_name("INPUT")
      ->required();
  const auto flags = std::make_shared<FlagSet>(*command);
  declare_flags(*flags);
  return [input, flags] { train(*input, *flags); };
}

}  // namespace cugad::cli
