/* Digest of a burst, and the table of all inner loops of the stack for one ISA. Kernel file (see vector.h). */
#include "../include/model_t_ring.h"
#include "match_operation.h"
#include "operation.h"
#include "vector.h"

namespace model_t::MODEL_T_ISA {

void run_eth(Burst256& burst, OperationState& state);
void run_ip4(Burst256& burst, OperationState& state);
void run_ip6(Burst256& burst, OperationState& state);
void run_tcp(Burst256& burst, OperationState& state);
void run_udp(Burst256& burst, OperationState& state);
void run_checksum_verify(Burst256& burst, OperationState& state);
void run_count(Burst256& burst, OperationState& state);
void run_vlan(Burst256& burst, OperationState& state);
void run_icmp(Burst256& burst, OperationState& state);
void run_port(Burst256& burst, OperationState& state);
void run_decrement_ttl(Burst256& burst, OperationState& state);
void run_sample(Burst256& burst, OperationState& state);
void run_drop(Burst256& burst, OperationState& state);
void run_sink(Burst256& burst, OperationState& state);
void run_null(Burst256& burst, OperationState& state);
void run_skeleton(Burst256& burst, OperationState& state);
HeaderPass find_header_pass(const HeaderPassPlan& plan);
void run_match(Burst256& burst, OperationState& state);

namespace {

#if MODEL_T_VECTOR_BYTES

constexpr uint32_t kVectorsPerLine = 64 / MODEL_T_VECTOR_BYTES;

[[gnu::always_inline]] inline VectorU64 first_keys(uint32_t vector) {
  VectorU64 keys;
  for (uint32_t lane = 0; lane < kLanes64; lane++) keys[lane] = (vector * kLanes64 + lane + 1) * MODEL_T_DIGEST_GAMMA;
  return keys;
}

[[gnu::always_inline]] inline VectorU64 absorb(VectorU64 sum, VectorU64 x, VectorU64 key) {
  const VectorU64 y = x ^ key;
  return sum + multiply_low_halves(y, y >> 32) + x;
}

struct Accumulator {
  VectorU64 sums[kVectorsPerLine] = {};
  VectorU64 keys[kVectorsPerLine];

