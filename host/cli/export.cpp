#include <fmt/format.h>

#include <array>
#include <memory>

#include "cugad/error.hpp"
#include "cugad/fleet.hpp"
#include "cugad/onnx.hpp"
#include "host/cli/command.hpp"
#include "host/cli/fitted_model.hpp"
#include "host/cli/flags.hpp"
#include "host/cli/output.hpp"
#include "host/cli/signals.hpp"

namespace cugad::cli {
namespace {

/// The model that the flags name: of a fleet that of one group.
FittedModel chosen_model(const Device& device, const std::string& path, const FlagSet& flags) {
  const bool names_one = flags.given("group") || flags.boolean("pooled");
  if (flags.given("group") && flags.boolean("pooled")) throw UsageError("give --group or --pooled, not both");
  if (!Fleet::is_fleet(path)) {
    if (names_one) {
      throw UsageError(fmt::format("{}: it holds one model, not a fleet: leave --group and --pooled out", path));
    }
    return load_model(device, path);
  }
  if (!names_one) {
    throw UsageError(
        fmt::format("{}: it holds a fleet of models, and a graph is of one: name it by --group or --pooled", path));
  }
  FittedModel model = load_model_or_fleet(device, path);
  if (flags.given("group")) model.detector = model.fleet->take_out(flags.text("group"));
  model.fleet.reset();
  return model;
}

void export_model(const FlagSet& flags) {
  const std::string& path = flags.required_text("model");
  const std::string& output = flags.required_text("output");
  check_no_other_file("output", output, std::array{path});
  FittedModel model = chosen_model(flags.open_device(), path, flags);
  set_threshold(model, flags);
  const CancelScope scope;  // a signal must not leave the temporary file behind
  export_onnx(model.detector, output, {.threshold = model.threshold, .output_prefix = flags.text("output_prefix")});
  print(named_values({{"threshold", fmt::format("{}", model.threshold.value_or(model.detector.threshold()))},
                      {"inputs", model.encoder ? "the columns of the table, each by its name" : "rows"},
                      {"graph", output}}));
}

}  // namespace

Run add_export(CLI::App& app) {
  CLI::App* command = app.add_subcommand("export", "Write a model as an ONNX graph from the rows to the scores");
  const auto flags = std::make_shared<FlagSet>(*command);
  flags->add_text("model", "FILE", "Model file");
  flags->add_text("output", "FILE", "ONNX file to write");
  flags->add_text("group", "NAME", "Of a fleet: the group whose model it is to be");
  flags->add_boolean("pooled", "Of a fleet: export the pooled model");
  flags->add_text("output_prefix", "TEXT", "Put it before the names of the outputs: score, probability, is_anomaly");
  add_threshold_flags(*flags, "Take rows for anomalous");
  flags->add_device();
  return [flags] { export_model(*flags); };
}

}  // namespace cugad::cli
