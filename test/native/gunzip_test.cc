/*
 * gunzip: what zlib packed, in every format that servers send and cut at any byte, comes out as it was; what is broken, cut
 * off or a bomb ends early and is counted; the number of open bodies is bounded. Needs zlib.
 */
#include <zlib.h>

#include <algorithm>
#include <cstring>

#include "talk.h"

namespace model_t::test {

namespace {

enum Verdict { kDecoded, kIdentityRows, kCorrupt, kTruncated, kLimited, kInBytes, kOutBytes, kOther };

std::string pack(const std::string& text, int format, int level = 6) {
  z_stream zlib = {};
  deflateInit2(&zlib, level, Z_DEFLATED, format, 8, Z_DEFAULT_STRATEGY);
  std::string packed(deflateBound(&zlib, text.size()) + 32, ' ');
  zlib.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(text.data()));
  zlib.avail_in = static_cast<uInt>(text.size());
  zlib.next_out = reinterpret_cast<Bytef*>(packed.data());
  zlib.avail_out = static_cast<uInt>(packed.size());
  CHECK_EQUAL(deflate(&zlib, Z_FINISH), Z_STREAM_END);
  packed.resize(zlib.total_out);
  deflateEnd(&zlib);
  return packed;
}

/* Rows of bodies straight into gunzip. */
struct Bodies {
  Chain chain{std::vector<std::string>{"gunzip"}};
  Burst256 burst = {};

  Bodies() { memset(static_cast<void*>(&burst), 0, sizeof burst); }

  void add(uint64_t stream, const std::string& bytes, uint32_t marks, Encoding encoding) {
    const uint32_t i = burst.count++;
    static const uint8_t frame[128] = {};
    held.push_back(std::make_unique<std::string>(bytes));
    burst.frames[i] = frame;
    burst.payloads[i] = reinterpret_cast<const uint8_t*>(held.back()->data());
    burst.payload_lengths[i] = static_cast<uint32_t>(bytes.size());
    burst.streams[i] = stream;
    burst.stream_marks[i] = static_cast<uint8_t>(marks);
    burst.encodings[i] = encoding;
    if (burst.count == kBurstCapacity) flush();
  }
  void flush() {
    chain.run_burst(burst);
    burst.count = 0;
    held.clear();
  }
  /* All of a body in pieces of at most `largest` bytes. */
  void body(Random& random, uint64_t stream, const std::string& bytes, Encoding encoding, uint32_t largest) {
    uint32_t marks = kStreamStart;
    for (size_t at = 0; at < bytes.size(); marks = 0) {
      const size_t piece = std::min<size_t>(1 + random.below(largest), bytes.size() - at);
      add(stream, bytes.substr(at, piece), marks, encoding);
      at += piece;
    }
    add(stream, "", marks | kStreamEnd, encoding);
    flush();
  }
  uint64_t verdict(uint32_t number) const { return chain.verdict("gunzip", number); }
  std::string text(uint64_t stream) const {
    const auto streams = streams_of(chain.rows);
    const auto found = streams.find(stream);
    return found == streams.end() ? "" : found->second;
  }

