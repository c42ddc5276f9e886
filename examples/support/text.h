// Small steps in reading text that a stranger has sent.
#ifndef EXAMPLES_SUPPORT_TEXT_H_
#define EXAMPLES_SUPPORT_TEXT_H_

#include <cstdint>
#include <string_view>

namespace example {

// Without the spaces and tabs at both ends.
[[nodiscard]] std::string_view trim(std::string_view text) noexcept;
// Equal, ASCII letters without regard to case.
[[nodiscard]] bool same_word(std::string_view a, std::string_view b) noexcept;
// Takes the next item of a list "a, b, c" off it, trimmed. False at its end.
[[nodiscard]] bool next_item(std::string_view& list, std::string_view& item) noexcept;
[[nodiscard]] bool list_has(std::string_view list, std::string_view word) noexcept;
// False unless `digits` are digits and nothing else, at least one, and their number fits.
[[nodiscard]] bool parse_number(std::string_view digits, uint64_t& value, int base = 10) noexcept;

}  // namespace example

#endif  // EXAMPLES_SUPPORT_TEXT_H_
