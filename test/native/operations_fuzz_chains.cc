/* The chains that operations_fuzz.cc sends packets through; see operations_fuzz.h. */
#include <cstring>

#include "operations_fuzz.h"

namespace model_t::test {

namespace {

using Steps = std::vector<FuzzStep>;

Steps operator+(Steps front, const FuzzStep& last) {
  front.push_back(last);
  return front;
}

void put32(std::vector<uint8_t>& to, uint32_t value) {
  for (uint32_t i = 0; i < 4; i++) to.push_back(static_cast<uint8_t>(value >> 8 * i));
}

/* As match.ts packs them: how many, then the length and the bytes of each. */
std::vector<uint8_t> patterns(const std::vector<std::string>& texts) {
  std::vector<uint8_t> data;
  put32(data, static_cast<uint32_t>(texts.size()));
  for (const std::string& one : texts) {
    put32(data, static_cast<uint32_t>(one.size()));
    data.insert(data.end(), one.begin(), one.end());
  }
  return data;
}

/* One pattern of one byte, a few of which some begin others, and some hundreds, for the filters that large sets need. */
std::vector<std::vector<uint8_t>> pattern_sets() {
  std::vector<std::string> many;
  for (uint32_t i = 0; i < 400; i++) many.push_back(std::string(1 + i % 9, static_cast<char>(i * 37)) + std::to_string(i));
  const std::vector<std::string> few = {"HTTP", "HTTP/1.1 200", "hello", "TP/1", std::string("\0\1", 2), "\r\n\r\n"};
  return {patterns({"a"}), patterns(few), patterns(many)};
}

struct Instruction {
  uint32_t code, yes, no, constant;
};

std::vector<uint8_t> bytecode(const std::vector<Instruction>& program) {
  std::vector<uint8_t> data;
  for (const Instruction& one : program) {
    put32(data, one.code | one.yes << 16 | one.no << 24);
    put32(data, one.constant);
  }
  return data;
}

/* By hand: TCP port 80 of IPv4; arithmetic on what the packet says, with an offset out of it; words and scratch memory. */
std::vector<std::vector<uint8_t>> filters() {
  const std::vector<Instruction> port = {{0x28, 0, 0, 12}, {0x15, 0, 8, 0x0800}, {0x30, 0, 0, 23}, {0x15, 0, 6, 6},
                                         {0x28, 0, 0, 20}, {0x45, 4, 0, 0x1fff}, {0xb1, 0, 0, 14}, {0x48, 0, 0, 16},
                                         {0x15, 0, 1, 80}, {0x06, 0, 0, 65535},  {0x06, 0, 0, 0}};
  const std::vector<Instruction> arithmetic = {{0x30, 0, 0, 14}, {0x54, 0, 0, 15}, {0x24, 0, 0, 5}, {0x07, 0, 0, 0}, {0x50, 0, 0, 3},
                                               {0x94, 0, 0, 7},  {0x25, 0, 1, 3},  {0x06, 0, 0, 1}, {0x06, 0, 0, 0}};
  const std::vector<Instruction> scratch = {{0x20, 0, 0, 26}, {0x02, 0, 0, 3}, {0x80, 0, 0, 0}, {0x61, 0, 0, 3}, {0x0c, 0, 0, 0},
                                            {0x74, 0, 0, 3},  {0x45, 0, 1, 4}, {0x06, 0, 0, 9}, {0x16, 0, 0, 0}};
  return {bytecode(port), bytecode(arithmetic), bytecode(scratch)};
}

}  // namespace

std::string FuzzChain::name() const {
  std::string text;
  for (const FuzzStep& step : steps) {
    text += (text.empty() ? "" : " | ") + step.name;
    if (step.parameter) text += " " + std::to_string(step.parameter);
  }
  return text;
}

std::vector<FuzzChain> operation_chains() {
  const Steps headers = {{"eth"}, {"ip4"}, {"ip6"}};
  const Steps streams = headers + FuzzStep{"tcp-stream", 1};
  const Steps bodies = streams + FuzzStep{"http"};
  constexpr uint32_t kAllNeeds = kNeedTimes | kNeedPayloads | kNeedStreams;
  std::vector<FuzzChain> chains = {
      {{{"eth"}}, 0, 0},
      {{{"eth"}, {"ip4"}}, 0, 0},
      {headers, 0, kLookHeaders},
      {headers + FuzzStep{"tcp", 0, kWantClasses | kWantPayloads}, kNeedPayloads, kLookHeaders | kLookClasses | kLookPayloads},
      {headers + FuzzStep{"udp", 0, kWantClasses | kWantPayloads}, kNeedPayloads, kLookHeaders | kLookClasses | kLookPayloads},
      {headers + FuzzStep{"icmp", 0, kWantClasses}, 0, kLookClasses},
      {headers + FuzzStep{"port", 0}, 0, kLookClasses},
      {headers + FuzzStep{"port", 1}, 0, kLookClasses},
      {headers + FuzzStep{"checksum-verify", 0}, 0, kLookHeaders},
      {headers + FuzzStep{"checksum-verify", 1}, 0, kLookHeaders},
      {headers + FuzzStep{"decrement-ttl"}, 0, kLookHeaders | kLookFrames},
      {{{"vlan", 0, kWantClasses}}, 0, kLookClasses},
      {{{"skeleton"}}, 0, kLookClasses},
      {{{"count"}}, 0, kLookFrames},
      {{{"null"}}, 0, 0},
      {{{"burn", 3}}, 0, 0},
      {{{"sample", 3}}, 0, kLookFrames},
      {{{"drop"}}, 0, 0},
      {{{"sink"}}, 0, 0},
      {headers + FuzzStep{"flow", 64}, kNeedTimes, kLookHeaders},
      {headers + FuzzStep{"flow", 65536}, kNeedTimes, kLookHeaders},
      {headers + FuzzStep{"order", 64}, kNeedTimes, kLookHeaders},
      {streams, kAllNeeds, kLookStreams},
      {bodies, kAllNeeds, kLookStreams},
      {bodies + FuzzStep{"gunzip"}, kAllNeeds, kLookStreams},
  };
  for (const uint32_t policy : {0u, 1u, 2u}) {
    const Steps whole = {{"eth"}, {"defrag", policy}, {"ip4"}, {"ip6"}};
    chains.push_back({Steps{{"eth"}, {"defrag", policy}}, kNeedTimes, kLookFrames});
    chains.push_back({whole + FuzzStep{"tcp-stream", 1}, kAllNeeds, kLookStreams}); /* rows that defrag made, behind it */
  }
  for (const std::vector<uint8_t>& filter : filters()) chains.push_back({{{"bpf", 0, 0, filter}}, 0, kLookFrames});
  for (const std::vector<uint8_t>& set : pattern_sets()) {
    chains.push_back({{{"match", 0, 0, set}}, kNeedPayloads | kNeedStreams, kLookClasses | kLookPayloads});
    chains.push_back({streams + FuzzStep{"match", 0, 0, set}, kAllNeeds, kLookStreams | kLookClasses | kLookPayloads});
  }
  return chains;
}

FuzzChain fused_chain(Random& random) {
  FuzzChain chain = {{{"eth"}, {"ip4"}}, 0, 0, true};
  uint32_t classes = 0;
  for (const char* name : {"ip6", "udp", "tcp", "null", "checksum-verify", "port", "count"}) {
    if (random.one_in(4)) continue;
    FuzzStep step = {name};
    if (step.name == "checksum-verify") step.parameter = 1;
    if (step.name == "port") step.parameter = random.below(2);
    if (step.name == "port" || step.name == "tcp" || step.name == "udp") classes = kLookClasses;
    chain.steps.push_back(step);
  }
  chain.look = classes | (random.one_in(2) ? kLookHeaders : 0u);
  return chain;
}

}  // namespace model_t::test
