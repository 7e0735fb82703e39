#pragma once

#include <array>
#include <memory>
#include <vector>

#include "cugad/detector.hpp"
#include "host/backend/arena.hpp"
#include "host/scores/reference_rows.hpp"
#include "host/training/method_networks.hpp"

namespace cugad {

/// How many scores of a row a model of one method combines.
inline std::int64_t models_of(const DetectorOptions& resolved) {
  return resolved.score == ScoreRule::nearest_and_mean ? 2 : resolved.population;
}

/// Every step-th model of a population, from `first` on.
struct SomeModels {
  std::int64_t first = 0, step = 1;

  std::int64_t count(std::int64_t population) const { return (population - 1 - first) / step + 1; }
  template <class T>
  StackView<T> of(StackView<T> all) const {
    return {all.model(first).data, count(all.models), all.rows, all.columns, step * all.model_stride, all.row_stride};
  }
};

/// The trained networks of a population and what all scoring rules compute with them: latents, reconstructions, D's
/// logits. Works on transformed rows (data columns, then condition columns) in device memory.
///
/// What scoring reads is written before the first score and never after; copies for other threads share it. What
/// scoring writes (activations, distances, a stream) each copy has for itself.
class ScoringNetworks {
 public:
  ScoringNetworks(const Device& device, const DetectorOptions& resolved_options, const MethodNetworks& networks);
  ScoringNetworks& operator=(const ScoringNetworks&) = delete;

  const Device& device() const { return device_; }
  const DetectorOptions& options() const { return options_; }
  const MethodNetworks& networks() const { return networks_; }
  Context& context() { return context_; }
  /// How many scores a row has: one per trained model, or one per distance.
  std::int64_t population() const { return models_of(options_); }
  StackView<float> weights(Role role) const { return weights_[static_cast<std::size_t>(role)]; }
  /// What a method without networks scores by; empty for others. Copies share it.
  const ReferenceRows& reference_rows() const { return *reference_rows_; }
  void set_reference_rows(ReferenceRows rows) {
    reference_rows_ = std::make_shared<const ReferenceRows>(std::move(rows));
  }
  /// For what copies share.
  Arena& kept() { return *kept_; }
  /// For what scoring writes; everything in it is taken anew when more rows are to be scored at a time.
  Arena& working() { return working_; }
  Network::Buffers carve(const char* name, const Network& network, std::int64_t rows);

  /// Units of the reconstruction's residuals, [models, 1, columns]; null without the option column_spread. Part of the
  /// model file.
  StackView<float> column_scale() const { return column_scale_; }
  /// No column of a residual in those units counts for more.
  static constexpr float most_spreads = 20.0f;

  /// Whether rows have reconstructions G(E(x)), or those of their conditions alone.
  bool rebuilds() const;
  /// Whether G, E or a D of single rows has other than dense layers, or rows are images with conditions: then all are
  /// passed through layer by layer.
  bool runs_by_layers() const;
  bool needs_discriminator() const { return options_.discriminator_weight > 0.0f; }
  bool has_joint_discriminator() const {
    return networks_.has(Role::discriminator) && networks_.discriminator().is_joint();
  }

  /// The generator's inputs, which searches vary.
  std::int64_t search_inputs() const { return networks_.generator().inputs(); }
  /// A Gaussian generator without its log variances; with conditions one that gives whole rows.
  NetworkView generator_view() const;
  /// The conditions of rows, their missing cells filled with 0, into the last columns of latents [models, rows, inputs
  /// of G].
  void give_condition(MatrixView<const float> rows, StackView<float> latents);
  /// The same into the reconstructions, behind what networks of layers give.
  void repeat_condition(MatrixView<const float> rows);
  /// The generator's rows for latents [models, rows, inputs of G], in parts that keep the activations small; of a
  /// Gaussian generator the means.
  void generate(StackView<const float> latent, StackView<float> out);

