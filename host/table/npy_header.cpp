#include "host/table/npy_header.hpp"

#include <fmt/format.h>

#include <charconv>
#include <optional>
#include <string_view>

#include "cugad/error.hpp"
#include "host/table/array_elements.hpp"
#include "host/text/cell.hpp"

namespace cugad {
namespace {

constexpr std::size_t longest_header = std::size_t{1} << 20;

/// The Python literal {'descr': '<f8', 'fortran_order': False, 'shape': (3, 4), } that an npy header is.
class HeaderParser {
 public:
  HeaderParser(std::string_view text, const std::string& file) : text_(text), file_(file) {}

  ArrayLayout parse() {
    std::optional<std::string_view> type;
    std::optional<bool> fortran_order;
    std::optional<std::vector<std::int64_t>> shape;
    expect('{');
    while (!accept('}')) {
      const std::string_view key = quoted();
      expect(':');
      if (key == "descr" && !type) {
        type = parse_type();
      } else if (key == "fortran_order" && !fortran_order) {
        fortran_order = boolean();
      } else if (key == "shape" && !shape) {
        shape = parse_shape();
      } else {
        fail();
      }
      if (!accept(',')) {
        expect('}');
        break;
      }
    }
    skip_blanks();
    if (!text_.empty() || !type || !fortran_order || !shape) fail();
    ArrayLayout layout;
    set_type(layout, *type);
    set_shape(layout, *shape);
    layout.fortran_order = *fortran_order;
    if (layout.fortran_order && layout.image) {
      throw Error(ErrorCode::unsupported, fmt::format("{}: its images lie in Fortran order, expected C order", file_));
    }
    return layout;
  }

 private:
  [[noreturn]] void fail() const {
    throw Error(ErrorCode::format,
                fmt::format("{}: damaged npy header at '{}', expected 'descr', 'fortran_order' and 'shape'", file_,
                            one_line(text_)));
  }
  void skip_blanks() {
    while (!text_.empty() && (text_.front() == ' ' || text_.front() == '\n' || text_.front() == '\t')) {
      text_.remove_prefix(1);
    }
  }
  bool accept(char letter) {
    skip_blanks();
    if (text_.empty() || text_.front() != letter) return false;
    text_.remove_prefix(1);
    return true;
  }
  void expect(char letter) {
    if (!accept(letter)) fail();
  }
  std::string_view quoted() {
    skip_blanks();
    const char quote = text_.empty() ? '\0' : text_.front();
    const std::size_t end = text_.find(quote, 1);
    if ((quote != '\'' && quote != '"') || end == std::string_view::npos) fail();
    const std::string_view inside = text_.substr(1, end - 1);
    text_.remove_prefix(end + 1);
    return inside;
  }
  bool boolean() {
    skip_blanks();
    for (const std::string_view word : {"True", "False"}) {
      if (!text_.starts_with(word)) continue;
      text_.remove_prefix(word.size());
      return word == "True";
    }
    fail();
  }
  std::string_view parse_type() {
    skip_blanks();
    if (!text_.starts_with('[')) return quoted();
    throw Error(ErrorCode::unsupported,
                fmt::format("{}: is a structured array, expected a plain type such as '<f8'", file_));
  }
  std::vector<std::int64_t> parse_shape() {
    std::vector<std::int64_t> shape;
    expect('(');
    while (!accept(')')) {
      skip_blanks();
      std::int64_t size = 0;
      const auto result = std::from_chars(text_.data(), text_.data() + text_.size(), size);
      if (result.ec != std::errc() || size < 0) fail();
      text_.remove_prefix(static_cast<std::size_t>(result.ptr - text_.data()));
      accept('L');  // as Python 2 wrote it
      shape.push_back(size);
      if (!accept(',')) {
        expect(')');
        break;
      }
    }
    return shape;
  }

  void set_type(ArrayLayout& layout, std::string_view type) const {
    const std::string_view order = type.substr(0, 1);
    const std::string_view kinds = "biufSU";
    const std::size_t kind = type.size() < 3 ? std::string_view::npos : kinds.find(type[1]);
    std::int64_t count = 0;
    const auto result =
        std::from_chars(type.data() + std::min<std::size_t>(2, type.size()), type.data() + type.size(), count);
    const bool known = kind != std::string_view::npos && result.ec == std::errc() &&
                       result.ptr == type.data() + type.size() &&
                       std::string_view("<>|=").find(order) != std::string_view::npos;
    constexpr ElementKind element_kinds[] = {ElementKind::boolean,          ElementKind::signed_integer,
                                             ElementKind::unsigned_integer, ElementKind::floating,
                                             ElementKind::byte_text,        ElementKind::unicode_text};
    if (known && count >= 1 && count <= (std::int64_t{1} << 24)) {
      layout.kind = element_kinds[kind];
      layout.element_size = layout.kind == ElementKind::unicode_text ? 4 * count : count;
      layout.big_endian = order == ">";
      const bool is_text = layout.kind == ElementKind::byte_text || layout.kind == ElementKind::unicode_text;
      if (is_text || number_loader(layout) != nullptr) return;
    }
    throw Error(ErrorCode::unsupported,
                fmt::format("{}: its element type is '{}', expected f2, f4, f8, i1 to i8, u1 to u8, b1, S or U", file_,
                            one_line(type)));
  }
  void set_shape(ArrayLayout& layout, const std::vector<std::int64_t>& shape) const {
    if (shape.empty() || shape.size() > 4) {
      throw Error(ErrorCode::format,
                  fmt::format("{}: the array has {} dimensions, expected 2 (rows and columns), 1, or "
                              "those of images: [N, H, W] or [N, H, W, C]",
                              file_, shape.size()));
    }
    layout.set_shape(shape, file_);
  }

  std::string_view text_;
  const std::string& file_;
};

}  // namespace

ArrayLayout read_npy_header(ByteSource& source, const std::string& file) {
  unsigned char start[12];
  const auto read = [&](void* target, std::size_t size) {
    if (read_fully(source, static_cast<char*>(target), size) == size) return;
    throw Error(ErrorCode::format, fmt::format("{}: ends inside its npy header", file));
  };
  read(start, 8);
  if (std::string_view(reinterpret_cast<char*>(start), 6) != "\x93NUMPY") {
    throw Error(ErrorCode::format, fmt::format("{}: does not begin as an npy array does", file));
  }
  const int version = start[6];
  if (version < 1 || version > 3) {
    throw Error(ErrorCode::unsupported, fmt::format("{}: is npy of version {}, expected 1 to 3", file, version));
  }
  const std::size_t length_bytes = version == 1 ? 2 : 4;
  read(start + 8, length_bytes);
  std::size_t length = 0;
  for (std::size_t i = 0; i < length_bytes; ++i) length |= std::size_t{start[8 + i]} << (8 * i);
  if (length > longest_header) {
    throw Error(ErrorCode::format, fmt::format("{}: its npy header declares {} bytes for itself, expected at most {}",
                                               file, length, longest_header));
  }
  std::string text(length, '\0');
  read(text.data(), length);
  ArrayLayout layout = HeaderParser(text, file).parse();
  layout.data_position = 8 + length_bytes + length;
  return layout;
}

}  // namespace cugad
