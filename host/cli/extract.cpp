#include <fmt/format.h>

#include <array>
#include <memory>

#include "cugad/error.hpp"
#include "cugad/fleet.hpp"
#include "host/cli/command.hpp"
#include "host/cli/fitted_model.hpp"
#include "host/cli/flags.hpp"
#include "host/cli/output.hpp"
#include "host/cli/signals.hpp"

namespace cugad::cli {
namespace {

void extract(const FlagSet& flags) {
  const std::string& path = flags.required_text("model");
  const std::string& output = flags.required_text("output");
  if (flags.given("group") == flags.boolean("pooled")) throw UsageError("give either --group or --pooled");
  const Device device = flags.open_device();
  if (!Fleet::is_fleet(path)) {
    throw Error(ErrorCode::invalid_argument, fmt::format("{}: it holds one model, not a fleet", path));
  }
  const Fleet fleet = Fleet::load(device, path);
  const Detector detector = flags.boolean("pooled") ? fleet.pooled() : fleet.take_out(flags.text("group"));
  check_writable(output);
  check_no_other_file("output", output, std::array{path});
  const CancelScope scope;  // a signal must not leave the temporary file behind
  detector.save(output);
  print(named_values({{"threshold", fmt::format("{}", detector.threshold())}, {"model", output}}));
}

}  // namespace

Run add_extract(CLI::App& app) {
  CLI::App* command = app.add_subcommand("extract", "Take the model of one group out of a fleet");
  const auto flags = std::make_shared<FlagSet>(*command);
  flags->add_text("model", "FILE", "Model file of a fleet");
  flags->add_text("group", "NAME", "The group whose model it is to be");
  flags->add_boolean("pooled", "Take the pooled model out");
  flags->add_text("output", "FILE", "Model file to write (safetensors)");
  flags->add_device();
  return [flags] { extract(*flags); };
}

}  // namespace cugad::cli
