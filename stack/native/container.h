/*
 * A container: one pinned thread that takes bursts from a ring and runs operations on them, fused.
 *
 *   ring -> intake (validate descriptors) -> digest -> program (operation | operation ...) -> sink -> release
 *
 * The digest comes first: it is over the bytes as they were delivered, whatever the operations drop or change.
 *
 * Statistics go to blocks of the shared page, one per container and operation, with relaxed stores once per burst. A sink
 * (pcap file) may stand behind the operations. Started and joined by the owner (replay's run); everything else happens on
 * the container's own thread.
 */
#ifndef MODEL_T_STACK_CONTAINER_H
#define MODEL_T_STACK_CONTAINER_H

#include <atomic>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "program.h"
#include "ring.h"
#include "statistics_layout.h"

namespace model_t {

/* Takes what is left of every burst behind the operations, which are none that make rows; called on the container's thread. */
class BurstSink {
 public:
  virtual ~BurstSink() = default;
  /* False = failed, the container stops; error() says why. `first` is the position in the stream of the burst's first packet. */
  virtual bool take(const Burst256& burst, const uint64_t* times_ns, uint64_t first) = 0;
  virtual std::string error() const = 0;
};

struct ContainerOptions {
  const StackKernels* kernels = nullptr;
  ProgramPlan program;
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

  /* False and `error` for a program that cannot be made (Program::create). */
  bool start(std::string* error);
  void stop() { stop_.store(true, std::memory_order_relaxed); }
  void join();
  bool done() const { return done_.load(std::memory_order_acquire); }
  /* After done(). */
  const ContainerOutcome& outcome() const { return outcome_; }

 private:
  void run();
  bool receive();
  uint32_t intake(uint32_t limit);
  bool intake_plain(uint32_t limit);
  uint32_t intake_checked(uint32_t limit);
  void account(uint64_t digest);
  void roll_window();
  void publish_statistics();
  void fail(const std::string& error);

  RingMemory& ring_;
  const ContainerOptions options_;
  ContainerBlock* const block_;
  OperationBlock* const operation_blocks_;
  model_t_reader reader_{};
  Burst256 burst_;
  uint64_t intake_bytes_ = 0;
  bool end_ = false;
  std::unique_ptr<Program> program_;
  bool times_ = false; /* somebody reads burst_.times */
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
