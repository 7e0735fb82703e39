#pragma once

#include <bit>
#include <cmath>
#include <limits>

#include "tests/ptx/executor/statement.hpp"
#include "tests/ptx/fixture.hpp"

/// Compares a form with its definition in the PTX ISA, computed another way (in wider types, bit by bit), for edge
/// values and random ones.
namespace ptx::test {

__extension__ typedef __int128 Wide;
__extension__ typedef unsigned __int128 UnsignedWide;
__extension__ typedef __float128 Quad;

/// The operands of one lane.
struct Values {
  std::uint64_t bits[4];
  Type type[4];
  /// As a number: extended by its type's sign.
  Wide number(int n) const {
    const std::uint64_t kept = bits[n] << (64 - type[n].bits) >> (64 - type[n].bits);
    const bool negative = type[n].kind == 's' && (kept >> (type[n].bits - 1) & 1) != 0;
    return negative ? static_cast<Wide>(kept) - (static_cast<Wide>(1) << type[n].bits) : static_cast<Wide>(kept);
  }
  std::uint64_t word(int n) const { return static_cast<std::uint64_t>(number(n)); }
  float single(int n) const { return std::bit_cast<float>(static_cast<std::uint32_t>(bits[n])); }
  double real(int n) const { return type[n].bits == 32 ? single(n) : std::bit_cast<double>(bits[n]); }
};
using Reference = std::function<std::uint64_t(const Values&)>;

Type type_of(const std::string& name);
std::string register_name(const Type& type, int n);
inline std::uint64_t bits_of(float x) { return std::bit_cast<std::uint32_t>(x); }
inline std::uint64_t bits_of(double x) { return std::bit_cast<std::uint64_t>(x); }
inline bool is_subnormal(double x, double least) { return x != 0 && std::fabs(x) < least; }
/// .ftz: a subnormal number is a zero of its sign.
inline float flush(float x) { return is_subnormal(x, std::numeric_limits<float>::min()) ? std::copysign(0.0f, x) : x; }
inline float canonical_nan(float x) { return x == x ? x : std::bit_cast<float>(0x7fffffffu); }

/// Executes `form OUT, IN...;` for many operands. Types of `in_names` may be predicates; `allowed`: relative error of a
/// float.
void check(const std::string& form, const std::string& out_name, const std::vector<std::string>& in_names,
           const Reference& reference, const std::string& suffix = "", double allowed = 0.0);

using Names = std::vector<std::string>;
inline const Names all_integers = {"s16", "u16", "s32", "u32", "s64", "u64"};

}  // namespace ptx::test
