/* Named rings: how the file is made, whose it is, what becomes of it when a process dies. Children are forked for that. */
#include <sys/wait.h>

#include <cstdlib>
#include <cstring>

#include "../../stack/native/clock.h"
#include "replays.h"

namespace model_t::test {

namespace {

constexpr uint64_t kRegion = 64 << 10;

std::string fresh_name() {
  static int count = 0;
  return "test." + std::to_string(getpid()) + "." + std::to_string(count++);
}

std::string path_of(const std::string& name) { return "/dev/shm/model-t." + name; }

std::unique_ptr<RingMemory> create(const std::string& name, std::string* error) { return RingMemory::create_named(name, kRegion, error); }

bool exists(const std::string& path) {
  struct stat status;
  return lstat(path.c_str(), &status) == 0;
}

/* Runs `work` in a child that ends without destructors, and waits for it. */
template <typename Work>
void in_child(Work work) {
  const pid_t child = fork();
  if (child == 0) {
    work();
    _exit(0);
  }
  int status = -1;
  CHECK(child > 0 && waitpid(child, &status, 0) == child && WIFEXITED(status) && WEXITSTATUS(status) == 0);
}

void the_file_is_private_and_goes_with_the_ring() {
  const std::string name = fresh_name();
  std::string error;
  const mode_t mask = umask(0);
  auto ring = create(name, &error);
  umask(mask);
  if (!check(ring != nullptr, __FILE__, __LINE__, error)) return;
  struct stat status;
  CHECK(lstat(path_of(name).c_str(), &status) == 0 && S_ISREG(status.st_mode));
  CHECK_EQUAL(status.st_mode & 07777, mode_t{0600});
  CHECK_EQUAL(static_cast<uint64_t>(status.st_size), ring->total_bytes());
  CHECK(model_t_ring_check(ring->header(), ring->total_bytes()) == nullptr);
  ring.reset();
  CHECK(!exists(path_of(name)));
}

void a_living_producers_ring_is_refused() {
  const std::string name = fresh_name();
  std::string error;
  const auto ring = create(name, &error);
  CHECK(ring != nullptr);
  CHECK(create(name, &error) == nullptr);
  CHECK_FOR(error.find("in use by process " + std::to_string(getpid())) != std::string::npos, error);
  CHECK(exists(path_of(name)));
  ring->header()->descriptor_count = 12345; /* still the same memory: nobody made the file anew */
  in_child([&] {
    std::string refused;
    if (create(name, &refused) != nullptr) _exit(1);
  });
}

/* `early`: it dies between its process id and its start time, which it has to read from /proc. */
void a_dead_producers_ring_is_reclaimed(bool early) {
  const std::string name = fresh_name();
  in_child([&] {
    std::string error;
    RingMemory* const ring = create(name, &error).release();
    if (!ring) _exit(1);
    if (early) ring->header()->producer_pid_start = 0;
  }); /* dies without giving it up */
  CHECK(exists(path_of(name)));
  model_t_reader reader;
  CHECK_EQUAL(model_t_ring_attach(&reader, name.c_str(), MODEL_T_BLOCK, 0), -1); /* nobody ever opened it */
  std::string error;
  const auto ring = create(name, &error);
  CHECK_FOR(ring != nullptr, error);
}

void links_are_not_followed() {
  const std::string name = fresh_name(), target = path_of(fresh_name());
  const int file = open(target.c_str(), O_CREAT | O_RDWR | O_EXCL, 0600);
  CHECK(write(file, "keep", 4) == 4);
  CHECK(symlink(target.c_str(), path_of(name).c_str()) == 0);
  std::string error;
  CHECK(create(name, &error) == nullptr);
  CHECK(!error.empty());
  model_t_reader reader;
  CHECK_EQUAL(model_t_ring_attach(&reader, name.c_str(), MODEL_T_BLOCK, 0), -1);
  struct stat status;
  CHECK(fstat(file, &status) == 0 && status.st_size == 4);
  CHECK(lstat(path_of(name).c_str(), &status) == 0 && S_ISLNK(status.st_mode));
  /* a link that leads nowhere must not make its target either */
  unlink(target.c_str());
  CHECK(create(name, &error) == nullptr);
  CHECK(!exists(target));
  close(file);
  unlink(path_of(name).c_str());
}

void foreign_files_are_refused_and_kept() {
  for (const std::string& content : {std::string("short"), std::string(5000, 'x')}) {
    const std::string name = fresh_name(), path = path_of(name);
    const int file = open(path.c_str(), O_CREAT | O_RDWR | O_EXCL, 0600);
    CHECK(write(file, content.data(), content.size()) == static_cast<ssize_t>(content.size()));
    std::string error;
    CHECK(create(name, &error) == nullptr);
    CHECK_FOR(error.find("no ring") != std::string::npos, error);
    model_t_reader reader;
    CHECK_EQUAL(model_t_ring_attach(&reader, name.c_str(), MODEL_T_BLOCK, 0), -1);
    struct stat status;
    CHECK(lstat(path.c_str(), &status) == 0 && status.st_size == static_cast<off_t>(content.size()));
    close(file);
    unlink(path.c_str());
  }
  const std::string name = fresh_name();
  CHECK(mkdir(path_of(name).c_str(), 0700) == 0);
  std::string error;
  CHECK(create(name, &error) == nullptr);
  CHECK(rmdir(path_of(name).c_str()) == 0);
}

void a_ring_does_not_take_away_its_successors_name() {
  const std::string name = fresh_name();
  std::string error;
  auto first = create(name, &error);
  unlink(path_of(name).c_str());
  const auto second = create(name, &error);
  CHECK_FOR(first != nullptr && second != nullptr, error);
  first.reset();
  CHECK(exists(path_of(name)));
}

void bad_names_are_refused() {
  model_t_reader reader;
  const std::string long_name(65, 'a');
  for (const char* name : {"", ".", "..", ".hidden", "a/b", "../x", "a b", "\xc3\xa9", long_name.c_str()}) {
    std::string error;
    CHECK_FOR(create(name, &error) == nullptr && error.find("ring name") != std::string::npos, error);
    CHECK_EQUAL(model_t_ring_attach(&reader, name, MODEL_T_BLOCK, 0), -1);
    CHECK(reader.header == nullptr);
  }
}

/* The reader's side checks geometry and version of what it maps. */
void readers_refuse_a_ring_they_do_not_know() {
  const std::string name = fresh_name();
  std::string error;
  const auto ring = create(name, &error);
  CHECK(ring != nullptr);
  ring->publish_state(MODEL_T_RING_OPEN);
  model_t_reader reader;
  ring->header()->abi_version = MODEL_T_RING_ABI_VERSION + 1;
  CHECK_EQUAL(model_t_ring_attach(&reader, name.c_str(), MODEL_T_BLOCK, 0), -1);
  CHECK_FOR(std::string(reader.error).find("abi_version") != std::string::npos, reader.error);
  ring->header()->abi_version = MODEL_T_RING_ABI_VERSION;
  ring->header()->region_bytes *= 2;
  CHECK_EQUAL(model_t_ring_attach(&reader, name.c_str(), MODEL_T_BLOCK, 0), -1);
  CHECK_FOR(std::string(reader.error).find("region_bytes") != std::string::npos, reader.error);
  ring->header()->region_bytes /= 2;
  CHECK_EQUAL(model_t_ring_attach(&reader, name.c_str(), MODEL_T_BLOCK, 1), -1); /* all right, but nobody answers */
  CHECK_FOR(std::string(reader.error).find("in time") != std::string::npos, reader.error);
}

/* A producer killed in the middle of a stream: the reader gets what was published, then says so, within a second. */
void a_killed_producer_is_noticed() {
  const std::string name = fresh_name();
  const pid_t child = fork();
  if (child == 0) {
    std::string error;
    const auto ring = create(name, &error);
    ReaderTable readers(*ring, 7);
    ring->publish_state(MODEL_T_RING_OPEN);
    while (readers.attached() == 0) readers.admit(0);
    for (uint32_t i = 0; i < 10; i++) ring->descriptors()[i] = {0, 0, 60, i * 64 + 2, i};
    readers.publish_head(10);
    pause();
  }
  model_t_reader reader;
  CHECK_FOR(model_t_ring_attach(&reader, name.c_str(), MODEL_T_BLOCK, 10000) == 0, reader.error);
  model_t_packet packets[64];
  CHECK(wait_until([&] { return model_t_ring_receive(&reader, packets, 64) == 10; }));
  model_t_ring_release(&reader);
  kill(child, SIGKILL);
  const uint64_t killed = now_ns();
  int end = 0;
  CHECK(wait_until([&] { return (end = model_t_ring_receive(&reader, packets, 64)) < 0; }));
  CHECK_EQUAL(end, MODEL_T_DIED);
  CHECK_FOR(std::string(reader.error).find("10 packets had been delivered") != std::string::npos, reader.error);
  if (!settings.quick) CHECK(now_ns() - killed < 1000ull * 1000 * 1000); /* before it is waited for: a zombie counts as dead */
  waitpid(child, nullptr, 0);
  model_t_ring_detach(&reader);
  std::string error;
  CHECK_FOR(create(name, &error) != nullptr, error);
}

/* A reader that dies without leaving: the producer's table notices, and calls it dead. */
void a_killed_reader_is_noticed() {
  const std::string name = fresh_name();
  std::string error;
  const auto ring = create(name, &error);
  CHECK(ring != nullptr);
  ReaderTable readers(*ring, 7);
  ring->publish_state(MODEL_T_RING_OPEN);
  const pid_t child = fork();
  if (child == 0) {
    model_t_reader reader;
    _exit(model_t_ring_attach(&reader, name.c_str(), MODEL_T_BLOCK, 10000) == 0 ? 0 : 1);
  }
  CHECK(wait_until([&] {
    readers.admit(0);
    return readers.attached() == 1;
  }));
  CHECK_EQUAL(readers.slowest(7), uint64_t{0});
  int status = -1;
  CHECK(waitpid(child, &status, 0) == child && status == 0);
  readers.evict_dead();
  CHECK_EQUAL(readers.attached(), 0u);
  CHECK_EQUAL(readers.failed(), 1u);
  CHECK_EQUAL(readers.slowest(7), UINT64_MAX);
  const std::vector<ReaderReport> report = readers.reports();
  CHECK_EQUAL(report.size(), size_t{1});
  CHECK(report[0].pid == child && report[0].state == MODEL_T_READER_DIED);
}

}  // namespace

extern const std::vector<Test> named_ring_tests;
const std::vector<Test> named_ring_tests = {
    {"named ring: the file is private and goes with the ring", the_file_is_private_and_goes_with_the_ring},
    {"named ring: a living producer's is refused", a_living_producers_ring_is_refused},
    {"named ring: a dead producer's is reclaimed", [] { a_dead_producers_ring_is_reclaimed(false); }},
    {"named ring: one of a producer killed while it made it is reclaimed", [] { a_dead_producers_ring_is_reclaimed(true); }},
    {"named ring: links are not followed", links_are_not_followed},
    {"named ring: foreign files are refused and kept", foreign_files_are_refused_and_kept},
    {"named ring: does not take away its successor's name", a_ring_does_not_take_away_its_successors_name},
    {"named ring: bad names are refused", bad_names_are_refused},
    {"named ring: readers refuse one they do not know", readers_refuse_a_ring_they_do_not_know},
    {"named ring: a killed producer is noticed", a_killed_producer_is_noticed},
    {"named ring: a killed reader is noticed", a_killed_reader_is_noticed},
};

}  // namespace model_t::test
