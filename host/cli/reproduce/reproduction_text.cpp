#include <fmt/format.h>

#include "host/cli/reproduce/grid_sheet.hpp"
#include "host/cli/reproduce/pair_sheet.hpp"
#include "host/cli/reproduce/reproduction.hpp"
#include "host/cli/reproduce/sheet.hpp"
#include "host/cli/text.hpp"

namespace cugad::cli {
namespace {

std::string figure(double value) { return fmt::format("{:.4f}", value); }
std::string seconds(double value) { return fmt::format("{:.1f}", value); }

std::vector<std::string> quality_cells(const Protocol& protocol, const Quality& quality) {
  std::vector<std::string> cells;
  if (protocol.flagged_percent > 0) cells = {figure(quality.precision), figure(quality.recall), figure(quality.f1)};
  cells.push_back(figure(quality.auroc));
  cells.push_back(figure(quality.average_precision));
  return cells;
}

std::vector<std::string> detail_line(const Protocol& protocol, const std::string& name, const std::string& source,
                                     const Quality& quality) {
  std::vector<std::string> cells = {name, source};
  for (const std::string& cell : quality_cells(protocol, quality)) cells.push_back(cell);
  return cells;
}

std::vector<std::string> timed_line(const Protocol& protocol, const std::string& name, const Measurement& result) {
  std::vector<std::string> cells = detail_line(protocol, name, "here", result.quality);
  cells.push_back(seconds(result.train_seconds));
  cells.push_back(seconds(result.score_seconds));
  return cells;
}

void add_setting(Sheet& sheet, const Protocol& protocol, const Contestant& setting,
                 const std::vector<Measurement>& results) {
  sheet.rows.emplace_back();
  for (const Measurement& result : results) {
    sheet.rows.push_back(timed_line(protocol, fmt::format("cugad {}, seed {}", setting.name, result.seed), result));
  }
  sheet.rows.push_back(
      timed_line(protocol, fmt::format("cugad {}, mean of {}", setting.name, results.size()), mean_of(results)));
  if (results.size() < 2) return;
  sheet.rows.push_back(
      detail_line(protocol, fmt::format("cugad {}, deviation", setting.name), "here", deviation_of(results)));
}

/// Every figure on the split of the published ones.
Sheet detail_sheet(const Reproduction& report, const CaseReport& one) {
  const Protocol& protocol = *report.protocol;
  Sheet sheet;
  sheet.head = {{"score", "source", "P", "R", "F1", "AUROC", "AP", "train s", "score s"}};
  for (const PublishedResult& row : protocol.published) {
    sheet.rows.push_back({row.name, "paper", figure(row.precision), figure(row.recall), figure(row.f1)});
  }
  sheet.rows.emplace_back();
  for (const Contestant& baseline : report.baselines) {
    const Quality quality = mean_of(results_on(baseline, one.name)).quality;
    sheet.rows.push_back(detail_line(protocol, baseline.name, "trivial", quality));
  }
  for (const Contestant& setting : report.settings) {
    add_setting(sheet, protocol, setting, results_on(setting, one.name));
  }
  return sheet;
}

/// Means over the cases as papers have them.
std::optional<Sheet> published_sheet(const Protocol& protocol) {
  if (protocol.published.empty() || protocol.flagged_percent > 0) return std::nullopt;
  Sheet sheet;
  sheet.head = {{"published", "mean AUROC"}};
  for (const PublishedResult& row : protocol.published) sheet.rows.push_back({row.name, figure(row.auroc)});
  return sheet;
}

std::string sizes_of(const CaseReport& one) {
  return fmt::format("{}: {} training rows, {} of {} test rows ({} anomalies), {} features.", one.name,
                     grouped(one.size.train_rows), grouped(one.size.test_rows), grouped(one.size.all_test_rows),
                     grouped(one.size.anomalies), one.size.features);
}

std::string render(const Reproduction& report, std::string (*table)(const Sheet&), const std::string& bullet) {
  std::string text = fmt::format("{} on {}. {}\n\n", report.protocol->name, report.device, report.protocol->rule);
  bool grid = false;
  for (const CaseReport& one : report.cases) {
    grid = grid || !one.published_split;
    if (one.published_split) text += sizes_of(one) + "\n\n" + table(detail_sheet(report, one)) + '\n';
  }
  if (grid) {
    const std::size_t seeds = means_per_seed(report, report.settings.front()).size();
    text += fmt::format("Mean of {} {} each; the deviation is that over {}.\n\n", seeds, seeds == 1 ? "seed" : "seeds",
                        report.protocol->has_splits ? "the splits" : "the seeds");
    for (const Sheet& sheet : grid_sheets(report)) text += table(sheet) + '\n';
    if (const std::optional<Sheet> published = published_sheet(*report.protocol)) text += table(*published) + '\n';
    if (const std::optional<Sheet> pairs = pair_sheet(report)) text += pair_rule + ("\n\n" + table(*pairs)) + '\n';
    text += bullet + lost_cases(report) + '\n';
  }
  const std::string& changes = report.settings.front().changes;
  if (!changes.empty()) text += bullet + "Changed by flags: " + changes + '\n';
  for (const std::string& note : report.protocol->notes) text += bullet + note + '\n';
  return text;
}

}  // namespace

std::string as_text(const Reproduction& report) {
  return render(
      report, [](const Sheet& sheet) { return as_text(sheet); }, "");
}

std::string as_markdown(const Reproduction& report) {
  return render(
      report, [](const Sheet& sheet) { return as_markdown(sheet); }, "- ");
}

std::string as_text(const ReproductionGroup& group) {
  std::string text;
  for (const Reproduction& report : group.reports) text += (text.empty() ? "" : "\n\n") + as_text(report);
  return text;
}

std::string as_markdown(const ReproductionGroup& group) {
  std::string text;
  for (const Reproduction& report : group.reports) text += (text.empty() ? "" : "\n") + as_markdown(report);
  return text;
}

}  // namespace cugad::cli
