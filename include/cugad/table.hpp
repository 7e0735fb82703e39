#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "cugad/export.h"
#include "cugad/image_shape.hpp"
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
  /// A matrix may be given wherever a view is taken.
  operator MatrixView<const float>() const { return view(); }
  operator MatrixView<float>() { return view(); }
};

/// One column of a chunk: numbers (a missing cell is NaN) or texts (a missing cell is empty).
struct Column {
  std::string name;
  bool is_text = false;
  std::vector<double> numbers;
  std::vector<std::string> texts;
};

/// A row as its csv file writes it.
struct WrittenRow {
  std::string text;                                        ///< without the end of the line
  std::vector<std::pair<std::size_t, std::size_t>> cells;  ///< begin and end of each column's cell in it, with quotes
};

/// Some consecutive rows of a file.
struct CUGAD_API Table {
  std::int64_t rows = 0;
  std::int64_t first_row = 0;  ///< number of the first row in the file's data, from 0
  std::vector<Column> columns;
  bool named = true;  ///< false if the file has no names: the columns are named by their positions
  /// Rows of the chunk (from 0) that could not be read, and why (ReadOptions::mark_errors): their cells are missing.
  std::map<std::int64_t, std::string> unreadable;
  std::vector<WrittenRow> written;  ///< one per row of a csv file if ReadOptions::keep_text, else none

  /// The column's position. `name` is a column name, or its position from 0 (negative: from the end) if no column has
  /// that name. Throws Error{invalid_argument} with the nearest known name.
  std::size_t find(const std::string& name) const;
};

/// How the numbers of one csv column are written.
struct NumberFormat {
  char decimal = '.';    ///< '.' or ','
  bool grouped = false;  ///< digits may be grouped by three: 1,234.5 or 1.234,5 or 1 234.5
  std::string prefix,
      suffix;  ///< a currency before, a unit or % after the number: the same in every cell, and ignored

  bool operator==(const NumberFormat&) const = default;
};

/// How the text of a csv file, and which array of an npz, is read. Fields left open are inferred from the file;
/// TableReader::format() returns the complete format, so that later files can be read alike.
struct CUGAD_API TableFormat {
  /// Whether the first line names the columns; `comment`: the last comment line before the data does.
  enum class Header { automatic, yes, no, comment };

  char separator = 0;  ///< 0: inferred from the file; ' ': runs of blanks
  char decimal = 0;    ///< '.' or ',' in all columns; 0: inferred per column
  Header header = Header::automatic;
  std::string comment = {};  ///< prefix of skipped lines; empty: lines before the data that begin with # are skipped
  bool has_title = false;    ///< lines before the data without a separator are skipped
  std::vector<std::string> missing = {};             ///< cells that are missing values, besides the usual words
  std::string array = {};                            ///< of an npz; empty: X, or the only one
  std::map<std::string, NumberFormat> columns = {};  ///< by name: numeric columns that are not written as in C
  std::optional<ImageShape> image = {};  ///< of rows that are images: npy and idx of 3 or 4 dimensions, folders

  std::string to_json() const;
  /// Parses the text of to_json(); throws Error{format} for any other.
  static TableFormat from_json(const std::string& json);
};

/// How a file is read.
struct ReadOptions {
  /// Columns to keep as text (names or positions as in Table::find). Other csv columns are text if one of their first
  /// 1,000 cells is not a number, else numeric; a later cell that is not a number is then an error.
  std::vector<std::string> text_columns;
  /// Infer text columns from their cells; false: every column that is not listed in text_columns is numeric.
  bool infer_text = true;
  TableFormat format = {};
  /// If set, exactly the columns of these names are numeric, all others text: nothing is inferred from the cells.
  std::optional<std::vector<std::string>> numeric_columns = {};
  /// Names for the columns of a table without names: the list with as many names as the table has columns, if any.
  std::vector<std::vector<std::string>> names = {};
  /// Name columns by position (or by `names`) even if the file names them.
  bool by_position = false;
  /// Infer the separator from the first line if that line does not contain the format's separator.
  bool adapt_separator = false;
  /// A row that cannot be read does not end the reading: its cells become missing, and Table::unreadable has the
  /// reason.
  bool mark_errors = false;
  /// A chunk ends early if the input pauses (a pipe whose writer waits), and before a row that cannot be read.
  bool as_it_comes = false;
  /// Keep the text of each row of a csv file, in Table::written.
  bool keep_text = false;
};

/// Reads a table in chunks with bounded memory.
class CUGAD_API TableReader {
 public:
  virtual ~TableReader() = default;
  virtual const std::vector<std::string>& column_names() const = 0;
  /// The next chunk of at most `max_rows` rows; false at the end (chunk then has 0 rows). Throws Error{format} with
  /// file, row and column for a damaged file, Error{input_output} when reading fails.
  virtual bool read(Table& chunk, std::int64_t max_rows) = 0;
  /// The complete format of the file, with the fields that ReadOptions left open.
  virtual TableFormat format() const { return {}; }
  /// Notes for the user about the reading so far, a line each: guesses, skipped lines.
  virtual std::vector<std::string> notes() const { return {}; }
  /// The names of the columns as the file has them; none if it has none.
  virtual std::vector<std::string> header() const { return {}; }
};

