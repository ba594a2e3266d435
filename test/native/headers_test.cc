/* locate_headers on hostile bytes that end at a guard: no wild read, and every place it names lies inside the frame. */
#include <cstring>

#include "../../replay/native/headers.h"
#include "support.h"

namespace model_t::test {

namespace {

void places_lie_inside_the_frame() {
  Random random(30);
  const GuardedSlots memory(1, 4096);
  uint32_t found = 0, with_checksum = 0, reasons[static_cast<size_t>(Unchanged::count)] = {};
  for (uint32_t round = 0; round < rounds(200000) && !failing(); round++) {
    FrameTraits traits;
    Bytes frame = make_frame(random, &traits);
    if (!random.one_in(4)) frame = damage(random, std::move(frame));
    const uint32_t length = static_cast<uint32_t>(frame.size());
    uint8_t* at = memory.last(0, length);
    if (length) memcpy(at, frame.data(), length);
    const FrameKind kind = random.one_in(20) ? FrameKind::opaque : FrameKind::ethernet;
    const HeaderPlaces places = locate_headers(at, length, kind);
    reasons[static_cast<size_t>(places.reason)]++;
    CHECK((places.family != Family::none) == (places.reason == Unchanged::changed));
    CHECK(kind == FrameKind::ethernet || places.reason == Unchanged::opaque_link_type);
    if (places.family == Family::none) continue;
    found++;
    const uint32_t header = places.family == Family::ip4 ? 20 : 40;
    CHECK(places.network >= 14 && places.network <= 46 && places.network + header <= length);
    CHECK(at[places.network] >> 4 == (places.family == Family::ip4 ? 4 : 6));
    CHECK(places.ports == 0 || (places.ports >= places.network + header && places.ports + 4 <= length));
    if (places.checksum == 0) continue;
    with_checksum++;
    CHECK(places.checksum >= places.network + header && places.checksum + 2 <= length);
  }
  CHECK(found > rounds(1000) && with_checksum > rounds(1000));
  for (const Unchanged reason : {Unchanged::not_ip, Unchanged::opaque_link_type, Unchanged::truncated_header, Unchanged::malformed_header}) {
    CHECK_FOR(reasons[static_cast<size_t>(reason)] > 10, kUnchangedNames[static_cast<size_t>(reason)]);
  }
}

void every_prefix_of_a_frame_is_safe() {
  Random random(31);
  const GuardedSlots memory(1, 4096);
  for (uint32_t round = 0; round < rounds(500) && !failing(); round++) {
    FrameTraits traits;
    const Bytes frame = make_frame(random, &traits);
    const uint32_t reach = static_cast<uint32_t>(frame.size() < 220 ? frame.size() : 220);
    for (uint32_t length = 0; length <= reach; length++) {
      uint8_t* at = memory.last(0, length);
      if (length) memcpy(at, frame.data(), length);
      const HeaderPlaces places = locate_headers(at, length, FrameKind::ethernet);
      CHECK(places.checksum == 0 || places.checksum + 2 <= length);
      CHECK(places.ports == 0 || places.ports + 4 <= length);
    }
  }
}

}  // namespace

extern const std::vector<Test> header_tests;
const std::vector<Test> header_tests = {
    {"headers: places lie inside the frame, whatever its bytes", places_lie_inside_the_frame},
    {"headers: every prefix of a frame is safe", every_prefix_of_a_frame_is_safe},
};

}  // namespace model_t::test
