// BytesBuilder: writes contiguous bytes in place and freezes them into Bytes without a copy.
//
//      base        begin            end                limit
//        | headroom  |   written      |      spare       |          one region of one block
//
//   BytesBuilder out(1024);
//   out.put_be<uint32_t>(7);
//   out.append("hello");
//   Bytes message = out.take();            // frozen; the builder goes on behind it in the block
//
// Several builders may write different regions of one block, also on different threads: split_to,
// split_off and carve hand regions out, try_join takes them back. No Bytes ever covers a
// byte of a builder's region, and no two regions overlap; so writing needs no flags or atomics.
//
// ChainBuilder grows by adding blocks and never moves what is written; BytesBuilder stays
// contiguous and moves it when it must grow.
#ifndef BIGHT_BYTES_BUILDER_H_
#define BIGHT_BYTES_BUILDER_H_

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <memory>
#include <memory_resource>
#include <optional>
#include <ranges>
#include <span>
#include <string_view>
#include <utility>

#include "bight/byte_view.h"
#include "bight/byte_writer.h"
#include "bight/bytes.h"
#include "bight/config.h"
#include "bight/internal/block.h"
#include "bight/internal/check.h"

BIGHT_NAMESPACE_BEGIN

struct BuilderOptions {
  // Bytes of room to start with, behind the headroom.
  size_t capacity = 0;
  // Bytes kept free in front for prepend(), in this and in every block that growth makes.
  uint32_t headroom = 0;
  // A new block holds at least this many percent of the one before it (100 to 1000).
  uint32_t growth_percent = 200;
  // Written bytes never exceed this; a write that would stops the program, its try_ form refuses.
  size_t max_size = internal::kMaxSize;
  // Alignment of the block's start in bytes, a power of two; 0: at least 16.
  size_t alignment = 0;
  // Where blocks come from; null: the library's caches. `resource` must outlive every block, and be
  // thread safe unless all handles stay on one thread. `shared_resource` is kept alive by
  // each block and goes first.
  std::pmr::memory_resource* resource = nullptr;
  std::shared_ptr<std::pmr::memory_resource> shared_resource;
};

class BytesBuilder : public WriterOperations<BytesBuilder> {
 public:
  // ---- Make ------------------------------------------------------------------------------------

  // No block; the first write makes one.
  BytesBuilder() noexcept = default;
  // Room for `capacity` bytes behind `headroom` free ones. Fails with bad_alloc.
  BIGHT_API explicit BytesBuilder(size_t capacity, size_t headroom = 0);
  BIGHT_API explicit BytesBuilder(const BuilderOptions& options);
  // A builder with a copy of `bytes`. Counted by CopyAudit when frozen.
  [[nodiscard]] BIGHT_API static BytesBuilder copy_of(ByteView bytes);

  BytesBuilder(BytesBuilder&& other) noexcept;
  BytesBuilder& operator=(BytesBuilder&& other) noexcept;
  ~BytesBuilder() { internal::drop_word(block_ & ~kFixed); }

  // ---- Look ------------------------------------------------------------------------------------

  size_t size() const noexcept { return static_cast<size_t>(end_ - begin_); }
  [[nodiscard]] bool empty() const noexcept { return end_ == begin_; }
  // Written bytes plus spare room: how much it can hold without a new block. At most max_size.
  size_t capacity() const noexcept { return static_cast<size_t>(limit_ - begin_); }
  size_t spare() const noexcept { return static_cast<size_t>(limit_ - end_); }
  size_t headroom() const noexcept { return static_cast<size_t>(begin_ - base_); }
  // What size() can come to at most: the limit it was made with, or all there is if it is fixed.
  size_t max_size() const noexcept { return is_fixed() ? capacity() : max_size_; }
  // True for a builder from carve(): it never grows, slides or reclaims.
  bool is_fixed() const noexcept { return (block_ & kFixed) != 0; }

