/*
 * Link types: what they are called, and how their packets become Ethernet frames.
 *
 * Pure functions over checked lengths. A packet whose link header carries an IP packet in a known way is given a
 * made-up Ethernet header instead of it; what cannot be mapped is left as it is, opaque. Called by the trace builder.
 */
#ifndef MODEL_T_REPLAY_LINK_TYPE_H
#define MODEL_T_REPLAY_LINK_TYPE_H

#include <cstdint>

#include "image.h"

namespace model_t {

constexpr uint32_t kEthernetHeader = 14;
constexpr uint32_t kLinkEthernet = 1;

/*
 * How a packet is laid into a slot: `head` (0 or 14 bytes) and then the packet from byte `strip` on.
 * The made-up header has the locally administered addresses 02:00:00:00:00:01 (destination) and, unless the capture
 * knows the sender, 02:00:00:00:00:02 (source).
 */
struct LinkMapping {
  FrameKind kind;
  uint32_t head_length;
  uint32_t strip;
  uint8_t head[kEthernetHeader];
};

LinkMapping map_link(uint32_t link_type, const uint8_t* packet, uint32_t length);

/* Name of a LINKTYPE_ value without its prefix, for example "EN10MB"; "unknown" where the list has none. */
const char* link_type_name(uint32_t link_type);

}  // namespace model_t

#endif
