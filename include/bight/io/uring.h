// Uring: sockets and files by io_uring, and by the fd adapters where the kernel has no io_uring.
//
//   Uring uring;
//   // Called again and again, until the peer ends or an error comes.
//   uring.receive(socket, [&](const IoResult& r, Chain bytes) {
//     if (r.kind == IoKind::data) uring.send(socket, std::move(bytes), on_sent);
//   });
//   while (uring.run_once().kind == IoKind::data) {
//   }
//
// An operation is started by a call and ends with its callback, which run_once() calls and nothing
// else: never the call that starts it. Where io_uring is refused (a seccomp filter, a sandbox, an
// old kernel, a lack of memory) the same calls work by poll and the fd adapters, slower, and with
// the same bytes and results; uses_ring() says which. The same holds for a single operation that
// the ring refuses with ENOBUFS, ENOMEM, EPERM or ENOSYS.
//
// A descriptor stays the caller's, blocking or not, and open until the callbacks of its operations
// were called. Bytes that are sent or written stay alive until the kernel has let go of them.
//
// Callbacks must not throw. They may start and cancel operations, but neither call run_once() nor
// destroy the Uring. Thread safety: none; one object is used by one thread, and the kernel cancels
// what a thread has started when that thread ends. What it has given belongs to anybody: received
// slices may die on any thread, and after the Uring.
//
// Needs bight::uring (liburing 2.3 or later, Linux 5.11 or later for the ring).
#ifndef BIGHT_IO_URING_H_
#define BIGHT_IO_URING_H_

#include <chrono>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <new>
#include <type_traits>
#include <utility>

#include "bight/bytes.h"
#include "bight/chain.h"
#include "bight/config.h"
#include "bight/internal/block.h"
#include "bight/io/io_result.h"

BIGHT_NAMESPACE_BEGIN

namespace internal {
class UringEngine;
struct UringOperation;
}  // namespace internal

struct UringOptions {
  // False: never asks for io_uring, so that a program can be tried as it runs without.
  bool use_ring = true;
  // Operations handed over in one system call; more are handed over in several.
  unsigned entries = 256;
  // The blocks that receives fill, made by the first receive(): how many (a power of two, up to
  // 32,768; others are rounded up) and how large. There are never more of them.
  unsigned receive_blocks = 256;
  size_t receive_block_size = size_t{16} << 10;
  // When no more than this many of them would be left to the kernel, because slices keep the
  // others, what comes is copied into a block of its own and the ring's block goes back at once.
  // 0: a quarter. At least 1 and at most all of them.
  unsigned receive_reserve = 0;
};

// Names an operation for cancel(). Plain data; safe to keep after the operation ended.
class UringId {
 public:
  UringId() = default;

 private:
  friend class internal::UringEngine;
  UringId(internal::UringOperation* operation, uint64_t serial, uint64_t engine) noexcept
      : operation_(operation), serial_(serial), engine_(engine) {}
  internal::UringOperation* operation_ = nullptr;  // lives as long as the Uring
  uint64_t serial_ = 0;                            // no other operation of the Uring has it
  uint64_t engine_ = 0;                            // which Uring; 0: none
};

// What an operation calls when it ends: any movable `void(const IoResult&, Chain)`. An empty one
// (`{}`) means that the caller need not know: the operation ends without a call, and the bytes that
// it would have been given are let go of.
class UringCallback {
 public:
  // One allocation from the block caches. Fails with bad_alloc.
  template <class F>
  requires(!std::same_as<std::decay_t<F>, UringCallback> &&
           std::invocable<std::decay_t<F>&, const IoResult&, Chain>)
      UringCallback(F&& function);  // NOLINT: implicit by design
  UringCallback() noexcept = default;
  UringCallback(UringCallback&& other) noexcept
      : object_(std::exchange(other.object_, nullptr)),
        call_(other.call_),
        destroy_(other.destroy_) {}
  UringCallback& operator=(UringCallback&& other) noexcept {
    UringCallback taken(std::move(other));
    std::swap(object_, taken.object_);
    std::swap(call_, taken.call_);
    std::swap(destroy_, taken.destroy_);
    return *this;
  }
  ~UringCallback() {
    if (object_ != nullptr) destroy_(object_);
  }

