/*
 * A container: one pinned thread that runs agents, turn after turn.
 *
 *   start() -> starting -> running <-> paused -> stopped -> join()
 *                             |
 *   turn:  agent 0 . do_work(slice) | agent 1 . do_work(slice) | ...      nothing done by any of them: idle strategy (idle.h)
 *
 * The thread ends when every agent has said that it is finished, or when it is told to stop; a command takes effect behind the
 * do_work() that is going on. It keeps its block of the statistics page: heartbeat, turns, cycles busy and idle. What agents
 * do, and for whom, is not its business; it does not own them. Commands and done(): any thread.
 */
#ifndef MODEL_T_STACK_CONTAINER_H
#define MODEL_T_STACK_CONTAINER_H

#include <atomic>
#include <string>
#include <thread>
#include <vector>

#include "agent.h"
#include "statistics_layout.h"

namespace model_t {

struct ContainerOptions {
  std::string name = "model-t stack"; /* of the thread: 15 characters are shown */
  int cpu = -1;                       /* -1 = not pinned */
  std::string idle = "backoff";       /* idle.h */
  uint32_t slice = 16;                /* rule 1: bursts that an agent may do before the next one has its turn */
};

/* ContainerBlock::state */
enum class ContainerState : uint64_t { starting, running, paused, stopped };

class Container {
 public:
  /* `block`: zeroed; it and the agents live until after join(). */
  Container(ContainerOptions options, std::vector<Agent*> agents, ContainerBlock* block);
  /* Stops and joins. */
  ~Container();
  Container(const Container&) = delete;
  Container& operator=(const Container&) = delete;

  /* False and a sentence for an idle strategy nobody knows, a slice of 0, a thread that the system does not give. Once. */
  bool start(std::string* error);
  void pause() { command(Command::run, Command::pause); }
  void resume() { command(Command::pause, Command::run); }
  void stop() { command_.store(Command::stop, std::memory_order_relaxed); }
  void join();
  /* The thread has left its agents for good; what they did is seen by who sees this. */
  bool done() const { return done_.load(std::memory_order_acquire); }
  const ContainerOptions& options() const { return options_; }

 private:
  enum class Command : uint32_t { run, pause, stop };

  void command(Command from, Command to) { command_.compare_exchange_strong(from, to, std::memory_order_relaxed); }
  void run();
  bool turn();
  bool wait_paused();
  void beat(uint64_t now);
  void account(uint64_t* to);

  const ContainerOptions options_;
  std::vector<Agent*> agents_; /* those that are not finished */
  ContainerBlock* const block_;
  uint64_t mark_ = 0;   /* time stamp up to which cycles are accounted for */
  uint64_t beaten_ = 0; /* of the last heartbeat */
  int64_t worked_ = 0;  /* in this turn */
  std::atomic<Command> command_{Command::run};
  std::atomic<bool> done_{false};
  std::thread thread_;
};

}  // namespace model_t

#endif
