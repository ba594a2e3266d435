/* See device_image.h. What each word of a table means: the comments of Section and the kernels in replay/kernels. */
#include "device_image.h"

#include <algorithm>
#include <cstring>

namespace model_t {

namespace {

/* Tiles are cut and handed out one by one; a million of them is a mistake, not a plan. */
constexpr uint64_t kMaxTiles = 1 << 20;
/* Elements made in one go before they are copied to where they were asked for. */
constexpr uint64_t kChunkWords = 1024;

uint64_t round_up(uint64_t value, uint64_t to) { return (value + to - 1) / to * to; }

uint64_t elements_of(const DeviceTile& tile, Section section) {
  return section == Section::packets ? tile.packets : section == Section::rows6 ? tile.rows6 : tile.rows4;
}

/* The distance that PatchColumns4::layer4 holds; negative: no checksum to follow. */
int32_t distance4(uint32_t layer4) { return static_cast<int32_t>(layer4 << 8) >> 24; }

Follow4 follow4(uint32_t layer4) {
  const int32_t distance = distance4(layer4);
  const bool udp = (layer4 & kLayer4Udp) != 0;
  if (distance < 0) return Follow4::none;
  if (distance == 28 && !udp) return Follow4::low_word_7;
  if (distance == 18 && udp) return Follow4::high_word_4_udp;
  return Follow4::see_extra;
}

/*
 * The frame's word with its checksum half replaced by ~HC + ~m. Under the UDP rule that is kept one higher and never 0, so that
 * ~fold(sum) + 1 is 0xffff where the plain rule gives 0 (RFC 768), without a comparison.
 */
uint32_t with_checksum(uint32_t word, uint32_t constant, bool high, bool udp) {
  if (udp) constant = constant % 0xffff + 1;
  return high ? (word & 0xffff) | constant << 16 : (word & 0xffff0000) | constant;
}

/* The packet that row `row` is about: `before(i)` rows stand before packet i. */
template <typename Before>
uint64_t packet_of(uint64_t row, uint64_t packets, Before before) {
  uint64_t low = 0, high = packets; /* before(low) <= row < before(high) */
  while (high - low > 1) {
    const uint64_t middle = low + (high - low) / 2;
    if (before(middle) <= row) low = middle;
    else high = middle;
  }
  return low;
}

}  // namespace

std::unique_ptr<DeviceImage> DeviceImage::create(std::shared_ptr<TraceImage> image, const MutationPlan& plan, std::string* error) {
  if (!image->is_complete() || image->packets() == 0) {
    *error = "a device image needs a trace that is loaded and not empty";
    return nullptr;
  }
  std::unique_ptr<DeviceImage> device(new DeviceImage());
  device->packets_ = image->packets();
  device->lap_bytes_ = image->slot_offsets()[device->packets_];
  for (uint64_t i = 0; i < device->packets_; i++) {
    device->largest_slot_ = std::max(device->largest_slot_, image->slot_offsets()[i + 1] - image->slot_offsets()[i]);
  }
  device->image_ = std::move(image);
  device->mutation_ = Mutation::create(plan, *device->image_, error);
  if (!device->mutation_) return nullptr;
  if (!device->mutation_->extend_to(device->packets_)) {
    *error = "out of memory while compiling the mutation of " + std::to_string(device->packets_) + " packets";
    return nullptr;
  }
  *error = device->check();
  return error->empty() ? std::move(device) : nullptr;
}

/* Kernels store whole words: fields must lie where words and halves of words do. Empty, or what does not. */
std::string DeviceImage::check() const {
  const PatchColumns4 columns = mutation_->columns4();
  for (uint64_t row = 0; row < lap_rows4(); row++) {
    const int32_t distance = distance4(columns.layer4[row]);
    if (columns.where[row] % 4 == 0 && (distance < 0 || (distance % 2 == 0 && distance >= 8))) continue;
    return "IPv4 header " + std::to_string(row + 1) + " of the trace is not at a multiple of 4 bytes; use the native engine";
  }
  for (uint64_t row = 0; row < lap_rows6(); row++) {
    const PatchRow6& patch = mutation_->rows6()[row];
    const bool follows = (patch.checksum & kChecksumPresent) != 0;
    if (patch.where % 4 == 0 && (!follows || (patch.layer4 % 2 == 0 && patch.layer4 - patch.where >= 16))) continue;
    return "IPv6 header " + std::to_string(row + 1) + " of the trace is not at a multiple of 4 bytes; use the native engine";
  }
  return "";
}

uint64_t DeviceImage::packets_within(uint64_t end) const {
  const uint64_t* offsets = image_->slot_offsets();
  const uint64_t* above = std::upper_bound(offsets, offsets + packets_ + 1, end % lap_bytes_);
  return end / lap_bytes_ * packets_ + static_cast<uint64_t>(above - offsets) - 1;
}

std::shared_ptr<const DeviceLayout> DeviceImage::lay_out(uint64_t copies, uint64_t tile_bytes, std::string* error) const {
  const uint64_t most = UINT32_MAX / packets_; /* row numbers are 32 bits */
  if (copies < 1 || copies > most || tile_bytes > kMaxTileBytes || tile_bytes < largest_slot_ ||
      copies * lap_bytes_ / tile_bytes >= kMaxTiles) {
    *error = std::to_string(copies) + " copies of " + std::to_string(lap_bytes_) + " bytes do not lie in tiles of " + std::to_string(tile_bytes) +
             " bytes: 1 to " + std::to_string(most) + " copies, tiles from the largest slot (" + std::to_string(largest_slot_) +
             ") to 2 GiB, at most a million of them";
    return nullptr;
  }
  auto layout = std::make_shared<DeviceLayout>(DeviceLayout{copies, {}});
  const uint64_t total = copies * packets_;
  for (uint64_t first = 0; first < total;) {
    DeviceTile tile{};
    tile.first = first;
    tile.start = bytes_before(first);
    const uint64_t next = std::min(total, packets_within(tile.start + tile_bytes));
    tile.packets = next - first;
    tile.bytes = bytes_before(next) - tile.start;
    tile.first4 = rows4_before(first);
    tile.rows4 = rows4_before(next) - tile.first4;
    tile.first6 = rows6_before(first);
    tile.rows6 = rows6_before(next) - tile.first6;
    for (uint32_t i = 0; i < kSections; i++) {
      tile.sections[i] = tile.tables_bytes;
      const uint64_t bytes = elements_of(tile, static_cast<Section>(i)) * kSectionWords[i] * 4;
      tile.tables_bytes += std::max(kSectionAlign, round_up(bytes, kSectionAlign));
    }
    layout->tiles.push_back(tile);
    first = next;
  }
  return layout;
}

bool DeviceImage::fill_image(const DeviceTile& tile, uint64_t offset, uint8_t* to, uint64_t bytes) const {
  if (offset > tile.bytes || bytes > tile.bytes - offset) return false;
  uint64_t from = (tile.start + offset) % lap_bytes_;
  while (bytes > 0) {
    const uint64_t part = std::min(bytes, lap_bytes_ - from);
    memcpy(to, image_->slots() + from, part);
    to += part;
    bytes -= part;
    from = 0;
  }
  return true;
}

bool DeviceImage::fill_tables(const DeviceTile& tile, uint64_t offset, uint8_t* to, uint64_t bytes) const {
  if (offset > tile.tables_bytes || bytes > tile.tables_bytes - offset) return false;
  memset(to, 0, bytes); /* between sections */
  uint32_t chunk[kChunkWords];
  for (uint32_t i = 0; i < kSections; i++) {
    const Section section = static_cast<Section>(i);
    const uint64_t width = kSectionWords[i] * 4;
    const uint64_t start = tile.sections[i];
    const uint64_t from = std::max(offset, start), end = std::min(offset + bytes, start + elements_of(tile, section) * width);
    for (uint64_t at = from; at < end;) {
      const uint64_t first = (at - start) / width;
      const uint64_t last = std::min((end - start + width - 1) / width, first + kChunkWords / kSectionWords[i]);
      make_elements(tile, section, first, last, chunk);
      const uint64_t skip = at - start - first * width;
      const uint64_t part = std::min(end - at, (last - first) * width - skip);
      memcpy(to + (at - offset), reinterpret_cast<const uint8_t*>(chunk) + skip, part);
      at += part;
    }
  }
  return true;
}

void DeviceImage::make_elements(const DeviceTile& tile, Section section, uint64_t begin, uint64_t end, uint32_t* to) const {
  if (section == Section::rows6) make_rows6(tile, begin, end, to);
  else if (section == Section::packets) make_packets(tile, begin, end, to);
  else make_rows4(tile, section, begin, end, to);
}

uint32_t DeviceImage::word_at(uint64_t offset) const {
  uint32_t word;
  memcpy(&word, image_->slots() + offset, sizeof word);
  return word;
}

/* Calls make(copy, row) for rows [begin, end) of the tile, and puts what comes back one behind the other. */
template <typename Make>
void DeviceImage::each_row4(const DeviceTile& tile, uint64_t begin, uint64_t end, uint32_t* to, Make make) const {
  const uint64_t rows = lap_rows4();
  uint64_t copy = (tile.first4 + begin) / rows, row = (tile.first4 + begin) % rows;
  for (uint64_t i = begin; i < end; copy++, row = 0) {
    for (; i < end && row < rows; i++, row++) *to++ = make(copy, row);
  }
}

void DeviceImage::make_rows4(const DeviceTile& tile, Section section, uint64_t begin, uint64_t end, uint32_t* to) const {
  const PatchColumns4 columns = mutation_->columns4();
  const uint32_t hosts = mutation_->plan().unique == Unique::off ? 0 : static_cast<uint32_t>(mutation_->count4());
  const auto follow_of = [&](uint64_t row) { return follow4(columns.layer4[row]); };
  if (section == Section::host4) {
    each_row4(tile, begin, end, to, [&](uint64_t copy, uint64_t row) { return static_cast<uint32_t>(copy) * hosts + columns.host[row]; });
  } else if (section == Section::fixed4) {
    each_row4(tile, begin, end, to, [&](uint64_t, uint64_t row) { return columns.fixed[row]; });
  } else if (section == Section::place4) {
    each_row4(tile, begin, end, to, [&](uint64_t copy, uint64_t row) { /* low halves will do: a tile is below 4 GiB */
      const uint32_t byte = static_cast<uint32_t>(copy * lap_bytes_ - tile.start) + columns.where[row];
      return byte / 4 | static_cast<uint32_t>(follow_of(row)) << kPlaceBits;
    });
  } else if (section == Section::extra4) {
    each_row4(tile, begin, end, to, [&](uint64_t, uint64_t row) {
      if (follow_of(row) != Follow4::see_extra) return 0u;
      const uint32_t layer4 = columns.layer4[row], distance = static_cast<uint32_t>(distance4(layer4));
      return distance / 4 | (distance & 2 ? kExtraHigh4 : 0) | (layer4 & kLayer4Udp ? kExtraUdp4 : 0);
    });
  } else {
    make_sums4(tile, begin, end, to);
  }
}

void DeviceImage::make_sums4(const DeviceTile& tile, uint64_t begin, uint64_t end, uint32_t* to) const {
  const PatchColumns4 columns = mutation_->columns4();
  const auto before = [this](uint64_t packet) { return mutation_->rows4_before(packet); };
  uint64_t packet = packet_of((tile.first4 + begin) % lap_rows4(), packets_, before);
  each_row4(tile, begin, end, to, [&](uint64_t, uint64_t row) {
    const uint32_t layer4 = columns.layer4[row];
    if (follow4(layer4) == Follow4::none) return 0u;
    if (before(packet) > row) packet = 0; /* the next copy */
    while (before(packet + 1) <= row) packet++;
    /* The column has the low half of the offset; a trace may be larger than 4 GiB. */
    const uint64_t slot = image_->slot_offsets()[packet];
    const uint32_t distance = static_cast<uint32_t>(distance4(layer4));
    const uint64_t where = slot + (columns.where[row] - static_cast<uint32_t>(slot)) + (distance & ~3u);
    return with_checksum(word_at(where), layer4 & 0xffff, (distance & 2) != 0, (layer4 & kLayer4Udp) != 0);
  });
}

void DeviceImage::make_rows6(const DeviceTile& tile, uint64_t begin, uint64_t end, uint32_t* to) const {
  const uint64_t rows = lap_rows6();
  const uint64_t count = mutation_->plan().unique == Unique::off ? 0 : mutation_->count6();
  const auto before = [this](uint64_t packet) { return mutation_->rows6_before(packet); };
  uint64_t copy = (tile.first6 + begin) / rows, row = (tile.first6 + begin) % rows;
  uint64_t packet = packet_of(row, packets_, before);
  for (uint64_t i = begin; i < end; i++, row++, to += 4) {
    if (row == rows) copy++, row = packet = 0;
    while (before(packet + 1) <= row) packet++;
    const PatchRow6& patch = mutation_->rows6()[row];
    const uint64_t slot = image_->slot_offsets()[packet];
    const uint64_t where = slot + (patch.where - static_cast<uint32_t>(slot));
    to[0] = static_cast<uint32_t>(copy * count) + patch.host;
    to[1] = static_cast<uint32_t>((copy * lap_bytes_ + where - tile.start) / 4);
    to[2] = to[3] = 0;
    if (!(patch.checksum & kChecksumPresent)) continue;
    const uint32_t distance = patch.layer4 - patch.where;
    const bool udp = (patch.checksum & kLayer4Udp) != 0, high = (distance & 2) != 0;
    to[1] |= kFollow6;
    to[2] = with_checksum(word_at(where + (distance & ~3u)), patch.checksum & 0xffff, high, udp);
    to[3] = distance / 4 | (high ? kExtraHigh6 : 0) | (udp ? kExtraUdp6 : 0);
  }
}

void DeviceImage::make_packets(const DeviceTile& tile, uint64_t begin, uint64_t end, uint32_t* to) const {
  uint64_t copy = (tile.first + begin) / packets_, index = (tile.first + begin) % packets_;
  for (uint64_t i = begin; i < end; copy++, index = 0) {
    const uint64_t start = copy * lap_bytes_ - tile.start; /* may wrap: the slot's offset brings it back */
    for (; i < end && index < packets_; i++, index++, to += 2) {
      to[0] = static_cast<uint32_t>((start + image_->slot_offsets()[index]) / 4);
      to[1] = image_->shapes()[index].length;
    }
  }
}

void DeviceImage::parameters(uint32_t out[kParameters]) const {
  const Permutation& four = mutation_->permutation4();
  const Permutation& six = mutation_->permutation6();
  const MutationPlan& plan = mutation_->plan();
  memset(out, 0, kParameters * sizeof *out);
  const uint64_t narrow[] = {four.multiply_1, four.add_1, four.multiply_2, four.add_2, four.mask, four.shift, plan.prefix4};
  for (uint32_t i = 0; i < 7; i++) out[i] = static_cast<uint32_t>(narrow[i]);
  uint64_t high, low;
  memcpy(&high, plan.prefix6.data(), sizeof high); /* as it lies in memory */
  memcpy(&low, plan.prefix6.data() + 8, sizeof low);
  const uint64_t wide[] = {six.multiply_1, six.add_1, six.multiply_2, six.add_2, six.mask, six.shift, high, __builtin_bswap64(low), plan.seed};
  for (uint32_t i = 0; i < 9; i++) {
    out[8 + 2 * i] = static_cast<uint32_t>(wide[i]);
    out[9 + 2 * i] = static_cast<uint32_t>(wide[i] >> 32);
  }
}

}  // namespace model_t
