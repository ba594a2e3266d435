/* See filling.h. */
#include "filling.h"

namespace model_t {

namespace {

/*
 * Packets that are copied, then patched, in one go. A fixed number, a multiple of the widest vector's rows: the loops over a
 * tile then end where the processor expects it, which is worth more than a tile that always fits the first-level cache
 * (IMIX on Zen 3: 71 against 66 % of memcpy).
 */
constexpr uint64_t kTilePackets = 32;

/* Rows that the widest vector kernel takes at once. */
constexpr uint64_t kVectorRows = 16;
static_assert(kTilePackets % kVectorRows == 0);

}  // namespace

uint64_t CopyFilling::fill(const Burst& burst) {
  uint8_t* const target = ring_.region() + burst.region_offset;
  const uint64_t* offsets = image_.slot_offsets() + burst.first;
  const uint64_t bytes = offsets[burst.count] - offsets[0];
  const bool copy = !options_.resident || burst.lap < options_.resident_copies;
  if (mutation_.active()) fill_tiles(burst, target, copy);
  else if (copy) options_.kernels->copy(target, image_.slots() + offsets[0], bytes);
  return copy ? bytes : 0;
}

void CopyFilling::fill_tiles(const Burst& burst, uint8_t* target, bool copy) {
  const ReplayKernels& kernels = *options_.kernels;
  const uint64_t* offsets = image_.slot_offsets();
  const uint64_t start = offsets[burst.first];
  const uint64_t end = burst.first + burst.count;
  Patch4 job = mutation_.patch4_for(burst.lap);
  job.origin = static_cast<uint32_t>(start);
  job.source = image_.slots() + start;
  job.target = target;
  const uint64_t last4 = mutation_.rows4_before(end);
  if (copy && mutation_.lines_before(end) - mutation_.lines_before(burst.first) == burst.count) {
    kernels.fill_lines(job, mutation_.rows4_before(burst.first), last4);
    return;
  }
  uint64_t row4 = mutation_.rows4_before(burst.first);
  uint64_t row6 = mutation_.rows6_before(burst.first);
  for (uint64_t packet = burst.first; packet < end;) {
    const uint64_t next = end - packet < kTilePackets ? end : packet + kTilePackets;
    if (copy) kernels.copy(target + (offsets[packet] - start), image_.slots() + offsets[packet], offsets[next] - offsets[packet]);
    /* Whole vectors only: what is left over joins the next tile, the burst's last rows go one by one. */
    const uint64_t to4 = next == end ? last4 : mutation_.rows4_before(next) - (mutation_.rows4_before(next) - row4) % kVectorRows;
    kernels.patch4(job, row4, to4);
    row4 = to4;
    const uint64_t to6 = mutation_.rows6_before(next);
    if (row6 != to6) mutation_.patch6(burst.lap, row6, to6, job.origin, target);
    row6 = to6;
    packet = next;
  }
}

uint64_t PullFilling::fill(const Burst& burst) {
  return staging_.copy(burst.ordinal, burst.count, ring_.region() + burst.region_offset, kernels_.copy);
}

}  // namespace model_t
