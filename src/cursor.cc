#include "bight/cursor.h"

#include <algorithm>
#include <cstring>

#include "bight/bytes_builder.h"
#include "bight/copy_audit.h"
#include "bight/internal/search.h"

BIGHT_NAMESPACE_BEGIN

struct Cursor::Ops {
  // Segments that a skip looks at one by one before it asks the chain to locate the place, which
  // costs about as much as passing this many.
  static constexpr size_t kWalk = 8;

  // A cursor over `chain` from the parts of its place; for what does not ask for the position.
  static Cursor cursor(const Chain* chain, const std::byte* end, ptrdiff_t index, size_t behind,
                       size_t next) noexcept {
    Cursor at(*chain);
    at.place_ = {end, index, behind, next};
    return at;
  }

  // Goes on to the next segment. Precondition: the window is used up and bytes are behind it.
  static void advance(Cursor& at) noexcept {
    const std::span<const std::byte> segment = at.chain_->segment(at.place_.next);
    const size_t n = std::min(segment.size(), at.place_.behind);
    at.place_ = {segment.data() + n, -static_cast<ptrdiff_t>(n), at.place_.behind - n,
                 at.place_.next + 1};
  }

  // Makes the window show the bytes at the position.
  static void show(Cursor& at) noexcept {
    if (at.place_.index == 0 && at.place_.behind != 0) advance(at);
  }

  static void skip_in_window(Cursor& at, size_t n) noexcept {
    at.place_.index += static_cast<ptrdiff_t>(n);
  }

  // The whole segment that the window is a part of.
  static std::span<const std::byte> segment(const Cursor& at) noexcept {
    return at.chain_ != nullptr ? at.chain_->segment(at.place_.next - 1) : at.bytes_->span();
  }

  // The word of the block that holds the window.
  static uintptr_t block_word(const Cursor& at) noexcept {
    if (at.chain_ == nullptr) return at.bytes_->segment_.block;
    const Chain& chain = *at.chain_;
    size_t i = at.place_.next - 1;
    if (chain.is_inline()) return chain.inline_[i].block;
    if ((chain.window_.flags & Chain::kEdgeFront) != 0) {
      if (i == 0) return chain.window_.edge.block;
      --i;
    }
    const size_t slot = chain.window_.first + i;
    return slot < chain.window_.last ? chain.table()->slots()[slot].block
                                     : chain.window_.edge.block;
  }

  // `n` bytes of the window, `n` at least 1 and at most left(), as a handle. One reference.
  static Bytes share(const Cursor& at, size_t n) {
    return Bytes(internal::Segment{at.at(), n, internal::share_word(block_word(at))});
  }

  template <class Entry, class Set>
  static GatherFill fill(Cursor at, std::span<Entry> entries, size_t max_bytes, Set set) noexcept {
    GatherFill fill;
    size_t wanted = std::min(max_bytes, at.remaining());
    while (wanted != 0 && fill.count < entries.size()) {
      show(at);
      const size_t n = std::min(wanted, at.left());
      set(entries[fill.count], at.at(), n);
      ++fill.count;
      fill.bytes += n;
      wanted -= n;
      skip_in_window(at, n);
    }
    return fill;
  }

  static std::span<const std::byte> get_bytes(const void* bytes, size_t) {
    return static_cast<const Bytes*>(bytes)->span();
  }

  // The source as the search sees it, and where the cursor stands in it. Only for sources that are
  // not empty.
  static internal::SpanSource source(const Cursor& at) noexcept {
    if (at.chain_ != nullptr) return at.chain_->search_source();
    return {at.bytes_, 1, &get_bytes};
  }
  static internal::SearchStart start(const Cursor& at) noexcept {
    return {at.place_.next - 1, static_cast<size_t>(at.at() - segment(at).data()), 0};
  }

  // Finds in the stream that begins at the cursor, up to `limit` bytes from `from` on.
  static std::optional<size_t> find(Cursor at, ByteView needle, size_t from, size_t limit) {
    const size_t rest = at.remaining();
    if (from > rest) return std::nullopt;
    limit = std::min(limit, rest - from);
    if (needle.size() > limit) return std::nullopt;
    if (needle.empty()) return from;
    show(at);
    const size_t found =
        needle.size() == 1
            ? internal::find_byte_in_spans(source(at), from, needle[0], limit, start(at))
            : internal::find_in_spans(source(at), from, needle.span(), limit, start(at));
    if (found == internal::kNotFound) return std::nullopt;
    return found;
  }

  // Where a repeated search for `needle_size` bytes has to begin.
  static size_t resume(const Cursor& at, size_t searched, size_t needle_size) noexcept {
    searched = std::min(searched, at.remaining());
    return searched < needle_size ? 0 : searched - (needle_size - 1);
  }

  // a + b, or the largest number.
  static size_t add_capped(size_t a, size_t b) noexcept {
    return b > static_cast<size_t>(-1) - a ? static_cast<size_t>(-1) : a + b;
  }

