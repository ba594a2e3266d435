/*
 * Copies the first line of a slot and puts new words into it on the way, in registers: one store per vector, none more.
 * Part of kernels.cc, for vector ISAs; included after stack/native/vector.h by kernel files only.
 *
 *   line: | 0 pad, Ethernet | ... | 24 word: TTL proto HC src | 32 ... | 42 checksum (UDP) | 52 checksum (TCP) | ... 63 |
 */
#ifndef MODEL_T_REPLAY_LINE_MERGE_H
#define MODEL_T_REPLAY_LINE_MERGE_H

#include <utility>

#include "../../stack/native/vector.h"
#include "kernels.h"

#if MODEL_T_VECTOR_BYTES

namespace model_t::MODEL_T_ISA {

/* 64-bit words of kLanes32 packets, as unpacking leaves them: packets 0 1 4 5 ... and 2 3 6 7 ... */
struct LineWords {
  VectorU64 even;
  VectorU64 odd;
};

/* Word i = low[i] | high[i] << 32. */
[[gnu::always_inline]] static inline LineWords pair_words(VectorU32 low, VectorU32 high) {
#if MODEL_T_VECTOR_BYTES == 64
  return {(VectorU64)_mm512_maskz_unpacklo_epi32(0xffff, (__m512i)low, (__m512i)high),
          (VectorU64)_mm512_maskz_unpackhi_epi32(0xffff, (__m512i)low, (__m512i)high)};
#else
  return {(VectorU64)_mm256_unpacklo_epi32((__m256i)low, (__m256i)high),
          (VectorU64)_mm256_unpackhi_epi32((__m256i)low, (__m256i)high)};
#endif
}

/* Calls f.template operator()<lane>() for each lane: lane numbers must be constants in shuffles. */
template <typename F, uint32_t... lanes>
[[gnu::always_inline]] static inline void for_lanes(F& f, std::integer_sequence<uint32_t, lanes...>) {
  (f.template operator()<lanes>(), ...);
}
template <typename F>
[[gnu::always_inline]] static inline void for_each_lane(F f) {
  for_lanes(f, std::make_integer_sequence<uint32_t, kLanes32>{});
}

#if MODEL_T_VECTOR_BYTES == 64

/* Which words of the line change, by LineShape: the 64-bit word at 24, and the 16-bit word at 42 or 52. */
struct LineMasks {
  __mmask8 words[kLineShapes] = {0, 1 << 3, 1 << 3, 1 << 3};
  __mmask32 halves[kLineShapes] = {0, 0, 1u << 21, 1u << 26};
};

template <uint32_t lane>
[[gnu::always_inline]] static inline void merge_line(uint8_t* to, const uint8_t* from, const LineWords& words,
                                                     VectorU32 checksums, const LineMasks& masks, uint32_t kind) {
  const VectorU64 source = lane & 2 ? words.odd : words.even;
  __m512i line = (__m512i)load<VectorU64>(from);
  line = _mm512_mask_permutexvar_epi64(line, masks.words[kind], _mm512_set1_epi64(lane / 4 * 2 + (lane & 1)), (__m512i)source);
  line = _mm512_mask_permutexvar_epi16(line, masks.halves[kind], _mm512_set1_epi16(2 * lane), (__m512i)checksums);
  store(to, (VectorU64)line);
}

#else

/* Bytes of each half of the line that change, by LineShape. */
struct LineMasks {
  VectorU8 low[kLineShapes] = {};
  VectorU8 high[kLineShapes] = {};

  LineMasks() {
    for (uint32_t kind = kLineHeader; kind < kLineShapes; kind++) {
      for (uint32_t byte = 24; byte < 32; byte++) low[kind][byte] = 0xff;
    }
    high[kLineChecksum42][10] = high[kLineChecksum42][11] = 0xff;
    high[kLineChecksum52][20] = high[kLineChecksum52][21] = 0xff;
  }
};

template <uint32_t lane>
[[gnu::always_inline]] static inline void merge_line(uint8_t* to, const uint8_t* from, const LineWords& words,
                                                     VectorU32 checksums, const LineMasks& masks, uint32_t kind) {
  constexpr int kSpread = static_cast<int>(lane / 4 * 2 + (lane & 1)) * 0x55; /* that word everywhere */
  const __m256i word = _mm256_permute4x64_epi64((__m256i)(lane & 2 ? words.odd : words.even), kSpread);
  const __m256i checksum = _mm256_permutevar8x32_epi32((__m256i)checksums, _mm256_set1_epi32(lane));
  const __m256i low = _mm256_blendv_epi8((__m256i)load<VectorU64>(from), word, (__m256i)masks.low[kind]);
  const __m256i high = _mm256_blendv_epi8((__m256i)load<VectorU64>(from + 32), checksum, (__m256i)masks.high[kind]);
  store(to, (VectorU64)low);
  store(to + 32, (VectorU64)high);
}

#endif

}  // namespace model_t::MODEL_T_ISA

#endif
#endif
