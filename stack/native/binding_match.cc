/* `match` for tests and benchmarks: occurrences in one text, and the speed of all variants. TypeScript shape: stack/native.ts. */
#include <algorithm>
#include <cstring>

#include "binding.h"
#include "clock.h"
#include "match_matcher.h"
#include "operation.h"

namespace model_t {

namespace {

struct Bytes {
  const uint8_t* data;
  size_t length;
};

Bytes bytes_of(Napi::Value value, const char* usage) {
  if (!value.IsTypedArray() || value.As<Napi::TypedArray>().TypedArrayType() != napi_uint8_array) throw Napi::TypeError::New(value.Env(), usage);
  const Napi::Uint8Array array = value.As<Napi::Uint8Array>();
  if (array.ByteLength() > UINT32_MAX) throw Napi::RangeError::New(value.Env(), usage);
  return {array.Data(), array.ByteLength()};
}

std::unique_ptr<Matcher> matcher_of(Napi::Env env, Bytes blob) {
  std::string error;
  std::unique_ptr<Matcher> matcher = Matcher::create(blob.data, blob.length, &error);
  if (!matcher) throw Napi::RangeError::New(env, error);
  return matcher;
}

/* matchRun(blob, variant, text) */
Napi::Value match_run(const Napi::CallbackInfo& info) {
  constexpr const char* kUsage = "matchRun(blob: Uint8Array, variant: string, text: Uint8Array)";
  const Napi::Env env = info.Env();
  const Bytes text = bytes_of(info[2], kUsage);
  const std::unique_ptr<Matcher> matcher = matcher_of(env, bytes_of(info[0], kUsage));
  const std::string variant = info[1].IsString() ? info[1].As<Napi::String>().Utf8Value() : "";
  const MatchScan scan = find_match_scan(variant.c_str());
  if (!scan) throw Napi::RangeError::New(env, "no variant of match is called '" + variant + "' here");
  MatchSink counted;
  scan(matcher->tables(), text.data, static_cast<uint32_t>(text.length), counted);
  std::vector<MatchEvent> events(counted.occurrences + 1); /* one more: null would mean counting */
  MatchSink sink;
  sink.events = events.data();
  sink.capacity = counted.occurrences;
  scan(matcher->tables(), text.data, static_cast<uint32_t>(text.length), sink);
  if (sink.occurrences != counted.occurrences || sink.first != counted.first) throw Napi::Error::New(env, "counting and listing differ");
  events.resize(counted.occurrences);
  std::sort(events.begin(), events.end(), [](const MatchEvent& a, const MatchEvent& b) { return a.end != b.end ? a.end < b.end : a.pattern < b.pattern; });
  Napi::Uint32Array patterns = Napi::Uint32Array::New(env, events.size()), ends = Napi::Uint32Array::New(env, events.size());
  for (size_t i = 0; i < events.size(); i++) {
    patterns[i] = events[i].pattern;
    ends[i] = events[i].end;
  }
  Napi::Object result = Napi::Object::New(env);
  result.Set("patterns", patterns);
  result.Set("ends", ends);
  result.Set("plan", matcher->plan());
  return result;
}

struct Contender {
  const char* variant;
  MatchScan scan;
  std::vector<double> rates; /* bytes per second, one per round */
  uint64_t occurrences = 0;
};

/* One round: the texts over and over for about 2 ms, so that the clock's own time does not count. */
double one_round(const MatchTables& tables, const std::vector<Bytes>& texts, uint64_t bytes, Contender& contender) {
  const uint64_t start = now_ns();
  uint64_t now = start, passes = 0;
  do {
    contender.occurrences = 0;
    for (const Bytes& text : texts) {
      MatchSink sink;
      contender.scan(tables, text.data, static_cast<uint32_t>(text.length), sink);
      contender.occurrences += sink.occurrences;
    }
    passes++;
    now = now_ns();
  } while (now - start < 2'000'000);
  return static_cast<double>(bytes * passes) * 1e9 / static_cast<double>(now - start);
}

/* matchCompare(blob, texts, seconds) */
Napi::Value match_compare(const Napi::CallbackInfo& info) {
  constexpr const char* kUsage = "matchCompare(blob: Uint8Array, texts: Uint8Array[], seconds: number), up to 60 seconds";
  const Napi::Env env = info.Env();
  const double seconds = info[2].IsNumber() ? info[2].As<Napi::Number>().DoubleValue() : 0;
  if (!info[1].IsArray() || !(seconds > 0 && seconds <= 60)) throw Napi::TypeError::New(env, kUsage);
  const std::unique_ptr<Matcher> matcher = matcher_of(env, bytes_of(info[0], kUsage));
  std::vector<Bytes> texts;
  uint64_t bytes = 0;
  const Napi::Array list = info[1].As<Napi::Array>();
  for (uint32_t i = 0; i < list.Length(); i++) {
    texts.push_back(bytes_of(list.Get(i), kUsage));
    bytes += texts.back().length;
  }
  if (bytes == 0) throw Napi::RangeError::New(env, "matchCompare: no text");
  std::vector<Contender> contenders;
  for (const char* variant : {"automaton", "avx2", "avx512"}) { /* scalar is the automaton */
    if (const MatchScan scan = find_match_scan(variant)) contenders.push_back({variant, scan, {}});
  }
  const uint64_t begin = now_ns();
  do {
    for (Contender& contender : contenders) contender.rates.push_back(one_round(matcher->tables(), texts, bytes, contender));
  } while (static_cast<double>(now_ns() - begin) < seconds * 1e9);
  Napi::Array results = Napi::Array::New(env);
  for (Contender& contender : contenders) {
    if (contender.occurrences != contenders[0].occurrences) throw Napi::Error::New(env, std::string("match: ") + contender.variant + " and the automaton differ");
    std::sort(contender.rates.begin(), contender.rates.end());
    Napi::Object result = Napi::Object::New(env);
    result.Set("variant", contender.variant);
    result.Set("bytesPerSecond", contender.rates[contender.rates.size() / 2]);
    result.Set("bestBytesPerSecond", contender.rates.back());
    result.Set("occurrences", static_cast<double>(contender.occurrences));
    results.Set(results.Length(), result);
  }
  return results;
}

}  // namespace

void init_match(Napi::Env env, Napi::Object exports) {
  exports.Set("matchRun", Napi::Function::New(env, match_run, "matchRun"));
  exports.Set("matchCompare", Napi::Function::New(env, match_compare, "matchCompare"));
}

}  // namespace model_t
