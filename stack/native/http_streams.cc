/* Implements http_streams.h: connections, heads, what begins and ends messages. Bodies: http_bodies.cc. */
#include "http_streams.h"

#include <cstring>

namespace model_t {

namespace {

constexpr uint64_t kMessageKey = uint64_t{1} << 63;

}  // namespace

HttpStreams::~HttpStreams() {
  for (uint32_t entry = table_.oldest(); entry != kNoEntry; entry = table_.newer(entry)) {
    for (Direction& direction : connections_[entry].directions) forget_head(direction);
  }
}

uint32_t HttpStreams::entry_of(uint64_t connection) {
  const FlowKey key = key_of(connection);
  const uint32_t hash = table_.hash(key);
  uint32_t entry = table_.find(key, hash);
  if (entry != kNoEntry) return entry;
  if (table_.full()) drop(table_.oldest());
  entry = table_.insert(key, hash);
  connections_[entry] = {};
  return entry;
}

void HttpStreams::drop(uint32_t entry) {
  for (Direction& direction : connections_[entry].directions) end(direction, no_packet());
  table_.remove(entry);
}

void HttpStreams::finish() {
  pool_.recycle();
  for (uint32_t entry; (entry = table_.oldest()) != kNoEntry;) drop(entry);
}

void HttpStreams::take(uint64_t stream, uint8_t marks, const PacketColumns& packet, const uint8_t* bytes, uint32_t length) {
  const uint32_t entry = entry_of(stream >> 1);
  Connection& connection = connections_[entry];
  Direction& direction = connection.directions[stream & 1];
  if (marks & kStreamGap) lose(connection, direction, packet);
  parse(connection, direction, packet, bytes, length);
  if (!(marks & kStreamEnd)) return;
  end(direction, packet);
  if (connection.directions[~stream & 1].state == State::ended) table_.remove(entry);
}

void HttpStreams::parse(Connection& connection, Direction& direction, const PacketColumns& packet, const uint8_t* bytes,
                        uint32_t length) {
  if (direction.state == State::lost && has_first_line(bytes, length)) direction.state = State::head;
  while (length) {
    uint32_t used = length;
    switch (direction.state) {
      case State::head:
        used = take_head(connection, direction, packet, bytes, length);
        break;
      case State::sized:
      case State::chunk_data:
      case State::until_close:
        used = take_body(direction, packet, bytes, length);
        break;
      case State::chunk_size:
      case State::chunk_end:
        used = take_chunk_line(direction, packet, bytes, length);
        break;
      case State::trailers:
        used = take_trailers(direction, packet, bytes, length);
        break;
      default:
        break;
    }
    bytes += used;
    length -= used;
  }
}

/* Returns the bytes used. Heads within one piece are not copied. */
uint32_t HttpStreams::take_head(Connection& connection, Direction& direction, const PacketColumns& packet, const uint8_t* bytes,
                                uint32_t length) {
  if (direction.head_bytes == 0) {
    uint32_t empty = 0; /* RFC 9112 2.2: empty lines before a head */
    while (empty < length && (bytes[empty] == '\r' || bytes[empty] == '\n')) empty++;
    if (empty) return empty;
    if (sniff_http(bytes, length) == HttpSniff::garbage) {
      make_opaque(direction);
      return length;
    }
    const uint32_t end = find_head_end(bytes, length < kLargestHead ? length : kLargestHead, 0);
    if (end) {
      begin_message(connection, direction, packet, bytes, end);
      return end;
    }
  }
  const uint32_t before = direction.head_bytes;
  const uint32_t room = kLargestHead - before;
  const uint32_t added = length < room ? length : room;
  if (added == 0 || !keep_head(direction, bytes, added)) {
    malformed(direction, packet);
    return length;
  }
  if (before < 64 && sniff_http(direction.head, direction.head_bytes) == HttpSniff::garbage) {
    forget_head(direction);
    make_opaque(direction);
    return length;
  }
  const uint32_t end = find_head_end(direction.head, direction.head_bytes, before);
  if (!end) return added;
  uint8_t* const head = direction.head;
  const uint32_t capacity = direction.head_capacity;
  direction.head = nullptr;
  direction.head_bytes = direction.head_capacity = 0;
  begin_message(connection, direction, packet, head, end);
  pool_.retire(head, capacity);
  return end - before;
}

/* False when there is no memory. */
bool HttpStreams::keep_head(Direction& direction, const uint8_t* bytes, uint32_t length) {
  const uint32_t needed = direction.head_bytes + length;
  if (needed > direction.head_capacity) {
    const uint32_t wanted = BlockPool::block_bytes(needed) - BlockPool::kOverhead;
    uint8_t* block = pool_.acquire(wanted);
    if (!block && pool_.has_retired()) {
      sink_->flush();
      pool_.recycle();
      block = pool_.acquire(wanted);
    }
    if (!block) return false;
    if (direction.head) {
      memcpy(block, direction.head, direction.head_bytes);
      pool_.release(direction.head, direction.head_capacity);
    }
    direction.head = block;
    direction.head_capacity = wanted;
  }
  memcpy(direction.head + direction.head_bytes, bytes, length);
  direction.head_bytes = needed;
  return true;
}

void HttpStreams::forget_head(Direction& direction) {
  if (direction.head) pool_.release(direction.head, direction.head_capacity);
  direction.head = nullptr;
  direction.head_bytes = direction.head_capacity = 0;
}

void HttpStreams::begin_message(Connection& connection, Direction& direction, const PacketColumns& packet, const uint8_t* bytes,
                                uint32_t length) {
  const HttpHead head = parse_http_head(bytes, length);
  if (!head.good) {
    malformed(direction, packet);
    return;
  }
  const uint64_t key = kMessageKey | ++messages_ * 2;
  direction.body = key | 1;
  direction.encoding = head.encoding;
  direction.begun = direction.gap = false;
  sink_->take({&packet, bytes, length, kStreamHead | kStreamStart | kStreamEnd, kIdentity, key});
  (head.response ? counts.responses : counts.requests)++;
  bool has_body = true;
  if (head.response) {
    has_body = begin_response(connection, head);
    if (direction.state == State::opaque) return;
  } else {
    if (head.method != HttpMethod::other && connection.special_count < kSpecials) {
      connection.specials[connection.special_count++] = {connection.requests, head.method};
    }
    connection.requests++;
    has_body = head.transfer_coded || head.has_length;
  }
  direction.remaining = 0;
  direction.line = direction.digits = 0;
  direction.extension = false;
  if (!has_body) direction.state = State::head;
  else if (head.transfer_coded) direction.state = head.chunked ? State::chunk_size : State::until_close;
  else if (!head.has_length) direction.state = State::until_close;
  else direction.state = head.length ? State::sized : State::head;
  if (direction.state == State::sized) direction.remaining = head.length;
}

/* The method of the request that the next final response answers. */
HttpMethod HttpStreams::answered_method(Connection& connection, uint32_t status) {
  if (status < 200 && status != 101) return HttpMethod::other; /* the final response is still to come */
  const uint64_t number = connection.responses++;
  HttpMethod method = HttpMethod::other;
  uint32_t past = 0;
  for (; past < connection.special_count && connection.specials[past].request <= number; past++) {
    if (connection.specials[past].request == number) method = connection.specials[past].method;
  }
  connection.special_count -= past;
  memmove(connection.specials, connection.specials + past, connection.special_count * sizeof(Special));
  return method;
}

/* RFC 9112 6.3. True if a body follows. */
bool HttpStreams::begin_response(Connection& connection, const HttpHead& head) {
  const HttpMethod method = answered_method(connection, head.status);
  const bool success = head.status >= 200 && head.status < 300;
  if (head.status == 101 || (method == HttpMethod::connect && success)) {
    for (Direction& direction : connection.directions) make_opaque(direction);
    return false;
  }
  return method != HttpMethod::head && head.status >= 200 && head.status != 204 && head.status != 304;
}

/* Bytes are missing. */
void HttpStreams::lose(Connection& connection, Direction& direction, const PacketColumns& packet) {
  if (direction.state == State::opaque || direction.state == State::ended) return;
  if (direction.state == State::until_close) {
    direction.gap = true;
    return;
  }
  break_off(direction, packet);
  direction.state = State::lost;
  connection.special_count = 0; /* which response answers which request is not known any more */
  connection.requests = connection.responses = 0;
}

/* The stream is over. */
void HttpStreams::end(Direction& direction, const PacketColumns& packet) {
  if (direction.state == State::until_close && !direction.gap) end_body(direction, packet);
  else break_off(direction, packet);
  direction.state = State::ended;
}

/* The message that is under way will not be whole. */
void HttpStreams::break_off(Direction& direction, const PacketColumns& packet) {
  const bool in_head = direction.state == State::head;
  const bool in_body = !in_head && direction.state < State::lost;
  if (in_body || (in_head && direction.head_bytes)) counts.incomplete++;
  if (in_body && direction.begun) {
    direction.gap = true;
    end_body(direction, packet);
  }
  forget_head(direction);
}

void HttpStreams::make_opaque(Direction& direction) {
  if (direction.state == State::opaque || direction.state == State::ended) return;
  break_off(direction, no_packet());
  direction.state = State::opaque;
  counts.opaque++;
}

void HttpStreams::malformed(Direction& direction, const PacketColumns& packet) {
  const uint64_t incomplete = counts.incomplete;
  break_off(direction, packet);
  counts.incomplete = incomplete; /* counted as malformed instead */
  counts.malformed++;
  direction.state = State::lost;
  make_opaque(direction);
}

}  // namespace model_t
