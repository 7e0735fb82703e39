#include "kernels/latent_search/check_network.hpp"
#include "kernels/op_table.hpp"

namespace cugad {

std::string check_contract(const LatentSearch& args) {
  ContractCheck check("latent_search");
  const std::int64_t models = args.z.models, rows = args.x.rows, d = args.x.columns, latent = args.z.columns;
  check.require(args.restarts >= 1, "restarts is " + std::to_string(args.restarts) + ", expected at least 1");
  check.require(args.steps >= 0, "steps is negative");
  check.require(d >= 1 && latent >= 1, "x and z need at least one column");
  check.view("x", args.x, models, rows, d);
  check.output("z", args.z, models, rows * args.restarts, latent);
  check.require(args.fixed_columns >= 0 && args.fixed_columns <= latent,
                "fixed_columns is " + std::to_string(args.fixed_columns) + ", expected 0 to " + std::to_string(latent));
  check_network(check, "generator", args.generator, latent, d);
  check_losses(check, args.discriminator, args.discrimination_kind != Discrimination::none || args.prior_weight != 0.0f,
               d, args.discrimination_kind, args.residual_distance);
  check.require(args.learning_rate.pieces >= 1 && args.learning_rate.pieces <= StepSchedule::max_pieces,
                "the step schedule has " + std::to_string(args.learning_rate.pieces) + " pieces, expected 1 to " +
                    std::to_string(StepSchedule::max_pieces));
  check.optional_output("loss", args.loss, models, rows, 1);
  check.optional_output("residual", args.residual, models, rows, 1);
  check.optional_output("discrimination", args.discrimination, models, rows, 1);
  check.optional_output("best_z", args.best_z, models, rows, latent);
  check.optional_output("feature_residual", args.feature_residual, models, rows, d);
  check.optional_output("reconstruction", args.reconstruction, models, rows, d);
  return check.result();
}

}  // namespace cugad
