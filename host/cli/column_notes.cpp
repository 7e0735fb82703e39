#include "host/cli/column_notes.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <limits>

#include "cugad/error.hpp"
#include "host/cli/output.hpp"
#include "host/cli/text.hpp"
#include "host/table/column_names.hpp"
#include "host/text/cell.hpp"

namespace cugad::cli {
namespace {

constexpr std::size_t shown = 10;  ///< columns with their own line, or a name in a list

bool has_value(const Column& column) {
  if (column.is_text)
    return std::any_of(column.texts.begin(), column.texts.end(), [](auto& text) { return !text.empty(); });
  return std::any_of(column.numbers.begin(), column.numbers.end(), [](double number) { return !std::isnan(number); });
}

}  // namespace

std::vector<std::string> doubtful_columns(const Table& table, const std::vector<std::string>& settled) {
  return doubtful_columns(examine_columns(table, settled));
}

std::vector<std::string> doubtful_columns(const std::vector<ColumnFinding>& findings) {
  std::vector<std::string> left_out;
  for (const ColumnFinding& finding : findings) {
    if (finding.advice == ColumnFinding::Advice::refuse) throw Error(ErrorCode::format, finding.text);
    if (finding.advice == ColumnFinding::Advice::leave_out) left_out.push_back(finding.column);
  }
  for (std::size_t f = 0; f < std::min(findings.size(), shown); ++f) {
    print_note(fmt::format("cugad: {}: {}", findings[f].advice == ColumnFinding::Advice::note ? "note" : "warning",
                           findings[f].text));
  }
  if (findings.size() > shown) {
    print_note(fmt::format("cugad: warning: and {} more columns of these kinds; {} are left out in all",
                           grouped(static_cast<std::int64_t>(findings.size() - shown)), left_out.size()));
  }
  return left_out;
}

void ColumnsWithValue::add(const Table& chunk) {
  has_value_.resize(chunk.columns.size(), false);
  for (std::size_t c = 0; c < has_value_.size(); ++c) has_value_[c] = has_value_[c] || has_value(chunk.columns[c]);
}

std::vector<std::string> ColumnsWithValue::others(const std::vector<std::string>& names,
                                                  const std::vector<std::string>& excluded) const {
  const ColumnIndex index(names);
  std::vector<bool> is_excluded(names.size(), false);
  for (const std::string& name : excluded) is_excluded[index.find(name)] = true;
  std::vector<std::string> empty;
  for (std::size_t c = 0; c < names.size(); ++c) {
    if (is_excluded[c] || has_value_[c]) continue;
    empty.push_back(names[c]);
    if (empty.size() > shown) continue;
    print_note(fmt::format("cugad: warning: column '{}' is left out: it holds no value in the rows to train on",
                           cugad::one_line(names[c])));
  }
  return empty;
}

void note_constant_features(MatrixView<const float> rows, const std::vector<std::string>& names) {
  std::vector<std::string> constants;
  std::size_t count = 0;
  for (std::int64_t c = 0; c < rows.columns; ++c) {
    float least = std::numeric_limits<float>::infinity(), most = -least;
    for (std::int64_t r = 0; r < rows.rows && !(most > least); ++r) {
      const float value = rows.row(r)[c];
      if (value < least) least = value;
      if (value > most) most = value;
    }
    if (most > least || ++count > shown) continue;
    constants.push_back(cugad::one_line(names[static_cast<std::size_t>(c)]));
  }
  if (count == 0) return;
  print_note(fmt::format("cugad: note: {} of {} features are constant in the training rows: {}{}",
                         grouped(static_cast<std::int64_t>(count)), grouped(rows.columns), fmt::join(constants, ", "),
                         count > shown ? fmt::format(" and {} more", count - shown) : ""));
}

}  // namespace cugad::cli
