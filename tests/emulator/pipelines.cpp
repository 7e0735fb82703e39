#include <gtest/gtest.h>

#include <map>

#include "cugad/cugad.h"
#include "host/backend/transfer.hpp"
#include "tests/common/temporary_directory.hpp"
#include "tests/emulator/fixture.hpp"
#include "tests/methods/clusters.hpp"
#include "tests/training/small_training.hpp"

/// A program that keeps a device busy: scores that are submitted and fetched later, memory of its own allocator, a
/// bound on memory.
namespace cugad::test {
namespace {

DetectorOptions few_steps() {
  DetectorOptions options = quick_options();
  options.steps = 12;
  return options;
}

/// So many models that few rows make a chunk.
DetectorOptions small_chunks() {
  DetectorOptions options = quick_options();
  options.method = Method::gan;
  options.population = 1024;
  options.steps = 0;
  options.hidden = options.discriminator_hidden = {2};
  options.coverage_rows = 4;
  return options;
}

/// Page-locked host memory of some numbers.
class Pinned {
 public:
  explicit Pinned(std::int64_t count) : count_(static_cast<std::size_t>(count)) {
    cudaHostAlloc(&data_, count_ * sizeof(float), cudaHostAllocPortable);
    std::fill_n(data_, count_, -1.0f);
  }
  ~Pinned() { cudaFreeHost(data_); }
  Pinned(const Pinned&) = delete;
  Pinned& operator=(const Pinned&) = delete;
  float* data() const { return data_; }
  std::vector<float> values() const { return {data_, data_ + count_}; }

