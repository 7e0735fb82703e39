#include <charconv>
#include <cstring>
#include <set>
#include <stdexcept>

#include "tests/ptx/executor/lexer.hpp"
#include "tests/ptx/executor/statement.hpp"

/// From PTX text to a Module: variables, functions, statements. A call becomes a copy of the function's body.
namespace ptx {
namespace {

bool is_digit(char c) { return c >= '0' && c <= '9'; }
std::size_t align(std::size_t at, std::size_t to) { return (at + to - 1) / to * to; }

constexpr std::string_view special_registers[] = {
    "%tid",        "%ntid",    "%ctaid", "%nctaid",   "%laneid",    "%warpid",     "%lanemask_",           "%gridid",
    "%envreg1",    "%envreg2", "%smid",  "%cluster_", "%clusterid", "%nclusterid", "%is_explicit_cluster", "%clock",
    "%globaltimer"};

struct Declaration {
  std::string name;
  Type type;
  std::size_t elements = 1, alignment = 0;
  bool unsized = false;
  std::size_t size() const { return static_cast<std::size_t>(type.bits / 8); }
  std::size_t bytes() const { return elements * size(); }
};

class Parser final : public FunctionBuilder {
 public:
  explicit Parser(Module& module) : module_(module), tokens_(tokenize(module.text)) {}

  void parse() {
    find_functions();
    while (at_ < tokens_.size()) parse_module_statement();
  }

  [[noreturn]] void error(const std::string& what) const override {
    std::string statement;
    for (std::size_t n = statement_; n < tokens_.size() && n < statement_ + 40 && !tokens_[n].is(";"); ++n) {
      statement += (statement.empty() ? "" : " ") + std::string(tokens_[n].text);
    }
    throw std::runtime_error("ptx: " + what + ": `" + statement + "`" +
                             (function_ != nullptr ? " in " + function_->name : ""));
  }

  // ---- what decode() asks for --------------------------------------------------------------------------------------

  Slot constant(std::uint64_t value, int bits) override {
    bits = std::max(bits, 16);
    const auto key = std::make_pair(bits, bits == 64 ? value : value & ((std::uint64_t{1} << bits) - 1));
    const auto found = constants_.find(key);
    if (found != constants_.end()) return found->second;
    auto& constants = function_->constants;
    const Slot slot = static_cast<Slot>(constants.size() * 4) | constant_bit;
    constants.resize(constants.size() + static_cast<std::size_t>(bits));  // 32 lanes of bits / 32 words
    auto* to = reinterpret_cast<unsigned char*>(constants.data()) + (slot & ~constant_bit);
    for (int l = 0; l < lanes; ++l) std::memcpy(to + l * bits / 8, &value, static_cast<std::size_t>(bits / 8));
    return constants_[key] = slot;
  }
  Slot new_register(int bits, bool is_predicate) override {
    std::size_t& used = function_->register_bytes;
    if (!is_predicate) used = align(used, 64);
    const auto slot = static_cast<Slot>(used);
    used += is_predicate ? sizeof(Mask) : static_cast<std::size_t>(lanes * std::max(bits, 16) / 8);
    return slot;
  }
  Slot address_of(const Symbol& symbol) override {
    return special(symbol.where == Symbol::Where::parameter ? "parameters" : "local", symbol.value, 64);
  }
  std::uint64_t shared_offset(const Symbol& symbol) const override {
    return symbol.where == Symbol::Where::dynamic_shared ? align(static_shared_, 1024) : symbol.value;
  }
  void add(const Instruction& instruction) override {
    function_->code.push_back(instruction);
    function_->code.back().text = text_since_statement();
  }

 private:
  struct Registers {
    Slot first = 0;
    int bits = 32;
    bool is_predicate = false;
    std::uint64_t count = 1;
  };
  struct Callee {
    std::vector<std::string> results, parameters;
    std::size_t body = 0;  ///< the token after its brace
  };

  // ---- tokens ------------------------------------------------------------------------------------------------------