  /// z = E(x) of the rows per model, in latents().
  void encode(MatrixView<const float> rows);
  /// z, G(z) and the residual per row, in latents(), reconstruction() and loss().
  void reconstruct(MatrixView<const float> rows, bool with_residuals);
  /// `rows` with their missing cells filled from reconstruction(), per model.
  StackView<const float> fill_missing(MatrixView<const float> rows);
  /// |x - x'| per cell, x' the reconstruction(), in feature_residual(); 0 in missing cells.
  void compare_with_reconstruction(MatrixView<const float> rows);
  /// D's logit per model of rows whose missing cells are filled; D(x, z) of a joint discriminator takes latents().
  /// `filled` has a matrix for each of these models.
  StackView<const float> judge(StackView<const float> filled, const SomeModels& models = {});
  /// softplus(-logit): small for what D takes for real.
  void take_loss(StackView<const float> logit, StackView<float> out);
  void take_distance(StackView<const float> a, StackView<const float> b, Distance metric, StackView<float> out);

  /// z of the rows that encode() or reconstruct() saw last, without conditions.
  StackView<const float> latents(std::int64_t rows) const {
    return encoded_.slice_rows(0, rows).slice_columns(0, networks_.latent);
  }
  StackView<float> reconstruction(std::int64_t rows) const { return reconstruction_.slice_rows(0, rows); }
  StackView<float> loss(std::int64_t rows) const { return {loss_.data, population(), rows, 1}; }
  StackView<float> feature_residual(std::int64_t rows) const { return feature_residual_.slice_rows(0, rows); }
  /// Where filled rows and reconstructions are written from now on: halves of pairs.
  void place(StackView<float> filled, StackView<float> reconstruction) {
    filled_ = filled;
    reconstruction_ = reconstruction;
  }

 protected:
  /// Shares what `other` keeps; working memory is yet to be taken.
  ScoringNetworks(const ScoringNetworks& other);
  /// Makes what scoring reads besides the weights, which are in place.
  void carry_conditions(std::int64_t rows);
  /// Takes working memory for so many rows at a time.
  void take_memory(std::int64_t rows);

  Device device_;
  DetectorOptions options_;
  MethodNetworks networks_;
  Context context_;
  std::shared_ptr<Arena> kept_;
  std::shared_ptr<const ReferenceRows> reference_rows_ = std::make_shared<const ReferenceRows>();
  Arena working_;

 private:
  StackView<const float> weight(Role role) const { return weights(role); }
  /// E without ALI's log variances; with conditions one that gives those behind z, and the conditions alone for a
  /// method without an encoder.
  NetworkView encoder_view() const;
  void put_condition(MatrixView<const float> rows, StackView<float> to);
  void pass_by_layers(Role role, StackView<const float> x, const Network::Buffers& buffers, StackView<float> out);
  void encode_by_layers(MatrixView<const float> rows);
  void reconstruct_by_layers(MatrixView<const float> rows, bool with_residuals);
  ReconstructionScore reconstruction_arguments(MatrixView<const float> rows) const;
  Mlp carry_condition(const char* name, const Mlp& network, StackView<const float> weights, int outputs,
                      StackView<float>& carried);

  std::array<StackView<float>, role_count> weights_;
  StackView<float> column_scale_;
  Mlp carried_generator_, carried_encoder_;
  StackView<float> carried_generator_weights_, carried_encoder_weights_, no_condition_;
  // Of as many rows as are scored at a time.
  StackView<float> loss_, filled_, reconstruction_, encoded_, feature_residual_;
  Network::Buffers judge_buffers_, encoder_buffers_, generator_buffers_;
};

/// Throws Error{invalid_argument} if the layers of networks on images hold more than 2^24 values of one image, or if
/// what scoring makes of the weights when a model is loaded (the bank of generated rows, networks that carry
/// conditions) would be out of all proportion to them, so that a small model file cannot allocate much memory. Up to
/// 256 MiB, and 4,096 times the generator's weights, are allowed.
void check_memory(const DetectorOptions& options, const MethodNetworks& networks);

}  // namespace cugad
