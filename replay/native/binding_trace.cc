/*
 * Implements binding_trace.h: argument checks and conversions only; what a capture is, the reader and builder know.
 *
 * All methods run on the JavaScript thread. load() works on a pool thread and shares the state with the object, so that
 * close() in mid-load only asks it to stop; while it runs, no other filling method is allowed.
 */
#include "binding_trace.h"

#include <atomic>
#include <optional>
#include <string>
#include <utility>

#include "builder.h"
#include "capture_file.h"
#include "link_type.h"
#include "reserved_memory.h"

namespace model_t {
namespace {

constexpr uint64_t kDefaultReserve = uint64_t{64} << 30;
constexpr const char* kSpaceRemedy = "Raise the limit on address space (ulimit -v) or set vm.overcommit_memory to 0 or 1";
constexpr napi_type_tag kTraceTag = {0x6d6f64656c2d7401, 0x74726163652d3031};

struct TraceState {
  explicit TraceState(std::shared_ptr<TraceImage> filled) : image(std::move(filled)), builder(image) {}
  std::shared_ptr<TraceImage> image;
  TraceBuilder builder;
  std::atomic<bool> cancel{false};
  bool loading = false;
  /* The source that feed() fills; null between sources and for packet-by-packet sources. */
  std::unique_ptr<CaptureInput> input;
  std::string source_name;
};

Napi::Error coded_error(Napi::Env env, const std::string& code, const std::string& message, const std::string& remedy) {
  Napi::Error error = Napi::Error::New(env, message);
  error.Set("code", Napi::String::New(env, code));
  if (!remedy.empty()) error.Set("remedy", Napi::String::New(env, remedy));
  return error;
}

Napi::Error capture_error(Napi::Env env, const std::string& name, ReadState state, const ReadProblem& problem) {
  const bool full = state == ReadState::no_memory;
  const std::string place = " (at byte " + std::to_string(problem.offset) + ", packet " + std::to_string(problem.packet) + ")";
  const std::string message = name + ": " + problem.reason + place;
  return coded_error(env, full ? "CAPTURE_TOO_LARGE" : "CAPTURE_UNREADABLE", message, problem.remedy);
}

bool is_fatal(ReadState state) { return state == ReadState::unreadable || state == ReadState::no_memory; }

class LoadWorker : public Napi::AsyncWorker {
 public:
  LoadWorker(Napi::Env env, std::shared_ptr<TraceState> state, const std::string& path)
      : Napi::AsyncWorker(env), state_(std::move(state)), path_(path), deferred_(Napi::Promise::Deferred::New(env)) {}
  Napi::Promise promise() const { return deferred_.Promise(); }

  void Execute() override { result_ = load_capture_file(path_, &state_->builder, &state_->cancel); }

  void OnOK() override {
    state_->loading = false;
    if (state_->cancel.load()) {
      deferred_.Reject(coded_error(Env(), "TRACE_CLOSED", path_ + ": the trace was closed while it was loaded", "").Value());
    } else if (is_fatal(result_.state)) {
      deferred_.Reject(capture_error(Env(), path_, result_.state, result_.problem).Value());
    } else {
      deferred_.Resolve(Env().Undefined());
    }
  }

  void OnError(const Napi::Error& error) override {
    state_->loading = false;
    deferred_.Reject(coded_error(Env(), "CAPTURE_UNREADABLE", path_ + ": " + error.Message(), "").Value());
  }

