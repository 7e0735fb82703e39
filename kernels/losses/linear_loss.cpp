#include "kernels/cpu/entries.hpp"
#include "kernels/losses/terms.hpp"

namespace cugad::cpu::CUGAD_INSTRUCTION_SET {
namespace {

void run_model(const LinearLoss& args, std::int64_t model) {
  const MatrixView<const float> logit = args.logit.model(model);
  const MatrixView<float> dlogit = args.dlogit.model(model);
  const float slope = mean_loss(args.weight, 1.0, logit.rows);
  double sum = 0.0;
  for (std::int64_t r = 0; r < logit.rows; ++r) {
    sum += static_cast<double>(*logit.row(r));
    if (args.dlogit) *dlogit.row(r) = slope;
  }
  if (!args.loss) return;
  float& loss = *args.loss.model(model).data;
  const float mean = mean_loss(args.weight, sum, logit.rows);
  loss = args.accumulate ? loss + mean : mean;
}

void run_linear_loss(Context&, const LinearLoss& args) {
  if (args.logit.rows == 0) return;
  for (std::int64_t m = 0; m < args.logit.models; ++m) run_model(args, m);
}

}  // namespace

OpEntry<LinearLoss> linear_loss_entry() {
  return {run_linear_loss, [](const Context&, const LinearLoss&) -> std::size_t { return 0; }};
}

}  // namespace cugad::cpu::CUGAD_INSTRUCTION_SET
