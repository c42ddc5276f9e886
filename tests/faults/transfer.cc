// One transfer of a kind, for injected_faults_test.cc to run under strace: any system call of it
// may fail at any time. It goes on the way a careful caller does, and after each fault it looks
// whether the count, what is left to send and what has come agree.
//
//   faults_transfer KIND      says "ready", waits for the end of its standard input
//
// Exit 0: all has arrived, once and in order; 1: not, and says what.
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <memory_resource>
#include <new>
#include <span>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "bight/chain.h"
#include "bight/chain_builder.h"
#include "bight/io/copy.h"
#include "bight/io/datagrams.h"
#include "bight/io/descriptor_passing.h"
#include "bight/io/direct_io.h"
#include "bight/io/fd_sink.h"
#include "bight/io/fd_source.h"
#include "bight/io/file.h"
#include "bight/io/file_slice.h"
#include "bight/io/read.h"
#include "bight/io/send_file.h"
#include "bight/io/whole_file.h"
#include "bight/io/write.h"
#include "tests/io_support.h"

namespace bight {
namespace {

// Faults of one run at most; then something goes on failing that should not.
constexpr int kMostFaults = 20000;
std::atomic<int> faults{0};

[[noreturn]] void fail(const char* what, const IoResult& result) {
  std::fprintf(stderr, "%s: %s\n", what, result.message().c_str());
  std::_Exit(1);
}
void check(bool held, const char* what, const IoResult& result = {}) {
  if (!held) fail(what, result);
}

// An obstacle was met at `fd`: waits if it would block, else lets the caller try again.
void meet(const IoResult& result, int fd, short events) {
  check(result.kind == IoKind::would_block || result.kind == IoKind::error, "unexpected", result);
  check(++faults < kMostFaults, "no end of faults", result);
  if (result.kind == IoKind::would_block) {
    pollfd entry{fd, events, 0};
    ::poll(&entry, 1, 20);  // an injected EAGAIN is ready at once, and poll may itself fail
  }
}

const std::string& text() {
  static const std::string all = pattern(600000);
  return all;
}

// Memory of the builders, counted: what is left at the end is a leak.
class CountingResource final : public std::pmr::memory_resource {
 public:
  size_t left() const { return left_.load(); }

 private:
  void* do_allocate(size_t bytes, size_t alignment) override {
    left_ += bytes;
    return ::operator new(bytes, std::align_val_t(alignment));
  }
  void do_deallocate(void* place, size_t bytes, size_t alignment) override {
    left_ -= bytes;
    ::operator delete(place, std::align_val_t(alignment));
  }
  bool do_is_equal(const memory_resource& other) const noexcept override { return this == &other; }

