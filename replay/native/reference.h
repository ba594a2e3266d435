/*
 * The reference: what a replay must deliver, computed the plain way, packet by packet, from the trace and the plan.
 *
 * Shares with the engine only the definition of the permutation and the parser of headers; addresses and checksums are
 * rewritten in a copy of the frame, word by word after RFC 1624, without tables. Runs after the measurement. Any thread.
 */
#ifndef MODEL_T_REPLAY_REFERENCE_H
#define MODEL_T_REPLAY_REFERENCE_H

#include <span>
#include <vector>

#include "mutation.h"

namespace model_t {

class Reference {
 public:
  /* The image must be complete. Numbers the hosts of the whole trace once. */
  Reference(const TraceImage& image, const MutationPlan& plan);

  /*
   * From here on only packets `indexes` of the trace, in that order, are counted by ordinals: those of a lane. No indexes: all
   * packets again. The indexes live as long as they are used.
   */
  void select(std::span<const uint32_t> indexes) { indexes_ = indexes; }

  /* The frame of packet `ordinal` (counted over all laps) as it must be delivered; valid until the next call. */
  const uint8_t* frame(uint64_t ordinal, uint32_t* length);
  /* Sum of the packet hashes of ordinals [begin, end). */
  uint64_t digest(uint64_t begin, uint64_t end, uint32_t line_limit);

 private:
  void rewrite(uint8_t* frame, const HeaderPlaces& places, uint64_t index, uint64_t lap);

  const TraceImage& image_;
  const MutationPlan plan_;
  std::vector<uint32_t> numbers_; /* per packet: host or packet number within its family */
  uint64_t count4_ = 0;
  uint64_t count6_ = 0;
  std::span<const uint32_t> indexes_;
  std::vector<uint8_t> frame_;
};

}  // namespace model_t

#endif
