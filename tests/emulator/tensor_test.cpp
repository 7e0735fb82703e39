#include <random>
#include <set>

#include "kernels/device/async_copy.cuh"
#include "kernels/device/matrix_multiply.cuh"
#include "kernels/device/philox.cuh"
#include "kernels/device/shared_memory.cuh"
#include "tests/emulator/fixture.hpp"

/// Fragment maps, tensor products, matrix loads, asynchronous copies, Philox.
namespace emulator_test {
namespace {

using namespace cugad::device;

template <class Map>
void expect_bijection(int registers, int halves, int rows, int columns, const Map& map) {
  std::set<std::pair<int, int>> seen;
  for (int lane = 0; lane < 32; ++lane) {
    for (int r = 0; r < registers; ++r) {
      for (int h = 0; h < halves; ++h) {
        const Element at = map(lane, r, h);
        EXPECT_TRUE(at.row >= 0 && at.row < rows && at.column >= 0 && at.column < columns);
        EXPECT_TRUE(seen.insert({at.row, at.column}).second);
      }
    }
  }
  EXPECT_EQ(seen.size(), static_cast<std::size_t>(rows * columns));
}

TEST(Fragments, EveryElementHasOnePlace) {
  expect_bijection(4, 2, 16, 16, [](int l, int r, int h) { return fragment_a16(l, r, h); });
  expect_bijection(2, 2, 16, 8, [](int l, int r, int h) { return fragment_b16(l, r, h); });
  expect_bijection(4, 1, 16, 8, [](int l, int r, int) { return fragment_a8(l, r); });
  expect_bijection(2, 1, 8, 8, [](int l, int r, int) { return fragment_b8(l, r); });
  expect_bijection(4, 1, 16, 8, [](int l, int r, int) { return fragment_c(l, r); });
}

// Two results side by side are, register by register, the next product's A operand.
TEST(Fragments, TwoResultTilesAreOneOperand) {
  for (int lane = 0; lane < 32; ++lane) {
    for (int r = 0; r < 4; ++r) {
      for (int h = 0; h < 2; ++h) {
        const Element a = fragment_a16(lane, r, h), c = fragment_c(lane, 2 * (r % 2) + h);
        EXPECT_EQ(a.row, c.row);
        EXPECT_EQ(a.column, c.column + 8 * (r / 2));
      }
    }
  }
}

struct Product {
  const float *a, *b;  ///< [16, depth], [depth, 8]
  float* d;            ///< [16, 8]
};

__global__ void product_bf16(Product p) {
  const int lane = static_cast<int>(threadIdx.x);
  std::uint32_t a[4], b[2];
  float d[4];
  const auto value_a = [&](int r, int h) {
    return p.a[fragment_a16(lane, r, h).row * 16 + fragment_a16(lane, r, h).column];
  };
  const auto value_b = [&](int r, int h) {
    return p.b[fragment_b16(lane, r, h).row * 8 + fragment_b16(lane, r, h).column];
  };
  for (int r = 0; r < 4; ++r) a[r] = pack_bf16(value_a(r, 0), value_a(r, 1));
  for (int r = 0; r < 2; ++r) b[r] = pack_bf16(value_b(r, 0), value_b(r, 1));
  for (int r = 0; r < 4; ++r) d[r] = p.d[fragment_c(lane, r).row * 8 + fragment_c(lane, r).column];
  multiply_bf16(d, a, b);
  for (int r = 0; r < 4; ++r) p.d[fragment_c(lane, r).row * 8 + fragment_c(lane, r).column] = d[r];
}

__global__ void product_tf32(Product p) {
  const int lane = static_cast<int>(threadIdx.x);
  std::uint32_t a[4], b[2];
  float d[4];
  for (int r = 0; r < 4; ++r) a[r] = round_tf32(p.a[fragment_a8(lane, r).row * 8 + fragment_a8(lane, r).column]);
  for (int r = 0; r < 2; ++r) b[r] = round_tf32(p.b[fragment_b8(lane, r).row * 8 + fragment_b8(lane, r).column]);
  for (int r = 0; r < 4; ++r) d[r] = p.d[fragment_c(lane, r).row * 8 + fragment_c(lane, r).column];
  multiply_tf32(d, a, b);
  for (int r = 0; r < 4; ++r) p.d[fragment_c(lane, r).row * 8 + fragment_c(lane, r).column] = d[r];
}

class Tensor : public Emulated {};

// Small integers: exact in every type, so that every order of sums gives the same bits.
TEST_F(Tensor, ProductsEqualAPlainLoop) {
  for (const int depth : {8, 16}) {
    std::mt19937 engine(7);
    std::uniform_int_distribution<int> digit(-8, 8);
    std::vector<float> a(static_cast<std::size_t>(16 * depth)), b(static_cast<std::size_t>(8 * depth)), d(128);
    for (auto* values : {&a, &b, &d}) {
      for (float& value : *values) value = static_cast<float>(digit(engine));
    }
    const OnDevice<float> da(a), db(b), dd(d);
    launch(nullptr, "product", {.grid = {1}, .block = {32}}, depth == 16 ? &product_bf16 : &product_tf32,
           Product{da.data(), db.data(), dd.data()});
    for (int row = 0; row < 16; ++row) {
      for (int column = 0; column < 8; ++column) {
        for (int k = 0; k < depth; ++k) {
          d[static_cast<std::size_t>(row * 8 + column)] +=
              a[static_cast<std::size_t>(row * depth + k)] * b[static_cast<std::size_t>(k * 8 + column)];
        }
      }
    }
    EXPECT_EQ(dd.values(), d) << emulator::report();
  }
}

struct Words {
  std::uint32_t* out;
};

template <bool transposed>
__global__ void load(Words p) {
  SharedMemory shared;
  auto* matrix = shared.take<std::uint16_t>(256);
  const int lane = static_cast<int>(threadIdx.x);
  for (int i = 0; i < 8; ++i) matrix[8 * lane + i] = static_cast<std::uint16_t>(8 * lane + i);
  __syncthreads();
  std::uint32_t registers[4];
  if (transposed) {
    load_matrices_transposed(registers, matrix + 8 * lane);
  } else {
    load_matrices(registers, matrix + 8 * lane);
  }
  for (int i = 0; i < 4; ++i) p.out[4 * lane + i] = registers[i];
}

TEST_F(Tensor, MatrixLoads) {
  for (const bool transposed : {false, true}) {
    const OnDevice<std::uint32_t> out(std::vector<std::uint32_t>(128, 0));
    launch(nullptr, "load", {.grid = {1}, .block = {32}, .shared_bytes = 512}, transposed ? &load<true> : &load<false>,
           Words{out.data()});
    const std::vector<std::uint32_t> values = out.values();
    for (std::uint32_t lane = 0; lane < 32; ++lane) {
      for (std::uint32_t i = 0; i < 4; ++i) {
        const std::uint32_t row = lane / 4, column = 2 * (lane % 4), base = 64 * i;
        const std::uint32_t low = transposed ? base + 8 * column + row : base + 8 * row + column;
        EXPECT_EQ(values[4 * lane + i], low | (low + (transposed ? 8 : 1)) << 16) << emulator::report();
      }
    }
  }
}

struct Copying {
  const float* from;
  float* to;
};

/// to[0..7]: before the wait; to[8..15]: after it, the second half not valid.
__global__ void copy(Copying p) {
  SharedMemory shared;
  float* buffer = shared.take<float>(8);
  copy_async16(buffer, p.from);
  copy_async_commit();
  copy_async16(buffer + 4, p.from + 4, false);
  copy_async_commit();
  copy_async_wait<1>();
  for (int i = 0; i < 8; ++i) p.to[i] = buffer[i];
  copy_async_wait<0>();
  for (int i = 0; i < 8; ++i) p.to[8 + i] = buffer[i];
}

TEST_F(Tensor, AsynchronousCopiesLandAtTheWaitOrAtOnce) {
  const OnDevice<float> from({1, 2, 3, 4, 5, 6, 7, 8});
  for (const bool deferred : {true, false}) {
    use(deferred ? "deferred" : "immediate");
    const OnDevice<float> to(std::vector<float>(16, -1.0f));
    launch(nullptr, "copy", {.grid = {1}, .block = {1}, .shared_bytes = 32}, &copy, Copying{from.data(), to.data()});
    const std::vector<float> values = to.values();
    for (std::size_t i = 0; i < 4; ++i) {
      EXPECT_EQ(values[i], static_cast<float>(i + 1)) << emulator::report();
      EXPECT_EQ(std::isnan(values[4 + i]), deferred);
      EXPECT_EQ(values[8 + i], static_cast<float>(i + 1));
      EXPECT_EQ(values[12 + i], 0.0f);
    }
  }
}

__global__ void random_words(Words p) {
  cugad::RandomKey key;
  key.seed = 0x123456789abcdefull;
  key.step = 9;
  const uint4 words = random_block(key, 3, (std::uint64_t{5} << 32) + 11);
  for (int i = 0; i < 4; ++i) p.out[i] = word_of(words, i);
}

TEST_F(Tensor, RandomWordsAreTheLibrarys) {
  const OnDevice<std::uint32_t> out({0, 0, 0, 0});
  launch(nullptr, "random_words", {.grid = {1}, .block = {1}}, &random_words, Words{out.data()});
  const cugad::RandomKey key;
  const auto expected = cugad::philox4x32_10({11, 5, 9, static_cast<std::uint32_t>(key.purpose) + 256u * key.lane},
                                             0x123456789abcdefull + 3);
  EXPECT_EQ(out.values(), std::vector<std::uint32_t>(expected.begin(), expected.end())) << emulator::report();
}

TEST(Rounding, Bf16AndTf32) {
  EXPECT_EQ(emulator::round_to_bf16(1.0f), 0x3f80u);
  EXPECT_EQ(emulator::round_to_bf16(std::bit_cast<float>(0x3f808000u)), 0x3f80u);  // a tie goes to even
  EXPECT_EQ(emulator::round_to_bf16(std::bit_cast<float>(0x3f818000u)), 0x3f82u);
  EXPECT_EQ(emulator::round_to_tf32(std::bit_cast<float>(0x3f801000u)), 0x3f802000u);  // a tie goes away from zero
  EXPECT_EQ(emulator::round_to_tf32(std::bit_cast<float>(0x3f800fffu)), 0x3f800000u);
}

}  // namespace
}  // namespace emulator_test
