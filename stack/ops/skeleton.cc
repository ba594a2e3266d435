/*
 * skeleton: an operation to start a new one from. Counts frames to a group address (IEEE 802-2014 8.2.2: the lowest bit of the
 * first byte) and gives them class 1. Everything a body must know is said here once.
 *
 * To make an operation NAME: copy skeleton.ts and skeleton.cc; add the declaration to the list of stack/operations.ts, the source to
 * kernel_sources (binding.gyp), the body to kOperations (stack/native/stack_kernels.cc); give it packets in test/helpers/packets.ts.
 * The tests then hold the body to the declaration: columns, verdicts, bytes touched, every ISA against scalar.
 */
#include "../native/operation.h"
#include "../native/packet_bytes.h"

namespace model_t::MODEL_T_ISA {

/* One text for all ISAs: this file is compiled with the flags of each (vector.h), so plain loops over columns become vectors. */
void run_skeleton(Burst256& burst, OperationState& state) {
  uint32_t groups = 0;
  for (uint32_t i = 0; i < burst.count; i++) {
    /* 62 bytes of a frame are readable whatever its length (burst.h), but what lies beyond the length means nothing. */
    const bool group = burst.lengths[i] > 0 && (burst.frames[i][0] & 1);
    burst.classes[i] = group; /* declared in `writes`; `|1` behind this operation takes the groups */
    groups += group;
  }
  /* Once per burst, in the order of `verdicts` in skeleton.ts. An operation that drops would have written leaves[] as well. */
  state.verdicts[0] += groups;
  state.verdicts[1] += burst.count - groups;
}

}  // namespace model_t::MODEL_T_ISA
