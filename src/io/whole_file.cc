#include "bight/io/whole_file.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <limits>
#include <string>
#include <utility>

#include "bight/bytes.h"
#include "bight/bytes_builder.h"
#include "bight/chain_builder.h"
#include "bight/io/read.h"
#include "io/gather.h"

BIGHT_NAMESPACE_BEGIN
namespace {

// `n + 1`, so that reading one byte more than `n` shows whether there is more.
size_t one_more(size_t n) noexcept { return n == static_cast<size_t>(-1) ? n : n + 1; }

}  // namespace

// ---- Reading -----------------------------------------------------------------------------------

IoResult read_file(const char* path, Chain& into, const ReadFileOptions& options) {
  File file;
  if (const IoResult opened = file.open(path, O_RDONLY); opened.is_error()) return opened;
  struct stat about;
  if (::fstat(file.fd(), &about) != 0) return internal::result_of_failure("fstat");
  uint64_t size = 0;
  if (S_ISREG(about.st_mode)) size = static_cast<uint64_t>(about.st_size);
  const auto too_long = [&] { return IoResult::failed(EFBIG, "read_file"); };
  if (size > options.limit) return too_long();

  Chain content;
  if (size != 0 && size >= options.map_from) {
    Bytes mapped;
    // What cannot be mapped is read.
    if (file.map(0, static_cast<size_t>(size), mapped).kind == IoKind::data) {
      content.push_back(std::move(mapped));
      if (::lseek(file.fd(), static_cast<off_t>(size), SEEK_SET) < 0) {
        return internal::result_of_failure("lseek");
      }
    }
  }
  if (size != 0 && content.empty()) {
    // With room for one byte more the first read also shows that the file has not grown.
    BytesBuilder room(static_cast<size_t>(size) + 1);
    const IoResult result = read_exactly(file, room, static_cast<size_t>(size) + 1);
    if (result.is_error() || result.kind == IoKind::would_block) return result;
    content.push_back(std::move(room).freeze());
    if (result.kind == IoKind::eof) {
      if (content.size() > options.limit) return too_long();
      const size_t n = content.size();
      into = std::move(content);
      return {n, IoKind::data, 0, "read"};
    }
  }
  ChainBuilder rest;
  if (content.size() > options.limit) return too_long();
  const IoResult result = read_all(file, rest, one_more(options.limit - content.size()));
  if (result.is_error() || result.kind == IoKind::would_block) return result;
  content.push_back(std::move(rest).freeze());
  if (content.size() > options.limit) return too_long();
  const size_t n = content.size();
  into = std::move(content);
  return {n, IoKind::data, 0, "read"};
}

// ---- Writing in one step -----------------------------------------------------------------------

namespace {

// A name that the process has not used: only other processes can be in the way, and O_EXCL tells.
std::string temporary_name(const std::string& path) {
  static std::atomic<uint64_t> counter{0};
  const auto now = std::chrono::steady_clock::now().time_since_epoch().count();
  char suffix[64];
  std::snprintf(suffix, sizeof(suffix), ".%lx.%llx.%llx.tmp", static_cast<long>(::getpid()),
                static_cast<unsigned long long>(now),
                static_cast<unsigned long long>(counter.fetch_add(1, std::memory_order_relaxed)));
  const size_t slash = path.rfind('/');
  const size_t name = slash == std::string::npos ? 0 : slash + 1;
  // A long name is cut, so that the suffix does not make it too long.
  constexpr size_t kKept = 128;
  return path.substr(0, name) + "." + path.substr(name, kKept) + suffix;
}

// Removes the file of this name unless told that it has become another's.
class Removal {
 public:
  explicit Removal(const std::string& name) noexcept : name_(name) {}
  Removal(const Removal&) = delete;
  Removal& operator=(const Removal&) = delete;
  ~Removal() {
    if (armed_) ::unlink(name_.c_str());
  }
  void disarm() noexcept { armed_ = false; }

 private:
  const std::string& name_;
  bool armed_ = true;
};

}  // namespace