  std::vector<std::unique_ptr<std::string>> held;
};

std::string some_text(Random& random, uint32_t length) {
  std::string text;
  while (text.size() < length) text += random.one_in(3) ? noise(random, random.below(20)) : "the quick brown fox ";
  text.resize(length);
  return text;
}

void bodies_come_out_as_they_were() {
  Random random(100);
  for (uint32_t round = 0; round < rounds(60) && !failing(); round++) {
    Bodies bodies;
    const std::string text = some_text(random, random.below(random.one_in(4) ? 300000 : 3000) + 1);
    const std::string more = some_text(random, 100);
    struct Format {
      Encoding encoding;
      std::string bytes;
      std::string expected;
    };
    const std::string gzip = pack(text, 31), zlib = pack(text, 15), bare = pack(text, -15, 1);
    const Format formats[] = {{kGzip, gzip, text},   {kDeflate, zlib, text},
                              {kDeflate, bare, text}, {kDeflate, gzip, text},
                              {kGzip, gzip + pack(more, 31), text + more}, {kGzip, gzip + std::string(8, '\0'), text}};
    uint64_t stream = 1, in = 0, out = 0;
    for (const Format& format : formats) {
      bodies.body(random, stream, format.bytes, format.encoding, random.one_in(4) ? 1 + random.below(3) : 1400);
      CHECK(bodies.text(stream++) == format.expected + ".");
      in += format.bytes.size();
      out += format.expected.size();
    }
    CHECK_EQUAL(bodies.verdict(kDecoded), 6u);
    CHECK_EQUAL(bodies.verdict(kInBytes), in);
    CHECK_EQUAL(bodies.verdict(kOutBytes), out);
    CHECK_EQUAL(bodies.verdict(kCorrupt) + bodies.verdict(kTruncated) + bodies.verdict(kLimited) + bodies.verdict(kOther), 0u);
  }
}

void what_is_not_packed_goes_on() {
  Random random(101);
  Bodies bodies;
  bodies.add(1, "a head", kStreamHead | kStreamStart | kStreamEnd, kGzip);
  bodies.add(2, "plain", kStreamStart | kStreamEnd, kIdentity);
  bodies.add(3, "brotli", kStreamStart | kStreamEnd, kUnknownEncoding);
  bodies.flush();
  CHECK(bodies.text(1) == "a head." && bodies.text(2) == "plain." && bodies.text(3) == "brotli.");
  CHECK_EQUAL(bodies.verdict(kOther), 1u + 1u); /* a head marked as packed is not, but its coding is not identity */
  CHECK_EQUAL(bodies.verdict(kIdentityRows), 1u);
}

void broken_bodies_end_early() {
  Random random(102);
  const std::string text = some_text(random, 50000), packed = pack(text, 31);
  Bodies bodies;
  bodies.body(random, 1, packed.substr(0, packed.size() / 2), kGzip, 100);
  std::string broken = packed;
  broken[broken.size() / 2] = static_cast<char>(~broken[broken.size() / 2]);
  broken[broken.size() / 2 + 1] = static_cast<char>(~broken[broken.size() / 2 + 1]);
  bodies.body(random, 2, broken, kGzip, 100);
  bodies.body(random, 3, "no gzip at all", kGzip, 3);
  bodies.body(random, 4, "x", kDeflate, 1);
  bodies.add(5, packed.substr(0, 1000), kStreamStart, kGzip);
  bodies.add(5, packed.substr(1100), kStreamGap, kGzip);
  bodies.add(5, "", kStreamEnd, kGzip);
  bodies.flush();
  for (const uint64_t stream : {1, 2, 5}) {
    const std::string found = bodies.text(stream);
    CHECK_FOR(found.size() > 500 && found.substr(found.size() - 2) == "|.", std::to_string(stream));
    CHECK(found.substr(0, 200) == text.substr(0, 200));
  }
  CHECK(bodies.text(3).empty() && bodies.text(4).empty());
  CHECK_EQUAL(bodies.verdict(kTruncated), 3u);
  CHECK_EQUAL(bodies.verdict(kCorrupt), 2u);
  CHECK_EQUAL(bodies.verdict(kDecoded), 0u);
}

void bombs_are_stopped() {
  Random random(103);
  Bodies bodies;
  const std::string bomb = pack(std::string(64 << 20, '\0'), 31, 9); /* about 1030:1 */
  bodies.chain.keep_rows = false;
  bodies.body(random, 1, bomb, kGzip, 1400);
  CHECK_EQUAL(bodies.verdict(kLimited), 1u);
  CHECK(bodies.verdict(kOutBytes) < 3u << 20);
}

void open_bodies_are_bounded() {
  Random random(104);
  Bodies bodies;
  const std::string text = noise(random, 3000), packed = pack(text, 31);
  for (uint64_t stream = 1; stream <= 300; stream++) bodies.add(stream, packed.substr(0, 700), kStreamStart, kGzip);
  for (uint64_t stream = 1; stream <= 300; stream++) bodies.add(stream, packed.substr(700), kStreamEnd, kGzip);
  bodies.flush();
  CHECK_EQUAL(bodies.verdict(kDecoded), 256u);
  CHECK_EQUAL(bodies.verdict(kTruncated), 44u);
  CHECK(bodies.text(300) == text + ".");
  bodies.add(1000, packed.substr(0, 700), kStreamStart, kGzip);
  bodies.flush();
  bodies.chain.finish();
  CHECK_EQUAL(bodies.verdict(kTruncated), 45u);
}

}  // namespace

extern const std::vector<Test> gunzip_tests;
const std::vector<Test> gunzip_tests = {
    {"gunzip, bodies come out as they were", bodies_come_out_as_they_were},
    {"gunzip, what is not packed goes on", what_is_not_packed_goes_on},
    {"gunzip, broken bodies end early", broken_bodies_end_early},
    {"gunzip, bombs are stopped", bombs_are_stopped},
    {"gunzip, open bodies are bounded", open_bodies_are_bounded},
};

}  // namespace model_t::test
