
#include "tests/ptx/executor/tables.hpp"

/// From a statement to an instruction: operands to slots, opcode and types to a handler.
namespace ptx {
namespace {

constexpr Type u32{'u', 32}, u64{'u', 64}, predicate_type{'p', 1};

class Decoder {
 public:
  Decoder(FunctionBuilder& function, const Statement& statement, Instruction& instruction)
      : function_(function), s_(statement), op_(statement.opcode), i_(instruction) {}

  void decode() {
    static const std::map<std::string, void (Decoder::*)()> decoders = {{"ret", &Decoder::exit},
                                                                        {"exit", &Decoder::exit},
                                                                        {"bar", &Decoder::barrier},
                                                                        {"barrier", &Decoder::barrier},
                                                                        {"trap", &Decoder::plain},
                                                                        {"membar", &Decoder::plain},
                                                                        {"fence", &Decoder::plain},
                                                                        {"griddepcontrol", &Decoder::plain},
                                                                        {"nanosleep", &Decoder::plain},
                                                                        {"prefetch", &Decoder::plain},
                                                                        {"setmaxnreg", &Decoder::plain},
                                                                        {"ld", &Decoder::load},
                                                                        {"ldu", &Decoder::load},
                                                                        {"st", &Decoder::store},
                                                                        {"cvta", &Decoder::move_address_space},
                                                                        {"mov", &Decoder::move},
                                                                        {"cvt", &Decoder::convert},
                                                                        {"setp", &Decoder::compare},
                                                                        {"selp", &Decoder::select},
                                                                        {"cp", &Decoder::copy},
                                                                        {"atom", &Decoder::atomic},
                                                                        {"red", &Decoder::atomic},
                                                                        {"activemask", &Decoder::active_mask},
                                                                        {"shfl", &Decoder::shuffle},
                                                                        {"vote", &Decoder::vote},
                                                                        {"match", &Decoder::match},
                                                                        {"redux", &Decoder::reduce},
                                                                        {"ldmatrix", &Decoder::load_matrix},
                                                                        {"mma", &Decoder::multiply},
                                                                        {"wgmma", &Decoder::multiply_warpgroup}};
    const auto found = decoders.find(op_.base);
    if (found != decoders.end())
      (this->*found->second)();
    else if (op_.type().kind == 'p')
      logic();
    else if (op_.has("cc") || op_.base == "addc" || op_.base == "subc" || op_.base == "madc")
      carry();
    else
      arithmetic();
    const bool needs_handler = i_.kind == Kind::plain || i_.kind == Kind::collective;
    if (needs_handler && i_.run == nullptr) function_.error("the executor has no instruction of this form");
    function_.add(i_);
  }

 private:
  const Operand& at(std::size_t n) const {
    if (n >= s_.operands.size()) function_.error("too few operands");
    return s_.operands[n];
  }
  /// The slot of a register, a sink or an immediate of this type.
  Slot slot(const Operand& o, const Type& type) {
    const bool is_predicate = type.kind == 'p';
    if (o.kind == Operand::Kind::registers) return o.negated ? negated(o.slot) : o.slot;
    if (o.kind == Operand::Kind::sink) return no_slot;
    if (o.kind != Operand::Kind::number) function_.error("an operand of another kind was expected");
    return function_.constant(is_predicate && o.number != 0 ? all_lanes : o.number, is_predicate ? 32 : type.bits);
  }
  Slot slot(std::size_t n, const Type& type) { return slot(at(n), type); }
  /// A hidden predicate for `!p`.
  Slot negated(Slot of) {
    Instruction invert;
    invert.run = find_other("predicate_not");
    invert.out = function_.new_register(1, true);
    invert.in[0] = of;
    invert.file = i_.file;
    invert.line = i_.line;
    function_.add(invert);
    return invert.out;
  }
  int register_bits(const Operand& o, const Type& type) const {
    return o.kind == Operand::Kind::registers ? o.bits : std::max(type.bits, 16);
  }
  void list(const Operand& o, const Type& type) {
    if (o.kind != Operand::Kind::list) function_.error("a list in braces was expected");
    for (const Operand& element : o.list) i_.list.push_back(slot(element, type));
  }
  std::uint32_t number(std::size_t n) const {
    if (at(n).kind != Operand::Kind::number) function_.error("an immediate was expected");
    return static_cast<std::uint32_t>(at(n).number);
  }
  void plain() {
    const bool publishes = op_.base == "fence" && op_.has("proxy") && op_.has("async");
    const bool waits = op_.base == "griddepcontrol" && op_.has("wait");
    i_.run = find_other(op_.base == "trap" ? "trap"
                        : publishes        ? "fence.proxy.async"
                        : waits            ? "griddepcontrol.wait"
                                           : "nothing");
  }
  void exit() { i_.kind = Kind::exit; }

