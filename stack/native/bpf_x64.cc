/* See bpf_x64.h. */
#include "bpf_x64.h"

#if defined(__x86_64__)
#include <sys/mman.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "bpf_x64_code.h"
#endif

namespace model_t {

#if defined(__x86_64__)

namespace {

/* Zeros before the code: some sanitizers look there for a signature. */
constexpr uint64_t kCodeOffset = 64;

}  // namespace

std::unique_ptr<BpfNative> BpfNative::compile(const BpfProgram& program, std::string* error) {
  const std::vector<uint8_t> code = bpf_x64_code(program);
  const uint64_t page = static_cast<uint64_t>(sysconf(_SC_PAGESIZE));
  const uint64_t bytes = (kCodeOffset + code.size() + page - 1) / page * page;
  void* const pages = mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (pages == MAP_FAILED) {
    *error = std::string("no memory for the code of a filter: ") + strerror(errno);
    return nullptr;
  }
  uint8_t* const start = static_cast<uint8_t*>(pages) + kCodeOffset;
  memcpy(start, code.data(), code.size());
  if (mprotect(pages, bytes, PROT_READ | PROT_EXEC) != 0) {
    *error = std::string("this system does not let a program execute code it has made: ") + strerror(errno);
    munmap(pages, bytes);
    return nullptr;
  }
  return std::unique_ptr<BpfNative>(new BpfNative(pages, bytes, reinterpret_cast<Function>(start)));
}

BpfNative::~BpfNative() { munmap(pages_, bytes_); }

#else

std::unique_ptr<BpfNative> BpfNative::compile(const BpfProgram&, std::string* error) {
  *error = "filters are compiled to machine code for x86-64 only";
  return nullptr;
}

BpfNative::~BpfNative() = default;

#endif

}  // namespace model_t
