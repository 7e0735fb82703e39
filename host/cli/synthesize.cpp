#include <CLI/CLI.hpp>
#include <algorithm>
#include <limits>
#include <memory>

#include "host/cli/command.hpp"
#include "host/cli/flags.hpp"
#include "host/cli/output.hpp"
#include "host/table/telemetry.hpp"

namespace cugad::cli {
namespace {

constexpr std::int64_t largest_rows = 1'000'000'000;
constexpr std::int64_t largest_groups = 1'000'000;  // each is kept in memory

void synthesize(const FlagSet& flags) {
  const std::string& output = flags.required_text("output");
  check_csv_name(output);
  if (flags.given("rows") && flags.given("rows_per_group")) {
    throw UsageError("--rows and --rows-per-group exclude each other");
  }
  const bool by_group = flags.given("rows_per_group");
  if (!by_group) flags.required_text("rows");
  const auto seed = static_cast<std::uint64_t>(flags.integer("seed", 42, 0, std::numeric_limits<std::int64_t>::max()));
  const std::int64_t most_groups = by_group ? largest_groups : flags.integer("rows", 0, 1, largest_rows);
  const std::int64_t groups = flags.integer("groups", 1, 1, std::min(most_groups, largest_groups));
  const std::int64_t rows = by_group ? groups * flags.integer("rows_per_group", 0, 1, largest_rows / groups)
                                     : flags.integer("rows", 0, 1, largest_rows);
  check_writable(output);
  // As synthesize_telemetry() does, but a signal stops it.
  write_result(output, [&](const Append& append) {
    write_telemetry(append, output.ends_with(".gz"), rows, seed, groups, flags.boolean("uneven"));
  });
}

}  // namespace

Run add_synthesize(CLI::App& app) {
  CLI::App* command = app.add_subcommand("synthesize", "Write a labelled table made by us, for demos and tests");
  const auto kind = std::make_shared<std::string>();
  command->add_option("kind", *kind, "What to make: telemetry (of machines)")
      ->type_name("KIND")
      ->required()
      ->check(CLI::IsMember({"telemetry"}));
  const auto flags = std::make_shared<FlagSet>(*command);
  flags->add_text("rows", "N", "Number of rows");
  flags->add_text("output", "FILE", "File to write: .csv or .csv.gz");
  flags->add_text("seed", "N", "Seed of the draw [42]");
  flags->add_text("groups", "N", "Number of machines [1]; more than one: a column group instead of machine");
  flags->add_text("rows_per_group", "N", "Number of rows of each group, in place of --rows");
  flags->add_boolean("uneven", "Groups of very different sizes, from 1 row on");
  // `kind` has one value yet; it lives on because the parser writes to it.
  return [kind, flags] { synthesize(*flags); };
}

}  // namespace cugad::cli
