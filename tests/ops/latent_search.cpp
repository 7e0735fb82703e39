#include <gtest/gtest.h>

#include <limits>

#include "tests/ops/latent_problem.hpp"

namespace cugad::test {
namespace {

std::vector<Case> latent_search_cases() {
  std::vector<Case> cases;
  const auto add = [&](const SearchShape& s) {
    Case one;
    one.parameters = s.text();
    one.layout = s.layout;
    one.exact = s.exact;
    one.perf = s.perf;
    one.build = [s](Problem& problem) { build_search(problem, s); };
    cases.push_back(one);
  };
  const std::vector<std::int64_t> small_g = {5, 9, 13}, small_d = {13, 17, 7, 1};
  constexpr Distance distances[] = {Distance::l1, Distance::l2, Distance::squared};
  constexpr Discrimination discriminations[] = {Discrimination::none, Discrimination::cross_entropy,
                                                Discrimination::feature_l1, Discrimination::feature_l2,
                                                Discrimination::feature_squared};
  for (const Distance distance : distances)
    for (const Discrimination discrimination : discriminations)
      for (const std::int64_t steps : {0, 1, 5, 25})
        add({.rows = 5,
             .steps = steps,
             .generator = small_g,
             .discriminator = small_d,
             .residual = distance,
             .discrimination = discrimination,
             .layout = static_cast<Layout>(steps % 3)});
  // Populations, restarts, missing cells, every extra term of the loss; each alone and all together.
  for (const Discrimination discrimination : discriminations) {
    for (const Layout layout : {Layout::contiguous, Layout::strided, Layout::misaligned}) {
      SearchShape base{.models = 3,
                       .rows = 7,
                       .steps = 5,
                       .generator = small_g,
                       .discriminator = small_d,
                       .discrimination = discrimination,
                       .layout = layout};
      SearchShape shape = base;
      shape.restarts = 3;
      add(shape);
      shape = base;
      shape.missing = 0.3;
      add(shape);
      shape = base;
      shape.prior_weight = 0.05;
      add(shape);
      shape = base;
      shape.latent_weight = 0.3;
      add(shape);
      shape = base;
      shape.latent_clip = 0.5;
      add(shape);
      shape = base;
      shape.pieces = 3;
      add(shape);
      shape = base;
      shape.restarts = 2, shape.missing = 0.2, shape.prior_weight = 0.05, shape.latent_weight = 0.1;
      shape.latent_clip = 1.0, shape.pieces = 4, shape.beta1 = 0.5, shape.shared_x = true;
      add(shape);
    }
  }
  for (const Activation activation : {Activation::identity, Activation::sigmoid, Activation::tanh}) {
    add({.rows = 6, .steps = 5, .generator = small_g, .discriminator = small_d, .hidden = activation});
    add({.rows = 6, .steps = 5, .generator = small_g, .discriminator = small_d, .last = activation});
  }
  // Depths and widths around the tiles.
  add({.rows = 6, .steps = 5, .generator = {1, 1}, .discriminator = {1, 1, 1}});
  add({.rows = 6,
       .steps = 5,
       .generator = {3, 7},
       .discriminator = {7, 1},
       .discrimination = Discrimination::cross_entropy});
  add({.rows = 6, .steps = 5, .generator = {16, 15, 16, 17, 33}, .discriminator = {33, 16, 15, 17, 1}});
  add({.rows = 6,
       .steps = 1,
       .generator = {2, 3, 4, 5, 6, 7, 8, 9, 10},
       .discriminator = {10, 9, 8, 7, 6, 5, 4, 3, 1}});
  add({.rows = 5, .steps = 3, .generator = {64, 65, 64}, .discriminator = {64, 63, 65, 1}});
  // Queries around the search's own tile (54 rows of z), restarts that fill it and that exceed it.
  for (const std::int64_t rows : {0, 1, 53, 54, 55, 109})
    add({.rows = rows, .steps = 2, .generator = {3, 5}, .discriminator = {5, 4, 1}});
  for (const std::int64_t restarts : {5, 7, 54, 55, 61, 130})
    add({.rows = 4, .steps = 2, .restarts = restarts, .generator = {3, 5}, .discriminator = {5, 4, 1}});
  for (const std::int64_t models : {15, 16, 17, 33})
    add({.models = models, .rows = 3, .steps = 2, .generator = {3, 5}, .discriminator = {5, 4, 1}});
  for (int wanted = 0; wanted < 7; ++wanted)  // each output alone, and none
    add({.rows = 3,
         .steps = 2,
         .restarts = 2,
         .generator = {3, 5},
         .discriminator = {5, 4, 1},
         .missing = 0.2,
         .outputs = wanted == 6 ? 0 : 1 << wanted});
  // The KDD networks.
  add({.rows = 3, .steps = 5, .generator = {32, 64, 128, 121}, .discriminator = {121, 256, 128, 128, 1}});
  add({.rows = 50,
       .steps = 1,
       .generator = {32, 64, 128, 121},
       .discriminator = {121, 256, 128, 128, 1},
       .discrimination = Discrimination::cross_entropy,
       .perf = true});
  add({.rows = 65543, .steps = 0, .generator = {1, 2}, .discriminator = {2, 2, 1}});
  // Enough work for a second thread.
  add({.rows = 130,
       .steps = 20,
       .generator = {8, 32, 40},
       .discriminator = {40, 32, 1},
       .discrimination = Discrimination::feature_l2});
  add({.rows = 9, .steps = 5, .restarts = 60, .generator = {8, 32, 40}, .discriminator = {40, 32, 1}});
  add({.models = 17, .rows = 10, .steps = 20, .generator = {8, 32, 40}, .discriminator = {40, 32, 1}});
  // Layer by layer, if the device has that path: every term of the loss, tails, restarts, recorded and unrecorded
  // steps.
  for (const Discrimination discrimination : discriminations) {
    SearchShape shape{.models = 2,
                      .rows = 7,
                      .steps = 5,
                      .restarts = 2,
                      .generator = small_g,
                      .discriminator = small_d,
                      .residual = distances[static_cast<int>(discrimination) % 3],
                      .discrimination = discrimination,
                      .missing = 0.2,
                      .latent_clip = 1.0,
                      .pieces = 2,
                      .layout = Layout::strided,
                      .route = SearchRoute::layers};
    add(shape);
    shape.restarts = 1, shape.steps = 2, shape.missing = 0.0, shape.prior_weight = 0.05, shape.latent_weight = 0.1;
    shape.shared_x = true, shape.layout = Layout::misaligned;
    add(shape);
  }
  add({.rows = 6,
       .steps = 5,
       .generator = {3, 7},
       .discriminator = {7, 1},
       .discrimination = Discrimination::cross_entropy,
       .route = SearchRoute::layers});
  add({.rows = 3,
       .steps = 5,
       .generator = {32, 64, 128, 121},
       .discriminator = {121, 256, 128, 128, 1},
       .route = SearchRoute::layers});
  // Constant columns of z: around vectors and tiles, none left, with everything that could touch them, all ways.
  for (const SearchRoute route : {SearchRoute::op, SearchRoute::general, SearchRoute::layers})
    for (const auto& [latent, fixed] : {std::pair{5, 1}, {5, 4}, {5, 5}, {33, 17}, {40, 8}, {70, 64}}) {
      SearchShape shape{.models = 2,
                        .rows = 7,
                        .steps = 5,
                        .restarts = fixed % 2 + 1,
                        .generator = {latent, 9, 13},
                        .discriminator = small_d,
                        .missing = 0.2,
                        .latent_weight = 0.3,
                        .latent_clip = 0.5,
                        .fixed_columns = fixed,
                        .layout = static_cast<Layout>(fixed % 3),
                        .route = route};
      add(shape);
      shape.discrimination = Discrimination::none;
      add(shape);
    }
  // Tensor cores: that nothing depends on the batch, the population or the order of events.
  for (const Precision precision : {Precision::tf32, Precision::bf16})
    for (const SearchRoute route : {SearchRoute::general, SearchRoute::layers}) {
      SearchShape shape{
          .models = 2,
          .rows = 19,
          .steps = 2,
          .restarts = 2,
          .generator = {5, 18, 13},
          .discriminator = {13, 33, 9, 1},
          .discrimination = route == SearchRoute::general ? Discrimination::feature_l2 : Discrimination::feature_l1,
          .missing = 0.2,
          .prior_weight = 0.05,
          .layout = Layout::misaligned,
          .route = route,
          .precision = precision};
      add(shape);
      shape.fixed_columns = 3, shape.latent_clip = 0.5;
      add(shape);
    }
  // Rows and features of many columns, of which the search takes several at a time, for all options.
  for (const Precision precision : {Precision::fp32, Precision::tf32, Precision::bf16})
    for (const SearchRoute route : {SearchRoute::general, SearchRoute::layers})
      for (const Distance residual : distances) {
        SearchShape shape{.rows = 3,
                          .steps = 2,
                          .restarts = 2,
                          .generator = {140, 18, 150},
                          .discriminator = {150, 33, 145, 1},
                          .hidden = residual == Distance::l1   ? Activation::tanh
                                    : residual == Distance::l2 ? Activation::sigmoid
                                                               : Activation::identity,
                          .residual = residual,
                          .discrimination = residual == Distance::l1   ? Discrimination::feature_squared
                                            : residual == Distance::l2 ? Discrimination::feature_l2
                                                                       : Discrimination::cross_entropy,
                          .missing = residual == Distance::l2 ? 0.0 : 0.1,
                          .prior_weight = 0.05,
                          .latent_weight = 0.1,
                          .latent_clip = 1.0,
                          .route = route,
                          .precision = precision};
        shape.last = residual == Distance::squared ? Activation::tanh : Activation::identity;
        if (precision == Precision::fp32) shape.steps = 1;
        add(shape);
        shape.discrimination = Discrimination::none;
        add(shape);
        shape.discrimination = Discrimination::feature_l1, shape.restarts = 1, shape.hidden = Activation::sigmoid;
        add(shape);
        shape.last = Activation::sigmoid, shape.discrimination = Discrimination::none;
        add(shape);
      }
  // The resident search: networks smaller than their class, and shallower; all of its options. So many rows that each
  // warp has its own on a chip of one multiprocessor; on larger chips four warps share them.
  for (const bool is_wide : {false, true}) {
    SearchShape shape{.rows = is_wide ? 5 : 6,
                      .steps = 2,
                      .generator = {20, 50, 90, 100},
                      .discriminator = {100, is_wide ? 200 : 120, 100, 64, 1},
                      .latent_weight = 0.1,
                      .latent_clip = 0.5,
                      .precision = Precision::bf16};
    if (!is_wide) shape.generator = {20, 100, 90, 100};
    add(shape);
    shape.models = 2, shape.rows = is_wide ? 20 : 21;
    add(shape);
    shape.missing = 0.2;
    add(shape);
    shape.residual = Distance::l1, shape.discrimination = Discrimination::feature_squared;
    add(shape);
    shape.restarts = 2, shape.residual = Distance::l2, shape.prior_weight = 0.05;
    shape.discrimination = Discrimination::feature_l2;
    add(shape);
    shape.discrimination = Discrimination::feature_l1, shape.latent_weight = 0.0, shape.latent_clip = 0.0;
    add(shape);
    shape.rows = is_wide ? 8 : 9, shape.restarts = 5;
    shape.generator = {20, 64, 128};
    if (!is_wide) shape.generator = {20, 100, 90, 128};
    shape.discriminator = {128, 128, 60, 1};
    shape.residual = Distance::l1, shape.discrimination = Discrimination::feature_l1, shape.prior_weight = 0.0;
    add(shape);
    shape.prior_weight = 0.05;
    shape.residual = Distance::squared, shape.discrimination = Discrimination::cross_entropy, shape.missing = 0.0;
    add(shape);
  }
  // Small integers and no steps: everything but Adam, to the bit.
  for (const Discrimination discrimination :
       {Discrimination::none, Discrimination::feature_l1, Discrimination::feature_squared})
    for (const std::int64_t restarts : {1, 4})
      add({.models = 2,
           .rows = 9,
           .restarts = restarts,
           .generator = small_g,
           .discriminator = small_d,
           .residual = restarts == 1 ? Distance::l1 : Distance::squared,
           .discrimination = discrimination,
           .missing = 0.2,
           .exact = true,
           .layout = Layout::strided});
  return cases;
}

const bool registered = register_op("latent_search", latent_search_cases());

/// Central differences of the reference's loss, away from its kinks.
TEST(grad, latent_search) {
  Random random(hash("grad latent_search"));
  for (const Discrimination discrimination :
       {Discrimination::none, Discrimination::cross_entropy, Discrimination::feature_l1, Discrimination::feature_l2,
        Discrimination::feature_squared}) {
    for (const Distance residual : {Distance::l1, Distance::l2, Distance::squared}) {
      const Network64 generator = random_network(random, {4, 6, 5}, Activation::tanh, Activation::identity);
      const Network64 discriminator = random_network(random, {5, 7, 6, 1}, Activation::sigmoid, Activation::identity);
      SearchSettings settings;
      settings.residual_distance = residual;
      settings.discrimination = discrimination;
      settings.lambda = 0.3;
      settings.prior_weight = 0.2;
      settings.latent_weight = 0.15;
      Row x(5), z(4);
      for (double& value : x) value = random.normal();
      for (double& value : z) value = random.normal();
      const Evaluation at = evaluate(generator, discriminator, settings, x, z);
      for (std::size_t j = 0; j < z.size(); ++j) {
        const double h = 1e-6;
        Row above = z, below = z;
        above[j] += h;
        below[j] -= h;
        const double difference = (evaluate(generator, discriminator, settings, x, above).loss -
                                   evaluate(generator, discriminator, settings, x, below).loss) /
                                  (2.0 * h);
        EXPECT_NEAR(at.gradient[j], difference, 1e-7)
            << "discrimination " << static_cast<int>(discrimination) << " residual " << name_of(residual) << " z " << j;
      }
      // Filled cells are constants of the step: with a cell missing, the query's features do not move with z.
      x[2] = std::numeric_limits<double>::quiet_NaN();
      const Evaluation missing = evaluate(generator, discriminator, settings, x, z);
      EXPECT_TRUE(std::isfinite(missing.loss));
      for (const double g : missing.gradient) EXPECT_TRUE(std::isfinite(g));
    }
  }
}

}  // namespace
}  // namespace cugad::test
