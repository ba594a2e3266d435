/* See verification.h. */
#include "verification.h"

#include <cstring>

namespace model_t {

namespace {

/* Recomputed of what lies in staging memory, at most: twice what a window of the path holds. */
constexpr uint64_t kMostStagedPackets = 1 << 20;

/* The first and the last packets that the path saw. */
Verification verify_windows(Reference& reference, const Delivered& delivered) {
  const DigestWindow& head = delivered.path->head;
  const DigestWindow& tail = delivered.path->tail;
  Verification verification;
  verification.ok = reference.digest(tail.begin, tail.end, delivered.digest_lines) == tail.digest;
  verification.packets = tail.end - tail.begin;
  if (tail.begin < head.end) return verification; /* the last window begins with the first */
  if (reference.digest(head.begin, head.end, delivered.digest_lines) != head.digest) verification.ok = false;
  verification.packets += head.end - head.begin;
  return verification;
}

/*
 * What still lies in staging memory: whole batches, of which the descriptors in the ring show only the end. Called behind the last
 * look at the readers, so that nothing is reclaimed any more.
 */
Verification verify_staging(Reference& reference, const Delivered& delivered) {
  const uint64_t offered = delivered.engine.offered;
  const uint64_t oldest = offered > kMostStagedPackets ? offered - kMostStagedPackets : 0;
  const uint64_t first = delivered.pushed->reclaimed_end() > oldest ? delivered.pushed->reclaimed_end() : oldest;
  for (uint64_t ordinal = first; ordinal < offered; ordinal++) {
    uint32_t length = 0;
    const uint8_t* frame = reference.frame(ordinal, &length);
    const uint8_t* staged = delivered.pushed->frame_at(ordinal, offered);
    if (!staged || memcmp(staged, frame, length) != 0) return {offered - first, false};
  }
  return {offered - first, true};
}

/* What still lies in the ring, byte by byte: where no reader of ours saw every packet. */
Verification verify_ring(Reference& reference, const Delivered& delivered) {
  const RingMemory& ring = delivered.ring;
  const uint64_t offered = delivered.engine.offered;
  const uint32_t mask = ring.descriptor_mask(); /* floor was raised when it changed: what is left lies in the last window */
  Verification verification;
  for (uint64_t position = delivered.engine.floor; position < delivered.engine.head; position++) {
    const model_t_descriptor descriptor = model_t_descriptor_load(&ring.descriptors()[position & mask]);
    if (descriptor.flags & MODEL_T_MARK) continue;
    /* The descriptor holds the low half of the ordinal; there is one such ordinal among the last 2^32. */
    uint64_t ordinal = (offered & ~0xffffffffull) | descriptor.metadata;
    if (ordinal >= offered) ordinal -= 1ull << 32;
    uint32_t length = 0;
    const uint8_t* frame = ordinal < offered ? reference.frame(ordinal, &length) : nullptr;
    if (!frame || !model_t_descriptor_fits(&descriptor, ring.regions()) || descriptor.length != length ||
        memcmp(ring.regions()[descriptor.region].start + descriptor.offset, frame, length) != 0) {
      verification.ok = false;
      return verification;
    }
    verification.packets++;
  }
  return verification;
}

}  // namespace

Verification verify_delivered(Reference& reference, const Delivered& delivered) {
  const EngineOutcome& engine = delivered.engine;
  if (engine.offered == 0 || engine.stopped == Stopped::reader_died) return {};
  if (delivered.path && delivered.path->delivered == engine.offered) return verify_windows(reference, delivered);
  const Verification verification = verify_ring(reference, delivered);
  return delivered.pushed && !delivered.path && verification.ok ? verify_staging(reference, delivered) : verification;
}

}  // namespace model_t
