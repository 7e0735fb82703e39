#pragma once

#include <cstdint>
#include <memory>

#include "cugad/arrow.hpp"
#include "cugad/table.hpp"

namespace cugad {

/// Reads the cells of one kind of Arrow array, see ArrowReader.
class ArrowColumn {
 public:
  /// The reader for a column of that kind. Throws Error{unsupported} for one that no table has, such as a list.
  static std::unique_ptr<ArrowColumn> open(const ArrowSchema& schema);
  virtual ~ArrowColumn() = default;
  virtual bool is_text() const = 0;
  /// Appends `count` cells from `first` on, counted from the array's own offset.
  virtual void append(const ArrowArray& array, std::int64_t first, std::int64_t count, Column& column) const = 0;
};

}  // namespace cugad
