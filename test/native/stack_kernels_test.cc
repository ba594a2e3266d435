/*
 * The operations and the digest: every ISA of this CPU against scalar, the scalar ones against what a frame was made to be.
 * Frames lie at the end of their slot's memory, followed by a guard, with noise behind their length.
 */
#include <cstring>

#include "../../replay/native/headers.h"
#include "../../stack/native/operation.h"
#include "support.h"

namespace model_t::test {

namespace {

struct Pipeline {
  OperationState states[7] = {};

  void run(const StackKernels& kernels, Burst256& burst, void (*between)(Burst256&) = nullptr) {
    static const char* const kNames[7] = {"eth", "ip4", "ip6", "tcp", "udp", "checksum-verify", "count"};
    for (int i = 0; i < 7; i++) {
      find_operation(kNames[i], kernels.isa)->run(burst, states[i]);
      if (between) between(burst);
    }
  }
  bool operator==(const Pipeline& other) const { return memcmp(states, other.states, sizeof states) == 0; }
};

enum Operation { kEth, kIp4, kIp6, kTcp, kUdp, kVerify, kCount };
enum Verified { kGood, kBad, kAbsent, kUnverifiable, kOther };

/* A burst with all columns known, as the intake of a container leaves it and more. */
std::unique_ptr<Burst256> empty_burst() {
  auto burst = std::make_unique<Burst256>();
  memset(static_cast<void*>(burst.get()), 0, sizeof(Burst256));
  memset(burst->protocols, kNoProtocol, sizeof burst->protocols);
  return burst;
}

void add(Burst256& burst, const uint8_t* frame, size_t length) {
  burst.frames[burst.count] = frame;
  burst.lengths[burst.count++] = static_cast<uint32_t>(length);
}

bool same_columns(const Burst256& a, const Burst256& b) {
  return memcmp(a.ends, b.ends, sizeof a.ends) == 0 && memcmp(a.types, b.types, sizeof a.types) == 0 &&
         memcmp(a.transports, b.transports, sizeof a.transports) == 0 && memcmp(a.networks, b.networks, sizeof a.networks) == 0 &&
         memcmp(a.protocols, b.protocols, sizeof a.protocols) == 0 && memcmp(a.marks, b.marks, sizeof a.marks) == 0;
}

/* The same but for what stands in the columns of packets whose header was malformed: nobody may look at that. */
bool same_meaning(const Burst256& a, const Burst256& b) {
  for (uint32_t i = 0; i < a.count; i++) {
    if (a.types[i] != b.types[i] || a.networks[i] != b.networks[i] || a.protocols[i] != b.protocols[i]) return false;
    if (a.protocols[i] == kNoProtocol) continue;
    if (a.ends[i] != b.ends[i] || a.transports[i] != b.transports[i] || a.marks[i] != b.marks[i]) return false;
  }
  return true;
}

Bytes some_frame(Random& random, uint32_t length) {
  FrameTraits traits;
  Bytes frame = make_frame(random, &traits);
  const uint32_t sort = random.below(4);
  if (sort == 1) frame = damage(random, std::move(frame));
  if (sort == 2) random.fill(frame.data(), frame.size());
  const size_t had = frame.size();
  frame.resize(length);
  if (length > had) random.fill(frame.data() + had, length - had);
  return frame;
}

const StackKernels& scalar_kernels() { return *find_stack_kernels("scalar"); }

/* All operations over one burst by every ISA; columns and verdicts must be scalar's. */
void compare_operations(const Burst256& burst) {
  Burst256 wanted = burst;
  Pipeline scalar;
  scalar.run(scalar_kernels(), wanted);
  for (const std::string& isa : cpu_isas()) {
    const StackKernels* kernels = find_stack_kernels(isa.c_str());
    if (!check(kernels != nullptr && kernels->isa == isa, __FILE__, __LINE__, "no kernels for " + isa)) return;
    Burst256 got = burst;
    Pipeline pipeline;
    pipeline.run(*kernels, got);
    CHECK_FOR(pipeline == scalar && same_columns(got, wanted), isa);
    exercised().insert("stack/" + isa);
  }
}

void operations_agree() {
  Random random(20);
  const GuardedSlots slots(kBurstCapacity, 2048);
  for (uint32_t round = 0; round < rounds(60) && !failing(); round++) {
    auto burst = empty_burst();
    for (uint32_t i = 0; i < kBurstCapacity; i++) {
      const Bytes frame = some_frame(random, i <= 200 ? i : 200 + random.below(1300));
      add(*burst, slots.lay(i, frame, random), frame.size());
    }
    if (round % 4 == 3) burst->count = random.below(kBurstCapacity + 1);
    compare_operations(*burst);
  }
}

/* What lies behind a frame's length must not be believed: other noise, same answers. */
void noise_behind_a_frame_is_not_believed() {
  Random random(21);
  const GuardedSlots slots(kBurstCapacity, 2048);
  for (uint32_t round = 0; round < rounds(100) && !failing(); round++) {
    std::vector<Bytes> frames(kBurstCapacity);
    for (Bytes& frame : frames) frame = some_frame(random, random.below(200));
    Pipeline pipelines[2];
    auto first = empty_burst(), second = empty_burst();
    for (Burst256* burst : {first.get(), second.get()}) {
      for (uint32_t i = 0; i < kBurstCapacity; i++) add(*burst, slots.lay(i, frames[i], random), frames[i].size());
      pipelines[burst == second.get()].run(scalar_kernels(), *burst);
    }
    CHECK(pipelines[0] == pipelines[1] && same_meaning(*first, *second));
  }
}

/* A lag reader's frames may be overwritten between two operations: that may give nonsense, never a wild read. */
void frames_that_change_between_operations_do_no_harm() {
  Random random(22);
  static const GuardedSlots* slots;
  static Random* noise;
  const GuardedSlots memory(kBurstCapacity, 256);
  slots = &memory;
  noise = &random;
  for (const std::string& isa : cpu_isas()) {
    for (uint32_t round = 0; round < rounds(200); round++) {
      auto burst = empty_burst();
      for (uint32_t i = 0; i < kBurstCapacity; i++) {
        const Bytes frame = some_frame(random, random.below(130));
        add(*burst, slots->lay(i, frame, random), frame.size());
      }
      Pipeline pipeline;
      pipeline.run(*find_stack_kernels(isa.c_str()), *burst, [](Burst256& now) {
        for (uint32_t i = 0; i < now.count; i++) {
          uint8_t* frame = const_cast<uint8_t*>(now.frames[i]);
          const uint32_t length = now.lengths[i];
          if (length > 15 && noise->one_in(2)) frame[now.networks[i] < length ? now.networks[i] : 14] = noise->one_in(2) ? 0x4f : 0x6f;
          else noise->fill(frame, length);
        }
      });
      CHECK_EQUAL(pipeline.states[kCount].verdicts[0], uint64_t{kBurstCapacity});
    }
  }
}

/* The verdict on one frame. */
Verified verified(const Bytes& frame, const GuardedSlots& slots, Random& random, Pipeline* pipeline) {
  auto burst = empty_burst();
  add(*burst, slots.lay(0, frame, random), frame.size());
  *pipeline = {};
  pipeline->run(scalar_kernels(), *burst);
  for (int i = 0; i < 5; i++) {
    if (pipeline->states[kVerify].verdicts[i]) return static_cast<Verified>(i);
  }
  return kOther;
}

Verified intended(const FrameTraits& traits) {
  if (traits.tags > 8) return kOther;
  if (!traits.ip6 && !traits.header_good) return kBad;
  if (traits.fragment) return kUnverifiable;
  if (traits.transport == Sum::good) return kGood;
  if (traits.transport == Sum::bad) return kBad;
  return traits.transport == Sum::absent ? kAbsent : kOther;
}

void verdicts_are_what_frames_were_made_to_be() {
  Random random(23);
  const GuardedSlots slots(1, 4096);
  uint32_t seen[5] = {};
  for (uint32_t round = 0; round < rounds(20000) && !failing(); round++) {
    FrameTraits traits;
    const Bytes frame = make_frame(random, &traits);
    Pipeline pipeline;
    const Verified verdict = verified(frame, slots, random, &pipeline);
    const bool eth_right = pipeline.states[kEth].verdicts[traits.tags > 8 ? 3 : traits.ip6 ? 1 : 0] == 1;
    const std::string what = "frame " + std::to_string(round) + ": protocol " + std::to_string(traits.protocol) + (traits.ip6 ? ", IPv6" : ", IPv4");
    CHECK_FOR(eth_right, what);
    CHECK_FOR(verdict == intended(traits), what + ", verdict " + std::to_string(verdict) + " for " + std::to_string(intended(traits)));
    if (traits.tags <= 8 && !traits.fragment) {
      CHECK_FOR(pipeline.states[traits.ip6 ? kIp6 : kIp4].verdicts[0] == 1, what);
      CHECK_FOR(pipeline.states[kTcp].verdicts[0] == (traits.protocol == 6), what);
      CHECK_FOR(pipeline.states[kUdp].verdicts[0] == (traits.protocol == 17), what);
    }
    seen[verdict]++;
  }
  for (const uint32_t count : seen) CHECK(count > 10);
}

void digest_agrees() {
  Random random(24);
  const GuardedSlots slots(kBurstCapacity, 4096);
  for (uint32_t round = 0; round < rounds(40) && !failing(); round++) {
    auto burst = empty_burst();
    for (uint32_t i = 0; i < kBurstCapacity; i++) {
      Bytes frame(round == 0 ? i : random.below(random.one_in(8) ? 3000 : 200));
      random.fill(frame.data(), frame.size());
      add(*burst, slots.lay_clean(i, frame), frame.size());
    }
    for (uint32_t limit = 0; limit <= 3; limit++) {
      const uint32_t count = random.below(3) ? random.below(kBurstCapacity + 1) : random.below(9);
      uint64_t wanted = 0;
      for (uint32_t i = 0; i < count; i++) wanted += model_t_digest_packet(burst->frames[i], burst->lengths[i], limit);
      for (const std::string& isa : cpu_isas()) {
        const uint64_t got = find_stack_kernels(isa.c_str())->digest(burst->frames, burst->lengths, count, limit);
        CHECK_FOR(got == wanted, isa + ", " + std::to_string(count) + " packets, limit " + std::to_string(limit));
        exercised().insert("digest/" + isa);
      }
    }
  }
}

/* One changed bit, or two packets exchanging bytes, must show; a digest that saw less would prove little. */
void digest_sees_every_bit() {
  Random random(25);
  const GuardedSlots slots(1, 4096);
  for (uint32_t length : {1u, 14u, 60u, 62u, 63u, 126u, 127u, 200u}) {
    Bytes frame(length);
    random.fill(frame.data(), length);
    const uint64_t before = model_t_digest_packet(slots.lay(0, frame, random), length, 0);
    for (uint32_t bit = 0; bit < length * 8; bit++) {
      frame[bit / 8] = static_cast<uint8_t>(frame[bit / 8] ^ 1u << bit % 8);
      CHECK(model_t_digest_packet(slots.lay(0, frame, random), length, 0) != before);
      frame[bit / 8] = static_cast<uint8_t>(frame[bit / 8] ^ 1u << bit % 8);
    }
    CHECK(model_t_digest_packet(slots.lay(0, frame, random), length, 0) == before);
  }
}

/* Replay's idea of where the transport checksum lies, and the stack's. */
void stack_and_replay_agree_on_the_checksum() {
  Random random(26);
  const GuardedSlots slots(1, 4096);
  uint32_t both = 0, neither = 0;
  for (uint32_t round = 0; round < rounds(60000) && !failing(); round++) {
    FrameTraits traits;
    Bytes frame = make_frame(random, &traits);
    if (!random.one_in(3)) frame = damage(random, std::move(frame));
    const uint32_t length = static_cast<uint32_t>(frame.size());
    auto burst = empty_burst();
    const uint8_t* at = slots.lay(0, frame, random);
    add(*burst, at, length);
    Pipeline().run(scalar_kernels(), *burst);
    const HeaderPlaces places = locate_headers(at, length, FrameKind::ethernet);
    const bool ip4 = places.family == Family::ip4;
    const uint8_t protocol = burst->protocols[0];
    const uint32_t field = protocol == 6 ? 16 : protocol == 17 ? 6 : protocol == 58 && !ip4 ? 2 : 0;
    if (places.family == Family::none || protocol == kNoProtocol || field == 0) {
      neither++;
      continue;
    }
    CHECK_EQUAL(places.network, static_cast<uint32_t>(burst->networks[0]));
    const bool there = !(burst->marks[0] & (kLaterFragment | kPseudoUnknown)) && burst->ends[0] >= burst->transports[0] + field + 2;
    if (!there && (burst->marks[0] & kPseudoUnknown)) continue; /* a routing header leaves the source in the pseudo-header */
    CHECK_FOR(places.checksum == (there ? burst->transports[0] + field : 0), "frame " + std::to_string(round) + ", protocol " + std::to_string(protocol));
    both += there;
  }
  CHECK(both > rounds(5000) && neither > rounds(5000));
}

}  // namespace

extern const std::vector<Test> stack_kernel_tests;
const std::vector<Test> stack_kernel_tests = {
    {"stack kernels: all operations agree on frames of 0 to 200 bytes and more", operations_agree},
    {"stack kernels: noise behind a frame is not believed", noise_behind_a_frame_is_not_believed},
    {"stack kernels: frames that change between operations do no harm", frames_that_change_between_operations_do_no_harm},
    {"stack kernels: verdicts are what frames were made to be", verdicts_are_what_frames_were_made_to_be},
    {"stack kernels: digest agrees, line limits 0 to 3", digest_agrees},
    {"stack kernels: digest sees every bit", digest_sees_every_bit},
    {"stack kernels: stack and replay agree on where the checksum is", stack_and_replay_agree_on_the_checksum},
};

}  // namespace model_t::test
