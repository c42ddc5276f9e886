// Handles, builders and caches used by many threads at once, at a thread's end, after the program's
// end has begun, and in a forked child. Meant to run under ThreadSanitizer too.
#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "bight/bytes.h"
#include "bight/bytes_builder.h"
#include "bight/chain.h"
#include "bight/chain_builder.h"
#include "bight/copy_audit.h"
#include "bight/memory.h"
#include "tests/support/access.h"
#include "tests/support/counted_owner.h"

#if defined(__unix__)
#include <sys/wait.h>
#include <unistd.h>
#endif

namespace {

using bight::Bytes;
using bight::BytesBuilder;
using bight::Chain;
using bight::ChainBuilder;
using bight::memory_totals;
using bight::internal::Access;
using bight_test::pattern;
using bight_test::Released;

// Runs `work(i)` on `n` threads that start together; waits for all.
template <class Work>
void on_threads(size_t n, Work work) {
  std::atomic<size_t> waiting{n};
  std::vector<std::thread> threads;
  for (size_t i = 0; i < n; ++i) {
    threads.emplace_back([&, i] {
      --waiting;
      while (waiting != 0) std::this_thread::yield();
      work(i);
    });
  }
  for (std::thread& thread : threads) thread.join();
}

#if !BIGHT_PLAIN_COUNT

TEST(ThreadsTest, OneHandleIsCopiedAndDroppedByMany) {  // slice-F05 slice-A01
  const Bytes bytes = Bytes::copy_of("shared by many");
  on_threads(8, [&](size_t) {
    for (int round = 0; round < 1000; ++round) {
      const Bytes copy = bytes;
      Bytes part = copy.slice(7, 2);
      ASSERT_EQ(part, "by");
      part = copy;
    }
  });
  EXPECT_EQ(bytes, "shared by many");
  EXPECT_TRUE(bytes.is_unique());
}

TEST(ThreadsTest, ConcurrentCopiesSeeTheSameAddress) {  // slice-F06
  std::optional<BytesBuilder> builder(64);
  builder->append("0123456789");
  const Bytes half = builder->split_to(5).freeze();
  const Bytes plain = Bytes::from_owner(std::vector<char>{'a', 'b'});
  for (const Bytes* const bytes : {&half, &plain}) {
    const std::byte* seen[2] = {};
    on_threads(2, [&](size_t i) {
      const Bytes copy = *bytes;
      seen[i] = copy.data();
    });
    EXPECT_EQ(seen[0], bytes->data());
    EXPECT_EQ(seen[1], bytes->data());
  }
  builder.reset();
  EXPECT_TRUE(half.is_unique());
}

TEST(ThreadsTest, LastDropperReleasesOnce) {  // buf-B41
  const std::string text = pattern(64);
  for (int round = 0; round < 200; ++round) {
    Released released;
    std::vector<Bytes> handles(4, bight_test::shared_text(text, released));
    std::vector<std::thread::id> ids(4);
    on_threads(4, [&](size_t i) {
      ids[i] = std::this_thread::get_id();
      handles[i].clear();
    });
    ASSERT_EQ(released.calls, 1);
    ASSERT_NE(std::find(ids.begin(), ids.end(), released.thread), ids.end());
  }
}

TEST(ThreadsTest, WhatOthersReadIsSeenBeforeTheLastHolderWrites) {
  // One thread reads and lets go; the other waits until it is alone and writes in place.
  for (int round = 0; round < 200; ++round) {
    Bytes mine = Bytes::copy_of("unwritten");
    std::thread reader([theirs = mine] { ASSERT_EQ(theirs, "unwritten"); });
    while (!mine.is_unique()) std::this_thread::yield();
    (*mine.try_mutable())[0] = std::byte{'U'};
    EXPECT_EQ(mine, "Unwritten");
    reader.join();
  }
}

TEST(ThreadsTest, BuilderReclaimsOnlyAfterOthersHaveLetGo) {
  for (int round = 0; round < 200; ++round) {
    BytesBuilder builder(64);
    const size_t room = builder.capacity();
    builder.append(std::string(room, 'a'));
    std::thread reader(
        [taken = builder.take(), room] { ASSERT_EQ(taken, std::string(room, 'a')); });
    while (!builder.try_reclaim(room)) std::this_thread::yield();
    builder.append(std::string(room, 'b'));
    reader.join();
  }
}

TEST(ThreadsTest, CarvedPartsAreFilledInParallelAndRejoin) {
  constexpr size_t kParts = 16;
  constexpr size_t kPart = 10000;
  const std::string image = pattern(kParts * kPart);
  BytesBuilder whole(kParts * kPart);
  std::vector<BytesBuilder> parts;
  for (size_t i = 0; i < kParts; ++i) parts.push_back(whole.carve(kPart));
  const bight::CopyAudit audit;
  std::vector<Bytes> received(kParts);
  on_threads(kParts, [&](size_t i) {
    BytesBuilder mine = std::move(parts[i]);
    for (size_t done = 0; done < kPart; done += 1000) {
      std::memcpy(mine.prepare(1000).data(), image.data() + i * kPart + done, 1000);
      mine.commit(1000);
    }
    received[i] = std::move(mine).freeze();
  });
  for (size_t i = 1; i < kParts; ++i) ASSERT_TRUE(received[0].try_join(std::move(received[i])));
  EXPECT_TRUE(received[0] == image);
  EXPECT_EQ(audit.process().copied, 0u);
  EXPECT_EQ(audit.process().blocks, 0u);
  whole = BytesBuilder();
  EXPECT_TRUE(received[0].is_unique());
}

TEST(ThreadsTest, CarvingGoesOnWhilePartsAreFilled) {
  // The parent hands parts out while others, already handed out, are written and dropped.
  BytesBuilder whole(64 * 100);
  std::vector<std::thread> threads;
  for (int i = 0; i < 64; ++i) {
    threads.emplace_back([part = whole.carve(100)]() mutable {
      part.append(std::string(100, 'p'));
      const Bytes bytes = std::move(part).freeze();
      ASSERT_EQ(bytes, std::string(100, 'p'));
    });
  }
  for (std::thread& thread : threads) thread.join();
}

TEST(ThreadsTest, SplitBuildersWriteTheirHalvesInParallel) {
  for (int round = 0; round < 100; ++round) {
    BytesBuilder left(128);
    left.append(std::string(64, '.'));
    BytesBuilder right = left.split_off(32);
    std::thread other([&right] {
      for (std::byte& b : right.span()) b = std::byte{'r'};
      right.append("R");
    });
    for (std::byte& b : left.span()) b = std::byte{'l'};
    other.join();
    ASSERT_TRUE(left.try_join(std::move(right)));
    ASSERT_EQ(left.view(), std::string(32, 'l') + std::string(32, 'r') + "R");
  }
}

TEST(ThreadsTest, MessagesOfOneBlockAreDroppedElsewhere) {
  ChainBuilder builder;
  std::vector<std::vector<Chain>> messages(4);
  for (size_t i = 0; i < 4000; ++i) {
    builder.append(pattern(50));
    messages[i % 4].push_back(builder.take());
  }
  on_threads(4, [&](size_t i) {
    for (Chain& message : messages[i]) {
      ASSERT_EQ(message, pattern(50));
      message.clear();
    }
  });
  builder.append("still in use");
  EXPECT_EQ(builder.take(), "still in use");
}

TEST(ThreadsTest, BlocksCreatedHereAreDroppedThere) {  // buf-B40
  bight::trim_caches();
  const size_t before = memory_totals().live();
  for (const size_t size : {size_t{20}, size_t{1500}, size_t{70000}}) {
    for (int round = 0; round < 20; ++round) {
      std::vector<Bytes> handles;
      for (int i = 0; i < 300; ++i) handles.push_back(Bytes::copy_of(std::string(size, 'x')));
      std::thread([&handles] { handles.clear(); }).join();
    }
  }
  const bight::MemoryTotals totals = memory_totals();
  EXPECT_EQ(totals.live(), before);
  EXPECT_LE(totals.thread_cached, bight::cache_limits().thread_bytes);
  EXPECT_LE(totals.depot_cached, bight::cache_limits().depot_bytes);
  bight::trim_caches();
}

TEST(ThreadsTest, ProducersAndConsumersShareTheDepot) {
  constexpr size_t kPairs = 2;
  std::atomic<size_t> in_flight[kPairs] = {};
  std::vector<std::atomic<Bytes*>> slots(kPairs);
  on_threads(2 * kPairs, [&](size_t i) {
    std::atomic<Bytes*>& slot = slots[i / 2];
    for (int n = 0; n < 5000; ++n) {
      if (i % 2 == 0) {
        auto* const made = new Bytes(Bytes::copy_of(std::string(1000, 'x')));
        while (slot.load() != nullptr) std::this_thread::yield();
        slot.store(made);
        ++in_flight[i / 2];
      } else {
        Bytes* got;
        while ((got = slot.exchange(nullptr)) == nullptr) std::this_thread::yield();
        ASSERT_EQ(got->size(), 1000u);
        delete got;
        --in_flight[i / 2];
      }
    }
  });
  EXPECT_EQ(in_flight[0] + in_flight[1], 0u);
}

TEST(ThreadsTest, TrimmingAndLimitsChangeWhileOthersAllocate) {
  std::atomic<bool> stop{false};
  std::thread trimmer([&] {
    while (!stop) {
      bight::trim_caches();
      bight::set_cache_limits({10000, 20000, 30000});
      (void)memory_totals();
      bight::set_cache_limits(bight::CacheLimits{});
      (void)bight::CopyAudit::process_totals();
    }
  });
  on_threads(3, [](size_t i) {
    for (size_t n = 0; n < 3000; ++n) {
      const size_t size = (n * 37 + i) % 5000 + 1;
      const Bytes bytes = Bytes::copy_of(std::string(size, 'x'));
      ASSERT_EQ(bytes.size(), size);
    }
    const BytesBuilder large(size_t{3} << 20);
    ASSERT_GE(large.capacity(), size_t{3} << 20);
  });
  stop = true;
  trimmer.join();
  bight::trim_caches();
  EXPECT_EQ(memory_totals().depot_cached, 0u);
}

#endif  // !BIGHT_PLAIN_COUNT

TEST(ThreadsTest, EndingThreadLeavesNothingBehind) {
  bight::trim_caches();
  const bight::MemoryTotals before = memory_totals();
  for (int round = 0; round < 50; ++round) {
    std::thread([] {
      for (size_t size = 1; size < 100000; size = size * 2 + 1) (void)Bytes::copy_of(pattern(size));
    }).join();
  }
  const bight::MemoryTotals after = memory_totals();
  EXPECT_EQ(after.live(), before.live());
  EXPECT_EQ(after.thread_cached, before.thread_cached);  // an ended thread keeps nothing
  bight::trim_caches();
  EXPECT_EQ(memory_totals().allocated, before.allocated);
}

// Made before the thread first touches the library, so that it dies after whatever the library
// might have as a thread_local with a destructor.
struct DiesLate {
  std::vector<Bytes> handles;
  BytesBuilder builder;
  Chain chain;
  ~DiesLate() {
    // Not only freed: also made, in the destructor.
    handles.push_back(Bytes::copy_of("made at the thread's end"));
    handles.clear();
    builder.append("too");
  }
};

TEST(ThreadsTest, HandlesThatDieInThreadLocalDestructorsAreFreed) {
  bight::trim_caches();
  const bight::MemoryTotals before = memory_totals();
  for (int round = 0; round < 20; ++round) {
    std::thread([] {
      static thread_local DiesLate late;
      late.handles.clear();
      for (int i = 0; i < 100; ++i) late.handles.push_back(Bytes::copy_of(pattern(1000)));
      late.builder.append(pattern(5000));
      for (int i = 0; i < 10; ++i) late.chain.push_back(Bytes::copy_of("link"));
    }).join();
  }
  EXPECT_EQ(memory_totals().live(), before.live());
  bight::trim_caches();
  EXPECT_EQ(memory_totals().allocated, before.allocated);
}

// Handles that die in the destructors of static objects; checked in a process that ends.
struct StaticOwner {
  Bytes bytes;
  std::vector<Bytes> many;
  Chain chain;
  ~StaticOwner() {
    many.clear();
    chain.clear();
    bytes.clear();
    bytes = Bytes::copy_of("made while the program ends");
    std::fprintf(stderr, "dropped %d\n", bytes.size() == 27 ? 1 : 0);
  }
};

TEST(ThreadsDeathTest, HandlesThatDieInStaticDestructorsAreFreed) {
  EXPECT_EXIT(
      {
        static StaticOwner owner;
        owner.bytes = Bytes::with_release(bight_test::span_of("static"),
                                          []() noexcept { std::fprintf(stderr, "released "); });
        for (int i = 0; i < 100; ++i) owner.many.push_back(Bytes::copy_of(pattern(1000)));
        for (int i = 0; i < 10; ++i) owner.chain.push_back(Bytes::copy_of("link"));
        std::exit(0);
      },
      testing::ExitedWithCode(0), "released dropped 1");
}

#if defined(__unix__)
// What a child of fork() does with handles of before and with new ones.
int child_work(const Bytes& inherited) {
  if (inherited != "inherited") return 1;
  const Bytes copy = inherited;
  std::vector<Bytes> handles;
  for (size_t size = 1; size < 200000; size = size * 2 + 1) {
    handles.push_back(Bytes::copy_of(std::string(size, 'c')));
  }
  handles.push_back(copy);
  handles.clear();
  BytesBuilder builder(size_t{3} << 20);
  builder.append("large");
  if (builder.view() != "large") return 2;
  bight::trim_caches();
  // (A depot whose lock another thread of the parent held stays as it is: nothing to check.)
  if (bight::CopyAudit::process_totals().copied == 0) return 4;
  return 0;
}

TEST(ThreadsTest, ForkedChildrenAllocateAndFree) {
  const Bytes inherited = Bytes::copy_of("inherited");
  std::atomic<bool> stop{false};
  // Threads that hold the caches' locks now and then, also at the fork.
  std::vector<std::thread> busy;
  // Not under the sanitizers: their own allocators do not bear a fork while others allocate.
  const int threads = BIGHT_HAS_ASAN || BIGHT_HAS_TSAN ? 0 : 2;
  for (int i = 0; i < threads; ++i) {
    busy.emplace_back([&stop] {
      while (!stop) {
        std::vector<Bytes> handles;
        for (int n = 0; n < 200; ++n) handles.push_back(Bytes::copy_of(pattern(2000)));
        (void)memory_totals();
      }
    });
  }
  for (int round = 0; round < 20; ++round) {
    const pid_t child = ::fork();
    ASSERT_GE(child, 0);
    if (child == 0) {
      ::alarm(20);  // a child that hangs is killed, and that is seen
      ::_exit(child_work(inherited));
    }
    int status = 0;
    ASSERT_EQ(::waitpid(child, &status, 0), child);
    EXPECT_TRUE(WIFEXITED(status)) << "round " << round << " status " << status;
    EXPECT_EQ(WEXITSTATUS(status), 0) << "round " << round;
  }
  stop = true;
  for (std::thread& thread : busy) thread.join();
}
#endif

}  // namespace
