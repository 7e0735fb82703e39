#include "host/model_file/mapped_memory.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdint>
#include <cstdlib>
#include <system_error>

#include "cugad/error.hpp"
#include "host/model_file/file_descriptor.hpp"

namespace cugad {
namespace {

[[noreturn]] void fail(const std::string& path, const char* step, int error) {
  throw Error(ErrorCode::input_output,
              fmt::format("\"{}\": {}: {}", path, step, std::generic_category().message(error)));
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
  if (error != 0) {
    const bool is_small = bytes < 10'000'000;
    const std::size_t unit = is_small ? 1000 : 1'000'000, count = (bytes + unit - 1) / unit;
    fail(directory, fmt::format("reserving {} {} there", count, is_small ? "KB" : "MB").c_str(), error);
  }
  data_ = static_cast<std::byte*>(::mmap(nullptr, size_, PROT_READ | PROT_WRITE, MAP_SHARED, file.get(), 0));
  if (data_ == MAP_FAILED) fail(directory, "mapping a file there", errno);
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
}

MappedMemory::~MappedMemory() {
  if (data_ != nullptr) ::munmap(data_, size_);
}

void MappedMemory::expect_random_access() noexcept {
  if (size_ > 0) ::madvise(data_, size_, MADV_RANDOM);
}

void expect_reading(const void* data, std::size_t bytes) noexcept {
  constexpr std::uintptr_t piece = 128 << 10;  // Linux fetches no more than its read-ahead for one advice
  const auto first = reinterpret_cast<std::uintptr_t>(data), end = first + bytes;
  for (std::uintptr_t begin = first / piece * piece; begin < end; begin += piece)
    ::madvise(reinterpret_cast<void*>(begin), std::min(piece, end - begin), MADV_WILLNEED);
}

}  // namespace cugad
