// Uring by the ring and by the fd adapters: every test runs twice, and both must do the same. The
// second time a filter of system calls refuses io_uring_setup. Where the kernel itself refuses it,
// the first time runs by the fd adapters as well; the first test prints what it is.
#include "bight/io/uring.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <gtest/gtest.h>
#include <linux/filter.h>
#include <linux/io_uring.h>
#include <linux/seccomp.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <chrono>
#include <cstddef>
#include <cstdio>
#include <cstring>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "bight/bytes.h"
#include "bight/chain.h"
#include "bight/chain_builder.h"
#include "bight/copy_audit.h"
#include "bight/io/direct_io.h"
#include "bight/io/fd_sink.h"
#include "bight/io/fd_source.h"
#include "bight/io/file.h"
#include "bight/io/read.h"
#include "bight/io/write.h"
#include "tests/io_support.h"

namespace bight {
namespace {

// From now on system call `number` fails for the calling thread.
void refuse(unsigned number, unsigned error_number) {
  sock_filter code[] = {
      {BPF_LD | BPF_W | BPF_ABS, 0, 0, offsetof(seccomp_data, nr)},
      {BPF_JMP | BPF_JEQ | BPF_K, 0, 1, number},
      {BPF_RET | BPF_K, 0, 0, SECCOMP_RET_ERRNO | error_number},
      {BPF_RET | BPF_K, 0, 0, SECCOMP_RET_ALLOW},
  };
  const sock_fprog program{4, code};
  ASSERT_EQ(::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0), 0);
  ASSERT_EQ(::prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program), 0);
}

// What the kernel says to a program that asks for io_uring itself: 0, or the errno.
int kernel_answer() {
  io_uring_params params{};
  const long fd = ::syscall(SYS_io_uring_setup, 4, &params);
  if (fd < 0) return errno;
  ::close(static_cast<int>(fd));
  return 0;
}

struct Way {
  const char* name;
  unsigned refused;  // errno of io_uring_setup; 0: as the kernel says
};

class UringTest : public ::testing::TestWithParam<Way> {
 protected:
  void SetUp() override { before_ = open_descriptors(); }
  void TearDown() override { EXPECT_EQ(open_descriptors(), before_); }

  // Filters cannot be taken back, so a test runs on a thread of its own.
  static void run(const std::function<void()>& body) {
    std::thread([&] {
      if (GetParam().refused != 0) refuse(SYS_io_uring_setup, GetParam().refused);
      body();
    }).join();
  }

 private:
  size_t before_ = 0;
};

// Runs until `done`; false if that takes a minute, which is far more than any test needs.
bool run_until(Uring& uring, const std::function<bool()>& done) {
  const auto end = std::chrono::steady_clock::now() + std::chrono::minutes(1);
  while (!done()) {
    if (std::chrono::steady_clock::now() > end) return false;
    const IoResult result = uring.run_once(std::chrono::milliseconds(100));
    if (result.is_error()) {
      ADD_FAILURE() << result.message();
      return false;
    }
    if (result.kind == IoKind::eof && !done()) {
      std::this_thread::sleep_for(std::chrono::milliseconds(1));
    }
  }
  return true;
}
bool run_all(Uring& uring) {
  return run_until(uring, [&] { return uring.pending() == 0; });
}

// What an operation came to.
struct Outcome {
  int calls = 0;
  IoResult result;
  Chain bytes;
  bool over() const { return calls != 0; }
};
auto record(Outcome& outcome) {
  return [&outcome](const IoResult& result, Chain bytes) {
    ++outcome.calls;
    outcome.result = result;
    outcome.bytes = std::move(bytes);
  };
}

// What a receive came to.
struct Received {
  Chain bytes;
  IoResult last;
  bool over = false;
};
auto collect(Received& received) {
  return [&received](const IoResult& result, Chain bytes) {
    EXPECT_FALSE(received.over);
    if (result.kind == IoKind::data) {
      EXPECT_EQ(result.bytes, bytes.size());
      EXPECT_FALSE(bytes.empty());
      received.bytes.push_back(std::move(bytes));
    } else {
      EXPECT_TRUE(bytes.empty());
      EXPECT_EQ(result.bytes, 0u);
      received.last = result;
      received.over = true;
    }
  };
}

void set_buffer(const File& socket, int option, int bytes) {
  ASSERT_EQ(::setsockopt(socket.fd(), SOL_SOCKET, option, &bytes, sizeof(bytes)), 0);
}

