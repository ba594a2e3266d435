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

/* Sum of the 16-bit words of `bytes` bytes as loaded, an odd last byte padded with zero; not yet folded. */
[[gnu::always_inline]] static inline uint64_t sum_bytes(const uint8_t* at, uint32_t bytes) {
  uint64_t sum = 0;
#if MODEL_T_VECTOR_BYTES
  if (bytes >= 2 * MODEL_T_VECTOR_BYTES) {
    VectorU64 lanes = {};
    for (; bytes >= MODEL_T_VECTOR_BYTES; bytes -= MODEL_T_VECTOR_BYTES, at += MODEL_T_VECTOR_BYTES) {
      const VectorU64 words = load<VectorU64>(at);
      lanes += (words & 0xffffffffu) + (words >> 32);
    }
    for (uint32_t i = 0; i < kLanes64; i++) sum += lanes[i]; /* below 2^33 * kMaxFrame / 8: no carry */
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
