// read_file, write_file_atomic and copy_at, on real file systems.
#include <dirent.h>
#include <fcntl.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "bight/bytes.h"
#include "bight/chain.h"
#include "bight/chain_builder.h"
#include "bight/copy_audit.h"
#include "bight/io/file.h"
#include "bight/io/read.h"
#include "bight/io/whole_file.h"
#include "tests/io_support.h"

namespace bight {
namespace {

// A folder of its own, removed with what lies in it.
class Folder {
 public:
  explicit Folder(const char* parent = std::getenv("TMPDIR")) {
    name_ = std::string(parent != nullptr ? parent : "/tmp") + "/bight_folder_XXXXXX";
    if (::mkdtemp(name_.data()) == nullptr) std::abort();
  }
  ~Folder() {
    for (const std::string& entry : entries()) ::unlink(path(entry).c_str());
    ::rmdir(name_.c_str());
  }
  const std::string& name() const { return name_; }
  std::string path(const std::string& entry) const { return name_ + "/" + entry; }
  std::vector<std::string> entries() const {
    std::vector<std::string> found;
    DIR* const directory = ::opendir(name_.c_str());
    while (const dirent* entry = ::readdir(directory)) {
      if (entry->d_name[0] != '.' || std::string(entry->d_name).size() > 2) {
        found.emplace_back(entry->d_name);
      }
    }
    ::closedir(directory);
    return found;
  }

 private:
  std::string name_;
};

// Files cannot grow beyond so many bytes while this lives.
class FileSizeLimit {
 public:
  explicit FileSizeLimit(rlim_t bytes) {
    ::signal(SIGXFSZ, SIG_IGN);
    ::getrlimit(RLIMIT_FSIZE, &before_);
    const rlimit limit{bytes, before_.rlim_max};
    ::setrlimit(RLIMIT_FSIZE, &limit);
  }
  ~FileSizeLimit() {
    ::setrlimit(RLIMIT_FSIZE, &before_);
    ::signal(SIGXFSZ, SIG_DFL);
  }

