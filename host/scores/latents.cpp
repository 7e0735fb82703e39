#include "host/scores/latents.hpp"

#include <algorithm>

#include "host/backend/transfer.hpp"

namespace cugad {
namespace {

constexpr std::int64_t generate_rows = 1024;  ///< rows generated at a time

}  // namespace

Matrix draw_latents(AnomalyModel& model, std::int64_t count, std::uint64_t seed) {
  Context& context = model.context();
  const std::int64_t models = model.population(), per_model = (count + models - 1) / models;
  const std::int64_t part = std::min(generate_rows, per_model);
  Matrix latents(count, model.networks().latent);
  Arena arena(context);
  const StackView<float> drawn = arena.stack("latents", 1, part, latents.columns);
  for (std::int64_t m = 0; m < models; ++m) {
    for (std::int64_t first = 0; first < per_model; first += part) {
      RandomKey key{.seed = model.options().seed + static_cast<std::uint64_t>(m), .purpose = RandomPurpose::sample};
      // The caller's seed chooses the stream, the window the step.
      key.seed ^= seed * 0x9E3779B97F4A7C15ull;
      key.step = static_cast<std::uint32_t>(first / part);
      run(context, FillNormal{.out = drawn, .key = key});
      const std::int64_t start = first * models + m;
      const std::int64_t wanted = std::min(part, start < count ? (count - start + models - 1) / models : 0);
      if (wanted == 0) continue;
      copy_rows(context, MatrixView<const float>(drawn.data, wanted, drawn.columns, drawn.row_stride),
                MatrixView<float>(latents.row(start), wanted, drawn.columns, models * drawn.columns));
    }
  }
  context.synchronize();
  return latents;
}

void decode(AnomalyModel& model, MatrixView<const float> latents, std::int64_t m, std::span<const float> condition,
            MatrixView<float> rows) {
  Context& context = model.context();
  const MethodNetworks& networks = model.networks();
  const Network& generator = networks.generator();
  const std::int64_t columns = networks.columns, part = std::min(generate_rows, latents.rows);
  if (part == 0) return;
  Arena arena(context);
  const auto input = arena.stack("latent and condition", 1, part, generator.inputs());
  std::vector<float> given;
  for (std::int64_t r = 0; r < part; ++r) given.insert(given.end(), condition.begin(), condition.end());
  if (!given.empty()) {
    const StackView<float> uploaded = arena.stack("condition", 1, part, networks.condition);
    copy_rows(context, MatrixView<const float>(given.data(), part, networks.condition), uploaded.model(0));
    copy_rows<float>(context, uploaded.model(0), input.slice_columns(networks.latent, networks.condition).model(0));
  }
  const auto buffers = generator.carve(arena.take<float>("activations", generator.buffer_floats(1, part)), 1, part);
  for (std::int64_t first = 0; first < latents.rows; first += part) {
    const std::int64_t count = std::min(part, latents.rows - first);
    const StackView<float> some = input.slice_rows(0, count);
    copy_rows(context, {latents.row(first), count, networks.latent, latents.row_stride},
              some.slice_columns(0, networks.latent).model(0));
    const auto window = buffers.slice_rows(0, count);
    generator.forward(context, model.weights(Role::generator).slice_models(m, 1), {.x = some}, window);
    const MatrixView<float> generated = window.result().model(0);
    copy_rows(context, MatrixView<const float>(generated.data, count, columns, generated.row_stride),
              MatrixView<float>(rows.row(first), count, columns, rows.row_stride));
  }
  context.synchronize();
  for (std::int64_t r = 0; r < rows.rows; ++r) std::copy(condition.begin(), condition.end(), rows.row(r) + columns);
}

Matrix encode(AnomalyModel& model, MatrixView<const float> rows, std::int64_t m) {
  Context& context = model.context();
  Matrix found(rows.rows, model.networks().latent);
  const std::int64_t part = std::min(model.chunk_rows(), rows.rows);
  model.reserve(part);
  context.freeze_weights();
  for (std::int64_t first = 0; first < rows.rows; first += part) {
    const std::int64_t count = std::min(part, rows.rows - first);
    const ResidentRows resident(context, {rows.row(first), count, rows.columns, rows.row_stride});
    model.encode(resident.view());
    std::ranges::copy(download_rows(context, model.latents(count).model(m)), found.row(first));
  }
  return found;
}

}  // namespace cugad
