/* Running a program; building one is in program_build.cc. See program.h. */
#include "program.h"

#include <cstring>

#include "burst_columns.h"
#include "clock.h"
#include "program_nodes.h"

namespace model_t {

namespace {

/* One burst in eight is timed: reading the counter takes about 25 cycles, 0.1 a packet in a burst of 256. */
constexpr uint64_t kTimedEvery = 8;

struct Slots {
  uint8_t values[kBurstCapacity];
  constexpr Slots() : values() {
    for (uint32_t i = 0; i < kBurstCapacity; i++) values[i] = static_cast<uint8_t>(i);
  }
};
constexpr Slots kSlots;

/* Rows `rows[0, count)`, ascending, move to the front. */
void pick_rows(Burst256& burst, const uint8_t* rows, uint32_t count, uint32_t needs) {
  each_column(burst, burst, needs, [rows, count](auto* to, auto* from) {
    for (uint32_t i = 0; i < count; i++) to[i] = from[rows[i]];
  });
  burst.count = count;
}

template <typename T>
void copy(T* to, const T* from, uint32_t count) {
  memcpy(to, from, count * sizeof(T));
}

void copy_rows(Burst256& to, const Burst256& from, uint32_t needs) {
  each_column(to, from, needs, [&from](auto* into, auto* out_of) { copy(into, out_of, from.count); });
  to.count = from.count;
}

}  // namespace

void Program::set_tail(Tail tail, void* context) { whole_->set_tail(tail, context); }

void Program::run(Burst256& burst) {
  prepare(burst);
  whole_->run(burst);
}

void Program::finish() { whole_->finish(); }

void Program::prepare(Burst256& burst) const {
  const uint32_t count = burst.count;
  memset(burst.protocols, kNoProtocol, count);
  memset(burst.marks, 0, count);
  memset(burst.classes, 0, count * sizeof *burst.classes);
  memcpy(burst.slots, kSlots.values, count);
  if (needs_ & kNeedPayloads) {
    copy(burst.payloads, burst.frames, count);
    copy(burst.payload_lengths, burst.lengths, count);
  }
  if (needs_ & kNeedStreams) {
    memset(burst.streams, 0, count * sizeof *burst.streams);
    memset(burst.stream_marks, 0, count);
    memset(burst.encodings, 0, count);
  }
}

ProgramRange::ProgramRange(Program& program, uint32_t from, uint32_t to)
    : program_(program), from_(from), to_(to), residue_(std::make_unique<Burst256>()), finishing_(std::make_unique<Burst256>()) {
  for (uint32_t unit = from; unit < to; unit++) expands_ |= program.unit_expands(unit);
}

ProgramRange::~ProgramRange() = default;

void ProgramRange::run(Burst256& burst) {
  /* By chance (xorshift), or the same bursts of a queue would be timed in every lap; and the first, so that there is a figure. */
  chance_ ^= chance_ << 13;
  chance_ ^= chance_ >> 7;
  chance_ ^= chance_ << 17;
  timing_ = bursts_++ == 0 || chance_ % kTimedEvery == 0;
  if (timing_) mark_ = cycles();
  current_ = nullptr;
  run_from(*program_.main_, from_, burst, false);
}

/* From now on cycles belong to `step`; returns whose they were. */
Program::Step* ProgramRange::enter(Step* step) {
  Step* const before = current_;
  if (timing_) {
    const uint64_t now = cycles();
    if (before) before->statistics.cycles += now - mark_;
    mark_ = now;
  }
  current_ = step;
  return before;
}

/* `made`: the rows are of an operation of this very sequence. */
void ProgramRange::run_from(const Sequence& sequence, size_t from, Burst256& burst, bool made) {
  const size_t to = sequence.main ? to_ : sequence.nodes.size();
  for (size_t i = from; i < to; i++) {
    const Node& node = sequence.nodes[i];
    if (node.condition >= 0) {
      for (uint32_t row = 0; row < burst.count; row++) burst.leaves[row] = burst.classes[row] != node.condition;
      keep(burst, burst.leaves);
    }
    if (burst.count == 0) return;
    if (!node.branches.empty()) {
      run_group(node, burst);
    } else if (!node.pass.empty()) {
      run_pass(node, burst);
    } else {
      if (node.expansion) {
        node.expansion->range = this;
        run_step(*node.step, burst);
        node.expansion->output.flush();
        return;
      }
      run_step(*node.step, burst);
      if (node.step->body->flags & kDrops) keep(burst, burst.leaves);
    }
  }
  if (burst.count && (sequence.main || !made)) arrive(sequence, burst);
}

void ProgramRange::run_step(Step& step, Burst256& burst) {
  Step* const before = enter(&step);
  const uint32_t count = burst.count;
  step.statistics.packets += count;
  step.statistics.calls++;
  if (timing_) step.statistics.timed_packets += count;
  step.body->run(burst, step.state);
  enter(before);
}

void Program::Expansion::run(void* context) {
  Expansion& expansion = *static_cast<Expansion*>(context);
  ProgramRange& range = *expansion.range;
  Step* const before = range.enter(nullptr);
  range.run_from(*expansion.sequence, expansion.next, expansion.burst, true);
  expansion.burst.count = 0;
  range.enter(before);
}

/* The end of a sequence: of the range, or of a branch, where rows that an operation of the branch made stay behind. */
void ProgramRange::arrive(const Sequence& sequence, const Burst256& burst) {
  if (sequence.main) {
    if (tail_) tail_(tail_context_, burst);
  } else {
    for (uint32_t i = 0; i < burst.count; i++) sequence.arrived[burst.slots[i] / 64] |= 1ull << burst.slots[i] % 64;
  }
}

void ProgramRange::keep(Burst256& burst, const uint8_t* leaves) {
  uint8_t rows[kBurstCapacity];
  uint32_t kept = 0;
  for (uint32_t i = 0; i < burst.count; i++) {
    rows[kept & (kBurstCapacity - 1)] = static_cast<uint8_t>(i);
    kept += leaves[i] == 0;
  }
  if (kept != burst.count) pick_rows(burst, rows, kept, program_.needs_);
}

/* Rows go by their place in the burst here: several may stem from the same packet. */
void ProgramRange::run_group(const Node& node, Burst256& burst) {
  memset(node.arrived.get(), 0, 4 * sizeof(uint64_t));
  for (const Sequence& branch : node.branches) {
    copy_rows(*node.scratch, burst, program_.needs_);
    memcpy(node.scratch->slots, kSlots.values, burst.count);
    run_from(branch, 0, *node.scratch, false);
  }
  for (uint32_t i = 0; i < burst.count; i++) burst.leaves[i] = !(node.arrived[i / 64] >> i % 64 & 1);
  keep(burst, burst.leaves);
}

/* Verdicts of the plain rows are known by their number: a row is plain only if every operation finds nothing amiss. */
void ProgramRange::run_pass(const Node& node, Burst256& burst) {
  Step* const before = enter(node.step);
  uint8_t unusual[kBurstCapacity];
  HeaderPassCounts counts;
  const uint32_t count = burst.count;
  const uint32_t found = node.run_pass(node.pass_plan, burst, counts, unusual);
  for (size_t i = 0; i < node.pass.size(); i++) {
    Step& step = *node.pass[i];
    step.statistics.packets += count;
    step.statistics.calls++;
    if (timing_) step.statistics.timed_packets += count;
    node.settle[i](step.state, counts);
  }
  if (found) {
    residue_->count = found;
    for (uint32_t i = 0; i < found; i++) residue_->slots[i] = unusual[i];
    run_residue(node, burst);
  }
  enter(before);
}

/* Rows that the pass does not know: the operations' own bodies, and what they found back to its place. */
void ProgramRange::run_residue(const Node& node, Burst256& burst) {
  Burst256& few = *residue_;
  const uint32_t count = few.count;
  for (uint32_t i = 0; i < count; i++) {
    few.frames[i] = burst.frames[few.slots[i]];
    few.lengths[i] = burst.lengths[few.slots[i]];
  }
  memset(few.protocols, kNoProtocol, count);
  memset(few.marks, 0, count);
  memset(few.classes, 0, count * sizeof *few.classes);
  for (Step* step : node.pass) step->body->run(few, step->state);
  if (node.pass_plan.classes != HeaderPassPlan::none) {
    for (uint32_t i = 0; i < count; i++) burst.classes[few.slots[i]] = few.classes[i];
  }
  if (!node.pass_plan.stores_columns) return;
  for (uint32_t i = 0; i < count; i++) {
    const uint32_t to = few.slots[i];
    burst.types[to] = few.types[i];
    burst.networks[to] = few.networks[i];
    burst.transports[to] = few.transports[i];
    burst.ends[to] = few.ends[i];
    burst.protocols[to] = few.protocols[i];
    burst.marks[to] = few.marks[i];
  }
}

void ProgramRange::finish() {
  timing_ = false;
  current_ = nullptr;
  finish_nodes(*program_.main_, from_, to_);
}

void ProgramRange::finish_nodes(const Sequence& sequence, size_t from, size_t to) {
  for (size_t i = from; i < to; i++) {
    const Node& node = sequence.nodes[i];
    for (const Sequence& branch : node.branches) finish_nodes(branch, 0, branch.nodes.size());
    if (!node.step || !node.step->body->finish) continue;
    if (node.expansion) node.expansion->range = this;
    finishing_->count = 0;
    node.step->body->finish(*finishing_, node.step->state);
    if (node.expansion) node.expansion->output.flush();
  }
}

}  // namespace model_t
