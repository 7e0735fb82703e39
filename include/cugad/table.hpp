#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
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

/// Some consecutive rows of a file.
struct CUGAD_API Table {
  std::int64_t rows = 0;
  std::int64_t first_row = 0;  ///< number of the first row in the file's data, from 0
  std::vector<Column> columns;
  bool named = true;  ///< false where the file has no names: the columns are called by their positions
  /// Rows of the chunk (from 0) that could not be read, and why (ReadOptions::mark_errors): their cells are missing.
  std::map<std::int64_t, std::string> unreadable;

  /// The column's position. `name` is a column name, or its position from 0 (negative: from the end) where no column
  /// bears that name. Throws Error{invalid_argument} naming the nearest known name.
  std::size_t find(const std::string& name) const;
};

/// How the numbers of one csv column are written.
struct NumberFormat {
  char decimal = '.';    ///< '.' or ','
  bool grouped = false;  ///< digits may stand in groups of three: 1,234.5 or 1.234,5 or 1 234.5
  std::string prefix,
      suffix;  ///< a currency in front, a unit or % behind: the same in every cell, and not computed with

  bool operator==(const NumberFormat&) const = default;
};

/// How the text of a csv file, and which array of an npz, is read. What is left open is told by the file; a reader
/// answers with what it found, so that later files can be read alike.
struct CUGAD_API TableFormat {
  /// Whether the first line names the columns; `comment`: the last comment line in front of the data does.
  enum class Header { automatic, yes, no, comment };

  char separator = 0;  ///< 0: told by the file; ' ' stands for runs of blanks
  char decimal = 0;    ///< '.' or ',' in all columns; 0: told by each column
  Header header = Header::automatic;
  std::string comment = {};  ///< lines that begin so are skipped; empty: those in front of the data that begin with #
  bool has_title = false;    ///< lines in front of the data that have no separator are skipped
  std::vector<std::string> missing = {};             ///< cells without a value, besides the usual words
  std::string array = {};                            ///< of an npz; empty: X, or the only one
  std::map<std::string, NumberFormat> columns = {};  ///< by name: numeric columns that are not written as in C

  std::string to_json() const;
  /// Throws Error{format} for anything but what to_json wrote.
  static TableFormat from_json(const std::string& json);
};

/// How a file is to be read.
struct ReadOptions {
  /// Columns to keep as text (names or positions as in Table::find). Other csv columns are text where one of their
  /// first 1,000 cells is not a number, else numeric; a later cell that is not a number is then an error.
  std::vector<std::string> text_columns;
  /// Force every column that is not listed in text_columns to be numeric.
  bool infer_text = true;
  TableFormat format = {};
  /// Where given, exactly the columns of these names are numeric, all others text: nothing is told by the cells.
  std::optional<std::vector<std::string>> numeric_columns = {};
  /// Names for the columns of a table without names: the list that has as many as the table has columns, if any.
  std::vector<std::vector<std::string>> names = {};
  /// Call columns by position (or by `names`) even where the file names them: whoever reads knows no names.
  bool by_position = false;
  /// Where the first line does not have the format's separator, it tells its own.
  bool adapt_separator = false;
  /// A row that cannot be read does not end the reading: its cells become missing, Table::unreadable says why.
  bool mark_errors = false;
  /// A chunk ends early where the input pauses (a pipe whose writer waits), and in front of a row that cannot be read.
  bool as_it_comes = false;
};

/// Reads a table in chunks with bounded memory.
class CUGAD_API TableReader {
 public:
  virtual ~TableReader() = default;
  virtual const std::vector<std::string>& column_names() const = 0;
  /// The next chunk of at most `max_rows` rows; false at the end (chunk then has 0 rows). Throws Error{format} with
  /// file, row and column for a damaged file, Error{input_output} when reading fails.
  virtual bool read(Table& chunk, std::int64_t max_rows) = 0;
  /// How the file is read: what ReadOptions left open is filled in.
  virtual TableFormat format() const { return {}; }
  /// What a person should know about how the file was read so far, a line each: guesses, skipped lines.
  virtual std::vector<std::string> notes() const { return {}; }
};

/// Opens `.csv`, `.csv.gz` (any gzip is recognised by content), `.npy` (2-D; 1-D is one column), `.npz` (array X or the
/// only one, and y if present as the text column "y"), `.idx*`, `*-ubyte` (both optionally .gz; one row per item,
/// columns flattened). "-" is csv on standard input. What ReadOptions::format leaves open is told by the first 1,000
/// rows of a csv: the separator (comma, semicolon, tab, | or blanks), whether the first line is a header (without one
/// the columns are named "0", "1", ...), lines in front of it, and how each column writes numbers; docs/file_formats.md
/// has the rules. Cells: surrounding blanks dropped, double quotes after RFC 4180; empty cells and the words listed
/// there ("NA", "null", "?", ...) are missing; an infinite number is an error (Error{format}). CRLF and a final line
/// without newline are fine.
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
  /// Columns are found by their exact names; extra columns are ignored, a missing one is an error. Where the chunk or
  /// the table of the fit has no names they are found by position: the chunk then has as many columns as that table,
  /// or as that table without the excluded ones. A missing category is NaN in all of its 0/1 columns, one that the
  /// fit did not see all zeros there, and counted.
  Matrix encode(const Table& chunk);
  /// Unseen values so far, per categorical column (only columns with any).
  const std::map<std::string, std::int64_t>& unseen() const { return unseen_; }
  /// What ReadOptions a file to be encoded needs; text_columns are the categorical columns, in their order.
  ReadOptions read_options() const;
  /// What was subtracted from each numeric feature in double before it became a float: not 0 where single precision
  /// would hide the differences (seconds since 1970). Models see values less these offsets.
  const std::vector<double>& offsets() const { return offsets_; }
  std::string to_json() const;
  /// Throws Error{format} for anything but what to_json wrote.
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
  std::vector<Categorical> categorical_;
  std::vector<std::string> feature_names_;
  bool named_ = true;                 ///< whether the table of the fit had names
  std::vector<std::string> columns_;  ///< its columns; empty where an older file does not say
  std::map<std::string, std::int64_t> unseen_;
};

/// A column that is hardly meant as a feature as it stands, or that a person should know about.
struct ColumnFinding {
  enum class Advice { leave_out, refuse, note };
  std::string column;
  Advice advice;
  std::string text;  ///< one line that names the column, what was found, and the command's flags
};

/// Looks for columns that count the rows, name each row, hold dates, no value at all, or numbers that a few other cells
/// turned into text. `settled`: columns (names or positions) whose kind or exclusion was chosen already.
CUGAD_API std::vector<ColumnFinding> examine_columns(const Table& table, std::span<const std::string> settled);

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
