/*
 * Inner loops of the native engine; compiled once per ISA (see stack/native/vector.h for the rules).
 *
 * At 60 bytes a packet costs 2 (AVX2) or 1 (AVX-512) frame stores, half a descriptor store, a quarter of a time store and
 * two patch stores; the arithmetic of eight (sixteen) packets is one pass over vectors. Patches go into lines written
 * moments ago, so they hit the first-level cache.
 */
#include "kernels.h"

#include "../../stack/native/vector.h"

namespace model_t::MODEL_T_ISA {

namespace {

[[gnu::always_inline]] inline uint32_t fold(uint32_t sum) {
  sum = (sum & 0xffff) + (sum >> 16);
  return (sum & 0xffff) + (sum >> 16);
}

/* One row, plain: the tail of every vector loop, and the whole of the scalar set. RFC 1624 eqn 3: HC' = ~(~HC + ~m + m'). */
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
  const uint16_t word = layer4 & kLayer4Present ? static_cast<uint16_t>(checksum) : 0;
  memcpy(at + (static_cast<int32_t>(layer4) >> 24), &word, sizeof word);
}

#if MODEL_T_VECTOR_BYTES

[[gnu::always_inline]] inline VectorU32 fold(VectorU32 sum) {
  sum = (sum & 0xffff) + (sum >> 16);
  return (sum & 0xffff) + (sum >> 16);
}

void patch4(const Patch4& job, size_t begin, size_t end) {
  const PatchColumns4& columns = job.columns;
  const VectorU32 mask = VectorU32{} + static_cast<uint32_t>(job.permutation.mask);
  const VectorU32 multiply_1 = VectorU32{} + static_cast<uint32_t>(job.permutation.multiply_1);
  const VectorU32 add_1 = VectorU32{} + static_cast<uint32_t>(job.permutation.add_1);
  const VectorU32 multiply_2 = VectorU32{} + static_cast<uint32_t>(job.permutation.multiply_2);
  const VectorU32 add_2 = VectorU32{} + static_cast<uint32_t>(job.permutation.add_2);
  const uint32_t shift = job.permutation.shift;
  uint8_t* const target = job.target;
  size_t row = begin;
  for (; row + kLanes32 <= end; row += kLanes32) {
    VectorU32 x = load<VectorU32>(columns.host + row) + job.base;
    x = (x * multiply_1 + add_1) & mask;
    x ^= x >> shift;
    x = (x * multiply_2 + add_2) & mask;
    x ^= x >> shift;
    const VectorU32 address = swap_bytes(x | job.prefix);
    const VectorU32 sum = (address & 0xffff) + (address >> 16);
    const VectorU32 fixed = load<VectorU32>(columns.fixed + row);
    const VectorU32 header = fold((fixed >> 16) + sum) ^ 0xffff;
    const VectorU32 layer4 = load<VectorU32>(columns.layer4 + row);
    VectorU32 checksum = fold((layer4 & 0xffff) + sum) ^ 0xffff;
    checksum |= (VectorU32)(checksum == 0) & (VectorU32{} - ((layer4 >> 17) & 1)) & 0xffff;
    checksum &= VectorU32{} - ((layer4 >> 16) & 1);
    const VectorU32 where = load<VectorU32>(columns.where + row) - job.origin;
    const VectorU32 where4 = where + (VectorU32)((VectorI32)layer4 >> 24);
    alignas(64) uint64_t patches[kLanes32];
    alignas(64) uint64_t places[kLanes32];
    alignas(64) uint32_t checksums[kLanes32];
    store_pairs(patches, (fixed & 0xffff) | (header << 16), address);
    store_pairs(places, where, where4);
    store(checksums, checksum);
#pragma GCC unroll 16
    for (uint32_t lane = 0; lane < kLanes32; lane++) {
      memcpy(target + static_cast<uint32_t>(places[lane]), &patches[lane], 8);
      memcpy(target + (places[lane] >> 32), &checksums[lane], 2);
    }
  }
  for (; row < end; row++) patch_row(job, row);
}

void copy(uint8_t* to, const uint8_t* from, size_t bytes) {
  /* Past 1 KiB four lines a turn keep both load ports and the store port busy; the tail goes line by line. */
  size_t at = 0;
  for (; at + 256 <= bytes; at += 256) {
#pragma GCC unroll 8
    for (size_t part = 0; part < 256; part += MODEL_T_VECTOR_BYTES)
      store(to + at + part, load<VectorU8>(from + at + part));
  }
  for (; at < bytes; at += MODEL_T_VECTOR_BYTES) store(to + at, load<VectorU8>(from + at));
}

void describe(model_t_descriptor* to, const PacketShape* shapes, uint32_t count, uint32_t shift, uint32_t sequence) {
  constexpr uint32_t kStep = MODEL_T_VECTOR_BYTES / sizeof(model_t_descriptor);
  uint32_t i = 0;
  const VectorU32 zero = VectorU32{};
#if MODEL_T_VECTOR_BYTES == 64
  VectorU32 add = {0, 0, shift, sequence, 0, 0, shift, sequence + 1, 0, 0, shift, sequence + 2, 0, 0, shift, sequence + 3};
  const VectorU32 step = {0, 0, 0, 4, 0, 0, 0, 4, 0, 0, 0, 4, 0, 0, 0, 4};
#else
  VectorU32 add = {0, 0, shift, sequence, 0, 0, shift, sequence + 1};
  const VectorU32 step = {0, 0, 0, 2, 0, 0, 0, 2};
#endif
  for (; i + kStep <= count; i += kStep) {
#if MODEL_T_VECTOR_BYTES == 64
    VectorU32 pair = zero;
    memcpy(&pair, shapes + i, 32);
    pair = __builtin_shufflevector(pair, zero, 16, 0, 1, 16, 16, 2, 3, 16, 16, 4, 5, 16, 16, 6, 7, 16);
#else
    VectorU32 pair = zero;
    memcpy(&pair, shapes + i, 16);
    pair = __builtin_shufflevector(pair, zero, 8, 0, 1, 8, 8, 2, 3, 8);
#endif
    store(to + i, pair + add);
    add += step;
  }
  for (; i < count; i++) to[i] = {0, 0, shapes[i].length, shapes[i].offset + shift, sequence + i};
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

void copy(uint8_t* to, const uint8_t* from, size_t bytes) { memcpy(to, from, bytes); }

void describe(model_t_descriptor* to, const PacketShape* shapes, uint32_t count, uint32_t shift, uint32_t sequence) {
  for (uint32_t i = 0; i < count; i++) to[i] = {0, 0, shapes[i].length, shapes[i].offset + shift, sequence + i};
}

void shift_times(uint64_t* to, const uint64_t* from, uint32_t count, uint64_t shift) {
  for (uint32_t i = 0; i < count; i++) to[i] = from[i] + shift;
}

#endif

#define MODEL_T_STRING_OF(name) #name
#define MODEL_T_STRING(name) MODEL_T_STRING_OF(name)

}  // namespace

extern const ReplayKernels replay_kernels;
const ReplayKernels replay_kernels = {MODEL_T_STRING(MODEL_T_ISA), copy, patch4, describe, shift_times};

}  // namespace model_t::MODEL_T_ISA
