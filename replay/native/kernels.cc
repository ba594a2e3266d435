/*
 * Inner loops of the native engine; compiled once per ISA (see stack/native/vector.h for the rules).
 *
 * At 60 bytes a packet costs two (AVX2) or one (AVX-512) frame stores, half a descriptor store and a quarter of a time
 * store; the arithmetic of eight (sixteen) packets is one pass over vectors and hides behind the stores.
 */
#include "kernels.h"

#include "../../stack/native/vector.h"
#include "line_merge.h"

namespace model_t::MODEL_T_ISA {

namespace {

[[gnu::always_inline]] inline uint32_t fold(uint32_t sum) {
  sum = (sum & 0xffff) + (sum >> 16);
  return (sum & 0xffff) + (sum >> 16);
}

/* One row, plain: the tail of every vector loop, and all of the scalar set. RFC 1624 eqn 3: HC' = ~(~HC + ~m + m'). */
[[gnu::always_inline]] inline void patch_row(const Patch4& job, size_t row) {
  const PatchColumns4& columns = job.columns;
  const uint32_t index = job.base + columns.host[row];
  const uint32_t address = __builtin_bswap32(job.prefix | static_cast<uint32_t>(permute(job.permutation, index)));
  const uint32_t sum = (address & 0xffff) + (address >> 16);
  const uint32_t fixed = columns.fixed[row];
  const uint32_t header = fold((fixed >> 16) + sum) ^ 0xffff;
  const uint64_t patch = (fixed & 0xffff) | header << 16 | static_cast<uint64_t>(address) << 32;
  uint8_t* at = job.target + static_cast<uint32_t>(columns.where[row] - job.origin);
  memcpy(at, &patch, sizeof patch);
  const uint32_t layer4 = columns.layer4[row];
  uint32_t checksum = fold((layer4 & 0xffff) + sum) ^ 0xffff;
  if (checksum == 0 && (layer4 & kLayer4Udp)) checksum = 0xffff;
  const int32_t distance = static_cast<int32_t>(layer4 << 8) >> 24;
  const uint16_t word = distance < 0 ? 0 : static_cast<uint16_t>(checksum);
  memcpy(at + distance, &word, sizeof word);
}

#if MODEL_T_VECTOR_BYTES

[[gnu::always_inline]] inline void copy_lines(uint8_t* to, const uint8_t* from, size_t bytes) {
  for (size_t at = 0; at < bytes; at += MODEL_T_VECTOR_BYTES) store(to + at, load<VectorU8>(from + at));
}

/* a + b, both below 2^16, with end-around carry, inverted: in the high half; the low half is noise. */
[[gnu::always_inline]] inline VectorU32 checksum_high(VectorU32 a, VectorU32 b) {
  const VectorU32 sum = a + b;
  return ~(sum + (sum << 16));
}

/* For kLanes32 rows: what goes into their packets. */
struct Patches {
  VectorU32 low;       /* TTL, protocol, header checksum */
  VectorU32 address;
  VectorU32 checksum;  /* transport checksum in the high halves */
  VectorU32 layer4;
};

struct DrawVectors {
  VectorU32 mask, multiply_1, add_1, multiply_2, add_2, prefix;
  uint32_t shift;

