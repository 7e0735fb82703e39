#pragma once

#include "kernels/device/activation.cuh"
#include "kernels/latent_search/panel_stream.cuh"
#include "kernels/latent_search/search_rows.cuh"
#include "kernels/latent_search/search_sequence.cuh"
#include "kernels/latent_search/tile_multiply.cuh"

/// A block's whole search of one tile of z rows. Every layer's output stays in shared memory; the backward pass writes
/// each gradient over the output that it has just consumed, so that no further memory is needed. A step is one sequence
/// of products; the epilogue of each product consumes its sums.
namespace cugad::device {

template <Precision precision>
class SearchBlock {
 public:
  __device__ explicit SearchBlock(const cuda::SearchArguments& args, SharedMemory& memory)
      : args_(args),
        search_(args.search),
        rows_(args),
        stream_(args.shape, args.product, precision, args.packed + blockIdx.z * args.packed_stride, args.packed_bytes,
                memory),
        memory_(args, memory),
        roles_(args, memory_) {}

  __device__ void run() {
    // Read for every distance, though only Euclidean ones use it.
    for (int i = static_cast<int>(threadIdx.x); i < 2 * args_.shape.rows; i += static_cast<int>(blockDim.x)) {
      memory_.row_scale[i] = 0.0f;
    }
    rows_.load_biases(memory_);
    has_missing_ = rows_.load_rows(memory_);
    SearchSequence sequence;
    sequence.layers = args_.layers;
    sequence.refilled = has_missing_;
    sequence.backwards = search_.steps > 0;
    const int forward_end = sequence.forward_end();
    int position = sequence.start();
    stream_.begin(sequence, position);
    AdamPowers powers;
    for (std::int64_t step = 0; step <= search_.steps; ++step) {
      stepping_ = step < search_.steps;
      for (; position < (stepping_ ? sequence.end() : forward_end); ++position) {
        if (position == forward_end) {
          if (threadIdx.x == 0) *memory_.adam = next_adam_step(search_, step, powers);
          prepare_gradients();
        }
        multiply(args_.product[sequence.product_at(position)], roles_.role_of(sequence, position));
      }
      position = 0;
    }
    stream_.finish();
    __syncthreads();
    store_losses();
    rows_.store_rows(memory_);
  }

 private:
  __device__ int latent() const { return static_cast<int>(search_.z.columns); }
  __device__ int columns() const { return static_cast<int>(search_.x.columns); }
  __device__ int feature_columns() const { return search_.discriminator.layer[args_.layers.features - 1].out; }
  __device__ float* generated(int layer) const { return memory_.activations + args_.generated[layer].offset; }
  __device__ float* judged(int layer) const { return memory_.activations + args_.judged[layer].offset; }
  __device__ float* last_generated() const { return generated(args_.layers.generator - 1); }
  __device__ int last_stride() const { return args_.generated[args_.layers.generator - 1].stride; }

  __device__ void multiply(const cuda::TileProduct& product, const Role& role) {
    const int columns = cuda::rounded_up(product.outer, cuda::column_step(precision));
    const int steps = (product.inner + cuda::inner_step(precision) - 1) / cuda::inner_step(precision);
    for (int first = 0; first < columns; first += args_.shape.pass_columns) {
      const int width = min(columns - first, args_.shape.pass_columns);
      const TileMultiply<precision> tile(args_.shape, rows_.count(), first, width);
      float sum[4][4];
#pragma unroll
      for (int e = 0; e < tile.sums; ++e) {
        const int column = tile.place(e).column;
        sum[e / 4][e % 4] = role.bias != nullptr && column < product.outer ? role.bias[column] : 0.0f;
      }
      for (int step = 0; step < steps; step += product.panel_steps) {
        const unsigned char* panel = stream_.open(product, first, width, step);
        if (tile.active()) {
          tile.accumulate(sum, role.input, role.input_stride, product.inner, panel, step,
                          min(product.panel_steps, steps - step));
        }
      }
      if (tile.active()) end(tile, role, product.outer, sum);
    }
  }

