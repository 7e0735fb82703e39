#include "kernels/contract.hpp"

#include "kernels/op_table.hpp"

namespace cugad {

std::string check_contract(const ColumnStatistics& args) {
  ContractCheck check("column_statistics");
  const std::int64_t models = args.x.models, rows = args.x.rows, columns = args.x.columns;
  check.view("x", args.x, models, rows, columns);
  check.output("out", args.out, models, 6, columns);
  return check.result();
}

std::string check_contract(const ScaleColumns& args) {
  ContractCheck check("scale_columns");
  const std::int64_t models = args.x.models, rows = args.x.rows, columns = args.x.columns;
  check.view("x", args.x, models, rows, columns);
  check.view("shift", args.shift, models, 1, columns);
  check.view("scale", args.scale, models, 1, columns);
  check.optional("log1p", args.log1p, models, 1, columns);
  check.output("y", args.y, models, rows, columns);
  return check.result();
}

std::string check_contract(const Quantile& args) {
  ContractCheck check("quantile");
  const std::int64_t models = args.values.models, rows = args.values.rows;
  check.view("values", args.values, models, rows, args.values.columns);
  check.require(args.values.columns >= 1 || models * rows == 0, "values has no columns, expected at least 1");
  check.require(args.count >= 1 && args.count <= Quantile::max_count,
                "count is " + std::to_string(args.count) + ", expected 1 to " + std::to_string(Quantile::max_count));
  check.output("out", args.out, models, rows, args.count);
  for (int i = 0; i < args.count && i < Quantile::max_count; ++i) {
    check.require(args.probability[i] >= 0.0 && args.probability[i] <= 1.0,
                  "probability[" + std::to_string(i) + "] is " + std::to_string(args.probability[i]) +
                      ", expected a value in [0, 1]");
  }
  return check.result();
}

}  // namespace cugad
