// The ring, the poll loop that stands in for it, and the blocks that receives fill.
//
// An operation is in one of these places at any time, and steps from one to the next in run_once():
//
//   waiting   behind an earlier send of its descriptor
//   work      to be handed to the ring, or to be tried by the fd adapters
//   kernel    an entry of the ring is out for it (a receive, send, read, write or poll)
//   polled    without a ring: poll says when to try again
//
// by_ring says which way it goes. The ring's refusals (can_fall_back) turn it off for that
// operation alone; without a ring it is off from the start.
#include "bight/io/uring.h"

#include <fcntl.h>
#include <liburing.h>
#include <poll.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <bit>
#include <cerrno>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <memory>
#include <mutex>
#include <new>
#include <span>
#include <unordered_map>
#include <utility>
#include <vector>

#include "bight/bytes.h"
#include "bight/bytes_builder.h"
#include "bight/chain.h"
#include "bight/internal/check.h"
#include "bight/io/direct_io.h"
#include "bight/io/file.h"
#include "bight/io/read_size.h"
#include "bight/io/read_tail.h"
#include "bight/io/write.h"

BIGHT_NAMESPACE_BEGIN
namespace internal {

namespace {

using Clock = std::chrono::steady_clock;

constexpr size_t kMostEntries = 1024;
constexpr size_t kMostBytes = 0x7ffff000;
// Several sends of a descriptor go in one call up to this many bytes.
constexpr size_t kMostGroup = size_t{256} << 10;
constexpr unsigned kMostBlocks = 32768;
constexpr int kGroup = 0;
// A receive that the kernel has answered this often is ended and begun anew, after which the kernel
// looks at the socket from the start. It stops reading one socket after 32 blocks, so that others
// have their turn, and then waits for the socket's next event: an end of the peer that was queued
// behind these bytes is an event that has been, and so the receive would never say eof (seen on
// Unix sockets with Linux 6.18). Whether that has happened cannot be told from the answers; so it
// is done for all, at the price of two entries for 32 answers and of no call. It is no busy loop: a
// receive that is begun anew has 32 answers of its own before the next time. What comes before the
// kernel has ended it are answers like any others, in their order, and the new one is handed over
// only behind the last of them.
constexpr unsigned kMostAnswers = 32;
// Timeouts from here on are for ever: a sum with the clock's time, here or in the kernel, is far
// from the largest that there is.
constexpr std::chrono::hours kForEver{24 * 365 * 100};
// How long a Uring that is destroyed waits for zero-copy notifications.
constexpr std::chrono::milliseconds kLinger{100};

// What the ring may refuse and the fd adapters may not.
bool can_fall_back(int error_number) noexcept {
  switch (error_number) {
    case ENOBUFS:
    case ENOMEM:
    case EPERM:
    case ENOSYS:
    case EOPNOTSUPP:
    case EAGAIN:
      return true;
    default:
      return false;
  }
}

// ---- The blocks that receives fill -------------------------------------------------------------

// Memory of the receive blocks. Lives as long as the Uring or any slice of a block.
class ReceivePool {
 public:
  // Fails with bad_alloc.
  static ReceivePool* make(unsigned count, size_t block_size) {
    if (block_size > kMaxSize / count) fail_too_large("receive blocks", count, block_size);
    std::unique_ptr<ReceivePool> pool(new ReceivePool(count, block_size));
    pool->memory_ = static_cast<std::byte*>(
        ::operator new(block_size* count, std::align_val_t(kDirectAlignment)));
    return pool.release();
  }

  unsigned count() const noexcept { return static_cast<unsigned>(next_.size()); }
  size_t block_size() const noexcept { return block_size_; }
  std::byte* block(unsigned i) const noexcept { return memory_ + size_t{i} * block_size_; }

  // Block `i` as bytes that come back to returned() when their last slice dies. Only the Uring's
  // thread lends. Fails with bad_alloc, and nothing is lent then.
  Bytes lend(unsigned i, size_t size) {
    struct Return {
      ReceivePool* pool;
      unsigned i;
      void operator()() noexcept {
        pool->give_back(i);
        pool->drop();
      }
    };
    // All of the block, so that retained_size() says what the slice pins.
    Bytes bytes = Bytes::with_release({block(i), block_size_}, Return{this, i});
    // Relaxed: the Uring holds the pool, so it cannot die meanwhile, and nothing is published.
    holders_.fetch_add(1, std::memory_order_relaxed);
    bytes.truncate(size);
    return bytes;
  }

  // The first of the blocks that came back since the last call; next() the one after it; -1: none.
  // Acquire, with the release in give_back: whatever other threads read in these blocks is done
  // before the kernel may write there again.
  int returned() noexcept { return first_.exchange(kNone, std::memory_order_acquire); }
  int next(int i) const noexcept { return next_[static_cast<size_t>(i)]; }

  // One holder less. acq_rel: the last one frees after everybody's use of the memory.
  void drop() noexcept {
    if (holders_.fetch_sub(1, std::memory_order_acq_rel) == 1) delete this;
  }

  ~ReceivePool() {
    if (memory_ != nullptr) ::operator delete(memory_, std::align_val_t(kDirectAlignment));
  }

 private:
  static constexpr int kNone = -1;

  ReceivePool(unsigned count, size_t block_size) : block_size_(block_size), next_(count, kNone) {}

  // By any thread. A list that many push to and one takes whole: no element is ever taken from the
  // middle, so an address that comes back (ABA) does no harm.
  void give_back(unsigned i) noexcept {
    int first = first_.load(std::memory_order_relaxed);
    do {
      next_[i] = first;
      // Release: our reads of the block, and next_[i], before whoever takes the list. A push over
      // another's push continues its release sequence, so the taker sees all of the list.
    } while (!first_.compare_exchange_weak(first, static_cast<int>(i), std::memory_order_release,
                                           std::memory_order_relaxed));
  }

  std::byte* memory_ = nullptr;
  size_t block_size_;
  std::vector<int> next_;             // of a block in the list: the one behind it
  std::atomic<int> first_{kNone};     // list of the blocks that came back
  std::atomic<unsigned> holders_{1};  // the Uring, and each lent block
};

// Sends and receives that never wait, whatever the descriptor's own mode.
struct WaitlessSocket {
  int fd;
  IoResult read_some(std::span<const iovec> into) const noexcept {
    msghdr message{};
    message.msg_iov = const_cast<iovec*>(into.data());
    message.msg_iovlen = std::min(into.size(), kMostEntries);
    const ssize_t n = ::recvmsg(fd, &message, MSG_DONTWAIT);
    if (n == 0) return {0, IoKind::eof, 0, "recvmsg"};
    return result_of(n, "recvmsg");
  }
  IoResult write_some(std::span<const iovec> from) const noexcept {
    msghdr message{};
    message.msg_iov = const_cast<iovec*>(from.data());
    message.msg_iovlen = std::min(from.size(), kMostEntries);
    return result_of(::sendmsg(fd, &message, MSG_DONTWAIT | MSG_NOSIGNAL), "sendmsg");
  }

