#include "bight/io/status.h"

#include <absl/status/status.h>
#include <absl/strings/cord.h>
#include <absl/strings/numbers.h>
#include <absl/strings/string_view.h>

#include <cerrno>
#include <string>
#include <system_error>

#include "bight/io/io_result.h"

BIGHT_NAMESPACE_BEGIN
namespace {

// Under this name the errno travels in a status, as decimal digits.
constexpr char kErrnoPayload[] = "bight/errno";

absl::StatusCode code_of(int error_number) noexcept {
  switch (error_number) {
    case EINVAL:
    case ENAMETOOLONG:
    case E2BIG:
    case EDESTADDRREQ:
    case EDOM:
    case EFAULT:
    case EILSEQ:
    case ENOPROTOOPT:
    case ENOTSOCK:
    case ENOTTY:
    case EPROTOTYPE:
    case ESPIPE:
      return absl::StatusCode::kInvalidArgument;
    case ENOENT:
    case ENODEV:
    case ENXIO:
    case ESRCH:
      return absl::StatusCode::kNotFound;
    case EEXIST:
    case EADDRNOTAVAIL:
    case EALREADY:
      return absl::StatusCode::kAlreadyExists;
    case EACCES:
    case EPERM:
    case EROFS:
      return absl::StatusCode::kPermissionDenied;
    case ENOSPC:
    case EDQUOT:
    case EMFILE:
    case ENFILE:
    case EMLINK:
    case ENOBUFS:
    case ENOMEM:
    case EMSGSIZE:
      return absl::StatusCode::kResourceExhausted;
    case EFBIG:
    case EOVERFLOW:
    case ERANGE:
      return absl::StatusCode::kOutOfRange;
    case EBADF:
    case EBUSY:
    case ECHILD:
    case EISCONN:
    case EISDIR:
    case ENOTCONN:
    case ENOTDIR:
    case ENOTEMPTY:
    case EPIPE:
    case ETXTBSY:
    case ESHUTDOWN:
      return absl::StatusCode::kFailedPrecondition;
    case ENOSYS:
    case EOPNOTSUPP:
#if ENOTSUP != EOPNOTSUPP
    case ENOTSUP:
#endif
    case EAFNOSUPPORT:
    case EPFNOSUPPORT:
    case EPROTONOSUPPORT:
    case EXDEV:
      return absl::StatusCode::kUnimplemented;
    case EAGAIN:
#if EWOULDBLOCK != EAGAIN
    case EWOULDBLOCK:
#endif
    case ECONNREFUSED:
    case ECONNABORTED:
    case ECONNRESET:
    case EHOSTDOWN:
    case EHOSTUNREACH:
    case EINTR:
    case ENETDOWN:
    case ENETRESET:
    case ENETUNREACH:
    case ENOLCK:
      return absl::StatusCode::kUnavailable;
    case ETIMEDOUT:
      return absl::StatusCode::kDeadlineExceeded;
    case ECANCELED:
      return absl::StatusCode::kCancelled;
    case EDEADLK:
    case ESTALE:
      return absl::StatusCode::kAborted;
    case EIO:
      return absl::StatusCode::kDataLoss;
    default:
      return absl::StatusCode::kUnknown;
  }
}

}  // namespace

std::string IoResult::message() const {
  std::string text = call != nullptr ? call : "no call";
  switch (kind) {
    case IoKind::data:
      text += ": done";
      break;
    case IoKind::eof:
      text += ": end of the stream";
      break;
    case IoKind::would_block:
    case IoKind::error:
      text += ": ";
      // strerror is not safe in threads, and strerror_r has two shapes.
      text += std::generic_category().message(error_number);
      text += " (errno " + std::to_string(error_number) + ")";
      break;
  }
  if (bytes != 0) text += " after " + std::to_string(bytes) + " bytes";
  return text;
}

absl::Status status_of(const IoResult& result) {
  absl::StatusCode code = absl::StatusCode::kOk;
  switch (result.kind) {
    case IoKind::data:
      return absl::OkStatus();
    case IoKind::eof:
      code = absl::StatusCode::kOutOfRange;
      break;
    case IoKind::would_block:
      code = absl::StatusCode::kUnavailable;
      break;
    case IoKind::error:
      code = code_of(result.error_number);
      break;
  }
  const std::string message = result.message();
  absl::Status status(code, absl::string_view(message.data(), message.size()));
  if (result.error_number != 0) {
    const std::string digits = std::to_string(result.error_number);
    status.SetPayload(kErrnoPayload, absl::Cord(absl::string_view(digits.data(), digits.size())));
  }
  return status;
}

int errno_of(const absl::Status& status) {
  const auto payload = status.GetPayload(kErrnoPayload);
  int error_number = 0;
  if (!payload.has_value() || !absl::SimpleAtoi(std::string(*payload), &error_number)) return 0;
  return error_number;
}

BIGHT_NAMESPACE_END
