// What the calls of bight::io share: limits, results, and the entries of one gather call, made from
// the front of one or several chains. Private to bight::io.
#ifndef BIGHT_SRC_IO_GATHER_H_
#define BIGHT_SRC_IO_GATHER_H_

#include <sys/types.h>
#include <sys/uio.h>

#include <cerrno>
#include <cstddef>
#include <span>

#include "bight/chain.h"
#include "bight/config.h"
#include "bight/io/byte_source.h"
#include "bight/io/io_result.h"

BIGHT_NAMESPACE_BEGIN
namespace internal {

// What one system call can take: IOV_MAX on Linux, and MAX_RW_COUNT.
inline constexpr size_t kMaxEntries = 1024;
inline constexpr size_t kMaxTransfer = kMostPerCall;

// The part of `entries` that one system call can take.
class CallEntries {
 public:
  explicit CallEntries(std::span<const iovec> entries) noexcept;
  const iovec* data() const noexcept { return entries_.data(); }
  int count() const noexcept { return static_cast<int>(entries_.size()); }
  size_t bytes() const noexcept { return bytes_; }
  // For the calls that take one piece and are a little faster.
  bool single() const noexcept { return entries_.size() == 1; }
  const iovec& front() const noexcept { return entries_.front(); }

 private:
  std::span<const iovec> entries_;  // may be &cut_
  size_t bytes_ = 0;
  iovec cut_;  // a first entry larger than kMaxTransfer, cut to it
};

// The usual offer: one piece that a call can take as it is.
inline bool is_one_piece(std::span<const iovec> entries) noexcept {
  return entries.size() == 1 && entries[0].iov_len - 1 < kMaxTransfer;
}

// What a system call came to; errno is read if `n` says so.
IoResult result_of_read(ssize_t n, const char* call) noexcept;
IoResult result_of_write(ssize_t n, const char* call) noexcept;
IoResult result_of_failure(const char* call) noexcept;

// The value of `call()`, made again while a signal interrupts it.
template <class F>
auto again_if_interrupted(F&& call) noexcept {
  for (;;) {
    const auto n = call();
    if (n >= 0 || errno != EINTR) return n;
  }
}

class Gather {
 public:
  Gather(size_t gather_below, size_t max_bytes) noexcept;
  Gather(const Gather&) = delete;
  Gather& operator=(const Gather&) = delete;
  // Counts what was gathered.
  ~Gather();

  // Adds the bytes of `chain` from `from` on. False when nothing more can be added (also when all
  // of it was). `chain` must stay as it is until the entries were used.
  bool add(const Chain& chain, size_t from = 0) noexcept;

  std::span<const iovec> entries() const noexcept { return {entries_, count_}; }
  size_t bytes() const noexcept { return bytes_; }

 private:
  // One gather holds 64 KiB less what aligning it takes: 1000 segments of 64 B fit, and it stays in
  // the cache of a small core. Kernels copy faster from an aligned start.
  static constexpr size_t kNodeSize = size_t{64} << 10;
  static constexpr size_t kAlignment = 64;
  static constexpr size_t kScratchSize = kNodeSize - kAlignment;

  // Whether the last entry is a run in the scratch that may go on.
  bool in_run() const noexcept;
  // Takes pieces as entries as long as they are large and no neighbours; returns how many.
  size_t pass_large(const iovec* pieces, size_t count) noexcept;
  // Takes pieces into such a run as long as they are small and fit; returns how many.
  size_t gather_run(const iovec* pieces, size_t count) noexcept;
  // Makes `piece` part of the last entry, if the two are neighbours or a run of small ones.
  bool join(iovec piece) noexcept;
  // Copies `piece` to the scratch; false when that is full or cannot be had.
  bool gather(iovec piece) noexcept;

  size_t gather_below_;
  size_t max_bytes_;
  size_t bytes_ = 0;
  size_t count_ = 0;
  void* node_ = nullptr;          // kNodeSize bytes from the block caches, made when first needed
  std::byte* scratch_ = nullptr;  // kScratchSize bytes of it
  size_t used_ = 0;
  bool scratch_full_ = false;  // from now on everything goes by reference
  iovec entries_[kMaxEntries];
};

// Makes `result` uniform: EAGAIN as an error is would_block. True if the call is to be made again.
// More bytes than were offered stop the program.
bool settle(IoResult& result, const char* what, size_t offered) noexcept;

// read_some of `source`, again while it says EINTR, into `entries` with `room` bytes; the answer is
// checked and made uniform. `first`, if it is not null, is what a first call has answered.
IoResult take_in(const SourceRef& source, std::span<const iovec> entries, size_t room,
                 const IoResult* first = nullptr);

// write_some of `sink`, again while it says EINTR; the answer is checked against the offer and made
// uniform.
template <class Sink>
IoResult offer(const Sink& sink, std::span<const iovec> entries, size_t bytes) {
  for (;;) {
    IoResult result = sink.write_some(entries);
    if (!settle(result, "write_some of the sink", bytes)) return result;
  }
}

}  // namespace internal
BIGHT_NAMESPACE_END

#endif  // BIGHT_SRC_IO_GATHER_H_
