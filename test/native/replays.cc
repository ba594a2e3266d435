/* See replays.h. */
#include "replays.h"

#include <algorithm>
#include <cstring>

#include "../../stack/native/clock.h"

namespace model_t::test {

TestReplay::TestReplay(ReplaySetup setup) : setup_(std::move(setup)) {
  std::string error;
  EngineOptions& options = setup_.options;
  const TraceImage& image = *setup_.image;
  if (!options.kernels) options.kernels = find_replay_kernels("scalar");
  uint64_t region = setup_.region_bytes;
  CopyOptions copy{options.kernels, setup_.resident, 0};
  if (copy.resident) {
    const uint64_t trace = image.slot_offsets()[image.packets()];
    copy.resident_copies = trace >= region ? 1 : (region + trace - 1) / trace;
    region = copy.resident_copies * trace;
    options.drop_readers = false;
  }
  mutation_ = Mutation::create(setup_.plan, image, &error);
  ring_ = RingMemory::create_private(region, &error);
  if (!check(mutation_ != nullptr && ring_ != nullptr, __FILE__, __LINE__, error)) abort();
  if (image.is_complete()) CHECK(mutation_->extend_to(image.packets()));
  filling_ = std::make_unique<CopyFilling>(image, *mutation_, *ring_, copy);
  engine_ = std::make_unique<Engine>(image, *filling_, *ring_, options, &statistics_);
}

std::vector<ReaderReport> TestReplay::reports() {
  return engine_->reader_reports();
}

bool join_ring(RingMemory& ring, model_t_reader* reader, model_t_policy policy) {
  *reader = {};
  ring.map_reader(reader);
  return check(model_t_ring_join(reader, policy, 10000) == 0, __FILE__, __LINE__, reader->error);
}

bool wait_until(const std::function<bool()>& good) {
  const uint64_t deadline = now_ns() + 10ull * 1000 * 1000 * 1000;
  bool is = good();
  for (; !is && now_ns() < deadline; is = good()) usleep(200);
  return is;
}

namespace {

/* A packet and a copy of its bytes, to be judged once they are known to have been intact. */
struct Copied {
  model_t_packet packet;
  size_t at;
};

struct Judge {
  const TraceImage& image;
  Reference reference;
  uint64_t time_span = 0;
  bool consecutive; /* no packet may be missing */
  Followed& out;

  Judge(const TraceImage& of, const MutationPlan& plan, bool no_gaps, Followed& result)
      : image(of), reference(of, plan), consecutive(no_gaps), out(result) {
    uint64_t first = UINT64_MAX, last = 0;
    for (uint64_t i = 0; i < image.packets(); i++) {
      first = std::min(first, image.times_ns()[i]);
      last = std::max(last, image.times_ns()[i]);
    }
    time_span = last - first + (image.packets() > 1 ? (last - first) / (image.packets() - 1) : 0) + 1000;
  }

  void packet(const model_t_packet& packet, const uint8_t* bytes) {
    const uint64_t ordinal = packet.sequence; /* tests are shorter than 2^32 packets */
    const uint64_t index = ordinal % image.packets(), lap = ordinal / image.packets();
    uint32_t length;
    const uint8_t* wanted = reference.frame(ordinal, &length);
    const std::string what = "packet " + std::to_string(ordinal);
    CHECK_FOR(packet.length == length && (length == 0 || memcmp(bytes, wanted, length) == 0), what);
    CHECK_FOR(packet.time_ns == image.times_ns()[index] + lap * time_span, what);
    CHECK_FOR((packet.flags == MODEL_T_END_OF_LAP) == (index + 1 == image.packets()), what);
    if (out.first == UINT64_MAX) out.first = ordinal;
    else CHECK_FOR(consecutive ? ordinal == out.last + 1 : ordinal > out.last, what + " after " + std::to_string(out.last));
    out.last = ordinal;
    out.laps_ended += packet.flags == MODEL_T_END_OF_LAP;
  }
};

}  // namespace

Followed follow(RingMemory& ring, const TraceImage& image, const MutationPlan& plan, const Following& following) {
  Followed followed;
  model_t_reader reader;
  if (!join_ring(ring, &reader, following.policy)) return followed;
  Judge judge(image, plan, following.policy == MODEL_T_BLOCK, followed);
  std::vector<model_t_packet> packets(following.limit);
  std::vector<Copied> copied;
  Bytes bytes;
  for (uint64_t bursts = 0; reader.delivered < following.leave_after && !failing();) {
    const int count = model_t_ring_receive(&reader, packets.data(), following.limit);
    if (count < 0) {
      followed.end = count;
      followed.error = reader.error;
      break;
    }
    copied.clear();
    bytes.clear();
    for (int i = 0; i < count; i++) {
      if (following.policy == MODEL_T_LAG) {
        copied.push_back({packets[i], bytes.size()});
        bytes.insert(bytes.end(), packets[i].frame, packets[i].frame + packets[i].length);
      } else {
        judge.packet(packets[i], packets[i].frame);
      }
    }
    if (count && following.nap_us && ++bursts % 8 == 0) usleep(following.nap_us);
    if (count && model_t_ring_release(&reader) == 0) {
      for (const Copied& copy : copied) judge.packet(copy.packet, bytes.data() + copy.at);
    }
  }
  followed.delivered = reader.delivered;
  followed.lost = reader.lost;
  model_t_ring_detach(&reader);
  return followed;
}

}  // namespace model_t::test
