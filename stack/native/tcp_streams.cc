/* Implements tcp_streams.h: connections, their beginning and end. What waits for a hole to fill: tcp_holes.cc. */
#include "tcp_streams.h"

#include "tcp_direction.h"

namespace model_t {

namespace {

constexpr uint32_t kResetWindow = 1 << 20;
constexpr uint32_t kExpiriesPerBurst = 64;

}  // namespace

bool TcpStreams::reserve() { return table_.reserve(limits_.connections) && connections_.reserve(limits_.connections); }

TcpStreams::~TcpStreams() {
  for (uint32_t entry = table_.oldest(); entry != kNoEntry; entry = table_.newer(entry)) {
    for (Direction& direction : connections_[entry].directions) forget_held(direction);
  }
}

void TcpStreams::begin(uint64_t now) {
  pool_.recycle();
  for (uint32_t i = 0; i < kExpiriesPerBurst; i++) {
    const uint32_t entry = table_.oldest();
    if (entry == kNoEntry) return;
    const Connection& connection = connections_[entry];
    if (now <= connection.last || now - connection.last <= limits_.idle_ns) {
      /* The order of use is a rough one: something idle may stand behind. */
      if (now < connection.last || now - connection.last < limits_.idle_ns / 8) table_.touch(entry);
      return;
    }
    remove(entry);
  }
}

void TcpStreams::finish() {
  pool_.recycle();
  slot_ = 0;
  for (uint32_t entry; (entry = table_.oldest()) != kNoEntry;) remove(entry);
}

/* A SYN or payload begins a connection that is not known; anything else says nothing about it. */
uint32_t TcpStreams::create(const TcpSegment& segment, const FlowOf& flow, uint32_t hash) {
  if ((segment.flags & kRst) || (!(segment.flags & kSyn) && segment.length == 0)) return kNoEntry;
  if (table_.full()) {
    counts.evicted++;
    remove(table_.oldest());
  }
  const uint32_t entry = table_.insert(flow.key, hash);
  open(connections_[entry], segment, flow);
  return entry;
}

void TcpStreams::open(Connection& connection, const TcpSegment& segment, const FlowOf& flow) {
  const uint64_t ports = flow.key.words[4];
  const uint32_t port[2] = {__builtin_bswap16(static_cast<uint16_t>(ports)), __builtin_bswap16(static_cast<uint16_t>(ports >> 16))};
  const uint32_t side = flow.swapped;
  connection = {};
  connection.number = ++opened_;
  connection.last = segment.packet.time;
  connection.class_number = static_cast<uint16_t>(port[0] < port[1] ? port[0] : port[1]);
  const bool answers = (segment.flags & kSyn) ? (segment.flags & kAck) != 0 : port[side] < port[side ^ 1];
  connection.opener = static_cast<uint8_t>(answers ? side ^ 1 : side);
}

void TcpStreams::take(const TcpSegment& segment, const FlowOf& flow, uint32_t hash) {
  slot_ = segment.packet.slot;
  uint32_t entry = table_.find(flow.key, hash);
  if (entry == kNoEntry) entry = create(segment, flow, hash);
  if (entry == kNoEntry) return;
  Connection& connection = connections_[entry];
  const uint32_t side = flow.swapped;
  const uint64_t time = segment.packet.time;
  const bool idle = time > connection.last && time - connection.last > limits_.idle_ns;
  if (idle || reopens(connection, segment, side)) {
    close(entry, no_packet());
    open(connection, segment, flow);
  }
  if (time > connection.last) connection.last = time;
  if (connection.reset) return;
  if (segment.flags & kRst) {
    if (!takes_reset(connection, segment, side)) return;
    close(entry, segment.packet);
    connection.reset = true;
    return;
  }
  if (segment.flags & kSyn) {
    const Direction& direction = connection.directions[side];
    if ((direction.flags & kKnown) && direction.origin != segment.sequence + 1) return; /* not of this connection */
    take_syn(connection, segment, side);
  }
  take_data(entry, side, segment);
}

/* True if the segment is a SYN of a new connection between the same two ports. */
bool TcpStreams::reopens(const Connection& connection, const TcpSegment& segment, uint32_t side) const {
  if (!(segment.flags & kSyn) || (segment.flags & kRst)) return false;
  const Direction& own = connection.directions[side];
  const Direction& other = connection.directions[side ^ 1];
  if (!(own.flags & kKnown)) return connection.reset;
  const bool ended = connection.reset || ((own.flags & kEnded) && (other.flags & kEnded));
  if (own.origin == segment.sequence + 1) return ended && !(segment.flags & kAck); /* else the same SYN once more */
  const bool unanswered = !(other.flags & kKnown) && !(own.flags & kStarted);
  return ended || unanswered;
}

void TcpStreams::take_syn(Connection& connection, const TcpSegment& segment, uint32_t side) {
  Direction& own = connection.directions[side];
  Direction& other = connection.directions[side ^ 1];
  if (!(own.flags & kKnown)) {
    own.next = own.origin = segment.sequence + 1;
    own.flags = kKnown | kFromStart;
  }
  if ((segment.flags & kAck) && !(other.flags & kKnown)) { /* the SYN this answers was not captured */
    other.next = other.origin = segment.acknowledged;
    other.flags = kKnown | kFromStart;
  }
}

bool TcpStreams::takes_reset(const Connection& connection, const TcpSegment& segment, uint32_t side) const {
  const Direction& own = connection.directions[side];
  const Direction& other = connection.directions[side ^ 1];
  if (own.flags & kKnown) return segment.sequence - own.next + 1 <= kResetWindow;
  return (segment.flags & kAck) && (other.flags & kKnown) && segment.acknowledged == other.next; /* connection refused */
}

void TcpStreams::take_data(uint32_t entry, uint32_t side, const TcpSegment& segment) {
  Connection& connection = connections_[entry];
  Direction& direction = connection.directions[side];
  uint32_t length = segment.length;
  if (length + segment.missing == 0 && !(segment.flags & kFin)) return;
  const uint32_t start = segment.sequence + ((segment.flags & kSyn) ? 1 : 0);
  if (!(direction.flags & kKnown)) {
    direction.next = direction.origin = start;
    direction.flags = kKnown | kGapPending;
  }
  const uint32_t end = start + length + segment.missing;
  if ((direction.flags & kEnded) || distance(start, direction.next) > kFarthest || distance(start, direction.next) < -kFarthest) {
    if (length) counts.retransmitted++;
    return;
  }
  const uint32_t seen = direction.held_count ? end_of(direction.held[direction.held_count - 1]) : direction.next;
  if ((segment.flags & kFin) && !(direction.flags & kFinSeen) && distance(end, seen) >= 0) {
    direction.fin = end;
    direction.flags |= kFinSeen;
  }
  if (direction.flags & kFinSeen) { /* nothing lies behind the end */
    const int32_t room = distance(direction.fin, start);
    if (room < static_cast<int32_t>(length)) length = room > 0 ? static_cast<uint32_t>(room) : 0;
  }
  if (length) take_bytes(entry, side, segment, start, segment.payload, length);
  if (segment.missing && direction.next == start + length && !(direction.flags & kEnded)) skip_lost(entry, side, segment);
  if ((direction.flags & (kFinSeen | kEnded)) == kFinSeen && direction.next == direction.fin) end_direction(connection, side, segment.packet);
}

/* The next bytes of a stream go out. */
void TcpStreams::deliver(Connection& connection, uint32_t side, const PacketColumns& packet, const uint8_t* bytes, uint32_t length) {
  Direction& direction = connection.directions[side];
  direction.next += length;
  uint32_t marks = 0;
  if ((direction.flags & (kStarted | kFromStart)) == kFromStart) marks |= kStreamStart;
  if (direction.flags & kGapPending) marks |= kStreamGap;
  if ((direction.flags & kFinSeen) && direction.next == direction.fin) {
    marks |= kStreamEnd;
    direction.flags |= kEnded;
  }
  direction.flags = (direction.flags | kStarted) & ~kGapPending;
  PacketColumns columns = packet;
  columns.class_number = connection.class_number;
  columns.slot = slot_;
  const uint64_t stream = connection.number * 2 + (side != connection.opener);
  sink_->take({&columns, bytes, length, static_cast<uint8_t>(marks), stream});
}

/* An empty piece with the end mark. */
void TcpStreams::end_direction(Connection& connection, uint32_t side, const PacketColumns& packet) {
  Direction& direction = connection.directions[side];
  if ((direction.flags & kFinSeen) && direction.next != direction.fin) direction.flags |= kGapPending;
  direction.fin = direction.next;
  direction.flags |= kFinSeen;
  deliver(connection, side, packet, packet.frame, 0);
}

/* Hands on what waits and ends both streams; those that nothing was seen of are not mentioned. */
void TcpStreams::close(uint32_t entry, const PacketColumns& packet) {
  give_up_holes(entry);
  Connection& connection = connections_[entry];
  for (uint32_t side = 0; side < 2; side++) {
    const uint32_t flags = connection.directions[side].flags;
    if ((flags & (kStarted | kEnded)) == kStarted) end_direction(connection, side, packet);
    connection.directions[side].flags |= kEnded;
  }
}

void TcpStreams::remove(uint32_t entry) {
  close(entry, no_packet());
  table_.remove(entry);
}

}  // namespace model_t
