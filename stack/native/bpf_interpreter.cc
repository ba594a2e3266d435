/* See bpf_interpreter.h. */
#include "bpf_interpreter.h"

#include <cstring>

namespace model_t {

namespace {

uint32_t big32(const uint8_t* at) {
  uint32_t value;
  memcpy(&value, at, sizeof value);
  return __builtin_bswap32(value);
}

uint32_t big16(const uint8_t* at) { return static_cast<uint32_t>(at[0] << 8 | at[1]); }

}  // namespace

#define MODEL_T_ALU(operation, expression)                \
  case kBpfAlu | operation: {                             \
    const uint32_t b = now->k;                            \
    a = (expression);                                     \
    break;                                                \
  }                                                       \
  case kBpfAlu | operation | kBpfX: {                     \
    const uint32_t b = x;                                 \
    a = (expression);                                     \
    break;                                                \
  }
#define MODEL_T_DIVIDE(operation, expression)             \
  case kBpfAlu | operation: {                             \
    const uint32_t b = now->k;                            \
    a = (expression);                                     \
    break;                                                \
  }                                                       \
  case kBpfAlu | operation | kBpfX: {                     \
    const uint32_t b = x;                                 \
    if (b == 0) return 0;                                 \
    a = (expression);                                     \
    break;                                                \
  }
#define MODEL_T_JUMP(operation, condition)                \
  case kBpfJmp | operation: {                             \
    const uint32_t b = now->k;                            \
    now += (condition) ? now->jt : now->jf;               \
    break;                                                \
  }                                                       \
  case kBpfJmp | operation | kBpfX: {                     \
    const uint32_t b = x;                                 \
    now += (condition) ? now->jt : now->jf;               \
    break;                                                \
  }
/* Places are sums of two 32-bit numbers in 64 bits: nothing wraps. */
#define MODEL_T_LOAD(size, bytes, load)                   \
  case kBpfLd | size | kBpfAbs: {                         \
    const uint64_t at = now->k;                           \
    if (at + (bytes) > length) return 0;                  \
    a = load;                                             \
    break;                                                \
  }                                                       \
  case kBpfLd | size | kBpfInd: {                         \
    const uint64_t at = uint64_t{now->k} + x;             \
    if (at + (bytes) > length) return 0;                  \
    a = load;                                             \
    break;                                                \
  }

uint32_t interpret_bpf(const BpfInstruction* program, const uint8_t* frame, uint32_t length) {
  uint32_t a = 0, x = 0;
  uint32_t memory[kBpfMemoryWords] = {};
  for (const BpfInstruction* now = program;; now++) {
    switch (now->code) {
      MODEL_T_LOAD(kBpfWord, 4, big32(frame + at))
      MODEL_T_LOAD(kBpfHalf, 2, big16(frame + at))
      MODEL_T_LOAD(kBpfByte, 1, frame[at])
      case kBpfLd | kBpfImm: a = now->k; break;
      case kBpfLd | kBpfLen: a = length; break;
      case kBpfLd | kBpfMem: a = memory[now->k]; break;
      case kBpfLdx | kBpfImm: x = now->k; break;
      case kBpfLdx | kBpfLen: x = length; break;
      case kBpfLdx | kBpfMem: x = memory[now->k]; break;
      case kBpfLdx | kBpfByte | kBpfMsh:
        if (now->k >= length) return 0;
        x = (frame[now->k] & 15u) * 4;
        break;
      case kBpfSt: memory[now->k] = a; break;
      case kBpfStx: memory[now->k] = x; break;
      MODEL_T_ALU(kBpfAdd, a + b)
      MODEL_T_ALU(kBpfSub, a - b)
      MODEL_T_ALU(kBpfMul, a * b)
      MODEL_T_ALU(kBpfAnd, a & b)
      MODEL_T_ALU(kBpfOr, a | b)
      MODEL_T_ALU(kBpfXor, a ^ b)
      MODEL_T_ALU(kBpfLsh, b > 31 ? 0 : a << b)
      MODEL_T_ALU(kBpfRsh, b > 31 ? 0 : a >> b)
      MODEL_T_DIVIDE(kBpfDiv, a / b)
      MODEL_T_DIVIDE(kBpfMod, a % b)
      case kBpfAlu | kBpfNeg: a = 0u - a; break;
      case kBpfJmp | kBpfJa: now += now->k; break;
      MODEL_T_JUMP(kBpfJeq, a == b)
      MODEL_T_JUMP(kBpfJgt, a > b)
      MODEL_T_JUMP(kBpfJge, a >= b)
      MODEL_T_JUMP(kBpfJset, (a & b) != 0)
      case kBpfRet: return now->k;
      case kBpfRet | kBpfRetA: return a;
      case kBpfMisc | kBpfTax: x = a; break;
      case kBpfMisc | kBpfTxa: a = x; break;
      default: return 0; /* the verifier lets no other through */
    }
  }
}

#undef MODEL_T_ALU
#undef MODEL_T_DIVIDE
#undef MODEL_T_JUMP
#undef MODEL_T_LOAD

}  // namespace model_t
