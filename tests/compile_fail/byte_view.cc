// Numbers and null pointers are no bytes, and a pointer alone has no end.
// bad 1: deleted
// bad 2: deleted
// bad 3: deleted
// bad 4: deleted
// bad 5: convert|conversion|no matching|no viable
// bad 6: convert|conversion|no matching|no viable
// bad 7: deleted
// bad 8: deleted
// bad 9: ambiguous|deleted
#include <bight/byte_view.h>
#include <bight/bytes.h>
#include <bight/bytes_builder.h>

#include <string>
#include <vector>

size_t length(bight::ByteView view) { return view.size(); }

void f(const bight::Bytes& bytes, const char* pointer, bight::BytesBuilder& builder) {
#if BAD == 0
  (void)length("literal");
  (void)length(bight::ByteView(pointer, 3));
  (void)bytes.find('\n');
  (void)bytes.find(std::byte{10});
  builder.append("text");
#elif BAD == 1
  (void)length(nullptr);
#elif BAD == 2
  (void)length(5);
#elif BAD == 3
  (void)length('c');
#elif BAD == 4
  (void)bight::ByteView(nullptr, 4);
#elif BAD == 5
  (void)length(pointer);
#elif BAD == 6
  (void)length(std::vector<int>{1, 2});
#elif BAD == 7
  // Byte 10 or the text "10"? Say which.
  (void)bytes.find(10);
#elif BAD == 8
  // A number is put_be<T>() or put_le<T>().
  builder.append(10);
#elif BAD == 9
  (void)bight::ByteView(0, 4);
#endif
}
