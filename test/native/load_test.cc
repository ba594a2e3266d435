/* What schedulers are tried with: order sees every exchange that it can see and no other, burn costs what it says, hops arrive. */
#include <algorithm>
#include <map>

#include "../../stack/native/clock.h"
#include "../../stack/native/hop_run.h"
#include "talk.h"

namespace model_t::test {

namespace {

enum Verdict { kInOrder, kOutOfOrder, kNoFlow };
const std::vector<std::string> kSteps = {"eth", "ip4", "ip6", "order"};

Packet of_flow(uint32_t host, bool back, uint64_t time) { return Talk{host % 2 == 1, host}.segment(back, 1, 1, kAckFlag, "x", time); }

/* Any packets in any order: against the latest time of each flow in a map. */
void order_is_that_of_a_map() {
  Random random(121);
  Chain chain(kSteps);
  chain.keep_rows = false;
  std::map<uint32_t, uint64_t> latest;
  uint64_t late = 0, packets = 0;
  for (uint32_t round = 0; round < rounds(2000); round++) {
    std::vector<Packet> burst;
    for (uint32_t i = 0; i < 1 + random.below(20); i++) {
      const uint32_t host = 1 + random.below(30);
      const uint64_t time = 1000 + round + random.below(random.one_in(10) ? 5 : 1);
      burst.push_back(of_flow(host, random.one_in(2), time));
      uint64_t& seen = latest[host];
      late += time < seen;
      seen = std::max(seen, time);
    }
    packets += burst.size();
    chain.run_all(burst);
  }
  CHECK(late > 0);
  CHECK_EQUAL(chain.verdict("order", kOutOfOrder), late);
  CHECK_EQUAL(chain.verdict("order", kInOrder), packets - late);
  CHECK_EQUAL(chain.row_count, packets);
}

void order_knows_ties_directions_and_flows() {
  struct Case {
    std::vector<Packet> packets;
    uint64_t late;
  };
  const Case cases[] = {
      {{of_flow(1, false, 5), of_flow(1, false, 5)}, 0},
      {{of_flow(1, false, 5), of_flow(1, false, 4)}, 1},
      {{of_flow(1, false, 5), of_flow(1, true, 4)}, 1}, /* both directions are one flow */
      {{of_flow(1, false, 5), of_flow(2, false, 4)}, 0},
      {{of_flow(1, false, 9), of_flow(1, false, 4), of_flow(1, false, 5)}, 2}, /* behind the latest, whatever came between */
      {{of_flow(1, false, 0), of_flow(1, false, 0)}, 0},
  };
  for (size_t i = 0; i < std::size(cases); i++) {
    Chain chain(kSteps);
    chain.run_all(cases[i].packets);
    CHECK_FOR(chain.verdict("order", kOutOfOrder) == cases[i].late, std::to_string(i));
    CHECK_FOR(chain.verdict("order", kInOrder) == cases[i].packets.size() - cases[i].late, std::to_string(i));
  }
}

/* A flow that gave way begins anew; one that is still in the table does not. */
void order_forgets_the_oldest_flow_only() {
  Chain chain({"eth", "ip4", "ip6", "order 16"});
  chain.run_all({of_flow(1, false, 1000)});
  for (uint32_t host = 2; host <= 16; host++) chain.run_all({of_flow(host, false, 1000)});
  chain.run_all({of_flow(16, false, 1)});
  CHECK_EQUAL(chain.verdict("order", kOutOfOrder), 1u);
  for (uint32_t host = 17; host <= 40; host++) chain.run_all({of_flow(host, false, 1000)});
  chain.run_all({of_flow(1, false, 1)});
  CHECK_EQUAL(chain.verdict("order", kOutOfOrder), 1u);
  CHECK_EQUAL(chain.verdict("order", kInOrder), 41u);
}

void what_is_no_flow_has_no_order() {
  Chain chain(kSteps);
  Bytes arp(60);
  arp[12] = 8;
  arp[13] = 6;
  chain.run_all({{arp, 9}, {arp, 1}, {Bytes(10), 0}});
  CHECK_EQUAL(chain.verdict("order", kNoFlow), 3u);
  CHECK_EQUAL(chain.verdict("order", kInOrder) + chain.verdict("order", kOutOfOrder), 0u);
}

/* Least of some turns, in time-stamp cycles: what disturbs one makes it longer. */
uint64_t cost_of(const std::string& step, uint32_t rows) {
  const OperationBody* const body = find_operation("burn", "scalar");
  OperationArgument argument;
  argument.parameter = static_cast<uint32_t>(std::stoul(step));
  char error[256];
  OperationState state;
  state.memory = body->create(argument, error);
  CHECK(state.memory != nullptr);
  const auto burst = std::make_unique<Burst256>();
  burst->count = rows;
  uint64_t best = UINT64_MAX;
  for (int turn = 0; turn < 50; turn++) {
    const uint64_t begin = cycles();
    body->run(*burst, state);
    best = std::min(best, cycles() - begin);
  }
  CHECK_EQUAL(state.verdicts[0], 50u * rows);
  body->destroy(state.memory);
  return best;
}

/* Half to twice: the clock of a core may change between the probe and the turns. Sanitizers have no part in a chain of additions. */
void burn_costs_what_it_says() {
  for (const uint32_t rows : {1u, 7u, 256u}) {
    const uint64_t cost = cost_of("1000", rows);
    CHECK_FOR(cost > 500u * rows && cost < 2000u * rows + 1000, std::to_string(rows) + " rows took " + std::to_string(cost));
  }
  CHECK(cost_of("0", 256) < 256u * 20);
}

void burn_refuses_more_than_it_can() {
  char error[256];
  OperationArgument argument;
  argument.parameter = 100001;
  CHECK(find_operation("burn", "scalar")->create(argument, error) == nullptr);
  CHECK(std::string(error).find("100001") != std::string::npos);
}

/* Windows may take longer than the time on a busy machine or under a sanitizer; what arrives must be what was sent. */
void a_hop_hands_over_what_was_sent() {
  for (const HopRing ring : {HopRing::descriptors, HopRing::stages}) {
    for (const uint32_t burst : {1u, 7u, 256u}) {
      const HopOutcome outcome = run_hop({ring, burst, -1, -1, 0.1});
      CHECK_FOR(outcome.error.empty() || outcome.error.find("not one window") == 0, outcome.error);
      CHECK(outcome.windows == 0 || (outcome.fastest <= outcome.cycles && outcome.cycles <= outcome.slowest));
    }
  }
}

}  // namespace

extern const std::vector<Test> load_tests;
const std::vector<Test> load_tests = {
    {"order, that of a map", order_is_that_of_a_map},
    {"order, ties, directions and flows", order_knows_ties_directions_and_flows},
    {"order, forgets the oldest flow only", order_forgets_the_oldest_flow_only},
    {"order, what is no flow has none", what_is_no_flow_has_no_order},
    {"burn, costs what it says", burn_costs_what_it_says},
    {"burn, refuses more than it can", burn_refuses_more_than_it_can},
    {"hop, hands over what was sent", a_hop_hands_over_what_was_sent},
};

}  // namespace model_t::test
