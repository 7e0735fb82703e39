#pragma once

#include <memory>
#include <string>
#include <vector>

#include "host/training/method_definition.hpp"
#include "host/training/training_memory.hpp"

namespace cugad {

/// What the divergence guard and the label-free stopping remember of one model. Part of a checkpoint.
struct ModelHealth {
  float rate_scale = 1.0f;       ///< factor of the learning rates; 0: the model rests
  float spread = -1.0f;          ///< of the generated rows at the last good state; negative: none yet
  float best_criterion = -1.0f;  ///< smallest coverage distance so far; negative: none yet
  int checks_without_gain = 0;
  int restorations = 0;
  bool resting = false;
};

/// A population of models of one method in training: state, loop, divergence guard, stopping, checkpoints.
///
/// The loop advances in intervals of 100 steps. At the end of each, every model is checked: one whose losses or
/// gradients are not finite, or whose generated rows have lost 99 % of their spread, goes back to its last good state
/// with half the learning rate; the other models are not touched. Checkpoints hold the state at such a boundary.
class GanTraining {
 public:
  static constexpr std::int64_t interval = 100;

  /// Options must be resolved (latent, steps, decay_steps > 0). `rows` are memory of the device and must outlive this
  /// object; their last `condition` columns are conditions. `group`: MethodNetworks::group. Throws
  /// Error{out_of_memory} if the machine has not the memory for it.
  GanTraining(const Device& device, const MethodDefinition& definition, const DetectorOptions& options,
              const TrainingRows& rows, std::int64_t condition = 0, std::vector<std::int32_t> group = {});
  ~GanTraining();

  /// Trains to steps(). Throws Error{cancelled} when control.cancel becomes true, after saving a checkpoint.
  void run(const FitControl& control);

  const Device& device() const { return device_; }
  const MethodNetworks& networks() const { return networks_; }
  const NetworkStates& states() const { return states_; }
  const std::vector<ModelTelemetry>& telemetry() const { return telemetry_; }
  const std::vector<ModelHealth>& health() const { return health_; }
  std::int64_t step() const { return step_; }
  /// Of the whole training.
  std::int64_t steps() const { return definition_.steps(options_); }
  /// Models that go through a step together; fewer than the population on a device without the memory for all.
  std::int64_t models_together() const { return models_together_; }
  const TrainingMemory& memory() const { return memory_; }

 private:
  friend class Checkpoint;
  int population() const { return options_.population; }
  void make_workers();
  void initialise();
  bool advance(std::int64_t to, const FitControl& control);
  bool advance_on_threads(std::int64_t to, const FitControl& control);
  bool advance_together(std::int64_t to, const FitControl& control);
  void bind(TrainingStep& step, std::int64_t first, std::int64_t count);
  void read_telemetry(TrainingStep& step, std::int64_t first, std::int64_t count);
  void guard(const FitControl& control);
  void check_stopping(const FitControl& control);
  /// From options.steps on: f-AnoGAN's encoder.
  bool has_second_phase() const { return steps() > options_.steps; }
  void begin_second_phase(const FitControl& control);
  void copy_models(const NetworkStates& from, const NetworkStates& to, std::int64_t first, std::int64_t count);
  void write_scale(std::int64_t model);

  Device device_;
  DetectorOptions options_;
  const MethodDefinition& definition_;
  TrainingRows rows_;
  MethodNetworks networks_;
  Context context_;
  Arena arena_;
  NetworkStates states_, good_states_;
  StackView<float> model_scale_;
  StackView<float> reports_;  ///< [models, 1, StepTelemetry::values]
  StackView<double> statistics_;
  std::vector<ModelTelemetry> telemetry_;
  std::vector<ModelHealth> health_;
  std::vector<float> spread_;
  std::vector<std::unique_ptr<TrainingStep>> workers_;  ///< one per worker thread; one for all if models run together
  std::int64_t models_together_ = 1;                    ///< that the one step takes at a time
  std::int64_t bound_first_ = -1;                       ///< the first of those it is bound to
  TrainingMemory memory_;
  std::int64_t step_ = 0;
};

}  // namespace cugad
