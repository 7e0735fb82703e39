#include "kernels/adam/history.hpp"
#include "kernels/cpu/entries.hpp"
#include "kernels/cpu/parallel.hpp"

namespace cugad::cpu::CUGAD_INSTRUCTION_SET {
namespace {

void run_model(const HistoricalAverage& args, std::int64_t model) {
  if (args.model_scale && *args.model_scale.model(model).data == 0.0f) return;
  const HistoryConstants constants = history_constants(args);
  const float* parameter = args.parameter.model(model).data;
  float *mean = args.mean.model(model).data, *gradient = args.gradient.model(model).data;
  for (std::int64_t i = 0; i < args.parameter.columns; ++i) {
    const float average = history_mean(constants, mean[i], parameter[i]);
    mean[i] = average;
    gradient[i] = multiply_add(constants.pull, parameter[i] - average, gradient[i]);
  }
}

void run_historical_average(Context& context, const HistoricalAverage& args) {
  const std::int64_t models = args.parameter.models;
  const double nanoseconds = 0.4 * static_cast<double>(models) * static_cast<double>(args.parameter.columns);
  parallel_ranges(worthwhile_threads(context.threads(), nanoseconds), models,
                  [&](int, std::int64_t begin, std::int64_t end) {
                    for (std::int64_t m = begin; m < end; ++m) run_model(args, m);
                  });
}

}  // namespace

OpEntry<HistoricalAverage> historical_average_entry() {
  return {run_historical_average, [](const Context&, const HistoricalAverage&) -> std::size_t { return 0; }};
}

}  // namespace cugad::cpu::CUGAD_INSTRUCTION_SET
