#pragma once

#include <cstddef>
#include <string>

#include "kernels/op_table.hpp"

namespace cugad {

/// A device as the host side sees it: memory, copies, order, and a table of ops.
class Backend {
 public:
  virtual ~Backend() = default;
  virtual const std::string& name() const = 0;
  virtual std::string description() const = 0;
  virtual const OpTable& ops() const = 0;
  /// Memory aligned to 64 bytes, zeroed. Throws Error{out_of_memory}.
  virtual void* allocate(std::size_t bytes) = 0;
  virtual void release(void* memory) noexcept = 0;
  /// Copies in stream order; either side may be host or device memory.
  virtual void copy(void* destination, const void* source, std::size_t bytes, void* stream) = 0;
  virtual void synchronize(void* stream) = 0;
  /// Whether the host may dereference this backend's memory.
  virtual bool is_host_memory() const = 0;
};

}  // namespace cugad
