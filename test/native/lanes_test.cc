/* Lanes: what belongs together stays together and in order, and all lanes together are the replay that one lane would be. */
#include "../../replay/native/lanes.h"

#include <algorithm>
#include <cstring>

#include "replays.h"
#include "talk.h"
#include "witness.h"

namespace model_t::test {

namespace {

constexpr Unique kUniques[] = {Unique::flow, Unique::packet, Unique::off};

void add_tags(Random& random, Bytes& frame) {
  for (uint32_t tags = random.one_in(3) ? 1 + random.below(2) : 0; tags > 0; tags--) {
    const uint8_t tag[] = {0x81, 0, static_cast<uint8_t>(random.below(16)), static_cast<uint8_t>(random.next())};
    frame.insert(frame.begin() + 12, tag, tag + 4);
  }
}

/*
 * Conversations mixed with each other, in both directions and under whatever tags, datagrams in fragments between some of the
 * same addresses, and one frame in eight of every other sort, damaged or not an IP packet.
 */
std::shared_ptr<TraceImage> make_traffic(Random& random, uint32_t packets) {
  const auto image = empty_image();
  uint64_t time = 1700000000ull * 1000000000;
  const auto add = [&](Bytes frame, FrameKind kind) {
    append(*image, frame, kind, time);
    time += random.below(2000) - 100;
  };
  while (image->packets() < packets) {
    const bool six = random.one_in(3);
    const uint32_t host = random.below(60);
    if (random.one_in(8)) {
      FrameTraits traits;
      Bytes frame = make_frame(random, &traits);
      if (random.one_in(2)) frame = damage(random, std::move(frame));
      if (random.one_in(4)) frame.resize(std::min<size_t>(frame.size(), random.below(60)));
      add(frame, random.one_in(6) ? FrameKind::opaque : FrameKind::ethernet);
    } else if (host < 4) {
      auto parts = fragments_of(random, datagram(six, host, random.below(65536), Bytes(random.below(600) + 9)), random.below(65536));
      shuffle(random, parts);
      for (Packet& part : parts) {
        if (random.one_in(6)) continue;
        add_tags(random, part.bytes);
        add(part.bytes, FrameKind::ethernet);
      }
    } else {
      const Talk talk{six, random.one_in(8) ? random.below(4) : host, 40000 + random.below(3), random.one_in(4) ? 40001u : 80u};
      Bytes frame = talk.segment(random.one_in(2), random.below(1000), 0, kAckFlag, noise(random, random.below(random.one_in(8) ? 1400 : 40))).bytes;
      add_tags(random, frame);
      add(frame, FrameKind::ethernet);
    }
  }
  image->complete();
  return image;
}

std::shared_ptr<TraceImage> any_image(Random& random) {
  const uint32_t packets = 1 + random.below(900);
  switch (random.below(4)) {
    case 0: return make_image(random, packets, 4000);
    case 1: return make_small_image(random, packets);
    default: return make_traffic(random, packets);
  }
}

std::unique_ptr<Mutation> compile(const MutationPlan& plan, const TraceImage& image) {
  std::string error;
  std::unique_ptr<Mutation> mutation = Mutation::create(plan, image, &error);
  if (!check(mutation != nullptr && mutation->extend_to(image.packets()), __FILE__, __LINE__, error)) abort();
  return mutation;
}

Steering steer_or_fail(const TraceImage& image, uint32_t lanes, uint64_t seed) {
  std::string error;
  auto steering = steer(image, lanes, seed, &error);
  if (!check(steering.has_value(), __FILE__, __LINE__, error)) abort();
  return *std::move(steering);
}

std::vector<Lane> split_or_fail(const TraceImage& image, const Mutation& mutation, const Steering& steering) {
  std::string error;
  std::vector<Lane> lanes = split(image, mutation, steering, &error);
  if (!check(!lanes.empty(), __FILE__, __LINE__, error)) abort();
  return lanes;
}

/* Every packet is in one lane, in order, with all that is known of it; loads say what there is. */
void expect_parts(const TraceImage& image, const Steering& steering, const std::vector<Lane>& lanes) {
  std::vector<uint32_t> owner(image.packets(), UINT32_MAX);
  for (uint32_t lane = 0; lane < lanes.size() && !failing(); lane++) {
    const TraceImage& part = *lanes[lane].image;
    CHECK(part.is_complete() && part.packets() == lanes[lane].packets.size() && (part.packets() > 0 || image.packets() == 0));
    CHECK(std::is_sorted(lanes[lane].packets.begin(), lanes[lane].packets.end()));
    CHECK_EQUAL(steering.loads[lane].packets, part.packets());
    CHECK_EQUAL(steering.loads[lane].bytes, part.frame_bytes());
    CHECK_EQUAL(steering.loads[lane].slot_bytes, part.slot_offsets()[part.packets()]);
    for (uint64_t i = 0; i < part.packets() && !failing(); i++) {
      const uint64_t from = lanes[lane].packets[i];
      CHECK_EQUAL(owner[from], UINT32_MAX);
      owner[from] = lane;
      CHECK_EQUAL(steering.lane_of[from], lane);
      const uint64_t bytes = image.slot_offsets()[from + 1] - image.slot_offsets()[from];
      CHECK_EQUAL(part.slot_offsets()[i + 1] - part.slot_offsets()[i], bytes);
      CHECK(memcmp(part.slots() + part.slot_offsets()[i], image.slots() + image.slot_offsets()[from], bytes) == 0);
      CHECK(part.shapes()[i].length == image.shapes()[from].length && part.shapes()[i].offset == part.slot_offsets()[i]);
      CHECK(part.times_ns()[i] == image.times_ns()[from] && part.kinds()[i] == image.kinds()[from]);
      CHECK_EQUAL(part.original_lengths()[i], image.original_lengths()[from]);
    }
  }
  CHECK(std::find(owner.begin(), owner.end(), UINT32_MAX) == owner.end());
}

void what_belongs_together_is_in_one_lane() {
  Random random(50);
  uint32_t apart = 0;
  for (uint32_t round = 0; round < rounds(60) && !failing(); round++) {
    const auto image = any_image(random);
    const Steering steering = steer_or_fail(*image, 1 + random.below(random.one_in(8) ? kMostLanes : 6), random.next());
    expect_parts(*image, steering, split_or_fail(*image, *compile({}, *image), steering));
    OrderWitness witness(*image);
    for (uint64_t i = 0; i < image->packets(); i++) witness.take(steering.lane_of[i], i);
    witness.expect_all(image->packets());
    apart += steering.loads.size() > 1;
  }
  CHECK(apart > rounds(60) / 3);
}

/* The other direction of a flow, under another tag, and never by addresses alone: flows of one pair of hosts spread. */
void flows_of_two_hosts_spread_until_there_is_a_fragment() {
  Random random(51);
  for (const bool six : {false, true}) {
    for (const bool fragments : {false, true}) {
      const auto image = empty_image();
      for (uint32_t port = 0; port < 200; port++) {
        const Talk talk{six, 7, 1000 + port, 80};
        for (const bool back : {false, true}) append(*image, talk.segment(back, 1, 1, kAckFlag, "x").bytes, FrameKind::ethernet, port);
      }
      const Packet whole = datagram(six, 7, 1, Bytes(100));
      if (fragments) append(*image, fragment_of(whole, 48, 40, true, 5).bytes, FrameKind::ethernet, 0);
      image->complete();
      const Steering steering = steer_or_fail(*image, 4, random.next());
      CHECK_EQUAL(steering.loads.size(), fragments ? 1u : 4u);
      for (uint64_t i = 0; i < 400; i += 2) CHECK_EQUAL(steering.lane_of[i], steering.lane_of[i + 1]);
    }
  }
}

/*
 * The stack is not told link types: an opaque frame whose bytes read as Ethernet is of the flow it reads as, and a fragment if it
 * reads as one. Opaque frames that read as nothing of the kind stay together.
 */
void opaque_frames_are_what_the_stack_reads() {
  Random random(58);
  for (const bool six : {false, true}) {
    const auto image = empty_image();
    for (uint32_t port = 0; port < 200; port++) {
      const Talk talk{six, 7, 1000 + port, 80};
      append(*image, talk.segment(false, 1, 1, kAckFlag, "x").bytes, FrameKind::ethernet, port);
      append(*image, talk.segment(true, 1, 1, kAckFlag, "x").bytes, FrameKind::opaque, port);
    }
    const std::vector<Packet> parts = fragments_of(datagram(six, 8, 1, Bytes(500)), 8, 5);
    for (const Packet& part : parts) append(*image, part.bytes, image->packets() % 2 ? FrameKind::opaque : FrameKind::ethernet, 200);
    for (uint32_t i = 0; i < 50; i++) append(*image, Bytes(60, static_cast<uint8_t>(i)), FrameKind::opaque, 200);
    image->complete();
    const Steering steering = steer_or_fail(*image, 4, random.next());
    CHECK_EQUAL(steering.loads.size(), 4u);
    for (uint64_t i = 0; i < 400; i += 2) CHECK_EQUAL(steering.lane_of[i], steering.lane_of[i + 1]);
    for (uint64_t i = 400; i < image->packets() - 50; i++) CHECK_EQUAL(steering.lane_of[i], steering.lane_of[400]);
    for (uint64_t i = image->packets() - 50; i < image->packets(); i++) CHECK_EQUAL(steering.lane_of[i], steering.lane_of.back());
  }
}

/* Replica `lap` of all slots of an image. */
Bytes patched(const TraceImage& image, const Mutation& mutation, const ReplayKernels& kernels, uint64_t lap) {
  Bytes slots(image.slots(), image.slots() + image.slot_offsets()[image.packets()]);
  Patch4 job = mutation.patch4_for(lap);
  job.target = slots.data();
  if (!mutation.active()) return slots;
  kernels.patch4(job, 0, mutation.rows4_before(image.packets()));
  mutation.patch6(lap, 0, mutation.rows6_before(image.packets()), 0, slots.data());
  return slots;
}

void a_packet_is_what_it_is_in_the_whole() {
  Random random(52);
  for (uint32_t round = 0; round < rounds(30) && !failing(); round++) {
    const auto image = any_image(random);
    const auto mutation = compile(make_plan(random, random.pick(kUniques)), *image);
    const std::vector<Lane> lanes = split_or_fail(*image, *mutation, steer_or_fail(*image, 1 + random.below(5), random.next()));
    const ReplayKernels& kernels = *find_replay_kernels(random.one_in(2) ? "scalar" : cpu_isas().back().c_str());
    for (const uint64_t lap : {uint64_t{0}, uint64_t{1}, uint64_t{random.below(1 << 30)}}) {
      const Bytes whole = patched(*image, *mutation, kernels, lap);
      for (const Lane& lane : lanes) {
        CHECK_EQUAL(lane.mutation->period_laps(), mutation->period_laps());
        const Bytes part = patched(*lane.image, *lane.mutation, kernels, lap);
        for (uint64_t i = 0; i < lane.packets.size() && !failing(); i++) {
          const uint64_t from = image->slot_offsets()[lane.packets[i]], at = lane.image->slot_offsets()[i];
          CHECK(memcmp(part.data() + at, whole.data() + from, lane.image->slot_offsets()[i + 1] - at) == 0);
        }
      }
    }
  }
}

/* Digest of what bursts of a replay hold, filled as the engine fills them. */
uint64_t filled(const TraceImage& image, Mutation& mutation, PlannerLimits limits, const std::string& isa, uint64_t* packets) {
  std::string error;
  const auto ring = RingMemory::create_private(1 << 16, &error);
  if (!check(ring != nullptr, __FILE__, __LINE__, error)) abort();
  CopyFilling filling(image, mutation, *ring, {find_replay_kernels(isa.c_str()), false, 0});
  BurstPlanner planner(image, ring->region_bytes(), ring->descriptor_count(), limits);
  uint64_t sum = 0;
  *packets = 0;
  for (Burst burst; planner.next(&burst) == BurstPlanner::Next::burst; planner.commit(burst)) {
    CHECK(filling.prepare(burst.first + burst.count));
    filling.fill(burst);
    *packets += burst.count;
    for (uint64_t i = burst.first; i < burst.first + burst.count; i++) {
      const uint64_t at = burst.region_offset + image.slot_offsets()[i] - image.slot_offsets()[burst.first];
      sum += model_t_digest_packet(ring->region() + at + kFrameOffset, image.shapes()[i].length, 0);
    }
  }
  return sum;
}

/* Laps and parts of laps: what lanes deliver adds up to the whole, and each is what the reference says of the lane. */
void digests_add_up() {
  Random random(53);
  for (uint32_t round = 0; round < rounds(30) && !failing(); round++) {
    const auto image = any_image(random);
    const MutationPlan plan = make_plan(random, kUniques[round % 3]);
    const auto mutation = compile(plan, *image);
    const std::vector<Lane> lanes = split_or_fail(*image, *mutation, steer_or_fail(*image, 1 + random.below(7), plan.seed));
    const uint64_t all = image->packets();
    const PlannerLimits limits{1 + random.below(3), random.one_in(3) ? UINT64_MAX : random.below(static_cast<uint32_t>(all * 3))};
    const uint64_t end = std::min(limits.laps * all, limits.packets);
    Reference reference(*image, plan);
    uint64_t sum = 0, packets = 0;
    for (const Lane& lane : lanes) {
      uint64_t count = 0;
      const uint64_t digest = filled(*lane.image, *lane.mutation, lane.limits(limits, all), cpu_isas()[random.below(static_cast<uint32_t>(cpu_isas().size()))], &count);
      reference.select(lane.packets);
      CHECK_EQUAL(digest, reference.digest(0, count, 0));
      sum += digest;
      packets += count;
    }
    reference.select({});
    CHECK_EQUAL(packets, end);
    CHECK_EQUAL(sum, reference.digest(0, end, 0));
  }
}

void limits_are_exact() {
  Random random(54);
  for (uint32_t round = 0; round < rounds(300) && !failing(); round++) {
    const uint32_t all = 1 + random.below(40);
    std::vector<Lane> lanes(1 + random.below(4));
    for (uint32_t i = 0; i < all; i++) lanes[random.below(static_cast<uint32_t>(lanes.size()))].packets.push_back(i);
    const PlannerLimits whole{random.one_in(2) ? UINT64_MAX : random.below(4), random.below(130)};
    for (const Lane& lane : lanes) {
      uint64_t expected = 0;
      for (uint64_t ordinal = 0; ordinal < whole.packets; ordinal++) {
        const bool mine = std::binary_search(lane.packets.begin(), lane.packets.end(), ordinal % all);
        expected += mine && (whole.laps == UINT64_MAX || ordinal / all < whole.laps);
      }
      const PlannerLimits limits = lane.limits(whole, all);
      const uint64_t by_laps = limits.laps == UINT64_MAX ? UINT64_MAX : limits.laps * lane.packets.size();
      CHECK_EQUAL(std::min(limits.packets, by_laps), expected);
      CHECK_EQUAL(limits.laps, whole.laps);
      CHECK_EQUAL(lane.limits({3, UINT64_MAX}, all).packets, UINT64_MAX);
    }
  }
}

/* The lanes' engines side by side: every packet arrives once, whole, with its time in the lap, its flow in order. */
void lanes_replay_the_whole() {
  Random random(55);
  for (uint32_t round = 0; round < rounds(10) && !failing(); round++) {
    const auto image = make_traffic(random, 500);
    const MutationPlan plan = make_plan(random, random.pick(kUniques));
    const std::vector<Lane> lanes = split_or_fail(*image, *compile(plan, *image), steer_or_fail(*image, 3, plan.seed));
    const uint64_t all = image->packets(), span = lap_span(*image);
    const PlannerLimits limits{3, 2 * all + random.below(static_cast<uint32_t>(all))};
    OrderWitness witness(*image);
    const auto play = [&](uint32_t number) {
      const Lane& lane = lanes[number];
      std::string error;
      const auto ring = RingMemory::create_private(1 << 16, &error);
      ProducerBlock statistics{};
      CopyFilling filling(*lane.image, *lane.mutation, *ring, {find_replay_kernels("scalar"), false, 0});
      EngineOptions options;
      options.kernels = find_replay_kernels("scalar");
      options.limits = lane.limits(limits, all);
      options.wait_readers = 1;
      options.time_span_ns = span;
      Engine engine(*lane.image, filling, *ring, options, &statistics);
      model_t_reader reader;
      AgentThreads threads;
      threads.start(engine);
      if (!join_ring(*ring, &reader, MODEL_T_BLOCK)) return;
      Reference reference(*image, plan);
      model_t_packet packets[64];
      for (int count = 0; (count = model_t_ring_receive(&reader, packets, 64)) >= 0 && !failing(); model_t_ring_release(&reader)) {
        for (int i = 0; i < count; i++) {
          const uint64_t lap = packets[i].sequence / lane.packets.size();
          const uint64_t index = lane.packets[packets[i].sequence % lane.packets.size()];
          uint32_t length = 0;
          const uint8_t* wanted = reference.frame(lap * all + index, &length);
          CHECK(packets[i].length == length && memcmp(packets[i].frame, wanted, length) == 0);
          CHECK_EQUAL(packets[i].time_ns, image->times_ns()[index] + lap * span);
          witness.take(number, lap * all + index);
        }
      }
      model_t_ring_detach(&reader);
      threads.join();
    };
    {
      std::vector<std::unique_ptr<Joining>> players;
      for (uint32_t number = 0; number < lanes.size(); number++) players.push_back(std::make_unique<Joining>([&, number] { play(number); }));
    }
    witness.expect_all(limits.packets);
  }
}

/* Greedy dealing is at most one group's weight above the mean; what cannot be divided is not. */
void lanes_are_even() {
  Random random(56);
  for (const uint32_t lanes : {2u, 3u, 8u, 32u}) {
    const auto image = empty_image();
    for (uint32_t i = 0; i < 20000; i++) {
      const Talk talk{random.one_in(4), random.below(3000), 1000 + random.below(20000), 443};
      append(*image, talk.segment(random.one_in(2), 1, 1, kAckFlag, "").bytes, FrameKind::ethernet, i);
    }
    image->complete();
    const Steering steering = steer_or_fail(*image, lanes, random.next());
    CHECK_EQUAL(steering.loads.size(), lanes);
    for (const LaneLoad& load : steering.loads) CHECK_FOR(load.packets * lanes > 19600 && load.packets * lanes < 20400, std::to_string(load.packets));
  }
  const auto heavy = empty_image();
  for (uint32_t i = 0; i < 4000; i++) {
    append(*heavy, Talk{false, 1, 1000 + (i % 4 < 3 ? i % 4 : i), 80}.segment(i & 4, 1, 1, kAckFlag, "").bytes, FrameKind::ethernet, i);
  }
  heavy->complete();
  for (const LaneLoad& load : steer_or_fail(*heavy, 4, random.next()).loads) CHECK_FOR(load.packets >= 960 && load.packets <= 1040, std::to_string(load.packets));
  const auto one = empty_image();
  for (uint32_t i = 0; i < 100; i++) append(*one, Talk{}.segment(i & 1, 1, 1, kAckFlag, "").bytes, FrameKind::ethernet, i);
  one->complete();
  CHECK_EQUAL(steer_or_fail(*one, 8, 1).loads.size(), 1u);
}

void the_same_trace_gives_the_same_lanes() {
  Random random(57);
  const auto image = make_traffic(random, 1000);
  const Steering first = steer_or_fail(*image, 5, 7), again = steer_or_fail(*image, 5, 7), other = steer_or_fail(*image, 5, 8);
  CHECK(first.lane_of == again.lane_of);
  CHECK(first.lane_of != other.lane_of);
}

void what_cannot_be_split_is_one_sentence() {
  std::string error;
  const auto image = empty_image();
  CHECK(!steer(*image, 2, 1, &error) && error == "only a trace that is loaded to its end, of less than 2^32 packets, can be split into lanes");
  image->complete();
  CHECK(!steer(*image, 0, 1, &error) && error == "a trace can be split into 1 to 256 lanes, not 0");
  CHECK(!steer(*image, 257, 1, &error) && error == "a trace can be split into 1 to 256 lanes, not 257");
  const auto lanes = split_or_fail(*image, *compile({}, *image), steer_or_fail(*image, 4, 1));
  CHECK(lanes.size() == 1 && lanes[0].packets.empty() && lanes[0].limits({1, 9}, 0).packets == 9);
}

}  // namespace

extern const std::vector<Test> lane_tests;
const std::vector<Test> lane_tests = {
    {"lanes: what belongs together is in one lane, and nothing is lost", what_belongs_together_is_in_one_lane},
    {"lanes: flows of two hosts spread until there is a fragment", flows_of_two_hosts_spread_until_there_is_a_fragment},
    {"lanes: opaque frames go where the stack's reading of them belongs", opaque_frames_are_what_the_stack_reads},
    {"lanes: a packet is, in every lap, what it is in the whole", a_packet_is_what_it_is_in_the_whole},
    {"lanes: digests add up over laps and parts of laps", digests_add_up},
    {"lanes: limits are exact", limits_are_exact},
    {"lanes: engines side by side replay the whole, in time and in order", lanes_replay_the_whole},
    {"lanes: loads are even where flows allow it", lanes_are_even},
    {"lanes: the same trace gives the same lanes", the_same_trace_gives_the_same_lanes},
    {"lanes: what cannot be split is one sentence", what_cannot_be_split_is_one_sentence},
};

}  // namespace model_t::test
