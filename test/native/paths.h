/*
 * Paths for tests: the containers that run one, a source that is an agent, a sink that remembers rows, threads that are put off
 * their stride.
 */
#ifndef MODEL_T_TEST_PATHS_H
#define MODEL_T_TEST_PATHS_H

#include <atomic>
#include <cstring>

#include "../../stack/native/container.h"
#include "../../stack/native/path.h"
#include "chain.h"
#include "support.h"

namespace model_t::test {

/* All in container 0, or as told; the source outside. */
PathPlacement placement_of(const Path& path, const std::vector<int32_t>& containers = {});
/* Every way to give `elements` in a row to containers 0, 1, ... below `most`. */
std::vector<std::vector<int32_t>> cuts_of(uint32_t elements, uint32_t most);

/* Laps over a list of packets, into a ring, as an engine does it: waits for the reader, for room, for the end. Slots of 2 KiB. */
class Feed final : public Agent {
 public:
  Feed(RingMemory& ring, const std::vector<Packet>& packets, uint64_t laps, uint32_t burst = kBurstCapacity);
  int64_t do_work(uint32_t slice) override;
  /* Ends behind what was published. Any thread. */
  void stop() { stop_.store(true, std::memory_order_relaxed); }
  /* Packets published; any thread. */
  uint64_t offered() const { return offered_.load(std::memory_order_relaxed); }
  uint64_t dropped() const { return dropped_; }
  std::vector<ReaderReport> reports() { return readers_.reports(); }
  bool started = false;

  void start() override { started = true; }

 private:
  bool has_room();
  void put(const Packet& packet);

  RingMemory& ring_;
  ReaderTable readers_;
  const std::vector<Packet>& packets_;
  const uint64_t total_;
  const uint32_t burst_;
  const uint64_t slots_;
  uint64_t head_ = 0;
  uint64_t next_ = 0;
  uint64_t dropped_ = 0;
  bool ending_ = false;
  std::atomic<bool> stop_{false};
  std::atomic<uint64_t> offered_{0};
};

/* Everything about the rows that came to the end, in order, as one number and a count; and whether packets came in order. */
class RowSink final : public BurstSink {
 public:
  explicit RowSink(uint32_t needs) : needs_(needs) {}
  bool take(const Burst256& burst, const uint64_t* times_ns, uint64_t first) override;
  std::string error() const override { return "the sink is full"; }

  uint64_t rows = 0;
  uint64_t hash = 0;
  bool ordered = true;          /* no row is of a packet before that of the row before */
  uint64_t last = 0;            /* packet of the last row */
  uint64_t full_at = UINT64_MAX; /* rows */

 private:
  const uint32_t needs_;
};

/* Pauses, yields and sleeps by chance, of a seed, in whatever thread asks. */
struct Disturbance {
  std::atomic<uint64_t> state{1};
  uint32_t rarity = 4; /* one call in so many does something; 0 = none */
  static void at(void* disturbance);
};

/* A path with containers of its own. Ends all of it when it goes out of scope. */
class PathRig {
 public:
  /* Makes the path; place() and start() are the test's. */
  PathRig(RingMemory& ring, PathOptions options);
  ~PathRig();

  Path& path() { return *path_; }
  /* Null if it could not be made: error(). */
  bool made() const { return path_ != nullptr; }
  const std::string& error() const { return error_; }
  bool place(const PathPlacement& placement);
  /* `extra`: an agent in a container of its own, the last one. */
  void start(const std::string& idle = "yield", Agent* extra = nullptr);
  Container& container(uint32_t i) { return *containers_[i]; }
  /* As they are now. */
  ContainerBlock container_block(uint32_t i) const { return now(container_blocks_[i]); }
  PathBlock block() const { return now(block_); }
  OperationBlock operation(uint32_t i) const { return now(operations_[i]); } /* 0 source, 1 intake, 2 .. */
  /* Until all containers have ended by themselves; false after ten seconds, then they are stopped. */
  bool join();
  /* Verdicts of all steps. */
  std::vector<uint64_t> verdicts() const;

 private:
  template <typename Block>
  static Block now(const Block& block) {
    uint64_t words[sizeof(Block) / 8];
    for (size_t i = 0; i < sizeof(Block) / 8; i++) words[i] = __atomic_load_n(reinterpret_cast<const uint64_t*>(&block) + i, __ATOMIC_RELAXED);
    Block copy;
    memcpy(&copy, words, sizeof copy);
    return copy;
  }

  PathBlock block_{};
  std::vector<OperationBlock> operations_;
  std::vector<ContainerBlock> container_blocks_;
  std::unique_ptr<Path> path_;
  std::vector<std::unique_ptr<Container>> containers_;
  uint32_t count_;
  std::string error_;
};

}  // namespace model_t::test

#endif
