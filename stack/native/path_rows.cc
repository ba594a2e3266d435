/*
 * Rows that an operation made, on their way to another container: copied, with the bytes they point to, into slots of a ring
 * between the two stages. See path.h and operation.h: what such rows point to is gone when the operation's run is over, and
 * the operation cannot stop in the middle.
 *
 *   forward()      as the tail of the stage's range: row after row into the open slot
 *   full           of rows, or of bytes: the slot is closed and another opened; where none is free, this is the one place of a
 *                  path that waits, until the stages behind have come on
 *   close_burst()  behind the last run for a burst: its last slot, even if that is empty, so that every burst comes to the end
 */
#include <sched.h>

#include <cstring>

#include "burst_columns.h"
#include "clock.h"
#include "path_epoch.h"

namespace model_t {

namespace {

/* When the path is stopped and nobody takes rows any more, because a container is paused or gone: how long to wait for it. */
constexpr uint64_t kStopPatience = 100 * 1000 * 1000;
constexpr uint32_t kSpins = 100;

/* A frame that was copied, so that the next row of the same packet need not copy it again. */
struct CopiedFrame {
  const uint8_t* from = nullptr;
  uint32_t length = 0;
  const uint8_t* to = nullptr;
};

uint64_t slot_bytes(uint32_t length) { return (uint64_t{MODEL_T_FRAME_OFFSET} + length + 63) & ~uint64_t{63}; }

/* As in a ring: two bytes in, zeros to the end of the line. Null: no room. */
const uint8_t* copy_frame(Arena& arena, const uint8_t* frame, uint32_t length) {
  uint8_t* const slot = arena.take(slot_bytes(length));
  if (!slot) return nullptr;
  memset(slot, 0, MODEL_T_FRAME_OFFSET);
  memcpy(slot + MODEL_T_FRAME_OFFSET, frame, length);
  memset(slot + MODEL_T_FRAME_OFFSET + length, 0, slot_bytes(length) - MODEL_T_FRAME_OFFSET - length);
  return slot + MODEL_T_FRAME_OFFSET;
}

/* A payload that is part of the frame stays part of it. Null: no room. */
const uint8_t* copy_payload(Arena& arena, const Burst256& from, uint32_t row, const uint8_t* frame) {
  const uint8_t* const payload = from.payloads[row];
  const uint32_t length = from.payload_lengths[row];
  if (length == 0) return frame;
  /* Of a payload in front of the frame this is a huge number. */
  const uint64_t offset = reinterpret_cast<uintptr_t>(payload) - reinterpret_cast<uintptr_t>(from.frames[row]);
  if (offset <= from.lengths[row] && length <= from.lengths[row] - offset) return frame + offset;
  uint8_t* const copy = arena.take(length);
  if (copy) memcpy(copy, payload, length);
  return copy;
}

/* False: the slot is full. */
bool copy_row(BurstSlot& slot, const Burst256& from, uint32_t row, uint32_t needs, CopiedFrame& last) {
  Burst256& to = slot.burst;
  if (to.count == kBurstCapacity) return false;
  if (from.frames[row] != last.from || from.lengths[row] != last.length || !last.to) {
    last = {from.frames[row], from.lengths[row], copy_frame(slot.arena, from.frames[row], from.lengths[row])};
    if (!last.to) return false;
  }
  const uint8_t* const payload = needs & kNeedPayloads ? copy_payload(slot.arena, from, row, last.to) : nullptr;
  if (needs & kNeedPayloads && !payload) return false;
  const uint32_t at = to.count++;
  each_column(to, from, needs, [at, row](auto* into, auto* out_of) { into[at] = out_of[row]; });
  to.frames[at] = last.to;
  if (needs & kNeedPayloads) to.payloads[at] = payload;
  return true;
}

}  // namespace

void Path::forward(void* context, const Burst256& burst) {
  Stage& stage = *static_cast<Stage*>(context);
  Path& path = *stage.path;
  CopiedFrame last; /* of this call: at the next one other bytes may be at the same place */
  for (uint32_t row = 0; row < burst.count;) {
    if (!stage.open && !(path.wait_for_slot(stage) && path.open_slot(stage))) return;
    if (copy_row(*stage.open, burst, row, path.program_->needs(), last)) {
      row++;
      continue;
    }
    last = {};
    if (stage.open->burst.count) path.close_slot(stage, false);
    else if (!path.grow(stage, burst, row)) return;
  }
}

/* False: the path has failed, and rows go nowhere. */
bool Path::wait_for_slot(Stage& stage) {
  uint64_t stopped_ns = 0;
  for (uint32_t turns = 0; !stage.out->writable(stage.out_index); turns++) {
    if (turns == 0) publish(stage); /* what waits for the end of the slice is what the next stage can go on with */
    if (failed()) return false;
    if (turns < kSpins) {
      model_t_pause();
      continue;
    }
    sched_yield(); /* the other container may be waiting for this very CPU */
    if (!stop_.load(std::memory_order_relaxed)) continue;
    if (stopped_ns == 0) stopped_ns = now_ns();
    if (now_ns() - stopped_ns > kStopPatience) fail("the path was stopped while rows waited for a container that takes none; resume it first");
  }
  return true;
}

/* There is one (BurstRing::writable). False: failed. */
bool Path::open_slot(Stage& stage) {
  BurstSlot& slot = stage.out->at(stage.out_index);
  slot.number = stage.working->number;
  slot.first = stage.working->first;
  slot.part = stage.part++;
  slot.end = slot.last = false;
  slot.burst.count = 0;
  stage.open = &slot;
  if (slot.arena.clear(options_.arena_bytes)) return true;
  fail("no memory for " + std::to_string(options_.arena_bytes) + " bytes of rows between two containers; use a smaller window");
  return false;
}

/* For a row that does not fit an empty slot. */
bool Path::grow(Stage& stage, const Burst256& burst, uint32_t row) {
  const uint64_t bytes = slot_bytes(burst.lengths[row]) + (program_->needs() & kNeedPayloads ? slot_bytes(burst.payload_lengths[row]) : 0);
  if (stage.open->arena.clear(bytes)) return true;
  fail("no memory for a row of " + std::to_string(bytes) + " bytes between two containers");
  return false;
}

void Path::close_slot(Stage& stage, bool last) {
  stage.open->last = last;
  stage.open->end = last && stage.working->end;
  stage.open = nullptr;
  stage.out_index++;
  if (last) stage.part = 0;
  if (!stage.vertical) {
    stage.out_published = stage.out_index;
    stage.out->publish(0, stage.out_index);
  }
}

/* Behind the run of one slot of `in`. False: there is no slot now; to be called again. */
bool Path::close_burst(Stage& stage) {
  if (!stage.working->last) return true; /* more of the same burst follows, and its rows go on in the open slot */
  if (!stage.open) {
    if (!stage.out->writable(stage.out_index)) return false;
    open_slot(stage);
  }
  close_slot(stage, true);
  return true;
}

}  // namespace model_t
