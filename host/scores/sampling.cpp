#include <algorithm>

#include "cugad/error.hpp"
#include "host/backend/transfer.hpp"
#include "host/methods/methods.hpp"
#include "host/scores/anomaly_model.hpp"

namespace cugad {
namespace {

constexpr std::int64_t generate_rows = 1024;  ///< rows generated at a time

}  // namespace

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
  const Network& generator = networks_.generator();
  const std::int64_t models = population(), columns = networks_.columns, width = networks_.row_columns();
  const std::int64_t per_model = (count + models - 1) / models;
  const std::int64_t part = std::min(generate_rows, per_model);
  Arena arena(context_);
  const auto input = arena.stack("latent and condition", 1, part, generator.inputs());
  const StackView<float> latent = input.slice_columns(0, networks_.latent);
  std::vector<float> given;
  for (std::int64_t r = 0; r < part; ++r) given.insert(given.end(), condition.begin(), condition.end());
  if (!given.empty()) {
    const StackView<float> uploaded = arena.stack("condition", 1, part, networks_.condition);
    copy_rows(context_, MatrixView<const float>(given.data(), part, networks_.condition), uploaded.model(0));
    copy_rows<float>(context_, uploaded.model(0), input.slice_columns(networks_.latent, networks_.condition).model(0));
  }
  const auto buffers = generator.carve(arena.take<float>("activations", generator.buffer_floats(1, part)), 1, part);
  for (std::int64_t m = 0; m < models; ++m) {
    for (std::int64_t first = 0; first < per_model; first += part) {
      RandomKey key{.seed = options_.seed + static_cast<std::uint64_t>(m), .purpose = RandomPurpose::sample};
      // The caller's seed chooses the stream, the window the step.
      key.seed ^= seed * 0x9E3779B97F4A7C15ull;
      key.step = static_cast<std::uint32_t>(first / part);
      run(context_, FillNormal{.out = latent, .key = key});
      generator.forward(context_, weights(Role::generator).slice_models(m, 1), {.x = input}, buffers);
      // Every models-th row is this model's.
      const std::int64_t start = first * models + m;
      const std::int64_t wanted = std::min(part, start < count ? (count - start + models - 1) / models : 0);
      const MatrixView<float> generated = buffers.result().model(0);
      copy_rows(context_, MatrixView<const float>(generated.data, wanted, columns, generated.row_stride),
                MatrixView<float>(rows + start * width, wanted, columns, models * width));
    }
  }
  context_.synchronize();
  for (std::int64_t r = 0; r < count; ++r) std::copy(condition.begin(), condition.end(), rows + r * width + columns);
}

}  // namespace cugad
