#pragma once

#include <cstdint>

/// The structs of the Arrow C data interface and of the C stream interface,
/// https://arrow.apache.org/docs/format/CDataInterface.html; a producer is whoever fills them.
namespace cugad::python {

struct ArrowSchema {
  const char* format;
  const char* name;
  const char* metadata;
  std::int64_t flags;
  std::int64_t n_children;
  ArrowSchema** children;
  ArrowSchema* dictionary;
  void (*release)(ArrowSchema*);
  void* private_data;
};

struct ArrowArray {
  std::int64_t length;
  std::int64_t null_count;
  std::int64_t offset;
  std::int64_t n_buffers;
  std::int64_t n_children;
  const void** buffers;
  ArrowArray** children;
  ArrowArray* dictionary;
  void (*release)(ArrowArray*);
  void* private_data;
};

struct ArrowArrayStream {
  int (*get_schema)(ArrowArrayStream*, ArrowSchema* out);
  int (*get_next)(ArrowArrayStream*, ArrowArray* out);
  const char* (*get_last_error)(ArrowArrayStream*);
  void (*release)(ArrowArrayStream*);
  void* private_data;
};

/// One of these structs, released with its owner.
template <class T>
class Owned {
 public:
  Owned() = default;
  /// Moves the contents out of a struct, as the interface allows.
  explicit Owned(T& other) : value_(other) { other.release = nullptr; }
  ~Owned() { reset(); }
  Owned(const Owned&) = delete;
  Owned& operator=(const Owned&) = delete;

  T* get() { return &value_; }
  const T& operator*() const { return value_; }
  const T* operator->() const { return &value_; }
  bool is_released() const { return value_.release == nullptr; }
  void reset() {
    if (value_.release != nullptr) value_.release(&value_);
    value_ = {};
  }

 private:
  T value_ = {};
};

}  // namespace cugad::python
