/* See binding.h. TypeScript shape: stack/native.ts. */
#include <memory>
#include <new>

#include "binding.h"
#include "binding_program.h"
#include "operation.h"
#include "clock.h"
#include "ring.h"

namespace model_t {

namespace {

/* Names of the instruction sets this CPU and build run, the plain one first, the best last. */
Napi::Value cpu_isas(const Napi::CallbackInfo& info) {
  Napi::Array names = Napi::Array::New(info.Env());
  uint32_t count = 0;
  for (const char* isa : {"scalar", "avx2", "avx512"}) {
    if (cpu_has_isa(isa)) names.Set(count++, isa);
  }
  return names;
}

/* measureCopy(bytes, seconds): bytes per second of memcpy between two buffers of `bytes` bytes, best of 10 ms windows. */
Napi::Value measure_copy(const Napi::CallbackInfo& info) {
  const double wanted = info[0].IsNumber() ? info[0].As<Napi::Number>().DoubleValue() : 0;
  const double seconds = info[1].IsNumber() ? info[1].As<Napi::Number>().DoubleValue() : 0;
  if (!(wanted >= 64 && wanted <= 1ull << 33) || !(seconds > 0 && seconds <= 60)) {
    throw Napi::RangeError::New(info.Env(), "measureCopy(bytes, seconds): 64 to 8 GiB, up to 60 seconds");
  }
  const uint64_t bytes = static_cast<uint64_t>(wanted) & ~63ull;
  std::string error;
  /* Two halves of one ring region: the memory that a replay writes, with the same pages. */
  const std::unique_ptr<RingMemory> memory = RingMemory::create_private(2 * bytes, &error);
  if (!memory) throw Napi::Error::New(info.Env(), error);
  uint8_t* const from = memory->region();
  memset(from, 1, 2 * bytes);
  double best = 0;
  const uint64_t begin = now_ns();
  for (uint64_t now = begin; now - begin < seconds * 1e9;) {
    const uint64_t start = now;
    uint64_t copied = 0;
    do {
      memcpy(from + bytes, from, bytes);
      __asm__ __volatile__("" ::"r"(from) : "memory");
      copied += bytes;
      now = now_ns();
    } while (now - start < 10 * 1000 * 1000);
    const double rate = static_cast<double>(copied) * 1e9 / static_cast<double>(now - start);
    if (rate > best) best = rate;
  }
  return Napi::Number::New(info.Env(), best);
}

/* digest(frame, lineLimit): model_t_digest_packet of one frame, as a bigint. */
Napi::Value digest(const Napi::CallbackInfo& info) {
  if (!info[0].IsTypedArray()) throw Napi::TypeError::New(info.Env(), "digest(frame: Uint8Array, lineLimit: number)");
  const Napi::Uint8Array frame = info[0].As<Napi::Uint8Array>();
  const uint32_t lines = info[1].IsNumber() ? info[1].As<Napi::Number>().Uint32Value() : 0;
  return Napi::BigInt::New(info.Env(), model_t_digest_packet(frame.Data(), static_cast<uint32_t>(frame.ByteLength()), lines));
}

}  // namespace

void init_stack(Napi::Env env, Napi::Object exports) {
  exports.Set("cpuIsas", Napi::Function::New(env, cpu_isas, "cpuIsas"));
  exports.Set("measureCopy", Napi::Function::New(env, measure_copy, "measureCopy"));
  exports.Set("digest", Napi::Function::New(env, digest, "digest"));
  export_program(env, exports);
  export_queue(env, exports);
  export_hop(env, exports);
  init_bpf(env, exports);
  init_match(env, exports);
  export_probe(env, exports);
}

}  // namespace model_t
