#pragma once

#include <algorithm>
#include <cstdint>
#include <functional>
#include <limits>
#include <map>
#include <memory>
#include <vector>

#include "cugad/detector.hpp"
#include "host/backend/arena.hpp"
#include "host/training/method_networks.hpp"

namespace cugad {

/// The rows that models train on, in device memory: all of them, or a range for each model of the population, without
/// the fold that it leaves out.
struct TrainingRows {
  MatrixView<const float> rows;
  StackView<const std::int32_t> first, count;                    ///< [models, 1, 1]; null: every model has all rows
  StackView<const std::int32_t> left_out_first, left_out_count;  ///< as SampleRows; null: no model leaves rows out
  StackView<const std::uint64_t> seeds;  ///< [models, 1, 1], where models of several detectors train together, or null
  TrainingRows() = default;
  /// What the models from `first` on draw with; `seed` is that of the population.
  RandomKey key_of(std::int64_t first_model, std::uint64_t seed) const {
    if (seeds) return {.model_seeds = seeds.model(first_model).data};
    return {.seed = seed + static_cast<std::uint64_t>(first_model)};
  }
  /// Sets the source of an op's draws for `models` models from `first_model` on.
  void give_to(SampleRows& draw, std::int64_t first_model, std::int64_t models) const {
    const auto some = [&](StackView<const std::int32_t> all) {
      return all ? all.slice_models(first_model, models) : all;
    };
    draw.source_rows = static_cast<std::int32_t>(rows.rows);
    draw.first_row = some(first);
    draw.row_count = some(count);
    draw.left_out_first = some(left_out_first);
    draw.left_out_count = some(left_out_count);
  }
  TrainingRows(MatrixView<const float> rows_) : rows(rows_) {}
  TrainingRows(MatrixView<float> rows_) : rows(rows_) {}
};

/// What a training step reports; each [models, 1, 1].
struct StepTelemetry {
  static constexpr int values = 7;
  StackView<float> real_loss, fake_loss, generator_loss, real_probability, fake_probability, discriminator_norm,
      generator_norm;
  /// From [models, 1, values], in the order of the members.
  static StepTelemetry from(StackView<float> reports) {
    const auto value = [&](int i) {
      return StackView<float>(reports.data + i, reports.models, 1, 1, reports.model_stride, 1);
    };
    return {value(0), value(1), value(2), value(3), value(4), value(5), value(6)};
  }
};

/// One training step of a method for a slice of the population on one context: the base of all methods' steps. It draws
/// minibatches and keys, runs the optimiser, and records whole steps if the device can replay them. All memory is
/// taken on construction; a step allocates nothing and waits for nothing.
class TrainingStep {
 public:
  TrainingStep(Context context, const DetectorOptions& options, const MethodNetworks& networks,
               const TrainingRows& rows, std::int64_t models);
  virtual ~TrainingStep();
  TrainingStep(const TrainingStep&) = delete;
  TrainingStep& operator=(const TrainingStep&) = delete;

  /// Chooses the models to work on, at most as many as the step was made for; `key` has their seeds.
  /// `first` is the number of the first of them in the population, for rows that belong to single models.
  void bind(const RandomKey& key, const NetworkStates& states, StackView<const float> model_scale,
            StepTelemetry telemetry, std::int64_t first = 0);
  /// Step t (from 0), whole; `report` fills the telemetry.
  virtual void step(std::int64_t t, bool report) = 0;
  /// Steps [from, to); `report` fills the telemetry in the last one. Where the device can record work, whole steps are
  /// recorded once and replayed: their step counter and rates live on the device, the host only launches.
  void advance(std::int64_t from, std::int64_t to, bool report);
  /// Rows that the generator made in the last step, before its update: their spread reveals a collapse.
  virtual StackView<const float> generated() const = 0;
  Context& context() { return context_; }
  /// Of device memory, which grows with the models that the step was made for.
  std::size_t bytes() const { return arena_.bytes(); }

 protected:
  // Memory. Members taken here are views of the models that are bound; bind() renews them.
  template <class T>
  void take(StackView<T>& view, const char* name, std::int64_t rows, std::int64_t columns);
  void take(Network::Buffers& buffers, const char* name, const Network& network, std::int64_t rows);
  /// Called after the members have been renewed, for views that depend on them.
  virtual void connect() {}
  /// Called before steps from t on, which belong to one phase, outside of recordings.
  virtual void prepare(std::int64_t) {}

