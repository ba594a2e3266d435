/*
 * See binding_device.h. Argument checks and conversions only. fill() works on a pool thread and holds on to the buffer until
 * it is through; everything else is short and runs on JavaScript's thread.
 */
#include "binding_device.h"

#include <cstring>
#include <utility>

#include "../../stack/native/clock.h"
#include "../../stack/native/ring.h"
#include "binding_config.h"
#include "binding_trace.h"

namespace model_t {

namespace {

constexpr napi_type_tag kDeviceTag = {0x6d6f64656c2d7401, 0x6465766963653031};
constexpr const char* kSectionNames[kSections] = {"host4", "fixed4", "sums4", "place4", "extra4", "rows6", "packets"};
/* Beyond this JavaScript's numbers are not whole any more. */
constexpr double kLargest = 9007199254740992.0;

Napi::Number number(Napi::Env env, uint64_t value) { return Napi::Number::New(env, static_cast<double>(value)); }

Napi::Error impossible(Napi::Env env, const std::string& message) {
  Napi::Error error = Napi::Error::New(env, message);
  error.Set("code", Napi::String::New(env, "RUN_IMPOSSIBLE"));
  return error;
}

uint64_t whole(const Napi::CallbackInfo& info, size_t index, const char* what) {
  const double value = info[index].IsNumber() ? info[index].As<Napi::Number>().DoubleValue() : -1;
  if (!(value >= 0 && value < kLargest)) throw Napi::TypeError::New(info.Env(), std::string(what) + " must be a whole number from 0");
  return static_cast<uint64_t>(value);
}

/* One range of one tile, written into memory that JavaScript owns. */
struct Fill {
  DeviceHandle device;
  uint64_t tile;
  bool tables;
  uint64_t offset;
  uint8_t* to;
  uint64_t bytes;
};

class FillWorker : public Napi::AsyncWorker {
 public:
  FillWorker(Napi::Env env, Fill fill, Napi::ArrayBuffer buffer)
      : Napi::AsyncWorker(env),
        fill_(std::move(fill)),
        buffer_(Napi::Persistent(buffer.As<Napi::Object>())),
        deferred_(Napi::Promise::Deferred::New(env)) {}
  Napi::Promise promise() const { return deferred_.Promise(); }
  void Execute() override {
    const DeviceImage& image = *fill_.device.image;
    const DeviceTile& tile = fill_.device.layout->tiles[fill_.tile];
    const bool good = fill_.tables ? image.fill_tables(tile, fill_.offset, fill_.to, fill_.bytes)
                                   : image.fill_image(tile, fill_.offset, fill_.to, fill_.bytes);
    if (!good) SetError("fill: beyond the end of the tile");
  }
  void OnOK() override { deferred_.Resolve(Env().Undefined()); }
  void OnError(const Napi::Error& error) override { deferred_.Reject(error.Value()); }

 private:
  const Fill fill_;
  const Napi::ObjectReference buffer_;
  const Napi::Promise::Deferred deferred_;
};

Napi::Object tile_object(Napi::Env env, const DeviceTile& tile) {
  Napi::Object out = Napi::Object::New(env);
  out.Set("packets", number(env, tile.packets));
  out.Set("bytes", number(env, tile.bytes));
  out.Set("rows4", number(env, tile.rows4));
  out.Set("rows6", number(env, tile.rows6));
  out.Set("tablesBytes", number(env, tile.tables_bytes));
  Napi::Object sections = Napi::Object::New(env);
  for (uint32_t i = 0; i < kSections; i++) sections.Set(kSectionNames[i], number(env, tile.sections[i]));
  out.Set("sections", sections);
  return out;
}

class DeviceImageObject : public Napi::ObjectWrap<DeviceImageObject> {
 public:
  explicit DeviceImageObject(const Napi::CallbackInfo& info) : Napi::ObjectWrap<DeviceImageObject>(info) {
    std::shared_ptr<TraceImage> trace = trace_image_of(info[0]);
    if (!info[1].IsObject()) throw Napi::TypeError::New(info.Env(), "new DeviceImage(trace, mutation)");
    std::string error;
    handle_.image = DeviceImage::create(std::move(trace), read_mutation(info[1].As<Napi::Object>()), &error);
    if (!handle_.image) throw impossible(info.Env(), error);
    info.This().As<Napi::Object>().TypeTag(&kDeviceTag);
  }

  static Napi::Function define(Napi::Env env) {
    return DefineClass(env, "DeviceImage",
                       {InstanceMethod<&DeviceImageObject::shape>("shape"), InstanceMethod<&DeviceImageObject::lay_out>("layOut"),
                        InstanceMethod<&DeviceImageObject::fill>("fill"), InstanceMethod<&DeviceImageObject::parameters>("parameters")});
  }

  const DeviceHandle& handle() const { return handle_; }

 private:
  Napi::Value shape(const Napi::CallbackInfo& info) {
    const Napi::Env env = info.Env();
    const DeviceImage& image = *handle_.image;
    Napi::Object out = Napi::Object::New(env);
    out.Set("packets", number(env, image.lap_packets()));
    out.Set("slotBytes", number(env, image.lap_bytes()));
    out.Set("frameBytes", number(env, image.image()->frame_bytes()));
    out.Set("rows4", number(env, image.lap_rows4()));
    out.Set("rows6", number(env, image.lap_rows6()));
    out.Set("largestSlot", number(env, image.largest_slot()));
    return out;
  }

