// Cursor: a read position over a Chain or a Bytes.
//
//   Cursor in(chain);
//   auto type = in.try_read_be<uint16_t>();           // std::optional: empty when too few are left
//   auto body = in.try_read_prefixed<uint32_t>(1 << 20);  // ReadResult: may also be too long
//   if (!type || !body) return;                       // the position is where it was
//
//        read before      window           behind the window
//      |--------------|--------------|------------------------------|
//      0          position()    end of a segment      position() + remaining()
//
// Reading moves the cursor and never the bytes. A read within the window, the contiguous bytes at
// the position, is one comparison and a load; a read that straddles segments is put together out of
// line. Copying a cursor costs a few words and is the checkpoint: copy it, read ahead, and assign
// the copy back to return. A try_ function that fails leaves the position where it was, and no
// length, however large, reads past the end, wraps or stops the program. The functions without
// try_ are for lengths that have been checked: they stop the program when there are too few bytes.
//
// A cursor owns nothing. It dies with its source and with any change of it (position() survives:
// make a new cursor and seek). A moved source counts as changed. What try_read_chain and its like
// return owns its bytes and outlives both.
//
// Thread safety: cursors over one source are independent; a source may be read by many threads,
// each with a cursor of its own.
#ifndef BIGHT_CURSOR_H_
#define BIGHT_CURSOR_H_

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <optional>
#include <span>
#include <type_traits>
#include <utility>

#include "bight/byte_view.h"
#include "bight/bytes.h"
#include "bight/chain.h"
#include "bight/config.h"
#include "bight/endian.h"
#include "bight/internal/check.h"
#include "bight/read_result.h"
#include "bight/varint.h"

BIGHT_NAMESPACE_BEGIN

// How a line ends.
enum class LineEnd : uint8_t {
  crlf_or_lf,  // '\n', and a '\r' right before it is part of the end
  crlf,        // "\r\n"; a lone '\r' or '\n' is content
  lf,          // '\n'; a '\r' is content
};

class Cursor {
 public:
  // ---- Make ------------------------------------------------------------------------------------

  // At the start of `chain` or `bytes`, which must stay unchanged and where they are while the
  // cursor is used; so temporaries are refused.
  explicit Cursor(const Chain& chain) noexcept;
  explicit Cursor(const Bytes& bytes) noexcept;
  Cursor(const Chain&& chain) = delete;
  Cursor(const Bytes&& bytes) = delete;

  // A cursor over the next `n` bytes only, for a nested message: it is at its end behind them.
  // `*this` does not move: call `skip(n)` to pass the whole message, or `seek(inner.position())` to
  // go on where the inner cursor stopped. Positions are the source's in both. Precondition: `n <=
  // remaining()` (checked in every build).
  [[nodiscard]] Cursor limit(size_t n) const noexcept;
  // Empty optional when fewer than `n` bytes are left.
  [[nodiscard]] std::optional<Cursor> try_limit(size_t n) const noexcept;
  // The same over what there is, at most `n` bytes.
  [[nodiscard]] Cursor limit_up_to(size_t n) const noexcept;

  // ---- Look ------------------------------------------------------------------------------------

  // Bytes of the source before the cursor. All that survives a change of the source, where the
  // bytes before it stay: after appending, make a new cursor and seek here.
  size_t position() const noexcept { return stop_ - remaining(); }
  // Bytes from here to the end (or the limit).
  size_t remaining() const noexcept { return left() + place_.behind; }
  [[nodiscard]] bool at_end() const noexcept { return remaining() == 0; }
  // The bytes that can be read here without a copy: up to the end of a segment, of the source
  // or of the limit. Empty only at the end. Valid as long as a handle keeps the segment.
  std::span<const std::byte> window() const noexcept;

