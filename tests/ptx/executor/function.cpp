#include "tests/ptx/executor/function.hpp"

#include <charconv>
#include <cstring>

namespace ptx {
namespace {

constexpr std::string_view special_registers[] = {
    "%tid",        "%ntid",    "%ctaid", "%nctaid",   "%laneid",    "%warpid",     "%lanemask_",           "%gridid",
    "%envreg1",    "%envreg2", "%smid",  "%cluster_", "%clusterid", "%nclusterid", "%is_explicit_cluster", "%clock",
    "%globaltimer"};

class FunctionParser final : public FunctionBuilder {
 public:
  FunctionParser(Reader& reader, Variables& variables, const Callees& callees)
      : reader_(reader), variables_(variables), callees_(callees) {}

  Function parse() {
    function_.name = std::string(reader_.next());
    reader_.name_function(&function_.name);
    if (reader_.accept("(")) {
      for (; !reader_.accept(")"); reader_.accept(",")) {
        const Declaration d = reader_.declaration();
        const std::size_t offset = align(function_.parameter_bytes, d.alignment);
        symbols_[d.name] = {Symbol::Where::parameter, offset};
        function_.parameters.push_back({offset, d.bytes()});
        function_.parameter_bytes = offset + d.bytes();
      }
    }
    while (!reader_.accept("{")) {
      const std::string_view word = reader_.next();
      if (word != ".maxntid" && word != ".reqntid") continue;
      function_.most_threads = 1;
      do function_.most_threads *= static_cast<unsigned>(reader_.number());
      while (reader_.accept(","));
    }
    parse_body();
    Instruction end;
    end.kind = Kind::exit;
    function_.code.push_back(end);
    for (const auto& [index, label] : pending_) {
      const auto found = labels_.find(label);
      if (found == labels_.end()) error("unknown label " + label);
      function_.code[index].target = found->second;
    }
    drop_unused_elements(function_);
    function_.local_bytes = align(function_.local_bytes, 16);
    function_.shared_bytes = variables_.shared_bytes();
    function_.executed.resize(function_.code.size());
    reader_.name_function(nullptr);
    return std::move(function_);
  }

  // ---- for decode() ------------------------------------------------------------------------------------------------

  Slot constant(std::uint64_t value, int bits) override {
    bits = std::max(bits, 16);
    const auto key = std::make_pair(bits, bits == 64 ? value : value & ((std::uint64_t{1} << bits) - 1));
    const auto found = constants_.find(key);
    if (found != constants_.end()) return found->second;
    auto& constants = function_.constants;
    const Slot slot = static_cast<Slot>(constants.size() * 4) | constant_bit;
    constants.resize(constants.size() + static_cast<std::size_t>(bits));  // 32 lanes of bits / 32 words
    auto* to = reinterpret_cast<unsigned char*>(constants.data()) + (slot & ~constant_bit);
    for (int l = 0; l < lanes; ++l) std::memcpy(to + l * bits / 8, &value, static_cast<std::size_t>(bits / 8));
    return constants_[key] = slot;
  }
  Slot new_register(int bits, bool is_predicate) override {
    std::size_t& used = function_.register_bytes;
    if (!is_predicate) used = align(used, 64);
    const auto slot = static_cast<Slot>(used);
    used += is_predicate ? sizeof(Mask) : static_cast<std::size_t>(lanes * std::max(bits, 16) / 8);
    return slot;
  }
  Slot address_of(const Symbol& symbol) override {
    return special(symbol.where == Symbol::Where::parameter ? "parameters" : "local", symbol.value, 64);
  }
  std::uint64_t shared_offset(const Symbol& symbol) const override {
    return symbol.where == Symbol::Where::dynamic_shared ? align(variables_.shared_bytes(), 1024) : symbol.value;
  }
  void add(const Instruction& instruction) override {
    function_.code.push_back(instruction);
    function_.code.back().text = reader_.statement();
  }
  [[noreturn]] void error(const std::string& what) const override { reader_.error(what); }

 private:
  struct Registers {
    Slot first = 0;
    int bits = 32;
    bool is_predicate = false;
    std::uint64_t count = 1;
  };

  /// A register that nothing but one element of a vector names: nvcc loads whole vectors for some of their elements.
  static void drop_unused_elements(Function& function) {
    std::map<Slot, int> named;
    for (const Instruction& i : function.code) {
      for (const Slot slot : i.list) ++named[slot];
      for (const Slot slot : i.in) ++named[slot];
      ++named[i.out];
      ++named[i.predicate];
    }
    for (Instruction& i : function.code) {
      if (i.count < 2 || i.kind != Kind::plain) continue;
      for (Slot& slot : i.list) slot = named[slot] == 1 && (slot & constant_bit) == 0 ? no_slot : slot;
    }
  }

