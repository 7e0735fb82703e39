#include "kernels/contract.hpp"

#include "kernels/op_table.hpp"

namespace cugad {

std::string check_contract(const NearestRows& args) {
  ContractCheck check("nearest_rows");
  const std::int64_t models = args.distance.models, rows = args.query.rows, columns = args.query.columns;
  check.view("query", args.query, models, rows, columns);
  check.view("bank", args.bank, models, args.bank.rows, columns);
  check.output("distance", args.distance, models, rows, args.neighbours);
  check.optional_output("index", args.index, models, rows, args.neighbours);
  check.require(args.neighbours >= 1 && args.neighbours <= NearestRows::max_neighbours,
                "neighbours is " + std::to_string(args.neighbours) + ", expected 1 to " +
                    std::to_string(NearestRows::max_neighbours));
  check.require(args.neighbours <= args.bank.rows, "neighbours is " + std::to_string(args.neighbours) +
                                                       ", but the bank has " + std::to_string(args.bank.rows) +
                                                       " rows");
  check.require(args.metric >= Distance::l1 && args.metric <= Distance::squared, "unknown metric");
  return check.result();
}

}  // namespace cugad
