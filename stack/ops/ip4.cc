/*
 * ip4: checks IPv4 headers (RFC 791): version, header and total length, fragmentation.
 * Reads types, networks; writes transports, ends, protocols, marks of IPv4 packets. Verdicts: ok, fragment, truncated,
 * malformed, other (not IPv4). Kernel file; declaration in ip4.ts.
 */
#include "../native/operation.h"
#include "../native/packet_bytes.h"

namespace model_t::MODEL_T_ISA {

namespace {

struct Counts {
  uint32_t fragments = 0, truncated = 0, malformed = 0;
};

/* Anything but a whole packet with a plain header. */
[[gnu::noinline]] void check_unusual(Burst256& burst, uint32_t i, Counts* counts) {
  const uint32_t network = burst.networks[i];
  const uint8_t* header = burst.frames[i] + network; /* network <= 46: the 16 bytes looked at are readable */
  const uint32_t length = burst.lengths[i] - network;
  const uint32_t header_bytes = (header[0] & 15u) * 4;
  const uint32_t declared = load_big16(header + 2);
  const uint32_t flags = load_big16(header + 6);
  const uint32_t total = declared == 0 ? length : declared; /* 0: segmentation offload, what was captured counts */
  const bool bad = header[0] >> 4 != 4 || header_bytes < 20 || burst.lengths[i] < network + header_bytes || total < header_bytes;
  if (bad) { /* what cannot be a header says nothing: bytes behind the end of the frame least of all */
    burst.transports[i] = static_cast<uint16_t>(network);
    burst.ends[i] = burst.lengths[i];
    burst.marks[i] = 0;
    burst.protocols[i] = kNoProtocol;
    counts->malformed++;
    return;
  }
  const bool cut = total > length;
  const bool fragment = (flags & 0x3fff) != 0;
  const uint32_t mark = (flags & 0x1fff ? kLaterFragment : fragment ? kFirstFragment : 0) | (cut ? kTruncated : 0);
  burst.transports[i] = static_cast<uint16_t>(network + header_bytes);
  burst.ends[i] = network + (cut ? length : total);
  burst.marks[i] = static_cast<uint8_t>(mark);
  burst.protocols[i] = header[9];
  counts->truncated += cut;
  counts->fragments += !cut && fragment;
}

}  // namespace

void run_ip4(Burst256& burst, OperationState& state) {
  Counts counts;
  uint32_t other = 0;
  for (uint32_t i = 0; i < burst.count; i++) {
    if (burst.types[i] != 0x0800) {
      other++;
      continue;
    }
    const uint32_t network = burst.networks[i];
    const uint8_t* header = burst.frames[i] + network;
    const uint64_t word = load_little<uint64_t>(header);
    const uint32_t total = __builtin_bswap16(static_cast<uint16_t>(word >> 16));
    /* Version 4, no options, no fragment (the "do not fragment" bit does not count), the lengths agree. */
    if ((word & 0xffbf0000000000ffu) != 0x45 || total < 20 || network + total > burst.lengths[i]) [[unlikely]] {
      check_unusual(burst, i, &counts);
      continue;
    }
    burst.transports[i] = static_cast<uint16_t>(network + 20);
    burst.ends[i] = network + total;
    burst.protocols[i] = header[9];
  }
  state.verdicts[0] += burst.count - other - counts.fragments - counts.truncated - counts.malformed;
  state.verdicts[1] += counts.fragments;
  state.verdicts[2] += counts.truncated;
  state.verdicts[3] += counts.malformed;
  state.verdicts[4] += other;
}

}  // namespace model_t::MODEL_T_ISA
