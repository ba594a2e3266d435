/*
 * defrag: datagrams cut and mixed up in any way come out as they were, byte for byte, laid out as slots are; overlaps go by
 * the policy, time and memory are bounded, nonsense is counted.
 */
#include <algorithm>
#include <cstring>

#include "talk.h"

namespace model_t::test {

namespace {

enum Verdict { kWhole, kFragments, kReassembled, kOverlapping, kTimedOut, kEvicted, kMalformed };
constexpr uint64_t kSeconds = 1000ull * 1000 * 1000;

Bytes random_bytes(Random& random, uint32_t count) {
  Bytes bytes(count);
  random.fill(bytes.data(), count);
  return bytes;
}

void datagrams_come_out_as_they_were() {
  Random random(90);
  for (uint32_t round = 0; round < rounds(60) && !failing(); round++) {
    Chain chain({"eth", "defrag", "ip4", "ip6", "udp"});
    std::vector<Packet> packets;
    std::vector<Bytes> expected;
    const uint32_t datagrams = 1 + random.below(20);
    for (uint32_t i = 0; i < datagrams; i++) {
      const uint32_t bytes = random.one_in(10) ? 65000 + random.below(400) : 16 + random.below(4000);
      const Packet packet = datagram(random.one_in(2), 1 + random.below(3), i, random_bytes(random, bytes));
      expected.push_back(packet.bytes);
      for (Packet& fragment : fragments_of(random, packet, i)) packets.push_back(std::move(fragment));
      if (random.one_in(3)) packets.push_back(packets.back()); /* behind the last one in time, maybe: then it waits for ever */
    }
    if (random.one_in(2)) shuffle(random, packets);
    chain.run_all(packets, 1 + random.below(256));
    std::vector<Bytes> found;
    for (const Row& row : chain.rows) found.push_back(row.frame);
    std::sort(found.begin(), found.end());
    std::sort(expected.begin(), expected.end());
    CHECK(found == expected);
    CHECK_EQUAL(chain.verdict("defrag", kFragments), packets.size());
    CHECK_EQUAL(chain.verdict("defrag", kReassembled), datagrams);
    CHECK_EQUAL(chain.verdict("udp", 0), datagrams);
    CHECK_EQUAL(chain.verdict("defrag", kOverlapping) + chain.verdict("defrag", kMalformed), 0u);
  }
}

/* Padding behind completed frames, which header operations and digests rest on. */
void frames_lie_as_in_slots() {
  Random random(91);
  Chain chain({"eth", "defrag"});
  struct Look {
    static void run(Burst256& burst, OperationState& state) {
      for (uint32_t i = 0; i < burst.count; i++) {
        const uintptr_t address = reinterpret_cast<uintptr_t>(burst.frames[i]);
        CHECK_EQUAL(address % 64, 2u);
        for (uint32_t at = burst.lengths[i]; (at + 2) % 64 || at < 62; at++) CHECK_EQUAL(burst.frames[i][at], 0);
        state.verdicts[0]++;
      }
    }
  };
  static const OperationBody look = {"look", "scalar", Look::run};
  chain.append(&look);
  for (uint32_t bytes = 1; bytes < 200; bytes++) {
    const Packet packet = datagram(bytes % 2, 1, bytes, random_bytes(random, bytes));
    chain.run_all(fragments_of(packet, 8, bytes));
  }
  CHECK_EQUAL(chain.verdict("look", 0), 199u);
}

void overlaps_go_by_the_policy() {
  struct Case {
    bool six;
    uint32_t policy;
    const char* expected; /* data behind the UDP header; null = none */
  };
  const Case cases[] = {{false, 0, "aaaaaaaabbbbbbbbcccccccc"}, {false, 1, "aaaaaaaaBBBBBBBBcccccccc"}, {false, 2, nullptr},
                        {true, 0, nullptr},                     {true, 1, nullptr},                     {true, 2, nullptr}};
  const auto packet = [](bool six, const std::string& text) { return datagram(six, 1, 7, Bytes(text.begin(), text.end())); };
  for (const Case& one : cases) {
    Chain chain({"eth", "defrag " + std::to_string(one.policy), "ip4", "ip6"});
    const Packet good = packet(one.six, "aaaaaaaabbbbbbbbcccccccc"), other = packet(one.six, "AAAAAAAABBBBBBBBCCCCCCCC");
    chain.run_all({fragment_of(good, 0, 24, true, 7), fragment_of(good, 8, 16, true, 7), fragment_of(other, 16, 8, true, 7),
                   fragment_of(good, 24, 8, false, 7)});
    const std::string what = std::string(one.six ? "IPv6, policy " : "IPv4, policy ") + std::to_string(one.policy);
    CHECK_FOR(chain.rows.size() == (one.expected ? 1u : 0u), what);
    if (one.expected && !chain.rows.empty()) CHECK_FOR(chain.rows[0].frame == packet(one.six, one.expected).bytes, what);
    CHECK_FOR(chain.verdict("defrag", kOverlapping) == 1, what);
  }
}

void time_is_up() {
  Random random(92);
  for (const bool six : {false, true}) {
    for (const uint64_t wait : {six ? 60u : 30u, six ? 61u : 31u}) {
      Chain chain({"eth", "defrag"});
      std::vector<Packet> fragments = fragments_of(datagram(six, 1, 1, random_bytes(random, 30)), 16, 1);
      for (size_t i = 1; i < fragments.size(); i++) fragments[i].time = wait * kSeconds;
      chain.run_all(fragments);
      const bool late = wait % 10 != 0;
      CHECK_EQUAL(chain.rows.size(), late ? 0u : 1u);
      CHECK_EQUAL(chain.verdict("defrag", kTimedOut), late ? 1u : 0u);
      chain.finish(); /* what came late waits for the rest */
      CHECK_EQUAL(chain.verdict("defrag", kTimedOut), late ? 2u : 0u);
    }
  }
}

void what_waits_is_bounded() {
  Random random(93);
  Chain chain({"eth", "defrag"});
  const Bytes data = random_bytes(random, 60000);
  for (uint32_t i = 0; i < 400; i++) { /* 64 KiB blocks: 256 of them */
    const Packet packet = datagram(false, 1, i, data);
    const Packet last = fragment_of(packet, 50000, 10008, false, i);
    chain.run(&last, 1);
  }
  CHECK(chain.verdict("defrag", kEvicted) >= 144 && chain.verdict("defrag", kEvicted) <= 300);
  for (uint32_t i = 1000; i < 4000; i++) {
    const Packet first = fragment_of(datagram(true, 2, i, Bytes(16)), 0, 8, true, i);
    chain.run(&first, 1);
  }
  chain.finish();
  CHECK(chain.verdict("defrag", kEvicted) > 2000);
  CHECK_EQUAL(chain.verdict("defrag", kEvicted) + chain.verdict("defrag", kTimedOut), 3400u);
}

void nonsense_is_counted() {
  for (const bool six : {false, true}) {
    const Packet packet = datagram(six, 1, 3, Bytes(100));
    const auto broken = [&](std::vector<Packet> fragments) {
      Chain chain({"eth", "defrag"});
      chain.run_all(fragments);
      CHECK_EQUAL(chain.rows.size(), 0u);
      return chain.verdict("defrag", kMalformed);
    };
    CHECK_EQUAL(broken({fragment_of(packet, 0, 12, true, 3)}), 1u); /* not a multiple of 8 */
    CHECK_EQUAL(broken({fragment_of(packet, 8, 0, false, 3)}), 1u); /* nothing in it */
    Packet cut = fragment_of(packet, 0, 16, true, 3);
    cut.bytes.pop_back();
    CHECK_EQUAL(broken({cut}), 1u);
    Packet far = fragment_of(packet, 0, 16, true, 3); /* behind 64 KiB */
    store16(far.bytes.data() + (six ? 56 : 20), six ? 0xfff9 : 0x3fff);
    CHECK_EQUAL(broken({far}), 1u);
    CHECK_EQUAL(broken({fragment_of(packet, 16, 8, false, 3), fragment_of(packet, 24, 8, true, 3)}), 1u);
    CHECK_EQUAL(broken({fragment_of(packet, 24, 8, true, 3), fragment_of(packet, 16, 8, false, 3)}), 1u);
  }
}

void what_is_whole_goes_on_as_it_is() {
  Random random(94);
  Chain chain({"eth", "defrag"}), without({"eth"});
  uint64_t packets = 0;
  for (uint32_t i = 0; i < rounds(5000); i++) {
    FrameTraits traits;
    const Packet packet = {make_frame(random, &traits), i};
    if (traits.fragment) continue;
    chain.run(&packet, 1);
    without.run(&packet, 1);
    packets++;
  }
  CHECK_EQUAL(chain.verdict("defrag", kWhole), packets);
  CHECK_EQUAL(chain.rows.size(), packets);
  for (size_t i = 0; i < chain.rows.size(); i++) CHECK(chain.rows[i].frame == without.rows[i].frame && chain.rows[i].time == without.rows[i].time);
}

}  // namespace

extern const std::vector<Test> defrag_tests;
const std::vector<Test> defrag_tests = {
    {"defrag, datagrams come out as they were", datagrams_come_out_as_they_were},
    {"defrag, frames lie as in slots", frames_lie_as_in_slots},
    {"defrag, overlaps go by the policy", overlaps_go_by_the_policy},
    {"defrag, time is up", time_is_up},
    {"defrag, what waits is bounded", what_waits_is_bounded},
    {"defrag, nonsense is counted", nonsense_is_counted},
    {"defrag, what is whole goes on as it is", what_is_whole_goes_on_as_it_is},
};

}  // namespace model_t::test
