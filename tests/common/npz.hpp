#pragma once

#include <zip.h>

#include <bit>
#include <cstdint>
#include <cstring>
#include <map>
#include <memory>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

/// Reads the golden files. It shares no code with the library's own reader, so that one mistake cannot hide in both.
namespace cugad::test {

/// A numpy array of float32, float64, int32 or int64, row-major; a scalar has an empty shape and one value.
struct Array {
  std::vector<std::int64_t> shape;
  std::vector<double> values;
};

namespace detail {

static_assert(std::endian::native == std::endian::little, "golden files are little endian");

template <class T>
std::vector<double> to_double(std::string_view bytes, std::int64_t count) {
  if (bytes.size() != static_cast<std::uint64_t>(count) * sizeof(T))
    throw std::runtime_error("npz: the array holds " + std::to_string(bytes.size()) + " bytes, not " +
                             std::to_string(count) + " elements of " + std::to_string(sizeof(T)));
  std::vector<double> values(static_cast<std::size_t>(count));
  for (std::size_t i = 0; i < values.size(); ++i) {
    T value;
    std::memcpy(&value, bytes.data() + i * sizeof(T), sizeof(T));
    values[i] = static_cast<double>(value);
  }
  return values;
}

/// The text after `'key':` in the header, which is a Python dictionary literal written by numpy in a fixed form.
inline std::string_view header_value(std::string_view header, std::string_view key) {
  const std::string quoted = std::string("'").append(key).append("':");
  const std::size_t at = header.find(quoted);
  if (at == std::string_view::npos) throw std::runtime_error("npy: no " + quoted + " in " + std::string(header));
  std::string_view value = header.substr(at + quoted.size());
  while (!value.empty() && value.front() == ' ') value.remove_prefix(1);
  return value;
}

inline std::vector<std::int64_t> parse_shape(std::string_view text) {
  const std::size_t close = text.find(')');
  if (text.empty() || text.front() != '(' || close == std::string_view::npos)
    throw std::runtime_error("npy: the shape is not a tuple");
  std::vector<std::int64_t> shape;
  bool in_number = false;
  for (const char c : text.substr(1, close - 1)) {
    const bool digit = c >= '0' && c <= '9';
    if (digit && !in_number) shape.push_back(0);
    if (digit) shape.back() = shape.back() * 10 + (c - '0');
    in_number = digit;
  }
  return shape;
}

inline Array parse_npy(std::string_view bytes) {
  if (bytes.size() < 12 || bytes.substr(0, 6) != "\x93NUMPY") throw std::runtime_error("npy: wrong magic");
  const std::size_t length_bytes = bytes[6] == 1 ? 2 : 4;  // version 1 has a 16-bit header length, 2 and 3 a 32-bit one
  std::size_t header_length = 0;
  for (std::size_t i = 0; i < length_bytes; ++i)
    header_length |= static_cast<std::size_t>(static_cast<unsigned char>(bytes[8 + i])) << (8 * i);
  const std::size_t data_at = 8 + length_bytes + header_length;
  if (data_at > bytes.size()) throw std::runtime_error("npy: truncated header");
  const std::string_view header = bytes.substr(8 + length_bytes, header_length);
  const std::string_view data = bytes.substr(data_at);

  Array array;
  array.shape = parse_shape(header_value(header, "shape"));
  std::int64_t count = 1;
  for (const std::int64_t extent : array.shape) count *= extent;
  if (array.shape.size() > 1 && !header_value(header, "fortran_order").starts_with("False"))
    throw std::runtime_error("npy: column-major arrays are not supported");
  const std::string_view type = header_value(header, "descr").substr(0, 5);
  if (type == "'<f4'")
    array.values = to_double<float>(data, count);
  else if (type == "'<f8'")
    array.values = to_double<double>(data, count);
  else if (type == "'<i4'")
    array.values = to_double<std::int32_t>(data, count);
  else if (type == "'<i8'")
    array.values = to_double<std::int64_t>(data, count);
  else
    throw std::runtime_error("npy: unsupported element type " + std::string(type));
  return array;
}

}  // namespace detail

/// Every array of the file by its name (without ".npy"); throws std::runtime_error for anything it does not understand.
inline std::map<std::string, Array> read_npz(const std::string& path) {
  int error = 0;
  const std::unique_ptr<zip_t, void (*)(zip_t*)> archive(zip_open(path.c_str(), ZIP_RDONLY, &error), zip_discard);
  if (!archive)
    throw std::runtime_error(path + ": not a readable zip file (libzip error " + std::to_string(error) + ")");
  std::map<std::string, Array> arrays;
  const zip_int64_t entries = zip_get_num_entries(archive.get(), 0);
  for (zip_int64_t index = 0; index < entries; ++index) {
    const auto entry = static_cast<zip_uint64_t>(index);
    zip_stat_t status;
    if (zip_stat_index(archive.get(), entry, 0, &status) != 0 || (status.valid & ZIP_STAT_SIZE) == 0 ||
        (status.valid & ZIP_STAT_NAME) == 0)
      throw std::runtime_error(path + ": an entry has no name or size");
    const std::unique_ptr<zip_file_t, int (*)(zip_file_t*)> file(zip_fopen_index(archive.get(), entry, 0), zip_fclose);
    std::string bytes(status.size, '\0');
    if (!file || zip_fread(file.get(), bytes.data(), bytes.size()) != static_cast<zip_int64_t>(bytes.size()))
      throw std::runtime_error(path + ": cannot read entry " + status.name);
    std::string name = status.name;
    if (name.ends_with(".npy")) name.resize(name.size() - 4);
    try {
      arrays.emplace(std::move(name), detail::parse_npy(bytes));
    } catch (const std::runtime_error& failure) {
      throw std::runtime_error(path + ": " + status.name + ": " + failure.what());
    }
  }
  return arrays;
}

}  // namespace cugad::test
