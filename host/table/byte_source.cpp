#include "host/table/byte_source.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <poll.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zlib.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <system_error>
#include <vector>

#include "cugad/error.hpp"

namespace cugad {
namespace {

std::string reason(int code) { return std::generic_category().message(code); }

/// A file descriptor. Reads the available bytes, so that a pipe delivers rows as they come.
class FileSource : public ByteSource {
 public:
  FileSource(const std::string& path, std::string file) : file_(std::move(file)), owned_(path != "-") {
    descriptor_ = owned_ ? ::open(path.c_str(), O_RDONLY | O_CLOEXEC) : STDIN_FILENO;
    if (descriptor_ < 0) {
      throw Error(ErrorCode::input_output, fmt::format("{}: cannot be opened: {}", file_, reason(errno)));
    }
    struct stat status {};
    if (::fstat(descriptor_, &status) != 0) return;
    if (S_ISDIR(status.st_mode)) {
      close();
      throw Error(ErrorCode::input_output, fmt::format("{}: is a directory, expected a file", file_));
    }
    is_regular_ = S_ISREG(status.st_mode);
    if (owned_ && is_regular_) size_ = static_cast<std::uint64_t>(status.st_size);
  }
  ~FileSource() override { close(); }
  FileSource(const FileSource&) = delete;
  FileSource& operator=(const FileSource&) = delete;

  std::size_t read(char* buffer, std::size_t size) override {
    for (;;) {
      const ssize_t count = ::read(descriptor_, buffer, size);
      if (count >= 0) {
        position_ += static_cast<std::uint64_t>(count);
        return static_cast<std::size_t>(count);
      }
      if (errno != EINTR) {
        throw Error(ErrorCode::input_output, fmt::format("{}: cannot be read: {}", file_, reason(errno)));
      }
    }
  }
  std::optional<std::uint64_t> remaining() const override {
    if (!size_) return std::nullopt;
    return *size_ - std::min(*size_, position_);
  }
  bool is_ready() override {
    if (is_regular_) return true;
    pollfd waiting{descriptor_, POLLIN, 0};
    return ::poll(&waiting, 1, 0) != 0;  // an end or an error is an answer, too
  }
  bool seek(std::uint64_t position) override {
    if (!size_ || ::lseek(descriptor_, static_cast<off_t>(position), SEEK_SET) < 0) return false;
    position_ = position;
    return true;
  }

 private:
  void close() {
    if (owned_ && descriptor_ >= 0) ::close(descriptor_);
    descriptor_ = -1;
  }

  std::string file_;
  bool owned_;
  int descriptor_ = -1;
  bool is_regular_ = false;
  std::optional<std::uint64_t> size_;
  std::uint64_t position_ = 0;
};

/// Decompresses gzip: one or several consecutive members. Any other bytes after a member are damage.
class GzipSource : public ByteSource {
 public:
  GzipSource(std::unique_ptr<ByteSource> inner, std::string file)
      : inner_(std::move(inner)), file_(std::move(file)), input_(1 << 17) {
    constexpr int gzip_with_largest_window = 15 + 16;
    if (inflateInit2(&stream_, gzip_with_largest_window) != Z_OK) {
      throw Error(ErrorCode::out_of_memory, fmt::format("{}: no memory to decompress it", file_));
    }
  }
  ~GzipSource() override { inflateEnd(&stream_); }
  GzipSource(const GzipSource&) = delete;
  GzipSource& operator=(const GzipSource&) = delete;

  std::size_t read(char* buffer, std::size_t size) override {
    stream_.next_out = reinterpret_cast<Bytef*>(buffer);
    stream_.avail_out = static_cast<uInt>(std::min<std::size_t>(size, 1u << 30));
    const uInt wanted = stream_.avail_out;
    while (stream_.avail_out == wanted && !ended_) {
      if (stream_.avail_in == 0 && !refill()) break;
      const int status = inflate(&stream_, Z_NO_FLUSH);
      if (status == Z_STREAM_END) {
        in_member_ = false;
        inflateReset(&stream_);
      } else if (status == Z_MEM_ERROR) {
        throw Error(ErrorCode::out_of_memory, fmt::format("{}: no memory to decompress it", file_));
      } else if (status != Z_OK && status != Z_BUF_ERROR) {
        throw Error(ErrorCode::format, fmt::format("{}: damaged gzip data: {}", file_,
                                                   stream_.msg != nullptr ? stream_.msg : "unknown reason"));
      } else {
        in_member_ = true;
      }
    }
    return wanted - stream_.avail_out;
  }
  bool is_ready() override { return stream_.avail_in > 0 || ended_ || inner_->is_ready(); }

 private:
  bool refill() {
    stream_.next_in = reinterpret_cast<Bytef*>(input_.data());
    stream_.avail_in = static_cast<uInt>(inner_->read(input_.data(), input_.size()));
    if (stream_.avail_in > 0) return true;
    if (in_member_) throw Error(ErrorCode::format, fmt::format("{}: the gzip data ends too early", file_));
    ended_ = true;
    return false;
  }

  std::unique_ptr<ByteSource> inner_;
  std::string file_;
  std::vector<char> input_;
  z_stream stream_{};
  bool in_member_ = true;
  bool ended_ = false;
};

}  // namespace

std::string_view PeekableSource::peek(std::size_t size) {
  constexpr std::size_t longest_magic = 8;
  while (front_.size() < size) {
    // The first line is enough to recognise a stream that pauses after it.
    const bool shows_its_kind = front_.size() >= longest_magic || front_.find('\n') != std::string::npos;
    if (shows_its_kind && !inner_->is_ready()) break;
    const std::size_t before = front_.size();
    front_.resize(size);
    const std::size_t count = inner_->read(front_.data() + before, size - before);
    front_.resize(before + count);
    if (count == 0) break;
  }
  return std::string_view(front_).substr(0, size);
}

std::size_t PeekableSource::read(char* buffer, std::size_t size) {
  if (front_.empty()) return inner_->read(buffer, size);
  const std::size_t count = std::min(size, front_.size());
  std::memcpy(buffer, front_.data(), count);
  front_.erase(0, count);
  return count;
}

std::optional<std::uint64_t> PeekableSource::remaining() const {
  const auto behind = inner_->remaining();
  return behind ? std::optional(*behind + front_.size()) : std::nullopt;
}

bool PeekableSource::seek(std::uint64_t position) {
  if (!inner_->seek(position)) return false;
  front_.clear();
  return true;
}

std::unique_ptr<PeekableSource> open_bytes(const std::string& path, const std::string& file) {
  auto bytes = std::make_unique<PeekableSource>(std::make_unique<FileSource>(path, file));
  if (bytes->peek(2) != "\x1f\x8b") return bytes;
  return std::make_unique<PeekableSource>(std::make_unique<GzipSource>(std::move(bytes), file));
}

std::size_t read_fully(ByteSource& source, char* buffer, std::size_t size) {
  std::size_t done = 0;
  while (done < size) {
    const std::size_t count = source.read(buffer + done, size - done);
    if (count == 0) break;
    done += count;
  }
  return done;
}

}  // namespace cugad
