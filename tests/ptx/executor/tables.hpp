#pragma once

#include "tests/ptx/executor/statement.hpp"

/// The handler of an instruction of given types; null if there is none.
namespace ptx {

/// Rounding of a conversion to an integer, or to a narrower float.
enum Rounding : std::uint32_t { nearest, toward_zero, down, up, rounding_bits = 3, saturate = 16, to_integer = 32 };
enum class Atomic : std::uint32_t {
  add,
  minimum,
  maximum,
  exchange,
  compare_swap,
  bit_and,
  bit_or,
  bit_xor,
  increment
};
enum class Space : std::uint8_t { shared, cluster, global, local, parameter, generic };

/// Operands of arithmetic: how they are typed, one letter for each source, as decode() reads them. Null: none such.
const char* arithmetic_operands(const std::string& base);
Handler find_arithmetic(const Opcode& opcode, const Type& type);
/// `eq`, `ltu`, ... of two operands.
Handler find_comparison(const std::string& how, const Type& type, bool flush);
/// `i.to`, `i.from` and `i.mode` select the conversion; the registers may be wider.
Handler find_conversion(const Instruction& i, int to_register, int from_register, bool flush);
Handler find_access(bool is_load, const Type& type, int register_bits);
Handler find_atomic(const Type& type);
/// By name: "select32", "shuffle", "copy_async", ...
Handler find_other(const std::string& name);

}  // namespace ptx
