/* See match_operation.h. */
#include "match_operation.h"

#include <cstring>
#include <new>

#include "match_matcher.h"

namespace model_t {

namespace {

/* Rows that are not longer than this beyond the longest string go through the automaton alone: the filters would not pay. */
constexpr uint32_t kShortRow = 64;

Matcher& matcher_of(void* memory) { return *static_cast<Matcher*>(memory); }

}  // namespace

void* create_match(const OperationArgument& argument, char (&error)[256]) {
  std::string reason = "match: out of memory";
  try {
    std::unique_ptr<Matcher> matcher = Matcher::create(argument.data, argument.data_bytes, &reason);
    if (matcher) return matcher.release();
  } catch (const std::bad_alloc&) {
  }
  const size_t bytes = reason.size() < sizeof error ? reason.size() : sizeof error - 1;
  memcpy(error, reason.data(), bytes);
  error[bytes] = 0;
  return nullptr;
}

void destroy_match(void* memory) { delete static_cast<Matcher*>(memory); }

const MatchTables& match_tables(const void* memory) { return static_cast<const Matcher*>(memory)->tables(); }

uint64_t match_evicted(const void* memory) { return static_cast<const Matcher*>(memory)->streams().evicted(); }

void match_in_stream(void* memory, MatchScan scan, uint64_t stream, uint8_t marks, const uint8_t* text, uint32_t length, MatchSink& sink) {
  Matcher& matcher = matcher_of(memory);
  const MatchTables& tables = matcher.tables();
  uint32_t node = marks & (kStreamStart | kStreamGap) ? 0 : matcher.streams().node(stream);
  if (length <= tables.longest + kShortRow) {
    node = match_walk(tables, node, text, length, sink);
  } else {
    if (node) match_cross(tables, node, text, length, sink);
    scan(tables, text, length, sink);
    node = match_tail(tables, text, length);
  }
  matcher.streams().set(stream, marks & kStreamEnd ? 0 : node);
}

}  // namespace model_t
