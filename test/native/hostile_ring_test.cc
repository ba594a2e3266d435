/* The C header's reader against a producer that lies: nothing it hands out lies outside the ring, and it says what is wrong. */
#include <cstring>

#include "../../stack/native/ring.h"
#include "support.h"

namespace model_t::test {

namespace {

constexpr uint64_t kRegion = 64 << 10;

std::unique_ptr<RingMemory> open_ring() {
  std::string error;
  std::unique_ptr<RingMemory> ring = RingMemory::create_private(kRegion, &error);
  if (!check(ring != nullptr, __FILE__, __LINE__, error)) abort();
  ring->publish_state(MODEL_T_RING_OPEN);
  return ring;
}

/* A reader in slot 0, cursors at `position`, without a producer that admits it. */
model_t_reader reader_at(RingMemory& ring, model_t_policy policy, uint64_t position) {
  model_t_reader reader{};
  model_t_reader_map(&reader, ring.header(), ring.header());
  reader.slot = ring.readers();
  reader.policy = policy;
  reader.tail = reader.head = position;
  return reader;
}

void set_head(RingMemory& ring, uint64_t head) { __atomic_store_n(&ring.header()->head, head, __ATOMIC_RELEASE); }

bool inside(const RingMemory& ring, const model_t_packet& packet) {
  const uint8_t* begin = ring.region();
  return packet.frame >= begin + 2 && packet.frame + packet.length <= begin + kRegion && packet.frame + 62 <= begin + kRegion;
}

void descriptors_outside_the_region_are_refused() {
  const model_t_descriptor wrong[] = {
      {0, 1, 60, 2, 0},            /* no such region */
      {0, 0, 60, kRegion + 2, 0},  /* behind the region */
      {0, 0, 63, kRegion - 62, 0}, /* one byte too long */
      {0, 0, 0xffffffff, 2, 0},    /* length + offset beyond 32 bits */
      {0, 0, 60, 0xffffffc2, 0},   /* offset near 4 GiB */
      {0, 0, 60, 64, 0},           /* no frame starts there */
      {0, 0, 60, 0, 0},
  };
  for (const model_t_descriptor& descriptor : wrong) {
    const auto ring = open_ring();
    model_t_reader reader = reader_at(*ring, MODEL_T_BLOCK, 0);
    ring->descriptors()[0] = descriptor;
    set_head(*ring, 1);
    model_t_packet packet;
    CHECK_EQUAL(model_t_ring_receive(&reader, &packet, 1), MODEL_T_CORRUPT);
    CHECK(std::string(reader.error).find("corrupt") != std::string::npos);
  }
  const model_t_descriptor right[] = {{0, 0, 62, kRegion - 62, 0}, {0, 0, 0, 2, 0}, {0, 0, kRegion - 2, 2, 0}};
  const auto ring = open_ring();
  for (const model_t_descriptor& descriptor : right) CHECK(model_t_descriptor_fits(&descriptor, ring->regions()) == 1);
}

void a_head_that_jumps_is_corrupt() {
  for (const model_t_policy policy : {MODEL_T_BLOCK, MODEL_T_DROP}) {
    const auto ring = open_ring();
    const uint64_t at = 1000;
    for (const uint64_t head : {at - 1, at + ring->descriptor_count() + 1, uint64_t{0}, UINT64_MAX}) {
      model_t_reader reader = reader_at(*ring, policy, at);
      set_head(*ring, head);
      CHECK_EQUAL(model_t_ring_available(&reader, 256), MODEL_T_CORRUPT);
    }
    model_t_reader reader = reader_at(*ring, policy, at);
    set_head(*ring, at + ring->descriptor_count());
    CHECK_EQUAL(model_t_ring_available(&reader, 256), 256);
  }
}

void a_head_that_goes_backwards_under_a_lag_reader_is_corrupt() {
  const auto ring = open_ring();
  model_t_reader reader = reader_at(*ring, MODEL_T_LAG, 1000);
  set_head(*ring, 999);
  CHECK_EQUAL(model_t_ring_available(&reader, 256), MODEL_T_CORRUPT);
}

/* A window that is no power of two, or larger than the ring, is refused; a smaller one is used. */
void a_window_that_cannot_be_is_corrupt() {
  for (const model_t_policy policy : {MODEL_T_BLOCK, MODEL_T_LAG, MODEL_T_DROP}) {
    const auto ring = open_ring();
    for (const uint32_t mask : {ring->descriptor_count() * 2 - 1, 62u, 64u, 0xfffffffeu, 0xffffffffu}) {
      model_t_reader reader = reader_at(*ring, policy, 1000);
      __atomic_store_n(&ring->header()->descriptor_mask, mask, __ATOMIC_RELEASE);
      set_head(*ring, 1001);
      CHECK_EQUAL(model_t_ring_available(&reader, 256), MODEL_T_CORRUPT);
      CHECK(std::string(reader.error).find("mask") != std::string::npos);
    }
    model_t_reader reader = reader_at(*ring, policy, 1000);
    ring->use_descriptors(64);
    ring->descriptors()[1000 & 63] = {0, 0, 60, 2, 7};
    model_t_packet packet;
    CHECK_EQUAL(model_t_ring_receive(&reader, &packet, 1), 1);
    CHECK_EQUAL(packet.sequence, 7u);
    model_t_ring_release(&reader);
    set_head(*ring, 1001 + 65);
    if (policy != MODEL_T_LAG) CHECK_EQUAL(model_t_ring_available(&reader, 256), MODEL_T_CORRUPT); /* more than the window holds */
  }
}

/* Random descriptors, heads and floors: whatever is handed out lies inside, and is read to prove it. */
void random_lies_never_lead_outside() {
  Random random(81);
  const auto ring = open_ring();
  const model_t_policy policies[] = {MODEL_T_BLOCK, MODEL_T_LAG, MODEL_T_DROP};
  uint64_t handed_out = 0, corrupt = 0, sum = 0;
  for (uint32_t round = 0; round < rounds(20000) && !failing(); round++) {
    const uint64_t start = random.one_in(4) ? random.next() : random.below(100000);
    model_t_reader reader = reader_at(*ring, random.pick(policies), start);
    const bool tame = random.one_in(2);
    for (uint32_t i = 0; i < 64; i++) {
      model_t_descriptor d{0, 0, random.below(1500), random.below(kRegion / 64) * 64 + 2, 0};
      if (!tame && random.one_in(8)) random.fill(reinterpret_cast<uint8_t*>(&d), sizeof d);
      if (random.one_in(40)) d.flags = static_cast<uint16_t>(random.below(16));
      ring->descriptors()[(start + i) & (ring->descriptor_count() - 1)] = d;
    }
    set_head(*ring, random.one_in(4) ? random.next() : start + random.below(64));
    __atomic_store_n(&ring->header()->floor, random.one_in(4) ? random.next() : start, __ATOMIC_RELEASE);
    model_t_packet packets[64];
    for (int turn = 0; turn < 3; turn++) {
      const int count = model_t_ring_receive(&reader, packets, 64);
      corrupt += count == MODEL_T_CORRUPT;
      for (int i = 0; i < count; i++, handed_out++) {
        if (CHECK(inside(*ring, packets[i])) && packets[i].length) sum += packets[i].frame[0] + packets[i].frame[packets[i].length - 1];
      }
      if (count <= 0) break;
      model_t_ring_release(&reader);
    }
  }
  CHECK(handed_out > 1000 && corrupt > 100 && sum == 0); /* the region was never written */
}

/* Every field of the header, wrong: an accepted geometry fits into the mapping. */
void accepted_geometry_fits_the_mapping() {
  Random random(82);
  const auto ring = open_ring();
  const uint64_t mapped = ring->total_bytes();
  CHECK(model_t_ring_check(ring->header(), mapped) == nullptr);
  uint32_t refused = 0;
  for (uint32_t round = 0; round < rounds(200000); round++) {
    model_t_ring_header header = *ring->header();
    const uint64_t extremes[] = {0, 1, 63, 64, mapped - 64, mapped, mapped + 64, 1ull << 32, ~0ull, ~63ull, random.next(), random.below(1 << 20) * 64ull};
    for (uint32_t change = 1 + random.below(2); change > 0; change--) {
      uint8_t* const field = reinterpret_cast<uint8_t*>(&header) + random.below(9) * 8;
      const uint64_t value = random.pick(extremes);
      memcpy(field, &value, random.one_in(4) ? 4 : 8);
    }
    if (model_t_ring_check(&header, mapped) != nullptr) {
      refused++;
      continue;
    }
    const auto fits = [&](uint64_t offset, uint64_t bytes) { return offset <= mapped && bytes <= mapped - offset && offset >= 640 + 16 * 384; };
    CHECK(header.magic == MODEL_T_RING_MAGIC && header.abi_version == MODEL_T_RING_ABI_VERSION && header.total_bytes == mapped);
    CHECK((header.descriptor_count & (header.descriptor_count - 1)) == 0 && header.descriptor_count > 0);
    CHECK(fits(header.descriptors_offset, uint64_t{header.descriptor_count} * 16) && fits(header.times_offset, uint64_t{header.descriptor_count} * 8));
    CHECK(fits(header.region_offset, header.region_bytes));
  }
  CHECK(refused > rounds(100000));
  CHECK(model_t_ring_check(ring->header(), 100) != nullptr);
}

void all_slots_taken_is_told() {
  const auto ring = open_ring();
  for (uint32_t i = 0; i < MODEL_T_READER_SLOTS; i++) ring->readers()[i].state = MODEL_T_READER_ATTACHED;
  model_t_reader reader{};
  model_t_reader_map(&reader, ring->header(), ring->header());
  CHECK_EQUAL(model_t_ring_join(&reader, MODEL_T_BLOCK, 0), -1);
  CHECK(std::string(reader.error).find("slots") != std::string::npos);
}

/* A reader that nobody answers, or that comes too late, gives its slot back. */
void joins_that_fail_free_their_slot() {
  const auto ring = open_ring();
  model_t_reader reader{};
  model_t_reader_map(&reader, ring->header(), ring->header());
  CHECK_EQUAL(model_t_ring_join(&reader, MODEL_T_BLOCK, 5), -1);
  CHECK(std::string(reader.error).find("in time") != std::string::npos);
  ring->publish_state(MODEL_T_RING_ENDED);
  CHECK_EQUAL(model_t_ring_join(&reader, MODEL_T_BLOCK, 5000), -1);
  CHECK(std::string(reader.error).find("ended") != std::string::npos);
  CHECK_EQUAL(ring->readers()[0].state, static_cast<uint32_t>(MODEL_T_READER_FREE));
}

}  // namespace

extern const std::vector<Test> hostile_ring_tests;
const std::vector<Test> hostile_ring_tests = {
    {"hostile ring: descriptors outside the region are refused", descriptors_outside_the_region_are_refused},
    {"hostile ring: a head that jumps is corrupt", a_head_that_jumps_is_corrupt},
    {"hostile ring: a head that goes backwards under a lag reader is corrupt", a_head_that_goes_backwards_under_a_lag_reader_is_corrupt},
    {"hostile ring: a window that cannot be is corrupt", a_window_that_cannot_be_is_corrupt},
    {"hostile ring: random lies never lead outside", random_lies_never_lead_outside},
    {"hostile ring: accepted geometry fits the mapping", accepted_geometry_fits_the_mapping},
    {"hostile ring: all slots taken is told", all_slots_taken_is_told},
    {"hostile ring: joins that fail free their slot", joins_that_fail_free_their_slot},
};

}  // namespace model_t::test
