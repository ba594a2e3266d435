/*
 * HTTP/1.0 and 1.1 messages (RFC 9112) out of the two streams of a connection, cut at any byte. Used by stack/ops/http.cc.
 *
 * - Each head is handed on in one piece (kStreamHead, start, end), each body in pieces with chunked coding undone, under a
 *   key of its own: message * 2 for the head and message * 2 + 1 for the body, with bit 63 set, so that they are no
 *   connection's keys.
 * - Requests and responses are told apart by how they begin, not by direction. Responses belong to requests in order: one to
 *   HEAD has no body, one to CONNECT and a 101 (Switching Protocols) make the connection opaque. Of such requests 8 may wait
 *   for their responses at a time; further ones are taken for others.
 * - A direction with something else in it is opaque: it is dropped and counted. So is one whose heads or chunks are broken
 *   (RFC 9112 does not say where the next message begins), or whose head is larger than 64 KiB.
 * - Bytes missing (kStreamGap) end the message; the next one is taken up where a row begins with a first line. A body that lasts
 *   until the connection closes goes on behind the gap. So it is with streams whose beginning was not seen.
 */
#ifndef MODEL_T_STACK_HTTP_STREAMS_H
#define MODEL_T_STACK_HTTP_STREAMS_H

#include "block_pool.h"
#include "flow_table.h"
#include "http_head.h"
#include "packet_columns.h"

namespace model_t {

struct HttpPiece {
  const PacketColumns* packet;
  const uint8_t* bytes;
  uint32_t length;
  uint8_t marks; /* StreamMark */
  Encoding encoding;
  uint64_t stream;
};

class HttpSink {
 public:
  virtual void take(const HttpPiece& piece) = 0;
  virtual void flush() = 0;

 protected:
  ~HttpSink() = default;
};

struct HttpCounts {
  uint64_t requests = 0;
  uint64_t responses = 0;
  uint64_t bodies = 0; /* with at least one byte */
  uint64_t body_bytes = 0;
  uint64_t incomplete = 0; /* messages */
  uint64_t malformed = 0;  /* messages */
  uint64_t opaque = 0;     /* directions */
};

class HttpStreams {
 public:
  static constexpr uint32_t kLargestHead = 64 * 1024;

  HttpStreams(uint32_t connections, uint64_t head_bytes) : connection_limit_(connections), pool_(head_bytes) {}
  ~HttpStreams();
  HttpStreams(const HttpStreams&) = delete;
  HttpStreams& operator=(const HttpStreams&) = delete;
  bool reserve() { return table_.reserve(connection_limit_) && connections_.reserve(connection_limit_); }

  void set_sink(HttpSink* sink) { sink_ = sink; }
  /* Once per burst: what earlier pieces point to is free again. */
  void begin() { pool_.recycle(); }
  /* The next bytes of a stream of tcp-stream. */
  void take(uint64_t stream, uint8_t marks, const PacketColumns& packet, const uint8_t* bytes, uint32_t length);
  void finish();

  HttpCounts counts;

 private:
  enum class State : uint8_t { head, sized, chunk_size, chunk_data, chunk_end, trailers, until_close, lost, opaque, ended };

  struct Direction {
    uint64_t remaining; /* of the body or the chunk */
    uint64_t body;      /* key */
    uint8_t* head;      /* what there is of a head that came in pieces */
    uint32_t head_bytes;
    uint32_t head_capacity;
    uint32_t line; /* bytes of a chunk-size line or trailer line */
    uint32_t trailer_bytes;
    State state;
    Encoding encoding;
    uint8_t digits;  /* of a chunk size */
    bool extension;  /* behind the digits */
    bool begun;      /* the body has had a piece */
    bool gap;        /* the next piece follows a gap */
  };
  /* A request whose response has an unusual form. */
  struct Special {
    uint64_t request;
    HttpMethod method;
  };
  static constexpr uint32_t kSpecials = 8;
  struct Connection {
    Direction directions[2];
    uint64_t requests;
    uint64_t responses; /* final ones */
    Special specials[kSpecials];
    uint32_t special_count;
  };

  uint32_t entry_of(uint64_t connection);
  void drop(uint32_t entry);
  void parse(Connection& connection, Direction& direction, const PacketColumns& packet, const uint8_t* bytes, uint32_t length);
  uint32_t take_head(Connection& connection, Direction& direction, const PacketColumns& packet, const uint8_t* bytes,
                     uint32_t length);
  bool keep_head(Direction& direction, const uint8_t* bytes, uint32_t length);
  void forget_head(Direction& direction);
  void begin_message(Connection& connection, Direction& direction, const PacketColumns& packet, const uint8_t* bytes,
                     uint32_t length);
  HttpMethod answered_method(Connection& connection, uint32_t status);
  bool begin_response(Connection& connection, const HttpHead& head);
  uint32_t take_body(Direction& direction, const PacketColumns& packet, const uint8_t* bytes, uint32_t length);
  uint32_t take_chunk_line(Direction& direction, const PacketColumns& packet, const uint8_t* bytes, uint32_t length);
  uint32_t take_trailers(Direction& direction, const PacketColumns& packet, const uint8_t* bytes, uint32_t length);
  void emit_body(Direction& direction, const PacketColumns& packet, const uint8_t* bytes, uint32_t length, uint32_t marks);
  void end_body(Direction& direction, const PacketColumns& packet);
  void break_off(Direction& direction, const PacketColumns& packet);
  void lose(Connection& connection, Direction& direction, const PacketColumns& packet);
  void end(Direction& direction, const PacketColumns& packet);
  void make_opaque(Direction& direction);
  void malformed(Direction& direction, const PacketColumns& packet);

  uint32_t connection_limit_;
  FlowTable table_;
  ZeroedArray<Connection> connections_;
  BlockPool pool_;
  HttpSink* sink_ = nullptr;
  uint64_t messages_ = 0;
};

}  // namespace model_t

#endif
