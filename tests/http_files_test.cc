// Files below a folder: which paths lead to them, and what HTTP says of them.
#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdint>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <memory>
#include <string>
#include <string_view>

#include "bight/bytes.h"
#include "bight/chain.h"
#include "bight/chain_builder.h"
#include "bight/io/file_slice.h"
#include "examples/http_server/http.h"
#include "examples/support/open_beneath.h"

namespace {

namespace fs = std::filesystem;

// outside/secret, and a root with files, folders, and links that stay and that leave.
class HttpFilesTest : public testing::Test {
 protected:
  void SetUp() override {
    std::string name = testing::TempDir() + "http_files_XXXXXX";
    ASSERT_NE(::mkdtemp(name.data()), nullptr);
    base_ = name;
    fs::create_directories(base_ / "outside");
    fs::create_directories(root() / "folder");
    write(base_ / "outside" / "secret", "secret");
    write(root() / "plain", "plain");
    write(root() / "index.html", "<p>");
    write(root() / "folder" / "inner.txt", "inner");
    write(root() / "a b", "space");
    fs::create_symlink("plain", root() / "stays");
    fs::create_symlink("folder", root() / "folder_stays");
    fs::create_symlink("../outside/secret", root() / "leaves");
    fs::create_symlink("../outside", root() / "folder_leaves");
    fs::create_symlink((base_ / "outside" / "secret").string(), root() / "absolute");
    fs::create_symlink("/proc/self/root/etc/passwd", root() / "magic");
    fs::create_symlink("loop", root() / "loop");
    ASSERT_EQ(::mkfifo((root() / "fifo").c_str(), 0600), 0);
    ASSERT_EQ(::mknod((root() / "socket").c_str(), S_IFSOCK | 0600, 0), 0);
    folder_ = std::make_shared<bight::File>();
    ASSERT_FALSE(folder_->open(root().c_str(), O_PATH | O_DIRECTORY).is_error());
  }
  void TearDown() override { fs::remove_all(base_); }

  fs::path root() const { return base_ / "root"; }
  static void write(const fs::path& path, std::string_view text) { std::ofstream(path) << text; }
  // 0, or what errno said.
  static int error_of(int fd_or_error) {
    if (fd_or_error < 0) return -fd_or_error;
    ::close(fd_or_error);
    return 0;
  }

