/*
 * A witness to order: is told of every packet that came through, in the order in which a lane gave it, and knows from the stack's
 * own operations (never from what steers packets) which packets belong together. May be told by several threads.
 */
#ifndef MODEL_T_TEST_WITNESS_H
#define MODEL_T_TEST_WITNESS_H

#include <mutex>
#include <vector>

#include "support.h"

namespace model_t::test {

/*
 * Per packet the number of what the stack has to see together, from 1; 0 = nothing that the stack puts together. A flow as
 * `flow` finds it behind eth, ip4 and ip6; all packets of two addresses between which `defrag` finds a fragment.
 */
std::vector<uint32_t> stack_flows(const TraceImage& image);

class OrderWitness {
 public:
  explicit OrderWitness(const TraceImage& image);

  /* Packet `ordinal` of the whole replay came through, in this lane. */
  void take(uint32_t lane, uint64_t ordinal);
  /* Every one of the first `ordinals` packets came, once; each flow in one lane and in its order: checks that. */
  void expect_all(uint64_t ordinals);

 private:
  struct Last {
    uint64_t next = 0; /* ordinal behind the last packet */
    uint32_t lane = UINT32_MAX;
  };

  const uint64_t packets_;
  const std::vector<uint32_t> flows_;
  std::mutex mutex_;
  std::vector<Last> last_;
  std::vector<bool> seen_;
  uint64_t taken_ = 0;
};

}  // namespace model_t::test

#endif
