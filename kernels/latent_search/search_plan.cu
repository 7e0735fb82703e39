#include "kernels/device/limits.hpp"
#include "kernels/latent_search/search_memory.cuh"
#include "kernels/latent_search/search_plan.hpp"

/// The tile: as many rows as shared memory holds, but few enough that all multiprocessors work. Weights stay in shared
/// memory if they fit beside the activations, else they stream through two panels.
namespace cugad::cuda {
namespace {

constexpr int most_threads = search_threads;
constexpr std::int64_t most_blocks_z = 65535;
/// Packed weights of a group of models are held at a time.
constexpr std::int64_t packed_group_bytes = std::int64_t{256} << 20;
/// A panel smaller than this is all barriers; one larger than the other limit gains nothing.
constexpr int least_stage_bytes = 8 << 10, most_stage_bytes = 32 << 10;

/// Calls body(layer, place) for every layer that the search runs forward.
template <class Body>
void for_layers(SearchArguments& plan, const Body& body) {
  for (int l = 0; l < plan.layers.encoder; ++l) body(plan.encoder.layer[l], plan.encoded[l]);
  for (int l = 0; l < plan.layers.generator; ++l) body(plan.search.generator.layer[l], plan.generated[l]);
  for (int l = 0; l < plan.layers.judged; ++l) body(plan.search.discriminator.layer[l], plan.judged[l]);
}

/// Places of all buffers for a tile of `rows`.
void place_buffers(Precision precision, int rows, SearchArguments& plan) {
  plan.activations = plan.biases = 0;
  for_layers(plan, [&](const LayerView& layer, LayerPlace& at) {
    at = {plan.activations, tile_stride(precision, layer.out), plan.biases};
    plan.activations += rows * at.stride;
    plan.biases += rounded_up(layer.out, 4);
  });
  plan.latent_stride = tile_stride(precision, static_cast<int>(plan.search.z.columns));
  plan.query_stride = tile_stride(precision, static_cast<int>(plan.search.x.columns));
  plan.wanted_stride = plan.layers.features > 0 ? plan.judged[plan.layers.features - 1].stride : 0;
}

/// The kernel's carving; `weights` bytes of panels.
std::size_t shared_bytes(const SearchArguments& plan, std::size_t weights) {
  device::SharedLayout layout;
  layout.add<unsigned char>(weights);
  device::SearchMemory::add_to(layout, plan);
  return layout.bytes();
}

/// Threads enough for the widest layer in one pass.
TileShape tile_shape(Precision precision, int rows, SearchArguments& plan) {
  int widest = 1;
  for_layers(plan, [&](const LayerView& layer, LayerPlace&) { widest = std::max({widest, layer.in, layer.out}); });
  TileShape shape;
  shape.rows = rows;
  if (precision == Precision::fp32) {
    const int groups = (widest + 3) / 4, row_groups = rows / 4;
    shape.threads = std::clamp(rounded_up(row_groups * groups, device::warp_lanes), 64, most_threads);
    shape.pass_columns = shape.threads / row_groups * 4;
  } else {
    const int groups = (widest + 31) / 32, tiles = rows / 16;
    shape.threads = std::clamp(tiles * groups, 2, most_threads / device::warp_lanes) * device::warp_lanes;
    shape.pass_columns = shape.threads / device::warp_lanes / tiles * 32;
  }
  return shape;
}

/// All products in the order of SearchSequence; without steps there is no way back.
TileProducts products_of(Precision precision, const SearchArguments& plan) {
  TileProducts products;
  products.precision = precision;
  products.shape = plan.shape;
  const auto [encoder, generator, features, judged] = plan.layers;
  for (int l = 0; l < encoder; ++l) products.add(plan.encoder.layer[l], false);
  for (int l = 0; l < generator; ++l) products.add(plan.search.generator.layer[l], false);
  for (int l = 0; l < judged; ++l) products.add(plan.search.discriminator.layer[l], false);
  if (plan.search.steps == 0) return products;
  for (int l = judged - 1; l >= 0; --l) products.add(plan.search.discriminator.layer[l], true);
  for (int l = generator - 1; l > 0; --l) products.add(plan.search.generator.layer[l], true);
  products.add(plan.search.generator.layer[0], true, plan.search.fixed_columns);
  return products;
}

/// The plan for a tile of `rows`: weights resident if they fit, else the largest panels that do. False: no room.
bool plan_rows(Precision precision, std::size_t limit, int rows, SearchPlan& plan) {
  SearchArguments& args = plan.args;
  args.shape = tile_shape(precision, rows, args);
  place_buffers(precision, rows, args);
  plan.products = products_of(precision, args);
  plan.shared_bytes = shared_bytes(args, static_cast<std::size_t>(plan.products.bytes));
  if (plan.shared_bytes > limit) {
    const std::size_t fixed = shared_bytes(args, 0);
    const std::size_t room = fixed < limit ? (limit - fixed) / 2 / 16 * 16 : 0;
    const auto least =
        static_cast<std::size_t>(std::max(least_stage_bytes, args.shape.pass_columns * column_bytes(precision)));
    if (room < least) return false;
    const std::size_t stage = std::min(room, std::max(least, static_cast<std::size_t>(most_stage_bytes)));
    args.shape.stage_bytes = static_cast<std::int32_t>(stage);
    plan.products = products_of(precision, args);
    plan.shared_bytes = shared_bytes(args, 2 * stage);
  }
  std::copy_n(plan.products.product, plan.products.count, args.product);
  args.packed_bytes = plan.products.bytes;
  return true;
}

bool shares_weights(SearchArguments& plan) {
  bool shares = true;
  for_layers(plan, [&](const LayerView& layer, LayerPlace&) { shares = shares && layer.model_stride == 0; });
  return shares;
}

}  // namespace

bool make_search_plan(const Context& context, const LatentSearch& args, const NetworkView& encoder, SearchPlan& plan) {
  const Precision precision = context.precision();
  const DeviceLimits& limits = device_limits(context);
  plan.args.search = args;
  if (free_columns(args) == 0) plan.args.search.steps = 0;  // nothing moves
  plan.args.encoder = encoder;
  plan.args.layers = search_layers_of(args);
  plan.args.layers.encoder = encoder.layers;
  const std::int64_t z_rows = args.z.rows * args.z.models;
  bool found = false;
  // Ascending: a larger tile is taken while it fits and leaves no multiprocessor without a block.
  for (const int rows : {8, 16, 24, 32}) {
    if (precision != Precision::fp32 && rows % 16 != 0) continue;
    if (found && z_rows < std::int64_t{rows} * limits.multiprocessors) break;
    SearchPlan next = plan;
    if (!plan_rows(precision, limits.shared_memory_per_block, rows, next)) break;
    plan = next;
    found = true;
  }
  if (!found) return false;
  plan.shared_weights = args.z.models == 1 || shares_weights(plan.args);
  const std::int64_t most = plan.shared_weights ? most_blocks_z : packed_group_bytes / plan.products.bytes;
  plan.group = std::clamp<std::int64_t>(most, 1, std::min(args.z.models, most_blocks_z));
  plan.args.packed_stride = plan.shared_weights ? 0 : plan.products.bytes;
  return true;
}

}  // namespace cugad::cuda
