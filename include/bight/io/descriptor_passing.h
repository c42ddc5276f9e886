// Descriptors passed beside bytes over Unix stream sockets (SCM_RIGHTS).
//
//   Chain message = ...;
//   IoResult s = send_with_descriptors(socket, message, {&fd, 1});
//   if (s.bytes != 0) ...                              // they went; write_some sends the rest
//
//   std::vector<File> files;
//   DescriptorReceipt r = receive_with_descriptors(socket, in, 4096, files);
//
// A descriptor travels with the first byte of its call and never without one. What is received is
// owned at once and closed on exec; nothing leaks, also when the kernel could not hand over all.
#ifndef BIGHT_IO_DESCRIPTOR_PASSING_H_
#define BIGHT_IO_DESCRIPTOR_PASSING_H_

#include <cstddef>
#include <span>
#include <vector>

#include "bight/chain.h"
#include "bight/chain_builder.h"
#include "bight/config.h"
#include "bight/io/file.h"
#include "bight/io/io_result.h"

BIGHT_NAMESPACE_BEGIN

// What one message can carry on Linux.
inline constexpr size_t kMaxDescriptors = 253;

// One gather call with bytes from the front of `chain`, and `descriptors` beside them; consumes
// what was taken. `bytes` not 0: the descriptors went along, all of them, and must not be sent
// again with the rest (write_some). `bytes` 0 (would_block, error): they did not.
// The descriptors stay the caller's and may be closed when they went. More than kMaxDescriptors
// are the error EINVAL, without a call. Precondition: `chain` is not empty (checked).
BIGHT_IO_API IoResult send_with_descriptors(int socket, Chain& chain,
                                            std::span<const int> descriptors);

struct DescriptorReceipt {
  IoResult io;
  // How many were appended.
  size_t descriptors = 0;
  // Some that were sent are gone: more than were wanted, or this process can open no more.
  bool descriptors_lost = false;
};

// One read of at most `max` bytes into the builder; descriptors that come beside them are appended
// to `files`. It ends with the bytes of the first message that carries descriptors; bytes of
// earlier messages without any may stand before them, so frame the stream. More than
// `max_descriptors` are closed and reported as lost.
// Fails with bad_alloc before anything was read.
BIGHT_IO_API DescriptorReceipt receive_with_descriptors(int socket, ChainBuilder& into, size_t max,
                                                        std::vector<File>& files,
                                                        size_t max_descriptors = kMaxDescriptors);

BIGHT_NAMESPACE_END

#endif  // BIGHT_IO_DESCRIPTOR_PASSING_H_
