#include "kernels/contract.hpp"

#include <cmath>

#include "kernels/op_table.hpp"

namespace cugad {

std::string check_contract(const Adam& args) {
  ContractCheck check("adam");
  const std::int64_t models = args.parameter.models, n = args.parameter.columns;
  check.output("parameter", args.parameter, models, 1, n);
  check.view("gradient", args.gradient, models, 1, n);
  check.output("first_moment", args.first_moment, models, 1, n);
  check.output("second_moment", args.second_moment, models, 1, n);
  check.optional_output("average", args.average, models, 1, n);
  check.optional("model_scale", args.model_scale, models, 1, 1);
  check.optional_output("squared_norm", args.squared_norm, models, 1, 1);
  check.require(args.form == AdamForm::standard || args.form == AdamForm::epsilon_hat, "form is not a known form");
  check.require(std::isfinite(args.learning_rate), "learning_rate is not finite");
  check.require(args.beta1 >= 0.0 && args.beta1 < 1.0,
                "beta1 is " + std::to_string(args.beta1) + ", expected a value in [0, 1)");
  check.require(args.beta2 >= 0.0 && args.beta2 < 1.0,
                "beta2 is " + std::to_string(args.beta2) + ", expected a value in [0, 1)");
  check.require(args.epsilon > 0.0f && std::isfinite(args.epsilon), "epsilon is not positive");
  check.require(args.average_decay >= 0.0f && args.average_decay <= 1.0f,
                "average_decay is " + std::to_string(args.average_decay) + ", expected a value in [0, 1]");
  // With a counter the first step is read on the device; a phase that begins later has a base below 1.
  check.require(args.step >= 1 || args.step_counter != nullptr,
                "step is " + std::to_string(args.step) + ", steps count from 1");
  check.require(args.step_stride >= 1, "step_stride is " + std::to_string(args.step_stride) + ", expected at least 1");
  return check.result();
}

std::string check_contract(const HistoricalAverage& args) {
  ContractCheck check("historical_average");
  const std::int64_t models = args.parameter.models, n = args.parameter.columns;
  check.view("parameter", args.parameter, models, 1, n);
  check.output("mean", args.mean, models, 1, n);
  check.output("gradient", args.gradient, models, 1, n);
  check.optional("model_scale", args.model_scale, models, 1, 1);
  check.require(std::isfinite(args.weight), "weight is not finite");
  check.require(args.step + (args.step_counter != nullptr ? 1 : 0) >= 1,
                "step is " + std::to_string(args.step) + ", steps count from 1");
  check.require(args.step_stride >= 1, "step_stride is " + std::to_string(args.step_stride) + ", expected at least 1");
  return check.result();
}

}  // namespace cugad
