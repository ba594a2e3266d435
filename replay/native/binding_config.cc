/* See binding_config.h. */
#include "binding_config.h"

#include <cstring>

#include "binding_device.h"

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
  bool has(const char* key) const { return object_.Has(key) && !object_.Get(key).IsUndefined(); }
  bool flag(const char* key) const { return get(key, napi_boolean).As<Napi::Boolean>().Value(); }
  std::string text(const char* key) const { return get(key, napi_string).As<Napi::String>().Utf8Value(); }
  Napi::Array list(const char* key) const { return get(key, napi_object).As<Napi::Array>(); }
  Napi::Object object(const char* key) const { return get(key, napi_object).As<Napi::Object>(); }
  /* Index of the text in `names`. */
  uint32_t choice(const char* key, std::initializer_list<const char*> names) const {
    const std::string value = text(key);
    uint32_t index = 0;
    for (const char* name : names) {
      if (value == name) return index;
      index++;
    }
    throw Napi::TypeError::New(object_.Env(), std::string(key) + " cannot be '" + value + "'");
  }

 private:
  Napi::Value get(const char* key, napi_valuetype type) const {
    const Napi::Value value = object_.Get(key);
    if (value.Type() != type) throw Napi::TypeError::New(object_.Env(), std::string("wrong type of ") + key);
    return value;
  }
  Napi::Object object_;
};

}  // namespace

MutationPlan read_mutation(const Napi::Object& object) {
  const Config from(object);
  MutationPlan plan;
  plan.unique = static_cast<Unique>(from.choice("unique", {"flow", "packet", "off"}));
  plan.seed = from.big("seed");
  const Napi::Array rewrites = from.list("rewrites");
  for (uint32_t i = 0; i < rewrites.Length(); i++) {
    const Napi::Object rewrite = rewrites.Get(i).ToObject();
    const Napi::Uint8Array address = rewrite.Get("address").As<Napi::Uint8Array>();
    const uint32_t length = Config(rewrite).small("length");
    if (address.ByteLength() == 4 && length <= 32) {
      plan.rewrite4 = true;
      plan.prefix4_length = length;
      plan.prefix4 = static_cast<uint32_t>(address[0]) << 24 | static_cast<uint32_t>(address[1]) << 16 |
                                static_cast<uint32_t>(address[2]) << 8 | address[3];
    } else if (address.ByteLength() == 16 && length <= 128) {
      plan.rewrite6 = true;
      plan.prefix6_length = length;
      memcpy(plan.prefix6.data(), address.Data(), 16);
    } else {
      throw Napi::TypeError::New(object.Env(), "a rewrite needs 4 or 16 address bytes and a prefix length");
    }
  }
  return plan;
}

namespace {

void read_gpu(const Napi::Object& object, RunConfig* config) {
  const Config from(object);
  const DeviceHandle device = device_image_of(object.Get("device"));
  config->device = device.image;
  config->layout = device.layout;
  config->staging.insert = static_cast<Insert>(from.choice("insert", {"push", "pull"}));
  config->staging.batch_bytes = static_cast<uint64_t>(from.number("batchBytes"));
  config->staging.streamed = from.flag("streamed");
  const Napi::Array staging = from.list("staging");
  for (uint32_t i = 0; i < staging.Length(); i++) {
    const Napi::Value value = staging.Get(i);
    if (!value.IsArrayBuffer()) throw Napi::TypeError::New(object.Env(), "staging must be ArrayBuffers");
    Napi::ArrayBuffer buffer = value.As<Napi::ArrayBuffer>();
    const bool large = buffer.ByteLength() >= config->staging.batch_bytes;
    config->staging.buffers.push_back(large ? static_cast<uint8_t*>(buffer.Data()) : nullptr);
  }
}

}  // namespace

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
  config.verify = from.flag("verify");
  const Napi::Array cpus = from.list("cpus");
  for (uint32_t i = 0; i < cpus.Length(); i++) config.cpus.push_back(cpus.Get(i).ToNumber().Int32Value());
  const Napi::Array operations = from.list("operations");
  for (uint32_t i = 0; i < operations.Length(); i++) {
    const Config operation(operations.Get(i).ToObject());
    config.operations.push_back({operation.text("name"), operation.small("parameter")});
  }
  config.mutation = read_mutation(object);
  if (from.has("gpu")) read_gpu(from.object("gpu"), &config);
  if (config.threads < 1 || config.threads > 3 || config.operations.size() > 64) {
    throw Napi::TypeError::New(object.Env(), "1 to 3 threads, at most 64 operations");
  }
  return config;
}

}  // namespace model_t
