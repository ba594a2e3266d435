/*
 * One replay: trace image -> mutation -> engine -> ring -> (container -> sink), and the proof that it was right.
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
#include "device_image.h"
#include "engine.h"
#include "pcap_sink.h"
#include "staging.h"

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
  ProgramPlan program;
  uint32_t digest_lines = 0;
  bool verify = true; /* false: packets go through hands that the reference does not know */
  /* Null: the native engine. Else its plan replaces `mutation`; one thread, payload copied. */
  std::shared_ptr<const DeviceImage> device;
  std::shared_ptr<const DeviceLayout> layout; /* the device's */
  StagingConfig staging;
};

struct RunResult {
  EngineOutcome engine;
  bool has_container = false;
  ContainerOutcome container;
  std::vector<ReaderReport> readers;
  uint64_t verified_packets = 0;
  bool verified_ok = true;
  uint64_t host_copied_bytes = 0; /* slot bytes that the engine's threads copied */
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

  /* Of a run with a device, from one thread. */
  bool next_batch(Batch* batch, std::vector<Segment>* segments) { return !engine_->stopping() && staging_->plan(batch, segments); }
  /* Empty, or why not. */
  std::string publish(const uint8_t* buffer, uint64_t bytes) { return staging_->publish(buffer, bytes); }
  bool reclaim() { return engine_->reclaim(); }
  /* Nothing more will be read or planned. Any thread. */
  bool ended() const { return engine_->done() && (!container_ || container_->done()); }
  /* Sleeps that long; not at all if reclaim() would succeed, or the stream is over. */
  void nap(uint64_t microseconds);
  void fail(const std::string& error);

  const RunConfig& config() const { return config_; }
  const RunResult& result() const { return result_; }
  const Mutation& mutation() const { return *mutation_; }
  const RingMemory& ring() const { return *ring_; }
  uint8_t* statistics() { return statistics_.get(); }
  size_t statistics_bytes() const { return (2 + config_.program.records.size()) * 128; }

 private:
  ReplayRun() = default;
  bool make_mutation(std::string* error);
  bool make_staging(std::string* error);
  bool make_ring(std::string* error);
  void make_filling();
  void make_engine();
  void make_container();
  void verify();
  void verify_windows();
  void verify_ring();
  void verify_staging();

  std::shared_ptr<TraceImage> image_;
  RunConfig config_;
  uint64_t resident_copies_ = 0;
  struct Free {
    void operator()(uint8_t* page) const { free(page); }
  };
  std::unique_ptr<uint8_t, Free> statistics_;
  std::shared_ptr<Mutation> mutation_;
  std::unique_ptr<Staging> staging_;
  std::unique_ptr<RingMemory> ring_;
  std::unique_ptr<Filling> filling_;
  std::unique_ptr<Engine> engine_;
  std::unique_ptr<PcapSink> sink_;
  std::unique_ptr<Container> container_;
  RunResult result_;
};

}  // namespace model_t

#endif
