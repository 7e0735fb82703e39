#include <gtest/gtest.h>
#include <unistd.h>

#include <cstdint>
#include <cstring>
#include <random>
#include <string>
#include <vector>

#include "common/temporary_directory.hpp"
#include "cugad/error.hpp"
#include "host/model_file/safetensors.hpp"
#include "model_file/allocation_meter.hpp"
#include "model_file/safetensors_samples.hpp"

/// Damaged and hostile files: each gives Error{format}, never a crash and never more memory than the file deserves.
namespace cugad::safetensors {
namespace {

using test::container;
using test::identical;
using test::read_text;
using test::sample_file;
using test::write_text;

class HostileSafetensors : public testing::Test {
 protected:
  bool readable() const {
    const std::size_t before = test::allocated_bytes();
    bool success = true;
    try {
      read(path_);
    } catch (const Error& error) {
      success = false;
      EXPECT_EQ(error.code(), ErrorCode::format) << error.what();
      const std::string message = error.what();
      EXPECT_LT(message.size(), 1000u);
      for (const char c : message) EXPECT_GE(static_cast<unsigned char>(c), 0x20) << "a control character: " << message;
    }
    EXPECT_LT(test::allocated_bytes() - before, allowed_bytes_);
    EXPECT_EQ(is_readable_in_memory(read_text(path_)), success);
    return success;
  }

  /// The same bytes without a file. Copied so that they end at the end of the allocation: a checker detects reads past
  /// them.
  static bool is_readable_in_memory(const std::string& text) {
    const auto bytes = std::as_bytes(std::span(text));
    try {
      read(std::vector<std::byte>(bytes.begin(), bytes.end()));
      return true;
    } catch (const Error& error) {
      EXPECT_EQ(error.code(), ErrorCode::format) << error.what();
      return false;
    }
  }

  bool accepts(const std::string& bytes) const {
    write_text(path_, bytes);
    return readable();
  }

  void expect_error(const std::string& header, std::size_t data_bytes) const {
    EXPECT_FALSE(accepts(container(header, std::string(data_bytes, '\0')))) << header.substr(0, 200);
  }

  static std::string sample_bytes() {
    const test::TemporaryDirectory directory;
    write(directory.file("sample"), sample_file());
    return read_text(directory.file("sample"));
  }
  static std::string unchecked_bytes() { return test::without_checksum(sample_bytes()); }

