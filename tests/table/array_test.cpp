#include <gtest/gtest.h>

#include <cmath>
#include <map>

#include "table_files.hpp"

namespace cugad {
namespace {

using ArrayTest = TableFiles;
using Texts = std::vector<std::string>;
using Numbers = std::vector<double>;

template <class T>
void expect_numbers(const std::string& path, const std::vector<T>& row_major, std::int64_t rows) {
  const Table table = read_table(path);
  ASSERT_EQ(table.rows, rows);
  const std::int64_t columns = static_cast<std::int64_t>(row_major.size()) / rows;
  ASSERT_EQ(table.columns.size(), static_cast<std::size_t>(columns));
  for (std::int64_t r = 0; r < rows; ++r) {
    for (std::int64_t c = 0; c < columns; ++c) {
      EXPECT_EQ(table.columns[c].numbers[r], static_cast<double>(row_major[r * columns + c])) << path;
    }
  }
}

template <class T>
void expect_type(const TemporaryDirectory& directory, const std::string& type, const std::vector<T>& values) {
  const std::vector<T> transposed{values[0], values[3], values[1], values[4], values[2], values[5]};
  for (const bool big : {false, true}) {
    const std::string descr = (sizeof(T) == 1 ? "|" : big ? ">" : "<") + type;
    expect_numbers(directory.write("a.npy", npy(descr, "(2, 3)", array_bytes(values, big))), values, 2);
    const std::string fortran = npy(descr, "(2, 3)", array_bytes(transposed, big), true);
    expect_numbers(directory.write("b.npy", fortran), values, 2);
    expect_numbers(directory.write("b.npy.gz", gzipped(fortran)), values, 2);
  }
}

TEST_F(ArrayTest, EveryNpyTypeOrderAndEndianness) {
  expect_type<float>(directory, "f4", {1.5f, -2.25f, 3e30f, 0.f, -0.125f, 6});
  expect_type<double>(directory, "f8", {1.5, -2.25, 3e300, 0, 1e-300, 6});
  expect_type<std::int8_t>(directory, "i1", {-128, 127, 0, 1, 2, 3});
  expect_type<std::int16_t>(directory, "i2", {-32768, 32767, 0, 1, 2, 3});
  expect_type<std::int32_t>(directory, "i4", {-2147483647 - 1, 2147483647, 0, 1, 2, 3});
  expect_type<std::int64_t>(directory, "i8", {-9007199254740992, 9007199254740992, 0, 1, 2, 3});
  expect_type<std::uint8_t>(directory, "u1", {255, 127, 0, 1, 2, 3});
  expect_type<std::uint16_t>(directory, "u2", {65535, 127, 0, 1, 2, 3});
  expect_type<std::uint32_t>(directory, "u4", {4294967295u, 127, 0, 1, 2, 3});
  expect_type<std::uint64_t>(directory, "u8", {1ull << 63, 127, 0, 1, 2, 3});
  expect_type<std::uint8_t>(directory, "b1", {1, 0, 1, 1, 0, 0});
}

TEST_F(ArrayTest, NpyVersionsAndHeaderSpellings) {
  const std::string data = array_bytes<float>({1, 2, 3, 4});
  for (const int version : {1, 2, 3}) {
    expect_numbers<float>(directory.write("a.npy", npy("<f4", "(2, 2)", data, false, version)), {1, 2, 3, 4}, 2);
  }
  expect_numbers<float>(
      directory.write("a.npy", npy_with_header("{\"shape\":(2L,2L),'fortran_order':False,\"descr\":'<f4'}   ", data)),
      {1, 2, 3, 4}, 2);
  expect_numbers<float>(directory.write("a.npy", npy("<f4", "(4,)", data)), {1, 2, 3, 4}, 4);
  expect_numbers<float>(directory.write("a.npy", npy("<f4", "(4,)", data, true)), {1, 2, 3, 4}, 4);
  EXPECT_EQ(read("a.npy", npy("<f4", "(0, 3)", "")).columns.size(), 3u);
  EXPECT_EQ(read("a.npy", npy("<f4", "(0, 3)", "")).rows, 0);
}

TEST_F(ArrayTest, NpyOfImagesHasTheirShape) {
  const std::string data = array_bytes<std::uint8_t>({1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12});
  for (const auto& [shape, image] : {std::pair("(2, 3, 2)", ImageShape{3, 2, 1}), {"(2, 1, 2, 3)", {1, 2, 3}}}) {
    const std::string path = directory.write("a.npy", npy("|u1", shape, data));
    expect_numbers<std::uint8_t>(path, {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12}, 2);
    const TableFormat format = open_table(path)->format();
    ASSERT_TRUE(format.image);
    EXPECT_EQ(*format.image, image);
    EXPECT_EQ(TableFormat::from_json(format.to_json()).image, format.image);
    EXPECT_EQ(read_error("a.npy", npy("|u1", shape, data, true)).code(), ErrorCode::unsupported);
  }
  EXPECT_FALSE(open_table(directory.write("a.npy", npy("|u1", "(2, 6)", data)))->format().image);
  for (const std::string shape : {"(2, 3000000000, 3000000000, 3000000000)", "(2, 2000, 2000)", "(2, 0, 3)"}) {
    EXPECT_EQ(read_error("a.npy", npy("|u1", shape, data)).code(), ErrorCode::format) << shape;
  }
}

TEST_F(ArrayTest, NpyTextArrays) {
  std::string unicode;
  for (const char32_t letter : U"normal\u00e9\u20ac\U0001F600\0\0\0\0\0\0\0\0\0")
    unicode += number_bytes(static_cast<std::uint32_t>(letter));
  const Table wide = read("a.npy", npy("<U9", "(2,)", unicode.substr(0, 72)));
  EXPECT_EQ(wide.columns[0].texts, (Texts{"normal\u00e9\u20ac\U0001F600", ""}));
  const Table bytes = read("a.npy", npy("|S3", "(2, 2)", std::string("abcd\0\0NA\0x\0\0", 12)));
  EXPECT_EQ(bytes.columns[0].texts, (Texts{"abc", ""}));
  EXPECT_EQ(bytes.columns[1].texts, (Texts{"d", "x"}));
}

TEST_F(ArrayTest, ListedColumnsBecomeText) {
  ReadOptions options;
  options.text_columns = {"1"};
  const Table table = read("a.npy", npy("<f8", "(3, 2)", array_bytes<double>({1, 1, 2, 0.5, 3, 100000})), options);
  EXPECT_EQ(table.columns[0].numbers, (Numbers{1, 2, 3}));
  EXPECT_EQ(table.columns[1].texts, (Texts{"1", "0.5", "100000"}));
  options.text_columns = {"2"};
  mentions(read_error("a.npy", npy("<f8", "(1, 2)", array_bytes<double>({1, 1})), options), "from -2 to 1");
}

TEST_F(ArrayTest, NotANumberIsMissingAndInfinityAnError) {
  const double infinity = INFINITY;
  EXPECT_TRUE(std::isnan(read("a.npy", npy("<f8", "(1, 2)", array_bytes<double>({1, NAN}))).columns[1].numbers[0]));
  for (const bool fortran : {false, true}) {
    const Error error = read_error("a.npy", npy("<f8", "(2, 2)", array_bytes<double>({1, 2, 3, -infinity}), fortran));
    EXPECT_EQ(error.code(), ErrorCode::format);
    mentions(error, "a.npy, row 1, column '1'");
  }
}

TEST_F(ArrayTest, HugeNpyHeadersAreRefusedWithoutAllocation) {
  const std::string data(64, '\0');
  for (const std::string shape :
       {"(1000000000, 10)", "(4000000000000000000, 4)", "(9223372036854775807, 1)", "(1, 4000000000000)",
        "(0, 100000000)", "(3, 9223372036854775807)", "(99999999999999999999, 2)", "(-1, 2)", "(2, 0)"}) {
    for (const bool fortran : {false, true}) {
      const std::string bytes = npy("<f8", shape, data, fortran);
      EXPECT_EQ(read_error("a.npy", bytes).code(), ErrorCode::format) << shape;
      EXPECT_EQ(read_error("a.npy.gz", gzipped(bytes)).code(), ErrorCode::format) << shape;
    }
  }
  mentions(read_error("a.npy", npy("<f8", "(1000000000, 1)", data)), "64 bytes follow");
}

TEST_F(ArrayTest, HalfPrecision) {
  const std::vector<std::uint16_t> bits = {0x3c00, 0xc000, 0x0001, 0x7bff, 0x8000, 0x3555, 0x7e00};
  for (const bool big_endian : {false, true}) {
    const Table table = read("a.npy", npy(big_endian ? ">f2" : "<f2", "(7, 1)", array_bytes(bits, big_endian)));
    const std::vector<double>& numbers = table.columns[0].numbers;
    EXPECT_EQ(std::vector<double>(numbers.begin(), numbers.begin() + 6),
              (std::vector<double>{1, -2, std::ldexp(1.0, -24), 65504, -0.0, 1365.0 / 4096}));
    EXPECT_TRUE(std::isnan(numbers[6]));
  }
  const std::vector<std::uint16_t> infinite = {0x7c00};
  EXPECT_EQ(read_error("a.npy", npy("<f2", "(1, 1)", array_bytes(infinite))).code(), ErrorCode::format);
}

TEST_F(ArrayTest, ArraysOfAnyName) {
  const auto array = [](double x) { return npy("<f8", "(1, 1)", array_bytes<double>({x})); };
  const auto value = [&](const std::map<std::string, std::string>& members, const ReadOptions& options = {}) {
    write_zip(directory.file("a.npz"), members, false);
    return read_table(directory.file("a.npz"), options).columns.at(0).numbers.at(0);
  };
  EXPECT_EQ(value({{"arr_0.npy", array(1)}}), 1);
  EXPECT_EQ(value({{"data.npy", array(2)}, {"y.npy", array(0)}}), 2);
  ReadOptions options;
  options.format.array = "second";
  EXPECT_EQ(value({{"first.npy", array(3)}, {"second.npy", array(4)}, {"X.npy", array(5)}}, options), 4);
  const Error several = error_of([&] { value({{"first.npy", array(3)}, {"third.npy", array(4)}}); });
  mentions(several, "it holds first.npy, third.npy");
  mentions(several, "--array");
  mentions(error_of([&] { value({{"first.npy", array(3)}, {"third.npy", array(4)}}, options); }), "no array second");
}

TEST_F(ArrayTest, DamagedNpy) {
  const std::string data = array_bytes<float>({1, 2, 3, 4});
  const std::string good = npy("<f4", "(2, 2)", data);
  for (const std::size_t size : {6ul, 7ul, 9ul, 30ul, good.size() - 1}) {
    EXPECT_EQ(read_error("a.npy", good.substr(0, size)).code(), ErrorCode::format) << size;
  }
  mentions(read_error("a.npy", good + "x"), "17 bytes follow");
  EXPECT_EQ(read_error("a.npy.gz", gzipped(good + "x")).code(), ErrorCode::format);
  EXPECT_EQ(read_error("a.npy.gz", gzipped(good.substr(0, good.size() - 1))).code(), ErrorCode::format);
  for (const std::string type : {"<c8", "|O", "<M8[ns]", "<f16", "<i3", "", "<", "f4", "<U0", "<U99999999999"}) {
    const Error error = read_error("a.npy", npy(type, "(2, 2)", data));
    EXPECT_EQ(error.code(), ErrorCode::unsupported) << type;
    mentions(error, "'" + type + "'");
  }
  mentions(
      read_error("a.npy", npy_with_header("{'descr': [('a', '<f4')], 'fortran_order': False, 'shape': (4,)}", data)),
      "structured");
  for (const std::string shape : {"()", "(1, 1, 1, 1, 4)"}) {
    mentions(read_error("a.npy", npy("<f4", shape, data)), "dimensions");
  }
  for (const std::string header :
       {"", "{", "{}", "{'descr': '<f4'}", "{'descr': '<f4', 'fortran_order': maybe, 'shape': (4,)}",
        "{'descr': '<f4', 'fortran_order': False, 'shape': (4}", "{'descr",
        "{'descr': '<f4', 'fortran_order': False, 'shape': (4,)} x",
        "{'descr': '<f4', 'descr': '<f4', 'fortran_order': False, 'shape': (4,)}"}) {
    EXPECT_EQ(read_error("a.npy", npy_with_header(header, data)).code(), ErrorCode::format) << header;
  }
  std::string version = good;
  version[6] = 9;
  EXPECT_EQ(read_error("a.npy", version).code(), ErrorCode::unsupported);
}

TEST_F(ArrayTest, NpyChunksJoinToTheWhole) {
  std::vector<double> values;
  for (int i = 0; i < 3000; ++i) values.push_back(i);
  for (const bool fortran : {false, true}) {
    for (const bool packed : {false, true}) {
      std::string bytes = npy("<f8", "(1000, 3)", array_bytes(values), fortran);
      const std::string path = directory.write("a.npy", packed ? gzipped(bytes) : bytes);
      for (const std::int64_t size : {1, 7, 999, 1000, 100000}) {
        const auto reader = open_table(path);
        Table chunk;
        std::int64_t rows = 0;
        while (reader->read(chunk, size)) {
          ASSERT_EQ(chunk.first_row, rows);
          ASSERT_LE(chunk.rows, size);
          for (std::int64_t r = 0; r < chunk.rows; ++r, ++rows) {
            ASSERT_EQ(chunk.columns[1].numbers[r], fortran ? 1000 + rows : 3 * rows + 1);
          }
        }
        EXPECT_EQ(rows, 1000);
      }
    }
  }
}

TEST_F(ArrayTest, NpzWithAndWithoutLabels) {
  const std::string features = npy("<f4", "(3, 2)", array_bytes<float>({1, 2, 3, 4, 5, 6}));
  for (const bool compressed : {false, true}) {
    const std::string path = directory.file("a.npz");
    write_zip(path, {{"X.npy", features}, {"other.npy", "junk"}}, compressed);
    expect_numbers<float>(path, {1, 2, 3, 4, 5, 6}, 3);

    const std::map<std::string, Texts> labels = {
        {npy("<i8", "(3,)", array_bytes<std::int64_t>({0, 1, 0})), {"0", "1", "0"}},
        {npy("<f8", "(3, 1)", array_bytes<double>({0.5, 1, NAN})), {"0.5", "1", ""}},
        {npy("|S2", "(3,)", "okbad" + std::string(1, '\0')), {"ok", "ba", "d"}}};
    for (const auto& [array, expected] : labels) {
      write_zip(path, {{"X.npy", features}, {"y.npy", array}}, compressed);
      const auto reader = open_table(path);
      EXPECT_EQ(reader->column_names(), (Texts{"0", "1", "y"}));
      Table chunk;
      Texts found;
      Numbers second;
      while (reader->read(chunk, 2)) {
        ASSERT_EQ(chunk.columns.size(), 3u);
        EXPECT_TRUE(chunk.columns[2].is_text);
        found.insert(found.end(), chunk.columns[2].texts.begin(), chunk.columns[2].texts.end());
        second.insert(second.end(), chunk.columns[1].numbers.begin(), chunk.columns[1].numbers.end());
      }
      EXPECT_EQ(found, expected);
      EXPECT_EQ(second, (Numbers{2, 4, 6}));
    }
  }
}

TEST_F(ArrayTest, NpzWithZip64Members) {
  // What numpy writes: a local header with the zip64 extra field even for small members (force_zip64).
  const std::string member = npy("<f4", "(2, 1)", array_bytes<float>({1, 2}));
  const auto sum = static_cast<std::uint32_t>(
      crc32(0, reinterpret_cast<const Bytef*>(member.data()), static_cast<uInt>(member.size())));
  const auto size = static_cast<std::uint32_t>(member.size());
  const std::string extra = number_bytes<std::uint16_t>(1) + number_bytes<std::uint16_t>(16) +
                            number_bytes<std::uint64_t>(size) + number_bytes<std::uint64_t>(size);
  const std::string common =
      number_bytes<std::uint16_t>(45) + std::string(4, '\0') + std::string("\0\0\x21\0", 4) + number_bytes(sum);
  const std::string local = "PK\x03\x04" + common + std::string(8, '\xff') + number_bytes<std::uint16_t>(5) +
                            number_bytes<std::uint16_t>(20) + "X.npy" + extra + member;
  const std::string central = "PK\x01\x02" + number_bytes<std::uint16_t>(45) + common + number_bytes(size) +
                              number_bytes(size) + number_bytes<std::uint16_t>(5) + std::string(16, '\0') + "X.npy";
  const std::string end = "PK\x05\x06" + std::string(4, '\0') + number_bytes<std::uint16_t>(1) +
                          number_bytes<std::uint16_t>(1) + number_bytes(static_cast<std::uint32_t>(central.size())) +
                          number_bytes(static_cast<std::uint32_t>(local.size())) + std::string(2, '\0');
  expect_numbers<float>(directory.write("a.npz", local + central + end), {1, 2}, 2);
}

TEST_F(ArrayTest, DamagedNpz) {
  const std::string features = npy("<f4", "(3, 2)", array_bytes<float>({1, 2, 3, 4, 5, 6}));
  const std::string path = directory.file("a.npz");
  write_zip(path, {{"a.npy", features}, {"b.npy", features}}, true);
  const Error without = error_of([&] { read_table(path); });
  EXPECT_EQ(without.code(), ErrorCode::format);
  mentions(without, "no array X; it holds a.npy, b.npy");
  write_zip(path, {{"X.npy", features}, {"y.npy", npy("<i8", "(2,)", array_bytes<std::int64_t>({1, 2}))}}, true);
  mentions(error_of([&] { read_table(path); }), "array y has 2 rows");
  write_zip(path, {{"X.npy", npy("<f8", "(1000000000, 1000)", "short")}}, true);
  mentions(error_of([&] { read_table(path); }), "array X: its header declares");
  write_zip(path, {{"X.npy", features}}, false);
  std::string damaged = file_bytes(path);
  damaged[damaged.find("NUMPY") + features.size() - 3] ^= 1;  // in the data: only the checksum detects it
  EXPECT_EQ(read_error("b.npz", damaged).code(), ErrorCode::format);
  EXPECT_EQ(read_error("b.npz", damaged.substr(0, damaged.size() / 2)).code(), ErrorCode::format);
}

TEST_F(ArrayTest, EveryIdxType) {
  expect_numbers<int>(directory.write("a-ubyte", idx(0x08, {2, 2}, "\x01\x02\x03\xff")), {1, 2, 3, 255}, 2);
  expect_numbers<int>(directory.write("a.idx", idx(0x09, {2, 2}, "\x01\x02\x03\xff")), {1, 2, 3, -1}, 2);
  expect_numbers<int>(directory.write("a.idx", idx(0x0b, {2, 1}, array_bytes<std::int16_t>({-300, 300}, true))),
                      {-300, 300}, 2);
  expect_numbers<int>(directory.write("a.idx2", idx(0x0c, {2}, array_bytes<std::int32_t>({-70000, 9}, true))),
                      {-70000, 9}, 2);
  expect_numbers<float>(directory.write("a.idx", idx(0x0d, {1, 2}, array_bytes<float>({1.5f, -2}, true))), {1.5f, -2},
                        1);
  expect_numbers<double>(directory.write("a.idx", idx(0x0e, {1, 2}, array_bytes<double>({0.1, -2}, true))), {0.1, -2},
                         1);
  // Items of several dimensions become rows; gzip is unpacked.
  expect_numbers<int>(directory.write("t-images-idx3-ubyte.gz", gzipped(idx(0x08, {2, 2, 2}, "\1\2\3\4\5\6\7\10"))),
                      {1, 2, 3, 4, 5, 6, 7, 8}, 2);
}

TEST_F(ArrayTest, DamagedIdx) {
  const std::string good = idx(0x08, {2, 2}, "abcd");
  for (const std::size_t size : {1ul, 3ul, 4ul, 6ul, 11ul, 15ul}) {
    EXPECT_EQ(read_error("a.idx", good.substr(0, size)).code(), ErrorCode::format) << size;
    EXPECT_EQ(read_error("a.idx.gz", gzipped(good.substr(0, size))).code(), ErrorCode::format) << size;
  }
  EXPECT_EQ(read_error("a.idx", good + "e").code(), ErrorCode::format);
  EXPECT_EQ(read_error("a.idx", idx(0x0a, {2, 2}, "abcd")).code(), ErrorCode::format);
  EXPECT_EQ(read_error("a.idx", idx(0x08, {}, "")).code(), ErrorCode::format);
  const std::uint32_t most = 0xffffffffu;
  for (const std::vector<std::uint32_t>& shape : {std::vector<std::uint32_t>{most, 1},
                                                  {most, most},
                                                  {most, most, most, most},
                                                  {0, most},
                                                  {1, 0},
                                                  std::vector<std::uint32_t>(255, most)}) {
    EXPECT_EQ(read_error("a.idx", idx(0x0e, shape, "abcd")).code(), ErrorCode::format);
    EXPECT_EQ(read_error("a.idx.gz", gzipped(idx(0x0e, shape, "abcd"))).code(), ErrorCode::format);
  }
}

}  // namespace
}  // namespace cugad
