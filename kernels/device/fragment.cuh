#pragma once

/// Which lane holds which element in the operands of mma.sync: one constexpr map for kernels, emulator and tests.
/// Source: PTX ISA, "Matrix fragments for mma.m16n8k16" and "... mma.m16n8k8". lane = 4 * group + member.
namespace cugad::device {

struct Element {
  int row, column;
};

/// m16n8k16 with 16-bit operands: A [16, 16] in 4 registers of two elements, B [8 columns n, 16 k] in 2 registers.
/// register r, half h (0: low 16 bits).
constexpr Element fragment_a16(int lane, int r, int h) {
  return {lane / 4 + 8 * (r % 2), 2 * (lane % 4) + h + 8 * (r / 2)};
}
/// {k, n}
constexpr Element fragment_b16(int lane, int r, int h) { return {2 * (lane % 4) + h + 8 * r, lane / 4}; }
/// m16n8k8 with tf32 operands: A [16, 8] in 4 registers, B in 2.
constexpr Element fragment_a8(int lane, int r) { return {lane / 4 + 8 * (r % 2), lane % 4 + 4 * (r / 2)}; }
/// {k, n}
constexpr Element fragment_b8(int lane, int r) { return {lane % 4 + 4 * r, lane / 4}; }
/// C and D [16, 8] of both shapes, 4 float registers.
constexpr Element fragment_c(int lane, int r) { return {lane / 4 + 8 * (r / 2), 2 * (lane % 4) + r % 2}; }

}  // namespace cugad::device
