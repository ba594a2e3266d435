/* Made-up frames; see support.h. Checksums are computed the plain way, so that the stack's verdicts can be held to them. */
#include <cstring>

#include "support.h"

namespace model_t::test {

namespace {

struct Transport {
  uint8_t protocol;
  uint32_t header;   /* bytes */
  uint32_t checksum; /* offset within; 0 = none with a place of its own */
};

constexpr Transport kTransports4[] = {{6, 20, 16}, {6, 20, 16}, {17, 8, 6}, {17, 8, 6},  {1, 8, 2},
                                      {136, 8, 6}, {33, 16, 6}, {112, 8, 6}, {132, 12, 0}, {47, 8, 0}};
constexpr Transport kTransports6[] = {{6, 20, 16}, {17, 8, 6}, {17, 8, 6},  {58, 8, 2}, {58, 24, 2},
                                      {89, 16, 12}, {103, 8, 2}, {135, 8, 4}, {112, 8, 6}, {59, 0, 0}};

void add(Bytes& to, std::initializer_list<uint32_t> bytes) {
  for (const uint32_t byte : bytes) to.push_back(static_cast<uint8_t>(byte));
}

void add_noise(Bytes& to, Random& random, uint32_t bytes) {
  const size_t at = to.size();
  to.resize(at + bytes);
  random.fill(to.data() + at, bytes);
}

void add_ethernet(Bytes& frame, Random& random, FrameTraits* traits) {
  constexpr uint32_t kTags[] = {0x8100, 0x8100, 0x88a8, 0x9100, 0x9200};
  add_noise(frame, random, 12);
  traits->tags = random.one_in(3) ? random.below(random.one_in(8) ? 10 : 3) : 0;
  for (uint32_t i = 0; i < traits->tags; i++) {
    const uint32_t tag = random.pick(kTags);
    add(frame, {tag >> 8, tag & 255, random.below(256), random.below(256)});
  }
  add(frame, {traits->ip6 ? 0x86u : 0x08u, traits->ip6 ? 0xddu : 0u});
}

/* Addresses come from a small pool, so that flows repeat; extremes now and then. */
void add_address(Bytes& frame, Random& random, uint32_t bytes) {
  const uint32_t sort = random.below(20);
  for (uint32_t i = 0; i + 1 < bytes; i++) frame.push_back(sort == 0 ? 0 : sort == 1 ? 255 : static_cast<uint8_t>(i * 37 + 1));
  frame.push_back(sort == 0 ? 0 : sort == 1 ? 255 : static_cast<uint8_t>(random.below(40)));
}

/* Extension headers in front of `protocol`; returns the first next-header value. */
uint8_t add_extensions(Bytes& extensions, Random& random, uint8_t protocol, FrameTraits* traits) {
  constexpr uint8_t kKinds[] = {0, 43, 60, 51, 44};
  std::vector<uint8_t> kinds;
  for (uint32_t i = random.one_in(3) ? random.below(4) : 0; i > 0; i--) kinds.push_back(random.pick(kKinds));
  for (size_t i = 0; i < kinds.size(); i++) {
    const uint32_t next = i + 1 < kinds.size() ? kinds[i + 1] : protocol;
    const uint32_t units = random.below(3);
    if (kinds[i] == 44) {
      const bool first = random.one_in(2);
      traits->fragment = true;
      add(extensions, {next, 0, first ? 0u : random.below(256), first ? 1u : 0xf9u, 1, 2, 3, 4});
    } else if (kinds[i] == 51) {
      add(extensions, {next, units * 2 + 4}); /* (4 + 2) * 4 = 24 bytes, a multiple of 8 */
      add_noise(extensions, random, (units * 2 + 6) * 4 - 2);
    } else {
      add(extensions, {next, units, 1, kinds[i] == 43 ? 0 : units * 8 + 4}); /* PadN; for routing: no segments left */
      extensions.resize(extensions.size() + units * 8 + 4);
    }
  }
  return kinds.empty() ? protocol : kinds[0];
}

/* Puts a checksum of the wanted kind at `at`; `pseudo` is the sum of what stands before the transport header. */
void finish_transport(Bytes& segment, Random& random, const Transport& kind, uint64_t pseudo, FrameTraits* traits) {
  if (kind.checksum == 0) return;
  uint8_t* at = segment.data() + kind.checksum;
  store16(at, 0);
  uint32_t value = ~fold(pseudo + sum_words(segment.data(), segment.size())) & 0xffff;
  if (random.one_in(4) && segment.size() >= kind.header + 2u) { /* make it come out as zero */
    uint8_t* word = segment.data() + kind.header;
    store16(word, fold(load16(word) + static_cast<uint64_t>(value)));
    value = ~fold(pseudo + sum_words(segment.data(), segment.size())) & 0xffff;
  }
  if (value == 0 && (kind.protocol == 17 || random.one_in(2))) value = 0xffff; /* the same number; 0 means none for UDP */
  traits->transport = Sum::good;
  if (random.one_in(5)) {
    const uint32_t wrong = (value + 1 + random.below(0xfff0)) & 0xffff;
    if (wrong % 0xffff != value % 0xffff) {
      value = wrong;
      traits->transport = value == 0 && kind.protocol == 17 ? Sum::absent : Sum::bad;
    }
  } else if (kind.protocol == 17 && random.one_in(5)) {
    value = 0;
    traits->transport = Sum::absent;
  }
  store16(at, value);
  const bool verified = kind.protocol == 6 || kind.protocol == 17 || kind.protocol == (traits->ip6 ? 58 : 1);
  if (!verified) traits->transport = Sum::none;
}

Bytes make_segment(Random& random, const Transport& kind) {
  Bytes segment;
  const uint32_t payload = random.one_in(8) ? random.below(1400) : random.below(90);
  add_noise(segment, random, kind.header + payload);
  if (kind.protocol == 6) segment[12] = 0x50;
  if (kind.protocol == 17) store16(segment.data() + 4, static_cast<uint32_t>(segment.size()));
  if (kind.protocol == 112) segment[0] = static_cast<uint8_t>(random.one_in(2) ? 0x31 : 0x21);
  return segment;
}

void add_ip4(Bytes& frame, Random& random, FrameTraits* traits) {
  const Transport& kind = random.pick(kTransports4);
  Bytes segment = make_segment(random, kind);
  const uint32_t options = random.one_in(4) ? random.below(11) * 4 : 0;
  const uint32_t total = 20 + options + static_cast<uint32_t>(segment.size());
  const size_t network = frame.size();
  traits->protocol = kind.protocol;
  traits->fragment = random.one_in(12);
  const uint32_t fragment = !traits->fragment ? 0x4000 : random.one_in(2) ? 0x2000 : 1 + random.below(0x1fff);
  add(frame, {0x45 + options / 4, random.below(256), total >> 8, total & 255, 1, 2, fragment >> 8, fragment & 255, random.below(256),
              kind.protocol, 0, 0});
  add_address(frame, random, 4);
  add_address(frame, random, 4);
  add_noise(frame, random, options);
  if (random.one_in(8)) /* a header whose checksum comes out as zero */
    store16(frame.data() + network + 4, fold(load16(frame.data() + network + 4) + (~fold(sum_words(frame.data() + network, 20 + options)) & 0xffffull)));
  uint32_t value = ~fold(sum_words(frame.data() + network, 20 + options)) & 0xffff;
  if (value == 0 && random.one_in(2)) value = 0xffff;
  traits->header_good = !random.one_in(8);
  store16(frame.data() + network + 10, traits->header_good ? value : value ^ 0x0101);
  const uint64_t pseudo = kind.protocol == 1 ? 0 : sum_words(frame.data() + network + 12, 8) + kind.protocol + segment.size();
  finish_transport(segment, random, kind, pseudo, traits);
  frame.insert(frame.end(), segment.begin(), segment.end());
}

void add_ip6(Bytes& frame, Random& random, FrameTraits* traits) {
  const Transport& kind = random.pick(kTransports6);
  Bytes segment = make_segment(random, kind), extensions;
  const uint8_t next = add_extensions(extensions, random, kind.protocol, traits);
  const uint32_t payload = static_cast<uint32_t>(extensions.size() + segment.size());
  const size_t network = frame.size();
  traits->protocol = kind.protocol;
  add(frame, {0x60, 1, 2, 3, payload >> 8, payload & 255, next, 64});
  add_address(frame, random, 16);
  add_address(frame, random, 16);
  finish_transport(segment, random, kind, sum_words(frame.data() + network + 8, 32) + kind.protocol + segment.size(), traits);
  frame.insert(frame.end(), extensions.begin(), extensions.end());
  frame.insert(frame.end(), segment.begin(), segment.end());
}

}  // namespace

Bytes make_frame(Random& random, FrameTraits* traits) {
  Bytes frame;
  *traits = {};
  traits->ip6 = random.one_in(3);
  add_ethernet(frame, random, traits);
  if (traits->ip6) add_ip6(frame, random, traits);
  else add_ip4(frame, random, traits);
  if (frame.size() < 60) add_noise(frame, random, 60 - static_cast<uint32_t>(frame.size())); /* trailer: belongs to nothing */
  return frame;
}

Bytes damage(Random& random, Bytes frame) {
  constexpr uint8_t kExtremes[] = {0, 1, 0x0f, 0x40, 0x4f, 0x60, 0x7f, 0x80, 0x86, 0xdd, 0xfe, 0xff};
  const uint32_t changes = 1 + random.below(4);
  for (uint32_t i = 0; i < changes && !frame.empty(); i++) {
    const uint32_t reach = static_cast<uint32_t>(frame.size() < 80 ? frame.size() : 80); /* headers live here */
    const uint32_t at = random.below(reach);
    if (random.one_in(3)) frame.resize(random.below(static_cast<uint32_t>(frame.size()) + 1));
    else frame[at] = random.one_in(2) ? static_cast<uint8_t>(random.next()) : random.pick(kExtremes);
  }
  if (random.one_in(10)) random.fill(frame.data(), frame.size());
  return frame;
}

}  // namespace model_t::test
