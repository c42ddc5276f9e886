// File: an open file that it owns, with positional and sequential reads and writes.
//
//   File file;
//   if (IoResult r = file.open("data.bin", O_RDONLY); r.is_error()) return status_of(r);
//   ChainBuilder into;
//   IoResult r = file.read_at(4096, 512, into);       // eof with fewer bytes: the file ends there
//
// The positional calls leave the file's own position alone, so any number of threads may use them
// on one File at once. read_some and write_some go on at that position and make a File a source
// and a sink. Opening, closing and moving a File while another thread uses it is a race.
#ifndef BIGHT_IO_FILE_H_
#define BIGHT_IO_FILE_H_

#include <fcntl.h>
#include <sys/uio.h>

#include <cstddef>
#include <cstdint>
#include <span>
#include <utility>

#include "bight/byte_view.h"
#include "bight/bytes.h"
#include "bight/chain.h"
#include "bight/chain_builder.h"
#include "bight/config.h"
#include "bight/io/byte_sink.h"
#include "bight/io/byte_source.h"
#include "bight/io/io_result.h"

BIGHT_NAMESPACE_BEGIN

class File {
 public:
  // Closed.
  File() noexcept = default;
  // Takes `fd` over: it is closed with this File.
  explicit File(int fd) noexcept : fd_(fd) {}
  // Takes everything; `other` is closed afterwards, without a system call.
  File(File&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
  // What this one had open is closed.
  File& operator=(File&& other) noexcept {
    File taken(std::move(other));
    std::swap(fd_, taken.fd_);
    return *this;
  }
  // Closes; an error that close reports is lost (close() returns it).
  ~File() {
    if (is_open()) static_cast<void>(close());
  }

  // Opens `path`; `flags` and `permissions` as for open(2), O_CLOEXEC is added. What was open
  // before is closed once the new file is open, and stays open if that fails.
  BIGHT_IO_API IoResult open(const char* path, int flags, unsigned permissions = 0666) noexcept;
  bool is_open() const noexcept { return fd_ >= 0; }
  // The descriptor, -1 if closed. Still owned by this File.
  int fd() const noexcept { return fd_; }
  // Gives the descriptor away; this File is closed afterwards.
  [[nodiscard]] int release() noexcept { return std::exchange(fd_, -1); }
  // Closed afterwards, also when the system reports an error (such as a late write error).
  // A closed File: EBADF.
  BIGHT_IO_API IoResult close() noexcept;

  // Puts the size in bytes into `size`; 0 there is no promise of an empty file (files under /proc
  // have size 0 and content). `size` is unchanged by an error.
  BIGHT_IO_API IoResult size(uint64_t& size) const noexcept;
  // Content and what is needed to find it again are on the device when this returns data.
  BIGHT_IO_API IoResult sync() const noexcept;

  // ---- At a position, independent of the file's own --------------------------------------------
  // Calls that a signal interrupted are made again. An offset beyond what the system can express
  // is the error EOVERFLOW.

  // One preadv (at most 1,024 entries and 0x7ffff000 bytes). eof at and behind the end.
  BIGHT_IO_API IoResult read_some_at(uint64_t offset, std::span<const iovec> into) const noexcept;
  // One pwritev (likewise). With O_APPEND, Linux appends whatever the offset.
  BIGHT_IO_API IoResult write_some_at(uint64_t offset, std::span<const iovec> from) const noexcept;

  // Reads `n` bytes straight into the builder's blocks, in as many calls as it takes. data with `n`
  // bytes; fewer with eof or an error; what came is in the builder.
  // Fails with bad_alloc; what came before is in the builder.
  BIGHT_IO_API IoResult read_at(uint64_t offset, size_t n, ChainBuilder& into) const;
  // The same into memory of the caller.
  BIGHT_IO_API IoResult read_at(uint64_t offset, std::span<std::byte> into) const noexcept;
  // Writes all bytes, in as many calls as it takes; small segments are gathered as by write_some.
  // data with all of them, or fewer with an error.
  BIGHT_IO_API IoResult write_at(uint64_t offset, const Chain& bytes) const noexcept;
  BIGHT_IO_API IoResult write_at(uint64_t offset, ByteView bytes) const noexcept;

  // Puts `[offset, offset + size)` into `into` as it lies in the page cache: nothing is read or
  // copied now, and the range is unmapped when the last slice dies, also after this File was
  // closed. `offset` need not be aligned. data with all of it; eof with what there is when the file
  // ends before, none included. `into` is unchanged by an error (such as ENODEV: cannot be mapped).
  //
  // Writers of the file are seen through the mapping. If somebody makes the file shorter, touching
  // the bytes that are gone raises SIGBUS, which ends the process: map files that nobody truncates
  // (replaced ones are safe, see write_file_atomic), or memory that is sealed (sealed_memory.h).
  // One fstat and one mmap. Fails with bad_alloc, unchanged.
  BIGHT_IO_API IoResult map(uint64_t offset, size_t size, Bytes& into) const;

  // ---- At the file's position: ByteSource and ByteSink -----------------------------------------

  BIGHT_IO_API IoResult read_some(std::span<const iovec> into) noexcept;
  BIGHT_IO_API IoResult write_some(std::span<const iovec> from) noexcept;

 private:
  int fd_ = -1;  // owned; -1: none
};

static_assert(ByteSource<File> && ByteSink<File>);

BIGHT_NAMESPACE_END

#endif  // BIGHT_IO_FILE_H_
