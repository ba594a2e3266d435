/* What several native tests share: memory that ends at a guard page, the ISAs of this CPU, made-up frames and images. */
#ifndef MODEL_T_TEST_SUPPORT_H
#define MODEL_T_TEST_SUPPORT_H

#include <memory>
#include <set>
#include <string>
#include <vector>

#include "../../replay/native/image.h"
#include "../../replay/native/mutation.h"
#include "../../stack/native/program.h"
#include "check.h"

namespace model_t::test {

using Bytes = std::vector<uint8_t>;

/* Places whose last byte is followed by memory that faults, so that a read or write past the end ends the program. */
class GuardedSlots {
 public:
  GuardedSlots(uint32_t count, uint32_t bytes_each);
  ~GuardedSlots();
  GuardedSlots(const GuardedSlots&) = delete;
  GuardedSlots& operator=(const GuardedSlots&) = delete;

  /* Place `index`, `bytes` long, ending at its guard. */
  uint8_t* last(uint32_t index, uint32_t bytes) const { return start_ + (index + 1) * stride_ - kPage - bytes; }
  /* Lays a frame into a slot of whole lines that ends at the guard, noise around it; returns where the frame starts. */
  uint8_t* lay(uint32_t index, const Bytes& frame, Random& noise) const;
  /* The same with zeros around it, as a ring holds it. */
  uint8_t* lay_clean(uint32_t index, const Bytes& frame) const;

 private:
  static constexpr uint64_t kPage = 4096;
  uint8_t* start_ = nullptr;
  uint64_t stride_ = 0;
  uint64_t bytes_ = 0;
};

/* ISAs of this CPU with "scalar" first, found without the code under test. */
std::vector<std::string> cpu_isas();
/* A step of a program without argument. */
StepRecord step(const char* name, const std::string& variant);
/* ISAs that tests have run and compared: SUITE/ISA. */
std::set<std::string>& exercised();

/* What a frame was made to be, for tests of verdicts. */
enum class Sum { good, bad, absent, none };

struct FrameTraits {
  bool ip6 = false;
  uint8_t protocol = 0;
  Sum transport = Sum::none;
  bool header_good = true;
  bool fragment = false;
  uint32_t tags = 0;
};

/* A whole, well-formed IPv4 or IPv6 frame with up to 9 VLAN tags, options or extension headers, and checksums of all kinds. */
Bytes make_frame(Random& random, FrameTraits* traits);
/* The same, damaged: cut, bytes changed, lengths made extreme. Or nothing but noise. */
Bytes damage(Random& random, Bytes frame);

/* An image of `packets` frames of every sort, opaque ones included; none larger than `largest`. Complete. */
std::shared_ptr<TraceImage> make_image(Random& random, uint32_t packets, uint32_t largest);
/* One-line IPv4 frames without tags and options, which the engine fills in a way of its own; another one in 300. */
std::shared_ptr<TraceImage> make_small_image(Random& random, uint32_t packets);
std::shared_ptr<TraceImage> empty_image();
void append(TraceImage& image, const Bytes& frame, FrameKind kind, uint64_t time_ns);

/* A plan with random prefixes. */
MutationPlan make_plan(Random& random, Unique unique);

/* Plain arithmetic on big-endian bytes, as RFC 1071 tells it. */
uint32_t load16(const uint8_t* at);
void store16(uint8_t* at, uint32_t value);
uint64_t sum_words(const uint8_t* at, size_t bytes);
uint32_t fold(uint64_t sum);

}  // namespace model_t::test

#endif
