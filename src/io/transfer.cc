// The loops behind read.h, write.h and copy.h.
#include <sys/uio.h>

#include <algorithm>
#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>
#include <utility>

#include "bight/bytes_builder.h"
#include "bight/chain.h"
#include "bight/chain_builder.h"
#include "bight/copy_audit.h"
#include "bight/internal/block.h"
#include "bight/internal/check.h"
#include "bight/io/copy.h"
#include "bight/io/read.h"
#include "bight/io/write.h"
#include "io/gather.h"

BIGHT_NAMESPACE_BEGIN
namespace internal {

bool settle(IoResult& result, const char* what, size_t offered) noexcept {
  if (BIGHT_UNLIKELY(result.bytes > offered)) fail_length(what, result.bytes, offered);
  if (BIGHT_LIKELY(result.kind != IoKind::error)) return false;
  if (result.error_number == EINTR) {
    if (result.bytes == 0) return true;
    result.kind = IoKind::data;
    result.error_number = 0;
  } else if (result.error_number == EAGAIN || result.error_number == EWOULDBLOCK) {
    result.kind = IoKind::would_block;
    result.error_number = EAGAIN;
  }
  return false;
}

// ---- Gathering ------------------------------------------------------------------------------

namespace {

const std::byte* end_of(const iovec& entry) noexcept {
  return static_cast<const std::byte*>(entry.iov_base) + entry.iov_len;
}

}  // namespace

Gather::Gather(size_t gather_below, size_t max_bytes) noexcept
    : gather_below_(gather_below), max_bytes_((std::min)(max_bytes, kMaxTransfer)) {}

Gather::~Gather() {
  if (node_ == nullptr) return;
  count_gathered(used_);
  free_node(node_, kNodeSize);
}

bool Gather::in_run() const noexcept {
  return used_ != 0 && count_ != 0 && end_of(entries_[count_ - 1]) == scratch_ + used_;
}

bool Gather::add(const Chain& chain, size_t from) noexcept {
  size_t segments_left = chain.segment_count();  // at most so many, if `from` is not 0
  while (from < chain.size()) {
    if (count_ == kMaxEntries || bytes_ == max_bytes_) return false;
    if (kScratchSize - used_ < gather_below_ && segments_left > kMaxEntries - count_) return false;
    // The entries are filled in behind those there are and then drawn together in place.
    iovec* const fresh = entries_ + count_;
    const GatherFill fill =
        chain.fill_iovec({fresh, kMaxEntries - count_}, from, max_bytes_ - bytes_);
    const bool rest_fits = from + fill.bytes == chain.size() || fill.bytes == max_bytes_ - bytes_;
    for (size_t i = 0; i < fill.count;) {
      if (!scratch_full_ || rest_fits) {
        i += pass_large(fresh + i, fill.count - i);
        if (i == fill.count) break;
      }
      const iovec piece = fresh[i];
      if (!join(piece)) {
        if (scratch_full_ && !rest_fits) return false;
        entries_[count_++] = piece;
      }
      bytes_ += piece.iov_len;
      ++i;
      i += gather_run(fresh + i, fill.count - i);
    }
    from += fill.bytes;
    segments_left -= fill.count;
  }
  return count_ != kMaxEntries && bytes_ != max_bytes_;
}

size_t Gather::pass_large(const iovec* pieces, size_t count) noexcept {
  iovec* out = entries_ + count_;
  const void* previous_end = count_ == 0 ? nullptr : end_of(entries_[count_ - 1]);
  size_t bytes = 0;
  size_t i = 0;
  for (; i < count; ++i) {
    const iovec piece = pieces[i];
    if (piece.iov_len < gather_below_ || piece.iov_base == previous_end) break;
    *out++ = piece;
    previous_end = end_of(piece);
    bytes += piece.iov_len;
  }
  count_ += i;
  bytes_ += bytes;
  return i;
}

size_t Gather::gather_run(const iovec* pieces, size_t count) noexcept {
  if (!in_run()) return 0;
  std::byte* const begin = scratch_ + used_;
  std::byte* const limit = scratch_ + kScratchSize;
  std::byte* to = begin;
  size_t i = 0;
  for (; i < count; ++i) {
    const iovec piece = pieces[i];
    if (piece.iov_len >= gather_below_ || static_cast<size_t>(limit - to) < piece.iov_len) break;
    std::memcpy(to, piece.iov_base, piece.iov_len);
    to += piece.iov_len;
  }
  const auto gathered = static_cast<size_t>(to - begin);
  entries_[count_ - 1].iov_len += gathered;
  used_ += gathered;
  bytes_ += gathered;
  return i;
}

bool Gather::join(iovec piece) noexcept {
  if (count_ == 0) return false;
  iovec& last = entries_[count_ - 1];
  if (end_of(last) == piece.iov_base) {
    // Neighbours in memory need one entry and no copy.
    last.iov_len += piece.iov_len;
    return true;
  }
  if (piece.iov_len >= gather_below_ || scratch_full_) return false;
  if (in_run()) {
    if (!gather(piece)) return false;
    last.iov_len += piece.iov_len;
    return true;
  }
  // The second small one in a row begins a run: from here on a copy is worth it.
  if (last.iov_len >= gather_below_) return false;
  const size_t run = last.iov_len + piece.iov_len;
  if (kScratchSize - used_ < run) {
    scratch_full_ = true;
    return false;
  }
  if (!gather(last)) return false;
  static_cast<void>(gather(piece));
  last = {scratch_ + (used_ - run), run};
  return true;
}

bool Gather::gather(iovec piece) noexcept {
  if (node_ == nullptr) {
    node_ = try_allocate_node(kNodeSize);
    if (node_ != nullptr) {
      const size_t over = reinterpret_cast<uintptr_t>(node_) % kAlignment;
      scratch_ = static_cast<std::byte*>(node_) + (kAlignment - over) % kAlignment;
    }
  }
  if (scratch_ == nullptr || kScratchSize - used_ < piece.iov_len) {
    scratch_full_ = true;
    return false;
  }
  std::memcpy(scratch_ + used_, piece.iov_base, piece.iov_len);
  used_ += piece.iov_len;
  return true;
}

// ---- Writing --------------------------------------------------------------------------------

IoResult write_some(SinkRef sink, Chain& chain, const WriteOptions& options) {
  if (chain.empty() || options.max_bytes == 0) return {};
  IoResult result;
  {
    Gather gather(options.gather_below, options.max_bytes);
    static_cast<void>(gather.add(chain));
    result = offer(sink, gather.entries(), gather.bytes());
  }  // the scratch is free again before release hooks run
  chain.consume(result.bytes);
  return result;
}

IoResult write_some(SinkRef sink, std::span<Chain* const> chains, const WriteOptions& options) {
  IoResult result;
  {
    Gather gather(options.gather_below, options.max_bytes);
    for (const Chain* chain : chains) {
      if (!gather.add(*chain)) break;
    }
    if (gather.bytes() == 0) return {};
    result = offer(sink, gather.entries(), gather.bytes());
  }
  size_t left = result.bytes;
  for (Chain* chain : chains) {
    if (left == 0) break;
    const size_t share = (std::min)(left, chain->size());
    chain->consume(share);
    left -= share;
  }
  return result;
}

namespace {

// A full stop that came together with the last byte: nobody need wait for it.
bool done_before_a_stop(const IoResult& result, bool done) noexcept {
  return done && result.kind == IoKind::would_block;
}

// Nothing was taken of a non-empty offer, and the sink gives no reason: trying again would spin.
IoResult took_nothing(const char* call, size_t bytes) noexcept {
  return IoResult::failed(ENOSPC, call, bytes);
}

}  // namespace

IoResult write_all(SinkRef sink, Chain& chain, const WriteOptions& options) {
  size_t written = 0;
  while (!chain.empty() && options.max_bytes != 0) {
    IoResult result = write_some(sink, chain, options);
    written += result.bytes;
    if (result.kind != IoKind::data && !done_before_a_stop(result, chain.empty())) {
      result.bytes = written;
      return result;
    }
    if (result.bytes == 0) return took_nothing(result.call, written);
  }
  return {written, IoKind::data, 0, nullptr};
}

// ---- Reading --------------------------------------------------------------------------------

namespace {

// Room for one read.
struct Room {
  // 64 blocks of 64 KiB, more than one read usefully fills.
  static constexpr size_t kEntries = 64;

