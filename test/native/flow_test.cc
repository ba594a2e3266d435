/* flow and the table under it, against plain maps; the order in which flows give way; states of TCP. */
#include <algorithm>
#include <map>

#include "../../stack/native/flows.h"
#include "talk.h"

namespace model_t::test {

namespace {

enum Verdict { kNew, kKnown, kClosed, kEvicted, kOther };
const std::vector<std::string> kSteps = {"eth", "ip4", "ip6", "flow"};

void the_table_is_a_map() {
  Random random(110);
  for (const uint32_t capacity : {1u, 2u, 7u, 8u, 9u, 100u, 5000u}) {
    FlowTable table;
    CHECK(table.reserve(capacity));
    std::map<uint64_t, uint32_t> model; /* key, entry */
    std::vector<bool> used(capacity);
    for (uint32_t round = 0; round < rounds(20000) && !failing(); round++) {
      FlowKey key;
      key.words[random.one_in(2) ? 0 : 4] = random.below(capacity * 3) * 0x100000001ull + 1;
      const uint64_t name = key.words[0] ? key.words[0] * 2 : key.words[4] * 2 + 1;
      const uint32_t hash = table.hash(key);
      const uint32_t entry = table.find(key, hash);
      const auto found = model.find(name);
      CHECK_EQUAL(entry, found == model.end() ? kNoEntry : found->second);
      if (entry != kNoEntry && random.one_in(2)) {
        table.remove(entry);
        used[entry] = false;
        model.erase(found);
      } else if (entry == kNoEntry && !table.full()) {
        const uint32_t made = table.insert(key, hash);
        CHECK(made < capacity && !used[made]);
        used[made] = true;
        model[name] = made;
      }
      CHECK_EQUAL(table.size(), model.size());
      CHECK_EQUAL(table.full(), model.size() == capacity);
    }
    uint32_t walked = 0;
    for (uint32_t entry = table.oldest(); entry != kNoEntry; entry = table.newer(entry)) walked += used[entry];
    CHECK_EQUAL(walked, model.size());
  }
}

/* Flows used within the last 63/64 of insertions never give way to others. */
void the_one_used_least_recently_gives_way() {
  Random random(111);
  constexpr uint32_t kCapacity = 640;
  FlowTable table;
  CHECK(table.reserve(kCapacity));
  std::map<uint64_t, uint64_t> last; /* key, insertions when it was used last */
  uint64_t insertions = 0;
  for (uint32_t round = 0; round < 20000 && !failing(); round++) {
    FlowKey key;
    key.words[0] = random.one_in(2) ? random.below(300) : random.below(100000);
    const uint32_t hash = table.hash(key);
    if (table.find(key, hash) == kNoEntry) {
      if (table.full()) {
        const uint64_t oldest = table.key(table.oldest()).words[0];
        uint64_t first = insertions;
        for (const auto& [other, when] : last) first = std::min(first, when);
        CHECK(last[oldest] <= first + kCapacity / 64 + 1);
        table.remove(table.oldest());
        last.erase(oldest);
      }
      table.insert(key, hash);
      insertions++;
    }
    last[key.words[0]] = insertions;
  }
  CHECK(insertions > 2 * kCapacity);
}

void counters_are_those_of_a_map() {
  Random random(112);
  struct Model {
    uint64_t packets[2] = {}, bytes[2] = {};
  };
  std::map<uint64_t, Model> model;
  Chain chain(kSteps);
  uint64_t packets = 0;
  for (uint32_t round = 0; round < rounds(20000); round++) {
    const Talk talk = {random.one_in(2), 1 + random.below(20), 1000 + random.below(20), 80};
    const bool back = random.one_in(3);
    const Packet packet = talk.segment(back, 1, 1, kAckFlag, std::string(random.below(100), 'x'), round);
    chain.run(&packet, 1);
    Model& flow = model[talk.six * 1000000ull + talk.host * 10000ull + talk.client_port];
    flow.packets[back]++;
    flow.bytes[back] += packet.bytes.size();
    packets++;
  }
  CHECK_EQUAL(chain.verdict("flow", kNew), model.size());
  CHECK_EQUAL(chain.verdict("flow", kKnown), packets - model.size());
  const std::vector<FlowSummary> flows = largest_flows(chain.state("flow"), 100000);
  CHECK_EQUAL(flows.size(), model.size());
  uint64_t before = ~0ull;
  for (const FlowSummary& flow : flows) {
    const uint64_t bytes = flow.record.bytes[0] + flow.record.bytes[1];
    CHECK(bytes <= before && flow.record.state == TcpState::established && flow.record.first_time <= flow.record.last_time);
    before = bytes;
    const auto same = std::find_if(model.begin(), model.end(), [&](const auto& one) {
      const Model& m = one.second;
      const auto is = [&](uint32_t d) {
        return m.packets[0] == flow.record.packets[d] && m.packets[1] == flow.record.packets[1 - d] &&
               m.bytes[0] == flow.record.bytes[d] && m.bytes[1] == flow.record.bytes[1 - d];
      };
      return is(0) || is(1);
    });
    CHECK(same != model.end());
    if (same != model.end()) model.erase(same);
  }
  CHECK_EQUAL(largest_flows(chain.state("flow"), 3).size(), 3u);
}

void states_of_tcp() {
  const Talk t;
  const uint64_t minute = 60ull * 1000 * 1000 * 1000;
  const auto client = [&](uint8_t flags, uint64_t time = 0) { return t.segment(false, 1, 1, flags, "", time); };
  const auto server = [&](uint8_t flags) { return t.segment(true, 1, 1, flags, ""); };
  struct Case {
    std::vector<Packet> packets;
    TcpState state;
    uint64_t created, closed;
  };
  const Case cases[] = {
      {{client(kSynFlag)}, TcpState::syn_sent, 1, 0},
      {{client(kSynFlag), client(kSynFlag)}, TcpState::syn_sent, 1, 0},
      {{client(kSynFlag), server(kSynFlag | kAckFlag)}, TcpState::established, 1, 0},
      {{client(kAckFlag)}, TcpState::established, 1, 0},
      {{client(kAckFlag), client(kFinFlag | kAckFlag)}, TcpState::closing, 1, 0},
      {{client(kFinFlag | kAckFlag), client(kFinFlag | kAckFlag)}, TcpState::closing, 1, 0},
      {{client(kFinFlag | kAckFlag), server(kFinFlag | kAckFlag)}, TcpState::closed, 1, 1},
      {{client(kFinFlag), server(kFinFlag), client(kAckFlag)}, TcpState::closed, 1, 1},
      {{client(kFinFlag), server(kFinFlag), client(kSynFlag)}, TcpState::syn_sent, 2, 1},
      {{client(kSynFlag), server(kRstFlag | kAckFlag)}, TcpState::reset, 1, 1},
      {{client(kAckFlag), client(kAckFlag, 5 * minute)}, TcpState::established, 1, 0},
      {{client(kAckFlag), client(kAckFlag, 5 * minute + 1)}, TcpState::established, 2, 0},
  };
  for (size_t i = 0; i < std::size(cases); i++) {
    Chain chain(kSteps);
    chain.run_all(cases[i].packets);
    const std::vector<FlowSummary> flows = largest_flows(chain.state("flow"), 10);
    CHECK_FOR(flows.size() == 1 && flows[0].record.state == cases[i].state, std::to_string(i));
    CHECK_FOR(chain.verdict("flow", kNew) == cases[i].created && chain.verdict("flow", kClosed) == cases[i].closed, std::to_string(i));
  }
}

void a_full_table_stays_full() {
  Chain chain({"eth", "ip4", "ip6", "flow 16"});
  for (uint32_t host = 1; host <= 100; host++) {
    const Packet packets[] = {datagram(false, host, 1, Bytes(4)), datagram(false, 1, 1, Bytes(4))};
    chain.run(packets, 2);
  }
  CHECK_EQUAL(chain.verdict("flow", kNew), 100u);
  CHECK_EQUAL(chain.verdict("flow", kEvicted), 84u);
  CHECK_EQUAL(largest_flows(chain.state("flow"), 100).size(), 16u);
  CHECK_EQUAL(largest_flows(chain.state("flow"), 1)[0].record.packets[0] + largest_flows(chain.state("flow"), 1)[0].record.packets[1], 101u);
}

void what_is_no_flow_is_other() {
  Random random(113);
  Chain chain(kSteps);
  uint64_t packets = 0;
  for (uint32_t i = 0; i < rounds(20000); i++) {
    FrameTraits traits;
    Packet packet = {make_frame(random, &traits), i};
    if (random.one_in(2)) packet.bytes = damage(random, packet.bytes);
    chain.run(&packet, 1);
    packets++;
  }
  CHECK_EQUAL(chain.verdict("flow", kNew) + chain.verdict("flow", kKnown) + chain.verdict("flow", kOther), packets);
  for (const uint32_t verdict : {kNew, kKnown, kOther}) CHECK(chain.verdict("flow", verdict) > rounds(100));
  CHECK_EQUAL(chain.rows.size(), packets);
}

}  // namespace

extern const std::vector<Test> flow_tests;
const std::vector<Test> flow_tests = {
    {"flow, the table is a map", the_table_is_a_map},
    {"flow, the one used least recently gives way", the_one_used_least_recently_gives_way},
    {"flow, counters are those of a map", counters_are_those_of_a_map},
    {"flow, states of TCP", states_of_tcp},
    {"flow, a full table stays full", a_full_table_stays_full},
    {"flow, what is no flow is other", what_is_no_flow_is_other},
};

}  // namespace model_t::test
