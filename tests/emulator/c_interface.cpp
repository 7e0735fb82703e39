#include <gtest/gtest.h>

#include "cugad/cugad_dlpack.h"
#include "cugad/cugad_ops.h"
#include "emulator_control.hpp"
#include "kernels/device/runtime.cuh"
#include "tests/common/methods.hpp"
#include "tests/common/temporary_directory.hpp"
#include "tests/emulator/fixture.hpp"
#include "tests/methods/clusters.hpp"

/// The C interface on a device: its calls of the runtime, its memory, and the caller's stream.
namespace cugad::test {
namespace {

using emulator_test::OnDevice;

void expect_ok(cugad_status status) { ASSERT_EQ(status, CUGAD_OK) << cugad_last_error(); }
void expect_refused(cugad_status expected, cugad_status status, const std::string& part) {
  EXPECT_EQ(status, expected) << part;
  EXPECT_NE(std::string(cugad_last_error()).find(part), std::string::npos) << cugad_last_error();
}

/// Calls of the runtime that allocate, free, wait or copy, with their counts; empty if there was none.
std::string calls_that_may_not_be() {
  std::string found;
  for (const auto& [name, count] : emulator::calls()) {
    // The mark behind the call's work, for memory that is released later; its event is made anew after a release.
    if (name == "cudaStreamIsCapturing" || name == "cudaEventCreateWithFlags" || name == "cudaEventRecord") continue;
    if (name == "cudaThreadExchangeStreamCaptureMode") continue;  // changes a number of the thread
    for (const char* part :
         {"Malloc", "Alloc", "Free", "Synchronize", "Memcpy", "Memset", "Query", "Stream", "Event"}) {
      if (name.find(part) == std::string::npos) continue;
      found += name + " " + std::to_string(count) + "  ";
      break;
    }
  }
  return found;
}

class CInterface : public emulator_test::Emulated {
 protected:
  void TearDown() override {
    cugad_detector_destroy(detector_);
    cugad_device_close(device_);
    if (stream_ != nullptr) cudaStreamDestroy(stream_);
    detector_ = nullptr;
    Emulated::TearDown();
  }
  void open(const char* name = "emulated") { expect_ok(cugad_device_open(name, &device_)); }
  void open_with_stream() {
    open();
    ASSERT_EQ(cudaStreamCreateWithFlags(&stream_, cudaStreamNonBlocking), cudaSuccess);
    expect_ok(cugad_device_use_stream(device_, stream_));
  }
  /// A detector that was fitted on the CPU.
  void load(const DetectorOptions& options) {
    const TemporaryDirectory directory;
    Detector fitted_here(Device::open("cpu", 2), options);
    fitted_here.fit(normal_rows(100, 1).view());
    fitted_here.save(directory.file("model"));
    cugad_detector_destroy(detector_);
    detector_ = nullptr;
    expect_ok(cugad_detector_load(device_, directory.file("model").c_str(), &detector_));
  }
  static std::vector<float> values_of(const Matrix& rows) {
    return {rows.view().data, rows.view().data + rows.rows * rows.columns};
  }

