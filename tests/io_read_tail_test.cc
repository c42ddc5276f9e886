// ReadTail: what 1 and 2,000 connections keep in memory (row A6), and that no connection sees
// another's bytes.
#include <gtest/gtest.h>

#include <cstddef>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "bight/bytes.h"
#include "bight/chain.h"
#include "bight/copy_audit.h"
#include "bight/io/read.h"
#include "bight/io/read_size.h"
#include "bight/io/read_tail.h"
#include "bight/memory.h"
#include "bight/testing/scripted_io.h"
#include "tests/io_support.h"

namespace bight {
namespace {

// A source that brings `size` bytes a read, each of them `mark`.
struct Marked {
  size_t size;
  char mark;
  IoResult read_some(std::span<const iovec> into) const {
    size_t left = size;
    for (const iovec& entry : into) {
      const size_t n = std::min(left, entry.iov_len);
      std::memset(entry.iov_base, mark, n);
      left -= n;
    }
    return {size - left};
  }
};

TEST(IoReadTailTest, EachReadGetsItsOwnBytes) {
  ReadTail tail(4096);
  std::vector<ReadSize> sizes(10);
  std::vector<Chain> kept(10);
  const CopyAudit audit;
  for (size_t i = 0; i < 2000; ++i) {
    const size_t c = i % 10;
    Chain received;
    const size_t n = 1 + i * 37 % 3000;
    const IoResult result =
        read_some(Marked{n, static_cast<char>('a' + c)}, tail, sizes[c], received);
    EXPECT_EQ(result, IoResult{n});
    EXPECT_EQ(received.size(), n);
    kept[c].push_back(std::move(received));
  }
  EXPECT_EQ(audit.thread().copied, 0u);
  for (size_t c = 0; c < 10; ++c) {
    EXPECT_TRUE(kept[c] == ByteView(std::string(kept[c].size(), static_cast<char>('a' + c))));
    kept[c].check_invariants();
  }
}

TEST(IoReadTailTest, LosesNothingWhateverTheSourceDoes) {
  const std::string text = pattern(16);
  for_each_io_script(16, source_faults(), [&](const IoScript& script) {
    SCOPED_TRACE(script.to_string());
    ScriptedSource source(text, script.steps);
    ReadTail tail;
    ReadSize size;
    Chain all;
    for (;;) {
      Chain received = chain_of("stale", {5});
      const IoResult result = read_some(source, tail, size, received);
      ASSERT_EQ(result.bytes, received.size());
      all.push_back(std::move(received));
      ASSERT_EQ(all, ByteView(text.substr(0, source.position())));
      if (result.kind == IoKind::eof || result.is_error()) break;
    }
  });
}

TEST(IoReadTailTest, ABusyConnectionReadsAMebibyteAtOnce) {
  ReadTail tail;
  ReadSize size;
  ScriptedSource source(std::string(size_t{16} << 20, 'x'));
  Chain received;
  size_t largest = 0;
  while (read_some(source, tail, size, received).kind == IoKind::data) {
    largest = std::max(largest, received.size());
  }
  EXPECT_GE(largest, ReadSize::kMost);
}

TEST(IoReadTailTest, EachThreadHasItsOwn) {
  ReadTail* const mine = &ReadTail::of_this_thread();
  EXPECT_EQ(mine, &ReadTail::of_this_thread());
  Chain received;
  std::thread([&] {
    EXPECT_NE(mine, &ReadTail::of_this_thread());
    ReadSize size;
    read_some(Marked{100, 'x'}, ReadTail::of_this_thread(), size, received);
  }).join();
  EXPECT_EQ(received, std::string(100, 'x'));  // outlives the thread that read it
}

// ---- Row A6 ------------------------------------------------------------------------------------

size_t live() {
  trim_caches();
  return memory_totals().live();
}

// Keeps `messages` messages of `size` bytes a connection, each a Bytes that came by a read of its
// own, and returns how many times their bytes are held: blocks, and 24 bytes a handle.
double held(size_t connections, size_t messages, size_t size) {
  std::vector<ReadSize> sizes(connections);
  std::vector<std::vector<Bytes>> kept(connections);
  for (std::vector<Bytes>& list : kept) list.reserve(messages);
  const size_t before = live();
  ReadTail tail;
  for (size_t m = 0; m < messages; ++m) {
    for (size_t c = 0; c < connections; ++c) {
      Chain received;
      read_some(Marked{size, 'x'}, tail, sizes[c], received);
      while (!received.empty()) kept[c].push_back(received.pop());
    }
  }
  size_t handles = 0;
  for (const std::vector<Bytes>& list : kept) handles += list.size();
  const size_t data = connections * messages * size;
  return static_cast<double>(live() - before + handles * sizeof(Bytes)) / static_cast<double>(data);
}

TEST(IoReadTailTest, KeptSmallMessagesCostLittleMoreThanTheirBytes) {
  EXPECT_LE(held(1, 64000, 64), 1.5);
  EXPECT_LE(held(2000, 32, 64), 1.5);
  EXPECT_LE(held(1, 16000, 512), 1.1);
  EXPECT_LE(held(2000, 8, 512), 1.1);
}

// One message in 1,000 kept: as it came it pins a block of 64 KiB; Chain::compact() is the policy.
TEST(IoReadTailTest, AFewKeptCompactedMessagesPinNoBlocks) {
  for (const size_t connections : {size_t{1}, size_t{2000}}) {
    for (const size_t size : {size_t{64}, size_t{512}}) {
      const size_t before = live();
      std::vector<ReadSize> sizes(connections);
      std::vector<Chain> kept;
      {
        ReadTail tail;
        for (size_t i = 0; i < 1000000; ++i) {
          Chain received;
          read_some(Marked{size, 'x'}, tail, sizes[i % connections], received);
          if (i % 1000 == 0) kept.push_back(received.compact());
        }
        EXPECT_LE(tail.spare(), ReadTail::kBlock * 2);
      }
      const size_t data = kept.size() * size;
      EXPECT_LE(live() - before, 2 * data) << connections << " connections, " << size << " bytes";
      for (const Chain& chain : kept) ASSERT_LE(chain.retained_size(), 2 * size);
    }
  }
}

TEST(IoReadTailTest, IdleConnectionsHoldNothing) {
  const size_t before = live();
  ReadTail tail;
  std::vector<ReadSize> sizes(2000);
  for (ReadSize& size : sizes) {
    Chain received;
    read_some(Marked{300, 'x'}, tail, size, received);
  }
  EXPECT_LE(live() - before, size_t{256} << 10);
  tail.trim();
  EXPECT_EQ(live(), before);
}

}  // namespace
}  // namespace bight
