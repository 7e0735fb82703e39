#pragma once

#include "host/detector/column_roles.hpp"
#include "host/detector/transform.hpp"

namespace cugad {

/// Turns transformed rows in the networks' order into the caller's units and order.
void to_units(const FeatureTransform& transform, const ColumnRoles& roles, MatrixView<float> rows);

}  // namespace cugad
