/* See match_matcher.h. */
#include "match_matcher.h"

#include <algorithm>
#include <cstring>

#include "operation.h"

namespace model_t {

namespace {

using Patterns = std::vector<std::vector<uint8_t>>;

/* As bytes; a prefix comes first. */
int compare(const std::vector<uint8_t>& a, const std::vector<uint8_t>& b) {
  const int order = memcmp(a.data(), b.data(), std::min(a.size(), b.size()));
  return order ? order : a.size() < b.size() ? -1 : a.size() > b.size();
}

/* Checks every length against what is there. */
bool parse(const uint8_t* blob, size_t bytes, Patterns* patterns, std::string* error) {
  size_t at = 0;
  const auto number = [&](uint32_t* value) {
    if (bytes - at < 4) return false;
    memcpy(value, blob + at, 4);
    at += 4;
    return true;
  };
  uint32_t count = 0;
  if (!number(&count)) return *error = "match: no pattern count", false;
  if (count == 0 || count > kMaxPatterns) {
    return *error = "match: " + std::to_string(count) + " patterns, 1 to " + std::to_string(kMaxPatterns) + " can be", false;
  }
  if (bytes > kMaxSetBytes) return *error = "match: " + std::to_string(bytes) + " bytes of patterns, at most " + std::to_string(kMaxSetBytes), false;
  for (uint32_t i = 0; i < count; i++) {
    uint32_t length = 0;
    if (!number(&length) || length > bytes - at) return *error = "match: pattern " + std::to_string(i) + " is cut", false;
    if (length == 0 || length > kMaxPatternBytes) {
      return *error = "match: pattern " + std::to_string(i) + " has " + std::to_string(length) + " bytes, 1 to " + std::to_string(kMaxPatternBytes) + " can be", false;
    }
    patterns->emplace_back(blob + at, blob + at + length);
    at += length;
  }
  if (at != bytes) return *error = "match: " + std::to_string(bytes - at) + " bytes behind the last pattern", false;
  return true;
}

}  // namespace

std::unique_ptr<Matcher> Matcher::create(const uint8_t* blob, size_t bytes, std::string* error) {
  Patterns patterns;
  if (!parse(blob, bytes, &patterns, error)) return nullptr;
  std::unique_ptr<Matcher> matcher(new Matcher());
  matcher->compile(patterns);
  return matcher;
}

void Matcher::compile(const Patterns& patterns) {
  numbers_.resize(patterns.size());
  for (uint32_t i = 0; i < numbers_.size(); i++) numbers_[i] = i;
  std::sort(numbers_.begin(), numbers_.end(), [&](uint32_t a, uint32_t b) {
    const int order = compare(patterns[a], patterns[b]);
    return order ? order < 0 : a < b;
  });
  for (uint32_t i = 0; i < numbers_.size(); i++) {
    const std::vector<uint8_t>& pattern = patterns[numbers_[i]];
    if (i > 0 && pattern == patterns[numbers_[i - 1]]) {
      strings_.back().count++;
      continue;
    }
    strings_.push_back({static_cast<uint32_t>(bytes_.size()), static_cast<uint32_t>(pattern.size()), i, 1});
    bytes_.insert(bytes_.end(), pattern.begin(), pattern.end());
    tables_.longest = std::max(tables_.longest, static_cast<uint32_t>(pattern.size()));
  }
  automaton_.build(bytes_.data(), strings_);
  memory_ = plan_passes(bytes_.data(), strings_, numbers_.data());
  for (const PassMemory& memory : memory_) passes_.push_back(memory.pass);
  tables_.bytes = bytes_.data();
  tables_.strings = strings_.data();
  tables_.numbers = numbers_.data();
  tables_.string_count = static_cast<uint32_t>(strings_.size());
  tables_.passes = passes_.data();
  tables_.pass_count = static_cast<uint32_t>(passes_.size());
  tables_.automaton = automaton_.view();
}

MatchScan find_match_scan(const char* variant) {
  if (strcmp(variant, "automaton") == 0) return match_reference;
  if (!cpu_has_isa(variant)) return nullptr;
#if defined(__x86_64__)
  if (strcmp(variant, "avx512") == 0) return avx512::match_scan;
  if (strcmp(variant, "avx2") == 0) return avx2::match_scan;
#endif
  return scalar::match_scan;
}

}  // namespace model_t
