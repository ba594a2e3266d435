/*
 * Memory for what operations hold back (segments, fragments, heads): blocks of 256 bytes to 128 KiB in steps of two, 64-byte
 * aligned, kept for reuse, never more than `limit` bytes in all. Blocks that rows may still point to are retired first and
 * come back with recycle(). Not thread-safe.
 */
#ifndef MODEL_T_STACK_BLOCK_POOL_H
#define MODEL_T_STACK_BLOCK_POOL_H

#include <cstddef>
#include <cstdint>

namespace model_t {

class BlockPool {
 public:
  static constexpr uint32_t kOverhead = 16;
  static constexpr uint32_t kLargest = 128 * 1024 - kOverhead;

  explicit BlockPool(uint64_t limit) : limit_(limit) {}
  ~BlockPool();
  BlockPool(const BlockPool&) = delete;
  BlockPool& operator=(const BlockPool&) = delete;

  /* Null when the limit is reached or `bytes` is more than kLargest. */
  uint8_t* acquire(uint32_t bytes);
  /* `bytes` as given to acquire(). */
  void release(uint8_t* block, uint32_t bytes);
  /* Released with the next recycle(): until then rows may point into it. */
  void retire(uint8_t* block, uint32_t bytes);
  void recycle();

  bool has_retired() const { return retired_ != nullptr; }
  uint64_t used() const { return used_; } /* retired blocks included */
  static uint32_t block_bytes(uint32_t bytes);

 private:
  struct Block {
    Block* next;
    uint32_t bytes;
  };
  static constexpr uint32_t kClasses = 10;

  bool give_back_free(uint64_t bytes);

  uint64_t limit_;
  uint64_t used_ = 0;
  uint64_t free_bytes_ = 0;
  Block* free_[kClasses] = {};
  Block* retired_ = nullptr;
};

}  // namespace model_t

#endif
