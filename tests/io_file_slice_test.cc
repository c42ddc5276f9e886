// FileSlice and send_some/send_all: by sendfile, by reading, and resumed at every place.
#include <fcntl.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "bight/bytes.h"
#include "bight/chain.h"
#include "bight/chain_builder.h"
#include "bight/copy_audit.h"
#include "bight/io/fd_sink.h"
#include "bight/io/fd_source.h"
#include "bight/io/file.h"
#include "bight/io/file_slice.h"
#include "bight/io/read.h"
#include "bight/io/send_file.h"
#include "bight/testing/scripted_io.h"
#include "tests/io_support.h"

namespace bight {
namespace {

using IoFileSliceTest = NoDescriptorLeaks;

std::shared_ptr<const File> file_of(const std::string& text) {
  auto file = std::make_shared<File>(make_temporary_file());
  EXPECT_EQ(file->write_at(0, text).bytes, text.size());
  return file;
}

SendFileOptions by_sendfile() {
  SendFileOptions options;
  options.sendfile_from = options.network_sendfile_from = 0;
  return options;
}
SendFileOptions by_reading(size_t read_ahead = size_t{256} << 10) {
  SendFileOptions options;
  options.sendfile_from = options.network_sendfile_from = UINT64_MAX;
  options.read_ahead = read_ahead;
  return options;
}

std::string drain(const File& file) {
  ChainBuilder into;
  EXPECT_EQ(read_all(FdSource(file.fd()), into, size_t{1} << 30).kind, IoKind::eof);
  return into.take().to_string();
}

std::string text_of(const FileSlice& slice) {
  ChainBuilder into;
  EXPECT_EQ(slice.read(into).bytes, slice.size());
  return into.take().to_string();
}

Ends make_tcp() {
  const File listener(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof(address);
  auto* const name = reinterpret_cast<sockaddr*>(&address);
  EXPECT_EQ(::bind(listener.fd(), name, size), 0);
  EXPECT_EQ(::listen(listener.fd(), 1), 0);
  EXPECT_EQ(::getsockname(listener.fd(), name, &size), 0);
  Ends ends;
  ends.a = File(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  EXPECT_EQ(::connect(ends.a.fd(), name, size), 0);
  ends.b = File(::accept4(listener.fd(), nullptr, nullptr, SOCK_CLOEXEC));
  return ends;
}

// ---- The slice ---------------------------------------------------------------------------------

// V40: a sub-range equals the file's range for offsets that are not page-aligned.
TEST_F(IoFileSliceTest, CutsAsBytesDo) {
  const std::string text = pattern(20000);
  FileSlice slice(file_of(text), 0, text.size());
  EXPECT_EQ(text_of(slice.slice(4097, 5000)), text.substr(4097, 5000));
  EXPECT_EQ(text_of(slice.slice(4097, 5000).slice(1, 10)), text.substr(4098, 10));
  FileSlice first = slice.split_to(100);
  EXPECT_EQ(text_of(first), text.substr(0, 100));
  EXPECT_EQ(text_of(slice), text.substr(100));
  slice.consume(19000);
  EXPECT_EQ(slice.offset(), 19100u);
  EXPECT_EQ(text_of(slice), text.substr(19100));
  Bytes mapped;
  EXPECT_EQ(slice.map(mapped), (IoResult{900}));
  EXPECT_EQ(mapped, text.substr(19100));
  EXPECT_TRUE(slice.slice(900, 0).empty());
}

// V40: what stands behind the file goes once, after the last slice.
TEST_F(IoFileSliceTest, TheFileIsClosedOnceAfterTheLastSlice) {
  int closed = 0;
  File temporary = make_temporary_file();
  ASSERT_EQ(temporary.write_at(0, "0123456789").bytes, 10u);
  std::shared_ptr<const File> file(new File(std::move(temporary)), [&](const File* gone) {
    ++closed;
    delete gone;
  });
  FileSlice slice(std::move(file), 0, 10);
  FileSlice part = slice.slice(2, 3);
  slice.consume(10);
  EXPECT_EQ(slice.file(), nullptr);
  EXPECT_EQ(closed, 0);
  EXPECT_EQ(text_of(part), "234");
  part = FileSlice();
  EXPECT_EQ(closed, 1);
}

// V41: what looks into the bytes needs them in memory, and says so in its type; made so, all works.
TEST_F(IoFileSliceTest, OnceInMemoryItIsSearchedAndPulledUp) {
  const std::string text = pattern(100000) + "needle" + pattern(1000);
  const FileSlice slice(file_of(text), 0, text.size());
  ChainBuilder into;
  ASSERT_EQ(slice.read(into), (IoResult{text.size()}));
  Chain chain = into.take();
  EXPECT_EQ(chain.find("needle"), text.find("needle"));
  EXPECT_EQ(ByteView(chain.pull_up(chain.size())), ByteView(text));
  Bytes mapped;
  ASSERT_EQ(slice.map(mapped), (IoResult{text.size()}));
  EXPECT_EQ(mapped.find("needle"), text.find("needle"));
  const FileSlice beyond(slice.file(), 50, text.size());
  EXPECT_EQ(beyond.read(into), (IoResult{text.size() - 50, IoKind::eof}));
  EXPECT_EQ(beyond.map(mapped), (IoResult{text.size() - 50, IoKind::eof}));
  EXPECT_EQ(FileSlice().read(into), IoResult{});
  EXPECT_EQ(FileSlice().map(mapped), IoResult{});
  EXPECT_TRUE(mapped.empty());
}

TEST_F(IoFileSliceTest, OpensAWholeFile) {
  FileSlice slice;
  EXPECT_EQ(FileSlice::open("/no/such/file", slice).error_number, ENOENT);
  EXPECT_TRUE(slice.empty());
  const std::shared_ptr<const File> file = file_of("content");
  ASSERT_FALSE(
      FileSlice::open(("/proc/self/fd/" + std::to_string(file->fd())).c_str(), slice).is_error());
  EXPECT_EQ(text_of(slice), "content");
}

TEST(IoFileSliceDeathTest, RangesOutsideStopTheProgram) {
  const FileSlice slice(file_of("0123456789"), 2, 8);
  FileSlice other = slice;
  EXPECT_DEATH(static_cast<void>(slice.slice(5, 4)), "slice\\(5, 4\\) of 8 bytes");
  EXPECT_DEATH(other.consume(9), "consume\\(9\\) of 8 bytes");
  EXPECT_DEATH(FileSlice(slice.file(), UINT64_MAX, 2), "FileSlice");
  EXPECT_DEATH(FileSlice(nullptr, 0, 1), "no file");
}

// ---- Sending -----------------------------------------------------------------------------------

TEST_F(IoFileSliceTest, HeaderAndBodyArriveByBothWaysOnEverySink) {
  const std::string text = pattern(1500000);
  const std::string header = pattern(200, 7);
  const std::shared_ptr<const File> file = file_of(text);
  for (const SendFileOptions& options :
       {SendFileOptions{}, by_sendfile(), by_reading(), by_reading(1)}) {
    for (int kind = 0; kind < 3; ++kind) {
      const size_t size = options.read_ahead == 1 ? 3000 : 1200000;
      Ends ends = kind == 0 ? make_pipe() : kind == 1 ? make_sockets() : make_tcp();
      std::string got;
      std::thread reader([&] { got = drain(ends.b); });
      Chain head = chain_of(header, {150, 50});
      FileSlice body(file, 4099, size);
      FdSink sink(ends.a.fd());
      const CopyAudit audit;
      EXPECT_EQ(send_all(sink, head, body, options), (IoResult{size + 200}));
      EXPECT_EQ(audit.thread().copied, 0u);
      EXPECT_TRUE(head.empty() && body.empty());
      ends.a.close();
      reader.join();
      EXPECT_TRUE(got == header + text.substr(4099, size));
    }
  }
}

TEST_F(IoFileSliceTest, SendfileBringsNoByteToUserSpace) {
  const std::string text = pattern(100000);
  Ends ends = make_sockets();
  std::string got;
  std::thread reader([&] { got = drain(ends.b); });
  Chain head;
  FileSlice body(file_of(text), 0, text.size());
  const CopyAudit audit;
  EXPECT_EQ(send_all(FdSink(ends.a.fd()), head, body), (IoResult{text.size()}));
  EXPECT_EQ(audit.thread(), CopyCounts{}) << "not even a block";
  ends.a.close();
  reader.join();
  EXPECT_TRUE(got == text);
}

TEST_F(IoFileSliceTest, TinySocketBuffersLoseNothing) {
  const std::string text = pattern(300000);
  const std::string header = pattern(9000, 7);
  const std::shared_ptr<const File> file = file_of(text);
  for (const SendFileOptions& options : {by_sendfile(), by_reading(), by_reading(5000)}) {
    Ends ends = make_sockets();
    const int tiny = 4608;
    ::setsockopt(ends.a.fd(), SOL_SOCKET, SO_SNDBUF, &tiny, sizeof(tiny));
    set_nonblocking(ends.a);
    set_nonblocking(ends.b);
    Chain head = chain_of(header, {700, 3000});
    FileSlice body(file, 0, text.size());
    FdSink sink(ends.a.fd());
    ChainBuilder into;
    size_t sent = 0;
    size_t blocked = 0;
    while (!head.empty() || !body.empty()) {
      const IoResult result = send_some(sink, head, body, options);
      sent += result.bytes;
      ASSERT_EQ(sent + head.size() + body.size(), header.size() + text.size());
      if (result.kind == IoKind::data) continue;
      ASSERT_EQ(result.kind, IoKind::would_block);
      ++blocked;
      // The peer stops reading for a while and then takes a little.
      ASSERT_FALSE(read_some(FdSource(ends.b.fd()), into, 3001).is_error());
    }
    EXPECT_GT(blocked, 10u);
    ends.a.close();
    EXPECT_EQ(read_all(FdSource(ends.b.fd()), into, size_t{1} << 30).kind, IoKind::eof);
    EXPECT_TRUE(into.take() == ByteView(header + text));
  }
}

// A header in front leaves no rest as long as itself, with a read and a write of its own.
TEST_F(IoFileSliceTest, AShortHeadCostsNoCallOfItsOwn) {
  const std::string text = pattern(size_t{512} << 10);
  const std::string header(200, 'h');
  const std::shared_ptr<const File> file = file_of(text);
  ScriptedSink sink;
  Chain head = chain_of(header, {200});
  FileSlice body(file, 0, text.size());
  EXPECT_EQ(send_all(sink, head, body, by_reading()).bytes, header.size() + text.size());
  EXPECT_EQ(sink.calls(), 2u);  // 256 KiB each
  EXPECT_EQ(sink.received(), header + text);
}

// Every short length at every place with each fault in between, for sinks that are no descriptor.
TEST_F(IoFileSliceTest, LosesNothingWhateverTheSinkDoes) {
  const std::string text = pattern(12);
  const std::shared_ptr<const File> file = file_of(text);
  for (const size_t read_ahead : {size_t{1}, size_t{5}, size_t{1000}}) {
    for_each_io_script(12, sink_faults(), [&](const IoScript& script) {
      SCOPED_TRACE(script.to_string());
      ScriptedSink sink(script.steps);
      Chain head = chain_of(text.substr(0, 4), {3, 1});
      FileSlice body(file, 4, 8);
      size_t written = 0;
      IoResult result;
      do {
        result = send_all(sink, head, body, by_reading(read_ahead));
        written += result.bytes;
        ASSERT_EQ(written, sink.received().size());
        ASSERT_EQ(sink.received() + head.to_string() + text_of(body), text);
      } while (result.kind == IoKind::would_block);
      if (result.kind == IoKind::data) {
        EXPECT_EQ(sink.received(), text);
      } else {
        EXPECT_TRUE(result.error_number == ECONNRESET || result.error_number == ENOSPC);
      }
    });
  }
}

TEST_F(IoFileSliceTest, FilesThatSendfileRefusesAreRead) {
  // /proc gives its bytes to read only: the kernel's sendfile says EINVAL or moves nothing.
  auto file = std::make_shared<File>();
  ASSERT_FALSE(file->open("/proc/self/cmdline", O_RDONLY).is_error());
  ChainBuilder into;
  const size_t size = file->read_at(0, 100000, into).bytes;
  const Chain expected = into.take();
  ASSERT_GT(size, 0u);
  Ends ends = make_sockets();
  Chain head = chain_of("head", {4});
  FileSlice body(file, 0, size);
  EXPECT_EQ(send_all(FdSink(ends.a.fd()), head, body, by_sendfile()), (IoResult{size + 4}));
  ends.a.close();
  EXPECT_EQ(drain(ends.b), "head" + expected.to_string());
}

TEST_F(IoFileSliceTest, ASinkThatSendfileRefusesIsWritten) {
  const std::string text = pattern(100000);
  // sendfile to a file that appends is EINVAL.
  const File to = make_temporary_file();
  ASSERT_EQ(::fcntl(to.fd(), F_SETFL, O_APPEND), 0);
  Chain head = chain_of("head", {4});
  FileSlice body(file_of(text), 0, text.size());
  EXPECT_EQ(send_all(FdSink(to.fd()), head, body, by_sendfile()), (IoResult{text.size() + 4}));
  ChainBuilder into;
  EXPECT_EQ(to.read_at(0, text.size() + 5, into).bytes, text.size() + 4);
  EXPECT_TRUE(into.take() == ByteView("head" + text));
}

TEST_F(IoFileSliceTest, AFileThatBecameShorterIsEofAfterAllOfIt) {
  const std::string text = pattern(50000);
  for (const SendFileOptions& options : {by_sendfile(), by_reading(), by_reading(100)}) {
    Ends ends = make_sockets();
    std::string got;
    std::thread reader([&] { got = drain(ends.b); });
    Chain head = chain_of("head", {4});
    FileSlice body(file_of(text), 100, 60000);
    EXPECT_EQ(send_all(FdSink(ends.a.fd()), head, body, options),
              (IoResult{text.size() - 100 + 4, IoKind::eof}));
    EXPECT_TRUE(head.empty());
    EXPECT_EQ(body.size(), 60000 - (text.size() - 100));
    ends.a.close();
    reader.join();
    EXPECT_TRUE(got == "head" + text.substr(100));
  }
}

TEST_F(IoFileSliceTest, APeerThatIsGoneIsAnErrorAndNoSignal) {
  const std::string text = pattern(300000);
  const std::shared_ptr<const File> file = file_of(text);
  for (const SendFileOptions& options : {by_sendfile(), by_reading()}) {
    Ends ends = make_sockets();
    ends.b.close();
    Chain head;
    FileSlice body(file, 0, text.size());
    EXPECT_EQ(send_all(FdSink(ends.a.fd()), head, body, options).error_number, EPIPE);
    EXPECT_EQ(head.size() + body.size(), text.size());
    // A reset in the middle: the peer closes with unread bytes and SO_LINGER 0.
    Ends tcp = make_tcp();
    const linger none{1, 0};
    ::setsockopt(tcp.b.fd(), SOL_SOCKET, SO_LINGER, &none, sizeof(none));
    set_nonblocking(tcp.a);
    FdSink sink(tcp.a.fd());
    FileSlice again(file, 0, text.size());
    size_t sent = 0;
    IoResult result;
    bool reset = false;
    for (int i = 0; i < 10000 && !result.is_error() && !(head.empty() && again.empty()); ++i) {
      result = send_some(sink, head, again, options);
      sent += result.bytes;
      if (sent > 30000 && !reset) {
        tcp.b.close();
        reset = true;
      }
    }
    head.clear();
    if (again.empty()) continue;  // the kernel's buffers took all before the reset came back
    EXPECT_TRUE(result.error_number == ECONNRESET || result.error_number == EPIPE);
  }
}

TEST_F(IoFileSliceTest, AFullDeviceKeepsTheRest) {
  const std::string text = pattern(100000);
  File full;
  ASSERT_FALSE(full.open("/dev/full", O_WRONLY).is_error());
  for (const SendFileOptions& options : {by_sendfile(), by_reading()}) {
    Chain head = chain_of("head", {4});
    FileSlice body(file_of(text), 0, text.size());
    EXPECT_EQ(send_all(FdSink(full.fd()), head, body, options),
              (IoResult{0, IoKind::error, ENOSPC}));
    EXPECT_EQ(head.size() + body.size(), text.size() + 4);
    EXPECT_TRUE(head.starts_with("head"));
  }
}

TEST_F(IoFileSliceTest, NothingToSendMakesNoCall) {
  Chain head;
  FileSlice body;
  EXPECT_EQ(send_some(FdSink(-1), head, body), IoResult{});
  EXPECT_EQ(send_all(FdSink(-1), head, body), IoResult{});
}

}  // namespace
}  // namespace bight
