#include "host/report/reason_text.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "host/text/cell.hpp"

namespace cugad {
namespace {

constexpr const char* no_value = "no value";
/// Rounds to 0 %.
constexpr float smallest_share = 0.005f;

/// A column of the table and one of its values; a number has no value of its own.
struct Feature {
  std::string column, value;
};

/// The table's column of that name, or null.
const Column* column_of(const Table& chunk, const std::string& name) {
  for (const Column& column : chunk.columns) {
    if (column.name == name) return &column;
  }
  return nullptr;
}

/// A category's feature is named "column=value", and the name of the column may hold a '=', too.
Feature feature_of(const Table& chunk, const std::string& name) {
  if (column_of(chunk, name) != nullptr) return {name, ""};
  std::size_t end = name.find('=');
  for (std::size_t next = end; next != std::string::npos; next = name.find('=', next + 1)) {
    if (column_of(chunk, name.substr(0, next)) != nullptr) end = next;
  }
  if (end == std::string::npos) return {name, ""};
  return {name.substr(0, end), name.substr(end + 1)};
}

/// What the table holds in a column; empty if it has no such column.
std::string cell_text(const Column* column, std::size_t row) {
  if (column == nullptr) return "";
  return column->is_text ? column->texts[row] : number_text(column->numbers[row]);
}

/// A number with two digits of the range that it bounds, or else with four of its own.
std::string rounded(double number, double range) {
  const double size = std::abs(number);
  if (size >= 1e15 || (size > 0.0 && size < 1e-6)) return fmt::format("{:.4g}", number);
  const double digits =
      range > 0.0 ? 1.0 - std::floor(std::log10(range)) : 3.0 - std::floor(std::log10(std::max(size, 1e-6)));
  std::string text = fmt::format("{:.{}f}", number, static_cast<int>(std::clamp(digits, 0.0, 12.0)));
  if (text.find('.') != std::string::npos) {
    text.erase(text.find_last_not_of('0') + 1);
    if (text.back() == '.') text.pop_back();
  }
  return text == "-0" ? "0" : text;
}

/// What is expected of a number that differs by `offset` from what the model sees.
std::string expected_number(const ExpectedCell& expected, double offset, double number) {
  const double low = double{expected.low} + offset, high = double{expected.high} + offset;
  const std::string from = rounded(low, high - low), to = rounded(high, high - low);
  std::string text = (from == to ? from : from + " to " + to) + " expected";
  const auto seen = static_cast<float>(number - offset);
  if (seen < expected.least) text += fmt::format("; at least {:.6g} in training", double{expected.least} + offset);
  if (seen > expected.most) text += fmt::format("; at most {:.6g} in training", double{expected.most} + offset);
  return text;
}

/// What is expected of a category.
std::string expected_category(const std::vector<std::string>& features, const Table& chunk,
                              const ExpectedCell& expected) {
  if (expected.category < 0) return "unusual";
  const std::string value = feature_of(chunk, features[static_cast<std::size_t>(expected.category)]).value;
  if (std::isnan(expected.likelihood)) return value + " expected";
  return fmt::format("{} is {:.0f} % likely", value, 100.0f * expected.likelihood);
}

}  // namespace

std::string ReasonText::line() const {
  if (empty()) return "";
  return fmt::format("{}{}{}: {} ({:.0f} %)", column, expectation == no_value ? "" : "=", value, expectation,
                     100.0f * share);
}

ReasonText reason_text(const Explanation& explanation, std::size_t index, const std::vector<std::string>& features,
                       const TableEncoder* encoder, const Table& chunk, std::size_t row, const float* values) {
  const Finding finding = explanation.finding[index];
  if (finding == Finding::residual && explanation.share[index] < smallest_share) return {};
  const auto number = static_cast<std::size_t>(explanation.column[index]);
  const Feature feature = feature_of(chunk, features[number]);
  const ExpectedCell& expected = explanation.expected[index];
  ReasonText reason{.column = feature.column, .value = "", .expectation = no_value, .share = explanation.share[index]};
  if (finding == Finding::missing) return reason;
  const Column* column = column_of(chunk, feature.column);
  const bool is_pixel = column == nullptr && feature.value.empty();
  reason.value = is_pixel ? number_text(values[number]) : cell_text(column, row);
  if (!feature.value.empty()) {
    reason.expectation =
        finding == Finding::unseen ? "not seen in training" : expected_category(features, chunk, expected);
    return reason;
  }
  // Models see numbers less the encoder's offsets.
  const double offset = encoder != nullptr && number < encoder->offsets().size() ? encoder->offsets()[number] : 0.0;
  if (finding == Finding::unseen) {
    const std::string constant = offset == 0.0 ? fmt::format("{}", expected.low) : number_text(expected.low + offset);
    reason.expectation = "always " + constant + " in training";
    return reason;
  }
  const double given = is_pixel                               ? double{values[number]}
                       : column == nullptr || column->is_text ? std::nan("")
                                                              : column->numbers[row];
  reason.expectation = expected_number(expected, offset, given);
  return reason;
}

}  // namespace cugad
