/*
 * Filters: what the verifier refuses, and the interpreter and the x86-64 code against each other on programs and packets that
 * mean nothing. Frames end at a guard page; what is loaded from beyond a frame ends the test program.
 */
#include <cstring>

#include "../../stack/native/bpf_interpreter.h"
#include "../../stack/native/bpf_operation.h"
#include "../../stack/native/bpf_x64.h"
#include "support.h"

namespace model_t::test {

namespace {

Bytes encode(const BpfProgram& program) {
  Bytes bytes;
  for (const BpfInstruction& one : program) {
    bytes.push_back(static_cast<uint8_t>(one.code));
    bytes.push_back(static_cast<uint8_t>(one.code >> 8));
    bytes.push_back(one.jt);
    bytes.push_back(one.jf);
    for (int shift = 0; shift < 32; shift += 8) bytes.push_back(static_cast<uint8_t>(one.k >> shift));
  }
  return bytes;
}

/* Why the verifier refuses it; empty if it does not. */
std::string refusal(const BpfProgram& program) {
  const Bytes bytes = encode(program);
  BpfProgram read;
  std::string error;
  const bool good = read_bpf(bytes.data(), bytes.size(), &read, &error);
  CHECK(good == error.empty());
  CHECK(!good || (read.size() == program.size() && memcmp(read.data(), program.data(), bytes.size()) == 0));
  return error;
}

constexpr BpfInstruction kMatch{kBpfRet, 0, 0, 1};
constexpr BpfInstruction kOther{kBpfRet, 0, 0, 0};

void verifier_refuses() {
  CHECK_EQUAL(refusal({kMatch}), "");
  CHECK_EQUAL(refusal({{kBpfJmp | kBpfJeq, 0, 1, 5}, kMatch, kOther}), "");
  const std::vector<std::pair<const char*, BpfProgram>> refused = {
      {"1 to 4096", {}},
      {"1 to 4096", BpfProgram(4097, kMatch)},
      {"last and does not return", {kMatch, {kBpfLd | kBpfAbs, 0, 0, 0}}},
      {"last and does not return", {{kBpfMisc | kBpfTax, 0, 0, 0}}},
      {"jumps out", {{kBpfJmp | kBpfJa, 0, 0, 1}, kMatch}},
      {"jumps out", {{kBpfJmp | kBpfJa, 0, 0, 0xffffffff}, kMatch}}, /* backwards, for some */
      {"jumps out", {{kBpfJmp | kBpfJeq, 1, 0, 0}, kMatch}},
      {"jumps out", {{kBpfJmp | kBpfJset | kBpfX, 0, 1, 0}, kMatch}},
      {"jumps out", {{kBpfJmp | kBpfJgt, 0, 0, 0}}},
      {"no jump", {{kBpfJmp | 0x50, 0, 0, 0}, kMatch}},
      {"no jump", {{kBpfJmp | kBpfJa | kBpfX, 0, 0, 0}, kMatch}},
      {"divides by zero", {{kBpfAlu | kBpfDiv, 0, 0, 0}, kMatch}},
      {"divides by zero", {{kBpfAlu | kBpfMod, 0, 0, 0}, kMatch}},
      {"shifts by more", {{kBpfAlu | kBpfLsh, 0, 0, 32}, kMatch}},
      {"shifts by more", {{kBpfAlu | kBpfRsh, 0, 0, 0xffffffff}, kMatch}},
      {"no arithmetic", {{kBpfAlu | 0xb0, 0, 0, 1}, kMatch}},
      {"does not exist", {{kBpfLd | kBpfMem, 0, 0, 16}, kMatch}},
      {"does not exist", {{kBpfLdx | kBpfMem, 0, 0, 0x80000000}, kMatch}},
      {"does not exist", {{kBpfSt, 0, 0, 16}, kMatch}},
      {"does not exist", {{kBpfStx, 0, 0, 16}, kMatch}},
      {"no load", {{kBpfLdx | kBpfAbs, 0, 0, 0}, kMatch}},
      {"no load", {{kBpfLd | kBpfByte | kBpfMsh, 0, 0, 0}, kMatch}},
      {"no load", {{kBpfLdx | kBpfHalf | kBpfMsh, 0, 0, 0}, kMatch}},
      {"no load", {{kBpfLd | 0x18 | kBpfAbs, 0, 0, 0}, kMatch}},
      {"no load", {{kBpfLd | 0xc0, 0, 0, 0}, kMatch}},
      {"with a size", {{kBpfLd | kBpfByte | kBpfImm, 0, 0, 0}, kMatch}},
      {"no store", {{kBpfSt | 0x20, 0, 0, 0}, kMatch}},
      {"no return", {{kBpfRet | kBpfX, 0, 0, 0}}},
      {"unknown", {{kBpfMisc | 0x40, 0, 0, 0}, kMatch}},
      {"unknown", {{0x100 | kBpfRet, 0, 0, 0}}},
  };
  for (const auto& [part, program] : refused) {
    const std::string error = refusal(program);
    CHECK_FOR(error.find(part) != std::string::npos, std::string(part) + ": '" + error + "'");
  }
  const Bytes bytes = encode({kMatch});
  BpfProgram read;
  std::string error;
  CHECK(!read_bpf(bytes.data(), 7, &read, &error) && error.find("7 bytes") != std::string::npos);
}

/* Nearly always valid; constants and places that a packet may have, and some that none has. */
BpfInstruction some_instruction(Random& random, uint32_t left) {
  static const uint16_t kCodes[] = {
      kBpfLd | kBpfWord | kBpfAbs, kBpfLd | kBpfHalf | kBpfAbs, kBpfLd | kBpfByte | kBpfAbs, kBpfLd | kBpfWord | kBpfInd,
      kBpfLd | kBpfHalf | kBpfInd, kBpfLd | kBpfByte | kBpfInd, kBpfLd | kBpfImm,            kBpfLd | kBpfLen,
      kBpfLd | kBpfMem,            kBpfLdx | kBpfImm,           kBpfLdx | kBpfLen,           kBpfLdx | kBpfMem,
      kBpfLdx | kBpfByte | kBpfMsh, kBpfSt,                     kBpfStx,                     kBpfMisc | kBpfTax,
      kBpfMisc | kBpfTxa,          kBpfRet,                     kBpfRet | kBpfRetA,          kBpfJmp | kBpfJa};
  static const uint32_t kConstants[] = {0, 1, 2, 4, 15, 31, 32, 0x7f, 0x80, 0xff, 0x100, 0x800, 0xff00, 0xffff, 0x10000, 0xff0000, 0x7fffffff, 0x80000000, 0xfffffffe, 0xffffffff};
  BpfInstruction one{};
  const uint32_t sort = random.below(10);
  if (sort < 4) {
    one.code = static_cast<uint16_t>(kBpfJmp | (1 + random.below(4)) << 4 | (random.one_in(4) ? kBpfX : 0));
    one.jt = static_cast<uint8_t>(random.below(left < 8 ? left : 8));
    one.jf = static_cast<uint8_t>(random.below(left < 8 ? left : 8));
  } else if (sort < 6) {
    one.code = static_cast<uint16_t>(kBpfAlu | random.below(11) << 4 | (random.one_in(3) ? kBpfX : 0));
    if (bpf_operation(one.code) == kBpfNeg) one.code = kBpfAlu | kBpfNeg;
  } else {
    one.code = random.one_in(2) ? kCodes[random.below(6)] : random.pick(kCodes);
    if (bpf_class(one.code) == kBpfRet && !random.one_in(4)) one.code = kBpfLd | kBpfHalf | kBpfAbs;
  }
  one.k = random.one_in(3) ? random.pick(kConstants) : random.one_in(3) ? static_cast<uint32_t>(random.next()) : random.below(80);
  const bool word = bpf_class(one.code) == kBpfSt || bpf_class(one.code) == kBpfStx || (bpf_class(one.code) <= kBpfLdx && bpf_mode(one.code) == kBpfMem);
  if (word) one.k = random.below(kBpfMemoryWords);
  if (bpf_class(one.code) == kBpfLd && (bpf_mode(one.code) & 0x60) && !random.one_in(6)) one.k = word ? one.k : random.below(70);
  if (one.code == (kBpfJmp | kBpfJa)) one.k = random.below(left < 4 ? left : 4);
  if (bpf_class(one.code) == kBpfAlu && !(one.code & kBpfX)) {
    const uint16_t operation = bpf_operation(one.code);
    if (operation == kBpfLsh || operation == kBpfRsh) one.k = random.below(32);
    if ((operation == kBpfDiv || operation == kBpfMod) && one.k == 0) one.k = 7;
  }
  return one;
}

BpfProgram some_program(Random& random) {
  BpfProgram program;
  const uint32_t count = 1 + random.below(random.one_in(5) ? 120 : 20);
  for (uint32_t i = 0; i < count; i++) program.push_back(some_instruction(random, count - i));
  program.push_back(random.one_in(2) ? BpfInstruction{kBpfRet | kBpfRetA, 0, 0, 0} : random.one_in(2) ? kMatch : kOther);
  return program;
}

/* Ends at the guard: nothing behind a frame may be read, not even the rest of its line. */
const uint8_t* lay_to_the_end(const GuardedSlots& slots, uint32_t index, const Bytes& frame) {
  uint8_t* const at = slots.last(index, static_cast<uint32_t>(frame.size()));
  if (!frame.empty()) memcpy(at, frame.data(), frame.size());
  return at;
}

/* Values of packets that programs compare with constants of some_instruction. */
void sprinkle(Random& random, Bytes& frame) {
  for (uint32_t i = 0; i < frame.size(); i++) frame[i] = random.one_in(2) ? static_cast<uint8_t>(random.next()) : static_cast<uint8_t>(random.one_in(2) ? 0 : 0xff);
}

void code_and_interpreter_agree() {
  Random random(40);
  const uint32_t kFrames = 96;
  const GuardedSlots slots(kFrames, 256);
  uint64_t matching = 0, all = 0;
  uint32_t compiled = 0;
  for (uint32_t round = 0; round < rounds(6000) && !failing(); round++) {
    const BpfProgram program = some_program(random);
    const std::string refused = refusal(program);
    if (!CHECK_FOR(refused.empty(), "program " + std::to_string(round) + ": " + refused)) return;
    std::string error;
    const std::unique_ptr<BpfNative> native = BpfNative::compile(program, &error);
#if defined(__x86_64__)
    if (!CHECK_FOR(native != nullptr, error)) return;
#else
    CHECK(native == nullptr && !error.empty());
    return;
#endif
    compiled++;
    const uint8_t* frames[kFrames];
    uint32_t lengths[kFrames];
    for (uint32_t i = 0; i < kFrames; i++) {
      Bytes frame(i < 70 ? i : random.below(150));
      sprinkle(random, frame);
      frames[i] = lay_to_the_end(slots, i, frame);
      lengths[i] = static_cast<uint32_t>(frame.size());
    }
    uint8_t leaves[kFrames + 1];
    memset(leaves, 0xaa, sizeof leaves);
    const uint32_t count = random.below(kFrames + 1);
    const uint64_t matches = native->run(frames, lengths, count, leaves);
    uint64_t wanted = 0;
    for (uint32_t i = 0; i < count; i++) {
      const bool match = interpret_bpf(program.data(), frames[i], lengths[i]) != 0;
      wanted += match;
      CHECK_FOR(leaves[i] == !match, "program " + std::to_string(round) + ", frame of " + std::to_string(lengths[i]) + " bytes");
    }
    CHECK(matches == wanted);
    CHECK(leaves[count] == 0xaa);
    matching += wanted;
    all += count;
  }
  CHECK(compiled == 0 || (matching * 20 > all && matching * 20 < all * 19));
}

/* Short cuts of the compiler where they must not be taken; random programs seldom get there. */
void short_cuts_are_taken_with_care() {
  const uint8_t frame[8] = {0, 1, 5, 0, 0, 0, 1, 2};
  const uint8_t* at = frame;
  const uint32_t length = sizeof frame;
  const std::vector<std::pair<bool, BpfProgram>> cases = {
      /* A half word is never larger than 16 bits. */
      {false, {{kBpfLd | kBpfHalf | kBpfAbs, 0, 0, 0}, {kBpfJmp | kBpfJeq, 0, 1, 0x10001}, kMatch, kOther}},
      {false, {{kBpfLd | kBpfHalf | kBpfAbs, 0, 0, 0}, {kBpfJmp | kBpfJset, 0, 1, 0x10000}, kMatch, kOther}},
      {false, {{kBpfLd | kBpfByte | kBpfAbs, 0, 0, 2}, {kBpfJmp | kBpfJeq, 0, 1, 0x105}, kMatch, kOther}},
      /* What was compared in memory is wanted in A after all: where it is equal, where it is not. */
      {true, {{kBpfLd | kBpfImm, 0, 0, 0}, {kBpfLd | kBpfByte | kBpfAbs, 0, 0, 2}, {kBpfJmp | kBpfJeq, 0, 1, 5}, {kBpfRet | kBpfRetA, 0, 0, 0}, kOther}},
      {true, {{kBpfLd | kBpfImm, 0, 0, 0}, {kBpfLd | kBpfWord | kBpfAbs, 0, 0, 4}, {kBpfJmp | kBpfJeq, 1, 0, 5}, {kBpfRet | kBpfRetA, 0, 0, 0}, kOther}},
      /* Compared in packet order, then wanted as a number; from one load, from two of different size. */
      {true, {{kBpfLd | kBpfHalf | kBpfAbs, 0, 0, 0}, {kBpfJmp | kBpfJeq, 0, 1, 1}, {kBpfJmp | kBpfJgt, 1, 0, 1}, kMatch, kOther}},
      {true, {{kBpfLd | kBpfHalf | kBpfAbs, 0, 0, 6}, {kBpfJmp | kBpfJeq, 1, 0, 7}, {kBpfLd | kBpfWord | kBpfAbs, 0, 0, 4}, {kBpfJmp | kBpfJeq, 0, 1, 0x102}, kMatch, kOther}},
      {true, {{kBpfLd | kBpfHalf | kBpfAbs, 0, 0, 6}, {kBpfAlu | kBpfAnd, 0, 0, 0xff00}, {kBpfJmp | kBpfJeq, 0, 1, 0x100}, kMatch, kOther}},
  };
  for (size_t i = 0; i < cases.size(); i++) {
    const auto& [match, program] = cases[i];
    std::string error;
    CHECK_EQUAL(refusal(program), "");
    CHECK_FOR((interpret_bpf(program.data(), frame, length) != 0) == match, std::to_string(i));
    const std::unique_ptr<BpfNative> native = BpfNative::compile(program, &error);
    uint8_t leaves = 2;
    if (native) CHECK_FOR((native->run(&at, &length, 1, &leaves) == 1) == match && leaves == !match, std::to_string(i));
  }
}

/* Noise is refused, or else ends within itself. */
void noise_does_no_harm() {
  Random random(41);
  const GuardedSlots slots(1, 256);
  uint32_t accepted = 0;
  for (uint32_t round = 0; round < rounds(60000) && !failing(); round++) {
    Bytes bytes(8 * (1 + random.below(3)));
    random.fill(bytes.data(), bytes.size());
    for (size_t i = 0; i < bytes.size(); i += 8) {
      bytes[i + 1] = random.one_in(20) ? bytes[i + 1] : 0;
      bytes[i + 2] &= random.one_in(4) ? 0xff : 1;
      bytes[i + 3] &= random.one_in(4) ? 0xff : 1;
    }
    bytes[bytes.size() - 8] = random.one_in(10) ? bytes[bytes.size() - 8] : static_cast<uint8_t>(kBpfRet);
    BpfProgram program;
    std::string error;
    if (!read_bpf(bytes.data(), bytes.size(), &program, &error)) continue;
    accepted++;
    const Bytes frame(random.below(100), 0x45);
    const uint32_t length = static_cast<uint32_t>(frame.size());
    const uint8_t* at = lay_to_the_end(slots, 0, frame);
    uint8_t leaves = 2;
    const bool match = interpret_bpf(program.data(), at, length) != 0;
    const std::unique_ptr<BpfNative> native = BpfNative::compile(program, &error);
    if (native) CHECK(native->run(&at, &length, 1, &leaves) == match && leaves == !match);
  }
  CHECK(accepted > rounds(60000) / 100);
}

/* The bodies as a program of the stack runs them. */
void bodies_drop_what_does_not_match() {
  const Bytes code = encode({{kBpfLd | kBpfHalf | kBpfAbs, 0, 0, 12}, {kBpfJmp | kBpfJeq, 0, 1, 0x800}, kMatch, kOther});
  const uint8_t ip[14] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 8, 0};
  const uint8_t arp[14] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 8, 6};
  for (const char* variant : {"interpreter", "native"}) {
    const OperationBody* body = find_operation("bpf", variant);
    if (!CHECK_FOR(body != nullptr && body->flags == kDrops, variant)) return;
    char error[256] = {};
    OperationArgument argument;
    argument.data = code.data();
    argument.data_bytes = static_cast<uint32_t>(code.size()) - 8;
    CHECK(body->create(argument, error) == nullptr && strlen(error) > 10);
    argument.data_bytes += 8;
    OperationState state;
    state.memory = body->create(argument, error);
    if (!state.memory) continue; /* no executable pages on this machine */
    auto burst = std::make_unique<Burst256>();
    burst->count = kBurstCapacity;
    for (uint32_t i = 0; i < kBurstCapacity; i++) {
      burst->frames[i] = i % 3 ? arp : ip;
      burst->lengths[i] = i == 3 ? 13 : 14;
      burst->leaves[i] = 7;
    }
    body->run(*burst, state);
    for (uint32_t i = 0; i < kBurstCapacity; i++) CHECK_EQUAL(static_cast<uint32_t>(burst->leaves[i]), uint32_t{i % 3 != 0 || i == 3});
    CHECK_EQUAL(state.verdicts[0], uint64_t{85});
    CHECK_EQUAL(state.verdicts[1], uint64_t{171});
    burst->count = 0;
    body->run(*burst, state);
    CHECK_EQUAL(state.verdicts[0] + state.verdicts[1], uint64_t{256});
    body->destroy(state.memory);
  }
}

}  // namespace

extern const std::vector<Test> bpf_tests;
const std::vector<Test> bpf_tests = {
    {"filters: the verifier refuses what could do harm", verifier_refuses},
    {"filters: machine code and interpreter agree on random programs and packets", code_and_interpreter_agree},
    {"filters: short cuts of the compiler are taken with care", short_cuts_are_taken_with_care},
    {"filters: noise does no harm", noise_does_no_harm},
    {"filters: bodies drop what does not match", bodies_drop_what_does_not_match},
};

}  // namespace model_t::test
