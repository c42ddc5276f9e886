#include "bight/bytes_builder.h"

#include <algorithm>
#include <cstdarg>
#include <cstdio>

#include "bight/copy_audit.h"
#include "bight/hash.h"

BIGHT_NAMESPACE_BEGIN

namespace {
// The least that the first write to an empty builder asks for, so that a few small ones need one
// block: with its header, two cache lines less 32 bytes.
constexpr size_t kFirstBlock = 64;
}  // namespace

BytesBuilder::BytesBuilder(size_t capacity, size_t headroom) {
  if (headroom > UINT32_MAX) internal::fail_too_large("headroom", headroom, 0);
  headroom_ = static_cast<uint32_t>(headroom);
  const size_t total = internal::checked_sum("BytesBuilder", capacity, headroom);
  if (total != 0) adopt_block(internal::allocate_block(total), headroom);
}

BytesBuilder::BytesBuilder(const BuilderOptions& options)
    : max_size_(options.max_size),
      growth_percent_(std::clamp(options.growth_percent, uint32_t{100}, uint32_t{1000})),
      headroom_(options.headroom) {
  internal::BlockSpec spec;
  spec.alignment = options.alignment;
  spec.resource = options.resource;
  spec.keep = options.shared_resource;
  const bool special = spec.alignment != 0 || spec.resource != nullptr || spec.keep != nullptr;
  const size_t total =
      internal::checked_sum("BytesBuilder", options.capacity, size_t{options.headroom});
  // A special kind of block is taken at once, however small: later ones are made like it.
  if (total != 0 || special) adopt_block(internal::allocate_block(total, spec), headroom_);
}

BytesBuilder BytesBuilder::copy_of(ByteView bytes) {
  BytesBuilder builder(bytes.size());
  builder.append(bytes);
  return builder;
}

uint64_t BytesBuilder::hash() const noexcept { return hash_bytes(data(), size()); }

void BytesBuilder::adopt_block(internal::Block* block, size_t front) noexcept {
  base_ = block->storage;
  begin_ = end_ = base_ + front;
  limit_ = block->storage + block->capacity;
  block_ = internal::word_of(block);
}

void BytesBuilder::claim_block() noexcept {
  base_ = block()->storage;
  limit_ = block()->storage + block()->capacity;
}

void BytesBuilder::move_to_new_block(size_t front, size_t back) {
  const size_t written = size();
  const size_t needed = internal::checked_sum(
      "BytesBuilder", internal::checked_sum("BytesBuilder", front, written), back);
  internal::Block* const old = block();
  size_t wanted = std::max(needed, kFirstBlock);
  if (old != nullptr) {
    if (written != 0 && old->capacity <= internal::kMaxSize / 16) {
      wanted = std::max(wanted, old->capacity * growth_percent_ / 100);
    }
    wanted = std::max(wanted, std::min(old->capacity, kSameCapacityLimit));
  }
  internal::Block* const fresh = internal::allocate_block_like(wanted, old);
  // What is moved is copied, however it came.
  if (written != 0) {
    std::memcpy(fresh->storage + front, begin_, written);
    internal::count_copied(written);
  }
  const uintptr_t dead = block_;
  adopt_block(fresh, front);
  end_ = begin_ + written;
  internal::drop_word(dead);
}

bool BytesBuilder::try_reclaim(size_t n) noexcept {
  if (n > max_size_ || size() > max_size_ - n) return false;
  if (spare() >= n) return true;
  if (is_fixed() || !sole()) return false;
  // Nobody else holds the block: no Bytes and no other builder covers any of it.
  claim_block();
  if (spare() >= n) return true;
  const size_t offset = headroom();
  if (offset < size() || offset + spare() < n) return false;
  if (!empty()) {
    std::memmove(base_, begin_, size());
    internal::count_copied(size());
  }
  end_ = base_ + size();
  begin_ = base_;
  return true;
}

