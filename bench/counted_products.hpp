#pragma once

#include "host/backend/backend.hpp"

namespace cugad::bench {

/// Counts, while it lives, the multiply-adds x 2 of the ops of a backend: products of dense layers, in scores through
/// an encoder too, and distances to rows. What an op leaves out because a factor is 0 counts as well. One at a time.
class CountedProducts {
 public:
  explicit CountedProducts(Backend& backend) : table_(const_cast<OpTable&>(backend.ops())) {
    plain_ = table_;
    flops_ = 0;
    table_.dense_forward.run = [](Context& context, const DenseForward& args) {
      add(args.y.models * args.y.rows, args.y.columns * args.x.columns);
      plain_.dense_forward.run(context, args);
    };
    table_.dense_backward.run = [](Context& context, const DenseBackward& args) {
      const int products = (args.dx ? 1 : 0) + (args.dweight ? 1 : 0);
      add(args.dy.models * args.dy.rows * products, args.dy.columns * args.weight.columns);
      plain_.dense_backward.run(context, args);
    };
    table_.reconstruction_score.run = [](Context& context, const ReconstructionScore& args) {
      const std::int64_t rows = args.x.models * args.x.rows;
      const bool compares = args.discrimination_kind >= Discrimination::feature_l1;  // D of the row and of G(z)
      add(rows, weights(args.encoder) + weights(args.generator));
      if (args.discrimination_kind != Discrimination::none) add(rows * (compares ? 2 : 1), weights(args.discriminator));
      plain_.reconstruction_score.run(context, args);
    };
    table_.nearest_rows.run = [](Context& context, const NearestRows& args) {
      add(args.query.models * args.query.rows, args.bank.rows * args.bank.columns);
      plain_.nearest_rows.run(context, args);
    };
  }
  ~CountedProducts() { table_ = plain_; }
  CountedProducts(const CountedProducts&) = delete;
  CountedProducts& operator=(const CountedProducts&) = delete;

  double flops() const { return flops_; }

 private:
  static void add(std::int64_t rows, std::int64_t terms) {
    flops_ += 2.0 * static_cast<double>(rows) * static_cast<double>(terms);
  }
  static std::int64_t weights(const NetworkView& network) {
    std::int64_t sum = 0;
    for (int l = 0; l < network.layers; ++l) sum += std::int64_t{network.layer[l].in} * network.layer[l].out;
    return sum;
  }

  OpTable& table_;
  static inline OpTable plain_;
  static inline double flops_ = 0;
};

}  // namespace cugad::bench
