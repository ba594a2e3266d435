/*
 * A bounded hash table from 40-byte keys (flows, connections, datagrams, bodies) to entry numbers, with an order of use.
 *
 * Chosen keys cannot degrade it: the hash is multilinear with random 64-bit multipliers (strongly universal; Lemire & Kaser,
 * "Strongly universal string hashing is fast", 2014). What the table answers does not depend on the hash: buckets that are
 * full overflow into the next ones. One bucket is one line: 8 tags of 16 bits, 8 entry numbers, a count of what flowed over.
 * At most half of the places are used. Not thread-safe; called by operations with state. Entry e's own data lies with the
 * caller, in an array of `capacity` of them.
 */
#ifndef MODEL_T_STACK_FLOW_TABLE_H
#define MODEL_T_STACK_FLOW_TABLE_H

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <memory>
#if defined(__SSE2__)
#include <emmintrin.h>
#endif

namespace model_t {

constexpr uint32_t kNoEntry = 0xffffffff;

/* Flows: two endpoints in order (address in the first bytes of 16), then ports, protocol, IP version (flow_key.h). */
struct FlowKey {
  uint64_t words[5] = {};
  bool operator==(const FlowKey& other) const {
    uint64_t different = 0;
    for (int i = 0; i < 5; i++) different |= words[i] ^ other.words[i];
    return different == 0;
  }
};

/* The key of something that has a number. */
inline FlowKey key_of(uint64_t number) {
  FlowKey key;
  key.words[0] = number;
  return key;
}

/* Memory of zeros that is paid for only where it is touched. Null when there is none. */
template <typename T>
struct ZeroedArray {
  struct Free {
    void operator()(void* memory) const { free(memory); }
  };
  std::unique_ptr<void, Free> memory;
  T* first = nullptr;

  bool reserve(size_t count) {
    memory.reset(calloc(count * sizeof(T) + alignof(T), 1)); /* large ones come from the kernel, untouched */
    if (!memory) return false;
    const uintptr_t address = reinterpret_cast<uintptr_t>(memory.get());
    first = reinterpret_cast<T*>((address + alignof(T) - 1) & ~static_cast<uintptr_t>(alignof(T) - 1));
    return true;
  }
  T& operator[](size_t index) const { return first[index]; }
};

class FlowTable {
 public:
  /* 1 to 2^24 entries. False when there is no memory. */
  bool reserve(uint32_t capacity);

  uint32_t capacity() const { return capacity_; }
  uint32_t size() const { return size_; }
  bool full() const { return size_ == capacity_; }

  uint32_t hash(const FlowKey& key) const {
    uint64_t sum = multipliers_[10];
    if ((key.words[0] >> 32 | key.words[1] | key.words[2] >> 32 | key.words[3]) == 0) { /* IPv4: the same sum without its zeros */
      sum += multipliers_[0] * key.words[0] + multipliers_[4] * key.words[2];
      sum += multipliers_[8] * static_cast<uint32_t>(key.words[4]) + multipliers_[9] * (key.words[4] >> 32);
      return static_cast<uint32_t>(sum >> 32);
    }
    for (int i = 0; i < 5; i++) {
      sum += multipliers_[2 * i] * static_cast<uint32_t>(key.words[i]) + multipliers_[2 * i + 1] * (key.words[i] >> 32);
    }
    return static_cast<uint32_t>(sum >> 32);
  }
  void prefetch(uint32_t hash) const { __builtin_prefetch(&buckets_[home(hash)]); }
  /* The first entry with this tag, likely the one; for prefetching only. */
  uint32_t guess(uint32_t hash) const {
    const Bucket& bucket = buckets_[home(hash)];
    const uint32_t places = matching(bucket, tag(hash));
    return places ? bucket.entries[__builtin_ctz(places)] : kNoEntry;
  }
  const FlowKey& key(uint32_t entry) const { return nodes_[entry].key; }
  void prefetch_key(uint32_t entry) const { __builtin_prefetch(&nodes_[entry]); }

  /* The entry of this key or kNoEntry; it becomes the one used last. */
  uint32_t find(const FlowKey& key, uint32_t hash) {
    const uint32_t entry = lookup(key, hash);
    if (entry != kNoEntry && nodes_[entry].epoch != epoch_) touch(entry);
    return entry;
  }
  /* The same without a change of order. */
  uint32_t lookup(const FlowKey& key, uint32_t hash) const {
    for (uint32_t at = home(hash);; at = (at + 1) & bucket_mask_) {
      const Bucket& bucket = buckets_[at];
      for (uint32_t places = matching(bucket, tag(hash)); places; places &= places - 1) {
        const uint32_t entry = bucket.entries[__builtin_ctz(places)];
        if (nodes_[entry].key == key) return entry;
      }
      if (bucket.overflow == 0 || at == ((home(hash) - 1) & bucket_mask_)) return kNoEntry;
    }
  }
  /* A new entry for a key that is not in the table, which is not full. */
  uint32_t insert(const FlowKey& key, uint32_t hash);
  void remove(uint32_t entry);
  /* The entry not used for longest, or kNoEntry: right to 1/64 of the table (entries used since the same 64th of it
   * was last made new count as equal), so that a hit writes the order only once in a while. */
  uint32_t oldest() const { return size_ ? nodes_[capacity_].newer : kNoEntry; }
  /* The one used next after it, or kNoEntry. */
  uint32_t newer(uint32_t entry) const { return nodes_[entry].newer == capacity_ ? kNoEntry : nodes_[entry].newer; }
  void touch(uint32_t entry);

 private:
  struct alignas(64) Bucket {
    uint16_t tags[8]; /* 0 = free */
    uint32_t entries[8];
    uint32_t overflow; /* keys whose home lies at or before here and that had to go further */
  };
  struct alignas(64) Node {
    FlowKey key;
    uint32_t hash;
    uint32_t epoch;
    uint32_t older;
    uint32_t newer;
  };

  static uint16_t tag(uint32_t hash) { return static_cast<uint16_t>((hash & 0xffff) ? hash : 1); }
  uint32_t home(uint32_t hash) const { return (hash >> 8) & bucket_mask_; }
  /* A bit for each place of the bucket with this tag. */
  static uint32_t matching(const Bucket& bucket, uint16_t tag) {
#if defined(__SSE2__)
    const __m128i tags = _mm_load_si128(reinterpret_cast<const __m128i*>(bucket.tags));
    const __m128i same = _mm_cmpeq_epi16(tags, _mm_set1_epi16(static_cast<short>(tag)));
    return static_cast<uint32_t>(_mm_movemask_epi8(_mm_packs_epi16(same, _mm_setzero_si128())));
#else
    uint32_t places = 0;
    for (uint32_t i = 0; i < 8; i++) places |= static_cast<uint32_t>(bucket.tags[i] == tag) << i;
    return places;
#endif
  }
  void link(uint32_t entry);
  void unlink(uint32_t entry);

  uint64_t multipliers_[11] = {};
  uint32_t capacity_ = 0;
  uint32_t size_ = 0;
  uint32_t bucket_mask_ = 0;
  uint32_t epoch_ = 1;
  uint32_t epoch_inserts_ = 0;
  uint32_t free_ = 0; /* first free entry, chained by `newer`; entries from `fresh_` on were never used */
  uint32_t fresh_ = 0;
  ZeroedArray<Bucket> buckets_;
  ZeroedArray<Node> nodes_; /* one more than `capacity_`: the ends of the order of use */
};

}  // namespace model_t

#endif
