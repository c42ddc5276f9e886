// Direct I/O: reads and writes of whole blocks past the page cache (O_DIRECT).
//
//   File file;
//   bool direct = false;
//   IoResult r = open_direct("data.bin", O_RDONLY, DirectFallback::refuse, file, direct);
//   ChainBuilder into(direct_blocks(1 << 20));
//   r = read_direct(file, 0, 1 << 20, into);
//
// Addresses, offsets and sizes must be multiples of kDirectAlignment; what is not is answered with
// EINVAL here, before the kernel is asked, so that a mistake shows on every file system.
#ifndef BIGHT_IO_DIRECT_IO_H_
#define BIGHT_IO_DIRECT_IO_H_

#include <cstddef>
#include <cstdint>

#include "bight/chain.h"
#include "bight/chain_builder.h"
#include "bight/config.h"
#include "bight/io/file.h"
#include "bight/io/io_result.h"

BIGHT_NAMESPACE_BEGIN

// Enough for every common device and file system.
inline constexpr size_t kDirectAlignment = 4096;

// What to do where the file system knows no direct I/O.
enum class DirectFallback {
  refuse,    // the error EINVAL
  buffered,  // open the file all the same, through the page cache
};

// Opens `path` as File::open does, with O_DIRECT. `direct` says whether it got that; false only
// with DirectFallback::buffered. Both outputs are unchanged by an error, and no file is created
// where direct I/O is refused and O_EXCL says that it is new.
BIGHT_IO_API IoResult open_direct(const char* path, int flags, DirectFallback fallback, File& file,
                                  bool& direct, unsigned permissions = 0666);

// For a ChainBuilder whose blocks are aligned and hold a multiple of the alignment, `block_size`
// bytes rounded up.
BIGHT_IO_API ChainBuilderOptions direct_blocks(size_t block_size);

// Reads `n` bytes into the builder's blocks. data: all of them; eof: fewer, the file ends there (a
// last part of a block included); error: what came before it.
// EINVAL if `offset`, `n` or the builder's place is not aligned: after a read that ended in a part
// of a block, take another builder. Fails with bad_alloc.
BIGHT_IO_API IoResult read_direct(const File& file, uint64_t offset, size_t n, ChainBuilder& into);

// Writes all bytes from where they are. EINVAL, and nothing written, unless `offset` and every
// segment's address and size are aligned. data: all of them, or fewer with an error.
BIGHT_IO_API IoResult write_direct(const File& file, uint64_t offset, const Chain& bytes);

BIGHT_NAMESPACE_END

#endif  // BIGHT_IO_DIRECT_IO_H_
