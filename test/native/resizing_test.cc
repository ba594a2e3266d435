/*
 * Rings that change their size while packets flow, at random moments, under readers of every policy: every packet is held to the
 * reference, every account must balance, and the C header's reader never sees a window that is not that of its positions.
 */
#include <sys/wait.h>

#include <algorithm>

#include "../../stack/native/clock.h"
#include "replays.h"

namespace model_t::test {

namespace {

/* Another size at every few looks, whatever the ring does. */
class RandomSizes final : public SizePolicy {
 public:
  RandomSizes(uint32_t seed, std::vector<uint64_t> sizes) : random_(seed), sizes_(std::move(sizes)), wanted_(sizes_[0]) {}
  uint64_t look(const RingView& view) override {
    CHECK(view.consumed <= view.published && view.now_ns >= seen_.now_ns && view.bytes >= seen_.bytes && view.waited_ns >= seen_.waited_ns);
    seen_ = view;
    if (random_.one_in(2)) wanted_ = sizes_[random_.below(static_cast<uint32_t>(sizes_.size()))];
    return wanted_;
  }
  void resized(const RingView& view) override {
    CHECK_EQUAL(view.consumed, view.published);
    made++;
  }
  void put_off(const RingView&) override { __atomic_fetch_add(&put_offs, 1, __ATOMIC_RELAXED); }
  RingReason reason() const override { return RingReason::larger; }

  uint64_t made = 0;
  uint64_t put_offs = 0;

