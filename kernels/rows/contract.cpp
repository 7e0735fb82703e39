#include "kernels/contract.hpp"

#include <cmath>

#include "kernels/op_table.hpp"

namespace cugad {

std::string check_contract(const RowDistance& args) {
  ContractCheck check("row_distance");
  const std::int64_t models = args.a.models, rows = args.a.rows, columns = args.a.columns;
  check.view("a", args.a, models, rows, columns);
  check.view("b", args.b, models, rows, columns);
  check.output("distance", args.distance, models, rows, 1);
  check.require(args.metric == Distance::l1 || args.metric == Distance::l2 || args.metric == Distance::squared,
                "metric is not a known distance");
  check.optional("column_scale", args.column_scale, models, 1, columns);
  check.require(args.limit >= 0.0f, [&] { return "limit is " + std::to_string(args.limit) + ", expected at least 0"; });
  return check.result();
}

std::string check_contract(const GatherRows& args) {
  ContractCheck check("gather_rows");
  const std::int64_t models = args.out.models, rows = args.out.rows, columns = args.out.columns;
  check.view("source", args.source, models, args.source.rows, columns);
  check.view("index", args.index, models, rows, 1);
  check.output("out", args.out, models, rows, columns);
  return check.result();
}

std::string check_contract(const AddRows& args) {
  ContractCheck check("add_rows");
  const std::int64_t models = args.y.models, rows = args.y.rows, columns = args.y.columns;
  check.view("x", args.x, models, rows, columns);
  check.output("y", args.y, models, rows, columns);
  check.require(std::isfinite(args.scale), "scale is not finite");
  return check.result();
}

std::string check_contract(const InterpolateRows& args) {
  ContractCheck check("interpolate_rows");
  const std::int64_t models = args.out.models, rows = args.out.rows, columns = args.out.columns;
  check.view("a", args.a, models, rows, columns);
  check.view("b", args.b, models, rows, columns);
  check.output("out", args.out, models, rows, columns);
  return check.result();
}

std::string check_contract(const Reparameterise& args) {
  ContractCheck check("reparameterise");
  const std::int64_t models = args.noise.models, rows = args.noise.rows, columns = args.noise.columns;
  check.view("statistics", args.statistics, models, rows, 2 * columns);
  check.view("noise", args.noise, models, rows, columns);
  check.optional_output("z", args.z, models, rows, columns);
  check.require(static_cast<bool>(args.dz) == static_cast<bool>(args.dstatistics),
                "dz and dstatistics must be given together");
  check.optional("dz", args.dz, models, rows, columns);
  check.optional_output("dstatistics", args.dstatistics, models, rows, 2 * columns);
  return check.result();
}

std::string check_contract(const FenceRows& args) {
  ContractCheck check("fence_rows");
  const std::int64_t models = args.real.models, rows = args.real.rows, columns = args.real.columns;
  check.view("real", args.real, models, rows, columns);
  check.output("out", args.out, models, rows, columns);
  check.require(args.limit >= 0.0f && std::isfinite(args.limit),
                "limit is " + std::to_string(args.limit) + ", expected a finite value of at least 0");
  return check.result();
}

std::string check_contract(const FillMissing& args) {
  ContractCheck check("fill_missing");
  const std::int64_t models = args.out.models, rows = args.out.rows, columns = args.out.columns;
  check.view("x", args.x, models, rows, columns);
  check.view("replacement", args.replacement, models, rows, columns);
  check.output("out", args.out, models, rows, columns);
  return check.result();
}

std::string check_contract(const ContentIndex& args) {
  ContractCheck check("content_index");
  check.require(args.pool >= 1, "pool is " + std::to_string(args.pool) + ", expected at least 1");
  check.require(args.draws >= 1, "draws is " + std::to_string(args.draws) + ", expected at least 1");
  check.view("x", args.x, args.x.models, args.x.rows, args.x.columns);
  check.output("index", args.index, args.x.models, args.x.rows * args.draws, 1);
  return check.result();
}

}  // namespace cugad
