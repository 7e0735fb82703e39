#pragma once

#include <stdexcept>
#include <string>

#include "cugad/export.h"

/// Errors that the library throws. A broken invariant inside the library is an assert, never one of these.
namespace cugad {

/// The kind of an error; the C interface maps each to one negative status code.
enum class ErrorCode {
  invalid_argument,  ///< an argument violates the contract
  input_output,      ///< a file or stream could not be opened, read or written
  format,            ///< the contents of a file are damaged or of the wrong kind
  unsupported,       ///< the request is valid but this backend or version cannot serve it
  device,            ///< the device or its runtime reported a failure
  out_of_memory,     ///< an allocation failed
  cancelled,         ///< the caller cancelled the call
};

/// The one exception type. The message is one line: what was given, what was expected and where.
class CUGAD_API Error : public std::runtime_error {
 public:
  Error(ErrorCode code, const std::string& message) : std::runtime_error(message), code_(code) {}
  ErrorCode code() const noexcept { return code_; }

 private:
  ErrorCode code_;
};

}  // namespace cugad
