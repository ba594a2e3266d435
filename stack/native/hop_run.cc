/* See hop_run.h. */
#include "hop_run.h"

#include <algorithm>
#include <atomic>
#include <memory>
#include <thread>
#include <vector>

#include "burst_ring.h"
#include "clock.h"
#include "operation.h"
#include "ring.h"

namespace model_t {

namespace {

/* 4096 descriptors: 96 KiB with their times, which both cores' second caches hold, and as many as DPDK's own measurement takes. */
constexpr uint64_t kRegionBytes = 4096 * 64;
constexpr uint32_t kFrameBytes = 60;
/* 50 microseconds or so: shorter than what lies between interruptions of a core, longer than a lap of the ring. */
constexpr uint32_t kWindowPackets = 4 * 4096;
constexpr size_t kMostWindows = 1 << 20;
/* On a busy machine the time may pass without one window: so many times as long is waited for the first. */
constexpr uint64_t kPatience = 10;

/* Where both threads share a CPU nobody gets on by spinning. */
constexpr uint32_t kSpins = 4096;

const StackKernels& best_kernels() {
  for (const char* isa : {"avx512", "avx2"}) {
    if (const StackKernels* const kernels = find_stack_kernels(isa)) return *kernels;
  }
  return *find_stack_kernels("scalar");
}

struct Spin {
  uint32_t turns = 0;
  void operator()() {
    if (++turns % kSpins == 0) std::this_thread::yield();
    else model_t_pause();
  }
};

struct Hop {
  const HopConfig& config;
  std::atomic<bool> stop{false};
  std::atomic<bool> failed{false};
  std::vector<double> windows;
  uint64_t packets = 0;
  std::string error; /* the consumer's */

  explicit Hop(const HopConfig& with) : config(with) {}
  bool stopping() const { return stop.load(std::memory_order_relaxed); }
  void fail(const std::string& why) {
    error = why;
    failed.store(true, std::memory_order_relaxed);
  }
};

/*
 * The consumer's windows: from the end of one burst to the end of another. `take` returns packets taken, 0 for none yet, or a
 * negative number after a failure. Windows of the first tenth of the time are not kept: the two are finding their pace.
 */
template <typename Take>
void consume(Hop& hop, Take take) {
  const uint64_t begin = now_ns();
  const uint64_t length = static_cast<uint64_t>(hop.config.seconds * 1e9);
  uint64_t window = cycles(), taken = 0;
  for (;;) {
    const int count = take();
    if (count < 0 || hop.failed.load(std::memory_order_relaxed)) return;
    taken += static_cast<uint32_t>(count);
    if (taken < kWindowPackets && count > 0) continue;
    const uint64_t now = now_ns() - begin;
    if (now > length && (!hop.windows.empty() || now > kPatience * length)) return;
    if (taken < kWindowPackets) continue;
    const uint64_t end = cycles();
    if (now > length / 10 && hop.windows.size() < kMostWindows) hop.windows.push_back(static_cast<double>(end - window) / static_cast<double>(taken));
    hop.packets += taken;
    taken = 0;
    window = end;
  }
}

/* The ring that readers of a replay see. */
class DescriptorHop {
 public:
  DescriptorHop(Hop& hop, RingMemory& ring) : hop_(hop), ring_(ring), readers_(ring, 1u << MODEL_T_BLOCK) {}

  void produce() {
    settle_thread("model-t hop out", hop_.config.producer_cpu);
    ring_.publish_state(MODEL_T_RING_OPEN);
    while (readers_.attached() == 0 && !hop_.stopping()) readers_.admit(0);
    uint64_t head = 0, tail = 0;
    Spin spin;
    while (!hop_.stopping()) {
      while (head + hop_.config.burst - tail > ring_.descriptor_count()) {
        tail = readers_.slowest(1u << MODEL_T_BLOCK);
        if (hop_.stopping()) return;
        spin();
      }
      write(head);
      head += hop_.config.burst;
      readers_.publish_head(head);
    }
  }

  void consume_all() {
    settle_thread("model-t hop in", hop_.config.consumer_cpu);
    ring_.map_reader(&reader_);
    if (model_t_ring_join(&reader_, MODEL_T_BLOCK, 10000) != 0) hop_.fail(reader_.error);
    else consume(hop_, [this] { return take(); });
    hop_.stop.store(true, std::memory_order_relaxed);
  }

 private:
  void write(uint64_t head) {
    const uint64_t mask = ring_.descriptor_count() - 1;
    model_t_descriptor* const descriptors = ring_.descriptors();
    uint64_t* const times = ring_.times();
    for (uint32_t i = 0; i < hop_.config.burst; i++) {
      const uint64_t at = (head + i) & mask;
      descriptors[at] = {0, 0, kFrameBytes, static_cast<uint32_t>(at * 64 + MODEL_T_FRAME_OFFSET), static_cast<uint32_t>(head + i)};
      times[at] = head + i;
    }
  }

