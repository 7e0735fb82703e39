#include <fmt/format.h>

#include <array>
#include <nlohmann/json.hpp>

#include "host/cli/reproduce/paired_comparison.hpp"

namespace cugad::cli {
namespace {

using nlohmann::ordered_json;

constexpr std::array contestant_groups = {&Reproduction::settings, &Reproduction::sums, &Reproduction::baselines};

ordered_json quality_json(const Protocol& protocol, const Quality& quality) {
  ordered_json object = ordered_json::object();
  if (protocol.flagged_percent > 0) {
    object = {{"precision", quality.precision}, {"recall", quality.recall}, {"f1", quality.f1}};
  }
  object["auroc"] = quality.auroc;
  object["average_precision"] = quality.average_precision;
  if (protocol.measures_pixels) {
    object["pixel_auroc"] = quality.pixel_auroc;
    object["region_overlap"] = quality.region_overlap;
  }
  return object;
}

ordered_json timed_json(const Protocol& protocol, const Measurement& result) {
  ordered_json object = quality_json(protocol, result.quality);
  object["train_seconds"] = result.train_seconds;
  object["score_seconds"] = result.score_seconds;
  return object;
}

/// All results of a setting, and their mean on the published split, or else over the cases.
ordered_json setting_json(const Reproduction& report, const Contestant& setting) {
  ordered_json object = {{"name", setting.name}, {"options", ordered_json::parse(options_to_json(setting.options))}};
  object["options"].erase("seed");  // every result has its own
  object["seeds"] = ordered_json::array();
  for (const Measurement& result : setting.results) {
    ordered_json seed = {{"case", result.case_name}, {"seed", result.seed}, {"split", result.split}};
    seed.update(timed_json(*report.protocol, result));
    object["seeds"].push_back(seed);
  }
  const CaseReport& first = report.cases.front();
  object["mean"] = timed_json(*report.protocol, first.published_split ? mean_of(results_on(setting, first.name))
                                                                      : mean_of(means_per_case(report, setting)));
  return object;
}

void add_size(ordered_json& object, const CaseSize& size) {
  object["train_rows"] = size.train_rows;
  object["rows"] = size.test_rows;
  object["all_rows"] = size.all_test_rows;
  object["anomalies"] = size.anomalies;
  object["features"] = size.features;
}

void add_published_split(ordered_json& object, const Reproduction& report, const CaseReport& one) {
  add_size(object, one.size);
  object["baselines"] = ordered_json::array();
  for (const Contestant& row : report.baselines) {
    ordered_json baseline = {{"name", row.name}};
    baseline.update(quality_json(*report.protocol, mean_of(results_on(row, one.name)).quality));
    object["baselines"].push_back(baseline);
  }
}

/// A lone setting is called cugad, in its sum with d1 + dm as well.
std::string shown_key(const Reproduction& report, const Contestant& contestant) {
  const std::string& setting = report.settings.front().key;
  if (report.settings.size() > 1 || !contestant.key.starts_with(setting)) return contestant.key;
  return "cugad" + contestant.key.substr(setting.size());
}

ordered_json set_json(const Reproduction& report, const CaseReport& one) {
  ordered_json object = {{"name", one.name}};
  add_size(object, one.size);
  object["columns"] = one.size.features;
  if (!report.settings.empty()) {
    const Measurement mean = mean_of(results_on(report.settings.front(), one.name));
    object["seconds"] = mean.train_seconds + mean.score_seconds;
  }
  for (const auto group : contestant_groups) {
    for (const Contestant& row : report.*group) {
      object[shown_key(report, row)] = quality_json(*report.protocol, mean_of(results_on(row, one.name)).quality);
    }
  }
  return object;
}

ordered_json pair_json(const PairedFigure& figure) {
  return {{"difference", figure.difference}, {"wins", figure.wins}, {"ties", figure.ties},
          {"losses", figure.losses},         {"p", figure.test.p},  {"exact", figure.test.exact}};
}

ordered_json pairs_json(const Reproduction& report) {
  ordered_json pairs = ordered_json::array();
  for (const auto comparisons_of : {baseline_comparisons, sum_comparisons}) {
    for (const PairedComparison& pair : comparisons_of(report)) {
      pairs.push_back({{"of", shown_key(report, *pair.contestant)},
                       {"against", shown_key(report, *pair.opponent)},
                       {"auroc", pair_json(pair.auroc)},
                       {"average_precision", pair_json(pair.average_precision)}});
    }
  }
  return pairs;
}

void add_grid(ordered_json& object, const Reproduction& report) {
  ordered_json sets = ordered_json::array();
  for (const CaseReport& one : report.cases) {
    if (!one.published_split) sets.push_back(set_json(report, one));
  }
  if (sets.empty()) return;
  ordered_json mean, deviation, seconds;
  for (const auto group : contestant_groups) {
    for (const Contestant& row : report.*group) {
      const std::string key = shown_key(report, row);
      const Measurement over_sets = mean_of(means_per_case(report, row));
      mean[key] = quality_json(*report.protocol, over_sets.quality);
      deviation[key] = quality_json(*report.protocol, spread_of(report, row));
      seconds[key] = over_sets.train_seconds + over_sets.score_seconds;
    }
  }
  object["mean"] = mean;
  object["deviation"] = deviation;
  object["mean_seconds"] = seconds;
  object["pairs"] = pairs_json(report);
  object["sets"] = sets;
}

}  // namespace

std::string as_json(const Reproduction& report) {
  ordered_json object = {{"protocol", report.protocol->name}, {"device", report.device}};
  object["settings"] = ordered_json::array();
  for (const Contestant& setting : report.settings) object["settings"].push_back(setting_json(report, setting));
  for (const CaseReport& one : report.cases) {
    if (one.published_split) add_published_split(object, report, one);
  }
  add_grid(object, report);
  object["published"] = ordered_json::array();
  for (const PublishedResult& row : report.protocol->published) {
    const bool flags = report.protocol->flagged_percent > 0;
    object["published"].push_back(
        flags ? ordered_json{{"name", row.name}, {"precision", row.precision}, {"recall", row.recall}, {"f1", row.f1}}
              : ordered_json{{"name", row.name}, {"auroc", row.auroc}});
  }
  object["notes"] = report.protocol->notes;
  return object.dump() + '\n';
}

std::string as_json(const ReproductionGroup& group) {
  ordered_json object = {{"protocol", group.name}, {"protocols", ordered_json::array()}};
  for (const Reproduction& report : group.reports) object["protocols"].push_back(ordered_json::parse(as_json(report)));
  return object.dump() + '\n';
}

}  // namespace cugad::cli