  void arithmetic() {
    const Type t = op_.type(), wide{t.kind, op_.has("wide") ? 2 * t.bits : t.bits};
    const char* kinds = arithmetic_operands(op_.base);
    if (kinds == nullptr) return;
    i_.out = slot(0, t);
    std::size_t n = 0;
    for (; kinds[n] != '\0'; ++n) i_.in[n] = slot(n + 1, kinds[n] == 't' ? t : kinds[n] == 'w' ? wide : u32);
    if (s_.operands.size() != n + 1) function_.error("another number of operands was expected");
    i_.run = find_arithmetic(op_, t);
  }
  void logic() {
    i_.out = slot(0, predicate_type);
    for (std::size_t n = 1; n < s_.operands.size() && n < 3; ++n) i_.in[n - 1] = slot(n, predicate_type);
    i_.run = find_other("predicate_" + op_.base);
  }
  void carry() {
    const Type t = op_.type();
    if (t.bits != 32 || t.kind == 'f') return;
    i_.out = slot(0, t);
    for (std::size_t n = 1; n < s_.operands.size() && n < 4; ++n) i_.in[n - 1] = slot(n, t);
    i_.mode = (op_.has("cc") ? 1u : 0u) | (op_.base.back() == 'c' ? 2u : 0u);
    const std::string base = op_.base.substr(0, 3);
    i_.run = find_other((base == "mad" ? (op_.has("hi") ? "mad_hi" : "mad_lo") : base) + "_carry");
  }
  void select() {
    const Type t = op_.type();
    i_.out = slot(0, t);
    i_.in[0] = slot(1, t);
    i_.in[1] = slot(2, t);
    i_.in[2] = slot(3, predicate_type);
    i_.run = find_other("select" + std::to_string(t.bits));
  }
  void compare() {
    const Type t = op_.type();
    i_.out = slot(0, predicate_type);
    if (s_.second) i_.in[3] = slot(*s_.second, predicate_type);
    i_.in[0] = slot(1, t);
    i_.in[1] = slot(2, t);
    if (s_.operands.size() > 3) i_.in[2] = slot(3, predicate_type);
    i_.mode = op_.has("and") ? 'a' : op_.has("or") ? 'o' : 'x';
    i_.run = find_comparison(op_.modifiers[0], t, op_.has("ftz"));
  }

  // ---- moves and conversions ---------------------------------------------------------------------------------------

