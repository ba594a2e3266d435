/* The burst planner's promises, on random images and geometries: whole trace, no wrap inside a burst, nothing unread lost. */
#include <deque>

#include "../../replay/native/planner.h"
#include "support.h"

namespace model_t::test {

namespace {

/* A burst that may still be unread. */
struct Unread {
  uint64_t position_end;
  uint64_t begin; /* bytes in the region */
  uint64_t end;
};

/* Watches a planner's bursts as the ring and its readers would. */
struct Watch {
  const TraceImage& image;
  uint64_t region;
  uint32_t descriptors;
  uint64_t number = 0, ordinal = 0, position = 0;
  std::deque<Unread> unread;

  void burst(const Burst& burst) {
    CHECK_EQUAL(burst.number, number);
    CHECK_EQUAL(burst.ordinal, ordinal);
    CHECK_EQUAL(burst.position, position);
    CHECK(burst.required <= position); /* or the producer would wait for itself */
    const uint64_t positions = burst.mark ? 1 : burst.count;
    CHECK(position + positions - burst.required <= descriptors);
    if (burst.mark) return;
    const uint64_t* offsets = image.slot_offsets();
    const uint64_t bytes = offsets[burst.first + burst.count] - offsets[burst.first];
    CHECK(burst.count >= 1 && burst.count <= kBurstPackets && burst.region_offset % kLine == 0);
    CHECK(burst.region_offset + bytes <= region);
    CHECK(bytes <= region / 4 || (burst.count == 1 && bytes <= region / 2));
    CHECK_EQUAL(burst.lap, ordinal / image.packets());
    CHECK_EQUAL(burst.first, ordinal % image.packets());
    CHECK_EQUAL(burst.end_of_lap, burst.first + burst.count == image.packets());
    CHECK(burst.first + burst.count <= image.packets());
    for (const Unread& other : unread) { /* as far as readers may still be */
      if (other.position_end > burst.required) CHECK(burst.region_offset + bytes <= other.begin || other.end <= burst.region_offset);
    }
  }

  void committed(const Burst& burst) {
    const uint64_t* offsets = image.slot_offsets();
    position += burst.mark ? 1 : burst.count;
    if (!burst.mark) unread.push_back({position, burst.region_offset, burst.region_offset + offsets[burst.first + burst.count] - offsets[burst.first]});
    while (!unread.empty() && unread.front().position_end <= burst.required) unread.pop_front();
    skipped(burst);
  }

