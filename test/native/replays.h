/*
 * A replay for tests: engine, ring and mutation together, and readers that hold every packet to the reference.
 */
#ifndef MODEL_T_TEST_REPLAYS_H
#define MODEL_T_TEST_REPLAYS_H

#include <functional>
#include <thread>

#include "../../replay/native/engine.h"
#include "../../replay/native/filling.h"
#include "../../replay/native/reference.h"
#include "../../replay/native/run.h"
#include "support.h"

namespace model_t::test {

/* One thread for each agent of an engine, which calls it until it is finished. */
class AgentThreads {
 public:
  ~AgentThreads() { join(); }
  void start(Engine& engine);
  void join();

 private:
  std::vector<std::thread> threads_;
};

struct ReplaySetup {
  const TraceImage* image;
  MutationPlan plan;
  EngineOptions options;
  uint64_t region_bytes = 1 << 16; /* ignored when resident */
  bool resident = false;
  std::string ring_name{}; /* empty: in this process only */
};

/* Ring and engine of one run; ends the run when it goes out of scope. */
class TestReplay {
 public:
  explicit TestReplay(ReplaySetup setup);
  ~TestReplay() { engine_->abort(); }

  RingMemory& ring() { return *ring_; }
  Engine& engine() { return *engine_; }
  const ReplaySetup& setup() const { return setup_; }
  const ProducerBlock& statistics() const { return statistics_; }
  /* Packets published so far. */
  uint64_t offered() const { return __atomic_load_n(&statistics_.offered, __ATOMIC_RELAXED); }
  /* How often the ring has changed its size. */
  uint64_t resizes() const { return __atomic_load_n(&statistics_.resizes, __ATOMIC_RELAXED); }
  /* Opens the ring and gives every agent a thread. */
  void start() { threads_.start(*engine_); }
  EngineOutcome join() {
    threads_.join();
    return engine_->outcome();
  }
  std::vector<ReaderReport> reports();

 private:
  ReplaySetup setup_;
  ProducerBlock statistics_{};
  std::unique_ptr<Mutation> mutation_;
  std::unique_ptr<RingMemory> ring_;
  std::unique_ptr<Filling> filling_;
  std::unique_ptr<Engine> engine_;
  AgentThreads threads_;
};

struct Following {
  model_t_policy policy = MODEL_T_BLOCK;
  uint32_t limit = 256;               /* packets per receive */
  uint32_t nap_us = 0;                /* after every eighth burst */
  uint64_t leave_after = UINT64_MAX;  /* packets */
};

struct Followed {
  uint64_t delivered = 0;
  uint64_t lost = 0;
  uint64_t first = UINT64_MAX; /* sequence number of the first packet */
  uint64_t last = 0;
  uint64_t laps_ended = 0;     /* marks of the end of a lap on packets */
  int end = 0;                 /* what model_t_ring_receive ended with; 0 = left by itself */
  std::string error;
};

/*
 * A reader, one burst at a time: for tests in which nothing runs beside it. Every packet must be, byte by byte, what the reference
 * says for its sequence number; time and lap mark must be the capture's. Without loss the numbers must be consecutive.
 */
class Follower {
 public:
  Follower(RingMemory& ring, const TraceImage& image, const MutationPlan& plan, const Following& following);
  Follower(TestReplay& replay, const Following& following)
      : Follower(replay.ring(), *replay.setup().image, replay.setup().plan, following) {}
  ~Follower();
  Follower(const Follower&) = delete;
  Follower& operator=(const Follower&) = delete;

  /* Waits until the producer lets it in; false with a failed check when refused. */
  bool join();
  /* Asks the producer and does not wait: poll() does nothing until it was let in. */
  void ask();
  bool is_in() const { return in_; }
  /* Takes a burst, if there is one. False when the stream is over, or it was asked to leave by now. */
  bool poll();
  /* Leaves the ring. */
  Followed leave();

 private:
  struct Judge;

  void take(int count);

  RingMemory& ring_;
  const Following following_;
  std::vector<model_t_packet> packets_;
  model_t_reader reader_{};
  bool in_ = false;
  uint64_t bursts_ = 0;
  Followed followed_;
  std::unique_ptr<Judge> judge_;
};

/* Joins a ring and reads until the end. */
Followed follow(RingMemory& ring, const TraceImage& image, const MutationPlan& plan, const Following& following);
inline Followed follow(TestReplay& replay, const Following& following) {
  return follow(replay.ring(), *replay.setup().image, replay.setup().plan, following);
}

/* Maps the ring and joins it in this process; false with a failed check when refused. */
bool join_ring(RingMemory& ring, model_t_reader* reader, model_t_policy policy);

/* A thread that joins itself at the end of its scope. */
struct Joining {
  std::thread thread;
  explicit Joining(std::function<void()> work) : thread(std::move(work)) {}
  ~Joining() {
    if (thread.joinable()) thread.join();
  }
  void join() { thread.join(); }
};

/* Waits until `good()` or ten seconds; returns what it was at last. */
bool wait_until(const std::function<bool()>& good);

/* The usual places: source and chain in a container each; producers apart from the path where they are several, or a device. */
void place_usually(RunConfig* config);

}  // namespace model_t::test

#endif
