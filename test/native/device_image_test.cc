/* Tiles and tables of a device image: applied as a kernel applies them, every slot is what the reference says. */
#include <cstring>

#include "../../replay/native/reference.h"
#include "staged.h"

namespace model_t::test {

namespace {

constexpr Unique kUniques[] = {Unique::flow, Unique::packet, Unique::off};

/* A whole tile in the pass of the virtual image that begins with lap `passed`. */
Segment whole_tile(const DeviceImage& device, const DeviceLayout& layout, uint32_t tile, uint64_t passed) {
  Segment segment{};
  const Mutation& mutation = *device.mutation();
  const uint64_t laps = mutation.plan().unique == Unique::off ? 0 : passed;
  segment.tile = tile;
  segment.rows4 = layout.tiles[tile].rows4;
  segment.rows6 = layout.tiles[tile].rows6;
  segment.base4 = static_cast<uint32_t>(laps * mutation.count4());
  segment.base6 = laps * mutation.count6();
  return segment;
}

/* Every slot of the tile: padding, frame, zeros behind it. */
void expect_tile(const DeviceImage& device, const DeviceTile& tile, const uint8_t* image, uint64_t passed, Reference& reference) {
  for (uint64_t packet = tile.first; packet < tile.first + tile.packets && !failing(); packet++) {
    uint32_t length;
    const uint8_t* frame = reference.frame(passed * device.lap_packets() + packet, &length);
    const uint64_t at = device.bytes_before(packet);
    Bytes wanted(device.bytes_before(packet + 1) - at);
    memcpy(wanted.data() + kFrameOffset, frame, length);
    CHECK_FOR(memcmp(image + (at - tile.start), wanted.data(), wanted.size()) == 0, "packet " + std::to_string(packet) + ", pass from lap " + std::to_string(passed));
  }
}

void expect_passes(const std::shared_ptr<TraceImage>& image, const MutationPlan& plan, uint64_t copies, Random& random, uint64_t* followed) {
  const auto device = make_device(image, plan);
  const auto layout = cut_anywhere(*device, copies, random);
  KernelTwin twin(*device, layout);
  Reference reference(*image, plan);
  for (const uint64_t pass : {uint64_t{0}, uint64_t{1}, uint64_t{2 + random.below(1 << 30)}, random.next() >> 20}) {
    for (uint32_t tile = 0; tile < layout->tiles.size() && !failing(); tile++) {
      twin.patch(whole_tile(*device, *layout, tile, pass * copies));
      expect_tile(*device, layout->tiles[tile], twin.image(tile), pass * copies, reference);
    }
  }
  for (int i = 0; i < 4; i++) followed[i] += twin.followed4[i];
  followed[4] += twin.followed6;
}

void tables_applied_give_the_reference() {
  Random random(100);
  uint64_t followed[5] = {};
  for (uint32_t round = 0; round < rounds(60) && !failing(); round++) {
    const auto image = make_image(random, 1 + random.below(300), round % 4 == 0 ? 20000 : 1500);
    expect_passes(image, make_plan(random, kUniques[round % 3]), 1 + random.below(4), random, followed);
  }
  for (const uint64_t rows : followed) CHECK(rows > 0); /* every way to follow a checksum was taken */
}

/* Every checksum a frame may hold, right or wrong: the corners are where one's complement has two zeros. */
void every_checksum_value_follows() {
  for (const uint32_t wanted : {uint32_t{6}, uint32_t{17}, uint32_t{112}}) {
    for (const bool ip6 : {false, true}) {
      Random random(101);
      Bytes frame;
      HeaderPlaces places;
      FrameTraits traits;
      do {
        frame = make_frame(random, &traits);
        places = locate_headers(frame.data(), static_cast<uint32_t>(frame.size()), FrameKind::ethernet);
      } while (traits.ip6 != ip6 || traits.protocol != wanted || places.checksum == 0 || frame.size() > 126);
      const auto image = empty_image();
      for (uint32_t value = 0; value < 0x10000; value += settings.quick ? 7 : 1) {
        store16(frame.data() + places.checksum, value);
        append(*image, frame, FrameKind::ethernet, 0);
      }
      image->complete();
      MutationPlan plan = make_plan(random, Unique::flow);
      plan.rewrite4 = plan.rewrite6 = true;
      uint64_t followed[5] = {};
      expect_passes(image, plan, 1, random, followed);
    }
  }
}

void tiles_cover_the_virtual_image() {
  Random random(102);
  for (uint32_t round = 0; round < rounds(100) && !failing(); round++) {
    const auto image = make_image(random, 1 + random.below(300), 9000);
    const auto device = make_device(image, make_plan(random, Unique::flow));
    const uint64_t copies = 1 + random.below(9), limit = device->largest_slot() + random.below(100000);
    std::string error;
    const auto layout = device->lay_out(copies, limit, &error);
    if (!check(layout != nullptr, __FILE__, __LINE__, error)) return;
    uint64_t packets = 0, bytes = 0, rows4 = 0, rows6 = 0;
    for (const DeviceTile& tile : layout->tiles) {
      CHECK(tile.packets > 0 && tile.bytes <= limit && tile.first == packets && tile.start == bytes && tile.first4 == rows4 && tile.first6 == rows6);
      const uint64_t more = packets + tile.packets; /* greedy: the next slot would not fit */
      CHECK(more == copies * device->lap_packets() || device->bytes_before(more + 1) - tile.start > limit);
      const uint64_t elements[kSections] = {tile.rows4, tile.rows4, tile.rows4, tile.rows4, tile.rows4, tile.rows6, tile.packets};
      uint64_t end = 0;
      for (uint32_t i = 0; i < kSections; i++) {
        CHECK(tile.sections[i] == end && end % kSectionAlign == 0);
        const uint64_t next = i + 1 < kSections ? tile.sections[i + 1] : tile.tables_bytes;
        CHECK(next - end >= kSectionAlign && next - end >= elements[i] * kSectionWords[i] * 4);
        end = next;
      }
      packets = more;
      bytes += tile.bytes;
      rows4 += tile.rows4;
      rows6 += tile.rows6;
    }
    CHECK(packets == copies * device->lap_packets() && bytes == copies * device->lap_bytes());
    CHECK(rows4 == copies * device->lap_rows4() && rows6 == copies * device->lap_rows6());
  }
}

/* Any range, byte by byte what the whole is; nothing is written around it; beyond the end it is refused. */
void ranges_equal_the_whole() {
  Random random(103);
  const auto image = make_image(random, 400, 3000);
  const auto device = make_device(image, make_plan(random, Unique::packet));
  const auto layout = cut_anywhere(*device, 3, random);
  for (uint32_t round = 0; round < rounds(400) && !failing(); round++) {
    const DeviceTile& tile = layout->tiles[random.below(static_cast<uint32_t>(layout->tiles.size()))];
    const bool tables = random.one_in(2);
    const auto fill = [&](uint64_t offset, uint8_t* to, uint64_t bytes) {
      return tables ? device->fill_tables(tile, offset, to, bytes) : device->fill_image(tile, offset, to, bytes);
    };
    const uint32_t size = static_cast<uint32_t>(tables ? tile.tables_bytes : tile.bytes);
    Bytes whole(size);
    CHECK(fill(0, whole.data(), size));
    const uint32_t from = random.below(size + 1), bytes = random.below(size - from + 1);
    Bytes part(bytes + 2, 0x5a);
    CHECK(fill(from, part.data() + 1, bytes));
    CHECK(part.front() == 0x5a && part.back() == 0x5a && memcmp(part.data() + 1, whole.data() + from, bytes) == 0);
    CHECK(!fill(from, part.data(), uint64_t{size} - from + 1) && !fill(uint64_t{size} + 1, part.data(), 0) && !fill(1, part.data(), UINT64_MAX));
  }
}

void packets_are_listed() {
  Random random(104);
  const auto image = make_image(random, 200, 3000);
  const auto device = make_device(image, {});
  const auto layout = cut_anywhere(*device, 2, random);
  for (const DeviceTile& tile : layout->tiles) {
    std::vector<uint32_t> tables(tile.tables_bytes / 4);
    CHECK(device->fill_tables(tile, 0, reinterpret_cast<uint8_t*>(tables.data()), tile.tables_bytes));
    const uint32_t* entry = &tables[tile.sections[static_cast<uint32_t>(Section::packets)] / 4];
    for (uint64_t packet = tile.first; packet < tile.first + tile.packets; packet++, entry += 2) {
      CHECK_EQUAL(uint64_t{entry[0]} * 4, device->bytes_before(packet) - tile.start);
      CHECK_EQUAL(entry[1], image->shapes()[packet % image->packets()].length);
    }
  }
}

void what_cannot_be_laid_out_is_one_sentence() {
  Random random(105);
  std::string error;
  const auto nothing = empty_image();
  CHECK(DeviceImage::create(nothing, {}, &error) == nullptr && error.find("loaded") != std::string::npos);
  nothing->complete();
  CHECK(DeviceImage::create(nothing, {}, &error) == nullptr && error.find("empty") != std::string::npos);
  const auto image = make_image(random, 50, 1500);
  const auto device = make_device(image, make_plan(random, Unique::flow));
  const auto refused = [&](uint64_t copies, uint64_t tile_bytes) {
    error.clear();
    CHECK(device->lay_out(copies, tile_bytes, &error) == nullptr);
    CHECK_FOR(!error.empty() && error.find('\n') == std::string::npos, error);
  };
  refused(0, 1 << 20);
  refused(1, device->largest_slot() - 1);
  refused(1, 0);
  refused(1, kMaxTileBytes + 1);
  refused(UINT32_MAX, 1 << 20);
  refused(UINT64_MAX, 1 << 20);
  refused(UINT32_MAX / image->packets(), device->largest_slot()); /* too many tiles */
}

}  // namespace

extern const std::vector<Test> device_image_tests;
const std::vector<Test> device_image_tests = {
    {"device image: its tables, applied as a kernel does, give the reference", tables_applied_give_the_reference},
    {"device image: every checksum value follows", every_checksum_value_follows},
    {"device image: tiles cover the virtual image", tiles_cover_the_virtual_image},
    {"device image: any range equals that part of the whole", ranges_equal_the_whole},
    {"device image: packets are listed with place and length", packets_are_listed},
    {"device image: what cannot be laid out is one sentence", what_cannot_be_laid_out_is_one_sentence},
};

}  // namespace model_t::test
