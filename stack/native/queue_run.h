/*
 * The queue experiment (paper, III, Figure 2): pull a queue of N packets in memory through a program, on chosen cores.
 *
 *   for each core: queue of its own -> reference lap (scalar, unfused) -> check lap -> barrier -> laps until time is up
 *
 * Replicated: each core runs the whole chain over its own queue. Nothing is believed that was not checked: verdicts and the rows
 * that reach the end must be the reference's in the check lap; in the timed laps verdicts must be those again (of programs without
 * state, or that are new in each lap); the packets must be the same bytes afterwards. Called from a worker thread of the binding; owns its threads.
 */
#ifndef MODEL_T_STACK_QUEUE_RUN_H
#define MODEL_T_STACK_QUEUE_RUN_H

#include <string>
#include <vector>

#include "packet_queue.h"
#include "program.h"

namespace model_t {

struct QueueConfig {
  ProgramPlan program;
  ProgramPlan reference; /* the same pipeline in scalar bodies, nothing fused */
  const char* isa = "scalar"; /* of the read loop */
  PacketSet set;
  uint64_t packets = 0;  /* on each core */
  uint32_t stride = 0;   /* bytes from slot to slot; 0 = packed */
  std::vector<int> cpus; /* -1 = not pinned */
  double seconds = 0;
  bool stateless = true; /* the program keeps nothing between packets: every lap has the same verdicts */
  bool fresh = false;    /* a new program for each lap, made outside the time: to streams, packets that come again are old */
  bool reads_only = false; /* no program: read every byte of the queue, the bound that payload operations are held to */
};

struct QueueStep {
  StepStatistics statistics;
  uint64_t verdicts[kOperationVerdicts] = {}; /* of one lap, on all cores */
};

struct QueueCore {
  int cpu = -1;
  uint64_t laps = 0;
  uint64_t packets = 0;
  uint64_t bytes = 0; /* captured */
  double seconds = 0;
  uint64_t cycles = 0; /* of the time-stamp counter */
  double window_cycles = 0; /* of the same per packet in the median window of a millisecond: without what interrupted others */
  double clock = 0;    /* core cycles for each of those, by a chain of additions between the laps */
};

struct QueueOutcome {
  std::string error;   /* could not be run */
  std::string problem; /* ran, and was wrong: no rate may be quoted */
  std::vector<QueueCore> cores;
  std::vector<QueueStep> steps;
  uint64_t queue_bytes = 0; /* slots of one core */
  uint64_t digest = 0;      /* rows that reached the end in the check lap, with their classes */
};

/* Blocks for about `seconds` and two laps. */
QueueOutcome run_queue(const QueueConfig& config);

/* Ends all that run now, within a lap; their figures mean nothing. Any thread. */
void stop_queues();

}  // namespace model_t

#endif
