// What all programs of the comparison share: the inputs of the workloads, the answers expected, the
// clocks, and the main function. No library is named here, so that all have the same frame:
//
// - Inputs are made once a process, before any clock starts; every result is checked before its
//   clock starts, and a wrong one stops the program.
// - Time is CPU time of the thread. Rows whose set-up must not count (W2), and rows in which two
//   threads meet (W12x, W14), bring their own clock: Google Benchmark's "manual time".
// - The allocator is the C library's with its default settings.
// - A second thread sleeps all the time: libstdc++ counts a shared_ptr's references without atomics
//   as long as a process has one thread.
#ifndef BIGHT_BENCHMARKS_COMPARE_FIXTURES_H_
#define BIGHT_BENCHMARKS_COMPARE_FIXTURES_H_

#include <benchmark/benchmark.h>
#include <dlfcn.h>
#include <sys/uio.h>
#include <time.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <numeric>
#include <optional>
#include <semaphore>
#include <span>
#include <string>
#include <string_view>
#include <thread>
#include <utility>
#include <vector>

namespace compare {

constexpr size_t kKiB = 1024;
constexpr size_t kMiB = size_t{1} << 20;
constexpr size_t kNotFound = static_cast<size_t>(-1);

inline void must(bool right, const char* what) {
  if (right) return;
  std::fprintf(stderr, "wrong result: %s\n", what);
  std::abort();
}

inline uint32_t load_u32_be(const void* from) {
  uint32_t value;
  std::memcpy(&value, from, sizeof(value));
  return __builtin_bswap32(value);
}
inline void store_u32_be(void* to, uint32_t value) {
  value = __builtin_bswap32(value);
  std::memcpy(to, &value, sizeof(value));
}

class Random {
 public:
  explicit Random(uint32_t seed) : state_(seed) {}
  uint32_t next() {
    state_ ^= state_ << 13;
    state_ ^= state_ >> 17;
    state_ ^= state_ << 5;
    return state_;
  }

