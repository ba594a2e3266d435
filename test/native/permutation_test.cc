/* The keyed permutation hits every number once: the proof that no two replicas share an address. */
#include "support.h"

namespace model_t::test {

namespace {

void small_permutations_hit_every_number_once() {
  Random random(1);
  for (uint32_t bits = 0; bits <= 16 && !failing(); bits++) {
    for (uint32_t round = 0; round < rounds(20); round++) {
      const uint64_t seed = round == 0 ? 0 : round == 1 ? ~0ull : random.next();
      const Permutation p = make_permutation(bits, seed);
      std::vector<bool> hit(1ull << bits);
      for (uint64_t x = 0; x < hit.size(); x++) {
        const uint64_t y = permute(p, x);
        if (!CHECK(y <= p.mask) || !CHECK_FOR(!hit[y], std::to_string(bits) + " bits, seed " + std::to_string(seed))) return;
        hit[y] = true;
      }
    }
  }
}

/* Newton's iteration: an odd number times its inverse is 1 modulo 2^64. */
uint64_t inverse_of(uint64_t odd) {
  uint64_t inverse = odd;
  for (int i = 0; i < 6; i++) inverse *= 2 - odd * inverse;
  return inverse;
}

/* Undoes the steps of permute() one by one. x ^= x >> shift undoes itself because 2 * shift >= bits. */
uint64_t undo(const Permutation& p, uint64_t y) {
  y = (y - p.add_2) * inverse_of(p.multiply_2) & p.mask;
  y ^= y >> p.shift;
  return (y - p.add_1) * inverse_of(p.multiply_1) & p.mask;
}

void every_permutation_can_be_undone() {
  Random random(2);
  for (uint32_t bits = 1; bits <= 64; bits++) {
    for (uint32_t round = 0; round < rounds(50); round++) {
      const Permutation p = make_permutation(bits, random.next());
      if (!CHECK(2 * p.shift >= bits) || !CHECK(p.multiply_1 % 2 == 1 && p.multiply_2 % 2 == 1)) return;
      for (uint32_t sample = 0; sample < 200; sample++) {
        const uint64_t x = (sample < 100 ? sample : sample < 110 ? 0 - static_cast<uint64_t>(sample) : random.next()) & p.mask;
        if (!CHECK_FOR(undo(p, permute(p, x)) == x, std::to_string(bits) + " bits")) return;
      }
    }
  }
}

void large_permutations_do_not_collide_on_samples() {
  Random random(3);
  for (uint32_t bits = 17; bits <= 64; bits++) {
    const Permutation p = make_permutation(bits, random.next());
    std::set<uint64_t> inputs, outputs;
    for (uint32_t i = 0; i < rounds(4000); i++) {
      inputs.insert(i);
      inputs.insert(random.next() & p.mask);
    }
    for (const uint64_t x : inputs) outputs.insert(permute(p, x));
    if (!CHECK_EQUAL(outputs.size(), inputs.size()) || !CHECK(*outputs.rbegin() <= p.mask)) return;
  }
}

void another_seed_gives_another_permutation() {
  uint32_t same = 0;
  const Permutation p = make_permutation(24, 1), q = make_permutation(24, 2);
  for (uint64_t x = 0; x < 1000; x++) same += permute(p, x) == permute(q, x);
  CHECK(same < 10);
}

}  // namespace

extern const std::vector<Test> permutation_tests;
const std::vector<Test> permutation_tests = {
    {"permutation: of 0 to 16 bits hits every number once", small_permutations_hit_every_number_once},
    {"permutation: of 1 to 64 bits can be undone", every_permutation_can_be_undone},
    {"permutation: of 17 to 64 bits does not collide on samples", large_permutations_do_not_collide_on_samples},
    {"permutation: depends on the seed", another_seed_gives_another_permutation},
};

}  // namespace model_t::test
