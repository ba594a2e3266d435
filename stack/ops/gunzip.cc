/*
 * gunzip: undoes gzip and deflate codings of bodies (native/inflaters.h says how); heads, bodies without a coding and bodies
 * with one that it does not know go on as they are. Expands. Verdicts: decoded, corrupt, truncated, limited (bodies: one of
 * the four each); identity, other (rows passed on as they were: no coding, an unknown one); inBytesSum, outBytesSum.
 * General source, needs zlib; declaration in gunzip.ts.
 */
#include "../native/inflaters.h"
#include "../native/operation.h"

#include <cstdio>
#include <new>

namespace model_t {

namespace {

class GunzipOperation final : public InflaterSink {
 public:
  GunzipOperation() { inflaters_.set_sink(this); }
  bool reserve() { return inflaters_.reserve(); }

  void run(const Burst256& burst, OperationState& state) {
    output_ = state.output;
    inflaters_.begin();
    for (uint32_t i = 0; i < burst.count; i++) {
      const uint8_t encoding = burst.encodings[i];
      const uint8_t marks = burst.stream_marks[i];
      if ((encoding == kGzip || encoding == kDeflate) && !(marks & kStreamHead)) {
        inflaters_.take(origin_of(burst, i), burst.payloads[i], burst.payload_lengths[i], burst.streams[i], marks, encoding);
        continue;
      }
      (encoding == kIdentity ? identity_ : other_)++;
      emit(origin_of(burst, i), burst.payloads[i], burst.payload_lengths[i], burst.streams[i], marks, encoding);
    }
    publish(state);
  }

  void finish(OperationState& state) {
    output_ = state.output;
    inflaters_.finish();
    publish(state);
  }

  void take(const PacketColumns& packet, const uint8_t* bytes, uint32_t length, uint64_t stream, uint8_t marks) override {
    emit(packet, bytes, length, stream, marks, kIdentity);
  }

  void flush() override { output_->flush(); }

 private:
  void emit(const PacketColumns& packet, const uint8_t* bytes, uint32_t length, uint64_t stream, uint8_t marks, uint8_t encoding) {
    const uint32_t row = output_->add();
    Burst256& rows = *output_->burst;
    set_origin(rows, row, packet);
    rows.payloads[row] = bytes;
    rows.payload_lengths[row] = length;
    rows.streams[row] = stream;
    rows.stream_marks[row] = marks;
    rows.encodings[row] = encoding;
  }

  void publish(OperationState& state) {
    const InflaterCounts& counts = inflaters_.counts;
    const uint64_t verdicts[8] = {counts.decoded, identity_,       counts.corrupt,   counts.truncated,
                                  counts.limited, counts.in_bytes, counts.out_bytes, other_};
    for (uint32_t i = 0; i < 8; i++) state.verdicts[i] = verdicts[i];
  }

  Inflaters inflaters_;
  Output* output_ = nullptr;
  uint64_t identity_ = 0;
  uint64_t other_ = 0;
};

void* create(const OperationArgument&, char (&error)[256]) {
  GunzipOperation* const operation = new (std::nothrow) GunzipOperation;
  if (operation && operation->reserve()) return operation;
  delete operation;
  snprintf(error, sizeof error, "no memory for the inflaters of gunzip");
  return nullptr;
}

void destroy(void* memory) { delete static_cast<GunzipOperation*>(memory); }
void run(Burst256& burst, OperationState& state) { static_cast<GunzipOperation*>(state.memory)->run(burst, state); }
void finish(Burst256&, OperationState& state) { static_cast<GunzipOperation*>(state.memory)->finish(state); }

}  // namespace

extern const OperationBody gunzip_operation;
const OperationBody gunzip_operation = {"gunzip", "zlib", run, kExpands, create, destroy, finish};

}  // namespace model_t
