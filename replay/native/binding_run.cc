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
  out.Set("hostCopiedBytes", number(env, result.host_copied_bytes));
  static const char* const kBacking[] = {"4 KiB pages", "transparent huge pages", "2 MiB huge pages"};
  Napi::Object ring = Napi::Object::New(env);
  ring.Set("bytes", number(env, run.ring().region_bytes()));
  ring.Set("descriptors", number(env, run.ring().descriptor_count()));
  ring.Set("hugePages", kBacking[static_cast<int>(run.ring().backing())]);
  out.Set("ring", ring);
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
                                       Run::InstanceMethod("abort", &Run::abort), Run::InstanceMethod("wait", &Run::wait),
                                       Run::InstanceMethod("nextBatch", &Run::next_batch), Run::InstanceMethod("publish", &Run::publish),
                                       Run::InstanceMethod("reclaim", &Run::reclaim), Run::InstanceMethod("fail", &Run::fail_run),
                                       Run::InstanceMethod("ended", &Run::ended), Run::InstanceMethod("nap", &Run::nap)}));
  exports.Set("measureTraceCopy", Napi::Function::New(env, measure_trace_copy, "measureTraceCopy"));
}

}  // namespace model_t