  Napi::Value lay_out(const Napi::CallbackInfo& info) {
    std::string error;
    std::shared_ptr<const DeviceLayout> layout =
        handle_.image->lay_out(whole(info, 0, "copies"), whole(info, 1, "tileBytes"), &error);
    if (!layout) throw impossible(info.Env(), error);
    handle_.layout = std::move(layout);
    Napi::Array tiles = Napi::Array::New(info.Env(), handle_.layout->tiles.size());
    for (uint32_t i = 0; i < handle_.layout->tiles.size(); i++) tiles.Set(i, tile_object(info.Env(), handle_.layout->tiles[i]));
    return tiles;
  }

  Napi::Value fill(const Napi::CallbackInfo& info) {
    const Napi::Env env = info.Env();
    const std::string part = info[1].IsString() ? info[1].As<Napi::String>().Utf8Value() : "";
    if ((part != "image" && part != "tables") || !info[3].IsArrayBuffer()) {
      throw Napi::TypeError::New(env, "fill(tile, 'image' | 'tables', offset, buffer: ArrayBuffer, byteOffset, bytes)");
    }
    Napi::ArrayBuffer buffer = info[3].As<Napi::ArrayBuffer>();
    Fill fill{handle_, whole(info, 0, "tile"), part == "tables", whole(info, 2, "offset"), nullptr, whole(info, 5, "bytes")};
    const uint64_t at = whole(info, 4, "byteOffset");
    if (!handle_.layout || fill.tile >= handle_.layout->tiles.size()) throw Napi::RangeError::New(env, "fill: no such tile");
    const DeviceTile& tile = handle_.layout->tiles[fill.tile];
    const uint64_t size = fill.tables ? tile.tables_bytes : tile.bytes;
    if (fill.offset > size || fill.bytes > size - fill.offset || at > buffer.ByteLength() || fill.bytes > buffer.ByteLength() - at) {
      throw Napi::RangeError::New(env, "fill: beyond the end of the tile or of the buffer");
    }
    fill.to = static_cast<uint8_t*>(buffer.Data()) + at;
    auto* worker = new FillWorker(env, std::move(fill), buffer);
    const Napi::Promise promise = worker->promise();
    worker->Queue();
    return promise;
  }

  Napi::Value parameters(const Napi::CallbackInfo& info) {
    Napi::Uint32Array words = Napi::Uint32Array::New(info.Env(), DeviceImage::kParameters);
    handle_.image->parameters(words.Data());
    return words;
  }

  DeviceHandle handle_;
};

/*
 * measureStagedCopy(trace, batchBytes, buffers, seconds): memcpy of the trace's slots, lap after lap, into so many buffers in turn;
 * captured frame bytes per second. The yardstick for an engine whose device writes host memory: same bytes, same batches.
 */
Napi::Value measure_staged_copy(const Napi::CallbackInfo& info) {
  const std::shared_ptr<TraceImage> image = trace_image_of(info[0]);
  const uint64_t batch = whole(info, 1, "batchBytes") & ~63ull, buffers = whole(info, 2, "buffers");
  const double seconds = info[3].ToNumber().DoubleValue();
  const bool sane = batch >= 64 && batch <= kMaxRegionBytes && buffers >= 1 && buffers < MODEL_T_REGIONS && seconds > 0 && seconds <= 60;
  std::string error;
  const std::unique_ptr<RingMemory> memory =
      sane && image->packets() > 0 ? RingMemory::create_private(batch * buffers, &error) : nullptr;
  if (!memory) throw Napi::RangeError::New(info.Env(), "measureStagedCopy: an empty trace, sizes or time out of range. " + error);
  memset(memory->region(), 1, batch * buffers); /* its pages are there before the clock starts */
  const uint64_t lap = image->slot_offsets()[image->packets()];
  const uint64_t begin = now_ns();
  uint64_t now = begin, batches = 0, from = 0;
  for (; static_cast<double>(now - begin) < seconds * 1e9; now = now_ns(), batches++) {
    uint8_t* const to = memory->region() + batches % buffers * batch;
    for (uint64_t at = 0; at < batch;) {
      const uint64_t part = batch - at < lap - from ? batch - at : lap - from;
      memcpy(to + at, image->slots() + from, part);
      at += part;
      from = from + part == lap ? 0 : from + part;
    }
    __asm__ __volatile__("" ::"r"(to) : "memory");
  }
  const double bytes = static_cast<double>(batches * batch) / static_cast<double>(lap) * static_cast<double>(image->frame_bytes());
  return Napi::Number::New(info.Env(), bytes * 1e9 / static_cast<double>(now - begin));
}

}  // namespace

void init_device(Napi::Env env, Napi::Object exports) {
  exports.Set("DeviceImage", DeviceImageObject::define(env));
  exports.Set("measureStagedCopy", Napi::Function::New(env, measure_staged_copy, "measureStagedCopy"));
}

DeviceHandle device_image_of(Napi::Value value) {
  if (!value.IsObject() || !value.As<Napi::Object>().CheckTypeTag(&kDeviceTag)) {
    throw Napi::TypeError::New(value.Env(), "a DeviceImage is needed");
  }
  return Napi::ObjectWrap<DeviceImageObject>::Unwrap(value.As<Napi::Object>())->handle();
}

}  // namespace model_t
