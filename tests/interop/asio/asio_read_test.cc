#include <thread>

#include "asio_support.h"
#include "bight/copy_audit.h"

namespace asio_test {
namespace {

using bight::BytesBuilder;
using bight::BytesDynamicBuffer;
using bight::Chain;
using bight::ChainBuilder;
using bight::ReceiveBuffer;
using bight::ReceiveDynamicBuffer;

// ---- Dynamic buffers ------------------------------------------------------------------------

static_assert(net::is_dynamic_buffer_v1<BytesDynamicBuffer>::value);
static_assert(net::is_dynamic_buffer_v2<BytesDynamicBuffer>::value);
static_assert(net::is_dynamic_buffer_v1<ReceiveDynamicBuffer>::value);
static_assert(net::is_dynamic_buffer_v2<ReceiveDynamicBuffer>::value);
static_assert(std::is_trivially_copyable_v<ReceiveDynamicBuffer::mutable_buffers_type>);
static_assert(net::is_mutable_buffer_sequence<ReceiveDynamicBuffer::mutable_buffers_type>::value);

// Only version 1, which Asio takes for what has both only where version 2 is missing.
template <class Base>
struct Version1 {
  using const_buffers_type = typename Base::const_buffers_type;
  using mutable_buffers_type = typename Base::mutable_buffers_type;
  size_t size() const { return base.size(); }
  size_t max_size() const { return base.max_size(); }
  size_t capacity() const { return base.capacity(); }
  const_buffers_type data() const { return base.data(); }
  mutable_buffers_type prepare(size_t n) { return base.prepare(n); }
  void commit(size_t n) { base.commit(n); }
  void consume(size_t n) { base.consume(n); }
  Base base;
};

struct OverBytes {
  BytesBuilder buffer;
  auto dynamic() { return bight::dynamic_buffer(buffer); }
  std::string text() const { return std::string(buffer.view()); }
};
struct OverBytes1 : OverBytes {
  auto dynamic() { return Version1<BytesDynamicBuffer>{bight::dynamic_buffer(buffer)}; }
};
struct OverReceive {
  ReceiveBuffer buffer;
  auto dynamic() { return bight::dynamic_buffer(buffer); }
  std::string text() const { return buffer.chain().to_string(); }
};
struct OverReceive1 : OverReceive {
  auto dynamic() { return Version1<ReceiveDynamicBuffer>{bight::dynamic_buffer(buffer)}; }
};

template <class T>
class DynamicBufferTest : public testing::Test {
 protected:
  net::io_context context;
  MemoryStream stream{context};
  T over;
};
using Dynamic = testing::Types<OverBytes, OverBytes1, OverReceive, OverReceive1>;
TYPED_TEST_SUITE(DynamicBufferTest, Dynamic);

TYPED_TEST(DynamicBufferTest, ReadUntilGivesLineAfterLineWhateverAReadBrings) {
  const std::vector<std::string> lines = {"one\r\n", "\r\n", "a longer line\r\n", "x\r\n"};
  std::string text;
  for (int i = 0; i < 50; ++i) {
    for (const std::string& line : lines) text += line;
  }
  for (const size_t at_most : {1u, 2u, 3u, 7u, 100u, 100000u}) {
    this->stream.input = text;
    this->stream.read_at_most = at_most;
    for (size_t i = 0; i < 50 * lines.size(); ++i) {
      auto dynamic = this->over.dynamic();
      Outcome outcome;
      net::async_read_until(this->stream, dynamic, "\r\n", record(outcome));
      run(this->context);
      ASSERT_FALSE(outcome.error) << outcome.error.message();
      ASSERT_EQ(this->over.text().substr(0, outcome.n), lines[i % lines.size()]);
      dynamic.consume(outcome.n);
    }
    ASSERT_EQ(this->over.text(), "");
  }
  // Asio reads nothing, in order to complete later, when the line is there already.
  for (const size_t offered : this->stream.offered) EXPECT_TRUE(offered == 0 || offered >= 16384);
}

TYPED_TEST(DynamicBufferTest, AsyncReadTakesAllUpToTheEnd) {
  const std::string text = pattern(300000);
  this->stream.input = text;
  this->stream.read_at_most = 50000;
  const bight::CopyAudit audit;
  Outcome outcome;
  net::async_read(this->stream, this->over.dynamic(), record(outcome));
  run(this->context);
  EXPECT_EQ(outcome.error, net::error::eof);
  EXPECT_EQ(outcome.n, text.size());
  const uint64_t copied = audit.thread().copied;
  EXPECT_TRUE(this->over.text() == text);
  for (const size_t offered : this->stream.offered) EXPECT_GE(offered, 16384u);
  if constexpr (std::is_base_of_v<OverReceive, TypeParam>) {
    EXPECT_EQ(copied, 0u);
  }
}

TYPED_TEST(DynamicBufferTest, AsyncReadTakesExactlyWhatItIsAskedFor) {
  this->stream.input = pattern(100);
  Outcome outcome;
  net::async_read(this->stream, this->over.dynamic(), net::transfer_exactly(40), record(outcome));
  run(this->context);
  EXPECT_EQ(outcome.n, 40u);
  EXPECT_EQ(this->over.text(), pattern(100).substr(0, 40));
  EXPECT_EQ(this->stream.input.size(), 60u);
  EXPECT_EQ(this->over.dynamic().size(), 40u);
}

TYPED_TEST(DynamicBufferTest, WaitingReadUntilWorksToo) {
  this->stream.input = "a;bc;";
  auto dynamic = this->over.dynamic();
  EXPECT_EQ(net::read_until(this->stream, this->over.dynamic(), ';'), 2u);
  dynamic.consume(2);
  EXPECT_EQ(net::read_until(this->stream, this->over.dynamic(), ';'), 3u);
  EXPECT_EQ(this->over.text(), "bc;");
}

TEST(DynamicBufferLimitTest, AFullOneGivesNotFoundAndRefusesMore) {
  net::io_context context;
  MemoryStream stream(context);
  stream.input = pattern(100);
  std::erase(stream.input, '\n');
  BytesBuilder builder;
  ErrorCode error;
  EXPECT_EQ(net::read_until(stream, bight::dynamic_buffer(builder, 10), '\n', error), 0u);
  EXPECT_EQ(error, net::error::not_found);
  EXPECT_EQ(builder.size(), 10u);
  bight::ChainBuilderOptions options;
  options.max_size = 20;
  ReceiveBuffer receive(options);
  EXPECT_EQ(net::read_until(stream, bight::dynamic_buffer(receive), '\n', error), 0u);
  EXPECT_EQ(error, net::error::not_found);
  EXPECT_EQ(receive.size(), 20u);
  EXPECT_EQ(bight::dynamic_buffer(receive).capacity(), 20u);
#if BIGHT_HAS_EXCEPTIONS
  EXPECT_THROW(bight::dynamic_buffer(receive).prepare(1), std::length_error);
  EXPECT_THROW(bight::dynamic_buffer(receive).grow(1), std::length_error);
  EXPECT_THROW(bight::dynamic_buffer(builder, 10).prepare(1), std::length_error);
#endif
}

TEST(DynamicBufferLimitTest, ACarvedBuilderIsNeverOverrun) {
  net::io_context context;
  MemoryStream stream(context);
  stream.input = pattern(100);
  BytesBuilder image(64);
  BytesBuilder part = image.carve(30);
  ErrorCode error;
  EXPECT_EQ(net::read(stream, bight::dynamic_buffer(part), error), 30u);
  EXPECT_EQ(std::string(part.view()), pattern(100).substr(0, 30));
}

TEST(DynamicBufferLimitTest, Version2GrowsShrinksAndShows) {
  ReceiveBuffer receive;
  auto dynamic = bight::dynamic_buffer(receive);
  for (int round = 0; round < 5; ++round) {
    const size_t before = dynamic.size();
    dynamic.grow(100000);
    EXPECT_EQ(dynamic.size(), before + 100000);
    EXPECT_EQ(net::buffer_size(dynamic.data(before, 100000)), 100000u);
    EXPECT_EQ(net::buffer_size(dynamic.data(before + 10, 50)), 50u);
    const std::string text = pattern(100000);
    net::buffer_copy(dynamic.data(before, 60000), net::buffer(text));
    net::buffer_copy(dynamic.data(before + 60000, 10000), net::buffer(text) + 60000);
    dynamic.shrink(30000);
    EXPECT_EQ(dynamic.size(), before + 70000);
    EXPECT_TRUE(receive.chain().slice(before, 70000) == std::string_view(text).substr(0, 70000));
    dynamic.shrink(10000);
    EXPECT_EQ(dynamic.size(), before + 60000);
    const auto& looked_at = dynamic;
    EXPECT_EQ(net::buffer_size(looked_at.data(before + 5, 100)), 100u);
  }
  dynamic.consume(static_cast<size_t>(-1));
  EXPECT_EQ(dynamic.size(), 0u);
}

TEST(DynamicBufferLimitTest, MuchAtOnceIsGivenInOnePiece) {
  ReceiveBuffer receive;
  auto dynamic = bight::dynamic_buffer(receive);
  const auto room = dynamic.prepare(8 << 20);
  EXPECT_EQ(net::buffer_size(room), size_t{8} << 20);
  dynamic.commit(8 << 20);
  EXPECT_EQ(receive.size(), size_t{8} << 20);
}

// ---- async_read_some ------------------------------------------------------------------------

std::string content(BytesBuilder& builder) { return std::string(builder.view()); }
std::string content(ChainBuilder& builder) { return builder.take().to_string(); }
std::string content(ReceiveBuffer& buffer) { return buffer.chain().to_string(); }

template <class T>
class AsioReadTest : public testing::Test {
 protected:
  net::io_context context;
  MemoryStream stream{context};
  T into;
};
using Targets = testing::Types<BytesBuilder, ChainBuilder, ReceiveBuffer>;
TYPED_TEST_SUITE(AsioReadTest, Targets);

TYPED_TEST(AsioReadTest, ReadsOffer16KiBAndMoreAndKeepEveryByte) {
  const std::string text = pattern(500000);
  this->stream.input = text;
  this->stream.read_at_most = 30000;
  size_t sum = 0;
  Outcome outcome;
  for (;;) {
    bight::async_read_some(this->stream, this->into, record(outcome));
    run(this->context);
    if (outcome.error) break;
    ASSERT_GT(outcome.n, 0u);
    sum += outcome.n;
  }
  EXPECT_EQ(outcome.error, net::error::eof);
  EXPECT_EQ(outcome.n, 0u);
  EXPECT_EQ(sum, text.size());
  EXPECT_TRUE(content(this->into) == text);
  for (const size_t offered : this->stream.offered) EXPECT_GE(offered, 16384u);
}

TYPED_TEST(AsioReadTest, ExactlyReadsNoByteBeyond) {
  const std::string text = pattern(3000000);
  this->stream.input = text;
  this->stream.read_at_most = 77777;
  Outcome outcome;
  bight::async_read_exactly(this->stream, this->into, 2000000, record(outcome));
  run(this->context);
  EXPECT_FALSE(outcome.error);
  EXPECT_EQ(outcome.n, 2000000u);
  EXPECT_EQ(this->stream.input.size(), 1000000u);
  EXPECT_TRUE(content(this->into) == text.substr(0, 2000000));
}

TYPED_TEST(AsioReadTest, ExactlyKeepsWhatCameBeforeTheEnd) {
  this->stream.input = pattern(100);
  Outcome outcome;
  // No such room is ever made.
  bight::async_read_exactly(this->stream, this->into, size_t{1} << 45, record(outcome));
  run(this->context);
  EXPECT_EQ(outcome.error, net::error::eof);
  EXPECT_EQ(outcome.n, 100u);
  EXPECT_EQ(content(this->into), pattern(100));
  EXPECT_LE(this->stream.offered.front(), size_t{1} << 20);
}

TYPED_TEST(AsioReadTest, ExactlyNothingIsDoneAtOnceButNotInside) {
  Outcome outcome;
  bight::async_read_exactly(this->stream, this->into, 0, record(outcome));
  EXPECT_FALSE(outcome.done);
  run(this->context);
  EXPECT_TRUE(outcome.done);
  EXPECT_FALSE(outcome.error);
  EXPECT_TRUE(this->stream.offered.empty());
}

TYPED_TEST(AsioReadTest, WaitingTwinsDoTheSame) {
  const std::string text = pattern(90000);
  this->stream.input = text;
  this->stream.read_at_most = 20000;
  ErrorCode error;
  EXPECT_EQ(bight::read_exactly(this->stream, this->into, 50000, error), 50000u);
  EXPECT_FALSE(error);
  size_t sum = 50000;
  while (const size_t n = bight::read_some(this->stream, this->into, error)) sum += n;
  EXPECT_EQ(error, net::error::eof);
  EXPECT_EQ(sum, text.size());
  EXPECT_TRUE(content(this->into) == text);
}

TYPED_TEST(AsioReadTest, NothingIsCopiedFromASocket) {
  net::io_context& io = this->context;
  TcpPair pair(io);
  const std::string text = pattern(1 << 20);
  std::thread writer([&] { net::write(pair.b, net::buffer(text)); });
  if constexpr (std::is_same_v<TypeParam, BytesBuilder>) this->into.reserve(text.size());
  const bight::CopyAudit audit;
  Outcome outcome;
  bight::async_read_exactly(pair.a, this->into, text.size(), record(outcome));
  run(io);
  writer.join();
  EXPECT_EQ(outcome.n, text.size());
  Chain got;
  if constexpr (std::is_same_v<TypeParam, ReceiveBuffer>) {
    got = std::move(this->into.chain());
  } else if constexpr (std::is_same_v<TypeParam, ChainBuilder>) {
    got = this->into.take();
  } else {
    got.push_back(this->into.take());
  }
  EXPECT_TRUE(got == std::string_view(text));
  EXPECT_EQ(audit.thread().copied, 0u);
}

TYPED_TEST(AsioReadTest, CancelLosesNothing) {
  net::io_context& io = this->context;
  UnixPair pair(io);
  const std::string text = pattern(1000);
  Outcome outcome;
  size_t sum = 0;
  for (size_t i = 0; i < text.size(); i += 100) {
    net::write(pair.b, net::buffer(text) + i, net::transfer_exactly(100));
    if constexpr (std::is_same_v<TypeParam, ReceiveBuffer>) sum = 0;  // what it holds counts
    bight::async_read_exactly(pair.a, this->into, 1000 - sum, record(outcome));
    io.restart();
    io.poll();
    if (i == 900) break;
    EXPECT_FALSE(outcome.done);
    pair.a.cancel();
    run(io);
    ASSERT_EQ(outcome.error, net::error::operation_aborted);
    sum += outcome.n;
    outcome.done = false;
  }
  run(io);
  EXPECT_TRUE(outcome.done);
  EXPECT_FALSE(outcome.error);
  EXPECT_EQ(content(this->into), text);
}

#if BIGHT_ASIO_HAS_SLOTS
TYPED_TEST(AsioReadTest, OneReadIsCancelledThroughItsSlot) {
  net::io_context& io = this->context;
  UnixPair pair(io);
  net::cancellation_signal signal;
  Outcome some;
  bight::async_read_some(pair.a, this->into,
                         net::bind_cancellation_slot(signal.slot(), record(some)));
  signal.emit(net::cancellation_type::total);
  run(io);
  EXPECT_EQ(some.error, net::error::operation_aborted);
  Outcome exactly;
  bight::async_read_exactly(pair.a, this->into, 10,
                            net::bind_cancellation_slot(signal.slot(), record(exactly)));
  net::write(pair.b, net::buffer("abc", 3));
  io.restart();
  io.poll();
  signal.emit(net::cancellation_type::total);  // some have come: not taken
  io.poll();
  EXPECT_FALSE(exactly.done);
  signal.emit(net::cancellation_type::partial);
  run(io);
  EXPECT_EQ(exactly.error, net::error::operation_aborted);
  EXPECT_EQ(exactly.n, 3u);
  EXPECT_EQ(content(this->into), "abc");
}
#endif

TEST(AsioReadSomeTest, AFullBuilderGivesNoBufferSpace) {
  net::io_context context;
  MemoryStream stream(context);
  stream.input = pattern(100);
  BytesBuilder image(64);
  BytesBuilder part = image.carve(30);
  Outcome outcome;
  bight::async_read_exactly(stream, part, 50, record(outcome));
  run(context);
  EXPECT_EQ(outcome.error, net::error::no_buffer_space);
  EXPECT_EQ(outcome.n, 30u);
  bight::async_read_some(stream, part, record(outcome));
  run(context);
  EXPECT_EQ(outcome.error, net::error::no_buffer_space);
  bight::ChainBuilderOptions options;
  options.max_size = 40;
  ChainBuilder limited(options);
  bight::async_read_exactly(stream, limited, 50, record(outcome));
  run(context);
  EXPECT_EQ(outcome.error, net::error::no_buffer_space);
  EXPECT_EQ(outcome.n, 40u);
  EXPECT_EQ(stream.input.size(), 30u);
}

TEST(AsioReadSomeTest, AReceiveBufferLearnsHowMuchToOffer) {
  net::io_context context;
  MemoryStream stream(context);
  ReceiveBuffer into;
  ErrorCode error;
  for (int i = 0; i < 10; ++i) {
    stream.input = pattern(4 << 20);
    bight::read_some(stream, into, error);
    into.chain().clear();
  }
  EXPECT_EQ(stream.offered.front(), 16384u);
  EXPECT_EQ(stream.offered.back(), size_t{1} << 20);
  for (int i = 0; i < 30; ++i) {
    stream.input = "x";
    bight::read_some(stream, into, error);
  }
  EXPECT_EQ(stream.offered.back(), 16384u);
  EXPECT_EQ(into.size(), 30u);
  EXPECT_LE(into.chain().segment_count(), 8u);  // small reads share a block
}

// ---- async_read_until -----------------------------------------------------------------------

template <class T>
class AsioReadUntilTest : public AsioReadTest<T> {};
using Searchable = testing::Types<BytesBuilder, ReceiveBuffer>;
TYPED_TEST_SUITE(AsioReadUntilTest, Searchable);

void drop(BytesBuilder& builder, size_t n) { builder.remove_prefix(n); }
void drop(ReceiveBuffer& buffer, size_t n) { buffer.chain().consume(n); }

TYPED_TEST(AsioReadUntilTest, LinesComeOneByOneWhereverTheReadsAreCut) {
  const std::string text = "a\r\r\nbb\r\n\r\nlast\r\n";
  const std::vector<std::string> lines = {"a\r\r\n", "bb\r\n", "\r\n", "last\r\n"};
  for (size_t at_most = 1; at_most <= text.size(); ++at_most) {
    this->stream.input = text;
    this->stream.read_at_most = at_most;
    for (const std::string& line : lines) {
      Outcome outcome;
      bight::async_read_until(this->stream, this->into, "\r\n", record(outcome));
      EXPECT_FALSE(outcome.done);
      run(this->context);
      ASSERT_FALSE(outcome.error);
      ASSERT_EQ(content(this->into).substr(0, outcome.n), line);
      drop(this->into, outcome.n);
    }
  }
}

TYPED_TEST(AsioReadUntilTest, TheEndBeforeADelimiterKeepsWhatCame) {
  this->stream.input = "no end";
  Outcome outcome;
  bight::async_read_until(this->stream, this->into, '\n', record(outcome));
  run(this->context);
  EXPECT_EQ(outcome.error, net::error::eof);
  EXPECT_EQ(outcome.n, 0u);
  EXPECT_EQ(content(this->into), "no end");
}

TYPED_TEST(AsioReadUntilTest, WaitingTwinAndLongDelimiter) {
  const std::string delimiter = pattern(500);
  this->stream.input = pattern(499) + delimiter + "rest";
  this->stream.read_at_most = 13;
  ErrorCode error;
  EXPECT_EQ(bight::read_until(this->stream, this->into, delimiter, error), 999u);
  EXPECT_FALSE(error);
}

TEST(AsioReadUntilLimitTest, AFullTargetGivesNotFound) {
  net::io_context context;
  MemoryStream stream(context);
  stream.input = std::string(100, 'x') + "\n";
  bight::ChainBuilderOptions options;
  options.max_size = 50;
  ReceiveBuffer receive(options);
  Outcome outcome;
  bight::async_read_until(stream, receive, '\n', record(outcome));
  run(context);
  EXPECT_EQ(outcome.error, net::error::not_found);
  EXPECT_EQ(receive.size(), 50u);
  receive.chain().consume(49);
  bight::async_read_until(stream, receive, '\n', record(outcome));
  run(context);
  EXPECT_EQ(outcome.error, net::error::not_found);
  receive.chain().consume(10);
  bight::async_read_until(stream, receive, '\n', record(outcome));
  run(context);
  EXPECT_FALSE(outcome.error);
}

TEST(AsioReadUntilLimitTest, WhatWasReadAheadCountsForExactly) {
  net::io_context context;
  MemoryStream stream(context);
  stream.input = "length\nbody!more";
  stream.read_at_most = 10;
  ReceiveBuffer in;
  ErrorCode error;
  in.chain().consume(bight::read_until(stream, in, "\n", error));
  EXPECT_EQ(in.size(), 3u);
  EXPECT_EQ(bight::read_exactly(stream, in, 5, error), 5u);
  EXPECT_EQ(in.chain().to_string(), "body!");
  EXPECT_EQ(bight::read_exactly(stream, in, 3, error), 3u);
  EXPECT_EQ(in.size(), 5u);
}

}  // namespace
}  // namespace asio_test
