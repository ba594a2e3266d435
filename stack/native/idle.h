/*
 * What a container does when none of its agents had anything to do. By name, after Aeron's idle strategies:
 *
 *   spin      one pause instruction: the quickest to see new work, and a whole CPU
 *   yield     lets another thread run, if one waits: for more containers than CPUs
 *   backoff   pauses, then yields, then sleeps: what to use unless something is known to be better
 *   sleep     50 us at once: costs next to nothing, and late by as much
 *
 * Owned and called by one container's thread.
 */
#ifndef MODEL_T_STACK_IDLE_H
#define MODEL_T_STACK_IDLE_H

#include <sched.h>
#include <time.h>

#include <string>

#include "../include/model_t_ring.h"

namespace model_t {

class IdleStrategy {
 public:
  /* False for a name that is none of the four. */
  static bool known(const std::string& name) { return find(name) != Kind::none; }

  explicit IdleStrategy(const std::string& name) : kind_(find(name)) {}

  /* A turn found nothing to do. */
  void idle() {
    if (kind_ == Kind::spin) return model_t_pause();
    if (kind_ == Kind::yield) return static_cast<void>(sched_yield());
    if (kind_ == Kind::sleep) return nap();
    turns_++;
    if (turns_ < kSpins) return pause_some();
    if (turns_ < kYields) return static_cast<void>(sched_yield());
    nap();
  }
  /* A turn did something. */
  void reset() { turns_ = 0; }

 private:
  enum class Kind { none, spin, yield, backoff, sleep };

  /* 200 * 16 pauses are 30 to 100 microseconds; 2000 yields another 500 or more: a gap in traffic of that length goes unnoticed. */
  static constexpr uint32_t kSpins = 200;
  static constexpr uint32_t kYields = 2200;

  static Kind find(const std::string& name) {
    if (name == "spin") return Kind::spin;
    if (name == "yield") return Kind::yield;
    if (name == "backoff") return Kind::backoff;
    return name == "sleep" ? Kind::sleep : Kind::none;
  }
  static void pause_some() {
    for (int i = 0; i < 16; i++) model_t_pause();
  }
  static void nap() {
    const timespec time = {0, 50 * 1000};
    nanosleep(&time, nullptr);
  }

  Kind kind_;
  uint32_t turns_ = 0;
};

}  // namespace model_t

#endif
