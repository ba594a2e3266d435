/*
 * count: packets and captured bytes. Reads lengths; writes nothing. Verdicts: packets, bytes (a sum, not a number of
 * packets). Kernel file; declaration in count.ts.
 */
#include "../native/operation.h"
#include "../native/vector.h"

namespace model_t::MODEL_T_ISA {

void run_count(Burst256& burst, OperationState& state) {
  uint64_t bytes = 0;
  for (uint32_t i = 0; i < burst.count; i++) bytes += burst.lengths[i];
  state.verdicts[0] += burst.count;
  state.verdicts[1] += bytes;
}

}  // namespace model_t::MODEL_T_ISA
