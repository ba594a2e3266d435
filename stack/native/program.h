/*
 * A program: the steps of a planned pipeline, made ready to run over bursts by one thread.
 *
 *   records (planner) -> create() -> nodes in sequences -> run(burst) ... run(burst) -> finish()
 *
 *   sequence:  node | node | |N node | ( sequence ) + ( sequence ) | node ... -> tail
 *   node:      operation      one body over the burst
 *              header pass    a chain of header operations as one pass (header_pass.h), rows it does not know one by one
 *              group          every row to each branch, then the rows that came through at least one
 *
 * Rows that leave are taken out of the burst in place; rows that an operation makes run through the rest of the sequence in a
 * burst of its own. Used by containers and by the queue experiment; owned and run by one thread at a time.
 */
#ifndef MODEL_T_STACK_PROGRAM_H
#define MODEL_T_STACK_PROGRAM_H

#include <memory>
#include <string>
#include <vector>

#include "operation.h"

namespace model_t {

/* One record of a plan, depth first (PlanRecord in stack/planner/plan-types.ts): what stands in a group lies between fork and join. */
struct StepRecord {
  enum class Kind { operation, fork, branch, join };
  Kind kind = Kind::operation;
  std::string name;    /* as find_operation() knows it */
  std::string variant;
  uint32_t parameter = 0;
  uint32_t wants = 0;
  std::vector<uint8_t> data;
  int32_t condition = -1; /* only rows of this class pass to here; of a branch: of its first node */
  int32_t pass = -1;      /* number of the header pass this step may be fused into */
  bool stores = false;    /* of a step in a pass: a later step outside reads columns of the pass other than classes */
};

/* Column groups that the pipeline reads and somebody must fill in first; bits. */
enum Need : uint32_t {
  kNeedTimes = 1,    /* times */
  kNeedPayloads = 2, /* payloads, payload_lengths */
  kNeedStreams = 4,  /* streams, stream_marks, encodings */
};

struct ProgramPlan {
  std::vector<StepRecord> records;
  uint32_t needs = 0; /* Need bits */
};

/* What a step did so far. Cycles are taken from every eighth burst, so that reading the counter costs nothing. */
struct StepStatistics {
  uint64_t packets = 0;
  uint64_t calls = 0;
  uint64_t timed_packets = 0;
  uint64_t cycles = 0; /* of the timed packets; of a header pass, all of it is with its first operation */
};

class Program {
 public:
  /* What an operation of a header pass makes of the plain rows. */
  using Settle = void (*)(OperationState& state, const HeaderPassCounts& counts);
  /* Called with rows that reached the end; may look, not touch. */
  using Tail = void (*)(void* context, const Burst256& burst);

  /* Null and a sentence for an operation nobody knows, an argument its body refuses, records that do not nest. */
  static std::unique_ptr<Program> create(const ProgramPlan& plan, std::string* error);
  ~Program();
  Program(const Program&) = delete;
  Program& operator=(const Program&) = delete;

  uint32_t needs() const { return needs_; }
  void set_tail(Tail tail, void* context) {
    tail_ = tail;
    tail_context_ = context;
  }
  /* frames, lengths and what needs() says are filled in; everything else is the program's business. The burst is changed. */
  void run(Burst256& burst);
  /* The stream is over: operations hand on what they held back. Once. */
  void finish();

  /* Operations in the order of the plan's records (forks, branches and joins do not count). */
  uint32_t step_count() const { return static_cast<uint32_t>(steps_.size()); }
  const StepStatistics& statistics(uint32_t step) const { return steps_[step]->statistics; }
  const OperationState& state(uint32_t step) const { return steps_[step]->state; }

 private:
  struct Sequence;
  struct Node;
  struct Expansion;

  struct Step {
    const OperationBody* body = nullptr;
    OperationState state;
    StepStatistics statistics;
    std::vector<uint8_t> data; /* what the operation's argument points to */
    ~Step();
  };

  Program();
  bool build_sequence(const std::vector<StepRecord>& records, size_t* at, Sequence* sequence, std::string* error);
  bool build_group(const std::vector<StepRecord>& records, size_t* at, Node* node, std::string* error);
  bool build_pass(const std::vector<StepRecord>& records, size_t* at, size_t length, Node* node, std::string* error);
  Step* build_step(const StepRecord& record, std::string* error);
  void link(Sequence& sequence);
  void run_from(const Sequence& sequence, size_t from, Burst256& burst, bool made);
  void run_step(Step& step, Burst256& burst);
  void run_pass(const Node& node, Burst256& burst);
  void run_residue(const Node& node, Burst256& burst);
  void run_group(const Node& node, Burst256& burst);
  void arrive(const Sequence& sequence, const Burst256& burst);
  void finish_sequence(const Sequence& sequence);
  Step* enter(Step* step);
  void keep(Burst256& burst, const uint8_t* leaves);

  std::vector<std::unique_ptr<Step>> steps_;
  std::unique_ptr<Sequence> main_;
  std::unique_ptr<Burst256> residue_; /* rows that a header pass does not know */
  std::unique_ptr<Burst256> finishing_; /* what finish() is called with: no rows */
  uint32_t needs_ = 0;
  Tail tail_ = nullptr;
  void* tail_context_ = nullptr;
  uint64_t bursts_ = 0;
  uint64_t chance_ = 0x9e3779b97f4a7c15ull; /* of a burst to be timed */
  bool timing_ = false;
  Step* current_ = nullptr;
  uint64_t mark_ = 0;
};

}  // namespace model_t

#endif