  // Spans of the bytes from here on, at most `max_bytes` of them, without moving: fills `entries`
  // from its start until they or the bytes run out (the last one is trimmed to max_bytes).
  // Returns how many it filled and the bytes they cover; entries behind are untouched. `max_bytes`
  // may exceed what is left. O(entries).
  BIGHT_API GatherFill fill_spans(std::span<std::span<const std::byte>> entries,
                                  size_t max_bytes = static_cast<size_t>(-1)) const noexcept;
#if BIGHT_HAS_IOVEC
  BIGHT_API GatherFill fill_iovec(std::span<iovec> entries,
                                  size_t max_bytes = static_cast<size_t>(-1)) const noexcept;
#endif

  // The next `n` bytes as one span, without moving: where they are when they are contiguous, else
  // copied to the start of `scratch` (counted by CopyAudit). Empty optional when fewer are left, or
  // when `n > scratch.size()`, also where nothing would have to be copied.
  [[nodiscard]] BIGHT_API std::optional<std::span<const std::byte>> try_peek_flat(
      size_t n, std::span<std::byte> scratch) const noexcept;
  // Whether the bytes from here on begin with `prefix`. O(prefix).
  [[nodiscard]] BIGHT_API bool starts_with(ByteView prefix) const noexcept;

  // How many bytes behind the position the first `value` is that lies `from` or more bytes behind
  // it. None when there is none before the end, also when `from > remaining()`. O(bytes looked at).
  // To go on searching when more bytes have come, start at what was remaining() before.
  BIGHT_API std::optional<size_t> find(std::byte value, size_t from = 0) const noexcept;
  std::optional<size_t> find(char value, size_t from = 0) const noexcept {
    return find(static_cast<std::byte>(value), from);
  }
  std::optional<size_t> find(int, size_t = 0) const = delete;  // say which byte: char or std::byte
  // The same for the first place of `needle`, also across segments; an empty one is found at
  // `from` when `from <= remaining()`. To go on searching, start `needle.size() - 1` bytes before
  // what was remaining(). O(bytes looked at + needle), whatever they hold. A long needle may
  // allocate: fails with bad_alloc.
  BIGHT_API std::optional<size_t> find(ByteView needle, size_t from = 0) const;

  // ---- Numbers ---------------------------------------------------------------------------------
  // Empty optional when too few bytes are left; the position is then where it was.

  // An integer or enum of 1, 2, 4 or 8 bytes, a float or a double, bit for bit (see endian.h).
  template <FixedWidth T>
  [[nodiscard]] std::optional<T> try_read_be() noexcept;
  template <FixedWidth T>
  [[nodiscard]] std::optional<T> try_read_le() noexcept;
  template <FixedWidth T>
  [[nodiscard]] std::optional<T> try_read_native() noexcept;
  [[nodiscard]] std::optional<uint8_t> try_read_u8() noexcept { return try_read_be<uint8_t>(); }
  // The same without moving.
  template <FixedWidth T>
  [[nodiscard]] std::optional<T> try_peek_be() const noexcept;
  template <FixedWidth T>
  [[nodiscard]] std::optional<T> try_peek_le() const noexcept;
  [[nodiscard]] std::optional<uint8_t> try_peek_u8() const noexcept {
    return try_peek_be<uint8_t>();
  }
  // The same for lengths that have been checked.
  // Precondition: `sizeof(T) <= remaining()` (checked in every build).
  template <FixedWidth T>
  T read_be() noexcept;
  template <FixedWidth T>
  T read_le() noexcept;
  uint8_t read_u8() noexcept { return read_be<uint8_t>(); }

  // An integer of `width` bytes; none is 0. The signed forms extend the sign.
  // Precondition: `width <= 8` (checked in every build, also when too few bytes are left).
  [[nodiscard]] std::optional<uint64_t> try_read_uint_be(size_t width) noexcept;
  [[nodiscard]] std::optional<uint64_t> try_read_uint_le(size_t width) noexcept;
  [[nodiscard]] std::optional<int64_t> try_read_int_be(size_t width) noexcept;
  [[nodiscard]] std::optional<int64_t> try_read_int_le(size_t width) noexcept;

