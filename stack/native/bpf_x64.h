/*
 * Compiles a verified BPF program to x86-64 code that goes over a whole burst. The code lies in pages that are written first
 * and executed then, never both. Where such pages or such CPUs are not to be had compile() says so; use the interpreter then.
 */
#ifndef MODEL_T_STACK_BPF_X64_H
#define MODEL_T_STACK_BPF_X64_H

#include <memory>

#include "bpf_code.h"

namespace model_t {

class BpfNative {
 public:
  /* Null and a sentence when the machine does not allow it. `program` has passed read_bpf(). */
  static std::unique_ptr<BpfNative> compile(const BpfProgram& program, std::string* error);
  ~BpfNative();
  BpfNative(const BpfNative&) = delete;
  BpfNative& operator=(const BpfNative&) = delete;

  /* Writes leaves[0, count): 0 = matches, 1 = does not. Returns how many match. Reads nothing beyond a frame's length. Any thread. */
  uint64_t run(const uint8_t* const* frames, const uint32_t* lengths, uint64_t count, uint8_t* leaves) const {
    return function_(frames, lengths, count, leaves);
  }

 private:
  using Function = uint64_t (*)(const uint8_t* const* frames, const uint32_t* lengths, uint64_t count, uint8_t* leaves);

  BpfNative(void* pages, uint64_t bytes, Function function) : pages_(pages), bytes_(bytes), function_(function) {}

  void* pages_;
  uint64_t bytes_;
  Function function_;
};

}  // namespace model_t

#endif
