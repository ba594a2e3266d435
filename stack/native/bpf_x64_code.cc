/* See bpf_x64_code.h. */
#include "bpf_x64_code.h"

#include "bpf_analysis.h"
#include "bpf_assembler.h"

namespace model_t {

namespace {

/* One check of the length covers all loads at constant places up to here: the shortest Ethernet frame has 60 bytes. */
constexpr uint32_t kUsualBytes = 60;
/* Beyond this an offset does not fit into an instruction, and no frame has it. */
constexpr uint64_t kLargestPlace = 0x7fffffff;
enum Move { kByteMove = 0xb6, kHalfMove = 0xb7 };

class Compiler {
 public:
  explicit Compiler(const BpfProgram& program)
      : program_(program),
        count_(static_cast<uint32_t>(program.size())),
        found_(analyse_bpf(program, kUsualBytes)),
        to_(2 * count_ + 4) {}

  const std::vector<uint8_t>& compile() {
    to_.bytes({0x53, 0x55, 0x41, 0x54, 0x48, 0x83, 0xec, 0x48}); /* push rbx, rbp, r12; sub rsp, 72 */
    to_.bytes({0x49, 0x89, 0xca, 0x49, 0x89, 0xd3});             /* mov r10, rcx; mov r11, rdx */
    to_.bytes({0x31, 0xdb, 0x31, 0xed, 0x4d, 0x85, 0xdb});       /* xor ebx, ebx; xor ebp, ebp; test r11, r11 */
    to_.jump_if(kEqual, done());
    to_.place(loop());
    to_.bytes({0x4c, 0x8b, 0x04, 0xdf, 0x44, 0x8b, 0x0c, 0x9e}); /* mov r8, [rdi + rbx * 8]; mov r9d, [rsi + rbx * 4] */
    if (found_.live_a[0]) to_.bytes({0x31, 0xc0});
    if (found_.live_x[0]) to_.bytes({0x31, 0xc9});
    for (uint32_t word = 0; found_.uses_memory && word < kBpfMemoryWords; word++) {
      to_.at_word(0xc7, 0, word);
      to_.number(0);
    }
    if (found_.certain_bytes) {
      check_length(found_.certain_bytes);
      to_.jump_if(kBelow, count_);
    }
    body(0, found_.certain_bytes);
    ending(accept(), 0);
    ending(reject(), 1);
    if (found_.certain_bytes) body(count_, 0); /* short frames: every load checked */
    to_.place(done());
    to_.bytes({0x48, 0x89, 0xe8, 0x48, 0x83, 0xc4, 0x48, 0x41, 0x5c, 0x5d, 0x5b, 0xc3}); /* mov rax, rbp; …; ret */
    to_.finish();
    return to_.code();
  }

 private:
  uint32_t loop() const { return 2 * count_; }
  uint32_t accept() const { return 2 * count_ + 1; }
  uint32_t reject() const { return 2 * count_ + 2; }
  uint32_t done() const { return 2 * count_ + 3; }

  /* cmp r9d, bytes */
  void check_length(uint32_t bytes) {
    to_.bytes({0x41, 0x81, 0xf9});
    to_.number(bytes);
  }

  void ending(uint32_t label, uint8_t leaves) {
    to_.place(label);
    to_.bytes({0x41, 0xc6, 0x04, 0x1a, leaves});           /* mov byte [r10 + rbx], leaves */
    if (!leaves) to_.bytes({0x48, 0xff, 0xc5});            /* inc rbp */
    to_.bytes({0x48, 0xff, 0xc3, 0x4c, 0x39, 0xdb});       /* inc rbx; cmp rbx, r11 */
    to_.jump_if(kBelow, loop());
    to_.jump(done());
  }

  /* The whole program; loads at constant places that end within `certain` are there. */
  void body(uint32_t first_label, uint32_t certain) {
    first_label_ = first_label;
    certain_ = certain;
    for (uint32_t i = 0; i < count_; i++) {
      to_.place(first_label + i);
      if (found_.reachable[i]) i += instruction(i);
    }
  }

  /* Returns how many instructions behind this one it has dealt with, too. */
  uint32_t instruction(uint32_t i) {
    const BpfInstruction& one = program_[i];
    switch (bpf_class(one.code)) {
      case kBpfLd:
        return load(i);
      case kBpfLdx:
        load_x(one);
        break;
      case kBpfSt:
        to_.at_word(0x89, 0, one.k);
        break;
      case kBpfStx:
        to_.at_word(0x89, 1, one.k);
        break;
      case kBpfAlu:
        arithmetic(one, found_.raw_before[i]);
        break;
      case kBpfJmp:
        jump(i);
        break;
      case kBpfRet:
        if (one.code & kBpfRetA) {
          to_.bytes({0x85, 0xc0}); /* test eax, eax */
          to_.jump_if(kNotEqual, accept());
          to_.jump(reject());
        } else {
          to_.jump(one.k ? accept() : reject());
        }
        break;
      default:
        if (one.code & kBpfTxa) to_.bytes({0x89, 0xc8});
        else to_.bytes({0x89, 0xc1});
    }
    return 0;
  }