 private:
  uint32_t state_;
};

// ---- Inputs ------------------------------------------------------------------------------------

// Lower-case letters.
inline std::string letters(size_t size, uint32_t seed) {
  Random random(seed);
  std::string text(size, ' ');
  for (char& c : text) c = static_cast<char>('a' + random.next() % 26);
  return text;
}

inline const std::string& mebibyte() {
  static const auto& text = *new std::string(letters(kMiB, 12345));
  return text;
}
inline const std::string& buffer_64k() {
  static const auto& text = *new std::string(letters(64 * kKiB, 777));
  return text;
}
// The content of the 1000 buffers of 1 KiB.
inline const std::string& thousand_kib() {
  static const auto& text = *new std::string(letters(1000 * kKiB, 4321));
  return text;
}
constexpr std::string_view kHeader = "HTTP/1.1 200\r\n";
static_assert(kHeader.size() == 14);

// `text` in pieces of `size` bytes, the last one with what is left.
inline std::vector<std::string_view> pieces(std::string_view text, size_t size) {
  std::vector<std::string_view> result;
  for (; text.size() > size; text.remove_prefix(size)) result.push_back(text.substr(0, size));
  if (!text.empty()) result.push_back(text);
  return result;
}

// W2: frames of a u32 length and as many bytes, the first four of which are counted.
struct Frames {
  std::string bytes;
  size_t count = 0;
  uint64_t sum = 0;  // of the payloads' first u32
};
inline const Frames& frames() {
  static const auto& made = *[] {
    auto* const result = new Frames;
    constexpr uint32_t kSizes[] = {20, 100, 300, 60};
    result->bytes = letters(kMiB, 99);
    for (size_t at = 0;; ++result->count) {
      const uint32_t size = kSizes[result->count % 4];
      if (at + 4 + size > kMiB) {
        result->bytes.resize(at);
        return result;
      }
      store_u32_be(&result->bytes[at], size);
      const auto tag = static_cast<uint32_t>(result->count * 2654435761u);
      store_u32_be(&result->bytes[at + 4], tag);
      result->sum += tag;
      at += 4 + size;
    }
  }();
  return made;
}

// W7: the sum of all big-endian u32.
inline uint64_t mebibyte_u32_sum() {
  static const uint64_t sum = [] {
    uint64_t total = 0;
    for (size_t i = 0; i < kMiB; i += 4) total += load_u32_be(&mebibyte()[i]);
    return total;
  }();
  return sum;
}

// W10: in pieces of 1461 bytes the last one is the '\n' alone.
constexpr size_t kPacket = 1461;
inline const std::string& text_with_crlf() {
  static const auto& made = *[] {
    auto* const text = new std::string(letters(717 * kPacket + 1, 31));
    (*text)[text->size() - 2] = '\r';
    (*text)[text->size() - 1] = '\n';
    return text;
  }();
  return made;
}
// The same size of 'a', and the needle that makes a simple search look at every place 31 times.
inline const std::string& text_of_a() {
  static const auto& made = *[] {
    auto* const text = new std::string(717 * kPacket + 1, 'a');
    text->back() = 'b';
    return text;
  }();
  return made;
}
inline const std::string& needle_a31b() {
  static const auto& needle = *new std::string(std::string(31, 'a') + "b");
  return needle;
}

// W6: places to look at, always the same ones.
constexpr size_t kOffsets = 4096;
inline std::vector<size_t> offsets_below(size_t limit) {
  Random random(7);
  std::vector<size_t> result(kOffsets);
  for (size_t& offset : result) {
    const uint64_t wide = uint64_t{random.next()} << 32 | random.next();
    offset = static_cast<size_t>(wide % limit);
  }
  return result;
}

// The numbers of segments of the growth rows.
constexpr size_t kGrowth[] = {1, 2, 3, 16, 1000, 1000000};

// ---- Clocks ------------------------------------------------------------------------------------

inline double thread_seconds() {
  timespec now;
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
  return static_cast<double>(now.tv_sec) + static_cast<double>(now.tv_nsec) * 1e-9;
}
inline double wall_seconds() {
  return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

// Runs `work(n)` on two threads at once; seconds an operation of one thread. The machine may be
// busy: a try counts when both threads overlapped and had a core each for nine tenths of their
// time; of many tries that did not, the best one stands.
template <class Work>
double two_threads(const Work& work, size_t n) {
  double best = 0;
  double best_score = -1;
  for (int tries = 0; tries < 50 && best_score < 0.9; ++tries) {
    std::atomic<int> ready{0};
    struct {
      alignas(64) double start, end, used;
    } seen[2];
    const auto body = [&](int who) {
      ready.fetch_add(1);
      while (ready.load() < 2) {
      }
      const double cpu = thread_seconds();
      const double start = wall_seconds();
      work(n);
      const double end = wall_seconds();
      seen[who].used = thread_seconds() - cpu;
      seen[who].start = start;
      seen[who].end = end;
    };
    std::thread other(body, 1);
    body(0);
    other.join();
    const double first = std::min(seen[0].start, seen[1].start);
    const double last = std::max(seen[0].end, seen[1].end);
    const double both = std::min(seen[0].end, seen[1].end) - std::max(seen[0].start, seen[1].start);
    double score = both / (last - first);
    for (const auto& s : seen) score = std::min(score, s.used / (s.end - s.start));
    if (score > best_score) {
      best_score = score;
      best =
          (seen[0].end - seen[0].start + seen[1].end - seen[1].start) / 2 / static_cast<double>(n);
    }
  }
  return best;
}

template <class Work>
void run_contended(benchmark::State& state, const Work& work) {
  work(1000);
  for (auto _ : state) state.SetIterationTime(two_threads(work, 20000));
}

// W14: what two threads share lies on cache lines of its own.
template <class T>
struct alignas(256) Apart {
  T value;
  char rest[256];
};

// W12x: handles are made by this thread and dropped by another one, `kBatch` at a time in turns.
// The CPU time of both counts, that of waiting for each other does not.
template <class Handle, class Make>
void run_across_threads(benchmark::State& state, const Make& make) {
  constexpr size_t kBatch = 1024;
  static std::vector<std::optional<Handle>>& batch =
      *new std::vector<std::optional<Handle>>(kBatch);
  std::binary_semaphore full{0};
  std::binary_semaphore drained{0};
  bool stop = false;
  double drop_seconds = 0;
  std::thread dropper([&] {
    for (;;) {
      full.acquire();
      if (stop) return;
      const double start = thread_seconds();
      for (std::optional<Handle>& handle : batch) handle.reset();
      drop_seconds = thread_seconds() - start;
      drained.release();
    }
  });
  const auto round = [&] {
    const double start = thread_seconds();
    for (std::optional<Handle>& handle : batch) handle.emplace(make());
    const double make_seconds = thread_seconds() - start;
    full.release();
    drained.acquire();
    return make_seconds + drop_seconds;
  };
  for (int i = 0; i < 4; ++i) round();  // let caches fill
  for (auto _ : state) state.SetIterationTime(round());
  stop = true;
  full.release();
  dropper.join();
  state.counters["ops"] = kBatch;
}

// ---- Registration and main ---------------------------------------------------------------------

// How many operations one iteration is; times are divided by it.
inline void operations(benchmark::State& state, size_t n) {
  state.counters["ops"] = static_cast<double>(n);
}

// Bytes that the program has asked malloc for and not given back, or nothing when the library that
// counts them (count_requested.cc) is not loaded.
inline std::optional<size_t> requested_bytes() {
  using Count = size_t();
  static const auto count = reinterpret_cast<Count*>(dlsym(RTLD_DEFAULT, "requested_bytes"));
  if (count == nullptr) return std::nullopt;
  return count();
}

inline int run(int argc, char** argv, const std::string& library, const std::string& version) {
  std::binary_semaphore end{0};
  std::thread second([&] { end.acquire(); });
  benchmark::AddCustomContext("library", library);
  benchmark::AddCustomContext("version", version);
  benchmark::Initialize(&argc, argv);
  benchmark::RunSpecifiedBenchmarks();
  end.release();
  second.join();
  return 0;
}

}  // namespace compare

#endif  // BIGHT_BENCHMARKS_COMPARE_FIXTURES_H_
