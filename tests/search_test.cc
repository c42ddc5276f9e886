#include <bight/internal/search.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <new>
#include <random>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace {

size_t allocations = 0;
bool allocation_fails = false;

}  // namespace

// The program's allocations, counted. Not inlined: g++ takes the pairing with malloc for a mistake.
BIGHT_NOINLINE void* operator new(size_t size) {
  ++allocations;
  void* memory = allocation_fails ? nullptr : std::malloc(size == 0 ? 1 : size);
  if (memory == nullptr) {
#if BIGHT_HAS_EXCEPTIONS
    throw std::bad_alloc();
#else
    std::abort();
#endif
  }
  return memory;
}
BIGHT_NOINLINE void* operator new[](size_t size) { return operator new(size); }
BIGHT_NOINLINE void operator delete(void* memory) noexcept { std::free(memory); }
BIGHT_NOINLINE void operator delete(void* memory, size_t) noexcept { std::free(memory); }
BIGHT_NOINLINE void operator delete[](void* memory) noexcept { std::free(memory); }
BIGHT_NOINLINE void operator delete[](void* memory, size_t) noexcept { std::free(memory); }

namespace bight::internal {
namespace {

std::span<const std::byte> bytes_of(std::string_view text) {
  return std::as_bytes(std::span<const char>(text.data(), text.size()));
}

// Segments of a stream, each an allocation of its own size so that a sanitizer sees every byte read
// outside of one.
class Stream {
 public:
  explicit Stream(const std::vector<std::string>& parts) {
    for (const std::string& part : parts) {
      text_ += part;
      if (!part.empty()) parts_.emplace_back(part.begin(), part.end());
    }
  }

  // Cuts `text` into parts of 1 to `max_size` bytes.
  static Stream cut(std::string_view text, size_t max_size, std::mt19937& random) {
    std::vector<std::string> parts;
    while (!text.empty()) {
      const size_t size = (std::min)(text.size(), 1 + random() % max_size);
      parts.emplace_back(text.substr(0, size));
      text.remove_prefix(size);
    }
    return Stream(parts);
  }

  [[nodiscard]] SpanSource source() const {
    return {this, parts_.size(), [](const void* context, size_t index) {
              const auto& part = static_cast<const Stream*>(context)->parts_[index];
              ++static_cast<const Stream*>(context)->spans_given_;
              return std::as_bytes(std::span<const char>(part));
            }};
  }

  [[nodiscard]] size_t find(std::string_view needle, size_t from = 0,
                            size_t limit = kNotFound) const {
    return find_in_spans(source(), from, bytes_of(needle), limit);
  }

  [[nodiscard]] const std::string& text() const { return text_; }
  [[nodiscard]] const std::vector<std::vector<char>>& parts() const { return parts_; }
  [[nodiscard]] size_t spans_given() const { return spans_given_; }

