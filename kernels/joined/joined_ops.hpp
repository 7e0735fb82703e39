#pragma once

#include <memory>
#include <vector>

#include "cugad/device.hpp"
#include "cugad/ops.hpp"

/// Fewer launches for the ops of a training step: a small network's layers take less time than the launches between
/// them. While an object of this class lives, ops of its thread on its context wait until one comes that cannot go with
/// them, and are then issued in two launches:
///
///   ops that work row by row (layers forward, and backward to their input; losses of logits; draws; rows gathered),
///   a block for 8 rows --> weight gradients of all layers, a block for a tile
///
/// An op may join those that wait if all memory it shares with them lies row on row, and if it touches nothing that the
/// waiting weight gradients need. Results are those of the ops one by one, to the bit. Only float32, layers of at most
/// 256 units, and few rows and models: if 8 rows per block would give more than two blocks per multiprocessor, the
/// larger tiles of dense_forward and dense_backward read the weights less often.
namespace cugad::cuda {

struct Access;
struct RowOp;
struct WaitingOps;

class JoinedOps {
 public:
  explicit JoinedOps(Context& context);
  ~JoinedOps();
  JoinedOps(const JoinedOps&) = delete;
  JoinedOps& operator=(const JoinedOps&) = delete;

  /// That of the calling thread for this context, or null.
  static JoinedOps* of(const Context& context);

  /// Issues the waiting ops.
  void issue();
  /// Takes over an op, or issues the waiting ones and leaves the op to the caller.
  bool take(const DenseForward& args);
  bool take(const DenseBackward& args);
  bool take(const SigmoidCrossEntropy& args);
  bool take(const LinearLoss& args);
  bool take(const FillUniform& args);
  bool take(const FillNormal& args);
  bool take(const GatherRows& args);
  template <class Args>
  bool take(const Args&) {
    issue();
    return false;
  }

 private:
  bool fits(std::int64_t models, std::int64_t rows, std::int64_t in, std::int64_t out) const;
  bool leave();
  bool add(RowOp op, std::int64_t models, std::vector<Access> touched);
  void add_weights(const DenseBackward& args);

  Context& context_;
  std::unique_ptr<WaitingOps> waiting_;
};

}  // namespace cugad::cuda
