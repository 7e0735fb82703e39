#include <cmath>

#include "bench/networks.hpp"
#include "cugad/image_shape.hpp"
#include "host/methods/methods.hpp"
#include "host/options/recipe.hpp"
#include "host/training/gan_training.hpp"

/// A whole training step and a step of the latent search of a DCGAN, batch 64, one thread: bench/peers_images.py has
/// the same in PyTorch.
namespace cugad::bench {
namespace {

constexpr std::int64_t batch = 64, latent = 64;

struct Dcgan {
  const char *image, *generator, *discriminator;
};
constexpr Dcgan small = {"28x28x1", "3136,up32k4s2bn", "conv32k4s2,conv64k4s2bn"};
constexpr Dcgan large = {"64x64x3", "32768,up64k4s2bn", "conv64k4s2,conv128k4s2bn"};

/// Radford 2016's training: cross-entropy, Adam, no term of ours.
DetectorOptions options_of(const Dcgan& dcgan, const char* method) {
  return choose_options("", {{"method", method},
                             {"image", dcgan.image},
                             {"generator_hidden", dcgan.generator},
                             {"discriminator_hidden", dcgan.discriminator},
                             {"latent", std::to_string(latent)},
                             {"batch", std::to_string(batch)},
                             {"population", "1"},
                             {"folds", "1"},
                             {"r1", "0"},
                             {"decay_steps", "0"}})
      .options;
}

std::int64_t columns_of(const DetectorOptions& options) { return cells_of(*options.image); }

void image_step(benchmark::State& state, const Dcgan& dcgan) {
  const DetectorOptions options = options_of(dcgan, "gan");
  constexpr std::int64_t rows = 1024;
  const std::vector<float> data = uniform_rows(rows, columns_of(options));
  const MatrixView<const float> x(data.data(), rows, columns_of(options));
  const Device device = Device::open("cpu", 1);
  GanTraining training(device, definition_of(options.method), options, x);
  GanStep step(device.make_context(1), options, training.networks(), x, 1);
  std::vector<float> one(1, 1.0f);
  step.bind({.seed = 1}, training.states(), StackView<const float>{one.data(), 1, 1, 1}, {});
  std::int64_t t = 0;
  for (; t < 2; ++t) step.step(t, false);
  for (auto _ : state) step.step(t++, false);
  state.counters["steps/s"] = benchmark::Counter(1, benchmark::Counter::kIsIterationInvariantRate);
}

/// 64 rows through a fitted detector: 50 steps of Adam in the latent space each, by l1 and features (Schlegl 2017).
void image_search(benchmark::State& state, const Dcgan& dcgan) {
  constexpr int steps = 50;
  DetectorOptions options = options_of(dcgan, "anogan");
  options.steps = 1;
  options.score = ScoreRule::search;
  options.search_steps = steps;
  options.residual = Distance::l1;
  options.lambda = 0.1f;
  options.discrimination = Discrimination::feature_l1;
  options.bank_rows = 64;
  const std::vector<float> data = uniform_rows(batch, columns_of(options));
  Detector detector(Device::open("cpu", 1), options);
  detector.fit({data.data(), batch, columns_of(options)});
  std::vector<float> scores(batch);
  for (auto _ : state) detector.score({data.data(), batch, columns_of(options)}, scores);
  for (const float score : scores) {
    if (!std::isfinite(score)) return state.SkipWithError("a score is not finite");
  }
  state.counters["steps/s"] = benchmark::Counter(steps, benchmark::Counter::kIsIterationInvariantRate);
}

}  // namespace

void add_images() {
  if (on_gpu()) return;
  for (const Dcgan& dcgan : {small, large}) {
    add(std::string("image_step/") + dcgan.image, image_step, dcgan)->Unit(benchmark::kMillisecond);
    add(std::string("image_search/") + dcgan.image, image_search, dcgan)->Unit(benchmark::kMillisecond);
  }
}

}  // namespace cugad::bench
