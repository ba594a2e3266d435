/* See match_streams.h. */
#include "match_streams.h"

namespace model_t {

namespace {

uint32_t bucket_of(uint64_t stream, uint32_t buckets) { return static_cast<uint32_t>((stream * 0x9e3779b97f4a7c15ull >> 32) & (buckets - 1)); }

}  // namespace

MatchStreams::MatchStreams() : places_(kMatchStreams + 1), buckets_(kBuckets, 0) {
  for (uint32_t i = 1; i < kMatchStreams; i++) places_[i].next = static_cast<uint16_t>(i + 1);
}

uint16_t MatchStreams::find(uint64_t stream) const {
  uint16_t place = buckets_[bucket_of(stream, kBuckets)];
  while (place && places_[place].stream != stream) place = places_[place].next;
  return place;
}

uint32_t MatchStreams::node(uint64_t stream) const {
  const uint16_t place = find(stream);
  return place ? places_[place].node : 0;
}

void MatchStreams::set(uint64_t stream, uint32_t node) {
  uint16_t place = find(stream);
  if (node == 0) {
    if (place) remove(place);
    return;
  }
  if (place) {
    unlink(place);
  } else {
    if (!free_) {
      remove(places_[0].newer); /* the oldest: the ring's first from the head */
      evicted_++;
    }
    place = free_;
    free_ = places_[place].next;
    used_++;
    uint16_t& bucket = buckets_[bucket_of(stream, kBuckets)];
    places_[place].stream = stream;
    places_[place].next = bucket;
    bucket = place;
  }
  places_[place].node = node;
  make_newest(place);
}

void MatchStreams::remove(uint16_t place) {
  uint16_t* link = &buckets_[bucket_of(places_[place].stream, kBuckets)];
  while (*link != place) link = &places_[*link].next;
  *link = places_[place].next;
  unlink(place);
  places_[place].next = free_;
  free_ = place;
  used_--;
}

void MatchStreams::unlink(uint16_t place) {
  places_[places_[place].older].newer = places_[place].newer;
  places_[places_[place].newer].older = places_[place].older;
}

void MatchStreams::make_newest(uint16_t place) {
  const uint16_t newest = places_[0].older;
  places_[place].older = newest;
  places_[place].newer = 0;
  places_[newest].newer = place;
  places_[0].older = place;
}

}  // namespace model_t
