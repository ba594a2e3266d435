/*
 * What it costs to hand packets from one core to another: two pinned threads, one ring, bursts of a fixed size.
 *
 *   producer: wait for room -> write a burst -> publish once        consumer: wait -> read every packet -> release once
 *
 * Nothing else is done with packets: no frame is written or read. Called from a worker thread of the binding; owns its threads.
 */
#ifndef MODEL_T_STACK_HOP_RUN_H
#define MODEL_T_STACK_HOP_RUN_H

#include <cstdint>
#include <string>

namespace model_t {

enum class HopRing {
  descriptors, /* the ring between a replay and its readers: descriptors and times, checked by the consumer as intake does */
  stages,      /* the ring between stages of a path: bursts of columns that stay where they are */
};

struct HopConfig {
  HopRing ring = HopRing::descriptors;
  uint32_t burst = 0; /* packets, 1 to 256 */
  int producer_cpu = -1;
  int consumer_cpu = -1;
  double seconds = 0;
};

struct HopOutcome {
  std::string error;
  double cycles = 0;  /* of the time-stamp counter per packet, in the consumer's median window */
  double fastest = 0; /* the same in its fastest */
  double slowest = 0;
  uint64_t windows = 0;
  uint64_t packets = 0;
};

/* Blocks for about `seconds`, ten times as long where the CPUs are taken. The consumer checks that packets arrive whole and in order. */
HopOutcome run_hop(const HopConfig& config);

}  // namespace model_t

#endif
