#include <algorithm>

#include "kernels/latent_search/search_block.cuh"
#include "kernels/latent_search/search_plan.hpp"

/// The general latent search: one kernel runs all steps for a tile of z rows whose activations stay in shared memory.
namespace cugad::cuda {
namespace {

template <Precision precision>
__global__ void __launch_bounds__(search_threads) search_general_kernel(const __grid_constant__ SearchArguments args) {
  device::SharedMemory memory;
  device::SearchBlock<precision>(args, memory).run();
}

/// The plan of a search, and with restarts that of the outputs of the chosen z; parts of the scratch memory.
struct GeneralSearch {
  SearchPlan plan, last;
  bool fits = false, reconstructs = false;
  std::size_t packed = 0, losses = 0, chosen = 0;

  GeneralSearch(const Context& context, const LatentSearch& args) : reconstructs(needs_reconstruction(args)) {
    const auto whole = [](std::size_t bytes) { return (bytes + 255) / 256 * 256; };
    const auto models = static_cast<std::size_t>(args.z.models);
    fits = make_search_plan(context, args, {}, plan);
    packed = whole(plan.packed_size());
    if (args.restarts > 1) losses = whole(3 * sizeof(float) * models * static_cast<std::size_t>(args.z.rows));
    if (!reconstructs || !fits) return;
    fits = make_search_plan(context, reconstruction_of(args, nullptr), {}, last);
    packed = std::max(packed, whole(last.packed_size()));
    chosen = whole(sizeof(float) * models * static_cast<std::size_t>(args.x.rows * args.z.columns));
  }
  std::size_t bytes() const { return packed + losses + chosen; }
};

}  // namespace

void launch_search(const Context& context, SearchPlan& plan, unsigned char* packed) {
  const LatentSearch& args = plan.args.search;
  const auto kernel = plan.products.precision == Precision::fp32   ? search_general_kernel<Precision::fp32>
                      : plan.products.precision == Precision::tf32 ? search_general_kernel<Precision::tf32>
                                                                   : search_general_kernel<Precision::bf16>;
  plan.args.packed = packed;
  for (std::int64_t first = 0; first < args.z.models; first += plan.group) {
    const std::int64_t models = std::min(plan.group, args.z.models - first);
    if (first == 0 || !plan.shared_weights) {
      pack_products(context.stream(), plan.products, first, plan.shared_weights ? 1 : models, packed,
                    plan.products.bytes);
    }
    plan.args.first_model = first;
    device::LaunchShape shape;
    shape.grid = dim3(device::blocks_for(args.z.rows, plan.args.shape.rows), 1, static_cast<unsigned>(models));
    shape.block = dim3(static_cast<unsigned>(plan.args.shape.threads));
    shape.shared_bytes = plan.shared_bytes;
    device::launch(context.stream(), "search_general", shape, kernel, plan.args);
  }
}

bool search_general_fits(const Context& context, const LatentSearch& args) { return GeneralSearch(context, args).fits; }

std::size_t search_general_workspace(const Context& context, const LatentSearch& args) {
  return GeneralSearch(context, args).bytes();
}

void search_general(Context& context, const LatentSearch& args) {
  GeneralSearch search(context, args);
  auto* memory = static_cast<unsigned char*>(context.scratch(search.bytes()));
  if (args.restarts > 1) search.plan.args.row_losses = reinterpret_cast<float*>(memory + search.packed);
  launch_search(context, search.plan, memory);
  if (args.restarts == 1) return;
  auto* chosen = search.reconstructs ? reinterpret_cast<float*>(memory + search.packed + search.losses) : nullptr;
  choose_restart(context.stream(), args, search.plan.args.row_losses, chosen);
  if (!search.reconstructs) return;
  search.last.args.search.z.data = chosen;
  launch_search(context, search.last, memory);
}

}  // namespace cugad::cuda
