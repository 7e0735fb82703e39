#pragma once

#include "kernels/score/score_search.hpp"

/// A score whose residual is scaled or limited: the unscaled score of a chunk of rows writes G(z) and the
/// discrimination, from which the residual and the loss follow. The search's kernels have no scales.
namespace cugad {

/// What the residual and the loss of rows are made of.
struct ResidualParts {
  ReconstructionScore args;  ///< x, column_scale, limit, the weights of the loss and the outputs, of these rows
  StackView<const float> reconstruction, discrimination;
};

inline bool scales_residual(const ReconstructionScore& args) {
  return (args.column_scale || args.limit > 0.0f) && (args.loss || args.residual);
}

class ScaledScore {
 public:
  /// `unscaled`: the score without scale and limit.
  ScaledScore(const OpEntry<ReconstructionScore>& unscaled, std::int64_t chunk_bytes)
      : unscaled_(unscaled), chunk_bytes_(chunk_bytes) {}

  std::size_t workspace(const Context& context, const ReconstructionScore& args) const {
    return plain_bytes(context, args) + static_cast<std::size_t>(chunk_rows(args) * row_bytes(args));
  }

  /// score(context, parts): loss and residual of some rows.
  template <class Score>
  void run(Context& context, const ReconstructionScore& args, const Score& score) const {
    const std::int64_t models = args.x.models, rows = args.x.rows, step = chunk_rows(args);
    if (models == 0 || rows == 0) return;
    // The unscaled score uses the front part of the same scratch memory.
    auto* memory = static_cast<unsigned char*>(context.scratch(workspace(context, args)));
    auto* generated = reinterpret_cast<float*>(memory + plain_bytes(context, args));
    float* discrimination = generated + models * step * args.x.columns;
    for (std::int64_t first = 0; first < rows; first += step) {
      ResidualParts parts{rows_of(args, first, std::min(step, rows - first)), {}, {}};
      const ReconstructionScore unscaled = unscaled_part(parts.args, generated, discrimination);
      unscaled_.run(context, unscaled);
      parts.reconstruction = unscaled.reconstruction;
      parts.discrimination = unscaled.discrimination;
      score(context, parts);
    }
  }

 private:
  static std::int64_t row_bytes(const ReconstructionScore& args) {
    return args.x.models * (args.x.columns + 1) * static_cast<std::int64_t>(sizeof(float));
  }
  std::int64_t chunk_rows(const ReconstructionScore& args) const {
    return std::min(args.x.rows, std::max<std::int64_t>(64, chunk_bytes_ / std::max<std::int64_t>(1, row_bytes(args))));
  }
  static ReconstructionScore unscaled_part(const ReconstructionScore& part, float* generated, float* discrimination) {
    ReconstructionScore unscaled = part;
    unscaled.column_scale = {};
    unscaled.limit = 0.0f;
    unscaled.loss = unscaled.residual = {};
    if (!part.reconstruction) unscaled.reconstruction = {generated, part.x.models, part.x.rows, part.x.columns};
    if (!part.discrimination) unscaled.discrimination = {discrimination, part.x.models, part.x.rows, 1};
    return unscaled;
  }
  /// Of whole chunks and of the last one.
  std::size_t plain_bytes(const Context& context, const ReconstructionScore& args) const {
    const std::int64_t rows = args.x.rows, step = chunk_rows(args);
    if (step == 0) return 0;
    std::size_t bytes = unscaled_.workspace(context, unscaled_part(rows_of(args, 0, step), nullptr, nullptr));
    if (rows % step != 0) {
      bytes =
          std::max(bytes, unscaled_.workspace(context, unscaled_part(rows_of(args, 0, rows % step), nullptr, nullptr)));
    }
    return (bytes + 255) / 256 * 256;
  }

  OpEntry<ReconstructionScore> unscaled_;
  std::int64_t chunk_bytes_;
};

}  // namespace cugad
