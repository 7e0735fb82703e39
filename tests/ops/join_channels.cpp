#include <gtest/gtest.h>

#include "tests/ops/parity.hpp"
#include "tests/ops/refusals.hpp"

namespace cugad::test {
namespace {

struct Shape {
  std::int64_t models = 1, rows = 1, pixels = 1, first = 1, second = 1;
  bool one_pixel = false, rectify = false;
  bool da = true, db = true;
  Layout layout = Layout::contiguous;
};

void build_join(Problem& problem, const Shape& s) {
  Random& random = problem.random;
  const std::int64_t channels = s.first + s.second;
  auto& a = problem.input("a", s.models, s.rows, s.pixels * s.first).by_item();
  auto& b = problem.input("b", s.models, s.rows, (s.one_pixel ? 1 : s.pixels) * s.second).by_item();
  auto& y = problem.output("y", s.models, s.rows, s.pixels * channels).by_item();
  a.fill([&] { return random.normal(); });
  b.fill([&] { return random.normal(); });
  for (std::int64_t m = 0; m < s.models; ++m)
    for (std::int64_t r = 0; r < s.rows; ++r)
      for (std::int64_t p = 0; p < s.pixels; ++p)
        for (std::int64_t c = 0; c < channels; ++c) {
          const bool is_first = c < s.first;
          double value =
              is_first ? a.get(m, r, p * s.first + c) : b.get(m, r, (s.one_pixel ? 0 : p * s.second) + c - s.first);
          if (s.rectify && !is_first) value = std::max(value, 0.0);
          y.expect(m, r, p * channels + c, value, 0.0);
        }
  problem.same_bits_on_all_backends = true;
  problem.call = [&, s](Call& call) {
    JoinChannels args;
    args.a = a.view(call.slice);
    args.b = b.view(call.slice);
    args.y = y.view(call.slice);
    args.pixels = static_cast<std::int32_t>(s.pixels);
    args.rectify = s.rectify;
    call(args);
  };
}

void build_split(Problem& problem, const Shape& s) {
  Random& random = problem.random;
  const std::int64_t channels = s.first + s.second;
  auto& dy = problem.input("dy", s.models, s.rows, s.pixels * channels).by_item();
  auto& b = problem.input("b", s.models, s.rows, s.pixels * s.second).by_item();
  auto& da = problem.output("da", s.models, s.rows, s.pixels * s.first).by_item();
  auto& db = problem.state("db", s.models, s.rows, s.pixels * s.second).by_item();
  dy.fill([&] { return random.normal(); });
  b.fill([&] { return random.normal(); });
  db.fill([&] { return random.normal(); });
  for (std::int64_t m = 0; m < s.models; ++m)
    for (std::int64_t r = 0; r < s.rows; ++r)
      for (std::int64_t p = 0; p < s.pixels; ++p)
        for (std::int64_t c = 0; c < channels; ++c) {
          const double term = dy.get(m, r, p * channels + c);
          if (c < s.first) {
            da.expect(m, r, p * s.first + c, term, 0.0);
            continue;
          }
          const std::int64_t place = p * s.second + c - s.first;
          const double value = db.get(m, r, place) + (s.rectify && !(b.get(m, r, place) > 0.0f) ? 0.0 : term);
          db.expect(m, r, place, value, 0x1p-24 * std::abs(value));
        }
  if (!s.da) da.expect_unchanged();
  if (!s.db) db.expect_unchanged();
  problem.same_bits_on_all_backends = true;
  problem.call = [&, s](Call& call) {
    SplitChannels args;
    args.dy = dy.view(call.slice);
    if (s.rectify) args.b = b.view(call.slice);
    if (s.da) args.da = da.view(call.slice);
    if (s.db) args.db = db.view(call.slice);
    args.pixels = static_cast<std::int32_t>(s.pixels);
    args.rectify = s.rectify;
    call(args);
  };
}

std::vector<Case> cases_of(void (*build)(Problem&, const Shape&), bool is_split) {
  std::vector<Case> cases;
  const auto add = [&](const Shape& s) {
    Case one;
    one.parameters =
        parameters("models", s.models, "rows", s.rows, "pixels", s.pixels, "first", s.first, "second", s.second,
                   "one_pixel", s.one_pixel, "rectify", s.rectify, "da", s.da, "db", s.db, "layout", name_of(s.layout));
    one.layout = s.layout;
    one.build = [s, build](Problem& problem) { build(problem, s); };
    cases.push_back(std::move(one));
  };
  for (const Layout layout : {Layout::contiguous, Layout::strided, Layout::misaligned}) {
    for (const bool rectify : {false, true}) {
      add({.models = 2, .rows = 5, .pixels = 12, .first = 3, .second = 5, .rectify = rectify, .layout = layout});
      add({.rows = 3, .pixels = 49, .first = 16, .second = 16, .rectify = rectify, .layout = layout});
    }
    if (!is_split)
      add({.models = 3, .rows = 4, .pixels = 35, .first = 1, .second = 10, .one_pixel = true, .layout = layout});
  }
  if (is_split) {
    add({.rows = 4, .pixels = 9, .first = 2, .second = 3, .da = false});
    add({.rows = 4, .pixels = 9, .first = 2, .second = 3, .rectify = true, .db = false});
  }
  add({.models = 3, .rows = 0, .pixels = 4, .first = 2, .second = 1});
  add({.rows = 1, .pixels = 1, .first = 1, .second = 1});
  return cases;
}

const bool registered = register_op("join_channels", cases_of(build_join, false)) &&
                        register_op("split_channels", cases_of(build_split, true));

TEST(contract, channels) {
  JoinChannels join;
  join.a = matrix(numbers, 2, 8);
  join.b = matrix(numbers, 2, 4);
  join.y = matrix(numbers, 2, 12);
  join.pixels = 4;
  expect_refusals<JoinChannels>("join_channels", join,
                                {{"pixels", [](JoinChannels& args) { args.pixels = 0; }},
                                 {"pixels", [](JoinChannels& args) { args.pixels = 5; }},
                                 {"b", [](JoinChannels& args) { args.b = matrix(numbers, 2, 3); }},
                                 {"a", [](JoinChannels& args) { args.a = matrix(numbers, 1, 8); }}});
  SplitChannels split;
  split.dy = matrix(numbers, 2, 12);
  split.da = matrix(numbers, 2, 8);
  split.db = matrix(numbers, 2, 4);
  split.pixels = 4;
  expect_refusals<SplitChannels>("split_channels", split,
                                 {{"pixels", [](SplitChannels& args) { args.pixels = -1; }},
                                  {"db", [](SplitChannels& args) { args.db = matrix(numbers, 2, 8); }},
                                  {"b", [](SplitChannels& args) { args.rectify = true; }}});
}

}  // namespace
}  // namespace cugad::test
