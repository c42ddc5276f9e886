// absl::Cord from and to chains, sharing the bytes. Link bight::cord.
//
//   absl::Cord cord = bight::to_cord(message);
//   bight::Chain chain = bight::to_chain(cord);
//
// Each side keeps the other's memory alive: a Cord made here holds a handle to our block, a segment
// made here holds a Cord of the one run it shows. So a chain that goes through a Cord and back
// has the same bytes at the same addresses, kept alive through the Cord; the Cord's interface does
// not let our block be taken out again. The other way round a Cord comes back as it was.
//
// Cord copies short runs, whoever asks: what it appends is copied up to 511 bytes, and a Cord
// of up to 15 bytes has them inside the object. Where sharing would end in such a copy, these
// functions copy at once, and CopyAudit counts it.
//
// Thread safety: Cord's counts and ours are atomic; a Cord must not go to another thread when bight
// was built with BIGHT_PLAIN_COUNT.
#ifndef BIGHT_INTEROP_CORD_H_
#define BIGHT_INTEROP_CORD_H_

#include <absl/base/config.h>
#include <absl/strings/cord.h>
#include <absl/strings/string_view.h>

#include <cstddef>
#include <optional>
#include <utility>

#include "bight/byte_view.h"
#include "bight/bytes.h"
#include "bight/chain.h"
#include "bight/config.h"
#include "bight/copy_audit.h"

#if defined(ABSL_LTS_RELEASE_VERSION) && ABSL_LTS_RELEASE_VERSION < 20220623
#error "bight needs Abseil 20220623 or later"
#endif

BIGHT_NAMESPACE_BEGIN

// The bytes as a Cord that shares them, however few; it drops its handle when the last Cord with
// these bytes goes, on the thread that drops it. Two allocations at most. Fails with bad_alloc.
absl::Cord to_cord(Bytes bytes);

// All segments in order: the first shared, further ones shared when they are longer than 511 bytes
// and copied otherwise (counted by CopyAudit). O(segments), an allocation for each shared one.
// Fails with bad_alloc.
absl::Cord to_cord(Chain chain);

// One segment for each run of the Cord: shared, with one allocation, when it is longer than 15
// bytes, else copied (counted by CopyAudit). A segment keeps only its own run from being freed.
// O(runs log runs). Fails with bad_alloc.
[[nodiscard]] Chain to_chain(const absl::Cord& cord);

// Implementation details follow.

namespace internal {

// What Cord::Append copies, and what stands inside a Cord object.
inline constexpr size_t kCordAppendCopies = 511;
inline constexpr size_t kCordInline = 15;

// A Cord of one run, as an owner for Bytes::from_owner.
class CordRun {
 public:
  explicit CordRun(absl::Cord cord) : cord_(std::move(cord)) {
    cord_.Flatten();  // does nothing to one run; whatever Subcord returns, TryFlat now succeeds
  }
  const char* begin() const { return cord_.TryFlat()->data(); }
  const char* end() const { return begin() + cord_.size(); }
  const absl::Cord& cord() const { return cord_; }

 private:
  absl::Cord cord_;
};

}  // namespace internal

inline absl::Cord to_cord(Bytes bytes) {
  const char* const data = bytes.chars();
  const size_t size = bytes.size();
  // A Cord that came in goes out again. Only where its bytes lie outside the object and so have
  // stayed where they were.
  if (size > internal::kCordInline) {
    if (const auto run = std::move(bytes).try_take_owner<internal::CordRun>()) {
      return run->cord().Subcord(static_cast<size_t>(data - run->begin()), size);
    }
  }
  return absl::MakeCordFromExternal(absl::string_view(data, size),
                                    [owner = std::move(bytes)](absl::string_view) noexcept {});
}

inline absl::Cord to_cord(Chain chain) {
  absl::Cord cord;
  while (!chain.empty()) {
    const size_t size = chain.front().size();
    if (cord.empty() || size > internal::kCordAppendCopies) {
      cord.Append(to_cord(chain.pop()));
    } else {
      cord.Append(absl::string_view(reinterpret_cast<const char*>(chain.front().data()), size));
      internal::count_copied(size);
      chain.consume(size);
    }
  }
  return cord;
}

inline Chain to_chain(const absl::Cord& cord) {
  Chain chain;
  size_t position = 0;
  for (const absl::string_view run : cord.Chunks()) {
    if (run.size() > internal::kCordInline) {
      chain.push_back(Bytes::from_owner(internal::CordRun(cord.Subcord(position, run.size()))));
    } else {
      chain.push_copy(ByteView(run.data(), run.size()));
    }
    position += run.size();
  }
  return chain;
}

BIGHT_NAMESPACE_END

#endif  // BIGHT_INTEROP_CORD_H_
