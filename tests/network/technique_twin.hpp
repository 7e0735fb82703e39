#pragma once

#include <cmath>
#include <vector>

#include "host/network/network.hpp"

namespace cugad::test {

/// A network with techniques in float64, whole batches at a time, without any code of the library's passes. Parameters
/// in the order that Network documents.
class TechniqueTwin {
 public:
  using Rows = std::vector<std::vector<double>>;
  /// What spectral normalisation holds constant: [part][layer], empty where a layer has none.
  struct Singular {
    std::vector<double> left, right;
  };
  using Constants = std::vector<std::vector<Singular>>;

  TechniqueTwin(const Network& network, const Techniques& techniques) : network_(network), techniques_(techniques) {}

  Rows outputs(const std::vector<double>& flat, const Rows& x, const Rows& z, const Constants& constants) const {
    std::size_t further = 0;
    for (const Network::Part& part : network_.parts()) further += static_cast<std::size_t>(part.mlp.parameters());
    const std::size_t reference = reference_at(further);
    Rows rows = x, features;
    for (std::size_t p = 0; p < network_.parts().size(); ++p) {
      if (p == 1) {
        joined_ = std::move(rows);
        rows = z;
      } else if (p == 2) {
        for (std::size_t r = 0; r < rows.size(); ++r)
          joined_[r].insert(joined_[r].end(), rows[r].begin(), rows[r].end());
        rows = std::move(joined_);
      }
      rows = run_part(p, flat, std::move(rows), constants, further, reference, features);
    }
    if (techniques_.minibatch_kernels > 0) add_nearness(flat, further, features, rows);
    return rows;
  }

 private:
  const Network::Part& part(std::size_t p) const { return network_.parts()[p]; }
  bool is_last(std::size_t p, int l) const { return p + 1 == network_.parts().size() && l + 1 == part(p).mlp.layers(); }
  bool has_batch_norm(std::size_t p) const { return techniques_.batch_norm && network_.is_joint() && p == 0; }
  bool has_reference(std::size_t p) const { return techniques_.virtual_batch > 0 && p + 1 == network_.parts().size(); }

  /// Behind everything that is trained.
  std::size_t reference_at(std::size_t further) const {
    for (std::size_t p = 0; p < network_.parts().size(); ++p)
      for (int l = 0; l < part(p).mlp.layers(); ++l)
        if (!is_last(p, l) && (has_batch_norm(p) || has_reference(p)))
          further += 2 * static_cast<std::size_t>(part(p).mlp.layer(l).out);
    return further;
  }

  Rows run_part(std::size_t p, const std::vector<double>& flat, Rows rows, const Constants& constants,
                std::size_t& further, std::size_t reference, Rows& features) const {
    const Mlp& mlp = part(p).mlp;
    const auto in = static_cast<std::size_t>(mlp.inputs());
    const std::size_t before = has_reference(p) ? static_cast<std::size_t>(techniques_.virtual_batch) : 0;
    for (std::size_t r = 0; r < before; ++r) {
      const auto from = flat.begin() + static_cast<std::ptrdiff_t>(reference + r * in);
      rows.insert(rows.begin() + static_cast<std::ptrdiff_t>(r), std::vector<double>(from, from + mlp.inputs()));
    }
    for (int l = 0; l < mlp.layers(); ++l) {
      const bool last = is_last(p, l);
      if (last) features = Rows(rows.begin() + static_cast<std::ptrdiff_t>(before), rows.end());
      dense(p, l, flat, techniques_.spectral_norm && !last ? &constants[p][static_cast<std::size_t>(l)] : nullptr,
            rows);
      if (!last && (has_batch_norm(p) || has_reference(p))) {
        const auto out = static_cast<std::size_t>(mlp.layer(l).out);
        normalise(flat, further, before, rows);
        further += 2 * out;
      }
      for (auto& row : rows)
        for (double& h : row) h = activated(mlp.layer(l), h);
    }
    rows.erase(rows.begin(), rows.begin() + static_cast<std::ptrdiff_t>(before));
    return rows;
  }

