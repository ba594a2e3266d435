/*
 * match: the automaton against looking everywhere, every variant against the automaton, streams against the uncut text.
 * Texts end at a guard page, so that a read past them ends the program.
 */
#include <algorithm>
#include <cstring>

#include "../../stack/native/match_matcher.h"
#include "../../stack/native/match_operation.h"
#include "../../stack/native/operation.h"
#include "support.h"

namespace model_t::test {

namespace {

constexpr uint32_t kLongestText = 5000;

using Events = std::vector<std::pair<uint32_t, uint32_t>>; /* end, pattern */

std::vector<std::string> variants() {
  std::vector<std::string> names = cpu_isas();
  names.insert(names.begin(), "automaton");
  return names;
}

Bytes blob_of(const std::vector<Bytes>& patterns) {
  Bytes blob;
  const auto number = [&](size_t value) {
    for (uint32_t i = 0; i < 4; i++) blob.push_back(static_cast<uint8_t>(value >> i * 8));
  };
  number(patterns.size());
  for (const Bytes& pattern : patterns) {
    number(pattern.size());
    blob.insert(blob.end(), pattern.begin(), pattern.end());
  }
  return blob;
}

std::unique_ptr<Matcher> compile(const std::vector<Bytes>& patterns) {
  const Bytes blob = blob_of(patterns);
  std::string error;
  std::unique_ptr<Matcher> matcher = Matcher::create(blob.data(), blob.size(), &error);
  CHECK_FOR(matcher != nullptr, error);
  return matcher;
}

/* By looking at every place for every pattern. */
Events everywhere(const std::vector<Bytes>& patterns, const uint8_t* text, uint32_t length) {
  Events found;
  for (uint32_t number = 0; number < patterns.size(); number++) {
    const uint32_t width = static_cast<uint32_t>(patterns[number].size());
    for (uint32_t end = width; end <= length; end++) {
      if (memcmp(text + end - width, patterns[number].data(), width) == 0) found.emplace_back(end, number);
    }
  }
  std::sort(found.begin(), found.end());
  return found;
}

/* Occurrences by a variant; listing and counting must agree on number and first. */
Events scanned(const Matcher& matcher, const std::string& variant, const uint8_t* text, uint32_t length) {
  const MatchScan scan = find_match_scan(variant.c_str());
  if (!check(scan != nullptr, __FILE__, __LINE__, "no variant " + variant)) return {};
  MatchSink counted;
  scan(matcher.tables(), text, length, counted);
  std::vector<MatchEvent> events(counted.occurrences + 1);
  MatchSink sink;
  sink.events = events.data();
  sink.capacity = counted.occurrences;
  scan(matcher.tables(), text, length, sink);
  CHECK_EQUAL(sink.occurrences, counted.occurrences);
  CHECK_EQUAL(sink.first, counted.first);
  Events found;
  for (uint64_t i = 0; i < counted.occurrences; i++) found.emplace_back(events[i].end, events[i].pattern);
  std::sort(found.begin(), found.end());
  const uint64_t first = found.empty() ? kNoMatch : static_cast<uint64_t>(found[0].first) << 32 | found[0].second;
  CHECK_EQUAL(counted.first, first);
  return found;
}

/* What patterns and texts are made of: few letters meet often, many never. */
struct Alphabet {
  const char* letters;
  uint8_t draw(Random& random) const {
    return letters ? static_cast<uint8_t>(letters[random.below(static_cast<uint32_t>(strlen(letters)))]) : static_cast<uint8_t>(random.next());
  }
};

constexpr Alphabet kAlphabets[] = {{"a"}, {"ab"}, {"abcd"}, {"etaoin shrdlucmfw"}, {"ab\x80\xff\x01\x10"}, {nullptr}};

Bytes draw(Random& random, const Alphabet& alphabet, uint32_t length) {
  Bytes bytes(length);
  for (uint8_t& byte : bytes) byte = alphabet.draw(random);
  return bytes;
}

/* Words of random lengths; some are prefixes, suffixes or copies of others, some cut from the text. */
std::vector<Bytes> draw_patterns(Random& random, const Alphabet& alphabet, uint32_t count, uint32_t shortest, uint32_t longest, const Bytes& text) {
  std::vector<Bytes> patterns;
  for (uint32_t i = 0; i < count; i++) {
    const uint32_t length = shortest + random.below(longest - shortest + 1);
    Bytes pattern = draw(random, alphabet, length);
    if (random.one_in(3) && text.size() > length) {
      const uint32_t at = random.below(static_cast<uint32_t>(text.size()) - length);
      pattern.assign(text.begin() + at, text.begin() + at + length);
    } else if (!patterns.empty() && random.one_in(6)) {
      pattern = patterns[random.below(static_cast<uint32_t>(patterns.size()))];
      const uint32_t cut = random.below(static_cast<uint32_t>(pattern.size()));
      if (random.one_in(2)) pattern.erase(pattern.end() - cut, pattern.end());
      else pattern.erase(pattern.begin(), pattern.begin() + cut);
    }
    patterns.push_back(pattern);
  }
  return patterns;
}

/* Sets of all sizes and lengths, so that every filter is chosen. */
struct Shape {
  uint32_t count, shortest, longest;
};
constexpr Shape kShapes[] = {{1, 1, 1},  {1, 2, 3},   {1, 4, 20},  {1, 30, 255}, {2, 1, 6},    {7, 2, 9},    {10, 4, 12},   {30, 1, 4},
                             {60, 3, 9}, {100, 4, 30}, {300, 2, 3}, {300, 5, 6},  {400, 7, 20}, {1000, 4, 16}, {2000, 1, 40}, {500, 8, 255}};

void automaton_is_right() {
  Random random(70);
  for (uint32_t round = 0; round < rounds(300) && !failing(); round++) {
    const Alphabet& alphabet = random.pick(kAlphabets);
    const Bytes text = draw(random, alphabet, random.below(400));
    const std::vector<Bytes> patterns = draw_patterns(random, alphabet, 1 + random.below(60), 1, 1 + random.below(20), text);
    const std::unique_ptr<Matcher> matcher = compile(patterns);
    CHECK(scanned(*matcher, "automaton", text.data(), static_cast<uint32_t>(text.size())) ==
          everywhere(patterns, text.data(), static_cast<uint32_t>(text.size())));
  }
}

constexpr const char* kFilters[] = {"bytes", "pair", "teddy", "every 1", "every 2", "every 4"}; /* as describe() calls them */

void variants_agree() {
  Random random(71);
  const GuardedSlots slots(1, 8192);
  std::set<std::string> filters;
  for (uint32_t round = 0; round < rounds(240) && !failing(); round++) {
    const Alphabet& alphabet = random.pick(kAlphabets);
    const Shape& shape = kShapes[round % (sizeof kShapes / sizeof *kShapes)];
    const bool dense = alphabet.letters && strlen(alphabet.letters) <= 4; /* hundreds of occurrences at a place: less of it */
    const uint32_t most = dense ? 400 : kLongestText;
    const Bytes sample = draw(random, alphabet, most);
    const uint32_t count = dense ? std::min(shape.count, 100u) : shape.count;
    const std::vector<Bytes> patterns = draw_patterns(random, alphabet, count, shape.shortest, shape.longest, sample);
    const std::unique_ptr<Matcher> matcher = compile(patterns);
    for (const char* filter : kFilters) {
      if (matcher->plan().find(filter) != std::string::npos) filters.insert(filter);
    }
    for (uint32_t text = 0; text < 12 && !failing(); text++) {
      const uint32_t length = text == 0 ? random.below(8) : text < 8 ? random.below(300) : random.below(most + 1);
      uint8_t* const at = slots.last(0, length);
      if (length) memcpy(at, sample.data() + random.below(most - length + 1), length);
      const Events wanted = scanned(*matcher, "automaton", at, length);
      for (const std::string& isa : cpu_isas()) {
        CHECK_FOR(scanned(*matcher, isa, at, length) == wanted, isa + ", " + std::to_string(length) + " bytes, " + matcher->plan());
        exercised().insert("match/" + isa);
      }
    }
  }
  for (const char* filter : kFilters) CHECK_FOR(settings.quick || filters.count(filter), filter);
}

/* Every length up to 300 at every alignment that matters, with occurrences at both ends. */
void ends_of_texts_are_seen() {
  Random random(72);
  const GuardedSlots slots(1, 4096);
  for (const Shape& shape : kShapes) {
    if (shape.longest > 60) continue;
    const std::vector<Bytes> patterns = draw_patterns(random, {nullptr}, shape.count, shape.shortest, shape.longest, {});
    const std::unique_ptr<Matcher> matcher = compile(patterns);
    for (uint32_t length = 0; length <= 300 && !failing(); length += settings.quick ? 7 : 1) {
      uint8_t* const at = slots.last(0, length);
      memset(at, 0, length);
      const Bytes& pattern = patterns[random.below(shape.count)];
      if (pattern.size() <= length) {
        memcpy(at, pattern.data(), pattern.size());
        memcpy(at + length - pattern.size(), pattern.data(), pattern.size());
      }
      const Events wanted = scanned(*matcher, "automaton", at, length);
      CHECK(pattern.size() > length || !wanted.empty());
      for (const std::string& isa : cpu_isas()) CHECK_FOR(scanned(*matcher, isa, at, length) == wanted, isa + ", " + std::to_string(length) + " bytes, " + matcher->plan());
    }
  }
}

/* Sets that make every place a candidate: time must stay in proportion to text and occurrences. */
void hostile_sets_stay_linear() {
  std::vector<std::vector<Bytes>> sets(4);
  for (uint32_t k = 1; k <= 255; k++) sets[0].push_back(Bytes(k, 'a')); /* all of them at every place */
  for (uint32_t k = 0; k < 256; k++) { /* none ever, all but the first byte stand everywhere */
    sets[1].push_back(Bytes(255, 'a'));
    sets[1].back()[0] = static_cast<uint8_t>(k == 'a' ? 'b' : k);
  }
  sets[2].push_back(Bytes(60000, 'a'));
  for (uint32_t k = 0; k < 4096; k++) { /* words over two letters: one at each place, 4096 share few windows */
    Bytes word(12);
    for (uint32_t i = 0; i < 12; i++) word[i] = k >> i & 1 ? 'a' : 'b';
    sets[3].push_back(word);
  }
  for (const std::vector<Bytes>& set : sets) {
    const std::unique_ptr<Matcher> matcher = compile(set);
    const Bytes text(1 << 14, 'a');
    MatchSink wanted;
    match_reference(matcher->tables(), text.data(), static_cast<uint32_t>(text.size()), wanted);
    for (const std::string& isa : cpu_isas()) {
      MatchSink sink;
      find_match_scan(isa.c_str())(matcher->tables(), text.data(), static_cast<uint32_t>(text.size()), sink);
      CHECK_FOR(sink.occurrences == wanted.occurrences && sink.first == wanted.first, isa + ", " + matcher->plan());
    }
  }
}

/* The operation over a burst of rows. */
struct Operated {
  void* memory;
  OperationState state;
  const OperationBody* body;

