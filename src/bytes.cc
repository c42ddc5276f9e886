#include "bight/bytes.h"

#include <cstring>
#include <ostream>

#include "bight/bytes_builder.h"
#include "bight/copy_audit.h"
#include "bight/hash.h"
#include "bight/internal/search.h"
#include "thread_state.h"

BIGHT_NAMESPACE_BEGIN

Bytes Bytes::from_new_block(internal::Block* block, ByteView bytes) noexcept {
  std::memcpy(block->storage, bytes.data(), bytes.size());
  internal::count_copied(bytes.size());
  return Bytes(internal::Segment{block->storage, bytes.size(), internal::word_of(block)});
}

namespace {

// memcpy for what is mostly a few words: a call would cost as much as the rest of copy_of.
inline void copy_small(std::byte* to, const std::byte* from, size_t n) noexcept {
  if (n > 32) {
    std::memcpy(to, from, n);
  } else if (n >= 16) {
    // Two overlapping halves cover 16 to 32 bytes; both are read before either is written.
    unsigned char head[16];
    unsigned char tail[16];
    std::memcpy(head, from, 16);
    std::memcpy(tail, from + n - 16, 16);
    std::memcpy(to, head, 16);
    std::memcpy(to + n - 16, tail, 16);
  } else if (n >= 8) {
    uint64_t head;
    uint64_t tail;
    std::memcpy(&head, from, 8);
    std::memcpy(&tail, from + n - 8, 8);
    std::memcpy(to, &head, 8);
    std::memcpy(to + n - 8, &tail, 8);
  } else {
    for (size_t i = 0; i < n; ++i) to[i] = from[i];
  }
}

}  // namespace

Bytes Bytes::copy_of(ByteView bytes) {
  const size_t n = bytes.size();
  if (n == 0) return Bytes();
  internal::Block* const block = internal::allocate_block_fast(n);
  copy_small(block->storage, bytes.data(), n);
  // allocate_block has registered the thread.
  internal::state.copied.add(n);
  return Bytes(internal::Segment{block->storage, n, internal::word_of(block)});
}

Bytes Bytes::copy_of(ByteView bytes, std::pmr::memory_resource* resource) {
  if (bytes.empty()) return Bytes();
  internal::BlockSpec spec;
  spec.resource = resource;
  return from_new_block(internal::allocate_block(bytes.size(), spec), bytes);
}

Bytes Bytes::copy_of(ByteView bytes, std::shared_ptr<std::pmr::memory_resource> resource) {
  if (bytes.empty()) return Bytes();
  internal::BlockSpec spec;
  spec.keep = std::move(resource);
  return from_new_block(internal::allocate_block(bytes.size(), spec), bytes);
}

std::optional<size_t> Bytes::find_byte(std::byte value, size_t from) const noexcept {
  if (from >= size()) return std::nullopt;
  const void* const found = std::memchr(data() + from, static_cast<int>(value), size() - from);
  if (found == nullptr) return std::nullopt;
  return static_cast<size_t>(static_cast<const std::byte*>(found) - data());
}

std::optional<size_t> Bytes::find(ByteView needle, size_t from, size_t limit) const {
  if (from > size()) return std::nullopt;
  const size_t found = internal::find_in(data(), size(), needle.span(), from, limit);
  if (found == internal::kNotFound) return std::nullopt;
  return found;
}

uint64_t Bytes::hash() const noexcept { return hash_bytes(data(), size()); }

size_t ContentHash::operator()(ByteView bytes) const noexcept {
  return static_cast<size_t>(hash_bytes(bytes.data(), bytes.size()));
}

size_t Bytes::retained_size() const noexcept {
  const internal::Block* const block = internal::block_of(segment_.block);
  return block == nullptr ? 0 : internal::block_footprint(block);
}

Bytes Bytes::compact() const {
  const internal::Block* const block = internal::block_of(segment_.block);
  if (block == nullptr || block->capacity <= internal::block_capacity_for(size())) return *this;
  return copy_of(*this);
}

std::optional<BytesBuilder> Bytes::try_into_builder() && noexcept {
  if (!is_unique()) return std::nullopt;
  internal::Block* const block = internal::block_of(segment_.block);
  std::byte* const begin = const_cast<std::byte*>(data());
  BytesBuilder builder;
  builder.base_ = block->storage;
  builder.begin_ = begin;
  builder.end_ = begin + size();
  builder.limit_ = block->storage + block->capacity;
  builder.block_ = internal::word_of(block);
  builder.received_ = size();  // in place already
  segment_ = {};
  return builder;
}

BytesBuilder Bytes::into_builder() && {
  if (std::optional<BytesBuilder> builder = std::move(*this).try_into_builder()) {
    return *std::move(builder);
  }
  BytesBuilder copy = BytesBuilder::copy_of(*this);
  clear();
  return copy;
}

std::ostream& operator<<(std::ostream& out, const Bytes& bytes) {
  return out.write(bytes.chars(), static_cast<std::streamsize>(bytes.size()));
}

BIGHT_NAMESPACE_END
