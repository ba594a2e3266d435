/*
 * The engine: agents that fill a ring, burst by burst. How a burst's packets get there is the filling's (filling.h): copied
 * from the trace image and patched on the way, copied from a device's staging memory, or read where the device put them.
 *
 *   every agent plans the same bursts; agent k of T makes bursts k, k+T, k+2T ...
 *     packets there? -> room? -> fill -> describe -> its turn? -> publish head -> pass the turn on
 *
 * So one ring fills in trace order whatever the number of agents, and whichever threads call them: an agent never waits, it
 * is asked again (engine_agent.h). The agent whose turn it is owns head, floor and the producer block; the reader table is
 * behind a mutex that is taken only when the cached slowest reader is too slow, and not by an agent that is alone with
 * one reader. Opened and stopped by the run (run.h) from any thread.
 *
 * engine.cc holds what the agents share; engine_readers.cc deals with who reads; engine_agent.cc makes bursts.
 */
#ifndef MODEL_T_REPLAY_ENGINE_H
#define MODEL_T_REPLAY_ENGINE_H

#include <atomic>
#include <memory>
#include <mutex>
#include <vector>

#include "../../stack/native/agent.h"
#include "../../stack/native/ring.h"
#include "../../stack/native/statistics_layout.h"
#include "filling.h"
#include "kernels.h"
#include "planner.h"
#include "resizing.h"
#include "staging.h"

namespace model_t {

struct EngineOptions {
  const ReplayKernels* kernels = nullptr;
  PlannerLimits limits{UINT64_MAX, UINT64_MAX};
  uint64_t duration_ns = 0; /* 0 = no limit */
  uint32_t threads = 1; /* that make packets: agents */
  Staging* staging = nullptr; /* where a device puts the packets; one thread then */
  bool drop_readers = true;   /* false: resident payload and pushed packets, whose places are fixed; also with threads */
  uint32_t wait_readers = 0; /* readers to wait for before the first packet */
  /* The ring lives only as long as it has readers: none left ends the run. */
  bool needs_readers = false;
  uint64_t time_span_ns = 0; /* added to the capture times per lap; 0 = lap_span() of the image (a lane takes the whole trace's) */
  /* The ring finds its own size, at most its memory: one thread, complete image, payload copied from it. */
  bool self_sizing = false;
  uint64_t start_bytes = 0; /* of a ring that does */
  SizePolicy* size_policy = nullptr; /* instead of the sizer: tests */
};

enum class Stopped { end, duration, interrupted, reader_died, failed };

struct EngineOutcome {
  uint64_t offered = 0;
  uint64_t bytes = 0; /* captured frame bytes of the packets offered */
  uint64_t dropped = 0;
  uint64_t dropped_bytes = 0;
  uint64_t laps = 0;
  uint64_t started_ns = 0;
  uint64_t published_ns = 0; /* when the last packet was published */
  uint64_t finished_ns = 0;  /* when the last reader had consumed it */
  uint64_t head = 0;         /* positions published, the end-of-stream mark not included */
  uint64_t lap_mark = UINT64_MAX; /* position of the end-of-lap mark of a live lap, if there is one */
  uint64_t floor = 0;        /* positions from here on are intact in the ring */
  Stopped stopped = Stopped::end;
  std::string error; /* when `stopped` is failed */
};

class EngineAgent;

class Engine {
 public:
  /* `filling` and what `options` point to live longer than the engine. */
  Engine(const TraceImage& image, Filling& filling, RingMemory& ring, EngineOptions options, ProducerBlock* statistics);
  /* No agent is being called any more. Readers of a stream that has not ended see an aborted one. */
  ~Engine();

  /* Opens the ring to readers. Then every agent is called, by whoever, until it is finished. */
  void start();
  uint32_t agents() const { return static_cast<uint32_t>(agents_.size()); }
  Agent& agent(uint32_t index);

