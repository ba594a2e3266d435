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

void Engine::wait_for_readers() {
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

Engine::Room Engine::wait_for_room(const Burst& burst) {
  /* acquire: the reads of a reader, done before it moved its tail, come before our writes */
  if (slowest_.load(std::memory_order_acquire) >= burst.required) return Room::yes;
  const uint64_t begin = cycles();
  Pause pause = this->pause();
  bool drop = false;
  while (!room_now(burst, &drop)) {
    if (stop_.load(std::memory_order_acquire)) return Room::stopped;
    if (pause.turns % 1024 == 1023) check_readers(now_ns());
    pause();
  }
  if (pause.turns) __atomic_fetch_add(&statistics_->wait_cycles, cycles() - begin, __ATOMIC_RELAXED);
  return drop ? Room::dropped : Room::yes;
}

/* Lag readers must know that positions are going away before they do: the fence keeps the stores that follow behind it. */
void Engine::raise_floor(uint64_t position) {
  uint64_t current = floor_.load(std::memory_order_relaxed);
  while (current < position && !floor_.compare_exchange_weak(current, position, std::memory_order_relaxed)) {
  }
  uint64_t* const shared = &ring_.header()->floor;
  uint64_t seen = __atomic_load_n(shared, __ATOMIC_RELAXED);
  while (seen < position && !__atomic_compare_exchange_n(shared, &seen, position, false, __ATOMIC_RELAXED, __ATOMIC_RELAXED)) {
  }
  __atomic_thread_fence(__ATOMIC_RELEASE);
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

/* Until every reader has consumed the positions below `position`, left, or died. */
void Engine::drain(uint64_t position) {
  for (Pause pause = this->pause(); !abort_.load(std::memory_order_relaxed); pause()) {
    {
      std::lock_guard<std::mutex> lock(readers_mutex_);
      if (readers_.slowest(7u) >= position) return; /* also when nobody is left */
    }
    if (pause.turns % 1024 == 1023) check_readers(now_ns());
  }
}

}  // namespace model_t
