#include <gtest/gtest.h>

#include <algorithm>

#include "host/backend/backend.hpp"
#include "tests/ops/score_problem.hpp"

namespace cugad::test {
namespace {

std::string text_of(const std::vector<std::int64_t>& widths) {
  std::string text;
  for (const std::int64_t width : widths) text += (text.empty() ? "" : "_") + std::to_string(width);
  return text;
}

std::vector<Case> reconstruction_score_cases() {
  std::vector<Case> cases;
  const auto add = [&](const ScoreShape& s) {
    Case one;
    one.parameters = parameters("models", s.models, "rows", s.rows, "encoder", text_of(s.encoder), "generator",
                                text_of(s.generator), "discriminator", text_of(s.discriminator), "hidden",
                                name_of(s.hidden), "residual", name_of(s.residual), "discrimination",
                                static_cast<int>(s.discrimination), "missing", s.missing, "shared", s.shared, "outputs",
                                s.outputs, "layout", name_of(s.layout), "precision", cugad::name_of(s.precision));
    if (s.encoded != Activation::identity) one.parameters += std::string(",encoded=") + name_of(s.encoded);
    if (s.scaled) one.parameters += ",scaled=1";
    if (s.limit > 0.0) one.parameters += ",limit=" + std::to_string(s.limit);
    one.layout = s.layout;
    one.exact = s.exact;
    one.perf = s.perf;
    one.build = [s](Problem& problem) { build_score(problem, s); };
    cases.push_back(one);
  };
  const ScoreShape small{
      .models = 2, .rows = 7, .encoder = {13, 11, 5}, .generator = {5, 9, 13}, .discriminator = {13, 17, 7, 1}};
  int turn = 0;
  for (const Distance residual : {Distance::l1, Distance::l2, Distance::squared})
    for (int kind = 0; kind < 5; ++kind)
      for (const double missing : {0.0, 0.3}) {
        ScoreShape shape = small;
        shape.residual = residual;
        shape.discrimination = static_cast<Discrimination>(kind);
        shape.missing = missing;
        shape.shared = turn % 2 == 1;
        shape.layout = static_cast<Layout>(turn++ % 3);
        add(shape);
        if (residual == Distance::l2) continue;
        shape.exact = true, shape.shared = false;
        if (kind != 1 && kind != 3) add(shape);
      }
  for (int wanted = 0; wanted < 7; ++wanted) {  // each output alone, and none
    ScoreShape shape = small;
    shape.missing = 0.2, shape.outputs = wanted == 6 ? 0 : 1 << wanted;
    add(shape);
  }
  for (const Activation activation : {Activation::identity, Activation::sigmoid, Activation::tanh}) {
    ScoreShape shape = small;
    shape.hidden = activation;
    add(shape);
  }
  for (const Activation activation : {Activation::relu, Activation::sigmoid, Activation::tanh}) {
    ScoreShape shape = small;
    shape.encoded = activation, shape.missing = 0.2;
    add(shape);
  }
  // A residual of scaled cells, limited cells and both, with every kind of loss; each output alone.
  for (const Distance residual : {Distance::l1, Distance::l2, Distance::squared})
    for (const bool is_scaled : {false, true})
      for (const double limit : {0.0, 0.75}) {
        if (!is_scaled && limit == 0.0) continue;
        ScoreShape shape = small;
        shape.residual = residual, shape.scaled = is_scaled, shape.limit = limit;
        shape.missing = turn % 2 == 0 ? 0.3 : 0.0;
        shape.discrimination = static_cast<Discrimination>(turn % 5);
        shape.shared = turn % 3 == 1;
        shape.layout = static_cast<Layout>(turn++ % 3);
        add(shape);
        if (residual == Distance::l2) continue;
        shape.exact = true, shape.shared = false, shape.limit = limit > 0.0 ? 3.0 : 0.0;
        shape.discrimination = Discrimination::feature_l1;
        add(shape);
      }
  for (int wanted = 0; wanted < 7; ++wanted) {
    ScoreShape shape = small;
    shape.missing = 0.2, shape.scaled = true, shape.limit = 1.0, shape.outputs = wanted == 6 ? 0 : 1 << wanted;
    add(shape);
  }
  for (const std::int64_t rows : {0, 1, 257}) {
    ScoreShape shape = small;
    shape.rows = rows, shape.scaled = true;
    add(shape);
  }
  for (const Distance residual : {Distance::l1, Distance::l2, Distance::squared})  // rows of many cells
    for (const bool is_scaled : {false, true})
      for (const double limit : {0.0, 0.75}) {
        ScoreShape shape{.rows = 5, .encoder = {150, 4}, .generator = {4, 150}, .discriminator = {150, 70, 1}};
        if (residual == Distance::squared) shape.encoder[0] = shape.generator[1] = shape.discriminator[0] = 201;
        shape.residual = residual, shape.scaled = is_scaled, shape.limit = limit, shape.missing = 0.1;
        if (is_scaled || limit > 0.0) add(shape);
      }
  // Working memory for some of the rows only, layer by layer on the GPU.
  add({.models = 3,
       .rows = 300,
       .encoder = {500, 2},
       .generator = {2, 500},
       .discriminator = {500, 2, 1},
       .scaled = true});
  add({.rows = 5, .encoder = {1, 1}, .generator = {1, 1}, .discriminator = {1, 1, 1}});
  add({.rows = 5,
       .encoder = {7, 3},
       .generator = {3, 7},
       .discriminator = {7, 1},
       .discrimination = Discrimination::cross_entropy});
  add({.rows = 3,
       .encoder = {10, 9, 8, 7, 6, 5, 4, 3, 2},
       .generator = {2, 3, 4, 5, 6, 7, 8, 9, 10},
       .discriminator = {10, 9, 8, 7, 6, 5, 4, 3, 1}});
  for (const std::int64_t rows : {0, 1, 54, 257}) {
    ScoreShape shape = small;
    shape.rows = rows, shape.missing = 0.02;
    add(shape);
  }
  add({.rows = 40,
       .encoder = {121, 128, 64, 32},
       .generator = {32, 64, 128, 121},
       .discriminator = {121, 256, 128, 128, 1},
       .perf = true});
  // What fits no block.
  for (const bool is_scaled : {false, true})
    add({.rows = 2,
         .encoder = {5, 40, 3},
         .generator = {3, 6000, 5},
         .discriminator = {5, 3000, 1},
         .missing = 0.2,
         .scaled = is_scaled});
  for (const Precision precision : {Precision::tf32, Precision::bf16}) {
    ScoreShape shape = small;
    shape.rows = 37, shape.missing = 0.1, shape.precision = precision;
    add(shape);
    shape.scaled = true, shape.limit = 1.0;
    add(shape);
  }
  // In registers, rounded to bfloat16: networks of all served depths, and each output and option.
  {
    ScoreShape shape{.models = 2,
                     .rows = 70,
                     .encoder = {121, 100, 64, 30},
                     .generator = {30, 64, 110, 121},
                     .discriminator = {121, 200, 128, 90, 1},
                     .missing = 0.1,
                     .precision = Precision::bf16};
    add(shape);
    shape.encoder = {40, 128, 20}, shape.generator = {20, 100, 40}, shape.discriminator = {40, 128, 70, 1};
    for (int kind = 0; kind < 5; ++kind) {
      shape.discrimination = static_cast<Discrimination>(kind);
      shape.residual = static_cast<Distance>(kind % 3);
      shape.layout = static_cast<Layout>(kind % 3), shape.rows = kind == 4 ? 1 : 33, shape.shared = kind % 2 == 1;
      add(shape);
    }
    for (const int output : {3, 4, 5}) {
      shape.outputs = 1 << output;
      add(shape);
    }
  }
  return cases;
}

const bool registered = register_op("reconstruction_score", reconstruction_score_cases());

/// Where a scale of ones and a limit that no cell reaches are given, another way is taken to the same bits.
TEST(reconstruction_score, scales_of_one_change_no_bit) {
  for (const NamedDevice& named : devices()) {
    SCOPED_TRACE(named.name);
    for (const Distance residual : {Distance::l1, Distance::l2, Distance::squared}) {
      ScoreShape shape{.models = 2,
                       .rows = 70,
                       .encoder = {37, 11, 5},
                       .generator = {5, 9, 37},
                       .discriminator = {37, 17, 7, 1},
                       .residual = residual,
                       .missing = 0.2,
                       .layout = Layout::misaligned};
      Problem plain(hash("ones"), shape.layout);
      const ScoreTensors expected = build_score(plain, shape);
      shape.scaled = true, shape.limit = 1e30;
      Problem scaled(hash("ones"), shape.layout);
      const ScoreTensors t = build_score(scaled, shape);
      t.column_scale->fill([] { return 1.0; });
      std::string refusal;
      const Results a = execute(plain, initial_images(plain), named.device, 1, {{}}, &refusal);
      const Results b = execute(scaled, initial_images(scaled), named.device, 1, {{}}, &refusal);
      ASSERT_EQ(refusal, "");
      EXPECT_EQ(a[plain.index_of(*expected.loss)], b[scaled.index_of(*t.loss)]);
      EXPECT_EQ(a[plain.index_of(*expected.residual)], b[scaled.index_of(*t.residual)]);
    }
  }
}

/// The losses of the KDD networks beside float64: relative differences, ascending.
std::vector<double> differences_of_loss(const Device& device, const ScoreShape& shape) {
  Problem problem(hash("rounded"), Layout::misaligned);
  const ScoreTensors t = build_score(problem, shape);
  std::string refusal;
  const Results results = execute(problem, initial_images(problem), device, 1, {{}}, &refusal);
  EXPECT_EQ(refusal, "");
  std::vector<double> differences;
  for (std::int64_t r = 0; r < shape.rows; ++r) {
    const double expected = t.loss->expected[t.loss->position(0, r, 0)];
    differences.push_back(std::abs(t.loss->number(results[problem.index_of(*t.loss)], 0, r, 0) / expected - 1.0));
  }
  std::sort(differences.begin(), differences.end());
  return differences;
}

/// Backends round the operands of products and nothing else: beside a score that rounds at the same places nothing
/// is left but rare operands that fall to the other side.
TEST(reconstruction_score, rounded_modes_round_operands_and_nothing_else) {
  for (const NamedDevice& named : devices()) {
    const bool is_cpu = named.device.backend().is_host_memory();
    for (const Discrimination discrimination : {Discrimination::feature_l1, Discrimination::cross_entropy})
      for (const Precision precision : {Precision::tf32, Precision::bf16}) {
        // The CPU's logit, a layer of one output, is not rounded.
        if (is_cpu && (discrimination != Discrimination::feature_l1 || precision != Precision::bf16)) continue;
        ScoreShape shape{.rows = 40,
                         .encoder = {121, 128, 64, 32},
                         .generator = {32, 64, 128, 121},
                         .discriminator = {121, 256, 128, 128, 1},
                         .discrimination = discrimination,
                         .missing = 0.05,
                         .precision = precision};
        const std::vector<double> exact = differences_of_loss(named.device, shape);
        shape.rounded = precision;
        const std::vector<double> same = differences_of_loss(named.device, shape);
        std::printf(
            "%s: relative difference of the loss, median and most: %.1e %.1e beside the same rounding, %.1e %.1e "
            "beside none\n",
            cugad::name_of(precision), same[20], same.back(), exact[20], exact.back());
        EXPECT_LE(same[20], 1e-5);
        EXPECT_LE(same.back(), 2e-4);
        EXPECT_LE(exact.back(), precision == Precision::tf32 ? 2e-3 : 2e-2);
        EXPECT_GE(exact.back(), 1e-6) << "is anything rounded?";
      }
  }
}

}  // namespace
}  // namespace cugad::test
