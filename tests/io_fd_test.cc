// Real descriptors: pipes, sockets with tiny buffers, full devices, file size limits, closed peers,
// signals. After each: no byte lost, doubled or reordered, the count exact, the rest in the chain,
// no descriptor leaked.
#include <fcntl.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <cstddef>
#include <string>
#include <thread>
#include <vector>

#include "bight/bytes.h"
#include "bight/chain.h"
#include "bight/chain_builder.h"
#include "bight/copy_audit.h"
#include "bight/io/copy.h"
#include "bight/io/fd_sink.h"
#include "bight/io/fd_source.h"
#include "bight/io/file.h"
#include "bight/io/read.h"
#include "bight/io/sigpipe_guard.h"
#include "bight/io/write.h"
#include "tests/io_support.h"

namespace bight {
namespace {

using IoFdTest = NoDescriptorLeaks;

std::atomic<int> signals{0};
void count_signal(int) { ++signals; }

// Counts a signal while it lives; system calls are not restarted.
class SignalCounter {
 public:
  explicit SignalCounter(int number) : number_(number) {
    signals = 0;
    struct sigaction action {};
    action.sa_handler = count_signal;
    ::sigaction(number_, &action, &before_);
  }
  ~SignalCounter() { ::sigaction(number_, &before_, nullptr); }
  int count() const { return signals; }

 private:
  int number_;
  struct sigaction before_ {};
};

// A signal to this process every 100 us while it lives.
class Timer {
 public:
  Timer() { set(100); }
  ~Timer() { set(0); }

