/* null: does nothing but count its packets; what is left is the framework's cost. Kernel file; declaration in null.ts. */
#include "../native/operation.h"
#include "../native/vector.h"

namespace model_t::MODEL_T_ISA {

void run_null(Burst256& burst, OperationState& state) { state.verdicts[0] += burst.count; }

}  // namespace model_t::MODEL_T_ISA
