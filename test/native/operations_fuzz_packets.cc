/* Implements HostilePackets; see operations_fuzz.h. */
#include <algorithm>
#include <cstring>

#include "operations_fuzz.h"

namespace model_t::test {

namespace {

constexpr uint8_t kBytes[] = {0, 1, 4, 5, 6, 8, 0x0f, 17, 0x20, 43, 44,
                             0x40, 0x45, 0x4f, 50, 51, 58, 60, 0x60, 0x7f, 0x80, 0x81, 0x86, 0xdd, 0xf0, 0xfe, 0xff};
constexpr uint16_t kWords[] = {0, 1, 7, 8, 19, 20, 39, 40, 60, 0x0800, 0x0806,
                              0x1fff, 0x2000, 0x3fff, 0x4000, 0x7fff, 0x8000, 0x8100, 0x86dd, 0xfff8, 0xffff};

const std::string kGzip("\x1f\x8b\x08\0\0\0\0\0\0\x03\xcbH\xcd\xc9\xc9\x07\0\x86\xa6\x10\x36\x05\0\0\0", 25);
const std::string kDeflate("\x78\x9c\xcbH\xcd\xc9\xc9\x07\0\x06\x2c\x02\x15", 13);

/* A whole message with a body that is what its head says, of one of the codings. */
std::string message(Random& random, bool from_server) {
  if (!from_server) return random.one_in(4) ? "HEAD /x HTTP/1.1\r\n\r\n" : "GET /x HTTP/1.1\r\nHost: a\r\n\r\n";
  const uint32_t coding = random.below(3);
  const std::string body = coding == 0 ? "hello, world" : coding == 1 ? kGzip : kDeflate;
  std::string text = "HTTP/1.1 200 OK\r\n";
  if (coding) text += coding == 1 ? "Content-Encoding: gzip\r\n" : "Content-Encoding: deflate\r\n";
  if (random.one_in(2)) return text + "Content-Length: " + std::to_string(body.size()) + "\r\n\r\n" + body;
  text += "Transfer-Encoding: chunked\r\n\r\n";
  for (size_t at = 0; at < body.size(); at += 8) {
    const std::string part = body.substr(at, 8);
    text += std::to_string(part.size()) + "\r\n" + part + "\r\n";
  }
  return text + "0\r\n\r\n";
}

/* What HTTP parsers and inflaters trip over, in parts. */
std::string odd_text(Random& random) {
  static const std::string kParts[] = {"GET / HTTP/1.1\r\n", "HEAD /x HTTP/1.0\r\n", "POST /y HTTP/1.1\r\n", "HTTP/1.1 200 OK\r\n",
                                       "HTTP/1.1 304 X\r\n", "HTTP/1.1 100 Continue\r\n\r\n", "Content-Length: 5\r\n",
                                       "Content-Length: 99999999999999999999\r\n", "Transfer-Encoding: chunked\r\n",
                                       "Content-Encoding: gzip\r\n", "Content-Encoding: deflate\r\n", "\r\n", "\n\n", "5\r\nhello\r\n",
                                       "0\r\n\r\n", "ffffffffffffffff\r\n", "CONNECT a HTTP/1.1\r\n\r\n", "HTTP/1.1 101 Y\r\n\r\n",
                                       kGzip, kDeflate, "a", " ", ":", "HTTP/"};
  std::string made;
  for (uint32_t i = random.below(10); i > 0; i--) made += random.one_in(8) ? noise(random, random.below(150)) : random.pick(kParts);
  return made;
}

std::string text(Random& random, bool from_server) {
  std::string made = random.one_in(3) ? odd_text(random) : message(random, from_server);
  if (!made.empty() && random.one_in(6)) made[random.below(static_cast<uint32_t>(made.size()))] = static_cast<char>(random.next());
  return made;
}

void store32(uint8_t* at, uint32_t value) {
  store16(at, value >> 16);
  store16(at + 2, value & 0xffff);
}

uint32_t load32(const uint8_t* at) { return load16(at) << 16 | load16(at + 2); }

/* Offset of the IP header, as far as a plain look tells. */
uint32_t network_of(const Bytes& frame) {
  uint32_t at = 14;
  while (at + 4 < frame.size() && at < 46 && load16(frame.data() + at - 2) == 0x8100) at += 4;
  return at;
}

}  // namespace

std::vector<Packet> HostilePackets::next(uint32_t count, bool steady) {
  made_.clear();
  while (made_.size() < count) {
    const size_t before = made_.size();
    const uint32_t sort = random_.below(8);
    if (sort < 2 && !captured_.empty()) add_captured();
    else if (sort < 4) add_segments();
    else if (sort == 4) add_fragments();
    else {
      FrameTraits traits;
      made_.push_back({make_frame(random_, &traits), 0});
    }
    for (size_t i = before; i < made_.size(); i++) {
      if (random_.one_in(2)) continue;
      for (uint32_t changes = 1 + random_.below(3); changes > 0; changes--) mutate(made_[i].bytes);
    }
  }
  made_.resize(count);
  disorder(made_);
  for (Packet& packet : made_) {
    if (packet.bytes.size() > kLargestFrame) packet.bytes.resize(kLargestFrame);
    time_ += random_.below(1000);
    if (!steady && random_.one_in(64)) time_ += (static_cast<uint64_t>(random_.below(400)) - 100) * 1000000000;
    packet.time = time_;
  }
  return made_;
}

/* As they follow one another in the capture, so that flows go on. */
void HostilePackets::add_captured() {
  const uint32_t size = static_cast<uint32_t>(captured_.size());
  const uint32_t first = random_.below(size);
  for (uint32_t i = first; i < size && i < first + 24; i++) made_.push_back({captured_[i], 0});
}

void HostilePackets::add_segments() {
  const uint32_t number = random_.below(8);
  if (random_.one_in(6)) { /* another connection */
    ports_[number] += 8;
    sequences_[0][number] = sequences_[1][number] = static_cast<uint32_t>(random_.next());
  }
  const Talk talk = {number % 2 == 1, 1 + number, 2000 + number + ports_[number] % 60000, number % 3 ? 80u : 443u};
  for (uint32_t i = 1 + random_.below(6); i > 0; i--) {
    const uint32_t side = random_.below(2);
    uint32_t& sequence = sequences_[side][number];
    const std::string said = random_.one_in(8) ? "" : text(random_, side == 1);
    const uint8_t flags = random_.one_in(12) ? static_cast<uint8_t>(random_.next()) : kAckFlag;
    uint32_t jump = random_.one_in(12) ? random_.below(600) - 300 : 0;
    if (random_.one_in(100)) jump = static_cast<uint32_t>(random_.next());
    const uint32_t pieces = random_.one_in(3) ? 2 : 1; /* messages do not end where segments do */
    for (uint32_t piece = 0; piece < pieces; piece++) {
      const size_t half = said.size() / 2, from = piece * half, to = piece + 1 == pieces ? said.size() : half;
      const uint32_t number_there = sequence + jump + static_cast<uint32_t>(from);
      made_.push_back(talk.segment(side == 1, number_there, sequences_[1 - side][number], flags, said.substr(from, to - from)));
    }
    if (jump == 0) sequence += static_cast<uint32_t>(said.size());
  }
}

void HostilePackets::add_fragments() {
  const bool six = random_.one_in(2);
  Packet packet = datagram(six, 1 + random_.below(3), 0, Bytes(8 + random_.below(random_.one_in(6) ? 5000 : 300)));
  if (random_.one_in(2)) packet = Talk{six}.segment(false, sequences_[0][0], 0, kAckFlag, text(random_, false) + noise(random_, 40));
  if (packet.bytes.size() > 80) random_.fill(packet.bytes.data() + 80, packet.bytes.size() - 80);
  std::vector<Packet> fragments = fragments_of(random_, packet, random_.below(4));
  if (random_.one_in(2)) shuffle(random_, fragments);
  made_.insert(made_.end(), fragments.begin(), fragments.end());
}

void HostilePackets::mutate(Bytes& frame) {
  if (frame.empty()) return;
  const uint32_t size = static_cast<uint32_t>(frame.size());
  const uint32_t at = random_.below(random_.one_in(3) ? size : std::min(size, 90u)); /* headers live in front */
  switch (random_.below(9)) {
    case 0: frame[at] = static_cast<uint8_t>(frame[at] ^ 1u << random_.below(8)); break;
    case 1: frame[at] = random_.pick(kBytes); break;
    case 2: frame[at] = static_cast<uint8_t>(random_.next()); break;
    case 3:
      if (at + 2 <= size) store16(frame.data() + at, random_.pick(kWords));
      break;
    case 4: frame.resize(at); break;
    case 5: change_length(frame); break;
    case 6: { /* the front of this one, the rest of another one */
      const Bytes& other = made_[random_.below(static_cast<uint32_t>(made_.size()))].bytes;
      if (at >= other.size() || &other == &frame) break;
      frame.resize(at);
      frame.insert(frame.end(), other.begin() + at, other.end());
      break;
    }
    case 7: { /* a tag, or bytes that push everything back */
      if (size < 14) break;
      const uint8_t tag[4] = {0x81, static_cast<uint8_t>(random_.one_in(4)), 0, static_cast<uint8_t>(random_.next())};
      frame.insert(frame.begin() + (random_.one_in(2) ? 12 : std::min(at, size)), tag, tag + 4);
      break;
    }
    default: frame.insert(frame.end(), random_.below(40), static_cast<uint8_t>(random_.next()));
  }
}

/* Total length, header length, data offset, UDP length, fragment offset: a little or a lot off. */
void HostilePackets::change_length(Bytes& frame) {
  const uint32_t network = network_of(frame);
  if (frame.size() < network + 40u) return;
  uint8_t* const header = frame.data() + network;
  const bool six = header[0] >> 4 == 6;
  uint8_t* const transport = header + (six ? 40 : (header[0] & 15) * 4);
  const bool there = transport + 14 <= frame.data() + frame.size();
  uint8_t* places[] = {header + (six ? 4 : 2), header + 6, there ? transport + 4 : header + 4, header + 2};
  uint8_t* const place = random_.pick(places);
  if (random_.one_in(5) && !six) header[0] = static_cast<uint8_t>(0x40 | random_.below(16));
  else if (random_.one_in(5) && there) transport[12] = static_cast<uint8_t>(random_.next());
  else store16(place, random_.one_in(3) ? random_.pick(kWords) : load16(place) + random_.below(17) - 8);
}

/* Duplicates, neighbours that change places, and the same bytes a little further on in their stream. */
void HostilePackets::disorder(std::vector<Packet>& packets) {
  const uint32_t size = static_cast<uint32_t>(packets.size());
  for (uint32_t changes = size / 8; changes > 0; changes--) {
    const uint32_t to = random_.below(size), from = to - random_.below(std::min(to, 12u) + 1);
    switch (random_.below(3)) {
      case 0: packets[to] = packets[from]; break;
      case 1: std::swap(packets[to], packets[from]); break;
      default: {
        packets[to] = packets[from];
        Bytes& frame = packets[to].bytes;
        const uint32_t sequence = network_of(frame) + 24; /* of TCP behind a plain IPv4 header; elsewhere just bytes */
        if (frame.size() >= sequence + 4) store32(frame.data() + sequence, load32(frame.data() + sequence) + random_.below(65) - 32);
      }
    }
  }
}

}  // namespace model_t::test
