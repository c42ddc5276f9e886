// ChainBuilder: writes a stream into blocks and freezes it into Chains without a copy.
//
//   ChainBuilder out;
//   auto length = out.reserve_hole(4);        // filled when it is known
//   out.put_varint(42);
//   out.push_back(body);                      // Bytes or Chain: shared, not copied
//   out.fill_be<uint32_t>(length, 1234);
//   Chain message = out.take();               // the builder goes on in the same block
//
// Growth adds a block and never moves a byte, so what is written stays where it is. The block being
// written is shared by successive messages: small reads do not become small segments, and a 64-byte
// message does not pin a block of its own. BytesBuilder is for bytes that must be contiguous.
//
// Receiving: prepare (or prepare_iovec) hands out room of the blocks themselves, commit takes as
// much of it as was filled; nothing is copied.
//
// Thread safety: as for a standard container; what take() returned is independent of the builder.
#ifndef BIGHT_CHAIN_BUILDER_H_
#define BIGHT_CHAIN_BUILDER_H_

#include <cstddef>
#include <cstdint>
#include <memory>
#include <memory_resource>
#include <optional>
#include <span>
#include <utility>

#include "bight/byte_view.h"
#include "bight/byte_writer.h"
#include "bight/bytes.h"
#include "bight/chain.h"
#include "bight/config.h"
#include "bight/internal/block.h"
#include "bight/internal/check.h"

BIGHT_NAMESPACE_BEGIN

struct ChainBuilderOptions {
  // Payload bytes of the first block; each further one is twice as large, up to max_block.
  size_t min_block = 4096;
  size_t max_block = size_t{64} << 10;
  // The bytes not yet taken never exceed this; a write that would stops the program, its try_ form
  // refuses.
  size_t max_size = internal::kMaxSize;
  // Alignment of every block's start in bytes, a power of two; 0: at least 16.
  size_t alignment = 0;
  // As in BuilderOptions.
  std::pmr::memory_resource* resource = nullptr;
  std::shared_ptr<std::pmr::memory_resource> shared_resource;
};

class ChainBuilder : public WriterOperations<ChainBuilder> {
 public:
  // A place in the stream that reserve_hole() left open. Plain data; belongs to one builder.
  class Hole {
   public:
    Hole() = default;
    size_t size() const noexcept { return size_; }

   private:
    friend class ChainBuilder;
    Hole(uint64_t position, size_t size, uint64_t serial) noexcept
        : position_(position), size_(size), serial_(serial) {}
    uint64_t position_ = 0;  // in the stream since the builder began
    size_t size_ = 0;
    uint64_t serial_ = 0;  // no other hole of the process has it: places are written anew
  };

  // No block; the first write makes one.
  BIGHT_API ChainBuilder() noexcept;
  BIGHT_API explicit ChainBuilder(const ChainBuilderOptions& options);
  BIGHT_API ChainBuilder(ChainBuilder&& other) noexcept;
  BIGHT_API ChainBuilder& operator=(ChainBuilder&& other) noexcept;
  BIGHT_API ~ChainBuilder();

  // ---- Look ------------------------------------------------------------------------------------

  // Bytes written (holes included) and not yet taken.
  size_t size() const noexcept { return sealed_.size() + unsealed(); }
  [[nodiscard]] bool empty() const noexcept { return size() == 0; }
  // Contiguous room in the current block.
  size_t spare() const noexcept { return static_cast<size_t>(limit_ - end_); }
  // Holes that are not filled yet.
  BIGHT_API size_t open_holes() const noexcept;

  // ---- Write -----------------------------------------------------------------------------------
  // put_be, put_le, put_uint_be, put_varint ... and their try_ forms: see WriterOperations.
  // A write that needs a block fails with bad_alloc and changes nothing.

