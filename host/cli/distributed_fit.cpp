#include "host/cli/distributed_fit.hpp"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <charconv>
#include <chrono>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <limits>
#include <new>
#include <string_view>
#include <system_error>
#include <thread>

#include "cugad/device.hpp"
#include "cugad/error.hpp"
#include "host/cli/command.hpp"
#include "host/cli/mute.hpp"
#include "host/cli/output.hpp"
#include "host/cli/progress.hpp"
#include "host/cli/signals.hpp"
#include "host/cli/text.hpp"
#include "host/detector/checkpoint_files.hpp"

namespace cugad::cli {
namespace {

namespace fs = std::filesystem;
using Kind = RankMessage::Kind;

constexpr auto between_messages = std::chrono::milliseconds(5);
constexpr double between_reports = 0.5;     // seconds
constexpr std::int64_t shards_of_rank = 4;  // so that none waits long for the last one
constexpr const char* is_ready = "ready ";

/// The text of the exception that is being handled.
std::string current_error() {
  try {
    throw;
  } catch (const std::bad_alloc&) {
    return "out of memory";
  } catch (const std::exception& error) {
    return error.what();
  }
}

void check_flags(const FlagSet& flags) {
  for (const char* name : {"shard", "continue", "log", "patch_stride"}) {
    if (flags.given(name)) throw UsageError(fmt::format("--{} does not go with --distributed", with_dashes(name)));
  }
}

}  // namespace

/// Trains a shard on a thread of its own, so that the main one is there for the other ranks.
class DistributedFit::Trainer {
 public:
  /// `train`: writes the part of a shard.
  explicit Trainer(std::function<void(std::int64_t, const FitControl&)> train) : train_(std::move(train)) {}
  ~Trainer() { stop(); }

  void start(std::int64_t shard) {
    stop();
    shard_ = shard;
    share_ = 0;
    has_ended_ = false;
    error_.clear();
    try {
      thread_ = std::thread([this] { train(); });
    } catch (const std::system_error&) {  // the other ranks wait for an answer
      error_ = current_error();
      has_ended_ = true;
    }
  }
  /// Ends the training with a checkpoint.
  void stop() {
    cancel_ = true;
    if (thread_.joinable()) thread_.join();
    cancel_ = false;
  }
  /// Once for each training that has ended.
  bool take_end() {
    if (!has_ended_.exchange(false)) return false;
    if (thread_.joinable()) thread_.join();
    return true;
  }
  std::int64_t shard() const { return shard_; }
  double share() const { return share_; }
  const std::string& error() const { return error_; }

 private:
  void train() {
    try {
      FitControl control;
      control.cancel = &cancel_;
      control.on_progress = [this](const FitProgress& progress) {
        share_ = progress.steps == 0 ? 0 : static_cast<double>(progress.step) / static_cast<double>(progress.steps);
      };
      train_(shard_, control);
    } catch (...) {
      error_ = current_error();
    }
    has_ended_ = true;
  }

