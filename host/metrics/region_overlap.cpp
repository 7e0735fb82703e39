#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "cugad/error.hpp"
#include "cugad/metrics.hpp"
#include "host/floating_point.hpp"

namespace cugad::metrics {
namespace {

[[noreturn]] void fail(const std::string& reason) { throw Error(ErrorCode::invalid_argument, reason); }

struct Pixel {
  float score;
  std::int32_t region;
};

std::vector<std::int64_t> region_sizes(std::span<const std::int32_t> region) {
  std::vector<std::int64_t> sizes;
  for (const std::int32_t number : region) {
    if (number < 0) fail(fmt::format("region_overlap: the region {}, expected 0 or more", number));
    if (static_cast<std::size_t>(number) >= sizes.size()) sizes.resize(static_cast<std::size_t>(number) + 1);
    ++sizes[static_cast<std::size_t>(number)];
  }
  return sizes;
}

}  // namespace

std::int32_t label_regions(std::span<const std::uint8_t> mask, std::int64_t width, std::int32_t first,
                           std::span<std::int32_t> region) {
  const std::int64_t pixels = std::ssize(mask);
  if (width < 1 || pixels % width != 0 || std::ssize(region) != pixels || first < 1) {
    fail(
        fmt::format("label_regions: {} pixels of lines of {}, {} numbers, from {} on; expected whole lines, a number "
                    "for each pixel, and 1 or more",
                    pixels, width, region.size(), first));
  }
  std::fill(region.begin(), region.end(), 0);
  std::vector<std::int64_t> open;  // pixels of the region whose neighbours are still to be looked at
  for (std::int64_t start = 0; start < pixels; ++start) {
    if (mask[start] == 0 || region[start] != 0) continue;
    region[start] = first;
    open.push_back(start);
    while (!open.empty()) {
      const std::int64_t y = open.back() / width, x = open.back() % width;
      open.pop_back();
      for (std::int64_t v = std::max<std::int64_t>(0, y - 1); v <= std::min(pixels / width - 1, y + 1); ++v) {
        for (std::int64_t u = std::max<std::int64_t>(0, x - 1); u <= std::min(width - 1, x + 1); ++u) {
          const std::int64_t neighbour = v * width + u;
          if (mask[neighbour] == 0 || region[neighbour] != 0) continue;
          region[neighbour] = first;
          open.push_back(neighbour);
        }
      }
    }
    ++first;
  }
  return first;
}

double region_overlap(std::span<const std::int32_t> region, std::span<const float> score, double limit) {
  const FloatingPointEnvironment environment;
  if (region.size() != score.size()) {
    fail(fmt::format("region_overlap: {} pixels and {} scores, expected as many of each", region.size(), score.size()));
  }
  if (!(limit > 0 && limit <= 1))
    fail(fmt::format("region_overlap: the limit {}, expected above 0 and up to 1", limit));
  const std::vector<std::int64_t> sizes = region_sizes(region);
  const auto regions = std::count_if(sizes.begin(), sizes.end(), [](std::int64_t size) { return size > 0; }) -
                       (sizes.empty() || sizes[0] == 0 ? 0 : 1);
  if (regions == 0 || sizes[0] == 0) {
    fail(fmt::format("region_overlap: {} regions and {} normal pixels, expected some of both", regions,
                     sizes.empty() ? 0 : sizes[0]));
  }
  std::vector<Pixel> pixels(score.size());
  for (std::size_t i = 0; i < pixels.size(); ++i) {
    if (std::isnan(score[i])) fail(fmt::format("region_overlap: the score of pixel {} is NaN", i));
    pixels[i] = {score[i], region[i]};
  }
  // Of equal scores the regions in order, so that the sum has one order.
  std::sort(pixels.begin(), pixels.end(), [](const Pixel& a, const Pixel& b) {
    return a.score != b.score ? a.score > b.score : a.region < b.region;
  });
  double overlap = 0, area = 0, false_share = 0;
  std::int64_t false_pixels = 0;
  for (std::size_t i = 0; i < pixels.size() && false_share < limit;) {
    const double overlap_before = overlap, share_before = false_share;
    for (const float shared = pixels[i].score; i < pixels.size() && pixels[i].score == shared; ++i) {
      if (pixels[i].region == 0) {
        ++false_pixels;
      } else {
        overlap += 1.0 / static_cast<double>(sizes[static_cast<std::size_t>(pixels[i].region)] * regions);
      }
    }
    false_share = static_cast<double>(false_pixels) / static_cast<double>(sizes[0]);
    const double end = std::min(false_share, limit), step = false_share - share_before;
    if (step == 0) continue;
    const double overlap_at_end = overlap_before + (overlap - overlap_before) * (end - share_before) / step;
    area += (end - share_before) * (overlap_before + overlap_at_end) / 2;
  }
  return area / limit;
}

}  // namespace cugad::metrics
