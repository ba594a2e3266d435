/*
 * http: heads and bodies of made-up conversations, cut at any byte, come out whole, each under a key of its own; what is no
 * HTTP, is cut off or has bytes missing is counted and does no harm.
 */
#include <algorithm>
#include <cstring>

#include "talk.h"

namespace model_t::test {

namespace {

enum Verdict { kRequests, kResponses, kBodies, kBodyBytes, kIncomplete, kMalformed, kOpaque };

const std::vector<std::string> kSteps = {"eth", "ip4", "ip6", "tcp-stream", "http"};

struct Message {
  std::string head;
  std::string body; /* empty = none came out */
};

/* Rows of http as messages, in order of their keys. Checks keys and marks on the way. */
std::vector<Message> messages_of(const Chain& chain) {
  std::map<uint64_t, Message> messages;
  std::map<uint64_t, uint32_t> marks;
  for (const Row& row : chain.rows) {
    const std::string bytes(row.payload.begin(), row.payload.end());
    CHECK(row.stream >> 63 == 1);
    CHECK(((row.marks & kStreamStart) != 0) == (marks.count(row.stream) == 0)); /* the start is the first row */
    CHECK(!(marks[row.stream] & kStreamEnd));                                  /* nothing behind the end */
    marks[row.stream] |= row.marks;
    Message& message = messages[row.stream / 2];
    if (row.marks & kStreamHead) {
      CHECK(row.stream % 2 == 0 && row.encoding == kIdentity && message.head.empty());
      message.head = bytes;
    } else {
      CHECK(row.stream % 2 == 1 && !message.head.empty());
      if ((row.marks & kStreamGap)) message.body += '|';
      message.body += bytes;
    }
  }
  std::vector<Message> list;
  for (const auto& [key, message] : messages) list.push_back(message);
  for (const auto& [key, mark] : marks) CHECK(mark & kStreamEnd);
  return list;
}

/* Runs both streams of a connection, cut as told: 0 = at random. Client first. */
void converse(Chain& chain, Random& random, const std::string& client, const std::string& server, uint32_t piece, bool end = true) {
  const Talk talk = {random.one_in(2), 1 + random.below(1000000), 40000, 80};
  std::vector<Packet> packets = {talk.segment(false, 0, 0, kSynFlag, ""), talk.segment(true, 0, 1, kSynFlag | kAckFlag, "")};
  for (uint32_t side = 0; side < 2; side++) {
    const std::string& text = side ? server : client;
    for (uint32_t at = 0; at < text.size();) {
      const uint32_t bytes = std::min<uint32_t>(piece ? piece : 1 + random.below(random.one_in(2) ? 9 : 1400), static_cast<uint32_t>(text.size()) - at);
      packets.push_back(talk.segment(side == 1, 1 + at, 0, kAckFlag, text.substr(at, bytes)));
      at += bytes;
    }
    if (end) packets.push_back(talk.segment(side == 1, 1 + static_cast<uint32_t>(text.size()), 0, kAckFlag | kFinFlag, ""));
  }
  chain.run_all(packets, 1 + random.below(256));
}

std::string chunked(Random& random, const std::string& body) {
  static const char* const kExtensions[] = {"", "", ";a=b", " ; name=\"x;y\""};
  std::string text;
  char size[40];
  for (size_t at = 0; at < body.size();) {
    const size_t bytes = std::min<size_t>(1 + random.below(700), body.size() - at);
    snprintf(size, sizeof size, random.one_in(2) ? "%zx" : "%04zX", bytes);
    text += size + std::string(random.pick(kExtensions)) + "\r\n" + body.substr(at, bytes) + "\r\n";
    at += bytes;
  }
  return text + "0\r\n" + (random.one_in(3) ? "Trailer: 1\r\nOther: 2\r\n" : "") + "\r\n";
}

/* One message as it stands on the wire; `framing` says how its body is told from what follows. */
std::string wire(Random& random, const std::string& first, const Message& message, uint32_t framing, std::string* head) {
  const std::string line = random.one_in(6) ? "\n" : "\r\n";
  std::string text = first + line + "Host: example" + line;
  if (framing == 1) text += (random.one_in(2) ? "Content-Length: " : "content-length:") + std::to_string(message.body.size()) + line;
  if (framing == 2) text += "Transfer-Encoding: " + std::string(random.one_in(2) ? "chunked" : "Chunked ") + line;
  if (random.one_in(4)) text += "X-Long: " + std::string(random.below(3000), 'y') + line + " folded" + line;
  text += line;
  *head = text;
  return (random.one_in(9) ? "\r\n" : "") + text + (framing == 2 ? chunked(random, message.body) : message.body);
}

void messages_come_out_whole() {
  Random random(80);
  for (uint32_t round = 0; round < rounds(150) && !failing(); round++) {
    std::string text[2];
    std::vector<Message> expected[2];
    uint64_t bodies = 0, bytes = 0;
    const uint32_t pairs = 1 + random.below(8);
    for (uint32_t i = 0; i < pairs; i++) {
      const bool head_only = random.one_in(6), no_content = random.one_in(6), last = i + 1 == pairs;
      Message request, response;
      const uint32_t asking = random.below(3), answering = last ? random.below(3) : 1 + random.below(2);
      if (asking) request.body = noise(random, random.below(3000));
      response.body = noise(random, random.below(random.one_in(4) ? 30000 : 300));
      if (head_only || no_content) response.body.clear();
      text[0] += wire(random, (head_only ? "HEAD /" : "POST /") + std::to_string(i) + " HTTP/1.1", request, asking, &request.head);
      if (random.one_in(4)) {
        expected[1].push_back({"HTTP/1.1 100 Continue\r\n\r\n", ""});
        text[1] += expected[1].back().head;
      }
      const std::string answer = wire(random, no_content ? "HTTP/1.1 304 Not Modified" : "HTTP/1.0 200 OK", response, answering, &response.head);
      /* Without a body the framing fields mean nothing: what stands there is the next head. */
      text[1] += head_only || no_content ? response.head : answer;
      expected[0].push_back(request);
      expected[1].push_back(response);
      for (const Message* one : {&request, &response}) {
        bodies += !one->body.empty();
        bytes += one->body.size();
      }
    }
    Chain chain(kSteps);
    converse(chain, random, text[0], text[1], random.one_in(20) ? 1 : 0);
    const std::vector<Message> found = messages_of(chain);
    expected[0].insert(expected[0].end(), expected[1].begin(), expected[1].end());
    CHECK_EQUAL(found.size(), expected[0].size());
    for (size_t i = 0; i < found.size() && i < expected[0].size(); i++) {
      CHECK(found[i].head == expected[0][i].head);
      CHECK(found[i].body == expected[0][i].body);
    }
    CHECK_EQUAL(chain.verdict("http", kRequests), pairs);
    CHECK_EQUAL(chain.verdict("http", kResponses), expected[1].size());
    CHECK_EQUAL(chain.verdict("http", kBodies), bodies);
    CHECK_EQUAL(chain.verdict("http", kBodyBytes), bytes);
    CHECK_EQUAL(chain.verdict("http", kIncomplete) + chain.verdict("http", kMalformed) + chain.verdict("http", kOpaque), 0u);
  }
}

struct Case {
  const char* what;
  std::string client;
  std::string server;
  std::vector<std::string> bodies; /* of all messages that came out, in order */
  uint64_t incomplete, malformed, opaque;
};

void single_cases() {
  const std::string get = "GET / HTTP/1.1\r\n\r\n", ok = "HTTP/1.1 200 OK\r\n";
  const Case cases[] = {
      {"until the end", get, ok + "\r\nabc", {"", "abc"}, 0, 0, 0},
      {"cut short", get, ok + "Content-Length: 9\r\n\r\nabc", {"", "abc|"}, 1, 0, 0},
      {"cut short in a chunk", get, ok + "Transfer-Encoding: chunked\r\n\r\n5\r\nabc", {"", "abc|"}, 1, 0, 0},
      {"cut short in a head", get, "HTTP/1.1 200 OK\r\nContent-Le", {""}, 1, 0, 0},
      {"two lengths that agree", get, ok + "Content-Length: 3\r\nContent-Length: 3, 3\r\n\r\nabc", {"", "abc"}, 0, 0, 0},
      {"two lengths that do not", get, ok + "Content-Length: 3\r\nContent-Length: 4\r\n\r\nabcd", {""}, 0, 1, 1},
      {"a length that is no number", get, ok + "Content-Length: -3\r\n\r\nabcd", {""}, 0, 1, 1},
      {"chunks count, not the length", get, ok + "Content-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n0\r\n\r\n", {"", "a"}, 0, 0, 0},
      {"a broken chunk size", get, ok + "Transfer-Encoding: chunked\r\n\r\nxyz\r\n", {"", ""}, 0, 1, 1},
      {"a chunk that is longer", get, ok + "Transfer-Encoding: chunked\r\n\r\n1\r\nab\r\n", {"", "a|"}, 0, 1, 1},
      {"a chunk of 2^64 bytes", get, ok + "Transfer-Encoding: chunked\r\n\r\n10000000000000000\r\n", {"", ""}, 0, 1, 1},
      {"transfer coding of a request that is not chunked", "POST / HTTP/1.1\r\nTransfer-Encoding: gzip\r\n\r\nabc", ok, {}, 1, 1, 1},
      {"another protocol", "SSH-2.0-OpenSSH\r\n", "\x16\x03\x01 binary", {}, 0, 0, 2},
      {"HTTP/0.9", "GET /\r\n", "<html>", {}, 1, 0, 1},
      {"another version", "GET / HTTP/2.0\r\n\r\n", "", {}, 0, 1, 1},
      {"an upgrade", "GET / HTTP/1.1\r\nUpgrade: x\r\n\r\n", "HTTP/1.1 101 Switching Protocols\r\n\r\nGET / HTTP/1.1\r\n\r\n", {"", ""}, 0, 0, 1},
      {"a tunnel", "CONNECT a:1 HTTP/1.1\r\n\r\n", ok + "\r\nHTTP/1.1 200 OK\r\n\r\n", {"", ""}, 0, 0, 1},
      {"a tunnel that was refused", "CONNECT a:1 HTTP/1.1\r\n\r\n", "HTTP/1.1 403 No\r\nContent-Length: 2\r\n\r\nno", {"", "no"}, 0, 0, 0},
  };
  Random random(81);
  for (const Case& one : cases) {
    for (const uint32_t piece : {1u, 2u, 7u, 5000u}) {
      Chain chain(kSteps);
      converse(chain, random, one.client, one.server, piece);
      std::vector<std::string> bodies;
      for (const Message& message : messages_of(chain)) bodies.push_back(message.body);
      const std::string what = std::string(one.what) + ", pieces of " + std::to_string(piece);
      CHECK_FOR(bodies == one.bodies, what);
      CHECK_FOR(chain.verdict("http", kIncomplete) == one.incomplete, what + ": " + std::to_string(chain.verdict("http", kIncomplete)));
      CHECK_FOR(chain.verdict("http", kMalformed) == one.malformed, what + ": " + std::to_string(chain.verdict("http", kMalformed)));
      CHECK_FOR(chain.verdict("http", kOpaque) == one.opaque, what + ": " + std::to_string(chain.verdict("http", kOpaque)));
    }
  }
}

void large_heads_are_refused() {
  Random random(82);
  for (const uint32_t filler : {60000u, 65000u, 66000u}) {
    Chain chain(kSteps);
    converse(chain, random, "GET / HTTP/1.1\r\nX: " + std::string(filler, 'x') + "\r\n\r\n", "", 1400);
    CHECK_EQUAL(chain.verdict("http", kRequests), filler < 65536 ? 1u : 0u);
    CHECK_EQUAL(chain.verdict("http", kMalformed), filler < 65536 ? 0u : 1u);
  }
}

/* Behind a hole the next message begins with a segment. */
void messages_go_on_behind_holes() {
  const Talk talk;
  const std::string message = "HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nabcd";
  const uint32_t size = static_cast<uint32_t>(message.size());
  Chain chain(kSteps);
  const std::vector<Packet> packets = {
      talk.segment(false, 0, 0, kSynFlag, ""),
      talk.segment(true, 0, 1, kSynFlag | kAckFlag, ""),
      talk.segment(true, 1, 0, kAckFlag, message + message.substr(0, size - 2)), /* its last two bytes are lost */
      talk.segment(true, 1 + 2 * size, 0, kAckFlag, message),
      talk.segment(true, 1 + 3 * size + 10, 0, kAckFlag, message.substr(10)), /* no head */
      talk.segment(true, 1 + 4 * size, 0, kAckFlag | kFinFlag, message),
  };
  chain.run_all(packets);
  chain.finish();
  std::vector<std::string> bodies;
  for (const Message& one : messages_of(chain)) bodies.push_back(one.body);
  CHECK(bodies == std::vector<std::string>({"abcd", "ab|", "abcd", "abcd"}));
  CHECK_EQUAL(chain.verdict("http", kIncomplete), 1u);
}

void codings_are_told() {
  struct Coding {
    const char* fields;
    uint32_t encoding;
  };
  const Coding codings[] = {{"", kIdentity},
                            {"Content-Encoding: gzip\r\n", kGzip},
                            {"content-encoding:X-GZIP\r\n", kGzip},
                            {"Content-Encoding: identity\r\n", kIdentity},
                            {"Content-Encoding: deflate\r\n", kDeflate},
                            {"Content-Encoding: br\r\n", kUnknownEncoding},
                            {"Content-Encoding: deflate, gzip\r\n", kUnknownEncoding},
                            {"Content-Encoding: deflate\r\nContent-Encoding: gzip\r\n", kUnknownEncoding},
                            {"Content-Encoding:\r\n gzip\r\n", kGzip},
                            {"X-Content-Encoding: gzip\r\n", kIdentity},
                            {"Transfer-Encoding: gzip, chunked\r\n", kGzip}};
  Random random(83);
  for (const Coding& coding : codings) {
    Chain chain(kSteps);
    const bool chunks = strstr(coding.fields, "chunked") != nullptr;
    const std::string fields = std::string(coding.fields) + (chunks ? "" : "Content-Length: 1\r\n");
    converse(chain, random, "", "HTTP/1.1 200 OK\r\n" + fields + "\r\n" + (chunks ? "1\r\nx\r\n0\r\n\r\n" : "x"), 0);
    CHECK_FOR(chain.rows.size() >= 2 && chain.rows[1].encoding == coding.encoding, coding.fields);
  }
}

}  // namespace

extern const std::vector<Test> http_tests;
const std::vector<Test> http_tests = {
    {"http, messages come out whole however they are cut", messages_come_out_whole},
    {"http, single cases", single_cases},
    {"http, heads over 64 KiB are refused", large_heads_are_refused},
    {"http, messages go on behind holes", messages_go_on_behind_holes},
    {"http, content codings are told", codings_are_told},
};

}  // namespace model_t::test
