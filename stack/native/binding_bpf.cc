/*
 * Filters for tests and for the comparison with libpcap: one program over many frames. TypeScript shape: stack/native.ts.
 * libpcap is asked for at run time and only for the comparison; nothing links with it.
 */
#include <dlfcn.h>

#include <cstring>
#include <memory>

#include "binding.h"
#include "bpf_interpreter.h"
#include "bpf_operation.h"
#include "clock.h"

namespace model_t {

namespace {

/* Rows in bursts, with the body of one variant. */
class Filter {
 public:
  Filter(Napi::Env env, const OperationBody& body, const Napi::Uint8Array& code) : body_(body), burst_(std::make_unique<Burst256>()) {
    OperationArgument argument;
    argument.data = code.Data();
    argument.data_bytes = static_cast<uint32_t>(code.ByteLength());
    char error[256] = {};
    state_.memory = body.create(argument, error);
    if (!state_.memory) throw Napi::Error::New(env, error);
  }
  ~Filter() { body_.destroy(state_.memory); }
  Filter(const Filter&) = delete;
  Filter& operator=(const Filter&) = delete;

  /* verdicts may be null. */
  void run(const uint8_t* const* frames, const uint32_t* lengths, uint64_t count, uint8_t* verdicts) {
    for (uint64_t done = 0; done < count; done += burst_->count) {
      burst_->count = static_cast<uint32_t>(count - done < kBurstCapacity ? count - done : kBurstCapacity);
      memcpy(burst_->frames, frames + done, burst_->count * sizeof *frames);
      memcpy(burst_->lengths, lengths + done, burst_->count * sizeof *lengths);
      body_.run(*burst_, state_);
      for (uint32_t i = 0; verdicts && i < burst_->count; i++) verdicts[done + i] = !burst_->leaves[i];
    }
  }
  uint64_t matches() const { return state_.verdicts[0]; }

