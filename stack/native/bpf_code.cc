/* See bpf_code.h. */
#include "bpf_code.h"

namespace model_t {

namespace {

/* Why an instruction is refused, or null. */
const char* load_problem(const BpfInstruction& one, bool into_x) {
  const uint16_t size = one.code & 0x18;
  switch (bpf_mode(one.code)) {
    case kBpfImm:
    case kBpfLen:
      return size == kBpfWord ? nullptr : "loads a constant with a size";
    case kBpfMem:
      if (size != kBpfWord) return "loads a scratch word with a size";
      return one.k < kBpfMemoryWords ? nullptr : "reads a scratch word that does not exist";
    case kBpfAbs:
    case kBpfInd:
      return into_x || size == 0x18 ? "is no load" : nullptr;
    case kBpfMsh:
      return into_x && size == kBpfByte ? nullptr : "is no load";
    default:
      return "is no load";
  }
}

const char* arithmetic_problem(const BpfInstruction& one) {
  const uint16_t operation = bpf_operation(one.code);
  if (operation > kBpfXor) return "is no arithmetic";
  if (one.code & kBpfX) return operation == kBpfNeg ? "negates with an operand" : nullptr;
  if ((operation == kBpfDiv || operation == kBpfMod) && one.k == 0) return "divides by zero";
  if ((operation == kBpfLsh || operation == kBpfRsh) && one.k > 31) return "shifts by more than 31 bits";
  return nullptr;
}

const char* jump_problem(const BpfInstruction& one, uint32_t left) {
  const uint16_t operation = bpf_operation(one.code);
  if (operation == kBpfJa) {
    if (one.code & kBpfX) return "is no jump";
    return one.k < left ? nullptr : "jumps out of the program";
  }
  if (operation > kBpfJset) return "is no jump";
  return one.jt < left && one.jf < left ? nullptr : "jumps out of the program";
}

const char* problem(const BpfInstruction& one, uint32_t left) {
  if (one.code > 0xff) return "is unknown";
  switch (bpf_class(one.code)) {
    case kBpfLd:
      return load_problem(one, false);
    case kBpfLdx:
      return load_problem(one, true);
    case kBpfSt:
    case kBpfStx:
      if (one.code & ~7) return "is no store";
      return one.k < kBpfMemoryWords ? nullptr : "writes a scratch word that does not exist";
    case kBpfAlu:
      return arithmetic_problem(one);
    case kBpfJmp:
      return jump_problem(one, left);
    case kBpfRet:
      return one.code == kBpfRet || one.code == (kBpfRet | kBpfRetA) ? nullptr : "is no return";
    default:
      return one.code == (kBpfMisc | kBpfTax) || one.code == (kBpfMisc | kBpfTxa) ? nullptr : "is unknown";
  }
}

}  // namespace

bool read_bpf(const uint8_t* bytes, uint64_t size, BpfProgram* program, std::string* error) {
  const uint64_t count = size / sizeof(BpfInstruction);
  if (count == 0 || size % sizeof(BpfInstruction) != 0 || count > kBpfMaxInstructions) {
    *error = "a filter has 1 to " + std::to_string(kBpfMaxInstructions) + " instructions of 8 bytes, not " + std::to_string(size) + " bytes";
    return false;
  }
  program->resize(count);
  for (uint32_t i = 0; i < count; i++) {
    const uint8_t* at = bytes + i * sizeof(BpfInstruction);
    BpfInstruction& one = (*program)[i];
    one.code = static_cast<uint16_t>(at[0] | at[1] << 8);
    one.jt = at[2];
    one.jf = at[3];
    one.k = static_cast<uint32_t>(at[4]) | static_cast<uint32_t>(at[5]) << 8 | static_cast<uint32_t>(at[6]) << 16 |
            static_cast<uint32_t>(at[7]) << 24;
    const char* wrong = problem(one, static_cast<uint32_t>(count) - 1 - i);
    if (!wrong && i + 1 == count && bpf_class(one.code) != kBpfRet) wrong = "is the last and does not return";
    if (wrong) {
      *error = "instruction " + std::to_string(i) + " of the filter (code " + std::to_string(one.code) + ") " + wrong;
      return false;
    }
  }
  return true;
}

}  // namespace model_t
