/* drop: nothing goes further. Reads nothing. Verdict: dropped. Kernel file; declaration in drop.ts. */
#include <cstring>

#include "../native/operation.h"
#include "../native/vector.h"

namespace model_t::MODEL_T_ISA {

void run_drop(Burst256& burst, OperationState& state) {
  memset(burst.leaves, 1, burst.count);
  state.verdicts[0] += burst.count;
}

}  // namespace model_t::MODEL_T_ISA
