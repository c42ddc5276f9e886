// A release function takes the bytes or nothing, and can be moved without throwing.
// bad 1: constraint|no matching function
// bad 2: constraint|no matching function
// bad 3: constraint|no matching function
// bad 4: deleted|no matching function|constraint|use of deleted
#include <bight/bytes.h>

#include <memory>
#include <span>
#include <utility>

struct ThrowingMove {
  ThrowingMove() = default;
  ThrowingMove(ThrowingMove&&) noexcept(false) {}
  void operator()() noexcept {}
};

bight::Bytes f(std::span<const std::byte> bytes, std::unique_ptr<int> state) {
#if BAD == 0
  (void)bight::Bytes::with_release(bytes, [](std::span<const std::byte>) noexcept {});
  return bight::Bytes::with_release(bytes, [kept = std::move(state)]() noexcept {});
#elif BAD == 1
  return bight::Bytes::with_release(bytes, [](int, int) noexcept {});
#elif BAD == 2
  return bight::Bytes::with_release(bytes, 5);
#elif BAD == 3
  return bight::Bytes::with_release(bytes, ThrowingMove());
#elif BAD == 4
  // Move-only, and not moved.
  auto release = [kept = std::move(state)]() noexcept {};
  return bight::Bytes::with_release(bytes, release);
#endif
}
