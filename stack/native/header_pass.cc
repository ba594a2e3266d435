/* See header_pass.h. Kernel file (vector.h); 256-bit vectors in both vector ISAs. */
#include "header_pass.h"

#include "vector.h"

#if MODEL_T_VECTOR_BYTES

namespace model_t::MODEL_T_ISA {

HeaderPass find_header_pass(const HeaderPassPlan& plan);

namespace {

/* Frame bytes 10-25, 26-41 and 42-57 as dwords, packet k of eight in lane k. Names say which frame bytes. */
struct Headers {
  __m256i bytes10; /* source address's end, type in the high half */
  __m256i bytes14; /* version, header length, service; total length in the high half */
  __m256i bytes18; /* identification; flags and offset in the high half */
  __m256i bytes22; /* TTL, protocol; header checksum in the high half */
  __m256i bytes26; /* source */
  __m256i bytes30; /* destination */
  __m256i bytes34; /* ports */
  __m256i bytes38; /* of UDP: length; checksum in the high half */
};

[[gnu::always_inline]] inline __m128i load16(const uint8_t* at) { return _mm_loadu_si128(reinterpret_cast<const __m128i*>(at)); }

/* 16 bytes of packet k in the low lane, of packet k + 4 in the high one: half of the transposition costs no shuffle. */
[[gnu::always_inline]] inline __m256i load_pair(const uint8_t* const* frames, uint32_t k, uint32_t offset) {
  return _mm256_inserti128_si256(_mm256_castsi128_si256(load16(frames[k] + offset)), load16(frames[k + 4] + offset), 1);
}

/* Four dwords at `offset` of eight packets as four columns. */
[[gnu::always_inline]] inline void load_columns(const uint8_t* const* frames, uint32_t offset, __m256i* a, __m256i* b, __m256i* c, __m256i* d) {
  const __m256i row0 = load_pair(frames, 0, offset), row1 = load_pair(frames, 1, offset);
  const __m256i row2 = load_pair(frames, 2, offset), row3 = load_pair(frames, 3, offset);
  const __m256i low01 = _mm256_unpacklo_epi32(row0, row1), high01 = _mm256_unpackhi_epi32(row0, row1);
  const __m256i low23 = _mm256_unpacklo_epi32(row2, row3), high23 = _mm256_unpackhi_epi32(row2, row3);
  *a = _mm256_unpacklo_epi64(low01, low23);
  *b = _mm256_unpackhi_epi64(low01, low23);
  *c = _mm256_unpacklo_epi64(high01, high23);
  *d = _mm256_unpackhi_epi64(high01, high23);
}

/*
 * Constants in memory, behind a pointer that the compiler cannot look through: with 16 registers it would else build many of
 * them anew in every round, at two or three instructions each, where a memory operand costs none.
 */
struct Constants {
  alignas(32) uint32_t frame_start[8] = {0x00080045, 0x00080045, 0x00080045, 0x00080045, 0x00080045, 0x00080045, 0x00080045, 0x00080045};
  alignas(32) uint32_t frame_mask[8] = {0xffff00ff, 0xffff00ff, 0xffff00ff, 0xffff00ff, 0xffff00ff, 0xffff00ff, 0xffff00ff, 0xffff00ff};
  alignas(32) uint32_t fragment[8] = {0xffbf0000, 0xffbf0000, 0xffbf0000, 0xffbf0000, 0xffbf0000, 0xffbf0000, 0xffbf0000, 0xffbf0000};
  alignas(32) uint32_t protocol[8] = {0xff00, 0xff00, 0xff00, 0xff00, 0xff00, 0xff00, 0xff00, 0xff00};
  alignas(32) uint32_t tcp[8] = {0x0600, 0x0600, 0x0600, 0x0600, 0x0600, 0x0600, 0x0600, 0x0600};
  alignas(32) uint32_t udp[8] = {0x1100, 0x1100, 0x1100, 0x1100, 0x1100, 0x1100, 0x1100, 0x1100};
  alignas(32) uint32_t eight[8] = {8, 8, 8, 8, 8, 8, 8, 8};
  alignas(32) uint32_t fourteen[8] = {14, 14, 14, 14, 14, 14, 14, 14};
  alignas(32) uint32_t twenty[8] = {20, 20, 20, 20, 20, 20, 20, 20};
  alignas(32) uint32_t offset[8] = {0xf0, 0xf0, 0xf0, 0xf0, 0xf0, 0xf0, 0xf0, 0xf0};
  alignas(32) uint32_t udp_length[8] = {0xf8ff, 0xf8ff, 0xf8ff, 0xf8ff, 0xf8ff, 0xf8ff, 0xf8ff, 0xf8ff};
  alignas(32) uint32_t low_half[8] = {0xffff, 0xffff, 0xffff, 0xffff, 0xffff, 0xffff, 0xffff, 0xffff};
  alignas(32) uint32_t bias[8] = {0x80008000, 0x80008000, 0x80008000, 0x80008000, 0x80008000, 0x80008000, 0x80008000, 0x80008000};
  alignas(32) uint32_t ones[8] = {0x10001, 0x10001, 0x10001, 0x10001, 0x10001, 0x10001, 0x10001, 0x10001};
  alignas(32) uint32_t five_biases[8] = {327680, 327680, 327680, 327680, 327680, 327680, 327680, 327680};
  alignas(32) int8_t big_high[32] = {3, 2, -1, -1, 7, 6, -1, -1, 11, 10, -1, -1, 15, 14, -1, -1, 3, 2, -1, -1, 7, 6, -1, -1, 11, 10, -1, -1, 15, 14, -1, -1};
  alignas(32) int8_t big_low[32] = {1, 0, -1, -1, 5, 4, -1, -1, 9, 8, -1, -1, 13, 12, -1, -1, 1, 0, -1, -1, 5, 4, -1, -1, 9, 8, -1, -1, 13, 12, -1, -1};
};

const Constants kConstants;

[[gnu::always_inline]] inline const Constants* constants() {
  const Constants* pointer = &kConstants;
  __asm__("" : "+r"(pointer));
  return pointer;
}

template <typename T>
[[gnu::always_inline]] inline __m256i of(const T& constant) {
  return _mm256_load_si256(reinterpret_cast<const __m256i*>(constant));
}

/* Both halves of each lane added, less 65536: one multiply-add on numbers made signed. */
[[gnu::always_inline]] inline __m256i biased_halves(const Constants& c, __m256i value) {
  return _mm256_madd_epi16(_mm256_xor_si256(value, of(c.bias)), of(c.ones));
}

/* Ones where the one's-complement sum of the header (RFC 1071) is 0xffff. Ten halves: one fold is enough to tell. */
[[gnu::always_inline]] inline __m256i checksum_good(const Constants& c, const Headers& h) {
  __m256i sum = _mm256_add_epi32(biased_halves(c, h.bytes14), biased_halves(c, h.bytes18));
  sum = _mm256_add_epi32(sum, _mm256_add_epi32(biased_halves(c, h.bytes22), biased_halves(c, h.bytes26)));
  sum = _mm256_add_epi32(sum, _mm256_add_epi32(biased_halves(c, h.bytes30), of(c.five_biases)));
  const __m256i folded = _mm256_add_epi32(_mm256_and_si256(sum, of(c.low_half)), _mm256_srli_epi32(sum, 16));
  return _mm256_cmpeq_epi32(folded, of(c.low_half));
}

/* TCP data offset of eight packets in bytes. */
[[gnu::always_inline]] inline __m256i data_offsets(const Constants& c, const uint8_t* const* frames) {
  const __m256i low01 = _mm256_unpacklo_epi32(load_pair(frames, 0, 42), load_pair(frames, 1, 42));
  const __m256i low23 = _mm256_unpacklo_epi32(load_pair(frames, 2, 42), load_pair(frames, 3, 42));
  const __m256i bytes46 = _mm256_unpackhi_epi64(low01, low23);
  return _mm256_srli_epi32(_mm256_and_si256(bytes46, of(c.offset)), 2);
}

/* Eight lanes of 32 bits below 65536 to 16 bits. */
[[gnu::always_inline]] inline void store16(uint16_t* to, __m256i value) {
  const __m256i packed = _mm256_permute4x64_epi64(_mm256_packus_epi32(value, value), 0x08);
  _mm_storeu_si128(reinterpret_cast<__m128i*>(to), _mm256_castsi256_si128(packed));
}

[[gnu::always_inline]] inline void store_constant8(uint8_t* to, uint64_t byte) {
  const uint64_t bytes = byte * 0x0101010101010101u;
  memcpy(to, &bytes, 8);
}

[[gnu::always_inline]] inline void store_columns(Burst256& burst, uint32_t i, const Headers& h, __m256i total) {
  store16(burst.types + i, _mm256_set1_epi32(0x0800));
  store16(burst.transports + i, _mm256_set1_epi32(34));
  _mm256_storeu_si256(reinterpret_cast<__m256i*>(burst.ends + i), _mm256_add_epi32(total, _mm256_set1_epi32(14)));
  store_constant8(burst.networks + i, 14);
  store_constant8(burst.marks + i, 0);
  const __m256i pick = _mm256_setr_epi8(1, 5, 9, 13, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, 1, 5, 9, 13, -1, -1, -1, -1, -1, -1, -1,
                                        -1, -1, -1, -1, -1);
  const __m256i protocols = _mm256_permutevar8x32_epi32(_mm256_shuffle_epi8(h.bytes22, pick), _mm256_setr_epi32(0, 4, 1, 1, 1, 1, 1, 1));
  const uint64_t eight = static_cast<uint64_t>(_mm_cvtsi128_si64(_mm256_castsi256_si128(protocols)));
  memcpy(burst.protocols + i, &eight, 8);
}

/* The class of each row; rows that are not plain get theirs afterwards. */
template <HeaderPassPlan::Class kClass>
[[gnu::always_inline]] inline __m256i ports(const Constants& c, const Headers& h) {
  if (kClass == HeaderPassPlan::destination_port) return _mm256_shuffle_epi8(h.bytes34, of(c.big_high));
  if (kClass == HeaderPassPlan::source_port) return _mm256_shuffle_epi8(h.bytes34, of(c.big_low));
  return _mm256_min_epu32(_mm256_shuffle_epi8(h.bytes34, of(c.big_high)), _mm256_shuffle_epi8(h.bytes34, of(c.big_low)));
}

[[gnu::always_inline]] inline uint32_t bits(__m256i mask) { return static_cast<uint32_t>(_mm256_movemask_ps(_mm256_castsi256_ps(mask))); }

/*
 * Rows i to i + 7. Returns a bit for each row that is unusual. About 120 instructions for eight packets: loads that do half of
 * the transposition, 16 to 19 shuffles, the rest arithmetic.
 */
template <bool kTcp, bool kVerify, HeaderPassPlan::Class kClass>
[[gnu::always_inline]] inline uint32_t judge_eight(const Constants& c, const HeaderPassPlan& plan, Burst256& burst, uint32_t i,
                                                   HeaderPassCounts& counts, __m256i* bytes) {
  const uint8_t* const* frames = burst.frames + i;
  Headers h;
  load_columns(frames, 10, &h.bytes10, &h.bytes14, &h.bytes18, &h.bytes22);
  load_columns(frames, 26, &h.bytes26, &h.bytes30, &h.bytes34, &h.bytes38);
  /* Type 0x0800, version 4 with five words, no fragment ("do not fragment" does not count): all zero where that is so. */
  const __m256i start = _mm256_xor_si256(_mm256_blend_epi16(h.bytes14, h.bytes10, 0xaa), of(c.frame_start));
  __m256i wrong = _mm256_or_si256(_mm256_and_si256(start, of(c.frame_mask)), _mm256_and_si256(h.bytes18, of(c.fragment)));
  const __m256i protocol = _mm256_and_si256(h.bytes22, of(c.protocol));
  const __m256i tcp = _mm256_cmpeq_epi32(protocol, of(c.tcp));
  const __m256i udp = _mm256_cmpeq_epi32(protocol, of(c.udp));
  /* 255 is reserved and stands for "no protocol" in bursts. */
  wrong = _mm256_or_si256(wrong, _mm256_cmpeq_epi32(protocol, of(c.protocol)));
  const __m256i total = _mm256_shuffle_epi8(h.bytes14, of(c.big_high));
  const __m256i length = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(burst.lengths + i));
  /* The IP packet ends at most 64 MiB before the frame does: else it is cut, or the sum of lengths might not fit. */
  const __m256i trailer = _mm256_sub_epi32(length, _mm256_add_epi32(total, of(c.fourteen)));
  wrong = _mm256_or_si256(wrong, _mm256_srli_epi32(trailer, 26));
  /* A whole header, and a whole transport header of the length it claims. */
  __m256i least = _mm256_add_epi32(of(c.twenty), _mm256_and_si256(udp, of(c.eight)));
  if (kTcp) {
    const __m256i offset = data_offsets(c, frames);
    least = _mm256_add_epi32(least, _mm256_and_si256(tcp, offset));
    wrong = _mm256_or_si256(wrong, _mm256_and_si256(tcp, _mm256_cmpgt_epi32(of(c.twenty), offset)));
  } else {
    least = _mm256_add_epi32(least, _mm256_and_si256(tcp, of(c.twenty)));
  }
  wrong = _mm256_or_si256(wrong, _mm256_cmpgt_epi32(least, total));
  /* UDP lengths below 8, where 0 may be a jumbogram or offload: rare enough. */
  const __m256i short_udp = _mm256_cmpeq_epi32(_mm256_and_si256(h.bytes38, of(c.udp_length)), _mm256_setzero_si256());
  wrong = _mm256_or_si256(wrong, _mm256_and_si256(udp, short_udp));
  __m256i plain = _mm256_cmpeq_epi32(wrong, _mm256_setzero_si256());
  if (kVerify) plain = _mm256_and_si256(plain, checksum_good(c, h));
  *bytes = _mm256_add_epi32(*bytes, _mm256_and_si256(plain, length));
  const uint32_t rows = bits(plain);
  counts.tcp += static_cast<uint32_t>(__builtin_popcount(bits(tcp) & rows));
  counts.udp += static_cast<uint32_t>(__builtin_popcount(bits(udp) & rows));
  if (kClass == HeaderPassPlan::lower_port) { /* of the protocols whose operation is there */
    const __m256i classified = kTcp && plan.checks_udp ? _mm256_or_si256(tcp, udp) : kTcp ? tcp : udp;
    store16(burst.classes + i, _mm256_and_si256(ports<kClass>(c, h), classified));
  } else if (kClass != HeaderPassPlan::none) {
    store16(burst.classes + i, _mm256_and_si256(ports<kClass>(c, h), _mm256_or_si256(tcp, udp)));
  }
  if (plan.stores_columns) store_columns(burst, i, h, total);
  return rows ^ 0xff;
}

[[gnu::always_inline]] inline uint64_t add_lanes(__m256i value) {
  uint32_t lanes[8];
  uint64_t sum = 0;
  memcpy(lanes, &value, sizeof lanes);
  for (const uint32_t lane : lanes) sum += lane;
  return sum;
}

template <bool kTcp, bool kVerify, HeaderPassPlan::Class kClass>
uint32_t run_pass(const HeaderPassPlan& plan, Burst256& burst, HeaderPassCounts& counts, uint8_t* unusual) {
  const Constants& c = *constants();
  __m256i bytes = _mm256_setzero_si256(); /* at most 32 lengths below 2^27 in a lane */
  HeaderPassCounts seen;
  uint32_t found = 0;
  const uint32_t whole = burst.count & ~7u;
  for (uint32_t i = 0; i < whole; i += 8) {
    for (uint32_t rows = judge_eight<kTcp, kVerify, kClass>(c, plan, burst, i, seen, &bytes); rows; rows &= rows - 1) [[unlikely]] {
      unusual[found++] = static_cast<uint8_t>(i + static_cast<uint32_t>(__builtin_ctz(rows)));
    }
  }
  counts = seen;
  counts.plain = whole - found;
  counts.bytes = add_lanes(bytes);
  for (uint32_t i = whole; i < burst.count; i++) unusual[found++] = static_cast<uint8_t>(i);
  return found;
}

template <bool kTcp, bool kVerify>
HeaderPass pass_for(HeaderPassPlan::Class classes) {
  switch (classes) {
    case HeaderPassPlan::lower_port: return run_pass<kTcp, kVerify, HeaderPassPlan::lower_port>;
    case HeaderPassPlan::destination_port: return run_pass<kTcp, kVerify, HeaderPassPlan::destination_port>;
    case HeaderPassPlan::source_port: return run_pass<kTcp, kVerify, HeaderPassPlan::source_port>;
    default: return run_pass<kTcp, kVerify, HeaderPassPlan::none>;
  }
}

}  // namespace

/* The pass compiled for this plan: what differs from plan to plan costs nothing in the loop. */
HeaderPass find_header_pass(const HeaderPassPlan& plan) {
  if (plan.checks_tcp) return plan.verifies ? pass_for<true, true>(plan.classes) : pass_for<true, false>(plan.classes);
  return plan.verifies ? pass_for<false, true>(plan.classes) : pass_for<false, false>(plan.classes);
}

}  // namespace model_t::MODEL_T_ISA

#endif
