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

enum Verdict : uint32_t { kGood, kBad, kAbsent, kUnverifiable, kOther, kVerdicts };

/* Sums of a burst, folded and judged together at the end: folding is a chain of its own, vectors do four at once. */
struct Sums {
  alignas(64) uint64_t header[kBurstCapacity];
  alignas(64) uint64_t transport[kBurstCapacity];
  alignas(64) uint8_t verdicts[kBurstCapacity]; /* what the packet is if its sums are good */
};

/* A sum that folds to 0xffff. */
constexpr uint64_t kAllOnes = 0xffff;

/* `words` comes from the columns: a lag reader's frame may change after ip4 checked that so many lie inside it. */
[[gnu::always_inline]] inline uint64_t header_sum(const uint8_t* header, uint32_t words) {
  uint64_t sum = add_carry(load_little<uint64_t>(header), load_little<uint64_t>(header + 8));
  sum = add_carry(sum, load_little<uint32_t>(header + 16));
  if (words > 5) [[unlikely]] sum = add_carry(sum, sum_bytes(header + 20, words * 4 - 20));
  return sum;
}

/*
 * Sum over pseudo-header (RFC 9293 3.1, RFC 8200 8.1), transport header and payload. kGood: `sum` must fold to 0xffff; any
 * other verdict is final.
 */
[[gnu::always_inline]] inline Verdict transport_sum(const Burst256& burst, uint32_t i, bool ip6, uint64_t* sum) {
  const uint32_t protocol = burst.protocols[i];
  const uint8_t* frame = burst.frames[i];
  const uint32_t transport = burst.transports[i];
  const uint32_t end = burst.ends[i];
  if (burst.marks[i]) return kUnverifiable;
  if (protocol != 6 && protocol != 17 && protocol != (ip6 ? 58u : 1u)) return kOther;
  if (end < transport + (protocol == 6 ? 20u : 8u)) return kUnverifiable;
  uint32_t bytes = end - transport;
  if (protocol == 17) {
    const uint64_t header = load_little<uint64_t>(frame + transport);
    if (header >> 48 == 0) return kAbsent;
    const uint32_t declared = __builtin_bswap16(static_cast<uint16_t>(header >> 32));
    if (declared != 0) { /* 0: jumbogram or offload */
      if (declared < 8 || declared > bytes) return kUnverifiable;
      bytes = declared;
    }
  }
  *sum = sum_bytes(frame + transport, bytes);
  if (protocol == 1) return kGood;
  *sum = add_carry(*sum, __builtin_bswap32(bytes) + (static_cast<uint64_t>(protocol) << 8));
  if (ip6) *sum = add_carry(*sum, sum_bytes(frame + burst.networks[i] + 8, 32));
  else *sum = add_carry(*sum, load_little<uint64_t>(frame + burst.networks[i] + 12));
  return kGood;
}

void judge(Sums& sums, uint32_t count, uint64_t* verdicts) {
  for (uint32_t i = 0; i < count; i++) {
    const uint64_t bad = (fold_sum(sums.header[i]) ^ kAllOnes) | (fold_sum(sums.transport[i]) ^ kAllOnes);
    sums.verdicts[i] = bad ? static_cast<uint8_t>(kBad) : sums.verdicts[i];
  }
  for (uint32_t verdict = 0; verdict < kVerdicts; verdict++) {
    uint32_t packets = 0;
    for (uint32_t i = 0; i < count; i++) packets += sums.verdicts[i] == verdict;
    verdicts[verdict] += packets;
  }
}

}  // namespace

void run_checksum_verify(Burst256& burst, OperationState& state) {
  const bool header_only = state.parameter == 1;
  Sums sums;
  for (uint32_t i = 0; i < burst.count; i++) {
    const uint32_t type = burst.types[i];
    const bool ip4 = type == 0x0800;
    uint64_t header = kAllOnes, transport = kAllOnes;
    uint32_t verdict = kOther;
    if (ip4 || type == 0x86dd) {
      verdict = kUnverifiable;
      if (burst.protocols[i] != kNoProtocol) {
        const uint32_t network = burst.networks[i];
        if (ip4) header = header_sum(burst.frames[i] + network, (burst.transports[i] - network) / 4);
        verdict = header_only ? ip4 ? kGood : kOther : transport_sum(burst, i, !ip4, &transport);
      }
    }
    sums.header[i] = header;
    sums.transport[i] = transport;
    sums.verdicts[i] = static_cast<uint8_t>(verdict);
  }
  judge(sums, burst.count, state.verdicts);
}

}  // namespace model_t::MODEL_T_ISA
