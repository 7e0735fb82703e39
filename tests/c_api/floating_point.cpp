#include <cfenv>
#include <string>
#include <vector>

#include "cugad/cugad_ops.h"
#include "cugad/fleet.hpp"
#include "cugad/metrics.hpp"
#include "tests/c_api/handles.hpp"
#include "tests/common/temporary_directory.hpp"

/// Traps and rounding modes of the calling program change no bit, and are the same afterwards.
namespace cugad::test {
namespace {

constexpr std::int64_t columns = 4;

#if defined(__GLIBC__)
constexpr int all_traps = FE_DIVBYZERO | FE_INVALID | FE_OVERFLOW | FE_UNDERFLOW | FE_INEXACT;

/// What the program under test has set, until the end of the scope.
class CallersEnvironment {
 public:
  CallersEnvironment(int traps, int rounding) : traps_(traps), rounding_(rounding) {
    std::fegetenv(&before_);
    std::feclearexcept(FE_ALL_EXCEPT);
    std::fesetround(rounding);
    feenableexcept(traps);
  }
  ~CallersEnvironment() { std::fesetenv(&before_); }
  bool is_unchanged() const {
    return fegetexcept() == traps_ && std::fegetround() == rounding_ && std::fetestexcept(FE_ALL_EXCEPT) == 0;
  }

 private:
  std::fenv_t before_;
  int traps_, rounding_;
};

/// Bits of all that a program gets, by every function that computes.
struct Got {
  std::vector<float> scores, of_methods, reasons, probabilities, confidences, sampled, of_fleet, of_matrix;
  std::string file, telemetry, options;
};

class Environments : public testing::TestWithParam<const char*> {
 protected:
  void SetUp() override {
    if (is_emulated_program()) GTEST_SKIP() << "the emulated device computes in the caller's environment";
    for (std::int64_t r = 0; r < rows_.rows; ++r) rows_.row(r)[0] *= 1e4f;
    rows_.row(3)[1] = rows_.row(9)[2] = std::numeric_limits<float>::quiet_NaN();
    for (std::int64_t r = 0; r < rows_.rows; ++r) groups_.push_back(r % 2 == 0 ? "a" : "b");
    for (const float cell : rows_.data) doubles_.push_back(double{cell} * 1.1);
  }

  Got run(int traps, int rounding) const {
    Got got;
    const std::int64_t rows = rows_.rows;
    const std::size_t count = static_cast<std::size_t>(rows);
    const TemporaryDirectory directory;
    const std::string path = directory.file("model");
    const std::string config = small_config(GetParam(), R"(, "learning_rate": 0.0013, "novelty": 0.3)");
    got.scores.resize(count), got.of_methods.resize(4 * count);
    got.probabilities.resize(count), got.confidences.resize(count), got.sampled.resize(10 * columns),
        got.of_matrix.resize(count);
    std::vector<cugad_reason> reasons(2 * count);
    cugad_matrix matrix = {sizeof matrix, doubles_.data(), CUGAD_FLOAT64, rows, columns, columns, 1};
    const float* const x = rows_.data.data();
    cugad_device* device = nullptr;
    cugad_detector *fitted = nullptr, *loaded = nullptr;
    const char *telemetry = nullptr, *options = nullptr;
    DetectorOptions fleet_options = options_from_json(config);
    {
      const CallersEnvironment environment(traps, rounding);
      EXPECT_OK(cugad_device_open_with_threads("cpu", 2, &device));
      EXPECT_OK(cugad_detector_create(device, config.c_str(), &fitted));
      EXPECT_OK(cugad_detector_fit(fitted, x, rows, columns, columns));
      EXPECT_OK(cugad_detector_set_contamination(fitted, 0.07f));
      EXPECT_OK(cugad_detector_save(fitted, path.c_str()));
      EXPECT_OK(cugad_detector_load(device, path.c_str(), &loaded));
      EXPECT_OK(cugad_detector_score(loaded, x, rows, columns, columns, got.scores.data()));
      EXPECT_OK(cugad_detector_score_matrix(loaded, &matrix, got.of_matrix.data()));
      EXPECT_OK(cugad_detector_score_methods(loaded, x, rows, columns, columns, nullptr, got.of_methods.data()));
      EXPECT_OK(cugad_detector_explain(loaded, x, rows, columns, columns, 2, nullptr, reasons.data()));
      EXPECT_OK(cugad_detector_probability(loaded, got.scores.data(), rows, 1, got.probabilities.data()));
      EXPECT_OK(cugad_detector_confidence(loaded, got.scores.data(), rows, got.confidences.data()));
      if (std::string(GetParam()) != "ganomaly") {
        EXPECT_OK(cugad_detector_sample(loaded, 5, got.sampled.data(), 10, columns, columns));
      }
      EXPECT_OK(cugad_detector_describe(loaded, &options));
      EXPECT_OK(cugad_detector_telemetry(loaded, &telemetry));
      float threshold = 0;
      std::int64_t found = 0, folds = 0;
      const char* name = nullptr;
      EXPECT_OK(cugad_detector_threshold(loaded, &threshold));
      EXPECT_OK(cugad_detector_columns(loaded, &found));
      EXPECT_OK(cugad_detector_column_name(loaded, 0, &name));
      EXPECT_OK(cugad_detector_calibration(loaded, &found, &folds));
      EXPECT_NE(cugad_detector_column_name(loaded, columns, &name), CUGAD_OK);
      Fleet fleet(Device::open("cpu", 2), fleet_options, {.minimum_rows = 20});
      fleet.fit(rows_.view(), groups_);
      fleet.set_false_alarm_rate(0.1f);
      got.of_fleet = fleet.score(rows_.view(), groups_);
      EXPECT_TRUE(environment.is_unchanged());
    }
    for (const cugad_reason& one : reasons) got.reasons.insert(got.reasons.end(), {one.share, one.residual, one.low});
    const std::vector<float> confidences(got.confidences);
    got.file = read_text(path), got.telemetry = telemetry, got.options = options;
    cugad_detector_destroy(loaded);
    cugad_detector_destroy(fitted);
    cugad_device_close(device);
    return got;
  }

