/*
 * What a program made of packets, and the memory that packets lie in meanwhile. For operations_fuzz.cc.
 */
#ifndef MODEL_T_TEST_OPERATIONS_FUZZ_OUTCOME_H
#define MODEL_T_TEST_OPERATIONS_FUZZ_OUTCOME_H

#include <cstdlib>
#include <cstring>
#include <map>

#include "operations_fuzz.h"

#if defined(__SANITIZE_ADDRESS__)
/* The runtime's interface; its headers do not come with every compiler. */
extern "C" void __asan_poison_memory_region(void const volatile* address, size_t bytes);
extern "C" void __asan_unpoison_memory_region(void const volatile* address, size_t bytes);
extern "C" size_t __sanitizer_get_current_allocated_bytes();
#else
inline void __asan_poison_memory_region(void const volatile*, size_t) {}
inline void __asan_unpoison_memory_region(void const volatile*, size_t) {}
inline size_t __sanitizer_get_current_allocated_bytes() { return 0; }
#endif

namespace model_t::test {

inline uint64_t mix(uint64_t hash, uint64_t value) {
  hash = (hash ^ value) * 0x9e3779b97f4a7c15ull;
  return hash ^ hash >> 29;
}

/* What came out of a program; two of them are compared. */
struct Outcome {
  uint32_t look = 0;
  bool numbered = true; /* rows are packets: what an operation made may stem from a burst before this one */
  uint64_t first = 0;   /* number of the burst's first packet */
  std::vector<uint64_t> rows;
  std::map<uint64_t, uint64_t> streams;
  std::vector<uint64_t> verdicts;

  static void take(void* context, const Burst256& burst) {
    Outcome& self = *static_cast<Outcome*>(context);
    for (uint32_t i = 0; i < burst.count; i++) {
      if ((self.look & kLookStreams) && (self.look & kLookClasses)) self.take_row(burst, i);
      else if (self.look & kLookStreams) self.take_piece(burst, i);
      else self.rows.push_back(self.hash_row(burst, i));
    }
  }
  /* In order within a stream; between streams there is none in the end. */
  void take_row(const Burst256& burst, uint32_t i) {
    uint64_t& hash = streams[burst.streams[i]];
    hash = mix(hash, hash_row(burst, i));
  }
  void take_piece(const Burst256& burst, uint32_t i) {
    uint64_t& hash = streams[burst.streams[i]];
    const uint32_t marks = burst.stream_marks[i];
    if (marks & (kStreamStart | kStreamGap)) hash = mix(hash, 1000 + (marks & (kStreamStart | kStreamGap)));
    for (uint32_t k = 0; k < burst.payload_lengths[i]; k++) hash = mix(hash, burst.payloads[i][k]);
    if (marks & kStreamEnd) hash = mix(hash, 2000);
  }
  uint64_t hash_row(const Burst256& burst, uint32_t i) const {
    uint64_t hash = numbered ? first + burst.slots[i] : 0;
    if (look & kLookClasses) hash = mix(hash, burst.classes[i]);
    if (look & kLookHeaders) {
      hash = mix(hash, burst.types[i] | burst.networks[i] << 16 | static_cast<uint64_t>(burst.protocols[i]) << 32);
      const bool sound = burst.protocols[i] != kNoProtocol; /* of malformed packets the rest means nothing */
      const uint64_t marks = burst.marks[i], end = burst.ends[i];
      if (sound) hash = mix(hash, burst.transports[i] | end << 16 | marks << 48);
    }
    if (look & kLookPayloads) {
      hash = mix(hash, burst.payload_lengths[i]);
      for (uint32_t k = 0; k < burst.payload_lengths[i]; k++) hash = mix(hash, burst.payloads[i][k]);
    }
    if (look & kLookFrames) {
      hash = mix(hash, burst.lengths[i]);
      for (uint32_t k = 0; k < burst.lengths[i]; k++) hash = mix(hash, burst.frames[i][k]);
    }
    return hash;
  }
};

/* Slots for two bursts, each frame's at the end of an allocation; those not in use are poisoned. */
class Slots {
 public:
  Slots() {
    for (uint8_t*& slot : memory_) {
      slot = static_cast<uint8_t*>(std::aligned_alloc(64, kSlot));
      __asan_poison_memory_region(slot, kSlot);
    }
  }
  ~Slots() {
    for (uint8_t* slot : memory_) {
      __asan_unpoison_memory_region(slot, kSlot);
      std::free(slot);
    }
  }
  Slots(const Slots&) = delete;
  Slots& operator=(const Slots&) = delete;

  void lay(const Packet* packets, uint32_t count, uint8_t noise, uint32_t needs, Burst256& burst) {
    half_ ^= 1;
    std::memset(static_cast<void*>(&burst), 0xa5, sizeof burst); /* what nobody wrote must not help anybody */
    burst.count = count;
    for (uint32_t i = 0; i < count; i++) {
      const uint32_t length = static_cast<uint32_t>(packets[i].bytes.size()), bytes = (2 + length + 63) / 64 * 64;
      uint8_t* const slot = place(i) + kSlot - bytes;
      __asan_unpoison_memory_region(slot, bytes);
      std::memset(slot, noise, bytes);
      if (length) std::memcpy(slot + 2, packets[i].bytes.data(), length);
      burst.frames[i] = slot + 2;
      burst.lengths[i] = length;
      if (needs & kNeedTimes) burst.times[i] = packets[i].time;
    }
  }
  void take_back(uint32_t count) {
    for (uint32_t i = 0; i < count; i++) __asan_poison_memory_region(place(i), kSlot);
  }

 private:
  static constexpr size_t kSlot = 2048;
  uint8_t* place(uint32_t i) { return memory_[half_ * kBurstCapacity + i]; }
  uint8_t* memory_[2 * kBurstCapacity];
  uint32_t half_ = 0;
};

}  // namespace model_t::test

#endif
