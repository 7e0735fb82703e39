#pragma once

#include <algorithm>
#include <cmath>
#include <cstring>

#include "kernels/cpu/activation.hpp"
#include "kernels/cpu/rounded_multiply.hpp"
#include "kernels/latent_search/losses.hpp"

/// The latent search of one tile of z rows: all steps, with every activation in the first two cache levels.
namespace cugad::cpu::CUGAD_INSTRUCTION_SET {

constexpr std::int64_t max_tile = 54;  ///< z rows per tile: nine row blocks of the matrix product

/// A layer with its weights packed for both directions.
struct PackedLayer {
  const float* forward = nullptr;   ///< [in][out] panels
  const float* backward = nullptr;  ///< [out][in] panels
  const float* bias = nullptr;      ///< padded to whole vectors
  std::int64_t in = 0, out = 0;
  Activation activation = Activation::identity;
  float slope = 0.0f;
  bool is_rounded = false;  ///< both panels hold words of operands in bfloat16
};

struct PackedNetwork {
  int layers = 0;
  PackedLayer layer[NetworkView::max_layers];
};

/// Rows of `width` floats padded to whole 64-byte lines.
inline std::int64_t padded(std::int64_t columns) { return rounded_up(columns, 16); }

/// Where a tile's sums take all registers, apart from it: the constants of activations would stay in those of sums.
#if !defined(__AVX512F__) && !defined(__aarch64__)
[[gnu::noinline]]
#endif
inline Vec
layer_output(const PackedLayer& layer, Vec sum) {
  return activate(layer.activation, layer.slope, sum);
}

/// `words` takes the rounded rows of x.
inline void layer_forward(const PackedLayer& layer, std::int64_t rows, const float* x, float* words, float* y) {
  const std::int64_t stride = padded(layer.out);
  multiply(
      rows, layer.out, left_rows(x, padded(layer.in), rows, layer.in, layer.is_rounded, words), layer.forward,
      [&](std::int64_t, std::int64_t c) { return load(layer.bias + c); },
      [&](std::int64_t r, std::int64_t c, Vec sum) { store(y + r * stride + c, layer_output(layer, sum)); });
}

/// dx = (dh W) * act'(x), x being the output of the layer before (null for the network's input: no factor).
inline void layer_backward(const PackedLayer& layer, std::int64_t rows, const float* dh, const PackedLayer* before,
                           const float* x, float* words, float* dx) {
  const std::int64_t stride = padded(layer.in);
  multiply(
      rows, layer.in, left_rows(dh, padded(layer.out), rows, layer.out, layer.is_rounded, words), layer.backward,
      [](std::int64_t, std::int64_t) { return set(0.0f); },
      [&](std::int64_t r, std::int64_t c, Vec sum) {
        if (before != nullptr) sum = sum * derivative(before->activation, before->slope, load(x + r * stride + c));
        store(dx + r * stride + c, sum);
      });
}

class SearchTile {
 public:
  /// Floats of working memory that a tile of these networks needs.
  static std::int64_t floats(const Context& context, const LatentSearch& args) {
    std::int64_t per_row = 3 * padded(args.z.columns) + 4 * padded(args.x.columns) + 2;
    std::int64_t widest = std::max(padded(args.z.columns), padded(args.x.columns));
    for (const NetworkView* network : {&args.generator, &args.discriminator}) {
      for (int l = 0; l < network->layers; ++l) {
        // Discriminator layers twice: for G(z) and for the query's features.
        per_row += padded(network->layer[l].out) * (network == &args.discriminator ? 2 : 1);
        widest = std::max(widest, padded(network->layer[l].out));
      }
    }
    return max_tile * (per_row + (context.precision() == Precision::bf16 ? 3 : 2) * widest);
  }