// Two ends of a TCP connection over loopback, at a port of the kernel's choice.
Ends make_tcp(int receive_buffer = 0) {
  const File listener(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  if (receive_buffer != 0) set_buffer(listener, SO_RCVBUF, receive_buffer);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof(address);
  auto* const generic = reinterpret_cast<sockaddr*>(&address);
  if (::bind(listener.fd(), generic, size) != 0 || ::listen(listener.fd(), 1) != 0 ||
      ::getsockname(listener.fd(), generic, &size) != 0) {
    std::abort();
  }
  File a(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  if (::connect(a.fd(), generic, size) != 0) std::abort();
  File b(::accept4(listener.fd(), nullptr, nullptr, SOCK_CLOEXEC));
  if (!b.is_open()) std::abort();
  return {std::move(a), std::move(b)};
}

std::string read_rest(const File& socket) {
  ChainBuilder into;
  EXPECT_FALSE(read_all(FdSource(socket.fd()), into, size_t{64} << 20).is_error());
  return into.take().to_string();
}

// ---- Which way ---------------------------------------------------------------------------------

TEST_P(UringTest, UsesTheRingExactlyWhereTheKernelAllowsIt) {
  run([] {
    const int answer = kernel_answer();
    const Uring uring;
    std::printf("io_uring_setup: %s; operations go by %s\n",
                answer == 0 ? "allowed" : std::strerror(answer),
                uring.uses_ring() ? "the ring" : "the fd adapters");
    EXPECT_EQ(uring.uses_ring(), answer == 0);
    if (answer == 0) {
      EXPECT_EQ(uring.refusal(), IoResult());
    } else {
      EXPECT_EQ(uring.refusal(), IoResult::failed(answer, "io_uring_setup"));
    }
  });
}

TEST_P(UringTest, IsWithoutTheRingIfAsked) {
  run([] {
    UringOptions options;
    options.use_ring = false;
    const Uring uring(options);
    EXPECT_FALSE(uring.uses_ring());
    EXPECT_FALSE(uring.can_send_zero_copy());
    EXPECT_EQ(uring.refusal(), IoResult());
  });
}

// Sends `text` through an echo by one Uring and compares what comes back.
void echo(const UringOptions& options, const Ends& ends, const std::string& text) {
  Uring uring(options);
  Received received;
  size_t echoed = 0;
  bool served = false;
  uring.receive(ends.b.fd(), [&](const IoResult& result, Chain bytes) {
    if (result.kind != IoKind::data) {
      EXPECT_EQ(result.kind, IoKind::eof) << result.message();
      served = true;
      return;
    }
    const size_t size = bytes.size();
    uring.send(ends.b.fd(), std::move(bytes), [&, size](const IoResult& sent, Chain rest) {
      EXPECT_EQ(sent, (IoResult{size}));
      EXPECT_TRUE(rest.empty());
      echoed += size;
    });
  });
  uring.receive(ends.a.fd(), collect(received));
  Outcome sent;
  uring.send(ends.a.fd(), chain_of(text, {1, 100, 4096, 50000}), record(sent));
  EXPECT_TRUE(run_until(uring, [&] { return received.bytes.size() >= text.size(); }));
  EXPECT_EQ(sent.calls, 1);
  EXPECT_EQ(sent.result, (IoResult{text.size()}));
  EXPECT_TRUE(sent.bytes.empty());
  EXPECT_EQ(::shutdown(ends.a.fd(), SHUT_WR), 0);
  EXPECT_TRUE(run_until(uring, [&] { return served; }));
  EXPECT_EQ(::shutdown(ends.b.fd(), SHUT_WR), 0);
  EXPECT_TRUE(run_all(uring));
  EXPECT_EQ(received.last.kind, IoKind::eof);
  EXPECT_EQ(echoed, text.size());
  EXPECT_TRUE(received.bytes == text);
  received.bytes.clear();
  EXPECT_EQ(uring.receive_blocks_out(), 0u);
  EXPECT_EQ(uring.run_once().kind, IoKind::eof);
}

TEST_P(UringTest, EchoBringsEveryByteBackInOrder) {
  run([] {
    const std::string text = pattern(3000000);
    echo(UringOptions(), make_sockets(), text);
    echo(UringOptions(), make_tcp(), text);
    Ends nonblocking = make_sockets();
    set_nonblocking(nonblocking.a);
    set_nonblocking(nonblocking.b);
    echo(UringOptions(), nonblocking, text);
  });
}

TEST_P(UringTest, EchoBringsEveryByteBackThroughTinyBuffersAndRings) {
  run([] {
    const std::string text = pattern(200000);
    for (const unsigned blocks : {1u, 2u, 5u, 16u}) {
      for (const size_t size : {size_t{1}, size_t{100}, size_t{4096}}) {
        UringOptions options;
        options.entries = blocks;
        options.receive_blocks = blocks;
        options.receive_block_size = size;
        Ends ends = make_sockets();
        set_buffer(ends.a, SO_SNDBUF, 1);
        set_buffer(ends.b, SO_SNDBUF, 1);
        echo(options, ends, size == 1 ? text.substr(0, 2000) : text);
      }
    }
  });
}

TEST_P(UringTest, WorksWhereTheRingMayBeMadeAndNotUsed) {
  run([] {
    for (const unsigned error_number : {unsigned{EPERM}, unsigned{ENOSYS}, unsigned{ENOMEM}}) {
      std::thread([&] {
        refuse(SYS_io_uring_enter, error_number);
        EXPECT_FALSE(Uring().uses_ring());
        echo(UringOptions(), make_sockets(), pattern(300000));
      }).join();
    }
  });
}

TEST_P(UringTest, ReceivesWithoutBlocksInTheRingWhereTheyAreRefused) {
  run([] {
    for (const unsigned error_number : {unsigned{EPERM}, unsigned{EINVAL}, unsigned{ENOMEM}}) {
      std::thread([&] {
        refuse(SYS_io_uring_register, error_number);
        EXPECT_EQ(Uring().uses_ring(), kernel_answer() == 0);
        echo(UringOptions(), make_sockets(), pattern(300000));
      }).join();
    }
  });
}

// ---- Receive -----------------------------------------------------------------------------------

TEST_P(UringTest, ReceivedBytesAreNotCopied) {
  run([] {
    const std::string text = pattern(100000);
    Ends ends = make_sockets();
    Uring uring;
    Received received;
    uring.receive(ends.b.fd(), collect(received));
    std::thread sender([&] {
      Chain chain = chain_of(text, {text.size()});
      EXPECT_EQ(write_all(FdSink(ends.a.fd()), chain), (IoResult{text.size()}));
      ends.a.close();
    });
    const CopyAudit audit;
    EXPECT_TRUE(run_all(uring));
    EXPECT_EQ(audit.thread().copied, 0u);
    sender.join();
    EXPECT_EQ(received.last.kind, IoKind::eof);
    EXPECT_TRUE(received.bytes == text);
    if (uring.uses_ring()) {
      EXPECT_GE(uring.receive_blocks_out(), (text.size() + 16383) / 16384);
    }
    received.bytes.clear();
    EXPECT_EQ(uring.receive_blocks_out(), 0u);
  });
}

TEST_P(UringTest, AnEndQueuedBehindManyBlocksIsReported) {
  run([] {
    constexpr size_t kSize = 1000;
    for (const bool tcp : {false, true}) {
      for (const bool armed : {false, true}) {
        // The kernel reads one socket 32 times before it turns to others. 64 blocks in the ring: 70
        // run out of them, and the receive goes on when some came back.
        for (const size_t blocks :
             {1u, 31u, 32u, 33u, 34u, 35u, 36u, 64u, 65u, 66u, 67u, 68u, 70u, 130u}) {
          SCOPED_TRACE(blocks);
          const std::string text = pattern(blocks * kSize);
          Ends ends = tcp ? make_tcp() : make_sockets();
          set_buffer(ends.a, SO_SNDBUF, 1 << 20);
          UringOptions options;
          options.receive_blocks = 64;
          options.receive_block_size = kSize;
          Uring uring(options);
          Received received;
          if (armed) {
            uring.receive(ends.b.fd(), collect(received));
            EXPECT_EQ(uring.run_once(std::chrono::milliseconds(0)).kind, IoKind::would_block);
          }
          Chain chain = chain_of(text, {text.size()});
          ASSERT_EQ(write_all(FdSink(ends.a.fd()), chain), (IoResult{text.size()}));
          ASSERT_EQ(::shutdown(ends.a.fd(), SHUT_WR), 0);
          if (!armed) uring.receive(ends.b.fd(), collect(received));
          ASSERT_TRUE(run_all(uring));
          EXPECT_EQ(received.last.kind, IoKind::eof);
          EXPECT_TRUE(received.bytes == text);
        }
      }
    }
  });
}

TEST_P(UringTest, AnEndIsReportedHoweverManyReceivesCameBeforeIt) {
  run([] {
    for (const size_t single : {1u, 20u, 31u, 32u, 33u, 40u, 64u, 100u}) {
      SCOPED_TRACE(single);
      const std::string text = pattern((single + 40) * 100);
      Ends ends = make_sockets();
      UringOptions options;
      options.receive_block_size = 100;
      Uring uring(options);
      Received received;
      uring.receive(ends.b.fd(), collect(received));
      // Each in an event of its own; then 40 blocks and the end at once.
      for (size_t i = 0; i < single; ++i) {
        ASSERT_EQ(::send(ends.a.fd(), text.data() + i * 100, 100, 0), 100);
        ASSERT_TRUE(run_until(uring, [&] { return received.bytes.size() == (i + 1) * 100; }));
      }
      ASSERT_EQ(::send(ends.a.fd(), text.data() + single * 100, 4000, 0), 4000);
      ASSERT_EQ(::shutdown(ends.a.fd(), SHUT_WR), 0);
      ASSERT_TRUE(run_all(uring));
      EXPECT_EQ(received.last.kind, IoKind::eof);
      EXPECT_TRUE(received.bytes == text);
    }
  });
}

TEST_P(UringTest, CopiesOutWhenKeptSlicesWouldStarveTheRing) {
  run([] {
    UringOptions options;
    options.receive_blocks = 8;
    options.receive_block_size = 1000;
    options.receive_reserve = 3;
    const std::string text = pattern(40000);
    Ends ends = make_sockets();
    Uring uring(options);
    Received received;
    uring.receive(ends.b.fd(), collect(received));
    for (int round = 0; round < 3; ++round) {
      Chain chain = chain_of(text, {text.size()});
      const CopyAudit audit;
      EXPECT_EQ(write_all(FdSink(ends.a.fd()), chain), (IoResult{text.size()}));
      EXPECT_TRUE(run_until(uring, [&] { return received.bytes.size() >= text.size(); }));
      EXPECT_TRUE(received.bytes == text);
      if (uring.uses_ring()) {
        EXPECT_EQ(uring.receive_blocks_out(), 5u);
        // All but what lies in the ring's blocks, which a block that is pinned may only fill in
        // part.
        EXPECT_GE(audit.thread().copied, text.size() - 5000);
        EXPECT_LT(audit.thread().copied, text.size());
      }
      received.bytes.clear();
      EXPECT_EQ(uring.receive_blocks_out(), 0u);
    }
    ends.a.close();
    EXPECT_TRUE(run_all(uring));
    EXPECT_EQ(received.last.kind, IoKind::eof);
  });
}

TEST_P(UringTest, SlicesPinTheirWholeBlockAndSayIt) {
  run([] {
    Ends ends = make_sockets();
    Uring uring;
    Received received;
    uring.receive(ends.b.fd(), collect(received));
    Chain text(Bytes::copy_of("seven.."));
    EXPECT_EQ(write_all(FdSink(ends.a.fd()), text), (IoResult{7}));
    EXPECT_TRUE(run_until(uring, [&] { return !received.bytes.empty(); }));
    if (uring.uses_ring()) {
      EXPECT_GE(received.bytes.retained_size(), size_t{16} << 10);
    }
    EXPECT_LT(received.bytes.compact().retained_size(), 200u);
  });
}

TEST_P(UringTest, SlicesOutliveTheUring) {
  run([] {
    const std::string text = pattern(50000);
    Chain kept;
    {
      Ends ends = make_sockets();
      Uring uring;
      Received received;
      uring.receive(ends.b.fd(), collect(received));
      Chain chain = chain_of(text, {text.size()});
      EXPECT_EQ(write_all(FdSink(ends.a.fd()), chain), (IoResult{text.size()}));
      EXPECT_TRUE(run_until(uring, [&] { return received.bytes.size() == text.size(); }));
      kept = std::move(received.bytes);
    }
    EXPECT_TRUE(kept == text);
    Chain part = kept.slice(20000, 3);
    kept.clear();
    EXPECT_TRUE(part == text.substr(20000, 3));
    std::thread([&] { part.clear(); }).join();
  });
}

TEST_P(UringTest, SlicesMayDieOnOtherThreadsWhileTheRingGoesOn) {
  run([] {
    UringOptions options;
    options.receive_blocks = 16;
    options.receive_block_size = 512;
    const std::string text = pattern(400000);
    Ends ends = make_sockets();
    std::mutex mutex;
    std::vector<std::pair<size_t, Chain>> handed;
    bool over = false;
    std::vector<std::thread> threads;
    std::atomic<size_t> checked{0};
    for (int i = 0; i < 3; ++i) {
      threads.emplace_back([&] {
        for (;;) {
          std::pair<size_t, Chain> piece;
          {
            const std::lock_guard lock(mutex);
            if (handed.empty() && over) return;
            if (!handed.empty()) {
              piece = std::move(handed.back());
              handed.pop_back();
            }
          }
          if (piece.second.empty()) {
            std::this_thread::yield();
            continue;
          }
          EXPECT_TRUE(piece.second == text.substr(piece.first, piece.second.size()));
          checked += piece.second.size();
        }
      });
    }
    std::thread sender([&] {
      Chain chain = chain_of(text, {text.size()});
      EXPECT_EQ(write_all(FdSink(ends.a.fd()), chain), (IoResult{text.size()}));
      ends.a.close();
    });
    {
      Uring uring(options);
      size_t position = 0;
      uring.receive(ends.b.fd(), [&](const IoResult& result, Chain bytes) {
        if (result.kind != IoKind::data) return;
        const std::lock_guard lock(mutex);
        // Two handles of one block, so that the last one may be on any thread.
        handed.emplace_back(position, bytes);
        position += bytes.size();
        handed.emplace_back(position - bytes.size(), std::move(bytes));
      });
      EXPECT_TRUE(run_all(uring));
      EXPECT_EQ(position, text.size());
      // The Uring dies while the threads are still at it.
    }
    {
      const std::lock_guard lock(mutex);
      over = true;
    }
    for (std::thread& thread : threads) thread.join();
    sender.join();
    EXPECT_EQ(checked.load(), 2 * text.size());
  });
}

TEST_P(UringTest, OneReceiveADescriptor) {
  run([] {
    Ends ends = make_sockets();
    Uring uring;
    Received first;
    Received second;
    uring.receive(ends.b.fd(), collect(first));
    uring.receive(ends.b.fd(), collect(second));
    EXPECT_TRUE(run_until(uring, [&] { return second.over; }));
    EXPECT_EQ(second.last.error_number, EALREADY);
    EXPECT_FALSE(first.over);
    ends.a.close();
    EXPECT_TRUE(run_all(uring));
    EXPECT_EQ(first.last.kind, IoKind::eof);
    Received third;
    uring.receive(ends.b.fd(), collect(third));
    EXPECT_TRUE(run_all(uring));
    EXPECT_EQ(third.last.kind, IoKind::eof);
  });
}

TEST_P(UringTest, CancellingAReceiveLosesNoByte) {
  run([] {
    const std::string text = pattern(60000);
    for (const int rounds : {0, 1, 2, 5}) {
      Ends ends = make_sockets();
      Uring uring;
      Received received;
      const UringId id = uring.receive(ends.b.fd(), collect(received));
      Chain chain = chain_of(text, {text.size()});
      EXPECT_EQ(write_all(FdSink(ends.a.fd()), chain), (IoResult{text.size()}));
      ends.a.close();
      for (int i = 0; i < rounds; ++i) uring.run_once();
      const bool was_over = received.over;
      EXPECT_EQ(uring.cancel(id), !was_over);
      EXPECT_TRUE(run_all(uring));
      if (!was_over && received.last.kind != IoKind::eof) {
        EXPECT_EQ(received.last.error_number, ECANCELED);
      }
      EXPECT_FALSE(uring.cancel(id));
      EXPECT_TRUE(received.bytes.to_string() + read_rest(ends.b) == text);
    }
  });
}

TEST_P(UringTest, AResetIsAnErrorAfterWhatCame) {
  run([] {
    Ends ends = make_tcp();
    Uring uring;
    Received received;
    uring.receive(ends.b.fd(), collect(received));
    Chain text(Bytes::copy_of("last words"));
    EXPECT_EQ(write_all(FdSink(ends.a.fd()), text), (IoResult{10}));
    EXPECT_TRUE(run_until(uring, [&] { return received.bytes.size() == 10; }));
    const linger at_once{1, 0};
    ASSERT_EQ(::setsockopt(ends.a.fd(), SOL_SOCKET, SO_LINGER, &at_once, sizeof(at_once)), 0);
    ends.a.close();
    EXPECT_TRUE(run_all(uring));
    EXPECT_EQ(received.last.error_number, ECONNRESET);
    EXPECT_TRUE(received.bytes == std::string("last words"));
    Outcome sent;
    uring.send(ends.b.fd(), Chain(Bytes::copy_of("too late")), record(sent));
    EXPECT_TRUE(run_all(uring));
    EXPECT_EQ(sent.result, IoResult::failed(EPIPE, ""));
    EXPECT_TRUE(sent.bytes == std::string("too late"));
  });
}

TEST_P(UringTest, DescriptorsThatAreNoSocketsGetAnError) {
  run([] {
    const File file = make_temporary_file();
    Uring uring;
    for (const int fd : {-1, file.fd(), 1000000}) {
      Received received;
      Outcome sent;
      uring.receive(fd, collect(received));
      uring.send(fd, Chain(Bytes::copy_of("text")), record(sent));
      EXPECT_TRUE(run_all(uring));
      const int expected = fd == file.fd() ? ENOTSOCK : EBADF;
      EXPECT_EQ(received.last.error_number, expected);
      EXPECT_EQ(sent.result, IoResult::failed(expected, ""));
      EXPECT_TRUE(sent.bytes == std::string("text"));
    }
  });
}

// ---- Send --------------------------------------------------------------------------------------

TEST_P(UringTest, SendsOfOneDescriptorKeepTheirOrder) {
  run([] {
    const std::string text = pattern(300 * 1000);
    Ends ends = make_sockets();
    set_buffer(ends.a, SO_SNDBUF, 1);
    std::string got;
    std::thread reader([&] { got = read_rest(ends.b); });
    UringOptions options;
    options.entries = 8;
    Uring uring(options);
    std::vector<size_t> order;
    for (size_t i = 0; i < 300; ++i) {
      uring.send(ends.a.fd(), chain_of(text.substr(i * 1000, 1000), {1, 10, 300}),
                 [&order, i](const IoResult& result, Chain rest) {
                   EXPECT_EQ(result, (IoResult{1000}));
                   EXPECT_TRUE(rest.empty());
                   order.push_back(i);
                 });
    }
    EXPECT_EQ(uring.pending(), 300u);
    EXPECT_FALSE(uring.submit().is_error());
    EXPECT_TRUE(order.empty());
    EXPECT_TRUE(run_all(uring));
    EXPECT_TRUE(std::is_sorted(order.begin(), order.end()));
    EXPECT_EQ(order.size(), 300u);
    ends.a.close();
    reader.join();
    EXPECT_TRUE(got == text);
  });
}

TEST_P(UringTest, SendsOfMoreSegmentsThanOneCallTakes) {
  run([] {
    const std::string text = pattern(50000);
    Ends ends = make_sockets();
    std::string got;
    std::thread reader([&] { got = read_rest(ends.b); });
    Uring uring;
    Outcome sent;
    Chain chain = chain_of(text, {7});
    ASSERT_GT(chain.segment_count(), 7000u);
    const CopyAudit audit;
    uring.send(ends.a.fd(), std::move(chain), record(sent));
    EXPECT_TRUE(run_all(uring));
    EXPECT_EQ(audit.thread().copied, 0u);
    EXPECT_EQ(sent.result, (IoResult{50000}));
    ends.a.close();
    reader.join();
    EXPECT_TRUE(got == text);
  });
}

TEST_P(UringTest, ACancelledSendGivesTheRestBackAndWhatWaitsBehindItDoesNotGo) {
  run([] {
    const std::string text = pattern(4000000);
    Ends ends = make_sockets();
    Uring uring;
    Outcome first;
    Outcome second;
    Outcome third;
    const UringId id = uring.send(ends.a.fd(), chain_of(text, {100000}), record(first));
    uring.send(ends.a.fd(), Chain(Bytes::copy_of("behind")), record(second));
    const UringId cancelled =
        uring.send(ends.a.fd(), Chain(Bytes::copy_of("at the end")), record(third));
    // The peer does not read: the socket takes a part.
    for (int i = 0; i < 3; ++i) uring.run_once(std::chrono::milliseconds(1));
    EXPECT_FALSE(first.over());
    EXPECT_TRUE(uring.cancel(cancelled));
    EXPECT_TRUE(run_until(uring, [&] { return third.over(); }));
    EXPECT_EQ(third.result, IoResult::failed(ECANCELED, ""));
    EXPECT_TRUE(third.bytes == std::string("at the end"));
    EXPECT_FALSE(second.over());
    EXPECT_TRUE(uring.cancel(id));
    EXPECT_TRUE(run_all(uring));
    EXPECT_EQ(first.calls + second.calls + third.calls, 3);
    EXPECT_EQ(first.result.error_number, ECANCELED);
    EXPECT_GT(first.result.bytes, 0u);
    EXPECT_EQ(first.result.bytes + first.bytes.size(), text.size());
    EXPECT_EQ(second.result, IoResult::failed(ECANCELED, ""));
    EXPECT_TRUE(second.bytes == std::string("behind"));
    // A new send goes on where the caller wants it: here behind the rest.
    Outcome rest;
    std::string got;
    std::thread reader([&] { got = read_rest(ends.b); });
    uring.send(ends.a.fd(), std::move(first.bytes), record(rest));
    EXPECT_TRUE(run_all(uring));
    EXPECT_EQ(rest.result, (IoResult{text.size() - first.result.bytes}));
    ends.a.close();
    reader.join();
    EXPECT_TRUE(got == text);
  });
}

TEST_P(UringTest, ASendThatIsCancelledWhileItWaitsWithOthersLeavesThoseBeforeIt) {
  run([] {
    Ends ends = make_sockets();
    // A full socket, so that all three wait in the kernel.
    std::string filler(1000, '.');
    size_t filled = 0;
    for (;;) {
      const ssize_t n = ::send(ends.a.fd(), filler.data(), filler.size(), MSG_DONTWAIT);
      if (n < 0) break;
      filled += static_cast<size_t>(n);
    }
    Uring uring;
    Outcome first;
    Outcome second;
    Outcome third;
    uring.send(ends.a.fd(), Chain(Bytes::copy_of("first")), record(first));
    const UringId id = uring.send(ends.a.fd(), Chain(Bytes::copy_of("second")), record(second));
    uring.send(ends.a.fd(), Chain(Bytes::copy_of("third")), record(third));
    for (int i = 0; i < 3; ++i) uring.run_once(std::chrono::milliseconds(1));
    EXPECT_EQ(uring.pending(), 3u);
    EXPECT_TRUE(uring.cancel(id));
    EXPECT_TRUE(run_until(uring, [&] { return third.over(); }));
    EXPECT_EQ(second.result, IoResult::failed(ECANCELED, ""));
    EXPECT_TRUE(second.bytes == std::string("second"));
    EXPECT_EQ(third.result, IoResult::failed(ECANCELED, ""));
    EXPECT_TRUE(third.bytes == std::string("third"));
    EXPECT_FALSE(first.over());
    std::string got;
    std::thread reader([&] { got = read_rest(ends.b); });
    EXPECT_TRUE(run_all(uring));
    EXPECT_EQ(first.result, (IoResult{5}));
    ends.a.close();
    reader.join();
    EXPECT_TRUE(got == std::string(filled, '.') + "first");
  });
}

TEST_P(UringTest, APeerThatGoesInTheMiddleOfASendLeavesTheRest) {
  run([] {
    const std::string text = pattern(4000000);
    Ends ends = make_sockets();
    Uring uring;
    Outcome sent;
    uring.send(ends.a.fd(), chain_of(text, {100000}), record(sent));
    for (int i = 0; i < 3; ++i) uring.run_once(std::chrono::milliseconds(1));
    EXPECT_FALSE(sent.over());
    ends.b.close();
    EXPECT_TRUE(run_all(uring));
    EXPECT_TRUE(sent.result.error_number == EPIPE || sent.result.error_number == ECONNRESET)
        << sent.result.message();
    EXPECT_EQ(sent.result.bytes + sent.bytes.size(), text.size());
    EXPECT_TRUE(sent.bytes == text.substr(sent.result.bytes));
  });
}

TEST_P(UringTest, BytesStayAliveUntilTheyAreSent) {
  run([] {
    const std::string text = pattern(1000000);
    Ends ends = make_sockets();
    Uring uring;
    std::atomic<int> released{0};
    Outcome sent;
    {
      const auto owner = std::make_shared<std::string>(text);
      uring.send(ends.a.fd(),
                 Chain(Bytes::with_release(
                     {reinterpret_cast<const std::byte*>(owner->data()), owner->size()},
                     [owner, &released] { ++released; })),
                 record(sent));
    }
    for (int i = 0; i < 3; ++i) uring.run_once(std::chrono::milliseconds(1));
    EXPECT_FALSE(sent.over());
    EXPECT_EQ(released.load(), 0);
    std::string got;
    std::thread reader([&] { got = read_rest(ends.b); });
    EXPECT_TRUE(run_all(uring));
    EXPECT_EQ(released.load(), 1);
    ends.a.close();
    reader.join();
    EXPECT_TRUE(got == text);
  });
}

TEST_P(UringTest, AnEmptySendEndsInItsTurn) {
  run([] {
    Ends ends = make_sockets();
    Uring uring;
    std::string order;
    uring.send(ends.a.fd(), Chain(Bytes::copy_of("a")),
               [&](const IoResult&, Chain) { order += 'a'; });
    uring.send(ends.a.fd(), Chain(), [&](const IoResult& result, Chain) {
      EXPECT_EQ(result, IoResult());
      order += 'b';
    });
    uring.send(ends.a.fd(), Chain(Bytes::copy_of("c")),
               [&](const IoResult&, Chain) { order += 'c'; });
    EXPECT_TRUE(run_all(uring));
    EXPECT_EQ(order, "abc");
    ends.a.close();
    EXPECT_EQ(read_rest(ends.b), "ac");
  });
}

// ---- Zero-copy send ----------------------------------------------------------------------------

TEST_P(UringTest, ZeroCopySendsHoldTheirBytesUntilTheKernelLetsGo) {
  run([] {
    const std::string text = pattern(2000000);
    for (const bool tcp : {true, false}) {
      Ends ends = tcp ? make_tcp() : make_sockets();
      std::string got;
      std::thread reader([&] { got = read_rest(ends.b); });
      Uring uring;
      std::atomic<int> released{0};
      Outcome sent;
      uring.send_zero_copy(
          ends.a.fd(),
          Chain(Bytes::with_release({reinterpret_cast<const std::byte*>(text.data()), text.size()},
                                    [&released] { ++released; })),
          record(sent));
      Outcome behind;
      uring.send(ends.a.fd(), Chain(Bytes::copy_of("behind")), record(behind));
      EXPECT_TRUE(run_all(uring));
      EXPECT_EQ(sent.calls, 1);
      EXPECT_EQ(sent.result, (IoResult{text.size()}));
      EXPECT_EQ(behind.result, (IoResult{6}));
      EXPECT_TRUE(run_until(uring, [&] { return released.load() == 1; }));
      ends.a.close();
      reader.join();
      EXPECT_TRUE(got == text + "behind");
    }
  });
}

TEST_P(UringTest, BytesOfAZeroCopySendOutliveTheUringAsLongAsTheKernelReadsThem) {
  run([] {
    // More than the peer's window, so that a part waits in the socket until the peer reads; and
    // little enough for anybody's limit of pinned memory.
    const std::string text = pattern(40000);
    Ends ends = make_tcp(4096);
    std::atomic<int> released{0};
    bool zero_copy = false;
    {
      Uring uring;
      zero_copy = uring.can_send_zero_copy();
      Outcome sent;
      uring.send_zero_copy(
          ends.a.fd(),
          Chain(Bytes::with_release({reinterpret_cast<const std::byte*>(text.data()), text.size()},
                                    [&released] { ++released; })),
          record(sent));
      EXPECT_TRUE(run_all(uring));
      EXPECT_EQ(sent.result, (IoResult{text.size()}));
    }
    EXPECT_EQ(released.load(), zero_copy ? 0 : 1);
    ends.a.close();
    EXPECT_TRUE(read_rest(ends.b) == text);
    const auto end = std::chrono::steady_clock::now() + std::chrono::minutes(1);
    while (released.load() == 0 && std::chrono::steady_clock::now() < end) {
      const Uring another;
      std::this_thread::sleep_for(std::chrono::milliseconds(1));
    }
    EXPECT_EQ(released.load(), 1);
  });
}

// ---- Files -------------------------------------------------------------------------------------

TEST_P(UringTest, ReadsAtDepthAreExactWithDirectInput) {
  run([] {
    const std::string text = pattern(300 * 4096 + 100);
    std::string name =
        std::string(std::getenv("TMPDIR") != nullptr ? std::getenv("TMPDIR") : "/tmp") +
        "/bight_uring_XXXXXX";
    {
      const File made(::mkstemp(name.data()));
      ASSERT_TRUE(made.is_open());
      ASSERT_EQ(made.write_at(0, text).bytes, text.size());
    }
    File file;
    bool direct = false;
    const IoResult opened =
        open_direct(name.c_str(), O_RDONLY, DirectFallback::buffered, file, direct);
    ::unlink(name.c_str());
    ASSERT_FALSE(opened.is_error()) << opened.message();
    UringOptions options;
    options.entries = 16;
    Uring uring(options);
    std::vector<Outcome> outcomes(302);
    const CopyAudit audit;
    for (size_t i = 0; i < outcomes.size(); ++i) {
      uring.read_at(file.fd(), i * 4096, 4096, record(outcomes[i]));
    }
    EXPECT_TRUE(run_all(uring));
    EXPECT_EQ(audit.thread().copied, 0u);
    for (size_t i = 0; i < outcomes.size(); ++i) {
      EXPECT_EQ(outcomes[i].calls, 1);
      const std::string expected = i <= 300 ? text.substr(i * 4096, 4096) : "";
      const IoKind kind = expected.size() == 4096 ? IoKind::data : IoKind::eof;
      EXPECT_EQ(outcomes[i].result, (IoResult{expected.size(), kind})) << i;
      EXPECT_TRUE(outcomes[i].bytes == expected) << i;
    }
    // One read of all of it, and more.
    Outcome all;
    uring.read_at(file.fd(), 4096, 400 * 4096, record(all));
    EXPECT_TRUE(run_all(uring));
    EXPECT_EQ(all.result, (IoResult{text.size() - 4096, IoKind::eof}));
    EXPECT_TRUE(all.bytes == text.substr(4096));
  });
}

TEST_P(UringTest, WritesAtDepthPutEveryByteWhereItBelongs) {
  run([] {
    const std::string text = pattern(200 * 5000);
    const File file = make_temporary_file();
    UringOptions options;
    options.entries = 8;
    Uring uring(options);
    std::vector<Outcome> outcomes(200);
    for (size_t i = 0; i < outcomes.size(); ++i) {
      uring.write_at(file.fd(), i * 5000, chain_of(text.substr(i * 5000, 5000), {1, 3, 999}),
                     record(outcomes[i]));
    }
    EXPECT_TRUE(run_all(uring));
    for (const Outcome& outcome : outcomes) {
      EXPECT_EQ(outcome.calls, 1);
      EXPECT_EQ(outcome.result, (IoResult{5000}));
      EXPECT_TRUE(outcome.bytes.empty());
    }
    // More segments than one call takes.
    Outcome many;
    uring.write_at(file.fd(), text.size(), chain_of(text.substr(0, 5000), {2}), record(many));
    EXPECT_TRUE(run_all(uring));
    EXPECT_EQ(many.result, (IoResult{5000}));
    ChainBuilder into;
    EXPECT_EQ(file.read_at(0, text.size() + 6000, into),
              (IoResult{text.size() + 5000, IoKind::eof}));
    EXPECT_TRUE(into.take() == text + text.substr(0, 5000));
  });
}

TEST_P(UringTest, DirectWritesGoFromAlignedBlocks) {
  run([] {
    std::string name =
        std::string(std::getenv("TMPDIR") != nullptr ? std::getenv("TMPDIR") : "/tmp") +
        "/bight_uring_XXXXXX";
    { const File made(::mkstemp(name.data())); }
    File file;
    bool direct = false;
    const IoResult opened =
        open_direct(name.c_str(), O_RDWR, DirectFallback::buffered, file, direct);
    ::unlink(name.c_str());
    ASSERT_FALSE(opened.is_error()) << opened.message();
    const std::string text = pattern(64 * 4096);
    Uring uring;
    std::vector<Outcome> outcomes(64);
    for (size_t i = 0; i < outcomes.size(); ++i) {
      ChainBuilder builder(direct_blocks(4096));
      builder.append(text.substr(i * 4096, 4096));
      uring.write_at(file.fd(), i * 4096, builder.take(), record(outcomes[i]));
    }
    EXPECT_TRUE(run_all(uring));
    for (const Outcome& outcome : outcomes) EXPECT_EQ(outcome.result, (IoResult{4096}));
    Outcome read;
    uring.read_at(file.fd(), 0, text.size(), record(read));
    EXPECT_TRUE(run_all(uring));
    EXPECT_TRUE(read.bytes == text);
    // What is not aligned is refused, and nothing is lost.
    Outcome odd;
    uring.write_at(file.fd(), 100, Chain(Bytes::copy_of("odd")), record(odd));
    EXPECT_TRUE(run_all(uring));
    if (direct) {
      EXPECT_EQ(odd.result, IoResult::failed(EINVAL, ""));
      EXPECT_TRUE(odd.bytes == std::string("odd"));
    }
  });
}

TEST_P(UringTest, FileErrorsAreReportedWithWhatWasDone) {
  run([] {
    Uring uring;
    Outcome outcome;
    // A device that is always full.
    File full;
    ASSERT_FALSE(full.open("/dev/full", O_RDWR).is_error());
    uring.write_at(full.fd(), 0, Chain(Bytes::copy_of("text")), record(outcome));
    EXPECT_TRUE(run_all(uring));
    EXPECT_EQ(outcome.result, IoResult::failed(ENOSPC, ""));
    EXPECT_TRUE(outcome.bytes == std::string("text"));
    // Descriptors that are closed, or not open for this.
    uring.read_at(-1, 0, 10, record(outcome));
    EXPECT_TRUE(run_all(uring));
    EXPECT_EQ(outcome.result, IoResult::failed(EBADF, ""));
    File read_only;
    ASSERT_FALSE(read_only.open("/dev/null", O_RDONLY).is_error());
    uring.write_at(read_only.fd(), 0, Chain(Bytes::copy_of("text")), record(outcome));
    EXPECT_TRUE(run_all(uring));
    EXPECT_EQ(outcome.result, IoResult::failed(EBADF, ""));
    EXPECT_TRUE(outcome.bytes == std::string("text"));
    // Offsets beyond what a file can have.
    for (const uint64_t offset : {~uint64_t{0}, uint64_t{1} << 63, (uint64_t{1} << 63) - 5}) {
      uring.read_at(full.fd(), offset, 10, record(outcome));
      EXPECT_TRUE(run_all(uring));
      EXPECT_EQ(outcome.result, IoResult::failed(EOVERFLOW, ""));
    }
    // Nothing.
    uring.read_at(full.fd(), 0, 0, record(outcome));
    EXPECT_TRUE(run_all(uring));
    EXPECT_EQ(outcome.result, IoResult());
    uring.write_at(full.fd(), 0, Chain(), record(outcome));
    EXPECT_TRUE(run_all(uring));
    EXPECT_EQ(outcome.result, IoResult());
    EXPECT_EQ(outcome.calls, 8);
  });
}

TEST_P(UringTest, AFileThatMayNotGrowKeepsWhatWentInAndTheRestComesBack) {
  run([] {
    rlimit before{};
    ASSERT_EQ(::getrlimit(RLIMIT_FSIZE, &before), 0);
    const auto old_handler = ::signal(SIGXFSZ, SIG_IGN);
    const std::string text = pattern(20000);
    const File file = make_temporary_file();
    const rlimit limit{10000, before.rlim_max};
    ASSERT_EQ(::setrlimit(RLIMIT_FSIZE, &limit), 0);
    Outcome outcome;
    {
      Uring uring;
      uring.write_at(file.fd(), 0, chain_of(text, {3000}), record(outcome));
      EXPECT_TRUE(run_all(uring));
    }
    ASSERT_EQ(::setrlimit(RLIMIT_FSIZE, &before), 0);
    ::signal(SIGXFSZ, old_handler);
    EXPECT_EQ(outcome.result, (IoResult{10000, IoKind::error, EFBIG}));
    EXPECT_TRUE(outcome.bytes == text.substr(10000));
    ChainBuilder into;
    EXPECT_EQ(file.read_at(0, 20000, into).bytes, 10000u);
    EXPECT_TRUE(into.take() == text.substr(0, 10000));
  });
}

// ---- Waiting, cancelling, the end --------------------------------------------------------------

TEST_P(UringTest, WaitsNoLongerThanItIsTold) {
  run([] {
    Ends ends = make_sockets();
    Uring uring;
    EXPECT_EQ(uring.run_once().kind, IoKind::eof);
    Received received;
    uring.receive(ends.b.fd(), collect(received));
    EXPECT_EQ(uring.run_once(std::chrono::milliseconds(0)).kind, IoKind::would_block);
    const auto begin = std::chrono::steady_clock::now();
    EXPECT_EQ(uring.run_once(std::chrono::milliseconds(20)).kind, IoKind::would_block);
    EXPECT_GE(std::chrono::steady_clock::now() - begin, std::chrono::milliseconds(20));
    EXPECT_EQ(uring.pending(), 1u);
    ends.a.close();
    EXPECT_EQ(uring.run_once().kind, IoKind::data);
    EXPECT_TRUE(received.over);
    EXPECT_EQ(uring.run_once().kind, IoKind::eof);
  });
}

TEST_P(UringTest, TheLongestTimeoutsWaitAsWell) {
  run([] {
    for (const std::chrono::milliseconds timeout :
         {std::chrono::milliseconds::max(),
          std::chrono::milliseconds::max() - std::chrono::hours(1),
          std::chrono::milliseconds(std::chrono::hours(24 * 365 * 290)),
          std::chrono::milliseconds(std::chrono::hours(24 * 365 * 99)),
          std::chrono::milliseconds::min()}) {
      Ends ends = make_sockets();
      Uring uring;
      Received received;
      uring.receive(ends.b.fd(), collect(received));
      std::thread sender([&] {
        std::this_thread::sleep_for(std::chrono::milliseconds(20));
        EXPECT_EQ(::send(ends.a.fd(), "hello", 5, 0), 5);
      });
      EXPECT_EQ(uring.run_once(timeout).kind, IoKind::data);
      sender.join();
      EXPECT_TRUE(received.bytes == "hello");
    }
  });
}

TEST_P(UringTest, EmptyCallbacksAreNotCalled) {
  run([] {
    EXPECT_FALSE(UringCallback());
    UringCallback full([](const IoResult&, Chain) {});
    EXPECT_TRUE(full);
    const UringCallback moved(std::move(full));
    EXPECT_TRUE(moved);
    EXPECT_FALSE(full);  // NOLINT: that is what is looked at

    const std::string text = pattern(100000);
    Ends ends = make_sockets();
    const File file = make_temporary_file();
    std::string got;
    std::thread reader([&] { got = read_rest(ends.b); });
    Uring uring;
    uring.send(ends.a.fd(), chain_of(text, {1000}), UringCallback());
    uring.send_zero_copy(ends.a.fd(), chain_of(text, {1000}), {});
    uring.write_at(file.fd(), 0, chain_of(text, {1000}), {});
    uring.read_at(file.fd(), 0, 100, {});
    EXPECT_EQ(uring.pending(), 4u);
    // Each run ends something, though nothing is called.
    while (uring.pending() != 0) ASSERT_EQ(uring.run_once().kind, IoKind::data);
    EXPECT_EQ(::shutdown(ends.a.fd(), SHUT_WR), 0);
    reader.join();
    EXPECT_TRUE(got == text + text);
    EXPECT_EQ(read_rest(file), text);

    const UringId idle = uring.receive(ends.a.fd(), {});
    EXPECT_EQ(::send(ends.b.fd(), "dropped", 7, 0), 7);
    EXPECT_EQ(uring.run_once().kind, IoKind::data);
    EXPECT_TRUE(uring.cancel(idle));
    EXPECT_TRUE(run_all(uring));
    EXPECT_EQ(uring.receive_blocks_out(), 0u);
  });
}

TEST_P(UringTest, BytesAreSentAndWrittenAsTheyAre) {
  run([] {
    const std::string text = pattern(5000);
    Ends ends = make_sockets();
    const File file = make_temporary_file();
    Uring uring;
    const Bytes bytes = Bytes::copy_of(text);
    Outcome sent;
    Outcome sent_too;
    Outcome wrote;
    const CopyAudit audit;
    uring.send(ends.a.fd(), bytes, record(sent));
    uring.send_zero_copy(ends.a.fd(), bytes.slice(1000), record(sent_too));
    uring.write_at(file.fd(), 0, bytes, record(wrote));
    EXPECT_TRUE(run_all(uring));
    EXPECT_EQ(audit.thread().copied, 0u);
    EXPECT_EQ(sent.result, (IoResult{5000}));
    EXPECT_EQ(sent_too.result, (IoResult{4000}));
    EXPECT_EQ(wrote.result, (IoResult{5000}));
    ends.a.close();
    EXPECT_TRUE(read_rest(ends.b) == text + text.substr(1000));
    EXPECT_TRUE(read_rest(file) == text);
    EXPECT_TRUE(bytes == text);
  });
}

std::atomic<int> signals{0};

TEST_P(UringTest, SignalsLoseNothing) {
  // The thread of the Uring is the only one that takes them.
  sigset_t alarm;
  sigset_t before;
  sigemptyset(&alarm);
  sigaddset(&alarm, SIGALRM);
  ASSERT_EQ(::pthread_sigmask(SIG_BLOCK, &alarm, &before), 0);
  struct sigaction action {};
  action.sa_handler = [](int) { ++signals; };  // and no SA_RESTART
  ASSERT_EQ(::sigaction(SIGALRM, &action, nullptr), 0);
  signals = 0;
  run([&] {
    ASSERT_EQ(::pthread_sigmask(SIG_UNBLOCK, &alarm, nullptr), 0);
    const itimerval often{{0, 300}, {0, 300}};
    ASSERT_EQ(::setitimer(ITIMER_REAL, &often, nullptr), 0);
    UringOptions options;
    options.receive_blocks = 4;
    const auto end = std::chrono::steady_clock::now() + std::chrono::minutes(1);
    do {
      echo(options, make_sockets(), pattern(300000));
    } while (signals < 30 && std::chrono::steady_clock::now() < end);
    const itimerval never{};
    ASSERT_EQ(::setitimer(ITIMER_REAL, &never, nullptr), 0);
  });
  EXPECT_GE(signals.load(), 30);
  // One may still be on its way.
  ASSERT_NE(::signal(SIGALRM, SIG_IGN), SIG_ERR);
  ASSERT_EQ(::pthread_sigmask(SIG_SETMASK, &before, nullptr), 0);
}

TEST_P(UringTest, IdsOfOtherUringsAndOfWhatIsOverCancelNothing) {
  run([] {
    Ends ends = make_sockets();
    Uring uring;
    Uring another;
    Received received;
    Received other;
    const UringId id = uring.receive(ends.b.fd(), collect(received));
    const UringId other_id = another.receive(ends.a.fd(), collect(other));
    EXPECT_FALSE(uring.cancel(UringId()));
    EXPECT_FALSE(uring.cancel(other_id));
    EXPECT_FALSE(another.cancel(id));
    EXPECT_TRUE(uring.cancel(id));
    EXPECT_TRUE(run_all(uring));
    EXPECT_EQ(received.last, IoResult::failed(ECANCELED, ""));
    EXPECT_FALSE(uring.cancel(id));
    // Its place is used again, and the old id does not name the new one.
    Received next;
    const UringId next_id = uring.receive(ends.b.fd(), collect(next));
    EXPECT_FALSE(uring.cancel(id));
    EXPECT_TRUE(uring.cancel(next_id));
    EXPECT_TRUE(run_all(uring));
    EXPECT_TRUE(next.over);
  });
}

TEST_P(UringTest, ADestroyedUringLetsGoOfEverythingAndCallsNothing) {
  run([] {
    const std::string text = pattern(4000000);
    const auto token = std::make_shared<int>(0);
    std::atomic<int> released{0};
    for (const int rounds : {0, 1, 3}) {
      Ends ends = make_sockets();
      Ends idle = make_sockets();
      const File file = make_temporary_file();
      ASSERT_EQ(file.write_at(0, text).bytes, text.size());
      released = 0;
      size_t called = 0;
      {
        Uring uring;
        uring.receive(idle.a.fd(), [token](const IoResult&, Chain) { ADD_FAILURE() << "called"; });
        uring.send(ends.a.fd(),
                   Chain(Bytes::with_release(
                       {reinterpret_cast<const std::byte*>(text.data()), text.size()},
                       [&released] { ++released; })),
                   [token](const IoResult&, Chain) { ADD_FAILURE() << "called"; });
        uring.send(ends.a.fd(), Chain(Bytes::copy_of("behind")),
                   [token](const IoResult&, Chain) { ADD_FAILURE() << "called"; });
        for (size_t i = 0; i < 20; ++i) {
          uring.read_at(file.fd(), i * 100000, 100000,
                        [token, &called](const IoResult&, Chain) { ++called; });
        }
        for (int i = 0; i < rounds; ++i) uring.run_once(std::chrono::milliseconds(1));
        EXPECT_EQ(static_cast<size_t>(token.use_count()), 24 - called);
      }
      EXPECT_EQ(token.use_count(), 1);
      EXPECT_EQ(released.load(), 1);
      // The sockets are as usable as before.
      Chain hello(Bytes::copy_of("hello"));
      EXPECT_EQ(write_all(FdSink(idle.b.fd()), hello), (IoResult{5}));
      idle.b.close();
      EXPECT_EQ(read_rest(idle.a), "hello");
      ends.a.close();
      const std::string got = read_rest(ends.b);
      EXPECT_TRUE(got == text.substr(0, got.size()));
    }
  });
}

// Calls all of a Uring that may be called while it is destroyed. What it starts must have no
// effect.
void use(Uring& uring, const Ends& idle, const File& file, const std::shared_ptr<int>& token) {
  const auto never = [token](const IoResult&, Chain) { ADD_FAILURE() << "called"; };
  const UringId id = uring.receive(idle.a.fd(), never);
  EXPECT_FALSE(uring.cancel(id));
  EXPECT_FALSE(uring.cancel(uring.send(idle.a.fd(), Bytes::copy_of("late"), never)));
  EXPECT_FALSE(uring.cancel(uring.send_zero_copy(idle.a.fd(), Bytes::copy_of("late"), never)));
  EXPECT_FALSE(uring.cancel(uring.write_at(file.fd(), 0, Bytes::copy_of("late"), never)));
  EXPECT_FALSE(uring.cancel(uring.read_at(file.fd(), 0, 100, never)));
  EXPECT_FALSE(uring.submit().is_error());
  EXPECT_LE(uring.pending(), 40u);
  static_cast<void>(uring.uses_ring());
  static_cast<void>(uring.refusal());
  static_cast<void>(uring.receive_blocks_out());
}

TEST_P(UringTest, WhatADestroyedUringLetsGoOfMayCallIt) {
  run([] {
    const std::string text = pattern(4000000);
    const ByteView view(reinterpret_cast<const std::byte*>(text.data()), text.size());
    for (const int rounds : {0, 1, 3}) {
      Ends ends = make_sockets();
      Ends idle = make_sockets();
      Ends tcp = make_tcp(4096);
      const File file = make_temporary_file();
      const auto token = std::make_shared<int>(0);
      int released = 0;
      int destroyed = 0;
      bool dying = false;
      {
        Uring uring;
        // What goes before the Uring does could start operations that count.
        const auto look = [&] {
          if (dying) {
            use(uring, idle, file, token);
          } else {
            EXPECT_LE(uring.pending(), 6u);
          }
        };
        struct Look {
          const decltype(look)* call;
          int* count;
          void operator()(void*) const {
            ++*count;
            (*call)();
          }
        };
        // A callback whose destructor looks.
        const auto captured = [&] {
          return [held = std::unique_ptr<void, Look>(&released, Look{&look, &destroyed})](
                     const IoResult&, Chain) {};
        };
        const auto hook = [&] {
          ++released;
          look();
        };
        // The second of the two waits behind the first one.
        uring.send(ends.a.fd(), Bytes::with_release(view, hook), captured());
        uring.send(ends.a.fd(), Bytes::with_release(view, hook), captured());
        uring.send(tcp.a.fd(), Bytes::with_release(view, hook), {});
        uring.write_at(file.fd(), 0, Bytes::with_release(view, hook), captured());
        uring.receive(ends.a.fd(), captured());
        uring.read_at(file.fd(), 0, 100,
                      [whole = Bytes::with_release(view, hook)](const IoResult&, Chain) {});
        for (int i = 0; i < rounds; ++i) uring.run_once(std::chrono::milliseconds(1));
        dying = true;
      }
      EXPECT_EQ(token.use_count(), 1);
      EXPECT_EQ(released, 5);
      EXPECT_EQ(destroyed, 4);
      ends.a.close();
      const std::string got = read_rest(ends.b);
      EXPECT_EQ(got.find("late"), std::string::npos);
    }
  });
}

TEST_P(UringTest, CallbacksMayStartAndCancel) {
  run([] {
    const std::string text = pattern(100000);
    const File file = make_temporary_file();
    ASSERT_EQ(file.write_at(0, text).bytes, text.size());
    Ends ends = make_sockets();
    Uring uring;
    UringId receive;
    Received received;
    // Reads one piece after the other and sends it; the receiver stops when it has enough.
    std::function<void(size_t)> next = [&](size_t at) {
      uring.read_at(file.fd(), at, 1000, [&, at](const IoResult& result, Chain bytes) {
        EXPECT_EQ(result, (IoResult{1000}));
        uring.send(ends.a.fd(), std::move(bytes), [&, at](const IoResult& sent, Chain) {
          EXPECT_EQ(sent, (IoResult{1000}));
          if (at + 1000 < text.size()) next(at + 1000);
        });
      });
    };
    next(0);
    receive = uring.receive(ends.b.fd(), [&](const IoResult& result, Chain bytes) {
      collect(received)(result, std::move(bytes));
      if (received.bytes.size() == text.size()) {
        EXPECT_EQ(uring.cancel(receive), !received.over);
      }
    });
    EXPECT_TRUE(run_all(uring));
    EXPECT_EQ(received.last.error_number, ECANCELED);
    EXPECT_TRUE(received.bytes == text);
  });
}

TEST_P(UringTest, ManyConnectionsKeepTheirBytesApart) {
  run([] {
    constexpr size_t kConnections = 40;
    UringOptions options;
    options.entries = 16;
    options.receive_blocks = 8;
    options.receive_block_size = 700;
    Uring uring(options);
    std::vector<Ends> ends;
    std::vector<Received> received(kConnections);
    std::vector<std::string> texts;
    std::vector<Outcome> outcomes(kConnections * 5);
    for (size_t i = 0; i < kConnections; ++i) {
      ends.push_back(make_sockets());
      texts.push_back(pattern(10000 + 100 * i, static_cast<uint32_t>(i)));
      set_buffer(ends[i].a, SO_SNDBUF, 2000);
      uring.receive(ends[i].b.fd(), collect(received[i]));
    }
    for (size_t k = 0; k < 5; ++k) {
      for (size_t i = 0; i < kConnections; ++i) {
        const size_t part = texts[i].size() / 5;
        uring.send(ends[i].a.fd(), chain_of(texts[i].substr(k * part, part), {10, 500}),
                   record(outcomes[5 * i + k]));
      }
    }
    EXPECT_TRUE(run_until(uring, [&] { return uring.pending() == kConnections; }));
    for (const Outcome& outcome : outcomes) EXPECT_EQ(outcome.result.kind, IoKind::data);
    for (Ends& pair : ends) pair.a.close();
    EXPECT_TRUE(run_all(uring));
    for (size_t i = 0; i < kConnections; ++i) {
      EXPECT_EQ(received[i].last.kind, IoKind::eof);
      EXPECT_TRUE(received[i].bytes == texts[i]) << i;
    }
  });
}

TEST_P(UringTest, RunningWhileItIsDestroyedStopsTheProgram) {
  GTEST_FLAG_SET(death_test_style, "threadsafe");
  const auto run_late = [] {
    const Ends ends = make_sockets();
    UringOptions options;
    options.use_ring = GetParam().refused == 0;
    Uring uring(options);
    const auto hook = [&uring] { uring.run_once(); };
    const std::string text = pattern(10);
    uring.send(ends.a.fd(),
               Bytes::with_release({reinterpret_cast<const std::byte*>(text.data()), 10}, hook),
               {});
  };
  EXPECT_DEATH(run_late(), "run_once.. is called while the Uring is destroyed");
}

TEST_P(UringTest, RunningInsideACallbackStopsTheProgram) {
  GTEST_FLAG_SET(death_test_style, "threadsafe");
  EXPECT_DEATH(run([] {
                 Ends ends = make_sockets();
                 Uring uring;
                 uring.send(ends.a.fd(), Chain(),
                            [&](const IoResult&, Chain) { uring.run_once(); });
                 uring.run_once();
               }),
               "called by a callback");
}

INSTANTIATE_TEST_SUITE_P(Ways, UringTest,
                         ::testing::Values(Way{"AsTheKernelAllows", 0}, Way{"RefusedEperm", EPERM},
                                           Way{"RefusedEnosys", ENOSYS},
                                           Way{"RefusedEnomem", ENOMEM}),
                         [](const auto& way) { return std::string(way.param.name); });

}  // namespace
}  // namespace bight
