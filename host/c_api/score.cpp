#include <algorithm>
#include <span>
#include <vector>

#include "cugad/cugad_image.h"
#include "cugad/error.hpp"
#include "host/c_api/arguments.hpp"
#include "host/c_api/fit_controls.hpp"
#include "host/c_api/guard.hpp"
#include "host/c_api/handles.hpp"
#include "host/c_api/results.hpp"
#include "host/c_api/rows.hpp"

using namespace cugad;
using namespace cugad::c_api;

namespace {

/// The rows to score, if they are such as this detector scores; work from now on goes to the caller's stream.
/// `source`: the arguments of Rows.
template <class Source>
Rows rows_for(cugad_detector* detector, const Source& source) {
  Detector& model = fitted(detector);
  Rows x(detector->device, source);
  if (x.columns() != model.columns()) {
    throw Error(ErrorCode::invalid_argument, "x has " + std::to_string(x.columns()) +
                                                 " columns, expected the detector's " +
                                                 std::to_string(model.columns()));
  }
  model.use_stream(detector->stream());
  return x;
}

template <class Source>
void score(cugad_detector* detector, const Source& source, float* scores) {
  Rows x = rows_for(detector, source);
  const CancelOnce once{detector->cancel};
  require_array(detector->device, scores, x.rows(), "scores");
  require_apart(x.extent(), scores, x.rows(), "scores");
  detector->detector.score(x.bring(detector->device, detector->stream()), {scores, static_cast<std::size_t>(x.rows())});
  if (detector->stream() == nullptr) detector->detector.synchronize();
}

/// Scores that may not be requested.
void require_optional(const cugad_detector& detector, const Rows& x, const float* scores) {
  if (scores != nullptr) require_host_array(detector.device, scores, x.rows(), "scores");
  require_apart(x.extent(), scores, x.rows(), "scores");
}

template <class Source>
void score_methods(cugad_detector* detector, const Source& source, float* scores, float* method_scores) {
  Rows x = rows_for(detector, source);
  const CancelOnce once{detector->cancel};
  const auto methods = static_cast<std::int64_t>(detector->detector.parts().size());
  const std::int64_t count = product(x.rows(), methods, "method_scores");
  require_host_array(detector->device, method_scores, count, "method_scores");
  require_apart(x.extent(), method_scores, count, "method_scores");
  require_optional(*detector, x, scores);
  std::vector<float> of_methods;
  copy_to(detector->detector.score_methods(x.bring(detector->device, detector->stream()), of_methods), scores);
  copy_to(of_methods, method_scores);
}

template <class Source>
void score_cells(cugad_detector* detector, const Source& source, float* scores, float* residuals) {
  Rows x = rows_for(detector, source);
  const CancelOnce once{detector->cancel};
  const std::int64_t count = product(x.rows(), x.columns(), "residuals");
  require_host_array(detector->device, residuals, count, "residuals");
  require_apart(x.extent(), residuals, count, "residuals");
  require_optional(*detector, x, scores);
  std::vector<float> of_cells;
  copy_to(detector->detector.score_cells(x.bring(detector->device, detector->stream()), of_cells), scores);
  copy_to(of_cells, residuals);
}

template <class Source>
void explain(cugad_detector* detector, const Source& source, std::int32_t count, float* scores, cugad_reason* reasons) {
  Rows x = rows_for(detector, source);
  const CancelOnce once{detector->cancel};
  if (count < 1) {
    throw Error(ErrorCode::invalid_argument, "count is " + std::to_string(count) + ", expected at least 1");
  }
  const std::int64_t cells = product(x.rows(), count, "reasons");
  require_host_array(detector->device, reasons, cells, "reasons");
  require_apart(x.extent(), reasons, cells, "reasons");
  require_optional(*detector, x, scores);
  std::vector<Explanation> explanations;
  copy_to(detector->detector.explain(x.bring(detector->device, detector->stream()), count, explanations), scores);
  copy_to(explanations, count, reasons);
}

/// The caller's memory for `cells` results, apart from the rows.
std::span<float> room_beside(const cugad_detector& detector, const Rows& x, float* memory, std::int64_t cells,
                             const char* name) {
  require_host_array(detector.device, memory, cells, name);
  require_apart(x.extent(), memory, cells, name);
  return {memory, static_cast<std::size_t>(cells)};
}

struct Size {
  std::int64_t rows, columns, row_stride;
};

void sample(cugad_detector* detector, std::uint64_t seed, std::span<const float> condition, float* x,
            const Size& size) {
  rows_for(detector, MatrixView<const float>(x, size.rows, size.columns, size.row_stride));
  require_host_array(detector->device, x, size.rows == 0 ? 0 : (size.rows - 1) * size.row_stride + size.columns, "x");
  std::vector<float> sampled(static_cast<std::size_t>(size.rows * size.columns));
  detector->detector.sample(size.rows, seed, condition, sampled);
  for (std::int64_t r = 0; r < size.rows; ++r)
    std::copy_n(sampled.data() + r * size.columns, size.columns, x + r * size.row_stride);
}

}  // namespace