  /* As a path takes packets in (intake.cc): with the widest vectors, and every descriptor checked before it is believed. */
  int take() {
    const int available = model_t_ring_available(&reader_, hop_.config.burst);
    if (available < 0) hop_.fail(reader_.error);
    if (available <= 0) return available;
    const uint32_t count = static_cast<uint32_t>(available);
    const uint32_t first = static_cast<uint32_t>(reader_.tail & reader_.mask);
    const uint32_t before_wrap = reader_.mask - first < count ? reader_.mask - first + 1 : count;
    uint64_t bytes = 0;
    const bool plain = kernels_.take(reader_.descriptors + first, before_wrap, 0, reader_.regions[0], burst_, 0, &bytes) &&
                       kernels_.take(reader_.descriptors, count - before_wrap, 0, reader_.regions[0], burst_, before_wrap, &bytes);
    burst_.count = count;
    if (!plain || bytes != uint64_t{count} * kFrameBytes || !in_order(count)) {
      hop_.fail("a descriptor did not arrive as it was sent");
      return -1;
    }
    __asm__ __volatile__("" ::"r"(&burst_) : "memory"); /* somebody reads the columns */
    reader_.pending = reader_.pending_packets = count;
    model_t_ring_release(&reader_);
    return available;
  }

  /* Sequence numbers: both ends of every burst, and all of every sixteenth: looking at each would cost as much as taking it. */
  bool in_order(uint32_t count) {
    uint32_t wrong = 0;
    const uint32_t step = bursts_++ % 16 == 0 || count < 2 ? 1 : count - 1;
    for (uint32_t i = 0; i < count; i += step) {
      wrong |= reader_.descriptors[(reader_.tail + i) & reader_.mask].metadata ^ static_cast<uint32_t>(reader_.tail + i);
    }
    return wrong == 0;
  }

  Hop& hop_;
  RingMemory& ring_;
  ReaderTable readers_;
  const StackKernels& kernels_ = best_kernels();
  uint64_t bursts_ = 0;
  model_t_reader reader_{};
  Burst256 burst_;
};

/* The ring between stages of a path: the columns that intake fills in, read by the stage behind it. */
class StageHop {
 public:
  static constexpr uint32_t kSlots = 16; /* 48 KiB of the two columns */

  explicit StageHop(Hop& hop) : hop_(hop), ring_(kSlots, 2) {}

  void produce() {
    settle_thread("model-t hop out", hop_.config.producer_cpu);
    Spin spin;
    for (uint64_t index = 0;; index++) {
      while (!ring_.writable(index)) {
        if (hop_.stopping()) return;
        spin();
      }
      BurstSlot& slot = ring_.at(index);
      for (uint32_t i = 0; i < hop_.config.burst; i++) {
        slot.burst.frames[i] = region_ + (index * kBurstCapacity + i) % kRegionBytes;
        slot.burst.lengths[i] = kFrameBytes;
      }
      slot.burst.count = hop_.config.burst;
      slot.number = index;
      ring_.publish(0, index + 1);
    }
  }

  void consume_all() {
    settle_thread("model-t hop in", hop_.config.consumer_cpu);
    consume(hop_, [this] { return take(); });
    hop_.stop.store(true, std::memory_order_relaxed);
  }

 private:
  int take() {
    if (!ring_.readable(1, next_)) {
      spin_();
      return 0;
    }
    const BurstSlot& slot = ring_.at(next_);
    uint32_t unusual = static_cast<uint32_t>(slot.number != next_) | (slot.burst.count ^ hop_.config.burst);
    for (uint32_t i = 0; i < hop_.config.burst; i++) {
      unusual |= static_cast<uint32_t>(slot.burst.frames[i] != region_ + (next_ * kBurstCapacity + i) % kRegionBytes) |
                 (slot.burst.lengths[i] ^ kFrameBytes);
    }
    if (unusual) {
      hop_.fail("a burst did not arrive as it was sent");
      return -1;
    }
    ring_.publish(1, ++next_);
    return static_cast<int>(hop_.config.burst);
  }

  Hop& hop_;
  BurstRing ring_;
  uint64_t next_ = 0; /* the consumer's, as is the next */
  Spin spin_;
  const uint8_t* const region_ = reinterpret_cast<const uint8_t*>(uintptr_t{64}); /* nobody looks at what pointers point to */
};

template <typename Ends>
void run_both(Ends& ends) {
  std::thread producer([&ends] { ends.produce(); });
  std::thread consumer([&ends] { ends.consume_all(); });
  consumer.join();
  producer.join();
}

}  // namespace

HopOutcome run_hop(const HopConfig& config) {
  HopOutcome outcome;
  Hop hop(config);
  if (config.ring == HopRing::descriptors) {
    const std::unique_ptr<RingMemory> ring = RingMemory::create_private(kRegionBytes, &outcome.error);
    if (!ring) return outcome;
    run_both(*std::make_unique<DescriptorHop>(hop, *ring));
  } else {
    run_both(*std::make_unique<StageHop>(hop));
  }
  if (hop.failed) outcome.error = hop.error;
  else if (hop.windows.empty()) outcome.error = "not one window of " + std::to_string(kWindowPackets) + " packets was done in the time";
  if (!outcome.error.empty()) return outcome;
  std::sort(hop.windows.begin(), hop.windows.end());
  outcome.cycles = hop.windows[hop.windows.size() / 2];
  outcome.fastest = hop.windows.front();
  outcome.slowest = hop.windows.back();
  outcome.windows = hop.windows.size();
  outcome.packets = hop.packets;
  return outcome;
}

}  // namespace model_t