  void dense(std::size_t p, int l, const std::vector<double>& flat, const Singular* singular, Rows& rows) const {
    const Mlp& mlp = part(p).mlp;
    const auto out = static_cast<std::size_t>(mlp.layer(l).out), in = static_cast<std::size_t>(mlp.layer_inputs(l));
    const double* weight = flat.data() + part(p).offset + mlp.weight_offset(l);
    const double* bias = flat.data() + part(p).offset + mlp.bias_offset(l);
    double sigma = singular == nullptr ? 1.0 : 0.0;
    if (singular != nullptr)
      for (std::size_t o = 0; o < out; ++o)
        for (std::size_t i = 0; i < in; ++i) sigma += singular->left[o] * weight[o * in + i] * singular->right[i];
    for (auto& row : rows) {
      std::vector<double> h(out);
      for (std::size_t o = 0; o < out; ++o) {
        h[o] = bias[o];
        for (std::size_t i = 0; i < in; ++i) h[o] += weight[o * in + i] / sigma * row[i];
      }
      row = std::move(h);
    }
  }

  /// With `before` reference rows: they with their own statistics, every other row with theirs and its own.
  void normalise(const std::vector<double>& flat, std::size_t at, std::size_t before, Rows& rows) const {
    const std::size_t columns = rows.front().size();
    const Rows plain = rows;
    const auto some = static_cast<std::size_t>(techniques_.part_rows);
    for (std::size_t c = 0; c < columns; ++c) {
      const auto apply = [&](std::size_t r, double mean, double square) {
        const double deviation = std::sqrt(square - mean * mean + 1e-3);
        rows[r][c] = flat[at + c] * (plain[r][c] - mean) / deviation + flat[at + columns + c];
      };
      const auto moments = [&](std::size_t first, std::size_t count, double& mean, double& square) {
        mean = square = 0.0;
        for (std::size_t r = first; r < first + count; ++r) {
          mean += plain[r][c] / static_cast<double>(count);
          square += plain[r][c] * plain[r][c] / static_cast<double>(count);
        }
      };
      double mean = 0.0, square = 0.0;
      if (before > 0) {
        moments(0, before, mean, square);
        const auto n = static_cast<double>(before);
        for (std::size_t r = 0; r < rows.size(); ++r) {
          const double x = plain[r][c];
          if (r < before)
            apply(r, mean, square);
          else
            apply(r, (n * mean + x) / (n + 1.0), (n * square + x * x) / (n + 1.0));
        }
        continue;
      }
      for (std::size_t first = 0; first < rows.size(); first += some) {
        const std::size_t count = std::min(some, rows.size() - first);
        moments(first, count, mean, square);
        for (std::size_t r = first; r < first + count; ++r) apply(r, mean, square);
      }
    }
  }

  void add_nearness(const std::vector<double>& flat, std::size_t at, const Rows& features, Rows& outputs) const {
    const auto kernels = static_cast<std::size_t>(techniques_.minibatch_kernels),
               dimensions = static_cast<std::size_t>(techniques_.minibatch_dimensions),
               some = static_cast<std::size_t>(techniques_.part_rows), in = features.front().size();
    const double *projection = flat.data() + at, *share = projection + kernels * dimensions * in;
    Rows projected;
    for (const auto& row : features) {
      std::vector<double> m(kernels * dimensions, 0.0);
      for (std::size_t k = 0; k < m.size(); ++k)
        for (std::size_t i = 0; i < in; ++i) m[k] += projection[k * in + i] * row[i];
      projected.push_back(std::move(m));
    }
    for (std::size_t r = 0; r < features.size(); ++r) {
      const std::size_t first = r / some * some, end = std::min(features.size(), first + some);
      for (std::size_t b = 0; b < kernels; ++b) {
        double near = 0.0;
        for (std::size_t j = first; j < end; ++j) {
          double distance = 0.0;
          for (std::size_t d = b * dimensions; d < (b + 1) * dimensions; ++d)
            distance += std::abs(projected[r][d] - projected[j][d]);
          near += std::exp(-distance);
        }
        for (std::size_t o = 0; o < outputs[r].size(); ++o) outputs[r][o] += share[o * kernels + b] * near;
      }
    }
  }

  static double activated(const LayerSpec& layer, double h) {
    if (layer.activation == Activation::relu) return std::max(h, 0.0);
    if (layer.activation == Activation::leaky_relu) return h > 0.0 ? h : layer.slope * h;
    return h;
  }

  const Network& network_;
  Techniques techniques_;
  mutable Rows joined_;
};

}  // namespace cugad::test
