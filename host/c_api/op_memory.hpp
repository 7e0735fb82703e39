#pragma once

#include <cstdint>
#include <string>

#include "cugad/error.hpp"
#include "cugad/ops.hpp"
#include "host/backend/backend.hpp"

/// The C interface's checks of the memory of ops; their contracts check the rest.
namespace cugad::c_api {

/// Throws Error{invalid_argument} naming op and field if an address cannot hold the declared view.
class OpMemory {
 public:
  OpMemory(const Backend& backend, const char* op) : backend_(backend), op_(op) {}

  /// Numbers, enums and step schedules have no memory.
  template <class T>
  void check(const char*, const T&) const {}
  template <class T>
  void check(const char* field, T* const& pointer) const {
    address(field, pointer, alignof(T));
  }
  template <class T>
  void check(const char* field, const StackView<T>& view) const {
    extent(field, view.models, view.rows, view.columns, sizeof(T));
    if (view.data == nullptr || view.models == 0 || view.rows == 0 || view.columns == 0) return;
    span(field, view.models, view.model_stride, view.rows, view.row_stride, sizeof(T));
    address(field, view.data, alignof(T));
  }
  void check(const char* field, const RandomKey& key) const {
    check(field, key.step_counter);
    check(field, key.model_seeds);
  }
  void check(const char* field, const Dropout& dropout) const { check(field, dropout.key); }
  void check(const char* field, const NetworkView& network) const {
    for (std::int32_t i = 0; i < network.layers && i < NetworkView::max_layers; ++i) {
      const LayerView& layer = network.layer[i];
      extent(field, 1, layer.in, layer.out, sizeof(float));
      check(field, layer.weight);
      check(field, layer.bias);
    }
  }

 private:
  void address(const char* field, const void* pointer, std::size_t alignment) const {
    if (pointer == nullptr) return;
    if (reinterpret_cast<std::uintptr_t>(pointer) % alignment != 0) {
      refuse(field, "is no multiple of " + std::to_string(alignment) + " bytes, the size of its elements");
    }
    const MemoryKind kind = backend_.memory_kind(pointer);
    if (kind == MemoryKind::foreign) {
      refuse(field, "is memory of another device, expected memory of " + backend_.name());
    }
    if (kind == MemoryKind::host && !backend_.is_host_memory()) {
      refuse(field, "is memory of the host, expected memory of " + backend_.name() + ", or pinned memory");
    }
  }
  void extent(const char* field, std::int64_t models, std::int64_t rows, std::int64_t columns,
              std::size_t element) const {
    std::int64_t cells = 0;
    if (models < 0 || rows < 0 || columns < 0) refuse(field, "has a negative size");
    if (__builtin_mul_overflow(models, rows, &cells) || __builtin_mul_overflow(cells, columns, &cells) ||
        __builtin_mul_overflow(cells, static_cast<std::int64_t>(element), &cells)) {
      refuse(field, "has more elements than memory can hold");
    }
  }
  /// Strides beyond the address space.
  void span(const char* field, std::int64_t models, std::int64_t model_stride, std::int64_t rows,
            std::int64_t row_stride, std::size_t element) const {
    std::int64_t over_models = 0, over_rows = 0, bytes = 0;
    if (__builtin_mul_overflow(models, model_stride, &over_models) ||
        __builtin_mul_overflow(rows, row_stride, &over_rows) ||
        __builtin_add_overflow(over_models, over_rows, &bytes) ||
        __builtin_mul_overflow(bytes, static_cast<std::int64_t>(element), &bytes)) {
      refuse(field, "has strides that lead out of memory");
    }
  }
  [[noreturn]] void refuse(const char* field, const std::string& what) const {
    throw Error(ErrorCode::invalid_argument, std::string(op_) + ": " + field + " " + what);
  }

  const Backend& backend_;
  const char* op_;
};

}  // namespace cugad::c_api
