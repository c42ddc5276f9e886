// An example server that runs on threads of the test, so that the test can count its copies.
#ifndef TESTS_SUPPORT_SERVED_H_
#define TESTS_SUPPORT_SERVED_H_

#include <gtest/gtest.h>
#include <pthread.h>
#include <signal.h>
#include <unistd.h>

#include <cstdio>
#include <ctime>
#include <string>
#include <thread>
#include <utility>

#include "examples/support/epoll_server.h"

namespace bight_test {

// Serves from construction to destruction, on a port of the kernel's choice. One at a time.
class Served {
 public:
  Served(example::ServerOptions options, example::HandlerFactory factory) {
    ::sigemptyset(&term_);
    ::sigaddset(&term_, SIGTERM);
    ::pthread_sigmask(SIG_BLOCK, &term_, nullptr);  // of the threads made here, too
    // serve() says on the standard output where it listens.
    int ends[2];
    if (::pipe(ends) != 0) return;
    std::fflush(stdout);
    const int output = ::dup(STDOUT_FILENO);
    ::dup2(ends[1], STDOUT_FILENO);
    ::close(ends[1]);
    options.listen = "127.0.0.1:0";
    options.seconds = 250;  // less than a test may take: it ends by itself
    thread_ = std::thread([this, options, factory = std::move(factory)] {
      exit_code_ = example::serve(options, factory);
    });
    std::string line;
    for (char c = 0; c != '\n' && ::read(ends[0], &c, 1) == 1;) line += c;
    std::fflush(stdout);
    ::dup2(output, STDOUT_FILENO);
    ::close(output);
    ::close(ends[0]);
    EXPECT_TRUE(line.starts_with("listening on ")) << line;
    if (line.size() > 14) address_ = line.substr(13, line.size() - 14);
  }
  Served(const Served&) = delete;
  Served& operator=(const Served&) = delete;
  ~Served() {
    ::kill(::getpid(), SIGTERM);
    thread_.join();
    EXPECT_EQ(exit_code_, 0);
    const timespec now{};
    ::sigtimedwait(&term_, nullptr, &now);  // the server only looks at it
  }

  const std::string& address() const { return address_; }

 private:
  sigset_t term_{};
  std::string address_;
  int exit_code_ = -1;
  std::thread thread_;
};

}  // namespace bight_test

#endif  // TESTS_SUPPORT_SERVED_H_