 private:
  rlimit before_{};
};

void write_file(const std::string& path, std::string_view content) {
  File file;
  ASSERT_FALSE(file.open(path.c_str(), O_WRONLY | O_CREAT | O_TRUNC).is_error());
  ASSERT_EQ(file.write_at(0, ByteView(content)).bytes, content.size());
}

std::string content_of(const File& file) {
  ChainBuilder into;
  EXPECT_EQ(file.read_at(0, size_t{1} << 30, into).kind, IoKind::eof);
  return into.take().to_string();
}

// ---- read_file ---------------------------------------------------------------------------------

using IoReadFileTest = NoDescriptorLeaks;

TEST_F(IoReadFileTest, ReadsAndMapsTheSameWithoutACopy) {
  const Folder folder;
  const std::string path = folder.path("file");
  for (const size_t size : {0u, 1u, 4095u, 4096u, 70000u, 3000000u}) {
    const std::string text = pattern(size);
    write_file(path, text);
    for (const size_t map_from : {size_t{0}, size_t{1}, size, size + 1, SIZE_MAX}) {
      Chain content = chain_of("before", {6});
      const CopyAudit audit;
      ReadFileOptions options;
      options.map_from = map_from;
      EXPECT_EQ(read_file(path.c_str(), content, options), (IoResult{size, IoKind::data}));
      EXPECT_EQ(audit.thread().copied, 0u);
      EXPECT_EQ(content, ByteView(text));
      EXPECT_EQ(content.segment_count(), size == 0 ? 0u : 1u);
      const bool mapped = size >= map_from && size != 0;
      if (size != 0) {
        EXPECT_EQ(content.try_mutable(0).has_value(), !mapped) << size;
      }
    }
  }
}

TEST_F(IoReadFileTest, MapsFromFourMebibytesOn) {
  const Folder folder;
  const std::string path = folder.path("file");
  const std::string text = pattern(size_t{4} << 20);
  Chain content;
  write_file(path, text.substr(1));
  ASSERT_EQ(read_file(path.c_str(), content).bytes, text.size() - 1);
  EXPECT_EQ(content, text.substr(1));
  EXPECT_TRUE(content.try_mutable(0).has_value());
  write_file(path, text);
  ASSERT_EQ(read_file(path.c_str(), content).bytes, text.size());
  EXPECT_EQ(content, ByteView(text));
  EXPECT_FALSE(content.try_mutable(0).has_value());
}

TEST_F(IoReadFileTest, ReadsFilesThatSaySizeZero) {
  Chain content;
  const IoResult result = read_file("/proc/self/status", content);
  EXPECT_EQ(result.kind, IoKind::data);
  EXPECT_EQ(result.bytes, content.size());
  EXPECT_TRUE(content.starts_with("Name:"));
  EXPECT_TRUE(content.find("Threads:").has_value());
}

TEST_F(IoReadFileTest, TheLimitIsExact) {
  const Folder folder;
  const std::string path = folder.path("file");
  const std::string text = pattern(100000);
  write_file(path, text);
  Chain content = chain_of("before", {6});
  for (const size_t map_from : {size_t{1}, SIZE_MAX}) {
    EXPECT_EQ(read_file(path.c_str(), content, {text.size() - 1, map_from}).error_number, EFBIG);
    EXPECT_EQ(content, "before");
  }
  EXPECT_EQ(read_file("/proc/self/status", content, {10, 0}).error_number, EFBIG);
  EXPECT_EQ(read_file("/dev/zero", content, {1000000, 0}).error_number, EFBIG);
  EXPECT_EQ(content, "before");
  EXPECT_EQ(read_file(path.c_str(), content, {text.size(), SIZE_MAX}).bytes, text.size());
  EXPECT_EQ(content, ByteView(text));
  EXPECT_EQ(read_file("/dev/null", content, {0, 0}), (IoResult{0, IoKind::data}));
  EXPECT_TRUE(content.empty());
}

TEST_F(IoReadFileTest, ErrorsLeaveTheChainAsItWas) {
  Chain content = chain_of("before", {6});
  EXPECT_EQ(read_file("/no/such/file", content).error_number, ENOENT);
  EXPECT_EQ(read_file("/tmp", content).error_number, EISDIR);
  EXPECT_EQ(content, "before");
}

TEST_F(IoReadFileTest, AFileThatGrowsIsReadUpToAnEnd) {
  const Folder folder;
  const std::string path = folder.path("file");
  const std::string text = pattern(400000);
  write_file(path, "");
  std::thread writer([&] {
    File file;
    ASSERT_FALSE(file.open(path.c_str(), O_WRONLY).is_error());
    for (size_t at = 0; at < text.size(); at += 1000) {
      ASSERT_EQ(file.write_at(at, text.substr(at, 1000)).bytes, 1000u);
    }
  });
  size_t last = 0;
  for (int i = 0; i < 100000 && last < text.size(); ++i) {
    Chain content;
    ReadFileOptions options;
    options.map_from = i % 2 == 0 ? 1 : SIZE_MAX;
    const IoResult result = read_file(path.c_str(), content, options);
    EXPECT_EQ(result.kind, IoKind::data);
    EXPECT_EQ(result.bytes, content.size());
    EXPECT_GE(content.size(), last);
    EXPECT_EQ(content, text.substr(0, content.size()));
    last = content.size();
  }
  writer.join();
  EXPECT_EQ(last, text.size());
}

// ---- write_file_atomic -------------------------------------------------------------------------

using IoWriteFileTest = NoDescriptorLeaks;

TEST_F(IoWriteFileTest, PutsTheContentInPlaceAndLeavesNothingBeside) {
  const Folder folder;
  const std::string path = folder.path("file");
  const std::string text = pattern(300000);
  const CopyAudit audit;
  for (const bool sync : {false, true}) {
    WriteFileOptions options;
    options.sync_file = options.sync_folder = sync;
    options.permissions = 0600;
    const Chain chain = chain_of(text, {3000, 20000});
    const CopyAudit writing;
    EXPECT_EQ(write_file_atomic(path.c_str(), chain, options), (IoResult{text.size()}));
    EXPECT_EQ(writing.thread().copied, 0u);
    Chain content;
    ASSERT_EQ(read_file(path.c_str(), content).kind, IoKind::data);
    EXPECT_EQ(content, ByteView(text));
    struct stat about;
    ASSERT_EQ(::stat(path.c_str(), &about), 0);
    EXPECT_EQ(about.st_mode & 0777, 0600u);
    EXPECT_EQ(folder.entries(), std::vector<std::string>{"file"});
  }
}

TEST_F(IoWriteFileTest, WorksWithoutAFolderInTheNameAndWithLongNames) {
  const Folder folder;
  char before[4096];
  ASSERT_NE(::getcwd(before, sizeof(before)), nullptr);
  ASSERT_EQ(::chdir(folder.name().c_str()), 0);
  const std::string long_name(255, 'n');
  WriteFileOptions options;
  options.sync_folder = true;
  EXPECT_EQ(write_file_atomic("plain", chain_of("abc", {1}), options), (IoResult{3}));
  EXPECT_EQ(write_file_atomic(long_name.c_str(), Chain(), options), (IoResult{0}));
  ASSERT_EQ(::chdir(before), 0);
  EXPECT_EQ(folder.entries().size(), 2u);
}

TEST_F(IoWriteFileTest, ReadersAndMappingsKeepTheOldFile) {
  const Folder folder;
  const std::string path = folder.path("file");
  write_file(path, "the old content");
  Chain old;
  ASSERT_EQ(read_file(path.c_str(), old, {SIZE_MAX / 4, 1}).bytes, 15u);
  ASSERT_EQ(write_file_atomic(path.c_str(), chain_of("new", {1})), (IoResult{3}));
  EXPECT_EQ(old, "the old content");
}

TEST_F(IoWriteFileTest, AFailureKeepsTheOldFileAndLeavesNothingBeside) {
  const Folder folder;
  const std::string path = folder.path("file");
  write_file(path, "the old content");
  {
    const FileSizeLimit limit(50000);
    const IoResult result = write_file_atomic(path.c_str(), chain_of(pattern(100000), {3000}));
    EXPECT_EQ(result, (IoResult{50000, IoKind::error, EFBIG}));
  }
  EXPECT_EQ(write_file_atomic(folder.path("no/file").c_str(), Chain()).error_number, ENOENT);
  ASSERT_EQ(::mkdir(folder.path("sub").c_str(), 0700), 0);
  const IoResult onto_folder = write_file_atomic(folder.path("sub").c_str(), chain_of("a", {1}));
  EXPECT_EQ(onto_folder.error_number, EISDIR);
  EXPECT_STREQ(onto_folder.call, "rename");
  ::rmdir(folder.path("sub").c_str());
  EXPECT_EQ(folder.entries(), std::vector<std::string>{"file"});
  Chain content;
  ASSERT_EQ(read_file(path.c_str(), content).kind, IoKind::data);
  EXPECT_EQ(content, "the old content");
}

// A file system of 64 KiB, where the machine lets us mount one.
class SmallFileSystem {
 public:
  SmallFileSystem() {
    mounted_ = ::mount("none", folder_.name().c_str(), "tmpfs", 0, "size=64k") == 0;
  }
  ~SmallFileSystem() {
    if (mounted_) ::umount2(folder_.name().c_str(), MNT_DETACH);
  }
  bool mounted() const { return mounted_; }
  const Folder& folder() const { return folder_; }

