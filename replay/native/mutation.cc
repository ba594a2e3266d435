/* See mutation.h. */
#include "mutation.h"

#include <sys/random.h>

#include <cstring>

namespace model_t {

namespace {

uint32_t load16(const uint8_t* at) {
  uint16_t word;
  memcpy(&word, at, sizeof word);
  return word;
}

uint32_t fold(uint64_t sum) {
  while (sum >> 16) sum = (sum & 0xffff) + (sum >> 16);
  return static_cast<uint32_t>(sum);
}

/* Sum of ~word over `bytes` (even): the "- m" of RFC 1624 eqn 3. */
uint32_t inverted_sum(const uint8_t* at, uint32_t bytes) {
  uint32_t sum = 0;
  for (uint32_t i = 0; i < bytes; i += 2) sum += ~load16(at + i) & 0xffff;
  return sum;
}

uint32_t sum64(uint64_t value) {
  return static_cast<uint32_t>((value & 0xffff) + (value >> 16 & 0xffff) + (value >> 32 & 0xffff) + (value >> 48));
}

uint64_t load_big64(const uint8_t* at) {
  uint64_t value;
  memcpy(&value, at, sizeof value);
  return __builtin_bswap64(value);
}

/* From the distance that PatchColumns4::layer4 holds; one that leads back is "no checksum to follow". */
LineShape line_shape(uint32_t layer4) {
  const int32_t distance = static_cast<int32_t>(layer4 << 8) >> 24;
  if (distance == 42 - 24) return kLineChecksum42;
  if (distance == 52 - 24) return kLineChecksum52;
  return distance < 0 ? kLineHeader : kLineOther;
}

constexpr uint64_t kMemoryBlock = 1 << 20; /* packets between two looks at the memory that is left */

/* There may be many lanes, and eight huge pages of each would hold little: smaller pages for the first 2 MiB of a column. */
constexpr uint64_t kLaneHugeFrom = uint64_t{2} << 20;

uint64_t random_key() {
  uint64_t key = 0;
  if (getrandom(&key, sizeof key, 0) != static_cast<ssize_t>(sizeof key)) key = reinterpret_cast<uintptr_t>(&key);
  return key;
}

}  // namespace

Mutation::Mutation(const MutationPlan& plan, const TraceImage& image)
    : plan_(plan),
      image_(image),
      permutation4_(make_permutation(32 - plan.prefix4_length, plan.seed)),
      permutation6_(make_permutation(plan.prefix6_length < 64 ? 64 : 128 - plan.prefix6_length, ~plan.seed)),
      low6_(load_big64(plan.prefix6.data() + 8)),
      high6_(load_big64(plan.prefix6.data())),
      hosts4_(16, AddressHash{random_key()}),
      hosts6_(16, AddressHash{random_key()}) {}

std::unique_ptr<Mutation> Mutation::create(const MutationPlan& plan, const TraceImage& image, std::string* error) {
  std::unique_ptr<Mutation> mutation(new Mutation(plan, image));
  /* A complete image has all its packets; a live one may grow to its capacity. */
  if (!mutation->reserve(image.is_complete() ? image.packets() : image.capacity_bytes() / kLine, 0, error)) return nullptr;
  return mutation;
}

bool Mutation::reserve(uint64_t packets, uint64_t huge_from, std::string* error) {
  const uint64_t widths[8] = {4, 4, 4, 4, sizeof(PatchRow6), 4, 4, 4};
  for (int i = 0; i < 8; i++) {
    if (!memory_[i].reserve((packets + 1) * widths[i], huge_from)) { /* one more for before[packets] */
      *error = "cannot reserve address space for the mutation of " + std::to_string(packets) + " packets";
      return false;
    }
  }
  auto column = [&](int i) { return static_cast<uint32_t*>(memory_[i].start()); };
  host4_ = column(0);
  fixed4_ = column(1);
  layer4_ = column(2);
  where4_ = column(3);
  rows6_at_ = static_cast<PatchRow6*>(memory_[4].start());
  before4_ = column(5);
  before6_ = column(6);
  before_lines_ = column(7);
  return true;
}

std::unique_ptr<Mutation> Mutation::select(const Mutation& whole, const TraceImage& image, std::span<const uint32_t> indexes, std::string* error) {
  std::unique_ptr<Mutation> lane(new Mutation(whole.plan_, image));
  if (!lane->reserve(indexes.size(), kLaneHugeFrom, error)) return nullptr;
  lane->compiled_ = lane->checked_to_ = indexes.size();
  lane->count4_ = whole.count4_;
  lane->count6_ = whole.count6_;
  memcpy(lane->unchanged_, whole.unchanged_, sizeof whole.unchanged_);
  if (!whole.active()) return lane;
  uint32_t rows4 = 0, rows6 = 0, lines = 0;
  for (uint64_t i = 0; i < indexes.size(); i++) {
    const uint64_t packet = indexes[i];
    /* Places move with the slot; modulo 2^32, as they are kept. */
    const uint32_t moved = static_cast<uint32_t>(image.slot_offsets()[i] - whole.image_.slot_offsets()[packet]);
    const uint32_t row4 = whole.before4_[packet], row6 = whole.before6_[packet];
    if (whole.before4_[packet + 1] != row4) {
      lane->host4_[rows4] = whole.host4_[row4];
      lane->fixed4_[rows4] = whole.fixed4_[row4];
      lane->layer4_[rows4] = whole.layer4_[row4];
      lane->where4_[rows4++] = whole.where4_[row4] + moved;
    }
    if (whole.before6_[packet + 1] != row6) {
      PatchRow6 row = whole.rows6_at_[row6];
      row.where += moved;
      if (row.checksum & kChecksumPresent) row.layer4 += moved;
      lane->rows6_at_[rows6++] = row;
    }
    lines += whole.before_lines_[packet + 1] - whole.before_lines_[packet];
    lane->before4_[i + 1] = rows4;
    lane->before6_[i + 1] = rows6;
    lane->before_lines_[i + 1] = lines;
  }
  lane->rows4_ = rows4;
  lane->rows6_ = rows6;
  lane->lines_ = lines;
  return lane;
}

void Mutation::add4(uint64_t packet, const uint8_t* frame, const HeaderPlaces& places) {
  const uint8_t* network = frame + places.network;
  uint32_t source;
  memcpy(&source, network + 12, sizeof source);
  const uint64_t row = rows4_++;
  const uint32_t known = static_cast<uint32_t>(hosts4_.size());
  const uint32_t host = hosts4_.try_emplace(source, known).first->second;
  count4_ = plan_.unique == Unique::packet ? rows4_ : hosts4_.size();
  host4_[row] = plan_.unique == Unique::packet ? static_cast<uint32_t>(row) : host;
  const uint32_t old = inverted_sum(network + 12, 4);
  const uint32_t header = fold((~load16(network + 10) & 0xffff) + old);
  fixed4_[row] = load16(network + 8) | header << 16;
  const uint32_t byte8 = places.network + 8;
  const uint64_t slot = image_.slot_offsets()[packet];
  where4_[row] = static_cast<uint32_t>(slot) + kFrameOffset + byte8;
  uint32_t layer4 = (-(kFrameOffset + byte8) & 0xff) << 16;
  if (places.checksum != 0) {
    const uint32_t captured = load16(frame + places.checksum);
    if (captured != 0 || !places.zero_means_absent) {
      layer4 = (places.checksum - byte8) << 16 | fold((~captured & 0xffff) + old) | (places.zero_means_absent ? kLayer4Udp : 0);
    }
  }
  const bool one_line = image_.slot_offsets()[packet + 1] - slot == kLine;
  const LineShape shape = one_line && places.network == 14 ? line_shape(layer4) : kLineOther;
  lines_ += shape != kLineOther;
  layer4_[row] = layer4 | static_cast<uint32_t>(shape) << kLineShapeBit;
}

void Mutation::add6(uint64_t packet, const uint8_t* frame, const HeaderPlaces& places) {
  const uint8_t* source = frame + places.network + 8;
  std::array<uint64_t, 2> address;
  memcpy(address.data(), source, sizeof address);
  const uint64_t row = rows6_++;
  const uint32_t known = static_cast<uint32_t>(hosts6_.size());
  const uint32_t host = hosts6_.try_emplace(address, known).first->second;
  count6_ = plan_.unique == Unique::packet ? rows6_ : hosts6_.size();
  const uint32_t start = static_cast<uint32_t>(image_.slot_offsets()[packet]) + kFrameOffset;
  PatchRow6& out = rows6_at_[row];
  out = {plan_.unique == Unique::packet ? static_cast<uint32_t>(row) : host, start + places.network + 8, 0, 0};
  if (places.checksum == 0) return;
  const uint32_t captured = load16(frame + places.checksum);
  if (captured == 0 && places.zero_means_absent) return;
  out.layer4 = start + places.checksum;
  out.checksum = fold((~captured & 0xffff) + inverted_sum(source, 16) + sum64(__builtin_bswap64(high6_))) | kChecksumPresent |
                 (places.zero_means_absent ? kLayer4Udp : 0);
}

bool Mutation::extend_to(uint64_t packets) {
  if (!active()) return true;
  for (; compiled_ < packets; compiled_++) {
    if (compiled_ >= checked_to_) {
      const uint64_t left = image_.is_complete() ? packets - compiled_ : kMemoryBlock; /* a live image asks for a few at a time */
      const uint64_t block = left < kMemoryBlock ? left : kMemoryBlock;
      checked_to_ = compiled_ + block;
      if (memory_headroom() < 2 * block * kColumnBytes) return false;
    }
    const uint8_t* frame = image_.slots() + image_.slot_offsets()[compiled_] + kFrameOffset;
    const HeaderPlaces places =
        locate_headers(frame, image_.shapes()[compiled_].length, static_cast<FrameKind>(image_.kinds()[compiled_]));
    Unchanged reason = places.reason;
    if (places.family == Family::ip4) {
      if (plan_.rewrite4) add4(compiled_, frame, places);
      else reason = Unchanged::ip4_without_rule;
    } else if (places.family == Family::ip6) {
      if (plan_.rewrite6) add6(compiled_, frame, places);
      else reason = Unchanged::ip6_without_rule;
    }
    unchanged_[static_cast<size_t>(reason)]++;
    before4_[compiled_ + 1] = static_cast<uint32_t>(rows4_);
    before6_[compiled_ + 1] = static_cast<uint32_t>(rows6_);
    before_lines_[compiled_ + 1] = static_cast<uint32_t>(lines_);
  }
  return true;
}

Patch4 Mutation::patch4_for(uint64_t replica) const {
  const uint64_t number = plan_.unique == Unique::off ? 0 : replica;
  return {{host4_, fixed4_, layer4_, where4_}, permutation4_, plan_.prefix4, static_cast<uint32_t>(number * count4()), 0, nullptr, nullptr};
}

void Mutation::patch6(uint64_t replica, uint64_t begin, uint64_t end, uint32_t origin, uint8_t* target) const {
  const uint64_t base = (plan_.unique == Unique::off ? 0 : replica) * count6();
  const uint64_t high = __builtin_bswap64(high6_);
  for (uint64_t i = begin; i < end; i++) {
    const PatchRow6& row = rows6_at_[i];
    const uint64_t low = __builtin_bswap64(low6_ | permute(permutation6_, base + row.host));
    uint8_t* at = target + static_cast<uint32_t>(row.where - origin);
    memcpy(at, &high, sizeof high);
    memcpy(at + 8, &low, sizeof low);
    if (!(row.checksum & kChecksumPresent)) continue;
    uint32_t checksum = fold((row.checksum & 0xffff) + sum64(low)) ^ 0xffff;
    if (checksum == 0 && (row.checksum & kLayer4Udp)) checksum = 0xffff;
    const uint16_t word = static_cast<uint16_t>(checksum);
    memcpy(target + static_cast<uint32_t>(row.layer4 - origin), &word, sizeof word);
  }
}

namespace {

uint64_t laps_of(uint32_t bits, uint64_t count) {
  if (count == 0) return UINT64_MAX;
  if (bits >= 64) return UINT64_MAX / count;
  return (1ull << bits) / count;
}

}  // namespace

uint64_t Mutation::period_laps() const {
  uint64_t period = UINT64_MAX;
  if (plan_.rewrite4) period = laps_of(permutation4_.bits, count4());
  if (plan_.rewrite6) {
    const uint64_t period6 = laps_of(permutation6_.bits, count6());
    if (period6 < period) period = period6;
  }
  if (plan_.unique == Unique::off && period != UINT64_MAX && period > 1) period = 1;
  return period;
}

}  // namespace model_t
