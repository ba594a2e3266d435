/*
 * tcp-stream: whatever way a stream was cut, mixed up, repeated and contradicted, what comes out is what came first for each
 * byte; what is missing is marked; memory stays within its bounds.
 */
#include <algorithm>
#include <cstring>

#include "../../stack/native/tcp_streams.h"
#include "talk.h"

namespace model_t::test {

namespace {

enum Verdict { kOk, kMalformed, kOther, kDelivered, kReordered, kRetransmitted, kGaps, kEvicted };

const std::vector<std::string> kSteps = {"eth", "ip4", "ip6", "tcp-stream"};

/* Streams in order of their keys. */
std::vector<std::string> texts(const Chain& chain) {
  std::vector<std::string> list;
  for (const auto& [key, text] : streams_of(chain.rows)) list.push_back(text);
  return list;
}

/* One direction of a connection: packets, and what must come out. */
struct Mixed {
  std::vector<Packet> packets;
  std::string expected;
};

/* Bytes of a stream in segments of random size, some sent again with other bytes and borders, in random order. */
Mixed mix(Random& random, const Talk& talk, bool from_server, uint32_t first, uint32_t length) {
  struct Segment {
    uint32_t at;
    std::string bytes;
    bool end;
  };
  std::vector<Segment> segments;
  const uint32_t largest = random.one_in(4) ? 5 : 1400;
  for (uint32_t at = 0; at < length;) {
    const uint32_t bytes = std::min(1 + random.below(largest), length - at);
    segments.push_back({at, noise(random, bytes), at + bytes == length});
    at += bytes;
  }
  for (uint32_t extra = random.below(20); extra > 0 && length; extra--) {
    const uint32_t at = random.below(length);
    segments.push_back({at, noise(random, std::min(1 + random.below(3000), length - at)), false});
  }
  shuffle(random, segments, random.one_in(2) ? 4 : 60);
  if (length == 0) segments.push_back({0, "", true});
  Mixed mixed;
  std::vector<bool> there(length);
  mixed.expected.resize(length);
  for (const Segment& segment : segments) {
    const uint8_t flags = static_cast<uint8_t>(kAckFlag | (segment.end ? kFinFlag : 0));
    mixed.packets.push_back(talk.segment(from_server, first + segment.at, 0, flags, segment.bytes));
    for (uint32_t i = 0; i < segment.bytes.size(); i++) {
      if (!there[segment.at + i]) mixed.expected[segment.at + i] = segment.bytes[i];
      there[segment.at + i] = true;
    }
    if (random.one_in(10)) mixed.packets.push_back(mixed.packets.back());
  }
  mixed.expected += '.';
  return mixed;
}

void streams_come_out_as_they_went_in() {
  Random random(70);
  uint64_t reordered = 0, retransmitted = 0;
  for (uint32_t round = 0; round < rounds(120) && !failing(); round++) {
    Chain chain(kSteps);
    std::vector<std::vector<Packet>> queues;
    std::vector<std::string> expected;
    const uint32_t connections = 1 + random.below(3);
    for (uint32_t i = 0; i < connections; i++) {
      const Talk talk = {random.one_in(2), i + 1, 1000 + random.below(50000), 80 + random.below(2)};
      const uint32_t start[2] = {random.one_in(2) ? 0xffffff00u : random.below(~0u), static_cast<uint32_t>(random.next())};
      const Packet syn[2] = {talk.segment(false, start[0] - 1, 0, kSynFlag, ""),
                             talk.segment(true, start[1] - 1, start[0], kSynFlag | kAckFlag, "")};
      chain.run(syn, 2);
      for (uint32_t side = 0; side < 2; side++) {
        const Mixed mixed = mix(random, talk, side == 1, start[side], random.below(random.one_in(3) ? 20000 : 200));
        queues.push_back(mixed.packets);
        expected.push_back(mixed.expected);
      }
    }
    std::vector<Packet> packets; /* directions interleaved */
    for (bool more = true; more;) {
      more = false;
      for (std::vector<Packet>& queue : queues) {
        for (uint32_t take = random.below(4); take > 0 && !queue.empty(); take--) {
          packets.push_back(queue.front());
          queue.erase(queue.begin());
        }
        more |= !queue.empty();
      }
    }
    chain.run_all(packets, 1 + random.below(256));
    CHECK(texts(chain) == expected);
    uint32_t starts = 0;
    for (const Row& row : chain.rows) {
      starts += (row.marks & kStreamStart) != 0;
      CHECK(row.class_number == 80 || row.class_number == 81);
      CHECK(row.stream / 2 >= 1 && row.stream / 2 <= connections);
      CHECK(!row.payload.empty() || (row.marks & kStreamEnd));
      const std::string frame(row.frame.begin(), row.frame.end());
      CHECK(frame.find(std::string(row.payload.begin(), row.payload.end())) != std::string::npos); /* from this packet */
    }
    CHECK_EQUAL(starts, 2 * connections);
    CHECK_EQUAL(chain.verdict("tcp-stream", kOk), packets.size() + 2 * connections);
    CHECK_EQUAL(chain.verdict("tcp-stream", kGaps), 0u);
    CHECK_EQUAL(chain.verdict("tcp-stream", kDelivered), chain.rows.size());
    reordered += chain.verdict("tcp-stream", kReordered);
    retransmitted += chain.verdict("tcp-stream", kRetransmitted);
  }
  CHECK(reordered > rounds(500) && retransmitted > rounds(500));
}

struct Case {
  const char* what;
  std::vector<Packet> packets;
  std::vector<std::string> expected; /* streams in order of their keys, after finish() */
};

std::vector<Case> cases() {
  const Talk t;
  const Packet syn = t.segment(false, 99, 0, kSynFlag, ""), answer = t.segment(true, 499, 100, kSynFlag | kAckFlag, "");
  const auto data = [&](uint32_t at, const std::string& text, uint8_t flags = kAckFlag) { return t.segment(false, 100 + at, 500, flags, text); };
  const auto reply = [&](uint32_t at, const std::string& text, uint8_t flags = kAckFlag) { return t.segment(true, 500 + at, 0, flags, text); };
  const uint64_t minutes = 60ull * 1000 * 1000 * 1000;
  const Packet late = t.segment(false, 102, 500, kAckFlag, "cd", 6 * minutes);
  const Packet new_syn = t.segment(false, 7777, 0, kSynFlag, ""), new_data = t.segment(false, 7778, 0, kAckFlag, "new");
  Packet cut = data(0, "abcdef");
  cut.bytes.resize(cut.bytes.size() - 2);
  return {
      {"a hole that nothing fills", {syn, data(0, "ab"), data(4, "ef")}, {"ab|ef."}},
      {"a hole before the end", {syn, data(0, "ab"), data(4, "", kAckFlag | kFinFlag)}, {"ab|."}},
      {"data with the SYN", {t.segment(false, 99, 0, kSynFlag, "ab"), data(2, "cd")}, {"abcd."}},
      {"the SYN was not captured", {data(0, "ab"), data(2, "cd")}, {"|abcd."}},
      {"the answer to a SYN tells where it stands", {answer, data(2, "cd"), data(0, "ab")}, {"abcd."}},
      {"the end comes first", {syn, data(2, "cd", kAckFlag | kFinFlag), data(0, "ab")}, {"abcd."}},
      {"nothing behind the end", {syn, data(0, "ab", kAckFlag | kFinFlag), data(2, "cd")}, {"ab."}},
      {"a keep-alive", {syn, data(0, "ab"), data(1, "x"), data(2, "cd")}, {"abcd."}},
      {"pure ACKs say nothing", {data(0, ""), syn, data(0, ""), data(0, "ab")}, {"ab."}},
      {"a reset ends both", {syn, answer, data(0, "ab"), reply(0, "12"), data(2, "", kRstFlag), reply(2, "34")}, {"ab.", "12."}},
      {"a reset hands on what waits", {syn, data(2, "cd"), data(0, "", kRstFlag)}, {"|cd."}},
      {"a reset out of the window", {syn, data(0, "ab"), data(2u << 20, "", kRstFlag), data(2, "cd")}, {"abcd."}},
      {"data far out of the window", {syn, data(0, "ab"), data(1u << 31, "zz"), data(2, "cd")}, {"abcd."}},
      {"the same ports again", {syn, data(0, "ab", kRstFlag | kAckFlag), syn, data(0, "cd")}, {"cd."}},
      {"the same ports after the end",
       {syn, answer, data(0, "ab", kAckFlag | kFinFlag), reply(0, "1", kAckFlag | kFinFlag), new_syn, new_data},
       {"ab.", "1.", "new."}},
      {"a SYN that was not answered, then another", {syn, new_syn, new_data}, {"new."}},
      {"another SYN amid a connection is not believed", {syn, answer, data(0, "ab"), new_syn, data(2, "cd")}, {"abcd."}},
      {"idle for long", {syn, data(0, "ab"), late}, {"ab.", "|cd."}},
      {"cut by the capture", {syn, cut, data(6, "gh")}, {"abcd|gh."}},
      {"both directions by their port", {reply(0, "12"), data(0, "ab")}, {"|ab.", "|12."}},
  };
}

void single_cases() {
  for (const Case& one : cases()) {
    for (const uint32_t burst : {1u, 256u}) {
      Chain chain(kSteps);
      chain.run_all(one.packets, burst);
      chain.finish();
      CHECK_FOR(texts(chain) == one.expected, one.what);
    }
  }
}

void a_connection_holds_no_more_than_its_share() {
  const Talk talk;
  Chain chain(kSteps);
  const Packet syn = talk.segment(false, 99, 0, kSynFlag, "");
  chain.run(&syn, 1);
  const std::string text(1400, 'x');
  for (uint32_t i = 0; i < 2000; i++) {
    const Packet packet = talk.segment(false, 101 + i * 1400, 0, kAckFlag, text);
    chain.run(&packet, 1);
  }
  chain.finish();
  CHECK_EQUAL(chain.verdict("tcp-stream", kGaps), 1u); /* the hole is given up once; then all is in order */
  CHECK_EQUAL(texts(chain)[0].size(), 2000u * 1400 + 2);
  CHECK(chain.verdict("tcp-stream", kReordered) > 400 && chain.verdict("tcp-stream", kReordered) < 1001);
}

/* Pieces of all streams, without a program behind. */
struct Collected final : StreamSink {
  uint64_t bytes = 0, gaps = 0, ends = 0, flushes = 0;
  void take(const StreamPiece& piece) override {
    bytes += piece.length;
    gaps += (piece.marks & kStreamGap) != 0;
    ends += (piece.marks & kStreamEnd) != 0;
  }
  void flush() override { flushes++; }
};

void all_memory_is_bounded() {
  Random random(71);
  Collected collected;
  TcpLimits limits;
  limits.connections = 100;
  limits.held = 1 << 19;
  limits.held_by_connection = 1 << 18;
  TcpStreams streams(limits);
  CHECK(streams.reserve());
  streams.set_sink(&collected);
  uint64_t sent = 0;
  for (uint32_t i = 0; i < 20000; i++) {
    const Talk talk = {false, random.one_in(500) ? 101 + random.below(50) : 1 + random.below(80), 2000, 80};
    /* Every second byte is missing: nothing is ever in order but the first. */
    const Packet packet = talk.segment(false, random.below(1 << 20) * 2, 0, kAckFlag, "x");
    const uint8_t* const frame = packet.bytes.data();
    TcpSegment segment = {no_packet(), frame + 54, 1, 0, load_network32(frame + 38), 0, kAckFlag};
    segment.packet.frame = frame;
    segment.packet.length = static_cast<uint32_t>(packet.bytes.size());
    const FlowOf flow = flow_of4(frame + 14, load_raw<uint32_t>(frame + 34), 6);
    if (random.one_in(100)) streams.begin(0);
    streams.take(segment, flow, streams.hash(flow.key));
    sent++;
    if (!CHECK(streams.held_bytes() <= limits.held)) return;
  }
  streams.finish();
  streams.begin(0);
  CHECK_EQUAL(streams.held_bytes(), 0u);
  CHECK(collected.flushes > 0);
  CHECK(collected.gaps > 1000);
  CHECK(collected.bytes <= sent);
  CHECK(streams.counts.evicted > 0 && collected.ends >= streams.counts.evicted);
  CHECK(collected.bytes + streams.counts.retransmitted >= sent);
}

void verdicts_are_those_of_tcp() {
  Random random(72);
  Chain streams(kSteps), headers({"eth", "ip4", "ip6", "tcp"});
  for (uint32_t i = 0; i < rounds(20000); i++) {
    FrameTraits traits;
    Packet packet = {make_frame(random, &traits), 0};
    if (random.one_in(2)) packet.bytes = damage(random, packet.bytes);
    streams.run(&packet, 1);
    headers.run(&packet, 1);
  }
  for (const uint32_t verdict : {kOk, kMalformed, kOther}) {
    CHECK_EQUAL(streams.verdict("tcp-stream", verdict), headers.verdict("tcp", verdict));
    CHECK(streams.verdict("tcp-stream", verdict) > rounds(20));
  }
}

}  // namespace

extern const std::vector<Test> tcp_stream_tests;
const std::vector<Test> tcp_stream_tests = {
    {"tcp streams, mixed up, repeated and contradicted: what came first comes out", streams_come_out_as_they_went_in},
    {"tcp streams, single cases", single_cases},
    {"tcp streams, a connection holds no more than its share", a_connection_holds_no_more_than_its_share},
    {"tcp streams, all memory is bounded", all_memory_is_bounded},
    {"tcp streams, header verdicts are those of tcp", verdicts_are_those_of_tcp},
};

}  // namespace model_t::test
