#pragma once

#include <string>
#include <vector>

#include "host/cli/fitted_model.hpp"
#include "host/table/categorical_column.hpp"

/// From the numbers that a detector gives back to the cells of a table.
namespace cugad::cli {

/// A number that a detector gives for a numeric feature, in the units of the table: with the encoder's offset.
double table_number(const FittedModel& model, std::int64_t feature, float value);

/// Writes the rows of a table with values in place of their missing cells. All else stays as the file has it, to the
/// byte: numbers as they were written, blanks, quotes, columns that are no features. A column that had so many decimals
/// in training gets as many; a decimal comma as the file has it, currencies and units as the column has them. Of an
/// array: shortest numbers, as csv.
class CompletedRows {
 public:
  /// `rounds`: to the decimals of the training table. `bands`: two more columns for each numeric feature, in the
  /// table's order, which are empty for observed cells and for conditions. A missing condition
  /// takes its column's centre; one of text stays missing.
  CompletedRows(const FittedModel& model, const ModelInput& input, bool rounds, bool bands);
  /// Counts the cells of row `row` of a chunk that stay missing or take a centre, for print_notes().
  void count(const Table& chunk, std::int64_t row, const float* given);
  /// A line on standard error for each condition with missing cells, and one for columns that the model does not have.
  void print_notes() const;
  /// The first line, if the table has one. Throws Error{invalid_argument} if it has the name of a band already.
  std::string header() const;
  /// Adds row `row` of a chunk. `given`: its features, NaN where they are missing; `filled`: all of them; `low`,
  /// `high`: the ends of their bands, not read without bands. Returns the number of cells that are filled.
  std::int64_t append(std::string& text, const Table& chunk, std::int64_t row, const float* given, const float* filled,
                      const float* low, const float* high) const;

 private:
  /// What a column of the table is to the model.
  struct Source {
    std::int64_t feature = -1;                       ///< numeric
    const CategoricalColumn* categorical = nullptr;  ///< or this, or neither
    NumberFormat format = {};
    int decimals = -1;
    bool is_condition = false;         ///< given to the model, not predicted
    std::int64_t missing_counted = 0;  ///< see count()
  };
  bool is_missing(const Source& source, const float* given) const;
  void use_decimal_sign(const TableFormat& format);
  std::string number(const Source& source, float value) const;
  std::string written_cell(const Column& column, std::int64_t row) const;

  const FittedModel& model_;
  const ModelInput& input_;
  char separator_;
  bool bands_;
  std::vector<CategoricalColumn> categorical_;
  std::vector<Source> sources_;
};

}  // namespace cugad::cli
