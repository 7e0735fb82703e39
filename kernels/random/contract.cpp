#include "kernels/contract.hpp"

#include <cmath>

#include "kernels/op_table.hpp"

namespace cugad {

std::string check_contract(const FillNormal& args) {
  ContractCheck check("fill_normal");
  check.output("out", args.out, args.out.models, args.out.rows, args.out.columns);
  check.require(std::isfinite(args.mean), "mean is not finite");
  check.require(std::isfinite(args.deviation) && args.deviation >= 0.0f,
                "deviation is " + std::to_string(args.deviation) + ", expected a finite value of at least 0");
  return check.result();
}

std::string check_contract(const FillUniform& args) {
  ContractCheck check("fill_uniform");
  check.output("out", args.out, args.out.models, args.out.rows, args.out.columns);
  check.require(std::isfinite(args.low) && std::isfinite(args.high) && std::isfinite(args.high - args.low),
                "low, high or their difference is not finite");
  return check.result();
}

std::string check_contract(const SampleRows& args) {
  ContractCheck check("sample_rows");
  const std::int64_t models = args.index.models;
  check.output("index", args.index, models, args.index.rows, 1);
  check.require(static_cast<bool>(args.first_row) == static_cast<bool>(args.row_count),
                "first_row and row_count must be given together");
  check.optional("first_row", args.first_row, models, 1, 1);
  check.optional("row_count", args.row_count, models, 1, 1);
  check.require(static_cast<bool>(args.left_out_first) == static_cast<bool>(args.left_out_count),
                "left_out_first and left_out_count must be given together");
  check.require(!args.left_out_first || args.first_row, "left_out_first is given without first_row");
  check.optional("left_out_first", args.left_out_first, models, 1, 1);
  check.optional("left_out_count", args.left_out_count, models, 1, 1);
  check.require(args.row_count || args.source_rows >= 1 || models * args.index.rows == 0,
                "source_rows is " + std::to_string(args.source_rows) + ", expected at least 1");
  return check.result();
}

}  // namespace cugad
