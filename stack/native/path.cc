/* Turns of a path's agents, and the switch from one placement to the next. See path.h; what stages do: path_stage.cc. */
#include "path.h"

#include "clock.h"
#include "path_epoch.h"

namespace model_t {

Path::Path(RingMemory& ring, PathOptions options) : ring_(ring), options_(std::move(options)) {
  for (uint32_t i = 0; i < options_.containers; i++) agents_.push_back(std::make_unique<ContainerAgent>(*this, i));
  source_done_.store(options_.source == nullptr, std::memory_order_relaxed);
}

Path::~Path() = default;

std::unique_ptr<Path> Path::create(RingMemory& ring, PathOptions options, std::string* error) {
  if (options.containers == 0 || options.containers > kMaxContainers) {
    *error = "a path in " + std::to_string(options.containers) + " containers does not do; use 1 to " + std::to_string(kMaxContainers);
    return nullptr;
  }
  if (options.sink) options.program.needs |= kNeedTimes;
  std::unique_ptr<Path> path(new Path(ring, std::move(options)));
  path->program_ = Program::create(path->options_.program, error);
  if (!path->program_) return nullptr;
  for (uint32_t unit = 0; unit < path->program_->unit_count(); unit++) path->rows_made_ |= path->program_->unit_expands(unit);
  IntakeOptions intake;
  intake.kernels = path->options_.kernels;
  intake.policy = path->options_.policy;
  intake.digest_lines = path->options_.digest_lines;
  intake.times = path->program_->needs() & kNeedTimes;
  path->intake_ = std::make_unique<Intake>(ring, intake);
  return path;
}

Agent& Path::agent(uint32_t container) { return *agents_[container]; }

void Path::fail(const std::string& error) {
  const std::lock_guard<std::mutex> lock(failure_mutex_);
  if (failure_.empty()) failure_ = error;
  failed_.store(true, std::memory_order_release);
}

std::string Path::failure() const {
  const std::lock_guard<std::mutex> lock(failure_mutex_);
  return failure_;
}

int64_t Path::work(ContainerAgent& agent, uint32_t slice) {
  const bool over = done();
  if (over && source_done_.load(std::memory_order_acquire)) return kAgentFinished;
  /* Acquire: an epoch is complete when it is seen, and so is everything that the containers of the one before it did. */
  Epoch* const latest = latest_.load(std::memory_order_acquire);
  if (!latest) return 0;
  Epoch* const current = current_.load(std::memory_order_acquire);
  /* The older of the two: neither may be forgotten while this turn lasts. */
  agent.see(latest->number < current->number ? latest->number : current->number);
  disturb();
  /* Between the two loads a switch may have come to its end, and another begun: the later one counts. */
  Epoch& newest = latest->number > current->number ? *latest : *current;
  int64_t work = options_.source ? work_source(agent.container(), newest, slice) : 0;
  if (!over) work += work_stage(agent.container(), *current, newest, slice);
  return work;
}

int64_t Path::work_source(uint32_t container, const Epoch& newest, uint32_t slice) {
  /* Acquire: what the source did in the container before is seen here. */
  if (source_holder_.value.load(std::memory_order_acquire) != container || source_done_.load(std::memory_order_relaxed)) return 0;
  const auto wanted = static_cast<uint64_t>(newest.placement.containers[0]);
  if (wanted == container) return run_source(slice < newest.placement.slice_bursts ? slice : newest.placement.slice_bursts);
  disturb();
  source_holder_.value.store(wanted, std::memory_order_release);
  return 0;
}

int64_t Path::run_source(uint32_t slice) {
  if (!source_started_) options_.source->start();
  source_started_ = true;
  OperationBlock& block = options_.operations[0];
  const bool timed = chosen(source_chance_, block.timed_packets == 0);
  const uint64_t begin = timed ? cycles() : 0;
  const int64_t work = options_.source->do_work(slice);
  if (work == kAgentFinished) {
    source_done_.store(true, std::memory_order_release);
    return 0;
  }
  if (work <= 0) return 0;
  add_value(&block.calls, 1);
  add_value(&block.packets, static_cast<uint64_t>(work));
  if (timed) {
    add_value(&block.cycles, cycles() - begin);
    add_value(&block.timed_packets, static_cast<uint64_t>(work));
  }
  return work;
}

int64_t Path::work_stage(uint32_t container, Epoch& current, Epoch& newest, uint32_t slice) {
  const int32_t number = current.stage_of[container];
  if (number < 0) return 0;
  Stage& stage = current.stages[static_cast<size_t>(number)];
  int64_t work = 0;
  if (!stage.first) {
    work = run_stage(stage, slice);
  } else if (!stage.stopped) {
    if (intake_stopped_) resume(current);
    /* A burst that waits for a slot behind it must be through before another placement starts. */
    if (&newest != &current && !stage.owed) stop_for(stage, newest);
    else work = run_stage(stage, slice);
    /* Nothing is in flight behind the end of the stream. Acquire: all that stages did is done. */
    if (!stage.stopped && end_taken_ && through_.value.load(std::memory_order_acquire) == intake_->next()) finish();
  }
  if (stage.final && &newest != &current) {
    /* Acquire, and release below: what the intake left behind goes to who has it next. */
    const uint64_t start = newest.start.load(std::memory_order_acquire);
    disturb();
    if (start == through_.value.load(std::memory_order_relaxed)) current_.store(&newest, std::memory_order_release);
  }
  return work;
}

/* From here on nothing of the intake may be touched: who has it next may be at it already. */
void Path::stop_for(Stage& first, Epoch& next) {
  blocked_since_ns_ = now_ns();
  settle();
  intake_stopped_ = true;
  first.stopped = true;
  next.at_packet = intake_->packets();
  disturb();
  next.start.store(intake_->next(), std::memory_order_release);
}

void Path::resume(const Epoch& epoch) {
  settle(); /* all bursts of the placement before are through: the new one has its whole window */
  intake_stopped_ = false;
  const uint64_t blocked = now_ns() - blocked_since_ns_;
  report_ = {report_.number + 1, epoch.start.load(std::memory_order_relaxed), epoch.at_packet, epoch.requested_ns, blocked};
  set_value(&options_.block->switches, report_.number);
  add_value(&options_.block->blocked_ns, blocked);
  if (blocked > options_.block->longest_blocked_ns) set_value(&options_.block->longest_blocked_ns, blocked);
  disturb();
  /* Release: the report is there when the control thread sees that the switch is over. */
  switching_.store(false, std::memory_order_release);
}

void Path::finish() {
  settle();
  intake_->leave();
  outcome_ = intake_->outcome();
  if (failed()) {
    const std::lock_guard<std::mutex> lock(failure_mutex_);
    outcome_.failed = true;
    outcome_.error = failure_;
  }
  done_.store(true, std::memory_order_release);
}

}  // namespace model_t
