#include <limits>
#include <string>
#include <thread>
#include <vector>

#include "cugad/detector.hpp"
#include "cugad/error.hpp"
#include "tests/c_api/handles.hpp"
#include "tests/common/methods.hpp"
#include "tests/common/temporary_directory.hpp"

/// Many handles on one model: the same bits, at the same time, from one copy of the weights.
namespace cugad::test {
namespace {

constexpr std::int64_t columns = 4;

struct Case {
  const char* name;
  const char* method;
  const char* more;
};

class Sharing : public testing::TestWithParam<Case> {};

TEST_P(Sharing, GivesTheSameBits) {
  const DeviceHandle device = open_device();
  DetectorHandle detector = create(device.get(), small_config(GetParam().method, GetParam().more));
  fit(detector.get(), random_rows(70, columns, 1));
  Matrix rows = random_rows(90, columns, 2);
  rows.row(5)[1] = std::numeric_limits<float>::quiet_NaN();
  const std::vector<float> expected = score(detector.get(), rows);
  DetectorHandle other = share(detector.get());
  const Matrix unlike = random_rows(90, columns, 3);
  const std::vector<float> of_unlike = score(other.get(), unlike);  // so that scratch memory holds something else
  EXPECT_TRUE(same_bits(score(detector.get(), rows), expected));
  EXPECT_TRUE(same_bits(score(other.get(), rows), expected));
  EXPECT_TRUE(same_bits(score(detector.get(), unlike), of_unlike));
  // The model outlives the handle that it came from; a copy may be copied.
  detector.reset();
  const DetectorHandle third = share(other.get());
  other.reset();
  EXPECT_TRUE(same_bits(score(third.get(), rows), expected));
}

std::vector<Case> make_cases() {
  std::vector<Case> cases = {
      {"gan_alone", "gan", R"(, "discriminator_weight": 0)"},
      {"translation", "translation", R"(, "target": ["2", "3"])"},
      {"search", "anogan", R"(, "score": "search", "search_steps": 4, "restarts": 2)"},
      {"random_search", "anogan", R"(, "score": "search", "search_from": "normal", "search_steps": 4)"},
      {"encoder_search", "bigan", R"(, "score": "search", "search_from": "encoder", "search_steps": 4)"},
      {"conditional", "bigan", R"(, "condition": ["1"])"},
      {"column_spread", "bigan", R"(, "column_spread": true)"},
      {"ensemble", "gan,alad,anogan", ""}};
  for (const MethodDefinition* method : methods_of_any_table()) cases.push_back({method->name, method->name, ""});
  return cases;
}

INSTANTIATE_TEST_SUITE_P(Methods, Sharing, testing::ValuesIn(make_cases()),
                         [](const auto& tested) { return std::string(tested.param.name); });

TEST(SharedModels, AnotherHandleCostsLittle) {
  if (is_emulated_program()) GTEST_SKIP() << "a device takes memory for a whole chunk";
  const DeviceHandle device = open_device();
  const Matrix rows = random_rows(300, 32, 1);
  for (const char* method : {"anogan", "alad", "gan,bigan"}) {
    SCOPED_TRACE(method);
    const DetectorHandle detector =
        create(device.get(), std::string(R"({"steps": 0, "encoder_steps": 0, "method": ")") + method + "\"}");
    fit(detector.get(), rows);
    const std::vector<float> expected = score(detector.get(), rows);
    std::int64_t before = 0, with = 0;
    ASSERT_OK(cugad_device_memory(device.get(), &before, nullptr));
    std::vector<DetectorHandle> others;
    for (int i = 0; i < 8; ++i) {
      others.push_back(share(detector.get()));
      Matrix one(1, rows.columns);
      std::copy_n(rows.row(i), rows.columns, one.row(0));
      EXPECT_EQ(score(others.back().get(), one)[0], expected[static_cast<std::size_t>(i)]);
    }
    ASSERT_OK(cugad_device_memory(device.get(), &with, nullptr));
    EXPECT_LT(with - before, 8 * 1'000'000);
    // Memory grows with the rows, and the bits stay.
    EXPECT_TRUE(same_bits(score(others[0].get(), rows), expected));
  }
}

TEST(SharedModels, CarryAllThatBelongsToThem) {
  const DeviceHandle device = open_device();
  const DetectorHandle detector = create(device.get(), small_config("gan,bigan"));
  const Matrix rows = random_rows(70, columns, 1);
  fit(detector.get(), rows);
  ASSERT_OK(cugad_detector_attach(detector.get(), "note", "text"));
  const DetectorHandle other = share(detector.get());
  const TemporaryDirectory directory;
  ASSERT_OK(cugad_detector_save(detector.get(), directory.file("a").c_str()));
  ASSERT_OK(cugad_detector_save(other.get(), directory.file("b").c_str()));
  EXPECT_EQ(read_text(directory.file("a")), read_text(directory.file("b")));
  const std::vector<float> scores = score(other.get(), rows);
  std::vector<float> first(scores.size()), second(scores.size());
  ASSERT_OK(cugad_detector_probability(detector.get(), scores.data(), rows.rows, 0, first.data()));
  ASSERT_OK(cugad_detector_probability(other.get(), scores.data(), rows.rows, 0, second.data()));
  EXPECT_TRUE(same_bits(first, second));
}

TEST(SharedModels, HoldTheirWeightsAndBankOnce) {
  const DeviceHandle device = open_device();
  // Much to keep, little to work with: most of a model's memory is its bank.
  const DetectorHandle detector =
      create(device.get(), R"({"method": "anogan", "population": 2, "steps": 20, "hidden": [8], "batch": 16,
        "discriminator_hidden": [8], "coverage_rows": 16, "bank_rows": 500000, "discriminator_weight": 0})");
  fit(detector.get(), random_rows(70, columns, 1));
  std::int64_t one = 0, nine = 0;
  ASSERT_OK(cugad_device_memory(device.get(), &one, nullptr));
  std::vector<DetectorHandle> others;
  for (int i = 0; i < 8; ++i) others.push_back(share(detector.get()));
  ASSERT_OK(cugad_device_memory(device.get(), &nine, nullptr));
  const std::int64_t bank = 2 * std::int64_t{500000} * columns * static_cast<std::int64_t>(sizeof(float));
  EXPECT_GT(one, bank);
  EXPECT_LT((nine - one) / 8, bank);
}

TEST(SharedModels, AFitDetaches) {
  const DeviceHandle device = open_device();
  const DetectorHandle detector = create(device.get(), small_config("bigan"));
  const Matrix rows = random_rows(70, columns, 1);
  fit(detector.get(), rows);
  const std::vector<float> expected = score(detector.get(), rows);
  const DetectorHandle second = share(detector.get()), third = share(second.get());
  fit(second.get(), random_rows(70, columns, 9));
  EXPECT_FALSE(same_bits(score(second.get(), rows), expected));
  EXPECT_TRUE(same_bits(score(detector.get(), rows), expected));
  fit(detector.get(), random_rows(70, columns, 10));
  EXPECT_TRUE(same_bits(score(third.get(), rows), expected));
}

TEST(SharedModels, CppHandlesAreTheSame) {
  const Matrix rows = random_rows(70, columns, 1);
  Detector detector(test_device(), options_from_json(small_config("gan,alad")));
  EXPECT_THROW(detector.share(), Error);
  detector.fit(rows.view());
  Detector other = detector.share();
  EXPECT_TRUE(same_bits(other.score(rows.view()), detector.score(rows.view())));
  EXPECT_EQ(other.threshold(), detector.threshold());
  EXPECT_EQ(other.column_names(), detector.column_names());
  EXPECT_EQ(other.telemetry().size(), detector.telemetry().size());
  std::vector<Explanation> first, second;
  detector.explain(rows.view(), 2, first);
  other.explain(rows.view(), 2, second);
  EXPECT_EQ(first[3].residual, second[3].residual);
}

/// Eight threads: every handle scores many times while others are made, score and go.
TEST(Threads, ScoreOneModelAtOnce) {
  const DeviceHandle device = open_device();
  for (const char* method : {"gan,alad", "anogan"}) {
    SCOPED_TRACE(method);
    const DetectorHandle detector = create(device.get(), small_config(method));
    fit(detector.get(), random_rows(70, columns, 1));
    const Matrix rows = random_rows(200, columns, 2);
    const std::vector<float> expected = score(detector.get(), rows);
    std::vector<DetectorHandle> handles;
    for (int i = 0; i < 8; ++i) handles.push_back(share(detector.get()));
    std::vector<int> equal(handles.size(), 0);
    std::vector<std::thread> threads;
    for (std::size_t i = 0; i < handles.size(); ++i) {
      threads.emplace_back([&, i] {
        for (int round = 0; round < 5; ++round) {
          equal[i] += same_bits(score(handles[i].get(), rows), expected) ? 1 : 0;
          const DetectorHandle passing = share(handles[i].get());
          equal[i] += same_bits(score(passing.get(), rows), expected) ? 1 : 0;
        }
      });
    }
    for (std::thread& thread : threads) thread.join();
    EXPECT_EQ(equal, std::vector<int>(handles.size(), 10));
  }
}

/// Different detectors of one device at once: fits, scores, failures.
TEST(Threads, FitDifferentDetectorsAtOnce) {
  const DeviceHandle device = open_device();
  const Matrix rows = random_rows(70, columns, 1);
  std::vector<std::vector<float>> scores(8);
  std::vector<std::thread> threads;
  for (std::size_t i = 0; i < scores.size(); ++i) {
    threads.emplace_back([&, i] {
      const DetectorHandle detector = create(device.get(), small_config(i % 2 == 0 ? "gan" : "bigan"));
      EXPECT_EQ(cugad_detector_score(detector.get(), nullptr, 0, columns, columns, nullptr),
                CUGAD_ERROR_INVALID_ARGUMENT);
      fit(detector.get(), rows);
      scores[i] = score(detector.get(), rows);
    });
  }
  for (std::thread& thread : threads) thread.join();
  for (std::size_t i = 2; i < scores.size(); ++i) EXPECT_TRUE(same_bits(scores[i], scores[i % 2])) << i;
}

}  // namespace
}  // namespace cugad::test
