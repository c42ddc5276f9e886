#include "examples/support/crc32c.h"

#include <bight/endian.h>

#include <array>

#if defined(__x86_64__) && defined(__GNUC__)
#include <immintrin.h>
#define CRC32C_X86 1
#endif

namespace example {
namespace {

// Polynomials modulo P over two elements, the coefficient of x^31 in the lowest bit.
constexpr uint32_t kPolynomial = 0x82f63b78;
constexpr uint32_t kOne = 0x80000000;

constexpr uint32_t times_x(uint32_t a) { return (a >> 1) ^ ((a & 1) != 0 ? kPolynomial : 0); }

constexpr uint32_t product(uint32_t a, uint32_t b) {
  uint32_t result = 0;
  for (; a != 0; a <<= 1, b = times_x(b)) result ^= (a & kOne) != 0 ? b : 0;
  return result;
}

constexpr uint32_t power_of_x(uint64_t exponent) {
  uint32_t result = kOne;
  for (uint32_t base = kOne >> 1; exponent != 0; exponent >>= 1, base = product(base, base)) {
    if ((exponent & 1) != 0) result = product(result, base);
  }
  return result;
}

// Table k holds what a byte becomes when k more bytes follow it.
constexpr auto kTables = [] {
  std::array<std::array<uint32_t, 256>, 8> tables{};
  for (uint32_t i = 0; i < 256; ++i) {
    uint32_t value = i;
    for (auto& table : tables) {
      for (int bit = 0; bit < 8; ++bit) value = times_x(value);
      table[i] = value;
    }
  }
  return tables;
}();

// Element k: `factor` times x to the power of the bits in 2^k bytes.
constexpr std::array<uint32_t, 64> powers_times(uint32_t factor) {
  std::array<uint32_t, 64> powers{};
  uint32_t power = kOne >> 8;
  for (uint32_t& p : powers) {
    p = product(power, factor);
    power = product(power, power);
  }
  return powers;
}

uint32_t portable(uint32_t state, const std::byte* data, size_t size) {
  for (; size >= 8; data += 8, size -= 8) {
    const uint64_t word = bight::load_le<uint64_t>(data) ^ state;
    state = 0;
    for (size_t i = 0; i < 8; ++i) state ^= kTables[7 - i][(word >> (8 * i)) & 0xff];
  }
  for (; size > 0; ++data, --size) {
    state = (state >> 8) ^ kTables[0][(state ^ std::to_integer<uint32_t>(*data)) & 0xff];
  }
  return state;
}
// The state after 2^k more zero bytes.
uint32_t portable_shift(uint32_t state, size_t k) {
  static constexpr auto kPowers = powers_times(kOne);
  return product(state, kPowers[k]);
}

#if defined(CRC32C_X86)
#define CRC32C_TARGET __attribute__((target("sse4.2,pclmul")))

// A product of reflected polynomials comes out one place too low, and the instruction multiplies by
// x^32: whoever multiplies by x^n passes x^(n - 33).
CRC32C_TARGET inline uint32_t multiply(uint32_t state, uint32_t factor) {
  const __m128i wide =
      _mm_clmulepi64_si128(_mm_cvtsi64_si128(state), _mm_cvtsi64_si128(int64_t{factor}), 0);
  return static_cast<uint32_t>(_mm_crc32_u64(0, static_cast<uint64_t>(_mm_cvtsi128_si64(wide))));
}
CRC32C_TARGET uint32_t hardware_shift(uint32_t state, size_t k) {
  // x to the power of 2^31 - 1 is 1.
  static constexpr auto kPowers = powers_times(power_of_x((uint64_t{1} << 31) - 1 - 33));
  return multiply(state, kPowers[k]);
}

CRC32C_TARGET uint32_t hardware(uint32_t state, const std::byte* data, size_t size) {
  // The instruction gives a result every cycle but each takes three: three runs side by side.
  constexpr size_t kRun = 512;
  uint64_t a = state;
  for (; size >= 3 * kRun; data += 3 * kRun, size -= 3 * kRun) {
    uint64_t b = 0, c = 0;
    for (const std::byte* p = data; p != data + kRun; p += 8) {
      a = _mm_crc32_u64(a, bight::load_le<uint64_t>(p));
      b = _mm_crc32_u64(b, bight::load_le<uint64_t>(p + kRun));
      c = _mm_crc32_u64(c, bight::load_le<uint64_t>(p + 2 * kRun));
    }
    constexpr uint32_t kOneRun = power_of_x(8 * kRun - 33), kTwoRuns = power_of_x(16 * kRun - 33);
    a = multiply(static_cast<uint32_t>(a), kTwoRuns) ^ multiply(static_cast<uint32_t>(b), kOneRun) ^
        c;
  }
  for (; size >= 8; data += 8, size -= 8) a = _mm_crc32_u64(a, bight::load_le<uint64_t>(data));
  auto result = static_cast<uint32_t>(a);
  for (; size > 0; ++data, --size) result = _mm_crc32_u8(result, std::to_integer<uint8_t>(*data));
  return result;
}

// A look at two words that the compiler's start-up code has filled: also right before main().
bool has_hardware() {
  return __builtin_cpu_supports("sse4.2") != 0 && __builtin_cpu_supports("pclmul") != 0;
}
#else
constexpr auto hardware = portable;
constexpr auto hardware_shift = portable_shift;
constexpr bool has_hardware() { return false; }
#endif

}  // namespace

uint32_t crc32c_extend(uint32_t crc, std::span<const std::byte> data, bool portably) {
  return ~(!portably && has_hardware() ? hardware : portable)(~crc, data.data(), data.size());
}

uint32_t crc32c_combine(uint32_t crc_a, uint32_t crc_b, uint64_t length_b, bool portably) {
  const auto shift = !portably && has_hardware() ? hardware_shift : portable_shift;
  for (size_t k = 0; length_b != 0; ++k, length_b >>= 1) {
    if ((length_b & 1) != 0) crc_a = shift(crc_a, k);
  }
  return crc_a ^ crc_b;
}

}  // namespace example
