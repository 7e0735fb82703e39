#pragma once

#include <cstddef>
#include <cstdint>

#include "cugad/ops.hpp"

/// dW = scale dH^T X by cuBLASLt, in builds that link it (CUGAD_CUBLASLT). Only this product: its sums run over the
/// batch, so batch invariance is not promised there, and the layers above must not depend on a library's choice of
/// algorithm by batch size. cuBLASLt does not document its rounding to tf32: with it, u of the contract is 2^-10 for
/// dW.
namespace cugad::cuda {

/// Whether the library is linked and likely faster for these arguments. The same for a population as for its models
/// alone, if all of them are aligned to 16 bytes or none is.
bool library_weight_gradient_wins(const Context& context, const DenseBackward& args);
/// Bytes that library_weight_gradient needs.
std::size_t library_workspace();
/// The dW of each model, one after the other, on the context's stream. dy holds dH.
void library_weight_gradient(Context& context, const DenseBackward& args, void* workspace);

}  // namespace cugad::cuda
