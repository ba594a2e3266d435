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

std::unique_ptr<ReplayRun> finished(const std::shared_ptr<TraceImage>& image, const RunConfig& config) {
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
      CHECK(result.container.delivered == result.engine.offered && result.verified_ok);
      CHECK_EQUAL(result.verified_packets, result.engine.offered);
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
    if (run) CHECK(run->result().engine.offered == 3 * image->packets() && run->result().verified_ok && run->result().verified_packets > 0);
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
  CHECK_EQUAL(result.container.delivered + result.container.lost + result.engine.dropped, result.engine.offered);
  CHECK_EQUAL(result.engine.offered, config.limits.laps * image->packets());
  CHECK(result.verified_ok);
  if (policy == MODEL_T_BLOCK) CHECK_EQUAL(result.container.delivered, result.engine.offered);
  uint64_t reported = 0;
  for (const ReaderReport& report : result.readers) reported += report.delivered;
  CHECK_EQUAL(reported, result.container.delivered);
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

void wrong_set_ups_are_one_sentence() {
  Random random(94);
  const auto image = make_image(random, 50, 40000);
  append(*image, Bytes(40000), FrameKind::ethernet, 0);
  const auto refusal = [&](const RunConfig& config) {
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
    {"runs: a wrong set-up is one sentence", wrong_set_ups_are_one_sentence},
    {"runs: one that is given up in the middle ends", a_run_that_is_dropped_in_the_middle_ends},
};

}  // namespace model_t::test