  /* Where a jump to instruction i goes: returns are not visited. */
  uint32_t label_of(uint32_t i) const {
    if (program_[i].code == kBpfRet) return program_[i].k ? accept() : reject();
    return first_label_ + i;
  }

  void branch(BpfCondition condition, BpfCondition opposite, uint32_t i) {
    const auto [yes, no] = found_.flow[i];
    if (label_of(yes) == label_of(no)) return go_on(no, i);
    if (no == i + 1) return to_.jump_if(condition, label_of(yes));
    to_.jump_if(opposite, label_of(no));
    go_on(yes, i);
  }

  void go_on(uint32_t target, uint32_t i) {
    if (target != i + 1) to_.jump(label_of(target));
  }

  void jump(uint32_t i) {
    const BpfInstruction& one = program_[i];
    const uint16_t operation = bpf_operation(one.code);
    if (operation == kBpfJa) return go_on(found_.flow[i].yes, i);
    const uint8_t raw = found_.raw_before[i];
    if (operation == kBpfJeq && raw == 2 && one.k > 0xffff) return go_on(found_.flow[i].no, i);
    if (one.code & kBpfX) to_.bytes({static_cast<uint8_t>(operation == kBpfJset ? 0x85 : 0x39), 0xc8}); /* test, cmp eax, ecx */
    else to_.constant(operation == kBpfJset ? 0xa9 : 0x3d, in_order(one.k, raw));
    if (operation == kBpfJeq) branch(kEqual, kNotEqual, i);
    else if (operation == kBpfJgt) branch(kAbove, kAtMost, i);
    else if (operation == kBpfJge) branch(kAtLeast, kBelow, i);
    else branch(kNotEqual, kEqual, i);
  }

  /* A constant as A has it. */
  static uint32_t in_order(uint32_t value, uint8_t raw) {
    if (raw == 2) return __builtin_bswap16(static_cast<uint16_t>(value));
    return raw == 4 ? __builtin_bswap32(value) : value;
  }

  uint32_t load(uint32_t i) {
    const BpfInstruction& one = program_[i];
    switch (bpf_mode(one.code)) {
      case kBpfImm:
        to_.constant(0xb8, one.k);
        return 0;
      case kBpfLen:
        to_.bytes({0x44, 0x89, 0xc8}); /* mov eax, r9d */
        return 0;
      case kBpfMem:
        to_.at_word(0x8b, 0, one.k);
        return 0;
      case kBpfAbs:
        return load_at_constant(i);
      default:
        load_at_x(one);
        swap(bpf_bytes(one.code), found_.raw_after[i]);
        return 0;
    }
  }

  /* Leaves the packet where the bytes are not there. False: they never are. */
  bool check(uint32_t place, uint32_t size) {
    const uint64_t end = uint64_t{place} + size;
    if (end > kLargestPlace) {
      to_.jump(reject());
      return false;
    }
    if (end > certain_) {
      check_length(static_cast<uint32_t>(end));
      to_.jump_if(kBelow, reject());
    }
    return true;
  }

  uint32_t load_at_constant(uint32_t i) {
    const BpfInstruction& one = program_[i];
    const uint32_t size = bpf_bytes(one.code);
    if (!check(one.k, size)) return 0;
    if (size != 2 && compared_only(i)) {
      const uint32_t value = program_[i + 1].k;
      if (size == 1 && value < 256) {
        to_.at_frame({0x80}, 7, one.k); /* cmp byte [r8 + k], value */
        to_.bytes({static_cast<uint8_t>(value)});
        branch(kEqual, kNotEqual, i + 1);
        return 1;
      }
      if (size == 4) {
        to_.at_frame({0x81}, 7, one.k); /* cmp dword [r8 + k], value */
        to_.number(__builtin_bswap32(value));
        branch(kEqual, kNotEqual, i + 1);
        return 1;
      }
    }
    if (size == 1) to_.at_frame({0x0f, kByteMove}, 0, one.k);
    else if (size == 2) to_.at_frame({0x0f, kHalfMove}, 0, one.k);
    else to_.at_frame({0x8b}, 0, one.k);
    swap(size, found_.raw_after[i]);
    return 0;
  }

  /* The value is compared with a constant right behind, and with nothing else. */
  bool compared_only(uint32_t i) const {
    const auto [yes, no] = found_.flow[i + 1];
    return program_[i + 1].code == (kBpfJmp | kBpfJeq) && !found_.target[i + 1] && !found_.live_a[yes] && !found_.live_a[no];
  }

