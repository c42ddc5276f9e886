// Memory as a file that can no longer change: what may be mapped without fear of SIGBUS, and given
// to another process (descriptor_passing.h) that need not trust this one. Linux.
#ifndef BIGHT_IO_SEALED_MEMORY_H_
#define BIGHT_IO_SEALED_MEMORY_H_

#include "bight/bytes.h"
#include "bight/chain.h"
#include "bight/config.h"
#include "bight/io/file.h"
#include "bight/io/io_result.h"

BIGHT_NAMESPACE_BEGIN

// Makes `file` a memory file with `content`, sealed against shrinking, growing, writing and further
// seals. `name` is what /proc shows. What `file` had open is closed; unchanged by an error.
BIGHT_IO_API IoResult make_sealed_memory(const Chain& content, const char* name, File& file);

// Maps all of a file that is sealed against shrinking and writing. Such bytes never change and
// never raise SIGBUS, whoever else has the file. Error EPERM if a seal is missing, EINVAL if the
// file knows no seals; `into` is then unchanged. Fails with bad_alloc, unchanged.
BIGHT_IO_API IoResult map_sealed(const File& file, Bytes& into);

BIGHT_NAMESPACE_END

#endif  // BIGHT_IO_SEALED_MEMORY_H_
