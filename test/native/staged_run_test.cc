/* Whole runs whose packets a device makes, as the binding drives them; and what is refused in one sentence. */
#include <sys/mman.h>
#include <sys/wait.h>

#include <cstring>

#include "../../replay/native/run.h"
#include "../../stack/native/clock.h"
#include "staged.h"

namespace model_t::test {

namespace {

/* A run and what belongs to it. */
struct StagedRun {
  std::shared_ptr<TraceImage> image;
  std::shared_ptr<const DeviceImage> device;
  std::unique_ptr<KernelTwin> twin;
  std::unique_ptr<StagingMemory> memory;
  RunConfig config;
  std::unique_ptr<ReplayRun> run;

  StagedRun(Random& random, Target target, Insert insert) {
    image = make_image(random, 700, 4000);
    device = make_device(image, make_plan(random, Unique::flow));
    config.target = target;
    config.isa = cpu_isas().back();
    config.limits.laps = 3;
    config.region_bytes = 128 << 10;
    for (const char* name : {"eth", "ip4", "ip6", "tcp", "udp", "checksum-verify", "count"}) config.program.records.push_back(step(name, config.isa));
    config.device = device;
    config.layout = cut_anywhere(*device, 2, random);
    config.staging.insert = insert;
    config.staging.batch_bytes = device->largest_slot() + random.below(200) * kLine;
    memory = std::make_unique<StagingMemory>(3, config.staging.batch_bytes);
    config.staging.buffers = memory->buffers();
    twin = std::make_unique<KernelTwin>(*device, config.layout);
  }

