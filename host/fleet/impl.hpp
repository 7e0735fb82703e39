#pragma once

#include <algorithm>
#include <atomic>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "cugad/fleet.hpp"
#include "cugad/shards.hpp"
#include "cugad/table.hpp"
#include "host/detector/impl.hpp"
#include "host/fleet/group_table.hpp"
#include "host/fleet/model_stack.hpp"
#include "host/fleet/ready_models.hpp"

namespace cugad {

/// The state of a fleet: its models as stored in the file, and some of them ready to score.
struct __attribute__((visibility("hidden"))) Fleet::Impl {
  static constexpr std::int64_t pooled_model = GroupTable::none;  ///< its number; the others count from 0
  /// Rows that a group's model scores at a time: working memory for more would cost more than it saves.
  static constexpr std::int64_t chunk_rows = 512;

  Impl(const Device& device_, DetectorOptions options_, FleetOptions fleet_options_)
      : device(device_), precision(device_.precision()), options(std::move(options_)), fleet_options(fleet_options_) {}

  // fit.cpp
  class Fit;
  /// The seed of that group, whose model has that number among all groups that are trained together.
  std::uint64_t seed_of(std::string_view group, std::int64_t model) const;
  std::uint64_t seed_of(std::int64_t model) const { return seed_of(groups.name(groups.group_of(model)), model); }
  /// As Fleet::fit, for the groups of a shard; the first shard has the pooled model, too. A fleet of one shard of
  /// several scores nothing.
  void fit(MatrixView<const float> rows, std::span<const std::string> of_rows, Columns columns,
           const FitControl& control, const Shard& shard);
  void fit_new_groups(MatrixView<const float> rows, std::span<const std::string> of_rows, Columns columns,
                      const FitControl& control);

  // shards.cpp: what shards need of detectors, into which fleets alone may look
  static TrainedModels train_models(const Device& device, const ShardedTraining& training, std::int64_t first,
                                    std::int64_t count, const FitControl& control);
  static safetensors::File file_of_models(const Device& device, const ShardedTraining& training,
                                          const TrainedModels& trained, const FitControl& control);

  // fleet.cpp: scoring
  /// Which model scores a group, given by its number among all or GroupTable::none.
  std::int64_t model_of(std::int64_t group) const { return group == GroupTable::none ? group : groups.model_of(group); }
  std::int64_t model_of(std::string_view group) const { return model_of(groups.find(group)); }
  /// The number of each row's group, or GroupTable::none.
  std::vector<std::int64_t> groups_of(std::span<const std::string> of_rows) const;
  /// A new one from the file's contents.
  Detector make(std::int64_t model) const;
  /// The same for one thread; its first score takes the memory for that.
  Detector make_ready(std::int64_t model) const;
  /// The number of models processed at a time, each on its own thread. A GPU processes one after another.
  static int models_at_a_time(const Device& device) {
    return device.backend().runs_models_together() ? 1 : std::max(1, device.threads());
  }
  /// The numbers of the rows that each model scores.
  using RowsOfModels = std::map<std::int64_t, std::vector<std::int64_t>>;
  RowsOfModels rows_of_models(std::span<const std::string> of_rows) const;
  /// Calls `visit` with each model, ready to score, and its rows: the pooled model, then those of groups, on all
  /// threads.
  void score_with_each(const RowsOfModels& rows,
                       const std::function<void(Detector& detector, std::span<const std::int64_t> rows)>& visit);
  /// Whose models are ready: one set for each thread that scores, none before the first score.
  void make_scorers();
  using Convert = std::function<std::vector<float>(const Detector::Impl&, std::span<const float>)>;
  /// Converts scores by the settings of the model of each.
  std::vector<float> by_calibration(std::span<const float> scores, std::span<const std::string> of_rows,
                                    const Convert& convert) const;
  /// All of a model but its networks.
  Detector::Impl settings_of(std::int64_t model) const;
  /// What messages call a model: the file and the group.
  std::string path_of(std::int64_t model) const;
  /// Error{format} if a model of the file has none.
  float threshold_of(std::int64_t model) const;
  float checked_threshold(std::int64_t model, double stored) const;
  /// As Fleet::groups.
  const std::vector<FleetGroup>& list_groups() const;
  /// Fills a detector with a model of the stack; without networks all else.
  void read_model(std::int64_t model, Detector::Impl& to, bool with_networks) const;
  using ScorePart = std::function<std::vector<float>(Detector& detector, MatrixView<const float> rows,
                                                     std::span<const std::int64_t> numbers)>;
  /// The scores that `score_part` finds for rows of one model at a time; `numbers` are theirs among all.
  std::vector<float> score(MatrixView<const float> rows, std::span<const std::string> of_rows,
                           const ScorePart& score_part);
  void count(std::span<const std::string> of_rows);
  void check_scored(const char* what, std::int64_t rows, std::span<const std::string> of_rows) const;
  void require_fitted() const;

  // file.cpp
  safetensors::File to_file(const ModelStack& models) const;
  /// As of format_version; with checksums for each group, so that none of them need be read to open the file.
  safetensors::File to_save() const;
  void from_file(std::shared_ptr<const safetensors::OpenFile> file, const std::string& path);
  /// What a file says of the groups, and the pooled model as it stands there, which leaves the file; not their models.
  void take_groups(safetensors::File& file, const std::string& path);
  /// Sets the thresholds of all models, as Detector::Impl::rethreshold; those of groups when they are used.
  void rethreshold(float contamination, float false_alarm_rate);
  /// The models of all groups with the thresholds that rethreshold() asked for.
  ModelStack rethresholded() const;
  /// Reads and checks what all models have in common, and keeps the data for scoring. The rest of a group's model is
  /// checked when it is used.
  void read_settings(const std::string& path);

  Device device;
  Precision precision;  ///< of the training
  DetectorOptions options;
  FleetOptions fleet_options;
  GroupTable groups;
  mutable std::vector<FleetGroup> listed;  ///< for the caller, once asked for
  mutable std::mutex listing;
  std::unique_ptr<ModelStack> stack;                 ///< null until fitted
  std::optional<DetectorOptions> threshold_options;  ///< if rethreshold() was called: with what decides on them
  std::unique_ptr<Detector::Impl> structure;         ///< what the groups' models share; null if none has one
  std::vector<double> categories;                    ///< the numbers in their metadata, for comparison
  safetensors::File pooled;
  std::string path = "fleet";  ///< for messages
  DetectorOptions resolved;
  std::vector<std::string> names;
  std::map<std::string, std::string> attachments;
  float pooled_threshold = 0.0f;
  FleetScored scored;
  const std::atomic<bool>* cancel = nullptr;  ///< see Fleet::cancel_by

  std::vector<ReadyModels> scorers;      ///< of thread t: models t, t + threads, ...
  std::optional<Detector> ready_pooled;  ///< after the first row that needs it
};

}  // namespace cugad