  const Token& peek(std::size_t ahead = 0) const {
    static const Token end{""};
    return at_ + ahead < tokens_.size() ? tokens_[at_ + ahead] : end;
  }
  std::string_view next() {
    if (at_ >= tokens_.size()) error("unexpected end");
    return tokens_[at_++].text;
  }
  bool accept(std::string_view text) {
    if (!peek().is(text)) return false;
    ++at_;
    return true;
  }
  void expect(std::string_view text) {
    if (!accept(text)) error("expected '" + std::string(text) + "', found '" + std::string(peek().text) + "'");
  }
  void skip_past(std::string_view text) {
    while (next() != text) {
    }
  }
  bool at_number() const { return peek().is("-") || (!peek().text.empty() && is_digit(peek().text[0])); }
  /// The bits of an integer, of 0f... or of 0d...
  std::uint64_t number() {
    const bool minus = accept("-");
    std::string digits(next());
    int base = 0;
    if (digits.size() > 2 && digits[0] == '0' && std::strchr("fFdDbB", digits[1]) != nullptr) {
      base = digits[1] == 'b' || digits[1] == 'B' ? 2 : 16;
      digits.erase(0, 2);
    } else if (digits.back() == 'U') {
      digits.pop_back();
    }
    const std::uint64_t value = std::stoull(digits, nullptr, base);
    return minus ? 0 - value : value;
  }
  std::string_view text_since_statement() const {
    const char* begin = tokens_[statement_].text.data();
    const Token& last = tokens_[std::min(at_, tokens_.size() - 1)];
    return {begin, static_cast<std::size_t>(last.text.data() - begin)};
  }

  // ---- the module --------------------------------------------------------------------------------------------------

  void parse_module_statement() {
    statement_ = at_;
    const Token& first = peek();
    if (first.starts(".file")) {
      const std::string text(next());
      const std::size_t quote = text.find('"') + 1;
      module_.files[static_cast<std::uint32_t>(std::stoul(text.substr(5)))] =
          text.substr(quote, text.find('"', quote) - quote);
      return;
    }
    if (first.starts(".target"))
      module_.architecture = std::stoi(std::string(first.text.substr(first.text.find('_') + 1)));
    for (const char* ignored : {".loc", ".version", ".target", ".address_size"}) {
      if (first.starts(ignored)) return void(next());
    }
    if (accept(".section")) return skip_past("}");
    bool external = false;
    while (peek().is(".visible") || peek().is(".weak") || peek().is(".common") || peek().is(".extern"))
      external |= next() == ".extern";
    if (accept(".entry")) return parse_entry();
    if (accept(".func")) return skip_function();
    if (peek().is(".shared") || peek().is(".global") || peek().is(".const")) return parse_variable(globals_, external);
    error("unknown statement");
  }
  void skip_function() {
    for (int depth = 0;;) {
      const std::string_view token = next();
      if (token == "{") ++depth;
      if ((token == "}" && --depth == 0) || (token == ";" && depth == 0)) return;
    }
  }
  void find_functions() {
    for (at_ = 0; at_ < tokens_.size(); ++at_) {
      if (!peek().is(".func")) continue;
      statement_ = at_++;
      Callee callee;
      const auto names = [&](std::vector<std::string>& into) {
        if (!accept("(")) return;
        for (; !accept(")"); accept(",")) into.push_back(declaration().name);
      };
      names(callee.results);
      const std::string name(next());
      names(callee.parameters);
      while (!peek().is("{") && !peek().is(";")) ++at_;
      callee.body = at_ + 1;
      if (peek().is("{")) callees_[name] = callee;
    }
    at_ = 0;
  }

  Declaration declaration() {
    static const std::set<std::string_view> ignored = {".ptr",   ".global", ".shared",   ".const",
                                                       ".local", ".param",  ".attribute"};
    Declaration d;
    for (;;) {
      const std::string_view word = next();
      if (word == ".align")
        d.alignment = number();
      else if (ignored.count(word) == 0 && !(word[0] == '.' && parse_type(word.substr(1), d.type))) {
        d.name = std::string(word);
        break;
      }
    }
    while (accept("[")) {
      if (accept("]")) {
        d.unsized = true;
      } else {
        d.elements *= number();
        expect("]");
      }
    }
    if (d.alignment == 0) d.alignment = d.size();
    return d;
  }

  void parse_variable(std::map<std::string, Symbol, std::less<>>& symbols, bool external) {
    const std::string_view space = peek().text;
    const Declaration d = declaration();
    using Where = Symbol::Where;
    if (space == ".shared" && (d.unsized || external)) {
      symbols[d.name] = {Where::dynamic_shared, 0};
    } else if (space == ".shared") {
      static_shared_ = align(static_shared_, d.alignment);
      symbols[d.name] = {Where::shared, static_shared_};
      static_shared_ += d.bytes();
    } else if (space == ".local" || space == ".param") {
      std::size_t& used = function_->local_bytes;
      used = align(used, std::max<std::size_t>(d.alignment, 16));
      symbols[d.name] = {Where::local, used};
      used += d.bytes();
    } else {
      module_.globals.push_back(std::make_unique<unsigned char[]>(d.bytes() + d.alignment + 16));
      const std::size_t address =
          align(reinterpret_cast<std::size_t>(module_.globals.back().get()), std::max<std::size_t>(d.alignment, 16));
      module_.global_regions.push_back({address, address + d.bytes()});
      symbols[d.name] = {Where::global, address};
      if (accept("=")) initialise(reinterpret_cast<unsigned char*>(address), d.size());
    }
    expect(";");
  }
  void initialise(unsigned char* to, std::size_t size) {
    int depth = 0;
    do {
      if (accept("{"))
        ++depth;
      else if (accept("}"))
        --depth;
      else if (!accept(",")) {
        const std::uint64_t value = number();
        std::memcpy(to, &value, size);
        to += size;
      }
    } while (depth > 0);
  }

