/* See match_filters.h. */
#include "match_filters.h"

#include <algorithm>
#include <memory>

namespace model_t {

namespace {

using Chosen = std::vector<uint32_t>;

/* Cycles per 32 bytes of text, measured on Zen 3; per candidate that fails; and how much likelier letters follow each other than chance has it. */
constexpr double kPairCost = 3.4, kTeddyCost = 2.5, kHashedCost = 46, kCandidateCost = 30, kCorrelation = 3;
constexpr uint32_t kMostTeddy = 192;

uint32_t bits_for(size_t count) {
  uint32_t bits = 0;
  while (size_t{1} << bits < count) bits++;
  return bits;
}

struct Group {
  Chosen strings;
  uint32_t shortest = 0;
  uint32_t width(uint32_t most, uint32_t stride) const { return std::min(shortest - stride + 1, most); }
};

/* Nibbles of windows, sorted so that like ones share a bucket. */
void fill_teddy(MatchPass& pass, std::vector<MatchWindow> windows, uint32_t groups) {
  std::sort(windows.begin(), windows.end(), [](const MatchWindow& a, const MatchWindow& b) {
    return __builtin_bswap64(a.value) < __builtin_bswap64(b.value);
  });
  const uint32_t buckets = 8 * groups;
  for (size_t i = 0; i < windows.size(); i++) {
    const uint32_t bucket = static_cast<uint32_t>(windows.size() <= buckets ? i : i * buckets / windows.size());
    const uint8_t bit = static_cast<uint8_t>(1u << bucket % 8);
    for (uint32_t k = 0; k < pass.width; k++) {
      const uint8_t byte = static_cast<uint8_t>(windows[i].value >> k * 8);
      for (uint32_t lane = 0; lane < 32; lane += 16) {
        pass.low[bucket / 8][k][lane + (byte & 15)] |= bit;
        pass.high[bucket / 8][k][lane + (byte >> 4)] |= bit;
      }
    }
  }
}

/* Share of places where the shuffles let some bucket through. */
double teddy_rate(const MatchPass& pass, uint32_t groups) {
  double rate = 0;
  for (uint32_t bucket = 0; bucket < groups * 8; bucket++) {
    double share = 1;
    for (uint32_t k = 0; k < pass.width; k++) {
      double sum = 0;
      for (uint32_t byte = 0; byte < 256; byte++) {
        if (pass.low[bucket / 8][k][byte & 15] & pass.high[bucket / 8][k][byte >> 4] & 1u << bucket % 8) sum += byte_share(static_cast<uint8_t>(byte));
      }
      share *= sum;
    }
    rate += share;
  }
  return std::min(rate, 1.0);
}

/* Exact lookup of windows, for candidates of any filter. */
void fill_entries(PassMemory& memory, const uint8_t* bytes, const std::vector<MatchString>& strings, const uint32_t* numbers,
                  const std::vector<MatchWindow>& windows) {
  MatchPass& pass = memory.pass;
  const uint32_t slot_bits = std::clamp(bits_for(windows.size()) + 3, 8u, 18u);
  pass.key_shift = 64 - 8 * pass.width;
  pass.slot_shift = 32 - slot_bits;
  for (const MatchWindow& window : windows) {
    const MatchString& string = strings[window.string];
    MatchEntry entry;
    entry.hash = match_hash(window.value << pass.key_shift);
    entry.string = window.string;
    entry.number = numbers[string.numbers];
    entry.count = string.count;
    entry.behind = static_cast<uint16_t>(string.length - window.offset);
    entry.length = static_cast<uint16_t>(string.length);
    const uint32_t tail = std::min(string.length, 8u);
    entry.shift = static_cast<uint8_t>(8 * (8 - tail));
    for (uint32_t i = 0; i < tail; i++) entry.tail |= static_cast<uint64_t>(bytes[string.at + string.length - tail + i]) << i * 8;
    memory.entries.push_back(entry);
  }
  std::sort(memory.entries.begin(), memory.entries.end(), [](const MatchEntry& a, const MatchEntry& b) {
    return a.hash != b.hash ? a.hash < b.hash : a.string != b.string ? a.string < b.string : a.behind < b.behind;
  });
  memory.slots.assign(size_t{1} << slot_bits, {});
  memory.starts.assign((size_t{1} << slot_bits) + 1, 0);
  for (const MatchEntry& entry : memory.entries) {
    MatchSlot& slot = memory.slots[entry.hash >> pass.slot_shift];
    if (slot.state) slot.state |= kSlotSeveral;
    else slot = {entry.tail, static_cast<uint16_t>(entry.number), static_cast<uint16_t>(entry.count), entry.behind, entry.shift, static_cast<uint8_t>(kSlotUsed | (entry.length <= 8 ? kSlotShort : 0))};
    memory.starts[(entry.hash >> pass.slot_shift) + 1]++;
  }
  for (size_t i = 1; i < memory.starts.size(); i++) memory.starts[i] += memory.starts[i - 1];
}

/* A byte for each hash, at least 32 per window: 32 KiB at 1000 windows. */
uint32_t known_bits(size_t windows) { return std::clamp(bits_for(windows) + 5u, 13u, 18u); }

void fill_known(PassMemory& memory) {
  const uint32_t bits = known_bits(memory.entries.size());
  memory.pass.known_shift = 32 - bits;
  memory.known.assign(size_t{1} << bits, 0);
  for (const MatchEntry& entry : memory.entries) memory.known[entry.hash >> memory.pass.known_shift] = 1;
}

double hashed_rate(const std::vector<MatchWindow>& windows, uint32_t width) {
  double rate = 0;
  for (const MatchWindow& window : windows) rate += kCorrelation * window_share(window.value, width);
  return std::min(rate + static_cast<double>(windows.size()) / (1u << known_bits(windows.size())), 1.0);
}

struct Choice {
  PassMemory memory;
  double cost = 1e300;
};

class Planner {
 public:
  Planner(const uint8_t* bytes, const std::vector<MatchString>& strings, const uint32_t* numbers)
      : bytes_(bytes), strings_(strings), numbers_(numbers) {}

