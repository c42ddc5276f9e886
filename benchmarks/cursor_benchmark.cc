// Reading numbers out of a chain beside a plain loop over flat memory.
#include <benchmark/benchmark.h>

#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <optional>
#include <string>
#include <vector>

#include "bight/bytes.h"
#include "bight/chain.h"
#include "bight/cursor.h"
#include "bight/endian.h"

namespace {

using bight::Bytes;
using bight::Chain;
using bight::Cursor;

constexpr size_t kSize = size_t{1} << 20;

std::string make_data() {
  std::string data(kSize, '\0');
  uint32_t state = 1;
  for (char& c : data) {
    state = state * 1664525 + 1013904223;
    c = static_cast<char>(state >> 24);
  }
  return data;
}

const std::string& data() {
  static const std::string data = make_data();
  return data;
}

// The data in segments of `segment` bytes, each a block of its own, so that reads straddle.
Chain make_chain(size_t segment) {
  Chain chain;
  for (size_t at = 0; at < kSize; at += segment) {
    chain.push_copy(std::string_view(data()).substr(at, segment));
  }
  return chain;
}

// Flat loop with the vectoriser kept out of it.
uint32_t sum_flat(const char* from, const char* end) {
  uint32_t sum = 0;
#if defined(__clang__)
#pragma clang loop vectorize(disable) unroll(disable)
#elif defined(__GNUC__)
#pragma GCC unroll 1
#endif
  for (; from != end; from += 4) {
    uint32_t value = bight::load_be<uint32_t>(from);
#if defined(__GNUC__)
    asm("" : "+r"(value));
#endif
    sum += value;
  }
  return sum;
}

BIGHT_NOINLINE uint32_t sum_be(const Chain& chain) {
  uint32_t sum = 0;
  Cursor in(chain);
  while (std::optional<uint32_t> value = in.try_read_be<uint32_t>()) sum += *value;
  return sum;
}

void check(uint32_t sum) {
  if (sum == sum_flat(data().data(), data().data() + kSize)) return;
  std::fprintf(stderr, "wrong sum\n");
  std::abort();
}

void per_item(benchmark::State& state, size_t items) {
  state.SetItemsProcessed(static_cast<int64_t>(items) * static_cast<int64_t>(state.iterations()));
}

// The floor of BM_ReadU32.
void BM_ReadU32Flat(benchmark::State& state) {
  const std::string& flat = data();
  for (auto _ : state) {
    benchmark::DoNotOptimize(sum_flat(flat.data(), flat.data() + flat.size()));
  }
  per_item(state, kSize / 4);
}
BENCHMARK(BM_ReadU32Flat);

// W7. All numbers of 1 MiB, in segments of so many bytes.
void BM_ReadU32(benchmark::State& state) {
  const Chain chain = make_chain(static_cast<size_t>(state.range(0)));
  check(sum_be(chain));
  for (auto _ : state) benchmark::DoNotOptimize(sum_be(chain));
  per_item(state, kSize / 4);
}
BENCHMARK(BM_ReadU32)->ArgName("segment")->Arg(4098)->Arg(62)->Arg(7)->Arg(kSize);

// Bytes below 128 and above, as varints of one to five bytes.
void BM_ReadVarint(benchmark::State& state) {
  std::string text;
  uint64_t expected = 0;
  for (size_t i = 0; i < 100000; ++i) {
    const uint64_t value = uint64_t{1} << (i * 7 % static_cast<size_t>(state.range(0)));
    std::byte bytes[bight::kMaxVarintSize];
    const std::byte* const end = bight::encode_varint(value, bytes);
    text.append(reinterpret_cast<const char*>(bytes), static_cast<size_t>(end - bytes));
    expected += value;
  }
  Chain chain;
  for (size_t at = 0; at < text.size(); at += 4098) {
    chain.push_copy(std::string_view(text).substr(at, 4098));
  }
  const auto sum_all = [&chain] {
    uint64_t sum = 0;
    Cursor in(chain);
    while (bight::ReadResult<uint64_t> value = in.try_read_varint()) sum += *value;
    return sum;
  };
  if (sum_all() != expected) std::abort();
  for (auto _ : state) benchmark::DoNotOptimize(sum_all());
  per_item(state, 100000);
}
BENCHMARK(BM_ReadVarint)->ArgName("bits")->Arg(7)->Arg(35);

// The head of W2: the first number of a chain of one segment.
void BM_FirstU32(benchmark::State& state) {
  const Chain chain(Bytes::copy_of(data()));
  benchmark::DoNotOptimize(&chain);
  for (auto _ : state) {
    benchmark::ClobberMemory();
    Cursor in(chain);
    benchmark::DoNotOptimize(in.try_read_be<uint32_t>());
  }
}
BENCHMARK(BM_FirstU32);

// Frames with a length before them, taken as chains of their own.
void BM_ReadPrefixed(benchmark::State& state) {
  std::string text;
  constexpr size_t kLengths[] = {20, 100, 300, 60};
  size_t frames = 0;
  while (text.size() + 304 <= kSize) {
    const size_t length = kLengths[frames++ % 4];
    std::byte prefix[4];
    bight::store_be<uint32_t>(prefix, static_cast<uint32_t>(length));
    text.append(reinterpret_cast<const char*>(prefix), 4);
    text.append(length, 'x');
  }
  Chain chain;
  for (size_t at = 0; at < text.size(); at += 16384) {
    chain.push_copy(std::string_view(text).substr(at, 16384));
  }
  for (auto _ : state) {
    Cursor in(chain);
    size_t count = 0;
    while (bight::ReadResult<Chain> frame = in.try_read_prefixed<uint32_t>(1024)) ++count;
    if (count != frames) std::abort();
  }
  per_item(state, frames);
}
BENCHMARK(BM_ReadPrefixed);

}  // namespace
