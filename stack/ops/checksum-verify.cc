/*
 * checksum-verify: is every checksum what the bytes say? IPv4 headers, and TCP, UDP, ICMP, ICMPv6 over header and payload.
 * Reads all columns and, unless its parameter is 1 (`header`), all bytes of the packet; writes nothing. Verdicts: good,
 * bad, absent (UDP checksum 0), unverifiable (fragment, cut, unknown pseudo-header), other (no checksum known).
 * Kernel file; declaration in checksum-verify.ts.
 */
#include "../native/burst.h"
#include "../native/packet_bytes.h"

namespace model_t::MODEL_T_ISA {

namespace {

enum Verdict : uint32_t { kGood, kBad, kAbsent, kUnverifiable, kOther };

[[gnu::always_inline]] inline bool header_good(const uint8_t* header) {
  const uint32_t words = header[0] & 15u;
  const uint64_t a = load_little<uint64_t>(header);
  const uint64_t b = load_little<uint64_t>(header + 8);
  uint64_t sum = (a & 0xffffffffu) + (a >> 32) + (b & 0xffffffffu) + (b >> 32) + load_little<uint32_t>(header + 16);
  if (words > 5) [[unlikely]] sum += sum_bytes(header + 20, words * 4 - 20);
  return fold_sum(sum) == 0xffff;
}

/* Transport checksum of packet i; the pseudo-header is that of RFC 9293 3.1 or RFC 8200 8.1. */
[[gnu::always_inline]] inline Verdict transport_verdict(const Burst256& burst, uint32_t i, bool ip6) {
  const uint32_t protocol = burst.protocols[i];
  const uint8_t* frame = burst.frames[i];
  const uint32_t transport = burst.transports[i];
  const uint32_t end = burst.ends[i];
  if (burst.marks[i]) return kUnverifiable;
  if (protocol != 6 && protocol != 17 && protocol != (ip6 ? 58u : 1u)) return kOther;
  uint32_t bytes = end - transport;
  if (end < transport + (protocol == 6 ? 20u : 8u)) return kUnverifiable;
  if (protocol == 17) {
    if (load_little<uint16_t>(frame + transport + 6) == 0) return kAbsent;
    const uint32_t declared = load_big16(frame + transport + 4);
    if (declared != 0) { /* 0: jumbogram or offload */
      if (declared < 8 || declared > bytes) return kUnverifiable;
      bytes = declared;
    }
  }
  uint64_t sum = sum_bytes(frame + transport, bytes);
  if (protocol != 1) {
    const uint8_t* addresses = frame + burst.networks[i] + (ip6 ? 8 : 12);
    sum += sum_bytes(addresses, ip6 ? 32 : 8);
    sum += __builtin_bswap32(bytes) + (static_cast<uint64_t>(protocol) << 8);
  }
  return fold_sum(sum) == 0xffff ? kGood : kBad;
}

}  // namespace

void run_checksum_verify(Burst256& burst, OperationState& state) {
  const bool header_only = state.parameter == 1;
  uint32_t counts[5] = {};
  for (uint32_t i = 0; i < burst.count; i++) {
    const uint32_t type = burst.types[i];
    Verdict verdict = kOther;
    if ((type == 0x0800 || type == 0x86dd) && burst.protocols[i] == kNoProtocol) {
      verdict = kUnverifiable;
    } else if (type == 0x0800) {
      const bool good = header_good(burst.frames[i] + burst.networks[i]);
      verdict = header_only ? kGood : transport_verdict(burst, i, false);
      if (!good) verdict = kBad;
    } else if (type == 0x86dd && !header_only) {
      verdict = transport_verdict(burst, i, true);
    }
    counts[verdict]++;
  }
  for (uint32_t i = 0; i < 5; i++) state.verdicts[i] += counts[i];
}

}  // namespace model_t::MODEL_T_ISA
