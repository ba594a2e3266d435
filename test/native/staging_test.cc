/* Packets that a device makes, through the engine to readers of every policy: whole, in order, and read nowhere after they were given back. */
#include "staged.h"

namespace model_t::test {

namespace {

constexpr Unique kUniques[] = {Unique::flow, Unique::packet, Unique::off};
constexpr Insert kInserts[] = {Insert::push, Insert::pull};

StagedSetup some_setup(Random& random, Insert insert, uint32_t buffers) {
  StagedSetup setup;
  setup.image = make_image(random, 1 + random.below(700), random.one_in(3) ? 9000 : 1500);
  setup.plan = make_plan(random, random.pick(kUniques));
  setup.insert = insert;
  setup.buffers = buffers;
  setup.copies = 1 + random.below(4);
  setup.streamed = random.one_in(3);
  setup.options.wait_readers = 1;
  setup.options.limits.laps = 1 + random.below(6);
  if (random.one_in(3)) setup.options.limits.packets = random.below(static_cast<uint32_t>(3 * setup.image->packets()));
  return setup;
}

std::string described(const StagedSetup& setup) {
  return std::string(setup.insert == Insert::push ? "push, " : "pull, ") + std::to_string(setup.buffers) + " buffers of " +
         std::to_string(setup.batch_bytes) + ", " + std::to_string(setup.copies) + " copies of " + std::to_string(setup.image->packets()) + " packets";
}

uint64_t wanted_packets(const StagedSetup& setup) {
  const PlannerLimits& limits = setup.options.limits;
  return std::min(limits.packets, limits.laps == UINT64_MAX ? UINT64_MAX : limits.laps * setup.image->packets());
}

void expect_whole_stream(StagedReplay& replay) {
  replay.start();
  const Followed followed = replay.follow({});
  const EngineOutcome outcome = replay.join();
  const std::string what = described(replay.setup());
  const uint64_t packets = wanted_packets(replay.setup());
  CHECK_FOR(followed.end == MODEL_T_END, what + ": " + followed.error);
  CHECK_FOR(outcome.offered == packets && followed.delivered == packets && followed.lost == 0 && outcome.dropped == 0,
            what + ": offered " + std::to_string(outcome.offered) + ", delivered " + std::to_string(followed.delivered));
  CHECK_FOR(outcome.stopped == Stopped::end && outcome.error.empty(), what + ": " + outcome.error);
  const TraceImage& image = *replay.setup().image;
  uint64_t slots = 0;
  for (uint64_t i = 0; i < packets; i++) slots += image.slot_offsets()[i % image.packets() + 1] - image.slot_offsets()[i % image.packets()];
  CHECK_EQUAL(replay.engine().host_copied_bytes(), replay.setup().insert == Insert::push ? 0 : slots);
}

void streams_equal_the_reference() {
  Random random(120);
  for (uint32_t round = 0; round < rounds(20); round++) {
    for (const Insert insert : kInserts) {
      for (uint32_t buffers = 1; buffers <= 6 && !failing(); buffers++) {
        StagedReplay replay(some_setup(random, insert, buffers), random);
        expect_whole_stream(replay);
      }
    }
  }
}

/* More descriptors than a batch has packets, and far fewer; one packet a batch; as many buffers as there are regions. */
void extreme_geometries_work() {
  Random random(121);
  for (const Insert insert : kInserts) {
    for (const uint64_t region : {uint64_t{64} << 10, uint64_t{4} << 20}) {
      for (const uint32_t buffers : {1u, MODEL_T_REGIONS - 1}) {
        for (const uint64_t batch : {uint64_t{0}, uint64_t{1} << 20}) {
          StagedSetup setup = some_setup(random, insert, buffers);
          setup.image = make_image(random, 300, 1500);
          setup.batch_bytes = batch ? batch : 1600;
          setup.region_bytes = region;
          setup.options.limits = {batch ? 60u : 4u, UINT64_MAX};
          StagedReplay replay(setup, random);
          expect_whole_stream(replay);
        }
      }
    }
  }
}

void tiny_traces_repeat() {
  Random random(122);
  for (const Insert insert : kInserts) {
    for (const uint32_t packets : {1u, 2u, 255u, 257u}) {
      StagedSetup setup = some_setup(random, insert, 2);
      setup.image = make_image(random, packets, 200);
      setup.copies = 1 + random.below(40);
      setup.options.limits = {rounds(3000) / packets + 3, UINT64_MAX};
      StagedReplay replay(setup, random);
      expect_whole_stream(replay);
    }
  }
}

/* What is given back is overwritten at once (see drive()): a batch must wait for the slowest block reader. */
void slow_readers_keep_their_batches() {
  Random random(123);
  for (const Insert insert : kInserts) {
    StagedSetup setup = some_setup(random, insert, 3);
    setup.image = make_image(random, 800, 1500);
    setup.options.limits = {settings.quick ? 4u : 20u, UINT64_MAX};
    setup.options.wait_readers = 3;
    StagedReplay replay(setup, random);
    Followed fast, slow, small;
    Joining one([&] { fast = replay.follow({}); });
    Joining two([&] { slow = replay.follow({MODEL_T_BLOCK, 256, 300, UINT64_MAX}); });
    Joining three([&] { small = replay.follow({MODEL_T_BLOCK, 1, 0, UINT64_MAX}); });
    replay.start();
    const EngineOutcome outcome = replay.join();
    one.join();
    two.join();
    three.join();
    for (const Followed* followed : {&fast, &slow, &small}) {
      CHECK(followed->end == MODEL_T_END && followed->delivered == outcome.offered && outcome.offered == wanted_packets(setup));
    }
  }
}

/* Lag readers are not waited for: what they read meanwhile may have been given back, and they are told. */
void slow_lag_readers_are_told() {
  Random random(124);
  for (const Insert insert : kInserts) {
    for (const bool with_block : {false, true}) {
      StagedSetup setup = some_setup(random, insert, 2);
      setup.image = make_image(random, 800, 1500);
      setup.options.limits = {settings.quick ? 40u : 150u, UINT64_MAX};
      setup.options.wait_readers = with_block ? 2 : 1;
      StagedReplay replay(setup, random);
      Followed lag, block;
      Joining slow([&] { lag = replay.follow({MODEL_T_LAG, 256, 2000, UINT64_MAX}); });
      Joining fast([&] { if (with_block) block = replay.follow({}); });
      replay.start();
      const EngineOutcome outcome = replay.join();
      slow.join();
      fast.join();
      CHECK(lag.end == MODEL_T_END && lag.delivered + lag.lost == outcome.offered && lag.delivered > 0);
      if (!with_block) CHECK(lag.lost > 0);
      if (with_block) CHECK_EQUAL(block.delivered, outcome.offered);
    }
  }
}

void drop_readers_are_for_pull() {
  Random random(125);
  StagedSetup setup = some_setup(random, Insert::pull, 3);
  setup.image = make_image(random, 800, 1500);
  setup.options.limits = {settings.quick ? 40u : 150u, UINT64_MAX};
  {
    StagedReplay replay(setup, random);
    replay.start();
    const Followed followed = replay.follow({MODEL_T_DROP, 256, 2000, UINT64_MAX});
    const EngineOutcome outcome = replay.join();
    CHECK(followed.end == MODEL_T_END && followed.delivered + outcome.dropped == outcome.offered && outcome.dropped > 0);
    CHECK_EQUAL(outcome.offered, wanted_packets(setup));
  }
  setup.insert = Insert::push;
  StagedReplay replay(setup, random);
  replay.start();
  model_t_reader reader{};
  replay.ring().map_reader(&reader);
  CHECK_EQUAL(model_t_ring_join(&reader, MODEL_T_DROP, 10000), -1);
}

/* Readers that leave, and readers that lie about their cursor, hold no batch. */
void readers_that_go_hold_nothing() {
  Random random(126);
  for (const Insert insert : kInserts) {
    StagedSetup setup = some_setup(random, insert, 2);
    setup.options.limits = {UINT64_MAX, UINT64_MAX};
    setup.options.wait_readers = 2;
    StagedReplay replay(setup, random);
    Followed honest;
    Joining reads([&] { honest = replay.follow({}); });
    replay.start();
    model_t_reader liar;
    if (!join_ring(replay.ring(), &liar, MODEL_T_BLOCK)) return;
    model_t_packet packet;
    CHECK(wait_until([&] { return model_t_ring_receive(&liar, &packet, 1) == 1; }));
    __atomic_store_n(&liar.slot->tail, 1ull << 40, __ATOMIC_RELEASE);
    const uint64_t before = replay.offered();
    CHECK(wait_until([&] { return replay.offered() > before + 3000; }));
    const Followed guest = replay.follow({MODEL_T_BLOCK, 64, 0, 500});
    CHECK(guest.delivered >= 500 && guest.end == 0);
    CHECK(wait_until([&] { return replay.offered() > before + 6000; }));
    replay.engine().stop();
    const EngineOutcome outcome = replay.join();
    reads.join();
    CHECK(honest.end == MODEL_T_END && honest.delivered == outcome.offered && outcome.stopped == Stopped::interrupted);
  }
}

/* At any moment: before the first packet, in the middle, while everybody waits for everybody. */
void any_end_at_any_time() {
  Random random(127);
  for (uint32_t round = 0; round < rounds(120) && !failing(); round++) {
    StagedSetup setup = some_setup(random, random.pick(kInserts), 1 + random.below(4));
    setup.options.limits = {random.one_in(3) ? 2 : UINT64_MAX, UINT64_MAX};
    StagedReplay replay(setup, random);
    const uint32_t nap = random.one_in(3) ? 500 : 0;
    Followed followed;
    Joining reads([&] { followed = replay.follow({MODEL_T_BLOCK, 256, nap, UINT64_MAX}); });
    replay.start();
    const uint32_t* const state = &replay.ring().readers()[0].state;
    CHECK(wait_until([&] { return __atomic_load_n(state, __ATOMIC_ACQUIRE) >= MODEL_T_READER_ATTACHED || replay.engine().done(); }));
    if (!random.one_in(4)) CHECK(wait_until([&] { return replay.offered() > 0 || replay.engine().done(); }));
    usleep(random.below(2000));
    const uint32_t how = random.below(4);
    if (how == 0) replay.engine().stop();
    else if (how == 1) replay.engine().abort();
    else if (how == 2) replay.engine().fail("the device is gone");
    else replay.engine().stop(), replay.engine().fail("too late to matter"), replay.engine().abort();
    const EngineOutcome outcome = replay.join();
    reads.join();
    const std::string what = described(setup) + ", how " + std::to_string(how) + ": " + followed.error + outcome.error;
    if (outcome.stopped == Stopped::end) {
      CHECK_FOR(outcome.offered == wanted_packets(setup), what);
    } else {
      CHECK_FOR(outcome.stopped == (how == 2 ? Stopped::failed : Stopped::interrupted), what);
      CHECK_FOR(outcome.error == (how == 2 ? "the device is gone" : ""), what);
    }
    if (how == 0) CHECK_FOR(followed.delivered == outcome.offered, what);
    else CHECK_FOR(followed.delivered <= outcome.offered, what);
  }
}

void a_duration_ends_a_device_that_never_delivers() {
  Random random(128);
  StagedSetup setup = some_setup(random, Insert::push, 2);
  setup.options.limits = {UINT64_MAX, UINT64_MAX};
  setup.options.duration_ns = 20 * 1000 * 1000;
  setup.options.wait_readers = 0;
  {
    StagedReplay replay(setup, random);
    replay.start_engine(); /* no device */
    CHECK(replay.join().stopped == Stopped::duration);
    CHECK_EQUAL(replay.join().offered, uint64_t{0});
  }
  StagedReplay replay(setup, random);
  replay.start();
  CHECK(replay.join().stopped == Stopped::duration && replay.join().offered > 0);
}

/* Plans cover the replay without gap, whatever the layout; nothing is planned into a buffer in flight. */
void plans_cover_the_replay() {
  Random random(129);
  for (uint32_t round = 0; round < rounds(200) && !failing(); round++) {
    const auto image = make_image(random, 1 + random.below(200), 3000);
    const auto device = make_device(image, make_plan(random, random.pick(kUniques)));
    const auto layout = cut_anywhere(*device, 1 + random.below(5), random);
    const StagingMemory memory(1 + random.below(4), 64);
    const StagingConfig config{random.pick(kInserts), memory.buffers(), device->largest_slot() + random.below(20000), random.one_in(2)};
    Staging staging(*device, layout, config, {1 + random.below(9), random.one_in(2) ? UINT64_MAX : random.below(2000)});
    std::vector<Segment> segments;
    Batch batch;
    uint64_t ordinal = 0, in_flight = 0, number = 0;
    while (staging.plan(&batch, &segments)) {
      CHECK(batch.first == ordinal && batch.number == number && batch.slot == number % config.buffers.size() && batch.bytes <= config.batch_bytes);
      number++;
      uint64_t bytes = 0;
      for (const Segment& segment : segments) {
        const DeviceTile& tile = layout->tiles[segment.tile];
        CHECK(segment.packets > 0 && segment.packet + segment.packets <= tile.packets && segment.source_offset + segment.bytes <= tile.bytes);
        CHECK(segment.target_offset == bytes && segment.lap == ordinal / image->packets() && segment.index_in_lap == ordinal % image->packets());
        CHECK(segment.row4 + segment.rows4 <= tile.rows4 && segment.row6 + segment.rows6 <= tile.rows6);
        bytes += segment.bytes;
        ordinal += segment.packets;
      }
      CHECK(ordinal == batch.end && bytes == batch.bytes && (!config.streamed || segments.size() == 1));
      /* All is changed before anything is copied: a batch must not come round to its own beginning. */
      CHECK(batch.end - batch.first <= layout->copies * image->packets());
      in_flight++;
      CHECK(in_flight <= config.buffers.size());
      if (in_flight < config.buffers.size()) continue;
      CHECK(!staging.more() || !staging.plan(&batch, &segments));
      CHECK_EQUAL(staging.publish(config.buffers[(number - in_flight) % config.buffers.size()], config.batch_bytes), std::string());
      staging.reclaim();
      in_flight--;
    }
    CHECK(!staging.more());
  }
}

void publishing_out_of_order_is_refused() {
  Random random(130);
  const auto image = make_image(random, 200, 1500);
  const auto device = make_device(image, {});
  const StagingMemory memory(2, 4096);
  Staging staging(*device, cut_anywhere(*device, 1, random), {Insert::push, memory.buffers(), 4096, false}, {UINT64_MAX, UINT64_MAX});
  Batch batch;
  std::vector<Segment> segments;
  CHECK(!staging.publish(memory.buffers()[0], 4096).empty()); /* nothing is planned */
  CHECK(staging.plan(&batch, &segments) && staging.plan(&batch, &segments));
  CHECK(!staging.publish(memory.buffers()[1], 4096).empty());
  CHECK(!staging.publish(nullptr, 0).empty());
  CHECK(!staging.publish(memory.buffers()[0], 63).empty());
  CHECK(staging.publish(memory.buffers()[0], 4096).empty());
  CHECK(staging.publish(memory.buffers()[1], 4096).empty());
  CHECK(!staging.publish(memory.buffers()[0], 4096).empty());
}

}  // namespace

extern const std::vector<Test> staging_tests;
const std::vector<Test> staging_tests = {
    {"staging: streams equal the reference, push and pull, 1 to 6 buffers", streams_equal_the_reference},
    {"staging: extreme geometries work", extreme_geometries_work},
    {"staging: tiny traces repeat", tiny_traces_repeat},
    {"staging: slow readers keep their batches", slow_readers_keep_their_batches},
    {"staging: lag, slow readers are told", slow_lag_readers_are_told},
    {"staging: drop readers are for pull", drop_readers_are_for_pull},
    {"staging: readers that leave or lie hold nothing", readers_that_go_hold_nothing},
    {"staging: any end at any time", any_end_at_any_time},
    {"staging: a duration ends a device that never delivers", a_duration_ends_a_device_that_never_delivers},
    {"staging: plans cover the replay", plans_cover_the_replay},
    {"staging: publishing out of order is refused", publishing_out_of_order_is_refused},
};

}  // namespace model_t::test
