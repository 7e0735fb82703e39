#include "host/model_file/safetensors.hpp"

#include <gtest/gtest.h>

#include <cstring>
#include <filesystem>
#include <functional>
#include <nlohmann/json.hpp>
#include <string>
#include <utility>
#include <vector>

#include "common/temporary_directory.hpp"
#include "cugad/error.hpp"
#include "host/model_file/open_file.hpp"
#include "model_file/safetensors_samples.hpp"

namespace cugad::safetensors {
namespace {

using test::container;
using test::identical;
using test::read_text;
using test::sample_file;
using test::TemporaryDirectory;
using test::write_text;

class Safetensors : public testing::Test {
 protected:
  File round_trip(const File& file) const {
    write(path_, file);
    return read(path_);
  }

  void expect_refused(const File& file) const {
    try {
      write(path_, file);
      ADD_FAILURE() << "no error";
    } catch (const Error& error) {
      EXPECT_EQ(error.code(), ErrorCode::invalid_argument);
      const std::string message = error.what();
      EXPECT_NE(message.find(path_), std::string::npos) << message;
      EXPECT_EQ(message.find('\n'), std::string::npos) << message;
    }
    EXPECT_TRUE(directory_.names().empty());
  }

  std::string read_failure(ErrorCode code) const {
    try {
      read(path_);
    } catch (const Error& error) {
      EXPECT_EQ(error.code(), code) << error.what();
      return error.what();
    }
    ADD_FAILURE() << "no error";
    return {};
  }

