#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "cugad/export.h"
#include "cugad/table.hpp"
#include "cugad/tensor.hpp"

/// Learning from a table that comes in chunks and is never held: the memory is that of its features.
namespace cugad {

/// Rows of features, which their owner may keep as memory alone: `data` is freed by std::free.
struct LearntRows {
  struct Free {
    CUGAD_API void operator()(float* memory) const noexcept;
  };
  std::int64_t rows = 0, columns = 0;
  std::unique_ptr<float, Free> data;

  MatrixView<const float> view() const { return {data.get(), rows, columns}; }
};

/// Fits a TableEncoder and encodes the rows of the fit in one reading: the same encoder and the same bits as
/// TableEncoder::fit() and encode() of all chunks as one table, and the findings of examine_columns(). Besides the
/// features it holds the distinct texts of each text column, and in double precision those columns of whose numbers
/// single precision may lose the differences, or which may number the rows.
class CUGAD_API TableLearner {
 public:
  /// The roles of columns that are known before; columns that turn out to be no features are left to finish().
  explicit TableLearner(TableEncoder::Options options);
  /// keeps_rows false: the features of no chunk are held, and finish() returns no rows: TableEncoder::encode() makes
  /// those of a second reading.
  TableLearner(TableEncoder::Options options, bool keeps_rows);
  ~TableLearner();
  TableLearner(const TableLearner&) = delete;
  TableLearner& operator=(const TableLearner&) = delete;

  /// The chunks of one table, in their order: the same columns each. Throws Error{invalid_argument} for others.
  void add(const Table& chunk);
  std::int64_t rows() const;
  /// See examine_columns(). Columns that the options list count as settled.
  std::vector<ColumnFinding> examine(std::span<const std::string> settled);
  /// Ends the reading. `excluded`: more columns that are no features. Throws what TableEncoder::fit() and encode()
  /// would throw.
  LearntRows finish(TableEncoder& encoder, std::span<const std::string> excluded = {});

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace cugad
