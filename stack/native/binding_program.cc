/* See binding_program.h. TypeScript shapes: stack/native.ts. */
#include "binding_program.h"

#include <memory>
#include <vector>

#include "binding_object.h"
#include "clock.h"
#include "packet_queue.h"

namespace model_t {

namespace {

constexpr uint32_t kMaxRecords = 1024;

/* A row that reached the end, kept until JavaScript objects can be made. */
struct Row {
  uint64_t packet; /* number of the packet in the input; of a row that an operation made, of the last packet it stems from */
  uint64_t stream;
  uint16_t type_class;
  uint8_t mark;
  uint8_t encoding;
  std::vector<uint8_t> bytes;
};

struct Collector {
  uint64_t first = 0; /* packet number of the burst's first */
  uint32_t needs = 0;
  std::vector<Row> rows;

  static void take(void* context, const Burst256& burst) {
    Collector& self = *static_cast<Collector*>(context);
    for (uint32_t i = 0; i < burst.count; i++) {
      const bool streams = self.needs & kNeedStreams, payloads = self.needs & kNeedPayloads;
      const uint8_t* const bytes = payloads ? burst.payloads[i] : burst.frames[i];
      const uint32_t length = payloads ? burst.payload_lengths[i] : burst.lengths[i];
      self.rows.push_back({self.first + burst.slots[i], streams ? burst.streams[i] : 0, burst.classes[i],
                           streams ? burst.stream_marks[i] : uint8_t{0}, streams ? burst.encodings[i] : uint8_t{0}, {bytes, bytes + length}});
    }
  }
};

Napi::Array steps_of(Napi::Env env, const Program& program) {
  Napi::Array steps = Napi::Array::New(env, program.step_count());
  for (uint32_t i = 0; i < program.step_count(); i++) {
    const StepStatistics& statistics = program.statistics(i);
    Napi::Object step = Napi::Object::New(env);
    step.Set("packets", static_cast<double>(statistics.packets));
    step.Set("calls", static_cast<double>(statistics.calls));
    step.Set("cyclesPerPacket",
             statistics.timed_packets ? static_cast<double>(statistics.cycles) / static_cast<double>(statistics.timed_packets) : 0.0);
    Napi::Array verdicts = Napi::Array::New(env, kOperationVerdicts);
    for (uint32_t v = 0; v < kOperationVerdicts; v++) verdicts.Set(v, static_cast<double>(program.state(i).verdicts[v]));
    step.Set("verdicts", verdicts);
    steps.Set(i, step);
  }
  return steps;
}

Napi::Array rows_of(Napi::Env env, const std::vector<Row>& rows) {
  Napi::Array array = Napi::Array::New(env, rows.size());
  for (size_t i = 0; i < rows.size(); i++) {
    Napi::Object row = Napi::Object::New(env);
    row.Set("packet", static_cast<double>(rows[i].packet));
    row.Set("class", rows[i].type_class);
    row.Set("stream", Napi::BigInt::New(env, rows[i].stream));
    row.Set("mark", rows[i].mark);
    row.Set("encoding", rows[i].encoding);
    Napi::Uint8Array bytes = Napi::Uint8Array::New(env, rows[i].bytes.size());
    if (!rows[i].bytes.empty()) memcpy(bytes.Data(), rows[i].bytes.data(), rows[i].bytes.size());
    row.Set("bytes", bytes);
    array.Set(static_cast<uint32_t>(i), row);
  }
  return array;
}

/* runProgram({program, packets, times?, collect, seconds}): once over all packets, then again and again for `seconds`. */
Napi::Value run_program(const Napi::CallbackInfo& info) {
  const Napi::Object object = info[0].ToObject();
  const ConfigObject from(object);
  const ProgramPlan plan = read_program(from.object("program"));
  PacketQueue queue(*find_stack_kernels("scalar"));
  std::string error;
  if (!queue.fill(read_packets(from.object("packets")), 0, 0, &error)) throw Napi::RangeError::New(info.Env(), error);
  const std::unique_ptr<Program> program = Program::create(plan, &error);
  if (!program) throw Napi::Error::New(info.Env(), error);
  Collector collector;
  collector.needs = plan.needs;
  if (from.flag("collect")) program->set_tail(Collector::take, &collector);
  const auto burst = std::make_unique<Burst256>();
  const uint64_t end = now_ns() + static_cast<uint64_t>(from.number("seconds") * 1e9);
  do {
    for (uint64_t first = 0; first < queue.packets(); first += kBurstCapacity) {
      collector.first = first;
      queue.pull(first, program->needs(), *burst);
      program->run(*burst);
    }
  } while (now_ns() < end);
  program->finish();
  Napi::Object result = Napi::Object::New(info.Env());
  result.Set("steps", steps_of(info.Env(), *program));
  result.Set("rows", rows_of(info.Env(), collector.rows));
  return result;
}

}  // namespace

ProgramPlan read_program(const Napi::Object& object) {
  const ConfigObject from(object);
  ProgramPlan plan;
  plan.needs = from.small("needs");
  const Napi::Array records = from.list("records");
  if (records.Length() > kMaxRecords) throw Napi::TypeError::New(object.Env(), "at most 1024 records");
  for (uint32_t i = 0; i < records.Length(); i++) {
    const Napi::Object item = records.Get(i).ToObject();
    const ConfigObject record(item);
    StepRecord step;
    step.kind = static_cast<StepRecord::Kind>(record.choice("kind", {"operation", "fork", "branch", "join"}));
    step.condition = static_cast<int32_t>(record.number("condition"));
    if (step.kind == StepRecord::Kind::operation) {
      step.name = record.text("name");
      step.variant = record.text("variant");
      step.parameter = record.small("parameter");
      step.wants = record.small("wants");
      step.pass = static_cast<int32_t>(record.number("pass"));
      step.stores = record.flag("stores");
      const Napi::Value data = item.Get("data");
      if (data.IsTypedArray()) {
        const Napi::Uint8Array bytes = data.As<Napi::Uint8Array>();
        step.data.assign(bytes.Data(), bytes.Data() + bytes.ByteLength());
      }
    }
    plan.records.push_back(std::move(step));
  }
  return plan;
}

PacketSet read_packets(const Napi::Object& object) {
  const ConfigObject from(object);
  PacketSet set;
  const Napi::Value bytes = object.Get("bytes"), offsets = object.Get("offsets"), lengths = object.Get("lengths"), times = object.Get("times");
  if (!bytes.IsTypedArray() || !offsets.IsTypedArray() || !lengths.IsTypedArray()) {
    throw Napi::TypeError::New(object.Env(), "packets: {bytes: Uint8Array, offsets: Uint32Array, lengths: Uint32Array, times?: BigUint64Array}");
  }
  const Napi::Uint8Array blob = bytes.As<Napi::Uint8Array>();
  const Napi::Uint32Array starts = offsets.As<Napi::Uint32Array>(), sizes = lengths.As<Napi::Uint32Array>();
  if (starts.TypedArrayType() != napi_uint32_array || sizes.TypedArrayType() != napi_uint32_array || starts.ElementLength() != sizes.ElementLength()) {
    throw Napi::TypeError::New(object.Env(), "packets: offsets and lengths must be Uint32Arrays of one length");
  }
  for (size_t i = 0; i < starts.ElementLength(); i++) {
    if (starts[i] > blob.ByteLength() || sizes[i] > blob.ByteLength() - starts[i]) {
      throw Napi::RangeError::New(object.Env(), "packets: packet " + std::to_string(i) + " lies outside the bytes");
    }
  }
  set.bytes = blob.Data();
  set.offsets = starts.Data();
  set.lengths = sizes.Data();
  set.count = starts.ElementLength();
  if (times.IsTypedArray() && times.As<Napi::TypedArray>().TypedArrayType() == napi_biguint64_array) {
    const Napi::BigUint64Array when = times.As<Napi::BigUint64Array>();
    if (when.ElementLength() == set.count) set.times = when.Data();
  }
  return set;
}

void export_program(Napi::Env env, Napi::Object exports) {
  exports.Set("runProgram", Napi::Function::New(env, run_program, "runProgram"));
}

}  // namespace model_t
