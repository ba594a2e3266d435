/*
 * A path: the way of packets from a ring through a program, in one container or cut over several, and moved between them while
 * packets flow.
 *
 *   elements    source | intake | unit | unit | unit ...        units: what the program cannot be cut inside (program.h)
 *   placement   [--- container 0 ---][-- 1 --][--- 2 --]        contiguous; a container's intake and units are a stage
 *   stages      stage 0 -> ring of bursts -> stage 1 -> ...     in place (burst_ring.h); behind a stage whose rows are new ones
 *                                                               (a datagram, a piece of a stream) a ring with copies of them
 *
 * Each container has one agent of the path, which does whatever the placement of the moment gives to that container. A placement
 * holds from one burst on until another takes over (an epoch). The switch loses and reorders nothing, and nobody waits in it:
 *
 *   control             place(): publishes `latest`
 *   runs the intake     sees it, takes no more in, says at which burst the new placement starts
 *   runs the last stage when all bursts before that one are through, makes it `current`
 *   runs the intake now goes on; from its predecessor's stop to here is the time that the switch blocked the path
 *   has the source      gives it to the container that `latest` names; until then goes on with it
 *
 * Whatever a stage leaves behind (states of operations, intake, source) is seen by who takes it over: each of these steps is a
 * release that the next one acquires. With one container all of this is one slot, no ring, and three loads a turn.
 *
 * create(), place(), last_switch(): one control thread. agent(): called from the thread of its container. stop(), done(): any.
 */
#ifndef MODEL_T_STACK_PATH_H
#define MODEL_T_STACK_PATH_H

#include <atomic>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "agent.h"
#include "intake.h"
#include "program.h"
#include "statistics_layout.h"

namespace model_t {

/* Takes the rows that reach the end, in order, on the thread of whoever runs the last stage. */
class BurstSink {
 public:
  virtual ~BurstSink() = default;
  /* False = failed, the path ends; error() says why. `first` is the position in the stream of the burst's first packet. */
  virtual bool take(const Burst256& burst, const uint64_t* times_ns, uint64_t first) = 0;
  virtual std::string error() const = 0;
};

constexpr uint32_t kMaxContainers = 128;

struct PathOptions {
  const StackKernels* kernels = nullptr;
  ProgramPlan program;
  model_t_policy policy = MODEL_T_BLOCK;
  uint32_t digest_lines = 0;   /* 0 = all bytes; else lines per packet */
  BurstSink* sink = nullptr;
  Agent* source = nullptr;     /* null: the packets come from elsewhere */
  uint32_t containers = 1;
  PathBlock* block = nullptr;  /* zeroed */
  OperationBlock* operations = nullptr; /* zeroed: [0] source, [1] intake, [2 ..] one per step of the program */
  uint64_t arena_bytes = 256 * 1024;    /* of each slot behind a stage that makes rows; a larger row gets a larger one */
  /* For tests: called wherever another thread may come in between. */
  void (*disturb)(void* context) = nullptr;
  void* disturb_context = nullptr;
};

/* As in stack/scheduler/types.ts. */
struct PathPlacement {
  std::vector<int32_t> containers; /* of the source (-1 = there is none), of the intake, of each unit */
  uint32_t window = 16;            /* bursts between intake and end, at most: a power of two, 1 to kMaxWindow */
  uint32_t slice_bursts = 16;      /* at most in a turn, whatever the container says */
  uint32_t fill_packets = 0;       /* the ring fills up to so many before intake starts on it; 0 = no filling */
  uint64_t latency_ns = 1000 * 1000; /* ... but no longer than this since the first of them was seen */
  bool vertical = false;           /* a stage hands a whole slice on, not each burst */
};

struct SwitchReport {
  uint64_t number = 0;       /* of the switch, from 1 */
  uint64_t at_burst = 0;     /* first burst of the new placement */
  uint64_t at_packet = 0;    /* packets taken in before it */
  uint64_t requested_ns = 0; /* CLOCK_MONOTONIC */
  uint64_t blocked_ns = 0;   /* the path took nothing in */
};

struct BurstSlot;

class Path {
 public:
  /* Null and a sentence for a program that cannot be made, or a number of containers that is none. */
  static std::unique_ptr<Path> create(RingMemory& ring, PathOptions options, std::string* error);
  /* The containers' threads have ended. */
  ~Path();
  Path(const Path&) = delete;
  Path& operator=(const Path&) = delete;

  /*
   * From some burst on soon, this placement. False and a sentence when it cannot be, or while the switch before is under way, or
   * when the path is over. The first one holds at once; agents do nothing before it.
   */
  bool place(const PathPlacement& placement, std::string* error);
  bool switching() const { return switching_.load(std::memory_order_acquire); }
  /* The last switch that is over; false if there was none. */
  bool last_switch(SwitchReport* report) const;

