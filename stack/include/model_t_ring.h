/*
 * model_t_ring.h - read a Model-T ring from any process. One self-contained C11 header (GCC or Clang, Linux); also C++.
 * It is long because it is the whole of what another program needs: layout, reader, digest, and no library to link.
 *
 * A ring is shared memory between one producer (model-t replay --to ring:NAME) and up to 16 readers:
 *
 *   header | reader slots | descriptors[] | times[] | region (packet slots)
 *            producer writes head, floor   reader writes tail
 *
 * Typical reader:
 *
 *   model_t_reader reader;
 *   if (model_t_ring_attach(&reader, "demo", MODEL_T_BLOCK, 5000) != 0) { puts(reader.error); return 2; }
 *   model_t_packet packets[256];
 *   for (;;) {
 *     int count = model_t_ring_receive(&reader, packets, 256);
 *     if (count == MODEL_T_END) break;                      // every packet was seen
 *     if (count < 0) { puts(reader.error); return 4; }      // producer died, or lied about its geometry
 *     for (int i = 0; i < count; i++) use(packets[i].frame, packets[i].length);
 *     model_t_ring_release(&reader);                        // until here the bytes stay put (MODEL_T_BLOCK, MODEL_T_DROP)
 *   }
 *   model_t_ring_detach(&reader);
 *
 * Policies: MODEL_T_BLOCK the producer waits for this reader; MODEL_T_DROP new packets are dropped and counted while this
 * reader has no room; MODEL_T_LAG the producer never waits: after model_t_ring_release() returned 1, what was just read
 * may have been overwritten meanwhile and must be thrown away (it is counted in reader.lost).
 *
 * A ring may size itself: the producer then uses the first part of the region and of the descriptors only, and changes how much
 * while packets flow. Readers need not care: model_t_ring_available() takes the new `descriptor_mask` when it has caught up.
 *
 * A packet's slot is a multiple of 64 bytes; the frame starts at its byte 2, and the bytes of the slot before and behind the
 * frame are zero.
 *
 * Nothing the producer wrote is trusted: geometry is checked against the size of the mapping, every descriptor against
 * the region. What cannot be checked: a process of the same user may truncate the file, and any access then is a bus error.
 * Errors are returned, never printed; no function aborts. Contract: DESIGN 4.3.
 *
 * The other side is noticed as dead by its process id: readers and producer must share a PID namespace.
 */
#ifndef MODEL_T_RING_H
#define MODEL_T_RING_H

#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#ifdef __cplusplus
#define MODEL_T_STATIC_ASSERT static_assert
#else
#define MODEL_T_STATIC_ASSERT _Static_assert
#endif

#define MODEL_T_END_OF_LAP 0x0002u    /* on the last packet of a lap, or on a mark where that was not known; lost if the packet is dropped */
#define MODEL_T_END_OF_STREAM 0x0004u /* always on a mark: nothing follows */
#define MODEL_T_MARK 0x0008u          /* this descriptor is no packet: only its flags count */

enum model_t_ring_state { MODEL_T_RING_CREATING, MODEL_T_RING_OPEN, MODEL_T_RING_ENDED, MODEL_T_RING_ABORTED };
enum model_t_policy { MODEL_T_BLOCK, MODEL_T_LAG, MODEL_T_DROP };
enum model_t_reader_state {
  MODEL_T_READER_FREE,
  MODEL_T_READER_CLAIMED,  /* taken by a reader that is filling in its slot */
  MODEL_T_READER_JOINING,  /* waits for the producer to set `start` */
  MODEL_T_READER_ATTACHED,
  MODEL_T_READER_DETACHED, /* left by itself */
  MODEL_T_READER_DIED,     /* the producer found its process gone */
  MODEL_T_READER_FAULTY    /* the producer found its cursor impossible */
};

/* generated from stack/layout.ts by `npm run layouts`: begin */

#define MODEL_T_RING_MAGIC 0x474e495254444f4dull
#define MODEL_T_RING_ABI_VERSION 2u
#define MODEL_T_READER_SLOTS 16u
#define MODEL_T_FRAME_OFFSET 2u