void BytesBuilder::reserve_slow(size_t n) {
  if (is_fixed()) internal::fail_length("write to a fixed builder", n, spare());
  if (n > max_size_ || size() > max_size_ - n) {
    if (n > internal::kMaxSize) internal::fail_too_large("BytesBuilder", size(), n);
    internal::fail_length("write past max_size", internal::checked_sum("write", size(), n),
                          max_size_);
  }
  if (try_reclaim(n)) return;
  move_to_new_block(headroom_, n);
}

bool BytesBuilder::try_reserve(size_t n) {
  if (spare() >= n) return true;
  if (is_fixed() || n > max_size_ || size() > max_size_ - n) return false;
  if (!try_reclaim(n)) move_to_new_block(headroom_, n);
  return true;
}

void BytesBuilder::reserve_front_slow(size_t n) {
  if (is_fixed()) internal::fail_length("prepend to a fixed builder", n, headroom());
  if (n > max_size_ || size() > max_size_ - n) {
    internal::fail_length("prepend past max_size", n, max_size_);
  }
  if (sole()) claim_block();
  if (headroom() >= n) return;
  // As much again in front as is written, so that repeated prepending is amortised O(bytes).
  const size_t front = internal::checked_sum("prepend", n, std::max(size(), size_t{headroom_}));
  move_to_new_block(front, spare() < size() ? spare() : size());
}

bool BytesBuilder::try_prepend(ByteView bytes) {
  if (bytes.size() > max_size_ || size() > max_size_ - bytes.size()) return false;
  if (headroom() < bytes.size() && is_fixed()) return false;
  prepend(bytes);
  return true;
}

void BytesBuilder::resize(size_t n, std::byte fill) {
  if (n <= size()) {
    truncate(n);
  } else {
    put_fill(fill, n - size());
  }
}

size_t BytesBuilder::append_format(const char* format, ...) {
  std::va_list arguments;
  va_start(arguments, format);
  std::va_list again;
  va_copy(again, arguments);
  const int wanted = std::vsnprintf(reinterpret_cast<char*>(end_), spare(), format, arguments);
  va_end(arguments);
  size_t written = 0;
  if (wanted > 0) {
    written = static_cast<size_t>(wanted);
    // snprintf also writes a NUL, so a text that just fits needs a byte more.
    if (written >= spare()) {
      reserve(written + 1);
      (void)std::vsnprintf(reinterpret_cast<char*>(end_), spare(), format, again);
    }
    end_ += written;
  }
  va_end(again);
  return written;
}

Bytes BytesBuilder::take_and_replace_block(size_t headroom) {
  if (is_fixed())
    internal::fail_length("take with headroom from a fixed builder", headroom, spare());
  internal::Block* const old = block();
  const size_t wanted = std::max(internal::checked_sum("take", headroom, size()),
                                 old != nullptr ? std::min(old->capacity, kSameCapacityLimit) : 0);
  internal::Block* const fresh = internal::allocate_block_like(wanted, old);
  Bytes frozen = std::move(*this).freeze();
  adopt_block(fresh, headroom);
  return frozen;
}

bool BytesBuilder::try_join(BytesBuilder&& next) noexcept {
  if (block() == nullptr || next.block() != block() || &next == this || next.base_ != limit_) {
    return false;
  }
  // Written bytes must touch: this one is full and the other has no headroom, or one has none.
  if (!next.empty() && !empty() && (end_ != limit_ || next.begin_ != next.base_)) return false;
  if (!next.empty() && empty()) begin_ = next.begin_;
  if (!next.empty()) end_ = next.end_;
  received_ += next.received_;
  limit_ = next.limit_;
  // A fixed part stays fixed: what it was carved from still owns the rest of the block.
  block_ |= next.block_ & kFixed;
  next.base_ = next.begin_ = next.end_ = next.limit_ = nullptr;
  next.received_ = 0;
  next.block_ = 0;
  // Not the last reference: this builder holds one.
  (void)block()->refs.drop();
  return true;
}

void BytesBuilder::count_sealed_slow() const noexcept {
  internal::count_copied(size() - received_);
}

BIGHT_NAMESPACE_END
