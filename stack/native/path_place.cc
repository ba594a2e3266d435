/* Placements: what can be placed, and what it takes. Control thread. See path.h. */
#include <algorithm>
#include <new>

#include "clock.h"
#include "path_epoch.h"

namespace model_t {

namespace {

/* Placements that a container may leave unseen (it is paused, say) before no more are made. Rings are not kept for it. */
constexpr size_t kMostEpochs = 4096;

}  // namespace

bool Path::place(const PathPlacement& placement, std::string* error) {
  forget_epochs();
  *error = problem_of(placement);
  if (!error->empty()) return false;
  try {
    epochs_.push_back(make_epoch(placement));
  } catch (const std::bad_alloc&) {
    *error = "no memory for a placement with a window of " + std::to_string(placement.window) + " bursts; use a smaller one";
    return false;
  }
  Epoch* const epoch = epochs_.back().get();
  if (!latest_.load(std::memory_order_relaxed)) {
    if (options_.source) source_holder_.value.store(static_cast<uint64_t>(placement.containers[0]), std::memory_order_relaxed);
    epoch->start.store(0, std::memory_order_relaxed);
    current_.store(epoch, std::memory_order_release);
  } else {
    last_report_ = report_; /* no switch is under way: nobody writes it */
    switching_.store(true, std::memory_order_relaxed);
  }
  /* Release: the epoch is complete, and `switching_` is set, for whoever sees it. */
  latest_.store(epoch, std::memory_order_release);
  return true;
}

bool Path::last_switch(SwitchReport* report) const {
  *report = switching() ? last_report_ : report_;
  return report->number != 0;
}

std::string Path::element_name(size_t element) const {
  return element == 0 ? "the source" : element == 1 ? "the intake" : program_->unit_name(static_cast<uint32_t>(element - 2));
}

std::string Path::problem_of(const PathPlacement& placement) const {
  if (done()) return "the path is over: there is nothing left to place";
  if (switching()) return "the switch to the placement before is still under way; try again when it is over";
  const uint32_t window = placement.window;
  if (window == 0 || window > kMaxWindow || (window & (window - 1)) != 0) {
    return "a window of " + std::to_string(window) + " bursts does not do; use a power of two from 1 to " + std::to_string(kMaxWindow);
  }
  if (placement.slice_bursts == 0) return "a slice of 0 bursts does nothing; use 1 or more";
  if (placement.fill_packets > ring_.descriptor_count()) {
    return "a ring of " + std::to_string(ring_.descriptor_count()) + " descriptors never fills up to " + std::to_string(placement.fill_packets) +
           " packets; use less";
  }
  std::string problem = problem_of_containers(placement.containers);
  if (problem.empty() && epochs_.size() >= kMostEpochs) {
    problem = "a container has not looked at the path for " + std::to_string(kMostEpochs) + " placements; resume or stop it";
  }
  return problem;
}

std::string Path::problem_of_containers(const std::vector<int32_t>& containers) const {
  const size_t elements = 2 + program_->unit_count();
  if (containers.size() != elements) {
    return "a placement of " + std::to_string(containers.size()) + " elements does not fit this path, which has " + std::to_string(elements) +
           ": source, intake and " + std::to_string(program_->unit_count()) + " units";
  }
  if (!options_.source && containers[0] != -1) {
    return "the source is placed in container " + std::to_string(containers[0]) + ", and this path has none; use -1";
  }
  std::vector<bool> had(options_.containers);
  uint32_t stages = 0;
  for (size_t element = options_.source ? 0 : 1; element < elements; element++) {
    const int32_t container = containers[element];
    if (container < 0 || static_cast<uint32_t>(container) >= options_.containers) {
      return element_name(element) + " is placed in container " + std::to_string(container) + ", and there are containers 0 to " +
             std::to_string(options_.containers - 1);
    }
    const bool follows = element > 0 && containers[element - 1] == container;
    if (had[static_cast<size_t>(container)] && !follows) {
      return "container " + std::to_string(container) + " has " + element_name(element) + " and elements before it, but not those in between; give it one range";
    }
    had[static_cast<size_t>(container)] = true;
    stages += element > 0 && (element == 1 || !follows);
  }
  if (stages > 1 && options_.policy == MODEL_T_LAG) {
    return "a reader with policy lag cannot be cut over " + std::to_string(stages) +
           " containers: packets are overwritten before the last of them comes; place intake and all units in one";
  }
  return "";
}

/* Frees what no container looks at any more: rings and ranges are looked at by those with a stage only. */
void Path::forget_epochs() {
  if (epochs_.empty() || switching()) return;
  uint64_t seen = UINT64_MAX;
  for (const auto& agent : agents_) seen = std::min(seen, agent->seen());
  size_t gone = 0;
  while (gone + 1 < epochs_.size() && epochs_[gone]->number < seen) gone++;
  epochs_.erase(epochs_.begin(), epochs_.begin() + static_cast<ptrdiff_t>(gone));
  for (size_t i = 0; i + 1 < epochs_.size(); i++) {
    Epoch& epoch = *epochs_[i];
    bool used = false;
    for (uint32_t container = 0; container < options_.containers; container++) {
      used |= epoch.stage_of[container] >= 0 && agents_[container]->seen() <= epoch.number;
    }
    if (used) continue;
    epoch.stages.clear();
    epoch.rings.clear();
  }
}

std::unique_ptr<Path::Epoch> Path::make_epoch(const PathPlacement& placement) {
  auto epoch = std::make_unique<Epoch>();
  epoch->number = epochs_.empty() ? 1 : epochs_.back()->number + 1;
  epoch->placement = placement;
  epoch->requested_ns = now_ns();
  epoch->stage_of.assign(options_.containers, -1);
  make_stages(*epoch);
  return epoch;
}

/*
 * Stages from the first element to the last; a ring goes on until a stage makes rows. One slot is enough where no other stage
 * goes on with it: it stays in the first-level cache.
 */
void Path::make_stages(Epoch& epoch) {
  const std::vector<int32_t>& containers = epoch.placement.containers;
  for (uint32_t from = 0, element = 1; element < containers.size();) {
    const int32_t container = containers[element];
    uint32_t to = from;
    for (element++; element < containers.size() && containers[element] == container; element++) to++;
    if (!epoch.stages.empty()) to++; /* a stage without the intake begins with a unit */
    epoch.stage_of[static_cast<size_t>(container)] = static_cast<int32_t>(epoch.stages.size());
    Stage& stage = epoch.stages.emplace_back();
    stage.range = std::make_unique<ProgramRange>(*program_, from, to);
    from = to;
  }
  epoch.stages.front().first = true;
  epoch.stages.back().final = true;
  for (size_t begin = 0; begin < epoch.stages.size();) {
    size_t end = begin + 1;
    while (end < epoch.stages.size() && !epoch.stages[end - 1].range->expands()) end++;
    /* In a ring of copied rows the stage that makes them is number 0. */
    const uint32_t before = begin > 0 ? 1 : 0;
    const auto users = static_cast<uint32_t>(end - begin) + before;
    epoch.rings.push_back(std::make_unique<BurstRing>(users > 1 ? epoch.placement.window : 1, users));
    if (before) epoch.stages[begin - 1].out = epoch.rings.back().get();
    for (size_t i = begin; i < end; i++) {
      epoch.stages[i].in = epoch.rings.back().get();
      epoch.stages[i].place = static_cast<uint32_t>(i - begin) + before;
    }
    begin = end;
  }
  for (Stage& stage : epoch.stages) {
    stage.path = this;
    stage.placement = &epoch.placement;
    stage.vertical = epoch.placement.vertical && epoch.stages.size() > 1;
    if (stage.out) stage.range->set_tail(forward, &stage);
    else if (stage.final && options_.sink) stage.range->set_tail(give_to_sink, &stage);
  }
}

}  // namespace model_t
