// Exact search for a needle in a row of spans that reads as one stream of bytes, as a chain's
// segments do, and in one contiguous run.
//
// The scan runs at memchr's speed over the needle's rarest byte. Where that byte is frequent in the
// stream the search passes to a matcher of linear time, so the cost of a search is
// O(stream + needle) whatever the bytes are. Nothing is assumed about where spans begin and end: a
// needle may be longer than any of them and matches may straddle any number of them.
//
// Thread safety: the functions only read.

#ifndef BIGHT_INTERNAL_SEARCH_H_
#define BIGHT_INTERNAL_SEARCH_H_

#include <bight/config.h>
#include <bight/internal/segment_table.h>

#include <cstddef>
#include <span>

BIGHT_NAMESPACE_BEGIN

namespace internal {

// What a search returns that found nothing, and the `limit` that does not limit.
inline constexpr size_t kNotFound = static_cast<size_t>(-1);

// A stream of bytes as a row of spans.
struct SpanSource {
  const void* context;
  // How many spans there are.
  size_t count;
  // Gives the span at `index < count`; called any number of times for the same index. Spans are
  // best not empty, but may be.
  std::span<const std::byte> (*get)(const void* context, size_t index);
  // Spans that need no call, if there are any: span `row_begin + i`, `i < row_count`, is what slot
  // `i` of a segment table covers.
  size_t row_begin = 0;
  size_t row_count = 0;
  const Slot* row_slots = nullptr;
  const size_t* row_starts = nullptr;

  BIGHT_ALWAYS_INLINE std::span<const std::byte> at(size_t index) const {
    const size_t i = index - row_begin;
    if (i < row_count) return {row_slots[i].data, row_starts[i + 1] - row_starts[i]};
    return get(context, index);
  }
};

// A place in the stream from which the walk to `from` may begin, for a source that can find places
// faster than by walking: byte `offset` of span `index` is at `base` in the stream.
struct SearchStart {
  size_t index = 0;
  size_t offset = 0;
  size_t base = 0;
};

// Returns the offset in the stream of the first occurrence of `needle` that begins at or after
// `from` and ends at or before `from + limit`, or `kNotFound`. An empty needle is found at `from`
// if the stream is that long.
//
// Precondition: `start.base <= from`; `start.offset` is at most the size of span `start.index`, or
// both are 0 in a source without spans; the stream and the needle have at most SIZE_MAX / 2 bytes
// (not checked).
// O(bytes from `start` to the end of the match + needle), and a call of `get` for each span on the
// way. Allocates nothing for needles of up to 64 bytes; longer ones may take a buffer of
// O(needle size).
// Fails by std::bad_alloc if that buffer cannot be had.
[[nodiscard]] BIGHT_API size_t find_in_spans(const SpanSource& source, size_t from,
                                             std::span<const std::byte> needle,
                                             size_t limit = kNotFound, SearchStart start = {});

// The same for one byte. Never allocates.
[[nodiscard]] BIGHT_API size_t find_byte_in_spans(const SpanSource& source, size_t from,
                                                  std::byte needle, size_t limit = kNotFound,
                                                  SearchStart start = {});

// The same in the `size` bytes at `data`. Never allocates.
[[nodiscard]] BIGHT_API size_t find_in(const std::byte* data, size_t size,
                                       std::span<const std::byte> needle, size_t from = 0,
                                       size_t limit = kNotFound);
[[nodiscard]] BIGHT_API size_t find_byte_in(const std::byte* data, size_t size, std::byte needle,
                                            size_t from = 0, size_t limit = kNotFound);

}  // namespace internal

BIGHT_NAMESPACE_END

#endif  // BIGHT_INTERNAL_SEARCH_H_
