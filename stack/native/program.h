/*
 * A program: the steps of a planned pipeline, made ready to run over bursts, by one thread or by several one behind the other.
 *
 *   records (planner) -> create() -> nodes in sequences -> run(burst) ... run(burst) -> finish()
 *
 *   sequence:  node | node | |N node | ( sequence ) + ( sequence ) | node ... -> tail
 *   node:      operation      one body over the burst
 *              header pass    a chain of header operations as one pass (header_pass.h), rows it does not know one by one
 *              group          every row to each branch, then the rows that came through at least one
 *
 *   ranges:    [ node node ) [ node ) [ node node )      of the main sequence, whose nodes are the program's units: what
 *                                                        cannot be cut. Each range is run by one thread.
 *
 * Rows that leave are taken out of the burst in place; rows that an operation makes run through the rest of the range in a
 * burst of its own. The program holds what steps keep between bursts; a range holds what it takes to run them. A unit is run
 * by one thread at a time; who runs it next must have seen what the thread before did (the path's switch takes care of that).
 * Used by paths and by the queue experiment.
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

class ProgramRange;

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
  void set_tail(Tail tail, void* context);
  /* frames, lengths and what needs() says are filled in; everything else is the program's business. The burst is changed. */
  void run(Burst256& burst);
  /* The stream is over: operations hand on what they held back. Once. */
  void finish();
  /* The columns that operations may read before any has written them. run() does it; ranges find it done. */
  void prepare(Burst256& burst) const;

  /* Operations in the order of the plan's records (forks, branches and joins do not count). */
  uint32_t step_count() const { return static_cast<uint32_t>(steps_.size()); }
  const StepStatistics& statistics(uint32_t step) const { return steps_[step]->statistics; }
  const OperationState& state(uint32_t step) const { return steps_[step]->state; }

  /* Nodes of the main sequence. Another thread may go on in front of any of them. */
  uint32_t unit_count() const { return static_cast<uint32_t>(unit_names_.size()); }
  /* "http", "eth..count" of a header pass, "(flow..match)" of a group. */
  const std::string& unit_name(uint32_t unit) const { return unit_names_[unit]; }
  /* The unit's rows go on only as new ones: behind it, a cut means that rows are copied. */
  bool unit_expands(uint32_t unit) const;
  /* Steps of units before this one; of unit_count(): all. */
  uint32_t first_step(uint32_t unit) const { return unit_steps_[unit]; }

 private:
  friend class ProgramRange;
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
  void name_units(const std::vector<StepRecord>& records);
  static uint32_t step_total(const Node& node);

  std::vector<std::unique_ptr<Step>> steps_;
  std::unique_ptr<Sequence> main_;
  std::vector<std::string> unit_names_;
  std::vector<uint32_t> unit_steps_; /* unit_count() + 1 */
  std::unique_ptr<ProgramRange> whole_;
  uint32_t needs_ = 0;
};

/* Runs units [from, to) of a program over bursts; one thread. Rows that reach its end go to its tail. */
class ProgramRange {
 public:
  ProgramRange(Program& program, uint32_t from, uint32_t to);
  ~ProgramRange();
  ProgramRange(const ProgramRange&) = delete;
  ProgramRange& operator=(const ProgramRange&) = delete;

  uint32_t from() const { return from_; }
  uint32_t to() const { return to_; }
  /* Rows go on only through the tail, and only during run() and finish() are the bytes they point to there. */
  bool expands() const { return expands_; }
  void set_tail(Program::Tail tail, void* context) {
    tail_ = tail;
    tail_context_ = context;
  }
  /* The burst is prepared (Program::prepare) and has been through the units before `from`. */
  void run(Burst256& burst);
  /* Of these units, in order; after finish() of those before. Once. */
  void finish();

 private:
  friend struct Program::Expansion;
  using Sequence = Program::Sequence;
  using Node = Program::Node;
  using Step = Program::Step;

  void run_from(const Sequence& sequence, size_t from, Burst256& burst, bool made);
  void run_step(Step& step, Burst256& burst);
  void run_pass(const Node& node, Burst256& burst);
  void run_residue(const Node& node, Burst256& burst);
  void run_group(const Node& node, Burst256& burst);
  void arrive(const Sequence& sequence, const Burst256& burst);
  void finish_nodes(const Sequence& sequence, size_t from, size_t to);
  Step* enter(Step* step);
  void keep(Burst256& burst, const uint8_t* leaves);

  Program& program_;
  const uint32_t from_;
  const uint32_t to_;
  bool expands_ = false;
  Program::Tail tail_ = nullptr;
  void* tail_context_ = nullptr;
  std::unique_ptr<Burst256> residue_;   /* rows that a header pass does not know */
  std::unique_ptr<Burst256> finishing_; /* what finish() is called with: no rows */
  uint64_t bursts_ = 0;
  uint64_t chance_ = 0x9e3779b97f4a7c15ull; /* of a burst to be timed */
  bool timing_ = false;
  Step* current_ = nullptr;
  uint64_t mark_ = 0;
};

}  // namespace model_t

#endif
