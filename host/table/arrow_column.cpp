#include "host/table/arrow_column.hpp"

#include <array>
#include <bit>
#include <charconv>
#include <chrono>
#include <cmath>
#include <cstdio>
#include <cstring>
#include <functional>
#include <limits>
#include <string>
#include <string_view>
#include <utility>

#include "cugad/error.hpp"
#include "host/text/cell.hpp"

namespace cugad {
namespace {

constexpr double missing = std::numeric_limits<double>::quiet_NaN();

bool bit_of(const void* bits, std::int64_t index) {
  return ((static_cast<const std::uint8_t*>(bits)[index / 8] >> (index % 8)) & 1) != 0;
}

/// `index` counts from the buffer's begin. An array without nulls may lack the bitmap; one of nulls alone has none.
bool is_valid(const ArrowArray& array, std::int64_t index) {
  return array.null_count == 0 || array.n_buffers == 0 || array.buffers[0] == nullptr ||
         bit_of(array.buffers[0], index);
}

/// Numbers of type T, multiplied by `unit`.
template <class T>
class Numbers : public ArrowColumn {
 public:
  explicit Numbers(double unit = 1) : unit_(unit) {}
  bool is_text() const override { return false; }
  void append(const ArrowArray& array, std::int64_t first, std::int64_t count, Column& column) const override {
    const auto* const values = static_cast<const T*>(array.buffers[1]);
    const std::int64_t begin = array.offset + first;
    for (std::int64_t i = begin; i < begin + count; ++i) {
      column.numbers.push_back(is_valid(array, i) ? number(values[i]) : missing);
    }
  }

