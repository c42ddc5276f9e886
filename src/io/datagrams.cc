#include "bight/io/datagrams.h"

#include <netinet/in.h>
#include <netinet/udp.h>
#include <sys/socket.h>
#include <sys/uio.h>

#include <algorithm>
#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>
#include <utility>
#include <vector>

#include "bight/internal/check.h"
#include "io/gather.h"

BIGHT_NAMESPACE_BEGIN
namespace {

constexpr size_t kBatch = 64;

#if defined(MSG_NOSIGNAL)
constexpr int kSendFlags = MSG_NOSIGNAL;
#else
constexpr int kSendFlags = 0;
#endif

#if defined(__linux__)
using Message = mmsghdr;

int receive_batch(int fd, Message* messages, size_t count) noexcept {
  // The true length also of what is cut; never waits for a second one.
  return internal::again_if_interrupted([&] {
    return ::recvmmsg(fd, messages, static_cast<unsigned>(count), MSG_TRUNC | MSG_WAITFORONE,
                      nullptr);
  });
}
int send_batch(int fd, Message* messages, size_t count) noexcept {
  return internal::again_if_interrupted(
      [&] { return ::sendmmsg(fd, messages, static_cast<unsigned>(count), kSendFlags); });
}
#else
struct Message {
  msghdr msg_hdr;
  unsigned msg_len;
};

// One at a time where there are no batches. What is cut shows only that it was.
int receive_batch(int fd, Message* messages, size_t) noexcept {
  const ssize_t n =
      internal::again_if_interrupted([&] { return ::recvmsg(fd, &messages->msg_hdr, 0); });
  if (n < 0) return -1;
  const bool cut = (messages->msg_hdr.msg_flags & MSG_TRUNC) != 0;
  messages->msg_len = static_cast<unsigned>(n) + (cut ? 1 : 0);
  return 1;
}
int send_batch(int fd, Message* messages, size_t count) noexcept {
  size_t sent = 0;
  for (; sent < count; ++sent) {
    const ssize_t n = internal::again_if_interrupted(
        [&] { return ::sendmsg(fd, &messages[sent].msg_hdr, kSendFlags); });
    if (n < 0) break;
    messages[sent].msg_len = static_cast<unsigned>(n);
  }
  return sent == 0 && count != 0 ? -1 : static_cast<int>(sent);
}
#endif

void set_peer(msghdr& header, const DatagramAddress& peer) noexcept {
  if (peer.size == 0) return;
  header.msg_name = const_cast<sockaddr*>(peer.get());
  header.msg_namelen = peer.size;
}

}  // namespace

// ---- Receiving ---------------------------------------------------------------------------------

IoResult DatagramReceiver::enable_gro(int fd) noexcept {
#if defined(UDP_GRO)
  const int on = 1;
  if (::setsockopt(fd, IPPROTO_UDP, UDP_GRO, &on, sizeof(on)) != 0) {
    return internal::result_of_failure("setsockopt");
  }
  return {0, IoKind::data, 0, "setsockopt"};
#else
  static_cast<void>(fd);
  return IoResult::failed(ENOPROTOOPT, "setsockopt");
#endif
}

namespace {

// The size of the datagrams that were joined into this one; 0 if none were.
size_t joined_size(msghdr& header) noexcept {
#if defined(UDP_GRO)
  for (cmsghdr* c = CMSG_FIRSTHDR(&header); c != nullptr; c = CMSG_NXTHDR(&header, c)) {
    if (c->cmsg_level == IPPROTO_UDP && c->cmsg_type == UDP_GRO) {
      int size = 0;
      std::memcpy(&size, CMSG_DATA(c), sizeof(size));
      return size > 0 ? static_cast<size_t>(size) : 0;
    }
  }
#else
  static_cast<void>(header);
#endif
  return 0;
}

}  // namespace

DatagramResult DatagramReceiver::receive(int fd, std::vector<Datagram>& into) {
  if (room_.spare() < max_datagram_) room_ = BytesBuilder(max_datagram_ * batch_);
  const size_t places = std::min(room_.spare() / max_datagram_, batch_);
  into.reserve(into.size() + places);

  Message messages[kBatch];
  iovec entries[kBatch];
  DatagramAddress peers[kBatch];
  alignas(cmsghdr) unsigned char control[kBatch][64];
  std::byte* const base = room_.prepare(places * max_datagram_).data();
  for (size_t i = 0; i < places; ++i) {
    entries[i] = {base + i * max_datagram_, max_datagram_};
    messages[i] = {};
    msghdr& header = messages[i].msg_hdr;
    header.msg_iov = &entries[i];
    header.msg_iovlen = 1;
    header.msg_name = &peers[i].storage;
    header.msg_namelen = sizeof(peers[i].storage);
    header.msg_control = control[i];
    header.msg_controllen = sizeof(control[i]);
  }
  DatagramResult result;
  const int n = receive_batch(fd, messages, places);
  if (n < 0) {
    result.io = internal::result_of_failure("recvmmsg");
    return result;
  }
  result.io.call = "recvmmsg";
  for (size_t i = 0; i < static_cast<size_t>(n); ++i) {
    BytesBuilder place = room_.carve(max_datagram_);
    const size_t wire_size = messages[i].msg_len;
    place.commit(std::min(wire_size, max_datagram_));
    Datagram datagram{std::move(place).freeze(), peers[i], wire_size};
    datagram.peer.size = messages[i].msg_hdr.msg_namelen;
    result.io.bytes += datagram.payload.size();
    const size_t step = joined_size(messages[i].msg_hdr);
    size_t left = wire_size;
    while (step != 0 && left > step && datagram.payload.size() > step) {
      into.push_back({datagram.payload.split_to(step), datagram.peer, step});
      ++result.datagrams;
      left -= step;
    }
    // Of several that were cut off the last one here stands for all.
    datagram.wire_size = left;
    into.push_back(std::move(datagram));
    ++result.datagrams;
  }
  return result;
}

