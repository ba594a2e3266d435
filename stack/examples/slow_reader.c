/*
 * slow_reader.c - a reader of a Model-T ring that is slow in a chosen way: what a ring that sizes itself is tried with
 * (model-t bench sizing --stall).
 *
 *   slow_reader RING WORK STALL EVERY     WORK: nanoseconds of work for each packet; STALL: milliseconds asleep after EVERY packets
 *
 * A reader that works slows the producer down at any ring size; one that stalls does not, if the ring holds what is produced
 * meanwhile. Prints what it read. Exit codes: 0 end of stream, 2 usage or no such ring, 4 the producer died or the ring is corrupt.
 */
#include "../include/model_t_ring.h"

#include <inttypes.h>
#include <stdlib.h>

#define BURST 256

static uint64_t now_ns(void) {
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

/* A whole number up to a limit; -1 if it is none. */
static int64_t number(const char* text, int64_t most) {
  char* end;
  errno = 0;
  const long long value = strtoll(text, &end, 10);
  return errno != 0 || *end != 0 || end == text || value < 0 || value > most ? -1 : value;
}

int main(int count, char** words) {
  const int64_t work = count == 5 ? number(words[2], 1000000) : -1;
  const int64_t stall = count == 5 ? number(words[3], 10000) : -1;
  const int64_t every = count == 5 ? number(words[4], INT64_MAX) : -1;
  if (work < 0 || stall < 0 || every < 1) {
    fprintf(stderr, "usage: slow_reader RING NANOSECONDS-PER-PACKET MILLISECONDS-STALLED PACKETS-BETWEEN-STALLS\n");
    return 2;
  }
  model_t_reader reader;
  if (model_t_ring_attach(&reader, words[1], MODEL_T_BLOCK, 30000) != 0) {
    fprintf(stderr, "slow_reader: %s\n", reader.error);
    return 2;
  }
  model_t_packet packets[BURST];
  uint64_t bytes = 0, until_stall = (uint64_t)every;
  int received;
  while ((received = model_t_ring_receive(&reader, packets, BURST)) >= 0) {
    const uint64_t done = work > 0 && received > 0 ? now_ns() + (uint64_t)work * (uint64_t)received : 0;
    for (int i = 0; i < received; i++) bytes += packets[i].length;
    while (done > 0 && now_ns() < done) model_t_pause();
    model_t_ring_release(&reader);
    if (until_stall > (uint64_t)received) {
      until_stall -= (uint64_t)received;
      continue;
    }
    until_stall = (uint64_t)every;
    if (stall > 0) {
      const struct timespec nap = {stall / 1000, stall % 1000 * 1000000};
      nanosleep(&nap, NULL);
    }
  }
  if (received != MODEL_T_END) fprintf(stderr, "slow_reader: %s\n", reader.error);
  else printf("packets %" PRIu64 " bytes %" PRIu64 "\n", reader.delivered, bytes);
  model_t_ring_detach(&reader);
  return received == MODEL_T_END ? 0 : 4;
}