  // What is written, to read or to change. Valid until the builder grows, reclaims or is dropped.
  std::byte* data() noexcept { return begin_; }
  const std::byte* data() const noexcept { return begin_; }
  std::byte* begin() noexcept { return begin_; }
  std::byte* end() noexcept { return end_; }
  const std::byte* begin() const noexcept { return begin_; }
  const std::byte* end() const noexcept { return end_; }
  std::span<std::byte> span() noexcept { return {begin_, size()}; }
  std::span<const std::byte> span() const noexcept { return {begin_, size()}; }
  std::string_view view() const noexcept { return {reinterpret_cast<const char*>(begin_), size()}; }
  // Precondition: `i < size()` (checked in every build).
  std::byte& operator[](size_t i) noexcept {
    if (i >= size()) internal::fail_index("BytesBuilder[] byte", i, size());
    return begin_[i];
  }
  std::byte operator[](size_t i) const noexcept {
    if (i >= size()) internal::fail_index("BytesBuilder[] byte", i, size());
    return begin_[i];
  }
  BIGHT_API uint64_t hash() const noexcept;

  // ---- Write -----------------------------------------------------------------------------------
  // put_be, put_le, put_uint_be, put_varint, append ... and their try_ forms: see WriterOperations.
  //
  // Growth takes a new block when the region is full and the block cannot be reclaimed, and moves
  // what is written there: amortised O(bytes written), counted by CopyAudit. It fails with
  // bad_alloc and changes nothing. On a fixed builder, or past max_size, it stops the program.

  // The spare room, at least `n` bytes of it, to be written and then committed.
  // Valid until the next call that may grow.
  std::span<std::byte> prepare(size_t n) {
    if (spare() < n) reserve_slow(n);
    return {end_, spare()};
  }
  // Empty optional when the builder is fixed or limited and has no room for `n`.
  [[nodiscard]] std::optional<std::span<std::byte>> try_prepare(size_t n);
  // Takes the first `n` bytes of the spare room as written (in place: not a copy).
  // Precondition: `n <= spare()` (checked in every build).
  void commit(size_t n) {
    if (spare() < n) internal::fail_length("commit", n, spare());
    end_ += n;
    received_ += n;
  }
  [[nodiscard]] bool try_commit(size_t n) noexcept;

  // Appends `n` uninitialised bytes and returns where they are.
  std::byte* extend(size_t n) {
    if (spare() < n) reserve_slow(n);
    std::byte* const place = end_;
    end_ += n;
    return place;
  }
  // The same; null when the builder is fixed or limited and has no room (or there is no block and
  // `n` is 0).
  std::byte* try_extend(size_t n) {
    if (spare() < n && !try_reserve(n)) return nullptr;
    std::byte* const place = end_;
    end_ += n;
    return place;
  }
  // Copies `bytes`, which may be part of what is written here.
  void append(ByteView bytes) {
    if (BIGHT_UNLIKELY(spare() < bytes.size())) {
      append_slow(bytes);
    } else if (!bytes.empty()) {
      std::memcpy(end_, bytes.data(), bytes.size());
      end_ += bytes.size();
    }
  }
  [[nodiscard]] BIGHT_API bool try_append(ByteView bytes);
  // Appends the bytes of any range of byte-sized elements, contiguous or not, sized or not. If the
  // range or growth fails half way, nothing of it stays.
  template <std::ranges::input_range R>
  requires(internal::kIsByte<std::ranges::range_value_t<R>>) void append_range(R&& range);
  // Appends formatted text as std::snprintf makes it. Returns how many bytes; a format that
  // snprintf refuses appends nothing and returns 0.
#if defined(__GNUC__) || defined(__clang__)
  __attribute__((format(printf, 2, 3)))
#endif
  BIGHT_API size_t
  append_format(const char* format, ...);
  // For absl::Format(&builder, ...).
  template <class StringView>
  friend void AbslFormatFlush(BytesBuilder* builder, StringView text) {
    builder->append(ByteView(text.data(), text.size()));
  }

