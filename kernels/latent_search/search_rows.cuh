#pragma once

#include "kernels/latent_search/search_memory.cuh"

/// The rows of a tile in global memory, which a block loads before its search and stores after it.
namespace cugad::device {

class SearchRows {
 public:
  __device__ explicit SearchRows(const cuda::SearchArguments& args)
      : args_(args),
        search_(args.search),
        model_(args.first_model + blockIdx.z),
        begin_(static_cast<std::int64_t>(blockIdx.x) * args.shape.rows),
        count_(static_cast<int>(min(static_cast<std::int64_t>(args.shape.rows), args.search.z.rows - begin_))) {}

  /// Rows of the tile that there are.
  __device__ int count() const { return count_; }

  __device__ void load_biases(const SearchMemory& memory) const {
    for (int l = 0; l < args_.layers.encoder; ++l) load_bias(args_.encoder.layer[l], args_.encoded[l].bias, memory);
    for (int l = 0; l < args_.layers.generator; ++l)
      load_bias(search_.generator.layer[l], args_.generated[l].bias, memory);
    for (int l = 0; l < args_.layers.judged; ++l)
      load_bias(search_.discriminator.layer[l], args_.judged[l].bias, memory);
  }
  /// z (unless an encoder gives it), x and zeroed moments; the pads of everything that a product may read are zeros.
  /// Whether a cell is missing.
  __device__ bool load_rows(const SearchMemory& memory) {
    const int threads = static_cast<int>(blockDim.x), thread = static_cast<int>(threadIdx.x);
    for (int i = thread; i < args_.activations; i += threads) memory.activations[i] = 0.0f;
    for (int i = thread; i < args_.shape.rows * args_.latent_stride; i += threads) {
      const int row = i / args_.latent_stride, c = i % args_.latent_stride;
      const bool there = args_.layers.encoder == 0 && row < count_ && c < latent();
      memory.z[i] =
          there ? search_.z.data[model_ * search_.z.model_stride + (begin_ + row) * search_.z.row_stride + c] : 0.0f;
      memory.first_moment[i] = 0.0f;
      memory.second_moment[i] = 0.0f;
    }
    for (int i = thread; i < args_.shape.rows * args_.wanted_stride; i += threads) memory.wanted[i] = 0.0f;
    bool missing = false;
    for (int i = thread; i < args_.shape.rows * args_.query_stride; i += threads) {
      const int row = i / args_.query_stride, c = i % args_.query_stride;
      float value = row < count_ && c < columns() ? query(row)[c] : 0.0f;
      if (value != value) {
        missing = true;
        value = 0.0f;
      }
      memory.x[i] = value;
    }
    return __syncthreads_or(missing ? 1 : 0) != 0;
  }

  /// The row of x that row `row` of the tile searches for.
  __device__ const float* query(int row) const {
    return search_.x.data + model_ * search_.x.model_stride + (begin_ + row) / search_.restarts * search_.x.row_stride;
  }

  __device__ void store_row(int row, float loss, float residual, float discrimination) const {
    if (args_.row_losses != nullptr) {
      float* out = args_.row_losses + (model_ * search_.z.rows + begin_ + row) * 3;
      out[0] = loss;
      out[1] = residual;
      out[2] = discrimination;
      return;
    }
    if (search_.loss) *row_of(search_.loss, row) = loss;
    if (search_.residual) *row_of(search_.residual, row) = residual;
    if (search_.discrimination) *row_of(search_.discrimination, row) = discrimination;
  }

  __device__ void store_rows(const SearchMemory& memory) const {
    const int threads = static_cast<int>(blockDim.x), thread = static_cast<int>(threadIdx.x);
    const bool chosen_later = args_.row_losses != nullptr;
    for (int i = thread; i < count_ * latent(); i += threads) {
      const int row = i / latent(), c = i % latent();
      const float value = memory.z[row * args_.latent_stride + c];
      if (search_.z) row_of(search_.z, row)[c] = value;
      if (search_.best_z && !chosen_later) row_of(search_.best_z, row)[c] = value;
    }
    if (chosen_later || (!search_.reconstruction && !search_.feature_residual)) return;
    const cuda::LayerPlace& place = args_.generated[args_.layers.generator - 1];
    const float* generated = memory.activations + place.offset;
    for (int i = thread; i < count_ * columns(); i += threads) {
      const int row = i / columns(), c = i % columns();
      const float value = generated[row * place.stride + c];
      if (search_.reconstruction) row_of(search_.reconstruction, row)[c] = value;
      if (!search_.feature_residual) continue;
      const float cell = query(row)[c];
      row_of(search_.feature_residual, row)[c] = cell == cell ? fabsf(cell - value) : 0.0f;
    }
  }

 private:
  __device__ int latent() const { return static_cast<int>(search_.z.columns); }
  __device__ int columns() const { return static_cast<int>(search_.x.columns); }
  __device__ void load_bias(const LayerView& layer, int at, const SearchMemory& memory) const {
    const float* bias = layer.bias + model_ * layer.model_stride;
    for (int c = static_cast<int>(threadIdx.x); c < layer.out; c += static_cast<int>(blockDim.x)) {
      memory.biases[at + c] = bias[c];
    }
  }

  __device__ float* row_of(const StackView<float>& view, int row) const {
    return view.data + model_ * view.model_stride + (begin_ + row) * view.row_stride;
  }

  const cuda::SearchArguments& args_;
  const LatentSearch& search_;
  std::int64_t model_, begin_;
  int count_;
};

}  // namespace cugad::device
