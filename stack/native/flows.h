/*
 * Flows with counters: what stack/ops/flow.cc keeps, and how it is read at the end. See flow_table.h for the table itself.
 *
 * A flow begins again (and counts as new) when it was idle for more than 60 s (TCP: 300 s) of capture time, or when a SYN
 * comes after it was closed. When the table is full the flow used least recently gives way.
 */
#ifndef MODEL_T_STACK_FLOWS_H
#define MODEL_T_STACK_FLOWS_H

#include <vector>

#include "flow_key.h"
#include "operation.h"

namespace model_t {

enum class TcpState : uint8_t { none, syn_sent, established, closing, closed, reset };

/* [0]: from the first endpoint of the key to the second, [1]: back. Bytes are those of frames. */
struct alignas(64) FlowRecord {
  uint64_t packets[2];
  uint64_t bytes[2];
  uint64_t first_time;
  uint64_t last_time;
  TcpState state;
  uint8_t fins; /* bit per direction */
};

struct FlowSummary {
  FlowKey key;
  FlowRecord record;
};

/* The flows with the most bytes, largest first, out of the memory of a step that runs `flow`. */
std::vector<FlowSummary> largest_flows(const OperationState& state, uint32_t count);

}  // namespace model_t

#endif
