#include <fmt/format.h>

#include <filesystem>
#include <memory>
#include <nlohmann/json.hpp>
#include <optional>

#include "host/backend/op_table.hpp"
#include "host/cli/command.hpp"
#include "host/cli/fitted_model.hpp"
#include "host/cli/flags.hpp"
#include "host/cli/output.hpp"
#include "host/cli/text.hpp"
#include "host/detector/compared_options.hpp"
#include "host/detector/telemetry_json.hpp"
#include "host/options/option_record.hpp"
#include "host/options/recipe.hpp"

namespace cugad::cli {
namespace {

using Lines = std::vector<std::vector<std::string>>;
using nlohmann::ordered_json;

/// The options of a model, those that are not at the defaults first.
std::string describe_options(const FittedModel& model) {
  DetectorOptions options = model.detector.options();
  if (model.fleet) options.seed -= Fleet::pooled_seed_distance;  // as given
  const ComparedOptions compared = compare_options(model.detector, options);
  Lines changed, unchanged;
  for (const ComparedOptions::Option& option : compared.changed) {
    changed.push_back({"  " + option.name, fmt::format("{} (default: {})", option.value, option.usual)});
  }
  for (const ComparedOptions::Option& option : compared.unchanged) {
    unchanged.push_back({"  " + option.name, option.value + (option.by_rows ? " (chosen by the rows)" : "")});
  }
  return fmt::format("options that differ from {}:{}\n{}options at their defaults:\n{}",
                     compared.preset.empty() ? "the defaults" : "preset " + compared.preset,
                     changed.empty() ? " none" : "", named_values(changed), named_values(unchanged));
}

std::string describe_telemetry(const std::vector<ModelTelemetry>& models) {
  Lines lines = {{"model", "D loss", "G loss", "D(x)", "D(G(z))", "D gradient", "G gradient", "restorations"}};
  for (std::size_t index = 0; index < models.size(); ++index) {
    const ModelTelemetry& model = models[index];
    lines.push_back({fmt::format("{}", index), fmt::format("{:.4f}", model.discriminator_loss),
                     fmt::format("{:.4f}", model.generator_loss), fmt::format("{:.4f}", model.real_probability),
                     fmt::format("{:.4f}", model.fake_probability), fmt::format("{:.4f}", model.discriminator_gradient),
                     fmt::format("{:.4f}", model.generator_gradient), fmt::format("{}", model.restorations)});
  }
  return "telemetry at the end of the training:\n" + aligned_table(lines);
}

/// The groups, at most so many that they fit on a screen.
std::string describe_fleet(const Fleet& fleet) {
  constexpr std::size_t shown = 20;
  Lines lines = {{"group", "rows", "threshold", "model"}};
  for (const FleetGroup& group : fleet.groups()) {
    if (lines.size() > shown) break;
    lines.push_back({one_line(group.name), grouped(group.rows), fmt::format("{:.6g}", group.threshold),
                     group.own_model ? "own" : "pooled"});
  }
  std::string text = "groups:\n" + aligned_table(lines);
  if (fleet.groups().size() > shown) text += fmt::format("and {} more\n", fleet.groups().size() - shown);
  return text;
}

/// What threshold, probabilities and confidences rest on.
std::string describe_calibration(const FittedModel& model) {
  const auto [rows, folds] = model.detector.calibration();
  const std::string whose = model.fleet ? " of the pooled model; each group has its own" : "";
  if (rows == 0) return "none: the model file is of a version that kept none" + whose;
  if (folds == 1) {
    return fmt::format("{} training rows{}: new normal rows pass the threshold more often than requested",
                       grouped(rows), whose);
  }
  if (folds == rows)
    return fmt::format("{} rows, each scored as if it were not among the training rows", grouped(rows));
  return fmt::format("{} rows of {} folds, each scored by models that had not seen it{}", grouped(rows), folds, whose);
}

std::string describe_columns(const FittedModel& model) {
  const std::vector<std::string>& names = model.detector.column_names();
  if (model.format.image && cells_of(*model.format.image) == model.detector.columns()) {
    const std::string cut =
        model.patch_stride > 0 ? fmt::format(", patches {} pixels apart", model.patch_stride) : std::string();
    return fmt::format("{}: images of {}{}", names.size(), image_shape_text(*model.format.image), cut);
  }
  const std::int64_t numeric = model.encoder ? model.encoder->numeric_features() : model.detector.columns();
  return fmt::format("{} ({} numeric): {}", names.size(), numeric, one_line(fmt::format("{}", fmt::join(names, ", "))));
}

void describe_model(const Device& device, const FittedModel& model, const std::string& path) {
  Lines lines = {{"model", path},
                 {"bytes", grouped(static_cast<std::int64_t>(std::filesystem::file_size(path)))},
                 {"method", get_option(model.detector.options(), "method")},
                 {"threshold", fmt::format("{}", model.detector.threshold())},
                 {"calibration", describe_calibration(model)},
                 {"columns", describe_columns(model)}};
  if (model.fleet) {
    lines[3] = {"threshold", fmt::format("{} of the pooled model; each group has its own", model.detector.threshold())};
    lines.push_back({"groups", fmt::format("{}, by column {}", describe_groups(*model.fleet), model.group_column)});
  }
  if (!model.labels.column.empty()) {
    lines.push_back({"trained on", model.labels.normal.empty()
                                       ? fmt::format("all rows (label column {})", model.labels.column)
                                       : fmt::format("rows whose column {} is {}", model.labels.column,
                                                     fmt::join(model.labels.normal, " or "))});
  }
  if (const std::int64_t rows = model.detector.reference_rows(); rows > 0) {
    lines.push_back(
        {"reference rows", fmt::format("{} training rows are in the file{}", grouped(rows),
                                       model.fleet ? " for the pooled model; each group has its own" : "")});
  }
  if (const std::string path = model.detector.search_path(); !path.empty()) lines.push_back({"latent search", path});
  lines.push_back({"device memory", fmt::format("{} bytes, {} at most while loading",
                                                grouped(static_cast<std::int64_t>(device.memory().bytes)),
                                                grouped(static_cast<std::int64_t>(device.memory().peak_bytes)))});
  for (const std::string& note : model.detector.notes()) lines.push_back({"note", note});
  print(named_values(lines));
  print(describe_options(model));
  if (model.fleet) {
    print(describe_fleet(*model.fleet));
  } else if (!model.detector.telemetry().empty()) {
    print(describe_telemetry(model.detector.telemetry()));
  }
}

ordered_json fleet_as_json(const Fleet& fleet, const std::string& group_column) {
  ordered_json groups = ordered_json::array();
  for (const FleetGroup& group : fleet.groups()) {
    groups.push_back({{"group", group.name},
                      {"rows", group.rows},
                      {"threshold", group.threshold},
                      {"model", group.own_model ? "own" : "pooled"}});
  }
  return {{"column", group_column}, {"groups", groups}};
}

/// What describe_model() prints; all groups of a fleet, and numbers in full.
ordered_json model_as_json(const Device& device, const std::string& path) {
  const FittedModel model = load_model_or_fleet(device, path);
  const Detector& detector = model.detector;
  ordered_json object = {
      {"path", path},
      {"bytes", std::filesystem::file_size(path)},
      {"method", get_option(detector.options(), "method")},
      {"threshold", detector.threshold()},
      {"calibration", {{"rows", detector.calibration().rows}, {"folds", detector.calibration().folds}}},
      {"notes", detector.notes()},
      {"columns", detector.column_names()},
      {"numeric_columns", model.encoder ? model.encoder->numeric_features() : detector.columns()}};
  if (model.format.image) object["image"] = image_shape_text(*model.format.image);
  if (model.fleet) object["fleet"] = fleet_as_json(*model.fleet, model.group_column);
  if (!model.labels.column.empty()) {
    object["trained_on"] = {{"label_column", model.labels.column}, {"normal", model.labels.normal}};
  }
  object["reference_rows"] = detector.reference_rows();
  if (const std::string search = detector.search_path(); !search.empty()) object["latent_search"] = search;
  object["device_memory"] = {{"bytes", device.memory().bytes}, {"peak_bytes", device.memory().peak_bytes}};
  object["options"] = ordered_json::parse(options_to_json(detector.options()));
  if (!model.fleet) object["telemetry"] = ordered_json::parse(telemetry_to_json(detector.telemetry()));
  return object;
}

/// A path need not be UTF-8: invalid bytes become U+FFFD.
void print_json(const FlagSet& flags, const Device& device) {
  ordered_json object = {{"version", CUGAD_VERSION},
                         {"device", device.name()},
                         {"description", device.description()},
                         {"precision", name_of(device.precision())},
                         {"threads", device.threads()}};
  if (flags.given("model")) object["model"] = model_as_json(device, flags.required_text("model"));
  print(object.dump(-1, ' ', false, ordered_json::error_handler_t::replace) + '\n');
}

std::string values_of(const OptionInfo& option) {
  if (!option.choices.empty() || !option.lowest) return option.choices.empty() ? option.kind : option.choices;
  const std::string range = fmt::format("{}, {} to {}", option.kind, *option.lowest, *option.highest);
  return option.automatic ? fmt::format("{}, or {}", range, *option.automatic) : range;
}

/// As docs/options.md has them: one row of a Markdown table each.
std::string option_table() {
  const auto cell = [](std::string text) {
    for (std::size_t at = 0; (at = text.find('|', at)) != std::string::npos; at += 2) text.insert(at, 1, '\\');
    return text;
  };
  std::string table = describe_recipe() +
                      "; the\ndefaults below are those of methods named by --method.\n\n| option | default | values | "
                      "meaning |\n|---|---|---|---|\n";
  for (const OptionRecord& record : option_records()) {
    const OptionInfo& option = record.info;
    const std::string usual = get_option(DetectorOptions{}, option.name);
    table += fmt::format("| `{}` | {} | {} | {} |\n", option.name, usual.empty() ? "empty" : "`" + usual + "`",
                         cell(values_of(option)),
                         cell(option.help) + (record.former.empty() ? "" : fmt::format(" (once `{}`)", record.former)));
  }
  return table;
}

void info(const FlagSet& flags) {
  const bool json = flags.boolean("json");
  if (json && (flags.boolean("options") || flags.boolean("ops"))) {
    throw UsageError("--json describes the device and a --model; --options and --ops have tables of their own");
  }
  if (flags.boolean("options")) return print(option_table());
  const Device device = flags.open_device();
  if (json) return print_json(flags, device);
  std::optional<FittedModel> model;  // loaded first, so that nothing is printed before an error
  if (flags.given("model")) model = load_model_or_fleet(device, flags.required_text("model"));
  print(named_values({{"version", CUGAD_VERSION},
                      {"device", device.name()},
                      {"description", device.description()},
                      {"precision", name_of(device.precision())},
                      {"threads", fmt::format("{}", device.threads())}}));
  if (flags.boolean("ops")) print(op_table(device));
  if (model) describe_model(device, *model, flags.text("model"));
}

}  // namespace

Run add_info(CLI::App& app) {
  CLI::App* command = app.add_subcommand("info", "Describe this build, its device, its ops, or a model");
  const auto flags = std::make_shared<FlagSet>(*command);
  flags->add_text("model", "FILE", "Model file to describe");
  flags->add_boolean("options", "Print every detector option with its default, as a Markdown table");
  flags->add_boolean("ops", "List the ops and the backends that have them");
  flags->add_boolean("json", "Print one JSON object");
  flags->add_device();
  return [flags] { info(*flags); };
}

}  // namespace cugad::cli