  [[gnu::always_inline]] Accumulator() {
#pragma GCC unroll 2
    for (uint32_t v = 0; v < kVectorsPerLine; v++) keys[v] = first_keys(v);
  }
  [[gnu::always_inline]] void line(const uint8_t* at) {
#pragma GCC unroll 2
    for (uint32_t v = 0; v < kVectorsPerLine; v++) sums[v] = absorb(sums[v], load<VectorU64>(at + v * MODEL_T_VECTOR_BYTES), keys[v]);
  }
  [[gnu::always_inline]] void next_keys() {
#pragma GCC unroll 2
    for (uint32_t v = 0; v < kVectorsPerLine; v++) keys[v] += 8 * MODEL_T_DIGEST_GAMMA;
  }
  /* Four lanes whose sum is the sum over all words. */
  [[gnu::always_inline]] QuadU64 lanes() const {
#if MODEL_T_VECTOR_BYTES == 64
    return __builtin_shufflevector(sums[0], sums[0], 0, 1, 2, 3) + __builtin_shufflevector(sums[0], sums[0], 4, 5, 6, 7);
#else
    return sums[0] + sums[1];
#endif
  }
};

[[gnu::always_inline]] inline uint32_t lines_of(uint32_t length) { return (MODEL_T_FRAME_OFFSET + length + 63) / 64; }

/* Whole lines: a slot's padding is zero (model_t_ring.h). */
[[gnu::always_inline]] inline QuadU64 packet_lanes(const uint8_t* frame, uint32_t lines) {
  const uint8_t* at = frame - MODEL_T_FRAME_OFFSET;
  Accumulator accumulator;
  accumulator.line(at);
  for (uint32_t line = 1; line < lines; line++) {
    accumulator.next_keys();
    accumulator.line(at + line * 64);
  }
  return accumulator.lanes();
}

[[gnu::always_inline]] inline QuadU64 mix(QuadU64 h) {
  h ^= h >> 32;
  h = multiply_quad(h, 0xd6e8feb86659fd93ull);
  h ^= h >> 29;
  h = multiply_quad(h, 0xbf58476d1ce4e5b9ull);
  return h ^ (h >> 32);
}

uint64_t digest(const uint8_t* const* frames, const uint32_t* lengths, uint32_t count, uint32_t line_limit) {
  const uint32_t limit = line_limit ? line_limit : UINT32_MAX;
  QuadU64 total = {};
  uint32_t i = 0;
  for (; i + 4 <= count; i += 4) { /* four packets: add across lanes by transposing, mix them side by side */
    const uint32_t longest = (lengths[i] | lengths[i + 1] | lengths[i + 2] | lengths[i + 3]);
    QuadU64 lanes[4];
    if (longest < 64 - MODEL_T_FRAME_OFFSET) { /* one line each, and no branch about it */
#pragma GCC unroll 4
      for (uint32_t p = 0; p < 4; p++) lanes[p] = packet_lanes(frames[i + p], 1);
    } else {
      for (uint32_t p = 0; p < 4; p++) {
        const uint32_t lines = lines_of(lengths[i + p]);
        lanes[p] = packet_lanes(frames[i + p], lines < limit ? lines : limit);
      }
    }
    const QuadU64 ab = __builtin_shufflevector(lanes[0], lanes[1], 0, 4, 2, 6) + __builtin_shufflevector(lanes[0], lanes[1], 1, 5, 3, 7);
    const QuadU64 cd = __builtin_shufflevector(lanes[2], lanes[3], 0, 4, 2, 6) + __builtin_shufflevector(lanes[2], lanes[3], 1, 5, 3, 7);
    const QuadU64 sums = __builtin_shufflevector(ab, cd, 0, 1, 4, 5) + __builtin_shufflevector(ab, cd, 2, 3, 6, 7);
    const QuadU64 sizes = {lengths[i], lengths[i + 1], lengths[i + 2], lengths[i + 3]};
    total += mix(sums + multiply_quad(sizes, MODEL_T_DIGEST_GAMMA));
  }
  uint64_t sum = total[0] + total[1] + total[2] + total[3];
  for (; i < count; i++) sum += model_t_digest_packet(frames[i], lengths[i], line_limit);
  return sum;
}

#else

uint64_t digest(const uint8_t* const* frames, const uint32_t* lengths, uint32_t count, uint32_t line_limit) {
  uint64_t sum = 0;
  for (uint32_t i = 0; i < count; i++) sum += model_t_digest_packet(frames[i], lengths[i], line_limit);
  return sum;
}

#endif

/* One by one, each descriptor read as a whole: also for a lag reader, whose descriptors may be overwritten meanwhile. */
bool take_each(const model_t_descriptor* descriptors, uint32_t count, uint32_t number, const model_t_region& region, Burst256& burst,
               uint32_t row, uint64_t* bytes) {
  uint32_t unusual = 0;
  for (uint32_t i = 0; i < count; i++) {
    const model_t_descriptor descriptor = model_t_descriptor_load(&descriptors[i]);
    unusual |= (descriptor.flags & ~MODEL_T_END_OF_LAP) | (descriptor.region ^ number) |
               static_cast<uint32_t>(!model_t_slot_fits(&descriptor, region.bytes));
    const uint8_t* const frame = region.start + descriptor.offset;
    __builtin_prefetch(frame); /* another core wrote it: fetched while there is something else to do */
    burst.frames[row + i] = frame;
    burst.lengths[row + i] = descriptor.length;
    *bytes += descriptor.length;
  }
  return unusual == 0;
}

#if MODEL_T_VECTOR_BYTES

/* Descriptor `low` below descriptor `low + 4`. */
[[gnu::always_inline]] static inline __m256i descriptor_pair(const model_t_descriptor* low) {
  const __m128i* const at = reinterpret_cast<const __m128i*>(low);
  return _mm256_inserti128_si256(_mm256_castsi128_si256(_mm_loadu_si128(at)), _mm_loadu_si128(at + 4), 1);
}

/* Eight descriptors at once, transposed into columns: 12 cycles a packet one by one, 4 like this (60 B, Zen 3). */
bool take(const model_t_descriptor* descriptors, uint32_t count, uint32_t number, const model_t_region& region, Burst256& burst,
          uint32_t row, uint64_t* bytes) {
  const __m256i start = _mm256_set1_epi64x(static_cast<int64_t>(reinterpret_cast<uintptr_t>(region.start)));
  const __m256i place = _mm256_set1_epi32(static_cast<int>(number << 16)), plain = _mm256_set1_epi32(static_cast<int>(~MODEL_T_END_OF_LAP));
  /* The end of the region in 32 bits; at the very end of 4 GiB a slot counts as unusual. */
  const uint64_t last = region.bytes & ~63ull;
  const __m256i end = _mm256_set1_epi32(static_cast<int>(last > UINT32_MAX ? UINT32_MAX & ~63u : static_cast<uint32_t>(last)));
  const __m256i in_line = _mm256_set1_epi32(63), at_two = _mm256_set1_epi32(MODEL_T_FRAME_OFFSET);
  __m256i unusual = _mm256_setzero_si256(), fits = _mm256_set1_epi32(-1), sum = _mm256_setzero_si256();
  uint32_t i = 0;
  for (; i + 8 <= count; i += 8) {
    const __m256i even = _mm256_unpacklo_epi32(descriptor_pair(descriptors + i), descriptor_pair(descriptors + i + 2));
    const __m256i odd = _mm256_unpacklo_epi32(descriptor_pair(descriptors + i + 1), descriptor_pair(descriptors + i + 3));
    const __m256i even_high = _mm256_unpackhi_epi32(descriptor_pair(descriptors + i), descriptor_pair(descriptors + i + 2));
    const __m256i odd_high = _mm256_unpackhi_epi32(descriptor_pair(descriptors + i + 1), descriptor_pair(descriptors + i + 3));
    const __m256i flags = _mm256_unpacklo_epi32(even, odd), lengths = _mm256_unpackhi_epi32(even, odd);
    const __m256i offsets = _mm256_unpacklo_epi32(even_high, odd_high);
    const __m256i ends = _mm256_add_epi32(offsets, lengths);
    unusual = _mm256_or_si256(unusual, _mm256_xor_si256(_mm256_and_si256(flags, plain), place));
    unusual = _mm256_or_si256(unusual, _mm256_xor_si256(_mm256_and_si256(offsets, in_line), at_two));
    unusual = _mm256_or_si256(unusual, _mm256_srli_epi32(lengths, 26)); /* so that 32 of them add up in 32 bits */
    fits = _mm256_and_si256(fits, _mm256_cmpeq_epi32(_mm256_max_epu32(ends, offsets), ends)); /* did not go round */
    fits = _mm256_and_si256(fits, _mm256_cmpeq_epi32(_mm256_max_epu32(ends, end), end));
    sum = _mm256_add_epi32(sum, lengths);
    const __m256i low = _mm256_cvtepu32_epi64(_mm256_castsi256_si128(offsets)), high = _mm256_cvtepu32_epi64(_mm256_extracti128_si256(offsets, 1));
    _mm256_storeu_si256(reinterpret_cast<__m256i*>(burst.frames + row + i), _mm256_add_epi64(start, low));
    _mm256_storeu_si256(reinterpret_cast<__m256i*>(burst.frames + row + i + 4), _mm256_add_epi64(start, high));
    _mm256_storeu_si256(reinterpret_cast<__m256i*>(burst.lengths + row + i), lengths);
#pragma GCC unroll 8
    for (uint32_t k = 0; k < 8; k++) __builtin_prefetch(burst.frames[row + i + k]);
  }
  const bool good = _mm256_testz_si256(unusual, unusual) && _mm256_movemask_epi8(fits) == -1;
  alignas(32) uint32_t sums[8];
  _mm256_store_si256(reinterpret_cast<__m256i*>(sums), sum);
  for (const uint32_t part : sums) *bytes += part;
  return take_each(descriptors + i, count - i, number, region, burst, row + i, bytes) && good;
}

#else

constexpr auto take = take_each;

#endif

void pull(Burst256& burst, const uint8_t* first, const uint32_t* lines, const uint32_t* lengths) {
  uint32_t i = 0;
#if MODEL_T_VECTOR_BYTES
  const __m256i start = _mm256_set1_epi64x(static_cast<int64_t>(reinterpret_cast<uintptr_t>(first)));
  for (; i + 8 <= burst.count; i += 8) { /* pointers and lengths of eight packets: the compiler makes no vectors of pointers */
    for (uint32_t half = 0; half < 8; half += 4) {
      const __m256i offsets = _mm256_slli_epi64(_mm256_cvtepu32_epi64(_mm_loadu_si128(reinterpret_cast<const __m128i*>(lines + i + half))), 6);
      _mm256_storeu_si256(reinterpret_cast<__m256i*>(burst.frames + i + half), _mm256_add_epi64(start, offsets));
    }
    _mm256_storeu_si256(reinterpret_cast<__m256i*>(burst.lengths + i), _mm256_loadu_si256(reinterpret_cast<const __m256i*>(lengths + i)));
  }
#endif
  for (; i < burst.count; i++) {
    burst.frames[i] = first + static_cast<uint64_t>(lines[i]) * 64;
    burst.lengths[i] = lengths[i];
  }
}

#if MODEL_T_VECTOR_BYTES
using Word = VectorU64;
#else
using Word = uint64_t;
#endif

/* One addition per load into four sums, so that the loads set the pace. The result must look used. */
void read_bytes(const uint8_t* from, uint64_t bytes) {
  Word sums[4] = {};
  const uint8_t* const end = from + bytes;
  for (; from + 4 * sizeof(Word) <= end; from += 4 * sizeof(Word)) {
#pragma GCC unroll 4
    for (uint32_t i = 0; i < 4; i++) {
      Word word;
      memcpy(&word, from + i * sizeof(Word), sizeof word);
      sums[i] += word;
    }
  }
  for (; from < end; from += sizeof(Word)) {
    Word word;
    memcpy(&word, from, sizeof word);
    sums[0] += word;
  }
  const Word sum = sums[0] + sums[1] + sums[2] + sums[3];
  __asm__ __volatile__("" ::"m"(sum));
}

#define MODEL_T_STRING_OF(name) #name
#define MODEL_T_STRING(name) MODEL_T_STRING_OF(name)

/* Those of OPERATIONS (stack/operations.ts) that are compiled for each instruction set. */
const OperationBody kOperations[] = {
    {"eth", MODEL_T_STRING(MODEL_T_ISA), run_eth},
    {"ip4", MODEL_T_STRING(MODEL_T_ISA), run_ip4},
    {"ip6", MODEL_T_STRING(MODEL_T_ISA), run_ip6},
    {"tcp", MODEL_T_STRING(MODEL_T_ISA), run_tcp},
    {"udp", MODEL_T_STRING(MODEL_T_ISA), run_udp},
    {"checksum-verify", MODEL_T_STRING(MODEL_T_ISA), run_checksum_verify},
    {"count", MODEL_T_STRING(MODEL_T_ISA), run_count},
    {"vlan", MODEL_T_STRING(MODEL_T_ISA), run_vlan},
    {"icmp", MODEL_T_STRING(MODEL_T_ISA), run_icmp},
    {"port", MODEL_T_STRING(MODEL_T_ISA), run_port},
    {"decrement-ttl", MODEL_T_STRING(MODEL_T_ISA), run_decrement_ttl, kDrops},
    {"sample", MODEL_T_STRING(MODEL_T_ISA), run_sample, kDrops},
    {"drop", MODEL_T_STRING(MODEL_T_ISA), run_drop, kDrops},
    {"sink", MODEL_T_STRING(MODEL_T_ISA), run_sink, kDrops},
    {"null", MODEL_T_STRING(MODEL_T_ISA), run_null},
    {"skeleton", MODEL_T_STRING(MODEL_T_ISA), run_skeleton},
    {"match", MODEL_T_STRING(MODEL_T_ISA), run_match, kDrops, create_match, destroy_match},
};

}  // namespace

#if MODEL_T_VECTOR_BYTES
#define MODEL_T_HEADER_PASS find_header_pass
#else
#define MODEL_T_HEADER_PASS nullptr
#endif

extern const StackKernels stack_kernels;
const StackKernels stack_kernels = {MODEL_T_STRING(MODEL_T_ISA), kOperations, sizeof kOperations / sizeof *kOperations,
                                    MODEL_T_HEADER_PASS, digest, take, pull, read_bytes};

}  // namespace model_t::MODEL_T_ISA
