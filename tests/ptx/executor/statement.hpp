#pragma once

#include <algorithm>
#include <optional>
#include <string>

#include "tests/ptx/executor/module.hpp"

/// A statement of a function as it is written, before it is decoded.
namespace ptx {

/// `add.rn.ftz.f32`, taken apart.
struct Opcode {
  std::string text, base;
  std::vector<std::string> modifiers;  ///< all words after the first, types included
  std::vector<Type> types;
  bool has(std::string_view name) const {
    return std::find(modifiers.begin(), modifiers.end(), name) != modifiers.end();
  }
  Type type() const { return types.empty() ? Type() : types.back(); }
};
Opcode parse_opcode(std::string_view text);
/// False where `text` (without its dot) names no type.
bool parse_type(std::string_view text, Type& type);

/// A variable: shared ones by their offset, global ones by the host's address, local ones and parameters by their
/// offset in the memory of a lane, of the launch.
struct Symbol {
  enum class Where { shared, dynamic_shared, global, local, parameter } where = Where::shared;
  std::uint64_t value = 0;
};

struct Operand {
  enum class Kind { registers, number, symbol, sink, list } kind = Kind::sink;
  Slot slot = no_slot;  ///< of a register
  int bits = 32;        ///< of a register
  std::uint64_t number = 0;
  const Symbol* symbol = nullptr;
  std::int64_t offset = 0;  ///< `[a+4]`, `symbol+4`
  bool is_address = false, negated = false;
  std::vector<Operand> list;  ///< `{a, b}`
};

struct Statement {
  Opcode opcode;
  std::vector<Operand> operands;
  std::optional<Operand> second;  ///< of `p|q`
};

/// What a decoder needs of the function that it adds to.
class FunctionBuilder {
 public:
  virtual ~FunctionBuilder() = default;
  /// A slot with `value` in every lane.
  virtual Slot constant(std::uint64_t value, int bits) = 0;
  virtual Slot new_register(int bits, bool is_predicate) = 0;
  /// A register that holds an address of parameters or local memory.
  virtual Slot address_of(const Symbol& symbol) = 0;
  virtual std::uint64_t shared_offset(const Symbol& symbol) const = 0;
  virtual void add(const Instruction& instruction) = 0;
  [[noreturn]] virtual void error(const std::string& what) const = 0;
};

/// Fills in handler, kind and slots, and adds the instruction.
void decode(FunctionBuilder& function, const Statement& statement, Instruction instruction);

}  // namespace ptx
