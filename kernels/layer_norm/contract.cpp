#include "kernels/contract.hpp"

#include <cmath>

#include "kernels/op_table.hpp"

namespace cugad {
namespace {

/// What the two passes have in common; `columns` are those of the batch.
template <class Args>
void check_options(ContractCheck& check, const Args& args, std::int64_t columns, float dropout_rate) {
  const std::int64_t channels = args.scale.columns;
  check.require(channels > 0 ? columns % channels == 0 : columns == 0,
                "scale has a number of columns that does not divide those of the batch");
  check.require(args.epsilon > 0.0f && std::isfinite(args.epsilon), "epsilon must be positive");
  check.require(args.activation >= Activation::identity && args.activation <= Activation::tanh, "unknown activation");
  check.require(args.activation != Activation::leaky_relu || args.slope > 0.0f, "slope of leaky_relu must be positive");
  check.require(dropout_rate >= 0.0f && dropout_rate < 1.0f, "dropout rate must lie in [0, 1)");
}

}  // namespace

std::string check_contract(const LayerNorm& args) {
  ContractCheck check("layer_norm");
  const std::int64_t models = args.y.models, rows = args.y.rows, columns = args.y.columns;
  check.view("x", args.x, models, rows, columns);
  check.view("scale", args.scale, models, 1, args.scale.columns);
  check.view("shift", args.shift, models, 1, args.scale.columns);
  check.output("y", args.y, models, rows, columns);
  check.optional("tangent", args.tangent, models, rows, columns);
  check.optional("derivative_of", args.derivative_of, models, rows, columns);
  check.require(!args.tangent == !args.derivative_of, "tangent and derivative_of go together, one is null");
  check_options(check, args, columns, args.dropout.rate);
  return check.result();
}

std::string check_contract(const LayerNormBackward& args) {
  ContractCheck check("layer_norm_backward");
  const std::int64_t models = args.dy.models, rows = args.dy.rows, columns = args.dy.columns;
  check.view("x", args.x, models, rows, columns);
  check.view("scale", args.scale, models, 1, args.scale.columns);
  if (args.activation != Activation::identity || args.dropout_rate > 0.0f) {
    check.view("y", args.y, models, rows, columns);
  }
  check.output("dy", args.dy, models, rows, columns);
  check.output("dx", args.dx, models, rows, columns);
  check.optional_output("dscale", args.dscale, models, 1, args.scale.columns);
  check.optional_output("dshift", args.dshift, models, 1, args.scale.columns);
  check.optional("tangent", args.tangent, models, rows, columns);
  check.optional("signal", args.signal, models, rows, columns);
  check.require(!args.tangent == !args.signal, "tangent and signal go together, one is null");
  check_options(check, args, columns, args.dropout_rate);
  return check.result();
}

}  // namespace cugad
