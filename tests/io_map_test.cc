// File::map and sealed memory.
#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <fstream>
#include <string>
#include <thread>
#include <utility>

#include "bight/bytes.h"
#include "bight/chain.h"
#include "bight/copy_audit.h"
#include "bight/io/file.h"
#include "bight/io/sealed_memory.h"
#include "tests/io_support.h"

namespace bight {
namespace {

using IoMapTest = NoDescriptorLeaks;

// Whether the page of `place` is mapped in this process.
bool is_mapped(const void* place) {
  const auto page = static_cast<size_t>(::sysconf(_SC_PAGESIZE));
  auto* const start = reinterpret_cast<void*>(reinterpret_cast<uintptr_t>(place) / page * page);
  unsigned char resident = 0;
  return ::mincore(start, page, &resident) == 0;
}

// V40: bytes equal the file's range also for offsets within a page.
TEST_F(IoMapTest, ShowsTheRangeAtAnyOffset) {
  const std::string text = pattern(70000);
  File file = make_temporary_file();
  ASSERT_EQ(file.write_at(0, text).bytes, text.size());
  const CopyAudit audit;
  for (const size_t offset : {0u, 1u, 4095u, 4096u, 4097u, 65536u, 69999u}) {
    for (const size_t size : {size_t{1}, size_t{100}, size_t{4096}, text.size() - offset}) {
      Bytes bytes;
      const std::string expected = text.substr(offset, size);
      const IoKind kind = expected.size() == size ? IoKind::data : IoKind::eof;
      EXPECT_EQ(file.map(offset, size, bytes), (IoResult{expected.size(), kind}));
      EXPECT_EQ(bytes, ByteView(expected)) << offset << " " << size;
      EXPECT_FALSE(bytes.is_unique()) << "file pages must not be written";
    }
  }
  EXPECT_EQ(audit.thread().copied, 0u);
}

TEST_F(IoMapTest, StaysWithinTheFile) {
  File file = make_temporary_file();
  ASSERT_EQ(file.write_at(0, "0123456789").bytes, 10u);
  Bytes bytes;
  EXPECT_EQ(file.map(4, 1000000, bytes), (IoResult{6, IoKind::eof}));
  EXPECT_EQ(bytes, "456789");
  EXPECT_EQ(file.map(10, 1, bytes), (IoResult{0, IoKind::eof}));
  EXPECT_TRUE(bytes.empty());
  EXPECT_EQ(file.map(UINT64_MAX, SIZE_MAX, bytes), (IoResult{0, IoKind::eof}));
  EXPECT_EQ(file.map(3, 0, bytes), (IoResult{0, IoKind::data}));
  EXPECT_TRUE(bytes.empty());
}

size_t mappings_of_deleted_files() {
  std::ifstream maps("/proc/self/maps");
  size_t count = 0;
  for (std::string line; std::getline(maps, line);) {
    count += line.find(" (deleted)") != std::string::npos ? 1 : 0;
  }
  return count;
}

TEST_F(IoMapTest, OutlivesTheFileAndEndsWithTheLastSlice) {
  const std::string text = pattern(100000);
  const size_t before = mappings_of_deleted_files();
  Bytes slice;
  {
    File file = make_temporary_file();
    ASSERT_EQ(file.write_at(0, text).bytes, text.size());
    Bytes all;
    ASSERT_EQ(file.map(5000, 90000, all).bytes, 90000u);
    slice = all.slice(40000, 10);
  }
  EXPECT_EQ(slice, text.substr(45000, 10));
  // By the file and not by the address, where another thread's memory may come to lie at once.
  EXPECT_EQ(mappings_of_deleted_files(), before + 1);
  std::thread([taken = std::move(slice)]() mutable { taken.clear(); }).join();
  EXPECT_EQ(mappings_of_deleted_files(), before);
}

TEST_F(IoMapTest, ReplacingTheHandleUnmapsTheOldRange) {
  File file = make_temporary_file();
  ASSERT_EQ(file.write_at(0, pattern(8192)).bytes, 8192u);
  Bytes bytes;
  ASSERT_EQ(file.map(0, 4096, bytes).bytes, 4096u);
  const void* const first = bytes.data();
  ASSERT_EQ(file.map(4096, 4096, bytes).bytes, 4096u);
  EXPECT_TRUE(is_mapped(bytes.data()));
  EXPECT_TRUE(bytes.data() == first || !is_mapped(first));
}

TEST_F(IoMapTest, ErrorsLeaveTheHandleAsItWas) {
  Bytes bytes = Bytes::copy_of("before");
  File closed;
  EXPECT_EQ(closed.map(0, 1, bytes).error_number, EBADF);
  Ends ends = make_pipe();
  EXPECT_EQ(ends.b.map(0, 1, bytes).error_number, ENODEV);
  File write_only;
  File file = make_temporary_file();
  ASSERT_EQ(file.write_at(0, "x").bytes, 1u);
  const std::string name = "/proc/self/fd/" + std::to_string(file.fd());
  ASSERT_FALSE(write_only.open(name.c_str(), O_WRONLY).is_error());
  EXPECT_EQ(write_only.map(0, 1, bytes).error_number, EACCES);
  EXPECT_EQ(ends.b.map(UINT64_MAX, 2, bytes).error_number, EOVERFLOW);
  EXPECT_EQ(bytes, "before");
}

TEST_F(IoMapTest, SealedMemoryCanBeMappedAndNotChanged) {
  const std::string text = pattern(50000);
  File file;
  ASSERT_EQ(make_sealed_memory(chain_of(text, {7, 5000, 1}), "bight", file),
            (IoResult{text.size(), IoKind::data}));
  EXPECT_EQ(file.write_at(0, "x").error_number, EPERM);
  EXPECT_EQ(::ftruncate(file.fd(), 1), -1);
  EXPECT_EQ(::ftruncate(file.fd(), 100000), -1);
  EXPECT_NE(::fcntl(file.fd(), F_GETFD) & FD_CLOEXEC, 0);
  Bytes bytes;
  EXPECT_EQ(map_sealed(file, bytes), (IoResult{text.size(), IoKind::data}));
  file.close();
  EXPECT_EQ(bytes, ByteView(text));
}

TEST_F(IoMapTest, EmptySealedMemoryIsEmptyBytes) {
  File file;
  ASSERT_EQ(make_sealed_memory(Chain(), "bight", file), (IoResult{0, IoKind::data}));
  Bytes bytes = Bytes::copy_of("before");
  EXPECT_EQ(map_sealed(file, bytes), (IoResult{0, IoKind::data}));
  EXPECT_TRUE(bytes.empty());
}

TEST_F(IoMapTest, WhatIsNotSealedIsRefused) {
  Bytes bytes = Bytes::copy_of("before");
  File memory(::memfd_create("bight", MFD_CLOEXEC | MFD_ALLOW_SEALING));
  ASSERT_EQ(memory.write_at(0, "x").bytes, 1u);
  EXPECT_EQ(map_sealed(memory, bytes).error_number, EPERM);
  ASSERT_EQ(::fcntl(memory.fd(), F_ADD_SEALS, F_SEAL_SHRINK), 0);
  EXPECT_EQ(map_sealed(memory, bytes).error_number, EPERM) << "it can still be written";
  Ends ends = make_pipe();
  EXPECT_EQ(map_sealed(ends.b, bytes).error_number, EINVAL);
  File closed;
  EXPECT_EQ(map_sealed(closed, bytes).error_number, EBADF);
  EXPECT_EQ(bytes, "before");
}

TEST_F(IoMapTest, AFailedSealingKeepsTheFileThatWasOpen) {
  File file = make_temporary_file();
  const int fd = file.fd();
  // Names of more than 249 bytes are refused.
  EXPECT_EQ(make_sealed_memory(Chain(), std::string(300, 'n').c_str(), file).error_number, EINVAL);
  EXPECT_EQ(file.fd(), fd);
}

}  // namespace
}  // namespace bight
