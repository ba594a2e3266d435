/* See container.h. */
#include "container.h"

#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <system_error>

#include "clock.h"
#include "idle.h"

namespace model_t {

namespace {

/* Between two looks at the clock: 20 ns in 5 to 20 microseconds, on a time-stamp counter of 1 to 4 GHz. */
constexpr uint64_t kBeatCycles = 20000;
/* A thread that is paused looks up so often: a two-hundredth of a CPU at most, and soon back at work. */
constexpr useconds_t kPausedNap = 200;

/* Blocks have one writer, and readers that only want a recent value. */
void set(uint64_t* to, uint64_t value) { __atomic_store_n(to, value, __ATOMIC_RELAXED); }
void add(uint64_t* to, uint64_t value) { set(to, *to + value); }

}  // namespace

Container::Container(ContainerOptions options, std::vector<Agent*> agents, ContainerBlock* block)
    : options_(std::move(options)), agents_(std::move(agents)), block_(block) {}

Container::~Container() {
  stop();
  join();
}

bool Container::start(std::string* error) {
  if (!IdleStrategy::known(options_.idle)) {
    *error = "container '" + options_.name + "': no idle strategy is called '" + options_.idle + "'; use spin, yield, backoff or sleep";
    return false;
  }
  if (options_.slice == 0) {
    *error = "container '" + options_.name + "': a slice of 0 bursts does nothing; use 1 or more";
    return false;
  }
  try {
    thread_ = std::thread([this] { run(); });
  } catch (const std::system_error& problem) {
    *error = "container '" + options_.name + "': the system gives no thread: " + problem.what();
    return false;
  }
  return true;
}

void Container::join() {
  if (thread_.joinable()) thread_.join();
}

void Container::run() {
  settle_thread(options_.name.c_str(), options_.cpu);
  prctl(PR_SET_TIMERSLACK, 1000); /* naps of 50 us are 50 us, not 100 */
  set(&block_->thread_id, static_cast<uint64_t>(syscall(SYS_gettid)));
  for (Agent* const agent : agents_) agent->start();
  IdleStrategy idle(options_.idle);
  mark_ = cycles();
  beat(mark_);
  set(&block_->state, static_cast<uint64_t>(ContainerState::running));
  while (!agents_.empty()) {
    /* Commands carry no data: relaxed. */
    const Command command = command_.load(std::memory_order_relaxed);
    if (command == Command::stop || (command == Command::pause && !wait_paused())) break;
    if (turn()) idle.reset();
    else idle.idle();
  }
  beat(cycles());
  set(&block_->state, static_cast<uint64_t>(ContainerState::stopped));
  done_.store(true, std::memory_order_release);
}

/* Every agent once. False if there was nothing to do. */
bool Container::turn() {
  worked_ = 0;
  for (size_t i = 0; i < agents_.size();) {
    const int64_t work = agents_[i]->do_work(options_.slice);
    if (work == kAgentFinished) {
      agents_.erase(agents_.begin() + static_cast<ptrdiff_t>(i));
      continue;
    }
    worked_ += work;
    i++;
  }
  add(&block_->turns, 1);
  if (worked_) add(&block_->work, static_cast<uint64_t>(worked_));
  else add(&block_->idle_turns, 1);
  account(worked_ ? &block_->busy_cycles : &block_->idle_cycles);
  return worked_ != 0;
}

/* Time since the last turn goes to this one: what an idle strategy waits is idle, unless there was work at once behind it. */
void Container::account(uint64_t* to) {
  const uint64_t now = cycles();
  add(to, now - mark_);
  mark_ = now;
  if (now - beaten_ >= kBeatCycles) beat(now);
}

void Container::beat(uint64_t now) {
  set(&block_->updated_ns, now_ns());
  beaten_ = now;
}

/* False when the container must stop. */
bool Container::wait_paused() {
  set(&block_->state, static_cast<uint64_t>(ContainerState::paused));
  Command command;
  while ((command = command_.load(std::memory_order_relaxed)) == Command::pause) {
    usleep(kPausedNap);
    account(&block_->idle_cycles);
  }
  if (command == Command::stop) return false;
  set(&block_->state, static_cast<uint64_t>(ContainerState::running));
  return true;
}

}  // namespace model_t
