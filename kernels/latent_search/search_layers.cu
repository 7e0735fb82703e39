#include <algorithm>

#include "kernels/device/entries.hpp"
#include "kernels/device/step_graph.cuh"
#include "kernels/latent_search/layers_state.hpp"
#include "kernels/latent_search/search_general.hpp"
#include "kernels/latent_search/search_layers.hpp"

/// The latent search as a sequence of dense layers: for networks that fit no block. One step is recorded as a graph and
/// launched `steps` times; the step's number lives on the device. The host cannot see missing cells, so that with
/// feature matching the query's features are recomputed in every step. In fp32 the results have the same bits as the
/// fused search.
namespace cugad::cuda {
namespace {

/// Working memory of one chunk of z rows; more rows and models come after each other.
constexpr std::int64_t chunk_bytes = std::int64_t{256} << 20;
constexpr std::int64_t chunk_rows = 256;  ///< rows of every model, before models are split

std::int64_t whole(std::int64_t bytes) { return (bytes + 255) / 256 * 256; }

std::int64_t widest_of(const LatentSearch& args) {
  std::int64_t widest = std::max(args.z.columns, args.x.columns);
  for (int l = 0; l < args.generator.layers; ++l) widest = std::max<std::int64_t>(widest, args.generator.layer[l].out);
  for (int l = 0; l < search_layers_of(args).judged; ++l) {
    widest = std::max<std::int64_t>(widest, args.discriminator.layer[l].out);
  }
  return widest;
}

/// Floats per z row of everything that a chunk holds.
std::int64_t row_floats(const LatentSearch& args) {
  const SearchLayers layers = search_layers_of(args);
  std::int64_t floats = 2 * args.z.columns + args.x.columns + 2 + 2 * widest_of(args);
  for (int l = 0; l < layers.generator; ++l) floats += args.generator.layer[l].out;
  for (int l = 0; l < layers.judged; ++l) floats += args.discriminator.layer[l].out;
  if (layers.features > 0) floats += args.discriminator.layer[layers.features - 1].out;
  return floats;
}

/// How the z rows of all models are cut, and the bytes that a chunk takes.
struct Chunking {
  std::int64_t models, rows, bytes;
};
Chunking chunking_of(const LatentSearch& args) {
  const std::int64_t row_bytes = row_floats(args) * static_cast<std::int64_t>(sizeof(float));
  Chunking cut;
  cut.models =
      std::clamp<std::int64_t>(chunk_bytes / (row_bytes * std::min(chunk_rows, args.z.rows)), 1, args.z.models);
  cut.rows = std::clamp<std::int64_t>(chunk_bytes / (row_bytes * cut.models), 1, args.z.rows);
  constexpr std::int64_t buffers = 2 * NetworkView::max_layers + 8;  // each begins at a multiple of 256 bytes
  cut.bytes = row_bytes * cut.models * cut.rows + 256 * buffers + whole(static_cast<std::int64_t>(adam_clock_bytes()));
  return cut;
}

NetworkView models_from(NetworkView network, std::int64_t first) {
  for (int l = 0; l < network.layers; ++l) {
    network.layer[l].weight += first * network.layer[l].model_stride;
    network.layer[l].bias += first * network.layer[l].model_stride;
  }
  return network;
}

/// Models [first, first + count) alone.
LatentSearch models_of(const LatentSearch& args, std::int64_t first, std::int64_t count) {
  LatentSearch part = args;
  part.generator = models_from(args.generator, first);
  if (search_layers_of(args).judged > 0) part.discriminator = models_from(args.discriminator, first);
  part.x = args.x.slice_models(first, count);
  using Output = StackView<float> LatentSearch::*;
  for (const Output view :
       {&LatentSearch::z, &LatentSearch::loss, &LatentSearch::residual, &LatentSearch::discrimination,
        &LatentSearch::best_z, &LatentSearch::feature_residual, &LatentSearch::reconstruction}) {
    if (args.*view) part.*view = (args.*view).slice_models(first, count);
  }
  return part;
}

/// One chunk: its buffers and the launches of a step.
class LayersChunk {
 public:
  LayersChunk(Context& context, const LatentSearch& args, std::int64_t begin, std::int64_t rows, unsigned char* memory,
              float* row_losses)
      : context_(context), layers_(search_layers_of(args)), memory_(memory) {
    state_.search = args;
    state_.begin = begin;
    state_.rows = rows;
    state_.models = args.z.models;
    state_.row_losses = row_losses;
    state_.clock = reinterpret_cast<AdamClock*>(take(static_cast<std::int64_t>(adam_clock_bytes())));
    state_.first_moment = buffer(args.z.columns);
    state_.second_moment = buffer(args.z.columns);
    state_.x = buffer(args.x.columns);
    state_.row_scale = buffer(2);
    for (int l = 0; l < layers_.generator; ++l) generated_[l] = buffer(args.generator.layer[l].out);
    for (int l = 0; l < layers_.judged; ++l) judged_[l] = buffer(args.discriminator.layer[l].out);
    if (layers_.features > 0) {
      state_.features = args.discriminator.layer[layers_.features - 1].out;
      state_.wanted = buffer(state_.features);
      state_.judged = judged_[layers_.features - 1];
    }
    if (uses_logit(args)) state_.logit = judged_[layers_.judged - 1];
    state_.generated = generated_[layers_.generator - 1];
    gradient_[0] = buffer(widest_of(args));
    gradient_[1] = buffer(widest_of(args));
  }