 private:
  std::string text_;
  std::vector<std::vector<char>> parts_;
  mutable size_t spans_given_ = 0;
};

// What the search has to answer.
size_t expected_find(std::string_view text, std::string_view needle, size_t from, size_t limit) {
  if (from > text.size()) return kNotFound;
  if (limit < text.size() - from) text = text.substr(0, from + limit);
  return text.find(needle, from);
}

std::string repeat(std::string_view unit, size_t times) {
  std::string text;
  for (size_t i = 0; i < times; ++i) text += unit;
  return text;
}

std::string fibonacci_word(size_t size) {
  std::string shorter = "b";
  std::string word = "a";
  while (word.size() < size) {
    std::string longer = word + shorter;
    shorter = std::move(word);
    word = std::move(longer);
  }
  return word.substr(0, size);
}

const std::vector<std::string> kBanana = {"na", "n", "", "an", "a", "ban", "ana"};
const std::vector<std::string> kHaystack = {"this", " ",          "is", " ",   "a",
                                            " ",    "fragmented", " ",  "cord"};

// buf-E16
TEST(SearchTest, EmptyNeedleIsFoundUpToTheEnd) {
  const Stream stream(kBanana);
  EXPECT_EQ(stream.find("", 0), 0u);
  EXPECT_EQ(stream.find("", 5), 5u);
  EXPECT_EQ(stream.find("", 12), 12u);
  EXPECT_EQ(stream.find("", 13), kNotFound);
  EXPECT_EQ(stream.find("", 4, 0), 4u);
}

// buf-E17
TEST(SearchTest, StartsWhereItIsTold) {
  const Stream stream(kBanana);
  EXPECT_EQ(stream.find("na", 10), 10u);
  EXPECT_EQ(stream.find("na", 11), kNotFound);
  EXPECT_EQ(stream.find("na", 12), kNotFound);
  EXPECT_EQ(stream.find("na", 1000), kNotFound);
  EXPECT_EQ(stream.find("na", kNotFound), kNotFound);
}

// buf-E18
TEST(SearchTest, MatchLiesWhollyInsideTheLimit) {
  const Stream stream(kBanana);
  EXPECT_EQ(stream.find("ban", 0, 8), kNotFound);
  EXPECT_EQ(stream.find("ban", 0, 9), 6u);
  EXPECT_EQ(stream.find("b", 6, 1), 6u);
  EXPECT_EQ(stream.find("b", 6, 0), kNotFound);
  EXPECT_EQ(stream.find("ana", 9, 2), kNotFound);
  EXPECT_EQ(stream.find("ana", 9, 3), 9u);
  EXPECT_EQ(stream.find("ana", 9, 10000000), 9u);
}

// buf-D01
TEST(SearchTest, BytesAboveAsciiAreFound) {
  const Stream stream({"xx\xff", "\x80", "A\xfe"});
  EXPECT_EQ(stream.find("\x80"
                        "A"),
            3u);
  EXPECT_EQ(stream.find("\xfe"), 5u);
  EXPECT_EQ(stream.find("\xff\x80"), 2u);
}

// buf-B21
TEST(SearchTest, DelimiterInTheOtherOrderIsNoMatch) {
  const Stream stream({"\r\nab\n", "\rcd\r", "\n"});
  EXPECT_EQ(stream.find("\r\n", 0), 0u);
  EXPECT_EQ(stream.find("\r\n", 1), 8u);
}

// buf-V23: a search resumed one byte before the old end sees a delimiter that arrived in two parts.
TEST(SearchTest, ResumedSearchFindsADelimiterThatArrivedInParts) {
  EXPECT_EQ(Stream({"abc\r"}).find("\r\n", 0), kNotFound);
  EXPECT_EQ(Stream({"abc\r", "\n"}).find("\r\n", 3), 3u);
}

// chain-C060, chain-C061
TEST(SearchTest, EmptyStreamHoldsOnlyTheEmptyNeedle) {
  const Stream empty({});
  EXPECT_EQ(empty.find(""), 0u);
  EXPECT_EQ(empty.find("", 1), kNotFound);
  EXPECT_EQ(empty.find("x"), kNotFound);
  EXPECT_EQ(empty.find("xy"), kNotFound);
  const Stream stream(kHaystack);
  EXPECT_EQ(stream.find(stream.text() + "x"), kNotFound);
}

// chain-C062b, chain-C062c, chain-C063, chain-C064
TEST(SearchTest, MatchesStraddleSegments) {
  const Stream stream(kHaystack);
  EXPECT_EQ(stream.find("is a"), 5u);
  EXPECT_EQ(Stream({"a", "\r", "\n"}).find("\r\n"), 1u);
  EXPECT_EQ(Stream({"aaa", "aa", "b"}).find("aaab"), 2u);
  EXPECT_EQ(stream.find(stream.text()), 0u);
  EXPECT_EQ(stream.find("fragmented cord"), 10u);
}

TEST(SearchTest, ContiguousFormsAgree) {
  const std::string text = "nananabanana";
  const auto* data = bytes_of(text).data();
  EXPECT_EQ(find_in(data, text.size(), bytes_of("ban")), 6u);
  EXPECT_EQ(find_in(data, text.size(), bytes_of("ban"), 0, 8), kNotFound);
  EXPECT_EQ(find_in(data, text.size(), bytes_of(""), 12), 12u);
  EXPECT_EQ(find_in(data, text.size(), bytes_of(""), 13), kNotFound);
  EXPECT_EQ(find_in(nullptr, 0, bytes_of("")), 0u);
  EXPECT_EQ(find_in(nullptr, 0, bytes_of("ab")), kNotFound);
  EXPECT_EQ(find_byte_in(data, text.size(), std::byte{'b'}), 6u);
  EXPECT_EQ(find_byte_in(data, text.size(), std::byte{'b'}, 7), kNotFound);
  EXPECT_EQ(find_byte_in(data, text.size(), std::byte{'b'}, 0, 6), kNotFound);
  EXPECT_EQ(find_byte_in(data, text.size(), std::byte{'b'}, 0, 7), 6u);
  EXPECT_EQ(find_byte_in(nullptr, 0, std::byte{'b'}), kNotFound);
}

// A search that is told where `from` lies asks for no span before that place.
TEST(SearchTest, StartInTheMiddleSkipsTheSpansBefore) {
  const Stream stream(kHaystack);
  std::vector<size_t> bases;
  size_t base = 0;
  for (const auto& part : stream.parts()) {
    bases.push_back(base);
    base += part.size();
  }
  for (size_t index = 0; index < bases.size(); ++index) {
    for (size_t offset = 0; offset <= stream.parts()[index].size(); ++offset) {
      const SearchStart start{index, offset, bases[index] + offset};
      for (const std::string_view needle : {"a", " ", "d", "is", "s a", "cord", "", "zz"}) {
        for (size_t from = start.base; from <= stream.text().size() + 1; ++from) {
          const size_t before = stream.spans_given();
          const size_t got =
              find_in_spans(stream.source(), from, bytes_of(needle), kNotFound, start);
          ASSERT_EQ(got, expected_find(stream.text(), needle, from, kNotFound))
              << needle << " from " << from << " started at " << start.base;
          if (needle == "zz") {
            ASSERT_LE(stream.spans_given() - before, bases.size() - index);
          }
        }
      }
    }
  }
}

// Offsets before the start need not exist: a source may hold the end of a stream only.
TEST(SearchTest, BaseMayExceedTheBytesBefore) {
  const Stream stream({"xxab", "cab"});
  const SearchStart start{0, 2, 1000};
  EXPECT_EQ(find_in_spans(stream.source(), 1000, bytes_of("ab"), kNotFound, start), 1000u);
  EXPECT_EQ(find_in_spans(stream.source(), 1001, bytes_of("ab"), kNotFound, start), 1003u);
  EXPECT_EQ(find_in_spans(stream.source(), 1001, bytes_of("ab"), 3, start), kNotFound);
  EXPECT_EQ(find_in_spans(stream.source(), 1001, bytes_of("ab"), 4, start), 1003u);
}

TEST(SearchTest, EmptySpansAreTolerated) {
  static const std::vector<std::string> parts = {"", "ab", "", "", "ca", "", "b", ""};
  const SpanSource source{nullptr, parts.size(),
                          [](const void*, size_t index) { return bytes_of(parts[index]); }};
  EXPECT_EQ(find_in_spans(source, 0, bytes_of("bc")), 1u);
  EXPECT_EQ(find_in_spans(source, 1, bytes_of("ab")), 3u);
  EXPECT_EQ(find_in_spans(source, 5, bytes_of("")), 5u);
  EXPECT_EQ(find_in_spans(source, 6, bytes_of("")), kNotFound);
  EXPECT_EQ(find_byte_in_spans(source, 2, std::byte{'b'}), 4u);
  EXPECT_EQ(find_byte_in_spans(source, 5, std::byte{'b'}), kNotFound);
}

struct RandomCase {
  const char* name;
  const char* alphabet;
  size_t max_text;
  size_t max_segment;
  size_t max_needle;
  int rounds;
};

class SearchRandomTest : public testing::TestWithParam<RandomCase> {};

// Needles are cut from the text, with a byte changed in half of the cases, so that matches and near
// misses are both frequent.
TEST_P(SearchRandomTest, AgreesWithStdString) {
  const RandomCase& c = GetParam();
  const std::string_view alphabet = c.alphabet;
  for (int round = 0; round < c.rounds; ++round) {
    const auto seed = static_cast<uint32_t>(round);
    std::mt19937 random(seed);
    std::string text(random() % (c.max_text + 1), ' ');
    for (char& byte : text) byte = alphabet[random() % alphabet.size()];
    const Stream stream = Stream::cut(text, c.max_segment, random);
    for (int i = 0; i < 20; ++i) {
      const size_t begin = random() % (text.size() + 1);
      std::string needle = text.substr(begin, random() % (c.max_needle + 1));
      if (!needle.empty() && random() % 2 == 0) {
        needle[random() % needle.size()] = alphabet[random() % alphabet.size()];
      }
      const size_t from = random() % 2 == 0 ? 0 : random() % (text.size() + 2);
      const size_t limit = random() % 2 == 0 ? kNotFound : random() % (text.size() + 2);
      const size_t expected = expected_find(text, needle, from, limit);
      ASSERT_EQ(stream.find(needle, from, limit), expected)
          << "seed " << seed << " from " << from << " limit " << limit << " needle " << needle;
      ASSERT_EQ(find_in(bytes_of(text).data(), text.size(), bytes_of(needle), from, limit),
                expected)
          << "seed " << seed << " from " << from << " limit " << limit << " needle " << needle;
      if (needle.size() == 1) {
        ASSERT_EQ(find_byte_in_spans(stream.source(), from, bytes_of(needle)[0], limit), expected);
        ASSERT_EQ(
            find_byte_in(bytes_of(text).data(), text.size(), bytes_of(needle)[0], from, limit),
            expected);
      }
    }
  }
}

INSTANTIATE_TEST_SUITE_P(
    Shapes, SearchRandomTest,
    testing::Values(RandomCase{"tiny", "ab", 24, 4, 6, 3000},
                    RandomCase{"one_byte_segments", "ab", 5000, 1, 100, 40},
                    RandomCase{"two_letters", "ab", 20000, 50, 80, 60},
                    RandomCase{"mostly_one_letter", "aaaaaaaaaaaaaaab", 20000, 1500, 400, 60},
                    RandomCase{"almost_one_letter",
                               "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaab",
                               20000, 700, 3000, 60},
                    RandomCase{"many_letters", "abcdefghijklmnopqrstuvwxyz \r\n", 20000, 300, 2000,
                               60},
                    RandomCase{"long", "ab", 400000, 5000, 150000, 6}),
    [](const auto& instance) { return std::string(instance.param.name); });

struct HardCase {
  std::string name;
  std::string text;
  std::string needle;
};

// Texts and needles that make simple searches take quadratic time. Each is long enough that every
// matcher gets its turn and windows begin anew.
std::vector<HardCase> hard_cases() {
  constexpr size_t kSize = 200000;
  std::vector<HardCase> cases;
  for (const size_t size : {2u, 31u, 63u, 64u, 65u, 200u, 5000u, 100000u}) {
    const std::string run(size - 1, 'a');
    const std::string tag = "_" + std::to_string(size);
    cases.push_back({"all_equal_then_b" + tag, std::string(kSize, 'a'), run + "b"});
    cases.push_back({"b_then_all_equal" + tag, std::string(kSize, 'a'), "b" + run});
    std::string middle = run + "a";
    middle[size / 2] = 'b';
    cases.push_back({"b_in_the_middle" + tag, std::string(kSize, 'a'), middle});
    cases.push_back({"runs_one_short" + tag, repeat(run + "b", kSize / size + 1), run + "a"});
    cases.push_back({"two_runs" + tag, repeat(run + "b", kSize / size + 1), run + "bb"});
    cases.push_back({"period_two" + tag, repeat("ab", kSize / 2), repeat("ab", size / 2) + "b"});
    cases.push_back(
        {"period_three" + tag, repeat("aab", kSize / 3), "b" + repeat("aab", size / 3)});
    std::string near_miss = fibonacci_word(size);
    near_miss.back() = near_miss.back() == 'a' ? 'b' : 'a';
    cases.push_back({"fibonacci" + tag, fibonacci_word(kSize), near_miss + "bb"});
  }
  return cases;
}

TEST(SearchTest, HardNeedlesAreFoundAndMissedRightly) {
  std::mt19937 random(7);
  for (const HardCase& c : hard_cases()) {
    const std::string extended = c.text + c.needle + "a";
    // The plain search takes its quadratic time once a case.
    const size_t in_extended = extended.find(c.needle);
    const bool in_text = in_extended <= c.text.size() - c.needle.size();
    for (const size_t max_segment : {1u, 40u, 1461u, 1000000u}) {
      const Stream stream = Stream::cut(c.text, max_segment, random);
      ASSERT_EQ(stream.find(c.needle), in_text ? in_extended : kNotFound) << c.name;
      ASSERT_EQ(Stream::cut(extended, max_segment, random).find(c.needle), in_extended) << c.name;
    }
  }
}

// A window that the limit makes little longer than the needle, with a span boundary in it, once led
// the search backwards, for ever.
TEST(SearchTest, LimitJustBeyondALongNeedleEndsTheSearch) {
  const std::string run(2500, 'a');
  const std::string needle = run + "b" + run + "b";
  const std::string text = repeat(run + "bb", 8);
  for (size_t cut = 3000; cut < 6000; cut += 100) {
    const Stream stream({text.substr(0, cut), text.substr(cut)});
    for (size_t limit = needle.size(); limit < 8000; limit += 37) {
      ASSERT_EQ(stream.find(needle, 0, limit), kNotFound) << cut << " " << limit;
    }
  }
}

// The spans asked for are a measure of the walking, which has to be linear too.
TEST(SearchTest, WalksAreLinearInTheNumberOfSpans) {
  for (const HardCase& c : hard_cases()) {
    std::vector<std::string> parts;
    for (size_t i = 0; i < c.text.size(); i += 4) parts.push_back(c.text.substr(i, 4));
    const Stream stream(parts);
    (void)stream.find(c.needle);
    const size_t spans = stream.parts().size() + c.needle.size();
    EXPECT_LE(stream.spans_given(), 6 * spans + 5000) << c.name;
  }
}

TEST(SearchTest, AllocatesOnlyForLongNeedlesAcrossSpans) {
  for (const HardCase& c : hard_cases()) {
    std::mt19937 random(3);
    const Stream stream = Stream::cut(c.text, 1461, random);
    const size_t before = allocations;
    (void)find_in(bytes_of(c.text).data(), c.text.size(), bytes_of(c.needle));
    if (c.needle.size() <= 64) (void)stream.find(c.needle);
    ASSERT_EQ(allocations, before) << c.name;
    (void)stream.find(c.needle);
    ASSERT_LE(allocations, before + 1) << c.name;
  }
}

#if BIGHT_HAS_EXCEPTIONS
TEST(SearchTest, FailedAllocationIsReportedAndTheNextSearchSucceeds) {
  std::mt19937 random(3);
  const std::string needle = std::string(200, 'a') + "b" + std::string(200, 'a') + "b";
  const std::string text = repeat(std::string(200, 'a') + "bb", 100000) + needle;
  const Stream stream = Stream::cut(text, 1461, random);
  allocation_fails = true;
  bool failed = false;
  try {
    (void)stream.find(needle);
  } catch (const std::bad_alloc&) {
    failed = true;
  }
  allocation_fails = false;
  EXPECT_TRUE(failed);
  EXPECT_EQ(stream.find(needle), text.find(needle));
}
#endif

}  // namespace
}  // namespace bight::internal
