// Search in segments: against memchr over the same bytes in one run, which is the floor, for plain
// needles and for those that make simple searches quadratic. The result is checked before the clock
// starts.

#include <benchmark/benchmark.h>
#include <bight/internal/search.h>

#include <algorithm>
#include <cstddef>
#include <cstdlib>
#include <cstring>
#include <functional>
#include <random>
#include <span>
#include <string>
#include <utility>
#include <vector>

namespace {

using bight::internal::find_in_spans;
using bight::internal::kNotFound;
using bight::internal::SpanSource;
using ByteSpan = std::span<const std::byte>;

constexpr size_t kSegment = 1461;

ByteSpan bytes_of(const std::string& text) { return std::as_bytes(std::span<const char>(text)); }

// Segments in allocations of their own, as a chain's are.
class Segments {
 public:
  Segments(const std::string& text, size_t size) {
    for (size_t i = 0; i < text.size(); i += size) {
      parts_.push_back(text.substr(i, size));
      spans_.push_back(bytes_of(parts_.back()));
    }
    // Strings of up to 15 bytes hold their bytes themselves and moved while `parts_` grew.
    for (size_t i = 0; i < parts_.size(); ++i) spans_[i] = bytes_of(parts_[i]);
  }

  [[nodiscard]] SpanSource source() const {
    return {spans_.data(), spans_.size(), [](const void* context, size_t index) {
              return static_cast<const ByteSpan*>(context)[index];
            }};
  }

 private:
  std::vector<std::string> parts_;
  std::vector<ByteSpan> spans_;
};

std::string repeat(const std::string& unit, size_t size) {
  std::string text;
  while (text.size() < size) text += unit;
  text.resize(size);
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
  word.resize(size);
  return word;
}

std::string random_text(size_t size, const std::string& alphabet) {
  std::mt19937 random(1);
  std::string text(size, ' ');
  for (char& byte : text) byte = alphabet[random() % alphabet.size()];
  return text;
}

void floor_memchr(benchmark::State& state, size_t size) {
  const std::string text(size, 'a');
  for (auto _ : state) {
    benchmark::DoNotOptimize(std::memchr(text.data(), 'b', text.size()));
  }
}

// A text of about `size` bytes and what to look for in it. Made when its turn comes: all of them
// together would not fit in memory.
struct Work {
  std::string text;
  std::string needle;
};
using MakeWork = std::function<Work(size_t size)>;

void search(benchmark::State& state, const Work& work, size_t segment) {
  const Segments segments(work.text, segment);
  const std::boyer_moore_searcher searcher(work.needle.begin(), work.needle.end());
  const auto expected = std::search(work.text.begin(), work.text.end(), searcher);
  const size_t found = find_in_spans(segments.source(), 0, bytes_of(work.needle));
  if (found != (expected == work.text.end() ? kNotFound
                                            : static_cast<size_t>(expected - work.text.begin()))) {
    std::abort();
  }
  for (auto _ : state) {
    benchmark::DoNotOptimize(find_in_spans(segments.source(), 0, bytes_of(work.needle)));
  }
}

std::string plain(size_t size) { return std::string(size, 'a'); }

// The delimiter is at the end, split by the last boundary of segments.
Work crlf(size_t size) {
  std::string text = plain(size);
  const size_t boundary = (size - 1) / kSegment * kSegment;
  text[boundary - 1] = '\r';
  text[boundary] = '\n';
  return {text, "\r\n"};
}

std::string with_size(std::string name, size_t size) {
  name += '/';
  name += std::to_string(size >> 10);
  name += "KiB";
  return name;
}

void add(const std::string& name, size_t segment, const MakeWork& make) {
  for (const size_t size : {size_t{64} << 10, size_t{1} << 20, size_t{16} << 20}) {
    const std::string full_name = with_size(name, size);
    benchmark::RegisterBenchmark(full_name.c_str(), [=](benchmark::State& state) {
      search(state, make(size), segment == 0 ? size : segment);
    });
  }
}

bool register_all() {
  for (const size_t size : {size_t{64} << 10, size_t{1} << 20, size_t{16} << 20}) {
    const std::string name = with_size("memchr", size);
    benchmark::RegisterBenchmark(name.c_str(),
                                 [=](benchmark::State& state) { floor_memchr(state, size); });
  }
  const std::string run31(31, 'a');
  std::string b_run31 = run31;
  b_run31.insert(b_run31.begin(), 'b');
  add("crlf", kSegment, crlf);
  add("crlf_in_one_run", 0, crlf);
  add("crlf_in_64_byte_segments", 64, crlf);
  add("crlf_in_1_byte_segments", 1, crlf);
  add("a31b", kSegment, [=](size_t size) { return Work{plain(size), run31 + "b"}; });
  add("a31b_in_1_byte_segments", 1, [=](size_t size) { return Work{plain(size), run31 + "b"}; });
  add("ba31", kSegment, [=](size_t size) { return Work{plain(size), b_run31}; });
  add("a31ba31", kSegment, [=](size_t size) { return Work{plain(size), run31 + "b" + run31}; });
  add("text_the_q", kSegment, [](size_t size) {
    return Work{random_text(size, "etaoin shrdlu"), "the q"};
  });
  add("text_shrewd_thrush", kSegment, [](size_t size) {
    return Work{random_text(size, "etaoin shrdlu"), "shrewd thrush"};
  });
  add("cr_everywhere", kSegment, [](size_t size) { return Work{repeat("\r", size), "\r\n"}; });
  add("cr_every_20", kSegment, [](size_t size) {
    return Work{repeat(std::string(19, 'a') + "\r", size), "\r\n"};
  });
  add("runs_in_16_byte_segments", 16, [](size_t size) {
    return Work{repeat(std::string(99, 'a') + "b", size), std::string(100, 'a')};
  });
  for (const size_t length : {2u, 32u, 64u, 65u, 100u, 1000u, 30000u}) {
    std::string tag = "_";
    tag += std::to_string(length);
    const std::string run(length - 1, 'a');
    add("all_equal" + tag, kSegment, [=](size_t size) { return Work{plain(size), run + "b"}; });
    add("b_in_the_middle" + tag, kSegment, [=](size_t size) {
      std::string needle = plain(length);
      needle[length / 2] = 'b';
      return Work{plain(size), needle};
    });
    add("runs_one_short" + tag, kSegment, [=](size_t size) {
      return Work{repeat(run + "b", size), run + "a"};
    });
    add("runs_and_two_b" + tag, kSegment, [=](size_t size) {
      return Work{repeat(run + "b", size), run + "bb"};
    });
    add("period_2" + tag, kSegment, [=](size_t size) {
      return Work{repeat("ab", size), repeat("ab", length) + "bb"};
    });
    add("period_7" + tag, kSegment, [=](size_t size) {
      return Work{repeat("aabaaba", size), repeat("aabaaba", length) + "bbb"};
    });
    add("fibonacci" + tag, kSegment, [=](size_t size) {
      return Work{fibonacci_word(size), fibonacci_word(length) + "bb"};
    });
    add("random_of_two" + tag, kSegment, [=](size_t size) {
      const std::string text = random_text(size, "ab");
      return Work{text, text.substr(size / 3, length) + "c"};
    });
    add("random_of_two_near" + tag, kSegment, [=](size_t size) {
      const std::string text = random_text(size, "ab");
      return Work{text, text.substr(size / 3, length) + std::string(40, 'a')};
    });
  }
  return true;
}

const bool registered = register_all();

}  // namespace
