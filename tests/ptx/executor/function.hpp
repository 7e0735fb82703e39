#pragma once

#include "tests/ptx/executor/variables.hpp"

/// From the statements of a kernel to a Function. A call becomes a copy of the function's body.
namespace ptx {

/// A function that kernels call.
struct Callee {
  std::vector<std::string> results, parameters;
  std::size_t body = 0;  ///< the token after its brace
};
using Callees = std::map<std::string, Callee>;

/// The kernel at the reader, whose `.entry` has been read.
Function parse_entry(Reader& reader, Variables& variables, const Callees& callees);

}  // namespace ptx