  // ---- functions ---------------------------------------------------------------------------------------------------

  void parse_entry() {
    Function function;
    function_ = &function;
    function.name = std::string(next());
    symbols_.clear(), constants_.clear(), specials_.clear(), labels_.clear(), pending_.clear();
    scopes_.assign(1, {});
    if (accept("(")) {
      for (; !accept(")"); accept(",")) {
        const Declaration d = declaration();
        const std::size_t offset = align(function.parameter_bytes, d.alignment);
        symbols_[d.name] = {Symbol::Where::parameter, offset};
        function.parameters.push_back({offset, d.bytes()});
        function.parameter_bytes = offset + d.bytes();
      }
    }
    while (!accept("{")) {
      const std::string_view word = next();
      if (word != ".maxntid" && word != ".reqntid") continue;
      function.most_threads = 1;
      do function.most_threads *= static_cast<unsigned>(number());
      while (accept(","));
    }
    parse_body();
    Instruction end;
    end.kind = Kind::exit;
    function.code.push_back(end);
    for (const auto& [index, label] : pending_) {
      const auto found = labels_.find(label);
      if (found == labels_.end()) error("unknown label " + label);
      function.code[index].target = found->second;
    }
    drop_unused_elements(function);
    function.local_bytes = align(function.local_bytes, 16);
    function.shared_bytes = static_shared_;
    function.executed.resize(function.code.size());
    function_ = nullptr;
    module_.functions.emplace(function.name, std::move(function));
  }

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
      statement_ = at_;
      const Token& first = peek();
      if (accept("{")) {
        ++depth;
        scopes_.emplace_back();
      } else if (accept("}")) {
        if (--depth > 0) scopes_.pop_back();
      } else if (first.starts(".loc") && first.text.size() > 6) {
        read_location(next());
      } else if (accept(";")) {
      } else if (accept(".reg")) {
        parse_registers();
      } else if (first.is(".local") || first.is(".param") || first.is(".shared") || first.is(".const") ||
                 first.is(".global")) {
        parse_variable(symbols_, false);
      } else if (first.is(".pragma")) {
        skip_past(";");
      } else if (peek(1).is(":")) {
        labels_[prefix_ + std::string(first.text)] = static_cast<std::uint32_t>(function_->code.size());
        at_ += 2;
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
    if (!parse_type(next().substr(1), type)) error("unknown type of registers");
    const bool is_predicate = type.kind == 'p';
    do {
      const std::string name(next());
      Registers registers{0, type.bits, is_predicate, 1};
      const bool many = accept("<");
      if (many) {
        registers.count = number();
        expect(">");
      }
      for (std::uint64_t n = 0; n < registers.count; ++n) {
        const Slot slot = new_register(type.bits, is_predicate);
        if (n == 0) registers.first = slot;
      }
      scopes_.back()[name + (many ? "<" : "")] = registers;
    } while (accept(","));
    expect(";");
  }

  void parse_instruction() {
    Instruction i;
    i.file = file_;
    i.line = line_;
    if (accept("@")) {
      i.negated = accept("!");
      i.predicate = operand().slot;
    }
    Statement s;
    s.opcode = parse_opcode(next());
    const std::string& base = s.opcode.base;
    if (base == "call") {
      parse_call(i);
    } else if (base == "bra" || (base == "ret" && call_depth_ > 0)) {
      i.kind = Kind::branch;
      pending_.emplace_back(function_->code.size(), prefix_ + (base == "bra" ? std::string(next()) : "end"));
      add(i);
    } else {
      while (!peek().is(";")) {
        s.operands.push_back(operand());
        if (accept("|")) s.second = operand();
        if (!peek().is(";")) expect(",");
      }
      function_->has_warpgroup_products |= base == "wgmma";
      decode(*this, s, i);
    }
    expect(";");
  }
  void parse_call(const Instruction& call) {
    std::vector<std::string> results, parameters;
    const auto names = [&](std::vector<std::string>& into) {
      if (!accept("(")) return;
      for (; !accept(")"); accept(",")) into.emplace_back(next());
      accept(",");
    };
    names(results);
    const std::string name(next());
    accept(",");
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
    const std::size_t after = at_;
    prefix_ = "call " + std::to_string(++calls_) + " ";
    if (call.predicate != no_slot) {
      Instruction around = call;
      around.kind = Kind::branch;
      around.negated = !call.negated;
      pending_.emplace_back(function_->code.size(), prefix_ + "end");
      add(around);
    }
    at_ = callee.body;
    ++call_depth_;
    scopes_.emplace_back();
    parse_body();
    scopes_.pop_back();
    --call_depth_;
    labels_[prefix_ + "end"] = static_cast<std::uint32_t>(function_->code.size());
    prefix_ = prefix;
    at_ = after;
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
    for (const auto* symbols : {&symbols_, &globals_}) {
      const auto found = symbols->find(name);
      if (found != symbols->end()) return &found->second;
    }
    return nullptr;
  }
  Slot special(const std::string& name, std::uint64_t offset, int bits) {
    const auto [found, fresh] = specials_.try_emplace({name, offset}, 0);
    if (fresh) {
      found->second = new_register(bits, false);
      function_->specials.push_back({name, offset, found->second});
    }
    return found->second;
  }
  static bool is_special(std::string_view name) {
    return std::any_of(std::begin(special_registers), std::end(special_registers),
                       [&](std::string_view s) { return name.starts_with(s); });
  }

