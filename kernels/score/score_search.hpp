#pragma once

#include <algorithm>
#include <cstdint>

#include "kernels/op_table.hpp"

/// A score through an encoder is a latent search of no steps that starts at E(x).
namespace cugad {

inline std::int64_t latent_columns(const ReconstructionScore& args) { return args.generator.layer[0].in; }

/// The search that is left once z is known; `z` [rows, latent] is written with the values that it holds.
inline LatentSearch search_of(const ReconstructionScore& args, const StackView<float>& z) {
  LatentSearch search;
  search.generator = args.generator;
  search.discriminator = args.discriminator;
  search.x = args.x;
  search.z = z;
  search.residual_distance = args.residual_distance;
  search.discrimination_kind = args.discrimination_kind;
  search.lambda = args.lambda;
  search.loss = args.loss;
  search.residual = args.residual;
  search.discrimination = args.discrimination;
  search.feature_residual = args.feature_residual;
  search.reconstruction = args.reconstruction;
  return search;
}

/// Rows [first, first + count) alone.
inline ReconstructionScore rows_of(const ReconstructionScore& args, std::int64_t first, std::int64_t count) {
  ReconstructionScore part = args;
  part.x = args.x.slice_rows(first, count);
  using Output = StackView<float> ReconstructionScore::*;
  for (const Output view :
       {&ReconstructionScore::loss, &ReconstructionScore::residual, &ReconstructionScore::discrimination,
        &ReconstructionScore::latent, &ReconstructionScore::feature_residual, &ReconstructionScore::reconstruction}) {
    if (args.*view) part.*view = (args.*view).slice_rows(first, count);
  }
  return part;
}

/// The score from a backend's own dense layers and search, chunk after chunk of rows: the CPU's way, and the GPU's for
/// networks that fit no block.
class ScoreByLayers {
 public:
  /// Working memory of a chunk: the size of a second-level cache on the CPU, enough rows to fill the chip on a GPU.
  ScoreByLayers(const OpEntry<DenseForward>& dense, const OpEntry<LatentSearch>& search, std::int64_t chunk_bytes)
      : dense_(dense), search_(search), chunk_bytes_(chunk_bytes) {}

  std::size_t workspace(const Context& context, const ReconstructionScore& args) const {
    return inner_bytes(context, args) + static_cast<std::size_t>(chunk_rows(args) * row_bytes(args));
  }

  /// fill(context, x, out): x with missing cells as 0.
  template <class Fill>
  void run(Context& context, const ReconstructionScore& args, const Fill& fill) const {
    const std::int64_t models = args.x.models, rows = args.x.rows, step = chunk_rows(args);
    if (models == 0 || rows == 0) return;
    // The entries below use the front part of the same scratch memory.
    auto* memory = static_cast<unsigned char*>(context.scratch(workspace(context, args)));
    auto* buffer = reinterpret_cast<float*>(memory + inner_bytes(context, args));
    const std::int64_t floats = models * step * widest(args);
    for (std::int64_t first = 0; first < rows; first += step) {
      const ReconstructionScore part = rows_of(args, first, std::min(step, rows - first));
      float *from = buffer, *to = buffer + floats;
      StackView<float> x(from, models, part.x.rows, part.x.columns);
      fill(context, part.x, x);
      for (int l = 0; l < part.encoder.layers; ++l) {
        const bool last = l + 1 == part.encoder.layers;
        const StackView<float> y =
            last && part.latent ? part.latent : StackView<float>(to, models, x.rows, part.encoder.layer[l].out);
        dense_.run(context, layer_of(part.encoder.layer[l], x, y));
        x = y;
        std::swap(from, to);
      }
      search_.run(context, search_of(part, x));
    }
  }

 private:
  static std::int64_t widest(const ReconstructionScore& args) {
    std::int64_t widest = std::max(args.x.columns, latent_columns(args));
    for (int l = 0; l < args.encoder.layers; ++l) widest = std::max<std::int64_t>(widest, args.encoder.layer[l].out);
    return widest;
  }
  static std::int64_t row_bytes(const ReconstructionScore& args) {
    return 2 * args.x.models * widest(args) * static_cast<std::int64_t>(sizeof(float));
  }
  std::int64_t chunk_rows(const ReconstructionScore& args) const {
    const std::int64_t rows = chunk_bytes_ / std::max<std::int64_t>(1, row_bytes(args));
    return std::clamp<std::int64_t>(args.x.rows, 1, std::max<std::int64_t>(64, rows));
  }
  static DenseForward layer_of(const LayerView& layer, const StackView<const float>& x, const StackView<float>& y) {
    DenseForward args;
    args.x = x;
    args.weight = {layer.weight, x.models, layer.out, layer.in, layer.model_stride, layer.in};
    args.bias = {layer.bias, x.models, 1, layer.out, layer.model_stride, layer.out};
    args.y = y;
    args.activation = layer.activation;
    args.slope = layer.slope;
    return args;
  }
  /// The scratch memory of the entries, for whole chunks and the last one.
  std::size_t inner_bytes(const Context& context, const ReconstructionScore& args) const {
    const std::int64_t rows = args.x.rows, step = chunk_rows(args);
    const std::size_t bytes = std::max(inner_bytes(context, args, std::min(step, rows)),
                                       rows % step == 0 ? 0 : inner_bytes(context, args, rows % step));
    return (bytes + 255) / 256 * 256;
  }
  std::size_t inner_bytes(const Context& context, const ReconstructionScore& args, std::int64_t rows) const {
    if (rows == 0) return 0;
    const ReconstructionScore part = rows_of(args, 0, rows);
    const auto view = [&](std::int64_t columns) { return StackView<float>(nullptr, args.x.models, rows, columns); };
    std::size_t bytes = search_.workspace(context, search_of(part, view(latent_columns(args))));
    for (int l = 0; l < args.encoder.layers; ++l) {
      const LayerView& layer = args.encoder.layer[l];
      bytes = std::max(bytes, dense_.workspace(context, layer_of(layer, view(layer.in), view(layer.out))));
    }
    return bytes;
  }

  OpEntry<DenseForward> dense_;
  OpEntry<LatentSearch> search_;
  std::int64_t chunk_bytes_;
};

}  // namespace cugad
