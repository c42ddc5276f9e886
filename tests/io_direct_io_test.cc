// Direct I/O on whatever file systems there are: the ones that know it and the ones that do not.
#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>

#include "bight/bytes.h"
#include "bight/bytes_builder.h"
#include "bight/chain.h"
#include "bight/chain_builder.h"
#include "bight/copy_audit.h"
#include "bight/io/direct_io.h"
#include "bight/io/file.h"
#include "tests/io_support.h"

namespace bight {
namespace {

using IoDirectTest = NoDescriptorLeaks;

std::string name_in(const char* folder) {
  return std::string(folder) + "/bight_direct_" + std::to_string(::getpid());
}

// Aligned bytes with this content, whose size must be aligned.
Bytes aligned(const std::string& text) {
  BuilderOptions options;
  options.capacity = text.size();
  options.alignment = kDirectAlignment;
  BytesBuilder builder(options);
  builder.append(text);
  return builder.take();
}

TEST_F(IoDirectTest, WritesAndReadsWholeBlocksAndTheLastPart) {
  for (const char* folder : {"/tmp", "/dev/shm", "/var/tmp"}) {
    const std::string name = name_in(folder);
    File file;
    bool direct = true;
    const IoResult opened = open_direct(name.c_str(), O_RDWR | O_CREAT | O_EXCL,
                                        DirectFallback::buffered, file, direct);
    ASSERT_EQ(opened, IoResult{}) << folder;
    EXPECT_EQ((::fcntl(file.fd(), F_GETFL) & O_DIRECT) != 0, direct) << "the answer is the truth";
    ::unlink(name.c_str());
    const std::string text = pattern(300 * kDirectAlignment);
    Chain chain(aligned(text.substr(0, 100 * kDirectAlignment)));
    chain.push_back(aligned(text.substr(100 * kDirectAlignment)));
    const CopyAudit audit;
    EXPECT_EQ(write_direct(file, 0, chain), (IoResult{text.size()}));
    ChainBuilder into(direct_blocks(70000));
    EXPECT_EQ(read_direct(file, kDirectAlignment, 200 * kDirectAlignment, into),
              (IoResult{200 * kDirectAlignment}));
    EXPECT_EQ(audit.thread().copied, 0u);
    EXPECT_TRUE(into.take() == text.substr(kDirectAlignment, 200 * kDirectAlignment));
    // A part of a block at the end of the file is eof.
    ASSERT_EQ(::ftruncate(file.fd(), 10000), 0);
    ChainBuilder rest(direct_blocks(65536));
    EXPECT_EQ(read_direct(file, 0, 100 * kDirectAlignment, rest), (IoResult{10000, IoKind::eof}));
    EXPECT_EQ(read_direct(file, 12288, kDirectAlignment, rest).error_number, EINVAL)
        << "the builder's place is not aligned any more";
    EXPECT_TRUE(rest.take() == text.substr(0, 10000));
  }
}

TEST_F(IoDirectTest, RefusalIsAnAnswerAndLeavesNothing) {
  // /proc knows no direct I/O.
  File file;
  bool direct = true;
  EXPECT_EQ(
      open_direct("/proc/self/status", O_RDONLY, DirectFallback::refuse, file, direct).error_number,
      EINVAL);
  EXPECT_FALSE(file.is_open());
  EXPECT_TRUE(direct) << "unchanged";
  EXPECT_EQ(open_direct("/proc/self/status", O_RDONLY, DirectFallback::buffered, file, direct),
            IoResult{});
  EXPECT_FALSE(direct);
  ChainBuilder into(direct_blocks(65536));
  EXPECT_EQ(read_direct(file, 0, 65536, into).kind, IoKind::eof);
  EXPECT_TRUE(into.take().starts_with("Name:"));
  EXPECT_EQ(
      open_direct("/no/such/file", O_RDONLY, DirectFallback::buffered, file, direct).error_number,
      ENOENT);
  EXPECT_TRUE(file.is_open()) << "an error keeps what was open";
}

TEST_F(IoDirectTest, WhatIsNotAlignedIsRefusedBeforeTheKernelIsAsked) {
  const File file = make_temporary_file();
  const std::string text = pattern(2 * kDirectAlignment);
  const Bytes bytes = aligned(text);
  ChainBuilder into(direct_blocks(65536));
  EXPECT_EQ(read_direct(file, 1, kDirectAlignment, into).error_number, EINVAL);
  EXPECT_EQ(read_direct(file, 0, 1000, into).error_number, EINVAL);
  EXPECT_EQ(write_direct(file, 100, Chain(bytes)).error_number, EINVAL);
  EXPECT_EQ(write_direct(file, 0, Chain(bytes.slice(1))).error_number, EINVAL);
  EXPECT_EQ(write_direct(file, 0, Chain(bytes.slice(0, 4097))).error_number, EINVAL);
  Chain mixed(bytes);
  mixed.push_back(Bytes::copy_of("tail"));
  EXPECT_EQ(write_direct(file, 0, mixed).error_number, EINVAL);
  uint64_t size = 99;
  ASSERT_EQ(file.size(size), IoResult{});
  EXPECT_EQ(size, 0u);
  EXPECT_EQ(write_direct(file, 0, Chain()), IoResult{});
}

TEST_F(IoDirectTest, ALimitedBuilderIsFilledByWholeBlocks) {
  const File file = make_temporary_file();
  const std::string text = pattern(5 * kDirectAlignment);
  ASSERT_EQ(file.write_at(0, text).bytes, text.size());
  ChainBuilderOptions options = direct_blocks(kDirectAlignment);
  options.max_size = 3 * kDirectAlignment + 100;
  ChainBuilder into(options);
  EXPECT_EQ(read_direct(file, 0, 5 * kDirectAlignment, into),
            (IoResult{3 * kDirectAlignment, IoKind::error, ENOBUFS}));
  EXPECT_TRUE(into.take() == text.substr(0, 3 * kDirectAlignment));
}

TEST(IoDirectBlocksTest, AreAlignedMultiples) {
  for (const size_t wanted : {0u, 1u, 4095u, 4096u, 4097u, 8192u, 100000u}) {
    const ChainBuilderOptions options = direct_blocks(wanted);
    EXPECT_EQ(options.alignment, kDirectAlignment);
    EXPECT_EQ(options.max_block, options.min_block);
    EXPECT_EQ(options.min_block % kDirectAlignment, 0u);
    EXPECT_GE(options.min_block, std::max(wanted, kDirectAlignment));
    EXPECT_LT(options.min_block, wanted + kDirectAlignment + 1);
  }
}

}  // namespace
}  // namespace bight
