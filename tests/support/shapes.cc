#include "tests/support/shapes.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <utility>

#include "tests/support/access.h"

namespace shapes {

using bight::Bytes;
using bight::ByteView;
using bight::Chain;
using bight::internal::Access;

namespace {

struct Named {
  Kind kind;
  const char* name;
};
constexpr Named kNames[] = {
    {Kind::kEmpty, "Empty"},
    {Kind::kOne, "One"},
    {Kind::kStatic, "Static"},
    {Kind::kForeign, "Foreign"},
    {Kind::kTwoInline, "TwoInline"},
    {Kind::kInlineWithCredits, "InlineWithCredits"},
    {Kind::kTable, "Table"},
    {Kind::kTableWithCredits, "TableWithCredits"},
    {Kind::kLongTable, "LongTable"},
    {Kind::kOneByteSegments, "OneByteSegments"},
    {Kind::kSharedTable, "SharedTable"},
    {Kind::kLongSharedTable, "LongSharedTable"},
    {Kind::kEdgeFront, "EdgeFront"},
    {Kind::kEdgeBack, "EdgeBack"},
    {Kind::kTrimmed, "Trimmed"},
    {Kind::kTrimmedShared, "TrimmedShared"},
    {Kind::kDeadEnds, "DeadEnds"},
    {Kind::kWrapped, "Wrapped"},
    {Kind::kWrappedShared, "WrappedShared"},
    {Kind::kClaimed, "Claimed"},
    {Kind::kSlice, "Slice"},
    {Kind::kShortSlice, "ShortSlice"},
    {Kind::kFrontPushed, "FrontPushed"},
};

void keep(Shape& shape, Chain chain, std::string text) {
  shape.kept.push_back(std::move(chain));
  shape.kept_texts.push_back(std::move(text));
}

// Cuts `times` pieces of 3 bytes from the front, so that the chain keeps references in store.
void cut_front(Shape& shape, int times) {
  for (int i = 0; i < times; ++i) {
    keep(shape, shape.chain.split_to(3), shape.text.substr(0, 3));
    shape.text.erase(0, 3);
  }
}

Shape from_text(size_t size, size_t each, uint32_t seed) {
  Shape shape;
  shape.text = letters(size, seed);
  shape.chain = cut_up(shape.text, each);
  return shape;
}

void share(Shape& shape) { keep(shape, shape.chain, shape.text); }

}  // namespace

std::vector<Kind> all() {
  std::vector<Kind> kinds;
  for (const Named& named : kNames) kinds.push_back(named.kind);
  return kinds;
}

std::string name(Kind kind) {
  for (const Named& named : kNames) {
    if (named.kind == kind) return named.name;
  }
  return "Unknown";
}

std::ostream& operator<<(std::ostream& out, Kind kind) { return out << name(kind); }

std::ostream& operator<<(std::ostream& out, Form form) {
  constexpr const char* kFormNames[] = {"unique", "copied", "slice", "flat"};
  return out << kFormNames[static_cast<size_t>(form)];
}

Shape make(Kind kind) {
  Shape shape;
  switch (kind) {
    case Kind::kEmpty:
      break;
    case Kind::kOne:
      return from_text(100, 100, 2);
    case Kind::kStatic:
      shape.text = "static bytes and some of them";
      shape.chain = Chain(Bytes::from_static("static bytes and some of them"));
      break;
    case Kind::kForeign: {
      shape.text = letters(90, 3);
      for (size_t i = 0; i < 90; i += 15) {
        shape.chain.push_back(Bytes::from_owner(shape.text.substr(i, 15)));
      }
      break;
    }
    case Kind::kTwoInline:
      return from_text(64, 40, 4);
    case Kind::kInlineWithCredits:
      shape = from_text(400, 300, 5);
      cut_front(shape, 5);
      break;
    case Kind::kTable:
      return from_text(211, 21, 6);
    case Kind::kTableWithCredits:
      shape = from_text(500, 100, 7);
      cut_front(shape, 5);
      break;
    case Kind::kLongTable:
      return from_text(7000, 7, 8);
    case Kind::kOneByteSegments:
      return from_text(70, 1, 9);
    case Kind::kSharedTable:
      shape = from_text(150, 17, 10);
      share(shape);
      break;
    case Kind::kLongSharedTable:
      shape = from_text(4000, 5, 11);
      share(shape);
      break;
    case Kind::kEdgeFront:
      shape = from_text(150, 17, 12);
      share(shape);
      shape.chain.push_front(Bytes::copy_of("the edge before"));
      shape.text.insert(0, "the edge before");
      break;
    case Kind::kEdgeBack:
      shape = from_text(150, 17, 13);
      share(shape);
      shape.chain.push_back(Bytes::copy_of("the edge behind"));
      shape.text += "the edge behind";
      break;
    case Kind::kTrimmed:
      shape = from_text(300, 20, 14);
      shape.chain.consume(27);
      shape.chain.remove_suffix(33);
      shape.text = shape.text.substr(27, 300 - 27 - 33);
      break;
    case Kind::kTrimmedShared:
      shape = from_text(300, 20, 15);
      share(shape);
      shape.chain.consume(27);
      shape.chain.remove_suffix(33);
      shape.text = shape.text.substr(27, 300 - 27 - 33);
      break;
    case Kind::kDeadEnds: {
      shape = from_text(300, 20, 16);
      const Chain whole = shape.chain;
      shape.chain.consume(67);
      shape.chain.remove_suffix(73);
      shape.text = shape.text.substr(67, 300 - 67 - 73);
      break;
    }
    case Kind::kWrapped:
    case Kind::kWrappedShared:
      shape = from_text(211, 21, 17);
      Access::move_positions(shape.chain, static_cast<size_t>(0) - 100);
      if (kind == Kind::kWrappedShared) share(shape);
      break;
    case Kind::kClaimed:
      shape = from_text(18 * 6, 6, 18);
      share(shape);
      for (const std::string_view piece : {"first", "second", "third"}) {
        shape.chain.push_back(Bytes::copy_of(piece));
        shape.text += piece;
      }
      break;
    case Kind::kSlice: {
      Shape large = from_text(300, 20, 19);
      shape.chain = large.chain.slice(29, 200);
      shape.text = large.text.substr(29, 200);
      keep(shape, std::move(large.chain), std::move(large.text));
      break;
    }
    case Kind::kShortSlice: {
      Shape large = from_text(3000, 10, 20);
      shape.chain = large.chain.slice(1234, 45);
      shape.text = large.text.substr(1234, 45);
      keep(shape, std::move(large.chain), std::move(large.text));
      break;
    }
    case Kind::kFrontPushed: {
      shape.text = letters(120, 21);
      for (size_t i = 0; i < 120; i += 10) {
        shape.chain.push_front(Bytes::copy_of(std::string_view(shape.text).substr(110 - i, 10)));
      }
      break;
    }
  }
  return shape;
}

Formed in_form(Form form, const Chain& chain) {
  Formed formed;
  switch (form) {
    case Form::kUnique:
      for (size_t i = 0; i < chain.segment_count(); ++i) {
        formed.chain.push_back(chain.segment_bytes(i));
      }
      break;
    case Form::kCopied:
      formed.chain = chain;
      formed.kept.push_back(formed.chain);
      break;
    case Form::kSlice: {
      Chain large = chain_of({"before", "still before"});
      large.push_back(chain);
      large.push_back(chain_of({"behind"}));
      formed.chain = large.slice(18, chain.size());
      formed.kept.push_back(std::move(large));
      break;
    }
    case Form::kFlat:
      formed.chain = Chain(Bytes::copy_of(chain.to_string()));
      break;
  }
  return formed;
}

std::string letters(size_t size, uint32_t seed) {
  std::string text(size, ' ');
  uint32_t state = seed * 2654435761u + 12345;
  for (char& c : text) {
    state = state * 1664525u + 1013904223u;
    c = static_cast<char>('a' + (state >> 24) % 26);
  }
  return text;
}

Chain chain_of(std::initializer_list<std::string_view> texts) {
  Chain chain;
  for (const std::string_view text : texts) chain.push_back(Bytes::copy_of(text));
  return chain;
}

Chain cut_up(std::string_view text, size_t each) {
  Chain chain;
  for (size_t i = 0; i < text.size(); i += each) {
    chain.push_back(Bytes::copy_of(text.substr(i, each)));
  }
  return chain;
}

Bytes Counted::bytes(std::string text) {
  auto owner = std::make_unique<std::string>(std::move(text));
  const std::span<const std::byte> bytes = std::as_bytes(std::span(*owner));
  return Bytes::with_release(
      bytes, [owner = std::move(owner), released = released_]() noexcept { ++*released; });
}

void expect_reads(const Chain& chain, std::string_view text) {
  chain.check_invariants();
  ASSERT_EQ(chain.size(), text.size());
  EXPECT_EQ(chain.empty(), text.empty());
  ASSERT_EQ(chain.to_string(), text);
  EXPECT_TRUE(chain == ByteView(text));
  size_t at = 0;
  for (size_t i = 0; i < chain.segment_count(); ++i) {
    const std::span<const std::byte> bytes = chain.segment(i);
    ASSERT_FALSE(bytes.empty());
    ASSERT_TRUE(ByteView(bytes) == ByteView(text.substr(at, bytes.size()))) << "segment " << i;
    // The first and last byte of each segment, by position.
    ASSERT_EQ(static_cast<char>(chain[at]), text[at]);
    ASSERT_EQ(chain.locate(at), (bight::SegmentPosition{i, 0}));
    at += bytes.size();
    ASSERT_EQ(static_cast<char>(chain[at - 1]), text[at - 1]);
    ASSERT_EQ(chain.locate(at - 1), (bight::SegmentPosition{i, bytes.size() - 1}));
  }
  ASSERT_EQ(at, text.size());
  EXPECT_EQ(chain.locate(text.size()), (bight::SegmentPosition{chain.segment_count(), 0}));
}

}  // namespace shapes
