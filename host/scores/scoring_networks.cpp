#include "host/scores/scoring_networks.hpp"

#include <algorithm>

#include "cugad/error.hpp"
#include "host/backend/elementwise.hpp"
#include "host/backend/transfer.hpp"
#include "host/methods/methods.hpp"
#include "host/scores/carried_condition.hpp"
#include "host/scores/latent_searcher.hpp"
#include "host/training/training_memory.hpp"

namespace cugad {
namespace {

constexpr std::int64_t generate_rows = 1024;  ///< rows generated at a time

/// The network that gives the first `outputs` of a network's outputs: the first rows of its last weights.
NetworkView first_outputs(NetworkView view, int outputs) {
  view.layer[view.layers - 1].out = outputs;
  return view;
}

}  // namespace

void check_memory(const DetectorOptions& options, const MethodNetworks& networks) {
  if (!networks.has(Role::generator)) return;
  constexpr std::int64_t most_activations = 1 << 24;
  if (const std::int64_t values = activations_per_row(networks); options.image && values > most_activations) {
    throw Error(ErrorCode::invalid_argument,
                "the layers of method '" + std::string(definition_of(options.method).name) + "' hold " +
                    std::to_string(values) +
                    " values of one image, expected at most 2^24: use smaller images, fewer channels, or strides");
  }
  constexpr std::int64_t always_allowed = std::int64_t{1} << 26, most_per_weight = 4096;
  const Network generator = networks.generator().plain();
  const std::int64_t most = std::max(always_allowed / options.population, most_per_weight * generator.parameters());
  const bool carries = !definition_of(options.method).judges_cells && !options.image;
  if (const int condition = networks.condition; condition > 0 && carries) {
    std::int64_t carried = CarriedCondition(generator.trunk(), networks.columns, condition).network.parameters();
    if (networks.has(Role::encoder)) {
      const Network encoder = networks.encoder().plain();
      carried += CarriedCondition(encoder.trunk(), networks.latent, condition).network.parameters();
    }
    if (carried <= most) return;
    throw Error(ErrorCode::invalid_argument, "option 'condition' names " + std::to_string(condition) +
                                                 " columns, more than networks of this size can carry");
  }
  const std::int64_t most_rows = most / (generator.inputs() + networks.row_columns());
  if (!has_bank(options) || options.bank_rows <= most_rows) return;
  throw Error(ErrorCode::invalid_argument, "option 'bank_rows' is " + std::to_string(options.bank_rows) +
                                               ", expected at most " + std::to_string(most_rows) +
                                               " for networks of this size");
}

ScoringNetworks::ScoringNetworks(const Device& device, const DetectorOptions& resolved_options,
                                 const MethodNetworks& networks)
    : device_(device),
      options_(resolved_options),
      networks_(networks),
      context_(device.make_context()),
      kept_(std::make_shared<Arena>(device.backend())),
      working_(device.backend()) {
  for (const Role role : all_roles) {
    if (!networks_.has(role)) continue;
    weights_[static_cast<std::size_t>(role)] =
        kept_->stack(name_of(role), population(), 1, networks_[role].parameters());
  }
  if (rebuilds() && options_.column_spread) {
    column_scale_ = kept_->stack("column scale", population(), 1, networks_.row_columns());
  }
}

ScoringNetworks::ScoringNetworks(const ScoringNetworks& other)
    : device_(other.device_),
      options_(other.options_),
      networks_(other.networks_),
      context_(device_.make_context()),
      kept_(other.kept_),
      reference_rows_(other.reference_rows_),
      working_(device_.backend()),
      weights_(other.weights_),
      column_scale_(other.column_scale_),
      carried_generator_(other.carried_generator_),
      carried_encoder_(other.carried_encoder_),
      carried_generator_weights_(other.carried_generator_weights_),
      carried_encoder_weights_(other.carried_encoder_weights_),
      no_condition_(other.no_condition_) {}

bool ScoringNetworks::rebuilds() const {
  const MethodDefinition& method = definition_of(options_.method);
  return networks_.has(Role::encoder) ||
         (networks_.has(Role::generator) && !method.has_latent() && !method.judges_cells);
}

bool ScoringNetworks::runs_by_layers() const {
  const auto has_other_layers = [&](Role role) { return networks_.has(role) && !networks_[role].trunk().is_dense(); };
  return has_other_layers(Role::generator) || has_other_layers(Role::encoder) ||
         (has_other_layers(Role::discriminator) && !has_joint_discriminator());
}

void ScoringNetworks::carry_conditions(std::int64_t rows) {
  if (networks_.condition == 0 || definition_of(options_.method).judges_cells) return;
  no_condition_ = kept_->stack("conditions of no value", 1, rows, networks_.condition);
  fill(context_, no_condition_, 0.0f);
  if (runs_by_layers()) return;
  carried_generator_ = carry_condition("generator that carries the condition", networks_.generator().trunk(),
                                       weight(Role::generator), networks_.columns, carried_generator_weights_);
  if (!rebuilds()) return;
  // Without an encoder (translation) the conditions are all that G takes.
  const bool has_encoder = networks_.has(Role::encoder);
  const Mlp none(networks_.row_columns(), {LayerSpec{}});
  const StackView<float> no_weights =
      has_encoder ? StackView<float>() : kept_->stack("no encoder", population(), 1, none.parameters());
  carried_encoder_ =
      carry_condition("encoder that carries the condition", has_encoder ? networks_.encoder().trunk() : none,
                      has_encoder ? weight(Role::encoder) : StackView<const float>(no_weights), networks_.latent,
                      carried_encoder_weights_);
}

void ScoringNetworks::take_memory(std::int64_t rows) {
  const std::int64_t models = population(), columns = networks_.row_columns();
  feature_residual_ = working_.stack("residuals per column", models, rows, columns);
  loss_ = working_.stack("losses", models, rows, 1);
  filled_ = working_.stack("rows without missing cells", models, rows, columns);
  reconstruction_ = working_.stack("reconstructions", models, rows, columns);
  if (needs_discriminator() || options_.score == ScoreRule::discriminator) {
    judge_buffers_ = carve("activations", networks_.discriminator(), rows);
  }
  if (rebuilds()) encoded_ = working_.stack("latents of the rows", models, rows, search_inputs());
  if (!rebuilds() || !runs_by_layers()) return;
  generator_buffers_ = carve("generator activations", networks_.generator(), rows);
  if (networks_.generator().outputs() == networks_.columns)
    generator_buffers_.trunk().output.back() = reconstruction_.slice_columns(0, networks_.columns);
  if (!networks_.has(Role::encoder)) return;
  encoder_buffers_ = carve("encoder activations", networks_.encoder(), rows);
  if (networks_.encoder().outputs() == networks_.latent)
    encoder_buffers_.trunk().output.back() = encoded_.slice_columns(0, networks_.latent);
}

/// A pass that ends in `out`: of ALI's means and log variances the means.
void ScoringNetworks::pass_by_layers(Role role, StackView<const float> x, const Network::Buffers& buffers,
                                     StackView<float> out) {
  networks_[role].forward(context_, weight(role), {.x = x}, buffers);
  if (networks_[role].outputs() == out.columns) return;
  copy(context_, buffers.result().slice_columns(0, out.columns), out);
}

/// A network that gives `outputs` of the network's outputs and then the condition, and its weights in device memory.
Mlp ScoringNetworks::carry_condition(const char* name, const Mlp& network, StackView<const float> weights, int outputs,
                                     StackView<float>& carried) {
  const CarriedCondition carrying(network, outputs, networks_.condition);
  carried = kept_->stack(name, population(), 1, carrying.network.parameters());
  for (std::int64_t m = 0; m < population(); ++m) {
    const std::vector<float> values =
        carrying.parameters(download(context_, weights.model(m).data, weights.columns).data());
    context_.backend().copy(carried.model(m).data, values.data(), sizeof(float) * values.size(), context_.stream());
    context_.synchronize();
  }
  return carrying.network;
}

Network::Buffers ScoringNetworks::carve(const char* name, const Network& network, std::int64_t rows) {
  const std::int64_t models = population();
  return network.carve(working_.take<float>(name, network.buffer_floats(models, rows)), models, rows);
}

NetworkView ScoringNetworks::generator_view() const {
  if (networks_.condition > 0) return carried_generator_.view(carried_generator_weights_);
  return first_outputs(networks_.generator().trunk().view(weight(Role::generator)), networks_.columns);
}

NetworkView ScoringNetworks::encoder_view() const {
  if (networks_.condition > 0) return carried_encoder_.view(carried_encoder_weights_);
  return first_outputs(networks_.encoder().trunk().view(weight(Role::encoder)), networks_.latent);
}

void ScoringNetworks::give_condition(MatrixView<const float> rows, StackView<float> latents) {
  put_condition(rows, latents.slice_columns(networks_.latent, networks_.condition));
}

void ScoringNetworks::repeat_condition(MatrixView<const float> rows) {
  if (networks_.condition == 0) return;
  put_condition(rows, reconstruction(rows.rows).slice_columns(networks_.columns, networks_.condition));
}

void ScoringNetworks::put_condition(MatrixView<const float> rows, StackView<float> to) {
  const std::int64_t models = population();
  const StackView<const float> none = no_condition_.slice_rows(0, rows.rows);
  run(context_, FillMissing{.x = shared_by(models, rows).slice_columns(networks_.columns, networks_.condition),
                            .replacement = {none.data, models, rows.rows, networks_.condition, 0, none.row_stride},
                            .out = to});
}

void ScoringNetworks::generate(StackView<const float> latent, StackView<float> out) {
  const Network& generator = networks_.generator();
  const std::int64_t part = std::min(generate_rows, latent.rows);
  Arena scratch(context_);
  const auto buffers = generator.carve(scratch.take<float>("activations", generator.buffer_floats(latent.models, part)),
                                       latent.models, part);
  for (std::int64_t first = 0; first < latent.rows; first += part) {
    const std::int64_t count = std::min(part, latent.rows - first);
    Network::Buffers window = buffers.slice_rows(0, count);
    if (generator.outputs() == out.columns) window.trunk().output.back() = out.slice_rows(first, count);
    generator.forward(context_, weight(Role::generator), {.x = latent.slice_rows(first, count)}, window);
    if (generator.outputs() == out.columns) continue;
    copy(context_, window.result().slice_columns(0, out.columns), out.slice_rows(first, count));
  }
}

ReconstructionScore ScoringNetworks::reconstruction_arguments(MatrixView<const float> rows) const {
  ReconstructionScore args;
  args.encoder = encoder_view();
  args.generator = generator_view();
  args.x = shared_by(population(), rows);
  args.residual_distance = options_.residual;
  args.discrimination_kind = Discrimination::none;
  args.lambda = 0.0f;
  args.latent = encoded_.slice_rows(0, rows.rows);
  return args;
}

void ScoringNetworks::encode(MatrixView<const float> rows) {
  if (runs_by_layers()) return encode_by_layers(rows);
  run(context_, reconstruction_arguments(rows));
}

/// A missing cell enters the encoder as 0, as in ReconstructionScore. Without an encoder (translation) the conditions
/// are all that G takes.
void ScoringNetworks::encode_by_layers(MatrixView<const float> rows) {
  if (networks_.condition > 0) give_condition(rows, encoded_.slice_rows(0, rows.rows));
  if (!networks_.has(Role::encoder)) return;
  const StackView<float> known = filled_.slice_rows(0, rows.rows);
  fill(context_, known, 0.0f);
  run(context_, FillMissing{.x = shared_by(population(), rows), .replacement = known, .out = known});
  pass_by_layers(Role::encoder, known, encoder_buffers_.slice_rows(0, rows.rows),
                 encoded_.slice_rows(0, rows.rows).slice_columns(0, networks_.latent));
}

void ScoringNetworks::reconstruct_by_layers(MatrixView<const float> rows, bool with_residuals) {
  encode_by_layers(rows);
  pass_by_layers(Role::generator, encoded_.slice_rows(0, rows.rows), generator_buffers_.slice_rows(0, rows.rows),
                 reconstruction(rows.rows).slice_columns(0, networks_.columns));
  repeat_condition(rows);
  RowDistance residual;
  residual.a = shared_by(population(), rows);
  residual.b = reconstruction(rows.rows);
  residual.metric = options_.residual;
  residual.distance = loss(rows.rows);
  if (column_scale_) {
    residual.column_scale = column_scale_;
    residual.limit = most_spreads;
  }
  run(context_, residual);
  if (with_residuals) compare_with_reconstruction(rows);
}

void ScoringNetworks::reconstruct(MatrixView<const float> rows, bool with_residuals) {
  if (runs_by_layers()) return reconstruct_by_layers(rows, with_residuals);
  ReconstructionScore args = reconstruction_arguments(rows);
  args.residual = loss(rows.rows);
  args.reconstruction = reconstruction(rows.rows);
  if (column_scale_) {
    args.column_scale = column_scale_;
    args.limit = most_spreads;
  }
  if (with_residuals) args.feature_residual = feature_residual(rows.rows);
  run(context_, args);
}

StackView<const float> ScoringNetworks::fill_missing(MatrixView<const float> rows) {
  const StackView<float> filled = filled_.slice_rows(0, rows.rows);
  run(context_,
      FillMissing{.x = shared_by(population(), rows), .replacement = reconstruction(rows.rows), .out = filled});
  return filled;
}

void ScoringNetworks::compare_with_reconstruction(MatrixView<const float> rows) {
  const auto cells = [&](StackView<float> of_rows) {
    return StackView<float>(of_rows.data, population(), of_rows.rows * of_rows.columns, 1, of_rows.model_stride, 1);
  };
  fill_missing(rows);
  take_distance(cells(filled_.slice_rows(0, rows.rows)), cells(reconstruction(rows.rows)), Distance::l1,
                cells(feature_residual(rows.rows)));
}

StackView<const float> ScoringNetworks::judge(StackView<const float> filled, const SomeModels& models) {
  const Network& judge = networks_.discriminator();
  const Network::Buffers buffers = judge_buffers_.slice_rows(0, filled.rows).slice_models(0, filled.models);
  const StackView<const float> z = judge.is_joint() ? latents(filled.rows) : StackView<const float>();
  judge.forward(context_, models.of(weight(Role::discriminator)), {.x = filled, .z = z}, buffers);
  return buffers.result();
}

void ScoringNetworks::take_loss(StackView<const float> logit, StackView<float> out) {
  run(context_, SigmoidCrossEntropy{.logit = logit,
                                    .target = 1.0f,
                                    .weight = 1.0f,
                                    .dlogit = {},
                                    .per_row = out,
                                    .loss = {},
                                    .mean_probability = {}});
}

void ScoringNetworks::take_distance(StackView<const float> a, StackView<const float> b, Distance metric,
                                    StackView<float> out) {
  RowDistance distance;
  distance.a = a;
  distance.b = b;
  distance.metric = metric;
  distance.distance = out;
  run(context_, distance);
}

}  // namespace cugad
