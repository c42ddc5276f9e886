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
  region_end_ = block->storage + block->capacity;
  block_ = internal::word_of(block);
  set_limit();
}

void BytesBuilder::claim_block() noexcept {
  base_ = block()->storage;
  region_end_ = block()->storage + block()->capacity;
  set_limit();
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
  if (spare() >= n) return true;
  if (is_fixed() || !allows(n) || !sole()) return false;
  // Nobody else holds the block: no Bytes and no other builder covers any of it.
  claim_block();
  if (spare() >= n) return true;
  const size_t offset = headroom();
  if (offset < size() || block()->capacity - size() < n) return false;
  if (!empty()) {
    std::memmove(base_, begin_, size());
    internal::count_copied(size());
  }
  end_ = base_ + size();
  begin_ = base_;
  set_limit();
  return true;
}

void BytesBuilder::check_allows(size_t n) const {
  if (allows(n)) return;
  // A sum that no limit could allow is a failure like want of memory, not a broken contract.
  const size_t sum = internal::checked_sum("BytesBuilder", size(), n);
  internal::fail_length("write past max_size", sum, max_size_);
}

void BytesBuilder::reserve_slow(size_t n) {
  if (is_fixed()) internal::fail_length("write to a fixed builder", n, spare());
  check_allows(n);
  if (try_reclaim(n)) return;
  move_to_new_block(headroom_, n);
}

bool BytesBuilder::try_reserve(size_t n) {
  if (spare() >= n) return true;
  if (is_fixed() || !allows(n)) return false;
  if (!try_reclaim(n)) move_to_new_block(headroom_, n);
  return true;
}

size_t BytesBuilder::place_of(ByteView bytes) const noexcept {
  const auto first = reinterpret_cast<uintptr_t>(bytes.data());
  const auto base = reinterpret_cast<uintptr_t>(begin_);
  return !empty() && first >= base && first - base < size() ? first - base : kElsewhere;
}

void BytesBuilder::append_slow(ByteView bytes) {
  // Growing moves what is written, and `bytes` may be part of that.
  const size_t place = place_of(bytes);
  reserve_slow(bytes.size());
  const std::byte* const from = place == kElsewhere ? bytes.data() : begin_ + place;
  std::memcpy(end_, from, bytes.size());
  end_ += bytes.size();
}

bool BytesBuilder::try_append(ByteView bytes) {
  if (spare() < bytes.size() && (is_fixed() || !allows(bytes.size()))) return false;
  append(bytes);
  return true;
}

void BytesBuilder::prepend_slow(ByteView bytes) {
  const size_t place = place_of(bytes);
  std::byte* const to = extend_front(bytes.size());
  const std::byte* const from = place == kElsewhere ? bytes.data() : to + bytes.size() + place;
  std::memcpy(to, from, bytes.size());
}

void BytesBuilder::reserve_front_slow(size_t n) {
  check_allows(n);
  if (headroom() >= n) return;
  if (is_fixed()) internal::fail_length("prepend to a fixed builder", n, headroom());
  if (sole()) claim_block();
  if (headroom() >= n) return;
  // As much again in front as is written, so that repeated prepending is amortised O(bytes).
  const size_t front = internal::checked_sum("prepend", n, std::max(size(), size_t{headroom_}));
  move_to_new_block(front, spare() < size() ? spare() : size());
}

bool BytesBuilder::try_prepend(ByteView bytes) {
  if (!allows(bytes.size()) || (headroom() < bytes.size() && is_fixed())) return false;
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

bool BytesBuilder::try_resize(size_t n, std::byte fill) {
  if (n > size()) return try_put_fill(fill, n - size());
  truncate(n);
  return true;
}

size_t BytesBuilder::append_format(const char* format, ...) {
  // On the side first, so that an argument may be text of this builder and the NUL needs no room.
  char small[256];
  std::va_list arguments;
  va_start(arguments, format);
  const int wanted = std::vsnprintf(small, sizeof(small), format, arguments);
  va_end(arguments);
  if (wanted <= 0) return 0;
  const size_t length = static_cast<size_t>(wanted);
  if (length < sizeof(small)) {
    append(ByteView(small, length));
    return length;
  }
  const std::unique_ptr<char[]> large = std::make_unique_for_overwrite<char[]>(length + 1);
  va_start(arguments, format);
  (void)std::vsnprintf(large.get(), length + 1, format, arguments);
  va_end(arguments);
  append(ByteView(large.get(), length));
  return length;
}

Bytes BytesBuilder::take_and_replace_block(size_t headroom) {
  if (is_fixed())
    internal::fail_length("take with headroom from a fixed builder", headroom, spare());
  internal::Block* const old = block();
  const size_t wanted = std::max(internal::checked_sum("take", headroom, size()),
                                 old != nullptr ? std::min(old->capacity, kSameCapacityLimit) : 0);
  internal::Block* const fresh = internal::allocate_block_like(wanted, old);
  Bytes frozen = freeze_and_leave_block();
  adopt_block(fresh, headroom);
  return frozen;
}

bool BytesBuilder::try_join(BytesBuilder&& next) noexcept {
  if (block() == nullptr || next.block() != block() || &next == this || next.base_ != region_end_ ||
      next.size() > max_size_ - size()) {
    return false;
  }
  // Written bytes must touch: this one is full and the other has no headroom, or one has none.
  if (!next.empty() && !empty() && (end_ != region_end_ || next.begin_ != next.base_)) {
    return false;
  }
  if (!next.empty() && empty()) begin_ = next.begin_;
  if (!next.empty()) end_ = next.end_;
  received_ += next.received_;
  region_end_ = next.region_end_;
  set_limit();
  // A fixed part stays fixed: what it was carved from still owns the rest of the block.
  block_ |= next.block_ & kFixed;
  next.base_ = next.begin_ = next.end_ = next.limit_ = next.region_end_ = nullptr;
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
