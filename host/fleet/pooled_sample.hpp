#pragma once

#include <cstdint>
#include <vector>

#include "cugad/table.hpp"

namespace cugad {

/// At most `most` rows, chosen by a hash of their contents and the seed, in the order of that hash: neither the order
/// of the rows nor who asks shows in the choice. Equal rows are told apart by counting them.
std::vector<std::int64_t> sample_by_content(MatrixView<const float> rows, std::int64_t most, std::uint64_t seed);

}  // namespace cugad
