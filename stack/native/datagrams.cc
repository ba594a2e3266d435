/* Implements datagrams.h. */
#include "datagrams.h"

#include <cstring>

namespace model_t {

namespace {

constexpr uint64_t kSecond = 1000 * 1000 * 1000;
constexpr uint64_t kWait4 = 30 * kSecond; /* RFC 1122 3.3.2 asks for 60 to 120; Linux waits 30 */
constexpr uint64_t kWait6 = 60 * kSecond; /* RFC 8200 4.5 */
constexpr uint32_t kExpiriesPerBurst = 64;

bool has(const uint64_t* bits, uint32_t unit) { return (bits[unit / 64] >> unit % 64 & 1) != 0; }

}  // namespace

Datagrams::~Datagrams() {
  for (uint32_t entry = table_.oldest(); entry != kNoEntry; entry = table_.newer(entry)) clear(datagrams_[entry]);
}

void Datagrams::begin(uint64_t now) {
  pool_.recycle();
  for (uint32_t i = 0; i < kExpiriesPerBurst; i++) {
    const uint32_t entry = table_.oldest();
    if (entry == kNoEntry || !expired(datagrams_[entry], now)) return;
    expire(entry);
  }
}

void Datagrams::finish() {
  pool_.recycle();
  for (uint32_t entry; (entry = table_.oldest()) != kNoEntry;) expire(entry);
}

bool Datagrams::expired(const Datagram& datagram, uint64_t time) const {
  return time > datagram.first_time && time - datagram.first_time > (datagram.first.six ? kWait6 : kWait4);
}

void Datagrams::expire(uint32_t entry) {
  counts.timed_out += !datagrams_[entry].given_up;
  remove(entry);
}

void Datagrams::remove(uint32_t entry) {
  clear(datagrams_[entry]);
  table_.remove(entry);
}

/* Gives the memory back; the entry stays. */
void Datagrams::clear(Datagram& datagram) {
  if (datagram.data) pool_.release(datagram.data, datagram.capacity);
  datagram.data = nullptr;
  datagram.capacity = 0;
  memset(datagram.received, 0, (datagram.highest + 511) / 512 * sizeof(uint64_t));
}

uint32_t Datagrams::entry_of(const Fragment& fragment, uint64_t time) {
  const uint32_t hash = table_.hash(fragment.key);
  const uint32_t known = table_.lookup(fragment.key, hash);
  if (known != kNoEntry) {
    if (!expired(datagrams_[known], time)) return known;
    expire(known);
  }
  if (table_.full()) {
    counts.evicted += !datagrams_[table_.oldest()].given_up;
    remove(table_.oldest());
  }
  const uint32_t entry = table_.insert(fragment.key, hash);
  Datagram& datagram = datagrams_[entry];
  datagram.first_time = time;
  datagram.total = datagram.highest = datagram.units = 0;
  datagram.overlapped = datagram.given_up = false;
  datagram.first.six = fragment.six;
  return entry;
}

bool Datagrams::take(const Fragment& fragment, const uint8_t* frame, uint64_t time, Output& output, WholeDatagram* whole) {
  const uint32_t entry = entry_of(fragment, time);
  Datagram& datagram = datagrams_[entry];
  if (datagram.given_up) return false;
  if (!fits(datagram, fragment) || !make_room(entry, fragment.offset + fragment.length, output)) return false;
  const bool first = fragment.offset == 0 && (!has(datagram.received, 0) || policy_ == OverlapPolicy::last);
  if (!insert(datagram, fragment)) {
    clear(datagram);
    datagram.given_up = true;
    return false;
  }
  if (first) {
    memcpy(datagram.header, frame, fragment.header);
    datagram.first = fragment;
  }
  if (datagram.total == 0 || datagram.units != (datagram.total + 7) / 8) return false;
  const bool built = build(entry, output, whole);
  remove(entry);
  return built;
}

/* False for a fragment that says something else about the datagram's length than others did. */
bool Datagrams::fits(Datagram& datagram, const Fragment& fragment) {
  const uint32_t end = fragment.offset + fragment.length;
  const bool agrees = datagram.total == 0 ? fragment.more || end >= datagram.highest : fragment.more ? end <= datagram.total : end == datagram.total;
  if (agrees && fragment.header <= kLongestHeader) return true;
  counts.malformed++;
  return false;
}

/* Memory for all bytes below `bytes`. */
bool Datagrams::make_room(uint32_t entry, uint32_t bytes, Output& output) {
  Datagram& datagram = datagrams_[entry];
  if (bytes <= datagram.capacity) return true;
  const uint32_t capacity = BlockPool::block_bytes(bytes) - BlockPool::kOverhead;
  uint8_t* const block = find_block(entry, capacity, output);
  if (!block) return false;
  if (datagram.data) {
    memcpy(block, datagram.data, datagram.highest);
    pool_.release(datagram.data, datagram.capacity);
  }
  datagram.data = block;
  datagram.capacity = capacity;
  return true;
}

/* If need be at the cost of the oldest datagrams, never of this one. */
uint8_t* Datagrams::find_block(uint32_t entry, uint32_t bytes, Output& output) {
  for (;;) {
    uint8_t* const block = pool_.acquire(bytes);
    if (block) return block;
    if (pool_.has_retired()) {
      output.flush();
      pool_.recycle();
      continue;
    }
    uint32_t oldest = table_.oldest();
    if (oldest == entry) oldest = table_.newer(oldest);
    if (oldest == kNoEntry) return nullptr;
    counts.evicted += !datagrams_[oldest].given_up;
    remove(oldest);
  }
}

/* Puts the data in its place. False if the datagram must be given up. */
bool Datagrams::insert(Datagram& datagram, const Fragment& fragment) {
  const uint32_t end = fragment.offset + fragment.length;
  const uint32_t begin_unit = fragment.offset / 8, end_unit = (end + 7) / 8;
  bool repeated = false, differs = false;
  for (uint32_t unit = begin_unit; unit < end_unit; unit++) {
    const uint32_t at = unit * 8;
    const uint32_t bytes = end - at < 8 ? end - at : 8;
    uint8_t* const to = datagram.data + at;
    const uint8_t* const from = fragment.data + (at - fragment.offset);
    const bool there = has(datagram.received, unit);
    repeated |= there;
    if (there && memcmp(to, from, bytes) != 0) differs = true;
    if (!there || policy_ == OverlapPolicy::last) memcpy(to, from, bytes);
    datagram.received[unit / 64] |= uint64_t{1} << unit % 64;
    datagram.units += !there;
  }
  if (end > datagram.highest) datagram.highest = end;
  if (!fragment.more) datagram.total = end;
  if (differs && !datagram.overlapped) {
    datagram.overlapped = true;
    counts.overlapping++;
  }
  return !differs || (policy_ != OverlapPolicy::drop && !fragment.six);
}

/* Header and data in one piece, as in a slot: 2 bytes in, zeros to the end of the line. */
bool Datagrams::build(uint32_t entry, Output& output, WholeDatagram* whole) {
  Datagram& datagram = datagrams_[entry];
  const uint32_t length = datagram.first.header + datagram.total;
  const uint32_t lines = (2 + length + 63) / 64;
  uint8_t* const block = find_block(entry, lines * 64, output);
  if (!block) return false;
  uint8_t* const frame = block + 2;
  memcpy(frame, datagram.header, datagram.first.header);
  memcpy(frame + datagram.first.header, datagram.data, datagram.total);
  memset(frame + length, 0, lines * 64 - 2 - length);
  pool_.retire(block, lines * 64);
  if (!unfragment_header(frame, datagram.first, datagram.total)) {
    counts.malformed++;
    return false;
  }
  counts.reassembled++;
  *whole = {frame, length, datagram.first.network};
  return true;
}

}  // namespace model_t
