// Bytes: an owned, immutable, contiguous slice of a reference-counted block.
//
//   Bytes hello = Bytes::copy_of("hello world");
//   Bytes world = hello.slice(6, 5);      // shares the block: no byte moves, one atomic increment
//
// Three words: where the bytes are, how many, and the block that keeps them. Copying a handle takes
// a reference, moving one costs nothing. The bytes never move while any handle to their block
// lives, however handles are moved, so views, iovecs in flight and joins may rest on their
// address. An empty Bytes pins nothing.
//
// Use Chain for separate buffers that read as one stream, BytesBuilder to make bytes in place.
//
// Thread safety: as for std::shared_ptr. Handles that share a block may be used, copied and dropped
// by different threads at once; one handle object that is changed must not be used by another
// thread at the same time.
#ifndef BIGHT_BYTES_H_
#define BIGHT_BYTES_H_

#include <array>
#include <compare>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <initializer_list>
#include <iosfwd>
#include <memory>
#include <memory_resource>
#include <new>
#include <optional>
#include <ranges>
#include <span>
#include <string_view>
#include <type_traits>
#include <utility>

#include "bight/byte_view.h"
#include "bight/config.h"
#include "bight/internal/block.h"
#include "bight/internal/check.h"

BIGHT_NAMESPACE_BEGIN

class Bytes;
class BytesBuilder;
class Chain;
class ChainBuilder;

// The storage of a string literal or of another constant with static storage: what
// Bytes::from_static takes. Made at compile time only, so that a temporary, a stack array or
// anything else that dies is refused by the compiler.
class StaticBytes {
 public:
  // A literal without its NUL.
  template <size_t N>
  consteval StaticBytes(const char (&text)[N]) noexcept  // NOLINT: implicit by design
      : chars_(text), size_(text[N - 1] == '\0' ? N - 1 : N) {}
  template <size_t N>
  consteval StaticBytes(const char8_t (&text)[N]) noexcept  // NOLINT
      : utf8_(text), size_(text[N - 1] == u8'\0' ? N - 1 : N) {}
  // All of a constexpr array with static storage.
  template <size_t N>
  consteval StaticBytes(const std::byte (&bytes)[N]) noexcept  // NOLINT
      : bytes_(bytes), size_(N) {}
  template <size_t N>
  consteval StaticBytes(const unsigned char (&bytes)[N]) noexcept  // NOLINT
      : u8_(bytes), size_(N) {}
  template <size_t N>
  consteval StaticBytes(const std::array<char, N>& bytes) noexcept  // NOLINT
      : chars_(bytes.data()), size_(N) {}
  template <size_t N>
  consteval StaticBytes(const std::array<std::byte, N>& bytes) noexcept  // NOLINT
      : bytes_(bytes.data()), size_(N) {}
  template <size_t N>
  consteval StaticBytes(const std::array<unsigned char, N>& bytes) noexcept  // NOLINT
      : u8_(bytes.data()), size_(N) {}
  // What a constant view with static storage views.
  consteval StaticBytes(std::string_view text) noexcept  // NOLINT
      : chars_(text.data()), size_(text.size()) {}
  consteval StaticBytes(std::span<const std::byte> bytes) noexcept  // NOLINT
      : bytes_(bytes.data()), size_(bytes.size()) {}

  const std::byte* data() const noexcept {
    if (bytes_ != nullptr) return bytes_;
    if (u8_ != nullptr) return reinterpret_cast<const std::byte*>(u8_);
    if (utf8_ != nullptr) return reinterpret_cast<const std::byte*>(utf8_);
    return reinterpret_cast<const std::byte*>(chars_);
  }
  constexpr size_t size() const noexcept { return size_; }

 private:
  // One of them is set; a constant expression cannot cast between them.
  const char* chars_ = nullptr;
  const char8_t* utf8_ = nullptr;
  const unsigned char* u8_ = nullptr;
  const std::byte* bytes_ = nullptr;
  size_t size_ = 0;
};