  void parse_body() {
    for (int depth = 1; depth > 0;) {
      reader_.begin_statement();
      const Token& first = reader_.peek();
      if (reader_.accept("{")) {
        ++depth;
        scopes_.emplace_back();
      } else if (reader_.accept("}")) {
        if (--depth > 0) scopes_.pop_back();
      } else if (first.starts(".loc") && first.text.size() > 6) {
        read_location(reader_.next());
      } else if (reader_.accept(";")) {
      } else if (reader_.accept(".reg")) {
        parse_registers();
      } else if (first.is(".local") || first.is(".param") || first.is(".shared") || first.is(".const") ||
                 first.is(".global")) {
        variables_.parse(symbols_, false, &function_);
      } else if (first.is(".pragma")) {
        reader_.skip_past(";");
      } else if (reader_.peek(1).is(":")) {
        labels_[prefix_ + std::string(first.text)] = static_cast<std::uint32_t>(function_.code.size());
        reader_.next(), reader_.next();
      } else {
        parse_instruction();
      }
    }
  }
  void read_location(std::string_view text) {  // .loc file line column ...
    const char* at = text.data() + text.find_first_of("0123456789");
    const auto [end, error] = std::from_chars(at, text.data() + text.size(), file_);
    std::from_chars(end + 1, text.data() + text.size(), line_);
  }
  void parse_registers() {
    Type type;
    if (!parse_type(reader_.next().substr(1), type)) error("unknown type of registers");
    const bool is_predicate = type.kind == 'p';
    do {
      const std::string name(reader_.next());
      Registers registers{0, type.bits, is_predicate, 1};
      const bool many = reader_.accept("<");
      if (many) {
        registers.count = reader_.number();
        reader_.expect(">");
      }
      for (std::uint64_t n = 0; n < registers.count; ++n) {
        const Slot slot = new_register(type.bits, is_predicate);
        if (n == 0) registers.first = slot;
      }
      scopes_.back()[name + (many ? "<" : "")] = registers;
    } while (reader_.accept(","));
    reader_.expect(";");
  }

  void parse_instruction() {
    Instruction i;
    i.file = file_;
    i.line = line_;
    if (reader_.accept("@")) {
      i.negated = reader_.accept("!");
      i.predicate = operand().slot;
    }
    Statement s;
    s.opcode = parse_opcode(reader_.next());
    const std::string& base = s.opcode.base;
    if (base == "call") {
      parse_call(i);
    } else if (base == "bra" || (base == "ret" && call_depth_ > 0)) {
      i.kind = Kind::branch;
      pending_.emplace_back(function_.code.size(), prefix_ + (base == "bra" ? std::string(reader_.next()) : "end"));
      add(i);
    } else {
      while (!reader_.peek().is(";")) {
        s.operands.push_back(operand());
        if (reader_.accept("|")) s.second = operand();
        if (!reader_.peek().is(";")) reader_.expect(",");
      }
      function_.has_warpgroup_products |= base == "wgmma";
      decode(*this, s, i);
    }
    reader_.expect(";");
  }
  void parse_call(const Instruction& call) {
    std::vector<std::string> results, parameters;
    const auto names = [&](std::vector<std::string>& into) {
      if (!reader_.accept("(")) return;
      for (; !reader_.accept(")"); reader_.accept(",")) into.emplace_back(reader_.next());
      reader_.accept(",");
    };
    names(results);
    const std::string name(reader_.next());
    reader_.accept(",");
    names(parameters);
    const auto found = callees_.find(name);
    if (found == callees_.end()) error("a call of the unknown function " + name);
    const Callee& callee = found->second;
    if (results.size() != callee.results.size() || parameters.size() != callee.parameters.size())
      error("a call with other parameters than its function has");
    if (call_depth_ > 8) error("calls nested too deeply");
    for (std::size_t n = 0; n < results.size(); ++n) symbols_[callee.results[n]] = symbols_.at(results[n]);
    for (std::size_t n = 0; n < parameters.size(); ++n) symbols_[callee.parameters[n]] = symbols_.at(parameters[n]);
    const std::string prefix = prefix_;
    const std::size_t after = reader_.at();
    prefix_ = "call " + std::to_string(++calls_) + " ";
    if (call.predicate != no_slot) {
      Instruction around = call;
      around.kind = Kind::branch;
      around.negated = !call.negated;
      pending_.emplace_back(function_.code.size(), prefix_ + "end");
      add(around);
    }
    reader_.go_to(callee.body);
    ++call_depth_;
    scopes_.emplace_back();
    parse_body();
    scopes_.pop_back();
    --call_depth_;
    labels_[prefix_ + "end"] = static_cast<std::uint32_t>(function_.code.size());
    prefix_ = prefix;
    reader_.go_to(after);
  }