IoResult write_file_atomic(const char* path, const Chain& content,
                           const WriteFileOptions& options) {
  const std::string target = path;
  const size_t slash = target.rfind('/');
  const std::string folder =
      slash == std::string::npos ? "." : target.substr(0, std::max<size_t>(slash, 1));
  File file;
  std::string name;
  IoResult result;
  do {
    name = temporary_name(target);
    result = file.open(name.c_str(), O_WRONLY | O_CREAT | O_EXCL, options.permissions);
  } while (result.error_number == EEXIST);
  if (result.is_error()) return result;

  Removal removal(name);
  result = file.write_at(0, content);
  if (result.kind != IoKind::data) return result;
  const size_t written = result.bytes;
  if (options.sync_file) {
    if (result = file.sync(); result.is_error()) return result;
  }
  // Some file systems say only now that there was no space.
  if (result = file.close(); result.is_error()) return result;
  if (::rename(name.c_str(), path) != 0) return internal::result_of_failure("rename");
  removal.disarm();
  if (options.sync_folder) {
    File entry;
    result = entry.open(folder.c_str(), O_RDONLY | O_DIRECTORY);
    if (!result.is_error()) result = entry.sync();
    if (result.is_error()) {
      return IoResult::failed(result.error_number, "fsync of the folder", written);
    }
  }
  return {written, IoKind::data, 0, "rename"};
}

// ---- File to file ------------------------------------------------------------------------------

namespace {

#if defined(__linux__)
// The kernel cannot copy between these two, or is not allowed to; reading and writing tells.
bool is_refusal(int error_number) noexcept {
  switch (error_number) {
    case EXDEV:
    case EINVAL:
    case ENOSYS:
    case EOPNOTSUPP:
    case EPERM:
    case EBADF:  // `to` appends
      return true;
    default:
      return false;
  }
}
#endif

IoResult copy_by_reading(const File& from, uint64_t from_offset, const File& to, uint64_t to_offset,
                         size_t n) {
  constexpr size_t kStep = size_t{256} << 10;
  constexpr size_t kBlock = size_t{64} << 10;
  ChainBuilderOptions blocks;
  blocks.min_block = blocks.max_block = kBlock;
  ChainBuilder room(blocks);
  size_t copied = 0;
  while (copied < n) {
    IoResult read = from.read_at(from_offset + copied, std::min(kStep, n - copied), room);
    const Chain bytes = room.take();
    IoResult written = to.write_at(to_offset + copied, bytes);
    copied += written.bytes;
    if (written.kind != IoKind::data) {
      written.bytes = copied;
      return written;
    }
    if (read.kind != IoKind::data) {
      read.bytes = copied;
      return read;
    }
  }
  return {copied, IoKind::data, 0, "pwritev"};
}

}  // namespace

IoResult copy_at(const File& from, uint64_t from_offset, const File& to, uint64_t to_offset,
                 size_t n) {
  size_t copied = 0;
#if defined(__linux__)
  constexpr auto kMost = static_cast<uint64_t>(std::numeric_limits<off_t>::max());
  while (copied < n && from_offset <= kMost - copied && to_offset <= kMost - copied) {
    auto in = static_cast<off_t>(from_offset + copied);
    auto out = static_cast<off_t>(to_offset + copied);
    const size_t most =
        std::min<uint64_t>({n - copied, internal::kMaxTransfer, kMost - static_cast<uint64_t>(in),
                            kMost - static_cast<uint64_t>(out)});
    const ssize_t moved = internal::again_if_interrupted(
        [&] { return ::copy_file_range(from.fd(), &in, to.fd(), &out, most, 0); });
    if (moved < 0 && !is_refusal(errno)) {
      IoResult result = internal::result_of_failure("copy_file_range");
      result.bytes = copied;
      return result;
    }
    // 0 may be the end, or a file that does not say its size: reading tells.
    if (moved <= 0) break;
    copied += static_cast<size_t>(moved);
  }
  if (copied == n) return {copied, IoKind::data, 0, "copy_file_range"};
#endif
  IoResult result = copy_by_reading(from, from_offset + copied, to, to_offset + copied, n - copied);
  result.bytes += copied;
  return result;
}

BIGHT_NAMESPACE_END
