#include <atomic>
#include <chrono>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

#include "cugad/detector.hpp"
#include "tests/c_api/handles.hpp"
#include "tests/common/temporary_directory.hpp"

/// Controls of a fit: watching, cancelling, resuming, naming.
namespace cugad::test {
namespace {

constexpr std::int64_t columns = 3;
const char* const long_training = R"(, "steps": 100000000)";

/// The arguments of callbacks, and their return values.
struct Watch {
  std::vector<std::int64_t> steps;
  std::vector<std::string> messages;
  std::int64_t total = 0, models = 0;
  std::int64_t stop_at = -1;
  bool throws = false;
  std::thread::id thread;
};

int on_progress(const cugad_progress* progress, void* user) {
  auto& watch = *static_cast<Watch*>(user);
  watch.steps.push_back(progress->step);
  watch.total = progress->steps;
  watch.models = progress->models;
  watch.thread = std::this_thread::get_id();
  for (std::int64_t m = 0; m < progress->models; ++m) {
    EXPECT_GT(progress->telemetry[m].discriminator_loss, 0.0f);
    EXPECT_EQ(progress->telemetry[m].restorations, 0);
  }
  if (watch.throws) throw std::runtime_error("from the caller");
  return watch.stop_at >= 0 && progress->step >= watch.stop_at ? 1 : 0;
}

void on_message(const char* message, void* user) { static_cast<Watch*>(user)->messages.emplace_back(message); }

void throwing_message(const char*, void*) { throw 42; }

cugad_fit_controls watched_by(Watch& watch) {
  cugad_fit_controls controls = {};
  controls.struct_size = sizeof controls;
  controls.on_progress = on_progress;
  controls.on_message = on_message;
  controls.user = &watch;
  return controls;
}

cugad_status fit_with(cugad_detector* detector, const Matrix& rows, const cugad_fit_controls& controls) {
  return cugad_detector_fit_with(detector, rows.data.data(), rows.rows, rows.columns, rows.columns, &controls);
}

bool is_fitted(cugad_detector* detector) {
  std::int32_t fitted = 0;
  EXPECT_OK(cugad_detector_is_fitted(detector, &fitted));
  return fitted != 0;
}

TEST(FitControls, TellProgressAndMessages) {
  const DeviceHandle device = open_device();
  const DetectorHandle detector = create(device.get(), small_config("gan", R"(, "steps": 250, "patience": 0)"));
  Matrix rows = random_rows(60, columns, 1);
  for (std::int64_t r = 0; r < rows.rows; ++r) rows.row(r)[1] = 5.0f;  // constant: a message
  Watch watch;
  ASSERT_OK(fit_with(detector.get(), rows, watched_by(watch)));
  EXPECT_EQ(watch.steps, (std::vector<std::int64_t>{100, 200, 250}));
  EXPECT_EQ(watch.total, 250);
  EXPECT_EQ(watch.models, 2);
  EXPECT_EQ(watch.thread, std::this_thread::get_id());
  ASSERT_FALSE(watch.messages.empty());
  EXPECT_NE(watch.messages.front().find("constant"), std::string::npos) << watch.messages.front();
}

TEST(FitControls, LeaveTheResultAsItIs) {
  const DeviceHandle device = open_device();
  const DetectorHandle plain = create(device.get(), small_config("gan")),
                       watched = create(device.get(), small_config("gan"));
  const Matrix rows = random_rows(60, columns, 1);
  fit(plain.get(), rows);
  Watch watch;
  ASSERT_OK(fit_with(watched.get(), rows, watched_by(watch)));
  EXPECT_TRUE(same_bits(score(plain.get(), rows), score(watched.get(), rows)));
  const TemporaryDirectory directory;
  cugad_fit_controls in_files = watched_by(watch);
  in_files.row_directory = directory.path().c_str();
  ASSERT_OK(fit_with(watched.get(), rows, in_files));
  EXPECT_TRUE(same_bits(score(plain.get(), rows), score(watched.get(), rows)));
  const std::string none = directory.file("none");
  in_files.row_directory = none.c_str();
  EXPECT_EQ(fit_with(watched.get(), rows, in_files), CUGAD_ERROR_INPUT_OUTPUT);
  EXPECT_NE(std::string(cugad_last_error()).find(none), std::string::npos) << cugad_last_error();
  const DetectorHandle uncontrolled = create(device.get(), small_config("gan"));
  ASSERT_OK(cugad_detector_fit_with(uncontrolled.get(), rows.data.data(), rows.rows, columns, columns, nullptr));
  EXPECT_TRUE(same_bits(score(plain.get(), rows), score(uncontrolled.get(), rows)));
}

TEST(FitControls, NameColumnsAndTellBinaryOnes) {
  const std::string config = small_config("gan", R"(, "condition": ["load"])");
  const char* const names[] = {"load", "speed", "on"};
  Matrix rows = random_rows(60, columns, 1);
  for (std::int64_t r = 0; r < rows.rows; ++r) rows.row(r)[2] = rows.row(r)[2] > 0 ? 1.0f : 0.0f;
  const DeviceHandle device = open_device();
  const DetectorHandle detector = create(device.get(), config);
  cugad_fit_controls controls = {};
  controls.struct_size = sizeof controls;
  controls.column_names = names;
  controls.binary_columns = 1;
  ASSERT_OK(fit_with(detector.get(), rows, controls));
  for (std::int64_t c = 0; c < columns; ++c) {
    const char* name = nullptr;
    ASSERT_OK(cugad_detector_column_name(detector.get(), c, &name));
    EXPECT_STREQ(name, names[c]);
  }
  Detector expected(test_device(), options_from_json(config));
  expected.fit(rows.view(), {.names = {"load", "speed", "on"}, .binary = 1});
  EXPECT_TRUE(same_bits(score(detector.get(), rows), expected.score(rows.view())));
}

/// A request to cancel ends the next call that fits or scores, and no other.
TEST(FitControls, ScoringIsCancelled) {
  const DeviceHandle device = open_device();
  const DetectorHandle detector = create(device.get(), small_config("gan"));
  const Matrix rows = random_rows(60, columns, 1);
  fit(detector.get(), rows);
  const std::vector<float> expected = score(detector.get(), rows);
  std::vector<float> scores(60);
  ASSERT_OK(cugad_detector_cancel(detector.get()));
  EXPECT_EQ(cugad_detector_score(detector.get(), rows.data.data(), 60, columns, columns, scores.data()),
            CUGAD_ERROR_CANCELLED);
  EXPECT_TRUE(same_bits(score(detector.get(), rows), expected));
  const DetectorHandle other = share(detector.get());
  ASSERT_OK(cugad_detector_cancel(detector.get()));
  EXPECT_TRUE(same_bits(score(other.get(), rows), expected)) << "another handle's request";
}

TEST(FitControls, AnAnswerOfTheCallbackCancels) {
  const DeviceHandle device = open_device();
  const DetectorHandle detector = create(device.get(), small_config("gan", long_training));
  const Matrix rows = random_rows(60, columns, 1);
  Watch watch;
  watch.stop_at = 200;
  EXPECT_EQ(fit_with(detector.get(), rows, watched_by(watch)), CUGAD_ERROR_CANCELLED);
  EXPECT_NE(std::string(cugad_last_error()).find("200"), std::string::npos) << cugad_last_error();
  EXPECT_EQ(watch.steps, (std::vector<std::int64_t>{100, 200}));
  EXPECT_FALSE(is_fitted(detector.get()));
}

TEST(FitControls, ExceptionsOfCallbacksCancelAndGoNoFurther) {
  const DeviceHandle device = open_device();
  const DetectorHandle detector = create(device.get(), small_config("gan", long_training));
  Matrix rows = random_rows(60, columns, 1);
  Watch watch;
  watch.throws = true;
  EXPECT_EQ(fit_with(detector.get(), rows, watched_by(watch)), CUGAD_ERROR_CANCELLED);
  EXPECT_EQ(watch.steps, std::vector<std::int64_t>{100});
  for (std::int64_t r = 0; r < rows.rows; ++r) rows.row(r)[1] = 5.0f;
  watch.throws = false;
  cugad_fit_controls controls = watched_by(watch);
  controls.on_message = throwing_message;
  EXPECT_EQ(fit_with(detector.get(), rows, controls), CUGAD_ERROR_CANCELLED);
}

/// As a program whose interrupts wait for a callback: cancels at the message that holds a text.
struct Interrupt {
  cugad_detector* detector;
  std::string at;
  std::vector<std::string> messages;
};
void interrupt(const char* message, void* user) {
  auto& asked = *static_cast<Interrupt*>(user);
  asked.messages.emplace_back(message);
  if (asked.messages.back().find(asked.at) != std::string::npos) {
    EXPECT_OK(cugad_detector_cancel(asked.detector));
  }
}

TEST(FitControls, MessagesAloneTellTheStepsAndCancel) {
  const DeviceHandle device = open_device();
  Matrix rows = random_rows(60, columns, 1);
  for (std::int64_t r = 0; r < rows.rows; ++r) rows.row(r)[1] = 5.0f;
  for (const char* method : {"gan", "gan,bigan"}) {
    for (const std::string at : {"constant", "step 200 of "}) {
      const DetectorHandle detector = create(device.get(), small_config(method, long_training));
      Interrupt asked = {detector.get(), at, {}};
      cugad_fit_controls controls = {};
      controls.struct_size = sizeof controls;
      controls.on_message = interrupt;
      controls.user = &asked;
      EXPECT_EQ(fit_with(detector.get(), rows, controls), CUGAD_ERROR_CANCELLED);
      EXPECT_NE(asked.messages.back().find(at), std::string::npos) << asked.messages.back();
      EXPECT_FALSE(is_fitted(detector.get()));
    }
  }
}

TEST(FitControls, AnotherThreadCancels) {
  const DeviceHandle device = open_device();
  const DetectorHandle detector = create(device.get(), small_config("gan", long_training));
  const Matrix rows = random_rows(60, columns, 1);
  std::thread other([&] {
    std::this_thread::sleep_for(std::chrono::milliseconds(50));
    EXPECT_EQ(cugad_detector_cancel(detector.get()), CUGAD_OK);
  });
  EXPECT_EQ(cugad_detector_fit(detector.get(), rows.data.data(), rows.rows, columns, columns), CUGAD_ERROR_CANCELLED);
  other.join();
}

TEST(FitControls, ARequestToCancelServesOnce) {
  const DeviceHandle device = open_device();
  const DetectorHandle detector = create(device.get(), small_config("gan"));
  const Matrix rows = random_rows(60, columns, 1), others = random_rows(60, columns, 2);
  fit(detector.get(), rows);
  const std::vector<float> before = score(detector.get(), rows);
  ASSERT_OK(cugad_detector_cancel(detector.get()));
  EXPECT_EQ(cugad_detector_fit(detector.get(), others.data.data(), others.rows, columns, columns),
            CUGAD_ERROR_CANCELLED);
  EXPECT_TRUE(same_bits(score(detector.get(), rows), before)) << "a cancelled fit leaves the model";
  fit(detector.get(), others);
  EXPECT_FALSE(same_bits(score(detector.get(), rows), before));
}

TEST(FitControls, CheckpointsCarryACancelledFitOn) {
  const DeviceHandle device = open_device();
  const std::string config = small_config("gan", R"(, "steps": 400, "patience": 0)");
  const Matrix rows = random_rows(60, columns, 1);
  const DetectorHandle whole = create(device.get(), config), stopped = create(device.get(), config);
  fit(whole.get(), rows);
  const TemporaryDirectory directory;
  const std::string path = directory.file("checkpoint");
  Watch watch;
  watch.stop_at = 200;
  cugad_fit_controls controls = watched_by(watch);
  controls.checkpoint_directory = path.c_str();
  EXPECT_EQ(fit_with(stopped.get(), rows, controls), CUGAD_ERROR_CANCELLED);
  watch = {};
  controls.resume = 1;
  ASSERT_OK(fit_with(stopped.get(), rows, controls));
  EXPECT_EQ(watch.steps.front(), 300);
  EXPECT_TRUE(same_bits(score(whole.get(), rows), score(stopped.get(), rows)));
}

}  // namespace
}  // namespace cugad::test
