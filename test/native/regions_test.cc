/* Regions beside the ring's own: readers in the producer's process follow descriptors into them, and nobody else does. */
#include <cstring>

#include "paths.h"
#include "replays.h"

namespace model_t::test {

namespace {

constexpr uint64_t kRegion = 64 << 10;

std::unique_ptr<RingMemory> open_ring() {
  std::string error;
  std::unique_ptr<RingMemory> ring = RingMemory::create_private(kRegion, &error);
  if (!check(ring != nullptr, __FILE__, __LINE__, error)) abort();
  return ring;
}

/* Region 1 to 3 of different sizes, filled with their number. */
struct Regions {
  alignas(64) uint8_t memory[3][4096];
  explicit Regions(RingMemory& ring) {
    for (uint32_t i = 0; i < 3; i++) {
      memset(memory[i], static_cast<int>(i + 1), sizeof memory[i]);
      CHECK(ring.set_region(i + 1, memory[i], bytes(i + 1)));
    }
  }
  static uint64_t bytes(uint32_t region) { return 1024 * region; }
};

model_t_descriptor descriptor(uint32_t region, uint32_t offset, uint32_t length) {
  return {0, static_cast<uint16_t>(region), length, offset, 0};
}

void only_sane_regions_are_taken() {
  const auto ring = open_ring();
  alignas(64) uint8_t memory[128];
  CHECK(!ring->set_region(0, memory, 64) && !ring->set_region(MODEL_T_REGIONS, memory, 64) && !ring->set_region(UINT32_MAX, memory, 64));
  CHECK(!ring->set_region(1, memory + 32, 64) && !ring->set_region(1, memory, kMaxRegionBytes + 1));
  CHECK(ring->set_region(MODEL_T_REGIONS - 1, memory, 128));
  CHECK(ring->regions()[0].start == ring->region() && ring->regions()[0].bytes == kRegion);
  model_t_reader other{};
  model_t_reader_map(&other, ring->header(), ring->header()); /* as another process does */
  for (uint32_t i = 1; i < MODEL_T_REGIONS; i++) CHECK(other.regions[i].bytes == 0);
}

void descriptors_fit_the_region_they_name() {
  const auto ring = open_ring();
  const Regions regions(*ring);
  for (uint32_t region = 0; region < 70000; region = region < 20 ? region + 1 : region * 3) {
    const uint64_t bytes = region == 0 ? kRegion : region <= 3 ? Regions::bytes(region) : 0;
    const auto fits = [&](uint32_t offset, uint32_t length) {
      const model_t_descriptor d = descriptor(region, offset, length);
      return model_t_descriptor_fits(&d, ring->regions()) == 1;
    };
    const bool exists = region <= 3 && bytes > 0;
    const uint32_t size = static_cast<uint32_t>(bytes);
    CHECK_EQUAL(fits(2, 62), exists);
    CHECK_EQUAL(fits(2, 0), exists);
    CHECK_EQUAL(fits(size - 62, 62), exists);
    CHECK(!fits(size - 62, 63) && !fits(size + 2, 0) && !fits(0, 60) && !fits(3, 60) && !fits(0xffffffc2, 60) && !fits(2, UINT32_MAX));
  }
}

/* A producer without an engine: descriptors straight into the ring. */
struct Producer {
  RingMemory& ring;
  ReaderTable table;
  uint64_t head = 0;
  explicit Producer(RingMemory& of) : ring(of), table(of, 7u) { ring.publish_state(MODEL_T_RING_OPEN); }
  void put(const model_t_descriptor& d) { ring.descriptors()[head++ & (ring.descriptor_count() - 1)] = d; }
  void end() {
    put({MODEL_T_MARK | MODEL_T_END_OF_STREAM, 0, 0, MODEL_T_FRAME_OFFSET, 0});
    table.publish_head(head);
    ring.publish_state(MODEL_T_RING_ENDED);
  }
};

struct Taken : BurstSink {
  std::vector<std::pair<const uint8_t*, uint32_t>> packets;
  bool take(const Burst256& burst, const uint64_t*, uint64_t) override {
    for (uint32_t i = 0; i < burst.count; i++) packets.emplace_back(burst.frames[i], burst.lengths[i]);
    return true;
  }
  std::string error() const override { return ""; }
};

/* Runs of one region, long and short, and changes in the middle of a burst. */
void containers_follow_descriptors(bool spoiled) {
  Random random(spoiled ? 110 : 111);
  for (uint32_t round = 0; round < rounds(40) && !failing(); round++) {
    const auto ring = open_ring();
    const Regions regions(*ring);
    Producer producer(*ring);
    Taken taken;
    PathOptions options;
    options.sink = &taken;
    PathRig rig(*ring, options);
    rig.place(placement_of(rig.path()));
    rig.start();
    CHECK(wait_until([&] { return producer.table.admit(0), producer.table.attached() == 1; }));
    std::vector<std::pair<const uint8_t*, uint32_t>> wanted;
    const uint32_t count = 1 + random.below(900);
    const uint32_t bad = spoiled ? random.below(count) : UINT32_MAX;
    uint32_t region = 0;
    for (uint32_t i = 0; i < count; i++) {
      if (random.one_in(round % 2 ? 5 : 300)) region = random.below(4);
      const uint64_t bytes = ring->regions()[region].bytes;
      const uint32_t offset = random.below(static_cast<uint32_t>(bytes / 64)) * 64 + 2;
      const uint32_t length = random.below(static_cast<uint32_t>(bytes) - offset + 1);
      constexpr uint32_t kMissing[] = {4, 15, 16, 17, 0x8000, 0xffff};
      producer.put(i == bad ? descriptor(random.pick(kMissing), offset, length) : descriptor(region, offset, length));
      if (i < bad) wanted.emplace_back(ring->regions()[region].start + offset, length);
    }
    producer.end();
    CHECK(rig.join());
    CHECK_EQUAL(rig.path().outcome().failed, spoiled);
    if (!spoiled) CHECK(taken.packets == wanted);
    else CHECK(taken.packets.size() <= wanted.size() && rig.path().outcome().error.find("corrupt") != std::string::npos);
  }
}

void readers_follow_descriptors() {
  const auto ring = open_ring();
  const Regions regions(*ring);
  Producer producer(*ring);
  for (uint32_t region = 0; region <= 3; region++) producer.put(descriptor(region, 66, 60));
  producer.put(descriptor(4, 66, 60));
  producer.end();
  for (const bool inside : {true, false}) {
    model_t_reader reader{};
    if (inside) ring->map_reader(&reader);
    else model_t_reader_map(&reader, ring->header(), ring->header());
    reader.slot = ring->readers();
    reader.policy = MODEL_T_BLOCK;
    for (uint32_t region = 0; region <= 4; region++) {
      model_t_packet packet;
      const bool there = region == 0 || (inside && region <= 3);
      CHECK_EQUAL(model_t_ring_receive(&reader, &packet, 1), there ? 1 : MODEL_T_CORRUPT);
      if (!there) break;
      CHECK(packet.frame == ring->regions()[region].start + 66 && (region == 0 || packet.frame[0] == region));
      model_t_ring_release(&reader);
    }
  }
}

}  // namespace

extern const std::vector<Test> region_tests;
const std::vector<Test> region_tests = {
    {"regions: only sane ones are taken", only_sane_regions_are_taken},
    {"regions: descriptors fit the one they name", descriptors_fit_the_region_they_name},
    {"regions: readers follow descriptors into them, if they are in the process", readers_follow_descriptors},
    {"regions: containers follow descriptors into them", [] { containers_follow_descriptors(false); }},
    {"regions: containers refuse descriptors into missing ones", [] { containers_follow_descriptors(true); }},
};

}  // namespace model_t::test
