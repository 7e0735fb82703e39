#include <optional>
#include <utility>

#include "kernels/device/limits.hpp"
#include "kernels/device/tile_load.cuh"
#include "kernels/joined/joined_ops.hpp"
#include "kernels/joined/row_chain.cuh"
#include "kernels/joined/views.hpp"
#include "kernels/losses/terms.hpp"

namespace cugad::cuda {
namespace {

constexpr std::int64_t most_units = 256, most_blocks_per_multiprocessor = 2;

thread_local JoinedOps* current = nullptr;

template <class T>
Rows rows_of(const StackView<T>& view) {
  return {reinterpret_cast<float*>(const_cast<std::remove_const_t<T>*>(view.data)), view.model_stride, view.row_stride};
}

bool meet(const std::vector<Access>& some, const std::vector<Access>& others) {
  for (const Access& a : some) {
    for (const Access& b : others) {
      if (meeting_of(a, b).kind != Meeting::Kind::apart) return true;
    }
  }
  return false;
}

}  // namespace

struct WaitingOps {
  std::int64_t models = 0;
  std::vector<RowOp> rows;
  std::vector<std::vector<Access>> touched_by;  ///< each of rows
  std::vector<DenseBackward> weights;
  std::vector<Access> touched_by_weights;

  bool empty() const { return rows.empty() && weights.empty(); }

