// A fast 64-bit hash of bytes for tables in memory. Bytes that come in pieces hash to the same as
// the same bytes in one piece, wherever the cuts are, so that a chain, a slice and a view of equal
// content are equal keys.
//
// Not for digests that leave the process: the values may change with any version of this library.
// Not against an attacker who picks the keys: collisions can be made by who knows the seed. The
// values are the same on every machine, whatever its byte order.
//
// Thread safety: as for an int. Concurrent calls of const members are fine.

#ifndef BIGHT_HASH_H_
#define BIGHT_HASH_H_

#include <bight/config.h>

#include <array>
#include <cstddef>
#include <cstdint>

BIGHT_NAMESPACE_BEGIN

// The seed of hashes that ask for no other.
inline constexpr uint64_t kDefaultHashSeed = 0x0b1a4bacd04c5af5;

// Returns the hash of the `size` bytes at `data`, which may be null if there are none.
//
// O(size): about 64 bytes in nine processor cycles.
[[nodiscard]] BIGHT_API uint64_t hash_bytes(const std::byte* data, size_t size,
                                            uint64_t seed = kDefaultHashSeed);

// Hashes bytes that come in pieces.
class Hasher {
 public:
  explicit Hasher(uint64_t seed = kDefaultHashSeed);

  // Hashes on with the `size` bytes at `data`, which may be null if there are none. How bytes are
  // divided over calls makes no difference.
  //
  // O(size); copies at most 64 bytes at each end of a piece.
  BIGHT_API void update(const std::byte* data, size_t size);

  // Returns the hash of all bytes so far: what `hash_bytes()` gives for them in one piece. More may
  // follow.
  //
  // O(1)
  [[nodiscard]] BIGHT_API uint64_t digest() const;

 private:
  // Four sums over the stripes that are done; of no meaning before there is one.
  std::array<uint64_t, 4> lanes_;
  uint64_t seed_;
  // How many bytes came in all.
  uint64_t total_ = 0;
  // The bytes of `pending_` in use: those behind the last stripe that is done. A stripe is done
  // when a byte behind it is known, so this is 0 only if there are no bytes at all.
  size_t pending_size_ = 0;
  std::array<std::byte, 64> pending_{};
};

// Implementation details follow.

namespace internal {

// The halves of the 128-bit product, one xor the other: by the processor's wide product where there
// is one, and in portable steps. Both for tests that they agree.
[[nodiscard]] BIGHT_API uint64_t folded_product(uint64_t a, uint64_t b);
[[nodiscard]] BIGHT_API uint64_t folded_product_in_steps(uint64_t a, uint64_t b);

// What the four lanes start from: the fractions of the square roots of 101, 103, 107 and 109.
inline constexpr std::array<uint64_t, 4> kHashLanes = {0x0cc4a61194f81761, 0x261dc1f2b8a998c9,
                                                       0x5815a7be0543c11d, 0x70b7ed67fc9b5c43};

}  // namespace internal

inline Hasher::Hasher(uint64_t seed)
    : lanes_{internal::kHashLanes[0] ^ seed, internal::kHashLanes[1] ^ seed,
             internal::kHashLanes[2] ^ seed, internal::kHashLanes[3] ^ seed},
      seed_(seed) {}

BIGHT_NAMESPACE_END

#endif  // BIGHT_HASH_H_
