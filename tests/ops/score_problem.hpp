#pragma once

#include <vector>

#include "tests/ops/latent_problem.hpp"

/// Problems for reconstruction_score: a shape, and the tensors and expectations made from it.
namespace cugad::test {

struct ScoreShape {
  std::int64_t models = 1, rows = 1;
  std::vector<std::int64_t> encoder, generator, discriminator;  ///< widths, from the input to the output
  Activation hidden = Activation::relu;
  Activation encoded = Activation::identity;  ///< of the encoder's last layer
  Distance residual = Distance::l1;
  Discrimination discrimination = Discrimination::feature_l1;
  double missing = 0.0;
  bool scaled = false;  ///< with a column_scale
  double limit = 0.0;
  bool shared = false;  ///< one data set and one set of networks for all models
  int outputs = 63;     ///< which of the six outputs are requested, a bit each
  bool exact = false, perf = false;
  Layout layout = Layout::contiguous;
  Precision precision = Precision::fp32;  ///< other modes: nothing is bounded
  Precision rounded = Precision::fp32;    ///< how the reference rounds the operands of products
};

struct ScoreTensors {
  TypedTensor<float>*x, *column_scale, *weights, *loss, *residual, *discrimination, *latent, *feature_residual,
      *reconstruction;
};

ScoreTensors build_score(Problem& problem, const ScoreShape& shape);

}  // namespace cugad::test
