// Chain: separate pieces of bytes that read as one logical stream.
//
//   Chain reply;
//   reply.push_back(header);              // Bytes: shared, no byte is copied
//   reply.push_back(body);                // another Chain: shared too
//   Chain frame = queue.split_to(length); // cut from the front: moves or shares, copies nothing
//
// 64 bytes. Up to two segments stand in the object; more in a table that copies of the chain share:
//
//        edge (one segment, in front or behind)      window over the table
//   [header]                                 [seg][seg][seg][seg][seg] ...
//
// so copying a chain of any length is one atomic increment, and a header put in front of a copy
// is O(1). It is a FIFO queue too: push_back and cuts from the front are O(1) amortised.
//
// When segments are released. A chain that shares its table with no other releases what it consumes
// at once. While a table is shared, a segment in it is released when the last chain that shares
// it lets go, or when the one that is left is next changed. Release hooks (Bytes::with_release)
// run inside such calls; they may use any chain, also the one that was just changed, which is whole
// again by then, but not one that is being destroyed; they must not throw.
//
// A slice pins at most eight times the bytes that it shows (more only by what single blocks hold,
// and by what other chains push into the table while they share it), because below an eighth of
// a table it takes references of its own. A chain that shares a table and has shrunk to less than
// a quarter of it takes its own too; unshare() does so at once.
//
// Thread safety: chains that share segments or a table may be used by different threads at once;
// one Chain object that is changed must not be used by another thread at the same time.
//
// size() is at most SIZE_MAX / 2 and a chain has at most 2^31 - 1 segments; a push beyond
// fails with std::length_error. Every operation that allocates has the strong guarantee: if it
// fails (bad_alloc), nothing has changed, the argument included.
#ifndef BIGHT_CHAIN_H_
#define BIGHT_CHAIN_H_

#include <compare>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <functional>
#include <iosfwd>
#include <iterator>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>

#if defined(__has_include)
#if __has_include(<sys/uio.h>)
#include <sys/uio.h>
#define BIGHT_HAS_IOVEC 1
#endif
#endif
#if !defined(BIGHT_HAS_IOVEC)
#define BIGHT_HAS_IOVEC 0
#endif

#include "bight/byte_view.h"
#include "bight/bytes.h"
#include "bight/config.h"
#include "bight/internal/block.h"
#include "bight/internal/check.h"
#include "bight/internal/segment_table.h"

BIGHT_NAMESPACE_BEGIN

namespace internal {
struct SpanSource;
}  // namespace internal

class SegmentRange;
class OwningSegmentRange;

// A place in a chain: byte `offset` of segment `index`. The end is {segment_count(), 0}.
struct SegmentPosition {
  size_t index = 0;
  size_t offset = 0;
  friend bool operator==(const SegmentPosition&, const SegmentPosition&) = default;
};

// What fill_iovec and fill_spans did: entries used, and the bytes they cover together.
struct GatherFill {
  size_t count = 0;
  size_t bytes = 0;
  friend bool operator==(const GatherFill&, const GatherFill&) = default;
};

class Chain {
 public:
  // ---- Make ------------------------------------------------------------------------------------

  // Empty. Does not allocate.
  Chain() noexcept : size_(0), word_(kInline), inline_{} {}
  // One segment.
  explicit Chain(const Bytes& bytes) noexcept : Chain(Bytes(bytes)) {}
  explicit Chain(Bytes&& bytes) noexcept;
  // Shares all segments: O(1), one reference on the table (plus one on the edge), or at most two
  // on the segments of a chain without a table.
  Chain(const Chain& other) noexcept;
  // Takes everything; `other` is empty afterwards.
  Chain(Chain&& other) noexcept;
  Chain& operator=(const Chain& other) noexcept;
  Chain& operator=(Chain&& other) noexcept;
  // Drops the segments that no other handle keeps: O(segments held alone), without recursion over
  // them (owners that themselves hold chains nest as deep as they do).
  ~Chain() {
    if (is_inline()) {
      drop_inline();
    } else if ((window_.flags & kShared) != 0 && window_.edge.block == 0 && window_.credits == 0) {
      if (table()->refs.drop()) drop_dead_table();
    } else {
      drop_window();
    }
  }

  // ---- Look ------------------------------------------------------------------------------------

