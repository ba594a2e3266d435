/*
 * The intake of a path: from descriptors in a ring to bursts, and back to the ring what is done with.
 *
 *   join() -> available() -> take(burst) ............ settle(): the bursts up to here are through
 *                            descriptors -> frames,   digest and counts of the packets, positions released to the producer
 *                            lengths, times; digest
 *
 * The digest comes first: it is over the bytes as they were delivered, whatever operations drop or change. Nothing here waits.
 * Used by path.cc, on the thread of whoever runs the path's intake; handed over from one to the next by the path's switch.
 */
#ifndef MODEL_T_STACK_INTAKE_H
#define MODEL_T_STACK_INTAKE_H

#include <string>

#include "operation.h"
#include "ring.h"

namespace model_t {

/* Bursts that may be taken in and not yet settled; a power of two. */
constexpr uint32_t kMaxWindow = 64;

struct IntakeOptions {
  const StackKernels* kernels = nullptr;
  model_t_policy policy = MODEL_T_BLOCK;
  uint32_t digest_lines = 0; /* 0 = all bytes; else lines per packet */
  bool times = false;        /* somebody reads the times of packets */
};

/* Digest over a window of the stream, for the reference to recompute. */
struct DigestWindow {
  uint64_t begin = 0; /* packets delivered before it */
  uint64_t end = 0;
  uint64_t digest = 0;
};

/* What came of a path. */
struct PathOutcome {
  uint64_t delivered = 0;
  uint64_t bytes = 0;
  uint64_t lost = 0;
  uint64_t digest = 0;
  DigestWindow head; /* the first packets */
  DigestWindow tail; /* the last packets */
  uint64_t finished_ns = 0;
  bool failed = false;
  std::string error;
};

class Intake {
 public:
  enum class State { out, asking, in, ended, failed };

  Intake(RingMemory& ring, const IntakeOptions& options);
  /* Leaves the ring. */
  ~Intake() { leave(); }
  Intake(const Intake&) = delete;
  Intake& operator=(const Intake&) = delete;

  State state() const { return state_; }
  /* Why it failed. */
  const std::string& error() const { return error_; }
  /* Asks the producer to be let in, and looks whether it was; until the state is neither out nor asking. */
  State join();
  /* Positions that can be taken now; refreshed when fewer than `wanted` are known of. Fails on a corrupt or aborted ring. */
  uint64_t available(uint64_t wanted);
  /*
   * The next burst, of at most `limit` positions, which are available(). Not when kMaxWindow bursts are not settled. The
   * end-of-stream mark ends the state `in`; then, or on failure, there may be no packets.
   */
  void take(Burst256& burst, uint64_t limit);
  /* An empty burst: what says that the stream is over has a number, too. */
  void take_nothing() { push(0, 0, 0); }
  /* Bursts with numbers below are through: their packets are counted, their positions are the producer's again. */
  void settle(uint64_t number);
  /* Leaves the ring, for good. */
  void leave();

  uint64_t next() const { return next_; } /* number of the next burst */
  uint64_t settled() const { return settled_; }
  uint64_t position() const { return position_; } /* in the ring, of the next packet */
  uint64_t packets() const { return packets_; } /* taken in */
  /* Packets that the ring holds, of the size of those so far; 0 = there were none. */
  uint64_t capacity() const;
  /* Of settled bursts. */
  uint64_t delivered() const { return reader_.delivered; }
  uint64_t lost() const { return reader_.lost; }
  uint64_t bytes() const { return outcome_.bytes; }
  /* After leave(); without the failures of others. */
  PathOutcome outcome() const;

 private:
  struct Taken {
    uint32_t positions;
    uint32_t packets;
    uint64_t bytes;
    uint64_t digest;
  };

  void push(uint32_t positions, uint32_t packets, uint64_t digest);
  bool take_plain(Burst256& burst, uint32_t limit);
  uint32_t take_checked(Burst256& burst, uint32_t limit);
  void skip_lost();
  void account(const Taken& taken);
  void roll_window();
  void fail(const std::string& error);

  RingMemory& ring_;
  const IntakeOptions options_;
  decltype(StackKernels::take) const take_;
  State state_ = State::out;
  std::string error_;
  model_t_reader reader_{};
  uint64_t deadline_ms_ = 0; /* of asking */
  uint64_t position_ = 0;
  uint64_t packets_ = 0;
  uint64_t total_bytes_ = 0; /* of those packets */
  uint64_t bytes_ = 0; /* of the burst that is being taken in */
  uint64_t next_ = 0;
  uint64_t settled_ = 0;
  uint64_t counted_ = 0; /* packets in windows */
  Taken taken_[kMaxWindow];
  DigestWindow older_;
  DigestWindow newer_;
  PathOutcome outcome_;
};

}  // namespace model_t

#endif