 private:
  Random random_;
  const std::vector<uint64_t> sizes_;
  uint64_t wanted_;
  RingView seen_;
};

const std::vector<uint64_t> kSizes = {64 << 10, 128 << 10, 192 << 10, 1 << 20};

ReplaySetup resizing(const TraceImage& image, Random& random, uint32_t readers, RandomSizes& sizes) {
  ReplaySetup setup{&image, make_plan(random, Unique::flow), {}, 1 << 20};
  setup.options.wait_readers = readers;
  setup.options.limits.laps = UINT64_MAX;
  setup.options.self_sizing = true;
  setup.options.start_bytes = 64 << 10;
  setup.options.size_policy = &sizes;
  return setup;
}

void expect_conserved(const Followed& followed, const EngineOutcome& outcome) {
  CHECK_EQUAL(followed.end, MODEL_T_END);
  CHECK_EQUAL(followed.delivered + followed.lost + outcome.dropped, outcome.offered);
}

/* Runs until that is so, or for two seconds: a busy machine must not make the test long, only thin. A few changes there must be. */
EngineOutcome run_until(TestReplay& replay, const std::function<bool()>& enough, uint64_t least = 2) {
  replay.start();
  const uint64_t end = now_ns() + 2ull * 1000 * 1000 * 1000;
  CHECK(wait_until([&] { return enough() || failing() || (now_ns() > end && replay.resizes() >= least); }));
  replay.engine().stop();
  return replay.join();
}

/* Runs until the ring has changed its size so often. */
EngineOutcome run_a_while(TestReplay& replay, uint64_t changes) {
  return run_until(replay, [&] { return replay.resizes() >= changes; });
}

uint64_t wanted_changes() { return settings.quick ? 30 : 100; }

void block_readers_see_everything() {
  Random random(500);
  const auto image = make_image(random, 800, 1500);
  RandomSizes sizes(501, kSizes);
  TestReplay replay(resizing(*image, random, 3, sizes));
  Followed fast, slow, small;
  Joining one([&] { fast = follow(replay, {}); });
  Joining two([&] { slow = follow(replay, {MODEL_T_BLOCK, 256, 100, UINT64_MAX}); });
  Joining three([&] { small = follow(replay, {MODEL_T_BLOCK, 7, 0, UINT64_MAX}); });
  const EngineOutcome outcome = run_a_while(replay, wanted_changes());
  one.join();
  two.join();
  three.join();
  for (const Followed* followed : {&fast, &slow, &small}) {
    expect_conserved(*followed, outcome);
    CHECK_EQUAL(followed->delivered, outcome.offered);
  }
  CHECK_EQUAL(sizes.made, replay.resizes());
}

/* Drop readers are not waited for: some changes find them behind and are put off. */
void drop_readers_lose_nothing_silently() {
  Random random(510);
  const auto image = make_image(random, 800, 1500);
  for (const uint32_t nap : {0u, 300u}) {
    RandomSizes sizes(511, kSizes);
    TestReplay replay(resizing(*image, random, 1, sizes));
    Followed followed;
    Joining reads([&] { followed = follow(replay, {MODEL_T_DROP, 256, nap, UINT64_MAX}); });
    const auto both = [&] { return __atomic_load_n(&sizes.put_offs, __ATOMIC_RELAXED) >= 20 && (nap || replay.resizes() >= 2); };
    /* A reader that is always behind is a reason to put changes off, for as long as it likes: none need be made. */
    const EngineOutcome outcome = run_until(replay, both, 0);
    reads.join();
    expect_conserved(followed, outcome);
    CHECK_EQUAL(followed.lost, uint64_t{0});
    CHECK(outcome.dropped > 0);
  }
}

/* Lag readers may be anywhere when the window changes, asleep in the middle of a burst too. */
void lag_readers_are_told_what_they_lost() {
  Random random(520);
  const auto image = make_image(random, 800, 1500);
  for (const uint32_t nap : {0u, 50u, 2000u}) {
    RandomSizes sizes(521, kSizes);
    TestReplay replay(resizing(*image, random, 1, sizes));
    Followed followed;
    Joining reads([&] { followed = follow(replay, {MODEL_T_LAG, 64, nap, UINT64_MAX}); });
    const EngineOutcome outcome = run_a_while(replay, 3 * wanted_changes());
    reads.join();
    expect_conserved(followed, outcome);
    CHECK_EQUAL(outcome.dropped, uint64_t{0});
    CHECK(followed.delivered > 0);
    if (nap) CHECK(followed.lost > 0);
  }
}

void lag_readers_do_not_disturb_block_readers() {
  Random random(530);
  const auto image = make_image(random, 800, 1500);
  RandomSizes sizes(531, kSizes);
  TestReplay replay(resizing(*image, random, 3, sizes));
  Followed block, lag, slow;
  Joining one([&] { block = follow(replay, {}); });
  Joining two([&] { lag = follow(replay, {MODEL_T_LAG, 16, 0, UINT64_MAX}); });
  Joining three([&] { slow = follow(replay, {MODEL_T_LAG, 256, 1000, UINT64_MAX}); });
  const EngineOutcome outcome = run_a_while(replay, wanted_changes());
  one.join();
  two.join();
  three.join();
  for (const Followed* followed : {&block, &lag, &slow}) expect_conserved(*followed, outcome);
  CHECK_EQUAL(block.delivered, outcome.offered);
}

/* Whoever comes late starts in the window that is in use at that moment. */
void late_readers_join_the_window_in_use() {
  Random random(540);
  const auto image = make_image(random, 500, 1500);
  RandomSizes sizes(541, kSizes);
  TestReplay replay(resizing(*image, random, 1, sizes));
  Followed staying;
  Joining stays([&] { staying = follow(replay, {}); });
  CHECK(wait_until([&] { return __atomic_load_n(&replay.ring().header()->join_requests, __ATOMIC_ACQUIRE) == 1; }));
  replay.start();
  for (uint32_t i = 0; (i < rounds(30) || replay.resizes() < 4) && !failing(); i++) {
    const Followed guest = follow(replay, {MODEL_T_BLOCK, 64, 0, 2000});
    CHECK(guest.end == 0 && guest.delivered >= 2000 && guest.lost == 0);
  }
  replay.engine().stop();
  const EngineOutcome outcome = replay.join();
  stays.join();
  CHECK_EQUAL(staying.delivered, outcome.offered);
  CHECK(sizes.made >= 4);
}

/* A block reader that stands still in the middle of it must not keep the producer from filling the ring that there is. */
void a_reader_that_stands_still_puts_changes_off() {
  Random random(550);
  const auto image = make_image(random, 500, 1500);
  RandomSizes sizes(551, {1 << 20, 64 << 10});
  TestReplay replay(resizing(*image, random, 1, sizes));
  replay.start();
  model_t_reader reader;
  if (!join_ring(replay.ring(), &reader, MODEL_T_BLOCK)) return;
  model_t_packet packet;
  uint64_t put_off = 0;
  for (int round = 0; round < 20 && put_off == 0; round++) {
    while (model_t_ring_receive(&reader, &packet, 1) == 0) {
    }
    usleep(10000); /* holds one packet all the while */
    model_t_ring_release(&reader);
    put_off = __atomic_load_n(&sizes.put_offs, __ATOMIC_RELAXED);
    for (uint64_t i = 0; i < 20000; i++) {
      if (model_t_ring_receive(&reader, &packet, 1) > 0) model_t_ring_release(&reader);
    }
  }
  CHECK(put_off > 0);
  replay.engine().abort();
  replay.join();
  model_t_ring_detach(&reader);
}

struct Read {
  uint64_t delivered = 0;
  uint64_t digest = 0;
  int end = 0;
};

/* Another process, with nothing but the C header: attaches by name, hashes everything, and tells through a pipe. */
Read read_by_name(const char* name) {
  Read read;
  model_t_reader reader;
  if (model_t_ring_attach(&reader, name, MODEL_T_BLOCK, 10000) != 0) return read;
  model_t_packet packets[100];
  while ((read.end = model_t_ring_receive(&reader, packets, 100)) >= 0) {
    for (int i = 0; i < read.end; i++) read.digest += model_t_digest_packet(packets[i].frame, packets[i].length, 0);
    if (read.end) model_t_ring_release(&reader);
  }
  read.delivered = reader.delivered;
  return read;
}

void readers_in_other_processes_see_everything() {
  Random random(560);
  const auto image = make_image(random, 800, 1500);
  RandomSizes sizes(561, kSizes);
  ReplaySetup setup = resizing(*image, random, 2, sizes);
  setup.ring_name = "test." + std::to_string(getpid()) + ".resizing";
  int pipes[2];
  CHECK(pipe(pipes) == 0);
  pid_t children[2];
  for (pid_t& child : children) { /* before there are threads */
    child = fork();
    if (child != 0) continue;
    const Read read = read_by_name(setup.ring_name.c_str());
    _exit(write(pipes[1], &read, sizeof read) == sizeof read ? 0 : 1);
  }
  TestReplay replay(setup);
  const EngineOutcome outcome = run_a_while(replay, wanted_changes());
  Reference reference(*image, setup.plan);
  const uint64_t wanted = reference.digest(0, outcome.offered, 0);
  for (const pid_t child : children) {
    Read read;
    CHECK(::read(pipes[0], &read, sizeof read) == static_cast<ssize_t>(sizeof read));
    CHECK_EQUAL(read.end, MODEL_T_END);
    CHECK_EQUAL(read.delivered, outcome.offered);
    CHECK_EQUAL(read.digest, wanted);
    int status = -1;
    CHECK(waitpid(child, &status, 0) == child && WIFEXITED(status) && WEXITSTATUS(status) == 0);
  }
  close(pipes[0]);
  close(pipes[1]);
}

/* What the log says: rising times, sizes that were asked for, the first one the start; bounded however often a ring changes. */
void events_are_kept_and_bounded() {
  Random random(570);
  const auto image = make_image(random, 300, 200);
  RandomSizes sizes(571, {64 << 10, 128 << 10});
  ReplaySetup setup = resizing(*image, random, 1, sizes);
  TestReplay replay(setup);
  Followed followed;
  Joining reads([&] { followed = follow(replay, {MODEL_T_LAG, 256, 0, UINT64_MAX}); });
  const uint64_t changes = settings.quick ? 50 : kMostRingEvents + kMostRingEvents / 4;
  run_a_while(replay, changes);
  reads.join();
  const std::vector<RingEvent> events = replay.engine().ring_events();
  const uint64_t made = replay.resizes();
  CHECK(events.size() <= kMostRingEvents && events.size() >= std::min<size_t>(made + 1, kMostRingEvents / 2));
  CHECK(events[0].reason == RingReason::start && events[0].bytes == 64 << 10);
  for (size_t i = 1; i < events.size(); i++) {
    CHECK(events[i].time_ns >= events[i - 1].time_ns && (events[i].bytes == 64 << 10 || events[i].bytes == 128 << 10));
  }
}

}  // namespace

extern const std::vector<Test> resizing_tests;
const std::vector<Test> resizing_tests = {
    {"resizing: block readers see everything", block_readers_see_everything},
    {"resizing: drop readers lose nothing silently", drop_readers_lose_nothing_silently},
    {"resizing, lag, readers are told what they lost", lag_readers_are_told_what_they_lost},
    {"resizing, lag, readers do not disturb block readers", lag_readers_do_not_disturb_block_readers},
    {"resizing: late readers join the window in use", late_readers_join_the_window_in_use},
    {"resizing: a reader that stands still puts changes off", a_reader_that_stands_still_puts_changes_off},
    {"resizing: readers in other processes see everything", readers_in_other_processes_see_everything},
    {"resizing, lag, events are kept and bounded", events_are_kept_and_bounded},
};

}  // namespace model_t::test
