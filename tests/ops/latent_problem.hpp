#pragma once

#include <string>
#include <vector>

#include "tests/ops/latent_reference.hpp"

/// Problems for latent_search: a shape, and the tensors and expectations made from it.
namespace cugad::test {

/// The implementation that runs a search: the op (which chooses), or a path of the CUDA backend by name.
enum class SearchRoute { op, general, layers };

struct SearchShape {
  std::int64_t models = 1, rows = 1, steps = 0, restarts = 1;
  std::vector<std::int64_t> generator, discriminator;  ///< widths, from the input to the output
  Activation hidden = Activation::relu;                ///< of the generator; the discriminator has leaky_relu
  Activation last = Activation::identity;
  Distance residual = Distance::l1;
  Discrimination discrimination = Discrimination::feature_l1;
  double missing = 0.0, prior_weight = 0.0, latent_weight = 0.0, latent_clip = 0.0, beta1 = 0.9;
  int pieces = 1;  ///< of the step schedule
  std::int64_t fixed_columns = 0;
  bool shared_x = false;  ///< one data set and one pair of networks for all models
  int outputs = 63;       ///< which of the six outputs are requested, a bit each
  bool dead_generator = false;
  bool exact = false;
  bool perf = false;
  Layout layout = Layout::contiguous;
  SearchRoute route = SearchRoute::op;
  Precision precision = Precision::fp32;  ///< other modes: nothing is bounded, see search_paths.cpp
  Precision rounded = Precision::fp32;    ///< how the reference rounds the operands of products
  bool reference = true;                  ///< false: no expectations at all

  std::string text() const;
};

struct SearchTensors {
  TypedTensor<float>*x, *z, *generator, *discriminator;
  TypedTensor<float>*loss, *residual, *discrimination, *best_z, *feature_residual, *reconstruction;
};

SearchTensors build_search(Problem& problem, const SearchShape& shape);

}  // namespace cugad::test
