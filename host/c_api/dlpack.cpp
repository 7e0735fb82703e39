#include "host/c_api/dlpack.hpp"

#include <cstdlib>
#include <memory>
#include <new>
#include <string>
#include <type_traits>

#include "cugad/error.hpp"
#include "host/backend/backend.hpp"
#include "host/c_api/arguments.hpp"
#include "host/c_api/guard.hpp"
#include "host/c_api/handles.hpp"

/// DLPack tensors in and out: a tensor becomes a matrix that the functions of cugad.h take, a result becomes a tensor.
namespace cugad::c_api {
namespace {

constexpr DLDataType float32 = {kDLFloat, 32, 1};
constexpr std::size_t host_alignment = 256;  // required by DLPack of producers

[[noreturn]] void refuse(const char* name, const std::string& what) {
  throw Error(ErrorCode::invalid_argument, std::string(name) + " " + what);
}

std::string text(std::int64_t number) { return std::to_string(number); }

const DLTensor& tensor_of(const DLManagedTensor* managed, const char* name) {
  require(managed, name);
  return managed->dl_tensor;
}
const DLTensor& tensor_of(const DLManagedTensorVersioned* managed, const char* name) {
  require(managed, name);
  if (managed->version.major == 1) return managed->dl_tensor;
  throw Error(ErrorCode::unsupported, std::string(name) + " is a DLPack tensor of version " +
                                          text(managed->version.major) + "." + text(managed->version.minor) +
                                          ", expected 1.x");
}

void require_writable(const DLManagedTensor*, const char*) {}
void require_writable(const DLManagedTensorVersioned* managed, const char* name) {
  if ((managed->flags & DLPACK_FLAG_BITMASK_READ_ONLY) != 0) refuse(name, "is read-only, expected one to write");
}

/// Checks that the tensor's memory is of its declared kind, and that this device can access it.
void require_place(const Device& device, const DLTensor& tensor, const void* data, const char* name) {
  const Backend& backend = device.backend();
  const DLDevice place = tensor.device;
  const bool host = place.device_type == kDLCPU || place.device_type == kDLCUDAHost;
  const bool on_device =
      !backend.is_host_memory() &&
      (place.device_type == kDLCUDAManaged || (place.device_type == kDLCUDA && place.device_id == backend.index()));
  if (!host && !on_device) {
    refuse(name, "has DLPack device type " + text(place.device_type) + " with id " + text(place.device_id) +
                     ", expected memory of the host or of " + device.name());
  }
  if (data == nullptr || backend.is_host_memory()) return;
  const bool is_device_pointer = backend.is_device_pointer(data);
  if (is_device_pointer != on_device) {
    refuse(name, std::string("names its memory the ") + (host ? "host's" : "device's") + ", but it is the " +
                     (host ? "device's" : "host's"));
  }
}

/// The rows of a tensor, or of one dimension its only row.
MatrixView<float> matrix_of(const Device& device, const DLTensor& tensor, const char* name) {
  const DLDataType type = tensor.dtype;
  if (type.code != float32.code || type.bits != float32.bits || type.lanes != float32.lanes) {
    refuse(name, "has DLPack type code " + text(type.code) + " with " + text(type.bits) + " bits and " +
                     text(type.lanes) + " lanes, expected float32: code 2, 32 bits, 1 lane");
  }
  if (tensor.ndim != 1 && tensor.ndim != 2) refuse(name, "has " + text(tensor.ndim) + " dimensions, expected 1 or 2");
  require(tensor.shape, (std::string(name) + "'s shape").c_str());
  const std::int64_t rows = tensor.ndim == 2 ? tensor.shape[0] : 1, columns = tensor.shape[tensor.ndim - 1];
  std::int64_t row_stride = columns;
  if (tensor.strides != nullptr && rows > 0) {
    if (const std::int64_t stride = tensor.strides[tensor.ndim - 1]; columns > 1 && stride != 1) {
      refuse(name, "has stride " + text(stride) + " within a row, expected 1: its elements must follow each other");
    }
    if (tensor.ndim == 2 && rows > 1) row_stride = tensor.strides[0];
  }
  auto* const data = static_cast<std::byte*>(tensor.data);
  MatrixView<float> matrix(reinterpret_cast<float*>(data == nullptr ? nullptr : data + tensor.byte_offset), rows,
                           columns, row_stride);
  require_matrix(device, matrix, name);
  require_place(device, tensor, rows == 0 || columns == 0 ? nullptr : matrix.data, name);
  return matrix;
}

/// Where the scores of so many rows are to be written.
float* scores_of(const Device& device, const DLTensor& tensor, std::int64_t rows, const char* name) {
  const MatrixView<float> matrix = matrix_of(device, tensor, name);
  const bool one_column = tensor.ndim == 2;
  const std::int64_t count = one_column ? matrix.rows : matrix.columns;
  if (count != rows || (one_column && matrix.columns != 1)) {
    refuse(name, "has " + (one_column ? text(matrix.rows) + " x " : "") + text(matrix.columns) +
                     " elements, expected " + text(rows) + ", one per row of x");
  }
  if (one_column && matrix.row_stride != 1 && rows > 1) {
    refuse(name, "has stride " + text(matrix.row_stride) + ", expected 1: scores must follow each other");
  }
  return matrix.data;
}

/// A tensor that is given out, with its memory. Freed by its deleter.
template <class Managed>
class Given {
 public:
  Given(const Device& device, bool on_device, std::int32_t dimensions, std::int64_t rows, std::int64_t columns)
      : device_(device), on_device_(on_device), shape_{rows, columns}, strides_{columns, 1} {
    const std::size_t bytes = sizeof(float) * static_cast<std::size_t>(rows * columns);
    if (on_device) {
      memory_ = device_.backend().allocate(bytes);
    } else {
      memory_ = std::aligned_alloc(host_alignment, (bytes / host_alignment + 1) * host_alignment);
      if (memory_ == nullptr) throw std::bad_alloc();
    }
    DLTensor& tensor = managed_.dl_tensor;
    tensor.data = memory_;
    tensor.device = {on_device ? kDLCUDA : kDLCPU, on_device ? device.backend().index() : 0};
    tensor.ndim = dimensions;
    tensor.dtype = float32;
    tensor.shape = shape_;
    tensor.strides = strides_;
    if constexpr (std::is_same_v<Managed, DLManagedTensorVersioned>) managed_.version = {1, 0};
    managed_.manager_ctx = this;
    managed_.deleter = [](Managed* self) {
      if (self != nullptr) delete static_cast<Given*>(self->manager_ctx);
    };
  }
  ~Given() {
    if (on_device_) {
      device_.backend().release(memory_);
    } else {
      std::free(memory_);
    }
  }
  Given(const Given&) = delete;
  Given& operator=(const Given&) = delete;
  float* data() const { return static_cast<float*>(memory_); }
  Managed* tensor() { return &managed_; }

