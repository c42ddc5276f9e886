// A header of 200 B and a file slice to a Unix and a TCP socket: the two raw ways, and send_all by
// each of them and as it chooses itself. docs/files.md has the table that the defaults of
// SendFileOptions come from, and the command that prints it anew.
#include <benchmark/benchmark.h>
#include <netinet/in.h>
#include <signal.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "bight/bytes.h"
#include "bight/chain.h"
#include "bight/io/fd_sink.h"
#include "bight/io/file.h"
#include "bight/io/file_slice.h"
#include "bight/io/send_file.h"

namespace {

using bight::File;

enum Transport { kUnix, kTcp };
enum Way { kRawSendfile, kRawRead, kBySendfile, kByReading, kDefault };

// A connection whose other end is drained into one warm buffer.
class Drained {
 public:
  explicit Drained(Transport transport) {
    int fds[2] = {-1, -1};
    if (transport == kUnix) {
      if (::socketpair(AF_UNIX, SOCK_STREAM, 0, fds) != 0) std::abort();
    } else {
      const File listener(::socket(AF_INET, SOCK_STREAM, 0));
      sockaddr_in address{};
      address.sin_family = AF_INET;
      address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
      socklen_t size = sizeof(address);
      auto* const name = reinterpret_cast<sockaddr*>(&address);
      if (::bind(listener.fd(), name, size) != 0 || ::listen(listener.fd(), 1) != 0 ||
          ::getsockname(listener.fd(), name, &size) != 0) {
        std::abort();
      }
      fds[0] = ::socket(AF_INET, SOCK_STREAM, 0);
      if (::connect(fds[0], name, size) != 0) std::abort();
      fds[1] = ::accept(listener.fd(), nullptr, nullptr);
    }
    end_ = File(fds[0]);
    drain_ = std::thread([other = fds[1]] {
      const File file(other);
      std::vector<char> buffer(size_t{256} << 10);
      while (::read(file.fd(), buffer.data(), buffer.size()) > 0) {
      }
    });
  }
  ~Drained() {
    end_.close();
    drain_.join();
  }
  int fd() const { return end_.fd(); }

 private:
  File end_;
  std::thread drain_;
};

void raw_write(int fd, iovec* entries, int count) {
  while (count != 0) {
    ssize_t n = ::writev(fd, entries, count);
    if (n < 0) std::abort();
    while (count != 0 && static_cast<size_t>(n) >= entries->iov_len) {
      n -= static_cast<ssize_t>(entries->iov_len);
      ++entries;
      --count;
    }
    if (count != 0) {
      entries->iov_base = static_cast<char*>(entries->iov_base) + n;
      entries->iov_len -= static_cast<size_t>(n);
    }
  }
}

void BM_SendFile(benchmark::State& state) {
  const auto transport = static_cast<Transport>(state.range(0));
  const auto way = static_cast<Way>(state.range(1));
  const auto size = static_cast<size_t>(state.range(2));
  char name[] = "/tmp/bight_bench_XXXXXX";
  auto file = std::make_shared<File>(::mkstemp(name));
  ::unlink(name);
  if (file->write_at(0, std::string(size, 'x')).bytes != size) std::abort();
  const bight::Bytes header = bight::Bytes::copy_of(std::string(200, 'h'));
  std::vector<char> buffer(size_t{256} << 10);
  {
    // Who calls sendfile must do so anyway; bight works without, at the cost of four calls.
    ::signal(SIGPIPE, SIG_IGN);
    const Drained connection(transport);
    bight::FdSink sink(connection.fd(), bight::FdKind::socket);
    bight::SendFileOptions options;
    if (way == kBySendfile) options.sendfile_from = options.network_sendfile_from = 0;
    if (way == kByReading) options.sendfile_from = options.network_sendfile_from = UINT64_MAX;
    for (auto _ : state) {
      if (way == kRawSendfile) {
        if (::send(sink.fd(), header.data(), header.size(), MSG_MORE) < 0) std::abort();
        off_t offset = 0;
        while (static_cast<size_t>(offset) < size) {
          if (::sendfile(sink.fd(), file->fd(), &offset, size - static_cast<size_t>(offset)) < 0) {
            std::abort();
          }
        }
      } else if (way == kRawRead) {
        iovec entries[2] = {{const_cast<std::byte*>(header.data()), header.size()}, {}};
        int first = 0;
        for (size_t at = 0; at < size;) {
          const ssize_t n =
              ::pread(file->fd(), buffer.data(), buffer.size(), static_cast<off_t>(at));
          if (n <= 0) std::abort();
          entries[1] = {buffer.data(), static_cast<size_t>(n)};
          raw_write(sink.fd(), entries + first, 2 - first);
          first = 1;
          at += static_cast<size_t>(n);
        }
      } else {
        bight::Chain head(header);
        bight::FileSlice body(file, 0, size);
        if (send_all(sink, head, body, options).bytes != size + header.size()) std::abort();
      }
    }
  }
  state.SetBytesProcessed(state.iterations() * static_cast<int64_t>(size));
}
BENCHMARK(BM_SendFile)
    ->ArgNames({"tcp", "way", "size"})
    ->ArgsProduct({{kUnix, kTcp},
                   {kRawSendfile, kRawRead, kBySendfile, kByReading, kDefault},
                   benchmark::CreateRange(4 << 10, 1 << 20, 2)})
    ->MeasureProcessCPUTime()
    ->UseRealTime();

}  // namespace