namespace internal {
template <class T>
concept ArrayLike = std::is_aggregate_v<T> && requires {
  std::tuple_size<T>::value;
};
}  // namespace internal

// Whether Bytes::from_owner may trust `T` to own what its data() points to. Guessed: a range that
// is no view, is not borrowed, and is like std::array or has a destructor that does something.
// Specialise it where the guess is wrong.
template <class T>
inline constexpr bool is_byte_owner =
    !std::ranges::view<T> && !std::ranges::borrowed_range<T> &&
    (internal::ArrayLike<T> || !std::is_trivially_destructible_v<T>);
template <class T>
inline constexpr bool is_byte_owner<std::initializer_list<T>> = false;

namespace internal {

template <class T>
concept ContiguousOwner =
    std::ranges::contiguous_range<const T> && std::ranges::sized_range<const T> &&
    std::is_trivially_copyable_v<std::ranges::range_value_t<const T>>;

template <class F>
concept ReleaseFunction = std::is_nothrow_move_constructible_v<F> &&
    (std::invocable<F&&, std::span<const std::byte>> || std::invocable<F&&>);

}  // namespace internal

class Bytes {
 public:
  using value_type = std::byte;
  using size_type = size_t;
  using difference_type = ptrdiff_t;
  using const_reference = const std::byte&;
  using const_iterator = const std::byte*;
  using iterator = const_iterator;

  // ---- Make ------------------------------------------------------------------------------------

  // No bytes, no block. Does not allocate.
  constexpr Bytes() noexcept = default;
  // Shares the block: one reference, O(1).
  Bytes(const Bytes& other) noexcept
      : segment_{other.segment_.data, other.segment_.size,
                 internal::share_word(other.segment_.block)} {}
  // Takes everything; `other` is empty afterwards.
  Bytes(Bytes&& other) noexcept : segment_(std::exchange(other.segment_, {})) {}
  Bytes& operator=(const Bytes& other) noexcept;
  Bytes& operator=(Bytes&& other) noexcept;
  ~Bytes() { internal::drop_word(segment_.block); }

  // A block of its own with a copy of `bytes`. O(size); empty input allocates nothing.
  // Fails with bad_alloc. Counted by CopyAudit.
  [[nodiscard]] static Bytes copy_of(ByteView bytes);
  // The same in memory of `resource`, which must outlive the block (so every handle to it) and be
  // thread safe unless all handles stay on one thread.
  [[nodiscard]] BIGHT_API static Bytes copy_of(ByteView bytes, std::pmr::memory_resource* resource);
  // The same; the block keeps `resource` alive.
  [[nodiscard]] BIGHT_API static Bytes copy_of(ByteView bytes,
                                               std::shared_ptr<std::pmr::memory_resource> resource);

  // Refers to bytes with static storage; no allocation, no reference count.
  [[nodiscard]] static Bytes from_static(StaticBytes bytes) noexcept;
  // The same for bytes of which the compiler cannot know that they live for ever: the caller
  // promises that they outlive every handle made from this one.
  [[nodiscard]] static Bytes from_static_unchecked(ByteView bytes) noexcept;

  // Takes `owner` (a std::string, std::vector, std::array or other contiguous container, by
  // rvalue) and refers to its elements' bytes. The owner is moved into a block first and its
  // data() taken after, once; it is destroyed when the last handle is dropped, by that thread.
  // The bytes are read-only: such a block is never unique. O(1), one allocation.
  // Fails with bad_alloc, or with what the owner's move constructor or data() throws (the
  // owner is then destroyed once). An owner without bytes is destroyed at once.
  template <class T>
  [[nodiscard]] static Bytes from_owner(T&& owner);
  // The same for an owner of any movable type (std::shared_ptr, std::unique_ptr, a lock, a Mat)
  // whose bytes are `bytes`; they must stay where they are when the owner is moved.
  template <class T>
  [[nodiscard]] static Bytes from_owner(T&& owner, std::span<const std::byte> bytes);

