/* The engine's agents driven by hand: on one thread with their readers, handed over, out of order, and ended in every state. */
#include <sys/wait.h>

#include <algorithm>

#include "../../stack/native/clock.h"
#include "replays.h"

namespace model_t::test {

namespace {

/* Calls before a test gives up: none that works needs a tenth. */
constexpr uint32_t kMostCalls = 3000000;

ReplaySetup setup_for(const TraceImage& image, Random& random, uint32_t readers, uint32_t threads = 1) {
  ReplaySetup setup{&image, make_plan(random, Unique::packet), {}, 64 << 10};
  setup.options.wait_readers = readers;
  setup.options.threads = threads;
  return setup;
}

/* All agents of a replay, called from here. */
struct Hands {
  TestReplay& replay;
  std::vector<bool> finished;
  uint64_t work = 0; /* that the agents say they did */

  explicit Hands(TestReplay& of) : replay(of), finished(of.engine().agents()) { of.engine().start(); }

  int64_t call(uint32_t agent, uint32_t slice) {
    const int64_t done = replay.engine().agent(agent).do_work(slice);
    if (done == kAgentFinished) finished[agent] = true;
    else work += static_cast<uint64_t>(done);
    return done;
  }
  bool all_finished() const { return std::find(finished.begin(), finished.end(), false) == finished.end(); }
  /* Until all agents in turn find nothing to do. */
  void until_stuck() {
    for (bool moved = true; moved;) {
      moved = false;
      for (uint32_t i = 0; i < finished.size(); i++) moved |= call(i, 16) > 0;
    }
  }
  /* Any agent, any slice, and the readers now and then. */
  void until_finished(const std::vector<Follower*>& followers, Random& random) {
    std::vector<bool> over(followers.size());
    for (uint32_t calls = 0; !all_finished() || std::find(over.begin(), over.end(), false) != over.end(); calls++) {
      if (!check(calls < kMostCalls, __FILE__, __LINE__, "the agents do not finish") || failing()) return;
      call(random.below(static_cast<uint32_t>(finished.size())), 1 + random.below(5));
      for (size_t i = 0; i < over.size(); i++) {
        if (!over[i] && random.one_in(2)) over[i] = !followers[i]->poll();
      }
    }
  }
};

/* Frames that fill more than a quarter of the ring each, so that no third burst fits behind two; others in between. */
std::shared_ptr<TraceImage> make_bulky_image(Random& random) {
  const auto image = empty_image();
  for (uint32_t i = 0; i < 60; i++) {
    Bytes frame(random.one_in(5) ? 60 + random.below(1000) : 22000 + random.below(10000));
    random.fill(frame.data(), frame.size());
    append(*image, frame, FrameKind::opaque, i * 1000);
  }
  image->complete();
  return image;
}

void agents_and_readers_share_one_thread() {
  Random random(150);
  for (uint32_t round = 0; round < rounds(40) && !failing(); round++) {
    const auto image = random.one_in(2) ? make_bulky_image(random) : make_image(random, 1 + random.below(900), 4000);
    ReplaySetup setup = setup_for(*image, random, 1, 1 + random.below(4));
    setup.options.limits.laps = 1 + random.below(4);
    setup.options.needs_readers = random.one_in(2);
    setup.resident = random.one_in(5);
    TestReplay replay(setup);
    Hands hands(replay);
    hands.until_stuck(); /* nobody is there */
    CHECK(hands.work == 0 && replay.statistics().phase == 0);
    Follower follower(replay, {MODEL_T_BLOCK, 1 + random.below(256), 0, UINT64_MAX});
    follower.ask();
    hands.until_finished({&follower}, random);
    const EngineOutcome outcome = replay.engine().outcome();
    const Followed followed = follower.leave();
    CHECK_EQUAL(followed.end, MODEL_T_END);
    CHECK(followed.delivered == outcome.offered && outcome.offered == setup.options.limits.laps * image->packets());
    CHECK(hands.work == outcome.offered && outcome.stopped == Stopped::end && replay.engine().done());
  }
}

/* Frames of one slot each: a ring of 64 KiB runs out of bytes and of descriptors together, at 1024. */
std::shared_ptr<TraceImage> make_even_image(uint32_t packets) {
  const auto image = empty_image();
  for (uint32_t i = 0; i < packets; i++) append(*image, Bytes(60), FrameKind::opaque, i);
  image->complete();
  return image;
}

/* At most `slice` bursts in a call; nothing when the ring is full, and the time until it is not any more is counted. */
void a_call_does_its_slice_and_waits_for_nothing() {
  Random random(151);
  const auto image = make_even_image(1000);
  ReplaySetup setup = setup_for(*image, random, 1);
  TestReplay replay(setup);
  Hands hands(replay);
  Follower follower(replay, {MODEL_T_BLOCK, 256, 0, UINT64_MAX});
  follower.ask();
  CHECK_EQUAL(hands.call(0, 0), 0);
  CHECK_EQUAL(hands.call(0, 1), 256);
  CHECK_EQUAL(hands.call(0, 2), 512);
  CHECK_EQUAL(hands.call(0, 16), 232 + 24); /* the lap's last burst, and one up to the end of the region */
  CHECK_EQUAL(hands.call(0, 16), 0);
  CHECK(replay.offered() == 1024 && follower.poll());
  CHECK_EQUAL(hands.call(0, 16), 256);
  const uint64_t before = replay.statistics().wait_cycles, begin = cycles();
  for (int i = 0; i < 1000; i++) CHECK_EQUAL(hands.call(0, 16), 0);
  Follower late(replay, {}); /* is let in all the same */
  late.ask();
  CHECK_EQUAL(hands.call(0, 16), 0);
  CHECK(late.poll() && late.is_in());
  CHECK(follower.poll());
  const uint64_t waited = cycles() - begin;
  CHECK(hands.call(0, 1) > 0);
  CHECK(replay.statistics().wait_cycles - before >= waited);
}

/* Readers of every policy come and go beside one that stays: a lone block reader is looked at in a way of its own. */
void readers_come_and_go_on_one_thread() {
  Random random(152);
  for (uint32_t round = 0; round < rounds(30) && !failing(); round++) {
    const auto image = make_image(random, 400, 3000);
    ReplaySetup setup = setup_for(*image, random, 1, 1 + random.one_in(3));
    setup.options.limits.laps = 40;
    TestReplay replay(setup);
    Hands hands(replay);
    Follower stays(replay, {MODEL_T_BLOCK, 64, 0, UINT64_MAX});
    stays.ask();
    std::vector<std::unique_ptr<Follower>> guests;
    bool over = false;
    for (uint32_t calls = 0; (!over || !hands.all_finished()) && !failing(); calls++) {
      if (!CHECK(calls < kMostCalls)) return;
      hands.call(random.below(setup.options.threads), 1 + random.below(3));
      over = over || (random.one_in(2) && !stays.poll());
      for (const auto& guest : guests) {
        if (random.one_in(3)) CHECK(guest->poll() || over || hands.all_finished() || replay.statistics().phase >= 2);
      }
      if (guests.size() < 3 && random.one_in(40)) {
        guests.push_back(std::make_unique<Follower>(replay, Following{random.one_in(3) ? MODEL_T_LAG : MODEL_T_BLOCK, 32, 0, UINT64_MAX}));
        guests.back()->ask();
      }
      if (!guests.empty() && guests.front()->is_in() && random.one_in(60)) guests.erase(guests.begin());
      if (over) guests.clear();
    }
    const EngineOutcome outcome = replay.engine().outcome();
    const Followed followed = stays.leave();
    CHECK(followed.delivered == outcome.offered && outcome.offered == 40 * image->packets());
  }
}

/* Two threads swap the agents of a run after every call. */
void agents_are_handed_over_in_mid_run() {
  Random random(153);
  for (uint32_t agents = 1; agents <= 2 && !failing(); agents++) {
    const auto image = make_image(random, 700, 3000);
    ReplaySetup setup = setup_for(*image, random, 1, agents);
    setup.options.limits.laps = settings.quick ? 20 : 100;
    TestReplay replay(setup);
    replay.engine().start();
    struct alignas(128) Owner {
      std::atomic<uint32_t> thread{0};
      std::atomic<bool> finished{false};
    } owners[2];
    std::atomic<uint64_t> handed{0};
    const auto caller = [&](uint32_t self) {
      for (uint32_t open = agents; open > 0;) {
        open = 0;
        for (uint32_t i = 0; i < agents; i++) {
          if (owners[i].finished.load(std::memory_order_relaxed)) continue;
          open++;
          if (owners[i].thread.load(std::memory_order_acquire) != self) continue;
          if (replay.engine().agent(i).do_work(2) == kAgentFinished) owners[i].finished.store(true, std::memory_order_relaxed);
          handed.fetch_add(1, std::memory_order_relaxed);
          owners[i].thread.store(1 - self, std::memory_order_release);
        }
        sched_yield();
      }
    };
    Joining one([&] { caller(0); }), two([&] { caller(1); });
    const Followed followed = follow(replay, {});
    one.join();
    two.join();
    const EngineOutcome outcome = replay.engine().outcome();
    CHECK(followed.end == MODEL_T_END && followed.delivered == outcome.offered);
    CHECK_EQUAL(outcome.offered, setup.options.limits.laps * image->packets());
    CHECK(handed > outcome.offered / (2 * kBurstPackets));
  }
}

/* Where a run stands when it is ended; the names of EngineAgent's states. */
enum class Where { readers, packets, room, turn, mark, drain };
enum class How { stop, abort, fail };

/* Drives a run there: what it takes is that somebody does nothing. False with a failed check when that did not work. */
bool bring_to(Where where, TestReplay& replay, Hands& hands, Follower& follower) {
  hands.until_stuck();
  if (where == Where::readers) return CHECK(replay.statistics().phase == 0);
  follower.ask();
  if (where == Where::turn) { /* the second agent fills the second burst, and the first is not made */
    hands.call(0, 0);
    return CHECK(hands.call(1, 1) > 0 && hands.call(1, 1) == 0 && replay.offered() == 0);
  }
  hands.until_stuck();
  if (where == Where::mark) { /* its descriptor is taken by a packet that nobody has read */
    replay.engine().stop();
    hands.until_stuck();
  }
  if (where == Where::packets) return CHECK(replay.statistics().phase == 1 && replay.offered() == 0);
  const uint32_t phase = where == Where::room ? 1 : 2;
  const uint32_t state = where == Where::drain ? MODEL_T_RING_ENDED : MODEL_T_RING_OPEN;
  return CHECK(replay.statistics().phase == phase && replay.ring().header()->state == state && replay.offered() > 0);
}

void ends_in(Where where, How how, Random& random) {
  const auto image = where == Where::packets ? empty_image() : where == Where::mark ? make_even_image(1024) : make_image(random, 600, 1500);
  const uint32_t agents = where == Where::turn ? 2 : where == Where::packets ? 1 : 1 + random.below(3);
  ReplaySetup setup = setup_for(*image, random, 1, agents);
  if (where == Where::drain) setup.options.limits.packets = 10;
  TestReplay replay(setup);
  Hands hands(replay);
  Follower follower(replay, {});
  if (!bring_to(where, replay, hands, follower)) return;
  if (how == How::stop) replay.engine().stop();
  else if (how == How::abort) replay.engine().abort();
  else replay.engine().fail("the lights went out");
  std::vector<Follower*> followers;
  if (where != Where::readers) followers.push_back(&follower);
  hands.until_finished(followers, random);
  const EngineOutcome outcome = replay.engine().outcome();
  const Followed followed = follower.leave();
  const std::string what = "state " + std::to_string(static_cast<int>(where)) + ", how " + std::to_string(static_cast<int>(how));
  CHECK_FOR(replay.engine().done() && replay.statistics().phase == 3, what);
  const bool whole = how == How::stop || where == Where::drain;
  CHECK_FOR(replay.ring().header()->state == (whole ? MODEL_T_RING_ENDED : MODEL_T_RING_ABORTED), what);
  CHECK_FOR(outcome.stopped == (how == How::fail && where != Where::mark ? Stopped::failed : Stopped::interrupted), what);
  if (where == Where::readers) return;
  CHECK_FOR(followed.end == (whole ? MODEL_T_END : MODEL_T_DIED), what + ": " + followed.error);
  CHECK_FOR(whole ? followed.delivered == outcome.offered : followed.delivered <= outcome.offered, what);
}

void every_state_can_be_ended() {
  Random random(154);
  for (const Where where : {Where::readers, Where::packets, Where::room, Where::turn, Where::mark, Where::drain}) {
    for (const How how : {How::stop, How::abort, How::fail}) ends_in(where, how, random);
  }
}

/* Agents that are never called again: whoever reads must not wait for them. */
void an_engine_that_goes_away_aborts_its_stream() {
  Random random(155);
  const auto image = make_image(random, 300, 1500);
  std::string error;
  const auto ring = RingMemory::create_private(64 << 10, &error);
  const auto mutation = Mutation::create({}, *image, &error);
  if (!check(ring && mutation && mutation->extend_to(image->packets()), __FILE__, __LINE__, error)) return;
  CopyFilling filling(*image, *mutation, *ring, {find_replay_kernels("scalar"), false, 0});
  ProducerBlock statistics{};
  EngineOptions options;
  options.kernels = find_replay_kernels("scalar");
  {
    Engine engine(*image, filling, *ring, options, &statistics);
    engine.start();
    CHECK(engine.agent(0).do_work(1) > 0 && ring->header()->state == MODEL_T_RING_OPEN);
  }
  CHECK_EQUAL(ring->header()->state, static_cast<uint32_t>(MODEL_T_RING_ABORTED));
  { const Engine never_started(*image, filling, *ring, options, &statistics); }
}

void nobody_needs_to_read() {
  Random random(156);
  for (uint32_t agents = 1; agents <= 3; agents++) {
    const auto image = make_image(random, 700, 3000);
    ReplaySetup setup = setup_for(*image, random, 0, agents);
    setup.options.limits.laps = 10;
    TestReplay replay(setup);
    Hands hands(replay);
    hands.until_finished({}, random);
    const EngineOutcome outcome = replay.engine().outcome();
    CHECK(outcome.offered == 10 * image->packets() && hands.work == outcome.offered && outcome.stopped == Stopped::end);
    CHECK(outcome.floor > 0 && outcome.floor < outcome.head && outcome.head == outcome.offered);
  }
}

/* A process id that no process has any more. */
int32_t dead_process() {
  const pid_t child = fork();
  if (child == 0) _exit(0);
  waitpid(child, nullptr, 0);
  return child;
}

/* Dead readers are evicted within a second, whatever the agent is waiting for, with nothing but calls to the agent. */
void a_dead_reader_is_noticed(Where where) {
  Random random(157);
  const auto image = make_image(random, 600, 1500);
  ReplaySetup setup = setup_for(*image, random, 1);
  setup.options.needs_readers = where != Where::readers;
  if (where == Where::drain) setup.options.limits.packets = 10;
  TestReplay replay(setup);
  Hands hands(replay);
  Follower follower(replay, {});
  model_t_reader_slot& slot = replay.ring().readers()[0];
  const int32_t dead = dead_process();
  if (where == Where::readers) {
    follower.ask();
    __atomic_store_n(&slot.pid, dead, __ATOMIC_RELAXED);
    hands.until_stuck();
    CHECK(replay.statistics().phase == 0 && slot.state == MODEL_T_READER_FREE); /* it is not taken for a reader */
    return;
  }
  if (!bring_to(where, replay, hands, follower)) return;
  __atomic_store_n(&slot.pid, dead, __ATOMIC_RELAXED);
  const uint64_t begin = now_ns();
  while (!hands.all_finished() && now_ns() - begin < 5ull * 1000 * 1000 * 1000) hands.call(0, 16);
  CHECK(hands.all_finished() && now_ns() - begin < 1ull * 1000 * 1000 * 1000);
  CHECK(replay.engine().outcome().stopped == Stopped::reader_died);
  CHECK_EQUAL(replay.reports()[0].state, static_cast<uint32_t>(MODEL_T_READER_DIED));
}

}  // namespace

extern const std::vector<Test> engine_agent_tests;
const std::vector<Test> engine_agent_tests = {
    {"agents: share one thread with their readers, in any order of calls", agents_and_readers_share_one_thread},
    {"agents: a call does its slice, and waits for nothing", a_call_does_its_slice_and_waits_for_nothing},
    {"agents: readers come and go on the same thread", readers_come_and_go_on_one_thread},
    {"agents: are handed over in mid-run", agents_are_handed_over_in_mid_run},
    {"agents: every state can be ended", every_state_can_be_ended},
    {"agents: an engine that goes away aborts its stream", an_engine_that_goes_away_aborts_its_stream},
    {"agents: nobody needs to read", nobody_needs_to_read},
    {"agents: a reader that dies while they wait for it to join is none", [] { a_dead_reader_is_noticed(Where::readers); }},
    {"agents: a reader that dies while they wait for room ends the run", [] { a_dead_reader_is_noticed(Where::room); }},
    {"agents: a reader that dies while they drain is not waited for", [] { a_dead_reader_is_noticed(Where::drain); }},
};

}  // namespace model_t::test