  SearchTile(const LatentSearch& args, const PackedNetwork& generator, const PackedNetwork& discriminator,
             float* memory)
      : args_(args), generator_(generator), discriminator_(discriminator) {
    const auto take = [&](std::int64_t columns) {
      float* at = memory;
      memory += max_tile * padded(columns);
      return at;
    };
    z_ = take(latent());
    first_moment_ = take(latent());
    second_moment_ = take(latent());
    x_ = take(columns());
    weight_ = take(columns());
    filled_ = take(columns());
    residual_gradient_ = take(columns());
    std::int64_t widest = std::max(padded(latent()), padded(columns()));
    for (int l = 0; l < generator.layers; ++l) {
      generated_[l] = take(generator.layer[l].out);
      widest = std::max(widest, padded(generator.layer[l].out));
    }
    for (int l = 0; l < discriminator.layers; ++l) {
      judged_[l] = take(discriminator.layer[l].out);
      widest = std::max(widest, padded(discriminator.layer[l].out));
    }
    for (int l = 0; l < discriminator.layers; ++l) wanted_[l] = take(discriminator.layer[l].out);
    gradient_[0] = take(widest);
    gradient_[1] = take(widest);
    words_ = memory;  // of a rounded operand, not wider than the widest
  }

  /// Rows [begin, begin + rows) of z of model m: loads, searches, stores z back, and gives the losses of each z row.
  void search(std::int64_t m, std::int64_t begin, std::int64_t rows) {
    model_ = m;
    begin_ = begin;
    rows_ = rows;
    load_rows();
    if (uses_features()) query_features();
    const double beta1 = args_.beta1, beta2 = args_.beta2;
    double power1 = 1.0, power2 = 1.0;
    for (std::int64_t step = 0; step < args_.steps; ++step) {
      forward();
      backward();
      power1 *= beta1;
      power2 *= beta2;
      update(args_.learning_rate.at(step) / static_cast<float>(1.0 - power1),
             static_cast<float>(1.0 / std::sqrt(1.0 - power2)));
      if (args_.fixed_columns > 0) restore_fixed();
    }
    forward();
    store_rows();
  }

  /// The losses of z row `r` of the tile after search().
  struct Losses {
    float loss = 0, residual = 0, discrimination = 0;
  };
  Losses losses(std::int64_t r) const {
    Losses result;
    const float* weight = has_missing_ ? weight_ + r * padded(columns()) : nullptr;
    result.residual = distance_and_gradient(args_.residual_distance, x_ + r * padded(columns()), reconstruction(r),
                                            weight, columns(), 0.0f, nullptr);
    if (uses_features()) {
      result.discrimination = distance_and_gradient(feature_metric(), features(wanted_, r), features(judged_, r),
                                                    nullptr, feature_columns(), 0.0f, nullptr);
    } else if (args_.discrimination_kind == Discrimination::cross_entropy) {
      result.discrimination = softplus(-logit(r));
    }
    result.loss = (1.0f - args_.lambda) * result.residual + args_.lambda * result.discrimination;
    if (args_.prior_weight != 0.0f) result.loss -= args_.prior_weight * softplus(logit(r));
    if (args_.latent_weight != 0.0f) {
      float square = 0.0f;
      for (std::int64_t c = 0; c < free_columns(args_); ++c) square = fused(z_row(r)[c], z_row(r)[c], square);
      result.loss += args_.latent_weight * square;
    }
    return result;
  }
  const float* z_row(std::int64_t r) const { return z_ + r * padded(latent()); }
  const float* reconstruction(std::int64_t r) const {
    return generated_[generator_.layers - 1] + r * padded(columns());
  }

 private:
  std::int64_t latent() const { return args_.z.columns; }
  std::int64_t columns() const { return args_.x.columns; }
  bool uses_features() const { return args_.discrimination_kind >= Discrimination::feature_l1; }
  bool uses_logit() const {
    return args_.discrimination_kind == Discrimination::cross_entropy || args_.prior_weight != 0.0f;
  }
  Distance feature_metric() const {
    return args_.discrimination_kind == Discrimination::feature_l1   ? Distance::l1
           : args_.discrimination_kind == Discrimination::feature_l2 ? Distance::l2
                                                                     : Distance::squared;
  }
  std::int64_t feature_columns() const { return discriminator_.layer[discriminator_.layers - 2].out; }
  const float* features(float* const* outputs, std::int64_t r) const {
    return outputs[discriminator_.layers - 2] + r * padded(feature_columns());
  }
  float logit(std::int64_t r) const { return judged_[discriminator_.layers - 1][r * padded(1)]; }

