// WriteWindow: writes many small things into a builder with the place to write kept in registers.
//
//   ChainBuilder out;
//   {
//     WriteWindow window(out);
//     for (const uint32_t value : values) window.put_be<uint32_t>(value);
//   }  // here `out` has them
//   Chain message = out.take();
//
// A builder is an object that functions outside of the loop can see, so each write to it stores the
// place where it ended, beside the bytes. A window is a local object that nobody else sees: it
// borrows the room of the builder's block and hands back how much of it was written when it is
// destroyed, committed or out of room. In a loop of small writes that halves the stores; for single
// ones the builder itself is as good.
//
// Thread safety: as for the builder.
#ifndef BIGHT_WRITE_WINDOW_H_
#define BIGHT_WRITE_WINDOW_H_

#include <cstddef>
#include <span>

#include "bight/byte_writer.h"
#include "bight/config.h"
#include "bight/internal/check.h"

BIGHT_NAMESPACE_BEGIN

// `Builder` is a BytesBuilder or a ChainBuilder. While a window is open nothing else may use its
// builder (the window alone knows what is written), but for what commit() says.
template <class Builder>
class WriteWindow : public WriterOperations<WriteWindow<Builder>> {
 public:
  // ---- Make ------------------------------------------------------------------------------------

  // Writes behind what `builder` has; it must outlive the window. Allocates nothing.
  BIGHT_ALWAYS_INLINE explicit WriteWindow(Builder& builder) : builder_(&builder) {
    borrow(builder.prepare(0));
  }
  WriteWindow(const WriteWindow&) = delete;
  WriteWindow& operator=(const WriteWindow&) = delete;
  // Commits.
  BIGHT_ALWAYS_INLINE ~WriteWindow() { commit(); }

  // ---- Look ------------------------------------------------------------------------------------

  // Contiguous room before the builder has to be asked.
  size_t spare() const noexcept { return static_cast<size_t>(-index_); }

  // ---- Write -----------------------------------------------------------------------------------
  // put_be, put_le, put_varint ... and their try_ forms: see WriterOperations. What the builder
  // refuses or cannot allocate it refuses here in the same way, and what was written before stays.

  // Appends `n` uninitialised contiguous bytes; where they are. The window's room, else as the
  // builder's prepare().
  BIGHT_ALWAYS_INLINE std::byte* extend(size_t n) {
    if (BIGHT_UNLIKELY(lacks(n))) {
      const size_t written = take_written();
      borrow(ask(*builder_, written, n));
    }
    return advance(n);
  }
  // The same; null when the builder's try_extend() is.
  BIGHT_ALWAYS_INLINE std::byte* try_extend(size_t n) {
    if (BIGHT_UNLIKELY(lacks(n))) {
      commit();
      std::byte* const place = builder_->try_extend(n);
      if (place != nullptr) borrow(builder_->prepare(0));
      return place;
    }
    return advance(n);
  }

  // Hands what is written to the builder, which may then be looked at until the next write here.
  // Looked at only: take() and freeze() need that the window is gone.
  BIGHT_ALWAYS_INLINE void commit() { (void)builder_->extend(take_written()); }

 private:
  // Reads as `spare() < n`.
  BIGHT_ALWAYS_INLINE bool lacks(size_t n) const noexcept {
    return n > internal::kMaxSize || index_ > -static_cast<ptrdiff_t>(n);
  }
  BIGHT_ALWAYS_INLINE std::byte* advance(size_t n) noexcept {
    std::byte* const place = limit_ + index_;
    index_ += static_cast<ptrdiff_t>(n);
    return place;
  }
  // In line even where it is cold: a call would need the window in memory.
  BIGHT_ALWAYS_INLINE size_t take_written() noexcept {
    const size_t written = static_cast<size_t>(index_ - begin_);
    begin_ = index_;
    return written;
  }
  BIGHT_ALWAYS_INLINE void borrow(std::span<std::byte> room) noexcept {
    limit_ = room.data() + room.size();
    begin_ = index_ = -static_cast<ptrdiff_t>(room.size());
  }
  // Not a member: the window's address must not leave the function that has it.
  BIGHT_NOINLINE static std::span<std::byte> ask(Builder& builder, size_t written, size_t n) {
    (void)builder.extend(written);
    return builder.prepare(n);
  }

  Builder* builder_;
  std::byte* limit_;  // where the builder's room ends
  // From limit_, at most 0: [begin_, index_) is written and the builder does not know it yet. One
  // number less to keep than pointers would be, and compared with a constant.
  ptrdiff_t index_;
  ptrdiff_t begin_;
};

BIGHT_NAMESPACE_END

#endif  // BIGHT_WRITE_WINDOW_H_
