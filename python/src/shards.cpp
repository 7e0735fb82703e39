#include <nanobind/stl/map.h>
#include <nanobind/stl/optional.h>
#include <nanobind/stl/pair.h>
#include <nanobind/stl/string.h>
#include <nanobind/stl/vector.h>

#include "binding.hpp"

namespace cugad::python {
namespace {

using namespace nb::literals;
using Contents = std::pair<std::int64_t, std::int64_t>;

Contents contents_of(const PartContents& part) { return {part.groups, part.models}; }

}  // namespace

void bind_shards(nb::module_& module) {
  module.def(
      "fit_part",
      [](const Rows& rows, std::optional<std::vector<std::string>> groups, const std::string& shard,
         const std::string& path, const std::string& options, const std::string& device, int threads,
         const std::string& precision, std::vector<std::string> names, std::int64_t binary, std::int64_t minimum_rows,
         std::int64_t pooled_rows, const std::string& group_seed, std::map<std::string, std::string> attachments,
         nb::object on_progress, nb::object on_message, std::string checkpoint_directory, bool resume) {
        const ShardedTraining training{
            .options = options_from_json(options),
            .rows = view_of(rows),
            .columns = {std::move(names), binary},
            .groups = groups ? std::span<const std::string>(*groups) : std::span<const std::string>(),
            .fleet_options = {minimum_rows, pooled_rows, group_seed_from(group_seed)},
            .attachments = std::move(attachments)};
        const Shard one = shard_from(shard);
        const Device opened = Device::open(device, threads).with_precision(precision_from(precision));
        PartContents part;
        Calls calls;
        calls.fit({std::move(on_progress), std::move(on_message), std::move(checkpoint_directory), resume},
                  [&](const FitControl& control) { part = fit_part(opened, training, one, path, control); });
        return contents_of(part);
      },
      "rows"_a, "groups"_a.none(), "shard"_a, "path"_a, "options"_a, "device"_a = "auto", "threads"_a = 0,
      "precision"_a = "fp32", "names"_a = std::vector<std::string>(), "binary"_a = 0,
      "minimum_rows"_a = FleetOptions{}.minimum_rows, "pooled_rows"_a = FleetOptions{}.pooled_rows,
      "group_seed"_a = "name", "attachments"_a = std::map<std::string, std::string>(), "on_progress"_a = nb::none(),
      "on_message"_a = nb::none(), "checkpoint_directory"_a = "", "resume"_a = false,
      "Trains the models of a shard; returns the numbers of groups and of models in its part.");
  module.def(
      "merge_parts",
      [](const std::vector<std::string>& paths, const std::string& output, const std::string& device, int threads,
         nb::object on_message) {
        const Device opened = Device::open(device, threads);
        PartContents merged;
        Calls calls;
        calls.fit({nb::none(), std::move(on_message), "", false},
                  [&](const FitControl& control) { merged = merge_parts(opened, paths, output, control); });
        return contents_of(merged);
      },
      "paths"_a, "output"_a, "device"_a = "auto", "threads"_a = 0, "on_message"_a = nb::none(),
      "Writes the file of one process from all parts; returns the numbers of groups and of models.");
}

}  // namespace cugad::python
