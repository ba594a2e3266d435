/* Implements tcp_streams.h: bytes in order go on, bytes beyond a hole wait until it fills or is given up. */
#include <cstring>

#include "tcp_direction.h"
#include "tcp_streams.h"

namespace model_t {

namespace {

/* A block: the columns of the packet, and on the next line its frame as slots have it, 2 bytes in and padded with zeros. */
constexpr uint32_t kFrameOffset = 66;
static_assert(sizeof(PacketColumns) + sizeof(uint32_t) <= 64);

uint32_t block_bytes(uint32_t frame_length) {
  const uint32_t lines = (frame_length + 2 + 63) / 64;
  return 64 + (lines ? lines : 1) * 64;
}

PacketColumns* packet_in(uint8_t* block) { return reinterpret_cast<PacketColumns*>(block); }

constexpr uint32_t kMostHeld = 1000; /* per direction: 1 MiB of large segments; bounds the cost of an insertion */

}  // namespace

void TcpStreams::take_bytes(uint32_t entry, uint32_t side, const TcpSegment& segment, uint32_t start, const uint8_t* bytes,
                            uint32_t length) {
  Connection& connection = connections_[entry];
  Direction& direction = connection.directions[side];
  bool repeated = false;
  while (length) {
    const int32_t ahead = distance(start, direction.next);
    if (ahead < 0) {
      const uint32_t old = static_cast<uint32_t>(-ahead) < length ? static_cast<uint32_t>(-ahead) : length;
      repeated = true;
      start += old;
      bytes += old;
      length -= old;
    } else if (ahead > 0) {
      if (hold(entry, side, segment, start, bytes, length)) break;
      if (direction.held_count) {
        give_up_hole(entry, side);
      } else {
        direction.next = start; /* not even this one can wait */
        direction.flags |= kGapPending;
        counts.gaps++;
      }
    } else {
      uint32_t fresh = length;
      if (direction.held_count) {
        const uint32_t room = direction.held[0].start - direction.next;
        if (room < fresh) fresh = room;
      }
      deliver(connection, side, segment.packet, bytes, fresh);
      start += fresh;
      bytes += fresh;
      length -= fresh;
      deliver_held(entry, side);
    }
  }
  counts.retransmitted += repeated;
}

/* What was held and follows without a hole goes on. */
uint32_t TcpStreams::deliver_held(uint32_t entry, uint32_t side) {
  Connection& connection = connections_[entry];
  Direction& direction = connection.directions[side];
  uint32_t count = 0;
  for (; count < direction.held_count && direction.held[count].start == direction.next; count++) {
    const Held& held = direction.held[count];
    const PacketColumns& packet = *packet_in(held.block);
    /* The piece lies in the copied frame where it lay in the packet: at the sequence number's distance from its payload. */
    const uint32_t offset = load_raw<uint32_t>(held.block + sizeof(PacketColumns));
    deliver(connection, side, packet, packet.frame + offset, held.length);
    const uint32_t bytes = block_bytes(packet.length);
    connection.held_bytes -= BlockPool::block_bytes(bytes);
    pool_.retire(held.block, bytes);
  }
  if (count == 0) return 0;
  direction.held_count -= count;
  memmove(direction.held, direction.held + count, direction.held_count * sizeof(Held));
  if (direction.held_count == 0) {
    release_list(direction);
    if (connection.directions[side ^ 1].held_count == 0) wait_no_more(entry);
  }
  return count;
}

/* Keeps the bytes for which nothing is held yet. False when there is no room; then what was kept so far stays. */
bool TcpStreams::hold(uint32_t entry, uint32_t side, const TcpSegment& segment, uint32_t start, const uint8_t* bytes,
                      uint32_t length) {
  Direction& direction = connections_[entry].directions[side];
  uint32_t low = 0, high = direction.held_count; /* the first that starts behind `start` */
  while (low < high) {
    const uint32_t middle = (low + high) / 2;
    if (distance(direction.held[middle].start, start) > 0) high = middle;
    else low = middle + 1;
  }
  bool repeated = false, kept = false;
  for (uint32_t index = low; length;) {
    uint32_t covered = 0; /* by the one before */
    if (index > 0) {
      const Held& before = direction.held[index - 1];
      const int32_t over = distance(end_of(before), start);
      if (over > 0) covered = static_cast<uint32_t>(over) < length ? static_cast<uint32_t>(over) : length;
    }
    repeated |= covered > 0;
    start += covered;
    bytes += covered;
    length -= covered;
    uint32_t fresh = length;
    if (index < direction.held_count) {
      const uint32_t room = direction.held[index].start - start;
      if (room < fresh) fresh = room;
    }
    if (fresh) {
      if (!hold_piece(entry, side, segment, index, {start, fresh, nullptr}, bytes)) return false;
      kept = true;
      index++;
    }
    start += fresh;
    bytes += fresh;
    length -= fresh;
    index++;
  }
  counts.retransmitted += repeated;
  counts.reordered += kept;
  return true;
}

bool TcpStreams::hold_piece(uint32_t entry, uint32_t side, const TcpSegment& segment, uint32_t index, Held piece,
                            const uint8_t* bytes) {
  Connection& connection = connections_[entry];
  Direction& direction = connection.directions[side];
  const uint32_t length = segment.packet.length;
  const uint32_t wanted = block_bytes(length);
  if (direction.held_count >= kMostHeld) return false;
  if (connection.held_bytes + BlockPool::block_bytes(wanted) > limits_.held_by_connection) return false;
  if (direction.held_count == direction.held_capacity && !grow(direction)) return false;
  const bool first = direction.held_count == 0;
  piece.block = find_room(entry, wanted);
  if (!piece.block) {
    if (first) release_list(direction);
    return false;
  }
  uint8_t* const frame = piece.block + kFrameOffset;
  PacketColumns packet = segment.packet;
  packet.frame = frame;
  *packet_in(piece.block) = packet;
  const uint32_t offset = static_cast<uint32_t>(bytes - segment.packet.frame);
  memcpy(piece.block + sizeof(PacketColumns), &offset, sizeof offset);
  memcpy(frame, segment.packet.frame, length);
  memset(frame + length, 0, piece.block + wanted - (frame + length));
  memmove(direction.held + index + 1, direction.held + index, (direction.held_count - index) * sizeof(Held));
  direction.held[index] = piece;
  direction.held_count++;
  connection.held_bytes += BlockPool::block_bytes(wanted);
  if (!connection.waits) wait(entry);
  return true;
}

void TcpStreams::release_list(Direction& direction) {
  pool_.release(reinterpret_cast<uint8_t*>(direction.held), direction.held_capacity * static_cast<uint32_t>(sizeof(Held)));
  direction.held = nullptr;
  direction.held_capacity = 0;
}

/* Nobody will ask for it any more. */
void TcpStreams::forget_held(Direction& direction) {
  for (uint32_t i = 0; i < direction.held_count; i++) {
    uint8_t* const block = direction.held[i].block;
    pool_.release(block, block_bytes(packet_in(block)->length));
  }
  direction.held_count = 0;
  if (direction.held) release_list(direction);
}

bool TcpStreams::grow(Direction& direction) {
  const uint32_t old_bytes = direction.held_capacity * static_cast<uint32_t>(sizeof(Held));
  const uint32_t bytes = old_bytes ? (old_bytes + BlockPool::kOverhead) * 2 - BlockPool::kOverhead : 256 - BlockPool::kOverhead;
  uint8_t* const block = pool_.acquire(bytes);
  if (!block) return false;
  if (old_bytes) {
    memcpy(block, direction.held, old_bytes);
    pool_.release(reinterpret_cast<uint8_t*>(direction.held), old_bytes);
  }
  direction.held = reinterpret_cast<Held*>(block);
  direction.held_capacity = bytes / static_cast<uint32_t>(sizeof(Held));
  return true;
}

/* A block, if need be at the cost of the connections that have waited longest; never of this one. */
uint8_t* TcpStreams::find_room(uint32_t entry, uint32_t bytes) {
  if (bytes > BlockPool::kLargest) return nullptr;
  for (;;) {
    uint8_t* const block = pool_.acquire(bytes);
    if (block) return block;
    if (pool_.has_retired()) {
      sink_->flush();
      pool_.recycle();
    } else if (first_waiting_ != kNoEntry && first_waiting_ != entry) {
      give_up_holes(first_waiting_);
    } else {
      return nullptr;
    }
  }
}

/* What the capture cut off will not come: on with what follows. */
void TcpStreams::skip_lost(uint32_t entry, uint32_t side, const TcpSegment& segment) {
  Direction& direction = connections_[entry].directions[side];
  uint32_t lost = segment.missing;
  if (direction.held_count && direction.held[0].start - direction.next < lost) lost = direction.held[0].start - direction.next;
  if ((direction.flags & kFinSeen) && direction.fin - direction.next < lost) lost = direction.fin - direction.next;
  if (lost == 0) return;
  direction.next += lost;
  direction.flags |= kGapPending;
  counts.gaps++;
  deliver_held(entry, side);
}

void TcpStreams::give_up_hole(uint32_t entry, uint32_t side) {
  Direction& direction = connections_[entry].directions[side];
  direction.next = direction.held[0].start;
  direction.flags |= kGapPending;
  counts.gaps++;
  deliver_held(entry, side);
}

void TcpStreams::give_up_holes(uint32_t entry) {
  for (uint32_t side = 0; side < 2; side++) {
    while (connections_[entry].directions[side].held_count) give_up_hole(entry, side);
  }
}

void TcpStreams::wait(uint32_t entry) {
  Connection& connection = connections_[entry];
  connection.waits = true;
  connection.waits_before = last_waiting_;
  connection.waits_behind = kNoEntry;
  if (last_waiting_ == kNoEntry) first_waiting_ = entry;
  else connections_[last_waiting_].waits_behind = entry;
  last_waiting_ = entry;
}

void TcpStreams::wait_no_more(uint32_t entry) {
  Connection& connection = connections_[entry];
  if (!connection.waits) return;
  connection.waits = false;
  if (connection.waits_before == kNoEntry) first_waiting_ = connection.waits_behind;
  else connections_[connection.waits_before].waits_behind = connection.waits_behind;
  if (connection.waits_behind == kNoEntry) last_waiting_ = connection.waits_before;
  else connections_[connection.waits_behind].waits_before = connection.waits_before;
}

}  // namespace model_t
