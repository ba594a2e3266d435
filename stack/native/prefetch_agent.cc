/* See prefetch_agent.h. */
#include "prefetch_agent.h"

#if defined(__x86_64__)
#include <cpuid.h>
#endif

namespace model_t {

namespace {

/* CPUID leaf 7, ECX bit 25. The instruction is a hint: where there is none it does nothing, but nobody promises that. */
bool has_cldemote() {
#if defined(__x86_64__)
  uint32_t a = 0, b = 0, c = 0, d = 0;
  return __get_cpuid_count(7, 0, &a, &b, &c, &d) != 0 && (c >> 25 & 1) != 0;
#else
  return false;
#endif
}

void demote_line([[maybe_unused]] const uint8_t* line) {
#if defined(__x86_64__)
  __asm__ __volatile__(".byte 0x0f, 0x1c, 0x00" : : "a"(line) : "memory"); /* cldemote (%rax), for assemblers that do not know it */
#endif
}

}  // namespace

PrefetchAgent::PrefetchAgent(const RingMemory& ring, const Path& path, PrefetchOptions options)
    : ring_(ring), path_(path), options_(options), demotes_(options.demote && can_demote()) {}

bool PrefetchAgent::can_demote() {
  static const bool can = has_cldemote();
  return can;
}

/* Lines of the piece before are demoted when those of this one are asked for: by then they have come. */
int64_t PrefetchAgent::do_work(uint32_t slice) {
  if (path_.done()) return kAgentFinished;
  const uint64_t position = path_.position().load(std::memory_order_relaxed);
  const uint64_t head = __atomic_load_n(&ring_.header()->head, __ATOMIC_ACQUIRE);
  const uint64_t most = position + options_.distance;
  const uint64_t from = next_ > position + options_.lead ? next_ : position + options_.lead;
  uint64_t to = head < most ? head : most;
  if (from >= to) return 0;
  const uint64_t limit = uint64_t{slice} * kBurstCapacity;
  if (to - from > limit) to = from + limit;
  for (uint64_t at = from; at < to;) {
    const uint64_t end = to - at < kBurstCapacity ? to : at + kBurstCapacity;
    walk(at, end, false);
    if (demotes_ && fetched_from_ < fetched_to_) walk(fetched_from_, fetched_to_, true);
    fetched_from_ = at;
    fetched_to_ = at = end;
  }
  next_ = to;
  fetched_ += to - from;
  return static_cast<int64_t>(to - from);
}

/* A prefetch reads nothing that a program could see: that the producer may be writing there again by now does no harm. */
void PrefetchAgent::walk(uint64_t from, uint64_t to, bool demote) const {
  /* Written by the producer of this process; a window that has just changed costs some useless fetches. */
  const uint64_t mask = ring_.descriptor_mask();
  for (uint64_t position = from; position < to; position++) {
    const model_t_descriptor descriptor = model_t_descriptor_load(&ring_.descriptors()[position & mask]);
    if ((descriptor.flags & MODEL_T_MARK) || !model_t_descriptor_fits(&descriptor, ring_.regions())) continue;
    const uint8_t* line = ring_.regions()[descriptor.region].start + (descriptor.offset - MODEL_T_FRAME_OFFSET);
    uint32_t lines = (MODEL_T_FRAME_OFFSET + descriptor.length + 63) / 64;
    if (lines > options_.lines) lines = options_.lines;
    for (; lines > 0; lines--, line += 64) {
      if (demote) demote_line(line);
      else __builtin_prefetch(line);
    }
  }
}

}  // namespace model_t
