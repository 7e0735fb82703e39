#include "cugad/ops.hpp"

#include <string>

#include "host/c_api/arguments.hpp"
#include "host/c_api/guard.hpp"
#include "host/c_api/handles.hpp"
#include "host/c_api/op_arguments.hpp"
#include "host/c_api/op_memory.hpp"

/// Every op by itself: the functions of cugad_ops.h, from the list of ops and the lists of their fields.
namespace cugad::c_api {
namespace {

void require_size(std::size_t given, std::size_t expected) {
  if (given == expected) return;
  throw Error(ErrorCode::invalid_argument, "struct_size is " + std::to_string(given) + ", expected " +
                                               std::to_string(expected) +
                                               ", the size of the arguments in this version");
}

#define CUGAD_CHECK_FIELD(field) memory.check(#field, args.field);
#define CUGAD_CHECK_MEMORY(name, Args) \
  void check_memory(const OpMemory& memory, const Args& args) { CUGAD_FIELDS_##name(CUGAD_CHECK_FIELD) }
CUGAD_OPS(CUGAD_CHECK_MEMORY)
#undef CUGAD_CHECK_MEMORY
#undef CUGAD_CHECK_FIELD

/// The caller's arguments, with their memory checked, so that the contract can be checked.
template <class Args, class CArgs>
Args arguments_of(const char* op, cugad_device* device, const CArgs* given) {
  require(device, "device");
  require(given, "args");
  require_size(given->struct_size, sizeof *given);
  Args args;
  assign(args, *given);
  check_memory(OpMemory(device->device.backend(), op), args);
  return args;
}

template <class Args, class CArgs>
void set_defaults(CArgs* args, std::size_t struct_size) {
  require(args, "args");
  require_size(struct_size, sizeof *args);
  assign(*args, Args{});
}

template <class Args, class CArgs>
void run_op(const char* op, cugad_device* device, const CArgs* given) {
  const auto args = arguments_of<Args>(op, device, given);
  Backend& backend = device->device.backend();
  const StreamUse use(backend, device->context.stream());
  if (device->context.has_own_stream()) backend.wait_for_default_stream(device->context.stream());
  run(device->context, args);
  if (device->stream->load() == nullptr) device->context.synchronize();
}

template <class Args, class CArgs>
void ask_workspace(const char* op, cugad_device* device, const CArgs* given, std::size_t* bytes) {
  require(bytes, "bytes");
  *bytes = 0;
  const auto args = arguments_of<Args>(op, device, given);
  if (const Verdict verdict = can_run(device->context, args); !verdict) {
    throw Error(ErrorCode::invalid_argument, verdict.reason);
  }
  *bytes = workspace(device->context, args);
}

}  // namespace
}  // namespace cugad::c_api

using namespace cugad;
using namespace cugad::c_api;

#define CUGAD_C_OP(name, Args)                                                                                  \
  cugad_status cugad_##name##_init(cugad_##name##_args* args, size_t struct_size) {                             \
    return guard(__func__, [&] { set_defaults<Args>(args, struct_size); });                                     \
  }                                                                                                             \
  cugad_status cugad_##name(cugad_device* device, const cugad_##name##_args* args) {                            \
    return guard(__func__, [&] { run_op<Args>(#name, device, args); });                                         \
  }                                                                                                             \
  cugad_status cugad_##name##_workspace(cugad_device* device, const cugad_##name##_args* args, size_t* bytes) { \
    return guard(__func__, [&] { ask_workspace<Args>(#name, device, args, bytes); });                           \
  }

extern "C" {
CUGAD_OPS(CUGAD_C_OP)
}
