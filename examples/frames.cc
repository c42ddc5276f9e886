// Length-prefixed frames on a socket: a u32 big-endian length, then as many bytes. Each frame is
// answered with a header (the length) and a body that shares the received memory; copied are the
// 4 header bytes, and what write_all gathers because it is shorter than 1 KiB (counted apart).
// Frames may come cut at any byte, or many in one read.
#include <bight/bight.h>
#include <bight/io/fd_sink.h>
#include <bight/io/fd_source.h>
#include <bight/io/read.h>
#include <bight/io/write.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <iostream>
#include <string>
#include <thread>

// Serves a blocking descriptor. True if the peer ended between two frames.
bool serve(int fd) {
  bight::FdSource source(fd);
  bight::FdSink sink(fd);
  bight::ChainBuilder room;  // lends its blocks to the reads
  bight::ReadSize size;      // learns how much room to offer
  bight::Chain received;     // what has come and is not answered yet
  for (;;) {
    const bight::IoResult got = bight::read_some(source, room, size);
    received.push_back(room.take());  // bytes may have come whatever got.kind says
    bight::Chain answers;             // to every whole frame of this read, sent together
    bight::Cursor in(received);
    auto frame = in.try_read_prefixed<uint32_t>(4096);
    for (; frame; frame = in.try_read_prefixed<uint32_t>(4096)) {
      bight::BytesBuilder header;
      header.put_be(static_cast<uint32_t>(frame->size()));
      answers.push_back(std::move(header).freeze());
      answers.push_back(*frame);  // shared
    }
    received.consume(in.position());  // `in` stayed behind the last whole frame and ends here
    if (bight::write_all(sink, answers).kind != bight::IoKind::data) return false;
    if (frame.status() != bight::ReadStatus::need_more) return false;  // too_long
    if (got.kind == bight::IoKind::eof) return received.empty();       // else cut within a frame
    if (got.kind != bight::IoKind::data) return false;
  }
}

int main() {
  alarm(20);  // nothing here may hang
  const std::string good("\0\0\0\5hello\0\0\0\0\0\0\0\6frames", 23), too_long("\0\0\x10\1", 4);
  const bight::CopyAudit audit;
  size_t runs = 0, passed = 0;
  for (const std::string& tail : {std::string(), good.substr(0, 3), good.substr(0, 8), too_long})
    for (size_t piece = 1; piece <= good.size() + tail.size(); ++piece, ++runs) {
      int fds[2];
      bool clean = false;
      if (socketpair(AF_UNIX, SOCK_STREAM, 0, fds) != 0) return 1;
      std::thread server([&] { clean = serve(fds[1]), shutdown(fds[1], SHUT_RDWR); });
      std::string rest = good + tail, reply;
      for (; !rest.empty(); rest.erase(0, piece), usleep(300))  // so that the pieces come apart
        send(fds[0], rest.data(), std::min(piece, rest.size()), MSG_NOSIGNAL);
      if (tail != too_long) shutdown(fds[0], SHUT_WR);  // that one serve() must end by itself
      char buffer[4096];
      for (ssize_t n; (n = read(fds[0], buffer, sizeof buffer)) > 0;) reply.append(buffer, n);
      server.join(), close(fds[0]), close(fds[1]);
      passed += reply == good && clean == tail.empty();  // an answer looks like its request
    }
  const bool ok = passed == runs && audit.process().copied == runs * 3 * 4;  // the headers alone
  std::cout << (ok ? "ok, " : "FAILED, ") << passed << " of " << runs << " connections, "
            << audit.process().copied << " bytes copied\n";
  return ok ? 0 : 1;
}
