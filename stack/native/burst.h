/*
 * A burst in a container: up to 256 packets as columns, handed from operation to operation.
 *
 * Operations read frames and read and write the columns; they own nothing. Column sizes keep one burst within 12 KiB, so
 * that it stays in the first-level cache together with the headers it points to. Of every frame the first 62 bytes are
 * readable whatever its length (slots are whole lines); what lies beyond the length is noise and must not be believed.
 */
#ifndef MODEL_T_STACK_BURST_H
#define MODEL_T_STACK_BURST_H

#include <cstdint>

namespace model_t {

constexpr uint32_t kBurstCapacity = 256;

/* Bits of Burst::marks, set by ip4 and ip6. */
enum PacketMark : uint8_t {
  kFirstFragment = 1,
  kLaterFragment = 2,  /* no transport header here */
  kTruncated = 4,      /* captured shorter than the IP length */
  kPseudoUnknown = 8,  /* the pseudo-header is not the one of the IP header (routing header, Home Address option) */
};

constexpr uint8_t kNoProtocol = 255; /* IANA: reserved */

struct Burst256 {
  uint32_t count = 0;
  alignas(64) const uint8_t* frames[kBurstCapacity];
  alignas(64) uint32_t lengths[kBurstCapacity];
  alignas(64) uint32_t ends[kBurstCapacity];       /* frame offset where the IP packet ends; set by ip4, ip6 */
  alignas(64) uint16_t types[kBurstCapacity];      /* EtherType behind all VLAN tags, 0 = too short; set by eth */
  alignas(64) uint16_t transports[kBurstCapacity]; /* frame offset of the transport header; set by ip4, ip6 */
  alignas(64) uint8_t networks[kBurstCapacity];    /* frame offset of the network header; set by eth */
  alignas(64) uint8_t protocols[kBurstCapacity];   /* transport protocol, kNoProtocol = none; set by ip4, ip6 */
  alignas(64) uint8_t marks[kBurstCapacity];       /* PacketMark bits */
};

/* What an operation keeps between bursts. `verdicts` follow the order of its declaration (stack/ops/NAME.ts). */
struct OperationState {
  uint64_t verdicts[8] = {};
  uint32_t parameter = 0;
};

using OperationFunction = void (*)(Burst256& burst, OperationState& state);

/* All inner loops of the stack for one ISA. */
struct StackKernels {
  const char* isa;
  OperationFunction eth;
  OperationFunction ip4;
  OperationFunction ip6;
  OperationFunction tcp;
  OperationFunction udp;
  OperationFunction checksum_verify;
  OperationFunction count;
  /* Sum of model_t_digest_packet() over the burst; frames are slots + 2, their padding is zero as the ring's contract says. */
  uint64_t (*digest)(const uint8_t* const* frames, const uint32_t* lengths, uint32_t count, uint32_t line_limit);
};

namespace scalar {
extern const StackKernels stack_kernels;
}
#if defined(__x86_64__)
namespace avx2 {
extern const StackKernels stack_kernels;
}
namespace avx512 {
extern const StackKernels stack_kernels;
}
#endif

/* "scalar", "avx2" or "avx512"; null when this build or this CPU has none of that name. */
const StackKernels* find_stack_kernels(const char* isa);

/* True if this CPU, with its operating system, runs code for the named ISA. */
bool cpu_has_isa(const char* isa);

}  // namespace model_t

#endif