  void load_at_x(const BpfInstruction& one) {
    const uint32_t size = bpf_bytes(one.code);
    const uint64_t end = uint64_t{one.k} + size;
    if (end > kLargestPlace) return to_.jump(reject());
    to_.bytes({0x48, 0x8d, 0x91}); /* lea rdx, [rcx + end] */
    to_.number(static_cast<uint32_t>(end));
    to_.bytes({0x4c, 0x39, 0xca}); /* cmp rdx, r9 */
    to_.jump_if(kAbove, reject());
    if (size == 1) to_.before_rdx({0x0f, kByteMove}, size);
    else if (size == 2) to_.before_rdx({0x0f, kHalfMove}, size);
    else to_.before_rdx({0x8b}, size);
  }

  void swap(uint32_t size, uint8_t raw) {
    if (raw || size == 1) return;
    if (size == 2) to_.bytes({0x66, 0xc1, 0xc0, 0x08}); /* rol ax, 8 */
    else to_.bytes({0x0f, 0xc8});                       /* bswap eax */
  }

  void load_x(const BpfInstruction& one) {
    switch (bpf_mode(one.code)) {
      case kBpfImm:
        return to_.constant(0xb9, one.k);
      case kBpfLen:
        return to_.bytes({0x44, 0x89, 0xc9}); /* mov ecx, r9d */
      case kBpfMem:
        return to_.at_word(0x8b, 1, one.k);
      default:
        if (!check(one.k, 1)) return;
        to_.at_frame({0x0f, kByteMove}, 1, one.k);
        to_.bytes({0x83, 0xe1, 0x0f, 0xc1, 0xe1, 0x02}); /* and ecx, 15; shl ecx, 2 */
    }
  }

  void arithmetic(const BpfInstruction& one, uint8_t raw) {
    const bool by_x = one.code & kBpfX;
    switch (bpf_operation(one.code)) {
      case kBpfAdd:
        return plain(by_x, 0x01, 0x05, one.k);
      case kBpfSub:
        return plain(by_x, 0x29, 0x2d, one.k);
      case kBpfOr:
        return plain(by_x, 0x09, 0x0d, one.k);
      case kBpfAnd:
        return plain(by_x, 0x21, 0x25, in_order(one.k, raw));
      case kBpfXor:
        return plain(by_x, 0x31, 0x35, one.k);
      case kBpfMul:
        if (by_x) return to_.bytes({0x0f, 0xaf, 0xc1}); /* imul eax, ecx */
        to_.bytes({0x69, 0xc0});                        /* imul eax, eax, k */
        return to_.number(one.k);
      case kBpfDiv:
      case kBpfMod:
        return divide(one);
      case kBpfLsh:
      case kBpfRsh:
        return shift(one);
      default:
        return to_.bytes({0xf7, 0xd8}); /* neg eax */
    }
  }

  void plain(bool by_x, uint8_t with_x, uint8_t with_constant, uint32_t k) {
    if (by_x) to_.bytes({with_x, 0xc8});
    else to_.constant(with_constant, k);
  }

  void divide(const BpfInstruction& one) {
    if (one.code & kBpfX) {
      to_.bytes({0x85, 0xc9}); /* test ecx, ecx */
      to_.jump_if(kEqual, reject());
      to_.bytes({0x31, 0xd2, 0xf7, 0xf1}); /* xor edx, edx; div ecx */
    } else {
      to_.bytes({0x41, 0xbc}); /* mov r12d, k */
      to_.number(one.k);
      to_.bytes({0x31, 0xd2, 0x41, 0xf7, 0xf4}); /* xor edx, edx; div r12d */
    }
    if (bpf_operation(one.code) == kBpfMod) to_.bytes({0x89, 0xd0}); /* mov eax, edx */
  }

  void shift(const BpfInstruction& one) {
    const uint8_t way = bpf_operation(one.code) == kBpfLsh ? 0xe0 : 0xe8;
    if (!(one.code & kBpfX)) return to_.bytes({0xc1, way, static_cast<uint8_t>(one.k)});
    /* xor edx, edx; shift eax, cl; cmp ecx, 31; cmova eax, edx: the CPU takes the count modulo 32, BPF does not. */
    to_.bytes({0x31, 0xd2, 0xd3, way, 0x83, 0xf9, 0x1f, 0x0f, 0x47, 0xc2});
  }

  const BpfProgram& program_;
  const uint32_t count_;
  const BpfAnalysis found_;
  BpfAssembler to_;
  uint32_t first_label_ = 0;
  uint32_t certain_ = 0;
};

}  // namespace

std::vector<uint8_t> bpf_x64_code(const BpfProgram& program) { return Compiler(program).compile(); }

}  // namespace model_t
