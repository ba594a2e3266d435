/*
 * tcp: checks TCP headers (RFC 9293 3.1): present and data offset possible.
 * Reads protocols, transports, ends, marks; writes classes (the lower port) and, if wanted, payloads of TCP packets. Verdicts: ok,
 * malformed, other (not TCP, or a later fragment). Kernel file; declaration in tcp.ts.
 */
#include "../native/operation.h"
#include "../native/transport.h"

namespace model_t::MODEL_T_ISA {

void run_tcp(Burst256& burst, OperationState& state) {
  uint32_t other = 0, malformed = 0;
  if (!has_value(burst.protocols, burst.count, uint8_t{6})) other = burst.count; /* a vector pass: most bursts are all or nothing */
  for (uint32_t i = other; i < burst.count; i++) {
    if (burst.protocols[i] != 6 || (burst.marks[i] & kLaterFragment)) {
      other++;
      continue;
    }
    const uint8_t* frame = burst.frames[i];
    const uint32_t transport = burst.transports[i];
    const uint32_t end = burst.ends[i];
    const bool whole = end >= transport + 20;
    const uint32_t header = whole ? (frame[transport + 12] >> 4) * 4u : 0;
    const bool bad = header < 20 || transport + header > end;
    malformed += bad;
    burst.classes[i] = bad ? uint16_t{0} : lower_port(frame + transport);
    if (state.wants & kWantPayloads) set_payload(burst, i, bad ? end : transport + header);
  }
  state.verdicts[0] += burst.count - other - malformed;
  state.verdicts[1] += malformed;
  state.verdicts[2] += other;
}

}  // namespace model_t::MODEL_T_ISA
