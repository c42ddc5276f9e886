// Whole files: read_file, write_file_atomic, copy_at.
#ifndef BIGHT_IO_WHOLE_FILE_H_
#define BIGHT_IO_WHOLE_FILE_H_

#include <cstddef>
#include <cstdint>

#include "bight/chain.h"
#include "bight/config.h"
#include "bight/io/file.h"
#include "bight/io/io_result.h"

BIGHT_NAMESPACE_BEGIN

struct ReadFileOptions {
  // A longer file is the error EFBIG.
  size_t limit = static_cast<size_t>(-1) / 4;
  // Regular files of at least so many bytes are mapped (File::map, see there what a truncation
  // does), smaller ones are read. The largest size_t: always read.
  size_t map_from = size_t{4} << 20;
};

// Makes `into` the content of the file at `path`, all of it up to the end as it is then: also
// of files that say size 0 (under /proc) and of files that grow meanwhile, pipes and devices.
// data: `bytes` is its size. Error: `into` is unchanged.
// A regular file that does not grow is one segment. No byte is copied in user space.
// Fails with bad_alloc, unchanged.
BIGHT_IO_API IoResult read_file(const char* path, Chain& into, const ReadFileOptions& options = {});

struct WriteFileOptions {
  // Of the new file, less the process's umask.
  unsigned permissions = 0666;
  // The content is on the device before the new file takes the old one's place: after a crash there
  // is the one or the other, never an empty one.
  bool sync_file = true;
  // The folder's entry is on the device when this returns.
  bool sync_folder = false;
};

// Makes `content` the file at `path` in one step: readers, and mappings that are made before, see
// all of the old or all of the new file. Writes a temporary one in the same folder and renames it;
// removes it when something fails. A symbolic link at `path` is itself replaced.
// data: all is in place. Error: `path` is as it was, unless `call` is "fsync of the folder": then
// the new file is in place and may not outlive a crash.
// Fails with bad_alloc, nothing left behind.
BIGHT_IO_API IoResult write_file_atomic(const char* path, const Chain& content,
                                        const WriteFileOptions& options = {});

// Copies `n` bytes from file to file, inside the kernel where both sit on file systems that can
// (copy_file_range), else by reading and writing through blocks. Both positions stay as they are.
// data: all of them; eof: `from` has ended, `bytes` are copied; error: `bytes` are copied.
// With the largest `n`, until the end. The ranges must not overlap in one file.
// Fails with bad_alloc.
BIGHT_IO_API IoResult copy_at(const File& from, uint64_t from_offset, const File& to,
                              uint64_t to_offset, size_t n = static_cast<size_t>(-1));

BIGHT_NAMESPACE_END

#endif  // BIGHT_IO_WHOLE_FILE_H_