  TemporaryDirectory directory_;
  std::string path_ = directory_.file("model.safetensors");
};

TEST_F(Safetensors, RoundTripKeepsEveryBit) { EXPECT_TRUE(identical(round_trip(sample_file()), sample_file())); }

TEST_F(Safetensors, RoundTripOfNothing) {
  EXPECT_TRUE(identical(round_trip({}), {}));
  const File only_metadata{{{"a", "b"}}, {}};
  EXPECT_TRUE(identical(round_trip(only_metadata), only_metadata));
}

TEST_F(Safetensors, RoundTripKeepsNan) {
  File file;
  float payload;
  const std::uint32_t bits = 0x7FC12345;
  std::memcpy(&payload, &bits, sizeof(bits));
  file.tensors["nan"] = {{2}, {payload, -payload}, {}};
  EXPECT_TRUE(identical(round_trip(file), file));
}

TEST_F(Safetensors, EqualContentGivesEqualBytes) {
  write(path_, sample_file());
  const std::string first = read_text(path_);
  write(directory_.file("again"), sample_file());
  EXPECT_EQ(read_text(directory_.file("again")), first);
  write(directory_.file("copy"), read(path_));
  EXPECT_EQ(read_text(directory_.file("copy")), first);
}

/// A file that a program in between has written anew, with its header in another order, keeps its checksum.
TEST_F(Safetensors, ChecksumDoesNotDependOnTheOrderOfTheHeader) {
  write(path_, sample_file());
  const std::string bytes = read_text(path_);
  std::uint64_t header_bytes;
  std::memcpy(&header_bytes, bytes.data(), 8);
  const auto header = nlohmann::json::parse(bytes.substr(8, header_bytes));
  std::string reversed;
  for (auto entry = header.rbegin(); entry != header.rend(); ++entry) {
    reversed += (reversed.empty() ? "{ " : ", ") + nlohmann::json(entry.key()).dump() + " : " + entry->dump();
  }
  write_text(path_, container(reversed + "}", bytes.substr(8 + header_bytes)));
  EXPECT_TRUE(identical(read(path_), sample_file()));
}

/// A checksum that leaves tensors out notices all other changes, and reading the whole file compares it, too.
TEST_F(Safetensors, ChecksumOfAPart) {
  const File file = {
      .metadata = {{"key", "text"}},
      .tensors = {{"in", {{2}, {}, {1.0, 2.0}}}, {"out.a", {{2}, {3.0f, 4.0f}, {}}}, {"out.b", {{1}, {}, {5.0}}}}};
  write(path_, file, "out.");
  EXPECT_TRUE(identical(read(path_), file));
  const OpenFile opened(path_);
  EXPECT_EQ(opened.metadata(), file.metadata);
  EXPECT_EQ(opened.read_values<float>(opened.tensors().at("out.a"), 1, 1), std::vector<float>{4.0f});
  EXPECT_EQ(opened.read(opened.tensors().at("in")).f64, file.tensors.at("in").f64);
  const std::string good = read_text(path_);
  const std::size_t values = good.size() - 4 * 8;  // in, out.b, out.a
  const auto flip = [&](std::size_t at) {
    std::string bytes = good;
    bytes.at(at) ^= 1;
    write_text(path_, bytes);
  };
  for (const std::size_t at : {values, values + 15, good.find("text")}) {
    SCOPED_TRACE(at);
    flip(at);
    for (const auto& use : std::vector<std::function<void()>>{[&] { OpenFile{path_}; }, [&] { read(path_); }}) {
      try {
        use();
        ADD_FAILURE() << "accepted";
      } catch (const Error& error) {
        EXPECT_EQ(error.code(), ErrorCode::format);
        for (const std::string& part : {path_, std::string("damaged"), std::string("checksum")})
          EXPECT_NE(std::string(error.what()).find(part), std::string::npos) << error.what();
      }
    }
  }
  for (const std::size_t at : {values + 16, good.size() - 1}) {
    flip(at);
    EXPECT_NO_THROW(OpenFile{path_});
    EXPECT_NO_THROW(read(path_));
  }
}

/// Reads by the public description of the format only, as another program would.
TEST_F(Safetensors, LayoutIsThatOfTheFormat) {
  const File file = sample_file();
  write(path_, file);
  const std::string bytes = read_text(path_);
  std::uint64_t header_bytes;
  std::memcpy(&header_bytes, bytes.data(), 8);
  EXPECT_EQ(header_bytes % 8, 0u);
  EXPECT_EQ(bytes.at(8), '{');
  const auto header = nlohmann::json::parse(bytes.substr(8, header_bytes));
  auto metadata = header.at("__metadata__").get<std::map<std::string, std::string>>();
  EXPECT_EQ(metadata.erase("checksum"), 1u);
  EXPECT_EQ(metadata, file.metadata);
  EXPECT_EQ(header.size(), file.tensors.size() + 1);
  std::map<std::pair<std::uint64_t, std::uint64_t>, std::string> by_offset;
  for (const auto& [name, tensor] : file.tensors) {
    SCOPED_TRACE(name);
    const auto& entry = header.at(name);
    EXPECT_EQ(entry.size(), 3u);
    EXPECT_EQ(entry.at("shape").get<std::vector<std::int64_t>>(), tensor.shape);
    const auto [begin, end] = entry.at("data_offsets").get<std::pair<std::uint64_t, std::uint64_t>>();
    const bool wide = !tensor.f64.empty(), narrow = !tensor.u8.empty();
    EXPECT_EQ(entry.at("dtype"), wide ? "F64" : narrow ? "U8" : "F32");
    const std::size_t size = wide ? tensor.f64.size() * 8 : narrow ? tensor.u8.size() : tensor.f32.size() * 4;
    ASSERT_EQ(end - begin, size);
    ASSERT_LE(8 + header_bytes + end, bytes.size());
    EXPECT_EQ((8 + header_bytes + begin) % (wide ? 8 : narrow ? 1 : 4), 0u) << "values must be aligned in the file";
    const void* values = wide     ? static_cast<const void*>(tensor.f64.data())
                         : narrow ? static_cast<const void*>(tensor.u8.data())
                                  : tensor.f32.data();
    EXPECT_TRUE(size == 0 || std::memcmp(bytes.data() + 8 + header_bytes + begin, values, size) == 0);
    by_offset.emplace(std::pair(begin, end), name);
  }
  std::uint64_t position = 0;
  for (const auto& [offsets, name] : by_offset) {
    EXPECT_EQ(offsets.first, position) << name;
    position = offsets.second;
  }
  EXPECT_EQ(8 + header_bytes + position, bytes.size());
}

TEST_F(Safetensors, ReadsFilesOfOtherWriters) {
  const std::string data("\0\0\x80\x3F\0\0\0\x40\0\0\0\0\0\0\xF0\x3F", 16);  // 1.0f, 2.0f, 1.0
  // Fields and tensors in any order, white space anywhere, no padding, F32 before F64.
  write_text(path_, container("{ \"b\" :{\"shape\":[],\"data_offsets\":[8,16],\n\"dtype\":\"F64\"},\t"
                              "\"a\":{\"data_offsets\":[0,8],\"dtype\":\"F32\",\"shape\":[1,2]},"
                              "\"e\":{\"dtype\":\"F64\",\"shape\":[0],\"data_offsets\":[8,8]},\"__metadata__\":{}}",
                              data));
  const File file = read(path_);
  EXPECT_TRUE(file.metadata.empty());
  EXPECT_EQ(file.tensors.size(), 3u);
  EXPECT_EQ(file.tensors.at("a").shape, (std::vector<std::int64_t>{1, 2}));
  EXPECT_EQ(file.tensors.at("a").f32, (std::vector<float>{1, 2}));
  EXPECT_TRUE(file.tensors.at("a").f64.empty());
  EXPECT_TRUE(file.tensors.at("b").shape.empty());
  EXPECT_EQ(file.tensors.at("b").f64, (std::vector<double>{1}));
  EXPECT_EQ(file.tensors.at("e").shape, (std::vector<std::int64_t>{0}));
}

TEST_F(Safetensors, RefusesToWriteWhatCannotBeRead) {
  const auto with = [](const std::string& name, Tensor tensor) {
    File file;
    file.tensors[name] = std::move(tensor);
    return file;
  };
  expect_refused(with("short", {{3}, {1, 2}, {}}));
  expect_refused(with("long", {{1}, {1, 2}, {}}));
  expect_refused(with("long scalar", {{}, {1, 2}, {}}));
  expect_refused(with("no value", {{}, {}, {}}));
  expect_refused(with("both", {{1}, {1}, {1}}));
  expect_refused(with("not empty", {{0}, {1}, {}}));
  expect_refused(with("negative", {{-1}, {1}, {}}));
  expect_refused(with("negative twice", {{-1, -1}, {1}, {}}));
  expect_refused(with("overflow", {{std::int64_t{1} << 32, std::int64_t{1} << 32}, {}, {}}));
  expect_refused(with("too many dimensions", {std::vector<std::int64_t>(65, 1), {1}, {}}));
  expect_refused(with("__metadata__", {{1}, {1}, {}}));
  expect_refused(with("not \xFF UTF-8\n", {{1}, {1}, {}}));
  expect_refused({{{"key", "not \xC3 UTF-8"}}, {}});
  expect_refused({{{"\x80", "value"}}, {}});
  expect_refused({{{"too long", std::string(100'000'000, 'x')}}, {}});
}

TEST_F(Safetensors, ErrorsOfReadingNameThePathAndTheReason) {
  for (const char* path : {"missing", "missing/file"}) {
    path_ = directory_.file(path);
    const std::string message = read_failure(ErrorCode::input_output);
    EXPECT_NE(message.find(path_), std::string::npos) << message;
    EXPECT_NE(message.find("No such file or directory"), std::string::npos) << message;
  }
  path_ = directory_.path();
  EXPECT_NE(read_failure(ErrorCode::input_output).find("not a regular file"), std::string::npos);
  path_ = "/dev/zero";
  EXPECT_NE(read_failure(ErrorCode::input_output).find("not a regular file"), std::string::npos);
  path_ = directory_.file("text");
  write_text(path_, "this is not a model file");
  EXPECT_NE(read_failure(ErrorCode::format).find(path_), std::string::npos);
}

}  // namespace
}  // namespace cugad::safetensors
