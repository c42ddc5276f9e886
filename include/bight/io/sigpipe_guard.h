// SigpipeGuard: while it lives, the calling thread gets EPIPE from a pipe without a reader and no
// SIGPIPE. For libraries that must not change the process's signal settings; a program of its own
// may rather ignore the signal once.
#ifndef BIGHT_IO_SIGPIPE_GUARD_H_
#define BIGHT_IO_SIGPIPE_GUARD_H_

#include "bight/config.h"

BIGHT_NAMESPACE_BEGIN

// Make and drop it on one thread, in the order of scopes. Three to five system calls.
class SigpipeGuard {
 public:
  // Blocks SIGPIPE for this thread.
  BIGHT_IO_API SigpipeGuard() noexcept;
  SigpipeGuard(const SigpipeGuard&) = delete;
  SigpipeGuard& operator=(const SigpipeGuard&) = delete;
  // Takes back a SIGPIPE that was raised meanwhile and restores what was before. A signal that was
  // pending before stays pending. errno is kept.
  BIGHT_IO_API ~SigpipeGuard();

 private:
  bool was_pending_;  // a SIGPIPE not of our making: it must survive
  bool was_blocked_;
};

BIGHT_NAMESPACE_END

#endif  // BIGHT_IO_SIGPIPE_GUARD_H_
