/*
 * The key of the flow a row belongs to: both directions have the same. Behind ip4 and ip6; used by flow and tcp-stream.
 * VLAN tags do not count. Protocols without ports have ports 0.
 */
#ifndef MODEL_T_STACK_FLOW_KEY_H
#define MODEL_T_STACK_FLOW_KEY_H

#include <cstring>

#include "burst.h"
#include "flow_table.h"

namespace model_t {

template <typename T>
inline T load_raw(const uint8_t* at) {
  T value;
  memcpy(&value, at, sizeof value);
  return value;
}
inline uint32_t load_network16(const uint8_t* at) { return __builtin_bswap16(load_raw<uint16_t>(at)); }
inline uint32_t load_network32(const uint8_t* at) { return __builtin_bswap32(load_raw<uint32_t>(at)); }

/* Of byte 13 of a TCP header (RFC 9293 3.1). */
enum TcpFlag : uint8_t { kFin = 1, kSyn = 2, kRst = 4, kAck = 16 };

struct FlowOf {
  FlowKey key;
  uint32_t swapped; /* 1: the packet goes from the second endpoint to the first */
};

/* Protocols whose header starts with source and destination port: TCP, UDP, DCCP, SCTP, UDP-Lite. */
inline bool has_ports(uint8_t protocol) {
  return protocol == 6 || protocol == 17 || protocol == 33 || protocol == 132 || protocol == 136;
}

/* `header`: an IPv4 or IPv6 header that is there; `ports`: source in the low half, as they stand in the packet. */
[[gnu::always_inline]] inline FlowOf flow_of4(const uint8_t* header, uint32_t ports, uint8_t protocol) {
  const uint64_t source = load_raw<uint32_t>(header + 12);
  const uint64_t destination = load_raw<uint32_t>(header + 16);
  const uint32_t swapped = (source << 16 | (ports & 0xffff)) > (destination << 16 | ports >> 16);
  FlowOf flow;
  flow.swapped = swapped;
  flow.key.words[0] = swapped ? destination : source;
  flow.key.words[2] = swapped ? source : destination;
  flow.key.words[4] = (swapped ? ports >> 16 | ports << 16 : ports) | static_cast<uint64_t>(protocol) << 32 | uint64_t{4} << 40;
  return flow;
}

inline FlowOf flow_of6(const uint8_t* header, uint32_t ports, uint8_t protocol) {
  const int order = memcmp(header + 8, header + 24, 16);
  const uint32_t swapped = order > 0 || (order == 0 && (ports & 0xffff) > ports >> 16);
  FlowOf flow;
  flow.swapped = swapped;
  memcpy(flow.key.words, header + (swapped ? 24 : 8), 16);
  memcpy(flow.key.words + 2, header + (swapped ? 8 : 24), 16);
  flow.key.words[4] = (swapped ? ports >> 16 | ports << 16 : ports) | static_cast<uint64_t>(protocol) << 32 | uint64_t{6} << 40;
  return flow;
}

/* False: no IP packet with a transport header here. Reads no more of the frame than ip4 and ip6 have found to be there. */
[[gnu::always_inline]] inline bool flow_of(const Burst256& burst, uint32_t row, FlowOf* flow) {
  const uint8_t protocol = burst.protocols[row];
  if (protocol == kNoProtocol || (burst.marks[row] & kLaterFragment)) return false;
  const uint32_t transport = burst.transports[row];
  uint32_t ports = 0;
  if (has_ports(protocol)) {
    if (burst.ends[row] < transport + 4) return false;
    ports = load_raw<uint32_t>(burst.frames[row] + transport);
  }
  const uint8_t* header = burst.frames[row] + burst.networks[row];
  if (burst.types[row] == 0x0800) *flow = flow_of4(header, ports, protocol);
  else if (burst.types[row] == 0x86dd) *flow = flow_of6(header, ports, protocol);
  else return false;
  return true;
}

}  // namespace model_t

#endif
