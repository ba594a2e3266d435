/* The engine's inner loops: every ISA of this CPU against plain arithmetic and against the scalar set, at every length. */
#include <cstring>

#include "../../replay/native/kernels.h"
#include "support.h"

namespace model_t::test {

namespace {

constexpr uint32_t kMostRows = 70;
constexpr uint32_t kRowBytes = 128; /* room of a row in the target: bytes 8-15 of IPv4 and a checksum within -60..+60 */

void for_each_isa(void (*run)(const ReplayKernels&)) {
  for (const std::string& isa : cpu_isas()) {
    const ReplayKernels* kernels = find_replay_kernels(isa.c_str());
    if (!check(kernels != nullptr, __FILE__, __LINE__, "no kernels for " + isa)) continue;
    CHECK_EQUAL(kernels->isa, isa);
    run(*kernels);
    exercised().insert("replay/" + isa);
  }
}

void copy_of(const ReplayKernels& kernels) {
  Random random(10);
  const GuardedSlots from(1, 8192), to(1, 8192);
  for (uint32_t lines = 0; lines <= 70 && !failing(); lines++) {
    const uint32_t bytes = lines * 64;
    uint8_t* source = from.last(0, bytes);
    uint8_t* target = to.last(0, bytes);
    random.fill(source, bytes);
    const uint8_t before = static_cast<uint8_t>(random.next());
    target[-1] = before;
    kernels.copy(target, source, bytes);
    CHECK_FOR(memcmp(target, source, bytes) == 0 && target[-1] == before, std::string(kernels.isa) + ", lines " + std::to_string(lines));
  }
}

/* Columns of a job, each ending at a guard and starting wherever that leaves it: unaligned. */
struct Rows {
  GuardedSlots memory{4, kMostRows * 4};
  uint32_t* column[4];