  size_t size() const noexcept { return size_; }
  [[nodiscard]] bool empty() const noexcept { return size_ == 0; }
  // How many segments; none is empty. O(1).
  size_t segment_count() const noexcept;
  // The `i`-th segment's bytes. Valid until the chain releases the segment (moving or copying the
  // chain keeps it). Precondition: `i < segment_count()` (checked in every build). O(1).
  std::span<const std::byte> segment(size_t i) const noexcept;
  // The same as an owned handle. One reference.
  [[nodiscard]] Bytes segment_bytes(size_t i) const;
  // The first segment. Precondition: not empty (checked).
  std::span<const std::byte> front() const noexcept { return segment(0); }
  // All segments, a random-access sized range of spans that is valid until the chain changes;
  // of an rvalue the range owns the chain.
  SegmentRange segments() const& noexcept;
  OwningSegmentRange segments() && noexcept;

  // The byte at `position`. Precondition: `position < size()` (checked in every build).
  // O(1) for segments of like sizes (one interpolated guess), else O(log segments).
  std::byte operator[](size_t position) const noexcept;
  std::optional<std::byte> try_at(size_t position) const noexcept;
  // Which segment holds `position`; {segment_count(), 0} for size().
  // Precondition: `position <= size()` (checked). Cost as for operator[].
  BIGHT_API SegmentPosition locate(size_t position) const noexcept;

  // Entries for a gather write of the bytes from `from` on, at most `max_bytes` of them: fills
  // `entries` from its start until they or the bytes run out (the last one is trimmed to
  // max_bytes). Returns how many it filled and the bytes they cover; entries behind are untouched.
  // Allocates nothing. Precondition: `from <= size()` (checked). O(entries + locating `from`).
  BIGHT_API GatherFill fill_spans(std::span<std::span<const std::byte>> entries, size_t from = 0,
                                  size_t max_bytes = static_cast<size_t>(-1)) const noexcept;
#if BIGHT_HAS_IOVEC
  GatherFill fill_iovec(std::span<iovec> entries, size_t from = 0,
                        size_t max_bytes = static_cast<size_t>(-1)) const noexcept;
#endif

  // The first `value` at or after `from`. None when `from > size()`.
  // O(bytes looked at) + locating `from`: to go on searching, start at the position reached.
  BIGHT_API std::optional<size_t> find(std::byte value, size_t from = 0) const noexcept;
  std::optional<size_t> find(char value, size_t from = 0) const noexcept {
    return find(static_cast<std::byte>(value), from);
  }
  std::optional<size_t> find(uint8_t value, size_t from = 0) const noexcept {
    return find(static_cast<std::byte>(value), from);
  }
  std::optional<size_t> find(int, size_t = 0) const = delete;  // say which byte: char or std::byte
  // The first place of `needle` that lies wholly in `[from, from + limit)`, also across segments.
  // An empty needle is found at `from` when `from <= size()`. O(bytes looked at + needle), whatever
  // they hold. A long needle may allocate: fails with bad_alloc.
  BIGHT_API std::optional<size_t> find(ByteView needle, size_t from = 0,
                                       size_t limit = static_cast<size_t>(-1)) const;
  BIGHT_API std::optional<size_t> find(const Chain& needle, size_t from = 0,
                                       size_t limit = static_cast<size_t>(-1)) const;
  BIGHT_API bool starts_with(ByteView prefix) const noexcept;
  BIGHT_API bool starts_with(const Chain& prefix) const noexcept;
  BIGHT_API bool ends_with(ByteView suffix) const noexcept;
  BIGHT_API bool ends_with(const Chain& suffix) const noexcept;

  // Copies bytes from `from` on to `to` until either ends; returns how many. Counted by CopyAudit.
  // Precondition: `from <= size()` (checked).
  BIGHT_API size_t copy_to(std::span<std::byte> to, size_t from = 0) const noexcept;
  // Appends all bytes to `to`. Copies them. Fails with bad_alloc.
  BIGHT_API void append_to(std::string& to) const;
  BIGHT_API std::string to_string() const;
  // All bytes when they are contiguous already (no or one segment), else empty optional.
  std::optional<std::span<const std::byte>> try_flat() const noexcept;
  // All bytes as one contiguous handle: shared when there is one segment, else copied once.
  // Fails with bad_alloc. Counted by CopyAudit.
  [[nodiscard]] BIGHT_API Bytes flatten() const;
  // The same content, its segments compacted (Bytes::compact) and small neighbours merged into
  // blocks that they fill, so that nothing but what is shown stays pinned. Copies what it must.
  // Fails with bad_alloc.
  [[nodiscard]] BIGHT_API Chain compact() const;

  // Bytes of memory that this chain keeps from being freed: every distinct block once, and the
  // table. While the table is shared only the chain's own window counts. O(segments log segments);
  // fails with bad_alloc.
  BIGHT_API size_t retained_size() const;
  // The same hash as Bytes and ByteView of the same content. O(size).
  BIGHT_API uint64_t hash() const noexcept;

