#include "host/c_api/guard.hpp"

#include <cstdio>
#include <cstring>
#include <new>
#include <stdexcept>

#include "cugad/error.hpp"

namespace cugad::c_api {
namespace {

/// Of a fixed size, so that being out of memory can be reported.
thread_local char last_error[1024] = "";

cugad_status status_of(ErrorCode code) noexcept {
  switch (code) {
    case ErrorCode::invalid_argument:
      return CUGAD_ERROR_INVALID_ARGUMENT;
    case ErrorCode::input_output:
      return CUGAD_ERROR_INPUT_OUTPUT;
    case ErrorCode::format:
      return CUGAD_ERROR_FORMAT;
    case ErrorCode::unsupported:
      return CUGAD_ERROR_UNSUPPORTED;
    case ErrorCode::device:
      return CUGAD_ERROR_DEVICE;
    case ErrorCode::out_of_memory:
      return CUGAD_ERROR_OUT_OF_MEMORY;
    case ErrorCode::cancelled:
      return CUGAD_ERROR_CANCELLED;
  }
  return CUGAD_ERROR_INTERNAL;
}

/// Removes a truncated multi-byte character from the end.
void end_at_whole_character(char* text) {
  std::size_t start = std::strlen(text);
  while (start > 0 && (text[start - 1] & 0xC0) == 0x80) --start;
  if (start > 0 && (text[start - 1] & 0x80) != 0) text[start - 1] = '\0';
}

}  // namespace

void set_last_error(const char* function, const char* message) noexcept {
  const int length = std::snprintf(last_error, sizeof last_error, "%s: %s", function, message);
  if (length >= static_cast<int>(sizeof last_error)) end_at_whole_character(last_error);
  // A name that the caller gave may hold line breaks; the message is one line.
  for (char* letter = last_error; *letter != '\0'; ++letter) {
    if (static_cast<unsigned char>(*letter) < 0x20 || *letter == 0x7f) *letter = ' ';
  }
}

cugad_status status_of_exception(const char* function) noexcept {
  try {
    throw;
  } catch (const Error& error) {
    set_last_error(function, error.what());
    return status_of(error.code());
  } catch (const std::bad_alloc&) {
    set_last_error(function, "out of memory on the host");
    return CUGAD_ERROR_OUT_OF_MEMORY;
  } catch (const std::length_error&) {
    set_last_error(function, "out of memory on the host: more was asked than can exist");
    return CUGAD_ERROR_OUT_OF_MEMORY;
  } catch (const std::exception& error) {
    set_last_error(function, error.what());
  } catch (...) {
    set_last_error(function, "an exception of an unknown type");
  }
  return CUGAD_ERROR_INTERNAL;
}

}  // namespace cugad::c_api

extern "C" {

const char* cugad_last_error(void) { return cugad::c_api::last_error; }

const char* cugad_status_name(cugad_status status) {
  switch (status) {
    case CUGAD_OK:
      return "CUGAD_OK";
    case CUGAD_ERROR_INVALID_ARGUMENT:
      return "CUGAD_ERROR_INVALID_ARGUMENT";
    case CUGAD_ERROR_INPUT_OUTPUT:
      return "CUGAD_ERROR_INPUT_OUTPUT";
    case CUGAD_ERROR_FORMAT:
      return "CUGAD_ERROR_FORMAT";
    case CUGAD_ERROR_UNSUPPORTED:
      return "CUGAD_ERROR_UNSUPPORTED";
    case CUGAD_ERROR_DEVICE:
      return "CUGAD_ERROR_DEVICE";
    case CUGAD_ERROR_OUT_OF_MEMORY:
      return "CUGAD_ERROR_OUT_OF_MEMORY";
    case CUGAD_ERROR_CANCELLED:
      return "CUGAD_ERROR_CANCELLED";
    case CUGAD_ERROR_INTERNAL:
      return "CUGAD_ERROR_INTERNAL";
    default:
      return "unknown status";
  }
}

const char* cugad_version(void) { return CUGAD_VERSION; }
int32_t cugad_abi_version(void) { return CUGAD_ABI_VERSION; }

}  // extern "C"
