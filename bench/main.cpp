#include <cstdio>
#include <cstring>
#include <exception>

#include "bench/device.hpp"

/// cugad_bench [--device NAME] [options of Google Benchmark]
int main(int count, char** arguments) {
  using namespace cugad;
  int kept = 1;
  for (int i = 1; i < count; ++i) {
    if (std::strcmp(arguments[i], "--device") == 0 && i + 1 < count) {
      bench::chosen_device() = arguments[++i];
    } else {
      arguments[kept++] = arguments[i];
    }
  }
  count = kept;
  benchmark::Initialize(&count, arguments);
  if (benchmark::ReportUnrecognizedArguments(count, arguments)) return 1;
  try {
    const Device device = Device::open(bench::chosen_device(), 1);
    benchmark::AddCustomContext("device", device.name());
    benchmark::AddCustomContext("description", device.description());
    bench::add_peaks();
    bench::add_ceilings();
    bench::add_dense();
    bench::add_convolution();
    bench::add_image_ops();
    bench::add_images();
    bench::add_element_wise();
    bench::add_rows();
    bench::add_masks();
    bench::add_score_ops();
    bench::add_normalisation();
    bench::add_training();
    bench::add_latent_search();
    bench::add_scoring();
    bench::add_methods();
    bench::add_c_api();
#ifdef CUGAD_BENCH_LIBRARY
    if (bench::on_gpu()) bench::add_library();
#endif
    benchmark::RunSpecifiedBenchmarks();
  } catch (const std::exception& error) {
    std::fprintf(stderr, "cugad_bench: %s\n", error.what());
    return 1;
  }
  benchmark::Shutdown();
  return 0;
}
