#include "host/cli/reproduce/grid_sheet.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cstdlib>

namespace cugad::cli {
namespace {

using Figure = double Quality::*;

constexpr std::size_t size_columns = 4;

std::string figure_text(double value) { return fmt::format("{:.4f}", value); }

std::vector<const Contestant*> contestants_of(const Reproduction& report) {
  std::vector<const Contestant*> contestants;
  for (const auto group : {&Reproduction::settings, &Reproduction::sums, &Reproduction::baselines}) {
    for (const Contestant& one : report.*group) contestants.push_back(&one);
  }
  return contestants;
}

/// A title on two lines, split at the space that is nearest to its middle.
struct Title {
  std::string above, below;

  explicit Title(std::string text) : above(std::move(text)) {
    const auto from_middle = [this](std::size_t at) {
      return std::abs(static_cast<std::ptrdiff_t>(2 * at) - static_cast<std::ptrdiff_t>(above.size()));
    };
    std::size_t best = above.find(' ');
    for (std::size_t at = best; at != std::string::npos; at = above.find(' ', at + 1)) {
      if (from_middle(at) < from_middle(best)) best = at;
    }
    if (best == std::string::npos) return;
    below = above.substr(best + 1);
    above.resize(best);
  }
};

/// The grid of one figure.
class Grid {
 public:
  /// `complete`: with sizes and seconds.
  Grid(const Reproduction& report, const std::string& name, Figure figure, bool complete)
      : report_(report), figure_(figure), complete_(complete), contestants_(contestants_of(report)) {
    add_head(name);
    for (const CaseReport& one : report.cases) {
      if (!one.published_split) add_case(one);
    }
    sheet_.rows.emplace_back();
    add_means();
  }

  const Sheet& sheet() const { return sheet_; }

 private:
  void add_title(const std::string& text) {
    const Title title(text);
    sheet_.head[0].push_back(title.above);
    sheet_.head[1].push_back(title.below);
  }

  void add_head(const std::string& name) {
    sheet_.head = {{name}, {""}};
    if (complete_) {
      for (const char* size : {"train rows", "test rows", "anomalies", "columns"}) add_title(size);
    }
    for (const Contestant* contestant : contestants_) add_title(contestant->name);
    if (!complete_) return;
    for (const Contestant& setting : report_.settings) add_title("seconds " + setting.key);
  }

  void add_case(const CaseReport& one) {
    std::vector<std::string> line = {one.name};
    if (complete_) {
      const CaseSize& size = one.size;
      for (const std::int64_t number : {size.train_rows, size.test_rows, size.anomalies, size.features}) {
        line.push_back(fmt::format("{}", number));
      }
    }
    for (const Contestant* contestant : contestants_) {
      line.push_back(figure_text(mean_of(results_on(*contestant, one.name)).quality.*figure_));
    }
    if (complete_) {
      for (const Contestant& setting : report_.settings) {
        const Measurement mean = mean_of(results_on(setting, one.name));
        line.push_back(fmt::format("{:.1f}", mean.train_seconds + mean.score_seconds));
      }
    }
    sheet_.rows.push_back(line);
  }

  std::vector<std::string> summary(const std::string& title) const {
    std::vector<std::string> line = {title};
    line.resize(1 + (complete_ ? size_columns : 0));
    return line;
  }

  /// The mean over all cases for each seed, if there is more than one; then over both, and the deviation.
  void add_means() {
    const std::vector<Measurement> seeds = means_per_seed(report_, report_.settings.front());
    for (std::size_t seed = 0; seed < seeds.size() && seeds.size() > 1; ++seed) {
      std::vector<std::string> line = summary(fmt::format("seed {}", report_.settings.front().results.at(seed).seed));
      for (const Contestant* contestant : contestants_) {
        // A baseline without seeds has one result for all.
        const std::vector<Measurement> means = means_per_seed(report_, *contestant);
        line.push_back(seed < means.size() ? figure_text(means[seed].quality.*figure_) : "");
      }
      sheet_.rows.push_back(line);
    }
    std::vector<std::string> mean = summary("mean"), deviation = summary("deviation");
    for (const Contestant* contestant : contestants_) {
      mean.push_back(figure_text(mean_of(means_per_case(report_, *contestant)).quality.*figure_));
      deviation.push_back(figure_text(spread_of(report_, *contestant).*figure_));
    }
    sheet_.rows.push_back(mean);
    if (report_.protocol->has_splits || seeds.size() > 1) sheet_.rows.push_back(deviation);
  }

  const Reproduction& report_;
  Figure figure_;
  bool complete_;
  std::vector<const Contestant*> contestants_;
  Sheet sheet_;
};

}  // namespace

std::vector<Sheet> grid_sheets(const Reproduction& report) {
  std::vector<Sheet> sheets = {Grid(report, "AUROC", &Quality::auroc, true).sheet(),
                               Grid(report, "AP", &Quality::average_precision, false).sheet()};
  if (report.protocol->measures_pixels) {
    sheets.push_back(Grid(report, "pixel AUROC", &Quality::pixel_auroc, false).sheet());
    sheets.push_back(Grid(report, "PRO", &Quality::region_overlap, false).sheet());
  }
  return sheets;
}

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
  return "AUROC below the best kNN on: " + (lost.empty() ? "none" : lost);
}

}  // namespace cugad::cli
