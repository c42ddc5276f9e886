// Proof from outside that the image transfer copies no payload: both ends run with a library in
// front of libc that writes down what is copied and which addresses the kernel is given.
#include <gtest/gtest.h>
#include <signal.h>
#include <stdlib.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <string>
#include <utility>
#include <vector>

#include "tests/support/image_transfer_shim/shim.h"

namespace {

using shim::Record;

constexpr size_t kSize = (size_t{8} << 20) + 12'345;

std::string marked_image() {
  std::string image(kSize, '\0');
  for (size_t i = 0; i < image.size(); ++i) image[i] = static_cast<char>(i * 2654435761u >> 13);
  for (size_t i = 0; i + shim::kMarker.size() <= kSize; i += 128) {
    image.replace(i, shim::kMarker.size(), shim::kMarker);
  }
  return image;
}

std::string content_of(const std::string& path) {
  std::ostringstream content;
  content << std::ifstream(path, std::ios::binary).rdbuf();
  return content.str();
}

// Pieces of memory of one kind of record, sorted, neighbours and repeated ones joined.
struct Pieces {
  std::vector<std::pair<uint64_t, uint64_t>> ranges;  // begin, end
  uint64_t total = 0;                                 // of all records, repeated ones too

  bool contain(const Pieces& others) const {
    return std::all_of(others.ranges.begin(), others.ranges.end(), [this](const auto& other) {
      return std::any_of(ranges.begin(), ranges.end(), [&](const auto& mine) {
        return mine.first <= other.first && other.second <= mine.second;
      });
    });
  }
  // Bytes of `others` that lie in none of these.
  uint64_t missing(const Pieces& others) const {
    uint64_t sum = 0;
    for (const auto& [begin, end] : others.ranges) {
      uint64_t covered = 0;
      for (const auto& mine : ranges) {
        const uint64_t from = std::max(begin, mine.first), to = std::min(end, mine.second);
        if (from < to) covered += to - from;
      }
      sum += end - begin - covered;
    }
    return sum;
  }
  uint64_t size() const {
    uint64_t sum = 0;
    for (const auto& [begin, end] : ranges) sum += end - begin;
    return sum;
  }
};

class Log {
 public:
  explicit Log(const std::string& path) {
    const std::string bytes = content_of(path);
    records_.resize(bytes.size() / sizeof(Record));
    std::memcpy(records_.data(), bytes.data(), records_.size() * sizeof(Record));
  }
  size_t count(uint64_t kind) const {
    return static_cast<size_t>(std::count_if(records_.begin(), records_.end(),
                                             [=](const Record& r) { return r.kind == kind; }));
  }
  Pieces pieces(uint64_t kind) const {
    Pieces all;
    for (const Record& r : records_) {
      if (r.kind != kind) continue;
      all.ranges.emplace_back(r.address, r.address + r.size);
      all.total += r.size;
    }
    std::sort(all.ranges.begin(), all.ranges.end());
    size_t last = 0;
    for (size_t i = 1; i < all.ranges.size(); ++i) {
      if (all.ranges[i].first <= all.ranges[last].second) {
        all.ranges[last].second = std::max(all.ranges[last].second, all.ranges[i].second);
      } else {
        all.ranges[++last] = all.ranges[i];
      }
    }
    if (!all.ranges.empty()) all.ranges.resize(last + 1);
    return all;
  }

