#include "host/model_file/mapped_memory.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <condition_variable>
#include <cstdio>
#include <cstdlib>
#include <mutex>
#include <optional>
#include <span>
#include <system_error>
#include <thread>

#include "cugad/error.hpp"
#include "host/model_file/file_descriptor.hpp"

namespace cugad {
namespace {

[[noreturn]] void fail(const std::string& path, const char* step, int error) {
  throw Error(ErrorCode::input_output,
              fmt::format("\"{}\": {}: {}", path, step, std::generic_category().message(error)));
}

/// Bytes of files that the process holds in memory; 0 if the system does not tell.
std::size_t resident_file_bytes() {
  std::size_t all = 0, resident = 0, shared = 0;
  std::FILE* const file = std::fopen("/proc/self/statm", "re");
  if (file == nullptr) return 0;
  if (std::fscanf(file, "%zu %zu %zu", &all, &resident, &shared) != 3) shared = 0;
  std::fclose(file);
  return shared * static_cast<std::size_t>(::sysconf(_SC_PAGESIZE));
}

/// Bounds the pages of all mappings that the process holds. The pages of a mapping of any size are given back by a
/// thread, so that no loop over rows need know of it.
class ResidentLimit {
 public:
  void add(std::span<std::byte> mapping) {
    const std::lock_guard lock(mutex_);
    mappings_.push_back(mapping);
    if (thread_) return;
    others_ = resident_file_bytes();
    try {
      thread_.emplace([this](const std::stop_token& stop) { run(stop); });
    } catch (const std::system_error&) {  // the system takes pages back by itself when it needs memory
    }
  }
  void remove(std::span<std::byte> mapping) noexcept {
    std::optional<std::jthread> ended;  // joined after the lock is released
    const std::lock_guard lock(mutex_);
    std::erase_if(mappings_, [&](const auto& one) { return one.data() == mapping.data(); });
    if (mappings_.empty()) ended.swap(thread_);
  }

 private:
  void run(const std::stop_token& stop) {
    constexpr std::size_t most = MappedMemory::most_resident, bytes_per_millisecond = 16'000'000, shortest = 5;
    std::unique_lock lock(mutex_);
    for (std::size_t held = 0; !stop.stop_requested();) {
      // No earlier than the rest of the limit can be filled.
      const std::size_t milliseconds = std::max(shortest, (most - held) / bytes_per_millisecond);
      wake_.wait_for(lock, stop, std::chrono::milliseconds(milliseconds), [] { return false; });
      const std::size_t resident = resident_file_bytes();
      held = resident > others_ ? resident - others_ : 0;
      if (held <= most) continue;
      // Pages of a shared mapping keep what was written: they stay in the system's cache.
      for (const std::span<std::byte> one : mappings_) ::madvise(one.data(), one.size(), MADV_DONTNEED);
      others_ = resident_file_bytes();
      held = 0;
    }
  }

  std::mutex mutex_;
  std::condition_variable_any wake_;
  std::vector<std::span<std::byte>> mappings_;
  std::size_t others_ = 0;  ///< resident bytes of files that are not these mappings'
  std::optional<std::jthread> thread_;
};

/// Never destroyed: mappings may outlive the statics.
ResidentLimit& resident_limit() {
  static auto& limit = *new ResidentLimit();
  return limit;
}

/// A new file without a name.
FileDescriptor open_nameless(const std::string& directory) {
  FileDescriptor file(
      retry_interrupted([&] { return ::open(directory.c_str(), O_RDWR | O_TMPFILE | O_CLOEXEC, 0600); }));
  if (file || (errno != EOPNOTSUPP && errno != EISDIR && errno != EINVAL)) return file;
  std::string name = directory + "/.cugad-XXXXXX";  // the file system has no files without a name
  file = FileDescriptor(::mkostemp(name.data(), O_CLOEXEC));
  if (file) ::unlink(name.c_str());
  return file;
}

}  // namespace

MappedMemory::MappedMemory(const std::string& directory, std::size_t bytes) : size_(bytes) {
  const FileDescriptor file = open_nameless(directory);
  if (!file) fail(directory, "creating a file there", errno);
  // Reserved now: a write to a mapped page for which there is no room would end the process.
  const int error = ::posix_fallocate(file.get(), 0, static_cast<off_t>(bytes));
  if (error != 0) fail(directory, fmt::format("reserving {} MB there", bytes / 1000000).c_str(), error);
  data_ = static_cast<std::byte*>(::mmap(nullptr, size_, PROT_READ | PROT_WRITE, MAP_SHARED, file.get(), 0));
  if (data_ == MAP_FAILED) fail(directory, "mapping a file there", errno);
  begin();
}

MappedMemory::MappedMemory(const std::string& path) {
  const FileDescriptor file(
      retry_interrupted([&] { return ::open(path.c_str(), O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC); }));
  struct stat status;
  if (!file || ::fstat(file.get(), &status) != 0) fail(path, "opening", errno);
  if (!S_ISREG(status.st_mode) || status.st_size == 0) fail(path, "mapping, no regular file with contents", EINVAL);
  size_ = static_cast<std::size_t>(status.st_size);
  data_ = static_cast<std::byte*>(::mmap(nullptr, size_, PROT_READ, MAP_SHARED, file.get(), 0));
  if (data_ == MAP_FAILED) fail(path, "mapping", errno);
  begin();
}

void MappedMemory::begin() {
  ::madvise(data_, size_, MADV_NOHUGEPAGE);  // one row would take 2 MB of the limit
  resident_limit().add({data_, size_});
}

MappedMemory::~MappedMemory() {
  if (data_ == nullptr) return;
  resident_limit().remove({data_, size_});
  ::munmap(data_, size_);
}

void MappedMemory::expect_random_access() noexcept {
  if (size_ > 0) ::madvise(data_, size_, MADV_RANDOM);
}

}  // namespace cugad
