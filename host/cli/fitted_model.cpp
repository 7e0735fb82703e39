#include "host/cli/fitted_model.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>

#include "cugad/error.hpp"
#include "host/cli/command.hpp"
#include "host/cli/image_folder.hpp"
#include "host/cli/output.hpp"
#include "host/cli/signals.hpp"
#include "host/cli/table_flags.hpp"
#include "host/cli/text.hpp"
#include "host/detector/score_calibration.hpp"
#include "host/table/column_names.hpp"
#include "host/table/group_column.hpp"
#include "host/text/cell.hpp"
#include "host/text/json.hpp"

namespace cugad::cli {
namespace {

using nlohmann::json;

constexpr const char* encoder_key = "encoder";
constexpr const char* conditions_key = "conditions";
constexpr const char* labels_key = "labels";
constexpr const char* group_key = "group_column";
constexpr const char* format_key = "format";
constexpr const char* patches_key = "patch_stride";
constexpr std::int32_t widest_patch = 1'000'000;
/// With a fleet, each of its models is brought in once for the rows of a chunk: the larger, the fewer times.
constexpr std::int64_t chunk_rows = 8192, chunk_cells = std::int64_t{8} << 20;

LabelNote labels_from_json(const std::string& text, const std::string& path) {
  json parsed;
  const TakenApart parts(parsed);
  try {
    if (parse_json(text, parsed)) {
      return {parsed.at("column").get<std::string>(), parsed.at("normal").get<std::vector<std::string>>()};
    }
  } catch (const json::exception&) {
    // reported below
  }
  throw Error(ErrorCode::format, fmt::format("{}: the entry '{}' is damaged", path, labels_key));
}

/// Returns the result of `read`, but ignores its error after a signal, which closes standard input.
template <class Read>
auto unless_cancelled(const Read& read) {
  try {
    return read();
  } catch (const Error&) {
    stop_if_cancelled();
    throw;
  }
}

/// Rows for a detector without an encoder: the table's columns, unchanged.
Matrix numeric_matrix(const Table& chunk, std::int64_t columns) {
  if (static_cast<std::int64_t>(chunk.columns.size()) != columns) {
    throw Error(ErrorCode::invalid_argument,
                fmt::format("the table has {} columns, the model expects {}", chunk.columns.size(), columns));
  }
  Matrix rows(chunk.rows, columns);
  for (std::int64_t column = 0; column < columns; ++column) {
    const Column& source = chunk.columns[static_cast<std::size_t>(column)];
    if (source.is_text) {
      throw Error(ErrorCode::invalid_argument,
                  fmt::format("column '{}' is text, the model expects numbers", source.name));
    }
    for (std::int64_t row = 0; row < chunk.rows; ++row) {
      rows.row(row)[column] = static_cast<float>(source.numbers[static_cast<std::size_t>(row)]);
    }
  }
  return rows;
}

ReadOptions read_options(const FittedModel& model, const std::string& input, const FlagSet& flags,
                         const std::string& label_column, const std::vector<std::string>& carried) {
  ReadOptions options;
  if (model.encoder) {
    // Only features are looked at: other columns may hold anything.
    options = model.encoder->read_options();
    // A table without names may lack the label.
    if (!options.names.empty() && !model.labels.column.empty()) {
      std::vector<std::string> names = options.names.front();
      std::erase(names, model.labels.column);
      options.names.insert(options.names.begin() + 1, std::move(names));
    }
  } else {
    if (!label_column.empty()) options.text_columns.push_back(label_column);
    if (model.fleet) options.text_columns.push_back(model.group_column);
    options.text_columns.insert(options.text_columns.end(), carried.begin(), carried.end());
  }
  options.format = table_format(flags, input, model.format);
  options.adapt_separator = !flags.given("separator");
  options.mark_errors = flags.has("on_error") && marks_errors(flags);
  options.as_it_comes = true;
  return options;
}

/// Adds advice to the error of a table whose first line was read as the header, as in the training table, and has no
/// column name of the model.
void check_header(const TableEncoder& encoder, const TableReader& reader, const std::string& input) {
  if (reader.format().header != TableFormat::Header::yes) return;
  const ReadOptions options = encoder.read_options();
  if (options.by_position) return;
  const ColumnIndex index(reader.column_names());
  for (const auto* names : {&*options.numeric_columns, &options.text_columns}) {
    for (const std::string& name : *names) {
      if (index.exact(name)) return;
    }
  }
  throw Error(ErrorCode::invalid_argument,
              fmt::format("{}: its header ('{}', ...) names no column of the model, expected '{}', ...; --header no if "
                          "the first line is data",
                          input == "-" ? "standard input" : input, one_line(reader.column_names().front()),
                          one_line(encoder.feature_names().front())));
}

/// The model with the contents of its attachments.
FittedModel with_table(Detector detector, const std::string& path) {
  FittedModel model{.detector = std::move(detector)};
  model.detector.cancel_by(&cancel_flag());
  if (const std::string* text = model.detector.attachment(encoder_key)) {
    model.encoder = TableEncoder::from_json(*text);
    if (static_cast<std::int64_t>(model.encoder->feature_names().size()) != model.detector.columns()) {
      throw Error(ErrorCode::format, fmt::format("{}: its table encoder makes {} columns, its networks take {}", path,
                                                 model.encoder->feature_names().size(), model.detector.columns()));
    }
  }
  if (const std::string* text = model.detector.attachment(conditions_key))
    model.conditions = TableEncoder::from_json(*text);
  if (const std::string* text = model.detector.attachment(format_key)) model.format = TableFormat::from_json(*text);
  if (!model.format.image) model.format.image = model.detector.options().image;
  if (const std::string* text = model.detector.attachment(patches_key)) {
    const auto [end, error] = std::from_chars(text->data(), text->data() + text->size(), model.patch_stride);
    const bool is_stride = error == std::errc{} && end == text->data() + text->size() && model.patch_stride > 0;
    if (!is_stride || model.patch_stride > widest_patch || !model.format.image || model.conditions) {
      throw Error(ErrorCode::format, fmt::format("{}: the entry '{}' is damaged", path, patches_key));
    }
  }
  if (const std::string* text = model.detector.attachment(labels_key)) model.labels = labels_from_json(*text, path);
  return model;
}

}  // namespace

Matrix beside_each_other(const Matrix& left, const Matrix& right) {
  Matrix both(left.rows, left.columns + right.columns);
  for (std::int64_t r = 0; r < left.rows; ++r) {
    std::copy_n(left.row(r), left.columns, both.row(r));
    std::copy_n(right.row(r), right.columns, both.row(r) + left.columns);
  }
  return both;
}

Matrix FittedModel::encode(const Table& chunk) {
  return encoder ? encoder->encode(chunk) : numeric_matrix(chunk, detector.columns());
}

std::vector<std::string> FittedModel::groups(const Table& chunk) const {
  return fleet ? row_groups(chunk, group_column) : std::vector<std::string>();
}

std::vector<float> FittedModel::score(MatrixView<const float> rows, std::span<const std::string> groups, int explained,
                                      std::vector<Explanation>& explanations) {
  if (fleet) return fleet->explain(rows, groups, explained, explanations);
  return explained > 0 ? detector.explain(rows, explained, explanations) : detector.score(rows);
}

std::vector<float> FittedModel::score_parts(MatrixView<const float> rows, std::span<const std::string> groups,
                                            std::vector<float>& of_parts) {
  return fleet ? fleet->score_methods(rows, groups, of_parts) : detector.score_methods(rows, of_parts);
}

std::vector<float> FittedModel::thresholds(std::int64_t rows, std::span<const std::string> groups) const {
  if (threshold) return std::vector<float>(static_cast<std::size_t>(rows), *threshold);
  return fleet ? fleet->thresholds(groups) : std::vector<float>(static_cast<std::size_t>(rows), detector.threshold());
}

std::vector<float> FittedModel::probability(std::span<const float> scores, std::span<const std::string> groups,
                                            Probability kind) {
  return fleet ? fleet->probability(scores, groups, kind) : detector.probability(scores, kind);
}

std::vector<float> FittedModel::confidence(std::span<const float> scores, std::span<const std::string> groups) {
  return fleet ? fleet->confidence(scores, groups) : detector.confidence(scores);
}

std::string labels_to_json(const LabelNote& labels) {
  std::vector<std::string> texts = labels.normal;
  texts.push_back(labels.column);
  for (const std::string& text : texts) {
    if (is_utf8(text)) continue;  // as the model file needs it
    throw Error(ErrorCode::format, fmt::format("the label '{}' is not UTF-8 text; convert the file first", text));
  }
  json written = json::object();
  const TakenApart parts(written);
  written["column"] = labels.column;
  put_list(written["normal"], labels.normal);
  return written.dump();
}

void attach_table(Detector& detector, const Encoders& encoders, const LabelNote& labels, const TableFormat& format) {
  if (encoders.table) detector.attach(encoder_key, encoders.table->to_json());
  if (encoders.conditions) detector.attach(conditions_key, encoders.conditions->to_json());
  detector.attach(format_key, format.to_json());
  detector.attach(labels_key, labels_to_json(labels));
}

void attach_table(Fleet& fleet, const Encoders& encoders, const LabelNote& labels, const TableFormat& format,
                  const std::string& group_column) {
  if (encoders.table) fleet.attach(encoder_key, encoders.table->to_json());
  if (encoders.conditions) fleet.attach(conditions_key, encoders.conditions->to_json());
  fleet.attach(format_key, format.to_json());
  fleet.attach(labels_key, labels_to_json(labels));
  fleet.attach(group_key, group_column);
}

void attach_patches(Detector& detector, std::int32_t stride) {
  if (stride > 0) detector.attach(patches_key, std::to_string(stride));
}

void attach_patches(Fleet& fleet, std::int32_t stride) {
  if (stride > 0) fleet.attach(patches_key, std::to_string(stride));
}

FittedModel load_model_or_fleet(const Device& device, const std::string& path) {
  if (!Fleet::is_fleet(path)) return load_model(device, path);
  Fleet fleet = Fleet::load(device, path);
  FittedModel model = with_table(fleet.pooled(), path);
  const std::string* column = fleet.attachment(group_key);
  if (column == nullptr) {
    throw Error(ErrorCode::unsupported,
                fmt::format("{}: the model names no column of groups: a program has to score with it", path));
  }
  model.group_column = *column;
  fleet.cancel_by(&cancel_flag());
  model.fleet = std::move(fleet);
  return model;
}

FittedModel load_model(const Device& device, const std::string& path) {
  if (Fleet::is_fleet(path)) {
    throw Error(ErrorCode::unsupported,
                fmt::format("{}: it holds a fleet of models; cugad extract takes the model of one group out", path));
  }
  return with_table(Detector::load(device, path), path);
}

ModelInput::ModelInput(FittedModel& model, const std::string& input, const FlagSet& flags,
                       const std::string& label_column, const std::vector<std::string>& carried, bool keep_text)
    : model_(model) {
  unless_cancelled([&] {
    if (is_image_folder(input)) return open_images(input, flags);
    ReadOptions options = read_options(model, input, flags, label_column, carried);
    options.keep_text = keep_text;
    reader_ = open_table(input, options);
    names_ = reader_->column_names();
    check_no_image_flags(flags, input);
  });
  if (reader_ && model.encoder) check_header(*model.encoder, *reader_, input);
  told_ = notes();
  for (const std::string& note : told_) print_note("cugad: note: " + note);
}

/// Images go to the model as they are, so that it must have been trained on images, or on their numbers.
void ModelInput::open_images(const std::string& input, const FlagSet& flags) {
  ImageOptions options = image_options(flags, input, model_.format.image);
  options.patch_stride = model_.patch_stride;
  images_.emplace(input, options);
  names_ = {file_column, folder_column};
  const std::int64_t columns = model_.detector.columns(), cells = cells_of(images_->shape());
  const std::int64_t given =
      model_.conditions ? static_cast<std::int64_t>(model_.conditions->feature_names().size()) : 0;
  if (cells + given != columns) {
    throw Error(ErrorCode::invalid_argument, fmt::format("{}: images of {} have {} values, the model takes {} columns",
                                                         input, image_shape_text(images_->shape()), cells, columns));
  }
  if (!model_.encoder) return;
  const std::vector<double>& offsets = model_.encoder->offsets();
  const bool is_plain = model_.encoder->numeric_features() == columns &&
                        std::all_of(offsets.begin(), offsets.end(), [](double offset) { return offset == 0.0; });
  if (is_plain) return;
  throw Error(ErrorCode::invalid_argument,
              fmt::format("{}: is a folder of images, and the model was trained on a table", input));
}

const std::vector<PatchGrid>& ModelInput::grids() const {
  static const std::vector<PatchGrid> none;
  return images_ ? images_->grids() : none;
}

bool ModelInput::read(Table& chunk, Matrix& rows, std::int64_t most) {
  if (images_) {
    if (!images_->read(chunk, rows, most)) return false;
    if (model_.conditions) rows = beside_each_other(rows, model_.conditions->encode(chunk));
    return true;
  }
  if (!reader_->read(chunk, most)) return false;
  rows = model_.encode(chunk);
  return true;
}

void ModelInput::for_each_chunk(const std::function<void(const Table& chunk, const Matrix& rows)>& visit) {
  const std::int64_t as_many_cells = std::max<std::int64_t>(1, chunk_cells / model_.detector.columns());
  const std::int64_t most = model_.fleet ? std::max(chunk_rows, as_many_cells) : std::min(chunk_rows, as_many_cells);
  Table chunk;
  Matrix rows;
  while (unless_cancelled([&] { return read(chunk, rows, most); })) {
    stop_if_cancelled();
    if (!chunk.unreadable.empty() && model_.unreadable_rows == 0) {
      model_.unreadable_example = chunk.unreadable.begin()->second;
    }
    model_.unreadable_rows += static_cast<std::int64_t>(chunk.unreadable.size());
    visit(chunk, rows);
    rows_read_ += chunk.rows;
  }
  // Notes that need the whole file, for example repeated headers.
  for (const std::string& note : notes()) {
    if (std::find(told_.begin(), told_.end(), note) == told_.end()) print_note("cugad: note: " + note);
  }
}

std::string describe_groups(const Fleet& fleet) {
  std::int64_t own = 0, small = 0, small_rows = 0;
  for (const FleetGroup& group : fleet.groups()) {
    own += group.own_model;
    small += !group.own_model;
    small_rows += group.own_model ? 0 : group.rows;
  }
  std::string text = fmt::format("{} with models of their own", grouped(own));
  if (small > 0) text += fmt::format(", {} ({} rows) with the pooled one", grouped(small), grouped(small_rows));
  return text;
}

void note_pooled_rows(const FittedModel& model) {
  if (!model.fleet) return;
  const FleetScored& scored = model.fleet->scored();
  if (scored.small + scored.unseen == 0) return;
  std::string text = fmt::format("cugad: note: the pooled model scored {} of {} rows",
                                 grouped(scored.small + scored.unseen), grouped(scored.rows));
  if (scored.small > 0) text += fmt::format("; {} of groups without a model of their own", grouped(scored.small));
  if (scored.unseen > 0) {
    std::vector<std::string> examples;
    for (const std::string& name : scored.examples) examples.push_back(fmt::format("'{}'", one_line(name)));
    text += fmt::format("; {} of groups that the training rows did not have: {}", grouped(scored.unseen),
                        fmt::join(examples, ", "));
  }
  print_note(text);
}

void add_threshold_flags(FlagSet& flags, const std::string& what) {
  flags.add_text("threshold", "X", what + " from this score on [the model's threshold]");
  flags.add_text("contamination", "C", what + " by the threshold that about this share of new normal rows passes");
  flags.add_text("false_alarm_rate", "R", what + " by the conformal threshold of this rate");
}

void print_notes(const Detector& detector, const std::string& known) {
  for (const std::string& note : detector.notes()) {
    if (note != known) print_note("cugad: note: " + one_line(note));
  }
}

void note_threshold(const Detector& detector) {
  const std::int64_t rows = detector.calibration().rows;
  const std::string text = rows == 0 ? "" : threshold_note(rows, detector.options());
  if (!text.empty()) print_note("cugad: note: " + text);
}

void set_threshold(FittedModel& model, const FlagSet& flags) {
  const auto given = [&](const char* name) { return flags.given(name) ? 1 : 0; };
  if (given("threshold") + given("contamination") + given("false_alarm_rate") > 1) {
    throw UsageError("--threshold, --contamination and --false-alarm-rate exclude each other");
  }
  if (flags.given("threshold")) model.threshold = flags.score_threshold();
  const auto set = [&](const auto& to) {
    if (model.fleet) to(*model.fleet);
    to(model.detector);
  };
  if (flags.given("contamination")) {
    set([&, share = static_cast<float>(flags.number("contamination", 0, 0.5))](auto& one) {
      one.set_contamination(share);
    });
  }
  if (flags.given("false_alarm_rate")) {
    set([&, rate = static_cast<float>(flags.number("false_alarm_rate", 1e-9, 0.5))](auto& one) {
      one.set_false_alarm_rate(rate);
    });
  }
  const bool is_new = flags.given("contamination") || flags.given("false_alarm_rate");
  if (is_new && !model.fleet) note_threshold(model.detector);
}

void note_rows_without_value(const FittedModel& model) {
  if (model.unreadable_rows > 0) {
    print_note(fmt::format("cugad: warning: {} rows could not be read and have no score: {}",
                           grouped(model.unreadable_rows), model.unreadable_example));
  }
  if (model.rows_without_value == 0) return;
  print_note(
      fmt::format("cugad: note: {} rows hold no value at all and have no score", grouped(model.rows_without_value)));
}

void note_calibration(const FittedModel& model) {
  const Detector::Calibration calibration = model.detector.calibration();
  // With one distinct row no fold can be held out, and the training has warned of that.
  if (calibration.folds > 1 || calibration.rows <= 1 || model.detector.options().folds > 1) return;
  print_note(
      "cugad: note: the model is calibrated on the rows that it was trained on, as older models and those of --folds 1 "
      "are: new normal rows pass its threshold more often than requested; train it again with --folds 5");
}

void warn_of_unseen_values(const FittedModel& model) {
  const std::optional<TableEncoder>& encoder = model.encoder ? model.encoder : model.conditions;
  if (!encoder || encoder->unseen().empty()) return;
  std::int64_t total = 0;
  std::string columns;
  for (const auto& [name, count] : encoder->unseen()) {
    total += count;
    columns += fmt::format("{}{} ({})", columns.empty() ? "" : ", ", name, count);
  }
  print_note(
      fmt::format("cugad: warning: {} cells hold categories that the training rows did not have: {}", total, columns));
}

}  // namespace cugad::cli
