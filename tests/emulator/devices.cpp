#include <gtest/gtest.h>

#include <thread>

#include "cugad/cugad_dlpack.h"
#include "host/backend/transfer.hpp"
#include "host/c_api/dlpack.hpp"
#include "kernels/device/step_graph.cuh"
#include "tests/common/temporary_directory.hpp"
#include "tests/emulator/fixture.hpp"
#include "tests/methods/clusters.hpp"

/// The devices that the library uses, its requirements when it opens them, and its memory there.
namespace cugad::test {
namespace {

class Devices : public emulator_test::Emulated {
 protected:
  static DetectorOptions few_steps() {
    DetectorOptions options = quick_options();
    options.steps = 3;
    return options;
  }
};

std::size_t free_memory() {
  std::size_t free = 0, total = 0;
  cudaMemGetInfo(&free, &total);
  return free;
}

/// Nobody but this library uses a device here: the first one, current in every thread by default, stays unused.
TEST_F(Devices, WorkOnTheSecondTouchesNoOther) {
  use("forward,deferred,devices=2");
  const Matrix rows = mixed_rows(30, 2);
  {
    const Device second = Device::open("emulated:1");
    Detector detector(second, few_steps());
    detector.fit(normal_rows(60, 1).view());
    detector.score(rows.view());
    Backend& backend = second.backend();
    backend.release_pinned(backend.allocate_pinned(64));
    EXPECT_EQ(backend.memory_kind(rows.view().data), MemoryKind::host);
    EXPECT_FALSE(backend.is_recording(second.make_context().stream()));
    std::thread([&] { detector.score(rows.view()); }).join();
  }
  EXPECT_EQ(Device::open("cpu").backend().memory_kind(rows.view().data), MemoryKind::host);
  EXPECT_EQ(emulator::contexts(), std::set<int>{1});
  int current = -1;
  cudaGetDevice(&current);
  EXPECT_EQ(current, 0) << "the caller's current device is left alone";
}

TEST_F(Devices, EachFitsAndScoresBesideTheOthers) {
  use("forward,deferred,devices=3");
  const Matrix rows = normal_rows(60, 1), queries = mixed_rows(30, 2);
  std::vector<std::vector<float>> scores(6);
  std::vector<std::thread> threads;
  for (std::size_t i = 0; i < scores.size(); ++i) {
    threads.emplace_back([&, i] {
      Detector detector(Device::open("emulated:" + std::to_string(i % 3)), few_steps());
      detector.fit(rows.view());
      scores[i] = detector.score(queries.view());
    });
  }
  for (std::thread& thread : threads) thread.join();
  for (const std::vector<float>& found : scores) EXPECT_TRUE(same_bits(found, scores[0]));
}

struct Add {
  float* value;
};
__global__ void add_one(Add p) { *p.value += 1.0f; }

/// Attributes of a kernel are set per device.
TEST_F(Devices, KernelsAreLoadedAndSetUpOnEach) {
  use("forward,immediate,devices=2");
  for (const int device : {0, 1}) {
    ASSERT_EQ(cudaSetDevice(device), cudaSuccess);
    const emulator_test::OnDevice<float> value(std::vector<float>{1.0f});
    const device::LaunchShape shape = {.grid = {1}, .block = {1}, .shared_bytes = 100 * 1024};
    EXPECT_NO_THROW(device::launch(nullptr, "add", shape, &add_one, Add{value.data()}));
    EXPECT_EQ(value.values()[0], 2.0f);
  }
  EXPECT_EQ(cudaSetDevice(0), cudaSuccess);
}

TEST_F(Devices, AreRefusedInWordsWhereTheyCannotServe) {
  use("without=kernel_image,chip=sm_86");
  expect_error(ErrorCode::unsupported, {"'emulated'", "no machine code", "8.6", "-DCUGAD_CUDA_ARCHITECTURES=86"},
               [] { Device::open("emulated"); });
  use("without=memory_pools");
  expect_error(ErrorCode::unsupported, {"'emulated:0'", "memory pools"}, [] { Device::open("emulated:0"); });
}

/// The device's default pool is the process's; closing the device releases the memory of this library's pool.
TEST_F(Devices, MemoryGoesBackWhenTheyAreClosed) {
  const std::size_t before = free_memory();
  cudaMemPool_t pool = nullptr;
  ASSERT_EQ(cudaDeviceGetDefaultMemPool(&pool, 0), cudaSuccess);
  {
    Detector detector = fitted(few_steps(), normal_rows(60, 1));
    detector.score(mixed_rows(30, 2).view());
    std::uint64_t threshold = 1;
    ASSERT_EQ(cudaMemPoolGetAttribute(pool, cudaMemPoolAttrReleaseThreshold, &threshold), cudaSuccess);
    EXPECT_EQ(threshold, 0u) << "the default pool's settings are left alone";
    EXPECT_LT(free_memory(), before);
  }
  EXPECT_EQ(free_memory(), before);
}

/// Arenas, tensors that were given out, models, whole fits: nothing stalls the device.
TEST_F(Devices, NeverWaitForAllTheirWork) {
  const TemporaryDirectory directory;
  const Matrix rows = mixed_rows(30, 2);
  const Device device = test_device();
  emulator::clear_calls();
  fitted(few_steps(), normal_rows(60, 1)).save(directory.file("model"));
  cugad_device* handle = nullptr;
  cugad_detector* detector = nullptr;
  ASSERT_EQ(cugad_device_open("emulated", &handle), CUGAD_OK);
  ASSERT_EQ(cugad_detector_load(handle, directory.file("model").c_str(), &detector), CUGAD_OK);
  Context context = device.make_context();
  {
    const ResidentRows resident(context, rows.view());
    std::int64_t shape[2] = {30, 6};
    DLManagedTensor x = {}, *scores = nullptr;
    x.dl_tensor = {const_cast<float*>(resident.view().data), {kDLCUDA, 0}, 2, {kDLFloat, 32, 1}, shape, nullptr, 0};
    ASSERT_EQ(cugad_detector_score_to_dlpack(detector, &x, &scores), CUGAD_OK) << cugad_last_error();
    scores->deleter(scores);
  }
  cugad_detector_destroy(detector);
  cugad_device_close(handle);
  for (const char* call : {"cudaDeviceSynchronize", "cudaMalloc", "cudaFree", "cudaMemcpy", "cudaMemset"}) {
    EXPECT_EQ(emulator::calls()[call], 0u) << call;
  }
  EXPECT_EQ(emulator::report(), "");
}

/// Where the device reads the host's pages itself, a copy may run as late as all other work.
TEST_F(Devices, CopiesOfTheHostAreOverOnReturnOnCoherentMachines) {
  use("forward,deferred,coherent");
  Context context = test_device().make_context();
  Backend& backend = context.backend();
  Arena arena(backend);
  float* const place = arena.take<float>("one", 2);
  float value = 3.0f, found[2] = {};
  backend.copy(place, &value, sizeof value, context.stream());
  value = -1.0f;
  backend.copy_rows(found, sizeof(float), place, sizeof(float), sizeof(float), 2, context.stream());
  EXPECT_EQ(found[0], 3.0f);
}

/// Recorded steps take their number and their rate from the host.
TEST_F(Devices, CoherentMachinesTrainTheSameBits) {
  const Matrix rows = normal_rows(60, 1), queries = mixed_rows(30, 2);
  DetectorOptions options = few_steps();
  options.steps = 120;
  const std::vector<float> expected = fitted(options, rows).score(queries.view());
  use("forward,deferred,coherent");
  EXPECT_TRUE(same_bits(fitted(options, rows).score(queries.view()), expected));
}

}  // namespace
}  // namespace cugad::test
