#include "kernels/contract.hpp"

#include <cmath>

#include "kernels/op_table.hpp"

namespace cugad {

std::string check_contract(const CombineScores& args) {
  ContractCheck check("combine_scores");
  const std::int64_t models = args.residual.models, rows = args.residual.rows;
  check.require(models >= 1, "residual has no model");
  check.view("residual", args.residual, models, rows, 1);
  check.optional("logit", args.logit, models, rows, 1);
  check.view("statistics", args.statistics, models, 1, 4);
  check.require(args.discriminator_weight >= 0.0f && std::isfinite(args.discriminator_weight), [&] {
    return "discriminator_weight is " + std::to_string(args.discriminator_weight) +
           ", expected a finite value of at least 0";
  });
  check.output("score", args.score, 1, rows, 1);
  check.optional("absent", args.absent, 1, rows, 1);
  check.optional("surprise", args.surprise, 1, rows, 1);
  check.require(args.absent_weight >= 0.0f && std::isfinite(args.absent_weight), [&] {
    return "absent_weight is " + std::to_string(args.absent_weight) + ", expected a finite value of at least 0";
  });
  return check.result();
}

}  // namespace cugad