  // ---- Grow ------------------------------------------------------------------------------------
  // Pushing shares the bytes and copies none. A piece that continues the one next to it in the same
  // block joins it: one segment (while the table is not shared). Empty pieces add nothing.
  // Amortised O(1) a segment; the second push onto a copy whose table is shared may take references
  // to all its segments, O(segments), and the chain is then on its own.
  // Invalidates segment ranges and cursors of `*this`; spans stay valid.

  void push_back(const Bytes& bytes);
  void push_back(Bytes&& bytes);
  void push_front(const Bytes& bytes) { push_front(Bytes(bytes)); }
  void push_front(Bytes&& bytes);
  // O(segments of `chain`), or O(1) when one of the two has at most one segment. `chain` may be
  // `*this`. Another rvalue is empty afterwards.
  void push_back(const Chain& chain) { push_back(Chain(chain)); }
  BIGHT_API void push_back(Chain&& chain);
  void push_front(const Chain& chain) { push_front(Chain(chain)); }
  BIGHT_API void push_front(Chain&& chain);
  // Copies `bytes` into a block of its own and pushes that. Counted by CopyAudit.
  void push_copy(ByteView bytes) { push_back(Bytes::copy_of(bytes)); }

  // ---- Cut and drop: no byte moves -------------------------------------------------------------
  // Invalidates segment ranges and cursors of `*this`; spans stay valid as long as some handle
  // keeps their segment.

  // Drops the first `n` bytes. O(1) within the first segment, else O(segments dropped).
  // Precondition: `n <= size()` (checked in every build).
  void consume(size_t n) noexcept;
  // False and nothing changed when `n > size()`.
  [[nodiscard]] bool try_consume(size_t n) noexcept;
  // Drops what there is, at most `n` bytes; returns how many.
  size_t consume_up_to(size_t n) noexcept;
  // Drops the last `n` bytes. Precondition: `n <= size()` (checked).
  void remove_suffix(size_t n) noexcept;
  [[nodiscard]] bool try_remove_suffix(size_t n) noexcept;
  // Keeps the first `n` bytes; does nothing when there are no more than that.
  void truncate(size_t n) noexcept {
    if (n < size_) remove_suffix(size_ - n);
  }
  // Drops everything, the table included.
  void clear() noexcept { Chain dropped(std::move(*this)); }

  // Splits off the first `n` bytes and returns them; `*this` keeps the rest.
  // Precondition: `n <= size()` (checked). O(1) within the first segment (several cuts from one
  // segment share one atomic operation), else O(segments cut).
  [[nodiscard]] Chain split_to(size_t n);
  // Empty optional when there are not so many bytes, also when a release hook that had to run first
  // has taken them.
  [[nodiscard]] std::optional<Chain> try_split_to(size_t n);
  // Splits off all but the first `n` bytes and returns them; `*this` keeps the first `n`.
  [[nodiscard]] BIGHT_API Chain split_off(size_t n);
  [[nodiscard]] BIGHT_API std::optional<Chain> try_split_off(size_t n);
  // Removes the first segment and returns it. Precondition: not empty (checked).
  [[nodiscard]] BIGHT_API Bytes pop();
  [[nodiscard]] BIGHT_API std::optional<Bytes> try_pop();

  // `[position, position + count)` as a chain of its own. Precondition: the range lies in
  // `[0, size()]` (checked). O(log segments) when it shares the table (more than two segments
  // and at least an eighth of the table's bytes), else O(segments shown), one reference each.
  [[nodiscard]] BIGHT_API Chain slice(size_t position, size_t count) const;
  [[nodiscard]] std::optional<Chain> try_slice(size_t position, size_t count) const;
  // Turns a borrowed view of this chain's bytes (inside one segment) back into an owned slice.
  // An empty view gives empty bytes. Precondition: the view lies inside (checked). O(segments).
  [[nodiscard]] BIGHT_API Bytes slice_ref(ByteView part) const;
  [[nodiscard]] BIGHT_API std::optional<Bytes> try_slice_ref(ByteView part) const;

  // ---- Rearrange -------------------------------------------------------------------------------

  // Makes the first `n` bytes contiguous and returns them: nothing happens when they are, otherwise
  // these `n` bytes are copied into one block. Precondition: `n <= size()` (checked).
  // Fails with bad_alloc. Counted by CopyAudit.
  BIGHT_API std::span<const std::byte> pull_up(size_t n);
  // Empty optional when `n > size()`.
  [[nodiscard]] std::optional<std::span<const std::byte>> try_pull_up(size_t n);
  // The `i`-th segment's bytes to write in place, if no other handle, chain or builder can see
  // them. Valid until the chain changes or is copied. Precondition: `i < segment_count()`.
  [[nodiscard]] BIGHT_API std::optional<std::span<std::byte>> try_mutable(size_t i) noexcept;
  // Takes references of its own to the segments shown, so that it pins nothing else and releases at
  // once what it consumes. O(segments) when the table is shared, else O(1). Fails with bad_alloc.
  BIGHT_API void unshare();

