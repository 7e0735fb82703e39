#include <gtest/gtest.h>

#include <cmath>

#include "host/backend/transfer.hpp"
#include "tests/common/temporary_directory.hpp"
#include "tests/methods/clusters.hpp"

/// Scores on the device under test against the CPU backend's, for one and the same model; rows and scores in either
/// memory.
namespace cugad::test {
namespace {

DetectorOptions twenty_five_steps(SearchStart start) {
  DetectorOptions options = search_options(start);
  options.search_steps = 25;
  options.restarts = 2;
  return options;
}

struct Model {
  explicit Model(const DetectorOptions& options) {
    Detector detector(Device::open("cpu", 2), options);
    detector.fit(normal_rows(400, 1).view());
    detector.save(directory.file("model"));
  }
  Detector load(const Device& device) const { return Detector::load(device, directory.file("model")); }
  TemporaryDirectory directory;
};

/// The scores are standardised residuals of size 1: a bound is in units of the spread over the training rows.
void expect_scores_of_the_cpu(const DetectorOptions& options, double bound) {
  const Model model(options);
  const Matrix rows = mixed_rows(100, 6);
  Detector here = model.load(test_device()), there = model.load(Device::open("cpu", 1));
  const std::vector<float> found = here.score(rows.view()), expected = there.score(rows.view());
  double worst = 0.0;
  expect_scores(rows.view(), found);
  for (std::size_t i = 0; i < found.size(); ++i) {
    ASSERT_EQ(std::isnan(found[i]), std::isnan(expected[i])) << i;
    if (std::isnan(found[i])) continue;
    worst = std::max(worst, std::abs(static_cast<double>(found[i]) - expected[i]));
  }
  std::printf("largest difference of a score: %.3g\n", worst);
  EXPECT_LE(worst, bound);
}

TEST(DeviceScores, OfTheBankEqualTheCpu) { expect_scores_of_the_cpu(quick_options(), 1e-5); }

TEST(DeviceScores, OfTwentyFiveSearchStepsEqualTheCpu) {
  for (const SearchStart start : {SearchStart::bank, SearchStart::normal, SearchStart::truncated_normal}) {
    expect_scores_of_the_cpu(twenty_five_steps(start), 1e-4);
  }
}

TEST(DeviceScores, OfASearchByCrossEntropyEqualTheCpu) {
  DetectorOptions options = twenty_five_steps(SearchStart::bank);
  options.discrimination = Discrimination::cross_entropy;
  options.residual = Distance::squared;
  options.prior_weight = 0.1f;
  expect_scores_of_the_cpu(options, 1e-4);
}

TEST(DeviceScores, DoNotDependOnWhereRowsAndScoresLie) {
  const Model model(quick_options());
  const Matrix rows = mixed_rows(150, 6);
  Detector detector = model.load(test_device());
  const std::vector<float> expected = detector.score(rows.view());
  Context context = test_device().make_context();
  const ResidentRows resident(context, rows.view());
  Arena arena(context.backend());
  const std::span<float> scores(arena.take<float>("scores", rows.rows), static_cast<std::size_t>(rows.rows));
  detector.score(resident.view(), scores);
  detector.score(rows.view());  // waits for what was issued before, and disturbs nothing
  EXPECT_TRUE(same_bits(download(context, scores.data(), rows.rows), expected)) << "device to device";
  EXPECT_TRUE(same_bits(detector.score(resident.view()), expected)) << "device to host";
  detector.score(rows.view(), scores);
  detector.score(rows.view());
  EXPECT_TRUE(same_bits(download(context, scores.data(), rows.rows), expected)) << "host to device";
}

/// Nothing waits between the calls: rows of the second may not take the place of those that the first has yet to read.
TEST(DeviceScores, OfRowsOnTheHostAreNotThoseOfTheNextCall) {
  const Model model(quick_options());
  Detector detector = model.load(test_device());
  Context context = test_device().make_context();
  Arena arena(context.backend());
  constexpr std::int64_t calls = 5, count = 40;
  float* const scores = arena.take<float>("scores", calls * count);
  std::vector<float> expected;
  for (std::int64_t call = 0; call < calls; ++call) {
    const std::vector<float> here = detector.score(mixed_rows(count, call + 6).view());
    expected.insert(expected.end(), here.begin(), here.end());
  }
  for (std::int64_t call = 0; call < calls; ++call) {
    const Matrix rows = mixed_rows(count, call + 6);
    detector.score(rows.view(), {scores + call * count, count});
  }
  detector.synchronize();
  EXPECT_TRUE(same_bits(download(context, scores, calls * count), expected));
}

/// So many models that a call is cut into several chunks, which go through two buffers in turn.
TEST(DeviceScores, OfManyChunksEqualThoseOfSmallCalls) {
  DetectorOptions options = quick_options();
  options.population = 128;
  options.steps = 0;
  options.bank_rows = 8;
  options.hidden = options.discriminator_hidden = {4};
  const Model model(options);
  const Matrix rows = mixed_rows(2500, 6);
  Detector detector = model.load(test_device());
  const std::vector<float> expected = detector.score(rows.view());
  std::vector<float> scores(2500);
  for (std::int64_t first = 0; first < 2500; first += 1000) {
    const auto count = std::min<std::int64_t>(1000, 2500 - first);
    detector.score({rows.row(first), count, rows.columns}, std::span(scores).subspan(first, count));
  }
  EXPECT_TRUE(same_bits(scores, expected));
  Context context = test_device().make_context();
  Arena arena(context.backend());
  float* const on_device = arena.take<float>("scores", rows.rows);
  detector.score(rows.view(), {on_device, 2500});
  detector.synchronize();
  EXPECT_TRUE(same_bits(download(context, on_device, rows.rows), expected)) << "host to device";
}

TEST(DeviceScores, AModelFittedHereIsTheSameAfterSavingAndLoading) {
  const Matrix rows = mixed_rows(60, 6);
  DetectorOptions options = quick_options();
  options.steps = 60;
  Detector detector = fitted(options, normal_rows(300, 1));
  const TemporaryDirectory directory;
  detector.save(directory.file("model"));
  Detector loaded = Detector::load(test_device(), directory.file("model"));
  EXPECT_TRUE(same_bits(loaded.score(rows.view()), detector.score(rows.view())));
  EXPECT_EQ(loaded.threshold(), detector.threshold());
}

}  // namespace
}  // namespace cugad::test
