/*
 * flow: a bounded table of flows, both directions one, with counters and the state of TCP (native/flows.h). Rows stay as they
 * are. Parameter: number of flows. Verdicts: new, known (packets: of a flow not in the table, of one in it), closed (TCP flows,
 * by FIN or RST), evicted (flows), other (packets of no flow). General source; declaration in flow.ts.
 */
#include "../native/flows.h"

#include <algorithm>
#include <cstdio>
#include <functional>
#include <new>
#include <utility>

namespace model_t {

namespace {

constexpr uint32_t kFlows = 65536;
constexpr uint64_t kSecond = 1000 * 1000 * 1000;
constexpr uint64_t kIdle = 60 * kSecond, kIdleTcp = 300 * kSecond;

struct Counts {
  uint32_t created = 0;
  uint32_t closed = 0;
  uint32_t evicted = 0;
};

struct FlowOperation {
  FlowTable table;
  ZeroedArray<FlowRecord> records;
  FlowOf flows[kBurstCapacity];
  uint32_t hashes[kBurstCapacity];
  uint32_t guesses[kBurstCapacity];
  uint8_t rows[kBurstCapacity];
};

uint32_t create_flow(FlowOperation& operation, const FlowKey& key, uint32_t hash, uint64_t time, Counts* counts) {
  if (operation.table.full()) {
    operation.table.remove(operation.table.oldest());
    counts->evicted++;
  }
  const uint32_t entry = operation.table.insert(key, hash);
  operation.records[entry] = {};
  operation.records[entry].first_time = operation.records[entry].last_time = time;
  return entry;
}

bool is_over(const FlowRecord& record, bool tcp, uint8_t flags, uint64_t time) {
  if (time > record.last_time && time - record.last_time > (tcp ? kIdleTcp : kIdle)) return true;
  return record.state >= TcpState::closed && (flags & (kSyn | kAck)) == kSyn;
}

/* Follows the states that matter to who looks on. */
[[gnu::noinline]] void follow(FlowRecord& record, uint32_t direction, uint8_t flags, Counts* counts) {
  const TcpState before = record.state;
  if (flags & kRst) {
    record.state = TcpState::reset;
  } else if (before < TcpState::closed) {
    if ((flags & (kSyn | kAck)) == kSyn) {
      if (before == TcpState::none) record.state = TcpState::syn_sent;
    } else if (before <= TcpState::syn_sent) {
      record.state = TcpState::established; /* also of flows whose SYN was not captured */
    }
    if (flags & kFin) {
      record.fins = static_cast<uint8_t>(record.fins | 1u << direction);
      record.state = record.fins == 3 ? TcpState::closed : TcpState::closing;
    }
  }
  counts->closed += before < TcpState::closed && record.state >= TcpState::closed;
}

/* Keys and hashes of all rows first, so that the lines of buckets and entries come while others are worked on. */
uint32_t collect(const Burst256& burst, FlowOperation& operation) {
  uint32_t found = 0;
  for (uint32_t i = 0; i < burst.count; i++) {
    if (!flow_of(burst, i, &operation.flows[found])) continue;
    operation.hashes[found] = operation.table.hash(operation.flows[found].key);
    operation.table.prefetch(operation.hashes[found]);
    operation.rows[found++] = static_cast<uint8_t>(i);
  }
  for (uint32_t k = 0; k < found; k++) {
    const uint32_t guess = operation.table.guess(operation.hashes[k]);
    if (guess == kNoEntry) continue;
    operation.table.prefetch_key(guess);
    __builtin_prefetch(&operation.records[guess], 1);
  }
  return found;
}

void run(Burst256& burst, OperationState& state) {
  FlowOperation& operation = *static_cast<FlowOperation*>(state.memory);
  Counts counts;
  const uint32_t found = collect(burst, operation);
  for (uint32_t k = 0; k < found; k++) {
    const uint32_t i = operation.rows[k];
    const FlowOf& flow = operation.flows[k];
    const bool tcp = burst.protocols[i] == 6;
    const uint64_t time = burst.times[i];
    const uint8_t flags = tcp && burst.ends[i] >= burst.transports[i] + 14u ? burst.frames[i][burst.transports[i] + 13] : 0;
    uint32_t entry = operation.table.find(flow.key, operation.hashes[k]);
    if (entry == kNoEntry) {
      entry = create_flow(operation, flow.key, operation.hashes[k], time, &counts);
      counts.created++;
    } else if (is_over(operation.records[entry], tcp, flags, time)) [[unlikely]] {
      operation.records[entry] = {};
      operation.records[entry].first_time = time;
      counts.created++;
    }
    FlowRecord& record = operation.records[entry];
    record.packets[flow.swapped]++;
    record.bytes[flow.swapped] += burst.lengths[i];
    record.last_time = time;
    if (tcp && ((flags & (kFin | kSyn | kRst)) || record.state <= TcpState::syn_sent)) follow(record, flow.swapped, flags, &counts);
  }
  state.verdicts[0] += counts.created;
  state.verdicts[1] += found - counts.created;
  state.verdicts[2] += counts.closed;
  state.verdicts[3] += counts.evicted;
  state.verdicts[4] += burst.count - found;
}

void* create(const OperationArgument& argument, char (&error)[256]) {
  const uint32_t flows = argument.parameter ? argument.parameter : kFlows;
  FlowOperation* const operation = new (std::nothrow) FlowOperation;
  if (operation && operation->table.reserve(flows) && operation->records.reserve(flows)) return operation;
  delete operation;
  snprintf(error, sizeof error, "no memory for %u flows; at most 16777216", flows);
  return nullptr;
}

void destroy(void* memory) { delete static_cast<FlowOperation*>(memory); }

}  // namespace

std::vector<FlowSummary> largest_flows(const OperationState& state, uint32_t count) {
  const FlowOperation& operation = *static_cast<const FlowOperation*>(state.memory);
  std::vector<std::pair<uint64_t, uint32_t>> order; /* bytes, entry */
  for (uint32_t entry = operation.table.oldest(); entry != kNoEntry; entry = operation.table.newer(entry)) {
    order.emplace_back(operation.records[entry].bytes[0] + operation.records[entry].bytes[1], entry);
  }
  const size_t kept = std::min<size_t>(count, order.size());
  std::partial_sort(order.begin(), order.begin() + static_cast<std::ptrdiff_t>(kept), order.end(), std::greater<>());
  std::vector<FlowSummary> flows;
  for (size_t i = 0; i < kept; i++) flows.push_back({operation.table.key(order[i].second), operation.records[order[i].second]});
  return flows;
}

extern const OperationBody flow_operation;
const OperationBody flow_operation = {"flow", "scalar", run, 0, create, destroy, nullptr};

}  // namespace model_t
