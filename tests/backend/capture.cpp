#include <gtest/gtest.h>

#include "cugad/cugad.h"
#include "host/backend/transfer.hpp"
#include "host/methods/methods.hpp"
#include "tests/common/temporary_directory.hpp"
#include "tests/methods/clusters.hpp"

/// Scoring on the caller's stream, captured into the caller's CUDA graph through the C interface: the graph, launched
/// on other rows, gives the bits of a call.
namespace cugad::test {
namespace {

constexpr std::int64_t rows_at_once = 60;

/// A handle of the C interface on a detector that was fitted on the CPU.
class Handle {
 public:
  explicit Handle(const DetectorOptions& options) {
    Detector fitted_here(Device::open("cpu", 2), options);
    fitted_here.fit(normal_rows(300, 1).view());
    fitted_here.save(directory_.file("model"));
    expect_ok(cugad_device_open(device_name().c_str(), &device_));
    expect_ok(cugad_detector_load(device_, directory_.file("model").c_str(), &detector_));
  }
  ~Handle() {
    cugad_detector_destroy(detector_);
    cugad_device_close(device_);
  }
  Handle(const Handle&) = delete;
  Handle& operator=(const Handle&) = delete;

  cugad_detector* get() const { return detector_; }
  cugad_status score(MatrixView<const float> rows, float* scores) const {
    return cugad_detector_score(detector_, rows.data, rows.rows, rows.columns, rows.row_stride, scores);
  }
  static void expect_ok(cugad_status status) { ASSERT_EQ(status, CUGAD_OK) << cugad_last_error(); }

 private:
  TemporaryDirectory directory_;
  cugad_device* device_ = nullptr;
  cugad_detector* detector_ = nullptr;
};

/// A stream, rows and scores of the caller.
struct Caller {
  Caller() : context(test_device().make_context()), arena(context.backend()) {
    rows = {arena.take<float>("rows", rows_at_once * 6), rows_at_once, 6};
    scores = arena.take<float>("scores", rows_at_once);
  }
  void put(const Matrix& values) {
    copy_rows(context, MatrixView<const float>(values.view()), rows);
    context.synchronize();
  }
  std::vector<float> get() { return download(context, scores, rows_at_once); }
  Context context;
  Arena arena;
  MatrixView<float> rows;
  float* scores;
};

void expect_a_graph_gives_the_bits_of_a_call(const DetectorOptions& options) {
  const Handle handle(options);
  Caller caller;
  Backend& backend = caller.context.backend();
  void* const stream = caller.context.stream();
  caller.put(mixed_rows(rows_at_once, 6));
  Handle::expect_ok(cugad_detector_use_stream(handle.get(), stream));
  Handle::expect_ok(handle.score(caller.rows, caller.scores));  // makes the buffers
  backend.begin_recording(stream);
  const cugad_status status = handle.score(caller.rows, caller.scores);
  const std::unique_ptr<RecordedWork> graph = backend.end_recording(stream);
  ASSERT_EQ(status, CUGAD_OK) << cugad_last_error();
  for (const std::uint64_t seed : {7, 8}) {
    const Matrix values = mixed_rows(rows_at_once, seed);
    caller.put(values);
    graph->launch(stream);
    const std::vector<float> found = caller.get();
    std::vector<float> expected(rows_at_once);
    Handle::expect_ok(handle.score(values.view(), expected.data()));
    EXPECT_TRUE(same_bits(found, expected)) << "seed " << seed;
  }
}

TEST(Capture, OfScoresByTheBank) { expect_a_graph_gives_the_bits_of_a_call(quick_options()); }

TEST(Capture, OfScoresByTheLatentSearch) {
  for (const SearchStart start : {SearchStart::bank, SearchStart::normal}) {
    expect_a_graph_gives_the_bits_of_a_call(search_options(start));
  }
  DetectorOptions more_restarts_than_generated_rows = search_options(SearchStart::bank);
  more_restarts_than_generated_rows.bank_rows = 2;
  expect_a_graph_gives_the_bits_of_a_call(more_restarts_than_generated_rows);
}

TEST(Capture, OfScoresThroughAnEncoder) {
  for (const MethodDefinition* method : all_methods()) {
    if (!method->has_encoder) continue;
    DetectorOptions options = quick_options();
    options.method = method->method;
    options.steps = 20;
    expect_a_graph_gives_the_bits_of_a_call(options);
  }
}

TEST(Capture, OfScoresByLikelihood) {
  DetectorOptions options = quick_options();
  options.method = Method::gain;
  options.steps = 20;
  expect_a_graph_gives_the_bits_of_a_call(options);
}

TEST(Capture, OfAnEnsemble) {
  DetectorOptions options = quick_options();
  options.steps = 20;
  set_option(options, "method", "anogan,gan");
  expect_a_graph_gives_the_bits_of_a_call(options);
}

TEST(Capture, OfDistancesToTrainingRows) {
  DetectorOptions options = quick_options();
  options.steps = 20;
  set_option(options, "method", "gan,knn");
  expect_a_graph_gives_the_bits_of_a_call(options);
}

/// What cannot be captured is refused before it spoils the capture.
TEST(Capture, RefusesWhatCannotBeCaptured) {
  const Handle handle(quick_options());
  Caller caller;
  Backend& backend = caller.context.backend();
  void* const stream = caller.context.stream();
  const Matrix values = mixed_rows(rows_at_once, 6);
  caller.put(values);
  Handle::expect_ok(cugad_detector_use_stream(handle.get(), stream));
  std::vector<float> scores(rows_at_once);
  const auto expect_refused = [&](cugad_status expected, cugad_status status, const std::string& part) {
    EXPECT_EQ(status, expected);
    EXPECT_NE(std::string(cugad_last_error()).find(part), std::string::npos) << cugad_last_error();
  };
  backend.begin_recording(stream);
  expect_refused(CUGAD_ERROR_UNSUPPORTED, handle.score(caller.rows, caller.scores), "score as many rows once before");
  backend.end_recording(stream);
  const MatrixView<const float> some(caller.rows.data, 3, caller.rows.columns);
  Handle::expect_ok(handle.score(some, caller.scores));
  backend.begin_recording(stream);
  expect_refused(CUGAD_ERROR_INVALID_ARGUMENT, handle.score(values.view(), caller.scores), "the stream is captured");
  expect_refused(CUGAD_ERROR_INVALID_ARGUMENT, handle.score(caller.rows, scores.data()), "the stream is captured");
  Handle::expect_ok(handle.score(some, caller.scores));  // the capture is as good as before
  backend.end_recording(stream)->launch(stream);
  const std::vector<float> found = download(caller.context, caller.scores, 3);
  Handle::expect_ok(handle.score(values.view(), scores.data()));
  EXPECT_TRUE(same_bits(found, {scores.begin(), scores.begin() + 3}));
}

}  // namespace
}  // namespace cugad::test
