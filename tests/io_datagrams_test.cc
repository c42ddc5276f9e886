// Datagrams over loopback UDP and Unix sockets.
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <cstddef>
#include <cstdlib>
#include <string>
#include <utility>
#include <vector>

#include "bight/bytes.h"
#include "bight/chain.h"
#include "bight/copy_audit.h"
#include "bight/io/datagrams.h"
#include "bight/io/file.h"
#include "tests/io_support.h"

namespace bight {
namespace {

using IoDatagramsTest = NoDescriptorLeaks;

DatagramAddress address_of(const File& socket) {
  DatagramAddress address;
  address.size = sizeof(address.storage);
  EXPECT_EQ(::getsockname(socket.fd(), address.get(), &address.size), 0);
  return address;
}

File make_udp() {
  File socket(::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  if (::bind(socket.fd(), reinterpret_cast<sockaddr*>(&address), sizeof(address)) != 0) {
    std::abort();
  }
  const int large = 4 << 20;
  ::setsockopt(socket.fd(), SOL_SOCKET, SO_RCVBUF, &large, sizeof(large));
  return socket;
}

// Everything that has come.
std::vector<Datagram> drain(DatagramReceiver& receiver, const File& socket) {
  std::vector<Datagram> all;
  for (;;) {
    const size_t before = all.size();
    const DatagramResult result = receiver.receive(socket.fd(), all);
    EXPECT_EQ(result.datagrams, all.size() - before);
    if (result.datagrams == 0) {
      EXPECT_EQ(result.io.kind, IoKind::would_block);
      return all;
    }
  }
}

TEST_F(IoDatagramsTest, ManyGoInOrderEachInItsOwnBytes) {
  const File to = make_udp();
  const File from = make_udp();
  std::vector<OutgoingDatagram> out;
  size_t bytes = 0;
  for (uint32_t i = 0; i < 100; ++i) {
    const size_t size = i == 50 ? 0 : 1 + i * 13 % 1400;
    out.push_back({chain_of(pattern(size, i), {7, 300}), address_of(to)});
    bytes += size;
  }
  const CopyAudit audit;
  const DatagramResult sent = send_datagrams(from.fd(), out);
  EXPECT_EQ(sent.io, (IoResult{bytes}));
  EXPECT_EQ(sent.datagrams, 100u);
  DatagramReceiver receiver;
  const std::vector<Datagram> in = drain(receiver, to);
  EXPECT_EQ(audit.thread().copied, 0u);
  EXPECT_LE(audit.thread().blocks, 4u) << "32 share a block";
  ASSERT_EQ(in.size(), 100u);
  const DatagramAddress sender = address_of(from);
  for (uint32_t i = 0; i < 100; ++i) {
    EXPECT_EQ(in[i].payload, out[i].payload.flatten());
    EXPECT_EQ(in[i].wire_size, out[i].payload.size());
    EXPECT_FALSE(in[i].truncated());
    ASSERT_EQ(in[i].peer.size, sender.size);
    EXPECT_EQ(std::memcmp(in[i].peer.get(), sender.get(), sender.size), 0);
  }
}

TEST_F(IoDatagramsTest, TruncationIsReportedWithTheTrueSize) {
  const File to = make_udp();
  const std::string text = pattern(1000);
  std::vector<OutgoingDatagram> out;
  for (const size_t size : {99u, 100u, 101u, 1000u, 5u}) {
    out.push_back({chain_of(text.substr(0, size), {400}), address_of(to)});
  }
  ASSERT_EQ(send_datagrams(make_udp().fd(), out).datagrams, 5u);
  DatagramReceiver receiver({100, 4});
  const std::vector<Datagram> in = drain(receiver, to);
  ASSERT_EQ(in.size(), 5u);
  for (size_t i = 0; i < 5; ++i) {
    const size_t size = out[i].payload.size();
    EXPECT_EQ(in[i].payload, text.substr(0, std::min<size_t>(size, 100)));
    EXPECT_EQ(in[i].wire_size, size);
    EXPECT_EQ(in[i].truncated(), size > 100);
  }
}

TEST_F(IoDatagramsTest, WithoutDatagramsItWouldBlockAndKeepsItsRoom) {
  const File to = make_udp();
  DatagramReceiver receiver;
  std::vector<Datagram> in;
  EXPECT_EQ(receiver.receive(to.fd(), in).io, (IoResult{0, IoKind::would_block, EAGAIN}));
  const CopyAudit audit;
  for (int i = 0; i < 100; ++i) receiver.receive(to.fd(), in);
  EXPECT_EQ(audit.thread().blocks, 0u);
  EXPECT_TRUE(in.empty());
  EXPECT_EQ(receiver.receive(-1, in).io.error_number, EBADF);
}

TEST_F(IoDatagramsTest, AnErrorKeepsTheCountOfWhatWent) {
  const File to = make_udp();
  std::vector<OutgoingDatagram> out(4, OutgoingDatagram{chain_of("abc", {1}), address_of(to)});
  out[2].payload = chain_of(std::string(70000, 'x'), {70000});
  DatagramResult sent = send_datagrams(make_udp().fd(), out);
  EXPECT_EQ(sent.datagrams, 2u);
  EXPECT_EQ(sent.io, (IoResult{6, IoKind::error, EMSGSIZE}));
  out[2].payload = chain_of(std::string(1025, 'x'), {1});
  sent = send_datagrams(make_udp().fd(), out);
  EXPECT_EQ(sent.datagrams, 2u);
  EXPECT_EQ(sent.io, (IoResult{6, IoKind::error, EMSGSIZE}));
  DatagramReceiver receiver;
  EXPECT_EQ(drain(receiver, to).size(), 4u);
}

TEST_F(IoDatagramsTest, AFullUnixSocketIsResumedWithoutLossOrDouble) {
  Ends ends = make_sockets(SOCK_DGRAM);
  set_nonblocking(ends.a);
  set_nonblocking(ends.b);
  std::vector<OutgoingDatagram> out;
  for (uint32_t i = 0; i < 1000; ++i) {
    out.push_back({chain_of(std::to_string(i), {1}), {}});
  }
  std::span<const OutgoingDatagram> left(out);
  DatagramReceiver receiver;
  std::vector<Datagram> in;
  size_t blocked = 0;
  while (!left.empty()) {
    const DatagramResult sent = send_datagrams(ends.a.fd(), left);
    left = left.subspan(sent.datagrams);
    if (sent.io.kind != IoKind::data) {
      ASSERT_EQ(sent.io.kind, IoKind::would_block);
      ++blocked;
      receiver.receive(ends.b.fd(), in);
    }
  }
  EXPECT_GT(blocked, 0u);
  for (Datagram& datagram : drain(receiver, ends.b)) in.push_back(std::move(datagram));
  ASSERT_EQ(in.size(), 1000u);
  for (size_t i = 0; i < 1000; ++i) EXPECT_EQ(in[i].payload, std::to_string(i));
}

TEST_F(IoDatagramsTest, SegmentsArriveAlikeWithAndWithoutTheKernelsHelp) {
  for (const bool gso : {true, false}) {
    for (const bool gro : {true, false}) {
      const File to = make_udp();
      const File from = make_udp();
      // Where the kernel has it; nothing changes for the caller where it has not.
      if (gro) static_cast<void>(DatagramReceiver::enable_gro(to.fd()));
      const std::string text = pattern(200000);
      Chain payload = chain_of(text, {1000, 9000});
      SegmentSender sender(1200);
      sender.use_gso(gso);
      const CopyAudit audit;
      const DatagramResult sent = sender.send(from.fd(), payload, address_of(to));
      EXPECT_EQ(sent.io, (IoResult{text.size()}));
      EXPECT_EQ(sent.datagrams, 167u);
      EXPECT_TRUE(payload.empty());
      DatagramReceiver receiver({65535, 8});
      const std::vector<Datagram> in = drain(receiver, to);
      EXPECT_EQ(audit.thread().copied, 0u);
      ASSERT_EQ(in.size(), 167u);
      Chain all;
      for (const Datagram& datagram : in) {
        EXPECT_FALSE(datagram.truncated());
        EXPECT_EQ(datagram.payload.size(), &datagram == &in.back() ? 800u : 1200u);
        all.push_back(datagram.payload);
      }
      EXPECT_EQ(all, ByteView(text));
    }
  }
}

TEST_F(IoDatagramsTest, WhereTheKernelDoesNotCutTheSenderDoes) {
  // A Unix socket knows nothing of UDP_SEGMENT.
  Ends ends = make_sockets(SOCK_DGRAM);
  set_nonblocking(ends.a);
  set_nonblocking(ends.b);
  // And more segments than one call takes go cut here in any case.
  const std::string text = pattern(5000);
  Chain payload = chain_of(text, {1});
  SegmentSender sender(1000);
  std::vector<Datagram> in;
  DatagramReceiver receiver;
  const DatagramResult sent = sender.send(ends.a.fd(), payload);
  EXPECT_EQ(sent.io, (IoResult{text.size()}));
  EXPECT_EQ(sent.datagrams, 5u);
  in = drain(receiver, ends.b);
  Chain all;
  for (const Datagram& datagram : in) all.push_back(datagram.payload);
  EXPECT_EQ(in.size(), 5u);
  EXPECT_EQ(all, ByteView(text));
  EXPECT_FALSE(sender.uses_gso());
}

TEST_F(IoDatagramsTest, TheSenderConsumesWholeDatagramsOnly) {
  Ends ends = make_sockets(SOCK_DGRAM);
  set_nonblocking(ends.a);
  set_nonblocking(ends.b);
  const std::string text = pattern(100050);
  Chain payload = chain_of(text, {3000});
  SegmentSender sender(100);
  DatagramReceiver receiver;
  std::vector<Datagram> in;
  size_t datagrams = 0;
  for (int i = 0; i < 100000 && !payload.empty(); ++i) {
    const DatagramResult sent = sender.send(ends.a.fd(), payload);
    datagrams += sent.datagrams;
    if (sent.io.kind == IoKind::data) break;
    ASSERT_EQ(sent.io.kind, IoKind::would_block);
    ASSERT_EQ(payload.size() % 100, 50u);
    receiver.receive(ends.b.fd(), in);
  }
  for (Datagram& datagram : drain(receiver, ends.b)) in.push_back(std::move(datagram));
  EXPECT_EQ(datagrams, 1001u);
  ASSERT_EQ(in.size(), 1001u);
  Chain all;
  for (const Datagram& datagram : in) all.push_back(datagram.payload);
  EXPECT_EQ(all, ByteView(text));
}

TEST(IoDatagramsDeathTest, ASegmentSizeThatNoDatagramHoldsStopsTheProgram) {
  EXPECT_DEATH(SegmentSender(0), "SegmentSender of");
  EXPECT_DEATH(SegmentSender(65508), "65508");
}

}  // namespace
}  // namespace bight
