/*
 * See binding_run.h. Argument checks and conversions only. A run crosses the border four times whatever the packet count:
 * new Run(), statistics, wait(), and stop() when somebody interrupts. wait() blocks a pool thread, never JavaScript's.
 */
#include "binding_run.h"

#include <cmath>
#include <memory>
#include <utility>

#include "../../stack/native/clock.h"
#include "binding_trace.h"
#include "run.h"

namespace model_t {

namespace {

/* Typed reads of a config object that TypeScript has already validated: a wrong type here is a bug, hence TypeError. */
class Config {
 public:
  explicit Config(const Napi::Object& object) : object_(object) {}
  double number(const char* key) const { return get(key, napi_number).As<Napi::Number>().DoubleValue(); }
  uint64_t big(const char* key) const {
    bool lossless = false;
    return get(key, napi_bigint).As<Napi::BigInt>().Uint64Value(&lossless);
  }
  uint32_t small(const char* key) const { return static_cast<uint32_t>(number(key)); }
  bool flag(const char* key) const { return get(key, napi_boolean).As<Napi::Boolean>().Value(); }
  std::string text(const char* key) const { return get(key, napi_string).As<Napi::String>().Utf8Value(); }
  Napi::Array list(const char* key) const { return get(key, napi_object).As<Napi::Array>(); }
  /* Index of the text in `names`. */
  uint32_t choice(const char* key, std::initializer_list<const char*> names) const {
    const std::string value = text(key);
    uint32_t index = 0;
    for (const char* name : names) {
      if (value == name) return index;
      index++;
    }
    throw Napi::TypeError::New(object_.Env(), std::string("Run: ") + key + " cannot be '" + value + "'");
  }