  template <VarintResult (*kDecode)(const std::byte*, const std::byte*), size_t kMax>
  static GatheredVarint varint(Cursor from) noexcept {
    std::byte bytes[kMax];
    const size_t n = std::min(kMax, from.remaining());
    Cursor ahead(from);
    size_t length = 0;
    bool last = false;
    while (length < n && !last) {
      show(ahead);
      bytes[length] = *ahead.at();
      last = std::to_integer<unsigned>(bytes[length]) < 0x80;
      skip_in_window(ahead, 1);
      ++length;
    }
    // A number that ends here may still be too large.
    const VarintResult result = kDecode(bytes, bytes + length);
    return {result, result.status == VarintStatus::ok ? ahead.place_ : from.place_};
  }
};

GatherFill Cursor::fill_spans(std::span<std::span<const std::byte>> entries,
                              size_t max_bytes) const noexcept {
  return Ops::fill(*this, entries, max_bytes,
                   [](std::span<const std::byte>& entry, const std::byte* data, size_t n) {
                     entry = {data, n};
                   });
}

#if BIGHT_HAS_IOVEC
GatherFill Cursor::fill_iovec(std::span<iovec> entries, size_t max_bytes) const noexcept {
  return Ops::fill(*this, entries, max_bytes, [](iovec& entry, const std::byte* data, size_t n) {
    // iovec serves reading and writing and has no const; a gather write only reads.
    entry = {const_cast<std::byte*>(data), n};
  });
}
#endif

std::optional<std::span<const std::byte>> Cursor::try_peek_flat(
    size_t n, std::span<std::byte> scratch) const noexcept {
  if (remaining() < n || scratch.size() < n) return std::nullopt;
  const std::span<const std::byte> here = window();
  if (here.size() >= n) return here.first(n);
  copy(*this, scratch.data(), n);
  return std::span<const std::byte>(scratch.first(n));
}

bool Cursor::starts_with(ByteView prefix) const noexcept {
  if (remaining() < prefix.size()) return false;
  Cursor at(*this);
  size_t done = 0;
  while (done < prefix.size()) {
    Ops::show(at);
    const size_t n = std::min(prefix.size() - done, at.left());
    if (std::memcmp(at.at(), prefix.data() + done, n) != 0) return false;
    done += n;
    Ops::skip_in_window(at, n);
  }
  return true;
}

std::optional<size_t> Cursor::find(std::byte value, size_t from) const noexcept {
  return Ops::find(*this, ByteView(&value, 1), from, static_cast<size_t>(-1));
}

std::optional<size_t> Cursor::find(ByteView needle, size_t from) const {
  return Ops::find(*this, needle, from, static_cast<size_t>(-1));
}

Cursor::Gathered Cursor::gather(const Chain* chain, const std::byte* end, ptrdiff_t index,
                                size_t behind, size_t next, size_t n) noexcept {
  Cursor from = Ops::cursor(chain, end, index, behind, next);
  Gathered gathered{};
  size_t done = 0;
  while (done < n) {
    Ops::show(from);
    const size_t part = std::min(n - done, from.left());
    std::memcpy(gathered.bytes + done, from.at(), part);
    done += part;
    Ops::skip_in_window(from, part);
  }
  gathered.place = from.place_;
  return gathered;
}

Cursor::GatheredVarint Cursor::gather_varint(const Chain* chain, const std::byte* end,
                                             ptrdiff_t index, size_t behind, size_t next) noexcept {
  const Cursor from = Ops::cursor(chain, end, index, behind, next);
  return Ops::varint<&decode_varint, kMaxVarintSize>(from);
}

Cursor::GatheredVarint Cursor::gather_varint32(const Chain* chain, const std::byte* end,
                                               ptrdiff_t index, size_t behind,
                                               size_t next) noexcept {
  const Cursor from = Ops::cursor(chain, end, index, behind, next);
  return Ops::varint<&decode_varint32, kMaxVarint32Size>(from);
}

Cursor::Place Cursor::skip_slow(const Chain* chain, const std::byte* end, ptrdiff_t index,
                                size_t behind, size_t next, size_t stop, size_t n) noexcept {
  Cursor from = Ops::cursor(chain, end, index, behind, next);
  from.stop_ = stop;
  for (size_t walked = 0; walked < Ops::kWalk; ++walked) {
    if (from.left() >= n) {
      Ops::skip_in_window(from, n);
      return from.place_;
    }
    n -= from.left();
    from.place_.index = 0;
    Ops::advance(from);
  }
  return seek_slow(from, from.position() + n);
}

Cursor::Place Cursor::seek_slow(const Cursor& from, size_t position) noexcept {
  const size_t now = from.position();
  if (position >= now && position - now <= from.left()) {
    Place place = from.place_;
    place.index += static_cast<ptrdiff_t>(position - now);
    return place;
  }
  const size_t rest = from.stop_ - position;
  std::span<const std::byte> segment;
  size_t offset;
  size_t index = 0;
  if (from.chain_ == nullptr) {
    segment = from.bytes_->span();
    offset = position;
  } else {
    const SegmentPosition place = from.chain_->locate(position);
    index = place.index;
    offset = place.offset;
    if (index == from.chain_->segment_count()) {
      // The end of the chain: the end of its last segment. (An empty chain does not come here.)
      --index;
      offset = from.chain_->segment(index).size();
    }
    segment = from.chain_->segment(index);
  }
  const size_t n = std::min(segment.size() - offset, rest);
  return {segment.data() + offset + n, -static_cast<ptrdiff_t>(n), rest - n, index + 1};
}

