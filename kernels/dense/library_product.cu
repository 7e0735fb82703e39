#include "kernels/dense/library_product.hpp"
#include "kernels/device/runtime.cuh"
#include "kernels/device/tile_load.cuh"

#if defined(__CUDACC__) && defined(CUGAD_CUBLASLT)
#include <cublasLt.h>

#include <map>
#include <memory>
#include <mutex>
#include <type_traits>
#endif

namespace cugad::cuda {

#if defined(__CUDACC__) && defined(CUGAD_CUBLASLT)

namespace {

/// From 512 x 512 on a product of many rows does more than 128 operations per byte and is bound by the tensor cores,
/// which cuBLASLt drives by wgmma at twice mma.sync's rate; below that size it is bound by memory: the fused kernel
/// loses nothing and saves launches. Arithmetic, not measured on a GPU.
constexpr std::int64_t library_width = 512, library_rows = 4096;
constexpr std::size_t workspace_bytes = std::size_t{32} << 20, workspace_alignment = 256;

void check(cublasStatus_t status, const char* call) {
  if (status == CUBLAS_STATUS_SUCCESS) return;
  throw Error(ErrorCode::device, std::string(call) + ": " + cublasLtGetStatusString(status));
}

/// One handle per device, made at its first use and kept: making one allocates.
cublasLtHandle_t handle_of_current_device() {
  static std::mutex mutex;
  static auto& handles = *new std::map<int, cublasLtHandle_t>;  // never freed: calls may come while the process ends
  int device = 0;
  device::check(cudaGetDevice(&device), "cudaGetDevice");
  const std::lock_guard<std::mutex> lock(mutex);
  cublasLtHandle_t& handle = handles[device];
  if (handle == nullptr) check(cublasLtCreate(&handle), "cublasLtCreate");
  return handle;
}

/// Owners of cuBLASLt's descriptions.
template <auto destroy>
struct Destroy {
  template <class T>
  void operator()(T* description) const {
    static_cast<void>(destroy(description));
  }
};
template <class Description, auto destroy>
using Owner = std::unique_ptr<std::remove_pointer_t<Description>, Destroy<destroy>>;

using Layout = Owner<cublasLtMatrixLayout_t, cublasLtMatrixLayoutDestroy>;
Layout layout(std::int64_t rows, std::int64_t columns, std::int64_t stride) {
  cublasLtMatrixLayout_t made = nullptr;
  check(cublasLtMatrixLayoutCreate(&made, CUDA_R_32F, static_cast<std::uint64_t>(rows),
                                   static_cast<std::uint64_t>(columns), stride),
        "cublasLtMatrixLayoutCreate");
  return Layout(made);
}

using Product = Owner<cublasLtMatmulDesc_t, cublasLtMatmulDescDestroy>;
/// C = A B^T on column-major matrices.
Product product(Precision precision) {
  cublasLtMatmulDesc_t made = nullptr;
  const cublasComputeType_t type =
      precision == Precision::tf32 ? CUBLAS_COMPUTE_32F_FAST_TF32 : CUBLAS_COMPUTE_32F_FAST_16BF;
  check(cublasLtMatmulDescCreate(&made, type, CUDA_R_32F), "cublasLtMatmulDescCreate");
  Product owner(made);
  const cublasOperation_t transposed = CUBLAS_OP_T;
  check(cublasLtMatmulDescSetAttribute(made, CUBLASLT_MATMUL_DESC_TRANSB, &transposed, sizeof transposed),
        "cublasLtMatmulDescSetAttribute");
  return owner;
}

using Preference = Owner<cublasLtMatmulPreference_t, cublasLtMatmulPreferenceDestroy>;
/// Algorithms that give the same bits in every run: a split of the rows may only be summed in the workspace. The
/// alignment is declared as 16 bytes in all cases, so that the choice of algorithm does not depend on a model's
/// position in a population.
Preference preference() {
  cublasLtMatmulPreference_t made = nullptr;
  check(cublasLtMatmulPreferenceCreate(&made), "cublasLtMatmulPreferenceCreate");
  Preference owner(made);
  const auto set = [&](cublasLtMatmulPreferenceAttributes_t attribute, auto value) {
    check(cublasLtMatmulPreferenceSetAttribute(made, attribute, &value, sizeof value),
          "cublasLtMatmulPreferenceSetAttribute");
  };
  set(CUBLASLT_MATMUL_PREF_MAX_WORKSPACE_BYTES, workspace_bytes);
  set(CUBLASLT_MATMUL_PREF_REDUCTION_SCHEME_MASK, static_cast<std::uint32_t>(CUBLASLT_REDUCTION_SCHEME_COMPUTE_TYPE));
  for (const auto alignment : {CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_A_BYTES, CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_B_BYTES,
                               CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_C_BYTES, CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_D_BYTES})
    set(alignment, std::uint32_t{16});
  return owner;
}

}  // namespace

bool library_weight_gradient_wins(const Context& context, const DenseBackward& args) {
  return context.precision() != Precision::fp32 && args.dweight && args.dy.models > 0 && args.dy.rows >= library_rows &&
         args.dweight.rows >= library_width && args.dweight.columns >= library_width &&
         device::rows_are_vectors(args.x) && device::rows_are_vectors(args.dy) &&
         device::rows_are_vectors(args.dweight);
}

std::size_t library_workspace() {
  static_cast<void>(handle_of_current_device());  // before a graph is recorded: creation is forbidden then
  return workspace_bytes + workspace_alignment;
}

void library_weight_gradient(Context& context, const DenseBackward& args, void* workspace) {
  if (device::only_loads) return;  // the library loads its kernels itself
  // Row-major dW is column-major dW^T = X^T dH: an X of `in` rows and a dH of `out` rows, each with the batch as
  // columns.
  const std::int64_t rows = args.dy.rows, out = args.dweight.rows, in = args.dweight.columns;
  const cublasLtHandle_t handle = handle_of_current_device();
  const Product description = product(context.precision());
  const Preference wanted = preference();
  const Layout x = layout(in, rows, args.x.row_stride), dh = layout(out, rows, args.dy.row_stride),
               dweight = layout(in, out, args.dweight.row_stride);
  cublasLtMatmulHeuristicResult_t found = {};
  int count = 0;
  check(cublasLtMatmulAlgoGetHeuristic(handle, description.get(), x.get(), dh.get(), dweight.get(), dweight.get(),
                                       wanted.get(), 1, &found, &count),
        "cublasLtMatmulAlgoGetHeuristic");
  if (count == 0) throw Error(ErrorCode::device, "cublasLtMatmulAlgoGetHeuristic: no algorithm");
  const auto address = reinterpret_cast<std::uintptr_t>(workspace);
  void* const aligned =
      reinterpret_cast<void*>((address + workspace_alignment - 1) / workspace_alignment * workspace_alignment);
  const float scale = args.scale, keep = args.accumulate ? 1.0f : 0.0f;
  for (std::int64_t m = 0; m < args.dy.models; ++m) {
    float* const to = args.dweight.model(m).data;
    check(cublasLtMatmul(handle, description.get(), &scale, args.x.model(m).data, x.get(), args.dy.model(m).data,
                         dh.get(), &keep, to, dweight.get(), to, dweight.get(), &found.algo, aligned, workspace_bytes,
                         static_cast<cudaStream_t>(context.stream())),
          "cublasLtMatmul");
  }
}

#else

bool library_weight_gradient_wins(const Context&, const DenseBackward&) { return false; }
std::size_t library_workspace() { return 0; }
void library_weight_gradient(Context&, const DenseBackward&, void*) {}

#endif

}  // namespace cugad::cuda
