// An owner is a container that owns, given by rvalue; the message says what to write instead.
// bad 1: std::move\(x\)
// bad 2: owns its bytes, and this one is a view
// bad 3: owns its bytes, and this one is a view
// bad 4: needs a contiguous container
// bad 5: needs a contiguous container
// bad 6: const owner
// bad 7: owns its bytes, and this one is a view
// bad 8: owns its bytes, and this one is a view
// bad 9: std::move\(x\), bytes
// bad 10: owns its bytes, and this one is a view
// bad 11: needs a contiguous container
#include <bight/byte_view.h>
#include <bight/bytes.h>

#include <array>
#include <deque>
#include <initializer_list>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

using bight::Bytes;

// Another library's views: a class, and a plain struct.
class OtherView {
 public:
  OtherView(const char* data, size_t size) : data_(data), size_(size) {}
  const char* begin() const { return data_; }
  const char* end() const { return data_ + size_; }

 private:
  const char* data_;
  size_t size_;
};
struct PlainView {
  const char* data;
  size_t size;
  const char* begin() const { return data; }
  const char* end() const { return data + size; }
};

#if BAD == 0
// Bytes in the object itself, which the guess cannot know: told.
struct Message {
  char text[8];
  const char* begin() const { return text; }
  const char* end() const { return text + 8; }
};
template <>
inline constexpr bool bight::is_byte_owner<Message> = true;
#endif

Bytes f(std::string text) {
#if BAD == 0
  (void)Bytes::from_owner(std::move(text));
  (void)Bytes::from_owner(std::vector<int>{1, 2});
  (void)Bytes::from_owner(std::array<char, 4>{});
  (void)Bytes::from_owner(Message{});
  return Bytes::from_owner(std::make_unique<char[]>(3), {});
#elif BAD == 1
  return Bytes::from_owner(text);
#elif BAD == 2
  return Bytes::from_owner(std::string_view(text));
#elif BAD == 3
  return Bytes::from_owner(std::span<const char>(text));
#elif BAD == 4
  return Bytes::from_owner(std::deque<char>(text.begin(), text.end()));
#elif BAD == 5
  return Bytes::from_owner(std::make_unique<std::string>(std::move(text)));
#elif BAD == 6
  const std::string constant = text;
  return Bytes::from_owner(std::move(constant));
#elif BAD == 7
  return Bytes::from_owner(OtherView(text.data(), text.size()));
#elif BAD == 8
  return Bytes::from_owner(std::initializer_list<char>{'a', 'b'});
#elif BAD == 9
  return Bytes::from_owner(text, bight::ByteView(text).span());
#elif BAD == 10
  return Bytes::from_owner(PlainView{text.data(), text.size()});
#elif BAD == 11
  return Bytes::from_owner(std::vector<std::string>{text});
#endif
}
