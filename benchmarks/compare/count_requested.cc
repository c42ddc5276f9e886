// Loaded before the C library (LD_PRELOAD) for the rows W17: counts the bytes that a program has
// asked malloc and its kind for and not given back, the same way for every library. A header of 16
// bytes before each allocation keeps its size.

#include <dlfcn.h>
#include <errno.h>

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <cstring>

extern "C" {
void* __libc_malloc(size_t size);
void __libc_free(void* memory);
}

namespace {

struct Header {
  size_t size;      // as asked for
  uint32_t before;  // bytes from the start of glibc's allocation to the bytes given out
  uint32_t mark;
};
static_assert(sizeof(Header) == 16);
constexpr uint32_t kMark = 0xb167b167;

std::atomic<size_t> requested{0};

void* allocate(size_t size, size_t alignment) {
  const size_t before = alignment <= sizeof(Header) ? sizeof(Header) : alignment + sizeof(Header);
  if (size > SIZE_MAX / 2) {
    errno = ENOMEM;
    return nullptr;
  }
  char* const start = static_cast<char*>(__libc_malloc(size + before));
  if (start == nullptr) return nullptr;
  uintptr_t place = reinterpret_cast<uintptr_t>(start) + sizeof(Header);
  if (alignment > sizeof(Header)) place = (place + alignment - 1) & ~(uintptr_t{alignment} - 1);
  char* const bytes = reinterpret_cast<char*>(place);
  const Header header{size, static_cast<uint32_t>(bytes - start), kMark};
  std::memcpy(bytes - sizeof(Header), &header, sizeof(Header));
  requested.fetch_add(size, std::memory_order_relaxed);
  return bytes;
}

Header header_of(const void* memory) {
  Header header;
  std::memcpy(&header, static_cast<const char*>(memory) - sizeof(Header), sizeof(Header));
  return header;
}

}  // namespace

extern "C" {

size_t requested_bytes() { return requested.load(std::memory_order_relaxed); }

void* malloc(size_t size) { return allocate(size, 1); }

void free(void* memory) {
  if (memory == nullptr) return;
  const Header header = header_of(memory);
  if (header.mark != kMark) {  // made before this library was there
    __libc_free(memory);
    return;
  }
  requested.fetch_sub(header.size, std::memory_order_relaxed);
  __libc_free(static_cast<char*>(memory) - header.before);
}

void* calloc(size_t count, size_t size) {
  if (size != 0 && count > SIZE_MAX / size) {
    errno = ENOMEM;
    return nullptr;
  }
  void* const memory = allocate(count * size, 1);
  if (memory != nullptr) std::memset(memory, 0, count * size);
  return memory;
}

void* realloc(void* memory, size_t size) {
  if (memory == nullptr) return allocate(size, 1);
  if (size == 0) {
    free(memory);
    return nullptr;
  }
  void* const moved = allocate(size, 1);
  if (moved == nullptr) return nullptr;
  const size_t held = header_of(memory).size;
  std::memcpy(moved, memory, held < size ? held : size);
  free(memory);
  return moved;
}

void* aligned_alloc(size_t alignment, size_t size) { return allocate(size, alignment); }
void* memalign(size_t alignment, size_t size) { return allocate(size, alignment); }
int posix_memalign(void** result, size_t alignment, size_t size) {
  void* const memory = allocate(size, alignment);
  if (memory == nullptr) return ENOMEM;
  *result = memory;
  return 0;
}
size_t malloc_usable_size(void* memory) { return memory == nullptr ? 0 : header_of(memory).size; }

}  // extern "C"
