#include <sys/socket.h>
#include <unistd.h>

#include <atomic>
#include <future>
#include <memory>
#include <memory_resource>
#include <thread>

#include "asio_support.h"
#include "bight/copy_audit.h"

namespace asio_test {
namespace {

using bight::Bytes;
using bight::Chain;
using bight::ChainBuffers;

const std::vector<size_t> kMixed = {1, 64, 100, 5000, 1, 1, 20000, 1023, 1024, 70000, 3};

// ---- Chains as buffer sequences -------------------------------------------------------------

static_assert(std::is_trivially_copyable_v<ChainBuffers>);
static_assert(net::is_const_buffer_sequence<ChainBuffers>::value);
static_assert(!net::is_mutable_buffer_sequence<ChainBuffers>::value);
static_assert(std::random_access_iterator<ChainBuffers::const_iterator>);

std::string content(const ChainBuffers& buffers) {
  std::string text;
  for (const net::const_buffer buffer : buffers) {
    text.append(static_cast<const char*>(buffer.data()), buffer.size());
  }
  return text;
}

TEST(ChainBuffersTest, EverySegmentIsShownInPlace) {
  const Chain chain = chain_of(pattern(300), {1, 50, 99});
  const ChainBuffers buffers(chain);
  ASSERT_EQ(buffers.size(), chain.segment_count());
  for (size_t i = 0; i < buffers.size(); ++i) {
    const net::const_buffer buffer = buffers.begin()[static_cast<ptrdiff_t>(i)];
    EXPECT_EQ(buffer.data(), chain.segment(i).data());
    EXPECT_EQ(buffer.size(), chain.segment(i).size());
  }
  EXPECT_EQ(net::buffer_size(buffers), 300u);
  EXPECT_EQ(buffers.begin()->size(), 1u);
}

TEST(ChainBuffersTest, PartsAreTrimmedAtBothEnds) {
  const std::string text = pattern(25);
  const Chain chain = chain_of(text, {3, 1, 7});
  for (size_t from = 0; from <= text.size(); ++from) {
    for (size_t n = 0; n <= text.size() - from + 1; ++n) {
      const ChainBuffers buffers(chain, from, n);
      ASSERT_EQ(content(buffers), text.substr(from, n)) << from << " " << n;
      for (const net::const_buffer buffer : buffers) ASSERT_NE(buffer.size(), 0u);
    }
  }
}

TEST(ChainBuffersTest, AnEmptyChainIsNoBuffer) {
  EXPECT_EQ(ChainBuffers(Chain()).size(), 0u);
  EXPECT_TRUE(ChainBuffers().begin() == ChainBuffers().end());
}

TEST(ChainBuffersTest, AsioWritesIt) {
  net::io_context context;
  UnixPair pair(context);
  const std::string text = pattern(20000);
  const Chain chain = chain_of(text, {1, 700});
  std::string got(text.size(), '\0');
  std::thread reader([&] { net::read(pair.b, net::buffer(got)); });
  EXPECT_EQ(net::write(pair.a, ChainBuffers(chain)), text.size());
  reader.join();
  EXPECT_EQ(got, text);
}

TEST(ChainBuffersTest, OneBufferOfBytes) {
  const Bytes bytes = Bytes::copy_of("abc");
  EXPECT_EQ(bight::as_buffer(bytes).data(), bytes.data());
  EXPECT_EQ(bight::as_buffer(bytes).size(), 3u);
}

// ---- Writing to sockets ---------------------------------------------------------------------

template <class Socket>
std::string read_all(Socket& socket, size_t at_once = 65536) {
  std::string text;
  std::string part(at_once, '\0');
  ErrorCode error;
  for (;;) {
    const size_t n = socket.read_some(net::buffer(part), error);
    if (error) return text;
    text.append(part, 0, n);
  }
}

TEST(AsioWriteTest, TheChainArrivesWhole) {
  net::io_context context;
  TcpPair pair(context);
  const std::string text = pattern(3 << 20);
  std::future<std::string> got = std::async(std::launch::async, [&] { return read_all(pair.b); });
  Outcome outcome;
  bight::async_write(pair.a, chain_of(text, kMixed), record(outcome));
  run(context);
  pair.a.close();
  EXPECT_FALSE(outcome.error) << outcome.error.message();
  EXPECT_EQ(outcome.n, text.size());
  EXPECT_TRUE(got.get() == text);
}

TEST(AsioWriteTest, AThousandSegmentsGoInOneCall) {
  net::io_context context;
  stream_protocol::socket a(context);
  int ends[2];
  ASSERT_EQ(::socketpair(AF_UNIX, SOCK_SEQPACKET, 0, ends), 0);
  // A socket that keeps the borders of calls.
  a.assign(stream_protocol(), ends[0]);
  Outcome outcome;
  bight::async_write(a, chain_of(pattern(1000 * 64), {64}), record(outcome));
  run(context);
  std::string got(100000, '\0');
  EXPECT_EQ(outcome.n, 64000u);
  EXPECT_EQ(::recv(ends[1], got.data(), got.size(), 0), 64000);
  bight::async_write(a, chain_of(pattern(100 * 1100), {1100}), record(outcome));
  run(context);
  got.resize(200000);
  EXPECT_EQ(::recv(ends[1], got.data(), got.size(), 0), 110000);
  ::close(ends[1]);
}

TEST(AsioWriteTest, LargeSegmentsAreNotCopiedAndSmallOnesAreGathered) {
  net::io_context context;
  TcpPair pair(context);
  Chain chain = chain_of(pattern(4 << 20), {1 << 20});
  for (int i = 0; i < 10; ++i) chain.push_front(Bytes::copy_of("0123456789"));
  std::future<std::string> got = std::async(std::launch::async, [&] { return read_all(pair.b); });
  const bight::CopyAudit audit;
  Outcome outcome;
  bight::async_write(pair.a, std::move(chain), record(outcome));
  run(context);
  EXPECT_EQ(audit.thread().copied, 0u);
  EXPECT_EQ(audit.thread().gathered, 100u);
  EXPECT_FALSE(outcome.error);
  pair.a.close();
  EXPECT_EQ(got.get().size(), outcome.n);
}

TEST(AsioWriteTest, APartialWriteIsResumedExactly) {
  for (const std::vector<size_t>& sizes :
       {std::vector<size_t>{1}, {7, 300}, {1023, 1, 1024}, {9000}, kMixed}) {
    net::io_context context;
    UnixPair pair(context, /*small=*/true);
    const std::string text = pattern(200000);
    std::future<std::string> got =
        std::async(std::launch::async, [&] { return read_all(pair.b, 777); });
    Outcome outcome;
    bight::async_write(pair.a, chain_of(text, sizes), record(outcome));
    run(context);
    pair.a.close();
    EXPECT_EQ(outcome.n, text.size());
    EXPECT_TRUE(got.get() == text) << sizes[0];
  }
}

TEST(AsioWriteTest, APipeIsWrittenTooAndMayEndAnywhere) {
  const std::string text = pattern(150000);
  for (const size_t at_once : {1u, 100u, 4095u, 4096u, 4097u}) {
    net::io_context context;
    int ends[2];
    ASSERT_EQ(::pipe(ends), 0);
    net::posix::stream_descriptor in(context, ends[0]);
    net::posix::stream_descriptor out(context, ends[1]);
    const size_t total = at_once == 1 ? 5000 : text.size();
    std::future<std::string> got =
        std::async(std::launch::async, [&] { return read_all(in, at_once); });
    Outcome outcome;
    bight::async_write(out, chain_of(text.substr(0, total), kMixed), record(outcome));
    run(context);
    out.close();
    EXPECT_EQ(outcome.n, total);
    EXPECT_TRUE(got.get() == text.substr(0, total));
  }
}

TEST(AsioWriteTest, AChainInManyTurnsIsWrittenToADescriptorWithoutEvents) {
  net::io_context context;
  std::FILE* file = std::tmpfile();
  ASSERT_NE(file, nullptr);
  // 100,000 small segments: two dozen gather calls, so more than one turn.
  const std::string text = pattern(1600000);
  Chain chain = chain_of(text, {16});
  ErrorCode error;
  net::posix::stream_descriptor out(context);
  out.assign(::dup(::fileno(file)), error);
  if (error) {
    // An Asio that refuses regular files.
    EXPECT_EQ(error, net::error::operation_not_supported);
  } else {
    Outcome outcome;
    bight::async_write(out, &chain, record(outcome));
    run(context);
    EXPECT_FALSE(outcome.error) << outcome.error.message();
    EXPECT_EQ(outcome.n, text.size());
    std::string got(text.size(), '\0');
    EXPECT_EQ(::pread(::fileno(file), got.data(), got.size(), 0),
              static_cast<ssize_t>(text.size()));
    EXPECT_TRUE(got == text);
  }
  std::fclose(file);
}

TEST(AsioWriteTest, TheChainIsHeldUntilItWentAndReleasedThen) {
  net::io_context context;
  UnixPair pair(context, /*small=*/true);
  const std::string text = pattern(500000);
  bool released = false;
  Bytes bytes =
      Bytes::with_release(std::as_bytes(std::span(text)), [&]() noexcept { released = true; });
  Outcome outcome;
  bight::async_write(pair.a, std::move(bytes), record(outcome));
  EXPECT_FALSE(released);
  std::future<std::string> got = std::async(std::launch::async, [&] { return read_all(pair.b); });
  run(context);
  EXPECT_TRUE(released);
  pair.a.close();
  EXPECT_EQ(got.get().size(), text.size());
}

TEST(AsioWriteTest, AnOperationThatIsNeverCompletedReleasesItsChain) {
  const std::string text = pattern(5000000);
  int released = 0;
  Outcome outcome;
  {
    net::io_context context;
    UnixPair pair(context, /*small=*/true);
    bight::async_write(
        pair.a, Bytes::with_release(std::as_bytes(std::span(text)), [&]() noexcept { ++released; }),
        record(outcome));
    EXPECT_EQ(released, 0);
  }
  EXPECT_EQ(released, 1);
  EXPECT_FALSE(outcome.done);
}

TEST(AsioWriteTest, NoHandlerRunsInsideTheInitiatingCall) {
  net::io_context context;
  UnixPair pair(context);
  MemoryStream memory(context);
  for (const std::string_view text : {"", "short"}) {
    Outcome socket;
    Outcome stream;
    bight::async_write(pair.a, Chain(Bytes::copy_of(text)), record(socket));
    bight::async_write(memory, Chain(Bytes::copy_of(text)), record(stream));
    EXPECT_FALSE(socket.done);
    EXPECT_FALSE(stream.done);
    run(context);
    EXPECT_TRUE(socket.done && !socket.error);
    EXPECT_TRUE(stream.done && !stream.error);
    EXPECT_EQ(socket.n, text.size());
    EXPECT_EQ(stream.n, text.size());
  }
  pair.a.close();
  Outcome closed;
  bight::async_write(pair.a, Bytes::copy_of("x"), record(closed));
  EXPECT_FALSE(closed.done);
  run(context);
  EXPECT_EQ(closed.error, net::error::bad_descriptor);
}

// ---- Errors and cancellation: the rest is kept ----------------------------------------------

TEST(AsioWriteTest, CancelInTheMiddleKeepsExactlyTheRest) {
  net::io_context context;
  UnixPair pair(context, /*small=*/true);
  const std::string text = pattern(1000000);
  for (const std::vector<size_t>& sizes : {std::vector<size_t>{1000000}, {60}, kMixed}) {
    Chain chain = chain_of(text, sizes);
    std::string got;
    int cancels = 0;
    // Again and again: cancelled, some of it read, gone on with.
    while (!chain.empty()) {
      const size_t before = chain.size();
      Outcome outcome;
      bight::async_write(pair.a, &chain, record(outcome));
      net::post(context, [&] { pair.a.cancel(); });
      run(context);
      ASSERT_TRUE(outcome.done);
      ASSERT_EQ(before - chain.size(), outcome.n);
      if (!chain.empty()) {
        ASSERT_EQ(outcome.error, net::error::operation_aborted);
        ASSERT_TRUE(chain == std::string_view(text).substr(text.size() - chain.size()));
        ++cancels;
      }
      std::string part(200000, '\0');
      while (pair.b.available() != 0) {
        const size_t n = pair.b.read_some(net::buffer(part));
        got.append(part, 0, n);
      }
      ASSERT_EQ(got.size() + chain.size(), text.size());
    }
    EXPECT_GT(cancels, 3);
    EXPECT_TRUE(got == text);
  }
}

TEST(AsioWriteTest, APeerThatClosesLeavesTheRest) {
  net::io_context context;
  UnixPair pair(context, /*small=*/true);
  const std::string text = pattern(1000000);
  Chain chain = chain_of(text, kMixed);
  Outcome outcome;
  bight::async_write(pair.a, &chain, record(outcome));
  std::string part(30000, '\0');
  net::async_read(pair.b, net::buffer(part), [&](ErrorCode, size_t) { pair.b.close(); });
  run(context);
  EXPECT_TRUE(outcome.error == net::error::broken_pipe ||
              outcome.error == net::error::connection_reset)
      << outcome.error.message();
  EXPECT_TRUE(part == text.substr(0, part.size()));
  EXPECT_GE(outcome.n, part.size());
  EXPECT_EQ(outcome.n + chain.size(), text.size());
  EXPECT_TRUE(chain == std::string_view(text).substr(outcome.n));
}

TEST(AsioWriteTest, OtherStreamsResumeAtEveryBoundary) {
  const std::string text = pattern(600);
  for (size_t at_most = 1; at_most <= text.size(); at_most += at_most < 40 ? 1 : 37) {
    net::io_context context;
    MemoryStream stream(context);
    stream.write_at_most = at_most;
    Outcome outcome;
    bight::async_write(stream, chain_of(text, {1, 5, 30, 2}), record(outcome));
    run(context);
    EXPECT_EQ(outcome.n, text.size());
    EXPECT_TRUE(stream.output == text) << at_most;
  }
}

TEST(AsioWriteTest, OtherStreamsKeepTheRestWhereverTheyFail) {
  const std::string text = pattern(200);
  for (size_t fails_after = 0; fails_after < text.size(); ++fails_after) {
    for (const size_t at_most : {3u, 1000u}) {
      net::io_context context;
      MemoryStream stream(context);
      stream.fails_after = fails_after;
      stream.write_at_most = at_most;
      Chain chain = chain_of(text, {1, 5, 30, 2});
      Outcome outcome;
      bight::async_write(stream, &chain, record(outcome));
      run(context);
      ASSERT_EQ(outcome.error, net::error::connection_reset);
      ASSERT_EQ(outcome.n, fails_after);
      ASSERT_TRUE(stream.output == text.substr(0, fails_after));
      ASSERT_TRUE(chain == std::string_view(text).substr(fails_after));
    }
  }
}

TEST(AsioWriteTest, OtherStreamsGetFullBuffersAndLargeSegmentsInPlace) {
  net::io_context context;
  MemoryStream stream(context);
  const std::string text = pattern(200000);
  const bight::CopyAudit audit;
  Outcome outcome;
  bight::async_write(stream, chain_of(text, {64}), record(outcome));
  run(context);
  EXPECT_TRUE(stream.output == text);
  for (size_t i = 0; i + 1 < stream.offered.size(); ++i) EXPECT_GE(stream.offered[i], 16384u);
  EXPECT_EQ(stream.buffers, std::vector<size_t>(stream.buffers.size(), 1));
  EXPECT_EQ(audit.thread().gathered, text.size());  // each byte once
  const bight::CopyAudit later;
  bight::async_write(stream, chain_of(text, {20000}), record(outcome));
  EXPECT_EQ(later.thread().gathered, 0u);
  run(context);
  EXPECT_EQ(later.thread().gathered, 0u);
  EXPECT_EQ(stream.buffers.back(), 10u);
}

#if BIGHT_ASIO_HAS_SLOTS
TEST(AsioWriteTest, OneWriteIsCancelledThroughItsSlot) {
  net::io_context context;
  UnixPair pair(context, /*small=*/true);
  const std::string text = pattern(1000000);
  Chain chain = chain_of(text, kMixed);
  net::cancellation_signal signal;
  Outcome outcome;
  bight::async_write(pair.a, &chain, net::bind_cancellation_slot(signal.slot(), record(outcome)));
  // A write that went in part cannot promise that nothing happened.
  net::post(context, [&] { signal.emit(net::cancellation_type::total); });
  context.run_for(std::chrono::milliseconds(20));
  EXPECT_FALSE(outcome.done);
  signal.emit(net::cancellation_type::partial);
  run(context);
  EXPECT_EQ(outcome.error, net::error::operation_aborted);
  EXPECT_GT(outcome.n, 0u);
  EXPECT_TRUE(chain == std::string_view(text).substr(outcome.n));
  EXPECT_EQ(pair.b.available(), outcome.n);
}
#endif

// ---- Tokens, executors, allocators ----------------------------------------------------------

TEST(AsioWriteTest, AFutureIsAToken) {
  net::io_context context;
  UnixPair pair(context);
  std::future<size_t> sent = bight::async_write(pair.a, Bytes::copy_of("hello"), net::use_future);
  run(context);
  EXPECT_EQ(sent.get(), 5u);
  pair.b.close();
  sent = bight::async_write(pair.a, Bytes::copy_of("hello"), net::use_future);
  run(context);
  EXPECT_ANY_THROW(sent.get());
}

TEST(AsioWriteTest, TheHandlersExecutorIsUsedThroughout) {
  net::io_context context;
  net::io_context other;
  UnixPair pair(context, /*small=*/true);
  const std::string text = pattern(100000);
  Outcome outcome;
  auto guard = net::make_work_guard(context);
  std::thread runner([&] { context.run(); });
  std::future<std::string> got = std::async(std::launch::async, [&] { return read_all(pair.b); });
  std::thread::id thread;
  bight::async_write(pair.a, chain_of(text, kMixed),
                     net::bind_executor(other.get_executor(), [&](ErrorCode error, size_t n) {
                       thread = std::this_thread::get_id();
                       outcome = {true, error, n};
                     }));
  run(other);
  EXPECT_EQ(outcome.n, text.size());
  EXPECT_EQ(thread, std::this_thread::get_id());
  pair.a.close();
  EXPECT_TRUE(got.get() == text);
  guard.reset();
  runner.join();
}

struct CountingHandler {
  using allocator_type = std::pmr::polymorphic_allocator<char>;
  allocator_type get_allocator() const noexcept { return allocator_type(resource); }
  void operator()(ErrorCode error, size_t n) const { *outcome = {true, error, n}; }
  std::pmr::memory_resource* resource;
  Outcome* outcome;
};

class CountingResource : public std::pmr::memory_resource {
 public:
  size_t made = 0;
  size_t live = 0;

