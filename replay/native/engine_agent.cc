/* See engine_agent.h. */
#include "engine_agent.h"

#include "../../stack/native/clock.h"

namespace model_t {

EngineAgent::EngineAgent(Engine& engine, uint32_t index)
    : engine_(engine),
      index_(index),
      planner_(engine.image_, engine.ring_.region_bytes(), engine.ring_.descriptor_count(), engine.options_.limits, engine.options_.staging),
      state_(index == 0 ? State::readers : State::start) {}

int64_t EngineAgent::do_work(uint32_t slice) {
  written_ = 0;
  work_ = 0;
  while ((state_ != State::plan || written_ < slice) && step()) {
  }
  return work_ == 0 && state_ == State::finished ? kAgentFinished : work_;
}

bool EngineAgent::step() {
  switch (state_) {
    case State::readers:
    case State::start: return begin();
    case State::plan: return plan();
    case State::room: return find_room();
    case State::turn: return take_turn();
    case State::mark: return end_stream();
    case State::drain: return drain();
    case State::finished: break;
  }
  return false;
}

bool EngineAgent::begin() {
  if (state_ == State::start ? !engine_.has_begun() : !engine_.readers_are_in()) return false;
  if (state_ == State::readers) engine_.begin();
  if (engine_.resizing_) engine_.resizing_->begin(now_ns(), planner_);
  state_ = State::plan;
  return true;
}

bool EngineAgent::plan() {
  if (engine_.ended_.load(std::memory_order_acquire)) {
    state_ = State::finished;
    return false;
  }
  if (engine_.resizing_ && !engine_.resize(planner_)) return engine_.stopping() && plan_end();
  switch (planner_.next(&burst_)) {
    case BurstPlanner::Next::wait: return wait_for_packets();
    case BurstPlanner::Next::end: return plan_end();
    case BurstPlanner::Next::too_large:
      /* Only a live image: a complete one was measured against the ring before the start. */
      engine_.fail_here("packet " + std::to_string(planner_.index() + 1) + " needs a slot of more than half the ring's " +
                        std::to_string(engine_.ring_.region_bytes()) + " bytes; give a larger --ring-size");
      return plan_end();
    case BurstPlanner::Next::burst: break;
  }
  if (burst_.number % engine_.options_.threads != index_) {
    planner_.commit(burst_);
    return true;
  }
  state_ = State::room;
  /* Compiled before the start, but for a live image, which has one thread. */
  if (!engine_.filling_.prepare(burst_.first + burst_.count)) {
    engine_.fail_here("out of memory while compiling the mutation of packet " + std::to_string(burst_.first + 1));
    room_ = Engine::Room::stopped;
    state_ = State::turn;
  }
  return true;
}

bool EngineAgent::wait_for_packets() {
  const uint64_t now = now_ns();
  if (engine_.is_over(now, planner_.ordinal(), true)) engine_.end_with(Stopped::duration);
  if (engine_.stopping()) return plan_end();
  engine_.check_readers(now);
  return false;
}

/* The burst that would come next belongs to one agent: that one ends the stream. */
bool EngineAgent::plan_end() {
  burst_ = planner_.mark();
  room_ = Engine::Room::stopped;
  state_ = burst_.number % engine_.options_.threads == index_ ? State::turn : State::finished;
  return true;
}

bool EngineAgent::find_room() {
  room_ = engine_.room_for(burst_);
  if (room_ == Engine::Room::not_yet) {
    if (waiting_since_ == 0) waiting_since_ = cycles();
    engine_.check_readers(now_ns());
    return false;
  }
  if (waiting_since_ != 0) engine_.count_wait(cycles() - waiting_since_);
  waiting_since_ = 0;
  /* Lag readers count positions, so they get no marks but the last. */
  if (burst_.mark && room_ == Engine::Room::yes && engine_.has_lag_reader()) room_ = Engine::Room::dropped;
  if (room_ == Engine::Room::yes) write_burst();
  if (room_ != Engine::Room::stopped) {
    written_++;
    work_ += burst_.mark ? 1 : burst_.count;
  }
  state_ = State::turn;
  return true;
}

void EngineAgent::write_burst() {
  engine_.raise_floor(burst_.required);
  if (burst_.mark) {
    engine_.write_mark(burst_, MODEL_T_END_OF_LAP);
  } else {
    copied_ += engine_.filling_.fill(burst_);
    engine_.describe(burst_);
  }
}

/* Whoever ends the stream keeps the turn: while nobody has, a turn that has come stays ours. */
bool EngineAgent::take_turn() {
  if (engine_.ended_.load(std::memory_order_acquire)) {
    state_ = State::finished;
    return false;
  }
  if (engine_.turn_.load(std::memory_order_acquire) != burst_.number) return false;
  if (room_ == Engine::Room::stopped || engine_.stopping()) {
    engine_.end_production(planner_);
    burst_ = planner_.mark();
    state_ = State::mark;
    return true;
  }
  if (room_ == Engine::Room::dropped) {
    planner_.drop(burst_);
    engine_.drop(burst_);
  } else {
    if (burst_.mark) engine_.outcome_.lap_mark = burst_.position;
    planner_.commit(burst_);
  }
  engine_.publish(planner_);
  engine_.turn_.store(burst_.number + 1, std::memory_order_release);
  state_ = State::plan;
  return true;
}

/* A mark is not dropped: here the producer waits for drop readers too. */
bool EngineAgent::end_stream() {
  if (engine_.aborted()) {
    engine_.ring_.publish_state(MODEL_T_RING_ABORTED);
    return conclude();
  }
  bool drop = false;
  if (!engine_.room_now(burst_, &drop) || drop) {
    engine_.check_readers(now_ns());
    return false;
  }
  engine_.raise_floor(burst_.required);
  engine_.write_mark(burst_, MODEL_T_END_OF_STREAM);
  engine_.readers_.publish_head(burst_.position + 1);
  engine_.ring_.publish_state(MODEL_T_RING_ENDED);
  state_ = State::drain;
  return true;
}

bool EngineAgent::drain() {
  if (engine_.aborted() || engine_.has_drained(burst_.position)) return conclude();
  engine_.check_readers(now_ns());
  return false;
}

bool EngineAgent::conclude() {
  engine_.conclude();
  state_ = State::finished;
  return false;
}

}  // namespace model_t
