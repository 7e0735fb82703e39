#include <limits>

#include "kernels/cpu/entries.hpp"
#include "kernels/cpu/packed_weights.hpp"
#include "kernels/cpu/parallel.hpp"
#include "kernels/latent_search/search_tile.hpp"

/// The latent search on the CPU: pack the weights once per call (forward once per context if they are frozen there),
/// then every tile of z rows runs all its steps alone.
namespace cugad::cpu::CUGAD_INSTRUCTION_SET {
namespace {

/// Models whose packed weights are held at a time.
constexpr std::int64_t model_group = 16;

/// Which of a network's weights pack_network() packs.
struct Directions {
  bool forward, backward;  ///< unless they are kept; for searches that take steps
};
Directions directions(const Context& context, const LatentSearch& args) {
  return {!context.has_frozen_weights(), args.steps > 0};
}

std::int64_t network_floats(const NetworkView& network, Directions packed) {
  std::int64_t floats = 0;
  for (int l = 0; l < network.layers; ++l) {
    const LayerView& layer = network.layer[l];
    floats += padded(layer.out) + (packed.forward ? packed_floats(layer.in, layer.out) : 0) +
              (packed.backward ? packed_floats(layer.out, layer.in) : 0);
  }
  return floats;
}

/// The kept weights of each layer; all null unless they are frozen.
struct KeptLayers {
  const float* layer[NetworkView::max_layers] = {};
};
KeptLayers kept_layers(Context& context, const NetworkView& network, std::int64_t models) {
  KeptLayers kept;
  for (int l = 0; l < network.layers; ++l) {
    const LayerView& layer = network.layer[l];
    kept.layer[l] = kept_weights(context, {layer.weight, models, layer.out, layer.in, layer.model_stride, layer.in},
                                 rounds_operands(context, layer.out));
  }
  return kept;
}

/// `backward`: for searches that take steps.
PackedNetwork pack_network(const Context& context, const NetworkView& network, const KeptLayers& kept, std::int64_t m,
                           bool backward, float* memory) {
  PackedNetwork packed;
  packed.layers = network.layers;
  for (int l = 0; l < network.layers; ++l) {
    const LayerView& layer = network.layer[l];
    const float* weight = layer.weight + m * layer.model_stride;
    PackedLayer& out = packed.layer[l];
    out.in = layer.in;
    out.out = layer.out;
    out.activation = layer.activation;
    out.slope = layer.slope;
    out.is_rounded = rounds_operands(context, layer.out);
    if (kept.layer[l] != nullptr) {
      out.forward = kept.layer[l] + m * packed_floats(layer.in, layer.out);
    } else {
      (out.is_rounded ? pack_rounded_columns : pack_columns)(weight, layer.in, layer.in, layer.out, memory);
      out.forward = memory;
      memory += packed_floats(layer.in, layer.out);
    }
    if (backward) {
      (out.is_rounded ? pack_rounded_rows : pack_rows)(weight, layer.in, layer.out, layer.in, memory, nullptr);
      out.backward = memory;
      memory += packed_floats(layer.out, layer.in);
    }
    std::fill_n(memory, padded(layer.out), 0.0f);
    std::copy_n(layer.bias + m * layer.model_stride, layer.out, memory);
    out.bias = memory;
    memory += padded(layer.out);
  }
  return packed;
}

/// Whole queries per tile, tiles of nearly equal size, at most max_tile z rows (more only when one query's restarts
/// exceed it: then the restarts of a query are cut over several tiles and compared through memory).
struct Tiling {
  std::int64_t tiles, tile_rows_count;
};
Tiling tiling(std::int64_t z_rows) {
  const std::int64_t tiles = (z_rows + max_tile - 1) / max_tile;
  return {tiles, tiles == 0 ? 0 : std::min(max_tile, rounded_up((z_rows + tiles - 1) / tiles, tile_rows))};
}

float* row_of(const StackView<float>& view, std::int64_t m, std::int64_t r) {
  return view.data + m * view.model_stride + r * view.row_stride;
}

/// Keeps the best restart of each query. Tiles of one thread come in ascending order and a query's restarts never
/// straddle two threads, so that a strict comparison leaves ties to the first restart.
void keep_best(const LatentSearch& args, const SearchTile& tile, std::int64_t m, std::int64_t begin, std::int64_t rows,
               float* best_loss) {
  for (std::int64_t r = 0; r < rows; ++r) {
    const std::int64_t query = (begin + r) / args.restarts;
    const bool is_first = (begin + r) % args.restarts == 0;
    const SearchTile::Losses losses = tile.losses(r);
    if (!is_first && !(losses.loss < *best_loss)) continue;
    *best_loss = losses.loss;
    if (args.loss) *row_of(args.loss, m, query) = losses.loss;
    if (args.residual) *row_of(args.residual, m, query) = losses.residual;
    if (args.discrimination) *row_of(args.discrimination, m, query) = losses.discrimination;
    if (args.best_z) std::copy_n(tile.z_row(r), args.z.columns, row_of(args.best_z, m, query));
    if (args.reconstruction) std::copy_n(tile.reconstruction(r), args.x.columns, row_of(args.reconstruction, m, query));
    if (args.feature_residual) {
      const float* x = args.x.data + m * args.x.model_stride + query * args.x.row_stride;
      float* out = row_of(args.feature_residual, m, query);
      for (std::int64_t c = 0; c < args.x.columns; ++c) {
        out[c] = std::isnan(x[c]) ? 0.0f : std::abs(x[c] - tile.reconstruction(r)[c]);
      }
    }
  }
}

bool uses_discriminator(const LatentSearch& args) {
  return args.discrimination_kind != Discrimination::none || args.prior_weight != 0.0f;
}

std::int64_t model_floats(const LatentSearch& args, Directions packed) {
  return network_floats(args.generator, packed) +
         (uses_discriminator(args) ? network_floats(args.discriminator, packed) : 0);
}

std::size_t workspace_bytes(const Context& context, const LatentSearch& args) {
  return sizeof(float) *
         static_cast<std::size_t>(std::min(model_group, args.z.models) * model_floats(args, directions(context, args)) +
                                  std::max(1, context.threads()) * SearchTile::floats(context, args));
}

void latent_search(Context& context, const LatentSearch& args) {
  const Directions packed = directions(context, args);
  const std::int64_t z_rows = args.z.rows, models = args.z.models, per_model = model_floats(args, packed);
  if (z_rows == 0 || models == 0) return;
  auto* packs = static_cast<float*>(context.scratch(workspace_bytes(context, args)));
  float* tiles_memory = packs + std::min(model_group, models) * per_model;
  const Tiling cut = tiling(z_rows);
  const KeptLayers of_generator = kept_layers(context, args.generator, models);
  const KeptLayers of_discriminator =
      uses_discriminator(args) ? kept_layers(context, args.discriminator, models) : KeptLayers();
  for (std::int64_t first = 0; first < models; first += model_group) {
    const std::int64_t count = std::min(model_group, models - first);
    PackedNetwork generator[model_group], discriminator[model_group];
    for (std::int64_t i = 0; i < count; ++i) {
      float* memory = packs + i * per_model;
      generator[i] = pack_network(context, args.generator, of_generator, first + i, args.steps > 0, memory);
      if (uses_discriminator(args)) {
        discriminator[i] = pack_network(context, args.discriminator, of_discriminator, first + i, args.steps > 0,
                                        memory + network_floats(args.generator, packed));
      }
    }
    // A unit of work is a run of whole queries of one model.
    const std::int64_t queries_per_unit = std::max<std::int64_t>(1, cut.tile_rows_count / args.restarts);
    const std::int64_t units = (args.x.rows + queries_per_unit - 1) / queries_per_unit;
    const double work =
        static_cast<double>(z_rows) * static_cast<double>(count * (args.steps + 1) * model_floats(args, {true, true}));
    parallel_ranges(worthwhile_threads(context.threads(), work / 100.0), count * units,
                    [&](int thread, std::int64_t begin, std::int64_t end) {
                      float* memory = tiles_memory + thread * SearchTile::floats(context, args);
                      for (std::int64_t unit = begin; unit < end; ++unit) {
                        const std::int64_t i = unit / units, query = unit % units * queries_per_unit;
                        const std::int64_t stop = std::min(args.x.rows, query + queries_per_unit) * args.restarts;
                        SearchTile tile(args, generator[i], discriminator[i], memory);
                        float best_loss = std::numeric_limits<float>::infinity();
                        for (std::int64_t row = query * args.restarts; row < stop; row += cut.tile_rows_count) {
                          const std::int64_t rows = std::min(cut.tile_rows_count, stop - row);
                          tile.search(first + i, row, rows);
                          keep_best(args, tile, first + i, row, rows, &best_loss);
                        }
                      }
                    });
  }
}

}  // namespace

OpEntry<LatentSearch> latent_search_entry() { return {latent_search, workspace_bytes}; }

}  // namespace cugad::cpu::CUGAD_INSTRUCTION_SET
