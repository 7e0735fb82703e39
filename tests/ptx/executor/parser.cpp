#include "tests/ptx/executor/function.hpp"

/// From PTX text to a Module: its variables and kernels, and the positions of the functions that they call.
namespace ptx {
namespace {

class Parser {
 public:
  explicit Parser(Module& module) : module_(module), reader_(module.text), variables_(reader_, module) {}

  void parse() {
    find_functions();
    while (!reader_.at_end()) parse_module_statement();
  }

 private:
  void parse_module_statement() {
    reader_.begin_statement();
    const Token& first = reader_.peek();
    if (first.starts(".file")) {
      const std::string text(reader_.next());
      const std::size_t quote = text.find('"') + 1;
      module_.files[static_cast<std::uint32_t>(std::stoul(text.substr(5)))] =
          text.substr(quote, text.find('"', quote) - quote);
      return;
    }
    if (first.starts(".target"))
      module_.architecture = std::stoi(std::string(first.text.substr(first.text.find('_') + 1)));
    for (const char* ignored : {".loc", ".version", ".target", ".address_size"}) {
      if (first.starts(ignored)) return void(reader_.next());
    }
    if (reader_.accept(".section")) return reader_.skip_past("}");
    bool external = false;
    while (reader_.peek().is(".visible") || reader_.peek().is(".weak") || reader_.peek().is(".common") ||
           reader_.peek().is(".extern"))
      external |= reader_.next() == ".extern";
    if (reader_.accept(".entry")) {
      Function function = parse_entry(reader_, variables_, callees_);
      module_.functions.emplace(function.name, std::move(function));
      return;
    }
    if (reader_.accept(".func")) return skip_function();
    if (reader_.peek().is(".shared") || reader_.peek().is(".global") || reader_.peek().is(".const"))
      return variables_.parse(variables_.globals(), external, nullptr);
    reader_.error("unknown statement");
  }
  void skip_function() {
    for (int depth = 0;;) {
      const std::string_view token = reader_.next();
      if (token == "{") ++depth;
      if ((token == "}" && --depth == 0) || (token == ";" && depth == 0)) return;
    }
  }
  void find_functions() {
    for (; !reader_.at_end(); reader_.next()) {
      if (!reader_.peek().is(".func")) continue;
      reader_.begin_statement();
      reader_.next();
      Callee callee;
      const auto names = [&](std::vector<std::string>& into) {
        if (!reader_.accept("(")) return;
        for (; !reader_.accept(")"); reader_.accept(",")) into.push_back(reader_.declaration().name);
      };
      names(callee.results);
      const std::string name(reader_.next());
      names(callee.parameters);
      while (!reader_.peek().is("{") && !reader_.peek().is(";")) reader_.next();
      callee.body = reader_.at() + 1;
      if (reader_.peek().is("{")) callees_[name] = callee;
    }
    reader_.go_to(0);
  }

  Module& module_;
  Reader reader_;
  Variables variables_;
  Callees callees_;
};

}  // namespace

Module::Module(std::string source) : text(std::move(source)) { Parser(*this).parse(); }

const Function* Module::find(const std::string& kernel) const {
  const auto found = functions.find(kernel);
  return found == functions.end() ? nullptr : &found->second;
}

}  // namespace ptx
