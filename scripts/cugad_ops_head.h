#ifndef CUGAD_CUGAD_OPS_H
#define CUGAD_CUGAD_OPS_H

/// @file
/// The ops of cugad in C: the lowest level of the library, one function per op, on the caller's memory and stream.
///
/// For every op there are a struct of arguments and three functions. The comment above the struct is the op's contract;
/// the C++ struct DenseForward in a contract is cugad_dense_forward_args.
///
///     cugad_dense_forward_args args;
///     cugad_dense_forward_init(&args, sizeof args);         // struct_size and the defaults
///     args.x = (cugad_const_stack){x, 1, rows, in, rows * in, in};
///     ...
///     cugad_status status = cugad_dense_forward(device, &args);
///
/// Views: element (m, r, c) of a stack is data[m * model_stride + r * row_stride + c], strides counted in elements;
/// model_stride 0 shares an input among all models. data NULL leaves out an optional view. For all ops, unless the
/// contract states otherwise: row-major float32, `models` of all views agree, outputs are overwritten and may not
/// overlap inputs or each other, and sizes of 0 do nothing. eps is 2^-24; bounds are per element.
///
/// Memory: on the CPU every pointer is host memory; on CUDA it is memory of the device, managed memory, or pinned
/// memory of the host, which kernels read over the bus. Anything else is CUGAD_ERROR_INVALID_ARGUMENT if it can be
/// detected, as are a view that breaks the contract, an address that is not aligned to its elements, and a struct_size
/// other than sizeof of the struct. A refused call writes nothing.
///
/// Order: ops run one after the other on the stream of the device (cugad_device_use_stream), after work issued there
/// earlier, and work issued there later sees their results. Without a stream, an op returns when its results are
/// complete. With one it neither waits nor allocates, except for scratch memory that grows at a first call: run an op
/// once, with as many rows, before its stream is captured as a CUDA graph; growing during capture is
/// CUGAD_ERROR_UNSUPPORTED. The graph uses the device handle's scratch memory: it must be launched before the handle is
/// destroyed, and not at the same time as another op of the handle.
///
/// Later versions append members to a struct, and recognise its version by struct_size.
///
/// @NOTICE@

// clang-format off

#include <stddef.h>
#include <stdint.h>

#include "cugad/cugad.h"

#ifdef __cplusplus
extern "C" {
#endif
