/* Implements capture_blocks.h: https://www.ietf.org/archive/id/draft-ietf-opsawg-pcapng-02.html */
#include "capture_blocks.h"

#include <algorithm>

namespace model_t {
namespace {

__extension__ typedef __int128 Wide;

constexpr Wide kNsPerSecond = 1000000000;

constexpr uint32_t kInterfaceFields = 16;
constexpr uint32_t kObsoleteFields = 28;
constexpr uint32_t kSimpleFields = 12;
constexpr uint32_t kEnhancedFields = 28;

constexpr uint16_t kOptionEnd = 0;
constexpr uint16_t kOptionResolution = 9;
constexpr uint16_t kOptionOffset = 14;
constexpr uint8_t kDefaultResolution = 6; /* Microseconds. */

std::string too_small(const char* kind, uint32_t length, uint32_t least) {
  return std::string(kind) + " block of " + std::to_string(length) + " bytes, at least " + std::to_string(least) + " are needed";
}

std::string no_interface(uint32_t id, size_t count) {
  return "interface " + std::to_string(id) + " is not among the " + std::to_string(count) + " of the section";
}

std::string beyond_block(uint32_t captured, uint32_t room) {
  return "captured length " + std::to_string(captured) + " is beyond the " + std::to_string(room) + " bytes of its block";
}

std::string beyond_interface(uint16_t code, uint32_t size) {
  return "option " + std::to_string(code) + " of " + std::to_string(size) + " bytes is beyond its interface block";
}

/* Fills in what is common to the kinds that name their interface and carry a time. */
std::string fill_timed(const ByteOrder& order, const uint8_t* block, uint32_t room, uint32_t id,
                       const std::vector<CaptureInterface>& interfaces, CapturedPacket* packet) {
  if (id >= interfaces.size()) return no_interface(id, interfaces.size());
  const CaptureInterface& interface = interfaces[id];
  const uint64_t ticks = uint64_t{order.u32(block + 12)} << 32 | order.u32(block + 16);
  const uint32_t captured = order.u32(block + 20);
  if (captured > room) return beyond_block(captured, room);
  packet->link_type = interface.link_type;
  packet->timed = true;
  packet->time_ns = ticks_to_ns(ticks, interface.resolution, interface.offset_seconds);
  packet->original_length = order.u32(block + 24);
  packet->data = block + 28;
  packet->length = captured;
  return "";
}

std::string fill_simple(const ByteOrder& order, const uint8_t* block, uint32_t room,
                        const std::vector<CaptureInterface>& interfaces, CapturedPacket* packet) {
  if (interfaces.empty()) return no_interface(0, 0);
  const uint32_t original = order.u32(block + 8);
  const uint32_t limit = interfaces[0].snap_length == 0 ? UINT32_MAX : interfaces[0].snap_length;
  const uint32_t captured = std::min(original, limit);
  if (captured > room) return beyond_block(captured, room);
  *packet = {interfaces[0].link_type, false, 0, original, block + kSimpleFields, captured};
  return "";
}

}  // namespace

uint64_t ticks_to_ns(uint64_t ticks, uint8_t resolution, int64_t offset_seconds) {
  const unsigned exponent = resolution & 0x7f;
  Wide ns = ticks;
  if ((resolution & 0x80) != 0) {
    /* ticks * 10^9 is below 2^94. */
    ns = exponent < 94 ? ns * kNsPerSecond >> exponent : 0;
  } else {
    for (unsigned power = exponent; power < 9; power += 1) ns *= 10;
    for (unsigned power = 9; power < exponent && ns > 0; power += 1) ns /= 10;
  }
  ns += Wide{offset_seconds} * kNsPerSecond;
  return static_cast<uint64_t>(std::clamp<Wide>(ns, 0, UINT64_MAX));
}

std::string parse_interface(const ByteOrder& order, const uint8_t* block, uint32_t length, CaptureInterface* interface) {
  if (length < kInterfaceFields + kBlockTrailer) return too_small("interface", length, kInterfaceFields + kBlockTrailer);
  *interface = {order.u16(block + 8), order.u32(block + 12), kDefaultResolution, 0};
  const uint32_t end = length - kBlockTrailer;
  for (uint32_t at = kInterfaceFields; end - at >= 4;) {
    const uint16_t code = order.u16(block + at);
    const uint32_t size = order.u16(block + at + 2);
    const uint32_t padded = (size + 3) / 4 * 4;
    if (code == kOptionEnd) break;
    at += 4;
    if (padded > end - at) return beyond_interface(code, size);
    if (code == kOptionResolution && size == 1) interface->resolution = block[at];
    if (code == kOptionOffset && size == 8) interface->offset_seconds = static_cast<int64_t>(order.u64(block + at));
    at += padded;
  }
  return "";
}

std::string parse_packet(BlockType type, const ByteOrder& order, const uint8_t* block, uint32_t length,
                         const std::vector<CaptureInterface>& interfaces, CapturedPacket* packet) {
  const bool simple = type == BlockType::simple_packet;
  static_assert(kObsoleteFields == kEnhancedFields);
  const uint32_t fields = simple ? kSimpleFields : kEnhancedFields;
  if (length < fields + kBlockTrailer) return too_small("packet", length, fields + kBlockTrailer);
  const uint32_t room = length - kBlockTrailer - fields;
  if (simple) return fill_simple(order, block, room, interfaces, packet);
  /* The obsolete kind has a 16-bit interface and a 16-bit drop count where the enhanced one has a 32-bit interface. */
  const uint32_t id = type == BlockType::obsolete_packet ? order.u16(block + 8) : order.u32(block + 8);
  return fill_timed(order, block, room, id, interfaces, packet);
}

}  // namespace model_t