  // ---- operands ----------------------------------------------------------------------------------------------------

  bool find_register(std::string_view name, Operand& operand) const {
    std::size_t digits = name.size();
    while (digits > 0 && is_digit(name[digits - 1])) --digits;
    for (auto scope = scopes_.rbegin(); scope != scopes_.rend(); ++scope) {
      auto found = scope->find(name);
      std::uint64_t index = 0;
      if (found == scope->end() && digits < name.size()) {
        std::from_chars(name.data() + digits, name.data() + name.size(), index);
        found = scope->find(std::string(name.substr(0, digits)) + "<");
        if (found != scope->end() && index >= found->second.count) found = scope->end();
      }
      if (found == scope->end()) continue;
      const Registers& r = found->second;
      const std::size_t each =
          r.is_predicate ? sizeof(Mask) : align(static_cast<std::size_t>(lanes * std::max(r.bits, 16) / 8), 64);
      operand.kind = Operand::Kind::registers;
      operand.slot = r.first + static_cast<Slot>(index * each);
      operand.bits = r.bits;
      return true;
    }
    return false;
  }
  const Symbol* find_symbol(std::string_view name) const {
    for (const Symbols* symbols : std::initializer_list<const Symbols*>{&symbols_, &variables_.globals()}) {
      const auto found = symbols->find(name);
      if (found != symbols->end()) return &found->second;
    }
    return nullptr;
  }
  Slot special(const std::string& name, std::uint64_t offset, int bits) {
    const auto [found, fresh] = specials_.try_emplace({name, offset}, 0);
    if (fresh) {
      found->second = new_register(bits, false);
      function_.specials.push_back({name, offset, found->second});
    }
    return found->second;
  }
  static bool is_special(std::string_view name) {
    return std::any_of(std::begin(special_registers), std::end(special_registers),
                       [&](std::string_view s) { return name.starts_with(s); });
  }

  Operand operand() {
    Operand o;
    if (reader_.accept("[")) {
      o = operand();
      if (reader_.accept("+"))
        o.offset += static_cast<std::int64_t>(reader_.number());
      else if (reader_.peek().is("-"))
        o.offset += static_cast<std::int64_t>(reader_.number());
      reader_.expect("]");
      o.is_address = true;
    } else if (reader_.accept("{")) {
      o.kind = Operand::Kind::list;
      for (; !reader_.accept("}"); reader_.accept(",")) o.list.push_back(operand());
    } else if (reader_.accept("!")) {
      o = operand();
      o.negated = true;
    } else if (reader_.accept("_")) {
    } else if (reader_.at_number()) {
      o.kind = Operand::Kind::number;
      o.number = reader_.number();
    } else if (reader_.accept("WARP_SZ")) {
      o.kind = Operand::Kind::number;
      o.number = lanes;
    } else {
      const std::string_view name = reader_.next();
      if (find_register(name, o)) return o;
      o.symbol = find_symbol(name);
      if (o.symbol != nullptr) {
        o.kind = Operand::Kind::symbol;
        if (reader_.accept("+")) o.offset = static_cast<std::int64_t>(reader_.number());
        return o;
      }
      if (!is_special(name)) error("unknown operand '" + std::string(name) + "'");
      o.kind = Operand::Kind::registers;
      o.bits = name == "%clock64" || name == "%globaltimer" ? 64 : 32;
      o.slot = special(std::string(name), 0, o.bits);
    }
    return o;
  }

  Reader& reader_;
  Variables& variables_;
  const Callees& callees_;
  Function function_;
  std::string prefix_;  ///< of labels in the body of a call
  int calls_ = 0, call_depth_ = 0;
  std::uint32_t file_ = 0, line_ = 0;
  Symbols symbols_;
  std::vector<std::map<std::string, Registers, std::less<>>> scopes_{1};
  std::map<std::pair<int, std::uint64_t>, Slot> constants_;
  std::map<std::pair<std::string, std::uint64_t>, Slot> specials_;
  std::map<std::string, std::uint32_t> labels_;
  std::vector<std::pair<std::size_t, std::string>> pending_;
};

}  // namespace

Function parse_entry(Reader& reader, Variables& variables, const Callees& callees) {
  return FunctionParser(reader, variables, callees).parse();
}

}  // namespace ptx
