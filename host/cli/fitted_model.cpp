#include "host/cli/fitted_model.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>

#include "cugad/error.hpp"
#include "host/cli/command.hpp"
#include "host/cli/output.hpp"
#include "host/cli/signals.hpp"
#include "host/cli/text.hpp"
#include "host/detector/score_calibration.hpp"
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

/// What an attachment of that file says, by `read`, whose errors do not name the file.
template <class Read>
auto read_attachment(const std::string& path, const std::string& text, Read read) {
  try {
    return read(text);
  } catch (const Error& error) {
    throw Error(error.code(), fmt::format("{}: {}", path, error.what()));
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

void refuse_part(const std::string& path) {
  if (!is_part(path)) return;
  throw Error(ErrorCode::format,
              fmt::format("{}: it is a part of a model; cugad merge makes the model of the parts of all shards", path));
}

/// The model with the contents of its attachments.
FittedModel with_table(Detector detector, const std::string& path) {
  FittedModel model{.detector = std::move(detector)};
  model.detector.cancel_by(&cancel_flag());
  if (const std::string* text = model.detector.attachment(encoder_key)) {
    model.encoder = read_attachment(path, *text, TableEncoder::from_json);
    if (static_cast<std::int64_t>(model.encoder->feature_names().size()) != model.detector.columns()) {
      throw Error(ErrorCode::format, fmt::format("{}: its table encoder makes {} columns, its networks take {}", path,
                                                 model.encoder->feature_names().size(), model.detector.columns()));
    }
  }
  if (const std::string* text = model.detector.attachment(conditions_key))
    model.conditions = read_attachment(path, *text, TableEncoder::from_json);
  if (const std::string* text = model.detector.attachment(format_key))
    model.format = read_attachment(path, *text, TableFormat::from_json);
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

std::map<std::string, std::string> table_attachments(const Encoders& encoders, const LabelNote& labels,
                                                     const TableFormat& format, const std::string& group_column,
                                                     std::int32_t patch_stride) {
  std::map<std::string, std::string> attachments = {{format_key, format.to_json()},
                                                    {labels_key, labels_to_json(labels)}};
  if (encoders.table) attachments[encoder_key] = encoders.table->to_json();
  if (encoders.conditions) attachments[conditions_key] = encoders.conditions->to_json();
  if (!group_column.empty()) attachments[group_key] = group_column;
  if (patch_stride > 0) attachments[patches_key] = std::to_string(patch_stride);
  return attachments;
}

void take_attachments(const std::map<std::string, std::string>& attachments, const std::string& path,
                      TableEncoder& encoder, LabelNote& labels, TableFormat& format) {
  for (const char* key : {encoder_key, labels_key, format_key}) {
    if (attachments.contains(key)) continue;
    throw Error(ErrorCode::format, fmt::format("{}: the entry '{}' is not there", path, key));
  }
  encoder = read_attachment(path, attachments.at(encoder_key), TableEncoder::from_json);
  labels = labels_from_json(attachments.at(labels_key), path);
  format = read_attachment(path, attachments.at(format_key), TableFormat::from_json);
}

FittedModel load_model_or_fleet(const Device& device, const std::string& path) {
  refuse_part(path);
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
  refuse_part(path);
  if (Fleet::is_fleet(path)) {
    throw Error(ErrorCode::unsupported,
                fmt::format("{}: it holds a fleet of models; cugad extract takes the model of one group out", path));
  }
  return with_table(Detector::load(device, path), path);
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
    print_note(fmt::format("cugad: warning: rows that could not be read and have no score: {}; {}",
                           grouped(model.unreadable_rows), model.unreadable_example));
  }
  if (model.rows_without_value == 0) return;
  print_note(fmt::format("cugad: note: rows without any value have no score: {}", grouped(model.rows_without_value)));
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
  std::string columns;
  for (const auto& [name, count] : encoder->unseen()) {
    columns += fmt::format("{}{} ({})", columns.empty() ? "" : ", ", name, count);
  }
  print_note("cugad: warning: cells with categories that the training rows did not have: " + columns);
}

}  // namespace cugad::cli
