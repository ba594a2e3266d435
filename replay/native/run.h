/*
 * One replay: trace image -> mutation -> engine -> ring -> (path -> sink), and the proof that it was right.
 *
 *   one lane:        [container 0: source ...][container 1: intake, units ...] ...   placements move elements between them
 *   several lanes:   [container i: source, ring, intake, units of lane i]            the trace is split by flow (lanes.h)
 *
 * Made, started, stopped and waited for by the binding (or a test); owns every thread of the run. The statistics page may
 * be read at any time. With a device, somebody else makes the packets, batch by batch: one thread plans, publishes and reclaims
 * until ended(); staging memory stays as it is until wait() returns. Errors are sentences; nothing throws past wait().
 */
#ifndef MODEL_T_REPLAY_RUN_H
#define MODEL_T_REPLAY_RUN_H

#include <memory>
#include <string>
#include <vector>

#include "../../stack/native/container.h"
#include "../../stack/native/path.h"
#include "../../stack/native/prefetch_agent.h"
#include "device_image.h"
#include "engine.h"
#include "lanes.h"
#include "pcap_sink.h"
#include "staging.h"
#include "verification.h"

namespace model_t {

enum class Target { stack, ring, pcap, null };

struct ContainerConfig {
  std::string name;
  int cpu = -1; /* -1 = not pinned */
};

constexpr int kNoHelper = -2;
/* The same trace gives the same lanes. */
constexpr uint64_t kLaneSeed = 0x6d6f64656c2d7401ull;

struct RunConfig {
  Target target = Target::null;
  std::string ring_name; /* Target::ring */
  int file = -1;         /* Target::pcap: open for writing, stays the caller's */
  uint32_t link_type = 1;
  std::string isa = "scalar";
  MutationPlan mutation;
  PlannerLimits limits{1, UINT64_MAX};
  uint64_t duration_ns = 0;
  uint32_t threads = 1;
  /*
   * With lanes container i has all of lane i. Else all are the path's where the source is in it (`placement`, element 0 not -1); where
   * it is not, the first `threads` are the producers' and the others the path's.
   */
  std::vector<ContainerConfig> containers;
  std::string idle = "backoff"; /* idle.h */
  uint32_t lanes = 1;
  PathPlacement placement; /* of every path, at first */
  int helper_cpu = kNoHelper; /* -1 = not pinned: a container that fetches ahead of intake, paused at first */
  bool resident = false;
  uint64_t region_bytes = 0; /* a multiple of 64; ignored when resident */
  /* The ring finds its size itself, from start_bytes on, at most region_bytes: one thread, a complete image, copied payload. */
  bool self_sizing = false;
  uint64_t start_bytes = 0;
  model_t_policy policy = MODEL_T_BLOCK;
  uint32_t wait_readers = 1; /* Target::ring */
  ProgramPlan program;
  uint32_t digest_lines = 0;
  bool verify = true; /* false: packets go through hands that the reference does not know */
  /* Null: the native engine. Else its plan replaces `mutation`; one thread, payload copied. */
  std::shared_ptr<const DeviceImage> device;
  std::shared_ptr<const DeviceLayout> layout; /* the device's */
  StagingConfig staging;
};

struct RunReader {
  ReaderReport report;
  uint64_t offered = 0; /* packets published while it was in */
};

/* Sums over the lanes; positions (head, floor, marks) are those of the first. */
struct RunResult {
  EngineOutcome engine;
  bool has_path = false;
  PathOutcome path;
  std::vector<RunReader> readers;
  Verification verified;
  uint64_t host_copied_bytes = 0; /* slot bytes that the engine's threads copied */
  std::string error; /* empty, or why the run failed */
};

/* A switch of placement that is over, and whose it was. */
struct PathSwitch {
  uint32_t path;
  SwitchReport report;
};

enum class ContainerCommand { pause, resume, stop };

class ReplayRun {
 public:
  /* Compiles the mutation, splits the trace, makes the rings. Null and `error` (one sentence) when that cannot be. */
  static std::unique_ptr<ReplayRun> create(std::shared_ptr<TraceImage> image, RunConfig config, std::string* error);
  ~ReplayRun();

  bool start(std::string* error);
  void stop();
  void abort();
  /* Until all threads have ended; then flushes the sink and lets the reference recompute what was delivered. Once. */
  void wait();

