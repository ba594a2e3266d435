/*
 * udp: checks UDP headers (RFC 768): present and length possible.
 * Reads protocols, transports, ends, marks; writes classes (the lower port) and, if wanted, payloads of UDP packets. Verdicts: ok,
 * malformed, other (not UDP, or a later fragment). Kernel file; declaration in udp.ts.
 */
#include "../native/operation.h"
#include "../native/transport.h"

namespace model_t::MODEL_T_ISA {

void run_udp(Burst256& burst, OperationState& state) {
  uint32_t other = 0, malformed = 0;
  if (!has_value(burst.protocols, burst.count, uint8_t{17})) other = burst.count; /* a vector pass: most bursts are all or nothing */
  for (uint32_t i = other; i < burst.count; i++) {
    if (burst.protocols[i] != 17 || (burst.marks[i] & kLaterFragment)) {
      other++;
      continue;
    }
    const uint8_t* frame = burst.frames[i];
    const uint32_t transport = burst.transports[i];
    const uint32_t end = burst.ends[i];
    const bool whole = end >= transport + 8;
    const uint32_t declared = whole ? load_big16(frame + transport + 4) : 1;
    const bool bad = declared != 0 && declared < 8;
    malformed += bad;
    burst.classes[i] = bad ? uint16_t{0} : lower_port(frame + transport);
    if (state.wants & kWantPayloads) set_payload(burst, i, bad ? end : transport + 8);
  }
  state.verdicts[0] += burst.count - other - malformed;
  state.verdicts[1] += malformed;
  state.verdicts[2] += other;
}

}  // namespace model_t::MODEL_T_ISA
