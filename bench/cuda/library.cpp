#include <cublasLt.h>

#include <bit>

#include "bench/cuda/activation.hpp"
#include "bench/device.hpp"
#include "cugad/error.hpp"

/// cuBLASLt beside the library's own kernels: the ceiling of matrix products, and a dense layer as cuBLASLt's product
/// with its bias epilogue followed by a kernel for the activation. Operands are float32 as in the op's contract; of up
/// to eight algorithms that cuBLASLt proposes, the fastest in a trial counts.
namespace cugad::bench {
namespace {

void check(cublasStatus_t status, const char* call) {
  if (status != CUBLAS_STATUS_SUCCESS)
    throw Error(ErrorCode::device, std::string(call) + ": " + cublasLtGetStatusString(status));
}

/// Y = X W^T (+ bias) of row-major matrices; descriptions live as long as the program.
class LibraryProduct {
 public:
  LibraryProduct(Context& context, Arena& arena, std::int64_t rows, std::int64_t in, std::int64_t out,
                 cudaDataType type, cublasComputeType_t compute, cudaDataType result_type, const void* bias)
      : context_(context), workspace_(arena.take<char>("workspace", workspace_bytes)) {
    static const cublasLtHandle_t handle = [] {
      cublasLtHandle_t made = nullptr;
      check(cublasLtCreate(&made), "cublasLtCreate");
      return made;
    }();
    handle_ = handle;
    check(cublasLtMatmulDescCreate(&description_, compute, CUDA_R_32F), "cublasLtMatmulDescCreate");
    const cublasOperation_t transposed = CUBLAS_OP_T;
    check(cublasLtMatmulDescSetAttribute(description_, CUBLASLT_MATMUL_DESC_TRANSA, &transposed, sizeof transposed),
          "TRANSA");
    if (bias != nullptr) {
      const cublasLtEpilogue_t epilogue = CUBLASLT_EPILOGUE_BIAS;
      check(cublasLtMatmulDescSetAttribute(description_, CUBLASLT_MATMUL_DESC_EPILOGUE, &epilogue, sizeof epilogue),
            "EPILOGUE");
      check(cublasLtMatmulDescSetAttribute(description_, CUBLASLT_MATMUL_DESC_BIAS_POINTER, &bias, sizeof bias),
            "BIAS_POINTER");
    }
    const auto layout = [](cudaDataType kind, std::int64_t height, std::int64_t width) {
      cublasLtMatrixLayout_t made = nullptr;
      check(cublasLtMatrixLayoutCreate(&made, kind, height, width, height), "cublasLtMatrixLayoutCreate");
      return made;
    };
    weight_ = layout(type, in, out);
    x_ = layout(type, in, rows);
    y_ = layout(result_type, out, rows);
    cublasLtMatmulPreference_t preference = nullptr;
    check(cublasLtMatmulPreferenceCreate(&preference), "cublasLtMatmulPreferenceCreate");
    const std::size_t bytes = workspace_bytes;
    check(cublasLtMatmulPreferenceSetAttribute(preference, CUBLASLT_MATMUL_PREF_MAX_WORKSPACE_BYTES, &bytes,
                                               sizeof bytes),
          "WORKSPACE");
    cublasLtMatmulHeuristicResult_t found[8] = {};
    int count = 0;
    const cublasStatus_t status =
        cublasLtMatmulAlgoGetHeuristic(handle_, description_, weight_, x_, y_, y_, preference, 8, found, &count);
    cublasLtMatmulPreferenceDestroy(preference);
    check(status, "cublasLtMatmulAlgoGetHeuristic");
    candidates_.assign(found, found + count);
  }
  ~LibraryProduct() {
    cublasLtMatrixLayoutDestroy(weight_);
    cublasLtMatrixLayoutDestroy(x_);
    cublasLtMatrixLayoutDestroy(y_);
    cublasLtMatmulDescDestroy(description_);
  }
  LibraryProduct(const LibraryProduct&) = delete;
  LibraryProduct& operator=(const LibraryProduct&) = delete;

  /// Chooses the fastest of the proposed algorithms; false if there is none.
  bool tune(const void* x, const void* weight, void* y) {
    double best = 1e30;
    std::size_t chosen = candidates_.size();
    for (std::size_t i = 0; i < candidates_.size(); ++i) {
      chosen_ = i;
      issue(x, weight, y);
      context_.synchronize();
      const auto before = std::chrono::steady_clock::now();
      for (int n = 0; n < 20; ++n) issue(x, weight, y);
      context_.synchronize();
      const double took = std::chrono::duration<double>(std::chrono::steady_clock::now() - before).count();
      if (took < best) best = took, chosen = i;
    }
    chosen_ = chosen;
    return chosen < candidates_.size();
  }
  void issue(const void* x, const void* weight, void* y) {
    const float one = 1.0f, zero = 0.0f;
    check(cublasLtMatmul(handle_, description_, &one, weight, weight_, x, x_, &zero, y, y_, y, y_,
                         &candidates_[chosen_].algo, workspace_, workspace_bytes,
                         static_cast<cudaStream_t>(context_.stream())),
          "cublasLtMatmul");
  }

