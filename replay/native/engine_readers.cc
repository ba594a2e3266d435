/* The half of the engine that deals with readers: who is in, how far they are, and what may be overwritten. See engine.h. */
#include "../../stack/native/clock.h"
#include "engine.h"

namespace model_t {

namespace {

constexpr uint64_t kCheckReadersNs = 100 * 1000 * 1000;

}  // namespace

std::vector<ReaderReport> Engine::reader_reports() {
  std::lock_guard<std::mutex> lock(readers_mutex_);
  return readers_.reports();
}

/* Whether the stream may begin: all are in that were asked for, or it is to stop. */
bool Engine::readers_are_in() {
  if (stop_.load(std::memory_order_relaxed)) return true;
  check_readers(now_ns());
  std::lock_guard<std::mutex> lock(readers_mutex_);
  readers_.admit(0);
  if (readers_.attached() < options_.wait_readers) return false;
  readers_.evict_dead(); /* one that died while it waited is no reader: wait for another */
  return readers_.attached() >= options_.wait_readers;
}

/* Rate-limited look at whether the readers still live. Ends the run when a ring that needs readers has lost its last. */
void Engine::check_readers(uint64_t now) {
  if (now - last_check_ns_.load(std::memory_order_relaxed) < kCheckReadersNs) return;
  last_check_ns_.store(now, std::memory_order_relaxed);
  std::lock_guard<std::mutex> lock(readers_mutex_);
  readers_.evict_dead();
  __atomic_store_n(&statistics_->failed_readers, readers_.failed(), __ATOMIC_RELAXED);
  if (options_.needs_readers && started_.load(std::memory_order_relaxed) && readers_.attached() == 0) {
    end_with(Stopped::reader_died);
  }
}

bool Engine::has_lag_reader() {
  std::lock_guard<std::mutex> lock(readers_mutex_);
  return readers_.any_policy(1u << MODEL_T_LAG);
}

/* True when everything below burst.required is consumed and published; `drop`: only a drop reader is in the way. */
bool Engine::room_now(const Burst& burst, bool* drop) {
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

/*
 * Whether the burst may be written. On one thread with its reader that is a comparison, and now and then a look at one cursor:
 * behind the lock a run was 2 to 5 % slower where bursts are small (1514-byte frames in 64 KiB: ten a burst).
 */
Engine::Room Engine::room_for(const Burst& burst) {
  /* acquire: the reads of a reader, done before it moved its tail, come before our writes */
  if (slowest_.load(std::memory_order_acquire) >= burst.required) return Room::yes;
  uint64_t free_below = 0;
  bool drop = false;
  if (alone_ && readers_.glance(&free_below)) {
    slowest_.store(free_below, std::memory_order_relaxed);
    if (free_below >= burst.required) return Room::yes;
  } else if (room_now(burst, &drop)) {
    return drop ? Room::dropped : Room::yes;
  }
  return stopping() ? Room::stopped : Room::not_yet;
}

/* Lag readers must know that positions are going away before they do: the fence keeps the stores that follow behind it. */
void Engine::raise_floor(uint64_t position) {
  uint64_t current = floor_.load(std::memory_order_relaxed);
  if (alone_) {
    if (current >= position) return;
    floor_.store(position, std::memory_order_relaxed);
    __atomic_store_n(&ring_.header()->floor, position, __ATOMIC_RELAXED);
    __atomic_thread_fence(__ATOMIC_RELEASE);
    return;
  }
  while (current < position && !floor_.compare_exchange_weak(current, position, std::memory_order_relaxed)) {
  }
  uint64_t* const shared = &ring_.header()->floor;
  uint64_t seen = __atomic_load_n(shared, __ATOMIC_RELAXED);
  while (seen < position && !__atomic_compare_exchange_n(shared, &seen, position, false, __ATOMIC_RELAXED, __ATOMIC_RELAXED)) {
  }
  __atomic_thread_fence(__ATOMIC_RELEASE);
}

/* False: wait for readers, a change of the ring's size is due. */
bool Engine::resize(BurstPlanner& planner) {
  if (!resizing_->pending()) return true;
  const uint64_t now = now_ns();
  const bool waiting = resizing_->try_apply(now, planner, [this](uint64_t position) { raise_floor(position); }) == Resizing::Change::waiting;
  if (waiting) check_readers(now);
  return !waiting;
}

bool Engine::reclaimable() {
  std::lock_guard<std::mutex> lock(readers_mutex_);
  return reclaimable_locked();
}

bool Engine::reclaimable_locked() {
  const Staging& staging = *options_.staging;
  const Batch* const batch = staging.oldest();
  if (!batch || !staging.more() || stopping() || ended_.load(std::memory_order_acquire)) return false;
  if (staging.consumed() < batch->end) return false;
  if (staging.config().insert == Insert::pull) return true;
  /* Pushed packets are read in place; the position of each is its ordinal, for nothing is dropped and no lap is marked. */
  return readers_.head() >= batch->end && readers_.slowest(1u << MODEL_T_BLOCK) >= batch->end;
}

/* Under the lock, so that the engine's last look at the floor comes after this, or this sees that the stream has ended. */
bool Engine::reclaim() {
  std::lock_guard<std::mutex> lock(readers_mutex_);
  if (!reclaimable_locked()) return false;
  if (options_.staging->config().insert == Insert::push) raise_floor(options_.staging->oldest()->end);
  options_.staging->reclaim();
  return true;
}

/* Every reader has consumed the positions below `position`, left, or died. */
bool Engine::has_drained(uint64_t position) {
  std::lock_guard<std::mutex> lock(readers_mutex_);
  return readers_.slowest(7u) >= position; /* also when nobody is left */
}

}  // namespace model_t
