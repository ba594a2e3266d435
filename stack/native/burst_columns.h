/* Every column of a burst, for who moves rows: program.cc within a burst and into branches, path_rows.cc into another ring. */
#ifndef MODEL_T_STACK_BURST_COLUMNS_H
#define MODEL_T_STACK_BURST_COLUMNS_H

#include "program.h"

namespace model_t {

/* The columns in use, those of `to` beside those of `from`: written out once, so that none is forgotten where rows move. */
template <typename Visit>
void each_column(Burst256& to, const Burst256& from, uint32_t needs, Visit visit) {
  visit(to.frames, from.frames);
  visit(to.lengths, from.lengths);
  visit(to.ends, from.ends);
  visit(to.types, from.types);
  visit(to.transports, from.transports);
  visit(to.classes, from.classes);
  visit(to.networks, from.networks);
  visit(to.protocols, from.protocols);
  visit(to.marks, from.marks);
  visit(to.slots, from.slots);
  if (needs & kNeedTimes) visit(to.times, from.times);
  if (needs & kNeedPayloads) {
    visit(to.payloads, from.payloads);
    visit(to.payload_lengths, from.payload_lengths);
  }
  if (needs & kNeedStreams) {
    visit(to.streams, from.streams);
    visit(to.stream_marks, from.stream_marks);
    visit(to.encodings, from.encodings);
  }
}

}  // namespace model_t

#endif
