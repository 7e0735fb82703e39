#include "cugad/report.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <filesystem>
#include <memory>
#include <optional>

#include "cugad/error.hpp"
#include "host/cli/command.hpp"
#include "host/cli/file_hash.hpp"
#include "host/cli/fitted_model.hpp"
#include "host/cli/flags.hpp"
#include "host/cli/image_folder.hpp"
#include "host/cli/labels.hpp"
#include "host/cli/output.hpp"
#include "host/cli/progress.hpp"
#include "host/cli/signals.hpp"
#include "host/cli/table_flags.hpp"
#include "host/cli/text.hpp"
#include "host/report/training_history.hpp"
#include "host/table/column_names.hpp"
#include "host/text/list_text.hpp"
#include "host/text/nearest_name.hpp"
#include "host/text/shell_text.hpp"

namespace cugad::cli {
namespace {

/// The detector of the page: the model, or that of the group in a fleet that --group names.
Detector reported_detector(FittedModel& model, const FlagSet& flags, const std::string& path) {
  if (!model.fleet) {
    if (flags.given("group")) throw UsageError(fmt::format("--group is for fleets, and {} holds one model", path));
    return model.detector.share();
  }
  const std::vector<FleetGroup>& groups = model.fleet->groups();
  std::vector<std::string> names;
  for (const FleetGroup& group : groups) names.push_back(group.name);
  if (!flags.given("group")) {
    throw UsageError(fmt::format("{} holds a fleet of {} groups, and a report is about one of them: --group {}", path,
                                 grouped(static_cast<std::int64_t>(names.size())),
                                 names.empty() ? "NAME" : shell_text(names.front())));
  }
  const std::string& name = flags.text("group");
  const auto found = std::find(names.begin(), names.end(), name);
  if (found == names.end()) {
    const std::string nearest = nearest_name(name, names);
    throw UsageError(fmt::format("--group {}: {} has no group of that name{}", one_line(name), path,
                                 nearest.empty() ? "" : fmt::format(", did you mean '{}'?", one_line(nearest))));
  }
  if (groups[static_cast<std::size_t>(found - names.begin())].own_model) return model.fleet->take_out(name);
  print_note(
      fmt::format("cugad: note: group {} has no model of its own; the report is about the pooled one", one_line(name)));
  return model.fleet->pooled();
}

/// The labels that flags name, or those of the training if the input may have them.
std::optional<Labelling> wanted_labels(const FlagSet& flags, const FittedModel& model, const std::string& input) {
  const bool is_asked = flags.given("label_column") || flags.given("anomaly") || flags.given("normal");
  if (!is_asked && (model.labels.column.empty() || model.labels.normal.empty())) return {};
  return read_labelling(flags, model, input);
}

bool has_column(const std::vector<std::string>& names, const std::string& name) {
  return std::find(names.begin(), names.end(), name) != names.end();
}

std::optional<ImageShape> image_shape(const FittedModel& model, const ModelInput& rows) {
  if (rows.images() != nullptr) return rows.images()->shape();
  const std::optional<ImageShape>& shape = model.format.image;
  const bool is_of_images =
      shape && (cells_of(*shape) == model.detector.columns() || shape == model.detector.options().image);
  return is_of_images ? shape : std::nullopt;
}

std::string title_of(const std::string& input, const FlagSet& flags) {
  std::filesystem::path path = std::filesystem::path(input).lexically_normal();
  if (!path.has_filename()) path = path.parent_path();  // of a folder with a slash at the end
  const std::string name = input == "-" ? "standard input" : path.filename().string();
  return flags.given("group") ? fmt::format("{}, group {}", name, flags.text("group")) : name;
}

/// The command and the files, by which the page can be made again.
std::vector<std::pair<std::string, std::string>> sources_of(const std::string& input, const FlagSet& flags,
                                                            const FittedModel& model) {
  const std::string& path = flags.text("model");
  std::vector<std::pair<std::string, std::string>> sources = {
      {"This page", fmt::format("cugad report {} {}", shell_text(input), flags.as_arguments())},
      {"SHA-256 of the model file", fmt::format("{}  {}", file_hash(path), path)}};
  if (is_regular_file(input))
    sources.emplace_back("SHA-256 of the rows", fmt::format("{}  {}", file_hash(input), input));
  if (!model.labels.normal.empty()) {
    sources.emplace_back("Rows of the training", fmt::format("those whose column {} is {}", model.labels.column,
                                                             fmt::join(model.labels.normal, " or ")));
  }
  return sources;
}

/// Scores the rows of the input, of a fleet those of the group, into the report.
void add_rows(Report& page, FittedModel& model, ModelInput& input, const std::optional<Labelling>& labelling,
              const FlagSet& flags) {
  RowStatus status(flags.boolean("quiet"));
  input.for_each_chunk([&](const Table& chunk, const Matrix& rows) {
    std::vector<std::int64_t> kept;
    const std::vector<std::string> groups = model.groups(chunk);
    for (std::int64_t r = 0; r < chunk.rows; ++r) {
      if (groups.empty() || groups[static_cast<std::size_t>(r)] == flags.text("group")) kept.push_back(r);
    }
    const bool is_all = static_cast<std::int64_t>(kept.size()) == chunk.rows;
    const Table some = is_all ? Table() : take_rows(chunk, kept);
    const Table& table = is_all ? chunk : some;
    const Matrix of_group = is_all ? Matrix() : take_rows(rows.view(), kept);
    const std::vector<std::int8_t> labels = labelling ? labels_of(table, *labelling) : std::vector<std::int8_t>();
    for (std::int64_t& row : kept) row += chunk.first_row;
    page.add(is_all ? rows.view() : of_group.view(),
             {.labels = labels, .numbers = kept, .table = &table, .grids = input.grids()});
    status.update(chunk.first_row + chunk.rows);
  });
}

void report(const std::string& input, const FlagSet& flags) {
  const std::string& output = flags.required_text("output");
  const std::string& path = flags.required_text("model");
  if (!output.ends_with(".html") && !output.ends_with(".htm")) {
    throw UsageError(fmt::format("--output must end in .html, not '{}'", output));
  }
  check_no_other_file("output", output, std::array{input, path, flags.text("log")});
  ReportOptions options;
  options.top = static_cast<int>(flags.integer("top", options.top, 1, 200));
  if (flags.given("log")) {
    const std::string& log = flags.required_text("log");
    options.history = training_history(file_text(log), log);
  }
  FittedModel model = load_model_or_fleet(flags.open_device(), path);
  set_threshold(model, flags);
  Detector detector = reported_detector(model, flags, path);
  detector.cancel_by(&cancel_flag());
  std::optional<Labelling> labelling = wanted_labels(flags, model, input);
  if (flags.given("id")) options.ids = split_list(flags.text("id"));
  check_writable(output);
  ModelInput rows(model, input, flags, labelling ? labelling->column : "", options.ids);
  if (rows.images() != nullptr && model.fleet) {
    throw UsageError(fmt::format("reports of a fleet are for tables, {} is a folder of images", one_line(input)));
  }
  const ColumnIndex index(rows.column_names());
  for (std::string& name : options.ids) name = rows.column_names()[index.find(name, "--id: ")];
  if (rows.images() != nullptr && !flags.given("id")) options.ids = {file_column};
  if (labelling && !flags.given("label_column") && !has_column(rows.column_names(), labelling->column))
    labelling.reset();
  options.title = title_of(input, flags);
  options.image = image_shape(model, rows);
  if (!options.image) options.encoder = model.encoder;
  options.threshold = model.threshold;
  options.sources = sources_of(input, flags, model);
  Report page(std::move(detector), std::move(options));
  add_rows(page, model, rows, labelling, flags);
  if (page.rows() == 0) {
    throw Error(ErrorCode::invalid_argument,
                fmt::format("{}: holds no row{}, a report needs at least one", input,
                            model.fleet ? fmt::format(" of group '{}'", one_line(flags.text("group"))) : ""));
  }
  {
    const CancelScope scope;  // a signal must not leave the temporary file behind
    page.write(output);
  }
  print(named_values({{"report", output},
                      {"rows", grouped(page.rows())},
                      {"bytes", grouped(static_cast<std::int64_t>(std::filesystem::file_size(output)))}}));
  warn_of_unseen_values(model);
}

}  // namespace

Run add_report(CLI::App& app) {
  CLI::App* command = app.add_subcommand(
      "report", "Write a page to look at: scores, threshold, curves, columns and explanations in one HTML file");
  const auto input =
      add_input(*command, "Table of the training table's columns, - is csv on standard input; or a folder of images");
  const auto flags = std::make_shared<FlagSet>(*command);
  flags->add_text("model", "FILE", "Model file");
  flags->add_text("output", "FILE", "The page, a .html file that needs no network");
  flags->add_text("label_column", "C",
                  "Column of the labels, for curves and measures [that of the training, if the input has it]");
  flags->add_text("anomaly", "VALUE,...", "Labels of anomalies; all other rows are normal");
  flags->add_text("normal", "VALUE,...", "Labels of normal rows; all other rows are anomalies [those of the training]");
  flags->add_text("id", "C,...", "Name the listed rows by these columns [images: file]");
  flags->add_text("top", "N", "List and explain so many of the most anomalous rows, 1 to 200 [25]");
  flags->add_text("log", "FILE", "Draw the training curves of this file, which cugad train --log has written");
  flags->add_text("group", "NAME", "Of a fleet: the group whose model and rows the page is about");
  add_threshold_flags(*flags, "Begin by flagging rows");
  add_table_flags(*flags);
  add_image_flags(*flags);
  add_error_flag(*flags);
  flags->add_device();
  flags->add_boolean("quiet", "No progress");
  return [input, flags] { report(*input, *flags); };
}

}  // namespace cugad::cli
