/* What tcp and udp leave in a burst for later operations. Include only from kernel files (internal linkage). */
#ifndef MODEL_T_STACK_TRANSPORT_H
#define MODEL_T_STACK_TRANSPORT_H

#include "operation.h"
#include "packet_bytes.h"

namespace model_t::MODEL_T_ISA {

/* The well-known side of a connection, the same in both directions. */
[[gnu::always_inline]] static inline uint16_t lower_port(const uint8_t* transport) {
  const uint32_t source = load_big16(transport), destination = load_big16(transport + 2);
  return static_cast<uint16_t>(source < destination ? source : destination);
}

/* The payload of row i: from `begin` to the end of the IP packet. */
[[gnu::always_inline]] static inline void set_payload(Burst256& burst, uint32_t i, uint32_t begin) {
  burst.payloads[i] = burst.frames[i] + begin;
  burst.payload_lengths[i] = burst.ends[i] - begin;
}

}  // namespace model_t::MODEL_T_ISA

#endif
