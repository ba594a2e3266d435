/*
 * Statistics page: one 128-byte block per thread and operation, written by C++, read by TypeScript while a run goes on.
 * Generated from stack/layout.ts by `npm run layouts`; do not edit.
 */
#ifndef MODEL_T_STACK_STATISTICS_LAYOUT_H
#define MODEL_T_STACK_STATISTICS_LAYOUT_H

#include <cstddef>
#include <cstdint>

namespace model_t {

constexpr uint32_t kMaxVerdicts = 8;

/* Written by the producer thread whose turn it is, once per burst, with relaxed stores. */
struct ProducerBlock {
  uint64_t phase; /* 0 waiting for readers, 1 running, 2 draining, 3 done */
  uint64_t offered; /* packets produced, dropped ones included */
  uint64_t bytes; /* captured frame bytes of those packets, once production has ended */
  uint64_t laps; /* laps completed */
  uint64_t dropped; /* packets dropped because a drop reader had no room */
  uint64_t started_ns; /* CLOCK_MONOTONIC when the first burst began */
  uint64_t updated_ns; /* CLOCK_MONOTONIC at the last update */
  uint64_t ring_distance; /* positions published and not consumed by the slowest reader */
  uint64_t wait_cycles; /* time-stamp cycles spent waiting for room */
  uint64_t failed_readers; /* readers that died or broke the ring */
  uint64_t ring_bytes; /* of the region, in use now (DESIGN 4.3: resizing) */
  uint64_t resizes; /* how often that changed */
  uint8_t pad_96[32];
};
static_assert(offsetof(ProducerBlock, phase) == 0, "ProducerBlock.phase");
static_assert(offsetof(ProducerBlock, offered) == 8, "ProducerBlock.offered");
static_assert(offsetof(ProducerBlock, bytes) == 16, "ProducerBlock.bytes");
static_assert(offsetof(ProducerBlock, laps) == 24, "ProducerBlock.laps");
static_assert(offsetof(ProducerBlock, dropped) == 32, "ProducerBlock.dropped");
static_assert(offsetof(ProducerBlock, started_ns) == 40, "ProducerBlock.started_ns");
static_assert(offsetof(ProducerBlock, updated_ns) == 48, "ProducerBlock.updated_ns");
static_assert(offsetof(ProducerBlock, ring_distance) == 56, "ProducerBlock.ring_distance");
static_assert(offsetof(ProducerBlock, wait_cycles) == 64, "ProducerBlock.wait_cycles");
static_assert(offsetof(ProducerBlock, failed_readers) == 72, "ProducerBlock.failed_readers");
static_assert(offsetof(ProducerBlock, ring_bytes) == 80, "ProducerBlock.ring_bytes");
static_assert(offsetof(ProducerBlock, resizes) == 88, "ProducerBlock.resizes");
static_assert(sizeof(ProducerBlock) == 128, "ProducerBlock");

/* One path; written with relaxed stores, once per burst, by the container that runs its intake; `disordered` by the one that runs its last stage. */
struct PathBlock {
  uint64_t delivered; /* packets consumed intact */
  uint64_t bytes; /* captured frame bytes of those packets */
  uint64_t lost; /* packets overwritten before they were read (policy lag) */
  uint64_t bursts; /* bursts consumed */
  uint64_t in_flight; /* bursts taken in and not yet through the last stage */
  uint64_t switches; /* placements changed while packets flowed */
  uint64_t blocked_ns; /* time during which intake stood still for switches, all of them together */
  uint64_t longest_blocked_ns; /* the longest of those times */
  uint64_t disordered; /* bursts that came to the end out of turn: 0, or there is a bug */
  uint8_t pad_72[56];
};
static_assert(offsetof(PathBlock, delivered) == 0, "PathBlock.delivered");
static_assert(offsetof(PathBlock, bytes) == 8, "PathBlock.bytes");
static_assert(offsetof(PathBlock, lost) == 16, "PathBlock.lost");
static_assert(offsetof(PathBlock, bursts) == 24, "PathBlock.bursts");
static_assert(offsetof(PathBlock, in_flight) == 32, "PathBlock.in_flight");
static_assert(offsetof(PathBlock, switches) == 40, "PathBlock.switches");
static_assert(offsetof(PathBlock, blocked_ns) == 48, "PathBlock.blocked_ns");
static_assert(offsetof(PathBlock, longest_blocked_ns) == 56, "PathBlock.longest_blocked_ns");
static_assert(offsetof(PathBlock, disordered) == 64, "PathBlock.disordered");
static_assert(sizeof(PathBlock) == 128, "PathBlock");

/* Written by one container thread, once per turn over its agents, with relaxed stores. */
struct ContainerBlock {
  uint64_t state; /* 0 starting, 1 running, 2 paused, 3 stopped */
  uint64_t thread_id; /* as the kernel knows it (/proc/self/task) */
  uint64_t updated_ns; /* CLOCK_MONOTONIC at the last look: a heartbeat */
  uint64_t turns; /* turns over the agents */
  uint64_t idle_turns; /* turns that found nothing to do */
  uint64_t work; /* what the agents say they did, packets mostly */
  uint64_t busy_cycles; /* time-stamp cycles of turns that did something */
  uint64_t idle_cycles; /* time-stamp cycles of turns that did not, and of waiting between them */
  uint8_t pad_64[64];
};
static_assert(offsetof(ContainerBlock, state) == 0, "ContainerBlock.state");
static_assert(offsetof(ContainerBlock, thread_id) == 8, "ContainerBlock.thread_id");
static_assert(offsetof(ContainerBlock, updated_ns) == 16, "ContainerBlock.updated_ns");
static_assert(offsetof(ContainerBlock, turns) == 24, "ContainerBlock.turns");
static_assert(offsetof(ContainerBlock, idle_turns) == 32, "ContainerBlock.idle_turns");
static_assert(offsetof(ContainerBlock, work) == 40, "ContainerBlock.work");
static_assert(offsetof(ContainerBlock, busy_cycles) == 48, "ContainerBlock.busy_cycles");
static_assert(offsetof(ContainerBlock, idle_cycles) == 56, "ContainerBlock.idle_cycles");
static_assert(sizeof(ContainerBlock) == 128, "ContainerBlock");

/* One operation in one container; written by that container once per burst, with relaxed stores. */
struct OperationBlock {
  uint64_t packets; /* packets handed to the operation */
  uint64_t calls; /* bursts handed to the operation */
  uint64_t cycles; /* time-stamp cycles spent inside it on the timed packets */
  uint64_t timed_packets; /* packets of the bursts that were timed, one in eight */
  uint64_t verdicts[8]; /* packets by verdict, in declared order */
  uint8_t pad_96[32];
};
static_assert(offsetof(OperationBlock, packets) == 0, "OperationBlock.packets");
static_assert(offsetof(OperationBlock, calls) == 8, "OperationBlock.calls");
static_assert(offsetof(OperationBlock, cycles) == 16, "OperationBlock.cycles");
static_assert(offsetof(OperationBlock, timed_packets) == 24, "OperationBlock.timed_packets");
static_assert(offsetof(OperationBlock, verdicts) == 32, "OperationBlock.verdicts");
static_assert(sizeof(OperationBlock) == 128, "OperationBlock");

}  // namespace model_t

#endif