  void swap(Chain& other) noexcept;
  friend void swap(Chain& a, Chain& b) noexcept { a.swap(b); }

  // ---- Compare, hash, print --------------------------------------------------------------------

  // As the bytes compare (unsigned), whatever the segmentation. O(bytes).
  friend bool operator==(const Chain& a, const Chain& b) noexcept { return a.equal(b); }
  friend bool operator==(const Chain& a, const Bytes& b) noexcept { return a.equal(ByteView(b)); }
  friend bool operator==(const Chain& a, ByteView b) noexcept { return a.equal(b); }
  friend std::strong_ordering operator<=>(const Chain& a, const Chain& b) noexcept {
    return a.compare(b);
  }
  friend std::strong_ordering operator<=>(const Chain& a, const Bytes& b) noexcept {
    return a.compare(ByteView(b));
  }
  friend std::strong_ordering operator<=>(const Chain& a, ByteView b) noexcept {
    return a.compare(b);
  }
  // Writes the bytes as they are (see dump.h for escaped text and hex).
  BIGHT_API friend std::ostream& operator<<(std::ostream& out, const Chain& chain);
  // How GoogleTest shows it: escaped text between quotes.
  BIGHT_API friend void PrintTo(const Chain& chain, std::ostream* out);
  template <class Sink>
  friend void AbslStringify(Sink& sink, const Chain& chain) {
    for (size_t i = 0; i < chain.segment_count(); ++i) {
      const std::span<const std::byte> bytes = chain.segment(i);
      sink.Append({reinterpret_cast<const char*>(bytes.data()), bytes.size()});
    }
  }
  template <class H>
  friend H AbslHashValue(H state, const Chain& chain) {
    return H::combine(std::move(state), chain.hash());
  }

  // For tests and debugging: stops the program when an invariant of the representation is broken.
  // Reads the whole table when it is not shared, else this chain's window. O(segments).
  BIGHT_API void check_invariants() const noexcept;

 private:
  friend struct internal::Access;
  friend class ChainBuilder;
  friend class Cursor;
  friend BIGHT_API void splice(Chain& chain, size_t position, size_t count, Chain replacement);

  using Segment = internal::Segment;
  using SegmentTable = internal::SegmentTable;

  // word_ when inline: bit 0 set; bit 1: a reference was already cut from the front segment; from
  // bit 2 on: credits, references on the front segment's block that are held in store.
  static constexpr uintptr_t kInline = 1;
  static constexpr uintptr_t kInlineCut = 2;
  static constexpr uintptr_t kInlineCredit = 4;
  // window_.flags.
  static constexpr uint16_t kEdgeFront = 1;
  static constexpr uint16_t kEdgeBack = 2;
  // When the table is unique and its tail is `last`, nothing dead lies in it, its last slot ends
  // where the window does, and no edge stands behind: a push may write the next slot.
  static constexpr uint16_t kTidy = 8;
  // Born by copy or slice: probably not the table's last holder, so that its drop goes straight to
  // the decrement.
  static constexpr uint16_t kShared = 16;
  static constexpr uint16_t kNotTidy = 0xffff ^ kTidy;
  // Most references taken at once for cuts: 64 makes the atomic 1.5 % of 64 cuts.
  static constexpr uint32_t kCreditBatch = 64;

  struct Window {
    // One segment before or behind the window, as flags say; all zero if there is none.
    Segment edge;
    size_t begin;  // stream position of the window's first byte, in slot `first`
    // Slots [first, last) meet the window. `last` and `known` do not stand side by side: a compiler
    // would store both at once through a vector register, and the next push would wait for it.
    uint32_t last;
    uint32_t first;
    // Slots [head, known) are filled and may be read by this chain, shared or not: it, or the chain
    // that it was copied from, has shown them. At least `last`; `last` itself when tidy.
    uint32_t known;
    uint16_t credits;  // references on slot `first`'s block that are held in store
    uint16_t flags;
  };

  explicit Chain(Segment segment) noexcept
      : size_(segment.size), word_(kInline), inline_{segment, {}} {}

  bool is_inline() const noexcept { return (word_ & kInline) != 0; }
  uint32_t inline_credits() const noexcept { return static_cast<uint32_t>(word_ / kInlineCredit); }
  SegmentTable* table() const noexcept { return reinterpret_cast<SegmentTable*>(word_); }
  // Bytes shown of the table.
  size_t window_size() const noexcept { return size_ - window_.edge.size; }