/* One packet. memif layout (FD.io memif v2, memif_desc_t), so that memif peers can read it. */
typedef struct model_t_descriptor {
  uint16_t flags; /* MODEL_T_END_OF_LAP, MODEL_T_END_OF_STREAM, MODEL_T_MARK */
  uint16_t region; /* index of the region that `offset` points into */
  uint32_t length; /* captured frame length in bytes */
  uint32_t offset; /* of the frame (slot + 2) from the start of the region */
  uint32_t metadata; /* low 32 bits of the packet sequence number; gaps are dropped packets */
} model_t_descriptor;
MODEL_T_STATIC_ASSERT(offsetof(model_t_descriptor, flags) == 0, "model_t_descriptor.flags");
MODEL_T_STATIC_ASSERT(offsetof(model_t_descriptor, region) == 2, "model_t_descriptor.region");
MODEL_T_STATIC_ASSERT(offsetof(model_t_descriptor, length) == 4, "model_t_descriptor.length");
MODEL_T_STATIC_ASSERT(offsetof(model_t_descriptor, offset) == 8, "model_t_descriptor.offset");
MODEL_T_STATIC_ASSERT(offsetof(model_t_descriptor, metadata) == 12, "model_t_descriptor.metadata");
MODEL_T_STATIC_ASSERT(sizeof(model_t_descriptor) == 16, "model_t_descriptor");

/* Start of the shared memory. Geometry is written once, before `state` becomes MODEL_T_RING_OPEN; only `descriptor_mask` changes later. */
typedef struct model_t_ring_header {
  uint64_t magic; /* MODEL_T_RING_MAGIC */
  uint32_t abi_version; /* MODEL_T_RING_ABI_VERSION; a reader refuses any other */
  uint32_t descriptor_count; /* a power of two */
  uint64_t total_bytes; /* of the shared memory */
  uint64_t descriptors_offset; /* array of model_t_descriptor */
  uint64_t times_offset; /* array of uint64_t: virtual capture time, ns since 1970 */
  uint64_t region_offset; /* region 0 */
  uint64_t region_bytes; /* at most 4 GiB */
  uint64_t producer_pid_start; /* start time of the producer in clock ticks */
  int32_t producer_pid; /* process that writes */
  uint32_t reader_slots; /* slots that follow this header */
  uint8_t pad_72[56];
  uint32_t state; /* enum model_t_ring_state */
  uint32_t join_requests; /* readers add one when they want to join; the producer compares */
  uint32_t descriptor_mask; /* position & this = index into descriptors[] and times[]; descriptor_count - 1, or less in a ring that sizes itself */
  uint8_t pad_140[116];
  uint64_t head; /* cursor: positions below are published */
  uint8_t pad_264[120];
  uint64_t floor; /* cursor: positions below may already be overwritten */
  uint8_t pad_392[120];
  uint64_t dropped; /* packets not written because a drop reader had no room */
  uint8_t pad_520[120];
} model_t_ring_header;
MODEL_T_STATIC_ASSERT(offsetof(model_t_ring_header, magic) == 0, "model_t_ring_header.magic");
MODEL_T_STATIC_ASSERT(offsetof(model_t_ring_header, abi_version) == 8, "model_t_ring_header.abi_version");
MODEL_T_STATIC_ASSERT(offsetof(model_t_ring_header, descriptor_count) == 12, "model_t_ring_header.descriptor_count");
MODEL_T_STATIC_ASSERT(offsetof(model_t_ring_header, total_bytes) == 16, "model_t_ring_header.total_bytes");
MODEL_T_STATIC_ASSERT(offsetof(model_t_ring_header, descriptors_offset) == 24, "model_t_ring_header.descriptors_offset");
MODEL_T_STATIC_ASSERT(offsetof(model_t_ring_header, times_offset) == 32, "model_t_ring_header.times_offset");
MODEL_T_STATIC_ASSERT(offsetof(model_t_ring_header, region_offset) == 40, "model_t_ring_header.region_offset");
MODEL_T_STATIC_ASSERT(offsetof(model_t_ring_header, region_bytes) == 48, "model_t_ring_header.region_bytes");
MODEL_T_STATIC_ASSERT(offsetof(model_t_ring_header, producer_pid_start) == 56, "model_t_ring_header.producer_pid_start");
MODEL_T_STATIC_ASSERT(offsetof(model_t_ring_header, producer_pid) == 64, "model_t_ring_header.producer_pid");
MODEL_T_STATIC_ASSERT(offsetof(model_t_ring_header, reader_slots) == 68, "model_t_ring_header.reader_slots");
MODEL_T_STATIC_ASSERT(offsetof(model_t_ring_header, state) == 128, "model_t_ring_header.state");
MODEL_T_STATIC_ASSERT(offsetof(model_t_ring_header, join_requests) == 132, "model_t_ring_header.join_requests");
MODEL_T_STATIC_ASSERT(offsetof(model_t_ring_header, descriptor_mask) == 136, "model_t_ring_header.descriptor_mask");
MODEL_T_STATIC_ASSERT(offsetof(model_t_ring_header, head) == 256, "model_t_ring_header.head");
MODEL_T_STATIC_ASSERT(offsetof(model_t_ring_header, floor) == 384, "model_t_ring_header.floor");
MODEL_T_STATIC_ASSERT(offsetof(model_t_ring_header, dropped) == 512, "model_t_ring_header.dropped");
MODEL_T_STATIC_ASSERT(sizeof(model_t_ring_header) == 640, "model_t_ring_header");

