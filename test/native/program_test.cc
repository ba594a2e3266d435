/*
 * Programs: the header pass against the operations it stands for, conditional pipes and groups against a row-by-row model,
 * rows that leave, plans that no planner would write.
 */
#include <algorithm>
#include <cstring>
#include <map>

#include "../../stack/native/program.h"
#include "support.h"

namespace model_t::test {

namespace {

/* Frames of all sorts in slots that end at a guard: mostly good ones, as a pass expects. */
struct Traffic {
  GuardedSlots slots{kBurstCapacity, 2048};
  Burst256 burst;

  void make(Random& random, uint32_t count, uint32_t damaged_of_100) {
    memset(static_cast<void*>(&burst), 0xa5, sizeof burst); /* what nobody wrote must not help anybody */
    burst.count = count;
    for (uint32_t i = 0; i < count; i++) {
      FrameTraits traits;
      Bytes frame = make_frame(random, &traits);
      if (random.below(100) < damaged_of_100) frame = damage(random, std::move(frame));
      burst.frames[i] = slots.lay(i, frame, random);
      burst.lengths[i] = static_cast<uint32_t>(frame.size());
    }
  }
};

std::unique_ptr<Program> program_of(const std::vector<StepRecord>& records, uint32_t needs = 0) {
  std::string error;
  std::unique_ptr<Program> program = Program::create({records, needs}, &error);
  check(program != nullptr, __FILE__, __LINE__, error);
  return program;
}

StepRecord parameter(StepRecord record, uint32_t value) {
  record.parameter = value;
  return record;
}

StepRecord only(int32_t condition, StepRecord record) {
  record.condition = condition;
  return record;
}

StepRecord bracket(StepRecord::Kind kind, int32_t condition = -1) {
  StepRecord record;
  record.kind = kind;
  record.condition = condition;
  return record;
}

/* A random chain that a pass can take: eth | ip4, then any of the others, in any order that it takes. */
std::vector<StepRecord> random_chain(Random& random, const std::string& isa) {
  std::vector<StepRecord> records = {step("eth", isa), step("ip4", isa)};
  for (const char* name : {"ip6", "udp", "tcp", "null", "checksum-verify", "port", "count"}) {
    if (random.below(4) == 0) continue;
    StepRecord record = step(name, isa);
    if (record.name == "checksum-verify") record.parameter = 1;
    if (record.name == "port") record.parameter = random.below(2);
    records.push_back(record);
  }
  return records;
}

struct Seen {
  std::vector<uint8_t> slots;
  std::vector<uint16_t> classes;
  std::vector<uint32_t> columns;