  Operand operand() {
    Operand o;
    if (accept("[")) {
      o = operand();
      if (accept("+"))
        o.offset += static_cast<std::int64_t>(number());
      else if (peek().is("-"))
        o.offset += static_cast<std::int64_t>(number());
      expect("]");
      o.is_address = true;
    } else if (accept("{")) {
      o.kind = Operand::Kind::list;
      for (; !accept("}"); accept(",")) o.list.push_back(operand());
    } else if (accept("!")) {
      o = operand();
      o.negated = true;
    } else if (accept("_")) {
    } else if (at_number()) {
      o.kind = Operand::Kind::number;
      o.number = number();
    } else if (accept("WARP_SZ")) {
      o.kind = Operand::Kind::number;
      o.number = lanes;
    } else {
      const std::string_view name = next();
      if (find_register(name, o)) return o;
      o.symbol = find_symbol(name);
      if (o.symbol != nullptr) {
        o.kind = Operand::Kind::symbol;
        if (accept("+")) o.offset = static_cast<std::int64_t>(number());
        return o;
      }
      if (!is_special(name)) error("unknown operand '" + std::string(name) + "'");
      o.kind = Operand::Kind::registers;
      o.bits = name == "%clock64" || name == "%globaltimer" ? 64 : 32;
      o.slot = special(std::string(name), 0, o.bits);
    }
    return o;
  }

  Module& module_;
  const std::vector<Token> tokens_;
  Function* function_ = nullptr;
  std::size_t at_ = 0, statement_ = 0, static_shared_ = 0;
  std::map<std::string, Callee> callees_;
  std::string prefix_;  ///< of labels in the body of a call
  int calls_ = 0, call_depth_ = 0;
  std::uint32_t file_ = 0, line_ = 0;
  std::map<std::string, Symbol, std::less<>> globals_, symbols_;
  std::vector<std::map<std::string, Registers, std::less<>>> scopes_;
  std::map<std::pair<int, std::uint64_t>, Slot> constants_;
  std::map<std::pair<std::string, std::uint64_t>, Slot> specials_;
  std::map<std::string, std::uint32_t> labels_;
  std::vector<std::pair<std::size_t, std::string>> pending_;
};

}  // namespace

bool parse_type(std::string_view text, Type& type) {
  if (text == "pred") return type = {'p', 1}, true;
  if (text == "bf16x2" || text == "f16x2" || text == "tf32") return type = {'b', 32}, true;
  if (text == "bf16") return type = {'b', 16}, true;
  if (text.size() < 2 || std::string_view("busf").find(text[0]) == std::string_view::npos) return false;
  int bits = 0;
  const auto [end, error] = std::from_chars(text.data() + 1, text.data() + text.size(), bits);
  if (error != std::errc() || end != text.data() + text.size()) return false;
  type = {text[0], bits};
  return true;
}

Opcode parse_opcode(std::string_view text) {
  Opcode opcode;
  opcode.text = std::string(text);
  for (std::size_t at = 0; at <= text.size();) {
    const std::size_t dot = std::min(text.find('.', at), text.size());
    const std::string_view word = text.substr(at, dot - at);
    Type type;
    if (at == 0)
      opcode.base = std::string(word);
    else
      opcode.modifiers.emplace_back(word);
    if (at > 0 && parse_type(word, type)) opcode.types.push_back(type);
    at = dot + 1;
  }
  return opcode;
}

Module::Module(std::string source) : text(std::move(source)) { Parser(*this).parse(); }

const Function* Module::find(const std::string& kernel) const {
  const auto found = functions.find(kernel);
  return found == functions.end() ? nullptr : &found->second;
}

}  // namespace ptx
