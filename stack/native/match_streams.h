/*
 * Where each stream that `match` follows stands in the automaton: a node says as much of what came before as any later
 * occurrence can need, in 4 bytes instead of the longest pattern's length. A stream at the root needs no place.
 *
 * Bounded: kMatchStreams places, the least recently used one is given up when all are taken, and counted. 114 KiB.
 */
#ifndef MODEL_T_STACK_MATCH_STREAMS_H
#define MODEL_T_STACK_MATCH_STREAMS_H

#include <cstdint>
#include <vector>

namespace model_t {

constexpr uint32_t kMatchStreams = 4096;

class MatchStreams {
 public:
  MatchStreams();

  /* The node that a stream has reached; 0 = the root, or not known. */
  uint32_t node(uint64_t stream) const;
  /* Remembers it; 0 forgets the stream. */
  void set(uint64_t stream, uint32_t node);
  uint64_t evicted() const { return evicted_; }
  uint32_t used() const { return used_; }

 private:
  struct Place {
    uint64_t stream = 0;
    uint32_t node = 0;
    uint16_t next = 0;                /* of the same bucket, or of the free places */
    uint16_t older = 0, newer = 0;    /* by use; place 0 is the ring's head */
  };
  static constexpr uint32_t kBuckets = 2 * kMatchStreams;

  uint16_t find(uint64_t stream) const;
  void remove(uint16_t place);
  void unlink(uint16_t place);
  void make_newest(uint16_t place);

  std::vector<Place> places_;     /* 1 to kMatchStreams; 0 = none */
  std::vector<uint16_t> buckets_; /* first place of each */
  uint16_t free_ = 1;
  uint32_t used_ = 0;
  uint64_t evicted_ = 0;
};

}  // namespace model_t

#endif
