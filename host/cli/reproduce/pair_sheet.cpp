#include "host/cli/reproduce/pair_sheet.hpp"

#include <fmt/format.h>

#include "host/cli/reproduce/paired_comparison.hpp"

namespace cugad::cli {
namespace {

void append(std::vector<std::string>& line, const std::vector<std::string>& cells) {
  line.insert(line.end(), cells.begin(), cells.end());
}

std::vector<std::string> pair_cells(const PairedFigure* pair) {
  if (pair == nullptr) return std::vector<std::string>(3);
  return {fmt::format("{:+.4f}", pair->difference), fmt::format("{}/{}/{}", pair->wins, pair->ties, pair->losses),
          fmt::format("{:.4f}", pair->test.p)};
}

/// The figures of `shown`, and of a comparison that it takes part in.
std::vector<std::string> line_of(const Reproduction& report, const std::string& name, const Contestant& shown,
                                 const PairedComparison* pair) {
  const Measurement mean = mean_of(means_per_case(report, shown));
  std::vector<std::string> line = {name, fmt::format("{:.4f}", mean.quality.auroc)};
  append(line, pair_cells(pair == nullptr ? nullptr : &pair->auroc));
  line.push_back(fmt::format("{:.4f}", mean.quality.average_precision));
  append(line, pair_cells(pair == nullptr ? nullptr : &pair->average_precision));
  line.push_back(fmt::format("{:.2f}", mean.train_seconds + mean.score_seconds));
  return line;
}

}  // namespace

const char* const pair_rule =
    "Under each setting the baselines: its mean minus theirs, the sets that it wins/ties/loses (tie: within .004), "
    "and\n"
    "p of Wilcoxon's signed-rank test over the sets (two-sided; exact up to 50 sets, then normal with the variance of\n"
    "ties). Seconds are those of fitting and scoring.";

std::optional<Sheet> pair_sheet(const Reproduction& report) {
  const std::vector<PairedComparison> pairs = baseline_comparisons(report);
  if (pairs.empty()) return std::nullopt;
  Sheet sheet;
  sheet.head = {{"", "AUROC", "", "", "", "AP", "", "", "", "seconds"},
                {"", "mean", "difference", "w/t/l", "p", "mean", "difference", "w/t/l", "p", "per set"}};
  const Contestant* above = nullptr;
  for (const PairedComparison& pair : pairs) {
    if (above != pair.contestant) {
      if (above != nullptr) sheet.rows.emplace_back();
      above = pair.contestant;
      sheet.rows.push_back(line_of(report, above->name, *above, nullptr));
    }
    sheet.rows.push_back(line_of(report, pair.opponent->name, *pair.opponent, &pair));
  }
  sheet.rows.emplace_back();
  for (const PairedComparison& pair : sum_comparisons(report)) {
    const std::string name = fmt::format("{}, against {}", pair.contestant->name, pair.opponent->name);
    sheet.rows.push_back(line_of(report, name, *pair.contestant, &pair));
  }
  return sheet;
}

}  // namespace cugad::cli