  // Kinds of steps, for recording. Steps of one kind issue the same work but for numbers that live on the device.
  virtual int kind(std::int64_t) const { return 0; }
  /// Kinds repeat after so many steps.
  virtual std::int64_t cycle() const { return 1; }
  /// The first step after t that belongs to another phase of the training (phases never repeat).
  virtual std::int64_t phase_end(std::int64_t) const { return std::numeric_limits<std::int64_t>::max(); }

  std::int64_t batch() const { return options_.batch; }
  std::int64_t models() const { return models_; }
  const NetworkState& state(Role role) const { return states_[role]; }
  StackView<const float> parameter(Role role) const { return states_[role].parameter; }
  /// What step t multiplies the learning rates with.
  float rate_scale(std::int64_t t) const;
  /// The key of step t, or of the step that the device counts while recording; `stride` and `offset` select the draw of
  /// that step it is.
  RandomKey key(RandomPurpose purpose, std::uint32_t lane, std::int64_t t, std::uint32_t stride = 1,
                std::uint32_t offset = 0) const;
  /// The numbers of a minibatch's rows; draws count per model without replacement, `stride` draws per step.
  void sample_rows(StackView<std::int32_t> index, std::uint32_t lane, std::int64_t t, std::uint32_t stride,
                   std::uint32_t offset);
  /// Columns [first_column, ...) of the rows with those numbers; of the last draw. Images are augmented
  /// (DetectorOptions::flip, shift) by the same key in the purpose augmentation.
  void gather(StackView<const std::int32_t> index, std::int64_t first_column, StackView<float> out);
  /// Passes of the network in a role with its trained weights; dropout draws from dropout_lane on.
  void forward_pass(Role role, const Network::Input& in, const Network::Buffers& buffers);
  void forward_pass(Role role, const Network::Input& in, const Network::Buffers& buffers, std::uint32_t dropout_lane,
                    std::int64_t t);
  void backward_pass(Role role, const Network::Input& in, const Network::Buffers& buffers, StackView<float> gradient,
                     const Network::InputGradient& input_gradient, const Mlp::BackwardOptions& options = {});
  static StackView<float> when(bool report, StackView<float> view) { return report ? view : StackView<float>{}; }
  /// One update of a network: number t * stride + offset of its life; an offset below 0 is that of a network whose
  /// first update comes later. `decays`: the rate follows the schedule.
  void update(Role role, StackView<float> gradient, float rate, std::int64_t t, int stride, std::int64_t offset,
              StackView<float> norm, bool decays = true);

  Context context_;
  DetectorOptions options_;
  MethodNetworks networks_;
  TrainingRows rows_;
  NetworkStates states_;
  StackView<const float> model_scale_;
  StepTelemetry telemetry_;
  Arena arena_;

 private:
  struct Recorded {
    std::unique_ptr<RecordedWork> several, one[2];  ///< whole cycles; one step, without and with a report
  };
  std::int64_t cycles_per_recording() const;
  std::unique_ptr<RecordedWork> record(std::int64_t first, std::int64_t steps, bool report);
  RecordedWork& recorded(std::int64_t t, std::int64_t steps, bool report);
  void replay(std::int64_t from, std::int64_t to, bool report);

  void average_history(const NetworkState& network, StackView<float> gradient, std::int64_t t, int stride,
                       std::int64_t offset);
  void keep(const Network& network, const NetworkState& state, StackView<const float> gradient);

  std::int64_t models_;  ///< bound; as many as there is room for before the first bind
  std::int64_t room_;
  RandomKey key_;    ///< with the seeds of the models
  RandomKey drawn_;  ///< of the last minibatch, for its augmentation
  std::int64_t first_model_ = 0;
  std::vector<std::function<void(std::int64_t)>> renew_;
  bool recording_ = false;
  StackView<std::uint32_t> step_counter_;
  StackView<float> rate_scale_;
  std::map<int, Recorded> recorded_;  ///< by kind
  std::int64_t recorded_phase_end_ = -1;
  std::size_t recorded_scratch_ = 0;
};

template <class T>
void TrainingStep::take(StackView<T>& view, const char* name, std::int64_t rows, std::int64_t columns) {
  const std::int64_t stride = columns == 1 ? 1 : (columns + 15) / 16 * 16;  // rows start on cache lines
  const StackView<T> all(arena_.take<T>(name, room_ * rows * stride), room_, rows, columns, rows * stride, stride);
  view = all;
  renew_.push_back([all, &view](std::int64_t models) { view = all.slice_models(0, models); });
}

}  // namespace cugad
