#include "bight/interop/protobuf.h"

#include <google/protobuf/io/coded_stream.h>
#include <google/protobuf/util/delimited_message_util.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <climits>
#include <cstdint>
#include <cstring>
#include <string>
#include <vector>

#include "bight/copy_audit.h"
#include "record.pb.h"
#include "tests/interop/support.h"

namespace bight {
namespace {

using bight_test::Record;
using interop_test::cut_at;
using interop_test::pattern;
using interop_test::scattered;

Record example(size_t body) {
  Record record;
  record.set_id(0x123456789abcdef);
  record.set_name("a record");
  record.set_body(pattern(body));
  for (int i = 0; i < 3; ++i) {
    Record& part = *record.add_parts();
    part.set_id(static_cast<uint64_t>(i));
    part.set_body(pattern(20, static_cast<size_t>(i)));
    part.add_numbers(-i);
    part.add_numbers(1 << (10 * i));
  }
  return record;
}

bool same(const Record& a, const Record& b) {
  return a.SerializeAsString() == b.SerializeAsString();
}

// What Next() hands out, and where.
struct Piece {
  const std::byte* data;
  int size;
  friend bool operator==(const Piece&, const Piece&) = default;
};

Piece next(ChainInputStream& in) {
  const void* data = nullptr;
  int size = 0;
  if (!in.Next(&data, &size)) return {nullptr, -1};
  return {static_cast<const std::byte*>(data), size};
}

Piece next(BuilderOutputStream& out) {
  void* data = nullptr;
  int size = 0;
  if (!out.Next(&data, &size)) return {nullptr, -1};
  return {static_cast<const std::byte*>(data), size};
}

void fill(const Piece& room, char with) {
  std::memset(const_cast<std::byte*>(room.data), with, static_cast<size_t>(room.size));
}

ChainBuilder builder_of(size_t block, size_t max_size = internal::kMaxSize) {
  ChainBuilderOptions options;
  options.min_block = block;
  options.max_block = block;
  options.max_size = max_size;
  return ChainBuilder(options);
}

// ---- The input stream ------------------------------------------------------------------------

TEST(ChainInputStreamTest, HandsOutTheSegmentsWhereTheyAre) {
  const Chain chain = scattered({10, 1, 300});
  ChainInputStream in(chain);
  for (const auto segment : chain.segments()) {
    EXPECT_EQ(next(in), (Piece{segment.data(), static_cast<int>(segment.size())}));
  }
  EXPECT_EQ(in.ByteCount(), 311);
  EXPECT_EQ(next(in).size, -1);
  EXPECT_EQ(next(in).size, -1);
  EXPECT_EQ(in.ByteCount(), 311);
}

// buf-B26
TEST(ChainInputStreamTest, BacksUpAndSkipsAsProtobufRequires) {
  const Chain chain = scattered({10, 20});
  const std::byte* const first = chain.segment(0).data();
  ChainInputStream in(chain);
  EXPECT_EQ(next(in), (Piece{first, 10}));
  in.BackUp(1);
  EXPECT_EQ(in.ByteCount(), 9);
  EXPECT_EQ(next(in), (Piece{first + 9, 1}));
  in.BackUp(1);  // all of the last one
  EXPECT_EQ(in.ByteCount(), 9);
  EXPECT_EQ(next(in), (Piece{first + 9, 1}));
  EXPECT_EQ(next(in), (Piece{chain.segment(1).data(), 20}));
  in.BackUp(25);  // across segments
  EXPECT_EQ(next(in), (Piece{first + 5, 5}));
  EXPECT_TRUE(in.Skip(20));  // to the very end
  EXPECT_EQ(in.ByteCount(), 30);
  in.BackUp(30);
  EXPECT_FALSE(in.Skip(31));
  EXPECT_EQ(in.ByteCount(), 30);
  EXPECT_EQ(next(in).size, -1);
  EXPECT_TRUE(in.Skip(0));
  EXPECT_FALSE(in.Skip(1));
}

TEST(ChainInputStreamTest, SkipsFromEveryPlaceToEveryPlace) {
  const Chain chain = scattered({1, 3, 2, 5});
  for (int from = 0; from <= 11; ++from) {
    for (int n = 0; n <= 12; ++n) {
      ChainInputStream in(chain);
      ASSERT_TRUE(in.Skip(from));
      ASSERT_EQ(in.Skip(n), from + n <= 11);
      ASSERT_EQ(in.ByteCount(), std::min(from + n, 11));
      if (from + n < 11) {
        ASSERT_EQ(*next(in).data, chain[static_cast<size_t>(from + n)]);
      }
    }
  }
}

TEST(ChainInputStreamTest, AnEmptyChainIsAtItsEnd) {
  ChainInputStream in{Chain()};
  EXPECT_EQ(next(in).size, -1);
  EXPECT_EQ(in.ByteCount(), 0);
  in.BackUp(0);
  EXPECT_TRUE(in.Skip(0));
  EXPECT_FALSE(in.Skip(1));
}

TEST(ChainInputStreamTest, ASegmentAboveIntMaxComesInPieces) {
  // Only its size is looked at.
  static constexpr char kByte = 'x';
  constexpr size_t kSize = size_t{3} << 30;
  const Chain chain(Bytes::from_static_unchecked(ByteView(&kByte, kSize)));
  ChainInputStream in(chain);
  EXPECT_EQ(next(in), (Piece{chain.front().data(), INT_MAX}));
  EXPECT_EQ(next(in).size, static_cast<int>(kSize - INT_MAX));
  EXPECT_EQ(in.ByteCount(), int64_t{kSize});
  EXPECT_EQ(next(in).size, -1);
  Record record;
  EXPECT_FALSE(parse_from(record, chain));
}

TEST(ChainInputStreamDeathTest, BackingUpTooFarStopsTheProgram) {
  ChainInputStream in(scattered({4}));
  ASSERT_TRUE(in.Skip(3));
  EXPECT_DEATH(in.BackUp(4), "BackUp\\(4\\) of 3 bytes");
  EXPECT_DEATH(in.BackUp(-1), "BackUp");
  EXPECT_DEATH((void)in.Skip(-1), "Skip");
}

// ---- The output stream -----------------------------------------------------------------------

// buf-B25
TEST(BuilderOutputStreamTest, BacksUpWithinABlockAndAcrossBlocks) {
  ChainBuilder builder = builder_of(64);
  builder.append("before");
  BuilderOutputStream out(builder);
  EXPECT_EQ(out.ByteCount(), 0);
  const Piece first = next(out);
  fill(first, '1');
  const Piece second = next(out);
  fill(second, '2');
  EXPECT_EQ(out.ByteCount(), first.size + second.size);

  const int half = second.size / 2;
  out.BackUp(half);
  EXPECT_EQ(out.ByteCount(), first.size + second.size - half);
  const Piece again = next(out);
  EXPECT_EQ(again, (Piece{second.data + (second.size - half), half}));
  fill(again, '3');

  const Piece third = next(out);
  fill(third, '4');
  // Over two blocks: all of the third and of the second, and a byte of the first.
  out.BackUp(third.size + second.size + 1);
  EXPECT_EQ(out.ByteCount(), first.size - 1);
  const Piece last = next(out);
  ASSERT_GE(last.size, 3);
  std::memcpy(const_cast<std::byte*>(last.data), "end", 3);
  out.BackUp(last.size - 3);
  EXPECT_EQ(out.ByteCount(), first.size + 2);
  EXPECT_EQ(builder.take(),
            "before" + std::string(static_cast<size_t>(first.size) - 1, '1') + "end");
}

TEST(BuilderOutputStreamTest, BackingAllUpLeavesTheBuilderAsItWas) {
  ChainBuilder builder = builder_of(64);
  builder.append("before");
  BuilderOutputStream out(builder);
  int sum = 0;
  for (int i = 0; i < 5; ++i) sum += next(out).size;
  out.BackUp(sum);
  EXPECT_EQ(out.ByteCount(), 0);
  EXPECT_EQ(builder.take(), "before");
}

TEST(BuilderOutputStreamTest, StopsAtTheBuildersLimit) {
  ChainBuilder builder = builder_of(64, 100);
  BuilderOutputStream out(builder);
  int sum = 0;
  for (Piece room = next(out); room.size > 0; room = next(out)) sum += room.size;
  EXPECT_EQ(sum, 100);
  EXPECT_EQ(next(out).size, -1);
  out.BackUp(10);
  EXPECT_EQ(next(out).size, 10);
}

TEST(BuilderOutputStreamDeathTest, BackingUpBeforeTheStreamStopsTheProgram) {
  ChainBuilder builder;
  builder.append("before");
  BuilderOutputStream out(builder);
  const int size = next(out).size;
  EXPECT_DEATH(out.BackUp(size + 1), "BackUp");
}

// ---- Messages --------------------------------------------------------------------------------

TEST(ProtobufTest, ParsesAMessageCutAtEveryPairOfPlaces) {
  const Record record = example(40);
  const std::string wire = record.SerializeAsString();
  for (size_t a = 0; a <= wire.size(); ++a) {
    for (size_t b = a; b <= wire.size(); b += 1 + (b % 3)) {
      Record parsed;
      ASSERT_TRUE(parse_from(parsed, cut_at(wire, {a, b}))) << a << ' ' << b;
      ASSERT_TRUE(same(parsed, record)) << a << ' ' << b;
    }
  }
}

TEST(ProtobufTest, ParsesAMessageOfOneByteSegments) {
  const Record record = example(2000);
  const std::string wire = record.SerializeAsString();
  Chain chain;
  for (const char& c : wire) chain.push_copy(std::string_view(&c, 1));
  Record parsed;
  CopyAudit audit;
  ASSERT_TRUE(parse_from(parsed, chain));
  EXPECT_EQ(audit.thread(), CopyCounts{});
  EXPECT_TRUE(same(parsed, record));
}

TEST(ProtobufTest, ATruncatedMessageGetsTheAnswerThatFlatBytesGet) {
  const std::string wire = example(40).SerializeAsString();
  for (size_t size = 0; size < wire.size(); ++size) {
    Record flat;
    const bool valid = flat.ParseFromArray(wire.data(), static_cast<int>(size));
    Record parsed;
    const Chain chain = cut_at(std::string_view(wire).substr(0, size), {size / 3, size / 2});
    ASSERT_EQ(parse_from(parsed, chain), valid) << size;
    ASSERT_EQ(valid && same(parsed, flat), valid) << size;
  }
}

TEST(ProtobufTest, DamagedBytesGetTheAnswerThatFlatBytesGet) {
  const std::string wire = example(40).SerializeAsString();
  for (size_t i = 0; i < wire.size(); ++i) {
    for (const int flip : {0x01, 0x07, 0x80, 0xff}) {
      std::string damaged = wire;
      damaged[i] = static_cast<char>(damaged[i] ^ flip);
      Record flat;
      Record parsed;
      ASSERT_EQ(parse_from(parsed, cut_at(damaged, {i, i + 1})), flat.ParseFromString(damaged));
    }
  }
}

TEST(ProtobufTest, ParsingReplacesWhatTheMessageHeld) {
  Record record = example(10);
  EXPECT_TRUE(parse_from(record, Chain()));
  EXPECT_TRUE(same(record, Record()));
}

TEST(ProtobufTest, SerializesToOneSegmentWithoutACopy) {
  for (const size_t size : std::vector<size_t>{0, 1, 100, 10000, 3000000}) {
    const Record record = example(size);
    CopyAudit audit;
    const Chain chain = serialize(record);
    EXPECT_EQ(audit.thread().copied, 0u);
    EXPECT_EQ(audit.thread().blocks, 1u);
    EXPECT_EQ(chain.segment_count(), 1u);
    EXPECT_EQ(chain, record.SerializeAsString());
  }
  EXPECT_TRUE(serialize(Record()).empty());
}

TEST(ProtobufTest, SerializesBehindWhatTheBuilderHasIntoBlocksOfEverySize) {
  const Record record = example(500);
  for (size_t block = 1; block <= 1000; block += 13) {
    ChainBuilder builder = builder_of(block);
    builder.append("before ");
    ASSERT_TRUE(serialize_to(record, builder));
    builder.append(" behind");
    ASSERT_EQ(builder.take(), "before " + record.SerializeAsString() + " behind");
  }
}

TEST(ProtobufTest, SerializingAcrossBlocksCopiesNothing) {
  const Record record = example(10000);
  ChainBuilder builder = builder_of(256);
  CopyAudit audit;
  ASSERT_TRUE(serialize_to(record, builder));
  const Chain chain = builder.take();
  EXPECT_EQ(audit.thread().copied, 0u);
  EXPECT_GT(chain.segment_count(), 10u);
  Record parsed;
  ASSERT_TRUE(parse_from(parsed, chain));
  EXPECT_TRUE(same(parsed, record));
}

TEST(ProtobufTest, AMessageThatDoesNotFitLeavesTheBuilderAsItWas) {
  const Record record = example(100);
  const size_t size = record.ByteSizeLong();
  for (size_t room = 0; room <= size; ++room) {
    ChainBuilder builder = builder_of(64, 6 + room);
    builder.append("before");
    ASSERT_EQ(serialize_to(record, builder), room == size) << room;
    ASSERT_EQ(builder.size(), room == size ? 6 + size : 6);
    ASSERT_EQ(builder.take().slice(0, 6), "before");
  }
}

#if BIGHT_HAS_EXCEPTIONS
TEST(ProtobufTest, WithoutMemoryTheBuilderIsAsItWas) {
  const Record record = example(1000);
  int allocations = 1;
  for (;; ++allocations) {
    interop_test::LimitedResource memory(allocations);
    ChainBuilderOptions options;
    options.min_block = 64;
    options.max_block = 64;
    options.resource = &memory;
    ChainBuilder builder(options);
    builder.append("before");
    try {
      ASSERT_TRUE(serialize_to(record, builder));
      EXPECT_EQ(builder.take(), "before" + record.SerializeAsString());
      break;
    } catch (const std::bad_alloc&) {
      ASSERT_EQ(builder.take(), "before");
    }
  }
  EXPECT_GT(allocations, 5);
}
#endif

TEST(ProtobufTest, DelimitedMessagesFollowOneAnotherInAStream) {
  ChainBuilder builder = builder_of(64);
  {
    BuilderOutputStream out(builder);
    for (size_t i = 0; i < 20; ++i) {
      ASSERT_TRUE(google::protobuf::util::SerializeDelimitedToZeroCopyStream(example(i), &out));
    }
  }
  ChainInputStream in(builder.take());
  for (size_t i = 0; i < 20; ++i) {
    Record parsed;
    bool clean_end = false;
    ASSERT_TRUE(google::protobuf::util::ParseDelimitedFromZeroCopyStream(&parsed, &in, &clean_end));
    ASSERT_TRUE(same(parsed, example(i)));
  }
  Record parsed;
  bool clean_end = false;
  EXPECT_FALSE(google::protobuf::util::ParseDelimitedFromZeroCopyStream(&parsed, &in, &clean_end));
  EXPECT_TRUE(clean_end);
}

// ---- Bytes fields beside the message ---------------------------------------------------------

constexpr int kBody = Record::kBodyFieldNumber;

TEST(TakeBytesFieldTest, TheFieldIsSharedAndTheRestIsTheMessageWithoutIt) {
  Record record = example(2000);
  const std::string wire = record.SerializeAsString();
  Chain chain = cut_at(wire, {5, 700, 701, 1500});
  const std::byte* const inside = chain.segment(3).data();
  const CopyAudit audit;
  const auto bodies = take_bytes_field(chain, kBody);
  ASSERT_TRUE(bodies);
  ASSERT_EQ(bodies->size(), 1u);
  EXPECT_EQ(bodies->front(), record.body());
  EXPECT_EQ(bodies->front().segment_count(), 4u);
  EXPECT_EQ(bodies->front().segment(2).data(), inside);
  Record parsed;
  ASSERT_TRUE(parse_from(parsed, chain));
  EXPECT_EQ(audit.thread(), CopyCounts{});
  record.clear_body();
  EXPECT_TRUE(same(parsed, record));  // the bodies of its parts are still there
}

TEST(TakeBytesFieldTest, WhereverTheMessageIsCut) {
  Record record = example(40);
  const std::string wire = record.SerializeAsString();
  const std::string body = record.body();
  record.clear_body();
  for (size_t a = 0; a <= wire.size(); ++a) {
    for (size_t b = a; b <= wire.size(); b += 1 + (b % 3)) {
      Chain chain = cut_at(wire, {a, b});
      const auto bodies = take_bytes_field(chain, kBody);
      ASSERT_TRUE(bodies && bodies->size() == 1) << a << ' ' << b;
      ASSERT_EQ(bodies->front(), body);
      ASSERT_EQ(chain, record.SerializeAsString());
    }
  }
}

TEST(TakeBytesFieldTest, WithoutTheFieldNothingChanges) {
  Chain chain = scattered({0});
  EXPECT_TRUE(take_bytes_field(chain, kBody)->empty());
  Record record = example(0);
  chain = cut_at(record.SerializeAsString(), {3});
  EXPECT_TRUE(take_bytes_field(chain, kBody)->empty());
  EXPECT_EQ(chain.segment_count(), 2u);
  EXPECT_EQ(chain, record.SerializeAsString());
}

TEST(TakeBytesFieldTest, NestedMessagesAreTakenFirst) {
  const Record record = example(10);
  Chain chain(Bytes::from_owner(record.SerializeAsString()));
  auto parts = take_bytes_field(chain, Record::kPartsFieldNumber);
  ASSERT_TRUE(parts);
  ASSERT_EQ(parts->size(), 3u);
  for (int i = 0; i < 3; ++i) {
    Chain& part = (*parts)[static_cast<size_t>(i)];
    const auto bodies = take_bytes_field(part, kBody);
    ASSERT_TRUE(bodies && bodies->size() == 1);
    EXPECT_EQ(bodies->front(), record.parts(i).body());
    Record parsed;
    EXPECT_TRUE(parse_from(parsed, part));
    EXPECT_EQ(parsed.id(), record.parts(i).id());
    EXPECT_EQ(parsed.body(), "");
  }
}

TEST(TakeBytesFieldTest, ANestedMessageThatCameTwiceIsItsContentsBehindOneAnother) {
  Record first;
  first.mutable_child()->set_id(7);
  first.mutable_child()->set_name("first");
  first.mutable_child()->add_numbers(1);
  Record second;
  second.mutable_child()->set_name("second");
  second.mutable_child()->add_numbers(2);
  second.mutable_child()->set_body(pattern(100));
  const std::string wire = first.SerializeAsString() + second.SerializeAsString();
  Record flat;
  ASSERT_TRUE(flat.ParseFromString(wire));
  ASSERT_EQ(flat.child().id(), 7u);  // as protobuf merges them
  ASSERT_EQ(flat.child().name(), "second");
  ASSERT_EQ(flat.child().numbers_size(), 2);

  Chain chain = cut_at(wire, {4, 20});
  auto children = take_bytes_field(chain, Record::kChildFieldNumber);
  ASSERT_TRUE(children);
  ASSERT_EQ(children->size(), 2u);
  Chain merged;
  for (Chain& child : *children) merged.push_back(std::move(child));
  const auto bodies = take_bytes_field(merged, kBody);
  ASSERT_TRUE(bodies && bodies->size() == 1);
  EXPECT_EQ(bodies->front(), pattern(100));
  Record parsed;
  ASSERT_TRUE(parse_from(parsed, merged));
  flat.mutable_child()->clear_body();
  EXPECT_TRUE(same(parsed, flat.child()));
  EXPECT_TRUE(chain.empty());
}

// What the comment warns of: a member of a oneof comes back from the dead.
TEST(TakeBytesFieldTest, TakingAMemberOfAOneofLosesWhichOneWasLast) {
  Record blob;
  blob.set_blob("bytes");
  Record code;
  code.set_code(5);
  for (const bool blob_last : {false, true}) {
    const std::string a = blob.SerializeAsString(), b = code.SerializeAsString();
    Chain chain(Bytes::copy_of(blob_last ? b + a : a + b));
    Record flat;
    ASSERT_TRUE(parse_from(flat, chain));
    EXPECT_EQ(flat.choice_case(), blob_last ? Record::kBlob : Record::kCode);
    const auto blobs = take_bytes_field(chain, Record::kBlobFieldNumber);
    ASSERT_TRUE(blobs && blobs->size() == 1);
    EXPECT_EQ(chain, b);  // the same for both
  }
}

TEST(TakeBytesFieldTest, ATagAboveThirtyTwoBitsIsRefused) {
  // Field 3 with a length, and a bit that protobuf drops.
  const std::string wire("\x9a\x80\x80\x80\x10\x02hi", 8);
  Record flat;
  EXPECT_TRUE(flat.ParseFromString(wire));
  EXPECT_EQ(flat.body(), "hi");
  Chain chain(Bytes::copy_of(wire));
  EXPECT_FALSE(take_bytes_field(chain, kBody));
  EXPECT_EQ(chain, wire);
}

// The message as protobuf has it, whether it likes the bytes or not.
void expect_as_flat(const std::string& wire, std::vector<size_t> cuts) {
  Record flat;
  const bool valid = flat.ParseFromString(wire);
  Chain chain = cut_at(wire, std::move(cuts));
  const auto bodies = take_bytes_field(chain, kBody);
  EXPECT_TRUE(bodies || chain == wire);
  Record parsed;
  ASSERT_EQ(bodies && parse_from(parsed, chain), valid);
  if (!valid) return;
  EXPECT_EQ(bodies->empty() ? Chain() : bodies->back(), flat.body());
  flat.clear_body();
  EXPECT_TRUE(same(parsed, flat));
}

TEST(TakeBytesFieldTest, TruncatedMessagesGetTheAnswerThatFlatBytesGet) {
  const std::string wire = example(40).SerializeAsString();
  for (size_t size = 0; size < wire.size(); ++size) {
    expect_as_flat(wire.substr(0, size), {size / 3, size / 2});
  }
}

TEST(TakeBytesFieldTest, DamagedMessagesGetTheAnswerThatFlatBytesGet) {
  const std::string wire = example(40).SerializeAsString();
  for (size_t i = 0; i < wire.size(); ++i) {
    for (int flip = 1; flip < 256; ++flip) {
      std::string damaged = wire;
      damaged[i] = static_cast<char>(damaged[i] ^ flip);
      expect_as_flat(damaged, {i, i + 1});
    }
  }
}

TEST(TakeBytesFieldTest, FieldsInsideAGroupStayThere) {
  // Field 9 as a group that holds a field 3, then a field 3.
  const std::string group("\x4b\x1a\x01g\x4c", 5), body(
                                                       "\x1a\x02"
                                                       "ab",
                                                       4);
  Chain chain = cut_at(group + body + group, {1, 4, 6});
  const auto bodies = take_bytes_field(chain, kBody);
  ASSERT_TRUE(bodies && bodies->size() == 1);
  EXPECT_EQ(bodies->front(), "ab");
  EXPECT_EQ(chain, group + group);
  expect_as_flat(group + body + group, {3});
  expect_as_flat(group.substr(4), {});     // an end without a begin
  expect_as_flat(group.substr(0, 4), {});  // a begin without an end
}

TEST(TakeBytesFieldTest, LengthsBeyondTheEndAreRefused) {
  for (const std::string& length : {std::string("\x05"), std::string("\xff\xff\xff\xff\x0f"),
                                    std::string(9, '\xff') + "\x01", std::string(12, '\xff')}) {
    Chain chain = cut_at("\x1a" + length + "abcd", {2});
    EXPECT_FALSE(take_bytes_field(chain, kBody));
    EXPECT_EQ(chain, "\x1a" + length + "abcd");
  }
}

TEST(PushBytesFieldTest, EveryProtobufReadsIt) {
  Record record = example(0);
  const Chain body = scattered({1000, 1, 300});
  Chain wire = serialize(record);
  const CopyAudit audit;
  push_bytes_field(wire, kBody, body);
  EXPECT_EQ(audit.thread().copied, 0u);
  EXPECT_EQ(wire.segment(wire.segment_count() - 1).data(), body.segment(2).data());
  Record flat;
  ASSERT_TRUE(flat.ParseFromString(wire.to_string()));
  record.set_body(body.to_string());
  EXPECT_TRUE(same(flat, record));
  const auto bodies = take_bytes_field(wire, kBody);
  ASSERT_TRUE(bodies && bodies->size() == 1);
  EXPECT_EQ(bodies->front().segment(0).data(), body.segment(0).data());
}

TEST(PushBytesFieldTest, SeveralAreOneRepeatedField) {
  Chain wire;
  for (const std::string_view text : {"a", "", "c"}) {
    push_bytes_field(wire, (1 << 29) - 1, Chain(Bytes::copy_of(text)));
  }
  const auto all = take_bytes_field(wire, (1 << 29) - 1);
  ASSERT_TRUE(all && all->size() == 3);
  EXPECT_EQ((*all)[0], "a");
  EXPECT_EQ((*all)[1], "");
  EXPECT_EQ((*all)[2], "c");
  EXPECT_TRUE(wire.empty());
}

TEST(PushBytesFieldDeathTest, NumbersThatAreNoFieldsStopTheProgram) {
  Chain wire;
  EXPECT_DEATH(push_bytes_field(wire, 0, Chain()), "push_bytes_field\\(0\\) of 536870911");
  EXPECT_DEATH((void)take_bytes_field(wire, 1 << 29), "take_bytes_field\\(536870912\\)");
}

}  // namespace
}  // namespace bight
