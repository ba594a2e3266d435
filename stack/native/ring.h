/*
 * The producing side of a ring: its memory, and who reads it.
 *
 *   RingMemory   makes the shared memory (private to the process, or /dev/shm/model-t.NAME) and lays it out
 *   ReaderTable  the producer's view of the readers: lets them join, knows the slowest, notices the dead and the lying
 *
 * The reading side is stack/include/model_t_ring.h, for our own containers too. Cursors: the thread whose turn it is to
 * publish owns `head` and `floor`; each reader owns its `tail`. `replay/native` includes this file; it includes nothing
 * of replay.
 */
#ifndef MODEL_T_STACK_RING_H
#define MODEL_T_STACK_RING_H

#include <atomic>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "../include/model_t_ring.h"

namespace model_t {

/* 64 KiB holds a few bursts of small packets; below that a burst is a handful of packets and a hop costs 70 cycles each. */
constexpr uint64_t kMinRegionBytes = 64 * 1024;
constexpr uint64_t kMaxRegionBytes = 1ull << 32;

enum class Backing { small_pages, transparent, huge_tlb };

class RingMemory {
 public:
  /* In this process only. Null and `error` on failure. `region_bytes` is a multiple of 64. */
  static std::unique_ptr<RingMemory> create_private(uint64_t region_bytes, std::string* error);
  /*
   * /dev/shm/model-t.NAME, mode 0600, made exclusively, no link followed. A ring of that name whose producer is dead is
   * reclaimed first; one whose producer lives, or a file that is no ring, is refused.
   */
  static std::unique_ptr<RingMemory> create_named(const std::string& name, uint64_t region_bytes, std::string* error);
  /* Unmaps; a named ring also loses its name, unless somebody else took it over meanwhile. */
  ~RingMemory();
  RingMemory(const RingMemory&) = delete;
  RingMemory& operator=(const RingMemory&) = delete;

  model_t_ring_header* header() const { return header_; }
  model_t_reader_slot* readers() const { return reinterpret_cast<model_t_reader_slot*>(header_ + 1); }
  model_t_descriptor* descriptors() const { return descriptors_; }
  uint64_t* times() const { return times_; }
  uint8_t* region() const { return region_; }
  uint64_t region_bytes() const { return region_bytes_; }
  uint32_t descriptor_count() const { return descriptor_count_; }
  /* position & this = index of its descriptor: all of them, or the part in use. What the producer believes, not what is shared. */
  uint32_t descriptor_mask() const { return descriptor_mask_; }
  /*
   * Producer only, when every reader it waits for has consumed what is published, and after `floor` was raised to that: the
   * reasons are at model_t_ring_load_mask(). `descriptors` is a power of two, at most descriptor_count().
   */
  void use_descriptors(uint32_t descriptors);
  /* Before the first packet: takes the pages of so much of the region, and of its descriptors, from the kernel now, not packet by packet. */
  void touch(uint64_t region_bytes);
  /* One per smallest slot, so that so many bytes always fill up first; a power of two. */
  static uint32_t descriptors_for(uint64_t region_bytes);
  /*
   * Memory outside the ring that descriptors may point into, index 1 to MODEL_T_REGIONS - 1; readers in this process only, those
   * that map the ring afterwards. False: no such index, a start that is not 64-byte aligned, or more than 4 GiB.
   */
  bool set_region(uint32_t index, const uint8_t* start, uint64_t bytes);
  /* MODEL_T_REGIONS of them. */
  const model_t_region* regions() const { return regions_; }
  /* What model_t_ring_attach() does for other processes; then model_t_ring_join(). */
  void map_reader(model_t_reader* reader) const;
  uint64_t total_bytes() const { return total_bytes_; }
  Backing backing() const { return backing_; }

  /* Takes a named ring's name away, unless somebody else took it over: from now on nobody new finds it. */
  void remove_name();

  void publish_state(model_t_ring_state state) { __atomic_store_n(&header_->state, static_cast<uint32_t>(state), __ATOMIC_RELEASE); }