  // A varint (see varint.h): malformed if it does not fit 64 bits (32 bits), need_more if it goes
  // on behind the end. One comparison more than a byte when it is below 128.
  ReadResult<uint64_t> try_read_varint() noexcept;
  ReadResult<uint32_t> try_read_varint32() noexcept;
  // Zigzag.
  ReadResult<int64_t> try_read_varint_signed() noexcept;

  // ---- Move ------------------------------------------------------------------------------------

  // Passes `n` bytes. O(1) within the window, else O(segments passed) for a few, O(log segments)
  // for many.
  [[nodiscard]] bool try_skip(size_t n) noexcept;
  // Precondition: `n <= remaining()` (checked in every build).
  void skip(size_t n) noexcept;
  // Passes what there is, at most `n` bytes; returns how many.
  size_t skip_up_to(size_t n) noexcept;
  // Goes to a position of the source, back or forward, up to the end (or the limit). Cost as for
  // skip(). False when it lies behind.
  [[nodiscard]] bool try_seek(size_t position) noexcept;
  // Precondition: `position <= this->position() + remaining()` (checked in every build).
  void seek(size_t position) noexcept;

  // ---- Copy out --------------------------------------------------------------------------------

  // Copies the next `to.size()` bytes to `to` and passes them. When fewer are left: false, and `to`
  // is untouched. Counted by CopyAudit.
  [[nodiscard]] bool try_copy_to(std::span<std::byte> to) noexcept;
  // Copies what there is, at most `to.size()` bytes; returns how many.
  size_t copy_up_to(std::span<std::byte> to) noexcept;

  // ---- Take as handles of their own ------------------------------------------------------------
  // The source keeps its bytes too. If making a handle fails with bad_alloc, the position is where
  // it was.

  // The next `n` bytes as a chain: never copies. Cost as for Chain::slice, one reference within a
  // segment.
  [[nodiscard]] std::optional<Chain> try_read_chain(size_t n);
  // Precondition: `n <= remaining()` (checked in every build).
  [[nodiscard]] Chain read_chain(size_t n);
  // The next `n` bytes as one handle that shares their segment: need_more when fewer are left,
  // straddles when they are not in one segment (read a chain then, or flat). One reference.
  ReadResult<Bytes> try_read_bytes(size_t n);
  // The next `n` bytes as one handle: shared when they are in one segment, else copied into a block
  // of their own. Counted by CopyAudit.
  [[nodiscard]] std::optional<Bytes> try_read_flat(size_t n);

  // A length of type `U` and as many bytes, as a chain. need_more when some of them are missing,
  // too_long (as soon as the length is there) when it exceeds `max`; the position then stays before
  // the length. Never copies.
  template <FixedWidth U>
  requires std::is_unsigned_v<U> ReadResult<Chain> try_read_prefixed(size_t max);
  template <FixedWidth U>
  requires std::is_unsigned_v<U> ReadResult<Chain> try_read_prefixed_le(size_t max);
  // The same with a varint as the length; malformed when it does not fit 64 bits.
  BIGHT_API ReadResult<Chain> try_read_prefixed_varint(size_t max);

  // The bytes before the first `delimiter`, as a chain without it; the cursor moves behind it.
  // need_more when it is not there yet, too_long when more than `max` bytes come before it or
  // it cannot begin within `max` bytes any more. Never copies.
  // `searched` saves a second search of the same bytes when the first answered need_more: pass
  // what remaining() was then (from the same position; 0 for a first search).
  // Precondition: `delimiter` is not empty (checked in every build).
  // O(bytes looked at + delimiter) and what try_read_chain costs.
  BIGHT_API ReadResult<Chain> try_read_until(ByteView delimiter, size_t max, size_t searched = 0);
  // The bytes up to the end of the line, without it; `max` and `searched` as above. A last line
  // without an end answers need_more: at the end of the stream, take what remains.
  BIGHT_API ReadResult<Chain> try_read_line(size_t max, LineEnd end = LineEnd::crlf_or_lf,
                                            size_t searched = 0);

