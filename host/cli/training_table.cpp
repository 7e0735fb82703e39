#include "host/cli/training_table.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <limits>

#include "cugad/error.hpp"
#include "cugad/table_learner.hpp"
#include "host/cli/column_notes.hpp"
#include "host/cli/command.hpp"
#include "host/cli/image_folder.hpp"
#include "host/cli/input_table.hpp"
#include "host/cli/labels.hpp"
#include "host/cli/output.hpp"
#include "host/cli/signals.hpp"
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

/// Chooses the rows with the labels of --normal.
class RowChoice {
 public:
  /// `labels` must outlive it.
  explicit RowChoice(const LabelNote& labels) : labels_(labels), of_value_(labels.normal.size()) {}

  bool keeps_all() const { return labels_.column.empty() || labels_.normal.empty(); }
  /// Positions of the rows of a table, or of its next chunk, to be kept.
  std::vector<std::int64_t> add(const Table& chunk) {
    std::vector<std::int64_t> kept = positions(chunk);
    kept_ += std::ssize(kept);
    if (kept_ == 0) values_.add(chunk, labels_.column);
    for (std::size_t i = 0; i < of_value_.size(); ++i) {
      of_value_[i] =
          of_value_[i] || !kept_rows(rows_with_value(chunk, labels_.column, std::array{labels_.normal[i]})).empty();
    }
    without_label_ += count_without_label(chunk, labels_.column);
    return kept;
  }
  /// The same without counting them.
  std::vector<std::int64_t> positions(const Table& chunk) const {
    return kept_rows(rows_with_value(chunk, labels_.column, labels_.normal));
  }
  /// After the last chunk: throws if no row was kept, and reports what is to be known.
  void report(const std::string& input) const {
    if (kept_ == 0) {
      throw Error(ErrorCode::invalid_argument,
                  fmt::format("{}: no row has --normal {} in column '{}', which has {}", input,
                              fmt::join(labels_.normal, ","), labels_.column, values_.describe()));
    }
    for (std::size_t i = 0; i < of_value_.size(); ++i) {
      if (of_value_[i]) continue;
      print_note(fmt::format("cugad: warning: no row has --normal '{}' in column '{}'", one_line(labels_.normal[i]),
                             one_line(labels_.column)));
    }
    note_rows_without_label(without_label_, labels_.column);
  }

 private:
  const LabelNote& labels_;
  std::int64_t kept_ = 0, without_label_ = 0;
  std::vector<bool> of_value_;  ///< whether a row has it
  LabelValues values_;          ///< until a row is kept
};

void note_all_rows(std::int64_t rows, const std::string& label) {
  print_note(fmt::format("cugad: note: trains on all {} rows; --normal VALUE would choose rows by column '{}'",
                         grouped(rows), label));
}

/// Keeps the rows with the labels of --normal.
void choose_rows(const std::string& input, TrainingTable& training) {
  RowChoice choice(training.labels);
  if (choice.keeps_all()) return note_all_rows(training.rows.rows, training.labels.column);
  const std::vector<std::int64_t> kept = choice.add(training.rows);
  choice.report(input);
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

/// What is known before the table is read, and how it is read.
TrainingTable table_of(const std::string& input, const FlagSet& flags, ReadOptions& reading) {
  TrainingTable training;
  std::string& label = training.labels.column;
  label = flags.text("label_column");
  training.encoding.categorical = split_list(flags.text("categorical"));
  training.encoding.max_categories =
      flags.integer("max_categories", training.encoding.max_categories, 1, largest_column_count);
  training.encoding.excluded = split_list(flags.text("exclude"));
  training.labels.normal = split_list(flags.text("normal"));
  const bool has_label = !label.empty() || is_npz(input);
  if (!training.labels.normal.empty() && !has_label) throw UsageError("--normal needs --label-column");
  reading.format = table_format(flags, input);
  reading.text_columns = training.encoding.categorical;
  add(reading.text_columns, training.encoding.excluded);  // their cells are not used
  if (!label.empty()) reading.text_columns.push_back(label);
  training.group_column = flags.text("group_by");
  if (!training.group_column.empty()) reading.text_columns.push_back(training.group_column);
  return training;
}

/// Finds the columns of labels and groups, which are no features, among those of the table.
void find_roles(const std::string& input, const FlagSet& flags, const DetectorOptions& options,
                TrainingTable& training) {
  std::string& label = training.labels.column;
  std::vector<std::string>& excluded = training.encoding.excluded;
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
}

/// Names the label as the table does. It is excluded once the doubtful columns are known.
void find_label(TrainingTable& training) {
  std::string& label = training.labels.column;
  if (label.empty()) {
    if (!training.labels.normal.empty()) throw UsageError("--normal needs --label-column");
    return;
  }
  label = column_names(training.rows)[training.rows.find(label)];
}

/// Throws unless columns are left that are not excluded.
void check_features(const std::string& input, const TrainingTable& training) {
  const std::vector<std::string> names = column_names(training.rows);
  const ColumnIndex index(names);
  std::vector<bool> is_feature(names.size(), true);
  for (const std::string& name : training.encoding.excluded) is_feature[index.find(name)] = false;
  if (std::find(is_feature.begin(), is_feature.end(), true) == is_feature.end()) {
    throw Error(
        ErrorCode::invalid_argument,
        fmt::format("{}: no feature is left of its {} column{}{}", input, names.size(), names.size() == 1 ? "" : "s",
                    names.size() == 1 && training.rows.columns[0].is_text
                        ? ": each line is one cell, no known separator was found (--separator)"
                        : ""));
  }
}

void check_has_rows(const std::string& input, std::int64_t rows) {
  if (rows > 0) return;
  throw Error(ErrorCode::invalid_argument, input + ": the table has no rows, expected at least 1");
}

/// The columns of a chunk without their cells.
Table columns_of(const Table& chunk) {
  Table table;
  table.named = chunk.named;
  for (const Column& column : chunk.columns) table.columns.push_back({column.name, column.is_text, {}, {}});
  return table;
}

}  // namespace

