#include <gtest/gtest.h>

#include "tests/methods/clusters.hpp"

/// GANomaly as a detector.
namespace cugad::test {
namespace {

DetectorOptions ganomaly_options() {
  DetectorOptions options = quick_options();
  options.method = Method::ganomaly;
  options.encoder_hidden = {16};
  options.steps = 800;
  return options;
}

TEST(Ganomaly, FindsOutliersByEitherLatentDistance) {
  for (const Distance residual : {Distance::l1, Distance::squared}) {
    DetectorOptions options = ganomaly_options();
    options.residual = residual;
    Detector detector = fitted(options, normal_rows(800, 1), 2);
    EXPECT_EQ(detector.options().score, ScoreRule::latent) << "the method's own score";
    EXPECT_GE(auroc(detector, normal_rows(400, 2), outlier_rows(200, 3)), 0.9) << static_cast<int>(residual);
  }
}

TEST(Ganomaly, FindsOutliersByItsReconstruction) {
  DetectorOptions options = ganomaly_options();
  options.score = ScoreRule::reconstruction;
  options.column_spread = true;
  Detector detector = fitted(options, normal_rows(800, 1), 2);
  EXPECT_GE(auroc(detector, normal_rows(400, 2), outlier_rows(200, 3)), 0.9);
}

TEST(Ganomaly, HasNoPriorToDrawFrom) {
  DetectorOptions options = ganomaly_options();
  options.steps = 10;
  Detector detector = fitted(options, normal_rows(100, 1));
  float rows[6];
  expect_error(ErrorCode::unsupported, {"ganomaly", "prior"}, [&] { detector.sample(1, 0, rows); });
  for (const SearchStart start : {SearchStart::bank, SearchStart::normal}) {
    options.score = ScoreRule::search;
    options.search_from = start;
    expect_error(ErrorCode::invalid_argument, {"ganomaly", "search_from"},
                 [&] { fitted(options, normal_rows(100, 1)); });
  }
  options.score = ScoreRule::bank;
  expect_error(ErrorCode::invalid_argument, {"ganomaly", "bank"}, [&] { fitted(options, normal_rows(100, 1)); });
}

/// A search from E(x) needs no prior.
TEST(Ganomaly, SearchesFromItsEncoder) {
  DetectorOptions options = search_options(SearchStart::encoder);
  options.method = Method::ganomaly;
  options.encoder_hidden = {16};
  options.steps = 800;
  Detector detector = fitted(options, normal_rows(800, 1), 2);
  EXPECT_GE(auroc(detector, normal_rows(400, 2), outlier_rows(200, 3)), 0.9);
}

}  // namespace
}  // namespace cugad::test
