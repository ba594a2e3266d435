/*
 * A container: one pinned thread that takes bursts from a ring and runs operations on them, fused.
 *
 *   ring -> intake (validate descriptors) -> operation 1 -> ... -> operation n -> digest -> release
 *
 * Statistics go to blocks of the shared page, one per container and operation, with relaxed stores once per burst. A sink
 * (pcap file) may stand behind the operations. Started and joined by the owner (replay's run); everything else happens on
 * the container's own thread.
 */
#ifndef MODEL_T_STACK_CONTAINER_H
#define MODEL_T_STACK_CONTAINER_H

#include <atomic>
#include <string>
#include <thread>
#include <vector>

#include "operation.h"
#include "ring.h"
#include "statistics_layout.h"

namespace model_t {

/* Takes every burst after the operations; called on the container's thread. */
class BurstSink {
 public:
  virtual ~BurstSink() = default;
  /* False = failed, the container stops; error() says why. `first` is the position in the stream of the burst's first packet. */
  virtual bool take(const Burst256& burst, const uint64_t* times_ns, uint64_t first) = 0;
  virtual std::string error() const = 0;
};

struct OperationPlan {
  std::string name; /* as in the pipeline text */
  uint32_t parameter = 0;
};

struct ContainerOptions {
  const StackKernels* kernels = nullptr;
  std::vector<OperationPlan> operations;
  int cpu = -1;
  model_t_policy policy = MODEL_T_BLOCK;
  uint32_t digest_lines = 0; /* 0 = all bytes; else lines per packet */
  BurstSink* sink = nullptr;
};

/* Digest over a window of the stream, for the reference to recompute. */
struct DigestWindow {
  uint64_t begin = 0; /* packets delivered before it */
  uint64_t end = 0;
  uint64_t digest = 0;
};

struct ContainerOutcome {
  uint64_t delivered = 0;
  uint64_t bytes = 0;
  uint64_t lost = 0;
  uint64_t digest = 0;
  DigestWindow head; /* the first packets */
  DigestWindow tail; /* the last packets */
  uint64_t finished_ns = 0;
  bool failed = false;
  std::string error;
};

class Container {
 public:
  /* `blocks`: one ContainerBlock, then one OperationBlock per operation, zeroed. */
  Container(RingMemory& ring, ContainerOptions options, uint8_t* blocks);
  ~Container() { join(); }

  /* False and `error` for an operation nobody knows. */
  bool start(std::string* error);
  void stop() { stop_.store(true, std::memory_order_relaxed); }
  void join();
  bool done() const { return done_.load(std::memory_order_acquire); }
  /* After done(). */
  const ContainerOutcome& outcome() const { return outcome_; }

 private:
  struct Step {
    OperationFunction run;
    OperationState state;
    OperationBlock* block;
    uint64_t packets = 0;
    uint64_t calls = 0;
    uint64_t cycles = 0;
  };

  void run();
  bool receive();
  uint32_t intake(uint32_t limit);
  bool intake_plain(uint32_t limit);
  uint32_t intake_checked(uint32_t limit);
  void run_operations();
  void account(uint64_t digest, uint64_t bytes);
  void roll_window();
  void publish_statistics();
  void fail(const std::string& error);

  RingMemory& ring_;
  const ContainerOptions options_;
  ContainerBlock* const block_;
  OperationBlock* const operation_blocks_;
  model_t_reader reader_{};
  Burst256 burst_;
  uint64_t times_[kBurstCapacity];
  uint64_t intake_bytes_ = 0;
  bool end_ = false;
  std::vector<Step> steps_;
  uint64_t bursts_ = 0;
  uint64_t empty_polls_ = 0;
  DigestWindow older_;
  DigestWindow newer_;
  std::atomic<bool> stop_{false};
  std::atomic<bool> done_{false};
  ContainerOutcome outcome_;
  std::thread thread_;
};

}  // namespace model_t

#endif