  explicit DrawVectors(const Patch4& job)
      : mask(VectorU32{} + static_cast<uint32_t>(job.permutation.mask)),
        multiply_1(VectorU32{} + static_cast<uint32_t>(job.permutation.multiply_1)),
        /* (host + base) * m + a = host * m + (base * m + a): one addition less a row */
        add_1(VectorU32{} + static_cast<uint32_t>(job.base * job.permutation.multiply_1 + job.permutation.add_1)),
        multiply_2(VectorU32{} + static_cast<uint32_t>(job.permutation.multiply_2)),
        add_2(VectorU32{} + static_cast<uint32_t>(job.permutation.add_2)),
        prefix(VectorU32{} + job.prefix),
        shift(job.permutation.shift) {}
};

[[gnu::always_inline]] inline Patches make_patches(const PatchColumns4& columns, size_t row, const DrawVectors& v) {
  VectorU32 x = (load<VectorU32>(columns.host + row) * v.multiply_1 + v.add_1) & v.mask;
  x ^= x >> v.shift;
  const VectorU32 address = swap_bytes(((x * v.multiply_2 + v.add_2) & v.mask) | v.prefix);
  const VectorU32 sum = (address + swap_halves(address)) >> 16; /* both halves, with end-around carry */
  const VectorU32 fixed = load<VectorU32>(columns.fixed + row);
  const VectorU32 layer4 = load<VectorU32>(columns.layer4 + row);
  VectorU32 checksum = checksum_high(layer4 & 0xffff, sum);
  checksum |= zero_halves(checksum) & (VectorU32)((VectorI32)layer4 >> 31);
  return {join_halves(fixed, checksum_high(fixed >> 16, sum)), address, checksum, layer4};
}

void patch4(const Patch4& job, size_t begin, size_t end) {
  const PatchColumns4 columns = job.columns;
  const DrawVectors vectors(job);
  const VectorU32 origin = VectorU32{} + job.origin;
  uint8_t* const target = job.target;
  size_t row = begin;
  for (; row + kLanes32 <= end; row += kLanes32) {
    const Patches patches = make_patches(columns, row, vectors);
    const VectorU32 where = load<VectorU32>(columns.where + row) - origin;
    alignas(64) uint64_t words[kLanes32];
    alignas(64) uint32_t places[kLanes32];
    alignas(64) uint32_t places4[kLanes32];
    alignas(64) uint32_t checksums[kLanes32];
    const LineWords pairs = pair_words(patches.low, patches.address);
    store(words, pairs.even);
    store(words + kLanes64, pairs.odd);
    store(places, where);
    const VectorI32 distance = (VectorI32)(patches.layer4 << 8) >> 24;
    store(places4, where + (VectorU32)distance);
    store(checksums, patches.checksum & (VectorU32)(distance >= 0)); /* padding stays zero */
    /* Through memory on purpose: extracting from vector registers costs two micro-operations a value, a reload one. */
    __asm__ __volatile__("" : : "r"(words), "r"(places), "r"(places4), "r"(checksums) : "memory");
#pragma GCC unroll 16
    for (uint32_t lane = 0; lane < kLanes32; lane++) {
      memcpy(target + places[lane], &words[(lane & 2 ? kLanes64 : 0) + lane / 4 * 2 + (lane & 1)], 8);
      memcpy(target + places4[lane], reinterpret_cast<const uint8_t*>(&checksums[lane]) + 2, 2);
    }
  }
  for (; row < end; row++) patch_row(job, row);
}

void fill_lines(const Patch4& job, size_t begin, size_t end) {
  const PatchColumns4 columns = job.columns;
  const DrawVectors vectors(job);
  const LineMasks masks;
  const uint8_t* from = job.source;
  uint8_t* to = job.target;
  size_t row = begin;
  for (; row + kLanes32 <= end; row += kLanes32, to += kLanes32 * kLine, from += kLanes32 * kLine) {
    const Patches patches = make_patches(columns, row, vectors);
    const LineWords words = pair_words(patches.low, patches.address);
    const VectorU32 checksums = join_halves(patches.checksum >> 16, patches.checksum);
    for_each_lane([&]<uint32_t lane>() {
      const uint32_t shape = columns.layer4[row + lane] >> kLineShapeBit & 3;
      merge_line<lane>(to + lane * kLine, from + lane * kLine, words, checksums, masks, shape);
    });
  }
  if (row < end) copy_lines(to, from, (end - row) * kLine);
  for (; row < end; row++) patch_row(job, row);
}

void copy(uint8_t* to, const uint8_t* from, size_t bytes) {
  size_t at = 0;
  for (; at + 256 <= bytes; at += 256) {
#pragma GCC unroll 8
    for (size_t part = 0; part < 256; part += MODEL_T_VECTOR_BYTES) store(to + at + part, load<VectorU8>(from + at + part));
  }
  copy_lines(to + at, from + at, bytes - at);
}

void describe(model_t_descriptor* to, const PacketShape* shapes, uint32_t count, uint16_t region, uint32_t shift, uint32_t sequence) {
  constexpr uint32_t kStep = MODEL_T_VECTOR_BYTES / sizeof(model_t_descriptor);
  const VectorU32 zero = {};
  VectorU32 add = {}, step = {};
  for (uint32_t i = 0; i < kStep; i++) {
    add[4 * i] = static_cast<uint32_t>(region) << 16;
    add[4 * i + 2] = shift;
    add[4 * i + 3] = sequence + i;
    step[4 * i + 3] = kStep;
  }
  uint32_t i = 0;
  for (; i + kStep <= count; i += kStep) {
    VectorU32 pairs = zero;
    memcpy(&pairs, shapes + i, MODEL_T_VECTOR_BYTES / 2);
#if MODEL_T_VECTOR_BYTES == 64
    pairs = __builtin_shufflevector(pairs, zero, 16, 0, 1, 16, 16, 2, 3, 16, 16, 4, 5, 16, 16, 6, 7, 16);
#else
    pairs = __builtin_shufflevector(pairs, zero, 8, 0, 1, 8, 8, 2, 3, 8);
#endif
    store(to + i, pairs + add);
    add += step;
  }
  for (; i < count; i++) to[i] = {0, region, shapes[i].length, shapes[i].offset + shift, sequence + i};
}

void shift_times(uint64_t* to, const uint64_t* from, uint32_t count, uint64_t shift) {
  uint32_t i = 0;
  for (; i + kLanes64 <= count; i += kLanes64) store(to + i, load<VectorU64>(from + i) + shift);
  for (; i < count; i++) to[i] = from[i] + shift;
}

#else

void patch4(const Patch4& job, size_t begin, size_t end) {
  for (size_t row = begin; row < end; row++) patch_row(job, row);
}

void fill_lines(const Patch4& job, size_t begin, size_t end) {
  memcpy(job.target, job.source, (end - begin) * kLine);
  patch4(job, begin, end);
}

void copy(uint8_t* to, const uint8_t* from, size_t bytes) { memcpy(to, from, bytes); }

void describe(model_t_descriptor* to, const PacketShape* shapes, uint32_t count, uint16_t region, uint32_t shift, uint32_t sequence) {
  for (uint32_t i = 0; i < count; i++) to[i] = {0, region, shapes[i].length, shapes[i].offset + shift, sequence + i};
}

void shift_times(uint64_t* to, const uint64_t* from, uint32_t count, uint64_t shift) {
  for (uint32_t i = 0; i < count; i++) to[i] = from[i] + shift;
}

#endif

#define MODEL_T_STRING_OF(name) #name
#define MODEL_T_STRING(name) MODEL_T_STRING_OF(name)

}  // namespace

extern const ReplayKernels replay_kernels;
const ReplayKernels replay_kernels = {MODEL_T_STRING(MODEL_T_ISA), copy, patch4, fill_lines, describe, shift_times};

}  // namespace model_t::MODEL_T_ISA