  void run() {
    void* stream = context_.stream();
    load_layers(stream, state_);
    device::repeat(stream, state_.search.steps, [&] { step(); });
    forward();
    store_layers(stream, state_);
  }

 private:
  unsigned char* take(std::int64_t bytes) {
    unsigned char* at = memory_;
    memory_ += whole(bytes);
    return at;
  }
  float* buffer(std::int64_t width) {
    return reinterpret_cast<float*>(
        take(static_cast<std::int64_t>(sizeof(float)) * state_.models * state_.rows * width));
  }
  StackView<float> view(float* data, std::int64_t width) const { return {data, state_.models, state_.rows, width}; }
  StackView<const float> weight(const LayerView& layer) const {
    return {layer.weight, state_.models, layer.out, layer.in, layer.model_stride, layer.in};
  }
  StackView<const float> z() const { return state_.search.z.slice_rows(state_.begin, state_.rows); }

  void step() {
    forward();
    begin_layers_step(context_.stream(), state_);
    const float* gradient = backward();
    update_layers(context_.stream(), state_, gradient);
  }

  void layer_forward(const LayerView& layer, const StackView<const float>& x, float* y) {
    DenseForward args;
    args.x = x;
    args.weight = weight(layer);
    args.bias = {layer.bias, state_.models, 1, layer.out, layer.model_stride, layer.out};
    args.y = view(y, layer.out);
    args.activation = layer.activation;
    args.slope = layer.slope;
    dense_forward_entry().run(context_, args);
  }
  void hidden_forward(float* input, float* features) {
    StackView<const float> x = view(input, state_.search.x.columns);
    const int count = features != nullptr ? layers_.features : layers_.judged;
    for (int l = 0; l < count; ++l) {
      const LayerView& layer = state_.search.discriminator.layer[l];
      float* y = features != nullptr && l + 1 == count ? features : judged_[l];
      layer_forward(layer, x, y);
      x = view(y, layer.out);
    }
  }
  void forward() {
    StackView<const float> x = z();
    for (int l = 0; l < layers_.generator; ++l) {
      layer_forward(state_.search.generator.layer[l], x, generated_[l]);
      x = view(generated_[l], state_.search.generator.layer[l].out);
    }
    fill_layers(context_.stream(), state_);
    if (layers_.features > 0) hidden_forward(state_.x, state_.wanted);
    hidden_forward(state_.generated, nullptr);
  }

  /// dH of a layer from dY in `gradient_[0]`, then the gradient of its input, which becomes gradient_[0].
  void layer_backward(const LayerView& layer, float* y) {
    DenseBackward args;
    args.x = view(gradient_[1], layer.in);  // only its shape: weights are frozen
    args.weight = weight(layer);
    args.y = view(y, layer.out);
    args.dy = view(gradient_[0], layer.out);
    args.dx = view(gradient_[1], layer.in);
    args.activation = layer.activation;
    args.slope = layer.slope;
    dense_backward_entry().run(context_, args);
    std::swap(gradient_[0], gradient_[1]);
  }
  const float* backward() {
    void* stream = context_.stream();
    if (uses_logit(state_.search)) {
      gradient_layers(stream, state_, LayersGradient::logit, false, gradient_[0]);
    } else if (layers_.features > 0) {
      gradient_layers(stream, state_, LayersGradient::feature, false, gradient_[0]);
    }
    for (int l = layers_.judged - 1; l >= 0; --l) {
      layer_backward(state_.search.discriminator.layer[l], judged_[l]);
      if (l > 0 && l == layers_.features) gradient_layers(stream, state_, LayersGradient::feature, true, gradient_[0]);
    }
    gradient_layers(stream, state_, LayersGradient::residual, layers_.judged > 0, gradient_[0]);
    for (int l = layers_.generator - 1; l >= 0; --l) {
      layer_backward(state_.search.generator.layer[l], generated_[l]);
    }
    return gradient_[0];
  }

