/* Made-up conversations: TCP connections as frames, IP packets cut into fragments. For tests of operations with state. */
#ifndef MODEL_T_TEST_TALK_H
#define MODEL_T_TEST_TALK_H

#include <string>

#include "chain.h"
#include "support.h"

namespace model_t::test {

constexpr uint8_t kFinFlag = 1, kSynFlag = 2, kRstFlag = 4, kAckFlag = 16;

/* One end of a connection; the other end is the same with `client` the other way round. */
struct Talk {
  bool six = false;
  uint32_t host = 1; /* of the client */
  uint32_t client_port = 40000;
  uint32_t server_port = 80;

  /* `from_server`: direction; sequence numbers as they go into the header. */
  Packet segment(bool from_server, uint32_t sequence, uint32_t acknowledged, uint8_t flags, const std::string& payload,
                 uint64_t time = 0) const;
};

/* A UDP packet (IPv4 or IPv6) with these bytes as payload. */
Packet datagram(bool six, uint32_t host, uint32_t identification, const Bytes& payload, uint64_t time = 0);

/* Fragments of an IPv4 or IPv6 packet behind a plain Ethernet header, `largest` bytes of data each (a multiple of 8). */
std::vector<Packet> fragments_of(const Packet& packet, uint32_t largest, uint32_t identification);
/* The same with sizes of its own for each fragment. */
std::vector<Packet> fragments_of(Random& random, const Packet& packet, uint32_t identification);
/* One fragment: bytes [offset, offset + length) of the packet's data. */
Packet fragment_of(const Packet& packet, uint32_t offset, uint32_t length, bool more, uint32_t identification);

template <typename T>
void shuffle(Random& random, std::vector<T>& list, size_t window = SIZE_MAX) {
  for (size_t i = 1; i < list.size(); i++) {
    const size_t reach = std::min(i, window);
    std::swap(list[i], list[i - random.below(static_cast<uint32_t>(reach) + 1)]);
  }
}

std::string noise(Random& random, uint32_t length);

}  // namespace model_t::test

#endif
