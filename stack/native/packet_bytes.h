/* Big-endian loads and one's-complement sums for operations. Include only from kernel files (internal linkage). */
#ifndef MODEL_T_STACK_PACKET_BYTES_H
#define MODEL_T_STACK_PACKET_BYTES_H

#include "vector.h"

namespace model_t::MODEL_T_ISA {

template <typename T>
[[gnu::always_inline]] static inline T load_little(const uint8_t* at) {
  T value;
  memcpy(&value, at, sizeof value);
  return value;
}

[[gnu::always_inline]] static inline uint32_t load_big16(const uint8_t* at) {
  return __builtin_bswap16(load_little<uint16_t>(at));
}

/* A sum of 32-bit words down to 16 bits: RFC 1071 2(B): the byte order of the addends does not matter. */
[[gnu::always_inline]] static inline uint32_t fold_sum(uint64_t sum) {
  sum = (sum & 0xffffffffu) + (sum >> 32);
  sum = (sum & 0xffff) + (sum >> 16 & 0xffff) + (sum >> 32);
  sum = (sum & 0xffff) + (sum >> 16);
  return static_cast<uint32_t>((sum & 0xffff) + (sum >> 16));
}

/* True if the column holds the value anywhere. */
template <typename T>
[[gnu::always_inline]] static inline bool has_value(const T* column, uint32_t count, T value) {
  T found = 0;
  for (uint32_t i = 0; i < count; i++) found = static_cast<T>(found | (column[i] == value));
  return found != 0;
}

/* a + b with end-around carry: the one's-complement sum of all their 16-bit words stays the same. */
[[gnu::always_inline]] static inline uint64_t add_carry(uint64_t a, uint64_t b) {
  const uint64_t sum = a + b;
  return sum + (sum < a);
}

#if MODEL_T_VECTOR_BYTES

/* 16 words made signed and added in pairs: 8 sums, each 65536 too small. Three instructions for 32 bytes, where masks take four. */
[[gnu::always_inline]] static inline __m256i pair_sums(__m256i words) {
  return _mm256_madd_epi16(_mm256_xor_si256(words, _mm256_set1_epi16(INT16_MIN)), _mm256_set1_epi16(1));
}

[[gnu::always_inline]] static inline __m256i load_half_line(const uint8_t* at) {
  return _mm256_loadu_si256(reinterpret_cast<const __m256i*>(at));
}

/* The first `dwords` (0 to 8) dwords from `at`, zeros behind them. Reads nothing else. */
[[gnu::always_inline]] static inline __m256i load_dwords(const uint8_t* at, uint32_t dwords) {
  const __m256i lanes = _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7);
  const __m256i mask = _mm256_cmpgt_epi32(_mm256_set1_epi32(static_cast<int>(dwords)), lanes);
  return _mm256_maskload_epi32(reinterpret_cast<const int*>(at), mask);
}

/*
 * Bytes: two packets on, where they lie one after another; the processor's own prefetcher begins anew with each. The best of 512 to
 * 4096 for packets from memory and from L3, by a little; 4096, which is the same place of another page, was the worst.
 */
constexpr uint32_t kPrefetchAhead = 3072;

/* Sum of the words of whole dwords, so many that no lane overflows (sum_bytes). Reads nothing behind them. */
[[gnu::always_inline]] static inline uint64_t sum_dwords(const uint8_t* at, uint32_t dwords) {
  /* A load that crosses a line costs two: begin with what lies before the next 32-byte border, if dwords reach it. */
  const uint32_t place = static_cast<uint32_t>(reinterpret_cast<uintptr_t>(at)) & 31;
  const uint32_t before = place & 3 || dwords < 64 ? 0 : (32 - place) / 4 & 7;
  __m256i sums = pair_sums(load_dwords(at, before)), more = _mm256_setzero_si256();
  at += before * 4;
  uint32_t left = dwords - before;
  if (left >= 32) { /* two lines a turn in four chains, so that additions and the loop itself are not what it waits for */
    __m256i third = _mm256_setzero_si256(), fourth = _mm256_setzero_si256();
    const uint8_t* const end = at + left / 32 * 128;
    do {
      __builtin_prefetch(at + kPrefetchAhead);
      __builtin_prefetch(at + kPrefetchAhead + 64);
      sums = _mm256_add_epi32(sums, pair_sums(load_half_line(at)));
      more = _mm256_add_epi32(more, pair_sums(load_half_line(at + 32)));
      third = _mm256_add_epi32(third, pair_sums(load_half_line(at + 64)));
      fourth = _mm256_add_epi32(fourth, pair_sums(load_half_line(at + 96)));
      at += 128;
    } while (at != end);
    sums = _mm256_add_epi32(sums, third);
    more = _mm256_add_epi32(more, fourth);
    left &= 31;
  }
  if (left >= 16) {
    sums = _mm256_add_epi32(sums, pair_sums(load_half_line(at)));
    more = _mm256_add_epi32(more, pair_sums(load_half_line(at + 32)));
    left -= 16;
    at += 64;
  }
  if (left >= 8) {
    sums = _mm256_add_epi32(sums, pair_sums(load_half_line(at)));
    left -= 8;
    at += 32;
  }
  more = _mm256_add_epi32(more, pair_sums(load_dwords(at, left)));
  sums = _mm256_add_epi32(sums, more);
  __m128i quad = _mm_add_epi32(_mm256_castsi256_si128(sums), _mm256_extracti128_si256(sums, 1));
  quad = _mm_add_epi32(quad, _mm_shuffle_epi32(quad, 0x4e));
  quad = _mm_add_epi32(quad, _mm_shuffle_epi32(quad, 0xb1));
  /* Zeros behind dwords are words made signed, too: two vectors with 16 lanes' worth of pairs beside the whole ones. */
  const int64_t pairs = (dwords - before) / 8 * 8 + 16;
  return static_cast<uint64_t>(_mm_cvtsi128_si32(quad) + pairs * 65536);
}

#endif

/* Sum of the 16-bit words of `bytes` bytes as loaded, an odd last byte padded with zero; not yet folded. */
[[gnu::always_inline]] static inline uint64_t sum_bytes(const uint8_t* at, uint32_t bytes) {
  uint64_t sum = 0;
#if MODEL_T_VECTOR_BYTES
  constexpr uint32_t kMostSummed = 1 << 15; /* bytes: 2^13 pairs below 2^17 and their total, of all lanes, fits 32 bits with a sign */
  while (bytes >= 64) {
    const uint32_t part = (bytes < kMostSummed ? bytes : kMostSummed) & ~3u;
    sum += sum_dwords(at, part / 4);
    at += part;
    bytes -= part;
  }
#endif
  for (; bytes >= 8; bytes -= 8, at += 8) sum = add_carry(sum, load_little<uint64_t>(at));
  uint64_t tail = 0;
  if (bytes & 4) {
    tail = load_little<uint32_t>(at);
    at += 4;
  }
  if (bytes & 2) {
    tail += load_little<uint16_t>(at);
    at += 2;
  }
  if (bytes & 1) tail += *at;
  return add_carry(sum, tail);
}

}  // namespace model_t::MODEL_T_ISA

#endif
