/*
 * icmp: checks ICMP and ICMPv6 headers (RFC 792, RFC 4443): eight bytes are there. Their class becomes the type.
 * Reads frames, types, transports, ends, protocols, marks; writes classes of ICMP packets. Verdicts: ok, malformed, other (not
 * ICMP of its IP version, or a later fragment). Kernel file; declaration in icmp.ts.
 */
#include "../native/operation.h"
#include "../native/packet_bytes.h"

namespace model_t::MODEL_T_ISA {

void run_icmp(Burst256& burst, OperationState& state) {
  uint32_t other = 0, malformed = 0;
  for (uint32_t i = 0; i < burst.count; i++) {
    const uint32_t protocol = burst.types[i] == 0x0800 ? 1 : burst.types[i] == 0x86dd ? 58 : 256;
    if (burst.protocols[i] != protocol || (burst.marks[i] & kLaterFragment)) {
      other++;
      continue;
    }
    const bool whole = burst.ends[i] >= burst.transports[i] + 8u;
    burst.classes[i] = whole ? burst.frames[i][burst.transports[i]] : uint16_t{0};
    malformed += !whole;
  }
  state.verdicts[0] += burst.count - other - malformed;
  state.verdicts[1] += malformed;
  state.verdicts[2] += other;
}

}  // namespace model_t::MODEL_T_ISA
