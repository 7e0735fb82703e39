#include "kernels/contract.hpp"

#include "kernels/op_table.hpp"

namespace cugad {

std::string check_contract(const SpectralNorm& args) {
  ContractCheck check("spectral_norm");
  const std::int64_t models = args.normalised.models, out = args.normalised.rows, in = args.normalised.columns;
  check.view("weight", args.weight, models, out, in);
  if (args.update) {
    check.output("u", args.u, models, 1, out);
  } else {
    check.view("u", args.u, models, 1, out);
  }
  check.output("v", args.v, models, 1, in);
  check.output("sigma", args.sigma, models, 1, 1);
  check.output("normalised", args.normalised, models, out, in);
  check.output("left", args.left, models, 1, out);
  check.require(args.iterations >= 1, "iterations must be at least 1");
  return check.result();
}

std::string check_contract(const SpectralNormBackward& args) {
  ContractCheck check("spectral_norm_backward");
  const std::int64_t models = args.gradient.models, out = args.gradient.rows, in = args.gradient.columns;
  check.view("normalised", args.normalised, models, out, in);
  check.view("left", args.left, models, 1, out);
  check.view("v", args.v, models, 1, in);
  check.view("sigma", args.sigma, models, 1, 1);
  check.output("gradient", args.gradient, models, out, in);
  return check.result();
}

}  // namespace cugad
