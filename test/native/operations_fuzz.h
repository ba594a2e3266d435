/* Parts of operations_fuzz.cc: hostile packets in the order in which they come, and the chains they are sent through. */
#ifndef MODEL_T_TEST_OPERATIONS_FUZZ_H
#define MODEL_T_TEST_OPERATIONS_FUZZ_H

#include <string>
#include <vector>

#include "talk.h"

namespace model_t::test {

/* Frames are cut to this, so that a slot of 2 KiB holds each. */
constexpr uint32_t kLargestFrame = 2046;

/* Conversations, fragments, odd frames and captured ones, most of them changed: bits, extreme bytes, lengths, ends, order. */
class HostilePackets {
 public:
  HostilePackets(uint64_t seed, const std::vector<Bytes>& captured) : random_(seed), captured_(captured) {}
  /* `steady`: times go on by less than a microsecond a packet; else they jump, back too. */
  std::vector<Packet> next(uint32_t count, bool steady);

 private:
  void add_captured();
  void add_segments();
  void add_fragments();
  void mutate(Bytes& frame);
  void change_length(Bytes& frame);
  void disorder(std::vector<Packet>& packets);

  Random random_;
  const std::vector<Bytes>& captured_;
  std::vector<Packet> made_;
  uint64_t time_ = 1700000000ull * 1000000000;
  uint32_t sequences_[2][8] = {}; /* of eight connections at a time, what comes next in each direction */
  uint32_t ports_[8] = {};
};

/* What of the rows at the end of a chain must be the same in every variant. */
enum Look : uint32_t {
  kLookHeaders = 1, /* types, networks and, of sound packets, transports, ends, protocols, marks */
  kLookClasses = 2,
  kLookPayloads = 4,
  kLookStreams = 8, /* payloads stream by stream, however they are cut into rows */
  kLookFrames = 16, /* the bytes of the packet */
};

struct FuzzStep {
  std::string name;
  uint32_t parameter = 0;
  uint32_t wants = 0;
  std::vector<uint8_t> data = {};
};

/* The last step is the operation under test. */
struct FuzzChain {
  std::vector<FuzzStep> steps;
  uint32_t needs = 0; /* Need bits */
  uint32_t look = 0;
  bool fused = false; /* variants run it as a header pass */
  std::string name() const;
};

/* Every operation behind the chain that gives it its columns, with arguments of every kind. */
std::vector<FuzzChain> operation_chains();
/* eth | ip4 and some of what a header pass takes. */
FuzzChain fused_chain(Random& random);

}  // namespace model_t::test

#endif