  void move() {
    const Type t = op_.type();
    const std::string bits = std::to_string(t.bits);
    const Operand& from = at(1);
    if (at(0).kind == Operand::Kind::list) {
      list(at(0), t);
      i_.in[0] = slot(1, t);
      i_.run = find_other("unpack" + bits + "." + std::to_string(i_.list.size()));
      return;
    }
    i_.out = slot(0, t);
    if (from.kind == Operand::Kind::list) {
      list(from, {'b', t.bits / static_cast<int>(std::max<std::size_t>(1, from.list.size()))});
      i_.run = find_other("pack" + bits + "." + std::to_string(i_.list.size()));
    } else if (t.kind == 'p') {
      i_.in[0] = slot(1, t);
      i_.run = find_other("predicate_move");
    } else {
      i_.in[0] = from.kind == Operand::Kind::symbol ? address_of(from, t.bits) : slot(1, t);
      const bool widens = t.bits == 64 && register_bits(from, t) == 32 && from.kind == Operand::Kind::registers;
      i_.run = find_other(widens ? "widen" : "move" + bits);
    }
  }
  /// A slot with the address of a variable: shared ones count from the start of the block's shared memory.
  Slot address_of(const Operand& o, int bits) {
    using Where = Symbol::Where;
    Symbol symbol = *o.symbol;
    if (symbol.where == Where::shared || symbol.where == Where::dynamic_shared)
      symbol.value = function_.shared_offset(symbol);
    symbol.value += static_cast<std::uint64_t>(o.offset);
    const bool has_register = symbol.where == Where::local || symbol.where == Where::parameter;
    return has_register ? function_.address_of(symbol) : function_.constant(symbol.value, bits);
  }
  void move_address_space() {
    const Operand& from = at(1);
    const int bits = op_.type().bits;
    i_.out = slot(0, u64);
    i_.in[0] = from.kind == Operand::Kind::symbol ? address_of(from, bits) : slot(1, u64);
    i_.run = find_other("move" + std::to_string(bits));
    if (op_.has("shared"))
      i_.run = find_other((op_.has("to") ? "generic_to_shared" : "shared_to_generic") + std::to_string(bits));
  }
  void convert() {
    i_.out = slot(0, op_.types[0]);
    i_.in[0] = slot(1, op_.types.back());
    if (op_.has("satfinite") || op_.has("relu")) return;
    if (op_.modifiers.size() > 1 && op_.has("bf16x2")) {
      i_.in[1] = slot(2, op_.types.back());
      i_.run = find_other("bf16_pair." + op_.modifiers[0]);
    } else if (op_.has("tf32")) {
      if (op_.has("rna")) i_.run = find_other("tf32");
    } else if (op_.has("bf16")) {
      i_.run = find_other(op_.types.back().bits == 16 ? "from_bf16" : "bf16." + op_.modifiers[0]);
    } else {
      static const std::map<std::string, std::uint32_t> roundings = {
          {"rn", nearest}, {"rz", toward_zero}, {"rm", down}, {"rp", up}};
      for (const auto& [name, rounding] : roundings) {
        if (op_.has(name)) i_.mode |= rounding;
        if (op_.has(name + "i")) i_.mode |= rounding | to_integer;
      }
      if (op_.has("sat")) i_.mode |= saturate;
      i_.to = op_.types[0];
      i_.from = op_.types.back();
      i_.run = find_conversion(i_, register_bits(at(0), i_.to), register_bits(at(1), i_.from), op_.has("ftz"));
    }
  }

  // ---- memory ------------------------------------------------------------------------------------------------------