  // ---- endings ----

  /// Short work on all sums at once; long work (divisions, exponentials) afterwards, element by element.
  __device__ void end(const TileMultiply<precision>& tile, const Role& role, int outer, const float (&sum)[4][4]) {
    const bool forward = role.bias != nullptr;
#pragma unroll
    for (int e = 0; e < tile.sums; ++e) {
      const Element at = tile.place(e);
      if (at.column >= outer) continue;
      if (role.ending == Ending::latent_gradient) {
        const int i = at.row * role.out_stride + at.column;
        update_moments(search_, sum[e / 4][e % 4], memory_.z[i], memory_.first_moment[i], memory_.second_moment[i]);
      } else {
        float* out = role.out + at.row * role.out_stride + at.column;
        *out = forward ? rectified(role, sum[e / 4][e % 4]) : gradient(role, at, sum[e / 4][e % 4], *out);
      }
    }
    const bool curved = forward && (role.activation == Activation::sigmoid || role.activation == Activation::tanh);
    const bool refill = has_missing_ && role.ending == Ending::reconstruction;
    const bool steer = stepping_ && role.ending == Ending::logit;
    if (!curved && !refill && !steer && role.ending != Ending::latent_gradient) return;
#pragma unroll 1
    for (int e = 0; e < tile.sums; ++e) {
      const Element at = tile.place(e);
      if (at.column >= outer) continue;
      float* out = role.out + at.row * role.out_stride + at.column;
      if (curved) *out = activate(role.activation, role.slope, *out);
      if (refill) fill_missing(at, *out);
      if (steer) *out = logit_gradient(search_, *out);
      if (role.ending == Ending::latent_gradient) {
        const int i = at.row * role.out_stride + at.column;
        *out = stepped(search_, *memory_.adam, *out, memory_.first_moment[i], memory_.second_moment[i]);
      }
    }
  }

  /// The activations that cost next to nothing; others are left for later.
  __device__ static float rectified(const Role& role, float h) {
    if (role.activation == Activation::relu) return h > 0.0f || h != h ? h : 0.0f;
    return role.activation == Activation::leaky_relu && !(h > 0.0f) ? h * role.slope : h;
  }

  /// The value that overwrites the output `y`, `sum` being the gradient from the later layers.
  __device__ float gradient(const Role& role, const Element& at, float sum, float y) const {
    if (role.ending == Ending::feature_gradient) sum = sum + feature_gradient(at.row, at.column, y);
    if (role.ending == Ending::generated_gradient) sum = sum + residual_gradient(at.row, at.column, y);
    return sum * derivative(role.activation, role.slope, y);
  }

  __device__ float feature_gradient(int row, int c, float y) const {
    return distance_gradient(feature_metric(search_.discrimination_kind),
                             y - memory_.wanted[row * args_.wanted_stride + c], search_.lambda,
                             memory_.row_scale[args_.shape.rows + row]);
  }
  /// A missing cell holds G(z) itself, and has no gradient.
  __device__ float residual_gradient(int row, int c, float y) const {
    return distance_gradient(search_.residual_distance, y - memory_.x[row * args_.query_stride + c],
                             1.0f - search_.lambda, memory_.row_scale[row]);
  }

  __device__ void fill_missing(const Element& at, float y) const {
    if (at.row >= rows_.count()) return;
    const float cell = rows_.query(at.row)[at.column];
    if (cell != cell) memory_.x[at.row * args_.query_stride + at.column] = y;
  }