  // Makes room for `n` more bytes.
  void reserve(size_t n) {
    if (spare() < n) reserve_slow(n);
  }
  // False when the builder is fixed or limited and has no room for `n`. Fails with bad_alloc.
  [[nodiscard]] BIGHT_API bool try_reserve(size_t n);
  // Makes room for `n` more bytes without a new block, if it can: takes back what other handles of
  // the block have left (when this builder is its only holder) and slides what is written to the
  // front when at least as many bytes are free there (so that sliding is amortised O(1) a
  // byte). Never for a fixed builder. Returns whether the room is there now.
  [[nodiscard]] BIGHT_API bool try_reclaim(size_t n) noexcept;
  // Sets the size; new bytes are `fill`.
  BIGHT_API void resize(size_t n, std::byte fill = std::byte{0});
  // False when the builder is fixed or limited and has no room for them.
  [[nodiscard]] BIGHT_API bool try_resize(size_t n, std::byte fill = std::byte{0});
  // Keeps the first `n` bytes; does nothing when there are no more than that.
  void truncate(size_t n) noexcept;
  void clear() noexcept { truncate(0); }
  // Drops the first `n` written bytes; their place becomes headroom.
  // Precondition: `n <= size()` (checked). The try_ form answers false and changes nothing.
  void remove_prefix(size_t n);
  [[nodiscard]] bool try_remove_prefix(size_t n) noexcept;

  // Copies `bytes` in front of what is written, of which they may be part. O(bytes) within the
  // headroom; else moves all to a new block with room in front, fails with bad_alloc, and stops on
  // a fixed builder.
  void prepend(ByteView bytes) {
    if (headroom() < bytes.size() || max_size_ - size() < bytes.size()) {
      prepend_slow(bytes);
    } else if (!bytes.empty()) {
      std::memcpy(extend_front(bytes.size()), bytes.data(), bytes.size());
    }
  }
  [[nodiscard]] BIGHT_API bool try_prepend(ByteView bytes);
  // `n` uninitialised bytes in front of what is written; where they are.
  std::byte* extend_front(size_t n) {
    if (headroom() < n || max_size_ - size() < n) reserve_front_slow(n);
    begin_ -= n;
    set_limit();
    return begin_;
  }

  // ---- Freeze, split, join: no byte moves ------------------------------------------------------

  // Freezes what is written and goes on behind it, with `headroom` bytes left free first (from a
  // new block if this one has no room for them). Without anything written: empty bytes, and nothing
  // changes when that much headroom is there.
  // O(1), one reference. Fails with bad_alloc (only when a new block is needed), unchanged.
  [[nodiscard]] Bytes take(size_t headroom = 0);
  // Freezes what is written and ends: the builder is empty and without a block afterwards, and its
  // options are the default ones (as those of a builder that was moved from). The block's
  // reference goes to the result. O(1), no reference taken.
  [[nodiscard]] Bytes freeze() &&;

  // Splits off a builder over the first `n` written bytes (with the headroom); `*this` keeps the
  // rest. Precondition: `n <= size()` (checked). O(1), one reference.
  [[nodiscard]] BytesBuilder split_to(size_t n);
  [[nodiscard]] std::optional<BytesBuilder> try_split_to(size_t n) noexcept;
  // Splits off a builder over everything from `at` on, spare room too; `*this` keeps the first `at`
  // bytes of its capacity. Precondition: `at <= capacity()` (checked). O(1), one reference.
  [[nodiscard]] BytesBuilder split_off(size_t at);
  [[nodiscard]] std::optional<BytesBuilder> try_split_off(size_t at) noexcept;

  // Hands the next `n` spare bytes to another builder, which may be used by another thread; this
  // one goes on behind them. The result is fixed: it never grows, slides or reclaims.
  // What carved builders freeze joins without a copy (Bytes::try_join).
  // Precondition: nothing is written and not yet frozen (take() first), `n <= spare()` (checked).
  // O(1), one reference.
  [[nodiscard]] BytesBuilder carve(size_t n);
  [[nodiscard]] std::optional<BytesBuilder> try_carve(size_t n) noexcept;

