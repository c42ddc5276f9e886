// What Abseil's templates make of our types.
#include <absl/hash/hash.h>
#include <absl/strings/str_cat.h>
#include <absl/strings/str_format.h>
#include <gtest/gtest.h>

#include <string>
#include <unordered_set>

#include "bight/bytes.h"
#include "bight/bytes_builder.h"
#include "bight/chain.h"

namespace {

using bight::Bytes;
using bight::BytesBuilder;

TEST(BytesAbslTest, AbslHashIsOfTheContent) {
  const Bytes a = Bytes::copy_of("hello world");
  const Bytes b = Bytes::from_static("xhello world").slice(1);
  EXPECT_EQ(absl::Hash<Bytes>()(a), absl::Hash<Bytes>()(b));
  EXPECT_NE(absl::Hash<Bytes>()(a), absl::Hash<Bytes>()(a.slice(1)));
  const std::unordered_set<Bytes, absl::Hash<Bytes>> set{a, b};
  EXPECT_EQ(set.size(), 1u);
}

TEST(BytesAbslTest, FormatsIntoABuilder) {
  BytesBuilder builder(16, 4);
  EXPECT_TRUE(absl::Format(&builder, "%s-%05d", "text", 42));
  EXPECT_EQ(builder.view(), "text-00042");
  EXPECT_TRUE(absl::Format(&builder, "%0200d", 7));  // grows
  EXPECT_EQ(builder.size(), 210u);
}

TEST(BytesAbslTest, TextConcatenates) {
  const Bytes bytes = Bytes::copy_of("bytes");
#if !defined(ABSL_LTS_RELEASE_VERSION) || ABSL_LTS_RELEASE_VERSION >= 20230125
  EXPECT_EQ(absl::StrCat("<", bytes, ">"), "<bytes>");
#else
  // Before AbslStringify: by the view, whatever kind of string_view Abseil has.
  EXPECT_EQ(absl::StrCat("<", absl::string_view(bytes.chars(), bytes.size()), ">"), "<bytes>");
#endif
}

}  // namespace
