/*
 * decrement-ttl: what a router does (RFC 1812 5.3.1, RFC 8200 3): one less, IPv4 header checksum changed to match (RFC 1624).
 * Packets that have no hop left leave unchanged. Reads frames, types, networks, protocols; writes headers. Verdicts: ok, expired,
 * other (no checked IP header). Writes to the ring: only behind a producer that lays every byte anew. Kernel file; declaration
 * in decrement-ttl.ts.
 */
#include "../native/operation.h"
#include "../native/packet_bytes.h"

namespace model_t::MODEL_T_ISA {

namespace {

void decrement_ip4(uint8_t* header) {
  header[8]--;
  /* RFC 1624 equation 3, HC' = ~(~HC + ~m + m'), with m' = m - 0x0100. Never repairs a bad checksum. */
  const uint32_t sum = (~load_big16(header + 10) & 0xffff) + 0xfeff;
  const uint16_t checksum = __builtin_bswap16(static_cast<uint16_t>(~(sum + (sum >> 16))));
  memcpy(header + 10, &checksum, sizeof checksum);
}

}  // namespace

void run_decrement_ttl(Burst256& burst, OperationState& state) {
  uint32_t expired = 0, other = 0;
  for (uint32_t i = 0; i < burst.count; i++) {
    burst.leaves[i] = 0;
    const bool ip4 = burst.types[i] == 0x0800;
    if (burst.protocols[i] == kNoProtocol || (!ip4 && burst.types[i] != 0x86dd)) {
      other++;
      continue;
    }
    uint8_t* const header = const_cast<uint8_t*>(burst.frames[i]) + burst.networks[i];
    uint8_t& hops = header[ip4 ? 8 : 7];
    if (hops <= 1) {
      burst.leaves[i] = 1;
      expired++;
    } else if (ip4) {
      decrement_ip4(header);
    } else {
      hops--;
    }
  }
  state.verdicts[0] += burst.count - expired - other;
  state.verdicts[1] += expired;
  state.verdicts[2] += other;
}

}  // namespace model_t::MODEL_T_ISA
