#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <cstdio>
#include <new>
#include <sstream>

#include "cugad/error.hpp"
#include "host/cli/command.hpp"
#include "host/cli/flags.hpp"
#include "host/cli/output.hpp"
#include "host/cli/signals.hpp"
#include "host/cli/text.hpp"
#include "host/text/nearest_name.hpp"

namespace cugad::cli {
namespace {

constexpr int run_time_error_code = 1;
constexpr int usage_error_code = 2;

int report(int code, std::string_view message) {
  print_note(fmt::format("cugad: error: {}", one_line(message)));
  return code;
}

/// The arguments, with `--centre false` written as `--centre=false`: a flag takes its value only after a '='.
std::vector<std::string> joined_arguments(int count, char** values) {
  const std::vector<std::string> flags = boolean_option_flags();
  std::vector<std::string> arguments;
  for (int index = 1; index < count; ++index) {
    const std::string argument = values[index];
    const bool after_flag =
        !arguments.empty() && std::find(flags.begin(), flags.end(), arguments.back()) != flags.end();
    if (after_flag && (argument == "true" || argument == "false")) {
      arguments.back() += "=" + argument;
    } else {
      arguments.push_back(argument);
    }
  }
  return arguments;
}

/// The message about arguments that no flag takes: the first of them, and the closest flag.
std::string unexpected_argument(const CLI::App& app) {
  const auto chosen = app.get_subcommands();
  const CLI::App& command = chosen.empty() ? app : *chosen.front();
  std::vector<std::string> unexpected = command.remaining();
  if (unexpected.empty()) unexpected = app.remaining(true);
  const std::string argument = unexpected.empty() ? "" : unexpected.front();
  std::vector<std::string> known;
  const std::string dashes = argument.starts_with("--") ? "--" : "";  // no part of a name that was meant
  if (dashes.empty() && chosen.empty()) {
    for (const CLI::App* sub_command : app.get_subcommands({})) known.push_back(sub_command->get_name());
  }
  for (const CLI::Option* option : command.get_options()) {
    if (dashes.empty() || option->get_group().empty()) continue;
    for (const std::string& name : option->get_lnames()) known.push_back(name);
  }
  const std::string name = argument.substr(dashes.size(), argument.find('=') - dashes.size());
  const std::string nearest = nearest_name(name, known);
  return fmt::format("unexpected argument '{}'{}", argument,
                     nearest.empty() ? "" : fmt::format(", did you mean '{}{}'?", dashes, nearest));
}

/// The flag that has no value or too many.
std::string wrong_number_of_values(const CLI::App& app, const CLI::ArgumentMismatch& error) {
  const std::string text = error.what(), name = text.substr(0, text.find(':'));
  for (const CLI::App* command : app.get_subcommands()) {
    const CLI::Option* option = command->get_option_no_throw(name);
    if (option == nullptr) continue;
    if (option->count() > 1) return fmt::format("{} is given {} times, expected once", name, option->count());
    return fmt::format("{} needs a value: {} {}", name, name, option->get_type_name());
  }
  return text;
}

/// Runs the chosen sub-command; turns an exception into one line and an exit code.
int guarded(const Run& run) {
  try {
    run();
    flush_output();
    return 0;
  } catch (const UsageError& error) {
    return report(usage_error_code, error.what());
  } catch (const Error& error) {
    if (error.code() == ErrorCode::cancelled) {
      print_note(fmt::format("cugad: {}", one_line(error.what())));
      return interrupted_exit_code;
    }
    return report(run_time_error_code, error.what());
  } catch (const std::bad_alloc&) {
    return report(run_time_error_code, "out of memory");
  } catch (const std::length_error&) {
    return report(run_time_error_code, "out of memory");
  } catch (const std::exception& error) {
    return report(run_time_error_code, error.what());
  }
}

int run_command(int count, char** values) {
  CLI::App app("Anomaly detection with generative adversarial networks.", "cugad");
  app.set_version_flag("--version", "cugad " CUGAD_VERSION);
  app.require_subcommand(1);
  const std::vector<std::pair<std::string, Run>> runs = {
      {"train", add_train(app)},           {"score", add_score(app)},   {"evaluate", add_evaluate(app)},
      {"report", add_report(app)},         {"fill", add_fill(app)},     {"inpaint", add_inpaint(app)},
      {"translate", add_translate(app)},   {"sample", add_sample(app)}, {"reproduce", add_reproduce(app)},
      {"synthesize", add_synthesize(app)}, {"info", add_info(app)},     {"extract", add_extract(app)},
      {"export", add_export(app)},         {"merge", add_merge(app)}};
  std::vector<std::string> arguments = joined_arguments(count, values);
  std::reverse(arguments.begin(), arguments.end());  // the order that CLI11 takes them in
  try {
    app.parse(arguments);
  } catch (const CLI::Success& success) {  // --help or --version
    std::ostringstream text;
    app.exit(success, text, text);
    return guarded([&] { print(text.str()); });
  } catch (const CLI::ExtrasError&) {
    return report(usage_error_code, unexpected_argument(app));
  } catch (const CLI::RequiredError& error) {
    if (!app.get_subcommands().empty()) return report(usage_error_code, error.what());
    const bool unknown = !app.remaining().empty();
    return report(usage_error_code, unknown ? unexpected_argument(app) : "which command? See cugad --help");
  } catch (const CLI::ArgumentMismatch& error) {
    return report(usage_error_code, wrong_number_of_values(app, error));
  } catch (const CLI::ParseError& error) {
    return report(usage_error_code, error.what());
  }
  const std::string chosen = app.get_subcommands().front()->get_name();
  const auto found = std::find_if(runs.begin(), runs.end(), [&](const auto& run) { return run.first == chosen; });
  return guarded(found->second);
}

}  // namespace
}  // namespace cugad::cli

int main(int count, char** values) {
  cugad::cli::open_standard_descriptors();
  cugad::cli::install_signal_handlers();
  try {
    return cugad::cli::run_command(count, values);
  } catch (const std::bad_alloc&) {  // while reading the arguments, or for the message itself
    std::fputs("cugad: error: out of memory\n", stderr);
    return cugad::cli::run_time_error_code;
  }
}
