#include "kernels/contract.hpp"

#include "kernels/op_table.hpp"

namespace cugad {
namespace {

void check_kernels(ContractCheck& check, std::int32_t kernels, std::int64_t columns) {
  check.require(kernels >= 1, "kernels must be at least 1");
  check.require(kernels < 1 || columns % kernels == 0, "the columns of projection are no multiple of kernels");
}

}  // namespace

std::string check_contract(const MinibatchDiscrimination& args) {
  ContractCheck check("minibatch_discrimination");
  const std::int64_t models = args.out.models, rows = args.out.rows, columns = args.projection.columns;
  check.view("projection", args.projection, models, rows, columns);
  check_kernels(check, args.kernels, columns);
  check.output("out", args.out, models, rows, args.kernels);
  return check.result();
}

std::string check_contract(const MinibatchDiscriminationBackward& args) {
  ContractCheck check("minibatch_discrimination_backward");
  const std::int64_t models = args.projection_gradient.models, rows = args.projection_gradient.rows;
  const std::int64_t columns = args.projection_gradient.columns;
  check.view("projection", args.projection, models, rows, columns);
  check_kernels(check, args.kernels, columns);
  check.view("out_gradient", args.out_gradient, models, rows, args.kernels);
  check.output("projection_gradient", args.projection_gradient, models, rows, columns);
  return check.result();
}

}  // namespace cugad
