#include "host/model_file/safetensors.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <bit>
#include <new>
#include <optional>
#include <string_view>
#include <tuple>
#include <utility>

#include "cugad/error.hpp"
#include "host/model_file/atomic_file.hpp"
#include "host/model_file/byte_source.hpp"
#include "host/model_file/checksum.hpp"
#include "host/model_file/open_file.hpp"
#include "host/model_file/safetensors_header.hpp"

namespace cugad::safetensors {
namespace {

static_assert(std::endian::native == std::endian::little, "the container is little endian and values are copied as is");
static_assert(sizeof(float) == 4 && sizeof(double) == 8);

constexpr std::size_t length_bytes = 8;
constexpr const char* checksum_key = "checksum";         ///< in the metadata
constexpr const char* partial_key = "checksum_outside";  ///< "PREFIX SUM", see WrittenSum::left_out

template <class T>
std::string_view bytes_of(const std::vector<T>& values) {
  return {reinterpret_cast<const char*>(values.data()), values.size() * sizeof(T)};
}

/// Shape and element size of a tensor, checked against its values. A tensor without values counts as F32.
Entry describe(const Tensor& tensor) {
  if (!tensor.f32.empty() + !tensor.f64.empty() + !tensor.u8.empty() > 1)
    throw Error(ErrorCode::invalid_argument, "values of several types are given, expected one of f32, f64 and u8");
  Entry entry;
  entry.element_bytes = !tensor.f64.empty() ? sizeof(double) : tensor.u8.empty() ? sizeof(float) : 1;
  entry.shape = tensor.shape;
  if (tensor.shape.size() > max_rank)
    throw Error(ErrorCode::invalid_argument,
                fmt::format("{} dimensions, at most {} are allowed", tensor.shape.size(), max_rank));
  const std::uint64_t given = bytes_of(tensor.f32).size() + bytes_of(tensor.f64).size() + tensor.u8.size();
  const std::uint64_t expected = tensor_bytes(tensor.shape, entry.element_bytes);
  if (given != expected)
    throw Error(ErrorCode::invalid_argument, fmt::format("{} values, expected {} by the shape",
                                                         given / entry.element_bytes, expected / entry.element_bytes));
  return entry;
}

/// Wider elements come first, so that all stay aligned, as the reference implementation has it.
constexpr std::uint64_t widths[] = {8, 4, 1};

/// Lays the tensors out by the width of their elements, then by name.
void lay_out(Header& header) {
  std::uint64_t position = 0;
  for (const std::uint64_t element_bytes : widths)
    for (auto& [name, entry] : header.tensors) {
      if (entry.element_bytes != element_bytes) continue;
      entry.begin = position;
      position += tensor_bytes(entry.shape, element_bytes);
      entry.end = position;
    }
}

Header header_of(const File& file) {
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
  lay_out(header);
  return header;
}

std::uint64_t read_header_bytes(const ByteSource& source) {
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

/// The header, and the start of the values.
std::pair<Header, std::uint64_t> read_header(const ByteSource& source) {
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
  for (const auto& [name, tensor] : file.tensors) append(bytes_of(tensor.u8));
}

/// The checksum that a file's metadata give.
struct WrittenSum {
  std::string left_out;  ///< values of tensors whose names begin so are not in it; empty: all are
  std::string sum;
};

/// Takes it out of the metadata; files of earlier versions have none.
std::optional<WrittenSum> take_sum(std::map<std::string, std::string>& metadata) {
  if (auto whole = metadata.extract(checksum_key)) return WrittenSum{"", std::move(whole.mapped())};
  const auto partial = metadata.extract(partial_key);
  if (!partial) return std::nullopt;
  const std::string& text = partial.mapped();
  const std::size_t blank = std::min(text.rfind(' '), text.size());
  return WrittenSum{text.substr(0, blank), text.substr(std::min(blank + 1, text.size()))};
}

/// CRC-32 of the header as lay_out() gives it, without the checksum, and of the values: independent of how a file
/// orders its header.
template <class AddValues>
std::string checksum_of(const Header& header, const std::string& left_out, const AddValues& add_values) {
  Checksum sum;
  const std::string json = format_header(header);
  sum.add(json.data(), json.size());
  for (const std::uint64_t element_bytes : widths)
    for (const auto& [name, entry] : header.tensors) {
      if (entry.element_bytes != element_bytes || (!left_out.empty() && name.starts_with(left_out))) continue;
      add_values(name, sum);
    }
  return fmt::format("{:08x}", sum.value());
}

std::string checksum_of(const File& file, const Header& header, const std::string& left_out) {
  return checksum_of(header, left_out, [&](const std::string& name, Checksum& sum) {
    const Tensor& tensor = file.tensors.at(name);
    sum.add(tensor.f64);
    sum.add(tensor.f32);
    sum.add(tensor.u8);
  });
}

/// Compares a checksum with that of the contents.
template <class Found>
void check_sum(const WrittenSum& written, const Found& found) {
#ifndef FUZZING_BUILD_MODE_UNSAFE_FOR_PRODUCTION  // a fuzzer would find nothing behind it
  const std::string sum = found();
  if (sum == written.sum) return;
  throw Error(ErrorCode::format,
              fmt::format("the file is damaged: its checksum is {}, its contents give {}", quote(written.sum), sum));
#endif
}

/// The length of the header and the header: all bytes before the values.
std::string head_of(const File& file, const std::string& left_out) {
  Header header = header_of(file);
  header.metadata.erase(checksum_key);
  header.metadata.erase(partial_key);
  const std::string sum = checksum_of(file, header, left_out);
  header.metadata[left_out.empty() ? checksum_key : partial_key] = left_out.empty() ? sum : left_out + " " + sum;
  const std::string json = format_header(header);
  const auto length = std::bit_cast<std::array<char, length_bytes>>(static_cast<std::uint64_t>(json.size()));
  return std::string(length.data(), length.size()) + json;
}

/// Fills the vector of the entry's type.
void read_values_into(const ByteSource& source, std::uint64_t data_at, const Entry& entry, Tensor& tensor) {
  const auto read_into = [&](auto& values) {
    const std::uint64_t bytes = entry.end - entry.begin;
    values.resize(bytes / sizeof values.front());
    source.read(data_at + entry.begin, values.data(), bytes);
  };
  if (entry.element_bytes == sizeof(float)) return read_into(tensor.f32);
  entry.element_bytes == sizeof(double) ? read_into(tensor.f64) : read_into(tensor.u8);
}

File read_file(const ByteSource& source) {
  auto [header, data_at] = read_header(source);
  const std::optional<WrittenSum> written = take_sum(header.metadata);
  File file;
  file.metadata = std::move(header.metadata);
  for (auto& [name, entry] : header.tensors) {
    Tensor& tensor = file.tensors[name];
    tensor.shape = std::move(entry.shape);
    read_values_into(source, data_at, entry, tensor);
  }
  if (written) check_sum(*written, [&] { return checksum_of(file, header_of(file), written->left_out); });
  return file;
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

void write(const std::string& path, const File& file, const std::string& left_out) {
  std::string header;
  try {
    header = head_of(file, left_out);
  } catch (const Error& error) {
    throw Error(error.code(), fmt::format("cannot write \"{}\": {}", path, error.what()));
  }
  write_file_atomically(path, [&](const std::function<void(std::string_view)>& append) {
    append(header);
    append_values(file, append);
  });
}

std::vector<std::byte> to_bytes(const File& file, const std::string& left_out) {
  std::vector<std::byte> bytes;
  const auto append = [&](std::string_view part) {
    const auto* begin = reinterpret_cast<const std::byte*>(part.data());
    bytes.insert(bytes.end(), begin, begin + part.size());
  };
  const std::string header = head_of(file, left_out);
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
  return reading(path_in_quotes(path), [&] { return read_file(*file_source(path)); });
}

File read(std::span<const std::byte> bytes) {
  return reading(in_memory, [&] { return read_file(*memory_source(bytes)); });
}

std::map<std::string, std::string> read_metadata(const std::string& path) {
  return reading(path_in_quotes(path), [&] { return std::move(read_header(*file_source(path)).first.metadata); });
}

std::map<std::string, std::string> read_metadata(std::span<const std::byte> bytes) {
  return reading(in_memory, [&] { return std::move(read_header(*memory_source(bytes)).first.metadata); });
}

OpenFile::OpenFile(const std::string& path) : name_(path_in_quotes(path)) {
  reading(name_, [&] { open(file_source(path)); });
}

OpenFile::OpenFile(std::span<const std::byte> bytes) : name_(in_memory) {
  reading(name_, [&] {
    bytes_.assign(bytes.begin(), bytes.end());
    open(memory_source(bytes_));
  });
}

void OpenFile::open(std::unique_ptr<ByteSource> source) {
  source_ = std::move(source);
  std::tie(header_, values_at_) = read_header(*source_);
  const std::optional<WrittenSum> written = take_sum(header_.metadata);
  if (!written) return;
  check_sum(*written, [&] {
    Header header = header_;
    for (auto& [name, entry] : header.tensors) {
      if (entry.begin == entry.end) entry.element_bytes = sizeof(float);  // as describe()
    }
    lay_out(header);
    std::vector<char> part(std::size_t{1} << 20);
    return checksum_of(header, written->left_out, [&](const std::string& name, Checksum& sum) {
      const Entry& entry = header_.tensors.at(name);
      for (std::uint64_t at = entry.begin; at < entry.end; at += part.size()) {
        const std::uint64_t count = std::min<std::uint64_t>(part.size(), entry.end - at);
        source_->read(values_at_ + at, part.data(), count);
        sum.add(part.data(), count);
      }
    });
  });
}

template <class T>
std::vector<T> OpenFile::read_values(const Entry& tensor, std::uint64_t first, std::uint64_t count) const {
  return reading(name_, [&] {
    std::vector<T> values(count);
    source_->read(values_at_ + tensor.begin + first * sizeof(T), values.data(), count * sizeof(T));
    return values;
  });
}
template std::vector<float> OpenFile::read_values(const Entry&, std::uint64_t, std::uint64_t) const;
template std::vector<double> OpenFile::read_values(const Entry&, std::uint64_t, std::uint64_t) const;

Tensor OpenFile::read(const Entry& tensor) const {
  return reading(name_, [&] {
    Tensor read{.shape = tensor.shape, .f32 = {}, .f64 = {}};
    read_values_into(*source_, values_at_, tensor, read);
    return read;
  });
}

}  // namespace cugad::safetensors
