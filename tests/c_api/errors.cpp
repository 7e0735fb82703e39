#include <functional>
#include <limits>
#include <string>
#include <thread>
#include <vector>

#include "cugad/cugad_latent.h"
#include "tests/c_api/handles.hpp"
#include "tests/common/temporary_directory.hpp"

/// Every wrong call is answered with a status and one line; none crashes, and none changes the handle.
namespace cugad::test {
namespace {

constexpr std::int64_t columns = 3, rows = 50;

/// One bad call: its status, and the required text of its message.
struct BadCall {
  const char* name;
  std::function<cugad_status()> call;
  cugad_status status;
  std::vector<std::string> said;
};

void check(const std::vector<BadCall>& calls) {
  for (const BadCall& bad : calls) {
    SCOPED_TRACE(bad.name);
    EXPECT_EQ(cugad_status_name(bad.call()), std::string(cugad_status_name(bad.status))) << cugad_last_error();
    const std::string message = cugad_last_error();
    EXPECT_EQ(message.find('\n'), std::string::npos) << message;
    EXPECT_EQ(message.find("cugad_"), 0u) << "the function's name comes first: " << message;
    for (const std::string& part : bad.said)
      EXPECT_NE(message.find(part), std::string::npos) << part << " in\n" << message;
  }
}

constexpr cugad_status invalid = CUGAD_ERROR_INVALID_ARGUMENT;

class BadCalls : public testing::Test {
 protected:
  void SetUp() override {
    device_ = open_device();
    detector_ = create(device_.get(), small_config("gan"));
    fresh_ = create(device_.get(), small_config("gan"));
    fit(detector_.get(), rows_);
    before_ = score(detector_.get(), rows_);
  }
  void TearDown() override {
    EXPECT_TRUE(same_bits(score(detector_.get(), rows_), before_)) << "a failed call left its mark";
  }

