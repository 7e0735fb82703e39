#include <algorithm>
#include <cmath>
#include <sstream>

#include "tests/ops/parity.hpp"

/// The comparator. Every test is written so that NaN fails.
namespace cugad::test {
namespace {

std::string place(const Tensor& tensor, std::int64_t m, std::int64_t r, std::int64_t c) {
  std::ostringstream text;
  text << tensor.name << "[model " << m << ", row " << r << ", column " << c << "]";
  return text.str();
}

std::string outside_of_elements(const Tensor& tensor, std::size_t at) {
  std::ostringstream text;
  if (at < tensor.first_element) {
    text << tensor.name << ": wrote " << tensor.first_element - at << " bytes before the first element";
  } else if (at >= tensor.end_element) {
    text << tensor.name << ": wrote " << at - tensor.end_element << " bytes behind the last element";
  } else if (tensor.role == Role::input) {
    text << tensor.name << ": changed an input, " << at - tensor.first_element << " bytes from its start";
  } else {
    text << tensor.name << ": wrote into the padding, " << at - tensor.first_element << " bytes from the start";
  }
  return text.str();
}

/// Everything but the elements of outputs and states must be as it was.
std::string compare_surroundings(const Tensor& tensor, const Bytes& result) {
  Bytes should_be = tensor.initial;
  if (tensor.role != Role::input && tensor.columns > 0) {
    const auto row_bytes =
        static_cast<std::ptrdiff_t>(tensor.columns * static_cast<std::int64_t>(tensor.element_bytes));
    for (std::int64_t m = 0; m < tensor.models; ++m)
      for (std::int64_t r = 0; r < tensor.rows; ++r) {
        const auto at = static_cast<std::ptrdiff_t>(tensor.offset(m, r, 0));
        std::copy(result.begin() + at, result.begin() + at + row_bytes, should_be.begin() + at);
      }
  }
  if (result.size() != should_be.size()) return tensor.name + ": the image has another size";
  const auto [a, b] = std::mismatch(result.begin(), result.end(), should_be.begin());
  static_cast<void>(b);
  if (a == result.end()) return "";
  return outside_of_elements(tensor, static_cast<std::size_t>(a - result.begin()));
}

/// error / bound of one element; more than 1, infinity or NaN are failures.
double ratio_of(double value, double expected, double bound, bool exact) {
  if (std::isnan(bound)) return infinity;  // the case states no expectation
  if (std::isnan(expected)) return std::isnan(value) ? 0.0 : infinity;
  if (value == expected) return 0.0;
  const double error = std::abs(value - expected);
  if (exact) return error <= 0.0 ? 0.0 : infinity;
  if (bound == infinity) return std::isnan(value) ? infinity : 0.0;
  return error / bound;
}

}  // namespace

std::string compare(const Problem& problem, const Results& results, bool exact, double* worst) {
  for (std::size_t i = 0; i < problem.tensors.size(); ++i) {
    const Tensor& tensor = *problem.tensors[i];
    if (const std::string wrong = compare_surroundings(tensor, results[i]); !wrong.empty()) return wrong;
    if (tensor.role == Role::input) continue;
    for (std::int64_t m = 0; m < tensor.models; ++m)
      for (std::int64_t r = 0; r < tensor.rows; ++r)
        for (std::int64_t c = 0; c < tensor.columns; ++c) {
          const double value = tensor.number(results[i], m, r, c);
          const std::size_t at = tensor.position(m, r, c);
          const double expected = tensor.expected[at], bound = tensor.bound[at];
          const double ratio = ratio_of(value, expected, bound, exact && bound != infinity);
          if (!(ratio <= 1.0)) {
            std::ostringstream text;
            text.precision(9);
            text << place(tensor, m, r, c) << " is " << value << ", expected " << expected << " within " << bound
                 << " (error / bound " << ratio << ")";
            return text.str();
          }
          *worst = std::max(*worst, ratio);
          if (tensor.negative_zero_matters) {
            const bool is = value == 0.0 && std::signbit(value), should = expected == 0.0 && std::signbit(expected);
            if (is != should)
              return place(tensor, m, r, c) + (should ? " should be -0.0 and is not" : " is -0.0 and should not be");
          }
        }
  }
  return problem.check ? problem.check(results) : "";
}

std::string compare_bits(const Problem& problem, const Results& a, const Results& b) {
  for (std::size_t i = 0; i < problem.tensors.size(); ++i) {
    if (a[i] == b[i]) continue;
    const Tensor& tensor = *problem.tensors[i];
    for (std::int64_t m = 0; m < tensor.models; ++m)
      for (std::int64_t r = 0; r < tensor.rows; ++r)
        for (std::int64_t c = 0; c < tensor.columns; ++c) {
          const auto at = static_cast<std::ptrdiff_t>(tensor.offset(m, r, c));
          const auto size = static_cast<std::ptrdiff_t>(tensor.element_bytes);
          if (std::equal(a[i].begin() + at, a[i].begin() + at + size, b[i].begin() + at)) continue;
          std::ostringstream text;
          text.precision(9);
          text << place(tensor, m, r, c) << " is " << tensor.number(a[i], m, r, c) << " and "
               << tensor.number(b[i], m, r, c);
          return text.str();
        }
    return tensor.name + ": bytes around the elements differ";
  }
  return "";
}

bool Problem::has_items() const {
  return std::any_of(tensors.begin(), tensors.end(), [](const auto& tensor) { return tensor->rows_per_item > 0; });
}

std::int64_t Problem::items() const {
  for (const auto& tensor : tensors) {
    if (tensor->rows_per_item > 0) return tensor->rows / tensor->rows_per_item;
  }
  return 0;
}

std::int64_t Problem::models() const { return tensors.empty() ? 0 : tensors.front()->models; }

std::size_t Problem::index_of(const Tensor& tensor) const {
  for (std::size_t i = 0; i < tensors.size(); ++i) {
    if (tensors[i].get() == &tensor) return i;
  }
  return tensors.size();
}

}  // namespace cugad::test
