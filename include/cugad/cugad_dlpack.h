#ifndef CUGAD_CUGAD_DLPACK_H
#define CUGAD_CUGAD_DLPACK_H

/// @file
/// Detectors on DLPack tensors, without copies. The structs are those of the caller's own dlpack.h: DLManagedTensor,
/// and from DLPack 1.0 on DLManagedTensorVersioned.
///
/// Input tensors are float32 with one lane. Rows have 2 dimensions, or 1: then they are one row. Scores have 1
/// dimension of so many elements as there are rows, or 2 of which the second is 1. The elements of a row, and scores,
/// follow each other; rows may be further apart. strides NULL means compact; byte_offset is respected. Their memory is
/// of the CPU or pinned (kDLCPU, kDLCUDAHost), or for a detector on CUDA managed memory or memory of the detector's own
/// device (kDLCUDAManaged, kDLCUDA). Anything else is CUGAD_ERROR_INVALID_ARGUMENT, also scores with the read-only
/// flag; a version of the struct other than 1.x is CUGAD_ERROR_UNSUPPORTED.
///
/// Ownership: an input tensor stays the caller's, whether the call succeeds or not. The library reads or writes it and
/// never calls its deleter. If the detector has a stream, the tensor must live until that work is done. A tensor that
/// the library returns belongs to the caller: its deleter frees it, and must be called once (the importer of the tensor
/// does that). Such a tensor may outlive detector and device. After an error there is none: the pointer is NULL.
///
/// Order and errors are those of cugad.h. DLPack tensors carry no stream: returned scores on a device are complete when
/// the detector's stream has reached them, or on return if it has no stream.

#include "cugad/cugad.h"

#ifdef __cplusplus
extern "C" {
#endif

struct DLManagedTensor;
struct DLManagedTensorVersioned;

/// cugad_detector_fit_with on a tensor of rows; controls may be NULL.
CUGAD_API cugad_status cugad_detector_fit_dlpack(cugad_detector* detector, const struct DLManagedTensor* x,
                                                 const cugad_fit_controls* controls);
/// The same on a versioned tensor.
CUGAD_API cugad_status cugad_detector_fit_dlpack_versioned(cugad_detector* detector,
                                                           const struct DLManagedTensorVersioned* x,
                                                           const cugad_fit_controls* controls);

/// cugad_detector_score from a tensor of rows into a tensor of scores.
CUGAD_API cugad_status cugad_detector_score_dlpack(cugad_detector* detector, const struct DLManagedTensor* x,
                                                   const struct DLManagedTensor* scores);
/// The same on versioned tensors.
CUGAD_API cugad_status cugad_detector_score_dlpack_versioned(cugad_detector* detector,
                                                             const struct DLManagedTensorVersioned* x,
                                                             const struct DLManagedTensorVersioned* scores);

/// The scores of a tensor of rows as a new tensor [rows]: in memory of the detector's device if x is there or is
/// managed, else in memory of the host. CUGAD_ERROR_UNSUPPORTED while the detector's stream is captured.
CUGAD_API cugad_status cugad_detector_score_to_dlpack(cugad_detector* detector, const struct DLManagedTensor* x,
                                                      struct DLManagedTensor** scores);
/// The same on versioned tensors.
CUGAD_API cugad_status cugad_detector_score_to_dlpack_versioned(cugad_detector* detector,
                                                                const struct DLManagedTensorVersioned* x,
                                                                struct DLManagedTensorVersioned** scores);

/// cugad_detector_sample as a new tensor [rows, columns] in memory of the host.
CUGAD_API cugad_status cugad_detector_sample_to_dlpack(cugad_detector* detector, uint64_t seed, int64_t rows,
                                                       struct DLManagedTensor** x);
/// The same as a versioned tensor.
CUGAD_API cugad_status cugad_detector_sample_to_dlpack_versioned(cugad_detector* detector, uint64_t seed, int64_t rows,
                                                                 struct DLManagedTensorVersioned** x);

#ifdef __cplusplus
}
#endif

#endif
