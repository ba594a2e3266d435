/*
 * Classic BPF programs: the instruction, and the verifier that every program passes before anything runs or compiles it.
 *
 * Programs come as bytes from the planner (stack/bpf/), which is not believed. After verify() a program ends on every way in a
 * RET, jumps forward only and within itself, uses known operations, and touches scratch words below 16 only. Loads are checked
 * when they run. Used by the interpreter and the x86-64 compiler; any thread.
 */
#ifndef MODEL_T_STACK_BPF_CODE_H
#define MODEL_T_STACK_BPF_CODE_H

#include <cstdint>
#include <string>
#include <vector>

namespace model_t {

/* As in the wire format: little-endian, eight bytes. */
struct BpfInstruction {
  uint16_t code;
  uint8_t jt, jf;
  uint32_t k;
};
static_assert(sizeof(BpfInstruction) == 8);

constexpr uint32_t kBpfMemoryWords = 16;
constexpr uint32_t kBpfMaxInstructions = 4096;

/* Class, size, mode, operation, source: the fields of a code. */
enum BpfCode : uint16_t {
  kBpfLd = 0x00, kBpfLdx = 0x01, kBpfSt = 0x02, kBpfStx = 0x03, kBpfAlu = 0x04, kBpfJmp = 0x05, kBpfRet = 0x06, kBpfMisc = 0x07,
  kBpfWord = 0x00, kBpfHalf = 0x08, kBpfByte = 0x10,
  kBpfImm = 0x00, kBpfAbs = 0x20, kBpfInd = 0x40, kBpfMem = 0x60, kBpfLen = 0x80, kBpfMsh = 0xa0,
  kBpfAdd = 0x00, kBpfSub = 0x10, kBpfMul = 0x20, kBpfDiv = 0x30, kBpfOr = 0x40, kBpfAnd = 0x50, kBpfLsh = 0x60, kBpfRsh = 0x70,
  kBpfNeg = 0x80, kBpfMod = 0x90, kBpfXor = 0xa0,
  kBpfJa = 0x00, kBpfJeq = 0x10, kBpfJgt = 0x20, kBpfJge = 0x30, kBpfJset = 0x40,
  kBpfX = 0x08, kBpfRetA = 0x10, kBpfTax = 0x00, kBpfTxa = 0x80,
};

inline uint16_t bpf_class(uint16_t code) { return code & 7; }
inline uint16_t bpf_operation(uint16_t code) { return code & 0xf0; }
inline uint16_t bpf_mode(uint16_t code) { return code & 0xe0; }
/* Bytes that a load of this code takes from the packet. */
inline uint32_t bpf_bytes(uint16_t code) { return (code & 0x18) == kBpfHalf ? 2 : (code & 0x18) == kBpfByte ? 1 : 4; }

using BpfProgram = std::vector<BpfInstruction>;

/* Reads and verifies. False and a sentence that names the instruction when it is refused. */
bool read_bpf(const uint8_t* bytes, uint64_t size, BpfProgram* program, std::string* error);

}  // namespace model_t

#endif
