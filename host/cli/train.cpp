#include <fmt/format.h>
#include <sys/resource.h>

#include <algorithm>
#include <array>
#include <memory>
#include <optional>
#include <string_view>

#include "cugad/error.hpp"
#include "cugad/shards.hpp"
#include "host/cli/column_notes.hpp"
#include "host/cli/command.hpp"
#include "host/cli/continue_fleet.hpp"
#include "host/cli/distributed_fit.hpp"
#include "host/cli/fitted_model.hpp"
#include "host/cli/flags.hpp"
#include "host/cli/idle_options.hpp"
#include "host/cli/image_folder.hpp"
#include "host/cli/output.hpp"
#include "host/cli/progress.hpp"
#include "host/cli/row_file.hpp"
#include "host/cli/shard_flag.hpp"
#include "host/cli/signals.hpp"
#include "host/cli/table_flags.hpp"
#include "host/cli/text.hpp"
#include "host/cli/training_table.hpp"
#include "host/cli/watched_fit.hpp"
#include "host/detector/fitting.hpp"
#include "host/methods/methods.hpp"
#include "host/options/method_options.hpp"
#include "host/options/recipe.hpp"
#include "host/table/group_column.hpp"

namespace cugad::cli {
namespace {

void declare_flags(FlagSet& flags) {
  flags.add_text("output", "FILE", "Model file to write (safetensors)");
  flags.add_text("config", "FILE", "TOML file of flat keys named like these flags; flags given here win");
  flags.add_text("preset", "NAME", fmt::format("Start from named settings: {}", fmt::join(presets(), ", ")));
  flags.add_text("label_column", "C", "Column of labels, by name or position; never a feature");
  flags.add_text("normal", "VALUE,...", "Labels of the rows to train on");
  flags.add_text("categorical", "C,...", "Numeric columns to take as categories, besides the text columns");
  flags.add_text("exclude", "C,...", "Columns that are no features");
  flags.add_text("include", "C,...", "Columns that are features, though they look like ids, row numbers or dates");
  flags.add_text("max_categories", "N", "Most distinct values of a column of categories [1000]");
  add_table_flags(flags);
  add_image_flags(flags);
  flags.add_text("patch_stride", "N",
                 "Folders of images of any sizes: cut them into overlapping patches of --image, N pixels apart");
  flags.add_text("group_by", "C", "One model per value of this column, which is no feature: a fleet");
  flags.add_text("fleet_minimum_rows", "N", "With --group-by: groups with fewer rows share the pooled model [50]");
  flags.add_text("group_seed", "name|position",
                 "With --group-by: a group's seed is a hash of its name, or follows from its place as older versions "
                 "took it [name]");
  flags.add_text("continue", "MODEL", "With --group-by: train only groups that this fleet does not have, and add them");
  flags.add_text("shard", "I/N", "Train the I-th of N parts of the models, for cugad merge");
  flags.add_text("distributed", "mpi",
                 "Divide the models among the processes that mpirun starts (cugad-mpi), which share --checkpoint");
  flags.add_text("out_of_core", "FILE",
                 "Tables larger than memory: keep the training rows in FILE, which is made once, and map it");
  flags.add_device();
  flags.add_text("checkpoint", "DIR", "Keep checkpoints there");
  flags.add_boolean("resume", "Continue from the last checkpoint");
  flags.add_text("log", "FILE", "Write telemetry there as JSON lines");
  flags.add_boolean("quiet", "No progress");
  flags.add_detector_options();
}

/// The devices, and the peak memory of the process and of GPUs.
std::string memory_text(const Device& device) {
  const auto mebibytes = [](std::size_t bytes) { return (bytes + (1u << 20) - 1) >> 20; };
  rusage usage = {};
  getrusage(RUSAGE_SELF, &usage);
  const std::string text =
      fmt::format("{} MiB of memory at most", mebibytes(static_cast<std::size_t>(usage.ru_maxrss) << 10));
  if (device.name() == "cpu") return fmt::format("cpu, {}", text);
  std::string names = device.name(), used = fmt::format("{}", mebibytes(device.memory().peak_bytes));
  for (const Device& other : device.others()) {
    names += "+" + other.name();
    used += fmt::format("+{}", mebibytes(other.memory().peak_bytes));
  }
  return fmt::format("{}, {}, {} MiB of the device's", names, text, used);
}

using Summary = std::vector<std::vector<std::string>>;

void warn_of_bounded_generator(const DetectorOptions& options) {
  if (!options.generator_tanh || options.scale == Scale::minmax || options.scale == Scale::none ||
      options.scale == Scale::range) {
    return;
  }
  const std::vector<std::string> idle = options_without_effect(options);
  if (std::find(idle.begin(), idle.end(), "generator_tanh") != idle.end()) return;
  print_note(fmt::format(
      "cugad: warning: --generator-tanh generates values from -1 to 1 only, and --scale {} gives the columns values "
      "beyond; --scale minmax does not",
      get_option(options, "scale")));
}

/// "knn,gain (default: preset tables)".
std::string method_text(const ChosenOptions& chosen) {
  const std::string methods = get_option(chosen.options, "method");
  return chosen.recipe.empty() ? methods : fmt::format("{} (default: preset {})", methods, chosen.recipe);
}

struct Features {
  Encoders encoders;
  Matrix rows;
  Columns columns;
  std::optional<RowFile> file;  ///< holds the rows instead

