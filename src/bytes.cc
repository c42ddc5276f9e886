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

constexpr size_t kInlineCopy = 64;

// memcpy of at most kInlineCopy bytes without a call: two overlapping halves cover each power of
// two to the next, and both are read before either is written.
inline void copy_inline(std::byte* to, const std::byte* from, size_t n) noexcept {
  struct Half16 {
    unsigned char bytes[16];
  };
  struct Half32 {
    unsigned char bytes[32];
  };
  const auto halves = [&]<class Half>(Half head) {
    Half tail;
    std::memcpy(&head, from, sizeof(Half));
    std::memcpy(&tail, from + n - sizeof(Half), sizeof(Half));
    std::memcpy(to, &head, sizeof(Half));
    std::memcpy(to + n - sizeof(Half), &tail, sizeof(Half));
  };
  if (n > 32) {
    halves(Half32{});
  } else if (n >= 16) {
    halves(Half16{});
  } else if (n >= 8) {
    halves(uint64_t{});
  } else if (n >= 4) {
    halves(uint32_t{});
  } else {
    for (size_t i = 0; i < n; ++i) to[i] = from[i];
  }
}

BIGHT_NOINLINE internal::Block* copy_slow(const std::byte* data, size_t size) {
  internal::Block* const block = internal::allocate_block(size);
  std::memcpy(block->storage, data, size);
  internal::count_copied(size);
  return block;
}

}  // namespace

internal::Block* Bytes::copy_to_block(const std::byte* data, size_t size) {
  if (BIGHT_LIKELY(size <= kInlineCopy)) {
    if (internal::Block* const block = internal::take_cached_block(size)) {
      copy_inline(block->storage, data, size);
      internal::state.copied.add(size);
      return block;
    }
  }
  return copy_slow(data, size);
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
  builder.limit_ = builder.region_end_ = block->storage + block->capacity;
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
