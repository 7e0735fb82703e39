#include <gtest/gtest.h>

#include <vector>

#include "kernels/latent_search/resident_launch.cuh"

/// The layout of the resident search's weights in shared memory.
namespace cugad {
namespace {

using cuda::ResidentMatrix;

/// An operand's descriptor, read by the rules of its layout, names the elements that are meant.
TEST(warpgroup_operand, names_the_elements_of_the_panels) {
  for (const device::PanelLayout layout : {device::PanelLayout{64, 32}, device::PanelLayout{128, 64},
                                           device::PanelLayout{256, 128}, device::PanelLayout{128, 256}}) {
    const auto check = [&](bool n_major, int row, int column, int columns_of_n) {
      const device::PanelOperand operand = device::panel_operand(layout, 1024, row, column);
      for (int n = 0; n < columns_of_n; ++n)
        for (int k = 0; k < 16; ++k) {
          const int place = n_major ? layout.offset(row + k, column + n) : layout.offset(row + n, column + k);
          ASSERT_EQ(device::operand_address(operand, n_major, n, k), 1024u + 2u * static_cast<unsigned>(place))
              << layout.rows << " x " << layout.columns << " at " << row << ", " << column << ": " << n << ", " << k;
        }
    };
    for (int row = 0; row < layout.rows; row += 64)
      for (int column = 0; column < layout.columns; column += 16) check(false, row, column, 64);
    for (int column = 0; column < layout.columns; column += layout.panel())
      for (int row = 0; row < layout.rows; row += 16) check(true, row, column, layout.panel());
    for (int row = 0; row < layout.rows; row += 16) check(true, row, 0, layout.columns < 128 ? layout.columns : 128);
  }
  // The fields of the 64-bit word: address, leading and stride in units of 16 bytes, swizzle 1 for 128 bytes, 2 for 64.
  EXPECT_EQ(device::panel_operand({256, 128}, 0x8000, 16, 32).descriptor(),
            (0x8840ull >> 4) | (32768ull >> 4) << 16 | (1024ull >> 4) << 32 | 1ull << 62);
  EXPECT_EQ(device::panel_operand({64, 32}, 0, 0, 0).descriptor(),
            (4096ull >> 4) << 16 | (512ull >> 4) << 32 | 2ull << 62);
}

/// Which banks one ldmatrix phase (8 rows of 16 bytes) touches: all 32, once.
template <class Matrix>
bool is_free_of_conflicts() {
  for (int row = 0; row < Matrix::out; row += 16)
    for (int column = 0; column < Matrix::in; column += 16)
      for (const bool backward : {false, true})
        for (int phase = 0; phase < 4; ++phase) {
          unsigned groups = 0;  // of four banks
          for (int i = 0; i < 8; ++i) {
            const int lane = 8 * phase + i;
            const int at =
                Matrix::block(backward ? Matrix::backward_lane(lane) : Matrix::forward_lane(lane), row, column);
            groups |= 1u << (at / 8 % 8);
          }
          if (groups != 0xffu) return false;
        }
  return true;
}
TEST(resident_layout, weights_are_read_without_bank_conflicts) {
  EXPECT_TRUE((is_free_of_conflicts<ResidentMatrix<64, 32>>()));
  EXPECT_TRUE((is_free_of_conflicts<ResidentMatrix<128, 64>>()));
  EXPECT_TRUE((is_free_of_conflicts<ResidentMatrix<256, 128>>()));
  EXPECT_TRUE((is_free_of_conflicts<ResidentMatrix<128, 256>>()));
  EXPECT_TRUE((is_free_of_conflicts<ResidentMatrix<32, 16>>()));
}

/// The swizzled layout holds every element once, and the lanes' blocks are at their places.
TEST(resident_layout, every_weight_has_its_place) {
  using Matrix = ResidentMatrix<64, 32>;
  std::vector<int> seen(Matrix::elements, 0);
  for (int row = 0; row < Matrix::out; ++row)
    for (int column = 0; column < Matrix::in; ++column)
      ++seen[static_cast<std::size_t>(Matrix::layout().offset(row, column))];
  EXPECT_EQ(seen, std::vector<int>(Matrix::elements, 1));
  for (int lane = 0; lane < 32; ++lane) {
    EXPECT_EQ(Matrix::block(Matrix::forward_lane(lane), 48, 16),
              Matrix::layout().offset(48 + lane / 16 * 8 + lane % 8, 16 + lane / 8 % 2 * 8));
    EXPECT_EQ(Matrix::block(Matrix::backward_lane(lane), 48, 16),
              Matrix::layout().offset(48 + lane / 8 % 2 * 8 + lane % 8, 16 + lane / 16 * 8));
  }
}

}  // namespace
}  // namespace cugad
