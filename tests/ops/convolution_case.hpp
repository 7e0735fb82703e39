#pragma once

#include <sstream>
#include <string>
#include <vector>

#include "tests/ops/parity.hpp"
#include "tests/ops/reference.hpp"

/// Geometries of convolutions for the op tests, and the connections of their pixels as the contract defines them.
namespace cugad::test {

struct Geometry {
  ImageShape from, to;
  Window window;

  std::int64_t columns_from() const { return std::int64_t{from.height} * from.width * from.channels; }
  std::int64_t columns_to() const { return std::int64_t{to.height} * to.width * to.channels; }
  std::int64_t taps() const { return std::int64_t{window.height} * window.width; }
  std::int64_t fan_in() const { return taps() * from.channels; }
  std::int64_t smaller_pixels() const {
    const ImageShape& smaller = window.transposed ? from : to;
    return std::int64_t{smaller.height} * smaller.width;
  }

  /// The same window from the smaller image to the larger.
  Geometry transposed() const {
    Geometry other{to, from, window};
    other.window.transposed = !window.transposed;
    return other;
  }
  std::string name() const {
    std::ostringstream text;
    text << from.height << 'x' << from.width << 'x' << from.channels << (window.transposed ? "_up" : "_to") << to.height
         << 'x' << to.width << 'x' << to.channels << 'k' << window.height << 'x' << window.width << 's' << window.stride
         << 'p' << window.pad_top << '_' << window.pad_left;
    return text.str();
  }

  /// Calls body(input pixel, output pixel, tap) for all that are connected.
  template <class Body>
  void for_connections(const Body& body) const {
    const ImageShape &smaller = window.transposed ? from : to, &larger = window.transposed ? to : from;
    for (int p = 0; p < smaller.height; ++p)
      for (int q = 0; q < smaller.width; ++q)
        for (int ky = 0; ky < window.height; ++ky)
          for (int kx = 0; kx < window.width; ++kx) {
            const int y = p * window.stride - window.pad_top + ky, x = q * window.stride - window.pad_left + kx;
            if (y < 0 || y >= larger.height || x < 0 || x >= larger.width) continue;
            const std::int64_t small = p * smaller.width + q, large = y * larger.width + x;
            body(window.transposed ? small : large, window.transposed ? large : small, ky * window.width + kx);
          }
  }
};

/// A stored output: in the activation's range, zeros (the derivative there is part of the contract) and dropped units
/// included.
inline float stored_output(Random& random, Activation activation, double slope, double dropout, bool exact) {
  if (dropout > 0.0 && random.chance(dropout)) return -0.0f;
  if (random.chance(0.1)) return 0.0f;
  if (exact) return static_cast<float>(random.integer(-2, 2));
  const double h = activate(activation, slope, random.uniform(-3.0, 3.0)) / (1.0 - dropout);
  return static_cast<float>(h == 0.0 ? 0.0 : h);  // a kept unit is never -0.0
}

/// Every way in which windows can meet the borders of an image: symmetric padding, none, TensorFlow's SAME, odd sizes,
/// strides from 1 to 4, windows that are narrower than their stride or wider than the image, output padding.
inline std::vector<Geometry> small_geometries() {
  std::vector<Geometry> all = {
      {{5, 7, 3}, {5, 7, 4}, {3, 3, 1, 1, 1}},   {{8, 6, 3}, {4, 3, 5}, {4, 4, 2, 1, 1}},
      {{9, 8, 2}, {5, 4, 4}, {5, 5, 2, 2, 2}},   {{7, 9, 3}, {4, 5, 4}, {3, 3, 2, 1, 1}},
      {{4, 4, 5}, {1, 1, 7}, {4, 4, 1, 0, 0}},   {{5, 4, 6}, {5, 4, 3}, {1, 1, 1, 0, 0}},
      {{7, 7, 2}, {4, 4, 5}, {4, 4, 2, 1, 1}},   {{8, 7, 3}, {4, 4, 4}, {3, 3, 2, 0, 1}},
      {{10, 11, 2}, {4, 4, 3}, {2, 5, 3, 0, 2}}, {{9, 13, 1}, {3, 4, 6}, {3, 3, 4, 1, 0}},
      {{6, 6, 2}, {3, 3, 3}, {1, 1, 2, 0, 0}},   {{2, 3, 4}, {2, 3, 2}, {5, 7, 1, 2, 3}},
      {{1, 12, 1}, {1, 6, 18}, {1, 3, 2, 0, 1}}, {{11, 1, 17}, {4, 1, 1}, {4, 1, 3, 1, 0}},
      {{3, 3, 16}, {2, 2, 33}, {2, 2, 1, 0, 0}}, {{1, 1, 19}, {1, 1, 21}, {1, 1, 1, 0, 0}},
  };
  for (std::size_t i = 0, count = all.size(); i < count; ++i) all.push_back(all[i].transposed());
  return all;
}

}  // namespace cugad::test