 private:
  void* do_allocate(size_t n, size_t alignment) override {
    ++made;
    ++live;
    return std::pmr::new_delete_resource()->allocate(n, alignment);
  }
  void do_deallocate(void* p, size_t n, size_t alignment) override {
    --live;
    std::pmr::new_delete_resource()->deallocate(p, n, alignment);
  }
  bool do_is_equal(const memory_resource& other) const noexcept override { return this == &other; }
};

TEST(AsioWriteTest, TheHandlersAllocatorIsUsed) {
  net::io_context context;
  UnixPair pair(context, /*small=*/true);
  CountingResource resource;
  Outcome outcome;
  std::future<std::string> got = std::async(std::launch::async, [&] { return read_all(pair.b); });
  bight::async_write(pair.a, chain_of(pattern(100000), kMixed),
                     CountingHandler{&resource, &outcome});
  run(context);
  EXPECT_EQ(outcome.n, 100000u);
  EXPECT_GT(resource.made, 0u);
  EXPECT_EQ(resource.live, 0u);
  pair.a.close();
  EXPECT_EQ(got.get().size(), 100000u);
}

// ---- Waiting --------------------------------------------------------------------------------

TEST(AsioSyncWriteTest, ABlockingSocketTakesAll) {
  net::io_context context;
  UnixPair pair(context, /*small=*/true);
  const std::string text = pattern(300000);
  std::future<std::string> got =
      std::async(std::launch::async, [&] { return read_all(pair.b, 1000); });
  for (int i = 0; i < 2; ++i) {
    // The second time after an asynchronous wait, which leaves the descriptor non-blocking.
    Chain chain = chain_of(text, kMixed);
    ErrorCode error;
    EXPECT_EQ(bight::write(pair.a, chain, error), text.size());
    EXPECT_FALSE(error);
    EXPECT_TRUE(chain.empty());
    pair.a.async_wait(stream_protocol::socket::wait_write, [](ErrorCode) {});
    run(context);
  }
  pair.a.close();
  EXPECT_TRUE(got.get() == text + text);
}

TEST(AsioSyncWriteTest, ANonBlockingSocketKeepsTheRest) {
  net::io_context context;
  UnixPair pair(context, /*small=*/true);
  pair.a.non_blocking(true);
  const std::string text = pattern(300000);
  Chain chain = chain_of(text, kMixed);
  ErrorCode error;
  const size_t sent = bight::write(pair.a, chain, error);
  EXPECT_EQ(error, net::error::would_block);
  EXPECT_EQ(pair.b.available(), sent);
  EXPECT_TRUE(chain == std::string_view(text).substr(sent));
}

TEST(AsioSyncWriteTest, OtherStreamsKeepTheRest) {
  net::io_context context;
  MemoryStream stream(context);
  stream.write_at_most = 7;
  stream.fails_after = 100;
  Chain chain = chain_of(pattern(150), {9});
  ErrorCode error;
  EXPECT_EQ(bight::write(stream, chain, error), 100u);
  EXPECT_EQ(error, net::error::connection_reset);
  EXPECT_EQ(chain.size(), 50u);
}

}  // namespace
}  // namespace asio_test