 private:
  static void set(suseconds_t interval) {
    itimerval timer{};
    timer.it_interval.tv_usec = interval;
    timer.it_value.tv_usec = interval;
    ::setitimer(ITIMER_REAL, &timer, nullptr);
  }
};

// A thread that gets none of the signals.
template <class F>
std::thread quiet_thread(F f) {
  sigset_t all, before;
  sigfillset(&all);
  pthread_sigmask(SIG_SETMASK, &all, &before);
  std::thread thread(std::move(f));
  pthread_sigmask(SIG_SETMASK, &before, nullptr);
  return thread;
}

// Everything that can be read, as text.
std::string drain(const File& file) {
  ChainBuilder into;
  EXPECT_EQ(read_all(FdSource(file.fd()), into, size_t{1} << 30).kind, IoKind::eof);
  return into.take().to_string();
}

Chain mixed_chain(const std::string& text) { return chain_of(text, {5, 3000, 1, 1, 700, 20000}); }

TEST_F(IoFdTest, AMebibyteGoesThroughAPipe) {
  const std::string text = pattern(1 << 20);
  Ends ends = make_pipe();
  std::string got;
  std::thread reader([&] { got = drain(ends.b); });
  Chain chain = mixed_chain(text);
  FdSink sink(ends.a.fd());
  EXPECT_EQ(write_all(sink, chain), (IoResult{text.size(), IoKind::data}));
  EXPECT_EQ(sink.kind(), FdKind::other);
  EXPECT_TRUE(chain.empty());
  ends.a.close();
  reader.join();
  EXPECT_EQ(got, text);
}

TEST_F(IoFdTest, NonblockingSocketsWithTinyBuffersLoseNothing) {
  const std::string text = pattern(1 << 20);
  Ends ends = make_sockets();
  const int tiny = 4608;
  ::setsockopt(ends.a.fd(), SOL_SOCKET, SO_SNDBUF, &tiny, sizeof(tiny));
  ::setsockopt(ends.b.fd(), SOL_SOCKET, SO_RCVBUF, &tiny, sizeof(tiny));
  set_nonblocking(ends.a);
  set_nonblocking(ends.b);
  Chain chain = mixed_chain(text);
  FdSink sink(ends.a.fd());
  FdSource source(ends.b.fd());
  ChainBuilder in;
  ReadSize size;
  Chain received;
  size_t written = 0;
  size_t full_stops = 0;
  const CopyAudit audit;
  while (!chain.empty() || received.size() < text.size()) {
    const IoResult sent = write_all(sink, chain);
    written += sent.bytes;
    ASSERT_EQ(written + chain.size(), text.size());
    ASSERT_FALSE(sent.is_error()) << sent.message();
    full_stops += sent.kind == IoKind::would_block;
    for (;;) {
      const IoResult result = read_some(source, in, size);
      received.push_back(in.take());
      ASSERT_FALSE(result.is_error()) << result.message();
      if (result.kind == IoKind::would_block) break;
    }
    ASSERT_EQ(received.size(), written);
  }
  EXPECT_EQ(audit.thread().copied, 0u);
  EXPECT_EQ(sink.kind(), FdKind::socket);
  EXPECT_GT(full_stops, 10u);
  EXPECT_EQ(received, text);
}

TEST_F(IoFdTest, ReadExactlyAndReadUntilGoOnOverANonblockingSocket) {
  Ends ends = make_sockets();
  set_nonblocking(ends.b);
  FdSource source(ends.b.fd());
  ChainBuilder in;
  const std::string text = pattern(50);
  size_t got = 0;
  for (size_t i = 0; i < text.size(); ++i) {
    EXPECT_EQ(read_exactly(source, in, text.size() - got),
              (IoResult{0, IoKind::would_block, EAGAIN}));
    ASSERT_EQ(::write(ends.a.fd(), &text[i], 1), 1);
    const IoResult result = read_exactly(source, in, text.size() - got);
    got += result.bytes;
    EXPECT_EQ(got, i + 1);
    EXPECT_EQ(result.kind, got == text.size() ? IoKind::data : IoKind::would_block);
  }
  EXPECT_EQ(in.take(), text);

  const std::string lines = "first line\r\nsecond\r\n";
  Chain pending;
  size_t searched = 0;
  std::vector<std::string> found;
  for (const char c : lines) {
    ASSERT_EQ(::write(ends.a.fd(), &c, 1), 1);
    const ReadUntilResult until = read_until(source, in, pending, "\r\n", 100, searched);
    searched = until.searched;
    if (until.frame != 0) {
      found.push_back(pending.split_to(until.frame).to_string());
      searched = 0;
    } else {
      EXPECT_EQ(until.io, (IoResult{1, IoKind::would_block, EAGAIN}));
    }
  }
  EXPECT_EQ(found, (std::vector<std::string>{"first line\r\n", "second\r\n"}));
}

TEST_F(IoFdTest, AFullDeviceTakesNothing) {
  File full;
  ASSERT_EQ(full.open("/dev/full", O_WRONLY), IoResult{});
  FdSink sink(full.fd());
  Chain one = chain_of("content", {7});
  const IoResult single = write_all(sink, one);
  EXPECT_EQ(single, (IoResult{0, IoKind::error, ENOSPC}));
  EXPECT_STREQ(single.call, "write");
  EXPECT_EQ(one, "content");
  const std::string text = pattern(9000);
  Chain many = chain_of(text, {3000});
  const IoResult several = write_all(sink, many);
  EXPECT_EQ(several, (IoResult{0, IoKind::error, ENOSPC}));
  EXPECT_STREQ(several.call, "writev");
  EXPECT_EQ(many, text);
}

TEST_F(IoFdTest, AFileSizeLimitStopsExactlyThere) {
  const SignalCounter over(SIGXFSZ);
  rlimit before{};
  ASSERT_EQ(::getrlimit(RLIMIT_FSIZE, &before), 0);
  File file = make_temporary_file();
  const std::string text = pattern(30000);
  Chain chain = chain_of(text, {7000});
  rlimit limited = before;
  limited.rlim_cur = 10000;
  ASSERT_EQ(::setrlimit(RLIMIT_FSIZE, &limited), 0);
  const IoResult result = write_all(file, chain);
  ASSERT_EQ(::setrlimit(RLIMIT_FSIZE, &before), 0);
  EXPECT_EQ(result, (IoResult{10000, IoKind::error, EFBIG}));
  EXPECT_EQ(over.count(), 1);
  EXPECT_EQ(chain, text.substr(10000));
  // And goes on exactly there.
  EXPECT_EQ(write_all(file, chain), (IoResult{20000, IoKind::data}));
  ChainBuilder into;
  EXPECT_EQ(file.read_at(0, 40000, into), (IoResult{30000, IoKind::eof}));
  EXPECT_EQ(into.take(), text);
}

// ---- SIGPIPE --------------------------------------------------------------------------------

TEST_F(IoFdTest, AClosedSocketIsEpipeWithoutASignal) {
  const SignalCounter sigpipe(SIGPIPE);
  for (const size_t piece : {size_t{4000}, size_t{2000}}) {  // send and sendmsg
    for (const FdKind kind : {FdKind::detect, FdKind::socket}) {
      Ends ends = make_sockets();
      ends.b.close();
      const std::string text = pattern(4000);
      Chain chain = chain_of(text, {piece});
      FdSink sink(ends.a.fd(), kind);
      const IoResult result = write_some(sink, chain);
      EXPECT_EQ(result, (IoResult{0, IoKind::error, EPIPE}));
      EXPECT_STREQ(result.call, piece == 4000 ? "send" : "sendmsg");
      EXPECT_EQ(chain, text);
    }
  }
  EXPECT_EQ(sigpipe.count(), 0);
}

TEST_F(IoFdTest, APipeWithoutAReaderRaisesTheSignal) {
  const SignalCounter sigpipe(SIGPIPE);
  Ends ends = make_pipe();
  ends.b.close();
  Chain chain = chain_of("text", {4});
  EXPECT_EQ(write_some(FdSink(ends.a.fd()), chain), (IoResult{0, IoKind::error, EPIPE}));
  EXPECT_EQ(sigpipe.count(), 1);
  EXPECT_EQ(chain, "text");
}

TEST_F(IoFdTest, AGuardKeepsTheSignalOfAPipeAway) {
  const SignalCounter sigpipe(SIGPIPE);
  Ends ends = make_pipe();
  ends.b.close();
  Chain chain = chain_of("text", {4});
  {
    const SigpipeGuard guard;
    const SigpipeGuard nested;
    EXPECT_EQ(write_some(FdSink(ends.a.fd()), chain), (IoResult{0, IoKind::error, EPIPE}));
    errno = 77;
  }
  EXPECT_EQ(errno, 77);
  EXPECT_EQ(sigpipe.count(), 0);
  sigset_t mask;
  pthread_sigmask(SIG_SETMASK, nullptr, &mask);
  EXPECT_EQ(sigismember(&mask, SIGPIPE), 0);
  // Without it the signal comes again.
  EXPECT_EQ(write_some(FdSink(ends.a.fd()), chain).error_number, EPIPE);
  EXPECT_EQ(sigpipe.count(), 1);
}

TEST_F(IoFdTest, AGuardLeavesASignalPendingThatWasSoBefore) {
  const SignalCounter sigpipe(SIGPIPE);
  sigset_t set, before;
  sigemptyset(&set);
  sigaddset(&set, SIGPIPE);
  pthread_sigmask(SIG_BLOCK, &set, &before);
  {
    const SigpipeGuard guard;  // nothing pending, blocked already
  }
  sigset_t mask;
  pthread_sigmask(SIG_SETMASK, nullptr, &mask);
  EXPECT_EQ(sigismember(&mask, SIGPIPE), 1);
  ::raise(SIGPIPE);
  {
    const SigpipeGuard guard;
    Ends ends = make_pipe();
    ends.b.close();
    Chain chain = chain_of("text", {4});
    EXPECT_EQ(write_some(FdSink(ends.a.fd()), chain).error_number, EPIPE);
  }
  EXPECT_EQ(sigpipe.count(), 0);
  pthread_sigmask(SIG_SETMASK, &before, nullptr);
  EXPECT_EQ(sigpipe.count(), 1);
}

// ---- Signals in the middle ------------------------------------------------------------------

TEST_F(IoFdTest, ABlockingWriteUnderATimerLosesNothing) {
  const std::string text = pattern(8 << 20);
  Ends ends = make_sockets();
  std::string got;
  std::thread reader = quiet_thread([&] { got = drain(ends.b); });
  const SignalCounter alarms(SIGALRM);
  Chain chain = chain_of(text, {700, 1 << 20, 100, 100, 300000});
  {
    const Timer timer;
    EXPECT_EQ(write_all(FdSink(ends.a.fd()), chain), (IoResult{text.size(), IoKind::data}));
  }
  EXPECT_TRUE(chain.empty());
  ends.a.close();
  reader.join();
  EXPECT_GT(alarms.count(), 0);
  EXPECT_EQ(got, text);
}

TEST_F(IoFdTest, ABlockingReadUnderATimerLosesNothing) {
  const std::string text = pattern(8 << 20);
  Ends ends = make_sockets();
  std::thread writer = quiet_thread([&] {
    for (size_t at = 0; at < text.size(); at += 1 << 20) {
      Chain chain = chain_of(text.substr(at, 1 << 20), {1 << 20});
      ::usleep(1000);  // so that the reader is interrupted while it waits
      write_all(FdSink(ends.a.fd()), chain);
    }
  });
  const SignalCounter alarms(SIGALRM);
  ChainBuilder into;
  {
    const Timer timer;
    EXPECT_EQ(read_exactly(FdSource(ends.b.fd()), into, text.size()),
              (IoResult{text.size(), IoKind::data}));
  }
  writer.join();
  EXPECT_GT(alarms.count(), 0);
  EXPECT_EQ(into.take(), text);
}

// The descriptor's own calls hide interruptions too, for those who call them directly.
TEST_F(IoFdTest, OneCallThatIsInterruptedWhileItWaitsIsMadeAgain) {
  Ends ends = make_sockets();
  std::string place(100, '.');
  const iovec room{place.data(), place.size()};
  const SignalCounter alarms(SIGALRM);
  std::thread writer = quiet_thread([&] {
    ::usleep(20000);
    EXPECT_EQ(::write(ends.a.fd(), "late", 4), 4);
  });
  {
    const Timer timer;
    EXPECT_EQ(FdSource(ends.b.fd()).read_some({&room, 1}), (IoResult{4, IoKind::data}));
  }
  writer.join();
  EXPECT_GT(alarms.count(), 0);

  std::string much = pattern(16 << 20);
  set_nonblocking(ends.a);
  iovec all{much.data(), much.size()};
  while (FdSink(ends.a.fd()).write_some({&all, 1}).kind == IoKind::data) {
  }
  ASSERT_EQ(::fcntl(ends.a.fd(), F_SETFL, 0), 0);  // now a write waits
  const int before = alarms.count();
  std::thread reader = quiet_thread([&] {
    ::usleep(20000);
    drain(ends.b);
  });
  {
    const Timer timer;
    const IoResult result = FdSink(ends.a.fd()).write_some({&all, 1});
    EXPECT_EQ(result.kind, IoKind::data) << result.message();
    EXPECT_GT(result.bytes, 0u);
  }
  ends.a.close();
  reader.join();
  EXPECT_GT(alarms.count(), before);
}

// ---- Answers of the descriptor --------------------------------------------------------------

TEST_F(IoFdTest, ErrorsNameTheCall) {
  ChainBuilder into;
  Chain chain = chain_of("text", {4});
  const IoResult read = read_some(FdSource(-1), into, 10);
  EXPECT_EQ(read, (IoResult{0, IoKind::error, EBADF}));
  EXPECT_STREQ(read.call, "read");
  const IoResult readv = read_some(FdSource(-1), into, 100000);
  EXPECT_EQ(readv, (IoResult{0, IoKind::error, EBADF}));
  EXPECT_STREQ(readv.call, "readv");
  FdSink closed(-1);
  EXPECT_EQ(write_some(closed, chain), (IoResult{0, IoKind::error, EBADF}));
  EXPECT_EQ(closed.kind(), FdKind::detect);
  EXPECT_TRUE(into.empty());
  EXPECT_EQ(chain, "text");
}

TEST_F(IoFdTest, AResetConnectionIsAnErrorBehindWhatCame) {
  File listener(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t length = sizeof(address);
  auto* const generic = reinterpret_cast<sockaddr*>(&address);
  ASSERT_EQ(::bind(listener.fd(), generic, sizeof(address)), 0);
  ASSERT_EQ(::listen(listener.fd(), 1), 0);
  ASSERT_EQ(::getsockname(listener.fd(), generic, &length), 0);
  File client(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  ASSERT_EQ(::connect(client.fd(), generic, sizeof(address)), 0);
  File server(::accept(listener.fd(), nullptr, nullptr));
  Chain chain = chain_of(pattern(3000), {3000});
  ASSERT_EQ(write_all(FdSink(client.fd()), chain).bytes, 3000u);
  ChainBuilder into;
  ASSERT_EQ(read_exactly(FdSource(server.fd()), into, 3000).bytes, 3000u);
  const linger hard{1, 0};
  ASSERT_EQ(::setsockopt(client.fd(), SOL_SOCKET, SO_LINGER, &hard, sizeof(hard)), 0);
  client.close();
  EXPECT_EQ(read_exactly(FdSource(server.fd()), into, 10),
            (IoResult{0, IoKind::error, ECONNRESET}));
  EXPECT_EQ(into.take(), pattern(3000));
}

TEST_F(IoFdTest, AClosedPeerIsTheEndBehindWhatCame) {
  Ends ends = make_sockets();
  Chain chain = chain_of("hello ", {6});
  chain.push_back(Bytes::from_static("world"));
  ASSERT_EQ(write_all(FdSink(ends.a.fd()), chain).bytes, 11u);
  ends.a.close();
  ChainBuilder into;
  EXPECT_EQ(read_exactly(FdSource(ends.b.fd()), into, 20), (IoResult{11, IoKind::eof}));
  EXPECT_EQ(into.take(), "hello world");
  EXPECT_EQ(read_some(FdSource(ends.b.fd()), into, 20), (IoResult{0, IoKind::eof}));
}

// One message a call: the number of messages is the number of system calls.
TEST_F(IoFdTest, AThousandSegmentsTakeOneSystemCall) {
  for (const size_t piece : {size_t{64}, size_t{1024}}) {
    Ends ends = make_sockets(SOCK_SEQPACKET);
    const int large = 4 << 20;
    ::setsockopt(ends.a.fd(), SOL_SOCKET, SO_SNDBUF, &large, sizeof(large));
    // The kernel keeps below its own bound for one message.
    const size_t count = piece == 64 ? 1000 : 100;
    const std::string text = pattern(count * piece);
    Chain chain = chain_of(text, {piece});
    ASSERT_EQ(chain.segment_count(), count);
    const CopyAudit audit;
    const IoResult result = write_some(FdSink(ends.a.fd()), chain);
    ASSERT_EQ(result, (IoResult{text.size(), IoKind::data})) << result.message();
    EXPECT_EQ(audit.thread().gathered, piece == 64 ? text.size() : 0u);
    EXPECT_EQ(audit.thread().copied, 0u);
    ends.a.close();
    ChainBuilder into;
    EXPECT_EQ(read_some(FdSource(ends.b.fd()), into, 1 << 20).bytes, text.size());
    EXPECT_EQ(into.take(), text);
  }
}

// The empty datagram would arrive: nothing is written for an empty chain, nothing for empty
// entries.
TEST_F(IoFdTest, NothingToWriteOrToReadMakesNoSystemCall) {
  Ends ends = make_sockets(SOCK_SEQPACKET);
  set_nonblocking(ends.b);
  Chain empty;
  FdSink sink(ends.a.fd());
  FdSource source(ends.b.fd());
  char place = 0;
  const iovec none{&place, 0};
  EXPECT_EQ(write_some(sink, empty), IoResult{});
  EXPECT_EQ(sink.write_some({}), IoResult{});
  EXPECT_EQ(sink.write_some({&none, 1}), IoResult{});
  ChainBuilder into;
  EXPECT_EQ(read_some(source, into, 10), (IoResult{0, IoKind::would_block, EAGAIN}));
  // And a bad descriptor is not even noticed.
  EXPECT_EQ(FdSink(-1).write_some({&none, 1}), IoResult{});
  EXPECT_EQ(FdSource(-1).read_some({&none, 1}), IoResult{});
  EXPECT_EQ(read_some(FdSource(-1), into, 0), IoResult{});
  EXPECT_EQ(sink.kind(), FdKind::detect);
}

TEST_F(IoFdTest, MoreEntriesThanOneCallTakesAreCutNotRefused) {
  std::string text = pattern(3000);
  std::vector<iovec> entries(5, iovec{text.data(), 0});  // empty ones in front do not count
  for (char& c : text) entries.push_back({&c, 1});
  for (const bool sockets : {false, true}) {
    const Ends ends = sockets ? make_sockets() : make_pipe();
    FdSink sink(ends.a.fd());
    EXPECT_EQ(sink.write_some(entries), (IoResult{1024, IoKind::data}));
    std::string got(3000, '.');
    std::vector<iovec> room;
    for (char& c : got) room.push_back({&c, 1});
    EXPECT_EQ(FdSource(ends.b.fd()).read_some(room), (IoResult{1024, IoKind::data}));
    EXPECT_EQ(got, text.substr(0, 1024) + std::string(3000 - 1024, '.'));
  }
}

// One call moves at most 0x7ffff000 bytes.
TEST_F(IoFdTest, MoreThanTwoGibibytesGoInSeveralCalls) {
  constexpr size_t kMost = 0x7ffff000;
  constexpr size_t kLarge = (size_t{1} << 31) + (size_t{1} << 20);
  void* const memory =
      ::mmap(nullptr, kLarge, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  ASSERT_NE(memory, MAP_FAILED);
  const std::span<const std::byte> bytes(static_cast<const std::byte*>(memory), kLarge);
  File null;
  ASSERT_EQ(null.open("/dev/null", O_WRONLY), IoResult{});
  for (const size_t head : {kLarge, size_t{5000}}) {  // one entry too large; two together
    Chain chain;
    chain.push_back(Bytes::with_release(bytes.first(head), []() noexcept {}));
    chain.push_back(Bytes::with_release(bytes.subspan(head), []() noexcept {}));
    const IoResult first = write_some(null, chain);
    EXPECT_FALSE(first.is_error());
    EXPECT_LE(first.bytes, kMost);
    EXPECT_EQ(chain.size(), kLarge - first.bytes);
    EXPECT_EQ(write_all(null, chain), (IoResult{kLarge - first.bytes, IoKind::data}));
  }
  const iovec whole{memory, kLarge};
  EXPECT_EQ(null.write_some({&whole, 1}), (IoResult{kMost, IoKind::data}));
  const iovec parts[] = {{memory, 10}, {memory, kLarge}};
  EXPECT_EQ(null.write_some(parts), (IoResult{10, IoKind::data}));
  ::munmap(memory, kLarge);
}

TEST_F(IoFdTest, SeveralChainsGoIntoOneSocketInOrder) {
  Ends ends = make_sockets();
  Chain a = chain_of("first ", {2});
  Chain b;
  Chain c = chain_of("second", {6});
  Chain* const chains[] = {&a, &b, &c};
  EXPECT_EQ(write_some(FdSink(ends.a.fd()), chains), (IoResult{12, IoKind::data}));
  EXPECT_TRUE(a.empty() && c.empty());
  ends.a.close();
  EXPECT_EQ(drain(ends.b), "first second");
}

TEST_F(IoFdTest, CopyMovesAPipeIntoASocket) {
  const std::string text = pattern(2 << 20);
  Ends from = make_pipe();
  Ends to = make_sockets();
  std::thread writer([&] {
    Chain chain = mixed_chain(text);
    write_all(FdSink(from.a.fd()), chain);
    from.a.close();
  });
  std::string got;
  std::thread reader([&] { got = drain(to.b); });
  Chain pending;
  const CopyAudit audit;
  EXPECT_EQ(copy(FdSource(from.b.fd()), FdSink(to.a.fd()), pending),
            (IoResult{text.size(), IoKind::eof}));
  EXPECT_EQ(audit.thread().copied, 0u);
  EXPECT_EQ(audit.thread().gathered, 0u);
  to.a.close();
  writer.join();
  reader.join();
  EXPECT_EQ(got, text);
}

// buf-E26, buf-E27: mixed ways to fill a buffer, then the descriptor; order kept, nothing doubled.
TEST_F(IoFdTest, ReadsGoOnBehindSharedAndPrependedPieces) {
  Ends ends = make_sockets();
  Chain sent = chain_of("bar", {3});
  ASSERT_EQ(write_all(FdSink(ends.a.fd()), sent).bytes, 3u);
  ChainBuilder in;
  in.push_back(Bytes::from_static("foo"));
  iovec unused[4];
  EXPECT_GT(in.prepare_iovec(100, unused), 0u);
  EXPECT_EQ(read_some(FdSource(ends.b.fd()), in, 10).bytes, 3u);
  Chain chain = in.take();
  chain.push_front(Bytes::copy_of("bbbbb"));
  chain.push_front(Bytes());
  EXPECT_EQ(chain, "bbbbbfoobar");
  chain.consume(6);
  EXPECT_EQ(chain, "oobar");
}

}  // namespace
}  // namespace bight
