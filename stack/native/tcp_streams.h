/*
 * TCP connections put back in order (RFC 9293, as an observer between the hosts sees them). Used by stack/ops/tcp_stream.cc.
 *
 * - The first bytes that came for a sequence number are delivered; later ones for it are dropped ("retransmitted").
 * - A stream starts behind the SYN (kStreamStart). Where no SYN was seen it starts with the first segment that has payload,
 *   and its first piece has kStreamGap instead.
 * - Segments beyond a hole are copied and wait. A hole is given up (kStreamGap) when a connection holds back more than its
 *   share, when all memory is in use (the connection that has waited longest gives way), and when the connection ends.
 * - FIN ends its direction (kStreamEnd). RST ends both if it lies in a window of 1 MiB behind what was delivered; so do idle
 *   time, eviction of the connection used least recently, and the end of the capture.
 * - A SYN with another sequence number begins a new connection if the old one has ended or was never answered; otherwise
 *   it is ignored. Segments more than 1 GiB (the largest window) away are ignored.
 * - Checksums are not looked at: captures on a sender hold segments before the card filled them in. Put checksum-verify before.
 */
#ifndef MODEL_T_STACK_TCP_STREAMS_H
#define MODEL_T_STACK_TCP_STREAMS_H

#include "block_pool.h"
#include "flow_key.h"
#include "packet_columns.h"

namespace model_t {

struct TcpSegment {
  PacketColumns packet;
  const uint8_t* payload;
  uint32_t length;  /* of the payload that is there */
  uint32_t missing; /* bytes of it that the capture cut off */
  uint32_t sequence;
  uint32_t acknowledged;
  uint8_t flags;
};


/* Bytes of a stream, in order. */
struct StreamPiece {
  const PacketColumns* packet;
  const uint8_t* bytes;
  uint32_t length;
  uint8_t marks; /* StreamMark */
  uint64_t stream;
};

class StreamSink {
 public:
  virtual void take(const StreamPiece& piece) = 0;
  /* All that pieces point to may be reused afterwards. */
  virtual void flush() = 0;

 protected:
  ~StreamSink() = default;
};

struct TcpLimits {
  uint32_t connections = 65536;
  uint32_t held_by_connection = 1 << 20; /* bytes, as blocks */
  uint64_t held = 64 << 20;
  uint64_t idle_ns = 300ull * 1000 * 1000 * 1000;
};

struct TcpCounts {
  uint64_t reordered = 0;     /* segments that had to wait */
  uint64_t retransmitted = 0; /* segments with bytes that had come before */
  uint64_t gaps = 0;
  uint64_t evicted = 0; /* connections */
};

class TcpStreams {
 public:
  explicit TcpStreams(const TcpLimits& limits) : limits_(limits), pool_(limits.held) {}
  ~TcpStreams();
  TcpStreams(const TcpStreams&) = delete;
  TcpStreams& operator=(const TcpStreams&) = delete;
  bool reserve();

  void set_sink(StreamSink* sink) { sink_ = sink; }
  /* Once per burst, before its segments: what earlier pieces point to is free again; ends connections idle at `now`. */
  void begin(uint64_t now);
  uint32_t hash(const FlowKey& key) const { return table_.hash(key); }
  void prefetch(uint32_t hash) const { table_.prefetch(hash); }
  void take(const TcpSegment& segment, const FlowOf& flow, uint32_t hash);
  /* Ends all connections. */
  void finish();

  TcpCounts counts;
  uint64_t held_bytes() const { return pool_.used(); }

 private:
  struct Held {
    uint32_t start;
    uint32_t length;
    uint8_t* block; /* tcp_holes.cc */
  };
  static uint32_t end_of(const Held& held) { return held.start + held.length; }
  struct Direction {
    Held* held; /* in order, apart from each other, all beyond `next` */
    uint32_t held_count;
    uint32_t held_capacity;
    uint32_t next;
    uint32_t origin; /* sequence number of the first byte */
    uint32_t fin;
    uint32_t flags;
  };
  struct Connection {
    Direction directions[2]; /* of the first and the second endpoint of the key */
    uint64_t number;
    uint64_t last;
    uint32_t held_bytes;
    uint32_t waits_before; /* list of connections that hold something back, the one that began first first */
    uint32_t waits_behind;
    uint16_t class_number;
    uint8_t opener; /* which direction is the one of who opened */
    bool waits;
    bool reset;
  };

  uint32_t create(const TcpSegment& segment, const FlowOf& flow, uint32_t hash);
  void open(Connection& connection, const TcpSegment& segment, const FlowOf& flow);
  bool reopens(const Connection& connection, const TcpSegment& segment, uint32_t side) const;
  void take_syn(Connection& connection, const TcpSegment& segment, uint32_t side);
  bool takes_reset(const Connection& connection, const TcpSegment& segment, uint32_t side) const;
  void take_data(uint32_t entry, uint32_t side, const TcpSegment& segment);
  void take_bytes(uint32_t entry, uint32_t side, const TcpSegment& segment, uint32_t start, const uint8_t* bytes, uint32_t length);
  bool hold(uint32_t entry, uint32_t side, const TcpSegment& segment, uint32_t start, const uint8_t* bytes, uint32_t length);
  bool hold_piece(uint32_t entry, uint32_t side, const TcpSegment& segment, uint32_t index, Held piece, const uint8_t* bytes);
  bool grow(Direction& direction);
  void forget_held(Direction& direction);
  void release_list(Direction& direction);
  uint8_t* find_room(uint32_t entry, uint32_t bytes);
  void skip_lost(uint32_t entry, uint32_t side, const TcpSegment& segment);
  uint32_t deliver_held(uint32_t entry, uint32_t side);
  void give_up_hole(uint32_t entry, uint32_t side);
  void give_up_holes(uint32_t entry);
  void deliver(Connection& connection, uint32_t side, const PacketColumns& packet, const uint8_t* bytes, uint32_t length);
  void end_direction(Connection& connection, uint32_t side, const PacketColumns& packet);
  void close(uint32_t entry, const PacketColumns& packet);
  void wait(uint32_t entry);
  void wait_no_more(uint32_t entry);
  void remove(uint32_t entry);

  TcpLimits limits_;
  FlowTable table_;
  ZeroedArray<Connection> connections_;
  BlockPool pool_;
  StreamSink* sink_ = nullptr;
  uint64_t opened_ = 0;
  uint8_t slot_ = 0; /* of the packet that is being handled: pieces that waited go out under it */
  uint32_t first_waiting_ = kNoEntry;
  uint32_t last_waiting_ = kNoEntry;
};

}  // namespace model_t

#endif
