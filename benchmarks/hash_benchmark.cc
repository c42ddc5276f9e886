// The hash of one key, against a walk over its words as the floor and std::hash as what a user
// would take. Keys come one after the other at changing places, so that no size is foreseen.

#include <benchmark/benchmark.h>
#include <bight/hash.h>

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <string>
#include <string_view>
#include <vector>

namespace {

std::vector<std::byte> make_bytes(size_t size) {
  std::vector<std::byte> bytes(size);
  uint64_t value = 1;
  for (std::byte& byte : bytes) {
    value = value * 6364136223846793005u + 1442695040888963407u;
    byte = static_cast<std::byte>(value >> 56);
  }
  return bytes;
}

// Runs `hash` over keys of `state.range(0)` bytes; the next key's place depends on the hash, so
// that the time is that of the whole way from the key to its hash.
template <typename Hash>
void run(benchmark::State& state, Hash hash) {
  const auto size = static_cast<size_t>(state.range(0));
  const std::vector<std::byte> bytes = make_bytes(size + 64);
  uint64_t value = 0;
  for (auto _ : state) {
    value = hash(bytes.data() + (value & 63), size);
  }
  benchmark::DoNotOptimize(value);
  state.SetBytesProcessed(state.iterations() * state.range(0));
}

void BM_SumOfWords(benchmark::State& state) {
  run(state, [](const std::byte* data, size_t size) {
    uint64_t sum = size;
    size_t i = 0;
    for (; i + 8 <= size; i += 8) {
      uint64_t word;
      std::memcpy(&word, data + i, 8);
      sum += word;
    }
    for (; i < size; ++i) sum += std::to_integer<uint64_t>(data[i]);
    return sum;
  });
}

void BM_StdHash(benchmark::State& state) {
  run(state, [](const std::byte* data, size_t size) {
    return std::hash<std::string_view>()({reinterpret_cast<const char*>(data), size});
  });
}

void BM_HashBytes(benchmark::State& state) {
  run(state, [](const std::byte* data, size_t size) { return bight::hash_bytes(data, size); });
}

void BM_Hasher(benchmark::State& state) {
  const std::vector<std::byte> bytes = make_bytes(1000);
  bight::Hasher hasher;
  hasher.update(bytes.data(), bytes.size());
  if (hasher.digest() != bight::hash_bytes(bytes.data(), bytes.size())) std::abort();
  run(state, [](const std::byte* data, size_t size) {
    bight::Hasher in_pieces;
    in_pieces.update(data, size);
    return in_pieces.digest();
  });
}

constexpr int kSizes[] = {4, 8, 16, 24, 32, 64, 100, 256, 1024, 16384, 1 << 20};

void sizes(benchmark::internal::Benchmark* bench) {
  for (const int size : kSizes) bench->Arg(size);
}

BENCHMARK(BM_SumOfWords)->Apply(sizes);
BENCHMARK(BM_StdHash)->Apply(sizes);
BENCHMARK(BM_HashBytes)->Apply(sizes);
BENCHMARK(BM_Hasher)->Apply(sizes);

}  // namespace
