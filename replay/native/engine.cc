/* See engine.h. */
#include "engine.h"

#include "../../stack/native/clock.h"
#include "engine_agent.h"

namespace model_t {

namespace {

/* A batch that takes longer than this is not waited for when the time is over. (Readers are: what was published they may read.) */
constexpr uint64_t kStagedGraceNs = 2000ull * 1000 * 1000;

template <typename T>
void set(uint64_t* to, T value) {
  __atomic_store_n(to, static_cast<uint64_t>(value), __ATOMIC_RELAXED);
}

}  // namespace

Engine::Engine(const TraceImage& image, Filling& filling, RingMemory& ring, EngineOptions options, ProducerBlock* statistics)
    : image_(image),
      filling_(filling),
      ring_(ring),
      options_(std::move(options)),
      alone_(options_.threads == 1 && !options_.staging),
      statistics_(statistics),
      readers_(ring, options_.threads > 1 || !options_.drop_readers ? 1u << MODEL_T_BLOCK | 1u << MODEL_T_LAG : 7u) {
  if (image_.is_complete()) time_span_ = options_.time_span_ns ? options_.time_span_ns : lap_span(image_);
  for (uint32_t i = 0; i < options_.threads; i++) agents_.push_back(std::make_unique<EngineAgent>(*this, i));
  __atomic_store_n(&statistics_->ring_bytes, ring_.region_bytes(), __ATOMIC_RELAXED);
  if (options_.self_sizing) resizing_ = std::make_unique<Resizing>(image_, ring_, readers_, readers_mutex_, statistics_, options_.start_bytes, options_.size_policy);
}

Engine::~Engine() {
  if (opened_ && !done()) ring_.publish_state(MODEL_T_RING_ABORTED);
}

void Engine::start() {
  opened_ = true;
  ring_.publish_state(MODEL_T_RING_OPEN);
}

Agent& Engine::agent(uint32_t index) { return *agents_[index]; }

EngineOutcome Engine::outcome() const {
  EngineOutcome outcome = outcome_;
  outcome.floor = floor_.load(std::memory_order_relaxed);
  return outcome;
}

uint64_t Engine::host_copied_bytes() const {
  uint64_t bytes = 0;
  for (const auto& agent : agents_) bytes += agent->copied_bytes();
  return bytes;
}

void Engine::stop() { end_with(Stopped::interrupted); }

void Engine::abort() {
  abort_.store(true, std::memory_order_relaxed);
  stop();
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

std::string Engine::failure() const {
  const std::lock_guard<std::mutex> lock(failure_mutex_);
  return failure_;
}

/* The first reason counts. */
void Engine::end_with(Stopped reason) {
  Stopped none = Stopped::end;
  stopped_.compare_exchange_strong(none, reason);
  stop_.store(true, std::memory_order_release);
}

void Engine::begin() {
  outcome_.started_ns = now_ns();
  set(&statistics_->started_ns, outcome_.started_ns);
  set(&statistics_->phase, 1);
  started_.store(true, std::memory_order_release);
}

void Engine::describe(const Burst& burst) {
  const uint64_t mask = ring_.descriptor_mask();
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
  const uint64_t at = burst.position & ring_.descriptor_mask();
  ring_.descriptors()[at] = {static_cast<uint16_t>(flags | MODEL_T_MARK), 0, 0, MODEL_T_FRAME_OFFSET,
                             static_cast<uint32_t>(burst.ordinal)};
  ring_.times()[at] = 0;
}

/* Turn only. */
void Engine::drop(const Burst& burst) {
  outcome_.dropped += burst.count;
  for (uint32_t i = 0; i < burst.count; i++) outcome_.dropped_bytes += image_.shapes()[burst.first + i].length;
  __atomic_store_n(&ring_.header()->dropped, outcome_.dropped, __ATOMIC_RELAXED);
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
void Engine::publish(const BurstPlanner& planner) {
  if (options_.staging) options_.staging->set_consumed(planner.ordinal());
  const uint64_t head = planner.position();
  readers_.publish_head(head);
  if (readers_.wanted()) {
    std::lock_guard<std::mutex> lock(readers_mutex_);
    readers_.admit(head);
    slowest_.store(0, std::memory_order_relaxed); /* the newcomer counts from the next look on */
  }
  const uint64_t now = now_ns();
  set(&statistics_->offered, planner.ordinal());
  set(&statistics_->laps, planner.lap());
  set(&statistics_->dropped, outcome_.dropped);
  set(&statistics_->updated_ns, now);
  const uint64_t slowest = slowest_.load(std::memory_order_relaxed);
  set(&statistics_->ring_distance, slowest < head ? head - slowest : 0);
  if (is_over(now, planner.ordinal(), false)) end_with(Stopped::duration);
  if (options_.needs_readers) check_readers(now);
  if (resizing_) resizing_->published(now, planner);
}

/* Turn only, which is kept: nothing is published any more but the end. */
void Engine::end_production(const BurstPlanner& planner) {
  ended_.store(true, std::memory_order_release);
  outcome_.published_ns = now_ns();
  outcome_.offered = planner.ordinal();
  outcome_.laps = planner.lap();
  outcome_.bytes = outcome_.laps ? outcome_.laps * image_.frame_bytes() : 0;
  for (uint64_t i = 0; i < planner.index(); i++) outcome_.bytes += image_.shapes()[i].length;
  outcome_.head = planner.position();
  set(&statistics_->bytes, outcome_.bytes);
  set(&statistics_->phase, 2);
}

/* By the agent that ended the stream, when its readers are through. */
void Engine::conclude() {
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
