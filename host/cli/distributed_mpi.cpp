#include <mpi.h>

#include "cugad/error.hpp"
#include "host/cli/ranks.hpp"
#include "host/cli/signals.hpp"

namespace cugad::cli {
namespace {

static_assert(std::is_trivially_copyable_v<RankMessage>, "messages are sent as bytes");

class MpiRanks : public Ranks {
 public:
  MpiRanks() {
    int provided = 0;
    MPI_Init_thread(nullptr, nullptr, MPI_THREAD_FUNNELED, &provided);
    MPI_Comm_rank(MPI_COMM_WORLD, &rank_);
    MPI_Comm_size(MPI_COMM_WORLD, &count_);
    MPI_Comm neighbours = MPI_COMM_NULL;
    MPI_Comm_split_type(MPI_COMM_WORLD, MPI_COMM_TYPE_SHARED, 0, MPI_INFO_NULL, &neighbours);
    MPI_Comm_size(neighbours, &on_this_machine_);
    MPI_Comm_free(&neighbours);
  }
  /// A run that was stopped does not wait for ranks that may have died.
  ~MpiRanks() override {
    if (!cancel_flag()) MPI_Finalize();
  }

  int rank() const override { return rank_; }
  int count() const override { return count_; }
  int on_this_machine() const override { return on_this_machine_; }
  std::string machine() const override {
    char name[MPI_MAX_PROCESSOR_NAME] = "";
    int length = 0;
    MPI_Get_processor_name(name, &length);
    return {name, static_cast<std::size_t>(length)};
  }

  std::vector<std::string> exchange(const std::string& text) override {
    const auto ranks = static_cast<std::size_t>(count_);
    const int length = static_cast<int>(text.size());
    std::vector<int> lengths(ranks), places(ranks, 0);
    MPI_Allgather(&length, 1, MPI_INT, lengths.data(), 1, MPI_INT, MPI_COMM_WORLD);
    for (std::size_t r = 1; r < ranks; ++r) places[r] = places[r - 1] + lengths[r - 1];
    std::string all(static_cast<std::size_t>(places.back() + lengths.back()), '\0');
    MPI_Allgatherv(text.data(), length, MPI_CHAR, all.data(), lengths.data(), places.data(), MPI_CHAR, MPI_COMM_WORLD);
    std::vector<std::string> texts;
    for (std::size_t r = 0; r < ranks; ++r) {
      texts.push_back(all.substr(static_cast<std::size_t>(places[r]), static_cast<std::size_t>(lengths[r])));
    }
    return texts;
  }

  void send(int rank, const RankMessage& message) override {
    MPI_Send(&message, sizeof message, MPI_BYTE, rank, 0, MPI_COMM_WORLD);
  }

  std::optional<std::pair<int, RankMessage>> receive() override {
    int has_arrived = 0;
    MPI_Status status;
    MPI_Iprobe(MPI_ANY_SOURCE, 0, MPI_COMM_WORLD, &has_arrived, &status);
    if (has_arrived == 0) return std::nullopt;
    RankMessage message;
    MPI_Recv(&message, sizeof message, MPI_BYTE, status.MPI_SOURCE, 0, MPI_COMM_WORLD, MPI_STATUS_IGNORE);
    return std::pair(status.MPI_SOURCE, message);
  }

 private:
  int rank_ = 0, count_ = 1, on_this_machine_ = 1;
};

}  // namespace

std::unique_ptr<Ranks> join_mpi() { return std::make_unique<MpiRanks>(); }

}  // namespace cugad::cli