  size_t front_size() const noexcept;
  void advance_front(size_t n) noexcept;
  // A word with a reference to the front segment's block, for a cut of `n` of its bytes.
  uintptr_t take_front_reference(size_t n, size_t rest);
  BIGHT_API void take_references_slow(internal::Block* block, size_t n, size_t rest);
  void drop_inline() noexcept {
    internal::drop_word(inline_[0].block, 1 + inline_credits());
    internal::drop_word(inline_[1].block);
  }
  BIGHT_API void drop_window() noexcept;
  BIGHT_API void drop_dead_table() noexcept;
  BIGHT_API void consume_slow(size_t n) noexcept;
  BIGHT_API void remove_suffix_slow(size_t n) noexcept;
  // False when there are not so many bytes (any more).
  [[nodiscard]] BIGHT_API bool split_to_slow(size_t n, Chain& head);
  [[nodiscard]] bool split_off_into(size_t n, Chain& rest);
  // Take `segment` over and leave it empty; a hook may empty it before.
  BIGHT_API void push_back_slow(Segment& segment);
  BIGHT_API void push_front_slow(Segment& segment);
  // Pushes where that takes nothing but writing the next slot; otherwise changes nothing.
  bool push_back_fast(Segment segment) noexcept;
  bool push_front_fast(Segment segment) noexcept;
  // push_back_slow; the segment's reference is dropped if it fails.
  BIGHT_API void push_back_owned(Segment segment);
  // For ChainBuilder, which must not need memory once bytes have been read. Memory for a table of
  // at least `segments`, whose capacity it makes that; what fill_table() has not used goes to
  // free_table_memory().
  static void* allocate_table_memory(uint32_t& segments);
  static void free_table_memory(void* memory, uint32_t capacity) noexcept;
  // Pushes `segments`, more than two, over such memory, which it uses up. The chain is empty.
  void fill_table(void* memory, uint32_t capacity, std::span<const Segment> segments) noexcept;
  // Makes room behind a chain that is not empty: pushing `k` segments needs no memory afterwards.
  void reserve_back(size_t k);
  static bool may_continue(uintptr_t block, uintptr_t next) noexcept {
    return ((block ^ next) & ~internal::kSharedHint) == 0;
  }
  BIGHT_API std::byte window_byte(size_t position) const noexcept;
#if BIGHT_HAS_IOVEC
  BIGHT_API GatherFill fill_iovec_slow(std::span<iovec> entries, size_t from,
                                       size_t max_bytes) const noexcept;
#endif
  BIGHT_API bool equal(const Chain& other) const noexcept;
  BIGHT_API bool equal(ByteView other) const noexcept;
  BIGHT_API std::strong_ordering compare(const Chain& other) const noexcept;
  BIGHT_API std::strong_ordering compare(ByteView other) const noexcept;
  // This chain's segments as find() walks over them. Valid until the chain changes.
  BIGHT_API internal::SpanSource search_source() const noexcept;
  struct Ops;  // the private steps of src/chain.cc

  size_t size_;     // all bytes: inline segments, or edge and window
  uintptr_t word_;  // kInline and its bits, or the table's address (one reference held)
  union {
    // [0] is empty only if both are, that is if the chain is.
    Segment inline_[2];
    Window window_;
  };
};

static_assert(sizeof(void*) != 8 || sizeof(Chain) == 64);
static_assert(std::is_nothrow_move_constructible_v<Chain> &&
              std::is_nothrow_move_assignable_v<Chain>);

// Replaces `[position, position + count)` of `chain` by `replacement`: inserts with count 0, erases
// with an empty replacement. No byte moves. Precondition: the range lies in `[0, size()]`
// (checked). O(segments). Strong guarantee. `splice(c, p, n, std::move(c))` empties `c` first.
BIGHT_API void splice(Chain& chain, size_t position, size_t count, Chain replacement);

// Implementation details follow.

// A random-access iterator over a chain's segments.
class SegmentIterator {
 public:
  using iterator_category = std::input_iterator_tag;
  using iterator_concept = std::random_access_iterator_tag;
  using value_type = std::span<const std::byte>;
  using difference_type = ptrdiff_t;
  using reference = value_type;
  using pointer = void;

  SegmentIterator() = default;
  SegmentIterator(const Chain* chain, size_t index) noexcept : chain_(chain), index_(index) {}