  PassMemory bytes_pass(const Chosen& chosen) const {
    PassMemory memory;
    memory.pass.filter = MatchFilter::kBytes;
    memory.pass.width = memory.pass.each_once = 1;
    memory.byte_strings.assign(256, 0);
    for (const uint32_t index : chosen) {
      const uint8_t byte = bytes_[strings_[index].at];
      memory.byte_strings[byte] = index;
      if (strings_[index].count != 1) memory.pass.each_once = 0;
      uint8_t* const rows = (byte < 128 ? memory.pass.low : memory.pass.high)[0][0]; /* by low nibble: one bit per high nibble */
      for (uint32_t lane = 0; lane < 32; lane += 16) rows[lane + (byte & 15)] |= static_cast<uint8_t>(1u << (byte >> 4 & 7));
    }
    return memory;
  }

  /* The cheapest filter for a group. */
  Choice choose(const Group& group) const {
    Choice best;
    if (group.strings.size() == 1) return pair(group.strings[0]);
    if (group.strings.size() <= kMostTeddy) {
      const std::vector<MatchWindow> windows = choose_windows(bytes_, strings_, group.strings, group.width(4, 1), 1);
      for (uint32_t groups = 1; groups <= 2; groups++) take(best, teddy(group, windows, groups));
    }
    for (uint32_t stride = 1; stride <= 4 && stride + 3 <= std::max(group.shortest, 4u); stride *= 2) take(best, hashed(group, stride));
    return best;
  }

  void finish(PassMemory& memory, const Group& group) const {
    MatchPass& pass = memory.pass;
    if (pass.filter == MatchFilter::kPair) return;
    const uint32_t stride = pass.filter == MatchFilter::kHashed ? pass.stride : 1;
    fill_entries(memory, bytes_, strings_, numbers_, choose_windows(bytes_, strings_, group.strings, pass.width, stride));
    if (pass.filter == MatchFilter::kHashed) fill_known(memory);
  }

 private:
  static void take(Choice& best, Choice other) {
    if (other.cost < best.cost) best = std::move(other);
  }

  Choice pair(uint32_t index) const {
    Choice choice;
    MatchPass& pass = choice.memory.pass;
    const uint8_t* const string = bytes_ + strings_[index].at;
    pass.filter = MatchFilter::kPair;
    pass.string = index;
    pass.width = strings_[index].length;
    choose_pair(string, pass.width, &pass.first_at, &pass.second_at);
    pass.first = string[pass.first_at];
    pass.second = string[pass.second_at];
    choice.cost = kPairCost + 32 * byte_share(pass.first) * byte_share(pass.second) * kCandidateCost;
    return choice;
  }