 private:
  Device device_;
  bool on_device_;
  std::int64_t shape_[2], strides_[2];
  void* memory_ = nullptr;
  Managed managed_ = {};
};

/// Rows and columns whose floats can be counted.
void require_countable(std::int64_t rows, std::int64_t columns) {
  std::int64_t bytes = 0;
  if (rows < 0 || __builtin_mul_overflow(rows, columns, &bytes) || __builtin_mul_overflow(bytes, 8, &bytes)) {
    throw Error(ErrorCode::invalid_argument, "rows is " + text(rows) + ", expected 0 or more that memory can hold");
  }
}

template <class Managed>
cugad_status fit(const char* function, cugad_detector* detector, const Managed* x, const cugad_fit_controls* controls) {
  MatrixView<float> rows;
  const cugad_status status = guard(function, [&] {
    require(detector, "detector");
    rows = matrix_of(detector->device, tensor_of(x, "x"), "x");
  });
  if (status != CUGAD_OK) return status;
  return cugad_detector_fit_with(detector, rows.data, rows.rows, rows.columns, rows.row_stride, controls);
}

template <class Managed>
cugad_status score(const char* function, cugad_detector* detector, const Managed* x, const Managed* scores) {
  MatrixView<float> rows;
  float* target = nullptr;
  const cugad_status status = guard(function, [&] {
    require(detector, "detector");
    rows = matrix_of(detector->device, tensor_of(x, "x"), "x");
    target = scores_of(detector->device, tensor_of(scores, "scores"), rows.rows, "scores");
    require_writable(scores, "scores");
  });
  if (status != CUGAD_OK) return status;
  return cugad_detector_score(detector, rows.data, rows.rows, rows.columns, rows.row_stride, target);
}

template <class Managed>
cugad_status score_to(const char* function, cugad_detector* detector, const Managed* x, Managed** scores) {
  MatrixView<float> rows;
  std::unique_ptr<Given<Managed>> given;
  cugad_status status = guard(function, [&] {
    require(scores, "scores");
    *scores = nullptr;
    require(detector, "detector");
    const DLTensor& tensor = tensor_of(x, "x");
    rows = matrix_of(detector->device, tensor, "x");
    if (detector->stream() != nullptr && detector->device.backend().is_recording(detector->stream())) {
      throw Error(ErrorCode::unsupported,
                  "a tensor cannot be made while the stream is captured: give one to cugad_detector_score_dlpack");
    }
    const bool on_device = tensor.device.device_type == kDLCUDA || tensor.device.device_type == kDLCUDAManaged;
    given = std::make_unique<Given<Managed>>(detector->device, on_device, 1, rows.rows, 1);
  });
  if (status != CUGAD_OK) return status;
  status = cugad_detector_score(detector, rows.data, rows.rows, rows.columns, rows.row_stride, given->data());
  if (status == CUGAD_OK) *scores = given.release()->tensor();
  return status;
}

template <class Managed>
cugad_status sample_to(const char* function, cugad_detector* detector, uint64_t seed, int64_t rows, Managed** x) {
  std::unique_ptr<Given<Managed>> given;
  std::int64_t columns = 0;
  cugad_status status = guard(function, [&] {
    require(x, "x");
    *x = nullptr;
    require(detector, "detector");
    columns = detector->detector.columns();
    require_countable(rows, columns);
    given = std::make_unique<Given<Managed>>(detector->device, false, 2, rows, columns);
  });
  if (status != CUGAD_OK) return status;
  status = cugad_detector_sample(detector, seed, given->data(), rows, columns, columns);
  if (status == CUGAD_OK) *x = given.release()->tensor();
  return status;
}

}  // namespace
}  // namespace cugad::c_api

