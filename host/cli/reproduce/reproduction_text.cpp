#include <fmt/format.h>

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

std::vector<const Contestant*> contestants_of(const Reproduction& report) {
  std::vector<const Contestant*> contestants;
  for (const Contestant& setting : report.settings) contestants.push_back(&setting);
  for (const Contestant& baseline : report.baselines) contestants.push_back(&baseline);
  return contestants;
}

void append(std::vector<std::string>& line, const std::vector<std::string>& cells) {
  line.insert(line.end(), cells.begin(), cells.end());
}

/// What a contestant shows in each line of the grid: figures of the ranking, as thresholds are for the published split.
std::vector<std::string> grid_cells(const Quality& quality) {
  return {figure(quality.auroc), figure(quality.average_precision)};
}

Sheet grid_head(const Reproduction& report) {
  Sheet sheet;
  std::vector<std::string> names = {"", "train", "test", "", ""};
  std::vector<std::string> figures = {"", "rows", "rows", "anomalies", "columns"};
  for (const Contestant& setting : report.settings) append(names, {setting.name, ""});
  for (const Contestant& baseline : report.baselines) append(names, {baseline.key, ""});
  for (std::size_t index = 0; index < contestants_of(report).size(); ++index) append(figures, {"AUROC", "AP"});
  for (const Contestant& setting : report.settings) {
    append(names, {"seconds"});
    append(figures, {setting.key});
  }
  sheet.head = {names, figures};
  return sheet;
}

std::vector<std::string> case_line(const Reproduction& report, const CaseReport& one) {
  std::vector<std::string> line = {one.name, fmt::format("{}", one.size.train_rows),
                                   fmt::format("{}", one.size.test_rows), fmt::format("{}", one.size.anomalies),
                                   fmt::format("{}", one.size.features)};
  for (const Contestant* contestant : contestants_of(report)) {
    append(line, grid_cells(mean_of(results_on(*contestant, one.name)).quality));
  }
  for (const Contestant& setting : report.settings) {
    const Measurement mean = mean_of(results_on(setting, one.name));
    line.push_back(seconds(mean.train_seconds + mean.score_seconds));
  }
  return line;
}

/// The mean over all cases for one seed; a baseline without seeds has none.
std::vector<std::string> seed_line(const Reproduction& report, std::size_t seed) {
  std::vector<std::string> line = {fmt::format("seed {}", report.settings.front().results.at(seed).seed), "", "", "",
                                   ""};
  for (const Contestant* contestant : contestants_of(report)) {
    const std::vector<Measurement> means = means_per_seed(report, *contestant);
    append(line, seed < means.size() ? grid_cells(means[seed].quality) : std::vector<std::string>(2));
  }
  return line;
}

/// One line for each case, contestants side by side, each the mean over its seeds; then the means over the cases.
Sheet grid_sheet(const Reproduction& report) {
  Sheet sheet = grid_head(report);
  for (const CaseReport& one : report.cases) {
    if (!one.published_split) sheet.rows.push_back(case_line(report, one));
  }
  sheet.rows.emplace_back();
  const std::size_t seeds = means_per_seed(report, report.settings.front()).size();
  for (std::size_t seed = 0; seed < seeds && seeds > 1; ++seed) sheet.rows.push_back(seed_line(report, seed));
  std::vector<std::string> mean = {"mean", "", "", "", ""}, deviation = {"deviation", "", "", "", ""};
  for (const Contestant* contestant : contestants_of(report)) {
    append(mean, grid_cells(mean_of(means_per_case(report, *contestant)).quality));
    append(deviation, grid_cells(spread_of(report, *contestant)));
  }
  sheet.rows.push_back(mean);
  if (report.protocol->has_splits || seeds > 1) sheet.rows.push_back(deviation);
  return sheet;
}

/// The cases on which the first setting ranks worse than the best of the neighbours.
std::string lost_cases(const Reproduction& report) {
  std::string lost;
  for (const CaseReport& one : report.cases) {
    if (one.published_split) continue;
    double best = 0;
    for (const Contestant& baseline : report.baselines) {
      if (!baseline.key.starts_with("knn")) continue;
      best = std::max(best, mean_of(results_on(baseline, one.name)).quality.auroc);
    }
    if (mean_of(results_on(report.settings.front(), one.name)).quality.auroc < best) {
      lost += (lost.empty() ? "" : ", ") + one.name;
    }
  }
  return "AUROC below the better kNN on: " + (lost.empty() ? "none" : lost);
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
    text += table(grid_sheet(report)) + '\n' + bullet + lost_cases(report) + '\n';
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

}  // namespace cugad::cli