  bool start() {
    place_usually(&config);
    std::string error;
    run = ReplayRun::create(image, config, &error);
    return check(run != nullptr && run->start(&error), __FILE__, __LINE__, error);
  }
  void drive(Random& random) {
    const DevicePort port{[this](Batch* batch, std::vector<Segment>* segments) { return run->next_batch(batch, segments); },
                          [this](const uint8_t* buffer, uint64_t bytes) { return run->publish(buffer, bytes); },
                          [this] { return run->reclaim(); }, [this] { return run->ended(); }};
    test::drive(*twin, config.staging, port, random);
    run->wait();
  }
};

void runs_verify_themselves(Target target) {
  Random random(140);
  for (const Insert insert : {Insert::push, Insert::pull}) {
    StagedRun staged(random, target, insert);
    if (target == Target::pcap) {
      staged.config.program.records.clear();
      staged.config.file = memfd_create("model-t test", MFD_CLOEXEC);
    }
    if (!staged.start()) return;
    staged.drive(random);
    if (target == Target::pcap) close(staged.config.file);
    const RunResult& result = staged.run->result();
    CHECK_EQUAL(result.error, std::string());
    CHECK_EQUAL(result.engine.offered, 3 * staged.image->packets());
    CHECK(result.verified.ok && result.verified.packets > 0);
    CHECK_EQUAL(result.host_copied_bytes, insert == Insert::push ? 0 : 3 * staged.device->lap_bytes());
    if (target != Target::null) CHECK(result.path.delivered == result.engine.offered && result.verified.packets == result.engine.offered);
  }
}

/* The reference finds a device that makes one wrong byte. */
void a_wrong_byte_is_found(Target target) {
  Random random(141);
  for (const Insert insert : {Insert::push, Insert::pull}) {
    StagedRun staged(random, target, insert);
    if (!staged.start()) return;
    const uint64_t wrong = 3 * staged.image->packets() - 1;
    const DevicePort port{[&](Batch* batch, std::vector<Segment>* segments) { return staged.run->next_batch(batch, segments); },
                          [&, at = uint64_t{0}](const uint8_t* buffer, uint64_t bytes) mutable {
                            /* batches are published in order: find the one with the last packet by the bytes so far */
                            const uint64_t end = at + bytes, slot = staged.device->bytes_before(wrong);
                            if (end > slot) const_cast<uint8_t*>(buffer)[slot - at + kFrameOffset] ^= 1;
                            at = end;
                            return staged.run->publish(buffer, bytes);
                          },
                          [&] { return staged.run->reclaim(); }, [&] { return staged.run->ended(); }};
    const bool empty = staged.image->shapes()[staged.image->packets() - 1].length == 0;
    test::drive(*staged.twin, staged.config.staging, port, random);
    staged.run->wait();
    CHECK(empty || !staged.run->result().verified.ok);
  }
}

void wrong_set_ups_are_one_sentence() {
  Random random(142);
  const auto refused = [&](const char* part, Target target, Insert insert, const std::function<void(StagedRun&)>& spoil) {
    StagedRun staged(random, target, insert);
    spoil(staged);
    place_usually(&staged.config);
    std::string error;
    CHECK_FOR(ReplayRun::create(staged.image, staged.config, &error) == nullptr, part);
    CHECK_FOR(error.find(part) != std::string::npos && error.find('\n') == std::string::npos, error);
  };
  refused("pull", Target::stack, Insert::push, [](StagedRun& s) { s.config.policy = MODEL_T_DROP; });
  refused("other processes", Target::ring, Insert::push, [](StagedRun& s) { s.config.ring_name = "test.push." + std::to_string(getpid()); });
  refused("one thread", Target::stack, Insert::pull, [](StagedRun& s) { s.config.threads = 2; });
  refused("copied payload", Target::stack, Insert::push, [](StagedRun& s) { s.config.resident = true; });
  refused("another trace", Target::stack, Insert::pull, [&](StagedRun& s) { s.image = make_image(random, 3, 200); });
  refused("laid out", Target::stack, Insert::pull, [](StagedRun& s) { s.config.layout = nullptr; });
  refused("staging buffers", Target::stack, Insert::push, [](StagedRun& s) { s.config.staging.buffers.clear(); });
  refused("staging buffers", Target::stack, Insert::push, [](StagedRun& s) { s.config.staging.buffers.resize(MODEL_T_REGIONS, s.config.staging.buffers[0]); });
  refused("aligned", Target::stack, Insert::push, [](StagedRun& s) { s.config.staging.buffers[1] += 32; });
  refused("not mapped", Target::stack, Insert::pull, [](StagedRun& s) { s.config.staging.buffers[1] = nullptr; });
  refused("largest slot", Target::stack, Insert::pull, [](StagedRun& s) { s.config.staging.batch_bytes = s.device->largest_slot() - 64; });
  refused("4 GiB", Target::stack, Insert::push, [](StagedRun& s) { s.config.staging.batch_bytes = kMaxRegionBytes + 64; });
}

void failing_and_giving_up_end_the_run() {
  Random random(143);
  for (const Insert insert : {Insert::push, Insert::pull}) {
    for (const Target target : {Target::stack, Target::null}) {
      StagedRun staged(random, target, insert);
      staged.config.limits.laps = UINT64_MAX;
      if (!staged.start()) return;
      Joining later([&] {
        usleep(random.below(5000));
        staged.run->fail("the device was lost");
      });
      Random other(144);
      staged.drive(other);
      CHECK_EQUAL(staged.run->result().error, std::string("the device was lost"));
      CHECK(staged.run->result().engine.stopped == Stopped::failed && staged.run->ended() && !staged.run->reclaim());
      StagedRun dropped(random, target, insert);
      dropped.config.limits.laps = UINT64_MAX;
      if (!dropped.start()) return;
      Batch batch;
      std::vector<Segment> segments;
      CHECK(dropped.run->next_batch(&batch, &segments));
    } /* the destructor aborts and joins */
  }
}

void naps_are_only_for_waiting() {
  Random random(145);
  StagedRun staged(random, Target::null, Insert::pull);
  if (!staged.start()) return;
  const auto seconds = [&](uint64_t microseconds) {
    const uint64_t begin = now_ns();
    staged.run->nap(microseconds);
    return static_cast<double>(now_ns() - begin) / 1e9;
  };
  CHECK(seconds(3000) >= 0.003); /* nothing was published */
  Batch batch;
  std::vector<Segment> segments;
  CHECK(staged.run->next_batch(&batch, &segments));
  CHECK(staged.run->publish(staged.config.staging.buffers[0], batch.bytes).empty());
  CHECK(wait_until([&] { return seconds(500000) < 0.5; })); /* a batch can be had back */
  CHECK(staged.run->reclaim());
  staged.run->stop();
  CHECK(wait_until([&] { return staged.run->ended(); }));
  CHECK(seconds(500000) < 0.5);
  staged.run->wait();
}

/* Pulled packets for a reader in another process, which dies: no batch waits for it, and the run says so. */
void a_dead_reader_ends_a_pulled_run() {
  Random random(146);
  StagedRun staged(random, Target::ring, Insert::pull);
  staged.config.ring_name = "test.staged." + std::to_string(getpid());
  staged.config.limits.laps = UINT64_MAX;
  staged.config.region_bytes = 64 << 10;
  std::string error;
  const pid_t child = fork();
  if (child == 0) {
    model_t_reader reader;
    model_t_packet packet;
    if (model_t_ring_attach(&reader, staged.config.ring_name.c_str(), MODEL_T_BLOCK, 10000) != 0) _exit(1);
    for (int seen = 0; seen < 2000;) {
      const int count = model_t_ring_receive(&reader, &packet, 1);
      if (count < 0) _exit(2);
      if (count) model_t_ring_release(&reader);
      seen += count;
    }
    _exit(0); /* without leaving */
  }
  if (!staged.start()) return;
  staged.drive(random);
  int status = -1;
  CHECK(waitpid(child, &status, 0) == child && WIFEXITED(status) && WEXITSTATUS(status) == 0);
  CHECK(staged.run->result().engine.stopped == Stopped::reader_died);
  CHECK(staged.run->result().readers.size() == 1 && staged.run->result().readers[0].report.state == MODEL_T_READER_DIED);
}

}  // namespace

extern const std::vector<Test> staged_run_tests;
const std::vector<Test> staged_run_tests = {
    {"staged runs: to the stack, verify themselves", [] { runs_verify_themselves(Target::stack); }},
    {"staged runs: to nowhere, verify what is left", [] { runs_verify_themselves(Target::null); }},
    {"staged runs: to pcap, verify themselves", [] { runs_verify_themselves(Target::pcap); }},
    {"staged runs: a wrong byte is found in the stack", [] { a_wrong_byte_is_found(Target::stack); }},
    {"staged runs: a wrong byte is found in the ring", [] { a_wrong_byte_is_found(Target::null); }},
    {"staged runs: a wrong set-up is one sentence", wrong_set_ups_are_one_sentence},
    {"staged runs: failing, and giving up, end the run", failing_and_giving_up_end_the_run},
    {"staged runs: naps are only for waiting", naps_are_only_for_waiting},
    {"staged runs: a dead reader ends a pulled run", a_dead_reader_ends_a_pulled_run},
};

}  // namespace model_t::test
