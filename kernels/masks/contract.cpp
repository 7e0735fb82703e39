#include "kernels/contract.hpp"

#include <cmath>

#include "kernels/op_table.hpp"

namespace cugad {

std::string check_contract(const MaskColumns& args) {
  ContractCheck check("mask_columns");
  const std::int64_t models = args.x.models, rows = args.x.rows, width = args.x.columns;
  check.view("x", args.x, models, rows, width);
  const std::int64_t columns = args.out.columns - width;
  check.require(columns >= 0 && columns <= width, [&] {
    return "out has " + std::to_string(args.out.columns) + " columns, expected " + std::to_string(width) + " to " +
           std::to_string(2 * width);
  });
  check.output("out", args.out, models, rows, args.out.columns);
  check.optional("pattern", args.pattern, models, 1, columns);
  check.optional("group", args.group, models, 1, columns);
  check.require(!args.pattern || !args.group, "group is given beside a pattern, expected one of the two");
  check.require(args.lowest >= 0.0f && args.lowest <= args.highest && args.highest <= 1.0f, [&] {
    return "lowest is " + std::to_string(args.lowest) + " and highest " + std::to_string(args.highest) +
           ", expected 0 <= lowest <= highest <= 1";
  });
  return check.result();
}

std::string check_contract(const GaussianImputation& args) {
  ContractCheck check("gaussian_imputation");
  const std::int64_t models = args.mask.models, rows = args.mask.rows, columns = args.mask.columns;
  const std::int64_t width = args.x.columns;
  check.view("mask", args.mask, models, rows, columns);
  check.view("statistics", args.statistics, models, rows, 2 * columns);
  check.require(width >= columns, "x has fewer columns than mask");
  check.view("x", args.x, models, rows, width);
  check.view("noise", args.noise, models, rows, columns);
  check.output("out", args.out, models, rows, width);
  check.optional("group", args.group, models, 1, columns);
  return check.result();
}

std::string check_contract(const GaussianLikelihood& args) {
  ContractCheck check("gaussian_likelihood");
  const std::int64_t models = args.mask.models, rows = args.mask.rows, columns = args.mask.columns;
  check.view("mask", args.mask, models, rows, columns);
  check.view("statistics", args.statistics, models, rows, 2 * columns);
  check.view("x", args.x, models, rows, columns);
  check.require(std::isfinite(args.weight), "weight is not finite");
  check.optional_output("dstatistics", args.dstatistics, models, rows, 2 * columns);
  check.optional_output("loss", args.loss, models, 1, 1);
  check.require(static_cast<bool>(args.dimputed) == static_cast<bool>(args.noise),
                "dimputed and noise must be given together");
  check.require(!args.dimputed || args.dstatistics, "dimputed is given without dstatistics");
  check.optional("dimputed", args.dimputed, models, rows, columns);
  check.optional("noise", args.noise, models, rows, columns);
  check.optional("column_weight", args.column_weight, models, 1, columns);
  check.optional_output("cell", args.cell, models, rows, columns);
  check.optional("group", args.group, models, 1, columns);
  return check.result();
}

std::string check_contract(const CellCrossEntropy& args) {
  ContractCheck check("cell_cross_entropy");
  const std::int64_t models = args.logit.models, rows = args.logit.rows, columns = args.logit.columns;
  check.view("logit", args.logit, models, rows, columns);
  check.optional("mask", args.mask, models, rows, columns);
  for (const auto& [name, target] :
       {std::pair("target", args.target), std::pair("masked_target", args.masked_target)}) {
    check.require(target >= 0.0f && target <= 1.0f, [name = name, target = target] {
      return std::string(name) + " is " + std::to_string(target) + ", expected a value in [0, 1]";
    });
  }
  check.require(!args.masked_only || args.mask, "masked_only is set without a mask");
  check.require(std::isfinite(args.weight), "weight is not finite");
  check.optional_output("dlogit", args.dlogit, models, rows, columns);
  check.optional_output("loss", args.loss, models, 1, 1);
  check.optional_output("mean_probability", args.mean_probability, models, 1, 1);
  check.optional("x", args.x, models, rows, columns);
  return check.result();
}

std::string check_contract(const ColumnRanks& args) {
  ContractCheck check("column_ranks");
  const std::int64_t models = args.value.models, rows = args.value.rows, columns = args.value.columns;
  check.require(models >= 1, "value has no models, expected at least 1");
  check.view("value", args.value, models, rows, columns);
  check.view("x", args.x, 1, rows, columns);
  check.view("table", args.table, 1, columns, args.table.columns);
  check.view("count", args.count, 1, columns, 1);
  check.optional_output("mean", args.mean, 1, rows, columns);
  check.optional_output("rank", args.rank, 1, rows, columns);
  check.optional_output("score", args.score, 1, rows, 1);
  check.optional("group", args.group, 1, 1, columns);
  return check.result();
}

}  // namespace cugad
