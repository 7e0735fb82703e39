#pragma once

#include <gtest/gtest.h>
#include <unistd.h>
#include <zip.h>
#include <zlib.h>

#include <atomic>
#include <cstdint>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <functional>
#include <iterator>
#include <map>
#include <stdexcept>
#include <string>
#include <vector>

#include "cugad/error.hpp"
#include "cugad/table.hpp"

/// Files for the tests of tables, each test in its own directory.
namespace cugad {

class TemporaryDirectory {
 public:
  TemporaryDirectory() {
    static std::atomic<int> count{0};
    path_ = std::filesystem::temp_directory_path() /
            ("cugad_table_test_" + std::to_string(::getpid()) + "_" + std::to_string(count++));
    std::filesystem::create_directories(path_);
  }
  ~TemporaryDirectory() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }
  std::string file(const std::string& name) const { return (path_ / name).string(); }
  /// Writes the bytes and returns the path.
  std::string write(const std::string& name, const std::string& bytes) const {
    // A new file each time: some file systems wait for the disk if an old one is overwritten.
    std::filesystem::remove(path_ / name);
    std::ofstream(path_ / name, std::ios::binary).write(bytes.data(), static_cast<std::streamsize>(bytes.size()));
    return file(name);
  }
  std::string path() const { return path_.string(); }

 private:
  std::filesystem::path path_;
};

class TableFiles : public testing::Test {
 protected:
  Table read(const std::string& name, const std::string& bytes, const ReadOptions& options = {}) {
    return read_table(directory.write(name, bytes), options);
  }
  /// The error of reading the bytes; the test fails if there is none.
  Error read_error(const std::string& name, const std::string& bytes, const ReadOptions& options = {});

  TemporaryDirectory directory;
};

/// The error that the action throws. Its message has one line.
inline Error error_of(const std::function<void()>& action) {
  try {
    action();
  } catch (const Error& error) {
    EXPECT_EQ(std::string(error.what()).find('\n'), std::string::npos) << error.what();
    return error;
  }
  ADD_FAILURE() << "no error was thrown";
  return Error(ErrorCode::cancelled, "no error was thrown");
}

inline Error TableFiles::read_error(const std::string& name, const std::string& bytes, const ReadOptions& options) {
  return error_of([&] { read(name, bytes, options); });
}

inline bool mentions(const Error& error, const std::string& text) {
  const bool found = std::string(error.what()).find(text) != std::string::npos;
  if (!found) ADD_FAILURE() << "expected '" << text << "' in: " << error.what();
  return found;
}

inline std::string file_bytes(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  return std::string(std::istreambuf_iterator<char>(file), {});
}

inline std::string gzipped(const std::string& bytes) {
  z_stream stream{};
  deflateInit2(&stream, 6, Z_DEFLATED, 15 + 16, 8, Z_DEFAULT_STRATEGY);
  std::string packed(deflateBound(&stream, bytes.size()) + 64, '\0');
  stream.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(bytes.data()));
  stream.avail_in = static_cast<uInt>(bytes.size());
  stream.next_out = reinterpret_cast<Bytef*>(packed.data());
  stream.avail_out = static_cast<uInt>(packed.size());
  deflate(&stream, Z_FINISH);
  packed.resize(stream.total_out);
  deflateEnd(&stream);
  return packed;
}

/// The bytes of a number in the given order.
template <class T>
std::string number_bytes(T value, bool big_endian = false) {
  std::string bytes(sizeof(T), '\0');
  std::memcpy(bytes.data(), &value, sizeof(T));
  return big_endian ? std::string(bytes.rbegin(), bytes.rend()) : bytes;
}

template <class T>
std::string array_bytes(const std::vector<T>& values, bool big_endian = false) {
  std::string bytes;
  for (const T value : values) bytes += number_bytes(value, big_endian);
  return bytes;
}

/// An npy file with the given header literal.
inline std::string npy_with_header(std::string header, const std::string& data, int version = 1) {
  header += '\n';
  std::string bytes = "\x93NUMPY";
  bytes += static_cast<char>(version);
  bytes += '\0';
  bytes += version == 1 ? number_bytes(static_cast<std::uint16_t>(header.size()))
                        : number_bytes(static_cast<std::uint32_t>(header.size()));
  return bytes + header + data;
}

inline std::string npy(const std::string& type, const std::string& shape, const std::string& data,
                       bool fortran_order = false, int version = 1) {
  return npy_with_header("{'descr': '" + type + "', 'fortran_order': " + (fortran_order ? "True" : "False") +
                             ", 'shape': " + shape + ", }",
                         data, version);
}

inline void write_zip(const std::string& path, const std::map<std::string, std::string>& members, bool compressed) {
  int code = 0;
  zip_t* archive = zip_open(path.c_str(), ZIP_CREATE | ZIP_TRUNCATE, &code);
  if (archive == nullptr) throw std::runtime_error("no zip file can be written");
  for (const auto& [name, bytes] : members) {
    zip_source_t* source = zip_source_buffer(archive, bytes.data(), bytes.size(), 0);
    const zip_int64_t index = zip_file_add(archive, name.c_str(), source, 0);
    zip_set_file_compression(archive, static_cast<zip_uint64_t>(index), compressed ? ZIP_CM_DEFLATE : ZIP_CM_STORE, 0);
  }
  if (zip_close(archive) != 0) throw std::runtime_error("no zip file can be written");
}

inline std::string idx(int type, const std::vector<std::uint32_t>& shape, const std::string& data) {
  std::string bytes{'\0', '\0', static_cast<char>(type), static_cast<char>(shape.size())};
  for (const std::uint32_t size : shape) bytes += number_bytes(size, true);
  return bytes + data;
}

}  // namespace cugad