  static void take(void* context, const Burst256& burst) {
    Seen& self = *static_cast<Seen*>(context);
    for (uint32_t i = 0; i < burst.count; i++) {
      self.slots.push_back(burst.slots[i]);
      self.classes.push_back(burst.classes[i]);
      if (!self.reads_columns) continue;
      const bool known = burst.protocols[i] != kNoProtocol; /* of malformed packets the rest means nothing */
      for (const uint32_t value : {uint32_t{burst.types[i]}, uint32_t{burst.networks[i]}, uint32_t{burst.protocols[i]},
                                   known ? burst.transports[i] : 0u, known ? burst.ends[i] : 0u, known ? burst.marks[i] : 0u}) {
        self.columns.push_back(value);
      }
    }
  }
  bool reads_columns = false;
};

bool same_verdicts(const Program& a, const Program& b) {
  for (uint32_t i = 0; i < a.step_count(); i++) {
    if (memcmp(a.state(i).verdicts, b.state(i).verdicts, sizeof a.state(i).verdicts) != 0) return false;
  }
  return a.step_count() == b.step_count();
}

void a_pass_is_what_its_operations_are() {
  Random random(300);
  auto traffic = std::make_unique<Traffic>();
  for (uint32_t round = 0; round < rounds(3000) && !failing(); round++) {
    traffic->make(random, round % 3 ? kBurstCapacity : 1 + random.below(kBurstCapacity), round % 5 * 10);
    for (const std::string& isa : cpu_isas()) {
      std::vector<StepRecord> chain = random_chain(random, isa);
      const auto apart = program_of(chain);
      const bool stores = random.below(2);
      for (StepRecord& record : chain) {
        record.pass = 0;
        record.stores = stores;
      }
      const auto fused = program_of(chain);
      Seen one, two;
      one.reads_columns = two.reads_columns = stores;
      apart->set_tail(Seen::take, &one);
      fused->set_tail(Seen::take, &two);
      auto burst = std::make_unique<Burst256>(traffic->burst);
      apart->run(*burst);
      *burst = traffic->burst;
      fused->run(*burst);
      CHECK_FOR(same_verdicts(*apart, *fused), isa);
      CHECK_FOR(one.slots == two.slots && one.classes == two.classes && one.columns == two.columns, isa);
      exercised().insert("pass/" + isa);
    }
  }
}

/* Lengths that only a hostile descriptor has must not upset sums of lengths. */
void a_pass_survives_absurd_lengths() {
  Random random(301);
  auto traffic = std::make_unique<Traffic>();
  for (const std::string& isa : cpu_isas()) {
    traffic->make(random, kBurstCapacity, 0);
    uint64_t bytes = 0;
    for (uint32_t i = 0; i < kBurstCapacity; i++) {
      if (i % 3) traffic->burst.lengths[i] = i % 2 ? 0xffffffffu : 0x04000000u + i;
      bytes += traffic->burst.lengths[i];
    }
    std::vector<StepRecord> chain = {step("eth", isa), step("ip4", isa), step("count", isa)};
    for (StepRecord& record : chain) record.pass = 0;
    const auto program = program_of(chain);
    auto burst = std::make_unique<Burst256>(traffic->burst);
    program->run(*burst);
    CHECK_EQUAL(program->state(2).verdicts[1], bytes);
    CHECK_EQUAL(program->state(2).verdicts[0], uint64_t{kBurstCapacity});
  }
}

/* eth | ip4 | tcp | udp | ( |53 count ) + ( |80 count | sample 2 ) | count, and the same row by row. */
void conditions_and_groups_do_what_they_say() {
  Random random(302);
  auto traffic = std::make_unique<Traffic>();
  for (uint32_t round = 0; round < rounds(300) && !failing(); round++) {
    traffic->make(random, 1 + random.below(kBurstCapacity), 10);
    const std::string isa = cpu_isas()[random.below(static_cast<uint32_t>(cpu_isas().size()))];
    const auto classes = program_of({step("eth", isa), step("ip4", isa), step("tcp", isa), step("udp", isa)});
    Seen plain;
    classes->set_tail(Seen::take, &plain);
    auto burst = std::make_unique<Burst256>(traffic->burst);
    classes->run(*burst);
    const uint16_t first = plain.classes[random.below(burst->count)], second = plain.classes[random.below(burst->count)];
    using Kind = StepRecord::Kind;
    const auto program = program_of({step("eth", isa), step("ip4", isa), step("tcp", isa), step("udp", isa), bracket(Kind::fork),
                                     bracket(Kind::branch), only(first, step("count", isa)), bracket(Kind::branch),
                                     only(second, step("count", isa)), parameter(step("sample", isa), 2), bracket(Kind::join), step("count", isa)});
    Seen seen;
    program->set_tail(Seen::take, &seen);
    *burst = traffic->burst;
    program->run(*burst);
    std::vector<uint8_t> wanted;
    uint64_t firsts = 0, seconds = 0;
    for (uint32_t i = 0; i < plain.classes.size(); i++) {
      const bool one = plain.classes[i] == first, two = plain.classes[i] == second;
      firsts += one;
      seconds += two;
      if (one || (two && seconds % 2 == 0)) wanted.push_back(static_cast<uint8_t>(i));
    }
    CHECK(seen.slots == wanted);
    CHECK_EQUAL(program->state(4).verdicts[0], firsts);
    CHECK_EQUAL(program->state(5).verdicts[0], seconds);
    CHECK_EQUAL(program->state(7).verdicts[0], uint64_t{wanted.size()});
    for (size_t i = 0; i < seen.slots.size(); i++) CHECK_EQUAL(seen.classes[i], plain.classes[seen.slots[i]]);
  }
}

void sampling_goes_on_over_bursts() {
  Random random(303);
  auto traffic = std::make_unique<Traffic>();
  for (const uint32_t every : {1u, 2u, 7u, 255u, 256u, 257u, 1000u}) {
    const auto program = program_of({parameter(step("sample", "scalar"), every)});
    uint64_t packets = 0;
    for (int i = 0; i < 40; i++) {
      traffic->make(random, 1 + random.below(kBurstCapacity), 0);
      packets += traffic->burst.count;
      program->run(traffic->burst);
      CHECK_EQUAL(program->state(0).verdicts[0], packets / every);
      CHECK_EQUAL(program->state(0).verdicts[0] + program->state(0).verdicts[1], packets);
    }
  }
}

/* Routers keep a good checksum good and a bad one just as bad (RFC 1624). */
void decrement_ttl_keeps_checksums() {
  Random random(304);
  const GuardedSlots slots(1, 2048);
  const auto program = program_of({step("eth", "scalar"), step("ip4", "scalar"), step("ip6", "scalar"), step("decrement-ttl", "scalar"),
                                   step("eth", "scalar"), step("ip4", "scalar"), step("ip6", "scalar"), parameter(step("checksum-verify", "scalar"), 1)});
  auto burst = std::make_unique<Burst256>();
  for (uint32_t round = 0; round < rounds(4000) && !failing(); round++) {
    FrameTraits traits;
    const Bytes frame = make_frame(random, &traits);
    uint8_t* const laid = slots.lay(0, frame, random);
    burst->count = 1;
    burst->frames[0] = laid;
    burst->lengths[0] = static_cast<uint32_t>(frame.size());
    const uint64_t good = program->state(7).verdicts[0], bad = program->state(7).verdicts[1], ok = program->state(3).verdicts[0];
    program->run(*burst);
    const uint32_t network = 14 + 4 * traits.tags;
    if (program->state(3).verdicts[0] == ok) { /* expired, or not IP that was checked: nothing changes */
      CHECK(memcmp(laid, frame.data(), frame.size()) == 0);
      continue;
    }
    const uint32_t hops = network + (traits.ip6 ? 7 : 8);
    CHECK_EQUAL(laid[hops] + 1, int{frame[hops]});
    CHECK_EQUAL(program->state(7).verdicts[0] - good, uint64_t{!traits.ip6 && traits.header_good});
    CHECK_EQUAL(program->state(7).verdicts[1] - bad, uint64_t{!traits.ip6 && !traits.header_good});
  }
}

void plans_that_cannot_be_are_refused() {
  using Kind = StepRecord::Kind;
  const std::vector<std::vector<StepRecord>> plans = {
      {step("ip5", "scalar")},
      {step("ip4", "avx9")},
      {bracket(Kind::join)},
      {bracket(Kind::branch)},
      {bracket(Kind::fork)},
      {bracket(Kind::fork), bracket(Kind::join)},
      {bracket(Kind::fork), step("count", "scalar"), bracket(Kind::join)},
      {bracket(Kind::fork), bracket(Kind::branch), step("count", "scalar")},
      {step("count", "scalar"), bracket(Kind::join), step("count", "scalar")},
  };
  for (size_t i = 0; i < plans.size(); i++) {
    std::string error;
    CHECK_FOR(Program::create({plans[i], 0}, &error) == nullptr && !error.empty(), std::to_string(i));
  }
}

/* Cut anywhere, the ranges do together what the program does, and their steps and names are where they were. */
void ranges_are_the_whole_in_parts() {
  using Kind = StepRecord::Kind;
  Random random(306);
  auto traffic = std::make_unique<Traffic>();
  const std::string isa = cpu_isas().back();
  std::vector<StepRecord> records = {step("eth", isa), step("ip4", isa), step("ip6", isa), step("tcp", isa), step("udp", isa)};
  for (StepRecord& record : records) {
    record.pass = 0;
    record.stores = true;
  }
  for (const StepRecord& record : {parameter(step("sample", isa), 2), bracket(Kind::fork), bracket(Kind::branch), step("tcp", isa), bracket(Kind::branch),
                                   parameter(step("sample", isa), 3), bracket(Kind::join), only(80, step("count", isa)), step("null", isa)}) {
    records.push_back(record);
  }
  const auto whole = program_of(records), cut = program_of(records);
  const bool fused = isa != "scalar"; /* no vectors, no pass */
  CHECK_EQUAL(cut->unit_count(), fused ? 5u : 9u);
  if (fused) CHECK(cut->unit_name(0) == "eth..udp" && cut->unit_name(1) == "sample" && cut->unit_name(2) == "(tcp..sample)" && cut->first_step(2) == 6);
  CHECK_EQUAL(cut->first_step(cut->unit_count()), cut->step_count());
  auto burst = std::make_unique<Burst256>();
  for (uint32_t round = 0; round < rounds(300) && !failing(); round++) {
    traffic->make(random, 1 + random.below(kBurstCapacity), 10);
    Seen one, two;
    whole->set_tail(Seen::take, &one);
    *burst = traffic->burst;
    whole->run(*burst);
    *burst = traffic->burst;
    cut->prepare(*burst);
    for (uint32_t from = 0, to; from < cut->unit_count(); from = to) {
      to = from + 1 + random.below(cut->unit_count() - from);
      ProgramRange range(*cut, from, to);
      CHECK(!range.expands());
      if (to == cut->unit_count()) range.set_tail(Seen::take, &two);
      if (burst->count) range.run(*burst);
    }
    CHECK(one.slots == two.slots && one.classes == two.classes);
    CHECK(same_verdicts(*whole, *cut));
  }
}

/* Marks and groupings of passes that no planner would write run as operations one by one. */
void odd_passes_are_no_passes() {
  Random random(305);
  auto traffic = std::make_unique<Traffic>();
  const std::string isa = cpu_isas().back();
  const std::vector<std::vector<const char*>> chains = {
      {"ip4", "eth", "ip4", "count"}, {"eth", "ip6", "ip4"}, {"eth"}, {"eth", "ip4", "port", "port"}, {"eth", "ip4", "port", "tcp"}, {"eth", "ip4", "icmp"}};
  for (const auto& names : chains) {
    std::vector<StepRecord> records;
    for (const char* name : names) records.push_back(step(name, isa));
    traffic->make(random, kBurstCapacity, 5);
    for (uint32_t i = 0; i < kBurstCapacity; i++) { /* for chains that read what nobody wrote */
      traffic->burst.types[i] = traffic->burst.transports[i] = 0;
      traffic->burst.networks[i] = 0;
      traffic->burst.ends[i] = 0;
    }
    const auto apart = program_of(records);
    for (StepRecord& record : records) {
      record.pass = 0;
      record.stores = true;
    }
    const auto marked = program_of(records);
    auto burst = std::make_unique<Burst256>(traffic->burst);
    apart->run(*burst);
    *burst = traffic->burst;
    marked->run(*burst);
    CHECK(same_verdicts(*apart, *marked));
  }
}

}  // namespace

extern const std::vector<Test> program_tests;
const std::vector<Test> program_tests = {
    {"program: a header pass is what its operations are", a_pass_is_what_its_operations_are},
    {"program: a header pass survives absurd lengths", a_pass_survives_absurd_lengths},
    {"program: conditions and groups do what they say", conditions_and_groups_do_what_they_say},
    {"program: sampling goes on over bursts", sampling_goes_on_over_bursts},
    {"program: decrement-ttl keeps checksums as they are", decrement_ttl_keeps_checksums},
    {"program: plans that cannot be are refused", plans_that_cannot_be_are_refused},
    {"program: odd passes are no passes", odd_passes_are_no_passes},
    {"program: ranges are the whole in parts", ranges_are_the_whole_in_parts},
};

}  // namespace model_t::test
