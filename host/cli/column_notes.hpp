#pragma once

#include <string>
#include <vector>

#include "cugad/table.hpp"

namespace cugad::cli {

/// Reports on standard error the columns of a table that are probably not features (see examine_columns()), and returns
/// those to leave out. Throws Error{format} if a column cannot be used without a choice. `settled`: columns that are
/// not features, or that the user chose.
std::vector<std::string> doubtful_columns(const Table& table, const std::vector<std::string>& settled);
/// The same of findings that a TableLearner made.
std::vector<std::string> doubtful_columns(const std::vector<ColumnFinding>& findings);

/// Which columns of a table have a value, read in chunks.
class ColumnsWithValue {
 public:
  void add(const Table& chunk);
  /// Returns the others but for excluded ones, and reports each on standard error.
  std::vector<std::string> others(const std::vector<std::string>& names,
                                  const std::vector<std::string>& excluded) const;

 private:
  std::vector<bool> has_value_;
};

/// One line on standard error that names the features whose value never changes; none if there are none.
void note_constant_features(MatrixView<const float> rows, const std::vector<std::string>& names);

}  // namespace cugad::cli
