/*
 * bpf: keeps the packets that a filter matches. Reads frames and lengths; writes leaves. Verdicts: match, other.
 * The argument's data is the bytecode that bpf.ts made. For the baseline CPU; declaration in bpf.ts.
 */
#include <cstdio>
#include <memory>

#include "../native/bpf_interpreter.h"
#include "../native/bpf_operation.h"
#include "../native/bpf_x64.h"

namespace model_t {

namespace {

void tell(char (&error)[256], const std::string& text) { snprintf(error, sizeof error, "%s", text.c_str()); }

void* create_interpreter(const OperationArgument& argument, char (&error)[256]) {
  auto program = std::make_unique<BpfProgram>();
  std::string problem;
  if (read_bpf(argument.data, argument.data_bytes, program.get(), &problem)) return program.release();
  tell(error, problem);
  return nullptr;
}

void* create_native(const OperationArgument& argument, char (&error)[256]) {
  BpfProgram program;
  std::string problem;
  std::unique_ptr<BpfNative> made;
  if (read_bpf(argument.data, argument.data_bytes, &program, &problem)) made = BpfNative::compile(program, &problem);
  if (!made) tell(error, problem);
  return made.release();
}

void run_interpreter(Burst256& burst, OperationState& state) {
  const BpfInstruction* const program = static_cast<const BpfProgram*>(state.memory)->data();
  uint32_t matches = 0;
  for (uint32_t i = 0; i < burst.count; i++) {
    const bool match = interpret_bpf(program, burst.frames[i], burst.lengths[i]) != 0;
    burst.leaves[i] = !match;
    matches += match;
  }
  state.verdicts[0] += matches;
  state.verdicts[1] += burst.count - matches;
}

void run_native(Burst256& burst, OperationState& state) {
  const uint64_t matches = static_cast<const BpfNative*>(state.memory)->run(burst.frames, burst.lengths, burst.count, burst.leaves);
  state.verdicts[0] += matches;
  state.verdicts[1] += burst.count - matches;
}

}  // namespace

const OperationBody bpf_interpreter_body = {
    "bpf", "interpreter", run_interpreter, kDrops, create_interpreter, [](void* memory) { delete static_cast<BpfProgram*>(memory); }, nullptr};

const OperationBody bpf_native_body = {
    "bpf", "native", run_native, kDrops, create_native, [](void* memory) { delete static_cast<BpfNative*>(memory); }, nullptr};

}  // namespace model_t
