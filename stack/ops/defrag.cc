/*
 * defrag: IPv4 and IPv6 fragments become whole packets (native/datagrams.h says how), which go on under the slot of the
 * fragment that completed them; what is no fragment goes on as it is. Stands between eth and ip4. Expands. Parameter: what
 * happens to bytes that come twice and differ: 0 the first stay, 1 the last stay, 2 the datagram is dropped. Verdicts: whole,
 * fragments, malformed (packets; malformed ones are counted as fragments, too, if they belong to a datagram), reassembled,
 * overlapping, timedOut, evicted (datagrams). General source; declaration in defrag.ts.
 */
#include "../native/datagrams.h"
#include "../native/packet_columns.h"

#include <cstdio>
#include <new>

namespace model_t {

namespace {

struct DefragOperation {
  explicit DefragOperation(OverlapPolicy policy) : datagrams(policy) {}
  Datagrams datagrams;
  uint64_t malformed = 0;
};

/* A row for a packet that ip4 and ip6 have not seen yet. */
void add_row(Output& output, const PacketColumns& packet, uint16_t type, uint8_t network) {
  const uint32_t row = output.add();
  Burst256& rows = *output.burst;
  set_origin(rows, row, packet);
  rows.types[row] = type;
  rows.networks[row] = network;
  rows.payloads[row] = packet.frame;
  rows.payload_lengths[row] = packet.length;
}

void run(Burst256& burst, OperationState& state) {
  DefragOperation& operation = *static_cast<DefragOperation*>(state.memory);
  Output& output = *state.output;
  uint32_t fragments = 0, malformed = 0;
  if (burst.count) operation.datagrams.begin(burst.times[burst.count - 1]);
  for (uint32_t i = 0; i < burst.count; i++) {
    Fragment fragment;
    WholeDatagram whole;
    switch (read_fragment(burst.frames[i], burst.lengths[i], burst.types[i], burst.networks[i], &fragment)) {
      case Fragmentation::whole:
        add_row(output, origin_of(burst, i), burst.types[i], burst.networks[i]);
        break;
      case Fragmentation::fragment:
        fragments++;
        if (!operation.datagrams.take(fragment, burst.frames[i], burst.times[i], output, &whole)) break;
        add_row(output, {whole.frame, burst.times[i], whole.length, 0, burst.slots[i]}, burst.types[i], whole.network);
        break;
      case Fragmentation::malformed:
        malformed++;
        break;
    }
  }
  operation.malformed += malformed;
  state.verdicts[0] += burst.count - fragments - malformed;
  state.verdicts[1] += fragments;
  const DatagramCounts& counts = operation.datagrams.counts;
  const uint64_t verdicts[5] = {counts.reassembled, counts.overlapping, counts.timed_out, counts.evicted,
                                counts.malformed + operation.malformed};
  for (uint32_t i = 0; i < 5; i++) state.verdicts[2 + i] = verdicts[i];
}

void finish(Burst256&, OperationState& state) {
  DatagramCounts& counts = static_cast<DefragOperation*>(state.memory)->datagrams.counts;
  static_cast<DefragOperation*>(state.memory)->datagrams.finish();
  state.verdicts[4] = counts.timed_out;
}

void* create(const OperationArgument& argument, char (&error)[256]) {
  if (argument.parameter > 2) {
    snprintf(error, sizeof error, "defrag: overlap policy %u is not known", argument.parameter);
    return nullptr;
  }
  DefragOperation* const operation = new (std::nothrow) DefragOperation(static_cast<OverlapPolicy>(argument.parameter));
  if (operation && operation->datagrams.reserve()) return operation;
  delete operation;
  snprintf(error, sizeof error, "no memory for the datagrams of defrag");
  return nullptr;
}

void destroy(void* memory) { delete static_cast<DefragOperation*>(memory); }

}  // namespace

extern const OperationBody defrag_operation;
const OperationBody defrag_operation = {"defrag", "scalar", run, kExpands, create, destroy, finish};

}  // namespace model_t
