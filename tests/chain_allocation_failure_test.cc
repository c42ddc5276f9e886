// chain-X11: every operation of Chain that allocates, with the k-th allocation failing, for every k
// and every shape: the chain is as before, the argument whole, nothing leaked. What only may
// allocate (consume and its like) simply succeeds.
#include <gtest/gtest.h>

#include <functional>
#include <new>
#include <string>
#include <vector>

#include "bight/bytes.h"
#include "bight/chain.h"
#include "bight/memory.h"
#include "tests/support/access.h"
#include "tests/support/replace_new.h"
#include "tests/support/shapes.h"

#if BIGHT_HAS_EXCEPTIONS

namespace {

using bight::Bytes;
using bight::ByteView;
using bight::Chain;
using bight::internal::Access;
using shapes::cut_up;
using shapes::expect_reads;
using shapes::letters;
using shapes::Shape;

// Lets `count` allocations succeed while it lives.
class Failing {
 public:
  Failing(long count, bool once) {
    replaced_new::fail_once = once;
    replaced_new::succeed = count;
  }
  ~Failing() { replaced_new::succeed = -1; }
};

// What the operations work on; made anew for each k.
struct Stage {
  Shape shape;
  Bytes bytes = Bytes::copy_of("the argument");
  Chain one = cut_up("one segment", 100);
  Chain two = cut_up("two segments", 6);
  Chain five = cut_up("five segments in a table", 5);
  Chain shared = cut_up(letters(100, 50), 5);
  Chain shared_with = shared;
  // What the operation returned.
  Chain result;
  Bytes bytes_result;
  std::string text_result;
};

struct Operation {
  const char* name;
  std::function<void(Stage&)> run;
  // What the chain reads as afterwards.
  std::function<std::string(const std::string&)> model;
};

std::string at_half(const std::string& text, const std::string& inserted, size_t erased) {
  std::string result = text;
  result.replace(text.size() / 2, erased, inserted);
  return result;
}

std::vector<Operation> operations() {
  const auto same = [](const std::string& text) { return text; };
  const auto behind = [](std::string more) {
    return [more](const std::string& text) { return text + more; };
  };
  const auto before = [](std::string more) {
    return [more](const std::string& text) { return more + text; };
  };
  const std::string two = "two segments";
  const std::string five = "five segments in a table";
  const std::string shared = letters(100, 50);
  return {
      {"push_back copy", [](Stage& s) { s.shape.chain.push_back(s.bytes); },
       behind("the argument")},
      {"push_back move", [](Stage& s) { s.shape.chain.push_back(std::move(s.bytes)); },
       behind("the argument")},
      {"push_front copy", [](Stage& s) { s.shape.chain.push_front(s.bytes); },
       before("the argument")},
      {"push_front move", [](Stage& s) { s.shape.chain.push_front(std::move(s.bytes)); },
       before("the argument")},
      {"push_copy", [](Stage& s) { s.shape.chain.push_copy("copied"); }, behind("copied")},
      {"push_back one", [](Stage& s) { s.shape.chain.push_back(std::move(s.one)); },
       behind("one segment")},
      {"push_front one", [](Stage& s) { s.shape.chain.push_front(std::move(s.one)); },
       before("one segment")},
      {"push_back two", [](Stage& s) { s.shape.chain.push_back(std::move(s.two)); }, behind(two)},
      {"push_front two", [](Stage& s) { s.shape.chain.push_front(std::move(s.two)); }, before(two)},
      {"push_back five", [](Stage& s) { s.shape.chain.push_back(std::move(s.five)); },
       behind(five)},
      {"push_front five", [](Stage& s) { s.shape.chain.push_front(std::move(s.five)); },
       before(five)},
      {"push_back copy of five", [](Stage& s) { s.shape.chain.push_back(s.five); }, behind(five)},
      {"push_back shared", [](Stage& s) { s.shape.chain.push_back(std::move(s.shared)); },
       behind(shared)},
      {"push_front shared", [](Stage& s) { s.shape.chain.push_front(std::move(s.shared)); },
       before(shared)},
      {"push_back itself", [](Stage& s) { s.shape.chain.push_back(s.shape.chain); },
       [](const std::string& text) { return text + text; }},
      {"push_front itself", [](Stage& s) { s.shape.chain.push_front(s.shape.chain); },
       [](const std::string& text) { return text + text; }},
      {"split_to", [](Stage& s) { s.result = s.shape.chain.split_to(s.shape.text.size() / 2); },
       [](const std::string& text) { return text.substr(text.size() / 2); }},
      {"split_off", [](Stage& s) { s.result = s.shape.chain.split_off(s.shape.text.size() / 2); },
       [](const std::string& text) { return text.substr(0, text.size() / 2); }},
      {"try_split_to",
       [](Stage& s) { s.result = *s.shape.chain.try_split_to(s.shape.text.size() - 1); },
       [](const std::string& text) { return text.substr(text.size() - 1); }},
      {"slice of much",
       [](Stage& s) { s.result = s.shape.chain.slice(1, s.shape.text.size() - 2); }, same},
      {"slice of little",
       [](Stage& s) {
         s.result = s.shape.chain.slice(s.shape.text.size() / 2, s.shape.text.size() / 9);
       },
       same},
      {"insert", [](Stage& s) { splice(s.shape.chain, s.shape.text.size() / 2, 0, s.five); },
       [five](const std::string& text) { return at_half(text, five, 0); }},
      {"erase",
       [](Stage& s) {
         splice(s.shape.chain, s.shape.text.size() / 2, s.shape.text.size() / 4, Chain());
       },
       [](const std::string& text) { return at_half(text, "", text.size() / 4); }},
      {"replace by a shared chain",
       [](Stage& s) {
         splice(s.shape.chain, s.shape.text.size() / 2, s.shape.text.size() / 4, s.shared);
       },
       [shared](const std::string& text) { return at_half(text, shared, text.size() / 4); }},
      {"pull_up", [](Stage& s) { s.shape.chain.pull_up(s.shape.text.size() * 2 / 3); }, same},
      {"pull_up all", [](Stage& s) { s.shape.chain.pull_up(s.shape.text.size()); }, same},
      {"flatten", [](Stage& s) { s.bytes_result = s.shape.chain.flatten(); }, same},
      {"compact", [](Stage& s) { s.result = s.shape.chain.compact(); }, same},
      {"unshare", [](Stage& s) { s.shape.chain.unshare(); }, same},
      {"retained_size", [](Stage& s) { (void)s.shape.chain.retained_size(); }, same},
      {"to_string", [](Stage& s) { s.text_result = s.shape.chain.to_string(); }, same},
      {"find a chain", [](Stage& s) { (void)s.shape.chain.find(s.shared); }, same},
      {"pop", [](Stage& s) { s.bytes_result = s.shape.chain.pop(); }, nullptr},
  };
}

class ChainAllocationFailureTest : public ::testing::TestWithParam<shapes::Kind> {
 protected:
  void SetUp() override { bight::set_cache_limits({0, 0, 0, false}); }
};

INSTANTIATE_TEST_SUITE_P(Shapes, ChainAllocationFailureTest, ::testing::ValuesIn(shapes::all()),
                         [](const auto& shape) { return shapes::name(shape.param); });

TEST_P(ChainAllocationFailureTest, LeavesEverythingAsItWas) {
  if (GetParam() == shapes::Kind::kEmpty) {
    // Nothing to cut: only pushes apply, and an empty chain takes them in without memory.
    Stage stage;
    const Failing failing(0, false);
    stage.shape.chain.push_back(std::move(stage.five));
    EXPECT_EQ(stage.shape.chain.size(), 24u);
    return;
  }
  for (const Operation& operation : operations()) {
    for (const bool once : {false, true}) {
      for (long k = 0;; ++k) {
        SCOPED_TRACE(operation.name);
        SCOPED_TRACE(k);
        bool failed = false;
        const size_t live = replaced_new::live;
        {
          Stage stage;
          stage.shape = shapes::make(GetParam());
          const std::string text = stage.shape.text;
          const size_t segments = stage.shape.chain.segment_count();
          const size_t live_before = replaced_new::live;
          try {
            const Failing failing(k, once);
            operation.run(stage);
          } catch (const std::bad_alloc&) {
            failed = true;
          }
          if (failed) {
            // Less if slots that a shared past left dead were released meanwhile.
            EXPECT_LE(replaced_new::live, live_before);
            EXPECT_EQ(stage.shape.chain.segment_count(), segments);
            expect_reads(stage.shape.chain, text);
            EXPECT_EQ(stage.bytes, "the argument");
            expect_reads(stage.one, "one segment");
            expect_reads(stage.two, "two segments");
            expect_reads(stage.five, "five segments in a table");
            expect_reads(stage.shared, letters(100, 50));
            expect_reads(stage.shared_with, letters(100, 50));
            EXPECT_TRUE(stage.result.empty());
            EXPECT_TRUE(stage.bytes_result.empty());
            // And the same call succeeds when there is memory.
            operation.run(stage);
          }
          if (operation.model) expect_reads(stage.shape.chain, operation.model(text));
          for (size_t i = 0; i < stage.shape.kept.size(); ++i) {
            EXPECT_TRUE(stage.shape.kept[i] == ByteView(stage.shape.kept_texts[i]));
          }
        }
        EXPECT_EQ(replaced_new::live, live);
        if (HasFailure()) return;
        // `once` may end with a success although an optional allocation failed.
        if (!failed && k >= 8) break;
      }
    }
  }
}

TEST_P(ChainAllocationFailureTest, WhatNeedsNoMemorySucceedsWithoutAny) {
  using Step = std::function<void(Chain&, std::string&)>;
  const std::vector<Step> steps = {
      [](Chain& c, std::string& t) { c.consume(t.size() / 5), t.erase(0, t.size() / 5); },
      [](Chain& c, std::string& t) {
        const size_t n = t.size() - t.size() / 8;
        c.consume(n), t.erase(0, n);
      },
      [](Chain& c, std::string& t) {
        const size_t n = t.size() - t.size() / 8;
        c.remove_suffix(n), t.resize(t.size() - n);
      },
      [](Chain& c, std::string& t) { c.truncate(t.size() / 2), t.resize(t.size() / 2); },
      [](Chain& c, std::string& t) { c.clear(), t.clear(); },
      [](Chain& c, std::string& t) { t.erase(0, c.consume_up_to(t.size() / 3)); },
      [](Chain& c, std::string&) { const Chain copy = c; },
      [](Chain& c, std::string&) {
        Chain moved = std::move(c);
        c = std::move(moved);
      },
      [](Chain& c, std::string&) {
        if (!c.empty()) (void)c.try_mutable(0);
      },
      [](Chain& c, std::string&) { (void)c.find('x'), (void)c.find("xy"), (void)c.hash(); },
      [](Chain& c, std::string& t) {
        if (t.empty()) return;
        const Bytes first = c.pop();
        t.erase(0, first.size());
      },
      [](Chain& c, std::string& t) {
        // A first push onto a shared table, and one into a segment's place.
        if (c.segment_count() == 2) return;
        if (Access::table_references(c) != 1 && !Access::has_edge(c)) {
          c.push_back(Bytes::from_static("edge"));
          t += "edge";
        }
      },
  };
  for (size_t i = 0; i < steps.size(); ++i) {
    SCOPED_TRACE(i);
    Shape shape = shapes::make(GetParam());
    shape.text.reserve(shape.text.size() + 100);
    {
      const Failing failing(0, false);
      steps[i](shape.chain, shape.text);
    }
    expect_reads(shape.chain, shape.text);
    for (size_t k = 0; k < shape.kept.size(); ++k) {
      EXPECT_TRUE(shape.kept[k] == ByteView(shape.kept_texts[k]));
    }
  }
}

TEST(ChainAllocationTest, ALargeTableThatCannotShrinkIsKept) {
  bight::set_cache_limits({0, 0, 0, false});
  Chain chain = cut_up(letters(2000), 2);
  const uint32_t capacity = Access::table_capacity(chain);
  {
    const Failing failing(0, false);
    chain.consume(1900);
  }
  EXPECT_EQ(Access::table_capacity(chain), capacity);
  expect_reads(chain, letters(2000).substr(1900));
  chain.consume(20);
  EXPECT_LT(Access::table_capacity(chain), capacity);
}

TEST(ChainAllocationTest, AShareThatCannotLetGoGoesOnSharing) {
  bight::set_cache_limits({0, 0, 0, false});
  const Chain body = cut_up(letters(2000), 2);
  Chain share = body;
  {
    const Failing failing(0, false);
    share.consume(1900);
  }
  EXPECT_EQ(Access::table_references(body), 2u);
  expect_reads(share, letters(2000).substr(1900));
  share.consume(2);
  EXPECT_EQ(Access::table_references(body), 1u);
}

}  // namespace

#endif  // BIGHT_HAS_EXCEPTIONS
