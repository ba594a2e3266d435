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
    for (uint32_t i = 0; i < kLanes64; i++) sum += lanes[i];
  }
#endif
  for (; bytes >= 8; bytes -= 8, at += 8) {
    const uint64_t word = load_little<uint64_t>(at);
    sum += (word & 0xffffffffu) + (word >> 32);
  }
  if (bytes & 4) {
    sum += load_little<uint32_t>(at);
    at += 4;
  }
  if (bytes & 2) {
    sum += load_little<uint16_t>(at);
    at += 2;
  }
  if (bytes & 1) sum += *at;
  return sum;
}

}  // namespace model_t::MODEL_T_ISA

#endif
