#include "kernels/contract.hpp"

#include <cmath>

#include "kernels/op_table.hpp"

namespace cugad {
namespace {

/// What the two passes have in common; `rows` and `columns` are those of the batch.
template <class Args>
void check_options(ContractCheck& check, const Args& args, std::int64_t rows, float dropout_rate) {
  check.require(args.epsilon > 0.0f && std::isfinite(args.epsilon), "epsilon must be positive");
  check.require(args.reference_rows >= 0 && args.reference_rows <= rows, "reference_rows must lie in [0, rows]");
  check.require(args.activation >= Activation::identity && args.activation <= Activation::tanh, "unknown activation");
  check.require(args.activation != Activation::leaky_relu || args.slope > 0.0f, "slope of leaky_relu must be positive");
  check.require(dropout_rate >= 0.0f && dropout_rate < 1.0f, "dropout rate must lie in [0, 1)");
}

}  // namespace

std::string check_contract(const BatchNorm& args) {
  ContractCheck check("batch_norm");
  const std::int64_t models = args.y.models, rows = args.y.rows, columns = args.y.columns;
  check.view("x", args.x, models, rows, columns);
  check.view("scale", args.scale, models, 1, columns);
  check.view("shift", args.shift, models, 1, columns);
  check.output("y", args.y, models, rows, columns);
  check.output("mean", args.mean, models, 1, columns);
  check.output("inverse_deviation", args.inverse_deviation, models, 1, columns);
  check.optional_output("moving_mean", args.moving_mean, models, 1, columns);
  check.optional_output("moving_variance", args.moving_variance, models, 1, columns);
  check.require(rows >= 1 || models * columns == 0, "x has no rows, expected at least 1");
  check.require(args.momentum >= 0.0f && args.momentum <= 1.0f, "momentum must lie in [0, 1]");
  check_options(check, args, rows, args.dropout.rate);
  return check.result();
}

std::string check_contract(const BatchNormBackward& args) {
  ContractCheck check("batch_norm_backward");
  const std::int64_t models = args.dy.models, rows = args.dy.rows, columns = args.dy.columns;
  check.view("x", args.x, models, rows, columns);
  check.view("scale", args.scale, models, 1, columns);
  if (args.activation != Activation::identity || args.dropout_rate > 0.0f) {
    check.view("y", args.y, models, rows, columns);
  }
  check.view("mean", args.mean, models, 1, columns);
  check.view("inverse_deviation", args.inverse_deviation, models, 1, columns);
  check.output("dy", args.dy, models, rows, columns);
  check.output("dx", args.dx, models, rows, columns);
  check.optional_output("dscale", args.dscale, models, 1, columns);
  check.optional_output("dshift", args.dshift, models, 1, columns);
  check.require(rows >= 1 || models * columns == 0, "dy has no rows, expected at least 1");
  check_options(check, args, rows, args.dropout_rate);
  return check.result();
}

}  // namespace cugad
