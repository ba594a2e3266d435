/* Implements block_pool.h. */
#include "block_pool.h"

#include <cstdlib>

namespace model_t {

namespace {

constexpr uint32_t kSmallestBits = 8;

/* retire() writes behind what the user has. */
uint32_t class_of(uint32_t bytes) {
  const uint32_t all = bytes + BlockPool::kOverhead;
  return all <= 256 ? 0 : 32u - static_cast<uint32_t>(__builtin_clz(all - 1)) - kSmallestBits;
}

}  // namespace

BlockPool::~BlockPool() {
  recycle();
  give_back_free(~uint64_t{0});
}

uint32_t BlockPool::block_bytes(uint32_t bytes) { return 1u << (class_of(bytes) + kSmallestBits); }

/* Blocks that lie ready go back to the system until `bytes` are; the largest first. */
bool BlockPool::give_back_free(uint64_t bytes) {
  for (uint32_t number = kClasses; number-- > 0;) {
    while (free_[number] && bytes > 0) {
      Block* const block = free_[number];
      const uint64_t size = uint64_t{1} << (number + kSmallestBits);
      free_[number] = block->next;
      free_bytes_ -= size;
      bytes -= size < bytes ? size : bytes;
      free(block);
    }
  }
  return bytes == 0;
}

uint8_t* BlockPool::acquire(uint32_t bytes) {
  if (bytes > kLargest) return nullptr;
  const uint32_t number = class_of(bytes);
  const uint64_t size = uint64_t{1} << (number + kSmallestBits);
  if (used_ + size > limit_) return nullptr;
  if (Block* const block = free_[number]) {
    free_[number] = block->next;
    free_bytes_ -= size;
    used_ += size;
    return reinterpret_cast<uint8_t*>(block);
  }
  if (used_ + free_bytes_ + size > limit_) give_back_free(used_ + free_bytes_ + size - limit_);
  void* const memory = aligned_alloc(64, size);
  if (memory) used_ += size;
  return static_cast<uint8_t*>(memory);
}

void BlockPool::release(uint8_t* block, uint32_t bytes) {
  const uint32_t number = class_of(bytes);
  Block* const one = reinterpret_cast<Block*>(block);
  one->next = free_[number];
  free_[number] = one;
  used_ -= uint64_t{1} << (number + kSmallestBits);
  free_bytes_ += uint64_t{1} << (number + kSmallestBits);
}

void BlockPool::retire(uint8_t* block, uint32_t bytes) {
  /* Rows may still point into the block: the list stands in its last bytes, which are not the user's. */
  Block* const one = reinterpret_cast<Block*>(block + block_bytes(bytes) - sizeof(Block));
  static_assert(sizeof(Block) == kOverhead);
  one->next = retired_;
  one->bytes = bytes;
  retired_ = one;
}

void BlockPool::recycle() {
  while (retired_) {
    Block* const one = retired_;
    retired_ = one->next;
    const uint32_t bytes = one->bytes;
    release(reinterpret_cast<uint8_t*>(one) + sizeof(Block) - block_bytes(bytes), bytes);
  }
}

}  // namespace model_t