  // Refers to `bytes`, which somebody else owns, and calls `release(bytes)` or `release()` exactly
  // once when the last handle is dropped, on the thread that drops it. `release` is moved (an
  // lvalue is copied once, when the block is made), called as an rvalue, and must not throw; it may
  // use any chain or handle, but not one that is being destroyed. Without bytes it is called at
  // once. O(1), one allocation. Fails with bad_alloc; `release` is then untouched and not called.
  template <class F>
  requires internal::ReleaseFunction<std::decay_t<F>>
  [[nodiscard]] static Bytes with_release(std::span<const std::byte> bytes, F&& release);

  // ---- Look ------------------------------------------------------------------------------------

  const std::byte* data() const noexcept { return segment_.data; }
  const char* chars() const noexcept { return reinterpret_cast<const char*>(segment_.data); }
  const uint8_t* u8() const noexcept { return reinterpret_cast<const uint8_t*>(segment_.data); }
  size_t size() const noexcept { return segment_.size; }
  [[nodiscard]] bool empty() const noexcept { return segment_.size == 0; }
  const std::byte* begin() const noexcept { return data(); }
  const std::byte* end() const noexcept { return data() + size(); }
  std::string_view view() const noexcept { return {chars(), size()}; }
  std::span<const std::byte> span() const noexcept { return {data(), size()}; }
  // Precondition: `i < size()` (checked in every build).
  std::byte operator[](size_t i) const noexcept {
    if (i >= size()) internal::fail_index("Bytes[] byte", i, size());
    return data()[i];
  }

  // The bytes as elements of `T` (a trivially copyable type), in place and in host byte order.
  // Empty optional when the address is not aligned for `T` or the size is no multiple of its size.
  template <class T>
  requires std::is_trivially_copyable_v<T> std::optional<std::span<const T>> try_as()
  const noexcept;

  // The first `value` at or after `from`. O(size). None when `from > size()`.
  std::optional<size_t> find(std::byte value, size_t from = 0) const noexcept {
    return find_byte(value, from);
  }
  std::optional<size_t> find(char value, size_t from = 0) const noexcept {
    return find_byte(static_cast<std::byte>(value), from);
  }
  std::optional<size_t> find(uint8_t value, size_t from = 0) const noexcept {
    return find_byte(static_cast<std::byte>(value), from);
  }
  std::optional<size_t> find(int, size_t = 0) const = delete;  // say which byte: char or std::byte
  // The first place of `needle` at or after `from`, so that it lies wholly before
  // `from + limit`. An empty needle is found at `from` when `from <= size()`.
  // O(size + needle's size), whatever they hold. Fails with bad_alloc for hostile long needles.
  BIGHT_API std::optional<size_t> find(ByteView needle, size_t from = 0,
                                       size_t limit = static_cast<size_t>(-1)) const;
  bool starts_with(ByteView prefix) const noexcept {
    return prefix.size() <= size() && ByteView(data(), prefix.size()) == prefix;
  }
  bool ends_with(ByteView suffix) const noexcept {
    return suffix.size() <= size() &&
           ByteView(data() + (size() - suffix.size()), suffix.size()) == suffix;
  }

  // True when this is the only handle to a block of the library's own, so that the bytes could be
  // changed in place. False for empty, static and foreign bytes, and while a builder still writes
  // into the same block.
  bool is_unique() const noexcept;

  // Bytes of memory that this handle keeps from being freed: the whole block with its header, the
  // owner's bytes for foreign memory, 0 for static or no bytes. O(1).
  BIGHT_API size_t retained_size() const noexcept;
  // A handle to the same content that pins no more than a fresh copy would: this one shared when
  // its block is that small already, else a copy. O(size) at most. Fails with bad_alloc.
  [[nodiscard]] BIGHT_API Bytes compact() const;

  // A 64-bit hash of the content: equal for equal bytes in Bytes, Chain and ByteView.
  // Not stable across versions; not for defence against chosen collisions.
  BIGHT_API uint64_t hash() const noexcept;

  // ---- Cut: no byte moves ----------------------------------------------------------------------