 private:
  float* data_ = nullptr;
  std::size_t count_;
};

class Submit : public emulator_test::Emulated {
 protected:
  void SetUp() override {
    Emulated::SetUp();
    ASSERT_EQ(cudaEventCreateWithFlags(&event_, cudaEventDisableTiming), cudaSuccess);
  }
  void TearDown() override {
    cudaEventDestroy(event_);
    Emulated::TearDown();
  }
  cudaEvent_t event_ = nullptr;
};

TEST_F(Submit, ReturnsBeforeTheScoresAreThere) {
  Detector detector = fitted(few_steps(), normal_rows(60, 1));
  const Matrix rows = mixed_rows(30, 2);
  const std::vector<float> expected = detector.score(rows.view());
  const Pinned scores(30);
  emulator::clear_calls();
  {
    Matrix given = rows;
    detector.submit(given.view(), {scores.data(), 30}, event_);
    std::fill(given.data.begin(), given.data.end(), 0.0f);  // copied before the call returned
  }
  auto calls = emulator::calls();
  EXPECT_EQ(calls["cudaStreamSynchronize"] + calls["kernel"], 0u);
  EXPECT_EQ(scores.values(), std::vector<float>(30, -1.0f));
  EXPECT_EQ(cudaEventQuery(event_), cudaErrorNotReady);
  EXPECT_EQ(cudaEventSynchronize(event_), cudaSuccess);
  EXPECT_TRUE(same_bits(scores.values(), expected));
}

/// From pinned rows, many chunks go one behind the other without a wait; from other rows a call waits where a third
/// chunk needs the place of the first.
TEST_F(Submit, TakesAnyNumberOfRows) {
  constexpr std::int64_t count = 260;
  Detector detector = fitted(small_chunks(), normal_rows(20, 1));
  const Matrix rows = mixed_rows(count, 2);
  const std::vector<float> expected = detector.score(rows.view());
  const Pinned pinned(count * 6), scores(count), others(count);
  std::copy_n(rows.view().data, count * 6, pinned.data());
  emulator::clear_calls();
  detector.submit({pinned.data(), count, 6}, {scores.data(), count});
  auto calls = emulator::calls();
  EXPECT_EQ(calls["cudaStreamSynchronize"] + calls["cudaEventSynchronize"] + calls["kernel"], 0u);
  // Rows of a later call do not take the place of those that an earlier one has yet to read.
  for (std::int64_t first = 0; first < count; first += 52) {
    detector.submit({rows.view().row(first), 52, 6}, {others.data() + first, 52}, event_);
  }
  EXPECT_EQ(cudaEventSynchronize(event_), cudaSuccess);
  EXPECT_TRUE(same_bits(scores.values(), expected));
  EXPECT_TRUE(same_bits(others.values(), expected));
}

TEST_F(Submit, GoesOnTheCallersStreamInC) {
  const TemporaryDirectory directory;
  fitted(few_steps(), normal_rows(60, 1)).save(directory.file("model"));
  cugad_device* device = nullptr;
  cugad_detector* detector = nullptr;
  ASSERT_EQ(cugad_device_open("emulated", &device), CUGAD_OK);
  ASSERT_EQ(cugad_detector_load(device, directory.file("model").c_str(), &detector), CUGAD_OK);
  const Matrix rows = mixed_rows(30, 2);
  std::vector<float> expected(30);
  ASSERT_EQ(cugad_detector_score(detector, rows.view().data, 30, 6, 6, expected.data()), CUGAD_OK);
  cudaStream_t stream = nullptr;
  ASSERT_EQ(cudaStreamCreateWithFlags(&stream, cudaStreamNonBlocking), cudaSuccess);
  ASSERT_EQ(cugad_detector_use_stream(detector, stream), CUGAD_OK);
  const Pinned scores(30);
  ASSERT_EQ(cugad_detector_submit(detector, rows.view().data, 30, 6, 6, scores.data(), event_), CUGAD_OK);
  EXPECT_EQ(scores.values(), std::vector<float>(30, -1.0f));
  EXPECT_EQ(cudaStreamSynchronize(stream), cudaSuccess) << "the caller's";
  EXPECT_TRUE(same_bits(scores.values(), expected));
  EXPECT_EQ(cudaEventQuery(event_), cudaSuccess);
  const emulator_test::OnDevice<float> on_device(std::vector<float>(30));
  ASSERT_EQ(cugad_detector_submit(detector, rows.view().data, 30, 6, 6, on_device.data(), nullptr), CUGAD_OK);
  ASSERT_EQ(cugad_detector_synchronize(detector), CUGAD_OK);
  EXPECT_TRUE(same_bits(on_device.values(), expected));
  EXPECT_EQ(cugad_detector_submit(detector, rows.view().data, 30, 6, 6, expected.data(), event_),
            CUGAD_ERROR_INVALID_ARGUMENT);
  EXPECT_NE(std::string(cugad_last_error()).find("scores is host memory that is not pinned, expected pinned"),
            std::string::npos)
      << cugad_last_error();
  cugad_detector_destroy(detector);
  cugad_device_close(device);
  cudaStreamDestroy(stream);
}

TEST_F(Submit, IsAScoreOnTheCpu) {
  Detector detector(Device::open("cpu", 1), few_steps());
  detector.fit(normal_rows(60, 1).view());
  const Matrix rows = mixed_rows(30, 2);
  std::vector<float> scores(30);
  detector.submit(rows.view(), scores);
  EXPECT_TRUE(same_bits(scores, detector.score(rows.view())));
  expect_error(ErrorCode::invalid_argument, {"submit: event is not null"},
               [&] { detector.submit(rows.view(), scores, event_); });
}

/// As a program's caching allocator, which keeps the books.
struct Allocator {
  static void* allocate(std::size_t bytes, void* stream, void* user) {
    auto& self = *static_cast<Allocator*>(user);
    const std::lock_guard lock(self.mutex);
    void* memory = nullptr;
    if (self.most > 0 && self.held + bytes > self.most) return nullptr;
    if (cudaMallocAsync(&memory, bytes, static_cast<cudaStream_t>(stream)) != cudaSuccess) return nullptr;
    self.sizes[memory] = bytes;
    self.held += bytes;
    ++self.calls;
    return memory;
  }
  static void free(void* memory, std::size_t bytes, void* stream, void* user) {
    auto& self = *static_cast<Allocator*>(user);
    const std::lock_guard lock(self.mutex);
    self.wrong += self.sizes[memory] != bytes ? 1 : 0;
    self.sizes.erase(memory);
    self.held -= bytes;
    cudaFreeAsync(memory, static_cast<cudaStream_t>(stream));
  }
  std::mutex mutex;
  std::map<void*, std::size_t> sizes;
  std::size_t held = 0, most = 0;
  int calls = 0, wrong = 0;
};

class DeviceMemoryOfTheCaller : public emulator_test::Emulated {};

TEST_F(DeviceMemoryOfTheCaller, AllComesFromItsAllocator) {
  const Matrix rows = normal_rows(60, 1), queries = mixed_rows(30, 2);
  const std::vector<float> expected = fitted(few_steps(), rows).score(queries.view());
  Allocator allocator;
  {
    const Device device = test_device();
    const auto before = device.make_context();
    void* const from_the_pool = device.backend().allocate(64);
    device.use_allocator({Allocator::allocate, Allocator::free, &allocator});
    emulator::clear_calls();
    Detector detector(device, few_steps());
    detector.fit(rows.view());
    EXPECT_TRUE(same_bits(detector.score(queries.view()), expected));
    EXPECT_EQ(emulator::calls()["cudaMallocFromPoolAsync"], 0u);
    EXPECT_GT(allocator.calls, 10);
    EXPECT_EQ(allocator.held + 64, device.memory().bytes);
    device.use_allocator({});
    device.backend().release(from_the_pool);  // each goes back to where it came from
  }
  EXPECT_EQ(allocator.held, 0u);
  EXPECT_EQ(allocator.wrong, 0);
}

TEST_F(DeviceMemoryOfTheCaller, MayEnd) {
  Allocator allocator;
  allocator.most = 40000;
  const Device device = test_device();
  device.use_allocator({Allocator::allocate, Allocator::free, &allocator});
  expect_error(ErrorCode::out_of_memory, {"emulated:0", "bytes requested of the caller's allocator"}, [&] {
    Detector detector(device, few_steps());
    detector.fit(normal_rows(60, 1).view());
  });
  EXPECT_EQ(allocator.held, 0u);
  EXPECT_EQ(device.memory().bytes, 0u);
  expect_error(ErrorCode::invalid_argument, {"no function to free"}, [&] {
    device.use_allocator({Allocator::allocate, nullptr, nullptr});
  });
  expect_error(ErrorCode::unsupported, {"cpu", "allocator"}, [&] {
    Device::open("cpu").use_allocator({Allocator::allocate, Allocator::free, nullptr});
  });
}

TEST_F(DeviceMemoryOfTheCaller, IsHookedUpInC) {
  Allocator allocator;
  cugad_device* device = nullptr;
  ASSERT_EQ(cugad_device_open("emulated", &device), CUGAD_OK);
  ASSERT_EQ(cugad_device_use_allocator(device, Allocator::allocate, Allocator::free, &allocator), CUGAD_OK);
  cugad_detector* detector = nullptr;
  ASSERT_EQ(
      cugad_detector_create(
          device, R"({"method": "anogan", "steps": 2, "population": 1, "hidden": [4], "bank_rows": 8})", &detector),
      CUGAD_OK);
  ASSERT_EQ(cugad_detector_fit(detector, normal_rows(60, 1).view().data, 60, 6, 6), CUGAD_OK) << cugad_last_error();
  std::int64_t held = 0;
  ASSERT_EQ(cugad_device_memory(device, &held, nullptr), CUGAD_OK);
  EXPECT_EQ(static_cast<std::size_t>(held), allocator.held);
  EXPECT_GT(held, 0);
  cugad_detector_destroy(detector);
  EXPECT_EQ(cugad_device_limit_memory(device, -1), CUGAD_ERROR_INVALID_ARGUMENT);
  EXPECT_EQ(cugad_device_limit_memory(device, 1000), CUGAD_OK);
  ASSERT_EQ(cugad_detector_create(device, R"({"steps": 2})", &detector), CUGAD_OK);
  EXPECT_EQ(cugad_detector_fit(detector, normal_rows(60, 1).view().data, 60, 6, 6), CUGAD_ERROR_OUT_OF_MEMORY);
  EXPECT_NE(std::string(cugad_last_error()).find("within max_device_bytes) has (0.0 MiB)"), std::string::npos)
      << cugad_last_error();
  cugad_detector_destroy(detector);
  cugad_device_close(device);
  EXPECT_EQ(allocator.held, 0u);
}

/// A population whose activations do not fit under the bound goes in groups, to the same bits.
TEST_F(DeviceMemoryOfTheCaller, StaysBelowItsBound) {
  const Matrix rows = training_rows(4000, 12);
  DetectorOptions options = small_options();
  options.population = 6;
  options.steps = options.decay_steps = 20;
  std::vector<std::vector<float>> expected;
  for (const std::size_t most : {std::size_t{0}, std::size_t{600000}}) {
    const Device device = test_device();
    device.limit_memory(most);
    const auto training = make_training(options, rows, device);
    training->run({});
    EXPECT_LE(training->models_together(), most == 0 ? 6 : 3);
    for (int m = 0; m < 6; ++m) {
      const std::vector<float> state = state_of(*training, m);
      if (most == 0) expected.push_back(state);
      EXPECT_TRUE(same_bits(state, expected[static_cast<std::size_t>(m)])) << m;
    }
    EXPECT_LE(device.memory().peak_bytes, most == 0 ? ~std::size_t{0} : most);
  }
}

/// Memory that others allocate and free meanwhile is not counted for a model.
TEST_F(DeviceMemoryOfTheCaller, OfOtherThreadsIsNotAModels) {
  struct Busy {
    static void* allocate(std::size_t bytes, void* stream, void* user) {
      auto& self = *static_cast<Busy*>(user);
      void* memory = nullptr;
      cudaMallocAsync(&memory, bytes, static_cast<cudaStream_t>(stream));
      if (self.is_nested) return memory;
      self.is_nested = true;  // simulates a thread that allocates memory at this moment
      self.taken.push_back(self.backend->allocate(2 << 20));
      self.is_nested = false;
      return memory;
    }
    static void free(void* memory, std::size_t, void* stream, void*) {
      cudaFreeAsync(memory, static_cast<cudaStream_t>(stream));
    }
    Backend* backend = nullptr;
    bool is_nested = false;
    std::vector<void*> taken;
  } busy;
  DetectorOptions options = small_options();
  options.population = 16;
  options.steps = options.decay_steps = 1;
  use("forward,deferred,memory=300000000");
  const Device device = test_device();
  busy.backend = &device.backend();
  device.use_allocator({Busy::allocate, Busy::free, &busy});
  const auto training = make_training(options, training_rows(), device);
  EXPECT_EQ(training->models_together(), 16);
  EXPECT_GT(busy.taken.size(), 20u);
  for (void* memory : busy.taken) device.backend().release(memory);
}

}  // namespace
}  // namespace cugad::test
