#include "bight/io/file.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <span>
#include <utility>

#include "bight/bytes.h"
#include "bight/io/fd_sink.h"
#include "bight/io/fd_source.h"
#include "bight/io/read.h"
#include "bight/io/write.h"
#include "io/gather.h"

BIGHT_NAMESPACE_BEGIN
namespace {

using internal::again_if_interrupted;

// Whether a transfer of `n` bytes from `offset` on stays within what off_t expresses.
bool is_valid(uint64_t offset, size_t n) noexcept {
  constexpr auto most = static_cast<uint64_t>(std::numeric_limits<off_t>::max());
  return offset <= most && n <= most - offset;
}

// The source that read_at reads from: `offset` moves with what came.
struct SourceAt {
  const File& file;
  uint64_t offset;

  IoResult read_some(std::span<const iovec> into) noexcept {
    const IoResult result = file.read_some_at(offset, into);
    offset += result.bytes;
    return result;
  }
};

struct SinkAt {
  const File& file;
  uint64_t offset;

  IoResult write_some(std::span<const iovec> from) const noexcept {
    return file.write_some_at(offset, from);
  }
};

// A mapped range: the owner behind the bytes of map().
class Mapping {
 public:
  Mapping(void* base, size_t size) noexcept : base_(base), size_(size) {}
  Mapping(Mapping&& other) noexcept
      : base_(std::exchange(other.base_, nullptr)), size_(other.size_) {}
  Mapping& operator=(Mapping&&) = delete;
  ~Mapping() {
    if (base_ != nullptr) ::munmap(base_, size_);
  }

 private:
  void* base_;
  size_t size_;
};

size_t page_size() noexcept {
  static const auto size = static_cast<size_t>(::sysconf(_SC_PAGESIZE));
  return size;
}

}  // namespace

IoResult File::open(const char* path, int flags, unsigned permissions) noexcept {
  const int fd = again_if_interrupted([&] { return ::open(path, flags | O_CLOEXEC, permissions); });
  if (fd < 0) return internal::result_of_failure("open");
  *this = File(fd);
  return {0, IoKind::data, 0, "open"};
}

IoResult File::close() noexcept {
  // Never again after EINTR: the descriptor is gone, and its number may be another's by now.
  if (::close(std::exchange(fd_, -1)) != 0 && errno != EINTR) {
    return internal::result_of_failure("close");
  }
  return {0, IoKind::data, 0, "close"};
}

IoResult File::size(uint64_t& size) const noexcept {
  struct stat about;
  if (::fstat(fd_, &about) != 0) return internal::result_of_failure("fstat");
  size = static_cast<uint64_t>(about.st_size);
  return {0, IoKind::data, 0, "fstat"};
}

IoResult File::sync() const noexcept {
  if (again_if_interrupted([&] { return ::fsync(fd_); }) != 0) {
    return internal::result_of_failure("fsync");
  }
  return {0, IoKind::data, 0, "fsync"};
}

IoResult File::read_some_at(uint64_t offset, std::span<const iovec> into) const noexcept {
  const internal::CallEntries room(into);
  if (room.bytes() == 0) return {};
  if (!is_valid(offset, room.bytes())) return IoResult::failed(EOVERFLOW, "preadv");
  const auto position = static_cast<off_t>(offset);
  if (room.single()) {
    const iovec& only = room.front();
    return internal::result_of_read(
        again_if_interrupted([&] { return ::pread(fd_, only.iov_base, only.iov_len, position); }),
        "pread");
  }
  return internal::result_of_read(
      again_if_interrupted([&] { return ::preadv(fd_, room.data(), room.count(), position); }),
      "preadv");
}

IoResult File::write_some_at(uint64_t offset, std::span<const iovec> from) const noexcept {
  const internal::CallEntries offer(from);
  if (offer.bytes() == 0) return {};
  if (!is_valid(offset, offer.bytes())) return IoResult::failed(EOVERFLOW, "pwritev");
  const auto position = static_cast<off_t>(offset);
  if (offer.single()) {
    const iovec& only = offer.front();
    return internal::result_of_write(
        again_if_interrupted([&] { return ::pwrite(fd_, only.iov_base, only.iov_len, position); }),
        "pwrite");
  }
  return internal::result_of_write(
      again_if_interrupted([&] { return ::pwritev(fd_, offer.data(), offer.count(), position); }),
      "pwritev");
}

