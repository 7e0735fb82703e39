#include <functional>
#include <thread>

#include "host/backend/transfer.hpp"
#include "tests/common/temporary_directory.hpp"
#include "tests/emulator/fixture.hpp"
#include "tests/methods/clusters.hpp"
#include "tests/training/small_training.hpp"

/// The library beside captures, and in the order of the legacy default stream.
namespace cugad::test {
namespace {

class Captures : public emulator_test::Emulated {
 protected:
  /// What becomes of a capture of the caller's while `during` is called by another thread.
  static cudaError_t capture_while(cudaStream_t stream, cudaStreamCaptureMode mode,
                                   const std::function<void()>& during) {
    EXPECT_EQ(cudaStreamBeginCapture(stream, mode), cudaSuccess);
    std::thread(during).join();
    cudaGraph_t graph = nullptr;
    const cudaError_t ended = cudaStreamEndCapture(stream, &graph);
    cudaGraphDestroy(graph);
    return ended;
  }
};

/// A program that captures in CUDA's default mode forbids unsafe calls to all threads: the library makes none that
/// counts.
TEST_F(Captures, OfAProgramAreNotBrokenByWhatOtherThreadsDo) {
  const Matrix rows = mixed_rows(30, 2);
  DetectorOptions options = quick_options();
  options.steps = 12;
  cudaStream_t blocking = nullptr, apart = nullptr;
  ASSERT_EQ(cudaStreamCreate(&blocking), cudaSuccess);
  ASSERT_EQ(cudaStreamCreateWithFlags(&apart, cudaStreamNonBlocking), cudaSuccess);
  const auto work = [&] {
    Detector detector = fitted(options, normal_rows(60, 1));
    EXPECT_EQ(detector.score(rows.view()).size(), 30u);
    const Device device = test_device();
    device.backend().release_pinned(device.backend().allocate_pinned(1 << 20));
  };
  EXPECT_EQ(capture_while(apart, cudaStreamCaptureModeGlobal, work), cudaSuccess);
  EXPECT_EQ(capture_while(blocking, cudaStreamCaptureModeGlobal, work), cudaSuccess);
  EXPECT_EQ(emulator::report(), "");
  // On memory of the device there is an order to keep, which is forbidden now.
  EXPECT_EQ(capture_while(blocking, cudaStreamCaptureModeGlobal,
                          [&] {
                            Detector detector = fitted(options, normal_rows(60, 1));
                            Context context = test_device().make_context();
                            const ResidentRows resident(context, rows.view());
                            expect_error(ErrorCode::unsupported, {"legacy default stream", "use_stream"},
                                         [&] { detector.score(resident.view()); });
                          }),
            cudaSuccess);
  EXPECT_EQ(emulator::report(), "");
  cudaStreamDestroy(blocking);
  cudaStreamDestroy(apart);
}

/// The rows are written on the legacy default stream.
TEST_F(Captures, CallsWithoutAStreamRunBehindTheLegacyDefaultStream) {
  DetectorOptions options = quick_options();
  options.steps = 12;
  Detector detector = fitted(options, normal_rows(60, 1));
  const Matrix rows = mixed_rows(30, 2);
  const std::vector<float> expected = detector.score(rows.view());
  const emulator_test::OnDevice<float> x(std::vector<float>(180)), scores(std::vector<float>(30));
  float* pinned = nullptr;
  ASSERT_EQ(cudaHostAlloc(&pinned, sizeof(float) * 180, cudaHostAllocPortable), cudaSuccess);
  std::copy_n(rows.view().data, 180, pinned);
  const auto write = [&] {
    ASSERT_EQ(cudaMemcpyAsync(x.data(), pinned, sizeof(float) * 180, cudaMemcpyDefault, cudaStreamLegacy), cudaSuccess);
  };
  write();
  detector.score({x.data(), 30, 6}, {scores.data(), 30});
  detector.synchronize();
  EXPECT_TRUE(same_bits(scores.values(), expected));
  ASSERT_EQ(cudaMemset(x.data(), 0, sizeof(float) * 180), cudaSuccess);
  write();
  Detector again(test_device(), options);
  std::copy_n(normal_rows(30, 1).view().data, 180, pinned);
  again.fit({x.data(), 30, 6});
  EXPECT_TRUE(same_bits(again.score(rows.view()), fitted(options, normal_rows(30, 1)).score(rows.view())));
  cudaFreeHost(pinned);
}

/// Drivers before 12.3 load no kernel while a stream is captured, and the emulator none either.
TEST_F(Captures, KernelsAreLoadedBeforeTheyAreRecorded) {
  const Matrix rows = normal_rows(60, 1);
  for (const char* method : {"anogan", "alad", "fanogan", "ganomaly"}) {
    use("forward,deferred");  // no kernel is loaded any more
    DetectorOptions options = quick_options();
    set_option(options, "method", method);
    options.steps = 25;
    EXPECT_NO_THROW(fitted(options, rows)) << method;
    EXPECT_EQ(emulator::report(), "") << method;
  }
}

/// A recording is on the device before it is launched for the first time.
TEST_F(Captures, GraphsAreUploadedWhenTheyAreRecorded) {
  const Matrix rows = training_rows();
  DetectorOptions options = small_options();
  options.steps = options.decay_steps = 20;
  emulator::clear_calls();
  trained(options, rows);
  auto calls = emulator::calls();
  EXPECT_GT(calls["cudaGraphUpload"], 0u);
  EXPECT_EQ(calls["cudaGraphUpload"], calls["cudaGraphInstantiate"]);
}

/// Ranges for profilers: the call, and the ops in it.
TEST_F(Captures, RangesAreNamed) {
  emulator::clear_calls();
  DetectorOptions options = quick_options();
  options.steps = 12;
  Detector detector = fitted(options, normal_rows(60, 1));
  detector.score(mixed_rows(30, 2).view());
  auto calls = emulator::calls();
  std::uint64_t begun = 0;
  for (const auto& [name, count] : calls) begun += name.rfind("range ", 0) == 0 ? count : 0;
  EXPECT_EQ(begun, calls["end of a range"]);
  for (const char* name : {"cugad fit", "cugad score", "cugad training steps", "cugad dense_forward", "cugad adam"}) {
    EXPECT_GT(calls[std::string("range ") + name], 0u) << name;
  }
}

}  // namespace
}  // namespace cugad::test
