#include "host/table/date_time.hpp"

#include <algorithm>
#include <array>
#include <string>

#include "host/text/cell.hpp"

namespace cugad {
namespace {

bool is_digit(char letter) { return letter >= '0' && letter <= '9'; }

/// Consumes the parts of a date or a time from the front of a text.
class Scanner {
 public:
  explicit Scanner(std::string_view text) : text_(text) {}

  bool at_end() const { return text_.empty(); }
  bool accept(char letter) {
    if (!text_.starts_with(letter)) return false;
    text_.remove_prefix(1);
    return true;
  }
  /// Whether a number of up to `most` digits is next.
  bool number(std::size_t most, int& value) {
    digits_ = 0;
    value = 0;
    while (digits_ < most && digits_ < text_.size() && is_digit(text_[digits_]))
      value = 10 * value + (text_[digits_++] - '0');
    text_.remove_prefix(digits_);
    return digits_ > 0 && (text_.empty() || !is_digit(text_.front()));
  }
  std::size_t digits() const { return digits_; }
  bool month_name() {
    constexpr std::array<std::string_view, 12> names = {"jan", "feb", "mar", "apr", "may", "jun",
                                                        "jul", "aug", "sep", "oct", "nov", "dec"};
    std::string lower(text_.substr(0, 3));
    std::transform(lower.begin(), lower.end(), lower.begin(),
                   [](char letter) { return static_cast<char>(letter | 32); });
    if (std::find(names.begin(), names.end(), lower) == names.end()) return false;
    while (!text_.empty() && ((text_.front() | 32) >= 'a' && (text_.front() | 32) <= 'z')) text_.remove_prefix(1);
    return true;
  }
  char separator(std::string_view allowed) {
    if (text_.empty() || allowed.find(text_.front()) == std::string_view::npos) return 0;
    const char found = text_.front();
    text_.remove_prefix(1);
    return found;
  }

 private:
  std::string_view text_;
  std::size_t digits_ = 0;
};

/// Year, month and day, or day and month in either order and the year.
bool scan_date(Scanner& at) {
  int first = 0, second = 0, third = 0;
  if (!at.number(4, first)) return false;
  const bool year_first = at.digits() == 4;
  const char separator = at.separator("-/. ");
  if (separator == 0) return false;
  const bool is_named = !year_first && at.month_name();
  if (!is_named && (!at.number(2, second) || separator == ' ')) return false;
  if (!at.accept(separator) || !at.number(4, third)) return false;
  const bool year_last = at.digits() == 4;
  const auto is_day = [](int value) { return value >= 1 && value <= 31; };
  const auto is_month = [](int value) { return value >= 1 && value <= 12; };
  if (is_named) return is_day(first);
  if (year_first) return !year_last && is_month(second) && is_day(third);
  // Two digits everywhere: three short numbers with dots are a version, not a date.
  if (!year_last && (separator == '.' || at.digits() != 2)) return false;
  return (is_day(first) && is_month(second)) || (is_month(first) && is_day(second));
}

/// Hours and minutes, with optional seconds, AM or PM, and zone.
bool scan_time(Scanner& at) {
  int hours = 0, minutes = 0, seconds = 0, ignored = 0;
  if (!at.number(2, hours) || !at.accept(':') || !at.number(2, minutes) || at.digits() != 2) return false;
  if (at.accept(':')) {
    if (!at.number(2, seconds)) return false;
    if (at.separator(".,") != 0 && !at.number(9, ignored)) return false;
  }
  if (hours > 24 || minutes > 59 || seconds > 60) return false;
  const bool blank = at.accept(' ');
  if (at.accept('Z')) return at.at_end();
  if (at.separator("+-") != 0) {
    if (!at.number(4, ignored)) return false;
    return at.at_end() || (at.accept(':') && at.number(2, ignored) && at.at_end());
  }
  if (at.separator("AaPp") != 0) return at.separator("Mm") != 0 && at.at_end();
  return !blank && at.at_end();
}

}  // namespace

bool is_date_or_time(std::string_view text) {
  text = without_blanks(text);
  if (Scanner alone(text); scan_time(alone)) return true;
  Scanner at(text);
  if (!scan_date(at)) return false;
  if (at.at_end()) return true;
  return at.separator("T :") != 0 && scan_time(at);
}

}  // namespace cugad