 private:
  std::shared_ptr<TraceState> state_;
  std::string path_;
  Napi::Promise::Deferred deferred_;
  LoadResult result_;
};

std::string string_argument(const Napi::CallbackInfo& info, size_t index, const char* what) {
  if (!info[index].IsString()) throw Napi::TypeError::New(info.Env(), std::string(what) + " must be a string");
  return info[index].As<Napi::String>().Utf8Value();
}

uint32_t uint32_argument(const Napi::CallbackInfo& info, size_t index, const char* what) {
  const double value = info[index].IsNumber() ? info[index].As<Napi::Number>().DoubleValue() : -1;
  if (!(value >= 0 && value <= UINT32_MAX)) {
    throw Napi::TypeError::New(info.Env(), std::string(what) + " must be a number from 0 to 4294967295");
  }
  return static_cast<uint32_t>(value);
}

Napi::Uint8Array bytes_argument(const Napi::CallbackInfo& info, size_t index, const char* what) {
  if (!info[index].IsTypedArray() || info[index].As<Napi::TypedArray>().TypedArrayType() != napi_uint8_array) {
    throw Napi::TypeError::New(info.Env(), std::string(what) + " must be a Uint8Array");
  }
  return info[index].As<Napi::Uint8Array>();
}

/* A string property of an options object; empty when the object or the property is absent. */
std::string string_option(const Napi::Value& options, const char* key) {
  if (!options.IsObject()) return "";
  const Napi::Value value = options.As<Napi::Object>().Get(key);
  return value.IsString() ? value.As<Napi::String>().Utf8Value() : "";
}

Napi::Number number(Napi::Env env, uint64_t value) { return Napi::Number::New(env, static_cast<double>(value)); }

Napi::Object source_info(Napi::Env env, const SourceCounts& source) {
  Napi::Object result = Napi::Object::New(env);
  result.Set("path", source.path);
  result.Set("format", source.format);
  result.Set("packets", number(env, source.packets));
  result.Set("bytes", number(env, source.bytes));
  Napi::Array link_types = Napi::Array::New(env);
  for (const auto& [value, packets] : source.link_types) {
    Napi::Object entry = Napi::Object::New(env);
    entry.Set("value", number(env, value));
    entry.Set("name", link_type_name(value));
    entry.Set("packets", number(env, packets));
    link_types.Set(link_types.Length(), entry);
  }
  result.Set("linkTypes", link_types);
  result.Set("skipped", Napi::Object::New(env));
  result.Set("truncated", env.Null());
  if (source.broken) {
    Napi::Object broken = Napi::Object::New(env);
    broken.Set("offset", number(env, source.broken->offset));
    broken.Set("packet", number(env, source.broken->packet));
    broken.Set("reason", source.broken->reason);
    result.Set("truncated", broken);
  }
  return result;
}

class Trace : public Napi::ObjectWrap<Trace> {
 public:
  explicit Trace(const Napi::CallbackInfo& info) : Napi::ObjectWrap<Trace>(info) {
    uint64_t wanted = kDefaultReserve;
    if (info[0].IsObject()) {
      const Napi::Value bytes = info[0].As<Napi::Object>().Get("reserveBytes");
      const int64_t asked = bytes.IsNumber() ? bytes.As<Napi::Number>().Int64Value() : 0;
      if (asked > 0) wanted = static_cast<uint64_t>(asked);
    }
    std::string error;
    std::unique_ptr<TraceImage> image = TraceImage::reserve(wanted, &error);
    if (image == nullptr) throw coded_error(info.Env(), "NO_ADDRESS_SPACE", error, kSpaceRemedy);
    state_ = std::make_shared<TraceState>(std::move(image));
    info.This().As<Napi::Object>().TypeTag(&kTraceTag);
  }

  static Napi::Function define(Napi::Env env) {
    return DefineClass(env, "Trace",
                       {InstanceMethod<&Trace::load>("load"), InstanceMethod<&Trace::begin_source>("beginSource"),
                        InstanceMethod<&Trace::feed>("feed"), InstanceMethod<&Trace::add_packet>("addPacket"),
                        InstanceMethod<&Trace::end_source>("endSource"), InstanceMethod<&Trace::complete>("complete"),
                        InstanceMethod<&Trace::info>("info"), InstanceMethod<&Trace::packet>("packet"),
                        InstanceMethod<&Trace::close>("close"), StaticMethod<&Trace::headroom>("memoryHeadroom")});
  }

  std::shared_ptr<TraceImage> image(Napi::Env env) { return open_state(env).image; }

