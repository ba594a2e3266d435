/*
 * probeOperation: one body over one burst of which the caller chooses everything: columns, bytes, and how much of them can be
 * read and written at all. It comes back whole, so that a test can hold a body to its declaration (test/stack/tripwire.test.ts).
 * Nothing in the product calls it. TypeScript shape: stack/native.ts.
 *
 *   places: | readable bytes of row 0 |guard| readable bytes of row 1 |guard| ...      a touched guard ends the process
 */
#include <sys/mman.h>

#include <cstddef>
#include <cstring>
#include <memory>
#include <vector>

#include "binding_object.h"
#include "binding_program.h"
#include "operation.h"

namespace model_t {

namespace {

struct ColumnPlace {
  const char* name;
  size_t offset;
  size_t bytes;
};

#define MODEL_T_COLUMN(name) {#name, offsetof(Burst256, name), sizeof(Burst256::name)}
/* All but the two columns of pointers. */
const ColumnPlace kColumns[] = {
    MODEL_T_COLUMN(lengths), MODEL_T_COLUMN(ends),      MODEL_T_COLUMN(types),  MODEL_T_COLUMN(transports), MODEL_T_COLUMN(classes),
    MODEL_T_COLUMN(networks), MODEL_T_COLUMN(protocols), MODEL_T_COLUMN(marks), MODEL_T_COLUMN(leaves),     MODEL_T_COLUMN(slots),
    MODEL_T_COLUMN(times),   MODEL_T_COLUMN(payload_lengths), MODEL_T_COLUMN(streams), MODEL_T_COLUMN(stream_marks),
    MODEL_T_COLUMN(encodings)};
#undef MODEL_T_COLUMN

constexpr size_t kPage = 4096;
constexpr double kRowCode = 1 << 20;     /* rows in codes of pointers */
constexpr double kPayloadCode = 1 << 28; /* of pointers to payloads of their own */

uint8_t* at(Burst256& burst, const ColumnPlace& column) { return reinterpret_cast<uint8_t*>(&burst) + column.offset; }

/* The bytes that a pointer column points to, each row's before a guard of its own. */
class Places {
 public:
  explicit Places(const Napi::Object& object) {
    const Napi::Uint8Array bytes = ConfigObject(object).object("bytes").As<Napi::Uint8Array>();
    const Napi::Uint32Array sizes = ConfigObject(object).object("sizes").As<Napi::Uint32Array>();
    size_t used = 0;
    for (uint32_t i = 0; i < kBurstCapacity; i++) {
      sizes_[i] = i < sizes.ElementLength() ? sizes[i] : 0;
      used += sizes_[i];
      ends_[i] = mapped_ + (sizes_[i] + kPage - 1) / kPage * kPage;
      mapped_ = ends_[i] + kPage;
    }
    if (used != bytes.ByteLength()) throw Napi::RangeError::New(object.Env(), "probeOperation: sizes do not add up to the bytes");
    void* const memory = mmap(nullptr, mapped_, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (memory == MAP_FAILED) throw Napi::Error::New(object.Env(), "probeOperation: no memory");
    memory_ = static_cast<uint8_t*>(memory);
    const uint8_t* from = bytes.Data();
    for (uint32_t i = 0; i < kBurstCapacity; from += sizes_[i++]) memcpy(place(i), from, sizes_[i]);
  }
  ~Places() { munmap(memory_, mapped_); }
  Places(const Places&) = delete;
  Places& operator=(const Places&) = delete;

  uint8_t* place(uint32_t row) const { return memory_ + ends_[row] - sizes_[row]; }
  void guard(bool writable) const {
    if (!writable) mprotect(memory_, mapped_, PROT_READ);
    for (uint32_t i = 0; i < kBurstCapacity; i++) mprotect(memory_ + ends_[i], kPage, PROT_NONE);
  }
  void release() const { mprotect(memory_, mapped_, PROT_READ | PROT_WRITE); }
  bool holds(const uint8_t* pointer) const { return pointer >= memory_ && pointer < memory_ + mapped_; }
  /* Row * 2^20 + offset from its place, below zero if the pointer is none of these: -1, for null -2. */
  double code(const uint8_t* pointer) const {
    if (!pointer) return -2;
    for (uint32_t i = 0; i < kBurstCapacity; i++) {
      if (pointer >= place(i) && pointer < memory_ + ends_[i] + kPage) return i * kRowCode + static_cast<double>(pointer - place(i));
    }
    return -1;
  }
  Napi::Value bytes(Napi::Env env) const {
    std::vector<uint8_t> all;
    for (uint32_t i = 0; i < kBurstCapacity; i++) all.insert(all.end(), place(i), place(i) + sizes_[i]);
    return Napi::Buffer<uint8_t>::Copy(env, all.data(), all.size());
  }

 private:
  uint8_t* memory_ = nullptr;
  size_t mapped_ = 0;
  size_t ends_[kBurstCapacity];
  size_t sizes_[kBurstCapacity];
};

/* Rows that an operation made, as they were when it handed them on. */
struct Emitted {
  const Places& frames;
  const Places& payloads;
  Burst256 burst; /* what the operation fills */
  std::vector<std::unique_ptr<Burst256>> bursts;
  std::vector<std::vector<uint8_t>> bytes; /* of each row the payload, then the frame, where they are the operation's own */

