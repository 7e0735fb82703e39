#include "kernels/contract.hpp"

#include <limits>

#include "kernels/op_table.hpp"

namespace cugad {

std::string check_contract(const RankingMetrics& args) {
  ContractCheck check("ranking_metrics");
  const std::int64_t models = args.score.models, rows = args.score.rows, n = args.score.columns;
  check.view("score", args.score, models, rows, n);
  check.view("label", args.label, models, rows, n);
  check.output("out", args.out, models, rows, 2);
  check.require(n >= 1 || models * rows == 0, "score has no columns, expected at least 1");
  check.require(n <= std::numeric_limits<std::int32_t>::max(), "score has more than 2^31 - 1 columns");
  return check.result();
}

}  // namespace cugad
