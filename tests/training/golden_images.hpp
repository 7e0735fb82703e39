#pragma once

#include "tests/training/golden_scores.hpp"

/// Convolutional networks of golden files (tests/golden/README.md, j), whose weights are [out, ky, kx, in] and dense
/// ones [out, in], as the library's.
namespace cugad::test {

/// Of gradients where batch statistics or double backward passes divide.
constexpr double close = 1e-4;

inline Arrays read_golden(const char* name) {
  return read_npz(std::string(CUGAD_SOURCE_DIR "/tests/golden/") + name + ".npz");
}

inline Layer layer_of(Layer::Kind kind, int channels, int window, int stride) {
  Layer layer(channels);
  layer.kind = kind;
  layer.window = window;
  layer.stride = stride;
  return layer;
}
inline Layer conv(int channels, int window, int stride) {
  return layer_of(Layer::Kind::convolution, channels, window, stride);
}
inline Layer up(int channels, int window, int stride) {
  return layer_of(Layer::Kind::transposed, channels, window, stride);
}
inline Layer bn(Layer layer) {
  layer.batch_norm = true;
  return layer;
}

inline Layer ln(Layer layer) {
  layer.layer_norm = true;
  return layer;
}

inline DetectorOptions image_options(Method method, int side, int batch, int latent, float slope) {
  DetectorOptions options;
  options.method = method;
  options.image = ImageShape{side, side, 1};
  options.population = 1;
  options.latent = latent;
  options.generator_tanh = true;
  options.slope = slope;
  options.batch = batch;
  options.learning_rate = options.discriminator_learning_rate = options.encoder_learning_rate = 2e-4f;
  options.beta1 = 0.5f;
  options.beta2 = 0.999f;
  options.final_rate = 1.0f;
  options.average_decay = options.r1 = options.coverage = options.fence = 0.0f;
  options.reconstruction = options.latent_cycle = 0.0f;
  options.standardise = options.compress = false;
  options.discriminator_weight = 0.0f;
  return options;
}

/// A network whose arrays are "<prefix><part>_W<l>", "_b<l>", "_scale<l>" and "_shift<l>"; what a file lacks is 0. A
/// normalisation has the number of the layer before it.
struct GoldenImageNetwork {
  GoldenImageNetwork(const Network& network_, std::vector<std::string> part_names_ = {""})
      : network(network_), part_names(std::move(part_names_)) {}

  /// Calls action(array's name, place in the flat parameters, count) for all that the network trains.
  template <class Action>
  void for_each_array(const std::string& prefix, Action&& action) const {
    for (std::size_t p = 0; p < network.parts().size(); ++p) {
      const Network::Part& part = network.parts()[p];
      for (int l = 0; l < part.mlp.layers(); ++l) {
        const auto name = [&](const char* kind) {
          return prefix + part_names[p] + "_" + kind + std::to_string(part.mlp.place(l) + 1);
        };
        const std::int64_t units = part.mlp.units(l);
        if (part.mlp.layer(l).layer_norm) {
          action(name("scale"), part.offset + part.mlp.weight_offset(l), units);
          action(name("shift"), part.offset + part.mlp.bias_offset(l), units);
          continue;
        }
        action(name("W"), part.offset + part.mlp.weight_offset(l), units * part.mlp.fan_in(l));
        action(name("b"), part.offset + part.mlp.bias_offset(l), units);
        if (!part.mlp.layer(l).batch_norm) continue;
        const LayerTechniques& layer = part.techniques.layer[static_cast<std::size_t>(l)];
        const std::int64_t channels = layer.shift - layer.scale;
        action(name("scale"), layer.scale, channels);
        action(name("shift"), layer.shift, channels);
      }
    }
  }
  /// The same for the moving statistics "<prefix><part>_moving_mean<l><suffix>" and "_moving_variance<l><suffix>".
  template <class Action>
  void for_each_statistic(const std::string& prefix, const std::string& suffix, Action&& action) const {
    for (std::size_t p = 0; p < network.parts().size(); ++p) {
      const Network::Part& part = network.parts()[p];
      for (int l = 0; l < part.mlp.layers(); ++l) {
        if (!part.mlp.layer(l).batch_norm) continue;
        const LayerTechniques& layer = part.techniques.layer[static_cast<std::size_t>(l)];
        const std::string end = std::to_string(part.mlp.place(l) + 1) + suffix;
        action(prefix + part_names[p] + "_moving_mean" + end, layer.moving_mean, layer.shift - layer.scale);
        action(prefix + part_names[p] + "_moving_variance" + end, layer.moving_variance, layer.shift - layer.scale);
      }
    }
  }