 private:
  static constexpr std::size_t workspace_bytes = std::size_t{32} << 20;
  Context& context_;
  void* workspace_;
  cublasLtHandle_t handle_ = nullptr;
  cublasLtMatmulDesc_t description_ = nullptr;
  cublasLtMatrixLayout_t weight_ = nullptr, x_ = nullptr, y_ = nullptr;
  std::vector<cublasLtMatmulHeuristicResult_t> candidates_;
  std::size_t chosen_ = 0;
};

cublasComputeType_t compute_type(Precision precision) {
  return precision == Precision::fp32   ? CUBLAS_COMPUTE_32F
         : precision == Precision::tf32 ? CUBLAS_COMPUTE_32F_FAST_TF32
                                        : CUBLAS_COMPUTE_32F_FAST_16BF;
}

/// n x n random numbers in [-1, 1), in the memory of as many floats; in bf16 they take half of it.
StackView<float> operand(Context& context, Arena& arena, std::int64_t n, std::uint32_t lane, Precision precision) {
  const StackView<float> values = uniform(context, arena, 1, n, n, lane, -1.0f, 1.0f);
  if (precision != Precision::bf16) return values;
  constexpr std::int64_t piece = std::int64_t{1} << 20;  // repeated: only its rate matters
  const std::vector<float> wide = download(context, values.data, piece);
  std::vector<std::uint16_t> narrow(wide.size());
  for (std::size_t i = 0; i < wide.size(); ++i)
    narrow[i] = static_cast<std::uint16_t>(std::bit_cast<std::uint32_t>(wide[i]) >> 16);
  auto* const target = reinterpret_cast<std::uint16_t*>(values.data);
  for (std::int64_t first = 0; first < n * n; first += piece)
    context.backend().copy(target + first, narrow.data(), sizeof(std::uint16_t) * narrow.size(), context.stream());
  return values;
}

/// A square product of the size that lets the library reach its best rate; bf16 operands if the mode is bf16.
void ceiling_matrix(benchmark::State& state, Precision precision) {
  const std::int64_t n = precision == Precision::fp32 ? 4096 : 8192;
  const cudaDataType type = precision == Precision::bf16 ? CUDA_R_16BF : CUDA_R_32F;
  const cublasComputeType_t compute = precision == Precision::bf16 ? CUBLAS_COMPUTE_32F : compute_type(precision);
  Context context = make_context(precision);
  Arena arena(context);
  const StackView<float> x = operand(context, arena, n, 0, precision), w = operand(context, arena, n, 1, precision),
                         y = arena.stack("y", 1, n, n);
  LibraryProduct product(context, arena, n, n, n, type, compute, type, nullptr);
  if (!product.tune(x.data, w.data, y.data)) return state.SkipWithError("cuBLASLt proposes no algorithm");
  measure(state, context, [&](std::int64_t) { product.issue(x.data, w.data, y.data); });
  count(state, "products/s", 1, 0, 2.0 * static_cast<double>(n * n * n));
}

void library_dense(benchmark::State& state, std::int64_t rows, std::int64_t in, std::int64_t out, Precision precision) {
  Context context = make_context(precision);
  Arena arena(context);
  const StackView<float> bias = uniform(context, arena, 1, 1, out, 2);
  struct Layer {
    StackView<float> x, weight, y;
  };
  std::vector<Layer> layers(static_cast<std::size_t>(copies_of(4 * (rows * (in + out) + in * out))));
  for (Layer& one : layers) {
    one = {uniform(context, arena, 1, rows, in, 0), uniform(context, arena, 1, out, in, 1, -0.1f, 0.1f),
           arena.stack("y", 1, rows, out)};
  }
  LibraryProduct product(context, arena, rows, in, out, CUDA_R_32F, compute_type(precision), CUDA_R_32F, bias.data);
  if (!product.tune(layers[0].x.data, layers[0].weight.data, layers[0].y.data))
    return state.SkipWithError("cuBLASLt proposes no algorithm");
  const std::int64_t cells = rows * out;
  const auto issue = [&](std::int64_t i) {
    const Layer& one = layers[static_cast<std::size_t>(i) % layers.size()];
    product.issue(one.x.data, one.weight.data, one.y.data);
    leaky_relu(context.stream(), one.y.data, cells, 0.2f);
  };
  issue(0);
  const StackView<float> ours = arena.stack("ours", 1, rows, out);
  run(context, DenseForward{.x = layers[0].x,
                            .weight = layers[0].weight,
                            .bias = bias,
                            .y = ours,
                            .activation = Activation::leaky_relu,
                            .slope = 0.2f,
                            .dropout = {},
                            .derivative_of = {}});
  if (!close(download(context, layers[0].y.data, cells), download(context, ours.data, cells),
             2 * tolerance_of(precision)))
    return state.SkipWithError("differs from dense_forward");
  measure(state, context, issue);
  count(state, "rows/s", static_cast<double>(rows), 0, 2.0 * static_cast<double>(rows * in * out));
}

}  // namespace

void add_library() {
  for (const Precision precision : precisions()) {
    const std::string mode = name_of(precision);
    add("ceiling_matrix_" + mode, ceiling_matrix, precision)->Unit(benchmark::kMillisecond);
    for (const std::int64_t rows : {50, 1024, 4096, 65536}) {
      for (const auto& [in, out] :
           {std::pair<int, int>{32, 64}, {64, 128}, {128, 121}, {121, 256}, {256, 128}, {128, 128}, {128, 1}}) {
        const std::string shape = "1/" + std::to_string(rows) + "/" + std::to_string(in) + "/" + std::to_string(out);
        add("library_dense/" + shape + "/" + mode, library_dense, rows, std::int64_t{in}, std::int64_t{out}, precision)
            ->Unit(benchmark::kMicrosecond);
      }
    }
  }
}

}  // namespace cugad::bench