/* One reader. `state` is changed by compare-and-swap; the cursor and counters are written by the reader only. */
typedef struct model_t_reader_slot {
  uint32_t state; /* enum model_t_reader_state */
  uint32_t policy; /* enum model_t_policy */
  int32_t pid; /* process that reads */
  uint32_t reserved; /* zero */
  uint64_t pid_start; /* start time of that process in clock ticks (guards against reused pids) */
  uint64_t start; /* position at which the producer let the reader in */
  uint8_t pad_32[96];
  uint64_t tail; /* cursor: positions below are consumed */
  uint8_t pad_136[120];
  uint64_t delivered; /* packets consumed intact */
  uint64_t lost; /* packets overwritten before or while they were read (policy lag) */
  uint8_t pad_272[112];
} model_t_reader_slot;
MODEL_T_STATIC_ASSERT(offsetof(model_t_reader_slot, state) == 0, "model_t_reader_slot.state");
MODEL_T_STATIC_ASSERT(offsetof(model_t_reader_slot, policy) == 4, "model_t_reader_slot.policy");
MODEL_T_STATIC_ASSERT(offsetof(model_t_reader_slot, pid) == 8, "model_t_reader_slot.pid");
MODEL_T_STATIC_ASSERT(offsetof(model_t_reader_slot, reserved) == 12, "model_t_reader_slot.reserved");
MODEL_T_STATIC_ASSERT(offsetof(model_t_reader_slot, pid_start) == 16, "model_t_reader_slot.pid_start");
MODEL_T_STATIC_ASSERT(offsetof(model_t_reader_slot, start) == 24, "model_t_reader_slot.start");
MODEL_T_STATIC_ASSERT(offsetof(model_t_reader_slot, tail) == 128, "model_t_reader_slot.tail");
MODEL_T_STATIC_ASSERT(offsetof(model_t_reader_slot, delivered) == 256, "model_t_reader_slot.delivered");
MODEL_T_STATIC_ASSERT(offsetof(model_t_reader_slot, lost) == 264, "model_t_reader_slot.lost");
MODEL_T_STATIC_ASSERT(sizeof(model_t_reader_slot) == 384, "model_t_reader_slot");
/* generated: end */

MODEL_T_STATIC_ASSERT(sizeof(uint64_t) == 8 && __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "little-endian hosts only");

/* ---- reading: any process ------------------------------------------------------------------------------------------ */

#define MODEL_T_END (-1)     /* end of stream: everything was delivered */
#define MODEL_T_DIED (-2)    /* the producer is gone without having ended the stream */
#define MODEL_T_CORRUPT (-3) /* a cursor or descriptor points outside the ring */

typedef struct model_t_packet {
  const uint8_t* frame; /* Ethernet frame; 62 bytes are readable even when `length` is less */
  uint32_t length;
  uint32_t sequence; /* low 32 bits */
  uint64_t time_ns;  /* virtual capture time */
  uint32_t flags;
} model_t_packet;

#define MODEL_T_REGIONS 16u /* that descriptors may point into; a ring in shared memory has region 0 only */

typedef struct model_t_region {
  const uint8_t* start; /* at a multiple of 64 */
  uint64_t bytes;       /* 0 = there is no such region, and no descriptor into it is believed */
} model_t_region;

typedef struct model_t_reader {
  model_t_ring_header* header;
  model_t_reader_slot* slot;
  const model_t_descriptor* descriptors;
  const uint64_t* times;
  uint64_t mapped_bytes;
  uint64_t producer_start; /* checked copies, as are the next two: the shared ones may change under us */
  int32_t producer_pid;
  uint32_t largest_mask; /* what `mask` may be at most */
  uint32_t mask;         /* of the positions from tail to head; refreshed with head */
  uint64_t tail;
  uint64_t head;      /* cached; refreshed only when it was reached */
  uint64_t delivered; /* packets */
  uint64_t lost;      /* packets (policy lag) */
  uint32_t pending;        /* positions handed out and not yet released */
  uint32_t pending_packets;
  uint32_t idle; /* empty polls in a row */
  uint32_t policy;
  int owns_mapping;
  model_t_region regions[MODEL_T_REGIONS]; /* 0: the ring's own, a checked copy; others: of readers in the producer's process */
  char error[256];
} model_t_reader;

