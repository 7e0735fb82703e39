#pragma once

#include <cstdint>
#include <type_traits>

/// Views of row-major memory. Views do not own memory; rows are samples, columns are features. Members are constexpr,
/// so that device code may call them.
namespace cugad {

/// A matrix: element (r, c) is data[r * row_stride + c].
template <class T>
struct MatrixView {
  T* data = nullptr;
  std::int64_t rows = 0;
  std::int64_t columns = 0;
  std::int64_t row_stride = 0;  ///< in elements, at least `columns`

  MatrixView() = default;
  constexpr MatrixView(T* data_, std::int64_t rows_, std::int64_t columns_)
      : MatrixView(data_, rows_, columns_, columns_) {}
  constexpr MatrixView(T* data_, std::int64_t rows_, std::int64_t columns_, std::int64_t row_stride_)
      : data(data_), rows(rows_), columns(columns_), row_stride(row_stride_) {}
  /// Converts a view of writable elements to one of const elements.
  template <class U>
  requires(!std::is_const_v<U> && std::is_same_v<const U, T>) constexpr MatrixView(const MatrixView<U>& other)
      : MatrixView(other.data, other.rows, other.columns, other.row_stride) {}
  constexpr T* row(std::int64_t r) const { return data + r * row_stride; }
};

/// A stack of equally shaped matrices, one per model of a population: element (m, r, c) is
/// data[m * model_stride + r * row_stride + c]. model_stride == 0 shares one matrix among all models.
template <class T>
struct StackView {
  T* data = nullptr;
  std::int64_t models = 0;
  std::int64_t rows = 0;
  std::int64_t columns = 0;
  std::int64_t model_stride = 0;  ///< in elements
  std::int64_t row_stride = 0;    ///< in elements, at least `columns`

  StackView() = default;
  /// A dense stack: rows follow each other, models follow each other.
  constexpr StackView(T* data_, std::int64_t models_, std::int64_t rows_, std::int64_t columns_)
      : StackView(data_, models_, rows_, columns_, rows_ * columns_, columns_) {}
  constexpr StackView(T* data_, std::int64_t models_, std::int64_t rows_, std::int64_t columns_,
                      std::int64_t model_stride_, std::int64_t row_stride_)
      : data(data_),
        models(models_),
        rows(rows_),
        columns(columns_),
        model_stride(model_stride_),
        row_stride(row_stride_) {}
  /// Converts a view of writable elements to one of const elements.
  template <class U>
  requires(!std::is_const_v<U> && std::is_same_v<const U, T>) constexpr StackView(const StackView<U>& other)
      : StackView(other.data, other.models, other.rows, other.columns, other.model_stride, other.row_stride) {}
  constexpr MatrixView<T> model(std::int64_t m) const { return {data + m * model_stride, rows, columns, row_stride}; }
  /// The sub-stack of `count` models from `first`; a shared matrix stays shared.
  constexpr StackView slice_models(std::int64_t first, std::int64_t count) const {
    return {data == nullptr ? nullptr : data + first * model_stride, count, rows, columns, model_stride, row_stride};
  }
  /// Columns [first, first + count) of every row.
  constexpr StackView slice_columns(std::int64_t first, std::int64_t count) const {
    return {data + first, models, rows, count, model_stride, row_stride};
  }
  /// Rows [first, first + count) of every model.
  constexpr StackView slice_rows(std::int64_t first, std::int64_t count) const {
    return {data + first * row_stride, models, count, columns, model_stride, row_stride};
  }
  constexpr explicit operator bool() const { return data != nullptr; }
};

/// One matrix seen by every model of a population (model_stride 0).
template <class T>
StackView<T> shared_by(std::int64_t models, MatrixView<T> matrix) {
  return {matrix.data, models, matrix.rows, matrix.columns, 0, matrix.row_stride};
}

}  // namespace cugad