 private:
  const OperationBody& body_;
  OperationState state_;
  std::unique_ptr<Burst256> burst_;
};

struct Frames {
  std::vector<const uint8_t*> starts;
  std::vector<uint32_t> lengths;
};

/* frames: Uint8Array, offsets and lengths: Uint32Array. Throws unless every frame lies within the bytes. */
Frames read_frames(const Napi::CallbackInfo& info, size_t first) {
  const auto is = [&](size_t index, napi_typedarray_type type) {
    return info[index].IsTypedArray() && info[index].As<Napi::TypedArray>().TypedArrayType() == type;
  };
  if (!is(0, napi_uint8_array) || !is(first, napi_uint8_array) || !is(first + 1, napi_uint32_array) || !is(first + 2, napi_uint32_array)) {
    throw Napi::TypeError::New(info.Env(), "code and frames are Uint8Arrays, offsets and lengths Uint32Arrays");
  }
  const Napi::Uint8Array bytes = info[first].As<Napi::Uint8Array>();
  const Napi::Uint32Array offsets = info[first + 1].As<Napi::Uint32Array>(), lengths = info[first + 2].As<Napi::Uint32Array>();
  if (offsets.ElementLength() != lengths.ElementLength()) throw Napi::RangeError::New(info.Env(), "as many lengths as offsets");
  Frames frames;
  for (size_t i = 0; i < offsets.ElementLength(); i++) {
    if (uint64_t{offsets[i]} + lengths[i] > bytes.ByteLength()) throw Napi::RangeError::New(info.Env(), "a frame lies outside its bytes");
    frames.starts.push_back(bytes.Data() + offsets[i]);
    frames.lengths.push_back(lengths[i]);
  }
  return frames;
}

/* bpfRun(code, variant, frames, offsets, lengths): 1 for each frame that matches. */
Napi::Value bpf_run(const Napi::CallbackInfo& info) {
  const Frames frames = read_frames(info, 2);
  const std::string variant = info[1].IsString() ? info[1].As<Napi::String>().Utf8Value() : "";
  const OperationBody* const body = find_operation("bpf", variant.c_str());
  if (!body) throw Napi::RangeError::New(info.Env(), "no such variant of bpf: " + variant);
  Filter filter(info.Env(), *body, info[0].As<Napi::Uint8Array>());
  Napi::Uint8Array verdicts = Napi::Uint8Array::New(info.Env(), frames.starts.size());
  filter.run(frames.starts.data(), frames.lengths.data(), frames.starts.size(), verdicts.Data());
  return verdicts;
}

/* As libpcap declares it. */
using LibpcapFilter = unsigned (*)(const BpfInstruction* program, const uint8_t* frame, unsigned wire_length, unsigned length);

LibpcapFilter find_libpcap() {
  for (const char* name : {"libpcap.so.0.8", "libpcap.so.1", "libpcap.so"}) {
    void* const library = dlopen(name, RTLD_NOW | RTLD_LOCAL);
    if (void* const function = library ? dlsym(library, "bpf_filter") : nullptr) return reinterpret_cast<LibpcapFilter>(function);
  }
  return nullptr;
}

/* Laps over all frames for about `seconds`; packets per second. */
template <typename Lap>
double rate(double seconds, uint64_t packets, Lap lap) {
  const uint64_t begin = now_ns();
  uint64_t now = begin, laps = 0;
  do {
    lap();
    laps++;
    now = now_ns();
  } while (static_cast<double>(now - begin) < seconds * 1e9);
  return static_cast<double>(laps * packets) * 1e9 / static_cast<double>(now - begin);
}

constexpr int kRounds = 8;

/*
 * bpfCompare(code, frames, offsets, lengths, seconds): packets per second, the best of eight interleaved rounds each, of
 * {libpcap, interpreter, native}; 0 for what is not to be had here.
 */
Napi::Value bpf_compare(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  const Frames frames = read_frames(info, 1);
  const double seconds = info[4].IsNumber() ? info[4].As<Napi::Number>().DoubleValue() : 0;
  const uint64_t count = frames.starts.size();
  if (!(seconds > 0 && seconds <= 60) || count == 0) throw Napi::RangeError::New(env, "bpfCompare: some frames, up to 60 seconds");
  const Napi::Uint8Array code = info[0].As<Napi::Uint8Array>();
  BpfProgram program;
  std::string error;
  if (!read_bpf(code.Data(), code.ByteLength(), &program, &error)) throw Napi::Error::New(env, error);
  Filter interpreter(env, bpf_interpreter_body, code);
  std::unique_ptr<Filter> native;
  try {
    native = std::make_unique<Filter>(env, bpf_native_body, code);
  } catch (const Napi::Error&) {
    /* no executable pages here: 0 says so */
  }
  const LibpcapFilter libpcap = find_libpcap();
  double best[3] = {};
  const double part = seconds / (3 * kRounds);
  volatile uint64_t sink = 0;
  const auto keep = [&](int contender, double now) { best[contender] = now > best[contender] ? now : best[contender]; };
  for (int round = 0; round < kRounds; round++) {
    if (libpcap) {
      keep(0, rate(part, count, [&] {
        uint64_t matches = 0;
        for (uint64_t i = 0; i < count; i++) matches += libpcap(program.data(), frames.starts[i], frames.lengths[i], frames.lengths[i]) != 0;
        sink = sink + matches;
      }));
    }
    keep(1, rate(part, count, [&] { interpreter.run(frames.starts.data(), frames.lengths.data(), count, nullptr); }));
    if (native) keep(2, rate(part, count, [&] { native->run(frames.starts.data(), frames.lengths.data(), count, nullptr); }));
  }
  Napi::Object result = Napi::Object::New(env);
  result.Set("libpcap", best[0]);
  result.Set("interpreter", best[1]);
  result.Set("native", best[2]);
  return result;
}

}  // namespace

void init_bpf(Napi::Env env, Napi::Object exports) {
  exports.Set("bpfRun", Napi::Function::New(env, bpf_run, "bpfRun"));
  exports.Set("bpfCompare", Napi::Function::New(env, bpf_compare, "bpfCompare"));
}

}  // namespace model_t