 private:
  double number(T value) const { return unit_ == 1 ? static_cast<double>(value) : static_cast<double>(value) * unit_; }
  double unit_;
};

struct Half {
  std::uint16_t bits;
  explicit operator double() const {
    const int exponent = (bits >> 10) & 31, fraction = bits & 1023;
    const double size = exponent == 31  ? (fraction == 0 ? std::numeric_limits<double>::infinity() : missing)
                        : exponent == 0 ? std::ldexp(fraction, -24)
                                        : std::ldexp(1024 + fraction, exponent - 25);
    return (bits >> 15) != 0 ? -size : size;
  }
};

struct Decimal128 {
  std::uint64_t low;
  std::int64_t high;
  explicit operator double() const { return static_cast<double>(high) * 0x1p64 + static_cast<double>(low); }
};

class Nulls : public ArrowColumn {
 public:
  bool is_text() const override { return false; }
  void append(const ArrowArray&, std::int64_t, std::int64_t count, Column& column) const override {
    column.numbers.insert(column.numbers.end(), static_cast<std::size_t>(count), missing);
  }
};

class Truths : public ArrowColumn {
 public:
  bool is_text() const override { return true; }
  void append(const ArrowArray& array, std::int64_t first, std::int64_t count, Column& column) const override {
    const std::int64_t begin = array.offset + first;
    for (std::int64_t i = begin; i < begin + count; ++i) {
      column.texts.emplace_back(!is_valid(array, i) ? "" : bit_of(array.buffers[1], i) ? "true" : "false");
    }
  }
};

/// Texts whose begins are of type Offset.
template <class Offset>
class Texts : public ArrowColumn {
 public:
  bool is_text() const override { return true; }
  void append(const ArrowArray& array, std::int64_t first, std::int64_t count, Column& column) const override {
    const auto* const begins = static_cast<const Offset*>(array.buffers[1]);
    const auto* const letters = static_cast<const char*>(array.buffers[2]);
    const std::int64_t begin = array.offset + first;
    for (std::int64_t i = begin; i < begin + count; ++i) {
      if (is_valid(array, i) && begins[i + 1] > begins[i]) {
        column.texts.emplace_back(letters + begins[i], static_cast<std::size_t>(begins[i + 1] - begins[i]));
      } else {
        column.texts.emplace_back();
      }
    }
  }
};

/// Texts of at most 12 bytes lie in their view, others in one of the buffers behind the views.
class TextViews : public ArrowColumn {
 public:
  bool is_text() const override { return true; }
  void append(const ArrowArray& array, std::int64_t first, std::int64_t count, Column& column) const override {
    constexpr std::int32_t longest_inside = 12;
    struct View {
      std::int32_t length;
      std::array<char, 4> prefix;
      std::int32_t buffer, begin;
    };
    const auto* const views = static_cast<const View*>(array.buffers[1]);
    const std::int64_t begin = array.offset + first;
    for (std::int64_t i = begin; i < begin + count; ++i) {
      const View& view = views[i];
      if (!is_valid(array, i)) {
        column.texts.emplace_back();
      } else if (view.length <= longest_inside) {
        column.texts.emplace_back(reinterpret_cast<const char*>(&view) + sizeof view.length,
                                  static_cast<std::size_t>(view.length));
      } else {
        column.texts.emplace_back(static_cast<const char*>(array.buffers[2 + view.buffer]) + view.begin,
                                  static_cast<std::size_t>(view.length));
      }
    }
  }
};

/// Rounds down, also below 0.
std::int64_t floor_divided(std::int64_t value, std::int64_t by) { return value / by - (value % by < 0 ? 1 : 0); }

/// "2024-02-29" of days since 1970.
std::string date_text(std::int64_t days) {
  using namespace std::chrono;
  const year_month_day date{sys_days{std::chrono::days{days}}};
  std::array<char, 32> text;
  std::snprintf(text.data(), text.size(), "%04d-%02u-%02u", static_cast<int>(date.year()),
                static_cast<unsigned>(date.month()), static_cast<unsigned>(date.day()));
  return text.data();
}

/// "12:34:56" of seconds since midnight.
std::string time_text(std::int64_t seconds) {
  std::array<char, 32> text;
  std::snprintf(text.data(), text.size(), "%02d:%02d:%02d", static_cast<int>(seconds / 3600),
                static_cast<int>(seconds / 60 % 60), static_cast<int>(seconds % 60));
  return text.data();
}

constexpr std::int64_t seconds_each_day = 86400;

/// Dates or times: integers of type T of which `each_second`, or for dates `each_day`, are one unit of the text.
template <class T>
class Moments : public ArrowColumn {
 public:
  using Write = std::string (*)(std::int64_t);
  Moments(std::int64_t each_unit, Write write) : each_unit_(each_unit), write_(write) {}
  bool is_text() const override { return true; }
  void append(const ArrowArray& array, std::int64_t first, std::int64_t count, Column& column) const override {
    const auto* const values = static_cast<const T*>(array.buffers[1]);
    const std::int64_t begin = array.offset + first;
    for (std::int64_t i = begin; i < begin + count; ++i) {
      column.texts.push_back(is_valid(array, i) ? write_(floor_divided(values[i], each_unit_)) : std::string());
    }
  }

 private:
  std::int64_t each_unit_;
  Write write_;
};

std::string moment_text(std::int64_t seconds) {
  const std::int64_t days = floor_divided(seconds, seconds_each_day);
  return date_text(days) + " " + time_text(seconds - days * seconds_each_day);
}

/// Indices of type Index into texts.
template <class Index>
class Dictionary : public ArrowColumn {
 public:
  explicit Dictionary(std::unique_ptr<ArrowColumn> values) : values_(std::move(values)) {}
  bool is_text() const override { return true; }
  void append(const ArrowArray& array, std::int64_t first, std::int64_t count, Column& column) const override {
    Column words;
    values_->append(*array.dictionary, 0, array.dictionary->length, words);
    if (!values_->is_text()) {
      for (const double number : words.numbers) words.texts.push_back(number_text(number));
    }
    const auto* const indices = static_cast<const Index*>(array.buffers[1]);
    const std::int64_t begin = array.offset + first;
    for (std::int64_t i = begin; i < begin + count; ++i) {
      column.texts.push_back(is_valid(array, i) ? words.texts.at(static_cast<std::size_t>(indices[i])) : std::string());
    }
  }