  reference operator*() const noexcept { return chain_->segment(index_); }
  reference operator[](difference_type n) const noexcept { return *(*this + n); }
  SegmentIterator& operator++() noexcept { return *this += 1; }
  SegmentIterator operator++(int) noexcept { return std::exchange(*this, *this + 1); }
  SegmentIterator& operator--() noexcept { return *this -= 1; }
  SegmentIterator operator--(int) noexcept { return std::exchange(*this, *this - 1); }
  SegmentIterator& operator+=(difference_type n) noexcept {
    index_ += static_cast<size_t>(n);
    return *this;
  }
  SegmentIterator& operator-=(difference_type n) noexcept {
    index_ -= static_cast<size_t>(n);
    return *this;
  }
  friend SegmentIterator operator+(SegmentIterator it, difference_type n) noexcept {
    return it += n;
  }
  friend SegmentIterator operator+(difference_type n, SegmentIterator it) noexcept {
    return it += n;
  }
  friend SegmentIterator operator-(SegmentIterator it, difference_type n) noexcept {
    return it -= n;
  }
  friend difference_type operator-(const SegmentIterator& a, const SegmentIterator& b) noexcept {
    return static_cast<difference_type>(a.index_ - b.index_);
  }
  friend bool operator==(const SegmentIterator& a, const SegmentIterator& b) noexcept {
    return a.index_ == b.index_;
  }
  friend auto operator<=>(const SegmentIterator& a, const SegmentIterator& b) noexcept {
    return a.index_ <=> b.index_;
  }

 private:
  const Chain* chain_ = nullptr;
  size_t index_ = 0;
};

class SegmentRange {
 public:
  explicit SegmentRange(const Chain& chain) noexcept : chain_(&chain) {}
  SegmentIterator begin() const noexcept { return {chain_, 0}; }
  SegmentIterator end() const noexcept { return {chain_, chain_->segment_count()}; }
  size_t size() const noexcept { return chain_->segment_count(); }
  [[nodiscard]] bool empty() const noexcept { return chain_->empty(); }
  std::span<const std::byte> operator[](size_t i) const noexcept { return chain_->segment(i); }

 private:
  const Chain* chain_;
};

class OwningSegmentRange {
 public:
  explicit OwningSegmentRange(Chain&& chain) noexcept : chain_(std::move(chain)) {}
  SegmentIterator begin() const noexcept { return {&chain_, 0}; }
  SegmentIterator end() const noexcept { return {&chain_, chain_.segment_count()}; }
  size_t size() const noexcept { return chain_.segment_count(); }
  [[nodiscard]] bool empty() const noexcept { return chain_.empty(); }
  std::span<const std::byte> operator[](size_t i) const noexcept { return chain_.segment(i); }

 private:
  Chain chain_;
};

inline SegmentRange Chain::segments() const& noexcept { return SegmentRange(*this); }
inline OwningSegmentRange Chain::segments() && noexcept {
  return OwningSegmentRange(std::move(*this));
}

inline Chain::Chain(Bytes&& bytes) noexcept
    : size_(bytes.size()), word_(kInline), inline_{bytes.segment_, {}} {
  // An empty handle may carry an address; an empty chain does not.
  if (size_ == 0) inline_[0] = {};
  bytes.segment_ = {};
}

inline Chain::Chain(const Chain& other) noexcept : size_(other.size_), word_(other.word_) {
  if (is_inline()) {
    word_ = kInline;
    inline_[0] = other.inline_[0];
    inline_[1] = other.inline_[1];
    inline_[0].block = internal::share_word(inline_[0].block);
    inline_[1].block = internal::share_word(inline_[1].block);
  } else {
    table()->refs.take();
    window_ = other.window_;
    window_.edge.block = internal::share_word(window_.edge.block);
    window_.credits = 0;
    window_.flags |= kShared;
  }
}

inline Chain::Chain(Chain&& other) noexcept : size_(other.size_), word_(other.word_) {
  if (is_inline()) {
    inline_[0] = internal::by_words(other.inline_[0]);
    inline_[1] = internal::by_words(other.inline_[1]);
  } else {
    window_ = other.window_;
  }
  other.size_ = 0;
  other.word_ = kInline;
  other.inline_[0] = {};
  other.inline_[1] = {};
}

inline void Chain::swap(Chain& other) noexcept {
  if (&other == this) return;
  Chain taken(std::move(other));
  ::new (static_cast<void*>(&other)) Chain(std::move(*this));
  ::new (static_cast<void*>(this)) Chain(std::move(taken));
}

inline Chain& Chain::operator=(const Chain& other) noexcept {
  Chain copy(other);
  swap(copy);
  return *this;
}

inline Chain& Chain::operator=(Chain&& other) noexcept {
  if (size_ == 0 && word_ == kInline) {
    // Nothing to drop, the usual case of a chain that is filled again and again.
    if (&other != this) ::new (static_cast<void*>(this)) Chain(std::move(other));
    return *this;
  }
  Chain taken(std::move(other));
  swap(taken);
  return *this;
}

