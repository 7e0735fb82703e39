#include <algorithm>

#include "tests/ptx/executor/arithmetic.hpp"
#include "tests/ptx/executor/tables.hpp"

/// What the lanes of a warp do together: called with exactly the lanes that the member mask names.
namespace ptx {
namespace {

using U32 = std::uint32_t;
using U64 = std::uint64_t;

// in[0]: the value, in[1]: b, in[2]: c; list[0]: the predicate of a source lane in range.
void shuffle(Warp& w, const Instruction& i, Mask mask) {  // PTX ISA, shfl.sync: the pseudocode
  const auto *a = w.in<U32>(i.in[0]), *b = w.in<U32>(i.in[1]), *c = w.in<U32>(i.in[2]);
  U32 result[lanes];
  Mask valid = 0;
  each_lane(mask, [&](int l) {
    const int by = static_cast<int>(b[l] & 0x1f), clamp = static_cast<int>(c[l] & 0x1f);
    const int segment = static_cast<int>(c[l] >> 8 & 0x1f);
    const int most = (l & segment) | (clamp & ~segment), least = l & segment;
    int j = 0;
    bool inside = false;
    switch (i.mode) {
      case 'u':
        j = l - by, inside = j >= most;
        break;
      case 'd':
        j = l + by, inside = j <= most;
        break;
      case 'b':
        j = l ^ by, inside = j <= most;
        break;
      default:
        j = least | (by & ~segment), inside = j <= most;
    }
    if (!inside) j = l;
    if ((mask >> j & 1) == 0)
      fail(w, i,
           "lane " + std::to_string(l) + " reads lane " + std::to_string(j) + ", which is not in the member mask");
    result[l] = a[j];
    valid |= static_cast<Mask>(inside) << l;
  });
  each_lane(mask, [&](int l) { w.out<U32>(i.out)[l] = result[l]; });
  if (!i.list.empty()) w.set_predicate(i.list[0], valid, mask);
}

void vote(Warp& w, const Instruction& i, Mask mask) {
  const Mask holds = w.predicate(i.in[0]) & mask;
  if (i.mode == 'b') return each_lane(mask, [&](int l) { w.out<U32>(i.out)[l] = holds; });
  const bool all = holds == mask, none = holds == 0;
  const bool result = i.mode == 'l' ? all : i.mode == 'y' ? !none : all || none;
  w.set_predicate(i.out, result ? all_lanes : 0, mask);
}

template <class T, bool all>
void match(Warp& w, const Instruction& i, Mask mask) {
  const T* a = w.in<T>(i.in[0]);
  U32 result[lanes];
  Mask same = 0;
  each_lane(mask, [&](int l) {
    result[l] = 0;
    each_lane(mask, [&](int m) { result[l] |= a[l] == a[m] ? Mask{1} << m : 0; });
    if (result[l] == mask) same |= Mask{1} << l;
  });
  each_lane(mask, [&](int l) { w.out<U32>(i.out)[l] = !all || same != 0 ? result[l] : 0; });
  if (all && !i.list.empty()) w.set_predicate(i.list[0], same, mask);
}

template <class T>
void reduce(Warp& w, const Instruction& i, Mask mask) {  // redux.sync
  const T* a = w.in<T>(i.in[0]);
  T value = a[std::countr_zero(mask)];
  each_lane(mask & (mask - 1), [&](int l) {
    switch (static_cast<Atomic>(i.mode)) {
      case Atomic::add:
        value = Add{}(value, a[l]);
        break;
      case Atomic::minimum:
        value = std::min(value, a[l]);
        break;
      case Atomic::maximum:
        value = std::max(value, a[l]);
        break;
      case Atomic::bit_and:
        value &= a[l];
        break;
      case Atomic::bit_or:
        value |= a[l];
        break;
      default:
        value ^= a[l];
    }
  });
  each_lane(mask, [&](int l) { w.out<T>(i.out)[l] = value; });
}

void nothing(Warp&, const Instruction&, Mask) {}
void trap(Warp& w, const Instruction& i, Mask) { fail(w, i, "trap"); }
void active_mask(Warp& w, const Instruction& i, Mask mask) {
  each_lane(mask, [&](int l) { w.out<U32>(i.out)[l] = mask; });
}

// ---- predicates, moves
// -----------------------------------------------------------------------------------------------

template <class F>
void predicate_binary(Warp& w, const Instruction& i, Mask mask) {
  w.set_predicate(i.out, F{}(w.predicate(i.in[0]), w.predicate(i.in[1])), mask);
}
void predicate_not(Warp& w, const Instruction& i, Mask mask) { w.set_predicate(i.out, ~w.predicate(i.in[0]), mask); }
void predicate_move(Warp& w, const Instruction& i, Mask mask) { w.set_predicate(i.out, w.predicate(i.in[0]), mask); }

template <class T>
void select(Warp& w, const Instruction& i, Mask mask) {
  const LaneMask first(w.predicate(i.in[2])), on(mask);
  T* out = w.out<T>(i.out);
  const T *a = w.in<T>(i.in[0]), *b = w.in<T>(i.in[1]);
#pragma GCC ivdep
  for (int l = 0; l < lanes; ++l) out[l] = on.lane[l] ? (first.lane[l] ? a[l] : b[l]) : out[l];
}

/// mov between a register and narrower ones, the first in the lowest bits.
template <class Whole, class Part>
void pack(Warp& w, const Instruction& i, Mask mask) {
  auto* out = w.out<Whole>(i.out);
  each_lane(mask, [&](int l) {
    Whole value = 0;
    for (unsigned n = 0; n < i.list.size(); ++n)
      value |= static_cast<Whole>(static_cast<Whole>(w.in<Part>(i.list[n])[l]) << (8 * sizeof(Part) * n));
    out[l] = value;
  });
}
template <class Whole, class Part>
void unpack(Warp& w, const Instruction& i, Mask mask) {
  const auto* a = w.in<Whole>(i.in[0]);
  each_lane(mask, [&](int l) {
    const Whole value = a[l];
    for (unsigned n = 0; n < i.list.size(); ++n) {
      if (i.list[n] != no_slot) w.out<Part>(i.list[n])[l] = static_cast<Part>(value >> (8 * sizeof(Part) * n));
    }
  });
}

/// Additions that set (mode 1) or take (mode 2) the lane's carry.
enum class Carry { add, subtract, multiply_low, multiply_high };
template <Carry kind>
void with_carry(Warp& w, const Instruction& i, Mask mask) {
  auto* out = w.out<U32>(i.out);
  const U32 *a = w.in<U32>(i.in[0]), *b = w.in<U32>(i.in[1]);
  const U32* c = i.in[2] == no_slot ? nullptr : w.in<U32>(i.in[2]);
  each_lane(mask, [&](int l) {
    auto& carry = w.carry[static_cast<unsigned>(l)];
    const U64 in = (i.mode & 2) != 0 ? carry : 0, product = U64{a[l]} * b[l];
    U64 sum = 0;
    if (kind == Carry::add) sum = U64{a[l]} + b[l] + in;
    if (kind == Carry::subtract) sum = U64{a[l]} - b[l] - in;  // the carry is then a borrow
    if (kind == Carry::multiply_low) sum = (product & 0xffffffffu) + c[l] + in;
    if (kind == Carry::multiply_high) sum = (product >> 32) + c[l] + in;
    out[l] = static_cast<U32>(sum);
    if ((i.mode & 1) != 0) carry = static_cast<U32>(sum >> 32 & 1);
  });
}

template <class T>
constexpr Handler move = &lanewise<Move, true, T, T>;

}  // namespace

Handler find_memory(const std::string& name);
Handler find_matrix(const std::string& name);

Handler find_other(const std::string& name) {
  using U16 = std::uint16_t;
  static const std::map<std::string, Handler> handlers = {
      {"select16", &select<U16>},
      {"select32", &select<U32>},
      {"select64", &select<U64>},
      {"move16", move<U16>},
      {"move32", move<U32>},
      {"move64", move<U64>},
      {"widen", &lanewise<Move, true, U64, U32>},
      {"pack64.2", &pack<U64, U32>},
      {"pack64.4", &pack<U64, U16>},
      {"pack32.2", &pack<U32, U16>},
      {"unpack64.2", &unpack<U64, U32>},
      {"unpack64.4", &unpack<U64, U16>},
      {"unpack32.2", &unpack<U32, U16>},
      {"bf16.rn", &lanewise<Bf16<true>, false, U16, float>},
      {"bf16.rz", &lanewise<Bf16<false>, false, U16, float>},
      {"bf16_pair.rn", &lanewise<Bf16Pair<true>, false, U32, float, float>},
      {"bf16_pair.rz", &lanewise<Bf16Pair<false>, false, U32, float, float>},
      {"from_bf16", &lanewise<FromBf16, false, float, U16>},
      {"tf32", &lanewise<RoundTf32, false, U32, float>},
      {"predicate_and", &predicate_binary<And>},
      {"predicate_or", &predicate_binary<Or>},
      {"predicate_xor", &predicate_binary<Xor>},
      {"predicate_not", &predicate_not},
      {"predicate_move", &predicate_move},
      {"shuffle", &shuffle},
      {"vote", &vote},
      {"match_any32", &match<U32, false>},
      {"match_any64", &match<U64, false>},
      {"match_all32", &match<U32, true>},
      {"match_all64", &match<U64, true>},
      {"reduce_u", &reduce<U32>},
      {"reduce_b", &reduce<U32>},
      {"reduce_s", &reduce<std::int32_t>},
      {"add_carry", &with_carry<Carry::add>},
      {"sub_carry", &with_carry<Carry::subtract>},
      {"mad_lo_carry", &with_carry<Carry::multiply_low>},
      {"mad_hi_carry", &with_carry<Carry::multiply_high>},
      {"nothing", &nothing},
      {"trap", &trap},
      {"active_mask", &active_mask}};
  const auto found = handlers.find(name);
  if (found != handlers.end()) return found->second;
  const Handler handler = find_memory(name);
  return handler != nullptr ? handler : find_matrix(name);
}

}  // namespace ptx
