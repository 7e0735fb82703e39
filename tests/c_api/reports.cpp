#include <fstream>
#include <nlohmann/json.hpp>
#include <sstream>
#include <string>
#include <vector>

#include "cugad/cugad_report.h"
#include "tests/c_api/handles.hpp"
#include "tests/common/temporary_directory.hpp"

/// Reports from C.
namespace cugad::test {
namespace {

struct ReleaseReport {
  void operator()(cugad_report* report) const { cugad_report_destroy(report); }
};
using ReportHandle = std::unique_ptr<cugad_report, ReleaseReport>;

class CReport : public testing::Test {
 protected:
  void SetUp() override {
    for (int i = 0; i < 200; ++i) {
      rows_.push_back(static_cast<float>(i % 17));
      rows_.push_back(static_cast<float>(2 * (i % 17)));
    }
    device_ = open_device();
    cugad_detector* detector = nullptr;
    ASSERT_OK(cugad_detector_create(device_.get(), R"({"method": "knn"})", &detector));
    detector_.reset(detector);
    ASSERT_OK(cugad_detector_fit(detector, rows_.data(), 200, 2, 2));
  }
  ReportHandle report(const cugad_report_options* options = nullptr) {
    cugad_report* made = nullptr;
    EXPECT_OK(cugad_report_create(detector_.get(), options, &made));
    return ReportHandle(made);
  }
  nlohmann::json written(cugad_report* report) {
    const std::string path = directory_.file("page.html");
    EXPECT_OK(cugad_report_write(report, path.c_str()));
    const std::string page = (std::stringstream() << std::ifstream(path).rdbuf()).str(), begin = "id=\"data\">";
    const std::size_t at = page.find(begin) + begin.size();
    return nlohmann::json::parse(page.substr(at, page.find("</script>", at) - at));
  }

  TemporaryDirectory directory_;
  std::vector<float> rows_;
  DeviceHandle device_;
  DetectorHandle detector_;
};

TEST_F(CReport, HoldsWhatTheDetectorScores) {
  rows_[1] = 90.0f;
  std::vector<std::int8_t> labels(200);
  labels[0] = 1;
  const float threshold = 2.0f;
  const char* const sources[] = {"from", "a test"};
  cugad_report_options options = {};
  options.struct_size = sizeof options;
  options.title = "from C";
  options.threshold = &threshold;
  options.history = "{\"step\": 100, \"steps\": 100, \"models\": [{\"generator_loss\": 0.5}]}\n";
  options.sources = sources;
  options.source_count = 2;
  options.top = 3;
  const ReportHandle page = report(&options);
  ASSERT_OK(cugad_report_add(page.get(), rows_.data(), 100, 2, 2, labels.data(), nullptr));
  ASSERT_OK(cugad_report_add(page.get(), rows_.data() + 200, 100, 2, 2, labels.data() + 100, nullptr));
  detector_.reset();  // the report shares its model
  const nlohmann::json data = written(page.get());
  EXPECT_EQ(data["title"], "from C");
  EXPECT_EQ(data["rows"], 200);
  EXPECT_EQ(data["threshold"], 2.0);
  EXPECT_EQ(data["labels"]["anomalies"], 1);
  ASSERT_EQ(data["top"].size(), 3u);
  EXPECT_EQ(data["top"][0]["row"], 0);
  EXPECT_EQ(data["sources"][0]["text"], "a test");
  EXPECT_EQ(data["training"]["phases"][0]["generator_loss"][0][0], 0.5);
}

TEST_F(CReport, RefusesWhatItCannotTake) {
  cugad_report* made = nullptr;
  EXPECT_EQ(cugad_report_create(nullptr, nullptr, &made), CUGAD_ERROR_INVALID_ARGUMENT);
  EXPECT_EQ(cugad_report_create(detector_.get(), nullptr, nullptr), CUGAD_ERROR_INVALID_ARGUMENT);
  cugad_report_options options = {};
  EXPECT_EQ(cugad_report_create(detector_.get(), &options, &made), CUGAD_ERROR_INVALID_ARGUMENT);
  options.struct_size = sizeof options;
  options.history = "no log";
  EXPECT_EQ(cugad_report_create(detector_.get(), &options, &made), CUGAD_ERROR_FORMAT);
  const char* const one[] = {"alone"};
  options.history = nullptr;
  options.sources = one;
  options.source_count = 1;
  EXPECT_EQ(cugad_report_create(detector_.get(), &options, &made), CUGAD_ERROR_INVALID_ARGUMENT);
  EXPECT_EQ(made, nullptr);
  const ReportHandle page = report();
  EXPECT_EQ(cugad_report_write(page.get(), directory_.file("p.html").c_str()), CUGAD_ERROR_INVALID_ARGUMENT);
  EXPECT_EQ(cugad_report_add(page.get(), rows_.data(), 5, 3, 3, nullptr, nullptr), CUGAD_ERROR_INVALID_ARGUMENT);
  EXPECT_EQ(cugad_report_add(page.get(), nullptr, 5, 2, 2, nullptr, nullptr), CUGAD_ERROR_INVALID_ARGUMENT);
  EXPECT_EQ(cugad_report_add(nullptr, rows_.data(), 5, 2, 2, nullptr, nullptr), CUGAD_ERROR_INVALID_ARGUMENT);
  EXPECT_EQ(cugad_report_write(page.get(), nullptr), CUGAD_ERROR_INVALID_ARGUMENT);
  cugad_report_destroy(nullptr);
}

}  // namespace
}  // namespace cugad::test