  // `[position, position + count)` as a handle of its own. One reference; none for an empty one.
  // Precondition: the range lies in `[0, size()]` (checked in every build).
  [[nodiscard]] Bytes slice(size_t position, size_t count) const;
  // From `position` to the end.
  [[nodiscard]] Bytes slice(size_t position) const;
  // Empty optional where slice() would stop the program.
  [[nodiscard]] std::optional<Bytes> try_slice(size_t position, size_t count) const noexcept;

  // Turns a borrowed view of this handle's bytes back into an owned slice. An empty view gives
  // empty bytes. Precondition: the view lies inside (checked in every build).
  [[nodiscard]] Bytes slice_ref(ByteView part) const;
  // Empty optional when the view lies elsewhere.
  [[nodiscard]] std::optional<Bytes> try_slice_ref(ByteView part) const noexcept;

  // Splits off the first `n` bytes and returns them; `*this` keeps the rest. A cut at either end
  // moves the handle and takes no reference. Precondition: `n <= size()` (checked).
  [[nodiscard]] Bytes split_to(size_t n);
  [[nodiscard]] std::optional<Bytes> try_split_to(size_t n) noexcept;
  // Splits off all but the first `n` bytes and returns them; `*this` keeps the first `n`.
  [[nodiscard]] Bytes split_off(size_t n);
  [[nodiscard]] std::optional<Bytes> try_split_off(size_t n) noexcept;

  // Keeps the first `n` bytes; does nothing when there are no more than that. Keeping none drops
  // the block.
  void truncate(size_t n) noexcept;
  // Drops all and the block.
  void clear() noexcept { *this = Bytes(); }
  // Drops the first (last) `n` bytes; dropping all drops the block.
  // Precondition: `n <= size()` (checked). The try_ forms answer false and change nothing.
  void remove_prefix(size_t n);
  [[nodiscard]] bool try_remove_prefix(size_t n) noexcept;
  void remove_suffix(size_t n);
  [[nodiscard]] bool try_remove_suffix(size_t n) noexcept;

  // ---- Join, and back to mutable ---------------------------------------------------------------

  // If `next` is of the same block and starts where this one ends: takes it in, leaves it empty and
  // returns true. Otherwise (also when either is empty or static) changes nothing and returns
  // false. No byte moves. O(1).
  [[nodiscard]] bool try_join(Bytes&& next) noexcept;

  // The bytes as a builder over the whole block, content kept in place, if is_unique(); `*this` is
  // then empty. Otherwise empty optional and `*this` is unchanged. No byte moves. O(1).
  [[nodiscard]] std::optional<BytesBuilder> try_into_builder() && noexcept;
  // The bytes as a builder: in place if is_unique(), else copied (and this handle dropped).
  // Fails with bad_alloc, unchanged.
  [[nodiscard]] BytesBuilder into_builder() &&;
  // The bytes to write in place, if is_unique(). Valid until the handle is copied or dropped.
  [[nodiscard]] std::optional<std::span<std::byte>> try_mutable() noexcept;
  // Gives the owner back that from_owner<T> took, if this is the only handle to it (however small
  // a slice); `*this` is then empty. Otherwise empty optional, unchanged. The type is known by the
  // address of a variable of its own (no RTTI): across shared libraries with hidden visibility the
  // same T may be refused, but no type is ever mistaken for another.
  template <class T>
  [[nodiscard]] std::optional<T> try_take_owner() && noexcept(
      std::is_nothrow_move_constructible_v<T>);

  void swap(Bytes& other) noexcept { std::swap(segment_, other.segment_); }
  friend void swap(Bytes& a, Bytes& b) noexcept { a.swap(b); }

  // ---- Compare, hash, print --------------------------------------------------------------------