  /* Publish what is begun, let readers drain, end. */
  void stop();
  /* End now: readers see an aborted stream. */
  void abort();
  /* The same, as a failure of somebody else's; the first reason counts. */
  void fail(const std::string& error);
  bool failed() const { return stopping() && stopped_.load() == Stopped::failed; }
  bool stopping() const { return stop_.load(std::memory_order_acquire); }
  bool done() const { return done_.load(std::memory_order_acquire); }
  /* After done(); `floor` once all agents have finished, for one that was not the last may still have been filling. */
  EngineOutcome outcome() const;
  /* Why it failed; empty = it did not. Any thread. */
  std::string failure() const;
  /* Once all agents have finished. */
  uint64_t host_copied_bytes() const;
  /* After done(). */
  std::vector<ReaderReport> reader_reports();
  /* Once all agents have finished: how the ring changed its size, if it did so by itself. */
  std::vector<RingEvent> ring_events() const { return resizing_ ? resizing_->events() : std::vector<RingEvent>(); }

  /*
   * The thread that plans batches: gives the oldest published batch back, if another is wanted and nobody reads this one any
   * more. Its positions are gone for lag readers before this returns true; when the stream is ending it never does.
   */
  bool reclaim();
  bool reclaimable();

 private:
  friend class EngineAgent;

  enum class Room { yes, not_yet, dropped, stopped };

  /* engine.cc */
  void begin();
  bool has_begun() const { return started_.load(std::memory_order_acquire); }
  bool aborted() const { return abort_.load(std::memory_order_relaxed); }
  void describe(const Burst& burst);
  void write_mark(const Burst& burst, uint16_t flags);
  void drop(const Burst& burst);
  bool resize(BurstPlanner& planner);
  bool is_over(uint64_t now, uint64_t ordinal, bool waiting) const;
  void publish(const BurstPlanner& planner);
  void count_wait(uint64_t cycles) { __atomic_fetch_add(&statistics_->wait_cycles, cycles, __ATOMIC_RELAXED); }
  void end_production(const BurstPlanner& planner);
  void conclude();
  void end_with(Stopped reason);
  void fail_here(const std::string& error);

  /* engine_readers.cc */
  bool readers_are_in();
  Room room_for(const Burst& burst);
  bool room_now(const Burst& burst, bool* drop);
  void raise_floor(uint64_t position);
  void check_readers(uint64_t now);
  bool has_lag_reader();
  bool has_drained(uint64_t position);
  bool reclaimable_locked();

  const TraceImage& image_;
  Filling& filling_;
  RingMemory& ring_;
  const EngineOptions options_;
  /* One agent and no device: nobody else ever touches readers and floor, so that neither needs a lock or a locked instruction. */
  const bool alone_;
  ProducerBlock* const statistics_;
  uint64_t time_span_ = 0; /* added to the capture times per lap */

  std::mutex readers_mutex_;
  ReaderTable readers_;
  std::unique_ptr<Resizing> resizing_; /* null: the size is fixed */
  std::atomic<uint64_t> last_check_ns_{0};
  alignas(128) std::atomic<uint64_t> slowest_{0}; /* cached: positions below are free for everybody */
  std::atomic<uint64_t> floor_{0}; /* what header()->floor says, not read back from shared memory */
  alignas(128) std::atomic<uint64_t> turn_{0};    /* number of the burst to publish next */
  alignas(128) std::atomic<bool> stop_{false};
  std::atomic<bool> abort_{false};
  std::atomic<bool> ended_{false}; /* an agent ends the stream: nothing more is published */
  std::atomic<bool> done_{false};
  std::atomic<bool> started_{false};
  std::atomic<Stopped> stopped_{Stopped::end};
  bool opened_ = false;
  mutable std::mutex failure_mutex_;
  std::string failure_;
  EngineOutcome outcome_;
  std::vector<std::unique_ptr<EngineAgent>> agents_;
};

}  // namespace model_t

#endif
