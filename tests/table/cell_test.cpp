#include "host/text/cell.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <cstdlib>
#include <random>
#include <string>
#include <vector>

namespace cugad {
namespace {

/// Compared with the C library's conversion, with exponents up to and far beyond the range of a double.
TEST(Cell, NumbersAreThoseOfStrtod) {
  const std::uint32_t seed = std::random_device{}();
  std::mt19937 random(seed);
  const auto digits = [&](std::uint32_t most) {
    std::string text;
    for (std::uint32_t n = random() % (most + 1); n > 0; --n) text += static_cast<char>('0' + random() % 10);
    return text;
  };
  std::vector<std::string> texts{"0e99999999999999999999",
                                 "0.0e-99999999999999999999",
                                 "1e99999999999999999999",
                                 "1e-99999999999999999999",
                                 "2.4703282292062327e-324",
                                 "1.7976931348623159e308",
                                 "1" + std::string(400, '0'),
                                 "123456789012345",
                                 "-12345678901234.5",
                                 ".123456789012345",
                                 "-.1234567890123456",
                                 "-",
                                 "-.",
                                 "1.2.3",
                                 "." + std::string(400, '0') + "1",
                                 "." + std::string(400, '0') + "1e720",
                                 "0." + std::string(400, '0') + "1e80"};
  for (int i = 0; i < 20000; ++i) {
    const bool is_long = i % 100 == 0;
    std::string text = digits(is_long ? 500 : 20) + "." + digits(is_long ? 500 : 20);
    if (random() % 4 == 0) text.insert(0, "-");
    if (random() % 2 == 0) text += std::string("e") + (random() % 2 ? "-" : "+") + digits(3);
    texts.push_back(text);
  }
  for (const std::string& text : texts) {
    char* end = nullptr;
    const double expected = std::strtod(text.c_str(), &end);
    double number = 0;
    const CellKind kind = parse_cell(text, number);
    if (*end != 0) {
      EXPECT_EQ(kind, CellKind::text) << text;
      continue;
    }
    EXPECT_EQ(kind, std::isinf(expected) ? CellKind::infinite : CellKind::number) << text << ", seed " << seed;
    EXPECT_EQ(number, expected) << text << ", seed " << seed;
    EXPECT_EQ(std::signbit(number), std::signbit(expected)) << text << ", seed " << seed;
  }
}

TEST(Cell, ErrorsShowNoByteThatATerminalMayNotTake) {
  EXPECT_EQ(escaped("caf\xc3\xa9 \xe2\x82\xac"), "caf\xc3\xa9 \xe2\x82\xac");
  EXPECT_EQ(escaped("caf\xe9"), "caf\\xe9");
  EXPECT_EQ(escaped("\xe2\x82"), "\\xe2\\x82");
  EXPECT_EQ(escaped("a\x1b[m\x7f"), "a\\x1b[m\\x7f");
  EXPECT_EQ(escaped("\xc2\x9b"), "\\xc2\\x9b");
  EXPECT_EQ(one_line("abc\xc3\xa9", 4), "abc...");
  EXPECT_EQ(one_line("abc\xc3\xa9", 5), "abc\xc3\xa9");
  EXPECT_EQ(one_line("\xa9\xa9", 1), "...");
}

}  // namespace
}  // namespace cugad
