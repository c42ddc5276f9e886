// Random calls on several chains, with their copies, slices and cuts, beside std::strings that do
// the same. After each call: the content, the invariants; at the end of a seed: every release hook
// ran exactly once and nothing is left.
//
// BIGHT_MODEL_SEEDS=n runs n seeds (default 200, of 2,000 calls each; 40 under sanitizers, which
// are some twenty times slower). BIGHT_MODEL_FIRST_SEED=n starts at another one.
#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <cstdlib>
#include <memory>
#include <random>
#include <string>
#include <vector>

#include "bight/bytes.h"
#include "bight/bytes_builder.h"
#include "bight/chain.h"
#include "bight/chain_builder.h"
#include "bight/memory.h"
#include "tests/support/access.h"
#include "tests/support/shapes.h"

namespace {

using bight::Bytes;
using bight::ByteView;
using bight::Chain;

constexpr int kCalls = 2000;
constexpr size_t kMost = 60000;  // bytes of one chain

size_t number_from_environment(const char* name, size_t otherwise) {
  const char* const text = std::getenv(name);
  return text != nullptr ? std::strtoul(text, nullptr, 10) : otherwise;
}

struct Pair {
  Chain chain;
  std::string text;
};

class Model {
 public:
  explicit Model(uint32_t seed) : random_(seed) {
    big_text_ = shapes::letters(20000, seed);
    big_ = Bytes::copy_of(big_text_);
  }

  // False after a failure.
  bool run() {
    for (int call = 0; call < kCalls; ++call) {
      Pair& x = pick();
      Pair& y = pick();
      step(x, y);
      check(x, call);
      check(y, call);
      if (::testing::Test::HasFatalFailure() || ::testing::Test::HasNonfatalFailure()) return false;
    }
    for (Pair& pair : pairs_) {
      EXPECT_EQ(pair.chain.to_string(), pair.text);
      // By turns: some chains are emptied by consuming, some by dropping.
      if (below(2) == 0) pair.chain.consume(pair.chain.size());
    }
    pairs_ = {};
    EXPECT_EQ(bight::internal::Access::references(big_), 1u);
    // The calls went where the mistakes are.
    for (const int seen : {tables_, shared_, edges_, credits_, long_}) EXPECT_GT(seen, kCalls / 50);
    EXPECT_EQ(made_, std::count(hooks_.begin(), hooks_.end(), 1)) << "hooks that ran exactly once";
    return !::testing::Test::HasFailure();
  }

 private:
  size_t below(size_t n) { return n == 0 ? 0 : static_cast<size_t>(random_()) % n; }
  size_t up_to(size_t n) { return below(n + 1); }
  // Mostly small numbers, so that chains grow long; any now and then.
  size_t some_of(size_t n) {
    if (below(16) == 0) return up_to(n);
    return up_to(std::min(n, below(2) == 0 ? size_t{40} : n / 8));
  }
  Pair& pick() { return pairs_[below(pairs_.size())]; }

  // A piece of one of four kinds: a slice of the shared block, often one that continues the last
  // piece; bytes of its own; foreign bytes with a hook; static ones.
  Bytes piece(std::string& text) {
    switch (below(8)) {
      case 0: {
        text = shapes::letters(up_to(60), static_cast<uint32_t>(random_()));
        return Bytes::copy_of(text);
      }
      case 1: {
        text = shapes::letters(1 + up_to(60), static_cast<uint32_t>(random_()));
        auto owner = std::make_unique<std::string>(text);
        const std::span<const std::byte> bytes = std::as_bytes(std::span(*owner));
        hooks_.push_back(0);
        const size_t index = hooks_.size() - 1;
        ++made_;
        return Bytes::with_release(
            bytes, [this, index, owner = std::move(owner)]() noexcept { ++hooks_[index]; });
      }
      case 2:
        text = "static";
        return Bytes::from_static("static");
      default: {
        const size_t from = below(2) == 0 ? last_end_ : up_to(big_.size());
        const size_t size = std::min(up_to(120), big_.size() - from);
        last_end_ = from + size;
        text = big_text_.substr(from, size);
        return big_.slice(from, size);
      }
    }
  }

