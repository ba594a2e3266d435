/*
 * What the stages of a path do with a burst: take it in, run their units over it, hand it on. See path.h.
 *
 *   begin(): the first stage takes a burst in, others wait for the one before      \
 *   run_units(): operations, finish() behind the end of the stream                  } up to a slice of them in a turn
 *   close_burst(): where rows are copied, the last slot of this burst              /
 *   publish(): each burst (horizontal) or all of the slice (vertical)
 *
 * Statistics are written before a burst is published: afterwards the steps may be somebody else's.
 */
#include "clock.h"
#include "path_epoch.h"

namespace model_t {

int64_t Path::run_stage(Stage& stage, uint32_t slice) {
  const uint32_t most = slice < stage.placement->slice_bursts ? slice : stage.placement->slice_bursts;
  int64_t work = 0;
  for (uint32_t i = 0; i < most; i++) {
    BurstSlot& slot = stage.in->at(stage.index);
    if (!stage.owed) {
      if (!begin(stage, slot)) break;
      work += slot.burst.count + (slot.burst.count == 0); /* an empty burst is work, too */
      run_units(stage, slot);
    }
    stage.owed = stage.out && !close_burst(stage);
    if (stage.owed) break;
    if (stage.final) arrive(stage, slot);
    stage.index++;
    disturb();
    if (!stage.vertical) publish(stage);
  }
  publish(stage);
  if (stage.first) settle();
  return work;
}

/* Is there a burst to work on? Behind a stage that makes rows it is begun only where the first of them have room. */
bool Path::begin(Stage& stage, BurstSlot& slot) {
  if (stage.out && !stage.out->writable(stage.out_index)) return false;
  if (!stage.first) return stage.in->readable(stage.place, stage.index);
  if (!may_take(stage)) return false;
  take_in(slot);
  return true;
}

bool Path::may_take(Stage& stage) {
  if (end_taken_) return false;
  const Intake::State state = intake_->join();
  const bool ending = state == Intake::State::ended || state == Intake::State::failed || stop_.load(std::memory_order_relaxed) || failed();
  if (!ending && state != Intake::State::in) return false;
  if (intake_->next() - intake_->settled() >= stage.placement->window) {
    settle();
    if (intake_->next() - intake_->settled() >= stage.placement->window) return false;
  }
  return ending || filled(*stage.placement);
}

/*
 * The fill phase: begins when the ring was found empty, ends with enough packets, half a ring of them (more may never come), or the
 * latency bound. Also: is there anything?
 */
bool Path::filled(const PathPlacement& placement) {
  const uint64_t half = intake_->packets() > 0 ? intake_->capacity() / 2 : placement.fill_packets;
  const uint64_t enough = placement.fill_packets < half ? placement.fill_packets : half;
  if (filling_ && enough > 1) {
    const uint64_t there = intake_->available(enough);
    if (there == 0) return intake_->state() == Intake::State::failed;
    const uint64_t now = now_ns();
    if (first_seen_ns_ == 0) first_seen_ns_ = now;
    if (there < enough && now - first_seen_ns_ < placement.latency_ns) return false;
  }
  const bool some = intake_->available(kBurstCapacity) > 0;
  filling_ = !some;
  first_seen_ns_ = 0;
  return some || intake_->state() == Intake::State::failed;
}

/* A burst, or an empty one that says that the stream is over: it has ended, is stopped, or something failed. */
void Path::take_in(BurstSlot& slot) {
  slot.number = intake_->next();
  slot.first = intake_->packets();
  slot.burst.count = 0;
  const bool flows = intake_->state() == Intake::State::in && !stop_.load(std::memory_order_relaxed) && !failed();
  if (flows) {
    OperationBlock& block = options_.operations[1];
    const bool timed = chosen(intake_chance_, block.timed_packets == 0);
    const uint64_t begin = timed ? cycles() : 0;
    intake_->take(slot.burst, intake_->available(1));
    add_value(&block.calls, 1);
    add_value(&block.packets, slot.burst.count);
    if (timed) {
      add_value(&block.cycles, cycles() - begin);
      add_value(&block.timed_packets, slot.burst.count);
    }
    position_.value.store(intake_->position(), std::memory_order_relaxed); /* only a hint */
    program_->prepare(slot.burst);
  } else {
    intake_->take_nothing();
  }
  if (intake_->state() == Intake::State::failed) fail(intake_->error());
  slot.end = end_taken_ = !flows || intake_->state() != Intake::State::in;
}

/* After a failure bursts go through untouched: every stage comes to the end. */
void Path::run_units(Stage& stage, BurstSlot& slot) {
  stage.working = &slot;
  if (failed()) return;
  if (slot.burst.count) stage.range->run(slot.burst);
  if (slot.end) stage.range->finish();
  publish_operations(stage);
}

/*
 * The order witness: bursts come to the end one after the other, their rows in the order of the packets. In a path of one stage
 * that is so by construction, and looking would cost as much as everything else here.
 */
void Path::arrive(Stage& stage, const BurstSlot& slot) {
  if (!stage.first) {
    bool good = slot.number == expected_number_ && slot.part == expected_part_;
    if (!rows_made_) {
      uint32_t wrong = 0;
      for (uint32_t i = 1; i < slot.burst.count; i++) wrong |= slot.burst.slots[i - 1] >= slot.burst.slots[i];
      good &= wrong == 0;
    }
    if (!good) set_value(&options_.block->disordered, ++disordered_);
  }
  expected_number_ = slot.last ? slot.number + 1 : slot.number;
  expected_part_ = slot.last ? 0 : slot.part + 1;
  stage.through = expected_number_;
}

/* Release: who goes on with these bursts, or takes them back, sees all that was done to them here. */
void Path::publish(Stage& stage) {
  if (stage.out && stage.out_published != stage.out_index) {
    stage.out_published = stage.out_index;
    stage.out->publish(0, stage.out_index);
  }
  if (stage.published == stage.index) return;
  stage.published = stage.index;
  stage.in->publish(stage.place, stage.index);
  if (stage.final) through_.value.store(stage.through, std::memory_order_release);
  if (stage.first && stage.final) settle();
}

/* What is through goes back to the producer. Acquire: the stages' reads of it are over. Whoever runs the intake. */
void Path::settle() {
  const uint64_t before = intake_->settled();
  intake_->settle(through_.value.load(std::memory_order_acquire));
  PathBlock& block = *options_.block;
  set_value(&block.in_flight, intake_->next() - intake_->settled());
  if (before == intake_->settled()) return;
  set_value(&block.delivered, intake_->delivered());
  set_value(&block.bytes, intake_->bytes());
  set_value(&block.lost, intake_->lost());
  set_value(&block.bursts, intake_->settled());
}

void Path::give_to_sink(void* context, const Burst256& burst) {
  const Stage& stage = *static_cast<const Stage*>(context);
  Path& path = *stage.path;
  if (path.failed()) return;
  BurstSink& sink = *path.options_.sink;
  if (!sink.take(burst, burst.times, stage.working->first)) path.fail(sink.error());
}

void Path::publish_operations(const Stage& stage) {
  const uint32_t end = program_->first_step(stage.range->to());
  for (uint32_t i = program_->first_step(stage.range->from()); i < end; i++) {
    OperationBlock& block = options_.operations[2 + i];
    const StepStatistics& step = program_->statistics(i);
    set_value(&block.packets, step.packets);
    set_value(&block.calls, step.calls);
    set_value(&block.cycles, step.cycles);
    set_value(&block.timed_packets, step.timed_packets);
    for (uint32_t verdict = 0; verdict < kMaxVerdicts; verdict++) set_value(&block.verdicts[verdict], program_->state(i).verdicts[verdict]);
  }
}

}  // namespace model_t
