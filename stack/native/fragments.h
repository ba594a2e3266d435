/*
 * What an IPv4 or IPv6 fragment says about itself (RFC 791 3.2, RFC 8200 4.5). Pure; behind eth; used by datagrams.h.
 */
#ifndef MODEL_T_STACK_FRAGMENTS_H
#define MODEL_T_STACK_FRAGMENTS_H

#include "burst.h"
#include "flow_table.h"

namespace model_t {

struct Fragment {
  FlowKey key;             /* of the datagram */
  uint32_t header;         /* bytes of the frame before the data, without an IPv6 fragment header */
  uint32_t offset;         /* in the datagram's data */
  uint32_t length;
  const uint8_t* data;
  uint32_t next_at;        /* IPv6: frame offset of the byte that names the fragment header */
  uint8_t next;            /* IPv6: the header behind it */
  uint8_t network;
  bool six;
  bool more;               /* not the last one */
};

enum class Fragmentation {
  whole,     /* no fragment, or nothing that ip4 and ip6 would not find fault with */
  fragment,
  malformed, /* a fragment that fits into no datagram: cut, of no length, reaching too far, not a multiple of 8 bytes */
};

Fragmentation read_fragment(const uint8_t* frame, uint32_t length, uint16_t type, uint8_t network, Fragment* fragment);

/* Makes the copied header that of an unfragmented packet with `data` bytes. False when that would be too long. */
bool unfragment_header(uint8_t* frame, const Fragment& first, uint32_t data);

}  // namespace model_t

#endif