 private:
  TraceState& open_state(Napi::Env env) {
    if (state_ == nullptr) throw coded_error(env, "TRACE_CLOSED", "the trace is closed", "");
    return *state_;
  }

  /* The state, when no load is running and a source is open (or not), as the caller needs. */
  TraceState& idle_state(Napi::Env env, bool in_source) {
    TraceState& state = open_state(env);
    if (state.loading) throw Napi::Error::New(env, "the trace is being loaded");
    if (state.builder.in_source() != in_source) throw Napi::Error::New(env, in_source ? "no source is open" : "a source is open");
    if (state.image->is_complete()) throw Napi::Error::New(env, "the trace is complete");
    return state;
  }

  Napi::Value load(const Napi::CallbackInfo& info) {
    TraceState& state = idle_state(info.Env(), false);
    LoadWorker* worker = new LoadWorker(info.Env(), state_, string_argument(info, 0, "path"));
    const Napi::Promise promise = worker->promise();
    state.loading = true;
    worker->Queue();
    return promise;
  }

  void begin_source(const Napi::CallbackInfo& info) {
    TraceState& state = idle_state(info.Env(), false);
    state.source_name = string_argument(info, 0, "name");
    const std::string format = string_option(info[1], "format");
    state.builder.begin_source(state.source_name, format);
    if (!format.empty()) return;
    state.input = std::make_unique<CaptureInput>(&state.builder, string_option(info[1], "wrapper"), &state.cancel);
  }

  Napi::Value feed(const Napi::CallbackInfo& info) {
    TraceState& state = idle_state(info.Env(), true);
    const Napi::Uint8Array bytes = bytes_argument(info, 0, "data");
    if (state.input == nullptr) throw Napi::Error::New(info.Env(), "this source takes packets, not bytes");
    const bool more = state.input->feed(bytes.Data(), bytes.ByteLength());
    if (is_fatal(state.input->state())) finish_input(info.Env(), state, "");
    return Napi::Boolean::New(info.Env(), more);
  }

  Napi::Value add_packet(const Napi::CallbackInfo& info) {
    TraceState& state = idle_state(info.Env(), true);
    if (state.input != nullptr) throw Napi::Error::New(info.Env(), "this source takes bytes, not packets");
    const uint32_t link_type = uint32_argument(info, 0, "linkType");
    if (!info[1].IsBigInt()) throw Napi::TypeError::New(info.Env(), "timeNs must be a bigint");
    bool lossless = false;
    const uint64_t time_ns = info[1].As<Napi::BigInt>().Uint64Value(&lossless);
    const uint32_t original_length = uint32_argument(info, 2, "originalLength");
    const Napi::Uint8Array data = bytes_argument(info, 3, "data");
    AppendStatus status = AppendStatus::too_long;
    if (data.ByteLength() <= kMaxFrame) {
      const uint32_t length = static_cast<uint32_t>(data.ByteLength());
      status = state.builder.add({link_type, true, time_ns, original_length, data.Data(), length});
    }
    if (status == AppendStatus::no_memory) {
      const std::string place = " (at packet " + std::to_string(state.builder.source_packets() + 1) + ")";
      state.builder.end_source(std::nullopt);
      throw coded_error(info.Env(), "CAPTURE_TOO_LARGE", state.source_name + ": " + kNoMemory + place, kNoMemoryRemedy);
    }
    return Napi::Boolean::New(info.Env(), status == AppendStatus::ok);
  }

  /* Ends the fed source; throws when it cannot be used. */
  void finish_input(Napi::Env env, TraceState& state, const std::string& why) {
    const std::unique_ptr<CaptureInput> input = std::move(state.input);
    input->finish(why);
    if (is_fatal(input->state())) throw capture_error(env, state.source_name, input->state(), input->problem());
  }