 private:
  static IoResult result_of(ssize_t n, const char* call) noexcept {
    if (n >= 0) return {static_cast<size_t>(n), IoKind::data, 0, call};
    if (errno == EAGAIN) return {0, IoKind::would_block, EAGAIN, call};
    return IoResult::failed(errno, call);
  }
};

// A descriptor as a File for a while, still the caller's.
class BorrowedFile {
 public:
  explicit BorrowedFile(int fd) noexcept : file_(fd) {}
  BorrowedFile(const BorrowedFile&) = delete;
  BorrowedFile& operator=(const BorrowedFile&) = delete;
  ~BorrowedFile() { static_cast<void>(file_.release()); }
  const File& operator*() const noexcept { return file_; }

 private:
  File file_;
};

bool is_direct(int fd) noexcept {
  const int flags = ::fcntl(fd, F_GETFL);
  return flags >= 0 && (flags & O_DIRECT) != 0;
}

}  // namespace

struct UringOperation {
  enum class Kind : uint8_t { receive, send, read, write };

  bool is_send() const noexcept { return kind == Kind::send; }
  // Of a receive that the ring does: to be begun anew.
  bool is_worn() const noexcept { return answers >= kMostAnswers; }
  bool is_file() const noexcept { return kind == Kind::read || kind == Kind::write; }
  // Bytes of a send, write or read that are still to go.
  size_t left() const noexcept { return kind == Kind::read ? size - moved : bytes.size(); }
  const char* call() const noexcept {
    switch (kind) {
      case Kind::receive:
        return "io_uring recv";
      case Kind::send:
        return "io_uring sendmsg";
      case Kind::read:
        return "io_uring read";
      default:
        return "io_uring writev";
    }
  }

  Kind kind = Kind::receive;
  bool active = false;   // its last callback was not called yet
  bool by_ring = false;  // the ring does it; else the fd adapters
  bool zero_copy = false;
  bool cancelled = false;
  bool cancel_sent = false;  // the ring was told so
  bool ready = false;        // by the fd adapters: to be tried, not polled
  bool polling = false;      // what the kernel owes is a poll
  bool in_work = false;
  bool in_polled = false;
  unsigned answers = 0;        // of a receive: completions since it went to the ring
  bool in_kernel = false;      // the kernel owes a completion that is no notification
  bool in_group = false;       // of a send: its bytes are with the kernel, perhaps not all
  unsigned notifications = 0;  // that the kernel owes
  int fd = -1;
  uint64_t serial = 0;
  uint64_t offset = 0;
  size_t size = 0;   // of a read: what is wanted
  size_t moved = 0;  // bytes so far
  UringCallback done;
  Chain bytes;                          // of a send or write: what is still to go
  Chain held;                           // of a zero-copy send: all that the kernel may still read
  BytesBuilder block;                   // of a read
  ReadSize read_size;                   // of a receive by the fd adapters
  std::vector<iovec> entries;           // what the kernel was told
  msghdr message{};                     // likewise
  UringOperation* behind = nullptr;     // of a send: the next one on its descriptor
  UringOperation* next_work = nullptr;  // in the work
};

namespace {

// First in, first out, through the operations themselves: putting one in cannot fail.
class WorkList {
 public:
  bool empty() const noexcept { return first_ == nullptr; }
  // Does nothing if it is in already.
  void push_back(UringOperation* operation) noexcept {
    if (std::exchange(operation->in_work, true)) return;
    operation->next_work = nullptr;
    (last_ != nullptr ? last_->next_work : first_) = operation;
    last_ = operation;
  }
  void push_front(UringOperation* operation) noexcept {
    if (std::exchange(operation->in_work, true)) return;
    operation->next_work = first_;
    first_ = operation;
    if (last_ == nullptr) last_ = operation;
  }
  // Precondition: not empty.
  UringOperation* pop() noexcept {
    UringOperation* const operation = first_;
    first_ = operation->next_work;
    if (first_ == nullptr) last_ = nullptr;
    operation->in_work = false;
    return operation;
  }
  // The last one now, so that a loop may stop behind it.
  UringOperation* last() const noexcept { return last_; }

 private:
  UringOperation* first_ = nullptr;
  UringOperation* last_ = nullptr;
};

}  // namespace

class UringEngine {
 public:
  using Operation = UringOperation;
  using Kind = UringOperation::Kind;

  explicit UringEngine(const UringOptions& options);
  UringEngine(const UringEngine&) = delete;
  UringEngine& operator=(const UringEngine&) = delete;
  ~UringEngine();

  bool has_ring() const noexcept { return has_ring_; }
  bool can_send_zero_copy() const noexcept { return knows_zero_copy_; }
  IoResult refusal() const noexcept { return refusal_; }
  size_t pending() const noexcept { return pending_; }
  size_t blocks_out() noexcept {
    take_returned();
    return lent_;
  }

  UringId receive(int fd, UringCallback&& done);
  UringId send(int fd, Chain&& bytes, bool zero_copy, UringCallback&& done);
  UringId transfer(Kind kind, int fd, uint64_t offset, size_t n, Chain&& bytes,
                   UringCallback&& done);
  bool cancel(UringId id);
  IoResult submit();
  IoResult run_once(std::chrono::milliseconds timeout);

  // Cancels everything, drops the callbacks and waits for the kernel; for notifications not for
  // longer than `linger`. True if the kernel owes nothing any more.
  bool stop(std::chrono::milliseconds linger) noexcept;
  // Takes the notifications that have come since. True if none is owed any more.
  bool reap() noexcept;

 private:
  struct Descriptor {
    Operation* receive = nullptr;
    Operation* first_send = nullptr;  // the one that is under way; `behind` leads on
    Operation* last_send = nullptr;
  };

  void open_ring(const UringOptions& options) noexcept;
  void open_pool();
  Operation* start(Kind kind, int fd, UringCallback&& done);
  UringId id_of(const Operation* operation) const noexcept {
    return {const_cast<Operation*>(operation), operation->serial, serial_};
  }
  void to_work(Operation* operation) noexcept { work_.push_back(operation); }
  void free_if_over(Operation* operation) noexcept {
    if (!operation->active && !operation->in_kernel && operation->notifications == 0 &&
        !operation->in_work && !operation->in_polled) {
      operation->held.clear();
      free_.push_back(operation);  // has room for all of them
    }
  }

