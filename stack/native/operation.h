/*
 * What an operation is to the program that runs it: functions over bursts, and a state of its own per step and container.
 *
 * Plain structs only: kernel files (vector.h) include this, so nothing here may instantiate a template of the library.
 * Declarations for people and planner: stack/ops/NAME.ts. Bodies: stack/ops/NAME.cc. List: operations.cc.
 */
#ifndef MODEL_T_STACK_OPERATION_H
#define MODEL_T_STACK_OPERATION_H

#include "../include/model_t_ring.h"
#include "header_pass.h"

namespace model_t {

constexpr uint32_t kOperationVerdicts = 8;

/* Columns that an operation fills in only if a later one reads them. */
enum Want : uint32_t {
  kWantPayloads = 1, /* payloads, payload_lengths */
  kWantClasses = 2,
};

/* The argument of a step, compiled by the planner; lives as long as the program. */
struct OperationArgument {
  uint32_t parameter = 0;
  uint32_t wants = 0; /* Want bits */
  const uint8_t* data = nullptr; /* bytecode, patterns: whatever the operation's .ts file makes of its text */
  uint32_t data_bytes = 0;
};

/* Where an operation that expands puts rows. `full` runs the rest of the program over `burst` and empties it. */
struct Output {
  Burst256* burst = nullptr;
  void (*full)(void* program) = nullptr;
  void* program = nullptr;

  /* Call before memory that rows point to is reused. */
  void flush() {
    if (burst->count) full(program);
  }
  /* A row to fill in. What nobody fills in says that there is nothing, as in a packet that no operation has looked at yet. */
  uint32_t add() {
    if (burst->count == kBurstCapacity) full(program);
    const uint32_t row = burst->count++;
    burst->types[row] = burst->transports[row] = burst->classes[row] = 0;
    burst->ends[row] = 0;
    burst->networks[row] = burst->marks[row] = 0;
    burst->protocols[row] = kNoProtocol;
    burst->payloads[row] = nullptr;
    burst->payload_lengths[row] = 0;
    burst->streams[row] = 0;
    burst->stream_marks[row] = burst->encodings[row] = 0;
    return row;
  }
};

/* What a step keeps between bursts. `verdicts` follow the order of the operation's declaration. */
struct OperationState {
  uint64_t verdicts[kOperationVerdicts] = {};
  uint32_t parameter = 0;
  uint32_t wants = 0;
  void* memory = nullptr;   /* what create() made */
  Output* output = nullptr; /* only with kExpands */
};

using OperationFunction = void (*)(Burst256& burst, OperationState& state);

enum OperationFlag : uint32_t {
  kDrops = 1,   /* writes leaves[0, count) */
  kExpands = 2, /* rows go on only through state.output, never the input burst; what they point to stays valid during run() */
};

/* One variant of one operation. Never throws, prints, or reads a byte that it has not checked to be there. */
struct OperationBody {
  const char* name;
  const char* variant; /* scalar, avx2, avx512, or a name of its own: interpreter, native, zlib */
  OperationFunction run;
  uint32_t flags = 0;
  /* Null = no memory. Returns null and a sentence when the argument or the machine does not allow it. */
  void* (*create)(const OperationArgument& argument, char (&error)[256]) = nullptr;
  void (*destroy)(void* memory) = nullptr;
  /* The stream is over: hand on or give up what is held back. The burst is empty. */
  OperationFunction finish = nullptr;
};

/* All inner loops of the stack for one ISA. */
struct StackKernels {
  const char* isa;
  const OperationBody* operations;
  uint32_t operation_count;
  /* The pass for a plan. Null: no vectors, every operation runs on its own. */
  HeaderPass (*find_header_pass)(const HeaderPassPlan& plan);
  /* Sum of model_t_digest_packet() over the burst; frames are slots + 2, their padding is zero as the ring's contract says. */
  uint64_t (*digest)(const uint8_t* const* frames, const uint32_t* lengths, uint32_t count, uint32_t line_limit);
  /*
   * Descriptors that follow each other, of packets in one region, into rows [row, row + count) of a burst: frames, lengths. Adds up
   * their lengths. False: something is unusual (a mark, another region, a slot that does not fit), and nothing of it may be used.
   */
  bool (*take)(const model_t_descriptor* descriptors, uint32_t count, uint32_t number, const model_t_region& region, Burst256& burst,
               uint32_t row, uint64_t* bytes);
  /* Fills frames and lengths of burst.count rows: frames[i] = first + 64 * lines[i]. */
  void (*pull)(Burst256& burst, const uint8_t* first, const uint32_t* lines, const uint32_t* lengths);
  /* Reads every byte (a multiple of 64) once: the bound for operations on payload. */
  void (*read_bytes)(const uint8_t* from, uint64_t bytes);
};

namespace scalar {
extern const StackKernels stack_kernels;
}
#if defined(__x86_64__)
namespace avx2 {
extern const StackKernels stack_kernels;
}
namespace avx512 {
extern const StackKernels stack_kernels;
}
#endif

/* "scalar", "avx2" or "avx512"; null when this build or this CPU has none of that name. */
const StackKernels* find_stack_kernels(const char* isa);

/* The body of an operation, or null. `variant` as in OperationBody. */
const OperationBody* find_operation(const char* name, const char* variant);

/* True if this CPU, with its operating system, runs code for the named ISA. */
bool cpu_has_isa(const char* isa);

}  // namespace model_t

#endif