  // Takes `next` back in if its region starts where this one ends and this one is full (or `next`
  // is empty, or starts right behind what is written here): the written bytes become one. Empties
  // `next` on success; otherwise changes nothing and returns false. O(1).
  [[nodiscard]] BIGHT_API bool try_join(BytesBuilder&& next) noexcept;

  void swap(BytesBuilder& other) noexcept;
  friend void swap(BytesBuilder& a, BytesBuilder& b) noexcept { a.swap(b); }

  friend bool operator==(const BytesBuilder& a, const BytesBuilder& b) noexcept {
    return ByteView(a) == ByteView(b);
  }
  friend bool operator==(const BytesBuilder& a, const Bytes& b) noexcept {
    return ByteView(a) == ByteView(b);
  }
  friend bool operator==(const BytesBuilder& a, ByteView b) noexcept { return ByteView(a) == b; }
  friend std::strong_ordering operator<=>(const BytesBuilder& a, const BytesBuilder& b) noexcept {
    return ByteView(a) <=> ByteView(b);
  }
  friend std::strong_ordering operator<=>(const BytesBuilder& a, const Bytes& b) noexcept {
    return ByteView(a) <=> ByteView(b);
  }
  friend std::strong_ordering operator<=>(const BytesBuilder& a, ByteView b) noexcept {
    return ByteView(a) <=> b;
  }

 private:
  friend struct internal::Access;
  friend class Bytes;
  friend class ChainBuilder;

  static constexpr uintptr_t kFixed = 2;  // bit of block_: carved
  static constexpr uint32_t kGrowthPercent = 200;
  // A block that a full one is replaced with is at least as large as it was, up to this.
  static constexpr size_t kSameCapacityLimit = size_t{64} << 10;

  internal::Block* block() const noexcept {
    return reinterpret_cast<internal::Block*>(block_ & ~kFixed);
  }
  bool sole() const noexcept { return block_ != 0 && block()->refs.is_one(); }
  // Sets limit_ after begin_ or region_end_ has changed.
  void set_limit() noexcept {
    const size_t room = static_cast<size_t>(region_end_ - begin_);
    limit_ = room <= max_size_ ? region_end_ : begin_ + max_size_;
  }
  // Whether max_size allows `n` more bytes; the other one stops the program when it does not.
  bool allows(size_t n) const noexcept { return n <= max_size_ - size(); }
  void check_allows(size_t n) const;
  BIGHT_API void reserve_slow(size_t n);
  BIGHT_API void reserve_front_slow(size_t n);
  BIGHT_API void append_slow(ByteView bytes);
  BIGHT_API void prepend_slow(ByteView bytes);
  // Where the first of `bytes` stands behind base_; kElsewhere if they are not of this builder.
  static constexpr size_t kElsewhere = static_cast<size_t>(-1);
  size_t place_of(ByteView bytes) const noexcept;
  // Moves what is written to a new block with `front` free bytes before and `back` behind it.
  void move_to_new_block(size_t front, size_t back);
  // Takes the whole block as region; only for the sole holder.
  void claim_block() noexcept;
  // Begins to write in `block`, whose reference it takes over, behind `front` bytes.
  void adopt_block(internal::Block* block, size_t front) noexcept;
  BIGHT_API Bytes take_and_replace_block(size_t headroom);
  // freeze(), with the options kept.
  Bytes freeze_and_leave_block() noexcept;
  // A builder over part of this one's region, with a reference of its own.
  BytesBuilder region(std::byte* base, std::byte* begin, std::byte* end,
                      std::byte* region_end) noexcept;
  // Tells CopyAudit what of the written bytes was copied in.
  void count_sealed() noexcept {
    if (size() > received_) count_sealed_slow();
    received_ = 0;
  }
  BIGHT_API void count_sealed_slow() const noexcept;
  // `n` written bytes go away. Which ones were copied is not known: they are taken to be received
  // ones, so that the audit may count too much but never too little.
  void drop_received(size_t n) noexcept { received_ -= n < received_ ? n : received_; }

