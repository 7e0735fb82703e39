#include <nlohmann/json.hpp>

#include "cugad/cugad_latent.h"
#include "cugad/detector.hpp"
#include "cugad/latent.hpp"
#include "tests/c_api/handles.hpp"
#include "tests/common/temporary_directory.hpp"

/// Results of the C interface equal those of the C++ class, to the bit.
namespace cugad::test {
namespace {

constexpr std::int64_t columns = 4;

std::vector<float> numbers_of(const ExpectedCell& cell) {
  return {cell.low, cell.high, cell.likelihood, cell.least, cell.most};
}

class Results : public testing::TestWithParam<const char*> {
 protected:
  void SetUp() override {
    const std::string config = small_config(GetParam());
    device_ = open_device();
    by_c_ = create(device_.get(), config);
    fit(by_c_.get(), train_);
    by_cpp_ = std::make_unique<Detector>(test_device(), options_from_json(config));
    by_cpp_->fit(train_.view());
  }

  const Matrix train_ = random_rows(80, columns, 1), test_ = random_rows(40, columns, 2);
  DeviceHandle device_;
  DetectorHandle by_c_;
  std::unique_ptr<Detector> by_cpp_;
};

TEST_P(Results, Scores) {
  EXPECT_TRUE(same_bits(score(by_c_.get(), test_), by_cpp_->score(test_.view())));
  // Rows with gaps between them, of which the last ends with the memory.
  const std::int64_t stride = columns + 3;
  std::vector<float> apart(static_cast<std::size_t>((test_.rows - 1) * stride + columns), -1.0f);
  for (std::int64_t r = 0; r < test_.rows; ++r) std::copy_n(test_.row(r), columns, apart.data() + r * stride);
  std::vector<float> scores(static_cast<std::size_t>(test_.rows));
  EXPECT_OK(cugad_detector_score(by_c_.get(), apart.data(), test_.rows, columns, stride, scores.data()));
  EXPECT_TRUE(same_bits(scores, by_cpp_->score(test_.view())));
  EXPECT_OK(cugad_detector_score(by_c_.get(), nullptr, 0, columns, columns, nullptr));
}

TEST_P(Results, ScoresOfMethods) {
  std::int64_t methods = 0;
  ASSERT_OK(cugad_detector_methods(by_c_.get(), &methods));
  EXPECT_EQ(methods, static_cast<std::int64_t>(by_cpp_->parts().size()));
  std::vector<float> expected, scores(test_.rows), of_methods(static_cast<std::size_t>(test_.rows * methods));
  const std::vector<float> total = by_cpp_->score_methods(test_.view(), expected);
  ASSERT_OK(cugad_detector_score_methods(by_c_.get(), test_.data.data(), test_.rows, columns, columns, scores.data(),
                                         of_methods.data()));
  EXPECT_TRUE(same_bits(scores, total));
  EXPECT_TRUE(same_bits(of_methods, expected));
  EXPECT_OK(cugad_detector_score_methods(by_c_.get(), test_.data.data(), test_.rows, columns, columns, nullptr,
                                         of_methods.data()));
}

TEST_P(Results, ResidualsOfCells) {
  std::vector<float> expected, scores(test_.rows), residuals(static_cast<std::size_t>(test_.rows * columns));
  const std::vector<float> total = by_cpp_->score_cells(test_.view(), expected);
  EXPECT_TRUE(same_bits(total, by_cpp_->score(test_.view())));
  ASSERT_OK(cugad_detector_score_cells(by_c_.get(), test_.data.data(), test_.rows, columns, columns, scores.data(),
                                       residuals.data()));
  EXPECT_TRUE(same_bits(scores, total));
  EXPECT_TRUE(same_bits(residuals, expected));
  EXPECT_OK(cugad_detector_score_cells(by_c_.get(), test_.data.data(), test_.rows, columns, columns, nullptr,
                                       residuals.data()));
}

TEST_P(Results, Explanations) {
  std::vector<Explanation> expected;
  const std::vector<float> total = by_cpp_->explain(test_.view(), 3, expected);
  const std::int64_t rows = test_.rows;
  std::vector<float> scores(rows);
  std::vector<cugad_reason> reasons(rows * 6);
  ASSERT_OK(
      cugad_detector_explain(by_c_.get(), test_.data.data(), rows, columns, columns, 3, scores.data(), reasons.data()));
  EXPECT_TRUE(same_bits(scores, total));
  for (std::int64_t r = 0; r < rows; ++r) {
    for (std::int64_t k = 0; k < 3; ++k) {
      const cugad_reason& reason = reasons[r * 3 + k];
      ASSERT_EQ(reason.column, expected[r].column[k]);
      ASSERT_EQ(reason.finding, static_cast<std::int32_t>(expected[r].finding[k]));
      ASSERT_EQ(reason.share, expected[r].share[k]);
      ASSERT_EQ(reason.residual, expected[r].residual[k]);
      ASSERT_TRUE(same_bits({reason.low, reason.high, reason.likelihood, reason.least, reason.most},
                            numbers_of(expected[r].expected[k])));
      ASSERT_EQ(reason.category, -1);
    }
  }
  // More than there are.
  ASSERT_OK(cugad_detector_explain(by_c_.get(), test_.data.data(), rows, columns, columns, 6, nullptr, reasons.data()));
  for (std::int64_t r = 0; r < rows; ++r) {
    EXPECT_EQ(reasons[r * 6].column, expected[r].column[0]);
    EXPECT_GE(reasons[r * 6 + columns - 1].column, 0);
    for (std::int64_t k = columns; k < 6; ++k) {
      EXPECT_EQ(reasons[r * 6 + k].column, -1);
      EXPECT_EQ(reasons[r * 6 + k].share, 0.0f);
    }
  }
}

TEST_P(Results, ThresholdProbabilityAndConfidence) {
  float threshold = 0;
  ASSERT_OK(cugad_detector_threshold(by_c_.get(), &threshold));
  EXPECT_EQ(threshold, by_cpp_->threshold());
  const std::vector<float> scores = score(by_c_.get(), test_);
  const auto count = static_cast<std::int64_t>(scores.size());
  std::vector<float> found(scores.size());
  ASSERT_OK(cugad_detector_probability(by_c_.get(), scores.data(), count, CUGAD_PROBABILITY_RANK, found.data()));
  EXPECT_TRUE(same_bits(found, by_cpp_->probability(scores, Probability::rank)));
  ASSERT_OK(cugad_detector_confidence(by_c_.get(), scores.data(), count, found.data()));
  EXPECT_TRUE(same_bits(found, by_cpp_->confidence(scores)));
  found = scores;  // in place
  ASSERT_OK(cugad_detector_probability(by_c_.get(), found.data(), count, CUGAD_PROBABILITY_GAUSSIAN, found.data()));
  EXPECT_TRUE(same_bits(found, by_cpp_->probability(scores, Probability::gaussian)));
}

TEST_P(Results, ThresholdsSetAnew) {
  const DetectorHandle other = share(by_c_.get());
  const auto threshold = [&] {
    float found = 0;
    EXPECT_OK(cugad_detector_threshold(other.get(), &found));
    return found;
  };
  ASSERT_OK(cugad_detector_set_contamination(other.get(), 0.2f));
  by_cpp_->set_contamination(0.2f);
  EXPECT_EQ(threshold(), by_cpp_->threshold());
  ASSERT_OK(cugad_detector_set_false_alarm_rate(other.get(), 0.1f));
  by_cpp_->set_false_alarm_rate(0.1f);
  EXPECT_EQ(threshold(), by_cpp_->threshold());
  // The threshold of a fit with that setting, stored in the file.
  const DetectorHandle fitted = create(device_.get(), small_config(GetParam(), R"(, "false_alarm_rate": 0.1)"));
  fit(fitted.get(), train_);
  float expected = 0;
  ASSERT_OK(cugad_detector_threshold(fitted.get(), &expected));
  EXPECT_EQ(threshold(), expected);
  const TemporaryDirectory directory;
  const std::string path = directory.file("model");
  ASSERT_OK(cugad_detector_save(other.get(), path.c_str()));
  cugad_detector* loaded = nullptr;
  ASSERT_OK(cugad_detector_load(device_.get(), path.c_str(), &loaded));
  const DetectorHandle owner(loaded);
  float kept = 0;
  ASSERT_OK(cugad_detector_threshold(loaded, &kept));
  EXPECT_EQ(kept, expected);
}

TEST_P(Results, ModelsInMemory) {
  const void* bytes = nullptr;
  std::size_t size = 0;
  ASSERT_OK(cugad_detector_save_to_memory(by_c_.get(), &bytes, &size));
  const std::vector<std::byte> expected = by_cpp_->save();
  EXPECT_EQ(std::string(static_cast<const char*>(bytes), size),
            std::string(reinterpret_cast<const char*>(expected.data()), expected.size()));
  cugad_detector* loaded = nullptr;
  ASSERT_OK(cugad_detector_load_from_memory(device_.get(), bytes, size, &loaded));
  const DetectorHandle owner(loaded);
  EXPECT_TRUE(same_bits(score(loaded, train_), score(by_c_.get(), train_)));
}

TEST_P(Results, Calibration) {
  std::int64_t rows = 0, folds = 0;
  ASSERT_OK(cugad_detector_calibration(by_c_.get(), &rows, &folds));
  EXPECT_EQ(rows, by_cpp_->calibration().rows);
  EXPECT_EQ(folds, by_cpp_->calibration().folds);
  EXPECT_GT(folds, 1);
  const DetectorHandle whole = create(device_.get(), small_config(GetParam(), R"(, "folds": 1)"));
  ASSERT_OK(cugad_detector_calibration(whole.get(), &rows, nullptr));
  EXPECT_EQ(rows, 0) << "before fit";
  fit(whole.get(), train_);
  ASSERT_OK(cugad_detector_calibration(whole.get(), &rows, nullptr));
  ASSERT_OK(cugad_detector_calibration(whole.get(), nullptr, &folds));
  EXPECT_EQ(rows, train_.rows);
  EXPECT_EQ(folds, 1);
}

TEST_P(Results, Telemetry) {
  const char* text = nullptr;
  ASSERT_OK(cugad_detector_telemetry(by_c_.get(), &text));
  const nlohmann::json json = nlohmann::json::parse(text);
  const std::vector<ModelTelemetry>& expected = by_cpp_->telemetry();
  ASSERT_EQ(json.size(), expected.size());
  for (std::size_t m = 0; m < expected.size(); ++m) {
    EXPECT_EQ(json[m]["discriminator_loss"].get<float>(), expected[m].discriminator_loss);
    EXPECT_EQ(json[m]["generator_loss"].get<float>(), expected[m].generator_loss);
    EXPECT_EQ(json[m]["real_probability"].get<float>(), expected[m].real_probability);
    EXPECT_EQ(json[m]["fake_probability"].get<float>(), expected[m].fake_probability);
    EXPECT_EQ(json[m]["discriminator_gradient"].get<float>(), expected[m].discriminator_gradient);
    EXPECT_EQ(json[m]["generator_gradient"].get<float>(), expected[m].generator_gradient);
    EXPECT_EQ(json[m]["restorations"], expected[m].restorations);
    EXPECT_EQ(json[m]["resting"], expected[m].resting);
  }
  const DetectorHandle fresh = create(device_.get(), small_config(GetParam()));
  ASSERT_OK(cugad_detector_telemetry(fresh.get(), &text));
  EXPECT_STREQ(text, "[]");
}

TEST_P(Results, Samples) {
  std::vector<float> expected(static_cast<std::size_t>(10 * columns)), found(10 * (columns + 1), -7.0f);
  by_cpp_->sample(10, 5, expected);
  ASSERT_OK(cugad_detector_sample(by_c_.get(), 5, found.data(), 10, columns, columns + 1));
  for (std::int64_t r = 0; r < 10; ++r) {
    for (std::int64_t c = 0; c < columns; ++c) {
      ASSERT_EQ(found[r * (columns + 1) + c], expected[r * columns + c]);
    }
    EXPECT_EQ(found[r * (columns + 1) + columns], -7.0f) << "what stands between the rows";
  }
}

TEST_P(Results, Latents) {
  const std::int64_t size = latent_size(*by_cpp_), stride = size + 1;
  std::int64_t found_size = -1;
  ASSERT_OK(cugad_detector_latent_size(by_c_.get(), &found_size));
  EXPECT_EQ(found_size, size);
  std::vector<float> z(static_cast<std::size_t>(10 * size)), drawn(z);
  draw_latents(*by_cpp_, 10, 5, z);
  ASSERT_OK(cugad_detector_draw_latents(by_c_.get(), 5, 10, drawn.data()));
  EXPECT_TRUE(same_bits(drawn, z));
  Matrix apart(10, stride);
  for (std::int64_t r = 0; r < 10; ++r) std::copy_n(z.data() + r * size, size, apart.row(r));
  std::vector<float> expected(static_cast<std::size_t>(10 * columns)), found(expected);
  decode(*by_cpp_, {z.data(), 10, size}, 1, expected);
  ASSERT_OK(cugad_detector_decode(by_c_.get(), apart.data.data(), 10, size, stride, 1, found.data()));
  EXPECT_TRUE(same_bits(found, expected));
  EXPECT_EQ(cugad_detector_decode(by_c_.get(), z.data(), 10, size, size, 2, found.data()),
            CUGAD_ERROR_INVALID_ARGUMENT);
  const cugad_status status =
      cugad_detector_encode(by_c_.get(), expected.data(), 10, columns, columns, 0, drawn.data());
  if (GetParam() != std::string("alad")) {
    EXPECT_EQ(status, CUGAD_ERROR_UNSUPPORTED) << "it has no encoder";
    return;
  }
  ASSERT_OK(status);
  encode(*by_cpp_, {expected.data(), 10, columns}, 0, z);
  EXPECT_TRUE(same_bits(drawn, z));
}

TEST_P(Results, Files) {
  const TemporaryDirectory directory;
  by_cpp_->attach("note", "text");
  ASSERT_OK(cugad_detector_attach(by_c_.get(), "note", "text"));
  const std::string from_c = directory.file("c"), from_cpp = directory.file("cpp");
  ASSERT_OK(cugad_detector_save(by_c_.get(), from_c.c_str()));
  by_cpp_->save(from_cpp);
  EXPECT_EQ(read_text(from_c), read_text(from_cpp));
  cugad_detector* loaded = nullptr;
  ASSERT_OK(cugad_detector_load(device_.get(), from_cpp.c_str(), &loaded));
  const DetectorHandle owner(loaded);
  EXPECT_TRUE(same_bits(score(loaded, test_), score(by_c_.get(), test_)));
  const char* text = nullptr;
  ASSERT_OK(cugad_detector_attachment(loaded, "note", &text));
  EXPECT_STREQ(text, "text");
  ASSERT_OK(cugad_detector_attachment(loaded, "other", &text));
  EXPECT_EQ(text, nullptr);
}

INSTANTIATE_TEST_SUITE_P(Methods, Results, testing::Values("anogan", "alad", "gan,bigan", "gan,knn"));

TEST(Describe, SaysWhatADetectorIs) {
  const DeviceHandle device = open_device();
  const DetectorHandle detector = create(device.get(), small_config("bigan"));
  const char* text = nullptr;
  ASSERT_OK(cugad_detector_describe(detector.get(), &text));
  nlohmann::json json = nlohmann::json::parse(text);
  EXPECT_EQ(json["fitted"], false);
  EXPECT_EQ(json["method"], "bigan");
  EXPECT_EQ(json["population"], 2);
  EXPECT_EQ(json["precision"], "fp32");
  EXPECT_FALSE(json.contains("threshold"));
  std::int32_t is_fitted = 2;
  std::int64_t found = 7;
  ASSERT_OK(cugad_detector_is_fitted(detector.get(), &is_fitted));
  EXPECT_EQ(is_fitted, 0);
  ASSERT_OK(cugad_detector_columns(detector.get(), &found));
  EXPECT_EQ(found, 0);

  fit(detector.get(), random_rows(60, columns, 1));
  float threshold = 0;
  ASSERT_OK(cugad_detector_threshold(detector.get(), &threshold));
  ASSERT_OK(cugad_detector_describe(detector.get(), &text));
  json = nlohmann::json::parse(text);
  EXPECT_EQ(json["fitted"], true);
  EXPECT_EQ(json["threshold"].get<float>(), threshold);
  EXPECT_EQ(json["columns"], (std::vector<std::string>{"0", "1", "2", "3"}));
  EXPECT_EQ(json["calibration"]["folds"], 5);
  EXPECT_GT(json["calibration"]["rows"], 0);
  EXPECT_EQ(json["options"]["latent"], 2) << "as used, not as given";
  EXPECT_TRUE(json.contains("search_path"));
  ASSERT_OK(cugad_detector_is_fitted(detector.get(), &is_fitted));
  EXPECT_EQ(is_fitted, 1);
  ASSERT_OK(cugad_detector_columns(detector.get(), &found));
  EXPECT_EQ(found, columns);
  const char* name = nullptr;
  ASSERT_OK(cugad_device_name(device.get(), &name));
  EXPECT_EQ(json["device"], name);
  EXPECT_EQ(std::string(name).substr(0, device_name().size()), device_name());
  ASSERT_OK(cugad_device_description(device.get(), &name));
  EXPECT_EQ(name, test_device().description());
}

TEST(Describe, ListsWhatThereIsToChoose) {
  const char* text = nullptr;
  ASSERT_OK(cugad_option_list(&text));
  const nlohmann::json options = nlohmann::json::parse(text);
  ASSERT_EQ(options.size(), option_list().size());
  EXPECT_EQ(options[0]["name"], "method");
  EXPECT_EQ(options[0]["default"], "anogan");
  for (std::size_t i = 0; i < options.size(); ++i) {
    std::string joined;
    for (const std::string choice : options[i]["choices"]) joined += (joined.empty() ? "" : "|") + choice;
    EXPECT_EQ(joined, option_list()[i].choices) << options[i]["name"];
    for (const auto& [key, value] :
         {std::pair("lowest", option_list()[i].lowest), std::pair("highest", option_list()[i].highest),
          std::pair("automatic", option_list()[i].automatic)}) {
      EXPECT_EQ(options[i].contains(key), value.has_value()) << options[i]["name"];
      if (!value) continue;
      EXPECT_EQ(options[i][key], *value) << options[i]["name"];
    }
  }
  ASSERT_OK(cugad_preset_list(&text));
  EXPECT_EQ(nlohmann::json::parse(text), nlohmann::json(presets()));
}

TEST(Devices, CountTheirMemory) {
  const DeviceHandle device = open_device();
  std::int64_t before = -1, with = 0, peak = 0;
  ASSERT_OK(cugad_device_memory(device.get(), &before, nullptr));
  DetectorHandle detector = create(device.get(), small_config("gan"));
  fit(detector.get(), random_rows(60, columns, 1));
  ASSERT_OK(cugad_device_memory(device.get(), &with, &peak));
  EXPECT_GT(with, before);
  EXPECT_GE(peak, with);
  detector.reset();
  ASSERT_OK(cugad_device_memory(device.get(), &with, nullptr));
  EXPECT_EQ(with, before);
}

TEST(Devices, MayBeClosedBeforeTheirDetectors) {
  DeviceHandle device = open_device();
  const DetectorHandle detector = create(device.get(), small_config("gan"));
  const Matrix rows = random_rows(60, columns, 1);
  fit(detector.get(), rows);
  const std::vector<float> before = score(detector.get(), rows);
  device.reset();
  EXPECT_TRUE(same_bits(score(detector.get(), rows), before));
}

TEST(Devices, DefaultsAreAutoAndTheLibrarysRecipe) {
  for (const char* name : {static_cast<const char*>(nullptr), "", "auto"}) {
    cugad_device* device = nullptr;
    ASSERT_OK(cugad_device_open(name, &device));
    const DeviceHandle owner(device);
    for (const char* config : {static_cast<const char*>(nullptr), "", "{}"}) {
      cugad_detector* detector = nullptr;
      ASSERT_OK(cugad_detector_create(device, config, &detector));
      const DetectorHandle released(detector);
      const char* json = nullptr;
      ASSERT_OK(cugad_detector_describe(detector, &json));
      EXPECT_EQ(nlohmann::ordered_json::parse(json)["options"].dump(), options_to_json(default_options()));
    }
  }
}

}  // namespace
}  // namespace cugad::test
