#include "host/cli/reproduce/comparison.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <nlohmann/json.hpp>

#include "host/cli/reproduce/sheet.hpp"
#include "host/cli/text.hpp"

namespace cugad::cli {
namespace {

using nlohmann::ordered_json;

bool has_grid(const Reproduction& report) {
  return std::any_of(report.cases.begin(), report.cases.end(), [](const auto& one) { return !one.published_split; });
}

/// The contestant's mean over the cases, or on the published split if that is the only case.
Quality overall(const Reproduction& report, const Contestant& contestant) {
  return mean_of(has_grid(report) ? means_per_case(report, contestant) : contestant.results).quality;
}

const Contestant* find(const std::vector<Contestant>& contestants, const std::string& key) {
  const auto found = std::find_if(contestants.begin(), contestants.end(), [&](const auto& c) { return c.key == key; });
  return found == contestants.end() ? nullptr : &*found;
}

using Group = std::vector<Contestant> Reproduction::*;

/// All contestants of a group over the protocols, in the order of their first appearance.
std::vector<const Contestant*> rows_of(const Comparison& comparison, Group group) {
  std::vector<const Contestant*> rows;
  for (const Reproduction& report : comparison.reports) {
    for (const Contestant& one : report.*group) {
      if (std::none_of(rows.begin(), rows.end(), [&](const auto* row) { return row->key == one.key; })) {
        rows.push_back(&one);
      }
    }
  }
  return rows;
}

std::vector<std::string> line_of(const Comparison& comparison, Group group, const Contestant& row) {
  std::vector<std::string> line = {row.name};
  for (const Reproduction& report : comparison.reports) {
    const bool flags = report.protocol->flagged_percent > 0;
    const Contestant* found = find(report.*group, row.key);
    if (found == nullptr) {
      line.insert(line.end(), flags ? 3 : 2, "");
      continue;
    }
    const Quality quality = overall(report, *found);
    if (flags) line.push_back(fmt::format("{:.3f}", quality.f1));
    line.push_back(fmt::format("{:.4f}", quality.auroc));
    line.push_back(fmt::format("{:.4f}", quality.average_precision));
  }
  return line;
}

Sheet sheet_of(const Comparison& comparison) {
  Sheet sheet;
  std::vector<std::string> titles = {""}, figures = {"method"};
  for (std::size_t index = 0; index < comparison.reports.size(); ++index) {
    const bool flags = comparison.reports[index].protocol->flagged_percent > 0;
    titles.push_back(comparison.titles[index]);
    titles.insert(titles.end(), flags ? 2 : 1, "");
    if (flags) figures.emplace_back("F1");
    figures.insert(figures.end(), {"AUROC", "AP"});
  }
  sheet.head = {titles, figures};
  for (const Contestant* row : rows_of(comparison, &Reproduction::settings)) {
    sheet.rows.push_back(line_of(comparison, &Reproduction::settings, *row));
  }
  sheet.rows.emplace_back();
  for (const Contestant* row : rows_of(comparison, &Reproduction::baselines)) {
    sheet.rows.push_back(line_of(comparison, &Reproduction::baselines, *row));
  }
  return sheet;
}

/// The cases or runs over which the report's figures are means.
std::string means_over(const Reproduction& report) {
  const std::size_t cases = report.cases.size();
  const std::size_t trainings = report.settings.empty() ? 0 : report.settings.front().results.size();
  const std::string seeds = fmt::format("seeds: {}", trainings / cases);
  const Protocol& protocol = *report.protocol;
  if (protocol.has_splits) {
    return fmt::format("random splits: {}, no anomaly among the training rows; {}", cases, seeds);
  }
  if (protocol.has_classes) return fmt::format("digits: {}; {}", cases, seeds);
  if (has_grid(report)) return fmt::format("sets: {}; {}", cases, seeds);
  return fmt::format("test rows: {}; {}", grouped(report.cases.front().size.test_rows), seeds);
}

std::string render(const Comparison& comparison, const std::string& table, const std::string& bullet) {
  std::string text = table + '\n';
  text += bullet + "The defaults of every method, nothing chosen per table; below the methods trivial baselines.\n";
  for (std::size_t index = 0; index < comparison.reports.size(); ++index) {
    const Reproduction& report = comparison.reports[index];
    text += fmt::format("{}{} ({}; {}): {}\n", bullet, comparison.titles[index], means_over(report), report.device,
                        one_line(report.protocol->rule));
  }
  return text;
}

}  // namespace

const std::vector<ComparedProtocol>& compared_protocols() {
  static const std::vector<ComparedProtocol> list = {{"KDD99", "kdd99", "kdd99-anogan"},
                                                     {"Arrhythmia", "arrhythmia", "arrhythmia-anogan"},
                                                     {"ADBench", "adbench", "adbench"},
                                                     {"MNIST", "mnist-dense", "mnist-dense"}};
  return list;
}

std::string as_text(const Comparison& comparison) { return render(comparison, as_text(sheet_of(comparison)), ""); }

std::string as_markdown(const Comparison& comparison) {
  return render(comparison, as_markdown(sheet_of(comparison)), "- ");
}

std::string as_json(const Comparison& comparison) {
  ordered_json object = {{"protocol", "comparison"}, {"protocols", ordered_json::array()}};
  for (const Reproduction& report : comparison.reports) {
    object["protocols"].push_back(ordered_json::parse(as_json(report)));
  }
  return object.dump() + '\n';
}

}  // namespace cugad::cli
