#include <fmt/format.h>

#include <memory>
#include <string>
#include <vector>

#include "cugad/shards.hpp"
#include "host/cli/command.hpp"
#include "host/cli/flags.hpp"
#include "host/cli/output.hpp"
#include "host/cli/progress.hpp"
#include "host/cli/signals.hpp"
#include "host/cli/text.hpp"

namespace cugad::cli {
namespace {

void merge(const std::vector<std::string>& parts, const FlagSet& flags) {
  const Stopwatch watch;
  const std::string& output = flags.required_text("output");
  const Device device = flags.open_device();
  check_writable(output);
  check_no_other_file("output", output, parts);
  const CancelScope scope;  // a signal must not leave the temporary file behind
  FitControl control;
  control.on_message = [](const std::string& text) { print_note("cugad: note: " + text); };
  const PartContents merged = merge_parts(device, parts, output, control);
  std::vector<std::vector<std::string>> summary = {{"parts", grouped(static_cast<std::int64_t>(parts.size()))}};
  if (merged.groups > 0)
    summary.push_back({"groups", fmt::format("{} with models of their own", grouped(merged.groups))});
  summary.insert(
      summary.end(),
      {{"models", grouped(merged.models)}, {"seconds", fmt::format("{:.1f}", watch.seconds())}, {"model", output}});
  print(named_values(summary));
}

}  // namespace

Run add_merge(CLI::App& app) {
  CLI::App* command = app.add_subcommand("merge", "Make the model of the parts that train --shard wrote");
  const auto parts = std::make_shared<std::vector<std::string>>();
  command->add_option("parts", *parts, "The parts of all shards, in any order")->type_name("PART")->required();
  const auto flags = std::make_shared<FlagSet>(*command);
  flags->add_text("output", "FILE",
                  "Model file to write (safetensors): that of a training in one process, to the byte");
  flags->add_device();
  return [parts, flags] { merge(*parts, *flags); };
}

}  // namespace cugad::cli
