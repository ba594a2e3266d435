/*
 * The engine: C++ threads that fill a ring, burst by burst. How a burst's packets get there is the filling's (filling.h): copied
 * from the trace image and patched on the way, copied from a device's staging memory, or read where the device put them.
 *
 *   every thread plans the same bursts; thread k of T makes bursts k, k+T, k+2T ...
 *     wait for packets -> wait for room -> fill -> describe -> wait for its turn -> publish head -> pass the turn on
 *
 * So one ring fills in trace order whatever the number of threads. The thread whose turn it is owns head, floor and the
 * producer block; the reader table is behind a mutex that is taken only when the cached slowest reader is too slow.
 * Started and stopped by the run (run.h) from any thread. engine.cc makes bursts; engine_readers.cc deals with who reads them.
 */
#ifndef MODEL_T_REPLAY_ENGINE_H
#define MODEL_T_REPLAY_ENGINE_H

#include <atomic>
#include <memory>
#include <mutex>
#include <thread>
#include <vector>

#include "../../stack/native/ring.h"
#include "../../stack/native/statistics_layout.h"
#include "filling.h"
#include "kernels.h"
#include "planner.h"
#include "staging.h"

namespace model_t {

struct EngineOptions {
  const ReplayKernels* kernels = nullptr;
  PlannerLimits limits{UINT64_MAX, UINT64_MAX};
  uint64_t duration_ns = 0; /* 0 = no limit */
  uint32_t threads = 1;
  std::vector<int> cpus;   /* one per thread, or empty: not pinned */
  Staging* staging = nullptr; /* where a device puts the packets; one thread then */
  bool drop_readers = true;   /* false: resident payload and pushed packets, whose places are fixed; also with threads */
  uint32_t wait_readers = 0; /* readers to wait for before the first packet */
  /* The ring lives only as long as it has readers: none left ends the run. */
  bool needs_readers = false;
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

/*
 * Waits politely: spins while it may be a matter of microseconds, then lets others run (there may be fewer CPUs than threads).
 * A run of pauses between two looks, because the other thread may share this core's execution units and its cache lines.
 * `gentle`: sleeps almost at once, because the CPUs may be what the packets are made with.
 */
struct Pause {
  bool gentle = false;
  uint32_t turns = 0;
  void operator()() {
    turns++;
    if (turns < (gentle ? 20u : 200u)) {
      for (int i = 0; i < 16; i++) model_t_pause();
    }
    else if (gentle) usleep(100);
    else if (turns < 20000) sched_yield();
    else usleep(50);
  }
};

class Engine {
 public:
  /* `filling` and what `options` point to live longer than the engine. */
  Engine(const TraceImage& image, Filling& filling, RingMemory& ring, EngineOptions options, ProducerBlock* statistics);
  ~Engine();

  void start();
  /* Publish what is begun, let readers drain, end. */
  void stop();
  /* End now: readers see an aborted stream. */
  void abort();
  /* The same, as a failure of somebody else's; the first reason counts. */
  void fail(const std::string& error);
  void join();
  bool stopping() const { return stop_.load(std::memory_order_acquire); }
  bool done() const { return done_.load(std::memory_order_acquire); }
  /* After done(). */
  const EngineOutcome& outcome() const { return outcome_; }
  /* After join(). */
  uint64_t host_copied_bytes() const { return host_copied_.load(std::memory_order_relaxed); }
  std::vector<ReaderReport> reader_reports();

  /*
   * The thread that plans batches: gives the oldest published batch back, if another is wanted and nobody reads this one any
   * more. Its positions are gone for lag readers before this returns true; when the stream is ending it never does.
   */
  bool reclaim();
  bool reclaimable();

 private:
  struct Worker;

  enum class Room { yes, dropped, stopped };

  void run(uint32_t thread);
  void wait_for_readers();
  bool make_burst(Worker& worker, const Burst& burst);
  Room wait_for_room(const Burst& burst);
  bool room_now(const Burst& burst, bool* drop);
  bool wait_for_turn(uint64_t number);
  void describe(const Burst& burst);
  void write_mark(const Burst& burst, uint16_t flags);
  void raise_floor(uint64_t position);
  bool is_over(uint64_t now, uint64_t ordinal, bool waiting) const;
  void publish(const Worker& worker);
  void end_with(Stopped reason);
  void fail_here(const std::string& error);
  void finish(Worker& worker);
  Pause pause() const { return {options_.staging != nullptr}; }
  bool reclaimable_locked();
  void drain(uint64_t position);
  void check_readers(uint64_t now);
  bool has_lag_reader();

  const TraceImage& image_;
  Filling& filling_;
  RingMemory& ring_;
  const EngineOptions options_;
  ProducerBlock* const statistics_;
  uint64_t time_span_ = 0; /* added to the capture times per lap */

  std::mutex readers_mutex_;
  ReaderTable readers_;
  std::atomic<uint64_t> last_check_ns_{0};
  alignas(128) std::atomic<uint64_t> slowest_{0}; /* cached: positions below are free for everybody */
  std::atomic<uint64_t> floor_{0}; /* what header()->floor says, not read back from shared memory */
  alignas(128) std::atomic<uint64_t> turn_{0};    /* number of the burst to publish next */
  alignas(128) std::atomic<bool> stop_{false};
  std::atomic<bool> abort_{false};
  std::atomic<bool> ended_{false}; /* somebody is in finish(): nothing more is published */
  std::atomic<bool> done_{false};
  std::atomic<bool> started_{false};
  std::atomic<Stopped> stopped_{Stopped::end};
  std::atomic<uint64_t> host_copied_{0};
  std::mutex failure_mutex_;
  std::string failure_;
  EngineOutcome outcome_;
  std::vector<std::thread> threads_;
};

}  // namespace model_t

#endif
