/* See binding_config.h. */
#include "binding_config.h"

#include <cstring>

#include "../../stack/native/binding_object.h"
#include "../../stack/native/binding_program.h"
#include "binding_device.h"

namespace model_t {

MutationPlan read_mutation(const Napi::Object& object) {
  const ConfigObject from(object);
  MutationPlan plan;
  plan.unique = static_cast<Unique>(from.choice("unique", {"flow", "packet", "off"}));
  plan.seed = from.big("seed");
  const Napi::Array rewrites = from.list("rewrites");
  for (uint32_t i = 0; i < rewrites.Length(); i++) {
    const Napi::Object rewrite = rewrites.Get(i).ToObject();
    const Napi::Uint8Array address = rewrite.Get("address").As<Napi::Uint8Array>();
    const uint32_t length = ConfigObject(rewrite).small("length");
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
  const ConfigObject from(object);
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

PathPlacement read_placement(const Napi::Object& object) {
  const ConfigObject from(object);
  PathPlacement placement;
  const Napi::Array containers = from.list("containers");
  for (uint32_t i = 0; i < containers.Length(); i++) placement.containers.push_back(containers.Get(i).ToNumber().Int32Value());
  if (placement.containers.empty()) throw Napi::TypeError::New(object.Env(), "a placement needs a container for each element");
  placement.window = from.small("window");
  placement.slice_bursts = from.small("sliceBursts");
  placement.fill_packets = from.small("fillPackets");
  placement.latency_ns = from.big("latencyNs");
  placement.vertical = from.flag("vertical");
  return placement;
}

RunConfig read_config(const Napi::Object& object) {
  const ConfigObject from(object);
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
  config.self_sizing = from.flag("selfSizing");
  config.start_bytes = from.big("startBytes");
  config.policy = static_cast<model_t_policy>(from.choice("policy", {"block", "lag", "drop"}));
  config.wait_readers = from.small("waitReaders");
  config.digest_lines = from.small("digestLines");
  config.verify = from.flag("verify");
  const Napi::Array containers = from.list("containers");
  for (uint32_t i = 0; i < containers.Length(); i++) {
    const ConfigObject container(containers.Get(i).ToObject());
    config.containers.push_back({container.text("name"), static_cast<int>(container.number("cpu"))});
  }
  config.idle = from.text("idle");
  config.lanes = from.small("lanes");
  config.placement = read_placement(from.object("placement"));
  config.helper_cpu = static_cast<int>(from.number("helperCpu"));
  config.program = read_program(from.object("program"));
  config.mutation = read_mutation(object);
  if (from.has("gpu")) read_gpu(from.object("gpu"), &config);
  if (config.threads < 1 || config.threads > 3) throw Napi::TypeError::New(object.Env(), "1 to 3 threads");
  if (config.containers.empty() || config.containers.size() > kMaxContainers) throw Napi::TypeError::New(object.Env(), "1 to 128 containers");
  return config;
}

}  // namespace model_t
