#include "kernels/contract.hpp"

#include <cmath>

#include "kernels/op_table.hpp"

namespace cugad {

std::string check_contract(const AdvanceStep& args) {
  ContractCheck check("advance_step");
  check.require(args.step_counter != nullptr, "step_counter is null");
  check.require(std::isfinite(args.final_rate) && args.final_rate >= 0.0,
                "final_rate is " + std::to_string(args.final_rate) + ", expected a finite value of at least 0");
  check.require(args.decay_steps >= 1, "decay_steps is " + std::to_string(args.decay_steps) + ", expected at least 1");
  return check.result();
}

}  // namespace cugad
