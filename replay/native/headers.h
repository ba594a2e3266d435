/*
 * Where the fields that a mutation touches lie in a frame, whether they may be touched, and what flow the frame is of.
 *
 * A function over bytes and nothing else; every length is checked before it is used, so any bytes may be given. Used by
 * the mutation compiler and the steering of lanes (once per packet, at load) and by the reference.
 */
#ifndef MODEL_T_REPLAY_HEADERS_H
#define MODEL_T_REPLAY_HEADERS_H

#include <cstdint>

#include "image.h"

namespace model_t {

enum class Family : uint8_t { none, ip4, ip6 };

/* Why a packet is replayed unchanged although a rewrite was asked for. */
enum class Unchanged : uint8_t {
  changed, /* it is rewritten */
  not_ip,
  opaque_link_type,
  truncated_header,
  malformed_header,
  ip4_without_rule,
  ip6_without_rule,
  count
};

/* Names as they stand in results, in the order of the enum. */
constexpr const char* kUnchangedNames[] = {"",          "not IP",           "unknown link type",
                                           "truncated header", "malformed header", "IPv4, and no IPv4 prefix was given",
                                           "IPv6, and no IPv6 prefix was given"};

struct HeaderPlaces {
  Family family = Family::none;
  Unchanged reason = Unchanged::not_ip; /* `changed` when family is set */
  uint32_t network = 0;                 /* frame offset of the IP header */
  /* Frame offset of the transport checksum whose pseudo-header holds the source address; 0 = there is none to follow. */
  uint32_t checksum = 0;
  bool zero_means_absent = false; /* UDP: 0 is "no checksum", and a computed 0 is sent as 0xffff (RFC 768) */
  /* Frame offset of the source and destination port, four bytes; 0 = the protocol has none, or they are not in this frame. */
  uint32_t ports = 0;
  uint8_t protocol = 0;  /* of the transport header; meaningful if ports is set */
  bool fragment = false; /* part of a datagram: the first or a later one */
};

/*
 * Ethernet, up to 8 stacked VLAN tags (802.1Q, 802.1ad, 0x9100, 0x9200), IPv4 or IPv6 with extension headers.
 * Transport checksums with a pseudo-header: TCP, UDP, UDP-Lite, DCCP, VRRPv3; for IPv6 also ICMPv6, OSPFv3, PIM and
 * Mobility. Later fragments have none; SCTP's CRC does not cover addresses (RFC 9260); a Home Address option stands in
 * for the source in the pseudo-header (RFC 6275 6.3), so that the checksum does not follow the source either.
 * Ports: TCP, UDP, DCCP, SCTP, UDP-Lite, where the stack's ip4 and ip6 would see them, too.
 */
HeaderPlaces locate_headers(const uint8_t* frame, uint32_t length, FrameKind kind);

}  // namespace model_t

#endif
