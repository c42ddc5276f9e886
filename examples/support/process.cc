#include "examples/support/process.h"

#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <chrono>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <string_view>
#include <thread>
#include <utility>

namespace example {
namespace {

std::vector<std::string> temporaries;
std::atomic<pid_t> to_stop{0};

long memory_kib(std::string_view key) {
  std::ifstream status("/proc/self/status");
  for (std::string line; std::getline(status, line);) {
    if (line.starts_with(key)) return std::atol(line.c_str() + key.size());
  }
  return 0;
}

}  // namespace

void die(const std::string& message) {
  static std::atomic_flag dying = ATOMIC_FLAG_INIT;
  while (dying.test_and_set()) ::pause();
  // A progress bar may stand there.
  std::fprintf(stderr, "%s%s: %s\n", ::isatty(STDERR_FILENO) != 0 ? "\r\033[K" : "",
               program_invocation_short_name, message.c_str());
  clean_up();
  std::_Exit(1);
}

void die_of_errno(const std::string& what) { die(what + ": " + std::strerror(errno)); }

void set_temporaries(std::vector<std::string> paths) {
  // A signal that comes meanwhile waits.
  sigset_t all, before;
  ::sigfillset(&all);
  ::pthread_sigmask(SIG_BLOCK, &all, &before);
  temporaries = std::move(paths);
  ::pthread_sigmask(SIG_SETMASK, &before, nullptr);
}

void clean_up() {
  if (to_stop > 0) ::kill(to_stop, SIGTERM);
  for (size_t i = temporaries.size(); i-- > 0;) {
    if (::unlink(temporaries[i].c_str()) != 0) ::rmdir(temporaries[i].c_str());
  }
}

void clean_up_on_signals() {
  for (const int number : {SIGINT, SIGTERM}) {
    ::signal(number, [](int caught) {
      clean_up();
      ::signal(caught, SIG_DFL);
      ::raise(caught);
    });
  }
}

void end_on_signals(std::function<void()> last) {
  sigset_t stop;
  ::sigemptyset(&stop);
  ::sigaddset(&stop, SIGINT);
  ::sigaddset(&stop, SIGTERM);
  ::pthread_sigmask(SIG_BLOCK, &stop, nullptr);
  std::thread([stop, last = std::move(last)] {
    int number = 0;
    ::sigwait(&stop, &number);
    last();
    std::fflush(stdout);
    std::_Exit(0);
  }).detach();
}

Child start(std::vector<std::string> arguments, bool stop_with_us) {
  Child child;
  int ends[2];
  if (::pipe2(ends, O_CLOEXEC) != 0) die_of_errno("pipe");
  std::vector<char*> argv{program_invocation_name};
  for (std::string& argument : arguments) argv.push_back(argument.data());
  argv.push_back(nullptr);
  posix_spawn_file_actions_t actions;
  ::posix_spawn_file_actions_init(&actions);
  ::posix_spawn_file_actions_adddup2(&actions, ends[1], STDOUT_FILENO);
  errno = ::posix_spawn(&child.pid, "/proc/self/exe", &actions, nullptr, argv.data(), environ);
  if (errno != 0) die_of_errno("posix_spawn");
  ::posix_spawn_file_actions_destroy(&actions);
  if (stop_with_us) to_stop = child.pid;
  ::close(ends[1]);
  child.output = ::fdopen(ends[0], "r");
  return child;
}

int finish(Child& child) {
  int status = 0;
  while (::waitpid(child.pid, &status, 0) < 0 && errno == EINTR) {
  }
  if (to_stop == child.pid) to_stop = 0;
  std::fclose(std::exchange(child.output, nullptr));
  return WIFEXITED(status) ? WEXITSTATUS(status) : 255;
}

double seconds() {
  const auto now = std::chrono::steady_clock::now().time_since_epoch();
  return std::chrono::duration<double>(now).count();
}

long memory_now_kib() { return memory_kib("VmRSS:"); }
long memory_peak_kib() { return memory_kib("VmHWM:"); }

long page_faults() {
  rusage usage{};
  ::getrusage(RUSAGE_SELF, &usage);
  return usage.ru_minflt + usage.ru_majflt;
}

double median(std::vector<double> values) {
  const auto middle = values.begin() + static_cast<ptrdiff_t>(values.size() / 2);
  std::nth_element(values.begin(), middle, values.end());
  if (values.size() % 2 != 0) return *middle;
  return (*middle + *std::max_element(values.begin(), middle)) / 2;
}

}  // namespace example