  // Contiguous room for at least `n` bytes, to be filled and then committed. Valid until the next
  // call that writes. A remainder of the current block that is too small is left unused.
  std::span<std::byte> prepare(size_t n) {
    if (BIGHT_UNLIKELY(spare() < n)) refill(n);
    return {end_, spare()};
  }
  // Empty optional when max_size leaves no room for `n`.
  [[nodiscard]] std::optional<std::span<std::byte>> try_prepare(size_t n);
  // Room for `n` bytes in as many pieces as it takes: the rest of the current block, then further
  // blocks, at most `spans.size()` pieces and no more than max_size allows. Returns how many spans
  // it filled; together they may hold less than `n` (when the array is short) or a little more.
  // Blocks that are not committed are kept for the next call. Valid until the next call that
  // writes.
  BIGHT_API size_t prepare_spans(size_t n, std::span<std::span<std::byte>> spans);
#if BIGHT_HAS_IOVEC
  BIGHT_API size_t prepare_iovec(size_t n, std::span<iovec> entries);
#endif
  // Takes the first `n` prepared bytes as written, across pieces (in place: not a copy).
  // Precondition: `n` is at most the room that there is, prepared or not: the rest of the current
  // block and the prepared pieces behind it (checked in every build). Within the current block, and
  // right behind the call that prepared the pieces, it needs no memory and cannot fail. If
  // something was pushed or taken between, a commit across pieces can: bad_alloc, nothing changed.
  void commit(size_t n) {
    if (BIGHT_UNLIKELY(spare() < n)) {
      commit_slow(n);
    } else {
      end_ += n;
      received_ += n;
    }
  }

  // Appends `n` uninitialised contiguous bytes; where they are.
  std::byte* extend(size_t n) {
    if (BIGHT_UNLIKELY(spare() < n)) refill(n);
    std::byte* const place = end_;
    end_ += n;
    return place;
  }
  // The same; null when max_size leaves no room (or there is no block and `n` is 0).
  std::byte* try_extend(size_t n) {
    if (BIGHT_UNLIKELY(spare() < n) && !try_refill(n)) return nullptr;
    std::byte* const place = end_;
    end_ += n;
    return place;
  }
  // Copies `bytes`, into as many blocks as it takes. Counted by CopyAudit when sealed.
  void append(ByteView bytes) {
    if (BIGHT_UNLIKELY(spare() < bytes.size())) {
      append_slow(bytes);
    } else if (!bytes.empty()) {
      std::memcpy(end_, bytes.data(), bytes.size());
      end_ += bytes.size();
    }
  }
  // False and nothing written when max_size leaves no room.
  [[nodiscard]] BIGHT_API bool try_append(ByteView bytes);
  // Appends by sharing: no byte is copied, however small the piece.
  void push_back(const Bytes& bytes) { push_back(Bytes(bytes)); }
  BIGHT_API void push_back(Bytes&& bytes);
  void push_back(const Chain& chain) { push_back(Chain(chain)); }
  BIGHT_API void push_back(Chain&& chain);
  // False and nothing changed, the argument included, when max_size leaves no room.
  [[nodiscard]] bool try_push_back(const Bytes& bytes) { return try_push_back(Bytes(bytes)); }
  [[nodiscard]] BIGHT_API bool try_push_back(Bytes&& bytes);
  [[nodiscard]] bool try_push_back(const Chain& chain) { return try_push_back(Chain(chain)); }
  [[nodiscard]] BIGHT_API bool try_push_back(Chain&& chain);

  // Leaves `n` contiguous bytes open, to be filled later (a length prefix).
  // Fails with bad_alloc, unchanged.
  // A hole of size 0 is never open. A builder that is moved takes its holes along.
  [[nodiscard]] BIGHT_API Hole reserve_hole(size_t n);
  // Empty optional and nothing changed when max_size leaves no room.
  [[nodiscard]] BIGHT_API std::optional<Hole> try_reserve_hole(size_t n);
  // Completes the hole; again overwrites it. Precondition: `bytes.size() == hole.size()`, and the
  // hole is of this builder and not yet taken or truncated away (checked in every build).
  // O(log holes). The try_ form answers false and changes nothing.
  BIGHT_API void fill(Hole hole, ByteView bytes);
  [[nodiscard]] BIGHT_API bool try_fill(Hole hole, ByteView bytes) noexcept;
  template <class T>
  void fill_be(Hole hole, std::type_identity_t<T> value) {
    std::byte bytes[sizeof(T)];
    store_be<T>(bytes, value);
    fill(hole, ByteView(bytes, sizeof(T)));
  }
  template <class T>
  void fill_le(Hole hole, std::type_identity_t<T> value) {
    std::byte bytes[sizeof(T)];
    store_le<T>(bytes, value);
    fill(hole, ByteView(bytes, sizeof(T)));
  }

