#pragma once

#include <map>
#include <memory>
#include <mutex>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "host/backend/on_devices.hpp"
#include "host/detector/fitting.hpp"
#include "host/fleet/checkpoint.hpp"
#include "host/fleet/fleet_rows.hpp"
#include "host/fleet/impl.hpp"

namespace cugad {

/// The groups that get models, each with its seed.
struct GroupsToFit {
  std::vector<std::string> names;
  std::vector<std::uint64_t> seeds;
};

/// One fit: the pooled model if it is asked for, and block after block, each on one of the devices.
class Fleet::Impl::Fit {
 public:
  Fit(Fleet::Impl& fleet, const FitControl& control, FleetRows rows, GroupsToFit own, bool has_pooled);
  struct Fitted {
    safetensors::File pooled;
    std::unique_ptr<ModelStack> groups;
  };
  Fitted run();

 private:
  /// Groups [first, first + count) of those with models.
  struct Block {
    std::int64_t first = 0, count = 0;
  };
  DetectorOptions options_of(std::int64_t group) const {
    DetectorOptions options = options_;
    options.seed = own_.seeds[static_cast<std::size_t>(group)];
    return options;
  }
  std::span<const std::int64_t> rows_of(std::int64_t group) const {
    return rows_.of_group.at(own_.names[static_cast<std::size_t>(group)]);
  }
  std::int64_t groups() const { return static_cast<std::int64_t>(own_.names.size()); }
  std::span<const std::uint64_t> seeds_of(Block block) const {
    return std::span(own_.seeds).subspan(static_cast<std::size_t>(block.first), static_cast<std::size_t>(block.count));
  }
  safetensors::File fit_pooled(const Device& device);
  std::int64_t models_of_block() const;
  std::vector<Block> blocks() const;
  std::string name_of_block(Block block, std::int64_t number) const;
  ModelStack fit_block(const Device& device, Block block, const FitControl& control);
  std::vector<PreparedRows> prepare(const Device& device, Block block);
  FitControl control_of(const std::string& part, std::int64_t models);
  void done(const std::string& part, std::int64_t models);
  void report(const std::string& text) const {
    if (control_.on_message) control_.on_message(text);
  }
  void report_counts(std::int64_t models) const;

  DetectorOptions options_;
  FleetOptions fleet_options_;
  const FitControl& control_;
  FleetRows rows_;
  GroupsToFit own_;
  std::int64_t detectors_;  ///< those of the groups, and the pooled one
  Parts parts_;
  std::int64_t steps_ = 0;  ///< of one model
  OnDevices devices_;
  std::mutex mutex_;                              ///< of what follows, and of the caller's functions
  std::map<std::string, std::int64_t> of_parts_;  ///< steps of all models so far
  std::int64_t restored_ = 0;                     ///< models that diverged on the way
  std::int64_t trimmed_ = 0;                      ///< training rows of groups that option trim leaves out
  std::int64_t unpromised_ = 0;                   ///< groups with too few rows for the requested threshold
};

}  // namespace cugad