/* Start time of a process in clock ticks since boot; 0 = gone, or a zombie, which never comes back. */
static inline uint64_t model_t_process_start(int32_t pid) {
  char path[64], text[1024];
  snprintf(path, sizeof path, "/proc/%d/stat", (int)pid);
  const int file = open(path, O_RDONLY | O_CLOEXEC);
  if (file < 0) return 0;
  const ssize_t length = read(file, text, sizeof text - 1);
  close(file);
  if (length <= 0) return 0;
  text[length] = 0;
  const char* at = strrchr(text, ')'); /* the name before it may hold spaces and parentheses */
  if (!at || at[1] != ' ' || at[2] == 'Z' || at[2] == 'X') return 0;
  at += 2; /* field 3; field 22 is the start time (proc(5)) */
  for (int field = 3; field < 22; field++) {
    at = strchr(at, ' ');
    if (!at) return 0;
    at++;
  }
  uint64_t start = 0;
  while (*at >= '0' && *at <= '9') start = start * 10 + (uint64_t)(*at++ - '0');
  return start ? start : 1;
}

/* 1 while the process with this pid and start time runs. Time 0 is that of one killed before it had written its own down. */
static inline int model_t_process_alive(int32_t pid, uint64_t start) {
  return pid > 0 && start != 0 && model_t_process_start(pid) == start;
}

/* 1 if a window of descriptors is a power of two and not more than there are. */
static inline int model_t_mask_fits(uint32_t mask, uint32_t largest) { return (mask & (mask + 1u)) == 0 && mask <= largest; }

/* 0 if the geometry of the mapped header fits `mapped` bytes; else the name of the field that does not. */
static inline const char* model_t_ring_check(const model_t_ring_header* header, uint64_t mapped) {
  if (mapped < sizeof *header + MODEL_T_READER_SLOTS * sizeof(model_t_reader_slot)) return "size";
  if (header->magic != MODEL_T_RING_MAGIC) return "magic";
  if (header->abi_version != MODEL_T_RING_ABI_VERSION) return "abi_version";
  if (header->reader_slots != MODEL_T_READER_SLOTS) return "reader_slots";
  if (header->total_bytes != mapped) return "total_bytes";
  const uint64_t count = header->descriptor_count;
  if (count == 0 || (count & (count - 1)) != 0) return "descriptor_count";
  if (!model_t_mask_fits(header->descriptor_mask, (uint32_t)(count - 1))) return "descriptor_mask";
  const uint64_t start = sizeof *header + MODEL_T_READER_SLOTS * sizeof(model_t_reader_slot);
  if (header->descriptors_offset < start || header->descriptors_offset % 64 != 0 || header->descriptors_offset > mapped ||
      mapped - header->descriptors_offset < count * sizeof(model_t_descriptor))
    return "descriptors_offset";
  if (header->times_offset < start || header->times_offset % 64 != 0 || header->times_offset > mapped ||
      mapped - header->times_offset < count * sizeof(uint64_t))
    return "times_offset";
  if (header->region_offset < start || header->region_offset % 64 != 0 || header->region_offset > mapped ||
      mapped - header->region_offset < header->region_bytes || header->region_bytes < 64 ||
      header->region_bytes > 0x100000000ull)
    return "region_bytes";
  return NULL;
}

/* A copy that is read once, whatever a hostile producer does meanwhile: what is checked is what is used. */
static inline model_t_descriptor model_t_descriptor_load(const model_t_descriptor* shared) {
  const uint64_t* const words = (const uint64_t*)shared;
  const uint64_t copy[2] = {__atomic_load_n(&words[0], __ATOMIC_RELAXED), __atomic_load_n(&words[1], __ATOMIC_RELAXED)};
  model_t_descriptor descriptor;
  memcpy(&descriptor, copy, sizeof descriptor);
  return descriptor;
}

/* 1 if the descriptor's slot lies inside a region of so many bytes. The whole 64-byte-multiple slot is checked, not only the frame. */
static inline int model_t_slot_fits(const model_t_descriptor* descriptor, uint64_t region_bytes) {
  const uint64_t end = ((uint64_t)descriptor->offset + descriptor->length + 63) & ~63ull;
  return ((descriptor->offset & 63u) == MODEL_T_FRAME_OFFSET) & (end <= region_bytes);
}

/* 1 if the descriptor's slot lies inside the region that it names. */
static inline int model_t_descriptor_fits(const model_t_descriptor* descriptor, const model_t_region regions[MODEL_T_REGIONS]) {
  return descriptor->region < MODEL_T_REGIONS && model_t_slot_fits(descriptor, regions[descriptor->region].bytes);
}

static inline uint64_t model_t_milliseconds(void) {
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return (uint64_t)now.tv_sec * 1000u + (uint64_t)now.tv_nsec / 1000000u;
}

