#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

/// PTX text decoded for a warp: a virtual register is a slot of 32 lanes, an immediate a constant slot, an instruction
/// a handler with the slots of its operands. What instructions do follows the PTX ISA, never the emulator's twins.
namespace ptx {

constexpr int lanes = 32;
using Mask = std::uint32_t;  ///< of lanes
constexpr Mask all_lanes = ~Mask{0};

struct Warp;
struct Instruction;
using Handler = void (*)(Warp&, const Instruction&, Mask);

/// Bytes from the start of the warp's registers, or with `constant_bit` of the function's constants.
using Slot = std::uint32_t;
constexpr Slot constant_bit = 0x80000000u;
constexpr Slot no_slot = ~Slot{0};

enum class Kind : std::uint8_t {
  plain,  ///< acts on each active lane by itself
  branch,
  exit,
  barrier,    ///< of the block, the cluster, or the warps of a warpgroup
  collective  ///< of a warp: waits until all lanes of its member mask are here
};

struct Type {
  char kind = 'b';  ///< b(its), u, s, f, p(redicate)
  int bits = 32;
};

/// Memory that may be touched: [begin, end).
struct Region {
  std::uint64_t begin = 0, end = 0;
};

struct Instruction {
  Handler run = nullptr;
  Slot out = no_slot, in[4] = {no_slot, no_slot, no_slot, no_slot};
  std::vector<Slot> list;    ///< registers of a vector or matrix operand
  std::int64_t offset = 0;   ///< of an address
  Slot predicate = no_slot;  ///< that guards it
  bool negated = false;      ///< the guard
  Kind kind = Kind::plain;
  std::uint8_t count = 1;    ///< elements of a vector access
  std::uint32_t target = 0;  ///< of a branch
  std::uint32_t mode = 0;    ///< further parameter of the handler
  Type to, from;             ///< of a conversion
  std::uint32_t file = 0, line = 0;
  std::string_view text;
  mutable Region seen;  ///< of its last access, in launch `seen_in`
  mutable std::uint64_t seen_in = 0;
};

/// Registers with a meaning of their own, written when a warp starts.
struct Special {
  std::string name;
  std::uint64_t offset = 0;  ///< of "parameters" and "local": an address
  Slot slot = 0;
};

struct Parameter {
  std::size_t offset = 0, bytes = 0;
};

struct Function {
  std::string name;
  std::vector<Instruction> code;
  std::vector<std::uint32_t> constants;  ///< 32-lane slots
  std::vector<Special> specials;
  std::vector<Parameter> parameters;
  std::size_t register_bytes = 0, parameter_bytes = 0, local_bytes = 0, shared_bytes = 0;
  bool has_warpgroup_products = false;
  unsigned most_threads = 1024;                 ///< .maxntid
  mutable std::vector<unsigned char> executed;  ///< by instruction: whether some lane ran it
};

/// All kernels of one PTX text.
class Module {
 public:
  /// Throws std::runtime_error that names the statement it does not understand.
  explicit Module(std::string text);
  const Function* find(const std::string& kernel) const;

  const std::string text;
  int architecture = 0;  ///< 80: .target sm_80
  std::map<std::string, Function> functions;
  std::map<std::uint32_t, std::string> files;
  std::vector<std::unique_ptr<unsigned char[]>> globals;
  std::vector<Region> global_regions;
};

struct Launch {
  const Module* module = nullptr;
  const Function* function = nullptr;
  unsigned grid[3] = {1, 1, 1}, block[3] = {1, 1, 1};
  std::size_t shared_bytes = 0;  ///< dynamic
  unsigned cluster = 1;          ///< blocks, along x
  bool cooperative = false;
  bool early = false;                         ///< programmatic dependent launch: grids before it may still run
  const unsigned char* parameters = nullptr;  ///< as the kernel's .param list lays them out
  /// The allocation that holds an address; empty if there is none.
  Region (*find_allocation)(std::uint64_t address) = nullptr;
};
/// Runs a grid. Throws std::runtime_error with the error and its position.
void execute(const Launch& launch);

}  // namespace ptx
