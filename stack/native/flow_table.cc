/* Implements flow_table.h. */
#include "flow_table.h"

#include <random>

namespace model_t {

bool FlowTable::reserve(uint32_t capacity) {
  if (capacity == 0 || capacity > 1u << 24) return false;
  uint32_t buckets = 1;
  while (buckets * 4ull < capacity) buckets *= 2;
  if (!buckets_.reserve(buckets) || !nodes_.reserve(size_t{capacity} + 1)) return false;
  capacity_ = capacity;
  bucket_mask_ = buckets - 1;
  free_ = kNoEntry;
  nodes_[capacity].older = nodes_[capacity].newer = capacity;
  std::random_device device;
  for (uint64_t& multiplier : multipliers_) multiplier = static_cast<uint64_t>(device()) << 32 | device() | 1;
  return true;
}

uint32_t FlowTable::insert(const FlowKey& key, uint32_t hash) {
  uint32_t entry = free_;
  if (entry == kNoEntry) entry = fresh_++;
  else free_ = nodes_[entry].newer;
  uint32_t at = home(hash);
  uint32_t places = matching(buckets_[at], 0);
  while (places == 0) {
    buckets_[at].overflow++;
    at = (at + 1) & bucket_mask_;
    places = matching(buckets_[at], 0);
  }
  const uint32_t place = static_cast<uint32_t>(__builtin_ctz(places));
  buckets_[at].tags[place] = tag(hash);
  buckets_[at].entries[place] = entry;
  nodes_[entry].key = key;
  nodes_[entry].hash = hash;
  if (++epoch_inserts_ > capacity_ / 64) {
    epoch_inserts_ = 0;
    epoch_++;
  }
  size_++;
  link(entry);
  return entry;
}

void FlowTable::remove(uint32_t entry) {
  const uint32_t hash = nodes_[entry].hash;
  for (uint32_t at = home(hash);; at = (at + 1) & bucket_mask_) {
    Bucket& bucket = buckets_[at];
    uint32_t places = matching(bucket, tag(hash));
    while (places && bucket.entries[__builtin_ctz(places)] != entry) places &= places - 1;
    if (places) {
      bucket.tags[__builtin_ctz(places)] = 0;
      break;
    }
    bucket.overflow--;
  }
  unlink(entry);
  size_--;
  nodes_[entry].newer = free_;
  free_ = entry;
}

void FlowTable::touch(uint32_t entry) {
  unlink(entry);
  link(entry);
}

void FlowTable::link(uint32_t entry) {
  Node& ends = nodes_[capacity_];
  nodes_[entry].epoch = epoch_;
  nodes_[entry].older = ends.older;
  nodes_[entry].newer = capacity_;
  nodes_[ends.older].newer = entry;
  ends.older = entry;
}

void FlowTable::unlink(uint32_t entry) {
  nodes_[nodes_[entry].older].newer = nodes_[entry].newer;
  nodes_[nodes_[entry].newer].older = nodes_[entry].older;
}

}  // namespace model_t
