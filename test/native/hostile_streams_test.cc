/*
 * The whole way from frames to bodies over packets that lie: mutations of HTTP conversations, fragments and everything else.
 * Under sanitizers no report; and the counts must add up.
 */
#include <algorithm>

#include "talk.h"

namespace model_t::test {

namespace {

/* Texts that parsers trip over, also in the middle of others. */
std::string hostile_text(Random& random) {
  static const char* const kParts[] = {"GET / HTTP/1.1\r\n", "HEAD /x HTTP/1.0\r\n", "HTTP/1.1 200 OK\r\n", "HTTP/1.1 304 X\r\n",
                                       "Content-Length: 5\r\n", "Content-Length: 99999999999\r\n", "Transfer-Encoding: chunked\r\n",
                                       "Content-Encoding: gzip\r\n", "Content-Encoding: deflate\r\n", "\r\n", "\n\n", "5\r\nhello\r\n",
                                       "0\r\n\r\n", "fffffffffffffff\r\n", "CONNECT a HTTP/1.1\r\n", "HTTP/1.1 101 Y\r\n",
                                       "\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\x03", "\x78\x9c", "a", " ", ":", "HTTP/"};
  std::string text;
  for (uint32_t i = 1 + random.below(12); i > 0; i--) {
    if (random.one_in(6)) text += noise(random, random.below(200));
    else text += random.pick(kParts);
  }
  return text;
}

std::vector<Packet> hostile_packets(Random& random, uint32_t count) {
  std::vector<Packet> packets;
  uint32_t next[2][4] = {};
  while (packets.size() < count) {
    const uint64_t time = (packets.size() + random.below(10)) * (random.one_in(50) ? 1000000000ull : 1000ull);
    const uint32_t port = random.below(4), side = random.below(2);
    const Talk talk = {port % 2 == 1, 1 + port, 2000 + port, 80};
    Packet packet;
    if (random.one_in(4)) {
      FrameTraits traits;
      packet = {make_frame(random, &traits), time};
    } else {
      const std::string text = random.one_in(5) ? "" : hostile_text(random);
      const uint8_t flags = random.one_in(8) ? static_cast<uint8_t>(random.next()) : kAckFlag;
      const uint32_t jump = random.one_in(4) ? random.below(3000) - 1500 : random.one_in(40) ? static_cast<uint32_t>(random.next()) : 0;
      packet = talk.segment(side == 1, next[side][port] + jump, next[1 - side][port], flags, text, time);
      if (jump == 0) next[side][port] += static_cast<uint32_t>(text.size());
    }
    if (random.one_in(6) && packet.bytes.size() > 80 && packet.bytes[12] != 0x81) {
      for (Packet& fragment : fragments_of(random, packet, random.below(4))) packets.push_back(std::move(fragment));
    } else {
      packets.push_back(std::move(packet));
    }
    if (random.one_in(8)) packets.back().bytes = damage(random, packets.back().bytes);
  }
  return packets;
}

void lies_do_no_harm() {
  Random random(120);
  const bool zlib = find_operation("gunzip", "zlib") != nullptr;
  uint64_t bodies = 0, rows = 0;
  for (uint32_t round = 0; round < rounds(40) && !failing(); round++) {
    std::vector<std::string> steps = {"eth", "defrag " + std::to_string(round % 3), "ip4", "ip6", "flow 64", "tcp-stream", "http"};
    if (zlib) steps.push_back("gunzip");
    Chain chain(steps);
    chain.keep_rows = false;
    const std::vector<Packet> packets = hostile_packets(random, 3000);
    chain.run_all(packets, 1 + random.below(256));
    chain.finish();
    const auto sum = [&](const char* step, std::initializer_list<uint32_t> numbers) {
      uint64_t total = 0;
      for (const uint32_t number : numbers) total += chain.verdict(step, number);
      return total;
    };
    const uint64_t whole = sum("defrag", {0}), reassembled = sum("defrag", {2});
    CHECK(sum("defrag", {0, 1}) <= packets.size() && packets.size() <= sum("defrag", {0, 1, 6}));
    CHECK_EQUAL(sum("flow", {0, 1, 4}), whole + reassembled);
    CHECK_EQUAL(sum("tcp-stream", {0, 1, 2}), whole + reassembled);
    bodies += sum("http", {2});
    rows += chain.row_count;
  }
  CHECK(bodies > rounds(100) && rows > rounds(1000));
}

}  // namespace

extern const std::vector<Test> hostile_stream_tests;
const std::vector<Test> hostile_stream_tests = {{"streams, packets that lie do no harm", lies_do_no_harm}};

}  // namespace model_t::test
