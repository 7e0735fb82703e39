#pragma once

#include <nanobind/nanobind.h>
#include <nanobind/ndarray.h>

#include <atomic>
#include <functional>
#include <initializer_list>
#include <mutex>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "cugad/cugad.hpp"

/// What the files of the extension share: arrays, and calls that Ctrl-C cancels.
namespace cugad::python {

namespace nb = nanobind;

/// Rows in host memory; the elements of a row follow each other.
using Rows = nb::ndarray<const float, nb::ndim<2>, nb::device::cpu>;
/// Rows in memory of any device.
using PlacedRows = nb::ndarray<const float, nb::ndim<2>>;
using Floats = nb::ndarray<const float, nb::ndim<1>, nb::c_contig, nb::device::cpu>;
using Array = nb::ndarray<nb::numpy>;

/// Throws Error{invalid_argument} for rows whose elements lie apart.
MatrixView<const float> view_of(const Rows& rows);
/// The same of rows that may be on the device of that name; throws Error{invalid_argument} for rows on another.
MatrixView<const float> view_of(const PlacedRows& rows, const std::string& device);
/// Whether rows are in memory of a GPU.
inline bool is_on_gpu(const PlacedRows& rows) {
  return rows.device_type() == nb::device::cuda::value || rows.device_type() == nb::device::cuda_managed::value;
}
inline std::span<const float> span_of(const Floats& values) { return {values.data(), values.shape(0)}; }

/// Gives an array's memory to numpy.
template <class T>
Array to_numpy(std::vector<T> values, std::initializer_list<std::size_t> shape) {
  auto* const kept = new std::vector<T>(std::move(values));
  const nb::capsule owner(kept, [](void* memory) noexcept { delete static_cast<std::vector<T>*>(memory); });
  return Array(nb::ndarray<nb::numpy, T>(kept->data(), shape, owner));
}

nb::bytes to_bytes(const std::vector<std::byte>& bytes);
std::span<const std::byte> span_of(const nb::bytes& bytes);

/// Explanations as a dictionary of arrays [rows, count]; the column -1 stands where there is no further reason.
nb::dict to_arrays(const std::vector<Explanation>& explanations, std::size_t count);

Probability probability_from(const std::string& name);
GroupSeed group_seed_from(const std::string& name);

/// Progress, messages and checkpoints of a fit, as Python gives them; callables may be None.
struct FitArguments {
  nb::object on_progress, on_message;
  std::string checkpoint_directory;
  bool resume = false;
  std::string row_directory = {};
};

/// The lock and the cancellation flag of one detector. One thread at a time uses a detector; others wait without the
/// interpreter's lock.
class Calls {
 public:
  const std::atomic<bool>* cancel_flag() const { return &cancel_; }

  /// Calls body() without the interpreter's lock. If it may take long, on another thread, while this one looks for
  /// signals: an exception of a signal handler, such as KeyboardInterrupt, cancels body() and is thrown.
  void run(bool may_take_long, const std::function<void()>& body);
  /// run() with the control of a fit. The first exception of a callable cancels the fit and is thrown.
  void fit(const FitArguments& arguments, const std::function<void(const FitControl&)>& body);

 private:
  std::mutex one_at_a_time_;
  std::atomic<bool> cancel_ = false;
};

/// Scoring of more rows than these is worth a thread.
constexpr std::int64_t few_rows = 4096;

void bind_detector(nb::module_& module);
void bind_fleet(nb::module_& module);
void bind_shards(nb::module_& module);
void bind_tables(nb::module_& module);
void bind_arrow(nb::module_& module);
void bind_report(nb::module_& module);

}  // namespace cugad::python
