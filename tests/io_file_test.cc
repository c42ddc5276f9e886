#include <fcntl.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <string>
#include <thread>
#include <type_traits>
#include <utility>
#include <vector>

#include "bight/chain.h"
#include "bight/chain_builder.h"
#include "bight/copy_audit.h"
#include "bight/io/copy.h"
#include "bight/io/file.h"
#include "bight/io/read.h"
#include "bight/io/write.h"
#include "tests/io_support.h"

namespace bight {
namespace {

using IoFileTest = NoDescriptorLeaks;

static_assert(!std::is_copy_constructible_v<File> && !std::is_copy_assignable_v<File>);
static_assert(std::is_nothrow_move_constructible_v<File> &&
              std::is_nothrow_move_assignable_v<File>);

off_t position_of(const File& file) { return ::lseek(file.fd(), 0, SEEK_CUR); }

// A name for a file that the test removes.
struct TemporaryName {
  TemporaryName() {
    const char* folder = std::getenv("TMPDIR");
    name = std::string(folder != nullptr ? folder : "/tmp") + "/bight_io_file_XXXXXX";
    File(::mkstemp(name.data()));
  }
  ~TemporaryName() { ::unlink(name.c_str()); }
  std::string name;
};

TEST_F(IoFileTest, OpensReadsAndCloses) {
  const TemporaryName path;
  File file;
  EXPECT_FALSE(file.is_open());
  EXPECT_EQ(file.open(path.name.c_str(), O_RDWR), IoResult{});
  EXPECT_TRUE(file.is_open());
  EXPECT_NE(::fcntl(file.fd(), F_GETFD) & FD_CLOEXEC, 0);
  EXPECT_EQ(file.write_at(0, "content"), (IoResult{7, IoKind::data}));
  uint64_t size = 99;
  EXPECT_EQ(file.size(size), IoResult{});
  EXPECT_EQ(size, 7u);
  EXPECT_EQ(file.sync(), IoResult{});
  EXPECT_EQ(file.close(), IoResult{});
  EXPECT_FALSE(file.is_open());
}

TEST_F(IoFileTest, AFailedOpenNamesTheErrorAndKeepsWhatWasOpen) {
  File file = make_temporary_file();
  const int before = file.fd();
  const IoResult result = file.open("/no/such/folder/file", O_RDONLY);
  EXPECT_EQ(result, (IoResult{0, IoKind::error, ENOENT}));
  EXPECT_STREQ(result.call, "open");
  EXPECT_EQ(file.fd(), before);
}

TEST_F(IoFileTest, OpeningAnotherClosesTheFirst) {
  File file = make_temporary_file();
  EXPECT_EQ(file.open("/dev/null", O_RDWR), IoResult{});
  EXPECT_EQ(file.open("/dev/null", O_RDWR), IoResult{});
}

TEST_F(IoFileTest, MovesLeaveTheSourceClosed) {
  File a = make_temporary_file();
  const int fd = a.fd();
  File b = std::move(a);
  EXPECT_FALSE(a.is_open());  // NOLINT: what a move leaves is stated
  EXPECT_EQ(b.fd(), fd);
  a = make_temporary_file();
  a = std::move(b);
  EXPECT_EQ(a.fd(), fd);
  EXPECT_FALSE(b.is_open());  // NOLINT
  const int released = a.release();
  EXPECT_EQ(released, fd);
  EXPECT_FALSE(a.is_open());
  EXPECT_EQ(File(released).close(), IoResult{});
}

TEST_F(IoFileTest, AClosedFileAnswersEbadf) {
  File file;
  uint64_t size = 99;
  std::byte place[4];
  ChainBuilder into;
  EXPECT_EQ(file.close().error_number, EBADF);
  EXPECT_EQ(file.size(size).error_number, EBADF);
  EXPECT_EQ(size, 99u);
  EXPECT_EQ(file.sync().error_number, EBADF);
  EXPECT_EQ(file.read_at(0, place).error_number, EBADF);
  EXPECT_EQ(file.read_at(0, 4, into).error_number, EBADF);
  EXPECT_EQ(file.write_at(0, "abc").error_number, EBADF);
  EXPECT_EQ(file.write_at(0, chain_of("abc", {1})).error_number, EBADF);
  EXPECT_EQ(read_some(file, into, 4).error_number, EBADF);
  Chain chain = chain_of("abc", {3});
  EXPECT_EQ(write_some(file, chain).error_number, EBADF);
  EXPECT_EQ(chain, "abc");
}

TEST_F(IoFileTest, ReadAtTakesExactlyWhatIsThere) {
  const File file = make_temporary_file();
  const std::string text = pattern(200000);
  ASSERT_EQ(file.write_at(0, text).bytes, text.size());
  const CopyAudit audit;
  for (const size_t offset : {size_t{0}, size_t{1}, size_t{70000}, text.size() - 1}) {
    for (const size_t n : {size_t{1}, size_t{5000}, size_t{150000}, size_t{300000}}) {
      const std::string expected = text.substr(offset, n);
      const IoKind kind = expected.size() == n ? IoKind::data : IoKind::eof;
      ChainBuilder into;
      EXPECT_EQ(file.read_at(offset, n, into), (IoResult{expected.size(), kind}));
      EXPECT_EQ(into.take(), expected);
      std::vector<std::byte> place(n);
      EXPECT_EQ(file.read_at(offset, place), (IoResult{expected.size(), kind}));
      EXPECT_EQ(ByteView(place.data(), expected.size()), expected);
    }
  }
  EXPECT_EQ(audit.thread().copied, 0u);
  EXPECT_EQ(position_of(file), 0);
}

TEST_F(IoFileTest, ReadingBehindTheEndIsEof) {
  const File file = make_temporary_file();
  ChainBuilder into;
  EXPECT_EQ(file.read_at(0, 10, into), (IoResult{0, IoKind::eof}));
  EXPECT_EQ(file.read_at(uint64_t{1} << 40, 10, into), (IoResult{0, IoKind::eof}));
  EXPECT_TRUE(into.empty());
}

TEST_F(IoFileTest, AnOffsetThatTheSystemCannotExpressIsAnError) {
  const File file = make_temporary_file();
  ChainBuilder into;
  std::byte place[1];
  for (const uint64_t offset : {UINT64_MAX, uint64_t{INT64_MAX}, uint64_t{INT64_MAX} + 1}) {
    EXPECT_EQ(file.read_at(offset, 1, into).error_number, EOVERFLOW);
    EXPECT_EQ(file.read_at(offset, place).error_number, EOVERFLOW);
    EXPECT_EQ(file.write_at(offset, "x").error_number, EOVERFLOW);
    EXPECT_EQ(file.write_at(offset, chain_of("xy", {1})).error_number, EOVERFLOW);
  }
}

TEST_F(IoFileTest, WriteAtWritesEverySegmentAndLeavesTheChain) {
  const File file = make_temporary_file();
  const std::string text = pattern(3000 * 1500);
  for (const size_t piece : {size_t{100}, size_t{1500}, text.size()}) {
    const Chain chain = chain_of(text, {piece});
    const CopyAudit audit;
    EXPECT_EQ(file.write_at(123, chain), (IoResult{text.size(), IoKind::data}));
    EXPECT_EQ(audit.thread().copied, 0u);
    EXPECT_EQ(chain.size(), text.size());
    ChainBuilder into;
    EXPECT_EQ(file.read_at(123, text.size(), into).bytes, text.size());
    EXPECT_EQ(into.take(), text);
    EXPECT_EQ(::ftruncate(file.fd(), 0), 0);
  }
  EXPECT_EQ(position_of(file), 0);
}

TEST_F(IoFileTest, AFullDeviceIsAnErrorWithTheCallNamed) {
  File full;
  ASSERT_EQ(full.open("/dev/full", O_WRONLY), IoResult{});
  const IoResult one = full.write_at(0, "abc");
  EXPECT_EQ(one, (IoResult{0, IoKind::error, ENOSPC}));
  EXPECT_STREQ(one.call, "pwrite");
  const IoResult many = full.write_at(0, chain_of(pattern(4000), {2000}));
  EXPECT_EQ(many, (IoResult{0, IoKind::error, ENOSPC}));
  EXPECT_STREQ(many.call, "pwritev");
}

// buf-B32: positional reads and writes from 8 threads: the file offset is unchanged, every record
// intact.
TEST_F(IoFileTest, EightThreadsWriteAndReadTheirRecordsAtOnce) {
  constexpr size_t kThreads = 8;
  constexpr size_t kRecords = 40;
  constexpr size_t kRecord = 5000;
  const File file = make_temporary_file();
  const auto record_of = [](size_t thread, size_t i) {
    return pattern(kRecord, static_cast<uint32_t>(thread * kRecords + i + 1));
  };
  const auto offset_of = [](size_t thread, size_t i) -> uint64_t {
    return (i * kThreads + thread) * kRecord;
  };
  std::vector<size_t> wrong(kThreads, 0);
  std::vector<std::thread> threads;
  for (size_t thread = 0; thread < kThreads; ++thread) {
    threads.emplace_back([&, thread] {
      for (size_t i = 0; i < kRecords; ++i) {
        const std::string record = record_of(thread, i);
        // Several segments, small and large.
        const Chain chain = chain_of(record, {7, 1500, 100, 100, 2000});
        if (file.write_at(offset_of(thread, i), chain).bytes != kRecord) ++wrong[thread];
        ChainBuilder into;
        if (file.read_at(offset_of(thread, i), kRecord, into).bytes != kRecord) ++wrong[thread];
        if (into.take() != record) ++wrong[thread];
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(wrong, std::vector<size_t>(kThreads, 0));
  for (size_t thread = 0; thread < kThreads; ++thread) {
    for (size_t i = 0; i < kRecords; ++i) {
      ChainBuilder into;
      EXPECT_EQ(file.read_at(offset_of(thread, i), kRecord, into).bytes, kRecord);
      EXPECT_EQ(into.take(), record_of(thread, i));
    }
  }
  EXPECT_EQ(position_of(file), 0);
}

TEST_F(IoFileTest, OneCallAtAPositionTakesSeveralEntries) {
  const File file = make_temporary_file();
  std::string a = "abc", b = "", c = "defg";
  const iovec from[] = {{a.data(), 3}, {b.data(), 0}, {c.data(), 4}};
  EXPECT_EQ(file.write_some_at(2, from), (IoResult{7, IoKind::data}));
  std::string x(4, '.'), y(5, '.');
  const iovec into[] = {{x.data(), 4}, {y.data(), 5}};
  EXPECT_EQ(file.read_some_at(2, into), (IoResult{7, IoKind::data}));
  EXPECT_EQ(x + y, "abcdefg..");
  EXPECT_EQ(file.read_some_at(9, into), (IoResult{0, IoKind::eof}));
  EXPECT_EQ(file.read_some_at(9, {}), IoResult{});
  EXPECT_EQ(file.write_some_at(UINT64_MAX, {}), IoResult{});
}

TEST_F(IoFileTest, IsASourceAndASinkAtItsOwnPosition) {
  File from = make_temporary_file();
  File to = make_temporary_file();
  const std::string text = pattern(500000);
  Chain chain = chain_of(text, {3, 5000});
  ASSERT_EQ(write_all(from, chain).bytes, text.size());
  ASSERT_EQ(::lseek(from.fd(), 0, SEEK_SET), 0);
  Chain pending;
  EXPECT_EQ(copy(from, to, pending), (IoResult{text.size(), IoKind::eof}));
  ChainBuilder into;
  EXPECT_EQ(to.read_at(0, text.size() + 1, into), (IoResult{text.size(), IoKind::eof}));
  EXPECT_EQ(into.take(), text);
}

// A warm read of 960 KiB takes at most two calls that bring data.
TEST_F(IoFileTest, AWarmReadOfALargeFileTakesTwoCalls) {
  File file = make_temporary_file();
  const std::string text = pattern(960 << 10);
  ASSERT_EQ(file.write_at(0, text).bytes, text.size());
  ReadSize size;
  ChainBuilder into;
  int calls = 0;
  for (int round = 0; round < 2; ++round) {
    ASSERT_EQ(::lseek(file.fd(), 0, SEEK_SET), 0);
    calls = 0;
    size_t got = 0;
    while (got < text.size()) {
      got += read_some(file, into, size).bytes;
      ++calls;
    }
    EXPECT_EQ(into.take(), text);
  }
  EXPECT_LE(calls, 2);
}

// Files under /proc claim to be empty and are not.
TEST_F(IoFileTest, AProcFileIsReadToItsEndThoughItsSizeIsZero) {
  File file;
  ASSERT_EQ(file.open("/proc/self/status", O_RDONLY), IoResult{});
  uint64_t size = 99;
  EXPECT_EQ(file.size(size), IoResult{});
  EXPECT_EQ(size, 0u);
  ChainBuilder into;
  const IoResult result = read_all(file, into, 1 << 20);
  EXPECT_EQ(result.kind, IoKind::eof);
  EXPECT_GT(result.bytes, 100u);
  EXPECT_TRUE(into.take().starts_with("Name:"));
}

}  // namespace
}  // namespace bight
