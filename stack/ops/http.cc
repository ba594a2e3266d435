/*
 * http: messages of HTTP/1.0 and 1.1 out of the streams of tcp (native/http_streams.h says how). Rows are heads, each whole
 * (kStreamHead), and pieces of bodies with chunked coding undone; encodings get the content coding. Expands; rows without a
 * stream go no further. Verdicts: requests, responses, bodies, bodyBytesSum, incomplete, malformed (messages), opaque
 * (directions). General source; declaration in http.ts.
 */
#include "../native/http_streams.h"
#include "../native/operation.h"

#include <cstdio>
#include <new>

namespace model_t {

namespace {

constexpr uint32_t kConnections = 65536;
constexpr uint64_t kHeadBytes = 16 << 20;

class HttpOperation final : public HttpSink {
 public:
  HttpOperation() : streams_(kConnections, kHeadBytes) { streams_.set_sink(this); }
  bool reserve() { return streams_.reserve(); }

  void run(const Burst256& burst, OperationState& state) {
    output_ = state.output;
    streams_.begin();
    for (uint32_t i = 0; i < burst.count; i++) {
      if (burst.streams[i] == 0) continue;
      streams_.take(burst.streams[i], burst.stream_marks[i], origin_of(burst, i), burst.payloads[i], burst.payload_lengths[i]);
    }
    publish(state);
  }

  void finish(OperationState& state) {
    output_ = state.output;
    streams_.finish();
    publish(state);
  }

  void take(const HttpPiece& piece) override {
    const uint32_t row = output_->add();
    Burst256& rows = *output_->burst;
    set_origin(rows, row, *piece.packet);
    rows.payloads[row] = piece.bytes;
    rows.payload_lengths[row] = piece.length;
    rows.streams[row] = piece.stream;
    rows.stream_marks[row] = piece.marks;
    rows.encodings[row] = piece.encoding;
  }

  void flush() override { output_->flush(); }

 private:
  void publish(OperationState& state) {
    const HttpCounts& counts = streams_.counts;
    const uint64_t verdicts[7] = {counts.requests,   counts.responses, counts.bodies, counts.body_bytes,
                                  counts.incomplete, counts.malformed, counts.opaque};
    for (uint32_t i = 0; i < 7; i++) state.verdicts[i] = verdicts[i];
  }

  HttpStreams streams_;
  Output* output_ = nullptr;
};

void* create(const OperationArgument&, char (&error)[256]) {
  HttpOperation* const operation = new (std::nothrow) HttpOperation;
  if (operation && operation->reserve()) return operation;
  delete operation;
  snprintf(error, sizeof error, "no memory for the connections of http");
  return nullptr;
}

void destroy(void* memory) { delete static_cast<HttpOperation*>(memory); }
void run(Burst256& burst, OperationState& state) { static_cast<HttpOperation*>(state.memory)->run(burst, state); }
void finish(Burst256&, OperationState& state) { static_cast<HttpOperation*>(state.memory)->finish(state); }

}  // namespace

extern const OperationBody http_operation;
const OperationBody http_operation = {"http", "scalar", run, kExpands, create, destroy, finish};

}  // namespace model_t
