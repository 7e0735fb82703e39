#include <memory>

#include "bench/networks.hpp"
#include "cugad/cugad.h"

/// What a call through the C interface costs over the same call in C++: a question, and the score of one row.
namespace cugad::bench {
namespace {

constexpr std::int64_t columns = 32, fitted_rows = 2000;
/// One model of an encoder method with the default networks, untrained: their values do not change the cost of a call.
constexpr const char* config = R"({"method": "bigan", "population": 1, "steps": 0})";

struct Both {
  std::vector<float> rows = uniform_rows(fitted_rows, columns);
  std::unique_ptr<Detector> detector;
  cugad_device* device = nullptr;
  cugad_detector* handle = nullptr;

  explicit Both(bool by_c) {
    if (by_c) {
      if (cugad_device_open_with_threads(chosen_device().c_str(), 1, &device) == CUGAD_OK &&
          cugad_detector_create(device, config, &handle) == CUGAD_OK) {
        cugad_detector_fit(handle, rows.data(), fitted_rows, columns, columns);
      }
    } else {
      detector = std::make_unique<Detector>(Device::open(chosen_device(), 1), options_from_json(config));
      detector->fit({rows.data(), fitted_rows, columns});
    }
  }
  ~Both() {
    cugad_detector_destroy(handle);
    cugad_device_close(device);
  }
  Both(const Both&) = delete;
  Both& operator=(const Both&) = delete;
};

void threshold(benchmark::State& state, bool by_c) {
  Both both(by_c);
  float threshold = 0;
  for (auto _ : state) {
    if (by_c) {
      if (cugad_detector_threshold(both.handle, &threshold) != CUGAD_OK) state.SkipWithError(cugad_last_error());
    } else {
      threshold = both.detector->threshold();
    }
    benchmark::DoNotOptimize(threshold);
  }
}

void count_columns(benchmark::State& state, bool by_c) {
  Both both(by_c);
  std::int64_t found = 0;
  for (auto _ : state) {
    if (by_c) {
      if (cugad_detector_columns(both.handle, &found) != CUGAD_OK) state.SkipWithError(cugad_last_error());
    } else {
      found = both.detector->columns();
    }
    benchmark::DoNotOptimize(found);
  }
}

void score_one_row(benchmark::State& state, bool by_c) {
  Both both(by_c);
  float score = 0;
  for (auto _ : state) {
    if (by_c) {
      if (cugad_detector_score(both.handle, both.rows.data(), 1, columns, columns, &score) != CUGAD_OK) {
        state.SkipWithError(cugad_last_error());
      }
    } else {
      both.detector->score({both.rows.data(), 1, columns}, {&score, 1});
    }
    benchmark::DoNotOptimize(score);
  }
}

}  // namespace

void add_c_api() {
  for (const bool by_c : {false, true}) {
    const std::string language = by_c ? "/c" : "/c++";
    add("call_threshold" + language, threshold, by_c);
    add("call_columns" + language, count_columns, by_c);
    add("call_score_one_row" + language, score_one_row, by_c);
  }
}

}  // namespace cugad::bench
