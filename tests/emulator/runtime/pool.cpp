#include <algorithm>
#include <atomic>
#include <condition_variable>
#include <mutex>
#include <thread>

#if defined(__SSE2__)
#include <xmmintrin.h>
#endif

#include "emulator_control.hpp"
#include "tests/emulator/runtime/launch.hpp"

/// The OS threads that run blocks.
namespace emulator {
namespace {

constexpr std::uint64_t kLanesNotWorthAThread = 512;

/// Kernels are compiled with --ftz=true: subnormal numbers count as 0 while they run. Lanes do not change the mode.
class FlushedSubnormals {
#if defined(__SSE2__)
 public:
  FlushedSubnormals() : before_(_mm_getcsr()) { _mm_setcsr(before_ | 0x8040); }
  ~FlushedSubnormals() { _mm_setcsr(before_); }

 private:
  unsigned before_;
#endif
};

/// One launch under way. Groups are taken in ascending order.
struct Job {
  const Launch* launch = nullptr;
  std::uint64_t groups = 0;
  std::atomic<std::uint64_t> next{0};
  std::atomic<bool> stop{false};
  std::mutex lock;
  std::uint64_t failed_group = 0;
  std::string failure;

  void work() {
    static thread_local Group group;
    const FlushedSubnormals mode;
    while (!stop.load()) {
      const std::uint64_t number = next.fetch_add(1);
      if (number >= groups) return;
      const std::string text = group.run(*launch, number);
      if (text.empty()) continue;
      stop = true;
      const std::lock_guard hold(lock);
      if (!failure.empty() && failed_group < number) continue;
      failed_group = number;
      failure = text;
    }
  }
};

class Pool {
 public:
  ~Pool() {
    {
      const std::lock_guard hold(lock_);
      ending_ = true;
    }
    wake_.notify_all();
    for (std::thread& thread : threads_) thread.join();
  }

  /// The caller works too, beside `helpers` other threads.
  void run(Job& job, std::size_t helpers) {
    {
      const std::lock_guard hold(lock_);
      while (threads_.size() < helpers) {
        threads_.emplace_back([this, mine = threads_.size(), seen = generation_]() mutable { serve(mine, seen); });
      }
      job_ = &job;
      helpers_ = busy_ = helpers;
      ++generation_;
    }
    wake_.notify_all();
    job.work();
    std::unique_lock hold(lock_);
    idle_.wait(hold, [this] { return busy_ == 0; });
    job_ = nullptr;
  }

 private:
  void serve(std::size_t mine, std::uint64_t seen) {
    std::unique_lock hold(lock_);
    for (;;) {
      wake_.wait(hold, [&] { return ending_ || generation_ != seen; });
      if (ending_) return;
      seen = generation_;
      if (mine >= helpers_) continue;
      Job* job = job_;
      hold.unlock();
      job->work();
      hold.lock();
      if (--busy_ == 0) idle_.notify_all();
    }
  }

  std::mutex lock_;
  std::condition_variable wake_, idle_;
  std::vector<std::thread> threads_;
  Job* job_ = nullptr;
  std::size_t helpers_ = 0, busy_ = 0;
  std::uint64_t generation_ = 0;
  bool ending_ = false;
};

}  // namespace

std::string run_launch(const Launch& launch) {
  static Pool pool;
  Job job;
  job.launch = &launch;
  job.groups = launch.blocks() / launch.blocks_per_group();
  const auto asked = static_cast<std::uint64_t>(std::max(policy().host_threads, 0));
  const std::uint64_t threads = asked > 0 ? asked : std::max(1u, std::thread::hardware_concurrency());
  // To wake another thread costs more than a few lanes.
  const std::uint64_t lanes = launch.blocks() * launch.block.x * launch.block.y * launch.block.z;
  const bool alone = has_race_check() || (asked == 0 && lanes <= kLanesNotWorthAThread);
  const std::uint64_t workers = alone ? 1 : std::min(threads, job.groups);
  if (workers <= 1) {
    job.work();
  } else {
    pool.run(job, static_cast<std::size_t>(workers - 1));
  }
  return job.failure;
}

}  // namespace emulator
