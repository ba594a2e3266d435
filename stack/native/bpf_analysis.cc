/* See bpf_analysis.h. */
#include "bpf_analysis.h"

namespace model_t {

namespace {

bool is_packet_load(uint16_t code) {
  return bpf_class(code) == kBpfLd && (bpf_mode(code) == kBpfAbs || bpf_mode(code) == kBpfInd);
}

bool reads_a(uint16_t code) {
  switch (bpf_class(code)) {
    case kBpfSt:
    case kBpfAlu:
      return true;
    case kBpfJmp:
      return bpf_operation(code) != kBpfJa;
    case kBpfRet:
      return code & kBpfRetA;
    default:
      return code == (kBpfMisc | kBpfTax);
  }
}

bool reads_x(uint16_t code) {
  switch (bpf_class(code)) {
    case kBpfLd:
      return bpf_mode(code) == kBpfInd;
    case kBpfStx:
      return true;
    case kBpfAlu:
    case kBpfJmp:
      return code & kBpfX;
    default:
      return code == (kBpfMisc | kBpfTxa);
  }
}

bool writes_a(uint16_t code) {
  return bpf_class(code) == kBpfLd || bpf_class(code) == kBpfAlu || code == (kBpfMisc | kBpfTxa);
}

bool writes_x(uint16_t code) { return bpf_class(code) == kBpfLdx || code == (kBpfMisc | kBpfTax); }

/* A may stay in packet order under these. */
bool masks(uint16_t code) { return code == (kBpfAlu | kBpfAnd); }
bool keeps_order(uint16_t code) { return masks(code) || code == (kBpfJmp | kBpfJeq) || code == (kBpfJmp | kBpfJset); }

/* Sets of values of A that meet in an instruction and so must be held alike. */
class Webs {
 public:
  explicit Webs(uint32_t count) : parent_(count), bytes_(count, 0) {
    for (uint32_t i = 0; i < count; i++) parent_[i] = i;
  }
  uint32_t root(uint32_t web) {
    while (parent_[web] != web) web = parent_[web] = parent_[parent_[web]];
    return web;
  }
  void unite(uint32_t a, uint32_t b) {
    a = root(a), b = root(b);
    if (a == b) return;
    if (bytes_[a] != bytes_[b]) bytes_[a] = 0;
    parent_[b] = a;
  }
  void set(uint32_t web, uint8_t bytes) { bytes_[root(web)] = bytes; }
  uint8_t bytes(uint32_t web) { return bytes_[root(web)]; }

 private:
  std::vector<uint32_t> parent_;
  std::vector<uint8_t> bytes_;
};

constexpr uint32_t kNoWeb = 0xffffffff;

/* Web 0 is A at the start; web i + 1 is what instruction i puts into A. */
void find_packet_order(const BpfProgram& program, BpfAnalysis* found) {
  const uint32_t count = static_cast<uint32_t>(program.size());
  Webs webs(count + 1);
  for (uint32_t i = 0; i < count; i++) {
    const uint16_t code = program[i].code;
    if (is_packet_load(code) && bpf_bytes(code) > 1) webs.set(i + 1, static_cast<uint8_t>(bpf_bytes(code)));
  }
  std::vector<uint32_t> before(count + 1, kNoWeb), after(count, kNoWeb);
  before[0] = 0;
  for (uint32_t i = 0; i < count; i++) {
    if (!found->reachable[i]) continue;
    const uint16_t code = program[i].code;
    after[i] = writes_a(code) && !masks(code) ? i + 1 : before[i];
    for (const uint32_t next : {found->flow[i].yes, found->flow[i].no}) {
      if (next == count || !found->live_a[next]) continue; /* nobody looks at A there */
      if (before[next] == kNoWeb) before[next] = after[i];
      else webs.unite(before[next], after[i]);
    }
  }
  for (uint32_t i = 0; i < count; i++) {
    if (found->reachable[i] && reads_a(program[i].code) && !keeps_order(program[i].code)) webs.set(before[i], 0);
  }
  for (uint32_t i = 0; i < count; i++) {
    if (before[i] != kNoWeb) found->raw_before[i] = webs.bytes(before[i]);
    if (after[i] != kNoWeb) found->raw_after[i] = webs.bytes(after[i]);
  }
}

void find_flow(const BpfProgram& program, BpfAnalysis* found) {
  const uint32_t count = static_cast<uint32_t>(program.size());
  found->reachable[0] = true;
  for (uint32_t i = 0; i < count; i++) {
    const BpfInstruction& one = program[i];
    BpfFlow flow{i + 1, i + 1};
    if (bpf_class(one.code) == kBpfRet) flow = {count, count};
    else if (one.code == (kBpfJmp | kBpfJa)) flow = {i + 1 + one.k, i + 1 + one.k};
    else if (bpf_class(one.code) == kBpfJmp) flow = {i + 1 + one.jt, i + 1 + one.jf};
    found->flow[i] = flow;
    if (!found->reachable[i]) continue;
    found->reachable[flow.yes] = found->reachable[flow.no] = true;
    if (bpf_class(one.code) == kBpfJmp) found->target[flow.yes] = found->target[flow.no] = true;
  }
}

}  // namespace

BpfAnalysis analyse_bpf(const BpfProgram& program, uint32_t limit) {
  const uint32_t count = static_cast<uint32_t>(program.size());
  BpfAnalysis found;
  found.flow.resize(count);
  for (auto* flags : {&found.reachable, &found.target, &found.live_a, &found.live_x}) flags->resize(count + 1);
  found.raw_before.resize(count);
  found.raw_after.resize(count);
  find_flow(program, &found);
  for (uint32_t i = count; i-- > 0;) {
    const BpfInstruction& one = program[i];
    const BpfFlow flow = found.flow[i];
    found.live_a[i] = reads_a(one.code) || (!writes_a(one.code) && (found.live_a[flow.yes] || found.live_a[flow.no]));
    found.live_x[i] = reads_x(one.code) || (!writes_x(one.code) && (found.live_x[flow.yes] || found.live_x[flow.no]));
    const bool place = bpf_mode(one.code) == kBpfAbs ? bpf_class(one.code) == kBpfLd : bpf_mode(one.code) == kBpfMsh && bpf_class(one.code) == kBpfLdx;
    const uint64_t end = uint64_t{one.k} + bpf_bytes(one.code);
    if (place && end <= limit && end > found.certain_bytes) found.certain_bytes = static_cast<uint32_t>(end);
    if (bpf_class(one.code) <= kBpfLdx && bpf_mode(one.code) == kBpfMem) found.uses_memory = true;
  }
  find_packet_order(program, &found);
  return found;
}

}  // namespace model_t