inline size_t Chain::segment_count() const noexcept {
  if (is_inline()) return size_t{inline_[0].size != 0} + size_t{inline_[1].size != 0};
  return size_t{window_.last - window_.first} + size_t{window_.edge.size != 0};
}

inline std::span<const std::byte> Chain::segment(size_t i) const noexcept {
  if (BIGHT_UNLIKELY(i >= segment_count())) {
    internal::fail_index("segment", i, segment_count());
  }
  if (is_inline()) return {inline_[i].data, inline_[i].size};
  if ((window_.flags & kEdgeFront) != 0) {
    if (i == 0) return {window_.edge.data, window_.edge.size};
    --i;
  }
  const uint32_t s = window_.first + static_cast<uint32_t>(i);
  if (s >= window_.last) return {window_.edge.data, window_.edge.size};
  const SegmentTable* const t = table();
  const size_t* const starts = t->starts();
  // Positions modulo 2^64, so only differences mean anything: from the window's begin.
  const size_t from = i == 0 ? 0 : starts[s] - window_.begin;
  const size_t to = s + 1 == window_.last ? window_size() : starts[s + 1] - window_.begin;
  const std::byte* const data =
      t->slots()[s].data + (s == window_.first ? window_.begin - starts[s] : 0);
  return {data, to - from};
}

#if BIGHT_HAS_IOVEC
inline GatherFill Chain::fill_iovec(std::span<iovec> entries, size_t from,
                                    size_t max_bytes) const noexcept {
  if (is_inline() && from == 0 && max_bytes >= size_ && entries.size() >= 2 && size_ != 0) {
    entries[0] = {const_cast<std::byte*>(inline_[0].data), inline_[0].size};
    if (inline_[1].size == 0) return {1, size_};
    entries[1] = {const_cast<std::byte*>(inline_[1].data), inline_[1].size};
    return {2, size_};
  }
  return fill_iovec_slow(entries, from, max_bytes);
}
#endif

inline std::byte Chain::operator[](size_t position) const noexcept {
  if (BIGHT_UNLIKELY(position >= size_)) internal::fail_index("Chain[] byte", position, size_);
  if (is_inline()) {
    // A choice of two words, where a jump would be as hard to foresee as the position.
    const size_t first = inline_[0].size;
    const size_t i = position < first ? 0 : 1;
    return inline_[i].data[position - (i != 0 ? first : 0)];
  }
  return window_byte(position);
}

inline std::optional<std::byte> Chain::try_at(size_t position) const noexcept {
  if (position >= size_) return std::nullopt;
  return (*this)[position];
}

inline std::optional<std::span<const std::byte>> Chain::try_flat() const noexcept {
  if (size_ == 0) return std::span<const std::byte>();
  if (segment_count() != 1) return std::nullopt;
  return segment(0);
}

inline size_t Chain::front_size() const noexcept {
  if (is_inline()) return inline_[0].size;
  if ((window_.flags & kEdgeFront) != 0) return window_.edge.size;
  const size_t in_slot = table()->starts()[window_.first + 1] - window_.begin;
  const size_t shown = window_size();
  return in_slot < shown ? in_slot : shown;
}

inline void Chain::advance_front(size_t n) noexcept {
  size_ -= n;
  if (is_inline()) {
    inline_[0].data += n;
    inline_[0].size -= n;
  } else if ((window_.flags & kEdgeFront) != 0) {
    window_.edge.data += n;
    window_.edge.size -= n;
  } else {
    window_.begin += n;
  }
}

inline void Chain::consume(size_t n) noexcept {
  if (BIGHT_LIKELY(n < front_size())) {
    advance_front(n);
  } else {
    if (n > size_) internal::fail_length("consume", n, size_);
    consume_slow(n);
  }
}

inline bool Chain::try_consume(size_t n) noexcept {
  if (n > size_) return false;
  consume(n);
  return true;
}

inline size_t Chain::consume_up_to(size_t n) noexcept {
  if (n > size_) n = size_;
  consume(n);
  return n;
}

inline void Chain::remove_suffix(size_t n) noexcept {
  if (n > size_) internal::fail_length("remove_suffix", n, size_);
  remove_suffix_slow(n);
}

inline bool Chain::try_remove_suffix(size_t n) noexcept {
  if (n > size_) return false;
  remove_suffix_slow(n);
  return true;
}

