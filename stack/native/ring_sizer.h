/*
 * How large a ring should be: watches a producer and says when to change. Pure: no clock, no ring, no thread; the producer's
 * side calls it (replay/native/resizing.h), tests call it with a simulated clock and machine.
 *
 *   look(view) every 50 us or so -> the size wanted; when it has been changed: resized(view)
 *
 *            start: measure ──► search down ──► nothing found? search up ──► hold
 *                                                                             │
 *            reader stalls in bursts: jump up, measure, keep or go back ◄─────┤
 *            now and then, ever more seldom: search down (or up, when full) ◄─┘
 *
 * From the paper (IV-B): a weighted moving average of the distance between producer and consumer, a high watermark of 85 % and
 * a low one, halving from the start size on, and stopping as soon as the step in throughput is seen. Not enough here: what
 * limits a replay is mostly its reader, the ring is then full at any size, and the high watermark alone would grow it for ever. So
 * throughput decides, measured over windows of 8 to 48 ms, and the watermarks say which way it is worth looking:
 *
 *  - search down while throughput does not fall; where it rises clearly look two sizes further and hold the largest
 *    that is as good as the best. No rise anywhere: the largest, too, unless the ring is hardly used (below the low watermark);
 *  - a reader that stalls in bursts lets the producer wait at a full ring and finds it empty a little later: the ring must then
 *    hold what is produced during a stall. A reader that is merely slow never finds it empty, and no ring helps;
 *  - a look that brought nothing is repeated after twice the time, up to half a minute.
 */
#ifndef MODEL_T_STACK_RING_SIZER_H
#define MODEL_T_STACK_RING_SIZER_H

#include <cstddef>
#include <cstdint>
#include <vector>

namespace model_t {

/* The paper's; DESIGN 4.3. */
constexpr double kHighWatermark = 0.85;
/* Beltway's is not published. A quarter: even two sizes less would hold what waits. */
constexpr double kLowWatermark = 0.25;

/* Why a ring has the size it has from then on. */
enum class RingReason { start, smaller, larger, back, hold, bursts };
constexpr const char* kRingReasonNames[] = {"start", "smaller", "larger", "back", "hold", "bursts"};

/* What the producer sees. Counts since the start of the stream. */
struct RingView {
  uint64_t now_ns = 0;
  uint64_t published = 0; /* positions */
  uint64_t consumed = 0;  /* positions, by the slowest reader that counts */
  uint64_t bytes = 0;     /* of the region, handed out for what was published */
  uint64_t waited_ns = 0; /* the producer stood before a full ring */
};

/* Who decides on the size of a ring. */
class SizePolicy {
 public:
  virtual ~SizePolicy() = default;
  /* Bytes wanted from now on; what is in use = keep. */
  virtual uint64_t look(const RingView& view) = 0;
  /* The change was made. */
  virtual void resized(const RingView& view) = 0;
  /* The change could not be made now; the old size goes on for a while. */
  virtual void put_off(const RingView& view) = 0;
  virtual RingReason reason() const = 0;
};

struct SizerLimits {
  uint64_t floor;   /* the window that the slowest reader needs */
  uint64_t ceiling; /* the memory */
  uint64_t start;
};

/* Throughput and how the ring was used, at one size, over a window of time. */
class RingWindow {
 public:
  /* Counts from here; the first `skip_bytes` after that, at most `skip_ns`, are not measured: memory and caches are new. */
  void begin(const RingView& view, uint64_t skip_bytes, uint64_t skip_ns, uint64_t least_ns);
  void add(const RingView& view, uint64_t ring_bytes);
  /* Long enough to say something: 8 ms where it is steady, 48 ms or several stalls where it is not. */
  bool ready() const;
  bool steady() const;
  uint64_t elapsed_ns() const { return last_.now_ns - first_.now_ns; }
  /* Clearly worse than that, long before it is ready. */
  bool hopeless(const RingWindow& than) const;

  double mean() const; /* positions per second */
  /* The rate of the better quarter of the milliseconds: what can be done when nobody else takes the CPU. */
  double high() const;
  /* The ring was full nearly always. */
  bool full() const;
  /* The reader stalls now and then, and is faster than the producer between. */
  bool bursty() const;
  /* Share of the ring between producer and consumer, weighted moving average over the last 16 looks or so. */
  double used() const { return used_; }
  /* What was produced at the highest rate during the longest wait. */
  uint64_t bytes_per_stall() const;

 private:
  double waited() const; /* share of the time */

  bool skipping_ = false;
  uint64_t skip_until_bytes_ = 0;
  uint64_t skip_until_ns_ = 0;
  uint64_t least_ns_ = 0;
  RingView first_, part_, last_;
  std::vector<double> rates_; /* of parts of a millisecond or more */
  uint32_t looks_ = 0;
  uint32_t low_looks_ = 0;
  double used_ = 0;
  uint64_t longest_wait_ns_ = 0;
};

class RingSizer final : public SizePolicy {
 public:
  explicit RingSizer(SizerLimits limits);

  uint64_t look(const RingView& view) override;
  void resized(const RingView& view) override;
  void put_off(const RingView& view) override;
  RingReason reason() const override { return reason_; }

  uint64_t size() const { return sizes_[at_]; }
  bool holding() const { return phase_ == Phase::hold; }

 private:
  enum class Phase { measure, down, up, confirm, bursts, hold };

  void measured(const RingView& view);
  void begin_search();
  void searched_down(const RingView& view);
  void searched_up(const RingView& view);
  void confirmed(const RingView& view);
  void choose(const RingView& view, size_t chosen);
  size_t best_below() const;
  void held(const RingView& view);
  void grown(const RingView& view);
  void settle(const RingView& view, size_t at, bool fruitful);
  void begin_window(const RingView& view);
  void go(size_t to, RingReason reason);
  size_t size_for(uint64_t bytes) const;

  std::vector<uint64_t> sizes_; /* rising: powers of two within the limits, the limits, the start */
  size_t at_ = 0;               /* in use */
  size_t want_ = 0;
  RingReason reason_ = RingReason::start;
  Phase phase_ = Phase::measure;
  bool begun_ = false;
  bool first_search_ = true;
  RingWindow window_;
  std::vector<RingWindow> seen_; /* per size; of this search where tried_ */
  std::vector<bool> tried_;
  size_t origin_ = 0; /* where the search began */
  size_t best_ = 0;
  size_t chosen_ = 0;
  bool step_ = false;   /* a clear rise was seen */
  uint32_t misses_ = 0; /* sizes in a row that brought nothing since then */
  uint32_t worse_ = 0;  /* sizes in a row that were clearly worse */
  uint64_t search_after_ns_ = 0;
  uint64_t search_pause_ns_;
  uint64_t bursts_after_ns_ = 0;
  uint64_t bursts_pause_ns_;
  uint32_t bursty_windows_ = 0;
  uint64_t touched_ = 0; /* bytes of the memory that were in use once, or written before the start */
  uint64_t again_after_ns_ = 0; /* a change that was put off */
  uint64_t again_pause_ns_;
  uint64_t least_ns_; /* that a window lasts: stalls must fall into it */
};

}  // namespace model_t

#endif
