/* runQueue(config): the queue experiment on worker threads, as a promise. See queue_run.h; TypeScript shape: stack/native.ts. */
#include <algorithm>
#include <vector>

#include "binding_object.h"
#include "binding_program.h"
#include "queue_run.h"

namespace model_t {

namespace {

/* Packets of its own: JavaScript may change or detach its arrays while the worker runs. */
class PacketCopies {
 public:
  explicit PacketCopies(const PacketSet& set)
      : offsets_(set.offsets, set.offsets + set.count), lengths_(set.lengths, set.lengths + set.count) {
    uint64_t end = 0;
    for (size_t i = 0; i < set.count; i++) end = std::max<uint64_t>(end, uint64_t{offsets_[i]} + lengths_[i]);
    bytes_.assign(set.bytes, set.bytes + end);
    if (set.times) times_.assign(set.times, set.times + set.count);
  }
  PacketSet set() const {
    return {bytes_.data(), offsets_.data(), lengths_.data(), times_.empty() ? nullptr : times_.data(), offsets_.size()};
  }

 private:
  std::vector<uint8_t> bytes_;
  std::vector<uint32_t> offsets_, lengths_;
  std::vector<uint64_t> times_;
};

class QueueWorker : public Napi::AsyncWorker {
 public:
  QueueWorker(const Napi::Object& object, QueueConfig config)
      : Napi::AsyncWorker(object.Env()),
        config_(std::move(config)),
        packets_(config_.set),
        deferred_(Napi::Promise::Deferred::New(object.Env())) {
    config_.set = packets_.set();
  }

  Napi::Promise promise() const { return deferred_.Promise(); }

 protected:
  void Execute() override { outcome_ = run_queue(config_); }

  void OnOK() override {
    const Napi::Env env = Env();
    if (!outcome_.error.empty()) {
      deferred_.Reject(Napi::Error::New(env, outcome_.error).Value());
      return;
    }
    Napi::Object result = Napi::Object::New(env);
    result.Set("problem", outcome_.problem);
    result.Set("queueBytes", static_cast<double>(outcome_.queue_bytes));
    result.Set("digest", Napi::BigInt::New(env, outcome_.digest));
    result.Set("cores", cores(env));
    result.Set("steps", steps(env));
    deferred_.Resolve(result);
  }

  void OnError(const Napi::Error& error) override { deferred_.Reject(error.Value()); }

 private:
  Napi::Array cores(Napi::Env env) const {
    Napi::Array array = Napi::Array::New(env, outcome_.cores.size());
    uint32_t index = 0;
    for (const QueueCore& core : outcome_.cores) {
      Napi::Object object = Napi::Object::New(env);
      object.Set("cpu", core.cpu);
      object.Set("laps", static_cast<double>(core.laps));
      object.Set("packets", static_cast<double>(core.packets));
      object.Set("bytes", static_cast<double>(core.bytes));
      object.Set("seconds", core.seconds);
      object.Set("cycles", static_cast<double>(core.cycles));
      object.Set("windowCycles", core.window_cycles);
      object.Set("clock", core.clock);
      array.Set(index++, object);
    }
    return array;
  }

  Napi::Array steps(Napi::Env env) const {
    Napi::Array array = Napi::Array::New(env, outcome_.steps.size());
    uint32_t index = 0;
    for (const QueueStep& step : outcome_.steps) {
      const StepStatistics& seen = step.statistics;
      Napi::Object object = Napi::Object::New(env);
      object.Set("packets", static_cast<double>(seen.packets));
      object.Set("calls", static_cast<double>(seen.calls));
      object.Set("cyclesPerPacket", seen.timed_packets ? static_cast<double>(seen.cycles) / static_cast<double>(seen.timed_packets) : 0.0);
      Napi::Array verdicts = Napi::Array::New(env, kOperationVerdicts);
      for (uint32_t v = 0; v < kOperationVerdicts; v++) verdicts.Set(v, static_cast<double>(step.verdicts[v]));
      object.Set("verdicts", verdicts);
      array.Set(index++, object);
    }
    return array;
  }

  QueueConfig config_;
  PacketCopies packets_;
  QueueOutcome outcome_;
  Napi::Promise::Deferred deferred_;
};

const char* isa_named(const std::string& name) {
  const StackKernels* const kernels = find_stack_kernels(name.c_str());
  return kernels ? kernels->isa : "unknown";
}

Napi::Value run_queue_async(const Napi::CallbackInfo& info) {
  const Napi::Object object = info[0].ToObject();
  const ConfigObject from(object);
  QueueConfig config;
  config.reads_only = from.flag("readsOnly");
  if (!config.reads_only) {
    config.program = read_program(from.object("program"));
    config.reference = read_program(from.object("reference"));
  }
  config.isa = isa_named(from.text("isa"));
  config.set = read_packets(from.object("packets"));
  config.packets = from.big("count");
  config.stride = from.small("stride");
  config.seconds = from.number("seconds");
  config.stateless = from.flag("stateless");
  config.fresh = from.flag("fresh");
  const Napi::Array cpus = from.list("cpus");
  for (uint32_t i = 0; i < cpus.Length(); i++) config.cpus.push_back(cpus.Get(i).ToNumber().Int32Value());
  if (config.set.count == 0 || config.cpus.empty() || config.cpus.size() > 256 || config.stride % 64 != 0 || !(config.seconds > 0 && config.seconds <= 3600)) {
    throw Napi::RangeError::New(info.Env(), "runQueue: packets, 1 to 256 cpus, a stride of whole lines, up to an hour");
  }
  auto* const worker = new QueueWorker(object, std::move(config));
  worker->Queue();
  return worker->promise();
}

}  // namespace

void export_queue(Napi::Env env, Napi::Object exports) {
  exports.Set("stopQueues", Napi::Function::New(env, [](const Napi::CallbackInfo&) { stop_queues(); }, "stopQueues"));
  exports.Set("runQueue", Napi::Function::New(env, run_queue_async, "runQueue"));
}

}  // namespace model_t