  // As the bytes compare: unsigned, with other Bytes and with everything a ByteView is made from.
  friend bool operator==(const Bytes& a, const Bytes& b) noexcept {
    return ByteView(a) == ByteView(b);
  }
  friend bool operator==(const Bytes& a, ByteView b) noexcept { return ByteView(a) == b; }
  friend std::strong_ordering operator<=>(const Bytes& a, const Bytes& b) noexcept {
    return ByteView(a) <=> ByteView(b);
  }
  friend std::strong_ordering operator<=>(const Bytes& a, ByteView b) noexcept {
    return ByteView(a) <=> b;
  }
  // Writes the bytes as they are (see dump.h for escaped text and hex).
  BIGHT_API friend std::ostream& operator<<(std::ostream& out, const Bytes& bytes);
  // How GoogleTest shows it: escaped text between quotes.
  BIGHT_API friend void PrintTo(const Bytes& bytes, std::ostream* out);
  template <class Sink>
  friend void AbslStringify(Sink& sink, const Bytes& bytes) {
    sink.Append({bytes.chars(), bytes.size()});
  }
  template <class H>
  friend H AbslHashValue(H state, const Bytes& bytes) {
    return H::combine(std::move(state), bytes.hash());
  }

 private:
  friend struct internal::Access;
  friend class BytesBuilder;
  friend class Chain;
  friend class ChainBuilder;
  friend class Cursor;

  explicit Bytes(internal::Segment segment) noexcept : segment_(segment) {}
  BIGHT_API static Bytes from_new_block(internal::Block* block, ByteView bytes) noexcept;
  // A block with a copy of `size` > 0 bytes. Returns the block and not a handle: what comes back in
  // a register is not written to the stack and read again in other widths (that stalled 4 ns).
  BIGHT_API static internal::Block* copy_to_block(const std::byte* data, size_t size);
  std::optional<size_t> find_byte(std::byte value, size_t from) const noexcept;

  // size == 0 iff no block is held (the address of an empty slice stays for arithmetic);
  // block == 0 with size > 0: static. Otherwise one reference on the block, and
  // [data, data + size) lies inside its storage.
  internal::Segment segment_;
};

static_assert(sizeof(void*) != 8 || sizeof(Bytes) == 24);
static_assert(std::is_nothrow_move_constructible_v<Bytes> &&
              std::is_nothrow_move_assignable_v<Bytes>);

// Hash and equality for containers that look up Bytes, Chains and views by content.
struct ContentHash {
  using is_transparent = void;
  template <class T>
  requires requires(const T& t) {
    { t.hash() } -> std::convertible_to<uint64_t>;
  }
  size_t operator()(const T& bytes) const noexcept { return static_cast<size_t>(bytes.hash()); }
  BIGHT_API size_t operator()(ByteView bytes) const noexcept;
};
struct ContentEqual {
  using is_transparent = void;
  template <class A, class B>
  bool operator()(const A& a, const B& b) const noexcept {
    if constexpr (std::convertible_to<const A&, ByteView> &&
                  std::convertible_to<const B&, ByteView>) {
      return ByteView(a) == ByteView(b);
    } else {
      return a == b;
    }
  }
};

// Implementation details follow.

inline Bytes& Bytes::operator=(const Bytes& other) noexcept {
  // By value first: right for self-assignment and for slices of one another, and what was held
  // is dropped last.
  Bytes copy(other);
  swap(copy);
  return *this;
}

inline Bytes& Bytes::operator=(Bytes&& other) noexcept {
  Bytes taken(std::move(other));
  swap(taken);
  return *this;
}

inline Bytes Bytes::copy_of(ByteView bytes) {
  if (bytes.empty()) return Bytes();
  internal::Block* const block = copy_to_block(bytes.data(), bytes.size());
  return Bytes(internal::Segment{block->storage, bytes.size(), internal::word_of(block)});
}

inline Bytes Bytes::from_static(StaticBytes bytes) noexcept {
  return Bytes(internal::Segment{bytes.data(), bytes.size(), 0});
}

inline Bytes Bytes::from_static_unchecked(ByteView bytes) noexcept {
  return Bytes(internal::Segment{bytes.data(), bytes.size(), 0});
}

