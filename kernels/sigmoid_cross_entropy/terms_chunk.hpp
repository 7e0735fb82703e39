#pragma once

#include "kernels/sigmoid_cross_entropy/terms.hpp"

namespace cugad::cpu::CUGAD_INSTRUCTION_SET {

/// The transcendental part of cross-entropies, in loops over small arrays so that it is vectorised.
struct TermsChunk {
  static constexpr int size = 64;
  float logit[size] = {}, target[size] = {};
  float per_row[size], probability[size], slope[size];

  /// Of the first `count` logits.
  void evaluate(std::int64_t count) {
    constexpr std::int64_t vector = 16;
    for (std::int64_t i = 0; i < (count + vector - 1) / vector * vector; ++i) {
      const CrossEntropyTerms terms = cross_entropy_terms(logit[i], target[i]);
      per_row[i] = terms.per_row;
      probability[i] = terms.probability;
      slope[i] = terms.slope;
    }
  }
};

}  // namespace cugad::cpu::CUGAD_INSTRUCTION_SET
