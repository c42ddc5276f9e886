#include "bight/copy_audit.h"

#include <gtest/gtest.h>

#include <cstring>
#include <string>
#include <thread>
#include <utility>

#include "bight/bytes.h"
#include "bight/bytes_builder.h"
#include "bight/chain.h"
#include "bight/chain_builder.h"

namespace {

using bight::Bytes;
using bight::BytesBuilder;
using bight::Chain;
using bight::CopyAudit;
using bight::CopyCounts;

TEST(CopyAuditTest, CountsWhatEachCopyingVerbCopies) {
  const std::string text(100, 'x');
  {
    const CopyAudit audit;
    (void)Bytes::copy_of(text);
    EXPECT_EQ(audit.thread(), (CopyCounts{100, 0, 1}));
  }
  {
    const CopyAudit audit;
    BytesBuilder builder(100);
    builder.append(text);
    EXPECT_EQ(audit.thread().copied, 0u);  // counted when sealed
    (void)builder.take();
    EXPECT_EQ(audit.thread(), (CopyCounts{100, 0, 1}));
  }
  {
    Chain chain(Bytes::copy_of(text));
    chain.push_back(Bytes::copy_of(text));
    const CopyAudit audit;
    (void)chain.flatten();
    EXPECT_EQ(audit.thread(), (CopyCounts{200, 0, 1}));
    std::string out(50, '\0');
    chain.copy_to(std::as_writable_bytes(std::span(out)));
    EXPECT_EQ(audit.thread().copied, 250u);
    (void)chain.pull_up(150);
    EXPECT_EQ(audit.thread().copied, 400u);
  }
  {
    const Bytes part = Bytes::copy_of(std::string(1000, 'x')).slice(0, 10);
    const CopyAudit audit;
    (void)part.compact();
    EXPECT_EQ(audit.thread(), (CopyCounts{10, 0, 1}));
  }
  {
    Chain chain;
    const CopyAudit audit;
    chain.push_copy(text);
    EXPECT_EQ(audit.thread(), (CopyCounts{100, 0, 1}));
  }
}

TEST(CopyAuditTest, CountsNothingForWhatSharesOrReceivesInPlace) {
  Bytes bytes = Bytes::copy_of(std::string(100, 'x'));
  BytesBuilder builder(100);
  const CopyAudit audit;
  Bytes tail = bytes.split_off(50);
  Chain chain(bytes);
  chain.push_back(tail);
  chain.push_back(chain);
  (void)chain.slice(10, 100);
  Bytes joined = bytes;
  EXPECT_TRUE(joined.try_join(std::move(tail)));
  std::memset(builder.prepare(60).data(), 'r', 60);
  builder.commit(60);
  (void)builder.take();
  EXPECT_EQ(audit.thread(), CopyCounts{});
}

TEST(CopyAuditTest, BuilderCountsOnlyWhatWasNotReceivedInPlace) {
  BytesBuilder builder(100);
  const CopyAudit audit;
  builder.append("12345");
  std::memset(builder.prepare(10).data(), 'r', 10);
  builder.commit(10);
  builder.put_u8('x');
  (void)builder.take();
  EXPECT_EQ(audit.thread().copied, 6u);
  // Split: every byte is counted with one of the parts, none twice.
  builder.append("123");
  std::memset(builder.prepare(10).data(), 'r', 10);
  builder.commit(10);
  BytesBuilder head = builder.split_to(8);
  BytesBuilder tail = builder.split_off(2);
  (void)std::move(head).freeze();
  (void)std::move(tail).freeze();
  (void)std::move(builder).freeze();
  EXPECT_EQ(audit.thread().copied, 9u);
}

TEST(CopyAuditTest, GrowthCountsTheBytesItMoves) {
  BytesBuilder builder(64);
  std::memset(builder.prepare(64).data(), 'r', 64);
  builder.commit(64);
  const CopyAudit audit;
  builder.reserve(1000);
  EXPECT_EQ(audit.thread(), (CopyCounts{64, 0, 1}));
}

TEST(CopyAuditTest, BlocksOfTheCacheCountToo) {
  { const Bytes warm = Bytes::copy_of("x"); }
  const CopyAudit audit;
  for (int i = 0; i < 10; ++i) (void)Bytes::copy_of("x");
  EXPECT_EQ(audit.thread().blocks, 10u);
}

TEST(CopyAuditTest, ThreadFormIsOfTheCallingThreadAndProcessFormOfAll) {
  const CopyAudit audit;
  CopyCounts in_thread;
  std::thread([&in_thread] {
    const CopyAudit own;
    const Bytes bytes = Bytes::copy_of("hello");
    in_thread = own.thread();
  }).join();
  EXPECT_EQ(in_thread, (CopyCounts{5, 0, 1}));
  EXPECT_EQ(audit.thread(), CopyCounts{});
  EXPECT_EQ(audit.process(), (CopyCounts{5, 0, 1}));  // also when the thread has ended
  (void)Bytes::copy_of("abc");
  EXPECT_EQ(audit.thread(), (CopyCounts{3, 0, 1}));
  EXPECT_EQ(audit.process(), (CopyCounts{8, 0, 2}));
}

TEST(CopyAuditTest, ScopesNest) {
  const CopyAudit outer;
  (void)Bytes::copy_of("abc");
  const CopyAudit inner;
  (void)Bytes::copy_of("de");
  EXPECT_EQ(inner.thread().copied, 2u);
  EXPECT_EQ(outer.thread().copied, 5u);
  EXPECT_GE(CopyAudit::thread_totals().copied, 5u);
  EXPECT_GE(CopyAudit::process_totals().copied, CopyAudit::thread_totals().copied);
}

}  // namespace
