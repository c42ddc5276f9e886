// Chains that share segments and tables, on several threads at once: run under ThreadSanitizer.
#include "bight/config.h"

#if !BIGHT_PLAIN_COUNT

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <latch>
#include <string>
#include <thread>
#include <vector>

#include "bight/bytes.h"
#include "bight/chain.h"
#include "bight/memory.h"
#include "tests/support/access.h"
#include "tests/support/shapes.h"

namespace {

using bight::Bytes;
using bight::ByteView;
using bight::Chain;
using bight::internal::Access;
using shapes::cut_up;
using shapes::letters;

constexpr int kThreads = 4;

// Runs f(0) ... f(kThreads - 1) on a thread each, started together. True if all said true.
template <class F>
bool on_threads(const F& f) {
  std::latch start(kThreads);
  std::atomic<int> right{0};
  std::vector<std::thread> threads;
  for (int i = 0; i < kThreads; ++i) {
    threads.emplace_back([&, i] {
      start.arrive_and_wait();
      if (f(i)) right.fetch_add(1);
    });
  }
  for (std::thread& thread : threads) thread.join();
  return right == kThreads;
}

// chain-X09
TEST(ChainThreadsTest, CopiesAreMadeSlicedReadAndDroppedAtOnce) {
  const std::string text = letters(3000);
  for (const size_t each : {3000, 1500, 100, 7}) {
    const Chain shared = cut_up(text, each);
    EXPECT_TRUE(on_threads([&](int thread) {
      bool right = true;
      for (int round = 0; round < 300; ++round) {
        const Chain copy = shared;
        const size_t from = static_cast<size_t>(round * 7 + thread * 100) % 2000;
        const Chain slice = copy.slice(from, 900);
        right = right && slice == ByteView(std::string_view(text).substr(from, 900)) &&
                static_cast<char>(copy[from]) == text[from] && copy == shared &&
                shared.find("no such thing") == std::nullopt;
      }
      return right;
    }));
    EXPECT_LE(Access::table_references(shared), 1u);
  }
}

TEST(ChainThreadsTest, CompetingPushersClaimEachSlotOnce) {
  const std::string text = letters(20 * 5);
  for (int round = 0; round < 100; ++round) {
    // 20 slots of 32 are used.
    const Chain body = cut_up(text, 5);
    std::array<Chain, kThreads> copies;
    copies.fill(body);
    EXPECT_TRUE(on_threads([&](int thread) {
      Chain& mine = copies[static_cast<size_t>(thread)];
      std::string wanted = text;
      for (char c = 'A'; c < 'A' + 9; ++c) {
        const std::string piece(static_cast<size_t>(1 + thread), c);
        mine.push_back(Bytes::copy_of(piece));
        wanted += piece;
        mine.check_invariants();
        if (mine != ByteView(wanted)) return false;
      }
      mine.consume(3);
      return mine == ByteView(std::string_view(wanted).substr(3));
    }));
    EXPECT_TRUE(body == ByteView(text));
    body.check_invariants();
  }
}

TEST(ChainThreadsTest, SlicesAreReadWhileOthersPush) {
  const std::string text = letters(400 * 5);
  for (int round = 0; round < 20; ++round) {
    Chain body = cut_up(text, 5);
    std::array<Chain, kThreads> mine;
    mine.fill(body);
    EXPECT_TRUE(on_threads([&](int thread) {
      Chain& chain = mine[static_cast<size_t>(thread)];
      bool right = true;
      for (int i = 0; i < 50; ++i) {
        if (thread % 2 == 0) {
          chain.push_back(Bytes::copy_of("pushed behind"));
          chain.push_front(Bytes::from_static("x"));
          chain.consume(1);
        } else {
          const Chain slice = chain.slice(100 + static_cast<size_t>(i), 1500);
          right = right && slice == ByteView(std::string_view(text).substr(
                                        100 + static_cast<size_t>(i), 1500));
          const Chain rest = slice.slice(200, 1000);
          right = right && rest.size() == 1000 && rest.retained_size() > 1000;
        }
      }
      return right;
    }));
    EXPECT_TRUE(body == ByteView(text));
  }
}

// slice() looked at what a table that seemed unique holds up to its tail, while a copy that another
// thread had made meanwhile was claiming slots there.
TEST(ChainThreadsTest, OneConstChainIsSlicedWhileItsCopiesClaimSlots) {
  const std::string text = letters(20 * 5);
  for (int round = 0; round < 200; ++round) {
    const Chain body = cut_up(text, 5);
    EXPECT_TRUE(on_threads([&](int thread) {
      bool right = true;
      for (int i = 0; i < 10; ++i) {
        if (thread % 2 == 0) {
          Chain copy = body;
          copy.push_back(Bytes::from_static("one"));
          copy.push_back(Bytes::from_static("two"));
          right = right && copy.size() == text.size() + 6;
        } else {
          const Chain slice = body.slice(10, 70);
          right = right && slice == ByteView(std::string_view(text).substr(10, 70));
          right = right && body.retained_size() >= 100;
        }
      }
      return right;
    }));
  }
}

TEST(ChainThreadsTest, CutsFromOneBlockAreDroppedOnOtherThreads) {
  const std::string text = letters(4000);
  std::atomic<int> released{0};
  for (int round = 0; round < 50; ++round) {
    Chain stream;
    for (int i = 0; i < 4; ++i) {
      stream.push_back(Bytes::with_release(std::as_bytes(std::span(text)),
                                           [&released]() noexcept { released.fetch_add(1); }));
    }
    std::array<std::vector<Chain>, kThreads> frames;
    for (size_t i = 0; stream.size() >= 100; ++i) {
      frames[i % kThreads].push_back(stream.split_to(100));
    }
    EXPECT_TRUE(on_threads([&](int thread) {
      bool right = true;
      for (Chain& frame : frames[static_cast<size_t>(thread)]) {
        right = right && frame.size() == 100 && frame.front().size() <= 100;
        frame.clear();
      }
      return right;
    }));
    EXPECT_EQ(released, 4 * (round + 1));
  }
}

TEST(ChainThreadsTest, TheLastOfManyThreadsReleasesEverySegmentOnce) {
  const std::string text = letters(10);
  for (int round = 0; round < 100; ++round) {
    std::atomic<int> released{0};
    std::array<Chain, kThreads> copies;
    {
      Chain body;
      for (int i = 0; i < 50; ++i) {
        body.push_back(Bytes::with_release(std::as_bytes(std::span(text)),
                                           [&released]() noexcept { released.fetch_add(1); }));
      }
      copies.fill(body);
    }
    EXPECT_TRUE(on_threads([&](int thread) {
      Chain& mine = copies[static_cast<size_t>(thread)];
      // By different ways out.
      switch (thread) {
        case 0:
          mine.clear();
          break;
        case 1:
          while (!mine.empty()) mine.consume(std::min<size_t>(mine.size(), 23));
          break;
        case 2:
          while (!mine.empty()) mine.remove_suffix(std::min<size_t>(mine.size(), 23));
          break;
        case 3:
          mine.push_back(Bytes::from_static("a"));
          mine.push_back(Bytes::from_static("b"));
          while (!mine.empty()) (void)mine.pop();
          break;
      }
      return true;
    }));
    EXPECT_EQ(released, 50);
  }
}

TEST(ChainThreadsTest, AChainHandedOverIsChangedByItsNewThread) {
  const std::string text = letters(300);
  for (int round = 0; round < 50; ++round) {
    std::array<Chain, kThreads> chains;
    const Chain body = cut_up(text, 10);
    for (Chain& chain : chains) {
      chain = body;
      chain.push_front(Bytes::copy_of("header "));
      chain.push_back(Bytes::copy_of("trailer"));
    }
    EXPECT_TRUE(on_threads([&](int thread) {
      Chain mine = std::move(chains[static_cast<size_t>(thread)]);
      mine.pull_up(20);
      splice(mine, 30, 40, Chain(Bytes::copy_of("replaced")));
      mine.unshare();
      mine.check_invariants();
      return mine.size() == 7 + text.size() + 7 - 40 + 8;
    }));
    EXPECT_TRUE(body == ByteView(text));
    body.check_invariants();
  }
}

}  // namespace

#endif  // !BIGHT_PLAIN_COUNT: with plain counts no handle may be shared between threads
