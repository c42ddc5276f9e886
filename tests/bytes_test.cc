#include "bight/bytes.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <cstdint>
#include <cstdlib>
#include <deque>
#include <list>
#include <map>
#include <memory>
#include <ranges>
#include <set>
#include <span>
#include <sstream>
#include <stdexcept>
#include <string>
#include <string_view>
#include <type_traits>
#include <unordered_map>
#include <unordered_set>
#include <utility>
#include <vector>

#include "bight/bytes_builder.h"
#include "bight/chain.h"
#include "bight/copy_audit.h"
#include "bight/hash.h"
#include "tests/support/access.h"
#include "tests/support/counted_owner.h"
#include "tests/support/generated_range.h"

namespace {

using bight::Bytes;
using bight::BytesBuilder;
using bight::ByteView;
using bight::CopyAudit;
using bight::internal::Access;
using bight_test::CountedOwner;
using bight_test::CountedRelease;
using bight_test::CountingResource;
using bight_test::pattern;
using bight_test::Released;

constexpr size_t kMost = static_cast<size_t>(-1);

std::string text_of(const Bytes& bytes) { return std::string(bytes.view()); }

// ---- Make -----------------------------------------------------------------------------------

TEST(BytesTest, SizesAndMovesAreAsPromised) {  // slice-A02
  EXPECT_EQ(sizeof(Bytes), 3 * sizeof(void*));
  EXPECT_TRUE(std::is_nothrow_move_constructible_v<Bytes>);
  EXPECT_TRUE(std::is_nothrow_move_assignable_v<Bytes>);
  EXPECT_TRUE(std::is_nothrow_copy_constructible_v<Bytes>);
  EXPECT_TRUE(std::is_nothrow_swappable_v<Bytes>);
  EXPECT_TRUE(std::is_nothrow_default_constructible_v<Bytes>);
  EXPECT_FALSE(std::is_copy_constructible_v<BytesBuilder>);
}

TEST(BytesTest, EmptyAllocatesNothing) {  // slice-B03
  const CopyAudit audit;
  const Bytes none;
  const Bytes copy = none;
  EXPECT_TRUE(none.empty());
  EXPECT_EQ(none.size(), 0u);
  EXPECT_EQ(copy, "");
  EXPECT_EQ(Access::block(none), nullptr);
  EXPECT_EQ(none.retained_size(), 0u);
  EXPECT_EQ(audit.thread().blocks, 0u);
  const BytesBuilder builder;
  EXPECT_TRUE(builder.empty());
  EXPECT_EQ(builder.size(), 0u);
  EXPECT_EQ(audit.thread().blocks, 0u);
}

TEST(BytesTest, CopyOfIsIndependentOfItsSource) {  // slice-B11
  std::string source = "hello";
  const CopyAudit audit;
  const Bytes copy = Bytes::copy_of(source);
  source[0] = 'j';
  EXPECT_EQ(copy, "hello");
  EXPECT_NE(copy.chars(), source.data());
  EXPECT_EQ(audit.thread().copied, 5u);
  EXPECT_EQ(audit.thread().blocks, 1u);
  const Bytes empty = Bytes::copy_of("");
  EXPECT_EQ(Access::block(empty), nullptr);
  EXPECT_EQ(audit.thread().blocks, 1u);
  EXPECT_EQ(audit.thread().copied, 5u);
}

TEST(BytesTest, CopyOfEverySizeAroundTheShapesOfBlocks) {
  for (const size_t size :
       {size_t{1}, size_t{15}, size_t{16}, size_t{17}, size_t{1023}, size_t{1024}, size_t{1025},
        size_t{4095}, size_t{4096}, size_t{4097}, size_t{65536}, (size_t{2} << 20) - 1,
        size_t{2} << 20, (size_t{2} << 20) + 1, size_t{5} << 20}) {
    const std::string text = pattern(size);
    const Bytes bytes = Bytes::copy_of(text);
    EXPECT_TRUE(bytes == text) << size;
    const uintptr_t alignment = size >= 4096 ? 64 : 16;
    EXPECT_EQ(reinterpret_cast<uintptr_t>(bytes.data()) % alignment, 0u) << size;
    EXPECT_TRUE(bytes.is_unique());
  }
}

TEST(BytesTest, CollectsFromARangeWithoutSize) {  // slice-B10
  std::vector<uint8_t> wanted;
  for (int i = 0; i < 200; i += 2) wanted.push_back(static_cast<uint8_t>(i));
  BytesBuilder builder;
  builder.append_range(
      bight_test::GeneratedRange(100, [](size_t i) { return static_cast<char>(2 * i); }));
  EXPECT_EQ(std::move(builder).freeze(), wanted);
}

TEST(BytesTest, LiteralHasNeitherAllocationNorCount) {
  const CopyAudit audit;
  const Bytes hello = Bytes::from_static("hello");
  const Bytes copy = hello;
  EXPECT_EQ(copy.data(), hello.data());
  EXPECT_EQ(copy, "hello");
  EXPECT_EQ(Access::block(hello), nullptr);
  EXPECT_EQ(hello.retained_size(), 0u);
  EXPECT_EQ(audit.thread().blocks, 0u);
}

TEST(BytesTest, LiteralKeepsNulsInsideAndDropsTheLast) {
  EXPECT_EQ(Bytes::from_static("a\0b").size(), 3u);
  EXPECT_EQ(Bytes::from_static("a\0b"), std::string("a\0b", 3));
  EXPECT_EQ(Bytes::from_static("").size(), 0u);
  EXPECT_EQ(Bytes::copy_of("a\0b").size(), 3u);
}

constexpr std::byte kStaticArray[] = {std::byte{1}, std::byte{2}};
constexpr std::string_view kStaticView = "static view";

TEST(BytesTest, StaticFormsReferToTheirStorage) {
  EXPECT_EQ(Bytes::from_static(kStaticArray).data(), kStaticArray);
  EXPECT_EQ(Bytes::from_static(kStaticArray).size(), 2u);
  EXPECT_EQ(Bytes::from_static(kStaticView).chars(), kStaticView.data());
  EXPECT_EQ(Bytes::from_static(std::span<const std::byte>(kStaticArray)).size(), 2u);
  static const std::string made_once = "made at run time";
  const Bytes unchecked = Bytes::from_static_unchecked(made_once);
  EXPECT_EQ(unchecked.chars(), made_once.data());
  EXPECT_EQ(unchecked.retained_size(), 0u);
}

// ---- from_owner -----------------------------------------------------------------------------

TEST(BytesTest, FromOwnerTakesEveryKindOfContainer) {
  EXPECT_EQ(Bytes::from_owner(std::string("text")), "text");
  EXPECT_EQ(Bytes::from_owner(std::string(100, 'x')), std::string(100, 'x'));
  EXPECT_EQ(Bytes::from_owner(std::u8string(u8"text")), "text");
  EXPECT_EQ(Bytes::from_owner(std::vector<char>{'a', 'b'}), "ab");
  EXPECT_EQ(Bytes::from_owner(std::vector<std::byte>{std::byte{'a'}}), "a");
  EXPECT_EQ(Bytes::from_owner(std::array<char, 3>{'a', 'b', 'c'}), "abc");
  EXPECT_EQ(Bytes::from_owner(std::pmr::string("pmr")), "pmr");
  const Bytes numbers = Bytes::from_owner(std::vector<uint32_t>{1, 2, 3});
  EXPECT_EQ(numbers.size(), 12u);
  EXPECT_EQ(numbers.try_as<uint32_t>().value()[2], 3u);
  EXPECT_EQ(Bytes::from_owner(Bytes::copy_of("bytes themselves")), "bytes themselves");
}

TEST(BytesTest, ShortStringStaysReadableWhereverTheHandleGoes) {
  // The characters of a short string lie in the string: its address is taken after the move.
  Bytes bytes = Bytes::from_owner(std::string("sso"));
  const std::byte* const place = bytes.data();
  std::vector<Bytes> many;
  many.push_back(std::move(bytes));
  for (int i = 0; i < 100; ++i) many.push_back(Bytes::copy_of("x"));
  EXPECT_EQ(many[0].data(), place);
  EXPECT_EQ(many[0], "sso");
}

TEST(BytesTest, OwnersStorageIsNotCopied) {  // slice-B05
  std::vector<char> full(100, 'x');
  full.shrink_to_fit();
  const char* const place = full.data();
  const CopyAudit audit;
  const Bytes bytes = Bytes::from_owner(std::move(full));
  const Bytes copy = bytes;
  EXPECT_EQ(bytes.chars(), place);
  EXPECT_EQ(copy.chars(), place);
  EXPECT_EQ(audit.thread().copied, 0u);
}

TEST(BytesTest, OwnerWithSpareCapacityComesBackWithIt) {  // slice-B06
  std::vector<char> spare;
  spare.reserve(10);
  spare.assign(7, 'x');
  const char* const place = spare.data();
  Bytes bytes = Bytes::from_owner(std::move(spare));
  EXPECT_EQ(bytes.chars(), place);
  std::optional<std::vector<char>> back = std::move(bytes).try_take_owner<std::vector<char>>();
  ASSERT_TRUE(back.has_value());
  EXPECT_EQ(back->size(), 7u);
  EXPECT_EQ(back->capacity(), 10u);
  EXPECT_EQ(back->data(), place);
  EXPECT_TRUE(bytes.empty());
}

TEST(BytesTest, OwnerComesBackWholeFromASlice) {  // slice-I07
  std::vector<char> seven{'0', '1', '2', '3', '4', '5', '6'};
  seven.reserve(10);
  const char* const place = seven.data();
  Bytes bytes = Bytes::from_owner(std::move(seven));
  bytes.remove_prefix(1);
  Bytes other = bytes;
  // Shared: the owner stays, and the bytes can be had by copying.
  EXPECT_FALSE(std::move(bytes).try_take_owner<std::vector<char>>().has_value());
  EXPECT_EQ(bytes, "123456");
  const std::vector<std::byte> copied(bytes.begin(), bytes.end());
  EXPECT_EQ(copied.size(), 6u);
  EXPECT_NE(copied.data(), bytes.data());
  other.clear();
  const auto back = std::move(bytes).try_take_owner<std::vector<char>>();
  ASSERT_TRUE(back.has_value());
  EXPECT_EQ(back->data(), place);
  EXPECT_EQ(back->size(), 7u);
  EXPECT_EQ(back->capacity(), 10u);
}

TEST(BytesTest, OwnerWithoutBytesButWithCapacityIsFreedAtOnce) {  // slice-B07
  std::vector<char> one;
  one.reserve(1);
  const Bytes bytes = Bytes::from_owner(std::move(one));
  EXPECT_TRUE(bytes.empty());
  EXPECT_EQ(Access::block(bytes), nullptr);
}

TEST(BytesTest, EmptyOwnerIsDestroyedOnceAndPinsNothing) {  // slice-B08
  int alive = 0;
  const Bytes bytes = Bytes::from_owner(CountedOwner("", alive));
  EXPECT_EQ(alive, 0);
  EXPECT_TRUE(bytes.empty());
  EXPECT_TRUE(Bytes::from_owner(std::array<char, 0>{}).empty());
}

TEST(BytesTest, OwnerLivesAsLongAsAnyHandle) {  // slice-G01
  int alive = 0;
  Bytes bytes = Bytes::from_owner(CountedOwner("1234567", alive));
  EXPECT_EQ(alive, 1);
  EXPECT_EQ(bytes.size(), 7u);
  EXPECT_EQ(bytes, "1234567");
  EXPECT_FALSE(bytes.is_unique());  // read-only: whose bytes they are is not for us to say
  Bytes copy = bytes;
  Bytes part = bytes.slice(2, 2);
  EXPECT_EQ(copy.data(), bytes.data());
  bytes.clear();
  copy.clear();
  EXPECT_EQ(alive, 1);
  EXPECT_EQ(part, "34");
  part.clear();
  EXPECT_EQ(alive, 0);
}

TEST(BytesTest, ForeignBytesBecomeABuilderOnlyByCopying) {  // slice-G03
  int alive = 0;
  Bytes bytes = Bytes::from_owner(CountedOwner("owned", alive));
  EXPECT_FALSE(std::move(bytes).try_into_builder().has_value());
  EXPECT_EQ(bytes, "owned");
  EXPECT_EQ(alive, 1);
  EXPECT_FALSE(bytes.try_mutable().has_value());
  BytesBuilder builder = std::move(bytes).into_builder();
  EXPECT_EQ(builder.view(), "owned");
  EXPECT_EQ(alive, 0);
  EXPECT_TRUE(bytes.empty());
}

TEST(BytesTest, CopyingOutLeavesTheOwnerAlive) {  // slice-G04
  int alive = 0;
  Bytes bytes = Bytes::from_owner(CountedOwner("owned", alive));
  const std::string copy(bytes.view());
  EXPECT_EQ(copy, "owned");
  EXPECT_EQ(alive, 1);
  const std::vector<std::byte> vector(bytes.begin(), bytes.end());
  bytes.clear();
  EXPECT_EQ(alive, 0);
  EXPECT_EQ(vector.size(), 5u);
}

TEST(BytesTest, SliceOfNothingAndClearLetTheOwnerGo) {  // slice-G06
  int alive = 0;
  Bytes bytes = Bytes::from_owner(CountedOwner("owned", alive));
  const Bytes nothing = bytes.slice(2, 0);
  bytes.clear();
  EXPECT_EQ(alive, 0);
  EXPECT_TRUE(nothing.empty());
  // Dropping all bytes drops the owner too: an empty handle pins nothing.
  Bytes consumed = Bytes::from_owner(CountedOwner("owned", alive));
  consumed.remove_prefix(4);
  EXPECT_EQ(alive, 1);
  consumed.remove_prefix(1);
  EXPECT_EQ(alive, 0);
}

// An owner that counts how often it is asked for its bytes.
struct AskedOwner {
  std::string text;
  int* asked;
  const char* begin() const {
    ++*asked;
    return text.data();
  }
  const char* end() const { return text.data() + text.size(); }
  ~AskedOwner() = default;
  AskedOwner(std::string t, int* a) : text(std::move(t)), asked(a) {}
  AskedOwner(AskedOwner&&) = default;
  size_t size() const { return text.size(); }
};

TEST(BytesTest, OwnerIsAskedForItsBytesOnce) {  // slice-G07
  int asked = 0;
  const Bytes bytes = Bytes::from_owner(AskedOwner("text", &asked));
  EXPECT_EQ(asked, 1);
  EXPECT_EQ(bytes.slice(1, 2), "ex");
  EXPECT_EQ(text_of(bytes), "text");
  EXPECT_EQ(asked, 1);
}

#if BIGHT_HAS_EXCEPTIONS
struct ThrowingOwner {
  explicit ThrowingOwner(int& count) : alive(&count) { ++*alive; }
  ThrowingOwner(ThrowingOwner&& other) noexcept : alive(other.alive) { ++*alive; }
  ~ThrowingOwner() { --*alive; }
  const char* begin() const { throw std::runtime_error("no bytes"); }
  const char* end() const { return nullptr; }
  size_t size() const { return 1; }
  int* alive;
};

TEST(BytesTest, OwnerWhoseAccessorThrowsIsDestroyedOnce) {  // slice-G05
  int alive = 0;
  EXPECT_THROW((void)Bytes::from_owner(ThrowingOwner(alive)), std::runtime_error);
  EXPECT_EQ(alive, 0);
}

struct ThrowingMove {
  explicit ThrowingMove(int& count) : alive(&count) { ++*alive; }
  ThrowingMove(ThrowingMove&& other) : alive(other.alive) { throw std::runtime_error("stays"); }
  ~ThrowingMove() { --*alive; }
  int* alive;
};

TEST(BytesTest, OwnerThatCannotBeMovedLeaksNothing) {
  int alive = 0;
  static const std::string text = "text";
  EXPECT_THROW((void)Bytes::from_owner(ThrowingMove(alive), bight_test::span_of(text)),
               std::runtime_error);
  EXPECT_EQ(alive, 0);
}
#endif

struct alignas(64) AlignedOwner {
  std::array<char, 64> text{};
  ~AlignedOwner() {}
  AlignedOwner() = default;
  AlignedOwner(AlignedOwner&& other) noexcept : text(other.text) {}
  const char* begin() const { return text.data(); }
  const char* end() const { return text.data() + text.size(); }
};

TEST(BytesTest, StrictlyAlignedOwnerStaysAligned) {
  AlignedOwner owner;
  owner.text[0] = 'a';
  const Bytes bytes = Bytes::from_owner(std::move(owner));
  EXPECT_EQ(reinterpret_cast<uintptr_t>(bytes.data()) % 64, 0u);
  EXPECT_EQ(bytes.chars()[0], 'a');
}

TEST(BytesTest, FromOwnerWithASpanTakesAnyMovableOwner) {
  auto shared = std::make_shared<std::string>("shared string");
  std::weak_ptr<std::string> watch = shared;
  const std::span<const std::byte> bytes = bight_test::span_of(*shared);
  Bytes kept = Bytes::from_owner(std::move(shared), bytes.subspan(7));
  EXPECT_EQ(kept, "string");
  EXPECT_FALSE(watch.expired());
  kept.clear();
  EXPECT_TRUE(watch.expired());

  auto unique = std::make_unique<char[]>(3);
  std::copy_n("abc", 3, unique.get());
  const ByteView view(unique.get(), 3);
  EXPECT_EQ(Bytes::from_owner(std::move(unique), view.span()), "abc");
}

TEST(BytesTest, FromOwnerWithoutBytesDestroysTheOwnerAtOnce) {
  auto shared = std::make_shared<int>(1);
  std::weak_ptr<int> watch = shared;
  EXPECT_TRUE(Bytes::from_owner(std::move(shared), {}).empty());
  EXPECT_TRUE(watch.expired());
}

TEST(BytesTest, TryTakeOwnerNeedsTheRightTypeAndASoleHandle) {
  Bytes bytes = Bytes::from_owner(std::string("some text that is not short at all"));
  EXPECT_FALSE(std::move(bytes).try_take_owner<std::vector<char>>().has_value());
  EXPECT_EQ(bytes.size(), 34u);
  EXPECT_EQ(std::move(bytes).try_take_owner<std::string>(), "some text that is not short at all");
  EXPECT_TRUE(bytes.empty());

  Bytes copied = Bytes::copy_of("copied");
  EXPECT_FALSE(std::move(copied).try_take_owner<std::string>().has_value());
  EXPECT_EQ(copied, "copied");
  Bytes fixed = Bytes::from_static("static");
  EXPECT_FALSE(std::move(fixed).try_take_owner<std::string>().has_value());
  Bytes none;
  EXPECT_FALSE(std::move(none).try_take_owner<std::string>().has_value());
  Released released;
  static const std::string text = "foreign";
  Bytes foreign = bight_test::shared_text(text, released);
  EXPECT_FALSE(std::move(foreign).try_take_owner<CountedRelease>().has_value());
  EXPECT_EQ(released.calls, 0);
}

TEST(BytesTest, TryTakeOwnerWorksForOwnersGivenWithASpan) {
  auto shared = std::make_shared<std::string>("text");
  const std::span<const std::byte> bytes = bight_test::span_of(*shared);
  Bytes kept = Bytes::from_owner(std::move(shared), bytes);
  std::optional<std::shared_ptr<std::string>> back =
      std::move(kept).try_take_owner<std::shared_ptr<std::string>>();
  ASSERT_TRUE(back.has_value());
  EXPECT_EQ(**back, "text");
  EXPECT_EQ(back->use_count(), 1);
}

// ---- with_release ---------------------------------------------------------------------------

const std::string kForeign = "foreign bytes";

TEST(BytesTest, ReleaseRunsOnceWithTheOriginalBytes) {  // buf-B12
  Released released;
  Bytes bytes = bight_test::shared_text(kForeign, released);  // move-only: it cannot be copied
  EXPECT_EQ(bytes.chars(), kForeign.data());
  std::vector<Bytes> parts;
  for (size_t i = 0; i < 4; ++i) parts.push_back(bytes.split_to(3));
  bytes.clear();
  parts.erase(parts.begin(), parts.begin() + 3);
  EXPECT_EQ(released.calls, 0);
  parts.clear();
  EXPECT_EQ(released.calls, 1);
  EXPECT_EQ(released.data, ByteView(kForeign).data());
  EXPECT_EQ(released.size, kForeign.size());
  EXPECT_EQ(released.thread, std::this_thread::get_id());
}

TEST(BytesTest, ManySmallCutsOfForeignBytesReleaseThemOnce) {  // buf-B11
  const std::string page = pattern(4096);
  Released released;
  Bytes rest = bight_test::shared_text(page, released);
  std::vector<Bytes> cuts;
  for (int i = 0; i < 256; ++i) cuts.push_back(rest.split_to(16));
  EXPECT_TRUE(rest.empty());
  while (cuts.size() > 1) cuts.erase(cuts.begin());
  EXPECT_EQ(released.calls, 0);
  cuts.clear();
  EXPECT_EQ(released.calls, 1);
  EXPECT_EQ(released.data, ByteView(page).data());
}

int function_calls = 0;
void count_plain() noexcept { ++function_calls; }
void count_with_bytes(std::span<const std::byte> bytes) noexcept {
  function_calls += static_cast<int>(bytes.size());
}

TEST(BytesTest, ReleaseMayBeAFunctionPointerOrReference) {
  function_calls = 0;
  (void)Bytes::with_release(bight_test::span_of(kForeign), &count_plain);
  EXPECT_EQ(function_calls, 1);
  (void)Bytes::with_release(bight_test::span_of(kForeign), count_with_bytes);
  EXPECT_EQ(function_calls, 1 + static_cast<int>(kForeign.size()));
}

TEST(BytesTest, ReleaseMayBeALambdaWithOrWithoutTheBytes) {
  int calls = 0;
  (void)Bytes::with_release(bight_test::span_of(kForeign), [&calls]() noexcept { ++calls; });
  EXPECT_EQ(calls, 1);
  (void)Bytes::with_release(bight_test::span_of(kForeign),
                            [&calls](std::span<const std::byte> bytes) noexcept {
                              if (bytes.size() == kForeign.size()) calls += 10;
                            });
  EXPECT_EQ(calls, 11);
  // By reference, and a named one, which is copied.
  auto named = [&calls]() noexcept { calls += 100; };
  (void)Bytes::with_release(bight_test::span_of(kForeign), std::ref(named));
  (void)Bytes::with_release(bight_test::span_of(kForeign), named);
  EXPECT_EQ(calls, 211);
}

TEST(BytesTest, ReleaseMayCarryMuchState) {
  std::array<char, 256> state{};
  state[255] = 'z';
  char seen = 0;
  char* const where = &seen;
  {
    const Bytes bytes = Bytes::with_release(bight_test::span_of(kForeign),
                                            [state, where]() noexcept { *where = state[255]; });
    EXPECT_EQ(seen, 0);
  }
  EXPECT_EQ(seen, 'z');
}

TEST(BytesTest, ReleaseOfStrictlyAlignedStateRuns) {
  struct alignas(128) State {
    int* calls;
    void operator()() noexcept {
      if (reinterpret_cast<uintptr_t>(this) % 128 == 0) ++*calls;
    }
  };
  int calls = 0;
  (void)Bytes::with_release(bight_test::span_of(kForeign), State{&calls});
  EXPECT_EQ(calls, 1);
}

TEST(BytesTest, ReleaseIsDestroyedAfterItRan) {
  std::vector<std::string> log;
  struct Logging {
    std::vector<std::string>* log;
    explicit Logging(std::vector<std::string>& l) : log(&l) {}
    Logging(Logging&& other) noexcept : log(std::exchange(other.log, nullptr)) {}
    ~Logging() {
      if (log != nullptr) log->push_back("destroyed");
    }
    void operator()() noexcept { log->push_back("called"); }
  };
  (void)Bytes::with_release(bight_test::span_of(kForeign), Logging(log));
  EXPECT_EQ(log, (std::vector<std::string>{"called", "destroyed"}));
}

TEST(BytesTest, ReleaseWithoutBytesRunsAtOnce) {  // buf-B04
  Released released;
  const Bytes bytes = Bytes::with_release({}, CountedRelease(released));
  EXPECT_EQ(released.calls, 1);
  EXPECT_TRUE(bytes.empty());
}

TEST(BytesTest, BorrowingAndOwningAreDifferentCalls) {  // buf-B13
  // Borrowed: dropping the last handle touches nothing.
  { const Bytes borrowed = Bytes::from_static_unchecked(kForeign); }
  EXPECT_EQ(kForeign, "foreign bytes");
  // Owned, with free: it is named, and it runs.
  void* const memory = std::malloc(16);
  ASSERT_NE(memory, nullptr);
  int freed = 0;
  {
    const Bytes owned =
        Bytes::with_release(ByteView(memory, 16).span(), [memory, &freed]() noexcept {
          std::free(memory);
          ++freed;
        });
    EXPECT_EQ(freed, 0);
  }
  EXPECT_EQ(freed, 1);
}

TEST(BytesTest, ReleaseMayUseOtherHandles) {
  Bytes other = Bytes::copy_of("other");
  Bytes seen;
  {
    Bytes bytes = Bytes::with_release(bight_test::span_of(kForeign), [&]() noexcept {
      seen = other.slice(1, 3);
      other.clear();
    });
    // Also the one that lets go: it has its new value by then.
    bytes = Bytes::from_static("new");
    EXPECT_EQ(bytes, "new");
  }
  EXPECT_EQ(seen, "the");
  EXPECT_TRUE(other.empty());
}

TEST(BytesTest, HandleIsWholeWhenTheReleaseItCausesRuns) {
  Bytes bytes;
  std::string at_release = "?";
  const auto observe = [&]() noexcept { at_release = std::string(bytes.view()); };
  bytes = Bytes::with_release(bight_test::span_of(kForeign), observe);
  bytes.truncate(0);
  EXPECT_EQ(at_release, "");
  at_release = "?";
  bytes = Bytes::with_release(bight_test::span_of(kForeign), observe);
  bytes.remove_prefix(kForeign.size());
  EXPECT_EQ(at_release, "");
  at_release = "?";
  bytes = Bytes::with_release(bight_test::span_of(kForeign), observe);
  bytes = Bytes::copy_of("next");
  EXPECT_EQ(at_release, "next");
}

// ---- Look -----------------------------------------------------------------------------------

TEST(BytesTest, IsAContiguousRangeOfBytes) {
  static_assert(std::ranges::contiguous_range<const Bytes>);
  static_assert(std::ranges::sized_range<const Bytes>);
  static_assert(std::is_same_v<std::ranges::range_value_t<Bytes>, std::byte>);
  const Bytes bytes = Bytes::copy_of("hello world");
  EXPECT_EQ(bytes.end() - bytes.begin(), 11);  // slice-Q05
  EXPECT_EQ(std::ranges::distance(bytes), 11);
  EXPECT_EQ(std::ranges::distance(Bytes()), 0);
  std::string joined;
  for (const std::byte b : bytes) joined.push_back(static_cast<char>(b));
  EXPECT_EQ(joined, "hello world");
}

TEST(BytesTest, OutputsShowTheSameBytes) {  // slice-B12
  const Bytes bytes = Bytes::copy_of("hello world");
  EXPECT_EQ(bytes.view().substr(0, 5), "hello");
  EXPECT_EQ(std::string_view(bytes.chars(), 5), "hello");
  EXPECT_EQ(bytes.u8()[4], uint8_t{'o'});
  EXPECT_EQ(bytes[10], std::byte{'d'});
  EXPECT_EQ(ByteView(bytes.span().first(5)), ByteView("hello"));
}

TEST(BytesTest, TryAsNeedsAlignmentAndAWholeNumberOfElements) {
  std::vector<uint32_t> numbers{1, 2, 3};
  const Bytes bytes = Bytes::copy_of(ByteView(numbers.data(), 12));
  ASSERT_TRUE(bytes.try_as<uint32_t>().has_value());
  EXPECT_THAT(*bytes.try_as<uint32_t>(), testing::ElementsAre(1u, 2u, 3u));
  EXPECT_FALSE(bytes.try_as<uint64_t>().has_value());
  EXPECT_FALSE(bytes.slice(1, 8).try_as<uint32_t>().has_value());
  EXPECT_TRUE(bytes.slice(4, 8).try_as<uint32_t>().has_value());
  EXPECT_EQ(Bytes().try_as<uint64_t>()->size(), 0u);
}

TEST(BytesTest, FindsBytesAndNeedles) {
  const Bytes bytes = Bytes::copy_of("nananabanana");
  EXPECT_EQ(bytes.find('b'), 6u);
  EXPECT_EQ(bytes.find(std::byte{'n'}, 1), 2u);
  EXPECT_EQ(bytes.find('x'), std::nullopt);
  EXPECT_EQ(bytes.find('n', 12), std::nullopt);
  EXPECT_EQ(bytes.find('n', kMost), std::nullopt);
  EXPECT_EQ(bytes.find("ban"), 6u);
  EXPECT_EQ(bytes.find("na", 10), 10u);  // at the very end
  EXPECT_EQ(bytes.find("na", 11), std::nullopt);
  EXPECT_EQ(bytes.find("", 12), 12u);
  EXPECT_EQ(bytes.find("", 13), std::nullopt);
  EXPECT_EQ(bytes.find("ban", 0, 8), std::nullopt);
  EXPECT_EQ(bytes.find("ban", 0, 9), 6u);
  EXPECT_EQ(bytes.find("b", 6, 1), 6u);
  EXPECT_EQ(bytes.find("ana", 9, 2), std::nullopt);
  EXPECT_EQ(bytes.find("ana", 9, kMost), 9u);
  EXPECT_EQ(Bytes().find("a"), std::nullopt);
  EXPECT_EQ(Bytes().find('a'), std::nullopt);
  EXPECT_EQ(Bytes().find(""), 0u);
}

TEST(BytesTest, FindsBytesOfTheUpperHalf) {
  const Bytes bytes = Bytes::copy_of("abc\x80\x41\xff");
  EXPECT_EQ(bytes.find("\x80\x41"), 3u);
  EXPECT_EQ(bytes.find('\xff'), 5u);
  EXPECT_EQ(bytes.find(std::byte{0x80}), 3u);
}

TEST(BytesTest, StartsAndEndsWith) {
  const Bytes bytes = Bytes::copy_of("nan");
  for (const std::string_view prefix : {"", "n", "na", "nan"}) {
    EXPECT_TRUE(bytes.starts_with(prefix)) << prefix;
  }
  for (const std::string_view prefix : {"nanx", "an", "x"}) {
    EXPECT_FALSE(bytes.starts_with(prefix)) << prefix;
  }
  for (const std::string_view suffix : {"", "n", "an", "nan"}) {
    EXPECT_TRUE(bytes.ends_with(suffix)) << suffix;
  }
  EXPECT_FALSE(bytes.ends_with("xnan"));
  EXPECT_FALSE(bytes.ends_with("na"));
  EXPECT_TRUE(Bytes().starts_with(""));
  EXPECT_FALSE(Bytes().ends_with("x"));
}

// ---- Cut: slice -----------------------------------------------------------------------------

TEST(BytesTest, SliceShowsTheRange) {  // slice-C01
  const Bytes hello = Bytes::copy_of("hello world");
  EXPECT_EQ(hello.slice(3, 2), "lo");
  EXPECT_EQ(hello.slice(0, 0), "");
  EXPECT_EQ(hello.slice(3, 0), "");
  EXPECT_EQ(hello.slice(11, 0), "");
  EXPECT_EQ(hello.slice(0, 5), "hello");
  EXPECT_EQ(hello.slice(3), "lo world");
  EXPECT_EQ(hello.slice(11), "");
  EXPECT_EQ(hello, "hello world");
}

TEST(BytesTest, TrySliceRefusesWhatLiesOutsideWithoutWrapping) {  // slice-C02
  const Bytes bytes = Bytes::copy_of("abcd");
  EXPECT_EQ(bytes.try_slice(1, 2), Bytes::from_static("bc"));
  EXPECT_FALSE(bytes.try_slice(1, 4).has_value());
  EXPECT_FALSE(bytes.try_slice(5, 0).has_value());
  EXPECT_FALSE(bytes.try_slice(1, kMost).has_value());
  EXPECT_FALSE(bytes.try_slice(kMost, kMost).has_value());
  EXPECT_FALSE(bytes.try_slice(kMost, 2).has_value());
  EXPECT_TRUE(bytes.try_slice(4, 0).has_value());
}

TEST(BytesTest, SliceSharesStorageAndTakesOneReference) {  // slice-C04
  const Bytes source = Bytes::copy_of("hello world");
  const CopyAudit audit;
  EXPECT_EQ(Access::references(source), 1u);
  const Bytes part = source.slice(6, 5);
  EXPECT_EQ(part.data(), source.data() + 6);
  EXPECT_EQ(Access::references(source), 2u);
  const Bytes nothing = source.slice(6, 0);
  EXPECT_EQ(Access::references(source), 2u);
  EXPECT_EQ(audit.thread(), bight::CopyCounts{});
}

TEST(BytesTest, EmptySliceKeepsItsAddress) {  // slice-C05
  const Bytes buffer = Bytes::copy_of(std::string(1024, 'x'));
  EXPECT_EQ(buffer.slice(1024).data(), buffer.data() + 1024);
  EXPECT_EQ(buffer.slice(0, 0).data(), buffer.data());
  EXPECT_EQ(buffer.slice(1024).view(), "");
  EXPECT_EQ(Access::references(buffer), 1u);
}

TEST(BytesTest, SliceRefTurnsAViewBackIntoAHandle) {
  const Bytes bytes = Bytes::copy_of("hello world");
  const std::string_view world = bytes.view().substr(6);
  const Bytes found = bytes.slice_ref(world);
  EXPECT_EQ(found, "world");
  EXPECT_EQ(found.chars(), world.data());
  EXPECT_EQ(Access::references(bytes), 2u);
  EXPECT_EQ(bytes.slice_ref(bytes), bytes);
  EXPECT_EQ(bytes.slice(6).slice_ref(world), "world");
}

TEST(BytesTest, SliceRefOfAnEmptyViewIsAlwaysEmpty) {  // slice-C08
  const Bytes bytes = Bytes::copy_of("hello");
  EXPECT_TRUE(bytes.slice_ref(bytes.view().substr(0, 0)).empty());
  EXPECT_TRUE(bytes.slice_ref(bytes.view().substr(5)).empty());
  EXPECT_TRUE(bytes.slice_ref(bytes.slice(2, 0)).empty());
  EXPECT_TRUE(bytes.slice_ref("").empty());
  EXPECT_TRUE(Bytes().slice_ref("").empty());
  EXPECT_TRUE(Bytes().slice_ref(ByteView()).empty());
  EXPECT_EQ(Access::references(bytes), 1u);
}

TEST(BytesTest, TrySliceRefRefusesViewsThatLieElsewhere) {  // slice-X04
  const Bytes bytes = Bytes::copy_of("hello world");
  const Bytes middle = bytes.slice(3, 5);
  EXPECT_FALSE(bytes.try_slice_ref("hello").has_value());
  EXPECT_FALSE(middle.try_slice_ref(bytes).has_value());
  EXPECT_FALSE(middle.try_slice_ref(bytes.view().substr(2, 2)).has_value());
  EXPECT_FALSE(middle.try_slice_ref(bytes.view().substr(7, 2)).has_value());
  EXPECT_FALSE(middle.try_slice_ref(bytes.view().substr(8, 1)).has_value());
  EXPECT_TRUE(middle.try_slice_ref(bytes.view().substr(7, 1)).has_value());
  EXPECT_FALSE(Bytes().try_slice_ref("x").has_value());
  // Sizes and addresses whose sum would wrap.
  EXPECT_FALSE(middle.try_slice_ref(ByteView(middle.data(), kMost)).has_value());
  EXPECT_FALSE(middle.try_slice_ref(ByteView(middle.data() + 1, kMost - 1)).has_value());
  const auto* const last = reinterpret_cast<const void*>(static_cast<uintptr_t>(-4));
  EXPECT_FALSE(middle.try_slice_ref(ByteView(last, 4)).has_value());
  EXPECT_FALSE(middle.try_slice_ref(ByteView(last, kMost)).has_value());
}

TEST(BytesTest, SliceRefNearTheEndOfTheAddressSpaceDoesNotWrap) {  // slice-X04
  // Never read: only the arithmetic is looked at.
  const auto place = [](uintptr_t address) { return reinterpret_cast<const void*>(address); };
  const uintptr_t top = static_cast<uintptr_t>(-64);
  const Bytes high = Bytes::from_static_unchecked(ByteView(place(top), 60));
  EXPECT_TRUE(high.try_slice_ref(ByteView(place(top + 56), 4)).has_value());
  EXPECT_FALSE(high.try_slice_ref(ByteView(place(top + 56), 5)).has_value());
  EXPECT_FALSE(high.try_slice_ref(ByteView(place(top + 56), 128)).has_value());
  EXPECT_FALSE(high.try_slice_ref(ByteView(place(8), 4)).has_value());
}

// ---- Cut: split -----------------------------------------------------------------------------

TEST(BytesTest, SplitsAtTheMiddle) {  // slice-D01
  Bytes a = Bytes::copy_of("helloworld");
  EXPECT_EQ(a.split_off(5), "world");
  EXPECT_EQ(a, "hello");
  Bytes b = Bytes::copy_of("helloworld");
  EXPECT_EQ(b.split_to(5), "hello");
  EXPECT_EQ(b, "world");
}

TEST(BytesTest, SplitInTheMiddleTakesOneReferenceAndKeepsAddresses) {
  Bytes rest = Bytes::copy_of("helloworld");
  const std::byte* const start = rest.data();
  const Bytes head = rest.split_to(3);
  EXPECT_EQ(Access::references(rest), 2u);
  EXPECT_EQ(head.data(), start);
  EXPECT_EQ(rest.data(), start + 3);
  const Bytes tail = rest.split_off(4);
  EXPECT_EQ(Access::references(rest), 3u);
  EXPECT_EQ(tail.data(), start + 7);
}

TEST(BytesTest, TrySplitRefusesLengthsPastTheEnd) {  // slice-D04
  Bytes bytes = Bytes::copy_of("helloworld");
  EXPECT_FALSE(bytes.try_split_off(44).has_value());
  EXPECT_FALSE(bytes.try_split_to(33).has_value());
  EXPECT_FALSE(bytes.try_split_to(kMost).has_value());
  EXPECT_FALSE(bytes.try_split_off(11).has_value());
  EXPECT_EQ(bytes, "helloworld");
  EXPECT_EQ(bytes.try_split_to(10), Bytes::from_static("helloworld"));
}

TEST(BytesTest, FrozenBuilderEndsWhereItsBytesEnd) {  // slice-D05
  BytesBuilder builder(100);
  builder.append("four");
  Bytes frozen = std::move(builder).freeze();
  EXPECT_FALSE(frozen.try_split_to(5).has_value());
  EXPECT_FALSE(frozen.try_split_off(5).has_value());
  EXPECT_TRUE(frozen.split_off(4).empty());
  EXPECT_EQ(frozen.split_to(4), "four");
}

TEST(BytesTest, SplitsStaticBytes) {  // slice-D06
  Bytes a = Bytes::from_static("ab");
  const Bytes b = a.split_off(1);
  EXPECT_EQ(a, "a");
  EXPECT_EQ(b, "b");
}

TEST(BytesTest, BoundaryCutsKeepTheAddressOfTheEmptyPart) {  // slice-D08
  Bytes bytes = Bytes::copy_of("hello");
  const std::byte* const begin = bytes.data();
  const Bytes none = bytes.split_to(0);
  EXPECT_TRUE(none.empty());
  EXPECT_EQ(none.data(), begin);
  const Bytes all = bytes.split_to(5);
  EXPECT_EQ(all.data(), begin);
  EXPECT_TRUE(bytes.empty());
  EXPECT_EQ(bytes.data(), begin + 5);
  Bytes more = all;
  const Bytes end = more.split_off(5);
  EXPECT_EQ(end.data(), begin + 5);
  const Bytes whole = more.split_off(0);
  EXPECT_EQ(whole, "hello");
  EXPECT_EQ(more.data(), begin);
  EXPECT_TRUE(more.empty());
}

TEST(BytesTest, BoundaryCutsTakeNoReference) {  // slice-D09
  Bytes a = Bytes::copy_of("hello");
  const Bytes none = a.split_to(0);
  EXPECT_TRUE(a.is_unique());
  Bytes b = a.split_to(5);
  EXPECT_TRUE(b.is_unique());
  const Bytes end = b.split_off(5);
  EXPECT_TRUE(b.is_unique());
  const Bytes c = b.split_off(0);
  EXPECT_TRUE(c.is_unique());
  EXPECT_FALSE(b.is_unique());
}

TEST(BytesTest, TruncateToNothingReleasesTheBlock) {  // slice-E02
  Bytes one = Bytes::copy_of("hello");
  Bytes other = one;
  one.truncate(1);
  EXPECT_EQ(one, "h");
  EXPECT_FALSE(other.is_unique());
  one.truncate(0);
  EXPECT_TRUE(other.is_unique());
  EXPECT_TRUE(std::move(other).try_into_builder().has_value());
  Bytes third = Bytes::copy_of("hello");
  Bytes fourth = third;
  third.clear();
  EXPECT_TRUE(fourth.is_unique());
  fourth.truncate(100);
  EXPECT_EQ(fourth, "hello");
}

TEST(BytesTest, RemovePrefixAndSuffixKeepTheRest) {  // slice-E04
  Bytes fixed = Bytes::from_static("hello world");
  fixed.remove_prefix(6);
  EXPECT_EQ(fixed, "world");
  const std::string forty = pattern(40);
  Bytes heap = Bytes::copy_of(forty);
  for (const size_t n : {size_t{16}, size_t{4}, size_t{6}}) heap.remove_prefix(n);
  EXPECT_EQ(heap, forty.substr(26));
  heap.remove_suffix(10);
  EXPECT_EQ(heap, forty.substr(26, 4));
  EXPECT_FALSE(heap.try_remove_prefix(5));
  EXPECT_FALSE(heap.try_remove_suffix(5));
  EXPECT_FALSE(heap.try_remove_suffix(kMost));
  EXPECT_FALSE(heap.try_remove_prefix(kMost));
  EXPECT_EQ(heap.size(), 4u);
  EXPECT_TRUE(heap.try_remove_suffix(4));
  EXPECT_EQ(Access::block(heap), nullptr);
}

// ---- Sharing --------------------------------------------------------------------------------

TEST(BytesTest, UniqueMeansTheOnlyHandleOfAnOwnBlock) {  // slice-F01
  Bytes a = Bytes::copy_of("hello");
  EXPECT_TRUE(a.is_unique());
  Bytes b = a;
  EXPECT_FALSE(a.is_unique());
  EXPECT_FALSE(b.is_unique());
  a.clear();
  EXPECT_TRUE(b.is_unique());
  Bytes c = b;
  c.clear();
  EXPECT_TRUE(b.is_unique());
}

TEST(BytesTest, StaticAndEmptyAreNeverUnique) {  // slice-F02
  EXPECT_FALSE(Bytes::from_static("x").is_unique());
  EXPECT_FALSE(Bytes().is_unique());
  Bytes none;
  EXPECT_FALSE(std::move(none).try_into_builder().has_value());
  EXPECT_FALSE(none.try_mutable().has_value());
}

TEST(BytesTest, NotUniqueWhileTheBuilderWritesOn) {  // slice-F03
  std::optional<BytesBuilder> builder(64);
  builder->append("hello");
  const Bytes taken = builder->take();
  EXPECT_FALSE(taken.is_unique());
  builder.reset();
  EXPECT_TRUE(taken.is_unique());
}

TEST(BytesTest, LastPartThawsOverTheWholeBlock) {  // slice-F04
  BytesBuilder builder(100);
  const size_t capacity = builder.capacity();
  builder.append(pattern(100));
  Bytes all = std::move(builder).freeze();
  Bytes part = all.slice(10, 10);
  EXPECT_FALSE(part.is_unique());
  all.clear();
  ASSERT_TRUE(part.is_unique());
  BytesBuilder thawed = *std::move(part).try_into_builder();
  EXPECT_EQ(thawed.view(), pattern(100).substr(10, 10));
  EXPECT_EQ(thawed.headroom(), 10u);
  EXPECT_EQ(thawed.capacity(), capacity - 10);
  const CopyAudit audit;
  thawed.reserve(capacity - 15);  // slides to the front, no new block
  EXPECT_EQ(thawed.headroom(), 0u);
  EXPECT_EQ(thawed.capacity(), capacity);
  EXPECT_EQ(audit.thread().blocks, 0u);
  EXPECT_EQ(thawed.view(), pattern(100).substr(10, 10));
}

TEST(BytesTest, CopyMoveAndSwapNeverMoveTheBytes) {
  Bytes a = Bytes::copy_of("first");
  Bytes b = Bytes::copy_of("second");
  const std::byte* const first = a.data();
  const std::byte* const second = b.data();
  swap(a, b);
  EXPECT_EQ(a.data(), second);
  EXPECT_EQ(b.data(), first);
  Bytes c = std::move(a);
  EXPECT_EQ(c.data(), second);
  EXPECT_TRUE(a.empty());
  a = std::move(c);
  EXPECT_EQ(a.data(), second);
  std::vector<Bytes> many{a};
  for (int i = 0; i < 1000; ++i) many.push_back(b);
  EXPECT_EQ(many.front().data(), second);
  EXPECT_EQ(many.back().data(), first);
  EXPECT_EQ(Access::references(b), 1001u);
  std::sort(many.begin(), many.end());
  EXPECT_EQ(many.back().data(), second);
}

TEST(BytesTest, SmallBytesDoNotLiveInTheHandle) {
  Bytes one = Bytes::copy_of("x");
  const std::byte* const place = one.data();
  const Bytes moved = std::move(one);
  EXPECT_EQ(moved.data(), place);
  const Bytes in_vector = std::vector<Bytes>{moved}[0];
  EXPECT_EQ(in_vector.data(), place);
}

TEST(BytesTest, AssigningToItselfOrFromAPartOfItselfIsSafe) {
  Bytes bytes = Bytes::copy_of("hello");
  Bytes& same = bytes;
  bytes = same;
  EXPECT_EQ(bytes, "hello");
  EXPECT_TRUE(bytes.is_unique());
  bytes = std::move(same);
  EXPECT_EQ(bytes, "hello");
  bytes = bytes.slice(1, 3);
  EXPECT_EQ(bytes, "ell");
  EXPECT_TRUE(bytes.is_unique());
  swap(bytes, same);
  EXPECT_EQ(bytes, "ell");
}

TEST(BytesTest, CopiesTakeOneReferenceAndMovesNone) {
  const Bytes a = Bytes::copy_of("hello");
  Bytes b = a;
  EXPECT_EQ(Access::references(a), 2u);
  Bytes c = std::move(b);
  EXPECT_EQ(Access::references(a), 2u);
  b = c;
  EXPECT_EQ(Access::references(a), 3u);
  b = std::move(c);
  EXPECT_EQ(Access::references(a), 2u);
}

// ---- Join and thaw --------------------------------------------------------------------------

TEST(BytesTest, NeighboursRejoinWithoutACopy) {
  Bytes whole = Bytes::copy_of("hello world");
  const std::byte* const place = whole.data();
  Bytes tail = whole.split_off(5);
  const CopyAudit audit;
  EXPECT_TRUE(whole.try_join(std::move(tail)));
  EXPECT_EQ(whole, "hello world");
  EXPECT_EQ(whole.data(), place);
  EXPECT_TRUE(tail.empty());
  EXPECT_EQ(Access::block(tail), nullptr);
  EXPECT_TRUE(whole.is_unique());
  EXPECT_EQ(audit.thread(), bight::CopyCounts{});
}

TEST(BytesTest, JoinRefusesWhatIsNotNextToIt) {
  Bytes whole = Bytes::copy_of("hello world");
  Bytes head = whole.slice(0, 4);
  Bytes gap = whole.slice(5, 3);
  EXPECT_FALSE(head.try_join(std::move(gap)));  // a byte between them
  EXPECT_FALSE(gap.try_join(std::move(head)));  // the wrong way round
  Bytes overlap = whole.slice(3, 3);
  EXPECT_FALSE(head.try_join(std::move(overlap)));
  EXPECT_FALSE(head.try_join(std::move(head)));  // itself
  Bytes other = Bytes::copy_of("o world");
  EXPECT_FALSE(head.try_join(std::move(other)));
  Bytes none;
  EXPECT_FALSE(head.try_join(std::move(none)));
  EXPECT_FALSE(none.try_join(std::move(head)));
  Bytes empty = whole.slice(4, 0);  // next to it, but without a block
  EXPECT_FALSE(head.try_join(std::move(empty)));
  EXPECT_EQ(head, "hell");
  EXPECT_EQ(gap, " wo");
  EXPECT_EQ(overlap, "lo ");
  EXPECT_EQ(other, "o world");
  EXPECT_EQ(Access::references(whole), 4u);
}

TEST(BytesTest, JoinRefusesStaticNeighboursAndNeighboursOfOtherBlocks) {
  Bytes fixed = Bytes::from_static("helloworld");
  Bytes rest = fixed.split_off(5);
  EXPECT_FALSE(fixed.try_join(std::move(rest)));
  EXPECT_EQ(fixed, "hello");
  EXPECT_EQ(rest, "world");
  // Adjacent memory with an owner each: the one must not keep the other's alive.
  const std::string two = "leftright";
  Released first;
  Released second;
  {
    Bytes left = bight_test::shared_text(std::string_view(two).substr(0, 4), first);
    Bytes right = bight_test::shared_text(std::string_view(two).substr(4), second);
    EXPECT_FALSE(left.try_join(std::move(right)));
    right.clear();
    EXPECT_EQ(second.calls, 1);
    EXPECT_EQ(first.calls, 0);
  }
  EXPECT_EQ(first.calls, 1);
}

TEST(BytesTest, PartsOfForeignMemoryRejoin) {
  Released released;
  {
    Bytes bytes = bight_test::shared_text(kForeign, released);
    Bytes tail = bytes.split_off(7);
    EXPECT_TRUE(bytes.try_join(std::move(tail)));
    EXPECT_EQ(bytes, kForeign);
    EXPECT_EQ(Access::references(bytes), 1u);
  }
  EXPECT_EQ(released.calls, 1);
}

TEST(BytesTest, SuccessiveTakesOfABuilderJoin) {
  BytesBuilder builder(64);
  builder.append("hello");
  Bytes a = builder.take();
  builder.append(" world");
  Bytes b = builder.take();
  EXPECT_TRUE(a.try_join(std::move(b)));
  EXPECT_EQ(a, "hello world");
  EXPECT_EQ(Access::references(a), 2u);  // the builder's and its own
}

TEST(BytesTest, ThawsInPlaceOnlyWhenUnique) {  // slice-I04
  Bytes fixed = Bytes::from_static("static");
  const char* const constant = fixed.chars();
  BytesBuilder copy = std::move(fixed).into_builder();
  EXPECT_EQ(copy.view(), "static");
  EXPECT_NE(copy.view().data(), constant);

  Bytes unshared = Bytes::copy_of("unshared");
  const char* const place = unshared.chars();
  BytesBuilder same = std::move(unshared).into_builder();
  EXPECT_EQ(same.view().data(), place);
  EXPECT_TRUE(unshared.empty());

  Bytes shared = Bytes::copy_of("shared");
  const Bytes other = shared;
  BytesBuilder apart = std::move(shared).into_builder();
  apart[0] = std::byte{'S'};
  EXPECT_EQ(apart.view(), "Shared");
  EXPECT_EQ(other, "shared");
  EXPECT_TRUE(other.is_unique());
}

TEST(BytesTest, ThawKeepsTheContentOfEveryOrigin) {  // slice-I05
  // From a vector.
  EXPECT_EQ(Bytes::from_owner(std::vector<char>{'a', 'b'}).into_builder().view(), "ab");
  // The last of two handles.
  Bytes one = Bytes::copy_of("one handle left");
  { const Bytes two = one; }
  const char* const place = one.chars();
  BytesBuilder thawed = std::move(one).into_builder();
  EXPECT_EQ(thawed.view(), "one handle left");
  EXPECT_EQ(thawed.view().data(), place);
  // Halves: at offset 20 of 1024, and 9 of 11.
  for (const auto& [size, cut] : {std::pair<size_t, size_t>{1024, 20}, {11, 9}}) {
    const std::string text = pattern(size);
    Bytes head = Bytes::copy_of(text);
    Bytes tail = head.split_off(cut);
    EXPECT_EQ(std::move(tail).into_builder().view(), text.substr(cut));
    EXPECT_EQ(std::move(head).into_builder().view(), text.substr(0, cut));
  }
}

TEST(BytesTest, EveryOriginCopiesOutAndTheLastHolderKeepsTheStorage) {  // slice-I08
  const auto vector_of = [](const Bytes& bytes) {
    return std::vector<std::byte>(bytes.begin(), bytes.end());
  };
  const std::string text = pattern(30);
  EXPECT_EQ(Bytes::copy_of(text), vector_of(Bytes::from_static_unchecked(text)));
  for (const size_t offset : {size_t{9}, size_t{20}}) {
    BytesBuilder builder(64);
    builder.append(text);
    BytesBuilder head = builder.split_to(offset);
    Bytes shared = std::move(builder).freeze();
    EXPECT_EQ(vector_of(shared), vector_of(Bytes::copy_of(text.substr(offset))));
    EXPECT_FALSE(shared.is_unique());
    head = BytesBuilder();
    EXPECT_TRUE(shared.is_unique());
    EXPECT_EQ(vector_of(shared), vector_of(Bytes::copy_of(text.substr(offset))));
    const std::byte* const place = shared.data();
    Bytes second = shared;
    shared.clear();
    BytesBuilder last = *std::move(second).try_into_builder();
    EXPECT_EQ(last.data(), place);
  }
}

TEST(BytesTest, SharedHandleComesBackUnchanged) {  // slice-I11
  Bytes bytes = Bytes::copy_of("shared");
  const Bytes other = bytes;
  const std::byte* const place = bytes.data();
  EXPECT_FALSE(std::move(bytes).try_into_builder().has_value());
  EXPECT_EQ(bytes.data(), place);
  EXPECT_EQ(bytes, "shared");
  EXPECT_EQ(Access::references(other), 2u);
}

TEST(BytesTest, TryMutableWritesInPlaceWhenAlone) {
  Bytes bytes = Bytes::copy_of("hello world");
  {
    const Bytes tail = bytes.slice(6);
    EXPECT_FALSE(bytes.try_mutable().has_value());
  }
  const auto place = bytes.try_mutable();
  ASSERT_TRUE(place.has_value());
  EXPECT_EQ(place->data(), bytes.data());
  EXPECT_EQ(place->size(), bytes.size());
  (*place)[0] = std::byte{'j'};
  EXPECT_EQ(bytes, "jello world");
  EXPECT_FALSE(Bytes::from_owner(std::string("foreign")).try_mutable().has_value());
}

// ---- Memory ---------------------------------------------------------------------------------

TEST(BytesTest, SmallPayloadCostsLittle) {  // buf-D06
  const Bytes bytes = Bytes::copy_of("sixteen bytes!!!");
  ASSERT_EQ(bytes.size(), 16u);
  EXPECT_LE(bytes.retained_size() + sizeof(Bytes) - 16, 100u);
}

TEST(BytesTest, RetainedSizeIsTheWholeBlock) {
  const Bytes big = Bytes::copy_of(std::string(100000, 'x'));
  const Bytes small = big.slice(50000, 10);
  EXPECT_EQ(small.retained_size(), big.retained_size());
  EXPECT_GE(small.retained_size(), 100000u);
  EXPECT_LE(small.retained_size(), 131072u + 64);
  EXPECT_EQ(big.slice(5, 0).retained_size(), 0u);
  EXPECT_EQ(Bytes::from_static("x").retained_size(), 0u);
  const Bytes foreign = Bytes::from_owner(std::string(1000, 'x'));
  EXPECT_GE(foreign.slice(0, 1).retained_size(), 1000u);
}

TEST(BytesTest, CompactUnpinsALargeBlock) {
  Bytes big = Bytes::copy_of(std::string(100000, 'x'));
  Bytes small = big.slice(50000, 10);
  const CopyAudit audit;
  const Bytes compact = small.compact();
  EXPECT_EQ(compact, small);
  EXPECT_NE(compact.data(), small.data());
  EXPECT_LE(compact.retained_size(), 10u + 6 + 32);
  EXPECT_EQ(audit.thread().copied, 10u);
  EXPECT_EQ(audit.thread().blocks, 1u);
}

TEST(BytesTest, CompactSharesWhatIsSmallAlready) {
  for (const size_t size : {size_t{1}, size_t{16}, size_t{17}, size_t{1000}, size_t{4096},
                            size_t{100000}, (size_t{2} << 20) + 1, size_t{3} << 20}) {
    const Bytes bytes = Bytes::copy_of(std::string(size, 'x'));
    const CopyAudit audit;
    const Bytes compact = bytes.compact();
    EXPECT_EQ(compact.data(), bytes.data()) << size;
    EXPECT_EQ(audit.thread(), bight::CopyCounts{}) << size;
  }
  const CopyAudit audit;
  EXPECT_EQ(Bytes::from_static("x").compact(), "x");
  EXPECT_TRUE(Bytes().compact().empty());
  EXPECT_EQ(audit.thread(), bight::CopyCounts{});
}

TEST(BytesTest, CompactIsBoundedByAFreshCopy) {
  const Bytes big = Bytes::copy_of(pattern(300000));
  for (size_t size = 1; size <= big.size(); size = size * 3 + 1) {
    const Bytes compact = big.slice(1000, std::min(size, big.size() - 1000)).compact();
    const Bytes fresh = Bytes::copy_of(compact);
    EXPECT_LE(compact.retained_size(), fresh.retained_size()) << size;
  }
  const Bytes part = big.slice(7, 5);
  EXPECT_LT(part.compact().retained_size(), 64u);
  const Bytes foreign = Bytes::from_owner(std::string(5000, 'y'));
  EXPECT_LT(foreign.slice(0, 3).compact().retained_size(), 64u);
}

TEST(BytesTest, CopyOfUsesTheResourceItIsGiven) {
  CountingResource resource;
  {
    const Bytes bytes = Bytes::copy_of("from a resource", &resource);
    EXPECT_EQ(bytes, "from a resource");
    EXPECT_EQ(resource.live, 1u);
    EXPECT_EQ(reinterpret_cast<uintptr_t>(bytes.data()) % 16, 0u);
    const Bytes none = Bytes::copy_of("", &resource);
    EXPECT_EQ(resource.allocations, 1u);
  }
  EXPECT_EQ(resource.live, 0u);
  EXPECT_EQ(resource.live_bytes, 0u);
}

TEST(BytesTest, SharedResourceLivesAsLongAsTheBlock) {
  auto resource = std::make_shared<CountingResource>();
  std::weak_ptr<CountingResource> watch = resource;
  Bytes bytes = Bytes::copy_of("kept", std::move(resource));
  EXPECT_FALSE(watch.expired());
  EXPECT_EQ(watch.lock()->live, 1u);
  bytes.clear();
  EXPECT_TRUE(watch.expired());
}

// ---- Compare, hash, print -------------------------------------------------------------------

// Both operand orders of everything that compares with a handle.
template <class A, class B>
void expect_less(const A& a, const B& b) {
  EXPECT_TRUE(a < b);
  EXPECT_TRUE(b > a);
  EXPECT_TRUE(a <= b);
  EXPECT_TRUE(b >= a);
  EXPECT_FALSE(a > b);
  EXPECT_FALSE(b < a);
  EXPECT_TRUE(a != b);
  EXPECT_TRUE(b != a);
  EXPECT_FALSE(a == b);
}

TEST(BytesTest, ComparesWithEverythingInBothOrders) {  // slice-B02
  const Bytes bytes = Bytes::copy_of("abcdefgh");
  BytesBuilder builder = BytesBuilder::copy_of("abcdefgh");
  EXPECT_EQ(bytes, bytes);
  EXPECT_EQ(bytes, "abcdefgh");
  EXPECT_EQ("abcdefgh", bytes);
  EXPECT_EQ(bytes, std::string("abcdefgh"));
  EXPECT_EQ(std::string("abcdefgh"), bytes);
  EXPECT_EQ(bytes, std::string_view("abcdefgh"));
  EXPECT_EQ(std::string_view("abcdefgh"), bytes);
  EXPECT_EQ(bytes, (std::vector<char>{'a', 'b', 'c', 'd', 'e', 'f', 'g', 'h'}));
  EXPECT_EQ((std::vector<char>{'a', 'b', 'c', 'd', 'e', 'f', 'g', 'h'}), bytes);
  EXPECT_EQ(bytes, builder);
  EXPECT_EQ(builder, bytes);
  EXPECT_EQ(builder, "abcdefgh");
  EXPECT_EQ("abcdefgh", builder);
  EXPECT_EQ(builder, std::string("abcdefgh"));
  EXPECT_EQ(bytes, bight::Chain(bytes));
  EXPECT_EQ(bight::Chain(bytes), bytes);
  EXPECT_NE(bytes, "abcdefg");
  EXPECT_NE(bytes, "abcdefgi");

  const Bytes greater = Bytes::copy_of("abcdefgi");
  BytesBuilder greater_builder = BytesBuilder::copy_of("abcdefgi");
  expect_less(bytes, greater);
  expect_less(bytes, "abcdefgi");
  expect_less("abcdefgh", greater);
  expect_less(std::string("abcdefgh"), greater);
  expect_less(bytes, std::string_view("abcdefgi"));
  expect_less(bytes, greater_builder);
  expect_less(builder, greater);
  // Others have reversed these two (std::vector or a string before a builder).
  expect_less(std::vector<char>{'a'}, greater_builder);
  expect_less(std::string("abcdefgh"), greater_builder);
  expect_less(builder, std::vector<char>{'b'});
  expect_less(bight::Chain(bytes), greater);
  expect_less(bytes, bight::Chain(greater));
}

TEST(BytesTest, OrdersAsUnsignedBytes) {
  EXPECT_GT(Bytes::copy_of("\x80"), Bytes::copy_of("\x7f"));
  EXPECT_LT(Bytes::copy_of("ab"), Bytes::copy_of("abc"));
  EXPECT_LT(Bytes(), Bytes::copy_of(std::string(1, '\0')));
  EXPECT_EQ(Bytes::copy_of("x") <=> Bytes::copy_of("x"), std::strong_ordering::equal);
  EXPECT_EQ(Bytes(), Bytes::copy_of("x").slice(1));
  std::set<Bytes> sorted{Bytes::copy_of("b"), Bytes::copy_of("\xff"), Bytes::copy_of("a")};
  EXPECT_EQ(*sorted.begin(), "a");
  EXPECT_EQ(*sorted.rbegin(), "\xff");
}

TEST(BytesTest, HashIsOfTheContentAlone) {  // slice-Q03
  const Bytes whole = Bytes::copy_of("hello world");
  BytesBuilder builder;
  builder.append("hello world");
  bight::Chain chain(whole.slice(0, 3));
  chain.push_back(Bytes::copy_of("lo world"));
  const bight::ContentHash hash;
  EXPECT_EQ(whole.hash(), builder.hash());
  EXPECT_EQ(whole.hash(), chain.hash());
  EXPECT_EQ(whole.hash(), Bytes::copy_of("xhello world").slice(1).hash());
  EXPECT_EQ(whole.hash(), bight::hash_bytes(whole.data(), whole.size()));
  EXPECT_EQ(hash("hello world"), whole.hash());
  EXPECT_EQ(hash(whole), hash(std::string("hello world")));
  EXPECT_EQ(hash(builder), hash(chain));
  EXPECT_EQ(std::hash<Bytes>()(whole), hash(whole));
  EXPECT_NE(whole.hash(), Bytes::copy_of("hello worlc").hash());
  EXPECT_EQ(Bytes().hash(), hash(""));
}

TEST(BytesTest, ContainersLookUpByContent) {
  std::unordered_map<Bytes, int, bight::ContentHash, bight::ContentEqual> map;
  map[Bytes::copy_of("one")] = 1;
  map[Bytes::from_static("two")] = 2;
  EXPECT_EQ(map.find("one")->second, 1);
  EXPECT_EQ(map.find(std::string("two"))->second, 2);
  EXPECT_EQ(map.find(std::string_view("three")), map.end());
  const BytesBuilder builder = BytesBuilder::copy_of("one");
  EXPECT_EQ(map.find(builder)->second, 1);
  bight::Chain chain(Bytes::copy_of("tw"));
  chain.push_back(Bytes::copy_of("o"));
  EXPECT_EQ(map.find(chain)->second, 2);
  std::unordered_set<Bytes> plain{Bytes::copy_of("a"), Bytes::from_static("a")};
  EXPECT_EQ(plain.size(), 1u);
  std::map<Bytes, int, std::less<>> ordered{{Bytes::copy_of("k"), 7}};
  EXPECT_EQ(ordered.find("k")->second, 7);
}

TEST(BytesTest, StreamsWriteTheBytesAsTheyAre) {
  std::ostringstream out;
  out << Bytes::copy_of(std::string("a\0b", 3)) << Bytes();
  EXPECT_EQ(out.str(), std::string("a\0b", 3));
}

// What a Stringify sink of Abseil has.
struct TextSink {
  void Append(std::string_view part) { text += part; }
  std::string text;
};

TEST(BytesTest, AbslStringifyAppendsTheBytes) {
  TextSink sink;
  AbslStringify(sink, Bytes::copy_of("text"));
  EXPECT_EQ(sink.text, "text");
}

}  // namespace