  /// Which row of the chain is an op's first (below 0: the chain begins before); nothing if it cannot join.
  std::optional<std::int64_t> place_of(const std::vector<Access>& touched) const {
    std::optional<std::int64_t> place;
    for (std::size_t i = 0; i < rows.size(); ++i) {
      for (const Access& earlier : touched_by[i]) {
        for (const Access& later : touched) {
          const Meeting meeting = meeting_of(earlier, later);
          if (meeting.kind == Meeting::Kind::apart) continue;
          const std::int64_t here = rows[i].first + meeting.shift;
          if (meeting.kind == Meeting::Kind::other || (place && *place != here)) return std::nullopt;
          place = here;
        }
      }
    }
    return place.value_or(0);
  }
};

JoinedOps::JoinedOps(Context& context) : context_(context), waiting_(std::make_unique<WaitingOps>()) { current = this; }
JoinedOps::~JoinedOps() { current = nullptr; }

JoinedOps* JoinedOps::of(const Context& context) {
  return current != nullptr && &current->context_ == &context ? current : nullptr;
}

void JoinedOps::issue() {
  const WaitingOps waiting = std::exchange(*waiting_, {});
  if (!waiting.rows.empty()) {
    RowChain chain;
    for (const RowOp& op : waiting.rows) chain.op[chain.ops++] = op;
    launch_row_chain(context_, chain, waiting.models);
  }
  if (waiting.weights.empty()) return;
  WeightBatch batch = {};
  for (const DenseBackward& op : waiting.weights) {
    ProductArguments& p = batch.layer[batch.layers++];
    p.op = op;
    p.chunk_rows = chunk_rows(op.dy.rows);
    p.dy_vectors = device::rows_are_vectors(op.dy);
    p.x_vectors = op.dweight ? device::rows_are_vectors(op.x) : p.dy_vectors;  // see weight_gradient
  }
  launch_weight_batch(context_, batch, waiting.models);
}

bool JoinedOps::leave() {
  issue();
  return false;
}

bool JoinedOps::fits(std::int64_t models, std::int64_t rows, std::int64_t in, std::int64_t out) const {
  const std::int64_t blocks = (rows + chain_rows - 1) / chain_rows * models;
  return context_.precision() == Precision::fp32 && in >= 1 && out >= 1 && in <= most_units && out <= most_units &&
         blocks >= 1 && blocks <= most_blocks_per_multiprocessor * device_limits(context_).multiprocessors;
}

/// Appends `op` to the waiting ops, if any.
bool JoinedOps::add(RowOp op, std::int64_t models, std::vector<Access> touched) {
  WaitingOps& waiting = *waiting_;
  std::optional<std::int64_t> place = waiting.place_of(touched);
  if (!place || waiting.rows.size() == RowChain::most_ops || (!waiting.empty() && waiting.models != models) ||
      meet(waiting.touched_by_weights, touched)) {
    issue();
    place = 0;
  }
  if (*place < 0) {
    for (RowOp& before : waiting.rows) before.first -= static_cast<std::int32_t>(*place);
    place = 0;
  }
  op.first = static_cast<std::int32_t>(*place);
  waiting.models = models;
  waiting.rows.push_back(op);
  waiting.touched_by.push_back(std::move(touched));
  return true;
}

bool JoinedOps::take(const DenseForward& args) {
  if (!fits(args.y.models, args.y.rows, args.x.columns, args.y.columns)) return leave();
  RowOp op;
  op.kind = RowKind::forward;
  op.rows = static_cast<std::int32_t>(args.y.rows);
  op.in = static_cast<std::int32_t>(args.x.columns);
  op.out = static_cast<std::int32_t>(args.y.columns);
  op.input = rows_of(args.x);
  op.output = rows_of(args.y);
  op.other = rows_of(args.derivative_of);
  op.weight = rows_of(args.weight);
  if (!args.derivative_of) op.bias = rows_of(args.bias);
  op.ending = forward_ending(args);
  op.input_vectors = device::rows_are_vectors(args.x);
  op.weight_vectors = device::rows_are_vectors(args.weight);
  return add(op, args.y.models,
             {access_of(args.x, false), access_of(args.weight, false, true), access_of(args.bias, false, true),
              access_of(args.derivative_of, false), access_of(args.y, true)});
}

bool JoinedOps::take(const DenseBackward& args) {
  const std::int64_t in = args.dx ? args.dx.columns : args.dweight ? args.dweight.columns : 1;
  if (!fits(args.dy.models, args.dy.rows, in, args.dy.columns) || chunk_count(args.dy.rows) > 1) return leave();
  RowOp op;
  op.kind = RowKind::backward;
  op.rows = static_cast<std::int32_t>(args.dy.rows);
  op.in = static_cast<std::int32_t>(in);
  op.out = static_cast<std::int32_t>(args.dy.columns);
  op.input = rows_of(args.y);
  op.output = rows_of(args.dy);
  op.other = rows_of(args.dx);
  op.weight = rows_of(args.weight);
  op.ending.activation = args.activation;
  op.ending.slope = args.slope;
  op.ending.dropout.rate = args.dropout_rate;
  op.output_vectors = device::rows_are_vectors(args.dy);
  op.weight_vectors = device::rows_are_vectors(args.weight);
  const bool changes = args.activation != Activation::identity || args.dropout_rate != 0.0f;
  if (changes || args.dx) {
    add(op, args.dy.models,
        {access_of(changes ? args.y : StackView<const float>(), false), access_of(args.weight, false, true),
         access_of(args.dy, true), access_of(args.dx, true)});
  }
  if (args.dweight || args.dbias) add_weights(args);
  return true;
}

void JoinedOps::add_weights(const DenseBackward& args) {
  WaitingOps& waiting = *waiting_;
  const std::vector<Access> touched = {access_of(args.dy, false, true),
                                       access_of(args.dweight ? args.x : StackView<const float>(), false, true),
                                       access_of(args.dweight, true, true), access_of(args.dbias, true, true)};
  if (waiting.weights.size() == WeightBatch::most_layers || (!waiting.empty() && waiting.models != args.dy.models) ||
      meet(waiting.touched_by_weights, touched)) {
    issue();
  }
  waiting.models = args.dy.models;
  waiting.weights.push_back(args);
  waiting.weights.back().dx = {};
  waiting.touched_by_weights.insert(waiting.touched_by_weights.end(), touched.begin(), touched.end());
}

bool JoinedOps::take(const SigmoidCrossEntropy& args) {
  if (args.per_row || args.loss || args.mean_probability || !args.dlogit) return leave();
  if (!fits(args.logit.models, args.logit.rows, 1, 1)) return leave();
  RowOp op;
  op.kind = RowKind::cross_entropy;
  op.rows = static_cast<std::int32_t>(args.logit.rows);
  op.out = 1;
  op.input = rows_of(args.logit);
  op.output = rows_of(args.dlogit);
  op.value = args.weight / static_cast<float>(args.logit.rows);
  op.target = args.target;
  return add(op, args.logit.models, {access_of(args.logit, false), access_of(args.dlogit, true)});
}

bool JoinedOps::take(const LinearLoss& args) {
  if (args.loss || !args.dlogit || !fits(args.dlogit.models, args.dlogit.rows, 1, 1)) return leave();
  RowOp op;
  op.rows = static_cast<std::int32_t>(args.dlogit.rows);
  op.out = 1;
  op.output = rows_of(args.dlogit);
  op.value = mean_loss(args.weight, 1.0, args.dlogit.rows);
  return add(op, args.dlogit.models, {access_of(args.dlogit, true)});
}

bool JoinedOps::take(const FillUniform& args) {
  if (args.low != args.high || !fits(args.out.models, args.out.rows, 1, args.out.columns)) return leave();
  RowOp op;
  op.rows = static_cast<std::int32_t>(args.out.rows);
  op.out = static_cast<std::int32_t>(args.out.columns);
  op.output = rows_of(args.out);
  op.value = 0.0f + args.low;  // as 0 * u + low: +0 if low is -0
  return add(op, args.out.models, {access_of(args.out, true)});
}

bool JoinedOps::take(const FillNormal& args) {
  if (args.truncated || !fits(args.out.models, args.out.rows, 1, args.out.columns)) return leave();
  RowOp op;
  op.kind = RowKind::normal;
  op.rows = static_cast<std::int32_t>(args.out.rows);
  op.out = static_cast<std::int32_t>(args.out.columns);
  op.output = rows_of(args.out);
  op.ending.dropout.key = args.key;
  op.value = args.mean;
  op.target = args.deviation;
  return add(op, args.out.models, {access_of(args.out, true)});
}

bool JoinedOps::take(const GatherRows& args) {
  if (args.source.rows < 1 || args.source.rows > INT32_MAX ||
      !fits(args.out.models, args.out.rows, 1, args.out.columns)) {
    return leave();
  }
  RowOp op;
  op.kind = RowKind::gather;
  op.rows = static_cast<std::int32_t>(args.out.rows);
  op.in = static_cast<std::int32_t>(args.source.rows);
  op.out = static_cast<std::int32_t>(args.out.columns);
  op.input = rows_of(args.source);
  op.output = rows_of(args.out);
  op.other = rows_of(args.index);
  return add(op, args.out.models,
             {access_of(args.source, false, true), access_of(args.index, false), access_of(args.out, true)});
}

}  // namespace cugad::cuda
