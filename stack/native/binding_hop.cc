/* measureHop(config): packets from one core to another, on worker threads, as a promise. See hop_run.h; TypeScript shape: stack/native.ts. */
#include "binding_object.h"
#include "binding_program.h"
#include "burst.h"
#include "hop_run.h"

namespace model_t {

namespace {

class HopWorker : public Napi::AsyncWorker {
 public:
  HopWorker(Napi::Env env, const HopConfig& config)
      : Napi::AsyncWorker(env), config_(config), deferred_(Napi::Promise::Deferred::New(env)) {}

  Napi::Promise promise() const { return deferred_.Promise(); }

 protected:
  void Execute() override { outcome_ = run_hop(config_); }

  void OnOK() override {
    const Napi::Env env = Env();
    if (!outcome_.error.empty()) {
      deferred_.Reject(Napi::Error::New(env, outcome_.error).Value());
      return;
    }
    Napi::Object result = Napi::Object::New(env);
    result.Set("cycles", outcome_.cycles);
    result.Set("fastest", outcome_.fastest);
    result.Set("slowest", outcome_.slowest);
    result.Set("windows", static_cast<double>(outcome_.windows));
    result.Set("packets", static_cast<double>(outcome_.packets));
    deferred_.Resolve(result);
  }

  void OnError(const Napi::Error& error) override { deferred_.Reject(error.Value()); }

 private:
  HopConfig config_;
  HopOutcome outcome_;
  Napi::Promise::Deferred deferred_;
};

Napi::Value measure_hop(const Napi::CallbackInfo& info) {
  const ConfigObject from(info[0].ToObject());
  HopConfig config;
  config.ring = static_cast<HopRing>(from.choice("ring", {"descriptors", "stages"}));
  config.burst = from.small("burst");
  config.producer_cpu = static_cast<int>(from.number("producerCpu"));
  config.consumer_cpu = static_cast<int>(from.number("consumerCpu"));
  config.seconds = from.number("seconds");
  if (config.burst == 0 || config.burst > kBurstCapacity || !(config.seconds > 0 && config.seconds <= 60)) {
    throw Napi::RangeError::New(info.Env(), "measureHop: bursts of 1 to 256 packets, up to 60 seconds");
  }
  auto* const worker = new HopWorker(info.Env(), config);
  worker->Queue();
  return worker->promise();
}

}  // namespace

void export_hop(Napi::Env env, Napi::Object exports) {
  exports.Set("measureHop", Napi::Function::New(env, measure_hop, "measureHop"));
}

}  // namespace model_t
