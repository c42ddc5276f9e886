// Every adapter of bight::io under system calls that really fail, now and then and at every place:
// strace makes them (-e inject), in a program of its own (transfer.cc) that checks after each fault
// that no byte is lost, doubled or reordered, that counts are exact and that nothing leaks.
#include <fcntl.h>
#include <gtest/gtest.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <iterator>
#include <ostream>
#include <string>
#include <thread>
#include <vector>

extern char** environ;

namespace bight {
namespace {

struct Fault {
  const char* kind;   // of transfer.cc
  const char* calls;  // system calls, as strace names them
  const char* what;   // "error=EINTR", "signal=SIGUSR1"
};

std::ostream& operator<<(std::ostream& out, const Fault& fault) {
  return out << fault.kind << ": " << fault.calls << " " << fault.what;
}

pid_t start(const std::vector<std::string>& command, int input, int output) {
  std::vector<char*> arguments;
  for (const std::string& argument : command)
    arguments.push_back(const_cast<char*>(argument.c_str()));
  arguments.push_back(nullptr);
  posix_spawn_file_actions_t actions;
  ::posix_spawn_file_actions_init(&actions);
  if (input >= 0) ::posix_spawn_file_actions_adddup2(&actions, input, STDIN_FILENO);
  if (output >= 0) ::posix_spawn_file_actions_adddup2(&actions, output, STDOUT_FILENO);
  pid_t pid = -1;
  const int error = ::posix_spawn(&pid, arguments[0], &actions, nullptr, arguments.data(), environ);
  ::posix_spawn_file_actions_destroy(&actions);
  return error == 0 ? pid : -1;
}

// The exit status, or 128 + the signal.
int wait_for(pid_t pid) {
  int status = 0;
  while (::waitpid(pid, &status, 0) != pid) {
    if (errno != EINTR) return -1;
  }
  return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

bool is_traced(pid_t pid) {
  std::ifstream status("/proc/" + std::to_string(pid) + "/status");
  std::string word;
  while (status >> word) {
    if (word == "TracerPid:") return status >> word && word != "0";
  }
  return false;
}

size_t count_of(const std::string& name, const std::string& word) {
  std::ifstream file(name);
  const std::string text((std::istreambuf_iterator<char>(file)), std::istreambuf_iterator<char>());
  size_t count = 0;
  for (size_t at = text.find(word); at != std::string::npos; at = text.find(word, at + 1)) ++count;
  return count;
}

// Runs the transfer with `fault` at each of `when` ("1+3": the first call of a thread and each
// third behind it). Returns how many faults strace made.
size_t run(const Fault& fault, const std::string& when) {
  char log[] = "/tmp/bight_strace_XXXXXX";
  const int made = ::mkstemp(log);
  EXPECT_GE(made, 0);
  ::close(made);
  int go[2] = {-1, -1};
  EXPECT_EQ(::pipe2(go, O_CLOEXEC), 0);
  int ready[2] = {-1, -1};
  EXPECT_EQ(::pipe2(ready, O_CLOEXEC), 0);
  const pid_t program = start({FAULTS_TRANSFER, fault.kind}, go[0], ready[1]);
  ::close(go[0]);
  ::close(ready[1]);
  // It has been loaded when it says something.
  char said = 0;
  EXPECT_EQ(::read(ready[0], &said, 1), 1);
  const std::string calls = fault.calls;
  const pid_t tracer =
      start({STRACE, "-f", "-qq", "-o", log, "-e", "trace=" + calls, "-e",
             "inject=" + calls + ":" + fault.what + ":when=" + when, "-p", std::to_string(program)},
            -1, -1);
  EXPECT_GT(program, 0);
  EXPECT_GT(tracer, 0);
  for (int i = 0; i < 6000 && !is_traced(program); ++i) {
    std::this_thread::sleep_for(std::chrono::milliseconds(5));
  }
  EXPECT_TRUE(is_traced(program)) << "strace cannot attach here";
  ::close(go[1]);
  EXPECT_EQ(wait_for(program), 0) << fault << " when=" << when;
  ::close(ready[0]);
  EXPECT_EQ(wait_for(tracer), 0);
  const size_t injected = count_of(log, "(INJECTED)") + count_of(log, "--- SIGUSR1");
  ::unlink(log);
  return injected;
}

class InjectedFaultsTest : public ::testing::TestWithParam<Fault> {};

TEST_P(InjectedFaultsTest, LosesNothing) {
  size_t injected = 0;
  for (const char* when : {"1+3", "2+5"}) injected += run(GetParam(), when);
  EXPECT_GT(injected, 0u) << "no fault was made: the test shows nothing";
}

// All that one of the kinds calls, with what each may answer on Linux.
std::vector<Fault> all_faults() {
  std::vector<Fault> faults;
  const auto add = [&](const char* kind, const char* calls, std::vector<const char*> answers) {
    for (const char* what : answers) faults.push_back({kind, calls, what});
  };
  const char* const sends = "sendto,sendmsg";
  const char* const reads = "read,readv";
  const std::vector<const char*> socket_answers = {"error=EINTR", "error=EAGAIN", "error=ENOBUFS",
                                                   "error=ENOMEM", "signal=SIGUSR1"};
  for (const char* kind : {"sockets", "frames"}) {
    add(kind, sends, socket_answers);
    add(kind, reads, socket_answers);
  }
  add("copies", reads, {"error=EINTR", "error=EAGAIN", "error=EIO", "signal=SIGUSR1"});
  add("copies", "write,writev", {"error=EINTR", "error=EAGAIN", "signal=SIGUSR1"});
  add("copies", sends, {"error=EINTR", "error=ENOBUFS"});
  add("slices", "sendfile",
      {"error=EINTR", "error=EAGAIN", "error=EINVAL", "error=ENOSYS", "error=EOVERFLOW",
       "error=EIO", "error=ENOMEM", "signal=SIGUSR1"});
  add("slices", sends, {"error=EINTR", "error=EAGAIN", "error=ENOBUFS"});
  add("slices", "sendfile,pread64,preadv,preadv2,sendmsg", {"error=EINTR", "error=EINVAL"});
  add("files", "write,writev,pwrite64,pwritev",
      {"error=EINTR", "error=ENOSPC", "error=EIO", "error=EDQUOT", "signal=SIGUSR1"});
  add("files", "read,readv,pread64,preadv", {"error=EINTR", "error=EIO", "signal=SIGUSR1"});
  add("files", "copy_file_range",
      {"error=EXDEV", "error=ENOSYS", "error=EINVAL", "error=ENOSPC", "error=EIO", "error=EINTR"});
  add("files", "fsync,fdatasync", {"error=EIO", "error=ENOSPC"});
  add("files", "rename,renameat,renameat2", {"error=EIO", "error=ENOSPC"});
  add("files", "openat", {"error=EINTR", "error=EMFILE", "error=ENFILE", "error=ENOSPC"});
  add("datagrams", "sendmmsg", {"error=EINTR", "error=EAGAIN", "error=ENOBUFS", "signal=SIGUSR1"});
  add("datagrams", "recvmmsg", {"error=EINTR", "error=EAGAIN", "error=ENOMEM", "signal=SIGUSR1"});
  add("descriptors", sends, {"error=EINTR", "error=EAGAIN", "error=ETOOMANYREFS"});
  add("descriptors", "recvmsg", {"error=EINTR", "error=EAGAIN", "error=ENOMEM"});
  add("direct", "pwrite64,pwritev", {"error=EINTR", "error=EIO", "error=ENOSPC"});
  add("direct", "pread64,preadv", {"error=EINTR", "error=EIO"});
  return faults;
}

INSTANTIATE_TEST_SUITE_P(EveryAdapter, InjectedFaultsTest, ::testing::ValuesIn(all_faults()));

}  // namespace
}  // namespace bight
