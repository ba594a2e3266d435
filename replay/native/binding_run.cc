/*
 * See binding_run.h. Argument checks and conversions only. A run crosses the border four times whatever the packet count:
 * new Run(), statistics, wait(), and stop() when somebody interrupts. wait() blocks a thread of its own, never JavaScript's. With a
 * device there are a few calls more per batch, and nap(), which is there to block.
 */
#include "binding_run.h"

#include <cmath>
#include <memory>
#include <thread>
#include <utility>

#include "../../stack/native/clock.h"
#include "binding_config.h"
#include "binding_trace.h"

namespace model_t {

namespace {

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
    const ReaderReport& report = result.readers[i].report;
    const uint64_t offered = result.readers[i].offered;
    Napi::Object reader = Napi::Object::New(env);
    reader.Set("pid", report.pid);
    reader.Set("policy", kPolicies[report.policy]);
    reader.Set("delivered", number(env, report.delivered));
    reader.Set("lost", number(env, report.lost));
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

Napi::Array event_array(Napi::Env env, const std::vector<RingEvent>& list, uint64_t started_ns) {
  Napi::Array events = Napi::Array::New(env);
  for (uint32_t i = 0; i < list.size(); i++) {
    Napi::Object event = Napi::Object::New(env);
    event.Set("seconds", static_cast<double>(list[i].time_ns - started_ns) / 1e9);
    event.Set("bytes", number(env, list[i].bytes));
    event.Set("distance", number(env, list[i].distance));
    event.Set("packetsPerSecond", number(env, list[i].packets_per_second));
    event.Set("reason", kRingReasonNames[static_cast<int>(list[i].reason)]);
    events.Set(i, event);
  }
  return events;
}

Napi::Object ring_object(Napi::Env env, const ReplayRun& run, uint32_t lane) {
  static const char* const kBacking[] = {"4 KiB pages", "transparent huge pages", "2 MiB huge pages"};
  const RingMemory& memory = run.ring(lane);
  const std::vector<RingEvent> events = run.ring_events(lane);
  Napi::Object ring = Napi::Object::New(env);
  ring.Set("bytes", number(env, memory.region_bytes()));
  ring.Set("descriptors", number(env, memory.descriptor_count()));
  ring.Set("hugePages", kBacking[static_cast<int>(memory.backing())]);
  ring.Set("finalBytes", number(env, events.empty() ? memory.region_bytes() : events.back().bytes));
  ring.Set("events", event_array(env, events, run.result().engine.started_ns));
  return ring;
}

Napi::Object result_object(Napi::Env env, const ReplayRun& run) {
  static const char* const kStopped[] = {"end", "duration", "interrupted", "reader-died", "failed"};
  const RunResult& result = run.result();
  Napi::Object out = Napi::Object::New(env);
  const EngineOutcome& engine = result.engine;
  const uint64_t finished = result.has_path && result.path.finished_ns ? result.path.finished_ns
                            : run.config().target == Target::null      ? engine.published_ns
                                                                       : engine.finished_ns;
  out.Set("offered", number(env, engine.offered));
  out.Set("offeredBytes", number(env, engine.bytes));
  out.Set("dropped", number(env, engine.dropped));
  out.Set("droppedBytes", number(env, engine.dropped_bytes));
  out.Set("laps", number(env, engine.laps));
  out.Set("seconds", Napi::Number::New(env, static_cast<double>(finished - engine.started_ns) / 1e9));
  out.Set("stopped", kStopped[static_cast<int>(engine.stopped)]);
  out.Set("error", result.error);
  if (result.has_path) {
    Napi::Object path = Napi::Object::New(env);
    path.Set("delivered", number(env, result.path.delivered));
    path.Set("bytes", number(env, result.path.bytes));
    path.Set("lost", number(env, result.path.lost));
    path.Set("digest", hexadecimal(result.path.digest));
    out.Set("path", path);
  } else {
    out.Set("path", env.Null());
  }
  out.Set("readers", reader_array(env, result));
  out.Set("verifiedPackets", number(env, result.verified.packets));
  out.Set("verifiedOk", result.verified.ok);
  out.Set("mutation", mutation_object(env, run.mutation()));
  out.Set("hostCopiedBytes", number(env, result.host_copied_bytes));
  Napi::Array rings = Napi::Array::New(env), lane_packets = Napi::Array::New(env);
  for (uint32_t i = 0; i < run.lanes(); i++) {
    rings.Set(i, ring_object(env, run, i));
    lane_packets.Set(i, number(env, run.packets(i)));
  }
  out.Set("rings", rings);
  out.Set("lanePackets", lane_packets);
  return out;
}

Napi::Object segment_object(Napi::Env env, const Segment& segment) {
  Napi::Object out = Napi::Object::New(env);
  out.Set("tile", segment.tile);
  out.Set("sourceOffset", number(env, segment.source_offset));
  out.Set("targetOffset", number(env, segment.target_offset));
  out.Set("bytes", number(env, segment.bytes));
  out.Set("row4", number(env, segment.row4));
  out.Set("rows4", number(env, segment.rows4));
  out.Set("row6", number(env, segment.row6));
  out.Set("rows6", number(env, segment.rows6));
  out.Set("packet", number(env, segment.packet));
  out.Set("packets", number(env, segment.packets));
  out.Set("base4", segment.base4);
  out.Set("base6Low", static_cast<uint32_t>(segment.base6));
  out.Set("base6High", static_cast<uint32_t>(segment.base6 >> 32));
  out.Set("lap", number(env, segment.lap));
  out.Set("indexInLap", number(env, segment.index_in_lap));
  return out;
}

/*
 * A thread of its own for every run that is waited for: libuv's pool has four, which as many runs could hold for hours while another
 * needs one to fill the memory of its device.
 */
Napi::Promise wait_in_thread(Napi::Env env, std::shared_ptr<ReplayRun> run) {
  auto deferred = std::make_shared<Napi::Promise::Deferred>(Napi::Promise::Deferred::New(env));
  Napi::Function nothing = Napi::Function::New(env, [](const Napi::CallbackInfo&) {});
  Napi::ThreadSafeFunction back = Napi::ThreadSafeFunction::New(env, nothing, "model-t wait", 0, 1);
  const Napi::Promise promise = deferred->Promise();
  auto wait = [back, deferred = std::move(deferred), run = std::move(run)]() mutable {
    run->wait();
    /* Refused where the environment is on its way out: nobody waits for the result then. */
    back.BlockingCall([deferred = std::move(deferred), run = std::move(run)](Napi::Env here, Napi::Function) {
      deferred->Resolve(result_object(here, *run));
    });
    back.Release();
  };
  try {
    std::thread(std::move(wait)).detach();
  } catch (const std::exception& error) {
    throw Napi::Error::New(env, std::string("no thread to wait for the run: ") + error.what());
  }
  return promise;
}

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
  Napi::Value shape(const Napi::CallbackInfo& info) {
    Napi::Object out = Napi::Object::New(info.Env());
    out.Set("paths", run_->lanes());
    out.Set("containers", run_->containers());
    out.Set("operations", run_->operations());
    return out;
  }
  Napi::Value place(const Napi::CallbackInfo& info) {
    std::string error;
    run_->place(info[0].ToNumber().Uint32Value(), read_placement(info[1].ToObject()), &error);
    return Napi::String::New(info.Env(), error);
  }
  Napi::Value switches(const Napi::CallbackInfo& info) {
    const Napi::Env env = info.Env();
    Napi::Array out = Napi::Array::New(env);
    for (const PathSwitch& ended : run_->switches()) {
      Napi::Object one = Napi::Object::New(env);
      one.Set("path", ended.path);
      one.Set("atPacket", number(env, ended.report.at_packet));
      one.Set("blockedSeconds", Napi::Number::New(env, static_cast<double>(ended.report.blocked_ns) / 1e9));
      out.Set(out.Length(), one);
    }
    return out;
  }
  void control(const Napi::CallbackInfo& info) {
    const std::string word = info[1].ToString().Utf8Value();
    const auto command = word == "pause" ? ContainerCommand::pause : word == "resume" ? ContainerCommand::resume : ContainerCommand::stop;
    std::string error;
    if (!run_->control(info[0].ToNumber().Uint32Value(), command, &error)) throw Napi::RangeError::New(info.Env(), error);
  }
  void stop(const Napi::CallbackInfo&) { run_->stop(); }
  void abort(const Napi::CallbackInfo&) { run_->abort(); }

