/*
 * tcp-stream: TCP payload in order, the second body of the operation tcp (tcp.ts): for pipelines that go on with streams.
 * Checks headers as tcp.cc does; rows are pieces of streams (native/tcp_streams.h says how they come about), streams are
 * numbered connection * 2 + direction, classes get the lower of the two ports. Expands. Verdicts: ok, malformed, other as
 * tcp.cc; delivered (rows), reordered, retransmitted (packets), gaps, evicted (connections). General source.
 */
#include "../native/operation.h"
#include "../native/tcp_streams.h"

#include <cstdio>
#include <new>

namespace model_t {

namespace {

class TcpStreamOperation final : public StreamSink {
 public:
  TcpStreamOperation() : streams_(TcpLimits{}) { streams_.set_sink(this); }
  bool reserve() { return streams_.reserve(); }

  void run(const Burst256& burst, OperationState& state) {
    output_ = state.output;
    const uint32_t last = burst.count - 1;
    if (burst.count) streams_.begin(burst.times[last]);
    uint32_t rows = 0, malformed = 0;
    for (uint32_t i = 0; i < burst.count; i++) {
      if (burst.protocols[i] != 6 || (burst.marks[i] & kLaterFragment)) continue;
      payloads_[rows] = payload_offset(burst, i);
      if (payloads_[rows] == 0 || !flow_of(burst, i, &flows_[rows])) {
        malformed++;
        continue;
      }
      hashes_[rows] = streams_.hash(flows_[rows].key);
      streams_.prefetch(hashes_[rows]);
      rows_[rows++] = static_cast<uint8_t>(i);
    }
    for (uint32_t k = 0; k < rows; k++) streams_.take(segment_of(burst, rows_[k], payloads_[k]), flows_[k], hashes_[k]);
    state.verdicts[0] += rows;
    state.verdicts[1] += malformed;
    state.verdicts[2] += burst.count - rows - malformed;
    publish(state);
  }

  void finish(OperationState& state) {
    output_ = state.output;
    streams_.finish();
    publish(state);
  }

  void take(const StreamPiece& piece) override {
    const uint32_t row = output_->add();
    Burst256& rows = *output_->burst;
    set_origin(rows, row, *piece.packet);
    rows.classes[row] = piece.packet->class_number;
    rows.payloads[row] = piece.bytes;
    rows.payload_lengths[row] = piece.length;
    rows.streams[row] = piece.stream;
    rows.stream_marks[row] = piece.marks;
    delivered_++;
  }

  void flush() override { output_->flush(); }

 private:
  /*
   * Where the payload begins, from the start of the frame; 0 = no whole header. Read once: a lag reader's frame may change under
   * us, and a second look might find another length.
   */
  static uint32_t payload_offset(const Burst256& burst, uint32_t i) {
    const uint32_t transport = burst.transports[i];
    const uint32_t end = burst.ends[i];
    if (end < transport + 20) return 0;
    const uint32_t header_bytes = (burst.frames[i][transport + 12] >> 4) * 4u;
    return header_bytes >= 20 && transport + header_bytes <= end ? transport + header_bytes : 0;
  }

  static TcpSegment segment_of(const Burst256& burst, uint32_t i, uint32_t payload) {
    TcpSegment segment;
    segment.packet = origin_of(burst, i);
    const uint8_t* header = burst.frames[i] + burst.transports[i];
    segment.payload = burst.frames[i] + payload;
    segment.length = burst.ends[i] - payload;
    segment.missing = burst.marks[i] & kTruncated ? cut_off(burst, i) : 0;
    segment.sequence = load_network32(header + 4);
    segment.acknowledged = load_network32(header + 8);
    segment.flags = header[13];
    return segment;
  }

  /* Bytes of the IP packet that were not captured. */
  static uint32_t cut_off(const Burst256& burst, uint32_t i) {
    const uint8_t* header = burst.frames[i] + burst.networks[i];
    const uint32_t declared = burst.types[i] == 0x0800 ? load_network16(header + 2) : load_network16(header + 4) + 40;
    const uint32_t there = burst.ends[i] - burst.networks[i];
    return declared > there ? declared - there : 0;
  }

  void publish(OperationState& state) {
    state.verdicts[3] = delivered_;
    state.verdicts[4] = streams_.counts.reordered;
    state.verdicts[5] = streams_.counts.retransmitted;
    state.verdicts[6] = streams_.counts.gaps;
    state.verdicts[7] = streams_.counts.evicted;
  }

  TcpStreams streams_;
  Output* output_ = nullptr;
  uint64_t delivered_ = 0;
  FlowOf flows_[kBurstCapacity];
  uint32_t hashes_[kBurstCapacity];
  uint32_t payloads_[kBurstCapacity + 1]; /* offsets; the last is written before the row is known to be none */
  uint8_t rows_[kBurstCapacity];
};

void* create(const OperationArgument&, char (&error)[256]) {
  TcpStreamOperation* const operation = new (std::nothrow) TcpStreamOperation;
  if (operation && operation->reserve()) return operation;
  delete operation;
  snprintf(error, sizeof error, "no memory for the connections of tcp");
  return nullptr;
}

void destroy(void* memory) { delete static_cast<TcpStreamOperation*>(memory); }
void run(Burst256& burst, OperationState& state) { static_cast<TcpStreamOperation*>(state.memory)->run(burst, state); }
void finish(Burst256&, OperationState& state) { static_cast<TcpStreamOperation*>(state.memory)->finish(state); }

}  // namespace

extern const OperationBody tcp_stream_operation;
const OperationBody tcp_stream_operation = {"tcp-stream", "scalar", run, kExpands, create, destroy, finish};

}  // namespace model_t
