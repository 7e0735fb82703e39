#include <fmt/format.h>
#include <fmt/ranges.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <array>
#include <memory>

#include "cugad/error.hpp"
#include "host/cli/command.hpp"
#include "host/cli/output.hpp"
#include "host/cli/reproduce/choices.hpp"
#include "host/cli/reproduce/comparison.hpp"
#include "host/cli/reproduce/markdown_file.hpp"
#include "host/cli/signals.hpp"

namespace cugad::cli {
namespace {

constexpr const char* comparison_name = "comparison";

/// Writes the report to standard output, and to the Markdown file of --markdown.
template <class Report>
void write_report(const FlagSet& flags, const std::string& name, const Report& report) {
  if (flags.given("markdown")) write_markdown(flags.required_text("markdown"), name, as_markdown(report));
  print(flags.boolean("json") ? as_json(report) : as_text(report));
}

void compare(const FlagSet& flags, ProtocolState& state) {
  check_comparison_flags(flags);
  const std::vector<Contestant> methods = chosen_methods(flags);
  const std::vector<std::string> chosen = chosen_protocols(flags);
  const Device device = flags.open_device();
  Comparison comparison;
  for (const ComparedProtocol& one : compared_protocols()) {
    if (std::find(chosen.begin(), chosen.end(), one.key) == chosen.end()) continue;
    const Protocol& protocol = find_protocol(one.protocol);
    comparison.titles.push_back(one.title);
    comparison.reports.push_back(run_protocol(device, protocol, methods, comparison_choices(flags, protocol), state));
  }
  write_report(flags, comparison_name, comparison);
}

void run_one(const std::string& name, const FlagSet& flags, ProtocolState& state) {
  const Device device = flags.open_device();
  std::vector<Reproduction> reports;
  for (const Protocol* protocol : protocols_of(name)) {
    const std::vector<Contestant> settings = chosen_settings(flags, *protocol);
    reports.push_back(run_protocol(device, *protocol, settings, run_choices(flags, *protocol), state));
  }
  if (reports.size() == 1) return write_report(flags, name, reports.front());
  write_report(flags, name, ReproductionGroup{name, reports});
}

void reproduce(const std::string& name, const FlagSet& flags) {
  for (const char* file : {"markdown", "state"}) {
    if (flags.given(file)) check_writable(flags.required_text(file));
  }
  check_no_other_file("markdown", flags.text("markdown"), std::array{flags.text("state")});
  ProtocolState state(flags.text("state"));
  const CancelScope scope;
  try {
    name == comparison_name ? compare(flags, state) : run_one(name, flags, state);
  } catch (const Error& error) {
    if (error.code() != ErrorCode::cancelled || flags.text("state").empty()) throw;
    throw Error(ErrorCode::cancelled, fmt::format("{}; what was finished is in {}, and the same command goes on",
                                                  error.what(), flags.text("state")));
  }
}

}  // namespace

Run add_reproduce(CLI::App& app) {
  CLI::App* command = app.add_subcommand("reproduce", "Run a published protocol and print its figures beside ours");
  std::vector<std::string> names;
  for (const Protocol& protocol : protocols()) names.push_back(protocol.name);
  std::string groups;
  for (const std::string& group : protocol_groups()) {
    groups += fmt::format("; {}: {}-one-class-*", group, group);
    names.push_back(group);
  }
  names.emplace_back(comparison_name);
  const auto name = std::make_shared<std::string>();
  command
      ->add_option("protocol", *name,
                   fmt::format("Protocol: {} (every method on tables and digits){}", fmt::join(names, ", "), groups))
      ->type_name("PROTOCOL")
      ->required()
      ->check(CLI::IsMember(names));
  const auto flags = std::make_shared<FlagSet>(*command);
  add_reproduce_flags(*flags);
  return [name, flags] { reproduce(*name, *flags); };
}

}  // namespace cugad::cli
