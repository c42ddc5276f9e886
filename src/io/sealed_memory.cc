#include "bight/io/sealed_memory.h"

#include <fcntl.h>
#include <sys/mman.h>

#include <cerrno>
#include <cstdint>
#include <utility>

#include "io/gather.h"

BIGHT_NAMESPACE_BEGIN

#if defined(__linux__)

IoResult make_sealed_memory(const Chain& content, const char* name, File& file) {
  File memory(::memfd_create(name, MFD_CLOEXEC | MFD_ALLOW_SEALING));
  if (!memory.is_open()) return internal::result_of_failure("memfd_create");
  const IoResult written = memory.write_at(0, content);
  if (written.kind != IoKind::data) return written;
  if (::fcntl(memory.fd(), F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE | F_SEAL_SEAL) !=
      0) {
    return internal::result_of_failure("fcntl");
  }
  file = std::move(memory);
  return {written.bytes, IoKind::data, 0, "memfd_create"};
}

IoResult map_sealed(const File& file, Bytes& into) {
  constexpr int kNeeded = F_SEAL_SHRINK | F_SEAL_WRITE;
  const int seals = ::fcntl(file.fd(), F_GET_SEALS);
  if (seals < 0) return internal::result_of_failure("fcntl");
  if ((seals & kNeeded) != kNeeded) return IoResult::failed(EPERM, "fcntl");
  uint64_t size = 0;
  const IoResult sized = file.size(size);
  if (sized.is_error()) return sized;
  if (size != static_cast<size_t>(size)) return IoResult::failed(EOVERFLOW, "mmap");
  return file.map(0, static_cast<size_t>(size), into);
}

#else

IoResult make_sealed_memory(const Chain&, const char*, File&) {
  return IoResult::failed(ENOSYS, "memfd_create");
}
IoResult map_sealed(const File&, Bytes&) { return IoResult::failed(ENOSYS, "fcntl"); }

#endif

BIGHT_NAMESPACE_END
