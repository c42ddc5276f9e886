#include "bight/byte_view.h"

#include <gtest/gtest.h>

#include <array>
#include <compare>
#include <cstdint>
#include <list>
#include <ranges>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "bight/bytes.h"
#include "bight/bytes_builder.h"

namespace {

using bight::ByteView;

// What a function that takes a ByteView sees.
std::string seen(ByteView view) { return std::string(view.view()); }

// A string-view-like of some other library: neither std nor an aggregate.
class OtherView {
 public:
  OtherView(const char* data, size_t size) : data_(data), size_(size) {}
  const char* begin() const { return data_; }
  const char* end() const { return data_ + size_; }

 private:
  const char* data_;
  size_t size_;
};

TEST(ByteViewTest, DefaultIsEmpty) {
  constexpr ByteView none;
  EXPECT_TRUE(none.empty());
  EXPECT_EQ(none.size(), 0u);
  EXPECT_EQ(none.data(), nullptr);
  EXPECT_EQ(none.begin(), none.end());
}

TEST(ByteViewTest, LiteralIsTakenWithoutItsNul) {
  EXPECT_EQ(seen("hello"), "hello");
  EXPECT_EQ(seen(""), "");
  EXPECT_EQ(ByteView(u8"h\u00e9").size(), 3u);
  EXPECT_EQ(ByteView(u8"").size(), 0u);
}

TEST(ByteViewTest, LiteralKeepsNulsInside) {
  EXPECT_EQ(ByteView("a\0b").size(), 3u);
  EXPECT_EQ(seen("a\0b"), std::string("a\0b", 3));
  EXPECT_EQ(ByteView("\0").size(), 1u);
  EXPECT_EQ(ByteView("a\0").size(), 2u);
}

TEST(ByteViewTest, ConstCharArrayWithoutNulIsTakenWhole) {
  static constexpr char kText[3] = {'a', 'b', 'c'};
  EXPECT_EQ(seen(kText), "abc");
  static constexpr char8_t kText8[2] = {u8'a', u8'b'};
  EXPECT_EQ(seen(kText8), "ab");
}

TEST(ByteViewTest, ArrayOfTheCallerIsTakenWhole) {
  char text[4] = {'a', 'b', '\0', '\0'};  // a buffer, no literal: every byte counts
  EXPECT_EQ(ByteView(text).size(), 4u);
  unsigned char u8[3] = {1, 2, 0};
  EXPECT_EQ(ByteView(u8).size(), 3u);
  std::byte bytes[2] = {};
  EXPECT_EQ(ByteView(bytes).size(), 2u);
  const uint8_t constant[2] = {7, 0};
  EXPECT_EQ(ByteView(constant).size(), 2u);
}

TEST(ByteViewTest, ContiguousRangesOfEveryByteTypeAreTaken) {
  EXPECT_EQ(seen(std::string("string")), "string");
  EXPECT_EQ(seen(std::string_view("view")), "view");
  EXPECT_EQ(seen(std::u8string(u8"u8")), "u8");
  EXPECT_EQ(seen(std::vector<char>{'a', 'b'}), "ab");
  EXPECT_EQ(seen(std::vector<uint8_t>{'a', 'b'}), "ab");
  EXPECT_EQ(seen(std::vector<std::byte>{std::byte{'a'}}), "a");
  EXPECT_EQ(seen(std::array<char, 2>{'x', 'y'}), "xy");
  std::string text = "span";
  EXPECT_EQ(seen(std::span<char>(text)), "span");
  EXPECT_EQ(seen(std::span<const char>(text)), "span");
  EXPECT_EQ(seen(std::as_bytes(std::span(text))), "span");
  EXPECT_EQ(seen(std::as_writable_bytes(std::span(text))), "span");
  EXPECT_EQ(seen(OtherView("other", 5)), "other");
}

TEST(ByteViewTest, BytesAndBuildersAreTaken) {
  EXPECT_EQ(seen(bight::Bytes::copy_of("bytes")), "bytes");
  bight::BytesBuilder builder;
  builder.append("builder");
  EXPECT_EQ(seen(builder), "builder");
}

TEST(ByteViewTest, PointerAndSizeMayBeNullWithoutBytes) {
  const void* const nothing = nullptr;
  EXPECT_TRUE(ByteView(nothing, 0).empty());
  EXPECT_EQ(ByteView(nothing, 0), ByteView());
  EXPECT_EQ(ByteView(nothing, 0), ByteView(""));
  const int value = 0x01010101;
  EXPECT_EQ(seen(ByteView(&value, sizeof(value))), std::string(4, '\1'));
}

TEST(ByteViewTest, OutputsShowTheSameBytes) {
  const ByteView view("abc");
  EXPECT_EQ(view.view(), "abc");
  EXPECT_EQ(view.chars()[1], 'b');
  EXPECT_EQ(view.u8()[2], uint8_t{'c'});
  EXPECT_EQ(view.span().data(), view.data());
  EXPECT_EQ(view.span().size(), 3u);
  EXPECT_EQ(view[0], std::byte{'a'});
  EXPECT_EQ(view.end() - view.begin(), 3);
}

TEST(ByteViewTest, ComparesAsUnsignedBytes) {
  EXPECT_EQ(ByteView("ab"), ByteView(std::string("ab")));
  EXPECT_NE(ByteView("ab"), ByteView("abc"));
  EXPECT_NE(ByteView("ab"), ByteView("ac"));
  EXPECT_LT(ByteView("ab"), ByteView("abc"));
  EXPECT_LT(ByteView("abc"), ByteView("abd"));
  EXPECT_GT(ByteView("\x80"), ByteView("\x7f"));
  EXPECT_LT(ByteView(""), ByteView("\0"));
  EXPECT_EQ(ByteView("a") <=> ByteView("a"), std::strong_ordering::equal);
}

TEST(ByteViewTest, IsABorrowedView) {
  static_assert(std::ranges::view<ByteView>);
  static_assert(std::ranges::borrowed_range<ByteView>);
  static_assert(std::ranges::contiguous_range<ByteView>);
  EXPECT_EQ(std::ranges::size(ByteView("abc")), 3u);
}

TEST(ByteViewTest, WorksInConstantExpressions) {
  static constexpr std::byte kBytes[] = {std::byte{1}, std::byte{2}};
  constexpr ByteView view(kBytes, 2);
  static_assert(view.size() == 2 && view[1] == std::byte{2} && !view.empty());
  EXPECT_EQ(view.data(), kBytes);
}

TEST(ByteViewTest, RefusesWhatIsNoRangeOfBytes) {
  static_assert(!std::is_convertible_v<int, ByteView>);
  static_assert(!std::is_convertible_v<char, ByteView>);
  static_assert(!std::is_convertible_v<bool, ByteView>);
  static_assert(!std::is_convertible_v<size_t, ByteView>);
  static_assert(!std::is_convertible_v<std::nullptr_t, ByteView>);
  static_assert(!std::is_constructible_v<ByteView, std::nullptr_t, size_t>);
  static_assert(!std::is_convertible_v<const char*, ByteView>);  // how long?
  static_assert(!std::is_convertible_v<std::vector<int>, ByteView>);
  static_assert(!std::is_convertible_v<std::vector<bool>, ByteView>);
  static_assert(!std::is_convertible_v<std::vector<signed char>, ByteView>);
  static_assert(!std::is_convertible_v<std::list<char>, ByteView>);
  static_assert(!std::is_convertible_v<std::wstring, ByteView>);
  static_assert(std::is_convertible_v<std::string, ByteView>);
}

}  // namespace
