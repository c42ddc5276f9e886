// System calls that the kernel or a filter of system calls refuses: everything works the same by
// the calls that are left. Where no filter can be set the calls succeed, and the results must be
// the same as well.
#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <cstddef>
#include <memory>
#include <string>
#include <thread>

#include "bight/chain.h"
#include "bight/chain_builder.h"
#include "bight/copy_audit.h"
#include "bight/io/fd_sink.h"
#include "bight/io/fd_source.h"
#include "bight/io/file.h"
#include "bight/io/file_slice.h"
#include "bight/io/read.h"
#include "bight/io/send_file.h"
#include "bight/io/whole_file.h"
#include "tests/io_support.h"

#if defined(__linux__)
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#endif

namespace bight {
namespace {

using IoRefusedCallsTest = NoDescriptorLeaks;

#if defined(__linux__)
// From now on system call `number` fails for the calling thread.
void refuse(unsigned number, unsigned error_number) {
  sock_filter code[] = {
      {BPF_LD | BPF_W | BPF_ABS, 0, 0, offsetof(seccomp_data, nr)},
      {BPF_JMP | BPF_JEQ | BPF_K, 0, 1, number},
      {BPF_RET | BPF_K, 0, 0, SECCOMP_RET_ERRNO | error_number},
      {BPF_RET | BPF_K, 0, 0, SECCOMP_RET_ALLOW},
  };
  const sock_fprog program{4, code};
  ::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
  ::prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program);
}
#else
constexpr unsigned SYS_sendfile = 0;
constexpr unsigned SYS_copy_file_range = 0;
void refuse(unsigned, unsigned) {}
#endif

TEST_F(IoRefusedCallsTest, FileSlicesAreReadWhereSendfileIsRefused) {
  const std::string text = pattern(300000);
  const auto file = std::make_shared<File>(make_temporary_file());
  ASSERT_EQ(file->write_at(0, text).bytes, text.size());
  for (const int error_number : {EINVAL, ENOSYS, EOVERFLOW, EPERM}) {
    Ends ends = make_sockets();
    std::thread sender([&] {
      refuse(SYS_sendfile, static_cast<unsigned>(error_number));
      Chain head = chain_of("head", {2});
      FileSlice body(file, 1000, 290000);
      const CopyAudit audit;
      EXPECT_EQ(send_all(FdSink(ends.a.fd()), head, body), (IoResult{290004}));
      EXPECT_EQ(audit.thread().copied, 0u);
      ends.a.close();
    });
    ChainBuilder into;
    EXPECT_EQ(read_all(FdSource(ends.b.fd()), into, 1000000).bytes, 290004u);
    sender.join();
    EXPECT_TRUE(into.take() == "head" + text.substr(1000, 290000));
  }
}

TEST_F(IoRefusedCallsTest, OtherErrorsOfSendfileAreReportedAndLoseNothing) {
  const std::string text = pattern(100000);
  const auto file = std::make_shared<File>(make_temporary_file());
  ASSERT_EQ(file->write_at(0, text).bytes, text.size());
  Ends ends = make_sockets();
  std::thread([&] {
    refuse(SYS_sendfile, EIO);
    Chain head = chain_of("head", {4});
    FileSlice body(file, 0, text.size());
    const IoResult result = send_all(FdSink(ends.a.fd()), head, body);
    if (result.is_error()) {
      EXPECT_EQ(result, (IoResult{4, IoKind::error, EIO}));
      EXPECT_TRUE(head.empty());
      EXPECT_EQ(body.size(), text.size());
    }
  }).join();
}

TEST_F(IoRefusedCallsTest, FilesAreReadAndWrittenWhereTheKernelDoesNotCopy) {
  const std::string text = pattern(600000);
  const File from = make_temporary_file();
  ASSERT_EQ(from.write_at(0, text).bytes, text.size());
  for (const int error_number : {EXDEV, EINVAL, ENOSYS, EOPNOTSUPP, EPERM}) {
    std::thread([&] {
      refuse(SYS_copy_file_range, static_cast<unsigned>(error_number));
      const File to = make_temporary_file();
      EXPECT_EQ(copy_at(from, 5, to, 0, 500000), (IoResult{500000}));
      ChainBuilder into;
      EXPECT_EQ(to.read_at(0, 600000, into).bytes, 500000u);
      EXPECT_TRUE(into.take() == text.substr(5, 500000));
    }).join();
  }
  std::thread([&] {
    refuse(SYS_copy_file_range, ENOSPC);
    const File to = make_temporary_file();
    const IoResult result = copy_at(from, 0, to, 0, text.size());
    EXPECT_TRUE(result == IoResult{text.size()} || result == (IoResult{0, IoKind::error, ENOSPC}));
  }).join();
}

}  // namespace
}  // namespace bight
