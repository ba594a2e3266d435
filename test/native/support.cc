/* See support.h. */
#include "support.h"

#include <sys/mman.h>

#include <cstring>

#if defined(__x86_64__)
#include <cpuid.h>
#endif

namespace model_t::test {

GuardedSlots::GuardedSlots(uint32_t count, uint32_t bytes_each) {
  stride_ = (bytes_each + kPage - 1) / kPage * kPage + kPage;
  bytes_ = stride_ * count;
  void* memory = mmap(nullptr, bytes_, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (!CHECK(memory != MAP_FAILED)) abort();
  start_ = static_cast<uint8_t*>(memory);
  for (uint32_t i = 0; i < count; i++) mprotect(start_ + (i + 1) * stride_ - kPage, kPage, PROT_NONE);
}

GuardedSlots::~GuardedSlots() { munmap(start_, bytes_); }

uint8_t* GuardedSlots::lay(uint32_t index, const Bytes& frame, Random& noise) const {
  const uint32_t length = static_cast<uint32_t>(frame.size());
  const uint32_t slot = (kFrameOffset + length + 63) / 64 * 64;
  uint8_t* at = last(index, slot);
  noise.fill(at, slot);
  if (length) memcpy(at + kFrameOffset, frame.data(), length);
  return at + kFrameOffset;
}

uint8_t* GuardedSlots::lay_clean(uint32_t index, const Bytes& frame) const {
  const uint32_t length = static_cast<uint32_t>(frame.size());
  const uint32_t slot = (kFrameOffset + length + 63) / 64 * 64;
  uint8_t* at = last(index, slot);
  memset(at, 0, slot);
  if (length) memcpy(at + kFrameOffset, frame.data(), length);
  return at + kFrameOffset;
}

#if defined(__x86_64__)

std::vector<std::string> cpu_isas() {
  std::vector<std::string> found = {"scalar"};
  uint32_t a, b, c, d;
  if (!__get_cpuid(1, &a, &b, &c, &d) || !(c & 1u << 27)) return found; /* OSXSAVE */
  uint32_t saved, high;
  __asm__ volatile("xgetbv" : "=a"(saved), "=d"(high) : "c"(0));
  if (!__get_cpuid_count(7, 0, &a, &b, &c, &d)) return found;
  const uint32_t avx2 = 1u << 5 | 1u << 8;
  const uint32_t avx512 = 1u << 16 | 1u << 17 | 1u << 28 | 1u << 30 | 1u << 31; /* F, DQ, CD, BW, VL */
  if ((saved & 6) != 6 || (b & avx2) != avx2) return found;
  found.emplace_back("avx2");
  if ((saved & 0xe6) == 0xe6 && (b & avx512) == avx512) found.emplace_back("avx512");
  return found;
}

#else

std::vector<std::string> cpu_isas() { return {"scalar"}; }

#endif

std::set<std::string>& exercised() {
  static std::set<std::string> names;
  return names;
}

std::shared_ptr<TraceImage> empty_image() {
  std::string error;
  std::shared_ptr<TraceImage> image = TraceImage::reserve(uint64_t{64} << 20, &error);
  if (!check(image != nullptr, __FILE__, __LINE__, error)) abort();
  return image;
}

void append(TraceImage& image, const Bytes& frame, FrameKind kind, uint64_t time_ns) {
  const uint32_t length = static_cast<uint32_t>(frame.size());
  CHECK(image.append({nullptr, 0, frame.data(), length}, kind, length, time_ns) == AppendStatus::ok);
}

std::shared_ptr<TraceImage> make_image(Random& random, uint32_t packets, uint32_t largest) {
  std::shared_ptr<TraceImage> image = empty_image();
  uint64_t time = 1700000000ull * 1000000000;
  for (uint32_t i = 0; i < packets; i++) {
    FrameTraits traits;
    Bytes frame = make_frame(random, &traits);
    const uint32_t sort = random.below(16);
    if (sort < 2) frame = damage(random, std::move(frame));
    else if (sort == 2) frame.resize(random.below(24));
    else if (sort == 3) random.fill(frame.data(), frame.size());
    else if (sort == 4 && random.one_in(8)) frame.resize(frame.size() + random.below(largest));
    if (frame.size() > largest) frame.resize(largest);
    append(*image, frame, random.one_in(32) ? FrameKind::opaque : FrameKind::ethernet, time);
    time += random.below(2000) - 100; /* now and then back in time */
  }
  image->complete();
  return image;
}

std::shared_ptr<TraceImage> make_small_image(Random& random, uint32_t packets) {
  std::shared_ptr<TraceImage> image = empty_image();
  while (image->packets() < packets) {
    FrameTraits traits;
    const Bytes frame = make_frame(random, &traits);
    const bool small = !traits.ip6 && traits.tags == 0 && frame.size() <= 62 && frame[14] == 0x45;
    if (small || random.one_in(3000)) append(*image, frame, FrameKind::ethernet, image->packets() * 1000);
  }
  image->complete();
  return image;
}

MutationPlan make_plan(Random& random, Unique unique) {
  MutationPlan plan;
  plan.unique = unique;
  plan.seed = random.next();
  plan.rewrite4 = !random.one_in(6);
  plan.rewrite6 = !random.one_in(4);
  constexpr uint32_t kLengths4[] = {0, 1, 8, 8, 12, 16, 24, 31, 32};
  constexpr uint32_t kLengths6[] = {0, 32, 48, 64, 64, 80, 100, 112, 128};
  plan.prefix4_length = random.pick(kLengths4);
  plan.prefix6_length = random.pick(kLengths6);
  const uint64_t mask4 = plan.prefix4_length ? ~0ull << (32 - plan.prefix4_length) : 0;
  plan.prefix4 = static_cast<uint32_t>(random.next() & mask4);
  for (uint32_t bit = 0; bit < plan.prefix6_length; bit++) {
    if (random.one_in(2)) plan.prefix6[bit / 8] = static_cast<uint8_t>(plan.prefix6[bit / 8] | 0x80u >> bit % 8);
  }
  return plan;
}

uint32_t load16(const uint8_t* at) { return static_cast<uint32_t>(at[0]) << 8 | at[1]; }

void store16(uint8_t* at, uint32_t value) {
  at[0] = static_cast<uint8_t>(value >> 8);
  at[1] = static_cast<uint8_t>(value);
}

uint64_t sum_words(const uint8_t* at, size_t bytes) {
  uint64_t sum = 0;
  for (size_t i = 0; i + 1 < bytes; i += 2) sum += load16(at + i);
  return bytes % 2 ? sum + (static_cast<uint64_t>(at[bytes - 1]) << 8) : sum;
}

uint32_t fold(uint64_t sum) {
  while (sum >> 16) sum = (sum & 0xffff) + (sum >> 16);
  return static_cast<uint32_t>(sum);
}

StepRecord step(const char* name, const std::string& variant) {
  StepRecord record;
  record.name = name;
  record.variant = variant;
  return record;
}

}  // namespace model_t::test
