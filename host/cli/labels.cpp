#include "host/cli/labels.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <fstream>

#include "host/cli/command.hpp"
#include "host/cli/image_folder.hpp"
#include "host/cli/output.hpp"
#include "host/cli/text.hpp"
#include "host/text/list_text.hpp"

namespace cugad::cli {
namespace {

constexpr std::size_t described_values = 5;
/// A column with more values is no label; counting on would only cost memory.
constexpr std::size_t counted_values = 10000;

}  // namespace

bool is_npz(const std::string& input) {
  // A pipe is never an .npz, and looking at its first bytes would take them away.
  if (!is_regular_file(input)) return false;
  char start[2] = {};
  std::ifstream(input, std::ios::binary).read(start, sizeof start);
  return start[0] == 'P' && start[1] == 'K';
}

Labelling read_labelling(const FlagSet& flags, const FittedModel& model, const std::string& input) {
  Labelling labelling;
  labelling.column = flags.text("label_column");
  if (labelling.column.empty() && is_npz(input)) labelling.column = "y";
  if (labelling.column.empty() && is_image_folder(input)) labelling.column = folder_column;
  if (labelling.column.empty()) labelling.column = model.labels.column;
  if (labelling.column.empty()) throw UsageError("--label-column is required");
  const bool neither = !flags.given("anomaly") && !flags.given("normal");
  if (neither && labelling.column == model.labels.column && !model.labels.normal.empty()) {
    labelling.values = model.labels.normal;
    labelling.values_are_normal = true;
    return labelling;
  }
  if (flags.given("anomaly") == flags.given("normal")) throw UsageError("give either --anomaly or --normal");
  labelling.values_are_normal = flags.given("normal");
  labelling.values = split_list(flags.required_text(labelling.values_are_normal ? "normal" : "anomaly"));
  return labelling;
}

std::vector<std::int8_t> labels_of(const Table& table, const Labelling& labelling) {
  const std::vector<std::uint8_t> listed = rows_with_value(table, labelling.column, labelling.values);
  const std::vector<std::uint8_t> missing = without_label(table, labelling.column);
  std::vector<std::int8_t> labels(listed.size());
  for (std::size_t r = 0; r < labels.size(); ++r) {
    labels[r] = missing[r] != 0 ? -1 : (listed[r] != 0) != labelling.values_are_normal ? 1 : 0;
  }
  return labels;
}

std::vector<std::uint8_t> without_label(const Table& table, const std::string& name) {
  const Column& column = table.columns[table.find(name)];
  std::vector<std::uint8_t> missing(static_cast<std::size_t>(table.rows));
  for (std::size_t row = 0; row < missing.size(); ++row) {
    missing[row] = column.is_text ? column.texts[row].empty() : std::isnan(column.numbers[row]);
  }
  return missing;
}

std::int64_t count_without_label(const Table& table, const std::string& column) {
  const auto missing = without_label(table, column);
  return std::count(missing.begin(), missing.end(), 1);
}

void note_rows_without_label(std::int64_t rows, const std::string& column) {
  if (rows == 0) return;
  print_note(fmt::format("cugad: note: rows without a label in column '{}' are left out: {}", one_line(column),
                         grouped(rows)));
}

void LabelValues::add(const Table& table, const std::string& name) {
  const Column& column = table.columns[table.find(name)];
  for (std::int64_t row = 0; row < table.rows; ++row) {
    const auto at = static_cast<std::size_t>(row);
    const std::string value = column.is_text ? column.texts[at] : fmt::format("{}", column.numbers[at]);
    const auto found = counts_.find(value);
    if (found != counts_.end()) {
      ++found->second;
    } else if (counts_.size() < counted_values) {
      counts_.emplace(value, 1);
    }
  }
}

std::string LabelValues::describe() const {
  std::vector<std::pair<std::string, std::int64_t>> values(counts_.begin(), counts_.end());
  std::stable_sort(values.begin(), values.end(), [](const auto& a, const auto& b) { return a.second > b.second; });
  std::string text;
  for (std::size_t index = 0; index < std::min(values.size(), described_values); ++index) {
    text += fmt::format("{}'{}'", index == 0 ? "" : ", ", one_line(values[index].first));
  }
  if (values.empty()) return "no values";
  if (values.size() > described_values) text += fmt::format(" and {} more", values.size() - described_values);
  return text;
}

}  // namespace cugad::cli
