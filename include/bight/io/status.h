// IoResult as absl::Status, for the places where a person reads it.
//
// A header of its own because absl/status/status.h is a large one.
#ifndef BIGHT_IO_STATUS_H_
#define BIGHT_IO_STATUS_H_

#include <absl/base/config.h>
#include <absl/status/status.h>

#include "bight/config.h"
#include "bight/io/io_result.h"

#if defined(ABSL_LTS_RELEASE_VERSION) && ABSL_LTS_RELEASE_VERSION < 20220623
#error "bight::io needs Abseil 20220623 or later"
#endif

BIGHT_NAMESPACE_BEGIN

// OK for data; OUT_OF_RANGE for eof; UNAVAILABLE for would_block; for an error the code that fits
// its errno. The message names the call, the error and the bytes that were moved before it; the
// errno is kept for errno_of(). Allocates, except for data.
[[nodiscard]] BIGHT_IO_API absl::Status status_of(const IoResult& result);

// The errno that status_of() kept in `status`; 0 if there is none.
[[nodiscard]] BIGHT_IO_API int errno_of(const absl::Status& status);

BIGHT_NAMESPACE_END

#endif  // BIGHT_IO_STATUS_H_
