#include <CLI/CLI.hpp>
#include <limits>
#include <memory>

#include "cugad/table.hpp"
#include "host/cli/command.hpp"
#include "host/cli/flags.hpp"
#include "host/cli/output.hpp"

namespace cugad::cli {
namespace {

constexpr std::int64_t largest_rows = 1'000'000'000;

void synthesize(const FlagSet& flags) {
  const std::string& output = flags.required_text("output");
  flags.required_text("rows");
  const std::int64_t rows = flags.integer("rows", 0, 1, largest_rows);
  const auto seed = static_cast<std::uint64_t>(flags.integer("seed", 42, 0, std::numeric_limits<std::int64_t>::max()));
  const std::int64_t groups = flags.integer("groups", 1, 1, rows);
  check_writable(output);
  synthesize_telemetry(output, rows, seed, groups);
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
  flags->add_text("groups", "N", "Number of machines [1]");
  // `kind` has one value yet; it lives on because the parser writes to it.
  return [kind, flags] { synthesize(*flags); };
}

}  // namespace cugad::cli
