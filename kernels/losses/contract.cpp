#include "kernels/contract.hpp"

#include <cmath>

#include "kernels/op_table.hpp"

namespace cugad {

std::string check_contract(const DifferenceLoss& args) {
  ContractCheck check("difference_loss");
  const std::int64_t models = args.a.models, rows = args.a.rows, columns = args.a.columns;
  check.view("a", args.a, models, rows, columns);
  check.view("b", args.b, models, rows, columns);
  check.require(args.metric == Distance::l1 || args.metric == Distance::squared, "metric is neither l1 nor squared");
  check.require(std::isfinite(args.weight), "weight is not finite");
  check.optional_output("da", args.da, models, rows, columns);
  check.optional_output("db", args.db, models, rows, columns);
  check.optional_output("loss", args.loss, models, 1, 1);
  check.optional("cell_weight", args.cell_weight, models, rows, columns);
  return check.result();
}

std::string check_contract(const FeatureMatching& args) {
  ContractCheck check("feature_matching");
  const std::int64_t models = args.real.models, columns = args.real.columns;
  check.view("real", args.real, models, args.real.rows, columns);
  check.view("generated", args.generated, models, args.generated.rows, columns);
  check.require(args.real.rows >= 1 || models == 0, "real has no rows, expected at least 1");
  check.require(args.generated.rows >= 1 || models == 0, "generated has no rows, expected at least 1");
  check.require(std::isfinite(args.weight), "weight is not finite");
  check.output("dgenerated", args.dgenerated, models, args.generated.rows, columns);
  check.optional_output("loss", args.loss, models, 1, 1);
  return check.result();
}

std::string check_contract(const LinearLoss& args) {
  ContractCheck check("linear_loss");
  const std::int64_t models = args.logit.models, rows = args.logit.rows;
  check.view("logit", args.logit, models, rows, 1);
  check.require(std::isfinite(args.weight), "weight is not finite");
  check.optional_output("dlogit", args.dlogit, models, rows, 1);
  check.optional_output("loss", args.loss, models, 1, 1);
  return check.result();
}

std::string check_contract(const GradientPenalty& args) {
  ContractCheck check("gradient_penalty");
  const std::int64_t models = args.gradient.models, rows = args.gradient.rows, columns = args.gradient.columns;
  check.view("gradient", args.gradient, models, rows, columns);
  check.require(args.target >= 0.0f && std::isfinite(args.target),
                "target is " + std::to_string(args.target) + ", expected a finite value of at least 0");
  check.require(std::isfinite(args.weight), "weight is not finite");
  check.output("tangent", args.tangent, models, rows, columns);
  check.optional_output("loss", args.loss, models, 1, 1);
  return check.result();
}

}  // namespace cugad
