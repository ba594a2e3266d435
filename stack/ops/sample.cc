/*
 * sample: every Nth packet goes on, N the parameter, the Nth first. Reads nothing. Verdicts: passed, skipped; their
 * sum says where in the count it is. Kernel file; declaration in sample.ts.
 */
#include <cstring>

#include "../native/operation.h"
#include "../native/vector.h"

namespace model_t::MODEL_T_ISA {

void run_sample(Burst256& burst, OperationState& state) {
  const uint64_t every = state.parameter ? state.parameter : 1;
  const uint64_t seen = state.verdicts[0] + state.verdicts[1];
  memset(burst.leaves, 1, burst.count);
  uint32_t passed = 0;
  for (uint64_t i = every - 1 - seen % every; i < burst.count; i += every) {
    burst.leaves[i] = 0;
    passed++;
  }
  state.verdicts[0] += passed;
  state.verdicts[1] += burst.count - passed;
}

}  // namespace model_t::MODEL_T_ISA
