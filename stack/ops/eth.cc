/*
 * eth: finds the network header behind the Ethernet header and any VLAN tags (802.1Q, 802.1ad, 0x9100, 0x9200).
 * Writes types, networks. Verdicts: ip4, ip6, arp, other, short. Kernel file; declaration in eth.ts.
 */
#include "../native/operation.h"
#include "../native/packet_bytes.h"

namespace model_t::MODEL_T_ISA {

namespace {

[[gnu::always_inline]] inline bool is_tag(uint16_t type) {
  return (type == 0x8100) | (type == 0x88a8) | (type == 0x9100) | (type == 0x9200);
}

/* Up to 8 tags, as the mutation compiler looks through; more are left alone as "other". */
[[gnu::noinline]] uint32_t skip_tags(const uint8_t* frame, uint32_t length, uint32_t type, uint32_t* network) {
  uint32_t at = 14;
  for (int tags = 0; tags < 8 && is_tag(static_cast<uint16_t>(type)); tags++) {
    if (length < at + 4) {
      *network = 0;
      return 0;
    }
    type = load_big16(frame + at + 2);
    at += 4;
  }
  *network = at;
  return type;
}

}  // namespace

void run_eth(Burst256& burst, OperationState& state) {
  /* Two passes: loads from 256 places, then arithmetic on columns, which the compiler turns into vectors. */
  const uint32_t count = burst.count;
  for (uint32_t i = 0; i < count; i++) burst.types[i] = load_little<uint16_t>(burst.frames[i] + 12);
  uint16_t tagged = 0;
  for (uint32_t i = 0; i < count; i++) {
    const uint16_t wire = burst.types[i];
    const uint16_t type = burst.lengths[i] < 14 ? 0 : static_cast<uint16_t>(wire << 8 | wire >> 8);
    burst.types[i] = type;
    burst.networks[i] = burst.lengths[i] < 14 ? 0 : 14; /* 0: cut before it */
    tagged = static_cast<uint16_t>(tagged | is_tag(type));
  }
  for (uint32_t i = 0; tagged && i < count; i++) {
    uint32_t network = 14;
    if (!is_tag(burst.types[i])) continue;
    burst.types[i] = static_cast<uint16_t>(skip_tags(burst.frames[i], burst.lengths[i], burst.types[i], &network));
    burst.networks[i] = static_cast<uint8_t>(network);
  }
  uint16_t ip4 = 0, ip6 = 0, arp = 0, cut = 0; /* 16 bits, as the column: a burst is 256 packets */
  for (uint32_t i = 0; i < count; i++) {
    const uint16_t type = burst.types[i];
    ip4 = static_cast<uint16_t>(ip4 + (type == 0x0800));
    ip6 = static_cast<uint16_t>(ip6 + (type == 0x86dd));
    arp = static_cast<uint16_t>(arp + (type == 0x0806));
    cut = static_cast<uint16_t>(cut + (burst.networks[i] == 0));
  }
  state.verdicts[0] += ip4;
  state.verdicts[1] += ip6;
  state.verdicts[2] += arp;
  state.verdicts[3] += count - ip4 - ip6 - arp - cut;
  state.verdicts[4] += cut;
}

}  // namespace model_t::MODEL_T_ISA
