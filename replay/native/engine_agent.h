/*
 * One producing thread's work as an agent: it makes every T-th burst of the engine's ring, and never waits.
 *
 *   readers -> plan -> room -> turn -+-> mark -> drain -> finished      agent 0
 *   start  ---^  ^-------------------+                                  the others; one of all of them takes the way to the right
 *
 * A state is left when what it stands for is there: all readers are in; a packet has come (live image, device); the slowest
 * reader has made room; it is this burst's turn; the end-of-stream mark has room; the readers have read it. Until then do_work()
 * returns 0 and asks again at the next call. What was planned is kept here, so that one agent may be called by different threads,
 * never by two at once: whoever hands it over does that with release and acquire. Belongs to its Engine (engine.h), which
 * is what agents share.
 */
#ifndef MODEL_T_REPLAY_ENGINE_AGENT_H
#define MODEL_T_REPLAY_ENGINE_AGENT_H

#include "engine.h"

namespace model_t {

class alignas(128) EngineAgent final : public Agent {
 public:
  EngineAgent(Engine& engine, uint32_t index);

  /* Writes up to `slice` bursts; returns their packets, counted then and not when their turn comes (a mark counts one). */
  int64_t do_work(uint32_t slice) override;

  /* Slot bytes; of an agent that is finished. */
  uint64_t copied_bytes() const { return copied_; }

 private:
  enum class State { readers, start, plan, room, turn, mark, drain, finished };

  /* Each tries to leave its state; false when that cannot be done now. */
  bool step();
  bool begin();
  bool plan();
  bool find_room();
  bool take_turn();
  bool end_stream();
  bool drain();

  bool wait_for_packets();
  bool plan_end();
  void write_burst();
  bool conclude();

  Engine& engine_;
  const uint32_t index_;
  BurstPlanner planner_;
  State state_;
  Burst burst_{}; /* planned last; from `mark` on the end-of-stream mark */
  Engine::Room room_ = Engine::Room::not_yet;
  uint64_t waiting_since_ = 0; /* cycles(), at the first try for room that failed; 0 = none did */
  uint64_t copied_ = 0;
  uint32_t written_ = 0; /* bursts, in this call */
  int64_t work_ = 0;     /* in this call */
};

}  // namespace model_t

#endif
