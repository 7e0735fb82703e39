#include "tests/ops/parity.hpp"

/// This program has no C interface; tests/ops/c_interface.cpp, which alone calls through it, is not part of it.
namespace cugad::test {

#define CUGAD_NOT_THROUGH_C(name, Args) \
  void through_c(Call& call, const Args&) { call.refusal = "no C interface in this program"; }
CUGAD_OPS(CUGAD_NOT_THROUGH_C)
#undef CUGAD_NOT_THROUGH_C

}  // namespace cugad::test
