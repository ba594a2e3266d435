/* See engine.h. */
#include "engine.h"

#include "../../stack/native/clock.h"

namespace model_t {

namespace {

/*
 * Packets that are copied, then patched, in one go. A fixed number, a multiple of the widest vector's rows: the loops over a
 * tile then end where the processor expects it, which is worth more than a tile that always fits the first-level cache
 * (IMIX on Zen 3: 71 against 66 % of memcpy).
 */
constexpr uint64_t kTilePackets = 32;
constexpr uint64_t kCheckReadersNs = 100 * 1000 * 1000;

/* Rows that the widest vector kernel takes at once. */
constexpr uint64_t kVectorRows = 16;
static_assert(kTilePackets % kVectorRows == 0);

template <typename T>
void set(uint64_t* to, T value) {
  __atomic_store_n(to, static_cast<uint64_t>(value), __ATOMIC_RELAXED);
}

/*
 * Waits politely: spins while it may be a matter of microseconds, then lets others run (there may be fewer CPUs than threads).
 * A run of pauses between two looks, because the other thread may share this core's execution units and its cache lines.
 */
struct Pause {
  uint32_t turns = 0;
  void operator()() {
    if (++turns < 200) {
      for (int i = 0; i < 16; i++) model_t_pause();
    }
    else if (turns < 20000) sched_yield();
    else usleep(50);
  }
};

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

struct NativeEngine::Worker {
  BurstPlanner planner;
};

NativeEngine::NativeEngine(const TraceImage& image, Mutation& mutation, RingMemory& ring, EngineOptions options,
                           ProducerBlock* statistics)
    : image_(image),
      mutation_(mutation),
      ring_(ring),
      options_(std::move(options)),
      statistics_(statistics),
      readers_(ring, options_.threads > 1 || options_.resident ? 1u << MODEL_T_BLOCK | 1u << MODEL_T_LAG : 7u) {
  if (image_.is_complete()) time_span_ = lap_span(image_);
}

NativeEngine::~NativeEngine() {
  abort();
  join();
}

void NativeEngine::start() {
  ring_.publish_state(MODEL_T_RING_OPEN);
  for (uint32_t i = 0; i < options_.threads; i++) threads_.emplace_back([this, i] { run(i); });
}

void NativeEngine::stop() { end_with(Stopped::interrupted); }

void NativeEngine::abort() {
  abort_.store(true, std::memory_order_relaxed);
  stop();
}

void NativeEngine::join() {
  for (std::thread& thread : threads_) {
    if (thread.joinable()) thread.join();
  }
}

std::vector<ReaderReport> NativeEngine::reader_reports() {
  std::lock_guard<std::mutex> lock(readers_mutex_);
  return readers_.reports();
}

/* Turn only: outcome_ is its owner's. */
void NativeEngine::fail(const std::string& error) {
  outcome_.error = error;
  end_with(Stopped::failed);
}

/* The first reason counts. */
void NativeEngine::end_with(Stopped reason) {
  Stopped none = Stopped::end;
  stopped_.compare_exchange_strong(none, reason);
  stop_.store(true, std::memory_order_release);
}

void NativeEngine::wait_for_readers() {
  while (!stop_.load(std::memory_order_relaxed)) {
    check_readers(now_ns());
    {
      std::lock_guard<std::mutex> lock(readers_mutex_);
      readers_.admit(0);
      if (readers_.attached() >= options_.wait_readers) {
        readers_.evict_dead(); /* one that died while it waited is no reader: wait for another */
        if (readers_.attached() >= options_.wait_readers) return;
      }
    }
    usleep(500);
  }
}

/* Rate-limited look at whether the readers still live. Ends the run when a ring that needs readers has lost its last. */
void NativeEngine::check_readers(uint64_t now) {
  if (now - last_check_ns_.load(std::memory_order_relaxed) < kCheckReadersNs) return;
  last_check_ns_.store(now, std::memory_order_relaxed);
  std::lock_guard<std::mutex> lock(readers_mutex_);
  readers_.evict_dead();
  set(&statistics_->failed_readers, readers_.failed());
  if (options_.needs_readers && started_.load(std::memory_order_relaxed) && readers_.attached() == 0) {
    end_with(Stopped::reader_died);
  }
}

bool NativeEngine::has_lag_reader() {
  std::lock_guard<std::mutex> lock(readers_mutex_);
  return readers_.any_policy(1u << MODEL_T_LAG);
}

void NativeEngine::run(uint32_t thread) {
  settle_thread("model-t replay", thread < options_.cpus.size() ? options_.cpus[thread] : -1);
  Worker worker{BurstPlanner(image_, ring_.region_bytes(), ring_.descriptor_count(), options_.limits)};
  if (thread == 0) {
    wait_for_readers();
    outcome_.started_ns = now_ns();
    set(&statistics_->started_ns, outcome_.started_ns);
    set(&statistics_->phase, 1);
    started_.store(true, std::memory_order_release);
  }
  Pause pause;
  while (!started_.load(std::memory_order_acquire)) pause();
  pause.turns = 0;
  Burst burst;
  for (;;) {
    const BurstPlanner::Next next = worker.planner.next(&burst);
    if (next == BurstPlanner::Next::wait) {
      const uint64_t now = now_ns();
      if (options_.duration_ns && now - outcome_.started_ns >= options_.duration_ns) end_with(Stopped::duration);
      if (stop_.load(std::memory_order_acquire)) break;
      check_readers(now);
      pause();
      continue;
    }
    if (next == BurstPlanner::Next::end) break;
    if (next == BurstPlanner::Next::too_large) {
      /* Only a live image: a complete one was measured against the ring before the start. */
      fail("packet " + std::to_string(worker.planner.index() + 1) + " needs a slot of more than half the ring's " +
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
bool NativeEngine::make_burst(Worker& worker, const Burst& burst) {
  /* Compiled before the start, but for a live image, which has one thread. */
  const bool compiled = mutation_.extend_to(burst.first + burst.count);
  if (!compiled) fail("out of memory while compiling the mutation of packet " + std::to_string(burst.first + 1));
  const bool skipped_mark = burst.mark && has_lag_reader(); /* lag readers count positions, so they get no marks */
  const Room room = !compiled ? Room::stopped : skipped_mark ? Room::dropped : wait_for_room(burst);
  if (room == Room::yes) {
    raise_floor(burst.required);
    if (burst.mark) write_mark(burst, MODEL_T_END_OF_LAP);
    else write_burst(burst);
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
  publish(worker);
  turn_.store(burst.number + 1, std::memory_order_release);
  return true;
}

/* True when everything below burst.required is consumed and published; `drop`: only a drop reader is in the way. */
bool NativeEngine::room_now(const Burst& burst, bool* drop) {
  std::lock_guard<std::mutex> lock(readers_mutex_);
  const uint64_t head = readers_.head();
  readers_.admit(head);
  const uint64_t waiting = readers_.slowest(1u << MODEL_T_BLOCK);
  const uint64_t dropping = readers_.slowest(1u << MODEL_T_DROP);
  const uint64_t free_below = waiting < head ? waiting : head;
  slowest_.store(free_below < dropping ? free_below : dropping, std::memory_order_release);
  if (free_below < burst.required) return false;
  *drop = dropping < burst.required;
  return true;
}

NativeEngine::Room NativeEngine::wait_for_room(const Burst& burst) {
  /* acquire: the reads of a reader, done before it moved its tail, come before our writes */
  if (slowest_.load(std::memory_order_acquire) >= burst.required) return Room::yes;
  const uint64_t begin = cycles();
  Pause pause;
  bool drop = false;
  while (!room_now(burst, &drop)) {
    if (stop_.load(std::memory_order_acquire)) return Room::stopped;
    if (pause.turns % 1024 == 1023) check_readers(now_ns());
    pause();
  }
  if (pause.turns) __atomic_fetch_add(&statistics_->wait_cycles, cycles() - begin, __ATOMIC_RELAXED);
  return drop ? Room::dropped : Room::yes;
}

/* False when the stream was ended by another thread. */
bool NativeEngine::wait_for_turn(uint64_t number) {
  for (Pause pause; turn_.load(std::memory_order_acquire) != number; pause()) {
    if (ended_.load(std::memory_order_acquire)) return false;
  }
  return !ended_.load(std::memory_order_acquire);
}

/* Lag readers must know that positions are going away before they do: the fence keeps the stores that follow behind it. */
void NativeEngine::raise_floor(uint64_t position) {
  uint64_t current = floor_.load(std::memory_order_relaxed);
  while (current < position && !floor_.compare_exchange_weak(current, position, std::memory_order_relaxed)) {
  }
  uint64_t* const shared = &ring_.header()->floor;
  uint64_t seen = __atomic_load_n(shared, __ATOMIC_RELAXED);
  while (seen < position && !__atomic_compare_exchange_n(shared, &seen, position, false, __ATOMIC_RELAXED, __ATOMIC_RELAXED)) {
  }
  __atomic_thread_fence(__ATOMIC_RELEASE);
}

void NativeEngine::write_burst(const Burst& burst) {
  uint8_t* const target = ring_.region() + burst.region_offset;
  if (mutation_.active()) {
    write_tiles(burst, target);
  } else if (!options_.resident || burst.lap < options_.resident_copies) {
    const uint64_t* offsets = image_.slot_offsets() + burst.first;
    options_.kernels->copy(target, image_.slots() + offsets[0], offsets[burst.count] - offsets[0]);
  }
  describe(burst);
}

void NativeEngine::write_tiles(const Burst& burst, uint8_t* target) {
  const ReplayKernels& kernels = *options_.kernels;
  const uint64_t* offsets = image_.slot_offsets();
  const uint64_t start = offsets[burst.first];
  const uint64_t end = burst.first + burst.count;
  const bool copy = !options_.resident || burst.lap < options_.resident_copies;
  Patch4 job = mutation_.patch4_for(burst.lap);
  job.origin = static_cast<uint32_t>(start);
  job.source = image_.slots() + start;
  job.target = target;
  const uint64_t last4 = mutation_.rows4_before(end);
  if (copy && mutation_.lines_before(end) - mutation_.lines_before(burst.first) == burst.count) {
    kernels.fill_lines(job, mutation_.rows4_before(burst.first), last4);
    return;
  }
  uint64_t row4 = mutation_.rows4_before(burst.first);
  uint64_t row6 = mutation_.rows6_before(burst.first);
  for (uint64_t packet = burst.first; packet < end;) {
    const uint64_t next = end - packet < kTilePackets ? end : packet + kTilePackets;
    if (copy) kernels.copy(target + (offsets[packet] - start), image_.slots() + offsets[packet], offsets[next] - offsets[packet]);
    /* Whole vectors only: what is left over joins the next tile, the burst's last rows go one by one. */
    const uint64_t to4 = next == end ? last4 : mutation_.rows4_before(next) - (mutation_.rows4_before(next) - row4) % kVectorRows;
    kernels.patch4(job, row4, to4);
    row4 = to4;
    const uint64_t to6 = mutation_.rows6_before(next);
    if (row6 != to6) mutation_.patch6(burst.lap, row6, to6, job.origin, target);
    row6 = to6;
    packet = next;
  }
}

void NativeEngine::describe(const Burst& burst) {
  const uint64_t mask = ring_.descriptor_count() - 1;
  if (burst.lap > 0 && time_span_ == 0) time_span_ = lap_span(image_); /* live: one thread, and now complete */
  const uint64_t time_shift = burst.lap * time_span_;
  const uint32_t shift = static_cast<uint32_t>(burst.region_offset - image_.slot_offsets()[burst.first] + kFrameOffset);
  for (uint32_t done = 0; done < burst.count;) {
    const uint64_t at = (burst.position + done) & mask;
    const uint64_t room = mask + 1 - at;
    const uint32_t count = burst.count - done < room ? burst.count - done : static_cast<uint32_t>(room);
    options_.kernels->describe(ring_.descriptors() + at, image_.shapes() + burst.first + done, count, shift,
                               static_cast<uint32_t>(burst.ordinal + done));
    options_.kernels->shift_times(ring_.times() + at, image_.times_ns() + burst.first + done, count, time_shift);
    done += count;
  }
  if (burst.end_of_lap) ring_.descriptors()[(burst.position + burst.count - 1) & mask].flags = MODEL_T_END_OF_LAP;
}

void NativeEngine::write_mark(const Burst& burst, uint16_t flags) {
  const uint64_t at = burst.position & (ring_.descriptor_count() - 1);
  ring_.descriptors()[at] = {static_cast<uint16_t>(flags | MODEL_T_MARK), 0, 0, MODEL_T_FRAME_OFFSET,
                             static_cast<uint32_t>(burst.ordinal)};
  ring_.times()[at] = 0;
}

/* Turn only: makes everything below the planner's position visible, lets readers in, keeps the statistics. */
void NativeEngine::publish(const Worker& worker) {
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
  if (options_.duration_ns && now - outcome_.started_ns >= options_.duration_ns) end_with(Stopped::duration);
  if (options_.needs_readers) check_readers(now);
}

/* One thread, holding the turn: ends the stream and waits for the readers. */
void NativeEngine::finish(Worker& worker) {
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
  for (Pause pause; (!room_now(mark, &drop) || drop) && !abort_.load(std::memory_order_relaxed); pause()) {
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
  set(&statistics_->phase, 3);
  done_.store(true, std::memory_order_release);
}

/* Until every reader has consumed the positions below `position`, left, or died. */
void NativeEngine::drain(uint64_t position) {
  for (Pause pause; !abort_.load(std::memory_order_relaxed); pause()) {
    {
      std::lock_guard<std::mutex> lock(readers_mutex_);
      if (readers_.slowest(7u) >= position) return; /* also when nobody is left */
    }
    if (pause.turns % 1024 == 1023) check_readers(now_ns());
  }
}

}  // namespace model_t
