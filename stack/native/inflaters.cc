/* Implements inflaters.h. */
#include "inflaters.h"

namespace model_t {

namespace {

constexpr uint32_t kBufferBytes = 64 * 1024;
constexpr uint32_t kLeastRoom = 4 * 1024; /* less is not worth a row */
constexpr uint64_t kFreeExpansion = 1 << 20;
constexpr uint64_t kLargestRatio = 1000;
constexpr uint64_t kLargestBody = 256 << 20;
/* zlib's window bits: the largest window, and what stands around the deflate data. */
constexpr int kZlibFormat = 15, kGzipFormat = 15 + 16, kBareFormat = -15;

int format_of(uint8_t encoding, uint8_t first, uint8_t second) {
  if (encoding == kGzip || (first == 0x1f && second == 0x8b)) return kGzipFormat;
  const bool zlib = (first & 15) == Z_DEFLATED && first >> 4 <= 7 && (first << 8 | second) % 31 == 0; /* RFC 1950 2.2 */
  return zlib ? kZlibFormat : kBareFormat;
}

}  // namespace

bool Inflaters::reserve() {
  inflaters_.reset(new (std::nothrow) Inflater[kOpen]());
  buffer_.reset(new (std::nothrow) uint8_t[kBufferBytes]);
  return inflaters_ && buffer_ && table_.reserve(kOpen);
}

Inflaters::~Inflaters() {
  if (!inflaters_) return;
  for (uint32_t i = 0; i < kOpen; i++) {
    if (inflaters_[i].ready) inflateEnd(&inflaters_[i].zlib);
  }
}

void Inflaters::take(const PacketColumns& packet, const uint8_t* bytes, uint32_t length, uint64_t stream, uint8_t marks,
                     uint8_t encoding) {
  const FlowKey key = key_of(stream);
  uint32_t entry = table_.find(key, table_.hash(key));
  if (entry == kNoEntry && (marks & kStreamStart)) entry = open(stream, encoding);
  if (entry == kNoEntry) return; /* its beginning was given up */
  Inflater& inflater = inflaters_[entry];
  counts.in_bytes += length;
  if ((marks & kStreamGap) && inflater.state != State::stopped) stop(inflater, &counts.truncated, packet);
  if (inflater.state != State::stopped && length) feed(inflater, packet, bytes, length);
  if (marks & kStreamEnd) close(entry, packet);
}

void Inflaters::finish() {
  used_ = 0;
  for (uint32_t entry; (entry = table_.oldest()) != kNoEntry;) close(entry, no_packet());
}

uint32_t Inflaters::open(uint64_t stream, uint8_t encoding) {
  if (table_.full()) close(table_.oldest(), no_packet());
  const FlowKey key = key_of(stream);
  const uint32_t entry = table_.insert(key, table_.hash(key));
  Inflater& inflater = inflaters_[entry];
  inflater.in = inflater.out = 0;
  inflater.stream = stream;
  inflater.state = State::undecided;
  inflater.encoding = encoding;
  inflater.has_first = inflater.begun = false;
  return entry;
}

/* The body is over. */
void Inflaters::close(uint32_t entry, const PacketColumns& packet) {
  Inflater& inflater = inflaters_[entry];
  if (inflater.state == State::behind_member) {
    counts.decoded++;
    if (inflater.begun) emit(inflater, packet, packet.frame, 0, kStreamEnd);
  } else if (inflater.state != State::stopped) {
    stop(inflater, &counts.truncated, packet);
  }
  table_.remove(entry);
}

/* Nothing more of this body goes on. */
void Inflaters::stop(Inflater& inflater, uint64_t* reason, const PacketColumns& packet) {
  (*reason)++;
  inflater.state = State::stopped;
  if (inflater.begun) emit(inflater, packet, packet.frame, 0, kStreamEnd | kStreamGap);
}

void Inflaters::feed(Inflater& inflater, const PacketColumns& packet, const uint8_t* bytes, uint32_t length) {
  inflater.in += length;
  if (inflater.state == State::undecided) {
    if (!inflater.has_first && length == 1) {
      inflater.first = bytes[0];
      inflater.has_first = true;
      return;
    }
    if (!decide(inflater, bytes, length)) {
      stop(inflater, &counts.corrupt, packet);
      return;
    }
    if (inflater.has_first) inflate_all(inflater, packet, &inflater.first, 1);
  }
  inflate_all(inflater, packet, bytes, length);
}

/* Sets zlib up for the format that the first two bytes show. False when it has no memory. */
bool Inflaters::decide(Inflater& inflater, const uint8_t* bytes, uint32_t length) {
  const uint8_t first = inflater.has_first ? inflater.first : bytes[0];
  const uint8_t second = inflater.has_first ? bytes[0] : length > 1 ? bytes[1] : 0;
  const int format = format_of(inflater.encoding, first, second);
  inflater.state = State::inside;
  if (inflater.ready) return inflateReset2(&inflater.zlib, format) == Z_OK;
  inflater.zlib = {};
  inflater.ready = inflateInit2(&inflater.zlib, format) == Z_OK;
  return inflater.ready;
}

void Inflaters::inflate_all(Inflater& inflater, const PacketColumns& packet, const uint8_t* bytes, uint32_t length) {
  z_stream& zlib = inflater.zlib;
  zlib.next_in = const_cast<Bytef*>(bytes);
  zlib.avail_in = length;
  while (inflater.state == State::inside || inflater.state == State::behind_member) {
    if (inflater.state == State::behind_member) {
      if (zlib.avail_in == 0 || *zlib.next_in != 0x1f) return;
      inflateReset(&zlib);
      inflater.state = State::inside;
    }
    const int status = inflate_some(inflater, packet);
    if (status == Z_STREAM_END) inflater.state = State::behind_member;
    else if (status == Z_BUF_ERROR || (status == Z_OK && zlib.avail_in == 0 && zlib.avail_out > 0)) return;
    else if (status != Z_OK) stop(inflater, &counts.corrupt, packet);
    const bool expands = inflater.out > kFreeExpansion && inflater.out / kLargestRatio > inflater.in;
    if (inflater.state != State::stopped && (expands || inflater.out > kLargestBody)) stop(inflater, &counts.limited, packet);
  }
}

int Inflaters::inflate_some(Inflater& inflater, const PacketColumns& packet) {
  if (kBufferBytes - used_ < kLeastRoom) {
    sink_->flush();
    used_ = 0;
  }
  z_stream& zlib = inflater.zlib;
  uint8_t* const out = buffer_.get() + used_;
  zlib.next_out = out;
  zlib.avail_out = kBufferBytes - used_;
  const int status = inflate(&zlib, Z_NO_FLUSH);
  const uint32_t made = static_cast<uint32_t>(zlib.next_out - out);
  if (made) {
    used_ += made;
    inflater.out += made;
    counts.out_bytes += made;
    emit(inflater, packet, out, made, inflater.begun ? 0 : kStreamStart);
  }
  return status;
}

void Inflaters::emit(Inflater& inflater, const PacketColumns& packet, const uint8_t* bytes, uint32_t length, uint32_t marks) {
  inflater.begun = true;
  sink_->take(packet, bytes, length, inflater.stream, static_cast<uint8_t>(marks));
}

}  // namespace model_t