  const Matrix rows_ = random_rows(rows, columns, 4);
  const float* x_ = rows_.data.data();
  DeviceHandle device_;
  DetectorHandle detector_, fresh_;
  std::vector<float> before_, out_ = std::vector<float>(rows * columns);
  std::vector<cugad_reason> reasons_ = std::vector<cugad_reason>(rows * columns);
};

TEST_F(BadCalls, Nulls) {
  cugad_device* const d = device_.get();
  cugad_detector* const f = detector_.get();
  cugad_device* opened = nullptr;
  cugad_detector* made = nullptr;
  float* const out = out_.data();
  const char* text = nullptr;
  std::int64_t number = 0;
  std::int32_t small = 0;
  check({
      {"open", [&] { return cugad_device_open("cpu", nullptr); }, invalid, {"device is NULL"}},
      {"name", [&] { return cugad_device_name(nullptr, &text); }, invalid, {"device is NULL"}},
      {"name's place", [&] { return cugad_device_name(d, nullptr); }, invalid, {"name is NULL"}},
      {"description", [&] { return cugad_device_description(nullptr, &text); }, invalid, {"device is NULL"}},
      {"description's place", [&] { return cugad_device_description(d, nullptr); }, invalid, {"NULL"}},
      {"precision", [&] { return cugad_device_use_precision(d, nullptr); }, invalid, {"precision is NULL"}},
      {"precision's device", [&] { return cugad_device_use_precision(nullptr, "fp32"); }, invalid, {"device"}},
      {"stream", [&] { return cugad_device_use_stream(nullptr, nullptr); }, invalid, {"device is NULL"}},
      {"synchronize", [&] { return cugad_device_synchronize(nullptr); }, invalid, {"device is NULL"}},
      {"memory", [&] { return cugad_device_memory(nullptr, &number, &number); }, invalid, {"device is NULL"}},
      {"create", [&] { return cugad_detector_create(nullptr, "{}", &made); }, invalid, {"device is NULL"}},
      {"create's place", [&] { return cugad_detector_create(d, "{}", nullptr); }, invalid, {"detector is NULL"}},
      {"load", [&] { return cugad_detector_load(nullptr, "m", &made); }, invalid, {"device is NULL"}},
      {"load's path", [&] { return cugad_detector_load(d, nullptr, &made); }, invalid, {"path is NULL"}},
      {"load's place", [&] { return cugad_detector_load(d, "m", nullptr); }, invalid, {"detector is NULL"}},
      {"share", [&] { return cugad_detector_share(nullptr, &made); }, invalid, {"detector is NULL"}},
      {"share's place", [&] { return cugad_detector_share(f, nullptr); }, invalid, {"other is NULL"}},
      {"save", [&] { return cugad_detector_save(nullptr, "m"); }, invalid, {"detector is NULL"}},
      {"save's path", [&] { return cugad_detector_save(f, nullptr); }, invalid, {"path is NULL"}},
      {"bytes", [&] { return cugad_detector_load_from_memory(d, nullptr, 5, &made); }, invalid, {"bytes is NULL"}},
      {"no bytes", [&] { return cugad_detector_load_from_memory(d, "", 0, &made); }, CUGAD_ERROR_FORMAT, {"in memory"}},
      {"bytes' place", [&] { return cugad_detector_save_to_memory(f, nullptr, nullptr); }, invalid, {"bytes is NULL"}},
      {"detector's stream", [&] { return cugad_detector_use_stream(nullptr, nullptr); }, invalid, {"NULL"}},
      {"detector's wait", [&] { return cugad_detector_synchronize(nullptr); }, invalid, {"detector is NULL"}},
      {"fit", [&] { return cugad_detector_fit(nullptr, x_, rows, columns, columns); }, invalid, {"detector is NULL"}},
      {"fit's rows", [&] { return cugad_detector_fit(f, nullptr, rows, columns, columns); }, invalid, {"x is NULL"}},
      {"cancel", [&] { return cugad_detector_cancel(nullptr); }, invalid, {"detector is NULL"}},
      {"score", [&] { return cugad_detector_score(nullptr, x_, rows, columns, columns, out); }, invalid, {"detector"}},
      {"score's rows", [&] { return cugad_detector_score(f, nullptr, 1, columns, columns, out); }, invalid, {"x is"}},
      {"scores", [&] { return cugad_detector_score(f, x_, rows, columns, columns, nullptr); }, invalid, {"scores is"}},
      {"method_scores",
       [&] { return cugad_detector_score_methods(f, x_, rows, columns, columns, out, nullptr); },
       invalid,
       {"method_scores is NULL"}},
      {"residuals",
       [&] { return cugad_detector_score_cells(f, x_, rows, columns, columns, out, nullptr); },
       invalid,
       {"residuals is NULL"}},
      {"reasons",
       [&] { return cugad_detector_explain(f, x_, rows, columns, columns, 1, nullptr, nullptr); },
       invalid,
       {"reasons is NULL"}},
      {"sample", [&] { return cugad_detector_sample(f, 1, nullptr, 1, columns, columns); }, invalid, {"x is NULL"}},
      {"latent size", [&] { return cugad_detector_latent_size(f, nullptr); }, invalid, {"size is NULL"}},
      {"latents", [&] { return cugad_detector_draw_latents(f, 1, 1, nullptr); }, invalid, {"z is NULL"}},
      {"encode",
       [&] { return cugad_detector_encode(f, nullptr, 1, columns, columns, 0, out); },
       invalid,
       {"x is NULL"}},
      {"decode", [&] { return cugad_detector_decode(f, nullptr, 1, 2, 2, 0, out); }, invalid, {"z is NULL"}},
      {"decode's place", [&] { return cugad_detector_decode(f, x_, 1, 2, 2, 0, nullptr); }, invalid, {"x is NULL"}},
      {"probability", [&] { return cugad_detector_probability(f, nullptr, 1, 0, out); }, invalid, {"scores is NULL"}},
      {"probabilities", [&] { return cugad_detector_probability(f, out, 1, 0, nullptr); }, invalid, {"NULL"}},
      {"confidence", [&] { return cugad_detector_confidence(nullptr, out, 1, out); }, invalid, {"detector is NULL"}},
      {"confidences", [&] { return cugad_detector_confidence(f, out, 1, nullptr); }, invalid, {"confidences is NULL"}},
      {"fitted", [&] { return cugad_detector_is_fitted(nullptr, &small); }, invalid, {"detector is NULL"}},
      {"fitted's place", [&] { return cugad_detector_is_fitted(f, nullptr); }, invalid, {"fitted is NULL"}},
      {"threshold", [&] { return cugad_detector_threshold(nullptr, out); }, invalid, {"detector is NULL"}},
      {"threshold's place", [&] { return cugad_detector_threshold(f, nullptr); }, invalid, {"threshold is NULL"}},
      {"columns", [&] { return cugad_detector_columns(nullptr, &number); }, invalid, {"detector is NULL"}},
      {"columns' place", [&] { return cugad_detector_columns(f, nullptr); }, invalid, {"columns is NULL"}},
      {"column name", [&] { return cugad_detector_column_name(nullptr, 0, &text); }, invalid, {"detector is NULL"}},
      {"column name's place", [&] { return cugad_detector_column_name(f, 0, nullptr); }, invalid, {"name is NULL"}},
      {"methods", [&] { return cugad_detector_methods(nullptr, &number); }, invalid, {"detector is NULL"}},
      {"methods' place", [&] { return cugad_detector_methods(f, nullptr); }, invalid, {"methods is NULL"}},
      {"describe", [&] { return cugad_detector_describe(nullptr, &text); }, invalid, {"detector is NULL"}},
      {"describe's place", [&] { return cugad_detector_describe(f, nullptr); }, invalid, {"json is NULL"}},
      {"attach", [&] { return cugad_detector_attach(f, nullptr, "t"); }, invalid, {"name is NULL"}},
      {"attach's text", [&] { return cugad_detector_attach(f, "n", nullptr); }, invalid, {"text is NULL"}},
      {"attach's detector", [&] { return cugad_detector_attach(nullptr, "n", "t"); }, invalid, {"detector is NULL"}},
      {"attachment", [&] { return cugad_detector_attachment(f, nullptr, &text); }, invalid, {"name is NULL"}},
      {"attachment's place", [&] { return cugad_detector_attachment(f, "n", nullptr); }, invalid, {"text is NULL"}},
      {"options", [&] { return cugad_option_list(nullptr); }, invalid, {"json is NULL"}},
      {"presets", [&] { return cugad_preset_list(nullptr); }, invalid, {"json is NULL"}},
  });
  EXPECT_EQ(opened, nullptr);
  EXPECT_EQ(made, nullptr);
  cugad_device_close(nullptr);
  cugad_detector_destroy(nullptr);
}

TEST_F(BadCalls, SizesAndStrides) {
  cugad_detector* const f = detector_.get();
  float* const out = out_.data();
  constexpr std::int64_t most = std::numeric_limits<std::int64_t>::max(),
                         least = std::numeric_limits<std::int64_t>::min();
  const auto scored = [=, this](std::int64_t r, std::int64_t c, std::int64_t stride) {
    return cugad_detector_score(f, x_, r, c, stride, out);
  };
  const auto fitted = [=, this](std::int64_t r, std::int64_t c, std::int64_t stride) {
    return cugad_detector_fit(f, x_, r, c, stride);
  };
  check({
      {"negative rows", [&] { return scored(-1, columns, columns); }, invalid, {"-1 rows"}},
      {"least rows", [&] { return scored(least, columns, columns); }, invalid, {"rows"}},
      {"wrong columns", [&] { return scored(rows, columns + 1, columns + 1); }, invalid, {"4 columns", "3"}},
      {"negative columns", [&] { return scored(rows, -columns, columns); }, invalid, {"columns"}},
      {"short stride", [&] { return scored(rows, columns, columns - 1); }, invalid, {"row_stride 2"}},
      {"negative stride", [&] { return scored(rows, columns, -columns); }, invalid, {"row_stride -3"}},
      {"stride of one row", [&] { return scored(1, columns, 0); }, invalid, {"row_stride 0"}},
      {"overflowing rows", [&] { return scored(most, columns, columns); }, invalid, {"memory can hold"}},
      {"overflowing bytes", [&] { return scored(most / 3, columns, columns); }, invalid, {"memory can hold"}},
      {"all of memory", [&] { return scored(most / 12, columns, columns); }, invalid, {"x"}},
      {"overflowing stride", [&] { return scored(3, columns, most / 2); }, invalid, {"memory can hold"}},
      {"no rows to fit", [&] { return fitted(0, columns, columns); }, invalid, {"0 rows"}},
      {"no columns to fit", [&] { return fitted(rows, 0, 0); }, invalid, {"0 columns"}},
      {"negative rows to fit", [&] { return fitted(-5, columns, columns); }, invalid, {"-5 rows"}},
      {"negative columns to fit", [&] { return fitted(rows, -1, columns); }, invalid, {"-1 columns"}},
      {"short stride to fit", [&] { return fitted(rows, columns, 1); }, invalid, {"row_stride 1"}},
      {"overflow to fit", [&] { return fitted(most, 2, most); }, invalid, {"memory can hold"}},
      {"explain none",
       [&] { return cugad_detector_explain(f, x_, rows, columns, columns, 0, nullptr, reasons_.data()); },
       invalid,
       {"count is 0"}},
      {"explain less",
       [&] { return cugad_detector_explain(f, x_, rows, columns, columns, -1, nullptr, reasons_.data()); },
       invalid,
       {"count is -1"}},
      {"sample less", [&] { return cugad_detector_sample(f, 1, out, -1, columns, columns); }, invalid, {"-1 rows"}},
      {"decode less", [&] { return cugad_detector_decode(f, x_, -1, 2, 2, 0, out); }, invalid, {"-1 rows"}},
      {"decode wide", [&] { return cugad_detector_decode(f, x_, 1, 9, 9, 0, out); }, invalid, {"z has 9 columns"}},
      {"decode too many", [&] { return cugad_detector_decode(f, x_, most, 2, 2, 0, out); }, invalid, {"memory"}},
      {"latents less", [&] { return cugad_detector_draw_latents(f, 1, -1, out); }, invalid, {"-"}},
      {"sample wide", [&] { return cugad_detector_sample(f, 1, out, 1, 9, 9); }, invalid, {"9 columns"}},
      {"negative count", [&] { return cugad_detector_probability(f, out, -1, 0, out); }, invalid, {"-1 elements"}},
      {"large count", [&] { return cugad_detector_confidence(f, out, most, out); }, invalid, {"memory can hold"}},
      {"kind", [&] { return cugad_detector_probability(f, out, 1, 2, out); }, invalid, {"kind is 2"}},
      {"column -1",
       [&] {
         const char* name = nullptr;
         return cugad_detector_column_name(f, -1, &name);
       },
       invalid,
       {"column is -1", "0 to 2"}},
      {"column 3",
       [&] {
         const char* name = nullptr;
         return cugad_detector_column_name(f, columns, &name);
       },
       invalid,
       {"column is 3"}},
  });
}

TEST_F(BadCalls, Rates) {
  cugad_detector* const f = detector_.get();
  const float nan = std::numeric_limits<float>::quiet_NaN();
  float before = 0, after = 0;
  ASSERT_OK(cugad_detector_threshold(f, &before));
  check({
      {"NULL", [&] { return cugad_detector_set_contamination(nullptr, 0.1f); }, invalid, {"detector is NULL"}},
      {"NULL's rate", [&] { return cugad_detector_set_false_alarm_rate(nullptr, 0.1f); }, invalid, {"is NULL"}},
      {"NULL's calibration", [] { return cugad_detector_calibration(nullptr, nullptr, nullptr); }, invalid, {"NULL"}},
      {"no place", [&] { return cugad_detector_telemetry(f, nullptr); }, invalid, {"json is NULL"}},
      {"below", [&] { return cugad_detector_set_contamination(f, -0.1f); }, invalid, {"'contamination'", "-0.1"}},
      {"above", [&] { return cugad_detector_set_contamination(f, 0.6f); }, invalid, {"'contamination'", "0.6"}},
      {"no number", [&] { return cugad_detector_set_contamination(f, nan); }, invalid, {"'contamination'"}},
      {"none", [&] { return cugad_detector_set_false_alarm_rate(f, 0.0f); }, invalid, {"false_alarm_rate is 0"}},
      {"many", [&] { return cugad_detector_set_false_alarm_rate(f, 0.6f); }, invalid, {"'false_alarm_rate'", "0.6"}},
      {"no rate", [&] { return cugad_detector_set_false_alarm_rate(f, nan); }, invalid, {"'false_alarm_rate'"}},
  });
  ASSERT_OK(cugad_detector_threshold(f, &after));
  EXPECT_EQ(after, before);
}

TEST_F(BadCalls, MemoryThatOverlapsOrIsOdd) {
  cugad_detector* const f = detector_.get();
  std::vector<float> both(rows * columns + rows, 0.5f);
  float* const x = both.data();
  const auto odd = reinterpret_cast<const float*>(reinterpret_cast<const char*>(x) + 1);
  check({
      {"scores in x", [&] { return cugad_detector_score(f, x, rows, columns, columns, x); }, invalid, {"overlaps"}},
      {"scores in the last row",
       [&] { return cugad_detector_score(f, x, rows, columns, columns, x + rows * columns - 1); },
       invalid,
       {"scores overlaps x"}},
      {"scores that end in x",
       [&] { return cugad_detector_score(f, x + rows - 1, rows, columns, columns, x); },
       invalid,
       {"scores overlaps x"}},
      {"method_scores",
       [&] { return cugad_detector_score_methods(f, x, rows, columns, columns, nullptr, x + 4); },
       invalid,
       {"method_scores overlaps x"}},
      {"reasons",
       [&] {
         return cugad_detector_explain(f, x, rows, columns, columns, 1, nullptr, reinterpret_cast<cugad_reason*>(x));
       },
       invalid,
       {"reasons overlaps x"}},
      {"odd x", [&] { return cugad_detector_score(f, odd, 1, columns, columns, out_.data()); }, invalid, {"address"}},
  });
  // Side by side is no overlap.
  EXPECT_OK(cugad_detector_score(f, x, rows, columns, columns, x + rows * columns));
  EXPECT_OK(cugad_detector_score(f, x + rows, rows, columns, columns, x));
}

TEST_F(BadCalls, Values) {
  cugad_detector* const f = detector_.get();
  Matrix infinite = rows_, empty = rows_;
  infinite.row(7)[1] = std::numeric_limits<float>::infinity();
  for (std::int64_t r = 0; r < rows; ++r) empty.row(r)[2] = std::numeric_limits<float>::quiet_NaN();
  const auto fitted = [&](const Matrix& x) { return cugad_detector_fit(f, x.data.data(), rows, columns, columns); };
  check({{"infinite", [&] { return fitted(infinite); }, invalid, {"infinite", "'1'"}},
         {"no value", [&] { return fitted(empty); }, invalid, {"'2'"}}});
}

TEST_F(BadCalls, BeforeFit) {
  cugad_detector* const f = fresh_.get();
  float* const out = out_.data();
  cugad_detector* made = nullptr;
  const char* text = nullptr;
  std::int64_t number = 0;
  const std::vector<std::string> said = {"not fitted"};
  check({
      {"score", [&] { return cugad_detector_score(f, x_, rows, columns, columns, out); }, invalid, said},
      {"score of nothing", [&] { return cugad_detector_score(f, nullptr, 0, 0, 0, nullptr); }, invalid, said},
      {"methods", [&] { return cugad_detector_score_methods(f, x_, 1, columns, columns, out, out); }, invalid, said},
      {"explain", [&] { return cugad_detector_explain(f, x_, 1, columns, columns, 1, out, reasons_.data()); }, invalid,
       said},
      {"sample", [&] { return cugad_detector_sample(f, 1, out, 1, columns, columns); }, invalid, said},
      {"latent size", [&] { return cugad_detector_latent_size(f, &number); }, invalid, said},
      {"decode", [&] { return cugad_detector_decode(f, x_, 1, 2, 2, 0, out); }, invalid, said},
      {"contamination", [&] { return cugad_detector_set_contamination(f, 0.1f); }, invalid, said},
      {"false alarms", [&] { return cugad_detector_set_false_alarm_rate(f, 0.1f); }, invalid, said},
      {"threshold", [&] { return cugad_detector_threshold(f, out); }, invalid, said},
      {"probability", [&] { return cugad_detector_probability(f, x_, 1, 0, out); }, invalid, said},
      {"confidence", [&] { return cugad_detector_confidence(f, x_, 1, out); }, invalid, said},
      {"column name", [&] { return cugad_detector_column_name(f, 0, &text); }, invalid, said},
      {"share", [&] { return cugad_detector_share(f, &made); }, invalid, said},
      {"save", [&] { return cugad_detector_save(f, "nowhere"); }, invalid, said},
  });
}

TEST_F(BadCalls, Configurations) {
  cugad_detector* made = fresh_.get();
  const auto created = [&](const char* config) {
    const cugad_status status = cugad_detector_create(device_.get(), config, &made);
    EXPECT_EQ(made, nullptr);
    return status;
  };
  check({
      {"no JSON", [&] { return created("{"); }, invalid, {"JSON object"}},
      {"a list", [&] { return created("[]"); }, invalid, {"JSON object"}},
      {"unknown", [&] { return created(R"({"methd": "gan"})"); }, invalid, {"'methd'", "'method'"}},
      {"twice", [&] { return created(R"({"seed": 1, "seed": 2})"); }, invalid, {"'seed' is given twice"}},
      {"type", [&] { return created(R"({"seed": "1"})"); }, invalid, {"'seed'", "an integer"}},
      {"range", [&] { return created(R"({"population": 0})"); }, invalid, {"'population'", "1 to 65536"}},
      {"together", [&] { return created(R"({"method": "gan", "score": "latent"})"); }, invalid, {"score"}},
      {"choice", [&] { return created(R"({"method": "svm"})"); }, invalid, {"anogan|"}},
      {"preset", [&] { return created(R"({"preset": "kdd"})"); }, invalid, {"unknown preset 'kdd'"}},
      {"not UTF-8", [&] { return created("{\"method\": \"\xff\"}"); }, invalid, {}},
  });
}

TEST_F(BadCalls, DevicesAndFiles) {
  const TemporaryDirectory directory;
  const std::string absent = directory.file("absent"), text = directory.file("text"), cut = directory.file("cut"),
                    deep = directory.file("no/such/folder");
  write_text(text, "no model");
  ASSERT_OK(cugad_detector_save(detector_.get(), cut.c_str()));
  std::string bytes = read_text(cut);
  write_text(cut, bytes.substr(0, bytes.size() / 2));
  cugad_device* opened = device_.get();
  cugad_detector* made = nullptr;
  const auto loaded = [&](const std::string& path) { return cugad_detector_load(device_.get(), path.c_str(), &made); };
  check({
      {"device", [&] { return cugad_device_open("tpu", &opened); }, invalid, {"'tpu'"}},
      {"threads", [&] { return cugad_device_open_with_threads("cpu", -1, &opened); }, invalid, {"-1"}},
      {"number", [&] { return cugad_device_open("cuda:99", &opened); }, CUGAD_ERROR_UNSUPPORTED, {"'cuda:99'"}},
      {"precision", [&] { return cugad_device_use_precision(device_.get(), "fp8"); }, invalid, {"'fp8'"}},
      {"absent", [&] { return loaded(absent); }, CUGAD_ERROR_INPUT_OUTPUT, {absent}},
      {"folder", [&] { return loaded(directory.path()); }, CUGAD_ERROR_INPUT_OUTPUT, {directory.path()}},
      {"no path", [&] { return loaded(""); }, CUGAD_ERROR_INPUT_OUTPUT, {}},
      {"no model", [&] { return loaded(text); }, CUGAD_ERROR_FORMAT, {text}},
      {"cut", [&] { return loaded(cut); }, CUGAD_ERROR_FORMAT, {cut}},
      {"save", [&] { return cugad_detector_save(detector_.get(), deep.c_str()); }, CUGAD_ERROR_INPUT_OUTPUT, {deep}},
  });
  EXPECT_EQ(opened, nullptr);
  EXPECT_EQ(made, nullptr);
}

TEST_F(BadCalls, Controls) {
  const auto fitted = [&](const cugad_fit_controls& controls) {
    return cugad_detector_fit_with(detector_.get(), x_, rows, columns, columns, &controls);
  };
  const auto with = [](auto change) {
    cugad_fit_controls controls = {};
    controls.struct_size = sizeof controls;
    change(controls);
    return controls;
  };
  struct Later {
    cugad_fit_controls controls;
    std::size_t member;
  };
  Later later = {with([](auto&) {}), 1};
  later.controls.struct_size = sizeof later;
  const char* const names[] = {"a", nullptr, "c"};
  const char* const odd_names[] = {"a", "\xff", "c"};
  check({
      {"no size", [&] { return fitted({}); }, invalid, {"struct_size 0"}},
      {"small size", [&] { return fitted(with([](auto& c) { c.struct_size = 8; })); }, invalid, {"struct_size 8"}},
      {"absurd size",
       [&] { return fitted(with([](auto& c) { c.struct_size = ~std::size_t{0}; })); },
       invalid,
       {"size"}},
      {"later member", [&] { return fitted(later.controls); }, CUGAD_ERROR_UNSUPPORTED, {"does not know"}},
      {"binary", [&] { return fitted(with([](auto& c) { c.binary_columns = 4; })); }, invalid, {"binary_columns is 4"}},
      {"minus",
       [&] { return fitted(with([](auto& c) { c.binary_columns = -1; })); },
       invalid,
       {"binary_columns is -1"}},
      {"every", [&] { return fitted(with([](auto& c) { c.checkpoint_every = -1; })); }, invalid, {"every is -1"}},
      {"name", [&] { return fitted(with([&](auto& c) { c.column_names = names; })); }, invalid, {"column_names[1]"}},
      {"odd name", [&] { return fitted(with([&](auto& c) { c.column_names = odd_names; })); }, invalid, {"UTF-8"}},
  });
  // As a program gives them that was compiled when the last member was not there.
  EXPECT_EQ(fitted(with([](auto& c) {
              c.struct_size = offsetof(cugad_fit_controls, row_directory);
              c.row_directory = "/none";
            })),
            CUGAD_OK)
      << cugad_last_error();
}

TEST(LastError, IsThisThreadsAndNeverNull) {
  std::thread([] { EXPECT_STREQ(cugad_last_error(), ""); }).join();
  EXPECT_EQ(cugad_device_open("one", nullptr), invalid);
  const std::string here = cugad_last_error();
  std::thread([] {
    EXPECT_STREQ(cugad_last_error(), "");
    EXPECT_EQ(cugad_detector_cancel(nullptr), invalid);
    EXPECT_NE(std::string(cugad_last_error()).find("cugad_detector_cancel"), std::string::npos);
  }).join();
  EXPECT_EQ(cugad_last_error(), here);
  cugad_device* device = nullptr;
  EXPECT_OK(cugad_device_open("cpu", &device));
  EXPECT_EQ(cugad_last_error(), here) << "success leaves it";
  cugad_device_close(device);
}

TEST(LastError, CutsLongTextsAtAWholeCharacter) {
  std::string name;
  while (name.size() < 4000) name += "\xc3\xa9";
  for (const std::string& before : {std::string(), std::string("x")}) {
    cugad_device* device = nullptr;
    EXPECT_EQ(cugad_device_open((before + name).c_str(), &device), invalid);
    const std::string message = cugad_last_error();
    EXPECT_GT(message.size(), 900u);
    EXPECT_LT(message.size(), 1024u);
    const auto last = static_cast<unsigned char>(message.back());
    EXPECT_EQ(last, 0xa9) << "the end of a whole character";
  }
}

TEST(StatusName, NamesAllAndNothingElse) {
  EXPECT_STREQ(cugad_status_name(CUGAD_OK), "CUGAD_OK");
  EXPECT_STREQ(cugad_status_name(CUGAD_ERROR_INTERNAL), "CUGAD_ERROR_INTERNAL");
  for (cugad_status status = CUGAD_ERROR_INTERNAL; status <= CUGAD_OK; ++status) {
    EXPECT_EQ(std::string(cugad_status_name(status)).find("CUGAD_"), 0u);
  }
  EXPECT_STREQ(cugad_status_name(1), "unknown status");
  EXPECT_STREQ(cugad_status_name(-9), "unknown status");
}

}  // namespace
}  // namespace cugad::test
