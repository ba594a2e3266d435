/* See engine.h. */
#include "engine.h"

#include "../../stack/native/clock.h"

namespace model_t {

namespace {

/* A batch that takes longer than this is not waited for when the time is over. (Readers are: what was published they may read.) */
constexpr uint64_t kStagedGraceNs = 2000ull * 1000 * 1000;

template <typename T>
void set(uint64_t* to, T value) {
  __atomic_store_n(to, static_cast<uint64_t>(value), __ATOMIC_RELAXED);
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

}  // namespace

struct Engine::Worker {
  BurstPlanner planner;
  std::atomic<uint64_t>& host_copied;
  uint64_t copied = 0; /* slot bytes */
  ~Worker() { host_copied.fetch_add(copied, std::memory_order_relaxed); }
};

Engine::Engine(const TraceImage& image, Filling& filling, RingMemory& ring, EngineOptions options, ProducerBlock* statistics)
    : image_(image),
      filling_(filling),
      ring_(ring),
      options_(std::move(options)),
      statistics_(statistics),
      readers_(ring, options_.threads > 1 || !options_.drop_readers ? 1u << MODEL_T_BLOCK | 1u << MODEL_T_LAG : 7u) {
  if (image_.is_complete()) time_span_ = lap_span(image_);
}

Engine::~Engine() {
  abort();
  join();
}

void Engine::start() {
  ring_.publish_state(MODEL_T_RING_OPEN);
  for (uint32_t i = 0; i < options_.threads; i++) threads_.emplace_back([this, i] { run(i); });
}

void Engine::stop() { end_with(Stopped::interrupted); }

void Engine::abort() {
  abort_.store(true, std::memory_order_relaxed);
  stop();
}

void Engine::join() {
  for (std::thread& thread : threads_) {
    if (thread.joinable()) thread.join();
  }
}

void Engine::fail(const std::string& error) {
  abort_.store(true, std::memory_order_relaxed);
  fail_here(error);
}

void Engine::fail_here(const std::string& error) {
  {
    std::lock_guard<std::mutex> lock(failure_mutex_);
    if (!stopping() && failure_.empty()) failure_ = error;
  }
  end_with(Stopped::failed);
}

/* The first reason counts. */
void Engine::end_with(Stopped reason) {
  Stopped none = Stopped::end;
  stopped_.compare_exchange_strong(none, reason);
  stop_.store(true, std::memory_order_release);
}

void Engine::run(uint32_t thread) {
  settle_thread("model-t replay", thread < options_.cpus.size() ? options_.cpus[thread] : -1);
  Worker worker{BurstPlanner(image_, ring_.region_bytes(), ring_.descriptor_count(), options_.limits, options_.staging), host_copied_};
  if (thread == 0) {
    wait_for_readers();
    outcome_.started_ns = now_ns();
    set(&statistics_->started_ns, outcome_.started_ns);
    set(&statistics_->phase, 1);
    started_.store(true, std::memory_order_release);
  }
  Pause pause = this->pause();
  while (!started_.load(std::memory_order_acquire)) pause();
  pause.turns = 0;
  Burst burst;
  for (;;) {
    const BurstPlanner::Next next = worker.planner.next(&burst);
    if (next == BurstPlanner::Next::wait) {
      const uint64_t now = now_ns();
      if (is_over(now, worker.planner.ordinal(), true)) end_with(Stopped::duration);
      if (stop_.load(std::memory_order_acquire)) break;
      check_readers(now);
      pause();
      continue;
    }
    if (next == BurstPlanner::Next::end) break;
    if (next == BurstPlanner::Next::too_large) {
      /* Only a live image: a complete one was measured against the ring before the start. */
      fail_here("packet " + std::to_string(worker.planner.index() + 1) + " needs a slot of more than half the ring's " +
                std::to_string(ring_.region_bytes()) + " bytes; give a larger --ring-size");
      break;
    }
    pause.turns = 0;
    if (burst.number % options_.threads != thread) worker.planner.commit(burst);
    else if (!make_burst(worker, burst)) return;
    else if (options_.threads > 1 && ended_.load(std::memory_order_acquire)) return;
  }
  /* The burst that would come next belongs to one thread: that one ends the stream. */
  const uint64_t number = worker.planner.mark().number;
  if (number % options_.threads == thread && wait_for_turn(number)) finish(worker);
}

/* False when the stream was ended, here or elsewhere. */
bool Engine::make_burst(Worker& worker, const Burst& burst) {
  /* Compiled before the start, but for a live image, which has one thread. */
  const bool compiled = filling_.prepare(burst.first + burst.count);
  if (!compiled) fail_here("out of memory while compiling the mutation of packet " + std::to_string(burst.first + 1));
  const bool skipped_mark = burst.mark && has_lag_reader(); /* lag readers count positions, so they get no marks */
  const Room room = !compiled ? Room::stopped : skipped_mark ? Room::dropped : wait_for_room(burst);
  if (room == Room::yes) {
    raise_floor(burst.required);
    if (burst.mark) {
      write_mark(burst, MODEL_T_END_OF_LAP);
    } else {
      worker.copied += filling_.fill(burst);
      describe(burst);
    }
  }
  if (!wait_for_turn(burst.number)) return false;
  if (room == Room::stopped || stop_.load(std::memory_order_acquire)) {
    finish(worker);
    return false;
  }
  if (room == Room::dropped) {
    worker.planner.drop(burst);
    outcome_.dropped += burst.count;
    for (uint32_t i = 0; i < burst.count; i++) outcome_.dropped_bytes += image_.shapes()[burst.first + i].length;
    __atomic_store_n(&ring_.header()->dropped, outcome_.dropped, __ATOMIC_RELAXED);
  } else {
    if (burst.mark) outcome_.lap_mark = burst.position;
    worker.planner.commit(burst);
  }
  if (options_.staging) options_.staging->set_consumed(worker.planner.ordinal());
  publish(worker);
  turn_.store(burst.number + 1, std::memory_order_release);
  return true;
}

/* False when the stream was ended by another thread. */
bool Engine::wait_for_turn(uint64_t number) {
  for (Pause pause = this->pause(); turn_.load(std::memory_order_acquire) != number; pause()) {
    if (ended_.load(std::memory_order_acquire)) return false;
  }
  return !ended_.load(std::memory_order_acquire);
}

void Engine::describe(const Burst& burst) {
  const uint64_t mask = ring_.descriptor_count() - 1;
  if (burst.lap > 0 && time_span_ == 0) time_span_ = lap_span(image_); /* live: one thread, and now complete */
  const uint64_t time_shift = burst.lap * time_span_;
  const uint32_t shift = static_cast<uint32_t>(burst.region_offset - image_.slot_offsets()[burst.first] + kFrameOffset);
  for (uint32_t done = 0; done < burst.count;) {
    const uint64_t at = (burst.position + done) & mask;
    const uint64_t room = mask + 1 - at;
    const uint32_t count = burst.count - done < room ? burst.count - done : static_cast<uint32_t>(room);
    options_.kernels->describe(ring_.descriptors() + at, image_.shapes() + burst.first + done, count, burst.region, shift,
                               static_cast<uint32_t>(burst.ordinal + done));
    options_.kernels->shift_times(ring_.times() + at, image_.times_ns() + burst.first + done, count, time_shift);
    done += count;
  }
  if (burst.end_of_lap) ring_.descriptors()[(burst.position + burst.count - 1) & mask].flags = MODEL_T_END_OF_LAP;
}

void Engine::write_mark(const Burst& burst, uint16_t flags) {
  const uint64_t at = burst.position & (ring_.descriptor_count() - 1);
  ring_.descriptors()[at] = {static_cast<uint16_t>(flags | MODEL_T_MARK), 0, 0, MODEL_T_FRAME_OFFSET,
                             static_cast<uint32_t>(burst.ordinal)};
  ring_.times()[at] = 0;
}

/*
 * Whether the time that was asked for is over. Staged batches are handed out whole, and one more is waited for: the last one is
 * then still in place, because nobody needs its buffer any more, and can be verified.
 */
bool Engine::is_over(uint64_t now, uint64_t ordinal, bool waiting) const {
  if (options_.duration_ns == 0 || now - outcome_.started_ns < options_.duration_ns) return false;
  if (!options_.staging) return true;
  if (now - outcome_.started_ns >= options_.duration_ns + kStagedGraceNs) return true;
  return !waiting && options_.staging->at_end(ordinal);
}

/* Turn only: makes everything below the planner's position visible, lets readers in, keeps the statistics. */
void Engine::publish(const Worker& worker) {
  const uint64_t head = worker.planner.position();
  readers_.publish_head(head);
  if (readers_.wanted()) {
    std::lock_guard<std::mutex> lock(readers_mutex_);
    readers_.admit(head);
    slowest_.store(0, std::memory_order_relaxed); /* the newcomer counts from the next look on */
  }
  const uint64_t now = now_ns();
  set(&statistics_->offered, worker.planner.ordinal());
  set(&statistics_->laps, worker.planner.lap());
  set(&statistics_->dropped, outcome_.dropped);
  set(&statistics_->updated_ns, now);
  const uint64_t slowest = slowest_.load(std::memory_order_relaxed);
  set(&statistics_->ring_distance, slowest < head ? head - slowest : 0);
  if (is_over(now, worker.planner.ordinal(), false)) end_with(Stopped::duration);
  if (options_.needs_readers) check_readers(now);
}

/* One thread, holding the turn: ends the stream and waits for the readers. */
void Engine::finish(Worker& worker) {
  ended_.store(true, std::memory_order_release);
  outcome_.published_ns = now_ns();
  outcome_.offered = worker.planner.ordinal();
  outcome_.laps = worker.planner.lap();
  outcome_.bytes = outcome_.laps ? outcome_.laps * image_.frame_bytes() : 0;
  for (uint64_t i = 0; i < worker.planner.index(); i++) outcome_.bytes += image_.shapes()[i].length;
  outcome_.head = worker.planner.position();
  set(&statistics_->bytes, outcome_.bytes);
  set(&statistics_->phase, 2);
  const Burst mark = worker.planner.mark();
  bool drop = false;
  /* A mark is not dropped: here the producer waits for drop readers too. */
  for (Pause pause = this->pause(); (!room_now(mark, &drop) || drop) && !abort_.load(std::memory_order_relaxed); pause()) {
    if (pause.turns % 1024 == 1023) check_readers(now_ns());
  }
  if (abort_.load(std::memory_order_relaxed)) {
    ring_.publish_state(MODEL_T_RING_ABORTED);
  } else {
    raise_floor(mark.required);
    write_mark(mark, MODEL_T_END_OF_STREAM);
    readers_.publish_head(mark.position + 1);
    ring_.publish_state(MODEL_T_RING_ENDED);
    drain(mark.position);
  }
  outcome_.floor = floor_.load(std::memory_order_relaxed);
  outcome_.finished_ns = now_ns();
  outcome_.stopped = stopped_.load();
  {
    std::lock_guard<std::mutex> lock(failure_mutex_);
    if (outcome_.stopped == Stopped::failed) outcome_.error = failure_;
  }
  set(&statistics_->phase, 3);
  done_.store(true, std::memory_order_release);
}

}  // namespace model_t