  // [base_, region_end_) is this builder's region of the block's storage: no Bytes and no other
  // builder covers a byte of it. All null without a block.
  std::byte* base_ = nullptr;
  std::byte* begin_ = nullptr;  // base_ <= begin_ <= end_ <= limit_; [begin_, end_) is written
  std::byte* end_ = nullptr;
  // The region's end, or begin_ + max_size_ if that is nearer: one comparison heeds both.
  std::byte* limit_ = nullptr;
  std::byte* region_end_ = nullptr;
  // The block's address (one reference held), bit 1: fixed. Bit 0 is never set.
  uintptr_t block_ = 0;
  size_t received_ = 0;  // bytes known to have come by commit(); <= size()
  size_t max_size_ = internal::kMaxSize;
  uint32_t growth_percent_ = kGrowthPercent;
  uint32_t headroom_ = 0;
};

static_assert(sizeof(void*) != 8 || sizeof(BytesBuilder) == 72);
static_assert(std::is_nothrow_move_constructible_v<BytesBuilder> &&
              std::is_nothrow_move_assignable_v<BytesBuilder>);
static_assert(ByteWriter<BytesBuilder> && ByteWriter<SpanWriter>);

// Implementation details follow.

inline BytesBuilder::BytesBuilder(BytesBuilder&& other) noexcept
    : WriterOperations(other),
      base_(std::exchange(other.base_, nullptr)),
      begin_(std::exchange(other.begin_, nullptr)),
      end_(std::exchange(other.end_, nullptr)),
      limit_(std::exchange(other.limit_, nullptr)),
      region_end_(std::exchange(other.region_end_, nullptr)),
      block_(std::exchange(other.block_, 0)),
      received_(std::exchange(other.received_, 0)),
      max_size_(std::exchange(other.max_size_, internal::kMaxSize)),
      growth_percent_(std::exchange(other.growth_percent_, kGrowthPercent)),
      headroom_(std::exchange(other.headroom_, 0)) {}

inline void BytesBuilder::swap(BytesBuilder& other) noexcept {
  std::swap(base_, other.base_);
  std::swap(begin_, other.begin_);
  std::swap(end_, other.end_);
  std::swap(limit_, other.limit_);
  std::swap(region_end_, other.region_end_);
  std::swap(block_, other.block_);
  std::swap(received_, other.received_);
  std::swap(max_size_, other.max_size_);
  std::swap(growth_percent_, other.growth_percent_);
  std::swap(headroom_, other.headroom_);
}

inline BytesBuilder& BytesBuilder::operator=(BytesBuilder&& other) noexcept {
  BytesBuilder taken(std::move(other));
  swap(taken);
  return *this;
}

inline std::optional<std::span<std::byte>> BytesBuilder::try_prepare(size_t n) {
  if (spare() < n && !try_reserve(n)) return std::nullopt;
  return std::span<std::byte>(end_, spare());
}

inline bool BytesBuilder::try_commit(size_t n) noexcept {
  if (spare() < n) return false;
  end_ += n;
  received_ += n;
  return true;
}

inline void BytesBuilder::truncate(size_t n) noexcept {
  if (n >= size()) return;
  drop_received(size() - n);
  end_ = begin_ + n;
}

inline bool BytesBuilder::try_remove_prefix(size_t n) noexcept {
  if (n > size()) return false;
  drop_received(n);
  begin_ += n;
  set_limit();
  return true;
}

inline void BytesBuilder::remove_prefix(size_t n) {
  if (!try_remove_prefix(n)) internal::fail_length("remove_prefix", n, size());
}

template <std::ranges::input_range R>
requires(internal::kIsByte<std::ranges::range_value_t<R>>) void BytesBuilder::append_range(
    R&& range) {
  if constexpr (std::is_convertible_v<R&, ByteView>) {
    append(ByteView(range));
  } else {
    struct Restore {
      BytesBuilder* builder;
      size_t size;
      ~Restore() {
        if (builder != nullptr) builder->truncate(size);
      }
    } restore{this, size()};
    if constexpr (std::ranges::sized_range<R>) reserve(std::ranges::size(range));
    for (auto&& element : range) put_byte(static_cast<std::byte>(element));
    restore.builder = nullptr;
  }
}