/// Opens `.csv`, `.csv.gz` (any gzip is recognised by content), `.npy` (2-D; 1-D is one column; 3-D and 4-D are images,
/// [N, H, W] and [N, H, W, C], flattened), `.npz` (array X or the only one, and y if present as the text column "y"),
/// `.idx*`, `*-ubyte` (both optionally .gz; one row per item, columns flattened). Folders of image files:
/// cugad/image.hpp. "-" is csv on standard input. Fields that ReadOptions::format leaves open are inferred from the
/// first 1,000 rows of a csv: the separator (comma, semicolon, tab, | or blanks), whether the first line is a header
/// (without one the columns are named "0", "1", ...), lines before it, and the number format of each column;
/// docs/file_formats.md has the rules. Cells: surrounding blanks dropped, double quotes after RFC 4180; empty cells and
/// the words listed there ("NA", "null", "?", ...) are missing; an infinite number is an error (Error{format}). CRLF
/// and a final line without newline are fine.
CUGAD_API std::unique_ptr<TableReader> open_table(const std::string& path, const ReadOptions& options = {});

/// The whole file in memory.
CUGAD_API Table read_table(const std::string& path, const ReadOptions& options = {});

/// Turns tables into float matrices: numeric columns in their order, then one 0/1 column per value of each categorical
/// column (values in ASCII order). Fitted once, stored in the model.
class CUGAD_API TableEncoder {
 public:
  struct Options {
    std::vector<std::string> categorical;  ///< in addition to the text columns, which are always categorical
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
  /// Columns are found by their exact names; extra columns are ignored, a missing one is an error. If the chunk or the
  /// table of the fit has no names they are found by position: the chunk then has as many columns as that table,
  /// or as that table without the excluded ones. A missing category is NaN in all of its 0/1 columns, an unseen
  /// one is all zeros there, and counted.
  Matrix encode(const Table& chunk);
  /// Unseen values so far, per categorical column (only columns with any).
  const std::map<std::string, std::int64_t>& unseen() const { return unseen_; }
  /// The ReadOptions for a file to be encoded; text_columns are the categorical columns, in their order.
  ReadOptions read_options() const;
  /// The offset subtracted from each numeric feature in double before its conversion to float: not 0 if single
  /// precision would lose the differences (seconds since 1970). Models are trained on values less these offsets.
  const std::vector<double>& offsets() const { return offsets_; }
  /// So many decimals, at most 6, are enough to write every number of a numeric column of the fit in single precision:
  /// 0 for integers. -1: more, or unknown, in an encoder of an older version.
  const std::vector<int>& decimals() const { return decimals_; }
  std::string to_json() const;
  /// Parses the text of to_json(); throws Error{format} for any other.
  static TableEncoder from_json(const std::string& json);

 private:
  struct Categorical {
    std::string name;
    std::vector<std::string> values;
  };
  std::vector<std::string> feature_columns() const;
  std::vector<std::string> names_by_position(const Table& chunk) const;

  std::vector<std::string> numeric_;
  std::vector<double> offsets_;  ///< of each numeric column
  std::vector<int> decimals_;    ///< likewise
  std::vector<Categorical> categorical_;
  std::vector<std::string> feature_names_;
  bool named_ = true;                 ///< whether the table of the fit had names
  std::vector<std::string> columns_;  ///< its columns; empty in a file of an older version
  std::map<std::string, std::int64_t> unseen_;
};

/// A column that is probably not a feature in its present form, or that deserves the user's attention.
struct ColumnFinding {
  enum class Advice { leave_out, refuse, note };
  std::string column;
  Advice advice;
  std::string text;  ///< one line that names the column, what was found, and the command's flags
};

/// Finds columns that count the rows, name each row, hold dates, have no value, or hold numbers that a few other cells
/// turned into text. `settled`: columns (names or positions) whose kind or exclusion was chosen already.
CUGAD_API std::vector<ColumnFinding> examine_columns(const Table& table, std::span<const std::string> settled);

/// For each row whether the column's cell equals one of `values`: as text, or as numbers if both are numbers.
CUGAD_API std::vector<std::uint8_t> rows_with_value(const Table& table, const std::string& column,
                                                    std::span<const std::string> values);

/// Positions of the rows whose `keep` is non-zero.
CUGAD_API std::vector<std::int64_t> kept_rows(std::span<const std::uint8_t> keep);
/// The rows at the given positions, in that order.
CUGAD_API Matrix take_rows(MatrixView<const float> matrix, std::span<const std::int64_t> rows);
CUGAD_API Table take_rows(const Table& table, std::span<const std::int64_t> rows);
/// Positions of the first of each distinct row (compared bit for bit), ascending.
CUGAD_API std::vector<std::int64_t> distinct_rows(const Matrix& matrix);

/// numpy.random.RandomState(seed).permutation(n), to the bit (MT19937, legacy bounded integers, Fisher-Yates).
CUGAD_API std::vector<std::int64_t> numpy_permutation(std::uint32_t seed, std::int64_t n);

/// Writes a synthetic labelled table, for demos and tests: telemetry of machines (load, temperatures, byte counts that
/// are heavy-tailed, a categorical "service" and "state", a "machine" column) with about 3 % anomalies of several
/// kinds; label column "label" is "normal" or the anomaly's kind. With more than one group a column "group" replaces
/// "machine" ("machine-0007"): each group is a machine with its own offsets, scales and rhythm, so that a pooled model
/// misses anomalies that a model of each one detects. Groups are of equal size (but for one row), or `uneven`: from 1
/// row on, log-uniform. Same seed, same file. Written atomically as csv (".gz": compressed).
CUGAD_API void synthesize_telemetry(const std::string& path, std::int64_t rows, std::uint64_t seed,
                                    std::int64_t groups = 1, bool uneven = false);

}  // namespace cugad