using namespace cugad::c_api;

extern "C" {

cugad_status cugad_detector_fit_dlpack(cugad_detector* detector, const DLManagedTensor* x,
                                       const cugad_fit_controls* controls) {
  return fit(__func__, detector, x, controls);
}
cugad_status cugad_detector_fit_dlpack_versioned(cugad_detector* detector, const DLManagedTensorVersioned* x,
                                                 const cugad_fit_controls* controls) {
  return fit(__func__, detector, x, controls);
}

cugad_status cugad_detector_score_dlpack(cugad_detector* detector, const DLManagedTensor* x,
                                         const DLManagedTensor* scores) {
  return score(__func__, detector, x, scores);
}
cugad_status cugad_detector_score_dlpack_versioned(cugad_detector* detector, const DLManagedTensorVersioned* x,
                                                   const DLManagedTensorVersioned* scores) {
  return score(__func__, detector, x, scores);
}

cugad_status cugad_detector_score_to_dlpack(cugad_detector* detector, const DLManagedTensor* x,
                                            DLManagedTensor** scores) {
  return score_to(__func__, detector, x, scores);
}
cugad_status cugad_detector_score_to_dlpack_versioned(cugad_detector* detector, const DLManagedTensorVersioned* x,
                                                      DLManagedTensorVersioned** scores) {
  return score_to(__func__, detector, x, scores);
}

cugad_status cugad_detector_sample_to_dlpack(cugad_detector* detector, uint64_t seed, int64_t rows,
                                             DLManagedTensor** x) {
  return sample_to(__func__, detector, seed, rows, x);
}
cugad_status cugad_detector_sample_to_dlpack_versioned(cugad_detector* detector, uint64_t seed, int64_t rows,
                                                       DLManagedTensorVersioned** x) {
  return sample_to(__func__, detector, seed, rows, x);
}

}  // extern "C"
