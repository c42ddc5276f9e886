// The receiving side of the batches, as a shared library for Python's ctypes (batches.py).
//
// A thread reads ahead: each batch of images straight from the socket into an aligned block of a
// pool. What is taken leaves as DLPack tensors; the last one's death gives the block back.
#include <bight/copy_audit.h>
#include <bight/interop/dlpack.h>
#include <bight/io/fd_source.h>
#include <bight/io/file.h>
#include <bight/io/read.h>
#include <sys/socket.h>
#include <sys/time.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <condition_variable>
#include <cstdio>
#include <deque>
#include <exception>
#include <iterator>
#include <memory>
#include <mutex>
#include <new>
#include <string>
#include <thread>
#include <utility>

#include "examples/support/crc32c.h"
#include "examples/tensor_batches/block_pool.h"
#include "examples/tensor_batches/protocol.h"

namespace {

using namespace bight;    // NOLINT
using namespace example;  // NOLINT

constexpr size_t kMaxTensorSize = size_t{256} << 20;  // what a header may ask for
constexpr size_t kAlignment = 4096;                   // more than any processor's vectors need

struct Batch {
  uint64_t sequence = 0;
  std::array<Bytes, kTensors> bytes;
  std::array<TensorLayout, kTensors> layouts;
  std::array<const std::byte*, kTensors> addresses{};
  std::string error;  // of the tensor that was last asked for
};

class Receiver {
 public:
  // Gives up a sender that is silent, and next() when no block comes back, for so many seconds.
  Receiver(File socket, size_t blocks, uint32_t patience, bool verify)
      : socket_(std::move(socket)),
        blocks_(blocks),
        patience_(patience),
        verify_(verify),
        pool_(std::make_shared<BlockPool>(blocks)),
        thread_([this] { run(); }) {}
  ~Receiver() {
    pool_->stop();
    ::shutdown(socket_.fd(), SHUT_RDWR);
    thread_.join();
  }

  // Waits for the next batch. Null at the end, with error() if that came too early.
  // One thread at a time.
  std::unique_ptr<Batch> next() {
    std::unique_lock<std::mutex> lock(mutex_);
    const auto patience = std::chrono::seconds(patience_);
    if (!changed_.wait_for(lock, patience, [&] { return ended_ || !ready_.empty(); })) {
      // Most likely the caller holds all blocks himself.
      gave_up_ = "no batch within " + std::to_string(patience_) + " seconds; " +
                 std::to_string(pool_->figures().lent) + " of " + std::to_string(blocks_) +
                 " blocks are lent";
    }
    if (ready_.empty()) return nullptr;
    std::unique_ptr<Batch> batch = std::move(ready_.front());
    ready_.pop_front();
    return batch;
  }
  const char* error() {
    const std::lock_guard<std::mutex> lock(mutex_);
    return error_.empty() ? gave_up_.c_str() : error_.c_str();
  }
  BlockPool::Figures blocks() const { return pool_->figures(); }
  uint64_t copied() const { return audit_.process().copied; }

 private:
  void run() {
    std::string error;
    try {
      error = receive();
    } catch (const std::bad_alloc&) {
      error = "out of memory";
    }
    const std::lock_guard<std::mutex> lock(mutex_);
    error_ = std::move(error);
    ended_ = true;
    changed_.notify_all();
  }

  // Until the last batch. Returns what went wrong.
  std::string receive() {
    for (uint64_t remaining = 1; remaining != 0;) {
      BytesBuilder head(kHeaderSize);
      std::string error = read(head, kHeaderSize);
      if (!error.empty()) return "header: " + error;
      const std::optional<BatchHeader> header = try_parse_header(std::move(head).freeze());
      if (!header) return "header: of no known form";
      remaining = header->remaining;
      auto batch = std::make_unique<Batch>();
      batch->sequence = header->sequence;
      uint32_t crc = 0;
      for (size_t i = 0; i < kTensors; ++i) {
        const TensorHeader& tensor = header->tensors[i];
        if (tensor.size > kMaxTensorSize) {
          return "a tensor of " + std::to_string(tensor.size) + " bytes is too large";
        }
        BuilderOptions options;
        options.capacity = static_cast<size_t>(tensor.size);
        options.alignment = kAlignment;
        if (i == kImages) {
          if (!pool_->wait_for_room()) return "closed";
          options.shared_resource = pool_;
        }
        BytesBuilder builder(options);
        error = read(builder, options.capacity);
        if (!error.empty()) return "batch " + std::to_string(header->sequence) + ": " + error;
        batch->bytes[i] = std::move(builder).freeze();
        batch->layouts[i] = tensor.layout();
        batch->addresses[i] = batch->bytes[i].data();
        if (verify_) crc = crc32c_extend(crc, batch->bytes[i]);
      }
      if (verify_ && crc != header->crc) {
        return "batch " + std::to_string(header->sequence) + ": wrong checksum";
      }
      const std::lock_guard<std::mutex> lock(mutex_);
      ready_.push_back(std::move(batch));
      changed_.notify_all();
    }
    return "";
  }

