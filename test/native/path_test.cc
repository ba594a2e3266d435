/*
 * Paths: whatever the placement, and however often and at what moment it changes, the same rows come out as of one container,
 * in the order of the packets, and nothing is lost. MODEL_T_STRESS_SECONDS=N puts threads off their stride for so long.
 */
#include <unistd.h>

#include <algorithm>
#include <cstdlib>

#include "../../stack/native/clock.h"
#include "../../stack/native/prefetch_agent.h"
#include "path_traffic.h"
#include "replays.h"

namespace model_t::test {

namespace {

constexpr uint64_t kRegion = 256 << 10; /* 128 slots of Feed */

std::unique_ptr<RingMemory> make_ring(uint64_t bytes = kRegion) {
  std::string error;
  std::unique_ptr<RingMemory> ring = RingMemory::create_private(bytes, &error);
  if (!check(ring != nullptr, __FILE__, __LINE__, error)) abort();
  return ring;
}

/* A ring, a feed in a thread of its own or as the path's source, a sink, and a path in `containers`. */
struct Run {
  std::unique_ptr<RingMemory> ring = make_ring();
  Feed feed;
  RowSink sink;
  ContainerBlock feed_block{};
  std::unique_ptr<PathRig> rig;
  std::unique_ptr<Container> feeder;