 private:
  // The window, and where it goes on.
  struct Place {
    const std::byte* end;  // end of the window
    ptrdiff_t index;       // of the position, from `end`: minus the bytes left in the window
    size_t behind;         // bytes behind the window, up to the limit
    size_t next;           // index of the segment behind the window's
  };
  // A short read that straddles segments, in the order of the stream.
  struct Gathered {
    std::byte bytes[8];
    Place place;  // behind them
  };
  struct GatheredVarint {
    VarintResult result;
    Place place;  // behind it, if the result is ok
  };
  struct Ops;  // the private steps of src/cursor.cc

  // What reads in a loop call out of line takes the parts of a Place and gives a Place back, so
  // that no cursor has its address taken there and a local one lives in registers.
  BIGHT_API static Gathered gather(const Chain* chain, const std::byte* end, ptrdiff_t index,
                                   size_t behind, size_t next, size_t n) noexcept;
  BIGHT_API static GatheredVarint gather_varint(const Chain* chain, const std::byte* end,
                                                ptrdiff_t index, size_t behind,
                                                size_t next) noexcept;
  BIGHT_API static GatheredVarint gather_varint32(const Chain* chain, const std::byte* end,
                                                  ptrdiff_t index, size_t behind,
                                                  size_t next) noexcept;
  BIGHT_API static Place skip_slow(const Chain* chain, const std::byte* end, ptrdiff_t index,
                                   size_t behind, size_t next, size_t stop, size_t n) noexcept;
  BIGHT_API static std::span<const std::byte> next_window(const Chain* chain, size_t behind,
                                                          size_t next) noexcept;
  // The rest, which allocates or takes a reference, takes the cursor where it is: to copy one that
  // was just written, in larger pieces than it was, would stall for longer.
  BIGHT_API static Place seek_slow(const Cursor& from, size_t position) noexcept;
  BIGHT_API static void copy(Cursor from, std::byte* to, size_t n) noexcept;
  BIGHT_API static Chain cut(const Cursor& from, size_t n);
  BIGHT_API static ReadResult<Bytes> cut_bytes(const Cursor& from, size_t n);
  BIGHT_API static Bytes cut_flat(const Cursor& from, size_t n);
  BIGHT_API static ReadResult<Chain> cut_prefixed(const Cursor& from, uint64_t length, size_t max);

  // Reads `kSize` bytes with `load`, which takes their address.
  template <size_t kSize, class Load>
  auto read(Load load) noexcept -> std::optional<decltype(load(nullptr))>;
  template <class Load>
  auto read_odd(const char* operation, size_t width, Load load) noexcept
      -> std::optional<decltype(load(nullptr))>;
  template <class U>
  ReadResult<Chain> finish_prefixed(Cursor ahead, std::optional<U> length, size_t max);

  size_t left() const noexcept { return static_cast<size_t>(-place_.index); }
  const std::byte* at() const noexcept { return place_.end + place_.index; }
  void shrink(size_t n) noexcept;
  // Member by member: a copy of the whole would keep a compiler from splitting it into registers.
  void go_to(const Place& place) noexcept {
    place_.end = place.end;
    place_.index = place.index;
    place_.behind = place.behind;
    place_.next = place.next;
  }

  // The window is a part of segment `next - 1` (of all of bytes_), trimmed to the limit. It may be
  // empty before the end: who needs its bytes then goes to the next segment.
  // One number moves while reading within it, so that a loop of reads keeps one register busy.
  Place place_;
  size_t stop_;         // position of the end or the limit
  const Chain* chain_;  // null for a cursor over bytes_
  const Bytes* bytes_;  // null for a cursor over chain_
};

static_assert(std::is_trivially_copyable_v<Cursor>);

// Implementation details follow.

