#pragma once

#include <utility>

#include "cugad/cugad.h"
#include "host/floating_point.hpp"

/// Where exceptions become status codes: no exception leaves the C interface.
namespace cugad::c_api {

/// Keeps "function: message" as this thread's last error. Takes no memory; a long message is cut.
void set_last_error(const char* function, const char* message) noexcept;
/// Within a catch block: stores the message of the exception and returns its status.
cugad_status status_of_exception(const char* function) noexcept;

/// Runs the body of the C function of that name, which computes nothing: a question is answered in nanoseconds.
template <class Body>
cugad_status answer(const char* function, Body&& body) noexcept {
  try {
    std::forward<Body>(body)();
    return CUGAD_OK;
  } catch (...) {
    return status_of_exception(function);
  }
}

/// Runs the body of the C function of that name in the default floating-point environment.
template <class Body>
cugad_status guard(const char* function, Body&& body) noexcept {
  const FloatingPointEnvironment environment;
  return answer(function, std::forward<Body>(body));
}

}  // namespace cugad::c_api
