#include <algorithm>
#include <vector>

#include "cugad/error.hpp"
#include "host/c_api/arguments.hpp"
#include "host/c_api/guard.hpp"
#include "host/c_api/handles.hpp"

using namespace cugad;
using namespace cugad::c_api;

namespace {

void require_fitted(const cugad_detector& detector) {
  if (detector.detector.fitted()) return;
  throw Error(ErrorCode::invalid_argument, "the detector is not fitted: call fit or load first");
}

/// The rows to score, when they are such as this detector scores; work from now on goes to the caller's stream.
MatrixView<const float> rows_for(cugad_detector* detector, const float* x, int64_t rows, int64_t columns,
                                 int64_t row_stride) {
  require(detector, "detector");
  require_fitted(*detector);
  const MatrixView<const float> matrix(x, rows, columns, row_stride);
  if (columns != detector->detector.columns()) {
    throw Error(ErrorCode::invalid_argument, "x has " + std::to_string(columns) + " columns, expected the detector's " +
                                                 std::to_string(detector->detector.columns()));
  }
  require_matrix(detector->device, matrix);
  detector->detector.use_stream(detector->stream());
  return matrix;
}

void copy_to(const std::vector<float>& values, float* target) {
  if (target != nullptr) std::copy(values.begin(), values.end(), target);
}

std::int64_t product(std::int64_t rows, std::int64_t each, const char* name) {
  std::int64_t count = 0;
  if (!__builtin_mul_overflow(rows, each, &count)) return count;
  throw Error(ErrorCode::invalid_argument, std::string(name) + " has " + std::to_string(rows) + " x " +
                                               std::to_string(each) + " elements, expected what memory can hold");
}

}  // namespace

extern "C" {

cugad_status cugad_detector_score(cugad_detector* detector, const float* x, int64_t rows, int64_t columns,
                                  int64_t row_stride, float* scores) {
  return guard(__func__, [&] {
    const MatrixView<const float> matrix = rows_for(detector, x, rows, columns, row_stride);
    require_array(detector->device, scores, rows, "scores");
    require_apart(matrix, scores, rows, "scores");
    detector->detector.score(matrix, scores);
    if (detector->stream() == nullptr) detector->detector.synchronize();
  });
}

cugad_status cugad_detector_score_methods(cugad_detector* detector, const float* x, int64_t rows, int64_t columns,
                                          int64_t row_stride, float* scores, float* method_scores) {
  return guard(__func__, [&] {
    const MatrixView<const float> matrix = rows_for(detector, x, rows, columns, row_stride);
    const auto methods = static_cast<std::int64_t>(1 + detector->detector.options().ensemble.size());
    const std::int64_t count = product(rows, methods, "method_scores");
    require_host_array(detector->device, method_scores, count, "method_scores");
    require_apart(matrix, method_scores, count, "method_scores");
    if (scores != nullptr) require_host_array(detector->device, scores, rows, "scores");
    require_apart(matrix, scores, rows, "scores");
    std::vector<float> of_methods;
    copy_to(detector->detector.score_methods(matrix, of_methods), scores);
    copy_to(of_methods, method_scores);
  });
}

cugad_status cugad_detector_explain(cugad_detector* detector, const float* x, int64_t rows, int64_t columns,
                                    int64_t row_stride, int32_t count, float* scores, int32_t* column_indices,
                                    float* residuals) {
  return guard(__func__, [&] {
    const MatrixView<const float> matrix = rows_for(detector, x, rows, columns, row_stride);
    if (count < 1) {
      throw Error(ErrorCode::invalid_argument, "count is " + std::to_string(count) + ", expected at least 1");
    }
    const std::int64_t cells = product(rows, count, "residuals");
    require_host_array(detector->device, column_indices, cells, "column_indices");
    require_apart(matrix, column_indices, cells, "column_indices");
    require_host_array(detector->device, residuals, cells, "residuals");
    require_apart(matrix, residuals, cells, "residuals");
    if (scores != nullptr) require_host_array(detector->device, scores, rows, "scores");
    require_apart(matrix, scores, rows, "scores");
    std::vector<Explanation> explanations;
    copy_to(detector->detector.explain(matrix, count, explanations), scores);
    for (const Explanation& row : explanations) {
      std::fill(std::copy(row.column.begin(), row.column.end(), column_indices), column_indices + count, -1);
      std::fill(std::copy(row.residual.begin(), row.residual.end(), residuals), residuals + count, 0.0f);
      column_indices += count;
      residuals += count;
    }
  });
}

cugad_status cugad_detector_sample(cugad_detector* detector, uint64_t seed, float* x, int64_t rows, int64_t columns,
                                   int64_t row_stride) {
  return guard(__func__, [&] {
    rows_for(detector, x, rows, columns, row_stride);
    require_host_array(detector->device, x, rows == 0 ? 0 : (rows - 1) * row_stride + columns, "x");
    std::vector<float> sampled(static_cast<std::size_t>(rows * columns));
    detector->detector.sample(rows, seed, sampled.data());
    for (std::int64_t r = 0; r < rows; ++r) {
      std::copy_n(sampled.data() + r * columns, columns, x + r * row_stride);
    }
  });
}

cugad_status cugad_detector_probability(cugad_detector* detector, const float* scores, int64_t count, int32_t kind,
                                        float* probabilities) {
  return guard(__func__, [&] {
    require(detector, "detector");
    require_host_array(detector->device, scores, count, "scores");
    require_host_array(detector->device, probabilities, count, "probabilities");
    if (kind != CUGAD_PROBABILITY_RANK && kind != CUGAD_PROBABILITY_GAUSSIAN) {
      throw Error(ErrorCode::invalid_argument, "kind is " + std::to_string(kind) +
                                                   ", expected CUGAD_PROBABILITY_RANK or CUGAD_PROBABILITY_GAUSSIAN");
    }
    const Probability asked = kind == CUGAD_PROBABILITY_RANK ? Probability::rank : Probability::gaussian;
    copy_to(detector->detector.probability({scores, static_cast<std::size_t>(count)}, asked), probabilities);
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
