/* See path_traffic.h. */
#include "path_traffic.h"

#include <cstring>

#include "talk.h"

namespace model_t::test {

namespace {

StepRecord with(StepRecord record, uint32_t parameter, int32_t condition = -1) {
  record.parameter = parameter;
  record.condition = condition;
  return record;
}

StepRecord bracket(StepRecord::Kind kind) {
  StepRecord record;
  record.kind = kind;
  return record;
}

/* As match.ts packs them: how many, then the length and the bytes of each. */
StepRecord match_of(const std::vector<std::string>& patterns) {
  StepRecord record = step("match", "scalar");
  const auto number = [&record](size_t value) {
    for (int shift = 0; shift < 32; shift += 8) record.data.push_back(static_cast<uint8_t>(value >> shift));
  };
  number(patterns.size());
  for (const std::string& pattern : patterns) {
    number(pattern.size());
    record.data.insert(record.data.end(), pattern.begin(), pattern.end());
  }
  return record;
}

uint32_t crc_of(const std::string& text) {
  uint32_t crc = ~0u;
  for (const char byte : text) {
    crc ^= static_cast<uint8_t>(byte);
    for (int bit = 0; bit < 8; bit++) crc = crc >> 1 ^ (crc & 1 ? 0xedb88320u : 0);
  }
  return ~crc;
}

/* gzip with stored blocks: for tests that have no zlib. */
std::string zipped(const std::string& text) {
  std::string out("\x1f\x8b\x08\0\0\0\0\0\0\xff", 10);
  const auto put = [&out](uint32_t value, int bytes) {
    for (int i = 0; i < bytes; i++) out += static_cast<char>(value >> 8 * i);
  };
  const auto size = static_cast<uint32_t>(text.size());
  put(1, 1);
  put(size, 2);
  put(~size, 2);
  out += text;
  put(crc_of(text), 4);
  put(size, 4);
  return out;
}

std::string answer(Random& random, uint32_t number) {
  std::string body = random.one_in(3) ? "attack " + std::to_string(number) : noise(random, 1 + random.below(9000));
  const bool zip = random.one_in(2);
  if (zip) body = zipped(body);
  return std::string("HTTP/1.1 200 OK\r\n") + (zip ? "Content-Encoding: gzip\r\n" : "") + "Content-Length: " + std::to_string(body.size()) +
         "\r\n\r\n" + body;
}

/* One connection; the last of them stays open. */
std::vector<Packet> connection(Random& random, uint32_t host, bool open) {
  const Talk talk = {random.one_in(2), host, 40000, 80};
  std::vector<Packet> packets = {talk.segment(false, 0, 0, kSynFlag, ""), talk.segment(true, 0, 1, kSynFlag | kAckFlag, "")};
  std::string text[2];
  for (uint32_t i = 1 + random.below(3); i > 0; i--) {
    text[0] += "GET /attack" + std::to_string(i) + " HTTP/1.1\r\nHost: example\r\n\r\n";
    text[1] += answer(random, i);
  }
  for (uint32_t side = 0; side < 2; side++) {
    std::vector<Packet> segments;
    for (uint32_t at = 0; at < text[side].size();) {
      const uint32_t bytes = std::min<uint32_t>(1 + random.below(1400), static_cast<uint32_t>(text[side].size()) - at);
      segments.push_back(talk.segment(side == 1, 1 + at, 1, kAckFlag, text[side].substr(at, bytes)));
      at += bytes;
    }
    shuffle(random, segments, 3);
    packets.insert(packets.end(), segments.begin(), segments.end());
    if (!open) packets.push_back(talk.segment(side == 1, 1 + static_cast<uint32_t>(text[side].size()), 1, kAckFlag | kFinFlag, ""));
  }
  return packets;
}

/* The packets of a burst, in slots as a ring has them. */
void prepare(Burst256& burst, const std::vector<Packet>& packets, uint64_t first, std::vector<std::unique_ptr<uint8_t[]>>& memory) {
  memory.clear();
  for (uint32_t i = 0; i < burst.count; i++) {
    const Packet& packet = packets[(first + i) % packets.size()];
    const size_t lines = (2 + packet.bytes.size() + 63) / 64;
    memory.push_back(std::make_unique<uint8_t[]>(lines * 64));
    if (!packet.bytes.empty()) memcpy(memory.back().get() + 2, packet.bytes.data(), packet.bytes.size());
    burst.frames[i] = memory.back().get() + 2;
    burst.lengths[i] = static_cast<uint32_t>(packet.bytes.size());
    burst.times[i] = packet.time + (first + i) / packets.size() * 1000000;
  }
}

}  // namespace

std::vector<Pipeline> pipelines() {
  using Kind = StepRecord::Kind;
  const std::string isa = cpu_isas().back();
  std::vector<Pipeline> all;
  const std::vector<StepRecord> headers = {step("eth", isa), step("ip4", isa), step("ip6", isa), step("tcp", isa), step("udp", isa)};
  std::vector<StepRecord> records = headers;
  records.push_back(step("count", isa));
  all.push_back({"headers", {records, 0}});
  records = {step("eth", isa), step("ip4", isa), step("ip6", isa), step("count", isa)};
  for (StepRecord& record : records) {
    record.pass = 0;
    record.stores = true;
  }
  for (const StepRecord& record : {with(step("sample", isa), 2), step("tcp", isa), with(step("count", isa), 0, 80), with(step("flow", "scalar"), 500)}) records.push_back(record);
  all.push_back({"pass", {records, kNeedTimes}});
  records = headers;
  for (StepRecord& record : records) {
    record.pass = 0;
    record.stores = true;
  }
  records.insert(records.end(), {bracket(Kind::fork), bracket(Kind::branch), with(step("count", isa), 0, 80), bracket(Kind::branch),
                                 with(step("sample", isa), 3), bracket(Kind::join), step("null", isa), step("count", isa)});
  all.push_back({"group", {records, 0}});
  records = {step("eth", isa), step("ip4", isa), step("ip6", isa), step("tcp-stream", "scalar"), step("http", "scalar")};
  if (find_operation("gunzip", "zlib")) records.push_back(step("gunzip", "zlib"));
  records.push_back(match_of({"attack", "HTTP", "a"}));
  all.push_back({"streams", {records, kNeedTimes | kNeedPayloads | kNeedStreams}});
  records = {step("eth", isa), step("defrag", "scalar"), step("ip4", isa), step("ip6", isa), step("count", isa)};
  all.push_back({"defrag", {records, kNeedTimes | kNeedPayloads}});
  return all;
}

std::vector<Packet> make_traffic(Random& random) {
  std::vector<std::vector<Packet>> talks;
  for (uint32_t host = 1; host <= 14; host++) talks.push_back(connection(random, host, host > 12));
  for (uint32_t i = 0; i < 12; i++) {
    Bytes payload(100 + random.below(3000));
    random.fill(payload.data(), payload.size());
    talks.push_back(fragments_of(random, datagram(random.one_in(2), i, i, payload), i));
  }
  std::vector<Packet> packets;
  std::vector<size_t> next(talks.size());
  for (size_t left = talks.size(); left > 0;) {
    if (random.one_in(4)) {
      FrameTraits traits;
      Bytes frame = make_frame(random, &traits);
      if (frame.size() <= 1900) packets.push_back({frame, 0});
    }
    const uint32_t pick = random.below(static_cast<uint32_t>(talks.size()));
    if (next[pick] == talks[pick].size()) continue;
    packets.push_back(talks[pick][next[pick]++]);
    left -= next[pick] == talks[pick].size();
  }
  for (size_t i = 0; i < packets.size(); i++) packets[i].time = i * 100;
  return packets;
}

Said said_of(const ProgramPlan& plan, const std::vector<Packet>& packets, uint64_t count) {
  Said said;
  std::string error;
  const std::unique_ptr<Program> program = Program::create({plan.records, plan.needs | kNeedTimes}, &error);
  if (!check(program != nullptr, __FILE__, __LINE__, error)) return said;
  struct Context {
    RowSink sink;
    uint64_t first;
  } context = {RowSink(plan.needs), 0};
  program->set_tail([](void* of, const Burst256& burst) { static_cast<Context*>(of)->sink.take(burst, burst.times, static_cast<Context*>(of)->first); }, &context);
  const auto burst = std::make_unique<Burst256>();
  std::vector<std::unique_ptr<uint8_t[]>> memory;
  for (; context.first < count; context.first += burst->count) {
    burst->count = static_cast<uint32_t>(std::min<uint64_t>(kBurstCapacity, count - context.first));
    prepare(*burst, packets, context.first, memory);
    for (uint32_t i = 0; i < burst->count; i++) {
      said.digest += model_t_digest_packet(burst->frames[i], burst->lengths[i], 0);
      said.bytes += burst->lengths[i];
    }
    const uint32_t taken = burst->count;
    program->run(*burst);
    burst->count = taken;
  }
  program->finish();
  said.rows = context.sink.rows;
  said.hash = context.sink.hash;
  for (uint32_t i = 0; i < program->step_count(); i++) {
    said.verdicts.insert(said.verdicts.end(), program->state(i).verdicts, program->state(i).verdicts + kOperationVerdicts);
  }
  return said;
}

}  // namespace model_t::test
