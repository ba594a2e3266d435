/* See headers.h. */
#include "headers.h"

namespace model_t {

namespace {

uint32_t load16(const uint8_t* at) { return static_cast<uint32_t>(at[0]) << 8 | at[1]; }

struct TransportChecksum {
  uint32_t offset; /* from the transport header; 0 = none */
  bool zero_means_absent;
};

/* Protocol numbers: IANA. `first` is the first byte of the transport header, for VRRP's version. */
TransportChecksum transport_checksum(uint8_t protocol, Family family, uint8_t first) {
  switch (protocol) {
    case 6: return {16, false};
    case 17: return {6, true};
    case 136: return {6, false}; /* UDP-Lite: the checksum is mandatory (RFC 3828 3.1) */
    case 33: return {6, false};  /* DCCP (RFC 4340 9.1) */
    case 112: return {first >> 4 == 3 ? 6u : 0u, false}; /* VRRPv3 (RFC 5798 5.2.8) */
    default: break;
  }
  if (family == Family::ip6) {
    switch (protocol) {
      case 58: return {2, false};  /* ICMPv6 (RFC 4443 2.3) */
      case 89: return {12, false}; /* OSPFv3 (RFC 5340 A.3.1) */
      case 103: return {2, false}; /* PIM (RFC 7761 4.9) */
      case 135: return {4, false}; /* Mobility (RFC 6275 6.1.1) */
      default: break;
    }
  }
  return {0, false};
}

/* Protocols whose header starts with source and destination port: TCP, UDP, DCCP, SCTP, UDP-Lite. */
bool has_ports(uint8_t protocol) {
  return protocol == 6 || protocol == 17 || protocol == 33 || protocol == 132 || protocol == 136;
}

/* Fills in the places of a transport header that starts at `transport`: those that lie below `end`. */
void place_transport(HeaderPlaces* places, const uint8_t* frame, uint32_t transport, uint32_t end, uint8_t protocol, bool follows) {
  if (transport >= end) return;
  if (has_ports(protocol) && end - transport >= 4) {
    places->ports = transport;
    places->protocol = protocol;
  }
  if (!follows) return;
  const TransportChecksum checksum = transport_checksum(protocol, places->family, frame[transport]);
  if (checksum.offset == 0 || end - transport < checksum.offset + 2) return;
  places->checksum = transport + checksum.offset;
  places->zero_means_absent = checksum.zero_means_absent;
}

void locate_ip4(HeaderPlaces* places, const uint8_t* frame, uint32_t length) {
  const uint32_t network = places->network;
  if (length - network < 20) {
    places->reason = Unchanged::truncated_header;
    return;
  }
  const uint32_t header = (frame[network] & 15u) * 4;
  if (frame[network] >> 4 != 4 || header < 20) {
    places->reason = Unchanged::malformed_header;
    return;
  }
  places->family = Family::ip4;
  places->reason = Unchanged::changed;
  const uint32_t fragment = load16(frame + network + 6) & 0x3fff; /* "more fragments" and the offset */
  places->fragment = fragment != 0;
  if ((fragment & 0x1fff) != 0) return; /* a later fragment */
  const uint32_t total = load16(frame + network + 2);
  /* 0 = segmentation offload left it to the card: what was captured counts. */
  const uint32_t end = total == 0 || total > length - network ? length : network + total;
  if (length - network < header) return;
  place_transport(places, frame, network + header, end, frame[network + 9], true);
}

/* True if a destination-options header of `bytes` holds a Home Address option (type 0xc9). */
bool has_home_address(const uint8_t* header, uint32_t bytes) {
  for (uint32_t at = 2; at + 1 < bytes;) {
    if (header[at] == 0) {
      at++; /* Pad1 */
    } else {
      if (header[at] == 0xc9) return true;
      at += 2u + header[at + 1];
    }
  }
  return false;
}

void locate_ip6(HeaderPlaces* places, const uint8_t* frame, uint32_t length) {
  const uint32_t network = places->network;
  if (length - network < 40) {
    places->reason = Unchanged::truncated_header;
    return;
  }
  if (frame[network] >> 4 != 6) {
    places->reason = Unchanged::malformed_header;
    return;
  }
  places->family = Family::ip6;
  places->reason = Unchanged::changed;
  const uint32_t payload = load16(frame + network + 4);
  const uint32_t end = payload == 0 || payload > length - network - 40 ? length : network + 40 + payload;
  uint8_t next = frame[network + 6];
  uint32_t at = network + 40;
  bool follows = true; /* the checksum covers the source address of the header */
  for (;;) {
    uint32_t bytes = 0;
    switch (next) {
      case 0:  /* hop-by-hop */
      case 43: /* routing */
      case 60: /* destination options */
        if (end - at < 8) return;
        bytes = (frame[at + 1] + 1u) * 8;
        if (end - at < bytes) return;
        if (next == 60 && has_home_address(frame + at, bytes)) follows = false;
        break;
      case 44: { /* fragment; one of offset 0 without more of them is a packet of its own (RFC 6946) */
        if (end - at < 8) return;
        const uint32_t fragment = load16(frame + at + 2) & 0xfff9;
        if (fragment != 0) places->fragment = true;
        if (fragment > 1) return; /* a later fragment */
        bytes = 8;
        break;
      }
      case 51: /* authentication */
        if (end - at < 8) return;
        bytes = (frame[at + 1] + 2u) * 4;
        if (end - at < bytes) return;
        break;
      default:
        place_transport(places, frame, at, end, next, follows);
        return;
    }
    next = frame[at];
    at += bytes;
  }
}

}  // namespace

HeaderPlaces locate_headers(const uint8_t* frame, uint32_t length, FrameKind kind) {
  HeaderPlaces places;
  if (kind != FrameKind::ethernet) {
    places.reason = Unchanged::opaque_link_type;
    return places;
  }
  if (length < 14) {
    places.reason = Unchanged::truncated_header;
    return places;
  }
  uint32_t type = load16(frame + 12);
  uint32_t at = 14;
  for (int tags = 0; tags < 8 && (type == 0x8100 || type == 0x88a8 || type == 0x9100 || type == 0x9200); tags++) {
    if (length - at < 4) {
      places.reason = Unchanged::truncated_header;
      return places;
    }
    type = load16(frame + at + 2);
    at += 4;
  }
  places.network = at;
  if (type == 0x0800) {
    locate_ip4(&places, frame, length);
  } else if (type == 0x86dd) {
    locate_ip6(&places, frame, length);
  }
  return places;
}

}  // namespace model_t