  Napi::Value next_batch(const Napi::CallbackInfo& info) {
    const Napi::Env env = info.Env();
    Batch batch;
    if (!with_device(env).next_batch(&batch, &segments_)) return env.Null();
    Napi::Object out = Napi::Object::New(env);
    out.Set("number", number(env, batch.number));
    out.Set("slot", batch.slot);
    out.Set("packets", number(env, batch.end - batch.first));
    out.Set("bytes", number(env, batch.bytes));
    Napi::Array segments = Napi::Array::New(env, segments_.size());
    for (uint32_t i = 0; i < segments_.size(); i++) segments.Set(i, segment_object(env, segments_[i]));
    out.Set("segments", segments);
    return out;
  }
  void publish(const Napi::CallbackInfo& info) {
    if (!info[0].IsArrayBuffer()) throw Napi::TypeError::New(info.Env(), "publish(buffer: ArrayBuffer)");
    Napi::ArrayBuffer buffer = info[0].As<Napi::ArrayBuffer>();
    const std::string error = with_device(info.Env()).publish(static_cast<uint8_t*>(buffer.Data()), buffer.ByteLength());
    if (!error.empty()) throw Napi::Error::New(info.Env(), error);
  }
  Napi::Value reclaim(const Napi::CallbackInfo& info) { return Napi::Boolean::New(info.Env(), with_device(info.Env()).reclaim()); }
  void fail_run(const Napi::CallbackInfo& info) { with_device(info.Env()).fail(info[0].ToString().Utf8Value()); }
  Napi::Value ended(const Napi::CallbackInfo& info) { return Napi::Boolean::New(info.Env(), run_->ended()); }
  void nap(const Napi::CallbackInfo& info) {
    const double microseconds = info[0].ToNumber().DoubleValue();
    if (!(microseconds >= 0 && microseconds <= 1e6)) throw Napi::RangeError::New(info.Env(), "nap: 0 to a million microseconds");
    with_device(info.Env()).nap(static_cast<uint64_t>(microseconds));
  }