  // Exactly `n` bytes from the socket into the builder's block. Returns what went wrong.
  std::string read(BytesBuilder& into, size_t n) {
    const IoResult result = read_exactly(FdSource(socket_.fd()), into, n);
    switch (result.kind) {
      case IoKind::data:
        return "";
      case IoKind::eof:
        return "ends after " + std::to_string(result.bytes) + " of " + std::to_string(n) + " bytes";
      case IoKind::would_block:
        return "silent for too long";
      case IoKind::error:
        break;
    }
    return result.message();
  }

  const File socket_;
  const size_t blocks_;
  const uint32_t patience_;
  const bool verify_;
  const std::shared_ptr<BlockPool> pool_;
  const CopyAudit audit_;
  std::mutex mutex_;
  std::condition_variable changed_;
  // At most as many as the pool has blocks.
  std::deque<std::unique_ptr<Batch>> ready_;
  std::string error_;    // set once, by the thread
  std::string gave_up_;  // set by next()
  bool ended_ = false;
  std::thread thread_;  // last: it uses all of the above
};

}  // namespace

// ---- What Python calls ----------------------------------------------------------------------

extern "C" {

// Of the Python that loads this library; a capsule is an object of it.
int PyCapsule_IsValid(void* capsule, const char* name);
void* PyCapsule_GetPointer(void* capsule, const char* name);

// Takes over `fd`, a blocking socket. Null if there is no memory or no thread.
Receiver* tensor_batches_open(int fd, uint32_t blocks, uint32_t patience, int verify) {
  const timeval timeout{patience, 0};
  ::setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &timeout, sizeof(timeout));
  try {
    return new Receiver(File(fd), blocks, patience, verify != 0);
  } catch (const std::exception&) {
    return nullptr;
  }
}
void tensor_batches_close(Receiver* receiver) { delete receiver; }
// To be called without Python's lock: it waits.
Batch* tensor_batches_next(Receiver* receiver) { return receiver->next().release(); }
// "" if nothing went wrong.
const char* tensor_batches_error(Receiver* receiver) { return receiver->error(); }
// Blocks made, lent, most lent at once, loans; bytes copied by the library.
void tensor_batches_figures(const Receiver* receiver, uint64_t* five) {
  const BlockPool::Figures blocks = receiver->blocks();
  const uint64_t values[] = {blocks.made, blocks.lent, blocks.most_lent, blocks.loans,
                             receiver->copied()};
  std::copy(std::begin(values), std::end(values), five);
}

void tensor_batches_drop(Batch* batch) { delete batch; }
uint64_t tensor_batches_sequence(const Batch* batch) { return batch->sequence; }
// Where the thread has put tensor `i`.
const void* tensor_batches_address(const Batch* batch, size_t i) { return batch->addresses[i]; }
// Tensor `i`: given away or, `shared`, still kept by the batch too. Null if that cannot be, for the
// reason in tensor_batches_refusal().
DLManagedTensor* tensor_batches_tensor(Batch* batch, size_t i, int shared) {
  try {
    absl::StatusOr<ManagedTensor> tensor =
        shared != 0 ? share_read_only(batch->bytes[i], batch->layouts[i])
                    : to_tensor(std::move(batch->bytes[i]), batch->layouts[i]);
    if (tensor.ok()) return tensor->release();
    batch->error = std::string(tensor.status().message());
  } catch (const std::bad_alloc&) {
    batch->error = "out of memory";
  }
  return nullptr;
}
const char* tensor_batches_refusal(const Batch* batch) { return batch->error.c_str(); }
void tensor_batches_drop_tensor(DLManagedTensor* tensor) { tensor->deleter(tensor); }

// The other way round: takes the tensor over as bytes and looks at them where they are. 0, and
// their CRC-32C; or 1, and in `error` why they are refused. The tensor's deleter has run then.
int tensor_batches_checksum(DLManagedTensor* tensor, uint32_t* crc, char* error, size_t size) {
  try {
    const absl::StatusOr<Bytes> bytes = to_bytes(ManagedTensor(tensor));
    if (bytes.ok()) {
      *crc = crc32c(*bytes);
      return 0;
    }
    std::snprintf(error, size, "%s", std::string(bytes.status().message()).c_str());
  } catch (const std::bad_alloc&) {
    std::snprintf(error, size, "out of memory");
  }
  return 1;
}

// The destructor of a capsule. Whoever takes the tensor out of it calls it "used_dltensor", and
// deletes the tensor himself.
void tensor_batches_drop_capsule(void* capsule) {
  if (PyCapsule_IsValid(capsule, "dltensor") == 0) return;
  tensor_batches_drop_tensor(
      static_cast<DLManagedTensor*>(PyCapsule_GetPointer(capsule, "dltensor")));
}

}  // extern "C"
