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
  uint8_t pad_80[48];
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
static_assert(sizeof(ProducerBlock) == 128, "ProducerBlock");

/* Written by one container thread once per burst, with relaxed stores. */
struct ContainerBlock {
  uint64_t delivered; /* packets consumed intact */
  uint64_t bytes; /* captured frame bytes of those packets */
  uint64_t lost; /* packets overwritten before they were read (policy lag) */
  uint64_t bursts; /* bursts consumed */
  uint64_t empty_polls; /* polls that found nothing */
  uint8_t pad_40[88];
};
static_assert(offsetof(ContainerBlock, delivered) == 0, "ContainerBlock.delivered");
static_assert(offsetof(ContainerBlock, bytes) == 8, "ContainerBlock.bytes");
static_assert(offsetof(ContainerBlock, lost) == 16, "ContainerBlock.lost");
static_assert(offsetof(ContainerBlock, bursts) == 24, "ContainerBlock.bursts");
static_assert(offsetof(ContainerBlock, empty_polls) == 32, "ContainerBlock.empty_polls");
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