 private:
  Napi::Value get(const char* key, napi_valuetype type) const {
    const Napi::Value value = object_.Get(key);
    if (value.Type() != type) throw Napi::TypeError::New(object_.Env(), std::string("Run: wrong type of ") + key);
    return value;
  }
  Napi::Object object_;
};

RunConfig read_config(const Napi::Object& object) {
  const Config from(object);
  RunConfig config;
  config.target = static_cast<Target>(from.choice("target", {"stack", "ring", "pcap", "null"}));
  config.ring_name = from.text("ringName");
  config.file = static_cast<int>(from.number("file"));
  config.link_type = from.small("linkType");
  config.isa = from.text("isa");
  config.limits = {from.big("laps"), from.big("limit")};
  config.duration_ns = from.big("durationNs");
  config.threads = from.small("threads");
  config.resident = from.flag("resident");
  config.region_bytes = from.big("regionBytes");
  config.policy = static_cast<model_t_policy>(from.choice("policy", {"block", "lag", "drop"}));
  config.wait_readers = from.small("waitReaders");
  config.digest_lines = from.small("digestLines");
  config.mutation.unique = static_cast<Unique>(from.choice("unique", {"flow", "packet", "off"}));
  config.mutation.seed = from.big("seed");
  const Napi::Array cpus = from.list("cpus");
  for (uint32_t i = 0; i < cpus.Length(); i++) config.cpus.push_back(cpus.Get(i).ToNumber().Int32Value());
  const Napi::Array operations = from.list("operations");
  for (uint32_t i = 0; i < operations.Length(); i++) {
    const Config operation(operations.Get(i).ToObject());
    config.operations.push_back({operation.text("name"), operation.small("parameter")});
  }
  const Napi::Array rewrites = from.list("rewrites");
  for (uint32_t i = 0; i < rewrites.Length(); i++) {
    const Napi::Object rewrite = rewrites.Get(i).ToObject();
    const Napi::Uint8Array address = rewrite.Get("address").As<Napi::Uint8Array>();
    const uint32_t length = Config(rewrite).small("length");
    if (address.ByteLength() == 4 && length <= 32) {
      config.mutation.rewrite4 = true;
      config.mutation.prefix4_length = length;
      config.mutation.prefix4 = static_cast<uint32_t>(address[0]) << 24 | static_cast<uint32_t>(address[1]) << 16 |
                                static_cast<uint32_t>(address[2]) << 8 | address[3];
    } else if (address.ByteLength() == 16 && length <= 128) {
      config.mutation.rewrite6 = true;
      config.mutation.prefix6_length = length;
      memcpy(config.mutation.prefix6.data(), address.Data(), 16);
    } else {
      throw Napi::TypeError::New(object.Env(), "Run: a rewrite needs 4 or 16 address bytes and a prefix length");
    }
  }
  if (config.threads < 1 || config.threads > 3 || config.operations.size() > 64) {
    throw Napi::TypeError::New(object.Env(), "Run: 1 to 3 threads, at most 64 operations");
  }
  return config;
}

Napi::Value number(Napi::Env env, uint64_t value) { return Napi::Number::New(env, static_cast<double>(value)); }

std::string hexadecimal(uint64_t value) {
  char text[17];
  snprintf(text, sizeof text, "%016llx", static_cast<unsigned long long>(value));
  return text;
}

Napi::Array reader_array(Napi::Env env, const RunResult& result) {
  static const char* const kPolicies[] = {"block", "lag", "drop"};
  Napi::Array readers = Napi::Array::New(env);
  for (uint32_t i = 0; i < result.readers.size(); i++) {
    const ReaderReport& report = result.readers[i];
    Napi::Object reader = Napi::Object::New(env);
    reader.Set("pid", report.pid);
    reader.Set("policy", kPolicies[report.policy]);
    reader.Set("delivered", number(env, report.delivered));
    reader.Set("lost", number(env, report.lost));
    /* Packets that were published while it was in. */
    const uint64_t marks = result.engine.lap_mark != UINT64_MAX && report.start <= result.engine.lap_mark ? 1 : 0;
    const uint64_t offered = result.engine.head > report.start ? result.engine.head - report.start - marks : 0;
    reader.Set("offered", number(env, offered));
    const char* state = report.state == MODEL_T_READER_DIED     ? "died"
                        : report.state == MODEL_T_READER_FAULTY ? "faulty"
                        : report.delivered + report.lost == offered ? "drained"
                                                                    : "detached";
    reader.Set("state", state);
    readers.Set(i, reader);
  }
  return readers;
}

Napi::Object mutation_object(Napi::Env env, const Mutation& mutation) {
  Napi::Object out = Napi::Object::New(env);
  Napi::Object unchanged = Napi::Object::New(env);
  for (uint32_t i = 1; i < static_cast<uint32_t>(Unchanged::count) && mutation.active(); i++) {
    const uint64_t count = mutation.unchanged(static_cast<Unchanged>(i));
    if (count) unchanged.Set(kUnchangedNames[i], number(env, count));
  }
  out.Set("unchanged", unchanged);
  const uint64_t period = mutation.period_laps();
  out.Set("periodLaps", period == UINT64_MAX ? env.Null() : number(env, period));
  return out;
}

Napi::Object result_object(Napi::Env env, const ReplayRun& run) {
  static const char* const kStopped[] = {"end", "duration", "interrupted", "reader-died", "failed"};
  const RunResult& result = run.result();
  Napi::Object out = Napi::Object::New(env);
  const EngineOutcome& engine = result.engine;
  const uint64_t finished = result.has_container && result.container.finished_ns ? result.container.finished_ns
                            : run.config().target == Target::null                ? engine.published_ns
                                                                                 : engine.finished_ns;
  out.Set("offered", number(env, engine.offered));
  out.Set("offeredBytes", number(env, engine.bytes));
  out.Set("dropped", number(env, engine.dropped));
  out.Set("droppedBytes", number(env, engine.dropped_bytes));
  out.Set("laps", number(env, engine.laps));
  out.Set("seconds", Napi::Number::New(env, static_cast<double>(finished - engine.started_ns) / 1e9));
  out.Set("stopped", kStopped[static_cast<int>(engine.stopped)]);
  out.Set("error", result.error);
  if (result.has_container) {
    Napi::Object container = Napi::Object::New(env);
    container.Set("delivered", number(env, result.container.delivered));
    container.Set("bytes", number(env, result.container.bytes));
    container.Set("lost", number(env, result.container.lost));
    container.Set("digest", hexadecimal(result.container.digest));
    out.Set("container", container);
  } else {
    out.Set("container", env.Null());
  }
  out.Set("readers", reader_array(env, result));
  out.Set("verifiedPackets", number(env, result.verified_packets));
  out.Set("verifiedOk", result.verified_ok);
  out.Set("mutation", mutation_object(env, run.mutation()));
  static const char* const kBacking[] = {"4 KiB pages", "transparent huge pages", "2 MiB huge pages"};
  Napi::Object ring = Napi::Object::New(env);
  ring.Set("bytes", number(env, run.ring().region_bytes()));
  ring.Set("descriptors", number(env, run.ring().descriptor_count()));
  ring.Set("hugePages", kBacking[static_cast<int>(run.ring().backing())]);
  out.Set("ring", ring);
  return out;
}

class WaitWorker : public Napi::AsyncWorker {
 public:
  WaitWorker(Napi::Env env, std::shared_ptr<ReplayRun> run)
      : Napi::AsyncWorker(env), run_(std::move(run)), deferred_(Napi::Promise::Deferred::New(env)) {}
  Napi::Promise promise() const { return deferred_.Promise(); }
  void Execute() override { run_->wait(); }
  void OnOK() override { deferred_.Resolve(result_object(Env(), *run_)); }
  void OnError(const Napi::Error& error) override { deferred_.Reject(error.Value()); }

