/*
 * burn: a test load for scheduling. Each packet costs as many time-stamp cycles as the parameter says, 0 to 100000, in dependent
 * additions: work, not a wait, so that a slow or shared core takes longer for it, as for any other. The sum goes from packet to
 * packet, so that no two of them overlap. Reads nothing. Verdict: packets. General source; declaration in burn.ts.
 */
#include <algorithm>
#include <cstdio>
#include <new>

#include "../native/clock.h"
#include "../native/operation.h"

namespace model_t {

namespace {

constexpr uint32_t kMostCycles = 100000;
constexpr uint64_t kProbeRounds = 1024; /* 16384 additions: 5 to 10 microseconds */
constexpr int kProbes = 16;

struct Burning {
  uint32_t additions = 0; /* for each packet */
  uint64_t sum = 0;
};

/*
 * Additions, one core cycle each, that take as long as `cycles` of the time-stamp counter, which does not run at the core's pace.
 * The fastest of some probes: what disturbs one makes it slower.
 */
uint32_t additions_for(uint32_t cycles_wanted) {
  uint64_t best = UINT64_MAX;
  for (int probe = 0; probe < kProbes; probe++) {
    const uint64_t begin = cycles();
    spend_core_cycles(kProbeRounds);
    best = std::min(best, cycles() - begin);
  }
  return static_cast<uint32_t>(cycles_wanted * (kProbeRounds * 16) / std::max<uint64_t>(best, 1));
}

/* The loop's own counter runs beside the chain and is as fast. */
[[gnu::always_inline]] inline uint64_t chain(uint64_t sum, uint32_t additions) {
  for (uint32_t i = 0; i < additions; i++) {
    sum++;
    __asm__ __volatile__("" : "+r"(sum)); /* or the compiler would multiply instead */
  }
  return sum;
}

void run(Burst256& burst, OperationState& state) {
  Burning& burning = *static_cast<Burning*>(state.memory);
  uint64_t sum = burning.sum;
  for (uint32_t i = 0; i < burst.count; i++) sum = chain(sum, burning.additions);
  burning.sum = sum;
  state.verdicts[0] += burst.count;
}

void* create(const OperationArgument& argument, char (&error)[256]) {
  if (argument.parameter > kMostCycles) {
    snprintf(error, sizeof error, "burn %u is more than %u cycles", argument.parameter, kMostCycles);
    return nullptr;
  }
  Burning* const burning = new (std::nothrow) Burning;
  if (burning) burning->additions = additions_for(argument.parameter);
  else snprintf(error, sizeof error, "no memory for burn");
  return burning;
}

void destroy(void* memory) { delete static_cast<Burning*>(memory); }

}  // namespace

extern const OperationBody burn_operation;
const OperationBody burn_operation = {"burn", "scalar", run, 0, create, destroy, nullptr};

}  // namespace model_t
