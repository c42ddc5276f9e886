#include "bight/interop/grpc.h"

#include <grpcpp/generic/async_generic_service.h>
#include <grpcpp/generic/generic_stub.h>
#include <grpcpp/grpcpp.h>
#include <gtest/gtest.h>

#include <atomic>
#include <future>
#include <memory>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "bight/copy_audit.h"
#include "tests/interop/support.h"

namespace bight {
namespace {

using interop_test::counted;
using interop_test::pattern;
using interop_test::scattered;

std::string text_of(const grpc::Slice& slice) { return std::string(slice.begin(), slice.end()); }

const std::byte* address_of(const grpc::Slice& slice) {
  return reinterpret_cast<const std::byte*>(slice.begin());
}

TEST(GrpcSliceTest, EmptyBothWays) {
  EXPECT_EQ(to_grpc_slice(Bytes()).size(), 0u);
  EXPECT_TRUE(to_bytes(grpc::Slice()).empty());
}

TEST(GrpcSliceTest, BytesOfEverySizeAreSharedAndReleasedOnce) {
  for (const size_t size : std::vector<size_t>{1, 22, 23, 24, 32, 33, 1000, 1000000}) {
    int released = 0;
    CopyAudit audit;
    {
      Bytes bytes = counted(pattern(size), released);
      const std::byte* const address = bytes.data();
      grpc::Slice slice = to_grpc_slice(std::move(bytes));
      EXPECT_EQ(text_of(slice), pattern(size));
      EXPECT_EQ(address_of(slice), address);
      const grpc::Slice copy = slice;
      slice = grpc::Slice();
      EXPECT_EQ(address_of(copy), address);
      EXPECT_EQ(released, 0);
    }
    EXPECT_EQ(released, 1);
    EXPECT_EQ(audit.thread().copied, 0u);
  }
}

TEST(GrpcSliceTest, SlicesOfGrpcsOwnAreShared) {
  const std::string text = pattern(1000);
  grpc::Slice slice(text);
  CopyAudit audit;
  const Bytes bytes = to_bytes(slice);
  EXPECT_EQ(bytes.data(), address_of(slice));
  slice = grpc::Slice();
  EXPECT_EQ(bytes, text);
  EXPECT_EQ(audit.thread(), CopyCounts{});
}

TEST(GrpcSliceTest, ASliceInsideItsObjectIsHeldWhereItsBytesStay) {
  for (size_t size = 1; size <= 30; ++size) {
    const std::string text = pattern(size);
    auto slice = std::make_unique<grpc::Slice>(text);
    Bytes bytes = to_bytes(std::move(*slice));
    *slice = grpc::Slice(std::string(size, 'x'));
    slice.reset();
    const std::byte* const address = bytes.data();
    const Bytes moved = std::move(bytes);
    EXPECT_EQ(moved, text);
    EXPECT_EQ(moved.data(), address);
  }
}

TEST(GrpcSliceTest, ASliceThroughBytesIsTheSameSlice) {
  const grpc::Slice slice(pattern(1000));
  Bytes bytes = to_bytes(slice);
  bytes.remove_prefix(100);
  bytes.truncate(500);
  const grpc::Slice back = to_grpc_slice(std::move(bytes));
  EXPECT_EQ(address_of(back), address_of(slice) + 100);
  EXPECT_EQ(text_of(back), pattern(1000).substr(100, 500));
  // The same count as the slice that came in, not one of ours around it.
  const grpc_slice a = slice.c_slice();
  const grpc_slice b = back.c_slice();
  EXPECT_EQ(a.refcount, b.refcount);
  grpc_slice_unref(a);
  grpc_slice_unref(b);
}

TEST(GrpcSliceTest, ShortPartsGoBackToo) {
  for (size_t whole = 1; whole <= 40; ++whole) {
    const std::string text = pattern(whole);
    for (size_t from = 0; from < whole; ++from) {
      Bytes bytes = to_bytes(grpc::Slice(text));
      bytes.remove_prefix(from);
      ASSERT_EQ(text_of(to_grpc_slice(std::move(bytes))), text.substr(from));
    }
  }
}

TEST(GrpcByteBufferTest, SegmentsAreSharedBothWays) {
  const Chain chain = scattered({1000, 600, 1, 40, 100000});
  CopyAudit audit;
  grpc::ByteBuffer buffer = to_byte_buffer(chain);
  EXPECT_EQ(buffer.Length(), chain.size());
  const std::optional<Chain> back = try_to_chain(buffer);
  ASSERT_TRUE(back);
  EXPECT_EQ(*back, chain);
  ASSERT_EQ(back->segment_count(), chain.segment_count());
  for (size_t i = 0; i < chain.segment_count(); ++i) {
    EXPECT_EQ(back->segment(i).data(), chain.segment(i).data());
  }
  EXPECT_EQ(audit.thread(), CopyCounts{});
}

TEST(GrpcByteBufferTest, ReleasesEachSegmentOnceWhenTheLastSideLetsGo) {
  int released = 0;
  {
    Chain chain;
    for (size_t i = 0; i < 5; ++i) chain.push_back(counted(pattern(100, i), released));
    std::optional<Chain> back;
    {
      const grpc::ByteBuffer buffer = to_byte_buffer(std::move(chain));
      back = try_to_chain(buffer);
      ASSERT_TRUE(back);
    }
    EXPECT_EQ(released, 0);
    back->consume(250);
    EXPECT_EQ(released, 2);
  }
  EXPECT_EQ(released, 5);
}

TEST(GrpcByteBufferTest, GrpcsOwnSlicesBecomeSegments) {
  const std::vector<grpc::Slice> slices{grpc::Slice(pattern(5)), grpc::Slice(pattern(1000)),
                                        grpc::Slice(), grpc::Slice(pattern(23))};
  const grpc::ByteBuffer buffer(slices.data(), slices.size());
  const std::optional<Chain> chain = try_to_chain(buffer);
  ASSERT_TRUE(chain);
  EXPECT_EQ(*chain, pattern(5) + pattern(1000) + pattern(23));
}

TEST(GrpcByteBufferTest, AnEmptyChainIsAValidEmptyBuffer) {
  const grpc::ByteBuffer buffer = to_byte_buffer(Chain());
  EXPECT_TRUE(buffer.Valid());
  const std::optional<Chain> back = try_to_chain(buffer);
  ASSERT_TRUE(back);
  EXPECT_TRUE(back->empty());
}

TEST(GrpcByteBufferTest, AnInvalidBufferIsNoChain) {
  EXPECT_FALSE(try_to_chain(grpc::ByteBuffer()));
}

// ---- A call ---------------------------------------------------------------------------------

// Answers with "echo:" in front of what came, through a chain.
class EchoReactor : public grpc::ServerGenericBidiReactor {
 public:
  EchoReactor() { StartRead(&request_); }