  void end(Operation* operation, const IoResult& result, Chain&& bytes);
  void end_send(Operation* operation, const IoResult& result);
  void end_with(Operation* operation, IoKind kind, int error_number);
  void call_part(Operation* operation, const IoResult& result, Chain&& bytes);

  io_uring_sqe* entry() noexcept;
  bool is_over(const Operation* operation, IoKind& kind, int& error_number) noexcept;
  bool is_its_turn(const Operation* operation) noexcept;
  bool step(Operation* operation);
  static void append(Operation* operation, const Chain& bytes);
  static const Operation* fill_group(Operation* operation);
  bool step_ring(Operation* operation);
  bool step_cancel(Operation* operation);
  bool poll_by_ring(Operation* operation);
  bool wait_ready(Operation* operation);
  bool try_receive(Operation* operation);
  bool try_send(Operation* operation);
  void transfer_now(Operation* operation);
  void leave_ring(Operation* operation);

  void work();
  int enter(bool wait, std::chrono::milliseconds timeout) noexcept;
  void reap_all();
  void complete(Operation* operation, int result, unsigned flags);
  void complete_receive(Operation* operation, int result, unsigned flags);
  void complete_send(Operation* operation, int result);
  void complete_file(Operation* operation, int result);
  IoResult poll_all(std::chrono::milliseconds timeout);

  void take_returned() noexcept;
  void give_to_ring(unsigned block) noexcept;
  Chain receive_from(unsigned block, size_t size);

  // The ring, if there is one.
  io_uring ring_{};
  bool has_ring_ = false;
  bool knows_zero_copy_ = false;
  IoResult refusal_;

  // Receive blocks: the pool, and the ring of those that the kernel may fill. Null: not made yet,
  // or the kernel has no such thing (pool_refused_).
  ReceivePool* pool_ = nullptr;
  bool pool_refused_ = false;
  io_uring_buf_ring* blocks_ = nullptr;
  uint16_t blocks_tail_ = 0;
  unsigned lent_ = 0;  // blocks that slices keep
  unsigned most_lent_ = 0;
  unsigned block_count_;
  size_t block_size_;
  unsigned reserve_;

