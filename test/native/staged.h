/*
 * A device for tests: the header-patching kernels in plain C++, from the tables alone, and a thread that makes batches as a GPU
 * would; and a replay whose packets come from it, with readers of the test's own.
 */
#ifndef MODEL_T_TEST_STAGED_H
#define MODEL_T_TEST_STAGED_H

#include <functional>

#include "../../replay/native/device_image.h"
#include "../../replay/native/staging.h"
#include "replays.h"

namespace model_t::test {

/* All tiles in memory, patched in place, again and again, as the kernels do it. */
class KernelTwin {
 public:
  KernelTwin(const DeviceImage& device, std::shared_ptr<const DeviceLayout> layout);

  /* Patches the rows of the segment. */
  void patch(const Segment& segment);
  const uint8_t* image(size_t tile) const { return reinterpret_cast<const uint8_t*>(tiles_[tile].image.data()); }
  /* Rows that were patched, by Follow4; IPv6 rows with a checksum to follow. */
  uint64_t followed4[4] = {};
  uint64_t followed6 = 0;

 private:
  struct Tile {
    std::vector<uint32_t> image;
    std::vector<uint32_t> tables;
  };

  void patch4(Tile& tile, const DeviceTile& of, uint64_t row, uint32_t base);
  void patch6(Tile& tile, const DeviceTile& of, uint64_t row, uint64_t base);

  const std::shared_ptr<const DeviceLayout> layout_;
  uint32_t parameters_[DeviceImage::kParameters];
  std::vector<Tile> tiles_;
};

/* Buffers as a GPU maps them: `count` of `bytes` bytes, 64-byte aligned. */
class StagingMemory {
 public:
  StagingMemory(uint32_t count, uint64_t bytes);
  const std::vector<uint8_t*>& buffers() const { return buffers_; }

 private:
  std::vector<uint64_t> memory_;
  std::vector<uint8_t*> buffers_;
};

/* What a device does with a run, whoever runs it. */
struct DevicePort {
  std::function<bool(Batch*, std::vector<Segment>*)> plan;
  std::function<std::string(const uint8_t*, uint64_t)> publish;
  std::function<bool()> reclaim;
  std::function<bool()> ended;
};

/*
 * Makes batches until the stream has ended, several before the first is published. What it gets back it overwrites at once: whoever
 * still reads there is found out. Returns the batches published.
 */
uint64_t drive(KernelTwin& twin, const StagingConfig& staging, const DevicePort& port, Random random);

struct StagedSetup {
  std::shared_ptr<TraceImage> image;
  MutationPlan plan;
  Insert insert = Insert::pull;
  uint32_t buffers = 3;
  uint64_t batch_bytes = 0; /* 0 = small, at random */
  uint64_t copies = 1;
  uint64_t tile_bytes = 0; /* 0 = at random */
  bool streamed = false;
  EngineOptions options;
  uint64_t region_bytes = 1 << 16;
};

/* Device, staging, ring and engine of one run; ends the run when it goes out of scope. */
class StagedReplay {
 public:
  StagedReplay(StagedSetup setup, Random& random);
  ~StagedReplay();

  RingMemory& ring() { return *ring_; }
  Engine& engine() { return *engine_; }
  const StagedSetup& setup() const { return setup_; }
  Followed follow(const Following& following) { return test::follow(*ring_, *setup_.image, setup_.plan, following); }
  uint64_t offered() const { return __atomic_load_n(&statistics_.offered, __ATOMIC_RELAXED); }
  /* Starts engine and device, or the engine alone. */
  void start();
  void start_engine() { threads_.start(*engine_); }
  EngineOutcome join();
  uint64_t batches() const { return batches_; }

 private:
  StagedSetup setup_;
  const uint64_t device_seed_;
  ProducerBlock statistics_{};
  std::unique_ptr<DeviceImage> device_;
  std::unique_ptr<KernelTwin> twin_;
  std::unique_ptr<StagingMemory> memory_;
  std::unique_ptr<Staging> staging_;
  std::unique_ptr<RingMemory> ring_;
  std::unique_ptr<Filling> filling_;
  std::unique_ptr<Engine> engine_;
  AgentThreads threads_;
  std::thread thread_;
  uint64_t batches_ = 0;
};

std::unique_ptr<DeviceImage> make_device(const std::shared_ptr<TraceImage>& image, const MutationPlan& plan);
/* Tiles that cut anywhere. */
std::shared_ptr<const DeviceLayout> cut_anywhere(const DeviceImage& device, uint64_t copies, Random& random);

}  // namespace model_t::test

#endif
