/*
 * port: the class of a packet becomes its destination port, or with parameter 1 its source port; 0 where there is none.
 * TCP and UDP (RFC 9293 3.1, RFC 768). Reads frames, transports, ends, protocols, marks; writes classes. Verdicts: ports, none.
 * Kernel file; declaration in port.ts.
 */
#include "../native/operation.h"
#include "../native/packet_bytes.h"

namespace model_t::MODEL_T_ISA {

void run_port(Burst256& burst, OperationState& state) {
  const uint32_t offset = state.parameter == 1 ? 0 : 2;
  uint32_t ports = 0;
  for (uint32_t i = 0; i < burst.count; i++) {
    const bool transport = (burst.protocols[i] == 6) | (burst.protocols[i] == 17);
    const bool here = transport && !(burst.marks[i] & kLaterFragment) && burst.ends[i] >= burst.transports[i] + 4u;
    burst.classes[i] = here ? static_cast<uint16_t>(load_big16(burst.frames[i] + burst.transports[i] + offset)) : uint16_t{0};
    ports += here;
  }
  state.verdicts[0] += ports;
  state.verdicts[1] += burst.count - ports;
}

}  // namespace model_t::MODEL_T_ISA
