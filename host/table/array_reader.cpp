#include "host/table/array_reader.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <limits>

#include "cugad/error.hpp"
#include "host/floating_point.hpp"
#include "host/table/array_elements.hpp"
#include "host/table/column_names.hpp"
#include "host/text/cell.hpp"

namespace cugad {
namespace {

constexpr std::int64_t block_bytes = std::int64_t{1} << 20;
constexpr std::int64_t longest_row = std::int64_t{64} << 20;

bool is_text_kind(ElementKind kind) { return kind == ElementKind::byte_text || kind == ElementKind::unicode_text; }

/// The bytes of the data; throws if their number overflows or differs from the stream's.
std::uint64_t checked_size(const ArrayLayout& layout, const ByteSource& source, const std::string& file) {
  if (layout.columns < 1 || layout.columns > largest_column_count) {
    throw Error(ErrorCode::format, fmt::format("{}: its header declares {} columns, expected 1 to {}", file,
                                               layout.columns, largest_column_count));
  }
  if (layout.element_size > longest_row / layout.columns) {
    throw Error(ErrorCode::format, fmt::format("{}: its header declares rows of {} cells of {} bytes, expected at most "
                                               "{} MiB for a row",
                                               file, layout.columns, layout.element_size, longest_row >> 20));
  }
  const std::int64_t row_bytes = layout.columns * layout.element_size;
  std::int64_t size = 0;
  if (layout.rows < 0 || __builtin_mul_overflow(layout.rows, row_bytes, &size)) {
    throw Error(ErrorCode::format, fmt::format("{}: its header declares {} rows of {} bytes, more than any file holds",
                                               file, layout.rows, row_bytes));
  }
  const auto remaining = source.remaining();
  if (remaining && *remaining != static_cast<std::uint64_t>(size)) {
    throw Error(ErrorCode::format,
                fmt::format("{}: its header declares {} rows of {} bytes, which is {} bytes, but {} bytes follow", file,
                            layout.rows, row_bytes, size, *remaining));
  }
  return static_cast<std::uint64_t>(size);
}

}  // namespace

void ArrayLayout::set_shape(const std::vector<std::int64_t>& dimensions, const std::string& file) {
  rows = dimensions.front();
  columns = 1;
  for (std::size_t d = 1; d < dimensions.size(); ++d) {
    if (!__builtin_mul_overflow(columns, dimensions[d], &columns)) continue;
    throw Error(ErrorCode::format,
                fmt::format("{}: its header declares items of more cells than any file holds", file));
  }
  const bool is_image = dimensions.size() == 3 || dimensions.size() == 4;
  if (!is_image || columns < 1 || columns > largest_column_count) return;  // too many are reported by the reader
  image = ImageShape{.height = static_cast<std::int32_t>(dimensions[1]),
                     .width = static_cast<std::int32_t>(dimensions[2]),
                     .channels = dimensions.size() == 4 ? static_cast<std::int32_t>(dimensions[3]) : 1};
}

ArrayReader::ArrayReader(std::unique_ptr<ByteSource> source, const ArrayLayout& layout, std::string file)
    : source_(std::move(source)), layout_(layout), file_(std::move(file)) {
  const std::uint64_t size = checked_size(layout_, *source_, file_);
  if (layout_.columns == 1) layout_.fortran_order = false;
  names_ = numbered_names(layout_.columns);
  is_text_.assign(names_.size(), is_text_kind(layout_.kind));
  if (layout_.fortran_order && !source_->seek(layout_.data_position)) {
    while (bytes_.size() < size) read_bytes(std::min<std::size_t>(size - bytes_.size(), block_bytes));
    expect_end();
    all_in_memory_ = true;
  }
}

void ArrayReader::choose_columns(const ReadOptions& options) {
  marks_errors_ = options.mark_errors;
  named_ = has_given_names(layout_.columns, options);
  std::vector<std::string> names = given_names(layout_.columns, options);
  std::vector<bool> is_text(names.size(), false);
  if (!options.numeric_columns) {
    is_text = listed_as_text(names, options, file_);
  } else {
    const ColumnIndex numeric(*options.numeric_columns);
    for (std::size_t c = 0; c < names.size(); ++c) is_text[c] = !numeric.exact(names[c]);
  }
  name_columns(std::move(names), std::move(is_text));
}

void ArrayReader::name_columns(std::vector<std::string> names, std::vector<bool> is_text) {
  names_ = std::move(names);
  is_text_ = std::move(is_text);
  if (is_text_kind(layout_.kind)) is_text_.assign(names_.size(), true);
}

bool ArrayReader::read(Table& chunk, std::int64_t max_rows) {
  const FloatingPointEnvironment environment;
  check_chunk_size(max_rows);
  prepare_columns(chunk, names_, is_text_);
  chunk.named = named_;
  chunk.first_row = rows_read_;
  const std::int64_t rows = std::min(max_rows, layout_.rows - rows_read_);
  if (layout_.fortran_order) {
    read_column_major(chunk, rows);
  } else {
    read_row_major(chunk, rows);
    if (rows_read_ + rows == layout_.rows) expect_end();
  }
  for (const auto& [row, reason] : chunk.unreadable) clear_row(chunk, row);
  rows_read_ += rows;
  chunk.rows = rows;
  return rows > 0;
}

TableFormat ArrayReader::format() const {
  TableFormat format;
  format.image = layout_.image;
  return format;
}

void ArrayReader::read_row_major(Table& chunk, std::int64_t rows) {
  const std::int64_t row_bytes = layout_.columns * layout_.element_size;
  const std::int64_t block_rows = std::max<std::int64_t>(1, block_bytes / row_bytes);
  for (std::int64_t done = 0; done < rows;) {
    const std::int64_t count = std::min(block_rows, rows - done);
    bytes_.clear();
    read_bytes(static_cast<std::size_t>(count * row_bytes));
    for (std::int64_t c = 0; c < layout_.columns; ++c) {
      append(chunk, c, static_cast<std::size_t>(c * layout_.element_size), static_cast<std::size_t>(row_bytes), count,
             rows_read_ + done);
    }
    done += count;
  }
}

void ArrayReader::read_column_major(Table& chunk, std::int64_t rows) {
  const std::int64_t size = layout_.element_size;
  const std::int64_t block_rows = std::max<std::int64_t>(1, block_bytes / size);
  for (std::int64_t c = 0; c < layout_.columns; ++c) {
    std::int64_t first_byte = (c * layout_.rows + rows_read_) * size;
    if (all_in_memory_) {
      append(chunk, c, static_cast<std::size_t>(first_byte), static_cast<std::size_t>(size), rows, rows_read_);
      continue;
    }
    if (!source_->seek(layout_.data_position + static_cast<std::uint64_t>(first_byte))) {
      throw Error(ErrorCode::input_output, fmt::format("{}: cannot be read at byte {}", file_,
                                                       layout_.data_position + static_cast<std::uint64_t>(first_byte)));
    }
    for (std::int64_t done = 0; done < rows;) {
      const std::int64_t count = std::min(block_rows, rows - done);
      bytes_.clear();
      read_bytes(static_cast<std::size_t>(count * size));
      append(chunk, c, 0, static_cast<std::size_t>(size), count, rows_read_ + done);
      done += count;
    }
  }
}

/// Appends exactly `size` bytes of the stream to `bytes_`.
void ArrayReader::read_bytes(std::size_t size) {
  const std::size_t before = bytes_.size();
  bytes_.resize(before + size);
  if (read_fully(*source_, reinterpret_cast<char*>(bytes_.data() + before), size) == size) return;
  throw Error(ErrorCode::format, fmt::format("{}: ends too early: its header declares {} rows of {} cells of {} bytes",
                                             file_, layout_.rows, layout_.columns, layout_.element_size));
}

/// Appends `count` elements, `stride` bytes apart, to a column.
void ArrayReader::append(Table& chunk, std::int64_t c, std::size_t first_byte, std::size_t stride, std::int64_t count,
                         std::int64_t first_row) {
  Column& column = chunk.columns[static_cast<std::size_t>(c)];
  const unsigned char* element = bytes_.data() + first_byte;
  if (is_text_kind(layout_.kind)) {
    for (std::int64_t r = 0; r < count; ++r, element += stride) {
      std::string text = load_text(layout_, element);
      double number = 0;
      if (parse_cell(text, number) == CellKind::missing) text.clear();
      column.texts.push_back(std::move(text));
    }
    return;
  }
  const NumberLoader load = number_loader(layout_);
  for (std::int64_t r = 0; r < count; ++r, element += stride) {
    double number = load(element);
    if (std::isinf(number) || (marks_errors_ && std::abs(number) > std::numeric_limits<float>::max())) {
      const std::string reason = fmt::format("{}, row {}, column '{}': found {}, expected a finite number", file_,
                                             first_row + r, column.name, number);
      if (!marks_errors_) throw Error(ErrorCode::format, reason);
      chunk.unreadable.emplace(first_row + r - rows_read_, reason);
      number = std::numeric_limits<double>::quiet_NaN();
    }
    if (column.is_text) {
      column.texts.push_back(number_text(number));
    } else {
      column.numbers.push_back(number);
    }
  }
}

/// Reading one byte more also makes a zip member check its sum.
void ArrayReader::expect_end() {
  char byte = 0;
  if (source_->read(&byte, 1) == 0) return;
  throw Error(ErrorCode::format, fmt::format("{}: has more bytes than the {} rows of {} cells that its header declares",
                                             file_, layout_.rows, layout_.columns));
}

}  // namespace cugad
