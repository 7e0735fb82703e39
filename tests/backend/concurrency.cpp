#include <gtest/gtest.h>

#include <functional>
#include <thread>

#include "host/backend/transfer.hpp"
#include "tests/methods/clusters.hpp"

/// Fits, scoring and captures of the caller's on one device at once, each in its own thread.
namespace cugad::test {
namespace {

constexpr std::int64_t count = 40;

/// With small networks: every handle takes memory for a whole chunk of rows.
DetectorOptions of_method(Method method) {
  DetectorOptions options = quick_options();
  options.hidden = options.discriminator_hidden = options.encoder_hidden = options.data_branch =
      options.latent_branch = {8};
  options.method = method;
  options.steps = 24;
  return options;
}

/// Captures a call of its own handle on its own stream, and launches it on other rows.
bool captures(Detector detector, const Matrix& rows, const std::vector<float>& expected) {
  Context context = test_device().make_context();
  Backend& backend = context.backend();
  Arena arena(backend);
  const MatrixView<float> place(arena.take<float>("rows", count * 6), count, 6);
  float* const scores = arena.take<float>("scores", count);
  detector.use_stream(context.stream());
  detector.score(place, {scores, count});  // makes the buffers
  context.synchronize();
  backend.begin_recording(context.stream());
  detector.score(place, {scores, count});
  const std::unique_ptr<RecordedWork> graph = backend.end_recording(context.stream());
  copy_rows(context, rows.view(), place);
  graph->launch(context.stream());
  return same_bits(download(context, scores, count), expected);
}

TEST(Concurrency, FitsScoringAndCapturesOfEightThreads) {
  const Matrix training = normal_rows(80, 1), rows = mixed_rows(count, 2);
  const Device device = test_device();
  std::vector<Detector> models;
  std::vector<std::vector<float>> expected;
  for (const Method method : {Method::anogan, Method::bigan}) {
    models.emplace_back(device, of_method(method));
    models.back().fit(training.view());
    expected.push_back(models.back().score(rows.view()));
  }
  std::vector<Detector> of_thread;
  for (std::size_t i = 0; i < 8; ++i) of_thread.push_back(models[i % 2].share());
  std::vector<int> right(8, 0);
  std::vector<std::string> failures(8);
  std::vector<std::thread> threads;
  for (std::size_t i = 0; i < 8; ++i) {
    threads.emplace_back([&, i] {
      const std::vector<float>& wanted = expected[i % 2];
      try {
        for (int round = 0; round < 3; ++round) {
          if (i < 3) {
            Detector detector(device, of_method(i % 2 == 0 ? Method::anogan : Method::bigan));
            detector.fit(training.view());
            right[i] += same_bits(detector.score(rows.view()), wanted) ? 1 : 0;
          } else if (i < 6) {
            right[i] += same_bits(of_thread[i].score(rows.view()), wanted) ? 1 : 0;
          } else {
            right[i] += captures(of_thread[i].share(), rows, wanted) ? 1 : 0;
          }
        }
      } catch (const Error& error) {
        failures[i] = error.what();
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(failures, std::vector<std::string>(8));
  EXPECT_EQ(right, std::vector<int>(8, 3));
}

}  // namespace
}  // namespace cugad::test