  explicit Rows(uint32_t count) {
    for (uint32_t i = 0; i < 4; i++) column[i] = reinterpret_cast<uint32_t*>(memory.last(i, count * 4));
  }
  PatchColumns4 columns() const { return {column[0], column[1], column[2], column[3]}; }
};

/* Sums that make 0x0000 and 0xffff, and all sorts of layer 4. */
void fill_row(Random& random, Rows& rows, uint32_t row, uint32_t origin, uint32_t address_sum) {
  const uint32_t corner[] = {0, 1, 0xffff, 0xfffe, 0x8000, ~address_sum & 0xffff, address_sum, (~address_sum + 1) & 0xffff};
  const uint32_t header = random.one_in(2) ? random.pick(corner) : random.below(65536);
  const uint32_t checksum = random.one_in(2) ? random.pick(corner) : random.below(65536);
  rows.column[1][row] = random.below(65536) | header << 16;
  uint32_t layer4 = (0u - 8 - random.below(50)) << 16 & 0xff0000; /* none: into the padding */
  if (!random.one_in(4)) layer4 = (8 + random.below(40)) << 16 | checksum | (random.one_in(2) ? kLayer4Udp : 0);
  rows.column[2][row] = layer4 | random.below(kLineShapes) << kLineShapeBit; /* a shape that patch4 must not look at */
  rows.column[3][row] = origin + row * kRowBytes + 60;
}

int32_t distance_of(uint32_t layer4) { return static_cast<int8_t>(layer4 >> 16); }

/* RFC 1624 eqn 3 with the address a row must get, one byte after the other. */
void expect_row(const Patch4& job, uint32_t row, uint8_t* target) {
  const uint32_t host = job.base + job.columns.host[row];
  const uint32_t address = job.prefix | static_cast<uint32_t>(permute(job.permutation, host));
  uint8_t* at = target + static_cast<uint32_t>(job.columns.where[row] - job.origin);
  const uint32_t fixed = job.columns.fixed[row];
  at[0] = static_cast<uint8_t>(fixed);
  at[1] = static_cast<uint8_t>(fixed >> 8);
  for (int i = 0; i < 4; i++) at[4 + i] = static_cast<uint8_t>(address >> (24 - 8 * i));
  const uint32_t words = (at[4] | at[5] << 8) + (at[6] | at[7] << 8);
  const uint32_t header = ~fold((fixed >> 16) + static_cast<uint64_t>(words)) & 0xffff;
  at[2] = static_cast<uint8_t>(header);
  at[3] = static_cast<uint8_t>(header >> 8);
  const uint32_t layer4 = job.columns.layer4[row];
  uint32_t checksum = ~fold((layer4 & 0xffff) + static_cast<uint64_t>(words)) & 0xffff;
  if (checksum == 0 && (layer4 & kLayer4Udp)) checksum = 0xffff;
  if (distance_of(layer4) < 0) checksum = 0;
  uint8_t* place = at + distance_of(layer4);
  place[0] = static_cast<uint8_t>(checksum);
  place[1] = static_cast<uint8_t>(checksum >> 8);
}

struct Seen {
  uint64_t rows = 0, header_zero = 0, header_ones = 0, udp_turned = 0, tcp_zero = 0;
};

/* A job over random rows; prefix 0 with no host bits now and then, because only address 0 makes a sum of 0. */
Patch4 make_job(Random& random, Rows& rows, uint32_t count, uint8_t* target) {
  const uint32_t bits = random.one_in(4) ? 0 : random.below(33);
  const uint32_t prefix = bits == 32 || (bits == 0 && random.one_in(2)) ? 0 : static_cast<uint32_t>(random.next()) << bits;
  const uint32_t origin = random.one_in(2) ? 0xffffffc0u - random.below(4096) * 64 : random.below(1 << 20) * 64;
  const Patch4 job{rows.columns(), make_permutation(bits, random.next()), prefix, static_cast<uint32_t>(random.next()), origin, nullptr, target};
  for (uint32_t row = 0; row < count; row++) {
    rows.column[0][row] = random.one_in(2) ? random.below(1000) : static_cast<uint32_t>(random.next());
    const uint32_t address = __builtin_bswap32(prefix | static_cast<uint32_t>(permute(job.permutation, job.base + rows.column[0][row])));
    fill_row(random, rows, row, origin, fold((address & 0xffff) + (address >> 16)));
  }
  return job;
}

void patch_rows(const ReplayKernels& kernels, Random& random, uint32_t count, Seen* seen) {
  Rows rows(count);
  Bytes got(kMostRows * kRowBytes), wanted;
  random.fill(got.data(), got.size());
  wanted = got;
  const Patch4 job = make_job(random, rows, count, got.data());
  const uint32_t begin = random.below(count + 1);
  kernels.patch4(job, begin, count);
  for (uint32_t row = begin; row < count; row++) {
    expect_row(job, row, wanted.data());
    const uint8_t* at = wanted.data() + row * kRowBytes + 60;
    const uint32_t layer4 = rows.column[2][row];
    const uint32_t checksum = load16(at + distance_of(layer4));
    seen->rows++;
    seen->header_zero += load16(at + 2) == 0;
    seen->header_ones += load16(at + 2) == 0xffff;
    seen->udp_turned += distance_of(layer4) > 0 && (layer4 & kLayer4Udp) && checksum == 0xffff;
    seen->tcp_zero += distance_of(layer4) > 0 && !(layer4 & kLayer4Udp) && checksum == 0;
  }
  CHECK_FOR(got == wanted, std::string(kernels.isa) + ", rows " + std::to_string(begin) + " to " + std::to_string(count));
}

void patch4_of(const ReplayKernels& kernels) {
  Random random(11);
  Seen seen;
  for (uint32_t round = 0; round < rounds(40); round++) {
    for (uint32_t count = 0; count <= kMostRows && !failing(); count++) patch_rows(kernels, random, count, &seen);
  }
  CHECK(seen.rows > 1000 && seen.header_zero > 10 && seen.header_ones > 10 && seen.udp_turned > 10 && seen.tcp_zero > 10);
}

/* One-line slots of all three shapes, copied and patched in one go; source and target end at guards. */
void fill_some_lines(const ReplayKernels& kernels, Random& random, uint32_t count) {
  static const GuardedSlots from(1, kMostRows * 64), to(1, kMostRows * 64);
  constexpr uint32_t kChecksumPlaces[kLineShapes] = {0, 0, 42, 52};
  Rows rows(count);
  const uint32_t begin = random.below(count + 1), lines = count - begin;
  Patch4 job = make_job(random, rows, count, to.last(0, lines * 64));
  uint8_t* source = from.last(0, lines * 64);
  job.source = source;
  random.fill(source, lines * 64);
  for (uint32_t row = 0; row < count; row++) {
    const uint32_t shape = 1 + random.below(kLineShapes - 1);
    const uint32_t distance = kChecksumPlaces[shape] - 24; /* from IPv4 byte 8; none: back to the padding */
    rows.column[2][row] = (rows.column[2][row] & (kLayer4Udp | 0xffff)) | (distance & 0xff) << 16 | shape << kLineShapeBit;
    rows.column[3][row] = job.origin + (row - begin) * 64 + 24;
    if (row >= begin) memset(source + (row - begin) * 64, 0, kFrameOffset);
  }
  Bytes wanted(source, source + lines * 64);
  for (uint32_t row = begin; row < count; row++) expect_row(job, row, wanted.data());
  kernels.fill_lines(job, begin, count);
  CHECK_FOR(Bytes(job.target, job.target + lines * 64) == wanted, std::string(kernels.isa) + ", rows " + std::to_string(begin) + " to " + std::to_string(count));
}

void fill_lines_of(const ReplayKernels& kernels) {
  Random random(14);
  for (uint32_t round = 0; round < rounds(40); round++) {
    for (uint32_t count = 0; count <= kMostRows && !failing(); count++) fill_some_lines(kernels, random, count);
  }
}

void describe_of(const ReplayKernels& kernels) {
  Random random(12);
  const GuardedSlots from(1, kMostRows * 8), to(1, kMostRows * 16);
  for (uint32_t count = 0; count <= kMostRows && !failing(); count++) {
    auto* shapes = reinterpret_cast<PacketShape*>(from.last(0, count * 8));
    auto* descriptors = reinterpret_cast<model_t_descriptor*>(to.last(0, count * 16));
    random.fill(reinterpret_cast<uint8_t*>(shapes), count * 8);
    random.fill(reinterpret_cast<uint8_t*>(descriptors), count * 16);
    const uint32_t shift = static_cast<uint32_t>(random.next());
    const uint32_t sequence = random.one_in(2) ? 0u - random.below(count + 1) : static_cast<uint32_t>(random.next()); /* wraps */
    const uint16_t region = static_cast<uint16_t>(random.below(MODEL_T_REGIONS));
    kernels.describe(descriptors, shapes, count, region, shift, sequence);
    for (uint32_t i = 0; i < count; i++) {
      const model_t_descriptor& d = descriptors[i];
      CHECK_FOR(d.flags == 0 && d.region == region && d.length == shapes[i].length && d.offset == shapes[i].offset + shift && d.metadata == sequence + i,
                std::string(kernels.isa) + ", descriptor " + std::to_string(i) + " of " + std::to_string(count));
    }
  }
}

void shift_times_of(const ReplayKernels& kernels) {
  Random random(13);
  const GuardedSlots from(1, kMostRows * 8), to(1, kMostRows * 8);
  for (uint32_t count = 0; count <= kMostRows && !failing(); count++) {
    auto* source = reinterpret_cast<uint64_t*>(from.last(0, count * 8));
    auto* target = reinterpret_cast<uint64_t*>(to.last(0, count * 8));
    random.fill(reinterpret_cast<uint8_t*>(source), count * 8);
    const uint64_t shift = random.next();
    kernels.shift_times(target, source, count, shift);
    for (uint32_t i = 0; i < count; i++) CHECK_FOR(target[i] == source[i] + shift, kernels.isa);
  }
}

}  // namespace

extern const std::vector<Test> replay_kernel_tests;
const std::vector<Test> replay_kernel_tests = {
    {"replay kernels: copy, 0 to 70 lines", [] { for_each_isa(copy_of); }},
    {"replay kernels: patch4, 0 to 70 rows, checksum corners", [] { for_each_isa(patch4_of); }},
    {"replay kernels: fill_lines, 0 to 70 lines of every shape", [] { for_each_isa(fill_lines_of); }},
    {"replay kernels: describe, 0 to 70 packets", [] { for_each_isa(describe_of); }},
    {"replay kernels: shift_times, 0 to 70 packets", [] { for_each_isa(shift_times_of); }},
    {"replay kernels: an ISA nobody has is not found", [] { CHECK(find_replay_kernels("avx1024") == nullptr); }},
};

}  // namespace model_t::test
