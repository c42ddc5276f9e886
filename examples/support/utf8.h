// Whether bytes are UTF-8, told piece by piece.
#ifndef EXAMPLES_SUPPORT_UTF8_H_
#define EXAMPLES_SUPPORT_UTF8_H_

#include <cstddef>
#include <span>

namespace example {

class Utf8 {
 public:
  // False if these bytes cannot go on what came before.
  [[nodiscard]] bool add(std::span<const std::byte> bytes) noexcept;
  [[nodiscard]] bool at_end_of_character() const noexcept { return missing_ == 0; }

 private:
  unsigned missing_ = 0;               // bytes until the character ends
  unsigned low_ = 0x80, high_ = 0xbf;  // what the next of them may be
};

}  // namespace example

#endif  // EXAMPLES_SUPPORT_UTF8_H_
