#include "bight/interop/openssl.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <memory>
#include <new>
#include <random>
#include <string>
#include <string_view>
#include <thread>
#include <utility>
#include <vector>

#include "bight/bytes.h"
#include "bight/bytes_builder.h"
#include "bight/copy_audit.h"
#include "bight/io/copy.h"
#include "bight/io/file.h"
#include "bight/memory.h"
#include "tests/interop/openssl_support.h"
#include "tests/interop/support.h"
#include "tests/support/replace_new.h"

namespace bight {
namespace {

using interop_test::cut_at;
using interop_test::Engine;
using interop_test::exchange;
using interop_test::Pair;
using interop_test::pattern;
using interop_test::read_now;
using interop_test::records_of;

constexpr size_t kRecord = 16384;

// `text` in segments of the sizes given, in turn, each with a block of its own.
Chain in_segments(std::string_view text, const std::vector<size_t>& sizes) {
  Chain chain;
  for (size_t i = 0; !text.empty(); ++i) {
    const size_t n = std::min(text.size(), sizes[i % sizes.size()]);
    chain.push_copy(text.substr(0, n));
    text.remove_prefix(n);
  }
  return chain;
}

// `times` times: `n` bytes, then no more for now.
std::vector<IoStep> stopping_after(size_t n, int times) {
  std::vector<IoStep> script;
  for (int i = 0; i < times; ++i) {
    script.push_back(IoStep::take(n));
    script.push_back(IoStep::would_block());
  }
  return script;
}

std::array<iovec, 2> in_two(std::string& text, size_t cut) {
  return {iovec{text.data(), cut}, iovec{text.data() + cut, text.size() - cut}};
}

class OpensslTest : public ::testing::TestWithParam<int> {
 protected:
  void TearDown() override { EXPECT_EQ(ERR_peek_error(), 0u) << "an error was left in the queue"; }
};
INSTANTIATE_TEST_SUITE_P(Versions, OpensslTest, ::testing::Values(TLS1_2_VERSION, TLS1_3_VERSION),
                         [](const auto& version) {
                           return version.param == TLS1_2_VERSION ? "Tls12" : "Tls13";
                         });

// ---- Writing --------------------------------------------------------------------------------

TEST_P(OpensslTest, RecordsAreFullWhateverTheSegments) {
  const std::string text = pattern(100'000);
  for (const std::vector<size_t>& sizes : std::vector<std::vector<size_t>>{{1},
                                                                           {7},
                                                                           {64},
                                                                           {1024},
                                                                           {1000, 3, 20'000},
                                                                           {kRecord},
                                                                           {2 * kRecord},
                                                                           {kRecord - 1},
                                                                           {200, 65'536}}) {
    Pair pair(GetParam());
    pair.client.out.run({});
    Chain chain = in_segments(text, sizes);
    const IoResult result = write_all(pair.client.tls, chain);
    EXPECT_EQ(result.kind, IoKind::data);
    EXPECT_EQ(result.bytes, text.size());
    EXPECT_TRUE(chain.empty());
    const std::vector<size_t> records = records_of(pair.client.out.scripted->received());
    ASSERT_EQ(records.size(), 7u) << sizes[0];
    for (size_t i = 0; i < 6; ++i) {
      EXPECT_EQ(records[i], records[0]);
      EXPECT_GE(records[i], kRecord);
    }
    exchange(pair.client, pair.server);
    EXPECT_TRUE(read_now(pair.server) == text) << sizes[0];
  }
}

TEST_P(OpensslTest, SmallSegmentsAreGatheredOnceAndLargeOnesNever) {
  Pair pair(GetParam());
  pair.client.out.run({});
  Chain large = in_segments(pattern(1 << 20), {1 << 20});
  Chain small = in_segments(pattern(1 << 20), {64});
  CopyAudit audit;
  EXPECT_EQ(write_all(pair.client.tls, large).bytes, size_t{1} << 20);
  EXPECT_EQ(audit.thread(), (CopyCounts{0, 0, 0}));
  EXPECT_EQ(write_all(pair.client.tls, small).bytes, size_t{1} << 20);
  EXPECT_EQ(audit.thread(), (CopyCounts{0, 1 << 20, 0}));
}

TEST_P(OpensslTest, AWriteReleasesEveryMebibyteAndAllThatHasGone) {
  int released = 0;
  Pair pair(GetParam());
  Chain chain;
  for (int i = 0; i < 40; ++i) chain.push_back(interop_test::counted(pattern(100'000), released));
  // The builder takes two mebibytes and a little.
  ChainBuilderOptions options;
  options.max_size = (size_t{2} << 20) + 50'000;
  ChainBuilder small(options);
  BuilderSink sink(small);
  struct Watched {
    IoResult write_some(std::span<const iovec> from) {
      const IoResult result = inner->write_some(from);
      at_the_end = *released;
      return result;
    }
    BuilderSink* inner;
    const int* released;
    int at_the_end = 0;
  } watched{&sink, &released};
  SSL_set0_wbio(pair.client.ssl.get(), sink_bio(watched).release());
  const IoResult result = write_all(pair.client.tls, chain);
  EXPECT_EQ(result.kind, IoKind::would_block);
  EXPECT_GE(watched.at_the_end, 10);                                 // while it was written
  EXPECT_EQ(static_cast<size_t>(released), result.bytes / 100'000);  // and when it returned
  EXPECT_EQ(chain.size(), 4'000'000 - result.bytes);
  chain.clear();
  // The begun record keeps what it shows, if it was not gathered.
  EXPECT_GE(released, 39);
}

TEST_P(OpensslTest, ABlockedRecordIsGatheredOnce) {
  Pair pair(GetParam());
  pair.client.out.run(stopping_after(7, 100));
  Chain chain = in_segments(pattern(10'000), {64});
  CopyAudit audit;
  for (int i = 0; i < 100; ++i) {
    EXPECT_EQ(write_all(pair.client.tls, chain).kind, IoKind::would_block);
    EXPECT_EQ(pair.client.tls.write_need(), TlsNeed::writable);
    EXPECT_TRUE(pair.client.tls.has_unsent());
    EXPECT_EQ(chain.size(), 10'000u);
  }
  EXPECT_EQ(write_all(pair.client.tls, chain).bytes, 10'000u);
  EXPECT_EQ(pair.client.tls.write_need(), TlsNeed::nothing);
  EXPECT_FALSE(pair.client.tls.has_unsent());
  EXPECT_EQ(audit.thread().gathered, 10'000u);
}

TEST_P(OpensslTest, AWriteIsBoundedByMaxBytes) {
  Pair pair(GetParam());
  Chain chain = in_segments(pattern(50'000), {100});
  WriteOptions options;
  options.max_bytes = 20'000;
  EXPECT_EQ(write_some(pair.client.tls, chain, options).bytes, 20'000u);
  EXPECT_EQ(chain.size(), 30'000u);
  options.max_bytes = 0;
  EXPECT_EQ(write_some(pair.client.tls, chain, options), IoResult());
  EXPECT_EQ(write_all(pair.client.tls, chain, options), IoResult());
  EXPECT_EQ(chain.size(), 30'000u);
  EXPECT_EQ(write_all(pair.client.tls, chain).bytes, 30'000u);
  EXPECT_EQ(write_all(pair.client.tls, chain), IoResult());  // an empty one makes no record
  exchange(pair.client, pair.server);
  EXPECT_TRUE(read_now(pair.server) == pattern(50'000));
}

// Without SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER OpenSSL itself checks that the arguments of a retry
// are those of the first call.
TEST_P(OpensslTest, ARetryShowsTheSamePointerAndLength) {
  const std::string text = pattern(40'000);
  for (const std::vector<size_t>& sizes :
       std::vector<std::vector<size_t>>{{64}, {1024}, {40'000}}) {
    Pair pair(GetParam());
    SSL_clear_mode(pair.client.ssl.get(), SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
    pair.client.out.run(stopping_after(1000, 60));
    Chain chain = in_segments(text, sizes);
    size_t written = 0;
    for (int i = 0; i < 200 && !chain.empty(); ++i) {
      const IoResult result = write_all(pair.client.tls, chain);
      ASSERT_FALSE(result.is_error()) << pair.client.tls.status(result);
      written += result.bytes;
      EXPECT_EQ(written + chain.size(), text.size());
      // The caller's chain goes elsewhere: the same bytes at other addresses, in other segments.
      chain = in_segments(chain.to_string(), {777});
    }
    EXPECT_EQ(written, text.size());
    exchange(pair.client, pair.server);
    EXPECT_TRUE(read_now(pair.server) == text);
  }
  // What the check looks like when it fails.
  Pair pair(GetParam());
  SSL_clear_mode(pair.client.ssl.get(), SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
  pair.client.out.run({IoStep::would_block()});
  EXPECT_LT(SSL_write(pair.client.ssl.get(), text.data(), 100), 0);
  const std::string moved = text;
  EXPECT_LT(SSL_write(pair.client.ssl.get(), moved.data(), 100), 0);
  EXPECT_EQ(ERR_GET_REASON(ERR_get_error()), SSL_R_BAD_WRITE_RETRY);
  ERR_clear_error();
}

TEST_P(OpensslTest, ABlockedSegmentIsKeptByAReferenceUntilItHasGone) {
  int released = 0;
  {
    Pair pair(GetParam());
    pair.client.out.run({IoStep::would_block()});
    Chain chain(interop_test::counted(pattern(5000), released));
    EXPECT_EQ(write_all(pair.client.tls, chain).kind, IoKind::would_block);
    const Chain copy = chain;  // it can be written later, too
    chain.clear();
    EXPECT_EQ(released, 0);
    Chain again = copy;
    EXPECT_EQ(write_all(pair.client.tls, again).bytes, 5000u);
    exchange(pair.client, pair.server);
    EXPECT_TRUE(read_now(pair.server) == pattern(5000));
  }
  EXPECT_EQ(released, 1);
  released = 0;
  {
    // Given up while it waits.
    Pair pair(GetParam());
    pair.client.out.run({IoStep::would_block()});
    Chain chain(interop_test::counted(pattern(5000), released));
    EXPECT_EQ(write_all(pair.client.tls, chain).kind, IoKind::would_block);
    chain.clear();
    EXPECT_EQ(released, 0);
    const TlsStream moved = std::move(pair.client.tls);
    EXPECT_EQ(released, 0);
  }
  EXPECT_EQ(released, 1);
}

TEST_P(OpensslTest, AMovedStreamGoesOnWithTheBegunRecord) {
  Pair pair(GetParam());
  SSL_clear_mode(pair.client.ssl.get(), SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
  pair.client.out.run(stopping_after(9, 1));
  Chain chain = in_segments(pattern(3000), {100});
  EXPECT_EQ(write_all(pair.client.tls, chain).kind, IoKind::would_block);
  TlsStream moved = std::move(pair.client.tls);
  SSL_clear_mode(pair.client.ssl.get(), SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
  EXPECT_EQ(write_all(moved, chain).bytes, 3000u);
  exchange(pair.client, pair.server);
  EXPECT_TRUE(read_now(pair.server) == pattern(3000));
}

TEST_P(OpensslTest, EntriesAreNotKeptWhenAWriteWouldBlock) {
  for (const size_t cut : {size_t{0}, size_t{1}, size_t{2999}, size_t{3000}}) {
    Pair pair(GetParam());
    pair.client.out.run({IoStep::would_block(), IoStep::take(3), IoStep::would_block()});
    for (int i = 0; i < 2; ++i) {
      // Gone after each call, so that AddressSanitizer sees a pointer that was kept.
      std::string offered = pattern(3000);
      const IoResult result = pair.client.tls.write_some(in_two(offered, cut));
      EXPECT_EQ(result.kind, IoKind::would_block);
      EXPECT_EQ(result.bytes, 0u);
    }
    std::string offered = pattern(3000) + "more";
    EXPECT_EQ(pair.client.tls.write_some(in_two(offered, cut)).bytes, 3004u);
    exchange(pair.client, pair.server);
    EXPECT_TRUE(read_now(pair.server) == offered);
  }
}

TEST_P(OpensslTest, FewerBytesThanBeforeMayBeOfferedAfterAFullStop) {
  Pair pair(GetParam());
  pair.client.out.run({IoStep::would_block()});
  const std::string text = pattern(1000);
  Chain chain = in_segments(text, {10});
  EXPECT_EQ(write_all(pair.client.tls, chain).kind, IoKind::would_block);
  WriteOptions options;
  options.max_bytes = 7;
  for (size_t left = 1000; left != 0;) {
    const size_t n = std::min<size_t>(7, left);
    ASSERT_EQ(write_some(pair.client.tls, chain, options).bytes, n);
    left -= n;
    EXPECT_EQ(chain.size(), left);
  }
  chain.push_copy(" and more");
  EXPECT_EQ(write_all(pair.client.tls, chain).bytes, 9u);
  exchange(pair.client, pair.server);
  EXPECT_TRUE(read_now(pair.server) == text + " and more");
}

TEST_P(OpensslTest, SmallerRecordsAreCountedOneByOne) {
  Pair pair(GetParam());
  SSL_set_max_send_fragment(pair.client.ssl.get(), 512);
  pair.client.out.run(stopping_after(300, 300));
  const std::string text = pattern(30'000);
  Chain chain = in_segments(text, {64});
  size_t written = 0;
  std::string received;
  while (!chain.empty()) {
    const IoResult result = write_all(pair.client.tls, chain);
    ASSERT_FALSE(result.is_error()) << pair.client.tls.status(result);
    written += result.bytes;
    ASSERT_EQ(written + chain.size(), text.size());
    exchange(pair.client, pair.server);
    received += read_now(pair.server);
    ASSERT_GE(received.size(), written);
  }
  EXPECT_TRUE(received == text);
}

// ---- Faults ---------------------------------------------------------------------------------

// Whatever the transport does: what was reported has gone, once and in order; what was not is in
// the chain.
TEST_P(OpensslTest, EveryShortWriteAndFaultOfTheTransportIsExact) {
  const std::string text = "hello";
  size_t wire_size = 0;
  {
    Pair pair(GetParam());
    pair.client.out.run({});
    Chain chain = in_segments(text, {1});
    write_all(pair.client.tls, chain);
    wire_size = pair.client.out.scripted->received().size();
  }
  ASSERT_GT(wire_size, text.size());
  auto pair = std::make_unique<Pair>(GetParam());
  size_t scripts = 0;
  for_each_io_script(wire_size, sink_faults(), [&](const IoScript& script) {
    SCOPED_TRACE(script.to_string());
    ++scripts;
    pair->client.out.run(script.steps);
    Chain chain = in_segments(text, {2, 1});
    size_t written = 0;
    IoResult result;
    for (size_t i = 0; i < 2 * wire_size + 4; ++i) {
      result = write_all(pair->client.tls, chain);
      written += result.bytes;
      ASSERT_EQ(written + chain.size(), text.size());
      if (result.kind != IoKind::would_block) break;
      ASSERT_EQ(pair->client.tls.write_need(), TlsNeed::writable);
    }
    exchange(pair->client, pair->server);
    const std::string received = read_now(pair->server);
    if (result.kind == IoKind::data) {
      ASSERT_TRUE(received == text);
      return;
    }
    ASSERT_TRUE(result.is_error()) << result.message();
    ASSERT_TRUE(result.error_number == ECONNRESET || result.error_number == ENOSPC);
    ASSERT_EQ(chain.to_string(), text);
    ASSERT_TRUE(received.empty() || received == text);
    // It stays so.
    ASSERT_EQ(write_all(pair->client.tls, chain).error_number, result.error_number);
    std::byte byte{};
    const iovec room{&byte, 1};
    ASSERT_EQ(pair->client.tls.read_some({&room, 1}).error_number, result.error_number);
    ASSERT_EQ(pair->client.tls.close_write().error_number, result.error_number);
    pair = std::make_unique<Pair>(GetParam());
  });
  EXPECT_GT(scripts, 1000u);
}

TEST_P(OpensslTest, RandomFaultsLoseDoubleAndReorderNothing) {
  const unsigned seed = std::random_device()();
  SCOPED_TRACE(seed);
  std::mt19937 random(seed);
  for (size_t round = 0; round < 30; ++round) {
    Pair pair(GetParam());
    std::vector<IoStep> script;
    for (int i = 0; i < 400; ++i) {
      switch (random() % 4) {
        case 0:
          script.push_back(IoStep::interrupted());
          break;
        case 1:
          script.push_back(IoStep::would_block(random() % 2 == 0 ? 0 : random() % 20'000));
          break;
        default:
          script.push_back(IoStep::take(1 + random() % 20'000));
      }
    }
    pair.client.out.run(std::move(script));
    const std::string text = pattern(300'000, round);
    Chain chain;
    for (size_t from = 0; from < text.size();) {
      const size_t n =
          std::min<size_t>(text.size() - from, 1 + random() % (random() % 3 ? 500 : 50'000));
      chain.push_copy(std::string_view(text).substr(from, n));
      from += n;
    }
    std::string received;
    size_t written = 0;
    while (!chain.empty()) {
      IoResult result;
      if (random() % 3 == 0) {
        // As a ByteSink, the entries gathered by bight::io.
        WriteOptions options;
        options.max_bytes = 1 + random() % 100'000;
        result = internal::write_some(internal::SinkRef::to(pair.client.tls), chain, options);
      } else {
        result = write_some(pair.client.tls, chain);
      }
      ASSERT_FALSE(result.is_error()) << pair.client.tls.status(result);
      written += result.bytes;
      ASSERT_EQ(written + chain.size(), text.size());
      if (random() % 2 == 0) {
        exchange(pair.client, pair.server);
        received += read_now(pair.server);
      }
    }
    exchange(pair.client, pair.server);
    received += read_now(pair.server);
    ASSERT_TRUE(received == text);
  }
}

// The wire arrives cut at every place, with each fault of a source in between.
TEST_P(OpensslTest, EveryShortReadAndFaultOfTheTransportKeepsWhatCame) {
  const std::string text = "hello";
  std::string wire;
  const auto write_wire = [&](Pair& pair) {
    Chain chain = in_segments(text, {1});
    write_all(pair.client.tls, chain);
    wire = pair.client.out.take().to_string();
  };
  auto pair = std::make_unique<Pair>(GetParam());
  write_wire(*pair);
  size_t scripts = 0;
  bool fresh = true;
  const std::vector<IoStep> faults = source_faults();
  for_each_io_script(wire.size(), faults, [&](const IoScript& script) {
    SCOPED_TRACE(script.to_string());
    ++scripts;
    if (!fresh) {
      pair = std::make_unique<Pair>(GetParam());
      write_wire(*pair);
    }
    ScriptedSource source(wire, script.steps);
    SSL_set0_rbio(pair->server.ssl.get(), source_bio(source).release());
    ChainBuilder builder;
    IoResult result;
    for (size_t i = 0; i < 4 * wire.size(); ++i) {
      result = read_some(pair->server.tls, builder, 100);
      if (result.kind == IoKind::would_block) {
        ASSERT_EQ(pair->server.tls.read_need(), TlsNeed::readable);
      } else if (result.kind != IoKind::data) {
        break;
      }
      if (result.kind == IoKind::data && source.position() == wire.size()) break;
    }
    const std::string received = builder.take().to_string();
    ASSERT_TRUE(received.empty() || received == text);
    if (result.kind == IoKind::data) {
      ASSERT_TRUE(received == text);
      // The session goes on with the next record.
      write_wire(*pair);
      fresh = true;
      return;
    }
    fresh = false;
    ASSERT_TRUE(result.is_error());
    if (result.error_number == EIO) {
      ASSERT_TRUE(pair->server.tls.truncated());
      ASSERT_EQ(pair->server.tls.status(result).code(), absl::StatusCode::kDataLoss);
    } else {
      ASSERT_EQ(result.error_number, ECONNRESET);
      ASSERT_FALSE(pair->server.tls.truncated());
    }
  });
  EXPECT_GT(scripts, 1000u);
}

TEST_P(OpensslTest, AHandshakeOverOneByteAtATimeFinishes) {
  const auto client_ctx = interop_test::client_context(GetParam());
  const auto server_ctx = interop_test::server_context(GetParam());
  Engine client(client_ctx.get(), false);
  Engine server(server_ctx.get(), true);
  std::vector<IoStep> script;
  for (int i = 0; i < 20'000; ++i) {
    script.push_back(IoStep::take(1));
    if (i % 3 == 0) script.push_back(IoStep::would_block());
    if (i % 5 == 0) script.push_back(IoStep::interrupted());
  }
  client.out.run(script);
  server.out.run(script);
  bool needed_room = false, needed_bytes = false;
  for (int i = 0; i < 50'000; ++i) {
    const IoResult a = client.tls.handshake();
    const IoResult b = server.tls.handshake();
    ASSERT_FALSE(a.is_error() || b.is_error());
    needed_room |= client.tls.write_need() == TlsNeed::writable;
    needed_bytes |= client.tls.write_need() == TlsNeed::readable;
    EXPECT_EQ(client.tls.write_need(), client.tls.read_need());
    // One byte of what is there.
    for (auto [from, to] : {std::pair(&client, &server), std::pair(&server, &client)}) {
      to->in.chain().push_back(from->out.take());
    }
    if (a.kind == IoKind::data && b.kind == IoKind::data) break;
  }
  EXPECT_TRUE(SSL_is_init_finished(client.ssl.get()));
  EXPECT_TRUE(SSL_is_init_finished(server.ssl.get()));
  EXPECT_TRUE(needed_room);
  EXPECT_TRUE(needed_bytes);
}

TEST_P(OpensslTest, WhatAWriteAndAReadWaitForIsToldApart) {
  const auto client_ctx = interop_test::client_context(GetParam());
  const auto server_ctx = interop_test::server_context(GetParam());
  Engine client(client_ctx.get(), false);
  Engine server(server_ctx.get(), true);
  // A write that waits for bytes: the handshake has to come first.
  Chain chain = in_segments("hello", {5});
  EXPECT_EQ(write_all(client.tls, chain).kind, IoKind::would_block);
  EXPECT_EQ(client.tls.write_need(), TlsNeed::readable);
  EXPECT_EQ(client.tls.read_need(), TlsNeed::nothing);
  EXPECT_EQ(chain.size(), 5u);
  // A read that waits for room: the server has to answer.
  exchange(client, server);
  server.out.run({IoStep::would_block()});
  ChainBuilder builder;
  EXPECT_EQ(read_some(server.tls, builder, 10).kind, IoKind::would_block);
  EXPECT_EQ(server.tls.read_need(), TlsNeed::writable);
  EXPECT_EQ(server.tls.write_need(), TlsNeed::nothing);
  EXPECT_EQ(read_some(server.tls, builder, 10).kind, IoKind::would_block);
  EXPECT_EQ(server.tls.read_need(), TlsNeed::readable);
  for (int i = 0; i < 10; ++i) {
    exchange(client, server);
    write_all(client.tls, chain);
    read_some(server.tls, builder, 10);
  }
  EXPECT_EQ(builder.take().to_string(), "hello");
}

// Renegotiation with TLS 1.2, a key update with TLS 1.3.
TEST_P(OpensslTest, KeysChangeWhileARecordWaits) {
  Pair pair(GetParam());
  const std::string text = pattern(100'000);
  Chain chain = in_segments(text, {64});
  pair.client.out.run(stopping_after(30'000, 8));
  EXPECT_EQ(write_all(pair.client.tls, chain).kind, IoKind::would_block);
  if (GetParam() == TLS1_2_VERSION) {
    ASSERT_EQ(SSL_renegotiate(pair.server.ssl.get()), 1);
  } else {
    ASSERT_EQ(SSL_key_update(pair.server.ssl.get(), SSL_KEY_UPDATE_REQUESTED), 1);
  }
  EXPECT_FALSE(pair.server.tls.handshake().is_error());
  std::string received;
  bool waited_for_bytes = false;
  for (int i = 0; i < 100 && received.size() < text.size(); ++i) {
    exchange(pair.client, pair.server);
    IoResult result;
    EXPECT_EQ(read_now(pair.client, &result), "");
    ASSERT_EQ(result.kind, IoKind::would_block) << pair.client.tls.status(result);
    result = write_all(pair.client.tls, chain);
    ASSERT_FALSE(result.is_error()) << pair.client.tls.status(result);
    waited_for_bytes |= pair.client.tls.write_need() == TlsNeed::readable;
    exchange(pair.client, pair.server);
    received += read_now(pair.server, &result);
    ASSERT_EQ(result.kind, IoKind::would_block) << pair.server.tls.status(result);
  }
  EXPECT_TRUE(received == text);
  EXPECT_EQ(waited_for_bytes, GetParam() == TLS1_2_VERSION);
}

// ---- Reading --------------------------------------------------------------------------------

TEST_P(OpensslTest, ReadsGoStraightIntoTheBuildersBlocks) {
  Pair pair(GetParam());
  const std::string text = pattern(500'000);
  Chain chain = in_segments(text, {3000});
  write_all(pair.client.tls, chain);
  std::string wire = pair.client.out.take().to_string();
  ScriptedSource source(wire);
  SSL_set0_rbio(pair.server.ssl.get(), source_bio(source).release());
  ChainBuilder builder;
  Chain received;
  ReadSize size;
  CopyAudit audit;
  while (received.size() < text.size()) {
    const IoResult result = read_some(pair.server.tls, builder, size);
    ASSERT_EQ(result.kind, IoKind::data);
    ASSERT_LE(result.bytes, kRecord);
    received.push_back(builder.take());
  }
  EXPECT_EQ(audit.thread().copied, 0u);
  EXPECT_EQ(audit.thread().gathered, 0u);
  EXPECT_TRUE(received == ByteView(text));
}

TEST_P(OpensslTest, ARecordIsSpreadOverManyEntries) {
  Pair pair(GetParam());
  const std::string text = pattern(1000);
  Chain chain = in_segments(text, {1000});
  write_all(pair.client.tls, chain);
  exchange(pair.client, pair.server);
  std::string room(1200, '?');
  const std::array<iovec, 4> entries{iovec{room.data(), 0}, iovec{room.data(), 10},
                                     iovec{room.data() + 10, 500}, iovec{room.data() + 510, 690}};
  const IoResult result = pair.server.tls.read_some(entries);
  EXPECT_EQ(result.bytes, 1000u);
  EXPECT_EQ(result.kind, IoKind::data);
  EXPECT_EQ(room.substr(0, 1000), text);
  EXPECT_EQ(pair.server.tls.read_some({}), IoResult());  // no room, no call
  BytesBuilder bytes;
  EXPECT_EQ(read_exactly(pair.server.tls, bytes, 3).kind, IoKind::would_block);
}

TEST_P(OpensslTest, ABlockingTransportIsNotAskedForMoreThanOneRecord) {
  Pair pair(GetParam());
  Chain chain = in_segments("hello", {5});
  write_all(pair.client.tls, chain);
  const std::string wire = pair.client.out.take().to_string();
  // Behind the record this would wait for ever; here it ends instead.
  ScriptedSource source(wire);
  SSL_set0_rbio(pair.server.ssl.get(), source_bio(source).release());
  ChainBuilder builder;
  const IoResult result = read_some(pair.server.tls, builder, 100'000);
  EXPECT_EQ(result.bytes, 5u);
  EXPECT_EQ(result.kind, IoKind::data);
}

TEST_P(OpensslTest, CopyRunsFromOneSessionToAnother) {
  Pair in(GetParam());
  Pair out(GetParam());
  const std::string text = pattern(300'000);
  Chain chain = in_segments(text, {777});
  write_all(in.client.tls, chain);
  in.client.tls.close_write();
  exchange(in.client, in.server);
  out.client.out.run(stopping_after(10'000, 40));
  Chain pending;
  size_t copied = 0;
  IoResult result;
  for (int i = 0; i < 100; ++i) {
    result = copy(in.server.tls, out.client.tls, pending);
    copied += result.bytes;
    if (result.kind != IoKind::would_block) break;
    EXPECT_FALSE(pending.empty());
  }
  EXPECT_EQ(result.kind, IoKind::eof);
  EXPECT_EQ(copied, text.size());
  exchange(out.client, out.server);
  EXPECT_TRUE(read_now(out.server) == text);
}

// ---- The end --------------------------------------------------------------------------------

TEST_P(OpensslTest, AnEndWithCloseNotifyIsCleanAndOneWithoutIsDataLoss) {
  for (const bool clean : {true, false}) {
    Pair pair(GetParam());
    Chain chain = in_segments("the last words", {3});
    write_all(pair.client.tls, chain);
    if (clean) {
      EXPECT_EQ(pair.client.tls.close_write().kind, IoKind::data);
      EXPECT_EQ(pair.client.tls.close_write().kind, IoKind::data);
    }
    exchange(pair.client, pair.server);
    EXPECT_EQ(pair.client.out.take().size(), 0u) << "one close_notify";
    pair.server.in.end();
    IoResult last;
    EXPECT_EQ(read_now(pair.server, &last), "the last words");
    const absl::Status status = pair.server.tls.status(last);
    EXPECT_EQ(pair.server.tls.truncated(), !clean);
    if (clean) {
      EXPECT_EQ(last.kind, IoKind::eof);
      EXPECT_EQ(status.code(), absl::StatusCode::kOutOfRange);
      // The other direction is open.
      Chain answer = in_segments("goodbye", {7});
      EXPECT_EQ(write_all(pair.server.tls, answer).bytes, 7u);
      exchange(pair.client, pair.server);
      EXPECT_EQ(read_now(pair.client), "goodbye");
    } else {
      EXPECT_EQ(last.kind, IoKind::error);
      EXPECT_EQ(last.error_number, EIO);
      EXPECT_EQ(status.code(), absl::StatusCode::kDataLoss);
      EXPECT_EQ(errno_of(status), EIO);
      EXPECT_NE(status.message().find("close_notify"), absl::string_view::npos) << status;
      EXPECT_EQ(pair.server.tls.handshake().error_number, EIO);
      EXPECT_EQ(pair.server.tls.shutdown().error_number, EIO);
    }
  }
}

// As OpenSSL 1.1.1 reports every end: a system error without a number.
TEST_P(OpensslTest, AnEndThatATransportDoesNotDeclareIsATruncationToo) {
  const std::unique_ptr<BIO_METHOD, decltype(&BIO_meth_free)> method(
      BIO_meth_new(BIO_get_new_index() | BIO_TYPE_SOURCE_SINK, "ends"), &BIO_meth_free);
  BIO_meth_set_read(method.get(), [](BIO*, char*, int) { return 0; });
  BIO_meth_set_ctrl(method.get(), [](BIO*, int, long, void*) { return 0L; });
  {
    Pair pair(GetParam());
    BIO* const bio = BIO_new(method.get());
    BIO_set_init(bio, 1);
    SSL_set0_rbio(pair.server.ssl.get(), bio);
    IoResult last;
    EXPECT_EQ(read_now(pair.server, &last), "");
    EXPECT_EQ(last.error_number, EIO);
    EXPECT_TRUE(pair.server.tls.truncated());
    EXPECT_EQ(pair.server.tls.status(last).code(), absl::StatusCode::kDataLoss);
  }
}

TEST_P(OpensslTest, BytesThatWentAheadOfACloseAreCountedByIt) {
  Pair pair(GetParam());
  pair.client.out.run({IoStep::would_block()});
  Chain chain = in_segments(pattern(100), {10});
  EXPECT_EQ(write_all(pair.client.tls, chain).kind, IoKind::would_block);
  WriteOptions options;
  options.max_bytes = 30;
  EXPECT_EQ(write_some(pair.client.tls, chain, options).bytes, 30u);
  const IoResult result = pair.client.tls.close_write();
  EXPECT_EQ(result.kind, IoKind::data);
  EXPECT_EQ(result.bytes, 70u);
  EXPECT_EQ(chain.size(), 70u);
  EXPECT_EQ(pair.client.tls.close_write().bytes, 0u);
  exchange(pair.client, pair.server);
  EXPECT_TRUE(read_now(pair.server) == pattern(100));
}

TEST_P(OpensslTest, NothingIsWrittenBehindCloseNotify) {
  Pair pair(GetParam());
  EXPECT_EQ(pair.client.tls.close_write().kind, IoKind::data);
  Chain chain = in_segments("too late", {8});
  const IoResult result = write_all(pair.client.tls, chain);
  EXPECT_EQ(result.error_number, EPIPE);
  EXPECT_EQ(chain.size(), 8u);
  // Reading goes on.
  Chain answer = in_segments("goodbye", {7});
  write_all(pair.server.tls, answer);
  exchange(pair.client, pair.server);
  EXPECT_EQ(read_now(pair.client), "goodbye");
}

TEST_P(OpensslTest, BehindCloseNotifyNoBytesAreRefusedToo) {
  Pair pair(GetParam());
  TlsStream& tls = pair.client.tls;
  Chain chain = in_segments("hello", {2});
  Chain empty;
  EXPECT_EQ(tls.write(empty), IoResult());
  EXPECT_EQ(tls.write_some({}), IoResult());
  pair.client.out.run({IoStep::would_block()});
  ASSERT_EQ(tls.close_write().kind, IoKind::would_block);
  EXPECT_EQ(tls.write(empty), IoResult());  // the loop that closes comes by again
  EXPECT_EQ(tls.write(chain).error_number, EPIPE);
  ASSERT_EQ(tls.close_write().kind, IoKind::data);
  const IoResult refused = IoResult::failed(EPIPE, "SSL_write");
  EXPECT_EQ(tls.write(empty), refused);
  EXPECT_EQ(tls.write(chain, 0), refused);
  EXPECT_EQ(tls.write_some({}), refused);
  WriteOptions none;
  none.max_bytes = 0;
  EXPECT_EQ(write_all(tls, chain, none), refused);
  EXPECT_EQ(chain.size(), 5u);
  EXPECT_EQ(tls.read_some({}).kind, IoKind::data);  // only writing is closed
}

TEST_P(OpensslTest, AfterAnErrorNoBytesAndNoRoomAnswerItToo) {
  Pair pair(GetParam());
  TlsStream& tls = pair.client.tls;
  pair.client.out.run({IoStep::fail(EPIPE)});
  Chain chain = in_segments("hello", {2});
  const IoResult failure = tls.write(chain);
  ASSERT_EQ(failure.error_number, EPIPE);
  Chain empty;
  EXPECT_EQ(tls.write(empty), failure);
  EXPECT_EQ(tls.write(chain, 0), failure);
  EXPECT_EQ(tls.write_some({}), failure);
  EXPECT_EQ(tls.read_some({}), failure);
  WriteOptions none;
  none.max_bytes = 0;
  EXPECT_EQ(write_all(tls, chain, none), failure);
  EXPECT_EQ(chain.size(), 5u);
}

// OpenSSL would send the old record and count it as the new bytes.
TEST_P(OpensslTest, ANewStreamDoesNotWriteBehindAnothersBegunRecord) {
  for (const size_t segment : {size_t{10}, size_t{5000}}) {
    Pair pair(GetParam());
    pair.client.out.run({IoStep::would_block()});
    Chain old = in_segments(pattern(5000), {segment});
    ASSERT_EQ(pair.client.tls.write(old).kind, IoKind::would_block);
    ASSERT_TRUE(pair.client.tls.has_unsent());
    pair.client.tls = TlsStream(pair.client.ssl.get());
    Chain other = in_segments(std::string(6000, 'x'), {segment});
    const IoResult result = pair.client.tls.write(other);
    EXPECT_EQ(result, IoResult::failed(EPROTO, "SSL_write"));
    EXPECT_EQ(pair.client.tls.status(result).code(), absl::StatusCode::kFailedPrecondition);
    EXPECT_NE(pair.client.tls.status(result).message().find("a record unsent"),
              absl::string_view::npos);
    EXPECT_EQ(pair.client.tls.close_write().error_number, EPROTO);
    EXPECT_EQ(pair.client.tls.shutdown().error_number, EPROTO);
    EXPECT_EQ(other.size(), 6000u);
    // Reading goes on.
    Chain answer = in_segments("goodbye", {7});
    write_all(pair.server.tls, answer);
    exchange(pair.client, pair.server);
    EXPECT_EQ(read_now(pair.client), "goodbye");
    EXPECT_EQ(read_now(pair.server), "");
  }
}

TEST_P(OpensslTest, ANewStreamWritesWhereTheBegunRecordHasGone) {
  for (const bool moved : {false, true}) {
    Pair pair(GetParam());
    pair.client.out.run({IoStep::would_block()});
    Chain chain = in_segments(pattern(5000), {10});
    ASSERT_EQ(pair.client.tls.write(chain).kind, IoKind::would_block);
    if (moved) pair.client.tls = TlsStream(std::move(pair.client.tls));
    EXPECT_EQ(pair.client.tls.write(chain).bytes, 5000u);
    pair.client.tls = TlsStream(pair.client.ssl.get());
    chain = in_segments("more", {4});
    EXPECT_EQ(pair.client.tls.write(chain), IoResult({4, IoKind::data, 0, "SSL_write"}));
    exchange(pair.client, pair.server);
    EXPECT_TRUE(read_now(pair.server) == pattern(5000) + "more");
  }
}

TEST_P(OpensslTest, AnSslThatIsClearedForAnotherConnectionWritesAgain) {
  Pair pair(GetParam());
  pair.client.out.run({IoStep::would_block()});
  Chain chain = in_segments(pattern(5000), {10});
  ASSERT_EQ(pair.client.tls.write(chain).kind, IoKind::would_block);
  pair.client.out.scripted.reset();
  for (Engine* const engine : {&pair.client, &pair.server}) {
    engine->out.take();
    engine->in.chain().clear();
    ASSERT_EQ(SSL_clear(engine->ssl.get()), 1);
  }
  // Without a stream, so that the new one finds the handshake done.
  do {
    SSL_do_handshake(pair.client.ssl.get());
    SSL_do_handshake(pair.server.ssl.get());
    ERR_clear_error();
  } while (exchange(pair.client, pair.server));
  ASSERT_EQ(SSL_is_init_finished(pair.client.ssl.get()), 1);
  pair.client.tls = TlsStream(pair.client.ssl.get());
  pair.server.tls = TlsStream(pair.server.ssl.get());
  chain = in_segments("hello", {2});
  const IoResult result = pair.client.tls.write(chain);
  EXPECT_EQ(result.bytes, 5u) << pair.client.tls.status(result);
  exchange(pair.client, pair.server);
  EXPECT_EQ(read_now(pair.server), "hello");
}

TEST_P(OpensslTest, ShutdownTakesTwoStepsAndLosesNoByte) {
  Pair pair(GetParam());
  Chain answer = in_segments("unread", {2});
  write_all(pair.server.tls, answer);
  exchange(pair.client, pair.server);
  const IoResult busy = pair.client.tls.shutdown();
  EXPECT_EQ(busy.error_number, EBUSY);
  EXPECT_EQ(pair.client.tls.status(busy).code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_EQ(read_now(pair.client), "unread");
  EXPECT_EQ(pair.client.tls.shutdown().kind, IoKind::would_block);
  EXPECT_EQ(pair.client.tls.read_need(), TlsNeed::readable);
  exchange(pair.client, pair.server);
  IoResult last;
  EXPECT_EQ(read_now(pair.server, &last), "");
  EXPECT_EQ(last.kind, IoKind::eof);
  EXPECT_EQ(pair.server.tls.shutdown().kind, IoKind::data);
  exchange(pair.client, pair.server);
  EXPECT_EQ(pair.client.tls.shutdown().kind, IoKind::data);
  EXPECT_EQ(pair.client.tls.shutdown().kind, IoKind::data);
  EXPECT_EQ(SSL_get_shutdown(pair.client.ssl.get()), SSL_SENT_SHUTDOWN | SSL_RECEIVED_SHUTDOWN);
}

TEST_P(OpensslTest, CloseNotifyWaitsForRoomAndForTheRecordBeforeIt) {
  for (const bool with_record : {true, false}) {
    Pair pair(GetParam());
    pair.client.out.run(stopping_after(3, 10));
    Chain chain = in_segments("hello", {2});
    if (with_record) {
      EXPECT_EQ(write_all(pair.client.tls, chain).kind, IoKind::would_block);
    }
    size_t flushed = 0;
    IoResult result;
    for (int i = 0; i < 20; ++i) {
      result = pair.client.tls.close_write();
      flushed += result.bytes;
      if (result.kind != IoKind::would_block) break;
      EXPECT_EQ(pair.client.tls.write_need(), TlsNeed::writable);
    }
    EXPECT_EQ(result.kind, IoKind::data);
    // The record's bytes are the next that a write would have counted; now none does.
    EXPECT_EQ(flushed, with_record ? 5u : 0u);
    chain.push_copy("more");
    const size_t before = chain.size();
    EXPECT_EQ(write_all(pair.client.tls, chain), IoResult::failed(EPIPE, "SSL_write"));
    EXPECT_EQ(chain.size(), before);
    EXPECT_FALSE(pair.client.tls.has_unsent());
    exchange(pair.client, pair.server);
    IoResult last;
    EXPECT_EQ(read_now(pair.server, &last), with_record ? "hello" : "");
    EXPECT_EQ(last.kind, IoKind::eof);
  }
}

TEST_P(OpensslTest, ClosingBeforeTheHandshakeIsRefused) {
  const auto context = interop_test::client_context(GetParam());
  Engine client(context.get(), false);
  EXPECT_EQ(client.tls.close_write().error_number, ENOTCONN);
  EXPECT_EQ(client.tls.handshake().kind, IoKind::would_block);  // it can still be made
}

// ---- Errors ---------------------------------------------------------------------------------

TEST_P(OpensslTest, AByteChangedOnTheWireIsAnErrorWithOpensslsText) {
  Pair pair(GetParam());
  Chain chain = in_segments("hello", {5});
  write_all(pair.client.tls, chain);
  std::string wire = pair.client.out.take().to_string();
  wire.back() = static_cast<char>(wire.back() ^ 1);
  pair.server.in.chain().push_copy(wire);
  IoResult last;
  EXPECT_EQ(read_now(pair.server, &last), "");
  EXPECT_EQ(last.error_number, EPROTO);
  const absl::Status status = pair.server.tls.status(last);
  EXPECT_NE(status.message().find("bad record mac"), absl::string_view::npos) << status;
  EXPECT_EQ(errno_of(status), EPROTO);
  EXPECT_FALSE(pair.server.tls.truncated());
  EXPECT_EQ(ERR_peek_error(), 0u);
  // The other side is told.
  exchange(pair.client, pair.server);
  read_now(pair.client, &last);
  EXPECT_NE(pair.client.tls.status(last).message().find("alert bad record mac"),
            absl::string_view::npos);
}

TEST_P(OpensslTest, AnOldErrorInTheQueueMeansNothing) {
  Pair pair(GetParam());
  EXPECT_EQ(BIO_new_file("/no/such/file", "r"), nullptr);
  EXPECT_NE(ERR_peek_error(), 0u);
  IoResult last;
  EXPECT_EQ(read_now(pair.server, &last), "");
  EXPECT_EQ(last.kind, IoKind::would_block);
  EXPECT_EQ(ERR_peek_error(), 0u);
}

TEST_P(OpensslTest, AStrangersCertificateIsUnauthenticated) {
  const auto client_ctx = interop_test::client_context(GetParam(), false);
  const auto server_ctx = interop_test::server_context(GetParam());
  Engine client(client_ctx.get(), false);
  Engine server(server_ctx.get(), true);
  IoResult result;
  for (int i = 0; i < 10 && !result.is_error(); ++i) {
    result = client.tls.handshake();
    exchange(client, server);
    server.tls.handshake();
    exchange(client, server);
  }
  const absl::Status status = client.tls.status(result);
  EXPECT_EQ(status.code(), absl::StatusCode::kUnauthenticated);
  EXPECT_NE(status.message().find("self"), absl::string_view::npos) << status;
  EXPECT_NE(status.message().find("certificate verify failed"), absl::string_view::npos) << status;
}

TEST_P(OpensslTest, WithoutMemoryForARecordNothingIsChanged) {
  Pair pair(GetParam());
  pair.client.out.run({IoStep::would_block()});
  const std::string text = pattern(20'000);
  Chain chain = in_segments(text, {100});
  const auto write_without_memory = [&] {
    trim_caches();
    replaced_new::succeed = 0;
    const IoResult result = write_all(pair.client.tls, chain);
    replaced_new::succeed = -1;
    return result;
  };
  EXPECT_EQ(write_without_memory(), IoResult::failed(ENOMEM, "SSL_write"));
  EXPECT_TRUE(chain == ByteView(text));
  EXPECT_EQ(write_all(pair.client.tls, chain).kind, IoKind::would_block);
  // The record that was begun has its memory; the next one needs none more.
  pair.client.out.scripted.reset();
  EXPECT_EQ(write_all(pair.client.tls, chain).bytes, text.size());
  exchange(pair.client, pair.server);
  EXPECT_TRUE(read_now(pair.server) == text);
}

TEST_P(OpensslTest, ACallbackThatAsksForAnotherCallIsNeitherReadableNorWritable) {
  const auto client_ctx = interop_test::client_context(GetParam());
  const auto server_ctx = interop_test::server_context(GetParam());
  int asked = 0;
  SSL_CTX_set_client_hello_cb(
      server_ctx.get(),
      [](SSL*, int*, void* count) {
        return ++*static_cast<int*>(count) == 1 ? SSL_CLIENT_HELLO_RETRY : SSL_CLIENT_HELLO_SUCCESS;
      },
      &asked);
  Engine client(client_ctx.get(), false);
  Engine server(server_ctx.get(), true);
  client.tls.handshake();
  exchange(client, server);
  EXPECT_EQ(server.tls.handshake().kind, IoKind::would_block);
  EXPECT_EQ(server.tls.read_need(), TlsNeed::callback);
  EXPECT_EQ(server.tls.write_need(), TlsNeed::callback);
  for (int i = 0; i < 10; ++i) {
    server.tls.handshake();
    exchange(client, server);
    client.tls.handshake();
    exchange(client, server);
  }
  EXPECT_EQ(server.tls.handshake().kind, IoKind::data);
  EXPECT_EQ(asked, 2);
}

#if BIGHT_HAS_EXCEPTIONS
TEST_P(OpensslTest, MemoryThatATransportCannotHaveIsAnError) {
  struct Poor {
    IoResult write_some(std::span<const iovec>) { throw std::bad_alloc(); }
  } poor;
  Pair pair(GetParam());
  SSL_set0_wbio(pair.client.ssl.get(), sink_bio(poor).release());
  Chain chain = in_segments("hello", {5});
  const IoResult result = write_all(pair.client.tls, chain);
  EXPECT_EQ(result.error_number, ENOMEM);
  EXPECT_EQ(pair.client.tls.status(result).code(), absl::StatusCode::kResourceExhausted);
  EXPECT_EQ(chain.size(), 5u);
}
#endif

// ---- Transports -----------------------------------------------------------------------------

TEST(OpensslBioTest, AFullBuilderHoldsTheEngineUpAndLosesNothing) {
  Pair pair(TLS1_3_VERSION);
  ChainBuilderOptions options;
  options.max_size = 1000;
  ChainBuilder small(options);
  BuilderSink sink(small);
  SSL_set0_wbio(pair.client.ssl.get(), sink_bio(sink).release());
  const std::string text = pattern(50'000);
  Chain chain = in_segments(text, {100});
  std::string received;
  for (int i = 0; i < 100 && !chain.empty(); ++i) {
    const IoResult result = write_all(pair.client.tls, chain);
    if (result.kind == IoKind::would_block) {
      EXPECT_EQ(pair.client.tls.write_need(), TlsNeed::writable);
      EXPECT_EQ(small.size(), 1000u);
    }
    pair.server.in.chain().push_back(small.take());
    received += read_now(pair.server);
  }
  EXPECT_TRUE(received == text);
}

TEST(OpensslBioTest, AChainSourceLosesWhatIsReadAndEndsWhenItIsTold) {
  ChainSource source;
  std::string room(10, '?');
  const auto entries = in_two(room, 3);
  EXPECT_EQ(source.read_some(entries).kind, IoKind::would_block);
  EXPECT_EQ(source.read_some({}), IoResult());
  source.chain() = in_segments("hello world", {4});
  EXPECT_EQ(source.read_some(entries).bytes, 10u);
  EXPECT_EQ(room, "hello worl");
  EXPECT_EQ(source.chain().size(), 1u);
  source.end();
  EXPECT_EQ(source.read_some(entries).bytes, 1u);
  EXPECT_EQ(source.read_some(entries).kind, IoKind::eof);
}

TEST(OpensslBioTest, ACertificateIsParsedFromAScatteredChain) {
  const std::string pem = interop_test::certificate().certificate_pem();
  for (size_t size : {size_t{1}, size_t{7}, size_t{64}, pem.size()}) {
    const Chain chain = in_segments(pem + "behind it", {size});
    Cursor cursor(chain);
    const BioPtr bio = source_bio(cursor);
    const std::unique_ptr<X509, interop_test::FreeSsl> parsed(
        PEM_read_bio_X509(bio.get(), nullptr, nullptr, nullptr));
    ASSERT_NE(parsed, nullptr);
    EXPECT_EQ(X509_cmp(parsed.get(), interop_test::certificate().x509.get()), 0);
    EXPECT_EQ(cursor.position(), pem.size());
    EXPECT_EQ(BIO_pending(bio.get()), 9);
    char rest[20];
    EXPECT_EQ(BIO_gets(bio.get(), rest, 5), 4);
    EXPECT_STREQ(rest, "behi");
    EXPECT_EQ(BIO_read(bio.get(), rest, 20), 5);
    EXPECT_EQ(std::string_view(rest, 5), "nd it");
    EXPECT_EQ(BIO_read(bio.get(), rest, 20), 0);
    EXPECT_EQ(BIO_eof(bio.get()), 1);
    EXPECT_EQ(BIO_gets(bio.get(), rest, 20), 0);
  }
}

TEST(OpensslBioTest, ABioWithoutMemoryIsNull) {
  ASSERT_NE(socket_bio(-1), nullptr);  // the method is made
  replaced_new::succeed = 0;
  const BioPtr bio = socket_bio(-1);
  replaced_new::succeed = -1;
  EXPECT_EQ(bio, nullptr);
}

TEST(OpensslBioTest, OneDirectionDoesNotServeTheOther) {
  ChainSource source;
  ScriptedSink sink;
  char byte = 'x';
  errno = 0;
  EXPECT_LT(BIO_write(source_bio(source).get(), &byte, 1), 0);
  EXPECT_EQ(errno, EBADF);
  errno = 0;
  EXPECT_LT(BIO_read(sink_bio(sink).get(), &byte, 1), 0);
  EXPECT_EQ(errno, EBADF);
  EXPECT_EQ(BIO_gets(source_bio(source).get(), &byte, 1), -2);
  EXPECT_TRUE(sink.received().empty());
}

// ---- Sockets --------------------------------------------------------------------------------

// One end of TLS over a socket.
struct Connection {
  Connection(SSL_CTX* context, bool server, int fd) : socket(fd), ssl(SSL_new(context)) {
    server ? SSL_set_accept_state(ssl.get()) : SSL_set_connect_state(ssl.get());
    BIO* const bio = socket_bio(fd).release();
    SSL_set_bio(ssl.get(), bio, bio);
  }
  File socket;
  interop_test::SslPtr ssl;
  TlsStream tls{ssl.get()};
};

short events_of(TlsNeed need) {
  return need == TlsNeed::readable ? POLLIN : need == TlsNeed::writable ? POLLOUT : short{0};
}

TEST_P(OpensslTest, MegabytesGoBothWaysThroughTinySocketBuffers) {
  int fds[2];
  ASSERT_EQ(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, fds), 0);
  const int tiny = 1;  // the kernel's least
  for (const int fd : fds) ::setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &tiny, sizeof(tiny));
  const auto client_ctx = interop_test::client_context(GetParam());
  const auto server_ctx = interop_test::server_context(GetParam());
  Connection ends[2] = {{client_ctx.get(), false, fds[0]}, {server_ctx.get(), true, fds[1]}};
  const std::string texts[2] = {pattern(1 << 20, 1), pattern(1 << 20, 2)};
  Chain out[2] = {in_segments(texts[0], {64}), in_segments(texts[1], {64, 5000, 100'000})};
  ChainBuilder in[2];
  bool closed[2] = {false, false}, ended[2] = {false, false};
  while (!ended[0] || !ended[1]) {
    bool moved = false;
    short events[2] = {0, 0};
    for (const int i : {0, 1}) {
      TlsStream& tls = ends[i].tls;
      if (!closed[i]) {
        IoResult result = write_all(tls, out[i]);
        ASSERT_FALSE(result.is_error()) << tls.status(result);
        moved |= result.bytes != 0;
        if (out[i].empty()) {
          result = tls.close_write();
          closed[i] = result.kind == IoKind::data;
          moved |= closed[i];
        }
        events[i] |= events_of(tls.write_need());
      }
      if (!ended[i]) {
        const IoResult result = read_some(tls, in[i], 20'000);
        ASSERT_FALSE(result.is_error()) << tls.status(result);
        ended[i] = result.kind == IoKind::eof;
        moved |= result.bytes != 0 || ended[i];
        events[i] |= events_of(tls.read_need());
      }
    }
    if (moved) continue;
    pollfd polled[2] = {{fds[0], events[0], 0}, {fds[1], events[1], 0}};
    ASSERT_GT(::poll(polled, 2, 60'000), 0) << "both wait";
  }
  EXPECT_TRUE(in[0].take() == ByteView(texts[1]));
  EXPECT_TRUE(in[1].take() == ByteView(texts[0]));
}

TEST_P(OpensslTest, TwoThreadsTalkOverBlockingSockets) {
  int fds[2];
  ASSERT_EQ(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds), 0);
  const auto client_ctx = interop_test::client_context(GetParam());
  const auto server_ctx = interop_test::server_context(GetParam());
  const std::string text = pattern(1 << 20);
  std::thread server([&] {
    Connection end(server_ctx.get(), true, fds[1]);
    Chain pending;
    IoResult result = copy(end.tls, end.tls, pending);  // an echo
    EXPECT_EQ(result.kind, IoKind::eof) << end.tls.status(result);
    EXPECT_EQ(result.bytes, text.size());
    result = end.tls.shutdown();
    EXPECT_EQ(result.kind, IoKind::data) << end.tls.status(result);
  });
  {
    Connection end(client_ctx.get(), false, fds[0]);
    EXPECT_EQ(end.tls.handshake().kind, IoKind::data);
    ChainBuilder in;
    for (size_t from = 0; from < text.size(); from += 8192) {
      Chain part = in_segments(std::string_view(text).substr(from, 8192), {100});
      EXPECT_EQ(write_all(end.tls, part).kind, IoKind::data);
      EXPECT_EQ(read_exactly(end.tls, in, 8192).kind, IoKind::data);
    }
    EXPECT_TRUE(in.take() == ByteView(text));
    const IoResult result = end.tls.shutdown();
    EXPECT_EQ(result.kind, IoKind::data) << end.tls.status(result);
  }
  server.join();
}

// A pair over Unix or TCP sockets, after the handshake; `fds` are non-blocking.
struct SocketPair {
  explicit SocketPair(int version, int domain = AF_UNIX)
      : client_ctx(interop_test::client_context(version)),
        server_ctx(interop_test::server_context(version)) {
    int fds[2] = {-1, -1};
    if (domain == AF_UNIX) {
      if (::socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, fds) != 0) std::abort();
    } else {
      const File listener(::socket(AF_INET, SOCK_STREAM, 0));
      sockaddr_in address{};
      address.sin_family = AF_INET;
      address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
      socklen_t size = sizeof(address);
      auto* const generic = reinterpret_cast<sockaddr*>(&address);
      if (::bind(listener.fd(), generic, size) != 0 || ::listen(listener.fd(), 1) != 0 ||
          ::getsockname(listener.fd(), generic, &size) != 0) {
        std::abort();
      }
      fds[0] = ::socket(AF_INET, SOCK_STREAM, 0);
      if (::connect(fds[0], generic, size) != 0) std::abort();
      fds[1] = ::accept(listener.fd(), nullptr, nullptr);
      for (const int fd : fds) ::fcntl(fd, F_SETFL, ::fcntl(fd, F_GETFL) | O_NONBLOCK);
    }
    client = std::make_unique<Connection>(client_ctx.get(), false, fds[0]);
    server = std::make_unique<Connection>(server_ctx.get(), true, fds[1]);
    for (;;) {
      const IoResult a = client->tls.handshake();
      const IoResult b = server->tls.handshake();
      if (a.is_error() || b.is_error()) std::abort();
      if (a.kind == IoKind::data && b.kind == IoKind::data) break;
    }
    ChainBuilder nothing;
    read_some(client->tls, nothing, 1);  // session tickets
  }
  interop_test::ContextPtr client_ctx, server_ctx;
  std::unique_ptr<Connection> client, server;
};

TEST_P(OpensslTest, APeerThatIsGoneIsEpipeAndNoSignal) {
  struct sigaction before {};
  struct sigaction fatal {};
  fatal.sa_handler = SIG_DFL;
  ASSERT_EQ(::sigaction(SIGPIPE, &fatal, &before), 0);
  SocketPair pair(GetParam());
  pair.server.reset();
  Chain chain = in_segments(pattern(100'000), {64});
  const IoResult result = write_all(pair.client->tls, chain);
  EXPECT_EQ(result.error_number, EPIPE);
  EXPECT_EQ(result.bytes + chain.size(), 100'000u);
  EXPECT_EQ(pair.client->tls.status(result).code(), absl::StatusCode::kFailedPrecondition);
  ::sigaction(SIGPIPE, &before, nullptr);
}

TEST_P(OpensslTest, AResetConnectionIsNoCleanEnd) {
  SocketPair pair(GetParam(), AF_INET);
  Chain chain = in_segments(pattern(1000), {64});
  write_all(pair.server->tls, chain);
  const linger hard{1, 0};
  ::setsockopt(pair.server->socket.fd(), SOL_SOCKET, SO_LINGER, &hard, sizeof(hard));
  pair.server.reset();
  ChainBuilder builder;
  IoResult result;
  for (int i = 0; i < 1000; ++i) {
    result = read_some(pair.client->tls, builder, 100'000);
    if (result.kind == IoKind::would_block) {
      pollfd polled{pair.client->socket.fd(), POLLIN, 0};
      ASSERT_EQ(::poll(&polled, 1, 60'000), 1);
    } else if (result.kind != IoKind::data) {
      break;
    }
  }
  EXPECT_EQ(result.error_number, ECONNRESET);
  EXPECT_EQ(pair.client->tls.status(result).code(), absl::StatusCode::kUnavailable);
  EXPECT_FALSE(pair.client->tls.truncated());
}

TEST_P(OpensslTest, AFileThatMayNotGrowEndsTheStreamExactly) {
  Pair pair(GetParam());
  std::string name = "/tmp/bight_tls_XXXXXX";
  const char* folder = std::getenv("TMPDIR");
  if (folder != nullptr) name = std::string(folder) + "/bight_tls_XXXXXX";
  const File file(::mkstemp(name.data()));
  ASSERT_TRUE(file.is_open());
  ::unlink(name.c_str());
  FdSink sink(file.fd(), FdKind::other);
  SSL_set0_wbio(pair.client.ssl.get(), sink_bio(sink).release());
  rlimit before{};
  ASSERT_EQ(::getrlimit(RLIMIT_FSIZE, &before), 0);
  const auto handler = ::signal(SIGXFSZ, SIG_IGN);
  const rlimit small{40'000, before.rlim_max};
  ASSERT_EQ(::setrlimit(RLIMIT_FSIZE, &small), 0);
  const std::string text = pattern(100'000);
  Chain chain = in_segments(text, {64});
  const IoResult result = write_all(pair.client.tls, chain);
  ASSERT_EQ(::setrlimit(RLIMIT_FSIZE, &before), 0);
  ::signal(SIGXFSZ, handler);
  EXPECT_EQ(result.error_number, EFBIG);
  EXPECT_EQ(result.bytes, 2 * kRecord);
  EXPECT_TRUE(chain == ByteView(std::string_view(text).substr(2 * kRecord)));
  // The file has these records whole, and part of the third.
  ASSERT_EQ(::lseek(file.fd(), 0, SEEK_SET), 0);
  FdSource source(file.fd());
  SSL_set0_rbio(pair.server.ssl.get(), source_bio(source).release());
  ChainBuilder builder;
  EXPECT_EQ(read_all(pair.server.tls, builder, 200'000).error_number, EIO);
  EXPECT_TRUE(builder.take() == ByteView(std::string_view(text).substr(0, 2 * kRecord)));
}

}  // namespace
}  // namespace bight
