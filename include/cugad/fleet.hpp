#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "cugad/detector.hpp"
#include "cugad/export.h"

/// Fleets: one detector per group of rows (a machine, a user, a sensor), trained together.
namespace cugad {

/// What the seed of a group follows from, and the sample of the pooled model's rows.
enum class GroupSeed {
  name,      ///< a hash of the group's name, and of each row: other groups do not show in a group's bits
  position,  ///< the number of the group among those with models, sorted by name, and of the row: older versions
};

struct FleetOptions {
  std::int64_t minimum_rows = 50;      ///< groups with fewer training rows are scored by the pooled model
  std::int64_t pooled_rows = 100'000;  ///< maximum of training rows of the pooled model: a seeded sample
  GroupSeed group_seed = GroupSeed::name;
};

/// One group of the training rows.
struct FleetGroup {
  std::string name;
  std::int64_t rows = 0;  ///< for training
  bool own_model = false;
  float threshold = 0.0f;  ///< of its own model, or of the pooled one
};

/// Counts of the rows scored so far.
struct FleetScored {
  std::int64_t rows = 0;
  std::int64_t small = 0;             ///< rows of known groups without a model of their own
  std::int64_t unseen = 0;            ///< rows of groups that are not in the training rows, or without a group
  std::vector<std::string> examples;  ///< some unseen groups
};

/// A detector for every group with enough rows, and a pooled one, trained on rows of all groups, for all other rows.
///
/// The detector of a group equals, to the bit, one that is fitted on the group's rows alone with the group's seed (see
/// seed_of); the pooled one has seed `seed` + pooled_seed_distance. Groups are trained in bulk, as many at a time as
/// bounded memory holds.
class CUGAD_API Fleet {
 public:
  static constexpr std::uint64_t pooled_seed_distance = std::uint64_t{1} << 32;

  explicit Fleet(const Device& device, DetectorOptions options = default_options(), FleetOptions fleet_options = {});
  ~Fleet();
  /// As for a Detector: a moved-from fleet throws Error{invalid_argument}.
  Fleet(Fleet&&) noexcept;
  Fleet& operator=(Fleet&&) noexcept;

  /// As Detector::fit; row r belongs to groups[r] (UTF-8). Rows without a group ("") train the pooled model only, and
  /// so do groups in which a column has no value at all. Progress counts the steps of all models. With a checkpoint
  /// directory, finished models are stored there, and resuming trains the others; the number of steps must stay the
  /// same.
  void fit(MatrixView<const float> rows, std::span<const std::string> groups, Columns columns,
           const FitControl& control = {});
  void fit(MatrixView<const float> rows, std::span<const std::string> groups, const FitControl& control = {}) {
    fit(rows, groups, Columns{}, control);
  }

  /// Trains models for those groups of the rows that have none, with the options, columns and categories of the fleet,
  /// and keeps all others, the pooled one among them, as they are: a model equals the one that a fit of all groups
  /// would have made, but for columns whose kind the rows decide. Throws Error{invalid_argument} before fit or load,
  /// for other columns, and for GroupSeed::position, where a new group changes the seeds of others.
  void fit_new_groups(MatrixView<const float> rows, std::span<const std::string> groups, Columns columns,
                      const FitControl& control = {});
  /// The seed of a group's models: with GroupSeed::name a hash of the name and `seed`, below 2^62; by position `seed` +
  /// g * population, the groups with models being numbered from 0. Throws Error{invalid_argument} for a group without a
  /// model.
  std::uint64_t seed_of(const std::string& group) const;

  /// Scores of rows on the host, one per row, each by the model of its group; higher is more anomalous, on each model's
  /// own scale. A row's score does not depend on the rows beside it.
  std::vector<float> score(MatrixView<const float> rows, std::span<const std::string> groups);
  /// As Detector::parts and Detector::score_methods; the parts, too, are on each model's own scale.
  std::vector<std::string> parts() const;
  std::vector<float> score_methods(MatrixView<const float> rows, std::span<const std::string> groups,
                                   std::vector<float>& method_scores);
  /// As Detector::explain.
  std::vector<float> explain(MatrixView<const float> rows, std::span<const std::string> groups, int count,
                             std::vector<Explanation>& explanations);
  /// As Detector::cancel_by; score() and explain() also read the flag between two models.
  void cancel_by(const std::atomic<bool>* cancel);
  /// For each row the threshold of the model that scores it.
  std::vector<float> thresholds(std::span<const std::string> groups) const;
  /// As Detector::set_contamination and Detector::set_false_alarm_rate, for all models.
  void set_contamination(float contamination);
  void set_false_alarm_rate(float rate);
  /// The basis of the calibration of a group's model, or of the pooled one for a group without a model; 0 rows before
  /// fit or load.
  Detector::Calibration calibration(const std::string& group) const;
  /// As Detector::probability and Detector::confidence, by the model of each score's group.
  std::vector<float> probability(std::span<const float> scores, std::span<const std::string> groups, Probability kind);
  std::vector<float> confidence(std::span<const float> scores, std::span<const std::string> groups);
  /// By score() and explain(), since fit or load.
  const FleetScored& scored() const;

  bool fitted() const;
  std::int64_t columns() const;
  const std::vector<std::string>& column_names() const;
  /// The options of the groups, with the seed of the fleet.
  const DetectorOptions& options() const;
  const FleetOptions& fleet_options() const;
  /// All groups of the training rows, sorted by name.
  const std::vector<FleetGroup>& groups() const;
  /// Returns the detector of one group, or the pooled one, independent of the fleet, as if it had been fitted alone.
  /// Throws Error{invalid_argument} for a group without a model.
  Detector take_out(const std::string& group) const;
  Detector pooled() const;

  /// Text stored in the model file under a name, and copied to detectors that are taken out. Both are UTF-8:
  /// Error{invalid_argument} otherwise.
  void attach(const std::string& name, const std::string& text);
  const std::string* attachment(const std::string& name) const;

  /// One safetensors file, or its bytes, as by Detector::save; load checks as Detector::load does.
  void save(const std::string& path) const;
  std::vector<std::byte> save() const;
  static Fleet load(const Device& device, const std::string& path);
  static Fleet load(const Device& device, std::span<const std::byte> bytes);
  /// Whether the file, or its bytes, holds a fleet; false for another safetensors file, an Error as by load() for
  /// anything else.
  static bool is_fleet(const std::string& path);
  static bool is_fleet(std::span<const std::byte> bytes);

 private:
  friend class ShardedFit;
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace cugad
