/*
 * ip6: checks IPv6 headers (RFC 8200) and walks extension headers to the transport header.
 * Reads types, networks; writes transports, ends, protocols, marks of IPv6 packets. Verdicts: ok, fragment, truncated,
 * malformed, other (not IPv6). Kernel file; declaration in ip6.ts.
 */
#include "../native/operation.h"
#include "../native/packet_bytes.h"

namespace model_t::MODEL_T_ISA {

namespace {

struct Walk {
  uint32_t transport;
  uint32_t marks;
  uint8_t protocol;
  bool bad;
};

[[gnu::noinline]] bool has_home_address(const uint8_t* header, uint32_t bytes) {
  for (uint32_t at = 2; at + 1 < bytes;) {
    if (header[at] == 0) {
      at++; /* Pad1 */
    } else {
      if (header[at] == 0xc9) return true; /* RFC 6275 6.3 */
      at += 2u + header[at + 1];
    }
  }
  return false;
}

/* From the byte behind the fixed header; every byte read lies below `end`. */
[[gnu::noinline]] Walk walk_extensions(const uint8_t* frame, uint32_t at, uint32_t end, uint8_t next) {
  Walk walk = {at, 0, next, false};
  for (;;) {
    uint32_t bytes = 8;
    if (next != 0 && next != 43 && next != 60 && next != 44 && next != 51) break;
    if (end - at < 8) return {at, walk.marks, kNoProtocol, true};
    if (next == 51) bytes = (frame[at + 1] + 2u) * 4; /* RFC 4302 2.2 */
    else if (next != 44) bytes = (frame[at + 1] + 1u) * 8;
    if (end - at < bytes) return {at, walk.marks, kNoProtocol, true};
    if (next == 44) {
      const uint32_t fragment = load_big16(frame + at + 2);
      if (fragment & 0xfff8) walk.marks |= kLaterFragment;
      else if (fragment & 1) walk.marks |= kFirstFragment;
    }
    if ((next == 43 && frame[at + 3] != 0) || (next == 60 && has_home_address(frame + at, bytes))) walk.marks |= kPseudoUnknown;
    next = frame[at];
    at += bytes;
    if (walk.marks & kLaterFragment) break;
  }
  walk.transport = at;
  walk.protocol = next;
  walk.bad = at > 0xffff; /* columns hold 16 bits; no real packet has 64 KiB of extension headers */
  return walk;
}

}  // namespace

void run_ip6(Burst256& burst, OperationState& state) {
  uint32_t other = 0, fragments = 0, truncated = 0, malformed = 0;
  if (!has_value(burst.types, burst.count, uint16_t{0x86dd})) other = burst.count; /* a vector pass: most bursts are all or nothing */
  for (uint32_t i = other; i < burst.count; i++) {
    if (burst.types[i] != 0x86dd) {
      other++;
      continue;
    }
    const uint32_t network = burst.networks[i];
    const uint8_t* frame = burst.frames[i];
    const uint32_t length = burst.lengths[i];
    if (length < network + 40 || frame[network] >> 4 != 6) {
      burst.protocols[i] = kNoProtocol;
      burst.marks[i] = 0;
      burst.transports[i] = static_cast<uint16_t>(network);
      burst.ends[i] = length;
      malformed++;
      continue;
    }
    const uint32_t declared = load_big16(frame + network + 4);
    const uint32_t available = length - network - 40;
    const bool cut = declared > available;
    const uint32_t end = declared == 0 || cut ? length : network + 40 + declared; /* 0: jumbogram or offload */
    const Walk walk = walk_extensions(frame, network + 40, end, frame[network + 6]);
    burst.transports[i] = static_cast<uint16_t>(walk.transport);
    burst.ends[i] = end;
    burst.protocols[i] = walk.bad ? kNoProtocol : walk.protocol;
    burst.marks[i] = static_cast<uint8_t>(walk.marks | (cut ? kTruncated : 0));
    malformed += walk.bad;
    truncated += !walk.bad && cut;
    fragments += !walk.bad && !cut && (walk.marks & (kFirstFragment | kLaterFragment));
  }
  state.verdicts[0] += burst.count - other - fragments - truncated - malformed;
  state.verdicts[1] += fragments;
  state.verdicts[2] += truncated;
  state.verdicts[3] += malformed;
  state.verdicts[4] += other;
}

}  // namespace model_t::MODEL_T_ISA