  void OnReadDone(bool ok) override {
    std::optional<Chain> chain;
    if (ok) chain = try_to_chain(request_);
    if (!chain) {
      Finish(grpc::Status(grpc::StatusCode::INVALID_ARGUMENT, "no message"));
      return;
    }
    chain->push_front(Bytes::from_static("echo:"));
    response_ = to_byte_buffer(*std::move(chain));
    StartWriteAndFinish(&response_, grpc::WriteOptions(), grpc::Status::OK);
  }
  void OnDone() override { delete this; }

 private:
  grpc::ByteBuffer request_;
  grpc::ByteBuffer response_;
};

class EchoService : public grpc::CallbackGenericService {
  grpc::ServerGenericBidiReactor* CreateReactor(grpc::GenericCallbackServerContext*) override {
    return new EchoReactor;
  }
};

TEST(GrpcCallTest, AChainGoesToAServerAndBackAndIsReleasedOnce) {
  std::atomic<int> released = 0;
  Chain request;
  for (const size_t size : std::vector<size_t>{10, 1000, 300000}) {
    auto owner = std::make_unique<std::string>(pattern(size));
    const auto bytes = std::as_bytes(std::span(*owner));
    request.push_back(
        Bytes::with_release(bytes, [owner = std::move(owner), &released] { ++released; }));
  }
  const std::string expected = "echo:" + request.to_string();
  {
    EchoService service;
    grpc::ServerBuilder builder;
    builder.RegisterCallbackGenericService(&service);
    const std::unique_ptr<grpc::Server> server = builder.BuildAndStart();
    ASSERT_NE(server, nullptr);
    grpc::GenericStub stub(server->InProcessChannel(grpc::ChannelArguments()));

    grpc::ClientContext context;
    grpc::ByteBuffer sent = to_byte_buffer(std::move(request));
    grpc::ByteBuffer received;
    std::promise<grpc::Status> done;
    stub.UnaryCall(&context, "/bight_test.Echo/Echo", grpc::StubOptions(), &sent, &received,
                   [&done](grpc::Status status) { done.set_value(std::move(status)); });
    const grpc::Status status = done.get_future().get();
    ASSERT_TRUE(status.ok()) << status.error_message();
    const std::optional<Chain> answer = try_to_chain(received);
    ASSERT_TRUE(answer);
    EXPECT_EQ(*answer, expected);
    server->Shutdown();
    server->Wait();
  }
  EXPECT_EQ(released, 3);
}

}  // namespace
}  // namespace bight