  Matrix rows_ = random_rows(90, columns, 1);
  std::vector<std::string> groups_;
  std::vector<double> doubles_;
};

TEST_P(Environments, ChangeNoBit) {
  const Got expected = run(0, FE_TONEAREST);
  for (const auto& [traps, rounding] :
       {std::pair(all_traps, FE_TONEAREST), std::pair(0, FE_UPWARD), std::pair(FE_INVALID, FE_TOWARDZERO)}) {
    SCOPED_TRACE(testing::Message() << "traps " << traps << ", rounding " << rounding);
    const Got got = run(traps, rounding);
    EXPECT_TRUE(same_bits(got.scores, expected.scores));
    EXPECT_TRUE(same_bits(got.of_matrix, expected.of_matrix));
    EXPECT_TRUE(same_bits(got.of_methods, expected.of_methods));
    EXPECT_TRUE(same_bits(got.reasons, expected.reasons));
    EXPECT_TRUE(same_bits(got.probabilities, expected.probabilities));
    EXPECT_TRUE(same_bits(got.confidences, expected.confidences));
    EXPECT_TRUE(same_bits(got.sampled, expected.sampled));
    EXPECT_TRUE(same_bits(got.of_fleet, expected.of_fleet));
    EXPECT_EQ(got.file, expected.file);
    EXPECT_EQ(got.telemetry, expected.telemetry);
    EXPECT_EQ(got.options, expected.options);
  }
}

INSTANTIATE_TEST_SUITE_P(Methods, Environments, testing::Values("anogan", "ganomaly", "alad", "fanogan", "gan,bigan"));

TEST(EnvironmentsOfTables, ChangeNoBit) {
  const TemporaryDirectory directory;
  const std::string path = directory.file("t.csv");
  write_text(path, "a,b,c\n0.1,x,1e-3\n0.30000000000000004,y,nan\n123456789.123,x,3.3333333333333335\n");
  const auto encoded = [&] {
    const Table table = read_table(path);
    TableEncoder encoder;
    encoder.fit(table, {});
    return encoder.encode(table).data;
  };
  const std::vector<float> expected = encoded(), scores = {0.1f, 0.7f, 0.3f};
  const std::vector<std::uint8_t> labels = {0, 1, 0};
  const double percentile = metrics::percentile(scores, 33.3);
  for (const int rounding : {FE_TONEAREST, FE_UPWARD, FE_DOWNWARD}) {
    const CallersEnvironment environment(all_traps, rounding);
    const std::vector<float> got = encoded();
    const double auroc = metrics::auroc(labels, scores), of_percent = metrics::percentile(scores, 33.3);
    EXPECT_TRUE(environment.is_unchanged());
    EXPECT_TRUE(same_bits(got, expected));
    EXPECT_EQ(auroc, 1.0);
    EXPECT_EQ(of_percent, percentile);
  }
}

TEST(EnvironmentsOfOps, ChangeNoBit) {
  if (is_emulated_program()) GTEST_SKIP() << "the emulated device computes in the caller's environment";
  const DeviceHandle device = open_device();
  const std::vector<float> x = {0.1f, 0.2f, std::numeric_limits<float>::quiet_NaN(), 0.4f},
                           weight = {0.3f, 0.7f, 0.9f, 0.11f};
  const auto computed = [&] {
    std::vector<float> y(4);
    cugad_dense_forward_args args;
    EXPECT_OK(cugad_dense_forward_init(&args, sizeof args));
    args.x = {x.data(), 1, 2, 2, 4, 2};
    args.weight = {weight.data(), 1, 2, 2, 4, 2};
    args.y = {y.data(), 1, 2, 2, 4, 2};
    EXPECT_OK(cugad_dense_forward(device.get(), &args));
    return y;
  };
  const std::vector<float> expected = computed();
  for (const int rounding : {FE_TONEAREST, FE_UPWARD, FE_DOWNWARD}) {
    const CallersEnvironment environment(all_traps, rounding);
    const std::vector<float> got = computed();
    EXPECT_TRUE(environment.is_unchanged());
    EXPECT_TRUE(same_bits(got, expected));
  }
}
#endif

}  // namespace
}  // namespace cugad::test
