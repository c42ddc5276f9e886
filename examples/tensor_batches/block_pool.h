// BlockPool: large blocks of memory that are lent again and again, at most so many at once.
//
//   auto pool = std::make_shared<BlockPool>(4);
//   BuilderOptions options;
//   options.shared_resource = pool;      // each block keeps the pool alive
//   if (pool->wait_for_room()) ... BytesBuilder(options) ...
//
// A buffer of megabytes that is freed goes back to the kernel, and the next one costs a page fault
// for each of its pages: more than receiving into it. Here a block waits for the next batch. When
// all are lent the receiver waits, and through the socket's window the sender.
//
// Thread safety: all of it; blocks come back on whatever thread drops the last tensor.
#ifndef EXAMPLES_TENSOR_BATCHES_BLOCK_POOL_H_
#define EXAMPLES_TENSOR_BATCHES_BLOCK_POOL_H_

#include <algorithm>
#include <condition_variable>
#include <cstddef>
#include <memory_resource>
#include <mutex>
#include <new>
#include <vector>

namespace example {

class BlockPool : public std::pmr::memory_resource {
 public:
  struct Figures {
    size_t made = 0;       // blocks that the pool has
    size_t lent = 0;       // of these, blocks with somebody now
    size_t most_lent = 0;  // at once
    size_t loans = 0;      // since the beginning
  };

  // At most `most` blocks. All of them have one size and alignment at a time.
  explicit BlockPool(size_t most) : most_(most) { free_.reserve(most); }
  BlockPool(const BlockPool&) = delete;
  BlockPool& operator=(const BlockPool&) = delete;
  ~BlockPool() override {
    for (void* const block : free_) ::operator delete(block, std::align_val_t(alignment_));
  }

  // Waits until one may be lent. False after stop().
  bool wait_for_room() {
    std::unique_lock<std::mutex> lock(mutex_);
    back_.wait(lock, [&] { return stopped_ || figures_.lent < most_; });
    return !stopped_;
  }
  void stop() {
    const std::lock_guard<std::mutex> lock(mutex_);
    stopped_ = true;
    back_.notify_all();
  }
  Figures figures() const {
    const std::lock_guard<std::mutex> lock(mutex_);
    return figures_;
  }

 private:
  // Fails with bad_alloc when all are lent, and for another size while one is.
  void* do_allocate(size_t bytes, size_t alignment) override {
    const std::lock_guard<std::mutex> lock(mutex_);
    if (bytes != bytes_ || alignment != alignment_) {
      if (figures_.lent != 0) throw std::bad_alloc();
      for (void* const block : free_) ::operator delete(block, std::align_val_t(alignment_));
      free_.clear();
      figures_.made = 0;
      bytes_ = bytes;
      alignment_ = alignment;
    }
    if (figures_.lent == most_) throw std::bad_alloc();
    void* block;
    if (free_.empty()) {
      block = ::operator new(bytes, std::align_val_t(alignment));
      ++figures_.made;
    } else {
      block = free_.back();  // the one whose bytes are most likely still in the caches
      free_.pop_back();
    }
    ++figures_.loans;
    figures_.most_lent = std::max(figures_.most_lent, ++figures_.lent);
    return block;
  }
  void do_deallocate(void* block, size_t, size_t) override {
    const std::lock_guard<std::mutex> lock(mutex_);
    free_.push_back(block);  // has room for all of them: does not allocate
    --figures_.lent;
    back_.notify_one();
  }
  bool do_is_equal(const memory_resource& other) const noexcept override { return this == &other; }

  const size_t most_;
  mutable std::mutex mutex_;
  std::condition_variable back_;  // a block is free, or stop() was called
  std::vector<void*> free_;
  size_t bytes_ = 0, alignment_ = 0;  // of each block
  Figures figures_;
  bool stopped_ = false;
};

}  // namespace example

#endif  // EXAMPLES_TENSOR_BATCHES_BLOCK_POOL_H_