 private:
  std::vector<Record> records_;
};

class ImageTransferCopiesTest : public ::testing::Test {
 protected:
  void SetUp() override {
    folder_ = std::filesystem::temp_directory_path() / "image_transfer_copies.XXXXXX";
    ASSERT_NE(::mkdtemp(folder_.data()), nullptr);
    std::ofstream(folder_ + "/image", std::ios::binary) << marked_image();
  }
  void TearDown() override { std::filesystem::remove_all(folder_); }
  // `command` with the library in front, writing to `log`.
  std::string observed(const std::string& log, const std::string& command) const {
    return "exec env SHIM_LOG=" + folder_ + "/" + log + " LD_PRELOAD=" SHIM " timeout 100 " +
           command;
  }
  // Transfers the image with `options`.
  void transfer(const std::string& options) {
    std::FILE* const server = ::popen(
        ("echo $$; " + observed("serve", IMAGE_TRANSFER " serve " + folder_ + "/image")).c_str(),
        "r");
    int pid = 0;
    char address[64] = "";
    ASSERT_EQ(std::fscanf(server, "%d listening on %63s", &pid, address), 2);
    const std::string fetch = std::string(IMAGE_TRANSFER " fetch ") + address + " image -o " +
                              folder_ + "/out " + options;
    EXPECT_EQ(std::system(observed("fetch", fetch + " > /dev/null").c_str()), 0);
    ::kill(pid, SIGTERM);
    ::pclose(server);
    EXPECT_TRUE(content_of(folder_ + "/out") == marked_image());
  }
  // What holds for every scheme; returns where the client received the image.
  Pieces expect_nothing_copied() {
    const Log server(folder_ + "/serve"), client(folder_ + "/fetch");
    EXPECT_EQ(server.count(Record::kMarkedCopy), 0u);
    EXPECT_EQ(client.count(Record::kMarkedCopy), 0u);
    // The server: the file comes into one block, and all that is sent lies there.
    const Pieces read = server.pieces(Record::kReadFile),
                 sent = server.pieces(Record::kWriteSocket);
    const auto is_image = [](const auto& range) { return range.second - range.first >= kSize; };
    EXPECT_EQ(std::count_if(read.ranges.begin(), read.ranges.end(), is_image), 1);
    EXPECT_TRUE(read.contain(sent));
    EXPECT_EQ(sent.size(), kSize);
    EXPECT_EQ(sent.total, kSize);
    // The client: what is written lies where it was received.
    const Pieces received = client.pieces(Record::kReadSocket);
    const Pieces written = client.pieces(Record::kWriteFile);
    // But for reads of less than kLeast, which are not seen: the end of a part may come in one.
    EXPECT_LE(received.missing(written), 100 * shim::kLeast);
    EXPECT_EQ(written.total, kSize);
    return received;
  }

  std::string folder_;
};

TEST_F(ImageTransferCopiesTest, AWholeImageGoesFromOneBlockToOneBlock) {
  transfer("");
  const Pieces received = expect_nothing_copied();
  EXPECT_GE(received.size(), kSize - 100 * shim::kLeast);
  EXPECT_LE(received.ranges.back().second - received.ranges.front().first, kSize);
}

TEST_F(ImageTransferCopiesTest, PartsAreReceivedSideBySide) {
  transfer("--parts 100 --connections 4");
  const Pieces received = expect_nothing_copied();
  EXPECT_GE(received.size(), kSize - 100 * shim::kLeast);  // ends of parts may come in small reads
}

TEST_F(ImageTransferCopiesTest, ScatteredPartsAreWrittenFromWhereTheyCame) {
  transfer("--parts 100 --connections 4 --scattered");
  const Pieces received = expect_nothing_copied();
  EXPECT_GE(received.ranges.size(), 50u);
}

// The control: a program that copies 600 bytes of payload, the next test, is caught.
TEST_F(ImageTransferCopiesTest, ACopyOfPayloadIsSeen) {
  const std::string self = std::filesystem::read_symlink("/proc/self/exe");
  const std::string copier = self + " --gtest_filter=CopierTest.CopiesPayload > /dev/null";
  EXPECT_EQ(std::system(observed("copier", copier).c_str()), 0);
  EXPECT_EQ(Log(folder_ + "/copier").count(Record::kMarkedCopy), 1u);
}

TEST(CopierTest, CopiesPayload) {
  void* (*volatile copy)(void*, const void*, size_t) = &std::memcpy;
  static char from[600], to[600];
  for (size_t i = 0; i < shim::kMarker.size(); ++i) from[300 + i] = shim::kMarker[i];
  copy(to, from, sizeof(to));
  EXPECT_EQ(std::memcmp(to, from, sizeof(to)), 0);
}

}  // namespace
