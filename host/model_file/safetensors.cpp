#include "host/model_file/safetensors.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zlib.h>

#include <array>
#include <bit>
#include <cerrno>
#include <cstring>
#include <new>
#include <string_view>
#include <system_error>

#include "cugad/error.hpp"
#include "host/model_file/atomic_file.hpp"
#include "host/model_file/file_descriptor.hpp"
#include "host/model_file/safetensors_header.hpp"

namespace cugad::safetensors {
namespace {

static_assert(std::endian::native == std::endian::little, "the container is little endian and values are copied as is");
static_assert(sizeof(float) == 4 && sizeof(double) == 8);

constexpr std::size_t length_bytes = 8;
constexpr const char* checksum_key = "checksum";  ///< in the metadata

template <class T>
std::string_view bytes_of(const std::vector<T>& values) {
  return {reinterpret_cast<const char*>(values.data()), values.size() * sizeof(T)};
}

/// Shape and element size of a tensor, checked against its values. A tensor without values counts as F32.
Entry describe(const Tensor& tensor) {
  if (!tensor.f32.empty() && !tensor.f64.empty())
    throw Error(ErrorCode::invalid_argument, "both f32 and f64 values are given, expected one of them");
  Entry entry;
  entry.element_bytes = tensor.f64.empty() ? sizeof(float) : sizeof(double);
  entry.shape = tensor.shape;
  if (tensor.shape.size() > max_rank)
    throw Error(ErrorCode::invalid_argument,
                fmt::format("{} dimensions, at most {} are allowed", tensor.shape.size(), max_rank));
  const std::uint64_t given = bytes_of(tensor.f32).size() + bytes_of(tensor.f64).size();
  const std::uint64_t expected = tensor_bytes(tensor.shape, entry.element_bytes);
  if (given != expected)
    throw Error(ErrorCode::invalid_argument, fmt::format("{} values, expected {} by the shape",
                                                         given / entry.element_bytes, expected / entry.element_bytes));
  return entry;
}

/// Lays the tensors out as the reference implementation does: wider elements first, so that all stay aligned, then by
/// name.
Header lay_out(const File& file) {
  if (file.metadata.size() > max_entries || file.tensors.size() > max_entries)
    throw Error(ErrorCode::invalid_argument, fmt::format("more than {} tensors or metadata keys", max_entries));
  Header header;
  header.metadata = file.metadata;
  for (const auto& [name, tensor] : file.tensors) {
    try {
      header.tensors.emplace(name, describe(tensor));
    } catch (const Error& error) {
      throw Error(ErrorCode::invalid_argument, fmt::format("tensor {}: {}", quote(name), error.what()));
    }
  }
  std::uint64_t position = 0;
  for (const std::uint64_t element_bytes : {sizeof(double), sizeof(float)})
    for (auto& [name, entry] : header.tensors) {
      if (entry.element_bytes != element_bytes) continue;
      entry.begin = position;
      position += tensor_bytes(entry.shape, element_bytes);
      entry.end = position;
    }
  return header;
}

[[noreturn]] void fail_reading(const std::string& reason) { throw Error(ErrorCode::input_output, reason); }

[[noreturn]] void fail_reading_with_errno() { fail_reading(std::generic_category().message(errno)); }

/// Bytes of known size.
class Source {
 public:
  virtual ~Source() = default;
  std::uint64_t size() const { return size_; }
  /// Within the size.
  virtual void read(std::uint64_t position, void* to, std::uint64_t bytes) const = 0;

 protected:
  std::uint64_t size_ = 0;
};

/// A regular file.
class FileSource : public Source {
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

class MemorySource : public Source {
 public:
  explicit MemorySource(std::span<const std::byte> bytes) : bytes_(bytes) { size_ = bytes.size(); }

  void read(std::uint64_t position, void* to, std::uint64_t bytes) const override {
    if (bytes > 0) std::memcpy(to, bytes_.data() + position, bytes);
  }

