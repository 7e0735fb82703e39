#include "kernels/latent_search/check_network.hpp"
#include "kernels/op_table.hpp"

namespace cugad {

std::string check_contract(const ReconstructionScore& args) {
  ContractCheck check("reconstruction_score");
  const std::int64_t models = args.x.models, rows = args.x.rows, d = args.x.columns;
  check.require(d >= 1, "x needs at least one column");
  check.view("x", args.x, models, rows, d);
  const std::int64_t latent = args.generator.layer[0].in;
  check.require(latent >= 1, "generator takes no input");
  check_network(check, "encoder", args.encoder, d, latent);
  check_network(check, "generator", args.generator, latent, d);
  check_losses(check, args.discriminator, args.discrimination_kind != Discrimination::none, d, args.discrimination_kind,
               args.residual_distance);
  check.optional("column_scale", args.column_scale, models, 1, d);
  check.require(args.limit >= 0.0f, "limit is negative or not a number");
  check.optional_output("loss", args.loss, models, rows, 1);
  check.optional_output("residual", args.residual, models, rows, 1);
  check.optional_output("discrimination", args.discrimination, models, rows, 1);
  check.optional_output("latent", args.latent, models, rows, latent);
  check.optional_output("feature_residual", args.feature_residual, models, rows, d);
  check.optional_output("reconstruction", args.reconstruction, models, rows, d);
  return check.result();
}

/// Values of the tables lie in device memory: that sources lie inside the row is the caller's to see to.
std::string check_contract(const CellSurprise& args) {
  ContractCheck check("cell_surprise");
  const std::int64_t models = args.x.models, rows = args.x.rows, sources = args.source.rows;
  check.require(sources >= 1, "source needs at least one row");
  check.view("x", args.x, models, rows, args.x.columns);
  check.view("source", args.source, models, sources, 3);
  check.view("constant", args.constant, models, sources, 1);
  check.view("weight", args.weight, models, sources, 2);
  check.view("expected", args.expected, models, sources, 2);
  check.output("surprise", args.surprise, models, rows, 1);
  check.optional_output("residual", args.residual, models, rows, 1);
  return check.result();
}

}  // namespace cugad
