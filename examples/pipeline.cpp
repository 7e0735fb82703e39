// Scoring in the middle of a GPU pipeline: rows and scores stay on the device, all work is on the caller's stream, and
// the host waits once, at the end.
//
//   pipeline [DEVICE]          cpu, cuda, cuda:1; the default is the first that this program was compiled for
//
// The contract of a stream, in two sentences: the detector's work runs after work issued on the stream before the call.
// Work issued on it later sees the scores.
//
// With the CUDA toolkit (compiled with -DEXAMPLE_CUDA) memory and streams are the CUDA runtime's. Without it the same
// pipeline runs on the CPU: the stream is null and every call returns when its work is done.

#include <cstdio>
#include <cstring>
#include <cugad/cugad.hpp>
#include <memory>
#include <random>
#include <stdexcept>
#include <vector>

#if defined(EXAMPLE_CUDA)
#include <cuda_runtime.h>
#endif

namespace {

// The pipeline's own memory, stream and copies.
#if defined(EXAMPLE_CUDA)
constexpr const char* default_device = "cuda";
void check(cudaError_t status) {
  if (status != cudaSuccess) throw std::runtime_error(cudaGetErrorString(status));
}
float* allocate(std::size_t count) {
  void* memory = nullptr;
  check(cudaMalloc(&memory, count * sizeof(float)));
  return static_cast<float*>(memory);
}
void release(float* memory) { cudaFree(memory); }
void copy(float* to, const float* from, std::size_t count, void* stream) {
  check(cudaMemcpyAsync(to, from, count * sizeof(float), cudaMemcpyDefault, static_cast<cudaStream_t>(stream)));
}
void* make_stream() {
  cudaStream_t stream = nullptr;
  check(cudaStreamCreateWithFlags(&stream, cudaStreamNonBlocking));
  return stream;
}
void wait_for(void* stream) { check(cudaStreamSynchronize(static_cast<cudaStream_t>(stream))); }
void destroy(void* stream) { cudaStreamDestroy(static_cast<cudaStream_t>(stream)); }
#else
constexpr const char* default_device = "cpu";
float* allocate(std::size_t count) { return new float[count]; }
void release(float* memory) { delete[] memory; }
void copy(float* to, const float* from, std::size_t count, void*) { std::memcpy(to, from, count * sizeof(float)); }
void* make_stream() { return nullptr; }
void wait_for(void*) {}
void destroy(void*) {}
#endif

constexpr std::int64_t columns = 4, batch_rows = 128, batches = 4;
using DeviceMemory = std::unique_ptr<float, decltype(&release)>;

std::vector<float> rows_of(std::int64_t rows, unsigned seed) {
  std::mt19937 random(seed);
  std::normal_distribution<float> normal;
  std::vector<float> values(static_cast<std::size_t>(rows * columns));
  for (float& value : values) value = normal(random);
  return values;
}

int run(const char* device_name) {
  const cugad::Device device = cugad::Device::open(device_name);
  cugad::Detector detector(device, {.population = 1, .seed = 5, .steps = 100, .batch = 32});
  const std::vector<float> train = rows_of(300, 1);
  detector.fit({train.data(), 300, columns});

  void* stream = make_stream();
  detector.use_stream(stream);
  const std::int64_t total = batches * batch_rows;
  const std::vector<float> incoming = rows_of(total, 2);
  std::vector<float> scores(static_cast<std::size_t>(total));
  const DeviceMemory x(allocate(batch_rows * columns), release), score(allocate(batch_rows), release);
  for (std::int64_t first = 0; first < total; first += batch_rows) {
    // A real pipeline has kernels here that write x on the stream. One buffer serves all batches: the stream keeps the
    // order, so the next batch is not copied before this one is scored.
    copy(x.get(), incoming.data() + first * columns, batch_rows * columns, stream);
    detector.score({x.get(), batch_rows, columns}, {score.get(), batch_rows});
    // And kernels here that read the scores on the stream.
    copy(scores.data() + first, score.get(), batch_rows, stream);
  }
  wait_for(stream);
  detector.use_stream(nullptr);  // the detector's own again, before this one goes
  destroy(stream);

  // Rows on the host, all at once, give the same bits: neither batch nor place in memory matters.
  const bool same = detector.score({incoming.data(), total, columns}) == scores;
  std::printf("%s: %lld rows in %lld batches, %s as from the host\n", device.name().c_str(),
              static_cast<long long>(total), static_cast<long long>(batches), same ? "same scores" : "OTHER SCORES");
  return same ? 0 : 1;
}

}  // namespace

int main(int count, char** arguments) {
  try {
    return run(count > 1 ? arguments[1] : default_device);
  } catch (const std::exception& error) {  // cugad::Error is one
    std::fprintf(stderr, "pipeline: %s\n", error.what());
    return 1;
  }
}
