/*
 * Address space that costs memory only where it is written, and how much memory the machine can still give.
 *
 * A mapping is private, anonymous and not counted against commit limits (MAP_NORESERVE): 64 GiB can be reserved on a
 * machine of 4 GiB and pages come, zeroed, with the first write. Knows nothing of packets; used by the trace image.
 */
#ifndef MODEL_T_REPLAY_RESERVED_MEMORY_H
#define MODEL_T_REPLAY_RESERVED_MEMORY_H

#include <cstdint>
#include <string>

namespace model_t {

class ReservedMemory {
 public:
  ReservedMemory() = default;
  ~ReservedMemory() { release(); }
  ReservedMemory(const ReservedMemory&) = delete;
  ReservedMemory& operator=(const ReservedMemory&) = delete;

  /*
   * Reserves at least `bytes`, 2 MiB aligned, and asks for huge pages from byte `huge_from` on: a first write then clears
   * 2 MiB at once, which a mostly empty array should not pay. False when the kernel refuses; then nothing is held.
   */
  bool reserve(uint64_t bytes, uint64_t huge_from);
  void release();
  void* start() const { return start_; }

 private:
  void* start_ = nullptr;
  uint64_t bytes_ = 0;
};

/*
 * Bytes this process can still touch before the machine, or a memory control group it is in (v1 or v2, with its
 * parents), runs out: what is free plus what the kernel can drop. UINT64_MAX when nothing says. Reads /proc and /sys
 * under `root`, so that tests can give a made-up tree.
 */
uint64_t memory_headroom(const std::string& root = "");

}  // namespace model_t

#endif