  // Whether it holds a function.
  explicit operator bool() const noexcept { return object_ != nullptr; }

  // Precondition: holds a function.
  void operator()(const IoResult& result, Chain&& bytes) noexcept {
    call_(object_, result, std::move(bytes));
  }

 private:
  void* object_ = nullptr;  // a node of its own; null: none
  void (*call_)(void* object, const IoResult& result, Chain&& bytes) noexcept = nullptr;
  void (*destroy_)(void* object) noexcept = nullptr;
};

class Uring {
 public:
  // ---- Make ------------------------------------------------------------------------------------

  // Asks the kernel for a ring. Works without one, see uses_ring(). Fails with bad_alloc.
  BIGHT_IO_API explicit Uring(const UringOptions& options = {});
  Uring(const Uring&) = delete;
  Uring& operator=(const Uring&) = delete;
  // Cancels what is under way and waits until the kernel has let go of it. Callbacks that were not
  // called yet are destroyed without a call. For zero-copy sends whose bytes the kernel still reads
  // it waits a tenth of a second at most: their bytes live on, and a later Uring that is made or
  // destroyed frees them.
  // Meanwhile the release hooks of the other bytes, and destructors of what callbacks hold, may
  // call this Uring, but not run_once() (checked in every build). What they start ends at once and
  // without effect: the callback is destroyed uncalled, the bytes are still the caller's, and the
  // id names nothing. Nothing can be cancelled or submitted any more; pending() counts down.
  // Precondition: not called by a callback (checked in every build).
  BIGHT_IO_API ~Uring();

  // ---- Look ------------------------------------------------------------------------------------

  // Whether operations go through io_uring.
  BIGHT_IO_API bool uses_ring() const noexcept;
  // Why not: the error that the kernel answered with. data when it does, or was not asked.
  BIGHT_IO_API IoResult refusal() const noexcept;
  // Whether a zero-copy send is one: the kernel knows them (6.1).
  BIGHT_IO_API bool can_send_zero_copy() const noexcept;
  // Operations whose last callback was not called yet.
  BIGHT_IO_API size_t pending() const noexcept;
  // Blocks of receive_blocks that slices keep.
  BIGHT_IO_API size_t receive_blocks_out() noexcept;

  // ---- Start operations ------------------------------------------------------------------------
  // Each ends with one last call of `done`, unless that is empty. They fail with bad_alloc; nothing
  // is started then, and the bytes are still the caller's.

  // Receives from a stream socket until it ends. `done` is called with data and the bytes each time
  // some came, and a last time with eof, or an error, and without bytes. In the ring: one multishot
  // receive into the ring's blocks, of which the bytes are slices: nothing is copied, until slices
  // that are kept leave the kernel only the reserve (see UringOptions). A block goes back to the
  // ring when its last slice dies, on whatever thread.
  // One receive a descriptor at a time; another is the error EALREADY.
  BIGHT_IO_API UringId receive(int fd, UringCallback done);

  // Sends all of `bytes` to a stream socket, as often as it takes; segments go from where they are.
  // A Chain or a Bytes; one that is not moved in is shared, at one reference for each block.
  // `done` is called with data when the kernel has all of them, or with an error, the bytes that
  // went before it (`bytes` of the result) and the rest that did not. Sends on one descriptor go
  // one after the other, in the order in which they were started; those that wait behind one
  // that did not send everything end with ECANCELED and all of their bytes.
  BIGHT_IO_API UringId send(int fd, Chain&& bytes, UringCallback done);
  UringId send(int fd, const Chain& bytes, UringCallback done) {
    return send(fd, Chain(bytes), std::move(done));
  }
  UringId send(int fd, const Bytes& bytes, UringCallback done) {
    return send(fd, Chain(bytes), std::move(done));
  }
  // The same without the kernel's copy, where it can: worth it from some ten KiB on, on a real
  // network. `done` is called when the bytes are sent, as above; the blocks are let go of later,
  // when the kernel notifies that nothing of them is waiting for an acknowledgement any more.
  // Their release hooks tell when that is. An ordinary send where the kernel or the socket refuses.
  BIGHT_IO_API UringId send_zero_copy(int fd, Chain&& bytes, UringCallback done);
  UringId send_zero_copy(int fd, const Chain& bytes, UringCallback done) {
    return send_zero_copy(fd, Chain(bytes), std::move(done));
  }
  UringId send_zero_copy(int fd, const Bytes& bytes, UringCallback done) {
    return send_zero_copy(fd, Chain(bytes), std::move(done));
  }

