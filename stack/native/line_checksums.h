/*
 * Checksums of eight short packets at once: IPv4 packets that end in the first line of their slot, as TCP acknowledgements do.
 * Their addresses lie directly before the transport header, so that what a transport checksum covers is one run of bytes, 26
 * to the packet's end, beside protocol and length. Vector ISAs; include from kernel files only.
 */
#ifndef MODEL_T_STACK_LINE_CHECKSUMS_H
#define MODEL_T_STACK_LINE_CHECKSUMS_H

#include "ip4_columns.h"
#include "packet_bytes.h"

#if MODEL_T_VECTOR_BYTES

namespace model_t::MODEL_T_ISA {

constexpr uint32_t kLineEnd = 62; /* frame bytes in a slot's first line */

/* What check_eight_lines() answers for a packet; `unsettled` = look at it some other way. */
struct LineVerdicts {
  uint8_t good, bad, absent, unsettled;
};

/* Of eight packets, as 32-bit lanes. */
struct LineColumns {
  __m256i protocols;
  __m256i ends;
  __m256i udp;
  __m256i fits; /* ones: the packet is one that this file is about */
};

/*
 * TCP or UDP behind 20 bytes of IPv4 behind 14 of Ethernet, no fragment, whole transport header, end at 46 to 62: a datagram of
 * less than four bytes ends before and would need a second mask. A frame's bytes may change meanwhile, so columns decide.
 */
[[gnu::always_inline]] static inline LineColumns load_line_columns(const Burst256& burst, uint32_t i) {
  const __m128i types = _mm_loadu_si128(reinterpret_cast<const __m128i*>(burst.types + i));
  const __m128i transports = _mm_loadu_si128(reinterpret_cast<const __m128i*>(burst.transports + i));
  const __m128i networks = _mm_loadl_epi64(reinterpret_cast<const __m128i*>(burst.networks + i));
  const __m128i marks = _mm_loadl_epi64(reinterpret_cast<const __m128i*>(burst.marks + i));
  /* All zero where the packet is right. */
  const __m128i wrong16 = _mm_or_si128(_mm_xor_si128(types, _mm_set1_epi16(0x0800)), _mm_xor_si128(transports, _mm_set1_epi16(34)));
  const __m128i wrong8 = _mm_or_si128(_mm_xor_si128(networks, _mm_set1_epi8(14)), marks);
  __m256i wrong = _mm256_cvtepu16_epi32(_mm_or_si128(wrong16, _mm_cvtepu8_epi16(wrong8)));
  LineColumns columns;
  columns.protocols = _mm256_cvtepu8_epi32(_mm_loadl_epi64(reinterpret_cast<const __m128i*>(burst.protocols + i)));
  columns.ends = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(burst.ends + i));
  columns.udp = _mm256_cmpeq_epi32(columns.protocols, _mm256_set1_epi32(17));
  const __m256i tcp = _mm256_cmpeq_epi32(columns.protocols, _mm256_set1_epi32(6));
  /* Ends of 2^31 and more are negative here. */
  const __m256i least = _mm256_add_epi32(_mm256_set1_epi32(46), _mm256_and_si256(tcp, _mm256_set1_epi32(8)));
  wrong = _mm256_or_si256(wrong, _mm256_cmpgt_epi32(least, columns.ends));
  wrong = _mm256_or_si256(wrong, _mm256_cmpgt_epi32(columns.ends, _mm256_set1_epi32(kLineEnd)));
  const __m256i right = _mm256_cmpeq_epi32(wrong, _mm256_setzero_si256());
  columns.fits = _mm256_and_si256(right, _mm256_or_si256(tcp, columns.udp));
  return columns;
}

/* 16 bytes of packet k in the low lane, of packet k + 4 in the high one: no shuffle is needed to bring eight packets into order. */
[[gnu::always_inline]] static inline __m256i load_line_pair(const uint8_t* const* frames, uint32_t k, uint32_t offset) {
  const __m128i low = _mm_loadu_si128(reinterpret_cast<const __m128i*>(frames[k] + offset));
  return _mm256_inserti128_si256(_mm256_castsi128_si256(low), _mm_loadu_si128(reinterpret_cast<const __m128i*>(frames[k + 4] + offset)), 1);
}

/* Sums of the dwords of eight packets, packet k in lane k: 9 shuffles and additions. */
[[gnu::always_inline]] static inline __m256i add_rows(const __m256i* row) {
  const __m256i rows01 = _mm256_add_epi32(_mm256_unpacklo_epi32(row[0], row[1]), _mm256_unpackhi_epi32(row[0], row[1]));
  const __m256i rows23 = _mm256_add_epi32(_mm256_unpacklo_epi32(row[2], row[3]), _mm256_unpackhi_epi32(row[2], row[3]));
  return _mm256_add_epi32(_mm256_unpacklo_epi64(rows01, rows23), _mm256_unpackhi_epi64(rows01, rows23));
}