  Choice teddy(const Group& group, const std::vector<MatchWindow>& windows, uint32_t groups) const {
    Choice choice;
    MatchPass& pass = choice.memory.pass;
    pass.filter = MatchFilter::kTeddy;
    pass.width = group.width(4, 1);
    pass.groups = groups;
    fill_teddy(pass, windows, groups);
    choice.cost = kTeddyCost * pass.width * groups + 32 * teddy_rate(pass, groups) * kCandidateCost;
    return choice;
  }

  Choice hashed(const Group& group, uint32_t stride) const {
    Choice choice;
    MatchPass& pass = choice.memory.pass;
    pass.filter = MatchFilter::kHashed;
    pass.width = group.width(8, stride);
    pass.stride = stride;
    const double rate = hashed_rate(choose_windows(bytes_, strings_, group.strings, pass.width, stride), pass.width);
    choice.cost = (kHashedCost + 32 * rate * kCandidateCost) / stride;
    return choice;
  }

  const uint8_t* bytes_;
  const std::vector<MatchString>& strings_;
  const uint32_t* numbers_;
};

/* Strings that may share a pass, by length: 2, 3, 4, 5 to 6, 7 and more. */
uint32_t length_class(uint32_t length) { return length >= 7 ? 4 : length >= 5 ? 3 : length - 2; }

}  // namespace

std::vector<PassMemory> plan_passes(const uint8_t* bytes, const std::vector<MatchString>& strings, const uint32_t* numbers) {
  const Planner planner(bytes, strings, numbers);
  Chosen single, classes[5];
  for (uint32_t i = 0; i < strings.size(); i++) (strings[i].length == 1 ? single : classes[length_class(strings[i].length)]).push_back(i);
  /* The best way to cut the five classes into groups: best[end] is the last group of the cheapest plan for the classes below end. */
  struct Plan {
    double cost = 1e300;
    uint32_t from = 0;
    Group group;
    PassMemory memory;
  };
  Plan best[6];
  best[0].cost = 0;
  for (uint32_t end = 1; end <= 5; end++) {
    Group group;
    for (uint32_t from = end; from-- > 0;) {
      group.strings.insert(group.strings.end(), classes[from].begin(), classes[from].end());
      for (const uint32_t index : classes[from]) group.shortest = group.shortest ? std::min(group.shortest, strings[index].length) : strings[index].length;
      Choice choice;
      choice.cost = 0;
      if (!group.strings.empty()) choice = planner.choose(group);
      if (best[from].cost + choice.cost < best[end].cost) best[end] = {best[from].cost + choice.cost, from, group, std::move(choice.memory)};
    }
  }
  std::vector<PassMemory> passes;
  if (!single.empty()) passes.push_back(planner.bytes_pass(single));
  for (uint32_t end = 5; end > 0; end = best[end].from) {
    if (best[end].group.strings.empty()) continue;
    planner.finish(best[end].memory, best[end].group);
    passes.push_back(std::move(best[end].memory));
  }
  for (PassMemory& memory : passes) {
    memory.pass.known = memory.known.data();
    memory.pass.slots = memory.slots.data();
    memory.pass.starts = memory.starts.data();
    memory.pass.entries = memory.entries.data();
    memory.pass.byte_strings = memory.byte_strings.data();
  }
  return passes;
}

std::string describe(const std::vector<PassMemory>& passes) {
  std::string text;
  for (const PassMemory& memory : passes) {
    const MatchPass& pass = memory.pass;
    if (!text.empty()) text += ", ";
    if (pass.filter == MatchFilter::kBytes) text += "bytes";
    if (pass.filter == MatchFilter::kPair) text += "pair";
    if (pass.filter == MatchFilter::kTeddy) text += "teddy " + std::to_string(pass.width) + " in " + std::to_string(8 * pass.groups) + " buckets";
    if (pass.filter == MatchFilter::kHashed) text += "hashed " + std::to_string(pass.width) + " every " + std::to_string(pass.stride);
    if (!memory.entries.empty()) text += " (" + std::to_string(memory.entries.size()) + " windows)";
  }
  return text;
}

}  // namespace model_t
