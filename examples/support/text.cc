#include "examples/support/text.h"

#include <algorithm>
#include <charconv>
#include <cstddef>
#include <system_error>

namespace example {

std::string_view trim(std::string_view text) noexcept {
  while (!text.empty() && (text.front() == ' ' || text.front() == '\t')) text.remove_prefix(1);
  while (!text.empty() && (text.back() == ' ' || text.back() == '\t')) text.remove_suffix(1);
  return text;
}

bool same_word(std::string_view a, std::string_view b) noexcept {
  const auto lower = [](char c) { return c >= 'A' && c <= 'Z' ? c | 32 : c; };
  return a.size() == b.size() && std::equal(a.begin(), a.end(), b.begin(), [lower](char x, char y) {
           return lower(x) == lower(y);
         });
}

bool next_item(std::string_view& list, std::string_view& item) noexcept {
  if (list.empty()) return false;
  const size_t comma = std::min(list.find(','), list.size());
  item = trim(list.substr(0, comma));
  list.remove_prefix(std::min(comma + 1, list.size()));
  return true;
}

bool list_has(std::string_view list, std::string_view word) noexcept {
  for (std::string_view item; next_item(list, item);) {
    if (same_word(item, word)) return true;
  }
  return false;
}

bool parse_number(std::string_view digits, uint64_t& value, int base) noexcept {
  const char* const end = digits.data() + digits.size();
  const auto [stop, error] = std::from_chars(digits.data(), end, value, base);
  return error == std::errc() && stop == end;
}

}  // namespace example
