/* See ring_sizer.h. */
#include "ring_sizer.h"

#include <algorithm>
#include <cmath>

namespace model_t {

namespace {

constexpr uint64_t kMillisecond = 1000 * 1000;
constexpr uint64_t kPartNs = kMillisecond;
constexpr uint64_t kSteadyWindowNs = 8 * kMillisecond;
constexpr uint64_t kLongWindowNs = 48 * kMillisecond;
constexpr uint64_t kLongestWindowNs = 400 * kMillisecond;
/* One wrap is not measured; memory that was never written comes page by page, and must not look like a slow size. */
constexpr uint64_t kLongestSkipNs = 30 * kMillisecond;
constexpr uint64_t kLongestFirstSkipNs = 500 * kMillisecond;
constexpr size_t kLeastParts = 4;
constexpr uint32_t kAverageLooks = 16;
/* Standard error of the mean, relative, below which a window is steady: a sixth of what is called clear. */
constexpr double kSteadyError = 0.01;

/* Clearly better or worse; what is within kAsGood of the best is as good. Rates of equal runs differ by 2 to 3 % on a quiet machine. */
constexpr double kClear = 0.06;
constexpr double kAsGood = 0.03;
constexpr double kHopeless = 0.8;
constexpr uint32_t kLookAhead = 2;

/* A stall, not two threads that take turns: those wait for microseconds. */
constexpr uint64_t kStallNs = 200 * 1000;
constexpr uint32_t kStallsPerWindow = 8;

constexpr uint64_t kSearchPauseNs = 500 * kMillisecond;
constexpr uint64_t kBurstsPauseNs = 100 * kMillisecond;
constexpr uint64_t kAgainNs = 5 * kMillisecond;
constexpr uint64_t kLongestAgainNs = 1000 * kMillisecond;
constexpr uint64_t kLongestPauseNs = 30000 * kMillisecond;

/* Where a reader stalls only the mean is the truth; elsewhere what lowers it is other people's load. */
bool better(const RingWindow& one, const RingWindow& other, double by) {
  if (one.bursty() || other.bursty()) return one.mean() > other.mean() * (1 + by);
  return one.high() > other.high() * (1 + by);
}

}  // namespace

void RingWindow::begin(const RingView& view, uint64_t skip_bytes, uint64_t skip_ns, uint64_t least_ns) {
  *this = RingWindow();
  skipping_ = skip_bytes > 0;
  skip_until_bytes_ = view.bytes + skip_bytes;
  skip_until_ns_ = view.now_ns + skip_ns;
  least_ns_ = least_ns;
  first_ = part_ = last_ = view;
}

void RingWindow::add(const RingView& view, uint64_t ring_bytes) {
  const uint64_t waited = view.waited_ns - last_.waited_ns;
  last_ = view;
  if (skipping_) {
    skipping_ = view.bytes < skip_until_bytes_ && view.now_ns < skip_until_ns_;
    first_ = part_ = view;
    return;
  }
  longest_wait_ns_ = std::max(longest_wait_ns_, waited);
  const double slot = view.published ? static_cast<double>(view.bytes) / static_cast<double>(view.published) : 0;
  const double used = std::min(1.0, static_cast<double>(view.published - view.consumed) * slot / static_cast<double>(ring_bytes));
  used_ += (used - used_) / std::min(++looks_, kAverageLooks);
  low_looks_ += used < kLowWatermark;
  const uint64_t span = view.now_ns - part_.now_ns;
  if (span < kPartNs) return;
  rates_.push_back(static_cast<double>(view.consumed - part_.consumed) * 1e9 / static_cast<double>(span));
  part_ = view;
}

double RingWindow::mean() const {
  const uint64_t span = elapsed_ns();
  return span ? static_cast<double>(last_.consumed - first_.consumed) * 1e9 / static_cast<double>(span) : 0;
}

double RingWindow::high() const {
  if (rates_.empty()) return mean();
  std::vector<double> rates = rates_;
  const auto quarter = rates.begin() + static_cast<std::ptrdiff_t>(rates.size() * 3 / 4);
  std::nth_element(rates.begin(), quarter, rates.end());
  return *quarter;
}

bool RingWindow::steady() const {
  if (rates_.size() < kLeastParts) return false;
  const auto count = static_cast<double>(rates_.size());
  double sum = 0, squares = 0;
  for (const double rate : rates_) sum += rate;
  for (const double rate : rates_) squares += (rate - sum / count) * (rate - sum / count);
  return std::sqrt(squares / (count - 1) / count) <= kSteadyError * sum / count;
}

bool RingWindow::ready() const {
  const uint64_t elapsed = elapsed_ns();
  if (rates_.size() < kLeastParts || elapsed < least_ns_) return false;
  if (elapsed >= kLongestWindowNs || steady()) return true;
  return elapsed >= std::max(kLongWindowNs, kStallsPerWindow * longest_wait_ns_);
}

bool RingWindow::hopeless(const RingWindow& than) const {
  return rates_.size() >= kLeastParts && !than.bursty() && high() < kHopeless * than.high() && mean() < kHopeless * than.mean();
}

double RingWindow::waited() const {
  const uint64_t span = elapsed_ns();
  return span ? static_cast<double>(last_.waited_ns - first_.waited_ns) / static_cast<double>(span) : 0;
}

bool RingWindow::full() const { return used() >= kHighWatermark || waited() >= 0.5; }

bool RingWindow::bursty() const {
  return longest_wait_ns_ >= kStallNs && waited() >= 0.05 && low_looks_ * 10 >= looks_;
}

uint64_t RingWindow::bytes_per_stall() const {
  const double highest = rates_.empty() ? mean() : *std::max_element(rates_.begin(), rates_.end());
  const double slot = last_.published ? static_cast<double>(last_.bytes) / static_cast<double>(last_.published) : 0;
  return static_cast<uint64_t>(highest * slot * static_cast<double>(longest_wait_ns_) / 1e9);
}

RingSizer::RingSizer(SizerLimits limits) : search_pause_ns_(kSearchPauseNs), bursts_pause_ns_(kBurstsPauseNs), again_pause_ns_(kAgainNs), least_ns_(kSteadyWindowNs) {
  limits.floor = std::min(limits.floor, limits.ceiling);
  limits.start = std::clamp(limits.start, limits.floor, limits.ceiling);
  sizes_ = {limits.floor, limits.start, limits.ceiling};
  for (uint64_t size = 1; size != 0 && size < limits.ceiling; size *= 2) {
    if (size > limits.floor) sizes_.push_back(size);
  }
  std::sort(sizes_.begin(), sizes_.end());
  sizes_.erase(std::unique(sizes_.begin(), sizes_.end()), sizes_.end());
  at_ = want_ = origin_ = best_ = size_for(limits.start);
  touched_ = limits.start;
  seen_.resize(sizes_.size());
  tried_.resize(sizes_.size());
  if (sizes_.size() == 1) phase_ = Phase::hold;
}

size_t RingSizer::size_for(uint64_t bytes) const {
  size_t at = 0;
  while (at + 1 < sizes_.size() && sizes_[at] < bytes) at++;
  return at;
}

uint64_t RingSizer::look(const RingView& view) {
  if (!begun_) {
    begun_ = true;
    begin_window(view);
    return sizes_[at_];
  }
  if (want_ != at_) return sizes_[view.now_ns >= again_after_ns_ ? want_ : at_];
  window_.add(view, sizes_[at_]);
  const bool searching = phase_ == Phase::down || phase_ == Phase::up;
  if (window_.ready() || (searching && window_.hopeless(seen_[best_]))) {
    seen_[at_] = window_;
    tried_[at_] = true;
    measured(view);
    if (want_ == at_) window_.begin(view, 0, 0, least_ns_);
  }
  return sizes_[want_];
}

void RingSizer::resized(const RingView& view) {
  at_ = want_;
  again_pause_ns_ = kAgainNs;
  begin_window(view);
}

/* At a size that is new. */
void RingSizer::begin_window(const RingView& view) {
  window_.begin(view, sizes_[at_], sizes_[at_] > touched_ ? kLongestFirstSkipNs : kLongestSkipNs, least_ns_);
  touched_ = std::max(touched_, sizes_[at_]);
}

void RingSizer::put_off(const RingView& view) {
  again_after_ns_ = view.now_ns + again_pause_ns_;
  again_pause_ns_ = std::min(2 * again_pause_ns_, kLongestAgainNs);
}

void RingSizer::go(size_t to, RingReason reason) {
  want_ = to;
  reason_ = reason;
}

void RingSizer::measured(const RingView& view) {
  switch (phase_) {
    case Phase::measure: return begin_search();
    case Phase::down: return searched_down(view);
    case Phase::up: return searched_up(view);
    case Phase::confirm: return confirmed(view);
    case Phase::bursts: return grown(view);
    case Phase::hold: return held(view);
  }
}

/* From the size in use, which has just been measured. */
void RingSizer::begin_search() {
  origin_ = best_ = at_;
  std::fill(tried_.begin(), tried_.end(), false);
  tried_[at_] = true;
  step_ = false;
  misses_ = worse_ = 0;
  phase_ = at_ > 0 ? Phase::down : Phase::up;
  go(at_ > 0 ? at_ - 1 : at_ + 1, at_ > 0 ? RingReason::smaller : RingReason::larger);
}

void RingSizer::searched_down(const RingView& view) {
  if (better(window_, seen_[best_], kClear)) {
    best_ = at_;
    step_ = true;
    misses_ = worse_ = 0;
  } else {
    misses_ += step_;
    worse_ = better(seen_[best_], window_, kClear) ? worse_ + 1 : 0;
  }
  /* At the start one bad window must not end the search: the machine may have been busy with something else. */
  const bool over = at_ == 0 || misses_ >= kLookAhead || worse_ >= (first_search_ ? 2u : 1u);
  if (!over) return go(at_ - 1, RingReason::smaller);
  const size_t chosen = best_below();
  if (chosen == origin_ && origin_ + 1 < sizes_.size() && (first_search_ || seen_[origin_].full())) {
    best_ = origin_;
    phase_ = Phase::up;
    return go(origin_ + 1, RingReason::larger);
  }
  choose(view, chosen);
}

/* The largest size that is as good as the best; where nothing was gained and the ring is hardly used, the smallest. */
size_t RingSizer::best_below() const {
  size_t top = origin_;
  for (size_t i = 0; i < origin_; i++) {
    if (tried_[i] && better(seen_[i], seen_[top], 0)) top = i;
  }
  size_t chosen = origin_;
  while (chosen > top && better(seen_[top], seen_[chosen], kAsGood)) chosen--;
  if (step_) return chosen;
  while (chosen > 0 && tried_[chosen - 1] && seen_[chosen].used() < kLowWatermark && !better(seen_[top], seen_[chosen - 1], kAsGood)) chosen--;
  return chosen;
}

void RingSizer::searched_up(const RingView& view) {
  const bool rises = better(window_, seen_[best_], kClear);
  if (rises) best_ = at_;
  if (rises && at_ + 1 < sizes_.size()) return go(at_ + 1, RingReason::larger);
  choose(view, best_);
}

/* The end of a search. Later ones look at their origin again: the load may have changed meanwhile, not the size mattered. */
void RingSizer::choose(const RingView& view, size_t chosen) {
  if (first_search_ || chosen == origin_) return settle(view, chosen, chosen != origin_);
  chosen_ = chosen;
  phase_ = Phase::confirm;
  go(origin_, RingReason::back);
}

void RingSizer::confirmed(const RingView& view) {
  const bool worthwhile = better(seen_[chosen_], window_, kClear) || (chosen_ < origin_ && window_.used() < kLowWatermark && !better(window_, seen_[chosen_], kAsGood));
  settle(view, worthwhile ? chosen_ : origin_, worthwhile);
}

void RingSizer::settle(const RingView& view, size_t at, bool fruitful) {
  search_pause_ns_ = fruitful || first_search_ ? kSearchPauseNs : std::min(2 * search_pause_ns_, kLongestPauseNs);
  search_after_ns_ = view.now_ns + search_pause_ns_;
  first_search_ = false;
  bursty_windows_ = 0;
  phase_ = Phase::hold;
  go(at, fruitful ? RingReason::hold : RingReason::back);
}

void RingSizer::held(const RingView& view) {
  /* The next window is as long: a short one between two stalls would look steady. */
  if (window_.bursty()) least_ns_ = window_.elapsed_ns();
  else if (window_.steady()) least_ns_ = kSteadyWindowNs;
  bursty_windows_ = window_.bursty() ? bursty_windows_ + 1 : 0;
  if (at_ + 1 < sizes_.size() && bursty_windows_ >= 2 && view.now_ns >= bursts_after_ns_) {
    origin_ = at_;
    phase_ = Phase::bursts;
    return go(std::max(at_ + 1, size_for(sizes_[at_] + window_.bytes_per_stall())), RingReason::bursts);
  }
  if (sizes_.size() > 1 && view.now_ns >= search_after_ns_) begin_search();
}

void RingSizer::grown(const RingView& view) {
  const bool helped = window_.mean() > seen_[origin_].mean() * (1 + kClear);
  bursts_pause_ns_ = helped ? kBurstsPauseNs : std::min(2 * bursts_pause_ns_, kLongestPauseNs);
  bursts_after_ns_ = view.now_ns + bursts_pause_ns_;
  bursty_windows_ = 0;
  phase_ = Phase::hold;
  go(helped ? at_ : origin_, RingReason::back);
  if (!helped) return;
  search_pause_ns_ = std::min(2 * search_pause_ns_, kLongestPauseNs);
  search_after_ns_ = view.now_ns + search_pause_ns_;
}

}  // namespace model_t