  void end_source(const Napi::CallbackInfo& info) {
    TraceState& state = idle_state(info.Env(), true);
    const std::string reason = string_option(info[0], "reason");
    if (state.input != nullptr) return finish_input(info.Env(), state, reason);
    std::optional<SourceBreak> broken;
    if (!reason.empty()) {
      const Napi::Value offset = info[0].As<Napi::Object>().Get("offset");
      const uint64_t at = offset.IsNumber() ? static_cast<uint64_t>(offset.As<Napi::Number>().Int64Value()) : 0;
      broken = SourceBreak{at, state.builder.source_packets() + 1, reason};
    }
    state.builder.end_source(std::move(broken));
  }

  void complete(const Napi::CallbackInfo& info) { idle_state(info.Env(), false).image->complete(); }

  Napi::Value info(const Napi::CallbackInfo& info) {
    const Napi::Env env = info.Env();
    TraceState& state = open_state(env);
    /* Between calls of this thread nobody else fills the trace, so the counts may be brought up to date here. */
    if (!state.loading) state.builder.publish();
    const TraceCounts counts = state.builder.counts();
    const uint64_t packets = state.image->packets();
    Napi::Object result = Napi::Object::New(env);
    result.Set("packets", number(env, packets));
    result.Set("bytes", number(env, state.image->frame_bytes()));
    result.Set("slotBytes", number(env, state.image->slot_offsets()[packets]));
    const bool timed = counts.first_time_ns <= counts.last_time_ns;
    result.Set("firstTimeNs", timed ? Napi::BigInt::New(env, counts.first_time_ns) : env.Null());
    result.Set("lastTimeNs", timed ? Napi::BigInt::New(env, counts.last_time_ns) : env.Null());
    result.Set("backwardTimestamps", number(env, counts.backward_timestamps));
    result.Set("snaplenTruncated", number(env, counts.snaplen_truncated));
    result.Set("smallest", number(env, counts.smallest));
    result.Set("largest", number(env, counts.largest));
    result.Set("headerGiven", number(env, counts.header_given));
    Napi::Array sources = Napi::Array::New(env);
    for (const SourceCounts& source : counts.sources) sources.Set(sources.Length(), source_info(env, source));
    result.Set("sources", sources);
    return result;
  }

  /* A copy of one packet, for tests and inspection; undefined beyond the last. Not for the data path. */
  Napi::Value packet(const Napi::CallbackInfo& info) {
    const Napi::Env env = info.Env();
    const TraceImage& image = *open_state(env).image;
    const uint32_t index = uint32_argument(info, 0, "index");
    if (index >= image.packets()) return env.Undefined();
    const uint8_t* frame = image.slots() + image.slot_offsets()[index] + kFrameOffset;
    Napi::Object result = Napi::Object::New(env);
    result.Set("data", Napi::Buffer<uint8_t>::Copy(env, frame, image.shapes()[index].length));
    result.Set("timeNs", Napi::BigInt::New(env, image.times_ns()[index]));
    result.Set("originalLength", number(env, image.original_lengths()[index]));
    result.Set("kind", image.kinds()[index] == static_cast<uint8_t>(FrameKind::ethernet) ? "ethernet" : "opaque");
    return result;
  }

  void close(const Napi::CallbackInfo&) {
    if (state_ == nullptr) return;
    state_->cancel.store(true);
    state_.reset();
  }

  static Napi::Value headroom(const Napi::CallbackInfo& info) {
    return number(info.Env(), memory_headroom(string_argument(info, 0, "root")));
  }

  std::shared_ptr<TraceState> state_;
};

}  // namespace

void init_trace(Napi::Env env, Napi::Object exports) { exports.Set("Trace", Trace::define(env)); }

std::shared_ptr<TraceImage> trace_image_of(Napi::Value value) {
  if (!value.IsObject() || !value.As<Napi::Object>().CheckTypeTag(&kTraceTag)) {
    throw Napi::TypeError::New(value.Env(), "a Trace is needed");
  }
  return Napi::ObjectWrap<Trace>::Unwrap(value.As<Napi::Object>())->image(value.Env());
}

}  // namespace model_t
