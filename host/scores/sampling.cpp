#include <algorithm>

#include "cugad/error.hpp"
#include "host/methods/methods.hpp"
#include "host/scores/latents.hpp"

namespace cugad {

void AnomalyModel::sample(std::int64_t count, std::uint64_t seed, std::span<const float> condition, float* rows) {
  if (!definition_of(options_.method).has_prior) {
    throw Error(ErrorCode::unsupported,
                std::string("a model of method ") + definition_of(options_.method).name +
                    " cannot be sampled: it has no generator with a prior; a model with gain draws the "
                    "missing cells of given rows (sample --given FILE), one of "
                    "--reference-rows 0 or --method anogan whole rows");
  }
  if (static_cast<std::int64_t>(condition.size()) != networks_.condition) {
    throw Error(condition.empty() ? ErrorCode::unsupported : ErrorCode::invalid_argument,
                condition.empty() ? "a conditional model cannot be sampled without conditions (sample --condition C=V)"
                                  : "a sample was given a condition of " + std::to_string(condition.size()) +
                                        " values, expected " + std::to_string(networks_.condition));
  }
  const Matrix latents = draw_latents(*this, count, seed);
  const std::int64_t models = population(), width = networks_.row_columns();
  for (std::int64_t m = 0; m < std::min(models, count); ++m) {  // every models-th row is this model's
    const std::int64_t of_model = (count - m + models - 1) / models;
    decode(*this, {latents.row(m), of_model, latents.columns, models * latents.columns}, m, condition,
           {rows + m * width, of_model, width, models * width});
  }
}

}  // namespace cugad
