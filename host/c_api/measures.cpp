#include <cstring>
#include <span>

#include "cugad/cugad_table.h"
#include "cugad/metrics.hpp"
#include "host/c_api/arguments.hpp"
#include "host/c_api/guard.hpp"

/// Measures of scores against labels.

using namespace cugad;
using namespace cugad::c_api;

namespace {

struct Labelled {
  Labelled(const std::uint8_t* labels, const float* scores, std::int64_t count) {
    require_extent(labels, count, sizeof *labels, "labels");
    require_extent(scores, count, sizeof *scores, "scores");
    label = {labels, static_cast<std::size_t>(count)};
    score = {scores, static_cast<std::size_t>(count)};
  }
  std::span<const std::uint8_t> label;
  std::span<const float> score;
};

template <class Decide>
void decide(cugad_decision* decision, const Decide& of) {
  cugad_decision known = known_struct(decision, "decision");
  const metrics::Decision made = of();
  known.threshold = made.threshold;
  known.flagged = made.flagged;
  known.true_positives = made.true_positives;
  known.precision = made.precision;
  known.recall = made.recall;
  known.f1 = made.f1;
  std::memcpy(decision, &known, sizeof known);
}

}  // namespace

extern "C" {

cugad_status cugad_auroc(const uint8_t* labels, const float* scores, int64_t count, double* auroc) {
  return guard(__func__, [&] {
    require(auroc, "auroc");
    const Labelled rows(labels, scores, count);
    *auroc = metrics::auroc(rows.label, rows.score);
  });
}

cugad_status cugad_average_precision(const uint8_t* labels, const float* scores, int64_t count,
                                     double* average_precision) {
  return guard(__func__, [&] {
    require(average_precision, "average_precision");
    const Labelled rows(labels, scores, count);
    *average_precision = metrics::average_precision(rows.label, rows.score);
  });
}

cugad_status cugad_decide(const uint8_t* labels, const float* scores, int64_t count, double threshold,
                          cugad_decision* decision) {
  return guard(__func__, [&] {
    const Labelled rows(labels, scores, count);
    decide(decision, [&] { return metrics::decide(rows.label, rows.score, threshold); });
  });
}

cugad_status cugad_decide_top_percent(const uint8_t* labels, const float* scores, int64_t count, double percent,
                                      cugad_decision* decision) {
  return guard(__func__, [&] {
    const Labelled rows(labels, scores, count);
    decide(decision, [&] { return metrics::decide_top_percent(rows.label, rows.score, percent); });
  });
}

}  // extern "C"
