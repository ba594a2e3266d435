/* See match_automaton.h. */
#include "match_automaton.h"

#include <algorithm>
#include <cstring>

namespace model_t {

namespace {

constexpr uint64_t kMaxMoves = 1 << 22; /* 16 MiB; node << class_bits stays far below bit 31 */
constexpr uint32_t kEndsHere = 1u << 31;

/* The child of `node` for a byte, or 0. */
uint32_t child(const uint32_t* first_child, const uint8_t* labels, uint32_t node, uint8_t byte) {
  const uint8_t* const begin = labels + first_child[node];
  const void* const at = memchr(begin, byte, first_child[node + 1] - first_child[node]);
  return at ? static_cast<uint32_t>(static_cast<const uint8_t*>(at) - labels) : 0;
}

uint32_t sparse_step(const uint32_t* first_child, const uint8_t* labels, const uint32_t* failures, uint32_t node, uint8_t byte) {
  for (;;) {
    const uint32_t next = child(first_child, labels, node, byte);
    if (next || node == 0) return next;
    node = failures[node];
  }
}

/* The node after one more byte. */
uint32_t match_step(const MatchAutomaton& automaton, uint32_t node, uint8_t byte) {
  if (!automaton.moves) return sparse_step(automaton.first_child, automaton.labels, automaton.failures, node, byte);
  return (automaton.moves[(node << automaton.class_bits) + automaton.classes[byte]] & ~kEndsHere) >> automaton.class_bits;
}

/* Occurrences that end where `node` stands and are longer than `shortest`. */
void report(const MatchTables& tables, uint32_t node, uint32_t end, uint32_t shortest, MatchSink& sink) {
  const MatchAutomaton& automaton = tables.automaton;
  for (uint32_t at = automaton.ends[node]; at && automaton.depths[at] > shortest; at = automaton.ends[automaton.failures[at]]) {
    match_found(tables, automaton.strings[at], end, sink);
  }
}

}  // namespace

void AutomatonMemory::build(const uint8_t* bytes, const std::vector<MatchString>& strings) {
  grow(bytes, strings);
  link();
  make_moves();
}

/* Breadth first over ranges of the sorted strings that share a prefix. */
void AutomatonMemory::grow(const uint8_t* bytes, const std::vector<MatchString>& strings) {
  struct Range {
    uint32_t begin, end;
  };
  std::vector<Range> ranges{{0, static_cast<uint32_t>(strings.size())}};
  depths_ = {0};
  labels_ = {0};
  for (uint32_t node = 0; node < ranges.size(); node++) {
    auto [at, end] = ranges[node];
    const uint32_t depth = depths_[node];
    const bool ends_here = at < end && strings[at].length == depth; /* sorted: the shortest is the first */
    ends_.push_back(ends_here ? node : 0);
    strings_.push_back(ends_here ? at++ : 0);
    first_child_.push_back(static_cast<uint32_t>(ranges.size()));
    while (at < end) {
      const uint8_t label = bytes[strings[at].at + depth];
      uint32_t stop = at + 1;
      while (stop < end && bytes[strings[stop].at + depth] == label) stop++;
      ranges.push_back({at, stop});
      depths_.push_back(depth + 1);
      labels_.push_back(label);
      at = stop;
    }
  }
  first_child_.push_back(static_cast<uint32_t>(ranges.size()));
}

void AutomatonMemory::link() {
  failures_.assign(labels_.size(), 0);
  for (uint32_t node = 0; node < labels_.size(); node++) { /* a failure link leads to a lower level: it is known */
    for (uint32_t at = first_child_[node]; at < first_child_[node + 1]; at++) {
      if (node) failures_[at] = sparse_step(first_child_.data(), labels_.data(), failures_.data(), failures_[node], labels_[at]);
      if (!ends_[at]) ends_[at] = ends_[failures_[at]];
    }
  }
}

void AutomatonMemory::make_moves() {
  const uint32_t nodes = static_cast<uint32_t>(labels_.size());
  uint32_t count = 1; /* class 0: bytes of no string */
  for (uint32_t node = 1; node < nodes; node++) {
    if (classes_[labels_[node]]) continue;
    if (count == 256) { /* no byte is left over for class 0 */
      for (uint32_t byte = 0; byte < 256; byte++) classes_[byte] = static_cast<uint8_t>(byte);
      break;
    }
    classes_[labels_[node]] = static_cast<uint8_t>(count++);
  }
  class_bits_ = 0;
  while (1u << class_bits_ < count) class_bits_++;
  if (static_cast<uint64_t>(nodes) << class_bits_ > kMaxMoves) return;
  moves_.assign(static_cast<size_t>(nodes) << class_bits_, 0);
  for (uint32_t node = 0; node < nodes; node++) {
    uint32_t* const row = &moves_[static_cast<size_t>(node) << class_bits_];
    const uint32_t* const failure_row = &moves_[static_cast<size_t>(failures_[node]) << class_bits_];
    if (node) std::copy(failure_row, failure_row + (1u << class_bits_), row);
    for (uint32_t at = first_child_[node]; at < first_child_[node + 1]; at++) {
      row[classes_[labels_[at]]] = at << class_bits_ | (ends_[at] ? kEndsHere : 0);
    }
  }
}

MatchAutomaton AutomatonMemory::view() const {
  MatchAutomaton automaton;
  automaton.moves = moves_.empty() ? nullptr : moves_.data();
  automaton.class_bits = class_bits_;
  std::copy(classes_, classes_ + 256, automaton.classes);
  automaton.node_count = static_cast<uint32_t>(labels_.size());
  automaton.first_child = first_child_.data();
  automaton.labels = labels_.data();
  automaton.failures = failures_.data();
  automaton.depths = depths_.data();
  automaton.ends = ends_.data();
  automaton.strings = strings_.data();
  return automaton;
}

uint32_t match_walk(const MatchTables& tables, uint32_t node, const uint8_t* text, uint32_t length, MatchSink& sink) {
  const MatchAutomaton& automaton = tables.automaton;
  if (!automaton.moves) {
    for (uint32_t i = 0; i < length; i++) {
      node = match_step(automaton, node, text[i]);
      if (automaton.ends[node]) report(tables, node, i + 1, 0, sink);
    }
    return node;
  }
  const uint32_t* const moves = automaton.moves;
  uint32_t move = node << automaton.class_bits;
  for (uint32_t i = 0; i < length; i++) {
    move = moves[(move & ~kEndsHere) + automaton.classes[text[i]]];
    if (move & kEndsHere) [[unlikely]] report(tables, (move & ~kEndsHere) >> automaton.class_bits, i + 1, 0, sink);
  }
  return (move & ~kEndsHere) >> automaton.class_bits;
}

void match_reference(const MatchTables& tables, const uint8_t* text, uint32_t length, MatchSink& sink) {
  match_walk(tables, 0, text, length, sink);
}

void match_cross(const MatchTables& tables, uint32_t node, const uint8_t* text, uint32_t length, MatchSink& sink) {
  const MatchAutomaton& automaton = tables.automaton;
  for (uint32_t i = 0; i < length; i++) {
    node = match_step(automaton, node, text[i]);
    if (automaton.depths[node] <= i + 1) return; /* what can still end began in this text */
    report(tables, node, i + 1, i + 1, sink);
  }
}

uint32_t match_tail(const MatchTables& tables, const uint8_t* text, uint32_t length) {
  uint32_t node = 0;
  for (uint32_t i = length - (tables.longest - 1); i < length; i++) node = match_step(tables.automaton, node, text[i]);
  return node;
}

}  // namespace model_t
