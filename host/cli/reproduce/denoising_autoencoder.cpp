#include "host/cli/reproduce/denoising_autoencoder.hpp"

#include <algorithm>
#include <cmath>
#include <numbers>

#include "cugad/network.hpp"
#include "host/cli/reproduce/baseline_inputs.hpp"

namespace cugad::cli {
namespace {

// The recipe: d-128-128-128-d, ReLU, on rows with normal noise of deviation 2 in every column, against the clean rows
// by squared error; 4,000 steps of 64 rows, Adam from 1e-3 on with a cosine decay to 2 %. Widths and noise were chosen
// on the 12 tables of ADBench, in this baseline's favour: with noise of .3 or a middle layer of 32 it is worse.
constexpr int hidden = 128;
constexpr float noise_deviation = 2.0f, learning_rate = 1e-3f;
constexpr double final_rate = 0.02;
constexpr std::int64_t steps = 4000, batch = 64, rows_per_call = 1024;
constexpr std::uint64_t training_seed = 1;

class Autoencoder {
 public:
  Autoencoder(Context& context, const Matrix& rows)
      : context_(context),
        rows_(rows),
        network_(static_cast<int>(rows.columns), {{.out = hidden, .activation = Activation::relu},
                                                  {.out = hidden, .activation = Activation::relu},
                                                  {.out = hidden, .activation = Activation::relu},
                                                  {.out = static_cast<int>(rows.columns)}}),
        parameters_(1, network_.parameters()),
        gradient_(parameters_),
        first_moment_(parameters_),
        second_moment_(parameters_),
        clean_(batch, rows.columns),
        noisy_(clean_),
        index_(batch),
        memory_(static_cast<std::size_t>(network_.buffer_floats(1, std::max(batch, rows_per_call)))) {
    network_.initialise(context_, stack(parameters_), key(RandomPurpose::initial_weights, 0));
  }

  void train() {
    for (std::int64_t step = 0; step < steps; ++step) {
      draw(static_cast<std::uint32_t>(step));
      descend(step);
    }
  }

  /// Distance of each row to its reconstruction.
  std::vector<float> distances(const Matrix& rows) {
    std::vector<float> distance(static_cast<std::size_t>(rows.rows));
    for (std::int64_t first = 0; first < rows.rows; first += rows_per_call) {
      const std::int64_t count = std::min(rows_per_call, rows.rows - first);
      const StackView<const float> part(rows.row(first), 1, count, rows.columns);
      Mlp::Buffers buffers = network_.carve(memory_.data(), 1, count);
      network_.forward(context_, stack(parameters_), part, buffers);
      run(context_, RowDistance{.a = part,
                                .b = buffers.result(),
                                .metric = Distance::l2,
                                .distance = {distance.data() + first, 1, count, 1},
                                .column_scale = {}});
    }
    return distance;
  }

 private:
  static StackView<float> stack(Matrix& matrix) { return {matrix.data.data(), 1, matrix.rows, matrix.columns}; }
  static RandomKey key(RandomPurpose purpose, std::uint32_t step) {
    return {.seed = training_seed, .purpose = purpose, .lane = 0, .step = step};
  }

  /// A minibatch, and the same rows with noise.
  void draw(std::uint32_t step) {
    const StackView<std::int32_t> index(index_.data(), 1, batch, 1);
    run(context_, SampleRows{.index = index,
                             .source_rows = static_cast<std::int32_t>(rows_.rows),
                             .first_row = {},
                             .row_count = {},
                             .key = key(RandomPurpose::minibatch, step)});
    const StackView<const float> source(rows_.data.data(), 1, rows_.rows, rows_.columns);
    run(context_, GatherRows{.source = source, .index = index, .out = stack(clean_)});
    run(context_,
        FillNormal{.out = stack(noisy_), .key = key(RandomPurpose::latent, step), .deviation = noise_deviation});
    run(context_, AddRows{.x = stack(clean_), .y = stack(noisy_)});
  }

  void descend(std::int64_t step) {
    Mlp::Buffers buffers = network_.carve(memory_.data(), 1, batch);
    network_.forward(context_, stack(parameters_), stack(noisy_), buffers);
    run(context_, DifferenceLoss{.a = buffers.result(),
                                 .b = stack(clean_),
                                 .metric = Distance::squared,
                                 .da = buffers.result_gradient(),
                                 .db = {},
                                 .loss = {}});
    network_.backward(context_, stack(parameters_), stack(noisy_), buffers, stack(gradient_), {}, {});
    const double done = static_cast<double>(step) / steps;
    const double decay = final_rate + (1 - final_rate) * (1 + std::cos(std::numbers::pi * done)) / 2;
    run(context_, Adam{.parameter = stack(parameters_),
                       .gradient = stack(gradient_),
                       .first_moment = stack(first_moment_),
                       .second_moment = stack(second_moment_),
                       .average = {},
                       .model_scale = {},
                       .squared_norm = {},
                       .learning_rate = learning_rate * static_cast<float>(decay),
                       .step = step + 1});
  }

  Context& context_;
  const Matrix& rows_;
  Mlp network_;
  Matrix parameters_, gradient_, first_moment_, second_moment_, clean_, noisy_;
  std::vector<std::int32_t> index_;
  std::vector<float> memory_;  ///< activations of a minibatch, or of the rows of a call
};

}  // namespace

Baseline denoising_autoencoder_baseline() {
  const auto score = [](BaselineInputs& inputs) {
    const ScaledRows& rows = inputs.scaled();
    Context context = Device::open("cpu", inputs.threads()).make_context();
    Autoencoder autoencoder(context, rows.train);
    autoencoder.train();
    return autoencoder.distances(rows.test);
  };
  return {"denoising_autoencoder", "denoising auto-encoder", score};
}

}  // namespace cugad::cli