inline Cursor::Cursor(const Chain& chain) noexcept
    : place_{nullptr, 0, 0, 0}, stop_(chain.size()), chain_(&chain), bytes_(nullptr) {
  if (stop_ != 0) {
    const std::span<const std::byte> first = chain.segment(0);
    place_ = {first.data() + first.size(), -static_cast<ptrdiff_t>(first.size()),
              stop_ - first.size(), 1};
  }
}

inline Cursor::Cursor(const Bytes& bytes) noexcept
    : place_{bytes.data() + bytes.size(), -static_cast<ptrdiff_t>(bytes.size()), 0, 1},
      stop_(bytes.size()),
      chain_(nullptr),
      bytes_(&bytes) {}

inline void Cursor::shrink(size_t n) noexcept {
  stop_ = position() + n;
  if (n > left()) {
    place_.behind = n - left();
  } else {
    place_.end = at() + n;
    place_.index = -static_cast<ptrdiff_t>(n);
    place_.behind = 0;
  }
}

inline Cursor Cursor::limit_up_to(size_t n) const noexcept {
  Cursor inner(*this);
  if (n < remaining()) inner.shrink(n);
  return inner;
}

inline Cursor Cursor::limit(size_t n) const noexcept {
  if (remaining() < n) internal::fail_length("limit", n, remaining());
  return limit_up_to(n);
}

inline std::optional<Cursor> Cursor::try_limit(size_t n) const noexcept {
  if (remaining() < n) return std::nullopt;
  return limit_up_to(n);
}

inline std::span<const std::byte> Cursor::window() const noexcept {
  if (BIGHT_UNLIKELY(place_.index == 0 && place_.behind != 0))
    return next_window(chain_, place_.behind, place_.next);
  return {at(), left()};
}

template <size_t kSize, class Load>
BIGHT_ALWAYS_INLINE auto Cursor::read(Load load) noexcept
    -> std::optional<decltype(load(nullptr))> {
  using T = decltype(load(nullptr));
  T value{};
  bool enough = true;
  // Read as `left() >= kSize`.
  if (BIGHT_LIKELY(place_.index <= -static_cast<ptrdiff_t>(kSize))) {
    value = load(at());
    place_.index += static_cast<ptrdiff_t>(kSize);
  } else if (place_.behind < kSize - left()) {
    enough = false;
  } else {
    const Gathered gathered =
        gather(chain_, place_.end, place_.index, place_.behind, place_.next, kSize);
    go_to(gathered.place);
    value = load(gathered.bytes);
  }
  return enough ? std::optional<T>(value) : std::nullopt;
}

template <FixedWidth T>
BIGHT_ALWAYS_INLINE std::optional<T> Cursor::try_read_be() noexcept {
  return read<sizeof(T)>([](const std::byte* from) { return load_be<T>(from); });
}
template <FixedWidth T>
BIGHT_ALWAYS_INLINE std::optional<T> Cursor::try_read_le() noexcept {
  return read<sizeof(T)>([](const std::byte* from) { return load_le<T>(from); });
}
template <FixedWidth T>
BIGHT_ALWAYS_INLINE std::optional<T> Cursor::try_read_native() noexcept {
  return read<sizeof(T)>([](const std::byte* from) { return load_native<T>(from); });
}

template <FixedWidth T>
BIGHT_ALWAYS_INLINE std::optional<T> Cursor::try_peek_be() const noexcept {
  return Cursor(*this).try_read_be<T>();
}
template <FixedWidth T>
BIGHT_ALWAYS_INLINE std::optional<T> Cursor::try_peek_le() const noexcept {
  return Cursor(*this).try_read_le<T>();
}

