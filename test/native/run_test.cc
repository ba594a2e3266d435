/* Whole runs, as the command line makes them: every target proves itself right, and a wrong set-up is one sentence. */
#include <sys/mman.h>

#include <cstring>

#include "../../replay/native/reference.h"
#include "../../replay/native/run.h"
#include "replays.h"

namespace model_t::test {

namespace {

RunConfig config_for(Target target, Random& random) {
  RunConfig config;
  config.target = target;
  config.isa = cpu_isas().back();
  config.mutation = make_plan(random, Unique::flow);
  config.limits.laps = 3;
  config.region_bytes = 128 << 10;
  for (const char* name : {"eth", "ip4", "ip6", "tcp", "udp", "checksum-verify", "count"}) config.program.records.push_back(step(name, config.isa));
  return config;
}

std::unique_ptr<ReplayRun> finished(const std::shared_ptr<TraceImage>& image, RunConfig config) {
  if (config.containers.empty()) place_usually(&config);
  std::string error;
  std::unique_ptr<ReplayRun> run = ReplayRun::create(image, config, &error);
  if (!check(run != nullptr && run->start(&error), __FILE__, __LINE__, error)) return nullptr;
  run->wait();
  CHECK_EQUAL(run->result().error, std::string());
  return run;
}

void stack_runs_verify_themselves() {
  Random random(90);
  const auto image = make_image(random, 700, 4000);
  for (const bool resident : {false, true}) {
    for (uint32_t threads = 1; threads <= 2; threads++) {
      RunConfig config = config_for(Target::stack, random);
      config.resident = resident;
      config.threads = threads;
      const auto run = finished(image, config);
      if (!run) return;
      const RunResult& result = run->result();
      CHECK_EQUAL(result.engine.offered, 3 * image->packets());
      CHECK(result.path.delivered == result.engine.offered && result.verified.ok);
      CHECK_EQUAL(result.verified.packets, result.engine.offered);
    }
  }
}

void null_runs_verify_what_lies_in_the_ring() {
  Random random(91);
  const auto image = make_image(random, 700, 4000);
  for (const bool resident : {false, true}) {
    RunConfig config = config_for(Target::null, random);
    config.resident = resident;
    config.threads = 2;
    const auto run = finished(image, config);
    if (run) CHECK(run->result().engine.offered == 3 * image->packets() && run->result().verified.ok && run->result().verified.packets > 0);
  }
}

/* delivered + lost + dropped = offered for the stack's own container, whatever its policy. */
void every_policy_conserves(model_t_policy policy) {
  Random random(92);
  const auto image = make_image(random, 700, 1500);
  RunConfig config = config_for(Target::stack, random);
  config.policy = policy;
  config.region_bytes = 64 << 10;
  config.limits.laps = settings.quick ? 30 : 100;
  const auto run = finished(image, config);
  if (!run) return;
  const RunResult& result = run->result();
  CHECK_EQUAL(result.path.delivered + result.path.lost + result.engine.dropped, result.engine.offered);
  CHECK_EQUAL(result.engine.offered, config.limits.laps * image->packets());
  CHECK(result.verified.ok);
  if (policy == MODEL_T_BLOCK) CHECK_EQUAL(result.path.delivered, result.engine.offered);
  uint64_t reported = 0;
  for (const RunReader& reader : result.readers) reported += reader.report.delivered;
  CHECK_EQUAL(reported, result.path.delivered);
}

uint32_t little32(const Bytes& bytes, size_t at) {
  uint32_t value;
  memcpy(&value, bytes.data() + at, sizeof value);
  return value;
}

/* The -w file: nanosecond pcap with exactly the reference's frames. */
void pcap_runs_write_the_reference() {
  Random random(93);
  const auto image = make_image(random, 500, 4000);
  RunConfig config = config_for(Target::pcap, random);
  config.program.records.clear();
  config.file = memfd_create("model-t test", MFD_CLOEXEC);
  const auto run = finished(image, config);
  if (!run) return;
  const off_t size = lseek(config.file, 0, SEEK_END);
  Bytes bytes(static_cast<size_t>(size));
  CHECK(pread(config.file, bytes.data(), bytes.size(), 0) == size);
  close(config.file);
  if (!CHECK(bytes.size() >= 24 && little32(bytes, 0) == 0xa1b23c4d && little32(bytes, 20) == 1)) return;
  Reference reference(*image, config.mutation);
  size_t at = 24;
  for (uint64_t i = 0; i < 3 * image->packets() && !failing(); i++) {
    uint32_t length;
    const uint8_t* frame = reference.frame(i, &length);
    if (!CHECK(at + 16 + length <= bytes.size())) return;
    CHECK_EQUAL(little32(bytes, at + 8), length);
    CHECK_EQUAL(little32(bytes, at + 12), image->original_lengths()[i % image->packets()]);
    CHECK(memcmp(bytes.data() + at + 16, frame, length) == 0);
    at += 16 + length;
  }
  CHECK_EQUAL(at, bytes.size());
}

RunConfig in_lanes(RunConfig config, uint32_t lanes) {
  config.lanes = lanes;
  config.containers.assign(lanes, {"test", -1});
  config.placement.containers.assign(2 + config.program.records.size(), 0);
  return config;
}

/* Lanes deliver what one stream does, byte for byte, and in the middle of a lap too. */
void lanes_add_up() {
  Random random(96);
  const auto image = make_image(random, 700, 1500);
  for (const Unique unique : {Unique::flow, Unique::packet, Unique::off}) {
    RunConfig config = config_for(Target::stack, random);
    config.mutation = make_plan(random, unique);
    config.limits.packets = 2 * image->packets() + 17;
    const auto whole = finished(image, config);
    if (!whole) return;
    for (const uint32_t lanes : {2u, 3u, 5u}) {
      const auto run = finished(image, in_lanes(config, lanes));
      if (!run) return;
      CHECK(run->lanes() > 1 && run->lanes() <= lanes);
      CHECK_EQUAL(run->result().path.delivered, config.limits.packets);
      CHECK_EQUAL(run->result().engine.bytes, whole->result().engine.bytes);
      CHECK_EQUAL(run->result().path.digest, whole->result().path.digest);
      CHECK(run->result().verified.ok && run->result().verified.packets == config.limits.packets);
    }
  }
}

/* Placements change while packets flow: nothing is lost, and the bytes are those of a run that stood still. */
void places_change_meanwhile() {
  Random random(97);
  const auto image = make_image(random, 700, 1500);
  RunConfig config = config_for(Target::stack, random);
  config.limits.laps = settings.quick ? 40 : 200;
  const auto whole = finished(image, config);
  if (!whole) return;
  place_usually(&config);
  config.containers.assign(3, {"test", -1});
  std::string error;
  const auto run = ReplayRun::create(image, config, &error);
  if (!check(run != nullptr && run->start(&error), __FILE__, __LINE__, error)) return;
  uint64_t switched = 0;
  while (!run->ended()) {
    PathPlacement placement = config.placement;
    int32_t container = 0;
    for (int32_t& element : placement.containers) {
      if (container < 2 && random.below(4) == 0) container++;
      element = container;
    }
    run->place(0, placement, &error);
    switched += run->switches().size();
    usleep(200);
  }
  run->wait();
  CHECK_EQUAL(run->result().error, std::string());
  CHECK_EQUAL(run->result().path.digest, whole->result().path.digest);
  CHECK(run->result().verified.ok && run->result().path.delivered == run->result().engine.offered);
  CHECK(switched > 0);
}

/* A container that stands still for a while costs time and nothing else; one that is killed ends the run, which says what was lost. */
void containers_may_stall_and_die() {
  Random random(98);
  const auto image = make_image(random, 700, 1500);
  RunConfig config = config_for(Target::stack, random);
  config.limits.laps = settings.quick ? 40 : 200;
  place_usually(&config);
  for (const bool killed : {false, true}) {
    if (killed) config.limits.laps = UINT64_MAX;
    std::string error;
    const auto run = ReplayRun::create(image, config, &error);
    if (!check(run != nullptr && run->start(&error), __FILE__, __LINE__, error)) return;
    CHECK(run->control(1, ContainerCommand::pause, &error));
    usleep(20000);
    CHECK(!run->ended());
    CHECK(run->control(1, killed ? ContainerCommand::stop : ContainerCommand::resume, &error));
    CHECK(!run->control(9, ContainerCommand::pause, &error) && error.find("container 9") != std::string::npos);
    run->wait();
    const RunResult& result = run->result();
    if (killed) CHECK_FOR(result.error.find("container 1") != std::string::npos && result.error.find("delivered") != std::string::npos, result.error);
    else CHECK(result.error.empty() && result.path.delivered == result.engine.offered && result.verified.ok);
  }
}

void wrong_set_ups_are_one_sentence() {
  Random random(94);
  const auto image = make_image(random, 50, 40000);
  append(*image, Bytes(40000), FrameKind::ethernet, 0);
  const auto refusal = [&](RunConfig config) {
    place_usually(&config);
    std::string error;
    CHECK(ReplayRun::create(image, config, &error) == nullptr);
    CHECK_FOR(!error.empty() && error.find('\n') == std::string::npos, error);
    return error;
  };
  RunConfig config = config_for(Target::stack, random);
  config.region_bytes = 64 << 10; /* the 40000-byte frame needs twice its slot */
  CHECK(refusal(config).find("slot") != std::string::npos);
  config.region_bytes = 1000;
  refusal(config);
  config.region_bytes = (1ull << 32) + 64;
  refusal(config);
  config.isa = "mmx";
  CHECK(refusal(config).find("mmx") != std::string::npos);
  RunConfig named = config_for(Target::ring, random);
  named.ring_name = "../x";
  named.region_bytes = 1 << 20;
  CHECK(refusal(named).find("ring name") != std::string::npos);
}

void a_run_that_is_dropped_in_the_middle_ends() {
  Random random(95);
  const auto image = make_image(random, 500, 1500);
  for (const Target target : {Target::stack, Target::null}) {
    RunConfig config = config_for(target, random);
    config.limits.laps = UINT64_MAX;
    config.threads = 2;
    place_usually(&config);
    std::string error;
    const auto run = ReplayRun::create(image, config, &error);
    CHECK_FOR(run != nullptr && run->start(&error), error);
    usleep(2000);
  } /* the destructor aborts and joins */
}

}  // namespace

extern const std::vector<Test> run_tests;
const std::vector<Test> run_tests = {
    {"runs: to the stack, verify themselves", stack_runs_verify_themselves},
    {"runs: to nowhere, verify what lies in the ring", null_runs_verify_what_lies_in_the_ring},
    {"runs: block conserves packets", [] { every_policy_conserves(MODEL_T_BLOCK); }},
    {"runs: drop conserves packets", [] { every_policy_conserves(MODEL_T_DROP); }},
    {"runs: lag, conserves packets", [] { every_policy_conserves(MODEL_T_LAG); }},
    {"runs: to pcap, write what the reference says", pcap_runs_write_the_reference},
    {"runs: lanes add up", lanes_add_up},
    {"runs: places change meanwhile", places_change_meanwhile},
    {"runs: containers may stall and die", containers_may_stall_and_die},
    {"runs: a wrong set-up is one sentence", wrong_set_ups_are_one_sentence},
    {"runs: one that is given up in the middle ends", a_run_that_is_dropped_in_the_middle_ends},
};

}  // namespace model_t::test
