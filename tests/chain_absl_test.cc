// Chain as a key of Abseil's containers and as an argument of its formatting.
#include <absl/base/config.h>
#include <absl/container/flat_hash_map.h>
#include <absl/hash/hash.h>
#include <absl/hash/hash_testing.h>
#include <absl/strings/str_cat.h>
#include <gtest/gtest.h>

#include <string>

#include "bight/bytes.h"
#include "bight/chain.h"
#include "tests/support/shapes.h"

namespace {

using bight::Bytes;
using bight::Chain;

TEST(ChainAbslTest, AbslHashDoesNotDependOnTheSegmentation) {
  for (const shapes::Kind kind : shapes::all()) {
    const shapes::Shape shape = shapes::make(kind);
    EXPECT_EQ(absl::HashOf(shape.chain), absl::HashOf(shapes::cut_up(shape.text, 4)));
    EXPECT_EQ(absl::HashOf(shape.chain), absl::HashOf(Bytes::copy_of(shape.text)));
    EXPECT_NE(absl::HashOf(shape.chain), absl::HashOf(Bytes::copy_of(shape.text + "x")));
  }
  EXPECT_TRUE(absl::VerifyTypeImplementsAbslHashCorrectly(
      {Chain(), Chain(Bytes::copy_of("abc")), shapes::chain_of({"a", "b", "c"}),
       shapes::chain_of({"ab", "d"}), shapes::cut_up(shapes::letters(100), 7)}));
}

TEST(ChainAbslTest, IsAKeyOfAFlatHashMap) {
  absl::flat_hash_map<Chain, int> map;
  map[shapes::chain_of({"k", "ey"})] = 1;
  map[Chain(Bytes::copy_of("key"))] = 2;
  map[shapes::chain_of({"other"})] = 3;
  EXPECT_EQ(map.size(), 2u);
  EXPECT_EQ(map[shapes::cut_up("key", 1)], 2);
}

// StrCat takes types with AbslStringify from this release on.
#if !defined(ABSL_LTS_RELEASE_VERSION) || ABSL_LTS_RELEASE_VERSION >= 20230125
TEST(ChainAbslTest, StrCatWritesItsBytes) {
  for (const shapes::Kind kind : shapes::all()) {
    const shapes::Shape shape = shapes::make(kind);
    EXPECT_EQ(absl::StrCat("<", shape.chain, ">"), "<" + shape.text + ">");
  }
}
#endif

}  // namespace
