// The ring's own refusals and short counts. This program stands between bight::uring and liburing
// (the linker's --wrap): of the entries on their way to the kernel some are made operations that do
// nothing, and answered with an error; others are cut short. Whatever comes, every byte arrives
// once and in order, and every count is exact. Where the kernel has no io_uring nothing is
// injected, and the results must be the same.
#include <gtest/gtest.h>
#include <liburing.h>
#include <sys/socket.h>

#include <cerrno>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <random>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

#include "bight/chain.h"
#include "bight/chain_builder.h"
#include "bight/io/file.h"
#include "bight/io/uring.h"
#include "tests/io_support.h"

namespace {

// What is done to the entries of this program; all on one thread.
struct Faults {
  std::vector<int> errors;
  double error_rate = 0;
  double short_rate = 0;
  std::mt19937 random{1};
  // Entries that were made to do nothing, and what they are answered with.
  std::unordered_map<uint64_t, int> answers;
  size_t errors_made = 0;
  size_t shorts_made = 0;

  bool chance(double rate) { return std::uniform_real_distribution<double>(0, 1)(random) < rate; }
  size_t below(size_t n) { return std::uniform_int_distribution<size_t>(0, n - 1)(random); }

  void cut(io_uring_sqe& entry) {
    if (entry.opcode == IORING_OP_READ && entry.len > 1) {
      // Only where nobody minds odd places: these files are read through the page cache.
      entry.len = static_cast<unsigned>(1 + below(entry.len - 1));
    } else if (entry.opcode == IORING_OP_WRITEV || entry.opcode == IORING_OP_SENDMSG) {
      iovec* pieces;
      if (entry.opcode == IORING_OP_WRITEV) {
        entry.len = static_cast<unsigned>(1 + below(entry.len));
        pieces = reinterpret_cast<iovec*>(static_cast<uintptr_t>(entry.addr)) + entry.len - 1;
      } else {
        msghdr& message = *reinterpret_cast<msghdr*>(static_cast<uintptr_t>(entry.addr));
        message.msg_iovlen = 1 + below(message.msg_iovlen);
        pieces = message.msg_iov + message.msg_iovlen - 1;
      }
      pieces->iov_len = 1 + below(pieces->iov_len);
    } else {
      return;
    }
    ++shorts_made;
  }

  void before(io_uring* ring) {
    for (unsigned i = ring->sq.sqe_head; i != ring->sq.sqe_tail; ++i) {
      io_uring_sqe& entry = ring->sq.sqes[i & ring->sq.ring_mask];
      if (entry.user_data == 0) continue;  // cancels
      if (!errors.empty() && chance(error_rate)) {
        answers[entry.user_data] = errors[below(errors.size())];
        ++errors_made;
        const uint64_t data = entry.user_data;
        io_uring_prep_nop(&entry);
        entry.user_data = data;
      } else if (chance(short_rate)) {
        cut(entry);
      }
    }
  }
  void after(io_uring* ring) {
    if (answers.empty()) return;
    const unsigned tail = *ring->cq.ktail;
    for (unsigned i = *ring->cq.khead; i != tail; ++i) {
      io_uring_cqe& done = ring->cq.cqes[i & ring->cq.ring_mask];
      const auto found = answers.find(done.user_data);
      if (found == answers.end()) continue;
      done.res = -found->second;
      done.flags = 0;
      answers.erase(found);
    }
  }
};
Faults faults;

}  // namespace

extern "C" {
int __real_io_uring_submit(io_uring* ring);
int __wrap_io_uring_submit(io_uring* ring) {
  faults.before(ring);
  const int result = __real_io_uring_submit(ring);
  faults.after(ring);
  return result;
}
int __real_io_uring_submit_and_wait_timeout(io_uring* ring, io_uring_cqe** done, unsigned wait,
                                            __kernel_timespec* limit, sigset_t* signals);
int __wrap_io_uring_submit_and_wait_timeout(io_uring* ring, io_uring_cqe** done, unsigned wait,
                                            __kernel_timespec* limit, sigset_t* signals) {
  faults.before(ring);
  const int result = __real_io_uring_submit_and_wait_timeout(ring, done, wait, limit, signals);
  faults.after(ring);
  return result;
}
}