  /*
   * Finished when the path is done and its source has ended: who stops the one must stop the other. The source is the agent's
   * from agent to agent; its start() is called before its first turn.
   */
  Agent& agent(uint32_t container);
  /* Nothing more is taken in; what was goes through, operations hand on what they hold back. */
  void stop() { stop_.store(true, std::memory_order_relaxed); }
  /* Everything taken in is through and settled. */
  bool done() const { return done_.load(std::memory_order_acquire); }
  /* Something went wrong, and the path comes to its end; outcome() will say what. */
  bool broken() const { return failed(); }
  /* Why; empty = nothing did. */
  std::string failure() const;
  /* After done(). */
  const PathOutcome& outcome() const { return outcome_; }

  const Program& program() const { return *program_; }
  /* Ring position that the intake has come to, for who works ahead of it (prefetch_agent.h). */
  const std::atomic<uint64_t>& position() const { return position_.value; }

 private:
  struct Epoch;
  struct Stage;
  class ContainerAgent;
  friend class ContainerAgent;

  /* A cursor or flag with one writer at a time, alone on its lines. */
  struct alignas(128) Cursor {
    std::atomic<uint64_t> value{0};
  };

  Path(RingMemory& ring, PathOptions options);

  /* path_place.cc */
  std::string problem_of(const PathPlacement& placement) const;
  std::string problem_of_containers(const std::vector<int32_t>& containers) const;
  std::string element_name(size_t element) const;
  std::unique_ptr<Epoch> make_epoch(const PathPlacement& placement);
  void make_stages(Epoch& epoch);
  void forget_epochs();

  /* path.cc: turns of the agents, and the switch */
  int64_t work(ContainerAgent& agent, uint32_t slice);
  int64_t work_stage(uint32_t container, Epoch& current, Epoch& newest, uint32_t slice);
  int64_t work_source(uint32_t container, const Epoch& newest, uint32_t slice);
  int64_t run_source(uint32_t slice);
  void stop_for(Stage& first, Epoch& next);
  void resume(const Epoch& epoch);
  void finish();
  void fail(const std::string& error);
  bool failed() const { return failed_.load(std::memory_order_acquire); }
  void disturb() const {
    if (options_.disturb) [[unlikely]] options_.disturb(options_.disturb_context);
  }

  /* path_stage.cc: what stages do */
  int64_t run_stage(Stage& stage, uint32_t slice);
  bool begin(Stage& stage, BurstSlot& slot);
  bool may_take(Stage& stage);
  bool filled(const PathPlacement& placement);
  void take_in(BurstSlot& slot);
  void run_units(Stage& stage, BurstSlot& slot);
  void arrive(Stage& stage, const BurstSlot& slot);
  void publish(Stage& stage);
  void settle();
  void publish_operations(const Stage& stage);
  static void give_to_sink(void* stage, const Burst256& burst);

  /* path_rows.cc: rows that are copied for the next stage */
  static void forward(void* stage, const Burst256& burst);
  bool wait_for_slot(Stage& stage);
  bool open_slot(Stage& stage);
  bool grow(Stage& stage, const Burst256& burst, uint32_t row);
  void close_slot(Stage& stage, bool last);
  bool close_burst(Stage& stage);

  RingMemory& ring_;
  const PathOptions options_;
  std::unique_ptr<Program> program_;
  std::vector<std::unique_ptr<ContainerAgent>> agents_;
  /* Of the control thread. */
  std::vector<std::unique_ptr<Epoch>> epochs_; /* those that somebody may look at still; the last one is `latest` */
  SwitchReport last_report_;

  /* Of whoever runs the intake. */
  std::unique_ptr<Intake> intake_;
  bool intake_stopped_ = false; /* for a switch */
  bool end_taken_ = false;      /* the burst behind which the stream is over has been taken in */
  bool filling_ = true;
  uint64_t first_seen_ns_ = 0;
  uint64_t blocked_since_ns_ = 0;
  SwitchReport report_; /* of the control thread while no switch is under way */
  uint64_t intake_chance_ = 0x9e3779b97f4a7c15ull;
  /* Of whoever runs the last stage. */
  uint64_t expected_number_ = 0;
  uint32_t expected_part_ = 0;
  uint64_t disordered_ = 0;
  bool rows_made_ = false; /* a unit makes rows: their order is not the packets' */
  /* Of whoever has the source. */
  bool source_started_ = false;
  uint64_t source_chance_ = 0x9e3779b97f4a7c15ull;

  alignas(128) std::atomic<Epoch*> latest_{nullptr};  /* written by the control thread */
  alignas(128) std::atomic<Epoch*> current_{nullptr}; /* written by whoever runs the last stage */
  alignas(128) std::atomic<bool> switching_{false};   /* set by the control thread, cleared by the intake that goes on */
  std::atomic<bool> stop_{false};
  std::atomic<bool> failed_{false};
  std::atomic<bool> done_{false};
  std::atomic<bool> source_done_{true};
  Cursor through_;       /* bursts that are through the last stage; written by who runs it */
  Cursor position_;      /* written by who runs the intake */
  Cursor source_holder_; /* container that has the source; written by that one */
  mutable std::mutex failure_mutex_;
  std::string failure_;
  PathOutcome outcome_;
};

}  // namespace model_t

#endif
