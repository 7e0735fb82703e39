#include "kernels/score/resident_score.hpp"
#include "kernels/score/score_launch.cuh"

/// Which networks the score in registers is compiled for: tables of up to 128 columns with hidden layers of up to 128,
/// and the KDD99 networks of the literature.
namespace cugad::cuda {
namespace {

using Networks = ScoreNetworks<128, 128, 32, 128, 128, 256, 128, 128>;

}  // namespace

bool resident_score_fits(const Context& context, const ReconstructionScore& args) {
  return context.precision() == Precision::bf16 && score_networks_fit<Networks>(args) &&
         ScoreShared<Bfloat16Element, Networks>::bytes() <= device_limits(context).shared_memory_per_block;
}

std::size_t resident_score_workspace(const Context& context, const ReconstructionScore& args) {
  return ScorePlan<Networks>(device_limits(context), args).bytes();
}

void resident_score(Context& context, const ReconstructionScore& args) {
  run_resident_score<Bfloat16Element, Networks>(context, args);
}

}  // namespace cugad::cuda