IoResult File::read_at(uint64_t offset, size_t n, ChainBuilder& into) const {
  return read_exactly(SourceAt{*this, offset}, into, n);
}

IoResult File::read_at(uint64_t offset, std::span<std::byte> into) const noexcept {
  IoResult total;
  while (!into.empty()) {
    const iovec entry{into.data(), into.size()};
    IoResult result = read_some_at(offset, {&entry, 1});
    into = into.subspan(result.bytes);
    offset += result.bytes;
    result.bytes += total.bytes;
    total = result;
    if (result.kind != IoKind::data) break;
  }
  return total;
}

IoResult File::write_at(uint64_t offset, const Chain& bytes) const noexcept {
  size_t written = 0;
  while (written < bytes.size()) {
    internal::Gather gather(WriteOptions{}.gather_below, internal::kMaxTransfer);
    static_cast<void>(gather.add(bytes, written));
    IoResult result =
        internal::offer(SinkAt{*this, offset + written}, gather.entries(), gather.bytes());
    written += result.bytes;
    if (result.kind == IoKind::data && result.bytes == 0) {
      result = IoResult::failed(ENOSPC, result.call);
    }
    if (result.kind != IoKind::data) {
      result.bytes = written;
      return result;
    }
  }
  return {written, IoKind::data, 0, nullptr};
}

IoResult File::write_at(uint64_t offset, ByteView bytes) const noexcept {
  size_t written = 0;
  while (written < bytes.size()) {
    const iovec entry{const_cast<std::byte*>(bytes.data() + written), bytes.size() - written};
    IoResult result = write_some_at(offset + written, {&entry, 1});
    written += result.bytes;
    if (result.kind == IoKind::data && result.bytes == 0) {
      result = IoResult::failed(ENOSPC, result.call);
    }
    if (result.kind != IoKind::data) {
      result.bytes = written;
      return result;
    }
  }
  return {written, IoKind::data, 0, nullptr};
}

IoResult File::map(uint64_t offset, size_t size, Bytes& into) const {
  struct stat about;
  if (::fstat(fd_, &about) != 0) return internal::result_of_failure("fstat");
  const auto end = static_cast<uint64_t>(about.st_size);
  if (S_ISREG(about.st_mode)) {
    // A page that lies wholly behind the end must never be touched.
    const uint64_t there = offset < end ? end - offset : 0;
    if (size > there) {
      IoResult result;
      if (there != 0) result = map(offset, static_cast<size_t>(there), into);
      if (result.is_error()) return result;
      if (there == 0) into.clear();
      return {result.bytes, IoKind::eof, 0, "mmap"};
    }
  }
  if (size == 0) {
    into.clear();
    return {0, IoKind::data, 0, "mmap"};
  }
  const auto lead = static_cast<size_t>(offset % page_size());
  if (!is_valid(offset, size) || size > std::numeric_limits<size_t>::max() - lead) {
    return IoResult::failed(EOVERFLOW, "mmap");
  }
  // Private: a file that is sealed against writing can be mapped so by every kernel.
  void* const base =
      ::mmap(nullptr, size + lead, PROT_READ, MAP_PRIVATE, fd_, static_cast<off_t>(offset - lead));
  if (base == MAP_FAILED) return internal::result_of_failure("mmap");
  Mapping mapping(base, size + lead);
  into = Bytes::from_owner(std::move(mapping), {static_cast<const std::byte*>(base) + lead, size});
  return {size, IoKind::data, 0, "mmap"};
}

IoResult File::read_some(std::span<const iovec> into) noexcept {
  return FdSource(fd_).read_some(into);
}

IoResult File::write_some(std::span<const iovec> from) noexcept {
  return FdSink(fd_, FdKind::other).write_some(from);
}

BIGHT_NAMESPACE_END