inline Bytes Bytes::slice(size_t position, size_t count) const {
  if (position > size() || size() - position < count) {
    internal::fail_range("slice", position, count, size());
  }
  return Bytes(internal::Segment{data() + position, count,
                                 count != 0 ? internal::share_word(segment_.block) : 0});
}

inline Bytes Bytes::slice(size_t position) const {
  if (position > size()) internal::fail_length("slice from", position, size());
  return slice(position, size() - position);
}

inline std::optional<Bytes> Bytes::try_slice(size_t position, size_t count) const noexcept {
  if (position > size() || size() - position < count) return std::nullopt;
  return slice(position, count);
}

inline std::optional<Bytes> Bytes::try_slice_ref(ByteView part) const noexcept {
  if (part.empty()) return Bytes();
  // Integers, so that a view into other memory is compared without undefined pointer order, and
  // differences instead of sums, so that nothing wraps near the end of the address space.
  const auto first = reinterpret_cast<uintptr_t>(part.data());
  const auto mine = reinterpret_cast<uintptr_t>(data());
  if (first < mine || first - mine > size() || size() - (first - mine) < part.size()) {
    return std::nullopt;
  }
  return slice(first - mine, part.size());
}

inline Bytes Bytes::slice_ref(ByteView part) const {
  std::optional<Bytes> found = try_slice_ref(part);
  if (!found) internal::fail_length("slice_ref of a view outside: view", part.size(), size());
  return *std::move(found);
}

inline Bytes Bytes::split_to(size_t n) {
  if (n > size()) internal::fail_length("split_to", n, size());
  const std::byte* const cut = data() + n;
  if (n == size()) {
    Bytes all(std::move(*this));
    segment_.data = cut;
    return all;
  }
  Bytes head(internal::Segment{data(), n, n != 0 ? internal::share_word(segment_.block) : 0});
  segment_.data = cut;
  segment_.size -= n;
  return head;
}

inline std::optional<Bytes> Bytes::try_split_to(size_t n) noexcept {
  if (n > size()) return std::nullopt;
  return split_to(n);
}

inline Bytes Bytes::split_off(size_t n) {
  if (n > size()) internal::fail_length("split_off", n, size());
  if (n == 0) {
    const std::byte* const start = data();
    Bytes all(std::move(*this));
    segment_.data = start;
    return all;
  }
  const size_t rest = size() - n;
  Bytes tail(
      internal::Segment{data() + n, rest, rest != 0 ? internal::share_word(segment_.block) : 0});
  segment_.size = n;
  return tail;
}

inline std::optional<Bytes> Bytes::try_split_off(size_t n) noexcept {
  if (n > size()) return std::nullopt;
  return split_off(n);
}

inline void Bytes::truncate(size_t n) noexcept {
  if (n >= size()) return;
  segment_.size = n;
  if (n == 0) internal::drop_word(std::exchange(segment_.block, 0));
}

inline bool Bytes::try_remove_prefix(size_t n) noexcept {
  if (n > size()) return false;
  segment_.data += n;
  segment_.size -= n;
  if (segment_.size == 0) internal::drop_word(std::exchange(segment_.block, 0));
  return true;
}

inline void Bytes::remove_prefix(size_t n) {
  if (!try_remove_prefix(n)) internal::fail_length("remove_prefix", n, size());
}

inline bool Bytes::try_remove_suffix(size_t n) noexcept {
  if (n > size()) return false;
  truncate(size() - n);
  return true;
}

inline void Bytes::remove_suffix(size_t n) {
  if (!try_remove_suffix(n)) internal::fail_length("remove_suffix", n, size());
}

inline bool Bytes::try_join(Bytes&& next) noexcept {
  internal::Block* const block = internal::block_of(segment_.block);
  if (block == nullptr || internal::block_of(next.segment_.block) != block ||
      next.data() != data() + size() || &next == this) {
    return false;
  }
  segment_.size += next.segment_.size;
  next.segment_ = {};
  // Not the last reference: this handle holds one.
  (void)block->refs.drop();
  return true;
}

