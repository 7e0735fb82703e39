#pragma once

#include <algorithm>
#include <cstdint>

#include "cugad/tensor.hpp"

/// How the memory that two ops touch lies together.
namespace cugad::cuda {

/// The part of a stack that an op reads or writes: row r for its row r, or all of it for every row.
struct Access {
  const float* data = nullptr;
  std::int64_t models = 0, rows = 0, columns = 0, model_stride = 0, row_stride = 0;
  bool writes = false, whole = false;
};

template <class T>
Access access_of(const StackView<T>& view, bool writes, bool whole = false) {
  return {reinterpret_cast<const float*>(view.data),
          view.models,
          view.rows,
          view.columns,
          view.model_stride,
          view.row_stride,
          writes,
          whole};
}

/// What a later access shares with an earlier one.
struct Meeting {
  enum class Kind {
    apart,     ///< nothing, or both read
    row_wise,  ///< row r of the later one lies on row r + shift of the earlier one alone
    other,
  };
  Kind kind = Kind::apart;
  std::int64_t shift = 0;
};

inline Meeting meeting_of(const Access& earlier, const Access& later) {
  using Kind = Meeting::Kind;
  const auto extent = [](const Access& a) { return (a.rows - 1) * a.row_stride + a.columns; };
  if (earlier.data == nullptr || later.data == nullptr || (!earlier.writes && !later.writes)) return {};
  const auto address = [](const Access& a) { return reinterpret_cast<std::intptr_t>(a.data); };
  const std::int64_t delta = (address(later) - address(earlier)) / std::int64_t{sizeof(float)};
  const std::int64_t begin = std::min<std::int64_t>(0, delta);
  const std::int64_t end = std::max(extent(earlier), delta + extent(later));
  // Models of the same stack meet model by model.
  const bool alike =
      earlier.models == later.models &&
      (earlier.models == 1 || (earlier.model_stride == later.model_stride && end - begin <= earlier.model_stride));
  const auto behind = [&](const Access& a) { return alike ? 0 : (a.models - 1) * a.model_stride; };
  if (delta >= extent(earlier) + behind(earlier) || delta + extent(later) + behind(later) <= 0) return {};
  if (!alike || earlier.whole || later.whole || earlier.row_stride != later.row_stride) return {Kind::other};
  const std::int64_t stride = earlier.row_stride;
  std::int64_t rows = delta / stride;
  if (delta - rows * stride < 0) --rows;
  const std::int64_t column = delta - rows * stride;  // of `later` in a row of `earlier`
  const bool here = column<earlier.columns, next = column + later.columns> stride;
  if (here && next) return {Kind::other};
  if (!here && !next) return {};  // other columns of the same rows
  const std::int64_t shift = here ? rows : rows + 1;
  if (shift >= earlier.rows || shift + later.rows <= 0) return {};
  return {Kind::row_wise, shift};
}

}  // namespace cugad::cuda