  void step(Pair& x, Pair& y) {
    std::string text;
    switch (below(27)) {
      case 0:
      case 1:
      case 2: {
        // Now and then enough for a long table.
        for (size_t i = 1 + below(below(5) == 0 ? 60 : 5); i != 0 && x.text.size() < kMost; --i) {
          const Bytes bytes = piece(text);
          x.chain.push_back(bytes);
          x.text += text;
        }
        break;
      }
      case 3:
      case 4: {
        for (size_t i = 1 + below(4); i != 0 && x.text.size() < kMost; --i) {
          x.chain.push_front(piece(text));
          x.text.insert(0, text);
        }
        break;
      }
      case 5:
      case 6: {
        const size_t n = some_of(x.text.size());
        x.chain.consume(n);
        x.text.erase(0, n);
        break;
      }
      case 7: {
        const size_t n = some_of(x.text.size());
        x.chain.remove_suffix(n);
        x.text.resize(x.text.size() - n);
        break;
      }
      case 8:
      case 9:
      case 10: {
        const size_t n = some_of(x.text.size());
        Chain cut = x.chain.split_to(n);
        std::string cut_text = x.text.substr(0, n);
        x.text.erase(0, n);
        if (below(3) == 0) {
          y.chain = std::move(cut);
          y.text = std::move(cut_text);
        } else {
          cut.check_invariants();
          EXPECT_TRUE(cut == ByteView(cut_text));
        }
        break;
      }
      case 11: {
        const size_t n = x.text.size() - some_of(x.text.size());
        Chain cut = x.chain.split_off(n);
        std::string cut_text = x.text.substr(n);
        x.text.resize(n);
        y.chain = std::move(cut);
        y.text = std::move(cut_text);
        break;
      }
      case 12:
      case 13: {
        const size_t from = up_to(x.text.size());
        const size_t n = up_to(x.text.size() - from);
        Chain slice = x.chain.slice(from, n);
        y.text = x.text.substr(from, n);
        y.chain = std::move(slice);
        break;
      }
      case 14:
        y.chain = x.chain;
        y.text = x.text;
        break;
      case 15:
        if (x.text.size() + y.text.size() <= kMost) {
          x.text += std::string(y.text);
          x.chain.push_back(y.chain);
        }
        break;
      case 16:
        if (x.text.size() + y.text.size() <= kMost) {
          x.text.insert(0, std::string(y.text));
          x.chain.push_front(y.chain);
        }
        break;
      case 17:
        if (&x != &y && x.text.size() + y.text.size() <= kMost) {
          if (below(2) == 0) {
            x.chain.push_back(std::move(y.chain));
            x.text += y.text;
          } else {
            x.chain.push_front(std::move(y.chain));
            x.text.insert(0, y.text);
          }
          EXPECT_TRUE(y.chain.empty());  // NOLINT: a moved-from chain is empty
          y.text.clear();
        }
        break;
      case 18:
        if (x.text.size() + y.text.size() <= kMost) {
          const size_t from = up_to(x.text.size());
          const size_t n = some_of(x.text.size() - from);
          const std::string inserted = y.text;
          splice(x.chain, from, n, y.chain);
          x.text.replace(from, n, inserted);
        }
        break;
      case 19:
        x.chain.unshare();
        break;
      case 20: {
        const size_t n = up_to(std::min<size_t>(x.text.size(), 500));
        const std::span<const std::byte> flat = x.chain.pull_up(n);
        EXPECT_TRUE(ByteView(flat) == ByteView(std::string_view(x.text).substr(0, n)));
        break;
      }
      case 21:
        if (below(8) == 0) x.chain = below(2) == 0 ? x.chain.compact() : Chain(x.chain.flatten());
        break;
      case 22:
        if (!x.chain.empty()) {
          const Bytes front = x.chain.pop();
          EXPECT_TRUE(front == ByteView(std::string_view(x.text).substr(0, front.size())));
          x.text.erase(0, front.size());
        }
        break;
      case 23:
        bight::internal::Access::move_positions(x.chain, static_cast<size_t>(0) - 1 - below(1000));
        break;
      case 24:
        swap(x.chain, y.chain);
        swap(x.text, y.text);
        break;
      case 25: {
        // A frame cut: several cuts of one size from the front.
        for (size_t i = 0, n = 1 + up_to(20); i < 10 && n < x.text.size(); ++i) {
          const Chain cut = x.chain.split_to(n);
          EXPECT_TRUE(cut == ByteView(std::string_view(x.text).substr(0, n)));
          x.text.erase(0, n);
        }
        break;
      }
      case 26:
        if (!x.chain.empty()) {
          const size_t i = below(x.chain.segment_count());
          if (const auto bytes = x.chain.try_mutable(i)) {
            // Only this chain may see the change.
            const size_t place = below(bytes->size());
            size_t before = 0;
            for (size_t k = 0; k < i; ++k) before += x.chain.segment(k).size();
            (*bytes)[place] = std::byte{'#'};
            x.text[before + place] = '#';
          }
        }
        break;
    }
  }

  void check(const Pair& pair, int call) {
    pair.chain.check_invariants();
    using bight::internal::Access;
    tables_ += Access::is_inline(pair.chain) ? 0 : 1;
    shared_ += Access::table_references(pair.chain) > 1 ? 1 : 0;
    edges_ += Access::has_edge(pair.chain) ? 1 : 0;
    credits_ += Access::credits(pair.chain) != 0 ? 1 : 0;
    long_ += pair.chain.segment_count() > 16 ? 1 : 0;
    ASSERT_EQ(pair.chain.size(), pair.text.size()) << "call " << call;
    ASSERT_TRUE(pair.chain == ByteView(pair.text)) << "call " << call;
    if (!pair.text.empty()) {
      const size_t at = below(pair.text.size());
      ASSERT_EQ(static_cast<char>(pair.chain[at]), pair.text[at]) << "call " << call;
    }
  }

  std::mt19937 random_;
  Bytes big_;
  std::string big_text_;
  size_t last_end_ = 0;
  // Before the chains, so that hooks find them alive.
  std::vector<int> hooks_;
  int made_ = 0;
  // How often a chain was found with a table, a shared one, an edge, credits, many segments.
  int tables_ = 0;
  int shared_ = 0;
  int edges_ = 0;
  int credits_ = 0;
  int long_ = 0;
  std::array<Pair, 6> pairs_;
};

TEST(ChainModelTest, RandomCallsDoToAChainWhatTheyDoToAString) {
#if BIGHT_HAS_ASAN || BIGHT_HAS_TSAN
  constexpr size_t kSeeds = 40;
#else
  constexpr size_t kSeeds = 200;
#endif
  const size_t seeds = number_from_environment("BIGHT_MODEL_SEEDS", kSeeds);
  const size_t first = number_from_environment("BIGHT_MODEL_FIRST_SEED", 1);
  std::printf("seeds %zu to %zu, %d calls each\n", first, first + seeds - 1, kCalls);
  bight::trim_caches();
  const size_t live = bight::memory_totals().live();
  for (size_t seed = first; seed < first + seeds; ++seed) {
    if (!Model(static_cast<uint32_t>(seed)).run()) {
      FAIL() << "seed " << seed;
    }
  }
  EXPECT_EQ(bight::memory_totals().live(), live) << "bytes left behind";
}

}  // namespace
