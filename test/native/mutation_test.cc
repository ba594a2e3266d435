/* The compiled mutation, by every ISA, against the plain reference; and what a rewrite must and must not change. */
#include <cstring>
#include <map>

#include "../../replay/native/reference.h"
#include "../../stack/native/operation.h"
#include "support.h"

namespace model_t::test {

namespace {

constexpr Unique kUniques[] = {Unique::flow, Unique::packet, Unique::off};

std::unique_ptr<Mutation> compile(const MutationPlan& plan, const TraceImage& image) {
  std::string error;
  std::unique_ptr<Mutation> mutation = Mutation::create(plan, image, &error);
  if (!check(mutation != nullptr && mutation->extend_to(image.packets()), __FILE__, __LINE__, error)) abort();
  return mutation;
}

/* Replica `lap` of the whole image by one ISA. */
Bytes patched(const TraceImage& image, const Mutation& mutation, const ReplayKernels& kernels, uint64_t lap) {
  const uint64_t packets = image.packets();
  Bytes slots(image.slots(), image.slots() + image.slot_offsets()[packets]);
  if (!mutation.active()) return slots;
  Patch4 job = mutation.patch4_for(lap);
  job.target = slots.data();
  kernels.patch4(job, mutation.rows4_before(0), mutation.rows4_before(packets));
  mutation.patch6(lap, mutation.rows6_before(0), mutation.rows6_before(packets), 0, slots.data());
  return slots;
}

/* Every slot whole: padding, frame, zeros behind it. */
void expect_slots(const TraceImage& image, Reference& reference, const Bytes& slots, uint64_t lap, const std::string& what) {
  for (uint64_t i = 0; i < image.packets() && !failing(); i++) {
    uint32_t length;
    const uint8_t* frame = reference.frame(lap * image.packets() + i, &length);
    Bytes wanted(image.slot_offsets()[i + 1] - image.slot_offsets()[i]);
    memcpy(wanted.data() + kFrameOffset, frame, length);
    CHECK_FOR(memcmp(slots.data() + image.slot_offsets()[i], wanted.data(), wanted.size()) == 0, what + ", packet " + std::to_string(i));
  }
}

void patches_equal_the_reference() {
  Random random(40);
  for (uint32_t round = 0; round < rounds(40) && !failing(); round++) {
    const auto image = make_image(random, 1 + random.below(400), 20000);
    const MutationPlan plan = make_plan(random, random.pick(kUniques));
    const auto mutation = compile(plan, *image);
    Reference reference(*image, plan);
    for (const uint64_t lap : {uint64_t{0}, uint64_t{1}, uint64_t{2 + random.below(1 << 30)}, random.next() >> 12}) {
      for (const std::string& isa : cpu_isas()) {
        expect_slots(*image, reference, patched(*image, *mutation, *find_replay_kernels(isa.c_str()), lap), lap, isa + ", lap " + std::to_string(lap));
      }
    }
  }
}

/* Only source address and checksums may differ, and only in packets that are counted as changed. */
void nothing_else_changes() {
  Random random(41);
  for (uint32_t round = 0; round < rounds(40) && !failing(); round++) {
    const auto image = make_image(random, 300, 3000);
    const MutationPlan plan = make_plan(random, random.pick(kUniques));
    const auto mutation = compile(plan, *image);
    Reference reference(*image, plan);
    uint64_t reasons[static_cast<size_t>(Unchanged::count)] = {};
    for (uint64_t i = 0; i < image->packets(); i++) {
      uint32_t length;
      const uint8_t* before = image->slots() + image->slot_offsets()[i] + kFrameOffset;
      const uint8_t* after = reference.frame(i, &length);
      const HeaderPlaces places = locate_headers(before, length, static_cast<FrameKind>(image->kinds()[i]));
      const bool ip4 = places.family == Family::ip4;
      const bool changed = ip4 ? plan.rewrite4 : places.family == Family::ip6 && plan.rewrite6;
      Unchanged reason = places.reason;
      if (places.family != Family::none && !changed) reason = ip4 ? Unchanged::ip4_without_rule : Unchanged::ip6_without_rule;
      reasons[static_cast<size_t>(reason)]++;
      Bytes wanted(before, before + length);
      if (changed) {
        const uint32_t source = places.network + (ip4 ? 12 : 8);
        memcpy(wanted.data() + source, after + source, ip4 ? 4 : 16);
        if (ip4) memcpy(wanted.data() + places.network + 10, after + places.network + 10, 2);
        if (places.checksum) memcpy(wanted.data() + places.checksum, after + places.checksum, 2);
      }
      CHECK_FOR(wanted == Bytes(after, after + length), "packet " + std::to_string(i));
    }
    for (size_t i = 0; i < static_cast<size_t>(Unchanged::count) && mutation->active(); i++) {
      CHECK_EQUAL(mutation->unchanged(static_cast<Unchanged>(i)), reasons[i]);
    }
  }
}

/* Which verdict of checksum-verify the stack gives one frame; 5 = none. */
uint32_t verdict_of(const uint8_t* slot_frame, uint32_t length) {
  auto burst = std::make_unique<Burst256>();
  burst->count = 1;
  burst->frames[0] = slot_frame;
  burst->lengths[0] = length;
  burst->protocols[0] = kNoProtocol;
  burst->marks[0] = 0;
  OperationState ignored, state;
  find_operation("eth", "scalar")->run(*burst, ignored);
  find_operation("ip4", "scalar")->run(*burst, ignored);
  find_operation("ip6", "scalar")->run(*burst, ignored);
  find_operation("checksum-verify", "scalar")->run(*burst, state);
  uint32_t verdict = 0;
  while (verdict < 5 && state.verdicts[verdict] == 0) verdict++;
  return verdict;
}

/* Good stays good, bad stays bad, absent stays absent: nothing is repaired and nothing is broken. */
void a_rewrite_changes_no_verdict() {
  Random random(42);
  uint32_t seen[6] = {};
  for (uint32_t round = 0; round < rounds(40) && !failing(); round++) {
    const auto image = make_image(random, 400, 2000);
    const MutationPlan plan = make_plan(random, random.pick(kUniques));
    const auto mutation = compile(plan, *image);
    const uint64_t lap = random.below(1000);
    const Bytes slots = patched(*image, *mutation, *find_replay_kernels("scalar"), lap);
    for (uint64_t i = 0; i < image->packets(); i++) {
      if (image->kinds()[i] != static_cast<uint8_t>(FrameKind::ethernet)) continue;
      const uint64_t at = image->slot_offsets()[i] + kFrameOffset;
      const uint32_t length = image->shapes()[i].length;
      const uint32_t before = verdict_of(image->slots() + at, length);
      CHECK_EQUAL(verdict_of(slots.data() + at, length), before);
      seen[before]++;
    }
  }
  for (int i = 0; i < 5; i++) CHECK_FOR(seen[i] > rounds(100), "verdict " + std::to_string(i));
}

using Address = std::array<uint8_t, 16>;

struct Sources {
  uint64_t hosts = 0;
  std::map<Address, std::pair<uint64_t, Address>> by_new; /* new source -> lap and old source (or packet) that got it */
};

/* Plays laps [0, laps) and notes who got which source; false at the first source that two replicas share. */
bool no_source_is_shared(const TraceImage& image, const MutationPlan& plan, Family family, uint64_t laps, Sources* sources) {
  Reference reference(image, plan);
  const uint32_t bytes = family == Family::ip4 ? 4 : 16;
  std::set<Address> hosts;
  for (uint64_t ordinal = 0; ordinal < laps * image.packets(); ordinal++) {
    const uint64_t index = ordinal % image.packets();
    uint32_t length;
    const uint8_t* frame = reference.frame(ordinal, &length);
    const HeaderPlaces places = locate_headers(frame, length, static_cast<FrameKind>(image.kinds()[index]));
    if (places.family != family) continue;
    const uint32_t source = places.network + (family == Family::ip4 ? 12 : 8);
    Address old_source{}, new_source{};
    memcpy(old_source.data(), image.slots() + image.slot_offsets()[index] + kFrameOffset + source, bytes);
    if (plan.unique == Unique::packet) memcpy(old_source.data(), &index, sizeof index);
    memcpy(new_source.data(), frame + source, bytes);
    hosts.insert(old_source);
    const auto owner = std::make_pair(ordinal / image.packets(), old_source);
    if (sources->by_new.emplace(new_source, owner).first->second != owner) return false;
  }
  sources->hosts = hosts.size();
  return true;
}

void no_two_replicas_share_a_source_before_the_period() {
  Random random(43);
  for (const Unique unique : {Unique::flow, Unique::packet}) {
    for (const Family family : {Family::ip4, Family::ip6}) {
      const auto image = make_image(random, 20 + random.below(30), 2000);
      MutationPlan plan = make_plan(random, unique);
      plan.rewrite4 = family == Family::ip4;
      plan.rewrite6 = family == Family::ip6;
      plan.prefix4_length = 22;
      plan.prefix4 &= 0xfffffc00u;
      plan.prefix6_length = 118;
      plan.prefix6[14] = static_cast<uint8_t>(plan.prefix6[14] & 0xfc);
      plan.prefix6[15] = 0;
      const uint64_t period = compile(plan, *image)->period_laps();
      Sources sources;
      CHECK(no_source_is_shared(*image, plan, family, period, &sources));
      CHECK(sources.hosts > 3);
      CHECK_EQUAL(period, 1024 / sources.hosts);
      CHECK_EQUAL(sources.by_new.size(), period * sources.hosts);
      Sources beyond; /* 1024 addresses cannot serve one more than 1024 */
      CHECK(!no_source_is_shared(*image, plan, family, period + 1, &beyond) || (period + 1) * sources.hosts <= 1024);
    }
  }
}

void unique_off_gives_the_same_lap_again() {
  Random random(44);
  const auto image = make_image(random, 200, 2000);
  const MutationPlan plan = make_plan(random, Unique::off);
  const auto mutation = compile(plan, *image);
  const ReplayKernels& kernels = *find_replay_kernels("scalar");
  CHECK(patched(*image, *mutation, kernels, 0) == patched(*image, *mutation, kernels, 12345));
}

}  // namespace

extern const std::vector<Test> mutation_tests;
const std::vector<Test> mutation_tests = {
    {"mutation: every ISA patches as the reference says", patches_equal_the_reference},
    {"mutation: nothing but source and checksums changes, and the rest is counted", nothing_else_changes},
    {"mutation: a rewrite changes no checksum verdict", a_rewrite_changes_no_verdict},
    {"mutation: no two replicas share a source before the period", no_two_replicas_share_a_source_before_the_period},
    {"mutation: unique off gives the same lap again", unique_off_gives_the_same_lap_again},
};

}  // namespace model_t::test
