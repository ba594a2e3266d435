/* The native engine end to end: the whole delivered stream is what the reference says, for every way of making it. */
#include "paths.h"
#include "replays.h"

namespace model_t::test {

namespace {

constexpr Unique kUniques[] = {Unique::flow, Unique::packet, Unique::off};

std::string described(const ReplaySetup& setup) {
  return std::string(setup.options.kernels->isa) + ", " + std::to_string(setup.options.threads) + " threads, region " +
         std::to_string(setup.region_bytes) + (setup.resident ? ", resident" : ", copy");
}

/* One run with one block reader, which must see every packet. */
void expect_whole_stream(const ReplaySetup& setup, uint64_t packets) {
  TestReplay replay(setup);
  replay.start();
  const Followed followed = follow(replay, {});
  const EngineOutcome outcome = replay.join();
  const std::string what = described(replay.setup());
  CHECK_FOR(followed.end == MODEL_T_END, what + ": " + followed.error);
  CHECK_FOR(outcome.offered == packets && followed.delivered == packets && followed.lost == 0 && outcome.dropped == 0,
            what + ": offered " + std::to_string(outcome.offered) + ", delivered " + std::to_string(followed.delivered));
  CHECK_FOR(packets == 0 || (followed.first == 0 && followed.last + 1 == packets), what);
  CHECK_FOR(outcome.laps == packets / setup.image->packets() && followed.laps_ended == outcome.laps, what);
  CHECK_FOR(outcome.stopped == Stopped::end && outcome.error.empty(), what + ": " + outcome.error);
  uint64_t bytes = 0;
  for (uint64_t i = 0; i < packets; i++) bytes += setup.image->shapes()[i % setup.image->packets()].length;
  CHECK_FOR(outcome.bytes == bytes, what);
}

/* Every combination of ISA, threads, ring size and payload, each with an image, plan and uniqueness of its own. */
void streams_equal_the_reference() {
  Random random(60);
  constexpr uint64_t kRegions[] = {64 << 10, 192 << 10, 1 << 20, 4 << 20};
  for (uint32_t round = 0; round < rounds(10); round++) {
    for (const std::string& isa : cpu_isas()) {
      for (uint32_t threads = 1; threads <= 3; threads++) {
        for (const bool resident : {false, true}) {
          const auto image = make_image(random, 1 + random.below(1500), 20000);
          ReplaySetup setup{image.get(), make_plan(random, random.pick(kUniques)), {}, random.pick(kRegions)};
          setup.options.kernels = find_replay_kernels(isa.c_str());
          setup.options.threads = threads;
          setup.resident = resident;
          setup.options.wait_readers = 1;
          setup.options.limits.laps = 1 + random.below(4);
          expect_whole_stream(setup, setup.options.limits.laps * image->packets());
          exercised().insert("engine/" + isa);
          if (failing()) return;
        }
      }
    }
  }
}

/* Bursts of one-line frames only take a path of their own. */
void bursts_of_small_frames_equal_the_reference() {
  Random random(66);
  for (uint32_t round = 0; round < rounds(20); round++) {
    for (const std::string& isa : cpu_isas()) {
      const auto image = make_small_image(random, 1 + random.below(1200));
      ReplaySetup setup{image.get(), make_plan(random, random.pick(kUniques)), {}, 64 << 10};
      setup.options.kernels = find_replay_kernels(isa.c_str());
      setup.options.threads = 1 + random.below(3);
      setup.resident = random.one_in(4);
      setup.options.wait_readers = 1;
      setup.options.limits.laps = 3;
      expect_whole_stream(setup, 3 * image->packets());
      if (failing()) return;
    }
  }
}

void small_traces_repeat_over_many_laps() {
  Random random(61);
  for (uint32_t packets : {1u, 2u, 7u, 255u, 256u, 257u}) {
    const auto image = make_image(random, packets, 200);
    for (const bool resident : {false, true}) {
      ReplaySetup setup{image.get(), make_plan(random, Unique::packet), {}, 64 << 10};
      setup.options.threads = 2;
      setup.resident = resident;
      setup.options.wait_readers = 1;
      setup.options.limits.laps = rounds(4000) / packets + 3;
      expect_whole_stream(setup, setup.options.limits.laps * packets);
    }
  }
}

void a_packet_limit_cuts_in_the_middle_of_a_lap() {
  Random random(62);
  const auto image = make_image(random, 700, 1500);
  for (const uint64_t limit : {uint64_t{0}, uint64_t{1}, uint64_t{256}, uint64_t{699}, uint64_t{700}, uint64_t{701}, uint64_t{1500}}) {
    ReplaySetup setup{image.get(), make_plan(random, Unique::flow), {}, 128 << 10};
    setup.options.threads = 1 + random.below(3);
    setup.options.wait_readers = 1;
    setup.options.limits.packets = limit;
    expect_whole_stream(setup, limit);
  }
}

/* stdin: the engine runs while packets arrive, and the second lap starts when no more come. */
void a_live_image_is_replayed_as_it_grows() {
  Random random(63);
  const auto source = make_image(random, 600, 1500);
  const auto image = empty_image();
  ReplaySetup setup{image.get(), make_plan(random, Unique::flow), {}, 64 << 10};
  setup.options.wait_readers = 1;
  setup.options.limits.laps = 2;
  TestReplay replay(setup);
  replay.start();
  Joining loader([&] {
    for (uint64_t i = 0; i < source->packets(); i++) {
      const uint8_t* frame = source->slots() + source->slot_offsets()[i] + kFrameOffset;
      const Bytes bytes(frame, frame + source->shapes()[i].length);
      append(*image, bytes, static_cast<FrameKind>(source->kinds()[i]), source->times_ns()[i]);
      if (i % 64 == 0) usleep(300);
    }
    image->complete();
  });
  model_t_reader reader;
  if (!join_ring(replay.ring(), &reader, MODEL_T_BLOCK)) return;
  std::vector<Bytes> seen;
  model_t_packet packets[64];
  int count;
  while ((count = model_t_ring_receive(&reader, packets, 64)) >= 0) {
    for (int i = 0; i < count; i++) {
      CHECK_EQUAL(packets[i].sequence, static_cast<uint32_t>(seen.size()));
      seen.emplace_back(packets[i].frame, packets[i].frame + packets[i].length);
    }
    if (count) model_t_ring_release(&reader);
  }
  model_t_ring_detach(&reader);
  loader.join();
  CHECK_EQUAL(count, MODEL_T_END);
  CHECK_EQUAL(replay.join().offered, 2 * source->packets());
  CHECK_EQUAL(seen.size(), 2 * source->packets());
  Reference reference(*image, setup.plan);
  for (uint64_t i = 0; i < seen.size(); i++) {
    uint32_t length;
    const uint8_t* frame = reference.frame(i, &length);
    CHECK_FOR(seen[i] == Bytes(frame, frame + length), "packet " + std::to_string(i));
  }
}

/* The container's digest and counts against the reference, with all operations in it. */
void a_container_sees_what_the_reference_says() {
  Random random(64);
  for (const std::string& isa : cpu_isas()) {
    for (uint32_t lines = 0; lines <= 2; lines++) {
      const auto image = make_image(random, 900, 4000);
      ReplaySetup setup{image.get(), make_plan(random, Unique::flow), {}, 96 << 10};
      setup.options.kernels = find_replay_kernels(isa.c_str());
      setup.options.threads = 1 + lines;
      setup.options.limits.laps = 3;
      setup.options.wait_readers = 1;
      setup.options.needs_readers = true;
      TestReplay replay(setup);
      PathOptions options;
      options.kernels = find_stack_kernels(isa.c_str());
      options.digest_lines = lines;
      for (const char* name : {"eth", "ip4", "ip6", "tcp", "udp", "checksum-verify", "count"}) options.program.records.push_back(step(name, isa));
      PathRig rig(replay.ring(), options);
      rig.place(placement_of(rig.path()));
      replay.start();
      rig.start();
      const EngineOutcome outcome = replay.join();
      CHECK(rig.join());
      const PathOutcome& seen = rig.path().outcome();
      CHECK_FOR(!seen.failed, seen.error);
      CHECK(seen.delivered == outcome.offered && seen.bytes == outcome.bytes && seen.lost == 0);
      CHECK_FOR(seen.digest == Reference(*image, setup.plan).digest(0, outcome.offered, lines), isa);
      CHECK(rig.operation(8).verdicts[0] == outcome.offered && rig.operation(8).verdicts[1] == outcome.bytes);
      for (int i = 0; i < 6; i++) { /* verdicts of every operation but `count` add up to the packets */
        uint64_t sum = 0;
        const OperationBlock operation = rig.operation(2 + static_cast<uint32_t>(i));
        for (const uint64_t verdict : operation.verdicts) sum += verdict;
        CHECK_EQUAL(sum, outcome.offered);
        CHECK_EQUAL(operation.packets, outcome.offered);
      }
    }
  }
}

void an_unknown_operation_is_refused() {
  Random random(65);
  const auto image = make_image(random, 10, 200);
  TestReplay replay({image.get(), {}, {}, 64 << 10});
  PathOptions options;
  options.kernels = find_stack_kernels("scalar");
  options.program.records.push_back(step("ip5", "scalar"));
  const PathRig rig(replay.ring(), options);
  CHECK(!rig.made() && rig.error().find("ip5") != std::string::npos);
}

}  // namespace

extern const std::vector<Test> engine_tests;
const std::vector<Test> engine_tests = {
    {"engine: the stream equals the reference, for every ISA, thread count, ring size and payload", streams_equal_the_reference},
    {"engine: bursts of small frames equal the reference", bursts_of_small_frames_equal_the_reference},
    {"engine: small traces repeat over many laps", small_traces_repeat_over_many_laps},
    {"engine: a packet limit cuts in the middle of a lap", a_packet_limit_cuts_in_the_middle_of_a_lap},
    {"engine: a live image is replayed as it grows", a_live_image_is_replayed_as_it_grows},
    {"engine: a container sees what the reference says", a_container_sees_what_the_reference_says},
    {"engine: an unknown operation is refused", an_unknown_operation_is_refused},
};

}  // namespace model_t::test