  /// The norms that gradients of Euclidean distances divide by, and the gradients that no product brings.
  __device__ void prepare_gradients() {
    const Distance metric = feature_metric(search_.discrimination_kind);
    const bool features = args_.layers.features > 0;
    const bool residual_norm = search_.residual_distance == Distance::l2;
    const bool feature_norm = features && metric == Distance::l2;
    __syncthreads();
    if (residual_norm || feature_norm) {
      for_row_pairs([&](int row, bool there) {
        if (residual_norm) store_scale(row, there, 0, residual(row, Distance::l2), 1.0f - search_.lambda);
        if (feature_norm)
          store_scale(row, there, args_.shape.rows, feature_distance(row, Distance::l2), search_.lambda);
      });
      __syncthreads();
    }
    if (args_.layers.judged == 0) {
      const LayerView& layer = search_.generator.layer[args_.layers.generator - 1];
      for_elements(columns(), last_generated(), last_stride(), [&](int row, int c, float y) {
        return residual_gradient(row, c, y) * derivative(layer.activation, layer.slope, y);
      });
    } else if (features && !uses_logit(search_)) {
      const int last = args_.layers.features - 1;
      const LayerView& layer = search_.discriminator.layer[last];
      for_elements(feature_columns(), judged(last), args_.judged[last].stride, [&](int row, int c, float y) {
        return (0.0f + feature_gradient(row, c, y)) * derivative(layer.activation, layer.slope, y);
      });
    }
  }

  __device__ float residual(int row, Distance metric) const {
    return half_warp_distance(metric, memory_.x + row * args_.query_stride, last_generated() + row * last_stride(),
                              columns());
  }
  __device__ float feature_distance(int row, Distance metric) const {
    const int last = args_.layers.features - 1;
    return half_warp_distance(metric, memory_.wanted + row * args_.wanted_stride,
                              judged(last) + row * args_.judged[last].stride, feature_columns());
  }
  __device__ void store_scale(int row, bool there, int offset, float distance, float factor) const {
    if (there && threadIdx.x % 16 == 0) memory_.row_scale[offset + row] = distance > 0.0f ? factor / distance : 0.0f;
  }

  /// body(row, there) for every row by a half-warp; whole warps come, so that they may shuffle.
  template <class Body>
  __device__ void for_row_pairs(const Body& body) const {
    const int half = static_cast<int>(threadIdx.x) / 16, halves = static_cast<int>(blockDim.x) / 16;
    for (int row = half; row - half % 2 < args_.shape.rows; row += halves) {
      const bool there = row < args_.shape.rows;
      body(there ? row : 0, there);
    }
  }

  /// out = body(row, column, out) for every element of a buffer.
  template <class Body>
  __device__ void for_elements(int width, float* out, int stride, const Body& body) const {
    for (int i = static_cast<int>(threadIdx.x); i < args_.shape.rows * width; i += static_cast<int>(blockDim.x)) {
      float& element = out[i / width * stride + i % width];
      element = body(i / width, i % width, element);
    }
  }

  __device__ void store_losses() const {
    for_row_pairs([&](int row, bool there) {
      const Distance metric = feature_metric(search_.discrimination_kind);
      const float distance = residual(row, search_.residual_distance);
      float discrimination = args_.layers.features > 0 ? feature_distance(row, metric) : 0.0f;
      if (!there || row >= rows_.count() || threadIdx.x % 16 != 0) return;
      float logit = 0.0f, square = 0.0f;
      if (uses_logit(search_)) {
        const int last = args_.layers.judged - 1;
        logit = judged(last)[row * args_.judged[last].stride];
      }
      if (search_.discrimination_kind == Discrimination::cross_entropy) discrimination = softplus(-logit);
      const int moving = static_cast<int>(free_columns(search_));
      for (int c = 0; c < moving; ++c) {
        const float z = memory_.z[row * args_.latent_stride + c];
        square = multiply_add(z, z, square);
      }
      rows_.store_row(row, total_loss(search_, distance, discrimination, logit, square), distance, discrimination);
    });
  }

  const cuda::SearchArguments& args_;
  const LatentSearch& search_;
  SearchRows rows_;
  bool has_missing_ = false, stepping_ = false;
  PanelStream<SearchSequence> stream_;
  SearchMemory memory_;
  SearchRoles roles_;
};

}  // namespace cugad::device