inline uintptr_t Chain::take_front_reference(size_t n, size_t rest) {
  uintptr_t word;
  if (is_inline()) {
    word = inline_[0].block;
    if (BIGHT_LIKELY(word_ >= kInlineCredit)) {
      word_ -= kInlineCredit;
      return word | internal::kSharedHint;
    }
  } else if ((window_.flags & kEdgeFront) != 0) {
    return internal::share_word(window_.edge.block);
  } else {
    word = table()->slots()[window_.first].block;
    if (BIGHT_LIKELY(window_.credits != 0)) {
      --window_.credits;
      return word | internal::kSharedHint;
    }
  }
  if (word == 0) return 0;
  take_references_slow(internal::block_of(word), n, rest);
  return word | internal::kSharedHint;
}

inline Chain Chain::split_to(size_t n) {
  const size_t front = front_size();
  if (BIGHT_LIKELY(n < front && n != 0)) {
    const std::byte* data;
    if (is_inline()) {
      data = inline_[0].data;
    } else if ((window_.flags & kEdgeFront) != 0) {
      data = window_.edge.data;
    } else {
      const SegmentTable* const t = table();
      data = t->slots()[window_.first].data + (window_.begin - t->starts()[window_.first]);
    }
    const uintptr_t word = take_front_reference(n, front - n);
    advance_front(n);
    return Chain(Segment{data, n, word});
  }
  Chain head;
  if (n > size_ || !split_to_slow(n, head)) internal::fail_length("split_to", n, size_);
  return head;
}

inline std::optional<Chain> Chain::try_split_to(size_t n) {
  if (n < front_size()) return split_to(n);
  std::optional<Chain> head(std::in_place);
  if (n > size_ || !split_to_slow(n, *head)) head.reset();
  return head;
}

inline std::optional<Chain> Chain::try_slice(size_t position, size_t count) const {
  if (position > size_ || size_ - position < count) return std::nullopt;
  return slice(position, count);
}

inline std::optional<std::span<const std::byte>> Chain::try_pull_up(size_t n) {
  if (n > size_) return std::nullopt;
  return pull_up(n);
}

inline bool Chain::push_back_fast(Segment s) noexcept {
  const size_t size = size_ + s.size;  // both at most kMaxSize
  if (BIGHT_UNLIKELY(size > internal::kMaxSize)) return false;
  if (is_inline()) {
    if (inline_[1].size != 0 || size_ == 0 || may_continue(inline_[0].block, s.block)) return false;
    inline_[1] = s;
    size_ = size;
    return true;
  }
  SegmentTable* const t = table();
  const uint32_t last = window_.last;
  // The count first: only when it is one do the other fields belong to this thread.
  if (BIGHT_UNLIKELY((window_.flags & kTidy) == 0 || !t->refs.is_one() || t->end() != last ||
                     last == t->capacity) ||
      may_continue(t->slots()[last - 1].block, s.block)) {
    return false;
  }
  t->slots()[last] = {s.data, s.block};
  // The same as starts[last] + s.size, but no load waits for the store of the push before.
  t->starts()[last + 1] = window_.begin + (size - window_.edge.size);
  window_.last = last + 1;
  window_.known = last + 1;
  t->set_end(last + 1);
  size_ = size;
  return true;
}

inline void Chain::push_back(const Bytes& bytes) {
  Segment s = bytes.segment_;
  if (s.size == 0) return;
  s.block = internal::share_word(s.block);
  if (!push_back_fast(s)) push_back_owned(s);
}

inline void Chain::push_back(Bytes&& bytes) {
  const Segment s = bytes.segment_;
  if (s.size == 0) return;
  if (push_back_fast(s)) {
    bytes.segment_ = {};
  } else {
    push_back_slow(bytes.segment_);
  }
}

inline bool Chain::push_front_fast(Segment s) noexcept {
  const size_t size = size_ + s.size;  // both at most kMaxSize
  // Inline, nothing in store for the front segment, and room for a second.
  if ((word_ | kInlineCut) != (kInline | kInlineCut) || inline_[1].size != 0 || size_ == 0 ||
      size > internal::kMaxSize || may_continue(s.block, inline_[0].block)) {
    return false;
  }
  inline_[1] = internal::by_words(inline_[0]);
  inline_[0] = s;
  word_ = kInline;
  size_ = size;
  return true;
}

inline void Chain::push_front(Bytes&& bytes) {
  if (bytes.empty()) return;
  if (push_front_fast(bytes.segment_)) {
    bytes.segment_ = {};
    return;
  }
  push_front_slow(bytes.segment_);
}

BIGHT_NAMESPACE_END

template <>
struct std::hash<bight::Chain> {
  size_t operator()(const bight::Chain& chain) const noexcept {
    return static_cast<size_t>(chain.hash());
  }
};

#endif  // BIGHT_CHAIN_H_
