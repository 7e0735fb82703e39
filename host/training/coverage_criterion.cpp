#include "host/training/coverage_criterion.hpp"

#include <algorithm>

namespace cugad {

std::vector<float> coverage_criterion(Context& context, const GanNetworks& networks, StackView<const float> generator,
                                      MatrixView<const float> data, std::uint64_t seed) {
  constexpr std::int64_t generated_rows = 1024;
  const std::int64_t rows = std::min<std::int64_t>(512, data.rows);
  Arena arena(context.backend());
  const auto index = arena.stack<std::int32_t>("evaluation rows", 1, rows, 1);
  const auto real = arena.stack("evaluation rows", 1, rows, data.columns);
  const auto latent = arena.stack("latent", 1, generated_rows, networks.latent);
  const auto distance = arena.stack("distance", 1, rows, 1);
  const auto buffers = networks.generator.carve(
      arena.take<float>("activations", networks.generator.buffer_floats(1, generated_rows)), 1, generated_rows);
  std::vector<float> result;
  std::vector<float> host(rows);
  for (std::int64_t m = 0; m < generator.models; ++m) {
    RandomKey key{.seed = seed + static_cast<std::uint64_t>(m), .purpose = RandomPurpose::evaluation};
    run(context, SampleRows{.index = index,
                            .source_rows = static_cast<std::int32_t>(data.rows),
                            .first_row = {},
                            .row_count = {},
                            .key = key});
    run(context, GatherRows{.source = shared_by<const float>(1, data), .index = index, .out = real});
    key.lane = 1;
    run(context, FillNormal{.out = latent, .key = key});
    networks.generator.forward(context, generator.slice_models(m, 1), latent, buffers);
    run(context, NearestRows{.query = real, .bank = buffers.output.back(), .distance = distance, .index = {}});
    context.backend().copy(host.data(), distance.data, sizeof(float) * host.size(), context.stream());
    context.synchronize();
    double sum = 0.0;
    for (float value : host) sum += value;
    result.push_back(static_cast<float>(sum / static_cast<double>(rows)));
  }
  return result;
}

}  // namespace cugad