  cugad_device* device_ = nullptr;
  cugad_detector* detector_ = nullptr;
  cudaStream_t stream_ = nullptr;
};

/// The second call with as many rows only launches kernels, for every method.
TEST_F(CInterface, ScoringOnTheDeviceOnlyLaunchesKernels) {
  open_with_stream();
  const OnDevice<float> rows(values_of(mixed_rows(30, 2))), scores(std::vector<float>(30));
  std::vector<std::pair<std::string, DetectorOptions>> cases;
  std::vector<std::string> methods = {"anogan,gan"};
  for (const MethodDefinition* method : methods_of_any_table()) methods.emplace_back(method->name);
  for (const std::string& method : methods) {
    cases.emplace_back(method, quick_options());
    set_option(cases.back().second, "method", method);
  }
  for (const SearchStart start : {SearchStart::bank, SearchStart::normal, SearchStart::truncated_normal}) {
    cases.emplace_back("search", search_options(start));
  }
  cases.emplace_back("search with more restarts than generated rows", search_options(SearchStart::bank));
  cases.back().second.bank_rows = 2;
  for (auto& [name, options] : cases) {
    options.steps = 2;
    load(options);
    expect_ok(cugad_detector_score(detector_, rows.data(), 30, 6, 6, scores.data()));
    emulator::clear_calls();
    expect_ok(cugad_detector_score(detector_, rows.data(), 30, 6, 6, scores.data()));
    EXPECT_EQ(calls_that_may_not_be(), "") << name;
    EXPECT_EQ(cudaStreamSynchronize(stream_), cudaSuccess);
    EXPECT_GT(emulator::calls()["kernel"], 0u) << name;
    std::printf("%s: %d kernels\n", name.c_str(), static_cast<int>(emulator::calls()["kernel"]));
  }
}

/// An op whose scratch memory grows with the rows of y.
cugad_dense_forward_args dense(const OnDevice<float>& x, const OnDevice<float>& weight, const OnDevice<float>& y,
                               std::int64_t rows) {
  cugad_dense_forward_args args;
  expect_ok(cugad_dense_forward_init(&args, sizeof args));
  args.x = {x.data(), 1, rows, 4, rows * 4, 4};
  args.weight = {weight.data(), 1, 3, 4, 12, 4};
  args.y = {y.data(), 1, rows, 3, rows * 3, 3};
  return args;
}

/// Without a stream an op has finished on return; on one it only launches, in its order, and can be captured.
TEST_F(CInterface, OpsRunOnTheStreamOfTheDevice) {
  use("forward,deferred,streams=deferred");  // work runs when it is waited for
  const OnDevice<float> x(std::vector<float>(20, 1.0f)), weight(std::vector<float>(12, 0.5f));
  const OnDevice<float> y(std::vector<float>(15, -1.0f));
  const std::vector<float> expected(15, 2.0f);
  open();
  const cugad_dense_forward_args args = dense(x, weight, y, 5);
  emulator::clear_calls();
  expect_ok(cugad_dense_forward(device_, &args));
  EXPECT_EQ(emulator::calls()["cudaStreamSynchronize"], 1u);
  EXPECT_TRUE(same_bits(y.values(), expected));

  ASSERT_EQ(cudaStreamCreateWithFlags(&stream_, cudaStreamNonBlocking), cudaSuccess);
  expect_ok(cugad_device_use_stream(device_, stream_));
  cugad_fill_uniform_args fill;
  expect_ok(cugad_fill_uniform_init(&fill, sizeof fill));
  fill.out = {x.data(), 1, 5, 4, 20, 4};
  fill.low = fill.high = 3.0f;
  emulator::clear_calls();
  expect_ok(cugad_fill_uniform(device_, &fill));
  expect_ok(cugad_dense_forward(device_, &args));
  EXPECT_EQ(calls_that_may_not_be(), "");
  EXPECT_EQ(emulator::calls()["kernel"], 0u) << "still to come";
  expect_ok(cugad_device_synchronize(device_));
  EXPECT_TRUE(same_bits(y.values(), std::vector<float>(15, 6.0f)));

  cudaGraph_t graph = nullptr;
  cudaGraphExec_t executable = nullptr;
  ASSERT_EQ(cudaStreamBeginCapture(stream_, cudaStreamCaptureModeThreadLocal), cudaSuccess);
  fill.low = fill.high = 0.5f;
  expect_ok(cugad_fill_uniform(device_, &fill));
  expect_ok(cugad_dense_forward(device_, &args));
  ASSERT_EQ(cudaStreamEndCapture(stream_, &graph), cudaSuccess);
  ASSERT_EQ(cudaGraphInstantiate(&executable, graph, 0), cudaSuccess);
  EXPECT_TRUE(same_bits(y.values(), std::vector<float>(15, 6.0f))) << "captured, not run";
  ASSERT_EQ(cudaGraphLaunch(executable, stream_), cudaSuccess);
  EXPECT_EQ(cudaStreamSynchronize(stream_), cudaSuccess);
  EXPECT_TRUE(same_bits(y.values(), std::vector<float>(15, 1.0f)));
  cudaGraphExecDestroy(executable);
  cudaGraphDestroy(graph);
}

/// A loss over many rows needs scratch memory: an op that has to take more is refused, and the capture goes on.
TEST_F(CInterface, ScratchMemoryDoesNotGrowDuringACapture) {
  open_with_stream();
  const OnDevice<float> x(std::vector<float>(100000, 1.0f)), gradient(std::vector<float>(100000)),
      loss(std::vector<float>(1));
  cugad_difference_loss_args args;
  expect_ok(cugad_difference_loss_init(&args, sizeof args));
  args.a = args.b = {x.data(), 1, 1000, 100, 100000, 100};
  args.da = {gradient.data(), 1, 1000, 100, 100000, 100};
  args.loss = {loss.data(), 1, 1, 1, 1, 1};
  std::size_t bytes = 0;
  expect_ok(cugad_difference_loss_workspace(device_, &args, &bytes));
  ASSERT_GT(bytes, 0u);
  cudaGraph_t graph = nullptr;
  ASSERT_EQ(cudaStreamBeginCapture(stream_, cudaStreamCaptureModeThreadLocal), cudaSuccess);
  expect_refused(CUGAD_ERROR_UNSUPPORTED, cugad_difference_loss(device_, &args), "make the same call once before");
  ASSERT_EQ(cudaStreamEndCapture(stream_, &graph), cudaSuccess);
  cudaGraphDestroy(graph);
  expect_ok(cugad_difference_loss(device_, &args));
  ASSERT_EQ(cudaStreamBeginCapture(stream_, cudaStreamCaptureModeThreadLocal), cudaSuccess);
  expect_ok(cugad_difference_loss(device_, &args));
  ASSERT_EQ(cudaStreamEndCapture(stream_, &graph), cudaSuccess);
  cudaGraphDestroy(graph);
}

/// Ops take memory of the device and pinned memory of the host; errors name any other.
TEST_F(CInterface, OpsTellMemoriesApart) {
  use("devices=2");
  open("emulated:0");
  ASSERT_EQ(cudaSetDevice(1), cudaSuccess);
  const OnDevice<float> elsewhere(std::vector<float>(20, 1.0f));
  ASSERT_EQ(cudaSetDevice(0), cudaSuccess);
  const OnDevice<float> x(std::vector<float>(20, 1.0f)), weight(std::vector<float>(12, 0.5f)),
      y(std::vector<float>(15, -1.0f));
  std::vector<float> host(20, 1.0f);
  cugad_dense_forward_args args = dense(x, weight, y, 5);
  args.x.data = elsewhere.data();
  expect_refused(CUGAD_ERROR_INVALID_ARGUMENT, cugad_dense_forward(device_, &args),
                 "dense_forward: x is memory of another device, expected memory of emulated:0");
  args.x.data = host.data();
  expect_refused(CUGAD_ERROR_INVALID_ARGUMENT, cugad_dense_forward(device_, &args),
                 "dense_forward: x is memory of the host, expected memory of emulated:0");
  args.x.data = x.data();
  args.dropout.rate = 0.5f;
  std::uint32_t counter = 0;
  args.dropout.key.step_counter = &counter;
  expect_refused(CUGAD_ERROR_INVALID_ARGUMENT, cugad_dense_forward(device_, &args), "dropout is memory of the host");
  EXPECT_TRUE(same_bits(y.values(), std::vector<float>(15, -1.0f))) << "nothing is written";
  float* pinned = nullptr;
  ASSERT_EQ(cudaHostAlloc(&pinned, sizeof(float) * 20, cudaHostAllocPortable), cudaSuccess);
  std::fill_n(pinned, 20, 3.0f);
  args = dense(x, weight, y, 5);
  args.x.data = pinned;
  expect_ok(cugad_dense_forward(device_, &args));
  EXPECT_TRUE(same_bits(y.values(), std::vector<float>(15, 6.0f)));
  cudaFreeHost(pinned);
}

TEST_F(CInterface, DetectorsTellMemoriesApart) {
  use("devices=2");
  DetectorOptions options = quick_options();
  options.steps = 2;
  open("emulated:0");
  load(options);
  const Matrix rows = mixed_rows(30, 2);
  std::vector<float> expected(30), found(30);
  expect_ok(cugad_detector_score(detector_, rows.view().data, 30, 6, 6, expected.data()));
  ASSERT_EQ(cudaSetDevice(1), cudaSuccess);
  const OnDevice<float> elsewhere(values_of(rows));
  ASSERT_EQ(cudaSetDevice(0), cudaSuccess);
  const OnDevice<float> here(values_of(rows));
  expect_refused(CUGAD_ERROR_INVALID_ARGUMENT,
                 cugad_detector_score(detector_, elsewhere.data(), 30, 6, 6, found.data()),
                 "x is memory of another device");
  expect_refused(CUGAD_ERROR_INVALID_ARGUMENT, cugad_detector_score(detector_, here.data(), 30, 6, 6, elsewhere.data()),
                 "scores is memory of another device");
  float* pinned = nullptr;
  ASSERT_EQ(cudaHostAlloc(&pinned, sizeof(float) * (180 + 30), cudaHostAllocPortable), cudaSuccess);
  std::copy_n(rows.view().data, 180, pinned);
  expect_ok(cugad_detector_score(detector_, pinned, 30, 6, 6, pinned + 180));
  EXPECT_TRUE(same_bits({pinned + 180, pinned + 210}, expected));
  expect_ok(cugad_detector_score(detector_, here.data(), 30, 6, 6, found.data()));
  EXPECT_TRUE(same_bits(found, expected));
  cudaFreeHost(pinned);

  // On the CPU, too, since a device has been opened in this process.
  cugad_device_close(device_);
  device_ = nullptr;
  open("cpu");
  load(options);
  expect_refused(CUGAD_ERROR_INVALID_ARGUMENT, cugad_detector_score(detector_, here.data(), 30, 6, 6, found.data()),
                 "x is memory of another device, expected memory of the host or of cpu");
  cugad_fill_uniform_args fill;
  expect_ok(cugad_fill_uniform_init(&fill, sizeof fill));
  fill.out = {here.data(), 1, 30, 6, 180, 6};
  expect_refused(CUGAD_ERROR_INVALID_ARGUMENT, cugad_fill_uniform(device_, &fill), "out is memory of another device");
}

}  // namespace
}  // namespace cugad::test
