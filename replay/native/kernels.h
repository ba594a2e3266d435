/*
 * The inner loops of the native engine, one set per ISA: copy slots, patch headers, write descriptors and times.
 *
 * The engine picks a set once per run (never per burst). All sets give the same bytes; `test/native` holds every one to
 * the scalar one, and the scalar one to the independent reference (reference.h).
 */
#ifndef MODEL_T_REPLAY_KERNELS_H
#define MODEL_T_REPLAY_KERNELS_H

#include <cstddef>
#include <cstdint>

#include "../../stack/include/model_t_ring.h"
#include "image.h"
#include "permutation.h"

namespace model_t {

/*
 * What it takes to give IPv4 packets new sources, as columns. One row per rewritable packet, in packet order.
 * Checksum words are kept as the packet holds them (little-endian loads): one's-complement sums do not mind (RFC 1071 2B).
 */
struct PatchColumns4 {
  const uint32_t* host;   /* host index: source address, or packet, numbered from 0 */
  const uint32_t* fixed;  /* TTL, protocol (IPv4 bytes 8-9), then ~HC + ~m of RFC 1624 eqn 3, folded, in the high half */
  const uint32_t* layer4; /* low half: ~HC + ~m of the transport checksum; bits 16-23 signed distance in bytes from `where`
                             to it, or to the slot's two bytes of padding if there is none; bits 24-25 LineShape; bit 31: UDP */
  const uint32_t* where;  /* low 32 bits of the image offset of IPv4 byte 8 */
};

/*
 * One-line slots of the usual shape, Ethernet without tags and an IPv4 header without options: IPv4 bytes 8-15 are the fourth
 * 64-bit word of the line, and the transport checksum, if there is one to follow, is at byte 42 (UDP) or 52 (TCP).
 */
enum LineShape : uint32_t { kLineOther, kLineHeader, kLineChecksum42, kLineChecksum52, kLineShapes };
constexpr uint32_t kLineShapeBit = 24;

/* UDP: a checksum that comes out as 0 is sent as 0xffff (RFC 768). */
constexpr uint32_t kLayer4Udp = 1u << 31;

struct Patch4 {
  PatchColumns4 columns;
  Permutation permutation; /* at most 32 bits */
  uint32_t prefix;         /* network bits of the address, host byte order */
  uint32_t base;           /* replica * hosts, modulo 2^32 */
  uint32_t origin;         /* low 32 bits of the image offset of `source`, which lies at `target` in the ring */
  const uint8_t* source;
  uint8_t* target;
};

struct ReplayKernels {
  const char* isa;
  /* `bytes` is a multiple of 64; the areas do not overlap and are 64-byte aligned. */
  void (*copy)(uint8_t* to, const uint8_t* from, size_t bytes);
  /* Patches rows [begin, end) of slots that were copied before. */
  void (*patch4)(const Patch4& job, size_t begin, size_t end);
  /*
   * Copies the one-line slots of rows [begin, end), the first of which lies at job.source, and patches them on the way:
   * none of them kLineOther. Each line is stored once: small frames are bound by their stores, and
   * the stores of patch4 cost them a third of their rate.
   */
  void (*fill_lines)(const Patch4& job, size_t begin, size_t end);
  /* Descriptor i: length shapes[i].length, offset shapes[i].offset + shift (mod 2^32) in that region, metadata sequence + i. */
  void (*describe)(model_t_descriptor* to, const PacketShape* shapes, uint32_t count, uint16_t region, uint32_t shift, uint32_t sequence);
  /* to[i] = from[i] + shift. */
  void (*shift_times)(uint64_t* to, const uint64_t* from, uint32_t count, uint64_t shift);
};

namespace scalar {
extern const ReplayKernels replay_kernels;
}
#if defined(__x86_64__)
namespace avx2 {
extern const ReplayKernels replay_kernels;
}
namespace avx512 {
extern const ReplayKernels replay_kernels;
}
#endif

/* The set called "scalar", "avx2" or "avx512"; null when this build or this CPU has none of that name. */
const ReplayKernels* find_replay_kernels(const char* isa);

}  // namespace model_t

#endif
