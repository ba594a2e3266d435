/*
 * One replay: trace image -> mutation -> engine -> ring -> (container -> sink), and the proof that it was right.
 *
 * Made, started, stopped and waited for by the binding (or a test); owns every thread of the run. The statistics page may
 * be read at any time. Errors are sentences; nothing throws past wait().
 */
#ifndef MODEL_T_REPLAY_RUN_H
#define MODEL_T_REPLAY_RUN_H

#include <memory>
#include <string>
#include <vector>

#include "../../stack/native/container.h"
#include "engine.h"
#include "pcap_sink.h"

namespace model_t {

enum class Target { stack, ring, pcap, null };

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
  std::vector<int> cpus; /* producers first, then the container; empty = not pinned */
  bool resident = false;
  uint64_t region_bytes = 0; /* a multiple of 64; ignored when resident */
  model_t_policy policy = MODEL_T_BLOCK;
  uint32_t wait_readers = 1; /* Target::ring */
  std::vector<OperationPlan> operations;
  uint32_t digest_lines = 0;
};

struct RunResult {
  EngineOutcome engine;
  bool has_container = false;
  ContainerOutcome container;
  std::vector<ReaderReport> readers;
  uint64_t verified_packets = 0;
  bool verified_ok = true;
  std::string error; /* empty, or why the run failed */
};

class ReplayRun {
 public:
  /* Compiles the mutation, makes the ring. Null and `error` (one sentence) when that cannot be. */
  static std::unique_ptr<ReplayRun> create(std::shared_ptr<TraceImage> image, RunConfig config, std::string* error);
  ~ReplayRun();

  bool start(std::string* error);
  void stop() { engine_->stop(); }
  void abort();
  /* Until all threads have ended; then flushes the sink and lets the reference recompute what was delivered. Once. */
  void wait();

  const RunConfig& config() const { return config_; }
  const RunResult& result() const { return result_; }
  const Mutation& mutation() const { return *mutation_; }
  const RingMemory& ring() const { return *ring_; }
  uint8_t* statistics() { return statistics_.get(); }
  size_t statistics_bytes() const { return (2 + config_.operations.size()) * 128; }

 private:
  ReplayRun() = default;
  bool make_ring(std::string* error);
  void make_engine();
  void verify();
  void verify_windows();
  void verify_ring();

  std::shared_ptr<TraceImage> image_;
  RunConfig config_;
  uint64_t resident_copies_ = 0;
  struct Free {
    void operator()(uint8_t* page) const { free(page); }
  };
  std::unique_ptr<uint8_t, Free> statistics_;
  std::unique_ptr<Mutation> mutation_;
  std::unique_ptr<RingMemory> ring_;
  std::unique_ptr<NativeEngine> engine_;
  std::unique_ptr<PcapSink> sink_;
  std::unique_ptr<Container> container_;
  RunResult result_;
};

}  // namespace model_t

#endif
