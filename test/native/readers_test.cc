/* Readers of all policies, fast and slow, that come and go, die and lie; and for each policy the sum that must hold. */
#include "replays.h"

namespace model_t::test {

namespace {

ReplaySetup endless(const TraceImage& image, Random& random, uint32_t readers) {
  ReplaySetup setup{&image, make_plan(random, Unique::flow), {}, 64 << 10};
  setup.options.wait_readers = readers;
  return setup;
}

/* delivered + lost + dropped = offered, for a reader that was there from the first packet to the last. */
void expect_conserved(const Followed& followed, const EngineOutcome& outcome) {
  CHECK_EQUAL(followed.end, MODEL_T_END);
  CHECK_EQUAL(followed.delivered + followed.lost + outcome.dropped, outcome.offered);
}

void block_readers_fast_and_slow_see_everything() {
  Random random(70);
  const auto image = make_image(random, 800, 1500);
  for (uint32_t threads = 1; threads <= 2; threads++) {
    ReplaySetup setup = endless(*image, random, 3);
    setup.options.threads = threads;
    setup.options.limits.laps = settings.quick ? 4 : 20;
    TestReplay replay(setup);
    Followed fast, slow, small;
    Joining one([&] { fast = follow(replay, {}); });
    Joining two([&] { slow = follow(replay, {MODEL_T_BLOCK, 256, 300, UINT64_MAX}); });
    Joining three([&] { small = follow(replay, {MODEL_T_BLOCK, 1, 0, UINT64_MAX}); });
    replay.start();
    const EngineOutcome outcome = replay.join();
    one.join();
    two.join();
    three.join();
    CHECK_EQUAL(outcome.offered, setup.options.limits.laps * image->packets());
    for (const Followed* followed : {&fast, &slow, &small}) {
      expect_conserved(*followed, outcome);
      CHECK_EQUAL(followed->delivered, outcome.offered);
    }
    for (const ReaderReport& report : replay.reports()) CHECK_EQUAL(report.delivered, outcome.offered);
  }
}

void drop_readers_lose_nothing_silently() {
  Random random(71);
  const auto image = make_image(random, 800, 1500);
  for (const uint32_t nap : {0u, 2000u}) {
    ReplaySetup setup = endless(*image, random, 1);
    setup.options.limits.laps = settings.quick ? 40 : 200;
    TestReplay replay(setup);
    replay.start();
    const Followed followed = follow(replay, {MODEL_T_DROP, 256, nap, UINT64_MAX});
    const EngineOutcome outcome = replay.join();
    expect_conserved(followed, outcome);
    CHECK_EQUAL(followed.lost, uint64_t{0});
    CHECK_EQUAL(outcome.offered, setup.options.limits.laps * image->packets());
    if (nap) CHECK(outcome.dropped > 0 && followed.delivered > 0);
  }
}

void lag_readers_are_told_what_they_lost() {
  Random random(72);
  const auto image = make_image(random, 800, 1500);
  for (const uint32_t nap : {0u, 2000u}) {
    for (uint32_t threads = 1; threads <= 2; threads++) {
      ReplaySetup setup = endless(*image, random, 1);
      setup.options.threads = threads;
      setup.options.limits.laps = settings.quick ? 40 : 200;
      TestReplay replay(setup);
      replay.start();
      const Followed followed = follow(replay, {MODEL_T_LAG, 256, nap, UINT64_MAX});
      const EngineOutcome outcome = replay.join();
      expect_conserved(followed, outcome);
      CHECK_EQUAL(outcome.dropped, uint64_t{0});
      if (nap) CHECK(followed.lost > 0 && followed.delivered > 0);
    }
  }
}

void a_slow_lag_reader_does_not_disturb_a_block_reader() {
  Random random(73);
  const auto image = make_image(random, 800, 1500);
  ReplaySetup setup = endless(*image, random, 2);
  setup.options.limits.laps = settings.quick ? 40 : 200;
  TestReplay replay(setup);
  Followed slow;
  Joining lag([&] { slow = follow(replay, {MODEL_T_LAG, 256, 2000, UINT64_MAX}); });
  replay.start();
  const Followed block = follow(replay, {});
  const EngineOutcome outcome = replay.join();
  lag.join();
  expect_conserved(block, outcome);
  expect_conserved(slow, outcome);
  CHECK_EQUAL(block.delivered, outcome.offered);
}

void threads_and_resident_payload_refuse_drop_readers() {
  Random random(74);
  const auto image = make_image(random, 300, 1500);
  for (const bool resident : {false, true}) {
    ReplaySetup setup = endless(*image, random, 1);
    setup.options.threads = resident ? 1 : 2;
    setup.resident = resident;
    TestReplay replay(setup);
    replay.start();
    model_t_reader reader{};
    model_t_reader_map(&reader, replay.ring().header(), replay.ring().header());
    CHECK_EQUAL(model_t_ring_join(&reader, MODEL_T_DROP, 10000), -1);
    CHECK(std::string(reader.error).find("policy") != std::string::npos);
    replay.engine().abort();
    replay.join();
  }
}

/* Readers join, read a while and leave, over and over, while one stays: everybody sees consecutive packets. */
void readers_come_and_go() {
  Random random(75);
  const auto image = make_image(random, 500, 1500);
  ReplaySetup setup = endless(*image, random, 1);
  setup.options.threads = 2;
  TestReplay replay(setup);
  Followed staying;
  Joining stays([&] { staying = follow(replay, {}); });
  CHECK(wait_until([&] { return __atomic_load_n(&replay.ring().header()->join_requests, __ATOMIC_ACQUIRE) == 1; }));
  replay.start();
  uint64_t earlier = 0;
  for (uint32_t i = 0; i < 10 && !failing(); i++) {
    const Followed guest = follow(replay, {MODEL_T_BLOCK, 64, 0, 1000});
    CHECK(guest.end == 0 && guest.delivered >= 1000 && guest.delivered < 1064);
    CHECK_EQUAL(guest.last - guest.first + 1, guest.delivered);
    CHECK(i == 0 || guest.first >= earlier);
    earlier = guest.last;
  }
  replay.engine().stop();
  const EngineOutcome outcome = replay.join();
  stays.join();
  CHECK(outcome.stopped == Stopped::interrupted);
  expect_conserved(staying, outcome);
  CHECK_EQUAL(staying.delivered, outcome.offered);
  CHECK(staying.first == 0);
}

/* Whoever leaves and comes back at once, possibly into the same slot, has two accounts, and both are kept. */
void leaving_and_rejoining_at_once_keeps_both_accounts() {
  Random random(76);
  const auto image = make_image(random, 500, 1500);
  ReplaySetup setup = endless(*image, random, 1);
  TestReplay replay(setup);
  replay.start();
  uint64_t sum = 0;
  for (uint32_t i = 0; i < 5; i++) sum += follow(replay, {MODEL_T_BLOCK, 64, 0, 500}).delivered;
  replay.engine().stop();
  replay.join();
  uint64_t reported = 0;
  for (const ReaderReport& report : replay.reports()) {
    CHECK_EQUAL(report.state, static_cast<uint32_t>(MODEL_T_READER_DETACHED));
    reported += report.delivered;
  }
  CHECK_EQUAL(replay.reports().size(), size_t{5});
  CHECK_EQUAL(reported, sum);
}

/* A reader whose cursor is impossible is not waited for, is called faulty, and does not hurt the honest one. */
void a_lying_reader_is_found_out(bool backwards) {
  Random random(77);
  const auto image = make_image(random, 500, 1500);
  ReplaySetup setup = endless(*image, random, 2);
  TestReplay replay(setup);
  Followed honest;
  Joining reads([&] { honest = follow(replay, {}); });
  replay.start();
  model_t_reader liar;
  if (!join_ring(replay.ring(), &liar, MODEL_T_BLOCK)) return;
  model_t_packet packets[64];
  uint64_t seen = 0;
  while (seen < 2000) {
    const int count = model_t_ring_receive(&liar, packets, 64);
    if (!CHECK(count >= 0)) break;
    seen += static_cast<uint64_t>(count);
    if (count) model_t_ring_release(&liar);
  }
  const uint64_t lie = backwards ? liar.tail - 1500 : __atomic_load_n(&replay.ring().header()->head, __ATOMIC_ACQUIRE) + 1000000;
  __atomic_store_n(&liar.slot->tail, lie, __ATOMIC_RELEASE);
  const uint64_t before = replay.offered();
  CHECK(wait_until([&] { return replay.offered() > before + 20000; })); /* the run goes on without it */
  CHECK_EQUAL(__atomic_load_n(&liar.slot->state, __ATOMIC_ACQUIRE), static_cast<uint32_t>(MODEL_T_READER_FAULTY));
  replay.engine().stop();
  const EngineOutcome outcome = replay.join();
  reads.join();
  expect_conserved(honest, outcome);
  uint32_t faulty = 0;
  for (const ReaderReport& report : replay.reports()) faulty += report.state == MODEL_T_READER_FAULTY;
  CHECK_EQUAL(faulty, 1u);
}

/* A run that needs its readers ends when the last one leaves without being at the end. */
void the_last_reader_leaving_ends_the_run() {
  Random random(78);
  const auto image = make_image(random, 500, 1500);
  ReplaySetup setup = endless(*image, random, 1);
  setup.options.needs_readers = true;
  TestReplay replay(setup);
  replay.start();
  follow(replay, {MODEL_T_BLOCK, 64, 0, 500});
  CHECK(replay.join().stopped == Stopped::reader_died);
}

void aborting_tells_the_reader() {
  Random random(79);
  const auto image = make_image(random, 500, 1500);
  TestReplay replay(endless(*image, random, 1));
  Followed followed;
  Joining reads([&] { followed = follow(replay, {}); });
  replay.start();
  CHECK(wait_until([&] { return replay.offered() > 1000; }));
  replay.engine().abort();
  replay.join();
  reads.join();
  CHECK_EQUAL(followed.end, MODEL_T_DIED);
  CHECK(followed.error.find("aborted") != std::string::npos);
}

void a_duration_ends_the_run_and_readers_drain() {
  Random random(80);
  const auto image = make_image(random, 500, 1500);
  ReplaySetup setup = endless(*image, random, 1);
  setup.options.duration_ns = 50 * 1000 * 1000;
  setup.options.threads = 2;
  TestReplay replay(setup);
  replay.start();
  const Followed followed = follow(replay, {});
  const EngineOutcome outcome = replay.join();
  CHECK(outcome.stopped == Stopped::duration && outcome.offered > 0);
  expect_conserved(followed, outcome);
}

}  // namespace

extern const std::vector<Test> reader_tests;
const std::vector<Test> reader_tests = {
    {"readers: block, fast and slow, see everything", block_readers_fast_and_slow_see_everything},
    {"readers: drop, nothing is lost silently", drop_readers_lose_nothing_silently},
    {"readers: lag, told what they lost", lag_readers_are_told_what_they_lost},
    {"readers: lag, a slow one does not disturb a block reader", a_slow_lag_reader_does_not_disturb_a_block_reader},
    {"readers: drop is refused with threads and with resident payload", threads_and_resident_payload_refuse_drop_readers},
    {"readers: come and go", readers_come_and_go},
    {"readers: leaving and rejoining at once keeps both accounts", leaving_and_rejoining_at_once_keeps_both_accounts},
    {"readers: a tail beyond the head is found out", [] { a_lying_reader_is_found_out(false); }},
    {"readers: a tail that goes backwards is found out", [] { a_lying_reader_is_found_out(true); }},
    {"readers: the last one leaving ends the run", the_last_reader_leaving_ends_the_run},
    {"readers: aborting tells them", aborting_tells_the_reader},
    {"readers: a duration ends the run, and they drain", a_duration_ends_the_run_and_readers_drain},
};

}  // namespace model_t::test
