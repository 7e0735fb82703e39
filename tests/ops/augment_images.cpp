#include <gtest/gtest.h>

#include <algorithm>

#include "tests/ops/parity.hpp"
#include "tests/ops/reference.hpp"
#include "tests/ops/refusals.hpp"

namespace cugad::test {
namespace {

struct Shape {
  std::int64_t models = 1, rows = 1;
  ImageShape image = {5, 7, 3};
  std::int32_t more_channels = 0, shift = 2;
  std::int64_t rest = 0;
  bool flip = true;
  std::int64_t counter = -1;  ///< step counter in device memory; negative: none
  Layout layout = Layout::contiguous;
};

constexpr std::int64_t source_rows = 9;

void build(Problem& problem, const Shape& s) {
  Random& random = problem.random;
  const std::int64_t height = s.image.height, width = s.image.width, channels = s.image.channels;
  const std::int64_t behind = height * width * channels, rest = behind + height * width * s.more_channels;
  const std::int64_t columns = rest + s.rest;
  auto& source = problem.input("source", s.models, source_rows, columns, true);
  auto& index = problem.input<std::int32_t>("index", s.models, s.rows, 1);
  auto& out = problem.output("out", s.models, s.rows, columns);
  source.fill([&] { return random.normal(); });
  index.fill([&] { return random.integer(0, source_rows - 1); });
  auto& counter = problem.input<std::uint32_t>("step_counter", s.models, 1, 1, true);
  counter.set(0, 0, 0, static_cast<std::uint32_t>(std::max<std::int64_t>(s.counter, 0)));
  const RandomKey key{random.next(), RandomPurpose::augmentation, 2, 77, nullptr, 3};
  RandomKey counted = key;  // as the reference sees it
  counted.step += 3 * static_cast<std::uint32_t>(std::max<std::int64_t>(s.counter, 0));
  for (std::int64_t m = 0; m < s.models; ++m)
    for (std::int64_t r = 0; r < s.rows; ++r) {
      const auto word = [&](std::uint64_t w) { return random_word(counted, m, 4 * static_cast<std::uint64_t>(r) + w); };
      const auto shifted = [&](std::uint32_t draw) {
        return static_cast<std::int64_t>(draw * (2.0 * s.shift + 1.0) * 0x1p-32) - s.shift;
      };
      const bool is_mirrored = s.flip && word(0) % 2 == 1;
      const std::int64_t down = shifted(word(1)), right = shifted(word(2)), from = index.get(m, r, 0);
      for (std::int64_t c = 0; c < columns; ++c) {
        std::int64_t place = c;
        if (c < rest) {
          const std::int64_t begin = c < behind ? 0 : behind, depth = c < behind ? channels : s.more_channels;
          const std::int64_t pixel = (c - begin) / depth;
          const std::int64_t y = std::clamp<std::int64_t>(pixel / width - down, 0, height - 1);
          std::int64_t x = std::clamp<std::int64_t>(pixel % width - right, 0, width - 1);
          if (is_mirrored) x = width - 1 - x;
          place = begin + (y * width + x) * depth + (c - begin) % depth;
        }
        out.expect(m, r, c, source.get(m, from, place), 0.0);
      }
    }
  problem.same_bits_on_all_backends = true;
  problem.call = [&, s, key](Call& call) {
    AugmentImages args;
    args.source = source.view(call.slice);
    args.index = index.view(call.slice);
    args.out = out.view(call.slice);
    args.image = s.image;
    args.more_channels = s.more_channels;
    args.shift = s.shift;
    args.flip = s.flip;
    args.key = key;
    args.key.seed += static_cast<std::uint64_t>(call.slice.first_model);
    if (s.counter >= 0) args.key.step_counter = counter.view().data;
    call(args);
  };
}

std::vector<Case> augment_images_cases() {
  std::vector<Case> cases;
  const auto add = [&](const Shape& s) {
    Case one;
    one.parameters = parameters("models", s.models, "rows", s.rows, "height", s.image.height, "width", s.image.width,
                                "channels", s.image.channels, "more", s.more_channels, "shift", s.shift, "rest", s.rest,
                                "flip", s.flip, "counter", s.counter, "layout", name_of(s.layout));
    one.layout = s.layout;
    one.build = [s](Problem& problem) { build(problem, s); };
    cases.push_back(std::move(one));
  };
  for (const Layout layout : {Layout::contiguous, Layout::strided, Layout::misaligned}) {
    add({.models = 2, .rows = 21, .layout = layout});
    add({.rows = 13, .image = {6, 6, 1}, .more_channels = 2, .shift = 5, .rest = 4, .counter = 5, .layout = layout});
  }
  add({.rows = 9, .shift = 0});
  add({.rows = 9, .shift = 4, .flip = false});
  add({.rows = 4, .image = {1, 1, 1}, .shift = 0, .rest = 1});
  add({.models = 3, .rows = 0});
  return cases;
}

const bool registered = register_op("augment_images", augment_images_cases());

TEST(contract, augment_images) {
  AugmentImages args;
  args.source = matrix(numbers, 2, 12);
  args.index = matrix(indices, 2, 1);
  args.out = matrix(numbers + 24, 2, 12);
  args.image = {2, 3, 2};
  expect_refusals<AugmentImages>("augment_images", args,
                                 {{"shift", [](AugmentImages& one) { one.shift = 2; }},
                                  {"shift", [](AugmentImages& one) { one.shift = -1; }},
                                  {"image", [](AugmentImages& one) { one.image.width = 0; }},
                                  {"columns", [](AugmentImages& one) { one.more_channels = 1; }},
                                  {"index", [](AugmentImages& one) { one.index.rows = 1; }}});
}

}  // namespace
}  // namespace cugad::test
