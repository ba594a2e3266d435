/* See intake.h. */
#include "intake.h"

#include "clock.h"

namespace model_t {

namespace {

/* The reference recomputes the first and the last window of a run: enough to see every burst shape, and short beside a run. */
constexpr uint64_t kWindowPackets = 1 << 19;
constexpr uint64_t kJoinMilliseconds = 10000;
/* Empty looks in a row before the ring's state is asked for: whoever aborts a stream tells us in person first. */
constexpr uint32_t kIdleLooks = 2000;

}  // namespace

Intake::Intake(RingMemory& ring, const IntakeOptions& options)
    : ring_(ring), options_(options), take_((options.policy == MODEL_T_LAG ? find_stack_kernels("scalar") : options.kernels)->take) {
  ring_.map_reader(&reader_);
}

void Intake::fail(const std::string& error) {
  state_ = State::failed;
  error_ = error;
}

Intake::State Intake::join() {
  if (state_ == State::out) {
    deadline_ms_ = model_t_milliseconds() + kJoinMilliseconds;
    state_ = State::asking;
    if (model_t_ring_ask(&reader_, options_.policy) != 0) fail(reader_.error);
  }
  if (state_ != State::asking) return state_;
  const int admitted = model_t_ring_admitted(&reader_, model_t_milliseconds() > deadline_ms_);
  if (admitted == 0) return state_;
  if (admitted > 0) {
    state_ = State::in;
    position_ = reader_.tail;
  } else if (__atomic_load_n(&ring_.header()->state, __ATOMIC_ACQUIRE) == MODEL_T_RING_ENDED) {
    state_ = State::ended; /* a run that was stopped before its first packet: nothing was missed */
  } else {
    fail(reader_.error);
  }
  return state_;
}

uint64_t Intake::available(uint64_t wanted) {
  uint64_t count = reader_.head - position_;
  if (count >= wanted) return count;
  reader_.head = __atomic_load_n(&reader_.header->head, __ATOMIC_ACQUIRE);
  count = reader_.head - position_;
  if (count == 0) {
    if (reader_.idle++ >= kIdleLooks && __atomic_load_n(&reader_.header->state, __ATOMIC_ACQUIRE) == MODEL_T_RING_ABORTED) {
      fail("the producer aborted the stream at position " + std::to_string(position_));
    }
    return 0;
  }
  reader_.idle = 0;
  /* Behind the load of head: positions of another window of descriptors are published only after its mask was stored. */
  if (model_t_ring_load_mask(&reader_) != 0) {
    fail(reader_.error);
    return 0;
  }
  if (reader_.head < position_ || (options_.policy != MODEL_T_LAG && reader_.head - reader_.tail > uint64_t{reader_.mask} + 1)) {
    fail("corrupt ring: head " + std::to_string(reader_.head) + ", tail " + std::to_string(reader_.tail) + ", " +
         std::to_string(reader_.mask + 1) + " descriptors");
    return 0;
  }
  return count;
}

/* A lag reader that fell behind goes on with the oldest position that is still intact. Nothing is taken in and not settled. */
void Intake::skip_lost() {
  const uint64_t lowest = __atomic_load_n(&reader_.header->floor, __ATOMIC_ACQUIRE);
  if (lowest <= position_) return;
  const uint64_t to = lowest < reader_.head ? lowest : reader_.head;
  reader_.lost += to - position_;
  reader_.tail = position_ = to;
}

void Intake::take(Burst256& burst, uint64_t limit) {
  if (options_.policy == MODEL_T_LAG) {
    skip_lost();
    if (limit > reader_.head - position_) limit = reader_.head - position_;
  }
  const uint32_t most = limit < kBurstCapacity ? static_cast<uint32_t>(limit) : kBurstCapacity;
  const uint32_t positions = take_plain(burst, most) ? most : take_checked(burst, most);
  if (state_ == State::failed) burst.count = 0;
  push(positions, burst.count, burst.count ? options_.kernels->digest(burst.frames, burst.lengths, burst.count, options_.digest_lines) : 0);
}

void Intake::push(uint32_t positions, uint32_t packets, uint64_t digest) {
  taken_[next_++ % kMaxWindow] = {positions, packets, packets ? bytes_ : 0, digest};
  position_ += positions;
  packets_ += packets;
  total_bytes_ += packets ? bytes_ : 0;
}

/* A window of descriptors has one for every line of the region in use. */
uint64_t Intake::capacity() const {
  if (packets_ == 0) return 0;
  const uint64_t lines = (total_bytes_ / packets_ + MODEL_T_FRAME_OFFSET + 63) / 64;
  return (uint64_t{reader_.mask} + 1) / lines;
}

/*
 * All packets, all inside one region: one pass without a branch per packet. False: something is unusual, and the burst must be
 * taken in one by one. A lag reader's descriptors may change while they are read: each as a whole, which vectors do not promise.
 */
bool Intake::take_plain(Burst256& burst, uint32_t limit) {
  if (limit == 0) return false;
  const uint32_t first = static_cast<uint32_t>(position_ & reader_.mask);
  const uint32_t number = model_t_descriptor_load(&reader_.descriptors[first]).region;
  if (number >= MODEL_T_REGIONS || reader_.regions[number].bytes == 0) return false;
  const model_t_region region = reader_.regions[number];
  const uint32_t before_wrap = reader_.mask - first < limit ? reader_.mask - first + 1 : limit;
  burst.count = limit;
  bytes_ = 0;
  if (!take_(reader_.descriptors + first, before_wrap, number, region, burst, 0, &bytes_)) return false;
  if (!take_(reader_.descriptors, limit - before_wrap, number, region, burst, before_wrap, &bytes_)) return false;
  if (options_.times) {
    for (uint32_t i = 0; i < limit; i++) burst.times[i] = reader_.times[(position_ + i) & reader_.mask];
  }
  return true;
}

/*
 * The same one by one: marks, and descriptors that a lag reader sees half overwritten or a foreign producer got wrong. Returns the
 * positions used up; stops short of the end-of-stream mark.
 */
uint32_t Intake::take_checked(Burst256& burst, uint32_t limit) {
  burst.count = 0;
  bytes_ = 0;
  uint32_t used = 0;
  for (; used < limit; used++) {
    const uint64_t at = (position_ + used) & reader_.mask;
    const model_t_descriptor descriptor = model_t_descriptor_load(&reader_.descriptors[at]);
    if (descriptor.flags & MODEL_T_MARK) [[unlikely]] {
      if (!(descriptor.flags & MODEL_T_END_OF_STREAM) || model_t_ring_overwritten(&reader_, position_ + used)) continue;
      state_ = State::ended;
      break;
    }
    if (!model_t_descriptor_fits(&descriptor, reader_.regions)) [[unlikely]] {
      if (options_.policy == MODEL_T_LAG) continue; /* being overwritten: the release will tell */
      fail("corrupt ring: descriptor " + std::to_string(position_ + used) + " points to " + std::to_string(descriptor.offset) + "+" +
           std::to_string(descriptor.length) + " in region " + std::to_string(descriptor.region));
      break;
    }
    const uint32_t i = burst.count++;
    burst.frames[i] = reader_.regions[descriptor.region].start + descriptor.offset;
    burst.lengths[i] = descriptor.length;
    bytes_ += descriptor.length;
    if (options_.times) burst.times[i] = reader_.times[at];
  }
  return used;
}

/* One release for all of them: a store that the producer's core must fetch. With policy lag there is one burst at most. */
void Intake::settle(uint64_t number) {
  if (settled_ == number) return;
  for (uint64_t i = settled_; i < number; i++) {
    reader_.pending += taken_[i % kMaxWindow].positions;
    reader_.pending_packets += taken_[i % kMaxWindow].packets;
  }
  const bool overwritten = reader_.slot && model_t_ring_release(&reader_) != 0;
  for (; settled_ < number; settled_++) {
    if (!overwritten) account(taken_[settled_ % kMaxWindow]);
  }
}

void Intake::account(const Taken& taken) {
  if (taken.packets == 0) return;
  counted_ += taken.packets;
  outcome_.digest += taken.digest;
  outcome_.bytes += taken.bytes;
  newer_.end = counted_;
  newer_.digest += taken.digest;
  if (newer_.end - newer_.begin >= kWindowPackets) roll_window();
}

/* Keeps one full window behind the one that fills, so that the last window never is a small one. */
void Intake::roll_window() {
  if (outcome_.head.end == 0) outcome_.head = newer_;
  older_ = newer_;
  newer_ = {older_.end, older_.end, 0};
}

/* Who is asking still must not be let in afterwards: told that it is late, it gets the slot back, or is in. */
/* May be called again. One that still asks takes its question back, or is let in at this very moment. */
void Intake::leave() {
  if (state_ == State::asking) {
    model_t_ring_admitted(&reader_, 1);
    state_ = State::ended;
  }
  model_t_ring_detach(&reader_);
}

PathOutcome Intake::outcome() const {
  PathOutcome outcome = outcome_;
  outcome.delivered = reader_.delivered;
  outcome.lost = reader_.lost;
  outcome.tail = newer_;
  if (older_.end > older_.begin) {
    outcome.tail.begin = older_.begin;
    outcome.tail.digest += older_.digest;
  }
  if (outcome.head.end == 0) outcome.head = outcome.tail;
  outcome.finished_ns = now_ns();
  return outcome;
}

}  // namespace model_t