/* Sums of the words that checksums cover, and frame bytes 38 to 41: of UDP length and checksum. */
struct LineSums {
  __m256i header;
  __m256i transport; /* with addresses, without protocol and length */
  __m256i bytes38;
};

/* In a slot, 16-byte parts from frame byte 14 on are aligned: no load crosses a line. About 100 instructions for eight packets. */
[[gnu::always_inline]] static inline LineSums add_eight_lines(const uint8_t* const* frames, __m256i ends) {
  const __m256i none = _mm256_setzero_si256();
  const __m256i places = _mm256_broadcastsi128_si256(_mm_setr_epi8(46, 47, 48, 49, 50, 51, 52, 53, 54, 55, 56, 57, 58, 59, 60, 61));
  __m256i header[4], transport[4], middle[4];
  for (uint32_t k = 0; k < 4; k++) {
    const __m256i end = _mm256_shuffle_epi8(ends, _mm256_set1_epi8(static_cast<char>(4 * k)));
    const __m256i inside = _mm256_cmpgt_epi8(end, places);
    middle[k] = load_line_pair(frames, k, 30);
    const __m256i sums14 = pair_sums(load_line_pair(frames, k, 14)), sums30 = pair_sums(middle[k]);
    const __m256i sums46 = pair_sums(_mm256_and_si256(load_line_pair(frames, k, 46), inside));
    header[k] = _mm256_add_epi32(sums14, _mm256_blend_epi32(none, sums30, 0x11));
    transport[k] = _mm256_add_epi32(_mm256_add_epi32(sums30, sums46), _mm256_blend_epi32(none, sums14, 0x88));
  }
  LineSums sums;
  /* pair_sums(): 5 pairs of the header and 9 of the rest, each 65536 too small. */
  sums.header = _mm256_add_epi32(add_rows(header), _mm256_set1_epi32(5 * 65536));
  sums.transport = _mm256_add_epi32(add_rows(transport), _mm256_set1_epi32(9 * 65536));
  sums.bytes38 = _mm256_unpacklo_epi64(_mm256_unpackhi_epi32(middle[0], middle[1]), _mm256_unpackhi_epi32(middle[2], middle[3]));
  return sums;
}

/* Ones where a sum of fewer than 32 words, not all of them zero, is a multiple of 0xffff: one fold leaves at most 0xffff + 31. */
[[gnu::always_inline]] static inline __m256i sums_good(__m256i sums) {
  return _mm256_cmpeq_epi32(add_halves(sums), _mm256_set1_epi32(0xffff));
}

/* Byte k is the verdict of packet i + k. Reads frame bytes 14 to 61 of all eight if any of them is one that this file is about. */
[[gnu::always_inline]] static inline uint64_t check_eight_lines(const Burst256& burst, uint32_t i, LineVerdicts verdicts) {
  const LineColumns columns = load_line_columns(burst, i);
  const __m256i unsettled = _mm256_set1_epi32(static_cast<int8_t>(verdicts.unsettled)); /* packed with a sign */
  if (_mm256_testz_si256(columns.fits, columns.fits)) return 0x0101010101010101u * verdicts.unsettled;
  const LineSums sums = add_eight_lines(burst.frames + i, columns.ends);
  /* Below 256, so that bytes swapped are bytes shifted. */
  const __m256i length = _mm256_slli_epi32(_mm256_sub_epi32(columns.ends, _mm256_set1_epi32(34)), 8);
  const __m256i pseudo = _mm256_add_epi32(length, _mm256_slli_epi32(columns.protocols, 8));
  const __m256i good = sums_good(_mm256_add_epi32(sums.transport, pseudo));
  /* UDP that claims another length than IP has its sum over that one: rare, and not for here. */
  const __m256i claimed = _mm256_and_si256(sums.bytes38, _mm256_set1_epi32(0xffff));
  const __m256i settled = _mm256_andnot_si256(_mm256_andnot_si256(_mm256_cmpeq_epi32(claimed, length), columns.udp), columns.fits);
  const __m256i zero = _mm256_cmpeq_epi32(_mm256_srli_epi32(sums.bytes38, 16), _mm256_setzero_si256());
  const __m256i bad = _mm256_set1_epi32(verdicts.bad);
  __m256i verdict = _mm256_blendv_epi8(bad, _mm256_set1_epi32(verdicts.good), good);
  verdict = _mm256_blendv_epi8(verdict, _mm256_set1_epi32(verdicts.absent), _mm256_and_si256(zero, columns.udp));
  verdict = _mm256_blendv_epi8(bad, verdict, sums_good(sums.header));
  return pack_lanes(_mm256_blendv_epi8(unsettled, verdict, settled));
}

}  // namespace model_t::MODEL_T_ISA

#endif
#endif
