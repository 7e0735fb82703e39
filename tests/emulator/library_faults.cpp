#include <gtest/gtest.h>

#include "emulator_control.hpp"
#include "host/backend/backend.hpp"
#include "kernels/device/runtime.cuh"
#include "kernels/device/shared_memory.cuh"
#include "tests/common/temporary_directory.hpp"
#include "tests/emulator/fixture.hpp"
#include "tests/methods/clusters.hpp"
#include "tests/training/small_training.hpp"

/// The library on a device that fails or is short of memory, and its calls of the runtime.
namespace cugad::test {
namespace {

class Library : public emulator_test::Emulated {};

using Calls = std::map<std::string, std::uint64_t>;

std::uint64_t sum_of(const Calls& calls, const std::vector<std::string>& parts) {
  std::uint64_t sum = 0;
  for (const auto& [name, count] : calls)
    for (const std::string& part : parts)
      if (name.find(part) != std::string::npos) {
        sum += count;
        break;
      }
  return sum;
}

std::string text_of(const Calls& calls) {
  std::string text;
  for (const auto& [name, count] : calls) text += name + " " + std::to_string(count) + "  ";
  return text;
}

/// Between two looks at the telemetry the host only launches graphs: no allocation, no wait, no kernel by itself; and a
/// population takes as many launches as one model.
TEST_F(Library, TrainingStepsAreGraphLaunchesAlone) {
  use("forward,deferred,multiprocessors=132");  // on few, the ops of a large population are not joined
  const Matrix rows = training_rows();
  std::uint64_t kernels[2] = {};
  for (const int models : {1, 5}) {
    DetectorOptions options = small_options();
    options.population = models;
    auto training = make_training(options, rows, test_device());
    const Context context = test_device().make_context();
    Context upload = test_device().make_context();
    const ResidentRows resident(upload, rows.view());
    GanStep step(test_device().make_context(), options, training->networks(), resident.view(), models);
    Arena arena(step.context().backend());
    const auto scale = arena.stack("scale", models, 1, 1),
               reports = arena.stack("reports", models, 1, StepTelemetry::values);
    step.bind({.seed = options.seed}, training->states(), scale, StepTelemetry::from(reports));
    step.advance(0, 100, true);
    step.context().synchronize();
    emulator::clear_calls();
    step.advance(100, 200, true);
    const Calls calls = emulator::calls();
    const std::uint64_t graphs = sum_of(calls, {"GraphLaunch"});
    EXPECT_LE(graphs, 20u) << text_of(calls);
    EXPECT_EQ(sum_of(calls, {"Malloc", "Free", "Synchronize", "BeginCapture", "Instantiate", "LaunchKernel"}), 0u)
        << text_of(calls);
    EXPECT_EQ(sum_of(calls, {"Memcpy"}), 2u) << "the step number and its rate: " << text_of(calls);
    step.context().synchronize();
    kernels[models > 1] = emulator::calls()["kernel"];
    std::printf("%d models, 100 steps: %s\n", models, text_of(emulator::calls()).c_str());
  }
  EXPECT_EQ(kernels[0], kernels[1]);
}

TEST_F(Library, ScoringOnTheDeviceNeitherAllocatesNorWaits) {
  DetectorOptions options = search_options(SearchStart::normal);
  options.steps = 20;
  Detector detector = fitted(options, normal_rows(100, 1));
  Context context = test_device().make_context();
  const Matrix rows = mixed_rows(40, 2);
  const ResidentRows resident(context, rows.view());
  Arena arena(context.backend());
  float* const scores = arena.take<float>("scores", rows.rows);
  detector.score(resident.view(), {scores, 40});
  emulator::clear_calls();
  detector.score(resident.view(), {scores, 40});
  const Calls calls = emulator::calls();
  EXPECT_EQ(sum_of(calls, {"Malloc", "Free", "Synchronize", "Memcpy"}), 0u) << text_of(calls);
  EXPECT_GT(sum_of(calls, {"kernel"}) + sum_of(calls, {"LaunchKernel"}), 0u) << text_of(calls);
}

/// On the caller's stream scores come in its order: they are there when that stream is done, and the caller may record
/// the scoring as a graph of his own.
TEST_F(Library, ScoresOnTheCallersStream) {
  DetectorOptions options = quick_options();
  options.steps = 20;
  Detector detector = fitted(options, normal_rows(100, 1));
  const Matrix rows = mixed_rows(40, 2), others = mixed_rows(40, 3);
  const std::vector<float> expected = detector.score(rows.view()), expected_of_others = detector.score(others.view());
  Context context = test_device().make_context();
  Arena arena(context.backend());
  const MatrixView<float> place(arena.take<float>("rows", rows.rows * rows.columns), rows.rows, rows.columns);
  float* const scores = arena.take<float>("scores", rows.rows);
  cudaStream_t stream = nullptr;
  ASSERT_EQ(cudaStreamCreateWithFlags(&stream, cudaStreamNonBlocking), cudaSuccess);
  const auto upload = [&](const Matrix& from) {
    const std::size_t bytes = sizeof(float) * static_cast<std::size_t>(from.rows * from.columns);
    ASSERT_EQ(cudaMemcpyAsync(place.data, from.view().data, bytes, cudaMemcpyDefault, stream), cudaSuccess);
  };
  const auto fetch = [&] {
    std::vector<float> found(40);
    EXPECT_EQ(cudaMemcpyAsync(found.data(), scores, sizeof(float) * 40, cudaMemcpyDefault, stream), cudaSuccess);
    EXPECT_EQ(cudaStreamSynchronize(stream), cudaSuccess);
    return found;
  };
  detector.use_stream(stream);
  upload(rows);
  detector.score(place, {scores, 40});
  EXPECT_TRUE(same_bits(fetch(), expected));

  cudaGraph_t graph = nullptr;
  cudaGraphExec_t executable = nullptr;
  ASSERT_EQ(cudaStreamBeginCapture(stream, cudaStreamCaptureModeThreadLocal), cudaSuccess);
  detector.score(place, {scores, 40});
  ASSERT_EQ(cudaStreamEndCapture(stream, &graph), cudaSuccess);
  ASSERT_EQ(cudaGraphInstantiate(&executable, graph, 0), cudaSuccess);
  for (const Matrix* from : {&others, &rows}) {
    upload(*from);
    ASSERT_EQ(cudaGraphLaunch(executable, stream), cudaSuccess);
    EXPECT_TRUE(same_bits(fetch(), from == &rows ? expected : expected_of_others));
  }
  detector.use_stream(nullptr);
  EXPECT_TRUE(same_bits(detector.score(rows.view()), expected));
  cudaGraphExecDestroy(executable);
  cudaGraphDestroy(graph);
  cudaStreamDestroy(stream);
}

/// Every single allocation of a whole run, on the device or pinned, fails once: an error names it, nothing leaks, and
/// the next run works.
void survives_a_failure_of_every_allocation(Method method) {
  DetectorOptions options = quick_options();
  options.method = method;
  options.steps = 3;
  options.bank_rows = 16;
  options.population = 1;
  const Matrix rows = normal_rows(40, 1), queries = mixed_rows(9, 2);
  const TemporaryDirectory directory;
  const auto whole_run = [&] {
    const Detector detector = fitted(options, rows);
    detector.save(directory.file("model"));
    return Detector::load(test_device(), directory.file("model")).score(queries.view());
  };
  const std::vector<float> expected = whole_run();
  const std::size_t before = emulator::live_allocations();
  int failures = 0;
  for (int nth = 1; nth < 1000; ++nth) {
    emulator::fail_allocation(nth);
    try {
      EXPECT_TRUE(same_bits(whole_run(), expected));
      emulator::fail_allocation(0);
      break;  // it did not need so many
    } catch (const Error& error) {
      EXPECT_EQ(error.code(), ErrorCode::out_of_memory) << nth << ": " << error.what();
      ++failures;
    }
    EXPECT_EQ(emulator::live_allocations(), before) << "leaked after the failure of allocation " << nth;
  }
  std::printf("%d allocations failed in turn\n", failures);
  EXPECT_GT(failures, 30);
  EXPECT_TRUE(same_bits(whole_run(), expected));
}

TEST_F(Library, SurvivesAFailureOfEveryAllocationOfABankScore) {
  survives_a_failure_of_every_allocation(Method::anogan);
}
TEST_F(Library, SurvivesAFailureOfEveryAllocationOfAnEncoder) {
  survives_a_failure_of_every_allocation(Method::fanogan);
}

struct Nothing {};
__global__ void diverging_kernel(Nothing) {
  if (threadIdx.x < 7) {
    __syncthreads();
  } else {
    __syncthreads();
  }
}

TEST_F(Library, RefusesADeviceAfterAnErrorItDoesNotRecoverFrom) {
  const Device device = test_device();
  Context context = device.make_context();
  EXPECT_NO_THROW(
      device::launch(context.stream(), "diverging", {.grid = dim3(1), .block = dim3(32)}, diverging_kernel, Nothing{}));
  expect_error(ErrorCode::device, {"emulated:0", "cudaErrorLaunchFailure"}, [&] { context.synchronize(); });
  expect_error(ErrorCode::device, {"emulated:0 is not used any more after an earlier failure", "cudaStreamSynchronize"},
               [&] { context.synchronize(); });
  const Matrix rows = normal_rows(30, 1);
  DetectorOptions options = quick_options();
  options.steps = 2;
  Detector elsewhere(Device::open("cpu", 1), options);
  elsewhere.fit(rows.view());  // the library goes on
  EXPECT_EQ(elsewhere.score(rows.view()).size(), 30u);
  use("forward,deferred");  // as a new process would find it
  EXPECT_NO_THROW(fitted(options, rows));
}

/// A population whose activations do not fit goes in groups; rows that do not fit stay on the host: the same bits.
TEST_F(Library, ShortMemoryChangesNoBit) {
  const Matrix rows = training_rows(4000, 12);
  DetectorOptions options = small_options();
  options.population = 6;
  options.steps = options.decay_steps = 120;
  const auto train = [&](const char* policy, std::int64_t at_most) {
    use(policy);
    const auto training = trained(options, rows);
    EXPECT_LE(training->models_together(), at_most) << policy;
    std::vector<std::vector<float>> states;
    for (int m = 0; m < 6; ++m) states.push_back(state_of(*training, m));
    return states;
  };
  const auto expected = train("forward,deferred", 6);
  for (const char* policy : {"forward,deferred,memory=600000", "forward,deferred,memory=300000"}) {
    const auto found = train(policy, 3);
    for (std::size_t m = 0; m < 6; ++m) EXPECT_TRUE(same_bits(found[m], expected[m])) << policy << ", model " << m;
  }
}

TEST_F(Library, OpensTheDeviceThatIsNamed) {
  use("forward,deferred,devices=2");
  const Device second = Device::open("emulated:1");
  EXPECT_EQ(second.name(), "emulated:1");
  Context context = second.make_context();
  EXPECT_NO_THROW(context.synchronize());
  int current = -1;
  cudaGetDevice(&current);
  EXPECT_EQ(current, 0) << "the caller's current device is left alone";
  expect_error(ErrorCode::unsupported, {"emulated:2", "2 CUDA devices"}, [] { Device::open("emulated:2"); });
  expect_error(ErrorCode::unsupported, {"emulated:x"}, [] { Device::open("emulated:x"); });
  expect_error(ErrorCode::unsupported, {"cuda"}, [] { Device::open("cuda"); });
  EXPECT_EQ(Device::open("auto").name(), "cpu");
}

}  // namespace
}  // namespace cugad::test
