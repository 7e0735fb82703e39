#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

namespace cugad {

/// A stream of bytes to be read once.
class ByteSource {
 public:
  virtual ~ByteSource() = default;
  /// Reads up to `size` bytes: at least one, or 0 at the end of the stream.
  virtual std::size_t read(char* buffer, std::size_t size) = 0;
  /// The number of bytes left, if known without reading them.
  virtual std::optional<std::uint64_t> remaining() const { return std::nullopt; }
  /// Whether `read` would answer at once; a pipe whose writer pauses would not.
  virtual bool is_ready() { return true; }
  /// Continues at the given byte of the stream; false (and nothing changes) if the stream cannot seek.
  virtual bool seek(std::uint64_t /*position*/) { return false; }
};

/// A stream whose first bytes can be looked at before they are read.
class PeekableSource : public ByteSource {
 public:
  explicit PeekableSource(std::unique_ptr<ByteSource> inner) : inner_(std::move(inner)) {}
  /// The next `size` bytes, fewer if the stream ends or, after its first line, pauses before.
  std::string_view peek(std::size_t size);
  std::size_t read(char* buffer, std::size_t size) override;
  std::optional<std::uint64_t> remaining() const override;
  bool is_ready() override { return !front_.empty() || inner_->is_ready(); }
  bool seek(std::uint64_t position) override;

 private:
  std::unique_ptr<ByteSource> inner_;
  std::string front_;
};

/// The bytes of a file, or of standard input for "-"; gzip, recognised by its first bytes, is decompressed on the way.
/// `file`: its name in messages. Throws Error{input_output} if the file cannot be opened.
std::unique_ptr<PeekableSource> open_bytes(const std::string& path, const std::string& file);

/// Reads exactly `size` bytes, or fewer at the end of the stream; returns how many.
std::size_t read_fully(ByteSource& source, char* buffer, std::size_t size);

}  // namespace cugad