  Run(const ProgramPlan& plan, const std::vector<Packet>& packets, uint64_t laps, PathOptions options, bool source = false, uint32_t burst = kBurstCapacity)
      : feed(*ring, packets, laps, burst), sink(plan.needs) {
    options.program = plan;
    options.sink = &sink;
    if (source) options.source = &feed;
    rig = std::make_unique<PathRig>(*ring, options);
    if (!source) feeder = std::make_unique<Container>(ContainerOptions{"test feed", -1, "yield", 1}, std::vector<Agent*>{&feed}, &feed_block);
    CHECK_FOR(rig->made(), rig->error());
  }
  Path& path() { return rig->path(); }
  void start(const std::string& idle = "yield", Agent* extra = nullptr) {
    std::string error;
    if (feeder) CHECK_FOR(feeder->start(&error), error);
    rig->start(idle, extra);
  }
  bool join() {
    const bool good = rig->join();
    if (feeder && !good) feeder->stop();
    if (feeder) feeder->join();
    return good;
  }
};

PathOptions in_containers(uint32_t count) {
  PathOptions options;
  options.containers = count;
  return options;
}

/* Against the program run without a path, over as many packets. */
void check_run(Run& run, const Said& said, const std::string& what) {
  const PathOutcome& outcome = run.path().outcome();
  CHECK_FOR(!outcome.failed && outcome.delivered == run.feed.offered() && outcome.lost == 0, what + outcome.error);
  CHECK_FOR(run.sink.ordered, what);
  CHECK_FOR(run.rig->block().disordered == 0, what);
  CHECK_FOR(run.sink.rows == said.rows && run.sink.hash == said.hash, what + std::to_string(run.sink.rows) + " rows of " + std::to_string(said.rows));
  CHECK_FOR(run.rig->verdicts() == said.verdicts, what);
  CHECK_FOR(outcome.digest == said.digest && outcome.bytes == said.bytes, what);
  CHECK_FOR(run.rig->block().delivered == outcome.delivered && run.rig->block().bytes == outcome.bytes && run.rig->block().in_flight == 0, what);
}

void check_run(Run& run, const ProgramPlan& plan, const std::vector<Packet>& packets, const std::string& what) {
  check_run(run, said_of(plan, packets, run.feed.offered()), what);
}

void every_placement_gives_the_same() {
  Random random(500);
  const std::vector<Packet> packets = make_traffic(random);
  for (const Pipeline& pipeline : pipelines()) {
    const std::string probing = pipeline.name;
    Run probe(pipeline.plan, packets, 1, in_containers(1));
    const uint32_t units = probe.path().program().unit_count();
    const Said said = said_of(pipeline.plan, packets, 2 * packets.size());
    for (const bool source : {false, true}) {
      for (std::vector<int32_t> cut : cuts_of((source ? 2 : 1) + units, settings.quick ? 3 : 4)) {
        if (settings.quick && !random.one_in(4)) continue;
        Run run(pipeline.plan, packets, 2, in_containers(4), source);
        if (!source) cut.insert(cut.begin(), -1);
        PathPlacement placement = placement_of(run.path(), cut);
        placement.window = 1u << random.below(7);
        placement.vertical = random.one_in(2);
        placement.slice_bursts = 1 + random.below(20);
        if (!run.rig->place(placement)) return;
        run.start();
        std::string what = probing + ":";
        for (const int32_t container : cut) what += " " + std::to_string(container);
        CHECK_FOR(run.join(), what);
        check_run(run, said, what + " ");
        CHECK_EQUAL(run.rig->operation(1).packets, run.feed.offered());
        if (source) CHECK_EQUAL(run.rig->operation(0).packets, run.feed.offered());
        if (failing()) return;
      }
    }
  }
}

PathPlacement random_placement(Random& random, const Path& path, bool source, uint32_t containers) {
  const auto cuts = cuts_of((source ? 2 : 1) + path.program().unit_count(), containers);
  std::vector<int32_t> cut = cuts[random.below(static_cast<uint32_t>(cuts.size()))];
  std::vector<int32_t> names(containers); /* any containers, in any order */
  for (uint32_t i = 0; i < containers; i++) names[i] = static_cast<int32_t>(i);
  for (uint32_t i = containers; i > 1; i--) std::swap(names[i - 1], names[random.below(i)]);
  for (int32_t& container : cut) container = names[static_cast<size_t>(container)];
  if (!source) cut.insert(cut.begin(), -1);
  PathPlacement placement = placement_of(path, cut);
  placement.window = 1u << random.below(7);
  placement.vertical = random.one_in(2);
  placement.slice_bursts = 1 + random.below(20);
  if (random.one_in(3)) {
    placement.fill_packets = random.below(120);
    placement.latency_ns = random.below(100000);
  }
  return placement;
}

struct Switching {
  uint32_t containers = 3;
  bool source = true;
  uint32_t rarity = 0;
  uint64_t arena_bytes = 256 * 1024;
  uint32_t switches = 1000; /* that are waited for */
  uint64_t seconds = 30;    /* at most */
  bool pauses = false;
};

/* One path that is moved again and again; returns the switches that it made. */
uint64_t keep_switching(Random& random, const Pipeline& pipeline, const std::vector<Packet>& packets, const Switching& how) {
  Disturbance disturbance;
  disturbance.state = random.next();
  disturbance.rarity = how.rarity;
  PathOptions options = in_containers(how.containers);
  options.arena_bytes = how.arena_bytes;
  options.disturb = how.rarity ? Disturbance::at : nullptr;
  options.disturb_context = &disturbance;
  Run run(pipeline.plan, packets, UINT64_MAX, options, how.source, 1 + random.below(kBurstCapacity));
  run.rig->place(random_placement(random, run.path(), how.source, how.containers));
  run.start(random.one_in(2) ? "yield" : "backoff");
  const uint64_t end = now_ns() + how.seconds * 1000000000;
  uint64_t wanted = 0;
  for (; wanted < how.switches && now_ns() < end && !failing(); wanted++) {
    std::string error;
    CHECK_FOR(run.path().place(random_placement(random, run.path(), how.source, how.containers), &error), error);
    if (how.pauses && random.one_in(8)) {
      Container& paused = run.rig->container(random.below(how.containers));
      paused.pause();
      usleep(random.below(300));
      paused.resume();
    }
    if (!CHECK(wait_until([&] { return !run.path().switching(); }))) break;
    SwitchReport report;
    CHECK(run.path().last_switch(&report) && report.number == wanted + 1 && report.blocked_ns <= run.rig->block().longest_blocked_ns);
    if (random.one_in(4)) usleep(random.below(200));
  }
  run.feed.stop();
  CHECK(run.join());
  check_run(run, pipeline.plan, packets, std::string(pipeline.name) + " ");
  CHECK_EQUAL(run.rig->block().switches, wanted);
  return wanted;
}

void thousands_of_switches_lose_nothing() {
  Random random(501);
  const std::vector<Packet> packets = make_traffic(random);
  for (const Pipeline& pipeline : pipelines()) {
    Switching how;
    how.containers = 2 + random.below(3);
    how.source = random.one_in(2);
    how.switches = rounds(250);
    CHECK_EQUAL(keep_switching(random, pipeline, packets, how), how.switches);
  }
}

/* Pauses, yields and sleeps wherever another thread may come in between. */
void disturbed_threads_lose_nothing() {
  Random random(502);
  const char* const wanted = std::getenv("MODEL_T_STRESS_SECONDS");
  const uint64_t end = now_ns() + static_cast<uint64_t>((wanted ? std::atof(wanted) : 1.0) * 1e9);
  const std::vector<Pipeline> all = pipelines();
  do {
    const std::vector<Packet> packets = make_traffic(random);
    Switching how;
    how.containers = 2 + random.below(3);
    how.source = random.one_in(2);
    how.rarity = 1 + random.below(12);
    how.arena_bytes = random.one_in(2) ? 64 << random.below(12) : 256 * 1024;
    how.switches = 40;
    how.pauses = random.one_in(3);
    keep_switching(random, all[random.below(static_cast<uint32_t>(all.size()))], packets, how);
  } while (now_ns() < end && !failing());
}

const Pipeline& streams() {
  static const std::vector<Pipeline> all = pipelines();
  return all[3];
}

/* One container for each element. */
std::vector<int32_t> spread(const Path& path, bool source) {
  std::vector<int32_t> cut = {source ? 0 : -1};
  for (uint32_t i = 0; i <= path.program().unit_count(); i++) cut.push_back(static_cast<int32_t>(i) + source);
  return cut;
}

void rows_that_do_not_fit_an_arena_get_there() {
  Random random(503);
  const std::vector<Packet> packets = make_traffic(random);
  for (const uint64_t bytes : {64u, 1000u, 5000u}) {
    PathOptions options = in_containers(9);
    options.arena_bytes = bytes;
    Run run(streams().plan, packets, 1, options);
    PathPlacement placement = placement_of(run.path(), spread(run.path(), false));
    placement.window = 1;
    run.rig->place(placement);
    run.start();
    CHECK(run.join());
    check_run(run, streams().plan, packets, std::to_string(bytes) + " ");
  }
}

/* The end of the stream comes while a switch is under way, or is over before it. */
void switches_at_the_end_end() {
  Random random(504);
  const std::vector<Packet> packets = make_traffic(random);
  for (uint32_t round = 0; round < rounds(20) && !failing(); round++) {
    Run run(streams().plan, packets, 1, in_containers(3), true);
    run.rig->place(random_placement(random, run.path(), true, 3));
    run.start();
    const uint64_t at = packets.size() - random.below(40);
    while (run.feed.offered() < at) sched_yield();
    std::string error;
    for (int i = 0; i < 3; i++) run.path().place(random_placement(random, run.path(), true, 3), &error);
    CHECK(run.join());
    check_run(run, streams().plan, packets, "the end ");
    CHECK(!run.path().place(random_placement(random, run.path(), true, 3), &error) && error.find("over") != std::string::npos);
  }
}

/* Nothing flows: the switch is over all the same. */
void switches_of_an_empty_ring_come_to_an_end() {
  Random random(505);
  const std::vector<Packet> packets = make_traffic(random);
  Run run(streams().plan, packets, 1, in_containers(2));
  run.rig->place(random_placement(random, run.path(), false, 2));
  run.rig->start();
  for (int i = 0; i < 20; i++) {
    run.rig->place(random_placement(random, run.path(), false, 2));
    CHECK(wait_until([&] { return !run.path().switching(); }));
  }
  std::string error;
  CHECK_FOR(run.feeder->start(&error), error);
  CHECK(run.join());
  check_run(run, streams().plan, packets, "empty ");
  CHECK_EQUAL(run.rig->block().switches, 20u);
}

/* A paused container that has a part in it holds the switch up; then it goes on. */
void switches_wait_for_a_paused_container() {
  Random random(506);
  const std::vector<Packet> packets = make_traffic(random);
  const Pipeline headers = pipelines()[0];
  Run run(headers.plan, packets, UINT64_MAX, in_containers(2));
  std::vector<int32_t> cut(2 + run.path().program().unit_count(), 1);
  cut[0] = -1;
  cut[1] = 0;
  run.rig->place(placement_of(run.path(), cut));
  run.start();
  CHECK(wait_until([&] { return run.rig->block().delivered > 2000; }));
  run.rig->container(1).pause();
  CHECK(wait_until([&] { return run.rig->container_block(1).state == static_cast<uint64_t>(ContainerState::paused); }));
  uint64_t before = 0;
  CHECK(wait_until([&] { return before == run.feed.offered() || (before = run.feed.offered(), usleep(20000), false); })); /* all is full */
  run.rig->place(placement_of(run.path()));
  const uint64_t turns = run.rig->container_block(0).turns;
  CHECK(wait_until([&] { return run.rig->container_block(0).turns > turns + 1; })); /* it has seen that it must stop */
  usleep(5000);
  std::string error;
  CHECK(run.path().switching() && !run.path().place(placement_of(run.path()), &error) && error.find("under way") != std::string::npos);
  CHECK_EQUAL(run.feed.offered(), before);
  run.rig->container(1).resume();
  CHECK(wait_until([&] { return !run.path().switching(); }));
  SwitchReport report;
  CHECK(run.path().last_switch(&report) && report.blocked_ns >= 5000000 && report.at_burst > 0 && report.at_packet > 2000);
  run.rig->container(1).pause(); /* has no part in it any more: nobody misses it */
  CHECK(wait_until([&] { return run.feed.offered() > before + 2000; }));
  run.rig->container(1).resume();
  run.feed.stop();
  CHECK(run.join());
  check_run(run, headers.plan, packets, "paused ");
}

void a_path_that_is_stopped_ends_with_what_it_took_in() {
  Random random(507);
  const std::vector<Packet> packets = make_traffic(random);
  for (uint32_t round = 0; round < rounds(10) && !failing(); round++) {
    Run run(streams().plan, packets, UINT64_MAX, in_containers(3));
    run.rig->place(random_placement(random, run.path(), false, 3));
    run.start();
    CHECK(wait_until([&] { return run.rig->block().delivered > 3000; }));
    run.path().stop();
    CHECK(run.rig->join()); /* the feed sees its reader leave, and ends */
    run.feeder->join();
    const PathOutcome& outcome = run.path().outcome();
    CHECK(!outcome.failed && outcome.delivered <= run.feed.offered() && outcome.delivered > 3000);
    const Said said = said_of(streams().plan, packets, outcome.delivered);
    CHECK(run.sink.rows == said.rows && run.sink.hash == said.hash && outcome.digest == said.digest && run.rig->verdicts() == said.verdicts);
  }
}

/* The stage in the middle finds nobody who takes its rows. */
void a_path_that_is_stopped_does_not_wait_for_ever() {
  Random random(508);
  const std::vector<Packet> packets = make_traffic(random);
  Run run(streams().plan, packets, UINT64_MAX, in_containers(2));
  std::vector<int32_t> cut(2 + run.path().program().unit_count(), 0);
  cut[0] = -1;
  cut.back() = 1;
  PathPlacement placement = placement_of(run.path(), cut);
  placement.window = 2;
  run.rig->place(placement);
  run.start();
  CHECK(wait_until([&] { return run.rig->block().delivered > 1000; }));
  run.rig->container(1).stop();
  usleep(2000);
  run.path().stop();
  run.rig->container(0).stop();
  run.rig->container(0).join(); /* or the test hangs */
  CHECK(!run.path().done());
  run.feed.stop();
  run.feeder->stop();
}

void a_failure_ends_all_stages() {
  Random random(509);
  const std::vector<Packet> packets = make_traffic(random);
  for (uint32_t round = 0; round < rounds(20) && !failing(); round++) {
    Run run(streams().plan, packets, UINT64_MAX, in_containers(3), round % 2);
    run.sink.full_at = 20 + random.below(500);
    run.rig->place(random_placement(random, run.path(), round % 2, 3));
    run.start();
    CHECK(run.join());
    const PathOutcome& outcome = run.path().outcome();
    CHECK(outcome.failed && outcome.error == "the sink is full" && run.sink.rows <= run.sink.full_at);
  }
}

void drop_and_lag_are_kept_account_of(model_t_policy policy) {
  Random random(510);
  const std::vector<Packet> packets = make_traffic(random);
  const Pipeline headers = pipelines()[0];
  for (uint32_t round = 0; round < rounds(10) && !failing(); round++) {
    PathOptions options = in_containers(2);
    options.policy = policy;
    Disturbance disturbance;
    options.disturb = Disturbance::at; /* so that there is something to drop */
    options.disturb_context = &disturbance;
    Run run(headers.plan, packets, 30, options);
    PathPlacement placement = policy == MODEL_T_LAG ? placement_of(run.path()) : random_placement(random, run.path(), false, 2);
    if (policy == MODEL_T_LAG) placement.vertical = true; /* which means nothing in one container */
    run.rig->place(placement);
    run.start();
    CHECK(run.join());
    const PathOutcome& outcome = run.path().outcome();
    CHECK_FOR(!outcome.failed, outcome.error);
    CHECK_EQUAL(outcome.delivered + outcome.lost + run.feed.dropped(), run.feed.offered());
    const std::vector<ReaderReport> reports = run.feed.reports();
    CHECK(reports.size() == 1 && reports[0].delivered == outcome.delivered && reports[0].lost == outcome.lost);
    CHECK(run.rig->block().lost == outcome.lost && (policy == MODEL_T_LAG || run.sink.ordered));
  }
}

void placements_that_cannot_be_are_refused() {
  Random random(511);
  const std::vector<Packet> packets = make_traffic(random);
  Run run(streams().plan, packets, 1, in_containers(3));
  const uint32_t units = run.path().program().unit_count();
  const auto refusal = [](Path& path, const PathPlacement& placement, const char* word) {
    std::string error;
    CHECK(!path.place(placement, &error));
    CHECK_FOR(error.find(word) != std::string::npos && error.find('\n') == std::string::npos, error);
  };
  const PathPlacement good = placement_of(run.path());
  PathPlacement bad = good;
  bad.containers.pop_back();
  refusal(run.path(), bad, "elements");
  bad = good;
  bad.containers[0] = 0;
  refusal(run.path(), bad, "source");
  bad = good;
  bad.containers[2] = 3;
  refusal(run.path(), bad, "eth is placed in container 3");
  bad.containers[2] = -1;
  refusal(run.path(), bad, "container -1");
  bad = good;
  bad.containers[3] = 1;
  refusal(run.path(), bad, "in between");
  for (const uint32_t window : {0u, 3u, 128u}) {
    bad = good;
    bad.window = window;
    refusal(run.path(), bad, "window");
  }
  bad = good;
  bad.slice_bursts = 0;
  refusal(run.path(), bad, "slice");
  bad = good;
  bad.fill_packets = run.ring->descriptor_count() + 1;
  refusal(run.path(), bad, "fills up");
  PathOptions options = in_containers(3);
  options.policy = MODEL_T_LAG;
  Run lag(streams().plan, packets, 1, options);
  bad = good;
  bad.containers.back() = 1;
  refusal(lag.path(), bad, "lag");
  Run sourced(streams().plan, packets, 1, in_containers(3), true);
  refusal(sourced.path(), good, "the source is placed in container -1");
  bad = placement_of(sourced.path(), std::vector<int32_t>(2 + units, 1));
  bad.containers[1] = 0;
  refusal(sourced.path(), bad, "in between");
  const PathRig none(*run.ring, in_containers(0));
  CHECK(!none.made() && none.error().find("0 containers") != std::string::npos);
  const PathRig many(*run.ring, in_containers(kMaxContainers + 1));
  CHECK(!many.made() && !many.error().empty());
  CHECK(run.rig->place(good));
}

/* Intake starts on a ring with enough in it, or after the latency bound. */
void rings_fill_up_first() {
  Random random(512);
  const std::vector<Packet> packets = make_traffic(random);
  const Pipeline headers = pipelines()[0];
  for (const bool patient : {false, true}) {
    Run run(headers.plan, packets, 1, in_containers(1), false, 1);
    PathPlacement placement = placement_of(run.path());
    placement.fill_packets = 100;
    placement.latency_ns = patient ? 60ull * 1000000000 : 2000000;
    run.rig->place(placement);
    run.rig->start();
    model_t_reader_slot& slot = run.ring->readers()[0];
    CHECK(wait_until([&] { return __atomic_load_n(&slot.state, __ATOMIC_ACQUIRE) == MODEL_T_READER_JOINING; }));
    while (run.feed.offered() < 40) run.feed.do_work(1); /* this thread is the producer: one packet each time */
    usleep(10000);
    CHECK_EQUAL(run.rig->block().delivered, patient ? 0u : 40u);
    while (run.feed.offered() < 100) run.feed.do_work(1);
    CHECK(wait_until([&] { return run.rig->block().delivered == 100; }));
    if (patient) CHECK_EQUAL(run.rig->operation(1).calls, 1u); /* all at once */
    run.path().stop();
    CHECK(run.rig->join());
  }
}

/* In front of an intake that stands still it fetches what there is but for the lead, once; paused, it does nothing. */
void a_helper_fetches_and_changes_nothing() {
  Random random(513);
  const std::vector<Packet> packets = make_traffic(random);
  const Pipeline headers = pipelines()[0];
  Run run(headers.plan, packets, UINT64_MAX, in_containers(1));
  run.rig->place(placement_of(run.path()));
  PrefetchOptions options;
  options.lead = 8;
  PrefetchAgent helper(*run.ring, run.path(), options);
  run.start("yield", &helper);
  const auto work = [&] { return run.rig->container_block(1).work; };
  const auto delivered = [&] { return run.rig->block().delivered; };
  const auto pause = [&](uint32_t container) {
    run.rig->container(container).pause();
    return wait_until([&] {
      return run.rig->container_block(container).state == static_cast<uint64_t>(ContainerState::paused);
    });
  };
  for (uint32_t round = 0; round < 3 && !failing(); round++) {
    CHECK(pause(1));
    const uint64_t before = work(), from = delivered();
    CHECK(wait_until([&] { return delivered() > from + 1000; }));
    CHECK(pause(0) && wait_until([&] { return run.feed.offered() == delivered() + 128; })); /* the ring is full */
    CHECK_EQUAL(work(), before);
    run.rig->container(1).resume();
    CHECK(wait_until([&] { return work() == before + 120; }));
    run.rig->container(0).resume();
  }
  run.feed.stop();
  CHECK(run.join());
  CHECK(helper.fetched() >= 360 && helper.fetched() <= run.feed.offered());
  check_run(run, headers.plan, packets, "helped ");
}

}  // namespace

extern const std::vector<Test> path_tests;
const std::vector<Test> path_tests = {
    {"path: every placement gives the same", every_placement_gives_the_same},
    {"path: thousands of switches lose and reorder nothing", thousands_of_switches_lose_nothing},
    {"path: threads that are disturbed lose and reorder nothing", disturbed_threads_lose_nothing},
    {"path: rows that do not fit an arena get there", rows_that_do_not_fit_an_arena_get_there},
    {"path: switches at the end of the stream end", switches_at_the_end_end},
    {"path: switches of an empty ring come to an end", switches_of_an_empty_ring_come_to_an_end},
    {"path: switches wait for a paused container", switches_wait_for_a_paused_container},
    {"path: one that is stopped ends with what it took in", a_path_that_is_stopped_ends_with_what_it_took_in},
    {"path: one that is stopped does not wait for ever", a_path_that_is_stopped_does_not_wait_for_ever},
    {"path: a failure ends all stages", a_failure_ends_all_stages},
    {"path: drop, accounts for all packets", [] { drop_and_lag_are_kept_account_of(MODEL_T_DROP); }},
    {"path: lag, accounts for all packets", [] { drop_and_lag_are_kept_account_of(MODEL_T_LAG); }},
    {"path: placements that cannot be are refused", placements_that_cannot_be_are_refused},
    {"path: rings fill up first", rings_fill_up_first},
    {"path: a prefetch helper fetches and changes nothing", a_helper_fetches_and_changes_nothing},
};

}  // namespace model_t::test
