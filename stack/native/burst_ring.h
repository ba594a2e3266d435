/*
 * The ring between the stages of a path: bursts stay where they are, stages go over them one behind the other. The shape of the
 * Disruptor's and of DPDK's SORING.
 *
 *   slots      [ n ][n+1][n+2][n+3]         each a burst with its columns, in a ring of a path with copied rows an arena, too
 *   cursors    stage 0 writes slot i when the last stage is beyond i - slots; stage s works on it when stage s - 1 is beyond it
 *
 * Indexes count from 0 in each ring; what the burst's number in the stream is stands in the slot. A cursor has one writer, is
 * alone on 128 bytes, and is published once per burst or once per slice; the copy of the peer's cursor is with the one who
 * waits for it, so that a line goes from core to core once per publication. Made by the control thread, used by the path.
 */
#ifndef MODEL_T_STACK_BURST_RING_H
#define MODEL_T_STACK_BURST_RING_H

#include <atomic>
#include <cstdint>
#include <cstring>
#include <memory>
#include <new>

#include "burst.h"

namespace model_t {

/* Bytes that rows of one slot point to. Grows only for a row that does not fit an empty one. */
class Arena {
 public:
  /* Null: no room left beside what is there. 64-byte aligned. */
  uint8_t* take(uint64_t bytes) {
    const uint64_t whole = (bytes + 63) & ~uint64_t{63};
    if (whole > size_ - used_) return nullptr;
    uint8_t* const at = memory_.get() + used_;
    used_ += whole;
    return at;
  }
  /* Forgets what is there. False when the system has no such memory: the arena is as it was. */
  bool clear(uint64_t least) {
    used_ = 0;
    if (least <= size_) return true;
    const uint64_t whole = (least + 4095) & ~uint64_t{4095};
    uint8_t* const memory = new (std::align_val_t(64), std::nothrow) uint8_t[whole];
    if (!memory) return false;
    memory_.reset(memory);
    size_ = whole;
    return true;
  }

 private:
  struct Free {
    void operator()(uint8_t* memory) const { ::operator delete[](memory, std::align_val_t(64)); }
  };
  std::unique_ptr<uint8_t[], Free> memory_;
  uint64_t size_ = 0;
  uint64_t used_ = 0;
};

struct BurstSlot {
  Burst256 burst;
  uint64_t number = 0; /* of the burst in the stream */
  uint64_t first = 0;  /* packets taken in before it */
  uint32_t part = 0;   /* of rows that were copied: several slots may hold those of one burst */
  bool last = true;    /* ... and this is the last of them */
  bool end = false;    /* behind this burst the stream is over */
  Arena arena;
};

class BurstRing {
 public:
  /* `slots`: a power of two, or 1. `stages`: those that go over the slots, the one that writes them included. */
  BurstRing(uint32_t slots, uint32_t stages)
      : mask_(slots - 1), stages_(stages), slots_(new BurstSlot[slots]), cursors_(new Cursor[stages]) {}

  BurstSlot& at(uint64_t index) { return slots_[index & mask_]; }

  /* May stage 0 write slot `index`? The last stage's reads of what was there are over (acquire). */
  bool writable(uint64_t index) { return index <= mask_ || seen(0, stages_ - 1, index - mask_ - 1); }
  /* May `stage`, which is not 0, work on slot `index`? It sees what the stage before wrote (acquire). */
  bool readable(uint32_t stage, uint64_t index) { return seen(stage, stage - 1, index); }
  /* `stage` is through with the slots below `index`, and touches them no more (release). */
  void publish(uint32_t stage, uint64_t index) { cursors_[stage].published.store(index, std::memory_order_release); }

 private:
  struct alignas(128) Cursor {
    std::atomic<uint64_t> published{0};      /* written by the stage */
    alignas(128) uint64_t peer = 0;          /* the stage's copy of the cursor that it waits for */
  };

  bool seen(uint32_t stage, uint32_t peer, uint64_t index) {
    Cursor& cursor = cursors_[stage];
    if (cursor.peer > index) return true;
    cursor.peer = cursors_[peer].published.load(std::memory_order_acquire);
    return cursor.peer > index;
  }

  const uint64_t mask_;
  const uint32_t stages_;
  std::unique_ptr<BurstSlot[]> slots_;
  std::unique_ptr<Cursor[]> cursors_;
};

}  // namespace model_t

#endif