  Context& context_;
  SearchLayers layers_;
  unsigned char* memory_;
  LayersState state_;
  float* generated_[NetworkView::max_layers] = {};
  float* judged_[NetworkView::max_layers] = {};
  float* gradient_[2] = {};
};

/// The scratch memory of the dense layers of one chunk; it comes first, so that their own requests return it.
std::size_t dense_workspace(const Context& context, const LatentSearch& args) {
  const Chunking cut = chunking_of(args);
  std::size_t bytes = 0;
  const auto look = [&](const NetworkView& network, int layers) {
    for (int l = 0; l < layers; ++l) {
      const LayerView& layer = network.layer[l];
      const StackView<float> in(nullptr, cut.models, cut.rows, layer.in), out(nullptr, cut.models, cut.rows, layer.out);
      DenseForward forward;
      forward.x = in;
      forward.weight = {layer.weight, cut.models, layer.out, layer.in, layer.model_stride, layer.in};
      forward.y = out;
      DenseBackward backward;
      backward.x = in;
      backward.weight = forward.weight;
      backward.y = out;
      backward.dy = out;
      backward.dx = in;
      bytes = std::max({bytes, dense_forward_entry().workspace(context, forward),
                        dense_backward_entry().workspace(context, backward)});
    }
  };
  look(args.generator, args.generator.layers);
  look(args.discriminator, search_layers_of(args).judged);
  return bytes;
}

/// Parts of the scratch memory, for a search and the G(z) of chosen restarts after it.
struct Workspace {
  std::int64_t dense = 0, chunk = 0, losses = 0, chosen = 0;
  std::int64_t bytes() const { return dense + chunk + losses + chosen; }
};
Workspace workspace_of(const Context& context, const LatentSearch& args) {
  const auto floats = static_cast<std::int64_t>(sizeof(float));
  Workspace parts;
  parts.dense = whole(static_cast<std::int64_t>(dense_workspace(context, args)));
  parts.chunk = whole(chunking_of(args).bytes);
  if (args.restarts > 1) parts.losses = whole(floats * 3 * args.z.models * args.z.rows);
  if (needs_reconstruction(args)) {
    const LatentSearch last = reconstruction_of(args, nullptr);
    parts.dense = std::max(parts.dense, whole(static_cast<std::int64_t>(dense_workspace(context, last))));
    parts.chunk = std::max(parts.chunk, whole(chunking_of(last).bytes));
    parts.chosen = whole(floats * args.z.models * args.x.rows * args.z.columns);
  }
  return parts;
}

void run_chunks(Context& context, const LatentSearch& args, unsigned char* memory, float* row_losses) {
  const Chunking cut = chunking_of(args);
  for (std::int64_t model = 0; model < args.z.models; model += cut.models) {
    const LatentSearch part = models_of(args, model, std::min(cut.models, args.z.models - model));
    float* losses = row_losses == nullptr ? nullptr : row_losses + 3 * model * args.z.rows;
    for (std::int64_t row = 0; row < args.z.rows; row += cut.rows) {
      LayersChunk(context, part, row, std::min(cut.rows, args.z.rows - row), memory, losses).run();
    }
  }
}

}  // namespace

std::size_t search_layers_workspace(const Context& context, const LatentSearch& args) {
  return static_cast<std::size_t>(workspace_of(context, args).bytes());
}

void search_layers(Context& context, const LatentSearch& args) {
  const Workspace parts = workspace_of(context, args);
  auto* memory = static_cast<unsigned char*>(context.scratch(static_cast<std::size_t>(parts.bytes()))) + parts.dense;
  auto* losses = args.restarts > 1 ? reinterpret_cast<float*>(memory + parts.chunk) : nullptr;
  run_chunks(context, args, memory, losses);
  if (args.restarts == 1) return;
  const bool reconstructs = needs_reconstruction(args);
  auto* chosen = reconstructs ? reinterpret_cast<float*>(memory + parts.chunk + parts.losses) : nullptr;
  choose_restart(context.stream(), args, losses, chosen);
  if (reconstructs) run_chunks(context, reconstruction_of(args, chosen), memory, nullptr);
}

}  // namespace cugad::cuda
