#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "cugad/table.hpp"
#include "host/table/byte_source.hpp"

namespace cugad {

enum class ElementKind { boolean, signed_integer, unsigned_integer, floating, byte_text, unicode_text };

/// How a matrix lies in a stream of bytes.
struct ArrayLayout {
  ElementKind kind = ElementKind::floating;
  std::int64_t element_size = 0;  ///< in bytes
  bool big_endian = false;
  bool fortran_order = false;  ///< columns follow each other, not rows
  std::int64_t rows = 0, columns = 0;
  std::optional<ImageShape> image = {};  ///< of the rows, if the array has 3 or 4 dimensions
  std::uint64_t data_position = 0;       ///< of the first byte of the data in the stream

  /// Makes rows of what follows the first of the dimensions: throws Error{format} for more cells than any file holds.
  void set_shape(const std::vector<std::int64_t>& dimensions, const std::string& file);
};

/// Reads a matrix in chunks. Memory grows with the bytes read, never with the size that a header declares.
class ArrayReader : public TableReader {
 public:
  /// The source is positioned at the data. Throws Error{format} if the layout is impossible or does not match the
  /// stream.
  ArrayReader(std::unique_ptr<ByteSource> source, const ArrayLayout& layout, std::string file);

  /// Arrays do not name their columns: they are "0", "1", ... unless the options have names for as many, or this gives
  /// others.
  void choose_columns(const ReadOptions& options);
  void name_columns(std::vector<std::string> names, std::vector<bool> is_text);

  std::int64_t rows() const { return layout_.rows; }
  const std::vector<std::string>& column_names() const override { return names_; }
  bool read(Table& chunk, std::int64_t max_rows) override;
  TableFormat format() const override;

 private:
  void read_row_major(Table& chunk, std::int64_t rows);
  void read_column_major(Table& chunk, std::int64_t rows);
  void read_bytes(std::size_t size);
  void append(Table& chunk, std::int64_t c, std::size_t first_byte, std::size_t stride, std::int64_t count,
              std::int64_t first_row);
  void expect_end();

  std::unique_ptr<ByteSource> source_;
  ArrayLayout layout_;
  std::string file_;
  std::vector<std::string> names_;
  std::vector<bool> is_text_;
  bool named_ = false, marks_errors_ = false;
  std::vector<unsigned char> bytes_;  ///< of the current block; all of the data if columns cannot be sought
  bool all_in_memory_ = false;
  std::int64_t rows_read_ = 0;
};

}  // namespace cugad
