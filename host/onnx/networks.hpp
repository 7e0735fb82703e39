#pragma once

#include <map>
#include <utility>
#include <vector>

#include "host/network/network.hpp"
#include "host/onnx/graph.hpp"

namespace cugad::onnx {

/// A tensor [models, batch, columns]; one model stands for all.
struct Stack {
  Value value;
  std::int64_t models = 1, columns = 1;
};

/// Columns [begin, end).
Stack columns_of(Graph& graph, const Stack& stack, std::int64_t begin, std::int64_t end);
/// Columns side by side.
Stack joined(Graph& graph, const Stack& left, const Stack& right);

/// The trained networks of one role of a population. Passes share their weights in the graph.
class NetworkNodes {
 public:
  /// `weights`: one row of parameters per model, in device memory.
  NetworkNodes(Graph& graph, Context& context, const Network& network, StackView<const float> weights);

  struct Pass {
    Stack result;
    Stack features;  ///< the output of the last hidden layer
  };
  /// z is for networks of two branches.
  Pass pass(const Stack& x, const Stack& z = {});

 private:
  struct Weights {
    Value weight, bias;
  };
  Pass pass_part(std::size_t part, const Stack& x);
  const Weights& weights_of(std::size_t part, int layer);
  Weights make_weights(std::size_t part, int layer);
  /// The parameters [begin, begin + count) of each model.
  std::vector<float> parameters(std::int64_t begin, std::int64_t count) const;
  Stack join_input(const Mlp& mlp, int layer, const Stack& first, const std::vector<Stack>& outputs);
  Stack convolve(const LayerSpec& layer, const Stack& x, const Weights& weights);
  Value normalise(const Stack& x, const Weights& weights);

  Graph& graph_;
  Network network_;
  std::vector<std::vector<float>> model_;
  std::map<std::pair<std::size_t, int>, Weights> made_;
};

}  // namespace cugad::onnx