  Operated(const std::string& isa, const std::vector<Bytes>& patterns) : body(find_operation("match", isa.c_str())) {
    const Bytes blob = blob_of(patterns);
    OperationArgument argument;
    argument.data = blob.data();
    argument.data_bytes = static_cast<uint32_t>(blob.size());
    char error[256];
    memory = body->create(argument, error);
    state.memory = memory;
  }
  ~Operated() { body->destroy(memory); }
};

struct Row {
  uint64_t stream;
  uint8_t marks;
  Bytes bytes;
};

/* Runs rows in bursts of random sizes; returns classes, 0 = the row left. */
std::vector<uint16_t> operate(Operated& operated, Random& random, const std::vector<Row>& rows) {
  static const GuardedSlots slots(1, 8192);
  std::vector<uint16_t> classes;
  auto burst = std::make_unique<Burst256>();
  for (size_t at = 0; at < rows.size();) {
    burst->count = std::min<uint32_t>(1 + random.below(3), static_cast<uint32_t>(rows.size() - at));
    std::vector<Bytes> kept;
    for (uint32_t i = 0; i < burst->count; i++) kept.push_back(rows[at + i].bytes);
    for (uint32_t i = 0; i < burst->count; i++) {
      burst->payloads[i] = kept[i].data();
      burst->payload_lengths[i] = static_cast<uint32_t>(kept[i].size());
      burst->streams[i] = rows[at + i].stream;
      burst->stream_marks[i] = rows[at + i].marks;
      burst->classes[i] = 0;
    }
    operated.body->run(*burst, operated.state);
    for (uint32_t i = 0; i < burst->count; i++) {
      CHECK((burst->leaves[i] != 0) == (burst->classes[i] == 0));
      classes.push_back(burst->classes[i]);
    }
    at += burst->count;
  }
  return classes;
}

void cut_streams_equal_the_uncut_text() {
  Random random(73);
  for (uint32_t round = 0; round < rounds(300) && !failing(); round++) {
    const Alphabet& alphabet = random.pick(kAlphabets);
    const Shape& shape = kShapes[round % (sizeof kShapes / sizeof *kShapes)];
    const Bytes text = draw(random, alphabet, 1 + random.below(3000));
    const uint32_t length = static_cast<uint32_t>(text.size());
    const std::vector<Bytes> patterns = draw_patterns(random, alphabet, std::min(shape.count, 400u), shape.shortest, shape.longest, text);
    const Events wanted = scanned(*compile(patterns), "automaton", text.data(), length);
    const uint32_t piece = random.one_in(2) ? 8 : 1500;
    std::vector<Row> rows;
    std::vector<uint16_t> classes; /* what each row must get: 1 + the first that ends in it */
    size_t next = 0;
    for (uint32_t at = 0; at < length;) {
      const uint32_t bytes = std::min(length - at, random.below(piece));
      const uint8_t marks = static_cast<uint8_t>((at == 0 ? kStreamStart : 0) | (at + bytes == length ? kStreamEnd : 0));
      rows.push_back({42, marks, Bytes(text.begin() + at, text.begin() + at + bytes)});
      at += bytes;
      classes.push_back(next < wanted.size() && wanted[next].first <= at ? static_cast<uint16_t>(1 + wanted[next].second) : 0);
      while (next < wanted.size() && wanted[next].first <= at) next++;
      if (random.one_in(4)) { /* another stream between, and a row that stands alone: the text's own bytes */
        rows.push_back({random.one_in(2) ? 43u : 0u, kStreamStart | kStreamEnd, {}});
        classes.push_back(0);
      }
    }
    for (const std::string& isa : cpu_isas()) {
      Operated operated(isa, patterns);
      CHECK_FOR(operate(operated, random, rows) == classes, isa);
      CHECK_FOR(operated.state.verdicts[2] == wanted.size(), isa);
      CHECK_EQUAL(operated.state.verdicts[3], uint64_t{length});
      CHECK_EQUAL(operated.state.verdicts[0] + operated.state.verdicts[1], uint64_t{rows.size()});
      CHECK_EQUAL(static_cast<Matcher*>(operated.memory)->streams().used(), 0u);
    }
  }
}

Bytes bytes_of(const char* text) { return Bytes(text, text + strlen(text)); }

void gaps_ends_and_evictions() {
  Random random(74);
  for (const std::string& isa : cpu_isas()) {
    Operated operated(isa, {bytes_of("needle"), bytes_of("dle")});
    using Classes = std::vector<uint16_t>;
    const Bytes nee = bytes_of("x nee"), dle = bytes_of("dle y");
    CHECK(operate(operated, random, {{7, 0, nee}, {7, 0, dle}}) == (Classes{0, 1}));
    CHECK(operate(operated, random, {{7, 0, nee}, {7, kStreamGap, dle}}) == (Classes{0, 2}));
    CHECK(operate(operated, random, {{7, kStreamEnd, nee}, {7, 0, dle}}) == (Classes{0, 2}));
    CHECK(operate(operated, random, {{7, 0, nee}, {7, kStreamStart, dle}}) == (Classes{0, 2}));
    CHECK(operate(operated, random, {{0, 0, nee}, {0, 0, dle}}) == (Classes{0, 2}));
    CHECK(operate(operated, random, {{7, 0, nee}, {9, 0, nee}, {7, 0, dle}}) == (Classes{0, 0, 1}));
    CHECK_EQUAL(operated.state.verdicts[4], uint64_t{0});
    std::vector<Row> rows;
    for (uint64_t stream = 100; stream < 100 + kMatchStreams + 10; stream++) {
      rows.push_back({stream, 0, nee});
      rows.push_back({100, 0, nee}); /* in use all the time */
    }
    operate(operated, random, rows);
    CHECK_EQUAL(operated.state.verdicts[4], uint64_t{10 + 1}); /* 9 still had its place */
    CHECK(operate(operated, random, {{100, 0, dle}, {101, 0, dle}, {100 + kMatchStreams + 9, 0, dle}}) == (Classes{1, 2, 1}));
  }
}

void malformed_blobs_are_refused() {
  const std::vector<Bytes> bad = {{}, {1, 0, 0}, {0, 0, 0, 0}, {1, 0, 0, 0}, {1, 0, 0, 0, 0, 0, 0, 0}, {1, 0, 0, 0, 2, 0, 0, 0, 'a'},
                                  {1, 0, 0, 0, 1, 0, 0, 0, 'a', 'b'}, {255, 255, 255, 255, 1, 0, 0, 0, 'a'}, {2, 0, 0, 0, 1, 0, 0, 0, 'a', 255, 255, 255, 255}};
  for (const Bytes& blob : bad) {
    OperationArgument argument;
    argument.data = blob.data();
    argument.data_bytes = static_cast<uint32_t>(blob.size());
    char error[256] = "";
    CHECK(create_match(argument, error) == nullptr);
    CHECK_FOR(strncmp(error, "match: ", 7) == 0 && strlen(error) > 10, error);
  }
}

/* Too many nodes for a dense table: children and failure links. */
void sets_too_large_for_a_dense_automaton() {
  Random random(75);
  const Bytes text = draw(random, {"abcd"}, 3000);
  std::vector<Bytes> patterns = draw_patterns(random, {nullptr}, settings.quick ? 300 : 600, 180, 255, text);
  for (uint32_t i = 0; i < 50; i++) patterns.push_back(draw(random, {"abcd"}, 1 + random.below(6)));
  const std::unique_ptr<Matcher> matcher = compile(patterns);
  CHECK(matcher->tables().automaton.moves == nullptr);
  const uint32_t length = static_cast<uint32_t>(text.size());
  const Events wanted = everywhere(patterns, text.data(), length);
  CHECK(wanted.size() > 100);
  for (const std::string& variant : variants()) CHECK_FOR(scanned(*matcher, variant, text.data(), length) == wanted, variant);
}

}  // namespace

extern const std::vector<Test> match_tests;
const std::vector<Test> match_tests = {
    {"match: the automaton finds what looking everywhere finds", automaton_is_right},
    {"match: all variants find what the automaton finds", variants_agree},
    {"match: occurrences at both ends of texts of every length", ends_of_texts_are_seen},
    {"match: hostile sets and texts", hostile_sets_stay_linear},
    {"match: cut streams equal the uncut text", cut_streams_equal_the_uncut_text},
    {"match: gaps, ends and evictions of streams", gaps_ends_and_evictions},
    {"match: malformed blobs are refused", malformed_blobs_are_refused},
    {"match: sets too large for a dense automaton", sets_too_large_for_a_dense_automaton},
};

}  // namespace model_t::test