  Napi::Value wait(const Napi::CallbackInfo& info) {
    if (waited_) throw Napi::Error::New(info.Env(), "Run.wait() may be called once");
    waited_ = true;
    return wait_in_thread(info.Env(), run_);
  }

 private:
  [[noreturn]] static void fail(Napi::Env env, const std::string& message) {
    Napi::Error error = Napi::Error::New(env, message);
    error.Set("code", Napi::String::New(env, "RUN_IMPOSSIBLE"));
    throw error;
  }

  ReplayRun& with_device(Napi::Env env) {
    if (!run_->config().device) throw Napi::Error::New(env, "this run was made without a device");
    return *run_;
  }

  std::shared_ptr<ReplayRun> run_;
  std::vector<Segment> segments_;
  bool waited_ = false;
};

/* laneShares(trace, lanes): packets and captured bytes of a lap that each lane would have. */
Napi::Value lane_shares(const Napi::CallbackInfo& info) {
  const std::shared_ptr<TraceImage> image = trace_image_of(info[0]);
  std::string error;
  const std::optional<Steering> steering = steer(*image, info[1].ToNumber().Uint32Value(), kLaneSeed, &error);
  if (!steering) throw Napi::Error::New(info.Env(), error);
  Napi::Array out = Napi::Array::New(info.Env());
  for (const LaneLoad& load : steering->loads) {
    Napi::Object one = Napi::Object::New(info.Env());
    one.Set("packets", number(info.Env(), load.packets));
    one.Set("bytes", number(info.Env(), load.bytes));
    out.Set(out.Length(), one);
  }
  return out;
}

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
                                      {Run::InstanceMethod("statistics", &Run::statistics), Run::InstanceMethod("shape", &Run::shape),
                                       Run::InstanceMethod("place", &Run::place), Run::InstanceMethod("switches", &Run::switches),
                                       Run::InstanceMethod("control", &Run::control), Run::InstanceMethod("stop", &Run::stop),
                                       Run::InstanceMethod("abort", &Run::abort), Run::InstanceMethod("wait", &Run::wait),
                                       Run::InstanceMethod("nextBatch", &Run::next_batch), Run::InstanceMethod("publish", &Run::publish),
                                       Run::InstanceMethod("reclaim", &Run::reclaim), Run::InstanceMethod("fail", &Run::fail_run),
                                       Run::InstanceMethod("ended", &Run::ended), Run::InstanceMethod("nap", &Run::nap)}));
  exports.Set("laneShares", Napi::Function::New(env, lane_shares, "laneShares"));
  exports.Set("measureTraceCopy", Napi::Function::New(env, measure_trace_copy, "measureTraceCopy"));
}

}  // namespace model_t
