/* See planner.h. */
#include "planner.h"

#include "staging.h"

namespace model_t {

BurstPlanner::BurstPlanner(const TraceImage& image, uint64_t region_bytes, uint32_t descriptors, PlannerLimits limits, Staging* staging)
    : image_(image), region_bytes_(region_bytes), descriptors_(descriptors), limits_(limits), staging_(staging), outstanding_(64) {}

/* How many of `count` packets from `first` fit into `bytes`. */
uint32_t BurstPlanner::fit(uint64_t first, uint32_t count, uint64_t bytes) const {
  const uint64_t* offsets = image_.slot_offsets() + first;
  if (offsets[count] - offsets[0] <= bytes) return count;
  uint32_t low = 0, high = count; /* offsets[low] fits, offsets[high] does not */
  while (high - low > 1) {
    const uint32_t middle = low + (high - low) / 2;
    if (offsets[middle] - offsets[0] <= bytes) low = middle;
    else high = middle;
  }
  return low;
}

/* The position below which everything must be consumed so that the ring has room up to these ends. */
uint64_t BurstPlanner::required_for(uint64_t position_end, uint64_t byte_end) {
  while (oldest_ != newest_ && (byte_end - freed_bytes_ > region_bytes_ || position_end - freed_position_ > descriptors_)) {
    const Outstanding& entry = outstanding_[oldest_ & (outstanding_.size() - 1)];
    freed_position_ = entry.position_end;
    freed_bytes_ = entry.byte_end;
    oldest_++;
  }
  return freed_position_;
}

BurstPlanner::Next BurstPlanner::next(Burst* out) {
  if (lap_ >= limits_.laps || ordinal_ >= limits_.packets) return Next::end;
  const bool complete = image_.is_complete(); /* before packets(): then that count is final */
  const uint64_t packets = image_.packets();
  if (index_ == packets) {
    if (!complete) return Next::wait;
    if (packets == 0) return Next::end;
    /* Only a live lap gets here: its last packet went out before it was known to be the last. */
    *out = mark();
    out->end_of_lap = true;
    return Next::burst;
  }
  uint64_t count = packets - index_;
  if (count > kBurstPackets) count = kBurstPackets;
  if (count > limits_.packets - ordinal_) count = limits_.packets - ordinal_;
  if (staging_) {
    const Staging::Place place = staging_->at(ordinal_);
    if (place.packets == 0) return Next::wait;
    if (count > place.packets) count = place.packets;
    if (place.region != 0) {
      planned_bytes_ = bytes_;
      *out = {number_, ordinal_, position_, lap_, index_, static_cast<uint32_t>(count), place.region, place.offset, 0, index_ + count == packets, false};
      out->required = required_for(position_ + count, bytes_);
      return Next::burst;
    }
  }
  uint64_t offset = bytes_ % region_bytes_;
  uint32_t fitting = fit(index_, static_cast<uint32_t>(count), region_bytes_ / 4);
  if (fitting == 0) { /* larger than a quarter: alone */
    if (fit(index_, 1, region_bytes_ / 2) == 0) return Next::too_large;
    fitting = 1;
  }
  const uint32_t before_wrap = fit(index_, fitting, region_bytes_ - offset);
  uint64_t start = bytes_;
  if (before_wrap == 0) {
    start += region_bytes_ - offset;
    offset = 0;
  } else {
    fitting = before_wrap;
  }
  planned_bytes_ = start + image_.slot_offsets()[index_ + fitting] - image_.slot_offsets()[index_];
  *out = {number_, ordinal_, position_, lap_, index_, fitting, 0, offset, 0, complete && index_ + fitting == packets, false};
  out->required = required_for(position_ + fitting, planned_bytes_);
  return Next::burst;
}

Burst BurstPlanner::mark() {
  planned_bytes_ = bytes_;
  Burst burst{number_, ordinal_, position_, lap_, index_, 0, 0, bytes_ % region_bytes_, 0, false, true};
  burst.required = required_for(position_ + 1, bytes_);
  return burst;
}

void BurstPlanner::advance(const Burst& burst) {
  number_++;
  ordinal_ += burst.count;
  index_ += burst.count;
  if (burst.end_of_lap) {
    lap_++;
    index_ = 0;
  }
}

void BurstPlanner::commit(const Burst& burst) {
  if (newest_ - oldest_ == outstanding_.size()) {
    std::vector<Outstanding> larger(outstanding_.size() * 2);
    for (uint64_t i = oldest_; i != newest_; i++) larger[i & (larger.size() - 1)] = outstanding_[i & (outstanding_.size() - 1)];
    outstanding_.swap(larger);
  }
  bytes_ = planned_bytes_;
  position_ += burst.mark ? 1 : burst.count;
  outstanding_[newest_++ & (outstanding_.size() - 1)] = {position_, bytes_};
  advance(burst);
}

void BurstPlanner::resize(uint64_t bytes, uint32_t descriptors) {
  region_bytes_ = bytes;
  descriptors_ = descriptors;
  bytes_before_ += bytes_;
  bytes_ = planned_bytes_ = freed_bytes_ = 0;
  freed_position_ = position_;
  oldest_ = newest_;
}

void BurstPlanner::drop(const Burst& burst) { advance(burst); }

}  // namespace model_t
