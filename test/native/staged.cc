/* See staged.h. */
#include "staged.h"

#include <cstring>
#include <deque>

namespace model_t::test {

namespace {

/* Sum of two 16-bit numbers with end-around carry: the high half of the sum times 65537. */
uint32_t add_halves(uint32_t a, uint32_t b) { return (a + b) * 65537u >> 16; }

uint32_t inverted(uint32_t half) { return ~half & 0xffff; }

/* The new checksum from its constant part in `half`, and the sum of the new address. */
uint32_t checksum_of(uint32_t half, uint32_t sum, bool udp) { return inverted(add_halves(half, sum)) + (udp ? 1 : 0); }

uint32_t with_half(uint32_t word, uint32_t sum, bool high, bool udp) {
  return high ? (word & 0xffff) | checksum_of(word >> 16, sum, udp) << 16 : (word & 0xffff0000) | checksum_of(word & 0xffff, sum, udp);
}

uint32_t halves_of(uint32_t word) { return add_halves(word & 0xffff, word >> 16); }

uint64_t wide(const uint32_t* words) { return words[0] | static_cast<uint64_t>(words[1]) << 32; }

}  // namespace

KernelTwin::KernelTwin(const DeviceImage& device, std::shared_ptr<const DeviceLayout> layout) : layout_(std::move(layout)) {
  device.parameters(parameters_);
  for (const DeviceTile& of : layout_->tiles) {
    Tile tile{std::vector<uint32_t>(of.bytes / 4), std::vector<uint32_t>(of.tables_bytes / 4)};
    CHECK(device.fill_image(of, 0, reinterpret_cast<uint8_t*>(tile.image.data()), of.bytes));
    CHECK(device.fill_tables(of, 0, reinterpret_cast<uint8_t*>(tile.tables.data()), of.tables_bytes));
    tiles_.push_back(std::move(tile));
  }
}

void KernelTwin::patch4(Tile& tile, const DeviceTile& of, uint64_t row, uint32_t base) {
  const auto at = [&](Section section) { return tile.tables[of.sections[static_cast<uint32_t>(section)] / 4 + row]; };
  const uint32_t* p = parameters_;
  uint32_t x = base + at(Section::host4);
  x = (x * p[0] + p[1]) & p[4];
  x ^= x >> p[5];
  const uint32_t address = __builtin_bswap32(((x * p[2] + p[3]) & p[4]) | p[6]);
  const uint32_t sum = halves_of(address);
  const uint32_t fixed = at(Section::fixed4), place = at(Section::place4), sums = at(Section::sums4);
  const uint32_t word = place & ((1u << kPlaceBits) - 1), follow = place >> kPlaceBits;
  const auto put = [&](uint64_t index, uint32_t value) { if (CHECK(index < tile.image.size())) tile.image[index] = value; };
  put(word, (fixed & 0xffff) | inverted(add_halves(fixed >> 16, sum)) << 16);
  put(word + 1, address);
  if (!CHECK(follow < 4)) return;
  followed4[follow]++;
  const uint32_t extra = at(Section::extra4);
  if (follow == 1) put(word + 7, with_half(sums, sum, false, false));
  else if (follow == 2) put(word + 4, with_half(sums, sum, true, true));
  else if (follow == 3) put(word + (extra & 255), with_half(sums, sum, (extra & kExtraHigh4) != 0, (extra & kExtraUdp4) != 0));
}

void KernelTwin::patch6(Tile& tile, const DeviceTile& of, uint64_t row, uint64_t base) {
  const uint32_t* const entry = &tile.tables[of.sections[static_cast<uint32_t>(Section::rows6)] / 4 + 4 * row];
  const uint32_t* p = parameters_;
  uint64_t x = base + entry[0];
  x = (x * wide(p + 8) + wide(p + 10)) & wide(p + 16);
  x ^= x >> p[18];
  const uint64_t low = __builtin_bswap64(((x * wide(p + 12) + wide(p + 14)) & wide(p + 16)) | wide(p + 22));
  const uint32_t word = entry[1] & ((1u << kPlaceBits) - 1);
  const uint32_t words[4] = {p[20], p[21], static_cast<uint32_t>(low), static_cast<uint32_t>(low >> 32)};
  const auto put = [&](uint64_t index, uint32_t value) { if (CHECK(index < tile.image.size())) tile.image[index] = value; };
  for (uint32_t i = 0; i < 4; i++) put(word + i, words[i]);
  if (!(entry[1] & kFollow6)) return;
  followed6++;
  const uint32_t sum = add_halves(halves_of(words[2]), halves_of(words[3]));
  put(word + (entry[3] & 0xfffffff), with_half(entry[2], sum, (entry[3] & kExtraHigh6) != 0, (entry[3] & kExtraUdp6) != 0));
}

void KernelTwin::patch(const Segment& segment) {
  Tile& tile = tiles_[segment.tile];
  const DeviceTile& of = layout_->tiles[segment.tile];
  CHECK(segment.row4 + segment.rows4 <= of.rows4 && segment.row6 + segment.rows6 <= of.rows6);
  for (uint64_t row = 0; row < segment.rows4; row++) patch4(tile, of, segment.row4 + row, segment.base4);
  for (uint64_t row = 0; row < segment.rows6; row++) patch6(tile, of, segment.row6 + row, segment.base6);
}

StagingMemory::StagingMemory(uint32_t count, uint64_t bytes) : memory_(count * (bytes / 8 + 16)) {
  for (uint32_t i = 0; i < count; i++) {
    const uint64_t at = reinterpret_cast<uint64_t>(memory_.data() + i * (bytes / 8 + 16));
    buffers_.push_back(reinterpret_cast<uint8_t*>((at + 63) / 64 * 64));
  }
}

uint64_t drive(KernelTwin& twin, const StagingConfig& staging, const DevicePort& port, Random random) {
  std::deque<Batch> made;
  std::vector<Segment> segments;
  uint64_t reclaimed = 0, published = 0;
  while (!port.ended()) {
    bool idle = true;
    if (port.reclaim()) {
      memset(staging.buffers[reclaimed++ % staging.buffers.size()], 0xee, staging.batch_bytes);
      idle = false;
    }
    Batch batch;
    if (port.plan(&batch, &segments)) {
      uint64_t at = 0;
      for (const Segment& segment : segments) {
        CHECK_EQUAL(segment.target_offset, at);
        twin.patch(segment);
        memcpy(staging.buffers[batch.slot] + at, twin.image(segment.tile) + segment.source_offset, segment.bytes);
        at += segment.bytes;
      }
      CHECK(at == batch.bytes && batch.bytes <= staging.batch_bytes && batch.slot == batch.number % staging.buffers.size());
      CHECK(batch.end > batch.first && segments.size() <= (staging.streamed ? 1 : kMaxSegments));
      made.push_back(batch);
      idle = false;
    }
    if (!made.empty() && (idle || random.one_in(2))) {
      CHECK_EQUAL(port.publish(staging.buffers[made.front().slot], made.front().bytes), std::string());
      made.pop_front();
      published++;
      idle = false;
    }
    if (idle || random.one_in(50)) usleep(random.below(100));
  }
  return published;
}

std::unique_ptr<DeviceImage> make_device(const std::shared_ptr<TraceImage>& image, const MutationPlan& plan) {
  std::string error;
  std::unique_ptr<DeviceImage> device = DeviceImage::create(image, plan, &error);
  if (!check(device != nullptr && error.empty(), __FILE__, __LINE__, error)) abort();
  return device;
}

std::shared_ptr<const DeviceLayout> cut_anywhere(const DeviceImage& device, uint64_t copies, Random& random) {
  const uint32_t lines = static_cast<uint32_t>(device.lap_bytes() * copies / kLine);
  std::string error;
  const auto layout = device.lay_out(copies, device.largest_slot() + random.below(random.one_in(2) ? 200 : lines) * kLine + random.below(kLine), &error);
  if (!check(layout != nullptr, __FILE__, __LINE__, error)) abort();
  return layout;
}

StagedReplay::StagedReplay(StagedSetup setup, Random& random) : setup_(std::move(setup)), device_seed_(random.next()) {
  std::string error;
  EngineOptions& options = setup_.options;
  if (!options.kernels) options.kernels = find_replay_kernels("scalar");
  device_ = make_device(setup_.image, setup_.plan);
  const auto layout = setup_.tile_bytes ? device_->lay_out(setup_.copies, setup_.tile_bytes, &error) : cut_anywhere(*device_, setup_.copies, random);
  if (setup_.batch_bytes == 0) setup_.batch_bytes = device_->largest_slot() + random.below(300) * kLine;
  twin_ = std::make_unique<KernelTwin>(*device_, layout);
  memory_ = std::make_unique<StagingMemory>(setup_.buffers, setup_.batch_bytes);
  const StagingConfig config{setup_.insert, memory_->buffers(), setup_.batch_bytes, setup_.streamed};
  CHECK_EQUAL(Staging::check(config, *device_), std::string());
  staging_ = std::make_unique<Staging>(*device_, layout, config, options.limits);
  ring_ = RingMemory::create_private(setup_.region_bytes, &error);
  if (!check(ring_ != nullptr, __FILE__, __LINE__, error)) abort();
  const bool push = setup_.insert == Insert::push;
  for (uint32_t i = 0; push && i < setup_.buffers; i++) CHECK(ring_->set_region(i + 1, config.buffers[i], config.batch_bytes));
  if (push) filling_ = std::make_unique<PushFilling>();
  else filling_ = std::make_unique<PullFilling>(*staging_, *ring_, *options.kernels);
  options.staging = staging_.get();
  options.drop_readers = !push;
  engine_ = std::make_unique<Engine>(*setup_.image, *filling_, *ring_, options, &statistics_);
}

StagedReplay::~StagedReplay() {
  engine_->abort();
  if (thread_.joinable()) thread_.join();
}

void StagedReplay::start() {
  start_engine();
  thread_ = std::thread([this] {
    const DevicePort port{[this](Batch* batch, std::vector<Segment>* segments) { return !engine_->stopping() && staging_->plan(batch, segments); },
                          [this](const uint8_t* buffer, uint64_t bytes) { return staging_->publish(buffer, bytes); },
                          [this] { return engine_->reclaim(); }, [this] { return engine_->done(); }};
    Random random(0);
    random.state = device_seed_;
    batches_ = drive(*twin_, staging_->config(), port, random);
  });
}

EngineOutcome StagedReplay::join() {
  threads_.join();
  if (thread_.joinable()) thread_.join();
  return engine_->outcome();
}

}  // namespace model_t::test
