/*
 * sink: the end of a line; rows are accepted and go no further. Reads lengths. Verdicts: packets, bytes (a sum). Kernel file;
 * declaration in sink.ts.
 */
#include <cstring>

#include "../native/operation.h"
#include "../native/vector.h"

namespace model_t::MODEL_T_ISA {

void run_sink(Burst256& burst, OperationState& state) {
  uint64_t bytes = 0;
  for (uint32_t i = 0; i < burst.count; i++) bytes += burst.lengths[i];
  memset(burst.leaves, 1, burst.count);
  state.verdicts[0] += burst.count;
  state.verdicts[1] += bytes;
}

}  // namespace model_t::MODEL_T_ISA
