#!/usr/bin/env python3
"""examples/http_server beside nginx, on the same files, both driven by wrk. Part of ./dev bench
protocols; docs/protocols.md explains the tables.

Bar: requests a second for files of 1 KiB and 64 KiB are at least 0.9 times those of nginx at its best
of sendfile on and off, with its cache of open files and without, less what nginx falls short of
itself. One worker each, no access log, connections kept for ever.
"""

import os
import re
import statistics
import subprocess
import sys
import urllib.request

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import common  # noqa: E402

CONNECTIONS = 32
BARRED = (1 << 10, 64 << 10)
OTHERS = (16 << 10, 1 << 20)
BAR = 0.9

# Packages of nginx's shared libraries, and the folder there, for machines that have no other use for
# them.
LIBRARIES = {"libcrypt.so.1": ("libcrypt1", "lib"), "libpcre2-8.so.0": ("libpcre2-8-0", "usr/lib"),
             "libssl.so.3": ("libssl3", "usr/lib"), "libcrypto.so.3": ("libssl3", "usr/lib"),
             "libz.so.1": ("zlib1g", "lib")}

CONFIGURATION = """
daemon off; worker_processes 1; pid nginx.pid; error_log error.log warn;
events {{ worker_connections 1024; }}
http {{
  access_log off; sendfile {sendfile}; tcp_nopush {sendfile}; {cache}
  keepalive_timeout 3600; keepalive_requests 1000000000;
  client_body_temp_path tmp; proxy_temp_path tmp; fastcgi_temp_path tmp; uwsgi_temp_path tmp;
  scgi_temp_path tmp;
  types {{ }} default_type application/octet-stream;
  server {{ listen 127.0.0.1:{port}; root {root}; }}
}}
"""
CACHE = "open_file_cache max=256; open_file_cache_valid 1s;"


def environment(packages, nginx):
    """With the libraries that this machine lacks."""
    folders = []
    for line in subprocess.run(["ldd", nginx], capture_output=True, text=True,
                               check=True).stdout.splitlines():
        if "not found" in line:
            package, place = LIBRARIES[line.split()[0]]
            path = os.path.join(place, f"{os.uname().machine}-linux-gnu", line.split()[0])
            folders.append(os.path.dirname(common.unpacked(packages, package, path)))
    return {**os.environ, "LD_LIBRARY_PATH": ":".join(folders)} if folders else None


def start_nginx(nginx, folder, root, name, sendfile, cache, cpus, env):
    """In a folder of its own, with every path in it; it needs no rights."""
    prefix = os.path.join(folder, re.sub(r"\W+", "_", name))
    os.makedirs(os.path.join(prefix, "tmp"), exist_ok=True)
    port = common.free_port()
    with open(os.path.join(prefix, "nginx.conf"), "w", encoding="ascii") as file:
        if os.geteuid() == 0:
            file.write("user root;")  # else the worker could not read the folder
        file.write(CONFIGURATION.format(sendfile="on" if sendfile else "off", port=port, root=root,
                                        cache=CACHE if cache else ""))
    # From the start, so that the worker process is there too.
    command = ["taskset", "--cpu-list", ",".join(map(str, cpus)), nginx, "-p", prefix, "-c",
               "nginx.conf", "-e", "error.log"]
    return common.Server(name, command, port, env=env)


def check(server, size, content):
    with urllib.request.urlopen(f"http://127.0.0.1:{server.port}/{size}", timeout=30) as response:
        if response.read() != content:
            sys.exit(f"{server.name} has another file of {size} bytes")


def run(server, size, seconds, cpus):
    """Requests a second, and seconds of the server's processor a request."""
    before = server.cpu_seconds()
    done = subprocess.run(
        ["wrk", "--threads", "1", "--connections", str(CONNECTIONS), "--duration", f"{seconds}s",
         f"http://127.0.0.1:{server.port}/{size}"],
        stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=seconds + 60, check=True,
        preexec_fn=lambda: os.sched_setaffinity(0, cpus))
    cpu = server.cpu_seconds() - before
    count = int(re.search(r"(\d+) requests in", done.stdout).group(1))
    if "Socket errors" in done.stdout or "Non-2xx" in done.stdout:
        sys.exit(f"wrk against {server.name}: {done.stdout}")
    return float(re.search(r"Requests/sec:\s*([0-9.]+)", done.stdout).group(1)), cpu / count