  void load_rows() {
    const std::int64_t restarts = args_.restarts, stride = padded(columns());
    has_missing_ = false;
    for (std::int64_t r = 0; r < rows_; ++r) {
      std::copy_n(args_.z.data + model_ * args_.z.model_stride + (begin_ + r) * args_.z.row_stride, latent(),
                  z_ + r * padded(latent()));
      const float* query = args_.x.data + model_ * args_.x.model_stride + (begin_ + r) / restarts * args_.x.row_stride;
      for_vectors(columns(), [&](std::int64_t c, int n) {
        const Vec cell = load_some(query + c, n), weight = select_number(cell, set(1.0f), set(0.0f));
        has_missing_ |= less_lanes(weight, set(1.0f)) != 0;
        store_some(x_ + r * stride + c, select_number(cell, cell, set(0.0f)), n);
        store_some(weight_ + r * stride + c, weight, n);
      });
    }
    if (args_.steps == 0) return;
    std::fill_n(first_moment_, rows_ * padded(latent()), 0.0f);
    std::fill_n(second_moment_, rows_ * padded(latent()), 0.0f);
  }

  void store_rows() {
    for (std::int64_t r = 0; r < rows_; ++r) {
      std::copy_n(z_row(r), latent(), args_.z.data + model_ * args_.z.model_stride + (begin_ + r) * args_.z.row_stride);
    }
  }

  /// f(x) for the queries; missing cells take G(z)'s values once there is a G(z).
  void query_features() { hidden_forward(x_, wanted_, discriminator_.layers - 1); }

  void hidden_forward(const float* input, float* const* outputs, int layers) {
    for (int l = 0; l < layers; ++l) {
      layer_forward(discriminator_.layer[l], rows_, input, words_, outputs[l]);
      input = outputs[l];
    }
  }

  void forward() {
    const float* input = z_;
    for (int l = 0; l < generator_.layers; ++l) {
      layer_forward(generator_.layer[l], rows_, input, words_, generated_[l]);
      input = generated_[l];
    }
    if (uses_features() && has_missing_) {
      const std::int64_t stride = padded(columns());
      for (std::int64_t i = 0; i < rows_ * stride; i += width) {
        const Vec weight = load(weight_ + i);
        store(filled_ + i, select_less(set(0.5f), weight, load(x_ + i), load(input + i)));
      }
      hidden_forward(filled_, wanted_, discriminator_.layers - 1);
    }
    if (uses_logit()) {
      hidden_forward(input, judged_, discriminator_.layers);
    } else if (uses_features()) {
      hidden_forward(input, judged_, discriminator_.layers - 1);
    }
  }

  /// Leaves d loss / d z (without the latent penalty) in gradient_[0].
  void backward() {
    const std::int64_t stride = padded(columns());
    for (std::int64_t r = 0; r < rows_; ++r) {
      distance_and_gradient(args_.residual_distance, x_ + r * stride, reconstruction(r),
                            has_missing_ ? weight_ + r * stride : nullptr, columns(), 1.0f - args_.lambda,
                            residual_gradient_ + r * stride);
    }
    float* current = gradient_[0];
    float* other = gradient_[1];
    if (uses_logit() || uses_features()) {
      discriminator_backward(current, other);
      for (std::int64_t r = 0; r < rows_; ++r) {
        for_vectors(columns(), [&](std::int64_t c, int n) {
          const std::int64_t at = r * stride + c;
          store_some(current + at, load_some(current + at, n) + load_some(residual_gradient_ + at, n), n);
        });
      }
    } else {
      std::copy_n(residual_gradient_, rows_ * stride, current);
    }
    const PackedLayer& last = generator_.layer[generator_.layers - 1];
    if (last.activation != Activation::identity) {
      for (std::int64_t i = 0; i < rows_ * stride; i += width) {
        store(current + i,
              load(current + i) * derivative(last.activation, last.slope, load(generated_[generator_.layers - 1] + i)));
      }
    }
    for (int l = generator_.layers - 1; l >= 0; --l) {
      layer_backward(generator_.layer[l], rows_, current, l > 0 ? &generator_.layer[l - 1] : nullptr,
                     l > 0 ? generated_[l - 1] : nullptr, words_, other);
      std::swap(current, other);
    }
    latent_gradient_ = current;
  }

