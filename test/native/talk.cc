/* Implements talk.h. */
#include "talk.h"

#include <cstring>

namespace model_t::test {

namespace {

void store32(uint8_t* at, uint32_t value) {
  store16(at, value >> 16);
  store16(at + 2, value & 0xffff);
}

/* Ethernet and IP in front of `data`; addresses from two small numbers. */
Packet ip_packet(bool six, uint32_t from, uint32_t to, uint8_t protocol, uint32_t identification, const Bytes& data, uint64_t time) {
  Bytes frame(six ? 54 : 34);
  frame[0] = 2;
  frame[6] = 4;
  uint8_t* const header = frame.data() + 14;
  if (six) {
    store16(frame.data() + 12, 0x86dd);
    header[0] = 0x60;
    store16(header + 4, static_cast<uint32_t>(data.size()));
    header[6] = protocol;
    header[7] = 64;
    header[8] = header[24] = 0xfd;
    store32(header + 20, from);
    store32(header + 36, to);
  } else {
    store16(frame.data() + 12, 0x0800);
    header[0] = 0x45;
    store16(header + 2, static_cast<uint32_t>(20 + data.size()));
    store16(header + 4, identification);
    header[8] = 64;
    header[9] = protocol;
    store32(header + 12, 0x0a000000 | from);
    store32(header + 16, 0x0a000000 | to);
    store16(header + 10, ~fold(sum_words(header, 20)) & 0xffff);
  }
  frame.insert(frame.end(), data.begin(), data.end());
  return {frame, time};
}

constexpr uint32_t kServer = 0xffff01;

}  // namespace

Packet Talk::segment(bool from_server, uint32_t sequence, uint32_t acknowledged, uint8_t flags, const std::string& payload,
                     uint64_t time) const {
  Bytes data(20);
  store16(data.data(), from_server ? server_port : client_port);
  store16(data.data() + 2, from_server ? client_port : server_port);
  store32(data.data() + 4, sequence);
  store32(data.data() + 8, acknowledged);
  data[12] = 0x50;
  data[13] = flags;
  store16(data.data() + 14, 65535);
  data.insert(data.end(), payload.begin(), payload.end());
  return ip_packet(six, from_server ? kServer : host, from_server ? host : kServer, 6, sequence & 0xffff, data, time);
}

Packet datagram(bool six, uint32_t host, uint32_t identification, const Bytes& payload, uint64_t time) {
  Bytes data(8);
  store16(data.data(), 5000);
  store16(data.data() + 2, 53);
  store16(data.data() + 4, static_cast<uint32_t>(8 + payload.size()));
  data.insert(data.end(), payload.begin(), payload.end());
  return ip_packet(six, host, kServer, 17, identification, data, time);
}

Packet fragment_of(const Packet& packet, uint32_t offset, uint32_t length, bool more, uint32_t identification) {
  const Bytes& whole = packet.bytes;
  const bool six = whole[12] == 0x86;
  const uint32_t header = six ? 54 : 34;
  Bytes frame(whole.begin(), whole.begin() + header);
  uint8_t* const ip = frame.data() + 14;
  if (six) {
    Bytes extension(8);
    extension[0] = ip[6];
    store16(extension.data() + 2, offset | more);
    store32(extension.data() + 4, identification);
    store16(ip + 4, 8 + length);
    ip[6] = 44;
    frame.insert(frame.end(), extension.begin(), extension.end());
  } else {
    store16(ip + 2, 20 + length);
    store16(ip + 4, identification);
    store16(ip + 6, offset / 8 | (more ? 0x2000 : 0));
    store16(ip + 10, 0);
    store16(ip + 10, ~fold(sum_words(ip, 20)) & 0xffff);
  }
  const auto data = whole.begin() + header + offset;
  frame.insert(frame.end(), data, data + length);
  return {frame, packet.time};
}

std::vector<Packet> fragments_of(const Packet& packet, uint32_t largest, uint32_t identification) {
  const uint32_t data = static_cast<uint32_t>(packet.bytes.size()) - (packet.bytes[12] == 0x86 ? 54 : 34);
  std::vector<Packet> fragments;
  for (uint32_t at = 0; at < data; at += largest) {
    const uint32_t length = std::min(largest, data - at);
    fragments.push_back(fragment_of(packet, at, length, at + length < data, identification));
  }
  return fragments;
}

std::vector<Packet> fragments_of(Random& random, const Packet& packet, uint32_t identification) {
  const uint32_t data = static_cast<uint32_t>(packet.bytes.size()) - (packet.bytes[12] == 0x86 ? 54 : 34);
  std::vector<Packet> fragments;
  for (uint32_t at = 0; at < data;) {
    const uint32_t most = at == 0 && data > 8 ? (data - 1) / 8 * 8 : data - at; /* two at least */
    const uint32_t length = std::min(8 * (1 + random.below(random.one_in(3) ? 180 : 10)), most);
    fragments.push_back(fragment_of(packet, at, length, at + length < data, identification));
    at += length;
  }
  return fragments;
}

std::string noise(Random& random, uint32_t length) {
  std::string text(length, ' ');
  random.fill(reinterpret_cast<uint8_t*>(text.data()), length);
  return text;
}

}  // namespace model_t::test
