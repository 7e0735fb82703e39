#include "host/cli/continue_fleet.hpp"

#include <fmt/format.h>

#include <array>

#include "cugad/error.hpp"
#include "host/cli/command.hpp"
#include "host/cli/fitted_model.hpp"
#include "host/cli/image_folder.hpp"
#include "host/cli/output.hpp"
#include "host/cli/progress.hpp"
#include "host/cli/signals.hpp"
#include "host/cli/text.hpp"
#include "host/cli/training_table.hpp"
#include "host/cli/watched_fit.hpp"
#include "host/table/group_column.hpp"

namespace cugad::cli {
namespace {

/// The new groups are trained as the others were: a flag may repeat that, not change it.
void check_flags(const FlagSet& flags, const Fleet& fleet, const std::string& path) {
  for (const char* name :
       {"shard", "out_of_core", "preset", "patch_stride", "categorical", "exclude", "include", "max_categories"}) {
    if (!flags.given(name)) continue;
    throw UsageError(fmt::format("--{} does not go with --continue: the new groups are trained as those of {} were",
                                 with_dashes(name), one_line(path)));
  }
  const FleetOptions& kept = fleet.fleet_options();
  const std::string& seed = flags.text("group_seed");
  if (!seed.empty() && (seed == "name") != (kept.group_seed == GroupSeed::name)) {
    throw UsageError(fmt::format("--group-seed {}: {} was trained with the other", seed, path));
  }
  const std::int64_t minimum = flags.integer("fleet_minimum_rows", kept.minimum_rows, 1, INT32_MAX);
  if (minimum != kept.minimum_rows) {
    throw UsageError(fmt::format("--fleet-minimum-rows {}: {} was trained with {}", minimum, path, kept.minimum_rows));
  }
  for (const OptionInfo& option : option_list()) {
    if (!flags.given(option.name)) continue;
    DetectorOptions given = fleet.options();
    set_option(given, option.name, flags.text(option.name));
    const std::string here = get_option(given, option.name), there = get_option(fleet.options(), option.name);
    if (here == there) continue;
    throw UsageError(fmt::format("--{} {}: the groups of {} were trained with {}, and new ones are, too",
                                 with_dashes(option.name), one_line(here), path, one_line(there)));
  }
}

}  // namespace

void continue_fleet(const std::string& input, const FlagSet& flags) {
  const Stopwatch watch;
  const std::string &output = flags.required_text("output"), &path = flags.required_text("continue");
  if (is_image_folder(input)) throw UsageError("--continue is for tables, not for folders of images");
  FittedModel model = load_model_or_fleet(flags.open_device(), path);
  if (!model.fleet) throw Error(ErrorCode::invalid_argument, fmt::format("{}: it holds one model, not a fleet", path));
  if (!model.encoder) {
    throw Error(ErrorCode::unsupported, fmt::format("{}: it does not say how tables are read: a program has to go on "
                                                    "with it",
                                                    path));
  }
  Fleet& fleet = *model.fleet;
  check_flags(flags, fleet, path);
  check_writable(output);
  check_no_other_file("output", output, std::array{input, flags.text("config")});
  WatchedFit fit(flags, output);

  TrainingTable training = read_training_table(input, flags, fleet.options());
  if (training.group_column != model.group_column) {
    throw UsageError(fmt::format("--group-by {}: the groups of {} are those of column '{}'",
                                 one_line(training.group_column), path, one_line(model.group_column)));
  }
  if (labels_to_json(training.labels) != labels_to_json(model.labels)) {
    throw UsageError(
        fmt::format("--label-column and --normal choose other rows than those that {} was trained on", path));
  }
  const std::vector<std::string> groups = row_groups(training.rows, training.group_column);
  const Matrix rows = model.encode(training.rows);
  const Columns columns{.names = model.encoder->feature_names(),
                        .binary = rows.columns - model.encoder->numeric_features()};
  training.rows = {};
  const CancelScope scope;
  std::int64_t before = 0, after = 0;
  for (const FleetGroup& group : fleet.groups()) before += group.own_model;
  const std::int64_t steps =
      fit.run([&](const FitControl& control) { fleet.fit_new_groups(rows.view(), groups, columns, control); },
              [&] { fleet.save(output); });
  for (const FleetGroup& group : fleet.groups()) after += group.own_model;
  warn_of_unseen_values(model);
  print(named_values({{"rows", fmt::format("{} of {}", grouped(rows.rows), grouped(training.rows_in_file))},
                      {"groups", describe_groups(fleet)},
                      {"new", fmt::format("{} groups with models of their own", grouped(after - before))},
                      {"steps", fmt::format("{} of all new models", grouped(steps))},
                      {"seconds", fmt::format("{:.1f}", watch.seconds())},
                      {"model", output}}));
}

}  // namespace cugad::cli
