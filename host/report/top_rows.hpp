#pragma once

#include <cstdint>
#include <vector>

#include "cugad/image.hpp"
#include "cugad/table.hpp"

namespace cugad {

/// A row that may be listed: whole, for its explanation.
struct TopRow {
  float score = 0;
  std::int64_t number = 0;  ///< in its file
  std::int8_t label = -1;
  Matrix rows;                   ///< as the detector takes it: one row, or the patches of an image
  std::vector<PatchGrid> grids;  ///< of that image
  Table cells;                   ///< one row, as it was read
};

/// The rows of the highest scores so far, of equal ones the first.
class TopRows {
 public:
  explicit TopRows(std::size_t most) : most_(most) {}
  bool takes(float score) const { return kept_.size() < most_ || score > kept_.front().score; }
  void add(TopRow row);
  /// From the highest score down.
  std::vector<TopRow> sorted() const;

 private:
  std::size_t most_;
  std::vector<TopRow> kept_;  ///< a heap whose first is the least
};

}  // namespace cugad