  void skipped(const Burst& burst) {
    number++;
    ordinal += burst.count;
  }
};

void random_walk(Random& random, bool drops) {
  const uint32_t largest = random.one_in(2) ? 1500 : 30000;
  const auto image = make_image(random, 1 + random.below(600), largest);
  const uint64_t region = (64 << 10) + random.below(2000) * kLine;
  const uint32_t descriptors = 256u << random.below(8);
  PlannerLimits limits{UINT64_MAX, UINT64_MAX};
  if (random.one_in(2)) limits.laps = 1 + random.below(20);
  if (limits.laps == UINT64_MAX || random.one_in(2)) limits.packets = random.below(20000);
  BurstPlanner planner(*image, region, descriptors, limits);
  Watch watch{*image, region, descriptors, 0, 0, 0, {}};
  Burst burst;
  BurstPlanner::Next next;
  while ((next = planner.next(&burst)) == BurstPlanner::Next::burst && !failing()) {
    watch.burst(burst);
    if (drops && random.one_in(4)) {
      planner.drop(burst);
      watch.skipped(burst);
    } else {
      planner.commit(burst);
      watch.committed(burst);
    }
  }
  CHECK(next == BurstPlanner::Next::end);
  uint64_t wanted = limits.packets;
  if (limits.laps != UINT64_MAX && limits.laps * image->packets() < wanted) wanted = limits.laps * image->packets();
  CHECK_EQUAL(planner.ordinal(), wanted);
  CHECK_EQUAL(planner.lap(), wanted / image->packets());
  const Burst mark = planner.mark();
  CHECK(mark.mark && mark.count == 0);
  watch.burst(mark);
}

void walks_keep_all_promises() {
  Random random(50);
  for (uint32_t round = 0; round < rounds(300) && !failing(); round++) random_walk(random, false);
}

void dropped_bursts_leave_their_room_free() {
  Random random(51);
  for (uint32_t round = 0; round < rounds(300) && !failing(); round++) random_walk(random, true);
}

/* Two planners over the same image and geometry agree, whatever else they were asked between: threads depend on it. */
void planning_is_deterministic() {
  Random random(52);
  const auto image = make_image(random, 500, 9000);
  BurstPlanner one(*image, 1 << 17, 4096, {5, UINT64_MAX}), other(*image, 1 << 17, 4096, {5, UINT64_MAX});
  Burst a, b;
  while (one.next(&a) == BurstPlanner::Next::burst) {
    CHECK(one.next(&a) == BurstPlanner::Next::burst); /* asking twice changes nothing */
    CHECK(other.next(&b) == BurstPlanner::Next::burst);
    CHECK(a.number == b.number && a.position == b.position && a.first == b.first && a.count == b.count);
    CHECK(a.region_offset == b.region_offset && a.required == b.required && a.lap == b.lap && a.end_of_lap == b.end_of_lap);
    one.commit(a);
    other.commit(b);
  }
  CHECK(other.next(&b) == BurstPlanner::Next::end);
}

/* A live image: wait for packets, then one mark where the lap turned out to have ended. */
void a_live_lap_ends_with_a_mark() {
  const auto image = empty_image();
  BurstPlanner planner(*image, 1 << 16, 1024, {2, UINT64_MAX});
  Burst burst;
  CHECK(planner.next(&burst) == BurstPlanner::Next::wait);
  for (uint32_t i = 0; i < 3; i++) append(*image, Bytes(60), FrameKind::ethernet, i);
  CHECK(planner.next(&burst) == BurstPlanner::Next::burst);
  CHECK(burst.count == 3 && !burst.end_of_lap && !burst.mark);
  planner.commit(burst);
  CHECK(planner.next(&burst) == BurstPlanner::Next::wait);
  image->complete();
  CHECK(planner.next(&burst) == BurstPlanner::Next::burst);
  CHECK(burst.count == 0 && burst.end_of_lap && burst.mark);
  planner.commit(burst);
  CHECK(planner.next(&burst) == BurstPlanner::Next::burst);
  CHECK(burst.lap == 1 && burst.first == 0 && burst.count == 3 && burst.end_of_lap && burst.position == 4 && burst.ordinal == 3);
  planner.commit(burst);
  CHECK(planner.next(&burst) == BurstPlanner::Next::end);
}

void too_large_packets_and_empty_images_are_told() {
  const auto image = empty_image();
  append(*image, Bytes(40000), FrameKind::ethernet, 0);
  BurstPlanner planner(*image, 1 << 16, 1024, {1, UINT64_MAX});
  Burst burst;
  CHECK(planner.next(&burst) == BurstPlanner::Next::too_large);
  const auto nothing = empty_image();
  nothing->complete();
  BurstPlanner idle(*nothing, 1 << 16, 1024, {UINT64_MAX, UINT64_MAX});
  CHECK(idle.next(&burst) == BurstPlanner::Next::end);
}

}  // namespace

extern const std::vector<Test> planner_tests;
const std::vector<Test> planner_tests = {
    {"planner: bursts cover the trace, never cross the end, never overlap what is unread", walks_keep_all_promises},
    {"planner: the same with dropped bursts", dropped_bursts_leave_their_room_free},
    {"planner: is deterministic", planning_is_deterministic},
    {"planner: a live lap ends with a mark", a_live_lap_ends_with_a_mark},
    {"planner: too large packets and empty images are told", too_large_packets_and_empty_images_are_told},
};

}  // namespace model_t::test