  std::vector<std::unique_ptr<Operation>> all_;
  std::vector<Operation*> free_;    // of all_, those that are over
  WorkList work_;                   // to be stepped
  std::vector<Operation*> polled_;  // without a ring: waiting for poll
  std::unordered_map<int, Descriptor> descriptors_;
  const uint64_t serial_;  // no other engine of the process has it
  uint64_t last_serial_ = 0;
  size_t pending_ = 0;        // operations that are active
  size_t in_kernel_ = 0;      // operations with in_kernel
  size_t notifications_ = 0;  // sum over all operations
  size_t called_ = 0;         // callbacks since run_once() began
  bool running_ = false;
  bool stopping_ = false;
};

// ---- Make and destroy --------------------------------------------------------------------------

namespace {
// Relaxed: only that they differ matters.
uint64_t next_engine() noexcept {
  static std::atomic<uint64_t> last{0};
  return last.fetch_add(1, std::memory_order_relaxed) + 1;
}
}  // namespace

UringEngine::UringEngine(const UringOptions& options)
    : block_count_(std::bit_ceil(std::clamp(options.receive_blocks, 1u, kMostBlocks))),
      block_size_(std::clamp<size_t>(options.receive_block_size, 1, kMostBytes)),
      reserve_(options.receive_reserve != 0 ? std::min(options.receive_reserve, block_count_)
                                            : std::max(block_count_ / 4, 1u)),
      serial_(next_engine()) {
  if (options.use_ring) open_ring(options);
}

void UringEngine::open_ring(const UringOptions& options) noexcept {
  const unsigned entries = std::clamp(options.entries, 1u, 32768u);
  int error = -EINVAL;
  // Kernels refuse flags that they do not know.
  for (const unsigned flags : {IORING_SETUP_COOP_TASKRUN, 0u}) {
    io_uring_params params{};
    params.flags = IORING_SETUP_CLAMP | IORING_SETUP_CQSIZE | flags;
    params.cq_entries = entries * 4;
    error = io_uring_queue_init_params(entries, &ring_, &params);
    if (error != -EINVAL) break;
  }
  if (error < 0) {
    refusal_ = IoResult::failed(-error, "io_uring_setup");
    return;
  }
  // Completions are never lost, and waiting can be bounded without an entry of the ring.
  constexpr unsigned kNeeded = IORING_FEAT_NODROP | IORING_FEAT_EXT_ARG | IORING_FEAT_FAST_POLL;
  if ((ring_.features & kNeeded) != kNeeded) {
    io_uring_queue_exit(&ring_);
    refusal_ = IoResult::failed(ENOSYS, "io_uring_setup");
    return;
  }
  // A filter may let the ring be made and refuse to use it: one operation that does nothing tells.
  io_uring_prep_nop(io_uring_get_sqe(&ring_));
  io_uring_cqe* cqe = nullptr;
  error = io_uring_submit_and_wait(&ring_, 1);
  if (error >= 0) error = io_uring_peek_cqe(&ring_, &cqe);
  if (error < 0) {
    io_uring_queue_exit(&ring_);
    refusal_ = IoResult::failed(-error, "io_uring_enter");
    return;
  }
  io_uring_cqe_seen(&ring_, cqe);
  has_ring_ = true;
  if (io_uring_probe* const probe = io_uring_get_probe_ring(&ring_); probe != nullptr) {
    knows_zero_copy_ = io_uring_opcode_supported(probe, IORING_OP_SENDMSG_ZC) != 0;
    io_uring_free_probe(probe);
  }
}

void UringEngine::open_pool() {
  if (pool_ != nullptr || pool_refused_) return;
  ReceivePool* const pool = ReceivePool::make(block_count_, block_size_);
  const size_t bytes = block_count_ * sizeof(io_uring_buf);
  void* const memory =
      ::mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  io_uring_buf_reg registration{};
  registration.ring_addr = reinterpret_cast<uintptr_t>(memory);
  registration.ring_entries = block_count_;
  registration.bgid = kGroup;
  if (memory == MAP_FAILED || io_uring_register_buf_ring(&ring_, &registration, 0) != 0) {
    if (memory != MAP_FAILED) ::munmap(memory, bytes);
    pool->drop();
    pool_refused_ = true;
    return;
  }
  pool_ = pool;
  blocks_ = static_cast<io_uring_buf_ring*>(memory);
  most_lent_ = block_count_ - reserve_;
  for (unsigned i = 0; i < block_count_; ++i) give_to_ring(i);
}

UringEngine::~UringEngine() {
  if (blocks_ != nullptr) {
    io_uring_unregister_buf_ring(&ring_, kGroup);
    ::munmap(blocks_, block_count_ * sizeof(io_uring_buf));
  }
  if (has_ring_) io_uring_queue_exit(&ring_);
  if (pool_ != nullptr) pool_->drop();
}

// ---- Receive blocks ----------------------------------------------------------------------------

void UringEngine::give_to_ring(unsigned block) noexcept {
  // The entries lie over the ring's start; the tail is what is reserved in the first. Written out
  // here because the header's struct has a flexible array that C++ lays out differently.
  io_uring_buf& place = reinterpret_cast<io_uring_buf*>(blocks_)[blocks_tail_ & (block_count_ - 1)];
  place.addr = reinterpret_cast<uintptr_t>(pool_->block(block));
  place.len = static_cast<unsigned>(block_size_);
  place.bid = static_cast<uint16_t>(block);
  // Release: the kernel reads the entry after the tail.
  ++blocks_tail_;
  std::atomic_ref<uint16_t>(blocks_->tail).store(blocks_tail_, std::memory_order_release);
}

void UringEngine::take_returned() noexcept {
  if (lent_ == 0) return;
  for (int i = pool_->returned(); i >= 0;) {
    // Before it goes back: then the list's link may be written anew.
    const int next = pool_->next(i);
    --lent_;
    if (!stopping_) give_to_ring(static_cast<unsigned>(i));
    i = next;
  }
}

Chain UringEngine::receive_from(unsigned block, size_t size) {
  if (lent_ >= most_lent_) take_returned();
  if (lent_ < most_lent_) {
    Chain chain(pool_->lend(block, size));
    ++lent_;
    return chain;
  }
  Chain chain(Bytes::copy_of(ByteView(pool_->block(block), size)));
  give_to_ring(block);
  return chain;
}

// ---- Start -------------------------------------------------------------------------------------

UringEngine::Operation* UringEngine::start(Kind kind, int fd, UringCallback&& done) {
  if (free_.empty()) {
    // Room first, so that nothing that frees can fail.
    free_.reserve(all_.size() + 1);
    polled_.reserve(all_.size() + 1);
    all_.push_back(std::make_unique<Operation>());
    free_.push_back(all_.back().get());
  }
  Operation* const operation = free_.back();
  to_work(operation);
  free_.pop_back();
  operation->kind = kind;
  operation->active = true;
  operation->by_ring = has_ring_;
  operation->zero_copy = false;
  operation->cancelled = false;
  operation->cancel_sent = false;
  operation->ready = true;
  operation->polling = false;
  operation->fd = fd;
  operation->serial = ++last_serial_;
  operation->answers = 0;
  operation->offset = 0;
  operation->size = 0;
  operation->moved = 0;
  operation->behind = nullptr;
  operation->done = std::move(done);
  ++pending_;
  return operation;
}

UringId UringEngine::receive(int fd, UringCallback&& done) {
  if (stopping_) return {};
  if (has_ring_) open_pool();
  Descriptor& descriptor = descriptors_[fd];
  Operation* const operation = start(Kind::receive, fd, std::move(done));
  operation->read_size = ReadSize();
  if (pool_ == nullptr) operation->by_ring = false;
  if (descriptor.receive == nullptr) descriptor.receive = operation;
  return id_of(operation);
}

UringId UringEngine::send(int fd, Chain&& bytes, bool zero_copy, UringCallback&& done) {
  if (stopping_) return {};
  Descriptor& descriptor = descriptors_[fd];
  Operation* const operation = start(Kind::send, fd, std::move(done));
  operation->bytes = std::move(bytes);
  operation->zero_copy = zero_copy && knows_zero_copy_;
  if (descriptor.first_send == nullptr) {
    descriptor.first_send = operation;
  } else {
    descriptor.last_send->behind = operation;
  }
  descriptor.last_send = operation;
  return id_of(operation);
}

UringId UringEngine::transfer(Kind kind, int fd, uint64_t offset, size_t n, Chain&& bytes,
                              UringCallback&& done) {
  if (stopping_) return {};
  BytesBuilder block;
  if (kind == Kind::read && n != 0) {
    BuilderOptions options;
    options.capacity = n;
    if (n % kDirectAlignment == 0) options.alignment = kDirectAlignment;
    block = BytesBuilder(options);
  }
  Operation* const operation = start(kind, fd, std::move(done));
  operation->offset = offset;
  operation->size = n;
  operation->bytes = std::move(bytes);
  operation->block = std::move(block);
  return id_of(operation);
}

bool UringEngine::cancel(UringId id) {
  Operation* const operation = id.operation_;
  if (stopping_ || id.engine_ != serial_ || operation->serial != id.serial_ || !operation->active)
    return false;
  to_work(operation);
  operation->cancelled = true;
  return true;
}

// ---- End ---------------------------------------------------------------------------------------

void UringEngine::call_part(Operation* operation, const IoResult& result, Chain&& bytes) {
  ++called_;
  if (operation->done) operation->done(result, std::move(bytes));
}

void UringEngine::end(Operation* operation, const IoResult& result, Chain&& bytes) {
  operation->active = false;
  --pending_;
  UringCallback done = std::move(operation->done);
  operation->bytes.clear();
  operation->block = BytesBuilder();
  if (operation->kind == Kind::receive) {
    const auto found = descriptors_.find(operation->fd);
    if (found != descriptors_.end() && found->second.receive == operation) {
      found->second.receive = nullptr;
    }
  }
  free_if_over(operation);
  ++called_;
  if (done) done(result, std::move(bytes));
}

void UringEngine::end_send(Operation* operation, const IoResult& result) {
  Descriptor& descriptor = descriptors_[operation->fd];
  Chain rest = std::move(operation->bytes);
  Operation* dropped = nullptr;
  if (result.kind == IoKind::data) {
    descriptor.first_send = operation->behind;
    if (descriptor.first_send != nullptr) to_work(descriptor.first_send);
  } else {
    // Bytes behind a gap must not go, so all that wait behind it end as well.
    dropped = operation->behind;
    if (descriptor.first_send == operation) {
      descriptor.first_send = nullptr;
    } else {
      Operation* before = descriptor.first_send;
      while (before->behind != operation) before = before->behind;
      before->behind = nullptr;
      descriptor.last_send = before;
    }
  }
  if (descriptor.first_send == nullptr) descriptor.last_send = nullptr;
  operation->behind = nullptr;
  end(operation, result, std::move(rest));
  while (dropped != nullptr) {
    Operation* const next = std::exchange(dropped->behind, nullptr);
    Chain whole = std::move(dropped->bytes);
    end(dropped, IoResult::failed(ECANCELED, dropped->call()), std::move(whole));
    dropped = next;
  }
}

void UringEngine::end_with(Operation* operation, IoKind kind, int error_number) {
  const IoResult result{operation->moved, kind, error_number, operation->call()};
  switch (operation->kind) {
    case Kind::receive:
      end(operation, {0, kind, error_number, operation->call()}, Chain());
      break;
    case Kind::send:
      end_send(operation, result);
      break;
    case Kind::read: {
      Chain got(std::move(operation->block).freeze());
      end(operation, result, std::move(got));
      break;
    }
    case Kind::write: {
      Chain rest = std::move(operation->bytes);
      end(operation, result, std::move(rest));
      break;
    }
  }
}

// ---- Step: hand to the ring, or try by the fd adapters -----------------------------------------

io_uring_sqe* UringEngine::entry() noexcept {
  io_uring_sqe* entry = io_uring_get_sqe(&ring_);
  if (entry == nullptr && io_uring_submit(&ring_) > 0) entry = io_uring_get_sqe(&ring_);
  return entry;
}

// Whether it is over, or must not begin, and what it ends with.
bool UringEngine::is_over(const Operation* operation, IoKind& kind, int& error_number) noexcept {
  kind = IoKind::error;
  if (operation->cancelled) {
    error_number = ECANCELED;
    return true;
  }
  if (operation->kind == Kind::receive) {
    error_number = EALREADY;
    return descriptors_.find(operation->fd)->second.receive != operation;
  }
  if (operation->is_file()) {
    // The last offset of all means the file's own position to the kernel.
    constexpr uint64_t kLast = uint64_t{std::numeric_limits<int64_t>::max()};
    const uint64_t at = operation->offset;
    error_number = EOVERFLOW;
    if (at > kLast || kLast - at < operation->moved + operation->left()) return true;
  }
  kind = IoKind::data;
  error_number = 0;
  return operation->left() == 0;
}

// Sends wait for those before them, which put them into the work again.
bool UringEngine::is_its_turn(const Operation* operation) noexcept {
  return !operation->is_send() || operation->cancelled ||
         descriptors_.find(operation->fd)->second.first_send == operation;
}

// False: no room in the ring, to be stepped again. What fails with bad_alloc is to be stepped
// again, too. Precondition: active.
bool UringEngine::step(Operation* operation) {
  if (operation->in_kernel || operation->in_group) {
    return !(operation->cancelled || operation->is_worn()) || step_cancel(operation);
  }
  if (!is_its_turn(operation)) return true;
  IoKind kind;
  int error_number;
  if (is_over(operation, kind, error_number)) {
    end_with(operation, kind, error_number);
    return true;
  }
  if (operation->by_ring) return step_ring(operation);
  if (operation->is_file()) {
    transfer_now(operation);
    return true;
  }
  if (operation->ready) {
    return operation->is_send() ? try_send(operation) : try_receive(operation);
  }
  return wait_ready(operation);
}

void UringEngine::append(Operation* operation, const Chain& bytes) {
  std::vector<iovec>& entries = operation->entries;
  size_t room = kMostBytes;
  for (const iovec& entry : entries) room -= entry.iov_len;
  const size_t used = entries.size();
  entries.resize(std::min(used + bytes.segment_count(), kMostEntries));
  const GatherFill fill = bytes.fill_iovec(std::span(entries).subspan(used), 0, room);
  entries.resize(used + fill.count);
}

// Entries for `operation` and as many of the sends behind it as fit into one call. Returns the
// first one that is left out; null if none is.
const UringOperation* UringEngine::fill_group(Operation* operation) {
  operation->entries.clear();
  append(operation, operation->bytes);
  if (operation->zero_copy || operation->cancelled) return operation->behind;
  size_t bytes = operation->bytes.size();
  const Operation* one = operation->behind;
  for (; one != nullptr; one = one->behind) {
    const bool fits = operation->entries.size() + one->bytes.segment_count() <= kMostEntries &&
                      one->bytes.size() <= kMostGroup && bytes <= kMostGroup - one->bytes.size();
    if (!fits || one->zero_copy || one->cancelled || !one->by_ring) break;
    append(operation, one->bytes);
    bytes += one->bytes.size();
  }
  return one;
}

bool UringEngine::step_ring(Operation* operation) {
  // Before the entry is taken: what is taken must be filled.
  const Operation* behind_group = nullptr;
  if (operation->kind == Kind::write) {
    operation->entries.clear();
    append(operation, operation->bytes);
  } else if (operation->kind == Kind::send) {
    behind_group = fill_group(operation);
    // The kernel reads what it was given until it notifies, so all of it is held until then.
    if (operation->zero_copy && operation->held.empty()) operation->held = operation->bytes;
  }
  io_uring_sqe* const place = entry();
  if (place == nullptr) return false;
  const uint64_t at = operation->offset + operation->moved;
  switch (operation->kind) {
    case Kind::receive:
      io_uring_prep_recv_multishot(place, operation->fd, nullptr, 0, 0);
      place->flags = static_cast<uint8_t>(place->flags | IOSQE_BUFFER_SELECT);
      place->buf_group = kGroup;
      break;
    case Kind::send: {
      operation->message = {};
      operation->message.msg_iov = operation->entries.data();
      operation->message.msg_iovlen = operation->entries.size();
      // Alone, a short send goes on in the kernel where it can; where not, complete_send() does it.
      // The first of several must not wait for those behind it.
      const unsigned flags =
          MSG_NOSIGNAL | (behind_group == operation->behind ? unsigned{MSG_WAITALL} : 0u);
      if (operation->zero_copy) {
        io_uring_prep_sendmsg_zc(place, operation->fd, &operation->message, flags);
      } else {
        io_uring_prep_sendmsg(place, operation->fd, &operation->message, flags);
      }
      for (Operation* one = operation; one != behind_group; one = one->behind) one->in_group = true;
      break;
    }
    case Kind::read: {
      const size_t n = std::min(operation->size - operation->moved, kMostBytes);
      // The block was made with all the room.
      io_uring_prep_read(place, operation->fd, operation->block.prepare(n).data(),
                         static_cast<unsigned>(n), at);
      break;
    }
    case Kind::write:
      io_uring_prep_writev(place, operation->fd, operation->entries.data(),
                           static_cast<unsigned>(operation->entries.size()), at);
      break;
  }
  io_uring_sqe_set_data(place, operation);
  operation->in_kernel = true;
  operation->polling = false;
  operation->cancel_sent = false;
  operation->answers = 0;
  ++in_kernel_;
  return true;
}

bool UringEngine::step_cancel(Operation* operation) {
  // A send that went with the first one; that one goes again.
  if (!operation->in_kernel) operation = descriptors_.find(operation->fd)->second.first_send;
  if (operation->cancel_sent) return true;
  io_uring_sqe* const place = entry();
  if (place == nullptr) return false;
  io_uring_prep_cancel(place, operation, 0);
  io_uring_sqe_set_data(place, nullptr);
  operation->cancel_sent = true;
  return true;
}

bool UringEngine::poll_by_ring(Operation* operation) {
  io_uring_sqe* const place = entry();
  if (place == nullptr) return false;
  io_uring_prep_poll_add(place, operation->fd, operation->is_send() ? POLLOUT : POLLIN);
  io_uring_sqe_set_data(place, operation);
  operation->in_kernel = true;
  operation->polling = true;
  ++in_kernel_;
  return true;
}

// To be tried again when poll says so.
bool UringEngine::wait_ready(Operation* operation) {
  operation->ready = false;
  if (has_ring_) return poll_by_ring(operation);
  if (!operation->in_polled) polled_.push_back(operation);  // has room for all of them
  operation->in_polled = true;
  return true;
}

bool UringEngine::try_receive(Operation* operation) {
  Chain received;
  const IoResult result = bight::read_some(
      WaitlessSocket{operation->fd}, ReadTail::of_this_thread(), operation->read_size, received);
  // A poll between two reads lets the other descriptors have their turn.
  operation->ready = false;
  if (!received.empty()) {
    call_part(operation, {result.bytes, IoKind::data, 0, result.call}, std::move(received));
  }
  if (result.kind == IoKind::eof || result.is_error()) {
    end(operation, {0, result.kind, result.error_number, result.call}, Chain());
    return true;
  }
  if (operation->cancelled) {
    end_with(operation, IoKind::error, ECANCELED);
    return true;
  }
  return wait_ready(operation);
}

bool UringEngine::try_send(Operation* operation) {
  IoResult result =
      bight::write_some(WaitlessSocket{operation->fd}, operation->bytes, WriteOptions());
  operation->moved += result.bytes;
  operation->ready = result.kind == IoKind::data;
  if (result.is_error()) {
    result.bytes = operation->moved;
    end_send(operation, result);
    return true;
  }
  if (operation->bytes.empty()) {
    end_with(operation, IoKind::data, 0);
    return true;
  }
  return wait_ready(operation);
}

// A read or write of a file, or the rest of it, by the calls that wait.
void UringEngine::transfer_now(Operation* operation) {
  const BorrowedFile file(operation->fd);
  while (operation->moved < operation->size || !operation->bytes.empty()) {
    const uint64_t at = operation->offset + operation->moved;
    IoResult result;
    if (operation->kind == Kind::read) {
      const std::span<std::byte> room =
          operation->block.prepare(operation->size - operation->moved);
      const iovec into{room.data(), operation->size - operation->moved};
      result = (*file).read_some_at(at, {&into, 1});
      operation->block.commit(result.bytes);
      operation->moved += result.bytes;
      const bool cut = operation->moved % kDirectAlignment != 0;
      if (result.kind == IoKind::data && operation->moved < operation->size && cut &&
          is_direct(operation->fd)) {
        result.kind = IoKind::eof;
      }
    } else {
      iovec entries[64];
      const GatherFill fill = operation->bytes.fill_iovec(entries, 0, kMostBytes);
      result = (*file).write_some_at(at, {entries, fill.count});
      operation->bytes.consume(result.bytes);
      operation->moved += result.bytes;
      if (result.kind == IoKind::data && result.bytes == 0) {
        result = IoResult::failed(ENOSPC, result.call);
      }
    }
    if (result.kind != IoKind::data) {
      end_with(operation, result.kind, result.error_number);
      return;
    }
  }
  end_with(operation, IoKind::data, 0);
}

void UringEngine::leave_ring(Operation* operation) {
  operation->by_ring = false;
  operation->ready = true;
  to_work(operation);
}

// ---- Completions -------------------------------------------------------------------------------

void UringEngine::complete(Operation* operation, int result, unsigned flags) {
  if ((flags & IORING_CQE_F_NOTIF) != 0) {
    --operation->notifications;
    --notifications_;
    free_if_over(operation);
    return;
  }
  if (operation->kind == Kind::receive && !operation->polling) {
    complete_receive(operation, result, flags);
    return;
  }
  operation->in_kernel = false;
  --in_kernel_;
  if ((flags & IORING_CQE_F_MORE) != 0) {
    ++operation->notifications;
    ++notifications_;
  }
  if (!operation->active) {
    free_if_over(operation);
  } else if (operation->polling) {
    operation->polling = false;
    operation->ready = true;
    // What poll could not wait for is tried all the same.
    if (result < 0 && result != -ECANCELED && result != -EINTR && !can_fall_back(-result)) {
      end_with(operation, IoKind::error, -result);
    } else {
      to_work(operation);
    }
  } else if (operation->is_send()) {
    complete_send(operation, result);
  } else {
    complete_file(operation, result);
  }
}

void UringEngine::complete_receive(Operation* operation, int result, unsigned flags) {
  Chain bytes;
  if ((flags & IORING_CQE_F_BUFFER) != 0) {
    const unsigned block = flags >> IORING_CQE_BUFFER_SHIFT;
    if (result > 0 && operation->active) {
      // Fails, if at all, before anything has changed.
      bytes = receive_from(block, static_cast<size_t>(result));
    } else if (!stopping_) {
      give_to_ring(block);
    }
  }
  const bool more = (flags & IORING_CQE_F_MORE) != 0;
  if (!more) {
    operation->in_kernel = false;
    --in_kernel_;
  }
  if (!operation->active) {
    free_if_over(operation);
    return;
  }
  if (result > 0) {
    // First, because the callback may fill the work itself.
    ++operation->answers;
    if (!more || operation->is_worn()) to_work(operation);
    call_part(operation, {static_cast<size_t>(result), IoKind::data, 0, operation->call()},
              std::move(bytes));
  } else if (result == 0) {
    if (!more) end_with(operation, IoKind::eof, 0);
  } else if (result == -ECANCELED && operation->cancel_sent) {
    // Begun anew, or over if it is the caller who has cancelled.
    to_work(operation);
  } else if (result == -ENOBUFS || result == -EINTR) {
    // All blocks were filled before one of them was looked at. Those that are not lent, at least
    // the reserve, are in the ring again when the rest of the completions is done.
    to_work(operation);
  } else if (result == -EINVAL || can_fall_back(-result)) {
    leave_ring(operation);
  } else {
    end_with(operation, IoKind::error, -result);
  }
}

void UringEngine::complete_send(Operation* operation, int result) {
  for (Operation* one = operation; one != nullptr && one->in_group; one = one->behind) {
    one->in_group = false;
    if (one->cancelled) to_work(one);
  }
  if (result > 0) {
    const Descriptor& descriptor = descriptors_.find(operation->fd)->second;
    size_t left = static_cast<size_t>(result);
    while (left != 0) {
      // Each that ends makes the next one the first, and callbacks only add behind them.
      Operation* const first = descriptor.first_send;
      const size_t n = std::min(left, first->bytes.size());
      first->bytes.consume(n);
      first->moved += n;
      left -= n;
      if (first->bytes.empty()) {
        end_with(first, IoKind::data, 0);
      } else {
        to_work(first);
      }
    }
  } else if (result == -ECANCELED && !operation->cancelled) {
    // Another one of its group was.
    to_work(operation);
  } else if (result == -EINTR) {
    to_work(operation);
  } else if (result == 0) {
    end_with(operation, IoKind::error, ENOSPC);
  } else if (operation->zero_copy && (result == -EINVAL || can_fall_back(-result))) {
    operation->zero_copy = false;
    to_work(operation);
  } else if (result == -EINVAL || can_fall_back(-result)) {
    leave_ring(operation);
  } else {
    end_with(operation, IoKind::error, -result);
  }
}

void UringEngine::complete_file(Operation* operation, int result) {
  if (result > 0) {
    const size_t n = static_cast<size_t>(result);
    operation->moved += n;
    if (operation->kind == Kind::read) {
      operation->block.commit(n);
      if (operation->moved < operation->size && operation->moved % kDirectAlignment != 0 &&
          is_direct(operation->fd)) {
        // Only the end of the file cuts a block, and reading on from there would be misaligned.
        end_with(operation, IoKind::eof, 0);
        return;
      }
    } else {
      operation->bytes.consume(n);
    }
    // Goes on, or ends, from there.
    to_work(operation);
  } else if (result == 0) {
    if (operation->kind == Kind::read) {
      end_with(operation, IoKind::eof, 0);
    } else {
      end_with(operation, IoKind::error, ENOSPC);
    }
  } else if (result == -EINTR) {
    to_work(operation);
  } else if (can_fall_back(-result)) {
    leave_ring(operation);
  } else {
    end_with(operation, IoKind::error, -result);
  }
}

// ---- Go on -------------------------------------------------------------------------------------

// One step for each operation that was in the work at the beginning.
void UringEngine::work() {
  const Operation* const last = work_.last();
  while (!work_.empty()) {
    Operation* const operation = work_.pop();
    if (!operation->active) {
      free_if_over(operation);
    } else {
      // Out of the work first, as the step may put it back; in again if that fails.
      struct Again {
        ~Again() {
          if (operation != nullptr) work.push_front(operation);
        }
        WorkList& work;
        Operation* operation;
      } again{work_, operation};
      if (!step(operation)) return;
      again.operation = nullptr;
    }
    if (operation == last) return;
  }
}

int UringEngine::enter(bool wait, std::chrono::milliseconds timeout) noexcept {
  if (!wait) return io_uring_submit(&ring_);
  io_uring_cqe* first = nullptr;
  if (timeout.count() < 0) {
    return io_uring_submit_and_wait_timeout(&ring_, &first, 1, nullptr, nullptr);
  }
  __kernel_timespec limit{};
  limit.tv_sec = timeout.count() / 1000;
  limit.tv_nsec = timeout.count() % 1000 * 1000000;
  return io_uring_submit_and_wait_timeout(&ring_, &first, 1, &limit, nullptr);
}

// All completions that are there at the beginning.
void UringEngine::reap_all() {
  for (unsigned n = io_uring_cq_ready(&ring_); n != 0; --n) {
    io_uring_cqe* cqe = nullptr;
    if (io_uring_peek_cqe(&ring_, &cqe) != 0 || cqe == nullptr) return;
    if (auto* const operation = static_cast<Operation*>(io_uring_cqe_get_data(cqe));
        operation != nullptr) {
      complete(operation, cqe->res, cqe->flags);
    }
    io_uring_cqe_seen(&ring_, cqe);
  }
}

IoResult UringEngine::submit() {
  if (!has_ring_ || stopping_) return {};
  // Nothing that might call back: only what goes to the ring.
  const Operation* const last = work_.last();
  while (!work_.empty()) {
    Operation* const operation = work_.pop();
    IoKind kind;
    int error_number;
    const bool goes = operation->active && operation->by_ring && !operation->in_kernel &&
                      is_its_turn(operation) && !is_over(operation, kind, error_number);
    struct Again {
      ~Again() {
        if (operation != nullptr) work.push_back(operation);
      }
      WorkList& work;
      Operation* operation;
    } again{work_, operation};
    if (goes && !step_ring(operation)) break;
    if (goes) again.operation = nullptr;
    if (operation == last) break;
  }
  const int result = io_uring_submit(&ring_);
  if (result < 0 && result != -EINTR) return IoResult::failed(-result, "io_uring_enter");
  return {0, IoKind::data, 0, "io_uring_enter"};
}

IoResult UringEngine::poll_all(std::chrono::milliseconds timeout) {
  std::vector<pollfd> descriptors;
  descriptors.reserve(polled_.size());
  for (const Operation* const operation : polled_) {
    descriptors.push_back(
        {operation->fd, static_cast<short>(operation->is_send() ? POLLOUT : POLLIN), 0});
  }
  const int limit = timeout.count() < 0 ? -1
                                        : static_cast<int>(std::min<std::chrono::milliseconds::rep>(
                                              timeout.count(), std::numeric_limits<int>::max()));
  const int n = ::poll(descriptors.data(), descriptors.size(), limit);
  if (n < 0 && errno != EINTR) return IoResult::failed(errno, "poll");
  if (n < 0) return {0, IoKind::would_block, EAGAIN, "poll"};
  size_t kept = 0;
  for (size_t i = 0; i < descriptors.size(); ++i) {
    Operation* const operation = polled_[i];
    if (descriptors[i].revents == 0 && operation->active && !operation->cancelled) {
      polled_[kept++] = operation;
      continue;
    }
    operation->in_polled = false;
    operation->ready = true;
    if (operation->active) {
      to_work(operation);
    } else {
      free_if_over(operation);
    }
  }
  polled_.resize(kept);
  return {0, IoKind::data, 0, "poll"};
}

IoResult UringEngine::run_once(std::chrono::milliseconds timeout) {
  if (running_) fail("Uring::run_once() is called by a callback");
  if (stopping_) fail("Uring::run_once() is called while the Uring is destroyed");
  struct Running {
    explicit Running(bool& flag) noexcept : running(flag) { running = true; }
    ~Running() { running = false; }
    bool& running;
  } guard(running_);
  const bool bounded = timeout.count() >= 0 && timeout < kForEver;
  const Clock::time_point end = bounded ? Clock::now() + timeout : Clock::time_point::max();
  called_ = 0;
  if (pending_ == 0) {
    // Nothing can be called; but notifications may have come.
    if (notifications_ != 0) static_cast<void>(reap());
    return {0, IoKind::eof, 0, "run_once"};
  }
  for (;;) {
    take_returned();
    work();
    // What the callbacks have started, too, so that the kernel is at it while the caller is away.
    std::chrono::milliseconds left(-1);
    if (bounded) {
      left = std::max(std::chrono::ceil<std::chrono::milliseconds>(end - Clock::now()),
                      std::chrono::milliseconds(0));
    }
    const bool wait = called_ == 0 && work_.empty();
    if (has_ring_) {
      const int entered = enter(wait && io_uring_cq_ready(&ring_) == 0, left);
      const bool came = io_uring_cq_ready(&ring_) != 0;
      reap_all();
      if (called_ != 0) return {0, IoKind::data, 0, "io_uring_enter"};
      if (entered == -EINTR) return {0, IoKind::would_block, EAGAIN, "io_uring_enter"};
      // EBUSY and EAGAIN: completions must be taken first, as has just been done.
      if (entered < 0 && entered != -ETIME &&
          !((entered == -EBUSY || entered == -EAGAIN) && came)) {
        return IoResult::failed(-entered, "io_uring_enter");
      }
    } else {
      if (called_ != 0) return {0, IoKind::data, 0, "poll"};
      const IoResult polled = poll_all(wait ? left : std::chrono::milliseconds(0));
      if (polled.kind != IoKind::data) return polled;
    }
    if (pending_ == 0) return {0, IoKind::eof, 0, "run_once"};
    if (bounded && Clock::now() >= end) {
      return {0, IoKind::would_block, EAGAIN, "run_once"};
    }
  }
}

// ---- The end -----------------------------------------------------------------------------------

bool UringEngine::stop(std::chrono::milliseconds linger) noexcept {
  if (running_) fail("a Uring is destroyed by a callback");
  stopping_ = true;
  for (const auto& operation : all_) {
    if (!operation->active) continue;
    operation->active = false;
    --pending_;
    // What the callback holds may call this Uring in its destructor. Nothing is started then, so
    // the list stays as it is.
    UringCallback dropped = std::move(operation->done);
  }
  const Clock::time_point end = Clock::now() + linger;
  while (has_ring_) {
    for (const auto& operation : all_) {
      if (operation->in_kernel && !step_cancel(operation.get())) break;
    }
    if (in_kernel_ == 0 && (notifications_ == 0 || Clock::now() >= end)) break;
    // Bounded, so that an entry that there was no room for is tried again.
    static_cast<void>(enter(io_uring_cq_ready(&ring_) == 0, std::chrono::milliseconds(10)));
    reap_all();
  }
  for (const auto& operation : all_) {
    // Here and not by the destructor, because release hooks may call this Uring as well.
    operation->bytes.clear();
    if (operation->notifications == 0) operation->held.clear();
    operation->block = BytesBuilder();
  }
  return notifications_ == 0;
}

bool UringEngine::reap() noexcept {
  // Into the kernel, so that it comes to what it has put off until then.
  static_cast<void>(io_uring_get_events(&ring_));
  reap_all();
  return notifications_ == 0;
}

namespace {

// Engines whose Uring is gone while the kernel still reads bytes of theirs.
class Left {
 public:
  static Left& all() {
    // Never destroyed: the kernel may be reading when the process ends.
    static Left* const left = new Left;
    return *left;
  }
  void add(std::unique_ptr<UringEngine> engine) {
    const std::lock_guard lock(mutex_);
    engines_.push_back(std::move(engine));
  }
  void reap() {
    std::vector<std::unique_ptr<UringEngine>> over;
    {
      const std::lock_guard lock(mutex_);
      for (size_t i = 0; i < engines_.size();) {
        if (engines_[i]->reap()) {
          over.push_back(std::move(engines_[i]));
          engines_[i] = std::move(engines_.back());
          engines_.pop_back();
        } else {
          ++i;
        }
      }
    }
    // Release hooks run here, without the lock.
  }

