#include "kernels/contract.hpp"

#include "kernels/op_table.hpp"

namespace cugad {
namespace {

void check_layer(ContractCheck& check, Activation activation, float slope, float dropout_rate) {
  check.require(activation >= Activation::identity && activation <= Activation::tanh, "unknown activation");
  check.require(activation != Activation::leaky_relu || slope > 0.0f, "slope of leaky_relu must be positive");
  check.require(dropout_rate >= 0.0f && dropout_rate < 1.0f, "dropout rate must lie in [0, 1)");
}

}  // namespace

std::string check_contract(const DenseForward& args) {
  ContractCheck check("dense_forward");
  const std::int64_t models = args.y.models, rows = args.y.rows, out = args.y.columns, in = args.x.columns;
  check.view("x", args.x, models, rows, in);
  check.view("weight", args.weight, models, out, in);
  check.optional("bias", args.bias, models, 1, out);
  check.output("y", args.y, models, rows, out);
  check.optional("derivative_of", args.derivative_of, models, rows, out);
  check_layer(check, args.activation, args.slope, args.dropout.rate);
  return check.result();
}

std::string check_contract(const DenseBackward& args) {
  ContractCheck check("dense_backward");
  const std::int64_t models = args.dy.models, rows = args.dy.rows, out = args.dy.columns, in = args.weight.columns;
  check.view("weight", args.weight, models, out, in);
  if (args.dweight) check.view("x", args.x, models, rows, in);
  if (args.activation != Activation::identity || args.dropout_rate > 0.0f) check.view("y", args.y, models, rows, out);
  check.output("dy", args.dy, models, rows, out);
  check.optional_output("dx", args.dx, models, rows, in);
  check.optional_output("dweight", args.dweight, models, out, in);
  check.optional_output("dbias", args.dbias, models, 1, out);
  check_layer(check, args.activation, args.slope, args.dropout_rate);
  return check.result();
}

}  // namespace cugad
