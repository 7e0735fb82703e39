#pragma once

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <limits>
#include <string>
#include <vector>

#include "cugad/tensor.hpp"

/// Tensors of the op tests: a poisoned byte image around the elements, and the expected value of each element.
namespace cugad::test {

/// eps of the contracts.
constexpr double eps = 1.0 / (1 << 24);
constexpr double infinity = std::numeric_limits<double>::infinity();

enum class Role {
  input,   ///< must not change
  output,  ///< holds NaN before the call; every element must be written
  state,   ///< read and written
};

/// How tensors lie in memory; part of a case.
enum class Layout {
  contiguous,
  strided,     ///< padding after every row and every model
  misaligned,  ///< strided, and the first element is one element off the alignment of an allocation
};

/// A part of a problem: models [first_model, first_model + models) and items [first_item, first_item + items); a
/// negative count means all. An item is a row, or several rows that belong together (the restarts of a query).
struct Slice {
  std::int64_t first_model = 0, models = -1;
  std::int64_t first_item = 0, items = -1;
};

using Bytes = std::vector<std::byte>;

/// The part of a tensor that does not depend on the element type.
class Tensor {
 public:
  static constexpr std::size_t guard_bytes = 256;
  /// NaN as float32 and as the halves of a float64; no sensible index.
  static constexpr std::uint32_t poison = 0xFFFFA3D7u;

  Tensor(std::string name_, Role role_, std::size_t element_bytes_, std::int64_t models_, std::int64_t rows_,
         std::int64_t columns_, Layout layout, bool shared_, bool padded_rows)
      : name(std::move(name_)),
        role(role_),
        element_bytes(element_bytes_),
        models(models_),
        rows(rows_),
        columns(columns_),
        shared(shared_) {
    const bool padded = layout != Layout::contiguous;
    row_stride = columns + (padded && padded_rows ? 3 : 0);
    model_stride = shared ? 0 : rows * row_stride + (padded ? 5 : 0);
    first_element = guard_bytes + (layout == Layout::misaligned ? element_bytes : 0);
    const std::int64_t copies = shared && models > 0 ? 1 : models;
    const bool empty = copies == 0 || rows == 0 || columns == 0;
    const std::int64_t extent = empty ? 0 : (copies - 1) * model_stride + (rows - 1) * row_stride + columns;
    end_element = first_element + static_cast<std::size_t>(extent) * element_bytes;
    initial.resize((end_element + guard_bytes + 7) / 8 * 8);
    for (std::size_t i = 0; i + 4 <= initial.size(); i += 4) std::memcpy(initial.data() + i, &poison, 4);
    if (role != Role::input) {
      const auto count = static_cast<std::size_t>(models * rows * columns);
      expected.assign(count, 0.0);
      bound.assign(count, std::numeric_limits<double>::quiet_NaN());  // an element without an expectation fails
    }
  }
  virtual ~Tensor() = default;
  Tensor(const Tensor&) = delete;
  Tensor& operator=(const Tensor&) = delete;

  /// An element of an image as a number.
  virtual double number(const Bytes& image, std::int64_t m, std::int64_t r, std::int64_t c) const = 0;

  std::size_t offset(std::int64_t m, std::int64_t r, std::int64_t c) const {
    return first_element + static_cast<std::size_t>(m * model_stride + r * row_stride + c) * element_bytes;
  }
  std::size_t position(std::int64_t m, std::int64_t r, std::int64_t c) const {
    return static_cast<std::size_t>((m * rows + r) * columns + c);
  }
  /// Sets the expected value of an output element: |result - value| <= bound. A NaN value requires NaN.
  void expect(std::int64_t m, std::int64_t r, std::int64_t c, double value, double bound_) {
    expected[position(m, r, c)] = value;
    bound[position(m, r, c)] = bound_;
  }
  /// Leaves an element to the problem's own check.
  void expect_checked_elsewhere() {
    for (double& b : bound) b = infinity;
  }
  /// The op must leave all elements as they are.
  void expect_unchanged() {
    for (std::int64_t m = 0; m < models; ++m)
      for (std::int64_t r = 0; r < rows; ++r)
        for (std::int64_t c = 0; c < columns; ++c) expect(m, r, c, number(initial, m, r, c), 0.0);
  }

  std::string name;
  Role role;
  std::size_t element_bytes;
  std::int64_t models, rows, columns;
  bool shared;  ///< one matrix for all models
  std::int64_t row_stride = 0, model_stride = 0;
  std::size_t first_element = 0, end_element = 0;  ///< byte offsets in the image
  /// Rows of this tensor per item of the batch; 0: the tensor does not follow the batch.
  std::int64_t rows_per_item = 0;
  /// Requires exactly -0.0 if the expected value is -0.0 (dropped units).
  bool negative_zero_matters = false;
  /// Guard bytes, elements, padding, guard bytes: before the call.
  Bytes initial;
  std::vector<double> expected, bound;
  /// The image on the device while a problem is being run.
  std::byte* device_image = nullptr;
};

template <class T>
class TypedTensor : public Tensor {
 public:
  TypedTensor(std::string name_, Role role_, std::int64_t models_, std::int64_t rows_, std::int64_t columns_,
              Layout layout, bool shared_, bool padded_rows)
      : Tensor(std::move(name_), role_, sizeof(T), models_, rows_, columns_, layout, shared_, padded_rows) {}

  T get(std::int64_t m, std::int64_t r, std::int64_t c) const { return get(initial, m, r, c); }
  T get(const Bytes& image, std::int64_t m, std::int64_t r, std::int64_t c) const {
    T value;
    std::memcpy(&value, image.data() + offset(m, r, c), sizeof(T));
    return value;
  }
  void set(std::int64_t m, std::int64_t r, std::int64_t c, T value) {
    std::memcpy(initial.data() + offset(m, r, c), &value, sizeof(T));
  }
  double number(const Bytes& image, std::int64_t m, std::int64_t r, std::int64_t c) const override {
    return static_cast<double>(get(image, m, r, c));
  }
  /// The distinct elements (a shared matrix once), in order.
  template <class Make>
  TypedTensor& fill(Make&& make) {
    for (std::int64_t m = 0; m < (shared && models > 0 ? 1 : models); ++m)
      for (std::int64_t r = 0; r < rows; ++r)
        for (std::int64_t c = 0; c < columns; ++c) set(m, r, c, static_cast<T>(make()));
    return *this;
  }
  /// Says that the tensor's rows belong to the items of the batch.
  TypedTensor& by_item(std::int64_t rows_each = 1) {
    rows_per_item = rows_each;
    return *this;
  }
  /// The elements on the device.
  StackView<T> view(const Slice& slice = {}) const {
    StackView<T> whole(reinterpret_cast<T*>(device_image + first_element), models, rows, columns, model_stride,
                       row_stride);
    if (slice.models >= 0) whole = whole.slice_models(slice.first_model, slice.models);
    if (slice.items >= 0 && rows_per_item > 0)
      whole = whole.slice_rows(slice.first_item * rows_per_item, slice.items * rows_per_item);
    return whole;
  }
};

}  // namespace cugad::test
