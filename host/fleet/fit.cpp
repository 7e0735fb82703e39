#include <algorithm>
#include <map>
#include <utility>

#include "cugad/error.hpp"
#include "host/detector/held.hpp"
#include "host/fleet/group_fit.hpp"
#include "host/fleet/keys.hpp"
#include "host/floating_point.hpp"
#include "host/methods/methods.hpp"
#include "host/text/cell.hpp"

namespace cugad {
namespace {

/// The checks of both kinds of fit. Returns how many columns are numeric.
std::int64_t check_fleet_arguments(MatrixView<const float> rows, std::span<const std::string> groups, Columns& columns,
                                   const FleetOptions& fleet_options, const DetectorOptions& options) {
  const std::int64_t numeric_columns = check_fit_arguments(rows, columns);
  check_options(options);
  check_image_columns(options, columns);
  if (static_cast<std::int64_t>(groups.size()) != rows.rows) {
    throw Error(ErrorCode::invalid_argument, "fit was given " + std::to_string(groups.size()) + " groups for " +
                                                 std::to_string(rows.rows) + " rows, expected one of each row");
  }
  if (options.epochs > 0) {
    throw Error(ErrorCode::invalid_argument, "epochs is " + std::to_string(options.epochs) +
                                                 ": groups of different sizes are trained together, give steps");
  }
  if (fleet_options.minimum_rows < 1 || fleet_options.pooled_rows < 1) {
    throw Error(ErrorCode::invalid_argument, "minimum_rows and pooled_rows of a fleet must be at least 1");
  }
  return numeric_columns;
}

/// The rows with values, by group.
FleetRows grouped_rows(const RowsToFit& to_fit, std::span<const std::string> groups, Columns columns,
                       FitColumns fit_columns) {
  std::vector<std::string> groups_to_fit;
  for (const std::int64_t r : to_fit.positions) groups_to_fit.push_back(groups[static_cast<std::size_t>(r)]);
  if (!groups_to_fit.empty()) groups = groups_to_fit;
  return {.rows = to_fit.rows,
          .columns = std::move(columns),
          .fit_columns = std::move(fit_columns),
          .of_group = rows_of_groups(groups)};
}

/// Calls `fit`; says where the checkpoints are if it is stopped.
template <class Body>
void with_checkpoints(const FitControl& control, const Body& fit) {
  try {
    fit();
  } catch (const Error& error) {
    if (error.code() != ErrorCode::cancelled || control.checkpoint_directory.empty()) throw;
    throw Error(ErrorCode::cancelled,
                "training of the fleet was stopped; its checkpoints are in " + control.checkpoint_directory);
  }
}

}  // namespace

std::uint64_t Fleet::Impl::seed_of(std::string_view group, std::int64_t model) const {
  if (fleet_options.group_seed == GroupSeed::name) return seed_of_group(group, options.seed);
  return options.seed + static_cast<std::uint64_t>(model) * static_cast<std::uint64_t>(options.population);
}

void Fleet::Impl::fit(MatrixView<const float> rows, std::span<const std::string> of_rows, Columns columns,
                      const FitControl& control, const Shard& shard) {
  const std::int64_t numeric_columns = check_fleet_arguments(rows, of_rows, columns, fleet_options, options);
  if (!trains_networks(options)) options.population = 1;
  const RowsToFit to_fit = rows_to_fit(device, rows, control.on_message);
  FleetRows all =
      grouped_rows(to_fit, of_rows, columns, fit_columns(to_fit.rows, options, columns.names, numeric_columns));
  const std::vector<FleetGroup> chosen = choose_groups(all, fleet_options.minimum_rows, control);
  if (keeps_training_rows(options) && control.on_message) control.on_message(training_rows_note());
  GroupsToFit own;
  std::vector<FleetGroup> known;
  std::int64_t next = 0;
  for (const FleetGroup& group : chosen) {
    const std::int64_t number = group.own_model ? next++ : 0;
    if (!holds(shard, group.name)) continue;
    known.push_back(group);
    if (!group.own_model) continue;
    own.names.push_back(group.name);
    own.seeds.push_back(seed_of(group.name, number));
  }
  check_texts(columns.names, attachments, true);
  const bool has_pooled = shard.number == 1;
  Fit fit(*this, control, std::move(all), std::move(own), has_pooled);
  with_checkpoints(control, [&] {
    Fit::Fitted fitted = fit.run();
    scorers.clear();
    ready_pooled.reset();
    precision = device.precision();
    pooled = std::move(fitted.pooled);
    stack = std::move(fitted.groups);
    threshold_options.reset();
  });
  groups = GroupTable(known);
  scored = {};
  if (shard.count == 1) read_settings(path);
}

void Fleet::Impl::fit_new_groups(MatrixView<const float> rows, std::span<const std::string> of_rows, Columns columns,
                                 const FitControl& control) {
  require_fitted();
  const std::int64_t numeric_columns = check_fleet_arguments(rows, of_rows, columns, fleet_options, options);
  if (fleet_options.group_seed != GroupSeed::name) {
    throw Error(ErrorCode::invalid_argument,
                "the seeds of the fleet's groups are by their position, which a new group changes: fit all of them");
  }
  if (device.precision() != precision) {
    throw Error(ErrorCode::invalid_argument, std::string("the fleet was trained with precision = ") +
                                                 name_of(precision) + ", now it is " + name_of(device.precision()) +
                                                 "; use the same");
  }
  if (columns.names != names) {
    throw Error(ErrorCode::invalid_argument, "the rows have other columns than the fleet: expected '" +
                                                 one_line(names.front()) + "' and " + std::to_string(names.size() - 1) +
                                                 " more");
  }
  const RowsToFit to_fit = rows_to_fit(device, rows, control.on_message);
  FleetRows all = grouped_rows(
      to_fit, of_rows, columns,
      {.names = columns.names, .numeric = numeric_columns, .categories = settings_of(pooled_model).roles.categories});
  if (const auto none = all.of_group.find(""); none != all.of_group.end() && control.on_message) {
    control.on_message(std::to_string(none->second.size()) + " rows without a group are left out");
  }
  std::erase_if(all.of_group,
                [&](const auto& one) { return one.first.empty() || model_of(one.first) != pooled_model; });
  std::vector<FleetGroup> added = choose_groups(all, fleet_options.minimum_rows, control);
  GroupsToFit own;
  for (const FleetGroup& group : added) {
    if (!group.own_model) continue;
    own.names.push_back(group.name);
    own.seeds.push_back(seed_of(group.name, 0));
  }
  std::map<std::string, FleetGroup> merged;
  for (const FleetGroup& group : list_groups()) merged.emplace(group.name, group);
  for (FleetGroup& group : added) merged[group.name] = group;
  std::vector<FleetGroup> known;
  for (const auto& [name, group] : merged) known.push_back(group);
  check_texts(columns.names, attachments, true);
  Fit fit(*this, control, std::move(all), own, false);
  with_checkpoints(control, [&] {
    const std::unique_ptr<ModelStack> of_added = fit.run().groups;
    const auto models = std::count_if(known.begin(), known.end(), [](const FleetGroup& g) { return g.own_model; });
    auto together = std::make_unique<ModelStack>(models);
    std::int64_t next = 0, from_added = 0;
    for (const FleetGroup& group : known) {
      if (!group.own_model) continue;
      const std::int64_t before = model_of(group.name);
      before == pooled_model ? together->put(next, *of_added, from_added++, path)
                             : together->put(next, *stack, before, path_of(before));
      ++next;
    }
    scorers.clear();
    stack = std::move(together);
  });
  groups = GroupTable(known);
  read_settings(path);
}

void Fleet::fit(MatrixView<const float> rows, std::span<const std::string> groups, Columns columns,
                const FitControl& control) {
  const FloatingPointEnvironment environment;
  held(impl_).fit(rows, groups, std::move(columns), control, {});
}

void Fleet::fit_new_groups(MatrixView<const float> rows, std::span<const std::string> groups, Columns columns,
                           const FitControl& control) {
  const FloatingPointEnvironment environment;
  held(impl_).fit_new_groups(rows, groups, std::move(columns), control);
}

}  // namespace cugad
