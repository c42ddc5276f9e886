#include "bight/io/descriptor_passing.h"

#include <sys/socket.h>
#include <sys/uio.h>

#include <algorithm>
#include <cerrno>
#include <cstddef>
#include <cstring>
#include <span>
#include <vector>

#include "bight/internal/check.h"
#include "io/gather.h"

BIGHT_NAMESPACE_BEGIN
namespace {

#if defined(MSG_NOSIGNAL)
constexpr int kSendFlags = MSG_NOSIGNAL;
#else
constexpr int kSendFlags = 0;
#endif
#if defined(MSG_CMSG_CLOEXEC)
constexpr int kReceiveFlags = MSG_CMSG_CLOEXEC;
#else
constexpr int kReceiveFlags = 0;
#endif

// Beside the descriptors there may be credentials or a security label, if the socket asks for them.
constexpr size_t kControlSize = CMSG_SPACE(kMaxDescriptors * sizeof(int)) + 512;

}  // namespace

IoResult send_with_descriptors(int socket, Chain& chain, std::span<const int> descriptors) {
  if (chain.empty()) internal::fail("send_with_descriptors without a byte to carry them");
  if (descriptors.size() > kMaxDescriptors) return IoResult::failed(EINVAL, "sendmsg");
  iovec entries[internal::kMaxEntries];
  const GatherFill fill = chain.fill_iovec(entries, 0, internal::kMaxTransfer);
  msghdr message{};
  message.msg_iov = entries;
  message.msg_iovlen = static_cast<decltype(message.msg_iovlen)>(fill.count);
  alignas(cmsghdr) unsigned char control[kControlSize] = {};
  if (!descriptors.empty()) {
    message.msg_control = control;
    message.msg_controllen =
        static_cast<decltype(message.msg_controllen)>(CMSG_SPACE(descriptors.size_bytes()));
    cmsghdr* const header = CMSG_FIRSTHDR(&message);
    header->cmsg_level = SOL_SOCKET;
    header->cmsg_type = SCM_RIGHTS;
    header->cmsg_len = static_cast<decltype(header->cmsg_len)>(CMSG_LEN(descriptors.size_bytes()));
    std::memcpy(CMSG_DATA(header), descriptors.data(), descriptors.size_bytes());
  }
  const IoResult result = internal::result_of_write(
      internal::again_if_interrupted([&] { return ::sendmsg(socket, &message, kSendFlags); }),
      "sendmsg");
  chain.consume(result.bytes);
  return result;
}

DescriptorReceipt receive_with_descriptors(int socket, ChainBuilder& into, size_t max,
                                           std::vector<File>& files, size_t max_descriptors) {
  DescriptorReceipt receipt;
  if (max == 0) return receipt;
  // Whatever comes must have an owner at once.
  max_descriptors = std::min(max_descriptors, kMaxDescriptors);
  files.reserve(files.size() + max_descriptors);
  // One piece: a commit within it cannot fail.
  if (into.spare() == 0 && !into.try_prepare(1)) {
    receipt.io = IoResult::failed(ENOBUFS, "recvmsg");
    return receipt;
  }
  const std::span<std::byte> room = into.prepare(1);
  iovec entry{room.data(), std::min({room.size(), max, internal::kMaxTransfer})};
  alignas(cmsghdr) unsigned char control[kControlSize];
  msghdr message{};
  message.msg_iov = &entry;
  message.msg_iovlen = 1;
  message.msg_control = control;
  message.msg_controllen = sizeof(control);
  receipt.io = internal::result_of_read(
      internal::again_if_interrupted([&] { return ::recvmsg(socket, &message, kReceiveFlags); }),
      "recvmsg");
  if (receipt.io.is_error() || receipt.io.kind == IoKind::would_block) return receipt;
  into.commit(receipt.io.bytes);
  receipt.descriptors_lost = (message.msg_flags & MSG_CTRUNC) != 0;
  for (cmsghdr* header = CMSG_FIRSTHDR(&message); header != nullptr;
       header = CMSG_NXTHDR(&message, header)) {
    if (header->cmsg_level != SOL_SOCKET || header->cmsg_type != SCM_RIGHTS) continue;
    const unsigned char* const data = CMSG_DATA(header);
    const size_t count =
        (static_cast<size_t>(header->cmsg_len) - static_cast<size_t>(CMSG_LEN(0))) / sizeof(int);
    for (size_t i = 0; i < count; ++i) {
      int fd = -1;
      std::memcpy(&fd, data + i * sizeof(int), sizeof(int));
      File received(fd);
#if !defined(MSG_CMSG_CLOEXEC)
      ::fcntl(fd, F_SETFD, FD_CLOEXEC);
#endif
      if (receipt.descriptors == max_descriptors) {
        receipt.descriptors_lost = true;
        continue;
      }
      files.push_back(std::move(received));
      ++receipt.descriptors;
    }
  }
  return receipt;
}

BIGHT_NAMESPACE_END