  static void full(void* context) {
    Emitted& self = *static_cast<Emitted*>(context);
    self.bursts.push_back(std::make_unique<Burst256>(self.burst));
    for (uint32_t i = 0; i < self.burst.count; i++) {
      self.keep(self.burst.payloads[i], self.burst.payload_lengths[i]);
      self.keep(self.burst.frames[i], self.burst.lengths[i]);
    }
    memset(static_cast<void*>(&self.burst), 0, sizeof self.burst);
  }
  void keep(const uint8_t* from, uint32_t length) {
    if (!from || frames.holds(from) || payloads.holds(from)) bytes.emplace_back();
    else bytes.emplace_back(from, from + length);
  }
};

Napi::Object show(Napi::Env env, Burst256& burst, const Places& frames, const Places& payloads) {
  Napi::Object shown = Napi::Object::New(env);
  for (const ColumnPlace& column : kColumns) shown.Set(column.name, Napi::Buffer<uint8_t>::Copy(env, at(burst, column), column.bytes));
  Napi::Float64Array codes[2] = {Napi::Float64Array::New(env, kBurstCapacity), Napi::Float64Array::New(env, kBurstCapacity)};
  for (uint32_t i = 0; i < kBurstCapacity; i++) {
    codes[0][i] = frames.code(burst.frames[i]);
    const uint8_t* const payload = burst.payloads[i];
    codes[1][i] = frames.holds(payload) || !payload ? frames.code(payload) : payloads.code(payload);
    if (payloads.holds(payload)) codes[1][i] = codes[1][i] + kPayloadCode;
  }
  shown.Set("count", burst.count);
  shown.Set("frames", codes[0]);
  shown.Set("payloads", codes[1]);
  return shown;
}

/* What create() made, until the end of the probe. */
struct Memory {
  const OperationBody& body;
  void* memory;
  ~Memory() {
    if (memory && body.destroy) body.destroy(memory);
  }
};

void read_burst(const ConfigObject& from, const Places& frames, const Places& payloads, Burst256& burst) {
  burst.count = from.small("count") <= kBurstCapacity ? from.small("count") : kBurstCapacity;
  for (uint32_t i = 0; i < kBurstCapacity; i++) {
    burst.frames[i] = frames.place(i);
    burst.payloads[i] = payloads.place(i);
  }
  const Napi::Object columns = from.object("columns");
  for (const ColumnPlace& column : kColumns) {
    const Napi::Uint8Array bytes = columns.Get(column.name).As<Napi::Uint8Array>();
    if (bytes.ByteLength() != column.bytes) throw Napi::RangeError::New(columns.Env(), std::string("not 256 rows of ") + column.name);
    memcpy(at(burst, column), bytes.Data(), column.bytes);
  }
}

/* What the operation made, beside what is left of the burst. */
void show_results(Napi::Env env, const OperationBody& body, const OperationState& state, const Emitted& emitted, Napi::Object& result) {
  result.Set("frameBytes", emitted.frames.bytes(env));
  result.Set("payloadBytes", emitted.payloads.bytes(env));
  result.Set("drops", (body.flags & kDrops) != 0);
  result.Set("expands", (body.flags & kExpands) != 0);
  Napi::Array verdicts = Napi::Array::New(env, kOperationVerdicts);
  for (uint32_t i = 0; i < kOperationVerdicts; i++) verdicts.Set(i, static_cast<double>(state.verdicts[i]));
  result.Set("verdicts", verdicts);
  Napi::Array bursts = Napi::Array::New(env, emitted.bursts.size());
  for (size_t i = 0; i < emitted.bursts.size(); i++) {
    bursts.Set(static_cast<uint32_t>(i), show(env, *emitted.bursts[i], emitted.frames, emitted.payloads));
  }
  result.Set("emitted", bursts);
  Napi::Array own = Napi::Array::New(env, emitted.bytes.size());
  for (size_t i = 0; i < emitted.bytes.size(); i++) {
    own.Set(static_cast<uint32_t>(i), Napi::Buffer<uint8_t>::Copy(env, emitted.bytes[i].data(), emitted.bytes[i].size()));
  }
  result.Set("emittedBytes", own);
}

Napi::Value probe_operation(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  const Napi::Object object = info[0].ToObject();
  const ConfigObject from(object);
  const OperationBody* const body = find_operation(from.text("name").c_str(), from.text("variant").c_str());
  if (!body) return env.Null();
  std::vector<uint8_t> data;
  if (const Napi::Value given = object.Get("data"); given.IsTypedArray()) {
    const Napi::Uint8Array bytes = given.As<Napi::Uint8Array>();
    data.assign(bytes.Data(), bytes.Data() + bytes.ByteLength());
  }
  const Places frames(from.object("frames")), payloads(from.object("payloads"));
  const auto burst = std::make_unique<Burst256>(), finishing = std::make_unique<Burst256>();
  read_burst(from, frames, payloads, *burst);
  const auto emitted = std::unique_ptr<Emitted>(new Emitted{frames, payloads, {}, {}, {}});
  Output output = {&emitted->burst, Emitted::full, emitted.get()};
  OperationState state;
  state.parameter = from.small("parameter");
  state.wants = from.small("wants");
  if (body->flags & kExpands) state.output = &output;
  char problem[256] = "";
  if (body->create) {
    state.memory = body->create({state.parameter, state.wants, data.data(), static_cast<uint32_t>(data.size())}, problem);
    if (!state.memory) throw Napi::Error::New(env, problem);
  }
  const Memory memory{*body, state.memory};
  if (from.flag("guarded")) {
    frames.guard(from.flag("writable"));
    payloads.guard(false);
  }
  body->run(*burst, state);
  if (state.output) output.flush();
  if (body->finish) body->finish(*finishing, state);
  if (state.output) output.flush();
  frames.release();
  payloads.release();
  Napi::Object result = show(env, *burst, frames, payloads);
  show_results(env, *body, state, *emitted, result);
  return result;
}

}  // namespace

void export_probe(Napi::Env env, Napi::Object exports) {
  exports.Set("probeOperation", Napi::Function::New(env, probe_operation, "probeOperation"));
}

}  // namespace model_t
