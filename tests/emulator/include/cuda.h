#pragma once

/// The few names of the driver's interface that this project uses; the runtime looks up its functions.
enum CUresult { CUDA_SUCCESS = 0, CUDA_ERROR_INVALID_DEVICE = 101, CUDA_ERROR_INVALID_CONTEXT = 201 };
using CUdevice = int;
using CUcontext = struct CUctx_st*;