 private:
  std::span<const std::byte> bytes_;
};

std::uint64_t read_header_bytes(const Source& source) {
  if (source.size() < length_bytes)
    throw Error(ErrorCode::format, fmt::format("{} bytes, too short for a safetensors file", source.size()));
  std::uint64_t header_bytes = 0;
  source.read(0, &header_bytes, length_bytes);
  char brace = 0;
  if (source.size() > length_bytes) source.read(length_bytes, &brace, 1);
  if (brace != '{') throw Error(ErrorCode::format, "not a safetensors file, which models and checkpoints are");
  if (header_bytes > max_header_bytes || header_bytes > source.size() - length_bytes)
    throw Error(ErrorCode::format, fmt::format("a header of {} bytes, but the file has {} and at most {} are allowed",
                                               header_bytes, source.size(), max_header_bytes));
  return header_bytes;
}

template <class T>
std::vector<T> read_values(const Source& source, std::uint64_t position, std::uint64_t bytes) {
  std::vector<T> values(bytes / sizeof(T));
  source.read(position, values.data(), bytes);
  return values;
}

/// The header, and the start of the values.
std::pair<Header, std::uint64_t> read_header(const Source& source) {
  const std::uint64_t header_bytes = read_header_bytes(source);
  const std::uint64_t data_at = length_bytes + header_bytes;
  std::string json(header_bytes, '\0');
  source.read(length_bytes, json.data(), header_bytes);
  return {parse_header(json, source.size() - data_at), data_at};
}

template <class Append>
void append_values(const File& file, const Append& append) {
  for (const auto& [name, tensor] : file.tensors) append(bytes_of(tensor.f64));
  for (const auto& [name, tensor] : file.tensors) append(bytes_of(tensor.f32));
}

/// CRC-32 of the header as lay_out() gives it, without the checksum, and of all values: independent of how a file
/// orders its header.
std::string checksum_of(const File& file, Header header) {
  header.metadata.erase(checksum_key);
  uLong sum = ::crc32_z(0, nullptr, 0);
  const auto add = [&](std::string_view part) {
    if (part.empty()) return;  // a null pointer would begin the sum anew
    sum = ::crc32_z(sum, reinterpret_cast<const Bytef*>(part.data()), part.size());
  };
  add(format_header(header));
  append_values(file, add);
  return fmt::format("{:08x}", sum);
}

/// Removes the checksum, which files of earlier versions lack, and compares it.
void check_sum(File& file) {
  const auto written = file.metadata.extract(checksum_key);
  if (!written) return;
#ifndef FUZZING_BUILD_MODE_UNSAFE_FOR_PRODUCTION  // a fuzzer would find nothing behind it
  const std::string found = checksum_of(file, lay_out(file));
  if (found == written.mapped()) return;
  throw Error(ErrorCode::format, fmt::format("the file is damaged: its checksum is {}, its contents give {}",
                                             quote(written.mapped()), found));
#endif
}

File read_file(const Source& source) {
  auto [header, data_at] = read_header(source);
  File file;
  file.metadata = std::move(header.metadata);
  for (auto& [name, entry] : header.tensors) {
    Tensor& tensor = file.tensors[name];
    tensor.shape = std::move(entry.shape);
    if (entry.element_bytes == sizeof(float))
      tensor.f32 = read_values<float>(source, data_at + entry.begin, entry.end - entry.begin);
    else
      tensor.f64 = read_values<double>(source, data_at + entry.begin, entry.end - entry.begin);
  }
  check_sum(file);
  return file;
}

/// The length of the header and the header: all bytes before the values.
std::string head_of(const File& file) {
  Header header = lay_out(file);
  header.metadata[checksum_key] = checksum_of(file, header);
  const std::string json = format_header(header);
  const auto length = std::bit_cast<std::array<char, length_bytes>>(static_cast<std::uint64_t>(json.size()));
  return std::string(length.data(), length.size()) + json;
}

std::string path_in_quotes(const std::string& path) { return fmt::format("\"{}\"", path); }

/// The result of `read`; errors name its source.
template <class Read>
auto reading(const std::string& name, const Read& read) {
  try {
    return read();
  } catch (const Error& error) {
    throw Error(error.code(), fmt::format("cannot read {}: {}", name, error.what()));
  } catch (const std::bad_alloc&) {
    throw Error(ErrorCode::out_of_memory, fmt::format("cannot read {}: its values do not fit in memory", name));
  }
}

}  // namespace

void write(const std::string& path, const File& file) {
  std::string header;
  try {
    header = head_of(file);
  } catch (const Error& error) {
    throw Error(error.code(), fmt::format("cannot write \"{}\": {}", path, error.what()));
  }
  write_file_atomically(path, [&](const std::function<void(std::string_view)>& append) {
    append(header);
    append_values(file, append);
  });
}

std::vector<std::byte> to_bytes(const File& file) {
  std::vector<std::byte> bytes;
  const auto append = [&](std::string_view part) {
    const auto* begin = reinterpret_cast<const std::byte*>(part.data());
    bytes.insert(bytes.end(), begin, begin + part.size());
  };
  const std::string header = head_of(file);
  std::size_t size = header.size();
  append_values(file, [&](std::string_view part) { size += part.size(); });
  bytes.reserve(size);
  append(header);
  append_values(file, append);
  return bytes;
}

void check_metadata(const std::map<std::string, std::string>& metadata) {
  format_header({.metadata = metadata, .tensors = {}});
}

File read(const std::string& path) {
  return reading(path_in_quotes(path), [&] { return read_file(FileSource(path)); });
}

File read(std::span<const std::byte> bytes) {
  return reading(in_memory, [&] { return read_file(MemorySource(bytes)); });
}

std::map<std::string, std::string> read_metadata(const std::string& path) {
  return reading(path_in_quotes(path), [&] { return std::move(read_header(FileSource(path)).first.metadata); });
}

std::map<std::string, std::string> read_metadata(std::span<const std::byte> bytes) {
  return reading(in_memory, [&] { return std::move(read_header(MemorySource(bytes)).first.metadata); });
}

}  // namespace cugad::safetensors
