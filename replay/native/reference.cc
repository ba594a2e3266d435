/* See reference.h. Plain on purpose: this is the text that the fast code is held to. */
#include "reference.h"

#include <array>
#include <cstring>
#include <map>

namespace model_t {

namespace {

uint32_t load16(const uint8_t* at) { return static_cast<uint32_t>(at[0]) << 8 | at[1]; }

void store16(uint8_t* at, uint32_t value) {
  at[0] = static_cast<uint8_t>(value >> 8);
  at[1] = static_cast<uint8_t>(value);
}

/* RFC 1624 eqn 3 for one word: HC' = ~(~HC + ~m + m'). */
uint32_t update_checksum(uint32_t checksum, uint32_t old_word, uint32_t new_word) {
  uint32_t sum = (~checksum & 0xffff) + (~old_word & 0xffff) + new_word;
  while (sum >> 16) sum = (sum & 0xffff) + (sum >> 16);
  return ~sum & 0xffff;
}

}  // namespace

Reference::Reference(const TraceImage& image, const MutationPlan& plan) : image_(image), plan_(plan), frame_(kMaxFrame + 64) {
  if (!plan.rewrite4 && !plan.rewrite6) return;
  std::map<std::array<uint8_t, 16>, uint32_t> hosts4, hosts6;
  uint32_t packets4 = 0, packets6 = 0;
  numbers_.resize(image.packets());
  for (uint64_t i = 0; i < image.packets(); i++) {
    const uint8_t* frame = image.slots() + image.slot_offsets()[i] + kFrameOffset;
    const HeaderPlaces places = locate_headers(frame, image.shapes()[i].length, static_cast<FrameKind>(image.kinds()[i]));
    if (places.family == Family::none) continue;
    const bool ip4 = places.family == Family::ip4;
    auto& hosts = ip4 ? hosts4 : hosts6;
    const uint8_t* source = frame + places.network + (ip4 ? 12 : 8);
    std::array<uint8_t, 16> address{};
    memcpy(address.data(), source, ip4 ? 4 : 16);
    const auto known = hosts.emplace(address, static_cast<uint32_t>(hosts.size()));
    const uint32_t packet = ip4 ? packets4++ : packets6++;
    numbers_[i] = plan.unique == Unique::packet ? packet : known.first->second;
  }
  count4_ = plan.unique == Unique::packet ? packets4 : hosts4.size();
  count6_ = plan.unique == Unique::packet ? packets6 : hosts6.size();
}

void Reference::rewrite(uint8_t* frame, const HeaderPlaces& places, uint64_t index, uint64_t lap) {
  const bool ip4 = places.family == Family::ip4;
  const uint64_t replica = plan_.unique == Unique::off ? 0 : lap;
  const uint64_t number = replica * (ip4 ? count4_ : count6_) + numbers_[index];
  uint8_t address[16];
  uint32_t bytes;
  if (ip4) {
    const uint32_t bits = 32 - plan_.prefix4_length;
    const uint64_t host = permute(make_permutation(bits, plan_.seed), number & 0xffffffffu);
    const uint32_t value = plan_.prefix4 | static_cast<uint32_t>(host);
    for (int i = 0; i < 4; i++) address[i] = static_cast<uint8_t>(value >> (24 - 8 * i));
    bytes = 4;
  } else {
    const uint32_t bits = plan_.prefix6_length < 64 ? 64 : 128 - plan_.prefix6_length;
    const uint64_t host = permute(make_permutation(bits, ~plan_.seed), number);
    memcpy(address, plan_.prefix6.data(), 16);
    for (int i = 0; i < 8; i++) address[8 + i] = static_cast<uint8_t>(address[8 + i] | host >> (56 - 8 * i));
    bytes = 16;
  }
  uint8_t* source = frame + places.network + (ip4 ? 12 : 8);
  uint8_t* header = ip4 ? frame + places.network + 10 : nullptr;
  uint8_t* transport = places.checksum ? frame + places.checksum : nullptr;
  if (transport && places.zero_means_absent && load16(transport) == 0) transport = nullptr;
  for (uint32_t i = 0; i < bytes; i += 2) {
    const uint32_t old_word = load16(source + i), new_word = load16(address + i);
    if (header) store16(header, update_checksum(load16(header), old_word, new_word));
    if (transport) store16(transport, update_checksum(load16(transport), old_word, new_word));
    store16(source + i, new_word);
  }
  if (transport && places.zero_means_absent && load16(transport) == 0) store16(transport, 0xffff);
}

const uint8_t* Reference::frame(uint64_t ordinal, uint32_t* length) {
  const uint64_t packets = indexes_.empty() ? image_.packets() : indexes_.size();
  const uint64_t index = indexes_.empty() ? ordinal % packets : indexes_[ordinal % packets];
  *length = image_.shapes()[index].length;
  memcpy(frame_.data(), image_.slots() + image_.slot_offsets()[index] + kFrameOffset, *length);
  const HeaderPlaces places = locate_headers(frame_.data(), *length, static_cast<FrameKind>(image_.kinds()[index]));
  const bool wanted = places.family == Family::ip4 ? plan_.rewrite4 : places.family == Family::ip6 && plan_.rewrite6;
  if (wanted) rewrite(frame_.data(), places, index, ordinal / packets);
  return frame_.data();
}

uint64_t Reference::digest(uint64_t begin, uint64_t end, uint32_t line_limit) {
  uint64_t sum = 0;
  for (uint64_t ordinal = begin; ordinal < end; ordinal++) {
    uint32_t length;
    const uint8_t* bytes = frame(ordinal, &length);
    sum += model_t_digest_packet(bytes, length, line_limit);
  }
  return sum;
}

}  // namespace model_t
