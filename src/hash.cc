// The bytes are taken in stripes of 64: four lanes of two words each, every lane folding the
// product of a word with a constant and the other word with the lane. The last 1 to 64 bytes are
// kept back and hashed with what the lanes became for a seed; so a key in pieces ends as one in one
// piece does, and a key of up to 16 bytes takes two multiplications and no loop.

#include <bight/endian.h>
#include <bight/hash.h>

#include <bit>
#include <cstring>

BIGHT_NAMESPACE_BEGIN

namespace internal {
namespace {

constexpr size_t kStripe = 64;

// More fractions of square roots, of 113, 127, 131, 137, 139 and 149.
constexpr uint64_t kKeys[6] = {0xa1513c69681ad6d5, 0x44f9363580e83d03, 0x720dcdfd9dba5b45,
                               0xb467369e08efd70f, 0xca320b75e2b634f9, 0x34e0d42e61a33f99};

BIGHT_ALWAYS_INLINE uint64_t fold_in_steps(uint64_t a, uint64_t b) {
  constexpr uint64_t kLow = 0xffffffff;
  const uint64_t low = (a & kLow) * (b & kLow);
  const uint64_t cross_a = (a >> 32) * (b & kLow);
  const uint64_t cross_b = (a & kLow) * (b >> 32);
  const uint64_t middle = (low >> 32) + (cross_a & kLow) + cross_b;
  const uint64_t high = (a >> 32) * (b >> 32) + (cross_a >> 32) + (middle >> 32);
  return ((middle << 32) | (low & kLow)) ^ high;
}

BIGHT_ALWAYS_INLINE uint64_t fold(uint64_t a, uint64_t b) {
#if defined(__SIZEOF_INT128__)
  __extension__ typedef unsigned __int128 Wide;
  const Wide product = static_cast<Wide>(a) * b;
  return static_cast<uint64_t>(product) ^ static_cast<uint64_t>(product >> 64);
#else
  return fold_in_steps(a, b);
#endif
}

BIGHT_ALWAYS_INLINE uint64_t word(const std::byte* from) { return load_le<uint64_t>(from); }

using Lanes = std::array<uint64_t, 4>;

// The old value of a lane is added again, so that a zero factor does not wipe it out.
BIGHT_ALWAYS_INLINE uint64_t next_lane(uint64_t lane, const std::byte* from, uint64_t key) {
  return fold(word(from) ^ key, word(from + 8) ^ lane) + std::rotl(lane, 23);
}

// Takes whole stripes until at most one, or a part of one, is left, and returns what is left.
//
// Precondition: `size > 0`.
BIGHT_ALWAYS_INLINE const std::byte* take_stripes(Lanes& lanes, const std::byte* from,
                                                  size_t& size) {
  uint64_t lane0 = lanes[0];
  uint64_t lane1 = lanes[1];
  uint64_t lane2 = lanes[2];
  uint64_t lane3 = lanes[3];
  while (size > kStripe) {
    lane0 = next_lane(lane0, from, kKeys[0]);
    lane1 = next_lane(lane1, from + 16, kKeys[1]);
    lane2 = next_lane(lane2, from + 32, kKeys[2]);
    lane3 = next_lane(lane3, from + 48, kKeys[3]);
    from += kStripe;
    size -= kStripe;
  }
  lanes = {lane0, lane1, lane2, lane3};
  return from;
}

// What the tail is hashed with in place of the seed when there were stripes before it.
BIGHT_ALWAYS_INLINE uint64_t joined(const Lanes& lanes) {
  return fold(lanes[0] ^ kKeys[4], lanes[1]) + fold(lanes[2] ^ kKeys[5], lanes[3]) +
         std::rotl(lanes[1] ^ lanes[3], 32);
}

// Hashes the last `size` bytes of `total`, 0 to 64 of them. Loads overlap instead of being padded;
// the size tells such cases apart.
BIGHT_ALWAYS_INLINE uint64_t finish(const std::byte* from, size_t size, uint64_t total,
                                    uint64_t seed) {
  uint64_t a = 0;
  uint64_t b = 0;
  if (size <= 16) {
    if (size >= 8) {
      a = word(from);
      b = word(from + (size - 8));
    } else if (size >= 4) {
      a = load_le<uint32_t>(from);
      b = load_le<uint32_t>(from + (size - 4));
    } else {
      a = load_uint_le(from, size);
    }
  } else {
    a = fold(word(from) ^ kKeys[2] ^ seed, word(from + 8) ^ kKeys[3]);
    b = fold(word(from + (size - 16)) ^ kKeys[4] ^ seed, word(from + (size - 8)) ^ kKeys[5]);
    if (size > 32) {
      a += fold(word(from + 16) ^ kKeys[0] ^ seed, word(from + 24) ^ kKeys[1]);
      b += fold(word(from + (size - 32)) ^ kKeys[2], word(from + (size - 24)) ^ kKeys[4] ^ seed);
    }
  }
  const uint64_t mixed = fold(a ^ kKeys[0] ^ seed, b ^ kKeys[1] ^ std::rotl(total, 32));
  return fold(mixed ^ kKeys[4], total ^ seed ^ kKeys[5]);
}

}  // namespace

uint64_t folded_product(uint64_t a, uint64_t b) { return fold(a, b); }
uint64_t folded_product_in_steps(uint64_t a, uint64_t b) { return fold_in_steps(a, b); }

}  // namespace internal

uint64_t hash_bytes(const std::byte* data, size_t size, uint64_t seed) {
  const uint64_t total = size;
  if (size <= internal::kStripe) return internal::finish(data, size, total, seed);
  internal::Lanes lanes;
  for (size_t i = 0; i < lanes.size(); ++i) lanes[i] = internal::kHashLanes[i] ^ seed;
  const std::byte* tail = internal::take_stripes(lanes, data, size);
  return internal::finish(tail, size, total, internal::joined(lanes));
}

void Hasher::update(const std::byte* data, size_t size) {
  if (size == 0) return;
  total_ += size;
  const size_t room = internal::kStripe - pending_size_;
  if (size > room) {
    if (pending_size_ != 0) {
      std::memcpy(pending_.data() + pending_size_, data, room);
      data += room;
      size -= room;
      // One byte more than a stripe, so that the stripe is taken.
      size_t pending_size = internal::kStripe + 1;
      internal::take_stripes(lanes_, pending_.data(), pending_size);
      pending_size_ = 0;
    }
    data = internal::take_stripes(lanes_, data, size);
  }
  std::memcpy(pending_.data() + pending_size_, data, size);
  pending_size_ += size;
}

uint64_t Hasher::digest() const {
  const uint64_t seed = total_ <= internal::kStripe ? seed_ : internal::joined(lanes_);
  return internal::finish(pending_.data(), pending_size_, total_, seed);
}

BIGHT_NAMESPACE_END
