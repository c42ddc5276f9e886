#include "examples/support/crc32c.h"

#include <bight/endian.h>

#include <array>

#if defined(__x86_64__) && defined(__GNUC__)
#include <immintrin.h>
#define CRC32C_X86 1
#elif defined(__aarch64__) && defined(__ARM_FEATURE_CRC32)
#include <arm_acle.h>
#define CRC32C_ARM 1
#endif

namespace example {
namespace {

// Polynomials modulo P over two elements, the coefficient of x^31 in the lowest bit.
constexpr uint32_t kPolynomial = 0x82f63b78;
constexpr uint32_t kOne = 0x80000000;

constexpr uint32_t times_x(uint32_t a) { return (a >> 1) ^ ((a & 1) != 0 ? kPolynomial : 0); }

constexpr uint32_t product(uint32_t a, uint32_t b) {
  uint32_t result = 0;
  for (; a != 0; a <<= 1, b = times_x(b)) {
    if ((a & kOne) != 0) result ^= b;
  }
  return result;
}

constexpr uint32_t power(uint32_t base, uint64_t exponent) {
  uint32_t result = kOne;
  for (; exponent != 0; exponent >>= 1, base = product(base, base)) {
    if ((exponent & 1) != 0) result = product(result, base);
  }
  return result;
}

// Table k holds what a byte becomes when k more bytes follow it.
constexpr std::array<std::array<uint32_t, 256>, 8> make_tables() {
  std::array<std::array<uint32_t, 256>, 8> tables{};
  for (uint32_t i = 0; i < 256; ++i) {
    uint32_t value = i;
    for (auto& table : tables) {
      for (int bit = 0; bit < 8; ++bit) value = times_x(value);
      table[i] = value;
    }
  }
  return tables;
}
constexpr auto kTables = make_tables();

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

#if defined(CRC32C_X86)
// The instruction gives a result every cycle but each takes three: three runs side by side.
constexpr size_t kRun = 512;

// A product of reflected polynomials comes out one place too low, and the instruction multiplies by
// x^32, hence 33. Returns the state after kRun * kRuns more zero bytes.
template <size_t kRuns>
__attribute__((target("sse4.2,pclmul"))) inline uint64_t run_behind(uint64_t state) {
  constexpr uint32_t kFactor = power(kOne >> 1, 8 * kRun * kRuns - 33);
  const __m128i wide = _mm_clmulepi64_si128(_mm_cvtsi64_si128(static_cast<int64_t>(state)),
                                            _mm_cvtsi64_si128(int64_t{kFactor}), 0);
  return _mm_crc32_u64(0, static_cast<uint64_t>(_mm_cvtsi128_si64(wide)));
}

__attribute__((target("sse4.2,pclmul"))) uint32_t hardware(uint32_t state, const std::byte* data,
                                                           size_t size) {
  uint64_t a = state;
  for (; size >= 3 * kRun; data += 3 * kRun, size -= 3 * kRun) {
    uint64_t b = 0, c = 0;
    for (const std::byte* p = data; p != data + kRun; p += 8) {
      a = _mm_crc32_u64(a, bight::load_le<uint64_t>(p));
      b = _mm_crc32_u64(b, bight::load_le<uint64_t>(p + kRun));
      c = _mm_crc32_u64(c, bight::load_le<uint64_t>(p + 2 * kRun));
    }
    a = run_behind<2>(a) ^ run_behind<1>(b) ^ c;
  }
  for (; size >= 8; data += 8, size -= 8) a = _mm_crc32_u64(a, bight::load_le<uint64_t>(data));
  auto result = static_cast<uint32_t>(a);
  for (; size > 0; ++data, --size) result = _mm_crc32_u8(result, std::to_integer<uint8_t>(*data));
  return result;
}

bool has_hardware() { return __builtin_cpu_supports("sse4.2") && __builtin_cpu_supports("pclmul"); }
#elif defined(CRC32C_ARM)
uint32_t hardware(uint32_t state, const std::byte* data, size_t size) {
  for (; size >= 8; data += 8, size -= 8) state = __crc32cd(state, bight::load_le<uint64_t>(data));
  for (; size > 0; ++data, --size) state = __crc32cb(state, std::to_integer<uint8_t>(*data));
  return state;
}
bool has_hardware() { return true; }
#else
constexpr auto hardware = portable;
bool has_hardware() { return false; }
#endif

}  // namespace

uint32_t crc32c_extend(uint32_t crc, std::span<const std::byte> data) {
  static const auto extend = has_hardware() ? hardware : portable;
  return ~extend(~crc, data.data(), data.size());
}

uint32_t crc32c_extend_portable(uint32_t crc, std::span<const std::byte> data) {
  return ~portable(~crc, data.data(), data.size());
}

uint32_t crc32c_combine(uint32_t crc_a, uint32_t crc_b, uint64_t length_b) {
  return product(crc_a, power(kOne >> 8, length_b)) ^ crc_b;
}

}  // namespace example
