// CopyAudit: proof that nothing was copied.
//
//   bight::CopyAudit audit;
//   ... receive, cut, join, send ...
//   EXPECT_EQ(audit.thread().copied, 0u);
//
// The counters are always compiled in and are counted out of line only (when a block is made, a
// builder grows or seals, a chain is flattened or compacted, copy_of and copy_to run), so they cost
// nothing on the inline paths and the same assertion can fail in every build. A builder counts when
// it seals: what was appended or put, less what was received in place through prepare/commit;
// so bytes that were appended and dropped again unsealed are not counted.
#ifndef BIGHT_COPY_AUDIT_H_
#define BIGHT_COPY_AUDIT_H_

#include <cstddef>
#include <cstdint>

#include "bight/config.h"

BIGHT_NAMESPACE_BEGIN

// Totals since the thread (or the process) began, or differences of two such totals.
struct CopyCounts {
  uint64_t copied = 0;    // payload bytes copied in user space by a verb that says so
  uint64_t gathered = 0;  // bytes of small segments gathered into one piece for a write
  uint64_t blocks = 0;    // blocks of payload allocated by the library (cached ones count)

  friend CopyCounts operator-(const CopyCounts& a, const CopyCounts& b) noexcept {
    return {a.copied - b.copied, a.gathered - b.gathered, a.blocks - b.blocks};
  }
  friend bool operator==(const CopyCounts&, const CopyCounts&) = default;
};

// What happened since this object was made. Make and read the thread form on one thread.
// O(threads): the process form adds up what every thread counted, under a lock.
class CopyAudit {
 public:
  CopyAudit() noexcept : thread_(thread_totals()), process_(process_totals()) {}

  // By the calling thread since construction on it.
  CopyCounts thread() const noexcept { return thread_totals() - thread_; }
  // By all threads since construction (threads that run meanwhile may be seen in part).
  CopyCounts process() const noexcept { return process_totals() - process_; }

  BIGHT_API static CopyCounts thread_totals() noexcept;
  BIGHT_API static CopyCounts process_totals() noexcept;

 private:
  CopyCounts thread_;
  CopyCounts process_;
};

namespace internal {
BIGHT_API void count_copied(size_t bytes) noexcept;
BIGHT_API void count_gathered(size_t bytes) noexcept;
BIGHT_API void count_block() noexcept;
}  // namespace internal

BIGHT_NAMESPACE_END

#endif  // BIGHT_COPY_AUDIT_H_