template <FixedWidth T>
BIGHT_ALWAYS_INLINE T Cursor::read_be() noexcept {
  // Said apart, so that no flag is kept for what is read in place.
  if (BIGHT_LIKELY(place_.index <= -static_cast<ptrdiff_t>(sizeof(T)))) {
    const T value = load_be<T>(at());
    place_.index += static_cast<ptrdiff_t>(sizeof(T));
    return value;
  }
  const std::optional<T> value = try_read_be<T>();
  if (BIGHT_UNLIKELY(!value)) internal::fail_length("read_be", sizeof(T), remaining());
  return *value;
}
template <FixedWidth T>
BIGHT_ALWAYS_INLINE T Cursor::read_le() noexcept {
  // Said apart, so that no flag is kept for what is read in place.
  if (BIGHT_LIKELY(place_.index <= -static_cast<ptrdiff_t>(sizeof(T)))) {
    const T value = load_le<T>(at());
    place_.index += static_cast<ptrdiff_t>(sizeof(T));
    return value;
  }
  const std::optional<T> value = try_read_le<T>();
  if (BIGHT_UNLIKELY(!value)) internal::fail_length("read_le", sizeof(T), remaining());
  return *value;
}

template <class Load>
inline auto Cursor::read_odd(const char* operation, size_t width, Load load) noexcept
    -> std::optional<decltype(load(nullptr))> {
  if (BIGHT_UNLIKELY(width > 8)) internal::fail_length(operation, width, 8);
  if (BIGHT_LIKELY(left() >= width)) {
    const auto value = load(at());
    place_.index += static_cast<ptrdiff_t>(width);
    return value;
  }
  if (place_.behind < width - left()) return std::nullopt;
  const Gathered gathered =
      gather(chain_, place_.end, place_.index, place_.behind, place_.next, width);
  go_to(gathered.place);
  return load(gathered.bytes);
}

inline std::optional<uint64_t> Cursor::try_read_uint_be(size_t width) noexcept {
  return read_odd("try_read_uint_be", width,
                  [width](const std::byte* from) { return load_uint_be(from, width); });
}
inline std::optional<uint64_t> Cursor::try_read_uint_le(size_t width) noexcept {
  return read_odd("try_read_uint_le", width,
                  [width](const std::byte* from) { return load_uint_le(from, width); });
}
inline std::optional<int64_t> Cursor::try_read_int_be(size_t width) noexcept {
  return read_odd("try_read_int_be", width,
                  [width](const std::byte* from) { return load_int_be(from, width); });
}
inline std::optional<int64_t> Cursor::try_read_int_le(size_t width) noexcept {
  return read_odd("try_read_int_le", width,
                  [width](const std::byte* from) { return load_int_le(from, width); });
}

inline ReadResult<uint64_t> Cursor::try_read_varint() noexcept {
  VarintResult result = decode_varint(at(), place_.end);
  if (BIGHT_LIKELY(result.status == VarintStatus::ok)) {
    place_.index += static_cast<ptrdiff_t>(result.length);
    return result.value;
  }
  if (result.status == VarintStatus::need_more && place_.behind != 0) {
    const GatheredVarint gathered =
        gather_varint(chain_, place_.end, place_.index, place_.behind, place_.next);
    go_to(gathered.place);
    result = gathered.result;
    if (result.status == VarintStatus::ok) return result.value;
  }
  return result.status == VarintStatus::malformed ? ReadStatus::malformed : ReadStatus::need_more;
}

inline ReadResult<uint32_t> Cursor::try_read_varint32() noexcept {
  VarintResult result = decode_varint32(at(), place_.end);
  if (BIGHT_LIKELY(result.status == VarintStatus::ok)) {
    place_.index += static_cast<ptrdiff_t>(result.length);
    return static_cast<uint32_t>(result.value);
  }
  if (result.status == VarintStatus::need_more && place_.behind != 0) {
    const GatheredVarint gathered =
        gather_varint32(chain_, place_.end, place_.index, place_.behind, place_.next);
    go_to(gathered.place);
    result = gathered.result;
    if (result.status == VarintStatus::ok) return static_cast<uint32_t>(result.value);
  }
  return result.status == VarintStatus::malformed ? ReadStatus::malformed : ReadStatus::need_more;
}