inline bool Bytes::is_unique() const noexcept {
  const internal::Block* const block = internal::block_of(segment_.block);
  return block != nullptr && block->writable() && block->refs.is_one();
}

inline std::optional<std::span<std::byte>> Bytes::try_mutable() noexcept {
  if (!is_unique()) return std::nullopt;
  // The block's storage is ours and writable; only the handle sees it as const.
  return std::span<std::byte>(const_cast<std::byte*>(data()), size());
}

template <class T>
requires std::is_trivially_copyable_v<T> std::optional<std::span<const T>> Bytes::try_as()
const noexcept {
  if (size() % sizeof(T) != 0 || reinterpret_cast<uintptr_t>(data()) % alignof(T) != 0) {
    return std::nullopt;
  }
  return std::span<const T>(reinterpret_cast<const T*>(data()), size() / sizeof(T));
}

namespace internal {

// Its address says which T an OwnerBlock holds. Not const, so that no linker folds two of them.
template <class T>
inline char owner_tag = 0;

// A block of foreign bytes: header, then what tells the owner's type (null: a release function).
struct TaggedBlock : Block {
  char* tag;
};

// The same with the owner behind it, in one node.
template <class T>
struct OwnerBlock : TaggedBlock {
  template <class U>
  OwnerBlock(U&& value, void (*on_release)(Block*) noexcept, char* type_tag)
      : TaggedBlock{{Count(1), kUncached, 0, 0, kForeign, {on_release}, nullptr, 0}, type_tag},
        owner(std::forward<U>(value)) {}

  static constexpr bool kOveraligned = alignof(T) > 16;

  static void* allocate() {
    if constexpr (kOveraligned) {
      return ::operator new(sizeof(OwnerBlock), std::align_val_t(alignof(OwnerBlock)));
    } else {
      return allocate_node(sizeof(OwnerBlock));
    }
  }
  static void deallocate(void* memory) noexcept {
    if constexpr (kOveraligned) {
      ::operator delete(memory, std::align_val_t(alignof(OwnerBlock)));
    } else {
      free_node(memory, sizeof(OwnerBlock));
    }
  }
  static void destroy(OwnerBlock* block) noexcept {
    block->~OwnerBlock();
    deallocate(block);
  }
  // The release function of from_owner<T>.
  static void release_owner(Block* block) noexcept { destroy(static_cast<OwnerBlock*>(block)); }
  // The release function of with_release: T is the function.
  static void release_function(Block* block) noexcept {
    OwnerBlock* const self = static_cast<OwnerBlock*>(block);
    const std::span<const std::byte> bytes(block->storage, block->capacity);
    if constexpr (std::invocable<T&&, std::span<const std::byte>>) {
      std::move(self->owner)(bytes);
    } else {
      std::move(self->owner)();
    }
    destroy(self);
  }

  template <class U>
  static OwnerBlock* make(U&& value, void (*release)(Block*) noexcept, char* tag = nullptr) {
    void* const memory = allocate();
#if BIGHT_HAS_EXCEPTIONS
    if constexpr (!std::is_nothrow_constructible_v<T, U&&>) {
      try {
        return ::new (memory) OwnerBlock(std::forward<U>(value), release, tag);
      } catch (...) {
        deallocate(memory);
        throw;
      }
    }
#endif
    return ::new (memory) OwnerBlock(std::forward<U>(value), release, tag);
  }

  void set_bytes(std::span<const std::byte> bytes) noexcept {
    // Never written through: the block is not kWritable.
    storage = const_cast<std::byte*>(bytes.data());
    capacity = bytes.size();
  }

  T owner;
};

// Destroys the block unless told not to: for what may throw between making and using it.
template <class B>
struct OwnerGuard {
  B* block;
  ~OwnerGuard() {
    if (block != nullptr) B::destroy(block);
  }
};

}  // namespace internal