  /* Control thread. False and a sentence: not now, or not at all. */
  bool place(uint32_t path, const PathPlacement& placement, std::string* error);
  /* Those that ended since the last call. */
  std::vector<PathSwitch> switches();
  /*
   * Takes effect behind what the container is doing. `stop` kills it, and the run with it, unless it is the helper (the last one, if
   * there is one). False and a sentence: there is no such container.
   */
  bool control(uint32_t container, ContainerCommand command, std::string* error);

  /* Of a run with a device, from one thread. */
  bool next_batch(Batch* batch, std::vector<Segment>* segments) { return !first().engine->stopping() && staging_->plan(batch, segments); }
  /* Empty, or why not. */
  std::string publish(const uint8_t* buffer, uint64_t bytes) { return staging_->publish(buffer, bytes); }
  bool reclaim() { return first().engine->reclaim(); }
  /* Nothing more will be read or planned. Any thread. */
  bool ended() const;
  /* Sleeps that long; not at all if reclaim() would succeed, or the stream is over. */
  void nap(uint64_t microseconds);
  void fail(const std::string& error);

  const RunConfig& config() const { return config_; }
  const RunResult& result() const { return result_; }
  const Mutation& mutation() const { return *mutation_; }
  uint32_t lanes() const { return static_cast<uint32_t>(lanes_.size()); }
  const RingMemory& ring(uint32_t lane) const { return *lanes_[lane].ring; }
  /* After wait(): how its ring changed its size; empty: it did not by itself. */
  std::vector<RingEvent> ring_events(uint32_t lane) const { return lanes_[lane].engine->ring_events(); }
  uint64_t packets(uint32_t lane) const { return lanes_[lane].image->packets(); }
  uint32_t containers() const { return static_cast<uint32_t>(containers_.size()); }
  uint32_t operations() const { return operations_; }
  uint8_t* statistics() { return statistics_.get(); }
  size_t statistics_bytes() const;

 private:
  /* A stream of its own: the whole trace, or what one core has of it. */
  struct RunLane {
    std::shared_ptr<TraceImage> image;
    std::shared_ptr<Mutation> mutation;
    std::vector<uint32_t> packets; /* their indexes in the whole trace; empty = all of it */
    PlannerLimits limits{1, UINT64_MAX};
    std::unique_ptr<RingMemory> ring;
    std::unique_ptr<Filling> filling;
    std::unique_ptr<Engine> engine;
    std::unique_ptr<Path> path;
    uint32_t first_container = 0; /* of the path */
    uint32_t containers = 0;      /* of the path */
    uint64_t resident_copies = 0;
  };

  ReplayRun() = default;
  RunLane& first() { return lanes_[0]; }
  bool source_in_path() const;
  bool make_mutation(std::string* error);
  bool make_lanes(std::string* error);
  bool make_staging(std::string* error);
  bool make_ring(RunLane& lane, std::string* error);
  bool make_statistics(std::string* error);
  void make_filling(RunLane& lane);
  void make_engine(uint32_t lane);
  bool make_path(uint32_t lane, std::string* error);
  void make_containers();
  ProducerBlock* producer_block(uint32_t lane) { return reinterpret_cast<ProducerBlock*>(statistics_.get()) + lane; }
  PathBlock* path_block(uint32_t lane);
  ContainerBlock* container_block(uint32_t container);
  OperationBlock* operation_blocks(uint32_t lane);
  void resume_all();
  void stop_containers();
  void kill(uint32_t container);
  bool broken() const;
  std::string failure() const;
  void gather();
  void gather_path(const PathOutcome& outcome);
  void verify(const RunLane& lane);

  std::shared_ptr<TraceImage> image_;
  RunConfig config_;
  uint32_t operations_ = 0;
  struct Free {
    void operator()(uint8_t* page) const { free(page); }
  };
  std::unique_ptr<uint8_t, Free> statistics_;
  std::shared_ptr<Mutation> mutation_;
  std::unique_ptr<Staging> staging_;
  std::vector<RunLane> lanes_;
  std::unique_ptr<PcapSink> sink_;
  std::unique_ptr<PrefetchAgent> helper_;
  std::vector<std::unique_ptr<Container>> containers_; /* last: gone before what their agents work on */
  std::vector<uint64_t> seen_switches_;
  std::atomic<bool> ending_{false}; /* stopped, aborted or failed */
  RunResult result_;
};

}  // namespace model_t

#endif
