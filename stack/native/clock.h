/* Clocks and pinning for engine and container threads. Linux; any thread. */
#ifndef MODEL_T_STACK_CLOCK_H
#define MODEL_T_STACK_CLOCK_H

#include <pthread.h>
#include <sched.h>
#include <time.h>

#include <cstdint>

namespace model_t {

/* Nanoseconds of CLOCK_MONOTONIC (about 20 ns a call: once per burst is 0.1 ns a packet). */
[[gnu::always_inline]] static inline uint64_t now_ns() {
  timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return static_cast<uint64_t>(now.tv_sec) * 1000000000u + static_cast<uint64_t>(now.tv_nsec);
}

/* Time-stamp counter, or nanoseconds where the processor has none that user code may read. */
[[gnu::always_inline]] static inline uint64_t cycles() {
#if defined(__x86_64__)
  return __builtin_ia32_rdtsc();
#else
  return now_ns();
#endif
}

/*
 * `rounds` * 16 dependent additions, each one core cycle: divided by the time-stamp cycles they took they tell how fast the core
 * really ran, which no user code may read in a virtual machine. Another thread on the same core hardly slows such a chain.
 */
static inline void spend_core_cycles(uint64_t rounds) {
  uint64_t x = rounds;
  for (uint64_t i = 0; i < rounds; i++) {
#if defined(__x86_64__)
    __asm__ __volatile__(
        "add $1, %0\n\tadd $1, %0\n\tadd $1, %0\n\tadd $1, %0\n\tadd $1, %0\n\tadd $1, %0\n\tadd $1, %0\n\tadd $1, %0\n\t"
        "add $1, %0\n\tadd $1, %0\n\tadd $1, %0\n\tadd $1, %0\n\tadd $1, %0\n\tadd $1, %0\n\tadd $1, %0\n\tadd $1, %0"
        : "+r"(x));
#else
    for (int k = 0; k < 16; k++) {
      x++;
      __asm__ __volatile__("" : "+r"(x));
    }
#endif
  }
}

/* Pins the calling thread and names it (15 characters) for top and perf. A CPU that is not allowed leaves it unpinned. */
static inline void settle_thread(const char* name, int cpu) {
  pthread_setname_np(pthread_self(), name);
  if (cpu < 0 || cpu >= CPU_SETSIZE) return;
  cpu_set_t set;
  CPU_ZERO(&set);
  CPU_SET(cpu, &set);
  pthread_setaffinity_np(pthread_self(), sizeof set, &set);
}

}  // namespace model_t

#endif