  Space space() const {
    if (op_.has("shared::cluster")) return Space::cluster;
    if (op_.has("shared") || op_.has("shared::cta")) return Space::shared;
    if (op_.has("global") || op_.has("const")) return Space::global;
    if (op_.has("local")) return Space::local;
    return op_.has("param") || op_.has("param::entry") || op_.has("param::func") ? Space::parameter : Space::generic;
  }
  /// in[0], offset, from.bits and the lowest byte of mode.
  void address(const Operand& o) {
    if (!o.is_address) function_.error("an address was expected");
    Space where = space();
    i_.from.bits = 64;
    if (o.kind == Operand::Kind::registers) {
      i_.in[0] = o.slot;
      i_.from.bits = o.bits;
      i_.offset = o.offset;
    } else if (o.kind == Operand::Kind::symbol) {
      i_.in[0] = address_of(o, 64);
      // The parameters of a function that is called are variables of the caller.
      if (o.symbol->where == Symbol::Where::local) where = Space::local;
    } else {
      i_.in[0] = slot(o, u64);
      i_.offset = o.offset;
    }
    i_.mode = static_cast<std::uint32_t>(where);
  }
  void access(const Operand& memory, const Operand& data, Slot& single, bool is_load) {
    const Type t = op_.type();
    i_.count = op_.has("v2") ? 2 : op_.has("v4") ? 4 : 1;
    int bits = register_bits(data, t);
    if (data.kind == Operand::Kind::list) {
      list(data, t);
      for (const Operand& element : data.list) {
        if (element.kind == Operand::Kind::registers) bits = element.bits;
      }
      if (i_.list.size() != i_.count) function_.error("another number of elements was expected");
    } else {
      single = slot(data, t);
    }
    address(memory);
    i_.run = find_access(is_load, t, bits);
  }
  void load() { access(at(1), at(0), i_.out, true); }
  void store() { access(at(0), at(1), i_.in[1], false); }
  void atomic() {
    const Type t = op_.type();
    const std::size_t first = op_.base == "atom" ? 1 : 0;
    if (first == 1) i_.out = slot(0, t);
    address(at(first));
    i_.in[1] = slot(first + 1, t);
    if (s_.operands.size() > first + 2) i_.in[2] = slot(first + 2, t);
    static const std::map<std::string, Atomic> names = {
        {"add", Atomic::add},       {"min", Atomic::minimum},      {"max", Atomic::maximum},
        {"exch", Atomic::exchange}, {"cas", Atomic::compare_swap}, {"and", Atomic::bit_and},
        {"or", Atomic::bit_or},     {"xor", Atomic::bit_xor},      {"inc", Atomic::increment}};
    for (const auto& [name, operation] : names) {
      if (!op_.has(name)) continue;
      i_.mode |= static_cast<std::uint32_t>(operation) << 8;
      i_.run = find_atomic(t);
    }
  }
  void copy() {  // cp.async
    if (!op_.has("async") || op_.has("bulk") || op_.has("mbarrier")) return;
    if (op_.has("commit_group")) {
      i_.run = find_other("copy_async_commit");
    } else if (op_.has("wait_all") || op_.has("wait_group")) {
      i_.mode = op_.has("wait_all") ? ~0u : number(0);
      i_.run = find_other("copy_async_wait");
    } else {
      address(at(0));
      if (at(1).kind != Operand::Kind::registers) function_.error("an address in a register was expected");
      i_.in[1] = at(1).slot;
      i_.target = static_cast<std::uint32_t>(at(1).offset);
      i_.count = static_cast<std::uint8_t>(number(2));
      if (s_.operands.size() > 3) i_.in[2] = slot(3, u32);
      i_.run = find_other("copy_async");
    }
  }

  // ---- lanes together ----------------------------------------------------------------------------------------------

