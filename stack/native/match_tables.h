/*
 * What a compiled set of literal patterns looks like to the loops that scan text with it. Plain structs over memory that the
 * Matcher (match_matcher.h) owns; kernel files include this, so nothing here instantiates a template of the library.
 *
 *   text --pass (filter)--> places where a window of a string may stand --entries--> occurrences --> MatchSink
 *
 * A *string* is a distinct pattern; patterns that are equal share one. A *window* is the 1 to 8 bytes of a string by which it
 * is found. The automaton finds the same set alone: it is the reference, the scalar variant, and the way out when a text
 * makes the filters useless.
 */
#ifndef MODEL_T_STACK_MATCH_TABLES_H
#define MODEL_T_STACK_MATCH_TABLES_H

#include <cstdint>

namespace model_t {

struct MatchString {
  uint32_t at = 0;      /* its bytes: MatchTables::bytes + at */
  uint32_t length = 0;
  uint32_t numbers = 0; /* its patterns, ascending: MatchTables::numbers + numbers */
  uint32_t count = 0;
};

/* One window of one string, in the order of slots. Half a cache line. */
struct MatchEntry {
  uint64_t tail = 0;   /* the last 8 bytes of the string, or all if it is shorter */
  uint32_t hash = 0;   /* of the window: match_hash() */
  uint32_t string = 0;
  uint32_t number = 0; /* the lowest of its patterns, and how many there are */
  uint32_t count = 0;
  uint16_t behind = 0; /* bytes from the window's start to the string's end */
  uint16_t length = 0;
  uint8_t shift = 0;   /* 8 loaded bytes >> shift leave those of `tail` */
};

/* What decides about most candidates at a glance: the only entry of a slot, in 16 bytes. */
struct MatchSlot {
  uint64_t tail = 0;
  uint16_t number = 0;
  uint16_t count = 0;
  uint16_t behind = 0;
  uint8_t shift = 0;
  uint8_t state = 0; /* MatchSlotState bits; 0 = empty */
};

enum MatchSlotState : uint8_t {
  kSlotUsed = 1,
  kSlotShort = 2,   /* `tail` is all of the string */
  kSlotSeveral = 4, /* more than one entry: they must be looked at */
};

/* Hash of a window: its bytes at the upper end of `window`, zeros below. */
constexpr uint64_t kMatchMultiplier = 0x9e3779b97f4a7c15ull;
[[gnu::always_inline]] static inline uint32_t match_hash(uint64_t window) { return static_cast<uint32_t>(window * kMatchMultiplier >> 32); }

enum class MatchFilter : uint32_t {
  kBytes,  /* strings of one byte: membership in a set of bytes, exact */
  kPair,   /* one string: two of its bytes at their distance */
  kTeddy,  /* few windows: nibbles looked up with byte shuffles, 8 or 16 buckets (Teddy of Hyperscan) */
  kHashed, /* many windows: a table over hashes of windows at every `stride`th place of the text */
};

struct MatchPass {
  alignas(32) uint8_t low[2][4][32] = {}; /* kTeddy: buckets by low nibble, [group][byte of the window], lanes twice; kBytes: [0][0] */
  alignas(32) uint8_t high[2][4][32] = {};
  MatchFilter filter = MatchFilter::kBytes;
  uint32_t width = 0;  /* bytes of a window */
  uint32_t stride = 1; /* kHashed: 1, 2 or 4 */
  uint32_t groups = 1; /* kTeddy: of 8 buckets */
  uint32_t key_shift = 0;   /* 8 loaded bytes << key_shift leave the window */
  uint32_t known_shift = 0; /* hash >> known_shift: the byte of `known` */
  uint32_t slot_shift = 0;  /* hash >> slot_shift: the slot */
  const uint8_t* known = nullptr;  /* 1 where some window has that hash, else 0 */
  const MatchSlot* slots = nullptr;
  const uint32_t* starts = nullptr; /* entries of slot s: starts[s] to starts[s + 1] */
  const MatchEntry* entries = nullptr;
  const uint32_t* byte_strings = nullptr; /* kBytes: string of each byte */
  uint32_t each_once = 0;                 /* kBytes: no two patterns are equal */
  uint32_t string = 0;                    /* kPair */
  uint32_t first_at = 0, second_at = 0;
  uint8_t first = 0, second = 0;
};

/*
 * Aho-Corasick ("Efficient string matching", CACM 1975). Nodes are numbered breadth first: those of a level stand together,
 * children of a node are first_child[node] to first_child[node + 1]. Node 0 is the root.
 */
struct MatchAutomaton {
  const uint32_t* moves = nullptr; /* (node << class_bits | class) -> node << class_bits, bit 31 = strings end there; null when too large */
  uint32_t class_bits = 0;
  uint8_t classes[256] = {};
  uint32_t node_count = 0;
  const uint32_t* first_child = nullptr;
  const uint8_t* labels = nullptr;
  const uint32_t* failures = nullptr; /* the longest proper suffix that is a node */
  const uint32_t* depths = nullptr;
  const uint32_t* ends = nullptr;     /* nearest node on the failure path, itself included, where a string ends; 0 = none */
  const uint32_t* strings = nullptr;  /* the string that ends at a node, only where ends[node] == node */
};

struct MatchTables {
  const uint8_t* bytes = nullptr;
  const MatchString* strings = nullptr;
  const uint32_t* numbers = nullptr;
  uint32_t string_count = 0;
  uint32_t longest = 0;
  const MatchPass* passes = nullptr;
  uint32_t pass_count = 0;
  MatchAutomaton automaton;
};

struct MatchEvent {
  uint32_t end = 0; /* offset behind the last byte */
  uint32_t pattern = 0;
};

constexpr uint64_t kNoMatch = UINT64_MAX;

/* What scanning found. `first` is the least (end << 32 | pattern). Events are stored while there is room, in no order. */
struct MatchSink {
  uint64_t occurrences = 0;
  uint64_t first = kNoMatch;
  MatchEvent* events = nullptr;
  uint64_t capacity = 0;
};

[[gnu::always_inline]] static inline void match_found(const MatchTables& tables, uint32_t index, uint32_t end, MatchSink& sink) {
  const MatchString& string = tables.strings[index];
  const uint32_t* const numbers = tables.numbers + string.numbers;
  if (sink.events) [[unlikely]] {
    for (uint32_t i = 0; i < string.count && sink.occurrences + i < sink.capacity; i++) sink.events[sink.occurrences + i] = {end, numbers[i]};
  }
  sink.occurrences += string.count;
  const uint64_t place = static_cast<uint64_t>(end) << 32 | numbers[0];
  sink.first = place < sink.first ? place : sink.first;
}

/* match_automaton.cc: the automaton alone. */

/* Scans on from `node` and returns the node reached; every occurrence that ends in `text` is found. */
uint32_t match_walk(const MatchTables& tables, uint32_t node, const uint8_t* text, uint32_t length, MatchSink& sink);

/* All of a text by the automaton alone: a MatchScan. */
void match_reference(const MatchTables& tables, const uint8_t* text, uint32_t length, MatchSink& sink);

/*
 * Only the occurrences that began before `text`, in a stream that had reached `node`: stops as soon as there can be no more.
 */
void match_cross(const MatchTables& tables, uint32_t node, const uint8_t* text, uint32_t length, MatchSink& sink);

/* The node that a stream reaches at the end of `text`, which is at least as long as the longest string but one byte. */
uint32_t match_tail(const MatchTables& tables, const uint8_t* text, uint32_t length);

/* Finds every occurrence in `text`. Reads not a byte outside. */
using MatchScan = void (*)(const MatchTables& tables, const uint8_t* text, uint32_t length, MatchSink& sink);

namespace scalar {
void match_scan(const MatchTables& tables, const uint8_t* text, uint32_t length, MatchSink& sink);
}
#if defined(__x86_64__)
namespace avx2 {
void match_scan(const MatchTables& tables, const uint8_t* text, uint32_t length, MatchSink& sink);
}
namespace avx512 {
void match_scan(const MatchTables& tables, const uint8_t* text, uint32_t length, MatchSink& sink);
}
#endif

}  // namespace model_t

#endif