  // Keeps the first `n` bytes not yet taken; does nothing when there are no more than that. Holes
  // that reach behind them are gone.
  BIGHT_API void truncate(size_t n) noexcept;
  void clear() noexcept { truncate(0); }

  // ---- Freeze: no byte moves -------------------------------------------------------------------

  // Freezes what is written, up to the first open hole, and returns it; the builder goes on behind.
  // O(1), or O(segments taken) when a hole is open. Fails with bad_alloc, unchanged.
  [[nodiscard]] BIGHT_API Chain take();
  // Freezes everything and ends: the builder is empty and without blocks afterwards, and its
  // options are the default ones.
  // Precondition: no open hole (checked in every build).
  [[nodiscard]] BIGHT_API Chain freeze() &&;

  BIGHT_API void swap(ChainBuilder& other) noexcept;
  friend void swap(ChainBuilder& a, ChainBuilder& b) noexcept { a.swap(b); }

 private:
  friend struct internal::Access;
  struct Extra;  // what few builders need: options beyond sizes, holes, prepared blocks

  size_t unsealed() const noexcept { return static_cast<size_t>(end_ - begin_); }
  BIGHT_API void refill(size_t n);
  BIGHT_API bool try_refill(size_t n);
  BIGHT_API void commit_slow(size_t n);
  void prepare_blocks(size_t room);
  void reserve_segments(size_t n);
  void advance(size_t n, bool in_place) noexcept;
  BIGHT_API void append_slow(ByteView bytes);
  void refill_unchecked(size_t n);
  Extra& extra();
  internal::Block* new_block(size_t n);
  void use_block(internal::Block* block) noexcept;
  void set_limit() noexcept;
  internal::Segment uncut_segment() noexcept;
  void mark_cut() noexcept;
  void seal();
  void leave_block() noexcept;

  // Frozen segments that nobody has seen yet: bytes in them are still this builder's to write where
  // they came from its own blocks (holes).
  Chain sealed_;
  // The current block's written and not yet sealed bytes [begin_, end_), and its room up to limit_
  // (less than the block's end when max_size is near). No Bytes covers a byte from begin_ on.
  std::byte* begin_ = nullptr;
  std::byte* end_ = nullptr;
  std::byte* limit_ = nullptr;
  internal::Block* block_ = nullptr;  // one reference, and credits_ more in store for seals
  size_t received_ = 0;               // of the unsealed bytes, how many came by commit()
  uint64_t taken_ = 0;                // stream position of the first byte not yet taken
  size_t next_block_ = 4096;          // payload bytes of the next block
  size_t max_block_ = size_t{64} << 10;
  size_t max_size_ = internal::kMaxSize;
  std::unique_ptr<Extra> extra_;
  uint32_t credits_ = 0;
};

static_assert(std::is_nothrow_move_constructible_v<ChainBuilder> &&
              std::is_nothrow_move_assignable_v<ChainBuilder>);
static_assert(ByteWriter<ChainBuilder>);

// Implementation details follow.

inline std::optional<std::span<std::byte>> ChainBuilder::try_prepare(size_t n) {
  if (spare() < n && !try_refill(n)) return std::nullopt;
  return std::span<std::byte>(end_, spare());
}

BIGHT_NAMESPACE_END

#endif  // BIGHT_CHAIN_BUILDER_H_
