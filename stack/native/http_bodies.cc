/* Implements http_streams.h: bodies by length, in chunks (RFC 9112 7.1), and until the connection closes. */
#include "http_streams.h"

namespace model_t {

namespace {

constexpr uint32_t kLongestChunkLine = 8 * 1024;
constexpr uint32_t kMostDigits = 15; /* 2^60 bytes */

int hexadecimal(uint8_t byte) {
  if (byte >= '0' && byte <= '9') return byte - '0';
  const uint8_t lower = byte | 32;
  return lower >= 'a' && lower <= 'f' ? lower - 'a' + 10 : -1;
}

}  // namespace

/* Each of these returns the bytes used. */
uint32_t HttpStreams::take_body(Direction& direction, const PacketColumns& packet, const uint8_t* bytes, uint32_t length) {
  if (direction.state == State::until_close) {
    emit_body(direction, packet, bytes, length, 0);
    return length;
  }
  const uint32_t used = direction.remaining < length ? static_cast<uint32_t>(direction.remaining) : length;
  direction.remaining -= used;
  const bool last = direction.remaining == 0;
  if (direction.state == State::sized) {
    emit_body(direction, packet, bytes, used, last ? kStreamEnd : 0);
    if (last) direction.state = State::head;
  } else {
    emit_body(direction, packet, bytes, used, 0);
    if (last) direction.state = State::chunk_end;
  }
  return used;
}

/* The line with the size of a chunk, or the end of line behind a chunk's data. */
uint32_t HttpStreams::take_chunk_line(Direction& direction, const PacketColumns& packet, const uint8_t* bytes, uint32_t length) {
  for (uint32_t at = 0; at < length; at++) {
    const uint8_t byte = bytes[at];
    const int digit = hexadecimal(byte);
    bool good = ++direction.line <= kLongestChunkLine;
    if (byte == '\n') {
      const bool data_over = direction.state == State::chunk_end;
      good &= data_over || direction.digits > 0;
      if (good) {
        direction.line = direction.digits = 0;
        direction.extension = false;
        direction.trailer_bytes = 0;
        if (data_over) direction.state = State::chunk_size;
        else direction.state = direction.remaining ? State::chunk_data : State::trailers;
        return at + 1;
      }
    } else if (byte != '\r') {
      if (direction.state == State::chunk_end) {
        good = false;
      } else if (digit >= 0 && !direction.extension) {
        good &= ++direction.digits <= kMostDigits;
        direction.remaining = direction.remaining * 16 + static_cast<uint32_t>(digit);
      } else if (!direction.extension) {
        direction.extension = true;
        good &= direction.digits > 0 && (byte == ';' || byte == ' ' || byte == '\t');
      }
    }
    if (!good) {
      malformed(direction, packet);
      return length;
    }
  }
  return length;
}

uint32_t HttpStreams::take_trailers(Direction& direction, const PacketColumns& packet, const uint8_t* bytes, uint32_t length) {
  for (uint32_t at = 0; at < length; at++) {
    if (bytes[at] == '\n' && direction.line == 0) {
      direction.state = State::head;
      end_body(direction, packet);
      return at + 1;
    }
    if (bytes[at] == '\n') direction.line = 0;
    else if (bytes[at] != '\r') direction.line++;
    if (++direction.trailer_bytes > kLargestHead) {
      malformed(direction, packet);
      return length;
    }
  }
  return length;
}

void HttpStreams::emit_body(Direction& direction, const PacketColumns& packet, const uint8_t* bytes, uint32_t length,
                            uint32_t marks) {
  if (!direction.begun) {
    marks |= kStreamStart;
    counts.bodies++;
  }
  if (direction.gap) marks |= kStreamGap;
  direction.begun = true;
  direction.gap = false;
  counts.body_bytes += length;
  sink_->take({&packet, bytes, length, static_cast<uint8_t>(marks), direction.encoding, direction.body});
}

/* An empty piece with the end mark, if anything of the body was handed on. */
void HttpStreams::end_body(Direction& direction, const PacketColumns& packet) {
  if (direction.begun) emit_body(direction, packet, packet.frame, 0, kStreamEnd);
  direction.begun = false;
}

}  // namespace model_t
