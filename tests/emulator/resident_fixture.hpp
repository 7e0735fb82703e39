#pragma once

#include <gtest/gtest.h>

#include <cmath>
#include <random>
#include <tuple>
#include <utility>
#include <vector>

#include "cugad/cugad.hpp"
#include "host/backend/backend.hpp"

/// Latent searches of random networks and rows, on a device by its name.
namespace cugad::resident_test {

using Values = std::vector<float>;

struct Options {
  std::vector<std::int32_t> generator = {13, 30, 60, 27}, discriminator = {27, 50, 31, 15, 1};
  std::int64_t models = 1, rows = 20;
  std::int32_t restarts = 1, steps = 5;
  Distance residual = Distance::l1;
  Discrimination discrimination = Discrimination::feature_l1;
  double missing = 0.0;
  float prior = 0.0f, latent = 0.0f, clip = 0.0f;
  unsigned seed = 1;
};

/// A search in host memory, and its results.
struct Search {
  explicit Search(const Options& o) : options(o) {
    std::mt19937 engine(o.seed);
    std::normal_distribution<float> normal;
    std::uniform_real_distribution<double> uniform(0.0, 1.0);
    for (std::int64_t m = 0; m < o.models; ++m) {
      for (const auto* widths : {&o.generator, &o.discriminator}) {
        Values& network = widths == &o.generator ? generator : discriminator;
        for (std::size_t l = 1; l < widths->size(); ++l) {
          const float deviation = std::sqrt(2.0f / static_cast<float>((*widths)[l - 1]));
          for (int i = 0; i < (*widths)[l - 1] * (*widths)[l]; ++i) network.push_back(normal(engine) * deviation);
          for (int i = 0; i < (*widths)[l]; ++i) network.push_back(0.3f * normal(engine));
        }
      }
    }
    for (std::int64_t i = 0; i < o.models * o.rows * columns(); ++i)
      x.push_back(uniform(engine) < o.missing ? std::nanf("") : normal(engine));
    for (std::int64_t i = 0; i < o.models * o.rows * o.restarts * latent(); ++i) z.push_back(normal(engine));
  }
  std::int64_t latent() const { return options.generator.front(); }
  std::int64_t columns() const { return options.generator.back(); }

  Options options;
  Values generator, discriminator, x, z;
  Values loss, residual, discrimination, best_z, feature_residual, reconstruction;
};

inline NetworkView view_of(const float* data, const std::vector<std::int32_t>& widths, Activation hidden) {
  NetworkView view;
  view.layers = static_cast<std::int32_t>(widths.size()) - 1;
  std::int64_t size = 0;
  for (int l = 0; l < view.layers; ++l) {
    LayerView& layer = view.layer[l];
    layer.in = widths[static_cast<std::size_t>(l)];
    layer.out = widths[static_cast<std::size_t>(l) + 1];
    layer.weight = data + size;
    layer.bias = layer.weight + layer.in * layer.out;
    size += (layer.in + 1) * layer.out;
    layer.activation = l + 1 < view.layers ? hidden : Activation::identity;
    layer.slope = 0.1f;
  }
  for (int l = 0; l < view.layers; ++l) view.layer[l].model_stride = size;
  return view;
}

/// Host memory seen by a device.
class Mirror {
 public:
  explicit Mirror(Backend& backend) : backend_(backend) {}
  ~Mirror() {
    for (const auto& [memory, values] : copies_) backend_.release(memory);
  }
  Mirror(const Mirror&) = delete;
  Mirror& operator=(const Mirror&) = delete;
  float* upload(Values& values) {
    auto* memory = static_cast<float*>(backend_.allocate(values.size() * sizeof(float)));
    backend_.copy(memory, values.data(), values.size() * sizeof(float), nullptr);
    backend_.synchronize(nullptr);  // a context's stream does not wait for the default one
    copies_.emplace_back(memory, &values);
    return memory;
  }
  void download() {
    backend_.synchronize(nullptr);
    for (const auto& [memory, values] : copies_)
      backend_.copy(values->data(), memory, values->size() * sizeof(float), nullptr);
    backend_.synchronize(nullptr);
  }

 private:
  Backend& backend_;
  std::vector<std::pair<float*, Values*>> copies_;
};

using Run = void (*)(Context&, const LatentSearch&);

inline Search found_on(const char* device_name, Search search, Run run) {
  Device device = Device::open(device_name, 1);
  Context context = device.make_context();
  if (device.name() != "cpu") context.use_precision(Precision::bf16);  // as the kernels of these tests need it
  const Options& o = search.options;
  const auto rows = static_cast<std::size_t>(o.models * o.rows), columns = static_cast<std::size_t>(search.columns());
  Mirror mirror(device.backend());
  LatentSearch args;
  args.generator = view_of(mirror.upload(search.generator), o.generator, Activation::relu);
  args.discriminator = view_of(mirror.upload(search.discriminator), o.discriminator, Activation::leaky_relu);
  args.x = {mirror.upload(search.x), o.models, o.rows, search.columns()};
  args.z = {mirror.upload(search.z), o.models, o.rows * o.restarts, search.latent()};
  args.restarts = o.restarts;
  args.steps = o.steps;
  args.learning_rate = {2, {0.05f, 0.02f}, {3, 0}};
  args.residual_distance = o.residual;
  args.discrimination_kind = o.discrimination;
  args.lambda = 0.3f;
  args.prior_weight = o.prior;
  args.latent_weight = o.latent;
  args.latent_clip = o.clip;
  for (auto [view, values, width] :
       {std::tuple{&args.loss, &search.loss, std::size_t{1}},
        std::tuple{&args.residual, &search.residual, std::size_t{1}},
        std::tuple{&args.discrimination, &search.discrimination, std::size_t{1}},
        std::tuple{&args.best_z, &search.best_z, static_cast<std::size_t>(search.latent())},
        std::tuple{&args.feature_residual, &search.feature_residual, columns},
        std::tuple{&args.reconstruction, &search.reconstruction, columns}}) {
    values->assign(rows * width, -1.0f);
    *view = {mirror.upload(*values), o.models, o.rows, static_cast<std::int64_t>(width)};
  }
  run(context, args);
  context.synchronize();
  mirror.download();
  return search;
}

}  // namespace cugad::resident_test
