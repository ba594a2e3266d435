/*
 * The proof that a run was right: what was delivered, or still lies in ring or staging memory, beside the reference.
 *
 * Runs after the last reader has gone, on the thread that waits for the run. Called by run.cc, once per lane.
 */
#ifndef MODEL_T_REPLAY_VERIFICATION_H
#define MODEL_T_REPLAY_VERIFICATION_H

#include "../../stack/native/path.h"
#include "engine.h"
#include "reference.h"

namespace model_t {

/* What the reference said. */
struct Verification {
  uint64_t packets = 0;
  bool ok = true;
};

/* A stream that has ended. */
struct Delivered {
  const RingMemory& ring;
  const EngineOutcome& engine;
  const PathOutcome* path;      /* null: the readers were not ours */
  const Staging* pushed;        /* packets that readers read where a device put them; null = there were none */
  uint32_t digest_lines = 0;
};

/* Counts what was compared. Nothing is, where nothing was offered or a reader died. */
Verification verify_delivered(Reference& reference, const Delivered& delivered);

}  // namespace model_t

#endif
