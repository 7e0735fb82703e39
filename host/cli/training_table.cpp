#include "host/cli/training_table.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <limits>

#include "cugad/error.hpp"
#include "host/cli/column_notes.hpp"
#include "host/cli/command.hpp"
#include "host/cli/image_folder.hpp"
#include "host/cli/input_table.hpp"
#include "host/cli/labels.hpp"
#include "host/cli/output.hpp"
#include "host/cli/table_flags.hpp"
#include "host/cli/text.hpp"
#include "host/image/patch_rows.hpp"
#include "host/table/column_names.hpp"
#include "host/text/list_text.hpp"

namespace cugad::cli {
namespace {

void add(std::vector<std::string>& names, const std::vector<std::string>& more) {
  names.insert(names.end(), more.begin(), more.end());
}

/// Reads the whole table in the format of `training`, and completes that format.
void read_rows(const std::string& input, const ReadOptions& options, TrainingTable& training) {
  const auto reader = open_input(input, options);
  reader->read(training.rows, std::numeric_limits<std::int64_t>::max());
  training.rows_in_file = training.rows.rows;
  training.format = reader->format();
  for (const std::string& note : reader->notes()) print_note("cugad: note: " + note);
}

/// Keeps the rows with the labels of --normal.
void choose_rows(const std::string& input, TrainingTable& training) {
  const std::string& label = training.labels.column;
  if (training.labels.normal.empty()) {
    print_note(fmt::format("cugad: note: trains on all {} rows; --normal VALUE would choose rows by column '{}'",
                           grouped(training.rows.rows), label));
    return;
  }
  const auto kept = kept_rows(rows_with_value(training.rows, label, training.labels.normal));
  if (kept.empty()) {
    LabelValues values;
    values.add(training.rows, label);
    throw Error(ErrorCode::invalid_argument,
                fmt::format("{}: no row has --normal {} in column '{}', which has {}", input,
                            fmt::join(training.labels.normal, ","), label, values.describe()));
  }
  for (const std::string& value : training.labels.normal) {
    if (!kept_rows(rows_with_value(training.rows, label, std::array{value})).empty()) continue;
    print_note(
        fmt::format("cugad: warning: no row has --normal '{}' in column '{}'", one_line(value), one_line(label)));
  }
  note_rows_without_label(count_without_label(training.rows, label), label);
  training.rows = take_rows(training.rows, kept);
  if (training.pixels) training.pixels = take_rows(*training.pixels, kept);
}

/// Reads a folder of images, and chooses its rows by the names of its sub-folders, if it has any.
TrainingTable read_training_images(const std::string& input, const FlagSet& flags) {
  ImageReader reader(input, image_options(flags, input));
  for (const std::string& note : reader.notes()) print_note("cugad: note: " + note);
  TrainingTable training;
  training.format.image = reader.shape();
  reader.read(training.rows, training.pixels.emplace(), std::numeric_limits<std::int64_t>::max());
  const std::vector<PatchGrid> grids = reader.grids();
  Table rest;
  Matrix none;
  reader.read(rest, none, 1);  // throws for an image that ended the reading
  // The rows of the table are those of the pixels.
  if (!grids.empty()) {
    for (Column& column : training.rows.columns) column.texts = for_patches(std::move(column.texts), grids);
    training.rows.rows = training.pixels->rows;
    for (const PatchGrid& grid : grids) training.most_patches = std::max(training.most_patches, grid.count());
  }
  training.rows_in_file = training.rows.rows;
  const std::vector<std::string> names = column_names(training.rows);
  const std::vector<std::string>& folders = training.rows.columns[training.rows.find(folder_column)].texts;
  const bool has_folders = std::any_of(folders.begin(), folders.end(), [](auto& folder) { return !folder.empty(); });
  LabelNote& labels = training.labels;
  labels.column = flags.text("label_column");
  labels.normal = split_list(flags.text("normal"));
  if (labels.column.empty() && (has_folders || !labels.normal.empty())) labels.column = folder_column;
  if (flags.given("group_by")) training.group_column = names[training.rows.find(flags.required_text("group_by"))];
  if (labels.column.empty()) return training;
  labels.column = names[training.rows.find(labels.column)];
  choose_rows(input, training);
  return training;
}

/// Columns that the user named: their kind was chosen.
std::vector<std::string> settled_columns(const TrainingTable& training, const FlagSet& flags,
                                         const DetectorOptions& options) {
  std::vector<std::string> settled = training.encoding.excluded;
  add(settled, training.encoding.categorical);
  add(settled, split_list(flags.text("include")));
  if (!training.labels.column.empty()) settled.push_back(training.labels.column);
  const std::vector<std::string> names = column_names(training.rows);
  const ColumnIndex index(names);
  for (const auto* named : {&options.condition, &options.target, &options.log1p}) {
    for (const std::string& name : *named) {
      if (index.exact(name)) settled.push_back(name);
    }
  }
  return settled;
}

/// Rejects a column that two flags want for different things.
void check_uses(const FlagSet& flags, const std::vector<std::string>& names, const std::string& label,
                const std::string& group) {
  const ColumnIndex index(names);
  const auto same = [&](const std::string& a, const std::string& b) { return index.find(a) == index.find(b); };
  for (const std::string& included : split_list(flags.text("include"))) {
    for (const std::string& excluded : split_list(flags.text("exclude"))) {
      if (!same(included, excluded)) continue;
      throw UsageError(fmt::format("column '{}' is in both --include and --exclude", one_line(included)));
    }
  }
  if (label.empty() || group.empty() || !same(label, group)) return;
  throw UsageError(fmt::format("column '{}' is in both --label-column and --group-by", one_line(group)));
}

}  // namespace

TrainingTable read_training_table(const std::string& input, const FlagSet& flags, const DetectorOptions& options) {
  if (is_image_folder(input)) return read_training_images(input, flags);
  TrainingTable training;
  std::string& label = training.labels.column;
  label = flags.text("label_column");
  training.encoding.categorical = split_list(flags.text("categorical"));
  training.encoding.max_categories =
      flags.integer("max_categories", training.encoding.max_categories, 1, largest_column_count);
  std::vector<std::string>& excluded = training.encoding.excluded;
  excluded = split_list(flags.text("exclude"));
  training.labels.normal = split_list(flags.text("normal"));
  const bool has_label = !label.empty() || is_npz(input);
  if (!training.labels.normal.empty() && !has_label) throw UsageError("--normal needs --label-column");
  ReadOptions reading;
  reading.format = table_format(flags, input);
  reading.text_columns = training.encoding.categorical;
  add(reading.text_columns, excluded);  // their cells are not used
  if (!label.empty()) reading.text_columns.push_back(label);
  training.group_column = flags.text("group_by");
  if (!training.group_column.empty()) reading.text_columns.push_back(training.group_column);
  read_rows(input, reading, training);

  const std::vector<std::string> names = column_names(training.rows);
  check_uses(flags, names, label, training.group_column);
  const bool is_condition =
      std::find(options.condition.begin(), options.condition.end(), "y") != options.condition.end();
  if (is_npz(input) && !is_condition && std::find(names.begin(), names.end(), "y") != names.end()) {
    excluded.push_back("y");
    if (label.empty()) label = "y";
  }
  if (!training.group_column.empty()) {
    training.group_column = names[training.rows.find(training.group_column)];
    excluded.push_back(training.group_column);
  }
  add(excluded, doubtful_columns(training.rows, settled_columns(training, flags, options)));
  if (!label.empty()) {
    label = names[training.rows.find(label)];
    excluded.push_back(label);
    choose_rows(input, training);
  } else if (!training.labels.normal.empty()) {
    throw UsageError("--normal needs --label-column");
  }
  if (training.rows.rows == 0)
    throw Error(ErrorCode::invalid_argument, input + ": the table has no rows, expected at least 1");
  add(excluded, columns_without_value(training.rows, excluded));
  const ColumnIndex index(names);
  std::vector<bool> is_feature(names.size(), true);
  for (const std::string& name : excluded) is_feature[index.find(name)] = false;
  if (std::find(is_feature.begin(), is_feature.end(), true) == is_feature.end()) {
    throw Error(
        ErrorCode::invalid_argument,
        fmt::format("{}: no feature is left of its {} column{}{}", input, names.size(), names.size() == 1 ? "" : "s",
                    names.size() == 1 && training.rows.columns[0].is_text
                        ? ": each line is one cell, no known separator was found (--separator)"
                        : ""));
  }
  return training;
}

}  // namespace cugad::cli