  test::TemporaryDirectory directory_;
  std::string path_ = directory_.file("model.safetensors");
  std::size_t allowed_bytes_ = 200'000;
};

std::string tensor(const std::string& shape, const std::string& offsets, const std::string& dtype = "\"F32\"") {
  return "{\"dtype\":" + dtype + ",\"shape\":" + shape + ",\"data_offsets\":" + offsets + "}";
}

TEST_F(HostileSafetensors, TruncationAtEveryLength) {
  const std::string bytes = sample_bytes();
  ASSERT_TRUE(accepts(bytes));
  for (std::size_t length = bytes.size(); length-- > 0;) {
    ASSERT_EQ(truncate(path_.c_str(), static_cast<off_t>(length)), 0);
    ASSERT_FALSE(readable()) << "cut to " << length << " of " << bytes.size() << " bytes";
  }
}

TEST_F(HostileSafetensors, TrailingBytes) {
  EXPECT_FALSE(accepts(sample_bytes() + '\0'));
  EXPECT_FALSE(accepts(sample_bytes() + std::string(4096, 'x')));
}

TEST_F(HostileSafetensors, EveryFlippedBitIsNoticed) {
  const std::string original = sample_bytes();
  const std::size_t key = original.find("checksum");  // without its name there is no checksum to compare
  int harmless = 0;
  for (std::size_t at = 0; at < original.size(); ++at) {
    if (at >= key && at < key + 8) continue;
    for (int bit = 0; bit < 8; ++bit) {
      std::string bytes = original;
      bytes[at] = static_cast<char>(bytes[at] ^ (1 << bit));
      if (!is_readable_in_memory(bytes)) continue;
      ++harmless;  // another case of an escape's hexadecimal digits
      ASSERT_TRUE(identical(read(std::as_bytes(std::span(bytes))), sample_file()))
          << "bit " << bit << " of byte " << at;
    }
  }
  EXPECT_LT(harmless, 20);
}

TEST_F(HostileSafetensors, RandomDamage) {
  const std::string original = unchecked_bytes();
  std::uint64_t header_bytes;
  std::memcpy(&header_bytes, original.data(), 8);
  int refused = 0, accepted = 0;
  for (unsigned seed = 0; seed < 20000; ++seed) {
    SCOPED_TRACE(seed);
    std::mt19937 random(seed);
    std::string bytes = original;
    // Most of the damage goes to the header: flips among the values cannot be noticed.
    const std::size_t reach = seed % 8 == 0 ? bytes.size() : 8 + header_bytes;
    const unsigned count = 1 + random() % 3;
    for (unsigned i = 0; i < count; ++i) {
      const std::size_t at = random() % reach;
      switch (random() % 4) {
        case 0:
          bytes[at] = static_cast<char>(bytes[at] ^ (1 << random() % 8));
          break;
        case 1:
          bytes[at] = static_cast<char>(random());
          break;
        case 2:
          bytes[at] = "{}[]:,\"0123456789-.eE \\utnf"[random() % 26];
          break;
        default:
          bytes[at] = original[random() % reach];
      }
    }
    if (!accepts(bytes)) {
      ++refused;
      continue;
    }
    ++accepted;
    const File file = read(path_);
    write(directory_.file("again"), file);
    ASSERT_TRUE(identical(read(directory_.file("again")), file));
  }
  EXPECT_GT(refused, 10000);
  EXPECT_GT(accepted, 100);
}

TEST_F(HostileSafetensors, RandomRemovalsAndInsertionsInTheHeader) {
  const std::string original = unchecked_bytes();
  std::uint64_t header_bytes;
  std::memcpy(&header_bytes, original.data(), 8);
  const std::string header = original.substr(8, header_bytes), data = original.substr(8 + header_bytes);
  for (unsigned seed = 0; seed < 5000; ++seed) {
    SCOPED_TRACE(seed);
    std::mt19937 random(seed);
    std::string damaged = header;
    const std::size_t at = random() % damaged.size(), length = 1 + random() % 40;
    if (random() % 2 == 0)
      damaged.erase(at, length);
    else
      damaged.insert(at, header.substr(random() % header.size(), length));
    accepts(container(damaged, data));
  }
}

TEST_F(HostileSafetensors, HeaderLengths) {
  const std::uint64_t lengths[] = {
      0,          1,          3,     100,       99'999'999, 100'000'001, 1ull << 31, 1ull << 32, (1ull << 32) + 2,
      1ull << 62, 1ull << 63, ~0ull, ~0ull - 7, ~0ull - 8};
  for (const std::uint64_t length : lengths) {
    std::string bytes = container("{}", "");
    std::memcpy(bytes.data(), &length, sizeof(length));
    EXPECT_FALSE(accepts(bytes)) << length;
  }
  EXPECT_FALSE(accepts(""));
  EXPECT_TRUE(accepts(container("{}", "")));
}

TEST_F(HostileSafetensors, HeaderOverTheLimitInAFileThatIsLongEnough) {
  std::string bytes = container("{}", "");
  const std::uint64_t length = 100'000'001;
  std::memcpy(bytes.data(), &length, sizeof(length));
  write_text(path_, bytes);
  ASSERT_EQ(truncate(path_.c_str(), 1'000'000'000), 0);  // sparse: takes no room
  EXPECT_FALSE(readable());
}

TEST_F(HostileSafetensors, ValuesAreNotReadBeforeAllIsChecked) {
  // The first tensor is a gigabyte of a sparse file and sound, the second is not.
  const std::string header =
      "{\"a\":" + tensor("[250000000]", "[0,1000000000]") + ",\"b\":" + tensor("[2]", "[0,4]") + "}";
  write_text(path_, container(header, ""));
  ASSERT_EQ(truncate(path_.c_str(), static_cast<off_t>(8 + header.size() + 1'000'000'000)), 0);
  EXPECT_FALSE(readable());
}

TEST_F(HostileSafetensors, NotOneObject) {
  for (const char* header : {"",
                             " ",
                             " {}",
                             "[]",
                             "null",
                             "1",
                             "\"a\"",
                             "{",
                             "}",
                             "{}{}",
                             "{},",
                             "{}x",
                             "{,}",
                             "{\"a\"}",
                             "{\"a\":}",
                             "{\"a\":{}",
                             "\xEF\xBB\xBF{}",
                             "{\"a\":1e999}",
                             "{/**/}",
                             "{'a':{}}"})
    expect_error(header, 0);
  EXPECT_FALSE(accepts(container(std::string("{}\0", 3), ""))) << "zero byte after the object";
  EXPECT_FALSE(accepts(container(std::string("{}\0garbage", 10), ""))) << "text after a zero byte";
  EXPECT_FALSE(accepts(container(std::string(8, '\0'), ""))) << "zero bytes only";
}

TEST_F(HostileSafetensors, TensorEntries) {
  const std::string good = tensor("[2]", "[0,8]");
  ASSERT_TRUE(accepts(container("{\"a\":" + good + "}", std::string(8, '\0'))));
  const std::string bad[] = {
      "1",
      "\"F32\"",
      "[]",
      "null",
      "true",
      "{}",
      // dtype
      tensor("[2]", "[0,8]", "\"F16\""),
      tensor("[2]", "[0,8]", "\"f32\""),
      tensor("[2]", "[0,8]", "\"\""),
      tensor("[2]", "[0,8]", "32"),
      tensor("[2]", "[0,8]", "null"),
      tensor("[2]", "[0,8]", "[\"F32\"]"),
      tensor("[2]", "[0,8]", "{}"),
      tensor("[1]", "[0,8]"),
      tensor("[2]", "[0,8]", "\"F64\""),
      tensor("[2]", "[0,8]", "\"U8\""),
      tensor("[2]", "[0,8]", "\"\xFF\""),
      tensor("[2]", "[0,8]", "\"F32\\u0000\""),
      // shape
      tensor("2", "[0,8]"),
      tensor("\"2\"", "[0,8]"),
      tensor("null", "[0,8]"),
      tensor("{}", "[0,8]"),
      tensor("[2.0]", "[0,8]"),
      tensor("[2e0]", "[0,8]"),
      tensor("[-2]", "[0,8]"),
      tensor("[-1,-2]", "[0,8]"),
      tensor("[-0,2]", "[0,8]"),
      tensor("[\"2\"]", "[0,8]"),
      tensor("[[2]]", "[0,8]"),
      tensor("[null]", "[0,8]"),
      tensor("[true,2]", "[0,8]"),
      tensor("[{}]", "[0,8]"),
      tensor("[3]", "[0,8]"),
      tensor("[]", "[0,8]"),
      tensor("[0]", "[0,8]"),
      tensor("[02]", "[0,8]"),
      tensor("[2,]", "[0,8]"),
      // products that overflow
      tensor("[1000000000000000000]", "[0,8]"),
      tensor("[1000000000000000000,1000000000000000000]", "[0,8]"),
      tensor("[4294967296,4294967296]", "[0,8]"),
      tensor("[4611686018427387906]", "[0,8]"),
      tensor("[9223372036854775809,2]", "[0,8]"),
      tensor("[18446744073709551615]", "[0,8]"),
      tensor("[18446744073709551618]", "[0,8]"),
      tensor("[2305843009213693952,2,2,2,2]", "[0,8]"),
      tensor("[4294967296,4294967296,0]", "[0,0]"),
      tensor("[0,4294967296,4294967296]", "[0,0]"),
      // offsets
      tensor("[2]", "[0]"),
      tensor("[2]", "[]"),
      tensor("[2]", "[0,8,8]"),
      tensor("[2]", "[8,0]"),
      tensor("[2]", "[0,9]"),
      tensor("[2]", "[1,9]"),
      tensor("[2]", "[8,16]"),
      tensor("[1]", "[0,4]"),
      tensor("[1]", "[4,8]"),
      tensor("[2]", "[-8,0]"),
      tensor("[2]", "[0.0,8.0]"),
      tensor("[2]", "[0,8.5]"),
      tensor("[2]", "[\"0\",\"8\"]"),
      tensor("[2]", "8"),
      tensor("[2]", "{}"),
      tensor("[2]", "[[0,8]]"),
      tensor("[2]", "[18446744073709551608,0]"),
      tensor("[2]", "[0,18446744073709551616]"),
      tensor("[2]", "[18446744073709551612,18446744073709551620]"),
      tensor("[2]", "[9223372036854775800,9223372036854775808]"),
      // fields
      "{\"dtype\":\"F32\",\"shape\":[2]}",
      "{\"dtype\":\"F32\",\"data_offsets\":[0,8]}",
      "{\"shape\":[2],\"data_offsets\":[0,8]}",
      "{\"dtype\":\"F32\",\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[0,8]}",
      "{\"dtype\":\"F32\",\"shape\":[2],\"shape\":[2],\"data_offsets\":[0,8]}",
      "{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[0,8],\"data_offsets\":[0,8]}",
      "{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[0,8],\"more\":1}",
      "{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[0,8],\"more\":{\"dtype\":\"F32\"}}",
  };
  for (const std::string& entry : bad) expect_error("{\"a\":" + entry + "}", 8);
  expect_error("{}", 8);
  expect_error("{\"a\":" + good + ",\"a\":" + good + "}", 8);
  expect_error("{\"a\":" + good + ",\"\\u0061\":" + good + "}", 8);
}

TEST_F(HostileSafetensors, OffsetsOfSeveralTensors) {
  const auto two = [](const std::string& first, const std::string& second) {
    return "{\"a\":" + first + ",\"b\":" + second + "}";
  };
  ASSERT_TRUE(accepts(container(two(tensor("[1]", "[4,8]"), tensor("[1]", "[0,4]")), std::string(8, '\0'))));
  expect_error(two(tensor("[1]", "[0,4]"), tensor("[1]", "[0,4]")), 4);    // the same bytes twice
  expect_error(two(tensor("[2]", "[0,8]"), tensor("[1]", "[4,8]")), 8);    // one inside the other
  expect_error(two(tensor("[2]", "[0,8]"), tensor("[2]", "[4,12]")), 12);  // overlap in part
  expect_error(two(tensor("[1]", "[0,4]"), tensor("[1]", "[8,12]")), 12);  // a gap between
  expect_error(two(tensor("[1]", "[4,8]"), tensor("[1]", "[8,12]")), 12);  // a gap before
  expect_error(two(tensor("[1]", "[0,4]"), tensor("[1]", "[4,8]")), 12);   // bytes after
  expect_error(two(tensor("[1]", "[0,4]"), tensor("[1]", "[4,8]")), 4);    // beyond the end
  expect_error(two(tensor("[2]", "[0,8]"), tensor("[0]", "[4,4]")), 8);    // an empty one inside
  expect_error(two(tensor("[2]", "[0,8]"), tensor("[0]", "[12,12]")), 8);  // an empty one outside
  ASSERT_TRUE(accepts(container(two(tensor("[2]", "[0,8]"), tensor("[0]", "[8,8]")), std::string(8, '\0'))));
  ASSERT_TRUE(accepts(container(two(tensor("[2]", "[0,8]"), tensor("[0]", "[0,0]")), std::string(8, '\0'))));
}

TEST_F(HostileSafetensors, Metadata) {
  ASSERT_TRUE(accepts(container(R"({"__metadata__":{"a":"b"}})", "")));
  for (const char* metadata :
       {"1", "\"a\"", "null", "[]", "{\"a\":1}", "{\"a\":null}", "{\"a\":true}", "{\"a\":{}}", "{\"a\":[]}",
        "{\"a\":1.5}", "{\"a\":-1}", "{\"a\":\"b\",\"a\":\"b\"}", "{\"a\":\"\xC3\"}", "{\"\xFF\":\"b\"}",
        "{\"a\":\"\\uD800\"}", "{\"a\":\"\n\"}", "{\"a\":\"b\"},\"__metadata__\":{}"})
    expect_error("{\"__metadata__\":" + std::string(metadata) + "}", 0);
}

TEST_F(HostileSafetensors, HostileNamesDoNotReachTheMessage) {
  // readable() checks that each message is one short line.
  expect_error("{\"\\u001b[31m\\n\":1}", 0);
  expect_error("{\"" + std::string(20000, 'n') + "\":1}", 0);
  expect_error("{\"a\":{\"" + std::string(20000, 'n') + "\":1}}", 0);
  expect_error("{\"a\":" + tensor("[]", "[0,4]", "\"" + std::string(20000, 'n') + "\"") + "}", 4);
  std::string umlauts = "x";
  while (umlauts.size() < 2000) umlauts += "\xC3\xBC";
  expect_error("{\"" + umlauts + "\":1}", 0);
}

TEST_F(HostileSafetensors, DeepNesting) {
  allowed_bytes_ = 20'000'000;  // the file itself has megabytes here
  const std::size_t depth = 1'000'000;
  std::string objects, arrays(depth, '[');
  for (std::size_t i = 0; i < depth; ++i) objects += "{\"a\":";
  expect_error(objects, 0);
  expect_error("{\"a\":" + arrays, 0);
  expect_error("{\"a\":{\"shape\":" + arrays, 0);
  expect_error("{\"__metadata__\":{\"a\":" + arrays, 0);
}

TEST_F(HostileSafetensors, TooManyDimensions) {
  const auto ones = [](std::size_t count) {
    std::string shape = "[1";
    while (--count > 0) shape += ",1";
    return shape + "]";
  };
  EXPECT_TRUE(accepts(container("{\"a\":" + tensor(ones(64), "[0,4]") + "}", std::string(4, '\0'))));
  expect_error("{\"a\":" + tensor(ones(65), "[0,4]") + "}", 4);
  allowed_bytes_ = 4'000'000;
  expect_error("{\"a\":" + tensor(ones(1'000'000), "[0,4]") + "}", 4);
}

}  // namespace
}  // namespace cugad::safetensors
