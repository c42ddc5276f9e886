// Descriptors beside bytes: owned at once, closed on exec, none leaked whatever is lost.
#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <cstddef>
#include <string>
#include <utility>
#include <vector>

#include "bight/bytes.h"
#include "bight/chain.h"
#include "bight/chain_builder.h"
#include "bight/copy_audit.h"
#include "bight/io/descriptor_passing.h"
#include "bight/io/fd_sink.h"
#include "bight/io/file.h"
#include "bight/io/sealed_memory.h"
#include "bight/io/write.h"
#include "tests/io_support.h"

namespace bight {
namespace {

using IoDescriptorPassingTest = NoDescriptorLeaks;

TEST_F(IoDescriptorPassingTest, ABodyInSealedMemoryTravelsBesideItsHeader) {
  const std::string text = pattern(100000);
  Ends ends = make_sockets();
  File body;
  ASSERT_EQ(make_sealed_memory(chain_of(text, {3000}), "body", body).bytes, text.size());
  const int fd = body.fd();
  Chain header = chain_of("header", {2, 4});
  const CopyAudit audit;
  EXPECT_EQ(send_with_descriptors(ends.a.fd(), header, {&fd, 1}), (IoResult{6}));
  EXPECT_TRUE(header.empty());
  body.close();
  ChainBuilder into;
  std::vector<File> files;
  const DescriptorReceipt receipt = receive_with_descriptors(ends.b.fd(), into, 100, files);
  EXPECT_EQ(receipt.io, (IoResult{6}));
  EXPECT_EQ(receipt.descriptors, 1u);
  EXPECT_FALSE(receipt.descriptors_lost);
  EXPECT_EQ(into.take(), "header");
  ASSERT_EQ(files.size(), 1u);
  EXPECT_NE(::fcntl(files[0].fd(), F_GETFD) & FD_CLOEXEC, 0);
  Bytes mapped;
  ASSERT_EQ(map_sealed(files[0], mapped).bytes, text.size());
  EXPECT_EQ(mapped, ByteView(text));
  EXPECT_EQ(audit.thread().copied, 0u);
}

TEST_F(IoDescriptorPassingTest, AsManyAsTheKernelTakesAndNotOneMore) {
  Ends ends = make_sockets();
  const std::vector<int> fds(kMaxDescriptors + 1, ends.a.fd());
  Chain chain = chain_of("ab", {1});
  EXPECT_EQ(send_with_descriptors(ends.a.fd(), chain, fds), (IoResult{0, IoKind::error, EINVAL}));
  EXPECT_EQ(chain, "ab");
  EXPECT_EQ(send_with_descriptors(ends.a.fd(), chain, std::span(fds).first(kMaxDescriptors)),
            (IoResult{2}));
  ChainBuilder into;
  std::vector<File> files;
  const DescriptorReceipt receipt = receive_with_descriptors(ends.b.fd(), into, 100, files);
  EXPECT_EQ(receipt.descriptors, kMaxDescriptors);
  EXPECT_EQ(files.size(), kMaxDescriptors);
  EXPECT_FALSE(receipt.descriptors_lost);
}

TEST_F(IoDescriptorPassingTest, WhatWasNotWantedIsClosedAndReported) {
  Ends ends = make_sockets();
  const std::vector<int> fds(5, ends.a.fd());
  for (const size_t wanted : {0u, 1u, 4u}) {
    Chain chain = chain_of("x", {1});
    ASSERT_EQ(send_with_descriptors(ends.a.fd(), chain, fds).bytes, 1u);
    const size_t before = open_descriptors();
    ChainBuilder into;
    std::vector<File> files;
    const DescriptorReceipt receipt =
        receive_with_descriptors(ends.b.fd(), into, 100, files, wanted);
    EXPECT_EQ(receipt.io, (IoResult{1}));
    EXPECT_EQ(receipt.descriptors, wanted);
    EXPECT_TRUE(receipt.descriptors_lost);
    EXPECT_EQ(open_descriptors(), before + wanted);
    EXPECT_EQ(into.take(), "x");
  }
}

TEST_F(IoDescriptorPassingTest, AProcessWithoutRoomLosesTheRestAndLeaksNothing) {
  Ends ends = make_sockets();
  const std::vector<int> fds(10, ends.a.fd());
  Chain chain = chain_of("bytes", {5});
  ASSERT_EQ(send_with_descriptors(ends.a.fd(), chain, fds).bytes, 5u);
  rlimit before{};
  ASSERT_EQ(::getrlimit(RLIMIT_NOFILE, &before), 0);
  const int next = ::dup(ends.a.fd());
  ::close(next);
  // Two more fit below the limit, if nothing above was left free.
  const rlimit limit{static_cast<rlim_t>(next) + 2, before.rlim_max};
  ASSERT_EQ(::setrlimit(RLIMIT_NOFILE, &limit), 0);
  ChainBuilder into;
  std::vector<File> files;
  const DescriptorReceipt receipt = receive_with_descriptors(ends.b.fd(), into, 100, files);
  ASSERT_EQ(::setrlimit(RLIMIT_NOFILE, &before), 0);
  EXPECT_EQ(receipt.io, (IoResult{5}));
  EXPECT_EQ(into.take(), "bytes");
  EXPECT_LE(receipt.descriptors, 2u);
  EXPECT_EQ(files.size(), receipt.descriptors);
  EXPECT_TRUE(receipt.descriptors_lost);
}

TEST_F(IoDescriptorPassingTest, AReadEndsWithTheMessageThatCarriesThem) {
  Ends ends = make_sockets();
  Ends pipe = make_pipe();
  const int fd = pipe.a.fd();
  Chain first = chain_of("first", {5});
  Chain second = chain_of("second", {6});
  ASSERT_EQ(send_with_descriptors(ends.a.fd(), first, {&fd, 1}).bytes, 5u);
  ASSERT_EQ(send_with_descriptors(ends.a.fd(), second, {&fd, 1}).bytes, 6u);
  ChainBuilder into;
  std::vector<File> files;
  EXPECT_EQ(receive_with_descriptors(ends.b.fd(), into, 100, files).io, (IoResult{5}));
  EXPECT_EQ(files.size(), 1u);
  EXPECT_EQ(receive_with_descriptors(ends.b.fd(), into, 100, files).io, (IoResult{6}));
  EXPECT_EQ(files.size(), 2u);
  EXPECT_EQ(into.take(), "firstsecond");
}

TEST_F(IoDescriptorPassingTest, AFullSocketTakesNeitherBytesNorDescriptors) {
  Ends ends = make_sockets();
  const int tiny = 4608;
  ::setsockopt(ends.a.fd(), SOL_SOCKET, SO_SNDBUF, &tiny, sizeof(tiny));
  set_nonblocking(ends.a);
  set_nonblocking(ends.b);
  const std::string text = pattern(100000);
  Ends pipe = make_pipe();
  const int fd = pipe.a.fd();
  Chain chain = chain_of(text, {700});
  size_t went = 0;
  std::vector<File> files;
  ChainBuilder into;
  FdSink sink(ends.a.fd());
  ASSERT_EQ(write_some(sink, chain, {1024, 4000}).bytes, 4000u);
  while (send_with_descriptors(ends.a.fd(), chain, {&fd, 1}).bytes != 0) ++went;
  ASSERT_GT(went, 0u);
  for (int i = 0; i < 100000; ++i) {
    const DescriptorReceipt receipt = receive_with_descriptors(ends.b.fd(), into, 999, files);
    ASSERT_FALSE(receipt.descriptors_lost);
    if (chain.empty() && receipt.io.kind == IoKind::would_block) break;
    if (!chain.empty()) static_cast<void>(write_some(sink, chain));
  }
  EXPECT_EQ(files.size(), went) << "one for each call that took bytes";
  EXPECT_TRUE(into.take() == ByteView(text));
}

TEST_F(IoDescriptorPassingTest, EndsAndErrorsAreAnswers) {
  Ends ends = make_sockets();
  ChainBuilder into;
  std::vector<File> files;
  EXPECT_EQ(receive_with_descriptors(ends.b.fd(), into, 0, files).io, IoResult{});
  const int bad = -1;
  Chain chain = chain_of("x", {1});
  EXPECT_EQ(send_with_descriptors(ends.a.fd(), chain, {&bad, 1}),
            (IoResult{0, IoKind::error, EBADF}));
  EXPECT_EQ(chain, "x");
  EXPECT_EQ(receive_with_descriptors(-1, into, 10, files).io.error_number, EBADF);
  ends.a.close();
  EXPECT_EQ(receive_with_descriptors(ends.b.fd(), into, 10, files).io, (IoResult{0, IoKind::eof}));
  const int fd = ends.b.fd();
  EXPECT_EQ(send_with_descriptors(ends.b.fd(), chain, {&fd, 1}),
            (IoResult{0, IoKind::error, EPIPE}));
  ChainBuilderOptions full;
  full.max_size = 1;
  ChainBuilder no_room(full);
  no_room.append("x");
  EXPECT_EQ(receive_with_descriptors(ends.b.fd(), no_room, 10, files).io.error_number, ENOBUFS);
}

TEST(IoDescriptorPassingDeathTest, WithoutAByteTheProgramStops) {
  Chain empty;
  EXPECT_DEATH(send_with_descriptors(0, empty, {}), "without a byte");
}

}  // namespace
}  // namespace bight
