#include "host/training/coverage_criterion.hpp"

#include <algorithm>

#include "host/backend/transfer.hpp"

namespace cugad {
namespace {

/// How many rows each model is judged by.
std::vector<std::int64_t> evaluation_rows(Context& context, const TrainingRows& data, std::int64_t models) {
  constexpr std::int64_t most = 512;
  std::vector<std::int64_t> rows(models, std::min(most, data.rows.rows));
  if (!data.count) return rows;
  const std::vector<std::int32_t> counts = download(context, data.count.data, models);
  for (std::int64_t m = 0; m < models; ++m) rows[m] = std::min<std::int64_t>(most, counts[m]);
  return rows;
}

}  // namespace

std::vector<float> coverage_criterion(Context& context, const MethodNetworks& networks,
                                      StackView<const float> generator, const TrainingRows& data, std::uint64_t seed) {
  constexpr std::int64_t generated_rows = 1024, models_at_a_time = 16;
  const std::vector<std::int64_t> rows_of = evaluation_rows(context, data, generator.models);
  const std::int64_t rows = *std::max_element(rows_of.begin(), rows_of.end());
  const std::int64_t group = std::min(models_at_a_time, generator.models);
  Arena arena(context);
  const auto index = arena.stack<std::int32_t>("evaluation rows", group, rows, 1);
  const auto real = arena.stack("evaluation rows", group, rows, data.rows.columns);
  const auto latent = arena.stack("latent", group, generated_rows, networks.latent);
  const auto distance = arena.stack("distance", group, rows, 1);
  const auto buffers = networks.generator().carve(
      arena.take<float>("activations", networks.generator().buffer_floats(group, generated_rows)), group,
      generated_rows);
  std::vector<float> result;
  for (std::int64_t first = 0, count = 0; first < generator.models; first += count) {
    count = std::min(group, generator.models - first);
    RandomKey key = data.key_of(first, seed);
    key.purpose = RandomPurpose::evaluation;
    SampleRows draw;
    draw.index = index.slice_models(0, count);
    draw.key = key;
    data.give_to(draw, first, count);
    run(context, draw);
    run(context, GatherRows{.source = shared_by<const float>(count, data.rows),
                            .index = index.slice_models(0, count),
                            .out = real.slice_models(0, count)});
    key.lane = 1;
    run(context, FillNormal{.out = latent.slice_models(0, count), .key = key});
    const Network::Buffers some = buffers.slice_models(0, count);
    networks.generator().forward(context, generator.slice_models(first, count), {.x = latent.slice_models(0, count)},
                                 some);
    run(context, NearestRows{.query = real.slice_models(0, count),
                             .bank = some.result(),
                             .distance = distance.slice_models(0, count),
                             .index = {}});
    std::vector<float> host(count * rows);
    context.backend().copy(host.data(), distance.data, sizeof(float) * host.size(), context.stream());
    context.synchronize();
    for (std::int64_t m = 0; m < count; ++m) {
      double sum = 0.0;
      // A model with fewer rows drew them again after its last one: those count once.
      for (std::int64_t r = 0; r < rows_of[first + m]; ++r) sum += host[m * rows + r];
      result.push_back(static_cast<float>(sum / static_cast<double>(rows_of[first + m])));
    }
  }
  return result;
}

}  // namespace cugad