  std::atomic<size_t> left_{0};
};
CountingResource memory;

ChainBuilder make_builder() {
  ChainBuilderOptions options;
  options.resource = &memory;
  return ChainBuilder(options);
}

// What the test itself does is tried until it works.
size_t count_descriptors() {
  size_t count = 0;
  while (count == 0) count = open_descriptors();
  return count;
}
File make_scratch_file() {
  while (true) {
    char name[] = "/tmp/bight_faults_XXXXXX";
    File file(::mkstemp(name));
    if (file.is_open()) {
      ::unlink(name);
      return file;
    }
    check(++faults < kMostFaults, "mkstemp");
  }
}

// A source that refuses nothing for good: reads until the end through every fault.
Chain receive_all(int fd) {
  ChainBuilder into = make_builder();
  Chain received;
  while (true) {
    const IoResult result = read_all(FdSource(fd), into, 1 << 20);
    Chain came = into.take();
    check(came.size() == result.bytes, "read_all counts what came", result);
    received.push_back(std::move(came));
    if (result.kind == IoKind::eof) return received;
    check(result.kind != IoKind::data, "the stream has no end", result);
    meet(result, fd, POLLIN);
  }
}

// A chain through a socket, small and large segments, in calls that each take what they can.
void sockets() {
  Ends ends = make_sockets();
  set_nonblocking(ends.a);
  set_nonblocking(ends.b);
  Chain received;
  std::thread reader([&] { received = receive_all(ends.b.fd()); });
  Chain chain = chain_of(text(), {100, 3000, 40, 40, 40, 20000});
  FdSink sink(ends.a.fd());
  size_t sent = 0;
  while (!chain.empty()) {
    const IoResult result = write_all(sink, chain);
    sent += result.bytes;
    check(sent + chain.size() == text().size(), "write_all keeps the rest", result);
    if (result.kind != IoKind::data) meet(result, sink.fd(), POLLOUT);
  }
  ends.a.close();
  reader.join();
  check(received == text(), "sockets: what came");
}

// Frames by a delimiter, and then a part of known size.
void frames() {
  Ends ends = make_sockets();
  set_nonblocking(ends.b);
  std::thread writer([&] {
    Chain chain;
    for (size_t i = 0; i < 200; ++i) chain.push_back(Bytes::copy_of(std::string(i, 'x') + "\r\n"));
    chain.push_back(Bytes::copy_of(text()));
    FdSink sink(ends.a.fd());
    while (!chain.empty()) {
      const IoResult result = write_all(sink, chain);
      if (result.kind != IoKind::data) meet(result, sink.fd(), POLLOUT);
    }
    ends.a.close();
  });
  FdSource source(ends.b.fd());
  ChainBuilder room = make_builder();
  Chain pending;
  for (size_t i = 0; i < 200; ++i) {
    ReadUntilResult result;
    while (result.frame == 0) {
      result = read_until(source, room, pending, "\r\n", 5000000, result.searched);
      if (result.frame == 0) meet(result.io, source.fd(), POLLIN);
    }
    check(pending.split_to(result.frame) == std::string(i, 'x') + "\r\n", "frames: a line");
  }
  while (pending.size() < text().size()) {
    const IoResult result = read_exactly(source, room, text().size() - pending.size());
    Chain came = room.take();
    check(came.size() == result.bytes, "read_exactly counts what came", result);
    pending.push_back(std::move(came));
    if (result.kind != IoKind::data) meet(result, source.fd(), POLLIN);
  }
  writer.join();
  check(pending == text(), "frames: the part of known size");
}

// From a pipe into a socket.
void copies() {
  Ends pipe = make_pipe();
  Ends ends = make_sockets();
  set_nonblocking(pipe.b);
  set_nonblocking(ends.a);
  set_nonblocking(ends.b);
  std::thread writer([&] {
    Chain chain = chain_of(text(), {7000});
    FdSink sink(pipe.a.fd());
    while (!chain.empty()) {
      const IoResult result = write_all(sink, chain);
      if (result.kind != IoKind::data) meet(result, sink.fd(), POLLOUT);
    }
    pipe.a.close();
  });
  Chain received;
  std::thread reader([&] { received = receive_all(ends.b.fd()); });
  Chain pending;
  size_t sent = 0;
  while (true) {
    const IoResult result = copy(FdSource(pipe.b.fd()), FdSink(ends.a.fd()), pending);
    sent += result.bytes;
    if (result.kind == IoKind::eof) break;
    meet(result, pending.empty() ? pipe.b.fd() : ends.a.fd(), pending.empty() ? POLLIN : POLLOUT);
  }
  check(sent == text().size(), "copy counts what was written");
  ends.a.close();
  writer.join();
  reader.join();
  check(received == text(), "copies: what came");
}

// A file behind a header into a socket: by sendfile, and read and written where that is refused.
void slices() {
  const auto file = std::make_shared<File>(make_scratch_file());
  for (size_t at = 0; at < text().size();) {
    const IoResult result = file->write_at(at, ByteView(std::string_view(text()).substr(at)));
    at += result.bytes;
    if (result.kind != IoKind::data) meet(result, file->fd(), POLLOUT);
  }
  Ends ends = make_sockets();
  set_nonblocking(ends.a);
  set_nonblocking(ends.b);
  Chain received;
  std::thread reader([&] { received = receive_all(ends.b.fd()); });
  FdSink sink(ends.a.fd());
  Chain head = chain_of("a header in front", {5});
  const size_t total = head.size() + text().size();
  FileSlice body(file, 0, text().size());
  size_t sent = 0;
  while (!head.empty() || !body.empty()) {
    const IoResult result = send_all(sink, head, body);
    sent += result.bytes;
    check(sent + head.size() + body.size() == total, "send_all keeps the rest", result);
    if (result.kind != IoKind::data) meet(result, sink.fd(), POLLOUT);
  }
  ends.a.close();
  reader.join();
  check(received == "a header in front" + text(), "slices: what came");
}

// Positional reads and writes, whole files, and file to file.
void files() {
  char folder[] = "/tmp/bight_faults_XXXXXX";
  check(::mkdtemp(folder) != nullptr, "mkdtemp");
  const std::string name = std::string(folder) + "/file";
  // Each attempt leaves all or nothing.
  const Chain content = chain_of(text(), {100, 9000});
  for (bool first = true;; first = false) {
    const IoResult result = write_file_atomic(name.c_str(), content);
    if (result.kind == IoKind::data) break;
    check(!first || faults == 0 || ::access(name.c_str(), F_OK) != 0, "half a file", result);
    meet(result, -1, 0);
  }
  Chain read;
  while (true) {
    const Chain before = read;
    const IoResult result = read_file(name.c_str(), read);
    if (result.kind == IoKind::data) break;
    check(read == before, "read_file changes nothing by an error", result);
    meet(result, -1, 0);
  }
  check(read == text(), "files: what read_file gives");

  File from;
  while (from.open(name.c_str(), O_RDONLY).is_error()) check(++faults < kMostFaults, "open");
  ChainBuilder into = make_builder();
  Chain parts;
  while (parts.size() < text().size()) {
    const IoResult result = from.read_at(parts.size(), text().size() - parts.size(), into);
    Chain came = into.take();
    check(came.size() == result.bytes, "read_at counts what came", result);
    parts.push_back(std::move(came));
    if (result.kind != IoKind::data) meet(result, from.fd(), POLLIN);
  }
  check(parts == text(), "files: what read_at gives");

  const File to = make_scratch_file();
  for (size_t at = 0; at < text().size();) {
    const IoResult result = copy_at(from, at, to, at, text().size() - at);
    at += result.bytes;
    if (result.kind != IoKind::data) meet(result, to.fd(), POLLOUT);
  }
  for (size_t at = 0; at < text().size();) {
    Chain rest = content.slice(at, content.size() - at);
    const IoResult result = to.write_at(text().size() + at, rest);
    at += result.bytes;
    if (result.kind != IoKind::data) meet(result, to.fd(), POLLOUT);
  }
  struct stat status {};
  check(::stat(("/proc/self/fd/" + std::to_string(to.fd())).c_str(), &status) == 0 &&
            static_cast<size_t>(status.st_size) == 2 * text().size(),
        "files: the size of the copy");
  std::string back(2 * text().size(), '\0');
  for (size_t at = 0; at < back.size();) {
    const IoResult result =
        to.read_at(at, std::as_writable_bytes(std::span(back.data() + at, back.size() - at)));
    at += result.bytes;
    if (result.kind != IoKind::data) meet(result, to.fd(), POLLIN);
  }
  check(back == text() + text(), "files: the copy");
  // No temporary file is left behind by the attempts that failed.
  ::unlink(name.c_str());
  check(::rmdir(folder) == 0, "something is left in the folder");
}

// Datagrams over loopback, counted and acknowledged one batch at a time, so that none is dropped
// for want of room.
void datagrams() {
  const auto make = [] {
    File socket(::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
    sockaddr_in any{};
    any.sin_family = AF_INET;
    any.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    check(::bind(socket.fd(), reinterpret_cast<sockaddr*>(&any), sizeof(any)) == 0, "bind");
    return socket;
  };
  const File to = make();
  const File from = make();
  DatagramAddress peer;
  peer.size = sizeof(peer.storage);
  check(::getsockname(to.fd(), peer.get(), &peer.size) == 0, "getsockname");
  DatagramReceiver receiver;
  for (uint32_t round = 0; round < 10; ++round) {
    std::vector<OutgoingDatagram> out;
    for (uint32_t i = 0; i < 20; ++i) {
      out.push_back({chain_of(pattern(1 + i * 37, round * 100 + i), {50, 300}), peer});
    }
    for (size_t sent = 0; sent < out.size();) {
      const DatagramResult result = send_datagrams(from.fd(), std::span(out).subspan(sent));
      size_t bytes = 0;
      for (size_t i = 0; i < result.datagrams; ++i) bytes += out[sent + i].payload.size();
      check(bytes == result.io.bytes, "send_datagrams counts what went", result.io);
      sent += result.datagrams;
      if (result.io.kind != IoKind::data) meet(result.io, from.fd(), POLLOUT);
    }
    std::vector<Datagram> in;
    while (in.size() < out.size()) {
      const size_t before = in.size();
      const DatagramResult result = receiver.receive(to.fd(), in);
      check(in.size() - before == result.datagrams, "receive counts what came", result.io);
      if (result.io.kind != IoKind::data) meet(result.io, to.fd(), POLLIN);
    }
    for (size_t i = 0; i < out.size(); ++i) {
      check(in[i].payload == out[i].payload.flatten(), "datagrams: what came");
    }
  }
}

// Descriptors beside bytes: each goes along exactly once.
void descriptors() {
  const size_t before = count_descriptors();
  {
    Ends ends = make_sockets();
    set_nonblocking(ends.a);
    set_nonblocking(ends.b);
    ChainBuilder into = make_builder();
    std::vector<File> files;
    for (uint32_t round = 0; round < 30; ++round) {
      const File pipe_end = make_scratch_file();
      const int passed[] = {pipe_end.fd(), ends.a.fd()};
      Chain message = chain_of(pattern(500, round), {100});
      size_t sent = 0;
      while (sent == 0) {
        const IoResult result = send_with_descriptors(ends.a.fd(), message, passed);
        sent = result.bytes;
        if (sent == 0) meet(result, ends.a.fd(), POLLOUT);
      }
      while (!message.empty()) {
        const IoResult result = write_some(FdSink(ends.a.fd()), message);
        if (result.kind != IoKind::data) meet(result, ends.a.fd(), POLLOUT);
      }
      Chain received;
      size_t came = 0;
      while (received.size() < 500) {
        const DescriptorReceipt receipt =
            receive_with_descriptors(ends.b.fd(), into, 500 - received.size(), files);
        check(!receipt.descriptors_lost, "a descriptor is lost", receipt.io);
        came += receipt.descriptors;
        received.push_back(into.take());
        if (receipt.io.kind != IoKind::data) meet(receipt.io, ends.b.fd(), POLLIN);
      }
      check(received == pattern(500, round), "descriptors: the bytes");
      check(came == 2 && files.size() == 2, "descriptors: each once");
      files.clear();
    }
  }
  check(count_descriptors() == before, "a descriptor is left open");
}

// Whole blocks past the page cache.
void direct() {
  char name[] = "./bight_faults_XXXXXX";
  const int made = ::mkstemp(name);
  check(made >= 0, "mkstemp");
  ::close(made);
  File file;
  bool is_direct = false;
  while (open_direct(name, O_RDWR, DirectFallback::buffered, file, is_direct).is_error()) {
    check(++faults < kMostFaults, "open_direct");
  }
  const std::string blocks = pattern(256 * kDirectAlignment);
  ChainBuilder from(direct_blocks(1 << 20));
  from.append(blocks);
  const Chain content = from.take();
  for (size_t at = 0; at < blocks.size();) {
    const IoResult result = write_direct(file, at, content.slice(at, blocks.size() - at));
    at += result.bytes;
    if (result.kind != IoKind::data) meet(result, -1, 0);
    at -= at % kDirectAlignment;
  }
  Chain read;
  while (read.size() < blocks.size()) {
    ChainBuilder into(direct_blocks(1 << 18));
    const IoResult result = read_direct(file, read.size(), blocks.size() - read.size(), into);
    Chain came = into.take();
    check(came.size() == result.bytes, "read_direct counts what came", result);
    read.push_back(came.slice(0, came.size() - came.size() % kDirectAlignment));
    if (result.kind != IoKind::data) meet(result, -1, 0);
  }
  check(read == blocks, "direct: what came");
  ::unlink(name);
}

struct Kind {
  const char* name;
  void (*run)();
};
constexpr Kind kKinds[] = {
    {"sockets", sockets},         {"frames", frames}, {"copies", copies},
    {"slices", slices},           {"files", files},   {"datagrams", datagrams},
    {"descriptors", descriptors}, {"direct", direct}};

}  // namespace
}  // namespace bight

int main(int argc, char** argv) {
  for (const bight::Kind& kind : bight::kKinds) {
    if (argc != 2 || std::strcmp(kind.name, argv[1]) != 0) continue;
    ::alarm(100);
    // A signal that interrupts: its handler does nothing, and no call is restarted for it.
    struct sigaction action {};
    action.sa_handler = [](int) {};
    ::sigaction(SIGUSR1, &action, nullptr);
    // The tracer attaches before anything is transferred, so that what starts a program (whose
    // reads must not fail) lies behind. The end of the standard input says that it has; it is
    // waited for by a call that is never made to fail.
    ::prctl(PR_SET_PTRACER, PR_SET_PTRACER_ANY, 0, 0, 0);
    std::puts("ready");
    std::fflush(stdout);
    pollfd go{STDIN_FILENO, 0, 0};
    while (::poll(&go, 1, -1) != 1) continue;
    const size_t descriptors = bight::count_descriptors();
    kind.run();
    bight::check(bight::count_descriptors() == descriptors, "a descriptor is left open");
    bight::check(bight::memory.left() == 0, "a block is left");
    std::printf("%s: all arrived; %d faults were seen\n", kind.name, bight::faults.load());
    return 0;
  }
  std::fprintf(stderr, "faults_transfer KIND\n");
  return 2;
}
