#pragma once

#include <cmath>
#include <vector>

#include "host/network/network.hpp"
#include "tests/network/twin.hpp"

namespace cugad::test {

/// A Network in float64, one row at a time: one perceptron, or two branches before a trunk.
class JointTwin {
 public:
  explicit JointTwin(const Network& network) {
    for (const Network::Part& part : network.parts()) {
      std::vector<LayerSpec> layers;
      for (int l = 0; l < part.mlp.layers(); ++l) layers.push_back(part.mlp.layer(l));
      twins_.emplace_back(part.mlp.inputs(), layers);
      ends_.push_back(static_cast<std::size_t>(part.offset + part.mlp.parameters()));
    }
  }

  struct Trace {
    std::vector<Twin::Trace> part;
    const std::vector<double>& result() const { return part.back().output.back(); }
    const std::vector<double>& features() const { return part.back().output[part.back().output.size() - 2]; }
  };

  /// z only where there are branches. `dropout` names the stream of the first part's first layer (null: none).
  Trace forward(const std::vector<double>& flat, const std::vector<double>& x, const std::vector<double>& z,
                const RandomKey* dropout, std::int64_t row) const {
    Trace trace;
    const auto run = [&](std::size_t p, const std::vector<double>& in) {
      RandomKey mine = dropout == nullptr ? RandomKey{} : *dropout;
      mine.lane += is_joint() ? 4 * static_cast<std::uint32_t>(p) : 0;
      trace.part.push_back(twins_[p].forward(parameters(flat, p), in, dropout == nullptr ? nullptr : &mine, 0, row));
    };
    run(0, x);
    if (!is_joint()) return trace;
    run(1, z);
    std::vector<double> joined = trace.part[0].output.back();
    joined.insert(joined.end(), trace.part[1].output.back().begin(), trace.part[1].output.back().end());
    run(2, joined);
    return trace;
  }

  /// d result / d (x, z) of a joint network with one output.
  std::vector<double> input_gradient(const std::vector<double>& flat, const Trace& trace) const {
    const std::vector<double> joined = twins_[2].input_gradient(parameters(flat, 2), trace.part[2], {1.0});
    const auto split = static_cast<std::ptrdiff_t>(trace.part[0].output.back().size());
    std::vector<double> gradient =
        twins_[0].input_gradient(parameters(flat, 0), trace.part[0], {joined.begin(), joined.begin() + split});
    const std::vector<double> of_z =
        twins_[1].input_gradient(parameters(flat, 1), trace.part[1], {joined.begin() + split, joined.end()});
    gradient.insert(gradient.end(), of_z.begin(), of_z.end());
    return gradient;
  }

 private:
  bool is_joint() const { return twins_.size() > 1; }
  std::vector<double> parameters(const std::vector<double>& flat, std::size_t p) const {
    return {flat.begin() + static_cast<std::ptrdiff_t>(p == 0 ? 0 : ends_[p - 1]),
            flat.begin() + static_cast<std::ptrdiff_t>(ends_[p])};
  }

  std::vector<Twin> twins_;
  std::vector<std::size_t> ends_;
};

}  // namespace cugad::test
