/*
 * match: scans one text with the passes of a compiled set (match_tables.h). Kernel file.
 *
 * A pass is a filter in front of an exact lookup. The filter looks at 32 places of the text at a time and collects
 * candidates; confirm() (match_confirm.h) looks the window up and compares the string. Bounded: failed comparisons of a pass are
 * paid out of 2 * length + 256; when they are used up, what was found is taken back and the automaton scans the text instead.
 * So time is linear in text + occurrences for any patterns and any text. The scalar ISA is the automaton alone.
 */
#include "match_confirm.h"

namespace model_t::MODEL_T_ISA {

#if MODEL_T_VECTOR_BYTES

namespace {

/* Collects at + n * kStride for every one, n, in `mask`; four at once, so that their number is seldom a branch. */
template <uint32_t kStride>
[[gnu::always_inline]] inline void collect(Scan& scan, uint32_t at, uint64_t mask) {
  uint32_t* to = scan.candidates + scan.count;
  scan.count += static_cast<uint32_t>(__builtin_popcountll(mask));
  do {
    for (uint32_t i = 0; i < 4; i++, mask &= mask - 1) {
      to[i] = at + kStride * static_cast<uint32_t>(__builtin_ctzll(mask | 1ull << 63));
      __asm__("" : "+r"(mask)); /* not four lanes of a vector */
    }
    to += 4;
  } while (__builtin_expect(mask != 0, 0));
}

/* A step over the end of a text, from a copy with zeros behind. */
template <typename Step>
[[gnu::always_inline]] inline void step_over_end(const Scan& scan, uint32_t at, Step step) {
  alignas(32) uint8_t copy[192] = {}; /* a step reads up to 135 bytes */
  const uint32_t rest = scan.length - at;
  memcpy(copy, scan.text + at, rest < 160 ? rest : 160);
  step(copy, at);
}

/* Steps over all of a text; `step(bytes, at)` collects the candidates of the `span` places from `at`, reading 7 bytes more. */
template <typename Step>
[[gnu::always_inline]] inline bool walk(const MatchPass& pass, Scan& scan, uint32_t span, Step step) {
  uint32_t at = 0;
  for (; static_cast<uint64_t>(at) + span + 7 <= scan.length; at += span) {
    step(scan.text + at, at);
    if (scan.count >= kCandidates && !confirm(pass, scan)) [[unlikely]] return false;
  }
  if (scan.count && !confirm(pass, scan)) return false;
  for (; at + pass.width <= scan.length; at += span) step_over_end(scan, at, step);
  return confirm_each(pass, scan);
}

/* kTeddy: a place is a candidate if some bucket knows both nibbles of each of its `width` bytes. 64 places in a step. */
template <uint32_t kWidth, uint32_t kGroups>
[[gnu::always_inline]] inline bool teddy(const MatchPass& pass, Scan& scan) {
  __m256i low[kGroups][kWidth], high[kGroups][kWidth];
  for (uint32_t group = 0; group < kGroups; group++) {
    for (uint32_t k = 0; k < kWidth; k++) {
      low[group][k] = load256(pass.low[group][k]);
      high[group][k] = load256(pass.high[group][k]);
    }
  }
  const auto buckets = [&](const uint8_t* bytes) MODEL_T_INLINE {
    __m256i found[kGroups];
    for (__m256i& group : found) group = _mm256_set1_epi8(-1);
    for (uint32_t k = 0; k < kWidth; k++) {
      const __m256i v = load256(bytes + k);
      const __m256i l = nibbles(v), h = high_nibbles(v);
      for (uint32_t group = 0; group < kGroups; group++) {
        const __m256i known = _mm256_and_si256(_mm256_shuffle_epi8(low[group][k], l), _mm256_shuffle_epi8(high[group][k], h));
        found[group] = _mm256_and_si256(found[group], known);
      }
    }
    return kGroups == 2 ? _mm256_or_si256(found[0], found[kGroups - 1]) : found[0];
  };
  return walk(pass, scan, 64, [&](const uint8_t* bytes, uint32_t at) MODEL_T_INLINE {
    const __m256i a = buckets(bytes), b = buckets(bytes + 32), any = _mm256_or_si256(a, b);
    if (_mm256_testz_si256(any, any)) return;
    collect<1>(scan, at, ones(a) | static_cast<uint64_t>(ones(b)) << 32);
  });
}

template <uint32_t kGroups>
bool teddy_groups(const MatchPass& pass, Scan& scan) {
  if (pass.width == 2) return teddy<2, kGroups>(pass, scan);
  if (pass.width == 3) return teddy<3, kGroups>(pass, scan);
  return teddy<4, kGroups>(pass, scan);
}

/* kHashed: 32 windows, kStride apart, in a step; one by one, because gathers take twice as long on Zen 3. */
template <uint32_t kStride>
bool hashed(const MatchPass& pass, Scan& scan) {
  const uint32_t known_shift = 32 + pass.known_shift;
  const uint64_t multiplier = kMatchMultiplier << pass.key_shift; /* (window << shift) * m is window * (m << shift) */
  const uint8_t* const known = pass.known;
  return walk(pass, scan, 32 * kStride, [&](const uint8_t* bytes, uint32_t at) MODEL_T_INLINE {
    uint32_t parts[4] = {};
#pragma GCC unroll 8
    for (uint32_t i = 0; i < 8; i++) {
#pragma GCC unroll 4
      for (uint32_t part = 0; part < 4; part++) {
        const uint64_t window = load_little<uint64_t>(bytes + (part * 8 + 7 - i) * kStride);
        parts[part] = 2 * parts[part] + known[window * multiplier >> known_shift];
      }
    }
    const uint32_t mask = parts[0] | parts[1] << 8 | parts[2] << 16 | parts[3] << 24;
    if (mask) collect<kStride>(scan, at, mask);
  });
}

/* Occurrences of one string that end at `at`, at + 1, ...: the ones of `mask`. Counted at once where nobody asks which. */
[[gnu::always_inline]] inline void report_mask(const MatchPass& pass, Scan& scan, uint32_t at, uint64_t mask) {
  if (!mask) return;
  if (scan.sink.events || scan.sink.first > static_cast<uint64_t>(at) << 32) {
    for (; mask; mask &= mask - 1) match_found(scan.tables, pass.string, at + static_cast<uint32_t>(__builtin_ctzll(mask)), scan.sink);
  } else {
    scan.sink.occurrences += static_cast<uint64_t>(__builtin_popcountll(mask)) * scan.tables.strings[pass.string].count;
  }
}

constexpr uint32_t kRefined = 16;

/* Of 32 starts those where the string stands: its first bytes one by one for all starts together, a longer rest start by start. */
[[gnu::always_inline]] inline uint32_t refine(const MatchPass& pass, Scan& scan, uint32_t at, __m256i likely) {
  const uint8_t* const string = scan.tables.bytes + scan.tables.strings[pass.string].at;
  const uint32_t width = pass.width < kRefined ? pass.width : kRefined;
  for (uint32_t i = 0; i < width; i++) {
    likely = _mm256_and_si256(likely, _mm256_cmpeq_epi8(load256(scan.text + at + i), _mm256_set1_epi8(static_cast<char>(string[i]))));
  }
  uint32_t mask = static_cast<uint32_t>(_mm256_movemask_epi8(likely));
  if (pass.width <= kRefined) return mask;
  for (uint32_t rest = mask; rest; rest &= rest - 1) {
    const uint32_t start = static_cast<uint32_t>(__builtin_ctz(rest));
    if (!same_bytes(scan.text + at + start, string, pass.width)) mask ^= 1u << start;
    scan.allowance -= 1 + (pass.width >> 5);
  }
  return mask;
}

/* kPair: where both bytes stand at their distance the string is compared at once; starts from 0 to length - width. */
bool pair(const MatchPass& pass, Scan& scan) {
  const uint32_t width = pass.width;
  if (width > scan.length) return true;
  const uint32_t starts = scan.length - width + 1;
  const uint8_t* const first_at = scan.text + pass.first_at;
  const uint8_t* const second_at = scan.text + pass.second_at;
  if (starts < 32) {
    const uint8_t* const string = scan.tables.bytes + scan.tables.strings[pass.string].at;
    for (uint32_t at = 0; at < starts; at++) {
      if (first_at[at] == pass.first && second_at[at] == pass.second && same_bytes(scan.text + at, string, width)) {
        match_found(scan.tables, pass.string, at + width, scan.sink);
      }
    }
    return true;
  }
  const __m256i first = _mm256_set1_epi8(static_cast<char>(pass.first)), second = _mm256_set1_epi8(static_cast<char>(pass.second));
  const auto equal = [&](uint32_t at) MODEL_T_INLINE {
    return _mm256_and_si256(_mm256_cmpeq_epi8(load256(first_at + at), first), _mm256_cmpeq_epi8(load256(second_at + at), second));
  };
  uint32_t at = 0;
  for (; at + 64 <= starts; at += 64) {
    const __m256i a = equal(at), b = equal(at + 32), any = _mm256_or_si256(a, b);
    if (_mm256_testz_si256(any, any)) [[likely]] continue;
    report_mask(pass, scan, at + width, refine(pass, scan, at, a) | static_cast<uint64_t>(refine(pass, scan, at + 32, b)) << 32);
    if (scan.allowance < 0) [[unlikely]] return false;
  }
  while (at < starts) { /* the last vector overlaps what was done */
    const uint32_t from = at + 32 <= starts ? at : starts - 32;
    const __m256i likely = equal(from);
    if (!_mm256_testz_si256(likely, likely)) report_mask(pass, scan, from + width, refine(pass, scan, from, likely) >> (at - from) << (at - from));
    at = from + 32;
  }
  return scan.allowance >= 0;
}

/* kBytes: the bytes themselves are the occurrences. */
[[gnu::noinline]] void report_bytes(const MatchPass& pass, Scan& scan, uint32_t at, uint32_t mask) {
  for (; mask; mask &= mask - 1) {
    const uint32_t place = at + static_cast<uint32_t>(__builtin_ctz(mask));
    match_found(scan.tables, pass.byte_strings[scan.text[place]], place + 1, scan.sink);
  }
}

bool bytes(const MatchPass& pass, Scan& scan) {
  const __m256i lower = load256(pass.low[0][0]), upper = load256(pass.high[0][0]);
  const __m256i bit_of = _mm256_set1_epi64x(static_cast<long long>(0x8040201008040201ull));
  bool reported = scan.sink.events != nullptr; /* once the first is known, counting is enough where no two patterns are equal */
  const auto step = [&](const uint8_t* from, uint32_t at, uint32_t valid) MODEL_T_INLINE {
    const __m256i v = load256(from);
    const __m256i rows = _mm256_or_si256(_mm256_shuffle_epi8(lower, v), _mm256_shuffle_epi8(upper, _mm256_xor_si256(v, _mm256_set1_epi8(-128))));
    const __m256i bits = _mm256_shuffle_epi8(bit_of, high_nibbles(v));
    const uint32_t mask = static_cast<uint32_t>(_mm256_movemask_epi8(_mm256_cmpeq_epi8(_mm256_and_si256(rows, bits), bits))) & valid;
    if (reported || !pass.each_once || scan.sink.first == kNoMatch || scan.sink.first >> 32 > at) {
      if (mask) report_bytes(pass, scan, at, mask);
    } else {
      scan.sink.occurrences += static_cast<uint32_t>(__builtin_popcount(mask));
    }
  };
  uint32_t at = 0;
  for (; at + 32 <= scan.length; at += 32) step(scan.text + at, at, UINT32_MAX);
  if (at < scan.length) {
    step_over_end(scan, at, [&](const uint8_t* from, uint32_t start) MODEL_T_INLINE { step(from, start, (1u << (scan.length - start)) - 1); });
  }
  return true;
}

bool run(const MatchPass& pass, Scan& scan) {
  switch (pass.filter) {
    case MatchFilter::kBytes:
      return bytes(pass, scan);
    case MatchFilter::kPair:
      return pair(pass, scan);
    case MatchFilter::kTeddy:
      return pass.groups == 2 ? teddy_groups<2>(pass, scan) : teddy_groups<1>(pass, scan);
    case MatchFilter::kHashed:
      break;
  }
  return pass.stride == 4 ? hashed<4>(pass, scan) : pass.stride == 2 ? hashed<2>(pass, scan) : hashed<1>(pass, scan);
}

}  // namespace

void match_scan(const MatchTables& tables, const uint8_t* text, uint32_t length, MatchSink& sink) {
  const MatchSink before = sink;
  for (uint32_t i = 0; i < tables.pass_count; i++) {
    Scan scan(tables, text, length, sink);
    if (run(tables.passes[i], scan)) continue;
    sink = before;
    match_reference(tables, text, length, sink);
    return;
  }
}

#else

void match_scan(const MatchTables& tables, const uint8_t* text, uint32_t length, MatchSink& sink) {
  match_reference(tables, text, length, sink);
}

#endif

}  // namespace model_t::MODEL_T_ISA
