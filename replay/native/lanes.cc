/* See lanes.h. */
#include "lanes.h"

#include <algorithm>
#include <cstring>

namespace model_t {

namespace {

/*
 * Flows are hashed into groups, and groups are dealt to lanes, the heaviest first. Enough that 256 lanes get 16 groups each; few
 * enough that dealing costs nothing beside hashing.
 */
constexpr uint32_t kGroupBits = 12;
constexpr uint32_t kGroups = 1u << kGroupBits;

/*
 * Pairs of addresses between which there are fragments are marked by a hash of that many bits: 128 KiB whatever the trace. A
 * pair that shares a mark with another one goes by its addresses needlessly, which is never wrong.
 */
constexpr uint32_t kMarkBits = 20;

/*
 * What a packet weighs, in slot lines: those that are copied, and four for what it costs whatever its length. On two Zen 3
 * virtual CPUs filling takes 2 ns a line, and a packet through the headers of the stack another 8 ns.
 */
constexpr uint64_t kPacketLines = 4;

/* Headers ahead of the one being read that are asked for: with full frames each is a miss of its own. */
constexpr uint64_t kAhead = 16;

/* Left to the rest of the process. */
constexpr uint64_t kSpare = uint64_t{64} << 20;

template <typename T>
T load(const uint8_t* at) {
  T value;
  memcpy(&value, at, sizeof value);
  return value;
}

struct FlowHash {
  uint32_t pair; /* of the two addresses, whatever their order: low bits mark, high bits group */
  uint32_t flow; /* group of the addresses and ports */
};

constexpr uint32_t group_of(uint64_t hash) { return static_cast<uint32_t>(hash >> (64 - kGroupBits)); }

uint64_t mixed(uint64_t state, uint64_t word) {
  state ^= word;
  return next_random(state);
}

FlowHash same(uint64_t hash) { return {static_cast<uint32_t>(hash >> 32), group_of(hash)}; }

/* Both endpoints in order, addresses before ports; ports and protocol last. */
FlowHash hash_ip4(const uint8_t* frame, const HeaderPlaces& places, uint64_t key) {
  const uint64_t source = load<uint32_t>(frame + places.network + 12);
  const uint64_t destination = load<uint32_t>(frame + places.network + 16);
  const uint64_t pair = mixed(key, std::min(source, destination) << 32 | std::max(source, destination));
  if (places.ports == 0) return same(pair);
  const uint64_t from = source << 16 | load<uint16_t>(frame + places.ports);
  const uint64_t to = destination << 16 | load<uint16_t>(frame + places.ports + 2);
  const uint64_t ports = std::min(from, to) << 16 | (std::max(from, to) & 0xffff);
  return {static_cast<uint32_t>(pair >> 32), group_of(mixed(pair, (ports & 0xffffffff) << 8 | places.protocol))};
}

FlowHash hash_ip6(const uint8_t* frame, const HeaderPlaces& places, uint64_t key) {
  using Address = std::array<uint64_t, 2>;
  Address source = load<Address>(frame + places.network + 8);
  Address destination = load<Address>(frame + places.network + 24);
  uint64_t from = places.ports ? load<uint16_t>(frame + places.ports) : 0;
  uint64_t to = places.ports ? load<uint16_t>(frame + places.ports + 2) : 0;
  if (source > destination || (source == destination && from > to)) {
    std::swap(source, destination);
    std::swap(from, to);
  }
  const uint64_t pair = mixed(mixed(mixed(mixed(key, source[0]), source[1]), destination[0]), destination[1]);
  if (places.ports == 0) return same(pair);
  return {static_cast<uint32_t>(pair >> 32), group_of(mixed(pair, (from << 16 | to) << 8 | places.protocol))};
}

/*
 * Frames without an IP header: by both MAC addresses and the EtherType behind VLAN tags. Frames too short for that, or of a
 * link type that has none: one flow.
 */
FlowHash hash_other(const uint8_t* frame, uint32_t length, FrameKind kind, const HeaderPlaces& places, uint64_t key) {
  if (kind == FrameKind::opaque || length < 14) return same(0);
  const uint64_t first = load<uint32_t>(frame) | uint64_t{load<uint16_t>(frame + 4)} << 32;
  const uint64_t second = load<uint32_t>(frame + 6) | uint64_t{load<uint16_t>(frame + 10)} << 32;
  const uint64_t type = places.network ? load<uint16_t>(frame + places.network - 2) : 0; /* 0: cut within its tags */
  return same(mixed(mixed(key, std::min(first, second)), std::max(first, second) << 16 | type));
}

FlowHash hash_of(const uint8_t* frame, uint32_t length, FrameKind kind, const HeaderPlaces& places, uint64_t key) {
  if (places.family == Family::ip4) return hash_ip4(frame, places, key);
  if (places.family == Family::ip6) return hash_ip6(frame, places, key);
  return hash_other(frame, length, kind, places, key);
}

/*
 * Group of every packet. Two passes: only behind the last packet it is known between which addresses there are fragments.
 * A ring carries no link type, and the stack takes every frame for Ethernet; so do we, else an opaque frame whose bytes happen
 * to read as an IP packet would be parted from what flow, defrag and tcp-stream put it together with.
 */
std::vector<uint16_t> group_packets(const TraceImage& image, uint64_t key) {
  const uint64_t packets = image.packets();
  const uint64_t* offsets = image.slot_offsets();
  std::vector<FlowHash> hashes(packets);
  std::vector<bool> marks(size_t{1} << kMarkBits);
  const auto mark = [&marks](const FlowHash& hash) { return marks[hash.pair & ((1u << kMarkBits) - 1)]; };
  for (uint64_t i = 0; i < packets; i++) {
    if (i + kAhead < packets) __builtin_prefetch(image.slots() + offsets[i + kAhead]);
    const uint8_t* frame = image.slots() + offsets[i] + kFrameOffset;
    const uint32_t length = image.shapes()[i].length;
    const HeaderPlaces places = locate_headers(frame, length, FrameKind::ethernet);
    hashes[i] = hash_of(frame, length, static_cast<FrameKind>(image.kinds()[i]), places, key);
    if (places.fragment) mark(hashes[i]) = true;
  }
  std::vector<uint16_t> groups(packets);
  for (uint64_t i = 0; i < packets; i++) {
    const FlowHash& hash = hashes[i];
    groups[i] = static_cast<uint16_t>(mark(hash) ? hash.pair >> (32 - kGroupBits) : hash.flow);
  }
  return groups;
}

/* Lane of every group: the heaviest group first, to the lane that has least. `used`: lanes that have any. */
std::vector<uint8_t> deal(const std::vector<uint64_t>& weights, uint32_t lanes, uint32_t* used) {
  std::vector<uint16_t> order;
  for (uint32_t group = 0; group < kGroups; group++) {
    if (weights[group]) order.push_back(static_cast<uint16_t>(group));
  }
  std::stable_sort(order.begin(), order.end(), [&](uint16_t a, uint16_t b) { return weights[a] > weights[b]; });
  std::vector<uint64_t> loads(lanes);
  std::vector<uint8_t> lane_of(kGroups);
  for (const uint16_t group : order) {
    const auto least = std::min_element(loads.begin(), loads.end()); /* the first of equals: lanes fill from 0 on */
    lane_of[group] = static_cast<uint8_t>(least - loads.begin());
    *least += weights[group];
  }
  *used = std::clamp<uint32_t>(static_cast<uint32_t>(order.size()), 1, lanes);
  return lane_of;
}

bool has_memory(uint64_t needed, const char* what, std::string* error) {
  const uint64_t left = memory_headroom();
  if (left >= needed + kSpare) return true;
  *error = std::string(what) + " needs " + std::to_string(needed >> 20) + " MiB of memory beside the trace, and " + std::to_string(left >> 20) +
           " MiB are left; replay less of it, or choose a placement that is not replicated";
  return false;
}

}  // namespace

std::optional<Steering> steer(const TraceImage& image, uint32_t lanes, uint64_t seed, std::string* error) {
  const uint64_t packets = image.packets();
  if (lanes < 1 || lanes > kMostLanes) {
    *error = "a trace can be split into 1 to " + std::to_string(kMostLanes) + " lanes, not " + std::to_string(lanes);
    return std::nullopt;
  }
  if (!image.is_complete() || packets > UINT32_MAX) {
    *error = "only a trace that is loaded to its end, of less than 2^32 packets, can be split into lanes";
    return std::nullopt;
  }
  if (!has_memory(packets * (sizeof(FlowHash) + sizeof(uint16_t) + sizeof(uint8_t)), "steering packets to lanes", error)) return std::nullopt;
  const uint64_t* offsets = image.slot_offsets();
  const std::vector<uint16_t> groups = group_packets(image, seed);
  std::vector<uint64_t> weights(kGroups);
  for (uint64_t i = 0; i < packets; i++) weights[groups[i]] += (offsets[i + 1] - offsets[i]) / kLine + kPacketLines;
  uint32_t used = 0;
  const std::vector<uint8_t> lane_of = deal(weights, lanes, &used);
  Steering steering;
  steering.lane_of.resize(packets);
  steering.loads.resize(used);
  for (uint64_t i = 0; i < packets; i++) {
    const uint8_t lane = lane_of[groups[i]];
    steering.lane_of[i] = lane;
    steering.loads[lane].packets += 1;
    steering.loads[lane].bytes += image.shapes()[i].length;
    steering.loads[lane].slot_bytes += offsets[i + 1] - offsets[i];
  }
  return steering;
}

PlannerLimits Lane::limits(PlannerLimits whole, uint64_t whole_packets) const {
  if (whole.packets == UINT64_MAX || whole_packets == 0) return whole;
  const uint64_t rest = whole.packets % whole_packets;
  const auto end = std::lower_bound(packets.begin(), packets.end(), rest);
  return {whole.laps, whole.packets / whole_packets * packets.size() + static_cast<uint64_t>(end - packets.begin())};
}

std::vector<Lane> split(const TraceImage& image, const Mutation& mutation, const Steering& steering, std::string* error) {
  constexpr uint64_t kHugePage = uint64_t{2} << 20; /* slots of a lane take whole ones; 14 arrays end in a small page each */
  uint64_t needed = 0;
  for (const LaneLoad& load : steering.loads) {
    needed += (load.slot_bytes + kHugePage - 1) / kHugePage * kHugePage + load.packets * (kArrayBytes + kColumnBytes + sizeof(uint32_t)) + 14 * 4096;
  }
  if (!has_memory(needed, ("a trace in " + std::to_string(steering.loads.size()) + " lanes").c_str(), error)) return {};
  std::vector<Lane> lanes(steering.loads.size());
  for (size_t i = 0; i < lanes.size(); i++) lanes[i].packets.reserve(steering.loads[i].packets);
  for (size_t packet = 0; packet < steering.lane_of.size(); packet++) lanes[steering.lane_of[packet]].packets.push_back(static_cast<uint32_t>(packet));
  for (Lane& lane : lanes) {
    lane.image = TraceImage::select(image, lane.packets, error);
    if (!lane.image) return {};
    lane.mutation = Mutation::select(mutation, *lane.image, lane.packets, error);
    if (!lane.mutation) return {};
  }
  return lanes;
}

}  // namespace model_t