 private:
  std::unique_ptr<ArrowColumn> values_;
};

/// Calls make(T()) for the integer type of that format; false if it is none.
template <class Make>
bool with_integer(std::string_view format, const Make& make) {
  if (format == "c")
    make(std::int8_t());
  else if (format == "C")
    make(std::uint8_t());
  else if (format == "s")
    make(std::int16_t());
  else if (format == "S")
    make(std::uint16_t());
  else if (format == "i")
    make(std::int32_t());
  else if (format == "I")
    make(std::uint32_t());
  else if (format == "l")
    make(std::int64_t());
  else if (format == "L")
    make(std::uint64_t());
  else
    return false;
  return true;
}

/// How many of the units are a second: "s", "m", "u" or "n".
std::int64_t units_each_second(char unit) {
  switch (unit) {
    case 'm':
      return 1'000;
    case 'u':
      return 1'000'000;
    case 'n':
      return 1'000'000'000;
    default:
      return 1;
  }
}

/// Dates, times and durations begin with t; durations are numbers, in seconds.
std::unique_ptr<ArrowColumn> open_moments(std::string_view format) {
  const char kind = format[1];
  const std::int64_t units = units_each_second(format[2]);
  if (format == "tdD") return std::make_unique<Moments<std::int32_t>>(1, date_text);
  if (format == "tdm") return std::make_unique<Moments<std::int64_t>>(seconds_each_day * units, date_text);
  if (kind == 's') return std::make_unique<Moments<std::int64_t>>(units, moment_text);
  if (kind == 'D') return std::make_unique<Numbers<std::int64_t>>(1.0 / static_cast<double>(units));
  if (format == "tts" || format == "ttm") return std::make_unique<Moments<std::int32_t>>(units, time_text);
  if (kind == 't') return std::make_unique<Moments<std::int64_t>>(units, time_text);
  return nullptr;
}

/// "d:precision,scale" of 128 bits.
std::unique_ptr<ArrowColumn> open_decimals(std::string_view format) {
  const std::string_view parts = format.substr(2);
  const std::size_t comma = parts.find(',');
  if (comma == parts.npos || parts.find(',', comma + 1) != parts.npos) return nullptr;
  int scale = 0;
  const std::string_view digits = parts.substr(comma + 1);
  if (std::from_chars(digits.data(), digits.data() + digits.size(), scale).ec != std::errc()) return nullptr;
  return std::make_unique<Numbers<Decimal128>>(std::pow(10.0, -scale));
}

}  // namespace

std::unique_ptr<ArrowColumn> ArrowColumn::open(const ArrowSchema& schema) {
  const std::string_view format = schema.format;
  std::unique_ptr<ArrowColumn> column;
  if (schema.dictionary != nullptr) {
    with_integer(format, [&](auto integer) {
      column = std::make_unique<Dictionary<decltype(integer)>>(open(*schema.dictionary));
    });
  } else if (format == "n") {
    column = std::make_unique<Nulls>();
  } else if (format == "b") {
    column = std::make_unique<Truths>();
  } else if (format == "e") {
    column = std::make_unique<Numbers<Half>>();
  } else if (format == "f") {
    column = std::make_unique<Numbers<float>>();
  } else if (format == "g") {
    column = std::make_unique<Numbers<double>>();
  } else if (format == "u") {
    column = std::make_unique<Texts<std::int32_t>>();
  } else if (format == "U") {
    column = std::make_unique<Texts<std::int64_t>>();
  } else if (format == "vu") {
    column = std::make_unique<TextViews>();
  } else if (format.size() >= 3 && format[0] == 't') {
    column = open_moments(format);
  } else if (format.size() >= 3 && format[0] == 'd') {
    column = open_decimals(format);
  } else {
    with_integer(format, [&](auto integer) { column = std::make_unique<Numbers<decltype(integer)>>(); });
  }
  if (column) return column;
  const std::string name = schema.name == nullptr ? "" : schema.name;
  throw Error(ErrorCode::unsupported, "column '" + name + "' is of Arrow's kind '" + std::string(format) +
                                          "', expected numbers, texts, truth values, dates, times or categories");
}

}  // namespace cugad