std::span<const std::byte> Cursor::next_window(const Chain* chain, size_t behind,
                                               size_t next) noexcept {
  const std::span<const std::byte> segment = chain->segment(next);
  return segment.first(std::min(segment.size(), behind));
}

void Cursor::copy(Cursor from, std::byte* to, size_t n) noexcept {
  internal::count_copied(n);
  while (n != 0) {
    Ops::show(from);
    const size_t part = std::min(n, from.left());
    std::memcpy(to, from.at(), part);
    to += part;
    n -= part;
    Ops::skip_in_window(from, part);
  }
}

Chain Cursor::cut(const Cursor& from, size_t n) {
  if (n == 0) return Chain();
  if (from.left() >= n) return Chain(Ops::share(from, n));
  if (from.left() == 0) {
    Cursor next(from);
    Ops::advance(next);
    if (next.left() >= n) return Chain(Ops::share(next, n));
  }
  return from.chain_->slice(from.position(), n);
}

ReadResult<Bytes> Cursor::cut_bytes(const Cursor& from, size_t n) {
  if (n == 0) return Bytes();
  if (from.left() >= n) return Ops::share(from, n);
  if (from.left() == 0) {
    Cursor next(from);
    Ops::advance(next);
    if (next.left() >= n) return Ops::share(next, n);
  }
  return ReadStatus::straddles;
}

Bytes Cursor::cut_flat(const Cursor& from, size_t n) {
  if (ReadResult<Bytes> shared = cut_bytes(from, n)) return *std::move(shared);
  BytesBuilder flat(n);
  copy(from, flat.prepare(n).data(), n);
  // Counted by copy(); commit does not count again.
  flat.commit(n);
  return std::move(flat).freeze();
}

ReadResult<Chain> Cursor::cut_prefixed(const Cursor& from, uint64_t length, size_t max) {
  if (length > max) return ReadStatus::too_long;
  const auto n = static_cast<size_t>(length);
  if (from.remaining() < n) return {ReadStatus::need_more, n - from.remaining()};
  if (n == 0 || from.left() < n) return ReadResult<Chain>(std::in_place, cut(from, n));
  // Made where the caller wants it: to move a chain costs half as much as the reference.
  return ReadResult<Chain>(std::in_place, Ops::share(from, n));
}

ReadResult<Chain> Cursor::try_read_prefixed_varint(size_t max) {
  Cursor ahead(*this);
  const ReadResult<uint64_t> length = ahead.try_read_varint();
  if (!length) return {length.status(), length.needed()};
  ReadResult<Chain> payload = cut_prefixed(ahead, *length, max);
  if (payload) {
    ahead.skip(payload->size());
    place_ = ahead.place_;
  }
  return payload;
}

ReadResult<Chain> Cursor::try_read_until(ByteView delimiter, size_t max, size_t searched) {
  if (delimiter.empty()) internal::fail("try_read_until of an empty delimiter");
  // A delimiter that begins behind `max` is of no use, so nothing behind this is looked at.
  const size_t allowed = Ops::add_capped(max, delimiter.size());
  const size_t from = Ops::resume(*this, searched, delimiter.size());
  if (from <= max) {
    const std::optional<size_t> found = Ops::find(*this, delimiter, from, allowed - from);
    if (found) {
      Chain taken = cut(*this, *found);
      skip(*found + delimiter.size());
      return taken;
    }
  }
  if (remaining() >= allowed) return ReadStatus::too_long;
  return ReadStatus::need_more;
}

ReadResult<Chain> Cursor::try_read_line(size_t max, LineEnd end, size_t searched) {
  if (end == LineEnd::crlf) return try_read_until("\r\n", max, searched);
  if (end == LineEnd::lf) return try_read_until("\n", max, searched);
  // The '\n' may come one byte later if a '\r' is before it.
  const size_t allowed = Ops::add_capped(max, 2);
  const size_t from = Ops::resume(*this, searched, 1);
  if (from < allowed) {
    const std::optional<size_t> found = Ops::find(*this, "\n", from, allowed - from);
    if (found) {
      size_t length = *found;
      if (length != 0) {
        Cursor before(*this);
        before.skip(length - 1);
        if (before.try_peek_u8() == uint8_t{'\r'}) --length;
      }
      if (length > max) return ReadStatus::too_long;
      Chain taken = cut(*this, length);
      skip(*found + 1);
      return taken;
    }
  }
  if (remaining() > max) {
    // No line end within max + 1 bytes, unless the last one looked at begins one.
    if (remaining() >= allowed) return ReadStatus::too_long;
    Cursor last(*this);
    last.skip(max);
    if (last.try_peek_u8() != uint8_t{'\r'}) return ReadStatus::too_long;
  }
  return ReadStatus::need_more;
}

BIGHT_NAMESPACE_END
