#pragma once

#include <cstddef>
#include <string>
#include <type_traits>

#include "cugad/cugad_ops.h"
#include "cugad/error.hpp"
#include "cugad/ops.hpp"
#include "host/c_api/op_fields.hpp"

/// The arguments of ops in C and in C++, one from the other, field by field.
namespace cugad::c_api {

#define CUGAD_SAME_VALUE(c_value, value) static_assert(static_cast<std::int64_t>(value) == c_value);
CUGAD_ENUM_VALUES(CUGAD_SAME_VALUE)
CUGAD_CONSTANTS(CUGAD_SAME_VALUE)
#undef CUGAD_SAME_VALUE

/// Numbers and pointers of one type; enums, which the contracts check; truth values: all but 0 are true.
template <class T>
requires std::is_arithmetic_v<T> || std::is_pointer_v<T>
void assign(T& to, const T& from) { to = from; }
template <class E>
requires std::is_enum_v<E>
void assign(E& to, const std::underlying_type_t<E>& from) { to = static_cast<E>(from); }
template <class E>
requires std::is_enum_v<E>
void assign(std::underlying_type_t<E>& to, const E& from) { to = static_cast<std::underlying_type_t<E>>(from); }
inline void assign(bool& to, const std::int32_t& from) { to = from != 0; }
inline void assign(std::int32_t& to, const bool& from) { to = from ? 1 : 0; }

#define CUGAD_ASSIGN_STACK(name, T)                                                             \
  inline void assign(StackView<T>& to, const cugad_##name& from) {                              \
    to = {from.data, from.models, from.rows, from.columns, from.model_stride, from.row_stride}; \
  }                                                                                             \
  inline void assign(cugad_##name& to, const StackView<T>& from) {                              \
    to = {from.data, from.models, from.rows, from.columns, from.model_stride, from.row_stride}; \
  }
CUGAD_STACKS(CUGAD_ASSIGN_STACK)
#undef CUGAD_ASSIGN_STACK

#define CUGAD_DECLARE_ASSIGN(name, Struct)           \
  void assign(Struct& to, const cugad_##name& from); \
  void assign(cugad_##name& to, const Struct& from);
CUGAD_SHARED_STRUCTS(CUGAD_DECLARE_ASSIGN)
#undef CUGAD_DECLARE_ASSIGN

template <class A, class B, std::size_t count>
void assign(A (&to)[count], const B (&from)[count]) {
  for (std::size_t i = 0; i < count; ++i) assign(to[i], from[i]);
}

#define CUGAD_ASSIGN_FIELD(field) assign(to.field, from.field);
#define CUGAD_ASSIGN_SHARED(name, Struct)                                                              \
  inline void assign(Struct& to, const cugad_##name& from) { CUGAD_FIELDS_##name(CUGAD_ASSIGN_FIELD) } \
  inline void assign(cugad_##name& to, const Struct& from) { CUGAD_FIELDS_##name(CUGAD_ASSIGN_FIELD) }
CUGAD_SHARED_STRUCTS(CUGAD_ASSIGN_SHARED)
#undef CUGAD_ASSIGN_SHARED
#define CUGAD_ASSIGN_ARGUMENTS(name, Args)                                                                  \
  inline void assign(Args& to, const cugad_##name##_args& from) { CUGAD_FIELDS_##name(CUGAD_ASSIGN_FIELD) } \
  inline void assign(cugad_##name##_args& to, const Args& from) {                                           \
    to.struct_size = sizeof to;                                                                             \
    CUGAD_FIELDS_##name(CUGAD_ASSIGN_FIELD)                                                                 \
  }
CUGAD_OPS(CUGAD_ASSIGN_ARGUMENTS)
#undef CUGAD_ASSIGN_ARGUMENTS
#undef CUGAD_ASSIGN_FIELD

}  // namespace cugad::c_api