  /// in[3]: the member mask.
  void collective(const std::string& handler, Slot members) {
    i_.kind = Kind::collective;
    i_.in[3] = members;
    i_.run = find_other(handler);
  }
  void whole_warp(const std::string& handler) { collective(handler, function_.constant(all_lanes, 32)); }
  void active_mask() {
    i_.out = slot(0, u32);
    i_.run = find_other("active_mask");
  }
  void shuffle() {
    if (!op_.has("sync")) return;
    i_.out = slot(0, u32);
    if (s_.second) i_.list.push_back(slot(*s_.second, predicate_type));
    for (std::size_t n = 0; n < 3; ++n) i_.in[n] = slot(n + 1, u32);
    i_.mode = static_cast<std::uint32_t>(op_.modifiers[1][0]);
    collective("shuffle", slot(4, u32));
  }
  void vote() {
    if (!op_.has("sync")) return;
    i_.out = slot(0, op_.has("ballot") ? u32 : predicate_type);
    i_.in[0] = slot(1, predicate_type);
    i_.mode = op_.has("ballot") ? 'b' : op_.has("all") ? 'l' : op_.has("any") ? 'y' : 'u';
    collective("vote", slot(2, u32));
  }
  void match() {
    i_.out = slot(0, u32);
    if (s_.second) i_.list.push_back(slot(*s_.second, predicate_type));
    i_.in[0] = slot(1, op_.type());
    collective((op_.has("all") ? "match_all" : "match_any") + std::to_string(op_.type().bits), slot(2, u32));
  }
  void reduce() {
    static const std::map<std::string, Atomic> names = {{"add", Atomic::add},     {"min", Atomic::minimum},
                                                        {"max", Atomic::maximum}, {"and", Atomic::bit_and},
                                                        {"or", Atomic::bit_or},   {"xor", Atomic::bit_xor}};
    i_.out = slot(0, op_.type());
    i_.in[0] = slot(1, op_.type());
    for (const auto& [name, operation] : names) {
      if (op_.has(name)) i_.mode = static_cast<std::uint32_t>(operation);
    }
    collective(std::string("reduce_") + op_.type().kind, slot(2, u32));
  }
  void load_matrix() {
    if (!op_.has("m8n8") || !op_.has("b16")) return;
    i_.count = op_.has("x4") ? 4 : op_.has("x2") ? 2 : 1;
    list(at(0), u32);
    address(at(1));
    i_.target = op_.has("trans") ? 1 : 0;
    whole_warp("ldmatrix");
  }
  void multiply() {  // list: d, a, b, c
    const bool bf16 = op_.has("m16n8k16") && op_.has("bf16"), tf32 = op_.has("m16n8k8") && op_.has("tf32");
    if (!(bf16 || tf32) || !op_.has("row") || !op_.has("col") || s_.operands.size() != 4) return;
    for (std::size_t n = 0; n < 4; ++n) list(at(n), u32);
    if (i_.list.size() != 14) function_.error("another number of registers was expected");
    whole_warp(bf16 ? "mma.bf16" : "mma.tf32");
  }
  void multiply_warpgroup() {
    if (!op_.has("mma_async")) {
      if (op_.has("wait_group")) i_.mode = number(0);
      return whole_warp(op_.base + "." + op_.modifiers[0]);
    }
    // d, a (registers or a descriptor), b's descriptor, scale-d, signs of a and b, and how each descriptor is
    // transposed
    const Type element = op_.has("bf16") ? Type{'b', 16} : Type{'b', 32};
    list(at(0), u32);
    const std::size_t sums = i_.list.size();
    const bool in_registers = at(1).kind == Operand::Kind::list;
    if (in_registers)
      list(at(1), u32);
    else
      i_.in[0] = slot(1, u64);
    i_.count = static_cast<std::uint8_t>(i_.list.size() - sums);
    i_.in[1] = slot(2, u64);
    i_.in[2] = slot(3, predicate_type);
    if (number(4) != 1) i_.mode |= 4;
    if (number(5) != 1) i_.mode |= 8;
    if (element.bits == 16) {
      if (!in_registers && number(6) != 0) i_.mode |= 1;
      if (number(in_registers ? 6 : 7) != 0) i_.mode |= 2;
    }
    const std::string shape = "m64n" + std::to_string(2 * sums) + (element.bits == 16 ? "k16" : "k8");
    if (!op_.has(shape) || !op_.has("f32") || !(op_.has("bf16") || op_.has("tf32"))) return;
    whole_warp(element.bits == 16 ? "wgmma.bf16" : "wgmma.tf32");
  }

  // in[0]: the barrier's number, in[1]: how many lanes it brings together; mode: 's'ync, 'a'rrive, or how predicates
  // are combined.
  void barrier() {
    if (op_.has("warp")) return collective("nothing", slot(0, u32));
    i_.kind = Kind::barrier;
    std::size_t n = 0;
    if (op_.has("red")) i_.out = slot(n++, op_.has("popc") ? u32 : predicate_type);
    i_.mode = op_.has("red") ? (op_.has("popc") ? 'p' : op_.has("and") ? '&' : '|') : op_.has("arrive") ? 'a' : 's';
    if (op_.has("cluster")) function_.error("the executor has no barriers of clusters");
    i_.in[0] = slot(n++, u32);
    const std::size_t left = s_.operands.size() - n - (op_.has("red") ? 1 : 0);
    if (left > 0) i_.in[1] = slot(n++, u32);
    if (op_.has("red")) i_.in[2] = slot(n, predicate_type);
    i_.target = op_.base == "bar" || op_.has("aligned") ? 1 : 0;
  }

  FunctionBuilder& function_;
  const Statement& s_;
  const Opcode& op_;
  Instruction& i_;
};

}  // namespace

void decode(FunctionBuilder& function, const Statement& statement, Instruction instruction) {
  Decoder(function, statement, instruction).decode();
}

}  // namespace ptx
