#include "host/cli/fitted_model.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <nlohmann/json.hpp>

#include "cugad/error.hpp"
#include "host/cli/output.hpp"
#include "host/cli/signals.hpp"

namespace cugad::cli {
namespace {

using nlohmann::json;

constexpr const char* encoder_key = "encoder";
constexpr const char* labels_key = "labels";
constexpr std::int64_t chunk_rows = 8192;

LabelNote labels_from_json(const std::string& text, const std::string& path) {
  const json parsed = json::parse(text, nullptr, false);
  try {
    return {parsed.at("column").get<std::string>(), parsed.at("normal").get<std::vector<std::string>>()};
  } catch (const json::exception&) {
    throw Error(ErrorCode::format, fmt::format("{}: the entry '{}' is damaged", path, labels_key));
  }
}

/// Rows for a detector without an encoder: the table's columns as they stand.
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

ReadOptions read_options(const FittedModel& model, const std::string& label_column) {
  ReadOptions options;
  if (model.encoder) options.text_columns = model.encoder->read_options().text_columns;
  if (!label_column.empty()) options.text_columns.push_back(label_column);
  // A table may have text columns that the model never saw: they must not stop the reading.
  options.infer_text = true;
  return options;
}

}  // namespace

Matrix FittedModel::encode(const Table& chunk) {
  return encoder ? encoder->encode(chunk) : numeric_matrix(chunk, detector.columns());
}

void attach_table(Detector& detector, const TableEncoder& encoder, const LabelNote& labels) {
  detector.attach(encoder_key, encoder.to_json());
  detector.attach(labels_key, json{{"column", labels.column}, {"normal", labels.normal}}.dump());
}

FittedModel load_model(const Device& device, const std::string& path) {
  FittedModel model{Detector::load(device, path), std::nullopt, {}};
  if (const std::string* text = model.detector.attachment(encoder_key)) {
    model.encoder = TableEncoder::from_json(*text);
    if (static_cast<std::int64_t>(model.encoder->feature_names().size()) != model.detector.columns()) {
      throw Error(ErrorCode::format, fmt::format("{}: its table encoder makes {} columns, its networks take {}", path,
                                                 model.encoder->feature_names().size(), model.detector.columns()));
    }
  }
  if (const std::string* text = model.detector.attachment(labels_key)) model.labels = labels_from_json(*text, path);
  return model;
}

ModelInput::ModelInput(FittedModel& model, const std::string& input, const std::string& label_column)
    : model_(model), reader_(open_table(input, read_options(model, label_column))) {
  // The label column of the training table is no feature here either: kept as text, its cells can hold anything. (That
  // it is there is known only once the file is open, and standard input opens only once.)
  const std::string& trained = model.labels.column;
  const auto& names = reader_->column_names();
  if (label_column.empty() && input != "-" && std::find(names.begin(), names.end(), trained) != names.end()) {
    reader_ = open_table(input, read_options(model, trained));
  }
}

void ModelInput::for_each_chunk(const std::function<void(const Table& chunk, const Matrix& rows)>& visit) {
  Table chunk;
  while (reader_->read(chunk, chunk_rows)) {
    stop_if_cancelled();
    visit(chunk, model_.encode(chunk));
  }
}

void warn_of_unseen_values(const FittedModel& model) {
  if (!model.encoder || model.encoder->unseen().empty()) return;
  std::int64_t total = 0;
  std::string columns;
  for (const auto& [name, count] : model.encoder->unseen()) {
    total += count;
    columns += fmt::format("{}{} ({})", columns.empty() ? "" : ", ", name, count);
  }
  print_note(
      fmt::format("cugad: warning: {} cells hold categories that the training rows did not have: {}", total, columns));
}

}  // namespace cugad::cli
