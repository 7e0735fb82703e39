#include "host/cli/feature_cells.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "cugad/error.hpp"
#include "host/cli/output.hpp"
#include "host/cli/text.hpp"
#include "host/detector/column_roles.hpp"
#include "host/text/cell.hpp"
#include "host/text/list_text.hpp"

namespace cugad::cli {

double table_number(const FittedModel& model, std::int64_t feature, float value) {
  return double{value} + (model.encoder ? model.encoder->offsets()[static_cast<std::size_t>(feature)] : 0.0);
}

CompletedRows::CompletedRows(const FittedModel& model, const ModelInput& input, bool rounds, bool bands)
    : model_(model), input_(input), bands_(bands) {
  const TableFormat format = input.format();
  separator_ = format.separator == 0 ? ',' : format.separator;
  const std::vector<std::string>& names = input.column_names();
  const ColumnRoles roles = column_roles(model.detector.options(), model.detector.column_names());
  std::vector<bool> is_condition(roles.order.size());
  for (std::size_t c = roles.order.size() - static_cast<std::size_t>(roles.condition); c < roles.order.size(); ++c) {
    is_condition[static_cast<std::size_t>(roles.order[c])] = true;
  }
  if (!model.encoder) {
    for (std::size_t c = 0; c < names.size(); ++c) {
      sources_.push_back({.feature = static_cast<std::int64_t>(c), .is_condition = is_condition[c]});
    }
    return;
  }
  categorical_ = categorical_columns(*model.encoder);
  const std::vector<std::string>& features = model.encoder->feature_names();
  const auto numeric_end = features.begin() + model.encoder->numeric_features();
  for (const std::string& name : names) {
    Source source;
    if (const auto numeric = std::find(features.begin(), numeric_end, name); numeric != numeric_end) {
      source.feature = numeric - features.begin();
      if (rounds) source.decimals = model.encoder->decimals()[static_cast<std::size_t>(source.feature)];
      if (const auto known = format.columns.find(name); known != format.columns.end()) source.format = known->second;
    }
    for (const CategoricalColumn& column : categorical_) {
      if (column.name == name && !column.values.empty()) source.categorical = &column;
    }
    const std::int64_t first = source.categorical != nullptr ? source.categorical->first_feature : source.feature;
    source.is_condition = first >= 0 && is_condition[static_cast<std::size_t>(first)];
    sources_.push_back(std::move(source));
  }
  use_decimal_sign(format);
}

/// A column of integers shows no decimal sign: it takes that of the others.
void CompletedRows::use_decimal_sign(const TableFormat& format) {
  const auto is_whole = [&](const Source& source) {
    return model_.encoder->decimals()[static_cast<std::size_t>(source.feature)] == 0 && source.format.decimal == '.';
  };
  bool has_comma = false, has_point = false;
  for (const Source& source : sources_) {
    if (source.feature < 0 || is_whole(source)) continue;
    (source.format.decimal == ',' ? has_comma : has_point) = true;
  }
  const char of_file = format.decimal != 0 ? format.decimal : has_comma && !has_point ? ',' : '.';
  for (Source& source : sources_) {
    if (source.feature >= 0 && (format.decimal != 0 || is_whole(source))) source.format.decimal = of_file;
  }
}

std::string CompletedRows::header() const {
  std::vector<std::string> names = input_.header();
  if (names.empty()) return "";
  for (std::size_t c = 0; bands_ && c < sources_.size(); ++c) {
    if (sources_[c].feature < 0) continue;
    for (const char* end : {"_low", "_high"}) {
      names.push_back(names[c] + end);
      if (std::find(names.begin(), names.end() - 1, names.back()) == names.end() - 1) continue;
      throw Error(ErrorCode::invalid_argument,
                  fmt::format("the table has a column '{}', which --bands would add: rename it, or leave --bands out",
                              one_line(names.back())));
    }
  }
  std::string line;
  for (std::size_t c = 0; c < names.size(); ++c) {
    if (c > 0) line += separator_;
    line += csv_cell(names[c], separator_);
  }
  return line + '\n';
}

std::string CompletedRows::number(const Source& source, float value) const {
  const double number = table_number(model_, source.feature, value);
  const bool has_offset = number != double{value};
  std::string text = source.decimals >= 0 ? fmt::format("{:.{}f}", std::abs(number), source.decimals)
                     : has_offset         ? fmt::format("{}", std::abs(number))
                                          : fmt::format("{}", std::abs(value));
  const bool is_zero = text.find_first_of("123456789") == std::string::npos;
  std::replace(text.begin(), text.end(), '.', source.format.decimal);
  text = (number < 0 && !is_zero ? "-" : "") + source.format.prefix + text + source.format.suffix;
  return csv_cell(text, separator_);
}

/// A cell of an array.
std::string CompletedRows::written_cell(const Column& column, std::int64_t row) const {
  if (column.is_text) return csv_cell(column.texts[static_cast<std::size_t>(row)], separator_);
  const double number = column.numbers[static_cast<std::size_t>(row)];
  const auto single = static_cast<float>(number);
  return double{single} == number && std::trunc(number) != number ? fmt::format("{}", single) : number_text(number);
}

bool CompletedRows::is_missing(const Source& source, const float* given) const {
  if (source.categorical != nullptr) return std::isnan(given[source.categorical->first_feature]);
  return source.feature >= 0 && std::isnan(given[source.feature]);
}

void CompletedRows::count(const Table& chunk, std::int64_t row, const float* given) {
  for (std::size_t c = 0; c < sources_.size(); ++c) {
    Source& source = sources_[c];
    const Column& column = chunk.columns[c];
    const bool is_known = source.feature >= 0 || source.categorical != nullptr;
    const bool stays = is_known ? source.is_condition && is_missing(source, given)
                                : column.is_text && column.texts[static_cast<std::size_t>(row)].empty();
    source.missing_counted += stays ? 1 : 0;
  }
}

void CompletedRows::print_notes() const {
  const std::vector<std::string>& names = input_.column_names();
  std::vector<std::string> unknown;
  std::int64_t cells = 0;
  for (std::size_t c = 0; c < sources_.size(); ++c) {
    const Source& source = sources_[c];
    if (source.missing_counted == 0) continue;
    const std::string name = fmt::format("'{}'", one_line(names[c]));
    if (source.is_condition) {
      print_note(fmt::format("cugad: note: column {} is a condition, which is not predicted: {} rows {}", name,
                             grouped(source.missing_counted),
                             source.categorical != nullptr ? "stay without it" : "take its centre"));
      continue;
    }
    cells += source.missing_counted;
    unknown.push_back(name);
  }
  if (cells == 0) return;
  constexpr std::size_t most_named = 10;
  const std::size_t more = unknown.size() > most_named ? unknown.size() - most_named : 0;
  unknown.resize(unknown.size() - more);
  print_note(fmt::format("cugad: note: missing cells in columns that the model does not have: {}, in {}{}",
                         grouped(cells), fmt::join(unknown, ", "), more > 0 ? fmt::format(" and {} more", more) : ""));
}

std::int64_t CompletedRows::append(std::string& text, const Table& chunk, std::int64_t row, const float* given,
                                   const float* filled, const float* low, const float* high) const {
  std::int64_t count = 0;
  std::size_t copied = 0;  // of the written row
  const WrittenRow* written = chunk.written.empty() ? nullptr : &chunk.written[static_cast<std::size_t>(row)];
  for (std::size_t c = 0; c < sources_.size(); ++c) {
    const Source& source = sources_[c];
    if (written == nullptr && c > 0) text += separator_;
    if (is_missing(source, given) && !(source.is_condition && source.categorical != nullptr)) {
      ++count;
      if (written != nullptr) text.append(written->text, copied, written->cells[c].first - copied);
      text += source.feature >= 0 ? number(source, filled[source.feature])
                                  : csv_cell(source.categorical->decoded(filled), separator_);
      if (written != nullptr) copied = written->cells[c].second;
    } else if (written == nullptr) {
      text += written_cell(chunk.columns[c], row);
    }
  }
  if (written != nullptr) text.append(written->text, copied);
  const char* const no_value = separator_ == ' ' ? "NA" : "";
  for (const Source& source : sources_) {
    if (!bands_ || source.feature < 0) continue;
    const bool is_filled = std::isnan(given[source.feature]) && !source.is_condition;
    for (const float* end : {low, high}) {
      text += separator_;
      text += is_filled ? number(source, end[source.feature]) : no_value;
    }
  }
  text += '\n';
  return count;
}

}  // namespace cugad::cli