  /// The gradient of the discriminator's terms with respect to G(z), left in `current`.
  void discriminator_backward(float*& current, float*& other) {
    const int last = discriminator_.layers - 1;
    if (last == 0) {  // no hidden layer: the logit looks at G(z) itself
      for (std::int64_t r = 0; r < rows_; ++r) other[r * padded(1)] = logit_gradient(r);
      layer_backward(discriminator_.layer[0], rows_, other, nullptr, nullptr, words_, current);
      return;
    }
    const std::int64_t stride = padded(feature_columns());
    if (uses_logit()) {
      for (std::int64_t r = 0; r < rows_; ++r) other[r * padded(1)] = logit_gradient(r);
      layer_backward(discriminator_.layer[last], rows_, other, nullptr, nullptr, words_, current);
    } else {
      std::fill_n(current, rows_ * stride, 0.0f);
    }
    for (std::int64_t r = 0; r < rows_; ++r) {
      if (uses_features()) {
        distance_and_gradient(feature_metric(), features(wanted_, r), features(judged_, r), nullptr, feature_columns(),
                              args_.lambda, other + r * stride);
      }
      const PackedLayer& layer = discriminator_.layer[last - 1];
      for_vectors(feature_columns(), [&](std::int64_t c, int n) {
        const std::int64_t at = r * stride + c;
        Vec gradient = load_some(current + at, n);
        if (uses_features()) gradient = gradient + load_some(other + at, n);
        store_some(current + at,
                   gradient * derivative(layer.activation, layer.slope, load_some(judged_[last - 1] + at, n)), n);
      });
    }
    for (int l = last - 1; l >= 0; --l) {
      layer_backward(discriminator_.layer[l], rows_, current, l > 0 ? &discriminator_.layer[l - 1] : nullptr,
                     l > 0 ? judged_[l - 1] : nullptr, words_, other);
      std::swap(current, other);
    }
  }

  /// d/dl of lambda softplus(-l) - prior softplus(l).
  float logit_gradient(std::int64_t r) const {
    const float probability = logistic_scalar(logit(r));
    float gradient = -args_.prior_weight * probability;
    if (args_.discrimination_kind == Discrimination::cross_entropy) {
      gradient += args_.lambda * (probability - 1.0f);
    }
    return gradient;
  }

  /// One Adam step on z: rate carries 1 / (1 - beta1^t), correction is 1 / sqrt(1 - beta2^t).
  void update(float rate, float correction) {
    const Vec beta1 = set(args_.beta1), beta2 = set(args_.beta2);
    const Vec rest1 = set(1.0f - args_.beta1), rest2 = set(1.0f - args_.beta2);
    const Vec clip = set(args_.latent_clip);
    const std::int64_t count = rows_ * padded(latent());
    for (std::int64_t i = 0; i < count; i += width) {
      Vec z = load(z_ + i);
      Vec gradient = load(latent_gradient_ + i);
      if (args_.latent_weight != 0.0f) gradient = fused(set(2.0f * args_.latent_weight), z, gradient);
      const Vec first = fused(beta1, load(first_moment_ + i), rest1 * gradient);
      const Vec second = fused(beta2, load(second_moment_ + i), rest2 * (gradient * gradient));
      store(first_moment_ + i, first);
      store(second_moment_ + i, second);
      const Vec scale = fused(square_root(second), set(correction), set(args_.epsilon));
      z = z - set(rate) * first / scale;
      if (args_.latent_clip > 0.0f) z = minimum(maximum(z, set(0.0f) - clip), clip);
      store(z_ + i, z);
    }
  }

  /// Adam works on whole vectors; the constants are read again from the caller's z, which is written only at the end.
  void restore_fixed() {
    const std::int64_t first = free_columns(args_);
    for (std::int64_t r = 0; r < rows_; ++r) {
      const float* start = args_.z.data + model_ * args_.z.model_stride + (begin_ + r) * args_.z.row_stride;
      std::copy_n(start + first, args_.fixed_columns, z_ + r * padded(latent()) + first);
    }
  }

  const LatentSearch& args_;
  const PackedNetwork& generator_;
  const PackedNetwork& discriminator_;
  std::int64_t model_ = 0, begin_ = 0, rows_ = 0;
  bool has_missing_ = false;
  float *z_ = nullptr, *first_moment_ = nullptr, *second_moment_ = nullptr;
  float *x_ = nullptr, *weight_ = nullptr, *filled_ = nullptr, *residual_gradient_ = nullptr;
  float* generated_[NetworkView::max_layers] = {};
  float* judged_[NetworkView::max_layers] = {};
  float* wanted_[NetworkView::max_layers] = {};
  float* gradient_[2] = {};
  float* words_ = nullptr;
  const float* latent_gradient_ = nullptr;
};

}  // namespace cugad::cpu::CUGAD_INSTRUCTION_SET
