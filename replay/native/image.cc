/*
 * Implements image.h: reserving the arrays and appending packets.
 *
 * One pass writes each slot once: pages come zeroed from the kernel and are never reused, so the padding before and
 * after a frame needs no writing.
 */
#include "image.h"

#include <algorithm>
#include <cstring>

namespace model_t {
namespace {

constexpr uint64_t kLeastSlotBytes = uint64_t{64} << 20;
/*
 * How far the image may grow between two looks at the machine's memory. Smaller: the 0.3 ms of a look show (5 % at
 * 8 MiB); larger: other programs can take the memory in between.
 */
constexpr uint64_t kCheckStep = uint64_t{64} << 20;
/* The parallel arrays use huge pages from here on; a small capture fills little more than the first pages of each. */
constexpr uint64_t kArrayHugeFrom = uint64_t{2} << 20;
/* Left to the rest of the process and the machine when the image stops growing. */
constexpr uint64_t kSpare = uint64_t{64} << 20;

/* Slots ahead of the one being copied that are asked for: packets of a lane lie anywhere, which no prefetcher guesses. */
constexpr uint64_t kAhead = 16;
/* Slots up to this size are copied line by line, in place: a call of memcpy costs as much as eight lines. */
constexpr uint64_t kInline = 8 * kLine;

void copy_slot(uint8_t* to, const uint8_t* from, uint64_t bytes) {
  if (bytes > kInline) {
    std::memcpy(to, from, bytes);
    return;
  }
  for (uint64_t at = 0; at < bytes; at += kLine) std::memcpy(to + at, from + at, kLine);
}

}  // namespace

std::unique_ptr<TraceImage> TraceImage::reserve(uint64_t slot_bytes_wanted, std::string* error) {
  std::unique_ptr<TraceImage> image(new TraceImage());
  uint64_t wanted = std::max<uint64_t>(slot_bytes_wanted / kLine * kLine, kLine);
  while (!image->map(wanted)) {
    if (wanted / 2 < kLeastSlotBytes) {
      *error = "the system refuses to reserve address space for " + std::to_string(wanted) + " bytes of packets";
      return nullptr;
    }
    wanted = wanted / 2 / kLine * kLine;
  }
  return image;
}

std::unique_ptr<TraceImage> TraceImage::select(const TraceImage& from, std::span<const uint32_t> indexes, std::string* error) {
  uint64_t slot_bytes = 0;
  for (const uint32_t index : indexes) slot_bytes += from.slot_offsets_[index + 1] - from.slot_offsets_[index];
  std::unique_ptr<TraceImage> image(new TraceImage());
  if (!image->map(std::max<uint64_t>(slot_bytes, kLine))) {
    *error = "the system refuses to reserve address space for " + std::to_string(slot_bytes) + " bytes of packets";
    return nullptr;
  }
  uint64_t at = 0;
  uint64_t frame_bytes = 0;
  for (uint64_t i = 0; i < indexes.size(); i += 1) {
    if (i + kAhead < indexes.size()) __builtin_prefetch(from.slots_ + from.slot_offsets_[indexes[i + kAhead]]);
    const uint64_t index = indexes[i];
    const uint64_t start = from.slot_offsets_[index];
    const uint64_t bytes = from.slot_offsets_[index + 1] - start;
    copy_slot(image->slots_ + at, from.slots_ + start, bytes);
    image->shapes_[i] = {from.shapes_[index].length, static_cast<uint32_t>(at)};
    image->times_ns_[i] = from.times_ns_[index];
    image->original_lengths_[i] = from.original_lengths_[index];
    image->kinds_[i] = from.kinds_[index];
    at += bytes;
    image->slot_offsets_[i + 1] = at;
    frame_bytes += from.shapes_[index].length;
  }
  image->frame_bytes_.store(frame_bytes, std::memory_order_relaxed);
  image->packets_.store(indexes.size(), std::memory_order_release);
  image->complete();
  return image;
}

bool TraceImage::map(uint64_t slot_bytes_wanted) {
  const uint64_t lines = slot_bytes_wanted / kLine;
  const uint64_t bytes[6] = {slot_bytes_wanted,           (lines + 1) * sizeof(uint64_t), lines * sizeof(PacketShape),
                             lines * sizeof(uint64_t),    lines * sizeof(uint32_t),       lines};
  for (int array = 0; array < 6; array += 1) {
    if (memory_[array].reserve(bytes[array], array == 0 ? 0 : kArrayHugeFrom)) continue;
    for (ReservedMemory& memory : memory_) memory.release();
    return false;
  }
  slots_ = static_cast<uint8_t*>(memory_[0].start());
  slot_offsets_ = static_cast<uint64_t*>(memory_[1].start());
  shapes_ = static_cast<PacketShape*>(memory_[2].start());
  times_ns_ = static_cast<uint64_t*>(memory_[3].start());
  original_lengths_ = static_cast<uint32_t*>(memory_[4].start());
  kinds_ = static_cast<uint8_t*>(memory_[5].start());
  slot_capacity_ = slot_bytes_wanted;
  packet_capacity_ = lines;
  return true;
}

bool TraceImage::may_grow_to(uint64_t end) {
  if (end > slot_capacity_) return false;
  if (end <= checked_to_) return true;
  const uint64_t step = std::max(kCheckStep, end - checked_to_);
  const uint64_t needed = step + step / kLine * kArrayBytes + kSpare;
  if (memory_headroom() < needed) return false;
  checked_to_ += step;
  return true;
}

AppendStatus TraceImage::append(const FrameParts& frame, FrameKind kind, uint32_t original_length, uint64_t time_ns) {
  const uint64_t length = uint64_t{frame.head_length} + frame.body_length;
  if (length > kMaxFrame) return AppendStatus::too_long;
  const uint64_t index = packets_.load(std::memory_order_relaxed);
  const uint64_t start = slot_offsets_[index];
  const uint64_t end = start + slot_bytes(static_cast<uint32_t>(length));
  if (index >= packet_capacity_ || !may_grow_to(end)) return AppendStatus::no_memory;

  uint8_t* to = slots_ + start + kFrameOffset;
  if (frame.head_length > 0) std::memcpy(to, frame.head, frame.head_length);
  if (frame.body_length > 0) std::memcpy(to + frame.head_length, frame.body, frame.body_length);
  shapes_[index] = {static_cast<uint32_t>(length), static_cast<uint32_t>(start)};
  times_ns_[index] = time_ns;
  original_lengths_[index] = original_length;
  kinds_[index] = static_cast<uint8_t>(kind);
  slot_offsets_[index + 1] = end;
  frame_bytes_.store(frame_bytes_.load(std::memory_order_relaxed) + length, std::memory_order_relaxed);
  packets_.store(index + 1, std::memory_order_release);
  return AppendStatus::ok;
}

uint64_t lap_span(const TraceImage& image) {
  const uint64_t packets = image.packets();
  if (packets == 0) return 0;
  uint64_t first = UINT64_MAX, last = 0;
  for (uint64_t i = 0; i < packets; i++) {
    const uint64_t time = image.times_ns()[i];
    if (time < first) first = time;
    if (time > last) last = time;
  }
  /* One average gap after the last packet, so that laps do not collide; at least 1 us, so that time moves. */
  const uint64_t span = last - first;
  return span + (packets > 1 ? span / (packets - 1) : 0) + 1000;
}

}  // namespace model_t
