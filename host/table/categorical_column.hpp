#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "cugad/table.hpp"

namespace cugad {

/// One categorical column: the 0/1 features of its values.
struct CategoricalColumn {
  std::string name;
  std::vector<std::string> values;
  std::int64_t first_feature = 0;

  /// The value whose feature is largest; a missing cell if the training rows had no value at all.
  std::string decoded(const float* row) const;
};

/// The categorical columns of an encoder, in the order of their features. A column name may itself hold a '=', so the
/// names are taken from the encoder rather than cut out of the feature names.
std::vector<CategoricalColumn> categorical_columns(const TableEncoder& encoder);

}  // namespace cugad
