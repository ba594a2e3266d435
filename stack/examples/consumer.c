/*
 * consumer.c - the smallest useful reader of a Model-T ring: counts packets and bytes, and hashes them. Copy it to start.
 *
 *   $ cc -std=c11 -O2 stack/examples/consumer.c -o consumer      $ ./consumer demo
 *   $ model-t replay capture.pcap --to ring:demo                 packets 1000 bytes 242000 lost 0 digest 36c7...
 *
 *   model-t replay ---> /dev/shm/model-t.demo ---> attach -> receive -> look at packets -> release -> ... -> end of stream
 *    (producer)          (ring, mode 0600)                      ^------------------------------'
 *
 * Exit codes: 0 end of stream, 2 usage or no such ring, 4 the producer died or the ring is corrupt (why: on stderr).
 * The digest is the one that `model-t replay --to stack` prints for the same replay. Test: test/replay/ring.test.ts.
 */
#include "../include/model_t_ring.h"

#include <inttypes.h>

#define BURST 256

/* What a slow reader means: block - the producer waits for us; lag - we lose packets; drop - the producer drops new ones. */
static int parse_policy(const char* text, enum model_t_policy* policy) {
  if (strcmp(text, "block") == 0) *policy = MODEL_T_BLOCK;
  else if (strcmp(text, "lag") == 0) *policy = MODEL_T_LAG;
  else if (strcmp(text, "drop") == 0) *policy = MODEL_T_DROP;
  else return -1;
  return 0;
}

int main(int count, char** words) {
  enum model_t_policy policy = MODEL_T_BLOCK;
  if (count < 2 || count > 3 || (count == 3 && parse_policy(words[2], &policy) != 0)) {
    fprintf(stderr, "usage: consumer RING [block|lag|drop]\n");
    return 2;
  }
  model_t_reader reader;
  if (model_t_ring_attach(&reader, words[1], policy, 10000) != 0) { /* waits up to 10 s for the producer */
    fprintf(stderr, "consumer: %s\n", reader.error);
    return 2;
  }
  model_t_packet packets[BURST];
  uint64_t bytes = 0, digest = 0;
  int received;
  while ((received = model_t_ring_receive(&reader, packets, BURST)) >= 0) { /* 0: nothing yet; it naps by itself */
    uint64_t burst_bytes = 0, burst_digest = 0;
    for (int i = 0; i < received; i++) {
      burst_bytes += packets[i].length;
      burst_digest += model_t_digest_packet(packets[i].frame, packets[i].length, 0);
    }
    /* Only now is it certain that the bytes were still the packet's: with `lag` the producer may have been faster. */
    if (received > 0 && model_t_ring_release(&reader) == 0) {
      bytes += burst_bytes;
      digest += burst_digest;
    }
  }
  if (received != MODEL_T_END) fprintf(stderr, "consumer: %s\n", reader.error);
  else printf("packets %" PRIu64 " bytes %" PRIu64 " lost %" PRIu64 " digest %016" PRIx64 "\n", reader.delivered, bytes, reader.lost, digest);
  model_t_ring_detach(&reader);
  return received == MODEL_T_END ? 0 : 4;
}
