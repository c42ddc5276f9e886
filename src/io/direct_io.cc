#include "bight/io/direct_io.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <span>
#include <utility>

#include "io/gather.h"

BIGHT_NAMESPACE_BEGIN
namespace {

bool is_aligned(uint64_t n) noexcept { return n % kDirectAlignment == 0; }
bool is_aligned(const void* place) noexcept {
  return is_aligned(uint64_t{reinterpret_cast<uintptr_t>(place)});
}

IoResult misaligned(const char* call, size_t bytes = 0) noexcept {
  return IoResult::failed(EINVAL, call, bytes);
}

}  // namespace

IoResult open_direct(const char* path, int flags, DirectFallback fallback, File& file, bool& direct,
                     unsigned permissions) {
  File opened;
  bool got_it = false;
#if defined(O_DIRECT)
  IoResult result = opened.open(path, flags | O_DIRECT, permissions);
  got_it = !result.is_error();
  // The kernel creates the file and then says no.
  const bool created = (flags & (O_CREAT | O_EXCL)) == (O_CREAT | O_EXCL);
  if (result.error_number == EINVAL && created) ::unlink(path);
#else
  IoResult result = IoResult::failed(EINVAL, "open");
#endif
  if (result.error_number == EINVAL && fallback == DirectFallback::buffered) {
    result = opened.open(path, flags, permissions);
  }
  if (result.is_error()) return result;
  file = std::move(opened);
  direct = got_it;
  return result;
}

ChainBuilderOptions direct_blocks(size_t block_size) {
  ChainBuilderOptions options;
  const size_t blocks = std::max<size_t>(block_size / kDirectAlignment, 1) +
                        (block_size > kDirectAlignment && !is_aligned(block_size) ? 1 : 0);
  options.min_block = options.max_block = blocks * kDirectAlignment;
  options.alignment = kDirectAlignment;
  return options;
}

IoResult read_direct(const File& file, uint64_t offset, size_t n, ChainBuilder& into) {
  if (!is_aligned(offset) || !is_aligned(n)) return misaligned("preadv");
  size_t got = 0;
  while (got < n) {
    // As many blocks as a call usefully fills.
    constexpr size_t kPieces = 64;
    iovec entries[kPieces];
    const size_t prepared = into.prepare_iovec(n - got, entries);
    size_t room = 0;
    size_t count = 0;
    for (bool cut = false; count < prepared && room < n - got && !cut; ++count) {
      iovec& entry = entries[count];
      if (!is_aligned(entry.iov_base)) return misaligned("preadv", got);
      entry.iov_len = std::min(entry.iov_len, n - got - room);
      // max_size may cut a block; what lies behind it cannot be filled in this call.
      cut = !is_aligned(entry.iov_len);
      entry.iov_len -= entry.iov_len % kDirectAlignment;
      room += entry.iov_len;
    }
    if (room == 0) return IoResult::failed(ENOBUFS, "preadv", got);
    IoResult result = file.read_some_at(offset + got, {entries, count});
    into.commit(result.bytes);
    got += result.bytes;
    // Only the end of the file cuts a block, and reading on from there would be misaligned.
    if (result.kind == IoKind::data && !is_aligned(result.bytes)) result.kind = IoKind::eof;
    if (result.kind != IoKind::data) {
      result.bytes = got;
      return result;
    }
  }
  return {got, IoKind::data, 0, "preadv"};
}

IoResult write_direct(const File& file, uint64_t offset, const Chain& bytes) {
  if (!is_aligned(offset)) return misaligned("pwritev");
  for (const std::span<const std::byte> segment : bytes.segments()) {
    if (!is_aligned(segment.data()) || !is_aligned(segment.size())) return misaligned("pwritev");
  }
  size_t written = 0;
  while (written < bytes.size()) {
    iovec entries[internal::kMaxEntries];
    const GatherFill fill = bytes.fill_iovec(entries, written, internal::kMaxTransfer);
    IoResult result = file.write_some_at(offset + written, {entries, fill.count});
    written += result.bytes;
    if (result.kind == IoKind::data && result.bytes == 0) {
      result = IoResult::failed(ENOSPC, result.call);
    }
    if (result.kind != IoKind::data) {
      result.bytes = written;
      return result;
    }
  }
  return {written, IoKind::data, 0, "pwritev"};
}

BIGHT_NAMESPACE_END
