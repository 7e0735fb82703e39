#include "kernels/contract.hpp"

#include <cmath>

#include "kernels/op_table.hpp"

namespace cugad {

std::string check_contract(const SigmoidCrossEntropy& args) {
  ContractCheck check("sigmoid_cross_entropy");
  const std::int64_t models = args.logit.models, rows = args.logit.rows;
  check.view("logit", args.logit, models, rows, 1);
  check.optional_output("dlogit", args.dlogit, models, rows, 1);
  check.optional_output("per_row", args.per_row, models, rows, 1);
  check.optional_output("loss", args.loss, models, 1, 1);
  check.optional_output("mean_probability", args.mean_probability, models, 1, 1);
  check.require(args.target >= 0.0f && args.target <= 1.0f,
                [&] { return "target is " + std::to_string(args.target) + ", expected a value in [0, 1]"; });
  check.require(std::isfinite(args.weight), "weight is not finite");
  return check.result();
}

}  // namespace cugad
