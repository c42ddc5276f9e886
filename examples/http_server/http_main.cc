// The flags and the main program of servers that speak HTTP.
#include <absl/flags/flag.h>
#include <absl/flags/parse.h>
#include <absl/flags/usage.h>
#include <fcntl.h>

#include <cstdio>

#include "examples/http_server/http.h"

ABSL_FLAG(std::string, listen, "127.0.0.1:8080",
          "ADDRESS:PORT (0: the kernel chooses) or unix:PATH");
ABSL_FLAG(std::string, root, ".", "the folder whose files are served");
ABSL_FLAG(uint32_t, threads, 1, "threads that serve");
ABSL_FLAG(uint64_t, max_body, 4194304, "bytes of an uploaded body at most");
ABSL_FLAG(uint64_t, max_connections, 1000, "further ones are refused with 503");
ABSL_FLAG(uint32_t, idle_seconds, 60, "a connection without progress is closed after so long");
ABSL_FLAG(uint32_t, seconds, 0, "ends after so long; 0: on SIGTERM or SIGINT");

namespace example {

int http_main(int argc, char** argv, const char* usage, MakeFactory make) {
  absl::SetProgramUsageMessage(usage);
  absl::ParseCommandLine(argc, argv);
  auto folder = std::make_shared<bight::File>();
  const std::string root = absl::GetFlag(FLAGS_root);
  if (const auto opened = folder->open(root.c_str(), O_PATH | O_DIRECTORY); opened.is_error()) {
    std::fprintf(stderr, "%s: %s\n", root.c_str(), opened.message().c_str());
    return 1;
  }
  ServerOptions options;
  options.listen = absl::GetFlag(FLAGS_listen);
  options.threads = absl::GetFlag(FLAGS_threads);
  options.max_connections = absl::GetFlag(FLAGS_max_connections);
  options.max_unsent = size_t{256} << 10;
  options.idle_seconds = absl::GetFlag(FLAGS_idle_seconds);
  options.seconds = absl::GetFlag(FLAGS_seconds);
  options.refusal = "HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\n\r\n";
  return serve(options, make(std::move(folder), absl::GetFlag(FLAGS_max_body)));
}

}  // namespace example
