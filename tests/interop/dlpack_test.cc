#include "bight/interop/dlpack.h"

#include <gtest/gtest.h>

#include <complex>
#include <cstdint>
#include <limits>
#include <memory>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "bight/bytes_builder.h"
#include "bight/copy_audit.h"
#include "tests/interop/support.h"

namespace bight {
namespace {

using interop_test::counted;
using interop_test::pattern;

constexpr int64_t kHuge = std::numeric_limits<int64_t>::max();
constexpr int64_t kLeast = std::numeric_limits<int64_t>::min();

// Bytes of which this is the only handle, in a block of their own, 64-byte aligned.
Bytes fresh(size_t size) {
  BuilderOptions options;
  options.capacity = size;
  options.alignment = 64;
  BytesBuilder builder(options);
  builder.append(pattern(size));
  return std::move(builder).freeze();
}

TensorLayout floats(std::vector<int64_t> shape, std::vector<int64_t> strides = {},
                    uint64_t byte_offset = 0) {
  TensorLayout layout;
  layout.type = tensor_type<float>();
  layout.shape = std::move(shape);
  layout.strides = std::move(strides);
  layout.byte_offset = byte_offset;
  return layout;
}

// Whether `status` has that code and says `words`.
testing::AssertionResult refuses(const absl::Status& status, absl::StatusCode code,
                                 const std::string& words) {
  if (status.code() != code) return testing::AssertionFailure() << status;
  if (status.message().find(words) == std::string::npos) {
    return testing::AssertionFailure() << "\"" << words << "\" is not said by: " << status;
  }
  return testing::AssertionSuccess();
}
constexpr auto kInvalid = absl::StatusCode::kInvalidArgument;
constexpr auto kOutside = absl::StatusCode::kOutOfRange;
constexpr auto kNotNow = absl::StatusCode::kFailedPrecondition;

// A tensor of another library, whose deleter counts.
class Foreign {
 public:
  explicit Foreign(std::vector<int64_t> shape, std::vector<int64_t> strides = {})
      : shape_(std::move(shape)), strides_(std::move(strides)) {
    DLTensor& in = tensor_.dl_tensor;
    in.data = floats_;
    in.device = {kDLCPU, 0};
    in.dtype = {kDLFloat, 32, 1};
    in.ndim = static_cast<int>(shape_.size());
    in.shape = shape_.data();
    in.strides = strides_.empty() ? nullptr : strides_.data();
    in.byte_offset = 0;
    tensor_.manager_ctx = this;
    tensor_.deleter = [](DLManagedTensor* self) {
      ++static_cast<Foreign*>(self->manager_ctx)->deleted_;
    };
  }
  DLTensor& in() { return tensor_.dl_tensor; }
  DLManagedTensor& managed() { return tensor_; }
  ManagedTensor owned() { return ManagedTensor(&tensor_); }
  int deleted() const { return deleted_; }