extern "C" {

cugad_status cugad_detector_score(cugad_detector* detector, const float* x, int64_t rows, int64_t columns,
                                  int64_t row_stride, float* scores) {
  return guard(__func__, [&] { score(detector, MatrixView<const float>(x, rows, columns, row_stride), scores); });
}

cugad_status cugad_detector_score_matrix(cugad_detector* detector, const cugad_matrix* x, float* scores) {
  return guard(__func__, [&] { score(detector, x, scores); });
}

cugad_status cugad_detector_submit(cugad_detector* detector, const float* x, int64_t rows, int64_t columns,
                                   int64_t row_stride, float* scores, void* event) {
  return guard(__func__, [&] {
    Rows rows_to_score = rows_for(detector, MatrixView<const float>(x, rows, columns, row_stride));
    require_array(detector->device, scores, rows, "scores");
    require_apart(rows_to_score.extent(), scores, rows, "scores");
    detector->detector.submit(rows_to_score.bring(detector->device, detector->stream()),
                              {scores, static_cast<std::size_t>(rows)}, event);
  });
}

cugad_status cugad_detector_score_methods(cugad_detector* detector, const float* x, int64_t rows, int64_t columns,
                                          int64_t row_stride, float* scores, float* method_scores) {
  return guard(__func__, [&] {
    score_methods(detector, MatrixView<const float>(x, rows, columns, row_stride), scores, method_scores);
  });
}

cugad_status cugad_detector_score_methods_matrix(cugad_detector* detector, const cugad_matrix* x, float* scores,
                                                 float* method_scores) {
  return guard(__func__, [&] { score_methods(detector, x, scores, method_scores); });
}

cugad_status cugad_detector_score_cells(cugad_detector* detector, const float* x, int64_t rows, int64_t columns,
                                        int64_t row_stride, float* scores, float* residuals) {
  return guard(__func__, [&] {
    score_cells(detector, MatrixView<const float>(x, rows, columns, row_stride), scores, residuals);
  });
}

cugad_status cugad_detector_score_cells_matrix(cugad_detector* detector, const cugad_matrix* x, float* scores,
                                               float* residuals) {
  return guard(__func__, [&] { score_cells(detector, x, scores, residuals); });
}

cugad_status cugad_detector_explain(cugad_detector* detector, const float* x, int64_t rows, int64_t columns,
                                    int64_t row_stride, int32_t count, float* scores, cugad_reason* reasons) {
  return guard(__func__, [&] {
    explain(detector, MatrixView<const float>(x, rows, columns, row_stride), count, scores, reasons);
  });
}

cugad_status cugad_detector_explain_matrix(cugad_detector* detector, const cugad_matrix* x, int32_t count,
                                           float* scores, cugad_reason* reasons) {
  return guard(__func__, [&] { explain(detector, x, count, scores, reasons); });
}

cugad_status cugad_detector_sample(cugad_detector* detector, uint64_t seed, float* x, int64_t rows, int64_t columns,
                                   int64_t row_stride) {
  return guard(__func__, [&] { sample(detector, seed, {}, x, {rows, columns, row_stride}); });
}

cugad_status cugad_detector_sample_conditional(cugad_detector* detector, uint64_t seed, const float* condition,
                                               int64_t conditions, float* x, int64_t rows, int64_t columns,
                                               int64_t row_stride) {
  return guard(__func__, [&] {
    require(detector, "detector");
    require_host_array(detector->device, condition, conditions, "condition");
    sample(detector, seed, {condition, static_cast<std::size_t>(conditions)}, x, {rows, columns, row_stride});
  });
}

cugad_status cugad_detector_fill(cugad_detector* detector, const float* x, int64_t rows, int64_t columns,
                                 int64_t row_stride, float coverage, float* filled, float* low, float* high) {
  return guard(__func__, [&] {
    Rows given = rows_for(detector, MatrixView<const float>(x, rows, columns, row_stride));
    const CancelOnce once{detector->cancel};
    const std::int64_t cells = product(rows, columns, "filled");
    const auto optional = [&](float* memory, const char* name) {
      return memory == nullptr ? std::span<float>() : room_beside(*detector, given, memory, cells, name);
    };
    const std::span<float> values = room_beside(*detector, given, filled, cells, "filled");
    const std::span<float> lowest = optional(low, "low"), highest = optional(high, "high");
    detector->detector.fill(given.bring(detector->device, detector->stream()), values, lowest, highest, coverage);
  });
}

cugad_status cugad_detector_inpaint(cugad_detector* detector, const float* x, int64_t rows, int64_t columns,
                                    int64_t row_stride, int32_t steps, float rate, float prior, int32_t window,
                                    float* filled) {
  return guard(__func__, [&] {
    Rows given = rows_for(detector, MatrixView<const float>(x, rows, columns, row_stride));
    const CancelOnce once{detector->cancel};
    const std::span<float> values = room_beside(*detector, given, filled, product(rows, columns, "filled"), "filled");
    detector->detector.inpaint(given.bring(detector->device, detector->stream()), values,
                               {.steps = steps, .rate = rate, .prior = prior, .window = window});
  });
}

cugad_status cugad_detector_sample_given(cugad_detector* detector, const float* x, int64_t rows, int64_t columns,
                                         int64_t row_stride, int64_t count, uint64_t seed, float* samples) {
  return guard(__func__, [&] {
    Rows given = rows_for(detector, MatrixView<const float>(x, rows, columns, row_stride));
    const CancelOnce once{detector->cancel};
    if (count < 0) throw Error(ErrorCode::invalid_argument, "count is " + std::to_string(count) + ", expected draws");
    const std::span<float> drawn =
        room_beside(*detector, given, samples, product(product(rows, columns, "samples"), count, "samples"), "samples");
    detector->detector.sample(given.bring(detector->device, detector->stream()), count, seed, drawn);
  });
}

cugad_status cugad_detector_probability(cugad_detector* detector, const float* scores, int64_t count, int32_t kind,
                                        float* probabilities) {
  return guard(__func__, [&] {
    require(detector, "detector");
    require_host_array(detector->device, scores, count, "scores");
    require_host_array(detector->device, probabilities, count, "probabilities");
    const std::span<const float> given(scores, static_cast<std::size_t>(count));
    copy_to(detector->detector.probability(given, probability_kind(kind)), probabilities);
  });
}

cugad_status cugad_detector_confidence(cugad_detector* detector, const float* scores, int64_t count,
                                       float* confidences) {
  return guard(__func__, [&] {
    require(detector, "detector");
    require_host_array(detector->device, scores, count, "scores");
    require_host_array(detector->device, confidences, count, "confidences");
    copy_to(detector->detector.confidence({scores, static_cast<std::size_t>(count)}), confidences);
  });
}

}  // extern "C"
