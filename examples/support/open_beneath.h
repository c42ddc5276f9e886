// Opening files by a path that a stranger has sent.
#ifndef EXAMPLES_SUPPORT_OPEN_BENEATH_H_
#define EXAMPLES_SUPPORT_OPEN_BENEATH_H_

#include <string>
#include <string_view>

namespace example {

// Opens `path`, which is relative and without "..", below the folder `root` for reading; never
// waits (for the writer of a FIFO). A symbolic link that leads out is an error (EXDEV, ELOOP).
// Answers with a descriptor, or minus the errno.
[[nodiscard]] int open_beneath(int root, const std::string& path);
// The same where the kernel has no openat2, folder by folder; no symbolic link is followed.
[[nodiscard]] int open_by_component(int root, std::string_view path);

}  // namespace example

#endif  // EXAMPLES_SUPPORT_OPEN_BENEATH_H_
