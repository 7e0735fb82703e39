#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <memory>
#include <optional>
#include <utility>

#include "cugad/error.hpp"
#include "host/cli/command.hpp"
#include "host/cli/fitted_model.hpp"
#include "host/cli/flags.hpp"
#include "host/cli/heatmaps.hpp"
#include "host/cli/image_folder.hpp"
#include "host/cli/output.hpp"
#include "host/cli/progress.hpp"
#include "host/cli/shard_flag.hpp"
#include "host/cli/signals.hpp"
#include "host/cli/table_flags.hpp"
#include "host/cli/text.hpp"
#include "host/report/reason_text.hpp"
#include "host/table/column_names.hpp"
#include "host/text/cell.hpp"
#include "host/text/list_text.hpp"

namespace cugad::cli {
namespace {

/// Which columns are written beside the score.
struct CsvColumns {
  bool row = false, anomaly = false;  ///< those of a file
  bool label = false;
  std::optional<Probability> probability;
  bool confidence = false;
  std::vector<std::string> ids;    ///< columns of the table that are carried over
  std::vector<std::string> parts;  ///< of the score, each with its own number; empty unless requested
  int reasons = 0;
  bool error = false;  ///< why a row could not be read
  bool header = true;  ///< their names: in the file of the first shard
};

struct Scores {
  std::vector<float> score;
  std::vector<Explanation> explanations;  ///< empty unless requested
  std::vector<float> of_parts;            ///< rows x parts; empty unless requested
};

/// Scores a chunk, and writes its heatmaps, unless they are null.
Scores score_rows(FittedModel& model, const Table& chunk, const Matrix& rows, std::vector<std::string> groups,
                  const PatchGrids& grids, Heatmaps* heatmaps, int explained = 0, bool with_parts = false) {
  stop_if_cancelled();
  Scores scores;
  groups = for_patches(std::move(groups), grids);
  if (heatmaps != nullptr) {
    std::vector<float> residuals;
    scores.score = model.detector.score_cells(rows, residuals);
    heatmaps->write(chunk, rows, residuals, grids);
  }
  if (with_parts) scores.score = model.score_parts(rows, groups, scores.of_parts);
  if (scores.score.empty() || explained > 0 || model.fleet)
    scores.score = model.score(rows, groups, explained, scores.explanations);
  scores.score = scores_of_images(std::move(scores.score), grids);
  return scores;
}

std::string header(const CsvColumns& columns) {
  std::string line = columns.row ? "row," : "";
  for (const std::string& name : columns.ids) line += csv_cell(name) + ',';
  line += "score";
  if (columns.anomaly) line += ",anomaly";
  if (columns.label) line += ",label";
  if (columns.probability) line += ",probability";
  if (columns.confidence) line += ",confidence";
  for (const std::string& part : columns.parts) line += ",score_" + part;
  for (int reason = 1; reason <= columns.reasons; ++reason) line += fmt::format(",reason_{}", reason);
  if (columns.error) line += ",error";
  return line + '\n';
}

/// How many columns follow the score.
std::size_t columns_behind_score(const CsvColumns& columns) {
  return static_cast<std::size_t>(columns.anomaly + columns.label + columns.confidence + columns.error) +
         columns.probability.has_value() + columns.parts.size() + static_cast<std::size_t>(columns.reasons);
}

/// One line per row of a chunk.
std::string csv_lines(FittedModel& model, const CsvColumns& columns, const Scores& scores,
                      const std::vector<std::string>& groups, const Table& chunk, const Matrix& rows) {
  std::vector<float> probability, confidence;
  if (columns.probability) probability = model.probability(scores.score, groups, *columns.probability);
  if (columns.confidence) confidence = model.confidence(scores.score, groups);
  const std::vector<float> thresholds = model.thresholds(static_cast<std::int64_t>(scores.score.size()), groups);
  std::vector<const Column*> ids;
  for (const std::string& name : columns.ids) ids.push_back(&chunk.columns[chunk.find(name)]);
  std::string lines;
  const auto end = std::back_inserter(lines);
  for (std::size_t row = 0; row < scores.score.size(); ++row) {
    const float score = scores.score[row];
    // A row without any value has no score and no decision; of an unreadable row only the reason is written.
    const auto unreadable = chunk.unreadable.find(static_cast<std::int64_t>(row));
    const bool is_readable = unreadable == chunk.unreadable.end();
    const char* anomalous = std::isnan(score) ? "" : score >= thresholds[row] ? "1" : "0";
    if (std::isnan(score) && is_readable) ++model.rows_without_value;
    if (columns.row) fmt::format_to(end, "{},", chunk.first_row + static_cast<std::int64_t>(row));
    for (const Column* id : ids) {
      lines += csv_cell(id->is_text ? id->texts[row] : number_text(id->numbers[row])) + ',';
    }
    if (!is_readable) {
      lines += std::string(columns_behind_score(columns), ',') + csv_cell(unreadable->second) + '\n';
      continue;
    }
    fmt::format_to(end, "{}", score);
    if (columns.anomaly) fmt::format_to(end, ",{}", anomalous);
    if (columns.label) fmt::format_to(end, ",{}", anomalous);
    if (columns.probability) fmt::format_to(end, ",{}", probability[row]);
    if (columns.confidence) fmt::format_to(end, ",{}", confidence[row]);
    const std::size_t parts = columns.parts.size();
    for (std::size_t i = 0; i < parts; ++i) fmt::format_to(end, ",{}", scores.of_parts[row * parts + i]);
    for (std::size_t i = 0; i < static_cast<std::size_t>(columns.reasons); ++i) {
      lines += ',';
      if (i >= scores.explanations[row].column.size()) continue;
      lines += csv_cell(reason_text(scores.explanations[row], i, model.detector.column_names(),
                                    model.encoder ? &*model.encoder : nullptr, chunk, row, rows.row(row))
                            .line());
    }
    if (columns.error) lines += ',';
    lines += '\n';
  }
  return lines;
}

/// Flushes the scores of each chunk: a reader of a stream waits for them.
void score_to_csv(FittedModel& model, ModelInput& input, const CsvColumns& columns, Heatmaps* heatmaps,
                  RowStatus& status, const Append& append) {
  std::string begin = columns.header ? header(columns)
                                     : "";  // written with the first row: a table that does not fit the model has none
  input.for_each_chunk([&](const Table& chunk, const Matrix& rows) {
    const std::vector<std::string> groups = model.groups(chunk);
    const Scores scores =
        score_rows(model, chunk, rows, groups, input.grids(), heatmaps, columns.reasons, !columns.parts.empty());
    append(std::exchange(begin, ""));
    append(csv_lines(model, columns, scores, groups, chunk, rows));
    if (!columns.row) flush_output();
    status.update(chunk.first_row + chunk.rows);
  });
  append(begin);
}

/// The file's header holds the number of rows, so the scores (4 bytes a row) are kept in memory until the end.
void score_to_npy(FittedModel& model, ModelInput& input, Heatmaps* heatmaps, RowStatus& status, const Append& append) {
  std::vector<float> all;
  input.for_each_chunk([&](const Table& chunk, const Matrix& rows) {
    const Scores scores = score_rows(model, chunk, rows, model.groups(chunk), input.grids(), heatmaps);
    const auto without = std::count_if(scores.score.begin(), scores.score.end(), [](float s) { return std::isnan(s); });
    model.rows_without_value += without - static_cast<std::int64_t>(chunk.unreadable.size());
    all.insert(all.end(), scores.score.begin(), scores.score.end());
    status.update(chunk.first_row + chunk.rows);
  });
  append(npy_header(fmt::format("{},", all.size())));
  append({reinterpret_cast<const char*>(all.data()), all.size() * sizeof(float)});
}

CsvColumns chosen_columns(const FlagSet& flags, bool npy) {
  for (const char* name : {"explain", "probability", "confidence", "label", "parts", "per_method", "threshold",
                           "contamination", "false_alarm_rate", "id"}) {
    if (npy && flags.given(name)) throw UsageError(fmt::format("--{} needs csv output, not .npy", with_dashes(name)));
  }
  CsvColumns columns;
  columns.row = columns.anomaly = !flags.text("output").empty();
  columns.label = flags.boolean("label");
  columns.confidence = flags.boolean("confidence");
  columns.ids = split_list(flags.text("id"));
  columns.error = marks_errors(flags);
  if (flags.given("probability")) {
    const std::string& kind = flags.text("probability");
    if (kind != "rank" && kind != "gaussian") {
      throw UsageError(fmt::format("--probability must be rank or gaussian, not '{}'", kind));
    }
    columns.probability = kind == "rank" ? Probability::rank : Probability::gaussian;
  }
  return columns;
}

void score(const std::string& input, const FlagSet& flags) {
  const std::string& output = flags.text("output");
  const bool npy = output.ends_with(".npy");
  if (flags.given("output") && !npy && !output.ends_with(".csv")) {
    throw UsageError(fmt::format("--output must end in .csv or .npy, not '{}'", output));
  }
  CsvColumns columns = chosen_columns(flags, npy);
  FittedModel model = load_model_or_fleet(flags.open_device(), flags.required_text("model"));
  if (flags.given("threshold") && columns.confidence) {
    throw UsageError("--confidence is that of the model's own threshold: not with --threshold");
  }
  set_threshold(model, flags);
  columns.reasons = static_cast<int>(flags.integer("explain", 0, 1, model.detector.columns()));
  if (flags.boolean("parts") || flags.boolean("per_method")) {
    columns.parts = model.detector.parts();
  }
  // A model without them fails before the first row.
  if (columns.probability) model.detector.probability({}, *columns.probability);
  if (columns.confidence) model.detector.confidence({});
  if (!output.empty()) check_writable(output);
  check_no_other_file("output", output, std::array{input, flags.text("model")});
  ModelInput rows(model, input, flags, "", columns.ids);
  for (const char* name : {"explain", "parts", "per_method"}) {
    if (rows.images() == nullptr || model.patch_stride == 0 || !flags.given(name)) continue;
    throw UsageError(fmt::format("--{} is for whole images, and the model cuts them into patches", with_dashes(name)));
  }
  const ColumnIndex index(rows.column_names());
  if (rows.images() != nullptr && !flags.given("id")) columns.ids = {file_column};
  for (std::string& name : columns.ids) name = rows.column_names()[index.find(name, "--id: ")];
  if (flags.given("shard")) {
    const Shard shard = shard_flag(flags);
    columns.header = shard.number == 1;
    rows.keep_shard(input, shard);
  }
  std::optional<Heatmaps> maps;
  if (flags.given("heatmaps")) maps.emplace(flags, model, rows, input);
  if (flags.given("heatmap_maximum") && !maps) throw UsageError("--heatmap-maximum needs --heatmaps");
  Heatmaps* const heatmaps = maps ? &*maps : nullptr;
  // Results on a terminal and a status line would write over each other.
  RowStatus status(flags.boolean("quiet") || output.empty());
  std::string failure;
  write_result(output, [&](const Append& append) {
    if (npy) return score_to_npy(model, rows, heatmaps, status, append);
    try {
      score_to_csv(model, rows, columns, heatmaps, status, append);
    } catch (const Error& error) {
      // A row that cannot be read does not take away the scores of those before it.
      if (error.code() != ErrorCode::format || rows.rows_read() == 0) throw;
      failure = fmt::format("{}; the scores of the {} rows before it are {}; --on-error mark goes on", error.what(),
                            grouped(rows.rows_read()), output.empty() ? "written" : "in " + output);
    }
  });
  status.clear();
  if (!failure.empty()) throw Error(ErrorCode::format, failure);
  if (heatmaps != nullptr) heatmaps->note();
  warn_of_unseen_values(model);
  note_pooled_rows(model);
  note_rows_without_value(model);
  if (columns.probability || columns.confidence || ((columns.label || columns.anomaly) && !model.threshold)) {
    note_calibration(model);
  }
}

}  // namespace

Run add_score(CLI::App& app) {
  CLI::App* command = app.add_subcommand("score", "Score the rows of a table, or images; higher is more anomalous");
  const auto input =
      add_input(*command, "Table of the training table's columns, - is csv on standard input; or a folder of images");
  const auto flags = std::make_shared<FlagSet>(*command);
  flags->add_text("model", "FILE", "Model file");
  flags->add_text("output", "FILE", "Write a .csv (row, score, anomaly) or .npy file, not scores on standard output");
  flags->add_text("explain", "K", "Add the K columns that explain each row's score: value, what was expected, share");
  flags->add_text("probability", "rank|gaussian", "Add the score as a probability, calibrated on the training rows");
  flags->add_boolean("confidence", "Add how sure the decision at the threshold is, from 0 to 1");
  flags->add_boolean("parts", "Add what the score is made of: each method's score, each distance");
  flags->add_boolean("per_method", "The former name of --parts");
  flags->add_boolean("label", "Add the decision at the threshold: 1 is anomalous");
  flags->add_text("id", "C,...", "Carry these columns of the table over, in front of the score");
  flags->add_text("heatmaps", "DIR", "Images: write the map of each there, as NAME.npy and over the image as NAME.png");
  flags->add_text("heatmap_maximum", "X", "Heatmaps are yellow from this value on [the 99.5 % quantile of each map]");
  add_threshold_flags(*flags, "Take rows for anomalous");
  add_table_flags(*flags);
  add_image_flags(*flags);
  add_error_flag(*flags);
  flags->add_text("shard", "I/N", "Score the I-th of N equal ranges of the rows: the outputs of all follow each other");
  flags->add_device();
  flags->add_boolean("quiet", "No progress");
  return [input, flags] { score(*input, *flags); };
}

}  // namespace cugad::cli
