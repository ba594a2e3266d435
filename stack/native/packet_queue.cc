/* See packet_queue.h. */
#include "packet_queue.h"

#include <sys/mman.h>

#include <cstring>

#include "../include/model_t_ring.h"
#include "program.h"

namespace model_t {

namespace {

constexpr uint64_t kHugePage = 2 << 20;
constexpr uint64_t kMicrosecond = 1000;

uint64_t lines_for(uint32_t length) { return (MODEL_T_FRAME_OFFSET + static_cast<uint64_t>(length) + 63) / 64; }

/*
 * An odd number of lines: then the headers of equal frames fall into all cache sets in turn. 24 lines (1536 bytes) leave them
 * an eighth of the sets, 32 lines (2048) a thirty-second.
 */
uint64_t packed_lines(uint32_t length) { return lines_for(length) | 1; }

}  // namespace

PacketQueue::~PacketQueue() {
  if (slots_) munmap(slots_, mapped_bytes_);
}

PacketQueue::PacketQueue(const StackKernels& kernels) : pull_(kernels.pull) {}

bool PacketQueue::fill(const PacketSet& set, uint64_t packets, uint32_t stride, std::string* error) {
  const uint64_t count = set.count == 0 ? 0 : packets ? packets : set.count;
  uint64_t lines = 0;
  lines_.resize(count);
  lengths_.resize(count);
  for (uint64_t i = 0; i < count; i++) {
    const uint32_t length = set.lengths[i % set.count];
    if (stride && lines_for(length) * 64 > stride) {
      *error = "a frame of " + std::to_string(length) + " bytes does not fit into slots of " + std::to_string(stride);
      return false;
    }
    lines_[i] = static_cast<uint32_t>(lines);
    lengths_[i] = length;
    frame_bytes_ += length;
    lines += stride ? stride / 64 : packed_lines(length);
    if (lines > UINT32_MAX) {
      *error = "a queue is at most 256 GiB";
      return false;
    }
  }
  slot_bytes_ = lines * 64;
  mapped_bytes_ = (slot_bytes_ + 2 * kHugePage) & ~(kHugePage - 1);
  void* const memory = mmap(nullptr, mapped_bytes_, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (memory == MAP_FAILED) {
    *error = "no memory for a queue of " + std::to_string(slot_bytes_) + " bytes";
    return false;
  }
  madvise(memory, mapped_bytes_, MADV_HUGEPAGE); /* 4 KiB pages cost a walk every 64 small packets */
  slots_ = static_cast<uint8_t*>(memory);
  for (uint64_t i = 0; i < count; i++) {
    const size_t from = i % set.count;
    memcpy(slots_ + lines_[i] * 64ull + MODEL_T_FRAME_OFFSET, set.bytes + set.offsets[from], lengths_[i]);
  }
  times_.resize(set.count);
  for (size_t i = 0; i < set.count; i++) times_[i] = set.times ? set.times[i] : i * kMicrosecond;
  return true;
}

void PacketQueue::pull(uint64_t first, uint32_t needs, Burst256& burst) const {
  const uint64_t left = packets() - first;
  const uint32_t count = burst.count = left < kBurstCapacity ? static_cast<uint32_t>(left) : kBurstCapacity;
  pull_(burst, slots_ + MODEL_T_FRAME_OFFSET, lines_.data() + first, lengths_.data() + first);
  if (!(needs & kNeedTimes)) return;
  for (uint32_t i = 0; i < count; i++) burst.times[i] = times_[(first + i) % times_.size()];
}

}  // namespace model_t