 private:
  std::shared_ptr<ReplayRun> run_;
  Napi::Promise::Deferred deferred_;
};

class Run : public Napi::ObjectWrap<Run> {
 public:
  explicit Run(const Napi::CallbackInfo& info) : Napi::ObjectWrap<Run>(info) {
    std::shared_ptr<TraceImage> image = trace_image_of(info[0]);
    if (!info[1].IsObject()) throw Napi::TypeError::New(info.Env(), "new Run(trace, config)");
    std::string error;
    run_ = ReplayRun::create(std::move(image), read_config(info[1].As<Napi::Object>()), &error);
    if (!run_) fail(info.Env(), error);
    if (!run_->start(&error)) fail(info.Env(), error);
  }

  /* The page outlives this object while JavaScript holds the buffer. */
  Napi::Value statistics(const Napi::CallbackInfo& info) {
    auto* keep = new std::shared_ptr<ReplayRun>(run_);
    return Napi::ArrayBuffer::New(
        info.Env(), run_->statistics(), run_->statistics_bytes(),
        [](Napi::Env, void*, std::shared_ptr<ReplayRun>* held) { delete held; }, keep);
  }
  void stop(const Napi::CallbackInfo&) { run_->stop(); }
  void abort(const Napi::CallbackInfo&) { run_->abort(); }
  Napi::Value wait(const Napi::CallbackInfo& info) {
    if (waited_) throw Napi::Error::New(info.Env(), "Run.wait() may be called once");
    waited_ = true;
    auto* worker = new WaitWorker(info.Env(), run_);
    worker->Queue();
    return worker->promise();
  }

 private:
  [[noreturn]] static void fail(Napi::Env env, const std::string& message) {
    Napi::Error error = Napi::Error::New(env, message);
    error.Set("code", Napi::String::New(env, "RUN_IMPOSSIBLE"));
    throw error;
  }

  std::shared_ptr<ReplayRun> run_;
  bool waited_ = false;
};

/* measureTraceCopy(trace, regionBytes, seconds): memcpy of the trace's slots into a ring-sized region, burst by burst;
 * captured frame bytes per second. The yardstick for a copying engine: same bytes, same pages, same wraps, nothing else. */
Napi::Value measure_trace_copy(const Napi::CallbackInfo& info) {
  const std::shared_ptr<TraceImage> image = trace_image_of(info[0]);
  const uint64_t region = static_cast<uint64_t>(info[1].ToNumber().Int64Value()) & ~63ull;
  const double seconds = info[2].ToNumber().DoubleValue();
  std::string error;
  const std::unique_ptr<RingMemory> ring = region >= kMinRegionBytes && region <= kMaxRegionBytes ? RingMemory::create_private(region, &error) : nullptr;
  if (!ring || image->packets() == 0 || !(seconds > 0 && seconds <= 60)) {
    throw Napi::RangeError::New(info.Env(), "measureTraceCopy: an empty trace, region or time out of range. " + error);
  }
  uint64_t packets = 0;
  const uint64_t begin = now_ns();
  uint64_t now = begin;
  BurstPlanner planner(*image, region, ring->descriptor_count(), {UINT64_MAX, UINT64_MAX});
  while (static_cast<double>(now - begin) < seconds * 1e9) {
    for (int i = 0; i < 256; i++) {
      Burst burst;
      if (planner.next(&burst) != BurstPlanner::Next::burst) break;
      const uint64_t* offsets = image->slot_offsets() + burst.first;
      memcpy(ring->region() + burst.region_offset, image->slots() + offsets[0], offsets[burst.count] - offsets[0]);
      planner.commit(burst);
    }
    packets = planner.ordinal();
    now = now_ns();
  }
  const double bytes = static_cast<double>(image->frame_bytes()) / static_cast<double>(image->packets()) * static_cast<double>(packets);
  return Napi::Number::New(info.Env(), bytes * 1e9 / static_cast<double>(now - begin));
}

}  // namespace

void init_run(Napi::Env env, Napi::Object exports) {
  using Napi::ObjectWrap;
  exports.Set("Run", Run::DefineClass(env, "Run",
                                      {Run::InstanceMethod("statistics", &Run::statistics), Run::InstanceMethod("stop", &Run::stop),
                                       Run::InstanceMethod("abort", &Run::abort), Run::InstanceMethod("wait", &Run::wait)}));
  exports.Set("measureTraceCopy", Napi::Function::New(env, measure_trace_copy, "measureTraceCopy"));
}

}  // namespace model_t
