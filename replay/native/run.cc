/* See run.h. Making a run is in run_create.cc. */
#include "run.h"

#include <algorithm>

#include "../../stack/native/clock.h"

namespace model_t {

namespace {

/* At lanes that run side by side. */
constexpr useconds_t kLook = 2000;

}  // namespace

ReplayRun::~ReplayRun() {
  abort();
  stop_containers();
}

/* For good: agents that are not finished stay as they are. */
void ReplayRun::stop_containers() {
  for (const std::unique_ptr<Container>& container : containers_) container->stop();
  for (const std::unique_ptr<Container>& container : containers_) container->join();
}

bool ReplayRun::start(std::string* error) {
  for (RunLane& lane : lanes_) lane.engine->start();
  for (const std::unique_ptr<Container>& container : containers_) {
    if (container->start(error)) continue;
    abort();
    stop_containers();
    return false;
  }
  return true;
}

/* A paused container has to go on, or the stream never ends. */
void ReplayRun::stop() {
  resume_all();
  for (RunLane& lane : lanes_) lane.engine->stop();
}

/* Agents notice, end, and so do their containers; a paused one has to go on for that. */
void ReplayRun::abort() {
  for (RunLane& lane : lanes_) {
    if (lane.engine) lane.engine->abort();
    if (lane.path) lane.path->stop();
  }
  resume_all();
}

/* From now on nobody is paused any more. */
void ReplayRun::resume_all() {
  ending_.store(true, std::memory_order_seq_cst);
  for (const std::unique_ptr<Container>& container : containers_) container->resume();
}

void ReplayRun::fail(const std::string& error) {
  for (RunLane& lane : lanes_) {
    lane.engine->fail(error);
    if (lane.path) lane.path->stop();
  }
  resume_all();
}

bool ReplayRun::control(uint32_t index, ContainerCommand command, std::string* error) {
  if (index >= containers_.size()) {
    *error = "there is no container " + std::to_string(index);
    return false;
  }
  Container& container = *containers_[index];
  if (command == ContainerCommand::stop) kill(index);
  else if (command == ContainerCommand::resume) container.resume();
  else if (!ending_.load(std::memory_order_seq_cst)) container.pause();
  /* One that began to end meanwhile resumed it before it was paused. */
  if (command == ContainerCommand::pause && ending_.load(std::memory_order_seq_cst)) container.resume();
  return true;
}

/* Its part of the work will not be done: the run ends, and says what was under way. The helper may go. */
void ReplayRun::kill(uint32_t index) {
  if (helper_ && index + 1 == containers_.size()) {
    containers_[index]->stop();
    return;
  }
  uint64_t offered = 0, delivered = 0;
  for (uint32_t i = 0; i < lanes(); i++) {
    offered += __atomic_load_n(&producer_block(i)->offered, __ATOMIC_RELAXED);
    delivered += __atomic_load_n(&path_block(i)->delivered, __ATOMIC_RELAXED);
  }
  fail("container " + std::to_string(index) + " ('" + config_.containers[index].name + "') was stopped in mid-run: of " + std::to_string(offered) +
       " packets offered " + std::to_string(delivered) + " had been delivered");
  /* What is under way behind it cannot come to an end. */
  for (const std::unique_ptr<Container>& container : containers_) container->stop();
}

bool ReplayRun::ended() const {
  return std::all_of(lanes_.begin(), lanes_.end(), [](const RunLane& lane) {
    return lane.engine->done() && (!lane.path || lane.path->done());
  });
}

/* One sleep: looking up in between, every 50 us, cost the JavaScript thread a sixth of a core. */
void ReplayRun::nap(uint64_t microseconds) {
  if (!ended() && !first().engine->reclaimable()) usleep(static_cast<useconds_t>(microseconds));
}

bool ReplayRun::place(uint32_t path, const PathPlacement& placement, std::string* error) {
  if (path < lanes_.size() && lanes_[path].path) return lanes_[path].path->place(placement, error);
  *error = "there is no path " + std::to_string(path);
  return false;
}

std::vector<PathSwitch> ReplayRun::switches() {
  std::vector<PathSwitch> ended;
  for (uint32_t i = 0; i < lanes_.size(); i++) {
    SwitchReport report;
    if (!lanes_[i].path || !lanes_[i].path->last_switch(&report) || report.number == seen_switches_[i]) continue;
    seen_switches_[i] = report.number;
    ended.push_back({i, report});
  }
  return ended;
}

/* Of lanes that stand side by side, one that fails must not leave the others running for as long as they like. */
bool ReplayRun::broken() const {
  return std::any_of(lanes_.begin(), lanes_.end(), [](const RunLane& lane) { return lane.engine->failed() || (lane.path && lane.path->broken()); });
}

/* Of the first lane that has one; an engine knows more than the path that it left without packets. */
std::string ReplayRun::failure() const {
  for (const RunLane& lane : lanes_) {
    const std::string engine = lane.engine->failure();
    if (!engine.empty()) return engine;
    if (lane.path && lane.path->broken()) return lane.path->failure();
  }
  return "";
}

void ReplayRun::wait() {
  /* The helper has no end of its own. */
  const auto working = containers_.end() - (helper_ ? 1 : 0);
  const auto is_done = [](const std::unique_ptr<Container>& container) { return container->done(); };
  while (lanes() > 1 && !std::all_of(containers_.begin(), working, is_done) && !broken()) usleep(kLook);
  if (lanes() > 1 && broken()) {
    result_.error = failure(); /* before the others are aborted, which is a failure to their paths as well */
    abort();
  }
  for (auto container = containers_.begin(); container != working; ++container) (*container)->join();
  stop_containers();
  gather();
  if (sink_ && result_.error.empty() && !sink_->flush()) result_.error = sink_->error();
  for (const RunLane& lane : lanes_) {
    lane.ring->remove_name(); /* not in the destructor alone: JavaScript may hold this object for as long as it likes */
    if (config_.verify && result_.error.empty()) verify(lane);
  }
}

/* Sums; of times the first and the last; of reasons the gravest, of errors the first. */
void ReplayRun::gather() {
  EngineOutcome& sum = result_.engine;
  for (const RunLane& lane : lanes_) {
    if (!lane.engine->done()) { /* its container was killed */
      result_.engine.stopped = Stopped::failed;
      if (result_.error.empty()) result_.error = lane.engine->failure();
      continue;
    }
    const EngineOutcome one = lane.engine->outcome();
    if (&lane == &lanes_.front()) {
      sum = one;
    } else {
      sum.offered += one.offered;
      sum.bytes += one.bytes;
      sum.dropped += one.dropped;
      sum.dropped_bytes += one.dropped_bytes;
      sum.laps = std::min(sum.laps, one.laps);
      sum.started_ns = std::min(sum.started_ns, one.started_ns);
      sum.published_ns = std::max(sum.published_ns, one.published_ns);
      sum.finished_ns = std::max(sum.finished_ns, one.finished_ns);
      if (sum.stopped < one.stopped) sum.stopped = one.stopped; /* in the order of gravity */
    }
    result_.host_copied_bytes += lane.engine->host_copied_bytes();
    for (const ReaderReport& report : lane.engine->reader_reports()) {
      const uint64_t marks = one.lap_mark != UINT64_MAX && report.start <= one.lap_mark ? 1 : 0;
      result_.readers.push_back({report, one.head > report.start ? one.head - report.start - marks : 0});
    }
    /* Before its path, which only says that the stream was aborted. */
    if (one.stopped == Stopped::failed && result_.error.empty()) result_.error = one.error;
    if (lane.path && lane.path->done()) gather_path(lane.path->outcome());
  }
}

void ReplayRun::gather_path(const PathOutcome& outcome) {
  result_.has_path = true;
  result_.path.delivered += outcome.delivered;
  result_.path.bytes += outcome.bytes;
  result_.path.lost += outcome.lost;
  result_.path.digest += outcome.digest;
  result_.path.finished_ns = std::max(result_.path.finished_ns, outcome.finished_ns);
  if (outcome.failed && !result_.path.failed) {
    result_.path.failed = true;
    result_.path.error = outcome.error;
    if (result_.error.empty()) result_.error = outcome.error;
  }
}

void ReplayRun::verify(const RunLane& lane) {
  Reference reference(*image_, config_.mutation);
  if (!lane.packets.empty()) reference.select(lane.packets);
  const bool pushed = staging_ && config_.staging.insert == Insert::push;
  const PathOutcome* const path = lane.path ? &lane.path->outcome() : nullptr;
  const EngineOutcome engine = lane.engine->outcome();
  const Verification verified = verify_delivered(
      reference, {*lane.ring, engine, path, pushed ? staging_.get() : nullptr, config_.digest_lines});
  result_.verified.packets += verified.packets;
  result_.verified.ok &= verified.ok;
}

}  // namespace model_t