/* Takes a free reader slot of a mapped ring and asks the producer to let the reader in. 0, or -1 with reader->error. */
static inline int model_t_ring_ask(model_t_reader* reader, enum model_t_policy policy) {
  model_t_ring_header* header = reader->header;
  model_t_reader_slot* slots = (model_t_reader_slot*)(header + 1);
  reader->slot = NULL;
  for (uint32_t i = 0; i < MODEL_T_READER_SLOTS && !reader->slot; i++) {
    uint32_t state = __atomic_load_n(&slots[i].state, __ATOMIC_RELAXED);
    if (state == MODEL_T_READER_FREE && /* one that was left is free once the producer has closed its account */
        __atomic_compare_exchange_n(&slots[i].state, &state, MODEL_T_READER_CLAIMED, 0, __ATOMIC_ACQ_REL, __ATOMIC_RELAXED))
      reader->slot = &slots[i];
  }
  if (!reader->slot) {
    snprintf(reader->error, sizeof reader->error, "all %u reader slots of the ring are taken", MODEL_T_READER_SLOTS);
    return -1;
  }
  model_t_reader_slot* slot = reader->slot;
  const int32_t pid = (int32_t)getpid();
  __atomic_store_n(&slot->policy, (uint32_t)policy, __ATOMIC_RELAXED);
  __atomic_store_n(&slot->pid, pid, __ATOMIC_RELAXED);
  __atomic_store_n(&slot->pid_start, model_t_process_start(pid), __ATOMIC_RELAXED);
  __atomic_store_n(&slot->delivered, 0, __ATOMIC_RELAXED);
  __atomic_store_n(&slot->lost, 0, __ATOMIC_RELAXED);
  __atomic_store_n(&slot->state, MODEL_T_READER_JOINING, __ATOMIC_RELEASE);
  __atomic_fetch_add(&header->join_requests, 1, __ATOMIC_RELEASE);
  reader->policy = policy;
  return 0;
}

/*
 * After model_t_ring_ask(): 1 = the reader is in, 0 = the producer has not answered yet, -1 with reader->error = it never will:
 * it refused, the stream is over, or it is `late`. Then the slot is free again.
 */
static inline int model_t_ring_admitted(model_t_reader* reader, int late) {
  model_t_reader_slot* slot = reader->slot;
  uint32_t is = __atomic_load_n(&slot->state, __ATOMIC_ACQUIRE);
  if (is == MODEL_T_READER_FAULTY) {
    snprintf(reader->error, sizeof reader->error, "the producer refused this policy (drop needs one thread, and packets that are copied into the ring)");
    __atomic_store_n(&slot->state, MODEL_T_READER_FREE, __ATOMIC_RELEASE);
    reader->slot = NULL;
    return -1;
  }
  if (is != MODEL_T_READER_ATTACHED) {
    const uint32_t state = __atomic_load_n(&reader->header->state, __ATOMIC_ACQUIRE);
    if (state < MODEL_T_RING_ENDED && !late) return 0;
    is = MODEL_T_READER_JOINING;
    if (__atomic_compare_exchange_n(&slot->state, &is, MODEL_T_READER_FREE, 0, __ATOMIC_ACQ_REL, __ATOMIC_RELAXED) ||
        is != MODEL_T_READER_ATTACHED) { /* else the producer was faster */
      snprintf(reader->error, sizeof reader->error, "%s",
               state >= MODEL_T_RING_ENDED ? "the stream has already ended" : "the producer did not answer in time");
      reader->slot = NULL;
      return -1;
    }
  }
  reader->tail = reader->head = slot->start;
  reader->delivered = reader->lost = 0;
  reader->pending = reader->pending_packets = reader->idle = 0;
  return 1;
}

/* Both, and waits in between. 0, or -1 with reader->error. */
static inline int model_t_ring_join(model_t_reader* reader, enum model_t_policy policy, uint32_t timeout_ms) {
  if (model_t_ring_ask(reader, policy) != 0) return -1;
  const uint64_t deadline = model_t_milliseconds() + timeout_ms;
  for (;;) {
    const int admitted = model_t_ring_admitted(reader, model_t_milliseconds() > deadline);
    if (admitted != 0) return admitted > 0 ? 0 : -1;
    usleep(200);
  }
}

/* Fills the pointers of a reader. `checked` is a copy of the mapped header: the shared one may change after the check. */
static inline void model_t_reader_map(model_t_reader* reader, void* memory, const model_t_ring_header* checked) {
  reader->header = (model_t_ring_header*)memory;
  reader->mapped_bytes = checked->total_bytes;
  reader->descriptors = (const model_t_descriptor*)((const uint8_t*)memory + checked->descriptors_offset);
  reader->times = (const uint64_t*)((const uint8_t*)memory + checked->times_offset);
  memset(reader->regions, 0, sizeof reader->regions);
  reader->regions[0].start = (const uint8_t*)memory + checked->region_offset;
  reader->regions[0].bytes = checked->region_bytes;
  reader->largest_mask = reader->mask = checked->descriptor_count - 1; /* before the first packet the one in use is loaded */
  reader->producer_pid = checked->producer_pid;
  reader->producer_start = checked->producer_pid_start;
}

