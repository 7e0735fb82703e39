#include <algorithm>
#include <limits>

#include "kernels/device/limits.hpp"
#include "kernels/latent_search/resident_launch.cuh"
#include "kernels/latent_search/resident_search.hpp"

/// Which networks are compiled, and which class serves a search.
namespace cugad::cuda {
namespace {

/// The KDD99 networks of the literature: G 32-64-128-121, D 121-256-128-128-1.
using Kdd = ResidentNetworks<32, 64, 128, 128, 256, 128, 128>;
/// Tables of up to 128 columns with hidden layers of up to 128.
using Table = ResidentNetworks<32, 128, 128, 128, 128, 128, 128>;

/// Calls function(networks) with the first class that serves the arguments; false if there is none. Chips whose shared
/// memory does not hold both networks stream most of them.
template <class Function>
bool with_networks(const Context& context, const LatentSearch& args, const Function& function) {
  const auto serves = [&]<class N>(N) {
    return resident_networks_fit<N>(args) &&
           ResidentShared<Bfloat16Element, N>::bytes() <= device_limits(context).shared_memory_per_block;
  };
  if (serves(Kdd())) return function(Kdd()), true;
  if (serves(Table())) return function(Table()), true;
  if (serves(Kdd::Streamed())) return function(Kdd::Streamed()), true;
  if (serves(Table::Streamed())) return function(Table::Streamed()), true;
  return false;
}

#if defined(CUGAD_WGMMA)
constexpr bool warpgroups_are_wanted = true;
#else
constexpr bool warpgroups_are_wanted = false;  // until a GPU has confirmed kernels/device/warpgroup_multiply.cuh
#endif

/// Four warps together, by the chip alone: products of warpgroups add in an order of their own, and a row's bits do not
/// depend on the rows beside it.
bool prefers_warpgroups(const DeviceLimits& limits) { return limits.capability() == 90; }

/// The number of warps that search 16 rows together if there are so few rows that one warp per 16 would leave most of
/// the chip idle: the same bits in about a third of the time (docs/kernels.md).
constexpr int team = 4;
template <class N>
bool prefers_team(const DeviceLimits& limits, const LatentSearch& args) {
  return (args.z.rows + 15) / 16 * args.z.models <= 2 * limits.multiprocessors &&
         ResidentShared<Bfloat16Element, N, team>::bytes() <= limits.shared_memory_per_block;
}

}  // namespace

bool resident_search_fits(const Context& context, const LatentSearch& args) {
  return context.precision() == Precision::bf16 && with_networks(context, args, [](auto) {});
}

std::size_t resident_search_workspace(const Context& context, const LatentSearch& args) {
  std::size_t bytes = 0;
  with_networks(context, args, [&]<class N>(N) { bytes = ResidentPlan<N>(device_limits(context), args).bytes(); });
  return bytes;
}

void resident_search(Context& context, const LatentSearch& args) {
  with_networks(context, args, [&]<class N>(N) {
    if constexpr (warpgroups_are_wanted && !N::streamed) {
      if (prefers_warpgroups(device_limits(context))) return run_resident_search<WarpgroupElement, N>(context, args);
    }
    if (prefers_team<N>(device_limits(context), args))
      return run_resident_search<Bfloat16Element, N, team>(context, args);
    run_resident_search<Bfloat16Element, N>(context, args);
  });
}

}  // namespace cugad::cuda
