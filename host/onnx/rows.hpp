#pragma once

#include <string>
#include <vector>

#include "host/detector/novelty.hpp"
#include "host/detector/transform.hpp"
#include "host/onnx/graph.hpp"

namespace cugad::onnx {

/// The caller's rows as inputs of the graph; returns them as one tensor [batch, columns]. With the JSON of a table's
/// encoder one input per column, numbers and texts; without, and of a table of numbers whose columns have no names, one
/// input "rows". Throws Error{unsupported} where the name of a column is also that of an output.
Value add_inputs(Graph& graph, std::int64_t columns, const std::string* encoder_json,
                 const std::vector<std::string>& outputs);

/// As FeatureTransform::apply: [1, batch, columns] in the networks' order.
Value transform_rows(Graph& graph, const FeatureTransform& transform, const std::vector<std::int64_t>& order,
                     const Value& rows);

/// What rows surprise by beside their values, as the op cell_surprise: float64 [1, batch, 1].
struct Surprise {
  Value surprise;             ///< empty without novelty
  std::vector<Value> absent;  ///< of each method, likewise
  Value has_value;            ///< false for rows without any value
};
Surprise find_surprise(Graph& graph, const Novelty& novelty, const Value& rows);

}  // namespace cugad::onnx