/* Name of the shared memory file of a ring; 0, or -1 if the name is not 1-64 of [A-Za-z0-9._-] without a leading dot. */
static inline int model_t_ring_path(char* path, size_t size, const char* name) {
  const size_t length = strlen(name);
  if (length == 0 || length > 64 || name[0] == '.') return -1;
  for (size_t i = 0; i < length; i++) {
    const char c = name[i];
    const int good = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '.' || c == '_' || c == '-';
    if (!good) return -1;
  }
  return snprintf(path, size, "/dev/shm/model-t.%s", name) < (int)size ? 0 : -1;
}

/*
 * Opens the named ring and joins it. Waits up to `timeout_ms` for the ring to appear and for the producer to answer.
 * 0, or -1 with a sentence in reader->error.
 */
static inline int model_t_ring_attach(model_t_reader* reader, const char* name, enum model_t_policy policy, uint32_t timeout_ms) {
  memset(reader, 0, sizeof *reader);
  char path[128];
  if (model_t_ring_path(path, sizeof path, name) != 0) {
    snprintf(reader->error, sizeof reader->error, "'%.64s' is no ring name: use 1 to 64 letters, digits, '.', '_', '-'", name);
    return -1;
  }
  const uint64_t deadline = model_t_milliseconds() + timeout_ms;
  for (;;) {
    const char* wrong = "no such ring";
    const int file = open(path, O_RDWR | O_CLOEXEC | O_NOFOLLOW);
    if (file < 0 && errno != ENOENT) {
      snprintf(reader->error, sizeof reader->error, "%s: %s", path, strerror(errno));
      return -1;
    }
    if (file >= 0) {
      struct stat status;
      memset(&status, 0, sizeof status);
      void* memory = MAP_FAILED;
      if (fstat(file, &status) == 0 && S_ISREG(status.st_mode) && status.st_uid == geteuid() &&
          (uint64_t)status.st_size >= sizeof(model_t_ring_header))
        memory = mmap(NULL, (size_t)status.st_size, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
      close(file);
      if (memory != MAP_FAILED) {
        const uint32_t state = __atomic_load_n(&((model_t_ring_header*)memory)->state, __ATOMIC_ACQUIRE);
        model_t_ring_header header;
        memcpy(&header, memory, sizeof header);
        wrong = state == MODEL_T_RING_CREATING ? "state: still being made" : model_t_ring_check(&header, (uint64_t)status.st_size);
        if (!wrong && state == MODEL_T_RING_OPEN && !model_t_process_alive(header.producer_pid, header.producer_pid_start))
          wrong = "producer: its process is gone";
        if (!wrong) {
          model_t_reader_map(reader, memory, &header);
          reader->owns_mapping = 1;
          if (model_t_ring_join(reader, policy, timeout_ms) == 0) return 0;
          munmap(memory, (size_t)status.st_size);
          reader->header = NULL;
          return -1;
        }
        munmap(memory, (size_t)status.st_size);
      } else {
        wrong = status.st_uid == geteuid() ? "size: too small for a ring" : "owner: another user";
      }
    }
    if (model_t_milliseconds() > deadline) {
      snprintf(reader->error, sizeof reader->error, "%s: %s", path, wrong);
      return -1;
    }
    usleep(10000);
  }
}

static inline void model_t_pause(void) {
#if defined(__x86_64__) || defined(__i386__)
  __builtin_ia32_pause();
#elif defined(__aarch64__)
  __asm__ __volatile__("yield");
#endif
}

/*
 * The window of descriptors that the positions from tail to the head just loaded lie in. 0, or MODEL_T_CORRUPT.
 *
 * How a window changes, at position P: the producer has published P and waits until the tail of every block and drop reader
 * is P; then it stores floor = P, then `descriptor_mask` (release), and only then writes and publishes positions from P on.
 *  - Block and drop readers have tail = P = head, so they come here before they read anything from P on. The head they loaded
 *    (acquire) lies beyond P, so the mask stored before it was published is seen; a yet newer one cannot be there, because the
 *    next change waits for this reader to reach the head of that moment. Up to P nothing is read any more.
 *  - A newcomer is let in at the head of some moment and starts with tail = head, so it comes here, too.
 *  - Lag readers may be behind. They use the mask that they loaded behind the head they are reading up to. Let that head be H.
 *    H > P: the mask of P, or a later one, is seen, as above. A mask that was stored at P' >= H (the head was loaded before, the
 *    mask after that change): its load (acquire) makes floor >= P' visible to the look at floor that follows every load of the
 *    mask, and everything up to H counts as lost. A mask of P < H with tail < P: floor >= P is visible likewise, and moves the
 *    tail to P. A change after the mask was loaded: as for any other overwriting, floor was raised before the first byte or
 *    descriptor was written, and model_t_ring_release() finds that out after the fact.
 */
static inline int model_t_ring_load_mask(model_t_reader* reader) {
  const uint32_t mask = __atomic_load_n(&reader->header->descriptor_mask, __ATOMIC_ACQUIRE);
  if (!model_t_mask_fits(mask, reader->largest_mask)) {
    snprintf(reader->error, sizeof reader->error, "corrupt ring: descriptor mask %u of %llu descriptors", mask,
             (unsigned long long)reader->largest_mask + 1);
    return MODEL_T_CORRUPT;
  }
  reader->mask = mask;
  return 0;
}

/*
 * Positions that can be read now, at most `limit`; 0 = none yet (spins, then yields, then naps 50 us), MODEL_T_END,
 * MODEL_T_DIED or MODEL_T_CORRUPT. A lag reader that fell behind is moved to the oldest position that is still intact.
 */
static inline int model_t_ring_available(model_t_reader* reader, uint32_t limit) {
  if (reader->head == reader->tail) {
    reader->head = __atomic_load_n(&reader->header->head, __ATOMIC_ACQUIRE);
    if (reader->head == reader->tail) {
      const uint32_t idle = reader->idle++;
      if (idle < 2000) {
        model_t_pause();
        return 0;
      }
      const uint32_t state = __atomic_load_n(&reader->header->state, __ATOMIC_ACQUIRE);
      if (state == MODEL_T_RING_ABORTED) {
        snprintf(reader->error, sizeof reader->error, "the producer aborted the stream at position %llu", (unsigned long long)reader->tail);
        return MODEL_T_DIED;
      }
      if (idle % 1024 == 0 && !model_t_process_alive(reader->producer_pid, reader->producer_start) &&
          __atomic_load_n(&reader->header->head, __ATOMIC_ACQUIRE) == reader->tail) {
        snprintf(reader->error, sizeof reader->error, "the producer (pid %d) died; %llu packets had been delivered",
                 (int)reader->producer_pid, (unsigned long long)reader->delivered);
        return MODEL_T_DIED;
      }
      usleep(idle < 4000 ? 0 : 50);
      return 0;
    }
    reader->idle = 0;
    const int good = model_t_ring_load_mask(reader);
    if (good != 0) return good;
  }
  if (reader->head < reader->tail || (reader->policy != MODEL_T_LAG && reader->head - reader->tail > (uint64_t)reader->mask + 1)) {
    snprintf(reader->error, sizeof reader->error, "corrupt ring: head %llu, tail %llu, %u descriptors",
             (unsigned long long)reader->head, (unsigned long long)reader->tail, reader->mask + 1);
    return MODEL_T_CORRUPT;
  }
  if (reader->policy == MODEL_T_LAG) {
    const uint64_t lowest = __atomic_load_n(&reader->header->floor, __ATOMIC_ACQUIRE);
    if (lowest > reader->tail) {
      const uint64_t to = lowest < reader->head ? lowest : reader->head;
      reader->lost += to - reader->tail;
      reader->tail = to;
      if (reader->head == reader->tail) return 0;
    }
  }
  const uint64_t count = reader->head - reader->tail;
  return (int)(count < limit ? count : limit);
}

/* 1 if what a lag reader read at this position may be that of a later one. */
static inline int model_t_ring_overwritten(const model_t_reader* reader, uint64_t position) {
  if (reader->policy != MODEL_T_LAG) return 0;
  __atomic_thread_fence(__ATOMIC_ACQUIRE); /* the reads must be done before floor is looked at */
  return __atomic_load_n(&reader->header->floor, __ATOMIC_RELAXED) > position;
}

/* Gives the packets back. 0, or 1 when a lag reader's packets were overwritten while it read them (they count as lost). */
static inline int model_t_ring_release(model_t_reader* reader) {
  const int overwritten = model_t_ring_overwritten(reader, reader->tail);
  reader->tail += reader->pending;
  if (overwritten)
    reader->lost += reader->pending; /* the producer emits no marks but the last while a lag reader is attached */
  else
    reader->delivered += reader->pending_packets;
  reader->pending = reader->pending_packets = 0;
  __atomic_store_n(&reader->slot->delivered, reader->delivered, __ATOMIC_RELAXED);
  __atomic_store_n(&reader->slot->lost, reader->lost, __ATOMIC_RELAXED);
  __atomic_store_n(&reader->slot->tail, reader->tail, __ATOMIC_RELEASE);
  return overwritten;
}

/*
 * Gives up to `limit` packets, validated; call model_t_ring_release() when done with them. 0 = none yet.
 * MODEL_T_END after the last one; MODEL_T_DIED, MODEL_T_CORRUPT with a sentence in reader->error.
 */
static inline int model_t_ring_receive(model_t_reader* reader, model_t_packet* packets, uint32_t limit) {
  const int available = model_t_ring_available(reader, limit);
  if (available <= 0) return available;
  uint32_t count = 0;
  uint32_t available_positions = (uint32_t)available;
  for (int i = 0; i < available; i++) {
    const uint64_t position = (reader->tail + (uint64_t)i) & reader->mask;
    const model_t_descriptor descriptor = model_t_descriptor_load(&reader->descriptors[position]);
    if (descriptor.flags & MODEL_T_MARK) {
      if (!(descriptor.flags & MODEL_T_END_OF_STREAM) || model_t_ring_overwritten(reader, reader->tail + (uint64_t)i)) continue;
      if (count == 0) return MODEL_T_END;
      available_positions = (uint32_t)i; /* handed out alone next time */
      break;
    }
    if (!model_t_descriptor_fits(&descriptor, reader->regions)) {
      if (reader->policy == MODEL_T_LAG) continue; /* being overwritten: the release will tell */
      snprintf(reader->error, sizeof reader->error, "corrupt ring: descriptor %llu points to %u+%u of %llu bytes in region %u",
               (unsigned long long)(reader->tail + (uint64_t)i), descriptor.offset, descriptor.length,
               (unsigned long long)(descriptor.region < MODEL_T_REGIONS ? reader->regions[descriptor.region].bytes : 0), descriptor.region);
      return MODEL_T_CORRUPT;
    }
    packets[count].frame = reader->regions[descriptor.region].start + descriptor.offset;
    packets[count].length = descriptor.length;
    packets[count].sequence = descriptor.metadata;
    packets[count].time_ns = reader->times[position];
    packets[count].flags = descriptor.flags;
    count++;
  }
  reader->pending = available_positions;
  reader->pending_packets = count;
  if (count == 0) model_t_ring_release(reader); /* only marks */
  return (int)count;
}

/* Leaves the ring and unmaps it. */
static inline void model_t_ring_detach(model_t_reader* reader) {
  if (!reader->header) return;
  if (reader->slot) __atomic_store_n(&reader->slot->state, MODEL_T_READER_DETACHED, __ATOMIC_RELEASE);
  if (reader->owns_mapping) munmap(reader->header, (size_t)reader->mapped_bytes);
  reader->header = NULL;
  reader->slot = NULL;
}

/* ---- digest: order-independent hash over delivered bytes ------------------------------------------------------------ */

#define MODEL_T_DIGEST_GAMMA 0x9e3779b97f4a7c15ull

static inline uint64_t model_t_digest_mix(uint64_t h) {
  h ^= h >> 32;
  h *= 0xd6e8feb86659fd93ull;
  h ^= h >> 29;
  h *= 0xbf58476d1ce4e5b9ull;
  return h ^ (h >> 32);
}

/*
 * Hash of one packet. The digest of a set of packets is the sum of their hashes modulo 2^64: the order does not matter.
 * The frame is taken as two zero bytes, the frame, and zeros up to a multiple of 64 bytes, exactly as a slot holds it; per
 * 64-byte line and 64-bit little-endian word x of it: lane += lo32(x^k) * hi32(x^k) + x, where k = (line*8 + lane + 1)*GAMMA;
 * the eight lanes are added, the length and a final mix follow. `line_limit` 0 = all lines, else only that many.
 */
static inline uint64_t model_t_digest_packet(const uint8_t* frame, uint32_t length, uint32_t line_limit) {
  uint64_t sum = 0;
  uint64_t key = MODEL_T_DIGEST_GAMMA;
  uint32_t lines = (MODEL_T_FRAME_OFFSET + length + 63) / 64;
  if (line_limit != 0 && lines > line_limit) lines = line_limit;
  for (uint32_t line = 0; line < lines; line++) {
    uint8_t bytes[64] = {0};
    const uint32_t skip = line == 0 ? MODEL_T_FRAME_OFFSET : 0;
    const uint32_t from = line * 64 + skip - MODEL_T_FRAME_OFFSET;
    const uint32_t room = 64 - skip;
    memcpy(bytes + skip, frame + from, length - from < room ? length - from : room);
    for (uint32_t lane = 0; lane < 8; lane++) {
      uint64_t x;
      memcpy(&x, bytes + lane * 8, 8);
      const uint64_t y = x ^ key;
      sum += (y & 0xffffffffu) * (y >> 32) + x;
      key += MODEL_T_DIGEST_GAMMA;
    }
  }
  return model_t_digest_mix(sum + (uint64_t)length * MODEL_T_DIGEST_GAMMA);
}

#endif
