/* Implements chain.h. */
#include "chain.h"

#include <cstdio>
#include <cstdlib>
#include <cstring>

#include "check.h"

namespace model_t::test {

namespace {

const OperationBody* find_body(const std::string& name) {
  for (const char* variant : {"scalar", "zlib"}) {
    if (const OperationBody* const body = find_operation(name.c_str(), variant)) return body;
  }
  return nullptr;
}

/* Columns with noise in them: nothing may be believed that nobody wrote. */
std::unique_ptr<Burst256> noisy_burst() {
  std::unique_ptr<Burst256> burst(new Burst256);
  memset(static_cast<void*>(burst.get()), 0xa5, sizeof(Burst256));
  burst->count = 0;
  return burst;
}

}  // namespace

Chain::Chain(const std::vector<std::string>& steps) : burst_(noisy_burst()) {
  for (const std::string& text : steps) {
    const size_t space = text.find(' ');
    OperationArgument argument;
    if (space != std::string::npos) argument.parameter = static_cast<uint32_t>(std::atoi(text.c_str() + space));
    append(find_body(text.substr(0, space)), argument);
  }
}

void Chain::append(const OperationBody* body, const OperationArgument& argument) {
  if (!CHECK(body != nullptr)) std::exit(1);
  std::unique_ptr<Step> step(new Step);
  char error[256] = "";
  names_.push_back(body->name);
  step->body = body;
  step->chain = this;
  step->number = steps_.size();
  step->burst = noisy_burst();
  step->output = {step->burst.get(), full, step.get()};
  step->state.parameter = argument.parameter;
  step->state.output = &step->output;
  if (body->create) step->state.memory = body->create(argument, error);
  CHECK_FOR(!body->create || step->state.memory, error);
  steps_.push_back(std::move(step));
}

Chain::~Chain() {
  for (const auto& step : steps_) {
    if (step->body->destroy && step->state.memory) step->body->destroy(step->state.memory);
  }
}

void Chain::full(void* made) {
  Step& step = *static_cast<Step*>(made);
  step.chain->run_from(step.number + 1, *step.burst);
  step.burst->count = 0;
}

void Chain::run_from(size_t number, Burst256& burst) {
  for (; number < steps_.size(); number++) {
    Step& step = *steps_[number];
    step.body->run(burst, step.state);
    if (step.body->flags & kExpands) {
      step.output.flush();
      return;
    }
  }
  arrive(burst);
}

void Chain::arrive(const Burst256& burst) {
  row_count += burst.count;
  for (uint32_t i = 0; i < burst.count; i++) {
    const std::vector<uint8_t> frame(burst.frames[i], burst.frames[i] + (burst.lengths[i] > 62 ? burst.lengths[i] : 62));
    const std::vector<uint8_t> payload(burst.payloads[i], burst.payloads[i] + burst.payload_lengths[i]);
    if (keep_rows) {
      rows.push_back({{frame.begin(), frame.begin() + burst.lengths[i]}, payload, burst.times[i], burst.streams[i],
                      burst.stream_marks[i], burst.classes[i], burst.encodings[i], burst.slots[i]});
    }
  }
}

void Chain::run(const Packet* packets, size_t count) {
  Burst256& burst = *burst_;
  std::vector<std::pair<uint8_t*, size_t>> slots;
  burst.count = static_cast<uint32_t>(count);
  for (uint32_t i = 0; i < count; i++) {
    const size_t length = packets[i].bytes.size();
    const size_t bytes = (length + 2 + 63) / 64 * 64;
    uint8_t* const slot = static_cast<uint8_t*>(std::aligned_alloc(64, bytes));
    memset(slot, 0x5a, bytes);
    if (length) memcpy(slot + 2, packets[i].bytes.data(), length);
    slots.emplace_back(slot, bytes);
    burst.frames[i] = burst.payloads[i] = slot + 2;
    burst.lengths[i] = burst.payload_lengths[i] = static_cast<uint32_t>(length);
    burst.times[i] = packets[i].time;
    burst.slots[i] = static_cast<uint8_t>(i);
    burst.protocols[i] = kNoProtocol;
    burst.marks[i] = burst.stream_marks[i] = burst.encodings[i] = 0;
    burst.classes[i] = 0;
    burst.streams[i] = 0;
  }
  run_from(0, burst);
  for (const auto& [slot, bytes] : slots) {
    memset(slot, 0xdd, bytes);
    std::free(slot);
  }
}

void Chain::run_all(const std::vector<Packet>& packets, uint32_t burst) {
  for (size_t at = 0; at < packets.size(); at += burst) run(packets.data() + at, std::min<size_t>(burst, packets.size() - at));
}

void Chain::finish() {
  for (const auto& step : steps_) {
    burst_->count = 0;
    if (step->body->finish) step->body->finish(*burst_, step->state);
    step->output.flush();
  }
}

const OperationState& Chain::state(const std::string& step) const {
  for (size_t i = 0; i < names_.size(); i++) {
    if (names_[i] == step) return steps_[i]->state;
  }
  std::exit(1);
}

uint64_t Chain::verdict(const std::string& step, uint32_t number) const { return state(step).verdicts[number]; }

std::map<uint64_t, std::string> streams_of(const std::vector<Row>& rows) {
  std::map<uint64_t, std::string> streams;
  for (const Row& row : rows) {
    if (row.stream == 0) continue;
    std::string& text = streams[row.stream];
    if (row.marks & kStreamGap) text += '|';
    text.append(row.payload.begin(), row.payload.end());
    if (row.marks & kStreamEnd) text += '.';
  }
  return streams;
}

}  // namespace model_t::test
