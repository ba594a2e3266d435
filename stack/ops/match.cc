/*
 * match: literal patterns in payloads. Rows without an occurrence leave; the others get the class 1 + number of the pattern
 * whose occurrence ends first (of several, the lowest). Occurrences are counted, overlapping ones too; one that
 * crosses rows of a stream counts in the row where it ends. Verdicts: matched, unmatched, occurrences, bytes looked at, streams evicted.
 * Kernel file; declaration in match.ts, the scan in match_scan.cc.
 */
#include "../native/match_operation.h"
#include "../native/packet_bytes.h"

namespace model_t::MODEL_T_ISA {

void run_match(Burst256& burst, OperationState& state) {
  const MatchTables& tables = match_tables(state.memory);
  uint64_t matched = 0, occurrences = 0, bytes = 0;
  for (uint32_t i = 0; i < burst.count; i++) {
    const uint8_t* const text = burst.payloads[i];
    const uint32_t length = burst.payload_lengths[i];
    MatchSink sink;
    if (burst.streams[i]) match_in_stream(state.memory, match_scan, burst.streams[i], burst.stream_marks[i], text, length, sink);
    else match_scan(tables, text, length, sink);
    const bool found = sink.first != kNoMatch;
    if (found) burst.classes[i] = static_cast<uint16_t>(1 + (sink.first & 0xffff)); /* numbers stay below 65534 */
    burst.leaves[i] = !found;
    matched += found;
    occurrences += sink.occurrences;
    bytes += length;
  }
  state.verdicts[0] += matched;
  state.verdicts[1] += burst.count - matched;
  state.verdicts[2] += occurrences;
  state.verdicts[3] += bytes;
  state.verdicts[4] = match_evicted(state.memory);
}

}  // namespace model_t::MODEL_T_ISA
