#pragma once

#include <functional>
#include <list>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "cugad/fleet.hpp"
#include "cugad/table.hpp"
#include "host/methods/detector_impl.hpp"
#include "host/methods/model_stack.hpp"

namespace cugad {

/// What a fleet holds: its models as they stand in the file, and some of them ready to score.
struct __attribute__((visibility("hidden"))) Fleet::Impl {
  static constexpr std::int64_t pooled_model = -1;  ///< its number; the others count from 0
  /// Rows that a group's model scores at a time: working memory for more would cost more than it saves.
  static constexpr std::int64_t chunk_rows = 512;

  Impl(const Device& device_, DetectorOptions options_, FleetOptions fleet_options_)
      : device(device_), options(std::move(options_)), fleet_options(fleet_options_) {}

  // fleet_fit.cpp
  class Fit;

  // fleet.cpp: scoring
  /// Which model scores a group.
  std::int64_t model_of(const std::string& group) const;
  /// Ready to score; only the last one asked for is sure to be there.
  Detector& ready(std::int64_t model);
  /// A new one from the file's contents.
  Detector make(std::int64_t model, std::int64_t chunk_limit = 0) const;
  /// Calls `visit` with each model and the numbers of its rows.
  void for_each_model(std::span<const std::string> of_rows,
                      const std::function<void(std::int64_t model, std::span<const std::int64_t> rows)>& visit) const;
  using Convert = std::function<std::vector<float>(const Detector::Impl&, std::span<const float>)>;
  /// Converts scores by the settings of the model of each.
  std::vector<float> by_calibration(std::span<const float> scores, std::span<const std::string> of_rows,
                                    const Convert& convert) const;
  void count(std::span<const std::string> of_rows);
  void check_scored(const char* what, std::int64_t rows, std::span<const std::string> of_rows) const;
  void require_fitted() const;

  // fleet_file.cpp
  safetensors::File to_file() const;
  void from_file(safetensors::File file, const std::string& path);
  /// Reads the settings of all models, checks them, and keeps what scoring needs: thresholds, the groups' models.
  void read_settings(const std::string& path);

  Device device;
  DetectorOptions options;
  FleetOptions fleet_options;
  std::vector<FleetGroup> groups;
  std::map<std::string, std::int64_t, std::less<>> group_number;  ///< in `groups`
  std::vector<std::int64_t> model_number;                         ///< of each group
  std::unique_ptr<ModelStack> stack;                              ///< null until fitted
  safetensors::File pooled;
  std::string path = "fleet";  ///< for messages
  DetectorOptions resolved;
  std::vector<std::string> names;
  std::map<std::string, std::string> attachments;
  float pooled_threshold = 0.0f;
  FleetScored scored;

  struct Ready {
    std::int64_t model;
    Detector detector;
    std::size_t bytes;
  };
  std::list<Ready> ready_models;  ///< the last used first
  std::map<std::int64_t, std::list<Ready>::iterator> ready_index;
};

}  // namespace cugad