  // Reads `n` bytes of a file into a block of their own, aligned for direct I/O if `n` is a
  // multiple of kDirectAlignment. `done` gets them: data with all; eof with fewer, the file ends
  // there; an error with what came before it. Any number of reads may be under way.
  // For files that have offsets, as for write_at: a pipe or a socket is not asked whether it does,
  // which would take a call each time. The ring reads and writes it as if `offset` were not there;
  // without the ring it gets ESPIPE.
  BIGHT_IO_API UringId read_at(int fd, uint64_t offset, size_t n, UringCallback done);
  // Writes all of `bytes` from where they are (for direct I/O offset and segments must be aligned).
  // `done` gets data, or an error, the count written before it, and the rest.
  // Writes and reads under way at once are made in any order.
  BIGHT_IO_API UringId write_at(int fd, uint64_t offset, Chain&& bytes, UringCallback done);
  UringId write_at(int fd, uint64_t offset, const Chain& bytes, UringCallback done) {
    return write_at(fd, offset, Chain(bytes), std::move(done));
  }
  UringId write_at(int fd, uint64_t offset, const Bytes& bytes, UringCallback done) {
    return write_at(fd, offset, Chain(bytes), std::move(done));
  }

  // Ends the operation early: its callback is called by run_once() with ECANCELED and exact counts,
  // or with the result if that was there first. False if it has ended, or is another Uring's.
  BIGHT_IO_API bool cancel(UringId id);

  // ---- Go on -----------------------------------------------------------------------------------

  // Hands over to the kernel what was started. run_once() does so too. error: the kernel takes no
  // more just now (nothing is lost; call again).
  BIGHT_IO_API IoResult submit();

  // Hands over what was started, waits until something has ended, and calls the callbacks of what
  // has. data: at least one was called, or would have been if it were not empty; eof: nothing is
  // under way; would_block: none within `timeout` (negative, or a hundred years and more: waits for
  // ever), or a signal came; error: the kernel takes no more just now.
  // Fails with bad_alloc; nothing is lost then, and the next call goes on.
  // Precondition: not called by a callback (checked in every build).
  BIGHT_IO_API IoResult run_once(std::chrono::milliseconds timeout = std::chrono::milliseconds(-1));

 private:
  std::unique_ptr<internal::UringEngine> engine_;  // never null
};

// Implementation details follow.

template <class F>
requires(!std::same_as<std::decay_t<F>, UringCallback> &&
         std::invocable<std::decay_t<F>&, const IoResult&, Chain>)
    UringCallback::UringCallback(F&& function) {
  using Function = std::decay_t<F>;
  static_assert(alignof(Function) <= 16, "a UringCallback is aligned to 16 bytes");
  struct Node {
    explicit Node(void* node) noexcept : memory(node) {}
    Node(const Node&) = delete;
    ~Node() {
      if (memory != nullptr) internal::free_node(memory, sizeof(Function));
    }
    void* memory;
  } node(internal::allocate_node(sizeof(Function)));
  ::new (node.memory) Function(std::forward<F>(function));
  object_ = std::exchange(node.memory, nullptr);
  call_ = [](void* object, const IoResult& result, Chain&& bytes) noexcept {
    (*static_cast<Function*>(object))(result, Chain(std::move(bytes)));
  };
  destroy_ = [](void* object) noexcept {
    static_cast<Function*>(object)->~Function();
    internal::free_node(object, sizeof(Function));
  };
}

BIGHT_NAMESPACE_END

#endif  // BIGHT_IO_URING_H_
