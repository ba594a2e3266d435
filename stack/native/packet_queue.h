/*
 * A queue of packets in memory, as in the paper's Figure 2 (III): N packets in slots, to be pulled burst by burst.
 *
 *   packet set (a few different frames) --fill--> slots in one mapping, frame at slot + 2, padding zero
 *   pull(first) --> frames, lengths (times) of a burst
 *
 * Slots are packed (each an odd number of lines) or at a fixed stride. One thread fills and pulls; touched by the queue
 * experiment (queue_run.cc) and by runProgram.
 */
#ifndef MODEL_T_STACK_PACKET_QUEUE_H
#define MODEL_T_STACK_PACKET_QUEUE_H

#include <memory>
#include <string>
#include <vector>

#include "operation.h"

namespace model_t {

/* Frames to fill a queue with; not owned. `times` may be null: then packets come a microsecond apart. */
struct PacketSet {
  const uint8_t* bytes = nullptr;
  const uint32_t* offsets = nullptr;
  const uint32_t* lengths = nullptr;
  const uint64_t* times = nullptr;
  size_t count = 0;
};

class PacketQueue {
 public:
  explicit PacketQueue(const StackKernels& kernels);
  ~PacketQueue();
  PacketQueue(const PacketQueue&) = delete;
  PacketQueue& operator=(const PacketQueue&) = delete;

  /*
   * `packets` of them, the set over and over (0 = the set once), at `stride` bytes, a multiple of 64 (0 = packed). False: a frame
   * does not fit, or the memory is not there.
   */
  bool fill(const PacketSet& set, uint64_t packets, uint32_t stride, std::string* error);
  uint64_t packets() const { return lengths_.size(); }
  /* Captured bytes of all packets. */
  uint64_t frame_bytes() const { return frame_bytes_; }
  const uint8_t* slots() const { return slots_; }
  uint64_t slot_bytes() const { return slot_bytes_; }

  /* Packets from `first` on, up to a burst. Writes frames, lengths, and times if `needs` says so. */
  void pull(uint64_t first, uint32_t needs, Burst256& burst) const;

 private:
  decltype(StackKernels::pull) const pull_;
  uint8_t* slots_ = nullptr;
  uint64_t slot_bytes_ = 0;
  uint64_t mapped_bytes_ = 0;
  uint64_t frame_bytes_ = 0;
  std::vector<uint32_t> lines_; /* slot's offset in lines of 64 bytes: 32 bits reach 256 GiB */
  std::vector<uint32_t> lengths_;
  std::vector<uint64_t> times_; /* one lap of the set */
};

}  // namespace model_t

#endif
