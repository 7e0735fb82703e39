#include "kernels/device/entries.hpp"
#include "kernels/device/runtime.cuh"
#include "kernels/latent_search/search_plan.hpp"
#include "kernels/score/resident_score.hpp"
#include "kernels/score/scaled_residual.hpp"

/// Scores through an encoder on CUDA. One launch takes a row from x to its score and no activation leaves the chip: in
/// registers (resident_score.hpp), or by the general search's kernel with the encoder's layers before its own and no
/// steps. Networks that fit no block go layer by layer.
namespace cugad::cuda {
namespace {

constexpr int block_threads = 256;
constexpr std::int64_t most_blocks_z = 65535;
constexpr std::int64_t chunk_bytes = std::int64_t{64} << 20;

struct ZeroArguments {
  StackView<const float> x;
  StackView<float> out;
};

/// x with missing cells as 0, one thread per element.
__global__ void __launch_bounds__(block_threads) zero_missing_kernel(const __grid_constant__ ZeroArguments args) {
  const std::int64_t i = static_cast<std::int64_t>(blockIdx.x) * block_threads + threadIdx.x;
  if (i >= args.x.rows * args.x.columns) return;
  const std::int64_t row = i / args.x.columns, c = i % args.x.columns;
  for (std::int64_t model = blockIdx.z; model < args.x.models; model += gridDim.z) {
    const float value = args.x.model(model).row(row)[c];
    args.out.model(model).row(row)[c] = value == value ? value : 0.0f;
  }
}

void zero_missing(Context& context, const StackView<const float>& x, const StackView<float>& out) {
  device::LaunchShape shape;
  shape.grid = dim3(device::blocks_for(x.rows * x.columns, block_threads), 1,
                    static_cast<unsigned>(std::min(x.models, most_blocks_z)));
  shape.block = dim3(block_threads);
  device::launch(context.stream(), "zero_missing", shape, zero_missing_kernel, ZeroArguments{x, out});
}

ScoreByLayers by_layers() { return {dense_forward_entry(), latent_search_entry(), chunk_bytes}; }

bool make_plan(const Context& context, const ReconstructionScore& args, SearchPlan& plan) {
  StackView<float> z = args.latent;
  if (!z) z = {nullptr, args.x.models, args.x.rows, latent_columns(args)};
  return make_search_plan(context, search_of(args, z), args.encoder, plan);
}

std::size_t plain_bytes(const Context& context, const ReconstructionScore& args) {
  if (args.x.models == 0 || args.x.rows == 0) return 0;
  if (resident_score_fits(context, args)) return resident_score_workspace(context, args);
  SearchPlan plan;
  return make_plan(context, args, plan) ? plan.packed_size() : by_layers().workspace(context, args);
}

void plain_score(Context& context, const ReconstructionScore& args) {
  if (args.x.models == 0 || args.x.rows == 0) return;
  if (resident_score_fits(context, args)) return resident_score(context, args);
  SearchPlan plan;
  if (!make_plan(context, args, plan)) return by_layers().run(context, args, zero_missing);
  launch_search(context, plan, static_cast<unsigned char*>(context.scratch(plan.packed_size())));
}

ScaledScore scaled() { return {{plain_score, plain_bytes}, chunk_bytes}; }

std::size_t workspace_bytes(const Context& context, const ReconstructionScore& args) {
  return scales_residual(args) ? scaled().workspace(context, args) : plain_bytes(context, args);
}

void reconstruction_score(Context& context, const ReconstructionScore& args) {
  if (!scales_residual(args)) return plain_score(context, args);
  scaled().run(context, args, score_parts);
}

std::string path(const Context& context, const ReconstructionScore& args) {
  if (resident_score_fits(context, args)) return "resident";
  SearchPlan plan;
  return make_plan(context, args, plan) ? "fused" : "layers";
}

}  // namespace

OpEntry<ReconstructionScore> reconstruction_score_entry() { return {reconstruction_score, workspace_bytes, path}; }

}  // namespace cugad::cuda
