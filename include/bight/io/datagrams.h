// Datagrams in batches: recvmmsg and sendmmsg, with one Bytes a datagram received and a Chain for
// each one sent, and the kernel's segmentation of large sends and receives (UDP GSO and GRO) where
// it has them.
//
//   DatagramReceiver receiver;
//   std::vector<Datagram> in;
//   DatagramResult r = receiver.receive(fd, in);       // up to 32 in one call
//   for (const Datagram& d : in) ...                   // d.payload, d.peer
//
// The descriptors stay the caller's. Whether they block is as the caller set them.
#ifndef BIGHT_IO_DATAGRAMS_H_
#define BIGHT_IO_DATAGRAMS_H_

#include <sys/socket.h>

#include <cstddef>
#include <span>
#include <vector>

#include "bight/bytes.h"
#include "bight/bytes_builder.h"
#include "bight/chain.h"
#include "bight/config.h"
#include "bight/io/io_result.h"

BIGHT_NAMESPACE_BEGIN

// A socket's address as the system has it; size 0: none (a connected socket's peer).
struct DatagramAddress {
  sockaddr_storage storage{};
  socklen_t size = 0;

  sockaddr* get() noexcept { return reinterpret_cast<sockaddr*>(&storage); }
  const sockaddr* get() const noexcept { return reinterpret_cast<const sockaddr*>(&storage); }
};

struct Datagram {
  Bytes payload;
  DatagramAddress peer;
  // Bytes that were sent; more than the payload has if it was cut to the receiver's room.
  size_t wire_size = 0;

  [[nodiscard]] bool truncated() const noexcept { return wire_size > payload.size(); }
};

struct OutgoingDatagram {
  Chain payload;  // at most 1,024 segments
  DatagramAddress peer;
};

// What a call on several datagrams came to.
struct DatagramResult {
  // `bytes`: of payload. data: went as far as was asked or there was; else what ended it.
  IoResult io;
  size_t datagrams = 0;
};

struct DatagramReceiverOptions {
  // Room for one datagram; what is longer is cut. 2,048: an Ethernet frame.
  size_t max_datagram = 2048;
  // Datagrams taken in one call, and places in one block. At most 64.
  size_t batch = 32;
};

class DatagramReceiver {
 public:
  explicit DatagramReceiver(const DatagramReceiverOptions& options = {});

  // Lets the kernel join datagrams of one sender before it hands them over (UDP_GRO); receive()
  // takes them apart again, by slicing. Use max_datagram 65,535 with it: what is joined and longer
  // is cut. Error where the kernel has no such thing: everything works without it.
  BIGHT_IO_API static IoResult enable_gro(int fd) noexcept;

  // One recvmmsg: waits (if the descriptor does) for the first datagram and takes what else is
  // there. Appends them to `into`; each payload is a slice of a block that up to `batch` of them
  // share, so Bytes::compact() those that are kept long. An empty datagram is one, without bytes.
  // would_block, error: none came. No byte is copied.
  // Fails with bad_alloc: before the call, or after it when datagrams that were joined need more
  // than `batch` elements; then those are lost.
  BIGHT_IO_API DatagramResult receive(int fd, std::vector<Datagram>& into);

 private:
  size_t max_datagram_;
  size_t batch_;
  BytesBuilder room_;  // places that no datagram lies in, the rest of the current block
};

// Sends the datagrams in their order, 64 in a call, each payload gathered from its segments.
// `datagrams` of the result went; after would_block or an error go on behind them.
// One of more than 1,024 segments is the error EMSGSIZE.
BIGHT_IO_API DatagramResult send_datagrams(int fd, std::span<const OutgoingDatagram> from);

// Sends one stream as datagrams of equal size (the last one perhaps shorter), as QUIC and media do.
class SegmentSender {
 public:
  // Precondition: `segment_size` is 1 to 65,507 (checked).
  BIGHT_IO_API explicit SegmentSender(size_t segment_size);

  // Whether the kernel cuts (UDP_SEGMENT): so it is assumed until a socket does not know it or
  // refuses once (EINVAL, EIO, ENOPROTOOPT, EOPNOTSUPP); from then on each call passes 64
  // datagrams cut here.
  bool uses_gso() const noexcept { return gso_; }
  void use_gso(bool wanted) noexcept { gso_ = wanted; }

  // Sends `payload` to `peer` and consumes what went, always whole datagrams. data: all of it;
  // would_block, error: the rest is in `payload`.
  BIGHT_IO_API DatagramResult send(int fd, Chain& payload, const DatagramAddress& peer = {});

 private:
  DatagramResult send_cut(int fd, const Chain& payload, const DatagramAddress& peer) const;

  size_t segment_size_;
  bool gso_ = true;
};

// Implementation details follow.

inline DatagramReceiver::DatagramReceiver(const DatagramReceiverOptions& options)
    : max_datagram_(options.max_datagram != 0 ? options.max_datagram : 1),
      batch_(options.batch == 0   ? 1
             : options.batch < 64 ? options.batch
                                  : 64) {}

BIGHT_NAMESPACE_END

#endif  // BIGHT_IO_DATAGRAMS_H_
