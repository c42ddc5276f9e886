// FileSlice: a range of an open file, as something to send. Shares the file; holds no byte of it.
//
//   FileSlice body;
//   if (IoResult r = FileSlice::open("picture.bin", body); r.is_error()) ...
//   FdSink socket(fd);
//   IoResult r = send_some(socket, header, body);     // send_file.h
//
// It is no Bytes and goes into no Chain, because what it shows is not in memory: read() or map()
// makes Bytes of it, which can be searched, cut and pulled up. Whoever changes the file meanwhile
// changes what is sent.
//
// Thread safety: as for std::shared_ptr; the positional reads behind it may run at once.
#ifndef BIGHT_IO_FILE_SLICE_H_
#define BIGHT_IO_FILE_SLICE_H_

#include <cstddef>
#include <cstdint>
#include <memory>

#include "bight/bytes.h"
#include "bight/chain_builder.h"
#include "bight/config.h"
#include "bight/io/file.h"
#include "bight/io/io_result.h"

BIGHT_NAMESPACE_BEGIN

class FileSlice {
 public:
  // No file, no bytes.
  FileSlice() noexcept = default;
  // `[offset, offset + size)` of `file`, which stays open while a slice of it lives. That the file
  // is long enough is seen when it is read or sent.
  // Precondition: `file` is not null and the sum is no more than 2^63 - 1 (checked).
  BIGHT_IO_API FileSlice(std::shared_ptr<const File> file, uint64_t offset, uint64_t size);
  // All of the file at `path` as long as it is now. `slice` is unchanged by an error.
  BIGHT_IO_API static IoResult open(const char* path, FileSlice& slice);

  const std::shared_ptr<const File>& file() const noexcept { return file_; }
  uint64_t offset() const noexcept { return offset_; }
  uint64_t size() const noexcept { return size_; }
  [[nodiscard]] bool empty() const noexcept { return size_ == 0; }

  // `[position, position + count)` of this slice. Precondition: it lies inside (checked).
  [[nodiscard]] BIGHT_IO_API FileSlice slice(uint64_t position, uint64_t count) const;
  // Splits off the first `n` bytes and returns them. Precondition: `n <= size()` (checked).
  [[nodiscard]] BIGHT_IO_API FileSlice split_to(uint64_t n);
  // Drops the first `n` bytes; dropping all lets the file go. Precondition: as above.
  BIGHT_IO_API void consume(uint64_t n);

  // Reads all of it into the builder's blocks. data; eof with fewer bytes when the file ends
  // before; an error with what came. The slice is as before. Fails with bad_alloc.
  BIGHT_IO_API IoResult read(ChainBuilder& into) const;
  // Maps it, see File::map; the Bytes do not need the file any more.
  BIGHT_IO_API IoResult map(Bytes& into) const;

 private:
  friend struct FileSliceSender;

  std::shared_ptr<const File> file_;  // not null unless size_ is 0
  uint64_t offset_ = 0;
  uint64_t size_ = 0;
  bool sendfile_refused_ = false;  // the kernel has refused once: read from then on
};

BIGHT_NAMESPACE_END

#endif  // BIGHT_IO_FILE_SLICE_H_
