// CRC-32C (Castagnoli), as in iSCSI: catches what networks and disks do to bytes, not attackers.
#ifndef EXAMPLES_SUPPORT_CRC32C_H_
#define EXAMPLES_SUPPORT_CRC32C_H_

#include <cstddef>
#include <cstdint>
#include <span>

namespace example {

// `portably` is for tests: without special instructions.
// Returns the checksum of `data` behind bytes whose checksum is `crc`; that of no bytes is 0.
[[nodiscard]] uint32_t crc32c_extend(uint32_t crc, std::span<const std::byte> data,
                                     bool portably = false);
[[nodiscard]] inline uint32_t crc32c(std::span<const std::byte> data) {
  return crc32c_extend(0, data);
}
// Returns the checksum of A followed by B from those of A and of B. O(log(length of B)): parts that
// arrive in any order need not be read again.
[[nodiscard]] uint32_t crc32c_combine(uint32_t crc_a, uint32_t crc_b, uint64_t length_b,
                                      bool portably = false);

}  // namespace example

#endif  // EXAMPLES_SUPPORT_CRC32C_H_
