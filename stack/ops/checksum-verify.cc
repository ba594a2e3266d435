/*
 * checksum-verify: is every checksum what the bytes say? IPv4 headers, and TCP, UDP, ICMP, ICMPv6 over header and payload.
 * Reads all columns and, unless its parameter is 1 (`header`), all bytes of the packet; writes nothing. Verdicts: good,
 * bad, absent (UDP checksum 0), unverifiable (fragment, cut, unknown pseudo-header), other (no checksum known).
 * Kernel file; declaration in checksum-verify.ts.
 */
#include "../native/operation.h"
#include "../native/ip4_columns.h"
#include "../native/line_checksums.h"
#include "../native/packet_bytes.h"

namespace model_t::MODEL_T_ISA {

namespace {

enum Verdict : uint8_t { kGood, kBad, kAbsent, kUnverifiable, kOther, kVerdicts };
constexpr uint8_t kUnsettled = 0xff;

/* What is found out about each packet of a burst, column by column. */
struct Findings {
  alignas(64) uint8_t header_bad[kBurstCapacity];    /* 0 or 0xff */
  alignas(64) uint8_t checksum_zero[kBurstCapacity]; /* 0 or 0xff: a UDP checksum here would be absent */
  alignas(64) uint8_t verdicts[kBurstCapacity];
  alignas(64) uint8_t settled[kBurstCapacity]; /* verdicts of packets in one line, kUnsettled for all others */
  alignas(64) uint64_t sums[kBurstCapacity]; /* transport sums, folded together at the end: vectors do four at once */
};

/* `words` comes from the columns: a lag reader's frame may change after ip4 checked that so many lie inside it. */
[[gnu::always_inline]] inline bool header_bad(const uint8_t* header, uint32_t words) {
  uint64_t sum = add_carry(load_little<uint64_t>(header), load_little<uint64_t>(header + 8));
  sum = add_carry(sum, load_little<uint32_t>(header + 16));
  if (words > 5) [[unlikely]] sum = add_carry(sum, sum_bytes(header + 20, words * 4 - 20));
  return fold_sum(sum) != 0xffff;
}

/* Headers one by one: any packet, any place. */
void find_headers(const Burst256& burst, uint32_t begin, Findings& findings) {
  for (uint32_t i = begin; i < burst.count; i++) {
    const uint32_t network = burst.networks[i];
    const uint32_t transport = burst.transports[i];
    const bool ip = burst.types[i] == 0x0800 || burst.types[i] == 0x86dd;
    findings.header_bad[i] = findings.checksum_zero[i] = 0;
    if (!ip || burst.protocols[i] == kNoProtocol) continue;
    if (burst.types[i] == 0x0800 && header_bad(burst.frames[i] + network, (transport - network) / 4)) findings.header_bad[i] = 0xff;
    if (burst.protocols[i] != 17 || burst.ends[i] < transport + 8u) continue;
    if (load_little<uint16_t>(burst.frames[i] + transport + 6) == 0) findings.checksum_zero[i] = 0xff;
  }
}

#if MODEL_T_VECTOR_BYTES

/* True if every packet is IPv4 with a 20-byte header near enough to the front. A vector pass. */
bool all_plain(const Burst256& burst) {
  uint32_t unusual = 0;
  for (uint32_t i = 0; i < burst.count; i++) {
    unusual |= (burst.types[i] ^ 0x0800u) | (burst.transports[i] ^ (burst.networks[i] + 20u));
    unusual |= static_cast<uint32_t>(burst.protocols[i] == kNoProtocol) | static_cast<uint32_t>(burst.networks[i] > kColumnNetwork);
  }
  return unusual == 0;
}

void find_all_headers(const Burst256& burst, Findings& findings) {
  uint32_t i = 0;
  if (all_plain(burst)) {
    for (; i + 8 <= burst.count; i += 8) {
      uint64_t bad, zero;
      check_eight_headers(burst, i, &bad, &zero);
      memcpy(findings.header_bad + i, &bad, sizeof bad);
      memcpy(findings.checksum_zero + i, &zero, sizeof zero);
    }
  }
  find_headers(burst, i, findings);
}

/* True if any packet ends in its first line: 0.2 cycles per packet, where looking at all columns takes 2. A vector pass. */
bool any_short(const Burst256& burst) {
  uint32_t found = 0;
  for (uint32_t i = 0; i < burst.count; i++) found |= burst.ends[i] <= kLineEnd;
  return found != 0;
}

/* Verdicts of the packets that check_eight_lines() can tell; true if that is all of them. */
[[gnu::noinline]] bool settle_lines(const Burst256& burst, uint8_t* settled) {
  constexpr LineVerdicts kLineVerdicts{kGood, kBad, kAbsent, kUnsettled};
  if (burst.count < 8 || !any_short(burst)) {
    memset(settled, kUnsettled, sizeof(Findings::settled));
    return false;
  }
  /* The last eight may overlap those before: about 70 cycles, what three packets cost that are added up one by one. */
  for (uint32_t i = 0; i < burst.count; i += 8) {
    const uint32_t begin = i + 8 <= burst.count ? i : burst.count - 8;
    const uint64_t eight = check_eight_lines(burst, begin, kLineVerdicts);
    memcpy(settled + begin, &eight, sizeof eight);
  }
  return !has_value(settled, burst.count, kUnsettled);
}

#else

void find_all_headers(const Burst256& burst, Findings& findings) { find_headers(burst, 0, findings); }

bool settle_lines(const Burst256&, uint8_t* settled) {
  memset(settled, kUnsettled, sizeof(Findings::settled));
  return false;
}

#endif

/* Verdict of a packet whose transport checksum has not been added up: kGood = it must be. Columns only: a vector pass. */
void judge_columns(const Burst256& burst, bool header_only, Findings& findings) {
  for (uint32_t i = 0; i < burst.count; i++) {
    const bool ip4 = burst.types[i] == 0x0800, ip6 = burst.types[i] == 0x86dd;
    const uint32_t protocol = burst.protocols[i];
    const bool udp = protocol == 17;
    const bool known = udp | (protocol == 6) | (protocol == (ip4 ? 1u : 58u));
    const bool cut = burst.ends[i] < burst.transports[i] + (protocol == 6 ? 20u : 8u);
    Verdict verdict = udp && findings.checksum_zero[i] ? kAbsent : kGood;
    verdict = cut ? kUnverifiable : verdict;
    verdict = known ? verdict : kOther;
    verdict = burst.marks[i] ? kUnverifiable : verdict;
    verdict = header_only ? (ip4 ? kGood : kOther) : verdict;
    verdict = protocol == kNoProtocol ? kUnverifiable : verdict;
    verdict = ip4 || ip6 ? verdict : kOther;
    findings.verdicts[i] = findings.settled[i] == kUnsettled ? verdict : kOther; /* settled: nothing to add up */
  }
}

/* Sum over pseudo-header (RFC 9293 3.1, RFC 8200 8.1), transport header and payload. False: lengths that cannot be. */
[[gnu::always_inline]] inline bool sum_transport(const Burst256& burst, uint32_t i, uint64_t* sum) {
  const uint32_t protocol = burst.protocols[i];
  const uint8_t* frame = burst.frames[i];
  const uint32_t network = burst.networks[i];
  const uint32_t transport = burst.transports[i];
  uint32_t bytes = burst.ends[i] - transport;
  /* Looked at whatever the protocol, since eight bytes are there: a branch on it would be guessed wrong for half of mixed traffic. */
  const uint32_t word = load_big16(frame + transport + 4);
  const uint32_t declared = protocol == 17 ? word : 0;
  if (declared != 0 && (declared < 8 || declared > bytes)) [[unlikely]] return false;
  bytes = declared != 0 ? declared : bytes; /* 0: jumbogram or offload */
  *sum = sum_bytes(frame + transport, bytes);
  if (protocol == 1) return true;
  *sum = add_carry(*sum, __builtin_bswap32(bytes) + (static_cast<uint64_t>(protocol) << 8));
  if (burst.types[i] == 0x0800) *sum = add_carry(*sum, load_little<uint64_t>(frame + network + 12));
  else *sum = add_carry(*sum, sum_bytes(frame + network + 8, 32));
  return true;
}

void verify_transports(const Burst256& burst, Findings& findings) {
  for (uint32_t i = 0; i < burst.count; i++) {
    findings.sums[i] = 0xffff;
    if (findings.verdicts[i] == kGood && !sum_transport(burst, i, &findings.sums[i])) findings.verdicts[i] = kUnverifiable;
  }
  for (uint32_t i = 0; i < burst.count; i++) {
    findings.verdicts[i] = fold_sum(findings.sums[i]) == 0xffff ? findings.verdicts[i] : static_cast<uint8_t>(kBad);
  }
}

/* Adds up how often each verdict stands in the column. */
void count_verdicts(const uint8_t* column, uint32_t count, uint64_t* verdicts) {
  for (uint32_t verdict = 0; verdict < kVerdicts; verdict++) {
    for (uint32_t begin = 0; begin < count; begin += 128) { /* so that a byte can count */
      const uint32_t end = begin + 128 < count ? begin + 128 : count;
      uint8_t packets = 0;
      for (uint32_t i = begin; i < end; i++) packets = static_cast<uint8_t>(packets + (column[i] == verdict));
      verdicts[verdict] += packets;
    }
  }
}

/*
 * Counts verdicts of a burst in which not every packet is settled. A function of its own with findings of its own: the compiler
 * then knows that they are not the burst's columns, without which it makes no vectors of judge_columns().
 */
[[gnu::noinline]] void judge(const Burst256& burst, bool header_only, const uint8_t* settled, uint64_t* verdicts) {
  Findings findings;
  memcpy(findings.settled, settled, sizeof findings.settled);
  find_all_headers(burst, findings);
  judge_columns(burst, header_only, findings);
  if (!header_only && has_value(findings.verdicts, burst.count, static_cast<uint8_t>(kGood))) verify_transports(burst, findings);
  for (uint32_t i = 0; i < burst.count; i++) {
    const uint8_t verdict = findings.header_bad[i] ? static_cast<uint8_t>(kBad) : findings.verdicts[i];
    findings.verdicts[i] = findings.settled[i] == kUnsettled ? verdict : findings.settled[i];
  }
  count_verdicts(findings.verdicts, burst.count, verdicts);
}

}  // namespace

void run_checksum_verify(Burst256& burst, OperationState& state) {
  const bool header_only = state.parameter == 1;
  alignas(64) uint8_t settled[kBurstCapacity];
  if (header_only) memset(settled, kUnsettled, sizeof settled);
  if (!header_only && settle_lines(burst, settled)) count_verdicts(settled, burst.count, state.verdicts);
  else judge(burst, header_only, settled, state.verdicts);
}

}  // namespace model_t::MODEL_T_ISA