  /// Parameters before the first step: moving statistics are 0 and 1.
  std::vector<float> initial(const Arrays& arrays, const std::string& prefix) const {
    std::vector<float> flat(static_cast<std::size_t>(network.parameters()));
    const auto put = [&](const std::string& name, std::int64_t at, std::int64_t count) {
      const auto found = arrays.find(name);
      if (found == arrays.end()) return;
      ASSERT_EQ(static_cast<std::int64_t>(found->second.values.size()), count) << name;
      std::copy(found->second.values.begin(), found->second.values.end(), flat.begin() + at);
    };
    for_each_array(prefix, put);
    for_each_statistic(prefix, "", [&](const std::string& name, std::int64_t at, std::int64_t count) {
      if (name.find("variance") != std::string::npos) std::fill_n(flat.begin() + at, count, 1.0f);
    });
    return flat;
  }
  /// The same with moving statistics of the file: what scores.
  std::vector<float> trained(const Arrays& arrays, const std::string& prefix, const std::string& statistics) const {
    std::vector<float> flat = initial(arrays, prefix);
    for_each_statistic(statistics, "", [&](const std::string& name, std::int64_t at, std::int64_t) {
      const auto found = arrays.find(name);
      if (found != arrays.end()) std::copy(found->second.values.begin(), found->second.values.end(), flat.begin() + at);
    });
    return flat;
  }
  NetworkState place(GoldenRun& run, const Arrays& arrays, const std::string& prefix) const {
    return place(run, initial(arrays, prefix));
  }
  NetworkState place(GoldenRun& run, const std::vector<float>& values) const {
    const auto take = [&](const char* name) { return run.arena.stack(name, 1, 1, network.parameters()); };
    const NetworkState state{take("parameter"), take("first moment"), take("second moment"), {}, {}};
    run.context().backend().copy(state.parameter.data, values.data(), sizeof(float) * values.size(),
                                 run.context().stream());
    run.context().synchronize();
    return state;
  }

  /// Each array that the file has is what was found, up to `tolerance` of its largest number, or of `least`.
  void expect(const std::vector<float>& found, const Arrays& arrays, const std::string& prefix, double tolerance,
              double least = 0.0) const {
    int compared = 0;
    for_each_array(prefix, [&](const std::string& name, std::int64_t at, std::int64_t) {
      compared += expect_array(found, at, arrays, name, tolerance, least);
    });
    EXPECT_GT(compared, 0) << prefix;
  }
  /// Arrays of moving statistics after step t.
  void expect_statistics(const std::vector<float>& found, const Arrays& arrays, const std::string& prefix,
                         std::int64_t t) const {
    int compared = 0;
    for_each_statistic(prefix, "_own", [&](const std::string& name, std::int64_t at, std::int64_t count) {
      compared += expect_array(found, at, arrays, name, 1e-5, 0.1, t * count, count);
    });
    EXPECT_GT(compared, 0) << prefix;
  }

  const Network& network;
  std::vector<std::string> part_names;

 private:
  static int expect_array(const std::vector<float>& found, std::int64_t at, const Arrays& arrays,
                          const std::string& name, double tolerance, double least, std::int64_t first = 0,
                          std::int64_t count = -1) {
    const auto golden = arrays.find(name);
    if (golden == arrays.end()) return 0;
    const auto begin = golden->second.values.begin() + first;
    const std::vector<double> expected(begin, count < 0 ? golden->second.values.end() : begin + count);
    double largest = least;
    for (const double value : expected) largest = std::max(largest, std::abs(value));
    for (std::size_t i = 0; i < expected.size(); ++i)
      EXPECT_NEAR(found[static_cast<std::size_t>(at) + i], expected[i], tolerance * largest) << name << " " << i;
    return 1;
  }
};

/// Images of a file as rows.
inline Array as_rows(Array images, std::int64_t rows) {
  images.shape = {rows, static_cast<std::int64_t>(images.values.size()) / rows};
  return images;
}

inline void expect_values(const std::vector<float>& found, const Array& expected, double tolerance,
                          const std::string& what) {
  ASSERT_EQ(found.size(), expected.values.size()) << what;
  double largest = 0.0;
  for (const double value : expected.values) largest = std::max(largest, std::abs(value));
  for (std::size_t i = 0; i < found.size(); ++i)
    ASSERT_NEAR(found[i], expected.values[i], tolerance * largest) << what << " " << i;
}

}  // namespace cugad::test