 private:
  alignas(64) float floats_[24] = {0, 1, 2, 3, 4, 5};
  std::vector<int64_t> shape_, strides_;
  DLManagedTensor tensor_{};
  int deleted_ = 0;
};

// ---- Out ------------------------------------------------------------------------------------

TEST(DlpackOutTest, UniqueBytesBecomeATensorAtTheSameAddress) {
  Bytes bytes = fresh(96);
  const std::byte* const address = bytes.data();
  const CopyAudit audit;
  absl::StatusOr<ManagedTensor> tensor = to_tensor(std::move(bytes), floats({2, 3, 4}));
  ASSERT_TRUE(tensor.ok()) << tensor.status();
  const DLTensor& out = (*tensor)->dl_tensor;
  EXPECT_EQ(out.data, address);
  EXPECT_EQ(out.byte_offset, 0u);
  EXPECT_EQ(out.device.device_type, kDLCPU);
  EXPECT_EQ(out.device.device_id, 0);
  EXPECT_EQ(out.dtype.code, kDLFloat);
  EXPECT_EQ(out.dtype.bits, 32);
  EXPECT_EQ(out.dtype.lanes, 1);
  ASSERT_EQ(out.ndim, 3);
  EXPECT_EQ(std::vector<int64_t>(out.shape, out.shape + 3), (std::vector<int64_t>{2, 3, 4}));
  EXPECT_EQ(std::vector<int64_t>(out.strides, out.strides + 3), (std::vector<int64_t>{12, 4, 1}));
  EXPECT_TRUE(bytes.empty());
  EXPECT_EQ(audit.process(), CopyCounts{});
}

TEST(DlpackOutTest, TypesSayCodeAndBits) {
  const auto same = [](DLDataType a, DLDataType b) {
    return a.code == b.code && a.bits == b.bits && a.lanes == b.lanes;
  };
  EXPECT_TRUE(same(tensor_type<int8_t>(), {kDLInt, 8, 1}));
  EXPECT_TRUE(same(tensor_type<int64_t>(), {kDLInt, 64, 1}));
  EXPECT_TRUE(same(tensor_type<uint16_t>(), {kDLUInt, 16, 1}));
  EXPECT_TRUE(same(tensor_type<bool>(), {kDLUInt, 8, 1}));
  EXPECT_TRUE(same(tensor_type<double>(), {kDLFloat, 64, 1}));
  EXPECT_TRUE(same(tensor_type<std::complex<double>>(), {kDLComplex, 128, 1}));
}

TEST(DlpackOutTest, SharedStaticAndForeignBytesAreRefusedAndLoseNothing) {
  Bytes shared = fresh(16);
  const Bytes other = shared;
  Bytes constant = Bytes::from_static("sixteen bytes...");
  Bytes owned = Bytes::from_owner(std::vector<float>{1, 2, 3, 4});
  Bytes built;
  BytesBuilder builder(64);
  builder.append(pattern(16));
  built = builder.take();  // the builder goes on in the same block
  for (Bytes* bytes : {&shared, &constant, &owned, &built}) {
    const std::byte* const address = bytes->data();
    EXPECT_TRUE(
        refuses(to_tensor(std::move(*bytes), floats({4})).status(), kNotNow, "share_read_only()"));
    EXPECT_EQ(bytes->data(), address);
    EXPECT_EQ(bytes->size(), 16u);
  }
  EXPECT_EQ(shared, other);
}

TEST(DlpackOutTest, SharedBytesGoOutThroughTheNamedFunctionOnly) {
  const Bytes bytes = fresh(16);
  absl::StatusOr<ManagedTensor> one = share_read_only(bytes, floats({4}));
  absl::StatusOr<ManagedTensor> two = share_read_only(bytes, floats({2, 2}));
  ASSERT_TRUE(one.ok() && two.ok());
  EXPECT_EQ((*one)->dl_tensor.data, bytes.data());
  EXPECT_EQ((*two)->dl_tensor.data, bytes.data());
  EXPECT_FALSE(bytes.is_unique());
  one->reset();
  two->reset();
  EXPECT_TRUE(bytes.is_unique());
}

TEST(DlpackOutTest, ReleasesTheBytesOnceWhenTheDeleterRuns) {
  int released = 0;
  absl::StatusOr<ManagedTensor> tensor =
      share_read_only(counted(pattern(64), released), {.shape = {64}});
  ASSERT_TRUE(tensor.ok());
  EXPECT_EQ(released, 0);
  DLManagedTensor* const raw = tensor->release();
  raw->deleter(raw);
  EXPECT_EQ(released, 1);
}

TEST(DlpackOutTest, TheDeleterRunsOnAnotherThread) {
  std::thread::id dropped_on;
  const std::string text = pattern(64);
  Bytes bytes = Bytes::with_release(std::as_bytes(std::span(text)),
                                    [&] { dropped_on = std::this_thread::get_id(); });
  absl::StatusOr<ManagedTensor> tensor = share_read_only(std::move(bytes), {.shape = {64}});
  ASSERT_TRUE(tensor.ok());
  std::thread::id other;
  std::thread([&, raw = tensor->release()] {
    other = std::this_thread::get_id();
    raw->deleter(raw);
  }).join();
  EXPECT_EQ(dropped_on, other);
  EXPECT_NE(dropped_on, std::this_thread::get_id());
}

TEST(DlpackOutTest, ThreadsDropTensorsOfOneBlockAtOnce) {
  int released = 0;
  Bytes bytes = counted(pattern(4096), released);
  std::vector<std::thread> threads;
  for (int i = 0; i < 4; ++i) {
    std::vector<DLManagedTensor*> tensors;
    for (int k = 0; k < 100; ++k) {
      absl::StatusOr<ManagedTensor> tensor = share_read_only(bytes, {.shape = {4096}});
      ASSERT_TRUE(tensor.ok());
      tensors.push_back(tensor->release());
    }
    threads.emplace_back([tensors] {
      for (DLManagedTensor* raw : tensors) raw->deleter(raw);
    });
  }
  bytes.clear();
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(released, 1);
}

TEST(DlpackOutTest, NoDimensionsAreOneElement) {
  Bytes bytes = fresh(4);
  absl::StatusOr<ManagedTensor> tensor = to_tensor(std::move(bytes), floats({}));
  ASSERT_TRUE(tensor.ok()) << tensor.status();
  EXPECT_EQ((*tensor)->dl_tensor.ndim, 0);
  Bytes three = fresh(3);
  EXPECT_TRUE(refuses(to_tensor(std::move(three), floats({})).status(), kOutside,
                      "shape [] takes 0 bytes in front of offset 0 and 4 from there on, of 3"));
}

TEST(DlpackOutTest, SizesOfZeroNeedNoBytes) {
  absl::StatusOr<ManagedTensor> tensor = to_tensor(Bytes(), floats({3, 0, 5}));
  ASSERT_TRUE(tensor.ok()) << tensor.status();
  EXPECT_EQ((*tensor)->dl_tensor.data, nullptr);
  EXPECT_EQ((*tensor)->dl_tensor.shape[1], 0);
  // Strides that would lead anywhere lead nowhere.
  EXPECT_TRUE(to_tensor(Bytes(), floats({3, 0}, {kHuge, kLeast})).ok());
  EXPECT_TRUE(refuses(to_tensor(Bytes(), floats({0}, {}, 1)).status(), kOutside, "offset 1"));
  EXPECT_TRUE(
      refuses(to_tensor(Bytes(), floats({0, kHuge, kHuge})).status(), kInvalid, "any memory"));
}

TEST(DlpackOutTest, EveryElementMustLieInside) {
  struct Case {
    std::vector<int64_t> shape, strides;
    uint64_t offset;
    bool fits;
  };
  // 64 bytes: 16 floats.
  for (const Case& c : std::vector<Case>{
           {{16}, {}, 0, true},
           {{17}, {}, 0, false},
           {{15}, {}, 4, true},
           {{16}, {}, 4, false},
           {{4, 4}, {1, 4}, 0, true},  // by columns
           {{4, 4}, {4, 1}, 0, true},
           {{4, 4}, {5, 1}, 0, false},
           {{3, 4}, {6, 1}, 0, true},  // rows with gaps: 2 * 6 + 3 = 15
           {{8}, {2}, 4, true},        // every second one
           {{8}, {2}, 8, false},
           {{16}, {-1}, 60, true},  // backwards
           {{16}, {-1}, 56, false},
           {{16}, {-1}, 0, false},
           {{4, 4}, {-4, 1}, 48, true},     // upside down
           {{4, 4}, {-4, 1}, 52, false},    // the last row reaches outside
           {{4, 4}, {-4, 1}, 44, false},    // the first one does
           {{1000, 16}, {0, 1}, 0, true},   // the same row again and again
           {{1, 16}, {kHuge, 1}, 0, true},  // a stride of one element is not gone
           {{1, 16}, {kLeast, 1}, 0, true},
           {{1}, {}, 60, true},
           {{1}, {}, 64, false},
           {{1}, {}, std::numeric_limits<uint64_t>::max(), false},
           {{1}, {}, std::numeric_limits<uint64_t>::max() - 3, false},
       }) {
    Bytes bytes = fresh(64);
    const absl::StatusOr<ManagedTensor> tensor =
        to_tensor(std::move(bytes), floats(c.shape, c.strides, c.offset));
    EXPECT_EQ(tensor.ok(), c.fits) << internal::list_of(c.shape) << internal::list_of(c.strides)
                                   << c.offset << tensor.status();
    if (!c.fits) {
      EXPECT_TRUE(refuses(tensor.status(), kOutside, "of 64"));
      EXPECT_EQ(bytes.size(), 64u);
    }
  }
}

TEST(DlpackOutTest, TheOffsetIsInTheAddress) {
  Bytes bytes = fresh(64);
  const std::byte* const address = bytes.data();
  absl::StatusOr<ManagedTensor> tensor = to_tensor(std::move(bytes), floats({16}, {-1}, 60));
  ASSERT_TRUE(tensor.ok());
  EXPECT_EQ((*tensor)->dl_tensor.data, address + 60);
  EXPECT_EQ((*tensor)->dl_tensor.byte_offset, 0u);
  EXPECT_EQ((*tensor)->dl_tensor.strides[0], -1);
}

TEST(DlpackOutTest, ProductsAndSumsThatRunOverAreRefused) {
  for (const std::vector<int64_t>& shape : std::vector<std::vector<int64_t>>{
           {kHuge},
           {kHuge, kHuge},
           {int64_t{1} << 32, int64_t{1} << 32},  // 2^64: 0 when it wraps
           {int64_t{1} << 31, int64_t{1} << 31},  // 2^62 floats: 2^64 bytes
           {3, int64_t{1} << 62, 4},
       }) {
    Bytes bytes = fresh(64);
    EXPECT_TRUE(
        refuses(to_tensor(std::move(bytes), floats(shape)).status(), kInvalid, "any memory"));
    EXPECT_EQ(bytes.size(), 64u);
  }
  for (const std::vector<int64_t>& strides : std::vector<std::vector<int64_t>>{
           {kHuge, 1}, {kLeast, 1}, {1, kLeast}, {int64_t{1} << 61, 1}, {kHuge / 4, kHuge / 4}}) {
    Bytes bytes = fresh(64);
    EXPECT_TRUE(refuses(to_tensor(std::move(bytes), floats({3, 3}, strides)).status(), kInvalid,
                        "reaches beyond any memory"));
  }
}

TEST(DlpackOutTest, LayoutsThatCannotBeAreRefused) {
  Bytes bytes = fresh(64);
  const auto refused = [&](const TensorLayout& layout, const std::string& words) {
    return refuses(to_tensor(std::move(bytes), layout).status(), kInvalid, words);
  };
  EXPECT_TRUE(refused(floats({2, -3}), "dimension 1 has size -3"));
  EXPECT_TRUE(refused(floats({2, 3}, {1}), "1 strides for 2 dimensions"));
  EXPECT_TRUE(refused(floats({}, {1}), "1 strides for 0 dimensions"));
  EXPECT_TRUE(refused(floats(std::vector<int64_t>(65, 1)), "65 dimensions; at most 64"));
  EXPECT_TRUE(refused({.type = {kDLOpaqueHandle, 64, 1}, .shape = {1}}, "type code 3"));
  EXPECT_TRUE(refused({.type = {77, 32, 1}, .shape = {1}}, "type code 77"));
  EXPECT_TRUE(refused({.type = {kDLUInt, 4, 1}, .shape = {1}}, "elements of 4 bits"));
  EXPECT_TRUE(refused({.type = {kDLUInt, 0, 1}, .shape = {1}}, "elements of 0 bits"));
  EXPECT_TRUE(refused({.type = {kDLUInt, 24, 1}, .shape = {1}}, "elements of 24 bits"));
  EXPECT_TRUE(refused({.type = {kDLFloat, 32, 0}, .shape = {1}}, "0 lanes"));
  EXPECT_TRUE(refused({.shape = {1}, .alignment = 48}, "alignment 48 is not a power of two"));
  EXPECT_EQ(bytes.size(), 64u);
  EXPECT_TRUE(to_tensor(std::move(bytes), floats(std::vector<int64_t>(64, 1))).ok());
}

TEST(DlpackOutTest, LanesMakeAnElementLonger) {
  Bytes bytes = fresh(64);
  EXPECT_TRUE(
      refuses(to_tensor(std::move(bytes), {.type = {kDLFloat, 32, 4}, .shape = {5}}).status(),
              kOutside, "80 from there on, of 64"));
  EXPECT_TRUE(to_tensor(std::move(bytes), {.type = {kDLFloat, 32, 4}, .shape = {4}}).ok());
  Bytes odd = fresh(64);  // three lanes of two bytes: aligned as one of them
  EXPECT_TRUE(
      to_tensor(std::move(odd), {.type = {kDLInt, 16, 3}, .shape = {10}, .byte_offset = 2}).ok());
}

TEST(DlpackOutTest, TheAddressMustBeAlignedForTheElement) {
  const Bytes bytes = fresh(64);
  const auto status = [&](DLDataType type, uint64_t offset, size_t alignment = 0) {
    return share_read_only(
               bytes, {.type = type, .shape = {1}, .byte_offset = offset, .alignment = alignment})
        .status();
  };
  EXPECT_TRUE(status(tensor_type<uint8_t>(), 1).ok());
  EXPECT_TRUE(refuses(status(tensor_type<float>(), 2), kInvalid,
                      "address is 2 bytes behind a multiple of 4"));
  EXPECT_TRUE(refuses(status(tensor_type<int64_t>(), 4), kInvalid, "4 bytes behind"));
  EXPECT_TRUE(status(tensor_type<std::complex<float>>(), 4).ok());
  EXPECT_TRUE(status(tensor_type<std::complex<double>>(), 8).ok());
  EXPECT_FALSE(status(tensor_type<std::complex<double>>(), 4).ok());
  EXPECT_TRUE(status(tensor_type<float>(), 0, 64).ok());
  EXPECT_TRUE(refuses(status(tensor_type<float>(), 32, 64), kInvalid, "32 bytes behind"));
  EXPECT_TRUE(status(tensor_type<float>(), 2, 1).ok());  // asked for less: as you like
}

// ---- In -------------------------------------------------------------------------------------

TEST(DlpackInTest, ATensorBecomesBytesAtTheSameAddress) {
  Foreign foreign({2, 3, 4});
  const CopyAudit audit;
  {
    const absl::StatusOr<Bytes> bytes = to_bytes(foreign.owned());
    ASSERT_TRUE(bytes.ok()) << bytes.status();
    EXPECT_EQ(static_cast<const void*>(bytes->data()), foreign.in().data);
    EXPECT_EQ(bytes->size(), 96u);
    EXPECT_EQ((*bytes->try_as<float>())[5], 5.0f);
    EXPECT_FALSE(bytes->is_unique());  // another library may still see it
    const Bytes part = bytes->slice(4, 8);
    EXPECT_EQ(foreign.deleted(), 0);
  }
  EXPECT_EQ(foreign.deleted(), 1);
  EXPECT_EQ(audit.process().copied, 0u);
}

TEST(DlpackInTest, TheLastHandleCallsTheDeleterOnItsThread) {
  Foreign foreign({24});
  absl::StatusOr<Bytes> bytes = to_bytes(foreign.owned());
  ASSERT_TRUE(bytes.ok());
  std::thread([last = *std::move(bytes)]() mutable { last.clear(); }).join();
  EXPECT_EQ(foreign.deleted(), 1);
}

TEST(DlpackInTest, TheTensorCanBeTakenOutAgain) {
  Foreign foreign({24});
  absl::StatusOr<Bytes> bytes = to_bytes(foreign.owned());
  ASSERT_TRUE(bytes.ok());
  std::optional<ManagedTensor> back = (*std::move(bytes)).try_take_owner<ManagedTensor>();
  ASSERT_TRUE(back);
  EXPECT_EQ(back->get(), &foreign.managed());
  EXPECT_EQ(foreign.deleted(), 0);
  back->reset();
  EXPECT_EQ(foreign.deleted(), 1);
}

TEST(DlpackInTest, ATensorOfOursIsTheHandleThatItWasMadeFrom) {
  Bytes bytes = fresh(64);
  const std::byte* const address = bytes.data();
  absl::StatusOr<ManagedTensor> tensor = to_tensor(std::move(bytes), floats({15}, {}, 4));
  ASSERT_TRUE(tensor.ok());
  static_cast<float*>((*tensor)->dl_tensor.data)[0] = 7.0f;
  absl::StatusOr<Bytes> back = to_bytes(*std::move(tensor));
  ASSERT_TRUE(back.ok()) << back.status();
  EXPECT_EQ(back->data(), address + 4);
  EXPECT_EQ(back->size(), 60u);
  EXPECT_TRUE(back->is_unique());
  EXPECT_EQ((*back->try_as<float>())[0], 7.0f);
}

TEST(DlpackInTest, TheByteOffsetCounts) {
  Foreign foreign({4});
  foreign.in().byte_offset = 20;
  const absl::StatusOr<Bytes> bytes = to_bytes(foreign.owned());
  ASSERT_TRUE(bytes.ok());
  EXPECT_EQ((*bytes->try_as<float>())[0], 5.0f);
  EXPECT_EQ(bytes->size(), 16u);
}

TEST(DlpackInTest, StridesWrittenOutAreCompactToo) {
  Foreign foreign({2, 3, 4}, {12, 4, 1});
  EXPECT_TRUE(to_bytes(foreign.owned()).ok());
  Foreign single({2, 1, 4}, {4, 77, 1});  // a dimension of one element has any stride
  EXPECT_TRUE(to_bytes(single.owned()).ok());
}

TEST(DlpackInTest, NoDimensionsAreOneElement) {
  Foreign foreign({});
  const absl::StatusOr<Bytes> bytes = to_bytes(foreign.owned());
  ASSERT_TRUE(bytes.ok());
  EXPECT_EQ(bytes->size(), 4u);
}

TEST(DlpackInTest, ATensorWithoutElementsIsDeletedAtOnce) {
  Foreign foreign({4, 0});
  foreign.in().data = nullptr;
  const absl::StatusOr<Bytes> bytes = to_bytes(foreign.owned());
  ASSERT_TRUE(bytes.ok()) << bytes.status();
  EXPECT_TRUE(bytes->empty());
  EXPECT_EQ(foreign.deleted(), 1);
  Bytes none;
  absl::StatusOr<ManagedTensor> ours = to_tensor(std::move(none), floats({0}));
  ASSERT_TRUE(ours.ok());
  EXPECT_TRUE(to_bytes(*std::move(ours)).ok());
}

TEST(DlpackInTest, ATensorWithoutADeleterIsOnlyLookedAt) {
  Foreign foreign({4});
  foreign.managed().deleter = nullptr;
  absl::StatusOr<Bytes> bytes = to_bytes(foreign.owned());
  ASSERT_TRUE(bytes.ok());
  bytes->clear();
  EXPECT_EQ(foreign.deleted(), 0);
}

TEST(DlpackInTest, GapsAndOtherOrdersAreRefusedAndTheTensorStays) {
  for (const std::vector<int64_t>& strides :
       std::vector<std::vector<int64_t>>{{1, 2}, {4, 1}, {-3, 1}, {0, 1}, {3, 2}}) {
    Foreign foreign({2, 3}, strides);
    foreign.in().byte_offset = 12;
    ManagedTensor tensor = foreign.owned();
    EXPECT_TRUE(
        refuses(to_bytes(std::move(tensor)).status(), kNotNow, "are not the compact [3, 1]"))
        << internal::list_of(strides);
    EXPECT_NE(tensor, nullptr);
    EXPECT_EQ(foreign.deleted(), 0);
    const absl::StatusOr<TensorLayout> layout = layout_of(foreign.in());
    ASSERT_TRUE(layout.ok());
    EXPECT_EQ(layout->strides, strides);
  }
}

TEST(DlpackInTest, OtherDevicesAreRefused) {
  Foreign foreign({4});
  foreign.in().device = {kDLCUDA, 1};
  ManagedTensor tensor = foreign.owned();
  EXPECT_TRUE(refuses(to_bytes(std::move(tensor)).status(), kNotNow, "device type 2"));
  EXPECT_NE(tensor, nullptr);
}

TEST(DlpackInTest, UnsoundTensorsAreRefused) {
  const auto refused = [](auto break_it, const std::string& words) {
    Foreign foreign({2, 3}, {3, 1});
    break_it(foreign.in());
    ManagedTensor tensor = foreign.owned();
    const absl::Status status = to_bytes(std::move(tensor)).status();
    if (tensor == nullptr || foreign.deleted() != 0) {
      return testing::AssertionFailure() << "the tensor is gone";
    }
    EXPECT_EQ(layout_of(foreign.in()).status(), status);
    return refuses(status, kInvalid, words);
  };
  EXPECT_TRUE(refused([](DLTensor& t) { t.ndim = -1; }, "-1 dimensions"));
  EXPECT_TRUE(refused([](DLTensor& t) { t.ndim = 65; }, "65 dimensions"));
  EXPECT_TRUE(refused([](DLTensor& t) { t.shape = nullptr; }, "2 dimensions and no shape"));
  EXPECT_TRUE(refused([](DLTensor& t) { t.shape[1] = -1; }, "dimension 1 has size -1"));
  EXPECT_TRUE(refused([](DLTensor& t) { t.shape[0] = t.shape[1] = kHuge; }, "any memory"));
  EXPECT_TRUE(refused([](DLTensor& t) { t.strides[0] = kHuge; }, "stride 9223372036854775807"));
  EXPECT_TRUE(refused([](DLTensor& t) { t.strides[1] = kLeast; }, "stride -9223372036854775808"));
  EXPECT_TRUE(refused([](DLTensor& t) { t.data = nullptr; }, "address 0"));
  EXPECT_TRUE(refused([](DLTensor& t) { t.byte_offset = 2; }, "2 bytes behind a multiple of 4"));
  EXPECT_TRUE(
      refused([](DLTensor& t) { t.byte_offset = ~uint64_t{0} - 3; }, "around the end of memory"));
  EXPECT_TRUE(refused([](DLTensor& t) { t.strides[0] = -(kHuge / 8); }, "the end of memory"));
  EXPECT_TRUE(refused([](DLTensor& t) { t.dtype.lanes = 0; }, "0 lanes"));
  EXPECT_TRUE(refused([](DLTensor& t) { t.dtype.bits = 1; }, "elements of 1 bits"));
  EXPECT_TRUE(refused([](DLTensor& t) { t.dtype.code = kDLOpaqueHandle; }, "type code 3"));
  EXPECT_TRUE(refuses(to_bytes(ManagedTensor()).status(), kInvalid, "none"));
}

TEST(DlpackInTest, LanesCountAsPartOfTheElement) {
  Foreign foreign({6});
  foreign.in().dtype.lanes = 4;
  const absl::StatusOr<Bytes> bytes = to_bytes(foreign.owned());
  ASSERT_TRUE(bytes.ok());
  EXPECT_EQ(bytes->size(), 96u);
}

TEST(DlpackInTest, TheLayoutIsWhatTheTensorSays) {
  Foreign foreign({2, 3}, {3, 1});
  const absl::StatusOr<TensorLayout> layout = layout_of(foreign.in());
  ASSERT_TRUE(layout.ok());
  EXPECT_EQ(layout->shape, (std::vector<int64_t>{2, 3}));
  EXPECT_TRUE(layout->strides.empty());
  EXPECT_EQ(layout->type.bits, 32);
  EXPECT_EQ(layout->alignment, 4u);
  EXPECT_EQ(layout->byte_offset, 0u);
}

}  // namespace
}  // namespace bight
