/*
 * An agent: a piece of work that a container calls again and again, and that never waits.
 *
 *   container (a pinned thread): for (;;) { agent 0 . do_work(); agent 1 . do_work() ...; nothing done? idle strategy }
 *
 * Who produces packets is an agent, who runs stages of a path is one, who prefetches is one. All of an agent's calls come from
 * the thread of one container. After Aeron's Agent/AgentRunner in shape.
 */
#ifndef MODEL_T_STACK_AGENT_H
#define MODEL_T_STACK_AGENT_H

#include <cstdint>

namespace model_t {

/* What do_work() returns when there never will be work again. */
constexpr int64_t kAgentFinished = -1;

class Agent {
 public:
  virtual ~Agent() = default;
  /* On the container's thread, before the first call of do_work(). */
  virtual void start() {}
  /*
   * What can be done now, at most `slice` bursts of it. Returns how much was done (packets, mostly), 0 for nothing, or
   * kAgentFinished. Never blocks, sleeps or yields: what is not possible yet is tried again at the next call.
   */
  virtual int64_t do_work(uint32_t slice) = 0;
};

}  // namespace model_t

#endif
