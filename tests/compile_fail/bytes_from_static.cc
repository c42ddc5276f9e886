// Only what lives for ever is static: temporaries, locals and run-time strings are refused.
// bad 1: constant expression|consteval|immediate
// bad 2: constant expression|consteval|immediate
// bad 3: constant expression|consteval|immediate
// bad 4: constant expression|consteval|immediate|no matching|convert|no viable
// bad 5: constant expression|consteval|immediate
#include <bight/bytes.h>

#include <string>
#include <string_view>
#include <utility>

constexpr std::byte kArray[] = {std::byte{1}, std::byte{2}};

bight::Bytes f(std::string_view view) {
#if BAD == 0
  (void)view;
  (void)bight::Bytes::from_static(kArray);
  (void)bight::Bytes::from_static_unchecked(view);
  return bight::Bytes::from_static("literal");
#elif BAD == 1
  return bight::Bytes::from_static(view);
#elif BAD == 2
  (void)view;
  const char local[] = {'a', 'b'};
  return bight::Bytes::from_static(local);
#elif BAD == 3
  (void)view;
  const std::byte local[] = {std::byte{1}};
  return bight::Bytes::from_static(local);
#elif BAD == 4
  return bight::Bytes::from_static(std::string(view));
#elif BAD == 5
  (void)view;
  char writable[4] = {};
  return bight::Bytes::from_static(writable);
#endif
}
