#include "host/model_file/byte_source.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <system_error>

#include "cugad/error.hpp"
#include "host/model_file/file_descriptor.hpp"

namespace cugad::safetensors {
namespace {

[[noreturn]] void fail_reading(const std::string& reason) { throw Error(ErrorCode::input_output, reason); }

[[noreturn]] void fail_reading_with_errno() { fail_reading(std::generic_category().message(errno)); }

class FileSource : public ByteSource {
 public:
  explicit FileSource(const std::string& path) {
    if (path.find('\0') != std::string::npos) fail_reading("the path holds a zero byte");
    // Opening a pipe would wait for its other end before it can be refused.
    descriptor_ = FileDescriptor(
        retry_interrupted([&] { return ::open(path.c_str(), O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC); }));
    if (!descriptor_) fail_reading_with_errno();
    struct stat status;
    if (::fstat(descriptor_.get(), &status) != 0) fail_reading_with_errno();
    if (!S_ISREG(status.st_mode)) fail_reading("not a regular file");
    size_ = static_cast<std::uint64_t>(status.st_size);
  }

  void read(std::uint64_t position, void* to, std::uint64_t bytes) const override {
    char* next = static_cast<char*>(to);
    while (bytes > 0) {
      const ssize_t got =
          retry_interrupted([&] { return ::pread(descriptor_.get(), next, bytes, static_cast<off_t>(position)); });
      if (got < 0) fail_reading_with_errno();
      if (got == 0) fail_reading("the file shrank while it was read");
      next += got;
      position += static_cast<std::uint64_t>(got);
      bytes -= static_cast<std::uint64_t>(got);
    }
  }

 private:
  FileDescriptor descriptor_;
};

class MemorySource : public ByteSource {
 public:
  explicit MemorySource(std::span<const std::byte> bytes) : bytes_(bytes) { size_ = bytes.size(); }

  void read(std::uint64_t position, void* to, std::uint64_t bytes) const override {
    if (bytes > 0) std::memcpy(to, bytes_.data() + position, bytes);
  }

 private:
  std::span<const std::byte> bytes_;
};

}  // namespace

std::unique_ptr<ByteSource> file_source(const std::string& path) { return std::make_unique<FileSource>(path); }

std::unique_ptr<ByteSource> memory_source(std::span<const std::byte> bytes) {
  return std::make_unique<MemorySource>(bytes);
}

}  // namespace cugad::safetensors
