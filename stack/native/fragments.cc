/* Implements fragments.h. */
#include "fragments.h"

#include "flow_key.h"

namespace model_t {

namespace {

constexpr uint32_t kLargestPacket = 65535;

Fragmentation judge(const Fragment& fragment) {
  if (fragment.length == 0 || (fragment.more && fragment.length % 8)) return Fragmentation::malformed;
  if (fragment.offset + fragment.length > kLargestPacket) return Fragmentation::malformed;
  return Fragmentation::fragment;
}

Fragmentation read4(const uint8_t* frame, uint32_t length, uint8_t network, Fragment* fragment) {
  if (length < network + 20u) return Fragmentation::whole;
  const uint8_t* header = frame + network;
  const uint32_t header_bytes = (header[0] & 15u) * 4;
  const uint32_t flags = load_network16(header + 6);
  if ((flags & 0x3fff) == 0 || header[0] >> 4 != 4 || header_bytes < 20 || length < network + header_bytes) return Fragmentation::whole;
  const uint32_t total = load_network16(header + 2);
  if (total < header_bytes || network + total > length) return Fragmentation::malformed;
  fragment->key = {};
  fragment->key.words[0] = load_raw<uint32_t>(header + 12);
  fragment->key.words[2] = load_raw<uint32_t>(header + 16);
  fragment->key.words[4] = load_raw<uint16_t>(header + 4) | static_cast<uint64_t>(header[9]) << 32 | uint64_t{4} << 40;
  fragment->header = network + header_bytes;
  fragment->offset = (flags & 0x1fff) * 8;
  fragment->length = total - header_bytes;
  fragment->data = header + header_bytes;
  fragment->next_at = 0;
  fragment->next = header[9];
  fragment->network = network;
  fragment->six = false;
  fragment->more = (flags & 0x2000) != 0;
  return judge(*fragment);
}

Fragmentation read6(const uint8_t* frame, uint32_t length, uint8_t network, Fragment* fragment) {
  if (length < network + 40u || frame[network] >> 4 != 6) return Fragmentation::whole;
  const uint32_t end = network + 40 + load_network16(frame + network + 4);
  uint32_t next_at = network + 6u;
  uint32_t at = network + 40u;
  const uint32_t readable = end < length ? end : length;
  /* Hop-by-hop options, routing and destination options may stand before it. */
  while (frame[next_at] == 0 || frame[next_at] == 43 || frame[next_at] == 60) {
    if (readable < at + 8) return Fragmentation::whole;
    next_at = at;
    at += (frame[at + 1] + 1u) * 8;
  }
  if (frame[next_at] != 44 || readable < at + 8) return Fragmentation::whole;
  const uint32_t field = load_network16(frame + at + 2);
  if ((field & 0xfff9) == 0) return Fragmentation::whole; /* RFC 6946: an atomic fragment is a packet of its own */
  if (end > length) return Fragmentation::malformed;
  fragment->key = {};
  memcpy(fragment->key.words, frame + network + 8, 32);
  fragment->key.words[4] = load_raw<uint32_t>(frame + at + 4) | uint64_t{6} << 40;
  fragment->header = at;
  fragment->offset = field & 0xfff8;
  fragment->length = end - at - 8;
  fragment->data = frame + at + 8;
  fragment->next_at = next_at;
  fragment->next = frame[at];
  fragment->network = network;
  fragment->six = true;
  fragment->more = (field & 1) != 0;
  return judge(*fragment);
}

void store16(uint8_t* at, uint32_t value) {
  at[0] = static_cast<uint8_t>(value >> 8);
  at[1] = static_cast<uint8_t>(value);
}

}  // namespace

Fragmentation read_fragment(const uint8_t* frame, uint32_t length, uint16_t type, uint8_t network, Fragment* fragment) {
  if (type == 0x0800) return read4(frame, length, network, fragment);
  if (type == 0x86dd) return read6(frame, length, network, fragment);
  return Fragmentation::whole;
}

bool unfragment_header(uint8_t* frame, const Fragment& first, uint32_t data) {
  uint8_t* const header = frame + first.network;
  const uint32_t bytes = first.header - first.network;
  if (first.six) {
    if (bytes - 40 + data > kLargestPacket) return false;
    store16(header + 4, bytes - 40 + data);
    frame[first.next_at] = first.next;
    return true;
  }
  if (bytes + data > kLargestPacket) return false;
  store16(header + 2, bytes + data);
  store16(header + 6, load_network16(header + 6) & 0xc000); /* all but "more fragments" and the offset */
  store16(header + 10, 0);
  uint32_t sum = 0;
  for (uint32_t i = 0; i < bytes; i += 2) sum += load_network16(header + i);
  sum = (sum & 0xffff) + (sum >> 16);
  sum = (sum & 0xffff) + (sum >> 16);
  store16(header + 10, ~sum & 0xffff);
  return true;
}

}  // namespace model_t
