// When a chain releases its segments, and what release hooks may do.
#include <gtest/gtest.h>

#include <algorithm>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "bight/bytes.h"
#include "bight/chain.h"
#include "bight/memory.h"
#include "tests/support/access.h"
#include "tests/support/shapes.h"

namespace {

using bight::Bytes;
using bight::Chain;
using bight::internal::Access;
using shapes::Counted;
using shapes::cut_up;
using shapes::expect_reads;
using shapes::letters;

// A chain of foreign segments of 10 bytes that records which of them were released, in order.
struct Recorded {
  explicit Recorded(size_t count) {
    for (size_t i = 0; i < count; ++i) {
      const std::string text = letters(10, static_cast<uint32_t>(i));
      all += text;
      chain.push_back(segment(text, i));
    }
  }
  Bytes segment(const std::string& text, size_t index) {
    auto owner = std::make_unique<std::string>(text);
    const std::span<const std::byte> bytes = std::as_bytes(std::span(*owner));
    return Bytes::with_release(
        bytes, [this, index, owner = std::move(owner)]() noexcept { released.push_back(index); });
  }
  std::vector<size_t> released;
  std::string all;
  Chain chain;
};

std::vector<size_t> numbers(size_t from, size_t to) {
  std::vector<size_t> result;
  for (size_t i = from; i < to; ++i) result.push_back(i);
  return result;
}

// ---- Alone ----------------------------------------------------------------------------------

TEST(ChainReleaseTest, ConsumedSegmentsAreReleasedAtOnceWhileAlone) {
  for (const size_t count : {1, 2, 3, 20, 100}) {
    Recorded recorded(count);
    for (size_t i = 0; i < count; ++i) {
      recorded.chain.consume(9);
      EXPECT_EQ(recorded.released.size(), i);
      recorded.chain.consume(1);
      EXPECT_EQ(recorded.released, numbers(0, i + 1));
    }
  }
}

TEST(ChainReleaseTest, SeveralSegmentsConsumedAreReleasedAtOnceWhileAlone) {
  Recorded recorded(100);
  recorded.chain.consume(805);
  std::sort(recorded.released.begin(), recorded.released.end());
  EXPECT_EQ(recorded.released, numbers(0, 80));
  expect_reads(recorded.chain, recorded.all.substr(805));
}

TEST(ChainReleaseTest, SegmentsDroppedFromTheBackAreReleasedAtOnceWhileAlone) {
  Recorded recorded(100);
  recorded.chain.remove_suffix(805);
  std::sort(recorded.released.begin(), recorded.released.end());
  EXPECT_EQ(recorded.released, numbers(20, 100));
  expect_reads(recorded.chain, recorded.all.substr(0, 195));
}

TEST(ChainReleaseTest, SegmentsSplicedOutAreReleasedAtOnceWhileAlone) {
  Recorded recorded(10);
  splice(recorded.chain, 15, 40, Chain(Bytes::copy_of("new")));
  EXPECT_EQ(recorded.released, numbers(2, 5));
  splice(recorded.chain, 0, recorded.chain.size(), Chain());
  EXPECT_EQ(recorded.released.size(), 10u);
}

TEST(ChainReleaseTest, ASegmentLivesUntilItsLastByteIsGone) {
  Counted counted;
  Chain chain(counted.bytes(letters(2048)));
  chain.consume(2000);
  EXPECT_EQ(counted.released(), 0);
  Chain cut = chain.split_to(20);
  chain.consume(28);
  EXPECT_EQ(counted.released(), 0);
  cut.clear();
  EXPECT_EQ(counted.released(), 1);
}

TEST(ChainReleaseTest, PulledUpSegmentsAreReleasedAtOnceWhileAlone) {
  Recorded recorded(10);
  recorded.chain.pull_up(30);
  EXPECT_EQ(recorded.released, numbers(0, 3));
  recorded.chain.pull_up(35);
  EXPECT_EQ(recorded.released, numbers(0, 3));  // half of the fourth is still shown
}

TEST(ChainReleaseTest, ClearAndAssignmentReleaseEverything) {
  for (int way = 0; way < 4; ++way) {
    Recorded recorded(7);
    switch (way) {
      case 0:
        recorded.chain.clear();
        break;
      case 1:
        recorded.chain = Chain();
        break;
      case 2: {
        const Chain other(Bytes::from_static("other"));
        recorded.chain = other;
        break;
      }
      case 3:
        recorded.chain.remove_suffix(70);
        break;
    }
    EXPECT_EQ(recorded.released.size(), 7u);
  }
}

// ---- Sharing --------------------------------------------------------------------------------

TEST(ChainReleaseTest, SegmentsOfASharedTableLiveUntilTheLastChainLetsGo) {
  Recorded recorded(40);
  {
    const Chain copy = recorded.chain;
    recorded.chain.consume(295);
    EXPECT_TRUE(recorded.released.empty());
    recorded.chain.clear();
    EXPECT_TRUE(recorded.released.empty());
    expect_reads(copy, recorded.all);
  }
  EXPECT_EQ(recorded.released.size(), 40u);
}

// Every way to change a chain releases what a shared past left dead at both ends of its table.
TEST(ChainReleaseTest, TheSurvivorReleasesWhatOthersKeptWhenItIsNextChanged) {
  const std::vector<std::function<void(Chain&)>> changes = {
      [](Chain& c) { c.push_back(Bytes::from_static("x")); },
      [](Chain& c) { c.push_front(Bytes::from_static("x")); },
      [](Chain& c) { c.push_back(cut_up("two more", 4)); },
      [](Chain& c) { c.push_front(cut_up("two more", 4)); },
      [](Chain& c) { c.consume(10); },
      [](Chain& c) { c.remove_suffix(10); },
      [](Chain& c) { (void)c.split_to(23); },
      [](Chain& c) { (void)c.split_off(23); },
      [](Chain& c) { (void)c.pop(); },
      [](Chain& c) { c.unshare(); },
      [](Chain& c) { c.pull_up(25); },
      [](Chain& c) { splice(c, 7, 3, Chain()); },
      [](Chain& c) {
        Chain other(Bytes::from_static("x"));
        other.push_back(std::move(c));
        c = std::move(other);
      },
  };
  for (size_t i = 0; i < changes.size(); ++i) {
    SCOPED_TRACE(i);
    Recorded recorded(200);
    Chain survivor = recorded.chain;
    survivor.consume(705);
    survivor.remove_suffix(395);  // shows the slots 70 to 160
    recorded.chain.clear();
    EXPECT_TRUE(recorded.released.empty());
    changes[i](survivor);
    survivor.check_invariants();
    // 70 in front, 39 behind, and what the change itself dropped.
    EXPECT_GE(recorded.released.size(), 109u);
    EXPECT_LT(recorded.released.size(), 200u);
    survivor.clear();
    EXPECT_EQ(recorded.released.size(), 200u);
  }
}

TEST(ChainReleaseTest, AShareBelowAQuarterLetsGo) {
  for (const bool from_front : {true, false}) {
    for (const bool in_steps : {true, false}) {
      Recorded recorded(100);
      Chain share = recorded.chain;
      size_t dropped = 0;
      const auto drop = [&](size_t n) {
        from_front ? share.consume(n) : share.remove_suffix(n);
        dropped += n;
      };
      for (size_t step = in_steps ? 10 : 750; dropped < 750;) drop(step);
      EXPECT_EQ(Access::table_references(share), 2u);
      drop(10);
      EXPECT_EQ(Access::table_references(share), 1u) << from_front << in_steps;
      EXPECT_EQ(Access::table_references(recorded.chain), 1u);
      // So the other one releases at once what it consumes.
      recorded.chain.clear();
      EXPECT_EQ(recorded.released.size(), 76u);
      share.clear();
      EXPECT_EQ(recorded.released.size(), 100u);
    }
  }
}

TEST(ChainReleaseTest, ASliceOfATrimmedShareThatFallsBelowAQuarterLetsGo) {
  Recorded recorded(100);
  Chain slice = recorded.chain.slice(500, 300);
  EXPECT_EQ(Access::table_references(slice), 2u);
  slice.remove_suffix(60);
  EXPECT_EQ(Access::table_references(slice), 1u);
  recorded.chain.clear();
  EXPECT_EQ(recorded.released.size(), 76u);
}

TEST(ChainReleaseTest, UnshareLetsGoAtOnce) {
  Recorded recorded(100);
  Chain share = recorded.chain.slice(100, 500);
  share.unshare();
  recorded.chain.clear();
  EXPECT_EQ(recorded.released.size(), 50u);
  share.clear();
  EXPECT_EQ(recorded.released.size(), 100u);
}

TEST(ChainReleaseTest, ASliceOfAnySizePinsAtMostEightTimesWhatItShows) {
  for (size_t size = 1; size <= 3000; size += 1 + size / 3) {
    for (const size_t from : {size_t{0}, size_t{1234}, 4000 - size}) {
      Recorded recorded(400);
      Chain slice = recorded.chain.slice(from, size);
      recorded.chain.clear();
      // Whole segments of 10 bytes: up to two more than what is shown.
      EXPECT_LE((400 - recorded.released.size()) * 10, std::max(8 * size, size + 20)) << size;
      slice.clear();
      EXPECT_EQ(recorded.released.size(), 400u);
    }
  }
}

TEST(ChainReleaseTest, ASliceOfATrimmedShareOrOfASlicePinsNoMore) {
  for (const bool front : {true, false}) {
    for (size_t size = 10; size <= 1000; size += 90) {
      Recorded recorded(400);
      Chain slice;
      {
        Chain share = recorded.chain;
        front ? share.consume(2500) : share.remove_suffix(2500);
        slice = share.slice(100, 1300).slice(50, size);
        recorded.chain.clear();
      }
      EXPECT_LE((400 - recorded.released.size()) * 10, std::max(8 * size, size + 20)) << size;
      slice.clear();
      EXPECT_EQ(recorded.released.size(), 400u);
    }
  }
}

TEST(ChainReleaseTest, PoppedSegmentIsReleasedOnceTheSnapshotDies) {
  Recorded recorded(20);
  {
    const Chain snapshot = recorded.chain;
    for (int i = 0; i < 3; ++i) (void)recorded.chain.pop();
    EXPECT_TRUE(recorded.released.empty());
  }
  // One reference each was left in the dead prefix; the next change finds them.
  (void)recorded.chain.pop();
  EXPECT_EQ(recorded.released, numbers(0, 4));
  while (recorded.chain.segment_count() > 1) (void)recorded.chain.pop();
  EXPECT_EQ(recorded.released, numbers(0, 19));
}

TEST(ChainReleaseTest, DeadPrefixOfManySegmentsIsReleasedWhole) {
  Recorded recorded(1000);
  Chain rest = recorded.chain;
  rest.consume(7000);
  recorded.chain.clear();
  EXPECT_TRUE(recorded.released.empty());
  rest.push_back(Bytes::from_static("x"));
  EXPECT_EQ(recorded.released.size(), 700u);
}

TEST(ChainReleaseTest, TailTrimmedChainConsumedToEmptyReleasesEverySegmentOnce) {
  for (const bool shared : {false, true}) {
    for (const size_t trim : {5, 10, 45, 195}) {
      Recorded recorded(20);
      Chain other;
      if (shared) other = recorded.chain;
      recorded.chain.remove_suffix(trim);
      while (!recorded.chain.empty()) {
        recorded.chain.consume(std::min<size_t>(recorded.chain.size(), 7));
        recorded.chain.check_invariants();
      }
      other.clear();
      EXPECT_EQ(recorded.released.size(), 20u);
      recorded.chain.push_back(Bytes::from_static("usable"));
      expect_reads(recorded.chain, "usable");
    }
  }
}

TEST(ChainReleaseTest, SlotsClaimedByAChainThatDiedAreReleasedByTheSurvivor) {
  Recorded recorded(20);
  Counted claimed;
  {
    Chain pusher = recorded.chain;
    for (int i = 0; i < 4; ++i) pusher.push_back(claimed.bytes("claimed"));
    ASSERT_EQ(Access::table(pusher), Access::table(recorded.chain));
  }
  EXPECT_EQ(claimed.released(), 0);  // in slots behind what the survivor shows
  recorded.chain.push_back(Bytes::from_static("x"));
  EXPECT_EQ(claimed.released(), 4);
  expect_reads(recorded.chain, recorded.all + "x");
}

TEST(ChainReleaseTest, ReferencesInStoreAreReturned) {
  const Bytes block = Bytes::copy_of(letters(10000));
  for (int way = 0; way < 9; ++way) {
    for (const bool table : {false, true}) {
      Chain chain(block);
      if (table) {
        for (int i = 0; i < 5; ++i) chain.push_back(Bytes::copy_of("more"));
      }
      for (int i = 0; i < 5; ++i) (void)chain.split_to(10);
      ASSERT_NE(Access::credits(chain), 0u);
      Chain other;
      switch (way) {
        case 0:
          chain.clear();
          break;
        case 1:
          chain.consume(chain.front().size());
          break;
        case 2:
          chain.push_front(Bytes::from_static("front"));
          chain.clear();
          break;
        case 3:
          other = chain;
          chain.consume(chain.front().size());
          other.clear();
          break;
        case 4:
          (void)chain.pop();
          break;
        case 5:
          other = chain.split_to(chain.front().size());
          other.clear();
          break;
        case 6:
          other = chain.split_off(1);
          chain.clear();
          other.clear();
          break;
        case 7:
          splice(chain, 3, 5, Chain());
          chain.clear();
          break;
        case 8:
          other.push_back(Bytes::from_static("1"));
          other.push_back(Bytes::from_static("2"));
          other.push_back(std::move(chain));
          other.clear();
          break;
      }
      EXPECT_EQ(Access::references(block), 1u) << way << table;
    }
  }
}

// ---- Hooks ----------------------------------------------------------------------------------

// A chain of 8 segments; some of them run `action` when they are released.
struct Reentrant {
  explicit Reentrant(std::function<void(Chain&)> what) : action(std::move(what)) {
    for (int i = 0; i < 8; ++i) chain.push_back(hooked());
  }
  ~Reentrant() {
    action = nullptr;  // the chain is being destroyed: hooks may not use it any more
    chain.clear();
  }
  Bytes hooked() {
    ++made;
    auto owner = std::make_unique<std::string>("0123456789");
    const std::span<const std::byte> bytes = std::as_bytes(std::span(*owner));
    return Bytes::with_release(bytes, [this, owner = std::move(owner)]() noexcept {
      ++released;
      if (!action) return;
      chain.check_invariants();
      // Once, or actions that drop segments would go on for ever.
      const std::function<void(Chain&)> now = std::exchange(action, nullptr);
      now(chain);
      chain.check_invariants();
    });
  }
  std::function<void(Chain&)> action;
  int made = 0;
  int released = 0;
  Chain chain;
};

// What the action "copy that stays" made.
Chain& stays() {
  static Chain chain;
  return chain;
}

struct Action {
  const char* name;
  bool takes_away;  // so that a cut by a length of before may be out of range
  std::function<void(Chain&)> run;
};
const std::vector<Action>& actions() {
  static const std::vector<Action> all = {
      {"push_back", false, [](Chain& c) { c.push_back(Bytes::copy_of("pushed")); }},
      {"push_front", false, [](Chain& c) { c.push_front(Bytes::copy_of("pushed")); }},
      {"push_back of a chain", false, [](Chain& c) { c.push_back(cut_up("a chain of it", 2)); }},
      {"push_front of itself", false, [](Chain& c) { c.push_front(c); }},
      {"copy", false,
       [](Chain& c) {
         Chain copy = c;
         copy.push_back(Bytes::copy_of("x"));
       }},
      {"copy that stays", false,
       [](Chain& c) {
         stays() = c;
         stays().push_front(Bytes::copy_of("x"));
       }},
      {"slice", false, [](Chain& c) { (void)c.slice(c.size() / 3, c.size() / 2); }},
      {"unshare", false, [](Chain& c) { c.unshare(); }},
      {"pull_up", false, [](Chain& c) { c.pull_up(c.size()); }},
      {"consume", true, [](Chain& c) { c.consume_up_to(15); }},
      {"pop", true, [](Chain& c) { (void)c.try_pop(); }},
      {"clear", true, [](Chain& c) { c.clear(); }},
      {"swap", true,
       [](Chain& c) {
         Chain other = cut_up("swapped in here", 3);
         swap(c, other);
       }},
      {"assign", true, [](Chain& c) { c = Chain(Bytes::copy_of("assigned")); }},
  };
  return all;
}

struct Change {
  const char* name;
  bool by_length;  // may be out of range when a hook takes bytes away before it is done
  std::function<void(Chain&)> run;
};
const std::vector<Change>& changes() {
  static const std::vector<Change> all = {
      {"consume within", false, [](Chain& c) { c.consume(12); }},
      {"consume most", false, [](Chain& c) { c.consume(c.size() - 3); }},
      {"consume all", false, [](Chain& c) { c.consume(c.size()); }},
      {"remove_suffix", false, [](Chain& c) { c.remove_suffix(12); }},
      {"remove_suffix most", false, [](Chain& c) { c.remove_suffix(c.size() - 3); }},
      {"clear", false, [](Chain& c) { c.clear(); }},
      {"assign", false, [](Chain& c) { c = Chain(Bytes::copy_of("from outside")); }},
      {"push_back", false, [](Chain& c) { c.push_back(Bytes::copy_of("outer")); }},
      {"push_front", false, [](Chain& c) { c.push_front(Bytes::copy_of("outer")); }},
      {"push_back of a chain", false, [](Chain& c) { c.push_back(cut_up("outer chain", 3)); }},
      {"push_front of a chain", false, [](Chain& c) { c.push_front(cut_up("outer chain", 3)); }},
      {"push_back of itself", false, [](Chain& c) { c.push_back(c); }},
      {"unshare", false, [](Chain& c) { c.unshare(); }},
      {"pull_up", false, [](Chain& c) { c.pull_up(25); }},
      {"split_to", true, [](Chain& c) { (void)c.split_to(25); }},
      {"split_to of a segment", true, [](Chain& c) { (void)c.split_to(c.front().size()); }},
      {"split_off", true, [](Chain& c) { (void)c.split_off(25); }},
      {"pop", true, [](Chain& c) { (void)c.pop(); }},
      {"splice", true, [](Chain& c) { splice(c, 5, 20, Chain(Bytes::copy_of("spliced"))); }},
  };
  return all;
}

TEST(ChainReleaseTest, HooksMayUseTheChainThatTheyLeftAndRunOnce) {
  const size_t live = bight::memory_totals().live();
  for (const Change& change : changes()) {
    for (const Action& action : actions()) {
      // Hooks run from what the change drops; from dead slots that a copy left; from both ends.
      for (const bool dead_slots : {false, true}) {
        if (dead_slots && change.by_length && action.takes_away) continue;
        SCOPED_TRACE(change.name);
        SCOPED_TRACE(action.name);
        {
          Reentrant reentrant(action.run);
          if (dead_slots) {
            const Chain copy = reentrant.chain;
            reentrant.chain.consume(23);
            reentrant.chain.remove_suffix(22);
            EXPECT_EQ(reentrant.released, 0);
          }
          change.run(reentrant.chain);
          reentrant.chain.check_invariants();
          if (dead_slots) {
            EXPECT_GE(reentrant.released, 4);
          }
          reentrant.action = nullptr;
          reentrant.chain.clear();
          stays().clear();
          EXPECT_EQ(reentrant.released, reentrant.made);
        }
      }
    }
  }
  EXPECT_EQ(bight::memory_totals().live(), live);
}

TEST(ChainReleaseTest, AHookThatPushesToTheChainItLeftFindsItWhole) {
  // A queue that is refilled from the hooks of what it has done with.
  Chain queue;
  int rounds = 0;
  std::function<Bytes()> make = [&]() -> Bytes {
    auto owner = std::make_unique<std::string>(std::to_string(rounds % 10));
    const std::span<const std::byte> bytes = std::as_bytes(std::span(*owner));
    return Bytes::with_release(bytes, [&, owner = std::move(owner)]() noexcept {
      if (++rounds < 1000) queue.push_back(make());
    });
  };
  for (int i = 0; i < 5; ++i) queue.push_back(make());
  while (!queue.empty()) {
    const size_t size = queue.size();
    queue.consume(1);
    ASSERT_EQ(queue.size(), rounds < 1000 ? size : size - 1);
    queue.check_invariants();
  }
  EXPECT_EQ(rounds, 1004);
}

// The push read its argument before hooks of dead slots ran; one that emptied the argument then
// left a reference in the chain that was dropped already.
TEST(ChainReleaseTest, AHookMayTakeTheArgumentOfThePushThatRunsIt) {
  for (const bool front : {false, true}) {
    Chain chain;
    Bytes argument;
    int released = 0;
    static const std::string text = "0123456789";
    for (int i = 0; i < 20; ++i) {
      chain.push_back(Bytes::with_release(std::as_bytes(std::span(text)), [&]() noexcept {
        ++released;
        argument.clear();
      }));
    }
    {
      const Chain copy = chain;
      chain.consume(25);
    }
    Counted counted;
    argument = counted.bytes("argument");
    if (front) {
      chain.push_front(std::move(argument));
    } else {
      chain.push_back(std::move(argument));
    }
    EXPECT_EQ(released, 2);
    EXPECT_EQ(counted.released(), 1);
    chain.check_invariants();
    EXPECT_EQ(chain.size(), 175u);
  }
}

// pop() cut what had been the first segment's size before hooks ran.
TEST(ChainReleaseTest, PopAfterAHookChangedTheFrontTakesTheNewFront) {
  Reentrant reentrant([](Chain& c) {
    c.push_front(Bytes::copy_of("cd"));
    c.push_front(Bytes::copy_of("ab"));
  });
  {
    const Chain copy = reentrant.chain;
    reentrant.chain.consume(20);
  }
  EXPECT_EQ(reentrant.chain.pop(), "ab");
  EXPECT_EQ(reentrant.chain.pop(), "cd");
  EXPECT_EQ(reentrant.chain.size(), 60u);
  reentrant.chain.check_invariants();
}

TEST(ChainReleaseTest, HooksMayDropOtherChains) {
  Counted counted;
  Chain outer;
  for (int i = 0; i < 1000; ++i) {
    auto inner = std::make_shared<Chain>();
    for (int k = 0; k < 5; ++k) inner->push_back(counted.bytes("inner"));
    static const std::string text = "outer";
    outer.push_back(Bytes::with_release(std::as_bytes(std::span(text)),
                                        [inner]() noexcept { inner->clear(); }));
  }
  const Chain copy = outer;
  outer.clear();
  EXPECT_EQ(counted.released(), 0);
  outer = copy.slice(0, 4000);
  outer.consume(3990);  // lets go of the shared table
  EXPECT_EQ(counted.released(), 0);
  const_cast<Chain&>(copy).clear();
  EXPECT_EQ(counted.released(), 998 * 5);
  outer.clear();
  EXPECT_EQ(counted.released(), 5000);
}

// chain-X10
TEST(ChainReleaseTest, AMillionSegmentsWhoseHooksDropChainsGoWithoutDeepRecursion) {
  constexpr int kSegments = 1000000;
  int released = 0;
  int depth = 0;
  int deepest = 0;
  static const std::string text = "x";
  const auto hooked = [&](Chain inner) {
    return Bytes::with_release(std::as_bytes(std::span(text)),
                               [&, inner = std::move(inner)]() mutable noexcept {
                                 ++released;
                                 deepest = std::max(deepest, ++depth);
                                 inner.clear();
                                 --depth;
                               });
  };
  Chain chain;
  for (int i = 0; i < kSegments; ++i) chain.push_back(hooked(Chain(hooked(Chain()))));
  chain.consume(3);
  chain.clear();
  EXPECT_EQ(released, 2 * kSegments);
  EXPECT_EQ(deepest, 2);
}

}  // namespace
