/*
 * order: checks that packets of one flow come in the order in which they were captured. Rows stay as they are.
 *
 * What it compares is virtual capture time, which every replay has: it goes on from lap to lap, and within a flow it must never
 * run backwards (ties are allowed). Both directions are one flow: operations with state per flow look at both, in one order.
 * A capture whose own timestamps run backwards within a flow has packets out of order however it is replayed: compare with a run
 * in one container. What it cannot see: an exchange of two packets with the same time, and what happens while a flow is not in
 * its table, where the one not used for longest gives way.
 *
 * Parameter: number of flows. Verdicts: in-order, out-of-order (an earlier time than the latest seen of its flow), no-flow.
 * General source; declaration in order.ts.
 */
#include <cstdio>
#include <new>

#include "../native/flow_key.h"
#include "../native/operation.h"

namespace model_t {

namespace {

constexpr uint32_t kFlows = 65536;

struct OrderOperation {
  FlowTable table;
  ZeroedArray<uint64_t> latest; /* by entry */
  FlowOf flows[kBurstCapacity];
  uint32_t hashes[kBurstCapacity];
  uint8_t rows[kBurstCapacity];
};

/* Keys and hashes of all rows first, so that the lines of buckets come while others are worked on. */
uint32_t collect(const Burst256& burst, OrderOperation& operation) {
  uint32_t found = 0;
  for (uint32_t i = 0; i < burst.count; i++) {
    if (!flow_of(burst, i, &operation.flows[found])) continue;
    operation.hashes[found] = operation.table.hash(operation.flows[found].key);
    operation.table.prefetch(operation.hashes[found]);
    operation.rows[found++] = static_cast<uint8_t>(i);
  }
  return found;
}

/* A flow that was not there: its first packet is in order. */
uint32_t create_flow(OrderOperation& operation, const FlowKey& key, uint32_t hash) {
  if (operation.table.full()) operation.table.remove(operation.table.oldest());
  const uint32_t entry = operation.table.insert(key, hash);
  operation.latest[entry] = 0;
  return entry;
}

void run(Burst256& burst, OperationState& state) {
  OrderOperation& operation = *static_cast<OrderOperation*>(state.memory);
  const uint32_t found = collect(burst, operation);
  uint32_t late = 0;
  for (uint32_t k = 0; k < found; k++) {
    const uint32_t i = operation.rows[k];
    const FlowKey& key = operation.flows[k].key;
    uint32_t entry = operation.table.find(key, operation.hashes[k]);
    if (entry == kNoEntry) entry = create_flow(operation, key, operation.hashes[k]);
    const uint64_t time = burst.times[i];
    uint64_t& latest = operation.latest[entry];
    if (time < latest) late++;
    else latest = time;
  }
  state.verdicts[0] += found - late;
  state.verdicts[1] += late;
  state.verdicts[2] += burst.count - found;
}

void* create(const OperationArgument& argument, char (&error)[256]) {
  const uint32_t flows = argument.parameter ? argument.parameter : kFlows;
  OrderOperation* const operation = new (std::nothrow) OrderOperation;
  if (operation && operation->table.reserve(flows) && operation->latest.reserve(flows)) return operation;
  delete operation;
  snprintf(error, sizeof error, "no memory for %u flows; at most 16777216", flows);
  return nullptr;
}

void destroy(void* memory) { delete static_cast<OrderOperation*>(memory); }

}  // namespace

extern const OperationBody order_operation;
const OperationBody order_operation = {"order", "scalar", run, 0, create, destroy, nullptr};

}  // namespace model_t
