#pragma once

#include "tests/ptx/executor/reader.hpp"
#include "tests/ptx/executor/statement.hpp"

/// Where the variables of a module and of its functions lie.
namespace ptx {

using Symbols = std::map<std::string, Symbol, std::less<>>;

class Variables {
 public:
  Variables(Reader& reader, Module& module) : reader_(reader), module_(module) {}
  /// The statement at the reader: of the module, or of `function`.
  void parse(Symbols& symbols, bool external, Function* function);
  /// Of static shared memory, so far.
  std::size_t shared_bytes() const { return shared_bytes_; }
  Symbols& globals() { return globals_; }

 private:
  void initialise(unsigned char* to, std::size_t size);

  Reader& reader_;
  Module& module_;
  std::size_t shared_bytes_ = 0;
  Symbols globals_;
};

}  // namespace ptx