 private:
  Folder folder_;
  bool mounted_ = false;
};

TEST_F(IoWriteFileTest, AFullFileSystemKeepsTheOldFile) {
  const SmallFileSystem full;
  // Where no such file system can be had the same holds under a limit of the size.
  const FileSizeLimit limit(full.mounted() ? RLIM_INFINITY : 65536);
  const std::string path = full.folder().path("file");
  write_file(path, "the old content");
  const IoResult result = write_file_atomic(path.c_str(), chain_of(pattern(100000), {3000}));
  EXPECT_TRUE(result.is_error());
  EXPECT_EQ(result.error_number, full.mounted() ? ENOSPC : EFBIG);
  EXPECT_LT(result.bytes, 100000u);
  EXPECT_EQ(full.folder().entries(), std::vector<std::string>{"file"});
  Chain content;
  ASSERT_EQ(read_file(path.c_str(), content).kind, IoKind::data);
  EXPECT_EQ(content, "the old content");
}

TEST_F(IoWriteFileTest, ManyThreadsLeaveOneWholeFile) {
  const Folder folder;
  const std::string path = folder.path("file");
  WriteFileOptions options;
  options.sync_file = false;
  std::vector<std::thread> threads;
  for (uint32_t t = 0; t < 4; ++t) {
    threads.emplace_back([&, t] {
      for (int i = 0; i < 50; ++i) {
        ASSERT_EQ(write_file_atomic(path.c_str(), chain_of(pattern(5000, t), {900}), options).bytes,
                  5000u);
        Chain content;
        ASSERT_EQ(read_file(path.c_str(), content).bytes, 5000u);
        const std::string got = content.to_string();
        bool whole = false;
        for (uint32_t seed = 0; seed < 4; ++seed) whole = whole || got == pattern(5000, seed);
        EXPECT_TRUE(whole);
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(folder.entries(), std::vector<std::string>{"file"});
}

// ---- copy_at -----------------------------------------------------------------------------------

using IoCopyAtTest = NoDescriptorLeaks;

void expect_copies(const File& from, const std::string& text, const File& to) {
  for (const size_t from_offset : {size_t{0}, size_t{5001}, text.size()}) {
    for (const size_t n : {size_t{0}, size_t{1}, size_t{300000}, SIZE_MAX}) {
      ASSERT_EQ(::ftruncate(to.fd(), 0), 0);
      const std::string expected = text.substr(from_offset, n);
      const IoKind kind = expected.size() == n ? IoKind::data : IoKind::eof;
      const CopyAudit audit;
      EXPECT_EQ(copy_at(from, from_offset, to, 77, n), (IoResult{expected.size(), kind}));
      EXPECT_EQ(audit.thread().copied, 0u);
      const std::string copy = expected.empty() ? "" : std::string(77, '\0') + expected;
      EXPECT_TRUE(content_of(to) == copy) << from_offset << " " << n;
      EXPECT_EQ(::lseek(from.fd(), 0, SEEK_CUR), 0);
      EXPECT_EQ(::lseek(to.fd(), 0, SEEK_CUR), 0);
    }
  }
}

TEST_F(IoCopyAtTest, CopiesRangesWithinAFileSystem) {
  const std::string text = pattern(1000000);
  const File from = make_temporary_file();
  ASSERT_EQ(from.write_at(0, text).bytes, text.size());
  expect_copies(from, text, make_temporary_file());
}

TEST_F(IoCopyAtTest, CopiesBetweenFileSystems) {
  const std::string text = pattern(1000000);
  const File disk = make_temporary_file();
  // Memory files sit on a file system of their own.
  const File memory(::memfd_create("bight", MFD_CLOEXEC));
  ASSERT_EQ(memory.write_at(0, text).bytes, text.size());
  expect_copies(memory, text, disk);
  ASSERT_EQ(disk.write_at(0, text).bytes, text.size());
  expect_copies(disk, text, memory);
}

TEST_F(IoCopyAtTest, CopiesFilesThatDoNotSayTheirSize) {
  File from;
  ASSERT_FALSE(from.open("/proc/self/cmdline", O_RDONLY).is_error());
  const File to = make_temporary_file();
  const IoResult result = copy_at(from, 0, to, 0);
  EXPECT_EQ(result.kind, IoKind::eof);
  EXPECT_GT(result.bytes, 0u);
  EXPECT_EQ(content_of(to), content_of(from));
}

TEST_F(IoCopyAtTest, CountsExactlyWhatWasCopiedBeforeAnError) {
  const std::string text = pattern(200000);
  const File from = make_temporary_file();
  ASSERT_EQ(from.write_at(0, text).bytes, text.size());
  const File memory(::memfd_create("bight", MFD_CLOEXEC));
  ASSERT_EQ(memory.write_at(0, text).bytes, text.size());
  for (const File* source : {&from, &memory}) {
    const File to = make_temporary_file();
    const FileSizeLimit limit(100000);
    const IoResult result = copy_at(*source, 0, to, 0);
    EXPECT_EQ(result, (IoResult{100000, IoKind::error, EFBIG}));
    EXPECT_TRUE(content_of(to) == text.substr(0, 100000));
  }
  File full;
  ASSERT_FALSE(full.open("/dev/full", O_WRONLY).is_error());
  EXPECT_EQ(copy_at(from, 0, full, 0), (IoResult{0, IoKind::error, ENOSPC}));
}

TEST_F(IoCopyAtTest, ClosedAndWrongFilesAreErrors) {
  const File closed;
  const File file = make_temporary_file();
  ASSERT_EQ(file.write_at(0, "abc").bytes, 3u);
  EXPECT_EQ(copy_at(closed, 0, file, 10).error_number, EBADF);
  EXPECT_EQ(copy_at(file, 0, closed, 0).error_number, EBADF);
  EXPECT_EQ(copy_at(file, 0, file, UINT64_MAX, 1).error_number, EOVERFLOW);
  EXPECT_EQ(content_of(file), "abc");
}

}  // namespace
}  // namespace bight