template <class T>
Bytes Bytes::from_owner(T&& owner) {
  using Owner = std::remove_cvref_t<T>;
  static_assert(!std::is_lvalue_reference_v<T>,
                "Bytes::from_owner takes its owner by rvalue: write from_owner(std::move(x)), or "
                "copy_of(x) to copy the bytes");
  static_assert(!std::is_const_v<std::remove_reference_t<T>>,
                "Bytes::from_owner cannot move out of a const owner; use copy_of(x)");
  if constexpr (!std::is_lvalue_reference_v<T> && !std::is_const_v<std::remove_reference_t<T>>) {
    static_assert(internal::ContiguousOwner<Owner>,
                  "Bytes::from_owner(owner) needs a contiguous container of trivially copyable "
                  "elements; use from_owner(owner, bytes) for any other owner");
    static_assert(is_byte_owner<Owner>,
                  "Bytes::from_owner needs a type that owns its bytes, and this one is a view: use "
                  "copy_of(view), from_owner(owner, view) with the object that owns them, or "
                  "specialise bight::is_byte_owner");
    if constexpr (internal::ContiguousOwner<Owner> && is_byte_owner<Owner>) {
      using Box = internal::OwnerBlock<Owner>;
      internal::OwnerGuard<Box> guard{
          Box::make(std::move(owner), &Box::release_owner, &internal::owner_tag<Owner>)};
      const Owner& kept = guard.block->owner;
      const std::span<const std::byte> bytes =
          std::as_bytes(std::span(std::ranges::data(kept), std::ranges::size(kept)));
      if (bytes.empty()) return Bytes();
      guard.block->set_bytes(bytes);
      internal::Block* const block = std::exchange(guard.block, nullptr);
      return Bytes(internal::Segment{bytes.data(), bytes.size(), internal::word_of(block)});
    }
  }
  return Bytes();
}

template <class T>
Bytes Bytes::from_owner(T&& owner, std::span<const std::byte> bytes) {
  using Owner = std::remove_cvref_t<T>;
  static_assert(
      !std::is_lvalue_reference_v<T> && !std::is_const_v<std::remove_reference_t<T>>,
      "Bytes::from_owner takes its owner by rvalue: write from_owner(std::move(x), bytes)");
  using Box = internal::OwnerBlock<Owner>;
  Box* const block =
      Box::make(std::forward<T>(owner), &Box::release_owner, &internal::owner_tag<Owner>);
  if (bytes.empty()) {
    Box::destroy(block);
    return Bytes();
  }
  block->set_bytes(bytes);
  return Bytes(internal::Segment{bytes.data(), bytes.size(), internal::word_of(block)});
}

template <class F>
requires internal::ReleaseFunction<std::decay_t<F>> Bytes
Bytes::with_release(std::span<const std::byte> bytes, F&& release) {
  using Function = std::decay_t<F>;
  using Box = internal::OwnerBlock<Function>;
  Box* const block = Box::make(std::forward<F>(release), &Box::release_function);
  block->set_bytes(bytes);
  if (bytes.empty()) {
    Box::release_function(block);
    return Bytes();
  }
  return Bytes(internal::Segment{bytes.data(), bytes.size(), internal::word_of(block)});
}

template <class T>
std::optional<T> Bytes::try_take_owner() && noexcept(std::is_nothrow_move_constructible_v<T>) {
  using Box = internal::OwnerBlock<T>;
  internal::Block* const block = internal::block_of(segment_.block);
  if (block == nullptr || (block->flags & internal::Block::kForeign) == 0 ||
      static_cast<internal::TaggedBlock*>(block)->tag != &internal::owner_tag<T> ||
      !block->refs.is_one()) {
    return std::nullopt;
  }
  Box* const box = static_cast<Box*>(block);
  std::optional<T> owner(std::move(box->owner));
  segment_ = {};
  Box::destroy(box);
  return owner;
}

BIGHT_NAMESPACE_END

template <>
struct std::hash<bight::Bytes> {
  size_t operator()(const bight::Bytes& bytes) const noexcept {
    return static_cast<size_t>(bytes.hash());
  }
};

#endif  // BIGHT_BYTES_H_
