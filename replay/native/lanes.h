/*
 * Lanes: a loaded trace split by flow into sub-traces that are replayed side by side (placement `replicated`).
 *
 *   whole image ── steer() ──► lane of every packet ── split() ──► per lane: image, mutation, original indexes
 *
 * All packets that a stack has to see together are in one lane, in their order: both directions of a flow, all fragments
 * between two addresses, whatever link type a frame came with: the stack is not told. A packet of lap L in a lane is, byte for
 * byte, the packet of lap L of the whole: hosts are numbered and counted over the whole trace, and the digests of the lanes add
 * up to the whole's. Works on complete images, before the start; called by the run (run.h). Keeps nothing; a lane stands on its
 * own once it is made.
 */
#ifndef MODEL_T_REPLAY_LANES_H
#define MODEL_T_REPLAY_LANES_H

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "mutation.h"
#include "planner.h"

namespace model_t {

constexpr uint32_t kMostLanes = 256;

/* What a lane has of the trace. */
struct LaneLoad {
  uint64_t packets = 0;
  uint64_t bytes = 0;      /* captured frame bytes */
  uint64_t slot_bytes = 0; /* what is copied per lap */
};

/*
 * The lanes of a trace. At most as many as asked for, fewer when there are fewer groups of flows; none is empty, but for the
 * only one of a trace without packets.
 */
struct Steering {
  std::vector<uint8_t> lane_of; /* per packet */
  std::vector<LaneLoad> loads;  /* per lane */
};

/*
 * The same trace, `lanes` and `seed` give the same lanes. Flows are those of the trace, before any rewriting. Null and `error` (one
 * sentence) when `lanes` is not 1 to kMostLanes, when the image is still being loaded, or when memory is short.
 */
std::optional<Steering> steer(const TraceImage& image, uint32_t lanes, uint64_t seed, std::string* error);

struct Lane {
  std::shared_ptr<TraceImage> image;   /* complete; packets of the whole in their order, with their times */
  std::shared_ptr<Mutation> mutation;  /* compiled; numbers and counts of the whole */
  std::vector<uint32_t> packets;       /* index in the whole image of each packet, ascending */

  /* The lane's part of what `whole` allows: together the lanes replay exactly the first packets of the whole. May be 0 packets. */
  PlannerLimits limits(PlannerLimits whole, uint64_t whole_packets) const;
};

/*
 * Copies every packet into the image of its lane. `mutation` is the whole's, compiled to the end. Empty and `error` when
 * there is no memory for a second copy of the trace. The whole image stays as it is: the reference reads it.
 */
std::vector<Lane> split(const TraceImage& image, const Mutation& mutation, const Steering& steering, std::string* error);

}  // namespace model_t

#endif
