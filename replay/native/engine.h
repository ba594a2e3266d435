/*
 * The native engine: C++ threads that copy the trace image into a ring, burst by burst, and patch it on the way.
 *
 *   every thread plans the same bursts; thread k of T makes bursts k, k+T, k+2T ...
 *     wait for room -> copy -> patch -> describe -> wait for its turn -> publish head -> pass the turn on
 *
 * So one ring fills in trace order whatever the number of threads. The thread whose turn it is owns head, floor and the
 * producer block; the reader table is behind a mutex that is taken only when the cached slowest reader is too slow.
 * Started and stopped by the run (run.h) from any thread.
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
#include "kernels.h"
#include "mutation.h"
#include "planner.h"

namespace model_t {

struct EngineOptions {
  const ReplayKernels* kernels = nullptr;
  PlannerLimits limits{UINT64_MAX, UINT64_MAX};
  uint64_t duration_ns = 0; /* 0 = no limit */
  uint32_t threads = 1;
  std::vector<int> cpus;   /* one per thread, or empty: not pinned */
  bool resident = false;   /* payload is written while lap < resident_copies, later laps rewrite headers in place */
  uint64_t resident_copies = 0;
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

class NativeEngine {
 public:
  NativeEngine(const TraceImage& image, Mutation& mutation, RingMemory& ring, EngineOptions options, ProducerBlock* statistics);
  ~NativeEngine();

  void start();
  /* Publish what is begun, let readers drain, end. */
  void stop();
  /* End now: readers see an aborted stream. */
  void abort();
  void join();
  bool done() const { return done_.load(std::memory_order_acquire); }
  /* After done(). */
  const EngineOutcome& outcome() const { return outcome_; }
  std::vector<ReaderReport> reader_reports();

 private:
  struct Worker;

  enum class Room { yes, dropped, stopped };

  void run(uint32_t thread);
  void wait_for_readers();
  bool make_burst(Worker& worker, const Burst& burst);
  Room wait_for_room(const Burst& burst);
  bool room_now(const Burst& burst, bool* drop);
  bool wait_for_turn(uint64_t number);
  void write_burst(const Burst& burst);
  void write_tiles(const Burst& burst, uint8_t* target);
  void describe(const Burst& burst);
  void write_mark(const Burst& burst, uint16_t flags);
  void raise_floor(uint64_t position);
  void publish(const Worker& worker);
  void end_with(Stopped reason);
  void fail(const std::string& error);
  void finish(Worker& worker);
  void drain(uint64_t position);
  void check_readers(uint64_t now);
  bool has_lag_reader();

  const TraceImage& image_;
  Mutation& mutation_;
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
  EngineOutcome outcome_;
  std::vector<std::thread> threads_;
};

}  // namespace model_t

#endif
