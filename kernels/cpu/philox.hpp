#pragma once

#include <algorithm>
#include <array>
#include <cstdint>

#if defined(__AVX2__)
#include <immintrin.h>
#endif

#include "cugad/rng.hpp"
#include "kernels/cpu/simd.hpp"

/// Bulk Philox words for the CPU: the same words as philox4x32_10 in rng.hpp, many counters at a time.
namespace cugad::cpu::CUGAD_INSTRUCTION_SET {

inline std::uint32_t stream_step(const RandomKey& key) {
  return key.step + (key.step_counter != nullptr ? key.step_stride * *key.step_counter : 0);
}
inline std::uint32_t stream_word3(const RandomKey& key) {
  return static_cast<std::uint32_t>(key.purpose) + 256u * key.lane;
}

/// Block `block` (words 4 block to 4 block + 3) of model m's stream.
inline std::array<std::uint32_t, 4> philox_block(const RandomKey& key, std::int64_t model, std::uint64_t block) {
  return philox4x32_10(
      {static_cast<std::uint32_t>(block), static_cast<std::uint32_t>(block >> 32), stream_step(key), stream_word3(key)},
      model_seed(key, model));
}

/// Counters in vectors of 64-bit lanes, one counter word each in the low halves; the high halves hold leftovers, which
/// no operation looks at.
#if defined(__AVX512F__)

struct PhiloxLanes {
  using Vec = __m512i;
  static constexpr int width = 8;
  static Vec set(std::uint64_t x) { return _mm512_set1_epi64(static_cast<long long>(x)); }
  static Vec counters(std::uint64_t x) { return _mm512_add_epi64(set(x), _mm512_setr_epi64(0, 1, 2, 3, 4, 5, 6, 7)); }
  // Masked by `all`: the plain forms warn of an undefined value under GCC 12.
  static constexpr __mmask8 all = 0xff;
  static Vec multiply(Vec a, Vec b) { return _mm512_maskz_mul_epu32(all, a, b); }
  static Vec high(Vec a) { return _mm512_maskz_srli_epi64(all, a, 32); }
  static Vec exclusive_or(Vec a, Vec b, Vec c) { return _mm512_ternarylogic_epi64(a, b, c, 0x96); }
  /// The words of the counters in order: a0 b0 c0 d0 a1 ...
  static void store(std::uint32_t* out, Vec a, Vec b, Vec c, Vec d) {
    const Vec ab = _mm512_mask_blend_epi32(0xAAAA, a, _mm512_maskz_slli_epi64(all, b, 32));
    const Vec cd = _mm512_mask_blend_epi32(0xAAAA, c, _mm512_maskz_slli_epi64(all, d, 32));
    const Vec first = _mm512_setr_epi64(0, 8, 1, 9, 2, 10, 3, 11),
              second = _mm512_setr_epi64(4, 12, 5, 13, 6, 14, 7, 15);
    _mm512_storeu_si512(out, _mm512_permutex2var_epi64(ab, first, cd));
    _mm512_storeu_si512(out + 16, _mm512_permutex2var_epi64(ab, second, cd));
  }
};

#elif defined(__AVX2__)

struct PhiloxLanes {
  using Vec = __m256i;
  static constexpr int width = 4;
  static Vec set(std::uint64_t x) { return _mm256_set1_epi64x(static_cast<long long>(x)); }
  static Vec counters(std::uint64_t x) { return _mm256_add_epi64(set(x), _mm256_setr_epi64x(0, 1, 2, 3)); }
  static Vec multiply(Vec a, Vec b) { return _mm256_mul_epu32(a, b); }
  static Vec high(Vec a) { return _mm256_srli_epi64(a, 32); }
  static Vec exclusive_or(Vec a, Vec b, Vec c) { return _mm256_xor_si256(_mm256_xor_si256(a, b), c); }
  static void store(std::uint32_t* out, Vec a, Vec b, Vec c, Vec d) {
    const Vec ab = _mm256_blend_epi32(a, _mm256_slli_epi64(b, 32), 0xAA);
    const Vec cd = _mm256_blend_epi32(c, _mm256_slli_epi64(d, 32), 0xAA);
    const Vec even = _mm256_unpacklo_epi64(ab, cd), odd = _mm256_unpackhi_epi64(ab, cd);
    _mm256_storeu_si256(reinterpret_cast<__m256i*>(out), _mm256_permute2x128_si256(even, odd, 0x20));
    _mm256_storeu_si256(reinterpret_cast<__m256i*>(out + 8), _mm256_permute2x128_si256(even, odd, 0x31));
  }
};

#else

struct PhiloxLanes {
  using Vec = std::uint64_t;
  static constexpr int width = 1;
  static Vec set(std::uint64_t x) { return x; }
  static Vec counters(std::uint64_t x) { return x; }
  static Vec multiply(Vec a, Vec b) { return (a & 0xffffffffu) * (b & 0xffffffffu); }
  static Vec high(Vec a) { return a >> 32; }
  static Vec exclusive_or(Vec a, Vec b, Vec c) { return a ^ b ^ c; }
  static void store(std::uint32_t* out, Vec a, Vec b, Vec c, Vec d) {
    out[0] = static_cast<std::uint32_t>(a);
    out[1] = static_cast<std::uint32_t>(b);
    out[2] = static_cast<std::uint32_t>(c);
    out[3] = static_cast<std::uint32_t>(d);
  }
};

#endif

/// Several vectors side by side hide the latency of the multiplications, if their words stay in registers.
constexpr int philox_vectors = vector_registers == 16 && PhiloxLanes::width > 1 ? 2 : 4;
constexpr int philox_batch = 4 * philox_vectors * PhiloxLanes::width;  ///< words

/// The philox_batch words from `block` on.
inline void philox_batch_words(std::uint64_t seed, std::uint64_t block, std::uint32_t step, std::uint32_t word3,
                               std::uint32_t* out) {
  using Lanes = PhiloxLanes;
  using Vec = Lanes::Vec;
  Vec a[philox_vectors], b[philox_vectors], c[philox_vectors], d[philox_vectors];
  for (int v = 0; v < philox_vectors; ++v) {
    a[v] = Lanes::counters(block + static_cast<std::uint64_t>(v * Lanes::width));
    b[v] = Lanes::high(a[v]);
    c[v] = Lanes::set(step);
    d[v] = Lanes::set(word3);
  }
  const Vec factor0 = Lanes::set(0xD2511F53u), factor1 = Lanes::set(0xCD9E8D57u);
  auto low = static_cast<std::uint32_t>(seed), high = static_cast<std::uint32_t>(seed >> 32);
  for (int round = 0; round < 10; ++round) {
    const Vec key0 = Lanes::set(low), key1 = Lanes::set(high);
    for (int v = 0; v < philox_vectors; ++v) {
      const Vec product0 = Lanes::multiply(a[v], factor0), product1 = Lanes::multiply(c[v], factor1);
      a[v] = Lanes::exclusive_or(Lanes::high(product1), b[v], key0);
      b[v] = product1;
      c[v] = Lanes::exclusive_or(Lanes::high(product0), d[v], key1);
      d[v] = product0;
    }
    low += 0x9E3779B9u;
    high += 0xBB67AE85u;
  }
  for (int v = 0; v < philox_vectors; ++v) Lanes::store(out + 4 * Lanes::width * v, a[v], b[v], c[v], d[v]);
}

/// Words [first, first + count) of model m's stream.
inline void philox_words(const RandomKey& key, std::int64_t model, std::uint64_t first, std::int64_t count,
                         std::uint32_t* out) {
  const std::uint64_t seed = model_seed(key, model);
  const std::uint32_t step = stream_step(key), word3 = stream_word3(key);
  std::uint64_t block = first / 4;
  auto skip = static_cast<std::int64_t>(first % 4);
  while (count > 0) {
    const std::int64_t take = std::min<std::int64_t>(philox_batch - skip, count);
    if (take == philox_batch) {
      philox_batch_words(seed, block, step, word3, out);
    } else {
      std::uint32_t words[philox_batch];
      philox_batch_words(seed, block, step, word3, words);
      std::copy_n(words + skip, take, out);
    }
    out += take;
    count -= take;
    block += philox_batch / 4;
    skip = 0;
  }
}

}  // namespace cugad::cpu::CUGAD_INSTRUCTION_SET
