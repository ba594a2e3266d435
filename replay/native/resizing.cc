/* See resizing.h. */
#include "resizing.h"

#include <algorithm>

#include "../../stack/native/clock.h"

namespace model_t {

namespace {

/* A block reader that consumes nothing for so long has stalled: the ring is of more use to it than a change. */
constexpr uint64_t kStalledNs = 2 * 1000 * 1000;

constexpr uint32_t kBlock = 1u << MODEL_T_BLOCK;
constexpr uint32_t kDrop = 1u << MODEL_T_DROP;

/* Bursts are a quarter of the ring at most: four of the largest slots are the least that a reader can work with. */
SizerLimits limits_for(const TraceImage& image, const RingMemory& ring, uint64_t start) {
  uint64_t largest = 0;
  for (uint64_t i = 0; i < image.packets(); i++) largest = std::max(largest, image.slot_offsets()[i + 1] - image.slot_offsets()[i]);
  uint64_t floor = kMinRegionBytes;
  while (floor < 4 * largest) floor *= 2;
  return {floor, ring.region_bytes(), start};
}

}  // namespace

Resizing::Resizing(const TraceImage& image, RingMemory& ring, ReaderTable& readers, std::mutex& mutex, ProducerBlock* statistics,
                   uint64_t start_bytes, SizePolicy* policy)
    : ring_(ring),
      readers_(readers),
      mutex_(mutex),
      statistics_(statistics),
      own_(policy ? nullptr : std::make_unique<RingSizer>(limits_for(image, ring, start_bytes))),
      policy_(policy ? *policy : *own_) {
  const SizerLimits limits = limits_for(image, ring, start_bytes);
  bytes_ = std::clamp(start_bytes, std::min(limits.floor, limits.ceiling), limits.ceiling);
  events_.reserve(kMostRingEvents);
  /* 64 MiB come in 16,000 page faults; at the rate of those the first second would be one of measuring the kernel. */
  ring_.touch(bytes_);
}

void Resizing::begin(uint64_t now, BurstPlanner& planner) {
  begun_ns_ = noted_ns_ = looked_ns_ = now;
  begun_cycles_ = cycles();
  use(bytes_, planner);
  note(now, planner, RingReason::start);
}

void Resizing::use(uint64_t bytes, BurstPlanner& planner) {
  bytes_ = bytes;
  const uint32_t descriptors = std::min(RingMemory::descriptors_for(bytes), ring_.descriptor_count());
  planner.resize(bytes, descriptors);
  ring_.use_descriptors(descriptors);
  __atomic_store_n(&statistics_->ring_bytes, bytes, __ATOMIC_RELAXED);
}

RingView Resizing::view(uint64_t now, const BurstPlanner& planner, uint64_t consumed) const {
  return {now, planner.position(), consumed, planner.bytes(), static_cast<uint64_t>(waited_ns_)};
}

void Resizing::look(uint64_t now, const BurstPlanner& planner) {
  /* How fast the counter runs, known better and better; what was counted stays counted. */
  const uint64_t waited = __atomic_load_n(&statistics_->wait_cycles, __ATOMIC_RELAXED);
  const uint64_t passed = cycles() - begun_cycles_;
  if (passed > 0) waited_ns_ += static_cast<double>(waited - waited_cycles_) * static_cast<double>(now - begun_ns_) / static_cast<double>(passed);
  waited_cycles_ = waited;
  looked_ns_ = now;
  uint64_t consumed;
  {
    std::lock_guard<std::mutex> lock(mutex_);
    consumed = std::min(readers_.slowest(kBlock | kDrop), planner.position());
  }
  distance_ += (static_cast<double>(planner.position() - consumed) - distance_) / 16;
  wanted_ = policy_.look(view(now, planner, consumed));
  pending_ = wanted_ != bytes_;
  pending_since_ns_ = now;
  pending_tail_ = consumed;
}

Resizing::Change Resizing::try_apply(uint64_t now, BurstPlanner& planner, const std::function<void(uint64_t)>& raise_floor) {
  const uint64_t head = planner.position();
  uint64_t waiting, dropping;
  {
    std::lock_guard<std::mutex> lock(mutex_);
    /* acquire, in slowest(): what readers read before they moved their tails comes before our writes */
    waiting = std::min(readers_.slowest(kBlock), head);
    dropping = std::min(readers_.slowest(kDrop), head);
  }
  if (waiting < head) {
    if (waiting != pending_tail_) pending_since_ns_ = now;
    pending_tail_ = waiting;
    if (now - pending_since_ns_ < kStalledNs) return Change::waiting;
  }
  pending_ = false;
  if (waiting < head || dropping < head) {
    policy_.put_off(view(now, planner, std::min(waiting, dropping)));
    return Change::put_off;
  }
  raise_floor(head);
  use(wanted_, planner);
  __atomic_store_n(&statistics_->resizes, statistics_->resizes + 1, __ATOMIC_RELAXED);
  note(now, planner, policy_.reason());
  policy_.resized(view(now, planner, head));
  return Change::made;
}

void Resizing::note(uint64_t now, const BurstPlanner& planner, RingReason reason) {
  if (events_.size() == kMostRingEvents) {
    for (size_t i = 0; i < kMostRingEvents / 2; i++) events_[i] = events_[2 * i];
    events_.resize(kMostRingEvents / 2);
  }
  const uint64_t span = now - noted_ns_;
  const double packets = static_cast<double>(planner.position() - noted_position_);
  events_.push_back({now, bytes_, static_cast<uint64_t>(distance_), span ? static_cast<uint64_t>(packets * 1e9 / static_cast<double>(span)) : 0, reason});
  noted_ns_ = now;
  noted_position_ = planner.position();
  distance_ = 0;
}

}  // namespace model_t
