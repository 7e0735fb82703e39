#include <functional>
#include <thread>

#include "kernels/device/shared_memory.cuh"
#include "kernels/device/step_graph.cuh"
#include "tests/emulator/fixture.hpp"

/// The runtime: errors, allocation, streams, events, graphs, counters.
namespace emulator_test {
namespace {

using namespace emulator;
using cugad::device::launch;

struct Add {
  float* values;
  float amount;
};
__global__ void add(Add p) { p.values[threadIdx.x] += p.amount; }
__global__ void fall(Add) { __trap(); }

void launch_add(cudaStream_t stream, float* values, float amount) {
  launch(stream, "add", {.grid = {1}, .block = {4}}, &add, Add{values, amount});
}

class Runtime : public Emulated {
 protected:
  void SetUp() override {
    Emulated::SetUp();
    cudaStreamCreateWithFlags(&stream_, cudaStreamNonBlocking);
    cudaStreamCreateWithFlags(&other_, cudaStreamNonBlocking);
  }
  void TearDown() override {
    emulator::reset();
    cudaStreamDestroy(stream_);
    cudaStreamDestroy(other_);
    Emulated::TearDown();
  }
  cudaStream_t stream_ = nullptr, other_ = nullptr;
};

TEST_F(Runtime, AFailedKernelMakesTheDeviceRefuseAllWorkUntilReset) {
  const OnDevice<float> values(std::vector<float>(4, 0.0f));
  launch(nullptr, "fall", {.grid = {1}, .block = {1}}, &fall, Add{});
  EXPECT_EQ(cudaStreamSynchronize(nullptr), cudaErrorLaunchFailure);
  EXPECT_NE(report().find("__trap"), std::string::npos);
  EXPECT_EQ(cudaDeviceSynchronize(), cudaErrorLaunchFailure);
  float* more = nullptr;
  EXPECT_EQ(cudaMalloc(&more, 4), cudaErrorLaunchFailure);
  EXPECT_THROW(launch_add(nullptr, values.data(), 1.0f), cugad::Error);
  EXPECT_EQ(cudaGetLastError(), cudaErrorLaunchFailure);
  EXPECT_EQ(cudaGetLastError(), cudaErrorLaunchFailure);
  emulator::reset();
  EXPECT_EQ(cudaDeviceSynchronize(), cudaSuccess);
  EXPECT_TRUE(report().empty());
}

TEST_F(Runtime, OrdinaryErrorsAreForgottenOnceRead) {
  EXPECT_EQ(cudaSetDevice(5), cudaErrorInvalidDevice);
  EXPECT_EQ(cudaPeekAtLastError(), cudaErrorInvalidDevice);
  EXPECT_EQ(cudaGetLastError(), cudaErrorInvalidDevice);
  EXPECT_EQ(cudaGetLastError(), cudaSuccess);
  EXPECT_STREQ(cudaGetErrorName(cudaErrorInvalidDevice), "cudaErrorInvalidDevice");
}

TEST_F(Runtime, AllocationFailsOnDemandAndBeyondTheMemory) {
  use("memory=1000");
  const std::size_t before = live_allocations();
  float *a = nullptr, *b = nullptr;
  EXPECT_EQ(cudaMalloc(&a, 600), cudaSuccess);
  EXPECT_EQ(cudaMalloc(&b, 600), cudaErrorMemoryAllocation);
  EXPECT_EQ(live_allocations(), before + 1);
  EXPECT_EQ(cudaFree(a), cudaSuccess);
  fail_allocation(2);
  EXPECT_EQ(cudaMalloc(&a, 4), cudaSuccess);
  EXPECT_EQ(cudaMallocAsync(&b, 4, stream_), cudaErrorMemoryAllocation);
  EXPECT_EQ(cudaMallocAsync(&b, 4, stream_), cudaSuccess);
  EXPECT_EQ(cudaFreeAsync(b, stream_), cudaSuccess);
  EXPECT_EQ(cudaFree(a), cudaSuccess);
  EXPECT_EQ(cudaFree(a), cudaErrorInvalidValue);
  EXPECT_EQ(live_allocations(), before);
}

TEST_F(Runtime, LaunchShapesAreChecked) {
  const auto outcome = [](const cugad::device::LaunchShape& shape) {
    try {
      launch(nullptr, "add", shape, &fall, Add{});
      return std::string();
    } catch (const cugad::Error& error) {
      return std::string(error.what());
    }
  };
  EXPECT_NE(outcome({.grid = {1}, .block = {1025}}).find("cudaErrorInvalidConfiguration"), std::string::npos);
  EXPECT_NE(outcome({.grid = {1, 1, 65536}, .block = {1}}).find("cudaErrorInvalidConfiguration"), std::string::npos);
  EXPECT_NE(outcome({.grid = {3}, .block = {1}, .cluster = 2}).find("cudaErrorInvalidConfiguration"),
            std::string::npos);
  EXPECT_NE(outcome({.grid = {1}, .block = {1}, .shared_bytes = 228 * 1024}).find("cudaErrorInvalidValue"),
            std::string::npos);
  EXPECT_NE(outcome({.grid = {100000}, .block = {1024}, .cooperative = true}).find("TooLarge"), std::string::npos);
  use("chip=sm_86");
  EXPECT_NE(outcome({.grid = {2}, .block = {1}, .cluster = 2}).find("NotSupported"), std::string::npos);
  EXPECT_NE(outcome({.grid = {1}, .block = {1}, .shared_bytes = 100 * 1024}).find("cudaErrorInvalidValue"),
            std::string::npos);
  EXPECT_NE(outcome({.grid = {1}, .block = {1}, .shared_bytes = 99 * 1024}).find(""), std::string::npos);
}

TEST_F(Runtime, DeferredWorkWaitsForTheHost) {
  const OnDevice<float> values(std::vector<float>(4, 1.0f));
  float* pinned = nullptr;
  cudaHostAlloc(&pinned, 16, cudaHostAllocDefault);
  std::fill(pinned, pinned + 4, -1.0f);
  launch_add(stream_, values.data(), 1.0f);
  cudaMemcpyAsync(pinned, values.data(), 16, cudaMemcpyDeviceToHost, stream_);
  EXPECT_EQ(pinned[0], -1.0f);
  EXPECT_EQ(cudaStreamQuery(stream_), cudaErrorNotReady);
  EXPECT_EQ(cudaStreamSynchronize(stream_), cudaSuccess);
  EXPECT_EQ(pinned[0], 2.0f);
  cudaFreeHost(pinned);
}

TEST_F(Runtime, PageableSourcesAreTakenAtTheCall) {
  const OnDevice<float> values(std::vector<float>(4, 0.0f));
  std::vector<float> source(4, 5.0f);
  cudaMemcpyAsync(values.data(), source.data(), 16, cudaMemcpyHostToDevice, stream_);
  source.assign(4, 6.0f);
  cudaStreamSynchronize(stream_);
  EXPECT_EQ(values.values()[0], 5.0f);
}

TEST_F(Runtime, EventsOrderStreams) {
  const OnDevice<float> values(std::vector<float>(4, 1.0f));
  cudaEvent_t event = nullptr;
  cudaEventCreate(&event);
  launch_add(stream_, values.data(), 1.0f);
  cudaEventRecord(event, stream_);
  launch_add(stream_, values.data(), 100.0f);
  cudaStreamWaitEvent(other_, event);
  launch_add(other_, values.data(), 10.0f);
  cudaStreamSynchronize(other_);  // the first addition must have run; the second may still wait
  EXPECT_EQ(values.values()[0], 12.0f);
  EXPECT_EQ(cudaEventQuery(event), cudaSuccess);
  cudaStreamSynchronize(stream_);
  EXPECT_EQ(values.values()[0], 112.0f);
  cudaEventDestroy(event);
}

TEST_F(Runtime, GraphsReplay) {
  const OnDevice<float> values(std::vector<float>(4, 0.0f));
  launch_add(nullptr, values.data(), 0.0f);  // a kernel cannot be loaded during a capture
  cudaEvent_t fork = nullptr, join = nullptr;
  cudaEventCreate(&fork);
  cudaEventCreate(&join);
  ASSERT_EQ(cudaStreamBeginCapture(stream_, cudaStreamCaptureModeThreadLocal), cudaSuccess);
  launch_add(stream_, values.data(), 1.0f);
  cudaEventRecord(fork, stream_);
  cudaStreamWaitEvent(other_, fork);
  launch_add(other_, values.data(), 2.0f);
  cudaEventRecord(join, other_);
  cudaStreamWaitEvent(stream_, join);
  cudaGraph_t graph = nullptr;
  ASSERT_EQ(cudaStreamEndCapture(stream_, &graph), cudaSuccess);
  EXPECT_EQ(values.values()[0], 0.0f);
  cudaGraphExec_t executable = nullptr;
  ASSERT_EQ(cudaGraphInstantiate(&executable, graph), cudaSuccess);
  clear_calls();
  for (int i = 0; i < 5; ++i) EXPECT_EQ(cudaGraphLaunch(executable, stream_), cudaSuccess);
  cudaStreamSynchronize(stream_);
  EXPECT_EQ(values.values()[0], 15.0f);
  EXPECT_EQ(calls()["cudaGraphLaunch"], 5u);
  EXPECT_EQ(calls()["kernel"], 10u);
  EXPECT_EQ(calls()["cudaLaunchKernelEx"], 0u);
  cudaGraphExecDestroy(executable);
  cudaGraphDestroy(graph);
  cudaEventDestroy(fork);
  cudaEventDestroy(join);
}

TEST_F(Runtime, WhatACaptureForbidsInvalidatesIt) {
  const OnDevice<float> values(std::vector<float>(4, 0.0f));
  float* more = nullptr;
  const std::vector<std::function<cudaError_t()>> forbidden = {
      [&] { return cudaMalloc(&more, 4); }, [] { return cudaDeviceSynchronize(); },
      [&] { return cudaStreamSynchronize(stream_); }, [&] { return cudaMemset(values.data(), 0, 4); }};
  for (const auto& call : forbidden) {
    ASSERT_EQ(cudaStreamBeginCapture(stream_, cudaStreamCaptureModeGlobal), cudaSuccess);
    EXPECT_NE(call(), cudaSuccess);
    cudaGraph_t graph = nullptr;
    EXPECT_EQ(cudaStreamEndCapture(stream_, &graph), cudaErrorStreamCaptureInvalidated);
    EXPECT_EQ(graph, nullptr);
  }
}

/// The legacy stream waits for blocking streams alone; another thread disturbs a capture only where it waits for the
/// whole device.
TEST_F(Runtime, CapturesAreBrokenByWhatConcernsThem) {
  const OnDevice<float> values(std::vector<float>(4, 0.0f));
  const auto copy = [&] {
    return cudaMemcpyAsync(values.data(), values.data(), 4, cudaMemcpyDeviceToDevice, cudaStreamLegacy);
  };
  const auto elsewhere = [](const std::function<cudaError_t()>& call) {
    cudaError_t error = cudaSuccess;
    std::thread([&] { error = call(); }).join();
    return error;
  };
  const auto outcome = [](cudaStream_t stream, const std::function<cudaError_t()>& call, cudaError_t expected) {
    EXPECT_EQ(cudaStreamBeginCapture(stream, cudaStreamCaptureModeThreadLocal), cudaSuccess);
    EXPECT_EQ(call(), expected);
    cudaGraph_t graph = nullptr;
    const cudaError_t ended = cudaStreamEndCapture(stream, &graph);
    cudaGraphDestroy(graph);
    return ended;
  };
  EXPECT_EQ(outcome(stream_, copy, cudaSuccess), cudaSuccess);
  EXPECT_EQ(report(), "");
  EXPECT_EQ(outcome(cudaStreamPerThread, copy, cudaErrorStreamCaptureImplicit), cudaErrorStreamCaptureInvalidated);
  EXPECT_EQ(cudaStreamBeginCapture(cudaStreamLegacy, cudaStreamCaptureModeThreadLocal),
            cudaErrorStreamCaptureUnsupported);
  EXPECT_NE(report().find("legacy default stream"), std::string::npos);
  emulator::reset();
  float* more = nullptr;
  EXPECT_EQ(outcome(
                stream_, [&] { return elsewhere([&] { return cudaMalloc(&more, 4); }); }, cudaSuccess),
            cudaSuccess);
  EXPECT_EQ(outcome(
                stream_, [&] { return elsewhere([] { return cudaDeviceSynchronize(); }); },
                cudaErrorStreamCaptureUnsupported),
            cudaErrorStreamCaptureInvalidated);
  EXPECT_NE(report().find("wait for the whole device"), std::string::npos);
  emulator::reset();
  cudaFree(more);
  use("forward,deferred");  // which forgets the kernels that were loaded
  const auto first = [&] {
    try {
      launch_add(stream_, values.data(), 1.0f);
    } catch (const cugad::Error&) {
    }
    return cudaSuccess;
  };
  EXPECT_EQ(outcome(stream_, first, cudaSuccess), cudaErrorStreamCaptureInvalidated);
  EXPECT_NE(report().find("loaded for the first time"), std::string::npos);
}

/// What a capture forbids depends on its mode and on that of the thread that calls.
TEST_F(Runtime, CapturesForbidByTheirMode) {
  float* memory = nullptr;
  const auto outcome = [&](cudaStreamCaptureMode of_capture, cudaStreamCaptureMode of_thread, bool elsewhere) {
    EXPECT_EQ(cudaStreamBeginCapture(stream_, of_capture), cudaSuccess);
    const auto unsafe = [&] {
      cudaStreamCaptureMode mode = of_thread;
      cudaThreadExchangeStreamCaptureMode(&mode);
      if (cudaHostAlloc(&memory, 4, cudaHostAllocDefault) == cudaSuccess) cudaFreeHost(memory);
      cudaThreadExchangeStreamCaptureMode(&mode);
    };
    elsewhere ? std::thread(unsafe).join() : unsafe();
    cudaGraph_t graph = nullptr;
    const cudaError_t ended = cudaStreamEndCapture(stream_, &graph);
    cudaGraphDestroy(graph);
    return ended;
  };
  constexpr auto global = cudaStreamCaptureModeGlobal, local = cudaStreamCaptureModeThreadLocal,
                 relaxed = cudaStreamCaptureModeRelaxed;
  EXPECT_EQ(outcome(global, global, true), cudaErrorStreamCaptureInvalidated);
  EXPECT_EQ(outcome(global, local, true), cudaSuccess);
  EXPECT_EQ(outcome(local, global, true), cudaSuccess);
  EXPECT_EQ(outcome(global, relaxed, true), cudaSuccess);
  EXPECT_EQ(outcome(local, global, false), cudaErrorStreamCaptureInvalidated);
  EXPECT_EQ(outcome(local, local, false), cudaErrorStreamCaptureInvalidated);
  EXPECT_EQ(outcome(global, relaxed, false), cudaSuccess);
  EXPECT_EQ(outcome(relaxed, global, false), cudaSuccess);
}

/// It waits for blocking streams, and they wait for it; streams that do not block take no notice.
TEST_F(Runtime, TheLegacyStreamIsOrderedAmongBlockingStreams) {
  cudaStream_t blocking = nullptr;
  cudaStreamCreate(&blocking);
  const OnDevice<float> values(std::vector<float>(4, 0.0f)), apart(std::vector<float>(4, 0.0f));
  launch_add(blocking, values.data(), 1.0f);
  launch_add(cudaStreamLegacy, values.data(), 10.0f);
  launch_add(stream_, apart.data(), 1.0f);
  clear_calls();
  EXPECT_EQ(cudaStreamSynchronize(nullptr), cudaSuccess);
  EXPECT_EQ(calls()["kernel"], 2u);
  launch_add(nullptr, values.data(), 100.0f);
  launch_add(blocking, values.data(), 1000.0f);
  EXPECT_EQ(cudaStreamSynchronize(blocking), cudaSuccess);
  EXPECT_EQ(calls()["kernel"], 4u);
  EXPECT_EQ(values.values(), std::vector<float>(4, 1111.0f));
  cudaStreamDestroy(blocking);
}

TEST_F(Runtime, ContextsAreMadeByTheFirstCallThatNeedsOne) {
  use("devices=3");
  int device = -1, count = 0;
  cudaDeviceProp properties;
  EXPECT_EQ(cudaGetDevice(&device), cudaSuccess);
  EXPECT_EQ(cudaGetDeviceCount(&count), cudaSuccess);
  EXPECT_EQ(cudaGetDeviceProperties(&properties, 2), cudaSuccess);
  EXPECT_EQ(contexts(), std::set<int>{});
  EXPECT_EQ(cudaSetDevice(2), cudaSuccess);
  EXPECT_EQ(contexts(), std::set<int>{2});
  EXPECT_EQ(cudaSetDevice(0), cudaSuccess);
  EXPECT_EQ(contexts(), (std::set<int>{0, 2}));
}

TEST_F(Runtime, PoolsKeepWhatTheyAreTold) {
  std::size_t before = 0, now = 0, total = 0;
  cudaMemGetInfo(&before, &total);
  const cudaMemPoolProps properties = {cudaMemAllocationTypePinned, {cudaMemLocationTypeDevice, 0}};
  cudaMemPool_t pool = nullptr;
  ASSERT_EQ(cudaMemPoolCreate(&pool, &properties), cudaSuccess);
  std::uint64_t threshold = 1000;
  EXPECT_EQ(cudaMemPoolSetAttribute(pool, cudaMemPoolAttrReleaseThreshold, &threshold), cudaSuccess);
  float* memory = nullptr;
  const auto free_memory = [&] {
    cudaMemGetInfo(&now, &total);
    return now;
  };
  ASSERT_EQ(cudaMallocFromPoolAsync(&memory, 4000, pool, stream_), cudaSuccess);
  EXPECT_EQ(free_memory(), before - 4000);
  cudaFreeAsync(memory, stream_);
  cudaStreamSynchronize(stream_);
  EXPECT_EQ(free_memory(), before - 1000);
  ASSERT_EQ(cudaMallocFromPoolAsync(&memory, 600, pool, stream_), cudaSuccess);
  EXPECT_EQ(free_memory(), before - 1000);
  EXPECT_EQ(cudaMemPoolDestroy(pool), cudaSuccess);
  EXPECT_EQ(free_memory(), before - 600);
  cudaFreeAsync(memory, stream_);
  cudaStreamSynchronize(stream_);
  EXPECT_EQ(free_memory(), before);
}

/// The legacy stream has two names, and can be recorded under neither.
TEST_F(Runtime, RepetitionsRunOnEveryStream) {
  for (const cudaStream_t stream : {cudaStream_t(nullptr), cudaStreamLegacy, cudaStreamPerThread, stream_}) {
    const OnDevice<float> values(std::vector<float>(4, 0.0f));
    cugad::device::repeat(stream, 5, [&] { launch_add(stream, values.data(), 1.0f); });
    EXPECT_EQ(cudaStreamSynchronize(stream), cudaSuccess);
    EXPECT_EQ(values.values(), std::vector<float>(4, 5.0f));
  }
}

/// A failure is reported once, by the exception: the next call on this thread starts without an error.
TEST_F(Runtime, AFailedLaunchLeavesNoErrorBehind) {
  EXPECT_THROW(launch(nullptr, "add", {.grid = {1}, .block = {1025}}, &fall, Add{}), cugad::Error);
  EXPECT_EQ(cudaPeekAtLastError(), cudaSuccess);
}

/// Another thread may be between raising the bound for its own launch and launching.
TEST_F(Runtime, ALaunchNeverLowersTheSharedMemoryOfItsKernel) {
  const OnDevice<float> values(std::vector<float>(4, 0.0f));
  for (const std::size_t kibibytes : {100, 60}) {
    launch(nullptr, "add", {.grid = {1}, .block = {4}, .shared_bytes = kibibytes * 1024}, &add,
           Add{values.data(), 1.0f});
    cudaFuncAttributes attributes;
    EXPECT_EQ(cudaFuncGetAttributes(&attributes, &add), cudaSuccess);
    EXPECT_EQ(attributes.maxDynamicSharedSizeBytes, 227 * 1024);
  }
}

TEST_F(Runtime, UnjoinedStreamsEndACapture) {
  const OnDevice<float> values(std::vector<float>(4, 0.0f));
  launch_add(nullptr, values.data(), 0.0f);  // loads the kernel
  cudaEvent_t fork = nullptr;
  cudaEventCreate(&fork);
  cudaStreamBeginCapture(stream_, cudaStreamCaptureModeGlobal);
  cudaEventRecord(fork, stream_);
  cudaStreamWaitEvent(other_, fork);
  launch_add(other_, values.data(), 2.0f);
  cudaGraph_t graph = nullptr;
  EXPECT_EQ(cudaStreamEndCapture(stream_, &graph), cudaErrorStreamCaptureUnjoined);
  cudaEventDestroy(fork);
}

TEST_F(Runtime, CopiesCheckTheirRanges) {
  const OnDevice<float> values(std::vector<float>(4, 0.0f));
  std::vector<float> host(8);
  EXPECT_EQ(cudaMemcpy(values.data(), host.data(), 20, cudaMemcpyHostToDevice), cudaErrorInvalidValue);
  EXPECT_EQ(cudaMemcpy(host.data(), host.data() + 4, 16, cudaMemcpyDeviceToHost), cudaErrorInvalidValue);
  EXPECT_EQ(cudaMemset(host.data(), 0, 4), cudaErrorInvalidValue);
}

TEST(Policies, AreReadFromText) {
  const Policy read = parse_policy("seed=7,immediate,threads=1,chip=sm_80");
  EXPECT_TRUE(read.order == Order::seeded && read.seed == 7 && !read.deferred_copies && read.host_threads == 1);
  EXPECT_EQ(read.chip.shared_memory_per_block, 163u * 1024);
  EXPECT_THROW(parse_policy("backward"), std::invalid_argument);
  EXPECT_EQ(cugad_emulator_set_policy("chip=sm_1"), 1);
}

}  // namespace
}  // namespace emulator_test
