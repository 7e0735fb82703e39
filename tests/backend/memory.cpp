#include <gtest/gtest.h>

#include <atomic>
#include <cstdio>
#include <thread>

#include "cugad/error.hpp"
#include "host/backend/transfer.hpp"
#include "tests/common/temporary_directory.hpp"
#include "tests/methods/clusters.hpp"

/// Memory that is taken and given back while other threads and other streams work.
namespace cugad::test {
namespace {

/// Page-locked host memory of one number.
class Pinned {
 public:
  Pinned(Backend& backend, float value)
      : backend_(backend), data_(static_cast<float*>(backend.allocate_pinned(sizeof value))) {
    *data_ = value;
  }
  ~Pinned() { backend_.release_pinned(data_); }
  Pinned(const Pinned&) = delete;
  Pinned& operator=(const Pinned&) = delete;
  float* data() const { return data_; }

 private:
  Backend& backend_;
  float* data_;
};

TEST(HostRows, AreStagedSideBySide) {
  const std::vector<float> cells = {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11};
  const std::vector<float> close = {0, 1, 2, 3, 4, 5, -1, -1}, apart = {0, 1, 4, 5, 8, 9, -1, -1};
  for (const std::int64_t stride : {2, 4}) {
    std::vector<float> staged(8, -1.0f);
    stage_rows({cells.data(), 3, 2, stride}, staged.data());
    EXPECT_EQ(staged, stride == 2 ? close : apart);
  }
}

TEST(DeviceMemory, AReleaseDoesNotDisturbTheRecordingOfAnotherThread) {
  const Device device = test_device();
  Context context = device.make_context();
  Backend& backend = context.backend();
  void* const memory = backend.allocate(64);
  backend.begin_recording(context.stream());
  std::thread([&] { backend.release(memory); }).join();
  EXPECT_NO_THROW(backend.end_recording(context.stream()));
}

TEST(DeviceMemory, AReleaseDoesNotDisturbARecordingOfItsOwnThread) {
  const Device device = test_device();
  Context context = device.make_context();
  Backend& backend = context.backend();
  void* const memory = backend.allocate(64);
  backend.begin_recording(context.stream());
  backend.release(memory);
  EXPECT_NO_THROW(backend.end_recording(context.stream()));
}

/// Memory comes again only when the work that was issued before its release is done, on whatever stream.
TEST(DeviceMemory, IsGivenAwayBehindTheWorkOfAllContexts) {
  const Device device = test_device();
  Backend& backend = device.backend();
  const Pinned from(backend, 3.0f), to(backend, 0.0f), other_to(backend, 0.0f);
  Context context = device.make_context();
  auto* const memory = static_cast<float*>(backend.allocate(sizeof(float)));
  const auto there_and_back = [&](Context& on, float* target) {
    backend.copy(memory, from.data(), sizeof(float), on.stream());
    backend.copy(target, memory, sizeof(float), on.stream());
  };
  there_and_back(context, to.data());
  {
    Context ends = device.make_context();
    there_and_back(ends, other_to.data());
  }
  backend.release(memory);
  backend.release(backend.allocate(sizeof(float)));
  EXPECT_EQ(*to.data(), 3.0f);
  EXPECT_EQ(*other_to.data(), 3.0f);
}

/// The stream is another backend object's, as a caller's would be.
TEST(DeviceMemory, IsGivenAwayBehindWorkOnAStreamOfTheCaller) {
  const Device device = test_device(), callers = test_device();
  const TemporaryDirectory directory;
  fitted(quick_options(), normal_rows(100, 1)).save(directory.file("model"));
  Detector detector = Detector::load(device, directory.file("model"));
  const Matrix values = mixed_rows(20, 6);
  const std::vector<float> expected = detector.score(values.view());
  Context context = callers.make_context();
  const ResidentRows rows(context, values.view());
  Arena arena(context.backend());
  float* const scores = arena.take<float>("scores", values.rows);
  Backend& backend = device.backend();
  void* const memory = backend.allocate(64);
  detector.use_stream(context.stream());
  detector.score(rows.view(), {scores, 20});
  backend.release(memory);
  backend.release(backend.allocate(64));
  Context reader = callers.make_context();
  EXPECT_TRUE(same_bits(download(reader, scores, values.rows), expected));
}

TEST(DeviceMemory, SeveralFitsAtOnceAllEnd) {
  const Device device = test_device();
  DetectorOptions options = quick_options();
  options.steps = 40;
  std::atomic<int> failed = 0;
  std::vector<std::thread> threads;
  for (int i = 0; i < 4; ++i) {
    threads.emplace_back([&] {
      for (int n = 0; n < 3; ++n) {
        try {
          Detector detector(device, options);
          detector.fit(normal_rows(100, 1).view());
        } catch (const Error& error) {
          ++failed;
          std::printf("%s\n", error.what());
        }
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(failed.load(), 0);
}

}  // namespace
}  // namespace cugad::test
