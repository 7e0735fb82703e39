#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace cugad::cli {

/// What the processes of a training tell each other.
struct RankMessage {
  enum class Kind : std::int64_t {
    wants,     ///< to rank 0: a shard
    progress,  ///< to rank 0
    done,      ///< to rank 0: the shard; it wants another
    failed,    ///< to rank 0: `text` is the error
    leaves,    ///< to rank 0: the answer to `ends`, its last message
    trains,    ///< from rank 0: the shard
    ends,      ///< from rank 0: there is nothing more to train
  };
  Kind kind = Kind::wants;
  std::int64_t shard = 0;
  double share = 0;  ///< of the shard's steps that were taken
  char text[1000] = "";
};

/// The processes that a launcher started together. One thread calls.
class Ranks {
 public:
  virtual ~Ranks() = default;
  Ranks() = default;
  Ranks(const Ranks&) = delete;
  Ranks& operator=(const Ranks&) = delete;

  virtual int rank() const = 0;
  virtual int count() const = 0;
  /// How many run on this machine.
  virtual int on_this_machine() const = 0;
  virtual std::string machine() const = 0;
  /// The texts of all ranks in their order. Waits for all of them.
  virtual std::vector<std::string> exchange(const std::string& text) = 0;
  virtual void send(int rank, const RankMessage& message) = 0;
  /// A message and its sender, if one has arrived.
  virtual std::optional<std::pair<int, RankMessage>> receive() = 0;
};

/// Joins the processes that mpirun started; one process alone is rank 0 of 1. Throws UsageError in a build without MPI.
std::unique_ptr<Ranks> join_mpi();

}  // namespace cugad::cli