  fs::path base_;
  std::shared_ptr<bight::File> folder_;
};

TEST_F(HttpFilesTest, OpenBeneathFollowsLinksThatStayAndNoOthers) {
  for (const char* inside :
       {"plain", "folder/inner.txt", "stays", "folder_stays/inner.txt", "fifo"}) {
    EXPECT_EQ(error_of(example::open_beneath(folder_->fd(), inside)), 0) << inside;
  }
  for (const char* outside : {"leaves", "folder_leaves/secret", "absolute", "magic"}) {
    const int error = error_of(example::open_beneath(folder_->fd(), outside));
    EXPECT_TRUE(error == EXDEV || error == ELOOP) << outside << ": " << error;
  }
  EXPECT_EQ(error_of(example::open_beneath(folder_->fd(), "loop")), ELOOP);
  EXPECT_EQ(error_of(example::open_beneath(folder_->fd(), "none")), ENOENT);
  EXPECT_EQ(error_of(example::open_beneath(folder_->fd(), "plain/x")), ENOTDIR);
}

TEST_F(HttpFilesTest, OpenByComponentFollowsNoLink) {
  for (const char* inside : {"plain", "folder/inner.txt", "fifo"}) {
    EXPECT_EQ(error_of(example::open_by_component(folder_->fd(), inside)), 0) << inside;
  }
  for (const char* link : {"stays", "folder_stays/inner.txt", "leaves", "folder_leaves/secret",
                           "absolute", "magic", "loop"}) {
    const int error = error_of(example::open_by_component(folder_->fd(), link));
    EXPECT_TRUE(error == ELOOP || error == ENOTDIR) << link << ": " << error;
  }
  EXPECT_EQ(error_of(example::open_by_component(folder_->fd(), "none")), ENOENT);
  EXPECT_EQ(error_of(example::open_by_component(folder_->fd(), "plain/x")), ENOTDIR);
}

TEST_F(HttpFilesTest, CacheAnswersWithAStatusForWhatItCannotServe) {
  example::FileCache cache(folder_);
  const auto status_of = [&](std::string_view target) {
    const example::StaticFile* file = nullptr;
    return cache.find(target, 1, &file);
  };
  EXPECT_EQ(status_of("/plain"), 200);
  EXPECT_EQ(status_of("/"), 200);
  EXPECT_EQ(status_of("/a%20b"), 200);
  EXPECT_EQ(status_of("//folder/.//inner.txt"), 200);
  EXPECT_EQ(status_of("/folder"), 404);
  EXPECT_EQ(status_of("/folder/"), 404);
  EXPECT_EQ(status_of("/fifo"), 404);
  EXPECT_EQ(status_of("/socket"), 404);
  EXPECT_EQ(status_of("/none"), 404);
  EXPECT_EQ(status_of("/plain/"), 404);
  EXPECT_EQ(status_of("/" + std::string(300, 'x')), 404);
  EXPECT_EQ(status_of("/" + std::string(5000, 'x')), 404);
  EXPECT_EQ(status_of("/leaves"), 403);
  EXPECT_EQ(status_of("/folder_leaves/secret"), 403);
  EXPECT_EQ(status_of("/absolute"), 403);
  EXPECT_EQ(status_of("/loop"), 403);
  EXPECT_EQ(status_of("/../outside/secret"), 400);
}

TEST_F(HttpFilesTest, CacheServesWhatTheFileIsNow) {
  example::FileCache cache(folder_);
  const example::StaticFile* file = nullptr;
  ASSERT_EQ(cache.find("/plain", 1, &file), 200);
  const std::string before = file->etag;
  EXPECT_EQ(file->size(), 5u);
  ASSERT_EQ(cache.find("/plain", 1, &file), 200);
  EXPECT_EQ(file->etag, before);

  write(root() / "plain", "written over");  // seen at once
  ASSERT_EQ(cache.find("/plain", 1, &file), 200);
  EXPECT_EQ(file->size(), 12u);
  EXPECT_NE(file->etag, before);

  write(root() / "new", "replaced");  // seen in the next second
  fs::rename(root() / "new", root() / "plain");
  ASSERT_EQ(cache.find("/plain", 2, &file), 200);
  EXPECT_EQ(file->size(), 8u);

  fs::remove(root() / "plain");
  EXPECT_EQ(cache.find("/plain", 3, &file), 404);
}

TEST_F(HttpFilesTest, CacheHoldsABoundedNumberOfFilesOpen) {
  example::FileCache cache(folder_);
  const auto open_files = [] {
    return std::distance(fs::directory_iterator("/proc/self/fd"), fs::directory_iterator());
  };
  const auto before = open_files();
  const example::StaticFile* file = nullptr;
  std::string target = "/plain";
  for (size_t i = 0; i < 3 * example::FileCache::kMostFiles; ++i) {
    target.insert(0, "/");  // always another name of the same file
    ASSERT_EQ(cache.find(target, 1, &file), 200);
    ASSERT_LE(open_files() - before, static_cast<ptrdiff_t>(example::FileCache::kMostFiles));
  }
  bight::FileSlice slice(file->file, 0, file->size());
  ASSERT_EQ(cache.find("/none", 1, &file), 404);
  bight::ChainBuilder content;
  EXPECT_EQ(slice.read(content).bytes, 5u);
}

TEST(HttpTargetTest, IsDecodedToAPathThatStaysBelow) {
  const auto path_of = [](std::string_view target) {
    std::string path;
    return example::decode_target(target, path) ? path : "refused";
  };
  EXPECT_EQ(path_of("/a/b"), "a/b");
  EXPECT_EQ(path_of("/"), "index.html");
  EXPECT_EQ(path_of("/a/"), "a/index.html");
  EXPECT_EQ(path_of("/./a/.//b"), "a/b");
  EXPECT_EQ(path_of("/a/."), "a/index.html");
  EXPECT_EQ(path_of("/%61%2e%2E"), "a..");
  EXPECT_EQ(path_of("/..."), "...");
  EXPECT_EQ(path_of("/a\\..\\b"), "a\\..\\b");  // a name like any other
  for (const char* wrong :
       {"/..", "/../a", "/a/../b", "/a/..", "/%2e%2e/a", "/.%2e", "/%2e./a", "/a%00", "/a%2fb",
        "/..%2fa", "/%", "/%4", "/%4x", "/%+1", "/%%41", "/a%/b"}) {
    EXPECT_EQ(path_of(wrong), "refused") << wrong;
  }
}

TEST(HttpRangeTest, IsWhatTheFieldAsksFor) {
  const auto range_of = [](std::string_view value, uint64_t size) -> std::string {
    example::ByteRange range;
    const int status = example::parse_range(value, size, range);
    if (status != 206) return std::to_string(status);
    return std::to_string(range.first) + "+" + std::to_string(range.size);
  };
  EXPECT_EQ(range_of("bytes=0-0", 10), "0+1");
  EXPECT_EQ(range_of("bytes=2-5", 10), "2+4");
  EXPECT_EQ(range_of("Bytes=2-", 10), "2+8");
  EXPECT_EQ(range_of("bytes=9-100", 10), "9+1");
  EXPECT_EQ(range_of("bytes=0-18446744073709551615", 10), "0+10");
  EXPECT_EQ(range_of("bytes=-3", 10), "7+3");
  EXPECT_EQ(range_of("bytes=-30", 10), "0+10");
  EXPECT_EQ(range_of("bytes=-0", 10), "416");
  EXPECT_EQ(range_of("bytes=10-", 10), "416");
  EXPECT_EQ(range_of("bytes=10-20", 10), "416");
  EXPECT_EQ(range_of("bytes=0-", 0), "416");
  EXPECT_EQ(range_of("bytes=-5", 0), "416");
  for (const char* all : {"", "bytes", "bytes=", "bytes=-", "bytes=a-b", "bytes=5-2", "bytes=1",
                          "bytes=0-1,3-4", "bytes= 0-1", "items=0-1", "bytes=--1", "bytes=0--1",
                          "bytes=+1-2", "bytes=18446744073709551616-"}) {
    EXPECT_EQ(range_of(all, 10), "200") << all;
  }
}

TEST(HttpEtagTest, IsFoundInAListWeakOrNot) {
  EXPECT_TRUE(example::names_etag("\"a\"", "\"a\""));
  EXPECT_TRUE(example::names_etag("\"b\", W/\"a\"", "\"a\""));
  EXPECT_TRUE(example::names_etag("*", "\"a\""));
  EXPECT_FALSE(example::names_etag("\"b\"", "\"a\""));
  EXPECT_FALSE(example::names_etag("", "\"a\""));
}

TEST(HttpDateTest, IsWrittenAsHttpDoes) {
  EXPECT_EQ(example::http_date(784111777), "Sun, 06 Nov 1994 08:49:37 GMT");
}

}  // namespace