 private:
  RingMemory() = default;
  bool map_private(uint64_t bytes);
  int map_named(const std::string& name, uint64_t bytes, std::string* error);
  void lay_out();

  void* memory_ = nullptr;
  uint64_t mapped_bytes_ = 0;
  uint64_t total_bytes_ = 0;
  uint64_t region_bytes_ = 0;
  uint64_t region_offset_ = 0;
  uint32_t descriptor_count_ = 0;
  uint32_t descriptor_mask_ = 0;
  model_t_ring_header* header_ = nullptr;
  model_t_descriptor* descriptors_ = nullptr;
  uint64_t* times_ = nullptr;
  uint8_t* region_ = nullptr;
  model_t_region regions_[MODEL_T_REGIONS] = {};
  Backing backing_ = Backing::small_pages;
  std::string path_;
  uint64_t inode_ = 0;
};

/* What the producer found out about a reader; kept after the reader has left. */
struct ReaderReport {
  int32_t pid = 0;
  uint32_t policy = MODEL_T_BLOCK;
  uint32_t state = MODEL_T_READER_FREE; /* enum model_t_reader_state */
  uint64_t start = 0;
  uint64_t tail = 0;
  uint64_t delivered = 0;
  uint64_t lost = 0;
};

class ReaderTable {
 public:
  /* Readers of other policies than those in `allowed` (1 << policy) are refused. */
  ReaderTable(RingMemory& ring, uint32_t allowed) : ring_(ring), allowed_(allowed) {}

  /* Makes positions below `head` visible. What the producer believes of its own head is not read back from shared memory. */
  void publish_head(uint64_t head) {
    head_.store(head, std::memory_order_release);
    __atomic_store_n(&ring_.header()->head, head, __ATOMIC_RELEASE);
  }
  uint64_t head() const { return head_.load(std::memory_order_acquire); }

  /* Lets in whoever asks; they see positions from `head` on. Cheap when nobody asked: one load. Producer's turn only. */
  void admit(uint64_t head) {
    if (wanted()) admit_joining(head);
  }
  bool wanted() const {
    return __atomic_load_n(&ring_.header()->join_requests, __ATOMIC_ACQUIRE) != __atomic_load_n(&seen_requests_, __ATOMIC_RELAXED);
  }

  /*
   * Lowest tail among attached readers of the policies in `mask` (1 << policy); UINT64_MAX when there are none. Reads the
   * shared cursors; a tail that went backwards or beyond the head makes its reader faulty and is not waited for.
   */
  uint64_t slowest(uint32_t mask);

  /*
   * Below which position everything is consumed, by one look at one cursor: where nobody reads, or one block reader does. False: ask
   * slowest(), for there are others, somebody joins or leaves, or the cursor is impossible. For a caller who is alone.
   */
  bool glance(uint64_t* free_below);

  /* Readers whose process is gone are marked dead. Costs a /proc read per reader: call a few times a second. */
  void evict_dead();

  /* Readers that are in now; that left by death or fault. */
  uint32_t attached() const { return attached_; }
  uint32_t failed() const { return failed_; }
  bool any_policy(uint32_t mask) const { return (policies_ & mask) != 0; }

  /* One report per reader that ever joined, those that left first, refreshed from the slots. */
  std::vector<ReaderReport> reports();

 private:
  void admit_joining(uint64_t head);
  void leave(uint32_t slot, uint32_t state);
  void recount();

  RingMemory& ring_;
  const uint32_t allowed_;
  std::atomic<uint64_t> head_{0};
  uint32_t seen_requests_ = 0;
  uint32_t attached_ = 0;
  uint32_t failed_ = 0;
  uint32_t policies_ = 0;
  uint32_t sole_ = 0; /* slot of the reader that is in, where one is */
  bool in_[MODEL_T_READER_SLOTS] = {};
  ReaderReport known_[MODEL_T_READER_SLOTS] = {};
  /* Readers that left a slot which a later reader took again. */
  std::vector<ReaderReport> past_;
};

}  // namespace model_t

#endif
