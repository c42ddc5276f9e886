// What a command-line example does beside its work: end well, measure itself, start itself anew.
#ifndef EXAMPLES_SUPPORT_PROCESS_H_
#define EXAMPLES_SUPPORT_PROCESS_H_

#include <sys/types.h>

#include <cstdio>
#include <functional>
#include <string>
#include <vector>

namespace example {

// Prints "<program>: <message>", cleans up and ends the program with 1. From any thread; only the
// first one speaks.
[[noreturn]] void die(const std::string& message);
// The same with what errno says.
[[noreturn]] void die_of_errno(const std::string& what);

// Sets what is removed when the program dies or is interrupted: files, and empty folders before
// what was in them. Called by one thread.
void set_temporaries(std::vector<std::string> paths);
// Removes them now and, after SIGINT and SIGTERM, before the program ends.
void clean_up();
void clean_up_on_signals();
// On SIGINT and SIGTERM calls `last` on a thread of its own and ends the program with 0, without
// waiting for other threads. Call it before they are started.
void end_on_signals(std::function<void()> last);

// Starts this program anew with `arguments`, to be stopped in clean_up() if `stop_with_us`, and
// returns its output. finish() waits for it to end and returns its exit code, 255 after a signal.
struct Child {
  pid_t pid = 0;
  std::FILE* output = nullptr;
};
[[nodiscard]] Child start(std::vector<std::string> arguments, bool stop_with_us);
int finish(Child& child);

// By a clock that nobody sets.
[[nodiscard]] double seconds();
// KiB of memory of this process: now, and at most so far.
[[nodiscard]] long memory_now_kib();
[[nodiscard]] long memory_peak_kib();
[[nodiscard]] long page_faults();
// Precondition: not empty.
[[nodiscard]] double median(std::vector<double> values);

}  // namespace example

#endif  // EXAMPLES_SUPPORT_PROCESS_H_