  // At most `max` bytes of `into`; none when its max_size leaves none. Fails with bad_alloc.
  Room(ChainBuilder& into, size_t max) {
    max = (std::min)(max, kMaxTransfer);
    const size_t prepared = into.prepare_iovec(max, entries);
    while (count < prepared && bytes < max) {
      entries[count].iov_len = (std::min)(entries[count].iov_len, max - bytes);
      bytes += entries[count].iov_len;
      ++count;
    }
  }

  iovec entries[kEntries];
  size_t count = 0;
  size_t bytes = 0;
};

}  // namespace

IoResult take_in(const SourceRef& source, std::span<const iovec> entries, size_t room,
                 const IoResult* first) {
  for (;;) {
    IoResult result = first != nullptr ? *first : source.read_some(entries);
    first = nullptr;
    if (BIGHT_LIKELY(result.kind == IoKind::data && result.bytes - 1 < room)) return result;
    if (settle(result, "read_some of the source", room)) continue;
    if (result.kind == IoKind::data && result.bytes == 0) {
      // No source should say so; going on would spin.
      result.kind = IoKind::would_block;
      result.error_number = EAGAIN;
    }
    return result;
  }
}

namespace {

IoResult no_room() noexcept { return IoResult::failed(ENOBUFS, "read_some"); }

// `result`, that has brought all that was wanted, without what came behind the last byte: the
// next read says it again.
IoResult complete(const IoResult& result) noexcept {
  return {result.bytes, IoKind::data, 0, result.call};
}

// Where reads that go on until something is complete start: one whole block.
constexpr size_t kFirstRead = size_t{64} << 10;

// Reads up to `n` bytes, as many times as it takes.
IoResult read_up_to(const SourceRef& source, ChainBuilder& into, size_t n, ReadSize size) {
  IoResult total;
  while (total.bytes < n) {
    const size_t room = (std::min)(size.next(), n - total.bytes);
    IoResult result = read_some(source, into, room);
    size.record(room, result.bytes);
    result.bytes += total.bytes;
    total = result;
    if (result.kind != IoKind::data) break;
  }
  if (total.bytes == n && total.kind == IoKind::would_block) return complete(total);
  return total;
}

}  // namespace

IoResult read_some(SourceRef source, ChainBuilder& into, size_t max) {
  if (max == 0) return {};
  if (BIGHT_LIKELY(into.spare() >= max && max <= kMaxTransfer)) {
    const iovec entry{into.prepare(max).data(), max};
    const IoResult result = take_in(source, {&entry, 1}, max);
    into.commit(result.bytes);
    return result;
  }
  const Room room(into, max);
  if (room.bytes == 0) return no_room();
  const IoResult result = take_in(source, {room.entries, room.count}, room.bytes);
  into.commit(result.bytes);
  return result;
}

IoResult read_some(SourceRef source, ChainBuilder& into, ReadSize& size) {
  // Room that the current block has anyway costs nothing.
  const size_t max = (std::max)(size.next(), (std::min)(into.spare(), size.most()));
  const IoResult result = read_some(source, into, max);
  size.record(max, result.bytes);
  return result;
}

IoResult read_some(SourceRef source, BytesBuilder& into, size_t max) {
  if (max == 0) return {};
  const size_t room = (std::min)({max, into.spare(), kMaxTransfer});
  if (room == 0) return no_room();
  const iovec entry{into.prepare(room).data(), room};
  const IoResult result = take_in(source, {&entry, 1}, room);
  into.commit(result.bytes);
  return result;
}

IoResult read_exactly(SourceRef source, ChainBuilder& into, size_t n) {
  const IoResult result = read_up_to(source, into, n, ReadSize(kFirstRead));
  return result.bytes == n && !result.is_error() ? complete(result) : result;
}

IoResult read_exactly(SourceRef source, BytesBuilder& into, size_t n) {
  if (into.spare() < n && !into.try_reserve(n)) return no_room();
  IoResult total;
  while (total.bytes < n) {
    IoResult result = read_some(source, into, n - total.bytes);
    result.bytes += total.bytes;
    total = result;
    if (result.kind != IoKind::data) break;
  }
  return total.bytes == n && !total.is_error() ? complete(total) : total;
}

IoResult read_all(SourceRef source, ChainBuilder& into, size_t limit) {
  return read_up_to(source, into, limit, ReadSize(kFirstRead));
}

ReadUntilResult read_until(SourceRef source, ChainBuilder& room, Chain& pending, ByteView delimiter,
                           size_t max, size_t searched) {
  if (delimiter.empty()) fail("read_until with an empty delimiter");
  ReadUntilResult until;
  until.searched = (std::min)(searched, pending.size());
  ReadSize size;
  for (;;) {
    if (!room.empty()) pending.push_back(room.take());
    if (until.searched < max) {
      const auto found = pending.find(delimiter, until.searched, max - until.searched);
      if (found) {
        until.frame = *found + delimiter.size();
        until.searched = *found;
        return until;
      }
    }
    // A delimiter may have begun in the last bytes.
    const size_t looked_at = (std::min)(pending.size(), max);
    if (looked_at >= delimiter.size()) {
      until.searched = (std::max)(until.searched, looked_at - (delimiter.size() - 1));
    }
    if (until.io.kind != IoKind::data) return until;
    if (pending.size() >= max) {
      until.io = IoResult::failed(EMSGSIZE, "read_until", until.io.bytes);
      return until;
    }
    const size_t offered = (std::min)(size.next(), max - pending.size());
    IoResult result = read_some(source, room, offered);
    size.record(offered, result.bytes);
    result.bytes += until.io.bytes;
    until.io = result;
  }
}

// ---- Copying --------------------------------------------------------------------------------

IoResult copy(SourceRef source, SinkRef sink, Chain& pending, size_t limit) {
  ChainBuilderOptions blocks;
  blocks.min_block = blocks.max_block = kFirstRead;
  ChainBuilder room(blocks);
  ReadSize size(kFirstRead);
  size_t written = 0;
  IoResult stop;  // why the source is not asked again
  for (;;) {
    while (!pending.empty() && written < limit) {
      WriteOptions options;
      options.max_bytes = (std::min)(options.max_bytes, limit - written);
      IoResult result = write_some(sink, pending, options);
      written += result.bytes;
      if (result.kind != IoKind::data && !done_before_a_stop(result, pending.empty())) {
        result.bytes = written;
        return result;
      }
      if (result.bytes == 0) return took_nothing(result.call, written);
    }
    if (stop.kind != IoKind::data) {
      stop.bytes = written;
      return stop;
    }
    if (written == limit) return {written, IoKind::data, 0, nullptr};
    const size_t offered = (std::min)(size.next(), limit - written);
    stop = read_some(source, room, offered);
    size.record(offered, stop.bytes);
    pending.push_back(room.take());
  }
}

}  // namespace internal
BIGHT_NAMESPACE_END
