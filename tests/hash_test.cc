#include <bight/hash.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <bit>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <random>
#include <string>
#include <string_view>
#include <unordered_set>
#include <vector>

namespace bight {
namespace {

using Buffer = std::vector<std::byte>;

Buffer random_bytes(size_t size, uint32_t seed) {
  std::mt19937 random(seed);
  Buffer bytes(size);
  for (std::byte& byte : bytes) byte = static_cast<std::byte>(random());
  return bytes;
}

uint64_t hash_of(const Buffer& bytes) { return hash_bytes(bytes.data(), bytes.size()); }

uint64_t hash_text(std::string_view text, uint64_t seed = kDefaultHashSeed) {
  return hash_bytes(reinterpret_cast<const std::byte*>(text.data()), text.size(), seed);
}

TEST(HashTest, NothingHashesWithoutAPointer) {
  EXPECT_EQ(hash_bytes(nullptr, 0), Hasher().digest());
  Hasher hasher;
  hasher.update(nullptr, 0);
  EXPECT_EQ(hasher.digest(), hash_text(""));
}

// slice-Q03, chain-C055: equal content hashes alike however it is cut.
TEST(HashTest, EveryCutIntoTwoGivesTheSameHash) {
  for (size_t size = 0; size <= 300; ++size) {
    const Buffer bytes = random_bytes(size, static_cast<uint32_t>(size));
    const uint64_t whole = hash_of(bytes);
    for (size_t cut = 0; cut <= size; ++cut) {
      Hasher hasher;
      hasher.update(bytes.data(), cut);
      ASSERT_EQ(hasher.digest(), hash_bytes(bytes.data(), cut)) << size << " cut at " << cut;
      hasher.update(bytes.data() + cut, size - cut);
      ASSERT_EQ(hasher.digest(), whole) << size << " cut at " << cut;
    }
  }
}

TEST(HashTest, EveryCutIntoThreeGivesTheSameHash) {
  const Buffer bytes = random_bytes(150, 1);
  const uint64_t whole = hash_of(bytes);
  for (size_t first = 0; first <= bytes.size(); ++first) {
    for (size_t second = first; second <= bytes.size(); ++second) {
      Hasher hasher;
      hasher.update(bytes.data(), first);
      hasher.update(bytes.data() + first, second - first);
      hasher.update(bytes.data() + second, bytes.size() - second);
      ASSERT_EQ(hasher.digest(), whole) << first << " " << second;
    }
  }
}

// chain-C055
TEST(HashTest, ByteByByteIsTheSame) {
  const Buffer bytes = random_bytes(2000, 2);
  Hasher hasher;
  for (size_t i = 0; i < bytes.size(); ++i) {
    hasher.update(&bytes[i], 1);
    ASSERT_EQ(hasher.digest(), hash_bytes(bytes.data(), i + 1));
  }
}

TEST(HashTest, RandomCutsOfLongInputs) {
  std::mt19937 random(3);
  const Buffer bytes = random_bytes(100000, 4);
  const uint64_t whole = hash_of(bytes);
  for (int round = 0; round < 50; ++round) {
    Hasher hasher;
    size_t done = 0;
    while (done < bytes.size()) {
      const size_t size = (std::min)(bytes.size() - done, static_cast<size_t>(random() % 4000));
      hasher.update(bytes.data() + done, size);
      done += size;
    }
    ASSERT_EQ(hasher.digest(), whole);
  }
}

TEST(HashTest, CopiesOfAHasherGoOnApart) {
  Hasher one;
  const Buffer bytes = random_bytes(100, 5);
  one.update(bytes.data(), 70);
  Hasher other = one;
  one.update(bytes.data() + 70, 30);
  EXPECT_EQ(other.digest(), hash_bytes(bytes.data(), 70));
  EXPECT_EQ(one.digest(), hash_of(bytes));
}

TEST(HashTest, EverySizeOfTheSameByteHashesApart) {
  std::unordered_set<uint64_t> seen;
  for (const char byte : {'\0', 'a', '\xff'}) {
    for (size_t size = 1; size <= 1000; ++size) seen.insert(hash_text(std::string(size, byte)));
  }
  EXPECT_EQ(seen.size(), 3000u);
}

TEST(HashTest, SeedsGiveDifferentHashes) {
  for (const size_t size : {0u, 1u, 5u, 12u, 20u, 50u, 100u}) {
    const std::string text(size, 'x');
    std::unordered_set<uint64_t> seen;
    for (uint64_t seed = 0; seed < 1000; ++seed) seen.insert(hash_text(text, seed));
    EXPECT_EQ(seen.size(), 1000u) << size;
    Hasher seeded(77);
    seeded.update(reinterpret_cast<const std::byte*>(text.data()), size);
    EXPECT_EQ(seeded.digest(), hash_text(text, 77)) << size;
  }
}

// One bit of input turned turns each bit of the hash in half of the cases, give or take.
TEST(HashTest, OneBitTurnsHalfOfTheBits) {
  for (const size_t size : {1u, 2u, 3u, 4u, 7u, 8u, 9u, 16u, 17u, 32u, 33u, 64u, 65u, 128u, 200u}) {
    constexpr int kRounds = 400;
    const size_t step = size < 16 ? 1 : 7;
    std::array<int, 64> turned{};
    int trials = 0;
    double total = 0;
    double least = 64;
    for (size_t bit = 0; bit < size * 8; bit += step) {
      double of_bit = 0;
      for (int round = 0; round < kRounds; ++round) {
        Buffer bytes = random_bytes(size, static_cast<uint32_t>(round));
        const uint64_t before = hash_of(bytes);
        bytes[bit / 8] ^= static_cast<std::byte>(1u << (bit % 8));
        const uint64_t change = before ^ hash_of(bytes);
        for (size_t i = 0; i < 64; ++i) turned[i] += static_cast<int>((change >> i) & 1);
        of_bit += std::popcount(change);
      }
      least = (std::min)(least, of_bit / kRounds);
      total += of_bit;
      trials += kRounds;
    }
    EXPECT_NEAR(total / trials, 32.0, 0.5) << size;
    EXPECT_GT(least, 30.0) << size;
    for (const int count : turned) EXPECT_NEAR(count, trials * 0.5, trials * 0.05) << size;
  }
}

// Keys that differ little fill the buckets of a table as evenly as chance does, by the low bits and
// by the high bits.
TEST(HashTest, SimilarKeysSpreadEvenly) {
  constexpr size_t kBuckets = 1024;
  constexpr size_t kKeys = 100 * kBuckets;
  for (const char* prefix : {"", "key", "a prefix of twenty-four!", "x"}) {
    std::array<std::vector<size_t>, 3> counts;
    for (auto& count : counts) count.resize(kBuckets);
    for (size_t i = 0; i < kKeys; ++i) {
      const uint64_t hash = hash_text(prefix + std::to_string(i));
      ++counts[0][hash % kBuckets];
      ++counts[1][(hash >> 27) % kBuckets];
      ++counts[2][hash >> 54];
    }
    for (const auto& count : counts) {
      double chi_square = 0;
      for (const size_t n : count)
        chi_square += (static_cast<double>(n) - 100) * (static_cast<double>(n) - 100) / 100;
      // 1023 degrees of freedom: mean 1023, deviation 45.
      EXPECT_NEAR(chi_square, 1023, 250) << prefix;
    }
  }
}

TEST(HashTest, NoCollisionsAmongSparseKeys) {
  // Many blocks of 24 bytes with one, two or three bits set.
  std::unordered_set<uint64_t> seen;
  std::unordered_set<std::string> keys;
  std::array<std::byte, 24> block{};
  const auto turn = [&](size_t bit) { block[bit / 8] ^= static_cast<std::byte>(1u << (bit % 8)); };
  for (size_t i = 0; i < 192; ++i) {
    turn(i);
    for (size_t j = i; j < 192; ++j) {
      if (j != i) turn(j);
      for (size_t k = j; k < 192; k += 5) {
        if (k != j) turn(k);
        seen.insert(hash_bytes(block.data(), block.size()));
        keys.emplace(reinterpret_cast<const char*>(block.data()), block.size());
        if (k != j) turn(k);
      }
      if (j != i) turn(j);
    }
    turn(i);
  }
  EXPECT_EQ(seen.size(), keys.size());
}

TEST(HashTest, ProductsAgreeWithAndWithoutWideNumbers) {
  EXPECT_EQ(internal::folded_product_in_steps(0, 5), 0u);
  EXPECT_EQ(internal::folded_product_in_steps(3, 5), 15u);
  EXPECT_EQ(internal::folded_product_in_steps(UINT64_MAX, UINT64_MAX), (UINT64_MAX - 1) ^ 1);
  EXPECT_EQ(internal::folded_product_in_steps(uint64_t{1} << 63, 6), 3u);
  std::mt19937_64 random(6);
  for (int i = 0; i < 100000; ++i) {
    const uint64_t a = random() >> (random() % 64);
    const uint64_t b = random() >> (random() % 64);
    ASSERT_EQ(internal::folded_product(a, b), internal::folded_product_in_steps(a, b));
  }
}

// Fixed values of this version: the same on machines of either byte order.
TEST(HashTest, ValuesAreTheSameOnEveryMachine) {
  std::string long_text;
  for (int i = 0; i < 100; ++i) long_text += std::to_string(i);
  EXPECT_EQ(hash_text(""), 0x9ccd8aec2391dd78u);
  EXPECT_EQ(hash_text("abc"), 0x1bb6ac5efe323c99u);
  EXPECT_EQ(hash_text("hello"), 0x4685dae4e928a144u);
  EXPECT_EQ(hash_text("hello world"), 0x132cfe9aee21f474u);
  EXPECT_EQ(hash_text("a bight is a loop of rope"), 0x18f8ba39b98b565au);
  EXPECT_EQ(hash_text("a bight is a slack part or loop in a rope"), 0x98e2a63d49dcbf2du);
  EXPECT_EQ(hash_text(long_text), 0x5b974a03f1db167du);
}

}  // namespace
}  // namespace bight