def main():
    options = common.arguments(__doc__)
    options.packages = os.path.abspath(options.packages)
    bars = common.Bars()
    rounds, seconds = 3 if options.quick else 9, 1
    allowed = sorted(os.sched_getaffinity(0))
    ours, theirs = {allowed[0]}, {allowed[-1]}
    nginx = common.unpacked(options.packages, "nginx", "usr/sbin/nginx")
    env = environment(options.packages, nginx)
    version = subprocess.run([nginx, "-v"], capture_output=True, text=True, check=True,
                             env=env).stderr.strip().rsplit("/", 1)[1]
    folder = os.path.join(options.packages, "nginx_run")
    root = os.path.join(folder, "root")
    os.makedirs(root, exist_ok=True)
    files = {size: os.urandom(size) for size in (*BARRED, *OTHERS)}
    for size, content in files.items():
        with open(os.path.join(root, str(size)), "wb") as file:
            file.write(content)

    common.print_machine()
    print(f"nginx {version} with one worker, no access log; http_server with one thread; servers on "
          f"processor {allowed[0]}, wrk on {allowed[-1]} with {CONNECTIONS} connections; {rounds} rounds "
          f"of {seconds} s")
    settings = [(f"sendfile {'on' if sendfile else 'off'}{', open files cached' if cache else ''}",
                 sendfile, cache) for cache in (False, True) for sendfile in (False, True)]
    servers = []
    try:
        servers.append(common.Server(
            "http_server", [os.path.join(options.build, "bin", "http_server"), f"--root={root}",
                            "--listen=127.0.0.1:0", "--seconds=1200"], cpus=ours))
        for setting in settings:
            servers.append(start_nginx(nginx, folder, root, *setting, ours, env))
        for name, sizes in (("Barred", BARRED), ("Without a bar", OTHERS)):
            if sizes is OTHERS and options.quick:
                continue
            rows = []
            for size in sizes:
                for server in servers:
                    check(server, size, files[size])
                # The best nginx of a first round runs twice a round, for the A/A.
                first = [run(server, size, 1, theirs)[0] for server in servers[1:]]
                again = servers[1 + first.index(max(first))]
                results = common.rotated([*servers, again], rounds,
                                         lambda server, size=size: run(server, size, seconds, theirs))
                rates = [[rate for rate, _ in result] for result in results]
                cpu = [statistics.median(cost for _, cost in result) * 1e6 for result in results]
                ratios = [common.ratio(rates[0], rate) for rate in rates[1:-1]]
                medians = [statistics.median(rate) for rate in rates]
                best = max(range(1, len(servers)), key=medians.__getitem__)
                repeat = common.ratio(rates[-1], rates[servers.index(again)])
                for i, server in enumerate(servers):
                    verdict = ""
                    if i == best and sizes is BARRED:
                        verdict = bars.at_least(f"{common.size_name(size)} beside nginx, {server.name}",
                                                ratios[i - 1], BAR, repeat)
                    rows.append([common.size_name(size) if i == 0 else "",
                                 server.name if i == 0 else f"nginx, {server.name}",
                                 f"{medians[i]:,.0f}", f"{cpu[i]:.2f}",
                                 f"{ratios[i - 1]:.2f}" if i != 0 else "",
                                 f"{repeat:.2f}" if server is again else "", verdict])
            common.print_table(f"{name}: files", ["file", "server", "requests/s", "CPU us/request",
                                                  "bight/this", "A/A", f"bar {BAR}"], rows)
    finally:
        for server in servers:
            server.close()
    bars.exit()


if __name__ == "__main__":
    main()
