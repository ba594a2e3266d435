/*
 * Rule 3b: a core that is to spare fetches the lines that a path's intake will want next.
 *
 *   ring:   ... [ intake's position | what it is just coming to | lead ......... distance ] ... head
 *                                                               ^ here the helper walks, never past the head
 *
 * It reads descriptors and fetches the first lines of their frames, checked against the regions as the intake does, and ends
 * with CLDEMOTE where the processor has it, so that lines wait in the cache that the cores share instead of in this core's own.
 * An agent; paused and resumed with its container. Reads only; what it read is never used, so it may be wrong without harm.
 */
#ifndef MODEL_T_STACK_PREFETCH_AGENT_H
#define MODEL_T_STACK_PREFETCH_AGENT_H

#include "path.h"

namespace model_t {

struct PrefetchOptions {
  uint32_t lead = 256;      /* packets in front of the intake that are left to it: it is there before the lines are */
  uint32_t distance = 4096; /* packets in front of the intake beyond which lines would be gone again before they are wanted */
  uint32_t lines = 2;       /* of each frame, from its start */
  bool demote = true;       /* CLDEMOTE, where there is one */
};

class PrefetchAgent final : public Agent {
 public:
  /* `ring` is the path's. Finished when the path is done. */
  PrefetchAgent(const RingMemory& ring, const Path& path, PrefetchOptions options);

  int64_t do_work(uint32_t slice) override;
  /* Does this processor have CLDEMOTE? */
  static bool can_demote();
  /* Packets whose lines were fetched. Its own thread, or after that ended. */
  uint64_t fetched() const { return fetched_; }

 private:
  void walk(uint64_t from, uint64_t to, bool demote) const;

  const RingMemory& ring_;
  const Path& path_;
  const PrefetchOptions options_;
  const bool demotes_;
  uint64_t next_ = 0;
  uint64_t fetched_from_ = 0; /* the piece that was asked for last, and is not demoted yet */
  uint64_t fetched_to_ = 0;
  uint64_t fetched_ = 0;
};

}  // namespace model_t

#endif