namespace bight {
namespace {

class UringFaultsTest : public NoDescriptorLeaks {
 protected:
  void TearDown() override {
    faults = Faults();
    NoDescriptorLeaks::TearDown();
  }
};

// Two connections, each echoed in many sends, and a file that is written and read back in pieces.
void do_everything(uint32_t seed) {
  SCOPED_TRACE("seed " + std::to_string(seed));
  faults.random.seed(seed);
  constexpr size_t kPieces = 20;
  const std::string text = pattern(kPieces * 3000, seed);
  const File file = make_temporary_file();
  UringOptions options;
  options.entries = 8;
  options.receive_blocks = 8;
  options.receive_block_size = 512;
  Uring uring(options);
  struct Connection {
    Ends ends;
    Chain returned;
    size_t sends = 0;
    bool served = false;
    bool over = false;
  };
  std::vector<Connection> connections(2);
  for (Connection& c : connections) {
    c.ends = make_sockets();
    const int small = 4000;
    ASSERT_EQ(::setsockopt(c.ends.a.fd(), SOL_SOCKET, SO_SNDBUF, &small, sizeof(small)), 0);
    uring.receive(c.ends.b.fd(), [&](const IoResult& result, Chain bytes) {
      if (result.kind != IoKind::data) {
        EXPECT_EQ(result.kind, IoKind::eof) << result.message();
        c.served = true;
        return;
      }
      const size_t size = bytes.size();
      EXPECT_EQ(result.bytes, size);
      uring.send(c.ends.b.fd(), std::move(bytes), [size](const IoResult& sent, Chain rest) {
        EXPECT_EQ(sent, (IoResult{size})) << sent.message();
        EXPECT_TRUE(rest.empty());
      });
    });
    uring.receive(c.ends.a.fd(), [&](const IoResult& result, Chain bytes) {
      if (result.kind == IoKind::data) {
        c.returned.push_back(std::move(bytes));
        if (c.returned.size() == text.size()) {
          EXPECT_EQ(::shutdown(c.ends.a.fd(), SHUT_WR), 0);
          EXPECT_EQ(::shutdown(c.ends.b.fd(), SHUT_WR), 0);
        }
      } else {
        EXPECT_EQ(result.kind, IoKind::eof) << result.message();
        c.over = true;
      }
    });
    for (size_t i = 0; i < kPieces; ++i) {
      uring.send(c.ends.a.fd(), chain_of(text.substr(i * 3000, 3000), {1, 700}),
                 [&c, i](const IoResult& result, Chain rest) {
                   EXPECT_EQ(result, (IoResult{3000})) << result.message();
                   EXPECT_TRUE(rest.empty());
                   EXPECT_EQ(c.sends++, i);
                 });
    }
  }
  size_t written = 0;
  size_t read = 0;
  for (size_t i = 0; i < kPieces; ++i) {
    uring.write_at(file.fd(), i * 3000, chain_of(text.substr(i * 3000, 3000), {1, 700}),
                   [&, i](const IoResult& result, Chain rest) {
                     EXPECT_EQ(result, (IoResult{3000})) << result.message();
                     EXPECT_TRUE(rest.empty());
                     ++written;
                     uring.read_at(file.fd(), i * 3000, 3000,
                                   [&, i](const IoResult& got, Chain bytes) {
                                     EXPECT_EQ(got, (IoResult{3000})) << got.message();
                                     EXPECT_TRUE(bytes == text.substr(i * 3000, 3000));
                                     ++read;
                                   });
                   });
  }
  const auto end = std::chrono::steady_clock::now() + std::chrono::minutes(1);
  while (uring.pending() != 0 && std::chrono::steady_clock::now() < end) {
    EXPECT_FALSE(uring.run_once(std::chrono::milliseconds(100)).is_error());
  }
  EXPECT_EQ(uring.pending(), 0u);
  EXPECT_EQ(written, kPieces);
  EXPECT_EQ(read, kPieces);
  for (Connection& c : connections) {
    EXPECT_TRUE(c.served && c.over);
    EXPECT_EQ(c.sends, kPieces);
    EXPECT_TRUE(c.returned == text);
    c.returned.clear();
  }
  EXPECT_EQ(uring.receive_blocks_out(), 0u);
}

bool has_ring() { return Uring().uses_ring(); }

TEST_F(UringFaultsTest, WhatTheRingRefusesGoesByTheFdAdapters) {
  for (const int error_number : {ENOBUFS, ENOMEM, EPERM, ENOSYS, EOPNOTSUPP, EAGAIN, EINTR}) {
    SCOPED_TRACE(error_number);
    for (const double rate : {0.02, 0.3, 1.0}) {
      // For ever these would be no refusal: the first asks for another try, the second for one
      // when blocks are back.
      if (rate == 1.0 && (error_number == EINTR || error_number == ENOBUFS)) continue;
      faults.errors = {error_number};
      faults.error_rate = rate;
      for (uint32_t seed = 1; seed <= 3; ++seed) do_everything(seed);
    }
  }
  if (has_ring()) {
    EXPECT_GT(faults.errors_made, 300u);
  }
}

TEST_F(UringFaultsTest, ShortReadsWritesAndSendsGoOn) {
  for (const double rate : {0.1, 0.9}) {
    faults.short_rate = rate;
    for (uint32_t seed = 1; seed <= 5; ++seed) do_everything(seed);
  }
  if (has_ring()) {
    EXPECT_GT(faults.shorts_made, 100u);
  }
}

TEST_F(UringFaultsTest, AllOfItTogether) {
  faults.errors = {ENOBUFS, ENOMEM, EPERM, ENOSYS, EAGAIN, EINTR};
  faults.error_rate = 0.1;
  faults.short_rate = 0.3;
  for (uint32_t seed = 1; seed <= 30; ++seed) do_everything(seed);
  std::printf("%zu refusals, %zu short counts injected\n", faults.errors_made, faults.shorts_made);
}

TEST_F(UringFaultsTest, OtherErrorsEndTheOperationWithTheRest) {
  if (!has_ring()) {
    do_everything(1);
    return;
  }
  const std::string text = pattern(5000);
  Ends ends = make_sockets();
  const File file = make_temporary_file();
  Uring uring;
  faults.errors = {EIO};
  faults.error_rate = 1;
  std::vector<IoResult> results;
  const auto expect_rest = [&](const IoResult& result, Chain rest) {
    results.push_back(result);
    EXPECT_TRUE(rest == text);
  };
  const auto expect_nothing = [&](const IoResult& result, Chain bytes) {
    results.push_back(result);
    EXPECT_TRUE(bytes.empty());
  };
  uring.send(ends.a.fd(), chain_of(text, {100}), expect_rest);
  uring.receive(ends.b.fd(), expect_nothing);
  uring.write_at(file.fd(), 0, chain_of(text, {100}), expect_rest);
  uring.read_at(file.fd(), 0, 100, expect_nothing);
  while (uring.run_once(std::chrono::seconds(10)).kind == IoKind::data) {
  }
  ASSERT_EQ(results.size(), 4u);
  for (const IoResult& result : results) EXPECT_EQ(result, IoResult::failed(EIO, ""));
}

}  // namespace
}  // namespace bight
