// Uring with every allocation failing once: starting an operation fails and leaves its bytes with
// the caller; run_once() fails and loses nothing, so that the next one goes on.
#include <gtest/gtest.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <cstddef>
#include <new>
#include <string>
#include <utility>

#include "bight/chain.h"
#include "bight/io/file.h"
#include "bight/io/uring.h"
#include "bight/memory.h"
#include "tests/io_support.h"
#include "tests/support/replace_new.h"

namespace bight {
namespace {

#if BIGHT_HAS_EXCEPTIONS

class UringAllocationTest : public NoDescriptorLeaks {
 protected:
  void SetUp() override {
    set_cache_limits({0, 0, 0});
    trim_caches();
    NoDescriptorLeaks::SetUp();
  }
  void TearDown() override {
    set_cache_limits(CacheLimits{});
    NoDescriptorLeaks::TearDown();
  }
};

// Calls `call` with the k-th allocation failing; whether it failed with bad_alloc.
template <class F>
bool fails_at(long k, F&& call) {
  replaced_new::succeed = k;
  bool failed = false;
  try {
    call();
  } catch (const std::bad_alloc&) {
    failed = true;
  }
  replaced_new::succeed = -1;
  return failed;
}

TEST_F(UringAllocationTest, StartingFailsAndLeavesTheBytesWithTheCaller) {
  const std::string text = pattern(1000);
  int failures = 0;
  for (long k = 0; k < 30; ++k) {
    Ends ends = make_sockets();
    const File file = make_temporary_file();
    Uring uring;
    Chain bytes = chain_of(text, {300});
    const auto nothing = [](const IoResult&, Chain) {};
    if (fails_at(k, [&] { uring.send(ends.a.fd(), std::move(bytes), nothing); })) {
      EXPECT_TRUE(bytes == text);
      EXPECT_EQ(uring.pending(), 0u);
      ++failures;
    }
    bytes = chain_of(text, {300});
    const size_t pending = uring.pending();
    if (fails_at(k, [&] { uring.write_at(file.fd(), 0, std::move(bytes), nothing); })) {
      EXPECT_TRUE(bytes == text);
      EXPECT_EQ(uring.pending(), pending);
      ++failures;
    }
    bytes.clear();
    const size_t so_far = uring.pending();
    if (fails_at(k, [&] { uring.read_at(file.fd(), 0, 4096, nothing); })) {
      EXPECT_EQ(uring.pending(), so_far);
      ++failures;
    }
    const size_t then = uring.pending();
    if (fails_at(k, [&] { uring.receive(ends.b.fd(), nothing); })) {
      EXPECT_EQ(uring.pending(), then);
      ++failures;
    }
    ends.a.close();
    while (uring.run_once(std::chrono::seconds(10)).kind == IoKind::data) {
    }
    EXPECT_EQ(uring.pending(), 0u);
  }
  EXPECT_GE(failures, 10);
}

TEST_F(UringAllocationTest, RunningFailsAndGoesOnWithoutALoss) {
  const std::string text = pattern(20000);
  for (const bool ring : {true, false}) {
    int failures = 0;
    for (long k = 0; k < 12; ++k) {
      UringOptions options;
      options.use_ring = ring;
      options.receive_blocks = 4;
      options.receive_block_size = 600;
      Ends ends = make_sockets();
      const File file = make_temporary_file();
      const size_t live = replaced_new::live;
      {
        Uring uring(options);
        // Callbacks must not throw, so this one only moves.
        std::array<Chain, 200> pieces;
        size_t count = 0;
        size_t got = 0;
        IoResult sent;
        IoResult wrote;
        IoResult read;
        Chain page;
        uring.receive(ends.b.fd(), [&](const IoResult&, Chain bytes) {
          got += bytes.size();
          pieces[count++] = std::move(bytes);
        });
        uring.send(ends.a.fd(), chain_of(text, {500}), [&](const IoResult& result, Chain) {
          sent = result;
          ::shutdown(ends.a.fd(), SHUT_WR);
        });
        uring.write_at(file.fd(), 0, chain_of(text, {300}),
                       [&](const IoResult& result, Chain) { wrote = result; });
        // Each run fails at its k-th allocation, and the one after it does not.
        for (int i = 0; i < 10000 && uring.pending() != 0; ++i) {
          if (fails_at(k, [&] { uring.run_once(std::chrono::seconds(10)); })) {
            ++failures;
            uring.run_once(std::chrono::seconds(10));
          }
        }
        EXPECT_EQ(uring.pending(), 0u);
        EXPECT_EQ(sent, (IoResult{text.size()}));
        EXPECT_EQ(wrote, (IoResult{text.size()}));
        ASSERT_EQ(got, text.size());
        std::string all;
        for (size_t i = 0; i < count; ++i) all += pieces[i].to_string();
        EXPECT_TRUE(all == text);
        uring.read_at(file.fd(), 0, text.size(), [&](const IoResult& result, Chain bytes) {
          read = result;
          page = std::move(bytes);
        });
        while (uring.pending() != 0) uring.run_once(std::chrono::seconds(10));
        EXPECT_EQ(read, (IoResult{text.size()}));
        EXPECT_TRUE(page == text);
      }
      // The shared tail of this thread keeps a block.
      EXPECT_LE(replaced_new::live, live + 2);
    }
    EXPECT_GE(failures, 3);
  }
}

TEST_F(UringAllocationTest, ReceivingAcrossBlocksFailsWithoutALoss) {
  const std::string text = pattern(600000);
  for (const bool ring : {true, false}) {
    int failures = 0;
    for (long k = 0; k < 12; ++k) {
      UringOptions options;
      options.use_ring = ring;
      Ends ends = make_sockets();
      const int room = 1 << 20;
      ASSERT_EQ(::setsockopt(ends.a.fd(), SOL_SOCKET, SO_SNDBUF, &room, sizeof(room)), 0);
      Uring uring(options);
      std::array<Chain, 400> pieces;
      size_t count = 0;
      size_t most_segments = 0;
      uring.receive(ends.b.fd(), [&](const IoResult&, Chain bytes) {
        most_segments = std::max(most_segments, bytes.segment_count());
        pieces[count++] = std::move(bytes);
      });
      // The reads without the ring grow until one goes over several blocks of the shared tail.
      size_t written = 0;
      bool ended = false;
      for (int i = 0; i < 10000 && uring.pending() != 0; ++i) {
        const ssize_t n = ::send(ends.a.fd(), text.data() + written, text.size() - written,
                                 MSG_DONTWAIT | MSG_NOSIGNAL);
        if (n > 0) written += static_cast<size_t>(n);
        if (written == text.size() && !ended) ended = ::shutdown(ends.a.fd(), SHUT_WR) == 0;
        if (fails_at(k, [&] { uring.run_once(std::chrono::seconds(10)); })) {
          ++failures;
          uring.run_once(std::chrono::seconds(10));
        }
      }
      EXPECT_EQ(uring.pending(), 0u);
      std::string all;
      for (size_t i = 0; i < count; ++i) all += pieces[i].to_string();
      EXPECT_EQ(all.size(), text.size());
      EXPECT_TRUE(all == text);
      if (!ring) {
        EXPECT_GT(most_segments, 1u);
      }
    }
    EXPECT_GE(failures, 3);
  }
}

#endif

}  // namespace
}  // namespace bight
