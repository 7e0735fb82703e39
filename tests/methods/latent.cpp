#include "cugad/latent.hpp"

#include <gtest/gtest.h>

#include <algorithm>

#include "tests/common/methods.hpp"
#include "tests/methods/clusters.hpp"

/// Latents of a detector, and rows that its generator makes of them.
namespace cugad::test {
namespace {

std::vector<float> decoded(Detector& detector, MatrixView<const float> z, std::int64_t model) {
  std::vector<float> rows(static_cast<std::size_t>(z.rows * detector.columns()));
  decode(detector, z, model, rows);
  return rows;
}

DetectorOptions options_of(Method method) {
  DetectorOptions options = quick_options();
  options.method = method;
  options.steps = 60;
  return options;
}

/// The rows of a sample are those of its latents, each by its model, to the bit: 2,500 rows of each model are drawn and
/// generated in three parts.
TEST(Latent, OfASampleGiveItsRows) {
  const Matrix training = normal_rows(120, 1);
  for (const MethodDefinition* method : methods_of_any_table()) {
    if (!method->has_prior) continue;
    SCOPED_TRACE(method->name);
    Detector detector = fitted(options_of(method->method), training);
    const std::int64_t count = 5001, size = latent_size(detector), columns = detector.columns();
    ASSERT_EQ(size, 3);
    std::vector<float> z(static_cast<std::size_t>(count * size)), rows(static_cast<std::size_t>(count * columns));
    draw_latents(detector, count, 9, z);
    detector.sample(count, 9, rows);
    for (std::int64_t m = 0; m < 2; ++m) {
      const std::int64_t of_model = (count - m + 1) / 2;
      const std::vector<float> made = decoded(detector, {z.data() + m * size, of_model, size, 2 * size}, m);
      for (std::int64_t r = 0; r < of_model; ++r) {
        const float* const drawn = rows.data() + (2 * r + m) * columns;
        ASSERT_TRUE(std::equal(drawn, drawn + columns, made.data() + r * columns)) << "model " << m << ", row " << r;
      }
    }
  }
}

/// The distance between a row and G(E(x)) is what the score by reconstruction takes, the mean of two models. Sums of 6
/// numbers of about 1.
TEST(Latent, OfRowsGiveTheirReconstructions) {
  Matrix training = normal_rows(120, 1), rows = normal_rows(40, 2);
  for (const Method method : {Method::bigan, Method::ali, Method::ganomaly, Method::fanogan}) {
    SCOPED_TRACE(definition_of(method).name);
    DetectorOptions options = options_of(method);
    options.scale = Scale::none;
    options.center = false;
    if (method != Method::ganomaly) options.score = ScoreRule::reconstruction;
    Detector detector = fitted(options, training);
    std::vector<float> z(static_cast<std::size_t>(40 * latent_size(detector))), residuals, expected(rows.data.size());
    for (const std::int64_t model : {1, 0}) {
      encode(detector, rows.view(), model, z);
      const std::vector<float> made = decoded(detector, {z.data(), 40, latent_size(detector)}, model);
      for (std::size_t i = 0; i < made.size(); ++i) expected[i] += std::abs(rows.data[i] - made[i]) / 2;
    }
    detector.score_cells(rows.view(), residuals);
    for (std::size_t i = 0; i < expected.size(); ++i)
      ASSERT_NEAR(expected[i], residuals[i], 1e-5f * (1.0f + std::abs(rows.data[i]))) << i;
    std::vector<float> alone(static_cast<std::size_t>(latent_size(detector)));
    encode(detector, {rows.row(7), 1, rows.columns}, 0, alone);
    EXPECT_TRUE(std::equal(alone.begin(), alone.end(), z.begin() + 7 * latent_size(detector)))
        << "rows beside it count";
  }
}

TEST(Latent, WhatCannotBeIsRefused) {
  const Matrix training = normal_rows(120, 1);
  std::vector<float> out(60), z(6, 0.5f);
  Detector fresh(test_device(1), quick_options());
  expect_error(ErrorCode::invalid_argument, {"not fitted"}, [&] { latent_size(fresh); });
  expect_error(ErrorCode::invalid_argument, {"not fitted"}, [&] { decode(fresh, {z.data(), 2, 3}, 0, out); });

  Detector detector = fitted(options_of(Method::anogan), training);
  const auto refuse = [&](const std::vector<std::string>& parts, MatrixView<const float> given, std::int64_t model,
                          std::size_t room) {
    expect_error(ErrorCode::invalid_argument, parts,
                 [&] { decode(detector, given, model, std::span(out).first(room)); });
  };
  refuse({"z has 2 columns", "expected 3"}, {z.data(), 2, 2}, 0, 12);
  refuse({"model is 2", "0 to 1"}, {z.data(), 2, 3}, 2, 12);
  refuse({"model is -1", "0 to 1"}, {z.data(), 2, 3}, -1, 12);
  refuse({"room for 11 numbers", "6 for each of 2 rows"}, {z.data(), 2, 3}, 0, 11);
  refuse({"stride 2"}, {z.data(), 2, 3, 2}, 0, 12);
  z[4] = missing;
  refuse({"no number in row 1, column 1"}, {z.data(), 2, 3}, 0, 12);
  z[4] = HUGE_VALF;
  refuse({"infinite", "row 1, column 1"}, {z.data(), 2, 3}, 0, 12);
  z[4] = 0.5f;
  expect_error(ErrorCode::invalid_argument, {"-1"}, [&] { draw_latents(detector, -1, 1, out); });
  expect_error(ErrorCode::invalid_argument, {"3 for each of 9 rows"}, [&] { draw_latents(detector, 9, 1, out); });
  expect_error(ErrorCode::unsupported, {"anogan", "no encoder"}, [&] { encode(detector, training, 0, out); });
  decode(detector, {z.data(), 0, 3}, 0, {});

  Detector encoding = fitted(options_of(Method::ganomaly), training);
  expect_error(ErrorCode::unsupported, {"ganomaly", "prior"}, [&] { draw_latents(encoding, 1, 1, out); });
  expect_error(ErrorCode::invalid_argument, {"5 columns"}, [&] { encode(encoding, normal_rows(3, 1, 5), 0, out); });
  for (const Method method : {Method::knn, Method::gain}) {
    Detector without = fitted(options_of(method), training);
    EXPECT_EQ(latent_size(without), 0);
    expect_error(ErrorCode::unsupported, {"no latent space"}, [&] { decode(without, {z.data(), 2, 3}, 0, out); });
  }
  DetectorOptions options = options_of(Method::gan);
  options.condition = {"2"};
  Detector conditional = fitted(options, training);
  expect_error(ErrorCode::unsupported, {"conditional"}, [&] { decode(conditional, {z.data(), 2, 3}, 0, out); });
}

}  // namespace
}  // namespace cugad::test
