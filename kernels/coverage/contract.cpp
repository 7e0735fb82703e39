#include "kernels/contract.hpp"

#include <cmath>

#include "kernels/op_table.hpp"

namespace cugad {

std::string check_contract(const Coverage& args) {
  ContractCheck check("coverage");
  const std::int64_t models = args.generated.models, rows = args.generated.rows, columns = args.generated.columns;
  check.view("generated", args.generated, models, rows, columns);
  check.view("real", args.real, models, args.real.rows, columns);
  check.output("dgenerated", args.dgenerated, models, rows, columns);
  check.optional_output("loss", args.loss, models, 1, 1);
  check.require(rows >= 1 || models * args.real.rows == 0, "generated has no rows, expected at least 1");
  check.require(std::isfinite(args.weight), "weight is not finite");
  return check.result();
}

}  // namespace cugad
