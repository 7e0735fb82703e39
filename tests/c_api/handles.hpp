#pragma once

#include <gtest/gtest.h>

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "cugad/cugad.h"
#include "cugad/table.hpp"
#include "tests/common/device.hpp"
#include "tests/common/random_words.hpp"

/// Handles of the C interface that release themselves, small detectors, and rows for them.
namespace cugad::test {

struct Release {
  void operator()(cugad_device* device) const { cugad_device_close(device); }
  void operator()(cugad_detector* detector) const { cugad_detector_destroy(detector); }
};
using DeviceHandle = std::unique_ptr<cugad_device, Release>;
using DetectorHandle = std::unique_ptr<cugad_detector, Release>;

#define EXPECT_OK(call) EXPECT_EQ(call, CUGAD_OK) << cugad_last_error()
#define ASSERT_OK(call) ASSERT_EQ(call, CUGAD_OK) << cugad_last_error()

inline DeviceHandle open_device() {
  cugad_device* device = nullptr;
  EXPECT_OK(cugad_device_open_with_threads(device_name().c_str(), 1, &device));
  return DeviceHandle(device);
}

inline DetectorHandle create(cugad_device* device, const std::string& config) {
  cugad_detector* detector = nullptr;
  EXPECT_OK(cugad_detector_create(device, config.c_str(), &detector));
  return DetectorHandle(detector);
}

inline DetectorHandle share(cugad_detector* detector) {
  cugad_detector* other = nullptr;
  EXPECT_OK(cugad_detector_share(detector, &other));
  return DetectorHandle(other);
}

/// A detector that is fitted in moments; `more` are further options: `, "steps": 200`.
inline std::string small_config(const std::string& method, const std::string& more = "") {
  return R"({"method": ")" + method + R"(", "population": 2, "batch": 16, "hidden": [8], "discriminator_hidden": [8],
    "encoder_hidden": [8], "data_branch": [8], "latent_branch": [8], "cycle_hidden": [8], "latent_cycle_hidden": [4],
    "bank_rows": 64, "coverage_rows": 16, "seed": 3)" +
         (more.find("\"steps\"") == std::string::npos ? R"(, "steps": 20)" : "") + more + "}";
}

inline Matrix random_rows(std::int64_t rows, std::int64_t columns, std::uint64_t seed) {
  RandomNumbers numbers(seed);
  Matrix matrix(rows, columns);
  for (float& cell : matrix.data) cell = static_cast<float>(numbers.normal());
  return matrix;
}

inline void fit(cugad_detector* detector, const Matrix& rows) {
  ASSERT_OK(cugad_detector_fit(detector, rows.data.data(), rows.rows, rows.columns, rows.columns));
}

inline std::vector<float> score(cugad_detector* detector, const Matrix& rows) {
  std::vector<float> scores(static_cast<std::size_t>(rows.rows));
  EXPECT_OK(cugad_detector_score(detector, rows.data.data(), rows.rows, rows.columns, rows.columns, scores.data()));
  return scores;
}

}  // namespace cugad::test