  MatrixView<const float> view() const { return file ? file->rows() : rows.view(); }
};

/// The columns of conditions beside the pixels of a folder: one for each value.
void add_conditions(const TrainingTable& training, const std::vector<std::string>& conditions, Features& features) {
  TableEncoder::Options encoding;
  for (const Column& column : training.rows.columns) {
    const bool is_condition = std::find(conditions.begin(), conditions.end(), column.name) != conditions.end();
    if (!is_condition) encoding.excluded.push_back(column.name);
  }
  for (const std::string& name : conditions) {
    if (name == folder_column) continue;
    throw UsageError(
        fmt::format("--condition {}: a folder of images has the condition '{}', the names of its sub-folders",
                    one_line(name), folder_column));
  }
  const std::vector<std::string>& folders = training.rows.columns[training.rows.find(folder_column)].texts;
  if (std::any_of(folders.begin(), folders.end(), [](const std::string& folder) { return folder.empty(); })) {
    throw UsageError(fmt::format("--condition {}: an image lies in no sub-folder, whose name would be its condition",
                                 folder_column));
  }
  TableEncoder& encoder = features.encoders.conditions.emplace();
  encoder.fit(training.rows, encoding);
  const Matrix given = encoder.encode(training.rows);
  features.rows = beside_each_other(features.rows, given);
  features.columns.binary = given.columns;
  const std::vector<std::string>& names = encoder.feature_names();
  features.columns.names.insert(features.columns.names.end(), names.begin(), names.end());
}

/// The rows of a file, and what is known of their table.
Features features_in_file(const std::string& path, const std::string& input, const FlagSet& flags,
                          const DetectorOptions& options, TrainingTable& training) {
  Features features;
  const RowFile& file = features.file.emplace(RowFile::make(path, input, flags, options));
  const TableEncoder& encoder = features.encoders.table.emplace(file.encoder());
  features.columns = {.names = encoder.feature_names(), .binary = file.rows().columns - encoder.numeric_features()};
  training = file.table();
  return features;
}

/// The rows as the detector takes them; the table, which takes much memory, is given up.
Features take_features(TrainingTable& training, const std::optional<ImageShape>& images,
                       const DetectorOptions& options) {
  Features features;
  if (training.pixels) {
    features.rows = std::move(*training.pixels);
    features.columns.names = image_column_names(*training.format.image);
    if (!options.condition.empty()) add_conditions(training, options.condition, features);
  } else {
    TableEncoder& encoder = features.encoders.table.emplace();
    encoder.fit(training.rows, training.encoding);
    features.rows = encoder.encode(training.rows);
    features.columns = {.names = encoder.feature_names(), .binary = features.rows.columns - encoder.numeric_features()};
    if (images &&
        cells_of(*images) + (options.condition.empty() ? 0 : features.columns.binary) == features.rows.columns)
      training.format.image = images;
  }
  training.rows = {};
  return features;
}

/// Whether all networks of a detector with the named method can be trained on images; an unknown one is refused later.
bool takes_images(const std::string& method) {
  DetectorOptions options;
  try {
    set_option(options, "method", method);
  } catch (const Error&) {
    return false;
  }
  const std::vector<DetectorOptions> all = options_of_methods(options);
  return std::all_of(all.begin(), all.end(), [](const DetectorOptions& one) {
    return !definition_of(one.method).trains() || definition_of(one.method).takes_images;
  });
}

/// The options of the flags. Rows of images are a reason for an option unless a preset, or a method for rows of any
/// kind, was chosen.
ChosenOptions options_for(const FlagSet& flags, const std::optional<ImageShape>& images) {
  const std::string preset = flags.text("preset"), method = flags.text("method");
  const bool is_open = preset.empty() && (method.empty() || takes_images(method));
  if (!images || !(is_open || preset == "images")) return flags.chosen_options(preset);
  return flags.chosen_options(preset, "", image_shape_text(*images));
}

/// An image is as odd as its oddest patch, so the false alarms that are promised of images are shared by the patches of
/// the one that has most (Bonferroni): whatever they have in common, no more images are flagged.
template <class Model>
void promise_of_images(Model& model, const DetectorOptions& options, std::int64_t most_patches) {
  if (most_patches == 1) return;
  const auto share = 1.0f / static_cast<float>(most_patches);
  if (options.false_alarm_rate > 0.0f) {
    model.set_false_alarm_rate(options.false_alarm_rate * share);
  } else {
    model.set_contamination(options.contamination * share);
  }
}

FleetOptions fleet_options_of(const FlagSet& flags) {
  for (const char* name : {"fleet_minimum_rows", "group_seed", "continue"}) {
    if (flags.given(name) && !flags.given("group_by"))
      throw UsageError(fmt::format("--{} needs --group-by", with_dashes(name)));
  }
  FleetOptions options{.minimum_rows = flags.integer("fleet_minimum_rows", 50, 1, INT32_MAX)};
  const std::string& seed = flags.text("group_seed");
  if (seed == "position") {
    options.group_seed = GroupSeed::position;
  } else if (!seed.empty() && seed != "name") {
    throw UsageError(fmt::format("--group-seed must be name or position, not '{}'", one_line(seed)));
  }
  return options;
}

/// Writes the part of --shard; returns what there is to say of it.
Summary fit_shard(WatchedFit& fit, const Shard& shard, const Device& device, const std::string& output,
                  const ShardedTraining& training) {
  PartContents part;
  fit.run([&](const FitControl& control) { part = fit_part(device, training, shard, output, control); }, [] {});
  Summary summary = {{"shard", fmt::format("{} of {}", shard.number, shard.count)}};
  if (!training.groups.empty()) summary.push_back({"groups", fmt::format("{} of this shard", grouped(part.groups))});
  summary.push_back({"models", grouped(part.models)});
  return summary;
}

/// What there is to say of a file that was merged.
Summary summary_of(const DistributedFit& distributed) {
  Summary summary = {{"ranks", fmt::format("{}, and {} shards", distributed.ranks(), distributed.shards())}};
  const PartContents& merged = distributed.contents();
  if (merged.groups > 0)
    summary.push_back({"groups", fmt::format("{} with models of their own", grouped(merged.groups))});
  summary.push_back({"models", grouped(merged.models)});
  return summary;
}

/// `distributed`: null for one process.
void train_model(const std::string& input, const FlagSet& flags, DistributedFit* distributed) {
  const Stopwatch watch;
  const std::string& output = flags.required_text("output");
  const std::optional<ImageShape> images = training_images(input, flags);
  const ChosenOptions chosen = options_for(flags, images);
  const DetectorOptions& options = chosen.options;
  if (patch_stride(flags) > 0 && !(options.condition.empty() && options.target.empty())) {
    throw UsageError(
        "--patch-stride: images that are cut into patches take no --condition and no --method translation");
  }
  const Device device = distributed == nullptr ? flags.open_device() : distributed->open_device();
  Detector detector = make_detector(device, options);
  const FleetOptions fleet_options = fleet_options_of(flags);
  const Shard shard = shard_flag(flags);
  if (flags.given("shard") && patch_stride(flags) > 0) {
    throw UsageError("--shard: a training on patches (--patch-stride) is not divided");
  }
  if (flags.given("group_by") && options.epochs > 0) {
    throw UsageError("--group-by: groups of different sizes are trained together, give --steps, not --epochs");
  }
  warn_of_idle_options(flags, options);
  warn_of_bounded_generator(options);
  check_writable(output);
  check_no_other_file("output", output, std::array{input, flags.text("config")});
  check_no_other_file("log", flags.text("log"), std::array{input, flags.text("config"), output});
  std::optional<WatchedFit> fit;
  distributed == nullptr ? static_cast<void>(fit.emplace(flags, output)) : distributed->take_folder(output);

  TrainingTable training;
  Features features;
  if (flags.given("out_of_core")) {
    features = features_in_file(flags.required_text("out_of_core"), input, flags, options, training);
  } else {
    training = read_training_table(input, flags, options);
    if (!training.group_column.empty()) training.groups = row_groups(training.rows, training.group_column);
    features = take_features(training, images, options);
  }
  const MatrixView<const float> rows = features.view();
  const Columns& columns = features.columns;
  // The library reports them, too, if it trains one model with on_message set.
  if (flags.boolean("quiet") || flags.given("group_by") || distributed) note_constant_features(rows, columns.names);
  const CancelScope scope;
  Summary summary = {{"rows", fmt::format("{} of {}", grouped(rows.rows), grouped(training.rows_in_file))},
                     {"method", method_text(chosen)},
                     {"features", fmt::format("{} ({} numeric)", rows.columns, rows.columns - columns.binary)}};
  if (training.most_patches > 1)
    summary.push_back(
        {"patches", fmt::format("up to {} of an image, which share its false alarms", grouped(training.most_patches))});
  if (options.image && (options.flip || options.shift > 0)) {
    summary.push_back(
        {"augmented", fmt::format("{}{}{}", options.flip ? "half of the images mirrored" : "",
                                  options.flip && options.shift > 0 ? ", " : "",
                                  options.shift > 0 ? fmt::format("moved by up to {}", options.shift) : "")});
  }
  const std::map<std::string, std::string> attachments = table_attachments(
      features.encoders, training.labels, training.format, training.group_column, patch_stride(flags));
  if (distributed != nullptr || flags.given("shard")) {
    const ShardedTraining sharded = {.options = options,
                                     .rows = rows,
                                     .columns = columns,
                                     .groups = training.groups,
                                     .fleet_options = fleet_options,
                                     .attachments = attachments};
    if (distributed != nullptr) distributed->run(device, sharded, output);
    const Summary of_shards =
        distributed != nullptr ? summary_of(*distributed) : fit_shard(*fit, shard, device, output, sharded);
    summary.insert(summary.end(), of_shards.begin(), of_shards.end());
  } else if (training.group_column.empty()) {
    for (const auto& [name, text] : attachments) detector.attach(name, text);
    const auto train = [&](FitControl control) {
      if (features.file) control.row_directory = features.file->directory();
      try {
        detector.fit(rows, columns, control);
      } catch (const Error& error) {
        if (!features.file || !std::string_view(error.what()).starts_with(fmt::format("\"{}\"", control.row_directory)))
          throw;
        throw Error(error.code(),
                    fmt::format("--out-of-core keeps files beside {}: {}", flags.text("out_of_core"), error.what()));
      }
    };
    const std::int64_t steps = fit->run(train, [&] {
      promise_of_images(detector, options, training.most_patches);
      detector.save(output);
    });
    if (flags.boolean("quiet")) print_notes(detector);
    summary.insert(summary.end(), {{"models", fmt::format("{}", detector.options().population)},
                                   {"steps", grouped(steps)},
                                   {"threshold", fmt::format("{}", detector.threshold())}});
  } else {
    Fleet fleet(device, options, fleet_options);
    for (const auto& [name, text] : attachments) fleet.attach(name, text);
    const std::int64_t steps =
        fit->run([&](const FitControl& control) { fleet.fit(rows, training.groups, columns, control); },
                 [&] {
                   promise_of_images(fleet, options, training.most_patches);
                   fleet.save(output);
                 });
    // The library reports what is common to all groups only, the rows that they keep among it.
    print_notes(fleet.pooled(), training_rows_note(fleet.pooled().reference_rows()));
    if (flags.boolean("quiet") && keeps_training_rows(fleet.options()))
      print_note("cugad: note: " + training_rows_note());
    summary.insert(summary.end(),
                   {{"groups", describe_groups(fleet)},
                    {"models", fmt::format("{} per group, and as many pooled ones", fleet.options().population)},
                    {"steps", fmt::format("{} of all models", grouped(steps))}});
  }
  summary.insert(summary.end(), {{"seconds", fmt::format("{:.1f}", watch.seconds())},
                                 {"device", memory_text(device)},
                                 {flags.given("shard") ? "part" : "model", output}});
  print(named_values(summary));
}

void train(const std::string& input, FlagSet& flags) {
  if (flags.given("config")) flags.apply_config(flags.required_text("config"));
  if (flags.given("distributed")) {
    DistributedFit distributed(input, flags);
    distributed.call([&] { train_model(input, flags, &distributed); });
  } else if (flags.given("continue")) {
    fleet_options_of(flags);
    continue_fleet(input, flags);
  } else {
    if (!flags.given("shard")) note_undivided_ranks();
    train_model(input, flags, nullptr);
  }
}

}  // namespace

Run add_train(CLI::App& app) {
  CLI::App* command = app.add_subcommand("train", "Train a detector on the normal rows of a table, or on images");
  command->footer(describe_recipe() + "; the defaults in brackets are those of methods named by --method");
  const auto input = add_input(
      *command, "Table: .csv(.gz), .npy, .npz, .idx or -ubyte; - is csv on standard input; or a folder of images");
  const auto flags = std::make_shared<FlagSet>(*command);
  declare_flags(*flags);
  return [input, flags] { train(*input, *flags); };
}

}  // namespace cugad::cli
