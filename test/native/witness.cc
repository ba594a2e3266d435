/* See witness.h. */
#include "witness.h"

#include <algorithm>
#include <array>
#include <map>

#include "../../stack/native/flow_key.h"
#include "../../stack/native/fragments.h"
#include "../../stack/native/operation.h"

namespace model_t::test {

namespace {

using Key = std::array<uint64_t, 5>;

/* Two addresses in order, and the IP version. */
Key pair_of(const FlowKey& key) {
  std::array<uint64_t, 2> a{key.words[0], key.words[1]}, b{key.words[2], key.words[3]};
  if (a > b) std::swap(a, b);
  return {a[0], a[1], b[0], b[1], key.words[4] >> 40};
}

/* What eth, ip4 and ip6 say about one packet. */
struct Look {
  std::unique_ptr<Burst256> burst = std::make_unique<Burst256>();
  OperationState state;

  void at(const TraceImage& image, uint64_t packet) {
    burst->count = 1;
    burst->frames[0] = image.slots() + image.slot_offsets()[packet] + kFrameOffset;
    burst->lengths[0] = image.shapes()[packet].length;
    burst->protocols[0] = kNoProtocol;
    burst->marks[0] = 0;
    for (const char* name : {"eth", "ip4", "ip6"}) find_operation(name, "scalar")->run(*burst, state);
  }
  bool fragment(Fragment* out) const {
    return read_fragment(burst->frames[0], burst->lengths[0], burst->types[0], burst->networks[0], out) == Fragmentation::fragment;
  }
};

}  // namespace

std::vector<uint32_t> stack_flows(const TraceImage& image) {
  Look look;
  Fragment fragment;
  std::set<Key> fragmented;
  for (uint64_t i = 0; i < image.packets(); i++) {
    look.at(image, i);
    if (look.fragment(&fragment)) fragmented.insert(pair_of(fragment.key));
  }
  std::map<Key, uint32_t> numbers;
  std::vector<uint32_t> flows(image.packets());
  for (uint64_t i = 0; i < image.packets(); i++) {
    look.at(image, i);
    FlowOf flow;
    const bool part = look.fragment(&fragment);
    if (!part && !flow_of(*look.burst, 0, &flow)) continue;
    const Key pair = pair_of(part ? fragment.key : flow.key);
    Key key = pair;
    if (!fragmented.contains(pair)) std::copy_n(flow.key.words, 5, key.begin());
    flows[i] = numbers.emplace(key, static_cast<uint32_t>(numbers.size() + 1)).first->second;
  }
  return flows;
}

OrderWitness::OrderWitness(const TraceImage& image)
    : packets_(image.packets()), flows_(stack_flows(image)), last_(1 + (flows_.empty() ? 0 : *std::max_element(flows_.begin(), flows_.end()))) {}

void OrderWitness::take(uint32_t lane, uint64_t ordinal) {
  const std::lock_guard<std::mutex> lock(mutex_);
  const std::string what = "packet " + std::to_string(ordinal) + " in lane " + std::to_string(lane);
  if (ordinal >= seen_.size()) seen_.resize(ordinal + 1);
  CHECK_FOR(!seen_[ordinal], what + ", which came before");
  seen_[ordinal] = true;
  taken_++;
  const uint32_t flow = flows_[ordinal % packets_];
  if (flow == 0) return;
  Last& last = last_[flow];
  CHECK_FOR(last.lane == UINT32_MAX || last.lane == lane, what + ", of a flow in lane " + std::to_string(last.lane));
  CHECK_FOR(ordinal >= last.next, what + ", of a flow that is at " + std::to_string(last.next));
  last = {ordinal + 1, lane};
}

void OrderWitness::expect_all(uint64_t ordinals) {
  CHECK_EQUAL(taken_, ordinals);
  CHECK_EQUAL(seen_.size(), ordinals);
}

}  // namespace model_t::test
