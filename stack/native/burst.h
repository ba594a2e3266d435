/*
 * A burst in a container: up to 256 rows as columns, handed from operation to operation (operation.h).
 *
 * A row is a packet; behind an operation that reassembles it is a datagram, a piece of a stream, a part of a body. Operations
 * read frames and read and write the columns; they own nothing. The columns that header operations use take 9 KiB, so that
 * they stay in the first-level cache together with the headers they point to. Of every frame the first 62 bytes are
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

/* Bits of Burst256::stream_marks. A stream is a sequence of rows with the same key, in order. */
enum StreamMark : uint8_t {
  kStreamStart = 1, /* the first bytes of the stream */
  kStreamEnd = 2,   /* nothing more will come; the row may be empty */
  kStreamGap = 4,   /* bytes are missing between the row before and this one */
  kStreamHead = 8,  /* a head of HTTP in front of a body, not part of it: no coding was applied to it */
};

/* Content codings of bodies (RFC 9110 8.4.1), from http to gunzip. */
enum Encoding : uint8_t { kIdentity, kGzip, kDeflate, kUnknownEncoding };

struct Burst256 {
  uint32_t count = 0;
  alignas(64) const uint8_t* frames[kBurstCapacity];
  alignas(64) uint32_t lengths[kBurstCapacity];
  alignas(64) uint32_t ends[kBurstCapacity];       /* frame offset where the IP packet ends; set by ip4, ip6 */
  alignas(64) uint16_t types[kBurstCapacity];      /* EtherType behind all VLAN tags, 0 = too short; set by eth */
  alignas(64) uint16_t transports[kBurstCapacity]; /* frame offset of the transport header; set by ip4, ip6 */
  alignas(64) uint16_t classes[kBurstCapacity];    /* what conditional pipes look at; set by classifying operations */
  alignas(64) uint8_t networks[kBurstCapacity];    /* frame offset of the network header; set by eth */
  alignas(64) uint8_t protocols[kBurstCapacity];   /* transport protocol, kNoProtocol = none; set by ip4, ip6 */
  alignas(64) uint8_t marks[kBurstCapacity];       /* PacketMark bits */
  alignas(64) uint8_t leaves[kBurstCapacity];      /* nonzero: the row goes no further; written whole by operations that drop */
  alignas(64) uint8_t slots[kBurstCapacity];       /* row of this packet in the burst that the container took in */
  /* From here on filled in only where a program needs them (Program::needs). */
  alignas(64) uint64_t times[kBurstCapacity];          /* virtual capture time, ns since 1970 */
  alignas(64) const uint8_t* payloads[kBurstCapacity]; /* the bytes to look at next: the frame, a payload, a part of a body */
  alignas(64) uint32_t payload_lengths[kBurstCapacity];
  alignas(64) uint64_t streams[kBurstCapacity];    /* connection number * 2 + direction (0 = of who opened it); 0 = no stream */
  alignas(64) uint8_t stream_marks[kBurstCapacity]; /* StreamMark bits */
  alignas(64) uint8_t encodings[kBurstCapacity];   /* Encoding of a body */
};

}  // namespace model_t

#endif