TrainingTable read_training_table(const std::string& input, const FlagSet& flags, const DetectorOptions& options) {
  if (is_image_folder(input)) return read_training_images(input, flags);
  ReadOptions reading;
  TrainingTable training = table_of(input, flags, reading);
  read_rows(input, reading, training);
  find_roles(input, flags, options, training);
  std::vector<std::string>& excluded = training.encoding.excluded;
  add(excluded, doubtful_columns(training.rows, settled_columns(training, flags, options)));
  find_label(training);
  if (!training.labels.column.empty()) {
    excluded.push_back(training.labels.column);
    choose_rows(input, training);
  }
  check_has_rows(input, training.rows.rows);
  ColumnsWithValue with_value;
  with_value.add(training.rows);
  add(excluded, with_value.others(column_names(training.rows), excluded));
  check_features(input, training);
  return training;
}

TrainingChunks::TrainingChunks(const std::string& input, const FlagSet& flags, const DetectorOptions& options)
    : input_(input), table_(table_of(input, flags, reading_)) {
  std::optional<TableLearner> all, chosen;  // of all rows, for the doubtful columns; of those to train on
  std::optional<RowChoice> choice;
  ColumnsWithValue with_value;
  read([&](Table& chunk) {
    if (!all) {
      table_.rows = columns_of(chunk);
      find_roles(input, flags, options, table_);
      find_label(table_);
      TableEncoder::Options encoding = table_.encoding;
      if (!table_.labels.column.empty()) encoding.excluded.push_back(table_.labels.column);
      all.emplace(encoding, false);
      choice.emplace(table_.labels);
      if (!choice->keeps_all()) chosen.emplace(encoding, false);
    }
    all->add(chunk);
    table_.rows_in_file += chunk.rows;
    if (chosen) {
      chunk = take_rows(chunk, choice->add(chunk));
      chosen->add(chunk);
    }
    with_value.add(chunk);
  });
  check_has_rows(input, table_.rows_in_file);
  std::vector<std::string>& excluded = table_.encoding.excluded;
  add(excluded, doubtful_columns(all->examine(settled_columns(table_, flags, options))));
  const std::string& label = table_.labels.column;
  if (!label.empty()) excluded.push_back(label);
  if (chosen) {
    choice->report(input);
  } else if (!label.empty()) {
    note_all_rows(table_.rows_in_file, label);
  }
  add(excluded, with_value.others(column_names(table_.rows), excluded));
  check_features(input, table_);
  TableLearner& learner = chosen ? *chosen : *all;
  rows_ = learner.rows();
  learner.finish(encoder_, excluded);
}

void TrainingChunks::for_each(const std::function<void(const Matrix&)>& visit) {
  const RowChoice choice(table_.labels);
  std::int64_t rows = 0;
  read([&](Table& chunk) {
    const Matrix encoded = encoder_.encode(choice.keeps_all() ? chunk : take_rows(chunk, choice.positions(chunk)));
    rows += encoded.rows;
    visit(encoded);
  });
  if (rows == rows_) return;
  throw Error(ErrorCode::input_output, fmt::format("{}: it had {} rows to train on when it was read first, now {}: it "
                                                   "must not change while it is read",
                                                   input_, rows_, rows));
}

void TrainingChunks::read(const std::function<void(Table&)>& visit) {
  constexpr std::int64_t cells = 1 << 20;
  const auto reader = open_input(input_, reading_);
  const std::int64_t most = std::max<std::int64_t>(1, cells / std::ssize(reader->column_names()));
  Table chunk;
  while (reader->read(chunk, most)) {
    stop_if_cancelled();
    visit(chunk);
  }
  table_.format = reader->format();
  if (!is_read_) {
    for (const std::string& note : reader->notes()) print_note("cugad: note: " + note);
  }
  is_read_ = true;
}

}  // namespace cugad::cli
