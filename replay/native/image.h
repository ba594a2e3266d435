/*
 * The trace image: every packet of the inputs laid out in memory as the ring wants it.
 *
 * One writer (the loading thread) appends packets and publishes their count with release order; engines on other threads
 * read packets below that count while loading goes on (stdin). The arrays live in reserved address space and never move,
 * so that a pointer taken once stays good for the life of the image. Nothing here knows a file format or a mutation.
 *
 * Slot: a multiple of 64 bytes; bytes 0-1 are padding (zero), the frame starts at byte 2 so that IPv4 is word-aligned, the
 * tail after the frame is zero. A stride that is a multiple of 1 KiB gets one more line, or all headers would share
 * 1/16 of the cache sets (DESIGN 5).
 */
#ifndef MODEL_T_REPLAY_IMAGE_H
#define MODEL_T_REPLAY_IMAGE_H

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>

#include "reserved_memory.h"

namespace model_t {

constexpr uint32_t kLine = 64;
constexpr uint32_t kFrameOffset = 2;
/* Largest frame an image takes: the largest record any capture tool writes (libpcap MAXIMUM_SNAPLEN, 256 KiB). */
constexpr uint32_t kMaxFrame = 262144;

/* Bytes of the slot of a frame of `length` bytes. */
constexpr uint32_t slot_bytes(uint32_t length) {
  const uint32_t lines = (kFrameOffset + length + kLine - 1) / kLine;
  return (lines % 16 == 0 ? lines + 1 : lines) * kLine;
}

/* Per packet, what a descriptor is made from: captured length and the low 32 bits of the slot's offset. */
struct PacketShape {
  uint32_t length;
  uint32_t offset;
};
static_assert(sizeof(PacketShape) == 8);

/* Bytes of a packet in the arrays beside the slots: offset 8, shape 8, time 8, original length 4, kind 1. */
constexpr uint64_t kArrayBytes = 29;

/* Part of a packet to append; the frame is `head` followed by `body` (head: a made-up Ethernet header, or empty). */
struct FrameParts {
  const uint8_t* head;
  uint32_t head_length;
  const uint8_t* body;
  uint32_t body_length;
};

/* What a slot holds: a frame with an Ethernet header, or bytes of another link type that nothing may rewrite. */
enum class FrameKind : uint8_t { ethernet = 0, opaque = 1 };

enum class AppendStatus { ok, too_long, no_memory };

class TraceImage {
 public:
  /*
   * Reserves address space, halving until the kernel agrees, down to 64 MiB (or less when less is wanted). Returns null
   * and fills `error` when even that fails. Memory is taken from the system only as packets arrive.
   */
  static std::unique_ptr<TraceImage> reserve(uint64_t slot_bytes_wanted, std::string* error);
  /*
   * A complete image of packets `indexes` of a complete one, in that order, with all that is known of them; slots are copied
   * whole. Null and `error` when the kernel refuses address space. That there is memory is the caller's to see to.
   */
  static std::unique_ptr<TraceImage> select(const TraceImage& from, std::span<const uint32_t> indexes, std::string* error);
  TraceImage(const TraceImage&) = delete;
  TraceImage& operator=(const TraceImage&) = delete;

  /* Loading thread only. `original_length` is the length on the wire including a made-up header. */
  AppendStatus append(const FrameParts& frame, FrameKind kind, uint32_t original_length, uint64_t time_ns);
  /* Loading thread only: no packet follows. */
  void complete() { complete_.store(true, std::memory_order_release); }

  /* Any thread. Arrays are valid for indexes below packets(); slot_offsets()[packets()] is the end of the last slot. */
  uint64_t packets() const { return packets_.load(std::memory_order_acquire); }
  bool is_complete() const { return complete_.load(std::memory_order_acquire); }
  const uint8_t* slots() const { return slots_; }
  const uint64_t* slot_offsets() const { return slot_offsets_; }
  const PacketShape* shapes() const { return shapes_; }
  const uint64_t* times_ns() const { return times_ns_; }
  const uint32_t* original_lengths() const { return original_lengths_; }
  /* One FrameKind per packet. */
  const uint8_t* kinds() const { return kinds_; }
  /* Sum of captured frame lengths below packets(), as published with the last append. */
  uint64_t frame_bytes() const { return frame_bytes_.load(std::memory_order_relaxed); }
  uint64_t capacity_bytes() const { return slot_capacity_; }

 private:
  TraceImage() = default;
  bool map(uint64_t slot_bytes_wanted);
  bool may_grow_to(uint64_t end);

  /* Arrays below live here: slots, offsets, shapes, times, original lengths, kinds. */
  ReservedMemory memory_[6];
  uint8_t* slots_ = nullptr;
  uint64_t* slot_offsets_ = nullptr;
  PacketShape* shapes_ = nullptr;
  uint64_t* times_ns_ = nullptr;
  uint32_t* original_lengths_ = nullptr;
  uint8_t* kinds_ = nullptr;
  uint64_t slot_capacity_ = 0;
  uint64_t packet_capacity_ = 0;
  /* Slot bytes up to which the memory of the machine was last found sufficient. */
  uint64_t checked_to_ = 0;
  std::atomic<uint64_t> packets_{0};
  std::atomic<uint64_t> frame_bytes_{0};
  std::atomic<bool> complete_{false};
};

/* Nanoseconds from a lap to the next: those that the packets of a complete image span and one average gap. 0 without packets. */
uint64_t lap_span(const TraceImage& image);

}  // namespace model_t

#endif
