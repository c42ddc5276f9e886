#include <absl/status/status.h>
#include <gtest/gtest.h>

#include <cerrno>
#include <string>
#include <system_error>

#include "bight/io/io_result.h"
#include "bight/io/status.h"

namespace bight {
namespace {

std::string message_of(const absl::Status& status) { return std::string(status.message()); }

TEST(IoResultTest, MessageNamesTheCallTheErrorAndTheBytes) {
  const std::string reason = std::generic_category().message(EPIPE);
  EXPECT_EQ(IoResult::failed(EPIPE, "writev").message(),
            "writev: " + reason + " (errno " + std::to_string(EPIPE) + ")");
  EXPECT_EQ(IoResult::failed(EPIPE, "writev", 12).message(),
            "writev: " + reason + " (errno " + std::to_string(EPIPE) + ") after 12 bytes");
  EXPECT_EQ((IoResult{3, IoKind::eof, 0, "read"}.message()),
            "read: end of the stream after 3 bytes");
  EXPECT_EQ((IoResult{0, IoKind::data, 0, "read"}.message()), "read: done");
  EXPECT_EQ(IoResult{}.message(), "no call: done");
  EXPECT_NE((IoResult{0, IoKind::would_block, EAGAIN, "read"}.message().find("errno")),
            std::string::npos);
}

TEST(IoResultTest, OnlyAnErrorIsAnError) {
  EXPECT_FALSE(IoResult{}.is_error());
  EXPECT_FALSE((IoResult{0, IoKind::eof}.is_error()));
  EXPECT_FALSE((IoResult{0, IoKind::would_block, EAGAIN}.is_error()));
  EXPECT_TRUE(IoResult::failed(EIO, "read").is_error());
}

TEST(IoStatusTest, KeepsTheErrnoAndNamesTheCall) {
  const absl::Status status = status_of(IoResult::failed(ECONNRESET, "readv", 7));
  EXPECT_EQ(status.code(), absl::StatusCode::kUnavailable);
  EXPECT_EQ(errno_of(status), ECONNRESET);
  EXPECT_EQ(message_of(status), IoResult::failed(ECONNRESET, "readv", 7).message());
}

TEST(IoStatusTest, DataIsOkAndTheOtherAnswersAreNot) {
  EXPECT_TRUE(status_of(IoResult{5, IoKind::data, 0, "read"}).ok());
  EXPECT_EQ(status_of(IoResult{0, IoKind::eof, 0, "read"}).code(), absl::StatusCode::kOutOfRange);
  const absl::Status full = status_of(IoResult{0, IoKind::would_block, EAGAIN, "read"});
  EXPECT_EQ(full.code(), absl::StatusCode::kUnavailable);
  EXPECT_EQ(errno_of(full), EAGAIN);
}

TEST(IoStatusTest, EveryErrnoHasACodeAndIsKept) {
  const struct {
    int error_number;
    absl::StatusCode code;
  } cases[] = {{EINVAL, absl::StatusCode::kInvalidArgument},
               {ENOENT, absl::StatusCode::kNotFound},
               {EEXIST, absl::StatusCode::kAlreadyExists},
               {EACCES, absl::StatusCode::kPermissionDenied},
               {ENOSPC, absl::StatusCode::kResourceExhausted},
               {EMSGSIZE, absl::StatusCode::kResourceExhausted},
               {EFBIG, absl::StatusCode::kOutOfRange},
               {EPIPE, absl::StatusCode::kFailedPrecondition},
               {EBADF, absl::StatusCode::kFailedPrecondition},
               {EOPNOTSUPP, absl::StatusCode::kUnimplemented},
               {ECONNREFUSED, absl::StatusCode::kUnavailable},
               {ETIMEDOUT, absl::StatusCode::kDeadlineExceeded},
               {ECANCELED, absl::StatusCode::kCancelled},
               {EDEADLK, absl::StatusCode::kAborted},
               {EIO, absl::StatusCode::kDataLoss},
               {9999, absl::StatusCode::kUnknown}};
  for (const auto& c : cases) {
    EXPECT_EQ(status_of(IoResult::failed(c.error_number, "x")).code(), c.code) << c.error_number;
  }
  for (int error_number = 1; error_number < 140; ++error_number) {
    const absl::Status status = status_of(IoResult::failed(error_number, "call"));
    EXPECT_FALSE(status.ok());
    EXPECT_EQ(errno_of(status), error_number);
  }
}

TEST(IoStatusTest, AStatusOfSomebodyElseHasNoErrno) {
  EXPECT_EQ(errno_of(absl::OkStatus()), 0);
  EXPECT_EQ(errno_of(absl::InternalError("other")), 0);
  absl::Status odd = absl::InternalError("odd");
  odd.SetPayload("bight/errno", absl::Cord("many"));
  EXPECT_EQ(errno_of(odd), 0);
}

}  // namespace
}  // namespace bight