inline Bytes BytesBuilder::freeze() && {
  Bytes frozen = freeze_and_leave_block();
  max_size_ = internal::kMaxSize;
  growth_percent_ = kGrowthPercent;
  headroom_ = 0;
  return frozen;
}

inline Bytes BytesBuilder::freeze_and_leave_block() noexcept {
  count_sealed();
  const internal::Segment written{begin_, size(), block_ & ~kFixed};
  base_ = begin_ = end_ = limit_ = region_end_ = nullptr;
  block_ = 0;
  if (written.size == 0) {
    internal::drop_word(written.block);
    return Bytes();
  }
  return Bytes(written);
}

inline Bytes BytesBuilder::take(size_t headroom) {
  if (empty() && this->headroom() >= headroom) return Bytes();
  std::byte* const rest = empty() ? base_ : end_;
  if (static_cast<size_t>(region_end_ - rest) < headroom) return take_and_replace_block(headroom);
  Bytes frozen;
  if (!empty()) {
    count_sealed();
    frozen = Bytes(internal::Segment{begin_, size(), internal::share_word(block_ & ~kFixed)});
  }
  base_ = rest;
  begin_ = end_ = rest + headroom;
  set_limit();
  return frozen;
}

inline BytesBuilder BytesBuilder::split_to(size_t n) {
  if (n > size()) internal::fail_length("BytesBuilder::split_to", n, size());
  const size_t copied = size() - received_;
  BytesBuilder head = region(base_, begin_, begin_ + n, begin_ + n);
  base_ = begin_ = begin_ + n;
  set_limit();
  // What was copied in is counted with the first part.
  head.received_ = copied < n ? n - copied : 0;
  received_ -= head.received_;
  return head;
}

inline std::optional<BytesBuilder> BytesBuilder::try_split_to(size_t n) noexcept {
  if (n > size()) return std::nullopt;
  return split_to(n);
}

inline BytesBuilder BytesBuilder::split_off(size_t at) {
  if (at > capacity()) internal::fail_length("BytesBuilder::split_off", at, capacity());
  std::byte* const cut = begin_ + at;
  if (cut >= end_) {
    BytesBuilder tail = region(cut, cut, cut, region_end_);
    limit_ = region_end_ = cut;
    return tail;
  }
  const size_t copied = size() - received_;
  BytesBuilder tail = region(cut, cut, end_, region_end_);
  limit_ = region_end_ = end_ = cut;
  received_ = copied < at ? at - copied : 0;
  tail.received_ = tail.size() - (copied > at ? copied - at : 0);
  return tail;
}

inline std::optional<BytesBuilder> BytesBuilder::try_split_off(size_t at) noexcept {
  if (at > capacity()) return std::nullopt;
  return split_off(at);
}

inline BytesBuilder BytesBuilder::carve(size_t n) {
  if (!empty()) internal::fail_length("carve with unfrozen bytes written: unfrozen", size(), 0);
  if (n > spare()) internal::fail_length("carve", n, spare());
  BytesBuilder part = region(end_, end_, end_, end_ + n);
  part.block_ |= kFixed;
  base_ = begin_ = end_ = end_ + n;
  set_limit();
  return part;
}

inline std::optional<BytesBuilder> BytesBuilder::try_carve(size_t n) noexcept {
  if (!empty() || n > spare()) return std::nullopt;
  return carve(n);
}

inline BytesBuilder BytesBuilder::region(std::byte* base, std::byte* begin, std::byte* end,
                                         std::byte* region_end) noexcept {
  BytesBuilder part;
  part.base_ = base;
  part.begin_ = begin;
  part.end_ = end;
  part.region_end_ = region_end;
  part.block_ = block_ & kFixed;
  if (block() != nullptr) {
    block()->refs.take();
    part.block_ = block_;
  }
  part.max_size_ = max_size_;
  part.growth_percent_ = growth_percent_;
  part.headroom_ = headroom_;
  part.set_limit();
  return part;
}

BIGHT_NAMESPACE_END

#endif  // BIGHT_BYTES_BUILDER_H_