// ---- Sending -----------------------------------------------------------------------------------

DatagramResult send_datagrams(int fd, std::span<const OutgoingDatagram> from) {
  DatagramResult result;
  result.io.call = "sendmmsg";
  while (!from.empty()) {
    Message messages[kBatch];
    iovec entries[internal::kMaxEntries];
    size_t used = 0;
    size_t count = 0;
    for (; count < std::min(from.size(), kBatch); ++count) {
      const OutgoingDatagram& datagram = from[count];
      const size_t segments = datagram.payload.segment_count();
      if (segments > internal::kMaxEntries - used) break;
      const GatherFill fill =
          datagram.payload.fill_iovec(std::span(entries).subspan(used, segments));
      messages[count] = {};
      msghdr& header = messages[count].msg_hdr;
      header.msg_iov = entries + used;
      header.msg_iovlen = static_cast<decltype(header.msg_iovlen)>(fill.count);
      set_peer(header, datagram.peer);
      used += fill.count;
    }
    if (count == 0) {
      result.io = IoResult::failed(EMSGSIZE, "sendmmsg", result.io.bytes);
      return result;
    }
    const int n = send_batch(fd, messages, count);
    if (n <= 0) {
      const size_t bytes = result.io.bytes;
      result.io =
          n < 0 ? internal::result_of_failure("sendmmsg") : IoResult::failed(ENOBUFS, "sendmmsg");
      result.io.bytes = bytes;
      return result;
    }
    const auto sent = static_cast<size_t>(n);
    for (size_t i = 0; i < sent; ++i) result.io.bytes += messages[i].msg_len;
    result.datagrams += sent;
    from = from.subspan(sent);
  }
  return result;
}

SegmentSender::SegmentSender(size_t segment_size) : segment_size_(segment_size) {
  if (segment_size == 0 || segment_size > 65507) {
    internal::fail_value("SegmentSender of", segment_size, "bytes a datagram");
  }
}

DatagramResult SegmentSender::send_cut(int fd, const Chain& payload,
                                       const DatagramAddress& peer) const {
  std::vector<OutgoingDatagram> batch;
  size_t at = 0;
  while (at < payload.size() && batch.size() < kBatch) {
    const size_t n = std::min(segment_size_, payload.size() - at);
    batch.push_back({payload.slice(at, n), peer});
    at += n;
  }
  return send_datagrams(fd, batch);
}

DatagramResult SegmentSender::send(int fd, Chain& payload, const DatagramAddress& peer) {
  // What one IPv4 datagram holds, and what the kernels cut at most (128 since 6.9).
  constexpr size_t kMostBytes = 65507;
  constexpr size_t kMostSegments = 64;
  DatagramResult result;
  while (!payload.empty()) {
    DatagramResult step;
#if defined(UDP_SEGMENT)
    // A kernel or a socket that does not know the message would send one large datagram.
    int unused = 0;
    socklen_t size_of_it = sizeof(unused);
    if (gso_ && ::getsockopt(fd, IPPROTO_UDP, UDP_SEGMENT, &unused, &size_of_it) != 0) gso_ = false;
    bool done = false;
    const size_t most = std::min(kMostSegments, kMostBytes / segment_size_) * segment_size_;
    const size_t wanted = std::min(most, payload.size());
    if (gso_ && wanted > segment_size_) {
      iovec entries[internal::kMaxEntries];
      const GatherFill fill = payload.fill_iovec(entries, 0, wanted);
      if (fill.bytes == wanted) {
        msghdr header{};
        header.msg_iov = entries;
        header.msg_iovlen = fill.count;
        set_peer(header, peer);
        alignas(cmsghdr) unsigned char control[CMSG_SPACE(sizeof(uint16_t))] = {};
        header.msg_control = control;
        header.msg_controllen = sizeof(control);
        cmsghdr* const c = CMSG_FIRSTHDR(&header);
        c->cmsg_level = IPPROTO_UDP;
        c->cmsg_type = UDP_SEGMENT;
        c->cmsg_len = CMSG_LEN(sizeof(uint16_t));
        const auto size = static_cast<uint16_t>(segment_size_);
        std::memcpy(CMSG_DATA(c), &size, sizeof(size));
        step.io = internal::result_of_write(
            internal::again_if_interrupted([&] { return ::sendmsg(fd, &header, kSendFlags); }),
            "sendmsg");
        step.datagrams = (step.io.bytes + segment_size_ - 1) / segment_size_;
        switch (step.io.error_number) {
          case EINVAL:
          case EIO:
          case ENOPROTOOPT:
          case EOPNOTSUPP:
            gso_ = false;
            break;
          default:
            done = true;
        }
      }
    }
    if (!done) step = send_cut(fd, payload, peer);
#else
    step = send_cut(fd, payload, peer);
#endif
    payload.consume(step.io.bytes);
    result.datagrams += step.datagrams;
    step.io.bytes += result.io.bytes;
    result.io = step.io;
    if (result.io.kind != IoKind::data) break;
  }
  return result;
}

BIGHT_NAMESPACE_END
