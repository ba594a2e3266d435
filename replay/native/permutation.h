/*
 * Keyed bijection on k-bit numbers: host index and replica go in, host bits of an address come out.
 *
 * Every step can be undone on k bits (multiplication by an odd number, addition, xor with the value shifted right), so no
 * two inputs below 2^k share an output: the proof that no two replicas share a source before the period ends. Vector
 * kernels compute the same steps. Pure; used by the mutation compiler, the kernels and the reference.
 */
#ifndef MODEL_T_REPLAY_PERMUTATION_H
#define MODEL_T_REPLAY_PERMUTATION_H

#include <cstdint>

namespace model_t {

struct Permutation {
  uint64_t mask;       /* 2^bits - 1 */
  uint64_t multiply_1; /* odd */
  uint64_t add_1;
  uint64_t multiply_2; /* odd */
  uint64_t add_2;
  uint32_t shift; /* ceil(bits / 2), at least 1 */
  uint32_t bits;  /* 0 to 64 */
};

/* splitmix64 (Steele, Lea, Flood: "Fast splittable pseudorandom number generators", OOPSLA 2014). */
[[gnu::always_inline]] static inline constexpr uint64_t next_random(uint64_t& state) {
  state += 0x9e3779b97f4a7c15ull;
  uint64_t z = state;
  z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ull;
  z = (z ^ (z >> 27)) * 0x94d049bb133111ebull;
  return z ^ (z >> 31);
}

[[gnu::always_inline]] static inline constexpr Permutation make_permutation(uint32_t bits, uint64_t seed) {
  uint64_t state = seed ^ (static_cast<uint64_t>(bits) << 56);
  Permutation p{};
  p.bits = bits;
  p.mask = bits >= 64 ? ~0ull : (1ull << bits) - 1;
  p.multiply_1 = (next_random(state) | 1) & p.mask;
  p.add_1 = next_random(state) & p.mask;
  p.multiply_2 = (next_random(state) | 1) & p.mask;
  p.add_2 = next_random(state) & p.mask;
  p.shift = bits < 2 ? 1 : (bits + 1) / 2;
  return p;
}

[[gnu::always_inline]] static inline constexpr uint64_t permute(const Permutation& p, uint64_t x) {
  x = (x * p.multiply_1 + p.add_1) & p.mask;
  x ^= x >> p.shift;
  return (x * p.multiply_2 + p.add_2) & p.mask;
}

}  // namespace model_t

#endif