  std::function<void(std::int64_t, const FitControl&)> train_;
  std::thread thread_;
  std::int64_t shard_ = 0;
  std::string error_;
  std::atomic<double> share_ = 0;
  std::atomic<bool> cancel_ = false, has_ended_ = false;
};

void note_undivided_ranks() {
  constexpr const char* names_of_launchers[][2] = {{"OMPI_COMM_WORLD_SIZE", "OMPI_COMM_WORLD_RANK"},
                                                   {"PMI_SIZE", "PMI_RANK"}};
  for (const auto& [count_name, rank_name] : names_of_launchers) {
    const char *count = std::getenv(count_name), *rank = std::getenv(rank_name);
    if (count == nullptr || rank == nullptr || std::string_view(rank) != "0" || std::string_view(count) == "1")
      continue;
    print_note(
        fmt::format("cugad: note: each of the {} processes trains all models; cugad-mpi with --distributed mpi divides "
                    "them",
                    one_line(count)));
    return;
  }
}

DistributedFit::DistributedFit(const std::string& input, const FlagSet& flags) : flags_(flags) {
  if (flags.text("distributed") != "mpi") {
    throw UsageError(fmt::format("--distributed must be mpi, not '{}'", one_line(flags.text("distributed"))));
  }
  if (input == "-") throw UsageError("--distributed: every rank reads the table, which standard input is only once");
  ranks_ = join_mpi();
  if (ranks_->rank() != 0) mute();
}

Device DistributedFit::open_device() const {
  const Device device = flags_.open_device();
  if (flags_.given("threads")) return device;
  const auto usable = static_cast<int>(std::thread::hardware_concurrency());
  const bool is_bound = usable < sysconf(_SC_NPROCESSORS_ONLN);  // by the launcher, which has divided them
  return device.with_threads(std::max(1, is_bound ? usable : usable / ranks_->on_this_machine()));
}

void DistributedFit::call(const std::function<void()>& train) {
  try {
    check_flags(flags_);
    train();
  } catch (...) {
    if (!is_agreed_) {
      ranks_->exchange(current_error());
      is_refused_ = true;
    }
    // Rank 0 says why. At the first exit code that is not 0 the launcher stops the others, it may be before that.
    if (is_refused_ && ranks_->rank() != 0) return;
    throw;
  }
}

void DistributedFit::take_folder(const std::string& output) {
  if (ranks_->rank() == 0) folder_.emplace(flags_, output);
}

std::int64_t DistributedFit::planned_shards(const ShardedTraining& training) const {
  if (const std::int64_t shards = shards_in(folder_->path()); shards > 0) return shards;
  const std::int64_t wished = shards_of_rank * ranks_->count();
  return training.groups.empty() ? std::min<std::int64_t>(wished, std::max(1, training.options.population)) : wished;
}

void DistributedFit::agree() {
  is_agreed_ = true;
  const std::vector<std::string> answers =
      ranks_->exchange(is_ready + (folder_ ? fmt::format("{} {}", count_, folder_->path()) : std::string()));
  for (std::size_t rank = 0; rank < answers.size(); ++rank) {
    if (answers[rank].starts_with(is_ready)) continue;
    is_refused_ = true;
    throw Error(ErrorCode::invalid_argument, fmt::format("rank {}: {}", rank, answers[rank]));
  }
  const std::string plan = answers.front().substr(std::strlen(is_ready));
  const std::size_t blank = plan.find(' ');
  std::from_chars(plan.data(), plan.data() + blank, count_);
  path_ = plan.substr(blank + 1);
}

std::string DistributedFit::path_of(std::int64_t shard) const {
  return (fs::path(path_) / checkpoint_of_shard(shard, count_)).string();
}

void DistributedFit::run(const Device& device, const ShardedTraining& training, const std::string& output) {
  if (folder_) count_ = planned_shards(training);
  agree();
  const bool is_regular = flags_.given("checkpoint");
  Trainer trainer([&](std::int64_t shard, const FitControl& given) {
    FitControl control = given;
    control.checkpoint_directory = path_of(shard);
    control.resume = true;  // the folder is new, or is to be resumed
    if (!is_regular) control.checkpoint_every = std::numeric_limits<std::int64_t>::max();
    fs::create_directories(path_);
    fit_part(device, training, {shard, count_}, path_of(shard) + ".safetensors", control);
    remove_checkpoint_files(path_of(shard), checkpoint_files(path_of(shard)));
  });
  if (ranks_->rank() != 0) return follow(trainer);
  try {
    coordinate(trainer, device, training);
    std::vector<std::string> parts;
    for (std::int64_t shard = 1; shard <= count_; ++shard) parts.push_back(path_of(shard) + ".safetensors");
    FitControl control;
    control.on_message = [](const std::string& text) { print_note("cugad: note: " + text); };
    contents_ = merge_parts(device, parts, output, control);
  } catch (...) {
    trainer.stop();
    end_all();
    throw;
  }
  end_all();
  folder_->remove();
}

void DistributedFit::end_all() {
  if (cancel_flag()) return;  // the launcher ends them
  for (int rank = 1; rank < ranks_->count(); ++rank) ranks_->send(rank, {.kind = Kind::ends});
  // MPI may be left only when every message was received.
  for (int present = ranks_->count() - 1; present > 0 && !cancel_flag();) {
    const auto received = ranks_->receive();
    if (!received) std::this_thread::sleep_for(between_messages);
    if (received && received->second.kind == Kind::leaves) --present;
  }
}

void DistributedFit::coordinate(Trainer& trainer, const Device& device, const ShardedTraining& training) {
  std::vector<std::int64_t> pending;
  for (std::int64_t shard = 1; shard <= count_; ++shard) {
    const std::string part = path_of(shard) + ".safetensors";
    if (!fs::exists(part)) {
      pending.push_back(shard);
    } else if (!is_part_of(part, device, training, {shard, count_})) {
      throw Error(ErrorCode::invalid_argument,
                  part +
                      ": made with other options or training rows than those given now; use the same or another "
                      "--checkpoint folder");
    }
  }
  std::int64_t done = count_ - std::ssize(pending);
  std::vector<double> shares(static_cast<std::size_t>(ranks_->count()), 0.0);
  std::string failure;
  std::size_t next = 0;
  const auto hand_out = [&](int rank) {
    shares[static_cast<std::size_t>(rank)] = 0;
    if (next == pending.size()) return;
    rank == 0 ? trainer.start(pending[next]) : ranks_->send(rank, {.kind = Kind::trains, .shard = pending[next]});
    ++next;
  };
  const auto take_part = [&](int rank, std::int64_t shard) {
    if (fs::exists(path_of(shard) + ".safetensors")) {
      ++done;
      return hand_out(rank);
    }
    failure = fmt::format(
        "rank {} wrote a part into {}, which is not there on {}: the folder must be on a file system that "
        "all ranks share, --checkpoint names another",
        rank, path_, ranks_->machine());
  };
  StatusLine status(flags_.boolean("quiet"));
  const Stopwatch watch;
  const double before = static_cast<double>(done);
  hand_out(0);
  while (done < count_ && failure.empty()) {
    if (cancel_flag()) {
      status.clear();
      print_note(
          fmt::format("cugad: stopped, by a signal or because a rank ended: {} of {} parts are in {}, and the same "
                      "command with {}, on any number of ranks, goes on from there",
                      done, count_, path_, folder_->resume_flags()));
      mute();  // the launcher may not leave time for more
      trainer.stop();
      throw Error(ErrorCode::cancelled, "stopped");
    }
    while (const auto received = ranks_->receive()) {
      const auto& [rank, message] = *received;
      if (message.kind == Kind::wants) hand_out(rank);
      if (message.kind == Kind::done) take_part(rank, message.shard);
      if (message.kind == Kind::progress) shares[static_cast<std::size_t>(rank)] = message.share;
      if (message.kind == Kind::failed) failure = fmt::format("rank {}: {}", rank, message.text);
    }
    if (trainer.take_end()) {
      failure = trainer.error();
      if (failure.empty()) take_part(0, trainer.shard());
    }
    if (status.due()) {
      shares[0] = trainer.share();
      double share = static_cast<double>(done);
      for (const double of_rank : shares) share += of_rank;
      const double left = static_cast<double>(count_) - share, gone = share - before;
      std::string text = fmt::format("train: {:.0f} %, {} of {} parts on {} ranks",
                                     100 * share / static_cast<double>(count_), done, count_, ranks_->count());
      if (gone > 0) text += fmt::format(", ETA {}", clock_time(watch.seconds() * left / gone));
      status.show(text);
    }
    std::this_thread::sleep_for(between_messages);
  }
  if (!failure.empty()) throw Error(ErrorCode::input_output, failure);
}

void DistributedFit::follow(Trainer& trainer) {
  ranks_->send(0, {.kind = Kind::wants});
  const Stopwatch watch;
  double reported = 0;
  for (;; std::this_thread::sleep_for(between_messages)) {
    if (cancel_flag()) {
      trainer.stop();
      throw Error(ErrorCode::cancelled, "stopped");
    }
    if (const auto received = ranks_->receive()) {
      const RankMessage& message = received->second;
      if (message.kind == Kind::ends) {
        ranks_->send(0, {.kind = Kind::leaves});
        return trainer.stop();
      }
      trainer.start(message.shard);
    }
    if (trainer.take_end()) {
      RankMessage message{.kind = trainer.error().empty() ? Kind::done : Kind::failed, .shard = trainer.shard()};
      trainer.error().copy(message.text, sizeof message.text - 1);
      ranks_->send(0, message);
    } else if (watch.seconds() - reported > between_reports) {
      reported = watch.seconds();
      ranks_->send(0, {.kind = Kind::progress, .shard = trainer.shard(), .share = trainer.share()});
    }
  }
}

}  // namespace cugad::cli
