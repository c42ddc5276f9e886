// Every operation that allocates, with the k-th allocation failing, for every k: it fails with
// bad_alloc and has changed nothing, its argument is whole, and nothing is leaked.
#include <gtest/gtest.h>

#include <array>
#include <cstring>
#include <list>
#include <memory>
#include <new>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "bight/bytes.h"
#include "bight/bytes_builder.h"
#include "bight/chain.h"
#include "bight/chain_builder.h"
#include "bight/memory.h"
#include "tests/support/counted_owner.h"
#include "tests/support/generated_range.h"
#include "tests/support/replace_new.h"

namespace {

using bight::Bytes;
using bight::BytesBuilder;
using bight::ByteView;
using bight::Chain;
using bight::ChainBuilder;
using bight_test::CountedRelease;
using bight_test::pattern;
using bight_test::Released;

#if BIGHT_HAS_EXCEPTIONS

class AllocationFailureTest : public testing::Test {
 protected:
  AllocationFailureTest() {
    bight::set_cache_limits({0, 0, 0});
    bight::trim_caches();
  }
  ~AllocationFailureTest() override { bight::set_cache_limits(bight::CacheLimits{}); }

  // For each k: makes a state, lets the k-th allocation in `run(state)` fail, and wants
  // `unchanged(state)` then; until one run succeeds, which must be after at least `least` failures.
  template <class Make, class Run, class Unchanged>
  void at_every_allocation(int least, Make make, Run run, Unchanged unchanged) {
    int failures = 0;
    for (long k = 0; k < 10000; ++k) {
      const size_t before = replaced_new::live;
      bool thrown = false;
      {
        auto state = make();
        const size_t calls = replaced_new::calls;
        replaced_new::succeed = k;
        try {
          run(state);
        } catch (const std::bad_alloc&) {
          thrown = true;
        }
        replaced_new::succeed = -1;
        const bool failed = replaced_new::calls - calls > static_cast<size_t>(k);
        EXPECT_EQ(thrown, failed) << "a failed allocation was hidden, at " << k;
        if (thrown) {
          ++failures;
          unchanged(state);
        }
      }
      EXPECT_EQ(replaced_new::live, before) << "leaked when allocation " << k << " failed";
      if (!thrown) {
        EXPECT_GE(failures, least);
        return;
      }
    }
    FAIL() << "never succeeded";
  }
};

std::unique_ptr<int> no_state() { return nullptr; }
void nothing(const std::unique_ptr<int>&) {}

TEST_F(AllocationFailureTest, CopyOf) {
  const std::string text = pattern(1000);
  at_every_allocation(
      1, no_state, [&](auto&) { EXPECT_EQ(Bytes::copy_of(text), text); }, nothing);
}

TEST_F(AllocationFailureTest, CopyOfIntoAResource) {
  bight_test::CountingResource resource;
  at_every_allocation(
      1, no_state, [&](auto&) { (void)Bytes::copy_of("text", &resource); }, nothing);
  EXPECT_EQ(resource.live, 0u);
  resource.fails = true;
  EXPECT_THROW((void)Bytes::copy_of("text", &resource), std::bad_alloc);
  EXPECT_EQ(resource.live, 0u);
}

TEST_F(AllocationFailureTest, FromOwnerLeavesTheOwnerWhole) {  // slice-X02
  at_every_allocation(
      1, [] { return std::vector<char>(1000, 'v'); },
      [](std::vector<char>& owner) {
        const Bytes bytes = Bytes::from_owner(std::move(owner));
        EXPECT_EQ(bytes.size(), 1000u);
      },
      [](const std::vector<char>& owner) { EXPECT_EQ(owner.size(), 1000u); });
}

struct alignas(64) AlignedHook {
  std::unique_ptr<int> whole = std::make_unique<int>(1);
  int* calls = nullptr;
  AlignedHook() = default;
  AlignedHook(AlignedHook&&) noexcept = default;
  void operator()() noexcept { ++*calls; }
};

TEST_F(AllocationFailureTest, WithReleaseDoesNotCallOrTakeTheFunction) {
  const std::string text = "foreign";
  struct State {
    Released released;
    CountedRelease release{released};
  };
  at_every_allocation(
      1, [] { return std::make_unique<State>(); },
      [&](std::unique_ptr<State>& state) {
        (void)Bytes::with_release(ByteView(text).span(), std::move(state->release));
        EXPECT_EQ(state->released.calls, 1);
      },
      [](const std::unique_ptr<State>& state) {
        EXPECT_EQ(state->released.calls, 0);
        EXPECT_TRUE(state->release.whole());
      });
  int calls = 0;
  at_every_allocation(
      1,
      [&] {
        AlignedHook hook;
        hook.calls = &calls;
        return hook;
      },
      [&](AlignedHook& hook) { (void)Bytes::with_release(ByteView(text).span(), std::move(hook)); },
      [&](const AlignedHook& hook) {
        EXPECT_NE(hook.whole, nullptr);
        EXPECT_EQ(calls, 0);
      });
  EXPECT_EQ(calls, 1);
}

TEST_F(AllocationFailureTest, CompactAndIntoBuilder) {
  const Bytes big = Bytes::copy_of(pattern(10000));
  at_every_allocation(
      1, [&] { return big.slice(5, 10); },
      [](Bytes& part) { EXPECT_EQ(part.compact(), pattern(15).substr(5)); },
      [&](const Bytes& part) { EXPECT_EQ(part.data(), big.data() + 5); });
  at_every_allocation(
      1, [&] { return big.slice(5, 10); },
      [](Bytes& part) { EXPECT_EQ(std::move(part).into_builder().size(), 10u); },
      [&](const Bytes& part) {
        EXPECT_EQ(part.data(), big.data() + 5);
        EXPECT_EQ(part.size(), 10u);
      });
}

// A builder that is full, so that any write needs a block.
BytesBuilder full_builder() {
  BytesBuilder builder(32);
  builder.append(pattern(builder.capacity()));
  return builder;
}

TEST_F(AllocationFailureTest, EveryWriteOfABytesBuilder) {
  const std::list<char> list(100, 'l');
  const auto check = [&](auto write) {
    at_every_allocation(1, full_builder, write, [](const BytesBuilder& builder) {
      EXPECT_EQ(builder.view(), pattern(32));
      EXPECT_EQ(builder.capacity(), 32u);
    });
  };
  check([](BytesBuilder& b) { b.append("x"); });
  check([](BytesBuilder& b) { b.append(b); });
  check([](BytesBuilder& b) { EXPECT_TRUE(b.try_append("x")); });
  check([](BytesBuilder& b) { b.put_be<uint64_t>(1); });
  check([](BytesBuilder& b) { EXPECT_TRUE(b.try_put_varint(300)); });
  check([](BytesBuilder& b) { (void)b.prepare(100); });
  check([](BytesBuilder& b) { EXPECT_TRUE(b.try_prepare(100).has_value()); });
  check([](BytesBuilder& b) { b.reserve(1); });
  check([](BytesBuilder& b) { EXPECT_TRUE(b.try_reserve(1)); });
  check([](BytesBuilder& b) { b.resize(100); });
  check([](BytesBuilder& b) { EXPECT_TRUE(b.try_resize(100)); });
  check([](BytesBuilder& b) { b.prepend("x"); });
  check([](BytesBuilder& b) { EXPECT_TRUE(b.try_prepend(b)); });
  check([](BytesBuilder& b) { (void)b.append_format("%d", 5); });
  check([](BytesBuilder& b) { (void)b.append_format("%0500d", 5); });
  check([&](BytesBuilder& b) { b.append_range(list); });
  check([](BytesBuilder& b) { EXPECT_EQ(b.take(100).size(), 32u); });
}

TEST_F(AllocationFailureTest, RangeWithoutSizeThatGrowsSeveralTimes) {
  const bight_test::GeneratedRange range(1000, [](size_t) { return 'l'; });
  at_every_allocation(
      4, full_builder, [&](BytesBuilder& b) { b.append_range(range); },
      [](const BytesBuilder& b) { EXPECT_EQ(b.view(), pattern(32)); });
}

TEST_F(AllocationFailureTest, MakingABytesBuilder) {
  at_every_allocation(
      1, no_state, [](auto&) { (void)BytesBuilder::copy_of(pattern(10)); }, nothing);
  bight::BuilderOptions options;
  options.capacity = 100;
  options.alignment = 4096;  // payload and header apart
  at_every_allocation(
      2, no_state, [&](auto&) { EXPECT_GE(BytesBuilder(options).capacity(), 100u); }, nothing);
}

TEST_F(AllocationFailureTest, CutsAndJoinsAllocateNothing) {
  Bytes bytes = Bytes::copy_of(pattern(100));
  BytesBuilder builder(100);
  replaced_new::succeed = 0;
  const size_t calls = replaced_new::calls;
  Bytes tail = bytes.split_off(50);
  Bytes head = bytes.split_to(10);
  const Bytes slice = tail.slice(1, 10);
  const bool joined = bytes.try_join(std::move(tail));
  builder.append("12345678");
  BytesBuilder part = builder.split_to(4);
  const bool rejoined = part.try_join(std::move(builder));
  const Bytes taken = part.take();
  BytesBuilder carved = part.carve(10);
  const Bytes frozen = std::move(part).freeze();
  const Chain chain(taken);
  const Chain copy = chain;
  replaced_new::succeed = -1;
  EXPECT_TRUE(joined && rejoined);
  EXPECT_EQ(replaced_new::calls, calls);
}

// ---- ChainBuilder ---------------------------------------------------------------------------

ChainBuilder small_blocks() {
  bight::ChainBuilderOptions options;
  options.min_block = 64;
  options.max_block = 64;
  return ChainBuilder(options);
}

// With several sealed segments, a block in use and room in it, so that every path is ahead.
struct Stream {
  ChainBuilder builder = small_blocks();
  ChainBuilder::Hole hole;
  explicit Stream(size_t size = 150) {
    hole = builder.reserve_hole(4);
    builder.append(pattern(size));
    builder.push_back(Bytes::from_static("shared"));
    builder.append("tail");
  }
  std::string content(size_t size = 150) const {
    return std::string("hole", 4) + pattern(size) + "sharedtail";
  }
  // Whole, also in the parts that only later calls show.
  void expect_unchanged(size_t size = 150) {
    EXPECT_EQ(builder.size(), content(size).size());
    EXPECT_EQ(builder.open_holes(), 1u);
    builder.append("more");
    builder.fill(hole, "hole");
    EXPECT_EQ(builder.take(), content(size) + "more");
  }
};

TEST_F(AllocationFailureTest, EveryWriteOfAChainBuilder) {
  const std::string text = pattern(1000);
  const auto check = [&](int least, auto write) {
    at_every_allocation(
        least, [] { return Stream(); }, [&](Stream& stream) { write(stream.builder); },
        [](Stream& stream) { stream.expect_unchanged(); });
  };
  check(10, [&](ChainBuilder& b) { b.append(text); });
  check(10, [&](ChainBuilder& b) { EXPECT_TRUE(b.try_append(text)); });
  check(1, [](ChainBuilder& b) { (void)b.prepare(1000); });
  check(1, [](ChainBuilder& b) { (void)b.extend(1000); });
  check(1, [](ChainBuilder& b) { b.put_fill(std::byte{1}, 100); });
  check(1, [](ChainBuilder& b) { (void)b.reserve_hole(100); });
  check(4, [](ChainBuilder& b) {
    std::array<std::span<std::byte>, 8> spans;
    (void)b.prepare_spans(400, spans);
  });
}

TEST_F(AllocationFailureTest, CommitRightBehindPrepareNeedsNoMemory) {
  // With nothing, one, two and many segments sealed before, and as many blocks.
  const std::string text = pattern(3000);
  for (const size_t sealed : {0u, 1u, 2u, 3u, 4u, 7u, 8u, 9u, 40u}) {
    for (const size_t n : {100u, 200u, 400u, 1000u, 3000u}) {
      bight::ChainBuilderOptions options;
      options.min_block = options.max_block = 64;
      ChainBuilder builder(options);
      std::string before;
      for (size_t i = 0; i < sealed; ++i) {
        builder.push_back(Bytes::copy_of("link"));
        before += "link";
      }
      std::array<std::span<std::byte>, 64> spans;
      const size_t count = builder.prepare_spans(n, spans);
      size_t done = 0;
      for (size_t i = 0; i < count && done < n; ++i) {
        const size_t piece = std::min(spans[i].size(), n - done);
        std::memcpy(spans[i].data(), text.data() + done, piece);
        done += piece;
      }
      ASSERT_EQ(done, n);
      replaced_new::succeed = 0;
      builder.commit(n);
      replaced_new::succeed = -1;
      EXPECT_EQ(builder.take(), before + text.substr(0, n)) << sealed << " sealed";
    }
  }
}

TEST_F(AllocationFailureTest, CommitNeedsNoMemoryForBlocksThatWerePreparedBeforeAndNotAskedFor) {
  bight::ChainBuilderOptions options;
  options.min_block = options.max_block = 64;
  ChainBuilder builder(options);
  builder.push_back(Bytes::copy_of("link"));
  std::array<std::span<std::byte>, 64> spans;
  EXPECT_GT(builder.prepare_spans(3000, spans), 40u);  // most of these stay for later
  EXPECT_EQ(builder.take(), "link");
  EXPECT_LE(builder.prepare_spans(150, spans), 4u);
  for (const std::span<std::byte>& span : std::span(spans).first(3)) {
    std::memset(span.data(), 'x', span.size());
  }
  replaced_new::succeed = 0;
  builder.commit(150);
  replaced_new::succeed = -1;
  EXPECT_EQ(builder.take(), std::string(150, 'x'));
}

TEST_F(AllocationFailureTest, CommitAcrossBlocks) {
  // After a push behind the prepare: the prepared bytes are whole after a failure, and the commit
  // can be tried again.
  const std::string text = pattern(300);
  struct State {
    Stream stream;
    std::string text;
  };
  at_every_allocation(
      1,
      [&] {
        State state{Stream(), text};
        std::array<std::span<std::byte>, 8> spans;
        const size_t count = state.stream.builder.prepare_spans(300, spans);
        size_t done = 0;
        for (size_t i = 0; i < count && done < 300; ++i) {
          const size_t n = std::min(spans[i].size(), 300 - done);
          std::memcpy(spans[i].data(), text.data() + done, n);
          done += n;
        }
        // They fill the table.
        for (int i = 0; i < 6; ++i) state.stream.builder.push_back(Bytes::from_static("link"));
        return state;
      },
      [](State& state) { state.stream.builder.commit(300); },
      [](State& state) {
        ChainBuilder& builder = state.stream.builder;
        EXPECT_EQ(builder.size(), state.stream.content().size() + 24);
        builder.commit(300);
        builder.fill(state.stream.hole, "hole");
        EXPECT_EQ(builder.take(), state.stream.content() + "linklinklinklinklinklink" + state.text);
      });
}

TEST_F(AllocationFailureTest, PushingAndTakingFromAChainBuilder) {
  struct State {
    Stream stream;
    Chain chain;
    Bytes bytes = Bytes::copy_of("bytes");
    State() {
      for (int i = 0; i < 5; ++i) chain.push_back(Bytes::copy_of("link"));
    }
  };
  const auto whole = [](State& state) {
    EXPECT_EQ(state.chain, "linklinklinklinklink");
    EXPECT_EQ(state.bytes, "bytes");
    state.stream.expect_unchanged();
  };
  const auto make = [] { return std::make_unique<State>(); };
  const auto check = [&](auto run) {
    at_every_allocation(
        0, make, [&](std::unique_ptr<State>& state) { run(*state); },
        [&](std::unique_ptr<State>& state) { whole(*state); });
  };
  check([](State& s) { s.stream.builder.push_back(std::move(s.chain)); });
  check([](State& s) { s.stream.builder.push_back(s.chain); });
  check([](State& s) { s.stream.builder.push_back(std::move(s.bytes)); });
  check([](State& s) { s.stream.builder.push_back(s.bytes); });
  check([](State& s) { (void)s.stream.builder.take(); });
}

TEST_F(AllocationFailureTest, TakeUpToAnOpenHole) {
  struct State {
    ChainBuilder builder = small_blocks();
    ChainBuilder::Hole hole;
    State() {
      builder.append(pattern(500));
      hole = builder.reserve_hole(4);
      builder.append(pattern(500));
    }
  };
  // Made before: what a comparison allocates must not be what fails.
  const std::string first = pattern(500);
  at_every_allocation(
      1, [] { return std::make_unique<State>(); },
      [&](std::unique_ptr<State>& state) { EXPECT_EQ(state->builder.take(), first); },
      [](std::unique_ptr<State>& state) {
        EXPECT_EQ(state->builder.size(), 1004u);
        EXPECT_EQ(state->builder.take(), pattern(500));
        state->builder.fill(state->hole, "hole");
        EXPECT_EQ(state->builder.take(), "hole" + pattern(500));
      });
}

TEST_F(AllocationFailureTest, ExtractingALine) {  // buf-V24
  const auto make = [] {
    ChainBuilder builder = small_blocks();
    builder.append(pattern(300));
    builder.append("\r\nnext line\r\n");
    return builder.take();
  };
  const std::string all = make().to_string();
  const size_t end = *make().find("\r\n");
  // Made before: what a comparison allocates must not be what fails.
  const std::string line = all.substr(0, end);
  const std::string rest = all.substr(end);
  at_every_allocation(
      1, make,
      [&](Chain& chain) {
        EXPECT_EQ(chain.split_to(end), line);
        EXPECT_EQ(chain, rest);
      },
      [&](Chain& chain) {
        EXPECT_EQ(chain, all);
        EXPECT_EQ(chain.split_to(end), all.substr(0, end));  // the next call succeeds
      });
}

#else

TEST(AllocationFailureDeathTest, EndsTheProgramWithTheSize) {
  bight::set_cache_limits({0, 0, 0});
  EXPECT_DEATH(
      {
        replaced_new::succeed = 0;
        (void)Bytes::copy_of("text");
      },
      R"(bight: out of memory \([0-9]+ bytes\))");
  EXPECT_DEATH(
      {
        BytesBuilder builder;
        builder.reserve(static_cast<size_t>(-1));
      },
      R"(bight: BytesBuilder: 0 \+ 18446744073709551615 bytes are more than 9223372036854775807)");
}

#endif

}  // namespace
