/*
 * Bodies with a gzip (RFC 1952) or deflate coding, several at a time, inflated piece by piece. Used by stack/ops/gunzip.cc.
 *
 * "deflate" means zlib (RFC 1950), but many servers send bare deflate (RFC 1951): told apart by the first two bytes. Several
 * gzip members follow each other; what else follows a member is ignored. At most 256 bodies are open; the one used least
 * recently gives way. A body ends early when its data is corrupt, when bytes of it are missing, and when it expands by more
 * than 1000:1 beyond the first MiB or to more than 256 MiB; what was inflated until then has gone on.
 */
#ifndef MODEL_T_STACK_INFLATERS_H
#define MODEL_T_STACK_INFLATERS_H

#include <zlib.h>

#include <memory>
#include <new>

#include "flow_table.h"
#include "packet_columns.h"

namespace model_t {

class InflaterSink {
 public:
  /* Bytes of a body that are valid until flush(). */
  virtual void take(const PacketColumns& packet, const uint8_t* bytes, uint32_t length, uint64_t stream, uint8_t marks) = 0;
  virtual void flush() = 0;

 protected:
  ~InflaterSink() = default;
};

struct InflaterCounts {
  uint64_t decoded = 0; /* bodies: exactly one of these four for each */
  uint64_t corrupt = 0;
  uint64_t truncated = 0;
  uint64_t limited = 0;
  uint64_t in_bytes = 0;
  uint64_t out_bytes = 0;
};

class Inflaters {
 public:
  static constexpr uint32_t kOpen = 256;

  Inflaters() = default;
  ~Inflaters();
  Inflaters(const Inflaters&) = delete;
  Inflaters& operator=(const Inflaters&) = delete;
  bool reserve();

  void set_sink(InflaterSink* sink) { sink_ = sink; }
  /* Once per burst: what earlier rows point to is free again. */
  void begin() { used_ = 0; }
  /* The next piece of a body; `encoding`: kGzip or kDeflate. */
  void take(const PacketColumns& packet, const uint8_t* bytes, uint32_t length, uint64_t stream, uint8_t marks, uint8_t encoding);
  void finish();

  InflaterCounts counts;

 private:
  enum class State : uint8_t { undecided, inside, behind_member, stopped };
  struct Inflater {
    z_stream zlib;
    uint64_t in;
    uint64_t out;
    uint64_t stream;
    State state;
    uint8_t encoding;
    uint8_t first; /* byte, until the second tells the format */
    bool has_first;
    bool ready; /* zlib's memory is there */
    bool begun; /* something was handed on */
  };

  uint32_t open(uint64_t stream, uint8_t encoding);
  void close(uint32_t entry, const PacketColumns& packet);
  void feed(Inflater& inflater, const PacketColumns& packet, const uint8_t* bytes, uint32_t length);
  bool decide(Inflater& inflater, const uint8_t* bytes, uint32_t length);
  void inflate_all(Inflater& inflater, const PacketColumns& packet, const uint8_t* bytes, uint32_t length);
  int inflate_some(Inflater& inflater, const PacketColumns& packet);
  void stop(Inflater& inflater, uint64_t* reason, const PacketColumns& packet);
  void emit(Inflater& inflater, const PacketColumns& packet, const uint8_t* bytes, uint32_t length, uint32_t marks);

  FlowTable table_;
  std::unique_ptr<Inflater[]> inflaters_;
  std::unique_ptr<uint8_t[]> buffer_;
  uint32_t used_ = 0; /* of the buffer, by rows that were not flushed yet */
  InflaterSink* sink_ = nullptr;
};

}  // namespace model_t

#endif
