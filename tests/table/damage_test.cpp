#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <cstdlib>
#include <new>
#include <random>

#include "table_files.hpp"

/// Every allocation of this test program goes through here, so that a test can see the largest.
namespace {
std::atomic<std::size_t> largest_allocation{0};

void* allocate(std::size_t size) {
  std::size_t known = largest_allocation.load();
  while (size > known && !largest_allocation.compare_exchange_weak(known, size)) {
  }
  void* memory = std::malloc(size == 0 ? 1 : size);
  if (memory == nullptr) throw std::bad_alloc();
  return memory;
}
}  // namespace

void* operator new(std::size_t size) { return allocate(size); }
void* operator new[](std::size_t size) { return allocate(size); }
void operator delete(void* memory) noexcept { std::free(memory); }
void operator delete[](void* memory) noexcept { std::free(memory); }
void operator delete(void* memory, std::size_t) noexcept { std::free(memory); }
void operator delete[](void* memory, std::size_t) noexcept { std::free(memory); }

namespace cugad {
namespace {

using DamageTest = TableFiles;

/// Some bytes flipped, replaced, removed, doubled, or the end cut off.
std::string damaged(std::string bytes, std::mt19937& generator) {
  const auto place = [&] { return generator() % bytes.size(); };
  const int changes = 1 + static_cast<int>(generator() % 4);
  for (int change = 0; change < changes && !bytes.empty(); ++change) {
    switch (generator() % 6) {
      case 0:
        bytes[place()] ^= static_cast<char>(1u << generator() % 8);
        break;
      case 1:
        bytes[place()] = static_cast<char>(generator());
        break;
      case 2:
        bytes.resize(place());
        break;
      case 3:
        bytes.erase(place(), 1 + generator() % 8);
        break;
      case 4: {
        const std::string piece = bytes.substr(place(), 1 + generator() % 16);
        bytes.insert(place(), piece);
        break;
      }
      default: {
        constexpr char likely[] = {'\0', '\n', '\r', '"', ',', '\xff', '\x7f', '9', '-', 'e'};
        bytes[place()] = likely[generator() % sizeof likely];
      }
    }
  }
  return bytes;
}

/// Reads thousands of damaged variants: each is read or refused, with little memory.
void expect_survival(const TemporaryDirectory& directory, const std::string& name, const std::string& good,
                     int variants = 3000) {
  constexpr std::uint32_t seed = 20240607;
  std::mt19937 generator(seed);
  SCOPED_TRACE("seed " + std::to_string(seed) + ", file " + name);
  int refused = 0;
  largest_allocation = 0;
  for (int variant = 0; variant < variants; ++variant) {
    const std::string path = directory.write(name, damaged(good, generator));
    try {
      const Table table = read_table(path);
      for (const Column& column : table.columns) {
        const std::size_t cells = column.is_text ? column.texts.size() : column.numbers.size();
        ASSERT_EQ(cells, static_cast<std::size_t>(table.rows)) << "variant " << variant;
      }
    } catch (const Error& error) {
      ++refused;
      ASSERT_EQ(std::string(error.what()).find('\n'), std::string::npos) << "variant " << variant;
      ASSERT_LT(std::string(error.what()).size(), 1000u) << "variant " << variant;
    }
  }
  // The widest table that a header without rows may declare has a million columns.
  EXPECT_LT(largest_allocation.load(), std::size_t{256} << 20);
  EXPECT_GT(refused, variants / 10);
}

std::string small_csv() {
  std::string bytes = "load,service,\"note, quoted\"\r\n";
  for (int i = 0; i < 20; ++i) bytes += std::to_string(i * 0.25) + ",http,\"a \"\"b\"\"\nc\"\n";
  return bytes;
}

TEST_F(DamageTest, Csv) { expect_survival(directory, "a.csv", small_csv()); }
TEST_F(DamageTest, CsvGzip) { expect_survival(directory, "a.csv.gz", gzipped(small_csv())); }
TEST_F(DamageTest, CsvOfAnyName) { expect_survival(directory, "a.data", small_csv()); }

TEST_F(DamageTest, Npy) {
  const std::string data = array_bytes<float>({1, 2, 3, 4, 5, 6});
  expect_survival(directory, "a.npy", npy("<f4", "(3, 2)", data));
  expect_survival(directory, "b.npy", npy("<f4", "(3, 2)", data, true, 2));
  expect_survival(directory, "c.npy", npy("<U2", "(3,)", data));
}

TEST_F(DamageTest, NpyGzip) {
  // Damage below the compression: sizes cannot be checked before reading.
  std::mt19937 generator(7);
  const std::string good = npy("<f4", "(3, 2)", array_bytes<float>({1, 2, 3, 4, 5, 6}), true);
  for (int variant = 0; variant < 2000; ++variant) {
    const std::string path = directory.write("a.npy.gz", gzipped(damaged(good, generator)));
    try {
      read_table(path);
    } catch (const Error&) {
    }
  }
  EXPECT_LT(largest_allocation.load(), std::size_t{256} << 20);
}

TEST_F(DamageTest, Npz) {
  const std::string features = npy("<f4", "(3, 2)", array_bytes<float>({1, 2, 3, 4, 5, 6}));
  const std::string label = npy("<i8", "(3,)", array_bytes<std::int64_t>({0, 1, 0}));
  for (const bool compressed : {false, true}) {
    const std::string path = directory.file("good.npz");
    write_zip(path, {{"X.npy", features}, {"y.npy", label}}, compressed);
    expect_survival(directory, "a.npz", file_bytes(path));
  }
}

TEST_F(DamageTest, Idx) {
  const std::string good = idx(0x0d, {3, 2, 1}, array_bytes<float>({1, 2, 3, 4, 5, 6}, true));
  expect_survival(directory, "a.idx", good);
  expect_survival(directory, "a.idx.gz", gzipped(good));
}

TEST_F(DamageTest, EncoderJson) {
  std::mt19937 generator(11);
  TableEncoder encoder;
  encoder.fit(read("a.csv", small_csv()), {});
  const std::string good = encoder.to_json();
  for (int variant = 0; variant < 3000; ++variant) {
    try {
      TableEncoder::from_json(damaged(good, generator)).to_json();
    } catch (const Error& error) {
      ASSERT_EQ(error.code(), ErrorCode::format) << "variant " << variant;
    }
  }
}

TEST_F(DamageTest, RandomBytes) {
  std::mt19937 generator(3);
  for (int variant = 0; variant < 2000; ++variant) {
    std::string junk(generator() % 300, '\0');
    for (char& letter : junk) letter = static_cast<char>(generator());
    for (const std::string name : {"a.csv", "a.npy", "a.npz", "a.idx", "a.bin"}) {
      try {
        read_table(directory.write(name, junk));
      } catch (const Error&) {
      }
    }
  }
}

TEST_F(DamageTest, EndlessLinesAreRefused) {
  // 256 MiB of one cell, and of one quoted cell, packed a thousandfold: refused at 64 MiB.
  for (const std::string start : {"a,b\n1,", "a,b\n1,\""}) {
    std::string packed = gzipped(start);
    const std::string filler = gzipped(std::string(std::size_t{8} << 20, 'x'));
    for (int i = 0; i < 32; ++i) packed += filler;
    const Error error = read_error("a.csv.gz", packed);
    EXPECT_EQ(error.code(), ErrorCode::format);
    mentions(error, "line 2: longer than 64 MiB");
  }
  const Error wide = read_error("a.csv", std::string(std::size_t{3} << 20, ','));
  EXPECT_EQ(wide.code(), ErrorCode::format);
  mentions(wide, "line 1: has more than 1000000 cells");
}

TEST_F(DamageTest, StreamingNeedsTheMemoryOfAChunk) {
  const std::string path = directory.file("large.csv");
  constexpr std::int64_t rows = 500000;
  {
    std::ofstream file(path, std::ios::binary);
    file << "number,name,value,rest\n";
    std::string lines;
    for (std::int64_t r = 0; r < rows; ++r) {
      lines += std::to_string(r) + ",service number " + std::to_string(r % 97) + "," + std::to_string(r * 0.37) +
               ",\"a quoted, filling text that makes the file large, some 100 bytes a row\"\n";
      if (r % 1000 == 999) {
        file << lines;
        lines.clear();
      }
    }
  }
  ASSERT_GT(std::filesystem::file_size(path), std::size_t{50} << 20);
  largest_allocation = 0;
  const auto reader = open_table(path);
  Table chunk;
  std::int64_t seen = 0;
  constexpr std::int64_t chunk_rows = 4096;
  while (reader->read(chunk, chunk_rows)) {
    ASSERT_EQ(chunk.first_row, seen);
    ASSERT_EQ(chunk.rows, std::min(chunk_rows, rows - seen));
    ASSERT_EQ(chunk.columns[0].numbers.front(), static_cast<double>(seen));
    ASSERT_EQ(chunk.columns[0].numbers.size(), static_cast<std::size_t>(chunk.rows));
    ASSERT_EQ(chunk.columns[3].texts.size(), static_cast<std::size_t>(chunk.rows));
    seen += chunk.rows;
  }
  EXPECT_EQ(seen, rows);
  EXPECT_LT(largest_allocation.load(), std::size_t{1} << 20);
}

}  // namespace
}  // namespace cugad
