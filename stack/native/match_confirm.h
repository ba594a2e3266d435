/*
 * The exact half of a scan for literal patterns: from candidates, places where a window may stand, to occurrences. Included
 * by match_scan.cc only, which is compiled once per ISA (vector.h); empty where there are no vectors.
 */
#ifndef MODEL_T_STACK_MATCH_CONFIRM_H
#define MODEL_T_STACK_MATCH_CONFIRM_H

#include "match_tables.h"
#include "packet_bytes.h"

#if MODEL_T_VECTOR_BYTES

namespace model_t::MODEL_T_ISA {

namespace {

/* For lambdas: GCC 12 takes [[gnu::always_inline]] there for an attribute of the type. */
#define MODEL_T_INLINE __attribute__((always_inline))

constexpr uint32_t kCandidates = 1024;
constexpr uint32_t kPerStep = 64; /* places looked at in a step of a filter, at most */

struct Scan {
  Scan(const MatchTables& set, const uint8_t* from, uint32_t bytes, MatchSink& to) : tables(set), text(from), length(bytes), sink(to) {}

  const MatchTables& tables;
  const uint8_t* const text;
  const uint32_t length;
  MatchSink& sink;
  int64_t allowance = 2 * static_cast<int64_t>(length) + 256;
  uint32_t count = 0;
  uint32_t candidates[kCandidates + kPerStep + 4]; /* not cleared */
};

[[gnu::always_inline]] inline __m256i load256(const uint8_t* at) { return _mm256_loadu_si256(reinterpret_cast<const __m256i*>(at)); }
[[gnu::always_inline]] inline __m256i nibbles(__m256i v) { return _mm256_and_si256(v, _mm256_set1_epi8(15)); }
[[gnu::always_inline]] inline __m256i high_nibbles(__m256i v) { return nibbles(_mm256_srli_epi16(v, 4)); }

/* A bit for every byte that is not 0. */
[[gnu::always_inline]] inline uint32_t ones(__m256i v) {
  return ~static_cast<uint32_t>(_mm256_movemask_epi8(_mm256_cmpeq_epi8(v, _mm256_setzero_si256())));
}

/* `bytes` from two places, none read beyond; long strings only. */
[[gnu::noinline]] bool same_bytes(const uint8_t* a, const uint8_t* b, uint32_t bytes) {
  uint32_t i = 0;
  for (; i + 32 <= bytes; i += 32) {
    if (_mm256_movemask_epi8(_mm256_cmpeq_epi8(load256(a + i), load256(b + i))) != -1) return false;
  }
  for (; i + 8 <= bytes; i += 8) {
    if (load_little<uint64_t>(a + i) != load_little<uint64_t>(b + i)) return false;
  }
  for (; i < bytes; i++) {
    if (a[i] != b[i]) return false;
  }
  return true;
}

/* The hash of the window at a place. place + width <= length. */
[[gnu::always_inline]] inline uint32_t hash_at(const MatchPass& pass, const Scan& scan, uint32_t place) {
  uint64_t window = 0;
  if (scan.length >= 8) [[likely]] {
    const uint32_t from = place + 8 <= scan.length ? place : scan.length - 8;
    window = load_little<uint64_t>(scan.text + from) >> 8 * (place - from);
  } else {
    for (uint32_t i = 0; i < pass.width; i++) window |= static_cast<uint64_t>(scan.text[place + i]) << 8 * i;
  }
  return match_hash(window << pass.key_shift);
}

/* Whether the string of `entry`, whose window is there, stands in the text. */
[[gnu::always_inline]] inline bool stands(const MatchEntry& entry, uint32_t place, Scan& scan) {
  const uint32_t end = place + entry.behind;
  if (end > scan.length || end < entry.length) return false;
  if (end >= 8) [[likely]] {
    if (load_little<uint64_t>(scan.text + end - 8) >> entry.shift != entry.tail) return false;
    if (entry.length <= 8) return true;
  }
  scan.allowance -= entry.length >> 5;
  return same_bytes(scan.text + end - entry.length, scan.tables.bytes + scan.tables.strings[entry.string].at, entry.length);
}

[[gnu::always_inline]] inline void found(const MatchEntry& entry, uint32_t end, Scan& scan) {
  if (scan.sink.events) [[unlikely]] return match_found(scan.tables, entry.string, end, scan.sink);
  scan.sink.occurrences += entry.count;
  const uint64_t first = static_cast<uint64_t>(end) << 32 | entry.number;
  scan.sink.first = first < scan.sink.first ? first : scan.sink.first;
}

/*
 * Counts candidates that the only entry of their slot proves, drops those that it or an empty slot disproves, and keeps the
 * others. No branches: what passes is a coin's toss, and candidates side by side hide the loads. Behind every place are 8
 * bytes of text.
 */
template <bool kCount>
[[gnu::always_inline]] inline void sift(const MatchPass& pass, Scan& scan) {
  const uint8_t* const text = scan.text;
  const MatchSlot* const slots = pass.slots;
  const uint32_t count = scan.count, last = scan.length - 8, slot_shift = 32 + pass.slot_shift;
  const uint64_t multiplier = kMatchMultiplier << pass.key_shift;
  uint32_t kept = 0;
  uint64_t occurrences = 0, first = kNoMatch;
  for (uint32_t i = 0; i < count; i++) {
    const uint32_t place = scan.candidates[i];
    const MatchSlot& slot = slots[load_little<uint64_t>(text + place) * multiplier >> slot_shift];
    const uint32_t tail_at = place + slot.behind - 8, state = slot.state;
    const uint32_t readable = tail_at < last ? tail_at : last; /* one before the text is huge, too */
    const uint32_t inside = readable == tail_at;
    const uint32_t same = inside & (load_little<uint64_t>(text + readable) >> slot.shift == slot.tail);
    const uint32_t proved = kCount ? same & state >> 1 & ~(state >> 2) : 0;
    const uint64_t found = (static_cast<uint64_t>(tail_at + 8) << 32 | slot.number) | (static_cast<uint64_t>(proved) - 1); /* all ones unless proved */
    occurrences += slot.count & (0u - proved);
    first = found < first ? found : first;
    scan.candidates[kept] = place;
    kept += state & (same | state >> 2 | (inside ^ 1)) & (proved ^ 1);
  }
  scan.count = kept;
  if (kCount) {
    scan.sink.occurrences += occurrences;
    scan.sink.first = first < scan.sink.first ? first : scan.sink.first;
  }
}

/* Looks candidates up one by one. False when the allowance is used up. */
[[gnu::noinline]] bool confirm_each(const MatchPass& pass, Scan& scan) {
  for (uint32_t i = 0; i < scan.count; i++) {
    const uint32_t place = scan.candidates[i];
    if (place + pass.width > scan.length) continue; /* padding behind the text */
    const uint32_t hash = hash_at(pass, scan, place);
    const uint32_t* const start = pass.starts + (hash >> pass.slot_shift);
    const uint32_t end = start[1];
    for (uint32_t at = start[0]; at < end; at++) {
      const MatchEntry& entry = pass.entries[at];
      if (entry.hash == hash && stands(entry, place, scan)) found(entry, place + entry.behind, scan);
      else scan.allowance--;
    }
    if (scan.allowance < 0) [[unlikely]] return false;
  }
  scan.count = 0;
  return true;
}

/* The same for candidates with 8 bytes of text behind them. */
[[gnu::noinline]] bool confirm(const MatchPass& pass, Scan& scan) {
  if (scan.sink.events) sift<false>(pass, scan);
  else sift<true>(pass, scan);
  return confirm_each(pass, scan);
}

}  // namespace

}  // namespace model_t::MODEL_T_ISA

#endif

#endif
