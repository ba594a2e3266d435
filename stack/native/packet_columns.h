/*
 * What a row of an operation that expands keeps of the packet it stems from: frames, lengths, times, slots (and, where the
 * operation gives it, the class). All other columns are gone, which the planner knows.
 */
#ifndef MODEL_T_STACK_PACKET_COLUMNS_H
#define MODEL_T_STACK_PACKET_COLUMNS_H

#include "burst.h"

namespace model_t {

struct PacketColumns {
  const uint8_t* frame;
  uint64_t time;
  uint32_t length;
  uint16_t class_number;
  uint8_t slot;
};

inline PacketColumns origin_of(const Burst256& burst, uint32_t row) {
  return {burst.frames[row], burst.times[row], burst.lengths[row], 0, burst.slots[row]};
}

inline void set_origin(Burst256& rows, uint32_t row, const PacketColumns& packet) {
  rows.frames[row] = packet.frame;
  rows.times[row] = packet.time;
  rows.lengths[row] = packet.length;
  rows.slots[row] = packet.slot;
}

/* Of rows that no packet caused (a stream given up at a time-out): an empty frame. */
alignas(64) inline constexpr uint8_t kNoFrame[128] = {};
inline PacketColumns no_packet() { return {kNoFrame + 2, 0, 0, 0, 0}; }

}  // namespace model_t

#endif
