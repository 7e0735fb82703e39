#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "cugad/export.h"
#include "cugad/tensor.hpp"

/// Tables on the host: reading files in chunks, turning columns into numbers, splitting rows.
namespace cugad {

/// An owned row-major float matrix on the host.
struct Matrix {
  std::int64_t rows = 0, columns = 0;
  std::vector<float> data;

  Matrix() = default;
  Matrix(std::int64_t rows_, std::int64_t columns_) : rows(rows_), columns(columns_), data(rows_ * columns_) {}
  float* row(std::int64_t r) { return data.data() + r * columns; }
  const float* row(std::int64_t r) const { return data.data() + r * columns; }
  MatrixView<const float> view() const { return {data.data(), rows, columns}; }
  MatrixView<float> view() { return {data.data(), rows, columns}; }
};

/// One column of a chunk: numbers (a missing cell is NaN) or texts (a missing cell is empty).
struct Column {
  std::string name;
  bool is_text = false;
  std::vector<double> numbers;
  std::vector<std::string> texts;
};

/// Some consecutive rows of a file.
struct CUGAD_API Table {
  std::int64_t rows = 0;
  std::int64_t first_row = 0;  ///< number of the first row in the file's data, from 0
  std::vector<Column> columns;

  /// The column's position. `name` is a column name, or its position from 0 (negative: from the end) where no column
  /// bears that name. Throws Error{invalid_argument} naming the nearest known name.
  std::size_t find(const std::string& name) const;
};

/// How a file is to be read.
struct ReadOptions {
  /// Columns to keep as text (names or positions as in Table::find). Other csv columns are text where one of their
  /// first 1,000 cells is not a number, else numeric; a later cell that is not a number is then an error.
  std::vector<std::string> text_columns;
  /// Force every column that is not listed in text_columns to be numeric (used when scoring with a fitted encoder).
  bool infer_text = true;
};

/// Reads a table in chunks with bounded memory.
class CUGAD_API TableReader {
 public:
  virtual ~TableReader() = default;
  virtual const std::vector<std::string>& column_names() const = 0;
  /// The next chunk of at most `max_rows` rows; false at the end (chunk then has 0 rows). Throws Error{format} with
  /// file, row and column for a damaged file, Error{input_output} when reading fails.
  virtual bool read(Table& chunk, std::int64_t max_rows) = 0;
};

/// Opens `.csv`, `.csv.gz` (any gzip is recognised by content), `.npy` (2-D; 1-D is one column), `.npz` (array X, and y
/// if present as the text column "y"), `.idx*`, `*-ubyte` (both optionally .gz; one row per item, columns flattened).
/// "-" is csv on standard input. The cells of a csv are separated by commas or, where its first line has none, by the
/// semicolons or tabs that it has. It has a header if any cell of its first line is not a number while the cell below
/// it is, or if all its cells are distinct non-numeric texts; without one the columns are named "0", "1", ... Cells:
/// numbers as C writes them, surrounding blanks dropped, double quotes after RFC 4180; empty, "NA", "N/A", "n/a",
/// "#N/A", "#NA", "<NA>", "NaN", "nan", "-nan", "-NaN", "null", "NULL", "None", "?" are missing; an infinite number is
/// an error (Error{format}). CRLF and a final line without newline are fine.
CUGAD_API std::unique_ptr<TableReader> open_table(const std::string& path, const ReadOptions& options = {});

/// The whole file in memory.
CUGAD_API Table read_table(const std::string& path, const ReadOptions& options = {});

/// Turns tables into float matrices: numeric columns in their order, then one 0/1 column per value of each categorical
/// column (values in ASCII order). Fitted once, stored in the model.
class CUGAD_API TableEncoder {
 public:
  struct Options {
    std::vector<std::string> categorical;  ///< besides the text columns, which are always categorical
    std::vector<std::string> excluded;     ///< columns that are no features: the label, the group
    std::int64_t max_categories = 1000;    ///< per column; more is an error that names the column
  };

  /// Learns column names and categories (from all rows given). Throws Error{invalid_argument} for unknown names, no
  /// feature left, or too many categories.
  void fit(const Table& table, const Options& options);
  /// Feature names: "bytes", "service=http", ...
  const std::vector<std::string>& feature_names() const { return feature_names_; }
  /// How many of the features, from the first, are numeric; the rest are 0/1.
  std::int64_t numeric_features() const { return static_cast<std::int64_t>(numeric_.size()); }
  /// Columns are found by name (by position where the chunk has no header); extra columns are ignored, a missing one is
  /// an error. Unseen categories become all zeros and are counted.
  Matrix encode(const Table& chunk);
  /// Unseen values so far, per categorical column (only columns with any).
  const std::map<std::string, std::int64_t>& unseen() const { return unseen_; }
  /// What ReadOptions a file to be encoded needs.
  ReadOptions read_options() const;
  std::string to_json() const;
  /// Throws Error{format} for anything but what to_json wrote.
  static TableEncoder from_json(const std::string& json);

 private:
  struct Categorical {
    std::string name;
    std::vector<std::string> values;
  };
  std::vector<std::string> numeric_;
  std::vector<Categorical> categorical_;
  std::vector<std::string> feature_names_;
  std::map<std::string, std::int64_t> unseen_;
};

/// For each row whether the column's cell equals one of `values`: as text, or as numbers where both are numbers.
CUGAD_API std::vector<std::uint8_t> rows_with_value(const Table& table, const std::string& column,
                                                    std::span<const std::string> values);

/// Positions of the rows where `keep` is non-zero.
CUGAD_API std::vector<std::int64_t> kept_rows(std::span<const std::uint8_t> keep);
/// The rows at the given positions, in that order.
CUGAD_API Matrix take_rows(const Matrix& matrix, std::span<const std::int64_t> rows);
CUGAD_API Table take_rows(const Table& table, std::span<const std::int64_t> rows);
/// Positions of the first of each distinct row (compared bit for bit), ascending.
CUGAD_API std::vector<std::int64_t> distinct_rows(const Matrix& matrix);

/// numpy.random.RandomState(seed).permutation(n), to the bit (MT19937, legacy bounded integers, Fisher-Yates).
CUGAD_API std::vector<std::int64_t> numpy_permutation(std::uint32_t seed, std::int64_t n);

/// A labelled table made by us, for demos and tests: telemetry of machines (load, temperatures, byte counts that are
/// heavy-tailed, a categorical "service" and "state", a "machine" column) with about 3 % anomalies of several kinds;
/// label column "label" is "normal" or the anomaly's kind. With more than one group a column "group" stands in place of
/// "machine" ("machine-0007"): each group is a machine of its own character (offsets, scales, rhythm), so that a model
/// of all of them misses what a model of each one sees. Groups are of equal size (but for one row), or `uneven`: from 1
/// row on, log-uniform. Same seed, same file. Written as csv (".gz": compressed), aside and then renamed.
CUGAD_API void synthesize_telemetry(const std::string& path, std::int64_t rows, std::uint64_t seed,
                                    std::int64_t groups = 1, bool uneven = false);

}  // namespace cugad
