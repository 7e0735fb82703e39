#include "host/backend/cuda_op_table.hpp"

#include "kernels/device/entries.hpp"
#include "kernels/joined/joined_ops.hpp"

namespace cugad {
namespace {

/// Runs an op, or joins it with those before it while ops are joined (Backend::join).
template <class Args, OpEntry<Args> (*entry)()>
void run_in_turn(Context& context, const Args& args) {
  cuda::JoinedOps* const joined = cuda::JoinedOps::of(context);
  if (joined == nullptr || !joined->take(args)) entry().run(context, args);
}

}  // namespace

OpTable cuda_op_table() {
  OpTable table;
#define CUGAD_CUDA_ENTRY(name, Args) \
  table.name = cuda::name##_entry(); \
  table.name.run = run_in_turn<Args, cuda::name##_entry>;
  CUGAD_OPS(CUGAD_CUDA_ENTRY)
#undef CUGAD_CUDA_ENTRY
  return table;
}

}  // namespace cugad