 private:
  std::mutex mutex_;
  std::vector<std::unique_ptr<UringEngine>> engines_;
};

}  // namespace
}  // namespace internal

using internal::UringOperation;

Uring::Uring(const UringOptions& options)
    : engine_(std::make_unique<internal::UringEngine>(options)) {
  internal::Left::all().reap();
}

Uring::~Uring() {
  // First, because it runs release hooks, and the engine is still there for them.
  internal::Left::all().reap();
  if (!engine_->stop(internal::kLinger)) internal::Left::all().add(std::move(engine_));
}

bool Uring::uses_ring() const noexcept { return engine_->has_ring(); }
IoResult Uring::refusal() const noexcept { return engine_->refusal(); }
bool Uring::can_send_zero_copy() const noexcept { return engine_->can_send_zero_copy(); }
size_t Uring::pending() const noexcept { return engine_->pending(); }
size_t Uring::receive_blocks_out() noexcept { return engine_->blocks_out(); }

UringId Uring::receive(int fd, UringCallback done) { return engine_->receive(fd, std::move(done)); }
UringId Uring::send(int fd, Chain&& bytes, UringCallback done) {
  return engine_->send(fd, std::move(bytes), false, std::move(done));
}
UringId Uring::send_zero_copy(int fd, Chain&& bytes, UringCallback done) {
  return engine_->send(fd, std::move(bytes), true, std::move(done));
}
UringId Uring::read_at(int fd, uint64_t offset, size_t n, UringCallback done) {
  return engine_->transfer(UringOperation::Kind::read, fd, offset, n, Chain(), std::move(done));
}
UringId Uring::write_at(int fd, uint64_t offset, Chain&& bytes, UringCallback done) {
  return engine_->transfer(UringOperation::Kind::write, fd, offset, 0, std::move(bytes),
                           std::move(done));
}
bool Uring::cancel(UringId id) { return engine_->cancel(id); }
IoResult Uring::submit() { return engine_->submit(); }
IoResult Uring::run_once(std::chrono::milliseconds timeout) { return engine_->run_once(timeout); }

BIGHT_NAMESPACE_END
