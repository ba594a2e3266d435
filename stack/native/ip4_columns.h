/*
 * Checks of eight plain IPv4 headers at once: 32 bytes of each are loaded and turned into columns, so that the sums of eight
 * packets are lanes of one vector and nothing is added up packet by packet. Vector ISAs; include from kernel files only.
 */
#ifndef MODEL_T_STACK_IP4_COLUMNS_H
#define MODEL_T_STACK_IP4_COLUMNS_H

#include "burst.h"
#include "vector.h"

#if MODEL_T_VECTOR_BYTES

namespace model_t::MODEL_T_ISA {

/* Network headers up to here have 32 readable bytes in the first line of a slot. */
constexpr uint32_t kColumnNetwork = 30;

/* Sum of both halves of each 32-bit lane. */
[[gnu::always_inline]] static inline __m256i add_halves(__m256i value) {
  return _mm256_add_epi32(_mm256_and_si256(value, _mm256_set1_epi32(0xffff)), _mm256_srli_epi32(value, 16));
}

/* Packet k's mask lane into byte k of the result. */
[[gnu::always_inline]] static inline uint64_t pack_lanes(__m256i mask) {
  const __m128i words = _mm_packs_epi32(_mm256_castsi256_si128(mask), _mm256_extracti128_si256(mask, 1));
  return static_cast<uint64_t>(_mm_cvtsi128_si64(_mm_packs_epi16(words, words)));
}

/*
 * For packets i to i + 7, all with a 20-byte IPv4 header at networks[] <= kColumnNetwork: byte k of `bad` is 0xff if the header
 * checksum of packet i + k is wrong, byte k of `zero` if bytes 26-27, the checksum of a UDP header behind it, are zero.
 */
[[gnu::always_inline]] static inline void check_eight_headers(const Burst256& burst, uint32_t i, uint64_t* bad, uint64_t* zero) {
  __m256i row[8], pair[8];
  for (uint32_t k = 0; k < 8; k++) {
    row[k] = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(burst.frames[i + k] + burst.networks[i + k]));
  }
  for (uint32_t k = 0; k < 8; k += 2) {
    pair[k] = _mm256_unpacklo_epi32(row[k], row[k + 1]);     /* words 0 1 | 4 5 of two packets */
    pair[k + 1] = _mm256_unpackhi_epi32(row[k], row[k + 1]); /* words 2 3 | 6 7 */
  }
  __m256i sum[2], word4[2], word6[2];
  for (uint32_t half = 0; half < 2; half++) { /* packets 0-3, 4-7 */
    const __m256i* p = pair + 4 * half;
    const __m256i words04 = _mm256_unpacklo_epi64(p[0], p[2]);
    const __m256i words15 = _mm256_unpackhi_epi64(p[0], p[2]);
    const __m256i words26 = _mm256_unpacklo_epi64(p[1], p[3]);
    const __m256i words37 = _mm256_unpackhi_epi64(p[1], p[3]);
    word4[half] = add_halves(words04);
    sum[half] = _mm256_add_epi32(_mm256_add_epi32(word4[half], add_halves(words15)),
                                 _mm256_add_epi32(add_halves(words26), add_halves(words37)));
    word6[half] = words26;
  }
  const __m256i header = _mm256_add_epi32(_mm256_permute2x128_si256(sum[0], sum[1], 0x20),     /* words 0-3 */
                                          _mm256_permute2x128_si256(word4[0], word4[1], 0x31)); /* word 4 */
  /* Ten words: one fold leaves at most 0xffff + 9, which is a multiple of 0xffff only if it is 0xffff. */
  const __m256i good = _mm256_cmpeq_epi32(add_halves(header), _mm256_set1_epi32(0xffff));
  *bad = ~pack_lanes(good);
  const __m256i checksum = _mm256_srli_epi32(_mm256_permute2x128_si256(word6[0], word6[1], 0x31), 16);
  *zero = pack_lanes(_mm256_cmpeq_epi32(checksum, _mm256_setzero_si256()));
}

}  // namespace model_t::MODEL_T_ISA

#endif
#endif
