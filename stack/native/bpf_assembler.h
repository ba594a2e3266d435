/*
 * The x86-64 instructions that bpf_x64_code.cc needs, by what they do there. Registers: rdi frames, rsi lengths, r10 leaves,
 * r11 count, rbx index, rbp matches, r8 frame, r9 its length (upper half zero), eax A, ecx X (upper half zero),
 * rdx and r12 scratch; scratch words at rsp. Private to bpf_x64_code.cc.
 */
#ifndef MODEL_T_STACK_BPF_ASSEMBLER_H
#define MODEL_T_STACK_BPF_ASSEMBLER_H

#include <cstring>
#include <initializer_list>

#include "bpf_code.h"

namespace model_t {

enum BpfCondition : uint8_t { kBelow = 2, kAtLeast = 3, kEqual = 4, kNotEqual = 5, kAtMost = 6, kAbove = 7 };

class BpfAssembler {
 public:
  explicit BpfAssembler(uint32_t labels) : places_(labels, 0) {}

  const std::vector<uint8_t>& code() const { return code_; }
  uint64_t size() const { return code_.size(); }

  void bytes(std::initializer_list<uint8_t> values) { code_.insert(code_.end(), values); }
  void number(uint32_t value) {
    for (int shift = 0; shift < 32; shift += 8) code_.push_back(static_cast<uint8_t>(value >> shift));
  }
  /* Operation on eax with a constant: add, or, and, sub, xor, cmp, test and mov have the form opcode, number. */
  void constant(uint8_t opcode, uint32_t value) {
    code_.push_back(opcode);
    number(value);
  }

  void place(uint32_t label) { places_[label] = static_cast<uint32_t>(code_.size()); }
  void jump(uint32_t label) {
    code_.push_back(0xe9);
    refer(label);
  }
  void jump_if(BpfCondition condition, uint32_t label) {
    bytes({0x0f, static_cast<uint8_t>(0x80 | condition)});
    refer(label);
  }
  /* Fills in the distances of all jumps. */
  void finish() {
    for (const Reference& one : references_) {
      const uint32_t distance = places_[one.label] - (one.at + 4);
      memcpy(code_.data() + one.at, &distance, sizeof distance);
    }
  }

  /* OPCODE with the frame byte at `offset` as operand and `field` in the middle of its address byte; offset < 2^31. */
  void at_frame(std::initializer_list<uint8_t> opcode, uint8_t field, uint32_t offset) {
    code_.push_back(0x41);
    bytes(opcode);
    if (offset < 128) {
      bytes({static_cast<uint8_t>(0x40 | field << 3), static_cast<uint8_t>(offset)});
    } else {
      code_.push_back(static_cast<uint8_t>(0x80 | field << 3));
      number(offset);
    }
  }
  /* The same with the bytes before frame + rdx as operand. */
  void before_rdx(std::initializer_list<uint8_t> opcode, uint32_t size) {
    code_.push_back(0x41);
    bytes(opcode);
    bytes({0x44, 0x10, static_cast<uint8_t>(0u - size)});
  }
  /* OPCODE with a scratch word as operand: 0x8b loads, 0x89 stores; field 0 = eax, 1 = ecx. */
  void at_word(uint8_t opcode, uint8_t field, uint32_t word) {
    bytes({opcode, static_cast<uint8_t>(0x44 | field << 3), 0x24, static_cast<uint8_t>(word * 4)});
  }

 private:
  struct Reference {
    uint32_t at, label;
  };

  void refer(uint32_t label) {
    references_.push_back({static_cast<uint32_t>(code_.size()), label});
    number(0);
  }

  std::vector<uint8_t> code_;
  std::vector<uint32_t> places_;
  std::vector<Reference> references_;
};

}  // namespace model_t

#endif
