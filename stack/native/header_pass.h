/*
 * Fusion: `eth | ip4 | ...` as one pass that keeps the headers of eight packets in registers.
 *
 *   row:      32 + 16 bytes of each header, loaded and turned into columns of eight lanes
 *   lanes:    Ethernet type, version, lengths, fragments, checksum, ports, TCP data offset, all at once
 *   plain:    IPv4 without options or fragments, everything complete and right: counted, classified, done
 *   unusual:  all else: the row's number is put down, and the operations' own bodies judge it afterwards
 *
 * So a pass never gives a verdict that the bodies (stack/ops) would not give. Nothing is written to packets; classes and, when a
 * later step reads them, the other columns go to the burst. Vector ISAs only; called by program.cc.
 */
#ifndef MODEL_T_STACK_HEADER_PASS_H
#define MODEL_T_STACK_HEADER_PASS_H

#include "burst.h"

namespace model_t {

/* What a pass has to do for its operations. */
struct HeaderPassPlan {
  bool checks_tcp = false;       /* tcp is among the operations */
  bool checks_udp = false;
  bool verifies = false;         /* checksum-verify header */
  enum Class : uint8_t { none, lower_port, destination_port, source_port } classes = none;
  bool stores_columns = false;   /* a later step reads types, networks, transports, ends, protocols or marks */
};

/* What a pass found among the plain rows. */
struct HeaderPassCounts {
  uint32_t plain = 0;
  uint32_t tcp = 0;
  uint32_t udp = 0;
  uint64_t bytes = 0; /* captured */
};

/* Returns how many rows are unusual; their numbers go to `unusual`, ascending. Frames have 62 readable bytes. */
using HeaderPass = uint32_t (*)(const HeaderPassPlan& plan, Burst256& burst, HeaderPassCounts& counts, uint8_t* unusual);

}  // namespace model_t

#endif