inline ReadResult<int64_t> Cursor::try_read_varint_signed() noexcept {
  const ReadResult<uint64_t> result = try_read_varint();
  if (!result) return {result.status(), result.needed()};
  return zigzag_decode(*result);
}

BIGHT_ALWAYS_INLINE bool Cursor::try_skip(size_t n) noexcept {
  if (BIGHT_LIKELY(left() >= n)) {
    place_.index += static_cast<ptrdiff_t>(n);
    return true;
  }
  if (place_.behind < n - left()) return false;
  go_to(skip_slow(chain_, place_.end, place_.index, place_.behind, place_.next, stop_, n));
  return true;
}

inline void Cursor::skip(size_t n) noexcept {
  if (BIGHT_UNLIKELY(!try_skip(n))) internal::fail_length("skip", n, remaining());
}

inline size_t Cursor::skip_up_to(size_t n) noexcept {
  if (n > remaining()) n = remaining();
  skip(n);
  return n;
}

inline bool Cursor::try_seek(size_t position) noexcept {
  if (position > stop_) return false;
  place_ = seek_slow(*this, position);
  return true;
}

inline void Cursor::seek(size_t position) noexcept {
  if (BIGHT_UNLIKELY(!try_seek(position))) internal::fail_length("seek", position, stop_);
}

inline bool Cursor::try_copy_to(std::span<std::byte> to) noexcept {
  if (remaining() < to.size()) return false;
  copy(*this, to.data(), to.size());
  return try_skip(to.size());
}

inline size_t Cursor::copy_up_to(std::span<std::byte> to) noexcept {
  const size_t n = to.size() < remaining() ? to.size() : remaining();
  copy(*this, to.data(), n);
  return skip_up_to(n);
}

inline std::optional<Chain> Cursor::try_read_chain(size_t n) {
  if (remaining() < n) return std::nullopt;
  std::optional<Chain> taken(cut(*this, n));
  skip(n);
  return taken;
}

inline Chain Cursor::read_chain(size_t n) {
  if (remaining() < n) internal::fail_length("read_chain", n, remaining());
  Chain taken = cut(*this, n);
  skip(n);
  return taken;
}

inline ReadResult<Bytes> Cursor::try_read_bytes(size_t n) {
  if (remaining() < n) return {ReadStatus::need_more, n - remaining()};
  ReadResult<Bytes> taken = cut_bytes(*this, n);
  if (taken) skip(n);
  return taken;
}

inline std::optional<Bytes> Cursor::try_read_flat(size_t n) {
  if (remaining() < n) return std::nullopt;
  std::optional<Bytes> taken(cut_flat(*this, n));
  skip(n);
  return taken;
}

template <class U>
ReadResult<Chain> Cursor::finish_prefixed(Cursor ahead, std::optional<U> length, size_t max) {
  // One variable is returned on every way, so that the chain is made in its final place.
  ReadResult<Chain> payload =
      length ? cut_prefixed(ahead, *length, max)
             : ReadResult<Chain>(ReadStatus::need_more, sizeof(U) - remaining());
  if (payload) {
    ahead.skip(payload->size());
    go_to(ahead.place_);
  }
  return payload;
}

template <FixedWidth U>
requires std::is_unsigned_v<U> ReadResult<Chain> Cursor::try_read_prefixed(size_t max) {
  Cursor ahead(*this);
  const std::optional<U> length = ahead.try_read_be<U>();
  return finish_prefixed<U>(ahead, length, max);
}

template <FixedWidth U>
requires std::is_unsigned_v<U> ReadResult<Chain> Cursor::try_read_prefixed_le(size_t max) {
  Cursor ahead(*this);
  const std::optional<U> length = ahead.try_read_le<U>();
  return finish_prefixed<U>(ahead, length, max);
}

BIGHT_NAMESPACE_END

#endif  // BIGHT_CURSOR_H_
